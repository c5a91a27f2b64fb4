"""Prophylaxis content: the results as a dictionary with sections for people; the page only lays it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crsrisk.report.prophylaxis_sections import (
    common_section,
    doses_section,
    harms_section,
    policies_section,
    regret_section,
    subgroups_section,
)
from crsrisk.report.prophylaxis_words import measure_first, read_aloud, what_would_overturn
from crsrisk.report.prophylaxis_world_sections import (
    information_section,
    tipping_section,
    trial_section,
    worlds_section,
)
from crsrisk.report.sections import numbered
from crsrisk.report.words import typeset

LIMITS = (
    "Every patient is simulated. The true effects are true of the simulator, not of any drug in any patient.",
    "Harms beyond CRS are assumptions with wide ranges: no figure of infection or response in this setting was found. "
    "Replace them by those of your own patients: synthetic/assumptions/consequences.yaml.",
    "How T-cell activation and response hang together is unknown. Common cause and mediation give the same observational "
    "data and opposite prices of quietening T cells; both stand side by side throughout.",
    "A grade needs a fever that somebody sees. IL-6 blockade and steroids hide fever; need of support stands beside it.",
    "Response follows the peak of T-cell activation alone; its duration and later cycles are not simulated.",
    "A randomised trial of this size will rarely show that response is safe; say so in the protocol.",
    "Weights of harms are judgements. No measurement settles them: they are to be elicited.",
)


def prophylaxis_content(results: Mapping[str, Any]) -> dict[str, Any]:
    """Everything for JSON and page: the results under their names, `aloud`, `overturns`, `first`, `sections`, `limits`."""
    setting = results["setting"]
    results = {**results, "strategies": {name: with_ranges(one, results) for name, one in results["strategies"].items()}}
    content: dict[str, Any] = {
        **results, "title": typeset(f"Prophylaxis against CRS under {setting['product']}"),
        "event": typeset("CRS of grade >= 2 (ASTCT)"), "window": f"within {setting['window_d']:g} days after the first dose",
        "question": typeset(results["question"]), "aloud": typeset(read_aloud(results)),
        "overturns": [typeset(one) for one in what_would_overturn(results)],
        "first": [typeset(one) for one in measure_first(results)], "limits": list(LIMITS),
    }
    content["sections"] = numbered([
        common_section(results), harms_section(results), policies_section(results), doses_section(results),
        regret_section(results), subgroups_section(results), worlds_section(results), tipping_section(results),
        information_section(results), trial_section(results)])
    json.dumps(content, allow_nan=False)
    return content


def with_ranges(one: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Tipping points with the range that the ensemble finds plausible for what it knows."""
    effects, base = results["ensemble"]["effects"][one["strategy"]], results["ensemble"]["base_rate"]
    known = {"risk ratio of CRS": effects["risk_ratio"],
             "share of the effect that is only hidden fever": effects["hidden_share"],
             "serious infections added a treated patient": effects["infections_added"],
             "tumour responses lost a treated patient": effects["responses_lost"],
             "CRS of grade >= 2 without prophylaxis, in those treated": base}
    judged = {"weight of an infection": "infection_weight", "weight of a lost response": "response_weight",
              "burden of a course": "burden_per_course"}
    ranges = {row["key"].removeprefix("consequences."): row for row in results["ends"]}
    points = []
    for point in one["tipping_points"]:
        range_ = known.get(point["assumption"]) or ranges.get(judged.get(point["assumption"], ""))
        low, high = (range_["low"], range_["high"]) if range_ else (point["low"], point["high"])
        tips_at = point["tips_at"]
        now = effects["hidden_share"]["value"] if "hidden fever" in point["assumption"] else point["now"]
        points.append({**point, "now": now, "low": low, "high": high,
                       "is_within": low is not None and tips_at is not None and low <= tips_at <= high})
    return {**one, "tipping_points": points}
