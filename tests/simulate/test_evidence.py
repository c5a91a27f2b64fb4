"""Simulated beside published: each metric on a table made by hand, the rule of agreement, honest accounts."""

from __future__ import annotations

import json
from math import exp, inf, isnan, nan, sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from crsrisk.domain.published import METRIC_MEANINGS, Figure, Trial, wilson_interval
from crsrisk.errors import InputError
from crsrisk.read.published import load_trials
from crsrisk.simulate.evidence import (
    METRICS,
    Estimate,
    Interval,
    compare,
    judge,
    measure,
    median,
    median_of_days,
    published_interval,
    share,
    since_dose_h,
    summarise,
    to_json,
)

# eight patients, weekly doses: three without CRS, then worst grades 1, 1, 2, 3, 4
OUTCOMES = pd.DataFrame({
    "max_grade": [0, 0, 0, 1, 1, 2, 3, 4],
    "n_episodes": [0, 0, 0, 1, 2, 1, 3, 1],
    "onset_h": [nan, nan, nan, 12.0, 180.0, 20.0, 40.0, 340.0],
    "onset_grade2plus_h": [nan, nan, nan, nan, nan, 24.0, 172.0, 342.0],
    "duration_h": [nan, nan, nan, 24.0, 48.0, 72.0, 96.0, nan],
    "resolution_d": [nan, nan, nan, 2.0, 3.0, 4.0, 5.0, nan],
    "peak_temperature_c": [36.9, 38.0, 37.2, 38.2, 38.5, 39.1, 40.0, 40.4],
    "n_tocilizumab": [0, 0, 0, 0, 0, 1, 2, 3],
    "has_steroid_rescue": [False] * 6 + [True, True],
    "has_oxygen": [False] * 5 + [True, True, True],
    "has_vasopressor": [False] * 6 + [True, True],
    "grade_after_dose_1": [0, 0, 0, 1, 0, 2, 1, 0],
    "grade_after_dose_2": [0, 0, 0, 0, 1, 0, 3, 0],
    "grade_after_dose_3": [0, 0, 0, 0, 1, 0, 2, 4],
    "grade_after_dose_4": [-1] * 8,
    **{f"grade_{system}": [0, 0, 0, 1, 1, 2, 3, 4] for system in ("ctcae_4", "ctcae_5", "penn", "mskcc", "cartox")},
    "grade_lee_2014": [0, 0, 0, 1, 3, 2, 3, 4],
    "window_d": [28.0] * 8,
})
# metric, denominator -> value among these eight patients, counted by hand
BY_HAND = {
    ("crs_any_rate", "patients"): 5 / 8, ("crs_any_rate_cycle1", "patients"): 5 / 8,
    ("crs_grade1_2_rate", "patients"): 3 / 8, ("crs_grade1_rate", "patients"): 2 / 8,
    ("crs_grade2_rate", "patients"): 1 / 8, ("crs_grade3_rate", "patients"): 1 / 8,
    ("crs_grade4_rate", "patients"): 1 / 8, ("crs_grade2plus_rate", "patients"): 3 / 8,
    ("inflammatory_disorder_grade1_2_rate", "patients"): 3 / 8,
    ("inflammatory_disorder_grade3plus_rate", "patients"): 2 / 8,
    ("crs_grade3plus_rate", "patients"): 2 / 8, ("share_high_grade_among_crs", "crs_patients"): 2 / 5,
    ("recurrence_rate_any", "patients"): 2 / 8, ("multiple_flares_rate", "crs_patients"): 2 / 5,
    ("crs_after_dose1_rate", "patients"): 3 / 8, ("crs_after_dose2_rate", "patients"): 2 / 8,
    ("crs_after_dose3plus_rate", "patients"): 3 / 8,
    ("share_of_crs_patients_with_event_after_dose1", "crs_patients"): 3 / 5,
    ("share_of_crs_patients_with_event_after_dose2", "crs_patients"): 2 / 5,
    ("share_of_crs_patients_with_event_after_dose3plus", "crs_patients"): 3 / 5,
    ("crs_grade2plus_after_c1d1", "crs_patients"): 1 / 5, ("crs_grade2plus_after_c1d1", "patients"): 1 / 8,
    ("crs_grade2plus_after_c1d8", "crs_patients"): 1 / 5, ("crs_grade2plus_after_c1d15", "patients"): 2 / 8,
    ("grade2plus_with_more_than_one_infusion_rate", "patients"): 1 / 8,
    ("share_of_grade2plus_events_at_dose1", "grade2plus_patients"): 1 / 3,
    ("share_of_episodes_starting_day_of_infusion", "crs_patients"): 4 / 5,  # 12, 12, 20, 40, 4 h
    ("onset_median_h", "crs_patients"): 12.0, ("onset_median_d", "crs_patients"): 0.5,
    ("onset_median_h_grade2plus", "grade2plus_patients"): 20.0,  # 20, 40, 4 h: of the event, at any grade
    ("onset_median_d_grade1_2", "crs_patients"): 0.5,  # 12, 12, 20 h
    ("onset_median_d_grade3plus", "crs_patients"): 22 / 24,  # 40, 4 h
    ("resolution_median_d", "crs_patients"): 4.0,  # one not over when the window ends
    ("crs_duration_median_d", "crs_patients"): 3.0,
    ("tocilizumab_use_rate", "crs_patients"): 3 / 5, ("tocilizumab_use_rate", "patients"): 3 / 8,
    ("steroid_use_rate", "crs_patients"): 2 / 5, ("oxygen_use_rate", "patients"): 3 / 8,
    ("vasopressor_use_rate", "patients"): 2 / 8, ("pyrexia_any_rate", "patients"): 6 / 8,
    ("pyrexia_grade3plus_rate", "patients"): 1 / 8,
}


