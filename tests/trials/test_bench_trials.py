"""The benchmark of trials compares like with like, and its table says when a bar is missed."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.trials import plain_trial, plain_trials, sized_design, table, vectorised_trials
from crsrisk.trials.simulated_trials import simulated_power


def test_the_plain_way_gives_the_same_power() -> None:
    """With 1500 and 20,000 trials, four errors: a right pair differs by more in 0.006% of seeds."""
    sized = sized_design()
    ours = simulated_power(sized, n_sim=20_000, seed=1)
    for power in (
        plain_trials(sized, n_sim=1500, seed=1),
        vectorised_trials(sized, n_sim=1500, seed=1),
    ):
        assert abs(power - ours.value) <= 4 * np.hypot(ours.mc_error, np.sqrt(0.8 * 0.2 / 1500))


def test_a_plain_trial_stops_at_the_look_that_convinces() -> None:
    rng = np.random.default_rng(1)
    assert plain_trial(rng, at_look=[100, 200], level=[1.0, 1.0], risk_ratio=0.5) == (True, 100)
    assert plain_trial(rng, at_look=[100, 200], level=[0.0, 0.0], risk_ratio=0.5) == (False, 200)


def found(seconds: float, grid_seconds: float, memory_mb: float) -> dict[str, Any]:
    return {
        "trials": {
            "seconds": seconds,
            "plain_seconds": 2.0,
            "vectorised_seconds": 0.5,
            "ratio": 2.0 / seconds,
            "vectorised_ratio": 0.5 / seconds,
            "power": 0.8,
            "plain_power": 0.81,
            "vectorised_power": 0.79,
            "n_max": 312,
        },
        "grid": {
            "cells": 200,
            "seconds": grid_seconds,
            "plain_seconds": 400.0,
            "ratio": 400.0 / grid_seconds,
        },
        "memory_mb": memory_mb,
        "machine": {"load_1_min": 0.5},
    }


def test_the_table_says_when_a_bar_is_missed() -> None:
    assert table(found(0.1, 20.0, 300.0)).count("MISSED") == 0
    assert table(found(1.1, 20.0, 300.0)).count("MISSED") == 1
    assert table(found(1.1, 61.0, 501.0)).count("MISSED") == 3
