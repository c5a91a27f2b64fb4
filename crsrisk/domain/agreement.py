"""Agreement: how far two grading systems give the same patients the same grade."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_GRADES = 6  # 0 to 5
FEWEST_PATIENTS = 10  # below, resampling says nothing about the spread


@dataclass(frozen=True, eq=False)
class Agreement:
    """``table``: patients by grade of the first system (rows) and the second (columns), 0 to 5. ``exact``: share with
    the same grade. ``kappa``: Cohen's, with linear weights; None when both systems give everybody one and the same
    grade. ``low``, ``high``: its 95% interval, None below ten patients or without a kappa."""

    table: NDArray[np.int64]
    exact: float
    kappa: float | None
    low: float | None
    high: float | None


def weighted_kappa(tables: ArrayLike) -> NDArray[np.float64]:
    """Cohen's kappa with linear weights (Cohen, Psychol Bull 1968;70:213) of cross tables, shape (..., k, k) -> (...).

    1 minus the mean difference in grade over the one expected by chance from the margins; NaN where that is 0.

    >>> float(weighted_kappa([[4, 0], [0, 4]]))
    1.0
    """
    counts = np.asarray(tables, dtype=np.float64)
    grade = np.arange(counts.shape[-1])
    steps = np.abs(grade[:, None] - grade[None, :])
    total = counts.sum(axis=(-2, -1))
    expected = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    observed, by_chance = (counts * steps).sum(axis=(-2, -1)) * total, (expected * steps).sum(axis=(-2, -1))
    undefined = by_chance == 0.0
    return np.asarray(np.where(undefined, np.nan, 1.0 - observed / np.where(undefined, 1.0, by_chance)))


def agree(first: ArrayLike, second: ArrayLike, *, seed: int = 1, n_resamples: int = 2000) -> Agreement:
    """Agreement of two systems on the same patients, one grade (0-5) a patient in the same order.

    The interval is the 2.5th to 97.5th percentile over resamples of the patients (a resample of patients is a
    multinomial draw of the cross table); resamples without a kappa are left out.

    >>> agree([0, 1, 2], [0, 1, 3]).exact
    0.6666666666666666
    """
    one, two = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if one.shape != two.shape or one.ndim != 1 or not len(one):
        raise ValueError("two lists of grades, of the same patients, at least one patient")
    table = np.bincount(one * N_GRADES + two, minlength=N_GRADES**2).reshape(N_GRADES, N_GRADES)
    exact, kappa = float(np.mean(one == two)), float(weighted_kappa(table))
    if np.isnan(kappa):
        return Agreement(table, exact, None, None, None)
    if len(one) < FEWEST_PATIENTS:
        return Agreement(table, exact, kappa, None, None)
    draws = np.random.default_rng(seed).multinomial(len(one), table.ravel() / len(one), size=n_resamples)
    low, high = np.nanquantile(weighted_kappa(draws.reshape(-1, N_GRADES, N_GRADES)), [0.025, 0.975])
    return Agreement(table, exact, kappa, float(low), float(high))