def _figure(metric: str = "crs_any_rate", of: str = "patients", **change: Any) -> Figure:
    clock = "recent_dose" if METRIC_MEANINGS[metric].needs_clock else None
    return Figure.model_validate({
        "id": f"X_{metric}_{of}", "metric": metric, "of": of, "value": 0.5, "clock": clock,
        "citation": "a paper", "source_kind": "FOUND", "confidence": "high", "note": "", **change})


def _trial(*figures: Figure, **change: Any) -> Trial:
    return Trial.model_validate({
        "name": "a_trial", "label": "A trial", "product": "tarlatamab", "n_patients": 100, "grading": "ASTCT",
        "window_d": 28.0, "window_reason": "one cycle", "dose_times_h": [0.0, 168.0, 336.0],
        "role": "validation", "role_reason": "an example", "is_independent": True, "overlaps": [],
        "rows": [figure.model_dump() for figure in figures], **change})


def _outcomes(n: int, seed: int = 1, window_d: float = 28.0) -> pd.DataFrame:
    """An outcomes table without any medicine in it: hand-made patients drawn with replacement."""
    rows = np.random.default_rng(seed).integers(0, len(OUTCOMES), n)
    return OUTCOMES.iloc[rows].reset_index(drop=True).assign(window_d=window_d)


def test_every_metric_of_the_files_can_be_measured() -> None:
    assert set(METRICS) == set(METRIC_MEANINGS) == {metric for metric, _ in BY_HAND}


@pytest.mark.parametrize(("metric", "of"), BY_HAND)
def test_metrics_of_eight_patients(metric: str, of: str) -> None:
    figure = _figure(metric, of)
    found = measure(OUTCOMES, figure=figure, trial=_trial(figure))
    assert found.value == pytest.approx(BY_HAND[metric, of])


def test_onset_counts_from_its_clock() -> None:
    first = _figure("onset_median_h", "crs_patients", clock="first_dose")
    assert measure(OUTCOMES, figure=first, trial=_trial(first)).value == 40.0
    times = since_dose_h(np.array([0.0, 167.5, 168.0, 400.0, nan]), dose_times_h=[0.0, 168.0, 336.0])
    np.testing.assert_array_equal(times, [0.0, 167.5, 0.0, 64.0, nan])


