"""Check: what a table would be read as, column by column, before anything is computed from it; and
a mapping file to confirm, which nothing applies unseen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from rich.table import Table as Grid
from rich.text import Text

from crsrisk.data.account import Trouble, grouped
from crsrisk.data.cells import NO_WORDS, YES_WORDS, texts_of
from crsrisk.data.columns import OBSERVED, SEX_COLUMNS, recognise
from crsrisk.data.files import write_text
from crsrisk.data.header_words import propose
from crsrisk.data.registry import Times, of_header, read_registry, time_columns
from crsrisk.data.table_files import Source, SourceTable, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.tables import read_patients
from crsrisk.data.ward_columns import TIME_NAMES, WARD
from crsrisk.errors import InputError
from crsrisk.fields import Field
from crsrisk.folders import find
from crsrisk.model.store import load_model
from crsrisk.results import Result
from crsrisk.terminal import Console

Kind = Literal["patients", "ward"]
UNKNOWN = "?"  # in a mapping file: to be filled in by a person
_MOST_WORDS = 8
_SEX_LETTERS = frozenset({"f", "m", "female", "male"})


@dataclass(frozen=True, kw_only=True)
class CheckedColumn:
    """One column of the file: what it stands for and why.

    ``name``: the column that it is read as, or would be if the proposal is confirmed ("" = none).
    ``is_read``: read without any proposal. ``unit``: as read; "?" where only the laboratory knows.
    ``codes``: words that would have to be declared.
    """

    found: str
    name: str
    is_read: bool
    unit: str
    why: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class TableCheck(Result):
    """What a table would be read as; made by :func:`check_table`.

    Parameters
    ----------
    where : the file.
    kind : ``patients`` (one row a patient) or ``ward`` (one row a patient and time point).
    n_rows : rows below the header.
    told : how the file itself was read.
    columns : the columns of the file, in their order.
    troubles : what would be refused, left out or doubtful, grouped.
    problem : why the table as a whole cannot be read yet; "" where it can.
    """

    where: str
    kind: Kind
    n_rows: int
    told: tuple[str, ...]
    columns: tuple[CheckedColumn, ...]
    troubles: tuple[Trouble, ...]
    problem: str

    def summary(self) -> str:
        """How many columns are read, proposed and unknown, and whether the table can be read."""
        read = sum(column.is_read for column in self.columns)
        proposed = sum(bool(column.name) and not column.is_read for column in self.columns)
        ready = f"not yet: {self.problem}" if self.problem else "it can be read"
        return (
            f"{self.n_rows} rows, {len(self.columns)} columns: {read} read, {proposed} proposed,"
            f" {len(self.columns) - read - proposed} unknown; {ready}"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a column of the file."""
        return pd.DataFrame(
            [
                {
                    "found": one.found,
                    "name": one.name,
                    "is_read": one.is_read,
                    "unit": one.unit,
                    "why": one.why,
                    "codes": ", ".join(one.codes),
                }
                for one in self.columns
            ]
        )

    def mapping_text(self) -> str:
        """The proposals as a mapping file: YAML that a person completes and confirms."""
        proposed = [one for one in self.columns if one.name and not one.is_read]
        lines = [
            f"# How {Path(self.where).name} would be read. Look at every line, replace each"
            f' "{UNKNOWN}",',
            "# delete what is wrong, and write confirmed: true. Until then no command takes it.",
            "confirmed: false",
            "rename:",
            *(
                f"  {_quoted(one.found)}: {_quoted(_target(one, self.fields))}  # {one.why}"
                for one in proposed
                if one.name not in ("is_female",) or one.found.casefold() not in SEX_COLUMNS
            ),
            "units:",
            *(
                f"  {_quoted(one.found)}: {_quoted(UNKNOWN)}  # one of"
                f" {', '.join(self.fields[one.name].accepted_units)}: ask the laboratory"
                for one in self.columns
                if one.unit == UNKNOWN
            ),
            "codes:",
        ]
        for one in self.columns:
            if one.codes:
                field = self.fields[one.name]
                words = "F or M" if one.found.casefold() in SEX_COLUMNS else "yes or no"
                lines.append(f"  {_quoted(one.found)}:  # {field.label}: {words}")
                lines += [f"    {_quoted(code)}: {_quoted(UNKNOWN)}" for code in one.codes]
        return "\n".join([*lines, ""])

    @property
    def fields(self) -> Mapping[str, Field]:
        """The columns that are looked for in a table of this kind."""
        return OBSERVED if self.kind == "patients" else WARD


