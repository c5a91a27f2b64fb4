"""Slopes: how every published figure changes with every constant, by simulation.

The same patients live in every world that is compared, so that chance cancels: a change of a figure is that of the
patients whom the constant carries over a threshold. Slopes at one place are then corrected, world by world, by what the
figures did when the world moved (Broyden, Math Comp 1965;19:577, the secant method of several dimensions).

Where few patients have the event, as under checkpoint inhibitors, three hundred slopes that are chance alone would together
outweigh the few that are real: two groups of patients give each slope twice, and what they do not agree on is taken out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
STEP = 0.75  # prior SDs to either side: most of what a constant may do, and far more than one patient's difference
CHANCE = 2.0  # standard errors within which a slope is taken for chance
STILL = 0.05  # squared movement below which a world has moved too little to say anything of its slopes


def slopes_at(scores: Values, *, figures: Callable[[Values], Values]) -> Values:
    """Central differences at one row of ``scores``, shape (target, constant); 0 where a figure is not to be had.

    ``figures`` gives the figures (point, target) of rows of scores, with the same patients at every point.

    >>> slopes_at(np.zeros(2), figures=lambda z: z @ np.array([[1.0], [3.0]])).tolist()
    [[1.0, 3.0]]
    """
    steps = STEP * np.eye(len(scores))
    found = figures(np.vstack([scores + steps, scores - steps]))
    up, down = np.split(found, 2)
    return np.nan_to_num((up - down).T / (2.0 * STEP), nan=0.0)


def agreed(one: Values, other: Values) -> Values:
    """Mean of two estimates of slopes (target, constant), without what chance alone would give.

    How far the estimates of a figure differ over all constants is its standard error; each slope is shrunk by the
    non-negative garrote (Breiman, Technometrics 1995;37:373), which leaves large ones alone and takes out those within
    ``CHANCE`` standard errors.

    >>> agreed(np.array([[4.0, 0.1, 0.0]]), np.array([[4.0, -0.1, 0.0]])).round(2).tolist()
    [[4.0, 0.0, 0.0]]
    """
    mean = (one + other) / 2.0
    is_met = mean != 0.0  # constants that cannot act on a figure say nothing of its chance
    n_met = np.maximum(is_met.sum(axis=1, keepdims=True), 1)
    variance = (np.square(one - other) * is_met).sum(axis=1, keepdims=True) / 4.0 / n_met
    return np.asarray(mean * np.maximum(0.0, 1.0 - CHANCE**2 * variance / np.where(is_met, np.square(mean), 1.0)))


def corrected(slopes: Values, *, moved: Values, changed: Values) -> Values:
    """Slopes (world, target, constant) after worlds ``moved`` (world, constant) and figures ``changed`` (world, target).

    The least change of the slopes that explains what happened; a figure that is NaN says nothing.

    >>> far = np.array([[10.0, 0.0]])
    >>> corrected(np.zeros((1, 1, 2)), moved=far, changed=np.array([[20.0]])).round(3).tolist()
    [[[1.999, 0.0]]]
    """
    missed = np.nan_to_num(changed - np.einsum("ntd,nd->nt", slopes, moved), nan=0.0)
    length = np.square(moved).sum(axis=1, keepdims=True) + STILL
    return np.asarray(slopes + missed[:, :, None] * (moved / length)[:, None, :])
