"""Group-sequential designs spend exactly their error, reach their power, and do what a simulation
of them does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from crsrisk.errors import InputError
from crsrisk.trials.sequential import (
    group_sequential_bounds,
    group_sequential_crossing,
    group_sequential_sample_size,
    naive_repeated_looks_error,
)
from crsrisk.trials.spending import crossing
from crsrisk.trials.two_proportions import sample_size_two_proportions

INFO = st.lists(st.integers(1, 20), min_size=1, max_size=6).map(
    lambda steps: (np.cumsum(steps) / sum(steps)).tolist()
)
KINDS = st.sampled_from(
    [
        {"type": "OBrien-Fleming"},
        {"type": "Pocock"},
        {"type": "Wang-Tsiatis", "delta": 0.25},
        {"type": "Lan-DeMets OBF-like spending"},
        {"type": "Lan-DeMets Pocock-like spending"},
        {"type": "Kim-DeMets power spending", "rho": 2.0},
        {"type": "Hwang-Shih-DeCani spending", "gamma": -4.0},
    ]
)


@settings(max_examples=60)
@given(info=INFO, kind=KINDS, alpha=st.floats(0.005, 0.1), two_sided=st.booleans())
def test_bounds_spend_exactly_alpha(
    info: list[float], kind: dict[str, Any], alpha: float, two_sided: bool
) -> None:
    design = group_sequential_bounds(info=info, alpha_one_sided=alpha, two_sided=two_sided, **kind)
    assert design.cum_alpha[-1] == pytest.approx(alpha, rel=1e-7)
    assert (np.diff(design.cum_alpha, prepend=0.0) >= 0).all()
    assert design.z[-1] >= ndtri(1 - alpha) - 1e-6, (
        "looking costs, so the last bound is never below that of one look"
    )
    assert 1 - 1e-6 <= design.inflation_power80 < 1.6
    if len(info) == 1:
        assert design.z[0] == pytest.approx(ndtri(1 - alpha), abs=1e-7)
        assert design.inflation_power90 == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("n_looks", [2, 5, 10])
def test_shapes(n_looks: int) -> None:
    """O'Brien-Fleming is flat in the score, Pocock in z; Wang-Tsiatis holds both."""
    obf, pocock = (
        group_sequential_bounds(type="OBF", K=n_looks),
        group_sequential_bounds(type="Pocock", K=n_looks),
    )
    assert obf.z * np.sqrt(obf.info) == pytest.approx(obf.constant)
    assert pocock.z == pytest.approx(pocock.constant)
    assert group_sequential_bounds(type="Wang-Tsiatis", delta=0.0, K=n_looks).z == pytest.approx(
        obf.z
    )
    assert group_sequential_bounds(type="Wang-Tsiatis", delta=0.5, K=n_looks).z == pytest.approx(
        pocock.z
    )
    assert obf.inflation_power80 < pocock.inflation_power80


def test_the_default_design_of_gsdesign() -> None:
    """gsDesign(): three looks, Hwang-Shih-DeCani -4 and -2 (not binding), power 90% (recalled:
    printed output).
    """
    design = group_sequential_bounds(
        type="HSD", gamma=-4, K=3, futility="HSD", futility_gamma=-2, power=0.9
    )
    assert design.z.round(2).tolist() == [3.01, 2.55, 2.0]
    assert design.futility_z is not None
    assert design.futility_z.round(2).tolist() == [-0.24, 0.94, 2.0]
    assert design.inflation_power90 == pytest.approx(1.07, abs=0.005)


@settings(max_examples=20)
@given(info=INFO, power=st.floats(0.6, 0.95), is_binding=st.booleans())
def test_both_errors_are_spent(info: list[float], power: float, is_binding: bool) -> None:
    kind = {
        "type": "HSD",
        "gamma": -4.0,
        "futility": "Kim-DeMets power spending",
        "futility_rho": 2.0,
    }
    design = group_sequential_sample_size(
        p_treat=0.15, p_control=0.3, info=info, power=power, binding=is_binding, **kind
    )
    assert design.cum_power[-1] == pytest.approx(power, abs=1e-8)
    spent = (1 - power) * np.array(info) ** 2
    assert np.cumsum(design.stop_futility_H1)[:-1] == pytest.approx(spent[:-1], abs=1e-8)
    heeded = float(design.stop_benefit_H0.sum())
    assert heeded <= 0.025 + 1e-9
    assert not is_binding or heeded == pytest.approx(0.025, rel=1e-7)


