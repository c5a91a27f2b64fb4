"""Prophylaxis for a table of patients, as a dictionary with sections for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crsrisk.report.prophylaxis_sections import policy_happens
from crsrisk.report.prophylaxis_words import amount, figure_text, needed_text, range_text, spread
from crsrisk.report.sections import numbered, row, section, table
from crsrisk.report.words import MISSING, number, typeset

LIMITS = (
    "No potential outcome is known of any patient of this table: what prophylaxis would have done is an assumption, the "
    "same risk ratio for everybody.",
    "Without an outcome column the risks are taken as true; a score that is too low or too high moves every figure.",
    "Whether some patients gain more than others cannot be seen here: risk stands in for benefit.",
)


def table_content(results: Mapping[str, Any]) -> dict[str, Any]:
    """Everything for JSON and page: the raw results, `aloud`, `sections`, `limits`."""
    ledger, best = results["ledger"], max(results["policies"][:3], key=lambda one: one["net_benefit"]["value"])
    content: dict[str, Any] = {
        **results, "title": "Prophylaxis against CRS: what follows from stated effects",
        "question": "Who of these patients should get prophylaxis, if it does what is stated?",
        "event": typeset("CRS of grade >= 2"), "window": "within the window of the risks given",
        "overturns": _overturns(results), "first": [], "limits": list(LIMITS),
        "aloud": typeset(
            f"In {number(results['setting']['n_patients'], digits=0)} patients with a mean risk of CRS of grade >= 2 of "
            f"{amount(100 * results['risk']['mean'])} of 100, prophylaxis with a risk ratio of "
            f"{spread(results['stated']['risk_ratio'], digits=2)} and a harm of {amount(100 * ledger['harm'])} CRS events "
            "for 100 "
            f"treated pays from a risk of {amount(100 * ledger['threshold'])} of 100 on. Of treating nobody, everybody and "
            "by that "
            f"threshold, the highest net benefit has: {best['policy']}, with {spread(best['net_benefit'])} CRS events for "
            f"100 patients; it treats {amount(best['treated']['value'], digits=0)} of 100 and averts "
            f"{spread(best['averted'])}. Effect "
            "and harms are stated, not found in these patients: a design scenario, never advice on a patient."),
    }
    rows = results["policies"]
    content["sections"] = _sections(results, rows)
    json.dumps(content, allow_nan=False)
    return content


def _sections(results: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ledger, risk = results["ledger"], results["risk"]
    worth = [row(one["policy"], [MISSING if not one["treated"]["value"] else needed_text(one[key]) for key in ("nnt", "nnh")]
                 + [spread(one["net_benefit"])]) for one in rows]
    harms = [row(one["harm"], [amount(100 * one["per_treated"]), number(one["weight"], digits=2),
                               amount(100 * one["crs_units"])]) for one in ledger["rows"]]
    tips = [row(one["assumption"], [figure_text(one["now"]), figure_text(one["tips_at"]),
                                    range_text(one["low"], one["high"])]) for one in results["tipping_points"]]
    found = [
        section("policies", title="Whom to treat: what becomes of 100 patients", lead="Figures are for 100 patients of the "
                                                                                      "table.",
                sentences=[f"Observed: {amount(100 * risk['observed'])} of 100 with the event, AUROC "
                           f"{spread(risk['auroc'], digits=2)}." if risk["observed"] is not None
                           else "No outcomes were given: risks are taken as true."],
                tables=[
                    table("happens", title="What happens, for 100 patients", row_header="Policy",
                          rows=[policy_happens(one) for one in rows], columns=[
                              ("Treated", ""), ("CRS >= 2 averted", ""), ("CRS >= 2 missed", "in the untreated"),
                              ("Treated needlessly", ""), ("Infections added", ""), ("Responses lost", "")]),
                    table("worth", title="What it is worth, for 100 patients", row_header="Policy", rows=worth, columns=[
                        ("NNT", "for one CRS averted"), ("NNH", "for one infection"), ("Net benefit", "")])]),
        section("harms", title="What it costs, in CRS events",
                lead=f"t* = h / (1 - RR) = {amount(100 * ledger['threshold'])} of 100.",
                tables=[table("harms", title="Harms for 100 treated patients", row_header="Harm", rows=harms, columns=[
                    ("Number", "for 100"), ("Weight", ""), ("CRS events", "for 100")])]),
        section("tipping", title="What would break it", lead="Each quantity alone, everything else as stated; exact.",
                tables=[table("tipping", title="Treating everybody against nobody", row_header="Quantity", rows=tips,
                              columns=[("Now", ""), ("Ties at", ""), ("Possible", "")])]),
    ]
    return numbered(found)


def _overturns(results: Mapping[str, Any]) -> list[str]:
    return [typeset(f"{one['assumption'][:1].upper()}{one['assumption'][1:]}: {figure_text(one['tips_at'])} (now "
                    f"{figure_text(one['now'])}) makes treating everybody no better than treating nobody.")
            for one in results["tipping_points"] if one["tips_at"] is not None and one["is_within"] is not False]
