"""Types of the lazily imported names of crsrisk.trials."""

from crsrisk.evaluation.sample_size import (
    cstat_to_r2,
    pm_error_size_binary,
    pm_sample_size_binary,
    pm_validation_size_binary,
)
from crsrisk.policy.enrichment import (
    enrichment_sample_size,
    interaction_inflation,
    masked_outcome_rr,
    screening_moments,
    strategy_sample_size,
)
from crsrisk.policy.formulas import (
    beta_risk_policy,
    budget_policy,
    equity_regret,
    policy_metrics,
    policy_value_true,
    risk_policy,
)
from crsrisk.policy.ranking import (
    policy_value_estimate,
    qini_curve,
    rate,
    rate_econml_convention,
    toc_curve,
)
from crsrisk.policy.threshold import (
    efficacy_attenuation,
    efficacy_tipping_point,
    gain_over_best_default,
    net_benefit,
    net_benefit_of_treating,
    optimal_threshold,
)
from crsrisk.trials.claims import (
    power_of_claims,
    sample_size_of_claims,
)
from crsrisk.trials.exact_tests import (
    exact_rejection_probability,
    exact_two_stage_binary,
)
from crsrisk.trials.interim_power import (
    conditional_power,
    predictive_power,
)
from crsrisk.trials.intervals import (
    clopper_pearson,
    cochran_mantel_haenszel,
    frechet_bounds,
    mcse_proportion,
    number_needed,
    risk_difference_miettinen_nurminen,
    risk_difference_newcombe,
    wilson,
)
from crsrisk.trials.multiplicity import (
    dunnett_critical_value,
)
from crsrisk.trials.sequential import (
    group_sequential_bounds,
    group_sequential_crossing,
    group_sequential_sample_size,
    naive_repeated_looks_error,
)
from crsrisk.trials.simon import (
    simon_operating_characteristics,
    simon_two_stage,
)
from crsrisk.trials.single_arm import (
    bayes_single_arm,
    predictive_probability,
)
from crsrisk.trials.single_stage import (
    exact_single_stage,
)
from crsrisk.trials.two_proportions import (
    power_two_proportions,
    sample_size_noninferiority,
    sample_size_two_proportions,
)

__all__ = [
    "bayes_single_arm",
    "beta_risk_policy",
    "budget_policy",
    "clopper_pearson",
    "cochran_mantel_haenszel",
    "conditional_power",
    "cstat_to_r2",
    "dunnett_critical_value",
    "efficacy_attenuation",
    "efficacy_tipping_point",
    "enrichment_sample_size",
    "equity_regret",
    "exact_rejection_probability",
    "exact_single_stage",
    "exact_two_stage_binary",
    "frechet_bounds",
    "gain_over_best_default",
    "group_sequential_bounds",
    "group_sequential_crossing",
    "group_sequential_sample_size",
    "interaction_inflation",
    "masked_outcome_rr",
    "mcse_proportion",
    "naive_repeated_looks_error",
    "net_benefit",
    "net_benefit_of_treating",
    "number_needed",
    "optimal_threshold",
    "pm_error_size_binary",
    "pm_sample_size_binary",
    "pm_validation_size_binary",
    "policy_metrics",
    "policy_value_estimate",
    "policy_value_true",
    "power_of_claims",
    "power_two_proportions",
    "predictive_power",
    "predictive_probability",
    "qini_curve",
    "rate",
    "rate_econml_convention",
    "risk_difference_miettinen_nurminen",
    "risk_difference_newcombe",
    "risk_policy",
    "sample_size_noninferiority",
    "sample_size_of_claims",
    "sample_size_two_proportions",
    "screening_moments",
    "simon_operating_characteristics",
    "simon_two_stage",
    "strategy_sample_size",
    "toc_curve",
    "wilson",
]
