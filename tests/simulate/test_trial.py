"""Simulated trials: shared where they are the same, and pools with an equal share of each product."""

from __future__ import annotations

import pandas as pd

from crsrisk.domain.published import Trial
from crsrisk.read.published import load_trials
from crsrisk.read.world import load_product
from crsrisk.simulate.trial import simulate_outcomes, trial_simulator
from tests.simulate.people import world_of


def _trial(**change: object) -> Trial:
    base = next(trial for trial in load_trials() if trial.name == "tarlatamab_label_2025")
    return base.model_copy(update=change)


def test_a_pool_is_made_of_equal_shares() -> None:
    world, names = world_of(), ("tarlatamab", "acapatamab")
    products = {name: load_product(name) for name in names}
    simulate = trial_simulator(products, world=world, n=24, n_rare=24, seed=5)
    pooled = simulate(_trial(name="pool", pooled_with=["acapatamab"]))
    apart = [simulate_outcomes(products[name], world=world, n=12, seed=5, window_d=28.0) for name in names]
    pd.testing.assert_frame_equal(pooled, pd.concat(apart, ignore_index=True))


def test_trials_that_differ_in_nothing_share_a_simulation() -> None:
    simulate = trial_simulator({"tarlatamab": load_product("tarlatamab")}, world=world_of(), n=12, n_rare=12, seed=5)
    assert simulate(_trial()) is simulate(_trial(name="again"))
    assert simulate(_trial(window_d=21.0)) is not simulate(_trial())
