"""What must hold along every trajectory: bounds, grades, resolution, the caps of tocilizumab."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from crsrisk.simulation.arm import Arm
from crsrisk.simulation.layout import ROW, STATES, WARD_H
from crsrisk.simulation.population import HABITS, TRAITS, Patients, covariates
from crsrisk.simulation.run import run
from tests.simulation.people import (
    PRODUCTS,
    Values,
    arm_of,
    people,
    trace,
    walk,
    with_policy,
    world_of,
)

FRACTIONS = (
    "desensitised",
    "slowly_desensitised",
    "myeloid",
    "tolerance",
    "leak",
    "lung_water",
    "organ_injury",
)


def stretched(patients: Patients) -> Patients:
    """The same patients, every unmeasured trait three SD out, half of them upwards."""
    signs = np.where(np.arange(len(patients)) % 2 == 0, 3.0, -3.0)[:, None]
    return replace(patients, traits=signs * np.ones((1, len(TRAITS))))


@pytest.mark.parametrize("product", PRODUCTS)
def test_states_stay_inside_their_bounds(product: str) -> None:
    """No amount falls below 0, no fraction leaves 0 to 1, nobody boils; also for patients that
    nearly never occur.
    """
    arm = arm_of(product)
    usual = people(arm, 32)
    for patients in (usual, stretched(usual)):
        at = run(arm, patients, world=world_of(), has_traces=True)
        assert np.isfinite(at.traces).all()
        for name in STATES:
            slack = 1e-9 * np.abs(trace(at, name)).max()
            assert trace(at, name).min() >= -slack, name
        for name in FRACTIONS:
            assert trace(at, name).max() <= 1.0, name
        assert (trace(at, "temperature") >= trace(at, "temperature")[0] - 1e-9).all()
        highest = world_of().assumptions.value("vitals.highest_temperature_c")
        assert trace(at, "temperature").max() <= highest
        # infused cells arrive whatever the ceiling of their expansion
        if arm.regimen.route != "cells":
            ceiling = max(arm.product.kinetics.expansion_ceiling.value, trace(at, "cells")[0].max())
            assert trace(at, "cells").max() <= ceiling * (1 + 1e-9)


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_grade_is_0_to_4_and_above_0_only_in_open_crs(product: str) -> None:
    at = run(arm_of(product), people(arm_of(product), 64), world=world_of(), has_traces=True)
    visits = at.time_h % WARD_H == 0.0
    grade, is_open = trace(at, "grade")[visits], trace(at, "is_open")[visits]
    assert set(np.unique(grade)) <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert (grade[is_open > 0] >= 1).all()
    closing = (is_open == 0) & (grade > 0)  # graded, then found to have been quiet long enough
    assert (grade[closing] == 1).all()
    assert (is_open[:-1][closing[1:]] == 1).all()


@pytest.mark.parametrize("product", ["tebentafusp", "til_il2", "tarlatamab"])
def test_an_episode_ends_only_after_a_stretch_without_any_sign(product: str) -> None:
    """ASTCT: resolved when every sign and all support are gone; a sign is a febrile look or grade 2
    and above.

    The signs are reconstructed here from temperature, noise and the time of the looks.
    """
    arm = arm_of(product)
    needed = world_of().assumptions.value("grading.quiet_needed_h")
    fever_at = world_of().assumptions.value("grading.fever_at_c")
    due, was_open = np.ones(16, dtype=bool), np.zeros(16)
    last_sign = np.full(16, -np.inf)
    closed = 0
    for time_h, w in walk(arm, people(arm, 16)):
        if time_h < 0 or time_h % WARD_H:
            continue
        seen = w[ROW["temperature"]] + w[ROW["sd_temperature"]] * w[ROW["noise_temperature"]]
        sign = (due & (seen >= fever_at)) | (w[ROW["grade"]] >= 2)
        last_sign = np.where(sign, time_h, last_sign)
        is_open = w[ROW["is_open"]].copy()
        ends = (was_open > 0) & (is_open == 0)
        assert (time_h - last_sign[ends] == needed).all()
        begins = (was_open == 0) & (is_open > 0)
        assert sign[begins].all()
        closed += int(ends.sum())
        due, was_open = w[ROW["to_next_look"]] <= 0, is_open
    assert closed > 3


def _eager_ward() -> Arm:
    """Cells with interleukin-2 (the most severe product) in a ward that gives tocilizumab whenever
    it may.
    """
    world = with_policy(
        world_of(),
        "standard_astct",
        tocilizumab_share_grade1=1.0,
        tocilizumab_share_grade2=1.0,
        tocilizumab_share_grade3=1.0,
        rescue_delay_h=0.0,
        fluids_below_map_mmhg=85.0,
        fluids_map_fall_mmhg=5.0,
    )
    return arm_of("til_il2", world=world, mitigations=("tocilizumab",))


def test_tocilizumab_keeps_its_caps_on_every_path() -> None:
    """At most 800 mg a dose, 3 doses in any 24 h, 4 rescue doses an episode; prophylaxis counts
    among the 3.
    """
    arm = _eager_ward()
    patients = people(arm, 16)
    patients = replace(patients, habits=np.zeros((16, len(HABITS))))
    kg = covariates(patients, arm.population)["weight_kg"]
    given: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    plasma, rescued = np.zeros(16), np.zeros(16)
    for time_h, w in walk(arm, patients, world=world_of()):
        if time_h % WARD_H:
            continue
        # shown after the decay of the coming hour
        added = w[ROW["amount_0"]] / w[ROW["keep_0"]] - plasma
        assert added.min() > -1e-9
        for lane in np.flatnonzero(added > 1e-9).tolist():
            assert added[lane] * 8.0 * kg[lane] <= 800.0 + 1e-6
            given[lane].append((time_h, int(w[ROW["n_episodes"], lane])))
        plasma, rescued = w[ROW["amount_0"]].copy(), w[ROW["n_tocilizumab"]].copy()
    assert max(len(doses) for doses in given.values()) >= 5, "the ward must have tried"
    for lane, doses in given.items():
        times = np.array([time for time, _ in doses])
        assert len(doses) == rescued[lane] + 1, "every rescue, and the prophylactic dose"
        assert max(((times >= start) & (times < start + 24.0)).sum() for start in times) <= 3
        episodes = [episode for _, episode in doses[1:]]
        assert max(episodes.count(k) for k in set(episodes) or {0}) <= 4


def _signals(arm: Arm, name: str) -> Values:
    at = run(arm, people(arm, 16), world=world_of(), has_traces=True)
    return trace(at, name)


def test_time_runs_from_the_first_dose() -> None:
    """Nobody looks before the first dose: grades start at hour 0 whatever premedication comes
    before.
    """
    arm = arm_of("tarlatamab", mitigations=("emapalumab",))
    at = run(arm, people(arm, 64), world=world_of(), has_traces=True)
    assert at.time_h[0] == -4.0
    assert (trace(at, "grade")[at.time_h < 0] == 0).all()
    onset = at.tracks["first_1"][at.tracks["max_grade"] > 0]
    assert onset.min() >= 0.0
    assert (onset / WARD_H % 1 == 0).all()
    assert (_signals(arm, "central")[at.time_h < 0] == 0.0).all()
