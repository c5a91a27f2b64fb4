"""Levers: what the treating team could change before the first dose, each as an arm of its own.

Step-up dosing, premedication, prophylaxis and route, one at a time; a regimen of the product's own file stands for
another route. What is added is a strategy (:mod:`crsrisk.simulate.strategies`); what is taken away is made here. Only what
differs is changed, so that two simulated arms tell the effect of the lever and of nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from crsrisk.domain.potential_outcomes import parse_strategy
from crsrisk.domain.product import Regimen
from crsrisk.domain.world import World
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.strategies import strategy_arm

LeverKind = Literal["prophylaxis", "premedication", "step-up", "route"]
ENGAGERS = frozenset({"tce", "immtac"})  # given in steps and with premedication; cells and checkpoint inhibitors are not
STEROIDS = ("dexamethasone", "methylprednisolone")
PROPHYLAXIS = ("tocilizumab",)
_ROUTES = {"iv": "into a vein", "sc": "under the skin", "cells": "as cells"}


@dataclass(frozen=True)
class Lever:
    """One change: its kind, what it is in words, and the arm with it."""

    kind: LeverKind
    label: str
    arm: Arm


def levers(arm: Arm, *, world: World) -> tuple[Lever, ...]:
    """The levers of an arm; none for checkpoint inhibitors, prophylaxis alone for cells.

    >>> from crsrisk.read.world import load_product
    >>> from crsrisk.simulate.arm import make_arm
    >>> from crsrisk.simulate.world import load_world
    >>> world = load_world()
    >>> [lever.kind for lever in levers(make_arm(load_product("tarlatamab"), world=world), world=world)]
    ['prophylaxis', 'premedication', 'step-up']
    """
    if arm.product.platform == "ici":
        return ()
    found = [_prophylaxis(arm, name, world=world) for name in PROPHYLAXIS]
    if arm.product.platform in ENGAGERS:
        found += [_premedication(arm, world=world), *_step_up(arm, world=world), *_routes(arm)]
    return tuple(found)


def _prophylaxis(arm: Arm, name: str, *, world: World) -> Lever:
    label = _short(world.mitigations[name].label)
    if name in arm.mitigations:
        without = replace(arm, mitigations=tuple(one for one in arm.mitigations if one != name))
        return Lever("prophylaxis", f"Without {_inside(label)} before the first dose", without)
    return Lever("prophylaxis", f"{label} before the first dose", strategy_arm(arm, parse_strategy(name), world=world))


def _premedication(arm: Arm, *, world: World) -> Lever:
    """The steroid before the doses taken away, or dexamethasone given before the first two where there is none."""
    if given := [one.mitigation for one in arm.regimen.premedication if one.mitigation in STEROIDS]:
        kept = [one for one in arm.regimen.premedication if one.mitigation not in STEROIDS]
        label = f"Without {_inside(world.mitigations[given[0]].label)} as premedication"
        return Lever("premedication", label, _with(arm, premedication=kept))
    label = f"{_short(world.mitigations[STEROIDS[0]].label)} as premedication"
    return Lever("premedication", label, strategy_arm(arm, parse_strategy(f"{STEROIDS[0]}@two_doses"), world=world))


def _step_up(arm: Arm, *, world: World) -> list[Lever]:
    """Without steps every dose is the full one; a step-up is taken from the product's own file, where it has one."""
    regimen = arm.regimen
    if regimen.is_stepped_up:
        return [Lever("step-up", "Without step-up: the full dose from the start",
                      strategy_arm(arm, parse_strategy("no_step_up"), world=world))]
    stepped = [other for other in arm.product.regimens.values() if other.is_stepped_up and other.route == regimen.route
               and other.doses[-1].amount == regimen.doses[-1].amount]
    return [Lever("step-up", "With step-up dosing", _with(arm, doses=stepped[0].doses))] if stepped else []


def _routes(arm: Arm) -> list[Lever]:
    """The first regimen of each other route, as it stands in the file; whatever else differs is said."""
    found: dict[str, Lever] = {}
    for name, other in arm.product.regimens.items():
        if other.route == arm.regimen.route or other.route in found:
            continue
        more = [text for differs, text in (
            (other.is_stepped_up != arm.regimen.is_stepped_up, "step-up dosing" if other.is_stepped_up else "no step-up"),
            (bool(other.premedication) != bool(arm.regimen.premedication),
             "premedication" if other.premedication else "no premedication"),
            (other.doses[-1].amount != arm.regimen.doses[-1].amount, "another full dose")) if differs]
        label = f"Given {_ROUTES[other.route]}{' (with ' + ', '.join(more) + ')' if more else ''}"
        found[other.route] = Lever("route", label, replace(arm, regimen_name=name))
    return list(found.values())


def _with(arm: Arm, **changes: object) -> Arm:
    """The arm with a regimen that differs from its own in these parts, under a name of its own."""
    name = f"{arm.regimen_name} changed"
    regimen: Regimen = arm.regimen.model_copy(update=changes)
    product = arm.product.model_copy(update={"regimens": {**arm.product.regimens, name: regimen}})
    return replace(arm, product=product, regimen_name=name)


def _inside(label: str) -> str:
    """A label inside a sentence."""
    return _short(label)[0].lower() + _short(label)[1:]


def _short(label: str) -> str:
    return label.split(" (")[0]
