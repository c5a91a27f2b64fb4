"""Comparators: worked by hand where they can be, better than nothing where they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from crsrisk.model.comparators import (
    IndexLogistic,
    ProductRate,
    RidgeLogistic,
    SplineLogistic,
    comparators,
)
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.indices import INDICES
from crsrisk.model.predict import predict

Toy = Any


def expected_log_loss(risk: np.ndarray, truth: np.ndarray) -> float:
    """Log loss averaged over the outcomes that the true risk gives: no noise of labels."""
    return float(-(truth * np.log(risk) + (1 - truth) * np.log1p(-risk)).mean())


@pytest.fixture(scope="module")
def losses(toy: Toy, fresh_toy: Toy, config: ModelConfig) -> dict[str, float]:
    """Expected log loss of every comparator in fresh patients."""
    y = toy.outcomes["crs_grade2plus"]
    fitted = {one.name: one.fit(toy.observed, y) for one in comparators(config=config)}
    return {
        name: expected_log_loss(one.predict_proba(fresh_toy.observed)[:, 1], fresh_toy.true_risk)
        for name, one in fitted.items()
    }


def test_product_prevalence_by_hand() -> None:
    table = pd.DataFrame({"product": ["a", "a", "a", "b", "b"]})
    fitted = ProductRate().fit(table, [1, 0, 0, 1, 1])
    risk = fitted.predict_proba(pd.DataFrame({"product": ["a", "b", "new", None]}))[:, 1]
    np.testing.assert_allclose(risk, [1.5 / 4, 2.5 / 3, 3.5 / 6, 3.5 / 6])


def test_the_ladder_goes_down(losses: dict[str, float], toy: Toy, fresh_toy: Toy) -> None:
    share = toy.outcomes["crs_grade2plus"].mean()
    nothing = expected_log_loss(np.full(len(fresh_toy.true_risk), share), fresh_toy.true_risk)
    truth = expected_log_loss(fresh_toy.true_risk, fresh_toy.true_risk)
    product, ridge = losses["product only"], losses["penalised logistic regression"]
    assert truth < ridge < product < nothing
    assert (product - ridge) / (product - truth) > 0.7  # the toy world is a logistic regression


def test_indices_with_crp_help_those_without_do_not(losses: dict[str, float]) -> None:
    """In the toy world CRP acts, and LDH, creatinine, ferritin and platelets do not."""
    product = losses["product only"]
    assert losses["product + m-EASIX"] < product - 0.002
    assert losses["product + CRP/albumin ratio"] < product - 0.002
    assert losses["product + EASIX"] > product - 0.002


def test_every_index_is_on_the_ladder(losses: dict[str, float]) -> None:
    assert {f"product + {index.label}" for index in INDICES.values()} < set(losses)


def test_a_score_alone_is_a_logistic_regression_of_its_logarithm(toy: Toy) -> None:
    """With complete labs: risk = expit(a + b log(index + 0.1)), as scikit-learn fits it."""
    with_limit = toy.observed.assign(ldh_upper_limit_u_l=250.0)
    index = build_features(with_limit, names=["m_easix"])["m_easix"]
    complete = with_limit[index.notna()]
    y = toy.outcomes.loc[complete.index, "crs_grade2plus"]
    x = np.log(index.dropna().to_numpy()[:, None] + 0.1)
    peer = LogisticRegression(C=1e9, tol=1e-10).fit(x, y).predict_proba(x)[:, 1]
    ours = (
        IndexLogistic(score="m_easix", with_product=False)
        .fit(complete, y)
        .predict_proba(complete)[:, 1]
    )
    np.testing.assert_allclose(ours, peer, atol=1e-4)


def test_gaps_and_new_products_are_scored(toy: Toy, config: ModelConfig) -> None:
    y = toy.outcomes["crs_grade2plus"]
    odd = toy.observed.head(3).assign(
        crp_mg_l=np.nan, ldh_x_uln=np.nan, age_years=np.nan, product=["new", None, "toy_ici"]
    )
    for one in comparators(config=config):
        risk = one.fit(toy.observed, y).predict_proba(odd)[:, 1]
        assert ((risk > 0) & (risk < 1)).all(), one.name


def test_alone_as_in_a_batch(toy: Toy, fresh_toy: Toy, config: ModelConfig) -> None:
    fitted = RidgeLogistic(config=config).fit(toy.observed, toy.outcomes["crs_grade2plus"])
    whole = fitted.predict_proba(fresh_toy.observed.head(20))[:, 1]
    alone = [fitted.predict_proba(fresh_toy.observed.iloc[[row]])[0, 1] for row in range(20)]
    np.testing.assert_allclose(alone, whole, rtol=1e-12)


def test_the_model_beats_the_product_alone(
    losses: dict[str, float], model: Any, fresh_toy: Toy
) -> None:
    ours = expected_log_loss(predict(model, fresh_toy.observed).risk, fresh_toy.true_risk)
    assert ours < losses["product only"] - 0.01


def test_splines_learn_a_curve_and_slopes_of_products(
    toy: Toy, fresh_toy: Toy, config: ModelConfig
) -> None:
    """An outcome that is likeliest in the middle of CRP, and rises with age under one product
    only.
    """

    def outcome(table: pd.DataFrame, seed: int) -> np.ndarray:
        middle = np.abs(np.log(table["crp_mg_l"].fillna(7.4)) - 2) < 1
        old = (table["product"] == "toy_engager") * (table["age_years"] - 62) / 11
        risk = 1 / (1 + np.exp(-(2.5 * middle + 1.2 * old - 1.5)))
        return np.asarray(np.random.default_rng(seed).random(len(table)) < risk)

    y, fresh = outcome(toy.observed, 1), outcome(fresh_toy.observed, 2)
    loss = [
        expected_log_loss(one.fit(toy.observed, y).predict_proba(fresh_toy.observed)[:, 1], fresh)
        for one in (SplineLogistic(config=config), RidgeLogistic(config=config))
    ]
    assert loss[0] < loss[1] - 0.03


def test_splines_score_gaps_and_new_products(toy: Toy, config: ModelConfig) -> None:
    fitted = SplineLogistic(config=config).fit(toy.observed, toy.outcomes["crs_grade2plus"])
    odd = toy.observed.head(3).assign(
        crp_mg_l=np.nan, ldh_x_uln=np.nan, age_years=np.nan, product=["new", None, "toy_ici"]
    )
    risk = fitted.predict_proba(odd)[:, 1]
    assert ((risk > 0) & (risk < 1)).all()
    alone = [fitted.predict_proba(odd.iloc[[row]])[0, 1] for row in range(3)]
    np.testing.assert_allclose(alone, risk, rtol=1e-12)
