"""Sample sizes of two rates: they reach their power, grow with it, and agree with each other where
they must.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import ndtr, ndtri
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import (
    power_proportions_2indep,
    proportion_effectsize,
    samplesize_proportions_2indep_onetail,
)

from crsrisk.errors import InputError
from crsrisk.trials.exact_tests import exact_rejection_probability
from crsrisk.trials.two_proportions import (
    power_two_proportions,
    restricted_rates,
    sample_size_noninferiority,
    sample_size_two_proportions,
)

RATE = st.floats(0.02, 0.98)
POWER = st.floats(0.3, 0.99)
RATIO = st.floats(0.25, 4)


@given(low=RATE, high=RATE, power=POWER, ratio=RATIO, alpha=st.floats(0.001, 0.2))
def test_the_pooled_z_test_has_its_power(
    low: float, high: float, power: float, ratio: float, alpha: float
) -> None:
    """The size put back into the normal approximation of the test."""
    assume(abs(low - high) > 0.01)
    size = sample_size_two_proportions(
        p_treat=low, p_control=high, power=power, ratio=ratio, alpha_one_sided=alpha
    )
    mean = (ratio * low + high) / (1 + ratio)
    null = sqrt(mean * (1 - mean) * (1 / size.n_treat_unrounded + 1 / size.n_control_unrounded))
    true = sqrt(
        low * (1 - low) / size.n_treat_unrounded + high * (1 - high) / size.n_control_unrounded
    )
    assert ndtr((abs(high - low) + ndtri(alpha) * null) / true) == pytest.approx(power, abs=1e-9)


@given(
    low=RATE,
    high=RATE,
    power=POWER,
    variance=st.sampled_from(["pooled_null", "unpooled", "arcsine"]),
)
def test_more_power_and_smaller_effects_need_more(
    low: float, high: float, power: float, variance: Any
) -> None:
    assume(abs(low - high) > 0.02)
    plain = sample_size_two_proportions(p_treat=low, p_control=high, power=power, variance=variance)
    surer = sample_size_two_proportions(
        p_treat=low, p_control=high, power=power + 0.005, variance=variance
    )
    nearer = sample_size_two_proportions(
        p_treat=(low + high) / 2, p_control=high, power=power, variance=variance
    )
    swapped = sample_size_two_proportions(
        p_treat=high, p_control=low, power=power, variance=variance
    )
    assert plain.n_total_unrounded < surer.n_total_unrounded
    assert plain.n_total_unrounded < nearer.n_total_unrounded
    assert plain.n_total_unrounded == pytest.approx(swapped.n_total_unrounded, rel=1e-9)
    assert plain.n_per_arm_ceil - 1 < plain.n_per_arm_unrounded <= plain.n_per_arm_ceil + 1e-9


@given(low=RATE, high=RATE, power=POWER, ratio=RATIO)
def test_a_margin_of_0_is_the_pooled_test(
    low: float, high: float, power: float, ratio: float
) -> None:
    """Under p1 = p2 the most likely rates are the pooled one: two formulas from two papers meet."""
    assume(abs(low - high) > 0.01)
    pooled = sample_size_two_proportions(p_treat=low, p_control=high, power=power, ratio=1 / ratio)
    margin = sample_size_noninferiority(low, high, margin=0.0, power=power, ratio=1 / ratio)
    assert margin.p_treat_null == pytest.approx(margin.p_control_null, abs=1e-9)
    assert margin.n_treat_unrounded == pytest.approx(pooled.n_treat_unrounded, rel=1e-6)


@given(p1=RATE, p2=RATE, delta=st.floats(-0.9, 0.9), ratio=RATIO)
def test_restricted_rates_are_the_most_likely_ones(
    p1: float, p2: float, delta: float, ratio: float
) -> None:
    """No other pair of rates with that difference has a higher likelihood (independent search)."""

    def loss(first: float) -> float:
        second = first - delta
        return -(
            p1 * np.log(first)
            + (1 - p1) * np.log1p(-first)
            + ratio * (p2 * np.log(second) + (1 - p2) * np.log1p(-second))
        )

    low, high = max(0.0, delta) + 1e-9, min(1.0, 1 + delta) - 1e-9
    searched = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    found = restricted_rates(p1, p2, delta=delta, ratio=ratio)
    assert found[0] - found[1] == pytest.approx(delta, abs=1e-9)
    assert loss(min(max(found[0], low), high)) <= searched.fun + 1e-7


def test_lists_ask_for_several_sizes_at_once() -> None:
    several = sample_size_two_proportions(
        p_treat=0.1, p_control=0.2, power=[0.8, 0.9], ratio=[1, 1, 2]
    )
    assert [(size.power, size.ratio) for size in several.sizes] == [(0.8, 1), (0.9, 1), (0.8, 2)]
    alone = sample_size_two_proportions(p_treat=0.1, p_control=0.2, power=0.8, ratio=2)
    assert several.sizes[2] == alone
    assert several.to_frame()["n_treat_ceil"].tolist()[2] == alone.n_treat_ceil
    assert several.to_dict()["sizes"][2] == alone.to_dict()


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"p_treat": 0.0}, "p_treat"),
        ({"p_control": 1.0}, "p_control"),
        ({"p_control": 25}, "p_control"),
        ({"p_control": float("nan")}, "p_control"),
        ({"p_control": "0.25"}, "p_control"),
        ({"p_treat": 0.25}, "two different rates"),
        ({"alpha_one_sided": 0.5}, "alpha_one_sided"),
        ({"alpha_one_sided": 0.0}, "alpha_one_sided"),
        ({"power": 1.0}, "power"),
        ({"power": 0.02}, "power"),
        ({"ratio": 0.0}, "ratio"),
        ({"variance": "exact"}, "variance"),
    ],
)
def test_impossible_designs_are_refused_with_the_cure(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=rf"{key}.*Cure: \w"):
        sample_size_two_proportions(**{"p_treat": 0.1, "p_control": 0.25, **wrong})


@pytest.mark.parametrize(
    "wrong", [{"margin": 0.0}, {"margin": -1.0}, {"power": 0.01}, {"p_treat": 1.0}]
)
def test_margins_at_the_truth_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Cure"):
        sample_size_noninferiority(**{"p_treat": 0.4, "p_control": 0.4, "margin": -0.15, **wrong})


def test_the_continuity_correction_is_the_known_one() -> None:
    """Stata's sampsi 0.25 0.4 (two-sided 5%, power 90%): 216 an arm (recalled: the first example of
    its manual).
    """
    assert (
        sample_size_two_proportions(
            p_treat=0.4, p_control=0.25, power=0.9, continuity=True
        ).n_per_arm_ceil
        == 216
    )
    with pytest.raises(InputError, match="arcsine"):
        sample_size_two_proportions(
            p_treat=0.4, p_control=0.25, variance="arcsine", continuity=True
        )


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("low", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("more", [0.25, 0.35, 0.5])
def test_a_corrected_size_serves_fishers_test(low: float, more: float, ratio: float) -> None:
    """Its exact power is 0.797 to 0.852 over this grid where 0.8 is asked; without the correction
    it falls short.
    """
    size = sample_size_two_proportions(
        p_treat=low, p_control=low + more, power=0.8, ratio=ratio, continuity=True
    )
    plain = sample_size_two_proportions(p_treat=low, p_control=low + more, power=0.8, ratio=ratio)
    corrected, uncorrected = (
        exact_rejection_probability(
            n1=one.n_treat_ceil, n2=one.n_control_ceil, p1=low, p2=low + more, tests=["fisher"]
        )
        .by_test["fisher"]
        .power
        for one in (size, plain)
    )
    assert 0.79 < corrected < 0.86
    assert uncorrected < 0.79


@given(low=RATE, high=RATE, power=POWER, ratio=RATIO)
def test_statsmodels_has_the_same_pooled_size(
    low: float, high: float, power: float, ratio: float
) -> None:
    assume(abs(low - high) > 0.01)
    ours = sample_size_two_proportions(low, high, power=power, ratio=ratio)
    theirs = samplesize_proportions_2indep_onetail(
        -abs(low - high),
        max(low, high),
        power,
        ratio=ratio if low > high else 1 / ratio,
        alpha=0.05,
    )
    larger = ours.n_treat_unrounded if low < high else ours.n_control_unrounded
    assert larger == pytest.approx(theirs, rel=1e-9)


@given(low=RATE, high=RATE, power=POWER)
def test_statsmodels_has_the_same_arcsine_size(low: float, high: float, power: float) -> None:
    assume(abs(low - high) > 0.01)
    ours = sample_size_two_proportions(low, high, power=power, variance="arcsine")
    theirs = normal_sample_size_one_tail(proportion_effectsize(low, high), power, 0.025, 2**0.5)
    assert ours.n_per_arm_unrounded == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("p_treat", "p_control", "ratio"), [(0.25, 0.4, 1.0), (0.125, 0.25, 2.0), (0.05, 0.2, 0.5)]
)
def test_power_is_the_sample_size_formula_read_backwards(
    p_treat: float, p_control: float, ratio: float
) -> None:
    """Sizes are the certified ones (A01 to A08)."""
    size = sample_size_two_proportions(p_treat, p_control, power=0.83, ratio=ratio)
    found = power_two_proportions(
        p_treat,
        p_control,
        n_treat=size.n_treat_unrounded,
        n_control=size.n_control_unrounded,
    )
    assert found == pytest.approx(0.83, abs=1e-9)


def test_power_is_that_of_statsmodels() -> None:
    """Its two-sided 5% and our one-sided 2.5% differ by the other tail, below 1e-6 here."""
    known = power_proportions_2indep(diff=-0.15, prop2=0.4, nobs1=152, ratio=1.0, alpha=0.05)
    found = power_two_proportions(0.25, 0.4, n_treat=152, n_control=152)
    assert found == pytest.approx(float(known.power), abs=1e-6)
    assert power_two_proportions(0.3, 0.3, n_treat=50, n_control=50) == pytest.approx(0.025)


def test_power_of_no_patients_is_refused() -> None:
    with pytest.raises(InputError, match="n_treat"):
        power_two_proportions(0.2, 0.4, n_treat=0, n_control=10)
