"""The one logistic solver: against scikit-learn and statsmodels, and against Firth's closed
forms.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from crsrisk.logistic import fit_logistic, log_likelihood

ONES = np.ones((400, 1))


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = np.hstack([ONES, rng.normal(size=(400, 2))])
    return design, (rng.random(400) < expit(design @ [-0.5, 1.0, -0.4])).astype(float)


@pytest.mark.parametrize("seed", [1, 2])
def test_agrees_with_scikit_learn(seed: int) -> None:
    design, y = sample(seed)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(design[:, 1:], y)
    fitted = fit_logistic(design, y)
    assert fitted.is_converged
    assert fitted.coefficients[1:] == pytest.approx(other.coef_[0], abs=1e-5)
    assert log_likelihood(design @ fitted.coefficients, y) == pytest.approx(
        log_likelihood(other.decision_function(design[:, 1:]), y), abs=1e-8
    )


def test_an_offset_that_is_right_needs_nothing() -> None:
    design, y = sample(3)
    free = fit_logistic(design, y)
    again = fit_logistic(design, y, offset=design @ free.coefficients)
    assert again.coefficients == pytest.approx(np.zeros(3), abs=1e-7)


@given(events=st.integers(0, 30), n=st.integers(30, 60))
@settings(max_examples=40, deadline=None)
def test_firth_of_an_intercept_is_half_an_event_more_of_each(events: int, n: int) -> None:
    """Jeffreys' prior of one share: (events + 1/2) / (n + 1), finite for no event and for nothing
    but events.
    """
    y = np.r_[np.ones(events), np.zeros(n - events)]
    fitted = fit_logistic(np.ones((n, 1)), y, has_firth=True)
    assert fitted.coefficients[0] == pytest.approx(logit((events + 0.5) / (n + 1)), abs=1e-6)


def test_firth_of_a_two_by_two_table_adds_a_half_to_each_cell() -> None:
    """A saturated model: Firth's estimate is the log odds ratio with 1/2 in each cell, here with an
    empty one.
    """
    x, y = (
        np.repeat([0.0, 0.0, 1.0, 1.0], [7, 3, 0, 10]),
        np.repeat([0.0, 1.0, 0.0, 1.0], [7, 3, 0, 10]),
    )
    fitted = fit_logistic(np.column_stack([np.ones(20), x]), y, has_firth=True)
    assert fitted.coefficients[1] == pytest.approx(np.log((10.5 / 0.5) / (3.5 / 7.5)), abs=1e-6)


def test_without_firth_a_separated_column_ends_at_the_best_likelihood() -> None:
    x = np.linspace(-1, 1, 40)
    y = (x > 0).astype(float)
    design = np.column_stack([np.ones(40), x])
    fitted = fit_logistic(design, y)
    assert -1e-2 < log_likelihood(design @ fitted.coefficients, y) <= 0.0
    assert not fitted.is_converged


def test_offset_and_weights_agree_with_statsmodels() -> None:
    design, y = sample(4)
    rng = np.random.default_rng(4)
    offset, weight = rng.normal(size=400), rng.integers(0, 4, 400).astype(float)
    peer = sm.GLM(y, design, family=sm.families.Binomial(), offset=offset, freq_weights=weight)
    fitted = fit_logistic(design, y, offset=offset, weight=weight)
    assert fitted.coefficients == pytest.approx(peer.fit(tol=1e-12).params, abs=1e-7)


def test_ridge_agrees_with_scikit_learn() -> None:
    design, y = sample(5)
    peer = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(design[:, 1:], y)
    fitted = fit_logistic(design, y, penalty=np.array([0.0, 10.0, 10.0]))
    assert fitted.coefficients == pytest.approx([peer.intercept_[0], *peer.coef_[0]], abs=1e-5)


@pytest.mark.parametrize("has_firth", [False, True])
def test_many_fits_at_once_are_the_fits_one_by_one(has_firth: bool) -> None:
    """Bootstrap counts and other outcomes; a fit that separates does not disturb the others."""
    design, y = sample(6)
    counts = np.random.default_rng(6).multinomial(400, np.full(400, 1 / 400), size=5).astype(float)
    outcomes = np.stack([y, 1 - y, (design[:, 1] > 0).astype(float)])
    together = [
        fit_logistic(design, y, weight=counts, has_firth=has_firth),
        fit_logistic(design, outcomes, has_firth=has_firth),
    ]
    alone = [
        [fit_logistic(design, y, weight=row, has_firth=has_firth) for row in counts],
        [fit_logistic(design, row, has_firth=has_firth) for row in outcomes],
    ]
    for batch, singles in zip(together, alone, strict=True):
        for k, single in enumerate(singles):
            assert bool(batch.is_converged[k]) == bool(single.is_converged)
            if single.is_converged:
                assert batch.coefficients[k] == pytest.approx(single.coefficients, abs=1e-5)
    assert bool(together[1].is_converged[2]) is has_firth


def test_without_a_column_there_is_nothing_to_fit() -> None:
    _, y = sample(7)
    assert fit_logistic(np.ones((400, 0)), y).coefficients.shape == (0,)
