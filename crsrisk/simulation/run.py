"""Run: patients of one arm through the compiled solver, on one thread or several, with the same
result.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.world import World
from crsrisk.executor import each_done, is_elsewhere
from crsrisk.simulation.arm import Arm, timetable
from crsrisk.simulation.layout import LANES, SNAPSHOT, TICK_H, TRACE, TRACKS
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import Patients, take
from crsrisk.simulation.solve import run_patients

Values = NDArray[np.float64]
LANDMARKS_H: tuple[float, ...] = (6.0, 12.0, 24.0, 36.0, 48.0, 72.0, 168.0)
_CHUNK = 4096  # patients simulated by one thread at one time


@dataclass(frozen=True)
class Episode:
    """What the solver recorded of a group of patients.

    ``tracks`` by name, each of shape (n,); ``snapshots`` of shape (landmark, quantity of SNAPSHOT,
    n); ``traces`` of shape (tick, quantity of TRACE, n), empty unless asked for; ``time_h`` of the
    ticks. ``multiple_boluses_h`` (hours under fluids that count as several boluses, Penn scale) and
    ``hlh_ferritin_ug_l`` (ferritin that flags a course like hemophagocytic lymphohistiocytosis) are
    those of the world it was simulated in.
    """

    tracks: dict[str, Values]
    snapshots: Values
    traces: Values
    time_h: Values
    multiple_boluses_h: float
    hlh_ferritin_ug_l: float


def run(
    arm: Arm,
    patients: Patients,
    *,
    world: World,
    workers: int = 1,
    substeps: int = 1,
    has_support: bool = True,
    has_traces: bool = False,
) -> Episode:
    """Simulate every patient of an arm from the first dose to the end of the window.

    ``substeps`` divides every step of the solver (2 halves it). ``has_support=False`` leaves the
    ward out: no grading, no rescue, an open loop for checks against other solvers. The result does
    not depend on ``workers``.
    """
    each = min(_CHUNK, -(-len(patients) // (LANES * max(1, workers))) * LANES)
    rows = [np.arange(at, min(at + each, len(patients))) for at in range(0, len(patients), each)]

    work = partial(
        _run_chunk,
        arm,
        world=world,
        substeps=substeps,
        has_support=has_support,
        has_traces=has_traces,
    )
    groups = (take(patients, some) for some in rows)
    if is_elsewhere() and len(rows) > 1:
        parts = list(each_done(work, groups))
    else:
        with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
            parts = list(pool.map(work, groups))
    if len(parts) == 1:
        return parts[0]
    tracks = {name: np.concatenate([part.tracks[name] for part in parts]) for name in TRACKS}
    return Episode(
        tracks,
        np.concatenate([part.snapshots for part in parts], axis=2),
        np.concatenate([part.traces for part in parts], axis=2),
        parts[0].time_h,
        parts[0].multiple_boluses_h,
        parts[0].hlh_ferritin_ug_l,
    )


def _run_chunk(
    arm: Arm,
    patients: Patients,
    *,
    world: World,
    substeps: int,
    has_support: bool,
    has_traces: bool,
) -> Episode:
    plan = timetable(arm, world=world)
    n = len(patients)
    padded = -(-n // LANES) * LANES
    fill = np.minimum(np.arange(padded), n - 1)
    parameters = np.ascontiguousarray(
        patient_parameters(arm, patients, world=world, plan=plan)[:, fill]
    )
    keys = np.ascontiguousarray(patients.keys[fill])
    n_ticks = len(plan.infusion)
    at = np.array([plan.lead + round(hour / TICK_H) for hour in LANDMARKS_H], dtype=np.int64)
    tracks = np.empty((len(TRACKS), padded))
    snapshots = np.full((len(LANDMARKS_H), len(SNAPSHOT), padded), np.nan)
    traces = np.empty((n_ticks if has_traces else 0, len(TRACE), padded))
    run_patients(
        parameters,
        keys,
        plan.infusion,
        plan.depot,
        plan.interleukin_2,
        plan.dose_number,
        plan.slots,
        plan.pairs,
        at,
        plan.lead,
        plan.pieces * substeps,
        has_support,
        0,
        padded,
        tracks,
        snapshots,
        traces,
    )
    time_h = (np.arange(n_ticks, dtype=np.float64) - plan.lead) * TICK_H
    return Episode(
        {name: tracks[k, :n] for k, name in enumerate(TRACKS)},
        snapshots[:, :, :n],
        traces[:, :, :n],
        time_h,
        world.assumptions.value("grading.multiple_boluses_h"),
        world.assumptions.value("grading.hlh_ferritin_ug_l"),
    )
