"""World courses: patients who each live in one member of the ensemble, followed once, with what a
ward reads of them after the dose.

What is true of a patient with a given course cannot be asked by simulating him again: another run
has another course. What is true of many patients alike can: of those of whom a model says the same,
so many have the event in this world and so many in that (:mod:`crsrisk.studies.world_spread`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.world import World
from crsrisk.executor import each_done
from crsrisk.simulation.arm import Arm, arms_by_tumour_type
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import course, outcomes
from crsrisk.uncertainty.own_worlds import CHUNK
from crsrisk.uncertainty.world_risks import (
    Advance,
    Rows,
    Values,
    own_constants,
    patients_of,
    run_in_own_worlds,
)

# patients in each member when a model is made: so many that patients alike to it are really alike
EACH = 200


@dataclass(frozen=True, eq=False)
class WorldCourses:
    """Patients of one product: the tables of a cohort, one row each in the same order, and
    ``member``, the number of the member that each lives in.
    """

    observed: pd.DataFrame
    outcomes: pd.DataFrame
    course: pd.DataFrame
    member: Rows


def world_courses(
    arm: Arm,
    *,
    ensemble: Ensemble,
    members: Rows,
    world: World,
    each: int,
    seed: int,
    is_new: bool = False,
    workers: int = 1,
    advance: Advance | None = None,
) -> WorldCourses:
    """Simulate ``each`` patients under every member, once.

    Arguments as in :func:`crsrisk.uncertainty.world_risks.world_risks`.
    """
    columns = own_constants(arm, ensemble=ensemble, world=world, is_new=is_new)
    n = len(members) * each
    task = partial(_followed, columns=columns, members=members, world=world, seed=seed)

    def done(piece: tuple[Arm, Rows]) -> None:
        if advance is not None:
            advance(len(piece[1]))

    pieces = [
        (here, rows[at : at + CHUNK])
        for here, rows in arms_by_tumour_type(arm, world=world, seed=seed, patient_id=np.arange(n))
        for at in range(0, len(rows), CHUNK)
    ]
    made = list(each_done(task, pieces, workers=workers, done=done))
    observed, followed, landmarks = (
        pd.concat(tables, ignore_index=True).sort_values("patient_id", ignore_index=True)
        for tables in zip(*made, strict=True)
    )
    return WorldCourses(observed, followed, landmarks, members[np.arange(n) % len(members)])


def _followed(
    piece: tuple[Arm, Rows],
    *,
    columns: Mapping[str, Values],
    members: Rows,
    world: World,
    seed: int,
) -> tuple[pd.DataFrame, ...]:
    """Tables of the patients of a piece: observed, outcomes, course."""
    here, rows = piece
    patients = patients_of(here, rows, world=world, seed=seed)
    lives_in = members[rows % len(members)]
    own = {key: values[lives_in] for key, values in columns.items()}
    episode = run_in_own_worlds(here, patients, own=own, world=world)
    return (
        observe(patients, arm=here, world=world, seed=seed),
        outcomes(episode, arm=here, patients=patients),
        # of a product that is not known a rare draw runs away; nobody is at risk any more by then
        course(episode, patients=patients).replace([np.inf, -np.inf], np.nan),
    )
