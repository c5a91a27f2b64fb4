"""World courses: patients who each live in one member of the ensemble, followed once, with what a
ward reads of them after the dose.

What is true of a patient with a given course cannot be asked by simulating him again: another run
has another course. What is true of many patients alike can: of those of whom a model says the same,
so many have the event in this world and so many in that (:mod:`crsrisk.studies.world_spread`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm, arms_by_tumour_type
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import course, outcomes
from crsrisk.simulation.population import draw, transform_draws
from crsrisk.uncertainty.own_worlds import CHUNK
from crsrisk.uncertainty.world_risks import Advance, Rows, own_constants, run_in_own_worlds

EACH = 60  # patients in each member when a model is made


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
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n)

    def part(here: Arm, rows: Rows) -> tuple[pd.DataFrame, ...]:
        patients = transform_draws(draws, here.population, assumptions=world.assumptions, rows=rows)
        lives_in = members[rows % len(members)]
        own = {key: values[lives_in] for key, values in columns.items()}
        episode = run_in_own_worlds(here, patients, own=own, world=world)
        if advance is not None:
            advance(len(rows))
        return (
            observe(patients, arm=here, world=world, seed=seed),
            outcomes(episode, arm=here, patients=patients),
            course(episode, patients=patients),
        )

    pieces = [
        (here, rows[at : at + CHUNK])
        for here, rows in arms_by_tumour_type(
            arm, world=world, seed=seed, patient_id=draws.patient_id
        )
        for at in range(0, len(rows), CHUNK)
    ]
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        made = list(pool.map(lambda piece: part(*piece), pieces))
    observed, followed, landmarks = (
        pd.concat(tables, ignore_index=True).sort_values("patient_id", ignore_index=True)
        for tables in zip(*made, strict=True)
    )
    return WorldCourses(observed, followed, landmarks, members[np.arange(n) % len(members)])
