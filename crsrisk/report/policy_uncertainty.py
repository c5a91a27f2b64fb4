"""Who should get prophylaxis over what is not known, as sections: scenarios and ensemble, tipping
points, value of information, and the trial that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, strategy_in_words
from crsrisk.plots.chart_data import Axis, Dot, Dots
from crsrisk.policy.decision import (
    EnsembleDecision,
    InformationValue,
    ParameterInformation,
    PolicyAnalysis,
    TrialRecommendation,
)
from crsrisk.policy.worlds import AssumptionEnds, Rule
from crsrisk.report.policy_words import (
    amount,
    claim_in_words,
    figure_text,
    measure_first,
    range_text,
    rule_in_words,
    tie_text,
    trial_arms,
    trial_size_sentences,
    what_would_overturn,
    who_enters,
    with_interval,
)
from crsrisk.report.sections import Section, Table, figure, row, section, table
from crsrisk.results import Estimate
from crsrisk.wording import MISSING, number, typeset


def worlds_section(analysis: PolicyAnalysis) -> Section:
    """The same rules under every scenario and over the ensemble."""
    over = analysis.ensemble
    return section(
        "worlds",
        title="Not one world: scenarios and the ensemble of assumptions",
        lead=(
            f"Over {over.n_members} sets of assumptions,"
            f" {rule_in_words(analysis.rule(over.best))} has the highest mean net benefit."
        ),
        sentences=[
            "Every set has patients of its own; consequences and weights are drawn from their"
            " ranges; the three worlds of response count alike. Chance at the size of one set is"
            " taken out of the spread."
        ],
        tables=[_ensemble_table(over), _effects_table(over), _scenarios_table(analysis)],
        figures=[
            figure(
                "rules",
                title="Net benefit of each rule over the ensemble.",
                text=(
                    "Dot: median; line: 95% of worlds. Right of the line at 0 the rule beats"
                    " treating nobody."
                ),
                panels=[("dots", "Net benefit for 100 patients", rules_dots(over))],
            )
        ],
    )


def _ensemble_table(over: EnsembleDecision) -> Table:
    rows = [
        row(
            _short(rule.rule),
            [
                amount(rule.mean_net_benefit_per_100),
                with_interval(rule.net_benefit_per_100),
                *(amount(rule.mean_by_response_world[world]) for world in RESPONSE_WORLDS),
                amount(rule.mean_by_support),
                number(100 * rule.probability_best, digits=0),
                amount(rule.mean_regret_per_100),
                amount(rule.regret_per_100.high),
            ],
            is_strong=rule.rule == over.best,
        )
        for rule in over.rules
    ]
    return table(
        "ensemble",
        title="Rules over the ensemble, net benefit for 100 patients",
        row_header="Rule",
        columns=[
            ("Mean", ""),
            ("Median", "95% of worlds"),
            ("Mean", "no link"),
            ("Mean", "common cause"),
            ("Mean", "mediation"),
            ("Mean", "by need of support"),
            ("Best", "of 100 worlds"),
            ("Regret", "mean"),
            ("Regret", "97.5% of worlds"),
        ],
        rows=rows,
        notes=["Regret: what the rule leaves to the best of these rules in each world."],
    )


def _effects_table(over: EnsembleDecision) -> Table:
    return table(
        "effects",
        title="Effects over the ensemble",
        row_header="Strategy",
        columns=[
            ("RR of CRS >= 2", "median, 95%"),
            ("RR of need of support", "median, 95%"),
            ("Infections added", "for 100"),
            ("Responses lost", "for 100, mediation"),
        ],
        rows=[
            row(
                strategy_in_words(name),
                [
                    with_interval(effect.risk_ratio, digits=2),
                    with_interval(effect.support_ratio, digits=2),
                    with_interval(effect.infections_added, factor=100),
                    with_interval(effect.responses_lost, factor=100),
                ],
            )
            for name, effect in over.effects.items()
        ],
    )


def _scenarios_table(analysis: PolicyAnalysis) -> Table:
    cautious, rules = analysis.setting.response_world, analysis.rules[1:]
    rows = []
    for scenario in analysis.scenarios:
        value, error = scenario.net_benefit_per_100[cautious], scenario.mc_error_per_100
        rows.append(
            row(
                scenario.scenario.replace("_", " "),
                [
                    number(100 * scenario.base_rate, digits=0),
                    *(f"{value[rule.name]:.1f} ± {error[rule.name]:.1f}" for rule in rules),
                    _short(scenario.best[cautious]),
                ],
            )
        )
    return table(
        "scenarios",
        title=f"Net benefit for 100 patients by scenario ({cautious}), ± Monte Carlo error",
        row_header="Scenario",
        rows=rows,
        words=[len(rules) + 1],
        columns=[
            ("CRS >= 2", "of 100"),
            *((_short(rule.name), "") for rule in rules),
            ("Best", ""),
        ],
    )


def _short(rule: str) -> str:
    return "nobody" if rule == "none" else typeset(rule)


def rules_dots(over: EnsembleDecision) -> Dots:
    """Net benefit of each rule over the ensemble."""
    rules = [rule for rule in over.rules if rule.rule != "none"]
    values: list[Estimate] = [rule.net_benefit_per_100 for rule in rules]
    ends = [end for value in values for end in (value.low, value.high)]
    return Dots(
        Axis("CRS events for 100 patients", min(0.0, *ends) - 1.0, max(1.0, *ends) + 1.0),
        [
            Dot(_short(rule.rule), rule.net_benefit_per_100, is_strong=rule.rule == over.best)
            for rule in rules
        ],
        description="; ".join(
            f"{rule.rule} {value.value:.1f}" for rule, value in zip(rules, values, strict=True)
        ),
        reference=0.0,
        digits=1,
    )


def tipping_section(analysis: PolicyAnalysis) -> Section:
    """Tipping points: exact for quantities, end by end for consequences, by trend for the rest."""
    information = analysis.information
    first, *others = what_would_overturn(analysis)
    tally = f"{information.n_tipping} of {information.n_assumptions}"
    best, rival = information.between
    trends = [_trend_table(information, tally)] if information.tipping else []
    return section(
        "tipping",
        title="What would break it",
        lead=first,
        sentences=[
            *others,
            (
                f"Of the assumptions behind mechanism and consequences {tally} have, by the trend"
                f" over the ensemble, a tie between {best} and {rival}"
                " inside the range of its members; trends whose slope is within twice its error"
                " have none."
            ),
        ],
        tables=[_ties_table(analysis), _ends_table(analysis.ends), *trends],
    )


def _ties_table(analysis: PolicyAnalysis) -> Table:
    strategy = strategy_in_words(analysis.recommendation.strategy).capitalize()
    return table(
        "tipping",
        title=f"{strategy} for everybody against nobody, one quantity at a time",
        row_header="Quantity",
        columns=[
            ("Now", ""),
            ("Ties at", ""),
            ("Plausible", "ensemble or stated range"),
            ("Plausible tie", ""),
        ],
        rows=[
            row(
                point.assumption,
                [
                    figure_text(point.now),
                    figure_text(point.tips_at),
                    range_text(point.low, point.high),
                    "yes" if point.is_within else "no",
                ],
            )
            for point in analysis.recommended.tipping_points
        ],
    )


def _ends_table(ends: Sequence[AssumptionEnds]) -> Table:
    return table(
        "ends",
        title="Consequences and weights moved to the ends of their ranges",
        row_header="Assumption",
        columns=[
            ("Now", ""),
            ("Range", ""),
            ("Net benefit of the best rule", "low / now / high, for 100"),
            ("Turns at", ""),
            ("To", ""),
        ],
        rows=[
            row(
                end.key.removeprefix("consequences.").replace("__", " of ").replace("_", " "),
                [
                    figure_text(end.now),
                    range_text(end.low, end.high),
                    " / ".join(amount(value) for value in end.net_benefit_per_100),
                    figure_text(end.tips_at),
                    _short(end.turns_to) if end.turns_to else MISSING,
                ],
                note="judgement" if end.is_judgement else "",
            )
            for end in ends
        ],
        words=[4],
    )


def _trend_table(information: InformationValue, tally: str) -> Table:
    return table(
        "trend",
        title=f"Assumptions behind it that turn the answer: {tally}",
        row_header="Assumption",
        rows=[
            row(
                tip.name.replace("_", " "),
                [figure_text(tip.now), range_text(tip.low, tip.high), tie_text(tip)],
            )
            for tip in information.tipping
        ],
        columns=[
            ("Median", ""),
            ("95% of members", ""),
            ("Turns at", "by the trend, 95% interval"),
        ],
    )


def information_section(analysis: PolicyAnalysis) -> Section:
    """Value of information."""
    information = analysis.information
    first, *others = measure_first(analysis)
    return section(
        "information",
        title="What to measure first",
        lead=first,
        sentences=others,
        tables=[
            _information_table(
                "quantities",
                information.quantities,
                title="What a study could count",
                row_header="Quantity",
                label=lambda part: part.meaning,
            ),
            _information_table(
                "assumptions",
                information.assumptions,
                title=f"The numbers behind it: the first of {information.n_assumptions}",
                row_header="Assumption",
                label=lambda part: part.name,
            ),
            _information_table(
                "judgements",
                information.judgements,
                title="Weights, which people set and no study measures",
                row_header="Weight",
                label=lambda part: part.name,
            ),
        ],
    )


def _information_table(
    key: str,
    parts: Sequence[ParameterInformation],
    *,
    title: str,
    row_header: str,
    label: Callable[[ParameterInformation], str],
) -> Table:
    return table(
        key,
        title=title,
        row_header=row_header,
        columns=[
            ("Worth knowing", "CRS events for 100"),
            ("By chance", "shuffled"),
            ("Beyond chance", ""),
            ("Explains", "% of the difference"),
        ],
        rows=[
            row(
                label(part).replace("_", " "),
                [
                    number(part.evppi_per_100, digits=2),
                    number(part.by_chance_per_100, digits=2),
                    "yes" if part.is_beyond_chance else "no",
                    number(100 * part.explains, digits=0),
                ],
            )
            for part in parts
        ],
    )


def trial_section(analysis: PolicyAnalysis) -> Section:
    """The recommended trial and its size."""
    advice = analysis.recommendation
    rule: Rule = analysis.rule(advice.rule)
    return section(
        "trial",
        title="The trial that follows",
        lead=(
            f"Randomise {who_enters(rule)} to {trial_arms(advice)} or placebo, in equal numbers;"
            " the first primary endpoint is CRS of grade >= 2, the second need of fluids,"
            " vasopressor or oxygen."
        ),
        sentences=[
            " ".join(trial_size_sentences(advice.trial)),
            (
                "Serious infection within 90 days is a co-estimand; objective response is to be"
                " reported with its interval, and the trial will not prove it safe."
            ),
            (
                f"Over the ensemble its rule gains {amount(advice.mean_net_benefit_per_100)} CRS"
                " events for 100 patients on average; against the best rule of another strategy"
                f" ({rule_in_words(analysis.rule(advice.rival))}) the best rule gains"
                f" {amount(advice.margin_over_rival_per_100)}."
            ),
            *(
                [
                    "trial.yaml in the folder of results is this trial as a design file, with the"
                    " same arms, rates and patients: crsrisk trial simulates its power, type I"
                    " error, screening and exposure."
                ]
                if advice.trial.claims
                else []
            ),
        ],
        tables=[_claims_table(advice)] if advice.trial.claims else [],
    )


_ENDPOINTS = {"grade": "CRS of grade >= 2", "support": "need of support"}


def _claims_table(advice: TrialRecommendation) -> Table:
    """What the trial claims, endpoint by endpoint, and the patients that it takes."""
    trial = advice.trial
    rows = []
    for at, claim in enumerate(trial.claims, 1):
        name = claim_in_words(claim)
        rows += [
            row(
                f"{_capital(name)}, {_ENDPOINTS[endpoint.endpoint]}",
                [
                    number(100 * endpoint.comparator, digits=1),
                    number(100 * endpoint.experimental, digits=1),
                    number(endpoint.n_per_arm_80, digits=0),
                    MISSING,
                    number(100 * endpoint.power, digits=0),
                ],
            )
            for endpoint in claim.endpoints
        ]
        with_those = " with those above" if at > 1 else ""
        rows.append(
            row(
                f"Claim {at}: both endpoints{with_those}",
                [
                    MISSING,
                    MISSING,
                    number(claim.n_per_arm_80, digits=0),
                    number(claim.n_per_arm_90, digits=0),
                    number(100 * claim.power, digits=0),
                ],
            )
        )
    least = (
        "there is no effect to show"
        if advice.n_per_arm_least is None
        else f"the grade alone needs {number(advice.n_per_arm_least, digits=0)} an arm"
    )
    procedure = (
        "Hierarchical testing: claims in this order, each at the full level, up to the first that"
        " fails, so that the chance of any false claim is at most 2.5%."
        if len(trial.claims) > 1
        else "Both endpoints must show it, so that neither needs a share of the level."
    )
    return table(
        "sizes",
        title=(
            f"Claims of the trial with {number(trial.n_per_arm, digits=0)} patients an arm,"
            " one-sided 2.5%"
        ),
        row_header="Claim",
        rows=rows,
        columns=[
            ("Comparator", "of 100"),
            ("Experimental", "of 100"),
            ("For 80% power", "patients an arm"),
            ("For 90% power", "patients an arm"),
            ("Power", "% at this size"),
        ],
        notes=[
            procedure,
            (
                "Pooled z test, normal approximation. Rates are medians over the ensemble among"
                " those whom the trial randomises: that without prophylaxis, and for a drug that"
                " rate times the median ratio. At the least effect of its 95% interval,"
                f" {least}."
            ),
        ],
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
