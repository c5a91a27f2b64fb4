"""Prophylaxis in many worlds, as sections: scenarios and ensemble, tipping points, value of information, the trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.prophylaxis_words import (
    amount,
    drug,
    figure_text,
    measure_first,
    percent,
    range_text,
    rule_in_words,
    rule_named,
    spread,
    tie_text,
    what_would_overturn,
)
from crsrisk.report.sections import Section, figure, row, section, table
from crsrisk.report.words import MISSING, number, typeset

Results = Mapping[str, Any]


def worlds_section(results: Results) -> Section:
    """The same rules under every scenario and over the ensemble."""
    over, rules = results["ensemble"], results["rules"]
    rows = [row(_short(one["rule"]), [
        amount(one["mean_net_benefit_per_100"]), spread(one["net_benefit_per_100"]),
        *(amount(one["mean_by_response_world"][world]) for world in ("no_link", "common_cause", "mediation")),
        amount(one["mean_by_support"]), number(100 * one["probability_best"], digits=0),
        amount(one["mean_regret_per_100"]), amount(one["regret_per_100"]["high"])],
        is_strong=one["rule"] == over["best"]) for one in over["rules"]]
    cautious = results["setting"]["response_world"]
    scenarios = [row(one["world"].replace("_", " "), [
        number(100 * one["base_rate"], digits=0),
        *(f"{one['net_benefit_per_100'][cautious][rule['name']]:.1f} ± {one['mc_error_per_100'][rule['name']]:.1f}"
          for rule in rules[1:]), _short(one["best"][cautious])]) for one in results["scenarios"]]
    effects = [row(drug(name), [spread(found["risk_ratio"], digits=2), spread(found["support_ratio"], digits=2),
                                spread(found["infections_added"], factor=100), spread(found["responses_lost"], factor=100)])
               for name, found in over["effects"].items()]
    return section(
        "worlds", title="Not one world: scenarios and the ensemble of assumptions",
        lead=f"Over {over['n_members']} sets of assumptions, {rule_in_words(rule_named(results, over['best']))} has the "
             "highest mean net benefit.",
        sentences=["Every set has patients of its own; consequences and weights are drawn from their ranges; the three "
                   "worlds of response count alike. Chance at the size of one set is taken out of the spread."],
        tables=[
            table("ensemble", title="Rules over the ensemble, net benefit for 100 patients", row_header="Rule", columns=[
                ("Mean", ""), ("Median", "95% of worlds"), ("Mean", "no link"), ("Mean", "common cause"),
                ("Mean", "mediation"), ("Mean", "by need of support"), ("Best", "of 100 worlds"), ("Regret", "mean"),
                ("Regret", "97.5% of worlds")], rows=rows, notes=[
                    "Regret: what the rule leaves to the best of these rules in each world."]),
            table("effects", title="Effects over the ensemble", row_header="Strategy", columns=[
                ("RR of CRS >= 2", "median, 95%"), ("RR of need of support", "median, 95%"), ("Infections added", "for 100"),
                ("Responses lost", "for 100, mediation")], rows=effects),
            table("scenarios", title=f"Net benefit for 100 patients by scenario ({cautious}), ± Monte Carlo error",
                  row_header="Scenario", rows=scenarios, words=[len(rules)], columns=[
                      ("CRS >= 2", "of 100"), *((_short(rule["name"]), "") for rule in rules[1:]), ("Best", "")])],
        figures=[figure("rules", title="Net benefit of each rule over the ensemble.",
                        text="Dot: median; line: 95% of worlds. Right of the line at 0 the rule beats treating nobody.",
                        panels=[("dots", "Net benefit for 100 patients", _dots(over))])])


def _short(rule: str) -> str:
    return "nobody" if rule == "none" else typeset(rule)


def _dots(over: Mapping[str, Any]) -> dict[str, Any]:
    rows = [one for one in over["rules"] if one["rule"] != "none"]
    ends = [one["net_benefit_per_100"][end] for one in rows for end in ("low", "high")]
    return {
        "name": "CRS events for 100 patients", "low": min(0.0, *ends) - 1.0, "high": max(1.0, *ends) + 1.0, "reference": 0.0,
        "digits": 1, "factor": 1.0,
        "rows": [{"label": _short(one["rule"]), "estimate": one["net_benefit_per_100"], "range": None,
                  "is_strong": one["rule"] == over["best"]} for one in rows],
        "told": "; ".join(f"{one['rule']} {one['net_benefit_per_100']['value']:.1f}" for one in rows),
    }


def tipping_section(results: Results) -> Section:
    """Tipping points: exact for quantities, end by end for consequences, by trend for the rest."""
    strategy, known = results["recommendation"]["strategy"], results["information"]
    exact = [row(one["assumption"], [figure_text(one["now"]), figure_text(one["tips_at"]),
                                     range_text(one["low"], one["high"]), "yes" if one["is_within"] else "no"])
             for one in results["strategies"][strategy]["tipping_points"]]
    ends = [row(one["key"].removeprefix("consequences.").replace("__", " of ").replace("_", " "), [
        figure_text(one["now"]), range_text(one["low"], one["high"]),
        " / ".join(amount(value) for value in one["net_benefit_per_100"]),
        figure_text(one["tips_at"]), _short(one["turns_to"]) if one["turns_to"] else MISSING],
        note="judgement" if one["is_judgement"] else "") for one in results["ends"]]
    trend = [row(one["name"].replace("_", " "), [figure_text(one["now"]), range_text(one["low"], one["high"]),
                                                 tie_text(one)]) for one in known["tipping"]]
    tally = f"{known['n_tipping']} of {known['n_assumptions']}"
    return section(
        "tipping", title="What would break it",
        lead=what_would_overturn(results)[0], sentences=[*what_would_overturn(results)[1:], (
            f"Of the assumptions behind mechanism and consequences {tally} have, by the trend over the ensemble, a tie "
            f"between {known['between'][0]} and {known['between'][1]} inside the range of its members; trends whose slope "
            "is within twice its error have none.")],
        tables=[
            table("tipping", title=f"{drug(strategy).capitalize()} for everybody against nobody, one quantity at a time",
                  row_header="Quantity", columns=[("Now", ""), ("Ties at", ""), ("Plausible", "ensemble or stated range"),
                                                  ("Plausible tie", "")], rows=exact),
            table("ends", title="Consequences and weights moved to the ends of their ranges", row_header="Assumption",
                  columns=[("Now", ""), ("Range", ""), ("Net benefit of the best rule", "low / now / high, for 100"),
                           ("Turns at", ""), ("To", "")], rows=ends, words=[4]),
            *([table("trend", title=f"Assumptions behind it that turn the answer: {tally}", row_header="Assumption",
                     rows=trend, columns=[("Median", ""), ("95% of members", ""),
                                          ("Turns at", "by the trend, 95% interval")])]
              if trend else [])])


def information_section(results: Results) -> Section:
    """Value of information."""
    known = results["information"]
    told = measure_first(results)
    columns = [("Worth knowing", "CRS events for 100"), ("By chance", "shuffled"), ("Beyond chance", ""),
               ("Explains", "% of the difference")]

    def rows(found: Sequence[Mapping[str, Any]], label: str) -> list[dict[str, Any]]:
        return [row(one[label].replace("_", " "), [
            number(one["evppi_per_100"], digits=2), number(one["by_chance_per_100"], digits=2),
            "yes" if one["is_beyond_chance"] else "no", number(100 * one["explains"], digits=0)]) for one in found]

    return section(
        "information", title="What to measure first", lead=told[0], sentences=told[1:],
        tables=[
            table("quantities", title="What a study could count", row_header="Quantity", columns=columns,
                  rows=rows(known["quantities"], "meaning")),
            table("assumptions", title=f"The numbers behind it: the first of {known['n_assumptions']}",
                  row_header="Assumption", columns=columns, rows=rows(known["assumptions"], "name")),
            table("judgements", title="Weights, which people set and no study measures", row_header="Weight",
                  columns=columns, rows=rows(known["judgements"], "name"))])


def trial_section(results: Results) -> Section:
    """The recommended trial and its size."""
    wanted = results["recommendation"]
    rule = rule_named(results, wanted["rule"])
    rows = [row(name.capitalize(), [number(100 * one["control"], digits=0), number(100 * one["treated"], digits=0),
                                    *(number(one[f"n_per_arm_{power}"], digits=0) for power in ("0.8", "0.9"))])
            for name, one in wanted["sizes"].items()]
    who = "all comers" if rule["threshold"] is None else f"patients at a predicted risk of {percent(rule)} or more"
    third = f", {drug(wanted['third_arm'])}" if wanted["third_arm"] else ""
    return section(
        "trial", title="The trial that follows",
        lead=f"Randomise {who} to {drug(wanted['strategy'])}{third} or placebo, in equal numbers; the first primary "
             "endpoint is CRS of grade >= 2, the second need of fluids, vasopressor or oxygen.",
        sentences=[
            "Serious infection within 90 days is a co-estimand; objective response is to be reported with its interval, "
            "and the trial will not prove it safe.",
            f"Over the ensemble its rule gains {amount(wanted['mean_net_benefit_per_100'])} CRS events for 100 patients on "
            f"average; against the best rule of another strategy ({rule_in_words(rule_named(results, wanted['rival']))}) "
            f"the best rule gains {amount(wanted['margin_over_rival_per_100'])}.",
            "trial.yaml in the folder of results is this trial as a design file: crsrisk trial compares its power, type I "
            "error, screening and exposure, and takes further designs (enrichment, strata, strategy, single-arm)."],
        tables=[table("sizes", title="Patients an arm, one-sided 2.5%, two arms of one size, all comers",
                      row_header="Planned on", rows=rows, columns=[
                          ("Untreated", "of 100"), ("Treated", "of 100"), ("80% power", "an arm"), ("90% power", "an arm")],
                      notes=["Pooled z test. A dash: at that end of the interval there is no effect to show. "
                             "Untreated: medians over the ensemble."])])
