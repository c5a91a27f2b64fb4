"""Prophylaxis trial: which trial the answer recommends, and how large it would have to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.decide.two_proportions import n_two_proportions

POWERS = (0.8, 0.9)
ENOUGH_WORLDS = 0.1  # share of worlds in which a rival drug is best that calls for an arm of its own


def recommend(
    over: Mapping[str, Any], answers: Mapping[str, Any], *, rules: Mapping[str, tuple[str, float | None]]
) -> dict[str, Any]:
    """The trial that follows from the best rule over the ensemble.

    ``over``: of ``over_members``; ``answers``: of ``judge_strategy`` by strategy; ``rules``: name -> strategy and threshold.
    Sizes are for the median effect over the ensemble, for the least favourable end of its interval (None when that is no
    effect), and for need of support instead of grade, which hidden fever does not touch.
    """
    by_name = {row["rule"]: row for row in over["rules"]}
    best, rival = by_name[over["best"]], by_name[over["rival"]]
    chosen = best if rules[over["best"]][0] != "none" else rival
    strategy, threshold = rules[chosen["rule"]]
    effect, rate = over["effects"][strategy], over["base_rate"]["value"]
    sizes = {
        "median effect": _size(rate, effect["risk_ratio"]["value"]),
        "least effect of the 95% interval": _size(rate, effect["risk_ratio"]["high"]),
        "median effect on need of support": _size(over["base_support"]["value"], effect["support_ratio"]["value"]),
    }
    return {"strategy": strategy, "threshold": threshold, "rule": chosen["rule"], "best_rule": best["rule"],
            "best_rule_by_support": over["best_by_support"], "is_worth_it": best is chosen,
            "mean_net_benefit_per_100": chosen["mean_net_benefit_per_100"],
            "probability_best": over["probability_strategy_best"][rules[over["best"]][0]],
            "control_rate": rate, "risk_ratio": effect["risk_ratio"], "support_ratio": effect["support_ratio"],
            "infections_added": effect["infections_added"], "responses_lost": effect["responses_lost"], "sizes": sizes,
            "threshold_of_the_ledger": answers[strategy]["ledger"]["threshold"], "rival": rival["rule"],
            "third_arm": _third_arm(over, strategy, rules[rival["rule"]][0]),
            "margin_over_rival_per_100": best["mean_net_benefit_per_100"] - rival["mean_net_benefit_per_100"]}


def _third_arm(over: Mapping[str, Any], strategy: str, rival: str) -> str | None:
    """The rival drug when it is the best one in a tenth of the worlds or more."""
    is_drug = rival not in ("none", strategy)
    return rival if is_drug and over["probability_strategy_best"][rival] >= ENOUGH_WORLDS else None


def _size(rate: float, ratio: float) -> dict[str, float | int | None]:
    """Patients an arm (two arms, one-sided 2.5%, pooled z) by power."""
    treated = rate * ratio
    if not 0.0 < treated < rate < 1.0:
        return {"control": rate, "treated": treated, **{f"n_per_arm_{power:g}": None for power in POWERS}}
    return {"control": rate, "treated": treated, **{
        f"n_per_arm_{power:g}": n_two_proportions(p_treat=treated, p_control=rate, power=power).n_per_arm_ceil
        for power in POWERS}}
