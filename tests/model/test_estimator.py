"""The learner as scikit-learn sees it, and what it promises beyond that."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from crsrisk.data.disclosure import FEWEST
from crsrisk.model.additive import fit_additive
from crsrisk.model.additive_to_lightgbm import additive_to_lightgbm
from crsrisk.model.booster_text import bare_text, check_text
from crsrisk.model.estimator import CRSClassifier, cut_folds, fold_units

QUICK = {"max_trees": 60, "learning_rate": 0.1, "n_folds": 3}


NOT_EQUIVALENT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "folds are cut by row: of a patient who stands there twice the copies part, unless `groups`"
        " names them; what holds is in test_a_weight_of_two_is_that_patient_twice"
    )
}


@parametrize_with_checks([CRSClassifier(**QUICK)], expected_failed_checks=lambda _: NOT_EQUIVALENT)
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def world(n: int, *, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Two groups far apart, a variable that raises the risk, one that lowers it, one without
    effect.
    """
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "group": rng.integers(0, 2, n).astype(float),
            "up": rng.normal(size=n),
            "down": rng.normal(size=n),
            "noise": rng.normal(size=n),
        }
    )
    risk = expit(-2 + 3 * X["group"] + 0.8 * X["up"] - 0.8 * X["down"]).to_numpy()
    return X, (rng.random(n) < risk).astype(int), risk


@pytest.fixture(scope="module")
def fitted() -> CRSClassifier:
    X, y, _ = world(3000, seed=1)
    settings_ = {**QUICK, "max_trees": 300}
    return CRSClassifier(
        **settings_, monotonic_cst={"up": 1, "down": -1}, free_columns=["group"]
    ).fit(X, y)


def test_it_learns_what_can_be_known(fitted: CRSClassifier) -> None:
    X, y, risk = world(20_000, seed=2)
    predicted = fitted.predict_proba(X)[:, 1]
    # 20,000 patients: the standard error of an AUC is about 0.003, far below what is asked
    assert roc_auc_score(y, predicted) > roc_auc_score(y, risk) - 0.015
    assert np.abs(predicted - risk).mean() < 0.05


def test_it_is_calibrated(fitted: CRSClassifier) -> None:
    X, _, risk = world(20_000, seed=3)
    predicted = fitted.predict_proba(X)[:, 1]
    assert abs(predicted.mean() - risk.mean()) < 0.02
    high = predicted > 0.6
    assert abs(predicted[high].mean() - risk[high].mean()) < 0.04


@given(
    values=st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    other=st.floats(-4, 4),
    group=st.sampled_from([0.0, 1.0, float("nan")]),
)
@settings(max_examples=40)
def test_directions_hold_everywhere(
    fitted: CRSClassifier, values: list[float], other: float, group: float
) -> None:
    grid = np.sort(values)
    rising = pd.DataFrame({"group": group, "up": grid, "down": other, "noise": values[0]})
    falling = pd.DataFrame({"group": group, "up": other, "down": grid, "noise": values[0]})
    assert (np.diff(fitted.predict_proba(rising)[:, 1]) >= -1e-12).all()
    assert (np.diff(fitted.predict_proba(falling)[:, 1]) <= 1e-12).all()


def test_without_constraint_a_direction_can_break() -> None:
    """The property above can fail: noise in a small sample bends an unconstrained model."""
    X, y, _ = world(300, seed=4)
    free = CRSClassifier(**QUICK, min_data_in_leaf=10, l2=0.1).fit(X, y)
    grid = pd.DataFrame({"group": 1.0, "up": 0.0, "down": 0.0, "noise": np.linspace(-3, 3, 200)})
    steps = np.diff(free.predict_proba(grid)[:, 1])
    assert (steps < -1e-6).any()
    assert (steps > 1e-6).any()


def test_same_seed_same_bits_other_seed_other_model() -> None:
    X, y, _ = world(400, seed=5)
    first, again, other = (
        CRSClassifier(**QUICK, random_state=seed).fit(X, y) for seed in (1, 1, 2)
    )
    assert first.booster_.model_to_string() == again.booster_.model_to_string()
    assert first.calibrator_ == again.calibrator_
    assert first.booster_.model_to_string() != other.booster_.model_to_string()


