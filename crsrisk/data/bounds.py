"""Bounds of grades, exact though numbers are rounded: a ratio of 3.0000000000000004 is 3."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SLACK = 1e-9  # relative: far below any measurement, far above rounding


def is_above(values: ArrayLike, bound: float) -> NDArray[np.bool_]:
    """Which values lie above a bound; missing ones do not.

    >>> is_above([3.0, 3.0000000000000004, 3.1], 3.0).tolist()
    [False, False, True]
    """
    return np.asarray(np.asarray(values, dtype=np.float64) > bound + abs(bound) * _SLACK)


def is_at_least(values: ArrayLike, bound: float) -> NDArray[np.bool_]:
    """Which values reach a bound.

    >>> is_at_least([(100.4 - 32.0) / 1.8, 37.9], 38.0).tolist()
    [True, False]
    """
    return np.asarray(np.asarray(values, dtype=np.float64) >= bound - abs(bound) * _SLACK)


def is_below(values: ArrayLike, bound: float) -> NDArray[np.bool_]:
    """Which values lie below a bound; missing ones do not."""
    return np.asarray(np.asarray(values, dtype=np.float64) < bound - abs(bound) * _SLACK)
