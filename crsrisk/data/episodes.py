"""Bedside: the rows of a registry or trial, followed patient by patient, become graded moments,
episodes and milestones.

Fever opens an episode. It stays open while there is a sign (fever, hypotension, oxygen,
vasopressor) and for some quiet hours afterwards; the next fever then opens another one. Once
something was given that hides fever, other signs count without it (Lee, Biol Blood Marrow
Transplant 2019).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.bounds import is_at_least, is_below
from crsrisk.data.grading_systems import GRADERS, NO_OXYGEN, Grades, GradingSystem, Signs

FEVER_C = 38.0  # Lee 2019
LOW_SYSTOLIC_MMHG = 90.0  # Neelapu 2018; the other scales name no number
LOW_MAP_MMHG = 65.0  # assumed: the pressure that vasopressors are usually given to keep
SEVERAL_BOLUSES = 2
ROW_COLUMNS = (  # what `follow` needs; booleans where the name says so, NaN = not measured
    "patient_id",
    "time_h",
    "temperature_c",
    "map_mmhg",
    "sbp_mmhg",
    "has_fluids",
    "n_boluses",
    "n_vasopressors",
    "has_vasopressin",
    "has_high_dose_vasopressor",
    "oxygen_device",
    "has_fio2_40",
    "alt_x_uln",
    "baseline_alt_x_uln",
    "creatinine_x_uln",
    "organ_toxicity_grade",
    "is_fever_hidden",
    "has_died",
)


@dataclass(frozen=True, eq=False)
class Followed:
    """Every row with what is true at it: ``signs`` for the grading systems, ``episode`` (0 before
    the first, then 1, 2, ...), ``has_sign`` (a sign that counts as CRS at this row).
    """

    signs: Signs
    episode: NDArray[np.int64]
    has_sign: NDArray[np.bool_]


@dataclass(slots=True)
class _Patient:
    """What has been seen of one patient up to a row."""

    episode: int = 0
    is_open: bool = False
    is_fever_hidden: bool = False
    was_ill: bool = False
    last_sign_h: float = -inf
    fluids_from_h: float = nan
    vasopressor_from_h: float = nan
    n_boluses: float = 0.0

    def open_or_close(
        self, time_h: float, *, fever: bool, is_ill: bool, hidden: bool, quiet_h: float
    ) -> None:
        is_ill_since = self.was_ill and is_ill
        quiet_for_h = time_h - self.last_sign_h
        if self.is_open and not is_ill_since and bool(is_at_least(quiet_for_h, quiet_h)):
            self.is_open = self.is_fever_hidden = False
        if fever and not self.is_open:
            self.is_open, self.n_boluses = True, 0.0
            self.episode += 1
        self.is_fever_hidden = self.is_fever_hidden or hidden

    def had_several_boluses(
        self, time_h: float, n_boluses: float, *, has_fluids: bool, enough_h: float
    ) -> bool:
        self.fluids_from_h = _since(self.fluids_from_h, time_h, is_on=has_fluids)
        if np.isnan(n_boluses):
            return has_fluids and bool(is_at_least(time_h - self.fluids_from_h, enough_h))
        self.n_boluses += n_boluses
        return has_fluids and self.n_boluses >= SEVERAL_BOLUSES


def follow(rows: pd.DataFrame, *, quiet_h: float, multiple_boluses_h: float) -> Followed:
    """What is true at every row, given the patient's earlier rows.

    ``rows``: columns :data:`ROW_COLUMNS`; hours rise within a patient, patients may be mixed.
    ``quiet_h``: hours without a sign after which an episode is over (organ toxicity counts that
    long too). ``multiple_boluses_h``: hours under fluids that stand for several boluses where no
    number is given (NaN in ``n_boluses``). What runs at one row and the next is taken to have run
    between them, however far apart they are; fever is not.
    """
    fever = is_at_least(rows["temperature_c"], FEVER_C)
    is_low_systolic, is_low = _low_pressure(rows)
    fluids, n_all = (
        rows["has_fluids"].to_numpy(),
        rows["n_vasopressors"].to_numpy() + rows["has_vasopressin"].to_numpy(),
    )
    other_sign = is_low | (n_all > 0) | (rows["oxygen_device"].to_numpy() > NO_OXYGEN)
    n = len(rows)
    has_crs, has_sign, several = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    episode, vasopressor_h = np.zeros(n, np.int64), np.zeros(n)
    patients: defaultdict[object, _Patient] = defaultdict(_Patient)
    columns = zip(
        rows["patient_id"],
        rows["time_h"],
        fever,
        other_sign,
        fluids,
        rows["n_boluses"],
        n_all > 0,
        rows["is_fever_hidden"],
        strict=True,
    )
    for row, (
        name,
        time_h,
        is_hot,
        is_ill,
        has_fluids,
        n_boluses,
        has_vasopressor,
        hidden,
    ) in enumerate(columns):
        patient = patients[name]
        patient.open_or_close(time_h, fever=is_hot, is_ill=is_ill, hidden=hidden, quiet_h=quiet_h)
        counts = patient.is_open and bool(is_hot or (is_ill and patient.is_fever_hidden))
        patient.was_ill = counts and is_ill
        patient.last_sign_h = time_h if counts else patient.last_sign_h
        patient.vasopressor_from_h = _since(
            patient.vasopressor_from_h, time_h, is_on=has_vasopressor
        )
        several[row] = patient.had_several_boluses(
            time_h, n_boluses, has_fluids=has_fluids, enough_h=multiple_boluses_h
        )
        has_crs[row], has_sign[row] = counts or (patient.is_open and not is_ill), counts
        episode[row] = patient.episode
        vasopressor_h[row] = time_h - patient.vasopressor_from_h if has_vasopressor else 0.0
    return Followed(
        _signs(rows, has_crs, is_low, is_low_systolic, several, vasopressor_h), episode, has_sign
    )


def signs_without_fever(rows: pd.DataFrame, followed: Followed) -> tuple[str, ...]:
    """A sentence on signs and support that are graded 0 because no fever had opened CRS; none where
    there are none.
    """
    _, is_low = _low_pressure(rows)
    has_support = (
        (rows["n_vasopressors"].to_numpy() > 0)
        | rows["has_vasopressin"].to_numpy()
        | (rows["oxygen_device"].to_numpy() > NO_OXYGEN)
    )
    missed = (is_low | has_support) & ~followed.has_sign & ~np.asarray(followed.signs.has_crs)
    n = int(np.sum(missed))
    if not n:
        return ()
    patients = len(set(rows["patient_id"].to_numpy()[missed]))
    rows_of = f"{n} {'row' if n == 1 else 'rows'}"
    of = f"{patients} {'patient' if patients == 1 else 'patients'}"
    return (
        f"{rows_of} of {of}: low pressure, oxygen or vasopressor without fever that had opened CRS:"
        " grade 0, since every system asks for fever first",
    )


def _low_pressure(rows: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Low systolic pressure (mean pressure where that was not measured) and low pressure at all;
    fluids say both.
    """
    systolic, mean = rows["sbp_mmhg"].to_numpy(), rows["map_mmhg"].to_numpy()
    fluids = rows["has_fluids"].to_numpy()
    is_low_mean = is_below(mean, LOW_MAP_MMHG)
    is_low_systolic = is_below(systolic, LOW_SYSTOLIC_MMHG)
    return (
        fluids | np.where(np.isnan(systolic), is_low_mean, is_low_systolic),
        fluids | is_low_mean | is_low_systolic,
    )


