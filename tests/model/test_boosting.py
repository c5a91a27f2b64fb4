"""Boosting from a start: directions hold for the whole model, what a start overstates can be taken
back, and the model says what it is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from bench import worlds
from crsrisk.data.risk_model import KIND_OF, LearnerKind, ModelClass, Start
from crsrisk.errors import InputError
from crsrisk.model.booster import booster_of, contributions_of
from crsrisk.model.booster_text import bare_text, check_text
from crsrisk.model.boosting import SHARE, STARTS
from crsrisk.model.classifier import CRSRiskClassifier
from crsrisk.model.estimator import CRSClassifier
from crsrisk.model.explain import feature_contributions
from crsrisk.model.features import ModelConfig, Tuning
from crsrisk.model.fit import fit
from crsrisk.model.predict import feature_matrix
from crsrisk.model.refitting import make_refits
from crsrisk.model.risk_model import RiskModel, class_in_words, class_params
from crsrisk.model.store import load_model, save_model

Toy = Any
KINDS: tuple[LearnerKind, ...] = ("additive", "shrunken", "boosting")


@pytest.mark.parametrize("world", worlds.WORLDS)
@pytest.mark.parametrize("seed", range(2))
def test_it_learns_what_plain_boosting_learns(world: str, seed: int) -> None:
    found = worlds.compare(world, seed=seed)
    assert found.of_better >= worlds.BAR


@pytest.mark.slow
@pytest.mark.parametrize("world", worlds.WORLDS)
@pytest.mark.parametrize("seed", range(2, 10))
def test_it_learns_what_plain_boosting_learns_in_every_cohort(world: str, seed: int) -> None:
    found = worlds.compare(world, seed=seed)
    assert found.of_better >= worlds.BAR


def test_the_bench_says_when_the_bar_is_missed() -> None:
    row = {"world": "w", "learner": 0.9, "with_directions": 0.9, "without": 0.8}
    for share, word in ((0.97, "met"), (0.96, "MISSED")):
        told = worlds.table({"bar": 0.97, "learnt": [{**row, "of_better": share}]})
        assert word in told


def curved(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two columns that act together, a group, and gaps."""
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.normal(size=(n, 3)), rng.random(n) < 0.4])
    log_odds = -1 + 1.5 * table[:, 3] * np.maximum(table[:, 0], 0) - table[:, 1]
    table[rng.random(n) < 0.1, 0] = np.nan
    y = rng.random(n) < expit(np.nan_to_num(log_odds))
    return table, y.astype(int)


