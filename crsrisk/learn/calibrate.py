"""Calibrate: two numbers that make risks agree with what happened in patients not used for the fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from crsrisk.domain.risk_model import Calibrator

_STEPS = 100
_CLOSE_ENOUGH = 1e-10


def fit_calibrator(log_odds: NDArray[np.float64], y: NDArray[np.float64], *, method: str) -> Calibrator:
    """Logistic recalibration: intercept and slope of a regression of the outcome on the predicted log-odds.

    ``log_odds`` must come from models that had not seen the patient (out-of-fold). Outcomes are smoothed as
    Platt proposed (Platt 1999; Lin, Lin and Weng 2007): (n1 + 1) / (n1 + 2) for an event, 1 / (n0 + 2) for
    none, so that the answer is finite even where the two groups are perfectly apart. A slope below 0 (the
    out-of-fold predictions point the wrong way: there is nothing to learn) becomes 0: everybody gets the
    overall risk.

    >>> x = np.linspace(-3, 3, 2001)
    >>> fitted = fit_calibrator(2 * x, expit(x - 1), method="example")
    >>> abs(fitted.intercept + 1) < 0.01, abs(fitted.slope - 0.5) < 0.01
    (True, True)
    """
    events = float(y.sum())
    none = float(y.size - events)
    targets = y * (events + 1) / (events + 2) + (1 - y) / (none + 2)
    intercept, slope = _logistic(log_odds, targets)
    if slope <= 0:
        return Calibrator(intercept=float(logit(targets.mean())), slope=0.0, n_patients=int(y.size),
                          method=f"{method}; no signal out of fold, slope set to 0")
    return Calibrator(intercept=intercept, slope=slope, n_patients=int(y.size), method=method)


def _logistic(x: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """Intercept and slope of a logistic regression on one variable, by Newton steps with halving."""
    spread = float(x.std())
    if spread == 0:
        return float(logit(targets.mean())), 0.0
    z = (x - x.mean()) / spread
    design = np.stack([np.ones_like(z), z])
    beta = np.array([float(logit(targets.mean())), 0.0])
    loss = _loss(design, beta, targets)
    for _ in range(_STEPS):
        risk = expit(beta @ design)
        gradient = design @ (targets - risk)
        curvature = (design * (risk * (1 - risk))) @ design.T
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        new = _loss(design, beta + step, targets)
        while new > loss and float(np.abs(step).max()) > _CLOSE_ENOUGH:
            step = step / 2
            new = _loss(design, beta + step, targets)
        beta, loss = beta + step, new
        if float(np.abs(step).max()) < _CLOSE_ENOUGH:
            break
    slope = float(beta[1]) / spread
    return float(beta[0]) - slope * float(x.mean()), slope


def _loss(design: NDArray[np.float64], beta: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    scores = beta @ design
    return float(np.sum(np.logaddexp(0, scores) - targets * scores))
