"""Run: the same patients give the same bytes however the work is cut; two arms of a patient differ
by the drug.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crsrisk.data.world import World
from crsrisk.simulation import run as run_module
from crsrisk.simulation.layout import ROW, SNAPSHOT, TICK_H, TRACE, TRACKS
from crsrisk.simulation.run import LANDMARKS_H, Episode, run
from tests.simulation.people import arm_of, episode, people, trace, walk, world_of


def same(one: Episode, other: Episode) -> bool:
    """Equal to the last bit, gaps included."""
    return (
        all(one.tracks[name].tobytes() == other.tracks[name].tobytes() for name in TRACKS)
        and one.snapshots.tobytes() == other.snapshots.tobytes()
        and one.traces.tobytes() == other.traces.tobytes()
    )


def test_shapes() -> None:
    arm = arm_of("tarlatamab")
    at = episode(arm, 21, has_traces=True)
    lead = 2  # dexamethasone an hour before
    assert set(at.tracks) == set(TRACKS)
    assert all(values.shape == (21,) for values in at.tracks.values())
    assert at.snapshots.shape == (len(LANDMARKS_H), len(SNAPSHOT), 21)
    assert at.traces.shape == (lead + 21 * 48, len(TRACE), 21)
    assert at.time_h[0] == -1.0
    assert np.diff(at.time_h) == pytest.approx(TICK_H)
    assert at.time_h[-1] == 21 * 24 - TICK_H
    assert episode(arm, 1).traces.shape[0] == 0


def test_workers_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    arm = arm_of("tebentafusp")
    one = episode(arm, 150, has_traces=True)
    assert same(one, episode(arm, 150, workers=2, has_traces=True))
    assert same(one, episode(arm, 150, workers=7, has_traces=True))
    monkeypatch.setattr(run_module, "_CHUNK", 37)
    assert same(one, episode(arm, 150, workers=2, has_traces=True))


def test_a_patient_alone_is_the_patient_in_the_crowd() -> None:
    for product in ("tarlatamab", "til_il2"):
        arm = arm_of(product)
        crowd = episode(arm, 120)
        alone = run(arm, people(arm, 1, start=83), world=world_of())
        for name in TRACKS:
            assert alone.tracks[name][0] == crowd.tracks[name][83], name
        assert np.array_equal(alone.snapshots[:, :, 0], crowd.snapshots[:, :, 83], equal_nan=True)


def test_the_python_walk_is_the_kernel() -> None:
    """The loop in tests/simulation/people.py, on which other tests lean, follows the compiled
    one.
    """
    for product in ("tarlatamab", "til_il2"):
        arm = arm_of(product)
        patients = people(arm, 16)
        kernel = run(arm, patients, world=world_of(), has_traces=True)
        for tick, (time_h, w) in enumerate(walk(arm, patients)):
            assert time_h == kernel.time_h[tick]
            assert np.array_equal(w[[ROW["grade"], ROW["is_open"]]], kernel.traces[tick, -2:])
            if tick % 50 == 0:
                assert w[:18] == pytest.approx(kernel.traces[tick, :18], rel=1e-9, abs=1e-12)


def test_snapshots_are_the_trace_at_the_landmarks() -> None:
    at = episode(arm_of("tebentafusp"), 40, has_traces=True)
    for k, hour in enumerate(LANDMARKS_H):
        tick = int(np.flatnonzero(at.time_h == hour)[0])
        for name in ("crp", "il6", "ferritin"):
            assert np.array_equal(at.snapshots[k, SNAPSHOT.index(name)], trace(at, name)[tick])
        assert np.array_equal(
            at.snapshots[k, SNAPSHOT.index("max_grade")], trace(at, "grade")[: tick + 1].max(axis=0)
        )


def test_landmarks_after_the_window_are_gaps() -> None:
    at = episode(arm_of("tebentafusp", window_d=2.0), 5)
    beyond = np.array(LANDMARKS_H) >= 48.0
    assert np.isnan(at.snapshots[beyond]).all()
    assert np.isfinite(at.snapshots[~beyond]).all()


def test_tracks_agree_with_traces() -> None:
    """Worst grade, first hours at each grade and peaks are those of the path."""
    at = episode(arm_of("til_il2"), 64, has_traces=True)
    grade = trace(at, "grade")
    assert np.array_equal(at.tracks["max_grade"], grade.max(axis=0))
    for k in (1, 2, 3, 4):
        ever = (grade >= k).any(axis=0)
        first = at.time_h[(grade >= k).argmax(axis=0)]
        assert np.array_equal(at.tracks[f"first_{k}"][ever], first[ever])
        assert (at.tracks[f"first_{k}"][~ever] >= 1e6).all()
    for name in ("il6", "crp", "ferritin"):  # tracked after each step; the trace lacks the last
        last = np.maximum(trace(at, name).max(axis=0), 0.0)
        assert (at.tracks[f"peak_{name}"] >= trace(at, name)[1:].max(axis=0)).all()
        assert at.tracks[f"peak_{name}"] == pytest.approx(last, rel=0.02)


def test_the_worst_grade_by_dose_is_the_worst_grade() -> None:
    tracks = episode(arm_of("tarlatamab"), 200).tracks
    by_dose = np.max([tracks[f"grade_dose_{k}"] for k in (1, 2, 3, 4)], axis=0)
    assert np.array_equal(by_dose, tracks["max_grade"])
    assert (tracks["grade_dose_4"] == 0).all(), "three doses fall into 21 days"


def test_a_shorter_window_sees_the_beginning_of_the_same_story() -> None:
    whole = episode(arm_of("tarlatamab"), 48, has_traces=True)
    ten = episode(arm_of("tarlatamab", window_d=10.0), 48, has_traces=True)
    assert ten.traces.tobytes() == whole.traces[: len(ten.traces)].tobytes()


def _with_idle_agent(world: World) -> World:
    """A world with an agent that does nothing, given four hours before the dose."""
    idle = world.mitigations["emapalumab"]
    acts = {node: effect.model_copy(update={"value": 0.0}) for node, effect in idle.acts_on.items()}
    twin = idle.model_copy(update={"name": "placebo", "acts_on": acts})
    return replace(world, mitigations={**world.mitigations, "placebo": twin})


def test_twins_differ_by_the_drug_alone() -> None:
    """The same patient under a placebo has the same measurement error, habits and occasions: the
    same grades.

    The placebo is given earlier than the dose, so the simulation starts earlier; only rounding may
    differ.
    """
    world = _with_idle_agent(world_of())
    plain = arm_of("tarlatamab", world=world, regimen="label_no_steroid")
    twin = arm_of("tarlatamab", world=world, regimen="label_no_steroid", mitigations=("placebo",))
    one, other = episode(plain, 400, world=world), episode(twin, 400, world=world)
    assert (one.tracks["max_grade"] > 0).sum() > 40
    assert (one.tracks["max_grade"] != other.tracks["max_grade"]).sum() <= 2
    assert np.abs(one.tracks["peak_crp"] / other.tracks["peak_crp"] - 1).max() < 0.02


def test_without_support_nobody_looks() -> None:
    tracks = episode(arm_of("til_il2"), 32, has_support=False).tracks
    for name in (
        "max_grade",
        "n_episodes",
        "n_tocilizumab",
        "n_steroid",
        "had_fluids",
        "peak_temperature",
    ):
        assert (tracks[name] == 0.0).all(), name
    assert (tracks["peak_il6"] > 0.0).all()
