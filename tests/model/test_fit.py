"""Fitting: the contract says what was seen, the same input gives the same bytes, wrong tables are
refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from crsrisk.data.disclosure import usual_range
from crsrisk.errors import InputError
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.landmark import landmark_table
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.model.risk_model import RiskModel

# Toy: the fixture's type lives in conftest.py, which tests do not import.
Toy = Any


def test_contract_holds_what_was_seen(model: RiskModel, toy: Toy, config: ModelConfig) -> None:
    contract = model.contract
    assert (contract.name, contract.outcome, contract.landmark_h) == (
        "baseline",
        "crs_grade2plus",
        0,
    )
    assert contract.products == ("toy_engager", "toy_ici", "toy_immtac")
    assert contract.n_patients == len(toy.observed)
    assert contract.n_events == int(toy.outcomes["crs_grade2plus"].sum())
    crp = next(column for column in contract.columns if column.name == "crp_mg_l")
    assert (crp.unit, crp.was_missing_in_training, crp.may_be_missing) == ("mg/L", True, True)
    assert crp.trained is not None
    assert crp.trained == usual_range(toy.observed["crp_mg_l"].to_numpy(), share=0.001)
    age = next(feature for feature in contract.features if feature.name == "age_years")
    assert age.fill == pytest.approx(np.median(toy.observed["age_years"]), rel=1e-3)
    assert next(feature for feature in contract.features if feature.name == "crp_mg_l").fill is None
    assert {feature.name: feature.direction for feature in contract.features}["crp_mg_l"] == "up"
    assert "external validation" in model.notice


def test_one_variable_for_each_reason(model: RiskModel) -> None:
    names = [variable.name for variable in model.contract.variables]
    assert len(set(names)) == len(names)
    assert {feature.variable for feature in model.contract.features} == set(names)
    assert "m_easix" not in names


def test_no_single_patient_in_contract_or_manifest(model: RiskModel, toy: Toy) -> None:
    """Bounds are quantiles, not the extreme patients; no patient number, no site."""
    columns = {column.name: column for column in model.contract.columns}
    assert not {"patient_id", "site", "regimen"} & set(columns)
    for name in ("crp_mg_l", "ferritin_ug_l", "sum_of_diameters_mm"):
        assert columns[name].trained is not None
        assert columns[name].trained[1] < toy.observed[name].max()
    assert "patient_id" not in str(model.manifest)


def test_same_input_same_bytes(model: RiskModel, toy: Toy, config: ModelConfig) -> None:
    again = fit(toy.observed, toy.outcomes, config=config, seed=7)
    assert again == model
    other = fit(toy.observed, toy.outcomes, config=config, seed=8)
    # other folds; the trees differ only where some were worth keeping
    assert other.calibrator != model.calibrator


def test_columns_that_are_no_features_do_not_matter(
    model: RiskModel, toy: Toy, config: ModelConfig
) -> None:
    shuffled = toy.observed[toy.observed.columns[::-1]].assign(site="elsewhere", note="x")
    assert fit(shuffled, toy.outcomes, config=config, seed=7) == model


def test_it_learns(model: RiskModel, fresh_toy: Toy) -> None:
    risk = predict(model, fresh_toy.observed).risk
    auc = roc_auc_score(fresh_toy.outcomes["crs_grade2plus"], risk)
    best = roc_auc_score(fresh_toy.outcomes["crs_grade2plus"], fresh_toy.true_risk)
    assert auc > best - 0.03  # standard error of either AUC below 0.01
    assert np.abs(risk - fresh_toy.true_risk).mean() < 0.08


def test_within_a_product_the_effects_of_known_values_add_up(model: RiskModel, toy: Toy) -> None:
    """CRP raises the log-odds by as much whatever the ECOG status: patients of one status have one
    reason of one size.
    """
    rows = toy.observed[toy.observed["crp_mg_l"].notna() & toy.observed["ecog"].notna()].head(60)
    made = {
        (crp, ecog): raw_log_odds(model, rows.assign(crp_mg_l=crp, ecog=ecog))
        for crp in (2.0, 90.0)
        for ecog in (0, 2)
    }
    assert (made[90.0, 0] - made[2.0, 0]).min() > 0.1
    np.testing.assert_allclose(
        made[90.0, 2] - made[2.0, 2], made[90.0, 0] - made[2.0, 0], atol=1e-9
    )


def test_outcome_and_window_can_be_others(toy: Toy, config: ModelConfig) -> None:
    severe = fit(
        toy.observed,
        toy.outcomes,
        config=config.model_copy(update={"outcome": "crs_grade3plus"}),
        seed=1,
    )
    assert severe.contract.n_events == int(toy.outcomes["crs_grade3plus"].sum())


def test_before_dose_2(toy: Toy, repository: Any, config: ModelConfig) -> None:
    table = landmark_table(toy.observed, toy.course, hour=168)
    later = load_config(repository / "models" / "configs" / "before_dose_2.yaml")
    later = later.model_copy(update={"learner": config.learner})
    fitted = fit(table, toy.outcomes.loc[table.index], config=later, seed=1)
    assert fitted.contract.landmark_h == 168
    assert len(table) == fitted.contract.n_patients < len(toy.observed)
    assert {"temperature_c__course", "crp_mg_l__course"} <= {
        variable.name for variable in fitted.contract.variables
    }
    assert not predict(fitted, table).is_refused.any()


def changed(outcomes: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    return outcomes.assign(**columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="window_d"), "window_d: found no such column"),
        (lambda t: t.iloc[::-1], "other patients"),
        (lambda t: t.head(10), "other patients"),
        (
            lambda t: changed(t, crs_grade2plus=t["crs_grade2plus"].astype(int)),
            "true or false in every row",
        ),
        (lambda t: changed(t, crs_grade2plus=False), "found 0 events in 1500 patients"),
        (lambda t: changed(t, window_d=14.0), r"row 1, window_d: found 14 days"),
    ],
)
def test_outcomes_that_do_not_fit_are_refused(
    toy: Toy, config: ModelConfig, change: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fit(toy.observed, change(toy.outcomes), config=config, seed=1)


def test_a_missing_column_is_refused(toy: Toy, config: ModelConfig) -> None:
    for column in ("crp_mg_l", "product"):
        with pytest.raises(InputError, match=rf"{column}: found no such column"):
            fit(toy.observed.drop(columns=column), toy.outcomes, config=config, seed=1)


def test_stages_are_used_where_the_table_has_them(
    model: RiskModel, toy: Toy, config: ModelConfig
) -> None:
    """A table of somebody's own may hold the outcome alone: then it is learnt without, and the
    manifest says so.
    """
    rng = np.random.default_rng(3)
    event = toy.outcomes["crs_grade2plus"].to_numpy(dtype=np.bool_)
    told = toy.outcomes.assign(crs_any=event | (rng.random(event.size) < 0.5))
    with_stage = fit(toy.observed, told, config=config, seed=7)
    without = fit(toy.observed, told.drop(columns="crs_any"), config=config, seed=7)
    assert (with_stage.manifest["stages"], without.manifest["stages"]) == (["crs_any"], [])
    assert with_stage.booster_text != without.booster_text
    assert with_stage.manifest["outcome_sha256"] != without.manifest["outcome_sha256"]
    assert with_stage.contract == without.contract


def test_an_event_without_its_stage_is_refused(toy: Toy, config: ModelConfig) -> None:
    wrong = toy.outcomes.assign(crs_any=False)
    first = toy.outcomes["patient_id"][toy.outcomes["crs_grade2plus"]].iloc[0]
    with pytest.raises(InputError, match=rf"patient {first}, crs_any"):
        fit(toy.observed, wrong, config=config, seed=7)
