"""The part of a judgement against the truth, on a small cohort: everything is there, adds up, and reaches the page."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from crsrisk.domain.cohort import Cohort, subset
from crsrisk.domain.risk_model import RiskModel
from crsrisk.features.table import FeatureConfig
from crsrisk.journey.against_truth import truth_part
from crsrisk.journey.development import Development
from crsrisk.journey.judgement import Inquiry, Material
from crsrisk.journey.learning import Split, choose_for_truth, re_simulate, truth_of
from crsrisk.learn.resampling import refit_in_resamples
from crsrisk.report.judgement import Further
from crsrisk.report.sections import numbered
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.cohort import simulate_cohort
from tests.journey.conftest import SEED
from tests.simulate.people import world_of

INQUIRY = {
    "kind": "judgement", "name": "small", "question": "?", "config": "baseline", "scenario": "reference", "products": [],
    "seed": SEED, "n_patients": 600, "test_share": 0.3, "threshold": 0.3, "bootstrap": 50, "tuning_trials": 0, "refits": 20,
    "tuned_refits": 0, "left_out": [], "sites_at_most": 2, "truth_patients": 80, "truth_repetitions": 40,
    "baseline_repetitions": 40, "curve_sizes": [200], "curve_developments": 2, "curve_judged_in": 400}


@pytest.fixture(scope="module")
def found(arms: dict[str, Arm], sides: Split, config: FeatureConfig, model: RiskModel) -> Further:
    world, development = world_of(), Development(config)
    repeats = refit_in_resamples(sides.training.observed, sides.training.outcomes, refit=development.refit,
                                 tune_and_refit=None, n_resamples=20, seed=1, workers=2)
    ids = choose_for_truth(sides.test, n=80)
    truths = [truth_of(re_simulate(sides.test, ids=ids, arms=arms, world=world, seed=SEED, repetitions=40, given=given,
                                   workers=2, advance=None), ids=ids, name=given) for given in ("observed", "baseline")]
    known = subset(sides.test, patient_ids=ids)
    known = Cohort(*(table.set_index("patient_id", drop=False).loc[ids].reset_index(drop=True)
                     for table in (known.observed, known.outcomes, known.course)))
    pool = simulate_cohort(list(arms.values()), world=world, n_patients=3000, seed=SEED, start=10_000)
    inquiry = Inquiry.model_validate(INQUIRY)
    material = Material(inquiry, world, arms, sides, pool, development, model, repeats, known, *truths)
    return truth_part(workers=2, begin=lambda title, total: lambda n: None)(material)


@pytest.mark.slow
def test_every_figure_has_its_monte_carlo_error_and_json_holds_it(found: Further) -> None:
    json.dumps(found.results, allow_nan=False)
    assert found.name == "against_the_truth"
    for name in ("mean_absolute", "p90_absolute", "bias", "root_mean_squared"):
        assert found.results["calibration_error"]["all"][name]["mc_error"] > 0
    assert set(found.results["calibration_error"]) == {"all", "tarlatamab", "psma_masked_engager"}


@pytest.mark.slow
def test_parts_add_up(found: Further) -> None:
    for parts in found.results["gap"].values():
        for one in parts:
            total = sum(one[name]["value"] for name in ("irreducible", "unobserved", "estimation"))
            assert total == pytest.approx(one["total"]["value"])


@pytest.mark.slow
def test_each_interval_method_is_covered_by_band_and_product(found: Further) -> None:
    methods = found.results["coverage"]
    assert len(methods) == 3
    for groups in methods.values():
        assert {"all", "tarlatamab", "psma_masked_engager"} < set(groups)
        assert 0 < groups["all"]["mean_width"] < 1


@pytest.mark.slow
def test_apparent_performance_is_praised_beyond_the_truth(found: Further) -> None:
    """A model of 400 patients looks better in them than the correction says of the same patients (log loss).

    Beside 3000 others the chance of who had the event among the 400, an SD of about 0.024, outweighs the optimism; so the
    truth is only asked to lie within four of its standard errors (0.025 with that of the 3000) of what was corrected.
    """
    told: dict[str, Any] = found.results["optimism"]
    assert set(told["claims"]) == {"apparent", "bootstrap-corrected", "cross-validation", "held-out patients"}
    corrected = told["claims"]["bootstrap-corrected"]["log_loss"]
    assert told["claims"]["apparent"]["log_loss"] < corrected
    assert told["fresh"]["log_loss"]["mc_error"] < 0.02
    assert abs(told["fresh"]["log_loss"]["value"] - corrected) < 4.0 * 0.025


@pytest.mark.slow
def test_the_section_is_ready_for_the_page(found: Further) -> None:
    (section,) = numbered(found.sections)
    assert [table["key"] for table in section["tables"]] == [
        "table-true-calibration", "table-gap", "table-coverage", "table-true-optimism"]
    value = 100 * found.results["calibration_error"]["all"]["mean_absolute"]["value"]
    assert np.isfinite(value)
    assert f"{value:.1f} of 100 on average" in section["lead"]


@pytest.mark.slow
def test_controls_behave(found: Further) -> None:
    """Nothing is learnt from nothing (five errors of DeLong allowed), the planted leak fires, the honest table is clean."""
    controls = found.results["controls"]
    ranked = controls["negative"]["auroc_within_product"]
    assert abs(ranked["value"] - 0.5) <= 5 * (ranked["high"] - ranked["low"]) / (2 * 1.96)
    assert controls["negative"]["largest_mean_shap"] < controls["negative"]["largest_mean_shap_of_the_model"]
    assert controls["planted"]["is_noticed"]
    assert controls["leaks"] == []
    assert any("was noticed. No leak was found" in sentence for sentence in found.sections[0]["sentences"])
