"""Bedside: the pages about single patients. Absolute risk first, reasons in sentences, then what
dose 1 taught.

Nothing here is advice; every risk carries its event, its window, what its interval covers, and the
notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.explanation import EXPLANATION_NOTICE, Reason
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.wording import (
    NOTICE,
    about_of_100,
    check_risk,
    hours_in_words,
    number,
    of_100,
    plain_name,
    range_of_100,
    risk_in_words,
    short_label,
    significant,
    typeset,
    unit_in_words,
    window_in_words,
)

Spec = Mapping[str, Any]

EVENTS = {"grade2plus": "CRS of grade 2 or more", "grade3plus": "CRS of grade 3 or more"}
N_UP = 5  # reasons shown that raise the risk
N_DOWN = 4  # and that lower it: counter-evidence always stands beside
_LEFT_OUT = ("patient_id", "product", "site", "platform", "regimen", "antigen_restriction")


def describe_patient(observed: pd.DataFrame, *, row: int) -> list[dict[str, Any]]:
    """What is known of one patient: label, value in print, unit, usual range. ``row`` counts from
    0.

    Missing values are said ("not measured"), flags that are not set are left out, as in a letter;
    so is the product, which stands in the title.
    """
    patient, made = observed.iloc[row], []
    for name in observed.columns:
        field, value = FIELDS[str(name)], patient[name]
        if name in _LEFT_OUT or (field.kind == "bool" and not pd.isna(value) and not bool(value)):
            continue
        has_unit = field.kind == "float" and not pd.isna(value)
        low_high = "" if field.usual is None else f"{field.usual[0]:g} to {field.usual[1]:g}"
        made.append(
            {
                "label": field.label,
                "value": value_in_words(value),
                "unit": unit_in_words(field.unit) if has_unit else "",
                "usual": low_high,
                "is_outside": is_outside(value, field.usual),
            }
        )
    return made


def label_of(column: str) -> str:
    """What a column is called in print, also one that is made of several readings.

    >>> label_of("crp_mg_l__max__h24"), label_of("temperature_c__slope__h24")
    ('C-reactive protein, highest by 24 h', 'Peak temperature, change by 24 h')
    """
    if column in FIELDS:
        return FIELDS[column].label
    parts, _, hour = column.rpartition("__h")
    stem, _, summary = parts.partition("__")
    if summary == "onset":
        return f"First sign of CRS by {hour} h"
    likes = (f"{stem}{middle}__h{hour}" for middle in ("", "__max", "__min"))
    label = next(FIELDS[name].label for name in likes if name in FIELDS).removesuffix(
        f" at {hour} h"
    )
    return f"{label}, {'highest' if summary == 'max' else 'change'} by {hour} h"


def value_in_words(value: object) -> str:
    """One cell of the observed table in print."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return "not measured"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain_name(value)
    if isinstance(value, int | np.integer):
        return number(float(value), digits=0)
    return significant(float(value))  # type: ignore[arg-type]


def is_outside(value: object, usual: tuple[float, float] | None) -> bool:
    """Whether a number lies outside the usual range; a missing one does not."""
    if (
        usual is None
        or not isinstance(value, int | float | np.integer | np.floating)
        or np.isnan(float(value))
    ):
        return False
    return not usual[0] <= float(value) <= usual[1]


def example_patient(spec: Spec, *, at: int, product_labels: Mapping[str, str]) -> dict[str, Any]:
    """One example patient as the page shows him. What ``spec`` holds:
    :func:`crsrisk.report.content.build_content`.
    """
    window_d, product = float(spec["window_d"]), str(spec["product"])
    label = typeset(product_labels.get(product, product))
    risks = {
        name: risk_with_interval(
            {"estimate": spec[f"risk_{name}"], "covers": spec["interval_covers"]},
            event=event,
            window_d=window_d,
            key=f"examples[{at}].risk_{name}",
        )
        for name, event in EVENTS.items()
    }
    is_nested = risks["grade3plus"]["risk"] <= risks["grade2plus"]["risk"]
    return {
        "key": f"patient-{at + 1}",
        "name": str(spec["name"]),
        "about": typeset(str(spec.get("about", ""))),
        "product": label,
        "window_d": window_d,
        "notice": NOTICE,
        "description": [dict(one) for one in spec["description"]],
        "risks": risks,
        "interval_covers": str(spec["interval_covers"]),
        "warnings": (
            []
            if is_nested
            else [
                "Two models speak here, and for this patient they contradict each other: grade 3 or"
                " more cannot be more likely than grade 2 or more. Both numbers are unsure; the"
                " icons show grade 2 or more alone."
            ]
        ),
        "icons": {
            "n_grade2plus": risks["grade2plus"]["of_100"],
            "n_grade3plus": risks["grade3plus"]["of_100"] if is_nested else None,
        },
        "reasons": shown_reasons(
            spec, risk=risks["grade2plus"]["risk"], key=f"examples[{at}]", labels=product_labels
        ),
        "resimulated": _resimulated(spec.get("resimulated"), window_d=window_d),
        "before_dose_2": _before_dose_2(
            spec["before_dose_2"],
            before=risks["grade2plus"],
            window_d=window_d,
            covers=spec["interval_covers"],
            key=f"examples[{at}].before_dose_2",
        ),
    }


