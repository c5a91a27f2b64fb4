"""Who should get prophylaxis, in words: the first paragraph, what would overturn it, and what to
measure first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import isfinite

from crsrisk.data.potential_outcomes import ResponseWorld, strategy_in_words
from crsrisk.policy.decision import (
    ParameterInformation,
    PolicyAnalysis,
    TrialRecommendation,
)
from crsrisk.policy.recommended_trial import NotClaimed, PlannedClaim, PlannedTrial
from crsrisk.policy.stated import PolicyTableAnalysis, TableSetting
from crsrisk.policy.table import PolicyValue
from crsrisk.policy.tipping import TippingPoint
from crsrisk.policy.worlds import Rule
from crsrisk.report.answers import within_words
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import MISSING, listed, number

WORLD_WORDS: dict[ResponseWorld, str] = {
    "no_link": "no link",
    "common_cause": "a common cause",
    "mediation": "mediation",
}
_MANY = 1000.0
_SMALL = 0.05  # events of CRS in 100 patients: below it nothing is worth saying
NONE = "none"


def steady(value: float) -> float:
    """The value to six significant digits, so that the last bits of a computation never decide how
    a half is rounded.

    >>> steady(26.250000000001)
    26.25
    """
    return float(f"{value:.6g}")


def amount(value: float | None, *, digits: int = 1) -> str:
    """A figure for 100 patients."""
    return number(value if value is None else steady(value), digits=digits)


def with_interval(figure: Estimate | NotEstimable, *, factor: float = 1.0, digits: int = 1) -> str:
    """A figure with its interval; what has no finite number is said to be none.

    >>> with_interval(Estimate(0.5, 0.25, 0.75), factor=100)
    '50.0 (25.0 to 75.0)'
    >>> with_interval(Estimate(8.0, 6.0)), with_interval(NotEstimable("nothing is averted"))
    ('8.0 (6.0 to none)', 'none')
    """
    if isinstance(figure, NotEstimable):
        return NONE
    middle, first, last = (
        number(factor * steady(end), digits=digits) if isfinite(end) else NONE
        for end in (figure.value, figure.low, figure.high)
    )
    has_no_interval = not isfinite(figure.low) and not isfinite(figure.high)
    return middle if has_no_interval or middle == first == last else f"{middle} ({first} to {last})"


def negative(figure: Estimate) -> Estimate:
    """The same figure with the other sign."""
    return Estimate(-figure.value, -figure.high, -figure.low)


def format_change(figure: Estimate, more: str, fewer: str) -> str:
    """A change that may go either way, without a minus sign that nobody can speak.

    >>> format_change(Estimate(-0.3, -0.4, -0.2), "adds", "spares")
    'spares 0.3 (0.2 to 0.4)'
    """
    if figure.value < 0.0:
        return f"{fewer} {with_interval(negative(figure))}"
    return f"{more} {with_interval(figure)}"


def needed_text(figure: Estimate | NotEstimable) -> str:
    """A number needed to treat or to harm; beyond a thousand the number itself says nothing.

    >>> needed_text(Estimate(7.94, 6.0)), needed_text(Estimate(1630.0, 1400.0))
    ('7.9 (6.0 to none)', 'over 1,000')
    """
    value = 0.0 if isinstance(figure, NotEstimable) else figure.value
    if value > _MANY:
        return f"over {number(_MANY, digits=0)}"
    return with_interval(figure, digits=0 if value >= 100.0 else 1)


def rule_in_words(rule: Rule) -> str:
    """A rule as a committee says it.

    >>> rule_in_words(Rule("tocilizumab", 0.2))
    'giving tocilizumab to patients at a predicted risk of 20 of 100 or more'
    """
    if rule.is_nobody:
        return "giving nobody prophylaxis"
    given = f"giving {strategy_in_words(rule.strategy)}"
    return f"{given} to everybody" if rule.threshold is None else f"{given} to {who_enters(rule)}"


def who_enters(rule: Rule) -> str:
    """Whom a trial of this rule randomises."""
    if rule.threshold is None:
        return "all comers"
    return f"patients at a predicted risk of {100 * rule.threshold:.0f} of 100 or more"


def figure_text(value: float | None) -> str:
    """A figure of an unknown size, in two or three digits that matter; `none` when there is
    none.
    """
    if value is None:
        return NONE
    if abs(value) >= 100:
        return number(value, digits=0)
    return number(
        value, digits=2 if abs(value) >= 0.1 or round(value, 4) == 0 else _decimals(value)
    )


def _decimals(value: float) -> int:
    """As many as show two digits that matter, at most four.

    >>> _decimals(0.0643), _decimals(0.00021)
    (3, 4)
    """
    return min(1 - math.floor(math.log10(abs(value))), 4)


def range_text(low: float | None, high: float | None) -> str:
    """From and to."""
    return MISSING if low is None or high is None else f"{figure_text(low)} to {figure_text(high)}"


def tie_text(row: ParameterInformation) -> str:
    """Where a decision turns, with its interval, or that the interval goes beyond what was looked
    at.
    """
    interval = "interval beyond the range"
    if row.tips_low is not None:
        interval = range_text(row.tips_low, row.tips_high)
    return f"{figure_text(row.tips_at)} ({interval})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def policy_summary(analysis: PolicyAnalysis) -> str:
    """The first paragraph: setting, answer, price, certainty, trial, and what it is not."""
    setting, over, advice = analysis.setting, analysis.ensemble, analysis.recommendation
    rule, best = analysis.rule(advice.rule), analysis.rule(advice.best_rule)
    strategy, base = analysis.strategies[rule.strategy], over.base_rate
    policy = strategy.treat_all if rule.threshold is None else strategy.by_risk
    parts = [
        (
            "In simulated patients with"
            f" {setting.population[0].lower()}{setting.population[1:]} starting"
            f" {setting.product} (regimen {setting.regimen.replace('_', ' ')}), CRS of grade"
            f" 2 or more within {setting.window_d:g} days after the first dose came in"
            f" {amount(100 * analysis.common.rate.value, digits=0)} of 100 without"
            f" prophylaxis; over {over.n_members} sets of assumptions that published figures"
            f" cannot tell apart, in {amount(100 * base.low, digits=0)} to"
            f" {amount(100 * base.high, digits=0)}."
        ),
        (
            f"Over these sets, {rule_in_words(best)} has the highest expected net benefit of"
            f" {len(analysis.rules)} rules, and its strategy is the best one in"
            f" {amount(100 * advice.probability_best, digits=0)} of 100 worlds."
        ),
        (
            f"In the reference world {rule_in_words(rule)} treats"
            f" {amount(policy.treated.value, digits=0)} of 100 patients, averts"
            f" {with_interval(policy.averted)} CRS of grade 2 or more,"
            f" {format_change(policy.infections_added, 'adds', 'spares')} serious infections within"
            f" 90 days and {_responses(policy.responses_lost)}."
        ),
        *_hidden_fever(advice),
        *_reference_sentence(analysis),
        _trial_sentence(analysis),
        (
            "All of it is synthetic: a design scenario, without external validation, never advice"
            " on a patient."
        ),
    ]
    return " ".join(parts)


def policy_answer(analysis: PolicyAnalysis) -> str:
    """In as many words as an answer may have: how common, which rule, what it does."""
    setting, over, advice = analysis.setting, analysis.ensemble, analysis.recommendation
    rule, best = analysis.rule(advice.rule), analysis.rule(advice.best_rule)
    strategy, base = analysis.strategies[rule.strategy], over.base_rate
    policy = strategy.treat_all if rule.threshold is None else strategy.by_risk
    common, low, high, certain, treated = (
        amount(100 * share, digits=0)
        for share in (
            analysis.common.rate.value,
            base.low,
            base.high,
            advice.probability_best,
            policy.treated.value / 100,
        )
    )
    return within_words(
        [
            f"Without prophylaxis CRS of grade 2 or more comes in {common} of 100 simulated"
            f" patients starting {setting.product} ({low} to {high} over assumptions).",
            f"Best of {len(analysis.rules)} rules on average: {rule_in_words(best)}; its strategy"
            f" is the best one in {certain} of 100 worlds.",
            f"In the reference world {rule_in_words(rule)} treats {treated} of 100 patients,"
            f" averts about {amount(policy.averted.value, digits=0)} CRS of grade 2 or more and"
            f" {_infections(policy.infections_added)}.",
            "What early suppression of cytokines does to the tumour is not known.",
            "All of it is synthetic: a design scenario, never advice on a patient.",
        ]
    )


def _infections(added: Estimate) -> str:
    """Serious infections as a whole number; with its interval they stand in the table."""
    verb = "adds" if added.value >= 0 else "spares"
    count = amount(abs(added.value), digits=0)
    if count == "0":
        return "changes serious infections by fewer than 1"
    return f"{verb} about {count} serious infection{'' if count == '1' else 's'}"


def _responses(lost: Estimate) -> str:
    """Tumour responses lost, which nobody knows to hang on T-cell activation; that none are lost is
    an assumption, too.
    """
    if abs(lost.value) < _SMALL:
        return (
            "leaves tumour responses as they are only because the simulator assumes that it spares"
            " T-cell activation: whether early suppression of cytokines costs response is an"
            " unresolved question"
        )
    return (
        f"{format_change(lost, 'costs', 'spares')} tumour responses if T-cell activation mediates"
        " response, none if it does not: nobody knows which"
    )


def _hidden_fever(advice: TrialRecommendation) -> list[str]:
    """That need of support falls less than the grade, where it does."""
    grade, support = advice.risk_ratio.value, advice.support_ratio.value
    if round(support, 2) <= round(grade, 2):
        return []
    return [
        f"Over the sets its median risk ratio is {number(grade, digits=2)} by the grade but"
        f" {number(support, digits=2)} by need of support: a part of the effect on the grade is"
        " fever that is not seen."
    ]


def _reference_sentence(analysis: PolicyAnalysis) -> list[str]:
    """That the reference world by itself says something else, where it does."""
    setting, advice = analysis.setting, analysis.recommendation
    chosen = analysis.rule(advice.best_rule).strategy
    here = [row for row in analysis.scenarios if row.scenario == setting.scenario]
    if not here:
        return []
    alone = analysis.rule(here[0].best[setting.response_world])
    if alone.strategy == chosen:
        return []
    return [
        f"The reference world by itself, with {WORLD_WORDS[setting.response_world]} and weights as"
        f" assumed, would choose {rule_in_words(alone)}: the answer over all sets and that of the"
        " single best guess are not the same."
    ]


def trial_arms(advice: TrialRecommendation) -> str:
    """The arms that the trial randomises to, as a sentence lists them."""
    drugs = [strategy_in_words(arm.name) for arm in advice.trial.arms[1:]]
    return ", ".join(drugs or [strategy_in_words(advice.strategy)])


def claim_in_words(claim: PlannedClaim | NotClaimed) -> str:
    """Which arm is to have fewer events than which.

    >>> claim_in_words(NotClaimed("tocilizumab@fever", "placebo", "no rarer"))
    'tocilizumab at fever against placebo'
    """
    return f"{strategy_in_words(claim.experimental)} against {strategy_in_words(claim.comparator)}"


def trial_size_sentences(trial: PlannedTrial) -> list[str]:
    """Patients of the trial with the power of everything that it claims, and what it leaves out."""
    sentences = []
    if trial.n_per_arm is None:
        sentences.append("At the median effect there is nothing that a trial could show.")
    else:
        number_of = len(trial.claims)
        all_claims = "its claim" if number_of == 1 else f"all its {number_of} claims together"
        each = listed(
            [f"{claim_in_words(claim)} {_percent(claim.power)}" for claim in trial.claims]
        )
        sentences.append(
            f"{number(trial.n_per_arm, digits=0)} patients in each of {len(trial.arms)} arms give"
            f" {all_claims} {_percent(trial.power_all or 0.0)} power on both endpoints at the"
            " median effects" + ("." if number_of == 1 else f" (in the order of testing: {each}).")
        )
        fewer = trial.claims[-2].n_per_arm_80 if number_of > 1 else trial.n_per_arm
        if fewer < trial.n_per_arm:
            sentences.append(
                f"{number(fewer, digits=0)} an arm would do for all but the last of them."
            )
    sentences += [
        f"It does not claim {claim_in_words(left)}, since {left.reason}."
        for left in trial.not_claimed
    ]
    return sentences


def _percent(power: float) -> str:
    return f"{100 * power:.0f}%"


def _trial_sentence(analysis: PolicyAnalysis) -> str:
    advice = analysis.recommendation
    rule = analysis.rule(advice.rule)
    kept = advice.third_arm and advice.third_arm in {arm.name for arm in advice.trial.arms}
    third = (
        f"; {strategy_in_words(advice.third_arm or '')} is best in too many worlds to be left out"
        if kept
        else ""
    )
    trial = " ".join(
        [
            (
                f"The trial that follows randomises {who_enters(rule)} to {trial_arms(advice)} or"
                " placebo, with need of fluids, vasopressor or oxygen as a second primary endpoint"
                f" that a hidden fever cannot flatter{third}."
            ),
            *trial_size_sentences(advice.trial),
        ]
    )
    if advice.is_worth_it:
        return trial
    return "No strategy is expected to pay; if one is tried all the same, it is this. " + trial


def what_would_overturn(analysis: PolicyAnalysis) -> list[str]:
    """Sentences about what turns the answer, the plausible ones first."""
    sentences = [
        *_other_worlds(analysis),
        *_by_support(analysis),
        *_ties(analysis),
        *_ends(analysis),
        *_other_scenarios(analysis),
    ]
    return sentences or [
        "Nothing that was varied within its plausible range turns the answer. That says more about"
        " the ranges than about patients."
    ]


def _by_support(analysis: PolicyAnalysis) -> list[str]:
    advice = analysis.recommendation
    if advice.best_rule_by_support == advice.best_rule:
        return []
    other = analysis.rule(advice.best_rule_by_support)
    return [
        f"Counted by need of support instead of grade, {rule_in_words(other)} would be best: "
        "a part of the effect on the grade is fever that is not seen."
    ]


def _ties(analysis: PolicyAnalysis) -> list[str]:
    """Tipping points of the recommended strategy inside their plausible range."""
    strategy = analysis.recommended
    pays = strategy.treat_all.net_benefit.value > 0.0
    who = f"{strategy_in_words(strategy.strategy)} for everybody"
    return [
        tipping_text(point, who=who, pays=pays, has_range=True)
        for point in strategy.tipping_points
        if point.is_within
    ]


def _ends(analysis: PolicyAnalysis) -> list[str]:
    """Assumptions whose range holds another best rule."""
    sentences = []
    for row in analysis.ends:
        if row.turns_to is None:
            continue
        at = f" at {figure_text(row.tips_at)}" if row.tips_at is not None else ""
        sentences.append(
            f"{_without_comment(row.meaning)}: from {figure_text(row.low)} to "
            f"{figure_text(row.high)} (now {figure_text(row.now)}), the best rule in the reference"
            f" world turns{at} from {rule_in_words(analysis.rule(row.best_now))} to"
            f" {rule_in_words(analysis.rule(row.turns_to))}."
        )
    return sentences


def _other_scenarios(analysis: PolicyAnalysis) -> list[str]:
    cautious = analysis.setting.response_world
    strategy = analysis.rule(analysis.recommendation.best_rule).strategy
    best = {row.scenario: analysis.rule(row.best[cautious]) for row in analysis.scenarios}
    others = [
        f"{scenario.replace('_', ' ')} ({rule_in_words(rule)})"
        for scenario, rule in best.items()
        if rule.strategy != strategy
    ]
    if not others:
        return []
    return [
        "Scenarios, everything else at its reference value, in which another strategy is best: "
        + listed(others)
        + "."
    ]


def tipping_text(point: TippingPoint, *, who: str, pays: bool, has_range: bool = False) -> str:
    """Where an assumption turns the answer: away from prophylaxis that pays, or towards one that
    does not yet.

    ``has_range``: its low and high are what is plausible, and are said.

    >>> point = TippingPoint("risk_ratio", now=0.6, tips_at=0.78, low=0.3, high=0.9)
    >>> tipping_text(point, who="treating everybody", pays=True)
    'Risk ratio of CRS: 0.78 (now 0.60) makes treating everybody no better than treating nobody.'
    >>> print(tipping_text(point, who="giving it to everybody", pays=False, has_range=True))
    Risk ratio of CRS: 0.78 (now 0.60; 0.30 to 0.90 is plausible) would be needed for giving it to
    everybody to pay.
    """
    range_ = f"; {range_text(point.low, point.high)} is plausible" if has_range else ""
    turns = (
        f"makes {who} no better than treating nobody"
        if pays
        else f"would be needed for {who} to pay"
    )
    now = f"now {figure_text(point.now)}{range_}"
    return f"{_capital(point.assumption)}: {figure_text(point.tips_at)} ({now}) {turns}."


def _other_worlds(analysis: PolicyAnalysis) -> list[str]:
    """How often another strategy is best, and what a study could count that turns the answer to the
    rival.
    """
    over, information = analysis.ensemble, analysis.information
    best = analysis.rule(over.best).strategy
    shares = [
        f"{'giving nothing' if name == 'none' else strategy_in_words(name)} in {100 * share:.0f}"
        for name, share in over.probability_strategy_best.items()
        if name != best and share >= 0.005
    ]
    sentences = []
    if shares:
        sentences.append(f"Of 100 worlds another strategy is best: {listed(shares)}.")
    first, second = (rule_in_words(analysis.rule(name)) for name in information.between)
    sentences += [
        f"{_capital(row.meaning)}: at {tie_text(row)} the answer turns, by the trend over the"
        f" ensemble (median {figure_text(row.now)}; {range_text(row.low, row.high)}), from"
        f" {first} to {second}."
        for row in information.quantities
        if row.tips_at is not None
    ]
    return sentences


def _without_comment(meaning: str) -> str:
    return meaning.split(" (")[0].split(":")[0]


def measure_first(analysis: PolicyAnalysis) -> list[str]:
    """What is worth measuring before the trial, in sentences."""
    information = analysis.information
    best, rival = (rule_in_words(analysis.rule(name)) for name in information.between)
    first = (
        "Knowing everything before deciding would be worth"
        f" {amount(information.evpi_per_100, digits=2)} CRS events for each 100 patients; the"
        f" decision is between {best} and {rival}."
    )
    worth = [
        row
        for row in information.quantities
        if row.is_beyond_chance and row.evppi_per_100 >= _SMALL
    ]
    if worth:
        return [
            first,
            f"The one measurement worth making first: {worth[0].meaning} (worth"
            f" {amount(worth[0].evppi_per_100, digits=2)} for each 100 patients).",
        ]
    moving = max(information.quantities, key=lambda row: row.explains)
    return [
        first,
        "No single quantity is worth more than chance shows. If one is to be measured first, it is"
        f" what moves the difference between the two most: {moving.meaning}"
        f" ({100 * moving.explains:.0f} of 100 parts of its variance).",
    ]


def policy_table_summary(analysis: PolicyTableAnalysis) -> str:
    """The first paragraph about a table: patients, price, the best of three rules with what it
    does, and what it is not.
    """
    return " ".join(_table_sentences(analysis))


def policy_table_answer(analysis: PolicyTableAnalysis) -> str:
    """The same in at most so many words as an answer has."""
    return within_words(_table_sentences(analysis))


def _table_sentences(analysis: PolicyTableAnalysis) -> list[str]:
    ledger = analysis.ledger
    pays = (
        f"pays from a risk of {amount(100 * ledger.threshold)} of 100 on"
        if ledger.threshold <= 1.0
        else "pays at no risk: it costs more than it could ever avert"
    )
    return [
        (
            f"In {number(analysis.setting.n_patients, digits=0)} patients"
            f"{_not_among_them(analysis.setting)} with a mean"
            " predicted risk of CRS of grade 2 or more of"
            f" {amount(100 * analysis.risk.mean)} of 100, prophylaxis with a risk ratio of"
            f" {with_interval(ledger.risk_ratio, digits=2)} and a harm of"
            f" {amount(100 * ledger.harm)} CRS events for 100 treated {pays}."
        ),
        _best_policy(analysis.policies),
        (
            "Effect and harms are stated, not found in these patients: a design scenario,"
            " without external validation, never advice on a patient."
        ),
    ]


def _not_among_them(setting: TableSetting) -> str:
    """Rows of the table that are not among its patients, in brackets; "" where there are none."""
    parts = [
        f"{n} {what}"
        for n, what in (
            (setting.n_refused, "rows refused"),
            (setting.n_left_out, "left out without a risk or an outcome"),
        )
        if n
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _best_policy(policies: Sequence[PolicyValue]) -> str:
    """Which of treating nobody, everybody and by the threshold is worth most, and what it does."""
    nobody, everybody, some = policies[:3]
    best = max((nobody, everybody, some), key=lambda policy: policy.net_benefit.value)
    if best is nobody:
        return (
            "Treating nobody has the highest net benefit; treating everybody would cost "
            f"{with_interval(negative(everybody.net_benefit))} CRS events for 100 patients, all in"
            " all."
        )
    who = (
        "everybody"
        if best is everybody
        else f"the {amount(some.treated.value, digits=0)} of 100 from that risk on"
    )
    others = "everybody" if best is some else "those from that risk on"
    than = f"treating nobody or {others}" if some.treated.value < 100.0 else "treating nobody"
    doubt = (
        ", and that it is worth nothing is not excluded." if best.net_benefit.low <= 0.0 else "."
    )
    return (
        f"Treating {who} has a higher net benefit than {than}: {with_interval(best.net_benefit)}"
        f" CRS events for 100 patients; it averts {with_interval(best.averted)} CRS of grade 2 or"
        f" more{doubt}"
    )


def what_would_overturn_table(analysis: PolicyTableAnalysis) -> list[str]:
    """Sentences about the stated quantities that turn the answer about a table."""
    pays = analysis.treat_all.net_benefit.value > 0.0
    return [
        tipping_text(point, who="treating everybody", pays=pays)
        for point in analysis.tipping_points
        if point.tips_at is not None and point.is_within is not False
    ]
