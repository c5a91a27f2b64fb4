"""AUROC that a predictor is expected to reach when the true risk of every patient is known.

The outcome is not drawn: each ordered pair of different patients (i, j) counts as "i has the event,
j has not" with weight q_i (1 - q_j), q the true risk (both draws independent). The pair is ranked
rightly when the score of i is above that of j; ties count one half. O(n log n) per group of
patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk.evaluation.metrics import FloatArray, percentile_estimate
from crsrisk.results import Estimate, NotEstimable

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
