"""The outcome column of a user's table: each way of writing it, in both kinds of file, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError
from crsrisk.read.outcome import read_outcome


def test_reads_every_spelling(tmp_path: Path) -> None:
    place = tmp_path / "mine.csv"
    place.write_text("patient_id,seen\n1,TRUE\n2,no\n3,1\n4,0\n5,NA\n6, yes \n7,\n", encoding="utf-8")
    assert np.array_equal(read_outcome(place, column="seen"), [1, 0, 1, 0, np.nan, 1, np.nan], equal_nan=True)


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0], ["yes", "no"]])
def test_reads_parquet_of_any_type(values: list[object], tmp_path: Path) -> None:
    place = tmp_path / "mine.parquet"
    pd.DataFrame({"seen": values}).to_parquet(place)
    assert read_outcome(place, column="seen").tolist() == [1.0, 0.0]


@pytest.mark.parametrize(("column", "says"), [("other", "no such column"), ("seen", "row 2, column seen: found 2")])
def test_refuses(column: str, says: str, tmp_path: Path) -> None:
    place = tmp_path / "mine.csv"
    place.write_text("patient_id,seen\n1,yes\n2,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_outcome(place, column=column)
