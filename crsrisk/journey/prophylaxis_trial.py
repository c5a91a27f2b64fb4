"""Prophylaxis trial: which trial the answer recommends, and how large it would have to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.decide.two_proportions import n_two_proportions

POWERS = (0.8, 0.9)


def recommend(
    over: Mapping[str, Any], answers: Mapping[str, Any], *, rules: Mapping[str, tuple[str, float | None]]
) -> dict[str, Any]:
    """The trial that follows from the best rule over the ensemble.

    ``over``: of ``over_members``; ``answers``: of ``judge_strategy`` by strategy; ``rules``: name -> strategy and threshold.
    Sizes are for the median effect over the ensemble, for the least favourable end of its interval (None when that is no
    effect), and for need of support instead of grade, which hidden fever does not touch.
    """
    strategy, threshold = rules[over["best"]]
    ranked = sorted(over["rules"], key=lambda row: -row["mean_net_benefit_per_100"])
    if strategy == "none":
        candidates = [row for row in ranked if row["rule"] != over["best"]]
        strategy, threshold = rules[candidates[0]["rule"]] if candidates else ("none", None)
        is_worth_it = False
    else:
        is_worth_it = True
    effect, rate = over["effects"][strategy], over["base_rate"]["value"]
    subgroup = answers[strategy]["ledger"]
    sizes = {
        "median effect": _size(rate, effect["risk_ratio"]["value"]),
        "least effect of the 95% interval": _size(rate, effect["risk_ratio"]["high"]),
        "median effect on need of support": _size(rate, effect["support_ratio"]["value"]),
    }
    return {"strategy": strategy, "threshold": threshold, "rule": over["best"], "is_worth_it": is_worth_it,
            "control_rate": rate, "risk_ratio": effect["risk_ratio"], "sizes": sizes,
            "threshold_of_the_ledger": subgroup["threshold"], "runner_up": ranked[1]["rule"] if len(ranked) > 1 else None,
            "margin_over_runner_up_per_100": ranked[0]["mean_net_benefit_per_100"] - ranked[1]["mean_net_benefit_per_100"]
            if len(ranked) > 1 else None}


def _size(rate: float, ratio: float) -> dict[str, float | int | None]:
    """Patients an arm (two arms, one-sided 2.5%, pooled z) by power."""
    treated = rate * ratio
    if not 0.0 < treated < rate < 1.0:
        return {"control": rate, "treated": treated, **{f"n_per_arm_{power:g}": None for power in POWERS}}
    return {"control": rate, "treated": treated, **{
        f"n_per_arm_{power:g}": n_two_proportions(p_treat=treated, p_control=rate, power=power).n_per_arm_ceil
        for power in POWERS}}
