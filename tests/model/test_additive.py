"""The additive start: score equations, pooling over groups, directions, missing values, skewed
columns; and an event that comes after stages, whose parts cost fewer patients than the event alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from crsrisk.model.additive import Additive, fit_additive, fit_staged, informative_stages, scaled_of


def sample(
    n: int, *, seed: int, weights: tuple[float, ...] = (1.0, -0.5, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, len(weights)))
    return table, (rng.random(n) < expit(table @ np.array(weights) - 1)).astype(float)


def plain(table: np.ndarray, labels: np.ndarray, **changed: Any) -> Additive:
    settings_: dict[str, Any] = {"directions": [0] * table.shape[1], "groups": [], "penalty": 20.0}
    return fit_additive(table, labels, **{**settings_, **changed})


def test_the_score_equations_hold_with_one_penalty_for_all_slopes() -> None:
    """At a penalised maximum, sum of z (y - risk) = penalty x slope; and the risks add up to the
    events.
    """
    table, labels = sample(2500, seed=1)
    ours = plain(table, labels)
    residual = labels - expit(ours.log_odds(table))
    scores = scaled_of(table, ours.scalings).T @ residual
    penalties = scores / ours.slope
    np.testing.assert_allclose(penalties, penalties[0], rtol=0.02)
    assert 1 < penalties[0] < 20, (
        "slopes of 1, 0.5 and 0 differ by more than a penalty of 20 expects"
    )
    assert abs(residual.sum()) < 1e-3


def test_it_finds_the_slopes_of_a_large_cohort() -> None:
    table, labels = sample(40_000, seed=2)
    # standard errors about 0.014; five of them
    np.testing.assert_allclose(plain(table, labels).slope, [1.0, -0.5, 0.0], atol=0.07)


def test_a_curve_is_found() -> None:
    rng = np.random.default_rng(3)
    table = rng.normal(size=(20_000, 1))
    labels = (rng.random(20_000) < expit(0.4 * table[:, 0] - 0.3 * (table[:, 0] ** 2 - 1))).astype(
        float
    )
    ours = plain(table, labels)
    assert ours.slope[0] == pytest.approx(0.4, abs=0.08)  # standard errors about 0.015
    assert ours.quadratic[0] == pytest.approx(-0.3, abs=0.08)


@given(
    seed=st.integers(0, 1000), signs=st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3)
)
@settings(max_examples=30)
def test_directions_hold(seed: int, signs: list[int]) -> None:
    table, labels = sample(120, seed=seed, weights=(0.3, -0.3, 0.0))
    slope = plain(table, labels, directions=signs).slope
    assert (np.array(signs) * slope >= 0).all()


def grouped(n: int, *, slopes: tuple[float, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups (yes/no columns, one each) of equal size with levels far apart; then one quantity."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, len(slopes), n)
    x = rng.normal(size=n)
    words = (group[:, None] == np.arange(len(slopes))).astype(float)
    log_odds = np.linspace(-2, 1, len(slopes))[group] + np.array(slopes)[group] * x
    return np.column_stack([words, x]), (rng.random(n) < expit(log_odds)).astype(float)


def random_slopes(fitted: Additive) -> np.ndarray:
    return np.asarray(fitted.slope[-1] + fitted.random_slope[:, -1])


def test_groups_that_do_not_differ_share_a_slope() -> None:
    table, labels = grouped(4000, slopes=(0.5,) * 8, seed=4)
    found = random_slopes(plain(table, labels, groups=list(range(8))))
    alone = [plain(table[table[:, g] > 0, -1:], labels[table[:, g] > 0]).slope[0] for g in range(8)]
    assert np.ptp(found) < 0.5 * np.ptp(alone)
    np.testing.assert_allclose(found, 0.5, atol=0.2)


def test_groups_that_differ_keep_slopes_of_their_own() -> None:
    slopes = (-0.8, 0.0, 0.8, 1.6) * 2
    table, labels = grouped(16_000, slopes=slopes, seed=5)
    np.testing.assert_allclose(
        random_slopes(plain(table, labels, groups=list(range(8)))), slopes, atol=0.3
    )


def test_intercepts_of_groups_are_found() -> None:
    table, labels = grouped(16_000, slopes=(0.0,) * 4, seed=6)
    ours = plain(table, labels, groups=list(range(4)))
    np.testing.assert_allclose(
        ours.intercept + ours.random_intercept, np.linspace(-2, 1, 4), atol=0.25
    )


def test_a_skewed_column_is_taken_as_its_logarithm() -> None:
    rng = np.random.default_rng(7)
    crp = np.exp(rng.normal(2, 1.2, 8000))
    labels = (rng.random(8000) < expit(0.8 * (np.log(crp) - 2))).astype(float)
    ours = plain(crp[:, None], labels, directions=[1])
    log_odds = ours.log_odds(np.exp([[1.0], [3.0]]))
    assert np.diff(log_odds)[0] == pytest.approx(1.6, abs=0.3)


def test_a_column_with_a_zero_stays_finite() -> None:
    rng = np.random.default_rng(8)
    column = np.where(rng.random(500) < 0.3, 0.0, np.exp(rng.normal(0, 1, 500)))
    ours = plain(column[:, None], (column > 0).astype(float))
    assert np.isfinite(ours.log_odds(column[:, None])).all()


def test_what_is_missing_has_an_effect_of_its_own() -> None:
    rng = np.random.default_rng(9)
    column = np.where(rng.random(4000) < 0.4, np.nan, rng.normal(size=4000))
    labels = (rng.random(4000) < expit(1.5 * np.isnan(column) - 1)).astype(float)
    ours = plain(column[:, None], labels, directions=[1])
    assert np.diff(ours.log_odds(np.array([[0.0], [np.nan]])))[0] == pytest.approx(1.5, abs=0.4)


def test_a_missing_value_is_expected_from_the_others() -> None:
    """Correlation 0.8: one SD more of the known value is 0.8 SD of the missing one, with that much
    of its effect.
    """
    rng = np.random.default_rng(10)
    full = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 20_000)
    labels = (rng.random(20_000) < expit(full[:, 1])).astype(float)
    table = full.copy()
    table[rng.random(20_000) < 0.5, 1] = np.nan
    ours = plain(table, labels)
    assert ours.expected[1, 0] == pytest.approx(0.8, abs=0.03)
    rise = np.diff(ours.log_odds(np.array([[-1.0, np.nan], [1.0, np.nan]])))[0]
    assert rise == pytest.approx(1.6 * ours.slope[1] + 2 * ours.slope[0], rel=0.05)


def test_a_tie_that_would_turn_a_direction_round_is_left_out() -> None:
    rng = np.random.default_rng(11)
    table = rng.multivariate_normal([0, 0], [[1, -0.8], [-0.8, 1]], 4000)
    table[rng.random(4000) < 0.5, 1] = np.nan
    labels = (rng.random(4000) < 0.4).astype(float)
    assert plain(table, labels, directions=[1, 1]).expected[1, 0] == 0
    assert plain(table, labels, directions=[1, -1]).expected[1, 0] < -0.7


@pytest.mark.parametrize(
    "column", [np.zeros(50), np.full(50, np.nan), np.r_[np.full(49, np.nan), 1.0]]
)
def test_columns_that_say_nothing_have_no_effect(column: np.ndarray) -> None:
    labels = np.arange(50) % 2.0
    ours = plain(column[:, None], labels)
    log_odds = ours.log_odds(column[:, None])
    assert np.isfinite(log_odds).all()
    assert np.ptp(log_odds) < 0.6  # a single known value may still differ from the rest
    assert expit(ours.intercept) == pytest.approx(0.5, abs=0.05)


# Six products that differ in how likely CRS is at all and how likely it is severe; slopes of each
# part are common.
ANY, SEVERE = np.array([-3.0, -1.5, 0.0, 1.5, 3.0, 0.5]), np.array([1.5, 0.0, -1.0, 0.0, -0.5, 1.0])
SLOPES_ANY, SLOPES_SEVERE = np.array([0.8, 0.5, 0.0, -0.4]), np.array([0.0, 0.3, 0.8, 0.5])


def cohort(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Table (six products, four quantities), steps (any CRS, event), and the true risk."""
    rng = np.random.default_rng(seed)
    product, x = rng.integers(0, 6, n), rng.normal(size=(n, 4))
    of_any, of_severe = (
        expit(ANY[product] + x @ SLOPES_ANY),
        expit(SEVERE[product] + x @ SLOPES_SEVERE),
    )
    is_any = rng.random(n) < of_any
    event = is_any & (rng.random(n) < of_severe)
    words = (product[:, None] == np.arange(6)).astype(float)
    return np.hstack([words, x]), np.column_stack([is_any, event]).astype(float), of_any * of_severe


