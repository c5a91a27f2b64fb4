"""Value of information: what it would be worth to know before deciding, in the units of the
decision.

Decisions are columns, worlds are rows with weights. Without knowing, one takes the decision that is
best on average; knowing everything, the one that is best in the world that holds; knowing one
thing, the best on average among worlds alike in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from crsrisk.errors import InputError
from crsrisk.policy.table import FloatArray

_PERMUTATIONS = 60
_DEGREE = 2
_LEVEL = 0.95


@dataclass(frozen=True)
class PartialInformation:
    """Expected value of knowing one thing: the excess over what a shuffled parameter shows
    (``by_chance``), not below 0.

    ``is_beyond_chance``: more than 95 of 100 shuffles show of any of the parameters asked about
    together.
    """

    evppi: float
    by_chance: float
    is_beyond_chance: bool


def _checked(values: ArrayLike, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
    table, mass = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if (
        table.ndim != 2
        or table.shape[1] < 2
        or mass.shape != table.shape[:1]
        or mass.min() < 0.0
        or mass.sum() <= 0.0
    ):
        raise InputError(
            where="value of information",
            key="values",
            found=f"{table.shape} values, {mass.shape} weights",
            expected=(
                "one row a world with a weight of 0 or more, and two decisions or more as columns"
            ),
            cure="lay the values out as (world, decision)",
        )
    return table, mass / mass.sum()


def evpi(values: ArrayLike, weights: ArrayLike) -> float:
    """Expected value of perfect information (EVPI): mean of the best in each world less the best
    mean.

    >>> round(evpi([[0.0, 2.0], [0.0, -2.0]], [0.5, 0.5]), 3)
    1.0
    """
    table, mass = _checked(values, weights)
    return float(mass @ table.max(axis=1) - (mass @ table).max())


def evppi(
    values: ArrayLike, weights: ArrayLike, parameters: Mapping[str, ArrayLike], *, seed: int
) -> dict[str, PartialInformation]:
    """Expected value of partial perfect information (EVPPI): of knowing each parameter, by
    regression of each decision's value on it (Strong, Oakley & Brennan, Med Decis Making
    2014;34:311), with the value that chance alone would show taken off.

    ``parameters``: name -> a number for each world, or a word (then the mean of the worlds with the
    same word). Chance is learnt by shuffling the worlds' values against all parameters at once.

    >>> rows = [[0.0, 1.0 if k % 2 else -1.0] for k in range(200)]
    >>> side = [float(k % 2) for k in range(200)]
    >>> known = evppi(rows, [1.0] * 200, {"side": side}, seed=1)["side"]
    >>> 0.4 < known.evppi <= 0.5, known.is_beyond_chance
    (True, True)
    """
    table, mass = _checked(values, weights)
    known = {name: np.asarray(parameter) for name, parameter in parameters.items()}
    rng = np.random.default_rng(seed)

    shuffles = [rng.permutation(len(mass)) for _ in range(_PERMUTATIONS)]
    orders = np.stack([np.arange(len(mass)), *shuffles])
    rows, shares = table[orders], mass[orders]
    best = (mass @ table).max()
    gains = {
        name: np.einsum("sw,sw->s", shares, _fitted(rows, shares, parameter).max(axis=2)) - best
        for name, parameter in known.items()
    }
    bar = np.quantile(np.max([gain[1:] for gain in gains.values()], axis=0), _LEVEL) if gains else 0
    information = {}
    for name, gain in gains.items():
        by_chance = float(gain[1:].mean())
        information[name] = PartialInformation(
            max(float(gain[0]) - by_chance, 0.0), by_chance, bool(gain[0] > bar + 1e-12)
        )
    return information


def _fitted(rows: FloatArray, shares: FloatArray, parameter: NDArray[np.generic]) -> FloatArray:
    """Values of each shuffle (shuffle, world, decision) as a smooth function of the parameter (a
    quadratic of its rank), or as means of its words.
    """
    if parameter.dtype.kind in "OUS":
        design = (parameter[:, None] == np.unique(parameter)).astype(np.float64)
    else:
        design = np.vander(rankdata(parameter) / len(parameter) - 0.5, _DEGREE + 1)
    gram = np.einsum("sw,wi,wj->sij", shares, design, design, optimize=True)
    moments = design.T @ (shares[:, :, None] * rows)
    slopes = np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ moments
    return np.asarray(design @ slopes)
