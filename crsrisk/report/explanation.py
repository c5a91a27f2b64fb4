"""Explain content: the page about one patient as a dictionary that JSON can hold; the page only
sets it in type.

Order: warnings, the two risks with what their ranges cover, a reference patient, reasons, what
would change it, what published reviews say, how to use the page. Every risk carries event, window
and the notice; nothing is advice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from crsrisk.data.explanation import (
    Change,
    Later,
    MissingRange,
    Reason,
    ReferencePatient,
    RiskEstimate,
    SimulatedPart,
)
from crsrisk.data.literature import Statement
from crsrisk.data.patient import GivenValue
from crsrisk.data.product import Product
from crsrisk.data.risk_model import Column
from crsrisk.fields import FIELDS
from crsrisk.model.landmark import gaps_of
from crsrisk.model.refits import covers, update_of, why_no_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.bedside import (
    EVENTS,
    describe_patient,
    is_outside,
    label_of,
    shown_reasons,
    value_in_words,
)
from crsrisk.results import to_plain
from crsrisk.units import amount
from crsrisk.wording import (
    NOTICE,
    about_of_100,
    check_risk,
    hours_in_words,
    listed,
    number,
    of_100,
    range_of_100,
    short_label,
    significant,
    typeset,
    unit_in_words,
    window_in_words,
)

# Warnings: what stands above the result, since it decides how far the result can be read at all.


MOST_MISSING = 3  # missing values that get a sentence of their own, the widest first
# of risk: scenarios further apart than this are told, and a model further from the simulator
MATTERS = 0.05
PLAN = (
    "is_stepped_up",
    "has_steroid_premedication",
    "has_tocilizumab_prophylaxis",
    "has_lymphodepletion",
)
PAIRS = {
    "burden": ("burden_null", "burden_strong"),
    "inflammation": ("inflammation_null", "inflammation_strong"),
}
_WORDS = {
    "burden": "If tumour burden does not matter at all",
    "inflammation": "If inflammation before the dose does not matter",
}

Warning = dict[str, str]


def warnings_about(
    *,
    model: RiskModel,
    observed: pd.DataFrame,
    product_label: str,
    given: Mapping[str, GivenValue],
    seen: Mapping[str, Sequence[bool | str]],
    missing: Sequence[MissingRange],
    risks: Mapping[str, RiskEstimate],
    n_refits: int,
    simulated: SimulatedPart | None,
    prophylaxis: Sequence[str],
    course_hours: Sequence[int] = (),
) -> list[Warning]:
    """The warnings, each with a ``kind`` and a ``text``, the gravest first."""
    row = observed.iloc[0]
    found = [
        *_unread(model, course_hours),
        *_product(model, row, product_label),
        *_plan(model, row, seen, product_label, prophylaxis),
        *_outside(model, row, given),
        *_missing(model, row, missing),
        *_scenarios(simulated),
        *_disagreement(model, risks, simulated),
        *_simulator(simulated, row),
        *_models(model, risks, n_refits),
    ]
    return [{"kind": kind, "text": typeset(text)} for kind, text in found]


def _unread(model: RiskModel, course_hours: Sequence[int]) -> list[tuple[str, str]]:
    """Readings after the first dose that the model does not know."""
    hour = model.contract.landmark_h
    later = [at for at in course_hours if at > hour]
    if not later:
        return []
    if not hour:
        return [
            (
                "course not read",
                (
                    "The readings after the first dose are not used: this model speaks of what is"
                    " known before it. Once the dose is given, a model of some hours later is the"
                    " one to ask."
                ),
            )
        ]
    times = ", ".join(f"{at} h" for at in later)
    return [
        (
            "course not read",
            f"The readings at {times} are not used: this model speaks at {hour} h after the dose.",
        )
    ]


def _product(model: RiskModel, row: pd.Series[Any], label: str) -> list[tuple[str, str]]:
    if str(row["product"]) in model.contract.products:
        return []
    return [
        (
            "unknown product",
            (
                f"{label} is unlike any product that the model was trained on: its own effect is"
                " unknown, the number rests on platform, antigen and patient alone. What is"
                " simulated below knows the product."
            ),
        )
    ]


def _plan(
    model: RiskModel,
    row: pd.Series[Any],
    seen: Mapping[str, Sequence[bool | str]],
    label: str,
    prophylaxis: Sequence[str],
) -> list[tuple[str, str]]:
    """A plan that no training patient under this product had."""
    new = [
        FIELDS[name].label.lower()
        for name in PLAN
        if name in seen and bool(row[name]) not in seen[name]
    ]
    unread = [
        text.split(" (")[0] for text in prophylaxis if not text.lower().startswith("tocilizumab")
    ]
    found = []
    if new:
        compare = (
            ""
            if model.contract.landmark_h
            else "; compare what is simulated under “What would change it”"
        )
        found.append(
            (
                "untrained plan",
                (
                    f"No training patient under {label} had this plan ({', '.join(new)} as here):"
                    f" the model cannot know its effect{compare}."
                ),
            )
        )
    if unread:
        found.append(
            (
                "untrained plan",
                f"The model does not read {', '.join(unread)}; only what is simulated does.",
            )
        )
    return found


def _outside(
    model: RiskModel, row: pd.Series[Any], given: Mapping[str, GivenValue]
) -> list[tuple[str, str]]:
    found = []
    for column in model.contract.columns:
        value = row[column.name]
        if (
            column.trained is None
            or pd.isna(value)
            or column.trained[0] <= float(value) <= column.trained[1]
        ):
            continue
        low, high = (significant(end) for end in column.trained)
        unit = unit_in_words(column.unit)
        checked = (
            " (checked, says the file)"
            if column.name in given and given[column.name].is_confirmed
            else ""
        )
        here, ends = (
            amount(column.name, text, unit=unit)
            for text in (significant(float(value)), f"{low} to {high}")
        )
        found.append(
            (
                "outside training",
                (
                    f"{label_of(column.name)} {here}{checked} is outside what training patients had"
                    f" ({ends}): the model goes on as at the edge."
                ),
            )
        )
    return found


def _missing(
    model: RiskModel, row: pd.Series[Any], missing: Sequence[MissingRange]
) -> list[tuple[str, str]]:
    columns = {column.name: column for column in model.contract.columns if column.kind != "word"}
    empty = [columns[first] for first, *_ in gaps_of(row.to_dict(), columns=columns)]
    if not empty:
        return []
    told = {one.column for one in missing[:MOST_MISSING]}
    found = [
        ("missing", _missing_sentence(one, _of(empty, one.column)))
        for one in missing[:MOST_MISSING]
    ]
    if others := [label_of(column.name) for column in empty if column.name not in told]:
        small = ", each of which matters less" if told else ""
        found.append(
            (
                "missing",
                (
                    f"Also not measured{small}: {', '.join(others)}."
                    if told
                    else (
                        f"Not measured: {', '.join(others)}. The model knows no usual values of"
                        " this product to try."
                    )
                ),
            )
        )
    return found


def _of(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.name == name)


def _missing_sentence(one: MissingRange, column: Column) -> str:
    label, (low, high) = label_of(one.column), (of_100(risk) for risk in one.risks)
    if column.kind == "flag":
        return (
            f"{label} is not known: the estimate would be {low} of 100 without and {high} with it."
        )
    unit = unit_in_words(column.unit)
    ends = [f"{significant(value)} {unit}".strip() for value in one.values]
    return (
        f"{label} is not measured: the estimate would be {low} of 100 if it was low ({ends[0]}),"
        f" {high} if high ({ends[1]})."
    )


def _scenarios(simulated: SimulatedPart | None) -> list[tuple[str, str]]:
    """Where the answer depends on what nobody knows about the mechanism."""
    if simulated is None:
        return []
    found = []
    for name, (null, strong) in PAIRS.items():
        if null not in simulated.scenarios or strong not in simulated.scenarios:
            continue
        (low, low_error), (high, high_error) = (
            simulated.scenarios[null],
            simulated.scenarios[strong],
        )
        error = (low_error**2 + high_error**2) ** 0.5
        if abs(high - low) > max(MATTERS, 3 * error):
            found.append(
                (
                    "depends on scenario",
                    (
                        f"{_WORDS[name]}, {of_100(low)} of 100; if it matters strongly,"
                        f" {of_100(high)} (simulated, Monte Carlo error {100 * error:.1f}). Which"
                        " holds is not known."
                    ),
                )
            )
    return found


def _disagreement(
    model: RiskModel, risks: Mapping[str, RiskEstimate], simulated: SimulatedPart | None
) -> list[tuple[str, str]]:
    if simulated is None:
        return []
    value, error, low, high = simulated.usual[2]
    says = risks["grade2plus"].value
    if abs(says - value) <= max(2 * MATTERS, 3 * error):
        return []
    if model.contract.landmark_h:
        return [
            (
                "model and simulator differ",
                (
                    f"The model, which reads the course, says {of_100(says)} of 100; simulated anew"
                    " over the assumptions, and told of the course the worst grade alone, it is"
                    f" {of_100(value)} of 100 ({of_100(low)} to {of_100(high)}): take both as"
                    " unsure."
                ),
            )
        ]
    return [
        (
            "model and simulator differ",
            (
                f"The model says {of_100(says)} of 100, patients like this one simulated anew over"
                f" the assumptions {of_100(value)} ({of_100(low)} to {of_100(high)}): take both as"
                " unsure."
            ),
        )
    ]


def _simulator(simulated: SimulatedPart | None, row: pd.Series[Any]) -> list[tuple[str, str]]:
    if simulated is None or not simulated.held:
        return []
    labels = ", ".join(FIELDS[name].label for name in simulated.held)
    return [
        (
            "outside simulated range",
            (
                f"No simulated patient of this tumour type has such a value: {labels}. What is "
                "simulated holds it at the edge."
            ),
        )
    ]


def _models(
    model: RiskModel, risks: Mapping[str, RiskEstimate], n_refits: int
) -> list[tuple[str, str]]:
    found = []
    severe = risks.get("grade3plus")
    if severe is None:
        found.append(
            ("no model", "No model for grade 3 or more at the same hour stands beside this one.")
        )
    elif severe.is_held:
        found.append(
            (
                "models differ",
                (
                    "The model for grade 3 or more said more than the one for grade 2 or more,"
                    " which cannot be: it is held at that value. Both numbers are unsure."
                ),
            )
        )
    if not n_refits:
        found.append(("no range", f"{why_no_refits(model)} Its numbers stand without a range."))
    return found


FORMAT = "crsrisk explanation 1"
THEMES = ("drug and dose", "prevention", "tumour burden", "inflammation", "host", "course")
RULE = (
    "Points are exact Shapley values of the calibrated model on the log-odds scale, one for each"
    " clinical variable, all multiplied with (risk − start) ÷ (log-odds − log-odds of the start),"
    " so that they add up from start to risk; as whole numbers they are rounded so that they"
    " still do."
)
SIMULATED = (
    "Simulated, not predicted: people like this one, drawn anew from what the table says, get the"
    " product with and without the change. No feature of the model was edited. What a change does"
    " to the tumour is not simulated."
)
_WEIGHT = (
    "A reason is the model’s weight, not proof of cause; changing a value need not change the risk."
)
_ANSWER = (
    "Answer the warnings first: missing, unusual and unsure values.",
    "Read the label and the local protocol; the references are where to start.",
)
SIMULATED_LATER = (
    "Simulated, not predicted: people like this one before the dose, of whom only those still at"
    " risk with the same worst grade count; of the other readings since the dose nothing is used."
    " With and without the change they are the same people. What a change does to the tumour is not"
    " simulated."
)
_AT_HOUR = re.compile(r" (?:at|by) \d+ h\b")
USE: Mapping[str, tuple[str, ...]] = {
    "When to use": (
        (
            "Before the first dose, adults with a solid tumour, to see and question how a model"
            " reasons: research, teaching."
        ),
        (
            "Not to choose a dose, a drug, a bed or a discharge; not after the first dose; not in"
            " children."
        ),
    ),
    "Pitfalls": (
        _WEIGHT,
        "A low number is not no risk, and infection may look like CRS.",
        "Two models speak; a value outside what they have seen is read as at the edge.",
    ),
    "Next steps": (*_ANSWER, "After the first dose the course says more than any value before it."),
}
USE_LATER: Mapping[str, tuple[str, ...]] = {  # {time}: of the landmark
    "When to use": (
        (
            "{time} after the first dose, adults with a solid tumour and no CRS of grade 2 or more"
            " so far, to see and question how a model reasons: research, teaching."
        ),
        "Not to choose a drug, a bed or a discharge; not at another hour; not in children.",
    ),
    "Pitfalls": (
        _WEIGHT,
        (
            "What was read since the dose is part of the reaction and of what was done against it:"
            " paracetamol hides fever, tocilizumab lets IL-6 rise and CRP fall."
        ),
        "A low number is not no risk, and infection may look like CRS.",
    ),
    "Next steps": (
        *_ANSWER,
        "The model knows nothing later than {time} after the first dose: go on watching.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Bedside:
    """All numbers of one patient's page. ``observed`` is one row; ``seen`` the words and flags of
    the product's training patients; ``risks`` and the reference's hold `grade2plus` and, where that
    model is there, `grade3plus`.
    """

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
    later: Later | None = None
    course: Mapping[int, Mapping[str, GivenValue]] = field(default_factory=dict)

    @property
    def landmark_h(self) -> int:
        """Hours after the first dose at which the model speaks; 0 = before it."""
        return self.model.contract.landmark_h

    @property
    def window(self) -> str:
        """The window of the outcome in words."""
        return window_in_words(self.window_d, landmark_h=self.landmark_h)

    @property
    def whom(self) -> str:
        """Of whom a risk speaks: at a landmark only of those still at risk."""
        if not self.landmark_h:
            return "patients like this one"
        return (
            f"patients like this one at {hours_in_words(self.landmark_h)}, without grade 2 or more"
            " so far"
        )


def explain_content(one: Bedside) -> dict[str, Any]:
    """The page of one patient. The same numbers give the same dictionary; there is no date and no
    path in it.
    """
    labels = {one.product.name: one.product_label}
    two = one.risks["grade2plus"]
    reasons = to_plain(
        shown_reasons(
            one.reasons, base_risk=one.base_risk, risk=two.value, key="patient", labels=labels
        )
    )
    return {
        "format": FORMAT,
        "notice": NOTICE,
        "model": one.model.label,
        "label": one.label,
        "title": f"{one.label}: risk of cytokine release syndrome",
        "window": one.window,
        "window_d": one.window_d,
        "landmark_h": one.landmark_h,
        "therapy": _therapy(one),
        "known": [*_known(one), *_known_course(one)],
        "warnings": warnings_about(
            model=one.model,
            observed=one.observed,
            product_label=short_label(one.product_label),
            given=one.given,
            seen=one.seen,
            missing=one.missing,
            risks=one.risks,
            n_refits=one.n_refits,
            simulated=one.simulated,
            prophylaxis=one.prophylaxis,
            course_hours=list(one.course),
        ),
        "risks": {
            grade: risk_content(
                one.risks[grade],
                event=EVENTS[grade],
                window=one.window,
                covered=_covered(one),
                whom=one.whom,
            )
            for grade in EVENTS
            if grade in one.risks
        },
        "assumptions": _assumptions(one),
        "reference": _reference(one),
        "reasons": {**reasons, "rule": RULE, "few": _few(reasons)},
        "themes": themes(one.reasons, reasons=reasons),
        "changes": _changes(one),
        "waits": _waits(one),
        "guidance": _guidance(one),
        "use": _use(one),
    }


def risk_content(
    one: RiskEstimate,
    *,
    event: str,
    window: str,
    covered: str,
    whom: str = "patients like this one",
) -> dict[str, Any]:
    """One risk in one sentence, with the interval and what it covers (or, without an interval, why
    there is none).
    """
    risk = check_risk(one.value, key=event)
    whole = of_100(risk)
    sentence = f"Of 100 {whom}, {about_of_100(risk)} ({whole}%) would develop {event} {window}."
    if one.low is None or one.high is None:
        told = f"{covered} So no range can be given; the number alone looks surer than it is."
    else:
        told = f"Plausible range {range_of_100(one.low, one.high)}: {covered}."
    return {
        "event": event,
        "risk": risk,
        "low": one.low,
        "high": one.high,
        "of_100": whole,
        "count": about_of_100(risk).removeprefix("about "),
        "percent": f"{whole}%",
        "sentence": sentence,
        "interval": told,
        "is_held": one.is_held,
        "notice": NOTICE,
    }


def _covered(one: Bedside) -> str:
    return (
        covers(one.n_refits, update=update_of(one.model))
        if one.n_refits
        else why_no_refits(one.model)
    )


def _therapy(one: Bedside) -> dict[str, Any]:
    given = [short_label(label) for label in one.prophylaxis]
    return {
        "product": typeset(one.product_label),
        "product_short": short_label(one.product_label),
        "regimen": one.regimen,
        "regimen_note": typeset(one.regimen_note),
        "prophylaxis": given,
        "tumour": typeset(one.population_label),
    }


def _known(one: Bedside) -> list[dict[str, Any]]:
    """The patient's values: in standard units, and as written where that was another unit."""
    rows = []
    baseline = [str(name) for name in one.observed.columns if "__" not in str(name)]
    columns = [
        name
        for name in baseline
        if name in one.given
        or FIELDS[str(name)].may_be_missing
        or name in ("age_years", "is_female", "weight_kg", "ecog")
    ]
    shown = [name for name in columns if name not in ("site", "regimen")]
    by_label = {
        row.label: to_plain(row)
        for row in describe_patient(one.observed[shown].infer_objects(), row=0)
    }
    for name in shown:
        label = FIELDS[str(name)].label
        if label not in by_label:
            continue
        written = one.given.get(str(name))
        value = _shown(str(name), one.observed[name].iloc[0])
        rows.append(
            {
                **by_label[label],
                "value": value,
                "column": str(name),
                "is_missing": written is None,
                "written": (
                    typeset(written.written) if written is not None and written.is_converted else ""
                ),
            }
        )
    return rows


