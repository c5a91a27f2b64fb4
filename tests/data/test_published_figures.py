"""Published figures: what a file may say, Wilson's interval, and how a comparison reads."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binomtest

from crsrisk.data.published_figures import (
    METRIC_MEANINGS,
    Comparison,
    PublishedFigure,
    Trial,
    counted_once,
    wilson_interval,
)

FIGURE: dict[str, Any] = {
    "id": "X1",
    "metric": "crs_any_rate",
    "of": "patients",
    "value": 0.57,
    "n_patients": 473,
    "events": 268,
    "low": 0.5216,
    "high": 0.6105,
    "interval_kind": "wilson_95",
    "citation": "a label",
    "source_kind": "FOUND",
    "confidence": "high",
    "note": "",
}
ONSET = {
    "metric": "onset_median_h",
    "of": "crs_patients",
    "value": 16.0,
    "n_patients": None,
    "events": None,
    "low": 0.0,
    "high": 360.0,
    "interval_kind": "range",
    "clock": "recent_dose",
}
TRIAL: dict[str, Any] = {
    "name": "a_trial",
    "label": "A trial",
    "product": "tarlatamab",
    "n_patients": 473,
    "grading": "ASTCT",
    "window_d": 28.0,
    "window_reason": "one cycle",
    "overlaps": [],
    "rows": [FIGURE],
}
COMPARISON = Comparison(
    id="X1",
    trial="a_trial",
    product="tarlatamab",
    metric="onset_median_h",
    of="crs_patients",
    family="onset",
    unit="h",
    window_d=28.0,
    published=16.0,
    n=268,
    low=14.1,
    high=18.1,
    interval="assumed",
    simulated=nan,
    mc_error=nan,
    n_simulated=0,
    agrees=False,
    verdict="not judged",
    reason="no patient",
    use="shown",
    verified=True,
    citation="a label",
    note="",
)


@pytest.mark.parametrize(
    ("events", "n", "low", "high"),
    [
        (268, 473, 0.5216, 0.6105),  # tarlatamab label 2025, as entered
        (0, 37, 0.0, 0.0941),  # satri-cel first in human
        (6, 6, 0.6097, 1.0),  # CT017
    ],
)
def test_wilson_interval_of_published_counts(events: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(events / n, n=n) == pytest.approx((low, high), abs=5e-5)


@given(n=st.integers(1, 3000), data=st.data())
def test_wilson_interval_is_scipys(n: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, n))
    peer = binomtest(events, n).proportion_ci(method="wilson")
    assert wilson_interval(events / n, n=n) == pytest.approx((peer.low, peer.high), abs=1e-9)


@given(share=st.floats(0, 1), n=st.integers(1, 10_000))
def test_wilson_interval_holds_the_share_and_shrinks_with_size(share: float, n: int) -> None:
    low, high = wilson_interval(share, n=n)
    assert 0 <= low <= share <= high <= 1
    larger = wilson_interval(share, n=2 * n)
    assert larger[1] - larger[0] < high - low


def test_a_figure_is_read_as_it_stands() -> None:
    figure = PublishedFigure.model_validate(FIGURE)
    assert (figure.value, figure.n_patients, figure.low, figure.verified, figure.is_rate) == (
        0.57,
        473,
        0.5216,
        True,
        True,
    )
    assert not PublishedFigure.model_validate({**FIGURE, "source_kind": "RECALL"}).verified
    assert not PublishedFigure.model_validate({**FIGURE, **ONSET}).is_rate
    with pytest.raises(ValidationError):
        figure.value = 0.6  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"metric": "crs_rate"}, "a metric among"),
        ({"of": "crs_patients"}, "crs_any_rate of patients"),
        ({"metric": "share_high_grade_among_crs"}, "of crs_patients"),
        ({"clock": "recent_dose"}, "a clock for onset figures"),
        ({**ONSET, "clock": None}, "a clock for onset figures"),
        ({"citation": " "}, "a citation"),
        ({"low": None}, "together or not at all"),
        ({"interval_kind": None}, "together or not at all"),
        ({"value": 0.7}, "between low and high"),
        ({"value": 57, "low": 52, "high": 61}, "a share between 0 and 1"),
        ({"interval_kind": "iqr"}, "its interval a 95% interval"),
        ({"events": 230}, "apart from rounding"),
        ({"events": 500}, "events between 0 and n_patients"),
        ({"n_patients": None}, "events between 0 and n_patients"),
        ({"n_patients": 0}, "n_patients of 1 or more"),
        ({"source_kind": "HEARD"}, "RECALL"),
        ({"value": "0.57"}, "number"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        PublishedFigure.model_validate({**FIGURE, **change})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": []}, "one row or more"),
        ({"window_d": 0.0}, "a window_d above 0"),
        ({"n_patients": 0}, "n_patients of 1"),
        ({"use": "test"}, "likelihood"),
        ({"use_reason": ""}, "a use_reason"),
        ({"dose_times_h": [168.0, 0.0]}, "rising order"),
        ({"dose_times_h": [24.0]}, "the first at 0"),
        ({"rows": [{**FIGURE, **ONSET}]}, "most recent dose"),
    ],
)
def test_a_trial_that_cannot_be_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Trial.model_validate({**TRIAL, **change})


def test_a_trial_takes_the_products_settings_where_it_has_none() -> None:
    trial = Trial.model_validate(
        {**TRIAL, "dose_times_h": [0.0, 168.0], "rows": [{**FIGURE, **ONSET}]}
    )
    assert (trial.regimen, trial.population, trial.support_policy) == (None, None, None)


def test_every_metric_says_what_it_means() -> None:
    for name, meaning in METRIC_MEANINGS.items():
        assert meaning.meaning
        assert (meaning.unit == "1") == ("median" not in name)
        assert meaning.needs_clock == (meaning.family == "onset")


@pytest.mark.parametrize("verified", [True, False])
def test_a_recalled_figure_is_marked_in_every_print(verified: bool) -> None:
    comparison = replace(COMPARISON, verified=verified)
    assert ("[unverified]" in comparison.summary()) is not verified
    assert comparison.to_dict()["verified"] is verified


def test_a_comparison_reads_as_one_sentence_and_nulls_what_is_missing() -> None:
    assert (
        COMPARISON.summary()
        == "X1 a_trial: onset_median_h of crs_patients within 28 d, published 16 h (14.1 to 18.1), "
        "simulated nan h +- nan MC error: not judged (no patient)"
    )
    tree = COMPARISON.to_dict()
    assert tree["simulated"] is None
    assert tree["mc_error"] is None
    assert tree["published"] == 16.0
    with pytest.raises(FrozenInstanceError):
        COMPARISON.agrees = True  # type: ignore[misc]


def _source(
    name: str, *, n: int | None = 100, overlaps: tuple[str, ...] = (), kind: str = "FOUND"
) -> Trial:
    figure = {**FIGURE, "id": f"X_{name}", "source_kind": kind}
    if n is None:
        figure |= {
            "n_patients": None,
            "events": None,
            "low": None,
            "high": None,
            "interval_kind": None,
        }
    return Trial.model_validate(
        {**TRIAL, "name": name, "n_patients": n, "overlaps": list(overlaps), "rows": [figure]}
    )


@pytest.mark.parametrize(
    ("sources", "counted"),
    [
        ([_source("a"), _source("b")], {"a", "b"}),
        # said on one side only
        (
            [_source("pool", n=400, overlaps=("a", "b")), _source("a"), _source("b", n=200)],
            {"pool"},
        ),
        (
            [
                _source("pool", n=400, overlaps=("a", "b"), kind="RECALL"),
                _source("a"),
                _source("b"),
            ],
            {"a", "b"},
        ),
        # without a size a figure weighs nothing
        ([_source("a", n=10), _source("b", n=None, overlaps=("a",))], {"a"}),
        # but more than a recalled one
        ([_source("a", n=10, kind="RECALL"), _source("b", n=None, overlaps=("a",))], {"b"}),
        ([_source("b", overlaps=("a",)), _source("a")], {"a"}),  # by name at last
        # an overlap with a source that is not handed in
        ([_source("a", overlaps=("elsewhere",))], {"a"}),
    ],
)
def test_overlapping_sources_count_once(sources: list[Trial], counted: set[str]) -> None:
    assert counted_once(sources) == counted
    assert counted_once(reversed(sources)) == counted


@given(st.integers(0, 2**15 - 1), st.lists(st.integers(1, 500), min_size=6, max_size=6))
def test_no_two_counted_sources_overlap_and_each_left_out_overlaps_with_one(
    links: int, sizes: list[int]
) -> None:
    names = "abcdef"
    pairs = [(one, other) for k, one in enumerate(names) for other in names[k + 1 :]]
    linked = [pair for bit, pair in enumerate(pairs) if links >> bit & 1]
    sources = [
        _source(name, n=n, overlaps=tuple(other for one, other in linked if one == name))
        for name, n in zip(names, sizes, strict=True)
    ]
    counted = counted_once(sources)
    assert not any(set(pair) <= counted for pair in linked)
    for name in set(names) - counted:
        assert any(name in pair and set(pair) & counted for pair in linked)


def test_a_pool_counts_beside_the_sources_in_it() -> None:
    pool = _source("pool", n=400, overlaps=("a",)).model_copy(
        update={"pooled_with": ["acapatamab"]}
    )
    assert counted_once([_source("a"), pool]) == {"a", "pool"}


def test_a_source_with_nothing_but_recalled_figures_is_not_verified() -> None:
    assert _source("a").is_verified
    assert not _source("a", kind="RECALL").is_verified


POOL = {
    **FIGURE,
    "value": 0.5,
    "n_patients": 100,
    "events": 50,
    "low": 0.4,
    "high": 0.6,
    "elsewhere_patients": 20,
    "elsewhere_events": 18,
}


def test_patients_counted_elsewhere_are_taken_out() -> None:
    counted = PublishedFigure.model_validate(POOL).counted
    assert (counted.n_patients, counted.events, counted.value) == (80, 32, 0.4)
    assert (counted.low, counted.high) == wilson_interval(0.4, n=80)
    assert counted.counted == counted
    assert PublishedFigure.model_validate(FIGURE).counted == PublishedFigure.model_validate(FIGURE)


@pytest.mark.parametrize(
    "change",
    [{"elsewhere_events": 60}, {"elsewhere_patients": 60, "elsewhere_events": 1}, {"events": None}],
)
def test_a_pool_has_more_patients_and_events_than_its_parts(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"elsewhere|pool"):
        PublishedFigure.model_validate({**POOL, **change})


def test_a_pool_keeps_the_settings_of_its_products() -> None:
    pool = {**TRIAL, "pooled_with": ["acapatamab"]}
    assert Trial.model_validate(pool).products == ["tarlatamab", "acapatamab"]
    for change in ({"regimen": "label"}, {"pooled_with": ["tarlatamab"]}):
        with pytest.raises(ValidationError):
            Trial.model_validate({**pool, **change})


def test_a_source_is_worth_one_trial_or_more() -> None:
    assert Trial.model_validate({**TRIAL, "n_trials": 2.6}).n_trials == 2.6
    with pytest.raises(ValidationError, match="n_trials"):
        Trial.model_validate({**TRIAL, "n_trials": 0.5})
