"""A user's table read with an account of every cell refused, converted, filled or missing.

Nothing is guessed, clamped or dropped: a laboratory value needs a unit, a value that cannot be is
refused with its row, column and cure, and a refused row stays in the result with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.account import (
    Note,
    NoteKind,
    Trouble,
    grouped,
    refusal_of,
    tallied,
)
from crsrisk.data.cells import TYPES, as_ids, guessed, id_texts, parse, typed
from crsrisk.data.columns import (
    OBSERVED,
    Column,
    Recognised,
    missing_columns,
    plain_header,
    recognise,
)
from crsrisk.data.files import read_csv_cells, read_parquet_cells
from crsrisk.data.identity import contradictions
from crsrisk.data.overlooked import refuse_long, refuse_overlooked, usual_names
from crsrisk.data.part_files import read_parts
from crsrisk.data.product_facts import FACTS, product_facts
from crsrisk.data.product_names import shipped_name
from crsrisk.data.quantities import Table, note_unread, read_quantity, upper_limits
from crsrisk.data.table_account import Account
from crsrisk.data.table_files import Source, SourceTable, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.whole_columns import Repeated, WholeColumns
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, LDH_LIMIT, Field, columns_of

__all__ = ["Note", "NoteKind", "PatientTable", "read_patients", "read_table"]

NOT_STATED = "not stated"  # for a word that may be missing (site, regimen)


@dataclass(frozen=True, eq=False)
class PatientTable:
    """A table that was read: what can be scored, what was refused, and the account of both.

    ``frame``: the rows that can be scored, with the observed columns in order, in standard units
    and types; its index ``row`` counts the patients of the file from 1. ``refused``: the other rows
    as they stand in the file, same index. ``reasons``: why, by row. ``patient_ids``: of all rows,
    as text. ``account``: the notes, by row. ``source``: the table as it stands, for the columns
    that are read beside these. ``ids_are_whole``: of a piece of a table, whether all patients of
    the table have whole numbers.
    """

    frame: pd.DataFrame
    refused: pd.DataFrame
    reasons: Mapping[int, str]
    patient_ids: pd.Series[str]
    account: tuple[Note, ...]
    source: SourceTable
    ids_are_whole: bool | None = None

    @property
    def n_rows(self) -> int:
        """Rows of the file: scored and refused."""
        return len(self.patient_ids)

    def counts(self) -> dict[str, int]:
        """Number of notes of each kind: nothing of a patient in it, so it may be logged."""
        return tallied(self.account).counts()

    def troubles(self) -> tuple[Trouble, ...]:
        """What was refused, left out, or looks doubtful, grouped, with counts."""
        return grouped(self.account, kinds=("refused", "left out", "warned"))

    def refusal(self) -> InputError | None:
        """All refusals as one error; None where there are none."""
        return refusal_of(self.account, where=self.source.where, n_rows=self.n_rows)

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
        ids = as_ids(self.patient_ids) if self.ids_are_whole is None else self.patient_ids
        if self.ids_are_whole:
            ids = ids.astype(np.int64)
        return pd.concat([ids, placed, refused, reasons], axis=1)


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
    if path.is_dir():
        return read_parts(path)
    if path.suffix.lower() == ".parquet":
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
    path: Source,
    *,
    units: Mapping[str, str] | None = None,
    ldh_upper_limit_u_l: float | None = None,
    mapping: Mapping[str, str] | None = None,
    reading: TableReading = AS_NAMED,
    columns: Iterable[str] | None = None,
    strict: bool = True,
    whole: WholeColumns | None = None,
) -> PatientTable:
    """Read patients for a prediction: names recognised, units converted, impossible values refused.

    Parameters
    ----------
    path : one row a patient: CSV of any dialect, .xlsx, .parquet, .feather, a file of SAS, SPSS or
        Stata, or a frame of pandas, polars or pyarrow.
    units : unit of a column whose name has none, by that name: ``{"crp": "mg/dL"}``. Otherwise the
        name carries it (``crp_mg_l``, ``CRP [mg/dL]``), a column beside it (``crp_unit``), or the
        cell.
    ldh_upper_limit_u_l : the laboratory's upper limit, for LDH in U/L where the table has no such
        column or an empty cell in it.
    mapping : the file's own column names: ``{"CRP_BASE": "crp [mg/dL]"}``.
    reading : what else is stated about the table: codes, missing values, censored values, times.
    columns : the columns that a model reads; only these must be there. All that are required by the
        field table when left out. With `ldh_upper_limit_u_l` among them the frame holds the limit
        of each row.
    strict : raise :class:`InputError` for refused cells, all kinds of them at once; otherwise
        refused rows are kept apart in ``PatientTable.refused``.
    whole : of a table that is read in pieces, of which this is one: where it is gathered what only
        the whole of a column shows, and left out of the account of the piece.

    Notes
    -----
    A product that ships is found by any of its names, in any case, and what its file knows
    (platform, restriction, first dose, step-up, lymphodepletion) is filled where the table does not
    say it. A laboratory value that cannot be read, or was taken after the dose, costs its cell
    alone; of one that the model does not read (``columns``) every trouble does. A row that
    contradicts itself (platform against product, sex or age against tumour type) is refused:
    :mod:`crsrisk.data.identity`.

    A column that a model needs and a quantity without a unit always raise, and so does a column
    given twice. Missing is written as an empty cell, NA, null, unknown and the like; codes such as
    999 are declared.

    Examples
    --------
    >>> read_patients(pd.DataFrame({"patient_id": [1], "crp": [2.5]}))
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: table, crp: found a quantity without a unit; expected crp_mg_l or
    crp [mg/dL] or crp [ug/mL]. Cure: ask the laboratory for its unit, and state it: --unit
    'crp=mg/L', --unit 'crp=mg/dL', --unit 'crp=ug/mL'
    """
    how = replace(
        reading,
        units={**reading.units, **(units or {})},
        rename={**reading.rename, **(mapping or {})},
        ldh_upper_limit_u_l=(
            reading.ldh_upper_limit_u_l if ldh_upper_limit_u_l is None else ldh_upper_limit_u_l
        ),
    )
    source = open_table(path, how.dialect)
    cells = source.cells
    if cells.empty:
        raise InputError(
            where=source.where,
            found="no patients",
            expected="one row a patient",
            cure="add rows below the header",
        )
    refuse_long(source)
    wanted = tuple(OBSERVED if columns is None else columns)
    needed = {name for name, field in OBSERVED.items() if name in wanted or not _is_spare(field)}
    found = recognise(
        [str(name) for name in cells.columns], where=source.where, how=how, needed=needed
    )
    if whole is None or not whole.is_checked:
        refuse_overlooked(source, found, how=how, fields=OBSERVED)
    _check_required(found, wanted, where=source.where, by_field=columns is None)
    account = Account(source.where, len(cells), whole=whole or WholeColumns())
    for sentence in source.told:
        account.note(0, "file", "read", sentence, "as the file is written", "none needed")
    table = Table(source, how, account, found.dose_time)
    values = {
        name: _read_column(table, found.columns.get(name), OBSERVED[name], is_wanted=name in wanted)
        for name in columns_of("observed")
    }
    _name_products(values["product"], account)
    _fill(values, found.columns, account, wanted=wanted)
    for one in contradictions(values):
        account.note(one.row + 1, one.column, "refused", one.found, one.expected, one.cure)
    for name in found.unused:
        account.note(
            0, name, "not used", "a column that is not used", "observed columns", "none needed"
        )
    looked_for = {name: field for name, field in OBSERVED.items() if name in wanted}
    for name, told, cure in usual_names(found, fields=looked_for):
        account.note(0, name, "warned", told, cure, "It is left as it is.")
    if whole is None:
        account.notes += account.whole.notes()
    if strict and (problem := account.refusal()) is not None:
        raise problem
    if LDH_LIMIT in wanted:
        values[LDH_LIMIT] = _ldh_limits(table, found.columns.get("ldh_x_uln"))
    return _finish(source, values, account, wanted=wanted)


def without_empty_numbers(cells: pd.DataFrame, how: TableReading = AS_NAMED) -> pd.DataFrame:
    """A table without its column of patients' numbers where no row has one, as a client may send it
    for what he does not know; the rows are then counted.
    """
    empty = [
        name
        for name in map(str, cells.columns)
        if plain_header(how.rename.get(name, name)) == "patientid" and cells[name].isna().all()
    ]
    return cells.drop(columns=empty)


def _check_required(
    found: Recognised, wanted: tuple[str, ...], *, where: str, by_field: bool
) -> None:
    """Every required column must be there, unless a product's file can fill it."""
    required = [
        name
        for name in wanted
        if name in OBSERVED
        and (FIELDS[name].is_required or not by_field)
        and not (name in FACTS and "product" in found.columns)
        and name != "patient_id"
    ]
    if by_field:
        required.insert(0, "patient_id")
    problem = missing_columns(
        required, found.columns, fields=OBSERVED, unused=found.unused, where=where
    )
    if problem is not None:
        raise problem


