"""The risk model as a scikit-learn classifier: the same model as `fit`, tables as measured,
refusals that name the rows, and the tools of scikit-learn around it.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from crsrisk.data.cohort import Cohort, Labels
from crsrisk.errors import InputError
from crsrisk.model.classifier import CRSRiskClassifier
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.simulation.cohort import simulate

QUICK: dict[str, Any] = {"max_trees": 15, "n_folds": 2, "random_state": 1}


@pytest.fixture(scope="module")
def sides() -> tuple[Cohort, Cohort]:
    return simulate(["tarlatamab", "tebentafusp"], n=700, seed=1).split(test_size=0.3, seed=1)


@pytest.fixture(scope="module")
def train(sides: tuple[Cohort, Cohort]) -> Cohort:
    return sides[0]


@pytest.fixture(scope="module")
def test(sides: tuple[Cohort, Cohort]) -> Cohort:
    return sides[1]


@pytest.fixture(scope="module")
def clf(train: Cohort) -> CRSRiskClassifier:
    return CRSRiskClassifier(**QUICK).fit(train.X, train.y)


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return load_config("baseline").replace(max_trees=15, n_folds=2)


def test_it_is_the_model_that_fit_makes(
    clf: CRSRiskClassifier, train: Cohort, config: ModelConfig
) -> None:
    """Byte for byte, stages included, although only labels were passed."""
    model = fit(train.observed, train.outcomes, config=config, seed=1, origin="simulated")
    assert clf.model_ == model
    assert clf.model_.manifest["stages"] == ["crs_any"]


def test_an_outcomes_table_or_stages_give_the_same_trees(
    clf: CRSRiskClassifier, train: Cohort
) -> None:
    by_table = CRSRiskClassifier(**QUICK).fit(train.X, train.outcomes)
    for part in ("booster_text", "calibrator", "contract", "applicability"):
        assert getattr(by_table.model_, part) == getattr(clf.model_, part)
    assert by_table.model_.provenance.steps[0].origin == "table"
    stages = train.outcome("crs_any").to_numpy()
    by_stages = CRSRiskClassifier(**QUICK).fit(train.X, train.y.to_numpy(), stages=stages)
    assert by_stages.model_.booster_text == clf.model_.booster_text


def test_only_labels_of_the_simulator_make_a_model_of_simulated_patients(
    clf: CRSRiskClassifier, train: Cohort
) -> None:
    by_table = CRSRiskClassifier(**QUICK).fit(train.X, train.outcomes)
    ours, theirs = clf.model_.provenance, by_table.model_.provenance
    assert (ours.is_simulated, theirs.is_simulated) == (True, False)
    assert ours.steps[0].sha256 == theirs.steps[0].sha256


def test_plain_labels_learn_the_event_alone(train: Cohort) -> None:
    plain = CRSRiskClassifier(**QUICK).fit(train.X, train.y.to_numpy().astype(bool))
    assert plain.model_.manifest["stages"] == []
    assert plain.classes_.tolist() == [False, True]


def test_changed_labels_are_not_given_stages_of_others(train: Cohort) -> None:
    """Permuted, renumbered or negated labels are no longer the cohort's own."""
    y = train.y
    assert isinstance(y, Labels)
    assert y.outcomes is not None
    mask = np.arange(len(y)) % 3 > 0
    for part in (y.iloc[5:20], y[mask], y.take([4, 1]), y.loc[y.index[:7]], y.copy()):
        assert part.outcomes["patient_id"].tolist() == part.index.tolist()
    for changed in (
        1 - y,
        y.sample(frac=1.0, random_state=1).set_axis(y.index),
        y.reset_index(drop=True),
    ):
        assert changed.outcomes is None
    again = pickle.loads(pickle.dumps(y))
    assert again.outcomes.equals(y.outcomes)


def test_pandas_polars_and_one_patient(clf: CRSRiskClassifier, test: Cohort) -> None:
    X = test.X
    risk = clf.predict_proba(X)
    assert risk.shape == (len(X), 2)
    np.testing.assert_array_equal(clf.predict_proba(pl.from_pandas(X.reset_index())), risk)
    for place in (0, 3):
        row = X.iloc[place]
        np.testing.assert_array_equal(clf.predict_proba(row), risk[[place]])
        np.testing.assert_array_equal(clf.predict_proba(row.to_dict()), risk[[place]])


