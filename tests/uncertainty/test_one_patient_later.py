"""Levers after the landmark: the same hours before it, only people who stand there, the same on any
number of threads.
"""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.ensemble import load_ensemble
from crsrisk.simulation.levers import later_levers, past_levers
from crsrisk.simulation.run import run
from crsrisk.simulation.similar_patients import sample_conditional
from crsrisk.uncertainty.one_patient import grade_by, over_members_later
from tests.simulation.people import arm_of, world_of

KNOWN = {"age_years": 66.0, "crp_mg_l": 42.0}


@pytest.mark.parametrize("product", ["tarlatamab", "tebentafusp", "psma_masked_engager"])
def test_a_later_lever_leaves_the_hours_before_as_they_were(product: str) -> None:
    """To the last bit: temperature, laboratory values and grade at the landmark of the same
    people.
    """
    world, arm = world_of(), arm_of(product)
    people = sample_conditional(KNOWN, arm=arm, world=world, seed=1, n=64)
    usual = run(arm, people, world=world)
    found = later_levers(arm, world=world, hour=24)
    assert found
    for lever in found:
        with_it = run(lever.arm, people, world=world)
        np.testing.assert_array_equal(with_it.snapshots[:3], usual.snapshots[:3])


def test_levers_of_before_the_dose_are_past_and_cells_have_none_left() -> None:
    world = world_of()
    assert "step-up dosing" in past_levers(arm_of("tarlatamab"), world=world)
    assert past_levers(arm_of("gpc3_car_t"), world=world) == ("prophylaxis before the first dose",)
    assert later_levers(arm_of("gpc3_car_t"), world=world, hour=24) == ()
    assert past_levers(arm_of("checkpoint_inhibitor"), world=world) == ()
    assert later_levers(arm_of("tarlatamab"), world=world, hour=24 * 20) == ()


def test_only_people_who_stand_where_the_patient_stands_count() -> None:
    world, arm, ensemble = world_of(), arm_of("tarlatamab"), load_ensemble()
    levers = [one.arm for one in later_levers(arm, world=world, hour=24)]
    one, two = (
        over_members_later(
            KNOWN,
            arm=arm,
            changed=levers,
            ensemble=ensemble,
            world=world,
            hour=24,
            worst_grade=0,
            seed=2,
            n_members=5,
            n_people=200,
            workers=workers,
        )
        for workers in (1, 3)
    )
    assert one is not None
    assert two is not None
    assert one.usual == two.usual
    assert one.levers == two.levers
    assert 200 <= one.n_kept < 1000
    assert (one.onset_h > 24).all(), "who had no CRS by then has it later or never"
    for grade in (2, 3):
        assert one.usual[grade].low <= one.usual[grade].high
        for lever, difference in zip(one.levers, one.differences, strict=True):
            assert lever[grade].value - one.usual[grade].value == pytest.approx(
                difference[grade].value
            )


def test_grades_at_a_landmark_are_those_of_the_tracks() -> None:
    world, arm = world_of(), arm_of("tarlatamab")
    episode = run(arm, sample_conditional(KNOWN, arm=arm, world=world, seed=1, n=64), world=world)
    reached = sum((episode.tracks[f"first_{grade}"] <= 24).astype(int) for grade in (1, 2, 3, 4))
    np.testing.assert_array_equal(grade_by(episode, hour=24), reached)
