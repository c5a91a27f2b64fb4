"""Forecasts of products and of published figures over a small ensemble."""

from __future__ import annotations

import copy
import json
import pickle
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.errors import InputError, OutputError
from crsrisk.results import Estimate
from crsrisk.studies.evidence import (
    Coverage,
    PublishedForecast,
    PublishedForecasts,
    forecast_published,
    print_published_forecasts,
)
from crsrisk.studies.forecast import (
    ASKED,
    RATES,
    TIMES,
    Forecast,
    as_written,
    forecast,
    prepare_draws,
    write_draws,
)
from crsrisk.uncertainty.forecast import PredictiveInterval
from tests.simulation.people import product_of, world_of
from tests.uncertainty.few_members import few_members


def _few() -> Ensemble:
    return few_members(4)


def _interval(value: float, low: float, high: float) -> PredictiveInterval:
    told = Estimate(value, low, high)
    return PredictiveInterval(Estimate(value, low, high, mc_error=0.01), told, told, 4)


@pytest.fixture(scope="module")
def rows() -> PublishedForecasts:
    trials = [
        trial
        for trial in load_trials()
        if trial.name in ("tarlatamab_label_2025", "tarlatamab_moffitt")
    ]
    return forecast_published(trials, ensemble=_few(), world=world_of(), n=96, n_rare=96, seed=1)


def test_the_answer_has_what_was_promised(rows: PublishedForecasts) -> None:
    tree = json.loads(json.dumps(rows.to_dict(), allow_nan=False))
    for counted in ("all", "verified", "counted_once"):
        for use in ("likelihood", "shown"):
            assert set(tree["summary"][counted][use]) == {
                "sources",
                "targets",
                "inside",
                "mean_abs_error_any",
            }
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
        "use",
    } <= set(tree["rows"][0])
    # at most four figures of the label are fitted; the other centre prints two
    assert tree["summary"]["all"]["likelihood"]["targets"] == 4 + 2
    assert tree["summary"]["all"]["shown"]["targets"] == 17 - 4


def test_the_counts_are_of_what_lies_inside() -> None:
    trial = next(trial for trial in load_trials() if trial.name == "tarlatamab_label_2025")
    by_id = {figure.id: figure for figure in trial.rows}

    def row(name: str, low: float, high: float) -> PublishedForecast:
        return PublishedForecast(by_id[name], trial, _interval(0.5, low, high), "likelihood")

    made = PublishedForecasts((row("E030", 0.5, 0.6), row("E035", 0.2, 0.3), row("E046", nan, nan)))
    fitted = made.all.likelihood
    assert (fitted.targets, fitted.inside, made.n_not_judged) == (2, 1, 1)
    assert fitted.mean_abs_error_any == pytest.approx(0.0666)
    assert made.mean_width_grade2plus == pytest.approx(0.1)
    assert made.all.shown.mean_abs_error_any is None


def _forecast(*products: str, **choices: Any) -> Forecast:
    return forecast(
        [product_of(name) for name in products],
        **{"ensemble": _few(), "world": world_of(), "n_patients": 96, "seed": 1, **choices},
    )


def test_a_new_product_has_intervals_and_a_trial_size_widens_them() -> None:
    plain, small = _forecast("acapatamab"), _forecast("acapatamab", trial_size=20)
    for name in RATES:
        without, with_chance = (made["acapatamab"].metric(name) for made in (plain, small))
        assert 0.0 <= without.predictive.low <= without.predictive.high <= 1.0
        assert without.predictive.low <= without.half.low <= without.half.high
        assert without.half.high <= without.predictive.high
        counts = 20 * with_chance.predictive.value
        assert counts == pytest.approx(round(counts)), "what a trial of 20 would print"
    any_grade, any_grade_small = (made["acapatamab"].crs_any.predictive for made in (plain, small))
    assert any_grade_small.high - any_grade_small.low > any_grade.high - any_grade.low
    assert plain["acapatamab"].onset_median_h.predictive.value > 0
    assert plain["acapatamab"].grading.startswith("Lee")
    assert (plain.trial_size, small.trial_size) == (None, 20)
    assert "no external validation" in plain.notice


