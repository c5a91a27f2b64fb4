"""Landmark: the table of a prediction that is made some hours after the first dose, by what is known then.

At hour t only patients without CRS of grade >= 2 so far are at risk, and only readings up to t are used: a
later one cannot leak, because no other column is ever looked at.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from crsrisk.errors import InputError
from crsrisk.units import LANDMARK_HOURS

BEFORE_DOSE_2_H = 168  # one week after the first dose, when step-up regimens give the second
LABORATORY: tuple[str, ...] = ("crp_mg_l", "il6_pg_ml", "ferritin_ug_l")
EXTREMES: tuple[str, ...] = ("temperature_c__max", "map_mmhg__min", "spo2_pct__min", "grade__max")
_HOUR = re.compile(r"__h(\d+)$")


def landmark_columns(*, hour: int) -> tuple[str, ...]:
    """The columns that :func:`landmark_table` adds: last and highest laboratory values, vital signs.

    >>> landmark_columns(hour=24)[:2]
    ('crp_mg_l__h24', 'crp_mg_l__max__h24')
    """
    laboratory = tuple(f"{stem}{summary}__h{hour}" for stem in LABORATORY for summary in ("", "__max"))
    return laboratory + tuple(f"{stem}__h{hour}" for stem in EXTREMES)


def landmark_table(observed: pd.DataFrame, course: pd.DataFrame, *, hour: int) -> pd.DataFrame:
    """The observed table of the patients still at risk at ``hour``, with what was seen up to then.

    Adds :func:`landmark_columns`; `crp_mg_l__max__h24` is the highest value seen at landmarks up to 24 h.
    Keeps the index, so that ``outcomes.loc[table.index]`` are their outcomes. Raises :class:`InputError` when
    the hour is no landmark or the two tables hold other patients.
    """
    if hour not in LANDMARK_HOURS:
        raise InputError(where="landmark", key="hour", found=hour, cure="choose one of these hours",
                         expected=", ".join(map(str, LANDMARK_HOURS)))
    if not np.array_equal(observed["patient_id"].to_numpy(), course["patient_id"].to_numpy()):
        raise InputError(where="landmark", key="patient_id", found="other patients in the course table",
                         expected="the same patients in the same order",
                         cure="take both tables of one cohort")
    known = course[[name for name in course.columns if _hour_of(name) <= hour]]
    added = {name: _column(known, name=name, hour=hour) for name in landmark_columns(hour=hour)}
    is_at_risk = added[f"grade__max__h{hour}"].to_numpy() < 2
    table = pd.concat([observed, pd.DataFrame(added).set_axis(observed.index)], axis=1)
    return table.loc[is_at_risk]


def _hour_of(name: str) -> float:
    """The hour in a column's name; infinite for a column without one, which is then never used."""
    found = _HOUR.search(name)
    return float(found.group(1)) if found else np.inf


def _column(known: pd.DataFrame, *, name: str, hour: int) -> pd.Series[float]:
    """One landmark column of the readings known by then."""
    stem, mark, _ = name.rpartition("__max__h")
    if mark and stem in LABORATORY:
        readings = [f"{stem}__h{earlier}" for earlier in LANDMARK_HOURS if earlier <= hour]
        return known[readings].max(axis=1).astype(np.float64)
    return known[name].astype(np.float64)
