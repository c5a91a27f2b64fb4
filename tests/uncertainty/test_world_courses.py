"""Patients followed once in worlds of the ensemble: the same people, other courses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.cohort import simulate
from crsrisk.uncertainty.world_courses import WorldCourses, world_courses
from tests.uncertainty.few_members import few_members


def followed(*, workers: int = 1, high: float = 2.2) -> WorldCourses:
    world = load_world()
    return world_courses(
        make_arm(load_product("tarlatamab"), world=world),
        ensemble=few_members(4, high=high),
        members=np.arange(4),
        world=world,
        each=30,
        seed=5,
        workers=workers,
    )


def test_the_same_on_any_number_of_threads() -> None:
    one, two = followed(), followed(workers=2)
    for name in ("observed", "outcomes", "course"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.member, two.member)


def test_they_are_patients_of_the_simulator_as_any_others() -> None:
    """The clinical table before the dose is the same in every world; fates are not."""
    found, cohort = followed(), simulate("tarlatamab", n=120, seed=5)
    pd.testing.assert_frame_equal(found.observed, cohort.observed, rtol=1e-9)
    assert list(found.course) == list(cohort.course)
    assert list(found.outcomes) == list(cohort.outcomes)
    assert (found.outcomes["crs_any"] != cohort.outcomes["crs_any"]).any()


def test_a_world_with_more_gain_of_t_cells_has_more_events() -> None:
    """30 patients in each of two worlds that are a factor of 4 apart, a fixed seed."""
    found = followed(high=4.0)
    events = np.bincount(found.member, weights=found.outcomes["crs_grade2plus"])
    assert events[3] > events[0]
    assert np.bincount(found.member).tolist() == [30] * 4