def _name_products(products: NDArray[Any], account: Account) -> None:
    """Write the name that the files use for a product that ships, whatever it is called here; a
    product of the user's own stays as it is.
    """
    for written in dict.fromkeys(products):
        name = shipped_name(written) if written != NOT_STATED else None
        if name is None or name == written:
            continue
        for row in np.flatnonzero(products == written):
            account.note(
                int(row) + 1,
                "product",
                "converted",
                written,
                name,
                "none needed: another name of the same product",
            )
        products[products == written] = name


def _fill(
    values: dict[str, NDArray[Any]],
    columns: Mapping[str, Column],
    account: Account,
    *,
    wanted: tuple[str, ...],
) -> None:
    """Fill what the product's file knows where the table does not say it, and tell it."""
    products, regimens = values["product"], values["regimen"]
    for name in FACTS:
        field, cells = FIELDS[name], values[name]
        empty = cells == NOT_STATED if field.kind == "category" else np.isnan(cells.astype(float))
        for product in dict.fromkeys(products[empty]):
            of_product = empty & (products == product)
            for regimen in dict.fromkeys(regimens[of_product]):
                rows = of_product & (regimens == regimen)
                stated = "" if regimen == NOT_STATED else str(regimen)
                facts = product_facts(str(product), stated)
                if name in facts:
                    cells[rows] = facts[name]
                    account.whole.fill(
                        name,
                        product=str(product),
                        regimen=stated,
                        n=int(rows.sum()),
                        value=_fact_in_words(field, facts[name]),
                    )
        still = cells == NOT_STATED if field.kind == "category" else np.isnan(cells.astype(float))
        if name in columns or name not in wanted:
            continue
        for row in np.flatnonzero(still):
            account.note(
                int(row) + 1,
                name,
                "missing",
                "no such column",
                "stated in the table: the product has no file that says it",
                f"add a column {name}",
            )


