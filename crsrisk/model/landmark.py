"""Landmark: the table of a prediction that is made some hours after the first dose, by what is
known then.

At hour t only patients without CRS of grade >= 2 so far are at risk, and only readings up to t are
used: a later one cannot leak, because no other column is ever looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.fields import LANDMARK_HOURS

Floats = NDArray[np.float64]

BEFORE_DOSE_2_H = 168  # one week after the first dose, when step-up regimens give the second
LABORATORY: tuple[str, ...] = ("crp_mg_l", "il6_pg_ml", "ferritin_ug_l")
EXTREMES: tuple[str, ...] = ("temperature_c__max", "map_mmhg__min", "spo2_pct__min", "grade__max")
VITALS: tuple[str, ...] = EXTREMES[:3]
_HOUR = re.compile(r"__h(\d+)$")


def landmark_columns(*, hour: int) -> tuple[str, ...]:
    """The columns that :func:`landmark_table` adds: last, highest and slope of laboratory values,
    vital signs, onset.

    >>> landmark_columns(hour=24)[:3]
    ('crp_mg_l__h24', 'crp_mg_l__max__h24', 'crp_mg_l__slope__h24')
    """
    laboratory = tuple(
        f"{stem}{summary}__h{hour}" for stem in LABORATORY for summary in ("", "__max", "__slope")
    )
    extremes = tuple(f"{stem}__h{hour}" for stem in EXTREMES)
    slopes = tuple(f"{stem.partition('__')[0]}__slope__h{hour}" for stem in VITALS)
    return (*laboratory, *extremes, *slopes, f"grade__onset__h{hour}")


def course_columns(*, hour: int) -> tuple[str, ...]:
    """The readings that :func:`landmark_columns` are made of, at every landmark up to ``hour``.

    >>> course_columns(hour=6)[:4]
    ('crp_mg_l__h6', 'il6_pg_ml__h6', 'ferritin_ug_l__h6', 'temperature_c__max__h6')
    """
    return tuple(
        f"{stem}__h{earlier}"
        for earlier in LANDMARK_HOURS
        if earlier <= hour
        for stem in (*LABORATORY, *EXTREMES)
    )


def missing_groups(
    row: Mapping[Any, Any], *, columns: Iterable[str]
) -> tuple[tuple[str, ...], ...]:
    """What is missing of one patient, in groups that one reading would fill: the course by
    quantity, the rest one by one.

    No hour of onset is missing of whoever has had no CRS.

    >>> nothing = float("nan")
    >>> row = {
    ...     "crp_mg_l": 8.0,
    ...     "crp_mg_l__h24": nothing,
    ...     "crp_mg_l__slope__h24": nothing,
    ...     "age_years": nothing,
    ...     "grade__max__h24": 0.0,
    ...     "grade__onset__h24": nothing,
    ... }
    >>> missing_groups(row, columns=row)
    (('crp_mg_l__h24', 'crp_mg_l__slope__h24'), ('age_years',))
    """
    groups: dict[str, list[str]] = {}
    for name in columns:
        stem, mark, rest = name.partition("__")
        has_no_onset = (
            rest.startswith("onset__")
            and not row[f"grade__max__{rest.removeprefix('onset__')}"] >= 1
        )
        if not pd.isna(row[name]) or has_no_onset:
            continue
        groups.setdefault(stem + mark, []).append(name)
    return tuple(tuple(group) for group in groups.values())


def landmark_table(observed: pd.DataFrame, course: pd.DataFrame, *, hour: int) -> pd.DataFrame:
    """The observed table of the patients still at risk at ``hour``, with what was seen up to then.

    Adds :func:`landmark_columns`, made of the readings at landmarks up to then:
    `crp_mg_l__max__h24` is the highest, `crp_mg_l__slope__h24` the least-squares slope (mg/L an
    hour) of all, the one before the dose among them (at 0 h); `temperature_c__slope__h24` the slope
    of the highest temperature so far (so too of the lowest pressure and saturation), missing at the
    first landmark; `grade__onset__h24` the hours from dose 1 to the landmark at which CRS was first
    seen, missing while there was none. Keeps the index, so that ``outcomes.loc[table.index]`` are
    their outcomes. Raises :class:`InputError` when the hour is no landmark or the two tables hold
    other patients.
    """
    if hour not in LANDMARK_HOURS:
        raise InputError(
            where="landmark",
            key="hour",
            found=hour,
            cure="choose one of these hours",
            expected=", ".join(map(str, LANDMARK_HOURS)),
        )
    if not np.array_equal(observed["patient_id"].to_numpy(), course["patient_id"].to_numpy()):
        raise InputError(
            where="landmark",
            key="patient_id",
            found="other patients in the course table",
            expected="the same patients in the same order",
            cure="take both tables of one cohort",
        )
    table = pd.concat([observed, landmark_features(observed, course, hour=hour)], axis=1)
    return table.loc[table[f"grade__max__h{hour}"] < 2]


def landmark_features(observed: pd.DataFrame, course: pd.DataFrame, *, hour: int) -> pd.DataFrame:
    """The columns :func:`landmark_columns` of every patient, at risk or not; ``course`` holds the
    same rows.
    """
    known = course[[name for name in course.columns if _hour_of(name) <= hour]]
    return pd.DataFrame(
        {
            name: _column(known, observed, name=name, hour=hour)
            for name in landmark_columns(hour=hour)
        },
        index=observed.index,
    )


def _hour_of(name: str) -> float:
    """The hour in a column's name; infinite for a column without one, which is then never used."""
    hour = _HOUR.search(name)
    return float(hour.group(1)) if hour else np.inf


