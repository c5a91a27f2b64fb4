"""Is one model better than another in the same patients? Differences, each with its paired 95%
interval.

Both models have scored the same patients, so their errors go together, and an interval of the
difference is much narrower than the two intervals suggest. Every difference is the first model
minus the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.errors import InputError
from crsrisk.evaluation.decision_curve import NET_BENEFIT_MIN_EVENTS, Band, check_thresholds
from crsrisk.evaluation.metrics import (
    TAILS,
    BoolArray,
    FloatArray,
    bootstrap_counts,
    check_inner_risk,
    check_outcome_and_risk,
    check_risk,
    clip_risk,
    delong_shares,
    mean_with_interval,
    standard_error,
)
from crsrisk.results import Z_95, Estimate, NotEstimable

_MIN_PATIENTS = 2  # in each class, or a variance does not exist


@dataclass(frozen=True)
class ModelComparison:
    """A model against another one, ``other``, in the same patients: every figure is model minus
    other.

    Above 0 is better for the AUROCs and the net benefit, below 0 for the losses. ``net_benefit``: a
    band over the thresholds of the decision curve.
    """

    other: str
    auroc: Estimate | NotEstimable
    auroc_within_groups: Estimate | NotEstimable
    brier: Estimate
    log_loss: Estimate
    net_benefit: Band | NotEstimable


def compare_models(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    other: ArrayLike,
    other_name: str,
    group: ArrayLike,
    thresholds: Sequence[float],
    seed: int,
    n_resamples: int = 500,
) -> ModelComparison:
    """All paired differences between two models' risks (patients,); risks of 0 or 1 are moved
    inwards for the log loss.
    """
    return ModelComparison(
        other=other_name,
        auroc=auroc_difference(outcome, risk=risk, other=other),
        auroc_within_groups=auroc_within_difference(outcome, risk=risk, other=other, group=group),
        brier=brier_difference(outcome, risk=risk, other=other),
        log_loss=log_loss_difference(
            outcome, risk=clip_risk(risk).risk, other=clip_risk(other).risk
        ),
        net_benefit=net_benefit_difference(
            outcome,
            risk=risk,
            other=other,
            thresholds=thresholds,
            seed=seed,
            n_resamples=n_resamples,
        ),
    )


def auroc_difference(
    outcome: ArrayLike, *, risk: ArrayLike, other: ArrayLike
) -> Estimate | NotEstimable:
    """AUROC of ``risk`` minus AUROC of ``other``, with DeLong's paired interval (DeLong et al.,
    Biometrics 1988;44:837).

    Where both rank every pair alike the difference is 0 and so is the width of its interval.

    >>> risk, other = [0.1, 0.4, 0.35, 0.8], [0.4, 0.1, 0.35, 0.8]
    >>> auroc_difference([0, 0, 1, 1], risk=risk, other=other).value
    0.0
    """
    y_true, first, second = _both(outcome, risk, other)
    n_events = int(y_true.sum())
    if min(n_events, y_true.size - n_events) < _MIN_PATIENTS:
        return NotEstimable(
            f"{n_events} with and {y_true.size - n_events} without the event; two of each are"
            " needed"
        )
    shares = [delong_shares(y_true, predicted) for predicted in (first, second)]
    of_events, of_others = shares[0][0] - shares[1][0], shares[0][1] - shares[1][1]
    variance = of_events.var(ddof=1) / of_events.size + of_others.var(ddof=1) / of_others.size
    value, half = float(of_events.mean()), Z_95 * float(variance) ** 0.5
    return Estimate(value, value - half, value + half)


def auroc_within_difference(
    outcome: ArrayLike, *, risk: ArrayLike, other: ArrayLike, group: ArrayLike
) -> Estimate | NotEstimable:
    """The same among pairs of patients of one group (product): products' differences weighted by
    their pairs.

    Normal interval, DeLong's paired variances combined, the weights taken as fixed. Groups with
    fewer than two patients in either class have no part in it.
    """
    y_true, first, second = _both(outcome, risk, other)
    names = np.asarray(group)
    pairs, values, variances = [], [], []
    for name in np.unique(names):
        rows = names == name
        if len(set(y_true[rows].tolist())) < 2:
            continue
        difference = auroc_difference(y_true[rows], risk=first[rows], other=second[rows])
        if isinstance(difference, Estimate):
            pairs.append(float(y_true[rows].sum()) * float((~y_true[rows]).sum()))
            values.append(difference.value)
            variances.append(standard_error(difference) ** 2)
    if not pairs:
        return NotEstimable("no group has two patients with and two without the event")
    weight = np.array(pairs) / sum(pairs)
    value, half = (
        float(weight @ np.array(values)),
        Z_95 * float(weight**2 @ np.array(variances)) ** 0.5,
    )
    return Estimate(value, value - half, value + half)


def brier_difference(outcome: ArrayLike, *, risk: ArrayLike, other: ArrayLike) -> Estimate:
    """Brier score of ``risk`` minus that of ``other`` (below 0: ``risk`` is better); normal,
    paired.

    >>> round(brier_difference([0, 1], risk=[0.2, 0.6], other=[0.3, 0.6]).value, 3)
    -0.025
    """
    y_true, first, second = _both(outcome, risk, other)
    return mean_with_interval((first - y_true) ** 2 - (second - y_true) ** 2)


def log_loss_difference(outcome: ArrayLike, *, risk: ArrayLike, other: ArrayLike) -> Estimate:
    """Log loss of ``risk`` minus that of ``other``, nats (below 0: ``risk`` is better); normal,
    paired.
    """
    y_true, first, second = _both(outcome, risk, other)
    chance = [
        np.where(y_true, predicted, 1 - predicted)
        for predicted in (check_inner_risk(first), check_inner_risk(second))
    ]
    return mean_with_interval(np.log(chance[1]) - np.log(chance[0]))


def net_benefit_difference(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    other: ArrayLike,
    thresholds: Sequence[float],
    seed: int,
    n_resamples: int = 500,
) -> Band | NotEstimable:
    """Net benefit of ``risk`` minus that of ``other`` at each threshold, pointwise percentile
    bootstrap, paired.

    Only patients whom one model treats and the other does not can make a difference. Not estimable
    with fewer than 100 events.
    """
    y_true, first, second = _both(outcome, risk, other)
    threshold = check_thresholds(thresholds)
    if int(y_true.sum()) < NET_BENEFIT_MIN_EVENTS:
        return NotEstimable(
            f"{int(y_true.sum())} events; net benefit needs at least {NET_BENEFIT_MIN_EVENTS}"
        )
    is_treated = (first[:, None] >= threshold).astype(np.float64) - (second[:, None] >= threshold)
    per_patient = is_treated * np.where(y_true[:, None], 1.0, -threshold / (1 - threshold))
    n = y_true.size
    resampled = (
        np.concatenate(
            [
                counts @ per_patient
                for counts in bootstrap_counts(n=n, n_resamples=n_resamples, seed=seed)
            ]
        )
        / n
    )
    low, high = np.quantile(resampled, TAILS, axis=0)
    return Band(per_patient.mean(axis=0), low, high)


def _both(
    outcome: ArrayLike, risk: ArrayLike, other: ArrayLike
) -> tuple[BoolArray, FloatArray, FloatArray]:
    y_true, first = check_outcome_and_risk(outcome, risk)
    second = check_risk(other)
    if first.shape != second.shape:
        raise InputError(
            where="evaluation",
            key="other",
            found=f"{second.size} risks",
            expected=f"{first.size}",
            cure="score the same patients with both models",
        )
    return y_true, first, second
