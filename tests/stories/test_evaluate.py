"""A data scientist evaluates a model in a table of his own, as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from crsrisk.data.files import INDEX
from crsrisk.data.tables import read_table
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.store import save_model
from tests.stories.terminal import done, refused


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model, and a table of other patients with what happened to them."""
    place = tmp_path_factory.mktemp("evaluate")
    for name, seed, n in (("training", 1, 500), ("mine", 2, 400)):
        done(
            "simulate",
            "--patients",
            n,
            "--product",
            "tarlatamab",
            "--product",
            "tebentafusp",
            "--seed",
            seed,
            "--out",
            place / f"{name}.csv",
        )
    table = read_table(place / "training.csv")
    shipped = load_config("baseline")
    quick = shipped.model_copy(
        update={"learner": shipped.learner.model_copy(update={"max_trees": 40, "n_folds": 2})}
    )
    save_model(fit(table, table, config=quick, seed=1), place / "model")
    return place


def test_one_command_says_how_good_it_is(home: Path) -> None:
    answer = done(
        "evaluate", home / "model", home / "mine.csv", "--resamples", 50, "--out", home / "judged"
    )
    for words in (
        "AUROC within products",
        "Calibration slope",
        "Scaled Brier",
        "TRIPOD+AI",
        "400 rows; 400 evaluated",
        "no external validation",
        "95% interval",
    ):
        assert words in answer.out
    assert {path.name for path in (home / "judged").iterdir()} - {INDEX} == {
        "evaluation.json",
        "evaluation.html",
        "tripod_ai.json",
        "probast_ai.json",
        "model_card.md",
    }
    content = json.loads((home / "judged" / "evaluation.json").read_text(encoding="utf-8"))
    assert content["probast_ai"]["development"] is None
    assert content["data"]["outcome_from"].endswith("its column window_d names this window.")


def test_json_is_the_same_dictionary_and_the_same_each_time(home: Path) -> None:
    words = ("evaluate", home / "model", home / "mine.csv", "--resamples", 50, "--json")
    first, second = done(*words), done(*words, "--html", home / "page.html")
    assert first.out == second.out
    assert first.tree["evaluation"]["pooled"]["n"] == 400
    assert "Evaluation of baseline" in (home / "page.html").read_text(encoding="utf-8")


def test_rows_that_cannot_be_evaluated_are_counted(home: Path) -> None:
    table = (
        pd.read_csv(home / "mine.csv", dtype=str)
        .drop(columns="window_d")
        .rename(columns={"crs_grade2plus": "severe"})
    )
    table.loc[0, "severe"] = ""
    table.loc[1, "age_years"] = "430"
    table.to_csv(home / "odd.csv", index=False)
    tree = done(
        "evaluate",
        home / "model",
        home / "odd.csv",
        "--outcome",
        "severe",
        "--resamples",
        50,
        "--json",
    ).tree
    assert (
        tree["data"]["flow"]
        == "400 rows; 398 evaluated; left out: 1 cannot be read, 1 have no outcome."
    )
    assert "taken on trust" in tree["data"]["outcome_from"]


def test_what_is_refused(home: Path, tmp_path: Path) -> None:
    table = pd.read_csv(home / "mine.csv", dtype=str)
    table.assign(window_d="14.0").to_csv(home / "short.csv", index=False)
    table.assign(crs_grade2plus="no").to_csv(home / "none.csv", index=False)
    table.drop(columns="crs_grade2plus").to_csv(home / "unknown.csv", index=False)
    for name, says in (
        ("short", ("row 1, window_d", "14 days", "21 days")),
        ("none", ("0 events in 400 patients",)),
        ("unknown", ("crs_grade2plus", "--outcome")),
    ):
        refused(
            "evaluate",
            home / "model",
            home / f"{name}.csv",
            "--out",
            tmp_path / "out",
            says=says,
            folder=tmp_path,
        )
    refused(
        "evaluate",
        home / "model",
        home / "mine.csv",
        "--threshold",
        30,
        says=("--threshold", "0.3"),
        folder=tmp_path,
    )
    refused(
        "evaluate",
        home / "model",
        home / "mine.csv",
        "--resamples",
        50,
        "--track",
        tmp_path / "mlflow",
        says=("--track", "--out FOLDER"),
        folder=tmp_path,
    )


@pytest.mark.slow
def test_tracked_when_asked(home: Path, tmp_path: Path) -> None:
    answer = done(
        "evaluate",
        home / "model",
        home / "mine.csv",
        "--resamples",
        50,
        "--out",
        tmp_path / "out",
        "--track",
        tmp_path / "mlflow",
    )
    assert "mlflow ui --backend-store-uri" in answer.out
    names = {path.name for path in (tmp_path / "mlflow").rglob("*") if path.is_file()}
    assert {"evaluation.json", "evaluation.html", "model_card.md"} <= names
