"""A user's table, CSV or Parquet, read with an account of every cell refused, converted or missing.

Nothing is guessed, clamped or dropped: a laboratory value needs a unit, a value that cannot be is
refused with its row, column and cure, and a refused row stays in the result with its reason.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.columns import (
    TYPES,
    Column,
    Floats,
    Mask,
    as_ids,
    expected_words,
    guessed,
    id_texts,
    parse,
    recognise,
    typed,
)
from crsrisk.data.files import name_of, read_cells, read_csv_cells, read_parquet_cells
from crsrisk.data.identity import contradictions
from crsrisk.data.product_names import shipped_name
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, Field, columns_of
from crsrisk.units import convert, likely_unit, needs_upper_limit, unit_key

NoteKind: TypeAlias = Literal["refused", "converted", "missing", "warned"]

NOT_STATED = "not stated"  # for a word that may be missing (site, regimen)
_LIMIT = "ldh_upper_limit_u_l"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the account. ``row`` counts patients from 1; 0 means the whole table.

    ``found`` may hold a patient's value: show it to the owner of the file, never log it.
    """

    row: int
    column: str
    kind: NoteKind
    found: str
    expected: str
    cure: str


@dataclass(frozen=True, eq=False)
class PatientTable:
    """A table that was read: what can be scored, what was refused, and the account of both.

    ``frame``: the rows that can be scored, with the observed columns in order, in standard units
    and types; its index ``row`` counts the patients of the file from 1. ``refused``: the other rows
    as they stand in the file, same index. ``reasons``: why, by row. ``patient_ids``: of all rows,
    as text. ``account``: the notes, by row.
    """

    frame: pd.DataFrame
    refused: pd.DataFrame
    reasons: Mapping[int, str]
    patient_ids: pd.Series[str]
    account: tuple[Note, ...]

    @property
    def n_rows(self) -> int:
        """Rows of the file: scored and refused."""
        return len(self.patient_ids)

    def counts(self) -> dict[str, int]:
        """Number of notes of each kind: nothing of a patient in it, so it may be logged."""
        kinds = [note.kind for note in self.account]
        return {kind: kinds.count(kind) for kind in ("refused", "converted", "missing", "warned")}

    def account_frame(self) -> pd.DataFrame:
        """The account as a table: row, column, kind, found, expected, cure."""
        columns = ["row", "column", "kind", "found", "expected", "cure"]
        return pd.DataFrame([asdict(note) for note in self.account], columns=columns)

    def rejoin(self, results: pd.DataFrame) -> pd.DataFrame:
        """Every row of the file in its order: patient_id, the results (empty if refused),
        is_refused, reason.

        ``results`` has one row for each row of ``frame``, in the same order.
        """
        if len(results) != len(self.frame):
            raise ValueError(f"{len(results)} results for {len(self.frame)} rows")
        rows = self.patient_ids.index
        placed = results.set_axis(self.frame.index, axis=0).reindex(rows)
        reasons = pd.Series(
            [self.reasons.get(row, "") for row in rows], index=rows, name="reason", dtype=str
        )
        refused = pd.Series(reasons != "", name="is_refused")
        return pd.concat([as_ids(self.patient_ids), placed, refused, reasons], axis=1)


def read_table(path: str | Path) -> pd.DataFrame:
    """A table that crsrisk wrote, with the types it had: known columns by their kind, others as
    found.

    In CSV an empty cell is missing. Text in a number, or a missing whole number or yes/no, raises
    :class:`InputError` with row and column. Units and ranges are not looked at: see
    :func:`read_patients`.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "outcomes.csv"
    >>> _ = place.write_text("patient_id,crs_any,onset_h\\n1,True,20.5\\n2,False,\\n")
    >>> read_table(place).dtypes.astype(str).tolist()
    ['int64', 'bool', 'float64']
    """
    path = Path(path)
    if not _is_csv(path):
        return read_parquet_cells(path)
    cells = read_csv_cells(path)
    return pd.DataFrame(
        {
            name: (
                typed(column, FIELDS[name], where=str(path)) if name in FIELDS else guessed(column)
            )
            for name, column in cells.items()
            if isinstance(name, str)
        }
    )