def risk_with_interval(
    spec: Spec, *, event: str, window_d: float, key: str, whom: str = "patients like this one"
) -> dict[str, Any]:
    """A risk with its interval, its sentence and what the interval covers."""
    estimate = spec["estimate"]
    risk, low, high = (
        check_risk(float(estimate[part]), key=key) for part in ("value", "low", "high")
    )
    if low > high:
        raise InputError(
            where="report",
            key=key,
            found=f"an interval from {low:g} to {high:g}",
            expected="low below high",
            cure="pass the lower end as low",
        )
    span = f"Plausible range {range_of_100(low, high)}"
    beside = "" if low <= risk <= high else " The estimate itself lies outside this range."
    return {
        "event": event,
        "risk": risk,
        "low": low,
        "high": high,
        "of_100": of_100(risk),
        "count": about_of_100(risk).removeprefix("about "),
        "window_d": window_d,
        "window": window_in_words(window_d),
        "sentence": risk_in_words(risk, event=event, window_d=window_d, whom=whom),
        "interval": f"{span}: {spec['covers']}.{beside}",
        "interval_short": f"{span}; what the range covers is said above.{beside}",
        "notice": NOTICE,
    }


def shown_reasons(
    spec: Spec, *, risk: float, key: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The largest reasons up and down, what all others add, and the start from which they count."""
    base = of_100(check_risk(float(spec["base_risk"]), key=f"{key}.base_risk"))
    found: Sequence[Reason] = sorted(spec["reasons"], key=lambda one: -abs(one.points))
    up = [one for one in found if one.whole_points > 0][:N_UP]
    down = [one for one in found if one.whole_points < 0][:N_DOWN]
    rest = of_100(risk) - base - sum(one.whole_points for one in (*up, *down))
    levers = [one.label for one in found if one.role == "lever" and one in (*up, *down)]
    return {
        "base_of_100": base,
        "start": f"The reasons start from the model’s average patient: {base} of 100.",
        "up": [_reason(one, labels=labels) for one in up],
        "down": [_reason(one, labels=labels) for one in down],
        "rest_of_100": rest,
        "rest": (
            f"All other variables together: {number(rest, digits=0) if rest <= 0 else f'+{rest}'}"
            f" of 100. Sum: {of_100(risk)} of 100."
        ),
        "levers": levers,
        "notice": EXPLANATION_NOTICE,
    }


def _reason(reason: Reason, *, labels: Mapping[str, str]) -> dict[str, Any]:
    sentence, value = reason.sentence, reason.value
    if reason.variable == "product":
        for name, label in labels.items():
            if name.replace("_", " ") == value:
                sentence, value = sentence.replace(value, short_label(label)), short_label(label)
    return {
        "variable": reason.variable,
        "label": reason.label,
        "value": typeset(value),
        "theme": reason.theme,
        "of_100": reason.whole_points,
        "points": float(reason.points),
        "kind": reason.kind,
        "role": reason.role,
        "sentence": typeset(sentence),
    }


def _resimulated(again: Spec | None, *, window_d: float) -> str:
    """The truth beside the estimate, which only a simulated patient has."""
    if again is None:
        return ""
    n, n_events = int(again["n"]), int(again["n_grade2plus"])
    if not 0 <= n_events <= n or n < 1:
        raise InputError(
            where="report",
            key="resimulated",
            found=f"{n_events} of {n}",
            expected="events among runs",
            cure="pass the number of repetitions as n and those with the event as n_grade2plus",
        )
    return (
        f"This patient is simulated, so the simulator can be asked: of {number(n, digits=0)}"
        f" simulated patients with the same values in this table, {about_of_100(n_events / n)} of"
        f" 100 had {EVENTS['grade2plus']} {window_in_words(window_d)}."
    )


def _before_dose_2(
    spec: Spec, *, before: Mapping[str, Any], window_d: float, covers: str, key: str
) -> dict[str, Any]:
    """How the estimate changes before dose 2, or why there is none."""
    if "not_given" in spec:
        return {"not_given": str(spec["not_given"])}
    risk = risk_with_interval(
        {"estimate": spec["risk_grade2plus"], "covers": spec["interval_covers"]},
        event=f"{EVENTS['grade2plus']} at dose 2 or later",
        window_d=window_d,
        key=key,
        whom="patients like this one whose days after dose 1 went as they did here",
    )
    hours = float(spec["dose_2_h"])
    return {
        "title": f"Before dose 2, {hours_in_words(hours)} after dose 1",
        "dose_2_h": hours,
        "known": [typeset(str(line)) for line in spec["known"]],
        "risk": risk,
        "is_same_cover": spec["interval_covers"] == covers,
        "change": (
            f"Before the first dose the estimate was {before['count']} of 100, for grade 2 or more"
            " at any dose. The new one counts only what comes from dose 2 on, in patients without"
            " grade 2 or more so far."
        ),
    }