def test_futility_that_may_be_ignored_leaves_the_bounds_alone() -> None:
    plain = group_sequential_bounds(type="OBF", K=3)
    advised = group_sequential_bounds(type="OBF", K=3, futility_z=[0.0, 0.5])
    bound = group_sequential_bounds(type="OBF", K=3, futility_z=[0.0, 0.5], binding=True)
    assert advised.z == pytest.approx(plain.z)
    assert (bound.z < plain.z).all(), "a stop that must be heeded buys lower bounds"
    assert bound.cum_alpha[-1] == pytest.approx(0.025, rel=1e-8)
    assert advised.inflation_power80 > plain.inflation_power80, "and costs power"
    spending = group_sequential_bounds(
        type="Lan-DeMets OBF-like spending", K=3, futility_z=[0.0, 0.5], binding=True
    )
    assert spending.cum_alpha[-1] == pytest.approx(0.025, rel=1e-8)


def test_the_design_does_what_its_simulation_does() -> None:
    """400,000 walks, four standard errors: a wrong alarm in fewer than 1 of 2,000 runs of other
    seeds; seed fixed.
    """
    design = group_sequential_sample_size(
        p_treat=0.4,
        p_control=0.6,
        info=[0.5, 0.75, 1.0],
        type="OBF",
        power=0.9,
        futility_z=[0.0, 0.5],
    )
    drift = (ndtri(0.975) + ndtri(0.9)) * np.sqrt(design.inflation)
    rng, n_sim = np.random.default_rng(11), 400_000
    steps = np.diff(design.info, prepend=0.0)
    z = np.cumsum(rng.normal(drift * steps, np.sqrt(steps), (n_sim, 3)), axis=1) / np.sqrt(
        design.info
    )
    running = np.ones(n_sim, dtype=bool)
    for k in range(3):
        benefit = running & (z[:, k] >= design.z[k])
        futile = running & (z[:, k] < [0.0, 0.5, -np.inf][k])
        for simulated, exact in (
            (benefit, design.stop_benefit_H1[k]),
            (futile, design.stop_futility_H1[k]),
        ):
            assert simulated.mean() == pytest.approx(
                exact, abs=4 * np.sqrt(max(exact, 1e-5) / n_sim)
            )
        running &= ~(benefit | futile)


def test_one_look_is_the_plain_trial() -> None:
    design = group_sequential_sample_size(
        p_treat=0.1, p_control=0.25, type="Pocock", K=1, ratio=2.0, variance="unpooled"
    )
    plain = sample_size_two_proportions(p_treat=0.1, p_control=0.25, ratio=2.0, variance="unpooled")
    assert design.n_cum[-1] == pytest.approx(plain.n_total_unrounded, rel=1e-7)
    assert design.expected_n_H1 == design.expected_n_H0 == pytest.approx(design.n_cum[-1])


@settings(max_examples=20)
@given(kind=KINDS, n_looks=st.integers(2, 5), power=st.floats(0.5, 0.95))
def test_stopping_early_saves_patients(kind: dict[str, Any], n_looks: int, power: float) -> None:
    design = group_sequential_sample_size(
        p_treat=0.1, p_control=0.3, K=n_looks, power=power, **kind
    )
    assert design.cum_power[-1] == pytest.approx(power, abs=1e-8)
    assert design.n_cum[0] < design.expected_n_H1 < design.expected_n_H0 <= design.n_cum[-1]
    assert design.n_fixed <= design.n_cum[-1] + 1e-6


