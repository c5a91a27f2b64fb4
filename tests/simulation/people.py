"""The reference world and its patients, loaded once for all tests; and the kernel walked tick by
tick in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import Product
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product, load_scenario
from crsrisk.folders import names
from crsrisk.simulation import solve
from crsrisk.simulation.arm import Arm, make_arm, timetable
from crsrisk.simulation.layout import LANES, N_ROWS, STATES, TICK_H, TRACE, WARD_TICKS
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import Patients, sample
from crsrisk.simulation.run import Episode, run
from crsrisk.simulation.ward import agents_act, draw_noise, look, observe_signs, rescue, track_peaks

Values = NDArray[np.float64]
PRODUCTS = names("products")
product_of: Callable[[str], Product] = cache(load_product)
_load_world = cache(load_world)


@cache
def world_of(scenario: str = "reference") -> World:
    """A world; a scenario's is made from the reference, which takes a second less than reading
    every file again.
    """
    plain = _load_world()
    if scenario == "reference":
        return plain
    chosen = load_scenario(scenario, assumptions=plain.assumptions)
    return replace(plain, scenario=chosen, assumptions=chosen.apply(plain.assumptions))


def arm_of(product: str | Product, *, world: World | None = None, **choices: Any) -> Arm:
    """An arm of the reference world; ``choices`` are those of `make_arm`."""
    chosen = product_of(product) if isinstance(product, str) else product
    return make_arm(chosen, world=world or world_of(), **choices)


def people(
    arm: Arm, n: int, *, world: World | None = None, seed: int = 1, start: int = 0
) -> Patients:
    """Patients ``start`` to ``start + n - 1`` of the arm's population."""
    assumptions = (world or world_of()).assumptions
    return sample(arm.population, assumptions=assumptions, seed=seed, start=start, stop=start + n)


def episode(
    arm: Arm, n: int, *, world: World | None = None, seed: int = 1, **choices: Any
) -> Episode:
    """What happens to the first ``n`` patients of an arm; ``choices`` are those of `run`."""
    there = world or world_of()
    return run(arm, people(arm, n, world=there, seed=seed), world=there, **choices)


def trace(of: Episode, name: str) -> Values:
    """One quantity over time, shape (tick, patient)."""
    return of.traces[:, TRACE.index(name)]


def varied(product: str, part: str, **values: float) -> Product:
    """A product with other numbers in its ``binding`` or ``kinetics``."""
    whole = product_of(product)
    old = getattr(whole, part)
    new = {
        name: getattr(old, name).model_copy(update={"value": value})
        for name, value in values.items()
    }
    return whole.model_copy(update={part: old.model_copy(update=new)})


def with_covariate(patients: Patients, name: str, shift: float) -> Patients:
    """The same patients with one true covariate moved by ``shift`` on its latent scale."""
    latent = patients.latent.copy()
    latent[:, CONTINUOUS.index(name)] += shift
    return replace(patients, latent=latent)


def with_flag(patients: Patients, name: str, value: float) -> Patients:
    """The same patients, all with (1) or without (0) a condition, or with another count."""
    return replace(patients, discrete={**patients.discrete, name: np.full(len(patients), value)})


def with_policy(world: World, name: str, **values: float) -> World:
    """A world in which one policy has other numbers."""
    old = world.policies[name]
    new = {
        key: getattr(old, key).model_copy(update={"value": value}) for key, value in values.items()
    }
    return replace(world, policies={**world.policies, name: old.model_copy(update=new)})


def walk(
    arm: Arm, patients: Patients, *, world: World | None = None
) -> Iterator[tuple[float, Values]]:
    """The kernel's loop in Python for up to sixteen patients: (hours since dose 1, workspace) every
    half hour.

    The workspace, (row, lane), is shown after the ward has looked and rescued and before the next
    step: it may be read at any row, and it changes under the reader's hands.
    """
    there = world or world_of()
    plan = timetable(arm, world=there)
    fill = np.minimum(np.arange(LANES), len(patients) - 1)
    table = patient_parameters(arm, patients, world=there, plan=plan)[:, fill]
    w = np.empty(N_ROWS * LANES)
    solve.begin(w, np.ascontiguousarray(table), 0)
    keys = np.ascontiguousarray(patients.keys[fill])
    for tick in range(len(plan.infusion)):
        solve.give(
            w,
            plan.infusion[tick],
            plan.depot[tick],
            plan.interleukin_2[tick],
            plan.dose_number[tick],
            plan.slots[tick],
            (tick - plan.lead) * TICK_H,
        )
        is_visit = (tick - plan.lead) % WARD_TICKS == 0
        if is_visit and tick >= plan.lead:
            draw_noise(w, keys, tick - plan.lead)
            # look and rescue follow in any case: the solver leaves them out when nothing would
            # change
            observe_signs(w)
            look(w, (tick - plan.lead) * TICK_H)
            rescue(w, (tick - plan.lead) * TICK_H)
        if is_visit:
            agents_act(w, plan.pairs, np.empty(LANES))
        yield (tick - plan.lead) * TICK_H, w.reshape(N_ROWS, LANES)
        for _ in range(plan.pieces[tick]):
            solve.step(w, TICK_H / plan.pieces[tick])
            track_peaks(w)


N_STATES = len(STATES)
