"""SBML: equations of one arm and one patient as a file of the Systems Biology Markup Language,
level 3 version 2.

COPASI, libRoadRunner, Tellurium and others read it. States are parameters with rate rules, since
their units differ; doses and agents are events. Every constant of the patient says on which stated
numbers it rests (:func:`origins`), seen by moving one number after the other. Written with the
standard library only (Hucka et al., J Integr Bioinform 2019, for the format).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from xml.etree import ElementTree as Xml

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.assumptions import Quantity
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm, Timetable, timetable
from crsrisk.simulation.equations import TIME, Change, Equations, Expression, Operand, name
from crsrisk.simulation.layout import PARAMETERS
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import Patients

_NUDGE = 1e-3  # relative move of a number; zero moves to this


@dataclass(frozen=True)
class Origin:
    """A stated number: ``exposure.il2_half_life_h`` or ``product.binding.valency``, what it means,
    how well it is known.
    """

    name: str
    meaning: str
    value: float
    unit: str
    strength: str


def _nudged(quantity: Quantity) -> float:
    return quantity.value * (1.0 + _NUDGE) if quantity.value else _NUDGE


def _origin(name: str, quantity: Quantity) -> Origin:
    return Origin(
        name, getattr(quantity, "meaning", ""), quantity.value, quantity.unit, quantity.strength
    )


def _variants(arm: Arm, world: World) -> Iterator[tuple[Origin, Arm, World]]:
    """Every stated number with the arm and world in which it, and nothing else, is a little
    different.
    """
    for key, assumption in world.assumptions.items():
        yield _origin(key, assumption), arm, world.with_values({key: _nudged(assumption)})
    for part in ("binding", "kinetics"):
        group = getattr(arm.product, part)
        for field in type(group).model_fields:
            quantity: Quantity = getattr(group, field)
            moved = group.model_copy(
                update={field: quantity.model_copy(update={"value": _nudged(quantity)})}
            )
            product = arm.product.model_copy(update={part: moved})
            yield _origin(f"product.{part}.{field}", quantity), replace(arm, product=product), world


def origins(arm: Arm, patient: Patients, *, world: World) -> dict[str, tuple[Origin, ...]]:
    """For each of the solver's parameters, the assumptions and numbers of the product that its
    value moves with.

    ``patient`` holds one patient, who stays the same: assumptions about the population are not in
    it.
    """
    plan = timetable(arm, world=world)
    here = _parameters_of(arm, patient, world, plan)
    resting: dict[str, list[Origin]] = {name: [] for name in PARAMETERS}
    for origin, other_arm, other_world in _variants(arm, world):
        moved = _parameters_of(other_arm, patient, other_world, plan) != here
        for index in np.flatnonzero(moved).tolist():
            resting[PARAMETERS[index]].append(origin)
    return {name: tuple(some) for name, some in resting.items()}


def _parameters_of(
    arm: Arm, patient: Patients, world: World, plan: Timetable
) -> NDArray[np.float64]:
    return patient_parameters(arm, patient, world=world, plan=plan)[:, 0]


_CORE = "http://www.sbml.org/sbml/level3/version2/core"
_MATH = "http://www.w3.org/1998/Math/MathML"
_TIME = "http://www.sbml.org/sbml/symbols/time"
_HTML = "http://www.w3.org/1999/xhtml"

# states in words, with their unit
WORDS: Mapping[str, str] = {
    "depot": "drug under the skin (ug), or infused cells on their way (250 million)",
    "central": "drug in plasma (ug)",
    "peripheral": "drug in tissue (ug)",
    "cells": "redirected or clonal T cells (250 million; 1 for engagers)",
    "active": "cytokine-secreting T cells (relative)",
    "desensitised": "engagement that T cells have adapted to (0-1)",
    "slowly_desensitised": "the same of the share that adapts slowly (0-1)",
    "tnf": "TNF (pg/mL)",
    "interferon": "interferon gamma (pg/mL)",
    "il1": "interleukin-1 (pg/mL)",
    "il6": "interleukin-6 (pg/mL)",
    "il10": "interleukin-10 (pg/mL)",
    "myeloid": "activated share of monocytes and macrophages (0-1)",
    "tolerance": "their tolerance (0-1)",
    "crp": "C-reactive protein (mg/L)",
    "ferritin": "ferritin (ug/L)",
    "alt": "alanine aminotransferase (x ULN)",
    "leak": "endothelial activation and leak (0-1)",
    "lung_water": "lung water (0-1)",
    "temperature": "body temperature (degC)",
    "organ_injury": "injury of a vital organ that carries the antigen (0-1)",
    "infusion": "infusion of drug (ug/h)",
    "occasion": "effect of this dose's occasion (relative)",
    "interleukin_2": "interleukin-2 given (boluses)",
}


def _math(parent: Xml.Element, formula: Operand, named: Mapping[int, str] | None = None) -> None:
    """Append the formula as MathML; parts in ``named`` (by identity) are written as their names."""
    root = Xml.SubElement(parent, "math", xmlns=_MATH)
    _formula(root, formula, named or {})


def _formula(parent: Xml.Element, formula: Operand, named: Mapping[int, str]) -> None:
    if not isinstance(formula, Expression):
        _number(parent, float(formula))
    elif id(formula) in named:
        Xml.SubElement(parent, "ci").text = named[id(formula)]
    elif formula == name(TIME):
        Xml.SubElement(parent, "csymbol", encoding="text", definitionURL=_TIME).text = TIME
    elif formula.operator == "name":
        Xml.SubElement(parent, "ci").text = formula.parts[0]
    elif formula.operator == "piecewise":
        _pieces(Xml.SubElement(parent, "piecewise"), formula, named)
    else:
        apply = Xml.SubElement(parent, "apply")
        Xml.SubElement(apply, formula.operator)
        for part in formula.parts:
            _formula(apply, part, named)


def _number(parent: Xml.Element, value: float) -> None:
    mantissa, has_exponent, exponent = repr(value).partition("e")
    cn = Xml.SubElement(parent, "cn", {"type": "e-notation"} if has_exponent else {})
    cn.text = mantissa
    if has_exponent:
        Xml.SubElement(cn, "sep").tail = str(int(exponent))


def _pieces(parent: Xml.Element, formula: Operand, named: Mapping[int, str]) -> None:
    """``a if .. else (b if .. else c)`` as one list of pieces."""
    while (
        isinstance(formula, Expression)
        and formula.operator == "piecewise"
        and id(formula) not in named
    ):
        yes, condition, formula = formula.parts
        piece = Xml.SubElement(parent, "piece")
        _formula(piece, yes, named)
        _formula(piece, condition, named)
    _formula(Xml.SubElement(parent, "otherwise"), formula, named)


def _notes(parent: Xml.Element, sentences: Iterable[str]) -> None:
    body = Xml.SubElement(Xml.SubElement(parent, "notes"), "body", xmlns=_HTML)
    for sentence in sentences:
        Xml.SubElement(body, "p").text = sentence


def _parameter(
    parent: Xml.Element, identity: str, value: float | None, *, constant: bool, about: Iterable[str]
) -> None:
    given = {} if value is None else {"value": repr(value)}
    parameter = Xml.SubElement(
        parent, "parameter", {"id": identity, **given, "constant": str(constant).lower()}
    )
    if sentences := tuple(about):
        _notes(parameter, sentences)


def _about(value: float, resting: tuple[Origin, ...]) -> list[str]:
    """Unit and origin of a parameter in words: the meaning where one stated number is all there is
    to it.
    """
    same = [origin for origin in resting if origin.value == value]
    sentences = [f"Unit: {same[0].unit}"] if same else []
    if len(resting) == 1:
        origin = resting[0]
        return [*sentences, f"From {origin.name} ({origin.strength}). {origin.meaning}".rstrip()]
    if resting:
        return [
            *sentences,
            "From " + ", ".join(f"{origin.name} ({origin.strength})" for origin in resting),
        ]
    return [
        *sentences,
        "Of this patient, this product's kind or its regimen: moves with no stated number",
    ]


def sbml(
    equations: Equations,
    *,
    values: Mapping[str, float],
    identity: str,
    title: str,
    about: Iterable[str],
    origins: Mapping[str, tuple[Origin, ...]],
) -> str:
    """The text of an SBML file. ``values`` of the parameters (by name) are one patient's; time is
    in hours.
    """
    root = Xml.Element("sbml", xmlns=_CORE, level="3", version="2")
    model = Xml.SubElement(root, "model", id=identity, name=title, timeUnits="hour")
    _notes(model, about)
    hour = Xml.SubElement(
        Xml.SubElement(model, "listOfUnitDefinitions"), "unitDefinition", id="hour"
    )
    Xml.SubElement(
        Xml.SubElement(hour, "listOfUnits"),
        "unit",
        kind="second",
        exponent="1",
        scale="0",
        multiplier="3600",
    )
    _parameters(
        Xml.SubElement(model, "listOfParameters"), equations, values=values, origins=origins
    )
    starts = Xml.SubElement(model, "listOfInitialAssignments")
    for row, begin in equations.begin.items():
        if isinstance(begin, Expression):
            _math(Xml.SubElement(starts, "initialAssignment", symbol=row), begin)
    _rules(Xml.SubElement(model, "listOfRules"), equations)
    if equations.changes:
        events = Xml.SubElement(model, "listOfEvents")
        for k, change in enumerate(equations.changes):
            _event(events, change, number=k)
    Xml.indent(root, space=" ")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"
    )


def _parameters(
    parent: Xml.Element,
    equations: Equations,
    *,
    values: Mapping[str, float],
    origins: Mapping[str, tuple[Origin, ...]],
) -> None:
    """States and inputs, constants of the patient, named parts of the formulas, and clocks of
    repeated changes.
    """
    moving = {*equations.rates, *(row for change in equations.changes for row in change.becomes)}
    for row, begin in equations.begin.items():
        start = None if isinstance(begin, Expression) else begin
        _parameter(
            parent,
            row,
            start,
            constant=row not in moving,
            about=[WORDS[row]] if row in WORDS else [],
        )
    for row in equations.parameters:
        _parameter(
            parent, row, float(values[row]), constant=True, about=_about(values[row], origins[row])
        )
    for part in (*equations.named, *equations.of_time):
        _parameter(parent, part, None, constant=False, about=[])
    for k, change in enumerate(equations.changes):
        if change.every_h:
            about = ["Unit: h. When the clock strikes next"]
            _parameter(parent, f"next_{k}", change.time_h, constant=False, about=about)


def _rules(parent: Xml.Element, equations: Equations) -> None:
    """Named parts as assignment rules, states as rate rules; a part is written once and named
    everywhere else.
    """
    names = {id(formula): part for part, formula in equations.named.items()}
    for part, formula in {**equations.named, **equations.of_time}.items():
        others = {key: other for key, other in names.items() if other != part}
        _math(Xml.SubElement(parent, "assignmentRule", variable=part), formula, others)
    for row, rate in equations.rates.items():
        _math(Xml.SubElement(parent, "rateRule", variable=row), rate, names)


def _event(parent: Xml.Element, change: Change, *, number: int) -> None:
    event = Xml.SubElement(
        parent, "event", id=f"change_{number}", name=change.label, useValuesFromTriggerTime="false"
    )
    trigger = Xml.SubElement(event, "trigger", initialValue="true", persistent="true")
    clock = f"next_{number}"
    _math(trigger, name(TIME) >= (name(clock) if change.every_h else change.time_h))
    _math(Xml.SubElement(event, "priority"), -float(change.rank))
    assignments = Xml.SubElement(event, "listOfEventAssignments")
    again: dict[str, Operand] = {clock: name(clock) + change.every_h} if change.every_h else {}
    for row, value in {**change.becomes, **again}.items():
        _math(Xml.SubElement(assignments, "eventAssignment", variable=row), value)