def test_nothing_to_learn_gives_everybody_nearly_the_overall_risk() -> None:
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(2000, 5)), rng.random(2000) < 0.3
    risk = CRSClassifier(**QUICK).fit(X, y).predict_proba(rng.normal(size=(2000, 5)))[:, 1]
    assert abs(risk.mean() - 0.3) < 0.04
    assert risk.std() < 0.03


def test_it_starts_from_the_additive_model() -> None:
    """The first trees are the groups' levels and one tree a column; they say what the additive
    model says.
    """
    X, y, _ = world(3000, seed=7)
    model = CRSClassifier(max_trees=1, n_folds=1, free_columns=["group"], additive_penalty=5.0).fit(
        X, y
    )
    trees = model.booster_.dump_model()["tree_info"]
    columns = [_columns_of(tree["tree_structure"]) for tree in trees[:3]]
    assert [found - {0} for found in columns] == [set(), {1}, {2}]
    additive = fit_additive(
        X.to_numpy(), y.astype(float), directions=[0] * 4, groups=[0], penalty=5.0
    )
    text = additive_to_lightgbm(additive, X.to_numpy(), directions=[0] * 4, names=list(X.columns))
    n_start = check_text(text)
    assert model.booster_.num_trees() == n_start + model.n_trees_
    start = model.booster_.predict(X, raw_score=True, num_iteration=n_start)
    np.testing.assert_allclose(
        start, lgb.Booster(model_str=text).predict(X, raw_score=True), atol=1e-12
    )


def _columns_of(node: dict[str, Any]) -> set[int]:
    if "split_feature" not in node:
        return set()
    return (
        {node["split_feature"]} | _columns_of(node["left_child"]) | _columns_of(node["right_child"])
    )


def test_the_trees_learn_what_is_not_additive() -> None:
    """The first column matters only where the second is positive: no additive model can know it."""
    rng = np.random.default_rng(8)
    X, fresh = rng.normal(size=(4000, 2)), rng.normal(size=(4000, 2))
    truth = expit(2.5 * fresh[:, 0] * (fresh[:, 1] > 0))
    y = rng.random(4000) < expit(2.5 * X[:, 0] * (X[:, 1] > 0))
    error = {}
    for n in (1, 400):
        model = CRSClassifier(kind="additive", max_trees=n, feature_fraction=1.0).fit(X, y)
        error[n] = np.abs(model.predict_proba(fresh)[:, 1] - truth).mean()
    assert error[400] < 0.5 * error[1]


def test_without_interactions_a_value_has_one_effect_within_its_group() -> None:
    """Whatever the other quantity is; groups may differ, and missing values too (expected from the
    other).
    """
    rng = np.random.default_rng(16)
    X = np.column_stack([rng.integers(0, 2, 4000).astype(float), rng.normal(size=(4000, 2))])
    y = rng.random(4000) < expit(2.5 * X[:, 1] * (X[:, 2] > 0) * (X[:, 0] - 0.3))
    grid = np.array(
        [
            [group, one, other]
            for group in (0, 1)
            for one in (-1.5, 0.2, 1.5)
            for other in (-1.0, 1.0)
        ]
    )
    spread = {}
    for has in (True, False):
        model = CRSClassifier(
            kind="additive",
            has_interactions=has,
            free_columns=[0],
            feature_fraction=1.0,
            max_trees=200,
        ).fit(X, y)
        own = model.decision_function(grid).reshape(2, 3, 2)
        steps = own - own[:, :1]  # effect of the first quantity, by group and by the other quantity
        spread[has] = np.ptp(steps, axis=2).max()
        assert np.ptp(steps, axis=0).max() > 0.3, "groups keep effects of their own"
    assert spread[True] > 1.0
    assert spread[False] < 1e-9


def test_columns_may_be_given_by_position() -> None:
    X, y, _ = world(400, seed=8)
    by_name = CRSClassifier(**QUICK, monotonic_cst={"up": 1}, free_columns=["group"]).fit(X, y)
    by_place = CRSClassifier(**QUICK, monotonic_cst=[0, 1, 0, 0], free_columns=[0]).fit(
        X.to_numpy(), y
    )
    np.testing.assert_array_equal(by_name.predict_proba(X), by_place.predict_proba(X.to_numpy()))


