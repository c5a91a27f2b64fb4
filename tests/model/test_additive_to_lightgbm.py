"""The additive model as trees: the same log-odds up to the width of a step, directions, counts,
unseen groups.
"""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from scipy.special import expit

from crsrisk.model.additive import Additive, fit_additive
from crsrisk.model.additive_to_lightgbm import additive_to_lightgbm
from crsrisk.model.booster import contributions_of
from crsrisk.model.booster_text import BoosterText, read_text

NAMES = ["coarse", "fine_a", "fine_b", "fine_c", "x", "y", "flag"]
DIRECTIONS = [0, 0, 0, 0, 1, -1, 0]


def cohort(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two of three fine groups form a coarse one; slopes of x differ; y is missing in a third and
    tied to x.
    """
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    x = rng.normal(size=n)
    y = -0.6 * x + 0.8 * rng.normal(size=n)
    flag = rng.random(n) < 0.4
    log_odds = (
        np.array([-1.5, 0.0, 1.0])[group]
        + np.array([0.2, 0.6, 1.2])[group] * x
        - 0.7 * y
        + 0.5 * flag
    )
    y[rng.random(n) < 0.33] = np.nan
    words = (group[:, None] == np.arange(3)).astype(float)
    return np.column_stack([group < 2, words, x, y, flag]), (
        rng.random(n) < expit(log_odds)
    ).astype(float)


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return cohort(6000, seed=1)[0]


@pytest.fixture(scope="module")
def additive(table: np.ndarray) -> Additive:
    return fit_additive(
        table, cohort(6000, seed=1)[1], directions=DIRECTIONS, groups=[0, 1, 2, 3], penalty=20.0
    )


@pytest.fixture(scope="module")
def text(additive: Additive, table: np.ndarray) -> str:
    return additive_to_lightgbm(additive, table, directions=DIRECTIONS, names=NAMES)


@pytest.fixture(scope="module")
def read(text: str) -> BoosterText:
    return read_text(text, feature_names=NAMES)


def log_odds(text: str, table: np.ndarray) -> np.ndarray:
    return np.asarray(lgb.Booster(model_str=text).predict(table, raw_score=True))


def test_the_trees_say_what_the_model_says(
    additive: Additive, table: np.ndarray, text: str
) -> None:
    fresh = cohort(4000, seed=2)[0]
    for rows in (table, fresh):
        error = log_odds(text, rows) - additive.log_odds(rows)
        # Steps of 0.15 SD err by 0.15 / sqrt(12) SD, times slopes of about 1 and 0.7, and more in
        # the outermost ones.
        assert np.sqrt(np.mean(error**2)) < 0.1
        assert abs(error.mean()) < 0.01


def test_directions_hold_whatever_else_a_patient_has(text: str, table: np.ndarray) -> None:
    grid = np.linspace(-4, 4, 200)
    for column, sign in ((4, 1), (5, -1)):
        for row in table[:60]:
            line = np.tile(row, (200, 1))
            line[:, column] = grid
            assert (sign * np.diff(log_odds(text, line)) >= -1e-12).all()


def test_a_direction_that_the_model_breaks_is_kept_by_the_trees(
    additive: Additive, table: np.ndarray
) -> None:
    """The second group of x falls in the model; its steps then are flat."""
    slopes = additive.random_slope.copy()
    slopes[2, 4] = -5.0
    broken = Additive(**{**additive.__dict__, "random_slope": slopes})
    line = np.tile([1.0, 0, 1, 0, 0, 0, 0], (50, 1))
    line[:, 4] = np.linspace(-3, 3, 50)
    assert np.diff(broken.log_odds(line)).min() < -0.1
    trees = additive_to_lightgbm(broken, table, directions=[0, 0, 0, 0, 1, 0, 0], names=NAMES)
    assert np.ptp(log_odds(trees, line)) < 1e-9


def test_counts_are_those_of_the_training_patients(read: BoosterText, table: np.ndarray) -> None:
    root = [int(tree.internal_count[0]) for tree in read.trees]
    assert all(len(table) <= count <= 1.02 * len(table) for count in root), (
        "a leaf that nobody reaches counts one"
    )
    assert all((tree.leaf_count >= 1).all() for tree in read.trees)


def test_shapley_values_add_up(text: str, table: np.ndarray) -> None:
    shares = contributions_of(lgb.Booster(model_str=text), table[:300])
    assert np.isfinite(shares).all()
    np.testing.assert_allclose(shares.sum(axis=1), log_odds(text, table[:300]), atol=1e-9)
    assert shares[0, -1] == pytest.approx(log_odds(text, table).mean(), abs=0.02)


def test_an_unseen_group_gets_what_its_known_groups_give(additive: Additive, text: str) -> None:
    for known in ([], [0]):
        row = np.zeros((1, len(NAMES)))
        row[0, known] = 1.0
        assert log_odds(text, row)[0] == pytest.approx(additive.log_odds(row)[0], abs=0.15)


def test_bounds_are_no_patient_s_own_value(read: BoosterText) -> None:
    bounds = np.concatenate([tree.threshold for tree in read.trees])
    assert all(float(f"{bound:.4g}") == bound for bound in bounds[np.isfinite(bounds)])


def test_without_groups_and_effects_one_leaf_is_left() -> None:
    additive = fit_additive(
        np.zeros((10, 1)), np.arange(10) % 2.0, directions=[0], groups=[], penalty=1.0
    )
    only = read_text(additive_to_lightgbm(additive, np.zeros((10, 1)), directions=[0], names=["x"]))
    assert [tree.leaf_value.size for tree in only.trees] == [1]
