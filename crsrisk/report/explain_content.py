"""Explain content: the page about one patient as a dictionary that JSON can hold; the page only sets it in type.

Order: warnings, the two risks with what their ranges cover, a reference patient, reasons, what would change it, what
published reviews say, how to use the page. Every risk carries event, window and the notice; nothing is advice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crsrisk.domain.bedside_estimate import Change, MissingRange, ReferencePatient, RiskEstimate, SimulatedPart
from crsrisk.domain.explanation import Reason
from crsrisk.domain.guidance import Statement
from crsrisk.domain.patient_file import GivenValue
from crsrisk.domain.product import Product
from crsrisk.domain.risk_model import RiskModel
from crsrisk.learn.refits import covers
from crsrisk.report.bedside import EVENTS, describe_patient, shown_reasons, value_in_words
from crsrisk.report.explain_warnings import warnings_about
from crsrisk.report.words import (
    NOTICE,
    about_of_100,
    check_risk,
    hours_in_words,
    of_100,
    range_of_100,
    short_label,
    typeset,
    unit_in_words,
    window_in_words,
)
from crsrisk.units import FIELDS

FORMAT = "crsrisk explanation 1"
THEMES = ("drug and dose", "prevention", "tumour burden", "inflammation", "host")
RULE = (
    "Points are exact Shapley values of the calibrated model on the log-odds scale, one for each clinical variable, all "
    "multiplied with (risk − start) ÷ (log-odds − log-odds of the start), so that they add up from start to risk; as whole "
    "numbers they are rounded so that they still do."
)
SIMULATED = (
    "Simulated, not predicted: people like this one, drawn anew from what the table says, get the product with and without "
    "the change. No feature of the model was edited. What a change does to the tumour is not simulated."
)
USE: Mapping[str, tuple[str, ...]] = {
    "When to use": (
        "Before the first dose, adults with a solid tumour, to see and question how a model reasons: research, teaching.",
        "Not to choose a dose, a drug, a bed or a discharge; not after the first dose; not in children.",
    ),
    "Pitfalls": (
        "A reason is the model’s weight, not proof of cause; changing a value need not change the risk.",
        "A low number is not no risk, and infection may look like CRS.",
        "Two models speak; a value outside what they have seen is read as at the edge.",
    ),
    "Next steps": (
        "Answer the warnings first: missing, unusual and unsure values.",
        "Read the label and the local protocol; the references are where to start.",
        "After the first dose the course says more than any value before it.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Bedside:
    """All numbers of one patient's page. ``observed`` is one row; ``seen`` the words and flags of the product's training
    patients; ``risks`` and the reference's hold `grade2plus` and, where that model is there, `grade3plus`."""

    label: str
    product: Product
    product_label: str
    regimen: str
    regimen_note: str
    prophylaxis: tuple[str, ...]
    population_label: str
    window_d: float
    observed: pd.DataFrame
    given: Mapping[str, GivenValue]
    model: RiskModel
    n_refits: int
    risks: Mapping[str, RiskEstimate]
    reference: ReferencePatient | None
    seen: Mapping[str, Sequence[bool | str]]
    base_risk: float
    reasons: Sequence[Reason]
    missing: Sequence[MissingRange]
    simulated: SimulatedPart | None
    guidance: Sequence[Statement]
    guidance_about: str
    sources: Mapping[str, str]


def explain_content(one: Bedside) -> dict[str, Any]:
    """The page of one patient. The same numbers give the same dictionary; there is no date and no path in it."""
    labels = {one.product.name: one.product_label}
    two = one.risks["grade2plus"]
    reasons = shown_reasons({"base_risk": one.base_risk, "reasons": list(one.reasons)}, risk=two.value, key="patient",
                            labels=labels)
    return {
        "format": FORMAT, "notice": NOTICE, "model": one.model.label, "label": one.label,
        "title": f"{one.label}: risk of cytokine release syndrome", "window": window_in_words(one.window_d),
        "window_d": one.window_d, "therapy": _therapy(one), "known": _known(one),
        "warnings": warnings_about(
            model=one.model, observed=one.observed, product_label=short_label(one.product_label), given=one.given,
            seen=one.seen, missing=one.missing, risks=one.risks, n_refits=one.n_refits, simulated=one.simulated,
            prophylaxis=one.prophylaxis),
        "risks": {grade: risk_content(one.risks[grade], event=EVENTS[grade], window_d=one.window_d, n_refits=one.n_refits)
                  for grade in EVENTS if grade in one.risks},
        "assumptions": _assumptions(one),
        "reference": _reference(one),
        "reasons": {**reasons, "rule": RULE, "few": _few(reasons)}, "themes": themes(one.reasons, reasons=reasons),
        "changes": _changes(one), "waits": _waits(one), "guidance": _guidance(one), "use": _use(one),
    }