def test_a_value_missing_only_at_prediction_takes_the_training_median() -> None:
    X, y, _ = world(500, seed=9)
    model = CRSClassifier(**QUICK).fit(X, y)
    gap = X.head(5).assign(up=np.nan)
    filled = X.head(5).assign(up=float(f"{np.median(X['up']):.4g}"))
    np.testing.assert_array_equal(model.predict_proba(gap), model.predict_proba(filled))


def test_missing_in_training_is_learnt() -> None:
    X, y, _ = world(4000, seed=10)
    is_missing = (y == 1) & (np.random.default_rng(0).random(4000) < 0.8)
    X = X.assign(up=np.where(is_missing, np.nan, X["up"]))
    model = CRSClassifier(**QUICK).fit(X, y)
    assert np.isnan(model.fill_values_[1])
    row = pd.DataFrame({"group": [0.0, 0.0], "up": [np.nan, 0.0], "down": 0.0, "noise": 0.0})
    risk = model.predict_proba(row)[:, 1]
    assert risk[0] > risk[1] + 0.3


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"monotonic_cst": [1]}, "monotonic_cst needs 4 values"),
        ({"monotonic_cst": [2, 0, 0, 0]}, "monotonic_cst needs 4 values"),
        ({"monotonic_cst": {"weight": 1}}, "names columns that X does not have"),
        ({"free_columns": ["weight"]}, "free_columns"),
        ({"free_columns": [4]}, "free_columns"),
    ],
)
def test_wrong_columns_are_refused(settings_: dict[str, Any], message: str) -> None:
    X, y, _ = world(100, seed=11)
    with pytest.raises(ValueError, match=message):
        CRSClassifier(**QUICK, **settings_).fit(X, y)


def test_too_few_patients_of_a_class_means_no_calibration() -> None:
    X, y, _ = world(50, seed=12)
    y[:] = 0
    y[0] = 1
    model = CRSClassifier(max_trees=5).fit(X, y)
    assert model.calibrator_.method.startswith("none")
    assert (model.n_trees_, np.isnan(model.cv_log_loss_)) == (5, True)


