"""Headers: what the columns of a user's table stand for, and in which unit; a unit is never
guessed.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    """Every way to write a column's name, without punctuation -> the column and the unit that it
    states, if any.
    """
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
    """The column that a header stands for, or None. ``used`` collects the keys of ``units`` that
    applied.
    """
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
            where=where,
            key=found,
            found="a quantity without a unit",
            expected=" or ".join(column.spellings),
            cure=f"rename the column, or state its unit beside the table ({found}={column.unit})",
        )
    return Column(found, name, unit or "1")


def _one_unit(found: str, column: Field, unit: str | None, other: str, *, where: str) -> str:
    if not accepts(column.name, other):
        raise InputError(
            where=where,
            key=found,
            found=f"the unit {other!r}",
            expected=" or ".join(column.accepted_units),
            cure="convert the values, or correct the unit",
        )
    if unit is not None and unit_key(unit) != unit_key(other):
        raise InputError(
            where=where,
            key=found,
            found=f"two units, {unit} and {other}",
            expected="one unit",
            cure="correct the column name or the unit stated beside it",
        )
    return other


def recognise(
    header: list[str], *, where: str, units: Mapping[str, str], mapping: Mapping[str, str]
) -> dict[str, Column]:
    """The columns of the field table that a file's ``header`` has, by name; columns that stand for
    none are left out.

    ``units`` and ``mapping`` as in :func:`crsrisk.data.tables.read_patients`. Raises
    :class:`InputError` for a quantity without a unit, with two, or given twice, for a required one
    that is missing, and for units and mappings of no column.
    """
    for name in mapping:
        if name not in header:
            raise InputError(
                where=where,
                key=name,
                found="no such column",
                expected="a column of the file",
                cure="correct the mapping: file's name on the left, our name on the right",
            )
    used: set[str] = set()
    columns: dict[str, Column] = {}
    for found in header:
        column = _recognise_one(
            found, mapping.get(found, found), where=where, units=units, used=used
        )
        if column is None and found in mapping:
            raise InputError(
                where=where,
                key=found,
                found=f"a mapping to {mapping[found]!r}",
                expected="a column of the data dictionary",
                cure="correct the mapping",
            )
        if column is not None and column.name in columns:
            raise InputError(
                where=where,
                key=found,
                expected="each quantity once",
                cure="delete or rename one of the two",
                found=f"{column.name} a second time, beside {columns[column.name].found}",
            )
        if column is not None:
            columns[column.name] = column
    for name in units:
        if name not in used:
            raise InputError(
                where=where,
                key=name,
                found="a unit for a column that is not there",
                expected="a column of the file",
                cure="correct the name",
            )
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
    cure = (
        f"if it is the column {near[0]!r}, rename or map that" if near else f"add the column{empty}"
    )
    raise InputError(
        where=where,
        key=column.name,
        found=f"no such column{others}",
        expected=" or ".join(column.spellings),
        cure=cure,
    )


# Cells: the text of a table turned into numbers, yes/no, words and patients' numbers, without units
# or ranges.


Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "."})  # in small letters
YES_WORDS = frozenset({"true", "yes", "1", "1.0"})
NO_WORDS = frozenset({"false", "no", "0", "0.0"})
_SEX_WORDS = (frozenset({"f", "female"}), frozenset({"m", "male"}))
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")

TYPES: Mapping[str, type[Any]] = {
    "float": np.float64,
    "int": np.int64,
    "bool": np.bool_,
    "category": str,
}


def _texts(cells: pd.Series[Any]) -> list[str]:
    """Cells as text without blanks around; a missing one is empty."""
    missing = cells.isna().to_numpy(dtype=bool)
    return [
        "" if gone else str(value).strip()
        for value, gone in zip(cells.to_numpy(dtype=object), missing, strict=True)
    ]


def _among(texts: list[str], words: Collection[str]) -> Mask:
    return np.array([text.lower() in words for text in texts], dtype=bool)


def parse(
    cells: pd.Series[Any], column: Field, *, is_sex: bool = False
) -> tuple[NDArray[Any], Mask, Mask]:
    """Values (float, 0/1 for yes/no; text for words), which cells are missing, and which cannot be
    read.
    """
    if column.kind in ("float", "int"):
        values, missing = _parse_numbers(cells)
        bad = ~missing & ~np.isfinite(values)
        if column.kind == "int":
            bad |= np.isfinite(values) & (values != np.floor(values))
        return values, missing, bad
    texts = _texts(cells)
    missing = _among(texts, MISSING_WORDS)
    if column.kind == "category":
        known = np.array([text in column.categories for text in texts], dtype=bool) | (
            not column.categories
        )
        return np.array(texts, dtype=object), missing, ~known & ~missing
    yes, no = _SEX_WORDS if is_sex else (YES_WORDS, NO_WORDS)
    values = np.where(_among(texts, yes), 1.0, np.where(_among(texts, no), 0.0, np.nan))
    return values, missing, np.isnan(values) & ~missing


def _parse_numbers(cells: pd.Series[Any]) -> tuple[Floats, Mask]:
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_bool_dtype(cells.dtype):
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.isnan(values)
    texts = _texts(cells)
    numbers = [float(text) if _NUMBER.fullmatch(text) else np.nan for text in texts]
    return np.array(numbers, dtype=np.float64), _among(texts, MISSING_WORDS)


def expected_words(column: Field, *, is_sex: bool = False) -> str:
    """What a cell of the column may hold, in words."""
    words = {
        "float": "a number",
        "int": "a whole number",
        "bool": "true or false (or yes/no, 1/0)",
        "category": f"one of {', '.join(column.categories)}" if column.categories else "a name",
    }
    return "F or M" if is_sex else words[column.kind]


def typed(cells: pd.Series[Any], column: Field, *, where: str) -> pd.Series[Any]:
    """A column in the type of its kind, or an error."""
    if column.name == "patient_id":
        return as_ids(id_texts(cells))
    if column.kind == "category":
        return cells.where(cells != "", np.nan)
    values, missing, bad = parse(cells, column)
    if column.kind in ("int", "bool"):
        bad |= missing
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            where=where,
            key=f"row {row + 1}, column {column.name}",
            found=repr(str(cells.iloc[row])),
            expected=expected_words(column),
            cure="correct the cell, or write the table again",
        )
    return pd.Series(values, index=cells.index, name=cells.name).astype(TYPES[column.kind])


def guessed(cells: pd.Series[Any]) -> pd.Series[Any]:
    """A column that the field table does not know: whole numbers, numbers, True/False or text."""
    words = set(cells)
    if words <= {"True", "False"}:
        return cells == "True"
    if all(_WHOLE.fullmatch(word) for word in words):
        return cells.astype(np.int64)
    if all(_NUMBER.fullmatch(word) for word in words - {""}):
        return pd.Series(_parse_numbers(cells)[0], index=cells.index, name=cells.name)
    return cells.where(cells != "", np.nan)


def id_texts(cells: pd.Series[Any]) -> pd.Series[str]:
    """Patients' numbers as text; missing ones empty. Whole floats (a column with gaps) lose their
    ".0".
    """
    if pd.api.types.is_float_dtype(cells.dtype) and bool((cells.dropna() % 1 == 0).all()):
        cells = cells.astype("Int64")
    texts = ["" if text.lower() in MISSING_WORDS else text for text in _texts(cells)]
    return pd.Series(texts, index=cells.index, name="patient_id", dtype=str)


def as_ids(texts: pd.Series[str]) -> pd.Series[Any]:
    """int64 if every one is a whole number as people write it (007 is not), else text."""
    return texts.astype(np.int64) if all(_WHOLE.fullmatch(text) for text in texts) else texts
