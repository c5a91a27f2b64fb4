"""Own worlds: simulated trials in which patients live under assumptions of their own.

How a published figure depends on several hundred constants is asked of one large simulated trial,
in which each patient's constants are drawn anew, instead of hundreds of trials under one set each.
A patient's outcome then says directly how the chance of it moves with the constants, and no patient
is spent on saying the same of one set again. In the same way the members of an ensemble share one
simulation, each with some patients of its own. Constants that belong to the timetable (when boluses
come) cannot differ between patients of one trial and stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial
from crsrisk.data.world import World
from crsrisk.executor import each_done
from crsrisk.simulation.arm import Arm, arms_by_tumour_type, make_arm
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.population import draw, transform_draws
from crsrisk.simulation.run import run
from crsrisk.uncertainty.constants import is_felt, with_product_values, with_world_values

Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Advance = Callable[[int], None]
CHUNK = 4096  # patients simulated together; each has some hundred numbers of his own
# laid out tick by tick before any patient is known
OF_THE_TIMETABLE = frozenset(
    f"assumption:exposure.{name}" for name in ("il2_boluses", "il2_interval_h", "dose_exponent")
)


def simulate_own_worlds(
    trial: Trial,
    *,
    products: Mapping[str, Product],
    values: Mapping[str, Values],
    n: int,
    world: World,
    seed: int,
    mitigations: tuple[str, ...] = (),
    workers: int = 1,
    advance: Advance | None = None,
) -> pd.DataFrame:
    """Outcomes of ``n`` patients of a trial, one row each in their order.

    Parameters
    ----------
    trial : whose product, regimen, population, policy and window are simulated. A pool of several
        products has an equal share of patients of each, the first first.
    products : those of the trial, by name.
    values : the constants that patients have of their own, by key, each of shape (n,); keys that
        the product cannot feel are passed over.
    world : everything else.
    mitigations : names of prophylaxis given to everybody before dose 1.
    """
    lots = np.array_split(np.arange(n), len(trial.products))
    pieces = (
        _Piece(product, rows, _felt(values, rows, product, trial))
        for product, lot in zip((products[name] for name in trial.products), lots, strict=True)
        for at in range(0, len(lot), CHUNK)
        for rows in [lot[at : at + CHUNK]]
    )
    task = partial(_simulated, trial=trial, world=world, seed=seed, mitigations=mitigations)

    def done(piece: _Piece) -> None:
        if advance is not None:
            advance(len(piece.rows))

    made = pd.concat(each_done(task, pieces, workers=workers, done=done), ignore_index=True)
    return made.sort_values("patient_id", ignore_index=True)


@dataclass(frozen=True, eq=False)
class _Piece:
    """Neighbouring patients of one product, and the constants of their own that they can feel."""

    product: Product
    rows: Rows
    own: Mapping[str, Values]


def _felt(
    values: Mapping[str, Values], rows: Rows, product: Product, trial: Trial
) -> dict[str, Values]:
    policy = trial.support_policy or product.support_policy
    return {
        key: value[rows]
        for key, value in values.items()
        if key not in OF_THE_TIMETABLE and is_felt(key, product=product, policy=policy)
    }


def _simulated(
    piece: _Piece, *, trial: Trial, world: World, seed: int, mitigations: tuple[str, ...]
) -> pd.DataFrame:
    """Outcomes of the patients of a piece."""
    first, stop = int(piece.rows[0]), int(piece.rows[-1]) + 1
    draws = draw(assumptions=world.assumptions, seed=seed, start=first, stop=stop)

    def arm_of(product: Product, here: World, population: str | None) -> Arm:
        return make_arm(
            product,
            world=here,
            regimen=trial.regimen,
            mitigations=mitigations,
            population=population,
            policy=trial.support_policy,
            window_d=trial.window_d,
        )

    tables = []
    for part, mine in arms_by_tumour_type(
        arm_of(piece.product, world, trial.population),
        world=world,
        seed=seed,
        patient_id=draws.patient_id,
    ):
        own = {key: value[mine] for key, value in piece.own.items()}
        here = with_world_values(world, own)
        arm = arm_of(with_product_values(piece.product, own), here, part.population.name)
        patients = transform_draws(draws, part.population, assumptions=world.assumptions, rows=mine)
        tables.append(outcomes(run(arm, patients, world=here), arm=arm, patients=patients))
    return pd.concat(tables, ignore_index=True)
