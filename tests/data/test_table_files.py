"""Files of every kind and dialect give the same cells, and say how they were read."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyreadstat
import pytest
from pyarrow import feather

from crsrisk.data.table_files import Dialect, SourceTable, open_table
from crsrisk.errors import InputError

ROWS = pd.DataFrame({"patient_id": ["a", "b"], "crp": [12.5, 3.25], "word": ["größer", "x"]})
POINT = "patient_id,crp,word\na,12.5,größer\nb,3.25,x\n"
COMMA = "patient_id;crp;word\na;12,5;größer\nb;3,25;x\n"


def _same(table: SourceTable) -> None:
    assert list(table.cells.columns) == ["patient_id", "crp", "word"]
    assert table.numbers("crp").tolist() == [12.5, 3.25]
    assert table.cells["word"].tolist() == ["größer", "x"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (POINT.encode(), ()),
        (POINT.encode("utf-8-sig"), ()),
        (POINT.replace("\n", "\r\n").encode(), ()),
        (POINT.encode("utf-16"), ("utf-16",)),
        (POINT.encode("latin-1"), ("Windows-1252",)),
        (COMMA.encode(), ("semicolons", "decimal comma")),
        (COMMA.encode("cp1252"), ("Windows-1252", "semicolons", "decimal comma")),
        (POINT.replace(",", "\t").encode(), ("tabs",)),
        (POINT.replace(",", "|").encode(), ("bars",)),
        (b"sep=,\n" + POINT.encode(), ("'sep=,'",)),
        (b'"sep=;"\r\n' + COMMA.encode(), ("sep=;", "decimal comma")),
        (b"sep=,,,\n" + POINT.encode(), ("sep=,",)),
        (b"\nSEP = ;\n" + COMMA.encode(), ("SEP = ;",)),
        (b"sep=\\t\n" + POINT.replace(",", "\t").encode(), ("sep=",)),
        (b"\n\n" + POINT.replace("b,3", "\n,,\nb,3").encode(), ("1 blank rows",)),
        (POINT.replace("\n", ",\n").encode(), ()),
    ],
)
def test_text_of_every_dialect(tmp_path: Path, content: bytes, told: tuple[str, ...]) -> None:
    for name, packed in (("t.csv", content), ("t.csv.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(packed)
        table = open_table(tmp_path / name)
        _same(table)
        assert all(part in " | ".join(table.told) for part in told), table.told
        assert told or not table.told


def _workbook(path: Path) -> None:
    with pd.ExcelWriter(path) as book:
        ROWS.to_excel(book, sheet_name="patients", index=False)


WRITERS: dict[str, Callable[[Path], object]] = {
    "t.xlsx": _workbook,
    "t.parquet": lambda path: ROWS.to_parquet(path, index=False),
    "t.feather": lambda path: feather.write_feather(pa.Table.from_pandas(ROWS), path),
    "t.xpt": lambda path: pyreadstat.write_xport(ROWS, path, file_format_version=8),
    "t.sav": lambda path: pyreadstat.write_sav(ROWS, path),
    "t.dta": lambda path: pyreadstat.write_dta(ROWS, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_other_programs(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    _same(open_table(tmp_path / name))
    (tmp_path / name).write_bytes(b"none of it")
    with pytest.raises(InputError):
        open_table(tmp_path / name)
    with pytest.raises(InputError):
        open_table(tmp_path / f"nowhere-{name}")


def test_labels_of_codes_stand_for_them(tmp_path: Path) -> None:
    place = tmp_path / "t.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"sex": [1.0, 2.0]}),
        place,
        variable_value_labels={"sex": {1: "Male", 2: "Female"}},
    )
    assert open_table(place).cells["sex"].tolist() == ["Male", "Female"]


@pytest.mark.parametrize("make", [pd.DataFrame, polars.from_pandas, pa.Table.from_pandas])
def test_frames_in_memory(make: Callable[[pd.DataFrame], object]) -> None:
    _same(open_table(make(ROWS)))


def test_anything_else_in_memory_is_refused() -> None:
    with pytest.raises(InputError, match="found list"):
        open_table([1, 2])


def test_sheets_are_named_where_there_are_several(tmp_path: Path) -> None:
    place = tmp_path / "t.xlsx"
    with pd.ExcelWriter(place) as book:
        ROWS.to_excel(book, sheet_name="patients", index=False)
        ROWS.head(1).to_excel(book, sheet_name="old", index=False)
    with pytest.raises(InputError, match="2 filled sheets; expected one of patients, old"):
        open_table(place)
    _same(open_table(place, Dialect(sheet="patients")))
    with pytest.raises(InputError, match="no filled sheet 'new'"):
        open_table(place, Dialect(sheet="new"))


def test_what_is_stated_goes_before_what_is_found(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("patient_id;crp\na;1,234\n")
    assert np.isnan(open_table(tmp_path / "t.csv").numbers("crp")).all()
    for dialect, value in (
        (Dialect(decimal=","), 1.234),
        (Dialect(thousands=","), 1234.0),
        (Dialect(sep=";", decimal=","), 1.234),
    ):
        assert open_table(tmp_path / "t.csv", dialect).numbers("crp").tolist() == [value]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv", b"", "an empty file"),
        ("t.csv", b"a,b\n1,2\n1\n", "line 3: found 1 cells"),
        ("t.csv", b"a,b\n1,2,3\n", "line 2: found 3 cells"),
        ("t.csv", b"a,a\n1,2\n", "the column a second time"),
        ("t.csv", b'a,b\n"1,2\n', "quotes that do not close"),
        ("t.csv", b"a;b,c;d\n1;2,3;4\n", "semicolons"),
        ("t.csv", b"a,b\n\x00\x00,1\n", "no text"),
        ("t.csv.gz", b"no gzip", "no whole gzip"),
        ("t.json", b"{}", "one row a patient"),
        ("t.xls", b"", "save it as .xlsx"),
        ("t.docx", b"", "save the table as CSV, xlsx or Parquet"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        open_table(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "klingon"])
def test_a_stated_encoding_is_kept_to(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes(COMMA.encode("latin-1"))
    with pytest.raises(InputError, match=encoding):
        open_table(tmp_path / "t.csv", Dialect(encoding=encoding))
    _same(open_table(tmp_path / "t.csv", Dialect(encoding="latin-1")))


@pytest.mark.parametrize("above", ["Export of 2024-03-01", "Report,,", "# made by a program"])
def test_a_line_above_the_header_is_named(tmp_path: Path, above: str) -> None:
    (tmp_path / "t.csv").write_text(f"{above}\n{POINT}", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: found .*names of the columns in the first line"):
        open_table(tmp_path / "t.csv")
    book = pd.DataFrame([[above, None, None], ["patient_id", "crp", "word"], ["a", 12.5, "x"]])
    book.to_excel(tmp_path / "t.xlsx", index=False, header=False)
    with pytest.raises(InputError, match="row 1: found"):
        open_table(tmp_path / "t.xlsx")


def test_a_separator_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"sep=;\n{POINT}", encoding="utf-8")
    with pytest.raises(InputError, match="line 1: found a separator line"):
        open_table(tmp_path / "t.csv")
    assert open_table(tmp_path / "t.csv", Dialect(sep=",")).numbers("crp").tolist() == [12.5, 3.25]


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        ({}, float("nan")),
        ({"decimal": "."}, 1.234),
        ({"decimal": ","}, float("nan")),
        ({"thousands": "."}, 1234.0),
        ({"thousands": ","}, 1.234),
    ],
)
def test_a_point_before_three_digits_is_in_doubt_where_no_cell_tells(
    tmp_path: Path, stated: dict[str, Any], value: float
) -> None:
    (tmp_path / "t.csv").write_text("patient_id;crp\na;1.234\n", encoding="utf-8")
    found = open_table(tmp_path / "t.csv", Dialect(**stated)).numbers("crp")
    assert np.array_equal(found, [value], equal_nan=True)
    (tmp_path / "t.csv").write_text("patient_id;crp;x\na;1.234;2.5\n", encoding="utf-8")
    assert open_table(tmp_path / "t.csv").numbers("crp").tolist() == [1.234]


def test_a_packed_file_that_is_too_large_is_refused_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(POINT.encode()))
    monkeypatch.setattr("crsrisk.data.table_files._MOST_BYTES", len(POINT.encode()))
    _same(open_table(tmp_path / "t.csv.gz"))
    monkeypatch.setattr("crsrisk.data.table_files._MOST_BYTES", len(POINT.encode()) - 1)
    with pytest.raises(InputError, match="GiB of text"):
        open_table(tmp_path / "t.csv.gz")


def test_text_with_a_decimal_comma_is_read_in_every_source(tmp_path: Path) -> None:
    """Workbooks, Parquet and frames hold text too, as where somebody read a CSV without its marks;
    a cell with a type keeps its number.
    """
    frame = pd.DataFrame({"CRP": ["12,5", "3,25"], "ferritin": [1.5, 2.0], "note": ["a", None]})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, tmp_path / "t.xlsx", tmp_path / "t.parquet"):
        table = open_table(source)
        assert table.numbers("CRP").tolist() == [12.5, 3.25]
        assert table.numbers("ferritin").tolist() == [1.5, 2.0]
        assert "numbers are read with a decimal comma" in table.told
    mixed = open_table(frame.assign(CRP=["12,5", "3.25"]))  # not to be told apart: left as it is
    assert np.isnan(mixed.numbers("CRP")[0])
    assert mixed.told == ()
