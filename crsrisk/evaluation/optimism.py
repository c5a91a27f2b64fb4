"""How much better a model looks in its own patients than it will in others, and how much one
patient's risk depends on who else was among them.

Both look at the refits of :mod:`crsrisk.evaluation.resampling`, which stand for other development
cohorts of the same size.

Optimism: every refit is evaluated in the patients it was fitted to, and in all original patients.
The mean difference is the optimism, and apparent performance minus optimism is what to expect of
new patients of the same kind (Harrell, Lee & Mark, Stat Med 1996;15:361): the next patients of the
same products, hospitals and simulator, not another hospital.

Instability: two developments of the same model can agree in AUROC and calibration and still give
one patient 10 and 30 of 100 (Riley & Collins, Biom J 2023;65:e2200302). None of it says whether a
risk is right, only whether it would have been the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import spline_curve_on
from crsrisk.evaluation.decision_curve import check_thresholds
from crsrisk.evaluation.metrics import (
    RISK_FLOOR,
    TAILS,
    FloatArray,
    bootstrap_counts,
    check_outcome_and_risk,
    percentile_estimate,
)
from crsrisk.evaluation.resampling import Repeats, label_of, measure_all
from crsrisk.results import Estimate, NotEstimable

MAX_FAILED_SHARE = 0.2  # of the resamples: beyond it the others describe the easy draws only
N_SHOWN = 40  # refits whose curves are drawn
N_GROUPS = 100  # of patients by risk, where single patients must not be shown
_MIN_REFITS = 20
_N_RESAMPLES = 200  # over patients, for the intervals of mean instabilities
_DIGITS = 4  # of curves that are only drawn


@dataclass(frozen=True)
class Optimism:
    """One measure: what the model shows in its own patients, what of that is optimism, and what
    remains.

    ``corrected`` has the interval of the model's own apparent performance (bootstrap over patients,
    risks as they are), moved by the optimism. It leaves out the uncertainty of the optimism, so it
    covers somewhat less than it says (tests/evaluation/test_optimism.py has how much). The spread
    of the refits' *apparent* performance, which some use, cannot serve: a model fits its own
    patients' mean and slope in every resample, so calibration would look certain.
    ``optimism`` is the mean over refits with its Monte Carlo error. ``optimism_tuned`` and
    ``optimism_saved_tuning``: the mean over the refits that repeated tuning, and over those that
    did not (None: none).
    """

    measure: str
    label: str
    apparent: float
    optimism: Estimate
    corrected: Estimate
    optimism_tuned: float | None
    optimism_saved_tuning: float | None
    n_refits: int


@dataclass(frozen=True)
class OptimismTable:
    """All measures, with what stands behind them."""

    rows: tuple[Optimism | NotEstimable, ...]
    n_asked: int
    n_refits: int
    n_tuned: int
    n_failed: int
    failures: dict[str, int]
    note: str


def optimism(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    refits: Repeats,
    product: ArrayLike | None = None,
    thresholds: Sequence[float] = (),
) -> OptimismTable | NotEstimable:
    """Apparent performance, optimism and corrected performance of every measure but the ICI.

    (A distance is not corrected by a subtraction; slope and intercepts say what there is to say
    about calibration.)

    ``outcome``, ``risk`` and ``product``: of the development patients, in the order in which they
    were resampled; ``risk`` is that of the evaluated model in its own patients. Not estimable
    when more than a fifth of the resamples failed, or fewer than 20 refits remain.
    """
    y_true, apparent_risk = check_outcome_and_risk(outcome, risk)
    _check_patients(refits, y_true.size, where="optimism")
    if refits.n_failed > MAX_FAILED_SHARE * refits.n_asked or refits.n < _MIN_REFITS:
        return NotEstimable(
            f"{refits.n_failed} of {refits.n_asked} resamples gave no model; at least {_MIN_REFITS}"
            f" refits and at most {MAX_FAILED_SHARE:.0%} failures are needed"
        )
    group = None if product is None else np.asarray(product, dtype=str)

    def measured(risks: FloatArray, rows: NDArray[np.int64]) -> dict[str, float]:
        return measure_all(
            y_true[rows],
            risk=risks[rows],
            group=None if group is None else group[rows],
            thresholds=thresholds,
            has_curve=False,
        )

    everybody = np.arange(y_true.size)
    apparent = measured(apparent_risk, everybody)
    inside = [measured(risks, rows) for rows, risks in zip(refits.rows, refits.risk, strict=True)]
    outside = [measured(risks, everybody) for risks in refits.risk]
    redrawn = [measured(apparent_risk, rows) for rows in refits.rows]
    left_out = {"ici", *(() if group is not None else ("auroc_within_product",))}
    table = tuple(
        _row(
            name,
            apparent[name],
            *(np.array([row[name] for row in rows]) for rows in (inside, outside, redrawn)),
            refits=refits,
        )
        for name in apparent
        if name not in left_out
    )
    return OptimismTable(
        rows=table,
        n_asked=refits.n_asked,
        n_refits=refits.n,
        n_tuned=int(refits.is_tuned.sum()),
        n_failed=refits.n_failed,
        failures=refits.failures,
        note=_note(refits),
    )


def _check_patients(refits: Repeats, n: int, *, where: str) -> None:
    if refits.risk.shape[1] != n:
        raise InputError(
            where=where,
            key="refits",
            found=f"{refits.risk.shape[1]} patients",
            expected=f"the {n} development patients",
            cure="resample the same tables",
        )


def _row(
    name: str,
    apparent: float,
    inside: FloatArray,
    outside: FloatArray,
    redrawn: FloatArray,
    *,
    refits: Repeats,
) -> Optimism | NotEstimable:
    is_known = np.isfinite(inside) & np.isfinite(outside) & np.isfinite(redrawn)
    n_known = int(is_known.sum())
    if (
        not np.isfinite(apparent)
        or n_known < (1 - MAX_FAILED_SHARE) * refits.n
        or n_known < _MIN_REFITS
    ):
        return NotEstimable(f"{label_of(name)}: known in {n_known} of {refits.n} refits only")
    excess = (inside - outside)[is_known]
    mean = float(excess.mean())
    low, high = (
        np.quantile(redrawn[is_known], TAILS) - float(redrawn[is_known].mean()) + apparent - mean
    )
    tuned = refits.is_tuned[is_known]
    return Optimism(
        measure=name,
        label=label_of(name),
        apparent=apparent,
        optimism=Estimate(mean, mc_error=float(excess.std(ddof=1)) / n_known**0.5),
        corrected=Estimate(apparent - mean, float(low), float(high)),
        optimism_tuned=float(excess[tuned].mean()) if tuned.any() else None,
        optimism_saved_tuning=float(excess[~tuned].mean()) if not tuned.all() else None,
        n_refits=n_known,
    )


def _note(refits: Repeats) -> str:
    n_tuned = int(refits.is_tuned.sum())
    tuning = "No refit repeated tuning: the settings are fixed and no part of the development."
    if n_tuned:
        tuning = (
            f"Tuning was repeated in {n_tuned} of {refits.n} refits, the others used the saved"
            " result of tuning."
        )
    return (
        "Imputation, the choice of the number of trees and calibration were repeated in every"
        f" refit. {tuning} {refits.n_failed} of {refits.n_asked} resamples gave no model."
    )


@dataclass(frozen=True)
class Instability:
    """Per patient and overall; risks 0-1, patients in the order of the development cohort.

    ``mape`` is each patient's mean absolute difference between the refits' risks and the model's
    own; ``low`` and ``high`` his 95% instability interval (quantiles of the refits' risks, so it
    need not hold the model's own risk). ``mean_mape``: over the patients, interval by bootstrap
    over patients. ``classification``: threshold -> share of refits that put a patient on the other
    side than the model, mean over patients. ``calibration_curves`` and ``net_benefit_curves``
    (refits shown, points): each refit in the original patients, on ``curve_risk`` and
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

    def by_risk(self) -> InstabilityByRisk:
        """The same without a single patient: medians of a hundred equal groups by risk."""
        order = np.argsort(self.risk, kind="stable")
        groups = np.array_split(order, min(N_GROUPS, order.size))

        def medians(values: FloatArray) -> tuple[float, ...]:
            return tuple(round(float(np.median(values[rows])), _DIGITS) for rows in groups)

        return InstabilityByRisk(
            mean_mape=self.mean_mape,
            mape_p90=self.mape_p90,
            mean_width=self.mean_width,
            classification=self.classification,
            groups=RiskGroups(
                medians(self.risk), medians(self.low), medians(self.high), medians(self.mape)
            ),
            curve_risk=tuple(self.curve_risk.tolist()),
            calibration_curves=_rounded(self.calibration_curves),
            thresholds=tuple(self.thresholds.tolist()),
            net_benefit_curves=_rounded(self.net_benefit_curves),
            n_refits=self.n_refits,
            n_failed=self.n_failed,
        )


@dataclass(frozen=True)
class RiskGroups:
    """Equal groups of patients in the order of their risk: medians of the model's risk, of the ends
    of the instability interval, and of the mean absolute difference.
    """

    risk: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mape: tuple[float, ...]


Curves = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class InstabilityByRisk:
    """:class:`Instability` as a page may show it: means, groups of patients, curves of the refits
    (None where one could not be fitted), no single patient.
    """

    mean_mape: Estimate
    mape_p90: float
    mean_width: float
    classification: dict[str, Estimate]
    groups: RiskGroups
    curve_risk: tuple[float, ...]
    calibration_curves: Curves
    thresholds: tuple[float, ...]
    net_benefit_curves: Curves
    n_refits: int
    n_failed: int


def _rounded(curves: FloatArray) -> Curves:
    return tuple(
        tuple(round(float(value), _DIGITS) if np.isfinite(value) else None for value in curve)
        for curve in curves
    )


def instability(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    refits: Repeats,
    thresholds: Sequence[float],
    at: Sequence[float],
    seed: int,
) -> Instability | NotEstimable:
    """Instability of the risks of the development patients, in one pass over the refits, whose
    arrays all its figures share.

    ``risk``: of the evaluated model. ``thresholds``: of the decision curves. ``at``:
    thresholds at which changes of side are counted. Not estimable with fewer than 20 refits.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    threshold = check_thresholds(thresholds)
    _check_patients(refits, predicted.size, where="instability")
    if refits.n < _MIN_REFITS:
        return NotEstimable(f"{refits.n} refits; instability needs at least {_MIN_REFITS}")
    distance = np.abs(refits.risk - predicted).mean(axis=0)
    low, high = np.quantile(refits.risk, TAILS, axis=0)
    changes = {
        f"{side:g}": ((refits.risk >= side) != (predicted >= side)).mean(axis=0)
        for side in check_thresholds(at)
    }
    per_patient = np.column_stack([distance, *changes.values()])
    again = (
        np.concatenate(
            [
                counts @ per_patient
                for counts in bootstrap_counts(
                    n=predicted.size, n_resamples=_N_RESAMPLES, seed=seed
                )
            ]
        )
        / predicted.size
    )
    means = [
        percentile_estimate(float(per_patient[:, k].mean()), again[:, k])
        for k in range(per_patient.shape[1])
    ]
    shown = refits.risk[:N_SHOWN]
    grid = np.unique(np.quantile(predicted, np.linspace(0.01, 0.99, 30)))
    gain = np.where(y_true[:, None], 1.0, -threshold / (1 - threshold))
    return Instability(
        risk=predicted,
        mape=distance,
        low=low,
        high=high,
        mean_mape=means[0],
        mape_p90=float(np.quantile(distance, 0.9)),
        mean_width=float((high - low).mean()),
        classification=dict(zip(changes, means[1:], strict=True)),
        curve_risk=grid,
        calibration_curves=np.array(
            [
                spline_curve_on(
                    y_true, logit(np.clip(risks, RISK_FLOOR, 1 - RISK_FLOOR)), grid=logit(grid)
                )
                for risks in shown
            ]
        ),
        thresholds=threshold,
        net_benefit_curves=np.array(
            [((risks[:, None] >= threshold) * gain).mean(axis=0) for risks in shown]
        ),
        n_refits=refits.n,
        n_failed=refits.n_failed,
    )
