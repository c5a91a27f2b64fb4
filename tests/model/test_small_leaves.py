"""No leaf of a booster holds fewer than ten patients, whatever LightGBM takes for ten rows."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from scipy.special import expit

from crsrisk.data.disclosure import FEWEST
from crsrisk.model.booster import bare_text
from crsrisk.model.booster_text import read_text
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.small_leaves import without_small_leaves

N = 900
SETTINGS = {
    "objective": "binary",
    "min_data_in_leaf": FEWEST,
    "min_data_in_bin": FEWEST,
    "num_leaves": 12,
    "monotone_constraints": [1, 0, -1],
    "verbosity": -1,
    "num_threads": 1,
}


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    """Rows of three features, some of them missing."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(N, 3))
    return np.where(rng.random(values.shape) < 0.05, np.nan, values)


@pytest.fixture(scope="module")
def booster(table: np.ndarray) -> lgb.Booster:
    """Risks from near 0 to near 1, so that rows differ in what LightGBM counts them by."""
    risk = expit(-4 + 3 * np.nan_to_num(table[:, 0]))
    event = np.random.default_rng(5).random(N) < risk
    return lgb.train(SETTINGS, lgb.Dataset(table, event.astype(float)), 40)


def fewest_in_a_leaf(booster: lgb.Booster, table: np.ndarray, patient: np.ndarray) -> int:
    """The smallest number of different patients that meet in a leaf of any tree."""
    leaves = np.asarray(booster.predict(table, pred_leaf=True)).T
    return min(
        len(set(patient[of_tree == leaf])) for of_tree in leaves for leaf in set(of_tree.tolist())
    )


def test_lightgbm_keeps_its_own_number_roughly(booster: lgb.Booster, table: np.ndarray) -> None:
    """The reason for the module; with a version that counts rows it could go."""
    assert fewest_in_a_leaf(booster, table, np.arange(N)) < FEWEST


@pytest.mark.parametrize("rows_a_patient", [1, 4])
def test_every_leaf_holds_ten_patients(
    booster: lgb.Booster, table: np.ndarray, rows_a_patient: int
) -> None:
    patient = np.arange(N) // rows_a_patient
    told = without_small_leaves(booster, table=table, patient=patient)
    assert fewest_in_a_leaf(told, table, patient) >= FEWEST
    assert told.num_trees() == booster.num_trees()
    text = bare_text(told.model_to_string())
    scores = told.predict(table, raw_score=True)
    assert raw_log_odds_by(forest_of(text), table) == pytest.approx(scores)
    for column, sign in ((0, 1.0), (2, -1.0)):  # directions hold
        low, high = table.copy(), table.copy()
        low[:, column], high[:, column] = -0.7, 1.3
        rise = told.predict(high, raw_score=True) - told.predict(low, raw_score=True)
        assert (sign * rise).min() >= -1e-12
    assert without_small_leaves(told, table=table, patient=patient) is told


def test_who_was_in_no_small_leaf_keeps_his_score(booster: lgb.Booster, table: np.ndarray) -> None:
    told = without_small_leaves(booster)
    counts = [tree.leaf_count for tree in read_text(bare_text(booster.model_to_string())).trees]
    leaves = np.asarray(booster.predict(table, pred_leaf=True))
    was_small = np.array(
        [[counts[k][leaf] < FEWEST for k, leaf in enumerate(row)] for row in leaves]
    ).any(axis=1)
    assert 0 < was_small.sum() < N / 2
    before, after = (one.predict(table, raw_score=True) for one in (booster, told))
    assert after[~was_small] == pytest.approx(before[~was_small], abs=1e-12)


def test_the_trees_of_the_start_stay(booster: lgb.Booster) -> None:
    told = without_small_leaves(booster, n_start=20)
    before, after = (read_text(bare_text(one.model_to_string())).trees for one in (booster, told))
    for k in range(40):
        same = np.array_equal(before[k].leaf_value, after[k].leaf_value)
        assert same or k >= 20
    assert min(tree.leaf_count.min() for tree in after[20:]) >= FEWEST


def test_a_tree_of_small_leaves_alone_says_the_mean() -> None:
    rows = np.repeat([0.0, 1.0], 12)[:, None]
    grown = lgb.train(
        {**SETTINGS, "monotone_constraints": [0], "min_data_in_bin": 1},
        lgb.Dataset(rows, np.repeat([0.0, 1.0, 1.0], 8)),
        1,
    )
    patient = np.arange(24) // 2  # six in either leaf
    told = without_small_leaves(grown, table=rows, patient=patient)
    mean = float(np.mean(grown.predict(rows, raw_score=True)))
    assert told.predict(rows, raw_score=True) == pytest.approx([mean] * 24)
    assert mean > 0.5
