"""A clinician asks about one patient: a template, a page, an answer as data, and what is
refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from crsrisk.folders import names
from tests.stories.conftest import Job
from tests.stories.terminal import crsrisk, done, refused

FEW = ("--members", 10, "--people", 50)


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The shipped template, filled in with its own made-up values."""
    place = tmp_path / "patient.yaml"
    said = done("explain", "template", "tarlatamab", "--out", place)
    assert f"Wrote {place}" in said.out
    assert place.read_text(encoding="utf-8") == done("explain", "template", "tarlatamab").out
    return place


def test_from_template_to_page(job: Job, patient: Path, tmp_path: Path) -> None:
    answer = done("explain", "patient", job.model, patient, *FEW, "--html", tmp_path / "page.html")
    for text in (
        "Of 100 patients like this one",
        "CRS of grade 3 or more",
        "90% interval (refitting and assumptions)",
        "Refit range alone",
        "The reasons start from the median patient under Tarlatamab",
        "sets of assumptions",
        "Reference patient, the median patient under Tarlatamab",
        "Raises the risk:",
        "What would change it",
        "no external validation",
    ):
        assert text in answer.out.replace("\n", " ").replace("  ", " ")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "Research use; synthetic data; no external validation." in page
    assert str(tmp_path) not in page


def test_as_data(job: Job, patient: Path) -> None:
    one = done("explain", "patient", job.model, patient, *FEW, "--json").tree
    two = done("explain", "patient", job.model, patient, *FEW, "--workers", 1, "--json").tree
    assert one == two
    assert {"grade2plus", "grade3plus"} <= set(one["risks"])
    assert one["risks"]["grade3plus"]["risk"] <= one["risks"]["grade2plus"]["risk"]
    assert (
        one["risks"]["grade2plus"]["low"]
        < one["risks"]["grade2plus"]["risk"]
        < one["risks"]["grade2plus"]["high"]
    )
    assert (
        done("explain", "patient", job.model, patient, "--quick", "--json").tree["changes"]["rows"]
        == []
    )


def test_the_pages_values_stay_out_of_the_tracking(job: Job, patient: Path, tmp_path: Path) -> None:
    before = sorted(job.mlflow.rglob("*"))
    done("explain", "patient", job.model, patient, "--quick", "--html", tmp_path / "page.html")
    assert sorted(job.mlflow.rglob("*")) == before


def test_a_table(job: Job, tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    done("simulate", "--product", "tarlatamab", "--patients", 5, "--seed", 77, "--out", table)
    tree = done("explain", "table", job.model, table, "--json", "--out", tmp_path / "rows.csv").tree
    assert len(tree["rows"]) == len(pd.read_csv(tmp_path / "rows.csv")) == 5
    assert (
        "Wrote" in done("explain", "table", job.model, table, "--out", tmp_path / "rows.json").out
    )
    assert json.loads((tmp_path / "rows.json").read_text(encoding="utf-8")) == tree


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("albumin: 41 g/dL", ("line 2, albumin", "41 looks like g/L")),
        ("crp: 40", ("line 2, crp", "without a unit")),
        ("ldh: 480 U/L", ("line 2, ldh", "upper limit of normal")),
        ("crpp: 3 mg/L", ("line 2, crpp", "did you mean crp?")),
        ("regimen: lable", ("line 2, regimen", "label")),
        ("sex: no", ("line 2", "bare word no")),
        ("crp: [", ("valid YAML",)),
    ],
)
def test_a_patient_that_cannot_be(
    job: Job, tmp_path: Path, line: str, says: tuple[str, ...]
) -> None:
    place = tmp_path / "one.yaml"
    place.write_text(f"product: tarlatamab\n{line}\n", encoding="utf-8")
    refused(
        "explain",
        "patient",
        job.model,
        place,
        "--html",
        tmp_path / "page.html",
        says=says,
        folder=tmp_path,
    )


