"""Prophylaxis sections: tables and figures of the answer, in the order in which a committee asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.prophylaxis_words import amount, drug, needed_text, spread
from crsrisk.report.sections import Section, figure, row, rows_group, section, table
from crsrisk.report.words import MISSING, number

Results = Mapping[str, Any]
_HAPPENS = (("Treated", ""), ("CRS >= 2 averted", ""), ("CRS >= 2 missed", "in the untreated"),
            ("Treated needlessly", "no CRS >= 2 to come"), ("Infections added", "90 days"),
            ("Responses lost", "if mediated"))
_WORTH = (("NNT", "for one CRS averted"), ("NNH", "for one infection"), ("Net benefit", "mediation"),
          ("Net benefit", "no link, common cause"))


def common_section(results: Results) -> Section:
    """How common CRS is, how spread its risk is, and how well the score tells it."""
    found, setting = results["common"], results["setting"]
    rows = [row(name.capitalize(), [number(100 * q, digits=0) for q in values] + [
        spread(found["auroc"][name], digits=2) if name in found["auroc"] else MISSING])
        for name, values in found["quantiles_of_risk"].items()]
    return section(
        "common", title="How common is CRS here, and how spread is its risk?",
        lead=f"Without prophylaxis {spread(found['rate'], factor=100)} of 100 have CRS of grade >= 2; the score says "
             f"{number(100 * found['predicted'], digits=1)} on average.",
        sentences=[f"Score: {setting['score']}. The covariate oracle knows the mechanism and what a hospital's table "
                   "shows; the "
                   "mechanism oracle knows the unmeasured biology too. What lies between them no model can reach."],
        tables=[table("spread", title="Risk of CRS of grade >= 2, of 100", row_header="Known to",
                      columns=[("5%", "of patients below"), ("25%", ""), ("Median", ""), ("75%", ""), ("95%", ""),
                               ("AUROC", "95% interval")], rows=rows)])


def harms_section(results: Results) -> Section:
    """The ledger of harms and the threshold that follows, by strategy and world of response."""
    rows = []
    for name, one in results["strategies"].items():
        ledger = one["ledger"]
        worlds = ledger["by_response_world"]
        rows.append(row(drug(name), [
            spread(ledger["risk_ratio"], digits=2), spread(ledger["risk_ratio_of_needing_support"], digits=2),
            amount(100 * ledger["rows"][0]["per_treated"]), amount(100 * worlds["no_link"]["responses_lost"]),
            amount(100 * worlds["common_cause"]["responses_lost"]), amount(100 * worlds["mediation"]["responses_lost"]),
            amount(100 * worlds["common_cause"]["harm"]), amount(100 * worlds["mediation"]["harm"]),
            _start(worlds["common_cause"]["threshold"]), _start(worlds["mediation"]["threshold"])]))
    weights = next(iter(results["strategies"].values()))["ledger"]["rows"]
    return section(
        "harms", title="What does prophylaxis cost, in CRS events?",
        lead="Prophylaxis pays where the risk of CRS of grade >= 2 exceeds t* = h / (1 - RR): harm of a treated patient "
             "over the share of events averted.",
        sentences=[f"Weights against one CRS of grade >= 2: serious infection {weights[0]['weight']:g}, lost response "
                   f"{weights[1]['weight']:g}, the course itself {weights[2]['weight']:g}. A negative number is harm "
                   "spared: a "
                   "prevented CRS needs no rescue drugs. RR counts grades as the ward sees them; need of support stands "
                   "beside it, since a hidden fever does not touch it."],
        tables=[table("harms", title="Harms for 100 treated patients, everybody treated", row_header="Strategy", columns=[
            ("RR of CRS >= 2", "95% interval"), ("RR of need of support", "95% interval"), ("Infections added", "90 days"),
            ("Responses lost", "no link"), ("Responses lost", "common cause"), ("Responses lost", "mediation"),
            ("h for 100", "no link, common cause"), ("h for 100", "mediation"), ("t*, of 100", "no link, common cause"),
            ("t*, of 100", "mediation")], rows=rows)])


def _start(threshold: float | None) -> str:
    return "nobody" if threshold is None or threshold >= 1.0 else number(100 * threshold, digits=1)


def policies_section(results: Results) -> Section:
    """The ladder of policies by strategy, and the decision curve with the effect of treatment in sight."""
    happens, worth = ([rows_group(drug(name), [make(one) for one in found["policies"]])
                       for name, found in results["strategies"].items()] for make in (policy_happens, policy_worth))
    beats = []
    for name, found in results["strategies"].items():
        low, high = (found["decision_curve"][f"model_beats_simple_rules_{end}"] for end in ("from", "to"))
        beats.append(f"{drug(name)}: " + ("at no harm" if low is None else
                                          f"at harms of {100 * low:.0f} to {100 * high:.0f} for 100 treated"))
    return section(
        "policies", title="Whom to treat: what becomes of 100 patients",
        lead="Each row is a way of choosing; figures are for 100 patients of the reference world, with 95% intervals.",
        sentences=["Where choosing by risk beats both simple rules beyond its 95% band: " + "; ".join(beats) + "."],
        tables=[table("happens", title="What happens, for 100 patients", row_header="Policy", columns=_HAPPENS,
                      rows=happens),
                table("worth", title="What it is worth, for 100 patients", row_header="Policy", columns=_WORTH, rows=worth,
                      notes=["Net benefit: CRS of grade >= 2 averted less harms, in CRS events. Oracles are no policies: "
                             "they show what knowing more would gain. The mechanism oracle chooses by one half of its "
                             "repetitions "
                             "and is counted in the other. The best threshold is found in the same patients, hence a little "
                             "flattered."])],
        figures=[figure("curve", title="Net benefit against the harm of a treated patient.", style="many",
                        text="Blue: by risk at t*, with its 95% band. Broken grey: everybody. Black: nobody. Thin: by "
                             "predicted benefit.",
                        panels=[("lines", drug(name), net_benefit_panel(found["decision_curve"], name=drug(name)))
                                for name, found in results["strategies"].items()])])


def policy_happens(one: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy does to 100 patients."""
    return row(one["policy"], [amount(one["treated"]["value"]), *(spread(one[key]) for key in (
        "averted", "missed", "needless", "infections_added", "responses_lost"))],
        is_strong=one["policy"].startswith("by risk, at t*"))