def risk_content(
    one: RiskEstimate, *, event: str, window_d: float, n_refits: int, whom: str = "patients like this one"
) -> dict[str, Any]:
    """One risk in one sentence, with the interval and what it covers."""
    risk = check_risk(one.value, key=event)
    whole = of_100(risk)
    sentence = f"Of 100 {whom}, {about_of_100(risk)} ({whole}%) would develop {event} {window_in_words(window_d)}."
    if one.low is None or one.high is None:
        told = "No refits are stored with this model, so no range can be given; the number alone looks surer than it is."
    else:
        told = f"Plausible range {range_of_100(one.low, one.high)}: {covers(n_refits)}."
    return {
        "event": event, "risk": risk, "low": one.low, "high": one.high, "of_100": whole,
        "count": about_of_100(risk).removeprefix("about "), "percent": f"{whole}%", "sentence": sentence, "interval": told,
        "is_held": one.is_held, "notice": NOTICE,
    }


def _therapy(one: Bedside) -> dict[str, Any]:
    given = [short_label(label) for label in one.prophylaxis]
    return {"product": typeset(one.product_label), "product_short": short_label(one.product_label),
            "regimen": one.regimen, "regimen_note": typeset(one.regimen_note), "prophylaxis": given,
            "tumour": typeset(one.population_label)}


def _known(one: Bedside) -> list[dict[str, Any]]:
    """The patient's values: in standard units, and as written where that was another unit."""
    rows = []
    columns = [name for name in one.observed.columns if name in one.given or FIELDS[str(name)].may_be_missing
               or name in ("age_years", "is_female", "weight_kg", "ecog")]
    shown = [name for name in columns if name not in ("site", "regimen")]
    by_label = {row["label"]: row for row in describe_patient(one.observed[shown].infer_objects(), row=0)}
    for name in shown:
        label = FIELDS[str(name)].label
        if label not in by_label:
            continue
        written = one.given.get(str(name))
        value = _shown(str(name), one.observed[name].iloc[0])
        rows.append({**by_label[label], "value": value, "column": str(name), "is_missing": written is None,
                     "written": typeset(written.written) if written is not None and written.is_converted else ""})
    return rows


def _shown(name: str, value: Any) -> str:
    """A value in print; flags are kept as 0 and 1 in the row, so that one may be missing."""
    if FIELDS[name].kind == "bool" and not pd.isna(value):
        return "yes" if value else "no"
    return value_in_words(value)


def _assumptions(one: Bedside) -> dict[str, Any] | None:
    """The other uncertainty: the spread over the ensemble of assumptions, from simulating patients like this one."""
    if one.simulated is None:
        return None
    found = {}
    for grade, key in ((2, "grade2plus"), (3, "grade3plus")):
        value, error, low, high = one.simulated.usual[grade]
        found[key] = {
            "value": value, "mc_error": error, "low": low, "high": high,
            "sentence": f"Simulated anew under {one.simulated.n_members} sets of assumptions that published trials cannot "
            f"tell apart: {about_of_100(value)} of 100 on average, and {range_of_100(low, high)} in nine of ten sets "
            f"(Monte Carlo error of the average {100 * error:.1f}).",
            "short": f"Spread over assumptions {range_of_100(low, high)} (simulated; nine of ten sets).",
        }
    return found


def _reference(one: Bedside) -> dict[str, Any] | None:
    if one.reference is None:
        return None
    found = one.reference
    name = f"the median patient under {short_label(one.product_label)}"
    differs = []
    for row in _known(one):
        usual = found.typical.get(row["column"])
        if row["is_missing"] or not isinstance(usual, int | float) or isinstance(usual, bool):
            continue
        unit = unit_in_words(FIELDS[row["column"]].unit)
        differs.append({"label": row["label"], "value": value_in_words(usual) + (f" {unit}" if unit else "")})
    return {
        "name": name, "n_patients": found.n_patients,
        "risks": {grade: risk_content(risk, event=EVENTS[grade], window_d=one.window_d, n_refits=one.n_refits,
                                      whom="patients like the reference patient") for grade, risk in found.risks.items()},
        "sentence": f"Reference patient, {name} (the middle value of each column among {found.n_patients} simulated "
        f"training patients): {about_of_100(found.risks['grade2plus'].value)} of 100 for grade 2 or more.",
        "typical": differs,
    }


