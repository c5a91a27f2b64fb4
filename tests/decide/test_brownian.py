"""The integration over looks against the multivariate normal distribution, which knows nothing of looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from crsrisk.decide.brownian import crossing, start

INFO = st.lists(st.floats(0.02, 1.0), min_size=1, max_size=5).map(lambda steps: np.cumsum(steps) / np.sum(steps))


def stays_inside(lower: np.ndarray, upper: np.ndarray, info: np.ndarray, drift: float) -> float:
    """P(lower < z_k < upper at every look) by Genz's integration of the joint normal distribution."""
    covariance = np.sqrt(np.minimum.outer(info, info) / np.maximum.outer(info, info))
    return float(multivariate_normal.cdf(upper, mean=drift * np.sqrt(info), cov=covariance, lower_limit=lower,
                                         abseps=1e-9, releps=1e-9, maxpts=4_000_000, rng=1))


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
    """P(first crossing at look k) = P(inside for k - 1 looks) - P(inside k - 1 looks and below the bound at k)."""
    info, upper = np.array([0.2, 0.6, 1.0]), np.array([3.0, 2.4, 2.0])
    found = crossing(upper=upper, lower=np.full(3, -np.inf), info=info, drift=1.0)
    inside = [1.0, *(stays_inside(np.full(k, -np.inf), upper[:k], info[:k], 1.0) for k in (1, 2, 3))]
    assert found.upper == pytest.approx(-np.diff(inside), abs=2e-6)


@pytest.mark.parametrize("info", [[0.2, 0.4, 0.6, 0.8, 1.0], [0.1, 0.5, 0.51, 1.0], np.arange(1, 21) / 20])
def test_a_finer_grid_changes_nothing(info: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    shares = np.array(info)
    upper, lower = 2.1 / np.sqrt(shares), np.append(np.full(shares.size - 1, -0.5), 2.1)
    usual = crossing(upper=upper, lower=lower, info=shares, drift=2.8)
    monkeypatch.setattr("crsrisk.decide.brownian.NODES_PER_STEP", 15)
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
    assert walk.below(walk.floor_with(probability, info=t), info=t) == pytest.approx(probability, rel=1e-8)


def test_no_error_to_spend_is_no_bound() -> None:
    assert start().bound_with(0.0, info=0.5) == float("inf")
    assert start().floor_with(0.0, info=0.5) == float("-inf")
    nobody = start().past(3.0, 2.0, info=0.5, next_info=1.0)
    assert nobody.above(0.0, info=1.0) == 0.0