def test_crossing_for_any_effect() -> None:
    design = group_sequential_bounds(type="OBF", K=4)
    powers = [
        float(group_sequential_crossing(z=design.z, info=design.info, drift=d).upper.sum())
        for d in (0.0, 1.0, 2.0, 4.0)
    ]
    assert powers[0] == pytest.approx(0.025)
    assert powers == sorted(powers)
    stated = group_sequential_crossing(
        z=design.z, info=design.info, drift=2.0, futility_z=[-1.0, 0.0, 0.5]
    )
    same = crossing(
        upper=design.z, lower=np.array([-1.0, 0.0, 0.5, design.z[-1]]), info=design.info, drift=2.0
    )
    assert (stated.upper == same.upper).all()
    assert (stated.lower == same.lower).all()


def test_looking_naively() -> None:
    assert naive_repeated_looks_error(z_each_look=1.959964, looks=1) == pytest.approx(
        0.025, abs=1e-6
    )
    errors = naive_repeated_looks_error(z_each_look=1.959964, looks=[1, 2, 5], report="both tails")
    # Armitage, McPherson & Rowe 1969 (recalled)
    assert errors[-1] == pytest.approx(0.142, abs=5e-4)
    assert (np.diff(errors) > 0).all()
    one_side = naive_repeated_looks_error(z_each_look=1.959964, looks=5, two_sided=False)
    assert one_side >= errors[-1] / 2


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"K": 0}, "K"),
        ({"K": None}, "info"),
        ({"K": 3, "info": [0.5, 1.0]}, "K"),
        ({"K": None, "info": [0.5, 0.4, 1.0]}, "info"),
        ({"K": None, "info": [0.5, 0.9]}, "info"),
        ({"K": None, "info": [0.0, 1.0]}, "info"),
        ({"alpha_one_sided": 0.5}, "alpha_one_sided"),
        ({"power": 0.01}, "power"),
        ({"type": "none"}, "type"),
        ({"futility_z": [0.0]}, "futility_z"),
        ({"futility_z": [0.0, 3.0]}, "futility_z"),
        ({"futility_z": [0.0, 0.5], "futility": "HSD", "futility_gamma": -2}, "futility_z"),
        ({"futility_z": [0.0, 0.5], "two_sided": True}, "futility"),
        ({"futility": "Pocock"}, "futility"),
        ({"futility": "HSD", "futility_gamma": -2, "binding": True}, "futility"),
        ({"futility_z": [9.0, 9.0], "binding": True}, "futility_z"),
    ],
)
def test_impossible_designs_are_refused_with_the_cure(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=rf", {key}.*Cure: \w"):
        group_sequential_bounds(**{"type": "OBF", "K": 3, **wrong})


def test_bounds_and_looks_must_match() -> None:
    with pytest.raises(InputError, match="one a look"):
        group_sequential_crossing(z=[2.0], info=[0.5, 1.0], drift=0.0)
    with pytest.raises(InputError, match="z_each_look"):
        naive_repeated_looks_error(z_each_look=0.0, looks=2)
    with pytest.raises(InputError, match="drift: found nan"):
        group_sequential_crossing(z=[2.0], info=[1.0], drift=float("nan"))


@pytest.mark.parametrize("gap", [0.002, 0.0011])
def test_looks_that_nearly_coincide_are_parted_or_refused(gap: float) -> None:
    """Close to the refusal the joint normal distribution still agrees; nearer ones are refused, not
    solved wrongly.
    """
    info = np.array([0.5, 0.5 + gap, 1.0])
    z = group_sequential_bounds(type="OBrien-Fleming", info=info.tolist()).z
    spread = np.sqrt(np.minimum.outer(info, info) / np.maximum.outer(info, info))
    # by random points
    joint = multivariate_normal(
        np.zeros(3), spread, seed=1, maxpts=20_000_000, abseps=1e-8, releps=1e-8
    )
    assert joint.cdf(z) == pytest.approx(0.975, abs=2e-6)
    with pytest.raises(InputError, match="nearly coincide"):
        group_sequential_bounds(type="OBrien-Fleming", info=[0.5, 0.5 + 1e-7, 1.0])
