"""The explainable boosting machine: it learns, knows gaps and new products, and repeats itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crsrisk.model.comparators import ExplainableBoosting, ProductRate
from crsrisk.model.features import ModelConfig


@pytest.fixture(scope="module")
def fitted(toy: Any, config: ModelConfig) -> ExplainableBoosting:
    return ExplainableBoosting(config=config, n_bags=2).fit(
        toy.observed, toy.outcomes["crs_grade2plus"]
    )


def test_it_learns_more_than_the_product(
    fitted: ExplainableBoosting, toy: Any, fresh_toy: Any
) -> None:
    base = ProductRate().fit(toy.observed, toy.outcomes["crs_grade2plus"])
    error = [
        np.mean((one.predict_proba(fresh_toy.observed)[:, 1] - fresh_toy.true_risk) ** 2)
        for one in (fitted, base)
    ]
    assert error[0] < 0.7 * error[1]


def test_gaps_and_new_products_are_scored(fitted: ExplainableBoosting, toy: Any) -> None:
    odd = toy.observed.head(3).assign(
        crp_mg_l=np.nan, age_years=np.nan, product=["new", None, "toy_ici"]
    )
    assert ((fitted.predict_proba(odd)[:, 1] > 0) & (fitted.predict_proba(odd)[:, 1] < 1)).all()


def test_same_seed_same_risks(fitted: ExplainableBoosting, toy: Any, config: ModelConfig) -> None:
    again = ExplainableBoosting(config=config, n_bags=2).fit(
        toy.observed, toy.outcomes["crs_grade2plus"]
    )
    np.testing.assert_array_equal(
        again.predict_proba(toy.observed)[:, 1], fitted.predict_proba(toy.observed)[:, 1]
    )
