"""The course after the first dose in a user's table: numbers that a landmark model reads beside the baseline columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from crsrisk.errors import InputError
from crsrisk.read.cells import MISSING_WORDS
from crsrisk.read.files import read_csv_cells, read_parquet_cells


def read_course(path: str | Path, *, columns: Sequence[str]) -> pd.DataFrame:
    """Readings after the first dose, one row for each row of the file (index from 1), NaN where nothing was read.

    ``columns`` are named as the data dictionary names them, with unit, summary and hour (`crp_mg_l__max__h24`); no unit is
    converted here. Raises :class:`InputError` for a column that is not there and for a cell that is no number.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "mine.csv"
    >>> _ = place.write_text("patient_id,crp_mg_l__h24\\n1,80.5\\n2,\\n")
    >>> read_course(place, columns=["crp_mg_l__h24"])["crp_mg_l__h24"].tolist()
    [80.5, nan]
    """
    path = Path(path)
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    if absent := [name for name in columns if name not in cells.columns]:
        raise InputError(where=str(path), key=", ".join(absent), found="no such column",
                         expected="a column for every reading that the model uses, empty where nothing was read",
                         cure="add the columns, or take a model of what is known before the first dose")
    index = pd.RangeIndex(1, len(cells) + 1)
    return pd.DataFrame({name: [_number(cell, row=row, path=path, column=name)
                                for row, cell in enumerate(cells[name], start=1)] for name in columns}, index=index)


def _number(cell: object, *, row: int, path: Path, column: str) -> float:
    word = "" if pd.isna(cell) else str(cell).strip()  # type: ignore[call-overload]
    if word.lower() in MISSING_WORDS:
        return float("nan")
    try:
        value = float(word)
    except ValueError:
        value = np.inf
    if not np.isfinite(value):
        raise InputError(where=str(path), key=f"row {row}, column {column}", found=word,
                         expected="a number, or an empty cell", cure="correct the cell")
    return value
