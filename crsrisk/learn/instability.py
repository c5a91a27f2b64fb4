"""How much one patient's risk depends on who else happened to be in the development cohort.

Two developments of the same model on two cohorts of the same size can agree in AUROC and calibration and still give one
patient 10 and 30 of 100. The refits of :mod:`crsrisk.learn.resampling` stand for such other cohorts (Riley & Collins,
Biom J 2023;65:e2200302). None of it says whether a risk is right, only whether it would have been the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from crsrisk.errors import InputError
from crsrisk.learn.calibration_curve import spline_curve_on
from crsrisk.learn.metrics import (
    RISK_FLOOR,
    TAILS,
    Estimate,
    FloatArray,
    NotEstimable,
    bootstrap_counts,
    check_outcome_and_risk,
    percentile_estimate,
)
from crsrisk.learn.net_benefit import check_thresholds
from crsrisk.learn.resampling import Repeats

N_SHOWN = 40  # refits whose curves are drawn
_MIN_REFITS = 20
_N_RESAMPLES = 200  # over patients, for the intervals of means


@dataclass(frozen=True)
class Instability:
    """Per patient and overall; risks 0-1, patients in the order of the development cohort.

    ``mape`` is each patient's mean absolute difference between the refits' risks and the model's own; ``low`` and
    ``high`` his 95% instability interval (quantiles of the refits' risks, so it need not hold the model's own risk).
    ``mean_mape``: over the patients, interval by bootstrap over patients. ``classification``: threshold -> share of
    refits that put a patient on the other side than the model, mean over patients. ``calibration_curves`` and
    ``net_benefit_curves`` (refits shown, points): each refit judged in the original patients, on ``curve_risk`` and
    ``thresholds``; a row of NaN is a curve that could not be fitted.
    """

    risk: FloatArray
    mape: FloatArray
    low: FloatArray
    high: FloatArray
    mean_mape: Estimate
    mape_p90: float
    mean_width: float
    classification: dict[str, Estimate]
    curve_risk: FloatArray
    calibration_curves: FloatArray
    thresholds: FloatArray
    net_benefit_curves: FloatArray
    n_refits: int
    n_failed: int


def instability(
    outcome: ArrayLike, *, risk: ArrayLike, refits: Repeats, thresholds: Sequence[float], at: Sequence[float], seed: int,
) -> Instability | NotEstimable:
    """Instability of the risks of the development patients.

    ``risk``: of the model under judgement. ``thresholds``: of the decision curves. ``at``: thresholds at which changes
    of side are counted. Not estimable with fewer than 20 refits.
    """
    happened, own = check_outcome_and_risk(outcome, risk)
    threshold = check_thresholds(thresholds)
    if refits.risk.shape[1] != own.size:
        raise InputError(where="instability", key="refits", found=f"{refits.risk.shape[1]} patients",
                         expected=f"the {own.size} development patients", cure="resample the same tables")
    if refits.n < _MIN_REFITS:
        return NotEstimable(f"{refits.n} refits; instability needs at least {_MIN_REFITS}")
    distance = np.abs(refits.risk - own).mean(axis=0)
    low, high = np.quantile(refits.risk, TAILS, axis=0)
    changes = {f"{one:g}": ((refits.risk >= one) != (own >= one)).mean(axis=0) for one in check_thresholds(at)}
    per_patient = np.column_stack([distance, *changes.values()])
    again = np.concatenate([counts @ per_patient for counts in bootstrap_counts(
        n=own.size, n_resamples=_N_RESAMPLES, seed=seed)]) / own.size
    means = [percentile_estimate(float(per_patient[:, k].mean()), again[:, k]) for k in range(per_patient.shape[1])]
    shown = refits.risk[:N_SHOWN]
    grid = np.unique(np.quantile(own, np.linspace(0.01, 0.99, 30)))
    gain = np.where(happened[:, None], 1.0, -threshold / (1 - threshold))
    return Instability(
        risk=own, mape=distance, low=low, high=high, mean_mape=means[0], mape_p90=float(np.quantile(distance, 0.9)),
        mean_width=float((high - low).mean()), classification=dict(zip(changes, means[1:], strict=True)),
        curve_risk=grid,
        calibration_curves=np.array([
            spline_curve_on(happened, logit(np.clip(one, RISK_FLOOR, 1 - RISK_FLOOR)), grid=logit(grid)) for one in shown]),
        thresholds=threshold,
        net_benefit_curves=np.array([((one[:, None] >= threshold) * gain).mean(axis=0) for one in shown]),
        n_refits=refits.n, n_failed=refits.n_failed)
