"""Published: every trial of the evidence simulated over its own window, under its own policy, and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from crsrisk.domain.published import Comparison, Trial
from crsrisk.domain.world import World
from crsrisk.journey.designer import simulate_outcomes
from crsrisk.read.world import load_product
from crsrisk.simulate.evidence import compare


def compare_with_published(
    trials: Sequence[Trial], *, world: World, seed: int, n: int, n_rare: int, workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> list[Comparison]:
    """Simulate each trial (``n`` patients, ``n_rare`` for checkpoint inhibitors) and set it beside what it published.

    Trials that differ in nothing the simulator knows share one simulation.
    """
    done: dict[tuple[object, ...], pd.DataFrame] = {}

    def simulate_trial(trial: Trial) -> pd.DataFrame:
        product = load_product(trial.product)
        key = (trial.product, trial.regimen, trial.population, trial.support_policy, trial.window_d)
        if key not in done:
            done[key] = simulate_outcomes(
                product, world=world, n=n_rare if product.platform == "ici" else n, seed=seed, workers=workers,
                regimen=trial.regimen, population=trial.population, policy=trial.support_policy, window_d=trial.window_d)
        if advance is not None:
            advance(1)
        return done[key]

    return compare(trials, simulate_trial=simulate_trial)
