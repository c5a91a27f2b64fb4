"""Offset logistic: a few coefficients beside a fixed offset, for cohorts of fifty patients.

What updating a model takes: the model's own log-odds stand as the offset, and an intercept, a slope or one
coefficient a theme is fitted to new patients. Plain maximum likelihood serves tests; for the numbers that go into
a model, Firth's penalty keeps them finite where events and non-events are perfectly apart, and takes the
first-order bias of small samples away (Firth, Biometrika 1993;80:27).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
_STEPS = 200
_CLOSE_ENOUGH = 1e-9
_LARGEST_STEP = 5.0  # log-odds per unit of a column in one Newton step
_JITTER = 1e-9


@dataclass(frozen=True)
class OffsetFit:
    """Coefficients, shape (columns,), and the log likelihood there (without the penalty)."""

    coefficients: Floats
    log_likelihood: float


def log_likelihood(log_odds: Floats, y: Floats) -> float:
    """Log likelihood of 0/1 outcomes under these log-odds.

    >>> round(log_likelihood(np.zeros(2), np.array([0.0, 1.0])), 4)
    -1.3863
    """
    return float(np.sum(y * log_odds - np.logaddexp(0.0, log_odds)))


def fit_offset_logistic(design: Floats, y: Floats, *, offset: Floats, has_firth: bool) -> OffsetFit:
    """Fit logit P = offset + design x coefficients by Newton steps with halving.

    ``design`` (patients, columns) may have no column. With ``has_firth`` half the log determinant of the information is
    added to the log likelihood. Without it, and with outcomes that a column separates, coefficients stop where the
    likelihood no longer rises.

    >>> y = np.repeat([1.0, 0.0], [3, 7])
    >>> fitted = fit_offset_logistic(np.ones((10, 1)), y, offset=np.zeros(10), has_firth=True)
    >>> round(float(expit(fitted.coefficients[0])), 4) == round(3.5 / 11, 4)
    True
    """
    beta = np.zeros(design.shape[1])
    if not design.shape[1]:
        return OffsetFit(beta, log_likelihood(offset, y))
    value = _objective(beta, design, y, offset, has_firth)
    for _ in range(_STEPS):
        step = _newton_step(beta, design, y, offset, has_firth)
        step *= min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), _CLOSE_ENOUGH))
        new = _objective(beta + step, design, y, offset, has_firth)
        while new < value and float(np.abs(step).max()) > _CLOSE_ENOUGH:
            step = step / 2
            new = _objective(beta + step, design, y, offset, has_firth)
        if new < value:
            break
        beta, value = beta + step, new
        if float(np.abs(step).max()) < _CLOSE_ENOUGH:
            break
    return OffsetFit(beta, log_likelihood(offset + design @ beta, y))


def _information(risk: Floats, design: Floats) -> Floats:
    weighted = design * (risk * (1 - risk))[:, None]
    return np.asarray(design.T @ weighted + _JITTER * np.eye(design.shape[1]))


def _objective(beta: Floats, design: Floats, y: Floats, offset: Floats, has_firth: bool) -> float:
    log_odds = offset + design @ beta
    value = log_likelihood(log_odds, y)
    if has_firth:
        value += 0.5 * float(np.linalg.slogdet(_information(expit(log_odds), design))[1])
    return value


def _newton_step(beta: Floats, design: Floats, y: Floats, offset: Floats, has_firth: bool) -> Floats:
    risk = expit(offset + design @ beta)
    information = _information(risk, design)
    residual = y - risk
    if has_firth:
        leverage = np.einsum("ij,ij->i", design @ np.linalg.inv(information), design) * risk * (1 - risk)
        residual = residual + leverage * (0.5 - risk)
    return np.asarray(np.linalg.solve(information, design.T @ residual))
