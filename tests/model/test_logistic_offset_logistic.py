"""Offset logistic against scikit-learn without a penalty and against Firth's closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from crsrisk.model.logistic import fit_offset_logistic, log_likelihood

ONES = np.ones((400, 1))


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = np.hstack([ONES, rng.normal(size=(400, 2))])
    return design, (rng.random(400) < expit(design @ [-0.5, 1.0, -0.4])).astype(float)


@pytest.mark.parametrize("seed", [1, 2])
def test_agrees_with_scikit_learn(seed: int) -> None:
    design, y = sample(seed)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(design[:, 1:], y)
    fitted = fit_offset_logistic(design, y, offset=np.zeros(400), has_firth=False)
    assert fitted.coefficients[1:] == pytest.approx(other.coef_[0], abs=1e-5)
    assert fitted.log_likelihood == pytest.approx(
        log_likelihood(other.decision_function(design[:, 1:]), y), abs=1e-8
    )


def test_an_offset_that_is_right_needs_nothing() -> None:
    design, y = sample(3)
    free = fit_offset_logistic(design, y, offset=np.zeros(400), has_firth=False)
    again = fit_offset_logistic(design, y, offset=design @ free.coefficients, has_firth=False)
    assert again.coefficients == pytest.approx(np.zeros(3), abs=1e-7)


@given(events=st.integers(0, 30), n=st.integers(30, 60))
@settings(max_examples=40, deadline=None)
def test_firth_of_an_intercept_is_half_an_event_more_of_each(events: int, n: int) -> None:
    """Jeffreys' prior of one share: (events + 1/2) / (n + 1), finite for no event and for nothing
    but events.
    """
    y = np.r_[np.ones(events), np.zeros(n - events)]
    fitted = fit_offset_logistic(np.ones((n, 1)), y, offset=np.zeros(n), has_firth=True)
    assert fitted.coefficients[0] == pytest.approx(logit((events + 0.5) / (n + 1)), abs=1e-6)


def test_firth_of_a_two_by_two_table_adds_a_half_to_each_cell() -> None:
    """A saturated model: Firth's estimate is the log odds ratio with 1/2 in each cell, here with an
    empty one.
    """
    x, y = (
        np.repeat([0.0, 0.0, 1.0, 1.0], [7, 3, 0, 10]),
        np.repeat([0.0, 1.0, 0.0, 1.0], [7, 3, 0, 10]),
    )
    fitted = fit_offset_logistic(
        np.column_stack([np.ones(20), x]), y, offset=np.zeros(20), has_firth=True
    )
    assert fitted.coefficients[1] == pytest.approx(np.log((10.5 / 0.5) / (3.5 / 7.5)), abs=1e-6)


def test_without_firth_a_separated_column_ends_at_the_best_likelihood() -> None:
    x = np.linspace(-1, 1, 40)
    y = (x > 0).astype(float)
    fitted = fit_offset_logistic(
        np.column_stack([np.ones(40), x]), y, offset=np.zeros(40), has_firth=False
    )
    assert -1e-2 < fitted.log_likelihood <= 0.0
