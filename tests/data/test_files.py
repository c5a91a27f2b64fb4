"""Whole files or none, the same bytes however the rows come, and hashes that notice every
change.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crsrisk.data import files
from crsrisk.data.files import (
    csv_header,
    frame_digest,
    gunzipped,
    gzipped,
    manifest_path,
    new_result,
    prepare_output,
    read_manifest,
    read_parquet_cells,
    remove_leftovers,
    sha256_of,
    write_beside,
    write_csv_stream,
    write_json,
    write_manifest,
    write_parquet_stream,
    write_table_stream,
    write_text,
)
from crsrisk.data.tables import read_table
from crsrisk.errors import InputError, OutputError


def _frame(n_rows: int, *, start: int = 0) -> pd.DataFrame:
    numbers = np.arange(start, start + n_rows)
    crp = np.sqrt(numbers + 0.1)
    crp[numbers % 7 == 3] = np.nan
    return pd.DataFrame(
        {
            "patient_id": numbers.astype(np.int64),
            "product": [f"product {number % 3}" for number in numbers],
            "is_female": numbers % 2 == 0,
            "ecog": (numbers % 3).astype(np.int64),
            "crp_mg_l": crp,
        }
    )


def _chunks(frame: pd.DataFrame, sizes: list[int]) -> Iterator[pd.DataFrame]:
    start = 0
    for size in [*sizes, len(frame)]:
        yield frame.iloc[start : start + size].reset_index(drop=True)
        start = min(start + size, len(frame))


# --- whole or not at all ---


def test_a_file_appears_whole_in_folders_that_are_made(tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder" / "note.txt"
    with write_beside(place) as beside:
        beside.write_text("half")
        assert not place.exists()
        assert beside.parent == place.parent  # same file system: the rename is one step
    assert place.read_text() == "half"
    assert [one.name for one in place.parent.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    "problem", [KeyboardInterrupt(), ValueError("in the middle"), SystemExit(1)]
)
def test_an_interruption_leaves_the_old_file_and_no_other(
    tmp_path: Path, problem: BaseException
) -> None:
    place = tmp_path / "note.txt"
    place.write_text("old")

    def body() -> None:
        with write_beside(place) as beside:
            beside.write_text("ha")
            raise problem

    with pytest.raises(type(problem)):
        body()
    assert place.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["note.txt"]


def test_an_interruption_leaves_no_folder_that_was_made_for_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_beside(tmp_path / "a" / "b" / "note.txt"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    work_done = []
    for place in (tmp_path / "file" / "note.txt", tmp_path):
        with pytest.raises(OutputError) as caught, write_beside(place):
            work_done.append(place)
        assert caught.value.where == str(place)
        assert caught.value.cure
    assert work_done == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_folder_is_an_output_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError), write_beside(tmp_path / "note.txt"):
        pytest.fail("the body must not run")


def test_a_denied_folder_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(self: Path, *, exist_ok: bool) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", deny)
    with pytest.raises(OutputError, match="Permission denied"), write_beside(tmp_path / "note.txt"):
        pytest.fail("the body must not run")


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path: Path) -> None:
    def body() -> None:
        with write_beside(tmp_path / "note.txt") as beside:
            beside.write_text("ha")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="free space"):
        body()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over_unasked(tmp_path: Path) -> None:
    place, beside = tmp_path / "a.csv", tmp_path / "a.truth.csv"
    prepare_output(place, belongs=[beside])
    beside.write_text("old", encoding="utf-8")
    with pytest.raises(OutputError, match=r"a\.truth\.csv of an older one.*--overwrite"):
        prepare_output(place, belongs=[beside])
    place.write_text("old", encoding="utf-8")
    with pytest.raises(OutputError, match=r"an older result.*--overwrite"):
        prepare_output(place)
    prepare_output(place, overwrite=True, belongs=[beside])
    assert place.read_text(encoding="utf-8") == "old", "it only asks"


def test_a_folder_in_the_place_of_a_file_is_never_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="found a folder"):
        prepare_output(tmp_path, overwrite=True)
    prepare_output(tmp_path, overwrite=True, is_folder=True)
    with pytest.raises(OutputError, match="--overwrite"):
        prepare_output(tmp_path, is_folder=True)


def test_leftovers_go_with_all_that_is_in_them(tmp_path: Path) -> None:
    folder, file = tmp_path / "figures", tmp_path / "a.csv"
    folder.mkdir()
    for place in (folder / "b.svg", file):
        place.write_text("old", encoding="utf-8")
    remove_leftovers([folder, file, tmp_path / "never_there"])
    assert list(tmp_path.iterdir()) == []


def test_gzip_gives_the_text_back_and_bears_no_date_name_or_system() -> None:
    text = "µg/L, 4.2\n" * 1000
    packed = gzipped(text)
    assert gzip.decompress(packed) == text.encode("utf-8")
    assert gunzipped(packed, most=len(text.encode("utf-8"))) == text
    assert packed[:10] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 255])
    assert gzipped("") != b""
    assert gunzipped(gzipped(""), most=0) == ""


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda packed: b"", "cut short"),
        (lambda packed: b"plain text", "no gzip"),
        (lambda packed: packed[:-1], "cut short"),
        (lambda packed: packed[: len(packed) // 2], "cut short"),
        (lambda packed: packed + b"\0", "behind its end"),
        (lambda packed: packed + packed, "behind its end"),
        (lambda packed: packed[:-8] + bytes(4) + packed[-4:], "no gzip"),  # another check sum
        (lambda packed: gzip.compress(b"\xff\xfe"), "no UTF-8"),
        (lambda packed: gzipped("0" * 50_000_000), "more than 1000 bytes"),
    ],
)
def test_what_is_no_whole_gzip_of_a_short_text_is_refused(
    spoil: Callable[[bytes], bytes], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        gunzipped(spoil(gzipped("whole")), most=1000)


def test_json_and_text_are_written_byte_by_byte(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": "µg", "list": [1.5, None, True]})
    expected = '{\n  "b": 1,\n  "a": "µg",\n  "list": [\n    1.5,\n    null,\n    true\n  ]\n}\n'
    assert (tmp_path / "a.json").read_bytes() == expected.encode()
    write_text(tmp_path / "a.txt", "one\r\ntwo\n")
    assert (tmp_path / "a.txt").read_bytes() == b"one\r\ntwo\n"
    with pytest.raises(ValueError, match="came out as inf"):
        write_json(tmp_path / "inf.json", {"a": float("inf")})
    assert not (tmp_path / "inf.json").exists()
    write_json(tmp_path / "unknown.json", {"a": float("nan")})
    assert (tmp_path / "unknown.json").read_text() == '{\n  "a": null\n}\n'


# --- streams ---


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(sizes=st.lists(st.integers(0, 40), max_size=6))
def test_bytes_do_not_depend_on_the_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, sizes: list[int]
) -> None:
    monkeypatch.setattr(files, "ROWS_PER_GROUP", 16)
    frame = _frame(100)
    assert write_table_stream(tmp_path / f"whole{suffix}", [frame]) == 100
    assert write_table_stream(tmp_path / f"cut{suffix}", _chunks(frame, sizes)) == 100
    assert sha256_of(tmp_path / f"whole{suffix}") == sha256_of(tmp_path / f"cut{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"cut{suffix}"), frame)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_without_rows_keeps_its_columns(tmp_path: Path, suffix: str) -> None:
    place = tmp_path / f"empty{suffix}"
    assert write_table_stream(place, [_frame(0)]) == 0
    assert list(read_table(place).columns) == list(_frame(0).columns)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_frames_that_differ_or_none_at_all_leave_nothing(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="columns of the first"):
        write_table_stream(
            tmp_path / f"a{suffix}", [_frame(3), _frame(3)[["product", "patient_id"]]]
        )
    with pytest.raises(ValueError, match="no frame"):
        write_table_stream(tmp_path / f"a{suffix}", [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_parquet_stream, write_csv_stream])
def test_a_stream_broken_in_the_middle_leaves_nothing(tmp_path: Path, write: object) -> None:
    def broken() -> Iterator[pd.DataFrame]:
        yield _frame(10)
        raise KeyboardInterrupt

    assert callable(write)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "cohort", broken())
    assert list(tmp_path.iterdir()) == []


def test_bytes_carry_no_version_of_pandas(tmp_path: Path) -> None:
    write_parquet_stream(tmp_path / "a.parquet", [_frame(3)])
    assert b"pandas" not in (tmp_path / "a.parquet").read_bytes()


def test_an_unknown_suffix_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    asked = []

    def frames() -> Iterator[pd.DataFrame]:
        asked.append(1)
        yield _frame(1)

    with pytest.raises(OutputError, match=r"\.parquet, \.csv or \.xlsx"):
        write_table_stream(tmp_path / "cohort.txt", frames())
    assert asked == []


def test_the_stream_holds_one_group_and_never_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ROWS_PER_GROUP", 1000)
    written: list[int] = []
    real = pq.ParquetWriter.write_table

    def write_table(self: object, table: object, **options: object) -> None:
        written.append(table.num_rows)  # type: ignore[attr-defined]
        real(self, table, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)
    groups_when_asked: list[int] = []

    def frames() -> Iterator[pd.DataFrame]:
        for start in range(0, 5000, 500):
            groups_when_asked.append(sum(written))
            yield _frame(500, start=start)

    assert write_parquet_stream(tmp_path / "cohort.parquet", frames()) == 5000
    assert written == [1000] * 5
    assert all(500 * asked - done <= 1000 for asked, done in enumerate(groups_when_asked))


# --- hashes and manifest ---


def test_sha256_is_that_of_the_standard(tmp_path: Path) -> None:
    place = tmp_path / "abc"
    place.write_bytes(b"abc")  # FIPS 180-2, example B.1
    assert sha256_of(place) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError, match="check the path"):
        sha256_of(tmp_path / "nowhere")


def test_a_digest_survives_csv_and_parquet(tmp_path: Path) -> None:
    frame = _frame(50)
    digest = frame_digest(frame)
    for suffix in (".csv", ".parquet"):
        write_table_stream(tmp_path / f"a{suffix}", [frame])
        assert frame_digest(read_table(tmp_path / f"a{suffix}")) == digest
    assert frame_digest(frame.set_axis(range(100, 150), axis=0)) == digest
    assert frame_digest(frame.assign(product=frame["product"].astype(object))) == digest


def test_a_digest_is_the_same_on_every_machine() -> None:
    # recipe: sha256 over "2 rows", then for each column "|kind|length of name|name|" and its bytes
    column = b"|int|1|a|" + np.array([1, 2], dtype="<i8").tobytes()
    assert (
        frame_digest(pd.DataFrame({"a": [1, 2]})) == hashlib.sha256(b"2 rows" + column).hexdigest()
    )


@given(row=st.integers(0, 19), name=st.sampled_from(list(_frame(0).columns)))
def test_a_digest_notices_every_cell(row: int, name: str) -> None:
    frame = _frame(20)
    values: list[Any] = frame[name].tolist()
    old = values[row]
    changes = {
        "product": f"{old} ",
        "is_female": not old,
        "crp_mg_l": 99.0 if old != old else np.nan,
    }
    values[row] = changes.get(name, 99)
    changed = frame.assign(**{name: pd.Series(values, dtype=frame[name].dtype)})
    assert frame_digest(changed) != frame_digest(frame)


@pytest.mark.parametrize(
    "other",
    [
        lambda frame: frame.rename(columns={"ecog": "ecog_"}),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame[frame.columns[::-1]],
        lambda frame: frame.iloc[:-1],
        lambda frame: frame.assign(ecog=frame["ecog"].astype(float)),
    ],
)
def test_a_digest_notices_names_order_length_and_kind(other: object) -> None:
    assert callable(other)
    assert frame_digest(other(_frame(20))) != frame_digest(_frame(20))


def test_every_nan_is_the_same_missing_value() -> None:
    other_nan = np.array([0x7FF8_0000_0000_0001], dtype=np.uint64).view(np.float64)
    assert other_nan.tobytes() != np.array([np.nan]).tobytes()
    assert frame_digest(pd.DataFrame({"a": other_nan})) == frame_digest(
        pd.DataFrame({"a": [np.nan]})
    )


def test_text_cannot_slip_from_one_cell_to_the_next() -> None:
    assert frame_digest(pd.DataFrame({"a": ["ab", "c"]})) != frame_digest(
        pd.DataFrame({"a": ["a", "bc"]})
    )
    assert frame_digest(pd.DataFrame({"a": ["", None]})) != frame_digest(
        pd.DataFrame({"a": [None, ""]})
    )


def test_a_manifest_says_how_the_file_was_made_and_notices_a_change(tmp_path: Path) -> None:
    place = tmp_path / "cohort.csv"
    write_csv_stream(place, [_frame(3)])
    written = write_manifest(
        place,
        seed=7,
        scenario="reference",
        assumptions_hash="ab12",
        version="0.1.0",
        columns=_frame(3).columns,
        n_rows=3,
        products=["tarlatamab"],
    )
    assert manifest_path(place).name == "cohort.csv.manifest.json"
    tree = json.loads(manifest_path(place).read_text())
    assert tree["seed"] == 7
    assert tree["columns"] == ["patient_id", "product", "is_female", "ecog", "crp_mg_l"]
    assert tree["file"] == "cohort.csv"
    assert str(tmp_path) not in manifest_path(place).read_text()
    assert read_manifest(place) == written
    with place.open("a") as stream:
        stream.write("4,x,True,0,1\n")
    with pytest.raises(InputError, match="the file was changed"):
        read_manifest(place)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"file": "cohort.csv"}'])
def test_a_broken_manifest_is_an_input_error(tmp_path: Path, text: str | None) -> None:
    place = tmp_path / "cohort.csv"
    place.write_text("a\n1\n")
    if text is not None:
        manifest_path(place).write_text(text)
    with pytest.raises(InputError, match=r"cohort\.csv\.manifest\.json"):
        read_manifest(place)


# --- tables as they stand ---


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "an empty file"),
        (b"a;b\n1;2\n", "semicolons"),
        (b"a,b\n1,2\n1\n", "line 3.*found 1 cells"),
        (b"a,b\n1,2,3\n", "line 2.*found 3 cells"),
        (b"a,a\n1,2\n", "a second time"),
        ("a,CRP [µg/mL]\n1,2\n".encode("latin-1"), "UTF-8"),
        (b'a,b\n"1,2\n', "not such a file"),
    ],
)
def test_a_csv_that_is_none_is_refused_with_the_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    place = tmp_path / "a.csv"
    place.write_bytes(content)
    with pytest.raises(InputError, match=problem) as caught:
        csv_header(place)
    assert caught.value.where == str(place)


def test_a_csv_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    # byte order mark, CRLF
    place.write_bytes(b'\xef\xbb\xbfpatient_id, crp_mg_l \r\n1,"2"\r\n\r\n2,3\r\n')
    assert csv_header(place) == ["patient_id", "crp_mg_l"]
    assert read_table(place)["crp_mg_l"].tolist() == [2.0, 3.0]


def test_a_damaged_byte_of_parquet_is_never_another_value(tmp_path: Path) -> None:
    """Every byte of the pages: refused, or the values as they were."""
    place = tmp_path / "a.parquet"
    table = pd.DataFrame({"crp_mg_l": np.random.default_rng(1).normal(size=200).round(3)})
    write_parquet_stream(place, iter([table]))
    whole = place.read_bytes()
    refused = 0
    for at in range(4, len(whole), 7):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            read = read_parquet_cells(place)
        except InputError:
            refused += 1
        else:
            assert read.to_numpy(dtype=float).tobytes() == table.to_numpy().tobytes(), at
    assert refused > 50


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"]
PLAIN = ["-3.5", "+1e-3", "-", "=", "north", "1-2", "", "-1,5"]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_no_cell_is_a_formula(tmp_path: Path, suffix: str) -> None:
    place = tmp_path / f"a{suffix}"
    table = pd.DataFrame({"=site": [*FORMULAS, *PLAIN], "n": np.arange(13.0) - 7})
    write_table_stream(place, iter([table]))
    if suffix == ".csv":
        read = pd.read_csv(place, dtype={"'=site": str}, keep_default_na=False)
    else:
        read = pd.read_excel(place, dtype={"'=site": str}, keep_default_na=False)
    assert all(cell.startswith("'") for cell in read["'=site"].tolist()[: len(FORMULAS)])
    assert read["'=site"].tolist()[len(FORMULAS) :] == PLAIN
    assert read["n"].tolist() == table["n"].tolist()


def test_what_pandas_wrote_beside_the_values_is_not_needed(tmp_path: Path) -> None:
    table = pa.table({"ecog": [1, 2]}).replace_schema_metadata({b"pandas": b"{broken"})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_parquet_cells(tmp_path / "a.parquet").to_dict("list") == {"ecog": [1, 2]}


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "a.parquet"
    place.write_bytes(b"PAR1 half a file")
    with pytest.raises(InputError, match="not Parquet"):
        read_parquet_cells(place)
    with pytest.raises(InputError, match="readable file"):
        read_parquet_cells(tmp_path / "nowhere.parquet")


def test_a_result_written_anew_takes_away_its_own_stale_files_and_nothing_else(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "result"
    with new_result(folder, overwrite=False):
        write_text(folder / "table.csv", "older")
        write_text(folder / "figures" / "one.svg", "older")
    (folder / "notes.txt").write_text("of the user")
    (folder / "own" / "empty").mkdir(parents=True)

    with new_result(folder, overwrite=True):
        write_text(folder / "table.csv", "newer")

    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert found == {"table.csv", "notes.txt", "own", "own/empty", files.INDEX}
    assert (folder / "table.csv").read_text() == "newer"
    assert (folder / "notes.txt").read_text() == "of the user"


def test_a_result_that_stands_is_refused_and_a_failed_one_takes_nothing_away(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "result"
    with new_result(folder, overwrite=False):
        write_text(folder / "table.csv", "older")
    with pytest.raises(OutputError), new_result(folder, overwrite=False):
        pytest.fail("the work began")
    with pytest.raises(ZeroDivisionError), new_result(folder, overwrite=True):
        raise ZeroDivisionError
    assert (folder / "table.csv").read_text() == "older"


@pytest.mark.parametrize("written", ['["../kept.txt"]', '["."]', '["own"]', "{", "7", "[7]"])
def test_an_index_that_names_anything_but_files_inside_the_folder_is_refused(
    tmp_path: Path, written: str
) -> None:
    outside = tmp_path / "kept.txt"
    outside.write_text("of the user")
    folder = tmp_path / "result"
    (folder / "own").mkdir(parents=True)
    (folder / files.INDEX).write_text(written)
    with pytest.raises(OutputError, match="crsrisk-files"), new_result(folder, overwrite=True):
        pytest.fail("the work began")
    assert outside.read_text() == "of the user"
    assert (folder / "own").is_dir()
