"""Arm and timetable: every microgram and every tablet at its half hour; what cannot be is refused
with the cure.
"""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.mitigation import NODES
from crsrisk.errors import InputError
from crsrisk.simulation.arm import make_arm, timetable
from crsrisk.simulation.layout import N_SLOTS, SLOT_IL6R, SLOT_STEROID, TICK_H
from tests.simulation.people import PRODUCTS, arm_of, product_of, world_of

# the effect grows with the dose itself
LINEAR = world_of().with_values({"exposure.dose_exponent": 1.0})


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_dose_inside_the_window_is_given_in_full(product: str) -> None:
    for regimen in product_of(product).regimens:
        arm = arm_of(product, regimen=regimen)
        plan = timetable(arm, world=LINEAR)
        inside = [dose for dose in arm.regimen.doses if dose.time_h < arm.window_d * 24]
        total = sum(dose.amount for dose in inside) / (
            250.0 if arm.regimen.route == "cells" else 1.0
        )
        given = plan.infusion.sum() * TICK_H + plan.depot.sum()
        assert given == pytest.approx(total, rel=1e-12), regimen
        assert (plan.infusion.sum() > 0) == (arm.regimen.route == "iv")


@pytest.mark.parametrize(("power", "factor"), [(1.0, 10.0), (0.5, 10.0**0.5), (0.0, 1.0)])
def test_dose_intensity_can_be_switched_off(power: float, factor: float) -> None:
    """The usual first dose acts as it is; ten times as much as 10^exponent times as much; with 0
    all doses alike.
    """
    plan = timetable(
        arm_of("tarlatamab"), world=world_of().with_values({"exposure.dose_exponent": power})
    )
    given = plan.infusion[np.flatnonzero(plan.infusion)][::2]
    assert given == pytest.approx([1000.0, 1000.0 * factor, 1000.0 * factor])


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_array_spans_lead_and_window(product: str) -> None:
    arm = arm_of(product, mitigations=("tocilizumab",))
    plan = timetable(arm, world=world_of())
    n = plan.lead + round(arm.horizon_d * 24 / TICK_H)
    assert plan.lead == 4  # tocilizumab two hours before the first dose
    shapes = {
        a.shape[0]
        for a in (plan.infusion, plan.depot, plan.interleukin_2, plan.dose_number, plan.slots)
    }
    assert shapes == {n}


def test_tarlatamab_label_by_hand() -> None:
    """1 mg over 1 h at 0 h, 10 mg at 168 and 336 h; dexamethasone 1 h before the first two
    doses.
    """
    plan = timetable(arm_of("tarlatamab"), world=LINEAR)
    assert plan.lead == 2
    starts = [plan.lead + round(hour / TICK_H) for hour in (0, 168, 336)]
    assert np.flatnonzero(plan.infusion).tolist() == [t + k for t in starts for k in (0, 1)]
    assert plan.infusion[starts[0]] == 1000.0
    assert plan.infusion[starts[1]] == 10_000.0
    assert np.flatnonzero(plan.slots[:, SLOT_STEROID]).tolist() == [starts[0] - 2, starts[1] - 2]
    assert [int(plan.dose_number[t]) for t in (0, starts[0] - 1, *starts)] == [0, 0, 1, 2, 3]
    assert plan.dose_number[starts[1] - 1] == 1


def test_short_infusions_take_half_an_hour() -> None:
    plan = timetable(arm_of("tebentafusp"), world=world_of())
    assert plan.infusion[0] * TICK_H == pytest.approx(20.0)
    assert plan.infusion[1] == 0.0


def test_cells_count_in_units_of_250_million_and_il2_in_courses() -> None:
    """20,000 million cells are 80 units; six boluses of interleukin-2 every 8 h from the infusion
    on.
    """
    plan = timetable(arm_of("til_il2"), world=world_of())
    assert plan.depot[plan.lead] == pytest.approx(80.0)
    assert np.flatnonzero(plan.interleukin_2).tolist() == [plan.lead + 16 * k for k in range(6)]
    without = timetable(arm_of("til_il2", regimen="without_il2"), world=world_of())
    assert not without.interleukin_2.any()


def test_prophylaxis_takes_its_slot_before_the_dose() -> None:
    arm = arm_of(
        "tarlatamab", regimen="label_no_steroid", mitigations=("tocilizumab", "emapalumab")
    )
    plan = timetable(arm, world=world_of())
    assert plan.lead == 8  # emapalumab four hours before
    assert np.flatnonzero(plan.slots[:, SLOT_IL6R]).tolist() == [4]
    seat = next(
        k for k, agent in enumerate(plan.agents) if agent is not None and agent.name == "emapalumab"
    )
    assert np.flatnonzero(plan.slots[:, seat]).tolist() == [0]


def test_pairs_name_every_node_of_every_agent_slot_by_slot() -> None:
    """The ward decays an agent once, when its slot first appears: the pairs must be sorted by
    slot.
    """
    plan = timetable(arm_of("tarlatamab", mitigations=("ruxolitinib",)), world=world_of())
    assert plan.pairs[:, 0].tolist() == sorted(plan.pairs[:, 0])
    seen = {(slot, NODES[node]) for slot, node in plan.pairs.tolist()}
    agents = enumerate(plan.agents)
    assert seen == {
        (slot, node) for slot, agent in agents if agent is not None for node in agent.acts_on
    }


def test_a_dose_after_the_window_is_not_given() -> None:
    arm = arm_of("tarlatamab", window_d=10.0)
    plan = timetable(arm, world=LINEAR)
    assert plan.infusion.sum() * TICK_H == pytest.approx(11_000.0)
    assert plan.dose_number.max() == 2


def test_the_arm_takes_population_policy_and_window_from_the_product() -> None:
    arm, product = arm_of("tebentafusp"), product_of("tebentafusp")
    assert (arm.population.name, arm.policy.name) == (product.population, product.support_policy)
    assert arm.window_d == product.window_d
    other = arm_of(
        "tebentafusp", population="ovarian_mesothelioma", policy="conservative_fluids", window_d=7.0
    )
    assert (other.population.name, other.policy.name) == (
        "ovarian_mesothelioma",
        "conservative_fluids",
    )
    assert other.window_d == 7.0


@pytest.mark.parametrize(
    ("choice", "key"),
    [
        ({"regimen": "labell"}, "regimen"),
        ({"mitigations": ("aspirin",)}, "mitigation"),
        ({"population": "thyroid"}, "population"),
        ({"policy": "none"}, "support_policy"),
    ],
)
def test_unknown_names_are_refused(choice: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as problem:
        make_arm(product_of("tarlatamab"), world=world_of(), **choice)  # type: ignore[arg-type]
    assert problem.value.key == key
    assert "one of" in problem.value.expected


def test_too_many_agents_are_refused() -> None:
    """Three seats belong to the policy's agents, two are free."""
    arm = arm_of("tarlatamab", mitigations=("anakinra", "ruxolitinib", "siltuximab"))
    with pytest.raises(InputError) as problem:
        timetable(arm, world=world_of())
    assert problem.value.key == "mitigations"
    assert "siltuximab" in problem.value.found
    two = timetable(arm_of("tarlatamab", mitigations=("anakinra", "ruxolitinib")), world=world_of())
    assert len(two.agents) == N_SLOTS
    assert None not in two.agents
