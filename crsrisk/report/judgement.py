"""Judgement: everything that was found about a model, as one dictionary; sections, checklists and card are made of it.

The raw results stand under their names (`evaluation`, `optimism`, `instability`, `internal_external`, `comparison`,
`subgroups`, `gaps`, `sample_size`; None where a run did not compute them), `sections` says the same for people, and
`tripod_ai`, `probast_ai` and `model_card` answer from it. Further sections and raw results (such as those against the
truth) join through ``further``: see :class:`Further`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crsrisk.domain.risk_model import RiskModel
from crsrisk.learn.evaluate import as_plain
from crsrisk.learn.instability import Instability
from crsrisk.learn.metrics import NotEstimable
from crsrisk.learn.probe import Probe
from crsrisk.report.judged_facts import checks_of, facts_of
from crsrisk.report.judged_groups import internal_external_section, sample_size_section, subgroups_section
from crsrisk.report.judged_performance import (
    N_INTERVALS,
    comparison_section,
    instability_section,
    optimism_section,
    performance_section,
)
from crsrisk.report.model_card import model_card
from crsrisk.report.probast_ai import probast_ai
from crsrisk.report.sections import Section, numbered
from crsrisk.report.tripod_ai import tripod_ai
from crsrisk.report.words import NOTICE, listed, typeset, window_in_words

FORMAT = "crsrisk-judgement-1"
_PLATFORMS = {"ici": "checkpoint inhibitors"}
_DIGITS = 4  # of curves that are only drawn


@dataclass(frozen=True)
class Further:
    """Results of another part of the program: raw ones under ``name``, and sections for people.

    ``name`` becomes a key of the judgement (`against_the_truth`), ``results`` its plain value, ``sections`` (of
    :func:`crsrisk.report.sections.section`) stand after those of the judgement itself, in their order.
    """

    name: str
    results: Any
    sections: Sequence[Section]
    limits: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class About:
    """What the results cannot say themselves.

    ``purpose``: "development and evaluation" or "evaluation". ``data``: `who`, `source`, `eligibility`, `outcome_from`,
    `flow`, `split`, `differences` (sentences, "" for none), `is_synthetic`, `n_overlap` (None: not known). ``missing``:
    rows of `label` and `share` in the patients judged. ``probe``: how the model took poor input.
    ``tuning``: how settings were chosen; ``tuning_is_fixed``: they
    were not chosen from these patients. ``why_not``: what a run without development did not compute, and why.
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
    model: RiskModel, *, about: About, evaluation: Mapping[str, Any], subgroups: Sequence[Any], gaps: Sequence[Any] = (),
    optimism: Any = None, instability: Instability | NotEstimable | None = None,
    internal_external: Sequence[Any] | None = None, comparison: Sequence[Mapping[str, Any]] | None = None,
    sample_size: Mapping[str, Any] | None = None, further: Sequence[Further] = (),
) -> dict[str, Any]:
    """The whole judgement, ready for JSON. Results are the nouns of `crsrisk.learn` or their plain form."""
    contract = model.contract
    content: dict[str, Any] = {
        "format": FORMAT, "title": f"Judgement of {model.label}", "notice": NOTICE, "purpose": about.purpose,
        "question": typeset(about.question),
        "event": typeset(contract.outcome_in_words[:1].upper() + contract.outcome_in_words[1:]),
        "window": _windows(contract.window_d, landmark_h=contract.landmark_h),
        "threshold": about.threshold, "tuning": about.tuning, "tuning_is_fixed": about.tuning_is_fixed,
        "model": _model(model), "data": dict(about.data), "predictors": _predictors(model),
        "missing": [dict(one) for one in about.missing], "probe": as_plain(about.probe),
        "evaluation": as_plain(evaluation), "subgroups": as_plain(list(subgroups)), "gaps": as_plain(list(gaps)),
        "optimism": as_plain(optimism), "instability": instability_content(instability),
        "internal_external": as_plain(internal_external), "comparison": as_plain(comparison),
        "sample_size": as_plain(sample_size), "manifest": as_plain(about.manifest),
        "limits": _limits(about, further),
    }
    content |= {one.name: as_plain(one.results) for one in further}
    content["sections"] = numbered([*_sections(content, about), *(made for one in further for made in one.sections)])
    facts, checks = facts_of(content, contract=contract), checks_of(content, contract=contract)
    content["tripod_ai"] = tripod_ai(facts=facts, content=content)
    content["probast_ai"] = probast_ai(facts=facts, checks=checks, content=content,
                                       has_development=about.purpose != "evaluation")
    content["model_card"] = model_card(content)
    json.dumps(content, allow_nan=False)
    return content


