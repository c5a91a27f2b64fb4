"""The calibration curve by the other usual smoother: loess, as R's ``lowess(risk, outcome, f = 2/3, iter = 0)``.

At each risk a straight line is fitted to the nearest two thirds of the patients, weighted by the tricube of their
distance (Cleveland, J Am Stat Assoc 1979;74:829), without robustness steps, which would take rare events for
outliers. It lives on the scale of risk and can leave 0 to 1, where it is cut. It stands beside the spline of
:mod:`crsrisk.learn.calibration_curve`: two smoothers that tell different stories mean that the data do not tell one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit

from crsrisk.learn.calibration_curve import (
    CURVE_MIN_EVENTS,
    N_CURVE_POINTS,
    CalibrationCurve,
    distance_estimate,
    distances_of,
    slope_problem,
)
from crsrisk.learn.metrics import (
    BLOCK_CELLS,
    TAILS,
    FloatArray,
    NotEstimable,
    bootstrap_counts,
    check_inner_risk,
    check_outcome_and_risk,
    percentile_estimate,
)
from crsrisk.streams import uniforms

SPAN = 2 / 3
N_ANCHORS = 100  # places at which lines are fitted; between them the curve is interpolated, as lowess does
_NEAR, _FAR = 0.001, 0.999  # of the bandwidth: nearer counts fully, farther not at all (as in lowess)
_FLAT = 1e-3  # of the range of risk: with less spread around a place the line there is level


def fit_loess_curve(
    outcome: ArrayLike, *, risk: ArrayLike, seed: int, n_resamples: int = 200, span: float = SPAN
) -> CalibrationCurve | NotEstimable:
    """The loess curve with ICI, E50, E90, Emax; intervals and band by percentiles of a bootstrap over patients.

    The places and bandwidths stay where the whole sample puts them, the lines are fitted anew in every resample.
    Not estimable below 30 patients with or without the event, or where all risks are the same.

    >>> rng = np.random.default_rng(1)
    >>> risk = rng.uniform(0.1, 0.6, 500)
    >>> curve = fit_loess_curve(rng.random(500) < risk, risk=risk, seed=1, n_resamples=50)
    >>> curve.smoother
    'loess: lines through the nearest 67% of patients, tricube weights, no robustness steps'
    """
    happened, predicted = check_outcome_and_risk(outcome, risk)
    check_inner_risk(predicted)
    n, n_events = happened.size, int(happened.sum())
    reason = slope_problem(happened, logit(predicted))
    if min(n_events, n - n_events) < CURVE_MIN_EVENTS:
        reason = (f"{n_events} patients with and {n - n_events} without the event; a flexible calibration curve needs "
                  f"{CURVE_MIN_EVENTS} of each")
    if reason is not None:
        return NotEstimable(reason)
    target = happened.astype(np.float64)
    smooth = _Smoother(predicted, span=span)
    fitted = smooth(np.ones((1, n)), target[None, :])
    distances = distances_of(np.abs(smooth.spread(fitted) - predicted), weight=np.ones((1, n)))[0]
    grid = np.unique(np.quantile(predicted, np.linspace(0.005, 0.995, N_CURVE_POINTS)))
    curves, boot, perfect = [], [], []
    for counts in bootstrap_counts(n=n, n_resamples=n_resamples, seed=seed):
        again = smooth(counts, counts * target)
        curves.append(smooth.at(grid, again))
        boot.append(distances_of(np.abs(smooth.spread(again) - predicted), weight=counts))
    rows = max(1, BLOCK_CELLS // n)
    for start in range(0, n_resamples, rows):
        stop = min(start + rows, n_resamples)
        draws = uniforms(seed=seed, decision=f"evaluation/perfect/{n}", start=start, stop=stop, width=n)
        weight = np.ones_like(draws)
        again = smooth(weight, (draws < predicted).astype(np.float64))
        perfect.append(distances_of(np.abs(smooth.spread(again) - predicted), weight=weight))
    resampled, if_perfect = np.concatenate(boot), np.concatenate(perfect)
    low, high = np.quantile(np.concatenate(curves), TAILS, axis=0)
    ici, e50, e90, emax = (distance_estimate(distances[k], resampled[:, k], if_perfect[:, k]) for k in range(4))
    return CalibrationCurve(
        smoother=f"loess: lines through the nearest {span:.0%} of patients, tricube weights, no robustness steps",
        risk=grid, observed=smooth.at(grid, fitted)[0], low=low, high=high, ici=ici, e50=e50, e90=e90, emax=emax,
        ici_if_perfect=percentile_estimate(float(if_perfect[:, 0].mean()), if_perfect[:, 0]),
        knots=(), n_resamples=n_resamples, n_resamples_failed=0)


class _Smoother:
    """Local lines at fixed places with fixed weights: any number of resamples by a few products of matrices."""

    def __init__(self, risk: FloatArray, *, span: float) -> None:
        self.risk = risk
        distinct = np.unique(risk)
        self.places = distinct if distinct.size <= N_ANCHORS else np.unique(np.concatenate([
            np.quantile(risk, np.linspace(0, 1, N_ANCHORS // 2), method="nearest"),
            np.linspace(risk.min(), risk.max(), N_ANCHORS // 2)]))
        nearest = max(2, int(span * risk.size + 1e-7))
        distance = np.abs(risk[None, :] - self.places[:, None])
        width = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1:nearest]
        width = np.maximum(width, _FLAT * float(np.ptp(risk)))
        share = distance / width
        weight = np.where(share <= _FAR, np.where(share <= _NEAR, 1.0, (1 - np.minimum(share, 1) ** 3) ** 3), 0.0)
        self.weight = weight.T  # (patients, places)
        self.range = float(np.ptp(risk))

    def __call__(self, counts: FloatArray, events: FloatArray) -> FloatArray:
        """Heights of the curve at the places, shape (fits, places); ``counts`` and ``events`` are (fits, patients)."""
        x = self.risk[:, None]
        mass, moment = counts @ self.weight, counts @ (self.weight * x)
        square = counts @ (self.weight * x**2)
        height, slanted = events @ self.weight, events @ (self.weight * x)
        safe = np.maximum(mass, 1e-12)
        centre, mean = moment / safe, height / safe
        spread = square / safe - centre**2
        is_sloped = spread > (_FLAT * self.range) ** 2
        slope = np.where(is_sloped, (slanted / safe - centre * mean) / np.where(is_sloped, spread, 1.0), 0.0)
        return np.clip(mean + slope * (self.places - centre), 0.0, 1.0)

    def at(self, risks: FloatArray, heights: FloatArray) -> FloatArray:
        """The curve at any risks, interpolated between the places, shape (fits, risks)."""
        right = np.clip(np.searchsorted(self.places, risks), 1, self.places.size - 1)
        left = right - 1
        share = (risks - self.places[left]) / (self.places[right] - self.places[left])
        return np.asarray(heights[:, left] * (1 - share) + heights[:, right] * share)

    def spread(self, heights: FloatArray) -> FloatArray:
        """The curve at every patient's risk, shape (fits, patients)."""
        return self.at(self.risk, heights)
