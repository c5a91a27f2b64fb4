"""What would a trial of this product report? On the terminal, as JSON, and every draw in a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from crsrisk.studies import forecast as module
from tests.data.made_cross_validations import make_cross_validation
from tests.stories.terminal import crsrisk, done, own_copy
from tests.uncertainty.few_members import few_members

INTERVALS = ("predictive", "half", "assumptions")
FIGURES = (
    "crs_any",
    "crs_grade1",
    "crs_grade2",
    "crs_grade2plus",
    "crs_grade3plus",
    "onset_median_h",
    "duration_median_d",
)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four members stand for the ensemble that ships, so that a story takes no minute."""
    monkeypatch.setattr(module, "load_ensemble", few_members)
    monkeypatch.setattr(module, "load_ensemble_about", lambda: None)


def test_a_new_product_is_forecast_from_its_file_alone(tmp_path: Path) -> None:
    mine = own_copy("products", "acapatamab", tmp_path / "my_engager.yaml")
    words = ("forecast", mine, "--patients", 16, "--trial-size", 40)
    tree = done(*words, "--json").tree
    row = tree["products"]["my_engager"]
    for name in FIGURES:
        assert set(row[name]) == {*INTERVALS, "n_members"}
        low, high = (row[name]["predictive"][end] for end in ("low", "high"))
        assert low <= row[name]["half"]["low"] <= row[name]["half"]["high"] <= high
    beside = row["beside"]
    assert beside["own"] == []
    assert beside["neighbours"][0]["product"] == "acapatamab"
    assert beside["basis"]["own_figures"] == 0
    assert {"metric", "value", "n", "verified"} <= set(beside["of_class"][0])
    shown = " ".join(done(*words).out.split())
    assert "my_engager" in shown
    assert "No figure of the product itself was fitted." in shown


def test_a_new_product_is_mixed_by_the_weights_of_the_cross_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any mechanism in the mixture the mechanism's members say nothing of the rates."""
    mine = own_copy("products", "acapatamab", tmp_path / "my_engager.yaml")
    made = make_cross_validation()
    regression = {"mechanism": 0.0, "regression": 1.0, "class_distribution": 0.0}
    scores = {
        name: score.model_copy(update={"weights": regression})
        for name, score in made.summary_of.metrics.items()
    }
    alone = made.model_copy(
        update={"summary_of": made.summary_of.model_copy(update={"metrics": scores})}
    )
    rows = []
    for members in (few_members(low=0.1, high=0.2), few_members(low=2.0, high=2.2)):
        monkeypatch.setattr(module, "load_ensemble", lambda members=members: members)
        monkeypatch.setattr(module, "load_cross_validation", lambda: alone)
        tree = done("forecast", mine, "--patients", 64, "--json").tree
        rows.append(tree["products"]["my_engager"])
    first, second = (row["crs_any"]["predictive"]["value"] for row in rows)
    assert first == pytest.approx(second, abs=0.06), "two draws of the same regression"
    apart = [row["crs_any"]["assumptions"]["value"] for row in rows]
    assert abs(apart[0] - apart[1]) > 0.03, "what the mechanism alone says stays beside it"
    assert rows[0]["beside"]["basis"]["is_mixed"]


def test_every_draw_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "draws.parquet"
    words = ("forecast", "tarlatamab", "--patients", 16, "--trial-size", 40, "--draws", path)
    tree = done(*words, "--json").tree
    draws = pd.read_parquet(path)
    assert set(draws["metric"]) == set(FIGURES)
    of = draws[draws["metric"] == "crs_any"]["reported"]
    assert of.median() == pytest.approx(
        tree["products"]["tarlatamab"]["crs_any"]["predictive"]["value"], abs=0.03
    )
    answer = crsrisk(*words)
    assert answer.code == 2
    assert "--overwrite" in answer.err
    done(*words, "--overwrite")


def test_a_file_of_draws_without_a_known_suffix_is_refused_first(tmp_path: Path) -> None:
    answer = crsrisk("forecast", "tarlatamab", "--draws", tmp_path / "draws.txt")
    assert answer.code == 2
    assert ".csv or .parquet" in answer.err
