"""One patient over the assumptions: shares, levers and scenarios before the dose, and some hours
after it among those who stand where the patient stands.
"""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.simulation.levers import later_levers, levers, past_levers
from crsrisk.simulation.run import run
from crsrisk.simulation.similar_patients import sample_conditional
from crsrisk.uncertainty.one_patient import (
    PatientSpread,
    chosen_members,
    grade_by,
    over_members,
    over_members_later,
    over_scenarios,
)
from tests.simulation.people import arm_of, world_of

KNOWN = {"crp_mg_l": 40.0, "ecog": 1.0, "ldh_x_uln": 1.5}


def ensemble_of(weights: list[float]) -> Ensemble:
    return Ensemble(("assumption:x",), np.zeros((len(weights), 1)), np.array(weights), "")


def test_members_come_as_often_as_their_weight_asks() -> None:
    assert chosen_members(ensemble_of([0.5, 0.25, 0.25]), 8).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert chosen_members(ensemble_of([1.0]), 3).tolist() == [0, 0, 0]


@pytest.fixture(scope="module")
def spread() -> PatientSpread:
    arm, world = arm_of("tarlatamab"), world_of()
    same = [arm, levers(arm, world=world)[0].arm]
    return over_members(
        KNOWN,
        arm=arm,
        changed=same,
        ensemble=load_ensemble(),
        world=world,
        seed=2,
        n_members=12,
        n_people=96,
    )


def test_an_arm_that_changes_nothing_differs_by_nothing(spread: PatientSpread) -> None:
    """Common random numbers: the same arm has the same outcomes, to the last patient."""
    nothing = spread.differences[0].grade2plus
    assert (nothing.value, nothing.mc_error, nothing.low, nothing.high) == (0.0, 0.0, 0.0, 0.0)


def test_a_paired_difference_is_known_better_than_its_parts(spread: PatientSpread) -> None:
    usual, with_it = spread.usual.grade2plus, spread.levers[1].grade2plus
    change = spread.differences[1].grade2plus
    assert change.value == pytest.approx(with_it.value - usual.value, abs=1e-12)
    assert change.mc_error is not None
    assert usual.mc_error is not None
    assert with_it.mc_error is not None
    assert change.mc_error < np.hypot(usual.mc_error, with_it.mc_error)
    for one in (usual, with_it):
        assert 0 <= one.low <= one.high <= 1
    assert spread.usual.grade3plus is not None
    assert spread.usual.grade3plus.value <= usual.value


def test_workers_change_nothing() -> None:
    arm, world = arm_of("tarlatamab"), world_of()
    members = load_ensemble()
    one, two = (
        over_members(
            KNOWN,
            arm=arm,
            changed=[],
            ensemble=members,
            world=world,
            seed=2,
            n_members=4,
            n_people=64,
            workers=workers,
        )
        for workers in (1, 2)
    )
    assert one.usual == two.usual


def test_scenarios_draw_the_same_people() -> None:
    arm = arm_of("tarlatamab")
    worlds = {
        "reference": world_of(),
        "again": world_of(),
        "burden_strong": world_of("burden_strong"),
    }
    found = over_scenarios(
        {**KNOWN, "sum_of_diameters_mm": 400.0}, arm=arm, worlds=worlds, seed=2, n=256
    )
    assert found["reference"] == found["again"]
    assert found["burden_strong"] != found["reference"]
    share = found["reference"].value
    assert found["reference"].mc_error == pytest.approx(np.sqrt(share * (1 - share) / 256))


KNOWN_BEFORE = {"age_years": 66.0, "crp_mg_l": 42.0}


@pytest.mark.parametrize("product", ["tarlatamab", "tebentafusp", "psma_masked_engager"])
def test_a_later_lever_leaves_the_hours_before_as_they_were(product: str) -> None:
    """To the last bit: temperature, laboratory values and grade at the landmark of the same
    people.
    """
    world, arm = world_of(), arm_of(product)
    people = sample_conditional(KNOWN_BEFORE, arm=arm, world=world, seed=1, n=64)
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
            KNOWN_BEFORE,
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
    assert 200 <= one.n_people < 1000
    assert (one.onset_h > 24).all(), "who had no CRS by then has it later or never"
    for grade, usual in one.usual.items():
        assert usual.low <= usual.high
        for lever, difference in zip(one.levers, one.differences, strict=True):
            change = dict(lever.items())[grade].value - usual.value
            assert change == pytest.approx(dict(difference.items())[grade].value)


def test_grades_at_a_landmark_are_those_of_the_tracks() -> None:
    world, arm = world_of(), arm_of("tarlatamab")
    episode = run(
        arm, sample_conditional(KNOWN_BEFORE, arm=arm, world=world, seed=1, n=64), world=world
    )
    reached = sum((episode.tracks[f"first_{grade}"] <= 24).astype(int) for grade in (1, 2, 3, 4))
    np.testing.assert_array_equal(grade_by(episode, hour=24), reached)
