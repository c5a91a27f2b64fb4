"""Prophylaxis in many worlds: the same decisions under every scenario, member of the ensemble, end of an assumption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crsrisk.belief.constants import Constant, prior_values, with_product_values, with_world_values
from crsrisk.belief.forecast import member_values
from crsrisk.decide.stakes import Stakes, realised_stakes
from crsrisk.decide.targeting import at_or_above
from crsrisk.domain.ensemble import Ensemble
from crsrisk.domain.harms import Harms
from crsrisk.domain.potential_outcomes import RESPONSE_WORLDS, ResponseWorld, Strategy
from crsrisk.domain.world import World
from crsrisk.journey.prophylaxis_cohort import Scores
from crsrisk.simulate.arm import Arm, make_arm
from crsrisk.simulate.observation import observe
from crsrisk.simulate.population import sample
from crsrisk.simulate.potential_outcomes import potential_outcomes
from crsrisk.threads import side_by_side

Floats = NDArray[np.float64]
Advance = Callable[[int], None]
STEM = "consequences"
VALUES = ("infection_weight", "response_weight", "burden_per_course")  # judgements, which no study measures


@dataclass(frozen=True)
class Rule:
    """A decision that could be written into a protocol: nobody, everybody, or everybody at or above a risk."""

    strategy: str
    threshold: float | None = None

    @property
    def name(self) -> str:
        """The rule in words, as a column of the tables."""
        if self.strategy == "none":
            return "none"
        return f"{self.strategy}, all" if self.threshold is None else f"{self.strategy}, risk >= {self.threshold:.2f}"


NOBODY = Rule("none")


@dataclass(frozen=True, eq=False)
class Verdict:
    """One world: rates without prophylaxis, effects of each strategy in everybody, net benefit by rule and response world.

    ``base_rate`` of CRS of grade >= 2, ``base_support`` of needing support.

    Effects by strategy: risk ratio, infections added, responses lost under mediation, and the risk ratio of needing support
    (which hidden fever does not touch). ``value`` and ``error`` (Monte Carlo) are per patient, in CRS events;
    ``value_by_support`` counts need of support instead of grade (under mediation).
    """

    base_rate: float
    base_support: float
    risk_ratio: Mapping[str, float]
    support_ratio: Mapping[str, float]
    infections_added: Mapping[str, float]
    responses_lost: Mapping[str, float]
    treated: Mapping[str, float]
    value: Mapping[ResponseWorld, Mapping[str, float]]
    value_by_support: Mapping[str, float]
    error: Mapping[str, float]


def harms_of(world: World) -> Harms:
    """The weights that this world's assumptions state."""
    known = world.assumptions.group(STEM)
    return Harms(known["infection_weight"], known["response_weight"], known["burden_per_course"])


def verdict(
    arm: Arm, strategies: Sequence[Strategy], *, rules: Sequence[Rule], scores: Scores, world: World, n: int, seed: int,
    workers: int = 1,
) -> Verdict:
    """Simulate ``n`` patients of this world under every strategy and value the rules by what happens to them."""
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    found = potential_outcomes(arm, strategies, patients=patients, world=world, seed=seed, workers=workers)
    needs_score = any(rule.threshold is not None for rule in rules)
    risk = scores.risk_of(observe(patients, arm=arm, world=world, seed=seed)) if needs_score else np.zeros(n)
    harms, names = harms_of(world), found.names[1:]
    stakes = {one: {name: realised_stakes(found, name, response_world=one) for name in names} for one in RESPONSE_WORLDS}
    plain = stakes["mediation"]
    seen = {name: realised_stakes(found, name, response_world="mediation", by_support=True) for name in names}
    chosen = {rule.name: _treated(rule, risk) for rule in rules}
    support = found.needs_support.mean(axis=1)
    gains = {rule.name: chosen[rule.name] * plain[rule.strategy].gain(harms) for rule in rules if rule.strategy != "none"}
    return Verdict(
        float(found.event("none").mean()), float(support[0]),
        {name: one.risk_ratio for name, one in plain.items()},
        {name: float(support[found.index(name)] / max(support[0], 1e-12)) for name in names},
        {name: float(one.infections_added.mean()) for name, one in plain.items()},
        {name: float(one.responses_lost.mean()) for name, one in plain.items()},
        {name: float(share.mean()) for name, share in chosen.items()},
        {one: {rule.name: _value(rule, stakes[one], chosen[rule.name], harms) for rule in rules} for one in RESPONSE_WORLDS},
        {rule.name: _value(rule, seen, chosen[rule.name], harms) for rule in rules},
        {rule.name: float(gains[rule.name].std() / np.sqrt(n)) if rule.name in gains else 0.0 for rule in rules})


