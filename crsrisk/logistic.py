"""Logistic regression for everybody: offset, weights, ridge or Firth penalty, many fits at once.

One Newton solver serves recalibration, the update of a model, the calibration curve with its
bootstrap and the regressions of simulated worlds. It is ours because the bootstrap fits hundreds of
weighted regressions on one design at a time, where ``statsmodels.GLM`` in a loop takes longer, and
because GLM knows neither Firth's penalty nor a ridge beside an offset. The two
regressions that never hold their design in memory keep loops of their own:
:class:`crsrisk.model.logistic.PooledLogistic` and the surrogate of the oracle in
:mod:`crsrisk.evaluation.explanation_truth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats: TypeAlias = NDArray[np.float64]

# on the diagonal of the information, so that a fit without spread cannot stop the others
_JITTER = 1e-9
_LONGEST = 5.0  # log-odds per unit of a term, in one step
_NEAR = 50_000  # fits x patients
_ROUNDING = 1e-12  # relative: a likelihood that falls by less has not fallen


@dataclass(frozen=True)
class LogisticFit:
    """Coefficients in log-odds, shape (terms,) or (fits, terms), and whether each fit converged.

    A fit whose outcomes a term separates does not converge: its coefficients would be infinite.
    """

    coefficients: Floats
    is_converged: NDArray[np.bool_]


def fit_logistic(
    design: Floats,
    outcome: Floats,
    *,
    offset: Floats | float = 0.0,
    weight: Floats | None = None,
    penalty: Floats | None = None,
    has_firth: bool = False,
    start: Floats | None = None,
    max_steps: int = 200,
    tolerance: float = 1e-9,
) -> LogisticFit:
    """Maximum likelihood of logit P = offset + design x coefficients, by Newton's method.

    Parameters
    ----------
    design : array (patients, terms)
        Predictors, with a column of ones where there is an intercept; it may have no column.
    outcome : array (patients,) or (fits, patients)
        0 or 1, or a share between. With several rows every row is a fit of its own.
    offset : array (patients,) or a number
        Log-odds that are added with a coefficient of 1.
    weight : array (patients,) or (fits, patients), optional
        How often each patient counts, such as the counts of a bootstrap sample. With several rows
        every row is a fit of its own.
    penalty : array (terms,), optional
        Ridge: half of penalty x coefficient^2 is taken from the log likelihood; 0 for an intercept.
    has_firth : bool
        Add half the log determinant of the information, which keeps coefficients finite where a
        term separates the outcomes and takes the first-order bias of small samples away (Firth,
        Biometrika 1993;80:27).
    start : array (terms,), optional
        Where to begin; zeros when left out.
    max_steps : int
        Newton steps after which a fit counts as not converged.
    tolerance : float
        Largest change of a patient's log-odds in the last step of a fit that converged.

    Returns
    -------
    LogisticFit
        With one row of coefficients for every fit, or one coefficient a term for a single fit.

    Examples
    --------
    >>> design, outcome = np.ones((10, 1)), np.repeat([1.0, 0.0], [3, 7])
    >>> fitted = fit_logistic(design, outcome)
    >>> round(float(expit(fitted.coefficients[0])), 6)
    0.3
    >>> fitted = fit_logistic(design, outcome, has_firth=True)
    >>> round(float(expit(fitted.coefficients[0])), 6) == round(3.5 / 11, 6)
    True
    """
    is_single = outcome.ndim == 1 and (weight is None or weight.ndim == 1)
    weights = np.ones((1, len(design))) if weight is None else np.atleast_2d(weight)
    target = np.atleast_2d(weights * outcome)
    problem = _Problem(
        design=design,
        products=(design[:, :, None] * design[:, None, :]).reshape(len(design), -1),
        target=target,
        weight=np.broadcast_to(weights, target.shape),
        offset=offset,
        penalty=np.zeros(design.shape[1]) if penalty is None else penalty,
        has_firth=has_firth,
    )
    first = np.zeros(design.shape[1]) if start is None else start
    coefficients, is_converged = problem.solve(first, max_steps=max_steps, tolerance=tolerance)
    if is_single:
        return LogisticFit(coefficients[0], is_converged[0])
    return LogisticFit(coefficients, is_converged)


@dataclass(frozen=True)
class _Problem:
    """Several fits on one design; ``target`` is weight x outcome, ``products`` design x design."""

    design: Floats
    products: Floats
    target: Floats
    weight: Floats
    offset: Floats | float
    penalty: Floats
    has_firth: bool

    def solve(
        self, start: Floats, *, max_steps: int, tolerance: float
    ) -> tuple[Floats, NDArray[np.bool_]]:
        n_fits, n_terms = len(self.target), self.design.shape[1]
        current, largest = np.tile(start, (n_fits, 1)), np.zeros(n_fits)
        if not n_terms:
            return current, largest == 0.0
        linear = current @ self.design.T + self.offset
        for _ in range(max_steps):
            step, information = self._newton_step(current, linear)
            change = step @ self.design.T
            largest = np.maximum(change.max(axis=1), -change.min(axis=1))
            fraction = self._fraction(current, linear, step, change, largest, tolerance)
            if not (fraction == 1.0).all():
                step, change = fraction * step, fraction * change
            current, linear = current + step, np.add(linear, change, out=change)
            if largest.max() < tolerance:
                break
        is_told = np.linalg.eigvalsh(information)[:, 0] > 2.0 * _JITTER
        return current, (largest < tolerance) & is_told

    def _newton_step(self, current: Floats, linear: Floats) -> tuple[Floats, Floats]:
        n_terms = self.design.shape[1]
        mean, variance, residual = self._moments(linear)
        information = (variance @ self.products).reshape(-1, n_terms, n_terms)
        information = information + (np.diag(self.penalty) + _JITTER * np.eye(n_terms))
        if self.has_firth:
            inverse = np.linalg.inv(information)
            leverage = np.einsum("ni,fij,nj->fn", self.design, inverse, self.design) * variance
            residual = residual + leverage * (0.5 - mean)
        gradient = residual @ self.design - self.penalty * current
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        return np.asarray(step, dtype=np.float64), information

    def _moments(self, linear: Floats) -> tuple[Floats, Floats, Floats]:
        """Mean, variance and residual of every patient in every fit, so many at a time as a core
        has near.
        """
        mean, variance, residual = (np.empty_like(linear) for _ in range(3))
        together = max(1, _NEAR // linear.shape[1])
        for first in range(0, len(linear), together):
            part = slice(first, first + together)
            here, weight = mean[part], self.weight[part]
            expit(linear[part], out=here)
            expected = weight * here
            np.subtract(self.target[part], expected, out=residual[part])
            np.multiply(expected, 1 - here, out=variance[part])
        return mean, variance, residual

    def _fraction(
        self,
        current: Floats,
        linear: Floats,
        step: Floats,
        change: Floats,
        longest: Floats,
        tolerance: float,
    ) -> Floats:
        """The part of each fit's step that is taken, shape (fits, 1).

        A step that moves no patient's log-odds by more than 1 is sure to raise the likelihood of a
        logistic model (Bach, Electron J Stat 2010;4:384); a longer one, and one under Firth's
        penalty, is halved until it does.
        """
        largest = longest[:, None]
        is_long = (largest[:, 0] > 1.0) | self.has_firth
        fraction = np.ones_like(largest)
        rows = np.flatnonzero(is_long)
        if not rows.size:
            return np.asarray(fraction)
        coefficient = np.abs(step[rows]).max(axis=1, keepdims=True)
        fraction[rows] = _LONGEST / np.maximum(coefficient, _LONGEST)
        before = np.full(len(step), np.nan)
        before[rows] = self._objective(rows, current[rows], linear[rows])
        while rows.size:
            part = fraction[rows]
            after = self._objective(
                rows, current[rows] + part * step[rows], linear[rows] + part * change[rows]
            )
            falls = after < before[rows] - _ROUNDING * (1.0 + np.abs(before[rows]))
            rows = rows[falls & (part * largest[rows] > tolerance)[:, 0]]
            fraction[rows] /= 2.0
        return np.asarray(fraction)

    def _objective(self, rows: NDArray[np.intp], current: Floats, linear: Floats) -> Floats:
        """Penalised log likelihood of some of the fits."""
        weight = self.weight[rows]
        value = (self.target[rows] * linear - weight * np.logaddexp(0.0, linear)).sum(axis=1)
        value = value - 0.5 * (self.penalty * current**2).sum(axis=1)
        if self.has_firth:
            mean, n_terms = expit(linear), self.design.shape[1]
            information = (weight * mean * (1 - mean) @ self.products).reshape(-1, n_terms, n_terms)
            value = value + 0.5 * np.linalg.slogdet(information + _JITTER * np.eye(n_terms))[1]
        return np.asarray(value)


def log_likelihood(log_odds: Floats, outcome: Floats) -> float:
    """Log likelihood of outcomes of 0 and 1 under these log-odds, both of shape (patients,).

    >>> round(log_likelihood(np.zeros(2), np.array([0.0, 1.0])), 4)
    -1.3863
    """
    return float(np.sum(outcome * log_odds - np.logaddexp(0.0, log_odds)))
