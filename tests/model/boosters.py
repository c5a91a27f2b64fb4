"""Small LightGBM models of every kind that the trees' own code has to understand, each with a table
to score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy.special import expit

from crsrisk.data.risk_model import LearnerKind
from crsrisk.model.booster_text import BINARY, REGRESSION, bare_text, joined_text
from crsrisk.model.estimator import CRSClassifier

KINDS: dict[str, dict[str, Any]] = {
    "no missing values": {},
    "missing values": {},
    "zero is missing": {"zero_as_missing": True},
    "missing is zero": {"use_missing": False},
    "sets of categories": {
        "max_cat_to_onehot": 1,
        "min_data_per_group": 5,
        "cat_smooth": 1,
        "categorical": [5, 6],
    },
    "one category a split": {
        "max_cat_to_onehot": 64,
        "min_data_per_group": 5,
        "categorical": [5, 6],
    },
    "deep": {"num_leaves": 127, "min_data_in_leaf": 2, "n": 4},
    "deep and wide": {"num_leaves": 255, "min_data_in_leaf": 1, "n": 3, "columns": 40},
    "stumps": {"num_leaves": 2},
    "bagged, randomised": {"bagging_fraction": 0.5, "bagging_freq": 1, "extra_trees": True},
    "constant": {"min_data_in_leaf": 2000, "n": 3},
}


@dataclass(frozen=True)
class Case:
    """A booster with its checked text and a table with gaps, zeros and unknown categories."""

    booster: lgb.Booster
    text: str
    table: np.ndarray
    objective: str = BINARY


@cache
def made(kind: str) -> Case:
    """A model of this kind."""
    options = dict(KINDS[kind])
    columns, n, categorical = (
        options.pop("columns", 7),
        options.pop("n", 25),
        options.pop("categorical", []),
    )
    rng = np.random.default_rng(3)
    table = rng.normal(size=(900, columns))
    table[:, 5], table[:, 6] = rng.integers(0, 50, 900), rng.integers(0, 3, 900)
    signal = table[:, 0] + table[:, 1] * table[:, 2] + np.sin(table[:, 5])
    if kind != "no missing values":
        table[rng.random(table.shape) < 0.2] = np.nan
    if kind in ("zero is missing", "missing is zero"):
        table[rng.random(table.shape) < 0.2] = 0.0
    settings = {
        "objective": "binary",
        "verbosity": -1,
        "num_threads": 1,
        "seed": 1,
        "min_data_in_leaf": 5,
        **options,
    }
    data = lgb.Dataset(table, rng.random(900) < expit(signal), categorical_feature=categorical)
    booster = lgb.train(settings, data, n)
    new = table[:300].copy()
    new[:20] = np.nan
    new[20:40] = 0.0
    new[40:60, 5:7] = [[-3.0, 4000.0]]
    new[60:80, 5:7] = [[7.9, -0.5]]
    new[80:90] = 1e-36
    new[90:100] *= 1e9
    return Case(booster, bare_text(booster.model_to_string()), new)


@cache
def made_by_us(kind: LearnerKind = "additive") -> Case:
    """Our learner's: an additive start of single columns, half of one or none, then monotone
    trees.
    """
    rng = np.random.default_rng(5)
    table = rng.normal(size=(1500, 5))
    table[rng.random(table.shape) < 0.2] = np.nan
    y = rng.random(1500) < expit(
        np.nan_to_num(table[:, 0]) * (1 + np.isnan(table[:, 1])) - np.nan_to_num(table[:, 2])
    )
    learner = CRSClassifier(
        kind=kind,
        max_trees=40,
        boosting_max_trees=60,
        learning_rate=0.3,
        num_leaves=6,
        min_data_in_leaf=10,
        free_columns=[0],
        monotonic_cst=[1, 0, -1, 0, 0],
        n_folds=2,
    )
    booster = learner.fit(table, y).booster_
    return Case(booster, bare_text(booster.model_to_string()), table[:300])


@cache
def joined() -> Case:
    """Boosters put together by their texts."""
    rng = np.random.default_rng(6)
    table = rng.normal(size=(500, 3))
    options = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    texts = [
        bare_text(lgb.train(options, lgb.Dataset(table, table[:, k] ** 2), 4).model_to_string())
        for k in (0, 1, 2)
    ]
    text = joined_text(texts)
    return Case(lgb.Booster(model_str=text), text, table[:200], REGRESSION)


def every_case() -> dict[str, Any]:
    """All models by name, made when called."""
    return {
        **{kind: lambda kind=kind: made(kind) for kind in KINDS},
        "ours": made_by_us,
        "ours, shrunken": lambda: made_by_us("shrunken"),
        "ours, boosting": lambda: made_by_us("boosting"),
        "joined": joined,
    }
