"""Posterior: worlds that the evidence leaves standing, drawn by elliptical slice sampling.

The prior of the scores is standard normal, for which elliptical slice sampling (Murray, Adams and MacKay 2010) needs no
tuning, rejects nothing and works in hundreds of dimensions. Many independent chains run side by side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Values = NDArray[np.float64]


def elliptical_slice(
    log_likelihood: Callable[[Values], Values], *, n_dimensions: int, n_chains: int, n_steps: int, seed: int,
    advance: Callable[[int], None] | None = None,
) -> Values:
    """Last state of each of ``n_chains`` chains of ``n_steps`` steps, shape (n_chains, n_dimensions).

    ``log_likelihood`` takes (m, n_dimensions) scores and gives (m,) logarithms. Chains start at draws of the prior.

    >>> draws = elliptical_slice(lambda z: -0.5 * (z[:, 0] - 2.0) ** 2, n_dimensions=1, n_chains=2000, n_steps=30, seed=1)
    >>> bool(abs(draws.mean() - 1.0) < 0.1)
    True
    """
    rng = np.random.default_rng(seed)
    state = rng.standard_normal((n_chains, n_dimensions))
    height = log_likelihood(state)
    for _ in range(n_steps):
        other = rng.standard_normal(state.shape)
        level = height + np.log(rng.random(n_chains))
        angle = rng.uniform(0.0, 2.0 * np.pi, n_chains)
        low, high = angle - 2.0 * np.pi, angle.copy()
        left = np.arange(n_chains)
        moved, found = state.copy(), height.copy()
        while len(left):
            turn = angle[left, None]
            tried = state[left] * np.cos(turn) + other[left] * np.sin(turn)
            there = log_likelihood(tried)
            is_in = there > level[left]
            moved[left[is_in]], found[left[is_in]] = tried[is_in], there[is_in]
            left = left[~is_in]
            is_below = angle[left] < 0.0
            low[left] = np.where(is_below, angle[left], low[left])
            high[left] = np.where(is_below, high[left], angle[left])
            angle[left] = rng.uniform(low[left], high[left])
        state, height = moved, found
        if advance is not None:
            advance(1)
    return state


def most_probable(log_likelihood: Callable[[Values], Values], *, start: Values) -> Values:
    """Scores of the most probable world: the evidence met with the least movement from the prior, shape (n_dimensions,).

    Gradients are differences, all taken in one call of ``log_likelihood``.
    """
    step = 1e-4

    def height(scores: Values) -> tuple[float, Values]:
        around = np.vstack([scores, scores + step * np.eye(len(scores))])
        found = 0.5 * np.square(around).sum(axis=1) - log_likelihood(around)
        return float(found[0]), (found[1:] - found[0]) / step

    return np.asarray(minimize(height, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x)


def importance(log_exact: Values, log_approximate: Values, *, most: float = 0.02) -> Values:
    """Weights that turn draws of an approximate posterior into draws of the exact one; none above ``most`` of the sum.

    Capping (Ionides 2008) trades a little bias for a sample that does not hang on a few members.
    """
    ratio = log_exact - log_approximate
    weight = np.exp(ratio - ratio.max())
    weight /= weight.sum()
    cap = max(most, 1.0 / len(weight))
    for _ in range(100):
        weight = np.minimum(weight, cap)
        weight /= weight.sum()
        if weight.max() <= cap * 1.0001:
            break
    return np.asarray(weight)
