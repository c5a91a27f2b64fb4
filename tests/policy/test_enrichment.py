"""Enrichment: smaller trials, never fewer screened for free; dilution and masking by the same
arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom

from crsrisk.errors import InputError
from crsrisk.policy.enrichment import (
    enrichment_sample_size,
    interaction_inflation,
    masked_outcome_rr,
    screening_moments,
    strategy_sample_size,
)
from crsrisk.trials.two_proportions import sample_size_two_proportions


@given(a=st.floats(0.8, 6), b=st.floats(3, 12), rr=st.floats(0.1, 0.8))
def test_higher_thresholds_need_fewer_and_screen_more_for_each(
    a: float, b: float, rr: float
) -> None:
    sizes = enrichment_sample_size(
        risk=f"Beta({a:.6f},{b:.6f})", rr=rr, thresholds=[0, 0.1, 0.2, 0.3]
    )
    per_arm = [size.n_per_arm for size in sizes.values()]
    rates = [size.control_rate for size in sizes.values()]
    assert per_arm == sorted(per_arm, reverse=True)
    assert rates == sorted(rates)
    assert all(size.screened >= size.N - 1e-6 for size in sizes.values())
    assert sizes[0].screened == sizes[0].N


def test_everybody_at_one_risk_is_the_plain_trial() -> None:
    enriched = enrichment_sample_size(risk=[0.25, 0.25], rr=0.5, thresholds=[0.1])[0.1]
    assert (
        enriched.n_per_arm
        == sample_size_two_proportions(p_treat=0.125, p_control=0.25).n_per_arm_unrounded
    )


def test_a_strategy_that_treats_everybody_is_a_plain_trial() -> None:
    against_none = strategy_sample_size(
        risk="Beta(2,6)", rr=0.5, threshold=0.0, control_arm="nobody treated"
    )
    assert against_none.n_per_arm == pytest.approx(
        sample_size_two_proportions(p_treat=0.125, p_control=0.25).n_per_arm_unrounded
    )
    with pytest.raises(InputError, match="treat different patients"):
        strategy_sample_size(
            risk="Beta(2,6)", rr=0.5, threshold=0.0, control_arm="everybody treated"
        )


@given(n=st.integers(1, 400), p=st.floats(0.05, 1))
def test_screening_is_negative_binomial(n: int, p: float) -> None:
    found = screening_moments(n_enrolled=n, p_eligible=p)
    mean, variance = nbinom.stats(n, p)
    assert found.mean == pytest.approx(n + float(mean))
    assert found.sd**2 == pytest.approx(float(variance), abs=1e-9)
    assert n <= found.q05 <= found.q50 <= found.q95


def test_screening_drawn_candidate_by_candidate() -> None:
    """20,000 trials, four standard errors; seed fixed."""
    rng = np.random.default_rng(2)
    screened = 20 + rng.negative_binomial(20, 0.3, 20_000)
    found = screening_moments(n_enrolled=20, p_eligible=0.3)
    assert screened.mean() == pytest.approx(found.mean, abs=4 * found.sd / 20_000**0.5)


@given(rr=st.floats(0.2, 0.9), m=st.floats(0, 0.8), p=st.floats(0.1, 0.6))
def test_masking_flatters(rr: float, m: float, p: float) -> None:
    found = masked_outcome_rr(rr_true=rr, mask_prob=m, p_control=p)
    assert found.rr_observed == pytest.approx(rr * (1 - m))
    assert found.n_per_arm_observed <= found.n_per_arm_true + 1e-9
    unmasked = masked_outcome_rr(rr_true=rr, mask_prob=0.0, p_control=p)
    assert unmasked.n_per_arm_observed == unmasked.n_per_arm_true


@given(f=st.floats(0.05, 0.95))
def test_interactions_cost_at_least_four_times(f: float) -> None:
    assert interaction_inflation(frac=f) >= 4 - 1e-12
    assert interaction_inflation(frac=f) == pytest.approx(interaction_inflation(frac=1 - f))


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (
            enrichment_sample_size,
            {"risk": "Beta(2,6)", "rr": 0.5, "thresholds": [0.1]},
            [
                {"rr": 0.0},
                {"rr": 1.0},
                {"thresholds": [1.0]},
                {"power": 1.0},
                {"alpha_one_sided": 0.5},
                {"risk": [0.1], "thresholds": [0.2]},
            ],
        ),
        (
            strategy_sample_size,
            {"risk": "Beta(2,6)", "rr": 0.5, "threshold": 0.2, "control_arm": "nobody treated"},
            [{"control_arm": "some"}, {"threshold": 1}],
        ),
        (
            screening_moments,
            {"n_enrolled": 10, "p_eligible": 0.5},
            [{"p_eligible": 0}, {"p_eligible": 50}, {"n_enrolled": 0}],
        ),
        (
            masked_outcome_rr,
            {"rr_true": 0.7, "mask_prob": 0.3, "p_control": 0.4},
            [{"mask_prob": 1}, {"rr_true": 1}, {"p_control": 0}],
        ),
        (
            interaction_inflation,
            {"frac": 0.5},
            [{"frac": 0}, {"interaction_over_main": 0.5}, {"interaction_equals_main": False}],
        ),
    ],
)
def test_impossible_designs_are_refused(
    function: Any, right: dict[str, Any], wrong: list[dict[str, Any]]
) -> None:
    function(**right)
    for change in wrong:
        with pytest.raises(InputError, match=r"Cure: \w"):
            function(**{**right, **change})