def _sections(content: Mapping[str, Any], about: About) -> list[Section]:
    made = [performance_section(content["evaluation"], labels=about.labels)]
    if content["comparison"] is not None:
        made.append(comparison_section(content["comparison"], thresholds=content["evaluation"]["pooled"]["net_benefit"].get(
            "threshold", [])))
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
    """Instability without a single patient: risks and intervals as medians of a hundred equal groups by risk."""
    if found is None or isinstance(found, NotEstimable):
        return None if found is None else found.as_dict()
    order = np.argsort(found.risk, kind="stable")
    parts = np.array_split(order, min(N_INTERVALS, order.size))
    groups = {name: [round(float(np.median(values[part])), _DIGITS) for part in parts]
              for name, values in (("risk", found.risk), ("low", found.low), ("high", found.high), ("mape", found.mape))}

    def rounded(curves: Any) -> list[list[float | None]]:
        return [[round(float(value), _DIGITS) if np.isfinite(value) else None for value in curve] for curve in curves]

    return {
        "mean_mape": found.mean_mape.as_dict(), "mape_p90": found.mape_p90, "mean_width": found.mean_width,
        "classification": {at: share.as_dict() for at, share in found.classification.items()}, "groups": groups,
        "curve_risk": as_plain(found.curve_risk), "calibration_curves": rounded(found.calibration_curves),
        "thresholds": as_plain(found.thresholds), "net_benefit_curves": rounded(found.net_benefit_curves),
        "n_refits": found.n_refits, "n_failed": found.n_failed}


def _model(model: RiskModel) -> dict[str, Any]:
    contract = model.contract
    when = "before the first dose" if contract.landmark_h == 0 else f"{contract.landmark_h} h after the first dose"
    return {
        "label": model.label, "n_patients": contract.n_patients, "n_events": contract.n_events,
        "about": f"Boosted trees with monotone directions on a penalised additive start, calibrated on patients outside the "
                 f"trees; prediction {when}.",
        "calibration": model.calibrator.method, "products": list(contract.products)}


def _predictors(model: RiskModel) -> list[dict[str, Any]]:
    contract = model.contract
    columns = {column.name: column for column in contract.columns}
    when = "before the first dose" if contract.landmark_h == 0 else f"by {contract.landmark_h} h after the first dose"
    return [{"name": one.name, "label": typeset(one.label), "unit": typeset(one.unit), "kind": one.kind, "role": one.role,
             "time": when, "may_be_missing": one.name in columns and columns[one.name].may_be_missing}
            for one in contract.variables]


def _limits(about: About, further: Sequence[Further]) -> list[str]:
    return [
        "The model was fitted to simulated patients; nothing here says how it does in a hospital.",
        *(["The patients it was judged in come from the same simulator."] if about.data["is_synthetic"] else []),
        *([about.why_not] if about.why_not else []), *(limit for one in further for limit in one.limits)]


def _windows(window_d: Mapping[str, float], *, landmark_h: int) -> str:
    others = [f"{_PLATFORMS.get(platform, platform)}: {days:g} days" for platform, days in window_d.items()
              if platform != "default"]
    return window_in_words(window_d["default"], landmark_h=landmark_h) + (f" ({listed(others)})" if others else "")
