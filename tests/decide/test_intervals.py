"""Intervals: the tests that they invert, other libraries, and their coverage by enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm

from crsrisk.decide.intervals import (
    clopper_pearson,
    frechet_bounds,
    mcse_proportion,
    number_needed,
    risk_difference_miettinen_nurminen,
    risk_difference_newcombe,
    wilson,
)
from crsrisk.domain.published import wilson_interval
from crsrisk.errors import InputError

ARM = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVEL = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@given(arm=ARM, level=LEVEL)
def test_a_rates_intervals_are_scipys(arm: tuple[int, int], level: float) -> None:
    x, n = arm
    for ours, method in ((clopper_pearson(x=x, n=n, level=level), "exact"), (wilson(x=x, n=n, level=level), "wilson")):
        theirs = binomtest(x, n).proportion_ci(level, method=method)
        assert ours == pytest.approx([theirs.low, theirs.high], abs=1e-9)
    if level == 0.95:
        assert wilson(x=x, n=n) == pytest.approx(wilson_interval(x / n, n=n), abs=1e-12)


@given(arm=ARM, level=LEVEL)
def test_clopper_pearson_inverts_the_binomial_test(arm: tuple[int, int], level: float) -> None:
    x, n = arm
    low, high = clopper_pearson(x=x, n=n, level=level)
    if x > 0:
        assert binom.sf(x - 1, n, low) == pytest.approx((1 - level) / 2, rel=1e-6)
    if x < n:
        assert binom.cdf(x, n, high) == pytest.approx((1 - level) / 2, rel=1e-6)


@given(n=st.integers(1, 40), p=st.floats(0.01, 0.99))
def test_clopper_pearson_covers(n: int, p: float) -> None:
    """Exact coverage: the probability of all results whose interval holds the truth."""
    rows = clopper_pearson(x=list(range(n + 1)), n=[n] * (n + 1))
    holds = (rows[:, 0] <= p) & (p <= rows[:, 1])
    assert binom.pmf(np.arange(n + 1), n, p)[holds].sum() >= 0.95 - 1e-9


def score_z(x1: int, n1: int, x2: int, n2: int, delta: float) -> float:
    """Score test of p1 - p2 = delta with the rates found by brute search over a fine grid, refined once."""
    low, high = max(0.0, delta), min(1.0, 1 + delta)
    for _ in range(6):
        grid = np.linspace(low, high, 401)
        with np.errstate(divide="ignore", invalid="ignore"):
            loss = -(np.where(x1, x1 * np.log(grid), 0) + np.where(n1 - x1, (n1 - x1) * np.log1p(-grid), 0)
                     + np.where(x2, x2 * np.log(grid - delta), 0)
                     + np.where(n2 - x2, (n2 - x2) * np.log1p(delta - grid), 0))
        best = int(np.nanargmin(loss))
        low, high = grid[max(0, best - 2)], grid[min(400, best + 2)]
    p1 = float(grid[best])
    p2 = p1 - delta
    variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * (n1 + n2) / (n1 + n2 - 1)
    return float((x1 / n1 - x2 / n2 - delta) / np.sqrt(variance))


@given(treat=ARM, control=ARM)
def test_miettinen_nurminen_inverts_the_score_test(treat: tuple[int, int], control: tuple[int, int]) -> None:
    assume(treat[1] > 3 and control[1] > 3)
    low, high = risk_difference_miettinen_nurminen(treat=treat, control=control)
    assert -1 <= low <= treat[0] / treat[1] - control[0] / control[1] <= high <= 1
    if low > -0.99:
        assert score_z(*treat, *control, low) == pytest.approx(norm.isf(0.025), abs=1e-3)
    if high < 0.99:
        assert score_z(*treat, *control, high) == pytest.approx(-norm.isf(0.025), abs=1e-3)


@given(treat=ARM, control=ARM, level=LEVEL)
def test_swapping_arms_or_counting_the_others_turns_the_interval(
    treat: tuple[int, int], control: tuple[int, int], level: float
) -> None:
    for interval in (risk_difference_newcombe, risk_difference_miettinen_nurminen):
        low, high = interval(treat=treat, control=control, level=level)
        swapped = interval(treat=control, control=treat, level=level)
        others = interval(treat=(treat[1] - treat[0], treat[1]), control=(control[1] - control[0], control[1]), level=level)
        assert swapped == pytest.approx([-high, -low], abs=1e-6)
        assert others == pytest.approx([-high, -low], abs=1e-6)
        assert low <= treat[0] / treat[1] - control[0] / control[1] <= high


def test_the_exact_coverage_of_difference_intervals_is_near_the_level() -> None:
    """Every table of 25 against 20 patients; Wald's interval falls to 0.90 in places, these two do not."""
    n1, n2 = 25, 20
    for interval in (risk_difference_newcombe, risk_difference_miettinen_nurminen):
        ends = np.array([[interval(treat=(x1, n1), control=(x2, n2)) for x2 in range(n2 + 1)] for x1 in range(n1 + 1)])
        for p1, p2 in ((0.1, 0.3), (0.25, 0.25), (0.6, 0.4)):
            chance = np.outer(binom.pmf(np.arange(n1 + 1), n1, p1), binom.pmf(np.arange(n2 + 1), n2, p2))
            holds = (ends[..., 0] <= p1 - p2) & (p1 - p2 <= ends[..., 1])
            assert chance[holds].sum() == pytest.approx(0.95, abs=0.025)


