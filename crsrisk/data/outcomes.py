"""The outcome column of a user's table: yes or no for each row, or not known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.columns import MISSING_WORDS, NO_WORDS, YES_WORDS
from crsrisk.data.files import read_csv_cells, read_parquet_cells
from crsrisk.errors import InputError


def read_outcome(path: str | Path, *, column: str) -> NDArray[np.float64]:
    """The outcome of every row of the file, in its order: 1 yes, 0 no, NaN not known.

    Yes and no are written true/false, yes/no or 1/0; not known is an empty cell, NA and the like.
    Raises :class:`InputError` for a file without the column and for any other word, with its row.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = place.write_text("patient_id,crs_grade2plus\\n1,yes\\n2,no\\n3,\\n")
    >>> read_outcome(place, column="crs_grade2plus").tolist()
    [1.0, 0.0, nan]
    """
    return read_outcomes(path, column=column)[column]


def read_outcomes(
    path: str | Path, *, column: str, others: Sequence[str] = ()
) -> dict[str, NDArray[np.float64]]:
    """The outcome and, of ``others``, those that the file has, each as :func:`read_outcome` gives
    it.
    """
    path = Path(path)
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    if column not in cells.columns:
        raise InputError(
            where=str(path),
            key=column,
            found="no such column",
            expected="a column with the outcome, yes or no for every patient",
            cure="add it, or name the column that has it (--outcome)",
        )
    return {
        name: yes_or_no(cells[name], where=str(path))
        for name in (column, *others)
        if name in cells.columns
    }


def yes_or_no(cells: pd.Series, *, where: str) -> NDArray[np.float64]:
    """A column of yes and no, in the words of :func:`read_outcome`; ``where`` names the file when a
    cell is neither.

    >>> yes_or_no(pd.Series(["yes", 0, None]), where="mine.csv").tolist()
    [1.0, 0.0, nan]
    """
    words = [
        "" if is_missing else str(cell).strip().lower()
        for cell, is_missing in zip(cells, pd.isna(cells), strict=True)
    ]
    return np.array(
        [
            _yes_or_no(word, row=row, where=where, column=str(cells.name))
            for row, word in enumerate(words, start=1)
        ]
    )


def _yes_or_no(word: str, *, row: int, where: str, column: str) -> float:
    if word in MISSING_WORDS:
        return float("nan")
    if word in YES_WORDS or word in NO_WORDS:
        return float(word in YES_WORDS)
    raise InputError(
        where=where,
        key=f"row {row}, column {column}",
        found=word,
        expected="true or false, yes or no, 1 or 0, or an empty cell",
        cure="correct the cell",
    )


# The course after the first dose in a user's table: numbers that a landmark model reads beside the
# baseline columns.


def read_course(path: str | Path, *, columns: Sequence[str]) -> pd.DataFrame:
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
    path = Path(path)
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    if absent := [name for name in columns if name not in cells.columns]:
        raise InputError(
            where=str(path),
            key=", ".join(absent),
            found="no such column",
            expected="a column for every reading that the model uses, empty where nothing was read",
            cure="add the columns, or take a model of what is known before the first dose",
        )
    index = pd.RangeIndex(1, len(cells) + 1)
    return pd.DataFrame(
        {
            name: [
                _number(cell, row=row, path=path, column=name)
                for row, cell in enumerate(cells[name], start=1)
            ]
            for name in columns
        },
        index=index,
    )


def _number(cell: object, *, row: int, path: Path, column: str) -> float:
    word = "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]
    if word.lower() in MISSING_WORDS:
        return float("nan")
    try:
        value = float(word)
    except ValueError:
        value = np.inf
    if not np.isfinite(value):
        raise InputError(
            where=str(path),
            key=f"row {row}, column {column}",
            found=word,
            expected="a number, or an empty cell",
            cure="correct the cell",
        )
    return value
