"""A trial designer asks who should get prophylaxis: of simulated patients, and of a table of his
own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.studies.experiment import kind_of
from crsrisk.studies.policy import PolicyExperiment
from tests.stories.terminal import crsrisk, done, refused

ROOT = Path(__file__).resolve().parents[2]
TABLE = "patient_id,risk,crs\n" + "".join(
    f"{k},{0.05 * (k % 10):.2f},{'yes' if k % 10 > 6 else 'no'}\n" for k in range(60)
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(TABLE)
    return path


def test_a_table_is_weighed_and_written(table: Path) -> None:
    out = table.parent / "answer"
    said = done(
        "policy",
        "table",
        table,
        "--risk-column",
        "risk",
        "--outcome",
        "crs",
        "--rr",
        0.5,
        "--rr-low",
        0.3,
        "--rr-high",
        0.8,
        "--infections-added",
        0.02,
        "--out",
        out,
    )
    assert "never advice on a patient" in said.out
    assert "treat all" in said.out
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    assert (out / "tables" / "worth.csv").read_text().startswith("Policy,")
    tree = done("policy", "table", table, "--risk-column", "risk", "--rr", 0.5, "--json").tree
    assert tree["ledger"]["threshold"] == pytest.approx(0.04)


def test_refused_rows_stand_beside_the_result(tmp_path: Path) -> None:
    table, out = tmp_path / "mine.csv", tmp_path / "out"
    table.write_text(
        "id,risk\n" + "".join(f"{row},0.{row % 5 + 1}\n" for row in range(40)) + "40,x\n"
    )
    words = ("policy", "table", table, "--risk-column", "risk", "--rr", 0.5)
    answer = crsrisk(*words, "--out", out)
    assert answer.code == 2
    assert "row 41, column risk: found 'x'" in answer.err
    assert "refused: risk: 1 cell (row 41)" in answer.out
    assert (out / "refused.csv").read_text().startswith("row,id,risk,why_refused\n41,40,x,")
    assert (out / "report.html").exists()
    refused(*words, "--strict", "--out", tmp_path / "new", says=("row 41",), folder=tmp_path)


@pytest.mark.slow
def test_simulated_patients_are_judged_and_the_page_written(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = done(
        "policy",
        "simulate",
        "tarlatamab",
        "--regimen",
        "label_no_steroid",
        "--strategy",
        "anakinra",
        "--patients",
        100,
        "--repetitions",
        2,
        "--training",
        300,
        "--members",
        2,
        "--html",
        page,
    )
    assert "What would overturn it" in said.out
    assert "What to measure first" in said.out
    assert "mechanism oracle" in page.read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("simulate", "tarlatamab", "--strategy", "aspirin"), ("aspirin", "tocilizumab")),
        (("simulate", "tarlatamab"), ("strategy",)),
        (
            ("simulate", "tarlatamab", "--strategy", "anakinra", "--doses", "100"),
            ("fewer than 100",),
        ),
        (
            ("table", "mine.csv", "--risk-column", "risk", "--rr", "1"),
            ("--rr", "averts nothing"),
        ),
        (("table", "mine.csv", "--risk-column", "risk", "--rr", "60"), ("--rr",)),
        (
            ("table", "mine.csv", "--risk-column", "risk", "--rr", "0.5", "--threshold", "0"),
            ("--threshold",),
        ),
        (
            ("table", "mine.csv", "--risk-column", "risk", "--rr", "0.5", "--threshold", "1"),
            ("--threshold",),
        ),
        (
            ("table", "mine.csv", "--risk-column", "score", "--rr", "0.5"),
            ("score", "no such column"),
        ),
        (
            ("table", "mine.csv", "--risk-column", "risk", "--rr", "0.5", "--outcome", "icans"),
            ("icans",),
        ),
        (("table", "none.csv", "--risk-column", "risk", "--rr", "0.5"), ("none.csv",)),
    ],
)
def test_what_is_wrong_is_said_with_the_cure(
    table: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: tuple[str, ...]
) -> None:
    monkeypatch.chdir(table.parent)
    refused("policy", *words, says=says, folder=table.parent)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("simulate",), "PRODUCT"),
        (("table",), "TABLE"),
        (("simulate", "tarlatamab", "--strategy", "anakinra", "--rr", "0.5"), "--rr"),
        (("table", "mine.csv", "--strategy", "anakinra"), "--strategy"),
    ],
)
def test_options_of_the_other_command_are_unknown(words: tuple[str, ...], says: str) -> None:
    answer = crsrisk("policy", *words)
    assert answer.code == 2
    assert says in answer.err


def test_the_experiment_that_ships_can_be_read() -> None:
    folder = ROOT / "experiments" / "009_prophylaxis"
    assert kind_of(folder) == "prophylaxis"
    asked = build(PolicyExperiment, read_yaml(folder / "experiment.yaml"), where="experiment.yaml")
    assert asked.regimen == "label_no_steroid"
    assert set(asked.strategies) >= {"tocilizumab", "dexamethasone", "anakinra"}
