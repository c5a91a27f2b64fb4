"""Whether a predicted risk of 30% means 30 events in 100 patients: intercepts, slope, curve, ICI.

The flexible curve is a logistic regression of the outcome on a restricted cubic spline of
logit(risk) with four knots at the 5, 35, 65 and 95% quantiles of logit(risk) (Harrell, Regression
Modeling Strategies, 2nd edition, table 2.3), fewer where these coincide. ICI, E50, E90 and Emax are
the mean, median, 90th percentile and maximum of the distance between curve and risk over the
patients (Austin & Steyerberg, Stat Med 2019;38:4051). :mod:`crsrisk.evaluation.calibration` draws
the same with the other usual smoother.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from crsrisk.evaluation.metrics import (
    BLOCK_CELLS,
    TAILS,
    Z_95,
    BoolArray,
    FloatArray,
    bootstrap_counts,
    check_inner_risk,
    check_outcome_and_risk,
    percentile_estimate,
)
from crsrisk.logistic import fit_logistic
from crsrisk.results import Estimate, NotEstimable
from crsrisk.streams import uniforms

# and as many patients without: ten for each of the three slopes of the spline
CURVE_MIN_EVENTS = 30
KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)
N_CURVE_POINTS = 50
# of resamples without a fit; beyond it an interval would describe the easy ones only
MAX_FAILED_SHARE = 0.05
# a resample that needs more steps than this has no curve
_fit = partial(fit_logistic, max_steps=60, tolerance=1e-6)


@dataclass(frozen=True)
class Recalibration:
    """Two definitions of the calibration intercept, and the slope (ideal: 0, 0, 1).

    `in_the_large` is the intercept a of logit(P) = a + 1 x logit(risk), slope fixed at 1: is risk
    right on average (above 0: too low)? `slope` b and `intercept_joint` a are fitted together in
    logit(P) = a + b x logit(risk): b below 1 means risks too extreme; the joint intercept alone
    says little.
    """

    in_the_large: Estimate
    slope: Estimate | NotEstimable
    intercept_joint: Estimate | NotEstimable


@dataclass(frozen=True)
class CalibrationCurve:
    """The flexible curve on a grid of risks with its pointwise 95% band, and the distances from the
    diagonal.

    The distances cannot be negative, so even exact risks show an ICI above 0: `ici_if_perfect` is
    what the same estimator gives for outcomes drawn from the risks themselves (mean, 2.5 and 97.5%
    quantiles). Only an ICI above that range speaks against the risks; `knots` are risks (none for a
    smoother without knots). `emax` is the largest distance of any patient: it grows with the number
    of patients.
    """

    smoother: str

    risk: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    ici: Estimate
    e50: Estimate
    e90: Estimate
    emax: Estimate
    ici_if_perfect: Estimate
    knots: tuple[float, ...]
    n_resamples: int
    n_resamples_failed: int


def recalibrate(outcome: ArrayLike, *, risk: ArrayLike) -> Recalibration:
    """Calibration-in-the-large, slope and joint intercept by logistic recalibration (Newton), Wald
    intervals.

    Risks of 0 or 1 are refused (:func:`~crsrisk.evaluation.metrics.clip_risk` first). Slope and
    joint intercept are not estimable where all risks are the same or where risk separates the
    outcomes completely (the slope is then infinite).

    >>> outcome = [True, False] * 50
    >>> round(recalibrate(outcome, risk=[0.5, 0.2] * 50).in_the_large.value, 2)
    0.69
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    logits = logit(check_inner_risk(predicted))
    target = y_true.astype(np.float64)
    intercept_only = np.ones((y_true.size, 1))
    shift = _fit(intercept_only, target, offset=logits).coefficients
    in_the_large = _wald(intercept_only, logits, shift)[0]
    reason = slope_problem(y_true, logits)
    if reason is not None:
        return Recalibration(in_the_large, NotEstimable(reason), NotEstimable(reason))
    design = np.column_stack([np.ones_like(logits), logits])
    line = _fit(design, target, start=_perfect(design)).coefficients
    intercept_joint, slope = _wald(design, 0.0, line)
    return Recalibration(in_the_large, slope, intercept_joint)


