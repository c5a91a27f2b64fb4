"""Additive: a penalised logistic regression that keeps directions, taken apart into one contribution a column.

It is where the learner starts: near the truth if effects add up on the log-odds scale, and steady in small
cohorts. The trees that follow only have to learn what it misses. It is linear in each column, or in the logarithm
of a skewed one; what is missing gets an effect of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import skew
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Floats: TypeAlias = NDArray[np.float64]

_SKEWED = 1.0  # a column of positive numbers with more skewness is taken as its logarithm
_OFFSET = 0.01  # of the median, added before the logarithm: 0 stays finite
_FREE = 0.01  # share of the penalty that free columns (groups such as products) bear
_STEPS = 1000


@dataclass(frozen=True)
class Additive:
    """Log-odds = ``intercept`` + sum over columns of ``contributions``, shape (patients, columns)."""

    intercept: float
    contributions: Floats


def fit_additive(
    table: Floats, labels: Floats, *, directions: Sequence[int], free: Sequence[int], penalty: float
) -> Additive:
    """Fit by penalised maximum likelihood.

    ``table`` (patients, columns) may hold NaN; ``labels`` are 0 or 1. ``penalty`` is that of a ridge on
    standardised columns: 1 / penalty is the variance that effects (log-odds per SD) are expected to have;
    ``free`` columns bear a hundredth of it. ``directions``: +1 a column's effect is not negative, -1 not positive.

    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(2000, 2)); labels = (rng.random(2000) < expit(table[:, 0])).astype(float)
    >>> fitted = fit_additive(table, labels, directions=[0, -1], free=[], penalty=1.0)
    >>> slope = np.polyfit(table[:, 0], fitted.contributions[:, 0], 1)[0]
    >>> bool(abs(slope - 1) < 0.2)
    True
    """
    n_columns = table.shape[1]
    is_missing = np.isnan(table)
    gappy = np.flatnonzero(is_missing.any(axis=0))
    scaled = np.column_stack([_scaled(table[:, column]) for column in range(n_columns)])
    gaps = is_missing[:, gappy] - is_missing[:, gappy].mean(axis=0)
    design = np.hstack([np.ones((len(table), 1)), scaled, gaps])
    penalties = np.full(design.shape[1], penalty)
    penalties[0] = 0.0
    penalties[[1 + column for column in free]] *= _FREE
    bounds = [(None, None), *((0.0 if sign > 0 else None, 0.0 if sign < 0 else None) for sign in directions),
              *((None, None) for _ in gappy)]
    with threadpool_limits(1):  # waiting threads of the linear algebra cost seconds on a busy machine
        weights = _fit(design, labels, penalties=penalties, bounds=bounds)
    contributions = scaled * weights[1:1 + n_columns]
    contributions[:, gappy] += gaps * weights[1 + n_columns:]
    return Additive(float(weights[0]), contributions)


def _scaled(column: Floats) -> Floats:
    """A column, or the logarithm of a skewed one, with mean 0 and SD 1; missing is 0."""
    is_known = ~np.isnan(column)
    values = column[is_known]
    made = np.zeros(len(column))
    if values.size < 2 or np.ptp(values) == 0:
        return made
    if values.min() >= 0 and len(np.unique(values)) > 2 and skew(values) > _SKEWED:
        values = np.log(values + _OFFSET * (np.median(values) or values.mean()))
    spread = values.std()
    made[is_known] = (values - values.mean()) / (spread if spread > 0 else 1.0)
    return made


def _fit(
    design: Floats, labels: Floats, *, penalties: Floats, bounds: list[tuple[float | None, float | None]]
) -> Floats:
    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = design @ weights
        value = np.sum(np.logaddexp(0, scores) - labels * scores) + 0.5 * np.sum(penalties * weights**2)
        return float(value), design.T @ (expit(scores) - labels) + penalties * weights

    start = np.zeros(design.shape[1])
    start[0] = float(logit(np.clip(labels.mean(), 1e-6, 1 - 1e-6)))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS})
    return np.asarray(found.x, dtype=np.float64)
