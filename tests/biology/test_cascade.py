"""Cascade: who drives whom, levels at rest, and IL-6 that rises while its signal falls under
receptor block.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.biology import cascade
from tests.biology.plain_python import plain

myeloid_drive, myeloid_rate = plain(cascade.myeloid_drive), plain(cascade.myeloid_rate)
tolerance_rate, two_source_rate = plain(cascade.tolerance_rate), plain(cascade.two_source_rate)
il6_rate, free_il6 = plain(cascade.il6_rate), plain(cascade.free_il6)

_SHARE = st.floats(0.0, 1.0)
_WEIGHT = st.floats(0.0, 2.0)
_PG = st.floats(0.0, 1e5)


def at_rest(
    basal: float, blocked: float, *, clearance: float = 0.15, by_receptor: float = 0.65
) -> float:
    """IL-6 (pg/mL) at which nothing changes, without inflammation."""
    return basal / (clearance + by_receptor * (1.0 - blocked))


@given(
    parts=st.tuples(*[_SHARE] * 5),
    weights=st.tuples(*[_WEIGHT] * 5),
    which=st.integers(0, 4),
    more=st.floats(0.01, 1.0),
)
def test_myeloid_drive_rises_with_every_driver(
    parts: tuple[float, ...], weights: tuple[float, ...], which: int, more: float
) -> None:
    stronger = [value + more * (k == which) for k, value in enumerate(parts)]
    assert 0.0 <= myeloid_drive(*parts, *weights) <= myeloid_drive(*stronger, *weights) + 1e-12


@given(interferon=_SHARE, weights=st.tuples(*[_WEIGHT] * 5))
def test_interferon_amplifies_tnf_and_does_nothing_alone(
    interferon: float, weights: tuple[float, ...]
) -> None:
    assert myeloid_drive(0.0, interferon, 0.0, 0.0, 0.0, *weights) == 0.0


def test_myeloid_drive_by_hand() -> None:
    """0.6 x (1 + 0.5 x 0.4) x 1 + 0.35 x 0.2 + 0.15 x 0.1 + 0.1 x 0.3 = 0.72 + 0.07 + 0.015 +
    0.03.
    """
    assert myeloid_drive(0.6, 0.4, 0.2, 0.1, 0.3, 1.0, 0.5, 0.35, 0.15, 0.1) == pytest.approx(0.835)


@given(drive=st.floats(0.0, 5.0), il10=_SHARE, on=_WEIGHT, off=_WEIGHT)
def test_the_activated_fraction_stays_a_fraction(
    drive: float, il10: float, on: float, off: float
) -> None:
    assert myeloid_rate(0.0, drive, il10, on, off) >= 0.0
    assert myeloid_rate(1.0, drive, il10, on, off) <= 0.0
    # full IL-10: only recovery
    assert myeloid_rate(0.3, drive, 1.0, on, off) == pytest.approx(-0.3 * off)
    assert myeloid_rate(0.3, drive, il10, on, off) <= myeloid_rate(0.3, drive, 0.0, on, off) + 1e-12


@given(myeloid=_SHARE, on=_WEIGHT, off=_WEIGHT)
def test_tolerance_stays_a_fraction_and_needs_activation(
    myeloid: float, on: float, off: float
) -> None:
    assert tolerance_rate(0.0, myeloid, on, off) >= 0.0
    assert tolerance_rate(1.0, myeloid, on, off) <= 0.0
    assert tolerance_rate(0.5, 0.0, on, off) == pytest.approx(-0.5 * off)


def test_a_cytokine_settles_where_making_equals_clearing() -> None:
    """(150 x 0.2 + 15 x 0.4) / 1.0 = 36 pg/mL."""
    assert two_source_rate(36.0, 0.2, 150.0, 0.4, 15.0, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert two_source_rate(0.0, 0.2, 150.0, 0.4, 15.0, 1.0) == pytest.approx(36.0)


@given(basal=st.floats(0.1, 500.0), blocked=_SHARE)
def test_il6_at_rest(basal: float, blocked: float) -> None:
    level = at_rest(basal, blocked)
    rate = il6_rate(level, basal, 320.0, 0.0, 0.3, 0.3, 0.0, 0.6, 0.4, 0.3, 0.15, 0.65, blocked)
    assert rate == pytest.approx(0.0, abs=1e-9 * basal)


@given(basal=st.floats(0.1, 500.0), less=_SHARE, more=_SHARE)
def test_under_receptor_block_il6_rises_and_its_signal_falls(
    basal: float, less: float, more: float
) -> None:
    """Nishimoto, Blood 2008: IL-6 in serum rises under tocilizumab because its receptor no longer
    clears it.
    """
    low, high = sorted((less, more))
    assert at_rest(basal, high) >= at_rest(basal, low)
    # the signal saturates in what is free
    free = [free_il6(at_rest(basal, b), b, 0.0) for b in (low, high)]
    assert free[1] <= free[0] + 1e-9 * basal
    assert free_il6(at_rest(basal, 1.0), 1.0, 0.0) == 0.0


def test_full_block_raises_il6_by_the_share_of_the_receptor() -> None:
    assert at_rest(4.0, 1.0) / at_rest(4.0, 0.0) == pytest.approx(0.80 / 0.15)


@given(il6=_PG, receptor=_SHARE, antibody=_SHARE, more=_SHARE)
def test_every_block_leaves_less_free_il6(
    il6: float, receptor: float, antibody: float, more: float
) -> None:
    now, slack = free_il6(il6, receptor, antibody), 1e-12 * il6
    assert 0.0 <= now <= il6
    assert free_il6(il6, receptor + (1.0 - receptor) * more, antibody) <= now + slack
    assert free_il6(il6, receptor, antibody + (1.0 - antibody) * more) <= now + slack
    assert free_il6(il6, 1.0, antibody) == free_il6(il6, receptor, 1.0) == 0.0
    assert free_il6(il6, 0.0, 0.0) == il6


@given(myeloid=_SHARE, il1=_SHARE, tnf=_SHARE, leak=_SHARE)
def test_il6_is_made_by_macrophages_and_by_leaky_vessels(
    myeloid: float, il1: float, tnf: float, leak: float
) -> None:
    def rate(m: float, a: float, b: float, e: float) -> float:
        return float(il6_rate(0.0, 4.0, 320.0, m, a, b, e, 0.6, 0.4, 0.3, 0.15, 0.65, 0.0))

    assert rate(0.0, il1, tnf, 0.0) == 4.0  # IL-1 and TNF need macrophages
    assert rate(myeloid, il1, tnf, leak) >= rate(myeloid, 0.0, 0.0, 0.0) >= 4.0
    made = 4.0 + 320.0 * (myeloid * (1.0 + 0.6 * il1 + 0.4 * tnf) + 0.3 * leak)
    assert rate(myeloid, il1, tnf, leak) == pytest.approx(made)
