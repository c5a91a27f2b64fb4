"""Judgement: everything that was found about a model, as one dictionary; sections, checklists and
card are made of it.

The raw results stand under their names (`evaluation`, `optimism`, `instability`,
`internal_external`, `comparison`, `subgroups`, `gaps`, `sample_size`; None where a run did not
compute them), `sections` says the same for people, and `tripod_ai`, `probast_ai` and `model_card`
answer from it. Further sections and raw results (such as those against the truth) join through
``further``: see :class:`Further`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crsrisk.evaluation.leaks import Probe
from crsrisk.evaluation.metrics import NotEstimable
from crsrisk.evaluation.optimism import Instability
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.checklists import probast_ai, tripod_ai
from crsrisk.report.evaluation_facts import checks_of, facts_of
from crsrisk.report.evaluation_sections import (
    N_INTERVALS,
    comparison_section,
    instability_section,
    internal_external_section,
    optimism_section,
    performance_section,
    sample_size_section,
    subgroups_section,
)
from crsrisk.report.model_card import model_card
from crsrisk.report.sections import Section, Table, numbered, row, rows_group, section, table
from crsrisk.results import to_plain
from crsrisk.wording import (
    MISSING,
    NOTICE,
    estimate_in_words,
    listed,
    number,
    typeset,
    window_in_words,
)

FORMAT = "crsrisk-judgement-1"
_PLATFORMS = {"ici": "checkpoint inhibitors"}
_DIGITS = 4  # of curves that are only drawn


@dataclass(frozen=True)
class ExtraSection:
    """Results of another part of the program: raw ones under ``name``, and sections for people.

    ``name`` becomes a key of the judgement (`against_the_truth`), ``results`` its plain value,
    ``sections`` (of :func:`crsrisk.report.sections.section`) stand after those of the judgement
    itself, in their order.
    """

    name: str
    results: Any
    sections: Sequence[Section]
    limits: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class About:
    """What the results cannot say themselves.

    ``purpose``: "development and evaluation" or "evaluation". ``data``: `who`, `source`,
    `eligibility`, `outcome_from`, `flow`, `split`, `differences` (sentences, "" for none),
    `is_synthetic`, `n_overlap` (None: not known). ``missing``: rows of `label` and `share` in the
    patients judged. ``probe``: how the model took poor input. ``tuning``: how settings were chosen;
    ``tuning_is_fixed``: they were not chosen from these patients. ``why_not``: what a run without
    development did not compute, and why.
    """

    purpose: str
    question: str
    data: Mapping[str, Any]
    missing: Sequence[Mapping[str, Any]]
    threshold: float
    labels: Mapping[str, str]
    manifest: Mapping[str, Any]
    probe: Probe
    tuning: str = ""
    tuning_is_fixed: bool = True
    why_not: str = ""


def build_judgement(
    model: RiskModel,
    *,
    about: About,
    evaluation: Mapping[str, Any],
    subgroups: Sequence[Any],
    gaps: Sequence[Any] = (),
    optimism: Any = None,
    instability: Instability | NotEstimable | None = None,
    internal_external: Sequence[Any] | None = None,
    comparison: Sequence[Mapping[str, Any]] | None = None,
    sample_size: Mapping[str, Any] | None = None,
    further: Sequence[ExtraSection] = (),
) -> dict[str, Any]:
    """The whole judgement, ready for JSON. Results are the nouns of `crsrisk.learn` or their plain
    form.
    """
    contract = model.contract
    content: dict[str, Any] = {
        "format": FORMAT,
        "title": f"Judgement of {model.label}",
        "notice": NOTICE,
        "purpose": about.purpose,
        "question": typeset(about.question),
        "event": typeset(contract.outcome_in_words[:1].upper() + contract.outcome_in_words[1:]),
        "window": _windows(contract.window_d, landmark_h=contract.landmark_h),
        "threshold": about.threshold,
        "tuning": about.tuning,
        "tuning_is_fixed": about.tuning_is_fixed,
        "model": _model(model),
        "data": dict(about.data),
        "predictors": _predictors(model),
        "missing": [dict(one) for one in about.missing],
        "probe": to_plain(about.probe),
        "evaluation": to_plain(evaluation),
        "subgroups": to_plain(list(subgroups)),
        "gaps": to_plain(list(gaps)),
        "optimism": to_plain(optimism),
        "instability": instability_content(instability),
        "internal_external": to_plain(internal_external),
        "comparison": to_plain(comparison),
        "sample_size": to_plain(sample_size),
        "manifest": to_plain(about.manifest),
        "limits": _limits(about, further),
    }
    content |= {one.name: to_plain(one.results) for one in further}
    content["sections"] = numbered(
        [*_sections(content, about), *(made for one in further for made in one.sections)]
    )
    facts, checks = facts_of(content, contract=contract), checks_of(content, contract=contract)
    content["tripod_ai"] = tripod_ai(facts=facts, content=content)
    content["probast_ai"] = probast_ai(
        facts=facts, checks=checks, content=content, has_development=about.purpose != "evaluation"
    )
    content["model_card"] = model_card(content)
    json.dumps(to_plain(content), allow_nan=False)
    return content


def _sections(content: Mapping[str, Any], about: About) -> list[Section]:
    made = [performance_section(content["evaluation"], labels=about.labels)]
    if content["comparison"] is not None:
        made.append(
            comparison_section(
                content["comparison"],
                thresholds=content["evaluation"]["pooled"]["net_benefit"].get("threshold", []),
            )
        )
    if content["optimism"] is not None:
        made.append(optimism_section(content["optimism"]))
    if content["internal_external"] is not None:
        made.append(internal_external_section(content["internal_external"], labels=about.labels))
    if content["instability"] is not None:
        made.append(instability_section(content["instability"]))
    made.append(subgroups_section(content["subgroups"], content["gaps"], threshold=about.threshold))
    if content["sample_size"] is not None:
        made.append(sample_size_section(content["sample_size"]))
    return made


def instability_content(found: Instability | NotEstimable | None) -> dict[str, Any] | None:
    """Instability without a single patient: risks and intervals as medians of a hundred equal
    groups by risk.
    """
    if found is None or isinstance(found, NotEstimable):
        return None if found is None else found.to_dict()
    order = np.argsort(found.risk, kind="stable")
    parts = np.array_split(order, min(N_INTERVALS, order.size))
    groups = {
        name: [round(float(np.median(values[part])), _DIGITS) for part in parts]
        for name, values in (
            ("risk", found.risk),
            ("low", found.low),
            ("high", found.high),
            ("mape", found.mape),
        )
    }

    def rounded(curves: Any) -> list[list[float | None]]:
        return [
            [round(float(value), _DIGITS) if np.isfinite(value) else None for value in curve]
            for curve in curves
        ]

    return {
        "mean_mape": found.mean_mape.to_dict(),
        "mape_p90": found.mape_p90,
        "mean_width": found.mean_width,
        "classification": {at: share.to_dict() for at, share in found.classification.items()},
        "groups": groups,
        "curve_risk": to_plain(found.curve_risk),
        "calibration_curves": rounded(found.calibration_curves),
        "thresholds": to_plain(found.thresholds),
        "net_benefit_curves": rounded(found.net_benefit_curves),
        "n_refits": found.n_refits,
        "n_failed": found.n_failed,
    }


def _model(model: RiskModel) -> dict[str, Any]:
    contract = model.contract
    when = (
        "before the first dose"
        if contract.landmark_h == 0
        else f"{contract.landmark_h} h after the first dose"
    )
    return {
        "label": model.label,
        "n_patients": contract.n_patients,
        "n_events": contract.n_events,
        "about": (
            "Boosted trees with monotone directions on a penalised additive start, calibrated on"
            f" patients outside the trees; prediction {when}."
        ),
        "calibration": model.calibrator.method,
        "products": list(contract.products),
    }


def _predictors(model: RiskModel) -> list[dict[str, Any]]:
    contract = model.contract
    columns = {column.name: column for column in contract.columns}
    when = (
        "before the first dose"
        if contract.landmark_h == 0
        else f"by {contract.landmark_h} h after the first dose"
    )
    return [
        {
            "name": one.name,
            "label": typeset(one.label),
            "unit": typeset(one.unit),
            "kind": one.kind,
            "role": one.role,
            "time": when,
            "may_be_missing": one.name in columns and columns[one.name].may_be_missing,
        }
        for one in contract.variables
    ]


def _limits(about: About, further: Sequence[ExtraSection]) -> list[str]:
    return [
        "The model was fitted to simulated patients; nothing here says how it does in a hospital.",
        *(
            ["The patients it was judged in come from the same simulator."]
            if about.data["is_synthetic"]
            else []
        ),
        *([about.why_not] if about.why_not else []),
        *(limit for one in further for limit in one.limits),
    ]


def _windows(window_d: Mapping[str, float], *, landmark_h: int) -> str:
    others = [
        f"{_PLATFORMS.get(platform, platform)}: {days:g} days"
        for platform, days in window_d.items()
        if platform != "default"
    ]
    return window_in_words(window_d["default"], landmark_h=landmark_h) + (
        f" ({listed(others)})" if others else ""
    )


# The section of a judgement that measures a model against the truth of the simulator.


Results = Mapping[str, Any]
_MEASURES = {
    "auroc_within_product": "AUROC, pairs of one product",
    "slope": "Calibration slope",
    "in_the_large": "Calibration intercept (slope fixed at 1)",
    "brier": "Brier score",
    "log_loss": "Log loss, nats",
}
_CLAIMS = ("apparent", "bootstrap-corrected", "cross-validation", "held-out patients")


def truth_section(results: Results, *, labels: Mapping[str, str]) -> Section:
    """True calibration error, the loss in three parts, coverage, and which validation was right."""
    error = results["calibration_error"]["all"]
    lead = "Too few patients were simulated again to measure the model against their true risks."
    if "mean_absolute" in error:
        lead = (
            "A patient's predicted risk is off his true risk, given what was observed, by"
            f" {_of_100(error['mean_absolute'])} of 100 on average, and in one patient of ten by"
            f" more than {_of_100(error['p90_absolute'])}."
        )
    return section(
        "against-the-truth",
        title="Against the truth",
        lead=lead,
        sentences=[
            (
                f"{number(results['n_patients'], digits=0)} held-out patients were simulated again"
                f" {results['repetitions']} times given what was observed of them and"
                f" {results['baseline_repetitions']} times given everything true at baseline. The"
                " noise of these repetitions is removed from every figure. In brackets: 95%"
                " interval; then the Monte Carlo error."
            ),
            *_control_sentences(results["controls"]),
        ],
        tables=[
            _error_table(results, labels),
            _gap_table(results, labels),
            _coverage_table(results, labels),
            _optimism_table(results["optimism"]),
        ],
    )


def _control_sentences(controls: Results) -> list[str]:
    negative, leaks = controls["negative"], controls["leaks"]
    told = (
        "not estimable"
        if "not_estimable" in negative["auroc_within_product"]
        else estimate_in_words(negative["auroc_within_product"])
    )
    is_noticed = (
        "was noticed"
        if controls["planted"]["is_noticed"]
        else "was NOT noticed: the leak check failed"
    )
    found = (
        "No leak was found among the model's features and between its patients."
        if not leaks
        else ("Possible leaks: " + "; ".join(leak["why"] for leak in leaks) + ".")
    )
    return [
        (
            "Negative control: developed on the same patients with outcomes dealt out anew, the"
            f" model ranks patients of one product with an AUROC of {told} where outcomes were"
            " dealt out too, and its largest mean SHAP value is"
            f" {number(negative['largest_mean_shap'], digits=3)} log-odds"
            f" ({number(negative['largest_mean_shap_of_the_model'], digits=3)} with the true"
            " outcomes)."
        ),
        (
            "Planted leak: a value measured during the reaction, put in the place of a baseline"
            f" value, {is_noticed}. {found} Nothing known before the first dose can reach an AUROC"
            f" above {number(controls['limit'])} within products here."
        ),
    ]


def _named(name: str, labels: Mapping[str, str]) -> str:
    return "All products" if name == "all" else labels.get(name, name)


def _of_100(figure: Results) -> str:
    return number(100 * figure["value"], digits=1)


def _told(figure: Results, *, digits: int, factor: float = 1.0) -> str:
    if "not_estimable" in figure:
        return "not estimable"
    return (
        f"{estimate_in_words(figure, digits=digits, factor=factor)}; "
        f"{number(factor * figure['mc_error'], digits=digits + 1)}"
    )


def _error_table(results: Results, labels: Mapping[str, str]) -> Table:
    columns = (
        ("mean_absolute", "Mean distance"),
        ("p90_absolute", "90th percentile"),
        ("bias", "Bias"),
        ("root_mean_squared", "Root mean square"),
    )
    rows = []
    for name, one in results["calibration_error"].items():
        cells = (
            [MISSING] * 5
            if "not_estimable" in one
            else [
                *(_told(one[key], digits=1, factor=100) for key, _ in columns),
                number(100 * one["mean_absolute_with_noise"], digits=1),
            ]
        )
        rows.append(row(_named(name, labels), cells, is_strong=name == "all"))
    return table(
        "true-calibration",
        title="True calibration error: predicted minus true risk of each patient, of 100",
        row_header="Product",
        columns=[*((label, "") for _, label in columns), ("Mean distance", "noise left in")],
        rows=rows,
        notes=[
            "Bias: above 0, risks are too high. The last column is what would be found if the "
            "oracle's own noise stayed in."
        ],
    )


def _gap_table(results: Results, labels: Mapping[str, str]) -> Table:
    groups = []
    for place in (0, 1):
        rows = [
            row(
                _named(name, labels),
                [
                    _told(parts[place][part], digits=4)
                    for part in ("irreducible", "unobserved", "estimation", "total")
                ],
                is_strong=name == "all",
            )
            for name, parts in results["gap"].items()
        ]
        groups.append(rows_group(results["gap"]["all"][place]["loss"].capitalize(), rows))
    return table(
        "gap",
        title="What the model loses, in three parts",
        row_header="Product",
        columns=[
            ("Irreducible", "chance"),
            ("Unobserved", "biology nobody measured"),
            ("Estimation", "the model's own"),
            ("Total", ""),
        ],
        rows=groups,
        notes=[
            "Irreducible: loss of an oracle that knows everything true at baseline. Unobserved:"
            " what the oracle that knows the hospital's table loses beyond it. Estimation: what the"
            " model loses beyond that."
        ],
    )


def _coverage_table(results: Results, labels: Mapping[str, str]) -> Table:
    methods = results["coverage"]
    groups = []
    for method, found in methods.items():
        rows = [
            row(
                _named(name, labels),
                (
                    ["too few patients", MISSING]
                    if "not_estimable" in one
                    else [
                        _told(one["share"], digits=1, factor=100),
                        number(100 * one["mean_width"], digits=1),
                    ]
                ),
                is_strong=name == "all",
            )
            for name, one in found.items()
        ]
        groups.append(rows_group(method[:1].upper() + method[1:], rows))
    return table(
        "coverage",
        title="Does the 95% interval hold the true risk?",
        row_header="Patients",
        columns=[("Hold it", "of 100 intervals"), ("Mean width", "of 100")],
        rows=groups,
        notes=[
            "Bands are of predicted risk. Refitting shows what the sample of patients does to a"
            " risk, not what the model cannot express; Venn-Abers speaks of groups of patients with"
            " that risk, not of one patient. Neither promises to hold a single patient's true risk:"
            " here is how often each does. Taking the noise out can carry a share a little below 0"
            " or above 100."
        ],
    )


def _optimism_table(found: Results) -> Table:
    claims = [name for name in _CLAIMS if name in found["claims"]]
    rows = []
    for measure, label in _MEASURES.items():
        if measure in found["fresh"]:
            rows.append(
                row(
                    label,
                    [
                        _told(found["fresh"][measure], digits=4),
                        *(number(found["claims"][name].get(measure), digits=4) for name in claims),
                    ],
                )
            )
    return table(
        "true-optimism",
        title="Which validation was right?",
        row_header="Figure",
        columns=[
            ("Truth", f"{number(found['n_fresh'], digits=0)} further patients"),
            *((name[:1].upper() + name[1:], "claimed") for name in claims),
        ],
        rows=rows,
        notes=[
            "One development: a claim can be off by the luck of these development patients. The"
            " truth's Monte Carlo error is of the further patients."
        ],
    )
