"""One writer at a time, and no part of a file that belongs to nobody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crsrisk.data.file_locks import part_name
from crsrisk.data.files import new_result, write_beside, write_text
from crsrisk.errors import OutputError

_WRITES = """
import sys
from pathlib import Path
from crsrisk.data.files import {name}
with {call}:
    print("writing", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_writer(name: str, call: str) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of writing."""
    code = _WRITES.format(name=name, call=call)
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "writing\n"
        yield other
    finally:
        other.kill()
        other.communicate()


def parts(folder: Path) -> list[str]:
    return sorted(place.name for place in folder.iterdir() if ".part" in place.name)


def test_a_part_of_a_killed_writer_is_cleared_at_the_next_run(tmp_path: Path) -> None:
    place = tmp_path / "cohort [1].csv"
    with another_writer("write_beside", f"write_beside({str(place)!r})") as other:
        assert len(parts(tmp_path)) == 1
        write_text(place, "ours")  # a living writer keeps its part
        assert len(parts(tmp_path)) == 1
        other.kill()
        other.wait()
    assert len(parts(tmp_path)) == 1
    write_text(place, "ours again")
    assert parts(tmp_path) == []
    assert place.read_text() == "ours again"


def test_parts_of_other_files_are_left(tmp_path: Path) -> None:
    others = [
        part_name(tmp_path / "b.csv", "0" * 8),
        part_name(tmp_path / "a.txt", "0" * 8),
        ".a.csv.0.part.csv",
        "a.csv.part",
    ]
    for name in others:
        (tmp_path / name).touch()
    write_text(tmp_path / "a.csv", "ours")
    assert sorted(place.name for place in tmp_path.iterdir()) == sorted([*others, "a.csv"])


def test_a_second_writer_of_a_result_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "cohort.csv"
    call = f"new_result(Path({str(place)!r}), overwrite=True)"
    with another_writer("new_result", call) as other:
        with pytest.raises(OutputError, match="another crsrisk"), new_result(place, overwrite=True):
            pytest.fail("written at the same time")
        with new_result(tmp_path / "elsewhere.csv", overwrite=False):
            write_text(tmp_path / "elsewhere.csv", "ours")
        other.kill()
        other.wait()
    with new_result(place, overwrite=True), write_beside(place) as beside:
        beside.write_text("ours")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cohort.csv", "elsewhere.csv"]
