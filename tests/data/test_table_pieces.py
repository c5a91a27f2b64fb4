"""A Parquet file is read without holding what was read of it before."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crsrisk.data import table_pieces
from crsrisk.data.table_pieces import TablePieces
from crsrisk.data.table_reading import AS_NAMED


@pytest.mark.parametrize("rows_of_group", [8000, 560])
def test_row_groups_are_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of_group: int
) -> None:
    """Its bytes are a Python object, which Arrow holds while it reads batches."""
    monkeypatch.setattr(table_pieces, "ROWS", 4000)
    numbers = np.random.default_rng(0).random(400_000)
    file = str(tmp_path / "numbers.parquet")
    pq.write_table(pa.table({"number": numbers}), file, row_group_size=rows_of_group)
    pieces = TablePieces("numbers", None, None, None, (file,), AS_NAMED)
    next(pieces.batches())  # what is imported and kept at first use
    tracemalloc.start()
    read = 0
    for batch in pieces.batches():
        np.testing.assert_array_equal(batch["number"], numbers[read : read + len(batch)])
        read += len(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == len(numbers)
    assert peak < numbers.nbytes / 4
