"""Levers: one change at a time, none where none applies, and only the lever differs."""

from __future__ import annotations

import pytest

from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.simulation.arm import timetable
from crsrisk.simulation.levers import later_levers, levers
from crsrisk.simulation.potential_outcomes import strategy_arm
from tests.simulation.people import PRODUCTS, arm_of, world_of


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_lever_can_be_given(name: str) -> None:
    arm, world = arm_of(name), world_of()
    found = levers(arm, world=world)
    assert len({one.label for one in found}) == len(found)
    for one in found:
        timetable(one.arm, world=world)
        assert one.arm.product.binding == arm.product.binding
        assert (one.arm.population, one.arm.policy, one.arm.window_d) == (
            arm.population,
            arm.policy,
            arm.window_d,
        )
        assert (one.arm.regimen, one.arm.mitigations) != (arm.regimen, arm.mitigations)


def test_checkpoint_inhibitors_have_none_and_cells_only_prophylaxis() -> None:
    assert levers(arm_of("checkpoint_inhibitor"), world=world_of()) == ()
    assert [one.kind for one in levers(arm_of("afami_cel"), world=world_of())] == ["prophylaxis"]


def test_a_lever_and_its_way_back() -> None:
    world = world_of()
    there = levers(arm_of("tarlatamab"), world=world)
    prevented = there[0].arm
    assert prevented.mitigations == ("tocilizumab",)
    assert levers(prevented, world=world)[0].arm.mitigations == ()
    bare = there[1].arm  # without dexamethasone
    assert bare.regimen.premedication == []
    back = levers(bare, world=world)[1]
    assert back.label == "Dexamethasone as premedication"
    assert back.arm.regimen.premedication == arm_of("tarlatamab").regimen.premedication


def test_without_steps_every_dose_is_the_full_one() -> None:
    (one,) = [
        one for one in levers(arm_of("tarlatamab"), world=world_of()) if one.kind == "step-up"
    ]
    usual = arm_of("tarlatamab").regimen
    assert {dose.amount for dose in one.arm.regimen.doses} == {usual.doses[-1].amount}
    assert one.arm.regimen.premedication == usual.premedication
    stepped = levers(arm_of("tarlatamab", regimen="fixed_10mg"), world=world_of())
    assert "With step-up dosing" in {lever.label for lever in stepped}


def test_another_route_says_what_else_differs() -> None:
    (one,) = [
        one for one in levers(arm_of("psma_sc_engager"), world=world_of()) if one.kind == "route"
    ]
    assert one.arm.regimen.route == "iv"
    assert "no step-up" in one.label


def test_what_is_added_is_what_the_strategy_of_that_name_adds() -> None:
    """One idea in one place: prophylaxis at the bedside and for a trial are the same arm."""
    world, bare = world_of(), arm_of("tarlatamab", regimen="label_no_steroid")
    added = {one.kind: one.arm for one in levers(bare, world=world)}
    for kind, text in (
        ("prophylaxis", "tocilizumab"),
        ("premedication", "dexamethasone@two_doses"),
        ("step-up", "no_step_up"),
    ):
        expected = strategy_arm(bare, parse_strategy(text), world=world)
        assert (added[kind].regimen, added[kind].mitigations) == (
            expected.regimen,
            expected.mitigations,
        )


def test_before_the_first_two_doses_is_before_the_only_one() -> None:
    arm = strategy_arm(
        arm_of("afami_cel"), parse_strategy("dexamethasone@two_doses"), world=world_of()
    )
    assert arm.regimen.premedication[-1].with_doses == [1]


# Levers of the doses to come: only later doses change, and nothing is offered whose hour has
# passed.


def test_only_later_doses_change() -> None:
    arm = arm_of("tarlatamab")
    for lever in later_levers(arm, world=world_of(), hour=24):
        assert lever.arm.regimen.doses == arm.regimen.doses
        before, after = (
            {(one.mitigation, k) for one in regimen.premedication for k in one.with_doses if k == 1}
            for regimen in (arm.regimen, lever.arm.regimen)
        )
        assert before == after
        assert lever.arm.regimen.premedication != arm.regimen.premedication


@pytest.mark.parametrize("hour", [6, 24, 72, 167])
def test_a_lever_begins_after_the_hour(hour: int) -> None:
    """What is added is given later than the hour; just before dose 2 there is no time left for
    it.
    """
    arm, world = arm_of("tarlatamab"), world_of()
    times = {dose: one.time_h for dose, one in enumerate(arm.regimen.doses, start=1)}
    for lever in later_levers(arm, world=world, hour=hour):
        for one in lever.arm.regimen.premedication[len(arm.regimen.premedication) :]:
            assert times[one.with_doses[0]] - one.hours_before >= hour
