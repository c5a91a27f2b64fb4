"""The outcome column of a user's table: yes or no for each row, or not known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.columns import MISSING_WORDS, NO_WORDS, YES_WORDS
from crsrisk.data.files import name_of, read_cells
from crsrisk.errors import InputError

_GRADE = re.compile(r"(^|_)grade(_|$)")  # max_grade, not crs_grade2plus
_TROUBLES_NAMED = 5


def read_outcome(
    path: str | Path, *, column: str, at_least: float | None = None
) -> NDArray[np.float64]:
    """The outcome of every row of the file, in its order: 1 yes, 0 no, NaN not known.

    Yes and no are written true/false, yes/no or 1/0; not known is an empty cell, NA and the like.
    With ``at_least`` the column holds a grade (any number), and the event is this grade or more;
    a column of grades is never read without it. Raises :class:`InputError` for a file without the
    column and for any other word, with its row.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = place.write_text("patient_id,crs_grade2plus\\n1,yes\\n2,no\\n3,\\n")
    >>> read_outcome(place, column="crs_grade2plus").tolist()
    [1.0, 0.0, nan]
    """
    return read_outcomes(path, column=column, at_least=at_least)[column]


def read_outcomes(
    path: str | Path, *, column: str, others: Sequence[str] = (), at_least: float | None = None
) -> dict[str, NDArray[np.float64]]:
    """The outcome and, of ``others`` (never grades), those that the file has, each as
    :func:`read_outcome` gives it.
    """
    path = Path(path)
    cells = read_cells(path)
    if column not in cells.columns:
        raise InputError(
            where=str(path),
            key=column,
            found="no such column",
            expected="a column with the outcome, yes or no for every patient",
            cure="add it, or name the column that has it (--outcome)",
        )
    if at_least is not None:
        first = at_least_grade(cells[column], at_least=at_least, where=str(path))
    else:
        _refuse_grades(cells[column], where=str(path))
        first = yes_or_no(cells[column], where=str(path))
    return {column: first} | {
        name: yes_or_no(cells[name], where=str(path))
        for name in others
        if name in cells.columns and name != column
    }


def at_least_grade(cells: pd.Series, *, at_least: float, where: str) -> NDArray[np.float64]:
    """A column of grades as the event "this grade or more": 1, 0, NaN where none is given.

    >>> at_least_grade(pd.Series([3, "1", None]), at_least=2, where="mine.csv").tolist()
    [1.0, 0.0, nan]
    """
    numbers = pd.to_numeric(_words(cells), errors="coerce").to_numpy(dtype=np.float64)
    is_missing = np.array([word in MISSING_WORDS for word in _words(cells)], dtype=bool)
    _raise_unread(
        cells,
        ~is_missing & ~np.isfinite(numbers),
        where=where,
        expected="a grade, as 0, 1, 2, or an empty cell",
        cure="correct the cells, or leave --at-least out where the column says yes or no",
    )
    return np.where(is_missing, np.nan, np.where(numbers >= at_least, 1.0, 0.0))


def yes_or_no(cells: pd.Series, *, where: str) -> NDArray[np.float64]:
    """A column of yes and no, in the words of :func:`read_outcome`; ``where`` names the file when a
    cell is neither.

    >>> yes_or_no(pd.Series(["yes", 0, None]), where="mine.csv").tolist()
    [1.0, 0.0, nan]
    """
    words = _words(cells)
    is_missing = np.array([word in MISSING_WORDS for word in words], dtype=bool)
    is_yes = np.array([word in YES_WORDS for word in words], dtype=bool)
    is_no = np.array([word in NO_WORDS for word in words], dtype=bool)
    _raise_unread(
        cells,
        ~(is_missing | is_yes | is_no),
        where=where,
        expected="true or false, yes or no, 1 or 0, or an empty cell",
        cure="correct the cells",
    )
    return np.where(is_missing, np.nan, np.where(is_yes, 1.0, 0.0))


def _refuse_grades(cells: pd.Series, *, where: str) -> None:
    """Refuse a column of grades (by its name, or by a number that is no yes or no) that came
    without a threshold.
    """
    words = _words(cells)
    others = words.where(~words.isin(YES_WORDS | NO_WORDS))
    is_number = pd.to_numeric(others, errors="coerce").notna().to_numpy()
    is_grade = _GRADE.search(str(cells.name)) is not None
    if not (is_grade or is_number.any()):
        return
    row = "" if is_grade else f"row {int(np.argmax(is_number)) + 1}, "
    raise InputError(
        where=where,
        key=f"{row}column {cells.name}",
        found=(
            "a column of grades without its threshold"
            if is_grade
            else f"{words.iloc[int(np.argmax(is_number))]}, a number without its threshold"
        ),
        expected="yes or no for every patient, or a grade and from which grade on it is the event",
        cure="for grade 2 or more add --at-least 2 (in Python at_least=2)",
    )


def _words(cells: pd.Series) -> pd.Series:
    """Cells as text in small letters without blanks around, empty where missing."""
    is_missing = pd.isna(cells)
    words = [
        "" if no else str(cell).strip().lower() for cell, no in zip(cells, is_missing, strict=True)
    ]
    return pd.Series(words, dtype=object)


def _raise_unread(
    cells: pd.Series, is_bad: NDArray[np.bool_], *, where: str, expected: str, cure: str
) -> None:
    """Refuse a column with cells that cannot be read: the first rows by name, the number of all."""
    rows = np.flatnonzero(is_bad)
    if not rows.size:
        return
    named = ", ".join(f"{str(cells.iloc[row]).strip()!r}" for row in rows[:_TROUBLES_NAMED])
    shown = ", ".join(str(row + 1) for row in rows[:_TROUBLES_NAMED])
    raise InputError(
        where=where,
        key=f"row {shown}, column {cells.name}",
        found=named + (f" ({rows.size} cells in all)" if rows.size > _TROUBLES_NAMED else ""),
        expected=expected,
        cure=cure,
    )


# The course after the first dose in a user's table: numbers that a landmark model reads beside the
# baseline columns.


def read_course(path: str | Path | pd.DataFrame, *, columns: Sequence[str]) -> pd.DataFrame:
    """Readings after the first dose, one row for each row of the file (index from 1), NaN where
    nothing was read.

    ``columns`` are named as the data dictionary names them, with unit, summary and hour
    (`crp_mg_l__max__h24`); no unit is converted here. Raises :class:`InputError` for a column that
    is not there and for a cell that is no number.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = place.write_text("patient_id,crp_mg_l__h24\\n1,80.5\\n2,\\n")
    >>> read_course(place, columns=["crp_mg_l__h24"])["crp_mg_l__h24"].tolist()
    [80.5, nan]
    """
    table = path if isinstance(path, pd.DataFrame) else Path(path)
    cells, where = read_cells(table), name_of(table)
    if absent := [name for name in columns if name not in cells.columns]:
        raise InputError(
            where=where,
            key=", ".join(absent),
            found="no such column",
            expected="a column for every reading that the model uses, empty where nothing was read",
            cure="add the columns, or take a model of what is known before the first dose",
        )
    index = pd.RangeIndex(1, len(cells) + 1)
    return pd.DataFrame(
        {
            name: [
                _number(cell, row=row, where=where, column=name)
                for row, cell in enumerate(cells[name], start=1)
            ]
            for name in columns
        },
        index=index,
    )


def _number(cell: object, *, row: int, where: str, column: str) -> float:
    word = "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]
    if word.lower() in MISSING_WORDS:
        return float("nan")
    try:
        value = float(word)
    except ValueError:
        value = np.inf
    if not np.isfinite(value):
        raise InputError(
            where=where,
            key=f"row {row}, column {column}",
            found=word,
            expected="a number, or an empty cell",
            cure="correct the cell",
        )
    return value
