"""One patient under the ensemble: members by weight, differences paired, chance taken out of the
spread.
"""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.simulation.levers import levers
from crsrisk.uncertainty.one_patient import chosen_members, over_members, over_scenarios
from tests.simulation.people import arm_of, world_of

KNOWN = {"crp_mg_l": 40.0, "ecog": 1.0, "ldh_x_uln": 1.5}


def ensemble_of(weights: list[float]) -> Ensemble:
    return Ensemble(("assumption:x",), np.zeros((len(weights), 1)), np.array(weights), "")


def test_members_come_as_often_as_their_weight_asks() -> None:
    assert chosen_members(ensemble_of([0.5, 0.25, 0.25]), 8).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert chosen_members(ensemble_of([1.0]), 3).tolist() == [0, 0, 0]


@pytest.fixture(scope="module")
def spread() -> object:
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


def test_an_arm_that_changes_nothing_differs_by_nothing(spread: object) -> None:
    """Common random numbers: the same arm has the same fates, to the last patient."""
    nothing = spread.differences[0][2]  # type: ignore[attr-defined]
    assert (nothing.value, nothing.mc_error, nothing.low, nothing.high) == (0.0, 0.0, 0.0, 0.0)


def test_a_paired_difference_is_known_better_than_its_parts(spread: object) -> None:
    usual, with_it = spread.usual[2], spread.levers[1][2]  # type: ignore[attr-defined]
    change = spread.differences[1][2]  # type: ignore[attr-defined]
    assert change.value == pytest.approx(with_it.value - usual.value, abs=1e-12)
    assert change.mc_error < np.hypot(usual.mc_error, with_it.mc_error)
    for one in (usual, with_it):
        assert 0 <= one.low <= one.high <= 1
    three = spread.usual[3]  # type: ignore[attr-defined]
    assert three.value <= usual.value


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
    share, error = found["reference"]
    assert error == pytest.approx(np.sqrt(share * (1 - share) / 256))
