"""The small logistic regression against scikit-learn, and its edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crsrisk.belief.linear_risk import (
    PREDICTORS,
    auroc,
    crossfitted_auroc,
    fit_logistic,
    predictors,
    scale_of,
    standardised,
    stated,
    top,
)
from crsrisk.simulate.observation import observe
from crsrisk.simulate.population import sample
from tests.simulate.people import arm_of, world_of

Values = NDArray[np.float64]


def toy(n: int, *, seed: int) -> tuple[Values, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    return x, rng.random(n) < expit(-1.0 + x @ np.array([1.0, -0.5, 0.0]))


@pytest.mark.parametrize("penalty", [0.5, 1.0, 10.0])
def test_same_coefficients_as_scikit_learn(penalty: float) -> None:
    x, y = toy(400, seed=1)
    other = LogisticRegression(C=1.0 / penalty, tol=1e-10, max_iter=1000).fit(x, y)
    found = fit_logistic(x, y, penalty=penalty)
    np.testing.assert_allclose(found[1:], other.coef_[0], atol=1e-5)
    assert found[0] == pytest.approx(other.intercept_[0], abs=1e-5)


def test_separable_patients_do_not_run_away() -> None:
    x = np.linspace(-1.0, 1.0, 20)[:, None]
    found = fit_logistic(x, x[:, 0] > 0.0)
    assert np.isfinite(found).all()
    assert found[1] > 1.0


@pytest.mark.parametrize("event", [True, False])
def test_without_both_outcomes_nothing_is_told(event: bool) -> None:
    x, _ = toy(40, seed=2)
    y = np.full(40, event)
    assert not fit_logistic(x, y).any()
    assert crossfitted_auroc(x, y) == 0.5
    assert auroc(x[:, 0], y) == 0.5


def test_auroc_is_that_of_scikit_learn_with_ties() -> None:
    x, y = toy(300, seed=3)
    scores = np.round(x[:, 0], 1)
    assert auroc(scores, y) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)


def test_crossfitting_takes_no_credit_for_noise() -> None:
    """Seventeen columns of noise, 200 patients: the fit to all flatters itself by 0.1 and more, the cross-fitted does not.
    The mean of 40 repetitions has a standard error of about 0.008; four of them are allowed (error rate 6e-5)."""
    honest, flattered = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((200, 17)), rng.random(200) < 0.3
        honest.append(crossfitted_auroc(x, y))
        flattered.append(auroc(stated(fit_logistic(x, y), x), y))
    assert abs(np.mean(honest) - 0.5) < 4 * np.std(honest, ddof=1) / np.sqrt(40)
    assert np.mean(flattered) > 0.6


def test_top_takes_the_share_and_breaks_ties_by_order() -> None:
    assert top(np.array([3.0, 1.0, 3.0, 3.0, 0.0]), share=0.4).tolist() == [True, False, True, False, False]


def test_predictors_of_the_observed_table() -> None:
    arm = arm_of("tarlatamab")
    patients = sample(arm.population, assumptions=world_of().assumptions, seed=3, start=0, stop=300)
    values = predictors(observe(patients, arm=arm, world=world_of(), seed=3))
    assert values.shape == (300, len(PREDICTORS))
    x = standardised(values, scale=scale_of(values))
    assert np.isfinite(x).all()
    np.testing.assert_allclose(np.nanmean((values - scale_of(values).mean), axis=0), 0.0, atol=1e-9)
    assert (x[np.isnan(values)] == 0.0).all()
    assert np.isnan(values).any()
