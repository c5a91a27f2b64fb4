"""The outcome column of a user's table: yes or no for each row, or not known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cells import MISSING_WORDS, NO_WORDS, YES_WORDS, CellRules, parse, texts_of
from crsrisk.data.table_files import Source, SourceTable, number_in, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.errors import InputError
from crsrisk.fields import Field

_GRADE = re.compile(r"(^|_)grade(_|$)")  # max_grade, not crs_grade2plus
MOST_GRADE = 5  # of CTCAE: death
_TROUBLES_NAMED = 5


def read_outcome(
    path: Source,
    *,
    column: str,
    at_least: float | None = None,
    reading: TableReading = AS_NAMED,
) -> NDArray[np.float64]:
    """The outcome of every row of the file, in its order: 1 yes, 0 no, NaN not known.

    Yes and no are written true/false, yes/no or 1/0, or in codes that ``reading`` declares; not
    known is an empty cell, NA and the like. With ``at_least`` the column holds a grade, 0 to 5, and
    the event is this grade or more; a column of grades is never read without it.
    Raises :class:`InputError` for a file without the column and for any other word, with its row
    and the number of all.

    >>> mine = pd.DataFrame({"patient_id": [1, 2, 3], "crs_grade2plus": ["yes", "no", ""]})
    >>> read_outcome(mine, column="crs_grade2plus").tolist()
    [1.0, 0.0, nan]
    """
    return read_outcomes(path, column=column, at_least=at_least, reading=reading)[column]


def read_outcomes(
    path: Source,
    *,
    column: str,
    others: Sequence[str] = (),
    at_least: float | None = None,
    reading: TableReading = AS_NAMED,
) -> dict[str, NDArray[np.float64]]:
    """The outcome and, of ``others`` (never grades), those that the file has, each as
    :func:`read_outcome` gives it.
    """
    source = open_table(path, reading.dialect)
    if column not in source.cells.columns:
        raise InputError(
            where=source.where,
            key=column,
            found="no such column",
            expected="a column with the outcome, yes or no for every patient",
            cure="add it, or name the column that has it (--outcome)",
        )
    cells, where = source.cells, source.where
    if at_least is not None:
        first = at_least_grade(source, column, at_least=at_least, reading=reading)
    else:
        if not reading.codes.get(column):
            _refuse_grades(cells[column], where=where, after=source.after)
        first = yes_or_no(cells[column], where=where, reading=reading, after=source.after)
    return {column: first} | {
        name: yes_or_no(cells[name], where=where, reading=reading, after=source.after)
        for name in others
        if name in cells.columns and name != column
    }


def at_least_grade(
    source: Source, column: str, *, at_least: float, reading: TableReading = AS_NAMED
) -> NDArray[np.float64]:
    """A column of grades as the event "this grade or more": 1, 0, NaN where none is given.

    >>> mine = pd.DataFrame({"grade": [3, "1", None]})
    >>> at_least_grade(mine, "grade", at_least=2).tolist()
    [1.0, 0.0, nan]
    """
    source = open_table(source, reading.dialect)
    codes = reading.codes.get(column, {})
    cells = source.cells[column]
    coded = [codes.get(text, text) for text in texts_of(cells)]
    stated = {text.casefold() for text in _missing(reading, column)}
    is_missing = np.array([text.casefold() in MISSING_WORDS | stated for text in coded], dtype=bool)
    numbers = np.array([number_in(text, source.style) for text in coded], dtype=np.float64)
    _raise_unread(
        cells,
        ~is_missing & ~((numbers >= 0.0) & (numbers <= MOST_GRADE)),
        where=source.where,
        after=source.after,
        expected=f"a grade from 0 to {MOST_GRADE}, or an empty cell",
        cure=f"correct the cells, declare what codes stand for (--code '{column}:CODE=GRADE', or"
        f" --missing '{column}=CODE' for a grade that is not known), or leave --at-least out where"
        " the column says yes or no",
    )
    return np.where(is_missing, np.nan, np.where(numbers >= at_least, 1.0, 0.0))


def yes_or_no(
    cells: pd.Series[Any], *, where: str, reading: TableReading = AS_NAMED, after: int = 0
) -> NDArray[np.float64]:
    """A column of yes and no, in the words of :func:`read_outcome`; ``where`` names the file when a
    cell is neither, ``after`` how many rows of it stand before these.

    >>> yes_or_no(pd.Series(["yes", 0, None]), where="mine.csv").tolist()
    [1.0, 0.0, nan]
    """
    column = str(cells.name)
    rules = CellRules(
        missing=frozenset(text.casefold() for text in _missing(reading, column)),
        codes=reading.codes.get(column, {}),
    )
    read = parse(cells, _OUTCOME, rules)
    _raise_unread(
        cells,
        read.is_bad,
        where=where,
        after=after,
        expected="true or false, yes or no, 1 or 0, or an empty cell",
        cure=f"correct the cells, or declare their codes (--code '{column}:CODE=yes,CODE=no')",
    )
    return np.asarray(read.values, dtype=np.float64)


def _missing(reading: TableReading, column: str) -> tuple[str, ...]:
    return (*reading.missing.get("", ()), *reading.missing.get(column, ()))


def _refuse_grades(cells: pd.Series, *, where: str, after: int) -> None:
    """Refuse a column of grades (by its name, or by a number that is no yes or no) that came
    without a threshold.
    """
    words = _words(cells)
    others = words.where(~words.isin(YES_WORDS | NO_WORDS))
    is_number = pd.to_numeric(others, errors="coerce").notna().to_numpy()
    is_grade = _GRADE.search(str(cells.name)) is not None
    if not (is_grade or is_number.any()):
        return
    row = "" if is_grade else f"row {after + int(np.argmax(is_number)) + 1}, "
    cure = "say from which grade on: --at-least GRADE (in Python at_least=GRADE)"
    if not is_grade:
        cure = (
            f"if it is a grade: {cure}; if its numbers are codes of yes and no, declare what each"
            f" stands for (--code '{cells.name}:CODE=yes,CODE=no')"
        )
    raise InputError(
        where=where,
        key=f"{row}column {cells.name}",
        found=(
            "a column of grades without its threshold"
            if is_grade
            else f"{words.iloc[int(np.argmax(is_number))]}, a number without its threshold"
        ),
        expected="yes or no for every patient, or a grade and from which grade on it is the event",
        cure=cure,
    )


def _words(cells: pd.Series) -> pd.Series:
    """Cells as text in small letters without blanks around, empty where missing."""
    is_missing = pd.isna(cells)
    words = [
        "" if no else str(cell).strip().lower() for cell, no in zip(cells, is_missing, strict=True)
    ]
    return pd.Series(words, dtype=object)


def _raise_unread(
    cells: pd.Series, is_bad: NDArray[np.bool_], *, where: str, after: int, expected: str, cure: str
) -> None:
    """Refuse a column with cells that cannot be read: the first rows by name, the number of all."""
    rows = np.flatnonzero(is_bad)
    if not rows.size:
        return
    named = ", ".join(f"{str(cells.iloc[row]).strip()!r}" for row in rows[:_TROUBLES_NAMED])
    shown = ", ".join(str(after + row + 1) for row in rows[:_TROUBLES_NAMED])
    raise InputError(
        where=where,
        key=f"row {shown}, column {cells.name}",
        found=named + (f" ({rows.size} cells in all)" if rows.size > _TROUBLES_NAMED else ""),
        expected=expected,
        cure=cure,
    )


_OUTCOME = Field(name="outcome", label="Outcome", meaning="yes or no", source="", kind="bool")


# The course after the first dose in a user's table: numbers that a landmark model reads beside the
# baseline columns.


def read_course(path: Source, *, columns: Sequence[str]) -> pd.DataFrame:
    """Readings after the first dose, one row for each row of the file (index from 1), NaN where
    nothing was read.

    ``columns`` are named as the data dictionary names them, with unit, summary and hour
    (`crp_mg_l__max__h24`); no unit is converted here. Raises :class:`InputError` for a column that
    is not there and for a cell that is no number.

    >>> mine = pd.DataFrame({"patient_id": [1, 2], "crp_mg_l__h24": [80.5, None]})
    >>> read_course(mine, columns=["crp_mg_l__h24"])["crp_mg_l__h24"].tolist()
    [80.5, nan]
    """
    source = open_table(path)
    cells = source.cells
    if absent := [name for name in columns if name not in cells.columns]:
        raise InputError(
            where=source.where,
            key=", ".join(absent),
            found="no such column",
            expected="a column for every reading that the model uses, empty where nothing was read",
            cure="add the columns, or take a model of what is known before the first dose",
        )
    index = pd.RangeIndex(1, len(cells) + 1)
    return pd.DataFrame(
        {
            name: [
                _number(cell, row=row, source=source, column=name)
                for row, cell in enumerate(cells[name], start=1)
            ]
            for name in columns
        },
        index=index,
    )


def _number(cell: object, *, row: int, source: SourceTable, column: str) -> float:
    word = "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]
    if word.lower() in MISSING_WORDS:
        return float("nan")
    value = number_in(cell, source.style)
    if not np.isfinite(value):
        raise InputError(
            where=source.where,
            key=f"row {source.after + row}, column {column}",
            found=word,
            expected="a number, or an empty cell",
            cure="correct the cell",
        )
    return value
