"""The same rules in many worlds: under every scenario, in every member of the ensemble of
assumptions, and with one consequence after the other moved to the ends of its range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.potential_outcomes import (
    RESPONSE_WORLDS,
    Harms,
    PotentialOutcomes,
    ResponseWorld,
    Strategy,
)
from crsrisk.data.world import World
from crsrisk.executor import each_done
from crsrisk.policy.cohort import Scores, harms_of
from crsrisk.policy.strategy_value import StrategyValue, usable_threshold
from crsrisk.policy.table import FloatArray, IndividualEffects, at_or_above, realised_effects
from crsrisk.policy.tipping import crossing
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import Tracks, potential_outcomes, simulate_strategies
from crsrisk.uncertainty.constants import (
    RESCUE,
    Constant,
    constants_met,
    prior_values,
    shared_constants,
    with_product_values,
    with_world_values,
)
from crsrisk.uncertainty.forecast import member_values

Advance = Callable[[int], None]
STEM = "consequences"
# judgements, which no study measures
JUDGEMENTS = ("infection_weight", "response_weight", "burden_per_course")


@dataclass(frozen=True)
class Rule:
    """A decision that could be written into a protocol: nobody, everybody, or everybody at or above
    a risk. ``name`` says it as a column of the tables.

    >>> Rule("tocilizumab", 0.2).name
    'tocilizumab, risk >= 0.20'
    """

    strategy: str
    threshold: float | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        who = "all" if self.threshold is None else f"risk >= {self.threshold:.2f}"
        name = "none" if self.is_nobody else f"{self.strategy}, {who}"
        object.__setattr__(self, "name", name)

    @property
    def is_nobody(self) -> bool:
        """Whether it gives nobody prophylaxis."""
        return self.strategy == "none"


NOBODY = Rule("none")


def rules_of(values: Mapping[str, StrategyValue]) -> list[Rule]:
    """Nobody, everybody by each strategy, and by risk where the threshold of the ledger lies
    between 0 and 1.
    """
    rules = [NOBODY]
    for name, value in values.items():
        rules.append(Rule(name))
        start = usable_threshold(value.ledger)
        if start is not None:
            rules.append(Rule(name, round(start, 2) or start))
    return rules


@dataclass(frozen=True)
class ArmEvents:
    """Events of an arm among those whom a rule treats: CRS of grade >= 2, need of support, both in
    one patient, and the share given anything.
    """

    crs: float
    support: float
    both: float
    given: float

    @property
    def overlap(self) -> float | None:
        """Patients with both events, from the fewest that the two rates allow (0) to the most (1);
        None where they allow one number only.
        """
        low, high = max(0.0, self.crs + self.support - 1.0), min(self.crs, self.support)
        return (self.both - low) / (high - low) if high - low > 1e-12 else None


@dataclass(frozen=True)
class RuleValues:
    """One world: rates without prophylaxis, effects of each strategy in everybody, and the net
    benefit of each rule.

    Parameters
    ----------
    base_rate, base_support : rate of CRS of grade >= 2 and of needing support.
    risk_ratio, support_ratio : by strategy, of CRS of grade >= 2 and of needing support (which
        hidden fever does not touch).
    infections_added, responses_lost : by strategy, a patient; responses under mediation.
    treated : share treated, by rule.
    net_benefit : a patient in CRS events, by world of response and rule.
    net_benefit_by_support : the same counted by need of support instead of grade, under mediation.
    mc_error : Monte Carlo error of the net benefit under mediation, by rule.
    arms : by rule and strategy ("none" among them), the events of those whom the rule treats; no
        rule that treats nobody.
    """

    base_rate: float
    base_support: float
    risk_ratio: Mapping[str, float]
    support_ratio: Mapping[str, float]
    infections_added: Mapping[str, float]
    responses_lost: Mapping[str, float]
    treated: Mapping[str, float]
    net_benefit: Mapping[ResponseWorld, Mapping[str, float]]
    net_benefit_by_support: Mapping[str, float]
    mc_error: Mapping[str, float]
    arms: Mapping[str, Mapping[str, ArmEvents]]


@dataclass(frozen=True)
class RuleStudy:
    """What is the same in every world: strategies, the rules to value, scores, and threads."""

    strategies: Sequence[Strategy]
    rules: Sequence[Rule]
    scores: Scores
    workers: int = 1


def value_rules(
    study: RuleStudy,
    *,
    arm: Arm,
    world: World,
    n: int,
    seed: int,
    simulated: Sequence[Tracks] | None = None,
) -> RuleValues:
    """Simulate ``n`` patients of this world under every strategy and value the rules by what
    happens to them. ``simulated``: their courses, known from a world with other consequences.
    """
    rules = study.rules
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    outcomes = potential_outcomes(
        arm,
        study.strategies,
        patients=patients,
        world=world,
        seed=seed,
        workers=study.workers,
        simulated=simulated,
    )
    needs_score = any(rule.threshold is not None for rule in rules)
    risk = (
        study.scores.risk_of(observe(patients, arm=arm, world=world, seed=seed))
        if needs_score
        else np.zeros(n)
    )
    harms, names = harms_of(world.assumptions), outcomes.names[1:]
    effects = {
        response_world: {
            name: realised_effects(outcomes, name, response_world=response_world) for name in names
        }
        for response_world in RESPONSE_WORLDS
    }
    mediated = effects["mediation"]
    by_support = {
        name: realised_effects(outcomes, name, response_world="mediation", by_support=True)
        for name in names
    }
    support = outcomes.needs_support.mean(axis=1)
    treated = {rule.name: _treated(rule, risk) for rule in rules}

    def net_benefit(of: Mapping[str, IndividualEffects]) -> dict[str, float]:
        return {
            rule.name: float(_gain(rule, of, treated[rule.name], harms).mean()) for rule in rules
        }

    return RuleValues(
        base_rate=float(outcomes.event("none").mean()),
        base_support=float(support[0]),
        risk_ratio={name: effect.risk_ratio for name, effect in mediated.items()},
        support_ratio={
            name: float(support[outcomes.index(name)] / max(support[0], 1e-12)) for name in names
        },
        infections_added={
            name: float(effect.infections_added.mean()) for name, effect in mediated.items()
        },
        responses_lost={
            name: float(effect.responses_lost.mean()) for name, effect in mediated.items()
        },
        treated={name: float(share.mean()) for name, share in treated.items()},
        net_benefit={name: net_benefit(of) for name, of in effects.items()},
        net_benefit_by_support=net_benefit(by_support),
        mc_error={
            rule.name: float(_gain(rule, mediated, treated[rule.name], harms).std() / np.sqrt(n))
            for rule in rules
        },
        arms={
            name: {
                strategy: _arm_events(outcomes, strategy, chosen > 0.0)
                for strategy in outcomes.names
            }
            for name, chosen in treated.items()
            if chosen.any()
        },
    )


def _arm_events(outcomes: PotentialOutcomes, strategy: str, chosen: NDArray[np.bool_]) -> ArmEvents:
    crs, support = (
        flags[chosen]
        for flags in (
            outcomes.event(strategy),
            outcomes.needs_support[outcomes.index(strategy)],
        )
    )
    given = outcomes.is_exposed[outcomes.index(strategy)][chosen]
    return ArmEvents(
        crs=float(crs.mean()),
        support=float(support.mean()),
        both=float((crs & support).mean()),
        given=float(given.mean()),
    )


def _treated(rule: Rule, risk: FloatArray) -> FloatArray:
    if rule.is_nobody:
        return np.zeros(len(risk))
    return np.ones(len(risk)) if rule.threshold is None else at_or_above(risk, rule.threshold)


def _gain(
    rule: Rule, effects: Mapping[str, IndividualEffects], treated: FloatArray, harms: Harms
) -> FloatArray:
    """Net benefit of a rule by patient."""
    return treated if rule.is_nobody else treated * effects[rule.strategy].gain(harms)


def consequence_constants(world: World) -> list[Constant]:
    """The uncertain consequences: not calibrated, since no figure of CRS says anything about
    them.
    """
    return [
        Constant(f"assumption:{key}", entry.value, entry.spread, entry.range[0], entry.range[1])
        for key, entry in sorted(world.assumptions.items())
        if key.startswith(f"{STEM}.") and entry.spread > 0.0 and entry.range[0] < entry.range[1]
    ]


def constants_that_matter(arm: Arm, strategies: Sequence[Strategy], world: World) -> set[str]:
    """Uncertain numbers that the answer can depend on: not those of other drugs and other wards."""
    agents = {
        *RESCUE,
        *(premedication.mitigation for premedication in arm.regimen.premedication),
        *arm.mitigations,
        *(name for strategy in strategies for name in strategy.mitigations),
    }
    shared = constants_met(world, [arm.product], policies={arm.policy.name})
    drugs = [
        constant
        for constant in shared_constants(world)
        if constant.key.startswith("mitigation:")
        and constant.key.removeprefix("mitigation:").split(".")[0] in agents
    ]
    return {constant.key for constant in (*shared, *drugs, *consequence_constants(world))}


@dataclass(frozen=True)
class ScenarioValues:
    """One scenario: base rate, effects, net benefit of every rule for 100 patients in each world of
    response, and the best rule there.
    """

    scenario: str
    base_rate: float
    risk_ratio: Mapping[str, float]
    infections_added_per_100: Mapping[str, float]
    responses_lost_per_100: Mapping[str, float]
    net_benefit_per_100: Mapping[ResponseWorld, Mapping[str, float]]
    mc_error_per_100: Mapping[str, float]
    net_benefit_by_support_per_100: Mapping[str, float]
    best: Mapping[ResponseWorld, str]


def values_by_scenario(
    study: RuleStudy,
    *,
    arm: Arm,
    worlds: Mapping[str, World],
    n: int,
    seed: int,
    advance: Advance | None = None,
) -> list[ScenarioValues]:
    """The rules valued in every scenario, the same patients and the same scores in each."""
    rows = []
    for name, world in worlds.items():
        here = make_arm(
            arm.product, world=world, regimen=arm.regimen_name, mitigations=arm.mitigations
        )
        values = value_rules(
            study, arm=replace(here, window_d=arm.window_d), world=world, n=n, seed=seed
        )
        rows.append(_scenario(name, values))
        if advance is not None:
            advance(1)
    return rows


def _per_100(values: Mapping[str, float]) -> dict[str, float]:
    return {name: 100.0 * value for name, value in values.items()}


def _scenario(name: str, values: RuleValues) -> ScenarioValues:
    net_benefit = {world: _per_100(by_rule) for world, by_rule in values.net_benefit.items()}
    return ScenarioValues(
        scenario=name,
        base_rate=values.base_rate,
        risk_ratio=dict(values.risk_ratio),
        infections_added_per_100=_per_100(values.infections_added),
        responses_lost_per_100=_per_100(values.responses_lost),
        net_benefit_per_100=net_benefit,
        mc_error_per_100=_per_100(values.mc_error),
        net_benefit_by_support_per_100=_per_100(values.net_benefit_by_support),
        best={
            world: max(by_rule, key=by_rule.__getitem__) for world, by_rule in net_benefit.items()
        },
    )


@dataclass(frozen=True, eq=False)
class MemberValues:
    """The rules valued in the members of the ensemble, what each member assumed, and the members'
    weights (their sum is 1).
    """

    values: Sequence[RuleValues]
    assumed: Sequence[Mapping[str, float]]
    weights: FloatArray


def values_by_member(
    study: RuleStudy,
    *,
    arm: Arm,
    ensemble: Ensemble,
    world: World,
    n: int,
    seed: int,
    n_members: int | None = None,
    advance: Advance | None = None,
) -> MemberValues:
    """The rules valued in every member of the ensemble (the first ``n_members``), consequences
    drawn from their priors.

    A member's patients are its own (seed + number), so that chance averages out over the members.
    """
    calibrated = member_values(ensemble, world=world, products=[arm.product])
    constants = consequence_constants(world)
    count = min(n_members or len(ensemble), len(ensemble))
    assumed = [{**calibrated(k), **prior_values(constants, member=k)} for k in range(count)]
    alone = replace(study, workers=1)  # the members stand side by side
    value = partial(_value_member, study=alone, arm=arm, world=world, n=n)

    def done(member: tuple[int, Mapping[str, float]]) -> None:
        if advance is not None:
            advance(1)

    members = ((seed + k, values) for k, values in enumerate(assumed))
    values = list(each_done(value, members, workers=study.workers, done=done))
    weights = ensemble.weights[:count]
    return MemberValues(values, assumed, weights / weights.sum())


def _value_member(
    member: tuple[int, Mapping[str, float]], *, study: RuleStudy, arm: Arm, world: World, n: int
) -> RuleValues:
    """The rules valued in one member: the seed of its patients, and what it assumes."""
    seed, assumed = member
    here = with_world_values(world, assumed)
    product = with_product_values(arm.product, assumed)
    again = make_arm(product, world=here, regimen=arm.regimen_name, mitigations=arm.mitigations)
    return value_rules(study, arm=replace(again, window_d=arm.window_d), world=here, n=n, seed=seed)


@dataclass(frozen=True)
class AssumptionEnds:
    """One assumption moved to both ends of its range, all else as it is.

    Parameters
    ----------
    key, meaning : the assumption; is_judgement : a weight that people set and no study measures.
    low, now, high : its values.
    best_at_low, best_now, best_at_high : rule of highest net benefit there.
    net_benefit_per_100 : of the rule that is best now, at low, now and high.
    tips_at : where another rule takes over, by straight lines; turns_to : that rule.
    """

    key: str
    meaning: str
    is_judgement: bool
    low: float
    now: float
    high: float
    best_at_low: str
    best_now: str
    best_at_high: str
    net_benefit_per_100: tuple[float, float, float]
    tips_at: float | None
    turns_to: str | None


def ends_of_assumptions(
    study: RuleStudy,
    *,
    arm: Arm,
    world: World,
    n: int,
    seed: int,
    response_world: ResponseWorld,
    advance: Advance | None = None,
) -> list[AssumptionEnds]:
    """Every uncertain consequence that matters here moved to both ends of its range, the one that
    moves most first.
    """
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    simulated = simulate_strategies(
        arm, study.strategies, patients=patients, world=world, workers=study.workers
    )
    value = partial(value_rules, study, arm=arm, n=n, seed=seed, simulated=simulated)

    def value_at(key: str, number: float) -> Mapping[str, float]:
        here = replace(world, assumptions=world.assumptions.replace({key: number}))
        return value(world=here).net_benefit[response_world]

    now, rows = value(world=world).net_benefit[response_world], []
    for constant in consequence_constants(world):
        key = constant.key.removeprefix("assumption:")
        low, high = value_at(key, constant.low), value_at(key, constant.high)
        if advance is not None:
            advance(1)
        values = {name: (low[name], now[name], high[name]) for name in now}
        if any(max(three) - min(three) > 1e-12 for three in values.values()):
            rows.append(_ends(constant, world.assumptions[key].meaning, values))
    return sorted(
        rows, key=lambda row: -abs(row.net_benefit_per_100[2] - row.net_benefit_per_100[0])
    )


def _ends(
    constant: Constant, meaning: str, values: Mapping[str, tuple[float, float, float]]
) -> AssumptionEnds:
    """``values``: net benefit of each rule at low, now and high."""
    key, at = (
        constant.key.removeprefix("assumption:"),
        (constant.low, constant.median, constant.high),
    )
    low, best, high = (max(values, key=lambda name: values[name][k]) for k in range(3))
    others = [name for name in (low, high) if name != best]
    rival = others[0] if others else None
    difference = [values[best][k] - values[rival or NOBODY.name][k] for k in range(3)]
    first, middle, last = (100.0 * value for value in values[best])
    return AssumptionEnds(
        key=key,
        meaning=meaning,
        is_judgement=key.removeprefix(f"{STEM}.") in JUDGEMENTS,
        low=at[0],
        now=at[1],
        high=at[2],
        best_at_low=low,
        best_now=best,
        best_at_high=high,
        net_benefit_per_100=(first, middle, last),
        tips_at=crossing(at, difference, near=at[1]) if rival else None,
        turns_to=rival,
    )