def fit_calibration_curve(
    outcome: ArrayLike, *, risk: ArrayLike, seed: int, n_resamples: int = 500
) -> CalibrationCurve | NotEstimable:
    """The flexible curve with ICI, E50, E90, Emax; intervals and band by percentiles of a bootstrap
    over patients.

    The knots stay where the whole sample puts them; every resample refits the spline; resamples
    whose fit does not converge are left out and counted. An interval of a distance starts at 0
    where outcomes drawn from the risks themselves exceed the figure in more than 2.5% of draws (a
    percentile interval alone can never contain 0). Not estimable below 30 patients with or without
    the event, or where all risks are the same. Risks of 0 or 1 are refused.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    logits = logit(check_inner_risk(predicted))
    n_events = int(y_true.sum())
    reason = slope_problem(y_true, logits)
    if min(n_events, y_true.size - n_events) < CURVE_MIN_EVENTS:
        reason = (
            f"{n_events} patients with and {y_true.size - n_events} without the event; a flexible"
            f" calibration curve needs {CURVE_MIN_EVENTS} of each"
        )
    if reason is not None:
        return NotEstimable(reason)
    knots = np.unique(np.quantile(logits, KNOT_QUANTILES))
    grid = np.unique(np.quantile(predicted, np.linspace(0.005, 0.995, N_CURVE_POINTS)))
    design, on_grid = spline_basis(logits, knots=knots), spline_basis(logit(grid), knots=knots)
    target, weight = y_true.astype(np.float64), np.ones((1, y_true.size))
    fitted = _fit(design, target, start=_perfect(design)).coefficients
    distances = _distances(design, fitted[None], predicted, weight)[0]
    curves, boot = [], []
    for counts in bootstrap_counts(n=target.size, n_resamples=n_resamples, seed=seed):
        again = _fit(design, target, weight=counts, start=fitted)
        refitted, is_fit = again.coefficients[again.is_converged], again.is_converged
        curves.append(expit(refitted @ on_grid.T))
        boot.append(_distances(design, refitted, predicted, counts[is_fit]))
    resampled = np.concatenate(boot)
    n_failed = n_resamples - resampled.shape[0]
    if n_failed > MAX_FAILED_SHARE * n_resamples:
        return NotEstimable(
            f"the curve could not be fitted in {n_failed} of {n_resamples} resamples"
        )
    low, high = np.quantile(np.concatenate(curves), TAILS, axis=0)
    if_perfect = _distances_if_perfect(design, predicted, seed=seed, n_draws=n_resamples)
    ici, e50, e90, emax = (
        distance_estimate(distances[k], resampled[:, k], if_perfect[:, k]) for k in range(4)
    )
    return CalibrationCurve(
        smoother=(
            f"logistic regression on a restricted cubic spline of logit(risk), {knots.size} knots"
        ),
        risk=grid,
        observed=expit(fitted @ on_grid.T),
        low=low,
        high=high,
        ici=ici,
        e50=e50,
        e90=e90,
        emax=emax,
        ici_if_perfect=percentile_estimate(float(if_perfect[:, 0].mean()), if_perfect[:, 0]),
        knots=tuple(float(knot) for knot in expit(knots)),
        n_resamples=n_resamples,
        n_resamples_failed=n_failed,
    )


def spline_basis(logits: FloatArray, *, knots: FloatArray) -> FloatArray:
    """Design of the curve: 1, logit(risk), Harrell's restricted cubic terms (linear beyond the
    outer knots).

    Shape (n, 2 + max(0, knots - 2)); the terms are divided by the squared distance of the outer
    knots.
    """
    columns = [np.ones_like(logits), logits]
    if knots.size > 2:
        first, before_last, last = knots[0], knots[-2], knots[-1]

        def cubed_above(knot: float) -> FloatArray:
            return np.asarray(np.maximum(logits - knot, 0.0) ** 3)

        for knot in knots[:-2]:
            term = (
                cubed_above(knot)
                - cubed_above(before_last) * (last - knot) / (last - before_last)
                + cubed_above(last) * (before_last - knot) / (last - before_last)
            )
            columns.append(term / (last - first) ** 2)
    return np.column_stack(columns)


def point_recalibration(y_true: BoolArray, logits: FloatArray) -> tuple[float, float, float]:
    """Intercept with slope 1, slope and joint intercept without intervals, for figures computed
    thousands of times.

    Slope and joint intercept are NaN where :func:`recalibrate` would not estimate them.
    """
    target = y_true.astype(np.float64)
    ones = np.ones((y_true.size, 1))
    shift = float(_fit(ones, target, offset=logits).coefficients[0])
    if slope_problem(y_true, logits) is not None:
        return shift, float("nan"), float("nan")
    design = np.column_stack([np.ones_like(logits), logits])
    line = _fit(design, target, start=_perfect(design))
    if not line.is_converged:
        return shift, float("nan"), float("nan")
    joint, slope = line.coefficients
    return shift, float(slope), float(joint)


def point_ici(y_true: BoolArray, logits: FloatArray) -> float:
    """ICI of the spline curve without interval; NaN where :func:`fit_calibration_curve` would not
    estimate it.
    """
    return float(np.mean(np.abs(spline_curve_on(y_true, logits, grid=logits) - expit(logits))))


def spline_curve_on(y_true: BoolArray, logits: FloatArray, *, grid: FloatArray) -> FloatArray:
    """The spline curve at ``grid`` (logits of risk), without band; NaN throughout where it is not
    estimable.
    """
    n_events = int(y_true.sum())
    if (
        min(n_events, y_true.size - n_events) < CURVE_MIN_EVENTS
        or slope_problem(y_true, logits) is not None
    ):
        return np.full(grid.size, np.nan)
    knots = np.unique(np.quantile(logits, KNOT_QUANTILES))
    design = spline_basis(logits, knots=knots)
    fitted = _fit(design, y_true.astype(np.float64), start=_perfect(design))
    curve = np.asarray(expit(fitted.coefficients @ spline_basis(grid, knots=knots).T))
    return curve if fitted.is_converged else np.full(grid.size, np.nan)


def slope_problem(y_true: BoolArray, logits: FloatArray) -> str | None:
    """Why no slope exists, or None."""
    if np.ptp(logits) == 0:
        return "every patient has the same predicted risk, so no slope and no curve exist"
    events, others = logits[y_true], logits[~y_true]
    if others.max() <= events.min() or events.max() <= others.min():
        return (
            "predicted risk separates the outcomes completely, so the calibration slope is infinite"
        )
    return None


def _perfect(design: FloatArray) -> FloatArray:
    """Coefficients of the curve observed = predicted."""
    coefficients = np.zeros(design.shape[1])
    coefficients[1] = 1.0
    return coefficients


def _wald(
    design: FloatArray, offset: FloatArray | float, coefficients: FloatArray
) -> list[Estimate]:
    """Coefficients with normal intervals from the inverse of the observed information."""
    mean = expit(design @ coefficients + offset)
    covariance = np.linalg.inv((design * (mean * (1 - mean))[:, None]).T @ design)
    halves = Z_95 * np.sqrt(np.diag(covariance))
    return [
        Estimate(float(value), float(value - half), float(value + half))
        for value, half in zip(coefficients, halves, strict=True)
    ]


def _distances(
    design: FloatArray, coefficients: FloatArray, predicted: FloatArray, weight: FloatArray
) -> FloatArray:
    """Mean, median, 90th percentile, maximum of |curve - risk| over the patients, shape (fits,
    4).
    """
    return distances_of(np.abs(expit(coefficients @ design.T) - predicted), weight=weight)


def distances_of(distance: FloatArray, *, weight: FloatArray) -> FloatArray:
    """Weighted mean, median, 90th percentile and maximum of each row, shape (rows, 4); weight 0 =
    not there.
    """
    order = np.argsort(distance, axis=1)
    ordered = np.take_along_axis(distance, order, axis=1)
    cumulated = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    total = cumulated[:, -1]
    columns = [(weight * distance).sum(axis=1) / total]
    for share in (0.5, 0.9):
        place = np.argmax(cumulated >= share * total[:, None], axis=1)
        columns.append(ordered[np.arange(place.size), place])
    columns.append(np.where(weight > 0, distance, 0.0).max(axis=1))
    return np.column_stack(columns)


def _distances_if_perfect(
    design: FloatArray, predicted: FloatArray, *, seed: int, n_draws: int
) -> FloatArray:
    """Distances fitted to outcomes drawn from the predicted risks themselves, shape (draws that
    fit, 4).
    """
    n = predicted.size
    rows = max(1, BLOCK_CELLS // n)
    found = []
    for start in range(0, n_draws, rows):
        stop = min(start + rows, n_draws)
        draws = uniforms(
            seed=seed, decision=f"evaluation/perfect/{n}", start=start, stop=stop, width=n
        )
        target = (draws < predicted).astype(np.float64)
        weight = np.ones_like(target)
        fitted = _fit(design, target, start=_perfect(design))
        is_fit = fitted.is_converged
        found.append(_distances(design, fitted.coefficients[is_fit], predicted, weight[is_fit]))
    return np.concatenate(found)


def distance_estimate(value: float, resampled: FloatArray, if_perfect: FloatArray) -> Estimate:
    """Percentile interval, its lower end 0 where exact risks could well have given such a
    distance.
    """
    estimate = percentile_estimate(value, resampled)
    if value <= float(np.quantile(if_perfect, TAILS[1])):
        return Estimate(estimate.value, 0.0, estimate.high)
    return estimate


# The calibration curve by the other usual smoother: loess, as R's ``lowess(risk, outcome, f = 2/3,
# iter = 0)``.
#
# At each risk a straight line is fitted to the nearest two thirds of the patients, weighted by the
# tricube of their distance (Cleveland, J Am Stat Assoc 1979;74:829), without robustness steps,
# which would take rare events for outliers. It lives on the scale of risk and can leave 0 to 1,
# where it is cut. It stands beside the spline of :mod:`crsrisk.evaluation.calibration`: two
# smoothers that tell different stories mean that the data do not tell one.


SPAN = 2 / 3
# places at which lines are fitted; between them the curve is interpolated, as lowess does
N_ANCHORS = 100
# of the bandwidth: nearer counts fully, farther not at all (as in lowess)
_NEAR, _FAR = 0.001, 0.999
_FLAT = 1e-3  # of the range of risk: with less spread around a place the line there is level


def fit_loess_curve(
    outcome: ArrayLike, *, risk: ArrayLike, seed: int, n_resamples: int = 200, span: float = SPAN
) -> CalibrationCurve | NotEstimable:
    """The loess curve with ICI, E50, E90, Emax; intervals and band by percentiles of a bootstrap
    over patients.

    The places and bandwidths stay where the whole sample puts them, the lines are fitted anew in
    every resample. Not estimable below 30 patients with or without the event, or where all risks
    are the same.

    >>> rng = np.random.default_rng(1)
    >>> risk = rng.uniform(0.1, 0.6, 500)
    >>> curve = fit_loess_curve(rng.random(500) < risk, risk=risk, seed=1, n_resamples=50)
    >>> curve.smoother
    'loess: lines through the nearest 67% of patients, tricube weights, no robustness steps'
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    check_inner_risk(predicted)
    n, n_events = y_true.size, int(y_true.sum())
    reason = slope_problem(y_true, logit(predicted))
    if min(n_events, n - n_events) < CURVE_MIN_EVENTS:
        reason = (
            f"{n_events} patients with and {n - n_events} without the event; a flexible calibration"
            f" curve needs {CURVE_MIN_EVENTS} of each"
        )
    if reason is not None:
        return NotEstimable(reason)
    target = y_true.astype(np.float64)
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
        draws = uniforms(
            seed=seed, decision=f"evaluation/perfect/{n}", start=start, stop=stop, width=n
        )
        weight = np.ones_like(draws)
        again = smooth(weight, (draws < predicted).astype(np.float64))
        perfect.append(distances_of(np.abs(smooth.spread(again) - predicted), weight=weight))
    resampled, if_perfect = np.concatenate(boot), np.concatenate(perfect)
    low, high = np.quantile(np.concatenate(curves), TAILS, axis=0)
    ici, e50, e90, emax = (
        distance_estimate(distances[k], resampled[:, k], if_perfect[:, k]) for k in range(4)
    )
    return CalibrationCurve(
        smoother=(
            f"loess: lines through the nearest {span:.0%} of patients, tricube weights, no"
            " robustness steps"
        ),
        risk=grid,
        observed=smooth.at(grid, fitted)[0],
        low=low,
        high=high,
        ici=ici,
        e50=e50,
        e90=e90,
        emax=emax,
        ici_if_perfect=percentile_estimate(float(if_perfect[:, 0].mean()), if_perfect[:, 0]),
        knots=(),
        n_resamples=n_resamples,
        n_resamples_failed=0,
    )