def test_nobody_in_the_denominator_is_no_number() -> None:
    figure = _figure("tocilizumab_use_rate", "crs_patients")
    found = measure(OUTCOMES.iloc[:3], figure=figure, trial=_trial(figure))
    assert isnan(found.value)
    assert found.n == 0
    assert isnan(median(np.array([])).value)


@given(order=st.permutations(range(8)), n_without=st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_order_is_irrelevant_and_the_well_do_not_count_among_the_ill(
    order: list[int], n_without: int
) -> None:
    shuffled = OUTCOMES.iloc[order]
    with_more = pd.concat([shuffled, OUTCOMES.iloc[[0] * n_without]], ignore_index=True)
    for metric, of in BY_HAND:
        figure = _figure(metric, of)
        trial = _trial(figure)
        expected = pytest.approx(measure(OUTCOMES, figure=figure, trial=trial), nan_ok=True)
        assert measure(shuffled, figure=figure, trial=trial) == expected
        if of != "patients":
            assert measure(with_more, figure=figure, trial=trial) == expected


@given(n=st.integers(1, 20_000), data=st.data())
@settings(deadline=None)
def test_error_of_a_share_is_the_binomial_one_but_never_zero(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, n))
    found = share(pd.Series(np.arange(n) < events))
    p = events / n
    assert found.value == pytest.approx(p)
    assert found.mc_error > 0
    if min(events, n - events) >= 100:
        assert found.mc_error == pytest.approx(sqrt(p * (1 - p) / n), rel=0.02)


@given(times=st.lists(st.floats(0, 1e4), min_size=1, max_size=200), factor=st.floats(0.1, 10))
@settings(deadline=None)
def test_median_is_numpys_and_scales(times: list[float], factor: float) -> None:
    found = median(np.array(times))
    assert found.value == pytest.approx(float(np.median(times)))
    scaled = median(factor * np.array(times))
    assert scaled.value == pytest.approx(factor * found.value)
    assert isnan(found.mc_error) == (len(times) < 6)
    if len(times) >= 6:
        assert scaled.mc_error == pytest.approx(factor * found.mc_error)


def test_error_of_a_median_is_that_of_theory_and_covers() -> None:
    """2,000 samples of 400: the truth lies outside in 4-5% (ranks are whole numbers, so rather too seldom);
    beyond 2.7-6.6% by chance once in 1,000 runs. Expected error: Blom's means of ranks 180 and 221.
    """
    draws = np.random.default_rng(7).normal(10.0, 2.0, size=(2_000, 400))
    found = [median(sample) for sample in draws]
    errors = np.array([estimate.mc_error for estimate in found])
    assert errors.mean() == pytest.approx(2.0 * norm.ppf((221 - 0.375) / 400.25) / 1.959964, rel=0.01)
    outside = np.mean([abs(estimate.value - 10) > 1.96 * estimate.mc_error for estimate in found])
    assert 0.027 <= outside <= 0.066


def test_unfinished_episodes_are_longer_than_all_others() -> None:
    assert median(np.array([1.0, 2.0, 3.0, nan, nan])).value == 3.0
    assert isnan(median(np.array([1.0, 2.0, nan, nan, nan])).value)
    mostly = median(np.array([1.0] * 51 + [nan] * 49))
    assert mostly.value == 1.0
    assert isnan(mostly.mc_error)


def test_interval_of_a_rate_is_the_one_entered_or_wilsons() -> None:
    entered = _figure(n_patients=40, events=20, low=0.3, high=0.7, interval_kind="wilson_95")
    assert published_interval(entered, trial=_trial(entered))[:3] == (0.3, 0.7, 40)
    sized = _figure(n_patients=40)
    assert published_interval(sized, trial=_trial(sized))[:2] == wilson_interval(0.5, n=40)
    unsized = _figure()
    assert published_interval(unsized, trial=_trial(unsized))[:2] == wilson_interval(0.5, n=100)
    nothing = published_interval(unsized, trial=_trial(unsized, n_patients=None))
    assert isnan(nothing.low)
    assert nothing.n is None


