"""A data scientist releases the model of an experiment; a clinic uses it, and a damaged copy is
turned away.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.stories.conftest import Job
from tests.stories.terminal import digests, done, refused


@pytest.fixture(scope="module")
def released(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline model of the small main job, released."""
    place = tmp_path_factory.mktemp("released")
    tree = done("release", job.model, "--version", "0.9.0", "--out", place, "--json").tree
    assert [one["name"] for one in tree["releases"]] == ["grade3plus-0.9.0", "baseline-0.9.0"]
    return place / "baseline-0.9.0"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("table") / "cohort.csv"
    done("simulate", "--product", "tarlatamab", "--patients", 12, "--seed", 3, "--out", place)
    return place


def test_it_scores_as_the_model_did(job: Job, released: Path, table: Path) -> None:
    before, after = (
        done("predict", model, table, "--json").tree for model in (job.model, released)
    )
    assert after["rows"] == before["rows"]
    assert after["model"] == "baseline-0.9.0"


def test_again_is_the_same_and_other_content_is_refused(job: Job, released: Path) -> None:
    before = digests(released.parent)
    assert (
        "Released before, the same to the byte"
        in done("release", job.model, "--version", "0.9.0", "--out", released.parent).out
    )
    assert digests(released.parent) == before
    other = job.results / "models" / "grade3plus"
    refused(
        "release",
        other,
        "--name",
        "baseline",
        "--version",
        "0.9.0",
        "--out",
        released.parent,
        says=("a release of another content", "--version"),
        folder=released.parent,
    )


def test_a_model_without_its_companions_is_refused(job: Job, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(job.model, bare)
    manifest = json.loads((bare / "manifest.json").read_text())
    for name in ("bedside.json", "refits.json.gz"):
        (bare / name).unlink()
        del manifest["files"][name]
    (bare / "manifest.json").write_text(json.dumps(manifest))
    refused(
        "release",
        bare,
        "--out",
        tmp_path / "out",
        says=("a reference patient", "crsrisk run"),
        folder=tmp_path,
    )


def test_a_model_without_one_of_grade_3_is_released_and_its_pages_say_so(
    job: Job, tmp_path: Path
) -> None:
    """An updated model has none beside it: the neighbour was not updated."""
    cohort, patient = tmp_path / "cohort.csv", tmp_path / "patient.yaml"
    done("simulate", "--product", "tarlatamab", "--patients", 120, "--seed", 5, "--out", cohort)
    table = pd.read_csv(cohort)
    table["crs_grade2plus"] = np.arange(len(table)) % 3 == 0
    table.to_csv(tmp_path / "known.csv", index=False)
    done(
        "update",
        job.model,
        tmp_path / "known.csv",
        "--method",
        "intercept",
        "--out",
        tmp_path / "new",
    )
    tree = done("release", tmp_path / "new", "--out", tmp_path / "released", "--json").tree
    assert len(tree["releases"]) == 1
    folder = tmp_path / "released" / tree["releases"][0]["name"]
    patient.write_text("product: tarlatamab\ncrp: 42 mg/L\n", encoding="utf-8")
    page = tmp_path / "page.html"
    said = " ".join(
        done("explain", "patient", folder, patient, "--quick", "--html", page).out.split()
    )
    for text in (said, page.read_text(encoding="utf-8")):
        assert "CRS of grade 3 or more is not available for this model" in text
        assert "Refit range" in text, "an update holds no worlds"
    one = done("explain", "patient", folder, patient, "--quick", "--json").tree
    assert set(one["risks"]["grade3plus"]) == {"not_estimable"}
    assert one["estimate"]["grade3plus"] is None
    table_of = done("explain", "table", folder, cohort).out
    assert "not available for this model" in " ".join(table_of.split())


def test_a_damaged_release_is_refused(released: Path, table: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(released, copy)
    content = (copy / "booster.txt.gz").read_bytes()
    (copy / "booster.txt.gz").write_bytes(content[: len(content) // 2])
    refused("predict", copy, table, says=("booster.txt.gz", "SHA-256"), folder=tmp_path)
    refused("release", copy, "--out", tmp_path / "out", says=("booster.txt.gz",), folder=tmp_path)


def test_an_unknown_name(table: Path, tmp_path: Path) -> None:
    refused(
        "predict",
        "basline-0.9.0",
        table,
        says=("an unknown name", "models/released/"),
        folder=tmp_path,
    )