def _known_course(one: Bedside) -> list[dict[str, Any]]:
    """What was read after the first dose, by hour; nothing of the readings that the model does not
    know.
    """
    rows = []
    for hour, readings in one.course.items():
        for stem, given in readings.items():
            column = FIELDS[f"{stem}__h{hour}"]
            usual = FIELDS[stem].usual if stem in FIELDS else None
            if hour <= one.landmark_h:
                rows.append(
                    {
                        "label": column.label,
                        "value": value_in_words(given.value),
                        "unit": unit_in_words(column.unit),
                        "usual": "" if usual is None else f"{usual[0]:g} to {usual[1]:g}",
                        "is_outside": is_outside(given.value, usual),
                        "column": column.name,
                        "is_missing": False,
                        "written": typeset(given.written) if given.is_converted else "",
                    }
                )
    return rows


def _shown(name: str, value: Any) -> str:
    """A value in print; flags are kept as 0 and 1 in the row, so that one may be missing."""
    if FIELDS[name].kind == "bool" and not pd.isna(value):
        return "yes" if value else "no"
    return value_in_words(value)


def _assumptions(one: Bedside) -> dict[str, Any] | None:
    """The other uncertainty: the spread over the ensemble of assumptions, from simulating patients
    like this one.
    """
    if one.simulated is None:
        return None
    found = {}
    for grade, key in ((2, "grade2plus"), (3, "grade3plus")):
        value, error, low, high = one.simulated.usual[grade]
        found[key] = {
            "value": value,
            "mc_error": error,
            "low": low,
            "high": high,
            "sentence": (
                f"Simulated anew under {one.simulated.n_members} sets of assumptions that published"
                f" trials cannot tell apart{_from_where(one)}: {about_of_100(value)} of 100 on"
                f" average, and {range_of_100(low, high)} in nine of ten sets (Monte Carlo error of"
                f" the average {100 * error:.1f})."
            ),
            "short": (
                f"Spread over assumptions {range_of_100(low, high)} (simulated; nine of ten sets)."
            ),
        }
    return found


