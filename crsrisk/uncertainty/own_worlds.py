"""Own worlds: simulated trials in which every patient lives under assumptions of his own.

How a published figure depends on several hundred constants is asked of one large simulated trial,
in which each patient's constants are drawn anew, instead of hundreds of trials under one set each.
A patient's outcome then says directly how the chance of it moves with the constants, and no patient
is spent on saying the same of one set again. Constants that belong to the timetable (when boluses
come) cannot differ between patients of one trial and stay at their medians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial
from crsrisk.data.world import World
from crsrisk.simulation.arm import arms_by_tumour_type, make_arm
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.population import draw, transform_draws
from crsrisk.simulation.run import run
from crsrisk.uncertainty.constants import (
    Constant,
    with_product_values,
    with_world_values,
)

Values = NDArray[np.float64]
Advance = Callable[[int], None]
CHUNK = 4096  # patients simulated together; each has some hundred numbers of his own
# laid out tick by tick before any patient is known
OF_THE_TIMETABLE = frozenset(
    f"assumption:exposure.{name}" for name in ("il2_boluses", "il2_interval_h", "dose_exponent")
)


@dataclass(frozen=True)
class OwnWorlds:
    """Patients of one trial and the scores of their own worlds.

    ``scores`` (patient, constant) are standard normal; ``outcomes`` has one row a patient in the
    same order.
    """

    scores: Values
    outcomes: pd.DataFrame


def simulate_own_worlds(
    trial: Trial,
    *,
    products: Mapping[str, Product],
    constants: Sequence[Constant],
    world: World,
    n: int,
    seed: int,
    workers: int = 1,
    advance: Advance | None = None,
) -> OwnWorlds:
    """``n`` patients of a trial, each under constants drawn from their priors.

    A pool of several products has an equal share of patients of each. The result depends on
    nothing but the trial, the constants and ``seed``.
    """
    scores = streams.normals(
        seed=seed, decision=f"own worlds {trial.name}", start=0, stop=n, width=len(constants)
    )
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n)
    lots = np.array_split(np.arange(n), len(trial.products))
    pieces = [
        (products[name], lot[at : at + CHUNK])
        for name, lot in zip(trial.products, lots, strict=True)
        for at in range(0, len(lot), CHUNK)
    ]

    def work(piece: tuple[Product, NDArray[np.int64]]) -> pd.DataFrame:
        product, rows = piece
        arm = make_arm(
            product,
            world=world,
            regimen=trial.regimen,
            population=trial.population,
            policy=trial.support_policy,
            window_d=trial.window_d,
        )
        tables = []
        for part, mine in arms_by_tumour_type(
            arm, world=world, seed=seed, patient_id=draws.patient_id[rows]
        ):
            values = {
                constant.key: constant.at(scores[rows[mine], k])
                for k, constant in enumerate(constants)
                if constant.key not in OF_THE_TIMETABLE
            }
            here = with_world_values(world, values)
            own = make_arm(
                with_product_values(product, values),
                world=here,
                regimen=trial.regimen,
                population=part.population.name,
                policy=trial.support_policy,
                window_d=trial.window_d,
            )
            patients = transform_draws(
                draws, part.population, assumptions=world.assumptions, rows=rows[mine]
            )
            episode = run(own, patients, world=here)
            tables.append(outcomes(episode, arm=own, patients=patients))
        if advance is not None:
            advance(len(rows))
        return pd.concat(tables, ignore_index=True)

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        made = pd.concat(list(pool.map(work, pieces)), ignore_index=True)
    return OwnWorlds(scores, made.sort_values("patient_id", ignore_index=True))
