"""Shapley values by orders both ways: against the definition, against the trees' exact values, and the error they state."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from crsrisk.domain.risk_model import RiskModel
from crsrisk.learn.booster import booster_of, raw_log_odds_of
from crsrisk.learn.coalitions import shapley_by_orders
from crsrisk.learn.exact_shapley import exact_interventional
from crsrisk.learn.predict import feature_matrix

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
    """40 values; with 400 orders the largest of their z-scores stays below 4.5 in all but 1 of 4,000 runs."""
    found = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=400, seed=1)
    exact = np.array([by_definition(triple, row, BACKGROUND) for row in ROWS])
    assert found.error.max() > 1e-3, "orders must matter here"
    assert (np.abs(found.values - exact) <= 4.5 * found.error + 1e-12).all()


def test_values_add_up_for_any_function() -> None:
    found = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=2, seed=3)
    assert found.values.sum(axis=1) == pytest.approx(triple(ROWS) - triple(BACKGROUND).mean(), abs=1e-12)


def test_agrees_with_the_exact_values_of_a_model_of_trees(model: RiskModel, fresh_toy: object) -> None:
    """The same game asked in two ways: features as players, the model's own log-odds as the function."""
    rows, others = feature_matrix(model, fresh_toy.observed.head(6)), feature_matrix(model, fresh_toy.observed.iloc[50:58])
    booster = booster_of(model.booster_text)
    found = shapley_by_orders(lambda z: raw_log_odds_of(booster, z), rows, background=others, n_orders=64, seed=1)
    exact = exact_interventional(model.booster_text, rows, background=others)[:, :-1]
    assert (np.abs(found.values - exact) <= 5 * found.error + 1e-9).all()
    assert found.error.max() < 0.02


def test_same_seed_same_orders_whatever_the_size_of_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=3, seed=5).values
    monkeypatch.setattr("crsrisk.learn.coalitions._ROWS", 30)
    again = shapley_by_orders(triple, ROWS, background=BACKGROUND, n_orders=3, seed=5).values
    assert again == pytest.approx(whole, abs=1e-12)
