"""Mitigation: an agent reaches its site with delay, and its effect saturates."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.biology import mitigation
from tests.biology.plain_python import plain

effect_site, occupancy = plain(mitigation.effect_site), plain(mitigation.occupancy)
_DOSES = st.floats(0.0, 20.0)


@given(amount=_DOSES, site=_DOSES, transfer=st.floats(0.0, 1.0))
def test_the_site_moves_towards_plasma_and_never_past_it(
    amount: float, site: float, transfer: float
) -> None:
    after = effect_site(amount, site, transfer)
    assert min(amount, site) - 1e-12 <= after <= max(amount, site) + 1e-12


def test_the_delay_is_exponential() -> None:
    """Held at one usual dose, after six ticks with a delay of 3 h (one time constant): 1 - 1/e."""
    transfer, site = 1.0 - exp(-0.5 / 3.0), 0.0
    for _ in range(6):
        site = effect_site(1.0, site, transfer)
    assert site == pytest.approx(1.0 - exp(-1.0))


@given(site=_DOSES, more=st.floats(0.0, 10.0), half=st.floats(0.01, 5.0))
def test_occupancy_is_a_share_that_rises_with_the_amount(
    site: float, more: float, half: float
) -> None:
    assert 0.0 <= occupancy(site, half) <= occupancy(site + more, half) < 1.0
    assert occupancy(half, half) == 0.5
    assert occupancy(0.0, half) == 0.0
