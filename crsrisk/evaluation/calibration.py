"""Whether a predicted risk of 30% means 30 events in 100 patients: intercepts, slope, curve, ICI.

The flexible curve comes from either of the two usual smoothers; where they tell different stories
the data do not tell one.

- Spline: logistic regression of the outcome on a restricted cubic spline of logit(risk) with four
  knots at the 5, 35, 65 and 95% quantiles of logit(risk) (Harrell, Regression Modeling Strategies,
  2nd edition, table 2.3), fewer where these coincide.
- Loess: a straight line at each risk, fitted to the nearest two thirds of the patients, weighted by
  the tricube of their distance (Cleveland, J Am Stat Assoc 1979;74:829), as R's
  ``lowess(risk, outcome, f = 2/3, iter = 0)``. Robustness steps would take rare events for
  outliers. It lives on the scale of risk and is cut where it leaves 0 to 1.

ICI, E50, E90 and Emax are the mean, median, 90th percentile and maximum of the distance between
curve and risk over the patients (Austin & Steyerberg, Stat Med 2019;38:4051).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from statsmodels.nonparametric.smoothers_lowess import lowess

from crsrisk.evaluation import many
from crsrisk.evaluation.cells import MANY, Cells
from crsrisk.evaluation.metrics import (
    BLOCK_CELLS,
    TAILS,
    BoolArray,
    FloatArray,
    bootstrap_counts,
    check_inner_risk,
    check_outcome_and_risk,
    percentile_estimate,
)
from crsrisk.logistic import fit_logistic
from crsrisk.results import Z_95, Estimate, NotEstimable
from crsrisk.streams import uniforms

# and as many patients without: ten for each of the three slopes of the spline
CURVE_MIN_EVENTS = 30
KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)
SPAN = 2 / 3  # of the patients, for each line of the loess
N_CURVE_POINTS = 50
# risks at which loess fits lines; between them the curve is interpolated
N_ANCHORS = 100
# of resamples without a fit; beyond it an interval would describe the easy ones only
MAX_FAILED_SHARE = 0.05
# a resample that needs more steps than this has no curve
_fit = partial(fit_logistic, max_steps=60, tolerance=1e-6)

# Fits one curve to each row of outcomes, (patients,) or (fits, patients), and of weights (fits,
# patients): the curves on the grid, the curves at every patient's risk, which fits succeeded.
Smoother: TypeAlias = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray, BoolArray]]


# of very many patients: the curve on the grid, and its distances from their risks
_Whole: TypeAlias = tuple[FloatArray, FloatArray]


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
    if y_true.size > many.BLOCK:
        return _recalibrated_in_blocks(y_true, logits)
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


def _fitted_in_blocks(y_true: BoolArray, logits: FloatArray) -> tuple[list[Estimate], bool]:
    """Intercept with the slope fixed at 1, intercept and slope, and whether these converged."""
    shift, of_shift, _ = many.fit_on_risk(
        lambda rows: np.ones((len(logits[rows]), 1)),
        y_true,
        start=np.zeros(1),
        offset_of=lambda rows: logits[rows],
    )
    line, of_line, is_converged = many.fit_on_risk(
        lambda rows: spline_basis(logits[rows], knots=np.zeros(0)),
        y_true,
        start=np.array([0.0, 1.0]),
    )
    halves = Z_95 * np.sqrt(np.concatenate([np.diag(of_shift), np.diag(of_line)]))
    values = np.concatenate([shift, line])
    estimates = [
        Estimate(float(value), float(value - half), float(value + half))
        for value, half in zip(values, halves, strict=True)
    ]
    return estimates, is_converged


def _recalibrated_in_blocks(y_true: BoolArray, logits: FloatArray) -> Recalibration:
    if (reason := slope_problem(y_true, logits)) is not None:
        shift = many.fit_on_risk(
            lambda rows: np.ones((len(logits[rows]), 1)),
            y_true,
            start=np.zeros(1),
            offset_of=lambda rows: logits[rows],
        )
        half = Z_95 * float(shift[1][0, 0]) ** 0.5
        value = float(shift[0][0])
        none = NotEstimable(reason)
        return Recalibration(Estimate(value, value - half, value + half), none, none)
    (in_the_large, joint, slope), _ = _fitted_in_blocks(y_true, logits)
    return Recalibration(in_the_large, slope, joint)


def fit_calibration_curve(
    outcome: ArrayLike, *, risk: ArrayLike, seed: int, n_resamples: int = 500
) -> CalibrationCurve | NotEstimable:
    """The spline curve with ICI, E50, E90, Emax; intervals and band by percentiles of a bootstrap
    over patients.

    The knots stay where the whole sample puts them; every resample refits the spline; resamples
    whose fit does not converge are left out and counted. An interval of a distance starts at 0
    where outcomes drawn from the risks themselves exceed the figure in more than 2.5% of draws (a
    percentile interval alone can never contain 0). Not estimable below 30 patients with or without
    the event, or where all risks are the same. Risks of 0 or 1 are refused.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    logits = logit(check_inner_risk(predicted))
    if (reason := _curve_problem(y_true, logits)) is not None:
        return NotEstimable(reason)
    knots = np.unique(np.quantile(logits, KNOT_QUANTILES))
    grid = _grid(predicted)
    on_grid = spline_basis(logit(grid), knots=knots)

    def in_blocks() -> _Whole:
        at, _, _ = many.fit_on_risk(
            lambda rows: spline_basis(logits[rows], knots=knots),
            y_true,
            start=_perfect(on_grid),
        )
        distance = np.empty_like(predicted)
        for rows in many.blocks(predicted.size):
            curve = expit(spline_basis(logits[rows], knots=knots) @ at)
            distance[rows] = np.abs(curve - predicted[rows])
        return np.asarray(expit(on_grid @ at)), many.distances(distance)

    def spline_at(risk: FloatArray) -> Smoother:
        design = spline_basis(logit(risk), knots=knots)

        def spline(
            outcome: FloatArray, weight: FloatArray
        ) -> tuple[FloatArray, FloatArray, BoolArray]:
            fitted = _fit(design, outcome, weight=weight, start=_perfect(design))
            curves, at_patients = (
                np.asarray(expit(fitted.coefficients @ basis.T)) for basis in (on_grid, design)
            )
            return curves, at_patients, fitted.is_converged

        return spline

    return _with_distances(
        spline_at,
        in_blocks,
        name=f"logistic regression on a restricted cubic spline of logit(risk), {knots.size} knots",
        y_true=y_true,
        predicted=predicted,
        knots=tuple(float(knot) for knot in expit(knots)),
        seed=seed,
        n_resamples=n_resamples,
    )


