"""Simulated beside published: the rule of agreement, honest accounts."""

from __future__ import annotations

import json
from dataclasses import replace
from math import exp, inf, isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.evidence_files import load_trials
from crsrisk.data.published_figures import Trial, wilson_interval
from crsrisk.errors import InputError
from crsrisk.results import Estimate
from crsrisk.simulation.evidence import (
    PublishedInterval,
    Tally,
    compare,
    judge,
    published_interval,
    summarise,
    to_json,
)
from crsrisk.simulation.published_trials import SimulatedFigure
from tests.simulation.made_by_hand import OUTCOMES, figure_by_hand, outcomes_by_hand, trial_by_hand


def simulated(value: float, mc_error: float, n: int) -> SimulatedFigure:
    return SimulatedFigure.of(value, mc_error=mc_error, n=n)


def numbers(interval: PublishedInterval) -> tuple[float, float, int | None]:
    return interval.low, interval.high, interval.n


def test_interval_of_a_rate_is_the_one_entered_or_wilsons() -> None:
    entered = figure_by_hand(n_patients=40, events=20, low=0.3, high=0.7, interval_kind="wilson_95")
    assert numbers(published_interval(entered, trial=trial_by_hand(entered))) == (0.3, 0.7, 40)
    sized = figure_by_hand(n_patients=40)
    wilson = wilson_interval(0.5, n=40)
    assert numbers(published_interval(sized, trial=trial_by_hand(sized))) == (*wilson, 40)
    unsized = figure_by_hand()
    wilson = wilson_interval(0.5, n=100)
    assert numbers(published_interval(unsized, trial=trial_by_hand(unsized))) == (*wilson, 100)
    nothing = published_interval(unsized, trial=trial_by_hand(unsized, n_patients=None))
    assert isnan(nothing.low)
    assert nothing.n is None


def test_interval_of_a_median_follows_its_rule() -> None:
    any_rate = figure_by_hand(value=0.6, n_patients=55, events=33)
    onset = figure_by_hand(
        "onset_median_d", "crs_patients", value=2.0, low=1.0, high=5.0, interval_kind="range"
    )
    trial = trial_by_hand(any_rate, onset)
    # the range is not used, n are the patients with CRS
    factor = exp(1.959964 * 1.253314 * 0.8 / sqrt(33))
    assert numbers(published_interval(onset, trial=trial)) == pytest.approx(
        (2 / factor, 2 * factor, 33), rel=1e-5
    )
    with_iqr = onset.model_copy(update={"interval_kind": "iqr"})
    factor = exp(1.959964 * 1.253314 * (np.log(5) / 1.34898) / sqrt(33))
    found = published_interval(with_iqr, trial=trial)
    assert numbers(found) == pytest.approx((2 / factor, 2 * factor, 33), rel=1e-5)
    from_zero = with_iqr.model_copy(update={"low": 0.0})
    assert "assumed" in published_interval(from_zero, trial=trial).origin
    alone = published_interval(onset, trial=trial_by_hand(onset))
    assert alone.n == 100


def test_interval_of_a_lognormal_median_covers() -> None:
    """2,000 trials of 60 patients whose times have the assumed spread: the truth lies outside in
    5%; beyond 3.4-6.6% by chance once in 1,000 runs.
    """
    rng = np.random.default_rng(11)
    outside = 0
    for printed in np.median(rng.lognormal(np.log(16), 0.8, size=(2_000, 60)), axis=1):
        figure = figure_by_hand(
            "onset_median_h", "crs_patients", value=float(printed), n_patients=60
        )
        interval = published_interval(figure, trial=trial_by_hand(figure)).estimate
        outside += not interval.low <= 16 <= interval.high
    assert 0.034 <= outside / 2_000 <= 0.066


limits = st.floats(0, 1)


@given(a=limits, b=limits, value=limits, error=st.floats(0, 0.3), more=st.floats(1, 3))
def test_verdict_is_overlap_and_error_never_turns_agreement_into_difference(
    a: float, b: float, value: float, error: float, more: float
) -> None:
    published = Estimate((a + b) / 2, min(a, b), max(a, b))
    verdict, reason = judge(published, simulated=simulated(value, error, 100))
    assert (verdict == "not judged") == bool(reason)
    if error == 0:
        assert (verdict == "agrees") == (published.low <= value <= published.high)
    wider, _ = judge(published, simulated=simulated(value, error * more, 100))
    assert (verdict, wider) != ("agrees", "differs")
    assert verdict != "not judged" or wider == "not judged"


