"""Figures that say how good predicted risks are, each with its 95% interval.

Pure functions of two arrays of the same length, one place a patient: whether the event (CRS of
grade >= 2) happened (`outcome`) and its predicted probability (`risk`, 0 to 1). A figure comes as
an :class:`Estimate` with its interval, or as :class:`NotEstimable` with the reason. Risks of
exactly 0 or 1 are never moved in silence: see :func:`clip_risk`. The patients may be synthetic: no
interval here covers the step from a simulator to a hospital.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, rankdata
from statsmodels.stats.proportion import proportion_confint

from crsrisk.data.disclosure import FEWEST, is_told, parting
from crsrisk.errors import InputError
from crsrisk.evaluation import many
from crsrisk.results import Z_95, Estimate, NotEstimable
from crsrisk.streams import uniforms

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
# nearer to 0 or 1 a logarithm says more about the rounding of a risk than about the risk
RISK_FLOOR = 1e-6
_DELONG_MIN_PATIENTS = 2  # in each class, or a variance does not exist
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BLOCK_CELLS = 2_000_000  # resamples x patients held in memory at once


@dataclass(frozen=True)
class ClippedRisk:
    """Risks with 0 and 1 moved inwards, and how many patients were moved."""

    risk: FloatArray
    n_clipped: int


@dataclass(frozen=True)
class RiskDistribution:
    """How predicted risk spreads among the patients of one outcome class.

    `quantiles` maps a probability (0.5 = median) to the risk below which that share of the class
    lies; `counts` are patients per bin of `bin_edges` (the last bin includes its right edge).
    """

    n: int
    mean: Estimate
    quantiles: dict[float, Estimate]
    bin_edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class RiskDistributions:
    """Predicted risks among patients with the event and among those without."""

    event: RiskDistribution
    no_event: RiskDistribution


def check_outcome_and_risk(outcome: ArrayLike, risk: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """The two arrays as bool and float, or an :class:`InputError` that says what is wrong.

    Refused: different lengths, fewer than two patients, outcomes other than True/False (or 0/1), a
    risk that is missing or outside 0-1, and one-class outcomes, for which no measure of
    discrimination exists.
    """
    y_true, predicted = np.asarray(outcome), np.asarray(risk)
    if y_true.ndim != 1 or y_true.shape != predicted.shape or y_true.size < 2:
        raise InputError(
            where="evaluation",
            key="outcome and risk",
            found=f"shapes {y_true.shape} and {predicted.shape}",
            expected="two lists of the same length, at least two patients",
            cure=(
                "pass one outcome and one risk for each patient"
                + (": predict_proba(X)[:, 1]" if predicted.ndim == 2 else "")
            ),
        )
    is_known = y_true.dtype.kind == "b" or (
        y_true.dtype.kind in "iuf" and bool(np.isin(y_true, (0, 1)).all())
    )
    if not is_known:
        raise InputError(
            where="evaluation",
            key="outcome",
            found=f"values of type {y_true.dtype}",
            expected="True (event) or False, none missing",
            cure="leave out patients without an outcome and count them",
        )
    y_true = y_true.astype(np.bool_, copy=False)
    n_events = int(y_true.sum())
    if n_events in (0, y_true.size):
        raise InputError(
            where="evaluation",
            key="outcome",
            found=f"{n_events} events among {y_true.size} patients",
            expected="at least one patient with and one without the event",
            cure="evaluate more patients, or pool products",
        )
    return y_true, check_risk(predicted)


def check_risk(risk: ArrayLike) -> FloatArray:
    """Risks as floats, or an :class:`InputError` where one is missing, not a number or outside
    0-1.
    """
    predicted = np.asarray(risk)
    if predicted.dtype.kind not in "biuf":
        raise InputError(
            where="evaluation",
            key="risk",
            found=f"values of type {predicted.dtype}",
            expected="numbers from 0 to 1",
            cure="pass the predicted probability of the event",
        )
    predicted = predicted.astype(np.float64, copy=False)
    is_bad = ~((predicted >= 0) & (predicted <= 1))
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0])
        raise InputError(
            where="evaluation",
            key=f"risk, row {row}",
            found=predicted[row],
            expected="a number from 0 to 1",
            cure="divide percentages by 100; score every patient",
        )
    return predicted


def clip_risk(risk: ArrayLike) -> ClippedRisk:
    """Move risks below 1e-6 or above 1 - 1e-6 to these bounds and count them: logits need 0 < risk
    < 1.

    >>> clip_risk([0.0, 0.3, 1.0]).n_clipped
    2
    """
    predicted = check_risk(risk)
    n_clipped = int(((predicted < RISK_FLOOR) | (predicted > 1 - RISK_FLOOR)).sum())
    if not n_clipped:
        return ClippedRisk(predicted, 0)
    return ClippedRisk(np.clip(predicted, RISK_FLOOR, 1 - RISK_FLOOR), n_clipped)


def check_inner_risk(risk: FloatArray) -> FloatArray:
    """Refuse risks that would need clipping, so that whoever clips does it in sight and counts."""
    n_extreme = int(((risk < RISK_FLOOR) | (risk > 1 - RISK_FLOOR)).sum())
    if n_extreme:
        raise InputError(
            where="evaluation",
            key="risk",
            found=f"{n_extreme} risks of 0 or 1",
            expected=f"risks between {RISK_FLOOR:g} and 1 - {RISK_FLOOR:g}",
            cure="call clip_risk first and report how many it moved",
        )
    return risk


def mean_with_interval(values: FloatArray) -> Estimate:
    """Mean of a figure that each patient contributes to, with the normal interval of a mean (n -
    1).
    """
    return _mean_with_interval(lambda rows: values[rows], values.size)


def _mean_with_interval(values_of: Callable[[slice], FloatArray], n: int) -> Estimate:
    if n <= many.BLOCK:
        values = values_of(slice(None))
        mean, sd = float(values.mean()), float(values.std(ddof=1))
    else:
        mean, sd = many.mean_and_sd(values_of, n)
    half = Z_95 * sd / n**0.5
    return Estimate(mean, mean - half, mean + half)


def share_of(is_so: BoolArray) -> Estimate:
    """Share of patients of whom something is true (the event rate, a sensitivity), with Wilson's
    interval, which exists for nobody and for everybody, too.

    >>> share_of(np.array([False] * 10))
    Estimate(0, 0 to 0.2775)
    """
    n_true, n = int(is_so.sum()), int(is_so.size)
    low, high = proportion_confint(n_true, n, alpha=1 - CONFIDENCE, method="wilson")
    return Estimate(n_true / n, float(low), float(high))


def standard_error(estimate: Estimate) -> float:
    """Standard error of an estimate whose interval is normal on the estimate's own scale."""
    return (estimate.high - estimate.low) / (2 * Z_95)


