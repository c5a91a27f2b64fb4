"""The outcome column of a user's table: each way of writing it, in both kinds of file, and what is
refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.outcomes import read_course, read_outcome
from crsrisk.data.table_reading import TableReading
from crsrisk.errors import InputError


def test_reads_every_spelling(tmp_path: Path) -> None:
    place = tmp_path / "mine.csv"
    place.write_text(
        "patient_id,seen\n1,TRUE\n2,no\n3,1\n4,0\n5,NA\n6, yes \n7,\n", encoding="utf-8"
    )
    assert np.array_equal(
        read_outcome(place, column="seen"), [1, 0, 1, 0, np.nan, 1, np.nan], equal_nan=True
    )


@pytest.mark.parametrize("values", [[True, False], [1, 0], [1.0, 0.0], ["yes", "no"]])
def test_reads_parquet_of_any_type(values: list[object], tmp_path: Path) -> None:
    place = tmp_path / "mine.parquet"
    pd.DataFrame({"seen": values}).to_parquet(place)
    assert read_outcome(place, column="seen").tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("column", "says"), [("other", "no such column"), ("seen", "row 2, column seen: found 2")]
)
def test_refuses(column: str, says: str, tmp_path: Path) -> None:
    place = tmp_path / "mine.csv"
    place.write_text("patient_id,seen\n1,yes\n2,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_outcome(place, column=column)


# The course after a dose: numbers by their names, gaps kept, everything else refused with its row.


_COLUMNS = ["crp_mg_l__h24", "grade__max__h24"]


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "patient_id": [7, 8, 9],
            "crp_mg_l__h24": [80.5, np.nan, 3.0],
            "grade__max__h24": [1.0, 0.0, 0.0],
        }
    )
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    read = [read_course(tmp_path / name, columns=_COLUMNS) for name in ("a.csv", "a.parquet")]
    pd.testing.assert_frame_equal(*read)
    assert read[0].index.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(read[0].to_numpy(), table[_COLUMNS].to_numpy())


@pytest.mark.parametrize("cell", ["high", "inf", "1,234", "80 mg/L"])
def test_what_is_no_number_is_refused_with_its_row(tmp_path: Path, cell: str) -> None:
    (tmp_path / "a.csv").write_text(
        f'patient_id,crp_mg_l__h24,grade__max__h24\n1,3,0\n2,"{cell}",0\n'
    )
    with pytest.raises(InputError, match=r"row 2, column crp_mg_l__h24"):
        read_course(tmp_path / "a.csv", columns=_COLUMNS)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("patient_id,crp_mg_l__h24\n1,3\n")
    with pytest.raises(InputError, match="grade__max__h24"):
        read_course(tmp_path / "a.csv", columns=_COLUMNS)


# A grade as outcome: never without its threshold.


@pytest.fixture
def grades(tmp_path: Path) -> Path:
    place = tmp_path / "mine.csv"
    place.write_text(
        "patient_id,max_grade,worst,said,odd\n1,0,1,yes,1\n2,1,0,no,high\n3,2,4,no,2\n4,,NA,,x\n",
        encoding="utf-8",
    )
    return place


@pytest.mark.parametrize(
    ("column", "at_least", "events"),
    [
        ("max_grade", 1, [0, 1, 1, np.nan]),
        ("max_grade", 2, [0, 0, 1, np.nan]),
        ("worst", 3, [0, 0, 1, np.nan]),
    ],
)
def test_a_grade_is_the_event_from_its_threshold_on(
    grades: Path, column: str, at_least: float, events: list[float]
) -> None:
    found = read_outcome(grades, column=column, at_least=at_least)
    assert np.array_equal(found, events, equal_nan=True)


@pytest.mark.parametrize("column", ["max_grade", "worst"])
def test_a_grade_without_threshold_is_refused_with_the_option(grades: Path, column: str) -> None:
    with pytest.raises(InputError, match=r"without its threshold.*--at-least GRADE"):
        read_outcome(grades, column=column)


def test_a_grade_of_0_and_1_alone_is_no_yes_and_no(tmp_path: Path) -> None:
    place = tmp_path / "mild.csv"
    place.write_text("patient_id,max_grade\n1,0\n2,1\n", encoding="utf-8")
    with pytest.raises(InputError, match="--at-least"):
        read_outcome(place, column="max_grade")


@pytest.mark.parametrize(("column", "rows"), [("said", "row 1, 2, 3"), ("odd", "row 2, 4")])
def test_every_cell_that_is_no_grade_is_named(grades: Path, column: str, rows: str) -> None:
    with pytest.raises(InputError, match=f"{rows}, column {column}"):
        read_outcome(grades, column=column, at_least=2)


def test_a_number_without_threshold_may_be_a_grade_or_a_code(tmp_path: Path) -> None:
    place = tmp_path / "coded.csv"
    place.write_text("patient_id,worse\n1,1\n2,2\n3,2\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"if it is a grade: .*; if its numbers are codes .*--code"
    ):
        read_outcome(place, column="worse")
    stated = TableReading(codes={"worse": {"1": "yes", "2": "no"}})
    assert read_outcome(place, column="worse", reading=stated).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("code", ["9", "99", "-9", "-1"])
def test_a_code_is_no_grade(tmp_path: Path, code: str) -> None:
    place = tmp_path / "grades.csv"
    place.write_text(f"patient_id,worst\n1,3\n2,{code}\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"row 2, column worst: found '{code}'.*--missing"):
        read_outcome(place, column="worst", at_least=2)
    stated = TableReading(missing={"worst": (code,)})
    found = read_outcome(place, column="worst", at_least=2, reading=stated)
    assert np.array_equal(found, [1.0, np.nan], equal_nan=True)


def test_words_for_grades_are_declared(tmp_path: Path) -> None:
    place = tmp_path / "grades.csv"
    place.write_text("patient_id,worst\n1,II\n2,I\n3,unknown\n", encoding="utf-8")
    stated = TableReading(codes={"worst": {"I": "1", "II": "2"}})
    found = read_outcome(place, column="worst", at_least=2, reading=stated)
    assert np.array_equal(found, [1.0, 0.0, np.nan], equal_nan=True)
