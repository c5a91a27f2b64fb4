"""Cohort: simulate patients of one or many products and lay them out as a hospital, a trial and an
oracle see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crsrisk import __version__
from crsrisk.data.assumptions import digest_of
from crsrisk.data.cohort import Cohort
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import course, outcomes
from crsrisk.simulation.parameters import loads
from crsrisk.simulation.population import TRAITS, Draws, Patients, covariates, draw, transform_draws
from crsrisk.simulation.run import run

CHUNK = 20_000  # patients in memory at one time


def manifest(arms: Sequence[Arm], *, world: World, seed: int, n_patients: int) -> dict[str, Any]:
    """What it takes to make the same cohort again."""
    return {
        "version": __version__,
        "seed": seed,
        "n_patients": n_patients,
        "scenario": world.scenario.name,
        "assumptions": world.assumptions.digest,
        "world": world.digest,
        "arms": [
            {
                "product": arm.product.name,
                "regimen": arm.regimen_name,
                "mitigations": list(arm.mitigations),
                "population": arm.population.name,
                "support_policy": arm.policy.name,
                "window_d": arm.window_d,
                "product_digest": digest_of(arm.product.model_dump()),
            }
            for arm in arms
        ],
        "notice": (
            "Synthetic patients from a mechanistic model; research use; no external validation."
        ),
    }


def truth_table(patients: Patients, *, arm: Arm, world: World) -> pd.DataFrame:
    """What nobody at the bedside knows: true baseline values, unmeasured biology, antigen loads.
    Never a feature.
    """
    true = covariates(patients, arm.population)
    tumour, normal = loads(arm, patients, true, world=world)
    return pd.DataFrame(
        {
            "patient_id": patients.patient_id,
            **{f"true_{name}": true[name] for name in CONTINUOUS},
            **{f"trait_{name}": patients.traits[:, k] for k, name in enumerate(TRAITS)},
            "load_tumour": tumour,
            "load_normal": normal,
        }
    )


def _of_arm(
    arm: Arm,
    draws: Draws,
    *,
    world: World,
    seed: int,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    workers: int,
) -> tuple[pd.DataFrame, ...]:
    patients = transform_draws(draws, arm.population, assumptions=world.assumptions, rows=rows)
    episode = run(arm, patients, world=world, workers=workers)
    return (
        observe(patients, arm=arm, world=world, seed=seed),
        outcomes(episode, arm=arm, patients=patients),
        course(episode, patients=patients),
        truth_table(patients, arm=arm, world=world),
    )


def stream_cohort(
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    seed: int,
    workers: int = 1,
    chunk: int = CHUNK,
    start: int = 0,
) -> Iterator[Cohort]:
    """Simulate patients ``start`` to ``start + n_patients - 1`` and yield them in chunks of bounded
    size.

    Patient ``i`` receives arm ``i % len(arms)``. Chunk size and workers change nothing in the
    result.

    Raises :class:`InputError` when there are no arms or no patients.
    """
    if n_patients < 1 or not arms:
        raise InputError(
            where="cohort",
            key="n_patients",
            found=f"{n_patients} patients, {len(arms)} arms",
            expected="at least one of each",
            cure="ask for one patient and one product or more",
        )
    whole = manifest(arms, world=world, seed=seed, n_patients=n_patients)
    for first in range(start, start + n_patients, chunk):
        stop = min(first + chunk, start + n_patients)
        draws = draw(assumptions=world.assumptions, seed=seed, start=first, stop=stop)
        lot = draws.patient_id % len(arms)
        groups = [(arm, np.flatnonzero(lot == k)) for k, arm in enumerate(arms)]
        tables = [
            _of_arm(arm, draws, world=world, seed=seed, rows=rows, workers=workers)
            for arm, rows in groups
            if len(rows)
        ]
        joined = [
            pd.concat(parts, ignore_index=True).sort_values("patient_id", ignore_index=True)
            for parts in zip(*tables, strict=True)
        ]
        yield Cohort(
            observed=joined[0],
            outcomes=joined[1],
            course=joined[2],
            truth=joined[3],
            manifest=whole,
        )


def simulate_cohort(
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    seed: int,
    workers: int = 1,
    start: int = 0,
) -> Cohort:
    """All patients at once; for more than memory holds use :func:`stream_cohort`.

    >>> from crsrisk.data.world_files import load_product
    >>> from crsrisk.simulation.arm import make_arm
    >>> from crsrisk.data.world import load_world
    >>> world = load_world()
    >>> arm = make_arm(load_product("tarlatamab"), world=world)
    >>> simulate_cohort([arm], world=world, n_patients=20, seed=1).n_patients
    20
    """
    parts = list(
        stream_cohort(
            arms, world=world, n_patients=n_patients, seed=seed, workers=workers, start=start
        )
    )
    if len(parts) == 1:
        return parts[0]
    join = {
        name: pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        for name in ("observed", "outcomes", "course", "truth")
    }
    return Cohort(**join, manifest=parts[0].manifest)
