"""The cross-validation over products: there and back, as JSON, the bars, and the dot plot."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.cross_validation import (
    FILE,
    METRICS,
    RIVALS,
    Bar,
    CrossValidation,
    Interval,
    bars,
    by_surprise,
    cross_validation,
    json_of,
    load_cross_validation,
    save_cross_validation,
)
from crsrisk.data.ensemble import load_ensemble
from crsrisk.errors import InputError
from tests.data.made_cross_validations import (
    PRODUCTS,
    make_cross_validation,
    make_rate,
    make_score,
    make_summary,
)

ROW_KEYS = {
    "id",
    "product",
    "platform",
    "metric",
    "published",
    "n",
    "median",
    "low_95",
    "high_95",
    "low_50",
    "high_50",
    "crps",
    "crps_class_mean",
    "crps_class",
    "crps_regression",
}
SCORES = ("mae", "inside_95", "inside_50", "skill_against_class", "skill_against_regression")


@pytest.fixture(scope="module")
def made() -> CrossValidation:
    return make_cross_validation()


def bar_of(made: CrossValidation, name: str) -> Bar:
    (bar,) = [bar for bar in bars(made) if bar.name == name]
    return bar


def test_there_and_back(made: CrossValidation, tmp_path: Path) -> None:
    save_cross_validation(made, tmp_path)
    assert load_cross_validation(tmp_path) == cross_validation(tmp_path) == made
    for again in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert again == made
    assert len(repr(made)) < 2_000
    assert "18 published rates of 6 products, 95% inside 95% intervals" in repr(made)


def test_one_that_was_not_computed_is_none_or_refused_with_the_cure(tmp_path: Path) -> None:
    assert load_cross_validation(tmp_path) is None
    with pytest.raises(InputError, match=r"not computed.*crsrisk run experiments/002_calibration"):
        cross_validation(tmp_path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"rows": []}')
    with pytest.raises(InputError, match=FILE):
        load_cross_validation(tmp_path)


def test_json_has_plain_numbers_and_intervals_apart(made: CrossValidation) -> None:
    tree = json.loads(json.dumps(json_of(made), allow_nan=False))
    assert tree == json.loads(json.dumps(made.to_dict()))
    assert len(tree["rows"]) == len(made.rows)
    for row, of in zip(tree["rows"], made.rows, strict=True):
        assert set(row) >= ROW_KEYS
        assert (row["id"], row["median"], row["low_50"]) == (of.id, of.median, of.low_50)
        for rival, short in RIVALS.items():
            assert row[f"crps_{short}"] == of.crps_of(rival)
    assert {row["crps_class"] is None for row in tree["rows"] if row["group"] == "others"} == {True}
    summary = tree["summary"]
    for metric in METRICS:
        score = made.summary_of.metrics[metric]
        for name in SCORES:
            figure: Interval = getattr(score, name)
            assert summary[metric][name] == figure.value
            assert summary[metric]["intervals"][name] == [figure.low, figure.high]
    assert summary["rank_correlation_any"] == 0.41
    assert summary["intervals"]["rank_correlation_any"] == [0.05, 0.7]
    assert (summary["mae_any_engagers"], summary["mae_any_cells"]) == (0.16, 0.24)
    assert [bar["name"] for bar in tree["bars"]] == [bar.name for bar in bars(made)]


def test_a_frame_has_a_row_for_each_rate(made: CrossValidation) -> None:
    frame = made.to_frame()
    assert len(frame) == len(made.rows)
    assert set(frame) >= ROW_KEYS


# What was asked.


def test_bars_by_hand(made: CrossValidation) -> None:
    assert {bar.name: bar.met for bar in bars(made)} == {
        "crps_any_against_class": True,  # 15% below, 10% asked
        "crps_any_against_regression": True,  # 4% below, 2% above allowed
        "mae_any_engagers": True,  # 0.16 of 0.19
        "mae_any_cells": False,  # 0.24 of 0.23
        "rank_correlation_any": True,  # 0.41, 0.3 asked
        "log_density_grade2plus": True,  # -2.8 above -3.1
        "log_density_grade3plus": False,  # -1.2 below -1.1
        "inside_95": True,  # 95%, 90% asked
        "pit_p": True,  # 0.32, 0.01 asked
    }
    assert bar_of(made, "crps_any_against_class").found == "15.0% below"
    assert bar_of(made, "log_density_grade3plus").found == "0.100 below"
    assert bar_of(made, "mae_any_cells").verdict == "missed"
    assert "at most 23 of 100" in bar_of(made, "mae_any_cells").words


@pytest.mark.parametrize(
    ("name", "changes", "met"),
    [
        ("crps_any_against_class", {"skill_against_class": 0.0999}, False),
        ("crps_any_against_class", {"skill_against_class": 0.1}, True),
        ("crps_any_against_regression", {"skill_against_regression": -0.02}, True),
        ("crps_any_against_regression", {"skill_against_regression": -0.021}, False),
    ],
)
def test_bars_of_the_crps(name: str, changes: dict[str, float], met: bool) -> None:
    score = make_score(
        **{key: Interval(value=value, low=None, high=None) for key, value in changes.items()}
    )
    metrics = {**make_summary().metrics, "crs_any_rate": score}
    bar = bar_of(make_cross_validation(summary_of=make_summary(metrics=metrics)), name)
    assert bar.met is met
    assert bar.value == next(iter(changes.values()))


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({"log_density": None}, False),
        ({"log_density_class": None}, True),
        ({"log_density": None, "log_density_class": None}, None),
        ({"log_density": -3.1}, True),
        ({"log_density": -3.11}, False),
    ],
)
def test_a_count_without_probability(changes: dict[str, Any], met: bool | None) -> None:
    """A density of zero has no logarithm: whoever forecast it is the worse."""
    metrics = {**make_summary().metrics, "crs_grade2plus_rate": make_score(**changes)}
    made = make_cross_validation(summary_of=make_summary(metrics=metrics))
    assert bar_of(made, "log_density_grade2plus").met is met


def test_what_cannot_be_had_is_not_known() -> None:
    nothing = Interval(value=None, low=None, high=None)
    made = make_cross_validation(
        summary_of=make_summary(metrics={}, rank_correlation_any=nothing, inside_95_all=nothing)
    )
    verdicts = {bar.name: bar.verdict for bar in bars(made)}
    assert {name for name, verdict in verdicts.items() if verdict != "not known"} == {
        "mae_any_engagers",
        "mae_any_cells",
        "pit_p",
    }
    assert "not estimable" in bar_of(made, "inside_95").found


# The order and the picture.


@given(st.permutations(list(PRODUCTS)), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_the_most_surprising_product_comes_first(products: list[str], pits: list[float]) -> None:
    rows = [
        make_rate(product, metric, pit=pit)
        for product, pit in zip(products, pits, strict=True)
        for metric in METRICS[::-1]
    ]
    ordered = by_surprise(rows)
    most = [max(row.surprise for row in of) for of in ordered]
    assert most == sorted(most, reverse=True)
    assert [[row.metric for row in of] for of in ordered] == [list(METRICS)] * len(PRODUCTS)


def test_surprise_by_hand() -> None:
    assert make_rate("made_up_a", pit=0.5).surprise == 0.0
    assert make_rate("made_up_a", pit=0.975).surprise == pytest.approx(0.95)
    assert make_rate("made_up_a", pit=0.0).surprise == 1.0


def test_the_plot_holds_scored_products_alone(made: CrossValidation) -> None:
    data = made.forecasts()
    assert len(data.rows) == 5
    assert data.rivals == ("class mean", "class distribution", "regression")
    first = by_surprise(made.of("crs_any_rate"))[0][0]
    assert first.product == "made_up_b"
    assert data.rows[0].label == "Made-up B, 25 patients"
    assert data.rows[0].published == first.published
    assert data.rows[0].rivals == (0.5, 0.5, 0.55)
    assert "no external validation" in data.description
    assert made.plot(title="Any grade").figure is not None
    assert len(made.forecasts("crs_grade3plus_rate").rows) == 5


def test_the_one_that_ships_is_of_the_ensemble_that_ships() -> None:
    assert cross_validation().ensemble == load_ensemble().digest
