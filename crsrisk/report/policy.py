"""Prophylaxis content: the results as a dictionary with sections for people; the page only lays it
out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.policy_sections import (
    common_section,
    doses_panel,
    doses_section,
    harms_section,
    information_section,
    net_benefit_panel,
    policies_section,
    policy_happens,
    regret_section,
    subgroups_section,
    tipping_section,
    trial_section,
    worlds_section,
)
from crsrisk.report.policy_words import (
    amount,
    drug,
    figure_text,
    measure_first,
    needed_text,
    range_text,
    read_aloud,
    spread,
    tipping_text,
    what_would_overturn,
)
from crsrisk.report.sections import Section, figure, numbered, row, section, table
from crsrisk.report.trial_protocol import protocol_yaml
from crsrisk.results import to_plain
from crsrisk.wording import MISSING, number, typeset

LIMITS = (
    (
        "Every patient is simulated. The true effects are true of the simulator, not of any drug in"
        " any patient."
    ),
    (
        "Harms beyond CRS are assumptions with wide ranges: no figure of infection or response in"
        " this setting was found. Replace them by those of your own patients:"
        " synthetic/assumptions/consequences.yaml."
    ),
    (
        "How T-cell activation and response hang together is unknown. Common cause and mediation"
        " give the same observational data and opposite prices of quietening T cells; both stand"
        " side by side throughout."
    ),
    (
        "A grade needs a fever that somebody sees. IL-6 blockade and steroids hide fever; need of"
        " support stands beside it."
    ),
    (
        "Response follows the peak of T-cell activation alone; its duration and later cycles are"
        " not simulated."
    ),
    (
        "A randomised trial of this size will rarely show that response is safe; say so in the"
        " protocol."
    ),
    "Weights of harms are judgements. No measurement settles them: they are to be elicited.",
)


def prophylaxis_content(results: Mapping[str, Any]) -> dict[str, Any]:
    """Everything for JSON and page: the results under their names, `aloud`, `overturns`, `first`,
    `sections`, `limits`.
    """
    setting = results["setting"]
    results = {
        **results,
        "strategies": {
            name: with_ranges(one, results) for name, one in results["strategies"].items()
        },
    }
    content: dict[str, Any] = {
        **results,
        "title": typeset(f"Prophylaxis against CRS under {setting['product']}"),
        "event": typeset("CRS of grade >= 2 (ASTCT)"),
        "window": f"within {setting['window_d']:g} days after the first dose",
        "question": typeset(results["question"]),
        "aloud": typeset(read_aloud(results)),
        "overturns": [typeset(one) for one in what_would_overturn(results)],
        "first": [typeset(one) for one in measure_first(results)],
        "limits": list(LIMITS),
    }
    content["sections"] = numbered(
        [
            common_section(results),
            harms_section(results),
            policies_section(results),
            doses_section(results),
            regret_section(results),
            subgroups_section(results),
            worlds_section(results),
            tipping_section(results),
            information_section(results),
            trial_section(results),
        ]
    )
    json.dumps(to_plain(content), allow_nan=False)
    return content


def with_ranges(one: Mapping[str, Any], results: Mapping[str, Any]) -> dict[str, Any]:
    """Tipping points with the range that the ensemble finds plausible for what it knows."""
    effects, base = (
        results["ensemble"]["effects"][one["strategy"]],
        results["ensemble"]["base_rate"],
    )
    known = {
        "risk ratio of CRS": effects["risk_ratio"],
        "share of the effect that is only hidden fever": effects["hidden_share"],
        "serious infections added a treated patient": effects["infections_added"],
        "tumour responses lost a treated patient": effects["responses_lost"],
        "CRS of grade >= 2 without prophylaxis, in those treated": base,
    }
    judged = {
        "weight of an infection": "infection_weight",
        "weight of a lost response": "response_weight",
        "burden of a course": "burden_per_course",
    }
    ranges = {row["key"].removeprefix("consequences."): row for row in results["ends"]}
    points = []
    for point in one["tipping_points"]:
        range_ = known.get(point["assumption"]) or ranges.get(judged.get(point["assumption"], ""))
        low, high = (range_["low"], range_["high"]) if range_ else (point["low"], point["high"])
        tips_at = point["tips_at"]
        now = (
            effects["hidden_share"]["value"]
            if "hidden fever" in point["assumption"]
            else point["now"]
        )
        points.append(
            {
                **point,
                "now": now,
                "low": low,
                "high": high,
                "is_within": low is not None and tips_at is not None and low <= tips_at <= high,
            }
        )
    return {**one, "tipping_points": points}


# Prophylaxis for a table of patients, as a dictionary with sections for people.


TABLE_LIMITS = (
    (
        "No potential outcome is known of any patient of this table: what prophylaxis would have"
        " done is an assumption, the same risk ratio for everybody."
    ),
    (
        "Without an outcome column the risks are taken as true; a score that is too low or too high"
        " moves every figure."
    ),
    "Whether some patients gain more than others cannot be seen here: risk stands in for benefit.",
)


def table_content(results: Mapping[str, Any]) -> dict[str, Any]:
    """Everything for JSON and page: the raw results, `aloud`, `sections`, `limits`."""
    content: dict[str, Any] = {
        **results,
        "title": "Prophylaxis against CRS: what follows from stated effects",
        "question": "Who of these patients should get prophylaxis, if it does what is stated?",
        "event": typeset("CRS of grade >= 2"),
        "window": "within the window of the risks given",
        "overturns": _overturns(results),
        "first": [],
        "limits": list(TABLE_LIMITS),
        "aloud": typeset(_aloud(results)),
    }
    rows = results["policies"]
    content["sections"] = _sections(results, rows)
    json.dumps(to_plain(content), allow_nan=False)
    return content


def _sections(results: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    ledger, risk = results["ledger"], results["risk"]
    worth = [
        row(
            one["policy"],
            [
                MISSING if not one["treated"]["value"] else needed_text(one[key])
                for key in ("nnt", "nnh")
            ]
            + [spread(one["net_benefit"])],
        )
        for one in rows
    ]
    harms = [
        row(
            one["harm"],
            [
                amount(100 * one["per_treated"]),
                number(one["weight"], digits=2),
                amount(100 * one["crs_units"]),
            ],
        )
        for one in ledger["rows"]
    ]
    tips = [
        row(
            one["assumption"],
            [
                figure_text(one["now"]),
                figure_text(one["tips_at"]),
                range_text(one["low"], one["high"]),
            ],
        )
        for one in results["tipping_points"]
    ]
    found = [
        section(
            "policies",
            title="Whom to treat: what becomes of 100 patients",
            lead="Figures are for 100 patients of the table.",
            sentences=[
                (
                    f"Observed: {amount(100 * risk['observed'])} of 100 with the event, AUROC "
                    f"{spread(risk['auroc'], digits=2)}."
                    if risk["observed"] is not None
                    else "No outcomes were given: risks are taken as true."
                )
            ],
            tables=[
                table(
                    "happens",
                    title="What happens, for 100 patients",
                    row_header="Policy",
                    rows=[policy_happens(one) for one in rows],
                    columns=[
                        ("Treated", ""),
                        ("CRS >= 2 averted", ""),
                        ("CRS >= 2 missed", "in the untreated"),
                        ("Treated needlessly", ""),
                        ("Infections added", ""),
                        ("Responses lost", ""),
                    ],
                ),
                table(
                    "worth",
                    title="What it is worth, for 100 patients",
                    row_header="Policy",
                    rows=worth,
                    columns=[
                        ("NNT", "for one CRS averted"),
                        ("NNH", "for one infection"),
                        ("Net benefit", ""),
                    ],
                ),
            ],
            figures=[
                figure(
                    "curve",
                    title="Net benefit against the harm of a treated patient.",
                    style="many",
                    text=(
                        "Blue: by risk at t*, with its 95% band. Broken grey: everybody. Black:"
                        " nobody."
                    ),
                    panels=[
                        (
                            "lines",
                            "Prophylaxis",
                            net_benefit_panel(results["decision_curve"], name="prophylaxis"),
                        )
                    ],
                ),
                figure(
                    "doses",
                    title="CRS averted by the share that can be treated.",
                    style="many",
                    text="Blue: by risk. Dashed: at random.",
                    panels=[
                        ("lines", "Prophylaxis", doses_panel(results["doses"], name="prophylaxis"))
                    ],
                ),
            ],
        ),
        section(
            "harms",
            title="What it costs, in CRS events",
            lead=(
                f"t* = h / (1 - RR) = {amount(100 * ledger['threshold'])} of 100."
                if ledger["threshold"] <= 1.0
                else "t* = h / (1 - RR) lies above 100 of 100: no risk is high enough."
            ),
            tables=[
                table(
                    "harms",
                    title="Harms for 100 treated patients",
                    row_header="Harm",
                    rows=harms,
                    columns=[("Number", "for 100"), ("Weight", ""), ("CRS events", "for 100")],
                )
            ],
        ),
        *_subgroups(results["subgroups"]),
        section(
            "tipping",
            title="What would break it",
            lead="Each quantity alone, everything else as stated; exact.",
            tables=[
                table(
                    "tipping",
                    title="Treating everybody against nobody",
                    row_header="Quantity",
                    rows=tips,
                    columns=[("Now", ""), ("Ties at", ""), ("Possible", "")],
                )
            ],
        ),
    ]
    return numbered(found)


def _subgroups(rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    if not rows:
        return []
    found = [
        row(
            one["group"],
            [
                number(one["n"], digits=0),
                amount(one["risk_per_100"]),
                amount(one["treated_per_100"]),
                *(
                    MISSING if one[key] is None else number(100 * one[key], digits=0)
                    for key in ("sensitivity", "ppv")
                ),
                (
                    MISSING
                    if one["calibration_log_odds"] is None
                    else number(one["calibration_log_odds"], digits=2)
                ),
                spread(one["net_benefit"]),
            ],
        )
        for one in rows
    ]
    return [
        section(
            "subgroups",
            title="Who is left out: by risk in subgroups",
            lead=(
                "One threshold for all means one price of harm for all; a score that is too low in"
                " a subgroup raises that price in silence."
            ),
            tables=[
                table(
                    "subgroups",
                    title="By risk at t*, by subgroup",
                    row_header="Subgroup",
                    rows=found,
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
                        "The same risk ratio for everybody. Groups of fewer than 30 patients are"
                        " left out."
                    ],
                )
            ],
        )
    ]


def _aloud(results: Mapping[str, Any]) -> str:
    """The first paragraph: patients, price, the best of three rules with what it does, and what it
    is not.
    """
    ledger, start = results["ledger"], results["ledger"]["threshold"]
    pays = (
        f"pays from a risk of {amount(100 * start)} of 100 on"
        if start <= 1.0
        else "pays at no risk: it costs more than it could ever avert"
    )
    return " ".join(
        [
            (
                f"In {number(results['setting']['n_patients'], digits=0)} patients with a mean"
                " predicted risk of CRS of grade 2 or more of"
                f" {amount(100 * results['risk']['mean'])} of 100, prophylaxis with a risk ratio of"
                f" {spread(results['stated']['risk_ratio'], digits=2)} and a harm of"
                f" {amount(100 * ledger['harm'])} CRS events for 100 treated {pays}."
            ),
            _best_rule(results["policies"]),
            (
                "Effect and harms are stated, not found in these patients: a design scenario,"
                " without external validation, never advice on a patient."
            ),
        ]
    )


def _best_rule(policies: Sequence[Mapping[str, Any]]) -> str:
    """Which of treating nobody, everybody and by the threshold is worth most, and what it does."""
    nobody, everybody, some = policies[:3]
    best = max((nobody, everybody, some), key=lambda one: float(one["net_benefit"]["value"]))
    if best is nobody:
        value, low, high = (everybody["net_benefit"][key] for key in ("value", "low", "high"))
        cost = spread(
            {
                "value": -value,
                "low": None if high is None else -high,
                "high": None if low is None else -low,
            }
        )
        return (
            "Treating nobody has the highest net benefit; treating everybody would cost "
            f"{cost} CRS events for 100 patients, all in all."
        )
    who = (
        "everybody"
        if best is everybody
        else f"the {amount(some['treated']['value'], digits=0)} of 100 from that risk on"
    )
    others = "everybody" if best is some else "those from that risk on"
    than = f"treating nobody or {others}" if some["treated"]["value"] < 100.0 else "treating nobody"
    low = best["net_benefit"]["low"]
    doubt = (
        ", and that it is worth nothing is not excluded." if low is not None and low <= 0.0 else "."
    )
    return (
        f"Treating {who} has a higher net benefit than {than}: {spread(best['net_benefit'])} CRS"
        f" events for 100 patients; it averts {spread(best['averted'])} CRS of grade 2 or"
        f" more{doubt}"
    )


def _overturns(results: Mapping[str, Any]) -> list[str]:
    pays = results["policies"][1]["net_benefit"]["value"] > 0.0
    return [
        typeset(tipping_text(one, who="treating everybody", pays=pays))
        for one in results["tipping_points"]
        if one["tips_at"] is not None and one["is_within"] is not False
    ]


# Prophylaxis protocol: the recommended trial as a design file that `crsrisk trial` runs on the same
# simulated patients.


LOOKS = {"boundary": "Lan-DeMets OBF-like spending", "looks": 3, "futility_z": [0.0, 0.5]}


def trial_design(content: Mapping[str, Any]) -> dict[str, Any]:
    """The design file as a tree: all comers, with and without looks, and by risk where the ledger
    has a threshold.

    Screening figures are stand-ins, to be replaced by those of the sites.
    """
    setting, wanted = content["setting"], content["recommendation"]
    strategy, start = wanted["strategy"], wanted["threshold_of_the_ledger"]["value"]
    designs: list[dict[str, Any]] = [
        {"name": "All comers", "kind": "all_comers", "co_primary_support": True},
        {
            "name": "All comers, three looks",
            "kind": "all_comers",
            "co_primary_support": True,
            "sequential": LOOKS,
        },
    ]
    if wanted["threshold"] is not None and start is not None and 0.0 < start < 1.0:
        designs.append(
            {
                "name": "By risk",
                "kind": "enrichment",
                "threshold": round(start, 3),
                "co_primary_support": True,
            }
        )
    within = f"within {setting['window_d']:g} days of the first dose"
    return {
        "trial": "recommended_prophylaxis",
        "question": (
            f"Does {drug(strategy)} lower CRS of grade >= 2 under "
            f"{setting['product']}, and at which size would a trial show it?"
        ),
        "prophylaxis_in_words": (
            f"{drug(strategy)} under {setting['product']} ({setting['regimen']})"
        ),
        "seed": setting["seed"],
        "n_sim": 2000,
        "alpha_one_sided": 0.025,
        "power": 0.8,
        "estimand": {
            "population": (
                f"adults with {setting['population'].lower()} who start {setting['product']} "
                f"({setting['regimen']})"
            ),
            "treatment": (
                f"{drug(strategy)} and the planned regimen against the planned regimen alone"
            ),
            "variable": f"ASTCT grade >= 2 cytokine release syndrome {within}",
            "summary": "difference of risks, with the risk ratio beside it",
            "intercurrent_events": [
                {
                    "event": "rescue tocilizumab or steroid for grade 1",
                    "strategy": "treatment policy",
                    "sensitivity": "composite",
                },
                {"event": "prophylaxis missed or given in part", "strategy": "treatment policy"},
                {"event": "later doses withheld or progression", "strategy": "treatment policy"},
                {"event": "death before the end of the window", "strategy": "composite"},
                {"event": "another cause such as sepsis", "strategy": "adjudication"},
            ],
        },
        "candidates": {
            "simulated": {
                "product": setting["product"],
                "regimen": setting["regimen"],
                "prophylaxis": strategy,
                "scenario": setting["scenario"],
                "n_patients": 4000,
                "training_patients": setting["n_training_per_arm"],
                "seed": setting["seed"],
            }
        },
        "screening": {
            "candidates_per_month": 8.0,
            "consent": 0.7,
            "score_noise_sd": 0.1,
            "missing_labs": 0.05,
            "wait_d": setting["window_d"],
        },
        "designs": designs,
    }


def trial_design_yaml(content: Mapping[str, Any]) -> str:
    """The same as the text of a file."""
    return protocol_yaml(trial_design(content), version=content["setting"]["version"])
