"""Exact Shapley values by definition against every fast method, and against a game that only asks LightGBM what it says."""

from __future__ import annotations

from itertools import permutations

import lightgbm as lgb
import numpy as np
import pytest

from crsrisk.domain.risk_model import RiskModel
from crsrisk.learn.booster import bare_text, booster_of, contributions_of, raw_log_odds_of
from crsrisk.learn.exact_shapley import exact_interventional, exact_path_dependent
from crsrisk.learn.forest import forest_of
from crsrisk.learn.interventional_shap import interventional_shapley
from crsrisk.learn.predict import feature_matrix
from crsrisk.learn.tree_shap import path_shapley

BAR = 1e-8  # log-odds


@pytest.fixture(scope="module")
def rows(model: RiskModel, fresh_toy: object) -> np.ndarray:
    """Twelve patients with missing values among them."""
    table = feature_matrix(model, fresh_toy.observed.head(12))
    assert np.isnan(table).any()
    return table


@pytest.fixture(scope="module")
def background(model: RiskModel, fresh_toy: object) -> np.ndarray:
    return feature_matrix(model, fresh_toy.observed.iloc[100:108])


def test_path_dependent_values_agree_with_lightgbm_and_our_kernel(model: RiskModel, rows: np.ndarray) -> None:
    exact = exact_path_dependent(model.booster_text, rows)
    assert np.abs(exact - contributions_of(booster_of(model.booster_text), rows)).max() < BAR
    assert np.abs(exact - path_shapley(forest_of(model.booster_text), rows)).max() < BAR


def test_interventional_values_agree_with_our_kernel(model: RiskModel, rows: np.ndarray, background: np.ndarray) -> None:
    exact = exact_interventional(model.booster_text, rows, background=background)
    fast = interventional_shapley(forest_of(model.booster_text), rows, background=background)
    assert np.abs(exact - fast).max() < BAR


@pytest.mark.parametrize("game", ["interventional", "path-dependent"])
def test_values_add_up(game: str, model: RiskModel, rows: np.ndarray, background: np.ndarray) -> None:
    exact = (exact_interventional(model.booster_text, rows, background=background) if game == "interventional"
             else exact_path_dependent(model.booster_text, rows))
    assert exact.sum(axis=1) == pytest.approx(raw_log_odds_of(booster_of(model.booster_text), rows), abs=1e-9)


def test_the_two_games_are_not_the_same(model: RiskModel, rows: np.ndarray, background: np.ndarray) -> None:
    """Were they equal, comparing across them would go unnoticed."""
    difference = (exact_interventional(model.booster_text, rows, background=background)
                  - exact_path_dependent(model.booster_text, rows))
    assert np.abs(difference).max() > 1e-3


def test_a_small_forest_over_all_coalitions_at_once(model: RiskModel, rows: np.ndarray, background: np.ndarray) -> None:
    """The definition with the whole model as one game over four features, the others held at the patient's values."""
    text, booster = model.booster_text, booster_of(model.booster_text)
    names = ("crp_mg_l", "sum_of_diameters_mm", "age_years", "is_female")
    free = [model.contract.feature_names.index(name) for name in names]
    others = np.repeat(rows[:1], len(background), axis=0)
    others[:, free] = background[:, free]
    exact = exact_interventional(text, rows[:1], background=others)[0]

    def said(known: tuple[int, ...]) -> float:
        mixed = others.copy()
        mixed[:, list(known)] = rows[0, list(known)]
        return float(raw_log_odds_of(booster, mixed).mean())

    for feature in free:
        gains = [said((*before, feature)) - said(before) for order in permutations(free)
                 for before in [order[:order.index(feature)]]]
        assert exact[feature] == pytest.approx(float(np.mean(gains)), abs=1e-9)


def test_categories_go_the_way_that_lightgbm_sends_them() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.integers(0, 40, 3000).astype(float), rng.normal(size=3000)])
    x[rng.random(3000) < 0.1, 0] = np.nan
    y = rng.random(3000) < np.where(x[:, 0] % 3 == 0, 0.7, 0.3)
    settings = {"objective": "binary", "num_leaves": 8, "verbosity": -1, "min_data_per_group": 10, "num_threads": 1}
    trained = lgb.train(settings, lgb.Dataset(x, y, categorical_feature=[0]), 10)
    text = bare_text(trained.model_to_string())
    rows = x[:30]
    assert np.abs(exact_path_dependent(text, rows) - contributions_of(booster_of(text), rows)).max() < BAR
