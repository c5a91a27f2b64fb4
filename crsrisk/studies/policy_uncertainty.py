"""Prophylaxis in many worlds: the same decisions under every scenario, member of the ensemble, end
of an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, Harms, ResponseWorld, Strategy
from crsrisk.data.world import World
from crsrisk.policy.information_value import evpi, evppi
from crsrisk.policy.table import IndividualEffects, at_or_above, realised_effects
from crsrisk.policy.tipping import crossing, trend_crossing
from crsrisk.report.policy_words import drug
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import potential_outcomes
from crsrisk.studies.policy_cohort import Scores
from crsrisk.threads import side_by_side
from crsrisk.trials.two_proportions import sample_size_two_proportions
from crsrisk.uncertainty.constants import (
    Constant,
    prior_values,
    with_product_values,
    with_world_values,
)
from crsrisk.uncertainty.forecast import member_values, shrink

Floats = NDArray[np.float64]
Advance = Callable[[int], None]
STEM = "consequences"
# judgements, which no study measures
VALUES = ("infection_weight", "response_weight", "burden_per_course")


@dataclass(frozen=True)
class Rule:
    """A decision that could be written into a protocol: nobody, everybody, or everybody at or above
    a risk.
    """

    strategy: str
    threshold: float | None = None

    @property
    def name(self) -> str:
        """The rule in words, as a column of the tables."""
        if self.strategy == "none":
            return "none"
        return (
            f"{self.strategy}, all"
            if self.threshold is None
            else f"{self.strategy}, risk >= {self.threshold:.2f}"
        )


NOBODY = Rule("none")


@dataclass(frozen=True, eq=False)
class Verdict:
    """One world: rates without prophylaxis, effects of each strategy in everybody, net benefit by
    rule and response world.

    ``base_rate`` of CRS of grade >= 2, ``base_support`` of needing support.

    Effects by strategy: risk ratio, infections added, responses lost under mediation, and the risk
    ratio of needing support (which hidden fever does not touch). ``value`` and ``error`` (Monte
    Carlo) are per patient, in CRS events; ``value_by_support`` counts need of support instead of
    grade (under mediation).
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
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    rules: Sequence[Rule],
    scores: Scores,
    world: World,
    n: int,
    seed: int,
    workers: int = 1,
) -> Verdict:
    """Simulate ``n`` patients of this world under every strategy and value the rules by what
    happens to them.
    """
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    found = potential_outcomes(
        arm, strategies, patients=patients, world=world, seed=seed, workers=workers
    )
    needs_score = any(rule.threshold is not None for rule in rules)
    risk = (
        scores.risk_of(observe(patients, arm=arm, world=world, seed=seed))
        if needs_score
        else np.zeros(n)
    )
    harms, names = harms_of(world), found.names[1:]
    stakes = {
        one: {name: realised_effects(found, name, response_world=one) for name in names}
        for one in RESPONSE_WORLDS
    }
    plain = stakes["mediation"]
    seen = {
        name: realised_effects(found, name, response_world="mediation", by_support=True)
        for name in names
    }
    chosen = {rule.name: _treated(rule, risk) for rule in rules}
    support = found.needs_support.mean(axis=1)
    gains = {
        rule.name: chosen[rule.name] * plain[rule.strategy].gain(harms)
        for rule in rules
        if rule.strategy != "none"
    }
    return Verdict(
        float(found.event("none").mean()),
        float(support[0]),
        {name: one.risk_ratio for name, one in plain.items()},
        {name: float(support[found.index(name)] / max(support[0], 1e-12)) for name in names},
        {name: float(one.infections_added.mean()) for name, one in plain.items()},
        {name: float(one.responses_lost.mean()) for name, one in plain.items()},
        {name: float(share.mean()) for name, share in chosen.items()},
        {
            one: {rule.name: _value(rule, stakes[one], chosen[rule.name], harms) for rule in rules}
            for one in RESPONSE_WORLDS
        },
        {rule.name: _value(rule, seen, chosen[rule.name], harms) for rule in rules},
        {
            rule.name: float(gains[rule.name].std() / np.sqrt(n)) if rule.name in gains else 0.0
            for rule in rules
        },
    )