def auroc(outcome: ArrayLike, *, risk: ArrayLike) -> Estimate | NotEstimable:
    """Probability that a patient with the event had been given the higher risk (ties count one
    half).

    Interval: DeLong's variance by midranks (Sun & Xu, IEEE Signal Process Lett 2014;21:1389),
    normal on the AUROC's own scale and cut at 0 and 1, as R's pROC does; where risks separate the
    classes completely its width is 0. Not estimable with fewer than two patients in a class, for
    which DeLong has no variance.

    >>> auroc([0, 0, 1, 1], risk=[0.1, 0.4, 0.35, 0.8]).value
    0.75
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    n_events = int(y_true.sum())
    n_others = y_true.size - n_events
    if min(n_events, n_others) < _DELONG_MIN_PATIENTS:
        return NotEstimable(
            f"{n_events} with and {n_others} without the event; two of each are needed"
        )
    value, variance = _delong(y_true, predicted)
    return _interval_within_0_and_1(value, variance)


def auroc_within(
    outcome: ArrayLike, *, risk: ArrayLike, group: ArrayLike
) -> Estimate | NotEstimable:
    """AUROC among pairs of patients of one group (product), where knowing the product cannot help.

    Mean of the groups' AUROCs, each weighted by its pairs (events x patients without): the
    probability of ranking a random within-group pair rightly. Interval: normal, DeLong's variances
    combined, the weights taken as fixed. Groups with fewer than two patients in either class have
    no part in it.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    names = np.asarray(group)
    pairs, values, variances = [], [], []
    for name in np.unique(names):
        rows = names == name
        n_events = int(y_true[rows].sum())
        n_others = int(rows.sum()) - n_events
        if min(n_events, n_others) >= _DELONG_MIN_PATIENTS:
            value, variance = _delong(y_true[rows], predicted[rows])
            pairs.append(n_events * n_others)
            values.append(value)
            variances.append(variance)
    if not pairs:
        return NotEstimable("no group has two patients with and two without the event")
    weight = np.array(pairs, dtype=np.float64) / sum(pairs)
    return _interval_within_0_and_1(
        float(weight @ np.array(values)), float(weight**2 @ np.array(variances))
    )