def _fact_in_words(field: Field, value: str | float) -> str:
    if field.kind == "bool":
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def _read_column(
    table: Table, found: Column | None, field: Field, *, is_wanted: bool
) -> NDArray[Any]:
    n, account = table.account.n_rows, table.account
    if found is None:
        return _absent(field, n, account, is_wanted=is_wanted)
    cells = table.source.cells[found.found]
    if field.name == "patient_id":
        return _read_ids(cells, account)
    if _is_spare(field) and not is_wanted:
        return _read_spare(table, found, field)
    if field.kind in ("float", "int"):
        return read_quantity(table, found, field)
    read = parse(cells, field, table.rules(found, field), is_sex=found.is_sex)
    note_unread(table, found, field, read)
    values = read.values
    if field.kind == "category":
        values[read.missing | read.is_bad] = NOT_STATED
    return values


def _ldh_limits(table: Table, column: Column | None) -> NDArray[Any]:
    """The upper limit of LDH of every row in U/L, NaN where the table does not say it."""
    n = table.account.n_rows
    if column is None or (column.limit_column is None and table.how.ldh_upper_limit_u_l is None):
        return np.full(n, np.nan)
    aside = Account(table.account.where, n)
    limits = upper_limits(replace(table, account=aside), column, OBSERVED["ldh_x_uln"], "U/L")
    known = {(note.row, note.column) for note in table.account.notes}
    table.account.notes += [
        replace(note, kind="left out")
        for note in aside.notes
        if (note.row, note.column) not in known
    ]
    return limits


def _is_spare(field: Field) -> bool:
    """Whether a model that does not read the column can do without its cells: a measurement."""
    return field.kind == "float" and field.may_be_missing


