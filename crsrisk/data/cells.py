"""Cells: the text of a table turned into numbers, yes/no, words and patients' numbers, without
units or ranges. What can be read in two ways is not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.table_reading import Censored
from crsrisk.data.written_numbers import (
    NUMBER,
    POINT,
    NumberStyle,
    read_number,
    split_comparison,
)
from crsrisk.errors import InputError
from crsrisk.fields import Field
from crsrisk.units import accepts_unit

Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

# in small letters; what a hospital uses beside them is declared (--missing)
MISSING_WORDS = frozenset(
    {"", "na", "n/a", "nan", "nat", "null", "none", ".", "#n/a", "<na>", "not known", "unknown"}
    | {"unk", "missing", "not done", "not measured", "not available"}
)
YES_WORDS = frozenset({"true", "t", "yes", "y", "1", "1.0", "ja", "j", "oui", "sí", "si"})
NO_WORDS = frozenset({"false", "f", "no", "n", "0", "0.0", "nein", "non"})
_LETTERS_OF_SEX = frozenset({"f", "t"})  # in a column is_female: female, or false?
_SEX_WORDS = (
    frozenset({"f", "female", "w", "woman", "weiblich", "frau"}),
    frozenset({"m", "male", "man", "männlich", "maennlich", "mann"}),
)
_WITH_UNIT = re.compile(r"([^a-zA-Zµμ°%/]*[0-9.])\s*([a-zA-Zµμ°%/].*)")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")

TYPES: Mapping[str, type[Any]] = {
    "float": np.float64,
    "int": np.int64,
    "bool": np.bool_,
    "category": str,
}


@dataclass(frozen=True, kw_only=True)
class CellRules:
    """What is stated about the cells of one column: texts that stand for missing (small letters),
    codes and their words, what becomes of censored values, and how numbers are written.
    """

    missing: frozenset[str] = frozenset()
    codes: Mapping[str, str] = field(default_factory=dict)
    censored: Censored = "refuse"
    style: NumberStyle = POINT


AS_WRITTEN = CellRules()
Loss = Literal["unreadable", "ambiguous", "censored"]


@dataclass(frozen=True)
class BadCell:
    """A cell that cannot be read: what kind of loss, and what to do about it."""

    loss: Loss
    cure: str


@dataclass(frozen=True, eq=False)
class Parsed:
    """A column that was read.

    ``values``: floats (0/1 for yes/no; NaN where missing or bad), or text. ``missing``: empty or
    said to be. ``bad``: by row the cells that cannot be read. ``units``: by row the unit that
    stands in the cell itself. ``replaced``: by row, how a censored value was read.
    """

    values: NDArray[Any]
    missing: Mask
    bad: Mapping[int, BadCell]
    units: Mapping[int, str] = field(default_factory=dict)
    replaced: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_bad(self) -> Mask:
        """Which rows cannot be read."""
        mask = np.zeros(len(self.missing), dtype=np.bool_)
        mask[list(self.bad)] = True
        return mask


def texts_of(cells: pd.Series[Any]) -> list[str]:
    """Cells as text without blanks around; a missing one is empty."""
    if isinstance(cells.dtype, np.dtype) and cells.dtype.kind == "f":
        values = cells.to_numpy()
        is_whole = np.isfinite(values) & (values == np.trunc(values))
        return [
            "" if value != value else str(int(value)) if whole else str(value)
            for value, whole in zip(values.tolist(), is_whole.tolist(), strict=True)
        ]
    if cells.dtype != object:  # cells that are equal are written alike
        places, unique = pd.factorize(cells)
        words = [*map(_text, unique.astype(object)), ""]  # the last for a missing one
        return [words[place] for place in places.tolist()]
    missing = cells.isna().to_numpy(dtype=bool)
    return [
        "" if gone else _text(value)
        for value, gone in zip(cells.to_numpy(dtype=object), missing, strict=True)
    ]


def _text(value: object) -> str:
    """A cell as a person would write it: whole floats without their point."""
    if isinstance(value, float | np.floating) and np.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip()


def among(texts: list[str], words: Collection[str]) -> Mask:
    """Which texts are one of the words, in any case."""
    return np.array([text.casefold() in words for text in texts], dtype=bool)


def parse(
    cells: pd.Series[Any], column: Field, rules: CellRules = AS_WRITTEN, *, is_sex: bool = False
) -> Parsed:
    """Read every cell of a column by its kind."""
    if column.kind in ("float", "int"):
        return _parse_numbers(cells, column, rules)
    texts = [rules.codes.get(text, text) for text in texts_of(cells)]
    missing = among(texts, MISSING_WORDS | rules.missing)
    if column.kind == "category":
        return _parse_words(texts, missing, column)
    yes, no = _SEX_WORDS if is_sex else (YES_WORDS, NO_WORDS)
    if column.name == "is_female" and not is_sex:
        yes, no = yes - _LETTERS_OF_SEX, no - _LETTERS_OF_SEX
    values = np.where(among(texts, yes), 1.0, np.where(among(texts, no), 0.0, np.nan))
    values[missing] = np.nan
    bad = np.isnan(values) & ~missing
    cure = _code_cure(column, is_sex=is_sex)
    return Parsed(
        values, missing, {int(row): BadCell("unreadable", cure) for row in np.flatnonzero(bad)}
    )


def _code_cure(column: Field, *, is_sex: bool) -> str:
    name = "sex" if is_sex else column.name
    words = "F or M" if is_sex else "yes or no"
    return (
        f"declare what each code stands for (--code {name}:CODE=WORD, the word {words}; or"
        f" --missing {name}=CODE), or correct the cell"
    )


def plain(text: str) -> str:
    """Letters and digits of a word, in small letters."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _parse_words(texts: list[str], missing: Mask, column: Field) -> Parsed:
    """Words of a list are known in any case and with any punctuation; other columns take any."""
    if not column.categories:
        return Parsed(np.array(texts, dtype=object), missing, {})
    known = {plain(word): word for word in column.categories}
    values = np.array([known.get(plain(text), text) for text in texts], dtype=object)
    bad = {
        row: BadCell("unreadable", f"write one of {', '.join(column.categories)}")
        for row, text in enumerate(texts)
        if plain(text) not in known and not missing[row]
    }
    return Parsed(values, missing, bad)