def test_interval_of_a_median_follows_its_rule() -> None:
    any_rate = _figure(value=0.6, n_patients=55, events=33)
    onset = _figure("onset_median_d", "crs_patients", value=2.0, low=1.0, high=5.0, interval_kind="range")
    trial = _trial(any_rate, onset)
    factor = exp(1.959964 * 1.253314 * 0.8 / sqrt(33))  # the range is not used, n are the patients with CRS
    assert published_interval(onset, trial=trial)[:3] == pytest.approx((2 / factor, 2 * factor, 33), rel=1e-5)
    with_iqr = onset.model_copy(update={"interval_kind": "iqr"})
    factor = exp(1.959964 * 1.253314 * (np.log(5) / 1.34898) / sqrt(33))
    found = published_interval(with_iqr, trial=trial)
    assert found[:3] == pytest.approx((2 / factor, 2 * factor, 33), rel=1e-5)
    from_zero = with_iqr.model_copy(update={"low": 0.0})
    assert "assumed" in published_interval(from_zero, trial=trial).origin
    alone = published_interval(onset, trial=_trial(onset))
    assert alone.n == 100


def test_interval_of_a_lognormal_median_covers() -> None:
    """2,000 trials of 60 patients whose times have the assumed spread: the truth lies outside in 5%; beyond
    3.4-6.6% by chance once in 1,000 runs.
    """
    rng = np.random.default_rng(11)
    outside = 0
    for printed in np.median(rng.lognormal(np.log(16), 0.8, size=(2_000, 60)), axis=1):
        figure = _figure("onset_median_h", "crs_patients", value=float(printed), n_patients=60)
        low, high, _, _ = published_interval(figure, trial=_trial(figure))
        outside += not low <= 16 <= high
    assert 0.034 <= outside / 2_000 <= 0.066


limits = st.floats(0, 1)


@given(a=limits, b=limits, value=limits, error=st.floats(0, 0.3), more=st.floats(1, 3))
def test_verdict_is_overlap_and_error_never_turns_agreement_into_difference(
    a: float, b: float, value: float, error: float, more: float
) -> None:
    published = Interval(min(a, b), max(a, b), 100, "")
    verdict, reason = judge(published, simulated=Estimate(value, error, 100))
    assert (verdict == "not judged") == bool(reason)
    if error == 0:
        assert (verdict == "agrees") == (published.low <= value <= published.high)
    wider, _ = judge(published, simulated=Estimate(value, error * more, 100))
    assert (verdict, wider) != ("agrees", "differs")
    assert verdict != "not judged" or wider == "not judged"


@pytest.mark.parametrize(("published", "simulated", "reason"), [
    (Interval(nan, nan, None, ""), Estimate(0.5, 0.01, 100), "published without a size"),
    (Interval(0.4, 0.6, 90, ""), Estimate(nan, nan, 0), "not estimable from 0"),
    (Interval(0.4, 0.6, 90, ""), Estimate(0.5, nan, 3), "not estimable from 3"),
    (Interval(0.4, 0.6, 90, ""), Estimate(0.5, 0.06, 60), "simulate more patients"),
])
def test_agreement_is_not_claimed_without_grounds(
    published: Interval, simulated: Estimate, reason: str
) -> None:
    verdict, said = judge(published, simulated=simulated)
    assert verdict == "not judged"
    assert reason in said


