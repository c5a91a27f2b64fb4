"""Refits: the same risks as LightGBM from plain numbers, an interval that spreads with the sample,
nothing broken loaded.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.model.companions import REFITS
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.predict import predict
from crsrisk.model.refits import (
    Refit,
    Refits,
    interval,
    read_refits,
    refit_interval,
    refits_tree,
)
from crsrisk.model.refitting import flatten, make_refits
from crsrisk.model.risk_model import RiskModel

Toy = Any
KEYS = ("feature", "threshold", "decision")
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
    back = read_refits(tree, where=REFITS, model=model)
    table = build_features(
        fresh_toy.observed.head(200), names=model.contract.feature_names
    ).to_numpy(dtype=np.float64)
    np.testing.assert_array_equal(back.log_odds(table), refits.log_odds(table))


def test_every_split_stands_once_and_every_tree_is_told_by_its_order(
    model: RiskModel, refits: Refits
) -> None:
    tree = refits_tree(refits)
    splits = list(zip(*(tree["splits"][key] for key in KEYS), strict=True))
    used = sum(len(refit.feature) for refit in refits.refits)
    assert len(set(splits)) == len(splits) < used / 2
    for one, refit in zip(tree["refits"], refits.refits, strict=True):
        assert len(one["nodes"]) == len(refit.feature) + len(refit.leaf)
        assert one["nodes"].count(-1) == len(one["leaf"]) == len(refit.leaf)
    back = read_refits(tree, where=REFITS, model=model)
    assert refits_tree(back) == tree, "read and written again, it is the same"


def test_order_of_nodes_and_trees_of_one_leaf() -> None:
    """Two nodes numbered against the order of the walk, between two trees of a single leaf."""
    refit = Refit(
        feature=np.array([0, 1]),
        threshold=np.array([0.5, np.inf]),
        decision=np.array([10, 8]),
        left=np.array([1, -4]),
        right=np.array([-2, -3]),
        leaf=np.array([0.1, 0.2, 0.3, 0.4, 0.5]),
        roots=np.array([-1, 0, -5]),
        fill=np.array([np.nan, 7.0]),
        intercept=0.0,
        slope=1.0,
    )
    tree = refits_tree(Refits("one", ("a", "b"), (refit,)))
    assert tree["splits"] == {"feature": [0, 1], "threshold": [0.5, None], "decision": [10, 8]}
    assert tree["refits"][0]["nodes"] == [-1, 0, 1, -1, -1, -1, -1]
    assert tree["refits"][0]["leaf"] == [0.1, 0.4, 0.3, 0.2, 0.5]


def test_trees_without_any_split(model: RiskModel) -> None:
    none, features = np.zeros(0, dtype=np.int64), model.contract.feature_names
    refit = Refit(
        feature=none,
        threshold=np.zeros(0),
        decision=none,
        left=none,
        right=none,
        leaf=np.array([0.25]),
        roots=np.array([-1]),
        fill=np.full(len(features), np.nan),
        intercept=0.0,
        slope=1.0,
    )
    tree = refits_tree(Refits(model.label, features, (refit, refit)))
    back = read_refits(json.loads(json.dumps(tree)), where=REFITS, model=model)
    table = np.full((3, len(features)), np.nan)
    np.testing.assert_array_equal(back.log_odds(table), np.full((2, 3), 0.25))


@pytest.mark.parametrize(
    "damage",
    [
        lambda one, splits: one.update(nodes=[10**6, *one["nodes"][1:]]),  # no such split
        lambda one, splits: one.update(nodes=[-2, *one["nodes"][1:]]),
        lambda one, splits: one.update(nodes=one["nodes"][:-1]),  # the last tree has no end
        lambda one, splits: one.update(nodes=[*one["nodes"], 0]),  # another without an end
        lambda one, splits: one.update(nodes=[*one["nodes"], -1]),  # a leaf without a value
        lambda one, splits: one.update(nodes=[-1, *one["nodes"][1:]]),
        lambda one, splits: one.update(nodes=[one["nodes"]]),
        lambda one, splits: one.update(nodes=["x", *one["nodes"][1:]]),
        lambda one, splits: one.pop("nodes"),
        lambda one, splits: one.update(leaf=[None, *one["leaf"][1:]]),
        lambda one, splits: one.update(leaf=one["leaf"][1:]),
        lambda one, splits: one.update(intercept=float("inf")),
        lambda one, splits: one.update(fill=one["fill"][1:]),
        lambda one, splits: one.pop("fill"),
        lambda one, splits: splits.update(feature=[99, *splits["feature"][1:]]),
        lambda one, splits: splits.update(feature=[-1, *splits["feature"][1:]]),
        lambda one, splits: splits.update(feature=splits["feature"][1:]),
        lambda one, splits: splits.update(threshold=["x", *splits["threshold"][1:]]),
        lambda one, splits: splits.update(decision=[1, *splits["decision"][1:]]),  # categories
        lambda one, splits: splits.update(decision=[12, *splits["decision"][1:]]),
        lambda one, splits: splits.pop("decision"),
    ],
)
def test_what_is_no_tree_is_refused(model: RiskModel, refits: Refits, damage: Any) -> None:
    tree = copy.deepcopy(refits_tree(refits))
    damage(tree["refits"][1], tree["splits"])
    with pytest.raises(InputError, match="what is no refit"):
        read_refits(tree, where=REFITS, model=model)


def test_refits_of_another_model_are_refused(model: RiskModel, refits: Refits) -> None:
    one = refits_tree(refits)["refits"][:1]
    for change in ({"model": "other-1"}, {"format": "x"}, {"features": ["a"]}, {"refits": one}):
        with pytest.raises(InputError, match=re.escape(REFITS)):
            read_refits({**refits_tree(refits), **change}, where=REFITS, model=model)
