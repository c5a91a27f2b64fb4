"""Figures of very many patients, a block of them at a time, so that what is held beside their risks
does not grow with their number: sums over patients, exact ranks, the logistic regression on risk
and the loess curve.

Up to :data:`BLOCK` patients are one block, and nothing here is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK = 100_000  # patients
_MOST_STEPS = 60
_TOLERANCE = 1e-9  # log-odds


def blocks(n: int) -> Iterator[slice]:
    """The places of ``n`` patients, block by block."""
    return (slice(first, min(first + BLOCK, n)) for first in range(0, n, BLOCK))


def mean_and_sd(values_of: Callable[[slice], Floats], n: int) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of a figure that each patient contributes to.

    >>> values = np.array([1.0, 2.0, 6.0])
    >>> mean_and_sd(lambda rows: values[rows], 3) == (3.0, 7**0.5)
    True
    """
    mean = sum(float(values_of(rows).sum()) for rows in blocks(n)) / n
    square = sum(float(((values_of(rows) - mean) ** 2).sum()) for rows in blocks(n))
    return mean, float((square / (n - 1)) ** 0.5)


def delong(y_true: Mask, risk: Floats) -> tuple[float, float]:
    """AUROC (ties one half) and DeLong's variance, by ranks among the sorted risks of the other
    outcome.
    """
    value, variance = 0.0, 0.0
    for is_event in (True, False):
        mine, others = risk[y_true == is_event], risk[y_true != is_event]
        others.sort()

        def share_above(
            rows: slice,
            mine: Floats = mine,
            others: Floats = others,
            is_event: bool = is_event,
        ) -> Floats:
            left = np.searchsorted(others, mine[rows], "left")
            below = (left + np.searchsorted(others, mine[rows], "right")) / (2 * others.size)
            return np.asarray(below if is_event else 1 - below)

        mean, sd = mean_and_sd(share_above, mine.size)
        value = mean if is_event else value
        variance += sd**2 / mine.size
    return value, variance


def fit_on_risk(
    design_of: Callable[[slice], Floats],
    y_true: Mask,
    *,
    start: Floats,
    offset_of: Callable[[slice], Floats] | None = None,
) -> tuple[Floats, Floats, bool]:
    """Coefficients of a logistic regression, their covariance, and whether the fit converged.

    Newton's method, the step halved until the likelihood does not fall; ``design_of`` gives the
    terms of a block of patients, ``offset_of`` their log-odds that no term changes.
    """
    coefficients = start.astype(np.float64)

    def linear(rows: slice, at: Floats) -> Floats:
        log_odds = design_of(rows) @ at
        return log_odds if offset_of is None else log_odds + offset_of(rows)

    def likelihood(at: Floats) -> float:
        total = 0.0
        for rows in blocks(y_true.size):
            log_odds = linear(rows, at)
            total += float((y_true[rows] * log_odds - np.logaddexp(0.0, log_odds)).sum())
        return total

    before, information, largest = likelihood(coefficients), np.eye(start.size), np.inf
    for _ in range(_MOST_STEPS):
        gradient, information = np.zeros(start.size), np.zeros((start.size, start.size))
        spans = np.zeros(start.size)
        for rows in blocks(y_true.size):
            design, mean = design_of(rows), np.asarray(expit(linear(rows, coefficients)))
            gradient += design.T @ (y_true[rows] - mean)
            information += (design * (mean * (1 - mean))[:, None]).T @ design
            spans = np.maximum(spans, np.abs(design).max(axis=0))
        step = np.linalg.solve(information, gradient)
        largest = float(np.abs(step) @ spans)  # no patient's log-odds change by more
        after = likelihood(coefficients + step)
        while after < before - 1e-12 * (1.0 + abs(before)) and largest > _TOLERANCE:
            step, largest = step / 2, largest / 2
            after = likelihood(coefficients + step)
        coefficients, before = coefficients + step, after
        if largest < _TOLERANCE:
            break
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return coefficients, covariance, largest < _TOLERANCE


def distances(distance: Floats) -> Floats:
    """Mean, median, 90th percentile and maximum; the order of ``distance`` is lost."""
    n = distance.size
    mean = sum(float(distance[rows].sum()) for rows in blocks(n)) / n
    places = [int(np.ceil(share * n)) - 1 for share in (0.5, 0.9)]
    distance.partition(places)
    highest = max(float(distance[rows].max()) for rows in blocks(n))
    return np.array([mean, *distance[places], highest])


def loess_heights(y_true: Mask, risk: Floats, *, anchors: Floats, span: float) -> Floats:
    """Heights of the loess curve at the anchors: through the nearest ``span`` of the patients,
    tricube weights, as ``lowess`` without robustness steps.
    """
    order = np.argsort(risk, kind="stable")
    ordered, outcome = risk[order], y_true[order]
    del order
    nearest = max(int(span * risk.size + 1e-10), 2)
    return np.clip(
        [_height(outcome, ordered, at, nearest=nearest) for at in anchors.tolist()], 0.0, 1.0
    )


def _height(outcome: Mask, ordered: Floats, at: float, *, nearest: int) -> float:
    first = _first_of_nearest(ordered, at, nearest)
    radius = max(at - ordered[first], ordered[first + nearest - 1] - at)
    sums = np.zeros(5)
    # those as far as the furthest have no weight
    for rows in blocks(nearest):
        part = slice(first + rows.start, first + rows.stop)
        x, y = ordered[part] - at, outcome[part]
        distance = np.abs(x)
        if radius > 0.0:
            weight = np.where(
                distance <= 0.001 * radius, 1.0, (1.0 - (distance / radius) ** 3) ** 3
            )
            weight[distance > 0.999 * radius] = 0.0
        else:
            weight = np.ones(x.size)
        of_x = weight * x
        sums += [weight.sum(), of_x.sum(), of_x @ x, weight @ y, of_x @ y]
    total, first_moment, second_moment, events, product = sums
    middle, rate = first_moment / total, events / total
    spread = second_moment / total - middle**2
    if spread <= 0.0:
        return float(rate)
    return float(rate - (product / total - middle * rate) / spread * middle)


def _first_of_nearest(ordered: Floats, at: float, nearest: int) -> int:
    """Where the patients begin who are nearest to a risk."""
    low, high = 0, ordered.size - nearest
    while low < high:
        middle = (low + high) // 2
        if at - ordered[middle] > ordered[middle + nearest] - at:
            low = middle + 1
        else:
            high = middle
    return low