def policy_worth(one: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers needed, and net benefit in both prices of quietening T cells."""
    needed = [MISSING if not one["treated"]["value"] else needed_text(one[key]) for key in ("nnt", "nnh")]
    return row(one["policy"], [*needed, spread(one["net_benefit"]), amount(one["net_benefit_without_link"])],
               is_strong=one["policy"].startswith("by risk, at t*"))


def net_benefit_panel(found: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """Net benefit against the harm of a treated patient, as lines; ``by_benefit`` may be missing."""
    by_benefit = found.get("by_benefit")
    high = max(5.0, *found["all"], *found["high"], *(by_benefit or [0.0]))
    low = -0.35 * high
    end = found["harm"][-1]
    series = [
        {"style": "zero", "x": [0.0, found["harm"][-1]], "y": [0.0, 0.0], "label": "Nobody"},
        {"style": "reference", "x": found["harm"], "y": [value if value >= low else None for value in found["all"]],
         "label": "Everybody"},
        {"style": "model", "x": found["harm"], "y": found["by_risk"], "label": "By risk, at t*"}]
    if by_benefit is not None:
        series.insert(2, {"style": "refit", "x": found["harm"], "y": by_benefit, "label": "By predicted benefit"})
    return {
        "x": {"name": "Harm of a treated patient, CRS events for 100", "low": 0.0, "high": end, "factor": 100.0},
        "y": {"name": f"{name.capitalize()}: net benefit for 100 patients", "low": low, "high": 1.05 * high,
              "factor": 1.0},
        "series": series, "band": {"x": found["harm"], "low": found["low"], "high": found["high"]},
        "told": f"{name}: now {100 * found['harm_now']:.1f} for 100 treated; by risk "
                f"{found['by_risk'][0]:.1f} at no harm, everybody {found['all'][0]:.1f}.",
    }


def doses_section(results: Results) -> Section:
    """A limited number of doses, and risk against benefit as what they go by."""
    rows = []
    for name, found in results["strategies"].items():
        one = found["targeting"]
        ranked = [spread({**one[key], "value": one[key]["autoc"]}, factor=100, digits=2)
                  for key in ("by_risk", "by_benefit", "by_true_risk")]
        rows.append(row(drug(name), [*ranked, spread(one["benefit_less_risk_net_benefit_per_100"], digits=2)]))
    return section(
        "doses", title="When doses are few, and when risk misleads",
        lead="High risk is not high benefit: whoever cannot be protected has the highest risk of all.",
        sentences=["AUTOC: how much more CRS is averted, on average over all top shares, in those ranked highest than in "
                   "all (for 100 patients; 0: the ranking tells nothing of benefit, below 0: it points the wrong way)."],
        tables=[table("targeting", title="Ranking by risk and by benefit", row_header="Strategy", columns=[
            ("AUTOC by risk", "score"), ("AUTOC by benefit", "score"), ("AUTOC by true risk", "mechanism oracle"),
            ("Net benefit, benefit less risk", "each at its best threshold, for 100")], rows=rows)],
        figures=[figure("doses", title="CRS averted by the share that can be treated.", style="many",
                        text="Blue: by risk. Thin: by predicted benefit. Broken grey: mechanism oracle. Dashed: at random.",
                        panels=[("lines", drug(name), doses_panel(found["doses"], name=drug(name)))
                                for name, found in results["strategies"].items()])])


def doses_panel(found: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """CRS averted against the doses at hand, as lines; oracle and benefit may be missing."""
    lines = [(style, key, label) for style, key, label in (
        ("reference", "oracle", "Mechanism oracle"), ("ideal", "random", "At random"),
        ("refit", "by_benefit", "By predicted benefit"), ("model", "by_risk", "By risk")) if key in found]
    high = max(1.0, *(value for _, key, _ in lines for value in found[key]))
    oracle = f", oracle {found['oracle'][6]:.1f}" if "oracle" in found else ""
    return {
        "x": {"name": "Doses for 100 patients", "low": 0.0, "high": 1.0, "factor": 100.0},
        "y": {"name": f"{name.capitalize()}: CRS ≥ 2 averted, of 100", "low": 0.0, "high": 1.08 * high, "factor": 1.0},
        "series": [{"style": style, "x": found["share"], "y": found[key], "label": label} for style, key, label in lines],
        "band": None, "told": f"{name}: at 30 doses for 100 by risk {found['by_risk'][6]:.1f}, at random "
                              f"{found['random'][6]:.1f}{oracle}.",
    }


def regret_section(results: Results) -> Section:
    """Where the net benefit that is left on the table goes."""
    parts = ("total", "threshold", "model", "information")
    rows = [row(drug(name), [spread(found["regret"][key], digits=2) for key in parts])
            for name, found in results["strategies"].items()]
    return section(
        "regret", title="What choosing by risk leaves undone",
        lead="Regret of choosing by risk at t* against the mechanism oracle: a wrong threshold and a weak model can be put "
             "right, missing information cannot.",
        sentences=["A loss below 0 is the luck of finitely many repetitions: the covariate oracle, too, has to learn from "
                   "them."],
        tables=[table("regret", title="Regret for 100 patients, CRS events", row_header="Strategy", columns=[
            ("Total", "95% interval"), ("Threshold", ""), ("Model", ""), ("Information", "")], rows=rows)])


def subgroups_section(results: Results) -> Section:
    """The recommended strategy in subgroups under one common threshold."""
    strategy = results["recommendation"]["strategy"]
    rows = [row(one["group"][:1].upper() + one["group"][1:], [
        number(one["n"], digits=0), amount(one["risk_per_100"]), amount(one["treated_per_100"]),
        number(100 * one["sensitivity"], digits=0), MISSING if one["ppv"] is None else number(100 * one["ppv"], digits=0),
        number(one["calibration_log_odds"], digits=2), amount(one["effect_beyond_constant_ratio_per_100"]),
        spread(one["net_benefit"]), number(one["regret_to_covariate_oracle"], digits=2)])
        for one in results["strategies"][strategy]["subgroups"]]
    return section(
        "subgroups", title=f"Who is left out: {drug(strategy)} by risk in subgroups",
        lead="One threshold for all means one price of harm for all; a score that is too low in a subgroup raises that "
             "price in silence.",
        tables=[table("subgroups", title=f"{drug(strategy).capitalize()} at t*, by subgroup", row_header="Subgroup",
                      rows=rows, columns=[
            ("Patients", ""), ("CRS >= 2", "of 100, untreated"), ("Treated", "of 100"), ("Sensitivity", "%"), ("PPV", "%"),
            ("Calibration", "true less predicted log odds"), ("Effect beyond a constant RR", "averted, of 100"),
            ("Net benefit", "for 100, 95% interval"), ("Regret", "to covariate oracle")])])