def _treated(rule: Rule, risk: Floats) -> Floats:
    if rule.strategy == "none":
        return np.zeros(len(risk))
    return np.ones(len(risk)) if rule.threshold is None else at_or_above(risk, rule.threshold)


def _value(
    rule: Rule, stakes: Mapping[str, IndividualEffects], treated: Floats, harms: Harms
) -> float:
    return (
        0.0
        if rule.strategy == "none"
        else float((treated * stakes[rule.strategy].gain(harms)).mean())
    )


def consequence_constants(world: World) -> list[Constant]:
    """The uncertain consequences: not calibrated, since no figure of CRS says anything about
    them.
    """
    return [
        Constant(f"assumption:{key}", entry.value, entry.spread, entry.range[0], entry.range[1])
        for key, entry in sorted(world.assumptions.items())
        if key.startswith(f"{STEM}.") and entry.spread > 0.0 and entry.range[0] < entry.range[1]
    ]


def over_scenarios(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    worlds: Mapping[str, World],
    rules: Sequence[Rule],
    scores: Scores,
    n: int,
    seed: int,
    workers: int = 1,
    advance: Advance | None = None,
) -> dict[str, Verdict]:
    """The verdict of every scenario, the same patients and the same scores in each."""
    found = {}
    for name, world in worlds.items():
        here = make_arm(
            arm.product, world=world, regimen=arm.regimen_name, mitigations=arm.mitigations
        )
        found[name] = verdict(
            replace(here, window_d=arm.window_d),
            strategies,
            rules=rules,
            scores=scores,
            world=world,
            n=n,
            seed=seed,
            workers=workers,
        )
        if advance is not None:
            advance(1)
    return found


@dataclass(frozen=True, eq=False)
class Members:
    """The verdicts of the ensemble's members, what each member assumed, and the members'
    weights.
    """

    verdicts: Sequence[Verdict]
    values: Sequence[Mapping[str, float]]
    weights: Floats