class _Smoother:
    """Local lines at fixed places with fixed weights: any number of resamples by a few products of
    matrices.
    """

    def __init__(self, risk: FloatArray, *, span: float) -> None:
        self.risk = risk
        distinct = np.unique(risk)
        self.places = (
            distinct
            if distinct.size <= N_ANCHORS
            else np.unique(
                np.concatenate(
                    [
                        np.quantile(risk, np.linspace(0, 1, N_ANCHORS // 2), method="nearest"),
                        np.linspace(risk.min(), risk.max(), N_ANCHORS // 2),
                    ]
                )
            )
        )
        nearest = max(2, int(span * risk.size + 1e-7))
        distance = np.abs(risk[None, :] - self.places[:, None])
        width = np.partition(distance, nearest - 1, axis=1)[:, nearest - 1 : nearest]
        width = np.maximum(width, _FLAT * float(np.ptp(risk)))
        share = distance / width
        weight = np.where(
            share <= _FAR, np.where(share <= _NEAR, 1.0, (1 - np.minimum(share, 1) ** 3) ** 3), 0.0
        )
        self.weight = weight.T  # (patients, places)
        self.range = float(np.ptp(risk))

    def __call__(self, counts: FloatArray, events: FloatArray) -> FloatArray:
        """Heights of the curve at the places, shape (fits, places); ``counts`` and ``events`` are
        (fits, patients).
        """
        x = self.risk[:, None]
        mass, moment = counts @ self.weight, counts @ (self.weight * x)
        square = counts @ (self.weight * x**2)
        height, slanted = events @ self.weight, events @ (self.weight * x)
        safe = np.maximum(mass, 1e-12)
        centre, mean = moment / safe, height / safe
        spread = square / safe - centre**2
        is_sloped = spread > (_FLAT * self.range) ** 2
        slope = np.where(
            is_sloped, (slanted / safe - centre * mean) / np.where(is_sloped, spread, 1.0), 0.0
        )
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