def _from_where(one: Bedside) -> str:
    """Of whom the simulated share is, some hours after the first dose."""
    if one.later is None:
        return ""
    return (
        f" (people like this one before the dose, {number(one.later.n_kept, digits=0)} of whom"
        f" stood at grade {one.later.worst_grade} at {hours_in_words(one.later.hour)}; no other"
        " reading is used)"
    )


def _reference(one: Bedside) -> dict[str, Any] | None:
    if one.reference is None:
        return None
    found = one.reference
    name = f"the median patient under {short_label(one.product_label)}"
    if one.landmark_h:
        name += f" still at risk at {hours_in_words(one.landmark_h)}"
    differs = []
    for row in _known(one):
        usual = found.typical.get(row["column"])
        if row["is_missing"] or not isinstance(usual, int | float) or isinstance(usual, bool):
            continue
        unit = unit_in_words(FIELDS[row["column"]].unit)
        differs.append(
            {"label": row["label"], "value": value_in_words(usual) + (f" {unit}" if unit else "")}
        )
    return {
        "name": name,
        "n_patients": found.n_patients,
        "risks": {
            grade: risk_content(
                risk,
                event=EVENTS[grade],
                covered=_covered(one),
                window=one.window,
                whom="patients like the reference patient",
            )
            for grade, risk in found.risks.items()
        },
        "sentence": (
            f"Reference patient, {name} (the middle value of each column among {found.n_patients:,}"
            f" simulated training patients): {about_of_100(found.risks['grade2plus'].value)} of 100"
            " for grade 2 or more."
        ),
        "typical": differs,
    }


