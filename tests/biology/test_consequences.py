"""Infection and response as functions of what is blocked."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.biology.consequences import (
    blocked_together,
    infection_risk,
    response_risk,
    share_blocked,
)

unit = st.floats(0.0, 1.0)


def test_half_of_the_largest_block_at_the_half_effect_dose() -> None:
    assert np.isclose(share_blocked(np.array([0.3]), 0.3, 0.9)[0], 0.45)


@given(unit, unit)
def test_two_agents_block_at_least_as_much_as_one_and_never_more_than_all(
    one: float, other: float
) -> None:
    both = float(blocked_together(np.array(one), np.array(other)))
    assert max(one, other) - 1e-12 <= both <= 1.0


@given(st.floats(0.01, 0.5), st.floats(0.2, 5.0))
def test_hazards_add_up(usual: float, ratio: float) -> None:
    """Two windows of half the ratio each are one window: survival multiplies."""
    whole, half = (float(infection_risk(usual, np.array(r))) for r in (ratio, ratio / 2.0))
    assert np.isclose(1.0 - whole, (1.0 - half) ** 2)


@given(st.floats(0.05, 0.9), st.floats(0.0, 2.0), st.floats(-3.0, 3.0))
def test_more_activation_never_means_less_response(rate: float, slope: float, x: float) -> None:
    low, high = response_risk(rate, slope, np.array([x, x + 0.5]))
    assert high >= low
    assert np.isclose(float(response_risk(rate, 0.0, np.array(x))), rate)


def test_the_worked_loss_of_the_design() -> None:
    """Response 35%, a fifth of activation blocked: 2.5 points lost at a slope of 0.5, 4.9 at 1
    (known answer G14).
    """
    lost = [0.35 - float(response_risk(0.35, slope, np.array(np.log(0.8)))) for slope in (0.5, 1.0)]
    assert np.allclose(lost, [0.025, 0.049], atol=5e-4)
