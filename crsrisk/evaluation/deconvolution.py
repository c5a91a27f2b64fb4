"""Deconvolution: how predicted risks lie about true ones that are known only by a few repetitions.

A share of 50 repetitions scatters by up to 0.07 around the risk that it estimates, often more than
the risk is wrong. Squares of the error can be freed of this noise exactly (the product of two
halves' errors); an absolute error, a quantile or a coverage cannot, whatever is done with the
counts: it depends on the shape of the errors, of which the counts tell little. Here the shape is
estimated.

Patients are parted into up to four bands of predicted risk (100 in each). In each band the errors
on the log-odds scale start as normal, with the mean and the mean square (on the risk scale) that
the halves give without bias; 20 steps of expectation and maximisation (Laird, JASA 1978, "Nonpara-
metric maximum likelihood estimation of a mixing distribution") bend that normal towards what the
counts say. Few steps are on purpose: the maximum itself is a handful of points. Every patient then
has weights on a grid of true risks, and a figure is its mean over them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, xlog1py, xlogy

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ERRORS = np.linspace(-6.0, 6.0, 121)  # of the log-odds: true minus predicted
N_STEPS = 20
_BANDS, _PER_BAND = 4, 100
_SDS = np.r_[0.02, 0.04, np.geomspace(0.06, 3.0, 30)]
_MEANS = np.linspace(-4.0, 4.0, 121)
_CLIP = 1e-6


@dataclass(frozen=True, eq=False)
class Deconvolution:
    """Patients made ready: ``of`` gives each one's weights on ``nodes``, true risks of shape
    (patients, errors).
    """

    risk: FloatArray
    n_events: IntArray
    n_per_half: int
    nodes: FloatArray
    likelihood: FloatArray
    bands: tuple[IntArray, ...]

    @classmethod
    def prepare(cls, risk: FloatArray, n_events: IntArray, n_per_half: int) -> Deconvolution:
        """``risk`` (patients,): predicted, or any value about which the true risks lie;
        ``n_events`` (patients, 2): events in the two halves of the repetitions.
        """
        log_odds = logit(np.clip(risk, _CLIP, 1 - _CLIP))
        nodes = expit(log_odds[:, None] + ERRORS)
        k, m = n_events.sum(axis=1)[:, None], 2 * n_per_half
        log_likelihood = xlogy(k, nodes) + xlog1py(m - k, -nodes)
        likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        n_bands = max(1, min(_BANDS, risk.size // _PER_BAND))
        order = np.argsort(log_odds, kind="stable")
        bands = tuple(np.sort(rows) for rows in np.array_split(order, n_bands))
        return cls(risk, n_events, n_per_half, nodes, likelihood, bands)

    def of(self, times: FloatArray) -> FloatArray:
        """Weights of the true risks, shape (patients, errors), that sum to 1; ``times``: how often
        each patient is in (1, or his number in a bootstrap resample).
        """
        weights = np.zeros_like(self.nodes)
        one, other = (self.n_events / self.n_per_half - self.risk[:, None]).T
        total = float(times.sum())
        for rows in self.bands:
            here = times[rows] / max(float(times[rows].sum()), 1.0)
            apart = self.nodes[rows] - self.risk[rows, None]
            among = _start(
                here @ apart,
                here @ apart**2,
                mean=float(here @ (one[rows] + other[rows])) / 2.0,
                square=float(here @ (one[rows] * other[rows])),
            )
            likelihood = self.likelihood[rows]
            for _ in range(N_STEPS):
                among = among * ((here / (likelihood @ among)) @ likelihood)
                among /= among.sum()
            posterior = likelihood * among
            posterior *= (times[rows] / total / posterior.sum(axis=1))[:, None]
            weights[rows] = posterior
        return weights


def _start(apart: FloatArray, squared: FloatArray, *, mean: float, square: float) -> FloatArray:
    """The normal errors of the log-odds whose mean distance and mean squared distance are these;
    the nearest where none are (an unbiased mean square may be below 0).

    ``apart``, ``squared`` (errors,): mean distance and mean squared distance at each error.
    """
    normals = _normals()  # (SDs, means, errors)
    means = normals @ apart
    place = np.array([np.interp(mean, row, np.arange(len(_MEANS))) for row in means])
    below = np.minimum(place.astype(np.int64), len(_MEANS) - 2)
    part, sd = (place - below)[:, None], np.arange(len(_SDS))
    of_sd = normals[sd, below] * (1 - part) + normals[sd, below + 1] * part
    squares = np.maximum.accumulate(of_sd @ squared)
    where = float(np.interp(square, squares, np.arange(len(_SDS))))
    lower = min(int(where), len(_SDS) - 2)
    mixed = of_sd[lower] * (1 - (where - lower)) + of_sd[lower + 1] * (where - lower)
    # a little everywhere: where the start is 0 no step can put weight
    return np.asarray(0.999 * mixed + 0.001 / len(ERRORS))


@lru_cache(maxsize=1)
def _normals() -> FloatArray:
    z = (ERRORS - _MEANS[:, None]) / _SDS[:, None, None]
    density = np.exp(-0.5 * (z**2 - (z**2).min(axis=2, keepdims=True)))
    return np.asarray(density / density.sum(axis=2, keepdims=True))
