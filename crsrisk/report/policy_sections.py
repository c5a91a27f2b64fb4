"""Prophylaxis sections: tables and figures of the answer, in the order in which a committee
asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.policy_words import (
    amount,
    drug,
    figure_text,
    measure_first,
    needed_text,
    percent,
    range_text,
    rule_in_words,
    rule_named,
    spread,
    tie_text,
    what_would_overturn,
)
from crsrisk.report.sections import Section, figure, row, rows_group, section, table
from crsrisk.wording import MISSING, number, typeset

Results = Mapping[str, Any]
_HAPPENS = (
    ("Treated", ""),
    ("CRS >= 2 averted", ""),
    ("CRS >= 2 missed", "in the untreated"),
    ("Treated needlessly", "no CRS >= 2 to come"),
    ("Infections added", "90 days"),
    ("Responses lost", "if mediated"),
)
_WORTH = (
    ("NNT", "for one CRS averted"),
    ("NNH", "for one infection"),
    ("Net benefit", "mediation"),
    ("Net benefit", "no link, common cause"),
)


def common_section(results: Results) -> Section:
    """How common CRS is, how spread its risk is, and how well the score tells it."""
    found, setting = results["common"], results["setting"]
    rows = [
        row(
            name.capitalize(),
            [number(100 * q, digits=0) for q in values]
            + [spread(found["auroc"][name], digits=2) if name in found["auroc"] else MISSING],
        )
        for name, values in found["quantiles_of_risk"].items()
    ]
    return section(
        "common",
        title="How common is CRS here, and how spread is its risk?",
        lead=(
            f"Without prophylaxis {spread(found['rate'], factor=100)} of 100 have CRS of grade >="
            f" 2; the score says {number(100 * found['predicted'], digits=1)} on average."
        ),
        sentences=[
            f"Score: {setting['score']}. The covariate oracle knows the mechanism and what a"
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


def harms_section(results: Results) -> Section:
    """The ledger of harms and the threshold that follows, by strategy and world of response."""
    rows = []
    for name, one in results["strategies"].items():
        ledger = one["ledger"]
        worlds = ledger["by_response_world"]
        rows.append(
            row(
                drug(name),
                [
                    spread(ledger["risk_ratio"], digits=2),
                    spread(ledger["risk_ratio_of_needing_support"], digits=2),
                    amount(100 * ledger["rows"][0]["per_treated"]),
                    amount(100 * worlds["no_link"]["responses_lost"]),
                    amount(100 * worlds["common_cause"]["responses_lost"]),
                    amount(100 * worlds["mediation"]["responses_lost"]),
                    amount(100 * worlds["common_cause"]["harm"]),
                    amount(100 * worlds["mediation"]["harm"]),
                    _start(worlds["common_cause"]["threshold"]),
                    _start(worlds["mediation"]["threshold"]),
                ],
            )
        )
    weights = next(iter(results["strategies"].values()))["ledger"]["rows"]
    return section(
        "harms",
        title="What does prophylaxis cost, in CRS events?",
        lead=(
            "Prophylaxis pays where the risk of CRS of grade >= 2 exceeds t* = h / (1 - RR): harm"
            " of a treated patient over the share of events averted."
        ),
        sentences=[
            f"Weights against one CRS of grade >= 2: serious infection {weights[0]['weight']:g},"
            f" lost response {weights[1]['weight']:g}, the course itself {weights[2]['weight']:g}."
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


def _start(threshold: float | None) -> str:
    return "nobody" if threshold is None or threshold >= 1.0 else number(100 * threshold, digits=1)


def policies_section(results: Results) -> Section:
    """The ladder of policies by strategy, and the decision curve with the effect of treatment in
    sight.
    """
    happens, worth = (
        [
            rows_group(drug(name), [make(one) for one in found["policies"]])
            for name, found in results["strategies"].items()
        ]
        for make in (policy_happens, policy_worth)
    )
    beats = []
    for name, found in results["strategies"].items():
        low, high = (
            found["decision_curve"][f"model_beats_simple_rules_{end}"] for end in ("from", "to")
        )
        beats.append(
            f"{drug(name)}: "
            + (
                "at no harm"
                if low is None
                else f"at harms of {100 * low:.0f} to {100 * high:.0f} for 100 treated"
            )
        )
    return section(
        "policies",
        title="Whom to treat: what becomes of 100 patients",
        lead=(
            "Each row is a way of choosing; figures are for 100 patients of the reference world,"
            " with 95% intervals."
        ),
        sentences=[
            "Where choosing by risk beats both simple rules beyond its 95% band: "
            + "; ".join(beats)
            + "."
        ],
        tables=[
            table(
                "happens",
                title="What happens, for 100 patients",
                row_header="Policy",
                columns=_HAPPENS,
                rows=happens,
            ),
            table(
                "worth",
                title="What it is worth, for 100 patients",
                row_header="Policy",
                columns=_WORTH,
                rows=worth,
                notes=[
                    "Net benefit: CRS of grade >= 2 averted less harms, in CRS events. Oracles are"
                    " no policies: they show what knowing more would gain. The mechanism oracle"
                    " chooses by one half of its repetitions and is counted in the other. The best"
                    " threshold is found in the same patients, hence a little flattered."
                ],
            ),
        ],
        figures=[
            figure(
                "curve",
                title="Net benefit against the harm of a treated patient.",
                style="many",
                text=(
                    "Blue: by risk at t*, with its 95% band. Broken grey: everybody. Black: nobody."
                    " Thin: by predicted benefit."
                ),
                panels=[
                    (
                        "lines",
                        drug(name),
                        net_benefit_panel(found["decision_curve"], name=drug(name)),
                    )
                    for name, found in results["strategies"].items()
                ],
            )
        ],
    )


def policy_happens(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy does to 100 patients."""
    return row(
        one["policy"],
        [
            amount(one["treated"]["value"]),
            *(
                spread(one[key])
                for key in ("averted", "missed", "needless", "infections_added", "responses_lost")
            ),
        ],
        is_strong=one["policy"].startswith("by risk, at t*"),
    )


