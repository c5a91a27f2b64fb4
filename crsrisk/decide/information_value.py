"""Value of information: what it would be worth to know before deciding, in the units of the decision.

Decisions are columns, worlds are rows with weights. Without knowing, one takes the decision that is best on average; knowing
everything, the one that is best in the world that holds; knowing one thing, the best on average among worlds alike in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.decide.answers import Answer
from crsrisk.decide.checks import FloatArray
from crsrisk.errors import InputError

_PERMUTATIONS = 60
_DEGREE = 2


@dataclass(frozen=True)
class PartialInformation(Answer):
    """Expected value of knowing one thing; ``by_chance`` is what the same calculation gives for a shuffled parameter.

    ``evppi`` is the excess over it, not below 0.
    """

    evppi: float
    by_chance: float


def _checked(values: ArrayLike, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
    table, mass = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or mass.shape != table.shape[:1] or mass.min() < 0.0 or mass.sum() <= 0.0:
        raise InputError(where="value of information", key="values", found=f"{table.shape} values, {mass.shape} weights",
                         expected="one row a world with a weight of 0 or more, and two decisions or more as columns",
                         cure="lay the values out as (world, decision)")
    return table, mass / mass.sum()


def evpi(values: ArrayLike, weights: ArrayLike) -> float:
    """Expected value of perfect information: mean of the best in each world less the best mean.

    >>> round(evpi([[0.0, 2.0], [0.0, -2.0]], [0.5, 0.5]), 3)
    1.0
    """
    table, mass = _checked(values, weights)
    return float(mass @ table.max(axis=1) - (mass @ table).max())


def evppi(values: ArrayLike, weights: ArrayLike, parameter: ArrayLike, *, seed: int) -> PartialInformation:
    """Expected value of knowing one parameter, by regression of each decision's value on it (Strong, Oakley & Brennan,
    Med Decis Making 2014;34:311), with the value that a shuffled parameter would show taken off.

    ``parameter``: a number for each world, or a word (then the mean of the worlds with the same word).
    """
    table, mass = _checked(values, weights)
    known = np.asarray(parameter)
    base = (mass @ table).max()
    rng = np.random.default_rng(seed)

    def value_of(one: NDArray[np.generic]) -> float:
        return float(mass @ _fitted(table, mass, one).max(axis=1) - base)

    chance = float(np.mean([value_of(rng.permutation(known)) for _ in range(_PERMUTATIONS)]))
    return PartialInformation(max(value_of(known) - chance, 0.0), chance)


def _fitted(table: FloatArray, mass: FloatArray, parameter: NDArray[np.generic]) -> FloatArray:
    """Values as a smooth function of the parameter (a quadratic of its rank), or as means of its words."""
    if parameter.dtype.kind in "OUS":
        fitted = np.empty_like(table)
        for word in np.unique(parameter):
            same = parameter == word
            fitted[same] = mass[same] @ table[same] / mass[same].sum()
        return fitted
    order = np.argsort(np.argsort(parameter, kind="stable"), kind="stable")
    design = np.vander(order / max(len(order) - 1, 1) - 0.5, _DEGREE + 1)
    root = np.sqrt(mass)[:, None]
    slope, *_ = np.linalg.lstsq(design * root, table * root, rcond=None)
    return np.asarray(design @ slope)
