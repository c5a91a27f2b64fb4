"""At the landmark: a user's table as a model of some hours after the first dose needs it.

Such a model reads the course beside the baseline, and speaks only of patients without the event so far. Whoever had it is
refused with his row: nothing is left to foretell. A model of what is known before the first dose gets the table as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.features.landmark import course_columns, landmark_columns, landmark_features
from crsrisk.read.course import read_course
from crsrisk.read.files import read_csv_cells, read_parquet_cells
from crsrisk.read.tables import PatientTable, read_patients

AFTER = "__"  # in the name of a reading after the first dose: crp_mg_l__max__h24


@dataclass(frozen=True, eq=False)
class Known:
    """A table that was read: ``table.frame`` holds the patients of whom the model can speak, with their course.

    ``n_gone``: rows refused because the event was there by ``hour``. ``is_unsure`` (rows of the frame): the worst grade so
    far is not given, so that nobody knows whether the patient is still at risk; such a row can be scored, not judged.
    """

    table: PatientTable
    hour: int
    n_gone: int
    is_unsure: NDArray[np.bool_]

    def left_out(self) -> dict[str, int]:
        """How many rows nobody can be judged by, and why; nothing of the landmark for a model without one."""
        found = {"cannot be read": len(self.table.refused) - self.n_gone}
        if self.hour:
            found[f"had grade 2 or more by {self.hour} h"] = self.n_gone
            found[f"have no worst grade at {self.hour} h"] = int(self.is_unsure.sum())
        return found


def read_known(
    table: Path, *, columns: Iterable[str], hour: int, units: Mapping[str, str], mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None, strict: bool = False,
) -> Known:
    """Read patients as :func:`crsrisk.read.tables.read_patients` does, and with a landmark model their course.

    ``columns``: of the model; ``hour``: its landmark, 0 for none. The course stands in columns of the same table, named as
    in the model's contract (`crp_mg_l__max__h24`) or as readings at the
    landmark hours (`crp_mg_l__h6`, `crp_mg_l__h12`, ...), of which the summaries are then made. Raises :class:`InputError`
    for what the readers refuse, and where the course is missing.
    """
    read = read_patients(table, units=units, mapping=mapping, ldh_upper_limit_u_l=ldh_upper_limit_u_l, strict=strict)
    if not hour:
        return Known(read, 0, 0, np.zeros(len(read.frame), dtype=np.bool_))
    course = [name for name in columns if AFTER in name]
    observed = read.frame.join(_course(table, read.frame, columns=course, hour=hour))
    worst = observed[f"grade__max__h{hour}"].to_numpy(dtype=np.float64)
    kept = refuse(read, {int(row): f"CRS of grade {grade:g} by {hour} h after the first dose: the model speaks of patients "
                         "still at risk, without grade 2 or more so far"
                         for row, grade in zip(observed.index, worst, strict=True) if grade >= 2.0})
    frame = observed.loc[kept.frame.index]
    return Known(replace(kept, frame=frame), hour, int((worst >= 2.0).sum()),
                 np.isnan(frame[f"grade__max__h{hour}"].to_numpy(dtype=np.float64)))


def refuse(read: PatientTable, reasons: Mapping[int, str]) -> PatientTable:
    """The table with these rows (reason by row) moved from those that can be scored to the refused."""
    gone = read.frame.index.isin(list(reasons))
    refused = pd.concat([read.refused, read.frame[gone].astype(object)]).sort_index()
    return replace(read, frame=read.frame[~gone], refused=refused, reasons={**read.reasons, **reasons})


def _course(table: Path, observed: pd.DataFrame, *, columns: list[str], hour: int) -> pd.DataFrame:
    """The model's columns of the course, by row: as they stand in the file, or made of the readings."""
    cells = read_csv_cells(table) if table.suffix.lower() == ".csv" else read_parquet_cells(table)
    readings = course_columns(hour=hour)
    absent = [name for name in columns if name not in cells.columns]
    if not absent or not set(columns) <= set(landmark_columns(hour=hour)):
        return read_course(table, columns=columns)
    if gaps := [name for name in readings if name not in cells.columns]:
        raise InputError(
            where=str(table), key=", ".join(absent), found="no such column",
            expected=f"the course until {hour} h after the first dose: a column for every reading that the model uses, "
                     "empty where nothing was read, or the readings that it is made of "
                     f"({', '.join(gaps)} are not there either)",
            cure="add the columns, or take a model of what is known before the first dose")
    known = read_course(table, columns=readings).loc[observed.index]
    return landmark_features(observed, known, hour=hour)[columns]
