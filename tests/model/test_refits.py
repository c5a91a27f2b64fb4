"""Refits: the same risks as LightGBM from plain numbers, an interval that spreads with the sample,
nothing broken loaded.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.predict import predict
from crsrisk.model.refits import (
    Refits,
    flatten,
    interval,
    make_refits,
    read_refits,
    refit_interval,
    refits_tree,
)
from crsrisk.model.risk_model import RiskModel

Toy = Any
LEAF_DIGITS = 1e-7  # leaves are kept to eight digits


@pytest.fixture(scope="module")
def refits(model: RiskModel, toy: Toy, config: ModelConfig) -> Refits:
    return make_refits(model, toy.observed, toy.outcomes, config=config, seed=3, n=4)


def test_flat_trees_say_what_lightgbm_says(model: RiskModel, fresh_toy: Toy) -> None:
    table = build_features(fresh_toy.observed, names=model.contract.feature_names).to_numpy(
        dtype=np.float64
    )
    assert np.isnan(table).any(), "missing values must be among the rows"
    flat = flatten(model, features=model.contract.feature_names)
    np.testing.assert_allclose(
        expit(flat.log_odds(table)), predict(model, fresh_toy.observed).risk, atol=LEAF_DIGITS
    )
    # alone and in a batch
    np.testing.assert_array_equal(flat.log_odds(table[7:8]), flat.log_odds(table)[7:8])


def test_a_model_of_fewer_features_finds_its_places(model: RiskModel, fresh_toy: Toy) -> None:
    """A bootstrap sample may lack a product, and so a column."""
    names = ("no such feature", *model.contract.feature_names[::-1])
    table = build_features(fresh_toy.observed.head(50), names=names[1:]).to_numpy(dtype=np.float64)
    wide = np.column_stack([np.full(50, np.nan), table])
    np.testing.assert_allclose(
        expit(flatten(model, features=names).log_odds(wide)),
        predict(model, fresh_toy.observed.head(50)).risk,
        atol=LEAF_DIGITS,
    )


def test_interval_holds_the_estimate_and_grows_with_fewer_patients(
    model: RiskModel, refits: Refits, toy: Toy, fresh_toy: Toy, config: ModelConfig
) -> None:
    rows = fresh_toy.observed.head(60)
    low, high = refit_interval(model, refits, rows)
    risk = predict(model, rows).risk
    assert ((low > 0) & (low < risk) & (risk < high) & (high < 1)).all()
    few = make_refits(
        model, toy.observed.head(300), toy.outcomes.head(300), config=config, seed=3, n=4
    )
    less, more = refit_interval(model, few, rows)
    assert np.median(logit(more) - logit(less)) > 1.3 * np.median(logit(high) - logit(low))


def test_interval_covers_a_normal_spread_as_often_as_it_says() -> None:
    """For normal refits with the true spread, Student's t covers the truth of a new draw about 95
    times in 100.
    """
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(5, 20_000))
    low, high = interval(rng.normal(size=20_000), draws)
    share = ((low < 0.5) & (high > 0.5)).mean()
    assert abs(share - 0.95) < 0.01  # four binomial standard errors are 0.006, the rest is room


def test_same_seed_same_refits_whatever_the_workers(
    model: RiskModel, refits: Refits, toy: Toy, config: ModelConfig
) -> None:
    again = make_refits(model, toy.observed, toy.outcomes, config=config, seed=3, n=4, workers=2)
    assert refits_tree(again) == refits_tree(refits)
    other = make_refits(model, toy.observed, toy.outcomes, config=config, seed=4, n=2)
    assert refits_tree(other)["refits"][0] != refits_tree(refits)["refits"][0]


def test_the_models_calibration_stays(model: RiskModel, refits: Refits) -> None:
    for one in refits.refits:
        assert (one.intercept, one.slope) == (model.calibrator.intercept, model.calibrator.slope)


def test_round_trip_through_json(model: RiskModel, refits: Refits, fresh_toy: Toy) -> None:
    tree = json.loads(json.dumps(refits_tree(refits), allow_nan=False))
    back = read_refits(tree, where="refits.json", model=model)
    table = build_features(
        fresh_toy.observed.head(200), names=model.contract.feature_names
    ).to_numpy(dtype=np.float64)
    np.testing.assert_array_equal(back.log_odds(table), refits.log_odds(table))


@pytest.mark.parametrize(
    "damage",
    [
        lambda one: one.update(feature=[99, *one["feature"][1:]]),
        lambda one: one.update(left=[0, *one["left"][1:]]),  # a node that is its own child
        lambda one: one.update(right=[10**6, *one["right"][1:]]),
        lambda one: one.update(leaf=[None, *one["leaf"][1:]]),
        lambda one: one.update(leaf=one["leaf"][1:]),
        lambda one: one.update(roots=one["roots"][1:]),
        lambda one: one.update(threshold=["x", *one["threshold"][1:]]),
        lambda one: one.update(intercept=float("inf")),
        lambda one: one.pop("fill"),
    ],
)
def test_what_is_no_tree_is_refused(model: RiskModel, refits: Refits, damage: Any) -> None:
    tree = copy.deepcopy(refits_tree(refits))
    damage(tree["refits"][1])
    with pytest.raises(InputError, match="what is no refit"):
        read_refits(tree, where="refits.json", model=model)


def test_refits_of_another_model_are_refused(model: RiskModel, refits: Refits) -> None:
    one = refits_tree(refits)["refits"][:1]
    for change in ({"model": "other-1"}, {"format": "x"}, {"features": ["a"]}, {"refits": one}):
        with pytest.raises(InputError, match=r"refits\.json"):
            read_refits({**refits_tree(refits), **change}, where="refits.json", model=model)
