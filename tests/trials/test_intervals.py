"""Intervals: the tests that they invert, other libraries, and their coverage by enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, chi2_contingency, hypergeom, norm

from crsrisk.data.published_figures import wilson_interval
from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable
from crsrisk.trials.intervals import (
    clopper_pearson,
    cochran_mantel_haenszel,
    frechet_bounds,
    mcse_proportion,
    number_needed,
    risk_difference_miettinen_nurminen,
    risk_difference_newcombe,
    wilson,
)

ARM = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVEL = st.sampled_from([0.8, 0.9, 0.95, 0.99])


def ends(estimate: Estimate) -> tuple[float, float]:
    """Lower and upper end of an interval."""
    return estimate.low, estimate.high


@given(arm=ARM, level=LEVEL)
def test_a_rates_intervals_are_scipys(arm: tuple[int, int], level: float) -> None:
    x, n = arm
    for ours, method in (
        (clopper_pearson(x=x, n=n, level=level), "exact"),
        (wilson(x=x, n=n, level=level), "wilson"),
    ):
        theirs = binomtest(x, n).proportion_ci(level, method=method)
        assert ends(ours) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert ours.value == x / n
    if level == 0.95:
        assert ends(wilson(x, n)) == pytest.approx(wilson_interval(x / n, n=n), abs=1e-12)


@given(arm=ARM, level=LEVEL)
def test_clopper_pearson_inverts_the_binomial_test(arm: tuple[int, int], level: float) -> None:
    x, n = arm
    low, high = ends(clopper_pearson(x=x, n=n, level=level))
    if x > 0:
        assert binom.sf(x - 1, n, low) == pytest.approx((1 - level) / 2, rel=1e-6)
    if x < n:
        assert binom.cdf(x, n, high) == pytest.approx((1 - level) / 2, rel=1e-6)


@given(n=st.integers(1, 40), p=st.floats(0.01, 0.99))
def test_clopper_pearson_covers(n: int, p: float) -> None:
    """Exact coverage: the probability of all results whose interval holds the truth."""
    rows = np.array([ends(row) for row in clopper_pearson(list(range(n + 1)), [n] * (n + 1))])
    holds = (rows[:, 0] <= p) & (p <= rows[:, 1])
    assert binom.pmf(np.arange(n + 1), n, p)[holds].sum() >= 0.95 - 1e-9


def score_z(x1: int, n1: int, x2: int, n2: int, delta: float) -> float:
    """Score test of p1 - p2 = delta with the rates found by brute search over a fine grid, refined
    once.
    """
    low, high = max(0.0, delta), min(1.0, 1 + delta)
    for _ in range(6):
        grid = np.linspace(low, high, 401)
        with np.errstate(divide="ignore", invalid="ignore"):
            loss = -(
                np.where(x1, x1 * np.log(grid), 0)
                + np.where(n1 - x1, (n1 - x1) * np.log1p(-grid), 0)
                + np.where(x2, x2 * np.log(grid - delta), 0)
                + np.where(n2 - x2, (n2 - x2) * np.log1p(delta - grid), 0)
            )
        best = int(np.nanargmin(loss))
        low, high = grid[max(0, best - 2)], grid[min(400, best + 2)]
    p1 = float(grid[best])
    p2 = p1 - delta
    variance = (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * (n1 + n2) / (n1 + n2 - 1)
    return float((x1 / n1 - x2 / n2 - delta) / np.sqrt(variance))


@given(treat=ARM, control=ARM)
def test_miettinen_nurminen_inverts_the_score_test(
    treat: tuple[int, int], control: tuple[int, int]
) -> None:
    assume(treat[1] > 3 and control[1] > 3)
    low, high = ends(risk_difference_miettinen_nurminen(treat=treat, control=control))
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
        low, high = ends(interval(treat=treat, control=control, level=level))
        swapped = ends(interval(treat=control, control=treat, level=level))
        others = ends(
            interval(
                treat=(treat[1] - treat[0], treat[1]),
                control=(control[1] - control[0], control[1]),
                level=level,
            )
        )
        assert swapped == pytest.approx((-high, -low), abs=1e-6)
        assert others == pytest.approx((-high, -low), abs=1e-6)
        assert low <= treat[0] / treat[1] - control[0] / control[1] <= high


def test_the_exact_coverage_of_difference_intervals_is_near_the_level() -> None:
    """Every table of 25 against 20 patients; Wald's interval falls to 0.90 in places, these two do
    not.
    """
    n1, n2 = 25, 20
    for interval in (risk_difference_newcombe, risk_difference_miettinen_nurminen):
        table = np.array(
            [
                [ends(interval(treat=(x1, n1), control=(x2, n2))) for x2 in range(n2 + 1)]
                for x1 in range(n1 + 1)
            ]
        )
        for p1, p2 in ((0.1, 0.3), (0.25, 0.25), (0.6, 0.4)):
            chance = np.outer(
                binom.pmf(np.arange(n1 + 1), n1, p1), binom.pmf(np.arange(n2 + 1), n2, p2)
            )
            holds = (table[..., 0] <= p1 - p2) & (p1 - p2 <= table[..., 1])
            assert chance[holds].sum() == pytest.approx(0.95, abs=0.025)


@given(treat=ARM, control=ARM)
def test_numbers_needed_are_the_interval_turned_over(
    treat: tuple[int, int], control: tuple[int, int]
) -> None:
    found = number_needed(treat=treat, control=control)
    low, high = ends(risk_difference_newcombe(treat=treat, control=control))
    assert (found.nnt_low is None) == (low >= 0)
    assert (found.nnt_high is None) == (high >= 0)
    assert (found.nnh_low is None) == (high <= 0)
    if found.nnt is not None:
        assert found.nnt == pytest.approx(-1 / found.risk_difference.value)
    if found.nnt is not None and found.nnt_low is not None and found.nnt_high is not None:
        assert found.nnt_low <= found.nnt <= found.nnt_high
    assert ("infinity" in found.in_words) == (low <= 0 <= high)


def test_numbers_needed_in_words() -> None:
    assert (
        number_needed(treat=[10, 100], control=[12, 100]).in_words
        == "NNT 50.0 (NNT 9.1 to infinity to NNH 14.4)"
    )
    assert number_needed(treat=[10, 100], control=[10, 100]).in_words.startswith(
        "no difference (NNT"
    )
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
    # 4 standard errors: 2%
    assert mcse_proportion(p=0.3, n_sim=400) == pytest.approx(draws.std(), rel=0.03)


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


# Mantel-Haenszel: one stratum is the plain comparison, and nothing depends on how strata or arms
# are named.


COUNTS = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
STRATA = st.lists(COUNTS, min_size=1, max_size=5)


def arguments(strata: list[tuple[int, int, int, int]]) -> dict[str, list[int]]:
    """Lists from (treated with, treated without, controls with, controls without)."""
    return {
        "events_treat": [a for a, *_ in strata],
        "n_treat": [a + b for a, b, *_ in strata],
        "events_control": [c for _, _, c, _ in strata],
        "n_control": [c + d for *_, c, d in strata],
    }


@given(table=COUNTS)
def test_one_stratum_is_the_plain_table(table: tuple[int, int, int, int]) -> None:
    a, b, c, d = table
    n1, n0, n = a + b, c + d, a + b + c + d
    found = cochran_mantel_haenszel(**arguments([table]))
    pearson = chi2_contingency([[a, b], [c, d]], correction=False).statistic
    assert found.chi2 == pytest.approx(pearson * (n - 1) / n, rel=1e-9)
    assert found.odds_ratio.value == pytest.approx(a * d / (b * c))
    assert found.risk_ratio.value == pytest.approx((a / n1) / (c / n0))
    assert found.risk_difference.value == pytest.approx(a / n1 - c / n0)
    odds_se = np.log(found.odds_ratio.high / found.odds_ratio.low) / (2 * 1.959964)
    assert odds_se**2 == pytest.approx(1 / a + 1 / b + 1 / c + 1 / d, rel=1e-5), "Woolf's variance"
    ratio_se = np.log(found.risk_ratio.high / found.risk_ratio.low) / (2 * 1.959964)
    assert ratio_se**2 == pytest.approx(1 / a - 1 / n1 + 1 / c - 1 / n0, rel=1e-5, abs=1e-9)


@given(events=st.lists(st.tuples(st.integers(1, 19), st.integers(1, 19)), min_size=1, max_size=4))
def test_with_equal_arms_the_differences_variance_is_walds(events: list[tuple[int, int]]) -> None:
    """Sato's variance in closed form: with n per arm in each stratum it is the sum of binomial
    variances.
    """
    strata = [(a, 20 - a, c, 20 - c) for a, c in events]
    found = cochran_mantel_haenszel(**arguments(strata)).risk_difference
    each = [a / 20 - c / 20 for a, c in events]
    assert found.value == pytest.approx(np.mean(each), abs=1e-12)
    if len(events) == 1:
        ((a, c),) = events
        wald = (a * (20 - a) + c * (20 - c)) / 20**3
        assert ((found.high - found.low) / 2 / 1.959964) ** 2 == pytest.approx(wald, rel=1e-5)


@given(strata=STRATA)
def test_names_of_arms_and_strata_do_not_matter(strata: list[tuple[int, int, int, int]]) -> None:
    plain = cochran_mantel_haenszel(**arguments(strata))
    turned = cochran_mantel_haenszel(**arguments(strata[::-1]))
    swapped = cochran_mantel_haenszel(**arguments([(c, d, a, b) for a, b, c, d in strata]))
    others = cochran_mantel_haenszel(**arguments([(b, a, d, c) for a, b, c, d in strata]))
    assert turned.chi2 == pytest.approx(plain.chi2)
    assert (swapped.z, others.z) == pytest.approx((-plain.z, -plain.z), abs=1e-9)
    assert swapped.odds_ratio.value == pytest.approx(1 / plain.odds_ratio.value)
    assert others.odds_ratio.low == pytest.approx(1 / plain.odds_ratio.high)
    assert swapped.risk_difference.low == pytest.approx(-plain.risk_difference.high, abs=1e-9)
    assert plain.p_one_sided == pytest.approx(
        plain.p_two_sided / 2 if plain.z >= 0 else 1 - plain.p_two_sided / 2
    )


@given(strata=STRATA)
def test_the_test_is_the_sum_of_hypergeometric_moments(
    strata: list[tuple[int, int, int, int]],
) -> None:
    moments = [hypergeom.stats(a + b + c + d, a + c, a + b, moments="mv") for a, b, c, d in strata]
    away = sum(float(mean) - a for (mean, _), (a, *_) in zip(moments, strata, strict=True))
    variance = sum(float(v) for _, v in moments)
    assume(variance > 0)
    found = cochran_mantel_haenszel(**arguments(strata))
    assert found.z == pytest.approx(away / variance**0.5, abs=1e-9)
    corrected = cochran_mantel_haenszel(**arguments(strata), continuity=True)
    assert corrected.chi2 <= found.chi2 + 1e-12


def test_confounding_by_strata_is_taken_out() -> None:
    """No effect in either stratum, opposite allocation: pooled rates differ, the strata do not."""
    found = cochran_mantel_haenszel(
        events_treat=[8, 5], n_treat=[80, 10], events_control=[1, 45], n_control=[10, 90]
    )
    assert found.odds_ratio.value == pytest.approx(1)
    assert found.risk_difference.value == pytest.approx(0)
    assert found.chi2 == pytest.approx(0, abs=1e-12)


def test_coverage_of_the_common_effects() -> None:
    """2,000 trials of two strata with true odds ratio 0.5: 95% intervals hold it in 93% to 97% (4
    standard errors).
    """
    rng = np.random.default_rng(6)
    control = np.array([0.15, 0.4])
    odds = 0.5 * control / (1 - control)
    treated = odds / (1 + odds)
    held = 0
    for y1, y0 in zip(
        rng.binomial(100, treated, (2000, 2)), rng.binomial(100, control, (2000, 2)), strict=True
    ):
        found = cochran_mantel_haenszel(
            events_treat=y1.tolist(),
            n_treat=[100, 100],
            events_control=y0.tolist(),
            n_control=[100, 100],
        ).odds_ratio
        held += found.low <= 0.5 <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.02)


def test_effects_that_the_strata_do_not_determine_are_not_estimable() -> None:
    found = cochran_mantel_haenszel(
        events_treat=[0], n_treat=[20], events_control=[5], n_control=[20]
    )
    assert found.odds_ratio.value == 0.0
    assert not found.odds_ratio.has_interval
    none_in_controls = cochran_mantel_haenszel(
        events_treat=[5], n_treat=[20], events_control=[0], n_control=[20]
    )
    assert isinstance(none_in_controls.risk_ratio, NotEstimable)
    assert isinstance(none_in_controls.odds_ratio, NotEstimable)
    assert "no stratum has an event" in none_in_controls.to_dict()["risk_ratio"]["not_estimable"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_treat": [0]},
        {"events_treat": [21]},
        {"events_treat": [1, 2]},
        {"events_treat": [0], "events_control": [0]},
        {"events_treat": [], "n_treat": [], "events_control": [], "n_control": []},
        {"level": 95},
    ],
)
def test_impossible_strata_are_refused(wrong: dict[str, Any]) -> None:
    plain = {"events_treat": [2], "n_treat": [20], "events_control": [5], "n_control": [20]}
    with pytest.raises(InputError, match=r"Cure: \w"):
        cochran_mantel_haenszel(**{**plain, **wrong})
