"""Predict: a user's table through a saved model, with a row-by-row account; nothing is dropped in
silence.

A model of some hours after the first dose reads the course beside the baseline, and speaks only of
patients without the event so far. Whoever had it is refused with his row: nothing is left to
predict. A model of what is known before the first dose gets the table as it is.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from crsrisk import terminal
from crsrisk.data.account import (
    Note,
    Tally,
    Trouble,
    grouped,
    refusal_of,
    tallied,
    with_the_rest,
)
from crsrisk.data.explanation import INTERVAL_NAMES
from crsrisk.data.outcomes import read_course
from crsrisk.data.risk_model import CANNOT
from crsrisk.data.table_files import Source, SourceTable, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.tables import PatientTable, read_patients
from crsrisk.data.whole_columns import WholeColumns
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.model.companions import Companions, load_companions
from crsrisk.model.first_interval import first_interval
from crsrisk.model.known_products import (
    is_unknown,
    nearest_names,
    with_own_names,
    with_trained_names,
)
from crsrisk.model.landmark import course_columns, landmark_columns, landmark_features
from crsrisk.model.risk_model import RiskModel, distance_in_words
from crsrisk.model.store import load_model
from crsrisk.results import Result
from crsrisk.studies.refused_rows import RefusedRows
from crsrisk.terminal import Console
from crsrisk.wording import hours_in_words

Tell: TypeAlias = Callable[[tuple[Trouble, ...]], None]  # hears the account of a reading

AFTER = "__"  # in the name of a reading after the first dose: crp_mg_l__max__h24
# said of a row too far from training, beside what the model says
INSTEAD = " crsrisk explain patient simulates patients like this one instead."
_ENDS = ("risk_low", "risk_high", "risk_refit_low", "risk_refit_high")
_ACCOUNT = ("status", "reasons", "missing")  # what the model says about a row, beside its risk


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
        left_out = {"cannot be read": len(self.table.refused) - self.n_gone}
        if self.hour:
            left_out[f"had grade 2 or more by {self.hour} h"] = self.n_gone
            left_out[f"have no worst grade at {self.hour} h"] = int(self.is_unsure.sum())
        return left_out


def read_known(
    table: Source,
    *,
    columns: Iterable[str],
    hour: int,
    reading: TableReading = AS_NAMED,
    strict: bool = False,
    whole: WholeColumns | None = None,
) -> Known:
    """Read patients as :func:`crsrisk.data.tables.read_patients` does, and with a landmark model
    their course.

    ``columns``: of the model, the only ones that must be there; ``hour``: its landmark, 0 for none;
    ``whole``: of a piece of a table.
    The course stands in columns of
    the same table, named as in the model's contract (`crp_mg_l__max__h24`) or as readings at the
    landmark hours (`crp_mg_l__h6`, `crp_mg_l__h12`, ...), of which the summaries are then made.
    Raises :class:`InputError` for what the readers refuse, and where the course is missing.
    """
    names = tuple(columns)
    read = read_patients(
        table,
        reading=reading,
        columns=[name for name in names if AFTER not in name],
        strict=strict,
        whole=whole,
    )
    if not hour:
        return Known(read, 0, 0, np.zeros(len(read.frame), dtype=np.bool_))
    course = [name for name in names if AFTER in name]
    observed = read.frame.join(_course(read.source, read.frame, columns=course, hour=hour))
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


def require_rows(read: PatientTable) -> None:
    """Raise all refusals at once where they leave no row to learn from or to judge by."""
    if read.frame.empty and (problem := read.refusal()) is not None:
        raise problem


def refused_in_words(read: PatientTable) -> str:
    """What was refused, grouped, behind a message that others cause; "" where nothing was."""
    problem = read.refusal()
    return "" if problem is None else f"; of the table: {problem}"


def refuse(read: PatientTable, reasons: Mapping[int, str]) -> PatientTable:
    """The table with these rows (reason by row) moved from those that can be scored to the
    refused.
    """
    gone = read.frame.index.isin(list(reasons))
    refused = pd.concat([read.refused, read.frame[gone].astype(object)]).sort_index()
    return replace(
        read, frame=read.frame[~gone], refused=refused, reasons={**read.reasons, **reasons}
    )


def _course(
    table: SourceTable, observed: pd.DataFrame, *, columns: list[str], hour: int
) -> pd.DataFrame:
    """The model's columns of the course, by row: as they stand in the file, or made of the
    readings.
    """
    cells = table.cells
    readings = course_columns(hour=hour)
    absent = [name for name in columns if name not in cells.columns]
    if not absent or not set(columns) <= set(landmark_columns(hour=hour)):
        return read_course(table, columns=columns)
    if lacking := [name for name in readings if name not in cells.columns]:
        raise InputError(
            where=table.where,
            key=", ".join(absent),
            found="no such column",
            expected=(
                f"the course until {hour} h after the first dose: a column for every reading that"
                " the model uses, empty where nothing was read, or the readings that it is made of"
                f" ({', '.join(lacking)} are not there either)"
            ),
            cure="add the columns, or take a model of what is known before the first dose",
        )
    known = read_course(table, columns=readings).loc[observed.index]
    return landmark_features(observed, known, hour=hour)[columns]


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """How many rows were scored, warned about, too far from training for an estimate, and refused,
    and how many values were converted, left out, filled from the product's file (columns by
    product), or missing.
    """

    rows: int
    ok: int
    warned: int
    cannot_estimate: int
    refused: int
    values_converted: int
    values_left_out: int
    values_filled: int
    values_missing: int

    def in_words(self) -> str:
        """How many rows were scored, and how."""
        return (
            f"{self.rows} rows ({self.ok} ok, {self.warned} warned,"
            f" {self.cannot_estimate} {CANNOT}, {self.refused} refused)"
        )


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ScoredTable(Result):
    """Every row of the user's file in its order, with risk and status, and the account of the
    reading.

    Parameters
    ----------
    model : str
        Name and version of the model.
    outcome : str
        The event in words, counted within ``window_d`` days after the first dose, by platform, and
        later than ``landmark_h`` hours after it.
    counts : RowCounts
        How many rows were scored, warned about, left without an estimate and refused.
    rows : DataFrame
        `patient_id`, `risk` (0-1, NaN without one), `risk_low` and `risk_high` (the interval shown
        first, which holds what `interval` says), `risk_refit_low` and `risk_refit_high` (the refit
        range), `status` (ok, warned, cannot estimate, refused), `reasons`, `missing`.
    distance : str
        Whether, and at which price, rows far from training get no number.
    account : tuple of Note
        What was converted, filled, missing, left out, refused or not used in reading.
    """

    model: str
    outcome: str
    window_d: Mapping[str, float]
    landmark_h: int
    columns_read: tuple[str, ...]
    counts: RowCounts
    rows: pd.DataFrame
    account: tuple[Note, ...]
    where: str
    notice: str
    distance: str = ""

    def summary(self) -> str:
        """How many rows were scored by which model."""
        return f"{self.counts.in_words()}, model {self.model}: {self.outcome}. {self.notice}"

    def to_frame(self) -> pd.DataFrame:
        """One row a row of the file: patient_id, risk and its intervals, status, reasons,
        missing.
        """
        return self.rows

    def troubles(self) -> tuple[Trouble, ...]:
        """What was refused, left out or doubtful in reading, grouped by column, with counts."""
        return grouped(self.account, kinds=("refused", "left out", "warned"))

    def refusal(self) -> InputError | None:
        """The refusals as one error: the first in full, all others grouped; None when every row was
        scored.
        """
        refused = np.flatnonzero((self.rows["status"] == "refused").to_numpy())
        first = (
            (int(refused[0]) + 1, self.rows["reasons"].iloc[refused[0]]) if len(refused) else None
        )
        return refusal_in_rows(
            tallied(self.account),
            where=self.where,
            n_rows=len(self.rows),
            n_refused=len(refused),
            first=first,
        )

    def refused_rows(self, source: SourceTable) -> RefusedRows:
        """The refused rows as they stand in the table, with the reason of each."""
        is_refused = (self.rows["status"] == "refused").to_numpy()
        reasons = self.rows["reasons"].to_numpy()
        return RefusedRows(
            cells=source.cells,
            reasons={row + 1: reasons[row] for row in np.flatnonzero(is_refused).tolist()},
            account=self.account,
            problem=self.refusal(),
        )


def refusal_in_rows(
    tally: Tally, *, where: str, n_rows: int, n_refused: int, first: tuple[int, str] | None
) -> InputError | None:
    """All refusals of a table as one error, None where there are none; ``first``: the first refused
    row, and why.
    """
    if first is None:
        return None
    count = f"{n_refused} of {n_rows} rows refused, the others scored"
    read = tally.refusal(where=where, n_rows=n_rows, what="are refused")
    if read is not None:
        return with_the_rest(read, count)
    return InputError(
        where=where,
        key=f"row {first[0]}",
        found=first[1],
        expected="values that the model can use",
        cure=f"correct the row ({count})",
    )


def score_table(
    model: Path,
    table: str | Path,
    *,
    strict: bool,
    unknown_product: bool = False,
    product_files: Sequence[str | Path] = (),
    reading: TableReading = AS_NAMED,
) -> ScoredTable:
    """Read, check and score a table in memory
    (:func:`crsrisk.studies.predict_file.score_file` scores one of any length into a file).

    Rows of a product that the model was not trained on are refused; with ``unknown_product`` they
    are scored and warned about, with an interval over products. Rows too far from the training
    patients get no risk. A product of one's own is found by the names of its file, in
    ``product_files``.

    A landmark model also reads the course after the first dose (:func:`read_known`), and refuses
    the rows of patients who had the event by then. Raises :class:`InputError` for a table that
    cannot be read as a whole; with ``strict`` also for the first refused value.
    """
    loaded = load_model(model)
    return score_patients(
        loaded,
        open_table(table, reading.dialect),
        beside=load_companions(model, model=loaded, has_neighbour=False),
        reading=reading,
        strict=strict,
        unknown_product=unknown_product,
        product_files=product_files,
    )


def score_patients(
    model: RiskModel,
    table: Source,
    *,
    reading: TableReading = AS_NAMED,
    strict: bool = False,
    unknown_product: bool = False,
    product_files: Sequence[str | Path] = (),
    beside: Companions | None = None,
) -> ScoredTable:
    """:func:`score_table` for a model in memory and a table, or a frame with the columns of one;
    intervals come from what stands ``beside`` the model.

    Whoever asks for a risk by the clinical columns (the command line, MLflow) asks here.
    """
    contract = model.contract
    scored = score_piece(
        model,
        beside or Companions({}),
        table,
        reading=reading,
        strict=strict,
        unknown_product=unknown_product,
        product_files=product_files,
    )
    rows, read = scored.rows, scored.read
    return ScoredTable(
        model=model.label,
        outcome=contract.outcome_in_words,
        window_d=dict(contract.window_d),
        landmark_h=contract.landmark_h,
        columns_read=(*contract.column_names, *course_columns(hour=contract.landmark_h)),
        counts=row_counts(len(rows), Counter(rows["status"].tolist()), read.counts()),
        rows=rows,
        account=tuple(read.account),
        where=read.source.where,
        notice=model.notice,
        distance=distance_in_words(model),
    )


@dataclass(frozen=True, eq=False)
class ScoredPiece:
    """Rows of a table, all or some, with their risks: a row for each row that was ``read``.

    ``of_reading``: its account without products that the model does not know.
    """

    rows: pd.DataFrame
    read: PatientTable
    of_reading: tuple[Note, ...]


def score_piece(
    model: RiskModel,
    beside: Companions,
    table: Source,
    *,
    reading: TableReading,
    strict: bool = False,
    unknown_product: bool,
    product_files: Sequence[str | Path],
    whole: WholeColumns | None = None,
) -> ScoredPiece:
    """Read and score a table, or a piece of one (``whole``)."""
    contract = model.contract
    known = read_known(
        table,
        columns=contract.column_names,
        hour=contract.landmark_h,
        reading=reading,
        strict=strict,
        whole=whole,
    ).table
    read = of_known_products(
        model,
        known,
        where=known.source.where,
        strict=strict,
        unknown_product=unknown_product,
        product_files=product_files,
    )
    return ScoredPiece(_scored(model, beside, read), read, known.account)


def row_counts(n_rows: int, status: Mapping[str, int], noted: Mapping[str, int]) -> RowCounts:
    """Counts of rows by status, and of values by what was noted."""
    return RowCounts(
        rows=n_rows,
        ok=status.get("ok", 0),
        warned=status.get("warned", 0),
        cannot_estimate=status.get(CANNOT, 0),
        refused=status.get("refused", 0),
        values_converted=noted["converted"],
        values_left_out=noted["left out"],
        values_filled=noted["filled"],
        values_missing=noted["missing"],
    )


def of_known_products(
    model: RiskModel,
    read: PatientTable,
    *,
    where: str,
    strict: bool = False,
    unknown_product: bool = False,
    product_files: Sequence[str | Path] = (),
) -> PatientTable:
    """The table with the model's own names of its products, and the rows of others refused, each
    with its note, unless they are asked for.
    """
    read = replace(read, frame=with_own_names(read.frame, [load_product(p) for p in product_files]))
    read = replace(read, frame=with_trained_names(model, read.frame))
    if unknown_product:
        return read
    unknown = read.frame.loc[is_unknown(model, read.frame), "product"]
    notes = [
        Note(
            row=row,
            column="product",
            kind="refused",
            found=str(product),
            expected=(
                f"a product that {model.label} was trained on"
                f" ({nearest_names(str(product), model)})"
            ),
            cure="check the name; --unknown-product scores the row by platform, antigen and patient"
            " alone",
        )
        for row, product in zip(unknown.index.tolist(), unknown, strict=True)
    ]
    return _with_refused(read, notes, where=where, strict=strict)


def _with_refused(
    read: PatientTable, notes: list[Note], *, where: str, strict: bool
) -> PatientTable:
    """The table with the rows of these notes refused; with ``strict`` an error where there are
    some.
    """
    if strict and (problem := refusal_of(notes, where=where, n_rows=read.n_rows)) is not None:
        raise problem
    refused = refuse(
        read,
        {
            note.row: f"{note.column}: found {note.found}; expected {note.expected}"
            for note in notes
        },
    )
    account = sorted((*read.account, *notes), key=lambda note: note.row)
    return replace(refused, account=tuple(account))


def _scored(model: RiskModel, beside: Companions, read: PatientTable) -> pd.DataFrame:
    """Every row of the file with its risk and interval, or why it was refused."""
    results = pd.DataFrame(
        {
            "risk": pd.Series(dtype=np.float64),
            **{name: pd.Series(dtype=np.float64) for name in _ENDS},
            "interval": pd.Series(dtype=str),
            **{name: pd.Series(dtype=str) for name in _ACCOUNT},
        }
    )
    if len(read.frame):
        # rows of unknown products that are still there are asked for
        scored = model.predict(read.frame, unknown_product=True)
        results = scored.rows[["risk", *_ACCOUNT]].copy()
        found = first_interval(model, beside, read.frame)
        ends = (found.low, found.high, found.refit_low, found.refit_high)
        results = results.assign(**dict(zip(_ENDS, ends, strict=True)), interval=found.holds)
        if beside.worlds is None:
            over = scored.rows["risk_low"].notna()
            for name, widest in (("risk_low", np.fmin), ("risk_high", np.fmax)):
                products = widest(results[name], scored.rows[name])
                results[name] = results[name].where(~over, products)
            results["interval"] = results["interval"].where(~over, "products")
        results.loc[results["risk"].isna(), list(_ENDS)] = np.nan
        results.loc[results["status"] == CANNOT, "reasons"] += INSTEAD
    joined = read.rejoin(results)
    refused = joined["is_refused"].to_numpy(dtype=bool)
    told = told_by_row(read, columns=model.contract.column_names)
    doubts = pd.Series([told.get(row, "") for row in joined.index], index=joined.index, dtype=str)
    is_doubtful = (doubts != "") & (joined["status"] == "ok")
    reasons = (joined["reasons"].fillna("") + " " + doubts).str.strip()
    return pd.DataFrame(
        {
            "patient_id": joined["patient_id"],
            "risk": joined["risk"],
            **{name: joined[name] for name in _ENDS},
            "interval": np.where(joined["risk"].isna(), "", joined["interval"]),
            "status": np.where(
                refused, "refused", np.where(is_doubtful, "warned", joined["status"])
            ),
            "reasons": np.where(refused, joined["reason"], reasons),
            "missing": joined["missing"].fillna(""),
        }
    )


def told_by_row(read: PatientTable, *, columns: Collection[str]) -> dict[int, str]:
    """By row, in sentences, which cells were left out, of the columns that a model reads."""
    told: dict[int, str] = {}
    for note in read.account:
        if not note.row or note.kind != "left out" or note.column not in columns:
            continue
        sentence = f"{note.column} is left out: found {note.found}; expected {note.expected}."
        told[note.row] = f"{told[note.row]} {sentence}" if note.row in told else sentence
    return told


def print_score(scored: ScoredTable, *, at_most: int = 40) -> None:
    """Risks and the account, on the terminal."""
    console = wide_console()
    _print_risks(console, scored, at_most=at_most)
    print_troubles(console, grouped(scored.account), columns_read=scored.columns_read)
    print_counts(console, scored.counts, distance=scored.distance, notice=scored.notice)


def wide_console() -> Console:
    """A terminal for sentences in which a unit stands in brackets."""
    return Console(width=max(Console().width, 110), markup=False, highlight=False)


def print_counts(console: Console, counts: RowCounts, *, distance: str, notice: str) -> None:
    """How many rows were scored, and what stands behind the numbers."""
    told = asdict(counts).items()
    console.print(", ".join(f"{name.replace('_', ' ')} {number}" for name, number in told))
    console.print(distance, soft_wrap=True)
    console.print(notice)


def tell_account(account: tuple[Trouble, ...]) -> None:
    """The account of a reading on the terminal, without what is merely not used."""
    console = wide_console()
    print_troubles(console, (one for one in account if one.kind != "not used"))


def print_troubles(
    console: Console, account: Iterable[Trouble], *, columns_read: Iterable[str] = ()
) -> None:
    """The account, by kind and column, and the columns that were not used."""
    troubles, read = tuple(account), set(columns_read)
    for trouble in troubles:
        if trouble.kind not in ("missing", "not used"):
            sentence = trouble.sentence(has_cell=terminal.shows_cells(sys.stdout))
            console.print(f"  {trouble.kind}: {sentence}", soft_wrap=True)
    unused = [one.column for one in troubles if one.kind == "not used" and one.column not in read]
    if unused:
        console.print(f"  columns not used: {', '.join(unused)}", soft_wrap=True)


def _print_risks(console: Console, scored: ScoredTable, *, at_most: int) -> None:
    hour = scored.landmark_h
    begin = f"later than {hours_in_words(hour)} and " if hour else ""
    table = Table(title=f"{scored.outcome} {begin}within the window after the first dose, of 100")
    for name in ("patient", "risk", "interval", "status", "why"):
        table.add_column(name, overflow="fold")
    rows = scored.rows.head(at_most)
    risks = ["-" if np.isnan(risk) else f"{100 * risk:.0f}" for risk in rows["risk"].to_numpy()]
    spans = [
        "-" if np.isnan(low) else f"{100 * low:.0f} to {100 * high:.0f}"
        for low, high in zip(rows["risk_low"], rows["risk_high"], strict=True)
    ]
    columns = (rows["patient_id"], risks, spans, rows["status"], rows["reasons"])
    for cells in zip(*columns, strict=True):
        table.add_row(*(Text(str(cell)) for cell in cells))
    console.print(table)
    named = [INTERVAL_NAMES[one] for one in scored.rows["interval"].unique() if one]
    if named:
        console.print(f"Interval: {'; '.join(named)}.", soft_wrap=True)
    if len(scored.rows) > at_most:
        console.print(
            f"... and {len(scored.rows) - at_most} more rows: use --out to write them all"
        )
