"""Trial statistics: how many patients, when a trial may stop, what it showed, whom to treat.

Every function is found here under one name and imported when it is first used:

>>> from crsrisk import trials
>>> trials.sample_size_two_proportions(0.125, 0.25, power=0.8).n_per_arm_ceil
152

The types are declared beside this file, in ``__init__.pyi``. The trials of a design file are
simulated by :func:`crsrisk.run_trial`.
"""

from __future__ import annotations

from importlib import import_module

# Name -> the module that holds it. To add one, write it here and in __init__.pyi.
_EXPORTS = {
    # patients that a comparison needs, and what its test really does
    "sample_size_two_proportions": "crsrisk.trials.two_proportions",
    "sample_size_noninferiority": "crsrisk.trials.two_proportions",
    "exact_rejection_probability": "crsrisk.trials.exact_tests",
    "exact_two_stage_binary": "crsrisk.trials.exact_tests",
    # when a trial may stop
    "group_sequential_bounds": "crsrisk.trials.sequential",
    "group_sequential_sample_size": "crsrisk.trials.sequential",
    "group_sequential_crossing": "crsrisk.trials.sequential",
    "naive_repeated_looks_error": "crsrisk.trials.sequential",
    "simon_two_stage": "crsrisk.trials.simon",
    "simon_operating_characteristics": "crsrisk.trials.simon",
    "predictive_probability": "crsrisk.trials.single_arm",
    "bayes_single_arm": "crsrisk.trials.single_arm",
    # what a trial showed
    "clopper_pearson": "crsrisk.trials.intervals",
    "wilson": "crsrisk.trials.intervals",
    "risk_difference_newcombe": "crsrisk.trials.intervals",
    "risk_difference_miettinen_nurminen": "crsrisk.trials.intervals",
    "number_needed": "crsrisk.trials.intervals",
    "cochran_mantel_haenszel": "crsrisk.trials.intervals",
    "frechet_bounds": "crsrisk.trials.intervals",
    "mcse_proportion": "crsrisk.trials.intervals",
    # who should be treated
    "optimal_threshold": "crsrisk.policy.threshold",
    "net_benefit": "crsrisk.policy.threshold",
    "net_benefit_of_treating": "crsrisk.policy.threshold",
    "gain_over_best_default": "crsrisk.policy.threshold",
    "efficacy_tipping_point": "crsrisk.policy.threshold",
    "efficacy_attenuation": "crsrisk.policy.threshold",
    "beta_risk_policy": "crsrisk.policy.formulas",
    "risk_policy": "crsrisk.policy.formulas",
    "policy_value_true": "crsrisk.policy.formulas",
    "policy_metrics": "crsrisk.policy.formulas",
    "budget_policy": "crsrisk.policy.formulas",
    "equity_regret": "crsrisk.policy.formulas",
    # trials that use a prediction
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
    # patients that a prediction model needs
    "pm_sample_size_binary": "crsrisk.evaluation.sample_size",
    "pm_error_size_binary": "crsrisk.evaluation.sample_size",
    "pm_validation_size_binary": "crsrisk.evaluation.sample_size",
    "cstat_to_r2": "crsrisk.evaluation.sample_size",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        known = ", ".join(__all__)
        raise AttributeError(f"module 'crsrisk.trials' has no attribute {name!r}; it has {known}")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
