"""World risks: patients who each live in one member of the ensemble, and how often they have CRS
there.

What a hospital's table shows of a patient is the same in every member; what happens to him is not.
So a model that was fitted in one world can be asked how far its risks lie from the true ones of all
the worlds that published figures cannot tell apart
(:mod:`crsrisk.model.world_spread`). Each patient is simulated a few times in his member, what was
not observed of him drawn anew. Every other member is kept: intervals are made from the *building*
members, and judged in the *held-out* ones (:data:`BUILDING`, :data:`HELD_OUT`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.world import World
from crsrisk.executor import each_done
from crsrisk.simulation.arm import Arm, arms_by_tumour_type, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import Patients, draw, transform_draws
from crsrisk.simulation.run import Episode, run
from crsrisk.simulation.true_risk import redrawn
from crsrisk.uncertainty.constants import is_felt, with_product_values, with_world_values
from crsrisk.uncertainty.forecast import member_columns
from crsrisk.uncertainty.one_patient import chosen_members
from crsrisk.uncertainty.own_worlds import CHUNK, OF_THE_TIMETABLE

Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Advance = Callable[[int], None]
BUILDING, HELD_OUT = 0, 1  # a member's number modulo 2
EACH, N_REPLICATES = 4, 32  # patients in each member, and simulations of each, when a model is made


@dataclass(frozen=True, eq=False)
class WorldRisks:
    """Patients of one product, one row each.

    ``observed``: the clinical table; ``member``: the number of the member that each lives in;
    ``n_grade2plus``, ``n_grade3plus`` (patients, 2): simulations with that grade or more, those of
    the first and of the second half of ``n_replicates``.
    """

    observed: pd.DataFrame
    member: Rows
    n_grade2plus: Rows
    n_grade3plus: Rows
    n_replicates: int


def members_of(ensemble: Ensemble, *, part: int) -> Rows:
    """Numbers of the building or of the held-out members, each as often as its weight asks."""
    return chosen_members(ensemble, len(ensemble))[part::2]


def world_risks(
    arm: Arm,
    *,
    ensemble: Ensemble,
    members: Rows,
    world: World,
    each: int,
    n_replicates: int,
    seed: int,
    is_new: bool = False,
    workers: int = 1,
    advance: Advance | None = None,
) -> WorldRisks:
    """Simulate ``each`` patients under every member, ``n_replicates`` (an even number) times each.

    Parameters
    ----------
    arm : product, regimen and care.
    members : numbers of members of ``ensemble``.
    is_new : whether the product is taken as one that no calibration has seen: its numbers are drawn
        from their priors, and how far it departs from what they explain from the spread between
        products that the calibration inferred.
    seed : of the patients; the same seed has the same patients in the same members.
    workers : threads. They change nothing in the result.
    """
    columns = own_constants(arm, ensemble=ensemble, world=world, is_new=is_new)
    n = len(members) * each
    task = partial(
        _grades_again,
        columns=columns,
        members=members,
        world=world,
        seed=seed,
        n_replicates=n_replicates,
    )

    def done(piece: tuple[Arm, Rows]) -> None:
        if advance is not None:
            advance(len(piece[1]))

    pieces = [
        (here, rows[at : at + CHUNK // n_replicates])
        for here, rows in arms_by_tumour_type(arm, world=world, seed=seed, patient_id=np.arange(n))
        for at in range(0, len(rows), CHUNK // n_replicates)
    ]
    made = list(each_done(task, pieces, workers=workers, done=done))
    order = np.argsort(np.concatenate([rows for _, rows, _ in made]), kind="stable")
    grades = np.concatenate([grades for _, _, grades in made])[order].reshape(n, 2, -1)
    return WorldRisks(
        observed=pd.concat([table for table, _, _ in made], ignore_index=True)
        .iloc[order]
        .reset_index(drop=True),
        member=members[np.arange(n) % len(members)],
        n_grade2plus=(grades >= 2).sum(axis=2),
        n_grade3plus=(grades >= 3).sum(axis=2),
        n_replicates=n_replicates,
    )


def _grades_again(
    piece: tuple[Arm, Rows],
    *,
    columns: Mapping[str, Values],
    members: Rows,
    world: World,
    seed: int,
    n_replicates: int,
) -> tuple[pd.DataFrame, Rows, Rows]:
    """Patients of a piece as they are observed, their numbers, and their grade in each
    repetition.
    """
    here, rows = piece
    patients = patients_of(here, rows, world=world, seed=seed)
    lives_in = members[rows % len(members)]
    grades = np.zeros((len(rows), n_replicates), dtype=np.int64)
    for some, again in redrawn(
        here, patients, world=world, seed=seed, given="observed", n_replicates=n_replicates
    ):
        at = np.repeat(lives_in[some], n_replicates)
        own = {key: values[at] for key, values in columns.items()}
        episode = run_in_own_worlds(here, again, own=own, world=world)
        window_h = 24.0 * here.window_d
        grades[some] = grade_within(episode, window_h=window_h).reshape(len(some), -1)
    return observe(patients, arm=here, world=world, seed=seed), rows, grades


def patients_of(arm: Arm, rows: Rows, *, world: World, seed: int) -> Patients:
    """The patients of these numbers, which ascend."""
    first, stop = int(rows[0]), int(rows[-1]) + 1
    draws = draw(assumptions=world.assumptions, seed=seed, start=first, stop=stop)
    return transform_draws(draws, arm.population, assumptions=world.assumptions, rows=rows - first)


def own_constants(arm: Arm, *, ensemble: Ensemble, world: World, is_new: bool) -> dict[str, Values]:
    """Every constant that this arm feels, by key, shape (members,); ``is_new`` as in
    :func:`world_risks`.
    """
    product, known = arm.product, ensemble
    if is_new:
        own = f"product:{product.name}."
        known = ensemble.without([key for key in ensemble.keys if key.startswith(own)])
    return {
        key: values
        for key, values in member_columns(known, world=world, products=[product]).items()
        if key not in OF_THE_TIMETABLE and is_felt(key, product=product, policy=arm.policy.name)
    }


def run_in_own_worlds(
    arm: Arm, patients: Patients, *, own: Mapping[str, Values], world: World
) -> Episode:
    """Run patients who each have constants of their own: ``own`` by key, shape (patients,)."""
    here = with_world_values(world, own)
    product = with_product_values(arm.product, own)
    own_arm = make_arm(
        product,
        world=here,
        regimen=arm.regimen_name,
        mitigations=arm.mitigations,
        population=arm.population.name,
        policy=arm.policy.name,
        window_d=arm.window_d,
    )
    return run(own_arm, patients, world=here)