def test_polars_in_training(train: Cohort, clf: CRSRiskClassifier) -> None:
    X = pl.from_pandas(train.X.reset_index())
    fitted = CRSRiskClassifier(**QUICK).fit(X, train.y.to_numpy())
    assert fitted.feature_names_in_[0] == "patient_id"
    assert fitted.predict_proba(X).shape == (train.n_patients, 2)


def test_log_odds_risks_and_classes_agree(clf: CRSRiskClassifier, test: Cohort) -> None:
    risk, log_odds = clf.predict_proba(test.X), clf.decision_function(test.X)
    np.testing.assert_allclose(risk[:, 1], 1 / (1 + np.exp(-log_odds)))
    np.testing.assert_allclose(np.exp(clf.predict_log_proba(test.X)), risk)
    assert (clf.predict(test.X) == (risk[:, 1] > 0.5)).all()


def test_importances_are_mean_shap_of_columns(clf: CRSRiskClassifier, train: Cohort) -> None:
    assert clf.feature_importances_.shape == (clf.n_features_in_,) == (train.X.shape[1],)
    by_name = dict(zip(clf.feature_names_in_, clf.feature_importances_, strict=True))
    assert max(by_name, key=by_name.__getitem__) == "product"
    assert by_name["site"] == by_name["tumour_type"] == 0.0
    explanation = clf.explain(train.X)
    names = [variable.name for variable in explanation.variables]
    shown = np.abs(explanation.path_contributions).mean(axis=0)
    assert by_name["crp_mg_l"] == pytest.approx(shown[names.index("crp_mg_l")])


def test_refused_rows_are_named_and_check_says_why(clf: CRSRiskClassifier, test: Cohort) -> None:
    X = test.X.copy()
    X.iloc[2, X.columns.get_loc("crp_mg_l")] = -5.0
    X.iloc[4, X.columns.get_loc("age_years")] = 400.0
    noticed = clf.check(X)
    refused = noticed[noticed["status"] == "refused"]
    assert refused["row"].tolist() == [2, 4]
    assert "crp_mg_l is impossible" in refused["reasons"].iloc[0]
    for method in (clf.predict_proba, clf.predict, clf.decision_function, clf.predict_log_proba):
        with pytest.raises(InputError, match=r"row 2, 4.*check\(X\)"):
            method(X)
    with pytest.raises(InputError, match="no such column"):
        clf.predict_proba(test.X.drop(columns="crp_mg_l"))
    with pytest.raises(InputError, match="no names of columns"):
        clf.predict_proba(test.X.to_numpy())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda X, y: (X.drop(columns="crp_mg_l"), y, None), "crp_mg_l"),
        (lambda X, y: (X.assign(crp_mg_l=-1.0), y, None), "row 0, crp_mg_l: found an impossible"),
        (lambda X, y: (X, y.to_numpy()[1:], None), "outcome of each of"),
        (lambda X, y: (X, np.zeros(len(y)), None), "1 classes"),
        (lambda X, y: (X, np.arange(len(y)), None), "classes"),
        (lambda X, y: (X, y.astype(float).where(y == 1).to_numpy(), None), "missing"),
        (lambda X, y: (X, y, -np.ones(len(y))), "sample_weight"),
        (lambda X, y: (X, y, np.ones(3)), "sample_weight"),
        (lambda X, y: (X, y, y.to_numpy(float)), "weight above 0"),
        (lambda X, y: (X.to_numpy(), y, None), "names of columns"),
    ],
)
def test_misuse_is_refused_early(train: Cohort, change: Any, told: str) -> None:
    X, y, weight = change(train.X, train.y)
    with pytest.raises(InputError, match=told):
        CRSRiskClassifier(**QUICK).fit(X, y, sample_weight=weight)


def test_an_unknown_setting_or_configuration_is_refused(train: Cohort) -> None:
    with pytest.raises(InputError, match="unknown name"):
        CRSRiskClassifier("no_such").fit(train.X, train.y)
    with pytest.raises(InputError, match="max_trees"):
        CRSRiskClassifier(max_trees="many").fit(train.X, train.y)  # type: ignore[arg-type]


def test_weights_of_0_leave_out_and_of_1_change_nothing(
    clf: CRSRiskClassifier, train: Cohort
) -> None:
    weight = np.ones(train.n_patients)
    ones = CRSRiskClassifier(**QUICK).fit(train.X, train.y, sample_weight=weight)
    assert ones.model_.booster_text == clf.model_.booster_text
    weight[::3] = 0
    kept = weight > 0
    zero = CRSRiskClassifier(**QUICK).fit(train.X, train.y, sample_weight=weight)
    without = CRSRiskClassifier(**QUICK).fit(
        train.X[kept], train.y[kept], sample_weight=np.ones(kept.sum())
    )
    assert zero.model_ == without.model_


