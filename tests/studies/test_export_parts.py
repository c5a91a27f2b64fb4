"""Cohorts in parts: one table, gone on with from what stands, on disk and behind an address."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

from crsrisk.data.part_files import MANIFEST, Folder
from crsrisk.data.provenance import origin_of
from crsrisk.data.table_files import open_table
from crsrisk.errors import InputError, OutputError
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies import export_parts as module
from crsrisk.studies.export import ExportedCohort, one_table
from crsrisk.studies.export_parts import export_parts
from tests.simulation.people import arm_of, world_of

ARMS = [arm_of("tarlatamab"), arm_of("tebentafusp")]


def exported(place: Path | str, **choices: Any) -> ExportedCohort:
    asked = {"n_patients": 50, "part_size": 20, "seed": 2} | choices
    return export_parts(str(place), arms=ARMS, world=world_of(), **asked)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


class _PulledError(Exception):
    """The plug."""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """First patients of the parts that are simulated."""
    starts: list[int] = []
    stream = module.stream_cohort

    def noted(*arms: Any, **choices: Any) -> Any:
        starts.append(choices["start"])
        return stream(*arms, **choices)

    monkeypatch.setattr(module, "stream_cohort", noted)
    return starts


def test_the_parts_are_the_cohort(tmp_path: Path) -> None:
    told = exported(tmp_path / "a")
    whole = one_table(simulate_cohort(ARMS, world=world_of(), n_patients=50, seed=2))
    pd.testing.assert_frame_equal(open_table(tmp_path / "a").cells, whole)
    assert (told.n_parts, told.products["tarlatamab"].n) == (3, 25)
    assert told.products["tarlatamab"].crs_any.value == whole["crs_any"][::2].mean()
    assert origin_of(tmp_path / "a") == "simulated"
    tree = json.loads((tmp_path / "a" / MANIFEST).read_text(encoding="utf-8"))
    assert (tree["n_rows"], [part["n_rows"] for part in tree["parts"]]) == (50, [20, 20, 10])
    assert set(contents(tmp_path / "a")) == {MANIFEST, *(part["file"] for part in tree["parts"])}


def test_an_address_holds_the_same_bytes(tmp_path: Path) -> None:
    exported(tmp_path / "a")
    exported("memory://shared/cohort")
    system = fsspec.filesystem("memory")
    there = {
        name.rpartition("/")[2]: system.cat_file(name) for name in system.find("/shared/cohort")
    }
    assert there == contents(tmp_path / "a")
    with pytest.raises(OutputError, match="an older result"):
        exported("memory://shared/cohort")


def test_the_same_command_goes_on(tmp_path: Path, made: list[int]) -> None:
    exported(tmp_path / "whole")
    made.clear()

    def begin(title: str, total: int) -> Callable[[int], None]:
        def advance(n: int) -> None:
            if len(made) == 2:
                raise _PulledError

        return advance

    with pytest.raises(_PulledError):
        exported(tmp_path / "a", begin=begin)
    assert made == [0, 20]
    with pytest.raises(InputError, match="not all parts"):
        open_table(tmp_path / "a")
    (tmp_path / "a" / "part-000000.parquet").write_bytes(b"damaged")
    made.clear()
    told = exported(tmp_path / "a")
    assert made == [0, 40]
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")
    assert told.to_dict() == exported(tmp_path / "whole", overwrite=True).to_dict() | {
        "files": [str(tmp_path / "a")]
    }


def test_another_cohort_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled(*of: Any, **choices: Any) -> None:
        raise _PulledError

    monkeypatch.setattr(module, "_all_parts", pulled)
    with pytest.raises(_PulledError):
        exported(tmp_path / "a")
    monkeypatch.undo()
    with pytest.raises(OutputError, match="another cohort"):
        exported(tmp_path / "a", seed=3)
    monkeypatch.setattr(module, "software_here", lambda: {"numpy": "0"})
    with pytest.raises(OutputError, match="other software"):
        exported(tmp_path / "a")
    monkeypatch.undo()
    exported(tmp_path / "a", seed=3, overwrite=True)
    exported(tmp_path / "b", seed=3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_files_of_somebody_else_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="other files"):
            exported(tmp_path, overwrite=overwrite)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_missing_or_changed_part_is_told(tmp_path: Path) -> None:
    exported(tmp_path / "a")
    part = tmp_path / "a" / "part-000001.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"?")
    assert origin_of(tmp_path / "a") == "table"
    part.unlink()
    with pytest.raises(InputError, match="1 of 3 parts missing"):
        open_table(tmp_path / "a")


def test_parts_that_cannot_be_seen_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that write to disks of their own."""
    names = Folder.names
    monkeypatch.setattr(
        Folder,
        "names",
        lambda self, inside="": {
            name: size for name, size in names(self, inside).items() if "000002" not in name
        },
    )
    with pytest.raises(OutputError, match="1 of 3 parts that workers wrote"):
        exported(tmp_path / "a")
    assert MANIFEST not in contents(tmp_path / "a")


def test_an_address_that_nothing_opens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        exported("nowhere://bucket/cohort")
