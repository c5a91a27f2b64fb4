"""The benchmark suite: its comparison solves the same patient, and its table says when a bar is
missed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.kernel import table
from bench.reference import by_solve_ivp, lane, reference, segments
from crsrisk.simulation.layout import N_STATES, WARD_TICKS
from tests.simulation.people import arm_of, people, world_of


def test_scipy_solves_the_same_patient() -> None:
    """One day of tebentafusp: plain Python under solve_ivp, and the compiled reference, agree at
    their tolerance.
    """
    arm = arm_of("tebentafusp", window_d=1.0)
    plan, w = lane(arm, people(arm, 1), world=world_of(), row=0)
    strict, parts = reference(plan, w), segments(plan, w)
    peak = np.maximum(np.abs(strict.states).max(axis=0), 1e-9)
    loose = by_solve_ivp(plan, w, parts=parts, rtol=1e-6, atol=1e-6 * peak)
    assert loose.states.shape == (len(plan.infusion), N_STATES)
    assert (np.abs(loose.states - strict.states[::5]) / peak).max() < 1e-4
    own_steps = by_solve_ivp(plan, w, parts=parts, rtol=1e-6, atol=1e-6 * peak, at_ticks=False)
    assert own_steps.peak("il6") == pytest.approx(strict.peak("il6"), rel=0.01)


def test_segments_are_cut_where_an_input_changes() -> None:
    """Three infusions of half an hour: six stretches; a steroid that wanes: one a visit of the
    ward, until it is gone.
    """
    arm = arm_of("tebentafusp")
    plan, w = lane(arm, people(arm, 1), world=world_of(), row=0)
    parts = segments(plan, w)
    assert [part.first for part in parts] == [0, 1, 336, 337, 672, 673]
    assert [part.last for part in parts] == [1, 336, 337, 672, 673, 1008]
    steroid = arm_of("tarlatamab", window_d=35.0)
    plan, w = lane(steroid, people(steroid, 1), world=world_of(), row=0)
    firsts = [part.first for part in segments(plan, w)]
    assert firsts[:100] == [WARD_TICKS * visit for visit in range(100)]
    assert len(plan.infusion) - firsts[-1] > 100  # below a millionth of a dose it counts as gone


def _found(ratio: float, per_s: float) -> dict[str, Any]:
    return {
        "open_loop": {
            "kernel_per_s": 1e4,
            "kernel_error": 1e-3,
            "kernel_peak_error": 5e-4,
            "scipy_per_s": 30.0,
            "scipy_error": 9e-4,
            "scipy_rtol": 1e-4,
            "ratio": ratio,
            "n_segments": 6,
        },
        "complete": {
            "per_s_and_core": per_s,
            "one_thread_per_s": 9e3,
            "two_threads_per_s": 1.7e4,
            "speed_up": 1.9,
        },
        "machine": {"load_1_min": 0.5},
    }


def test_the_table_says_when_a_bar_is_missed() -> None:
    assert table(_found(300.0, 24_000.0)).count("MISSED") == 0
    assert table(_found(100.0, 24_000.0)).count("MISSED") == 1
    assert table(_found(100.0, 12_000.0)).count("MISSED") == 2
