"""Mantel-Haenszel: one stratum is the plain comparison, and nothing depends on how strata or arms are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, hypergeom

from crsrisk.decide.stratified import cochran_mantel_haenszel
from crsrisk.errors import InputError

COUNTS = st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 30))
STRATA = st.lists(COUNTS, min_size=1, max_size=5)


def arguments(strata: list[tuple[int, int, int, int]]) -> dict[str, list[int]]:
    """Lists from (treated with, treated without, controls with, controls without)."""
    return {
        "events_treat": [a for a, *_ in strata], "n_treat": [a + b for a, b, *_ in strata],
        "events_control": [c for _, _, c, _ in strata], "n_control": [c + d for *_, c, d in strata],
    }  # fmt: skip


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
    """Sato's variance in closed form: with n per arm in each stratum it is the sum of binomial variances."""
    strata = [(a, 20 - a, c, 20 - c) for a, c in events]
    found = cochran_mantel_haenszel(**arguments(strata)).risk_difference
    each = [a / 20 - c / 20 for a, c in events]
    assert found.value == pytest.approx(np.mean(each), abs=1e-12)
    if len(events) == 1:
        (a, c), = events
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
    assert plain.p_one_sided == pytest.approx(plain.p_two_sided / 2 if plain.z >= 0 else 1 - plain.p_two_sided / 2)


@given(strata=STRATA)
def test_the_test_is_the_sum_of_hypergeometric_moments(strata: list[tuple[int, int, int, int]]) -> None:
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
    found = cochran_mantel_haenszel(events_treat=[8, 5], n_treat=[80, 10], events_control=[1, 45], n_control=[10, 90])
    assert found.odds_ratio.value == pytest.approx(1)
    assert found.risk_difference.value == pytest.approx(0)
    assert found.chi2 == pytest.approx(0, abs=1e-12)


def test_coverage_of_the_common_effects() -> None:
    """2,000 trials of two strata with true odds ratio 0.5: 95% intervals hold it in 93% to 97% (4 standard errors)."""
    rng = np.random.default_rng(6)
    control = np.array([0.15, 0.4])
    odds = 0.5 * control / (1 - control)
    treated = odds / (1 + odds)
    held = 0
    for y1, y0 in zip(rng.binomial(100, treated, (2000, 2)), rng.binomial(100, control, (2000, 2)), strict=True):
        found = cochran_mantel_haenszel(events_treat=y1.tolist(), n_treat=[100, 100], events_control=y0.tolist(),
                                        n_control=[100, 100]).odds_ratio
        held += found.low <= 0.5 <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.02)


def test_effects_that_the_strata_do_not_determine_are_none() -> None:
    found = cochran_mantel_haenszel(events_treat=[0], n_treat=[20], events_control=[5], n_control=[20])
    assert (found.odds_ratio.value, found.odds_ratio.low) == (0.0, None)
    none_in_controls = cochran_mantel_haenszel(events_treat=[5], n_treat=[20], events_control=[0], n_control=[20])
    assert none_in_controls.risk_ratio.value is None
    assert none_in_controls.as_dict()["risk_ratio"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    "wrong",
    [{"n_treat": [0]}, {"events_treat": [21]}, {"events_treat": [1, 2]}, {"events_treat": [0], "events_control": [0]},
     {"events_treat": [], "n_treat": [], "events_control": [], "n_control": []}, {"level": 95}],
)
def test_impossible_strata_are_refused(wrong: dict[str, Any]) -> None:
    plain = {"events_treat": [2], "n_treat": [20], "events_control": [5], "n_control": [20]}
    with pytest.raises(InputError, match=r"Cure: \w"):
        cochran_mantel_haenszel(**{**plain, **wrong})