def _few(reasons: Mapping[str, Any]) -> str:
    n = len(reasons["up"])
    return "" if n >= 3 else f"Only {n} of the variables raise{'s' if n == 1 else ''} the risk by 1 of 100 or more."


def themes(found: Sequence[Reason], *, reasons: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Points by group of variables, which add up to risk minus start, and in each group the reasons that are shown."""
    shown = [*reasons["up"], *reasons["down"]]
    names = [*THEMES, *sorted({one.theme for one in found} - set(THEMES))]
    made = []
    for name in names:
        inside = [one for one in found if one.theme == name]
        if not inside:
            continue
        rows = [{key: row[key] for key in ("label", "value", "of_100")} for row in shown if row["theme"] == name]
        made.append({"theme": name, "of_100": sum(one.whole_points for one in inside), "rows": rows})
    return made


def _changes(one: Bedside) -> dict[str, Any]:
    if one.simulated is None:
        return {"rows": [], "notice": SIMULATED, "none": "Nothing was simulated for this page."}
    none = "The simulator knows no lever for this kind of product." if not one.simulated.changes else ""
    return {"rows": [_change(change) for change in one.simulated.changes], "notice": SIMULATED, "none": none,
            "n_people": one.simulated.n_members * one.simulated.n_people}


def _change(one: Change) -> dict[str, Any]:
    def of(numbers: tuple[float, float, float, float]) -> dict[str, float]:
        return dict(zip(("value", "mc_error", "low", "high"), numbers, strict=True))

    usual, with_it = of(one.usual[2]), of(one.with_it[2])
    difference = of(one.difference[2])
    return {
        "kind": one.kind, "label": typeset(one.label), "usual": usual, "with_it": with_it, "difference": difference,
        "grade3plus": {"usual": of(one.usual[3]), "with_it": of(one.with_it[3]), "difference": of(one.difference[3])},
        "of_100": f"{of_100(usual['value'])} → {of_100(with_it['value'])}",
        "points": f"{_signed(difference['value'])} ± {100 * difference['mc_error']:.1f}",
        "range": f"{_signed(difference['low'])} to {_signed(difference['high'])}",
        "severe": f"{of_100(one.usual[3][0])} → {of_100(one.with_it[3][0])}",
    }


def _signed(value: float) -> str:
    whole = round(100 * value)
    return f"+{whole}" if whole > 0 else f"−{-whole}" if whole < 0 else "0"


def _waits(one: Bedside) -> str:
    if one.simulated is None:
        return ""
    if one.simulated.waits_h is None:
        return "No CRS at all occurred among the simulated patients like this one."
    half, most, nearly = (hours_in_words(hours) for hours in one.simulated.waits_h)
    return (f"Simulated patients like this one: half of the first onsets came within {half} of the latest dose, 90% "
            f"within {most}, 95% within {nearly}.")


def _guidance(one: Bedside) -> dict[str, Any]:
    order = list(dict.fromkeys(statement.source for statement in one.guidance))
    return {
        "about": one.guidance_about,
        "statements": [
            {"id": row.id, "topic": row.topic, "grades": list(row.grades), "text": typeset(row.short),
             "setting": row.setting, "source": order.index(row.source) + 1, "place": row.place} for row in one.guidance],
        "sources": [{"number": number + 1, "citation": one.sources[name]} for number, name in enumerate(order)],
    }


def _use(one: Bedside) -> list[dict[str, Any]]:
    contract = one.model.contract
    evidence = (
        f"{one.model.label}, fitted to {contract.n_patients:,} simulated patients with {contract.n_events:,} events; "
        "external validation: none.",
        "No baseline predictor of CRS under T-cell engagers in solid tumours is validated prospectively (Monaca 2026).",
    )
    parts = {**USE, "Evidence": evidence}
    return [{"title": title, "lines": list(parts[title])} for title in ("When to use", "Pitfalls", "Evidence", "Next steps")]
