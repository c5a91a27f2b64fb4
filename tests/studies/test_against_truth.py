"""The part of a validation against the truth, on a small cohort: everything is there, adds up, and
reaches the page.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.cohort import Cohort, subset
from crsrisk.evaluation.against_truth import AgainstTruth, CalibrationError, Coverage
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.leaks import (
    Leak,
    find_leaks,
    highest_auroc,
    leaks_by_name,
    shared_patients,
    with_permuted_outcomes,
    with_planted_leak,
)
from crsrisk.evaluation.metrics import auroc, auroc_within, standard_error
from crsrisk.evaluation.resampling import refit_in_resamples
from crsrisk.model.explain import explain
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.evaluation_facts import ExtraSection
from crsrisk.report.sections import numbered
from crsrisk.results import Estimate, to_plain
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_risk import patients_by_id, risk_of_arm, true_risk
from crsrisk.studies.against_truth import truth_part
from crsrisk.studies.development import Development, Split, choose_for_truth
from crsrisk.studies.validation import StudyConfig, StudyData
from tests.simulation.people import world_of
from tests.studies.conftest import SEED

CONFIG = {
    "kind": "validation",
    "name": "small",
    "question": "?",
    "config": "baseline",
    "scenario": "reference",
    "products": [],
    "seed": SEED,
    "n_patients": 600,
    "test_share": 0.3,
    "threshold": 0.3,
    "bootstrap": 50,
    "tuning_trials": 0,
    "refits": 20,
    "tuned_refits": 0,
    "left_out": [],
    "sites_at_most": 2,
    "truth_patients": 80,
    "truth_repetitions": 40,
    "baseline_repetitions": 40,
    "curve_sizes": [200],
    "curve_developments": 2,
    "curve_judged_in": 400,
}


@pytest.fixture(scope="module")
def found(
    arms: dict[str, Arm], sides: Split, config: ModelConfig, model: RiskModel
) -> ExtraSection:
    world, development = world_of(), Development(config)
    repeats = refit_in_resamples(
        sides.training.observed,
        sides.training.outcomes,
        refit=development.refit,
        tune_and_refit=None,
        n_resamples=20,
        seed=1,
        workers=2,
    )
    ids = choose_for_truth(sides.test, n=80)
    truths = [
        Truth.from_true_risk(
            true_risk(sides.test.subset(ids), world=world, n_replicates=40, given=given, workers=2)
        )
        for given in ("observed", "baseline")
    ]
    known = subset(sides.test, patient_ids=ids)
    known = Cohort(
        *(
            table.set_index("patient_id", drop=False).loc[ids].reset_index(drop=True)
            for table in (known.observed, known.outcomes, known.course)
        )
    )
    pool = simulate_cohort(
        list(arms.values()), world=world, n_patients=3000, seed=SEED, start=10_000
    )
    study_config = StudyConfig.model_validate(CONFIG)
    study = StudyData(
        study_config, world, arms, sides, pool, development, model, repeats, known, *truths
    )
    return truth_part(workers=2, begin=lambda title, total: lambda n: None)(study)


@pytest.fixture(scope="module")
def results(found: ExtraSection) -> AgainstTruth:
    assert isinstance(found.results, AgainstTruth)
    return found.results


@pytest.mark.slow
def test_every_figure_has_its_monte_carlo_error_and_json_holds_it(
    found: ExtraSection, results: AgainstTruth
) -> None:
    json.dumps(to_plain(results), allow_nan=False)
    assert found.name == "against_the_truth"
    error = results.calibration_error["all"]
    assert isinstance(error, CalibrationError)
    for name in ("mean_absolute", "p90_absolute", "bias", "root_mean_squared"):
        assert getattr(error, name).mc_error > 0
    assert set(results.calibration_error) == {"all", "tarlatamab", "psma_masked_engager"}


@pytest.mark.slow
def test_parts_add_up(results: AgainstTruth) -> None:
    for losses in results.loss.values():
        for loss in losses:
            total = loss.irreducible.value + loss.unobserved.value + loss.estimation.value
            assert total == pytest.approx(loss.total.value)


@pytest.mark.slow
def test_each_interval_method_is_covered_by_band_and_product(results: AgainstTruth) -> None:
    assert len(results.coverage) == 3
    for groups in results.coverage.values():
        assert {"all", "tarlatamab", "psma_masked_engager"} < set(groups)
        held = groups["all"]
        assert isinstance(held, Coverage)
        assert 0 < held.mean_width < 1


@pytest.mark.slow
def test_apparent_performance_is_praised_beyond_the_truth(results: AgainstTruth) -> None:
    """A model of 400 patients looks better in them than the correction says of the same patients
    (log loss).

    Beside 3000 others the chance of who had the event among the 400, an SD of about 0.024,
    outweighs the optimism; so the truth is only asked to lie within four of its standard errors
    (0.025 with that of the 3000) of what was corrected.
    """
    validation = results.validation
    assert set(validation.claims) == {
        "apparent",
        "bootstrap-corrected",
        "cross-validation",
        "held-out patients",
    }
    corrected = validation.claims["bootstrap-corrected"]["log_loss"]
    assert validation.claims["apparent"]["log_loss"] < corrected
    fresh = validation.fresh["log_loss"]
    assert fresh.mc_error is not None
    assert fresh.mc_error < 0.02
    assert abs(fresh.value - corrected) < 4.0 * 0.025


@pytest.mark.slow
def test_the_section_is_ready_for_the_page(found: ExtraSection, results: AgainstTruth) -> None:
    (section,) = numbered(found.sections)
    assert [table.key for table in section.tables] == [
        "table-true-calibration",
        "table-gap",
        "table-coverage",
        "table-true-optimism",
    ]
    error = results.calibration_error["all"]
    assert isinstance(error, CalibrationError)
    assert np.isfinite(error.mean_absolute.value)
    assert f"{100 * error.mean_absolute.value:.1f} of 100 on average" in section.lead


@pytest.mark.slow
def test_controls_behave(found: ExtraSection, results: AgainstTruth) -> None:
    """Nothing is learnt from nothing (five errors of DeLong allowed), the planted leak fires, the
    honest table is clean.
    """
    controls = results.controls
    ranked = controls.negative.auroc_within_products
    assert isinstance(ranked, Estimate)
    assert abs(ranked.value - 0.5) <= 5 * standard_error(ranked)
    assert controls.negative.largest_mean_shap < controls.negative.largest_mean_shap_of_the_model
    assert controls.planted.is_noticed
    assert controls.leaks == ()
    assert any(
        "was noticed. No leak was found" in sentence for sentence in found.sections[0].sentences
    )


# Controls on the simulator's own patients: where nothing can be learnt nothing is, and a planted
# leak is noticed.


@pytest.fixture(scope="module")
def many(arms: dict[str, Arm]) -> Cohort:
    """4000 patients of two products."""
    return simulate_cohort(list(arms.values()), world=world_of(), n_patients=4000, seed=SEED + 1)


@pytest.fixture(scope="module")
def nothing(many: Cohort, config: ModelConfig) -> tuple[Split, RiskModel]:
    """The cohort with outcomes dealt out anew, and a model of it."""
    dealt = Cohort(
        many.observed,
        with_permuted_outcomes(many.outcomes, seed=5),
        many.course,
        many.truth,
        many.manifest,
    )
    sides = Split(*dealt.split(test_size=0.4, seed=1))
    return sides, fit(sides.training.observed, sides.training.outcomes, config=config, seed=1)


def test_dealing_keeps_the_number_of_events(many: Cohort) -> None:
    dealt = with_permuted_outcomes(many.outcomes, seed=5)
    assert dealt["crs_grade2plus"].sum() == many.outcomes["crs_grade2plus"].sum()
    assert dealt["patient_id"].tolist() == many.outcomes["patient_id"].tolist()
    assert list(dealt.columns) == list(many.outcomes.columns)


def test_where_nothing_acts_the_model_ranks_no_one(nothing: tuple[Split, RiskModel]) -> None:
    """AUROC 0.5, pooled and within products, within four standard errors (1 in 16,000 by
    chance).
    """
    sides, model = nothing
    y, risk = sides.test.outcomes["crs_grade2plus"], predict(model, sides.test.observed).risk
    for found in (
        auroc(y, risk=risk),
        auroc_within(y, risk=risk, group=sides.test.observed["product"]),
    ):
        assert isinstance(found, Estimate)
        error = (found.high - found.low) / (2 * 1.96)
        assert abs(found.value - 0.5) <= 4 * error


def test_where_nothing_acts_no_reason_has_any_size(
    nothing: tuple[Split, RiskModel], many: Cohort, config: ModelConfig
) -> None:
    """Mean |SHAP| of every clinical variable, the product among them, below 0.05 log-odds; with the
    real outcomes the largest is several times that. The out-of-fold calibration slope shrinks what
    the trees made up.
    """
    sides, model = nothing
    made_up = np.abs(explain(model, sides.test.observed).contributions).mean(axis=0)
    assert made_up.max() < 0.05
    true = fit(many.observed, many.outcomes, config=config, seed=1)
    real = np.abs(explain(true, sides.test.observed).contributions).mean(axis=0)
    assert real.max() > 0.15


@pytest.fixture(scope="module")
def limit(many: Cohort, arms: dict[str, Arm]) -> float:
    """What the oracle given what was observed reaches at most, from 120 patients of each
    product.
    """
    oracles, product = [], []
    for name, arm in arms.items():
        ids = many.observed.loc[many.observed["product"] == name, "patient_id"].to_numpy()[:120]
        patients = patients_by_id(arm, world=world_of(), seed=SEED + 1, patient_ids=ids)
        oracles.append(
            risk_of_arm(arm, patients, world=world_of(), seed=1, given="observed", n_replicates=60)
        )
        product += [name] * len(ids)
    events = np.concatenate([one.n_grade2plus.sum(axis=1) for one in oracles])
    return highest_auroc(
        Truth("what was observed", events, np.full(len(events), 60)), product=product
    )


def leaks_in(
    cohort: Cohort, observed: pd.DataFrame, model: RiskModel, limit: float
) -> tuple[Leak, ...]:
    features = build_features(observed, names=model.contract.feature_names)
    return find_leaks(
        features,
        outcome=cohort.outcomes["crs_grade2plus"],
        product=cohort.observed["product"],
        landmark_h=0,
        limit=limit,
    )


@pytest.mark.parametrize(
    ("column", "peak"), [("albumin_g_l", "min_map_mmhg"), ("has_infection", "has_fluids")]
)
def test_the_planted_leak_is_noticed(
    column: str, peak: str, many: Cohort, model: RiskModel, limit: float
) -> None:
    """A reading of the episode where the baseline value should stand, and a flag that was set when
    the ward acted.

    Of what goes wrong in an episode these say most of grade 2 (fluids in nearly all); a leak that
    says less than all that was known before cannot be told from a good feature.
    """
    planted = with_planted_leak(many.observed, many.outcomes, column=column, peak=peak)
    found = leaks_in(many, planted, model, limit)
    assert column in {leak.feature for leak in found}
    assert {leak.kind for leak in found} == {"too good"}


def test_the_honest_table_and_split_are_clean(
    many: Cohort, model: RiskModel, sides: Split, limit: float
) -> None:
    assert leaks_in(many, many.observed, model, limit) == ()
    assert (
        shared_patients(sides.training.observed["patient_id"], sides.test.observed["patient_id"])
        == ()
    )


def test_a_reading_after_the_landmark_is_noticed_by_its_name(model: RiskModel) -> None:
    names = [*model.contract.feature_names, "crp_mg_l__max__h24"]
    assert [leak.kind for leak in leaks_by_name(names, landmark_h=6)] == ["later"]