def bent(n: int, *, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """As :func:`world`, but the risk rises in one step, which no slope or curve can follow."""
    X, _, _ = world(n, seed=seed)
    risk = expit(-2 + 2 * X["group"] + 2.5 * (X["up"] > 0.8)).to_numpy()
    return X, (np.random.default_rng(seed).random(n) < risk).astype(int)


def test_the_number_of_trees_is_where_the_held_out_log_loss_is_lowest() -> None:
    X, y = bent(2000, seed=13)
    long = CRSClassifier(kind="additive", max_trees=400, learning_rate=0.3, n_folds=3).fit(X, y)
    assert 1 <= long.n_trees_ < 400
    short = clone(long).set_params(max_trees=long.n_trees_).fit(X, y)
    assert (short.n_trees_, short.cv_log_loss_) == (long.n_trees_, long.cv_log_loss_)
    assert short.booster_.num_trees() == long.booster_.num_trees()


def test_trees_that_gain_less_than_chance_would_are_not_kept() -> None:
    """Where effects add up, the start is right, and nothing that trees find is worth a standard
    error.
    """
    X, y, risk = world(3000, seed=17)
    model = CRSClassifier(**QUICK, free_columns=["group"]).fit(X, y)
    assert model.n_trees_ == 0
    assert check_text(bare_text(model.booster_.model_to_string())) == model.booster_.num_trees() > 0
    assert np.abs(model.predict_proba(X)[:, 1] - risk).mean() < 0.03
    none_asked = clone(model).set_params(max_trees=0).fit(X, y)
    np.testing.assert_array_equal(none_asked.predict_proba(X), model.predict_proba(X))


def test_stages_are_learnt_from_and_must_come_before_the_event() -> None:
    X, y, _ = world(1500, seed=18)
    reached = np.maximum(y, (np.random.default_rng(18).random(1500) < 0.5).astype(int))
    without, with_stage = (
        CRSClassifier(**QUICK).fit(X, y, stages=stages) for stages in (None, reached)
    )
    assert (without.predict_proba(X) != with_stage.predict_proba(X)).any()
    with pytest.raises(ValueError, match="stages"):
        CRSClassifier(**QUICK).fit(X, y, stages=1 - y)
    with pytest.raises(ValueError, match="stages"):
        CRSClassifier(**QUICK).fit(X, y, stages=2 * reached)


def test_odd_column_names_are_replaced() -> None:
    X, y, _ = world(300, seed=14)
    model = CRSClassifier(**QUICK).fit(X.rename(columns={"up": 'a "strange" {name}'}), y)
    assert model.booster_.feature_name() == ["Column_0", "Column_1", "Column_2", "Column_3"]
    assert check_text(bare_text(model.booster_.model_to_string())) == model.booster_.num_trees()


def test_it_is_light_gbm_inside(fitted: CRSClassifier) -> None:
    assert isinstance(fitted.booster_, lgb.Booster)


# Folds: nobody is judged by trees that saw his copy, and without groups everything is as it was.


@given(
    labels=st.lists(st.booleans(), min_size=40, max_size=80),
    drawn=st.integers(0, 2**31 - 1),
    n_folds=st.integers(2, 4),
)
@settings(max_examples=60)
def test_copies_stay_together_and_everybody_is_held_out_once(
    labels: list[bool], drawn: int, n_folds: int
) -> None:
    y_true = np.array([*labels, *[True, False] * 8])
    rows = np.random.default_rng(drawn).integers(0, len(y_true), len(y_true))
    # enough different patients of both kinds
    rows = np.concatenate([rows, np.arange(len(labels), len(y_true))])
    folds = list(cut_folds(y_true[rows], rows, n_folds=n_folds, seed=3))
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(len(rows)))
    for fitted, held in folds:
        assert not set(rows[fitted]) & set(rows[held])
        assert len(fitted) + len(held) == len(rows)
        assert set(y_true[rows][fitted]) == {True, False}


def test_a_group_for_every_row_is_no_groups_and_that_is_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    labels, names = rng.integers(0, 2, 200), rng.permutation(200)
    plain, named = (list(cut_folds(labels, groups, n_folds=5, seed=7)) for groups in (None, names))
    theirs = StratifiedKFold(5, shuffle=True, random_state=7).split(labels, labels)
    for ours, same, other in zip(plain, named, theirs, strict=True):
        assert all(
            np.array_equal(a, b) and np.array_equal(a, c)
            for a, b, c in zip(ours, same, other, strict=True)
        )


def test_folds_share_the_events_among_them() -> None:
    """A group with any event counts as one: 30 of 120 groups of two rows."""
    groups = np.repeat(np.arange(120), 2)
    labels = np.zeros(240)
    labels[:60:2] = 1
    assert fold_units(labels, groups)[0].sum() == 30
    assert [labels[held].sum() for _, held in cut_folds(labels, groups, n_folds=5, seed=0)] == [
        6
    ] * 5


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows, groups of shape"):
        fold_units([0, 1, 0], [1, 2])