SETTINGS = {"directions": [0] * 10, "groups": list(range(6)), "penalty": 20.0}


def excess(log_odds: np.ndarray, risk: np.ndarray) -> float:
    """Expected log loss above that of the truth."""
    true = np.log(risk / (1 - risk))
    return float(
        np.mean(np.logaddexp(0, log_odds) - np.logaddexp(0, true) - risk * (log_odds - true))
    )


def test_stages_save_patients() -> None:
    """In each of eight cohorts the excess loss is smaller; if it were a toss-up, all eight would
    agree once in 256.
    """
    table, _, risk = cohort(20_000, seed=1000)
    for seed in range(8):
        known, steps, _ = cohort(2000, seed=seed)
        staged, alone = (
            fit_staged(known, steps, **SETTINGS),
            fit_additive(known, steps[:, -1], **SETTINGS),
        )
        assert excess(staged.log_odds(table), risk) < excess(alone.log_odds(table), risk)


def test_slopes_of_products_follow_from_where_they_stand() -> None:
    """Rarely any CRS: what brings it on counts. Nearly always: what makes it severe."""
    table, steps, _ = cohort(40_000, seed=3)
    staged = fit_staged(table, steps, **SETTINGS)
    rare, usual = (staged.slope[6:] + staged.random_slope[product, 6:] for product in (0, 4))
    assert rare[0] > 0.5 > 0.3 > usual[0]  # true about 0.75 and 0.05; standard errors below 0.05
    assert rare[2] < 0.35 < 0.6 < usual[2]