@pytest.mark.parametrize(
    ("published", "figure", "reason"),
    [
        (Estimate(0.5), simulated(0.5, 0.01, 100), "published without a size"),
        (Estimate(0.5, 0.4, 0.6), simulated(nan, nan, 0), "not estimable from 0"),
        (Estimate(0.5, 0.4, 0.6), simulated(0.5, nan, 3), "not estimable from 3"),
        (Estimate(0.5, 0.4, 0.6), simulated(0.5, 0.06, 60), "simulate more patients"),
    ],
)
def test_agreement_is_not_claimed_without_grounds(
    published: Estimate, figure: SimulatedFigure, reason: str
) -> None:
    verdict, said = judge(published, simulated=figure)
    assert verdict == "not judged"
    assert reason in said


def test_rows_that_differ_stay_and_the_summary_counts_them() -> None:
    agreeing = figure_by_hand(value=0.6, n_patients=50)
    differing = figure_by_hand(
        "crs_grade2plus_rate", value=0.9, n_patients=50, source_kind="RECALL"
    )
    trial = trial_by_hand(agreeing, differing)
    other = trial_by_hand(
        figure_by_hand(id="X2", value=0.2, n_patients=1_000),
        name="b_trial",
        product="acapatamab",
        role="calibration",
        is_independent=False,
    )
    found = compare([trial, other], simulate_trial=lambda _: outcomes_by_hand(4_000))
    assert [(row.id, row.verdict, row.agrees) for row in found] == [
        (agreeing.id, "agrees", True),
        (differing.id, "differs", False),
        ("X2", "differs", False),
    ]
    summary = summarise(found)
    assert replace(summary.all, mean_absolute_error_any_grade=None) == Tally(
        n_figures=3,
        n_trials=2,
        n_judged=3,
        n_agree=1,
        n_agree_wide=0,
        mean_absolute_error_any_grade=None,
    )
    assert summary.by_role["calibration"].n_agree == 0
    assert summary.independent_validation.n_figures == 2
    assert summary.by_product["tarlatamab"].n_agree == 1
    assert summary.by_family["grade >= 2"].n_agree == 0
    assert summary.unverified.n_figures == 1
    assert summary.by_family["grade >= 2"].mean_absolute_error_any_grade is None
    value = found[0].simulated
    assert summary.all.mean_absolute_error_any_grade == pytest.approx(
        (abs(value - 0.6) + abs(value - 0.2)) / 2
    )
    assert "no external validation" in summary.statement


def test_agreement_with_a_tiny_trial_is_counted_apart() -> None:
    trial = trial_by_hand(figure_by_hand(value=0.5, n_patients=6))
    tiny = compare([trial], simulate_trial=lambda _: outcomes_by_hand(1_000))
    assert summarise(tiny).all.n_agree_wide == 1


@pytest.mark.parametrize(
    ("table", "key"),
    [
        (OUTCOMES.drop(columns=["n_episodes", "has_oxygen"]), "n_episodes, has_oxygen"),
        (OUTCOMES.iloc[:0], ""),
        (OUTCOMES.assign(window_d=21.0), "window_d"),
        (OUTCOMES.assign(window_d=[28.0] * 7 + [60.0]), "window_d"),
    ],
)
def test_an_unfit_outcomes_table_is_refused(table: pd.DataFrame, key: str) -> None:
    with pytest.raises(InputError) as caught:
        compare([trial_by_hand(figure_by_hand())], simulate_trial=lambda _: table)
    assert caught.value.key == key
    assert "a_trial" in caught.value.where


def test_the_shipped_evidence_goes_through_and_comes_out_as_json() -> None:
    trials = load_trials()
    asked: list[str] = []

    def simulate(trial: Trial) -> pd.DataFrame:
        asked.append(trial.name)
        return outcomes_by_hand(500, window_d=trial.window_d)

    found = compare(trials, simulate_trial=simulate)
    assert asked == [trial.name for trial in trials]
    tree = json.loads(to_json(found), parse_constant=lambda text: pytest.fail(f"{text} in JSON"))
    assert [row["id"] for row in tree["rows"]] == [row.id for trial in trials for row in trial.rows]
    wanted = {
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
    }
    for row in tree["rows"]:
        assert wanted <= set(row)
        assert isinstance(row["agrees"], bool)
        assert row["low"] is None or 0 <= row["low"] <= row["published"] <= row["high"] < inf
        assert row["agrees"] == (row["verdict"] == "agrees")
        assert row["reason"] if row["verdict"] == "not judged" else not row["reason"]
    assert {row["trial"] for row in tree["rows"] if row["n_products"] > 1} == {
        "engager_pool",
        "cell_pool",
    }
    unsized = [row["id"] for row in tree["rows"] if row["low"] is None]
    assert unsized == ["E015", "E016", "E013", "E014"]
