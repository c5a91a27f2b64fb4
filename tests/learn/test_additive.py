"""The additive start: against scikit-learn's ridge regression, with directions, gaps and skewed columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from crsrisk.learn.additive import fit_additive


def sample(n: int, *, seed: int, weights: tuple[float, ...] = (1.0, -0.5, 0.0)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, len(weights)))
    return table, (rng.random(n) < expit(table @ np.array(weights) - 1)).astype(float)


@pytest.mark.parametrize("penalty", [0.1, 10.0, 300.0])
def test_agrees_with_ridge_regression(penalty: float) -> None:
    table, labels = sample(1500, seed=1)
    ours = fit_additive(table, labels, directions=[0, 0, 0], free=[], penalty=penalty)
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    peer = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000).fit(scaled, labels)
    log_odds = ours.intercept + ours.contributions.sum(axis=1)
    np.testing.assert_allclose(log_odds, peer.decision_function(scaled), atol=1e-3)
    np.testing.assert_allclose(ours.contributions, scaled * peer.coef_[0], atol=1e-3)


def test_free_columns_bear_a_hundredth_of_the_penalty() -> None:
    table, labels = sample(800, seed=2)
    free = fit_additive(table, labels, directions=[0, 0, 0], free=[0, 1, 2], penalty=500.0)
    weak = fit_additive(table, labels, directions=[0, 0, 0], free=[], penalty=5.0)
    np.testing.assert_allclose(free.contributions, weak.contributions, atol=1e-4)


@given(seed=st.integers(0, 1000), signs=st.lists(st.sampled_from([-1, 0, 1]), min_size=3, max_size=3))
@settings(max_examples=30)
def test_directions_hold(seed: int, signs: list[int]) -> None:
    table, labels = sample(120, seed=seed, weights=(0.3, -0.3, 0.0))
    fitted = fit_additive(table, labels, directions=signs, free=[], penalty=1.0)
    for column, sign in enumerate(signs):
        steps = np.diff(fitted.contributions[np.argsort(table[:, column]), column])
        assert (sign * steps >= -1e-12).all()


def test_a_skewed_column_is_taken_as_its_logarithm() -> None:
    rng = np.random.default_rng(3)
    crp = np.exp(rng.normal(2, 1.2, 4000))
    labels = (rng.random(4000) < expit(0.8 * (np.log(crp) - 2))).astype(float)
    fitted = fit_additive(crp[:, None], labels, directions=[1], free=[], penalty=1.0)
    assert np.corrcoef(fitted.contributions[:, 0], np.log(crp))[0, 1] > 0.999
    slope = np.polyfit(np.log(crp), fitted.contributions[:, 0], 1)[0]
    assert slope == pytest.approx(0.8, abs=0.15)  # standard error about 0.035


def test_a_column_with_a_zero_stays_finite() -> None:
    rng = np.random.default_rng(4)
    column = np.where(rng.random(500) < 0.3, 0.0, np.exp(rng.normal(0, 1, 500)))
    fitted = fit_additive(column[:, None], (column > 0).astype(float), directions=[0], free=[], penalty=1.0)
    assert np.isfinite(fitted.contributions).all()


def test_what_is_missing_has_an_effect_of_its_own() -> None:
    rng = np.random.default_rng(5)
    column = np.where(rng.random(4000) < 0.4, np.nan, rng.normal(size=4000))
    labels = (rng.random(4000) < expit(1.5 * np.isnan(column) - 1)).astype(float)
    fitted = fit_additive(column[:, None], labels, directions=[1], free=[], penalty=1.0)
    shares = fitted.contributions[:, 0]
    gap = shares[np.isnan(column)].mean() - shares[~np.isnan(column)].mean()
    assert gap == pytest.approx(1.5, abs=0.4)  # standard error about 0.075
    assert np.ptp(shares[np.isnan(column)]) == 0


@pytest.mark.parametrize("column", [np.zeros(50), np.full(50, np.nan), np.r_[np.full(49, np.nan), 1.0]])
def test_columns_that_say_nothing_have_no_effect(column: np.ndarray) -> None:
    labels = np.arange(50) % 2.0
    fitted = fit_additive(column[:, None], labels, directions=[0], free=[], penalty=1.0)
    assert np.isfinite(fitted.contributions).all()
    assert np.ptp(fitted.contributions) < 0.6  # a single known value may still differ from the rest
    assert expit(fitted.intercept) == pytest.approx(0.5, abs=0.05)
