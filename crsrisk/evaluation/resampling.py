"""The whole development of a model repeated on other patients, and the figures of every repeat.

What a refit repeats is the caller's: imputation, choice of trees, calibration, and in the first
resamples tuning too. In a bootstrap resample all that is kept of it is its risk for every original
patient: a patient's risk depends on his row alone, so it is also the risk of his copies inside the
resample. Optimism and instability (:mod:`crsrisk.evaluation.optimism`) are two ways to look at the
same refits. In cross-validation every patient's risk comes from a development without him.

The figures of a repeat are point values, one number each: whoever reports one of them for itself
takes the function with the interval in :mod:`crsrisk.evaluation.metrics` or
:mod:`crsrisk.evaluation.calibration`, and tests hold the two together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.model_selection import StratifiedKFold

from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import point_ici, point_recalibration
from crsrisk.evaluation.metrics import (
    RISK_FLOOR,
    BoolArray,
    FloatArray,
    point_auroc,
    point_auroc_within,
)
from crsrisk.executor import side_by_side
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.streams import uniforms

TUNED_AT_LEAST = 20
"""Resamples in which tuning is repeated; the others use the tuning result of the evaluated
model.
"""
FOLDS = 5

MEASURES: Mapping[str, str] = MappingProxyType(
    {
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
    }
)
"""Name -> what it is, in words. Net benefit has a name for each threshold: `net_benefit_0.3`."""


class Develop(Protocol):
    """Everything that made the model, from the two tables to the calibrated model."""

    def __call__(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """Fit to these patients. In a resample the copies of a patient bear the same `patient_id`:
        a refit that cuts folds can keep them together. Raises InputError or ValueError when these
        patients cannot give a model.
        """
        ...


@dataclass(frozen=True, eq=False)
class Repeats:
    """The refits that succeeded, one row each, in the order of the resamples.

    ``rows`` (refits, n): which original patients the resample drew. ``risk`` (refits, n): the
    refit's risk of every original patient. ``is_tuned``: was tuning repeated? ``n_asked``:
    resamples asked for. ``failures``: reason -> number of resamples that gave no model.
    """

    rows: NDArray[np.int64]
    risk: FloatArray
    is_tuned: NDArray[np.bool_]
    n_asked: int
    failures: dict[str, int]

    @property
    def n(self) -> int:
        """Repeats that succeeded."""
        return len(self.risk)

    @property
    def n_failed(self) -> int:
        """Resamples without a model."""
        return sum(self.failures.values())


def refit_in_resamples(
    observed: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    refit: Develop,
    tune_and_refit: Develop | None,
    n_resamples: int,
    n_tuned: int = TUNED_AT_LEAST,
    seed: int,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> Repeats:
    """Draw patients with replacement, repeat the development on each draw, score the original
    patients.

    ``observed`` and ``outcomes``: the development patients in the same order. ``tune_and_refit``
    repeats tuning too and is used in the first ``n_tuned`` resamples (None: tuning is no part of
    the development, and nothing is tuned). The draw and the seed of a resample depend on ``seed``
    and its number alone. A resample that fails is counted with its reason and does not stop the
    others.
    """
    if n_resamples < 1 or n_tuned < 0:
        raise InputError(
            where="refits",
            key="n_resamples, n_tuned",
            found=f"{n_resamples}, {n_tuned}",
            expected="at least 1 resample, and 0 or more of them with tuning",
            cure="ask for 200 and 20",
        )
    n = len(observed)
    draws = uniforms(seed=seed, decision="refits/bootstrap", start=0, stop=n_resamples, width=n)
    rows = np.minimum((draws * n).astype(np.int64), n - 1)

    def risk_of_refit(number: int) -> FloatArray | str:
        """Risks of all original patients, or why there are none."""
        is_tuned = tune_and_refit is not None and number < n_tuned
        develop = tune_and_refit if is_tuned and tune_and_refit is not None else refit
        drawn = [table.iloc[rows[number]].reset_index(drop=True) for table in (observed, outcomes)]
        try:
            risk = predict(develop(drawn[0], drawn[1], seed + 1 + number), observed).risk
        except (InputError, ValueError, ArithmeticError) as problem:
            return type(problem).__name__ + ": " + " ".join(str(problem).split())[:160]
        finally:
            if advance:
                advance(1)
        return risk if np.isfinite(risk).all() else "a risk is missing: the model refused a patient"

    with side_by_side(workers) as pool:
        refits = list(pool.map(risk_of_refit, range(n_resamples)))
    good = [number for number, risk in enumerate(refits) if not isinstance(risk, str)]
    return Repeats(
        rows=rows[good],
        risk=np.array([refits[number] for number in good], dtype=np.float64).reshape(len(good), n),
        is_tuned=np.array(
            [tune_and_refit is not None and number < n_tuned for number in good], dtype=np.bool_
        ),
        n_asked=n_resamples,
        failures=dict(Counter(risk for risk in refits if isinstance(risk, str))),
    )


def out_of_fold_risk(
    observed: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    outcome: str,
    refit: Develop,
    seed: int,
    n_folds: int = FOLDS,
) -> FloatArray:
    """Cross-validated risks, shape (patients,), from folds that hold the same share of events.

    ``observed`` and ``outcomes``: the development patients in the same order; ``outcome``: the
    column with the event.
    """
    y_true = outcomes[outcome].to_numpy(dtype=np.int64)
    risk = np.empty(len(y_true))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for fitted, held in folds.split(np.zeros((len(y_true), 1)), y_true):
        risk[held] = predict(
            refit(observed.iloc[fitted], outcomes.iloc[fitted], seed), observed.iloc[held]
        ).risk
    return risk


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
    y_true: BoolArray,
    *,
    risk: FloatArray,
    group: NDArray[Any] | None = None,
    thresholds: Sequence[float] = (),
    has_curve: bool = True,
) -> dict[str, float]:
    """Every measure of these patients; NaN where the patients cannot give one. Risks are clipped to
    1e-6 from 0 and 1.

    ``has_curve=False`` leaves the ICI out (NaN), which takes most of the time.

    >>> outcome, risk = np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8])
    >>> round(measure_all(outcome, risk=risk)["auroc"], 2)
    0.75
    """
    n, n_events = y_true.size, int(y_true.sum())
    names = [*MEASURES, *(net_benefit_name(threshold) for threshold in thresholds)]
    if n_events in (0, n):
        return dict.fromkeys(names, float("nan"))
    clipped = np.clip(risk, RISK_FLOOR, 1 - RISK_FLOOR)
    logits = np.asarray(logit(clipped))
    shift, slope, joint = point_recalibration(y_true, logits)
    rate, brier = n_events / n, float(np.mean((risk - y_true) ** 2))
    measures = {
        "auroc": point_auroc(y_true, risk),
        "auroc_within_product": (
            float("nan") if group is None else point_auroc_within(y_true, risk, group)
        ),
        "in_the_large": shift,
        "slope": slope,
        "intercept_joint": joint,
        "observed_to_expected": n_events / float(clipped.sum()),
        "ici": point_ici(y_true, logits) if has_curve else float("nan"),
        "brier": brier,
        "scaled_brier": 1 - brier / (rate * (1 - rate)),
        "log_loss": float(-np.mean(np.log(np.where(y_true, clipped, 1 - clipped)))),
    }
    return measures | {net_benefit_name(at): _net_benefit(y_true, risk, at) for at in thresholds}


def _net_benefit(y_true: BoolArray, risk: FloatArray, threshold: float) -> float:
    is_treated = risk >= threshold
    gain = np.where(y_true, 1.0, -threshold / (1 - threshold))
    return float(np.mean(is_treated * gain))
