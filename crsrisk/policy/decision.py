"""The decision over all that is not known: rules over the ensemble of assumptions, what turns the
decision, what would be worth measuring first, and the trial that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, ResponseWorld, strategy_in_words
from crsrisk.data.product import Platform
from crsrisk.data.world import World
from crsrisk.policy.information_value import evpi, evppi
from crsrisk.policy.recommended_trial import (
    PlannedTrial,
    arms_over_ensemble,
    plan_trial,
)
from crsrisk.policy.strategy_value import CommonRisk, StrategyValue
from crsrisk.policy.table import FloatArray
from crsrisk.policy.tipping import Quantity, TippingPoint, trend_crossing
from crsrisk.policy.worlds import (
    JUDGEMENTS,
    STEM,
    AssumptionEnds,
    MemberValues,
    Rule,
    RuleValues,
    ScenarioValues,
)
from crsrisk.results import Estimate, NotEstimable
from crsrisk.trials.two_proportions import sample_size_two_proportions
from crsrisk.uncertainty.forecast import shrink, weighted_quantile

# CRS events a patient (0.1 for 100) that a score must gain over treating everybody
WORTH_A_SCORE = 0.001
# share of worlds in which a rival drug is best that calls for an arm of its own
ENOUGH_WORLDS = 0.1
_LISTED = 12  # assumptions of the mechanism that are shown
_RESPONSE_WORLD = "how T-cell activation and response hang together"


@dataclass(frozen=True)
class EffectOverEnsemble:
    """One strategy over the ensemble: medians with 95% of the members, everybody treated.

    ``hidden_share``: share of the effect on the grade that need of support does not show.
    """

    risk_ratio: Estimate
    support_ratio: Estimate
    infections_added: Estimate
    responses_lost: Estimate
    hidden_share: Estimate


@dataclass(frozen=True)
class RuleOverEnsemble:
    """One rule over the ensemble, in CRS events for 100 patients.

    ``net_benefit_per_100`` and ``regret_per_100``: median with 95% of the worlds. Regret: what the
    rule leaves to the best of the rules in each world.
    """

    rule: str
    mean_net_benefit_per_100: float
    net_benefit_per_100: Estimate
    mean_by_response_world: Mapping[ResponseWorld, float]
    mean_by_support: float
    probability_best: float
    mean_regret_per_100: float
    regret_per_100: Estimate


@dataclass(frozen=True)
class EnsembleDecision:
    """Effects and rules over the members of the ensemble, in which the worlds of response count
    alike; the best rule, the best by need of support, and the best of another strategy.
    """

    n_members: int
    base_rate: Estimate
    base_support: Estimate
    effects: Mapping[str, EffectOverEnsemble]
    rules: tuple[RuleOverEnsemble, ...]
    best: str
    best_by_support: str
    rival: str
    probability_strategy_best: Mapping[str, float]

    def rule(self, name: str) -> RuleOverEnsemble:
        """The figures of one rule."""
        return next(row for row in self.rules if row.rule == name)


def _net_benefits(
    members: MemberValues, rules: Sequence[Rule]
) -> tuple[FloatArray, FloatArray, NDArray[np.str_]]:
    """Net benefit (row, rule), weights and world of response; one row a member and world, the
    worlds equally likely.

    Chance at the size of a member is taken out of the spread between members, rule by rule and
    world by world.
    """
    parts = []
    noise = np.array(
        [[values.mc_error[rule.name] ** 2 for rule in rules] for values in members.values]
    )
    for world in RESPONSE_WORLDS:
        raw = np.array(
            [[values.net_benefit[world][rule.name] for rule in rules] for values in members.values]
        )
        columns = [shrink(raw[:, k], noise[:, k], members.weights) for k in range(len(rules))]
        parts.append(np.column_stack(columns))
    weights = np.tile(members.weights / len(RESPONSE_WORLDS), len(RESPONSE_WORLDS))
    return np.vstack(parts), weights, np.repeat(np.array(RESPONSE_WORLDS), len(members.weights))


def _median(values: FloatArray, weights: FloatArray, *, factor: float = 1.0) -> Estimate:
    """Weighted median with the 2.5 and 97.5% quantiles."""
    low, middle, high = (
        factor * weighted_quantile(values, weights, q) for q in (0.025, 0.5, 0.975)
    )
    return Estimate(middle, low, high)


def decide_over_ensemble(members: MemberValues, rules: Sequence[Rule]) -> EnsembleDecision:
    """Rules and effects over the ensemble: medians with 95% intervals, mean net benefit, how often
    each rule is best.
    """
    table, weights, worlds = _net_benefits(members, rules)
    mean, names = weights @ table, [rule.name for rule in rules]
    regret = table.max(axis=1, keepdims=True) - table
    needs_score = np.array([rule.threshold is not None for rule in rules])
    best = (table - WORTH_A_SCORE * needs_score).argmax(axis=1)
    by_support = members.weights @ np.array(
        [[values.net_benefit_by_support[name] for name in names] for values in members.values]
    )

    def median(read: Callable[[RuleValues], float]) -> Estimate:
        return _median(np.array([read(values) for values in members.values]), members.weights)

    strategies = tuple(members.values[0].risk_ratio)
    rows = [
        RuleOverEnsemble(
            rule=name,
            mean_net_benefit_per_100=float(100.0 * mean[k]),
            net_benefit_per_100=_median(table[:, k], weights, factor=100.0),
            mean_by_response_world={
                world: float(100.0 * (members.weights @ table[worlds == world, k]))
                for world in RESPONSE_WORLDS
            },
            mean_by_support=float(100.0 * by_support[k]),
            probability_best=float(weights[best == k].sum()),
            mean_regret_per_100=float(100.0 * (weights @ regret[:, k])),
            regret_per_100=_median(regret[:, k], weights, factor=100.0),
        )
        for k, name in enumerate(names)
    ]
    first, rival = best_and_rival(mean, rules)
    return EnsembleDecision(
        n_members=len(members.values),
        base_rate=median(lambda values: values.base_rate),
        base_support=median(lambda values: values.base_support),
        effects={name: _effect(members, name) for name in strategies},
        rules=tuple(rows),
        best=names[first],
        best_by_support=names[best_and_rival(by_support, rules)[0]],
        rival=names[rival],
        probability_strategy_best={
            name: float(weights[[rules[k].strategy == name for k in best]].sum())
            for name in ("none", *strategies)
        },
    )


def _effect(members: MemberValues, strategy: str) -> EffectOverEnsemble:
    def median(read: Callable[[RuleValues], float]) -> Estimate:
        return _median(np.array([read(values) for values in members.values]), members.weights)

    return EffectOverEnsemble(
        risk_ratio=median(lambda values: values.risk_ratio[strategy]),
        support_ratio=median(lambda values: values.support_ratio[strategy]),
        infections_added=median(lambda values: values.infections_added[strategy]),
        responses_lost=median(lambda values: values.responses_lost[strategy]),
        hidden_share=median(
            lambda values: hidden_share(values.risk_ratio[strategy], values.support_ratio[strategy])
        ),
    )


def hidden_share(risk_ratio: float, support_ratio: float) -> float:
    """Share of the effect on the grade that need of support does not show: fever that nobody sees.
    Between 0 and 1.

    >>> hidden_share(0.5, 0.6)
    0.2
    """
    if risk_ratio >= 1.0:
        return 0.0
    return round(min(max(1.0 - (1.0 - support_ratio) / (1.0 - risk_ratio), 0.0), 1.0), 6)


def best_and_rival(mean: FloatArray, rules: Sequence[Rule]) -> tuple[int, int]:
    """The rule of highest mean, and the best one of another strategy (treating by risk is no rival
    of treating all).

    Everybody goes before by risk when a score gains less than :data:`WORTH_A_SCORE`: a score that
    changes nothing costs laboratory values, a model and its upkeep.
    """
    order = [int(k) for k in np.argsort(-mean, kind="stable")]
    others = [k for k in order if rules[k].strategy != rules[order[0]].strategy]
    return _simplest(order[0], mean, rules), _simplest((others or order)[0], mean, rules)


def _simplest(k: int, mean: FloatArray, rules: Sequence[Rule]) -> int:
    """The rule, or the one that treats everybody by the same strategy when it is nearly as good."""
    everybody = [
        j
        for j, rule in enumerate(rules)
        if rule.strategy == rules[k].strategy and rule.threshold is None
    ]
    return everybody[0] if everybody and mean[k] - mean[everybody[0]] < WORTH_A_SCORE else k


@dataclass(frozen=True)
class ParameterInformation:
    """What knowing one quantity or assumption before deciding would be worth, in CRS events for 100
    patients.

    Parameters
    ----------
    name, meaning : the quantity.
    evppi_per_100 : expected value of partial perfect information, beyond what chance shows.
    by_chance_per_100 : what a shuffled parameter shows.
    is_beyond_chance : more than 95 of 100 shuffles show.
    explains : share of the variance of net benefit, best rule against its rival, that goes with it.
    now, low, high : median and 95% of the members; None for the world of response.
    tips_at, tips_low, tips_high : where the trend over the ensemble turns the decision, with its
        95% interval; None where it does not, or the interval goes beyond the range.
    """

    name: str
    meaning: str
    evppi_per_100: float
    by_chance_per_100: float
    is_beyond_chance: bool
    explains: float
    now: float | None = None
    low: float | None = None
    high: float | None = None
    tips_at: float | None = None
    tips_low: float | None = None
    tips_high: float | None = None


@dataclass(frozen=True)
class InformationValue:
    """Expected value of perfect information, and of knowing one quantity, for 100 patients in CRS
    events.

    ``quantities`` are what a study could count; ``assumptions`` the numbers behind them (the first
    twelve of ``n_assumptions``); ``judgements`` weights that people set and no study measures.
    ``tipping``: those assumptions that turn the decision inside their range (of ``n_tipping``).
    ``between``: the best rule and its rival.
    """

    evpi_per_100: float
    quantities: tuple[ParameterInformation, ...]
    assumptions: tuple[ParameterInformation, ...]
    n_assumptions: int
    judgements: tuple[ParameterInformation, ...]
    tipping: tuple[ParameterInformation, ...]
    n_tipping: int
    between: tuple[str, str]


def value_of_information(
    members: MemberValues,
    rules: Sequence[Rule],
    *,
    world: World,
    met: Collection[str],
    seed: int,
) -> InformationValue:
    """Value of perfect information, and of knowing one quantity or one assumption of ``met``, those
    that the answer can depend on. Worlds of response count alike.
    """
    table, weights, worlds = _net_benefits(members, rules)
    # knowing a number tells nothing of the world
    over_worlds = np.mean([table[worlds == name] for name in RESPONSE_WORLDS], axis=0)
    by_world = np.array([members.weights @ table[worlds == name] for name in RESPONSE_WORLDS])
    best, rival = best_and_rival(weights @ table, rules)
    against = over_worlds[:, best] - over_worlds[:, rival]
    of_quantities, meaning = _quantities(members)
    numbers = {key: np.array([assumed[key] for assumed in members.assumed]) for key in sorted(met)}
    numbers = {key: values for key, values in numbers.items() if np.ptp(values) > 0.0}
    meaning |= {key: _meaning(key, world) for key in numbers}
    weights_of_harms = {f"assumption:{STEM}.{name}" for name in JUDGEMENTS}
    ask = partial(_ask, over_worlds, members.weights, against, seed=seed, meaning=meaning)
    worth_world = evpi(by_world, np.full(len(by_world), 1.0 / len(by_world)))
    variance = _variance(table[:, best] - table[:, rival], weights)
    response_world = ParameterInformation(
        name="response world",
        meaning=_RESPONSE_WORLD,
        evppi_per_100=100.0 * worth_world,
        by_chance_per_100=0.0,
        is_beyond_chance=worth_world > 1e-9,
        explains=float(np.var(by_world[:, best] - by_world[:, rival]) / max(variance, 1e-12)),
    )
    quantities = [*ask(of_quantities), response_world]
    assumptions = ask(
        {key: values for key, values in numbers.items() if key not in weights_of_harms}
    )
    tips = [row for row in assumptions if row.tips_at is not None]
    return InformationValue(
        evpi_per_100=100.0 * evpi(table, weights),
        quantities=_first(quantities),
        assumptions=_first(assumptions)[:_LISTED],
        n_assumptions=len(assumptions),
        judgements=_first(
            ask({key: values for key, values in numbers.items() if key in weights_of_harms})
        ),
        tipping=_first(tips)[:_LISTED],
        n_tipping=len(tips),
        between=(rules[best].name, rules[rival].name),
    )


def _quantities(members: MemberValues) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """What a study could count, by name: its value in each member, and its meaning."""

    counted = {"base rate": np.array([values.base_rate for values in members.values])}
    meaning = {"base rate": "rate of CRS of grade >= 2 without prophylaxis"}
    for name in members.values[0].risk_ratio:
        given = f"with {strategy_in_words(name)}"
        for quantity, words, figures in (
            (
                "risk_ratio",
                "risk ratio of CRS of grade >= 2",
                [values.risk_ratio[name] for values in members.values],
            ),
            (
                "infections_added",
                "infections added",
                [values.infections_added[name] for values in members.values],
            ),
            (
                "responses_lost",
                "responses lost if activation mediates response",
                [values.responses_lost[name] for values in members.values],
            ),
        ):
            counted[f"{quantity} {name}"] = np.array(figures)
            meaning[f"{quantity} {name}"] = f"{words} {given}"
    return counted, meaning


def _variance(values: FloatArray, weights: FloatArray) -> float:
    share = weights / weights.sum()
    return float(share @ np.square(values - share @ values))


def _ask(
    table: FloatArray,
    weights: FloatArray,
    against: FloatArray,
    parameters: Mapping[str, FloatArray],
    *,
    seed: int,
    meaning: Mapping[str, str],
) -> list[ParameterInformation]:
    """A row for each parameter asked about together; ``against``: net benefit of the best rule less
    that of its rival, by member.
    """
    known, total, rows = (
        evppi(table, weights, parameters, seed=seed),
        _variance(against, weights),
        [],
    )
    share = weights / weights.sum()
    for name, values in parameters.items():
        low, high = (float(end) for end in np.quantile(values, [0.025, 0.975]))
        covariance = float(share @ ((values - share @ values) * (against - share @ against)))
        spread = _variance(values, weights)
        tie = trend_crossing(values, against, weights, low=low, high=high, seed=seed)
        rows.append(
            ParameterInformation(
                name=name.removeprefix("assumption:"),
                meaning=meaning[name],
                evppi_per_100=100.0 * known[name].evppi,
                by_chance_per_100=100.0 * known[name].by_chance,
                is_beyond_chance=known[name].is_beyond_chance,
                explains=covariance**2 / (spread * total) if spread * total > 0.0 else 0.0,
                now=float(np.median(values)),
                low=low,
                high=high,
                tips_at=tie.at if tie else None,
                tips_low=tie.low if tie else None,
                tips_high=tie.high if tie else None,
            )
        )
    return rows


def _first(rows: Sequence[ParameterInformation]) -> tuple[ParameterInformation, ...]:
    """Beyond chance first, then by what it is worth, then by what it explains."""
    return tuple(
        sorted(rows, key=lambda row: (not row.is_beyond_chance, -row.evppi_per_100, -row.explains))
    )


def _meaning(key: str, world: World) -> str:
    short = key.removeprefix("assumption:")
    if short in world.assumptions:
        return world.assumptions[short].meaning
    kind, _, path = key.partition(":")
    return f"{path.replace('.', ', ').replace('_', ' ')} ({kind})"


@dataclass(frozen=True)
class TrialRecommendation:
    """The trial that follows from the best rule over the ensemble.

    Parameters
    ----------
    rule, strategy, threshold : what the trial gives, and the risk from which.
    best_rule, best_rule_by_support : of highest mean net benefit by the grade and by need of
        support; the trial's own unless that is to treat nobody (``is_worth_it`` False).
    probability_best : share of worlds in which the strategy of the best rule is best.
    rival : best rule of another strategy; third_arm : its drug, where it is best in a tenth of the
        worlds or more.
    control_rate, risk_ratio, support_ratio, infections_added, responses_lost : medians over the
        ensemble, everybody treated.
    trial : arms, claims and patients at the medians over the ensemble.
    n_per_arm_least : patients an arm that the grade alone needs for 80% power where the effect is
        the least of its 95% interval; None where that is none.
    threshold_of_ledger : t* in the reference world.
    """

    strategy: str
    threshold: float | None
    rule: str
    best_rule: str
    best_rule_by_support: str
    is_worth_it: bool
    mean_net_benefit_per_100: float
    probability_best: float
    control_rate: float
    risk_ratio: Estimate
    support_ratio: Estimate
    infections_added: Estimate
    responses_lost: Estimate
    trial: PlannedTrial
    n_per_arm_least: int | None
    threshold_of_ledger: Estimate | NotEstimable
    rival: str
    third_arm: str | None
    margin_over_rival_per_100: float


def recommend_trial(
    over: EnsembleDecision,
    strategies: Mapping[str, StrategyValue],
    rules: Sequence[Rule],
    members: MemberValues,
) -> TrialRecommendation:
    """The trial that follows from the best rule over the ensemble."""
    by_name = {rule.name: rule for rule in rules}
    best, rival = over.rule(over.best), over.rule(over.rival)
    chosen = rival if by_name[over.best].is_nobody else best
    rule = by_name[chosen.rule]
    effect, rate = over.effects[rule.strategy], over.base_rate.value
    third = _third_arm(over, rule.strategy, by_name[rival.rule].strategy)
    drugs = [rule.strategy, *([third] if third else [])]
    arms = arms_over_ensemble(members, rule=rule.name, strategies=drugs)
    shares = np.array([values.treated[rule.name] for values in members.values])
    return TrialRecommendation(
        strategy=rule.strategy,
        threshold=rule.threshold,
        rule=rule.name,
        best_rule=best.rule,
        best_rule_by_support=over.best_by_support,
        is_worth_it=best is chosen,
        mean_net_benefit_per_100=chosen.mean_net_benefit_per_100,
        probability_best=over.probability_strategy_best[by_name[over.best].strategy],
        control_rate=rate,
        risk_ratio=effect.risk_ratio,
        support_ratio=effect.support_ratio,
        infections_added=effect.infections_added,
        responses_lost=effect.responses_lost,
        trial=plan_trial(arms, treated=weighted_quantile(shares, members.weights, 0.5)),
        n_per_arm_least=_grade_alone(rate, effect.risk_ratio.high),
        threshold_of_ledger=strategies[rule.strategy].ledger.threshold,
        rival=rival.rule,
        third_arm=third,
        margin_over_rival_per_100=best.mean_net_benefit_per_100 - rival.mean_net_benefit_per_100,
    )


def _third_arm(over: EnsembleDecision, strategy: str, rival: str) -> str | None:
    """The rival drug when it is the best one in a tenth of the worlds or more."""
    is_drug = rival not in ("none", strategy)
    return rival if is_drug and over.probability_strategy_best[rival] >= ENOUGH_WORLDS else None


def _grade_alone(rate: float, ratio: float) -> int | None:
    """Patients an arm that show this risk ratio at this rate with 80% power; None where it is no
    effect.
    """
    treated = rate * ratio
    if not 0.0 < treated < rate < 1.0:
        return None
    return sample_size_two_proportions(treated, rate).n_per_arm_ceil


def plausible_tipping_points(
    points: Sequence[TippingPoint],
    *,
    effect: EffectOverEnsemble,
    base_rate: Estimate,
    ends: Sequence[AssumptionEnds],
) -> tuple[TippingPoint, ...]:
    """Tipping points with their plausible range, of the ensemble or as an assumption states it."""
    ranges: dict[Quantity, tuple[float, float]] = {
        "risk_ratio": (effect.risk_ratio.low, effect.risk_ratio.high),
        "hidden_share": (effect.hidden_share.low, effect.hidden_share.high),
        "infections_added": (effect.infections_added.low, effect.infections_added.high),
        "responses_lost": (effect.responses_lost.low, effect.responses_lost.high),
        "base_rate": (base_rate.low, base_rate.high),
    }
    stated = {row.key.removeprefix(f"{STEM}."): (row.low, row.high) for row in ends}
    return tuple(
        replace(
            point,
            now=effect.hidden_share.value if point.quantity == "hidden_share" else point.now,
            low=low,
            high=high,
        )
        for point in points
        for low, high in [
            ranges.get(point.quantity) or stated.get(point.quantity) or (point.low, point.high)
        ]
    )


@dataclass(frozen=True)
class PolicySetting:
    """Who was simulated, and how much: what makes the answer again."""

    product: str
    platform: Platform
    label: str
    regimen: str
    window_d: float
    population: str
    scenario: str
    seed: int
    version: str
    n_patients: int
    n_replicates: int
    n_training_per_arm: int
    score: str
    strategies: tuple[str, ...]
    response_world: ResponseWorld
    doses_per_100: tuple[float, ...]
    n_resamples: int
    member_patients: int
    scenario_patients: int


@dataclass(frozen=True, repr=False)
class PolicyAnalysis:
    """Who should get prophylaxis, among simulated patients whose potential outcomes are known, and
    over what is not known.

    Parameters
    ----------
    notice, question : what it is not, and what was asked.
    setting : who was simulated, and how much.
    common : how common CRS of grade >= 2 is, and how well its risk is told.
    strategies : by name, harms ledger with threshold, policies, regret, tipping points, subgroups.
    rules : nobody, everybody and by risk, for each strategy: what is valued in many worlds.
    scenarios, ensemble : the rules under every scenario and over the ensemble of assumptions.
    information : what knowing more before deciding would be worth.
    ends : every uncertain consequence moved to both ends of its range.
    recommendation : the trial that follows.
    """

    notice: str
    question: str
    setting: PolicySetting
    common: CommonRisk
    strategies: Mapping[str, StrategyValue]
    rules: tuple[Rule, ...]
    scenarios: tuple[ScenarioValues, ...]
    ensemble: EnsembleDecision
    information: InformationValue
    ends: tuple[AssumptionEnds, ...]
    recommendation: TrialRecommendation

    def rule(self, name: str) -> Rule:
        """The rule of that name."""
        return next(rule for rule in self.rules if rule.name == name)

    @property
    def recommended(self) -> StrategyValue:
        """The strategy that the recommended trial gives."""
        return self.strategies[self.recommendation.strategy]
