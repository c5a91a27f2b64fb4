"""Prophylaxis: who should get it, among simulated patients whose potential outcomes are known, and over what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crsrisk import __version__
from crsrisk.belief.constants import RESCUE, constants_met, shared_constants
from crsrisk.domain.potential_outcomes import Strategy
from crsrisk.domain.risk_model import RiskModel
from crsrisk.domain.world import World
from crsrisk.folders import find, names
from crsrisk.journey.prophylaxis_cohort import Begin, Judged, Scores, judge_patients
from crsrisk.journey.prophylaxis_groups import how_common
from crsrisk.journey.prophylaxis_information import ends_table, over_members, rules_table, what_to_measure
from crsrisk.journey.prophylaxis_policies import judge_strategy
from crsrisk.journey.prophylaxis_ranked import Plan
from crsrisk.journey.prophylaxis_request import Request, checked_strategies
from crsrisk.journey.prophylaxis_trial import recommend
from crsrisk.journey.prophylaxis_worlds import (
    NOBODY,
    Rule,
    consequence_constants,
    harms_of,
    one_at_a_time,
    over_ensemble,
    over_scenarios,
)
from crsrisk.learn.store import load_model
from crsrisk.read.ensemble import load_ensemble
from crsrisk.read.world import load_product
from crsrisk.report.prophylaxis_content import prophylaxis_content
from crsrisk.simulate.arm import Arm, make_arm
from crsrisk.simulate.strategies import strategy_arm
from crsrisk.simulate.world import load_world

NOTICE = ("Research use, synthetic data, no external validation; a design scenario, never advice on a patient.")


def _arm(asked: Request, world: World) -> Arm:
    return make_arm(load_product(asked.product), world=world, regimen=asked.regimen)


def _rules(judged: Judged, answers: Mapping[str, Any]) -> list[Rule]:
    """Nobody, everybody by each strategy, and by risk where the threshold of the ledger lies between 0 and 1."""
    rules = [NOBODY]
    for name in judged.outcomes.names[1:]:
        rules.append(Rule(name))
        start = answers[name]["ledger"]["threshold"]["value"]
        if start is not None and 0.0 < start < 1.0:
            rules.append(Rule(name, round(start, 2)) if round(start, 2) > 0.0 else Rule(name, start))
    return rules


def design_prophylaxis(asked: Request, *, begin: Begin, workers: int = 1) -> dict[str, Any]:
    """The whole answer as one dictionary, ready for JSON: results under their names, and sections for people.

    Raises :class:`InputError` for what cannot be asked: see :class:`Request` and `crsrisk prophylaxis --help`.
    """
    strategies = checked_strategies(asked)
    world = asked.weights.put_into(load_world(asked.scenario))
    harms = harms_of(world)
    model: RiskModel | None = load_model(find("released", asked.model)) if asked.model else None
    arm = _arm(asked, world)
    for strategy in strategies:  # an unknown agent or an impossible regimen is refused before anything is computed
        strategy_arm(arm, strategy, world=world)
    judged, scores = judge_patients(arm, strategies, world=world, seed=asked.seed, sizes=asked.sizes, model=model,
                                    begin=begin, workers=workers)
    plan = Plan(harms, asked.planned_world, asked.doses_per_100, asked.n_resamples, asked.seed)
    answers = {name: judge_strategy(judged, name, plan) for name in judged.outcomes.names[1:]}
    rules = _rules(judged, answers)
    found = _over_worlds(asked, arm, judged, world, rules, scores, begin, workers)
    results = {
        "format": "crsrisk-prophylaxis-1", "notice": NOTICE, "question": asked.question,
        "setting": _setting(asked, arm, judged),
        "common": how_common(judged, plan), "strategies": answers, **found,
        "recommendation": recommend(found["ensemble"], answers,
                                    rules={rule.name: (rule.strategy, rule.threshold) for rule in rules}),
    }
    return prophylaxis_content(as_plain(results))


def _over_worlds(
    asked: Request, arm: Arm, judged: Judged, world: World, rules: list[Rule], scores: Scores, begin: Begin, workers: int
) -> dict[str, Any]:
    """Scenarios, ensemble, value of information, and each assumption at its ends."""
    strategies, seed = judged.outcomes.strategies[1:], asked.seed + 1
    scenarios = {name: asked.weights.put_into(load_world(name)) for name in names("scenarios")}
    by_scenario = over_scenarios(arm, strategies, worlds=scenarios, rules=rules, scores=scores, n=asked.scenario_patients,
                                 seed=seed, workers=workers, advance=begin("Scenarios", len(scenarios)))
    ensemble = load_ensemble()
    n_members = min(asked.members or len(ensemble), len(ensemble))
    members = over_ensemble(arm, strategies, ensemble=ensemble, world=world, rules=rules, scores=scores,
                            n=asked.member_patients, n_members=n_members, seed=seed + 1, workers=workers,
                            advance=begin("Ensemble of assumptions", n_members))
    ends = one_at_a_time(arm, strategies, world=world, rules=rules, scores=scores, n=asked.assumption_patients, seed=seed,
                         response_world=asked.planned_world, workers=workers, advance=begin("Consequences, end by end", 20))
    return {"rules": [{"name": rule.name, "strategy": rule.strategy, "threshold": rule.threshold} for rule in rules],
            "scenarios": rules_table(by_scenario, rules), "ensemble": over_members(members, rules),
            "information": what_to_measure(members, rules, world=world, met=_met(arm, strategies, world), seed=asked.seed),
            "ends": ends_table(ends, rules)}


def _met(arm: Arm, strategies: Sequence[Strategy], world: World) -> set[str]:
    """Uncertain numbers that the answer can depend on: not those of other drugs and other wards."""
    agents = {*RESCUE, *(one.mitigation for one in arm.regimen.premedication), *arm.mitigations,
              *(name for strategy in strategies for name in strategy.mitigations)}
    shared = constants_met(world, [arm.product], policies={arm.policy.name})
    drugs = [one for one in shared_constants(world) if one.key.startswith("mitigation:")
             and one.key.removeprefix("mitigation:").split(".")[0] in agents]
    return {one.key for one in (*shared, *drugs, *consequence_constants(world))}


def _setting(asked: Request, arm: Arm, judged: Judged) -> dict[str, Any]:
    return {
        "product": arm.product.name, "label": arm.product.label, "regimen": arm.regimen_name, "window_d": arm.window_d,
        "population": arm.population.label, "scenario": asked.scenario, "seed": asked.seed, "version": __version__,
        "n_patients": asked.sizes.patients, "repetitions": asked.sizes.repetitions,
        "n_training_per_arm": asked.sizes.training,
        "score": judged.origin, "strategies": list(judged.outcomes.names[1:]), "response_world": asked.response_world,
        "doses_per_100": list(asked.doses_per_100), "n_resamples": asked.n_resamples,
        "member_patients": asked.member_patients, "scenario_patients": asked.scenario_patients,
    }


def as_plain(value: Any) -> Any:
    """Numbers of numpy as Python's own, infinite and missing ones as None, names of mappings as text."""
    if isinstance(value, Mapping):
        return {str(key): as_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