def _treated(rule: Rule, risk: Floats) -> Floats:
    if rule.strategy == "none":
        return np.zeros(len(risk))
    return np.ones(len(risk)) if rule.threshold is None else at_or_above(risk, rule.threshold)


def _value(rule: Rule, stakes: Mapping[str, Stakes], treated: Floats, harms: Harms) -> float:
    return 0.0 if rule.strategy == "none" else float((treated * stakes[rule.strategy].gain(harms)).mean())


def consequence_constants(world: World) -> list[Constant]:
    """The uncertain consequences: not calibrated, since no figure of CRS says anything about them."""
    return [Constant(f"assumption:{key}", entry.value, entry.spread, entry.range[0], entry.range[1])
            for key, entry in sorted(world.assumptions.items())
            if key.startswith(f"{STEM}.") and entry.spread > 0.0 and entry.range[0] < entry.range[1]]


def over_scenarios(
    arm: Arm, strategies: Sequence[Strategy], *, worlds: Mapping[str, World], rules: Sequence[Rule], scores: Scores, n: int,
    seed: int, workers: int = 1, advance: Advance | None = None,
) -> dict[str, Verdict]:
    """The verdict of every scenario, the same patients and the same scores in each."""
    found = {}
    for name, world in worlds.items():
        here = make_arm(arm.product, world=world, regimen=arm.regimen_name, mitigations=arm.mitigations)
        found[name] = verdict(replace(here, window_d=arm.window_d), strategies, rules=rules, scores=scores, world=world, n=n,
                              seed=seed, workers=workers)
        if advance is not None:
            advance(1)
    return found


@dataclass(frozen=True, eq=False)
class Members:
    """The verdicts of the ensemble's members, what each member assumed, and the members' weights."""

    verdicts: Sequence[Verdict]
    values: Sequence[Mapping[str, float]]
    weights: Floats


def over_ensemble(
    arm: Arm, strategies: Sequence[Strategy], *, ensemble: Ensemble, world: World, rules: Sequence[Rule], scores: Scores,
    n: int, seed: int, n_members: int | None = None, workers: int = 1, advance: Advance | None = None,
) -> Members:
    """The verdict of every member of the ensemble (the first ``n_members``), consequences drawn from their priors.

    A member's patients are its own (seed + number), so that chance averages out over the members.
    """
    calibrated = member_values(ensemble, world=world, products=[arm.product])
    constants = consequence_constants(world)
    count = min(n_members or len(ensemble), len(ensemble))

    def values_of(k: int) -> dict[str, float]:
        return {**calibrated(k), **prior_values(constants, member=k)}

    def at(k: int) -> Verdict:
        values = values_of(k)
        here = with_world_values(world, values)
        product = with_product_values(arm.product, values)
        again = make_arm(product, world=here, regimen=arm.regimen_name, mitigations=arm.mitigations)
        found = verdict(replace(again, window_d=arm.window_d), strategies, rules=rules, scores=scores, world=here, n=n,
                        seed=seed + k)
        if advance is not None:
            advance(1)
        return found

    with side_by_side(workers) as pool:
        verdicts = list(pool.map(at, range(count)))
    weights = ensemble.weights[:count]
    return Members(verdicts, [values_of(k) for k in range(count)], weights / weights.sum())


@dataclass(frozen=True)
class Ends:
    """One assumption moved to its ends, all else as it is: net benefit of each rule at (low, now, high)."""

    key: str
    meaning: str
    at: tuple[float, float, float]
    value: Mapping[str, tuple[float, float, float]]
    is_judgement: bool


def one_at_a_time(
    arm: Arm, strategies: Sequence[Strategy], *, world: World, rules: Sequence[Rule], scores: Scores, n: int, seed: int,
    response_world: ResponseWorld, workers: int = 1, advance: Advance | None = None,
) -> list[Ends]:
    """Every uncertain consequence moved to both ends of its range."""
    def value_at(key: str | None, value: float) -> Mapping[str, float]:
        here = world if key is None else replace(world, assumptions=world.assumptions.replace({key: value}))
        found = verdict(arm, strategies, rules=rules, scores=scores, world=here, n=n, seed=seed, workers=workers)
        return found.value[response_world]

    now, rows = value_at(None, 0.0), []
    for constant in consequence_constants(world):
        key = constant.key.removeprefix("assumption:")
        low, high = value_at(key, constant.low), value_at(key, constant.high)
        if advance is not None:
            advance(1)
        values = {name: (low[name], now[name], high[name]) for name in now}
        if any(max(three) - min(three) > 1e-12 for three in values.values()):
            rows.append(Ends(key, world.assumptions[key].meaning, (constant.low, constant.median, constant.high), values,
                             key.removeprefix(f"{STEM}.") in VALUES))
    return rows