def _few(reasons: Mapping[str, Any]) -> str:
    n = len(reasons["up"])
    return (
        ""
        if n >= 3
        else f"Only {n} of the variables raise{'s' if n == 1 else ''} the risk by 1 of 100 or more."
    )


def themes(found: Sequence[Reason], *, reasons: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Points by group of variables, which add up to risk minus start, and in each group the reasons
    that are shown.

    Of a course the level alone: the landmark's hour is that of the page, and how it moved stands in
    the sentence.
    """
    shown = [*reasons["up"], *reasons["down"]]
    names = [*THEMES, *sorted({one.theme for one in found} - set(THEMES))]
    made = []
    for name in names:
        inside = [one for one in found if one.theme == name]
        if not inside:
            continue
        rows = [
            {
                "label": row["label"].removesuffix(" since the first dose"),
                "of_100": row["of_100"],
                "value": _AT_HOUR.split(row["value"])[0] if name == "course" else row["value"],
            }
            for row in shown
            if row["theme"] == name
        ]
        made.append(
            {"theme": name, "of_100": sum(one.whole_points for one in inside), "rows": rows}
        )
    return made


def _changes(one: Bedside) -> dict[str, Any]:
    notice = SIMULATED if not one.landmark_h else SIMULATED_LATER
    if one.simulated is None:
        return {"rows": [], "notice": notice, "none": _why_none(one)}
    none = "" if one.simulated.changes else _no_lever(one)
    n_people = (
        one.simulated.n_members * one.simulated.n_people if one.later is None else one.later.n_kept
    )
    return {
        "rows": [_change(change) for change in one.simulated.changes],
        "notice": notice,
        "none": f"{none} {_past(one)}".strip(),
        "n_people": n_people,
    }


def _why_none(one: Bedside) -> str:
    if one.later is None:
        return "Nothing was simulated for this page."
    return (
        f"Too few of {number(one.later.n_simulated, digits=0)} simulated people like this one stood"
        f" at grade {one.later.worst_grade} at {hours_in_words(one.later.hour)}: nothing is said of"
        f" what would change it. {_past(one)}"
    )


def _no_lever(one: Bedside) -> str:
    if one.later is not None and one.later.past:
        return f"No lever that the simulator knows is left at {hours_in_words(one.later.hour)}."
    return "The simulator knows no lever for this kind of product."


def _past(one: Bedside) -> str:
    """The levers that cannot be pulled any more."""
    if one.later is None or not one.later.past:
        return ""
    return (
        f"In the past at {hours_in_words(one.later.hour)}, so not shown:"
        f" {listed(list(one.later.past))} (see a page of before the first dose)."
    )


def _change(one: Change) -> dict[str, Any]:
    def of(numbers: tuple[float, float, float, float]) -> dict[str, float]:
        return dict(zip(("value", "mc_error", "low", "high"), numbers, strict=True))

    usual, with_it = of(one.usual[2]), of(one.with_it[2])
    difference = of(one.difference[2])
    return {
        "kind": one.kind,
        "label": typeset(one.label),
        "usual": usual,
        "with_it": with_it,
        "difference": difference,
        "grade3plus": {
            "usual": of(one.usual[3]),
            "with_it": of(one.with_it[3]),
            "difference": of(one.difference[3]),
        },
        "of_100": f"{of_100(usual['value'])} → {of_100(with_it['value'])}",
        "points": f"{_signed(difference['value'])} ± {100 * difference['mc_error']:.1f}",
        "range": f"{_signed(difference['low'])} to {_signed(difference['high'])}",
        "severe": f"{of_100(one.usual[3][0])} → {of_100(one.with_it[3][0])}",
    }


def _signed(value: float) -> str:
    whole = round(100 * value)
    return f"+{whole}" if whole > 0 else f"−{-whole}" if whole < 0 else "0"


def _waits(one: Bedside) -> str:
    if one.simulated is None or one.later is not None:
        return ""
    if one.simulated.waits_h is None:
        return "No CRS at all occurred among the simulated patients like this one."
    half, most, nearly = (hours_in_words(hours) for hours in one.simulated.waits_h)
    return (
        f"Simulated patients like this one: half of the first onsets came within {half} of the"
        f" latest dose, 90% within {most}, 95% within {nearly}."
    )


def _guidance(one: Bedside) -> dict[str, Any]:
    order = list(dict.fromkeys(statement.source for statement in one.guidance))
    return {
        "about": one.guidance_about,
        "statements": [
            {
                "id": row.id,
                "topic": row.topic,
                "grades": list(row.grades),
                "text": typeset(row.short),
                "setting": row.setting,
                "source": order.index(row.source) + 1,
                "place": row.place,
            }
            for row in one.guidance
        ],
        "sources": [
            {"number": number + 1, "citation": one.sources[name]}
            for number, name in enumerate(order)
        ],
    }


def _use(one: Bedside) -> list[dict[str, Any]]:
    contract = one.model.contract
    evidence = (
        (
            f"{one.model.label}, fitted to {contract.n_patients:,} simulated patients with"
            f" {contract.n_events:,} events; external validation: none."
        ),
        (
            "No baseline predictor of CRS under T-cell engagers in solid tumours is validated"
            " prospectively (Monaca 2026)."
        ),
    )
    use = USE
    if one.landmark_h:
        time = hours_in_words(one.landmark_h)
        use = {
            title: tuple(line.replace("{time}", time) for line in lines)
            for title, lines in USE_LATER.items()
        }
    parts = {**use, "Evidence": evidence}
    return [
        {"title": title, "lines": list(parts[title])}
        for title in ("When to use", "Pitfalls", "Evidence", "Next steps")
    ]