@pytest.fixture(scope="module")
def fitted() -> dict[str, CRSClassifier]:
    """One model of each start, whatever cross-validation would say."""
    table, y = curved(3000, seed=1)
    return {
        kind: CRSClassifier(
            kind=kind, monotonic_cst=[1, -1, 0, 0], free_columns=[3], n_folds=3
        ).fit(table, y)
        for kind in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
@given(
    values=st.lists(st.floats(-5, 5), min_size=2, max_size=5),
    others=st.tuples(*[st.floats(-5, 5) | st.just(float("nan"))] * 2),
    group=st.sampled_from([0.0, 1.0]),
)
@settings(max_examples=60)
def test_directions_hold_for_the_whole_model(
    fitted: dict[str, CRSClassifier],
    kind: str,
    values: list[float],
    others: tuple[float, float],
    group: float,
) -> None:
    grid = np.sort(values)
    for column, sign in ((0, 1), (1, -1)):
        rows = np.tile([others[0], others[0], others[1], group], (len(grid), 1))
        rows[:, column] = grid
        log_odds = fitted[kind].decision_function(rows)
        assert (sign * np.diff(log_odds) >= -1e-12).all()


def test_trees_are_kept_after_every_start(fitted: dict[str, CRSClassifier]) -> None:
    """Else the property above would say nothing of them."""
    for kind, model in fitted.items():
        made = model.model_class_
        assert KIND_OF[made.start] == kind
        assert not made.is_chosen
        assert made.n_kept == model.n_trees_ > 0
        text = bare_text(model.booster_.model_to_string())
        n_start = check_text(text) - made.n_trees
        assert made.n_kept >= made.n_trees > 0
        assert n_start == 1 if kind == "boosting" else n_start > 1


def test_the_mean_is_the_event_rate_and_half_a_start_is_half_its_effects() -> None:
    table, y = curved(2000, seed=2)
    score = {}
    for kind in KINDS:
        model = CRSClassifier(kind=kind, max_trees=0, boosting_max_trees=0, free_columns=[3])
        fitted = model.fit(table, y)
        full = np.where(np.isnan(table), fitted.fill_values_, table)
        score[kind] = np.asarray(fitted.booster_.predict(full, raw_score=True))
    np.testing.assert_allclose(expit(score["boosting"]), y.mean(), atol=1e-12)
    assert expit(score["shrunken"]).mean() == pytest.approx(y.mean(), abs=1e-9)
    spread = {kind: score[kind] - score[kind].mean() for kind in KINDS}
    np.testing.assert_allclose(spread["shrunken"], 0.5 * spread["additive"], atol=1e-9)


def test_the_record_is_what_cross_validation_found() -> None:
    table, y = curved(4000, seed=3)
    model = CRSClassifier(monotonic_cst=[1, -1, 0, 0], n_folds=3).fit(table, y)
    made = model.model_class_
    assert made.is_chosen
    assert [tried.start for tried in made.tried] == list(STARTS["chosen"])
    assert made.start != "additive"
    loss = {tried.start: tried.log_loss for tried in made.tried}
    assert model.cv_log_loss_ == loss[made.start]
    assert made.gain_over_additive == pytest.approx(loss["additive"] - loss[made.start], abs=1e-9)
    assert made.gain_over_additive is not None
    assert made.gain_over_additive_se is not None
    assert made.gain_over_additive > made.gain_over_additive_se > 0
    assert made.n_kept <= made.n_tried <= made.max_trees == model.boosting_max_trees
    assert made.gain is not None
    assert made.gain_se is not None
    assert made.gain > made.gain_se > 0
    assert f"of {made.n_tried} tried; they gain" in made.summary()
    assert "The cap" not in made.summary()


def test_where_effects_add_up_the_start_stays_additive() -> None:
    rng = np.random.default_rng(4)
    table = rng.normal(size=(3000, 3))
    y = rng.random(3000) < expit(table[:, 0] - table[:, 1])
    made = CRSClassifier(n_folds=3).fit(table, y).model_class_
    assert (made.start, made.is_chosen, made.n_kept) == ("additive", True, 0)
    assert made.gain_over_additive is None
    # half of the start did worse, so none of it was not tried
    assert [tried.start for tried in made.tried] == ["additive", "shrunken additive"]
    assert made.name == "additive logistic model written as trees"
    assert "would gain" in made.summary()


def test_a_cap_that_was_reached_is_said() -> None:
    table, y = curved(3000, seed=5)
    made = CRSClassifier(kind="boosting", boosting_max_trees=10, n_folds=3).fit(table, y)
    assert made.model_class_.is_cap_reached
    assert "The cap of 10 trees was reached" in made.model_class_.summary()


def test_without_folds_nothing_is_claimed() -> None:
    table, y = curved(300, seed=6)
    made = CRSClassifier(kind="boosting", boosting_max_trees=7, n_folds=1).fit(table, y)
    assert made.model_class_ == ModelClass(
        start="mean", is_chosen=False, n_trees=7, n_kept=7, n_tried=7, max_trees=7
    )
    assert "gain" not in made.model_class_.summary()


def test_another_kind_is_refused(config: ModelConfig) -> None:
    table, y = curved(100, seed=7)
    with pytest.raises(ValueError, match="kind is one of chosen"):
        CRSClassifier(kind="trees").fit(table, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="kind"):
        config.replace(kind="trees")
    with pytest.raises(ValueError, match="settings of the learner, not kind"):
        Tuning.model_validate({"trials": 1, "search": {"kind": {"low": 0, "high": 1}}})


def test_every_start_has_a_share_and_a_kind() -> None:
    assert set(SHARE) == set(KIND_OF) == set(get_args(Start))
    assert set(STARTS) == {"chosen", *KIND_OF.values()} == set(get_args(LearnerKind))


# The model of a clinical table, whatever it starts from


@pytest.fixture(scope="module", params=KINDS)
def clinical(request: pytest.FixtureRequest, toy: Toy, config: ModelConfig) -> RiskModel:
    return fit(
        toy.observed,
        toy.outcomes,
        config=config.replace(kind=request.param, boosting_max_trees=60),
        seed=3,
    )


def test_it_is_saved_and_loaded_with_what_it_is(
    clinical: RiskModel, fresh_toy: Toy, tmp_path: Path
) -> None:
    again = load_model(save_model(clinical, tmp_path / "model"))
    assert again.model_class == clinical.model_class
    assert clinical.model_class.summary() in again.summary()
    rows = fresh_toy.observed
    np.testing.assert_array_equal(
        again.predict_proba(rows, outside_training=True),
        clinical.predict_proba(rows, outside_training=True),
    )


def test_its_shapley_values_are_lightgbms(clinical: RiskModel, fresh_toy: Toy) -> None:
    rows = fresh_toy.observed.head(200)
    base, ours = feature_contributions(clinical, rows)
    slope, intercept = clinical.calibrator.slope, clinical.calibrator.intercept
    theirs = contributions_of(booster_of(clinical.booster_text), feature_matrix(clinical, rows))
    np.testing.assert_allclose(ours, slope * theirs[:, :-1], atol=1e-10)
    np.testing.assert_allclose(base, intercept + slope * theirs[0, -1], atol=1e-10)
    np.testing.assert_allclose(base + ours.sum(axis=1), clinical.log_odds(rows), atol=1e-10)


def test_refits_keep_the_start_and_the_number_of_trees(
    clinical: RiskModel, toy: Toy, config: ModelConfig
) -> None:
    chosen = config.replace(kind="chosen", boosting_max_trees=60)
    kept = chosen.learner.as_found(clinical.model_class)
    assert (STARTS[kept.kind], kept.n_folds) == ((clinical.model_class.start,), 1)
    refits = make_refits(clinical, toy.observed, toy.outcomes, config=chosen, seed=3, n=2)
    for refit in refits.refits:
        # a round may add no tree, so there are no more trees than start and rounds
        most = clinical.model_class.n_kept + (1 if clinical.model_class.start == "mean" else 10**3)
        assert 1 <= len(refit.roots) <= most


def test_the_manifest_and_tracking_hold_it(clinical: RiskModel) -> None:
    made = clinical.model_class
    assert clinical.manifest["model_class"] == json.loads(made.model_dump_json())
    params = class_params(clinical)
    assert params["model_class"] == made.name
    assert params["model_class.n_kept"] == str(made.n_kept)


def test_a_forged_record_is_found(clinical: RiskModel, tmp_path: Path) -> None:
    folder = save_model(clinical, tmp_path / "model")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["made"]["model_class"]["start"] = "nowhere"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="start"):
        load_model(folder)


def test_a_model_of_before_says_what_its_manifest_says() -> None:
    shipped = load_model("baseline-0.1.0")
    before = {key: value for key, value in shipped.manifest.items() if key != "model_class"}
    model = replace(shipped, manifest=before)
    made = model.model_class
    assert (made.start, made.n_kept) == ("additive", model.manifest["n_trees"])
    assert made.gain is None
    assert class_in_words(model) in model.summary()


def test_the_classifier_offers_boosting_without_the_start(toy: Toy) -> None:
    settings_: dict[str, Any] = {"kind": "boosting", "boosting_max_trees": 20, "n_folds": 2}
    model = CRSRiskClassifier(**settings_).fit(
        toy.observed, toy.outcomes["crs_grade2plus"].to_numpy()
    )
    assert model.model_.model_class.start == "mean"
    assert "gradient-boosted trees that start from the mean" in model.model_.summary()
