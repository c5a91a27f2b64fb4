"""Exposure: closed forms of one and two compartments, no drug lost or made, cells between 0 and
their ceiling.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crsrisk.biology import exposure
from tests.biology.plain_python import plain

central_rate, peripheral_rate = plain(exposure.central_rate), plain(exposure.peripheral_rate)
depot_rate, expansion_rate = plain(exposure.depot_rate), plain(exposure.expansion_rate)
_RATE = st.floats(0.0, 2.0)
_AMOUNT = st.floats(0.0, 1e4)


def integrate(
    slope: Callable[[NDArray[np.float64]], list[float]],
    start: list[float],
    hours: float,
    steps: int = 2000,
) -> NDArray[np.float64]:
    """Classical Runge-Kutta with a step so small that its error is far below the tolerance of the
    tests.
    """
    y, h = np.array(start), hours / steps
    for _ in range(steps):
        k1 = np.array(slope(y))
        k2 = np.array(slope(y + h / 2 * k1))
        k3 = np.array(slope(y + h / 2 * k2))
        k4 = np.array(slope(y + h * k3))
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


@pytest.mark.parametrize(("hours", "after"), [(1.0, 0.0), (1.0, 24.0), (4.0, 72.0)])
def test_one_compartment_infusion(hours: float, after: float) -> None:
    """A(t) = R/k (1 - exp(-k T)) exp(-k (t - T)): Rowland and Tozer, Clinical Pharmacokinetics,
    infusion.
    """
    rate, k = 250.0, 0.09
    during = integrate(
        lambda y: [central_rate(0.0, y[0], 0.0, rate, 0.0, 1.0, k, 0.0, 0.0)], [0.0], hours
    )
    end = integrate(
        lambda y: [central_rate(0.0, y[0], 0.0, 0.0, 0.0, 1.0, k, 0.0, 0.0)], [during[0]], after
    )
    assert end[0] == pytest.approx(
        rate / k * (1 - np.exp(-k * hours)) * np.exp(-k * after), rel=1e-9
    )


def test_one_compartment_under_the_skin() -> None:
    """Bateman 1910: A(t) = F D ka / (ka - k) (exp(-k t) - exp(-ka t)), largest at ln(ka / k) / (ka
    - k).
    """
    dose, share, ka, k = 1000.0, 0.6, 0.015, 0.05

    def slope(y: NDArray[np.float64]) -> list[float]:
        return [depot_rate(y[0], ka), central_rate(y[0], y[1], 0.0, 0.0, ka, share, k, 0.0, 0.0)]

    peak_h = np.log(ka / k) / (ka - k)
    for hours in (6.0, peak_h, 168.0):
        depot, plasma = integrate(slope, [dose, 0.0], hours)
        assert depot == pytest.approx(dose * np.exp(-ka * hours), rel=1e-9)
        want = share * dose * ka / (ka - k) * (np.exp(-k * hours) - np.exp(-ka * hours))
        assert plasma == pytest.approx(want, rel=1e-9)
    depot, plasma = integrate(slope, [dose, 0.0], peak_h)
    assert abs(slope(np.array([depot, plasma]))[1]) < 1e-6 * plasma


def test_two_compartments_bolus() -> None:
    """Bi-exponential decline with the two roots of x^2 - (k10 + k12 + k21) x + k10 k21 (Gibaldi and
    Perrier).
    """
    k10, k12, k21, hours = 0.008, 0.11, 0.075, 30.0
    total, product = k10 + k12 + k21, k10 * k21
    fast, slow = (np.array([1.0, -1.0]) * np.sqrt(total**2 - 4 * product) + total) / 2
    plasma = ((fast - k21) * np.exp(-fast * hours) + (k21 - slow) * np.exp(-slow * hours)) / (
        fast - slow
    )

    def slope(y: NDArray[np.float64]) -> list[float]:
        return [
            central_rate(0.0, y[0], y[1], 0.0, 0.0, 1.0, k10, k12, k21),
            peripheral_rate(y[0], y[1], k12, k21),
        ]

    assert integrate(slope, [100.0, 0.0], hours)[0] == pytest.approx(100.0 * plasma, rel=1e-9)


@given(
    depot=_AMOUNT,
    central=_AMOUNT,
    peripheral=_AMOUNT,
    infusion=_AMOUNT,
    absorption=_RATE,
    share=st.floats(0.0, 1.0),
    elimination=_RATE,
    there=_RATE,
    back=_RATE,
)
def test_drug_is_neither_lost_nor_made(
    depot: float,
    central: float,
    peripheral: float,
    infusion: float,
    absorption: float,
    share: float,
    elimination: float,
    there: float,
    back: float,
) -> None:
    """What comes in and stays equals what was given, less what is eliminated or never absorbed."""
    change = (
        depot_rate(depot, absorption)
        + central_rate(
            depot, central, peripheral, infusion, absorption, share, elimination, there, back
        )
        + peripheral_rate(central, peripheral, there, back)
    )
    unabsorbed = (1.0 - share) * absorption * depot
    assert change == pytest.approx(
        infusion - elimination * central - unabsorbed, rel=1e-9, abs=1e-7
    )


@given(depot=_AMOUNT, other=_AMOUNT, infusion=_AMOUNT, rates=st.tuples(*[_RATE] * 4))
def test_an_empty_compartment_never_falls_below_zero(
    depot: float, other: float, infusion: float, rates: tuple[float, float, float, float]
) -> None:
    absorption, elimination, there, back = rates
    assert depot_rate(0.0, absorption) == 0.0
    assert (
        central_rate(depot, 0.0, other, infusion, absorption, 1.0, elimination, there, back) >= 0.0
    )
    assert peripheral_rate(other, 0.0, there, back) >= 0.0


def test_expansion_is_logistic() -> None:
    """Under full stimulus without loss, Verhulst 1838: X(t) = K / (1 + (K / X0 - 1) exp(-g t))."""
    growth, ceiling, start, hours = 0.065, 40.0, 0.2, 120.0
    end = integrate(
        lambda y: [expansion_rate(y[0], 0.0, 1.0, growth, 1 / ceiling, 0.0, 0.0, 0.0)],
        [start],
        hours,
    )
    assert end[0] == pytest.approx(
        ceiling / (1 + (ceiling / start - 1) * np.exp(-growth * hours)), rel=1e-9
    )


def test_cells_contract_without_antigen_and_die_faster_when_killed() -> None:
    def end(kill: float) -> float:
        fall = integrate(
            lambda y: [expansion_rate(y[0], 0.0, 0.0, 0.05, 0.01, 0.006, kill, 0.0)], [10.0], 24.0
        )
        return float(fall[0])

    assert end(0.0) == pytest.approx(10.0 * np.exp(-0.006 * 24.0), rel=1e-9)
    assert end(0.2) == pytest.approx(10.0 * np.exp(-0.206 * 24.0), rel=1e-9)


@given(
    arriving=st.floats(0.0, 5.0),
    stimulus=st.floats(0.0, 1.0),
    growth=st.floats(0.0, 0.2),
    ceiling=st.floats(0.1, 1e3),
    loss=st.floats(0.0, 0.05),
    support=st.floats(0.0, 10.0),
)
def test_cells_stay_between_none_and_their_ceiling(
    arriving: float, stimulus: float, growth: float, ceiling: float, loss: float, support: float
) -> None:
    assert expansion_rate(0.0, arriving, stimulus, growth, 1 / ceiling, loss, 0.0, support) >= 0.0
    at_ceiling = expansion_rate(ceiling, 0.0, stimulus, growth, 1 / ceiling, loss, 0.0, support)
    assert at_ceiling <= 1e-12 * ceiling


@given(
    cells=st.floats(0.0, 100.0),
    stimulus=st.floats(0.0, 1.0),
    growth=st.floats(0.0, 0.2),
    support=st.floats(0.0, 6.0),
    loss=st.floats(0.0, 0.05),
)
def test_interleukin_2_multiplies_growth_and_nothing_else(
    cells: float, stimulus: float, growth: float, support: float, loss: float
) -> None:
    """A support of 0.5 grows half as much again; loss and arrival stay."""
    of = (cells, 1.5, stimulus)
    found = expansion_rate(*of, growth, 0.01, loss, 0.0, support)
    assert found == pytest.approx(
        expansion_rate(*of, growth * (1.0 + support), 0.01, loss, 0.0, 0.0), rel=1e-9, abs=1e-12
    )
    assert expansion_rate(*of, 0.0, 0.01, loss, 0.0, support) == pytest.approx(
        1.5 - loss * cells, abs=1e-12
    )
