"""PublishedForecast: published figures and new products over a small ensemble."""

from __future__ import annotations

import json
from math import nan
from typing import Any

import pytest

from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.errors import InputError
from crsrisk.studies.forecast import (
    PublishedForecast,
    as_written,
    forecast_products,
    forecast_published,
    forecast_tree,
    print_products,
    print_published_forecasts,
    summarise_forecasts,
)
from crsrisk.uncertainty.forecast import Forecast
from tests.simulation.people import product_of, world_of


def _few() -> Ensemble:
    whole = load_ensemble()
    return Ensemble(
        whole.keys, whole.values[:4], whole.weights[:4] / whole.weights[:4].sum(), whole.assumptions
    )


@pytest.fixture(scope="module")
def rows() -> list[PublishedForecast]:
    trials = [
        trial
        for trial in load_trials()
        if trial.name in ("tarlatamab_label_2025", "tarlatamab_moffitt")
    ]
    return forecast_published(trials, ensemble=_few(), world=world_of(), n=96, n_rare=96, seed=1)


def test_the_answer_has_what_was_promised(rows: list[PublishedForecast]) -> None:
    tree = json.loads(json.dumps(forecast_tree(rows), allow_nan=False))
    assert {
        "targets",
        "inside",
        "validation_targets",
        "validation_inside",
        "mean_abs_error_any",
        "validation_mean_abs_error_any",
    } <= set(tree["summary"])
    assert {
        "id",
        "product",
        "metric",
        "published",
        "n",
        "low",
        "high",
        "simulated",
        "mc_error",
        "agrees",
        "predictive_low",
        "predictive_high",
        "role",
    } <= set(tree["rows"][0])
    assert tree["summary"]["targets"] == 17
    assert tree["summary"]["validation_targets"] == 2


def test_the_counts_are_of_what_lies_inside() -> None:
    trial = next(trial for trial in load_trials() if trial.name == "tarlatamab_label_2025")
    by_id = {figure.id: figure for figure in trial.rows}

    def row(name: str, low: float, high: float, value: float = 0.5) -> PublishedForecast:
        return PublishedForecast(by_id[name], trial, Forecast(value, 0.01, low, high, low, high, 4))

    found = summarise_forecasts(
        [row("E030", 0.5, 0.6), row("E035", 0.2, 0.3), row("E046", nan, nan)]
    )
    assert (found["targets"], found["inside"], found["not_judged"]) == (2, 1, 1)
    assert found["mean_abs_error_any"] == pytest.approx(0.0666)
    assert found["mean_width_grade2plus"] == pytest.approx(0.1)
    assert found["validation_mean_abs_error_any"] is None


def test_a_new_product_has_intervals_and_a_trial_size_widens_them() -> None:
    choices: dict[str, Any] = {
        "ensemble": _few(),
        "world": world_of(),
        "n": 96,
        "n_rare": 96,
        "seed": 1,
    }
    plain = forecast_products([product_of("acapatamab")], **choices)["acapatamab"]
    small = forecast_products([product_of("acapatamab")], **choices, trial_size=20)["acapatamab"]
    for name in ("crs_any", "crs_grade2plus", "crs_grade3plus"):
        assert 0.0 <= plain[name]["low"] <= plain[name]["high"] <= 1.0
        assert small[name]["value"] == plain[name]["value"]
    assert (
        small["crs_any"]["high"] - small["crs_any"]["low"]
        > plain["crs_any"]["high"] - plain["crs_any"]["low"]
    )
    assert plain["onset_median_h"]["value"] > 0
    assert plain["grading"].startswith("Lee")
    assert (plain["trial_size"], small["trial_size"]) == (None, 20)
    assert "no external validation" in plain["notice"]


