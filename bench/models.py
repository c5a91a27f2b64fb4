"""A model as it ships, for the benchmarks: fitted to simulated patients, with refits and its
neighbour for grade >= 3.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from crsrisk.data.cohort import Cohort
from crsrisk.data.world import load_world
from crsrisk.data.world_files import all_products
from crsrisk.model.companions import reference_groups, save_companions
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.refitting import make_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.cohort import simulate_cohort

N_PATIENTS, SEED = 4_000, 1


@dataclass(frozen=True)
class Fitted:
    """The model before the first dose, and the patients that it was fitted to."""

    cohort: Cohort
    model: RiskModel


@cache
def fitted(n_patients: int = N_PATIENTS) -> Fitted:
    """Simulated and fitted once a run."""
    world = load_world()
    arms = [make_arm(one, world=world) for one in all_products().values()]
    cohort = simulate_cohort(
        arms, world=world, n_patients=n_patients, seed=SEED, workers=os.cpu_count() or 1
    )
    return Fitted(
        cohort, fit(cohort.observed, cohort.outcomes, config=load_config("baseline"), seed=SEED)
    )


@contextmanager
def saved(some: Fitted, *, n_refits: int | None = None) -> Iterator[Path]:
    """The folder of the model with all that explaining needs, for as long as the block lasts."""
    observed, outcomes, severe = (
        some.cohort.observed,
        some.cohort.outcomes,
        load_config("grade3plus"),
    )
    with TemporaryDirectory() as home:
        for name, model, config in (
            ("baseline", some.model, load_config("baseline")),
            ("grade3plus", fit(observed, outcomes, config=severe, seed=SEED), severe),
        ):
            folder = save_model(model, Path(home) / name)
            refits = make_refits(
                model,
                observed,
                outcomes,
                config=config,
                seed=SEED,
                n=n_refits,
                workers=os.cpu_count() or 1,
            )
            save_companions(
                folder,
                model=model,
                reference=reference_groups(model, observed),
                refits=refits,
                grade3plus="grade3plus" if name == "baseline" else None,
            )
        yield Path(home) / "baseline"
