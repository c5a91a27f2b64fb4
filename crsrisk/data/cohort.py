"""Cohort: what was observed, what happened, how it went, and (for simulated patients) the truth
behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.errors import InputError


@dataclass(frozen=True, eq=False)
class Cohort:
    """Patients as tables of one row each, all in the same order.

    ``observed`` is what a hospital has before the first dose, ``outcomes`` the grades and times,
    ``course`` the values at the landmark hours, ``truth`` the simulated patient's unobserved
    biology (None for real patients; never a feature), ``manifest`` how the tables were made. The
    columns are those of :data:`crsrisk.fields.FIELDS`. The tables are not copied: treat them as
    read-only.

    Raises :class:`InputError` when the tables do not name the same patients in the same order, or
    one twice.

    >>> one = pd.DataFrame({"patient_id": [1, 2]})
    >>> Cohort(observed=one, outcomes=one, course=one).n_patients
    2
    """

    observed: pd.DataFrame
    outcomes: pd.DataFrame
    course: pd.DataFrame
    truth: pd.DataFrame | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tables = {"observed": self.observed, "outcomes": self.outcomes, "course": self.course}
        if self.truth is not None:
            tables["truth"] = self.truth
        for name, table in tables.items():
            _check_patients(name, table, self.observed)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(self.observed)

    @property
    def patient_ids(self) -> pd.Series[Any]:
        """The patients' numbers, in the order of the tables."""
        return self.observed["patient_id"]


def _check_patients(name: str, table: pd.DataFrame, observed: pd.DataFrame) -> None:
    cure = "make all tables of a cohort from the same patients, in the same order"
    if "patient_id" not in table.columns:
        raise InputError(
            where=f"cohort.{name}",
            key="patient_id",
            found="no such column",
            expected="a column patient_id",
            cure=cure,
        )
    if name == "observed" and not table["patient_id"].is_unique:
        row = int(np.flatnonzero(table["patient_id"].duplicated())[0]) + 1
        raise InputError(
            where="cohort.observed",
            key=f"row {row}, patient_id",
            found="a patient who stands in an earlier row",
            expected="each patient once",
            cure="number the patients anew, or remove the double",
        )
    if len(table) != len(observed):
        raise InputError(
            where=f"cohort.{name}",
            found=f"{len(table)} rows",
            expected=f"{len(observed)} rows, as in observed",
            cure=cure,
        )
    differs = table["patient_id"].to_numpy() != observed["patient_id"].to_numpy()
    if bool(np.any(differs)):
        row = int(np.flatnonzero(differs)[0]) + 1
        raise InputError(
            where=f"cohort.{name}",
            key=f"row {row}, patient_id",
            found="another patient than in observed",
            expected="the same patient",
            cure=cure,
        )


def subset(cohort: Cohort, *, patient_ids: Iterable[int] | Iterable[str]) -> Cohort:
    """The cohort of these patients alone, in the cohort's own order; an unknown patient raises
    InputError.

    >>> one = pd.DataFrame({"patient_id": [1, 2, 3]})
    >>> cohort = Cohort(observed=one, outcomes=one, course=one)
    >>> subset(cohort, patient_ids=[3, 1]).patient_ids.tolist()
    [1, 3]
    """
    wanted = pd.Index(list(patient_ids))
    unknown = wanted.difference(pd.Index(cohort.patient_ids))
    if len(unknown):
        raise InputError(
            where="subset",
            key="patient_ids",
            found=f"{len(unknown)} patients not in the cohort",
            expected="patients of this cohort",
            cure="take the numbers from cohort.patient_ids",
        )
    keep = cohort.patient_ids.isin(wanted).to_numpy()

    def rows(table: pd.DataFrame) -> pd.DataFrame:
        return table.loc[keep].reset_index(drop=True)

    return replace(
        cohort,
        observed=rows(cohort.observed),
        outcomes=rows(cohort.outcomes),
        course=rows(cohort.course),
        truth=None if cohort.truth is None else rows(cohort.truth),
    )