def test_copies_of_a_patient_stay_in_one_fold(train: Cohort) -> None:
    """By the patient number in the index, as by `groups`."""
    rows = np.random.default_rng(1).integers(0, train.n_patients, train.n_patients)
    X, y = train.X.iloc[rows], train.y.to_numpy()[rows]
    by_index = CRSRiskClassifier(**QUICK).fit(X, y)
    by_groups = CRSRiskClassifier(**QUICK).fit(
        X.reset_index(drop=True), y, groups=X.index.to_numpy()
    )
    assert by_index.model_.booster_text == by_groups.model_.booster_text
    assert by_index.model_.calibrator == by_groups.model_.calibrator


def test_grid_search_in_a_pipeline(train: Cohort) -> None:
    pipeline = Pipeline(
        [
            ("same", FunctionTransformer()),
            ("model", CRSRiskClassifier(n_folds=2, random_state=1)),
        ]
    )
    search = GridSearchCV(
        pipeline, {"model__max_trees": [0, 10]}, cv=2, scoring="neg_log_loss", error_score="raise"
    ).fit(train.X, train.y)
    assert set(search.best_params_) == {"model__max_trees"}
    assert search.best_estimator_["model"].model_.manifest["stages"] == ["crs_any"]


def test_calibration_and_cross_validation_around_it(train: Cohort, test: Cohort) -> None:
    small = CRSRiskClassifier(**QUICK)
    outside = CalibratedClassifierCV(small, cv=2).fit(train.X, train.y)
    assert outside.predict_proba(test.X).shape == (test.n_patients, 2)
    risk = cross_val_predict(small, train.X, train.y, cv=2, method="predict_proba")
    assert np.isfinite(risk).all()
    assert LogisticRegression().fit(risk[:, [1]], train.y).coef_[0, 0] > 0


def test_metadata_is_routed(train: Cohort) -> None:
    with config_context(enable_metadata_routing=True):
        small = CRSRiskClassifier(**QUICK).set_fit_request(sample_weight=True, groups=True)
        scores = cross_validate(
            small,
            train.X,
            train.y,
            cv=GroupKFold(2),
            scoring=make_scorer(roc_auc_score, response_method="predict_proba").set_score_request(
                sample_weight=False
            ),
            params={
                "groups": np.arange(train.n_patients) // 2,
                "sample_weight": np.ones(train.n_patients),
            },
            error_score="raise",
        )
    assert (scores["test_score"] > 0.6).all()


def test_it_is_cloned_copied_pickled_and_saved(
    clf: CRSRiskClassifier, test: Cohort, tmp_path: Path
) -> None:
    assert clone(clf).get_params() == clf.get_params()
    assert not hasattr(clone(clf), "model_")
    risk = clf.predict_proba(test.X)
    for again in (pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf)):
        np.testing.assert_array_equal(again.predict_proba(test.X), risk)
    loaded = load_model(clf.save(tmp_path / "model"))
    assert isinstance(loaded, RiskModel)
    np.testing.assert_array_equal(loaded.predict_proba(test.X), risk)
    assert loaded.check(test.X).equals(clf.check(test.X))


def test_a_released_model_by_name(test: Cohort) -> None:
    model = load_model("baseline-0.1.0")
    assert len(repr(model)) < 2000
    assert "no external validation" in repr(model)
    prediction = model.predict(test.X.head(5))
    assert "baseline-0.1.0" in repr(prediction)
    assert len(prediction.to_frame()) == 5
    assert model.explain(test.X.head(2)).contributions.shape[0] == 2
    assert copy.deepcopy(model) == pickle.loads(pickle.dumps(model)) == model
    assert "crp_mg_l" in set(model.to_frame()["column"])


def test_a_configuration_is_an_object(train: Cohort, config: ModelConfig) -> None:
    by_object = CRSRiskClassifier(config, random_state=1).fit(train.X, train.y)
    assert by_object.model_.manifest["learner"]["max_trees"] == 15
    frame: pd.DataFrame = config.to_frame()
    assert list(frame["feature"]) == [feature.name for feature in config.features]
