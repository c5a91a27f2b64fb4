"""Grading a registry: rows, patients, agreement and what is printed, from one small invented
ward.
"""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import polars
import pytest

from crsrisk.data.files import read_csv_cells
from crsrisk.data.grading_systems import GradingSystem
from crsrisk.errors import InputError, OutputError
from crsrisk.studies.grade import LABELS, NOTICE, GradedRegistry, grade_registry, print_graded

# A: fluids and 6 L/min by nasal cannula, ALT rises later. B: one vasopressor for 26 h, masks. C:
# nothing. D: fluids only.
WARD = """\
patient_id,time_h,temperature_c,map_mmhg,sbp_mmhg,has_fluids,n_vasopressors,oxygen_device,oxygen_flow_l_min,fio2_pct,alt_x_uln
A,0,36.8,90,120,0,0,none,,,0.8
A,12,38.9,80,110,0,0,none,,,
A,24,38.2,62,88,1,0,nasal_cannula,6,36,2.0
A,36,37.2,75,105,0,0,none,,,6.1
A,60,36.9,85,118,0,0,none,,,2.0
B,0,36.9,88,118,0,0,none,,,
B,10,39.4,58,80,1,1,face_mask,5,,
B,36,38.0,60,84,1,1,non_rebreather,15,,
B,60,36.9,82,112,0,0,none,,,
C,0,36.6,92,125,0,0,none,,,
D,0,38.4,63,92,1,0,none,,,
"""
GRADES = {  # of the patients A, B, C, D, worked out by hand from the published scales
    "astct": (2, 3, 0, 2),
    "lee_2014": (3, 3, 0, 2),
    "ctcae_4": (2, 4, 0, 2),
    "ctcae_5": (2, 3, 0, 2),
    "penn": (3, 3, 0, 2),
    "mskcc": (2, 3, 0, 1),
    "cartox": (3, 3, 0, 2),
}


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    (tmp_path / "ward.csv").write_text(WARD)
    return tmp_path / "ward.csv"


@pytest.fixture
def graded(ward: Path) -> GradedRegistry:
    return grade_registry(ward)


def patient(tree: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in tree["patients"] if one["patient_id"] == name)
    return found


def test_highest_grade_of_every_patient(graded: GradedRegistry) -> None:
    found = {
        system.value: tuple(graded.milestones(system)["max_grade"]) for system in graded.systems
    }
    assert found == GRADES


def test_milestones_differ_between_systems(graded: GradedRegistry) -> None:
    a = patient(graded.to_dict(), "A")
    assert a["astct"] == {"max_grade": 2, "onset_h": 12.0, "peak_h": 24.0, "resolution_h": 36.0}
    assert a["lee_2014"] == {"max_grade": 3, "onset_h": 12.0, "peak_h": 36.0, "resolution_h": 60.0}
    assert a["n_episodes"] == 1
    d = patient(graded.to_dict(), "D")
    assert d["astct"]["resolution_h"] is None, "signs at the last row"
    c = patient(graded.to_dict(), "C")
    assert c["penn"] == {"max_grade": 0, "onset_h": None, "peak_h": None, "resolution_h": None}


def test_tree_is_json_and_its_parts_agree(graded: GradedRegistry) -> None:
    tree = json.loads(json.dumps(graded.to_dict(), allow_nan=False))
    assert (tree["n_rows"], tree["n_patients"]) == (11, 4)
    assert tree["summary"]["astct"]["n_by_max_grade"] == [1, 0, 2, 1, 0, 0]
    assert tree["summary"]["astct"]["share_grade2plus"] == 0.75
    assert tree["summary"]["astct"]["n_resolved"] == 2
    assert len(tree["agreement"]) == 21
    pair = next(
        one for one in tree["agreement"] if (one["first"], one["second"]) == ("astct", "lee_2014")
    )
    assert pair["exact"] == 0.75
    assert pair["table"][2][3] == 1
    assert sum(map(sum, pair["table"])) == 4
    assert pair["kappa"]["value"] == graded.agreement()["kappa"][0]
    assert (pair["kappa"]["low"], pair["kappa"]["high"]) == (None, None), "four are too few"
    assert tree["notice"] == NOTICE
    assert any("FiO2 estimated" in reading for reading in tree["readings"])


def test_rows_are_written_in_the_order_of_the_file(ward: Path) -> None:
    out = ward.parent / "new" / "rows.csv"
    graded = grade_registry(ward, systems=("penn", "astct"), out=out)
    cells = read_csv_cells(out)
    assert list(cells.columns) == ["patient_id", "time_h", "episode", "grade_astct", "grade_penn"]
    assert cells["grade_astct"].tolist() == ["0", "1", "2", "0", "0", "0", "3", "3", "0", "0", "2"]
    assert cells["grade_penn"].tolist() == ["0", "1", "3", "2", "0", "0", "3", "3", "0", "0", "2"]
    pd.testing.assert_frame_equal(
        graded.to_frame()[["grade_astct"]], cells[["grade_astct"]].astype("int64")
    )


def test_one_system_has_nothing_to_agree_with(ward: Path) -> None:
    graded = grade_registry(ward, systems=("lee_2014",))
    assert graded.systems == (GradingSystem.LEE_2014,)
    assert graded.to_dict()["agreement"] == []


def test_a_table_in_memory_is_graded_like_its_file(ward: Path, graded: GradedRegistry) -> None:
    """A table of pandas or polars, numbers as numbers; grades as in the file."""
    frame = pd.read_csv(ward)
    for table in (frame, polars.from_pandas(frame)):
        again = grade_registry(table)
        pd.testing.assert_frame_equal(again.to_frame(), graded.to_frame())
        assert again.to_dict() | {"file": graded.source} == graded.to_dict()


def test_the_result_shows_itself_and_survives_copies(graded: GradedRegistry) -> None:
    shown = repr(graded)
    assert "4 patients, 11 rows; grade 2 or more: 75 of 100 by ASTCT 2019" in shown
    assert len(shown) < 2000
    assert "<table" in graded._repr_html_()
    assert graded.of_system("astct").n_by_max_grade == (1, 0, 2, 1, 0, 0)
    assert len(graded.agreement()) == 21
    for again in (pickle.loads(pickle.dumps(graded)), copy.deepcopy(graded)):
        assert again.to_dict() == graded.to_dict()


def test_names_nobody_knows_and_a_file_that_would_be_lost(ward: Path) -> None:
    with pytest.raises(InputError, match=r"--system.*'lee'.*lee_2014"):
        grade_registry(ward, systems=("lee",))
    with pytest.raises(OutputError, match="the table that is graded"):
        grade_registry(ward, out=ward)
    assert ward.read_text() == WARD


def test_mixed_order_of_patients_changes_nothing(ward: Path, graded: GradedRegistry) -> None:
    header, *lines = WARD.splitlines()
    by_time = sorted(lines, key=lambda line: float(line.split(",")[1]))
    ward.write_text("\n".join([header, *by_time]) + "\n")
    again = grade_registry(ward).to_dict()
    first = graded.to_dict()
    assert sorted(again["patients"], key=lambda one: str(one["patient_id"])) == first["patients"]
    assert again["summary"] == first["summary"]


def test_printed(graded: GradedRegistry, capsys: pytest.CaptureFixture[str]) -> None:
    print_graded(graded, out=Path("rows.csv"), at_most=2)
    shown = capsys.readouterr().out
    for label in LABELS.values():
        assert label in shown
    for part in (
        "4 patients by highest grade",
        "and 2 more patients",
        "Agreement",
        "Wrote rows.csv",
        "read as: ",
        NOTICE,
    ):
        assert part in shown