@given(treat=ARM, control=ARM)
def test_numbers_needed_are_the_interval_turned_over(treat: tuple[int, int], control: tuple[int, int]) -> None:
    found = number_needed(treat=treat, control=control)
    low, high = risk_difference_newcombe(treat=treat, control=control)
    assert (found.nnt_low is None) == (low >= 0)
    assert (found.nnt_high is None) == (high >= 0)
    assert (found.nnh_low is None) == (high <= 0)
    if found.nnt is not None:
        assert found.nnt == pytest.approx(-1 / found.risk_difference)
    if found.nnt is not None and found.nnt_low is not None and found.nnt_high is not None:
        assert found.nnt_low <= found.nnt <= found.nnt_high
    assert ("infinity" in found.in_words) == (low <= 0 <= high)


def test_numbers_needed_in_words() -> None:
    assert number_needed(treat=[10, 100], control=[12, 100]).in_words == "NNT 50.0 (NNT 9.1 to infinity to NNH 14.4)"
    assert number_needed(treat=[10, 100], control=[10, 100]).in_words.startswith("no difference (NNT")
    assert number_needed(treat=[40, 100], control=[10, 100]).in_words.startswith("NNH 3.3 (2")


@given(p0=st.floats(0, 1), p1=st.floats(0, 1), joint=st.floats(0, 1))
def test_frechet_bounds_hold_every_joint_distribution(p0: float, p1: float, joint: float) -> None:
    """P(Y0 = 1, Y1 = 1) may be anything from max(0, p0 + p1 - 1) to min(p0, p1)."""
    both = max(0.0, p0 + p1 - 1) + joint * (min(p0, p1) - max(0.0, p0 + p1 - 1))
    found = frechet_bounds(p0=p0, p1=p1)
    assert found.low - 1e-12 <= p0 - both <= found.high + 1e-12
    assert (found.monotone is None) == (p1 > p0)


def test_monte_carlo_error() -> None:
    assert mcse_proportion(p=[0.0, 1.0], n_sim=[10, 10]).tolist() == [0, 0]
    draws = np.random.default_rng(4).binomial(400, 0.3, 20_000) / 400
    assert mcse_proportion(p=0.3, n_sim=400) == pytest.approx(draws.std(), rel=0.03)  # 4 standard errors: 2%


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (clopper_pearson, {"x": 5, "n": 4}),
        (clopper_pearson, {"x": [1, 2], "n": [4]}),
        (clopper_pearson, {"x": 1, "n": 4, "level": 95}),
        (wilson, {"x": -1, "n": 4}),
        (wilson, {"x": 1.5, "n": 4}),
        (risk_difference_newcombe, {"treat": [5, 4], "control": [1, 4]}),
        (risk_difference_miettinen_nurminen, {"treat": [1, 4, 3], "control": [1, 4]}),
        (number_needed, {"treat": [1, 0], "control": [1, 4]}),
        (mcse_proportion, {"p": 80, "n_sim": 100}),
        (mcse_proportion, {"p": 0.8, "n_sim": 0}),
        (frechet_bounds, {"p0": 1.2, "p1": 0.2}),
    ],
)
def test_impossible_counts_are_refused(function: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"Cure: \w"):
        function(**wrong)
