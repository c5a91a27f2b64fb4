"""A hospital updates a model with its own patients: a new folder, the old one untouched, an honest
account.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from crsrisk.folders import names
from crsrisk.model.landmark import course_columns
from crsrisk.simulation.cohort import simulate_cohort
from tests.simulation.people import arm_of, world_of
from tests.stories.conftest import Job
from tests.stories.terminal import digests, done, refused


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 patients of another world, with what happened to them."""
    place = tmp_path_factory.mktemp("hospital") / "cohort.csv"
    done(
        "simulate",
        "--product",
        "tarlatamab",
        "--patients",
        120,
        "--seed",
        78,
        "--scenario",
        "burden_strong",
        "--out",
        place,
    )
    return place


def test_closed_test_writes_a_new_model_and_leaves_the_old(
    job: Job, cohort: Path, tmp_path: Path
) -> None:
    before = digests(job.model)
    tree = done("update", job.model, cohort, "--out", tmp_path / "new", "--json").tree
    assert digests(job.model) == before
    assert tree["model_after"] == f"{tree['model_before']}+update1"
    assert tree["n_patients"] == 120
    assert tree["closed_test"]["steps"][0]["against"] == "none"
    assert "no external validation" in tree["notice"]
    scored = done("predict", tmp_path / "new", cohort, "--json").tree
    assert scored["model"] == tree["model_after"]


def test_intercept_moves_risks_and_is_told(job: Job, cohort: Path, tmp_path: Path) -> None:
    answer = done("update", job.model, cohort, "--out", tmp_path / "new", "--method", "intercept")
    for words in (
        "calibration-in-the-large: before ",
        "out of fold",
        "An update to few patients is no validation",
    ):
        assert words in answer.out
    assert "-0.00" not in answer.out
    assert " -" not in answer.out.replace(" ->", ""), "figures carry a true minus sign"
    assert "closed test" not in answer.out, "the method was given"
    old = done("predict", job.model, cohort, "--json").tree["rows"]
    new = done("predict", tmp_path / "new", cohort, "--json").tree["rows"]
    assert [row["risk"] for row in old] != [row["risk"] for row in new]


def test_the_page_of_an_updated_model_says_what_its_interval_covers(
    job: Job, cohort: Path, tmp_path: Path
) -> None:
    patient = tmp_path / "patient.yaml"
    done("explain", "template", "tarlatamab", "--out", patient)
    for method, says in (
        ("intercept", "each recalibrated in resampled patients of the update"),
        ("offset-boosting", "The update added trees"),
    ):
        tree = done(
            "update", job.model, cohort, "--method", method, "--out", tmp_path / method, "--json"
        ).tree
        assert says in tree["interval"]
        page = done("explain", "patient", tmp_path / method, patient, "--quick", "--json").tree
        risk = page["risks"]["grade2plus"]
        assert says in risk["interval"]
        assert (risk["low"] is None) == (method == "offset-boosting")
        assert page["reference"] is not None
        assert set(page["risks"]["grade3plus"]) == {"not_estimable"}
        assert "no model" in {one["kind"] for one in page["warnings"]}


def test_a_landmark_model_is_updated_by_those_at_risk(tmp_path: Path) -> None:
    """The released 24 h model, from a table with readings; its page then is the page of a landmark
    model.
    """
    released = next(name for name in sorted(names("released")) if name.startswith("landmark_24h"))
    cohort = simulate_cohort(
        [arm_of("tarlatamab"), arm_of("gpc3_car_t")], world=world_of(), n_patients=200, seed=78
    )
    course = cohort.course[list(course_columns(hour=24))]
    table = pd.concat(
        [cohort.observed, course, cohort.outcomes[["crs_grade2plus", "window_d"]]], axis=1
    )
    table.to_csv(tmp_path / "mine.csv", index=False)
    tree = done(
        "update",
        released,
        tmp_path / "mine.csv",
        "--method",
        "intercept",
        "--out",
        tmp_path / "new",
        "--json",
    ).tree
    n_gone = int((cohort.course["grade__max__h24"] >= 2).sum())
    assert tree["left_out"]["rows that had grade 2 or more by 24 h"] == n_gone
    assert tree["n_patients"] == 200 - n_gone
    done(
        "explain",
        "template",
        "tarlatamab",
        "--model",
        tmp_path / "new",
        "--out",
        tmp_path / "patient.yaml",
    )
    page = done(
        "explain", "patient", tmp_path / "new", tmp_path / "patient.yaml", "--quick", "--json"
    ).tree
    assert page["window"] == "later than 24 hours and within 21 days after the first dose"
    assert page["risks"]["grade2plus"]["low"] is not None
    judged = done("evaluate", released, tmp_path / "mine.csv", "--resamples", 50, "--json").tree
    assert f"{n_gone} had grade 2 or more by 24 h" in judged["data"]["flow"]


def test_rows_without_an_outcome_or_with_impossible_values_are_counted(
    job: Job, cohort: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False).rename(
        columns={"crs_grade2plus": "had_crs"}
    )
    table.loc[0, "had_crs"] = ""
    table.loc[1, "crp_mg_l"] = "-5"
    table.to_csv(tmp_path / "mine.csv", index=False)
    tree = done(
        "update",
        job.model,
        tmp_path / "mine.csv",
        "--outcome",
        "had_crs",
        "--method",
        "none",
        "--out",
        tmp_path / "new",
        "--json",
    ).tree
    assert tree["left_out"] == {
        "rows that cannot be read": 1,
        "rows without an outcome": 1,
        "rows of a product that the model was not trained on": 0,
    }
    assert tree["n_patients"] == 118


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--outcome", "absent"), ("absent", "no such column")),
        (("--method", "magic"), ("--method", "offset-boosting")),
        (("--out", "."), ("there already", "--overwrite")),
    ],
)
def test_refuses_with_a_cure(
    options: tuple[str, str],
    says: tuple[str, ...],
    job: Job,
    cohort: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    refused("update", job.model, cohort, *options, says=says, folder=job.model.parent)