def test_a_forecast_is_an_object_that_shows_itself_and_can_be_kept() -> None:
    made = _forecast("tarlatamab", "tebentafusp", trial_size=40)
    for kept in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert repr(kept.to_dict()) == repr(made.to_dict()), "by text: unknown ends are NaN"
    assert len(repr(made)) < 2_000
    assert "grade >= 2" in repr(made)
    assert "<table" in made._repr_html_()
    frame = made.to_frame().set_index(["product", "metric"])
    assert len(frame) == 2 * len(ASKED)
    row = frame.loc[("tarlatamab", "crs_grade2plus")]
    exact = made["tarlatamab"].crs_grade2plus
    assert (row["median"], row["low"], row["high"]) == (
        exact.predictive.value,
        exact.predictive.low,
        exact.predictive.high,
    )
    assert (row["low_50"], row["high_50"]) == (exact.half.low, exact.half.high)
    assert (row["assumptions_low"], row["assumptions_high"]) == (
        exact.assumptions.low,
        exact.assumptions.high,
    )
    tree = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert tree["products"]["tarlatamab"]["crs_any"]["predictive"] == (
        made["tarlatamab"].crs_any.predictive.to_dict()
    )
    assert (tree["trial_size"], tree["scenario"], tree["seed"]) == (40, "reference", 1)
    with pytest.raises(KeyError):
        made["nothing"]


def test_the_dots_of_a_plot_are_the_figures_of_the_forecast() -> None:
    made = _forecast("tarlatamab", trial_size=40)
    rates, onset = made.dots(), made.dots("onset")
    assert [dot.estimate for dot in rates.rows] == [
        made["tarlatamab"].metric(name).predictive for name in RATES
    ]
    assert (rates.axis.low, rates.axis.high, rates.axis.factor) == (0.0, 1.0, 100.0)
    hours = made["tarlatamab"].onset_median_h
    assert onset.rows[0].estimate == hours.predictive
    assert onset.rows[0].prediction == (hours.assumptions.low, hours.assumptions.high)
    assert onset.rows[0].label == "Tarlatamab, median onset"
    assert "no external validation" in rates.description


def test_the_plot_is_matplotlib_axes() -> None:
    pytest.importorskip("crsrisk.plots.charts")
    ax = _forecast("tarlatamab").plot()
    assert ax.figure is not None


def test_a_name_a_file_and_a_product_are_the_same() -> None:
    choices: dict[str, Any] = {"ensemble": _few().head(2), "n_patients": 32}
    by_name = forecast("tarlatamab", **choices)
    assert by_name == forecast([product_of("tarlatamab")], **choices)
    assert by_name == forecast("tarlatamab", **choices, workers=2)
    assert by_name.scenario == "reference"


def test_prophylaxis_lowers_the_forecast() -> None:
    plain, with_it = (
        _forecast("tebentafusp", mitigations=given)["tebentafusp"].crs_any.predictive.value
        for given in ((), ("tocilizumab",))
    )
    assert with_it < plain


def test_what_is_printed(rows: PublishedForecasts, capsys: pytest.CaptureFixture[str]) -> None:
    print_published_forecasts(rows)
    shown = capsys.readouterr().out
    assert "no external validation" in shown
    assert "likelihood:" in shown
    assert "counted once" in shown


def test_published_forecasts_show_themselves_in_short(rows: PublishedForecasts) -> None:
    assert len(repr(rows)) < 2_000
    assert len(repr(rows.rows[0])) < 2_000
    assert len(rows.to_frame()) == len(rows.rows)
    assert pickle.loads(pickle.dumps(rows)).to_dict() == rows.to_dict()


