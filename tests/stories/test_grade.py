"""A registry on the command line: graded, written, and refused in one sentence when a row cannot
be.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from crsrisk.data.tables import read_table
from tests.stories.terminal import crsrisk, done, refused

HEADER = "patient_id,time_h,temperature_c,sbp_mmhg,has_fluids,n_vasopressors,oxygen_device\n"
ROWS = (
    "1,0,36.8,120,0,0,none\n1,12,38.6,84,1,0,none\n1,24,37.0,92,0,1,none\n"
    "1,48,36.7,118,0,0,none\n2,0,36.9,130,0,0,none\n"
)


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    (tmp_path / "ward.csv").write_text(HEADER + ROWS)
    return tmp_path / "ward.csv"


def test_a_registry_is_graded_under_every_system(ward: Path) -> None:
    shown = done("grade", ward).out
    for part in (
        "2 patients by highest grade",
        "ASTCT 2019",
        "CARTOX",
        "3 (12, 24, 48)",
        "without a clinician's judgement",
    ):
        assert part in shown


def test_as_json(ward: Path) -> None:
    tree = done("grade", ward, "--json").tree
    first, second = tree["patients"]
    assert first["astct"] == {"max_grade": 3, "onset_h": 12.0, "peak_h": 24.0, "resolution_h": 48.0}
    assert (
        first["lee_2014"]["max_grade"],
        first["ctcae_4"]["max_grade"],
        first["mskcc"]["max_grade"],
    ) == (2, 4, 2)
    assert second["astct"]["max_grade"] == 0
    assert len(tree["systems"]) == 7


def test_chosen_systems_and_a_file_of_rows(ward: Path) -> None:
    out = ward.parent / "grades.csv"
    shown = done("grade", ward, "--system", "astct", "--system", "penn", "--out", out).out
    assert "MSKCC" not in shown
    assert f"Wrote {out}" in shown
    assert out.read_text().splitlines()[:3] == [
        "patient_id,time_h,episode,grade_astct,grade_penn",
        "1,0.0,0,0,0",
        "1,12.0,1,2,2",
    ]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_onset_peak_and_resolution_by_patient_and_episode(ward: Path, suffix: str) -> None:
    out = ward.parent / f"grades.{suffix}"
    done("grade", ward, "--system", "astct", "--out", out, "--json")
    patients = (
        pd.read_excel(out, sheet_name="patients")
        if suffix == "xlsx"
        else read_table(ward.parent / f"grades.patients.{suffix}")
    )
    first = patients[
        (patients["patient_id"].astype(str) == "1") & (patients["episode"].astype(str) == "all")
    ]
    assert first[["max_grade", "onset_h", "peak_h", "resolution_h"]].to_numpy().tolist() == [
        [3, 12.0, 24.0, 48.0]
    ]


def test_a_workbook_has_the_same_bytes_again(ward: Path) -> None:
    first, second = (ward.parent / f"{name}.xlsx" for name in ("one", "two"))
    for out in (first, second):
        done("grade", ward, "--out", out, "--json")
    assert first.read_bytes() == second.read_bytes()


def test_icans_beside_crs(ward: Path) -> None:
    rows = ROWS.strip().splitlines()
    text = (
        HEADER.strip()
        + ",ice_score\n"
        + "\n".join(f"{row},{ice}" for row, ice in zip(rows, (10, 8, 2, "", 10), strict=True))
        + "\n"
    )
    ward.write_text(text)
    assert (
        "ICANS (ASTCT): 1 of grade 0, 0 of grade 1, 0 of grade 2, 1 of grade 3"
        in done("grade", ward).out
    )


def test_several_episodes_have_times_of_their_own(ward: Path) -> None:
    ward.write_text(
        HEADER + ROWS + "2,24,38.4,120,0,0,none\n2,36,36.9,120,0,0,none\n"
        "2,120,38.6,84,1,0,none\n2,132,36.9,120,0,0,none\n"
    )
    tree = done("grade", ward, "--system", "astct", "--json").tree
    found = [one for one in tree["episodes"] if str(one["patient_id"]) == "2"]
    assert [(one["episode"], one["max_grade"], one["onset_h"]) for one in found] == [
        (1, 1, 24.0),
        (2, 2, 120.0),
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("3,0,101.5,120,0,0,none", ("row 6, column temperature_c", "found 101.5", "degF")),
        ("3,0,-3,120,0,0,none", ("row 6, column temperature_c", "found -3")),
        ("3,0,38.0,120,0,0,tent", ("row 6, column oxygen_device", "'tent'")),
        ("3,0,38.0,120,0,none given,none", ("row 6, column n_vasopressors", "'none given'")),
        ("2,0,38.0,120,0,0,none", ("row 6, column time_h", "a second time")),
        ("1,6,38.0,120,0,0,none", ("row 6, column time_h", "6 h after 48 h")),
        ("3,0,38.0,120,0,0", ("line 7", "6 cells")),
    ],
)
def test_a_row_that_cannot_be(ward: Path, row: str, says: tuple[str, ...]) -> None:
    ward.write_text(HEADER + ROWS + row + "\n")
    refused(
        "grade",
        ward,
        "--strict",
        "--out",
        ward.parent / "new" / "grades.csv",
        says=("ward.csv", *says),
        folder=ward.parent,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--system", "who"), ("--system", "'who'", "astct")),
        (("--alt-upper-limit", "40"), ("--alt-upper-limit", "no column of ALT")),
        (("--out", "grades.txt"), ("grades.txt", ".parquet, .csv or .xlsx")),
    ],
)
def test_an_option_that_cannot_be(
    ward: Path, words: tuple[str, str], says: tuple[str, ...]
) -> None:
    refused("grade", ward, *words, says=says, folder=ward.parent)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused("grade", tmp_path / "ward.csv", says=("ward.csv", "No such file"), folder=tmp_path)


def test_a_refused_row_costs_its_patient_and_the_others_are_graded(ward: Path) -> None:
    ward.write_text(
        HEADER + ROWS + "3,0,38.0,120,0,0,tent\n3,12,38.0,120,0,0,vent\n,0,38,120,0,0,none\n"
    )
    out = ward.parent / "grades.csv"
    answer = crsrisk("grade", ward, "--system", "astct", "--out", out)
    assert answer.code == 2
    assert "row 6, column oxygen_device" in answer.err
    assert "1 of 3 patients refused, the others graded" in answer.err
    assert "refused: patient_id: 1 cell (row 8)" in answer.out
    assert pd.read_csv(out)["patient_id"].astype(str).unique().tolist() == ["1", "2"]
    refused_rows = pd.read_csv(ward.parent / "grades.refused.csv", dtype=str)
    assert refused_rows["row"].tolist() == ["6", "7", "8"]
    assert refused_rows["oxygen_device"].tolist() == ["tent", "vent", "none"]
    assert refused_rows["why_refused"][1] == "another row of this patient is refused"
    tree = crsrisk("grade", ward, "--json").tree
    assert (tree["n_patients"], tree["n_patients_refused"], tree["n_rows_refused"]) == (2, 1, 3)
    ward.write_text(HEADER + ROWS)
    done("grade", ward, "--system", "astct", "--out", out, "--overwrite")
    assert not (ward.parent / "grades.refused.csv").exists()


def test_nothing_is_written_where_every_patient_is_refused(ward: Path) -> None:
    ward.write_text(HEADER + ROWS.replace("none", "tent"))
    refused(
        "grade", ward, "--out", ward.parent / "grades.csv", says=("'tent'",), folder=ward.parent
    )
