"""Synthetic cohorts of cytokine release syndrome in solid tumours, and explained risk models
trained on them.

Research software: the patients are simulated, and no model here has been validated on real ones.

The nouns and verbs of the package stand here under one name each, and are imported when first used,
so that ``import crsrisk`` is instant and loads no scientific library:

>>> import crsrisk
>>> crsrisk.InputError.__module__
'crsrisk.errors'
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("crsrisk")
except PackageNotFoundError:  # a bare source tree on the path, not installed
    __version__ = "0.0.0+source"

# Public name -> the module that holds it. To export one more, add one line. A name must differ from
# those of the subpackages (`simulate_cohort`, not `simulate`): importing crsrisk.simulate would
# take its place.
_EXPORTS = {
    # what goes wrong
    "CRSRiskError": "crsrisk.errors",
    "InputError": "crsrisk.errors",
    "OutputError": "crsrisk.errors",
    # nouns
    "Assumption": "crsrisk.data.assumptions",
    "Assumptions": "crsrisk.data.assumptions",
    "Cohort": "crsrisk.data.cohort",
    "Design": "crsrisk.data.trial_plan",
    "Estimand": "crsrisk.data.trial_plan",
    "Explanation": "crsrisk.data.explanation",
    "FeatureContract": "crsrisk.data.risk_model",
    "Mitigation": "crsrisk.data.mitigation",
    "OperatingCharacteristics": "crsrisk.data.operating_characteristics",
    "Policy": "crsrisk.data.population",
    "Population": "crsrisk.data.population",
    "Prediction": "crsrisk.data.risk_model",
    "Product": "crsrisk.data.product",
    "Reason": "crsrisk.data.explanation",
    "RiskModel": "crsrisk.data.risk_model",
    "Scenario": "crsrisk.data.assumptions",
    "TrialPlan": "crsrisk.data.trial_plan",
    "World": "crsrisk.data.world",
    # verbs, in the order of the journey
    "load_assumptions": "crsrisk.data.world_files",
    "load_product": "crsrisk.data.world_files",
    "load_population": "crsrisk.data.world_files",
    "load_mitigation": "crsrisk.data.world_files",
    "load_policy": "crsrisk.data.world_files",
    "load_scenario": "crsrisk.data.world_files",
    "load_design": "crsrisk.data.trial_plan_file",
    "all_products": "crsrisk.data.world_files",
    "read_table": "crsrisk.data.tables",
    "read_patients": "crsrisk.data.tables",
    "load_world": "crsrisk.data.world",
    "make_arm": "crsrisk.simulation.arm",
    "simulate_cohort": "crsrisk.simulation.cohort",
    "stream_cohort": "crsrisk.simulation.cohort",
    "oracle": "crsrisk.simulation.true_risk",
    "build_features": "crsrisk.model.features",
    "CRSClassifier": "crsrisk.model.estimator",
    "fit": "crsrisk.model.fit",
    "predict": "crsrisk.model.predict",
    "OneRow": "crsrisk.model.predict",
    "explain": "crsrisk.model.explain",
    "explain_patient": "crsrisk.studies.explain",
    "explain_table": "crsrisk.studies.explain_table",
    "PatientExplanation": "crsrisk.report.explanation",
    "evaluate": "crsrisk.evaluation.evaluate",
    "update": "crsrisk.model.update",
    "update_model": "crsrisk.studies.update",
    "save_model": "crsrisk.model.store",
    "load_model": "crsrisk.model.store",
    # statistics of prophylaxis and trials
    "n_two_proportions": "crsrisk.trials.two_proportions",
    "n_farrington_manning": "crsrisk.trials.two_proportions",
    "exact_rejection_prob": "crsrisk.trials.exact_tests",
    "gs_exact_two_stage_binary": "crsrisk.trials.exact_tests",
    "gs_bounds": "crsrisk.trials.sequential",
    "gs_crossing": "crsrisk.trials.sequential",
    "gs_naive_error": "crsrisk.trials.sequential",
    "gs_sample_size_rates": "crsrisk.trials.sequential",
    "simon_two_stage": "crsrisk.trials.simon",
    "simon_oc": "crsrisk.trials.simon",
    "predictive_probability": "crsrisk.trials.single_arm",
    "bayes_single_arm_oc": "crsrisk.trials.single_arm",
    "optimal_threshold": "crsrisk.policy.threshold",
    "net_benefit": "crsrisk.policy.threshold",
    "net_benefit_of_treating": "crsrisk.policy.threshold",
    "efficacy_tipping_point": "crsrisk.policy.threshold",
    "efficacy_attenuation": "crsrisk.policy.threshold",
    "gain_over_best_default": "crsrisk.policy.threshold",
    "beta_risk_policy": "crsrisk.policy.formulas",
    "risk_policy": "crsrisk.policy.formulas",
    "policy_value_true": "crsrisk.policy.formulas",
    "policy_metrics": "crsrisk.policy.formulas",
    "budget_policy": "crsrisk.policy.formulas",
    "equity_regret": "crsrisk.policy.formulas",
    "enrichment_sample_size": "crsrisk.policy.enrichment",
    "strategy_sample_size": "crsrisk.policy.enrichment",
    "screening_moments": "crsrisk.policy.enrichment",
    "masked_outcome_rr": "crsrisk.policy.enrichment",
    "interaction_inflation": "crsrisk.policy.enrichment",
    "policy_value_estimate": "crsrisk.policy.estimate",
    "rate": "crsrisk.policy.ranking",
    "toc_curve": "crsrisk.policy.ranking",
    "rate_econml_convention": "crsrisk.policy.ranking",
    "qini_curve": "crsrisk.policy.ranking",
    "cochran_mantel_haenszel": "crsrisk.trials.intervals",
    "clopper_pearson": "crsrisk.trials.intervals",
    "wilson": "crsrisk.trials.intervals",
    "risk_difference_newcombe": "crsrisk.trials.intervals",
    "risk_difference_miettinen_nurminen": "crsrisk.trials.intervals",
    "number_needed": "crsrisk.trials.intervals",
    "frechet_bounds": "crsrisk.trials.intervals",
    "mcse_proportion": "crsrisk.trials.intervals",
    "pm_error_size_binary": "crsrisk.evaluation.sample_size",
    "pm_sample_size_binary": "crsrisk.evaluation.sample_size",
    "pm_validation_size_binary": "crsrisk.evaluation.sample_size",
    "cstat_to_r2": "crsrisk.evaluation.sample_size",
}

__all__ = sorted([*_EXPORTS, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        known = ", ".join(sorted(_EXPORTS))
        raise AttributeError(f"module 'crsrisk' has no attribute {name!r}; it has {known}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
