"""Posterior: scores come back from values, and draws of the priors are not called constrained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.world import load_world
from crsrisk.uncertainty.constants import Constant, shared_constants
from crsrisk.uncertainty.posterior import constant_updates, scores_of, verdict


@given(score=st.floats(-3.0, 3.0), median=st.floats(0.5, 3.0), spread=st.floats(0.2, 1.0))
def test_a_score_comes_back_from_its_value(score: float, median: float, spread: float) -> None:
    for low in (0.1, -2.0):  # a range above 0 is logarithmic
        one = Constant("a", median, spread, low, 40.0)
        found = scores_of(one, one.at(np.array([score])))[0]
        assert found == pytest.approx(score, abs=0.01)


@pytest.mark.parametrize(("median", "side"), [(0.0, "low"), (1.0, "high")])
def test_a_switch_at_an_end_of_its_range_keeps_mean_and_sd(median: float, side: str) -> None:
    one = Constant("a", median, 0.4, 0.0, 1.0)
    values = one.at(np.random.default_rng(3).standard_normal(4000))
    assert (values == median).mean() == pytest.approx(0.5, abs=0.03), side
    found = scores_of(one, values)
    assert found.mean() == pytest.approx(0.0, abs=0.05)
    assert found.std() == pytest.approx(1.0, abs=0.04)


def test_a_value_rounded_to_an_end_of_its_range_is_no_outlier() -> None:
    one = Constant("a", 13.0, 0.2, 8.0, 18.0)
    assert scores_of(one, np.array([18.0, 8.0])).tolist() == [4.0, -4.0]


def test_draws_of_the_priors_are_not_called_constrained() -> None:
    constants = shared_constants(load_world())
    draws = np.random.default_rng(11).standard_normal((256, len(constants)))
    scores = np.column_stack(
        [scores_of(one, one.at(draws[:, k])) for k, one in enumerate(constants)]
    )
    updates = constant_updates(constants, scores, np.full(256, 1 / 256), np.zeros(len(constants)))
    assert {update.verdict for update in updates} == {"prior"}
    for update in updates:
        assert update.verdict == verdict(shift=update.shift_prior_sd, left=update.left_of_prior_sd)