def test_without_stages_it_is_the_additive_model() -> None:
    table, steps, _ = cohort(600, seed=4)
    alone = fit_additive(table, steps[:, -1], **SETTINGS)
    np.testing.assert_array_equal(
        fit_staged(table, steps[:, -1:], **SETTINGS).log_odds(table), alone.log_odds(table)
    )
    same = np.column_stack([steps[:, -1], steps[:, -1]])  # everybody at the stage has the event
    np.testing.assert_array_equal(
        fit_staged(table, same, **SETTINGS).log_odds(table), alone.log_odds(table)
    )


@given(
    seed=st.integers(0, 1000), signs=st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4)
)
@settings(max_examples=15, deadline=None)
def test_directions_hold_over_stages(seed: int, signs: list[int]) -> None:
    table, steps, _ = cohort(300, seed=seed)
    slope = fit_staged(table, steps, **{**SETTINGS, "directions": [0] * 6 + signs}).slope[6:]
    assert (np.array(signs) * slope >= 0).all()


@pytest.mark.parametrize(
    ("n_any", "n_event", "kept"), [(100, 50, [0]), (95, 50, []), (60, 55, []), (60, 50, [0])]
)
def test_a_stage_needs_patients_below_and_above(n_any: int, n_event: int, kept: list[int]) -> None:
    rows = np.arange(110 if n_any == 100 else 100)
    assert informative_stages(np.column_stack([rows < n_any, rows < n_event]).astype(float)) == kept
