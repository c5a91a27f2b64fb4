"""Origins: on which stated numbers each constant of a patient rests, found by moving one number after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crsrisk.domain.assumptions import Quantity
from crsrisk.domain.world import World
from crsrisk.simulate.arm import Arm, Timetable, timetable
from crsrisk.simulate.layout import PARAMETERS
from crsrisk.simulate.parameters import patient_parameters
from crsrisk.simulate.population import Patients

_NUDGE = 1e-3  # relative move of a number; zero moves to this


@dataclass(frozen=True)
class Origin:
    """A stated number: ``exposure.il2_half_life_h`` or ``product.binding.valency``, what it means, how well it is known."""

    name: str
    meaning: str
    value: float
    unit: str
    strength: str


def _nudged(quantity: Quantity) -> float:
    return quantity.value * (1.0 + _NUDGE) if quantity.value else _NUDGE


def _origin(name: str, quantity: Quantity) -> Origin:
    return Origin(name, getattr(quantity, "meaning", ""), quantity.value, quantity.unit, quantity.strength)


def _variants(arm: Arm, world: World) -> Iterator[tuple[Origin, Arm, World]]:
    """Every stated number with the arm and world in which it, and nothing else, is a little different."""
    for key, assumption in world.assumptions.items():
        yield _origin(key, assumption), arm, world.with_values({key: _nudged(assumption)})
    for part in ("binding", "kinetics"):
        group = getattr(arm.product, part)
        for field in type(group).model_fields:
            quantity: Quantity = getattr(group, field)
            moved = group.model_copy(update={field: quantity.model_copy(update={"value": _nudged(quantity)})})
            product = arm.product.model_copy(update={part: moved})
            yield _origin(f"product.{part}.{field}", quantity), replace(arm, product=product), world


def origins(arm: Arm, patient: Patients, *, world: World) -> dict[str, tuple[Origin, ...]]:
    """For each of the solver's parameters, the assumptions and numbers of the product that its value moves with.

    ``patient`` holds one patient, who stays the same: assumptions about the population are not in it.
    """
    plan = timetable(arm, world=world)
    here = _parameters(arm, patient, world, plan)
    found: dict[str, list[Origin]] = {name: [] for name in PARAMETERS}
    for origin, other_arm, other_world in _variants(arm, world):
        moved = _parameters(other_arm, patient, other_world, plan) != here
        for index in np.flatnonzero(moved).tolist():
            found[PARAMETERS[index]].append(origin)
    return {name: tuple(some) for name, some in found.items()}


def _parameters(arm: Arm, patient: Patients, world: World, plan: Timetable) -> NDArray[np.float64]:
    return patient_parameters(arm, patient, world=world, plan=plan)[:, 0]
