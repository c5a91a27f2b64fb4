"""Whether acting on the risk does more good than treating everybody or nobody: decision curve
analysis.

At threshold t the reader accepts t/(1 - t) needless preventive treatments for one event found. Net
benefit = TP/n - FP/n x t/(1 - t), in events found per patient without needless treatment (Vickers &
Elkin, Med Decis Making 2006;26:565). A patient is treated when risk >= t. It values finding an
event; it does not know what the treatment does to the patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.errors import InputError
from crsrisk.evaluation import many
from crsrisk.evaluation.cells import MANY, drawn_counts
from crsrisk.evaluation.metrics import (
    TAILS,
    BoolArray,
    FloatArray,
    bootstrap_counts,
    check_outcome_and_risk,
)
from crsrisk.results import Estimate, NotEstimable

NET_BENEFIT_MIN_EVENTS = 100


@dataclass(frozen=True)
class Band:
    """One figure per threshold with the ends of its 95% interval (each interval for itself:
    pointwise).
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray

    def at(self, place: int) -> Estimate:
        """The figure at one of the thresholds, by its place among them."""
        return Estimate(float(self.value[place]), float(self.low[place]), float(self.high[place]))


@dataclass(frozen=True)
class NetBenefitCurve:
    """Net benefit per threshold: of the model, of treating everybody, of treating nobody (0
    throughout).

    `model_minus_treat_all` is the paired difference, with its own interval; against treating nobody
    the model's own interval is the difference. `interventions_avoided_per_100` are needless
    treatments spared in 100 patients at equal events found, against treating everybody.
    `n_true_positive` and `n_false_positive` are counts of treated patients.
    """

    threshold: FloatArray
    model: Band
    treat_all: Band
    treat_none: FloatArray
    model_minus_treat_all: Band
    interventions_avoided_per_100: Band
    n_true_positive: tuple[int, ...]
    n_false_positive: tuple[int, ...]
    n_resamples: int


def net_benefit(*, n: int, n_true_positive: int, n_false_positive: int, threshold: float) -> float:
    """Net benefit from counts: events found per patient, each needless treatment charged at t/(1 -
    t).

    >>> round(net_benefit(n=750, n_true_positive=75, n_false_positive=98, threshold=0.2), 6)
    0.067333
    """
    odds = _odds(check_thresholds([threshold]))[0]
    return float(n_true_positive / n - n_false_positive / n * odds)


