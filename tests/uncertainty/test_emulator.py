"""Emulators: surfaces that are known come back, slopes are slopes, and nothing is sure only because
nobody had the event.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.uncertainty.emulator import (
    STRONGEST,
    Emulator,
    fit_rate,
    fit_time,
    reliability,
)

Values = NDArray[np.float64]
NONE = np.zeros(0, dtype=np.intp)


def _surface(x: Values) -> Values:
    """Logit with slopes, a square and a product, -1 at the medians."""
    return np.asarray(
        -1.0 + 1.2 * x[:, 0] - 0.8 * x[:, 1] + 0.3 * x[:, 1] ** 2 + 0.5 * x[:, 0] * x[:, 2]
    )


def _random_emulator(rng: np.random.Generator, n: int) -> Emulator:
    squared = rng.choice(n, 3, replace=False)
    pairs = np.array([[0, 1], [1, 2], [n - 1, 0]])
    return Emulator(
        float(rng.normal()),
        rng.normal(size=n),
        squared,
        rng.normal(size=3),
        pairs,
        rng.normal(size=3),
    )


@given(st.integers(0, 10**6))
def test_the_slope_is_that_of_the_value(seed: int) -> None:
    """Central differences of a quadratic are exact but for rounding."""
    rng = np.random.default_rng(seed)
    emulator, here, step = _random_emulator(rng, 5), rng.normal(size=5), 0.1 * np.eye(5)
    up, down = emulator.value(here + step), emulator.value(here - step)
    assert emulator.slope(here) == pytest.approx((up - down) / 0.2, abs=1e-9)


@given(st.integers(0, 10**6))
def test_the_value_is_the_formula(seed: int) -> None:
    """Term by term, and on average over standard normal scores the intercept (a square less 1)."""
    rng = np.random.default_rng(seed)
    one, x = _random_emulator(rng, 4), rng.normal(size=4)
    by_hand = one.intercept + sum(one.linear * x)
    by_hand += sum(b * (x[k] ** 2 - 1.0) for k, b in zip(one.squared, one.squares, strict=True))
    by_hand += sum(b * x[i] * x[j] for (i, j), b in zip(one.pairs, one.products, strict=True))
    assert one.value(x[None])[0] == pytest.approx(by_hand)
    nodes = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T  # exact to the third power
    assert one.value(nodes).mean() == pytest.approx(one.intercept)


def test_a_known_surface_comes_back() -> None:
    """20,000 patients, 30 scores of which three matter. Standard errors of coefficients are about
    0.025; five of them are allowed for the four that are there. The surface is met within 0.2
    logits (RMS in other patients; over 20 other seeds 0.11 to 0.17).
    """
    rng = np.random.default_rng(2)
    x = rng.standard_normal((20_000, 30))
    found = fit_rate(x, rng.random(len(x)) < expit(_surface(x)), curved=NONE)
    assert found.linear[:2] == pytest.approx([1.2, -0.8], abs=0.125)
    assert found.squares[found.squared == 1] == pytest.approx([0.3], abs=0.125)
    (which,) = np.flatnonzero((np.sort(found.pairs, axis=1) == [0, 2]).all(axis=1))
    assert found.products[which] == pytest.approx(0.5, abs=0.125)
    fresh = rng.standard_normal((5_000, 30))
    assert np.sqrt(np.square(found.value(fresh) - _surface(fresh)).mean()) < 0.2


def test_scores_that_do_nothing_are_left_near_nothing() -> None:
    """200 scores, one of which matters, 8,000 patients: left alone the slopes would be off by 0.032
    (RMS), with the prior that the data set by less than 0.025 (over 20 other seeds 0.015 to 0.021).
    """
    rng = np.random.default_rng(3)
    x = rng.standard_normal((8_000, 200))
    found = fit_rate(x, rng.random(len(x)) < expit(1.5 * x[:, 7]), curved=NONE)
    assert found.linear[7] == pytest.approx(1.5, abs=0.15)
    assert np.sqrt(np.square(np.delete(found.linear, 7)).mean()) < 0.025


def test_the_strongest_scores_and_those_asked_for_get_a_square() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((4_000, 20))
    weights = np.where(np.arange(20) < STRONGEST, 0.5, 0.0)
    found = fit_rate(x, rng.random(len(x)) < expit(x @ weights), curved=np.array([17, 19]))
    assert {17, 19} <= set(found.squared)
    assert len(found.squared) <= STRONGEST + 2
    assert len(found.pairs) == STRONGEST * (STRONGEST - 1) // 2
    assert not (found.pairs[:, 0] == found.pairs[:, 1]).any()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_names_and_signs_of_scores_and_the_order_of_patients_do_not_matter(seed: int) -> None:
    """To the rounding of sums in single precision."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((600, 4))
    event = rng.random(len(x)) < expit(_surface(x))
    fresh, order = rng.standard_normal((50, 4)), rng.permutation(4)
    signs, rows = np.where(rng.random(4) < 0.5, -1.0, 1.0), rng.permutation(len(x))
    one = fit_rate(x, event, curved=NONE)
    other = fit_rate((signs * x)[rows][:, order], event[rows], curved=NONE)
    assert other.value((signs * fresh)[:, order]) == pytest.approx(one.value(fresh), abs=0.02)


