"""Spending functions use the whole error and never give any back; names are understood however they are spelt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.decide.spending import Boundary, boundary
from crsrisk.errors import InputError

SPENDING = st.one_of(
    st.sampled_from([boundary("Lan-DeMets OBF-like spending"), boundary("Lan-DeMets Pocock-like spending")]),
    st.floats(0.1, 8).map(lambda rho: boundary("Kim-DeMets power spending", rho=rho)),
    st.floats(-8, 8).map(lambda gamma: boundary("Hwang-Shih-DeCani spending", gamma=gamma)),
)


@given(spending=SPENDING, alpha=st.floats(0.001, 0.4))
def test_the_error_is_spent_from_nothing_to_all(spending: Boundary, alpha: float) -> None:
    spent = spending.spent(np.linspace(0.01, 1, 100), alpha=alpha)
    assert (np.diff(spent, prepend=0.0) >= 0).all()
    assert spent[-1] == pytest.approx(alpha, rel=1e-12)


def test_hwang_shih_decani_passes_evenly_through_0() -> None:
    t = np.linspace(0.1, 1, 10)
    even = boundary("HSD", gamma=0.0).spent(t, alpha=0.025)
    assert even == pytest.approx(0.025 * t)
    assert boundary("HSD", gamma=1e-7).spent(t, alpha=0.025) == pytest.approx(even, rel=1e-5)
    assert boundary("Kim-DeMets power family", rho=1.0).spent(t, alpha=0.025) == pytest.approx(even)


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("OBrien-Fleming", "OBrien-Fleming"),
        ("O'Brien-Fleming", "OBrien-Fleming"),
        ("OBF", "OBrien-Fleming"),
        ("Pocock", "Pocock"),
        ("Lan-DeMets O'Brien-Fleming-like spending", "Lan-DeMets OBF-like spending"),
        ("Lan-DeMets OBF spending", "Lan-DeMets OBF-like spending"),
        ("lan demets pocock", "Lan-DeMets Pocock-like spending"),
        ("OBF-like", "Lan-DeMets OBF-like spending"),
    ],
)
def test_names_are_understood(spelt: str, name: str) -> None:
    assert boundary(spelt).name == name


def test_a_parameter_may_stand_in_the_name() -> None:
    assert boundary("Hwang-Shih-DeCani gamma=-4") == boundary("HSD (gamma = -4.0)") == boundary("HSD", gamma=-4)
    assert boundary("Wang-Tsiatis, delta=0.25").parameter == 0.25
    assert boundary("Kim-DeMets rho=3", rho=2).parameter == 2, "what is given beside the name counts"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("Haybittle-Peto", {}),
        (3, {}),
        ("Kim-DeMets", {}),
        ("Kim-DeMets", {"rho": 0.0}),
        ("Hwang-Shih-DeCani", {}),
        ("Wang-Tsiatis", {"delta": float("inf")}),
        ("HSD", {"gamma": -400.0}),
        ("Pocock", {"rho": 2.0}),
        ("HSD", {"gamma": -4.0, "rho": 2.0}),
    ],
)
def test_unknown_names_and_idle_parameters_are_refused(name: Any, given: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Cure"):
        boundary(name, **given)