def check_table(
    source: Source,
    *,
    kind: Kind = "patients",
    model: str | Path | None = None,
    reading: TableReading = AS_NAMED,
) -> TableCheck:
    """What a table would be read as, and what is proposed for the columns that are not known.

    Parameters
    ----------
    source : a file or frame, as :func:`crsrisk.read_patients` takes it.
    kind : ``patients``, or ``ward`` for a table that is graded.
    model : a model, whose columns alone are then required.
    reading : what is stated already.

    Examples
    --------
    >>> table = pd.DataFrame({"ID": [1], "CRPBL": [12.0], "GENDER": ["1"]})
    >>> [(one.found, one.name, one.unit) for one in check_table(table).columns]
    [('ID', 'patient_id', '1'), ('CRPBL', 'crp_mg_l', '?'), ('GENDER', 'is_female', '1')]
    """
    opened = open_table(source, reading.dialect)
    fields = OBSERVED if kind == "patients" else WARD
    columns = _columns(opened, fields, reading)
    troubles: tuple[Trouble, ...] = ()
    problem = ""
    try:
        if kind == "ward":
            graded = read_registry(opened, reading=reading, strict=False)
            troubles = grouped(graded.account, kinds=("refused", "left out", "warned"))
        else:
            wanted = None
            if model is not None:
                contract = load_model(find("released", str(model))).contract
                wanted = [name for name in contract.column_names if "__" not in name]
            read = read_patients(opened, reading=reading, columns=wanted, strict=False)
            troubles = read.troubles()
    except InputError as trouble:
        problem = str(trouble)
    return TableCheck(
        where=opened.where,
        kind=kind,
        n_rows=len(opened.cells),
        told=opened.told,
        columns=columns,
        troubles=troubles,
        problem=problem,
    )


def _columns(
    opened: SourceTable, fields: Mapping[str, Field], reading: TableReading
) -> tuple[CheckedColumn, ...]:
    header = [str(name) for name in opened.cells.columns]
    beside = _beside(header, opened, fields, reading)
    taken: set[str] = set()
    columns = []
    for found in header:
        one = beside.get(found) or _column(found, opened, fields, reading)
        if one.name and one.name in taken:
            one = CheckedColumn(
                found=found,
                name="",
                is_read=False,
                unit="",
                why=f"{one.name} is there already, in another column",
            )
        taken |= {one.name} - {""}
        columns.append(one)
    return tuple(columns)


def _beside(
    header: list[str], opened: SourceTable, fields: Mapping[str, Field], reading: TableReading
) -> dict[str, CheckedColumn]:
    """Columns that are read only because of another one: quantities with their unit beside them,
    units, limits and times. None where the columns together cannot be recognised yet.
    """
    told: dict[str, str] = {}
    read: dict[str, CheckedColumn] = {}
    times = Times()
    try:
        if fields is WARD:
            header, times = time_columns(opened, reading)
            reading = of_header(reading, header)
        found = recognise(header, where=opened.where, how=reading, fields=fields)
    except InputError:
        return {}
    for column in found.columns.values():
        label = fields[column.name].label
        if column.unit_column is not None:
            read[column.found] = CheckedColumn(
                found=column.found,
                name=column.name,
                is_read=True,
                unit=f"of {column.unit_column}",
                why=f"the name says {label}",
            )
        for other, what in (
            (column.unit_column, "units"),
            (column.limit_column, "upper limits"),
            (column.time_column, "times"),
        ):
            if other is not None:
                told[other] = f"{what} of {label}"
    for name, what in (
        (times.at, "date and time of a row"),
        (times.clock, "time of day of a row"),
        (times.dose or found.dose_time, "time of the dose"),
    ):
        if name is not None:
            told[name] = what
    return read | {
        name: CheckedColumn(found=name, name="", is_read=True, unit="", why=why)
        for name, why in told.items()
    }


