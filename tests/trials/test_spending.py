"""Spending functions use the whole error and never give any back; names are understood however they
are spelt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from crsrisk.errors import InputError
from crsrisk.trials.spending import Boundary, boundary, crossing, start

SPENDING = st.one_of(
    st.sampled_from(
        [boundary("Lan-DeMets OBF-like spending"), boundary("Lan-DeMets Pocock-like spending")]
    ),
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
    assert (
        boundary("Hwang-Shih-DeCani gamma=-4")
        == boundary("HSD (gamma = -4.0)")
        == boundary("HSD", gamma=-4)
    )
    assert boundary("Wang-Tsiatis, delta=0.25").parameter == 0.25
    assert boundary("Kim-DeMets rho=3", rho=2).parameter == 2, (
        "what is given beside the name counts"
    )


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


# The integration over looks against the multivariate normal distribution, which knows nothing of
# looks.


INFO = st.lists(st.floats(0.02, 1.0), min_size=1, max_size=5).map(
    lambda steps: np.cumsum(steps) / np.sum(steps)
)


def stays_inside(lower: np.ndarray, upper: np.ndarray, info: np.ndarray, drift: float) -> float:
    """P(lower < z_k < upper at every look) by Genz's integration of the joint normal
    distribution.
    """
    covariance = np.sqrt(np.minimum.outer(info, info) / np.maximum.outer(info, info))
    return float(
        multivariate_normal.cdf(
            upper,
            mean=drift * np.sqrt(info),
            cov=covariance,
            lower_limit=lower,
            abseps=1e-9,
            releps=1e-9,
            maxpts=4_000_000,
            rng=1,
        )
    )


@pytest.mark.parametrize("drift", [0.0, 1.5, 3.2])
@pytest.mark.parametrize("info", [[1.0], [0.3, 1.0], [0.2, 0.5, 1.0], [0.25, 0.3, 0.7, 1.0]])
def test_never_stopping_is_a_joint_normal_probability(info: list[float], drift: float) -> None:
    shares = np.array(info)
    upper = np.linspace(2.6, 2.0, shares.size)
    lower = np.linspace(-0.5, 0.8, shares.size)
    found = crossing(upper=upper, lower=lower, info=shares, drift=drift)
    inside = 1 - float(found.upper.sum() + found.lower.sum())
    assert inside == pytest.approx(stays_inside(lower, upper, shares, drift), abs=2e-6)


def test_each_look_separately() -> None:
    """P(first crossing at look k) = P(inside for k - 1 looks) - P(inside k - 1 looks and below the
    bound at k).
    """
    info, upper = np.array([0.2, 0.6, 1.0]), np.array([3.0, 2.4, 2.0])
    found = crossing(upper=upper, lower=np.full(3, -np.inf), info=info, drift=1.0)
    inside = [
        1.0,
        *(stays_inside(np.full(k, -np.inf), upper[:k], info[:k], 1.0) for k in (1, 2, 3)),
    ]
    assert found.upper == pytest.approx(-np.diff(inside), abs=2e-6)


@pytest.mark.parametrize(
    "info", [[0.2, 0.4, 0.6, 0.8, 1.0], [0.1, 0.5, 0.51, 1.0], np.arange(1, 21) / 20]
)
def test_a_finer_grid_changes_nothing(info: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    shares = np.array(info)
    upper, lower = 2.1 / np.sqrt(shares), np.append(np.full(shares.size - 1, -0.5), 2.1)
    usual = crossing(upper=upper, lower=lower, info=shares, drift=2.8)
    monkeypatch.setattr("crsrisk.trials.spending.NODES_PER_STEP", 15)
    finer = crossing(upper=upper, lower=lower, info=shares, drift=2.8)
    assert usual.upper == pytest.approx(finer.upper, abs=1e-10)
    assert usual.lower == pytest.approx(finer.lower, abs=1e-10)


@settings(max_examples=40)
@given(info=INFO, drift=st.floats(-3, 5), top=st.floats(0.5, 4), depth=st.floats(0.2, 4))
def test_all_trials_end_somewhere(info: np.ndarray, drift: float, top: float, depth: float) -> None:
    upper = np.full(info.size, top)
    lower = np.append(np.full(info.size - 1, top - depth), top)
    found = crossing(upper=upper, lower=lower, info=info, drift=drift)
    assert found.upper.sum() + found.lower.sum() == pytest.approx(1.0, abs=1e-8)
    mirrored = crossing(upper=-lower, lower=-upper, info=info, drift=-drift)
    assert mirrored.lower[:-1] == pytest.approx(found.upper[:-1], abs=1e-9)


@given(probability=st.floats(1e-12, 0.999), drift=st.floats(-2, 3), t=st.floats(0.05, 1))
def test_bounds_have_the_probability_asked_for(probability: float, drift: float, t: float) -> None:
    walk = start(drift)
    z = walk.bound_with(probability, info=t)
    assert walk.above(z, info=t) == pytest.approx(probability, rel=1e-8)
    assert z == pytest.approx(norm.isf(probability) + drift * np.sqrt(t), abs=1e-7)
    assert walk.below(walk.floor_with(probability, info=t), info=t) == pytest.approx(
        probability, rel=1e-8
    )


def test_no_error_to_spend_is_no_bound() -> None:
    assert start().bound_with(0.0, info=0.5) == float("inf")
    assert start().floor_with(0.0, info=0.5) == float("-inf")
    nobody = start().past(3.0, 2.0, info=0.5, next_info=1.0)
    assert nobody.above(0.0, info=1.0) == 0.0
