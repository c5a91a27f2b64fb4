"""Headers: what the columns of a user's table stand for, and in which unit; a unit is never guessed."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, Field, columns_of
from crsrisk.units import accepts, unit_key

_SEX_COLUMNS = frozenset({"sex", "gender"})


@dataclass(frozen=True)
class Column:
    """A column of the file (``found``) that stands for a column of the field table, in a unit."""

    found: str
    name: str
    unit: str
    is_sex: bool = False


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("μ", "u").replace("%", "pct")
    return re.sub(r"[^a-z0-9]", "", text)


def _spellings() -> dict[str, tuple[str, str | None]]:
    """Every way to write a column's name, without punctuation -> the column and the unit that it states, if any."""
    known: dict[str, tuple[str, str | None]] = {}
    for name in (*columns_of("observed"), *columns_of("input")):
        column = FIELDS[name]
        for word in (column.quantity, column.label) if column.unit != "1" else (column.quantity,):
            known[_plain(word)] = (name, None)
            for unit in column.accepted_units:
                known[_plain(word) + _plain(unit)] = (name, unit)
        known[_plain(name)] = (name, column.unit if column.unit != "1" else None)
    return known


_SPELLINGS = _spellings()


def _recognise_one(
    found: str, text: str, *, where: str, units: Mapping[str, str], used: set[str]
) -> Column | None:
    """The column that a header stands for, or None. ``used`` collects the keys of ``units`` that applied."""
    if text.strip().casefold() in _SEX_COLUMNS:
        return Column(found, "is_female", "1", is_sex=True)
    bracket = re.fullmatch(r"(.*?)\s*[\[(]\s*(.+?)\s*[\])]\s*", text)
    base, stated = (bracket.group(1), bracket.group(2)) if bracket else (text, None)
    if _plain(base) not in _SPELLINGS:
        return None
    name, unit = _SPELLINGS[_plain(base)]
    column = FIELDS[name]
    keys = [key for key in (found, name, column.quantity) if key in units]
    used.update(keys)
    for other in (stated, *(units[key] for key in keys)):
        if other is not None:
            unit = _one_unit(found, column, unit, other, where=where)
    if unit is None and column.unit != "1":
        raise InputError(
            where=where, key=found, found="a quantity without a unit", expected=" or ".join(column.spellings),
            cure=f"rename the column, or state its unit beside the table ({found}={column.unit})")
    return Column(found, name, unit or "1")


def _one_unit(found: str, column: Field, unit: str | None, other: str, *, where: str) -> str:
    if not accepts(column.name, other):
        raise InputError(
            where=where, key=found, found=f"the unit {other!r}", expected=" or ".join(column.accepted_units),
            cure="convert the values, or correct the unit")
    if unit is not None and unit_key(unit) != unit_key(other):
        raise InputError(where=where, key=found, found=f"two units, {unit} and {other}", expected="one unit",
                         cure="correct the column name or the unit stated beside it")
    return other


def recognise(
    header: list[str], *, where: str, units: Mapping[str, str], mapping: Mapping[str, str]
) -> dict[str, Column]:
    """The columns of the field table that a file's ``header`` has, by name; columns that stand for none are left out.

    ``units`` and ``mapping`` as in :func:`crsrisk.read.tables.read_patients`. Raises :class:`InputError` for a quantity
    without a unit, with two, or given twice, for a required one that is missing, and for units and mappings of no column.
    """
    for name in mapping:
        if name not in header:
            raise InputError(where=where, key=name, found="no such column", expected="a column of the file",
                             cure="correct the mapping: file's name on the left, our name on the right")
    used: set[str] = set()
    columns: dict[str, Column] = {}
    for found in header:
        column = _recognise_one(found, mapping.get(found, found), where=where, units=units, used=used)
        if column is None and found in mapping:
            raise InputError(where=where, key=found, found=f"a mapping to {mapping[found]!r}",
                             expected="a column of the data dictionary", cure="correct the mapping")
        if column is not None and column.name in columns:
            raise InputError(
                where=where, key=found, expected="each quantity once", cure="delete or rename one of the two",
                found=f"{column.name} a second time, beside {columns[column.name].found}")
        if column is not None:
            columns[column.name] = column
    for name in units:
        if name not in used:
            raise InputError(where=where, key=name, found="a unit for a column that is not there",
                             expected="a column of the file", cure="correct the name")
    _check_missing(header, columns, where=where)
    return columns


def _check_missing(header: list[str], columns: Mapping[str, Column], *, where: str) -> None:
    required = [name for name in columns_of("observed") if FIELDS[name].is_required]
    missing = [name for name in required if name not in columns]
    if not missing:
        return
    column = FIELDS[missing[0]]
    taken = {one.found for one in columns.values()}
    free = [name for name in header if name not in taken and name not in FIELDS]
    near = difflib.get_close_matches(missing[0], free, n=1, cutoff=0.5)
    others = f"; also missing: {', '.join(missing[1:])}" if missing[1:] else ""
    empty = ", with empty cells where it was not measured" if column.may_be_missing else ""
    cure = f"if it is the column {near[0]!r}, rename or map that" if near else f"add the column{empty}"
    raise InputError(where=where, key=column.name, found=f"no such column{others}",
                     expected=" or ".join(column.spellings), cure=cure)
