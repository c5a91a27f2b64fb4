"""Score: a user's table through a saved model, with a row-by-row account; nothing is dropped in
silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crsrisk.data.files import read_csv_cells, read_parquet_cells, write_table_stream
from crsrisk.data.outcomes import read_course
from crsrisk.data.tables import PatientTable, read_patients
from crsrisk.errors import InputError, OutputError
from crsrisk.model.landmark import course_columns, landmark_columns, landmark_features
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.wording import hours_in_words

# At the landmark: a user's table as a model of some hours after the first dose needs it.
#
# Such a model reads the course beside the baseline, and speaks only of patients without the event
# so far. Whoever had it is refused with his row: nothing is left to foretell. A model of what is
# known before the first dose gets the table as it is.


AFTER = "__"  # in the name of a reading after the first dose: crp_mg_l__max__h24


@dataclass(frozen=True, eq=False)
class Known:
    """A table that was read: ``table.frame`` holds the patients of whom the model can speak, with
    their course.

    ``n_gone``: rows refused because the event was there by ``hour``. ``is_unsure`` (rows of the
    frame): the worst grade so far is not given, so that nobody knows whether the patient is still
    at risk; such a row can be scored, not judged.
    """

    table: PatientTable
    hour: int
    n_gone: int
    is_unsure: NDArray[np.bool_]

    def left_out(self) -> dict[str, int]:
        """How many rows nobody can be judged by, and why; nothing of the landmark for a model
        without one.
        """
        found = {"cannot be read": len(self.table.refused) - self.n_gone}
        if self.hour:
            found[f"had grade 2 or more by {self.hour} h"] = self.n_gone
            found[f"have no worst grade at {self.hour} h"] = int(self.is_unsure.sum())
        return found


def read_known(
    table: Path,
    *,
    columns: Iterable[str],
    hour: int,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None,
    strict: bool = False,
) -> Known:
    """Read patients as :func:`crsrisk.data.tables.read_patients` does, and with a landmark model
    their course.

    ``columns``: of the model; ``hour``: its landmark, 0 for none. The course stands in columns of
    the same table, named as in the model's contract (`crp_mg_l__max__h24`) or as readings at the
    landmark hours (`crp_mg_l__h6`, `crp_mg_l__h12`, ...), of which the summaries are then made.
    Raises :class:`InputError` for what the readers refuse, and where the course is missing.
    """
    read = read_patients(
        table, units=units, mapping=mapping, ldh_upper_limit_u_l=ldh_upper_limit_u_l, strict=strict
    )
    if not hour:
        return Known(read, 0, 0, np.zeros(len(read.frame), dtype=np.bool_))
    course = [name for name in columns if AFTER in name]
    observed = read.frame.join(_course(table, read.frame, columns=course, hour=hour))
    worst = observed[f"grade__max__h{hour}"].to_numpy(dtype=np.float64)
    kept = refuse(
        read,
        {
            int(row): (
                f"CRS of grade {grade:g} by {hour} h after the first dose: the model speaks of"
                " patients still at risk, without grade 2 or more so far"
            )
            for row, grade in zip(observed.index, worst, strict=True)
            if grade >= 2.0
        },
    )
    frame = observed.loc[kept.frame.index]
    return Known(
        replace(kept, frame=frame),
        hour,
        int((worst >= 2.0).sum()),
        np.isnan(frame[f"grade__max__h{hour}"].to_numpy(dtype=np.float64)),
    )


def refuse(read: PatientTable, reasons: Mapping[int, str]) -> PatientTable:
    """The table with these rows (reason by row) moved from those that can be scored to the
    refused.
    """
    gone = read.frame.index.isin(list(reasons))
    refused = pd.concat([read.refused, read.frame[gone].astype(object)]).sort_index()
    return replace(
        read, frame=read.frame[~gone], refused=refused, reasons={**read.reasons, **reasons}
    )


def _course(table: Path, observed: pd.DataFrame, *, columns: list[str], hour: int) -> pd.DataFrame:
    """The model's columns of the course, by row: as they stand in the file, or made of the
    readings.
    """
    cells = read_csv_cells(table) if table.suffix.lower() == ".csv" else read_parquet_cells(table)
    readings = course_columns(hour=hour)
    absent = [name for name in columns if name not in cells.columns]
    if not absent or not set(columns) <= set(landmark_columns(hour=hour)):
        return read_course(table, columns=columns)
    if gaps := [name for name in readings if name not in cells.columns]:
        raise InputError(
            where=str(table),
            key=", ".join(absent),
            found="no such column",
            expected=(
                f"the course until {hour} h after the first dose: a column for every reading that"
                " the model uses, empty where nothing was read, or the readings that it is made of"
                f" ({', '.join(gaps)} are not there either)"
            ),
            cure="add the columns, or take a model of what is known before the first dose",
        )
    known = read_course(table, columns=readings).loc[observed.index]
    return landmark_features(observed, known, hour=hour)[columns]


TOLD = ("status", "reasons", "missing")  # what the model says about a row, beside its risk
NOT_USED = "a column that is not used"  # in the account of the reader


@dataclass(frozen=True)
class Scored:
    """Every row of the user's file in its order, with risk and status, and the account of the
    reading.
    """

    model: RiskModel
    rows: pd.DataFrame
    table: PatientTable
    path: Path

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were scored, warned about and refused, and how many values were converted
        or missing.
        """
        status = self.rows["status"].value_counts()
        noted = self.table.counts()
        return {
            "rows": len(self.rows),
            **{name: int(status.get(name, 0)) for name in ("ok", "warned", "refused")},
            **{f"values_{name}": noted.get(name, 0) for name in ("converted", "missing")},
        }

    def refusal(self) -> InputError | None:
        """The first refused value as an error that names its row, with the number of all; None when
        every row was scored.
        """
        refused = np.flatnonzero((self.rows["status"] == "refused").to_numpy())
        if not len(refused):
            return None
        row = int(refused[0])
        count = f"{len(refused)} of {len(self.rows)} rows refused, the others scored"
        for note in self.table.account:
            if note.kind == "refused" and note.row == row + 1:
                return InputError(
                    where=str(self.path),
                    key=f"row {note.row}, column {note.column}",
                    found=note.found or "an empty cell",
                    expected=note.expected,
                    cure=f"{note.cure} ({count})",
                )
        return InputError(
            where=str(self.path),
            key=f"row {row + 1}",
            found=self.rows["reasons"].iloc[row],
            expected="values that the model can use",
            cure=f"correct the row ({count})",
        )

    def as_tree(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        rows = self.rows.astype(object).where(self.rows.notna(), None)
        return {
            "model": self.model.label,
            "outcome": self.model.contract.outcome_in_words,
            "window_d": dict(self.model.contract.window_d),
            "counts": self.counts,
            "rows": [
                {str(k): v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
                for row in rows.to_dict(orient="records")
            ],
            "account": self.table.account_frame().to_dict(orient="records"),
            "notice": "Research use; model fitted to synthetic patients; no external validation.",
        }


def score_table(
    model: Path,
    table: Path,
    *,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None,
    strict: bool,
    out: Path | None,
) -> Scored:
    """Read, check and score a table; with ``out`` the rows are written there.

    A landmark model also reads the course after the first dose
    (:func:`crsrisk.studies.predict.read_known`), and refuses the rows of patients who had the event
    by then. Raises :class:`InputError` for a table that cannot be read as a whole; with ``strict``
    also for the first refused value.
    """
    loaded = load_model(model)
    if out is not None and out.resolve() == table.resolve():
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is scored",
            expected="another file",
            cure="give the results a name of their own",
        )
    read = read_known(
        table,
        columns=loaded.contract.column_names,
        hour=loaded.contract.landmark_h,
        units=units,
        mapping=mapping,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
        strict=strict,
    ).table
    results = pd.DataFrame(
        {"risk": pd.Series(dtype=np.float64), **{name: pd.Series(dtype=str) for name in TOLD}}
    )
    if len(read.frame):
        results = predict(loaded, read.frame).rows[["risk", *TOLD]]
    joined = read.rejoin(results)
    refused = joined["is_refused"].to_numpy(dtype=bool)
    rows = pd.DataFrame(
        {
            "patient_id": joined["patient_id"],
            "risk_crs_grade2plus": joined["risk"],
            "status": np.where(refused, "refused", joined["status"]),
            "reasons": np.where(refused, joined["reason"], joined["reasons"]),
            "missing": joined["missing"].fillna(""),
        }
    )
    rows = rows.rename(columns={"risk_crs_grade2plus": f"risk_{loaded.contract.outcome}"})
    if out is not None:
        write_table_stream(out, iter([rows]))
    return Scored(loaded, rows, read, table)


def print_score(scored: Scored, *, out: Path | None, at_most: int = 40) -> None:
    """Risks (or where they were written) and the account, on the terminal."""
    # a unit stands in brackets too
    console = Console(width=max(Console().width, 110), markup=False, highlight=False)
    column = f"risk_{scored.model.contract.outcome}"
    if out is None:
        hour = scored.model.contract.landmark_h
        begin = f"later than {hours_in_words(hour)} and " if hour else ""
        event = scored.model.contract.outcome_in_words
        table = Table(title=f"{event} {begin}within the window after the first dose, of 100")
        for name in ("patient", "risk", "status", "why"):
            table.add_column(name, overflow="fold")
        for row in scored.rows.head(at_most).to_dict(orient="records"):
            risk = "-" if pd.isna(row[column]) else f"{100 * row[column]:.0f}"
            table.add_row(
                *(
                    Text(str(cell))
                    for cell in (row["patient_id"], risk, row["status"], row["reasons"])
                )
            )
        console.print(table)
        if len(scored.rows) > at_most:
            console.print(
                f"... and {len(scored.rows) - at_most} more rows: use --out to write them all"
            )
    else:
        console.print(f"Wrote {out}", soft_wrap=True)
    contract = scored.model.contract
    read = {*contract.column_names, *course_columns(hour=contract.landmark_h)}
    notes = [
        note for note in scored.table.account if note.kind != "missing" and note.found != NOT_USED
    ]
    for note in notes[:at_most]:
        place = f"row {note.row}, {note.column}" if note.row else note.column
        console.print(
            f"  {note.kind}: {place}: {note.found} -> {note.expected}. {note.cure}", soft_wrap=True
        )
    if len(notes) > at_most:
        console.print(f"  ... and {len(notes) - at_most} more notes: use --json for all of them")
    if unused := [
        note.column
        for note in scored.table.account
        if note.found == NOT_USED and note.column not in read
    ]:
        console.print(f"  columns not used: {', '.join(unused)}", soft_wrap=True)
    counts = scored.counts
    console.print(
        ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in counts.items())
    )
    console.print("Research use; model fitted to synthetic patients; no external validation.")