def _column(
    found: str, opened: SourceTable, fields: Mapping[str, Field], reading: TableReading
) -> CheckedColumn:
    """One column alone: as the reader takes it, else as usual names propose it."""
    alone = TableReading(
        rename={yours: ours for yours, ours in reading.rename.items() if yours == found},
        units={name: unit for name, unit in reading.units.items() if name == found},
    )
    is_read, name, unit, why = True, "", "", ""
    try:
        read = recognise([found], where=opened.where, how=alone, fields=fields).columns
        for column in read.values():
            name, unit, why = column.name, column.unit, f"the name says {fields[column.name].label}"
    except InputError as problem:
        why = f"{problem.found}; expected {problem.expected}"
    if not name:
        is_read = False
        proposal = propose(found, fields)
        if proposal is not None:
            name, why = proposal
            unit = "1" if fields[name].unit == "1" else _stated_unit(found, fields[name])
        elif fields is WARD and _is_time(found):
            name, unit, why = "datetime", "1", "a usual name of date and time of a row"
    field = fields.get(name)
    return CheckedColumn(
        found=found,
        name=name,
        is_read=is_read,
        unit=unit,
        why=why or "no usual name of a column that is read here",
        codes=() if field is None else _codes(opened, found, field, reading),
    )


def _is_time(found: str) -> bool:
    return "".join(sign for sign in found.casefold() if sign.isalnum()) in TIME_NAMES


def _stated_unit(found: str, field: Field) -> str:
    """The unit in brackets of a header, where it is one of the column's; else to be asked for."""
    try:
        read = recognise(
            [found],
            where="header",
            how=TableReading(rename={found: _with_unit(found, field)}),
            fields={field.name: field},
        )
    except InputError:
        return UNKNOWN
    return next((column.unit for column in read.columns.values()), UNKNOWN)


def _with_unit(found: str, field: Field) -> str:
    _, bracket, unit = found.partition("[" if "[" in found else "(")
    return f"{field.quantity} [{unit.rstrip('])').strip()}]" if bracket else field.quantity


def _target(column: CheckedColumn, fields: Mapping[str, Field]) -> str:
    """Our name of a proposed column, without a unit that nobody stated."""
    if column.name not in fields:
        return column.name
    field = fields[column.name]
    if field.unit == "1":
        return field.name
    return field.quantity if column.unit == UNKNOWN else f"{field.quantity} [{column.unit}]"


def _codes(opened: SourceTable, found: str, field: Field, reading: TableReading) -> tuple[str, ...]:
    """Words of a yes/no column that are none of the usual ones."""
    if field.kind != "bool" or found in reading.codes:
        return ()
    words = Counter(text for text in texts_of(opened.cells[found]) if text)
    known = _SEX_LETTERS if found.casefold() in SEX_COLUMNS else YES_WORDS | NO_WORDS
    unknown = [word for word in words if word.casefold() not in known]
    return tuple(sorted(unknown)[:_MOST_WORDS])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def propose_mapping(check: TableCheck, path: Path) -> None:
    """Write the proposals as a mapping file."""
    write_text(path, check.mapping_text())


def print_check(check: TableCheck, *, proposed: Path | None) -> None:
    """Columns, what they stand for and why, and what would be refused."""
    console = Console(width=max(Console().width, 110), markup=False, highlight=False)
    grid = Grid(title=f"{check.where}: what would be read", title_justify="left")
    for name in ("your column", "read as", "unit", "why", "codes to declare"):
        grid.add_column(name, overflow="fold")
    for one in check.columns:
        name = one.name if one.is_read or not one.name else f"{one.name} (proposed)"
        cells = (
            one.found,
            name or ("(beside)" if one.is_read else "-"),
            one.unit,
            one.why,
            ", ".join(one.codes),
        )
        grid.add_row(*map(Text, cells))
    console.print(grid)
    for sentence in check.told:
        console.print(f"  the file: {sentence}", soft_wrap=True)
    for trouble in check.troubles:
        console.print(f"  {trouble.kind}: {trouble.sentence()}", soft_wrap=True)
    console.print(check.summary(), soft_wrap=True)
    if proposed is not None:
        console.print(
            f"Wrote {proposed}: look at every line, then write confirmed: true and give it as"
            " --mapping.",
            soft_wrap=True,
        )
