"""Trial: simulate what a published trial did, once for all trials that differ in nothing the simulator knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from crsrisk.domain.product import Product
from crsrisk.domain.published import Trial
from crsrisk.domain.world import World
from crsrisk.simulate.arm import make_arm
from crsrisk.simulate.outcomes import outcomes
from crsrisk.simulate.population import sample
from crsrisk.simulate.run import run


def simulate_outcomes(
    product: Product, *, world: World, n: int, seed: int, workers: int = 1, regimen: str | None = None,
    mitigations: tuple[str, ...] = (), population: str | None = None, policy: str | None = None,
    window_d: float | None = None,
) -> pd.DataFrame:
    """Outcomes table of ``n`` patients of one arm; the same patients in every arm (common random numbers)."""
    arm = make_arm(product, world=world, regimen=regimen, mitigations=mitigations, population=population, policy=policy,
                   window_d=window_d)
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    return outcomes(run(arm, patients, world=world, workers=workers), arm=arm, patients=patients)


def trial_simulator(
    products: Mapping[str, Product], *, world: World, n: int, n_rare: int, seed: int,
    mitigations: tuple[str, ...] = (), workers: int = 1,
) -> Callable[[Trial], pd.DataFrame]:
    """A function from a trial to its simulated outcomes: ``n`` patients, ``n_rare`` under checkpoint inhibitors.

    ``mitigations`` are given to everybody beside what the trial gives.

    Trials of one product with the same regimen, population, policy and window share one simulation. A pool of several
    products has an equal share of patients of each.
    """
    done: dict[tuple[object, ...], pd.DataFrame] = {}

    def simulate_one(name: str, trial: Trial, share: int) -> pd.DataFrame:
        product = products[name]
        key = (name, share, trial.regimen, trial.population, trial.support_policy, trial.window_d)
        if key not in done:
            done[key] = simulate_outcomes(
                product, world=world, n=(n_rare if product.platform == "ici" else n) // share, seed=seed, workers=workers,
                mitigations=mitigations, regimen=trial.regimen, population=trial.population, policy=trial.support_policy,
                window_d=trial.window_d)
        return done[key]

    def simulate(trial: Trial) -> pd.DataFrame:
        tables = [simulate_one(name, trial, len(trial.products)) for name in trial.products]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)

    return simulate
