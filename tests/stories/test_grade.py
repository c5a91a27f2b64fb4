"""A registry on the command line: graded, written, and refused in one sentence when a row cannot
be.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.terminal import done, refused

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


def test_parquet_out(ward: Path) -> None:
    done("grade", ward, "--out", ward.parent / "grades.parquet", "--json")
    assert (ward.parent / "grades.parquet").is_file()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("3,0,101.5,120,0,0,none", ("row 6, column temperature_c", "found 101.5", "Fahrenheit")),
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
        "--out",
        ward.parent / "new" / "grades.csv",
        says=("ward.csv", *says),
        folder=ward.parent,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--system", "who"), ("--system", "'who'", "astct")),
        (("--alt-upper-limit", "40"), ("--alt-upper-limit", "no column alt_u_l")),
        (("--out", "grades.txt"), ("grades.txt", ".parquet or .csv")),
    ],
)
def test_an_option_that_cannot_be(
    ward: Path, words: tuple[str, str], says: tuple[str, ...]
) -> None:
    refused("grade", ward, *words, says=says, folder=ward.parent)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    refused("grade", tmp_path / "ward.csv", says=("ward.csv", "No such file"), folder=tmp_path)