def over_ensemble(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    ensemble: Ensemble,
    world: World,
    rules: Sequence[Rule],
    scores: Scores,
    n: int,
    seed: int,
    n_members: int | None = None,
    workers: int = 1,
    advance: Advance | None = None,
) -> Members:
    """The verdict of every member of the ensemble (the first ``n_members``), consequences drawn
    from their priors.

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
        found = verdict(
            replace(again, window_d=arm.window_d),
            strategies,
            rules=rules,
            scores=scores,
            world=here,
            n=n,
            seed=seed + k,
        )
        if advance is not None:
            advance(1)
        return found

    with side_by_side(workers) as pool:
        verdicts = list(pool.map(at, range(count)))
    weights = ensemble.weights[:count]
    return Members(verdicts, [values_of(k) for k in range(count)], weights / weights.sum())


@dataclass(frozen=True)
class Ends:
    """One assumption moved to its ends, all else as it is: net benefit of each rule at (low, now,
    high).
    """

    key: str
    meaning: str
    at: tuple[float, float, float]
    value: Mapping[str, tuple[float, float, float]]
    is_judgement: bool


def one_at_a_time(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    world: World,
    rules: Sequence[Rule],
    scores: Scores,
    n: int,
    seed: int,
    response_world: ResponseWorld,
    workers: int = 1,
    advance: Advance | None = None,
) -> list[Ends]:
    """Every uncertain consequence moved to both ends of its range."""

    def value_at(key: str | None, value: float) -> Mapping[str, float]:
        here = (
            world
            if key is None
            else replace(world, assumptions=world.assumptions.replace({key: value}))
        )
        found = verdict(
            arm, strategies, rules=rules, scores=scores, world=here, n=n, seed=seed, workers=workers
        )
        return found.value[response_world]

    now, rows = value_at(None, 0.0), []
    for constant in consequence_constants(world):
        key = constant.key.removeprefix("assumption:")
        low, high = value_at(key, constant.low), value_at(key, constant.high)
        if advance is not None:
            advance(1)
        values = {name: (low[name], now[name], high[name]) for name in now}
        if any(max(three) - min(three) > 1e-12 for three in values.values()):
            rows.append(
                Ends(
                    key,
                    world.assumptions[key].meaning,
                    (constant.low, constant.median, constant.high),
                    values,
                    key.removeprefix(f"{STEM}.") in VALUES,
                )
            )
    return rows


# Prophylaxis trial: which trial the answer recommends, and how large it would have to be.


POWERS = (0.8, 0.9)
# share of worlds in which a rival drug is best that calls for an arm of its own
ENOUGH_WORLDS = 0.1


def recommend(
    over: Mapping[str, Any],
    answers: Mapping[str, Any],
    *,
    rules: Mapping[str, tuple[str, float | None]],
) -> dict[str, Any]:
    """The trial that follows from the best rule over the ensemble.

    ``over``: of ``over_members``; ``answers``: of ``judge_strategy`` by strategy; ``rules``: name
    -> strategy and threshold. Sizes are for the median effect over the ensemble, for the least
    favourable end of its interval (None when that is no effect), and for need of support instead of
    grade, which hidden fever does not touch.
    """
    by_name = {row["rule"]: row for row in over["rules"]}
    best, rival = by_name[over["best"]], by_name[over["rival"]]
    chosen = best if rules[over["best"]][0] != "none" else rival
    strategy, threshold = rules[chosen["rule"]]
    effect, rate = over["effects"][strategy], over["base_rate"]["value"]
    sizes = {
        "median effect": _size(rate, effect["risk_ratio"]["value"]),
        "least effect of the 95% interval": _size(rate, effect["risk_ratio"]["high"]),
        "median effect on need of support": _size(
            over["base_support"]["value"], effect["support_ratio"]["value"]
        ),
    }
    return {
        "strategy": strategy,
        "threshold": threshold,
        "rule": chosen["rule"],
        "best_rule": best["rule"],
        "best_rule_by_support": over["best_by_support"],
        "is_worth_it": best is chosen,
        "mean_net_benefit_per_100": chosen["mean_net_benefit_per_100"],
        "probability_best": over["probability_strategy_best"][rules[over["best"]][0]],
        "control_rate": rate,
        "risk_ratio": effect["risk_ratio"],
        "support_ratio": effect["support_ratio"],
        "infections_added": effect["infections_added"],
        "responses_lost": effect["responses_lost"],
        "sizes": sizes,
        "threshold_of_the_ledger": answers[strategy]["ledger"]["threshold"],
        "rival": rival["rule"],
        "third_arm": _third_arm(over, strategy, rules[rival["rule"]][0]),
        "margin_over_rival_per_100": (
            best["mean_net_benefit_per_100"] - rival["mean_net_benefit_per_100"]
        ),
    }


def _third_arm(over: Mapping[str, Any], strategy: str, rival: str) -> str | None:
    """The rival drug when it is the best one in a tenth of the worlds or more."""
    is_drug = rival not in ("none", strategy)
    return rival if is_drug and over["probability_strategy_best"][rival] >= ENOUGH_WORLDS else None


def _size(rate: float, ratio: float) -> dict[str, float | int | None]:
    """Patients an arm (two arms, one-sided 2.5%, pooled z) by power."""
    treated = rate * ratio
    if not 0.0 < treated < rate < 1.0:
        return {
            "control": rate,
            "treated": treated,
            **{f"n_per_arm_{power:g}": None for power in POWERS},
        }
    return {
        "control": rate,
        "treated": treated,
        **{
            f"n_per_arm_{power:g}": (
                sample_size_two_proportions(
                    p_treat=treated, p_control=rate, power=power
                ).n_per_arm_ceil
            )
            for power in POWERS
        },
    }


# Prophylaxis over what is not known: rules over the ensemble, what turns the decision, what to
# measure first.


# CRS events a patient (0.1 for 100) that a score must gain over treating everybody
WORTH_A_SCORE = 0.001
_LISTED = 12  # assumptions of the mechanism that are shown
_FIELDS = (
    ("risk_ratio", "risk ratio of CRS of grade >= 2"),
    ("infections_added", "infections added"),
    ("responses_lost", "responses lost if activation mediates response"),
)
_WORLD = "how T-cell activation and response hang together"


def rules_table(verdicts: Mapping[str, Verdict], rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """One row a scenario: base rate, effects, net benefit per 100 of every rule in each world of
    response, best rule.
    """
    rows = []
    for name, one in verdicts.items():
        value = {
            world: {rule.name: 100.0 * one.value[world][rule.name] for rule in rules}
            for world in RESPONSE_WORLDS
        }
        rows.append(
            {
                "world": name,
                "base_rate": one.base_rate,
                "risk_ratio": dict(one.risk_ratio),
                "infections_added_per_100": {
                    key: 100.0 * rate for key, rate in one.infections_added.items()
                },
                "responses_lost_per_100": {
                    key: 100.0 * rate for key, rate in one.responses_lost.items()
                },
                "net_benefit_per_100": value,
                "mc_error_per_100": {key: 100.0 * error for key, error in one.error.items()},
                "net_benefit_by_support_per_100": {
                    key: 100.0 * found for key, found in one.value_by_support.items()
                },
                "best": {
                    world: max(value[world], key=value[world].__getitem__)
                    for world in RESPONSE_WORLDS
                },
            }
        )
    return rows


def _values(members: Members, rules: Sequence[Rule]) -> tuple[Floats, Floats, NDArray[np.str_]]:
    """Net benefit (row, rule), weights and world of response; one row a member and world, the
    worlds equally likely.

    Chance at the size of a member is taken out of the spread between members, rule by rule and
    world by world.
    """
    parts = []
    noise = np.array([[one.error[rule.name] ** 2 for rule in rules] for one in members.verdicts])
    for world in RESPONSE_WORLDS:
        raw = np.array(
            [[one.value[world][rule.name] for rule in rules] for one in members.verdicts]
        )
        parts.append(
            np.column_stack(
                [shrink(raw[:, k], noise[:, k], members.weights) for k in range(len(rules))]
            )
        )
    weights = np.tile(members.weights / len(RESPONSE_WORLDS), len(RESPONSE_WORLDS))
    return np.vstack(parts), weights, np.repeat(np.array(RESPONSE_WORLDS), len(members.weights))


def _spread(values: Floats, weights: Floats) -> dict[str, float]:
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order]) / weights.sum()
    at = np.minimum(np.searchsorted(mass, [0.025, 0.5, 0.975]), len(values) - 1)
    low, middle, high = (float(value) for value in values[order][at])
    return {"value": middle, "low": low, "high": high}


def over_members(members: Members, rules: Sequence[Rule]) -> dict[str, Any]:
    """Rules and effects over the ensemble: medians with 95% intervals, mean net benefit, how often
    each rule is best.
    """
    table, weights, worlds = _values(members, rules)
    mean, names = weights @ table, [rule.name for rule in rules]
    left = table.max(axis=1, keepdims=True) - table
    best = (
        table - WORTH_A_SCORE * np.array([rule.threshold is not None for rule in rules])
    ).argmax(axis=1)
    by_support = members.weights @ np.array(
        [[one.value_by_support[name] for name in names] for one in members.verdicts]
    )
    first = members.verdicts[0]

    def of(read: Sequence[float]) -> dict[str, float]:
        return _spread(np.asarray(read, dtype=np.float64), members.weights)

    effects = {
        strategy: {
            **{
                field: of([getattr(one, field)[strategy] for one in members.verdicts])
                for field in ("risk_ratio", "support_ratio", "infections_added", "responses_lost")
            },
            "hidden_share": of(
                [
                    hidden_share(one.risk_ratio[strategy], one.support_ratio[strategy])
                    for one in members.verdicts
                ]
            ),
        }
        for strategy in first.risk_ratio
    }
    rows = [
        {
            "rule": name,
            "mean_net_benefit_per_100": float(100.0 * mean[k]),
            "net_benefit_per_100": {
                key: 100.0 * value for key, value in _spread(table[:, k], weights).items()
            },
            "mean_by_response_world": {
                world: float(100.0 * (members.weights @ table[worlds == world, k]))
                for world in RESPONSE_WORLDS
            },
            "mean_by_support": float(100.0 * by_support[k]),
            "probability_best": float(weights[best == k].sum()),
            "mean_regret_per_100": float(100.0 * (weights @ left[:, k])),
            "regret_per_100": {
                key: 100.0 * value for key, value in _spread(left[:, k], weights).items()
            },
        }
        for k, name in enumerate(names)
    ]
    return {
        "n_members": len(members.verdicts),
        "base_rate": of([one.base_rate for one in members.verdicts]),
        "base_support": of([one.base_support for one in members.verdicts]),
        "effects": effects,
        "rules": rows,
        "best": names[best_and_rival(mean, rules)[0]],
        "best_by_support": names[best_and_rival(by_support, rules)[0]],
        "rival": names[best_and_rival(mean, rules)[1]],
        "probability_strategy_best": {
            name: float(weights[[rules[k].strategy == name for k in best]].sum())
            for name in ("none", *first.risk_ratio)
        },
    }


def hidden_share(risk_ratio: float, support_ratio: float) -> float:
    """Share of the effect on the grade that need of support does not show: fever that nobody sees.
    Between 0 and 1.

    >>> hidden_share(0.5, 0.6)
    0.2
    """
    if risk_ratio >= 1.0:
        return 0.0
    return round(min(max(1.0 - (1.0 - support_ratio) / (1.0 - risk_ratio), 0.0), 1.0), 6)


def what_to_measure(
    members: Members, rules: Sequence[Rule], *, world: World, met: Collection[str], seed: int
) -> dict[str, Any]:
    """Value of perfect information, and of knowing one quantity or assumption, per 100 patients in
    CRS events.

    ``quantities`` are what a study could count; ``assumptions`` (those of ``met``, which the answer
    can depend on) are the numbers behind them; ``judgements`` are weights that people set and no
    study measures. Worlds of response count alike. ``explains``: share of the variance of net
    benefit, best rule against its rival, that goes with it.
    """
    table, weights, worlds = _values(members, rules)
    # knowing a number tells nothing of the world
    sample_conditional = np.mean([table[worlds == one] for one in RESPONSE_WORLDS], axis=0)
    by_world = np.array([members.weights @ table[worlds == one] for one in RESPONSE_WORLDS])
    best, rival = best_and_rival(weights @ table, rules)
    against = sample_conditional[:, best] - sample_conditional[:, rival]
    ask = partial(_ask, sample_conditional, members.weights, against, seed)
    meaning = {"base rate": "rate of CRS of grade >= 2 without prophylaxis"}
    read = {"base rate": np.array([one.base_rate for one in members.verdicts])}
    for strategy in members.verdicts[0].risk_ratio:
        for field, words in _FIELDS:
            read[f"{field} {strategy}"] = np.array(
                [getattr(one, field)[strategy] for one in members.verdicts]
            )
            meaning[f"{field} {strategy}"] = f"{words} with {drug(strategy)}"
    numbers = {key: np.array([values[key] for values in members.values]) for key in sorted(met)}
    numbers = {key: values for key, values in numbers.items() if np.ptp(values) > 0.0}
    meaning |= {key: _meaning(key, world) for key in numbers}
    judged = {f"assumption:{STEM}.{name}" for name in VALUES}
    of_worlds = evpi(by_world, np.full(len(by_world), 1.0 / len(by_world)))
    quantities = [
        *ask(read, meaning),
        {
            "name": "response world",
            "meaning": _WORLD,
            "by_chance_per_100": 0.0,
            "is_beyond_chance": of_worlds > 1e-9,
            "evppi_per_100": 100.0 * of_worlds,
            "explains": float(
                np.var(by_world[:, best] - by_world[:, rival])
                / max(_variance(table[:, best] - table[:, rival], weights), 1e-12)
            ),
        },
    ]
    assumptions = ask(
        {key: values for key, values in numbers.items() if key not in judged}, meaning
    )
    tips = [row for row in assumptions if row["tips_at"] is not None]
    return {
        "evpi_per_100": 100.0 * evpi(table, weights),
        "quantities": _first(quantities),
        "assumptions": _first(assumptions)[:_LISTED],
        "n_assumptions": len(assumptions),
        "judgements": _first(
            ask({key: values for key, values in numbers.items() if key in judged}, meaning)
        ),
        "tipping": _first(tips)[:_LISTED],
        "n_tipping": len(tips),
        "between": [rules[best].name, rules[rival].name],
    }


def best_and_rival(mean: Floats, rules: Sequence[Rule]) -> tuple[int, int]:
    """The rule of highest mean, and the best one of another strategy (treating by risk is no rival
    of treating all).

    Everybody goes before by risk when a score gains less than :data:`WORTH_A_SCORE`: a score that
    changes nothing costs laboratory values, a model and its upkeep.
    """
    order = [int(k) for k in np.argsort(-mean, kind="stable")]
    others = [k for k in order if rules[k].strategy != rules[order[0]].strategy]
    return _plainest(order[0], mean, rules), _plainest((others or order)[0], mean, rules)


def _plainest(k: int, mean: Floats, rules: Sequence[Rule]) -> int:
    sample_conditional = [
        j
        for j, rule in enumerate(rules)
        if rule.strategy == rules[k].strategy and rule.threshold is None
    ]
    return (
        sample_conditional[0]
        if sample_conditional and mean[k] - mean[sample_conditional[0]] < WORTH_A_SCORE
        else k
    )


def _variance(values: Floats, weights: Floats) -> float:
    share = weights / weights.sum()
    return float(share @ np.square(values - share @ values))


def _ask(
    table: Floats,
    weights: Floats,
    against: Floats,
    seed: int,
    read: Mapping[str, Floats],
    meaning: Mapping[str, str],
) -> list[dict[str, Any]]:
    """A row for each parameter asked about together."""
    found, total, rows = evppi(table, weights, read, seed=seed), _variance(against, weights), []
    for name, values in read.items():
        low, high = (float(end) for end in np.quantile(values, [0.025, 0.975]))
        share = weights / weights.sum()
        covariance = float(share @ ((values - share @ values) * (against - share @ against)))
        spread = _variance(values, weights)
        one, turn = (
            found[name],
            trend_crossing(values, against, weights, low=low, high=high, seed=seed),
        )
        rows.append(
            {
                "name": name.removeprefix("assumption:"),
                "meaning": meaning[name],
                "evppi_per_100": 100.0 * one.evppi,
                "by_chance_per_100": 100.0 * one.by_chance,
                "is_beyond_chance": one.is_beyond_chance,
                "explains": covariance**2 / (spread * total) if spread * total > 0.0 else 0.0,
                "low": low,
                "high": high,
                "now": float(np.median(values)),
                "tips_at": turn.at if turn else None,
                "tips_low": turn.low if turn else None,
                "tips_high": turn.high if turn else None,
            }
        )
    return rows


def _first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Beyond chance first, then by what it is worth, then by what it explains."""
    return sorted(
        rows, key=lambda row: (not row["is_beyond_chance"], -row["evppi_per_100"], -row["explains"])
    )