def _column(known: pd.DataFrame, observed: pd.DataFrame, *, name: str, hour: int) -> Floats:
    """One landmark column of the readings known by then."""
    stem, mark, summary = name.rpartition(f"__h{hour}")[0].partition("__")
    hours = [earlier for earlier in LANDMARK_HOURS if earlier <= hour]
    if summary == "slope":
        readings, times = _readings(known, observed, stem=stem, hours=hours)
        return _slope(readings, times)
    if summary == "onset":
        grades = known[[f"grade__max__h{earlier}" for earlier in hours]].to_numpy(dtype=np.float64)
        reached = grades >= 1
        return np.where(
            reached.any(axis=1), np.array(hours, dtype=np.float64)[reached.argmax(axis=1)], np.nan
        )
    if mark and stem in LABORATORY:
        return (
            known[[f"{stem}__h{earlier}" for earlier in hours]]
            .max(axis=1)
            .to_numpy(dtype=np.float64)
        )
    return known[name].to_numpy(dtype=np.float64)


def _readings(
    known: pd.DataFrame, observed: pd.DataFrame, *, stem: str, hours: list[int]
) -> tuple[Floats, Floats]:
    """Readings (patients, times) and their hours; of a laboratory value also the one before the
    dose, at 0 h.
    """
    if stem in LABORATORY:
        after = known[[f"{stem}__h{hour}" for hour in hours]].to_numpy(dtype=np.float64)
        return np.column_stack([observed[stem].to_numpy(dtype=np.float64), after]), np.array(
            [0, *hours], dtype=np.float64
        )
    extreme = next(name for name in VITALS if name.startswith(f"{stem}__"))
    return known[[f"{extreme}__h{hour}" for hour in hours]].to_numpy(dtype=np.float64), np.array(
        hours, dtype=np.float64
    )


def _slope(readings: Floats, times: Floats) -> Floats:
    """Least-squares slope of each row over the readings that are there; missing with fewer than
    two.
    """
    is_known = ~np.isnan(readings)
    n = np.maximum(is_known.sum(axis=1), 1)[:, None]
    late = np.where(is_known, times - np.where(is_known, times, 0.0).sum(axis=1)[:, None] / n, 0.0)
    high = np.where(is_known, readings - np.nansum(readings, axis=1)[:, None] / n, 0.0)
    spread = (late**2).sum(axis=1)
    return np.where(
        spread > 0, (late * high).sum(axis=1) / np.where(spread > 0, spread, 1.0), np.nan
    )