def policy_worth(one: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers needed, and net benefit in both prices of quietening T cells."""
    needed = [
        MISSING if not one["treated"]["value"] else needed_text(one[key]) for key in ("nnt", "nnh")
    ]
    return row(
        one["policy"],
        [*needed, spread(one["net_benefit"]), amount(one["net_benefit_without_link"])],
        is_strong=one["policy"].startswith("by risk, at t*"),
    )


def net_benefit_panel(found: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Net benefit against the harm of a treated patient, as lines; ``by_benefit`` may be
    missing.
    """
    by_benefit = found.get("by_benefit")
    high = max(5.0, *found["all"], *found["high"], *(by_benefit or [0.0]))
    low = -0.35 * high
    end = found["harm"][-1]
    series = [
        {"style": "zero", "x": [0.0, found["harm"][-1]], "y": [0.0, 0.0], "label": "Nobody"},
        {
            "style": "reference",
            "x": found["harm"],
            "y": [value if value >= low else None for value in found["all"]],
            "label": "Everybody",
        },
        {"style": "model", "x": found["harm"], "y": found["by_risk"], "label": "By risk, at t*"},
    ]
    if by_benefit is not None:
        series.insert(
            2,
            {
                "style": "refit",
                "x": found["harm"],
                "y": by_benefit,
                "label": "By predicted benefit",
            },
        )
    return {
        "x": {
            "name": "Harm of a treated patient, CRS events for 100",
            "low": 0.0,
            "high": end,
            "factor": 100.0,
        },
        "y": {
            "name": f"{name.capitalize()}: net benefit for 100 patients",
            "low": low,
            "high": 1.05 * high,
            "factor": 1.0,
        },
        "series": series,
        "band": {"x": found["harm"], "low": found["low"], "high": found["high"]},
        "told": (
            f"{name}: now {100 * found['harm_now']:.1f} for 100 treated; by risk "
            f"{found['by_risk'][0]:.1f} at no harm, everybody {found['all'][0]:.1f}."
        ),
    }


def doses_section(results: Results) -> Section:
    """A limited number of doses, and risk against benefit as what they go by."""
    rows = []
    for name, found in results["strategies"].items():
        one = found["targeting"]
        ranked = [
            spread({**one[key], "value": one[key]["autoc"]}, factor=100, digits=2)
            for key in ("by_risk", "by_benefit", "by_true_risk")
        ]
        rows.append(
            row(
                drug(name),
                [*ranked, spread(one["benefit_less_risk_net_benefit_per_100"], digits=2)],
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
            figure(
                "doses",
                title="CRS averted by the share that can be treated.",
                style="many",
                text=(
                    "Blue: by risk. Thin: by predicted benefit. Broken grey: mechanism oracle."
                    " Dashed: at random."
                ),
                panels=[
                    ("lines", drug(name), doses_panel(found["doses"], name=drug(name)))
                    for name, found in results["strategies"].items()
                ],
            )
        ],
    )


def doses_panel(found: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """CRS averted against the doses at hand, as lines; oracle and benefit may be missing."""
    lines = [
        (style, key, label)
        for style, key, label in (
            ("reference", "oracle", "Mechanism oracle"),
            ("ideal", "random", "At random"),
            ("refit", "by_benefit", "By predicted benefit"),
            ("model", "by_risk", "By risk"),
        )
        if key in found
    ]
    high = max(1.0, *(value for _, key, _ in lines for value in found[key]))
    oracle = f", oracle {found['oracle'][6]:.1f}" if "oracle" in found else ""
    return {
        "x": {"name": "Doses for 100 patients", "low": 0.0, "high": 1.0, "factor": 100.0},
        "y": {
            "name": f"{name.capitalize()}: CRS ≥ 2 averted, of 100",
            "low": 0.0,
            "high": 1.08 * high,
            "factor": 1.0,
        },
        "series": [
            {"style": style, "x": found["share"], "y": found[key], "label": label}
            for style, key, label in lines
        ],
        "band": None,
        "told": (
            f"{name}: at 30 doses for 100 by risk {found['by_risk'][6]:.1f}, at random "
            f"{found['random'][6]:.1f}{oracle}."
        ),
    }


def regret_section(results: Results) -> Section:
    """Where the net benefit that is left on the table goes."""
    parts = ("total", "threshold", "model", "information")
    rows = [
        row(drug(name), [spread(found["regret"][key], digits=2) for key in parts])
        for name, found in results["strategies"].items()
    ]
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


def subgroups_section(results: Results) -> Section:
    """The recommended strategy in subgroups under one common threshold."""
    strategy = results["recommendation"]["strategy"]
    rows = [
        row(
            one["group"][:1].upper() + one["group"][1:],
            [
                number(one["n"], digits=0),
                amount(one["risk_per_100"]),
                amount(one["treated_per_100"]),
                number(100 * one["sensitivity"], digits=0),
                MISSING if one["ppv"] is None else number(100 * one["ppv"], digits=0),
                number(one["calibration_log_odds"], digits=2),
                amount(one["effect_beyond_constant_ratio_per_100"]),
                spread(one["net_benefit"]),
                number(one["regret_to_covariate_oracle"], digits=2),
            ],
        )
        for one in results["strategies"][strategy]["subgroups"]
    ]
    return section(
        "subgroups",
        title=f"Who is left out: {drug(strategy)} by risk in subgroups",
        lead=(
            "One threshold for all means one price of harm for all; a score that is too low in a"
            " subgroup raises that price in silence."
        ),
        tables=[
            table(
                "subgroups",
                title=f"{drug(strategy).capitalize()} at t*, by subgroup",
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


# Prophylaxis in many worlds, as sections: scenarios and ensemble, tipping points, value of
# information, the trial.


def worlds_section(results: Results) -> Section:
    """The same rules under every scenario and over the ensemble."""
    over, rules = results["ensemble"], results["rules"]
    rows = [
        row(
            _short(one["rule"]),
            [
                amount(one["mean_net_benefit_per_100"]),
                spread(one["net_benefit_per_100"]),
                *(
                    amount(one["mean_by_response_world"][world])
                    for world in ("no_link", "common_cause", "mediation")
                ),
                amount(one["mean_by_support"]),
                number(100 * one["probability_best"], digits=0),
                amount(one["mean_regret_per_100"]),
                amount(one["regret_per_100"]["high"]),
            ],
            is_strong=one["rule"] == over["best"],
        )
        for one in over["rules"]
    ]
    cautious = results["setting"]["response_world"]
    scenarios = [
        row(
            one["world"].replace("_", " "),
            [
                number(100 * one["base_rate"], digits=0),
                *(
                    f"{one['net_benefit_per_100'][cautious][rule['name']]:.1f} ±"
                    f" {one['mc_error_per_100'][rule['name']]:.1f}"
                    for rule in rules[1:]
                ),
                _short(one["best"][cautious]),
            ],
        )
        for one in results["scenarios"]
    ]
    effects = [
        row(
            drug(name),
            [
                spread(found["risk_ratio"], digits=2),
                spread(found["support_ratio"], digits=2),
                spread(found["infections_added"], factor=100),
                spread(found["responses_lost"], factor=100),
            ],
        )
        for name, found in over["effects"].items()
    ]
    return section(
        "worlds",
        title="Not one world: scenarios and the ensemble of assumptions",
        lead=(
            f"Over {over['n_members']} sets of assumptions,"
            f" {rule_in_words(rule_named(results, over['best']))} has the highest mean net benefit."
        ),
        sentences=[
            "Every set has patients of its own; consequences and weights are drawn from their"
            " ranges; the three worlds of response count alike. Chance at the size of one set is"
            " taken out of the spread."
        ],
        tables=[
            table(
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
            ),
            table(
                "effects",
                title="Effects over the ensemble",
                row_header="Strategy",
                columns=[
                    ("RR of CRS >= 2", "median, 95%"),
                    ("RR of need of support", "median, 95%"),
                    ("Infections added", "for 100"),
                    ("Responses lost", "for 100, mediation"),
                ],
                rows=effects,
            ),
            table(
                "scenarios",
                title=f"Net benefit for 100 patients by scenario ({cautious}), ± Monte Carlo error",
                row_header="Scenario",
                rows=scenarios,
                words=[len(rules)],
                columns=[
                    ("CRS >= 2", "of 100"),
                    *((_short(rule["name"]), "") for rule in rules[1:]),
                    ("Best", ""),
                ],
            ),
        ],
        figures=[
            figure(
                "rules",
                title="Net benefit of each rule over the ensemble.",
                text=(
                    "Dot: median; line: 95% of worlds. Right of the line at 0 the rule beats"
                    " treating nobody."
                ),
                panels=[("dots", "Net benefit for 100 patients", _dots(over))],
            )
        ],
    )


def _short(rule: str) -> str:
    return "nobody" if rule == "none" else typeset(rule)


def _dots(over: Mapping[str, Any]) -> dict[str, Any]:
    rows = [one for one in over["rules"] if one["rule"] != "none"]
    ends = [one["net_benefit_per_100"][end] for one in rows for end in ("low", "high")]
    return {
        "name": "CRS events for 100 patients",
        "low": min(0.0, *ends) - 1.0,
        "high": max(1.0, *ends) + 1.0,
        "reference": 0.0,
        "digits": 1,
        "factor": 1.0,
        "rows": [
            {
                "label": _short(one["rule"]),
                "estimate": one["net_benefit_per_100"],
                "range": None,
                "is_strong": one["rule"] == over["best"],
            }
            for one in rows
        ],
        "told": "; ".join(
            f"{one['rule']} {one['net_benefit_per_100']['value']:.1f}" for one in rows
        ),
    }


def tipping_section(results: Results) -> Section:
    """Tipping points: exact for quantities, end by end for consequences, by trend for the rest."""
    strategy, known = results["recommendation"]["strategy"], results["information"]
    exact = [
        row(
            one["assumption"],
            [
                figure_text(one["now"]),
                figure_text(one["tips_at"]),
                range_text(one["low"], one["high"]),
                "yes" if one["is_within"] else "no",
            ],
        )
        for one in results["strategies"][strategy]["tipping_points"]
    ]
    ends = [
        row(
            one["key"].removeprefix("consequences.").replace("__", " of ").replace("_", " "),
            [
                figure_text(one["now"]),
                range_text(one["low"], one["high"]),
                " / ".join(amount(value) for value in one["net_benefit_per_100"]),
                figure_text(one["tips_at"]),
                _short(one["turns_to"]) if one["turns_to"] else MISSING,
            ],
            note="judgement" if one["is_judgement"] else "",
        )
        for one in results["ends"]
    ]
    trend = [
        row(
            one["name"].replace("_", " "),
            [figure_text(one["now"]), range_text(one["low"], one["high"]), tie_text(one)],
        )
        for one in known["tipping"]
    ]
    tally = f"{known['n_tipping']} of {known['n_assumptions']}"
    return section(
        "tipping",
        title="What would break it",
        lead=what_would_overturn(results)[0],
        sentences=[
            *what_would_overturn(results)[1:],
            (
                f"Of the assumptions behind mechanism and consequences {tally} have, by the trend"
                f" over the ensemble, a tie between {known['between'][0]} and {known['between'][1]}"
                " inside the range of its members; trends whose slope is within twice its error"
                " have none."
            ),
        ],
        tables=[
            table(
                "tipping",
                title=(
                    f"{drug(strategy).capitalize()} for everybody against nobody, one quantity at a"
                    " time"
                ),
                row_header="Quantity",
                columns=[
                    ("Now", ""),
                    ("Ties at", ""),
                    ("Plausible", "ensemble or stated range"),
                    ("Plausible tie", ""),
                ],
                rows=exact,
            ),
            table(
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
                rows=ends,
                words=[4],
            ),
            *(
                [
                    table(
                        "trend",
                        title=f"Assumptions behind it that turn the answer: {tally}",
                        row_header="Assumption",
                        rows=trend,
                        columns=[
                            ("Median", ""),
                            ("95% of members", ""),
                            ("Turns at", "by the trend, 95% interval"),
                        ],
                    )
                ]
                if trend
                else []
            ),
        ],
    )


def information_section(results: Results) -> Section:
    """Value of information."""
    known = results["information"]
    told = measure_first(results)
    columns = [
        ("Worth knowing", "CRS events for 100"),
        ("By chance", "shuffled"),
        ("Beyond chance", ""),
        ("Explains", "% of the difference"),
    ]

    def rows(found: Sequence[Mapping[str, Any]], label: str) -> list[dict[str, Any]]:
        return [
            row(
                one[label].replace("_", " "),
                [
                    number(one["evppi_per_100"], digits=2),
                    number(one["by_chance_per_100"], digits=2),
                    "yes" if one["is_beyond_chance"] else "no",
                    number(100 * one["explains"], digits=0),
                ],
            )
            for one in found
        ]

    return section(
        "information",
        title="What to measure first",
        lead=told[0],
        sentences=told[1:],
        tables=[
            table(
                "quantities",
                title="What a study could count",
                row_header="Quantity",
                columns=columns,
                rows=rows(known["quantities"], "meaning"),
            ),
            table(
                "assumptions",
                title=f"The numbers behind it: the first of {known['n_assumptions']}",
                row_header="Assumption",
                columns=columns,
                rows=rows(known["assumptions"], "name"),
            ),
            table(
                "judgements",
                title="Weights, which people set and no study measures",
                row_header="Weight",
                columns=columns,
                rows=rows(known["judgements"], "name"),
            ),
        ],
    )


def trial_section(results: Results) -> Section:
    """The recommended trial and its size."""
    wanted = results["recommendation"]
    rule = rule_named(results, wanted["rule"])
    rows = [
        row(
            name.capitalize(),
            [
                number(100 * one["control"], digits=0),
                number(100 * one["treated"], digits=0),
                *(number(one[f"n_per_arm_{power}"], digits=0) for power in ("0.8", "0.9")),
            ],
        )
        for name, one in wanted["sizes"].items()
    ]
    who = (
        "all comers"
        if rule["threshold"] is None
        else f"patients at a predicted risk of {percent(rule)} or more"
    )
    third = f", {drug(wanted['third_arm'])}" if wanted["third_arm"] else ""
    return section(
        "trial",
        title="The trial that follows",
        lead=(
            f"Randomise {who} to {drug(wanted['strategy'])}{third} or placebo, in equal numbers;"
            " the first primary endpoint is CRS of grade >= 2, the second need of fluids,"
            " vasopressor or oxygen."
        ),
        sentences=[
            (
                "Serious infection within 90 days is a co-estimand; objective response is to be"
                " reported with its interval, and the trial will not prove it safe."
            ),
            (
                f"Over the ensemble its rule gains {amount(wanted['mean_net_benefit_per_100'])} CRS"
                " events for 100 patients on average; against the best rule of another strategy"
                f" ({rule_in_words(rule_named(results, wanted['rival']))}) the best rule gains"
                f" {amount(wanted['margin_over_rival_per_100'])}."
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
                rows=rows,
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
