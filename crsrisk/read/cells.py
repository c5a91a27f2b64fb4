"""Cells: the text of a table turned into numbers, yes/no, words and patients' numbers, without units or ranges."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.fields import Field

Mask: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "none", "."})  # in small letters
YES_WORDS = frozenset({"true", "yes", "1", "1.0"})
NO_WORDS = frozenset({"false", "no", "0", "0.0"})
_SEX_WORDS = (frozenset({"f", "female"}), frozenset({"m", "male"}))
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")

TYPES: Mapping[str, type[Any]] = {"float": np.float64, "int": np.int64, "bool": np.bool_, "category": str}


def _texts(cells: pd.Series[Any]) -> list[str]:
    """Cells as text without blanks around; a missing one is empty."""
    missing = cells.isna().to_numpy(dtype=bool)
    return ["" if gone else str(value).strip()
            for value, gone in zip(cells.to_numpy(dtype=object), missing, strict=True)]


def _among(texts: list[str], words: Collection[str]) -> Mask:
    return np.array([text.lower() in words for text in texts], dtype=bool)


def parse(cells: pd.Series[Any], column: Field, *, is_sex: bool = False) -> tuple[NDArray[Any], Mask, Mask]:
    """Values (float, 0/1 for yes/no; text for words), which cells are missing, and which cannot be read."""
    if column.kind in ("float", "int"):
        values, missing = _parse_numbers(cells)
        bad = ~missing & ~np.isfinite(values)
        if column.kind == "int":
            bad |= np.isfinite(values) & (values != np.floor(values))
        return values, missing, bad
    texts = _texts(cells)
    missing = _among(texts, MISSING_WORDS)
    if column.kind == "category":
        known = np.array([text in column.categories for text in texts], dtype=bool) | (not column.categories)
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
    words = {"float": "a number", "int": "a whole number", "bool": "true or false (or yes/no, 1/0)",
             "category": f"one of {', '.join(column.categories)}" if column.categories else "a name"}
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
            where=where, key=f"row {row + 1}, column {column.name}", found=repr(str(cells.iloc[row])),
            expected=expected_words(column), cure="correct the cell, or write the table again")
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
    """Patients' numbers as text; missing ones empty. Whole floats (a column with gaps) lose their ".0"."""
    if pd.api.types.is_float_dtype(cells.dtype) and bool((cells.dropna() % 1 == 0).all()):
        cells = cells.astype("Int64")
    texts = ["" if text.lower() in MISSING_WORDS else text for text in _texts(cells)]
    return pd.Series(texts, index=cells.index, name="patient_id", dtype=str)


def as_ids(texts: pd.Series[str]) -> pd.Series[Any]:
    """int64 if every one is a whole number as people write it (007 is not), else text."""
    return texts.astype(np.int64) if all(_WHOLE.fullmatch(text) for text in texts) else texts
