"""Immune effector cell-associated neurotoxicity (ICANS), graded by ASTCT beside CRS, in adults."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.ward_columns import CONSCIOUSNESS, EDEMA, SEIZURES

_ICE_STEPS = ((9, 1), (6, 2), (2, 3))  # at most this score -> at least this grade
_CONSCIOUSNESS = dict(zip(CONSCIOUSNESS, (0, 1, 2, 3, 4), strict=True))
_SEIZURE = dict(zip(SEIZURES, (0, 3, 4), strict=True))
_EDEMA = dict(zip(EDEMA, (0, 3, 4), strict=True))


def icans_grade(signs: pd.DataFrame) -> NDArray[np.float64]:
    """Grade of every row, 0 to 4: the worst of its signs; NaN where none was assessed.

    ``signs``: those that the table has of ``ice_score`` (0-10, NaN = not assessed),
    ``consciousness``, ``seizure``, ``motor_weakness`` and ``cerebral_edema`` (words of
    :mod:`crsrisk.data.ward_columns`; empty = not assessed).

    ICE score 7-9 is grade 1, 3-6 grade 2, 0-2 grade 3; grade 4 needs that the patient cannot be
    woken, which a score of 0 alone does not say: ``consciousness`` does. A seizure that resolves
    rapidly or focal edema is grade 3; a prolonged seizure, deep focal weakness or diffuse edema
    grade 4.

    References
    ----------
    Lee, Biol Blood Marrow Transplant 2019;25:625.

    Examples
    --------
    >>> icans_grade(pd.DataFrame({"ice_score": [10, 9, 6, 2, float("nan")]})).tolist()
    [0.0, 1.0, 2.0, 3.0, nan]
    """
    grades = np.full(len(signs), np.nan)
    if "ice_score" in signs:
        score = signs["ice_score"].to_numpy(dtype=np.float64)
        by_score = np.where(np.isnan(score), np.nan, 0.0)
        for most, grade in _ICE_STEPS:
            by_score = np.where(score <= most, grade, by_score)
        grades = np.fmax(grades, by_score)
    for name, steps in (
        ("consciousness", _CONSCIOUSNESS),
        ("seizure", _SEIZURE),
        ("cerebral_edema", _EDEMA),
    ):
        if name in signs:
            grades = np.fmax(grades, signs[name].map(steps).to_numpy(dtype=np.float64))
    if "motor_weakness" in signs:
        weak = signs["motor_weakness"].to_numpy(dtype=np.float64)
        grades = np.fmax(grades, np.where(np.isnan(weak), np.nan, 4.0 * (weak == 1.0)))
    return np.asarray(grades)