def weighted(n: int, *, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Patients with gaps, and a weight of 0 to 3 for each."""
    X, y, _ = world(n, seed=seed)
    rng = np.random.default_rng(seed)
    X.loc[rng.random(n) < 0.2, "up"] = np.nan
    X["skewed"] = np.exp(X["noise"])
    return X, y, rng.integers(0, 4, n)


def few_values(X: pd.DataFrame) -> pd.DataFrame:
    """With ten patients or more at every value of a group: of fewer, patients and their copies are
    told apart, since nothing is learnt of single patients.
    """
    rounded = X.copy()
    for name in ("up", "down", "noise", "skewed"):
        rounded[name] = np.where(X[name].isna(), np.nan, np.where(X[name] > X[name].median(), 1, 0))
    return rounded


def test_a_weight_of_two_is_that_patient_twice() -> None:
    """Start, number of trees and calibration: the copies stay in one fold. (Trees after the start
    draw rows for bagging, so they are left out here.)
    """
    X, y, weight = weighted(500, seed=11)
    X = few_values(X)
    model = CRSClassifier(
        kind="additive", max_trees=0, n_folds=3, free_columns=["group"], monotonic_cst={"up": 1}
    )
    copies = np.repeat(np.arange(len(X)), weight)
    by_weight = clone(model).fit(X, y, sample_weight=weight)
    by_copies = clone(model).fit(X.iloc[copies], y[copies], groups=copies)
    np.testing.assert_allclose(
        by_weight.decision_function(X), by_copies.decision_function(X), atol=1e-6
    )
    assert by_weight.calibrator_.slope == pytest.approx(by_copies.calibrator_.slope, abs=1e-6)
    assert by_weight.cv_log_loss_ == pytest.approx(by_copies.cv_log_loss_, abs=1e-8)


def test_stages_take_weights_too() -> None:
    X, y, weight = weighted(600, seed=12)
    X = few_values(X)
    stages = np.maximum(y, np.random.default_rng(1).random(len(y)) < 0.4)
    model = CRSClassifier(kind="additive", max_trees=0, n_folds=3, free_columns=["group"])
    copies = np.repeat(np.arange(len(X)), weight)
    by_weight = clone(model).fit(X, y, sample_weight=weight, stages=stages)
    by_copies = clone(model).fit(X.iloc[copies], y[copies], groups=copies, stages=stages[copies])
    np.testing.assert_allclose(
        by_weight.decision_function(X), by_copies.decision_function(X), atol=1e-6
    )


def test_weight_zero_leaves_a_patient_out_and_ones_change_nothing() -> None:
    X, y, weight = weighted(400, seed=13)
    kept = weight > 0
    model = CRSClassifier(**QUICK)
    zero = clone(model).fit(X, y, sample_weight=kept.astype(float))
    without = clone(model).fit(X[kept], y[kept], sample_weight=np.ones(kept.sum()))
    assert zero.booster_.model_to_string() == without.booster_.model_to_string()
    plain, ones = clone(model).fit(X, y), clone(model).fit(X, y, sample_weight=np.ones(len(y)))
    np.testing.assert_allclose(plain.predict_proba(X), ones.predict_proba(X), atol=1e-9)
    with pytest.raises(ValueError, match="one class only"):
        clone(model).fit(X, y, sample_weight=y.astype(float))


def test_weights_move_the_trees_as_copies_would() -> None:
    """Where trees are kept, weights and copies agree in how well they predict, not to the digit."""
    X, y, _ = world(1500, seed=14)
    weight = np.where(X["up"] > 0, 3, 1)
    settings_ = {**QUICK, "free_columns": ["group"]}
    copies = np.repeat(np.arange(len(X)), weight)
    by_weight = CRSClassifier(**settings_).fit(X, y, sample_weight=weight)
    by_copies = CRSClassifier(**settings_).fit(X.iloc[copies], y[copies], groups=copies)
    apart = by_weight.predict_proba(X)[:, 1] - by_copies.predict_proba(X)[:, 1]
    assert np.abs(apart).mean() < 0.02


def test_logarithms_of_risks_are_exact_at_the_ends(fitted: CRSClassifier) -> None:
    X, _, _ = world(50, seed=15)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), fitted.predict_proba(X))


@pytest.mark.parametrize("copies", [1, 3])
def test_leaves_hold_ten_patients_whatever_their_weights_and_copies(copies: int) -> None:
    """Risks from near 0 to near 1 and weights of 1 to 5: LightGBM alone leaves as few as two."""
    rng = np.random.default_rng(8)
    X = rng.normal(size=(600, 3))
    y = (rng.random(600) < expit(-3 + 3 * X[:, 0])).astype(int)
    rows = np.repeat(np.arange(600), copies)
    made = CRSClassifier(
        kind="boosting", boosting_min_data_in_leaf=FEWEST, boosting_max_trees=40, n_folds=1
    ).fit(X[rows], y[rows], rng.integers(1, 6, rows.size), groups=rows)
    leaves = np.asarray(made.booster_.predict(X, pred_leaf=True)).T
    counts = [np.unique(tree, return_counts=True)[1] for tree in leaves]
    assert max(len(count) for count in counts) > 4
    assert min(count.min() for count in counts) >= FEWEST