def fit_loess_curve(
    outcome: ArrayLike, *, risk: ArrayLike, seed: int, n_resamples: int = 200, span: float = SPAN
) -> CalibrationCurve | NotEstimable:
    """The loess curve with the same distances, intervals, band and refusals as
    :func:`fit_calibration_curve`.

    >>> rng = np.random.default_rng(1)
    >>> risk = rng.uniform(0.1, 0.6, 500)
    >>> curve = fit_loess_curve(rng.random(500) < risk, risk=risk, seed=1, n_resamples=50)
    >>> curve.smoother
    'loess: lines through the nearest 67% of patients, tricube weights, no robustness steps'
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    if (reason := _curve_problem(y_true, logit(check_inner_risk(predicted)))) is not None:
        return NotEstimable(reason)
    anchors, grid = _anchors(predicted), _grid(predicted)

    def in_blocks() -> _Whole:
        heights = many.loess_heights(y_true, predicted, anchors=anchors, span=span)
        distance = np.empty_like(predicted)
        for rows in many.blocks(predicted.size):
            distance[rows] = np.abs(np.interp(predicted[rows], anchors, heights) - predicted[rows])
        return np.interp(grid, anchors, heights), many.distances(distance)

    def loess_at(risk: FloatArray) -> Smoother:
        def loess(
            outcome: FloatArray, weight: FloatArray
        ) -> tuple[FloatArray, FloatArray, BoolArray]:
            if risk is predicted:
                events = np.broadcast_to(outcome, weight.shape)
                heights = np.array(
                    [
                        _loess_heights(risk, event, counts, anchors=anchors, span=span)
                        for event, counts in zip(events, weight, strict=True)
                    ]
                )
            else:
                heights = loess_of_cells(risk, outcome, weight, anchors=anchors, span=span)
            on_grid, at_risk = (
                np.array([np.interp(risks, anchors, height) for height in heights])
                for risks in (grid, risk)
            )
            return on_grid, at_risk, np.ones(len(heights), dtype=np.bool_)

        return loess

    return _with_distances(
        loess_at,
        in_blocks,
        name=(
            f"loess: lines through the nearest {span:.0%} of patients, tricube weights, no"
            " robustness steps"
        ),
        y_true=y_true,
        predicted=predicted,
        knots=(),
        seed=seed,
        n_resamples=n_resamples,
    )


def _curve_problem(y_true: BoolArray, logits: FloatArray) -> str | None:
    """Why no flexible curve exists, or None."""
    n_events = int(y_true.sum())
    if min(n_events, y_true.size - n_events) < CURVE_MIN_EVENTS:
        return (
            f"{n_events} patients with and {y_true.size - n_events} without the event; a flexible"
            f" calibration curve needs {CURVE_MIN_EVENTS} of each"
        )
    return slope_problem(y_true, logits)


def _grid(predicted: FloatArray) -> FloatArray:
    """Risks at which a curve is given."""
    return np.asarray(np.unique(np.quantile(predicted, np.linspace(0.005, 0.995, N_CURVE_POINTS))))


def _with_distances(
    smoother_at: Callable[[FloatArray], Smoother],
    in_blocks: Callable[[], _Whole],
    *,
    name: str,
    y_true: BoolArray,
    predicted: FloatArray,
    knots: tuple[float, ...],
    seed: int,
    n_resamples: int,
) -> CalibrationCurve | NotEstimable:
    """The curve with its band, and its distances from the risks in the patients, in resamples of
    them, and in outcomes drawn from the risks themselves.
    """
    if y_true.size > many.BLOCK:
        observed, found = in_blocks()
    else:
        event, everybody = y_true.astype(np.float64), np.ones((1, y_true.size))
        (observed,), fitted, _ = smoother_at(predicted)(event, everybody)
        found = distances_of(np.abs(fitted - predicted), weight=everybody)[0]
    drawn = _drawn(y_true, predicted, seed=seed, n_resamples=n_resamples)
    smoother = smoother_at(drawn.risk)

    def distances(at_risk: FloatArray, weight: FloatArray) -> FloatArray:
        return distances_of(np.abs(at_risk - drawn.risk), weight=weight)

    curves, resampled = [], []
    for outcome, counts in drawn.resamples:
        on_grid, refitted, is_fit = smoother(outcome, counts)
        curves.append(on_grid[is_fit])
        resampled.append(distances(refitted[is_fit], counts[is_fit]))
    n_failed = n_resamples - sum(map(len, resampled))
    if n_failed > MAX_FAILED_SHARE * n_resamples:
        return NotEstimable(
            f"the curve could not be fitted in {n_failed} of {n_resamples} resamples"
        )
    if_perfect = []
    for outcome, weight in drawn.perfect:
        _, refitted, is_fit = smoother(outcome, weight)
        if_perfect.append(distances(refitted[is_fit], weight[is_fit]))
    boot, perfect = np.concatenate(resampled), np.concatenate(if_perfect)
    low, high = np.quantile(np.concatenate(curves), TAILS, axis=0)
    ici, e50, e90, emax = (
        _distance_estimate(found[k], boot[:, k], perfect[:, k]) for k in range(4)
    )
    return CalibrationCurve(
        smoother=name,
        risk=_grid(predicted),
        observed=observed,
        low=low,
        high=high,
        ici=ici,
        e50=e50,
        e90=e90,
        emax=emax,
        ici_if_perfect=percentile_estimate(float(perfect[:, 0].mean()), perfect[:, 0]),
        knots=knots,
        n_resamples=n_resamples,
        n_resamples_failed=n_failed,
    )


@dataclass(frozen=True)
class _Drawn:
    """Risks of patients, or of cells of very many; outcomes and weights at these risks in resamples
    of the patients, and with outcomes drawn from the risks themselves.
    """

    risk: FloatArray
    resamples: Iterator[tuple[FloatArray, FloatArray]]
    perfect: Iterator[tuple[FloatArray, FloatArray]]


def _drawn(y_true: BoolArray, predicted: FloatArray, *, seed: int, n_resamples: int) -> _Drawn:
    n = y_true.size
    if n > MANY:
        cells = Cells.of(y_true, predicted)
        return _Drawn(
            cells.risk,
            cells.resamples(n_resamples=n_resamples, seed=seed),
            cells.perfect_outcomes(n_draws=n_resamples, seed=seed),
        )
    event = y_true.astype(np.float64)
    counted = bootstrap_counts(n=n, n_resamples=n_resamples, seed=seed)
    perfect = _perfect_outcomes(predicted, seed=seed, n_draws=n_resamples)
    return _Drawn(
        predicted,
        ((event, counts) for counts in counted),
        ((outcome, np.ones_like(outcome)) for outcome in perfect),
    )


def _perfect_outcomes(predicted: FloatArray, *, seed: int, n_draws: int) -> Iterator[FloatArray]:
    """Outcomes (0 or 1) drawn from the predicted risks themselves: blocks of rows."""
    n = predicted.size
    rows = max(1, BLOCK_CELLS // n)
    for start in range(0, n_draws, rows):
        stop = min(start + rows, n_draws)
        draws = uniforms(
            seed=seed, decision=f"evaluation/perfect/{n}", start=start, stop=stop, width=n
        )
        yield (draws < predicted).astype(np.float64)


def _anchors(risk: FloatArray) -> FloatArray:
    """Risks at which loess fits lines: every distinct one where they are few, else half of them
    where patients are and half evenly spread.
    """
    distinct = np.unique(risk)
    if distinct.size <= N_ANCHORS:
        return distinct
    at_patients = np.quantile(risk, np.linspace(0, 1, N_ANCHORS // 2), method="nearest")
    evenly = np.linspace(risk.min(), risk.max(), N_ANCHORS // 2)
    return np.unique(np.concatenate([at_patients, evenly]))


def _loess_heights(
    risk: FloatArray, event: FloatArray, counts: FloatArray, *, anchors: FloatArray, span: float
) -> FloatArray:
    """Heights of the loess curve at the anchors, each patient taken ``counts`` times."""
    times = counts.astype(np.int64)
    drawn, outcome = np.repeat(risk, times), np.repeat(event, times)
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = np.asarray(lowess(outcome, drawn, frac=span, it=0, xvals=anchors))
    # where more than `span` of the patients share a risk no line exists: their event rate stands
    for at in np.flatnonzero(np.isnan(heights)):
        nearest = np.abs(drawn - anchors[at])
        heights[at] = outcome[nearest == nearest.min()].mean()
    return np.asarray(np.clip(heights, 0.0, 1.0))


def loess_of_cells(
    risk: FloatArray, share: FloatArray, weight: FloatArray, *, anchors: FloatArray, span: float
) -> FloatArray:
    """Heights of the loess curves at the anchors for patients in cells: (curves, anchors).

    ``share`` of events and ``weight`` (patients) of each cell, shape (curves, cells). The lines are
    those of ``lowess``: through the nearest ``span`` of the patients, by the tricube of their
    distance over that of the furthest.
    """
    heights = np.empty((len(weight), anchors.size))
    nearest = np.maximum(np.floor(span * weight.sum(axis=1) + 1e-10), 2.0)[:, None]
    events = share * weight
    for place, anchor in enumerate(anchors):
        distance = np.abs(risk - anchor)
        order = np.argsort(distance, kind="stable")
        upto = np.cumsum(weight[:, order], axis=1)
        radius = distance[order][np.argmax(upto >= nearest - 0.5, axis=1)][:, None]
        near = np.maximum(1.0 - (distance / np.maximum(radius, 1e-300)) ** 3, 0.0) ** 3
        counted, x = near * weight, risk - anchor
        total = counted.sum(axis=1)
        middle, square = counted @ x / total, counted @ x**2 / total
        had = near * events
        rate, product = had.sum(axis=1) / total, had @ x / total
        spread = square - middle**2
        slope = np.where(spread > 0.0, (product - middle * rate) / np.maximum(spread, 1e-300), 0.0)
        heights[:, place] = rate - slope * middle
    return np.clip(heights, 0.0, 1.0)


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
    if y_true.size > many.BLOCK and slope_problem(y_true, logits) is None:
        (shifted, joined, sloped), is_converged = _fitted_in_blocks(y_true, logits)
        if not is_converged:
            return shifted.value, float("nan"), float("nan")
        return shifted.value, sloped.value, joined.value
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
    if _curve_problem(y_true, logits) is not None:
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
    is_other = ~y_true
    (low, high), (other_low, other_high) = (
        (
            logits.min(where=rows, initial=np.inf),
            logits.max(where=rows, initial=-np.inf),
        )
        for rows in (y_true, is_other)
    )
    if other_high <= low or high <= other_low:
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


def _distance_estimate(value: float, resampled: FloatArray, if_perfect: FloatArray) -> Estimate:
    """Percentile interval, its lower end 0 where exact risks could well have given such a
    distance.
    """
    estimate = percentile_estimate(value, resampled)
    if value <= float(np.quantile(if_perfect, TAILS[1])):
        return Estimate(estimate.value, 0.0, estimate.high)
    return estimate