def read_patients(
    path: str | Path | pd.DataFrame,
    *,
    units: Mapping[str, str] | None = None,
    ldh_upper_limit_u_l: float | None = None,
    mapping: Mapping[str, str] | None = None,
    strict: bool = True,
) -> PatientTable:
    """Read patients for a prediction: names recognised, units converted, impossible values refused.

    Parameters ---------- path : a .csv (UTF-8, commas, points) or .parquet file, or a frame; one
    row a patient.
    units : unit of a column whose name has none, by that name: ``{"crp": "mg/dL"}``. Otherwise the
    name
        carries it: ``crp_mg_l``, ``crp_mg_dl``, ``CRP [mg/dL]``.
    ldh_upper_limit_u_l : the laboratory's upper limit, for LDH in U/L where the table has no such
    column
        or an empty cell in it.
    mapping : the file's own column names: ``{"CRP_BASE": "crp [mg/dL]"}``. strict : raise
    :class:`InputError` at the first refused cell, with the number of all; otherwise refused
        rows are kept apart in ``PatientTable.refused``.

    A product that ships is found by any of its names, in any case. A row that contradicts itself
    (platform against product, sex or age against tumour type) is refused:
    :mod:`crsrisk.data.identity`.

    A missing column, a quantity without a unit and a column given twice always raise. Yes/no
    columns take true/false, yes/no, 1/0; a column `sex` takes F/M. Missing is written as an empty
    cell, NA, N/A, NaN, null, none or a point.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = place.write_text("patient_id,crp\\n1,2.5\\n")
    >>> read_patients(place)
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: ...mine.csv, crp: found a quantity without a unit; expected
    crp_mg_l or crp [mg/dL] or crp [ug/mL]. Cure: rename the column, or state its unit beside the
    table (crp=mg/L)
    """
    if not isinstance(path, pd.DataFrame):
        path = Path(path)
        _is_csv(path)
    cells, where = read_cells(path), name_of(path)
    if cells.empty:
        raise InputError(
            where=where,
            found="no patients",
            expected="one row a patient",
            cure="add rows below the header",
        )
    columns = recognise(list(cells.columns), where=where, units=units or {}, mapping=mapping or {})
    reading = _Reading(path=where, n_rows=len(cells))
    limits = _ldh_limits(cells, columns, reading, option=ldh_upper_limit_u_l)
    values = {
        name: _read_column(cells, columns.get(name), FIELDS[name], reading, limits)
        for name in columns_of("observed")
    }
    _name_products(values["product"], reading)
    for one in contradictions(values):
        reading.note(one.row + 1, one.column, "refused", one.found, one.expected, one.cure)
    used = {column.found for column in columns.values()}
    for name in cells.columns:
        if name not in used:
            reading.note(
                0, name, "warned", "a column that is not used", "observed columns", "none needed"
            )
    if strict:
        reading.raise_first()
    return _finish(cells, values, reading)


def _name_products(products: NDArray[Any], reading: _Reading) -> None:
    """Write the name that the files use for a product that ships, whatever it is called here; a
    product of the user's own stays as it is.
    """
    for written in dict.fromkeys(products):
        name = shipped_name(written)
        if name is None or name == written:
            continue
        for row in np.flatnonzero(products == written):
            reading.note(
                int(row) + 1,
                "product",
                "converted",
                written,
                name,
                "none needed: another name of the same product",
            )
        products[products == written] = name


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise InputError(
            where=str(path),
            found=f"the suffix {suffix!r}",
            expected=".csv or .parquet",
            cure="save the table as CSV or Parquet",
        )
    return suffix == ".csv"


@dataclass
class _Reading:
    """The account in the making."""

    path: str
    n_rows: int
    notes: list[Note] = field(default_factory=list)

    def note(
        self, row: int, column: str, kind: NoteKind, found: str, expected: str, cure: str
    ) -> None:
        self.notes.append(Note(row, column, kind, found, expected, cure))

    def raise_first(self) -> None:
        refused = sorted(
            (note for note in self.notes if note.kind == "refused"), key=lambda note: note.row
        )
        if not refused:
            return
        first, n_rows = refused[0], len({note.row for note in refused})
        count = f"{len(refused)} cells in {n_rows} of {self.n_rows} rows cannot be used"
        raise InputError(
            where=self.path,
            key=f"row {first.row}, column {first.column}",
            expected=first.expected,
            found=first.found or "an empty cell",
            cure=f"{first.cure} ({count})",
        )