def _meaning(key: str, world: World) -> str:
    short = key.removeprefix("assumption:")
    if short in world.assumptions:
        return world.assumptions[short].meaning
    kind, _, path = key.partition(":")
    return f"{path.replace('.', ', ').replace('_', ' ')} ({kind})"


def ends_table(ends: Sequence[Ends], rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """One row an assumption: net benefit of the best rule at both ends, and where another rule
    would take over.
    """
    return sorted(
        (_end_row(one, rules) for one in ends),
        key=lambda row: -abs(row["net_benefit_per_100"][2] - row["net_benefit_per_100"][0]),
    )


def _end_row(one: Ends, rules: Sequence[Rule]) -> dict[str, Any]:
    low, best, high = (
        max((rule.name for rule in rules), key=lambda name: one.value[name][k]) for k in range(3)
    )
    rivals = [name for name in (low, high) if name != best]
    rival = rivals[0] if rivals else None
    difference = [one.value[best][k] - one.value[rival or NOBODY.name][k] for k in range(3)]
    return {
        "key": one.key,
        "meaning": one.meaning,
        "low": one.at[0],
        "now": one.at[1],
        "high": one.at[2],
        "is_judgement": one.is_judgement,
        "best_at_low": low,
        "best_now": best,
        "best_at_high": high,
        "net_benefit_per_100": [100.0 * one.value[best][k] for k in range(3)],
        "tips_at": crossing(one.at, difference, near=one.at[1]) if rival else None,
        "turns_to": rival,
    }
