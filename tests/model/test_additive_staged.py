"""An event that comes after stages: the product of the parts is found, and costs fewer patients
than the event alone.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from crsrisk.model.additive import fit_additive, fit_staged, informative_stages

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
    rare, usual = (staged.slope[6:] + staged.own[product, 6:] for product in (0, 4))
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
def test_directions_hold(seed: int, signs: list[int]) -> None:
    table, steps, _ = cohort(300, seed=seed)
    slope = fit_staged(table, steps, **{**SETTINGS, "directions": [0] * 6 + signs}).slope[6:]
    assert (np.array(signs) * slope >= 0).all()


@pytest.mark.parametrize(
    ("n_any", "n_event", "kept"), [(100, 50, [0]), (95, 50, []), (60, 55, []), (60, 50, [0])]
)
def test_a_stage_needs_patients_below_and_above(n_any: int, n_event: int, kept: list[int]) -> None:
    rows = np.arange(110 if n_any == 100 else 100)
    assert informative_stages(np.column_stack([rows < n_any, rows < n_event]).astype(float)) == kept