def _ldh_limits(
    cells: pd.DataFrame, columns: Mapping[str, Column], reading: _Reading, *, option: float | None
) -> Floats | None:
    """The upper limit of LDH for each row (NaN = none), or None where LDH needs none."""
    column = columns["ldh_x_uln"]
    if not needs_upper_limit(column.name, column.unit):
        return None
    low, high = FIELDS[_LIMIT].possible or (0.0, np.inf)
    if option is not None and not low <= option <= high:
        raise InputError(
            where=reading.path,
            key=_LIMIT,
            found=str(option),
            cure="correct the upper limit",
            expected=f"{low:g} to {high:g} U/L",
        )
    if _LIMIT not in columns and option is None:
        raise InputError(
            where=reading.path,
            key=column.found,
            found="LDH in U/L without the upper limit of normal",
            expected=f"a column {_LIMIT}, or one limit for the whole table",
            cure="add the upper limit of the laboratory that measured it",
        )
    limits = np.full(len(cells), np.nan)
    if _LIMIT in columns:
        limits = _read_numbers(cells, columns[_LIMIT], FIELDS[_LIMIT], reading, None)
    return limits if option is None else np.where(np.isnan(limits), option, limits)


def _read_column(
    cells: pd.DataFrame,
    found: Column | None,
    column: Field,
    reading: _Reading,
    limits: Floats | None,
) -> NDArray[Any]:
    if found is None:  # a column that may be absent as a whole: site, regimen
        reading.note(
            0, column.name, "missing", "no such column", column.meaning, f"taken as {NOT_STATED!r}"
        )
        return np.full(reading.n_rows, NOT_STATED, dtype=object)
    if column.name == "patient_id":
        return _read_ids(cells[found.found], reading)
    if column.kind in ("float", "int"):
        return _read_numbers(
            cells, found, column, reading, limits if column.name == "ldh_x_uln" else None
        )
    values, missing, bad = parse(cells[found.found], column, is_sex=found.is_sex)
    _note_unread(cells[found.found], found, column, reading, missing=missing, bad=bad)
    if column.may_be_missing:
        values[missing] = NOT_STATED
    return values


def _read_ids(cells: pd.Series[Any], reading: _Reading) -> NDArray[Any]:
    ids = id_texts(cells)
    missing = (ids == "").to_numpy(dtype=bool)
    for row in np.flatnonzero(missing):
        reading.note(
            int(row) + 1, "patient_id", "refused", "", "the patient's number", "fill in the cell"
        )
    twice = ids.duplicated(keep=False).to_numpy(dtype=bool) & ~missing
    names = list(dict.fromkeys(ids[twice]))
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    for row in np.flatnonzero(twice):
        reading.note(
            int(row) + 1,
            "patient_id",
            "refused",
            f"{ids.iloc[row]} more than once",
            "each patient once",
            f"keep one row a patient; repeated: {listed}",
        )
    return ids.to_numpy(dtype=object)


def _read_numbers(
    cells: pd.DataFrame, found: Column, column: Field, reading: _Reading, limits: Floats | None
) -> Floats:
    """Numbers in the standard unit; what cannot be used is NaN and noted."""
    raw, missing, bad = parse(cells[found.found], column)
    _note_unread(cells[found.found], found, column, reading, missing=missing, bad=bad)
    raw = np.where(bad, np.nan, raw)
    if limits is not None:
        for row in np.flatnonzero(~np.isnan(raw) & np.isnan(limits)):
            reading.note(
                int(row) + 1,
                column.name,
                "refused",
                f"{raw[row]:g} U/L without an upper limit",
                f"the laboratory's upper limit in {_LIMIT}",
                "fill in the upper limit",
            )
    with np.errstate(over="ignore"):  # an overflow is infinite, and refused below
        values = convert(raw, name=column.name, unit=found.unit, upper_limit_u_l=limits)
    low, high = column.possible or (-np.inf, np.inf)
    refused = (values < low) | (values > high)
    for row in np.flatnonzero(refused):
        reading.note(
            int(row) + 1,
            column.name,
            "refused",
            _shown(raw[row], found.unit),
            _shown_range(low, high, column),
            _range_cure(column, float(raw[row]), found.unit),
        )
    values = np.where(refused, np.nan, values)
    _note_conversion(found, column, reading, raw=raw, values=values)
    low, high = column.plausible or (-np.inf, np.inf)
    for row in np.flatnonzero((values < low) | (values > high)):
        reading.note(
            int(row) + 1,
            column.name,
            "warned",
            _shown(values[row], column.unit),
            f"usually {_shown_range(low, high, column)}",
            "check the value; it is used as it is",
        )
    return values