def _parse_numbers(cells: pd.Series[Any], column: Field, rules: CellRules) -> Parsed:
    if (
        pd.api.types.is_numeric_dtype(cells.dtype)
        and not pd.api.types.is_bool_dtype(cells.dtype)
        and not rules.codes
    ):
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan).copy()
        texts = []
    else:
        texts = [rules.codes.get(text, text) for text in texts_of(cells)]
        values = np.full(len(texts), np.nan)
    missing = among(texts, MISSING_WORDS | rules.missing) if texts else np.isnan(values)
    bad: dict[int, BadCell] = {}
    units: dict[int, str] = {}
    replaced: dict[int, str] = {}
    raw = cells.to_numpy(dtype=object)
    for row, text in enumerate(texts):
        if missing[row]:
            continue
        is_number = isinstance(raw[row], int | float) and not isinstance(raw[row], bool)
        one = _Cell(column, rules if not is_number else CellRules(codes=rules.codes))
        values[row] = one.value(text)
        if one.bad is not None:
            bad[row] = one.bad
        if one.unit:
            units[row] = one.unit
        if one.replaced:
            replaced[row] = one.replaced
    codes = [float(text) for text in rules.missing if NUMBER.fullmatch(text)]
    missing = missing | np.isin(values, codes)
    values[missing] = np.nan
    for row in np.flatnonzero(np.isinf(values)).tolist():
        bad[row] = BadCell("unreadable", f"write a number alone{or_empty(column)}")
    if column.kind == "int":
        for row in np.flatnonzero(np.isfinite(values) & (values != np.floor(values))).tolist():
            bad[row] = BadCell("unreadable", f"write a whole number alone{or_empty(column)}")
    values[list(bad)] = np.nan
    return Parsed(values, missing, bad, units, replaced)