def test_overlapping_sources_count_once() -> None:
    trials = {trial.name: trial for trial in load_trials()}
    figures = [
        (trials[name], trials[name].figures[0])
        for name in ("tarlatamab_label_2025", "tarlatamab_label_2024")
    ]
    there = _interval(0.5, 0.0, 1.0)
    made = PublishedForecasts(
        tuple(PublishedForecast(figure, trial, there) for trial, figure in figures)
    )
    assert made.all.shown.targets == 2
    assert made.counted_once.shown.sources == 1
    assert made.counted_once.shown.targets == 1
    assert made.counted_once.likelihood == Coverage(0, 0, 0, None)


def test_recalled_figures_are_counted_apart() -> None:
    trial = next(trial for trial in load_trials() if trial.name == "tarlatamab_label_2025")
    there = _interval(0.5, 0.0, 1.0)
    figures = [trial.figures[0], trial.figures[0].model_copy(update={"source_kind": "RECALL"})]
    assert [figure.verified for figure in figures] == [True, False]
    made = PublishedForecasts(tuple(PublishedForecast(figure, trial, there) for figure in figures))
    assert (made.all.shown.targets, made.verified.shown.targets) == (2, 1)
    assert made.verified.likelihood.mean_abs_error_any is None


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
        _forecast("tarlatamab", **choice)


def test_a_product_twice_is_refused() -> None:
    with pytest.raises(InputError, match="more than once"):
        _forecast("tarlatamab", "tarlatamab")


# Every draw.


def test_draws_give_the_intervals_and_stand_in_a_file(tmp_path: Path) -> None:
    made = _forecast("tarlatamab", trial_size=40)
    assert set(made.draws) == {"product", "metric", "member", "weight", "rate", "reported"}
    by_metric = dict(iter(made.draws.groupby("metric")))
    assert set(by_metric) == set(ASKED)
    for name in RATES:
        of, exact = by_metric[name], made["tarlatamab"].metric(name)
        assert set(of["member"]) == {0, 1, 2, 3}
        assert of["weight"].sum() == pytest.approx(1.0)
        assert exact.predictive.low == np.quantile(of["reported"], 0.025, method="inverted_cdf")
        assert exact.half.high == np.quantile(of["reported"], 0.75, method="inverted_cdf")
        counts = 40 * of["reported"]
        assert counts.to_numpy() == pytest.approx(counts.round().to_numpy())
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        path = tmp_path / f"draws{suffix}"
        assert write_draws(made, path) == len(made.draws)
        pd.testing.assert_frame_equal(read(path), made.draws, check_dtype=False)
        with pytest.raises(OutputError, match="--overwrite"):
            prepare_draws(path, overwrite=False)
        prepare_draws(path, overwrite=True)
    with pytest.raises(OutputError, match=r"\.csv or \.parquet"):
        prepare_draws(tmp_path / "draws.xlsx", overwrite=False)
    prepare_draws(None, overwrite=False)


def test_grades_add_up_within_a_member() -> None:
    """Grade 1, grade 2 and grade >= 3 are the patients with any grade: in the mean of the draws
    before chance within 5 points (each rate is drawn with its own spread between trials).
    """
    made = _forecast("tarlatamab", n_patients=160)
    mean = made.draws.groupby("metric")["rate"].mean()
    parts = mean["crs_grade1"] + mean["crs_grade2"] + mean["crs_grade3plus"]
    assert parts == pytest.approx(mean["crs_any"], abs=0.05)
    assert mean["crs_grade2"] + mean["crs_grade3plus"] == pytest.approx(
        mean["crs_grade2plus"], abs=0.05
    )


def test_a_trial_with_nobody_in_it_has_no_median_time() -> None:
    """One patient under a checkpoint inhibitor is expected to have no CRS."""
    made = _forecast("checkpoint_inhibitor", trial_size=1)["checkpoint_inhibitor"]
    assert made.crs_any.predictive.value == 0.0
    for name in TIMES:
        figure = made.metric(name)
        assert not figure.is_known
        assert not np.isnan(figure.assumptions.low)
