"""Tipping points: known answers, and that nothing is gained at them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from crsrisk.data.potential_outcomes import Harms
from crsrisk.policy.table import IndividualEffects, assumed_effects, at_or_above, with_risk_ratio
from crsrisk.policy.tipping import Quantity, TippingPoint, crossing, tipping_points, trend_crossing

GRID = beta.ppf((np.arange(20_000) + 0.5) / 20_000, 2, 6)


def named(points: list[TippingPoint], quantity: str) -> TippingPoint:
    return next(point for point in points if point.quantity == quantity)


@pytest.mark.parametrize(("threshold", "loss"), [(0.0, 0.0375), (0.1, 0.045703), (0.3, 0.079687)])
def test_the_loss_of_response_that_ties(threshold: float, loss: float) -> None:
    """Known answer G07: RR 0.5, harm 0.05, a response weighs 2."""
    effects = assumed_effects(GRID, risk_ratio=0.5, infections_added=0.0, responses_lost=0.0)
    points = tipping_points(
        effects, harms=Harms(1.0, 2.0, 0.05), treated=at_or_above(GRID, threshold)
    )
    assert named(points, "responses_lost").tips_at == pytest.approx(loss, abs=1e-4)


@st.composite
def patients(draw: st.DrawFn) -> IndividualEffects:
    n = draw(st.integers(3, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return assumed_effects(
        0.2 + 0.8 * rng.random(n),
        risk_ratio=draw(st.floats(0.1, 0.9)),
        infections_added=draw(st.floats(0.001, 0.1)),
        responses_lost=draw(st.floats(0.001, 0.1)),
    )


@given(patients())
def test_at_a_tie_treating_everybody_gains_nothing(effects: IndividualEffects) -> None:
    harms = Harms(1.0, 2.0, 0.02)
    ties = {point.quantity: point.tips_at for point in tipping_points(effects, harms=harms)}
    n = len(effects)

    def gain(changed: IndividualEffects, weights: Harms = harms) -> float:
        return float(changed.gain(weights).mean())

    ratio = ties["risk_ratio"]
    assert ratio is not None
    assert gain(with_risk_ratio(effects, ratio)) == pytest.approx(0.0, abs=1e-9)
    if (infections := ties["infections_added"]) is not None:
        assert gain(replace(effects, infections_added=np.full(n, infections))) == pytest.approx(
            0.0, abs=1e-9
        )
    if (lost := ties["responses_lost"]) is not None:
        assert gain(replace(effects, responses_lost=np.full(n, lost))) == pytest.approx(
            0.0, abs=1e-9
        )
    weights: tuple[Quantity, ...] = ("infection_weight", "response_weight", "burden_per_course")
    for name in weights:
        if (weight := ties[name]) is not None:
            assert gain(effects, replace(harms, **{name: weight})) == pytest.approx(0.0, abs=1e-9)


def test_nobody_treated_has_nothing_to_tip() -> None:
    effects = assumed_effects(GRID[:9], risk_ratio=0.5, infections_added=0.0, responses_lost=0.0)
    assert tipping_points(effects, harms=Harms(1.0, 1.0, 0.0), treated=np.zeros(9)) == []


def test_a_tie_is_plausible_inside_its_range_only() -> None:
    assert TippingPoint("risk_ratio", 0.6, 0.8, 0.3, 0.9).is_within
    assert TippingPoint("risk_ratio", 0.6, 0.95, 0.3, 0.9).is_within is False
    assert TippingPoint("risk_ratio", 0.6, None, 0.3, 0.9).is_within is False
    assert TippingPoint("response_weight", 2.0, 3.0).is_within is None
    moved = replace(TippingPoint("response_weight", 2.0, 3.0), low=1.0, high=4.0)
    assert moved.is_within


def test_a_crossing_is_the_nearest_one() -> None:
    assert crossing([0.0, 1.0, 2.0, 3.0], [1.0, -1.0, -1.0, 1.0], near=3.0) == 2.5
    assert crossing([0.0, 1.0], [1.0, 2.0], near=0.0) is None


def test_a_trend_crosses_where_it_crosses_and_noise_does_not() -> None:
    rng = np.random.default_rng(2)
    x, ones = rng.normal(size=400), np.ones(400)
    tie = trend_crossing(
        x, 2.0 * x - 1.0 + 0.1 * rng.normal(size=400), ones, low=-3.0, high=3.0, seed=1
    )
    assert tie is not None
    assert tie.low is not None
    assert tie.high is not None
    assert tie.at == pytest.approx(0.5, abs=0.02)
    assert tie.low < 0.5 < tie.high < tie.low + 0.05
    assert trend_crossing(x, ones, ones, low=-3.0, high=3.0, seed=1) is None
    assert trend_crossing(x, rng.normal(size=400), ones, low=-3.0, high=3.0, seed=1) is None, (
        "noise"
    )
    assert trend_crossing(x, 2.0 * x - 10.0, ones, low=-3.0, high=3.0, seed=1) is None, (
        "beyond what is plausible"
    )


def test_a_bent_trend_is_not_taken_for_a_straight_one() -> None:
    """exp(x) - 2 crosses at 0.69; its straight line at 0.36."""
    x = np.linspace(-1.0, 1.0, 300)
    tie = trend_crossing(x, np.exp(x) - 2.0, np.ones(300), low=-1.0, high=1.0, seed=1)
    assert tie is not None
    assert tie.at == pytest.approx(np.log(2.0), abs=0.02)


def test_worlds_of_weight_0_do_not_count() -> None:
    x, weights = np.linspace(0.0, 1.0, 100), np.repeat([1.0, 0.0], 50)
    values = np.where(weights > 0.0, x - 0.25, 50.0)
    tie = trend_crossing(x, values, weights, low=0.0, high=1.0, seed=1)
    assert tie is not None
    assert tie.at == pytest.approx(0.25, abs=1e-6)


@pytest.mark.slow
def test_the_interval_of_a_tipping_point_covers_it() -> None:
    """Of 300 studies of 200 worlds 95 of 100 intervals should hold the truth; fewer than 91 happen
    with probability 0.2%.
    """
    rng, held = np.random.default_rng(3), 0
    for study in range(300):
        x = rng.uniform(-1.0, 1.0, 200)
        y = x + 0.5 * x**2 - 0.2 + rng.normal(size=200)
        tie = trend_crossing(x, y, np.ones(200), low=-1.0, high=1.0, seed=study)
        assert tie is not None
        assert tie.low is not None
        assert tie.high is not None
        held += tie.low <= -1.0 + np.sqrt(1.4) <= tie.high
    assert held >= 273
