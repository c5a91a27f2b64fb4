"""Controls on the simulator's own patients: where nothing can be learnt nothing is, and a planted leak is noticed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import RiskModel
from crsrisk.features.table import FeatureConfig, build_features
from crsrisk.journey.learning import Split, split
from crsrisk.learn.controls import with_permuted_outcomes, with_planted_leak
from crsrisk.learn.explain import explain
from crsrisk.learn.fit import fit
from crsrisk.learn.ladder import Truth
from crsrisk.learn.leaks import Leak, find_leaks, highest_auroc, leaks_by_name, shared_patients
from crsrisk.learn.metrics import Estimate, auroc, auroc_within
from crsrisk.learn.predict import predict
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.cohort import simulate_cohort
from crsrisk.simulate.truth import oracle, patients_of
from tests.journey.conftest import SEED
from tests.simulate.people import world_of


@pytest.fixture(scope="module")
def many(arms: dict[str, Arm]) -> Cohort:
    """4000 patients of two products."""
    return simulate_cohort(list(arms.values()), world=world_of(), n_patients=4000, seed=SEED + 1)


@pytest.fixture(scope="module")
def nothing(many: Cohort, config: FeatureConfig) -> tuple[Split, RiskModel]:
    """The cohort with outcomes dealt out anew, and a model of it."""
    dealt = Cohort(many.observed, with_permuted_outcomes(many.outcomes, seed=5), many.course, many.truth, many.manifest)
    sides = split(dealt, seed=1, test_share=0.4)
    return sides, fit(sides.training.observed, sides.training.outcomes, config=config, seed=1)


def test_dealing_keeps_the_number_of_events(many: Cohort) -> None:
    dealt = with_permuted_outcomes(many.outcomes, seed=5)
    assert dealt["crs_grade2plus"].sum() == many.outcomes["crs_grade2plus"].sum()
    assert dealt["patient_id"].tolist() == many.outcomes["patient_id"].tolist()
    assert list(dealt.columns) == list(many.outcomes.columns)


def test_where_nothing_acts_the_model_ranks_no_one(nothing: tuple[Split, RiskModel]) -> None:
    """AUROC 0.5, pooled and within products, within four standard errors (1 in 16,000 by chance)."""
    sides, model = nothing
    y, risk = sides.test.outcomes["crs_grade2plus"], predict(model, sides.test.observed).risk
    for found in (auroc(y, risk=risk), auroc_within(y, risk=risk, group=sides.test.observed["product"])):
        assert isinstance(found, Estimate)
        error = (found.high - found.low) / (2 * 1.96)
        assert abs(found.value - 0.5) <= 4 * error


def test_where_nothing_acts_no_reason_has_any_size(
    nothing: tuple[Split, RiskModel], many: Cohort, config: FeatureConfig
) -> None:
    """Mean |SHAP| of every clinical variable, the product among them, below 0.05 log-odds; with the real outcomes the
    largest is several times that. The out-of-fold calibration slope shrinks what the trees made up."""
    sides, model = nothing
    made_up = np.abs(explain(model, sides.test.observed).contributions).mean(axis=0)
    assert made_up.max() < 0.05
    true = fit(many.observed, many.outcomes, config=config, seed=1)
    real = np.abs(explain(true, sides.test.observed).contributions).mean(axis=0)
    assert real.max() > 0.15


@pytest.fixture(scope="module")
def limit(many: Cohort, arms: dict[str, Arm]) -> float:
    """What the oracle given what was observed reaches at most, from 120 patients of each product."""
    oracles, product = [], []
    for name, arm in arms.items():
        ids = many.observed.loc[many.observed["product"] == name, "patient_id"].to_numpy()[:120]
        patients = patients_of(arm, world=world_of(), seed=SEED + 1, patient_ids=ids)
        oracles.append(oracle(arm, patients, world=world_of(), seed=1, given="observed", repetitions=60))
        product += [name] * len(ids)
    events = np.concatenate([one.n_grade2plus.sum(axis=1) for one in oracles])
    return highest_auroc(Truth("what was observed", events, np.full(len(events), 60)), product=product)


def leaks_in(cohort: Cohort, observed: pd.DataFrame, model: RiskModel, limit: float) -> tuple[Leak, ...]:
    features = build_features(observed, names=model.contract.feature_names)
    return find_leaks(features, outcome=cohort.outcomes["crs_grade2plus"], product=cohort.observed["product"], landmark_h=0,
                      limit=limit)


@pytest.mark.parametrize(("column", "peak"), [("albumin_g_l", "min_map_mmhg"), ("has_infection", "has_fluids")])
def test_the_planted_leak_is_noticed(column: str, peak: str, many: Cohort, model: RiskModel, limit: float) -> None:
    """A reading of the episode where the baseline value should stand, and a flag that was set when the ward acted.

    Of what goes wrong in an episode these say most of grade 2 (fluids in nearly all); a leak that says less than all that
    was known before cannot be told from a good feature.
    """
    planted = with_planted_leak(many.observed, many.outcomes, column=column, peak=peak)
    found = leaks_in(many, planted, model, limit)
    assert column in {leak.feature for leak in found}
    assert {leak.kind for leak in found} == {"too good"}


def test_the_honest_table_and_split_are_clean(many: Cohort, model: RiskModel, sides: Split, limit: float) -> None:
    assert leaks_in(many, many.observed, model, limit) == ()
    assert shared_patients(sides.training.observed["patient_id"], sides.test.observed["patient_id"]) == ()


def test_a_reading_after_the_landmark_is_noticed_by_its_name(model: RiskModel) -> None:
    names = [*model.contract.feature_names, "crp_mg_l__max__h24"]
    assert [leak.kind for leak in leaks_by_name(names, landmark_h=6)] == ["later"]
