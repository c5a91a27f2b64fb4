"""The pooled regression against an independent one; recalibration against scikit-learn's logistic
regression, and at the edges.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from crsrisk.model.logistic import Described, PooledLogistic, combinations, fit_calibrator


def test_combinations_of_groups() -> None:
    belongs = np.array([[1.0, 0], [0, 0], [1, 1], [1, 0]])
    words, of_row = combinations(belongs.T > 0, n_rows=4)
    np.testing.assert_array_equal(words[of_row], belongs)
    assert len(words) == 3
    words, of_row = combinations((), n_rows=4)
    assert (words.shape, of_row.tolist()) == ((1, 0), [0, 0, 0, 0])


def test_newton_finds_what_ridge_regression_finds() -> None:
    """Under given penalties the weights are those of scikit-learn's ridge on columns scaled by
    them.
    """
    rng = np.random.default_rng(1)
    known, belongs = (
        rng.normal(size=(800, 2)),
        (rng.integers(0, 3, 800)[:, None] == np.arange(3)).astype(float),
    )
    labels = (rng.random(800) < expit(known[:, 0] + belongs[:, 1])).astype(float)
    nothing = np.zeros_like(known)
    problem = PooledLogistic.of(
        [Described(known, nothing, nothing > 0, nothing)],
        groups=combinations(belongs.T > 0, n_rows=800),
        labels=labels,
        penalty=10.0,
    )
    penalties = np.where(problem.kinds < 0, 1e-8, 2.0 + 3.0 * problem.kinds)
    start = problem._at(np.zeros(problem.kinds.size))
    point, variance = problem._newton(start, penalties, close=1e-12)
    weights = point.weights
    assert (variance > 0).all()
    design = np.hstack(
        [known, *(belongs[:, [g]] * np.hstack([np.ones((800, 1)), known]) for g in range(3))]
    )
    used = np.flatnonzero(~np.isin(problem.kinds, [1, 2]))[1:]
    scale = np.sqrt(penalties[used])
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=2000).fit(design / scale, labels)
    np.testing.assert_allclose(weights[used], peer.coef_[0] / scale, atol=1e-4)
    np.testing.assert_allclose(weights[0], peer.intercept_[0], atol=1e-4)


def sample(n: int, *, intercept: float, slope: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 1.2, n)
    return log_odds, (rng.random(n) < expit(intercept + slope * log_odds)).astype(float)


def test_agrees_with_logistic_regression() -> None:
    """The smoothing of the outcomes moves 20,000 patients' coefficients by less than 0.001."""
    log_odds, y = sample(20_000, intercept=0.4, slope=0.7, seed=1)
    peer = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(log_odds[:, None], y)
    fitted = fit_calibrator(log_odds, y, method="test")
    assert fitted.intercept == pytest.approx(float(peer.intercept_[0]), abs=1e-3)
    assert fitted.slope == pytest.approx(float(peer.coef_[0, 0]), abs=1e-3)


def test_finds_what_was_put_in() -> None:
    log_odds, y = sample(50_000, intercept=-0.5, slope=1.3, seed=2)
    fitted = fit_calibrator(log_odds, y, method="test")
    # standard errors about 0.02 and 0.02: five of them
    assert (fitted.intercept, fitted.slope) == (
        pytest.approx(-0.5, abs=0.1),
        pytest.approx(1.3, abs=0.1),
    )


@given(st.integers(0, 10_000), st.floats(0.2, 3), st.floats(-2, 2))
def test_the_mean_risk_becomes_the_smoothed_share(
    seed: int, slope: float, intercept: float
) -> None:
    log_odds, y = sample(200, intercept=intercept, slope=slope, seed=seed)
    fitted = fit_calibrator(log_odds, y, method="test")
    n1, n0 = y.sum(), (1 - y).sum()
    share = (n1 * (n1 + 1) / (n1 + 2) + n0 / (n0 + 2)) / 200  # Platt's targets
    assert fitted.risk(log_odds).mean() == pytest.approx(share, abs=1e-7)
    assert fitted.slope >= 0


def test_perfect_separation_stays_finite() -> None:
    log_odds = np.array([-3.0, -2.0, 2.0, 3.0])
    fitted = fit_calibrator(log_odds, np.array([0.0, 0.0, 1.0, 1.0]), method="test")
    assert 0 < fitted.slope < 10
    # all four targets can be met by two numbers at +-2.5, nearly: 3/4 for events, 1/4 for none
    assert fitted.risk(log_odds).mean() == pytest.approx(0.5, abs=1e-9)


def test_predictions_that_point_the_wrong_way_give_everybody_the_overall_risk() -> None:
    log_odds, y = sample(1000, intercept=0.0, slope=1.0, seed=3)
    fitted = fit_calibrator(-log_odds, y, method="test")
    assert fitted.slope == 0.0
    assert "no signal" in fitted.method
    assert expit(fitted.intercept) == pytest.approx(y.mean(), abs=2e-3)


def test_equal_predictions_give_the_overall_risk() -> None:
    y = np.array([0.0, 0.0, 1.0])
    fitted = fit_calibrator(np.zeros(3), y, method="test")
    assert (fitted.intercept, fitted.slope) == (
        pytest.approx(float(logit((2 / 3 + 1 / 4 + 1 / 4) / 3))),
        0.0,
    )
