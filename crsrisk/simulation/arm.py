"""Arm: one product under one regimen with or without a mitigation, as a timetable the solver can
read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.data.cohort import Arm as Arm
from crsrisk.data.mitigation import NODES, Mitigation
from crsrisk.data.product import CELLULAR, Product
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.simulation.layout import (
    N_NODES,
    N_SLOTS,
    SLOT_ANTIPYRETIC,
    SLOT_FREE,
    SLOT_IL6R,
    SLOT_STEROID,
    TICK_H,
)

# hours after a dose into a vein in which the solver takes two steps a tick: T cells engage at once;
# and its steps in the first tick, when nobody has adapted to anything and drug comes from nothing
FINE_H = 6.0
FIRST_PIECES = 4
CELLS_UNIT_E6 = 250.0  # the solver counts cells in multiples of 250 million

# slots whose agent the rescue policy may give; the others hold what a study adds
_POLICY_AGENTS = {
    "tocilizumab": SLOT_IL6R,
    "dexamethasone": SLOT_STEROID,
    "antipyretic": SLOT_ANTIPYRETIC,
}


def make_arm(
    product: Product,
    *,
    world: World,
    regimen: str | None = None,
    mitigations: tuple[str, ...] = (),
    population: str | None = None,
    policy: str | None = None,
    window_d: float | None = None,
) -> Arm:
    """Fill an arm with the product's own regimen, population, policy and window where none is asked
    for.

    Raises :class:`InputError` for an unknown regimen, mitigation, population or policy, naming the
    known ones.
    """
    chosen = regimen or product.default_regimen
    _known(chosen, product.regimens, where=f"product {product.name}", key="regimen")
    for name in mitigations:
        _known(name, world.mitigations, where="mitigations", key="mitigation")
    people, care = population or product.population, policy or product.support_policy
    _known(people, world.populations, where=f"product {product.name}", key="population")
    _known(care, world.policies, where=f"product {product.name}", key="support_policy")
    return Arm(
        product,
        chosen,
        tuple(mitigations),
        world.populations[people],
        world.policies[care],
        product.window_d if window_d is None else window_d,
    )


def _known(name: str, group: object, *, where: str, key: str) -> None:
    names = sorted(group)  # type: ignore[call-overload]
    if name not in names:
        raise InputError(
            where=where,
            key=key,
            found=name,
            expected=f"one of {', '.join(names)}",
            cure="correct the name, or add a YAML file of that name",
        )


def arms_by_tumour_type(
    arm: Arm, *, world: World, seed: int, patient_id: NDArray[np.int64]
) -> list[tuple[Arm, NDArray[np.int64]]]:
    """The arm once for each tumour type of its product, with the rows of the patients who have it.

    A product may name several tumour types with their shares; which one a patient has is drawn for
    the patient. An arm whose population was asked for has that one alone.
    """
    product = arm.product
    if not product.further_populations or arm.population.name != product.population:
        return [(arm, np.arange(len(patient_id)))]
    first, stop = int(patient_id.min()), int(patient_id.max()) + 1
    uniform = streams.uniforms(seed=seed, decision="tumour type", start=first, stop=stop, width=1)[
        patient_id - first, 0
    ]
    shares = product.shares_of_populations
    lot = np.searchsorted(np.cumsum(list(shares.values()))[:-1], uniform, side="right")
    parts = [
        (replace(arm, population=world.populations[name]), np.flatnonzero(lot == k))
        for k, name in enumerate(shares)
    ]
    return [(part, rows) for part, rows in parts if len(rows)]


def usual_first_dose(product: Product) -> float:
    """First dose of the product's default regimen: what a dose intensity of 1 means."""
    return product.regimens[product.default_regimen].doses[0].amount


@dataclass(frozen=True)
class Timetable:
    """What happens at which half-hour tick; ``lead`` ticks come before the first dose."""

    lead: int
    infusion: NDArray[np.float64]
    depot: NDArray[np.float64]
    interleukin_2: NDArray[np.float64]
    dose_number: NDArray[np.int64]
    slots: NDArray[np.float64]  # (tick, slot) amounts in usual doses
    agents: tuple[Mitigation | None, ...]  # by slot
    pairs: NDArray[np.int64]  # (slot, node) with an effect
    pieces: NDArray[np.int64]  # by tick: steps of the solver in this half hour