def test_what_is_missing_is_named(job: Job, patient: Path, tmp_path: Path) -> None:
    for words, says in (
        ((), "MODEL"),
        ((job.model,), "PATIENT"),
        ((job.model, patient, "--out", tmp_path / "x.csv"), "--out"),
    ):
        answer = crsrisk("explain", "patient", *words)
        assert answer.code == 2
        assert says in answer.err


def test_models_and_patients_that_are_not_there(job: Job, patient: Path, tmp_path: Path) -> None:
    for words, says in (
        (("no_such_model", patient), ("released", "no_such_model")),
        ((job.model, tmp_path / "nobody.yaml"), ("nobody.yaml",)),
        (
            (job.results / "models" / "before_dose_2", patient),
            ("no worst_crs_grade at 168 h", "explain template PRODUCT"),
        ),
    ):
        refused("explain", "patient", *words, says=says, folder=tmp_path)


@pytest.fixture(scope="module")
def released() -> str:
    """The landmark model that ships."""
    return next(name for name in sorted(names("released")) if name.startswith("landmark_24h-"))


def test_a_day_after_the_dose(released: str, tmp_path: Path) -> None:
    """The template of that model holds the course; the page speaks of what is left of the window
    and of the levers.
    """
    place = tmp_path / "patient.yaml"
    done("explain", "template", "tarlatamab", "--model", released, "--out", place)
    text = place.read_text(encoding="utf-8")
    worse = {
        "highest_temperature: 38.1": "highest_temperature: 39.6",
        "lowest_pressure: 80": "lowest_pressure: 72",
    }
    for before, after in worse.items():  # so that there is something to explain
        assert before in text
        text = text.replace(before, after)
    place.write_text(text, encoding="utf-8")
    answer = done(
        "explain",
        "patient",
        released,
        place,
        "--members",
        10,
        "--people",
        300,
        "--html",
        tmp_path / "page.html",
    )
    said = " ".join(answer.out.split())
    for text in (
        "Of 100 patients like this one at 24 hours, without grade 2 or more so far",
        "later than 24 hours and within 21 days after the first dose",
        "Refit range",
        "CRS of grade 3 or more",
        "still at risk at 24 hours",
        "grade 1 by 24 h (first seen by 24 h)",
        "[mediator, fact]",
        "Tocilizumab before dose 2",
        "In the past at 24 hours, so not shown: prophylaxis before",
    ):
        assert text in said
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "C-reactive protein at 6 h" in page
    assert "later than 24 hours and within 21 days after the first dose" in page


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "worst_crs_grade: 1",
            "worst_crs_grade: 2",
            ("course", "CRS of grade 2 by 24 h", "still at risk"),
        ),
        ("worst_crs_grade: 1", "worst_crs_grade: not measured", ("no worst_crs_grade at 24 h",)),
        ("  24 h:", "  25 h:", ("line 44, 25 h", "one of 6 h, 12 h, 24 h")),
        ("crp: 7.9 mg/dL", "crp: 7.9", ("line 45, crp", "without a unit")),
        ("crp: 7.9 mg/dL", "crp: 59 mg/dL", ("24 h, crp", "59 looks like mg/L")),
    ],
)
def test_a_course_that_cannot_be(
    released: str, tmp_path: Path, old: str, new: str, says: tuple[str, ...]
) -> None:
    place = tmp_path / "patient.yaml"
    done("explain", "template", "tarlatamab", "--model", released, "--out", place)
    text = place.read_text(encoding="utf-8")
    assert old in text
    place.write_text(text.replace(old, new), encoding="utf-8")
    refused("explain", "patient", released, place, "--quick", says=says, folder=tmp_path)


def test_a_changed_companion_is_refused(job: Job, patient: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models" / "baseline"
    copy.mkdir(parents=True)
    for file in job.model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "refits.json.gz").write_bytes(b"{}")
    refused(
        "explain",
        "patient",
        copy,
        patient,
        "--quick",
        says=("refits.json.gz", "another hash"),
        folder=tmp_path,
    )
