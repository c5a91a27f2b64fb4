"""Shapley values by orders both ways: against the definition, against the trees' exact values, and
the error they state.
"""

from __future__ import annotations

from itertools import permutations

import lightgbm as lgb
import numpy as np
import pytest

from crsrisk.data.risk_model import RiskModel
from crsrisk.model.booster import bare_text, booster_of, contributions_of, raw_log_odds_of
from crsrisk.model.coalitions import exact_interventional, exact_path_dependent, shapley_by_orders
from crsrisk.model.forest import forest_of
from crsrisk.model.predict import feature_matrix
from crsrisk.model.tree_shap import interventional_shapley, path_shapley

RNG = np.random.default_rng(6)
ROWS, BACKGROUND = RNG.normal(size=(5, 4)), RNG.normal(size=(6, 4))


def by_definition(said: object, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    total = np.zeros(row.size)
    orders = list(permutations(range(row.size)))
    for order in orders:
        mixed = background.copy()
        before = said(mixed).mean()
        for player in order:
            mixed[:, player] = row[player]
            total[player] += said(mixed).mean() - before
            before = said(mixed).mean()
    return total / len(orders)


def pairwise(z: np.ndarray) -> np.ndarray:
    return z[:, 0] + z[:, 1] * z[:, 2] - z[:, 3] ** 2 * z[:, 0]


def triple(z: np.ndarray) -> np.ndarray:
    return z[:, 0] * z[:, 1] * z[:, 2] + z[:, 3]


def test_two_at_a_time_is_exact() -> None:
    found = shapley_by_orders(pairwise, ROWS, background=BACKGROUND, n_orders=2, seed=1)
    for row, values, error in zip(ROWS, found.values, found.error, strict=True):
        assert values == pytest.approx(by_definition(pairwise, row, BACKGROUND), abs=1e-12)
        assert np.abs(error).max() < 1e-12


def test_three_at_a_time_is_right_within_its_error() -> None:
    """40 values; with 400 orders the largest of their z-scores stays below 4.5 in all but 1 of
    4,000 runs.
    """
    found = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=400, seed=1)
    exact = np.array([by_definition(triple, row, BACKGROUND) for row in ROWS])
    assert found.error.max() > 1e-3, "orders must matter here"
    assert (np.abs(found.values - exact) <= 4.5 * found.error + 1e-12).all()


def test_values_add_up_for_any_function() -> None:
    found = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=2, seed=3)
    assert found.values.sum(axis=1) == pytest.approx(
        triple(ROWS) - triple(BACKGROUND).mean(), abs=1e-12
    )


def test_agrees_with_the_exact_values_of_a_model_of_trees(
    model: RiskModel, fresh_toy: object
) -> None:
    """The same game asked in two ways: features as players, the model's own log-odds as the
    function.
    """
    rows, others = (
        feature_matrix(model, fresh_toy.observed.head(6)),
        feature_matrix(model, fresh_toy.observed.iloc[50:58]),
    )
    booster = booster_of(model.booster_text)
    found = shapley_by_orders(
        lambda z: raw_log_odds_of(booster, z), rows, background=others, n_orders=64, seed=1
    )
    exact = exact_interventional(model.booster_text, rows, background=others)[:, :-1]
    assert (np.abs(found.values - exact) <= 5 * found.error + 1e-9).all()
    assert found.error.max() < 0.02


def test_same_seed_same_orders_whatever_the_size_of_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=3, seed=5).values
    monkeypatch.setattr("crsrisk.model.coalitions._ROWS", 30)
    again = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=3, seed=5).values
    assert again == pytest.approx(whole, abs=1e-12)


# Exact Shapley values by definition against every fast method, and against a game that only asks
# LightGBM what it says.


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


def test_path_dependent_values_agree_with_lightgbm_and_our_kernel(
    model: RiskModel, rows: np.ndarray
) -> None:
    exact = exact_path_dependent(model.booster_text, rows)
    assert np.abs(exact - contributions_of(booster_of(model.booster_text), rows)).max() < BAR
    assert np.abs(exact - path_shapley(forest_of(model.booster_text), rows)).max() < BAR


def test_interventional_values_agree_with_our_kernel(
    model: RiskModel, rows: np.ndarray, background: np.ndarray
) -> None:
    exact = exact_interventional(model.booster_text, rows, background=background)
    fast = interventional_shapley(forest_of(model.booster_text), rows, background=background)
    assert np.abs(exact - fast).max() < BAR


@pytest.mark.parametrize("game", ["interventional", "path-dependent"])
def test_values_add_up(
    game: str, model: RiskModel, rows: np.ndarray, background: np.ndarray
) -> None:
    exact = (
        exact_interventional(model.booster_text, rows, background=background)
        if game == "interventional"
        else exact_path_dependent(model.booster_text, rows)
    )
    assert exact.sum(axis=1) == pytest.approx(
        raw_log_odds_of(booster_of(model.booster_text), rows), abs=1e-9
    )


def test_the_two_games_are_not_the_same(
    model: RiskModel, rows: np.ndarray, background: np.ndarray
) -> None:
    """Were they equal, comparing across them would go unnoticed."""
    difference = exact_interventional(
        model.booster_text, rows, background=background
    ) - exact_path_dependent(model.booster_text, rows)
    assert np.abs(difference).max() > 1e-3


def test_a_small_forest_over_all_coalitions_at_once(
    model: RiskModel, rows: np.ndarray, background: np.ndarray
) -> None:
    """The definition with the whole model as one game over four features, the others held at the
    patient's values.
    """
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
        gains = [
            said((*before, feature)) - said(before)
            for order in permutations(free)
            for before in [order[: order.index(feature)]]
        ]
        assert exact[feature] == pytest.approx(float(np.mean(gains)), abs=1e-9)


def test_categories_go_the_way_that_lightgbm_sends_them() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.integers(0, 40, 3000).astype(float), rng.normal(size=3000)])
    x[rng.random(3000) < 0.1, 0] = np.nan
    y = rng.random(3000) < np.where(x[:, 0] % 3 == 0, 0.7, 0.3)
    settings = {
        "objective": "binary",
        "num_leaves": 8,
        "verbosity": -1,
        "min_data_per_group": 10,
        "num_threads": 1,
    }
    trained = lgb.train(settings, lgb.Dataset(x, y, categorical_feature=[0]), 10)
    text = bare_text(trained.model_to_string())
    rows = x[:30]
    assert (
        np.abs(exact_path_dependent(text, rows) - contributions_of(booster_of(text), rows)).max()
        < BAR
    )
