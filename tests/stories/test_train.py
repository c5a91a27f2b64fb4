"""A data scientist trains a model: from simulated patients, for a landmark, from a table; and
scores with it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.terminal import done, refused


def test_simulated_patients_to_a_model_that_scores(tmp_path: Path) -> None:
    products = ("--product", "tarlatamab", "--product", "tebentafusp")
    tree = done(
        "train",
        "--patients",
        400,
        *products,
        "--out",
        tmp_path / "model",
        "--track",
        tmp_path / "runs",
        "--json",
    ).tree
    assert tree["n_patients"] == 400
    assert tree["products"] == ["tarlatamab", "tebentafusp"]
    assert "no external validation" in tree["notice"]
    assert (tmp_path / "runs" / "mlflow.db").is_file()
    done("simulate", "--patients", 20, *products, "--out", tmp_path / "new.csv")
    scored = done("predict", tmp_path / "model", tmp_path / "new.csv", "--json").tree
    assert scored["counts"]["ok"] + scored["counts"]["warned"] == 20


def test_a_table_with_its_outcomes(tmp_path: Path) -> None:
    done(
        "simulate", "--patients", 300, "--product", "tebentafusp", "--out", tmp_path / "cohort.csv"
    )
    said = done("train", "--table", tmp_path / "cohort.csv", "--out", tmp_path / "model").out
    assert "300 patients" in said
    assert "within 21 days" in said


@pytest.mark.slow
def test_tuned_for_a_landmark(tmp_path: Path) -> None:
    (tmp_path / "quick.yaml").write_text(
        "extends: landmark_24h\n"
        "name: quick\n"
        "learner: {max_trees: 20, n_folds: 2}\n"
        "tuning: {trials: 2, search: {num_leaves: {low: 3, high: 16, is_whole: true}}}\n"
    )
    said = done(
        "train",
        tmp_path / "quick.yaml",
        "--patients",
        300,
        "--product",
        "tarlatamab",
        "--product",
        "gpc3_car_t",
        "--tune",
        "--out",
        tmp_path / "model",
    ).out
    assert "24 h after the first dose" in said
    assert "no longer at risk at 24 h" in said
    assert "Tuned in 2 trials" in said


def test_a_table_and_a_simulation_at_once_are_refused(tmp_path: Path) -> None:
    refused(
        "train",
        "--table",
        tmp_path / "a.csv",
        "--patients",
        100,
        says=("leave one of them out",),
        folder=tmp_path,
    )


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    refused(
        "train",
        "--patients",
        200,
        "--product",
        "tebentafusp",
        "--out",
        tmp_path / "model",
        says=("already",),
        folder=tmp_path,
    )