def brier(outcome: ArrayLike, *, risk: ArrayLike) -> Estimate:
    """Mean squared distance of risk from outcome (0 best). Interval: normal, of the mean over
    patients.

    >>> round(brier([0, 1], risk=[0.2, 0.6]).value, 3)
    0.1
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    return _mean_with_interval(lambda rows: (predicted[rows] - y_true[rows]) ** 2, y_true.size)


def scaled_brier(outcome: ArrayLike, *, risk: ArrayLike) -> Estimate:
    """Share of the Brier score taken away that everybody's being given the event rate leaves: 1
    best, 0 useless.

    1 - Brier / (rate x (1 - rate)), below 0 where the risks are worse than the mere rate
    (Steyerberg et al., Epidemiology 2010;21:128). Interval: normal, delta method (both the Brier
    score and the rate vary).

    >>> round(scaled_brier([0, 1], risk=[0.2, 0.6]).value, 3)
    0.6
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    rate = float(y_true.mean())
    spread = rate * (1 - rate)

    def loss(rows: slice) -> FloatArray:
        return np.asarray((predicted[rows] - y_true[rows]) ** 2)

    ratio = _mean_with_interval(loss, y_true.size).value / spread
    influence = _mean_with_interval(
        lambda rows: (loss(rows) - ratio * (1 - 2 * rate) * (y_true[rows] - rate)) / spread,
        y_true.size,
    )
    half = influence.high - influence.value
    return Estimate(1 - ratio, 1 - ratio - half, 1 - ratio + half)


def log_loss(outcome: ArrayLike, *, risk: ArrayLike) -> Estimate:
    """Mean surprise at the outcome in nats (0 best). Interval: normal, of the mean over patients.

    Refuses risks of 0 or 1 (an impossible event that happens costs infinity): call
    :func:`clip_risk` first.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    check_inner_risk(predicted)
    return _mean_with_interval(
        lambda rows: -np.log(np.where(y_true[rows], predicted[rows], 1 - predicted[rows])),
        y_true.size,
    )


def observed_to_expected(outcome: ArrayLike, *, risk: ArrayLike) -> Estimate:
    """Events that happened over events predicted (1 = right on average; above 1 = too few were
    predicted).

    Interval: normal on the log scale with SE sqrt((1 - observed rate) / events), the expected
    number taken as fixed (Debray et al., BMJ 2017;356:i6460).
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    expected = float(predicted.sum())
    if expected <= 0:
        raise InputError(
            where="evaluation",
            key="risk",
            found="a predicted risk of 0 for every patient",
            expected="at least one risk above 0",
            cure="check that the risks are probabilities",
        )
    n_events = int(y_true.sum())
    ratio = n_events / expected
    spread = float(np.exp(Z_95 * ((1 - n_events / y_true.size) / n_events) ** 0.5))
    return Estimate(ratio, ratio / spread, ratio * spread)


def discrimination_slope(outcome: ArrayLike, *, risk: ArrayLike) -> Estimate | NotEstimable:
    """Mean risk of patients with the event minus that of patients without.

    Interval: normal, variances unequal.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    events, others = predicted[y_true], predicted[~y_true]
    if min(events.size, others.size) < _DELONG_MIN_PATIENTS:
        return NotEstimable(
            f"{events.size} with and {others.size} without the event; two of each are needed"
        )
    half = Z_95 * float(events.var(ddof=1) / events.size + others.var(ddof=1) / others.size) ** 0.5
    value = float(events.mean() - others.mean())
    return Estimate(value, value - half, value + half)


def risk_distribution(outcome: ArrayLike, *, risk: ArrayLike) -> RiskDistributions | NotEstimable:
    """Where the risks lie among patients with (`event`) and without (`no_event`) the event.

    Mean with normal interval; quantiles (5, 25, 50, 75, 95%) with the distribution-free interval
    between two order statistics, which ends at 0 or 1 where the class is too small for an order
    statistic; patients in twenty bins of 0.05, neighbours together until each holds ten. Not told
    of fewer than ten patients with or without the event.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    n_events = int(y_true.sum())
    if not is_told(min(n_events, y_true.size - n_events)):
        return NotEstimable(f"fewer than {FEWEST} patients with the event, or without")
    return RiskDistributions(
        event=_distribution(predicted[y_true]), no_event=_distribution(predicted[~y_true])
    )


