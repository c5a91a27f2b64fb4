"""Warnings: what stands above the result, since it decides how far the result can be read at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crsrisk.domain.bedside_estimate import MissingRange, RiskEstimate, SimulatedPart
from crsrisk.domain.patient_file import GivenValue
from crsrisk.domain.risk_model import Column, RiskModel
from crsrisk.features.landmark import gaps_of
from crsrisk.fields import FIELDS
from crsrisk.learn.refits import why_no_refits
from crsrisk.report.bedside import label_of
from crsrisk.report.words import of_100, significant, typeset, unit_in_words
from crsrisk.units import amount

MOST_MISSING = 3  # missing values that get a sentence of their own, the widest first
MATTERS = 0.05  # of risk: scenarios further apart than this are told, and a model further from the simulator
PLAN = ("is_stepped_up", "has_steroid_premedication", "has_tocilizumab_prophylaxis", "has_lymphodepletion")
PAIRS = {"burden": ("burden_null", "burden_strong"), "inflammation": ("inflammation_null", "inflammation_strong")}
_WORDS = {"burden": "If tumour burden does not matter at all",
          "inflammation": "If inflammation before the dose does not matter"}

Warning = dict[str, str]


def warnings_about(
    *, model: RiskModel, observed: pd.DataFrame, product_label: str, given: Mapping[str, GivenValue],
    seen: Mapping[str, Sequence[bool | str]], missing: Sequence[MissingRange], risks: Mapping[str, RiskEstimate],
    n_refits: int, simulated: SimulatedPart | None, prophylaxis: Sequence[str], course_hours: Sequence[int] = (),
) -> list[Warning]:
    """The warnings, each with a ``kind`` and a ``text``, the gravest first."""
    row = observed.iloc[0]
    found = [
        *_unread(model, course_hours), *_product(model, row, product_label),
        *_plan(model, row, seen, product_label, prophylaxis), *_outside(model, row, given),
        *_missing(model, row, missing), *_scenarios(simulated), *_disagreement(model, risks, simulated),
        *_simulator(simulated, row), *_models(model, risks, n_refits)]
    return [{"kind": kind, "text": typeset(text)} for kind, text in found]


def _unread(model: RiskModel, course_hours: Sequence[int]) -> list[tuple[str, str]]:
    """Readings after the first dose that the model does not know."""
    hour = model.contract.landmark_h
    later = [at for at in course_hours if at > hour]
    if not later:
        return []
    if not hour:
        return [("course not read", "The readings after the first dose are not used: this model speaks of what is known "
                 "before it. Once the dose is given, a model of some hours later is the one to ask.")]
    times = ", ".join(f"{at} h" for at in later)
    return [("course not read", f"The readings at {times} are not used: this model speaks at {hour} h after the dose.")]


def _product(model: RiskModel, row: pd.Series[Any], label: str) -> list[tuple[str, str]]:
    if str(row["product"]) in model.contract.products:
        return []
    return [("unknown product", f"{label} is unlike any product that the model was trained on: its own effect is unknown, "
             "the number rests on platform, antigen and patient alone. What is simulated below knows the product.")]


def _plan(
    model: RiskModel, row: pd.Series[Any], seen: Mapping[str, Sequence[bool | str]], label: str, prophylaxis: Sequence[str]
) -> list[tuple[str, str]]:
    """A plan that no training patient under this product had."""
    new = [FIELDS[name].label.lower() for name in PLAN if name in seen and bool(row[name]) not in seen[name]]
    unread = [text.split(" (")[0] for text in prophylaxis if not text.lower().startswith("tocilizumab")]
    found = []
    if new:
        compare = "" if model.contract.landmark_h else "; compare what is simulated under “What would change it”"
        found.append(("untrained plan", f"No training patient under {label} had this plan ({', '.join(new)} as here): the "
                      f"model cannot know its effect{compare}."))
    if unread:
        found.append(("untrained plan", f"The model does not read {', '.join(unread)}; only what is simulated does."))
    return found


def _outside(model: RiskModel, row: pd.Series[Any], given: Mapping[str, GivenValue]) -> list[tuple[str, str]]:
    found = []
    for column in model.contract.columns:
        value = row[column.name]
        if column.trained is None or pd.isna(value) or column.trained[0] <= float(value) <= column.trained[1]:
            continue
        low, high = (significant(end) for end in column.trained)
        unit = unit_in_words(column.unit)
        checked = " (checked, says the file)" if column.name in given and given[column.name].is_confirmed else ""
        here, ends = (amount(column.name, text, unit=unit) for text in (significant(float(value)), f"{low} to {high}"))
        found.append(("outside training", f"{label_of(column.name)} {here}{checked} is outside what training patients had "
                      f"({ends}): the model goes on as at the edge."))
    return found


def _missing(model: RiskModel, row: pd.Series[Any], missing: Sequence[MissingRange]) -> list[tuple[str, str]]:
    columns = {column.name: column for column in model.contract.columns if column.kind != "word"}
    empty = [columns[first] for first, *_ in gaps_of(row.to_dict(), columns=columns)]
    if not empty:
        return []
    told = {one.column for one in missing[:MOST_MISSING]}
    found = [("missing", _missing_sentence(one, _of(empty, one.column))) for one in missing[:MOST_MISSING]]
    if others := [label_of(column.name) for column in empty if column.name not in told]:
        small = ", each of which matters less" if told else ""
        found.append(("missing", f"Also not measured{small}: {', '.join(others)}." if told else
                      f"Not measured: {', '.join(others)}. The model knows no usual values of this product to try."))
    return found


def _of(columns: Sequence[Column], name: str) -> Column:
    return next(column for column in columns if column.name == name)


def _missing_sentence(one: MissingRange, column: Column) -> str:
    label, (low, high) = label_of(one.column), (of_100(risk) for risk in one.risks)
    if column.kind == "flag":
        return f"{label} is not known: the estimate would be {low} of 100 without and {high} with it."
    unit = unit_in_words(column.unit)
    ends = [f"{significant(value)} {unit}".strip() for value in one.values]
    return (f"{label} is not measured: the estimate would be {low} of 100 if it was low ({ends[0]}), {high} if high "
            f"({ends[1]}).")


def _scenarios(simulated: SimulatedPart | None) -> list[tuple[str, str]]:
    """Where the answer depends on what nobody knows about the mechanism."""
    if simulated is None:
        return []
    found = []
    for name, (null, strong) in PAIRS.items():
        if null not in simulated.scenarios or strong not in simulated.scenarios:
            continue
        (low, low_error), (high, high_error) = simulated.scenarios[null], simulated.scenarios[strong]
        error = (low_error**2 + high_error**2) ** 0.5
        if abs(high - low) > max(MATTERS, 3 * error):
            found.append(("depends on scenario", f"{_WORDS[name]}, {of_100(low)} of 100; if it matters strongly, "
                          f"{of_100(high)} (simulated, Monte Carlo error {100 * error:.1f}). Which holds is not known."))
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
        return [("model and simulator differ", f"The model, which reads the course, says {of_100(says)} of 100; simulated "
                 f"anew over the assumptions, and told of the course the worst grade alone, it is {of_100(value)} of 100 "
                 f"({of_100(low)} to {of_100(high)}): take both as unsure.")]
    return [("model and simulator differ", f"The model says {of_100(says)} of 100, patients like this one simulated anew "
             f"over the assumptions {of_100(value)} ({of_100(low)} to {of_100(high)}): take both as unsure.")]


def _simulator(simulated: SimulatedPart | None, row: pd.Series[Any]) -> list[tuple[str, str]]:
    if simulated is None or not simulated.held:
        return []
    labels = ", ".join(FIELDS[name].label for name in simulated.held)
    return [("outside simulated range", f"No simulated patient of this tumour type has such a value: {labels}. What is "
             "simulated holds it at the edge.")]


def _models(model: RiskModel, risks: Mapping[str, RiskEstimate], n_refits: int) -> list[tuple[str, str]]:
    found = []
    severe = risks.get("grade3plus")
    if severe is None:
        found.append(("no model", "No model for grade 3 or more at the same hour stands beside this one."))
    elif severe.is_held:
        found.append(("models differ", "The model for grade 3 or more said more than the one for grade 2 or more, which "
                      "cannot be: it is held at that value. Both numbers are unsure."))
    if not n_refits:
        found.append(("no range", f"{why_no_refits(model)} Its numbers stand without a range."))
    return found
