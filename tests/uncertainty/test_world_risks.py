"""Patients in worlds of the ensemble: the same people, other fates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.cohort import simulate
from crsrisk.uncertainty.world_risks import (
    BUILDING,
    HELD_OUT,
    WorldRisks,
    members_of,
    world_risks,
)
from tests.uncertainty.few_members import few_members

SIZES = {"each": 4, "n_replicates": 8, "seed": 5}


def asked(
    *, workers: int = 1, is_new: bool = False, high: float = 2.2, ensemble: Ensemble | None = None
) -> WorldRisks:
    world = load_world()
    return world_risks(
        make_arm(load_product("tarlatamab"), world=world),
        ensemble=ensemble or few_members(4, high=high),
        members=np.arange(4),
        world=world,
        is_new=is_new,
        workers=workers,
        **SIZES,
    )


def test_building_and_held_out_members_share_none() -> None:
    ensemble = load_ensemble()
    building, held_out = (members_of(ensemble, part=part) for part in (BUILDING, HELD_OUT))
    assert not set(building) & set(held_out)
    assert len(building) == len(held_out) == len(ensemble) // 2


def test_the_same_on_any_number_of_threads() -> None:
    one, two = asked(), asked(workers=2)
    pd.testing.assert_frame_equal(one.observed, two.observed)
    np.testing.assert_array_equal(one.n_grade2plus, two.n_grade2plus)


def test_every_member_has_its_patients_and_they_look_the_same_in_every_world() -> None:
    one, other = asked(), asked(high=4.0)
    assert np.bincount(one.member).tolist() == [4, 4, 4, 4]
    pd.testing.assert_frame_equal(one.observed, other.observed)
    assert one.n_grade2plus.shape == (16, 2)
    assert (one.n_grade3plus <= one.n_grade2plus).all()
    # they are patients of the simulator as any others
    plain = simulate("tarlatamab", n=16, seed=5).X
    np.testing.assert_allclose(one.observed["crp_mg_l"], plain["crp_mg_l"])


def test_a_world_with_more_gain_of_t_cells_has_more_events() -> None:
    """The member with the highest gain against the lowest: the same draw of 8 x 4 futures; the gain
    differs by a factor of 4, so the counts are far apart (a fixed seed).
    """
    found = asked(high=4.0)
    total = np.bincount(found.member, weights=found.n_grade2plus.sum(axis=1))
    assert total[3] > total[0]


def test_a_new_product_has_numbers_from_its_priors() -> None:
    shipped = load_ensemble()
    known, new = (asked(is_new=is_new, ensemble=shipped) for is_new in (False, True))
    pd.testing.assert_frame_equal(known.observed, new.observed)
    assert (known.n_grade2plus != new.n_grade2plus).any()
