"""Vitals: bounded, monotone, and at rest where the patient is at rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.biology import vitals
from tests.biology.plain_python import plain

leak_rate, lung_water_rate = plain(vitals.leak_rate), plain(vitals.lung_water_rate)
organ_injury_rate = plain(vitals.organ_injury_rate)
temperature_rate = plain(vitals.temperature_rate)
mean_arterial_pressure = plain(vitals.mean_arterial_pressure)
oxygen_saturation = plain(vitals.oxygen_saturation)

_SHARE = st.floats(0.0, 1.0)
_SMALL = st.floats(0.0, 0.5)


@given(drive=st.floats(0.0, 3.0), inhibition=_SHARE, on=_SMALL, off=_SMALL)
def test_leak_stays_a_fraction(drive: float, inhibition: float, on: float, off: float) -> None:
    assert leak_rate(0.0, drive, inhibition, on, off) >= 0.0
    assert leak_rate(1.0, drive, inhibition, on, off) <= 0.0
    assert leak_rate(0.4, drive, 1.0, on, off) == pytest.approx(-0.4 * off)
    assert leak_rate(0.4, drive, inhibition, on, off) <= leak_rate(0.4, drive, 0.0, on, off) + 1e-12


@given(water=_SHARE, leak=_SHARE, turnover=st.floats(0.01, 0.2))
def test_lung_water_follows_the_leak(water: float, leak: float, turnover: float) -> None:
    assert lung_water_rate(water, leak, turnover) == pytest.approx(turnover * (leak - water))


@given(
    injury=_SHARE, drive=st.floats(0.0, 3.0), more=_SHARE, inhibition=_SHARE, on=_SMALL, off=_SMALL
)
def test_injury_of_an_organ_is_a_fraction_that_engaged_t_cells_drive(
    injury: float, drive: float, more: float, inhibition: float, on: float, off: float
) -> None:
    """No drive only heals, and so does a drive that a steroid blocks in full."""
    rate = organ_injury_rate(injury, drive, inhibition, on, off)
    assert rate <= organ_injury_rate(injury, drive + more, inhibition, on, off)
    assert rate <= organ_injury_rate(injury, drive, inhibition * (1.0 - more), on, off) + 1e-12
    assert organ_injury_rate(0.0, drive, inhibition, on, off) >= 0.0
    assert organ_injury_rate(1.0, drive, inhibition, on, off) <= 0.0
    assert organ_injury_rate(0.0, 0.0, inhibition, on, off) == 0.0
    for heals in (
        organ_injury_rate(injury, 0.0, inhibition, on, off),
        organ_injury_rate(injury, drive, 1.0, on, off),
    ):
        assert heals == pytest.approx(-off * injury)


def test_injury_of_an_organ_by_hand() -> None:
    """Under a drive of 0.5 that does not end, 0.04 x 0.5 against 0.01 an hour: two thirds."""
    assert organ_injury_rate(2.0 / 3.0, 0.5, 0.0, 0.04, 0.01) == pytest.approx(0.0, abs=1e-15)
    assert organ_injury_rate(0.0, 0.5, 0.25, 0.04, 0.01) == pytest.approx(0.015)


@given(pyrogen=st.floats(0.0, 10.0), more=st.floats(0.0, 5.0), antipyresis=_SHARE)
def test_the_set_point_lies_between_normal_and_normal_plus_rise(
    pyrogen: float, more: float, antipyresis: float
) -> None:
    def set_point(p: float, a: float) -> float:
        return 36.8 + float(temperature_rate(36.8, 36.8, p, 0.43, 3.2, a, 1.0))

    assert 36.8 <= set_point(pyrogen, antipyresis) <= 40.0
    assert set_point(pyrogen, antipyresis) <= set_point(pyrogen + more, antipyresis) + 1e-12
    assert set_point(pyrogen, 1.0) == 36.8  # full antipyresis: no fever whatever the pyrogen


def test_fever_by_hand() -> None:
    """At half the pyrogen half of the rise: 36.8 + 1.6; a fever of 38.4 then neither rises nor
    falls.
    """
    assert temperature_rate(38.4, 36.8, 0.43, 0.43, 3.2, 0.0, 0.588) == pytest.approx(
        0.0, abs=1e-12
    )
    assert temperature_rate(37.4, 36.8, 0.43, 0.43, 3.2, 0.0, 0.588) == pytest.approx(0.588)


def test_the_set_point_is_steep() -> None:
    """The cube: half of the pyrogen of half the rise gives a ninth of the rise, twice gives eight
    ninths.
    """

    def rise(pyrogen: float) -> float:
        return float(temperature_rate(36.8, 36.8, pyrogen, 0.24, 4.5, 0.0, 1.0))

    assert rise(0.12) == pytest.approx(4.5 / 9.0)
    assert rise(0.48) == pytest.approx(4.5 * 8.0 / 9.0)


@given(leak=_SHARE, more=_SHARE, fluids=_SHARE, pressors=st.floats(0.0, 2.0))
def test_pressure_falls_with_leak_and_rises_with_support(
    leak: float, more: float, fluids: float, pressors: float
) -> None:
    def pressure(e: float, f: float, p: float) -> float:
        return float(mean_arterial_pressure(90.0, e, 55.0, 0.53, f, 8.0, p, 16.0))

    worse = leak + (1.0 - leak) * more
    assert pressure(worse, fluids, pressors) <= pressure(leak, fluids, pressors) + 1e-12
    assert pressure(leak, 0.0, pressors) <= pressure(leak, fluids, pressors)
    assert pressure(leak, fluids, pressors + 1.0) == pytest.approx(
        pressure(leak, fluids, pressors) + 16.0
    )
    assert pressure(leak, 0.0, 0.0) > 90.0 - 55.0


def test_pressure_by_hand() -> None:
    assert mean_arterial_pressure(90.0, 0.0, 55.0, 0.53, 0.0, 8.0, 0.0, 16.0) == 90.0
    assert mean_arterial_pressure(90.0, 0.53, 55.0, 0.53, 0.0, 8.0, 0.0, 16.0) == pytest.approx(
        62.5
    )
    assert mean_arterial_pressure(90.0, 0.5, 55.0, 0.5, 1.0, 8.0, 1.0, 16.0) == pytest.approx(82.5)


@given(water=_SHARE, more=_SHARE)
def test_saturation_falls_with_lung_water(water: float, more: float) -> None:
    def spo2(w: float) -> float:
        return float(oxygen_saturation(96.5, w, 22.0, 0.6))

    assert 96.5 - 22.0 < spo2(water + (1.0 - water) * more) <= spo2(water) <= 96.5


def test_saturation_by_hand() -> None:
    assert oxygen_saturation(96.5, 0.6, 22.0, 0.6) == pytest.approx(85.5)
    # (1/2)^4 / (1 + (1/2)^4)
    assert oxygen_saturation(96.5, 0.3, 22.0, 0.6) == pytest.approx(96.5 - 22.0 / 17.0)
