"""Folds: patients cut into parts with the same share of events; rows that belong together stay together.

In a bootstrap resample a patient stands there several times. A copy in the fold that judges would meet his twins in the
trees that are judged, and the number of trees and the calibration would rest on patients that the trees had seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold

Rows = NDArray[np.intp]


def fold_units(labels: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[np.float64], Rows]:
    """What a fold may hold or leave out as a whole: whether an event is in it, and the unit of every row.

    Units are numbered as their first rows come, so a group of its own for every row is the same as no groups.

    >>> fold_units([0, 1, 0, 1], ["b", "a", "b", "c"])
    (array([0., 1., 1.]), array([0, 1, 0, 2]))
    """
    happened = np.asarray(labels, dtype=np.float64)
    if groups is None:
        return happened, np.arange(happened.size)
    named = np.asarray(groups)
    if named.shape != happened.shape:
        raise ValueError(f"groups need one name a row: {happened.size} rows, groups of shape {named.shape}")
    _, first, unit = np.unique(named, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.intp)
    rank[np.argsort(first)] = np.arange(first.size)
    unit = rank[unit]
    has_event = np.zeros(first.size)
    np.maximum.at(has_event, unit, happened)
    return has_event, unit


def cut_folds(labels: ArrayLike, groups: ArrayLike | None, *, n_folds: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Rows to fit to and rows held out, fold by fold; of a group all rows are on one side.

    ``labels`` (rows,) of 0 and 1; ``groups`` (rows,) names whose rows belong together, None: every row by itself.

    >>> folds = cut_folds([0, 0, 1, 1, 0, 1], [1, 1, 2, 2, 3, 4], n_folds=2, seed=0)
    >>> [held.tolist() for _, held in folds]
    [[2, 3, 4], [0, 1, 5]]
    """
    has_event, unit = fold_units(labels, groups)
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for _, held in folds.split(np.zeros((has_event.size, 1)), has_event):
        is_held = np.isin(unit, held)
        yield np.flatnonzero(~is_held), np.flatnonzero(is_held)