def _shown(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def _shown_range(low: float, high: float, column: Field) -> str:
    return f"{low:g} to {_shown(high, column.unit)}"


def _range_cure(column: Field, raw: float, unit: str) -> str:
    """What to do about an impossible value: most often the unit is another."""
    low, high = column.plausible or (np.inf, -np.inf)
    is_standard = unit_key(unit) == unit_key(column.unit)
    likely = (
        column.unit if not is_standard and low <= raw <= high else likely_unit(column.name, raw)
    )
    if likely is not None and unit_key(likely) != unit_key(unit):
        name = column.name if likely == column.unit else f"{column.quantity} [{likely}]"
        return f"{raw:g} looks like {likely}: if it is, name the column {name}"
    return f"correct the value{_or_empty(column)}"


def _note_conversion(
    found: Column, column: Field, reading: _Reading, *, raw: Floats, values: Floats
) -> None:
    if unit_key(found.unit) == unit_key(column.unit):
        return
    if column.other_units and bool(np.all((raw == values) | np.isnan(values))):  # ng/mL and ug/L
        reading.note(
            0,
            column.name,
            "converted",
            f"{found.found}, in {found.unit}",
            column.unit,
            "none needed: the same number",
        )
        return
    for row in np.flatnonzero(~np.isnan(values)):
        reading.note(
            int(row) + 1,
            column.name,
            "converted",
            f"{raw[row]:g} {found.unit}",
            column.unit,
            f"none needed: read as {values[row]:g} {column.unit}",
        )


def _note_unread(
    cells: pd.Series[Any],
    found: Column,
    column: Field,
    reading: _Reading,
    *,
    missing: Mask,
    bad: Mask,
) -> None:
    expected = expected_words(column, is_sex=found.is_sex)
    for row in np.flatnonzero(bad):
        text = str(cells.iloc[row]).strip()
        reading.note(
            int(row) + 1, column.name, "refused", repr(text), expected, _text_cure(text, column)
        )
    if column.table != "observed":
        return
    for row in np.flatnonzero(missing):
        if column.may_be_missing:
            reading.note(
                int(row) + 1, column.name, "missing", "", expected, "enter it if it is known"
            )
        else:
            reading.note(int(row) + 1, column.name, "refused", "", expected, "fill in the cell")


def _or_empty(column: Field) -> str:
    return ", or leave the cell empty if it was not measured" if column.may_be_missing else ""


def _text_cure(text: str, column: Field) -> str:
    if column.kind not in ("float", "int"):
        near = difflib.get_close_matches(text.casefold(), column.categories, n=1)
        return f"did you mean {near[0]}?" if near else "correct the cell"
    if text[:1] in ("<", ">"):
        return f"write the limit itself{_or_empty(column)}"
    if re.fullmatch(r"[0-9]+,[0-9]+", text):
        return f"write {text.replace(',', '.')}, with a point"
    return f"write a number alone{_or_empty(column)}"


def _finish(
    cells: pd.DataFrame, values: Mapping[str, NDArray[Any]], reading: _Reading
) -> PatientTable:
    """Part the rows into those that can be scored, in their types, and those that cannot, with the
    reason.
    """
    order = {name: position for position, name in enumerate(columns_of("observed"))}
    account = sorted(reading.notes, key=lambda note: (note.row, order.get(note.column, len(order))))
    reasons: dict[int, str] = {}
    for note in account:
        if note.kind == "refused":
            reason = (
                f"{note.column}: found {note.found or 'an empty cell'}; expected {note.expected}"
            )
            reasons[note.row] = f"{reasons[note.row]} | {reason}" if note.row in reasons else reason
    rows = pd.RangeIndex(1, len(cells) + 1, name="row")
    keep = ~rows.isin(list(reasons))
    frame = pd.DataFrame({name: array[keep] for name, array in values.items()}, index=rows[keep])
    typed = {
        name: frame[name].astype(TYPES[FIELDS[name].kind])
        for name in values
        if name != "patient_id"
    }
    ids = pd.Series(values["patient_id"], index=rows, name="patient_id", dtype=str)
    return PatientTable(
        frame=frame.assign(patient_id=as_ids(ids[keep]), **typed),
        reasons=MappingProxyType(reasons),
        refused=cells.set_axis(rows, axis=0).loc[~keep],
        patient_ids=ids,
        account=tuple(account),
    )
