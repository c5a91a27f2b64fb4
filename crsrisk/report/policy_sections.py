"""Who should get prophylaxis, as sections: tables and figures in the order in which a committee
asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, strategy_in_words
from crsrisk.plots.chart_data import Axis, Band, Dot, Dots, Line, Lines, LineStyle
from crsrisk.policy.decision import (
    EnsembleDecision,
    InformationValue,
    ParameterInformation,
    PolicyAnalysis,
)
from crsrisk.policy.strategy_value import DecisionCurve, DoseCurve, SubgroupValue
from crsrisk.policy.table import PolicyValue
from crsrisk.policy.worlds import AssumptionEnds, Rule
from crsrisk.report.policy_words import (
    amount,
    figure_text,
    measure_first,
    needed_text,
    range_text,
    rule_in_words,
    tie_text,
    what_would_overturn,
    who_enters,
    with_interval,
)
from crsrisk.report.sections import (
    Figure,
    Row,
    Section,
    Table,
    figure,
    row,
    rows_group,
    section,
    table,
)
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import MISSING, number, typeset

_THIRTY_DOSES = 6  # place of 30 doses for 100 patients in the curve of doses
_SUBGROUPS_LEAD = (
    "One threshold for all means one price of harm for all; a score that is too low in a subgroup"
    " raises that price in silence."
)


def policy_sections(analysis: PolicyAnalysis) -> list[Section]:
    """All sections about simulated patients, in their order."""
    return [
        make(analysis)
        for make in (
            common_section,
            harms_section,
            policies_section,
            doses_section,
            regret_section,
            subgroups_section,
            worlds_section,
            tipping_section,
            information_section,
            trial_section,
        )
    ]


def common_section(analysis: PolicyAnalysis) -> Section:
    """How common CRS is, how spread its risk is, and how well the score tells it."""
    common = analysis.common
    rows = [
        row(
            name.capitalize(),
            [number(100 * q, digits=0) for q in quantiles]
            + [with_interval(common.auroc[name], digits=2) if name in common.auroc else MISSING],
        )
        for name, quantiles in common.quantiles_of_risk.items()
    ]
    return section(
        "common",
        title="How common is CRS here, and how spread is its risk?",
        lead=(
            f"Without prophylaxis {with_interval(common.rate, factor=100)} of 100 have CRS of grade"
            f" >= 2; the score says {number(100 * common.predicted, digits=1)} on average."
        ),
        sentences=[
            f"Score: {analysis.setting.score}. The covariate oracle knows the mechanism and what a"
            " hospital's table shows; the mechanism oracle knows the unmeasured biology too. What"
            " lies between them no model can reach."
        ],
        tables=[
            table(
                "spread",
                title="Risk of CRS of grade >= 2, of 100",
                row_header="Known to",
                columns=[
                    ("5%", "of patients below"),
                    ("25%", ""),
                    ("Median", ""),
                    ("75%", ""),
                    ("95%", ""),
                    ("AUROC", "95% interval"),
                ],
                rows=rows,
            )
        ],
    )


def harms_section(analysis: PolicyAnalysis) -> Section:
    """The ledger of harms and the threshold that follows, by strategy and world of response."""
    rows = []
    for name, value in analysis.strategies.items():
        ledger = value.ledger
        common_cause, mediation = (
            ledger.by_response_world[world] for world in ("common_cause", "mediation")
        )
        rows.append(
            row(
                strategy_in_words(name),
                [
                    with_interval(ledger.risk_ratio, digits=2),
                    with_interval(ledger.support_ratio, digits=2),
                    amount(100 * ledger.rows[0].per_treated),
                    *(
                        amount(100 * ledger.by_response_world[world].responses_lost)
                        for world in RESPONSE_WORLDS
                    ),
                    amount(100 * common_cause.harm),
                    amount(100 * mediation.harm),
                    _start(common_cause.threshold),
                    _start(mediation.threshold),
                ],
            )
        )
    infection, response, course = next(iter(analysis.strategies.values())).ledger.rows
    return section(
        "harms",
        title="What does prophylaxis cost, in CRS events?",
        lead=(
            "Prophylaxis pays where the risk of CRS of grade >= 2 exceeds t* = h / (1 - RR): harm"
            " of a treated patient over the share of events averted."
        ),
        sentences=[
            f"Weights against one CRS of grade >= 2: serious infection {infection.weight:g},"
            f" lost response {response.weight:g}, the course itself {course.weight:g}."
            " A negative number is harm spared: a prevented CRS needs no rescue drugs. RR counts"
            " grades as the ward sees them; need of support stands beside it, since a hidden fever"
            " does not touch it."
        ],
        tables=[
            table(
                "harms",
                title="Harms for 100 treated patients, everybody treated",
                row_header="Strategy",
                columns=[
                    ("RR of CRS >= 2", "95% interval"),
                    ("RR of need of support", "95% interval"),
                    ("Infections added", "90 days"),
                    ("Responses lost", "no link"),
                    ("Responses lost", "common cause"),
                    ("Responses lost", "mediation"),
                    ("h for 100", "no link, common cause"),
                    ("h for 100", "mediation"),
                    ("t*, of 100", "no link, common cause"),
                    ("t*, of 100", "mediation"),
                ],
                rows=rows,
            )
        ],
    )


def _start(threshold: float | NotEstimable) -> str:
    if isinstance(threshold, NotEstimable) or threshold >= 1.0:
        return "nobody"
    return number(100 * threshold, digits=1)


def policies_section(analysis: PolicyAnalysis) -> Section:
    """Policies by strategy, and the decision curve with the effect of treatment in sight."""
    return section(
        "policies",
        title="Whom to treat: what becomes of 100 patients",
        lead=(
            "Each row is a way of choosing; figures are for 100 patients of the reference world,"
            " with 95% intervals."
        ),
        sentences=[
            "Where choosing by risk beats both simple rules beyond its 95% band: "
            + "; ".join(
                f"{strategy_in_words(name)}: {_where_it_beats(value.decision_curve)}"
                for name, value in analysis.strategies.items()
            )
            + "."
        ],
        tables=[
            table(
                "happens",
                title="What happens, for 100 patients",
                row_header="Policy",
                columns=[
                    ("Treated", ""),
                    ("CRS >= 2 averted", ""),
                    ("CRS >= 2 missed", "in the untreated"),
                    ("Treated needlessly", "no CRS >= 2 to come"),
                    ("Infections added", "90 days"),
                    ("Responses lost", "if mediated"),
                ],
                rows=[
                    rows_group(
                        strategy_in_words(name), [happens_row(one) for one in value.policies]
                    )
                    for name, value in analysis.strategies.items()
                ],
            ),
            table(
                "worth",
                title="What it is worth, for 100 patients",
                row_header="Policy",
                columns=[
                    ("NNT", "for one CRS averted"),
                    ("NNH", "for one infection"),
                    ("Net benefit", "mediation"),
                    ("Net benefit", "no link, common cause"),
                ],
                rows=[
                    rows_group(strategy_in_words(name), [worth_row(one) for one in value.policies])
                    for name, value in analysis.strategies.items()
                ],
                notes=[
                    "Net benefit: CRS of grade >= 2 averted less harms, in CRS events. Oracles are"
                    " no policies: they show what knowing more would gain. The mechanism oracle"
                    " chooses by one half of its repetitions and is counted in the other. The best"
                    " threshold is found in the same patients, hence a little flattered."
                ],
            ),
        ],
        figures=[
            net_benefit_figure(
                {name: value.decision_curve for name, value in analysis.strategies.items()},
                text=(
                    "Blue: by risk at t*, with its 95% band. Broken grey: everybody. Black: nobody."
                    " Thin: by predicted benefit."
                ),
            )
        ],
    )


def _where_it_beats(curve: DecisionCurve) -> str:
    if curve.beats_simple_rules is None:
        return "at no harm"
    low, high = curve.beats_simple_rules
    return f"at harms of {100 * low:.0f} to {100 * high:.0f} for 100 treated"


def happens_row(policy: PolicyValue) -> Row:
    """What a policy does to 100 patients."""
    figures = (
        policy.averted,
        policy.missed,
        policy.needless,
        policy.infections_added,
        policy.responses_lost,
    )
    return row(
        policy.policy,
        [amount(policy.treated.value), *(with_interval(figure) for figure in figures)],
        is_strong=policy.policy.startswith("by risk, at t*"),
    )


def worth_row(policy: PolicyValue) -> Row:
    """Numbers needed and net benefit; the second price of quietening T cells where it is known."""
    needed = [
        needed_text(figure) if policy.treated.value else MISSING
        for figure in (policy.nnt, policy.nnh)
    ]
    cells = [*needed, with_interval(policy.net_benefit)]
    if policy.net_benefit_without_link is None:
        return row(policy.policy, cells)
    return row(
        policy.policy,
        [*cells, amount(policy.net_benefit_without_link)],
        is_strong=policy.policy.startswith("by risk, at t*"),
    )


def net_benefit_figure(curves: dict[str, DecisionCurve], *, text: str) -> Figure:
    """Net benefit against the harm of a treated patient, one panel a strategy."""
    words = {name: strategy_in_words(name) for name in curves}
    return figure(
        "curve",
        title="Net benefit against the harm of a treated patient.",
        style="many",
        text=text,
        panels=[
            ("lines", words[name].capitalize(), net_benefit_lines(curve, name=words[name]))
            for name, curve in curves.items()
        ],
    )


def net_benefit_lines(curve: DecisionCurve, *, name: str) -> Lines:
    """Net benefit for 100 patients against the harm of a treated patient."""
    high = max(5.0, *curve.treat_all, *curve.high, *(curve.by_benefit or [0.0]))
    low, end = -0.35 * high, curve.harm[-1]
    everybody = [value if value >= low else None for value in curve.treat_all]
    lines = [
        Line("zero", [0.0, end], [0.0, 0.0], "Nobody"),
        Line("reference", curve.harm, everybody, "Everybody"),
        Line("model", curve.harm, curve.by_risk, "By risk, at t*"),
    ]
    if curve.by_benefit is not None:
        lines.insert(2, Line("refit", curve.harm, curve.by_benefit, "By predicted benefit"))
    return Lines(
        Axis("Harm of a treated patient, CRS events for 100", 0.0, end, 100.0),
        Axis(f"{name.capitalize()}: net benefit for 100 patients", low, 1.05 * high),
        lines,
        description=(
            f"{name}: now {100 * curve.harm_now:.1f} for 100 treated; by risk "
            f"{curve.by_risk[0]:.1f} at no harm, everybody {curve.treat_all[0]:.1f}."
        ),
        band=Band(curve.harm, curve.low, curve.high),
    )


def doses_section(analysis: PolicyAnalysis) -> Section:
    """A limited number of doses, and risk against benefit as what they go by."""
    rows = []
    for name, value in analysis.strategies.items():
        targeting = value.targeting
        areas = (targeting.by_risk, targeting.by_benefit, targeting.by_true_risk)
        rows.append(
            row(
                strategy_in_words(name),
                [
                    *(with_interval(area.autoc, factor=100, digits=2) for area in areas),
                    with_interval(targeting.benefit_less_risk, digits=2),
                ],
            )
        )
    return section(
        "doses",
        title="When doses are few, and when risk misleads",
        lead=(
            "High risk is not high benefit: whoever cannot be protected has the highest risk of"
            " all."
        ),
        sentences=[
            "AUTOC: how much more CRS is averted, on average over all top shares, in those ranked"
            " highest than in all (for 100 patients; 0: the ranking tells nothing of benefit, below"
            " 0: it points the wrong way)."
        ],
        tables=[
            table(
                "targeting",
                title="Ranking by risk and by benefit",
                row_header="Strategy",
                columns=[
                    ("AUTOC by risk", "score"),
                    ("AUTOC by benefit", "score"),
                    ("AUTOC by true risk", "mechanism oracle"),
                    ("Net benefit, benefit less risk", "each at its best threshold, for 100"),
                ],
                rows=rows,
            )
        ],
        figures=[
            doses_figure(
                {name: value.doses for name, value in analysis.strategies.items()},
                text=(
                    "Blue: by risk. Thin: by predicted benefit. Broken grey: mechanism oracle."
                    " Dashed: at random."
                ),
            )
        ],
    )


def doses_figure(curves: dict[str, DoseCurve], *, text: str) -> Figure:
    """CRS averted by the doses at hand, one panel a strategy."""
    words = {name: strategy_in_words(name) for name in curves}
    return figure(
        "doses",
        title="CRS averted by the share that can be treated.",
        style="many",
        text=text,
        panels=[
            ("lines", words[name].capitalize(), doses_lines(curve, name=words[name]))
            for name, curve in curves.items()
        ],
    )


def doses_lines(curve: DoseCurve, *, name: str) -> Lines:
    """CRS averted in 100 patients against the doses at hand."""
    drawn: list[tuple[LineStyle, str, tuple[float, ...] | None]] = [
        ("reference", "Mechanism oracle", curve.oracle),
        ("ideal", "At random", curve.random),
        ("refit", "By predicted benefit", curve.by_benefit),
        ("model", "By risk", curve.by_risk),
    ]
    lines = [
        Line(style, curve.share, averted, label)
        for style, label, averted in drawn
        if averted is not None
    ]
    high = max(1.0, *(value for _, _, averted in drawn for value in averted or ()))
    at = _THIRTY_DOSES
    oracle = f", oracle {curve.oracle[at]:.1f}" if curve.oracle is not None else ""
    return Lines(
        Axis("Doses for 100 patients", 0.0, 1.0, 100.0),
        Axis(f"{name.capitalize()}: CRS ≥ 2 averted, of 100", 0.0, 1.08 * high),
        lines,
        description=(
            f"{name}: at 30 doses for 100 by risk {curve.by_risk[at]:.1f}, at random "
            f"{curve.random[at]:.1f}{oracle}."
        ),
    )


def regret_section(analysis: PolicyAnalysis) -> Section:
    """Where the net benefit that is left on the table goes."""
    rows = []
    for name, value in analysis.strategies.items():
        regret = value.regret
        parts = (regret.total, regret.threshold, regret.model, regret.information)
        rows.append(row(strategy_in_words(name), [with_interval(part, digits=2) for part in parts]))
    return section(
        "regret",
        title="What choosing by risk leaves undone",
        lead=(
            "Regret of choosing by risk at t* against the mechanism oracle: a wrong threshold and a"
            " weak model can be put right, missing information cannot."
        ),
        sentences=[
            "A loss below 0 is the luck of finitely many repetitions: the covariate oracle, too,"
            " has to learn from them."
        ],
        tables=[
            table(
                "regret",
                title="Regret for 100 patients, CRS events",
                row_header="Strategy",
                columns=[
                    ("Total", "95% interval"),
                    ("Threshold", ""),
                    ("Model", ""),
                    ("Information", ""),
                ],
                rows=rows,
            )
        ],
    )


def _optional(value: float | None, *, factor: float = 1.0, digits: int = 0) -> str:
    return MISSING if value is None else number(factor * value, digits=digits)


def _subgroup_cells(group: SubgroupValue) -> list[str]:
    return [
        number(group.n, digits=0),
        amount(group.risk_per_100),
        amount(group.treated_per_100),
        _optional(group.sensitivity, factor=100),
        _optional(group.ppv, factor=100),
        _optional(group.calibration_log_odds, digits=2),
    ]


def subgroups_section(analysis: PolicyAnalysis) -> Section:
    """The recommended strategy in subgroups under one common threshold."""
    strategy = strategy_in_words(analysis.recommendation.strategy)
    rows = [
        row(
            group.group[:1].upper() + group.group[1:],
            [
                *_subgroup_cells(group),
                _optional(group.effect_beyond_constant_ratio_per_100, digits=1),
                with_interval(group.net_benefit),
                _optional(group.regret_to_covariate_oracle, digits=2),
            ],
        )
        for group in analysis.recommended.subgroups
    ]
    return section(
        "subgroups",
        title=f"Who is left out: {strategy} by risk in subgroups",
        lead=_SUBGROUPS_LEAD,
        tables=[
            table(
                "subgroups",
                title=f"{strategy.capitalize()} at t*, by subgroup",
                row_header="Subgroup",
                rows=rows,
                columns=[
                    ("Patients", ""),
                    ("CRS >= 2", "of 100, untreated"),
                    ("Treated", "of 100"),
                    ("Sensitivity", "%"),
                    ("PPV", "%"),
                    ("Calibration", "true less predicted log odds"),
                    ("Effect beyond a constant RR", "averted, of 100"),
                    ("Net benefit", "for 100, 95% interval"),
                    ("Regret", "to covariate oracle"),
                ],
            )
        ],
    )


def stated_subgroups_section(groups: Sequence[SubgroupValue]) -> Section:
    """Subgroups of a table under one common threshold and one risk ratio."""
    return section(
        "subgroups",
        title="Who is left out: by risk in subgroups",
        lead=_SUBGROUPS_LEAD,
        tables=[
            table(
                "subgroups",
                title="By risk at t*, by subgroup",
                row_header="Subgroup",
                rows=[
                    row(group.group, [*_subgroup_cells(group), with_interval(group.net_benefit)])
                    for group in groups
                ],
                columns=[
                    ("Patients", ""),
                    ("CRS >= 2", "of 100"),
                    ("Treated", "of 100"),
                    ("Sensitivity", "%"),
                    ("PPV", "%"),
                    ("Calibration", "observed less predicted log odds"),
                    ("Net benefit", "for 100, 95% interval"),
                ],
                notes=[
                    "The same risk ratio for everybody. Groups of fewer than 30 patients are left"
                    " out."
                ],
            )
        ],
    )


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
    third = f", {strategy_in_words(advice.third_arm)}" if advice.third_arm else ""
    return section(
        "trial",
        title="The trial that follows",
        lead=(
            f"Randomise {who_enters(rule)} to {strategy_in_words(advice.strategy)}{third} or"
            " placebo, in equal numbers; the first primary endpoint is CRS of grade >= 2, the"
            " second need of fluids, vasopressor or oxygen."
        ),
        sentences=[
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
            (
                "trial.yaml in the folder of results is this trial as a design file: crsrisk trial"
                " compares its power, type I error, screening and exposure, and takes further"
                " designs (enrichment, strata, strategy, single-arm)."
            ),
        ],
        tables=[
            table(
                "sizes",
                title="Patients an arm, one-sided 2.5%, two arms of one size, all comers",
                row_header="Planned on",
                rows=[
                    row(
                        name.capitalize(),
                        [
                            number(100 * size.control, digits=0),
                            number(100 * size.treated, digits=0),
                            number(size.n_per_arm_80, digits=0),
                            number(size.n_per_arm_90, digits=0),
                        ],
                    )
                    for name, size in advice.sizes.items()
                ],
                columns=[
                    ("Untreated", "of 100"),
                    ("Treated", "of 100"),
                    ("80% power", "an arm"),
                    ("90% power", "an arm"),
                ],
                notes=[
                    "Pooled z test. A dash: at that end of the interval there is no effect to show."
                    " Untreated: medians over the ensemble."
                ],
            )
        ],
    )
