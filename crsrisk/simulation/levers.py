"""Levers: what the treating team could change, each as an arm of its own.

Step-up dosing, premedication, prophylaxis and route, one at a time; a regimen of the product's own
file stands for another route. What is added is a strategy
(:mod:`crsrisk.simulation.potential_outcomes`); what is taken away is made here. Only what differs
is changed, so that two simulated arms tell the effect of the lever and of nothing else.

Some hours after the first dose only what comes with the doses still to be given can be changed: an
agent before the next dose, the steroid before later doses. What was decided before the first dose
(prophylaxis, its premedication, step-up, route) lies in the past.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.data.product import Premedication, Regimen
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.potential_outcomes import strategy_arm

LeverKind = Literal["prophylaxis", "premedication", "step-up", "route"]
# given in steps and with premedication; cells and checkpoint inhibitors are not
ENGAGERS = frozenset({"tce", "immtac"})
STEROIDS = ("dexamethasone", "methylprednisolone")
PROPHYLAXIS = ("tocilizumab",)
_PAST = {
    "prophylaxis": "prophylaxis before the first dose",
    "premedication": "premedication of the first dose",
    "step-up": "step-up dosing",
    "route": "route",
}
_LATER = ", later changed"
_ROUTES = {"iv": "into a vein", "sc": "under the skin", "cells": "as cells"}


@dataclass(frozen=True)
class Lever:
    """One change: its kind, what it is in words, and the arm with it."""

    kind: LeverKind
    label: str
    arm: Arm


def levers(arm: Arm, *, world: World) -> tuple[Lever, ...]:
    """The levers of an arm; none for checkpoint inhibitors, prophylaxis alone for cells.

    >>> from crsrisk.data.world_files import load_product
    >>> from crsrisk.simulation.arm import make_arm
    >>> from crsrisk.data.world import load_world
    >>> world = load_world()
    >>> arm = make_arm(load_product("tarlatamab"), world=world)
    >>> [lever.kind for lever in levers(arm, world=world)]
    ['prophylaxis', 'premedication', 'step-up']
    """
    if arm.product.platform == "ici":
        return ()
    before = [_prophylaxis(arm, name, world=world) for name in PROPHYLAXIS]
    if arm.product.platform in ENGAGERS:
        before += [_premedication(arm, world=world), *_step_up(arm, world=world), *_routes(arm)]
    return tuple(before)


def _prophylaxis(arm: Arm, name: str, *, world: World) -> Lever:
    label = _short(world.mitigations[name].label)
    if name in arm.mitigations:
        without = replace(
            arm, mitigations=tuple(given for given in arm.mitigations if given != name)
        )
        return Lever("prophylaxis", f"Without {_inside(label)} before the first dose", without)
    return Lever(
        "prophylaxis",
        f"{label} before the first dose",
        strategy_arm(arm, parse_strategy(name), world=world),
    )


def _premedication(arm: Arm, *, world: World) -> Lever:
    """The steroid before the doses taken away, or dexamethasone given before the first two where
    there is none.
    """
    premedication = arm.regimen.premedication
    if given := [drug.mitigation for drug in premedication if drug.mitigation in STEROIDS]:
        kept = [drug for drug in premedication if drug.mitigation not in STEROIDS]
        label = f"Without {_inside(world.mitigations[given[0]].label)} as premedication"
        return Lever("premedication", label, _with(arm, premedication=kept))
    label = f"{_short(world.mitigations[STEROIDS[0]].label)} as premedication"
    return Lever(
        "premedication",
        label,
        strategy_arm(arm, parse_strategy(f"{STEROIDS[0]}@two_doses"), world=world),
    )


def _step_up(arm: Arm, *, world: World) -> list[Lever]:
    """Without steps every dose is the full one; a step-up is taken from the product's own file,
    where it has one.
    """
    regimen = arm.regimen
    if regimen.is_stepped_up:
        return [
            Lever(
                "step-up",
                "Without step-up: the full dose from the start",
                strategy_arm(arm, parse_strategy("no_step_up"), world=world),
            )
        ]
    stepped = [
        other
        for other in arm.product.regimens.values()
        if other.is_stepped_up
        and other.route == regimen.route
        and other.doses[-1].amount == regimen.doses[-1].amount
    ]
    return (
        [Lever("step-up", "With step-up dosing", _with(arm, doses=stepped[0].doses))]
        if stepped
        else []
    )


def _routes(arm: Arm) -> list[Lever]:
    """The first regimen of each other route, as it stands in the file; whatever else differs is
    said.
    """
    routes: dict[str, Lever] = {}
    for name, other in arm.product.regimens.items():
        if other.route == arm.regimen.route or other.route in routes:
            continue
        more = [
            text
            for differs, text in (
                (
                    other.is_stepped_up != arm.regimen.is_stepped_up,
                    "step-up dosing" if other.is_stepped_up else "no step-up",
                ),
                (
                    bool(other.premedication) != bool(arm.regimen.premedication),
                    "premedication" if other.premedication else "no premedication",
                ),
                (other.doses[-1].amount != arm.regimen.doses[-1].amount, "another full dose"),
            )
            if differs
        ]
        label = f"Given {_ROUTES[other.route]}{' (with ' + ', '.join(more) + ')' if more else ''}"
        routes[other.route] = Lever("route", label, replace(arm, regimen_name=name))
    return list(routes.values())


def _with(arm: Arm, *, suffix: str = " changed", **changes: object) -> Arm:
    """The arm with a regimen that differs from its own in these parts, under a name of its own."""
    name = f"{arm.regimen_name}{suffix}"
    regimen: Regimen = arm.regimen.model_copy(update=changes)
    product = arm.product.model_copy(update={"regimens": {**arm.product.regimens, name: regimen}})
    return replace(arm, product=product, regimen_name=name)


def _inside(label: str) -> str:
    """A label inside a sentence."""
    return _short(label)[0].lower() + _short(label)[1:]


def _short(label: str) -> str:
    return label.split(" (")[0]


def past_levers(arm: Arm, *, world: World) -> tuple[str, ...]:
    """In words, the levers of before the first dose, each kind once; none where the simulator knows
    none.
    """
    return tuple(dict.fromkeys(_PAST[lever.kind] for lever in levers(arm, world=world)))


def later_levers(arm: Arm, *, world: World, hour: float) -> tuple[Lever, ...]:
    """The levers that are left at ``hour`` after the first dose; none without a dose to come.

    The arms are the same up to that hour, to the last bit: what changes is given later.

    >>> from crsrisk.data.world_files import load_product
    >>> from crsrisk.simulation.arm import make_arm
    >>> from crsrisk.data.world import load_world
    >>> world = load_world()
    >>> arm = make_arm(load_product("tarlatamab"), world=world)
    >>> [lever.label for lever in later_levers(arm, world=world, hour=24)]
    ['Tocilizumab before dose 2 (day 8)', 'Without dexamethasone before dose 2 (day 8)']
    """
    doses = arm.regimen.doses
    coming = [k + 1 for k, dose in enumerate(doses) if hour < dose.time_h < 24.0 * arm.window_d]
    if arm.product.platform not in ENGAGERS or not coming:
        return ()
    later = [
        _added(arm, name, coming=coming, world=world, kind="prophylaxis") for name in PROPHYLAXIS
    ]
    given = [
        drug
        for drug in arm.regimen.premedication
        if drug.mitigation in STEROIDS and set(drug.with_doses) & set(coming)
    ]
    if given:
        later.append(_without(arm, given, coming=coming, world=world))
    else:
        later.append(_added(arm, STEROIDS[0], coming=coming, world=world, kind="premedication"))
    return tuple(lever for lever, starts_h in later if starts_h >= hour)


def _added(
    arm: Arm, name: str, *, coming: list[int], world: World, kind: LeverKind
) -> tuple[Lever, float]:
    """One usual dose of an agent before the next dose, and the hour at which it would be given."""
    agent, at = world.mitigations[name], coming[0]
    before = agent.prophylaxis_hours_before
    more = Premedication(mitigation=name, usual_doses=1.0, hours_before=before, with_doses=[at])
    label = f"{agent.label.split(' (')[0]} before {_dose(arm, at)}"
    changed = _with(arm, suffix=_LATER, premedication=[*arm.regimen.premedication, more])
    return (
        Lever(kind, label, changed),
        _time_h(arm, at) - before,
    )


def _without(
    arm: Arm, given: list[Premedication], *, coming: list[int], world: World
) -> tuple[Lever, float]:
    """The steroid before later doses left out, and the hour at which the first of them would have
    been given.
    """
    kept = [
        (
            drug.model_copy(update={"with_doses": [k for k in drug.with_doses if k not in coming]})
            if drug in given
            else drug
        )
        for drug in arm.regimen.premedication
    ]
    first = min(k for drug in given for k in drug.with_doses if k in coming)
    name = world.mitigations[given[0].mitigation].label.split(" (")[0]
    starts = min(
        _time_h(arm, k) - drug.hours_before
        for drug in given
        for k in drug.with_doses
        if k in coming
    )
    label = f"Without {name[0].lower()}{name[1:]} before {_dose(arm, first)}"
    return Lever("premedication", label, _with(arm, suffix=_LATER, premedication=kept)), starts


def _time_h(arm: Arm, dose: int) -> float:
    return arm.regimen.doses[dose - 1].time_h


def _dose(arm: Arm, dose: int) -> str:
    return f"dose {dose} (day {1 + int(_time_h(arm, dose) // 24)})"