def net_benefit_curve(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    thresholds: Sequence[float],
    seed: int,
    n_resamples: int = 500,
) -> NetBenefitCurve | NotEstimable:
    """Decision curve over the stated thresholds (each above 0 and below 1), bands by percentile
    bootstrap.

    Not estimable with fewer than 100 events: the curve would mostly be noise.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    n, n_events = y_true.size, int(y_true.sum())
    threshold = check_thresholds(thresholds)
    odds = _odds(threshold)
    if n_events < NET_BENEFIT_MIN_EVENTS:
        return NotEstimable(
            f"{n_events} events; net benefit needs at least {NET_BENEFIT_MIN_EVENTS}"
        )
    if n > many.BLOCK:
        return _of_kinds(y_true, predicted, threshold, n_resamples=n_resamples, seed=seed)
    is_treated = predicted[:, None] >= threshold
    # what treating a patient adds, (n, thresholds)
    gain_if_treated = np.where(y_true[:, None], 1.0, -odds)
    per_patient = np.hstack([is_treated * gain_if_treated, gain_if_treated])
    kind = 2 * is_treated.sum(axis=1) + y_true
    resampled = _resampled(per_patient, kind, n_resamples=n_resamples, seed=seed)
    # Row 0 the patients as they are, the others the resamples; (1 + n_resamples, thresholds).
    return _curve(
        np.vstack([per_patient.sum(axis=0), *resampled]) / n,
        threshold,
        n_true_positive=is_treated[y_true].sum(axis=0),
        n_false_positive=is_treated[~y_true].sum(axis=0),
    )


def _of_kinds(
    y_true: BoolArray,
    predicted: FloatArray,
    threshold: FloatArray,
    *,
    n_resamples: int,
    seed: int,
) -> NetBenefitCurve:
    """The curve of very many patients, who are counted by outcome and number of thresholds that
    their risk reaches.
    """
    ordered, odds = np.sort(threshold), _odds(threshold)
    sizes = np.zeros(2 * (threshold.size + 1), dtype=np.int64)
    for rows in many.blocks(y_true.size):
        kind = 2 * np.searchsorted(ordered, predicted[rows], "right") + y_true[rows]
        sizes += np.bincount(kind, minlength=sizes.size)
    kinds = np.flatnonzero(sizes)
    had = kinds % 2 == 1
    is_treated = (kinds // 2)[:, None] > np.searchsorted(ordered, threshold)
    gain_if_treated = np.where(had[:, None], 1.0, -odds)
    per_kind = np.hstack([is_treated * gain_if_treated, gain_if_treated])
    there = sizes[kinds]
    resampled = [
        drawn @ per_kind for drawn in drawn_counts(there, n_resamples=n_resamples, seed=seed)
    ]
    return _curve(
        np.vstack([there @ per_kind, *resampled]) / y_true.size,
        threshold,
        n_true_positive=there[had] @ is_treated[had],
        n_false_positive=there[~had] @ is_treated[~had],
    )


def _curve(
    rows: FloatArray,
    threshold: FloatArray,
    *,
    n_true_positive: NDArray[np.int64],
    n_false_positive: NDArray[np.int64],
) -> NetBenefitCurve:
    """The curve from net benefits (1 + resamples, twice the thresholds): of the model, and of
    treating everybody.
    """
    model, treat_all = np.hsplit(rows, 2)
    odds = _odds(threshold)
    return NetBenefitCurve(
        threshold=threshold,
        model=_band(model),
        treat_all=_band(treat_all),
        treat_none=np.zeros_like(threshold),
        model_minus_treat_all=_band(model - treat_all),
        interventions_avoided_per_100=_band(100 * (model - treat_all) / odds),
        n_true_positive=tuple(int(count) for count in n_true_positive),
        n_false_positive=tuple(int(count) for count in n_false_positive),
        n_resamples=len(rows) - 1,
    )


def _resampled(
    per_patient: FloatArray, kind: NDArray[np.int64], *, n_resamples: int, seed: int
) -> list[FloatArray]:
    """Sums over the patients of resamples, in blocks. Very many patients are counted by kind: those
    of one kind have the same row.
    """
    n = len(per_patient)
    if n <= MANY:
        counted = bootstrap_counts(n=n, n_resamples=n_resamples, seed=seed)
        return [counts @ per_patient for counts in counted]
    _, first, sizes = np.unique(kind, return_index=True, return_counts=True)
    rows = per_patient[first]
    return [drawn @ rows for drawn in drawn_counts(sizes, n_resamples=n_resamples, seed=seed)]


def _band(rows: FloatArray) -> Band:
    """Row 0 with the percentile interval of the other rows, column by column."""
    low, high = np.quantile(rows[1:], TAILS, axis=0)
    return Band(rows[0], low, high)


def check_thresholds(thresholds: ArrayLike) -> FloatArray:
    """Thresholds as an array; 0, 1 and an empty list are refused."""
    threshold = np.asarray(thresholds, dtype=np.float64)
    if (
        threshold.ndim != 1
        or threshold.size == 0
        or not bool(((threshold > 0) & (threshold < 1)).all())
    ):
        raise InputError(
            where="net benefit",
            key="thresholds",
            found=threshold.tolist(),
            expected="one or more risks above 0 and below 1",
            cure="drop 0 (treat everybody) and 1 (treat nobody)",
        )
    return threshold


def _odds(threshold: FloatArray) -> FloatArray:
    """Needless treatments accepted for one event found."""
    return np.asarray(threshold / (1 - threshold))