def test_rows_that_differ_stay_and_the_summary_counts_them() -> None:
    agreeing = _figure(value=0.6, n_patients=50)
    differing = _figure("crs_grade2plus_rate", value=0.9, n_patients=50, source_kind="RECALL")
    trial = _trial(agreeing, differing)
    other = _trial(_figure(id="X2", value=0.2, n_patients=1_000), name="b_trial", product="acapatamab",
                   role="calibration", is_independent=False)
    found = compare([trial, other], simulate_trial=lambda _: _outcomes(4_000))
    assert [(row.id, row.verdict, row.agrees) for row in found] == [
        (agreeing.id, "agrees", True), (differing.id, "differs", False), ("X2", "differs", False)]
    summary = summarise(found)
    assert summary["all"] | {"mean_absolute_error_any_grade": None} == {
        "n_figures": 3, "n_trials": 2, "n_judged": 3, "n_agree": 1, "n_agree_wide": 0,
        "mean_absolute_error_any_grade": None}
    assert summary["by_role"]["calibration"]["n_agree"] == 0
    assert summary["independent_validation"]["n_figures"] == 2
    assert summary["by_product"]["tarlatamab"]["n_agree"] == 1
    assert summary["by_family"]["grade >= 2"]["n_agree"] == 0
    assert summary["unverified"]["n_figures"] == 1
    assert summary["by_family"]["grade >= 2"]["mean_absolute_error_any_grade"] is None
    simulated = found[0].simulated
    assert summary["all"]["mean_absolute_error_any_grade"] == pytest.approx(
        (abs(simulated - 0.6) + abs(simulated - 0.2)) / 2)
    assert "no external validation" in summary["statement"]


def test_agreement_with_a_tiny_trial_is_counted_apart() -> None:
    tiny = compare([_trial(_figure(value=0.5, n_patients=6))], simulate_trial=lambda _: _outcomes(1_000))
    assert summarise(tiny)["all"]["n_agree_wide"] == 1


@pytest.mark.parametrize(("table", "key"), [
    (OUTCOMES.drop(columns=["n_episodes", "has_oxygen"]), "n_episodes, has_oxygen"),
    (OUTCOMES.iloc[:0], ""),
    (OUTCOMES.assign(window_d=21.0), "window_d"),
    (OUTCOMES.assign(window_d=[28.0] * 7 + [60.0]), "window_d"),
])
def test_an_unfit_outcomes_table_is_refused(table: pd.DataFrame, key: str) -> None:
    with pytest.raises(InputError) as caught:
        compare([_trial(_figure())], simulate_trial=lambda _: table)
    assert caught.value.key == key
    assert "a_trial" in caught.value.where


def test_the_shipped_evidence_goes_through_and_comes_out_as_json() -> None:
    trials = load_trials()
    asked: list[str] = []

    def simulate(trial: Trial) -> pd.DataFrame:
        asked.append(trial.name)
        return _outcomes(500, window_d=trial.window_d)

    found = compare(trials, simulate_trial=simulate)
    assert asked == [trial.name for trial in trials]
    tree = json.loads(to_json(found), parse_constant=lambda text: pytest.fail(f"{text} in JSON"))
    assert [row["id"] for row in tree["rows"]] == [row.id for trial in trials for row in trial.rows]
    wanted = {"id", "product", "metric", "published", "n", "low", "high", "simulated", "mc_error", "agrees"}
    for row in tree["rows"]:
        assert wanted <= set(row)
        assert isinstance(row["agrees"], bool)
        assert row["low"] is None or 0 <= row["low"] <= row["published"] <= row["high"] < inf
        assert row["agrees"] == (row["verdict"] == "agrees")
        assert row["reason"] if row["verdict"] == "not judged" else not row["reason"]
    unsized = [row["id"] for row in tree["rows"] if row["low"] is None]
    assert unsized == ["E015", "E016", "E013", "E014"]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60))
def test_median_of_days_stays_within_half_a_day_of_the_plain_one(days: list[int]) -> None:
    found, plain = median_of_days(np.array(days, dtype=float)), median(np.array(days, dtype=float))
    low = float(np.sort(days)[(len(days) - 1) // 2])
    assert low - 0.5 <= found.value <= low + 0.5
    if low == plain.value:
        assert abs(found.value - plain.value) <= 0.5


def test_median_of_days_moves_between_whole_days() -> None:
    values = [median_of_days(np.array([2.0] * two + [3.0] * (10 - two))).value for two in (9, 7, 5, 3, 1)]
    assert values == sorted(values)
    assert len(set(values)) == 5
    assert np.isnan(median_of_days(np.array([2.0, np.nan, np.nan])).value)