def bootstrap_counts(*, n: int, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """How often each of `n` patients is drawn in each resample: blocks of rows, `n_resamples` rows
    in all.

    The numbers belong to (seed, resample), so two predictors of the same patients are compared on
    the same resamples, and the size of the blocks changes nothing.
    """
    rows = max(1, BLOCK_CELLS // n)
    for start in range(0, n_resamples, rows):
        stop = min(start + rows, n_resamples)
        draws = uniforms(
            seed=seed, decision=f"evaluation/bootstrap/{n}", start=start, stop=stop, width=n
        )
        patient = np.minimum((draws * n).astype(np.int64), n - 1)
        cell = patient + n * np.arange(stop - start)[:, None]
        counts = np.bincount(cell.ravel(), minlength=(stop - start) * n)
        yield counts.reshape(stop - start, n).astype(np.float64)


def percentile_estimate(value: float, resampled: FloatArray) -> Estimate:
    """A figure with the percentile interval of its bootstrap resamples."""
    low, high = np.quantile(resampled, TAILS)
    return Estimate(float(value), float(low), float(high))


def point_auroc(y_true: BoolArray, risk: FloatArray) -> float:
    """AUROC without its interval (ties one half), for whoever computes it hundreds of times; NaN
    where a class is empty.
    """
    others, events = np.sort(risk[~y_true]), risk[y_true]
    if not others.size or not events.size:
        return float("nan")
    below = np.searchsorted(others, events, "left") + np.searchsorted(others, events, "right")
    return float(below.sum()) / (2 * others.size * events.size)


def point_auroc_within(y_true: BoolArray, risk: FloatArray, group: NDArray[Any]) -> float:
    """:func:`auroc_within` without its interval; NaN where no group has both outcomes."""
    ranked_right, pairs = 0.0, 0
    for name in np.unique(group):
        rows = group == name
        n_pairs = int(y_true[rows].sum()) * int((~y_true[rows]).sum())
        if n_pairs:
            ranked_right += n_pairs * point_auroc(y_true[rows], risk[rows])
            pairs += n_pairs
    return ranked_right / pairs if pairs else float("nan")


def delong_shares(y_true: BoolArray, risk: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each patient the share of the other class that is ranked on the right side of him (ties
    one half).

    Two arrays: of the patients with the event, and of those without. The mean of each is the AUROC.
    """
    n_events = int(y_true.sum())
    rank = rankdata(risk)
    of_events = (rank[y_true] - rankdata(risk[y_true])) / (y_true.size - n_events)
    of_others = 1 - (rank[~y_true] - rankdata(risk[~y_true])) / n_events
    return of_events, of_others


def _delong(y_true: BoolArray, predicted: FloatArray) -> tuple[float, float]:
    """AUROC and DeLong's variance."""
    if y_true.size > many.BLOCK:
        return many.delong(y_true, predicted)
    of_events, of_others = delong_shares(y_true, predicted)
    variance = of_events.var(ddof=1) / of_events.size + of_others.var(ddof=1) / of_others.size
    return float(of_events.mean()), float(variance)


def _interval_within_0_and_1(value: float, variance: float) -> Estimate:
    half = Z_95 * variance**0.5
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def _distribution(risk: FloatArray) -> RiskDistribution:
    edges = np.round(np.linspace(0, 1, 21), 2)
    kept = np.array(parting(np.histogram(risk, bins=edges)[0].tolist()), dtype=np.intp)
    counts, edges = np.histogram(risk, bins=np.concatenate([[0.0], edges[kept + 1], [1.0]]))
    return RiskDistribution(
        n=int(risk.size),
        mean=mean_with_interval(risk),
        quantiles=_quantiles(risk),
        bin_edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
    )


def _quantiles(risk: FloatArray) -> dict[float, Estimate]:
    """Quantiles, between order statistics that enclose each with at least 95% (binomial), else 0 or
    1.
    """
    n, shares = risk.size, np.array(QUANTILES)
    lower = np.asarray(binom.ppf(TAILS[0], n, shares), dtype=np.int64)  # rank from 1; 0 = below all
    upper = np.asarray(binom.ppf(TAILS[1], n, shares), dtype=np.int64) + 1  # n + 1 = above all
    bounded = np.concatenate([[0.0], np.sort(risk), [1.0]])
    rows = zip(QUANTILES, np.quantile(risk, shares), bounded[lower], bounded[upper], strict=True)
    return {
        share: Estimate(float(value), float(low), float(high)) for share, value, low, high in rows
    }


# AUROC that a predictor is expected to reach when the true risk of every patient is known.
#
# The outcome is not drawn: each ordered pair of different patients (i, j) counts as "i has the
# event, j has not" with weight q_i (1 - q_j), q the true risk (both draws independent). The pair is
# ranked rightly when the score of i is above that of j; ties count one half. O(n log n) per group
# of patients.


Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """What ranks the patients: one score when a patient stands for the event, one when he stands
    for none.

    For a predictor both are his risk. For an oracle they differ by the replicate that is left out.
    """

    as_event: FloatArray
    as_other: FloatArray


@dataclass(frozen=True)
class ExpectedAuroc:
    """The AUROC with its interval over patients, and its standard error from finite replicates."""

    estimate: Estimate | NotEstimable
    mc_error: float | None


def replicate_scores(n_events: NDArray[np.int64], n_replicates: NDArray[np.int64]) -> Scores:
    """Scores of the oracle in which no replicate is ranked by itself.

    Picking an event replicate of patient i and an event-free one of patient j leaves n_events_i - 1
    and n_events_j events among the other n_replicates - 1: these rank the pair. (Weighing by all
    replicates and ranking by the same ones would reward the oracle for its own noise.)
    """
    left = n_replicates - 1.0
    return Scores(as_event=(n_events - 1) / left, as_other=n_events / left)


def expected_auroc(
    scores: Scores,
    *,
    true_risk: FloatArray,
    n_replicates: NDArray[np.int64],
    groups: Sequence[Rows],
    counts: FloatArray,
) -> ExpectedAuroc:
    """Expected AUROC over the pairs within each group of patients, all pairs weighing alike.

    `groups` are row numbers (one group of all patients for the pooled figure); `counts` (resamples,
    n) is how often each patient is drawn in each bootstrap resample, for the percentile interval.
    The Monte Carlo error is the delta method's, scores taken as fixed. A patient is never paired
    with himself or his copies.
    """
    weights = np.vstack([np.ones_like(true_risk), counts])
    right, pairs = np.zeros(weights.shape[0]), np.zeros(weights.shape[0])
    slope_right, slope_pairs = np.zeros_like(true_risk), np.zeros_like(true_risk)
    for rows in groups:
        of_group = Scores(scores.as_event[rows], scores.as_other[rows])
        q, drawn = true_risk[rows], weights[:, rows]
        below, above = _masses(of_group, drawn * q, drawn * (1 - q))
        right += (drawn * q * below).sum(axis=1)
        with_himself = (drawn**2 * q * (1 - q)).sum(axis=1)
        pairs += (drawn * q).sum(axis=1) * (drawn * (1 - q)).sum(axis=1) - with_himself
        slope_right[rows] = below[0] - above[0]
        slope_pairs[rows] = (1 - q).sum() - q.sum() - (1 - 2 * q)
    if not bool((pairs > 0).all()):
        return ExpectedAuroc(
            NotEstimable(
                "too few patients have the event, or too few stay without, in the re-simulations"
            ),
            None,
        )
    auroc = right / pairs
    slope = (slope_right - auroc[0] * slope_pairs) / pairs[0]
    variance = true_risk * (1 - true_risk) / (n_replicates - 1)
    return ExpectedAuroc(
        percentile_estimate(auroc[0], auroc[1:]), float(variance @ slope**2) ** 0.5
    )


def _masses(scores: Scores, event: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """For each patient: mass of non-events ranked below his event, and of events ranked above his
    non-event.

    `event` and `other` are masses per resample and patient (resamples, n); ties count one half; the
    patient's own mass is left out.
    """
    own = (1 + np.sign(scores.as_event - scores.as_other)) / 2
    below = _mass_below(scores.as_other, other, scores.as_event) - own * other
    total = event.sum(axis=1, keepdims=True)
    above = total - _mass_below(scores.as_event, event, scores.as_other) - own * event
    return below, above


def _mass_below(score: FloatArray, mass: FloatArray, limit: FloatArray) -> FloatArray:
    """Mass of patients whose score lies below each limit, plus half of the mass exactly at it."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    cumulated = np.concatenate(
        [np.zeros((mass.shape[0], 1)), np.cumsum(mass[:, order], axis=1)], axis=1
    )
    left, right = np.searchsorted(ordered, limit, "left"), np.searchsorted(ordered, limit, "right")
    return np.asarray((cumulated[:, left] + cumulated[:, right]) / 2)
