"""A hospital updates a model with its own patients: a new folder, the old one untouched, an honest account."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.stories.conftest import Job
from tests.stories.terminal import digests, done, refused


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 patients of another world, with what happened to them."""
    place = tmp_path_factory.mktemp("hospital") / "cohort.csv"
    done("simulate", "--product", "tarlatamab", "--patients", 120, "--seed", 78, "--scenario", "burden_strong",
         "--out", place)
    return place


def test_closed_test_writes_a_new_model_and_leaves_the_old(job: Job, cohort: Path, tmp_path: Path) -> None:
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
    for words in ("calibration-in-the-large: before ", "out of fold", "An update to few patients is no validation"):
        assert words in answer.out
    assert "closed test" not in answer.out, "the method was given"
    old = done("predict", job.model, cohort, "--json").tree["rows"]
    new = done("predict", tmp_path / "new", cohort, "--json").tree["rows"]
    assert [row["risk_crs_grade2plus"] for row in old] != [row["risk_crs_grade2plus"] for row in new]


def test_rows_without_an_outcome_or_with_impossible_values_are_counted(job: Job, cohort: Path, tmp_path: Path) -> None:
    table = pd.read_csv(cohort, dtype=str, keep_default_na=False).rename(columns={"crs_grade2plus": "had_crs"})
    table.loc[0, "had_crs"] = ""
    table.loc[1, "crp_mg_l"] = "-5"
    table.to_csv(tmp_path / "mine.csv", index=False)
    tree = done("update", job.model, tmp_path / "mine.csv", "--outcome", "had_crs", "--method", "none", "--out",
                tmp_path / "new", "--json").tree
    assert tree["left_out"] == {"rows that cannot be read": 1, "rows without an outcome": 1}
    assert tree["n_patients"] == 118


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--outcome", "absent"), ("absent", "no such column")), (("--method", "magic"), ("--method", "offset-boosting")),
     (("--out", "."), ("something that is there already",))],
)  # fmt: skip
def test_refuses_with_a_cure(
    options: tuple[str, str], says: tuple[str, ...], job: Job, cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused("update", job.model, cohort, *options, says=says, folder=job.model.parent)
