"""Observations: counts and times with their spreads, recalled figures less sure."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.evidence_files import load_trials
from crsrisk.simulation.evidence import published_interval
from crsrisk.uncertainty.observations import Target, kind_of, observe_target
from tests.simulation.people import world_of

_BY_ID = {figure.id: Target(figure, trial) for trial in load_trials() for figure in trial.rows}


def test_recalled_figures_have_twice_the_spread() -> None:
    world = world_of()
    sure, recalled = (observe_target(_BY_ID[name], world=world) for name in ("E095", "E091"))
    assert (
        recalled.between_sd
        == 2.0 * sure.between_sd
        == 2.0 * world.assumptions.value("evidence.between_trial_rate_sd")
    )


def test_kinds() -> None:
    assert [kind_of(_BY_ID[name]) for name in ("E030", "E035", "E172", "E175", "E173")] == [
        "rate",
        "rate",
        "severe",
        "severe",
        "time",
    ]


def test_a_median_printed_as_a_whole_number_is_known_to_within_a_half() -> None:
    """E173, a median of 2 days of 33 patients: the SD of rounding, 0.29 days, adds to that of the
    median, in logarithms.
    """
    found = observe_target(_BY_ID["E173"], world=world_of())
    alone = (
        np.log(published_interval(_BY_ID["E173"].figure, trial=_BY_ID["E173"].trial).high / 2.0)
        / 1.96
    )
    assert found.sampling_sd == pytest.approx(np.hypot(alone, np.sqrt(1 / 12) / 2.0), rel=1e-3)


def test_a_pool_counts_only_patients_who_are_not_counted_elsewhere_and_is_less_sure() -> None:
    """E005: 307 of 543 less 112 of 190 are 195 of 353; trials differ less on average, agents differ
    beside.
    """
    world = world_of()
    trials = [trial for trial in load_trials() if trial.name == "cell_pool"]
    pooled, alone = (
        observe_target(target, world=world)
        for target in (Target(trials[0].figures[0], trials[0]), _BY_ID["E030"])
    )
    assert (pooled.events, pooled.n) == (195.0, 353.0)
    agents, sd = (
        world.assumptions.value(f"evidence.between_{name}_sd") for name in ("agents", "trial_rate")
    )
    assert pooled.between_sd == pytest.approx(np.hypot(sd / np.sqrt(trials[0].n_trials), agents))
    assert alone.between_sd == pytest.approx(
        sd / np.sqrt(473**2 / (133**2 + 54**2 + 252**2 + 34**2)), rel=0.01
    )
