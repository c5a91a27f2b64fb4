"""Onset on a risk model: one engine with the risk, consistent with Bayes' rule, honest where it
cannot know; and the same from its files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.files import gzipped, sha256_of
from crsrisk.errors import InputError
from crsrisk.model.onset import CRSOnsetEstimator, OnsetModel
from crsrisk.model.onset_store import ONSET, ONSET_TREES, load_onset, save_onset
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import MANIFEST, load_model, save_model
from tests.toys import SCHEDULES, Toy, toy_onsets


@dataclass(frozen=True)
class Fitted:
    estimator: CRSOnsetEstimator
    onset: OnsetModel
    X: pd.DataFrame


@pytest.fixture(scope="module")
def fitted(model: RiskModel, toy: Toy, fresh_toy: Toy) -> Fitted:
    X = toy.observed.set_index("patient_id")
    made = CRSOnsetEstimator(model, schedules=SCHEDULES, max_trees=30).fit(
        X, toy_onsets(toy, seed=1)
    )
    return Fitted(made, made.onset_model_, fresh_toy.observed.set_index("patient_id").head(60))


def test_the_curve_rises_and_ends_at_the_models_risk(fitted: Fitted, model: RiskModel) -> None:
    curve = fitted.onset.predict_cumulative_incidence(
        fitted.X, [0.0, 6.0, 24.0, 48.0, 168.0, 180.0, 504.0, 1440.0]
    )
    assert (curve[:, 0] == 0).all()
    assert (np.diff(curve, axis=1) >= 0).all()
    assert np.allclose(curve[:, -1], model.predict(fitted.X).risk, rtol=0, atol=1e-12)


def test_hazards_multiply_to_the_risk(fitted: Fitted, model: RiskModel) -> None:
    """1 - product(1 - hazard) over the window is the risk of the model."""
    hours = np.arange(1.0, 505.0)
    curve = fitted.onset.predict_cumulative_incidence(fitted.X.head(5), hours)
    before = np.column_stack([np.zeros(5), curve[:, :-1]])
    hazard = (curve - before) / (1 - before)
    assert ((hazard >= 0) & (hazard < 1)).all()
    assert np.allclose(1 - np.prod(1 - hazard, axis=1), curve[:, -1], atol=1e-12)


@pytest.mark.parametrize("none_by_h", [0.0, 3.0, 24.0, 168.0])
def test_none_so_far_follows_bayes(fitted: Fitted, none_by_h: float) -> None:
    hours = np.array([4.0, 30.0, 170.0, 504.0])
    plain = fitted.onset.predict_cumulative_incidence(fitted.X, hours)
    before = fitted.onset.predict_cumulative_incidence(fitted.X, [none_by_h])
    given = fitted.onset.predict_cumulative_incidence(fitted.X, hours, none_by_h=none_by_h)
    assert np.allclose(given, np.maximum(plain - before, 0) / (1 - before), atol=1e-12)


@pytest.mark.parametrize("none_by_h", [0.0, 5.0, 168.0])
def test_quantiles_split_the_remaining_chance(fitted: Fitted, none_by_h: float) -> None:
    X = fitted.X[fitted.X["product"] == "toy_engager"]
    hours = fitted.onset.predict_onset(X, quantiles=[0.25, 0.9], none_by_h=none_by_h)
    assert (hours > none_by_h).all()
    for k in range(5):
        chance = fitted.onset.predict_cumulative_incidence(
            X.iloc[[k]], [*hours[k], 504.0], none_by_h=none_by_h
        )[0]
        assert chance[:2] / chance[2] == pytest.approx([0.25, 0.9], abs=1e-9)


def test_after_doses_is_the_same_engine(fitted: Fitted) -> None:
    told = fitted.onset.predict(fitted.X)
    second = told.doses[told.doses["dose"] == 2].set_index("row")
    X = fitted.X.loc[second.index]
    risk = fitted.onset.predict_cumulative_incidence(X, [504.0], none_by_h=168.0)[:, 0]
    waits = fitted.onset.predict_onset(X, none_by_h=168.0, until_h=504.0) - 168.0
    assert np.allclose(second["risk_if_none_so_far"], risk)
    assert np.allclose(second["median_h_after_dose"], waits[:, 0])
    assert np.allclose(second["hours_90_after_dose"], waits[:, 1])
    # every fifth engager, 20% an hour: half by 3 to 4 h, nine of ten by 10 to 11 h
    assert second["median_h_after_dose"].between(2, 5).all()
    assert second["hours_90_after_dose"].between(7, 16).all()


def test_what_is_shown_says_that_it_is_no_advice(fitted: Fitted) -> None:
    told = fitted.onset.predict(fitted.X)
    assert "no advice to shorten observation" in told.summary()
    assert "Known miss: after the second dose" in told.summary()
    assert "label: not in the evidence here" in told.to_frame()["hours_of_observation"].iloc[0] or (
        not told.watching
    )
    assert set(told.to_dict()) >= {"rows", "doses", "notes"}


def test_alone_as_in_a_batch(fitted: Fitted) -> None:
    many = fitted.onset.predict_cumulative_incidence(fitted.X, [24.0])
    one = fitted.onset.predict_cumulative_incidence(fitted.X.iloc[[7]], [24.0])
    assert one[0, 0] == many[7, 0]


def test_too_few_onsets_and_unknown_products_are_not_told(fitted: Fitted) -> None:
    few = replace(
        fitted.onset,
        contract=fitted.onset.contract.model_copy(
            update={"n_onsets": {**fitted.onset.contract.n_onsets, "toy_ici": 19}}
        ),
    )
    X = fitted.X.copy()
    X.iloc[0, X.columns.get_loc("product")] = "elsewhere"
    told = few.predict(X)
    is_ici = (X["product"] == "toy_ici").to_numpy()
    assert is_ici.any()
    assert told.rows.loc[is_ici, "risk_24h"].isna().all()
    assert told.rows.loc[is_ici, "risk"].notna().all()
    assert told.rows.loc[is_ici, "reasons"].str.contains("19 onsets of the product").all()
    assert "product is not one that" in told.rows["reasons"].iloc[0]
    assert np.isnan(told.rows["risk_24h"].iloc[0])


def test_another_regimen_is_said(fitted: Fitted) -> None:
    told = fitted.onset.predict(fitted.X.head(3).assign(regimen=["usual", "other", None]))
    assert ["regimen usual" in text for text in told.rows["reasons"]] == [False, True, False]


def test_same_seed_same_bytes(fitted: Fitted, model: RiskModel, toy: Toy) -> None:
    again = CRSOnsetEstimator(model, schedules=SCHEDULES, max_trees=30).fit(
        toy.observed.set_index("patient_id"), toy_onsets(toy, seed=1)
    )
    assert again.onset_model_.booster_text == fitted.onset.booster_text
    assert again.onset_model_.contract == fitted.onset.contract


def test_a_product_of_few_is_not_named(model: RiskModel, toy: Toy) -> None:
    """Nine patients of a product teach what all share; the folder does not say that they were."""
    X, lone = toy.observed.set_index("patient_id").copy(), "lone_engager"
    onset_h = toy_onsets(toy, seed=1)
    X.loc[X.index[np.flatnonzero(~np.isnan(onset_h))[:9]], "product"] = lone
    schedules = {**SCHEDULES, lone: next(iter(SCHEDULES.values()))}
    made = CRSOnsetEstimator(model, schedules=schedules, max_trees=0, n_folds=2).fit(X, onset_h)
    contract = made.onset_model_.contract
    assert set(contract.schedules) == set(contract.n_onsets) == set(SCHEDULES)
    assert lone not in contract.model_dump_json()


def test_models_that_onset_cannot_stand_on_are_refused(model: RiskModel, toy: Toy) -> None:
    late = replace(model, contract=model.contract.model_copy(update={"landmark_h": 24}))
    severe = replace(model, contract=model.contract.model_copy(update={"outcome": "crs_any"}))
    for wrong in (late, severe):
        with pytest.raises(InputError, match="before the first dose that knows products"):
            CRSOnsetEstimator(wrong, schedules=SCHEDULES).fit(toy.observed, np.zeros(1500))


def test_hours_and_products_that_do_not_fit_are_refused(model: RiskModel, toy: Toy) -> None:
    X, onset_h = toy.observed.set_index("patient_id"), toy_onsets(toy, seed=1)
    with pytest.raises(InputError, match="toy_engager, toy_ici, toy_immtac"):
        CRSOnsetEstimator(model).fit(X, onset_h)
    with pytest.raises(InputError, match="there is an hour exactly where there is an event"):
        CRSOnsetEstimator(model, schedules=SCHEDULES).fit(X, onset_h, np.ones(len(X)))


def test_two_rows_of_one_name_are_refused(fitted: Fitted) -> None:
    with pytest.raises(InputError, match="two rows alike"):
        fitted.onset.predict(pd.concat([fitted.X.head(1)] * 2))


# --- on disk ---


@pytest.fixture
def folder(fitted: Fitted, model: RiskModel, tmp_path: Path) -> Path:
    place = save_model(model, tmp_path / "toy")
    save_onset(place, fitted.onset)
    return place


def test_the_same_comes_back_from_its_files(folder: Path, fitted: Fitted) -> None:
    loaded = load_onset(folder)
    assert loaded.contract == fitted.onset.contract
    assert np.array_equal(
        loaded.predict_cumulative_incidence(fitted.X, [24.0]),
        fitted.onset.predict_cumulative_incidence(fitted.X, [24.0]),
    )
    assert load_model(folder) == fitted.onset.risk_model


def with_fitting_digests(folder: Path) -> None:
    """The manifest as somebody writes it who changed files together with their digests."""
    place = folder / MANIFEST
    tree = json.loads(place.read_text())
    there = {*tree["files"], ONSET, ONSET_TREES}
    tree["files"] = {name: sha256_of(folder / name) for name in there if (folder / name).exists()}
    place.write_text(json.dumps(tree))


def changed_hash(folder: Path) -> None:
    (folder / ONSET_TREES).write_bytes(gzipped("tree\n\nnothing"))


def changed_fill(folder: Path) -> None:
    tree = json.loads((folder / ONSET).read_text())
    tree["contract"]["fill"] = tree["contract"]["fill"][1:]
    (folder / ONSET).write_text(json.dumps(tree))


def changed_format(folder: Path) -> None:
    (folder / ONSET).write_text((folder / ONSET).read_text().replace("onset 1", "onset 0"))


def no_json(folder: Path) -> None:
    (folder / ONSET).write_text("{")


def no_trees(folder: Path) -> None:
    (folder / ONSET_TREES).unlink()


def no_onset(folder: Path) -> None:
    (folder / ONSET).unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed_hash, "another hash"),
        (changed_fill, "other features"),
        (changed_format, "format"),
        (no_json, "content"),
        (no_trees, "o such file"),
        (no_onset, "crsrisk onset train"),
    ],
)
def test_anything_changed_or_lost_is_refused(
    folder: Path, change: Callable[[Path], None], message: str
) -> None:
    change(folder)
    with pytest.raises(InputError, match=r"SHA-256|o such file"):
        load_onset(folder)
    with_fitting_digests(folder)
    with pytest.raises(InputError, match=message):
        load_onset(folder)


def test_beside_another_risk_model_it_is_refused(
    folder: Path, fitted: Fitted, model: RiskModel
) -> None:
    moved = model.calibrator.model_copy(update={"intercept": 1.0})
    other = replace(model, calibrator=moved)
    with pytest.raises(InputError, match="another risk model"):
        save_onset(save_model(other, folder.with_name("other")), fitted.onset)
    for name in (ONSET, ONSET_TREES):
        (folder.with_name("other") / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match="does not know"):
        load_onset(folder.with_name("other"))
    with_fitting_digests(folder.with_name("other"))
    with pytest.raises(InputError, match="beside another"):
        load_onset(folder.with_name("other"))