def test_prophylaxis_lowers_the_forecast() -> None:
    choices: dict[str, Any] = {
        "ensemble": _few(),
        "world": world_of(),
        "n": 96,
        "n_rare": 96,
        "seed": 1,
    }
    plain, with_it = (
        forecast_products([product_of("tebentafusp")], **choices, mitigations=given)["tebentafusp"]
        for given in ((), ("tocilizumab",))
    )
    assert with_it["crs_any"]["value"] < plain["crs_any"]["value"]


def test_what_is_printed(rows: list[PublishedForecast], capsys: pytest.CaptureFixture[str]) -> None:
    print_published_forecasts(rows)
    shown = capsys.readouterr().out
    assert "no external validation" in shown
    assert "calibration:" in shown
    assert "counted once" in shown
    found = forecast_products(
        [product_of("tarlatamab")], ensemble=_few(), world=world_of(), n=96, n_rare=96, seed=1
    )
    print_products(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert "tarlatamab" in shown
    assert "no external validation" in shown


def test_overlapping_sources_count_once() -> None:
    trials = {trial.name: trial for trial in load_trials()}
    figures = [
        (trials[name], trials[name].figures[0])
        for name in ("tarlatamab_label_2025", "tarlatamab_label_2024")
    ]
    there = Forecast(0.5, 0.01, 0.0, 1.0, 0.0, 1.0, 4)
    found = summarise_forecasts(
        [PublishedForecast(figure, trial, there) for trial, figure in figures]
    )
    assert found["targets"] == 2
    assert found["counted_once"]["calibration"]["sources"] == 1
    assert found["counted_once"]["calibration"]["targets"] == 1
    assert found["counted_once"]["validation"] == {
        "sources": 0,
        "targets": 0,
        "inside": 0,
        "mean_abs_error_any": None,
    }


def test_recalled_figures_are_counted_apart() -> None:
    trial = next(trial for trial in load_trials() if trial.name == "tarlatamab_label_2025")
    there = Forecast(0.5, 0.01, 0.0, 1.0, 0.0, 1.0, 4)
    figures = [trial.figures[0], trial.figures[0].model_copy(update={"source_kind": "RECALL"})]
    assert [figure.verified for figure in figures] == [True, False]
    found = summarise_forecasts([PublishedForecast(figure, trial, there) for figure in figures])
    assert (found["targets"], found["verified"]["calibration"]["targets"]) == (2, 1)
    assert found["verified"]["validation"]["mean_abs_error_any"] is None


def test_a_number_that_a_users_file_states_is_not_the_ensembles() -> None:
    """A file called as a calibrated product: its own numbers count, those it leaves alone stay
    calibrated.
    """
    shipped = product_of("tarlatamab")
    affinity = shipped.binding.tumour_affinity_nm.model_copy(update={"value": 1.9})
    mine = shipped.model_copy(
        update={"binding": shipped.binding.model_copy(update={"tumour_affinity_nm": affinity})}
    )
    whole = load_ensemble()
    assert as_written(whole, [shipped, product_of("acapatamab")]) is whole
    assert set(whole.keys) - set(as_written(whole, [mine]).keys) == {
        "product:tarlatamab.binding.tumour_affinity_nm"
    }
    assert as_written(whole, [mine.model_copy(update={"name": "my_tarlatamab"})]) is whole


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"regimen": "lable"}, "label_no_steroid"),
        ({"mitigations": ("tocilizumap",)}, "tocilizumab"),
        ({"mitigations": ("oxygen",)}, "support policy"),
    ],
)
def test_what_an_arm_cannot_be_is_refused(choice: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        forecast_products(
            [product_of("tarlatamab")],
            ensemble=_few(),
            world=world_of(),
            n=96,
            n_rare=96,
            seed=1,
            **choice,
        )


def test_a_product_twice_is_refused() -> None:
    with pytest.raises(InputError, match="more than once"):
        forecast_products(
            [product_of("tarlatamab")] * 2,
            ensemble=_few(),
            world=world_of(),
            n=96,
            n_rare=96,
            seed=1,
        )