@pytest.mark.parametrize("n_events", [0, 1, 3, 12])
def test_rare_events_are_rare_and_not_impossible(n_events: int) -> None:
    """Of 6,000 patients, whose scores tell nothing: the mean chance is that of events + 1/2, and
    nobody's is certain.
    """
    rng = np.random.default_rng(6)
    x = rng.standard_normal((6_000, 10))
    event = np.arange(len(x)) < n_events
    found = fit_rate(x, event, curved=np.array([0]))
    assert expit(found.value(x)).mean() == pytest.approx((n_events + 0.5) / 6_001, rel=0.1)
    assert (found.value(x) < 0.0).all()
    mirrored = fit_rate(x, ~event, curved=np.array([0]))
    assert mirrored.value(x) == pytest.approx(-found.value(x), abs=0.02)


def test_a_rare_event_with_a_cause_has_its_cause() -> None:
    """About 60 events of 20,000 patients, five times as frequent for each SD of a score: the slope
    of 1.6 within 0.5 (SE 0.13, drawn towards 0 by the prior).
    """
    rng = np.random.default_rng(8)
    x = rng.standard_normal((20_000, 40))
    event = rng.random(len(x)) < expit(-7.0 + 1.6 * x[:, 3])
    assert 30 < event.sum() < 120
    found = fit_rate(x, event, curved=NONE)
    assert int(np.argmax(np.abs(found.linear))) == 3
    assert found.linear[3] == pytest.approx(1.6, abs=0.5)


def test_scores_that_nobody_feels_say_nothing() -> None:
    """Even odds without a cause: every step is 0, and so is the answer."""
    found = fit_rate(np.zeros((100, 3)), np.arange(100) < 50, curved=NONE)
    assert found.intercept == pytest.approx(0.0, abs=1e-9)
    assert np.abs(found.linear).max() == 0.0


# Times.


def test_a_known_time_comes_back() -> None:
    """Log times with SD 0.8 around slopes and a square, 4,000 patients: SE 0.013, five allowed.
    Slopes that are not there are off by less than one (RMS; over 20 other seeds 0.007 to 0.010).
    """
    rng = np.random.default_rng(9)
    x = rng.standard_normal((4_000, 30))
    truth = 2.0 + 0.5 * x[:, 0] - 0.3 * x[:, 1] + 0.2 * (x[:, 0] ** 2 - 1.0)
    found = fit_time(x, truth + 0.8 * rng.standard_normal(len(x)), curved=np.array([0]))
    assert found.intercept == pytest.approx(2.0, abs=0.065)
    assert found.linear[:2] == pytest.approx([0.5, -0.3], abs=0.065)
    assert found.squares[found.squared == 0] == pytest.approx([0.2], abs=0.065)
    assert np.sqrt(np.square(found.linear[2:]).mean()) < 0.013


def test_a_time_that_never_differs_depends_on_nothing() -> None:
    x = np.random.default_rng(1).standard_normal((500, 5))
    found = fit_time(x, np.full(500, 3.0), curved=NONE)
    assert found.value(x) == pytest.approx(np.full(500, 3.0))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_half_of_the_patients_are_later_than_the_median(seed: int) -> None:
    """Also where times are skewed and a part of them was never over, which is later than all."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2_000, 3))
    log_time = 1.0 + 0.4 * x[:, 0] + np.log(rng.exponential(size=len(x)))
    log_time[rng.random(len(x)) < 0.15] = np.inf
    found = fit_time(x, log_time, curved=NONE)
    assert np.mean(log_time > found.value(x)) == pytest.approx(0.5, abs=1e-3)


# How reliable they are.


def test_the_truth_is_reliable_and_a_wrong_slope_is_not() -> None:
    """10,000 patients, 2,000 a group: shares have a standard error of 0.011 or less, and four of
    them are allowed five times (a false alarm in 3,000). Slopes twice as steep miss by far more.
    """
    rng = np.random.default_rng(10)
    x = rng.standard_normal((10_000, 2))
    truth = Emulator.linear_in(np.array([1.0, 0.5]), intercept=-0.5)
    event = rng.random(len(x)) < expit(truth.value(x))
    right = reliability(truth, x, event)
    assert right.largest_gap < 4 * 0.011
    assert list(right.predicted) == sorted(right.predicted)
    wrong = Emulator.linear_in(np.array([2.0, 1.0]), intercept=-0.5)
    assert reliability(wrong, x, event).largest_gap > 0.1


@given(st.integers(0, 10**6), st.integers(5, 60))
def test_groups_hold_everybody_once(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, event = rng.standard_normal((n, 2)), rng.random(n) < 0.5
    made = reliability(Emulator.linear_in(np.array([1.0, 0.0])), x, event)
    sizes = [len(part) for part in np.array_split(np.arange(n), 5)]
    assert np.dot(sizes, made.seen) == pytest.approx(event.sum())
    assert np.dot(sizes, made.predicted) == pytest.approx(expit(x[:, 0]).sum())