def _since(started_h: float, time_h: float, *, is_on: bool) -> float:
    if not is_on:
        return nan
    return time_h if np.isnan(started_h) else started_h


def _signs(
    rows: pd.DataFrame,
    has_crs: NDArray[np.bool_],
    is_low: NDArray[np.bool_],
    is_low_systolic: NDArray[np.bool_],
    several: NDArray[np.bool_],
    vasopressor_h: NDArray[np.float64],
) -> Signs:
    taken = {
        name: rows[name].to_numpy()
        for name in (
            "n_vasopressors",
            "has_vasopressin",
            "has_high_dose_vasopressor",
            "oxygen_device",
            "has_fio2_40",
            "alt_x_uln",
            "baseline_alt_x_uln",
            "creatinine_x_uln",
            "organ_toxicity_grade",
            "has_died",
        )
    }
    return Signs(
        has_crs=has_crs,
        has_hypotension=is_low,
        has_low_systolic=is_low_systolic,
        has_multiple_boluses=several,
        vasopressor_h=vasopressor_h,
        **taken,
    )


def grade_rows(followed: Followed, system: GradingSystem) -> Grades:
    """Grade of every row under one system.

    A quiet row of an open episode (no fever, no other sign) is 0, unless organ toxicity alone makes
    it 2 or more.
    """
    grade = GRADERS[system](followed.signs)
    return np.where(followed.has_sign | (grade > 1), grade, 0).astype(np.int64)