def _read_spare(table: Table, found: Column, field: Field) -> NDArray[Any]:
    """A measurement that the model does not read: trouble with it costs its cells, or the column,
    never the row.
    """
    account = table.account
    aside = replace(table, account=Account(account.where, account.n_rows, whole=account.whole))
    try:
        values: NDArray[Any] = read_quantity(aside, found, field)
    except InputError as problem:
        account.note(
            0, field.name, "left out", problem.found, problem.expected, "the model does not read it"
        )
        return np.full(account.n_rows, np.nan)
    account.notes += [
        replace(note, kind="left out") if note.kind == "refused" else note
        for note in aside.account.notes
    ]
    return values


def _absent(field: Field, n: int, account: Account, *, is_wanted: bool) -> NDArray[Any]:
    """A column that the table has not: not stated, or missing in every row."""
    if field.name == "patient_id":
        account.note(
            0,
            "patient_id",
            "missing",
            "no such column",
            "the patient's number",
            "rows are numbered",
        )
        return np.array([str(row + 1) for row in range(n)], dtype=object)
    if is_wanted and field.name not in FACTS:
        account.note(
            0,
            field.name,
            "missing",
            "no such column",
            field.meaning,
            f"taken as {NOT_STATED!r}",
        )
    if field.kind == "category":
        return np.full(n, NOT_STATED, dtype=object)
    return np.full(n, np.nan)


def _read_ids(cells: pd.Series[Any], account: Account) -> NDArray[Any]:
    ids = id_texts(cells)
    missing = (ids == "").to_numpy(dtype=bool)
    for row in np.flatnonzero(missing):
        account.note(
            int(row) + 1, "patient_id", "refused", "", "the patient's number", "fill in the cell"
        )
    repeated = account.whole.repeated
    if repeated is None:
        twice = ids.duplicated(keep=False).to_numpy(dtype=bool) & ~missing
        repeated = Repeated(tuple(dict.fromkeys(ids[twice])))
    else:
        twice = ids.isin(repeated.ids).to_numpy(dtype=bool)
    listed = repeated.listed()
    for row in np.flatnonzero(twice):
        account.note(
            int(row) + 1,
            "patient_id",
            "refused",
            f"{ids.iloc[row]} more than once",
            "each patient once",
            f"keep one row a patient; repeated: {listed}",
        )
    return ids.to_numpy(dtype=object)


def _finish(
    source: SourceTable,
    values: Mapping[str, NDArray[Any]],
    account: Account,
    *,
    wanted: tuple[str, ...],
) -> PatientTable:
    """Part the rows into those that can be scored, in their types, and those that cannot, with the
    reason.
    """
    order = {name: position for position, name in enumerate(columns_of("observed"))}
    notes = sorted(account.notes, key=lambda note: (note.row, order.get(note.column, len(order))))
    reasons = replace(account, notes=notes).reasons()
    rows = pd.RangeIndex(1, account.n_rows + 1, name="row")
    keep = ~rows.isin(list(reasons))
    frame = pd.DataFrame({name: array[keep] for name, array in values.items()}, index=rows[keep])
    typed = {
        name: _in_type(frame[name], FIELDS[name], is_wanted=name in wanted)
        for name in values
        if name != "patient_id"
    }
    ids = pd.Series(values["patient_id"], index=rows, name="patient_id", dtype=str)
    return PatientTable(
        frame=frame.assign(patient_id=as_ids(ids[keep]), **typed),
        reasons=MappingProxyType(reasons),
        refused=source.cells.set_axis(rows, axis=0).loc[~keep],
        patient_ids=ids,
        account=tuple(notes),
        source=source,
        ids_are_whole=account.whole.ids_are_whole,
    )


def _in_type(values: pd.Series[Any], field: Field, *, is_wanted: bool) -> pd.Series[Any]:
    """A column in the type of its kind; whole numbers and yes/no with gaps are floats. A word that
    a model reads is missing where it is not stated.
    """
    if field.kind in ("int", "bool") and values.isna().any():
        return values.astype(np.float64)
    if is_wanted and field.kind == "category" and not field.may_be_missing:
        return values.where(values != NOT_STATED, np.nan)
    return values.astype(TYPES[field.kind])