class _Cell:
    """One cell of a column of numbers, being read."""

    def __init__(self, column: Field, rules: CellRules) -> None:
        self.column, self.rules = column, rules
        self.bad: BadCell | None = None
        self.unit = self.replaced = ""

    def value(self, text: str) -> float:
        if NUMBER.fullmatch(text) and self.rules.style == POINT:
            return float(text)
        if (censored := split_comparison(text)) is not None:
            return self._censored(text, *censored)
        found = read_number(text, self.rules.style)
        split = None if found.values or self.column.unit == "1" else _WITH_UNIT.fullmatch(text)
        if split is not None and accepts_unit(self.column, split[2]):
            self.unit, text = split[2].strip(), split[1].strip()
            found = read_number(text, self.rules.style)
        if len(found.values) == 1 and not found.is_foreign:
            return found.values[0]
        self.bad = _no_number(text, found.values, self.column)
        return float("nan")

    def _censored(self, text: str, side: str, limit: str) -> float:
        """A value below or above a limit, by the rule that is stated."""
        number = self.value(limit)
        rule = self.rules.censored
        if self.bad is not None and self.bad.loss == "ambiguous":
            return float("nan")
        if self.bad is not None or np.isnan(number):
            self.bad = BadCell("unreadable", f"write a number alone{or_empty(self.column)}")
            return float("nan")
        if rule == "half" or rule == "limit":
            is_half = rule == "half" and side == "<"
            self.replaced = f"{'half of' if is_half else 'at'} the limit"
            return number / 2 if is_half else number
        name = self.column.name
        rules = ", ".join(f"--censored {name}={one}" for one in ("missing", "half", "limit"))
        self.bad = BadCell(
            "censored" if rule == "missing" else "ambiguous",
            "none needed: left out as stated"
            if rule == "missing"
            else f"state one rule for the column: {rules}",
        )
        return float("nan")


def _no_number(text: str, values: tuple[float, ...], column: Field) -> BadCell:
    if len(values) > 1:
        many = " or ".join(f"{value:.15g}" for value in values)
        return BadCell(
            "ambiguous",
            f"it is {many}: state which (--thousands or --decimal), or write it without the mark"
            " between thousands",
        )
    if len(values) == 1:
        return BadCell(
            "unreadable",
            f"the other decimal mark than the file's: as a number it is {values[0]:.15g}; write it"
            " so, or state --decimal for the whole file",
        )
    return BadCell("unreadable", f"write a number alone{or_empty(column)}, or declare --missing")


def or_empty(column: Field) -> str:
    """What else may be done where a column may have gaps."""
    return ", or leave the cell empty if it was not measured" if column.may_be_missing else ""


def expected_words(column: Field, *, is_sex: bool = False) -> str:
    """What a cell of the column may hold, in words."""
    words = {
        "float": "a number",
        "int": "a whole number",
        "bool": "true or false (or yes/no, 1/0)",
        "category": f"one of {', '.join(column.categories)}" if column.categories else "a name",
    }
    return "F or M" if is_sex else words[column.kind]


# Tables that crsrisk wrote, and patients' numbers.


def typed(cells: pd.Series[Any], column: Field, *, where: str) -> pd.Series[Any]:
    """A column in the type of its kind, or an error."""
    if column.name == "patient_id":
        return as_ids(id_texts(cells))
    if column.kind == "category":
        return cells.where(cells != "", np.nan)
    read = parse(cells, column)
    bad = read.is_bad
    if column.kind in ("int", "bool"):
        bad |= read.missing
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            where=where,
            key=f"row {row + 1}, column {column.name}",
            found=repr(str(cells.iloc[row])),
            expected=expected_words(column),
            cure="correct the cell, or write the table again",
        )
    return pd.Series(read.values, index=cells.index, name=cells.name).astype(TYPES[column.kind])


def guessed(cells: pd.Series[Any]) -> pd.Series[Any]:
    """A column that the field table does not know: whole numbers, numbers, True/False or text."""
    words = set(cells)
    if words <= {"True", "False"}:
        return cells == "True"
    if all(_WHOLE.fullmatch(word) for word in words):
        return cells.astype(np.int64)
    if all(NUMBER.fullmatch(word) for word in words - {""}):
        numbers = [float(word) if word else np.nan for word in cells]
        return pd.Series(numbers, index=cells.index, name=cells.name, dtype=np.float64)
    return cells.where(cells != "", np.nan)


def id_texts(cells: pd.Series[Any]) -> pd.Series[str]:
    """Patients' numbers as text; missing ones empty. Whole floats (a column with gaps) lose their
    ".0".
    """
    texts = ["" if text.lower() in MISSING_WORDS else text for text in texts_of(cells)]
    return pd.Series(texts, index=cells.index, name="patient_id", dtype=str)


def as_ids(texts: pd.Series[str]) -> pd.Series[Any]:
    """int64 if every one is a whole number as people write it (007 is not), else text."""
    return texts.astype(np.int64) if is_whole(texts) else texts


def is_whole(texts: Iterable[str]) -> bool:
    """Whether every text is a whole number as people write it."""
    return all(_WHOLE.fullmatch(text) for text in texts)