def milestones(rows: pd.DataFrame, grades: Mapping[GradingSystem, Grades]) -> pd.DataFrame:
    """One row a patient and system: patient_id, system, max_grade, onset_h, peak_h, resolution_h.

    ``onset_h``: first row graded 1 or more. ``peak_h``: first row of the highest grade.
    ``resolution_h``: first row graded 0 after the last that was not, so with all signs and support
    gone; NaN when that was not seen, or no CRS.
    """
    parts = [
        milestones_of(rows, grade).assign(system=system.value) for system, grade in grades.items()
    ]
    columns = ["patient_id", "system", "max_grade", "onset_h", "peak_h", "resolution_h"]
    return pd.concat(parts, ignore_index=True)[columns]


def episode_milestones(
    rows: pd.DataFrame,
    episode: NDArray[np.int64],
    grades: Mapping[GradingSystem, Grades],
) -> pd.DataFrame:
    """:func:`milestones` of each episode: one row a patient, system and episode, the first of them
    1; an episode lasts until the next one opens.
    """
    columns = [
        "patient_id",
        "system",
        "episode",
        "max_grade",
        "onset_h",
        "peak_h",
        "resolution_h",
    ]
    parts = []
    for number in range(1, int(episode.max(initial=0)) + 1):
        of = episode == number
        some = milestones(rows[of], {system: grade[of] for system, grade in grades.items()})
        parts.append(some.assign(episode=number))
    if not parts:
        return pd.DataFrame(columns=columns)
    found = pd.concat(parts, ignore_index=True)[columns]
    order = {name: place for place, name in enumerate(dict.fromkeys(rows["patient_id"]))}
    return found.sort_values(
        ["system", "patient_id", "episode"],
        key=lambda column: column.map(order) if column.name == "patient_id" else column,
        kind="stable",
        ignore_index=True,
    )


def milestones_of(rows: pd.DataFrame, grade: Grades) -> pd.DataFrame:
    """One row a patient: patient_id, max_grade, onset_h, peak_h, resolution_h, of one grading."""
    table = pd.DataFrame(
        {
            "patient_id": rows["patient_id"].to_numpy(),
            "time_h": rows["time_h"].to_numpy(),
            "grade": grade,
        }
    )
    by_patient = table.groupby("patient_id", sort=False)
    highest = by_patient["grade"].transform("max")
    ill = table["time_h"].where(table["grade"] > 0)
    last_ill = ill.groupby(table["patient_id"], sort=False).transform("max")
    times = {
        "onset_h": ill,
        "peak_h": table["time_h"].where((table["grade"] == highest) & (highest > 0)),
        "resolution_h": table["time_h"].where(table["time_h"] > last_ill),
    }
    first = {
        name: column.groupby(table["patient_id"], sort=False).min()
        for name, column in times.items()
    }
    return pd.DataFrame({"max_grade": by_patient["grade"].max(), **first}).reset_index()
