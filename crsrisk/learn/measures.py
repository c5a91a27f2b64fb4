"""The figures that are computed again and again in resamples: point values only, one number each, NaN for none.

Everything that repeats an evaluation hundreds of times (optimism, internal-external validation, differences between
subgroups, learning curves) uses these; whoever reports one of them for itself takes the function with the interval
in :mod:`crsrisk.learn.metrics` or :mod:`crsrisk.learn.calibration_curve`, and tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.learn.calibration_curve import point_ici, point_recalibration
from crsrisk.learn.metrics import RISK_FLOOR, BoolArray, FloatArray

MEASURES: Mapping[str, str] = MappingProxyType({
    "auroc": "AUROC, all patients mixed",
    "auroc_within_product": "AUROC, pairs of patients of one product",
    "in_the_large": "Calibration intercept (slope fixed at 1)",
    "slope": "Calibration slope",
    "intercept_joint": "Calibration intercept (fitted with the slope)",
    "observed_to_expected": "Observed / expected",
    "ici": "Mean calibration error (ICI)",
    "brier": "Brier score",
    "scaled_brier": "Scaled Brier score",
    "log_loss": "Log loss (nats)",
})
"""Name -> what it is, in words. Net benefit has a name for each threshold: `net_benefit_0.3`."""


def net_benefit_name(threshold: float) -> str:
    """The name of the net benefit at a threshold.

    >>> net_benefit_name(0.3)
    'net_benefit_0.3'
    """
    return f"net_benefit_{threshold:g}"


def label_of(measure: str) -> str:
    """A measure in words.

    >>> label_of("net_benefit_0.3")
    'Net benefit at 30 of 100'
    """
    threshold = measure.removeprefix("net_benefit_")
    return MEASURES.get(measure) or f"Net benefit at {100 * float(threshold):g} of 100"


def measure_all(
    happened: BoolArray, *, risk: FloatArray, group: NDArray[np.str_] | None = None, thresholds: Sequence[float] = (),
    has_curve: bool = True,
) -> dict[str, float]:
    """Every measure of these patients; NaN where the patients cannot give one. Risks are clipped to 1e-6 from 0 and 1.

    ``has_curve=False`` leaves the ICI out (NaN), which takes most of the time.

    >>> round(measure_all(np.array([False, False, True, True]), risk=np.array([0.1, 0.4, 0.35, 0.8]))["auroc"], 2)
    0.75
    """
    n, n_events = happened.size, int(happened.sum())
    names = [*MEASURES, *(net_benefit_name(one) for one in thresholds)]
    if n_events in (0, n):
        return dict.fromkeys(names, float("nan"))
    clipped = np.clip(risk, RISK_FLOOR, 1 - RISK_FLOOR)
    logits = np.asarray(logit(clipped))
    shift, slope, joint = point_recalibration(happened, logits)
    rate, brier = n_events / n, float(np.mean((risk - happened) ** 2))
    found = {
        "auroc": point_auroc(happened, risk),
        "auroc_within_product": float("nan") if group is None else _auroc_within(happened, risk, group),
        "in_the_large": shift, "slope": slope, "intercept_joint": joint,
        "observed_to_expected": n_events / float(clipped.sum()),
        "ici": point_ici(happened, logits) if has_curve else float("nan"),
        "brier": brier, "scaled_brier": 1 - brier / (rate * (1 - rate)),
        "log_loss": float(-np.mean(np.log(np.where(happened, clipped, 1 - clipped)))),
    }
    return found | {net_benefit_name(one): _net_benefit(happened, risk, one) for one in thresholds}


def point_auroc(happened: BoolArray, risk: FloatArray) -> float:
    """AUROC without its interval (ties one half); both classes must be there."""
    others, events = np.sort(risk[~happened]), risk[happened]
    below = np.searchsorted(others, events, "left") + np.searchsorted(others, events, "right")
    return float(below.sum()) / (2 * others.size * events.size)


def _auroc_within(happened: BoolArray, risk: FloatArray, group: NDArray[np.str_]) -> float:
    right = pairs = 0.0
    for name in np.unique(group):
        rows = group == name
        here = int(happened[rows].sum()) * int((~happened[rows]).sum())
        if here:
            right, pairs = right + here * point_auroc(happened[rows], risk[rows]), pairs + here
    return right / pairs if pairs else float("nan")


def _net_benefit(happened: BoolArray, risk: FloatArray, threshold: float) -> float:
    is_treated = risk >= threshold
    gain = np.where(happened, 1.0, -threshold / (1 - threshold))
    return float(np.mean(is_treated * gain))
