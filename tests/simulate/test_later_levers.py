"""Levers of the doses to come: only later doses change, and nothing is offered whose hour has passed."""

from __future__ import annotations

import pytest

from crsrisk.simulate.later_levers import later_levers
from tests.simulate.people import arm_of, world_of


def test_only_later_doses_change() -> None:
    arm = arm_of("tarlatamab")
    for lever in later_levers(arm, world=world_of(), hour=24):
        assert lever.arm.regimen.doses == arm.regimen.doses
        before, after = ({(one.mitigation, k) for one in regimen.premedication for k in one.with_doses if k == 1}
                         for regimen in (arm.regimen, lever.arm.regimen))
        assert before == after
        assert lever.arm.regimen.premedication != arm.regimen.premedication


@pytest.mark.parametrize("hour", [6, 24, 72, 167])
def test_a_lever_begins_after_the_hour(hour: int) -> None:
    """What is added is given later than the hour; just before dose 2 there is no time left for it."""
    arm, world = arm_of("tarlatamab"), world_of()
    times = {dose: one.time_h for dose, one in enumerate(arm.regimen.doses, start=1)}
    for lever in later_levers(arm, world=world, hour=hour):
        for one in lever.arm.regimen.premedication[len(arm.regimen.premedication):]:
            assert times[one.with_doses[0]] - one.hours_before >= hour
