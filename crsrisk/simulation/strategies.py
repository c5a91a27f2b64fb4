"""Strategies: the same patients under one way of preventing CRS, before the dose, at fever, or by
another regimen.

Everything goes through the arm and the solver as they are. What is given at fever is simulated
twice: once without, which tells when the ward first sees each patient's fever, and once more with
the agent at that hour. Up to that hour the two courses are the same course, since the same patient
meets the same random numbers; so nobody is treated by foresight.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.potential_outcomes import RegimenChange, Strategy
from crsrisk.data.product import Premedication, Product, Regimen
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.layout import WARD_H
from crsrisk.simulation.population import Patients, take
from crsrisk.simulation.run import run
from crsrisk.simulation.ward import NEVER

Tracks = Mapping[str, NDArray[np.float64]]


def changed_regimen(product: Product, regimen: Regimen, *, change: RegimenChange) -> Regimen:
    """The regimen with another first dose or route; :class:`InputError` where the product does not
    allow it.
    """
    doses = list(regimen.doses)
    if change == "no_step_up":
        doses = [dose.model_copy(update={"amount": doses[-1].amount}) for dose in doses]
    if change == "half_first_dose":
        doses[0] = doses[0].model_copy(update={"amount": doses[0].amount / 2.0})
    if change != "under_skin":
        return regimen.model_copy(update={"doses": doses})
    if regimen.route == "cells" or product.kinetics.absorption_per_h.value <= 0.0:
        raise InputError(
            where=f"product {product.name}",
            key="regimen",
            found="under_skin",
            expected="a soluble product with an absorption rate above 0",
            cure=(
                "leave the route as it is, or give kinetics.absorption_per_h a value with its"
                " source"
            ),
        )
    return regimen.model_copy(update={"route": "sc"})


def strategy_arm(base: Arm, strategy: Strategy, *, world: World) -> Arm:
    """The arm of a strategy, with what it gives before the first dose; at fever nothing is given
    yet.

    Raises :class:`InputError` for an unknown agent, naming the known ones.
    """
    product, name = base.product, base.regimen_name
    if strategy.regimen != "as_planned":
        name = f"{base.regimen_name}, {strategy.regimen}"
        changed = changed_regimen(product, base.regimen, change=strategy.regimen)
        product = product.model_copy(update={"regimens": {**product.regimens, name: changed}})
    with_all = make_arm(
        product, world=world, regimen=name, mitigations=(*base.mitigations, *strategy.mitigations)
    )
    if strategy.timing == "first_two_doses":
        regimen = product.regimens[name]
        doses = list(range(1, min(len(regimen.doses), 2) + 1))
        added = [
            Premedication(
                mitigation=agent,
                usual_doses=1.0,
                with_doses=doses,
                hours_before=world.mitigations[agent].prophylaxis_hours_before,
            )
            for agent in strategy.mitigations
        ]
        name = f"{name}, {strategy.name}"
        fuller = regimen.model_copy(update={"premedication": [*regimen.premedication, *added]})
        product = product.model_copy(update={"regimens": {**product.regimens, name: fuller}})
    given = with_all.mitigations if strategy.timing == "pre_dose" else base.mitigations
    return replace(base, product=product, regimen_name=name, mitigations=given)


def play(
    base: Arm,
    strategy: Strategy,
    *,
    patients: Patients,
    world: World,
    workers: int = 1,
    usual: Tracks | None = None,
) -> Tracks:
    """What the solver records of every patient under a strategy (tracks by name, each of shape
    (n,)).

    ``usual`` are the tracks without the strategy, where they are known already (they save a
    simulation at fever).
    """
    arm = strategy_arm(base, strategy, world=world)
    if strategy.timing != "at_fever":
        return run(arm, patients, world=world, workers=workers).tracks
    if usual is None or strategy.regimen != "as_planned":
        usual = run(arm, patients, world=world, workers=workers).tracks
    return _at_fever(arm, strategy, patients, world, workers, usual)


def _at_fever(
    arm: Arm, strategy: Strategy, patients: Patients, world: World, workers: int, usual: Tracks
) -> Tracks:
    delay = max(WARD_H, round(arm.policy.rescue_delay_h.value / WARD_H) * WARD_H)
    fever = usual["first_1"]
    hours = np.unique(fever[fever < min(NEVER, 24.0 * arm.horizon_d - delay)])
    treated = replace(arm, mitigations=(*arm.mitigations, *strategy.mitigations))
    merged = {name: values.copy() for name, values in usual.items()}

    def course(hour: float) -> tuple[NDArray[np.int64], Tracks]:
        rows = np.flatnonzero(fever == hour)
        later = {
            name: (
                world.mitigations[name].model_copy(
                    update={"prophylaxis_hours_before": -(hour + delay)}
                )
            )
            for name in strategy.mitigations
        }
        here = replace(world, mitigations={**world.mitigations, **later})
        return rows, run(treated, take(patients, rows), world=here).tracks

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for rows, tracks in pool.map(course, hours):
            for name, values in tracks.items():
                merged[name][rows] = values
    return merged
