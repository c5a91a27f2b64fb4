"""Who should get prophylaxis, as sections: tables and figures in the order in which a committee
asks.
"""

from __future__ import annotations

from collections.abc import Sequence

from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, strategy_in_words
from crsrisk.plots.chart_data import Axis, Band, Line, Lines, LineStyle
from crsrisk.policy.decision import PolicyAnalysis
from crsrisk.policy.strategy_value import DecisionCurve, DoseCurve, HarmsLedger, SubgroupValue
from crsrisk.policy.table import PolicyValue
from crsrisk.report.policy_words import amount, needed_text, with_interval
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
from crsrisk.results import NotEstimable
from crsrisk.wording import MISSING, number

_THIRTY_DOSES = 6  # place of 30 doses for 100 patients in the curve of doses
_SUBGROUPS_LEAD = (
    "One threshold for all means one price of harm for all; a score that is too low in a subgroup"
    " raises that price in silence."
)


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
                    ("25%", "of patients below"),
                    ("50%", "of patients below"),
                    ("75%", "of patients below"),
                    ("95%", "of patients below"),
                    ("AUROC", "95% interval"),
                ],
                rows=rows,
            )
        ],
    )


def harms_section(analysis: PolicyAnalysis) -> Section:
    """The ledger of harms and the threshold that follows, by strategy and world of response."""
    rows = [
        row(strategy_in_words(name), _ledger_cells(value.ledger))
        for name, value in analysis.strategies.items()
    ]
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


def _ledger_cells(ledger: HarmsLedger) -> list[str]:
    common_cause, mediation = (
        ledger.by_response_world[world] for world in ("common_cause", "mediation")
    )
    return [
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
    ]


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
        tables=_policy_tables(analysis),
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


def _policy_tables(analysis: PolicyAnalysis) -> list[Table]:
    return [
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
                    strategy_in_words(name), [happens_row(policy) for policy in value.policies]
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
                rows_group(
                    strategy_in_words(name), [worth_row(policy) for policy in value.policies]
                )
                for name, value in analysis.strategies.items()
            ],
            notes=[
                "Net benefit: CRS of grade >= 2 averted less harms, in CRS events. Oracles are"
                " no policies: they show what knowing more would gain. The mechanism oracle"
                " chooses by one half of its repetitions and is counted in the other. The best"
                " threshold is found in the same patients, hence a little flattered."
            ],
        ),
    ]


def _where_it_beats(curve: DecisionCurve) -> str:
    if curve.beats_simple_rules is None:
        return "at no harm"
    low, high = curve.beats_simple_rules
    first, last = (f"{100 * harm:.0f}" for harm in (low, high))
    if first == last:
        return f"at a harm of {first} for 100 treated"
    return f"at harms of {first} to {last} for 100 treated"


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
                    ("Regret", "total, 95% interval"),
                    ("Regret", "threshold"),
                    ("Regret", "model"),
                    ("Regret", "information"),
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
