"""Synthetic cohorts of cytokine release syndrome in solid tumours, and explained risk models trained on them.

Research software: the patients are simulated, and no model here has been validated on real ones.

The nouns and verbs of the package stand here under one name each, and are imported when first used, so that
``import crsrisk`` is instant and loads no scientific library:

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

# Public name -> the module that holds it. To export one more, add one line. A name must differ from those of
# the subpackages (`simulate_cohort`, not `simulate`): importing crsrisk.simulate would take its place.
_EXPORTS = {
    # what goes wrong
    "CrsriskError": "crsrisk.errors",
    "InputError": "crsrisk.errors",
    "OutputError": "crsrisk.errors",
    # nouns
    "Assumption": "crsrisk.domain.assumptions",
    "Assumptions": "crsrisk.domain.assumptions",
    "Cohort": "crsrisk.domain.cohort",
    "Design": "crsrisk.domain.trial",
    "Estimand": "crsrisk.domain.estimand",
    "Explanation": "crsrisk.domain.explanation",
    "FeatureContract": "crsrisk.domain.risk_model",
    "Mitigation": "crsrisk.domain.mitigation",
    "OperatingCharacteristics": "crsrisk.domain.operating_characteristics",
    "Policy": "crsrisk.domain.population",
    "Population": "crsrisk.domain.population",
    "Prediction": "crsrisk.domain.risk_model",
    "Product": "crsrisk.domain.product",
    "Reason": "crsrisk.domain.explanation",
    "RiskModel": "crsrisk.domain.risk_model",
    "Scenario": "crsrisk.domain.assumptions",
    "TrialPlan": "crsrisk.domain.trial",
    "World": "crsrisk.domain.world",
    # verbs, in the order of the journey
    "load_assumptions": "crsrisk.read.world",
    "load_product": "crsrisk.read.world",
    "load_population": "crsrisk.read.world",
    "load_mitigation": "crsrisk.read.world",
    "load_policy": "crsrisk.read.world",
    "load_scenario": "crsrisk.read.world",
    "load_design": "crsrisk.read.design",
    "all_products": "crsrisk.read.world",
    "read_table": "crsrisk.read.tables",
    "read_patients": "crsrisk.read.tables",
    "load_world": "crsrisk.simulate.world",
    "make_arm": "crsrisk.simulate.arm",
    "simulate_cohort": "crsrisk.simulate.cohort",
    "stream_cohort": "crsrisk.simulate.cohort",
    "oracle": "crsrisk.simulate.truth",
    "build_features": "crsrisk.features.table",
    "CrsClassifier": "crsrisk.learn.estimator",
    "fit": "crsrisk.learn.fit",
    "predict": "crsrisk.learn.predict",
    "OneRow": "crsrisk.learn.one_row",
    "explain": "crsrisk.learn.explain",
    "evaluate": "crsrisk.learn.evaluate",
    "update": "crsrisk.learn.update",
    "save_model": "crsrisk.learn.store",
    "load_model": "crsrisk.learn.store",
    # statistics of prophylaxis and trials
    "n_two_proportions": "crsrisk.decide.two_proportions",
    "n_farrington_manning": "crsrisk.decide.two_proportions",
    "exact_rejection_prob": "crsrisk.decide.exact_tests",
    "gs_exact_two_stage_binary": "crsrisk.decide.exact_tests",
    "gs_bounds": "crsrisk.decide.sequential",
    "gs_crossing": "crsrisk.decide.sequential",
    "gs_naive_error": "crsrisk.decide.sequential",
    "gs_sample_size_rates": "crsrisk.decide.sequential",
    "simon_two_stage": "crsrisk.decide.simon",
    "simon_oc": "crsrisk.decide.simon",
    "predictive_probability": "crsrisk.decide.bayes_single_arm",
    "bayes_single_arm_oc": "crsrisk.decide.bayes_single_arm",
    "optimal_threshold": "crsrisk.decide.threshold",
    "net_benefit": "crsrisk.decide.threshold",
    "net_benefit_of_treating": "crsrisk.decide.threshold",
    "efficacy_tipping_point": "crsrisk.decide.threshold",
    "efficacy_attenuation": "crsrisk.decide.threshold",
    "gain_over_best_default": "crsrisk.decide.threshold",
    "beta_risk_policy": "crsrisk.decide.policy_formulas",
    "risk_policy": "crsrisk.decide.policy_formulas",
    "policy_value_true": "crsrisk.decide.policy_formulas",
    "policy_metrics": "crsrisk.decide.policy_formulas",
    "budget_policy": "crsrisk.decide.policy_formulas",
    "equity_regret": "crsrisk.decide.policy_formulas",
    "enrichment_sample_size": "crsrisk.decide.enrichment",
    "strategy_sample_size": "crsrisk.decide.enrichment",
    "screening_moments": "crsrisk.decide.enrichment",
    "masked_outcome_rr": "crsrisk.decide.enrichment",
    "interaction_inflation": "crsrisk.decide.enrichment",
    "policy_value_estimate": "crsrisk.decide.policy_estimate",
    "rate": "crsrisk.decide.ranking",
    "toc_curve": "crsrisk.decide.ranking",
    "rate_econml_convention": "crsrisk.decide.ranking",
    "qini_curve": "crsrisk.decide.ranking",
    "cochran_mantel_haenszel": "crsrisk.decide.stratified",
    "clopper_pearson": "crsrisk.decide.intervals",
    "wilson": "crsrisk.decide.intervals",
    "risk_difference_newcombe": "crsrisk.decide.intervals",
    "risk_difference_miettinen_nurminen": "crsrisk.decide.intervals",
    "number_needed": "crsrisk.decide.intervals",
    "frechet_bounds": "crsrisk.decide.intervals",
    "mcse_proportion": "crsrisk.decide.intervals",
    "pm_error_size_binary": "crsrisk.learn.sample_size",
    "pm_sample_size_binary": "crsrisk.learn.sample_size",
    "pm_validation_size_binary": "crsrisk.learn.sample_size",
    "cstat_to_r2": "crsrisk.learn.sample_size",
}

__all__ = sorted([*_EXPORTS, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        known = ", ".join(sorted(_EXPORTS))
        raise AttributeError(f"module 'crsrisk' has no attribute {name!r}; it has {known}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
