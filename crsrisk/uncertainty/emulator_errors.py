"""Errors of emulators: what the simulator says in some worlds, less what the emulators say there.

An emulator is a smooth fit over all worlds that the priors allow; the worlds that published figures
leave are a small part of them, and there it can be off by a half of a logit. What was simulated in
such worlds tells by how much on average, how far the rest scatters, and, in each world, which way.
Counts of few patients are met as counts (logistic-normal), so that a rate that is nearly 0 does not
look like one of half an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp
from scipy.stats import norm

from crsrisk.uncertainty.members import MemberFigures

Values: TypeAlias = NDArray[np.float64]
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_LOG_WEIGHTS = np.log(_NODE_WEIGHTS) + 0.5 * np.square(_NODES)  # of an integral over all numbers
_NEWTON = 25
_LONGEST = 2.0  # step of Newton's method
# before any simulation: the mean error is 0 with an SD of 1, the SD of the others around 0.3
_MEAN_SD, _SD_MEDIAN, _LOG_SD = 1.0, 0.3, 0.7
_LEAST_RELIABILITY = 0.2  # of a figure below which its correlation with others is left at 0
_LARGEST_CORRELATION = 0.9


@dataclass(frozen=True)
class EmulatorErrors:
    """Mean errors of the emulators of some figures (figure,), and the covariance of the rest."""

    mean: Values
    covariance: Values

    @classmethod
    def estimated(
        cls,
        simulated: Sequence[MemberFigures],
        emulated: Values,
        *,
        together: Sequence[str],
    ) -> EmulatorErrors:
        """From what was simulated in some worlds, and what emulators say there (world, figure).

        Figures with the same name in ``together`` (their products) may be off together.
        """
        worlds, n = emulated.shape
        mean, sd, rest, reliable = np.empty(n), np.empty(n), np.zeros((worlds, n)), np.zeros(n)
        for j, members in enumerate(simulated):
            mean[j], sd[j] = _mean_and_sd(members, emulated[:, j])
            middle, variance = _of_worlds(members, emulated[:, j] + mean[j], sd[j])
            rest[:, j] = middle
            reliable[j] = 1.0 - variance.mean() / sd[j] ** 2
        known = reliable > _LEAST_RELIABILITY
        scale = sd * np.where(known, reliable, np.inf)
        alike = (rest / scale).T @ (rest / scale) / worlds
        names = np.array(together)
        is_pair = (names[:, None] == names) & (names != "")
        alike = np.clip(np.where(is_pair, alike, 0.0), -_LARGEST_CORRELATION, _LARGEST_CORRELATION)
        np.fill_diagonal(alike, 1.0)
        return cls(mean, _positive(alike) * np.outer(sd, sd))

    def in_worlds(
        self, simulated: Sequence[MemberFigures], emulated: Values
    ) -> tuple[Values, Values]:
        """Errors in each world (world, figure), and the covariance of what is still not known of
        them (world, figure, figure).

        ``emulated``: what the emulators say once their mean errors are taken out.
        """
        worlds, n = emulated.shape
        sd = np.sqrt(np.diagonal(self.covariance))
        by, left = np.empty((worlds, n)), np.empty((worlds, n, n))
        seen, noise = np.empty((worlds, n)), np.empty((worlds, n))
        for j, members in enumerate(simulated):
            middle, variance = _of_worlds(members, emulated[:, j], sd[j])
            # as one normal observation, which with the prior gives these
            precision = np.maximum(1.0 / variance - 1.0 / sd[j] ** 2, 1e-6 / sd[j] ** 2)
            noise[:, j], seen[:, j] = 1.0 / precision, middle / variance / precision
        for k in range(worlds):
            gain = np.linalg.solve(self.covariance + np.diag(noise[k]), self.covariance).T
            by[k] = gain @ seen[k]
            rest = self.covariance - gain @ self.covariance
            left[k] = 0.5 * (rest + rest.T)
        return by, left


def _log_likelihood(members: MemberFigures, level: Values) -> Values:
    """Of what was simulated in every world, at values of its figure (world, node)."""
    if members.counts is not None and members.sizes is not None:
        events, n = members.counts[:, None], members.sizes[:, None]
        return np.asarray(events * level - n * np.logaddexp(0.0, level))
    is_known = members.is_known[:, None]
    away = np.where(is_known, members.values[:, None] - level, 0.0)
    return np.where(is_known, -0.5 * np.square(away) / members.noise[:, None], 0.0)


def _slope(members: MemberFigures, level: Values) -> tuple[Values, Values]:
    """First derivative of the log likelihood in every world, and minus the second."""
    if members.counts is not None and members.sizes is not None:
        chance = expit(level)
        return members.counts - members.sizes * chance, members.sizes * chance * (1.0 - chance)
    precision = np.where(members.is_known, 1.0 / members.noise, 0.0)
    away = np.where(members.is_known, members.values - level, 0.0)
    return away * precision, precision


def _posterior(members: MemberFigures, emulated: Values, sd: float) -> tuple[Values, Values]:
    """Errors in every world (world, node) and the log of their weights, which add up to how
    probable is what was simulated: Gauss-Hermite quadrature around each world's own mode.
    """
    mode, curvature = np.zeros(len(emulated)), np.zeros(len(emulated))
    for _ in range(_NEWTON):
        first, second = _slope(members, emulated + mode)
        curvature = second + sd**-2.0
        step = np.clip((first - mode / sd**2) / curvature, -_LONGEST, _LONGEST)
        mode = mode + step
        if np.abs(step).max() < 1e-8:
            break
    scale = curvature**-0.5
    errors = mode[:, None] + scale[:, None] * _NODES
    log_prior = norm.logpdf(errors, scale=sd)
    likelihood = _log_likelihood(members, emulated[:, None] + errors)
    return errors, likelihood + log_prior + _LOG_WEIGHTS + np.log(scale)[:, None]


def _mean_and_sd(members: MemberFigures, emulated: Values) -> tuple[float, float]:
    """The most probable mean error, and SD of the others around it."""

    def cost(at: Values) -> float:
        mean, log_sd = float(at[0]), float(at[1])
        _, log_weight = _posterior(members, emulated + mean, float(np.exp(log_sd)))
        prior = (mean / _MEAN_SD) ** 2 + ((log_sd - np.log(_SD_MEDIAN)) / _LOG_SD) ** 2
        return float(0.5 * prior - logsumexp(log_weight, axis=1).sum())

    found = minimize(
        cost, np.array([0.0, np.log(_SD_MEDIAN)]), method="Nelder-Mead", options={"xatol": 1e-4}
    )
    return float(found.x[0]), float(np.exp(found.x[1]))


def _of_worlds(members: MemberFigures, emulated: Values, sd: float) -> tuple[Values, Values]:
    """Mean and variance of the error in every world, given what was simulated there."""
    errors, log_weight = _posterior(members, emulated, sd)
    weight = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
    middle = (weight * errors).sum(axis=1)
    variance = (weight * np.square(errors - middle[:, None])).sum(axis=1)
    return middle, np.minimum(variance, sd**2)


def _positive(alike: Values) -> Values:
    """The nearest correlations that can hold together: no direction has less than 2% of its own."""
    values, vectors = np.linalg.eigh(alike)
    made = (vectors * np.maximum(values, 0.02)) @ vectors.T
    scale = np.sqrt(np.diagonal(made))
    return np.asarray(made / np.outer(scale, scale))
