"""Interventional Shapley values: by orders both ways, against the definition and with the error
that they state; of trees by shap, against the definition.
"""

from __future__ import annotations

from itertools import combinations, permutations
from math import factorial
from typing import Any

import numpy as np
import pytest
import shap

from crsrisk.evaluation.explanation_truth import background_contributions, shapley_by_orders
from crsrisk.model.explain import feature_contributions
from crsrisk.model.forest import Forest, forest_of, raw_log_odds_by
from crsrisk.model.predict import feature_matrix, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from tests.model.boosters import made, made_by_us

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


def test_agrees_with_the_exact_values_of_a_model_of_trees(model: RiskModel, fresh_toy: Any) -> None:
    """The same game asked in two ways: features as players, the model's own log-odds as the
    function.
    """
    table, others = fresh_toy.observed.head(6), fresh_toy.observed.iloc[50:58]
    forest, slope = forest_of(model.booster_text), model.calibrator.slope
    found = shapley_by_orders(
        lambda z: raw_log_odds_by(forest, z),
        feature_matrix(model, table),
        background=feature_matrix(model, others),
        n_orders=64,
        seed=1,
    )
    _, exact = background_contributions(model, table, background=others)
    assert (np.abs(slope * found.values - exact) <= 5 * slope * found.error + SHAPS_OWN).all()
    assert found.error.max() < 0.02


def test_same_seed_same_orders_whatever_the_size_of_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=3, seed=5).values
    monkeypatch.setattr("crsrisk.evaluation.explanation_truth._ROWS", 30)
    again = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=3, seed=5).values
    assert again == pytest.approx(whole, abs=1e-12)


# Interventional values of a model of trees, by shap.


SHAPS_OWN = 1e-6  # log-odds; shap adds up in 32-bit numbers


def by_coalitions(forest: Forest, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Shapley values by all coalitions: known features from the row, the others from each
    background patient.
    """
    n = len(row)

    def value_of(known: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, list(known)] = row[list(known)]
        return float(raw_log_odds_by(forest, mixed).mean())

    values = {
        known: value_of(known) for size in range(n + 1) for known in combinations(range(n), size)
    }
    shares = np.zeros(n)
    for feature in range(n):
        for known, value in values.items():
            if feature not in known:
                weight = factorial(len(known)) * factorial(n - len(known) - 1) / factorial(n)
                shares[feature] += weight * (values[tuple(sorted((*known, feature)))] - value)
    return shares


@pytest.mark.parametrize("case", [made_by_us, lambda: made("missing values"), lambda: made("deep")])
def test_shap_equals_the_definition_for_trees_as_ours_are(case: Any) -> None:
    """With missing values in patient and background; where LightGBM reads missing as 0, or splits
    on sets of categories, shap is not right, and our models have neither.
    """
    one = case()
    rows, background = one.table[::60], one.table[100:117]
    assert np.isnan(rows).any()
    explainer = shap.TreeExplainer(
        one.booster, data=background, feature_perturbation="interventional", model_output="raw"
    )
    theirs = explainer.shap_values(rows, check_additivity=False)
    for share, row in zip(theirs, rows, strict=True):
        np.testing.assert_allclose(
            share, by_coalitions(forest_of(one.text), row, background), atol=SHAPS_OWN
        )


def test_all_of_a_large_background_counts(model: RiskModel, fresh_toy: Any) -> None:
    """shap by itself draws 100 of its rows; values add up from the mean of all to each risk."""
    table, background = fresh_toy.observed.head(12), fresh_toy.observed.iloc[20:270]
    base, values = background_contributions(model, table, background=background)
    log_odds = model.calibrator.log_odds
    assert base == pytest.approx(log_odds(raw_log_odds(model, background)).mean(), abs=SHAPS_OWN)
    assert base + values.sum(axis=1) == pytest.approx(
        log_odds(raw_log_odds(model, table)), abs=20 * SHAPS_OWN
    )


def test_the_two_games_are_not_the_same(model: RiskModel, fresh_toy: Any) -> None:
    """Were they equal, comparing across them would go unnoticed."""
    table = fresh_toy.observed.head(12)
    _, ours = background_contributions(model, table, background=fresh_toy.observed.iloc[20:60])
    assert np.abs(ours - feature_contributions(model, table)[1]).max() > 1e-3