def _seat_agents(arm: Arm, world: World) -> tuple[Mitigation | None, ...]:
    """One agent a slot: the policy's three, then what premedication and prophylaxis add."""
    seats: list[Mitigation | None] = [None] * N_SLOTS
    for name, slot in _POLICY_AGENTS.items():
        seats[slot] = world.mitigations[name]
    free = SLOT_FREE
    for name in (*(p.mitigation for p in arm.regimen.premedication), *arm.mitigations):
        _known(name, world.mitigations, where=f"regimen {arm.regimen_name}", key="premedication")
        agent = world.mitigations[name]
        if any(seat is not None and seat.name == name for seat in seats):
            continue
        if free >= N_SLOTS:
            raise InputError(
                where="arm",
                key="mitigations",
                found=f"{name} as a third further agent",
                expected=(
                    f"at most {N_SLOTS - SLOT_FREE} agents beside tocilizumab, dexamethasone,"
                    " antipyretic"
                ),
                cure="simulate fewer agents together",
            )
        seats[free] = agent
        free += 1
    return tuple(seats)


def _gifts(arm: Arm, world: World) -> list[tuple[str, float, float]]:
    """(agent, hours from first dose, usual doses) of premedication and prophylaxis."""
    gifts = []
    doses = arm.regimen.doses
    for pre in arm.regimen.premedication:
        gifts += [
            (pre.mitigation, doses[k - 1].time_h - pre.hours_before, pre.usual_doses)
            for k in pre.with_doses
            if k <= len(doses)
        ]
    for name in arm.mitigations:
        agent = world.mitigations[name]
        gifts += [
            (name, -agent.prophylaxis_hours_before + repeat * agent.repeat_every_h, 1.0)
            for repeat in range(max(agent.repeats, 1))
        ]
    return gifts


def timetable(arm: Arm, *, world: World) -> Timetable:
    """Lay the arm out tick by tick. Infusions shorter than half an hour are given over half an
    hour.
    """
    seats = _seat_agents(arm, world)
    slot_of = {agent.name: slot for slot, agent in enumerate(seats) if agent is not None}
    gifts = _gifts(arm, world)
    lead = int(np.ceil(max([0.0, *(-time for _, time, _ in gifts)]) / TICK_H))
    n = lead + round(arm.horizon_d * 24.0 / TICK_H)
    infusion, depot, il2 = np.zeros(n), np.zeros(n), np.zeros(n)
    number, slots = np.zeros(n, dtype=np.int64), np.zeros((n, N_SLOTS))
    pieces = np.ones(n, dtype=np.int64)
    is_infused = arm.regimen.route == "iv"
    usual, power = usual_first_dose(arm.product), world.assumptions.value("exposure.dose_exponent")
    for k, dose in enumerate(arm.regimen.doses):
        at = lead + round(dose.time_h / TICK_H)
        number[at:] = k + 1
        if at >= n:
            continue
        amount = usual * (dose.amount / usual) ** power
        if is_infused:
            ticks = max(1, round(dose.infusion_h / TICK_H))
            infusion[at : at + ticks] += amount / (ticks * TICK_H)
            pieces[at : at + ticks + round(FINE_H / TICK_H)] = 2
            pieces[at] = FIRST_PIECES
        else:
            depot[at] += amount / CELLS_UNIT_E6 if arm.product.platform in CELLULAR else amount
    for name, time, amount in gifts:
        at = lead + round(time / TICK_H)
        if at < n:
            slots[at, slot_of[name]] += amount
    if arm.regimen.interleukin_2 > 0:
        every = round(world.assumptions.value("exposure.il2_interval_h") / TICK_H)
        for bolus in range(round(world.assumptions.value("exposure.il2_boluses"))):
            il2[lead + bolus * every] += arm.regimen.interleukin_2
    pairs = [
        (slot, node)
        for slot, agent in enumerate(seats)
        if agent is not None
        for node in range(N_NODES)
        if NODES[node] in agent.acts_on
    ]
    return Timetable(
        lead,
        infusion,
        depot,
        il2,
        number,
        slots,
        seats,
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        pieces,
    )
