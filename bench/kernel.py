"""How fast the simulator is, and against whom.

(a) Open loop (no ward): the lockstep kernel against scipy's solve_ivp (LSODA, right-hand side in
plain Python, one patient at a time, one segment per dose and per end of an infusion), at equal
accuracy: both are measured against LSODA at rtol 1e-9, and scipy gets the loosest tolerance that is
as accurate as the kernel, or reaches 1e-3 when the kernel is better than that. scipy also gets the
kindest absolute tolerance, one per state, relative to its peak, and is timed on its own steps,
without interpolation.

(b) Complete patients: 21 days of tarlatamab's label with support, rescue and grading, from drawn
patients to recorded outcomes, tables not included; on one thread and on two.

"Per core" is per second of processor time, so that other work on the machine matters less; the
speed-up of the second thread needs the clock on the wall and an idle machine.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numba
import numpy as np
import scipy
from numpy.typing import NDArray

from bench.reference import Segment, Solution, by_solve_ivp, lane, reference, segments
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.simulation.arm import Arm, Timetable, make_arm
from crsrisk.simulation.layout import STATES, TRACE
from crsrisk.simulation.population import Patients, sample
from crsrisk.simulation.run import run

Values = NDArray[np.float64]
# a steroid would change the inputs every half hour, not once a dose
OPEN_LOOP = ("tarlatamab", "label_no_steroid")
COMPLETE = ("tarlatamab", "label")
TOLERANCES = (3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
TARGET = 1e-3  # accuracy at which speeds are compared
N_SCIPY, N_OPEN, N_COMPLETE = 10, 8192, 16384
BAR_RATIO, BAR_COMPLETE = 200.0, 20_000.0


@dataclass(frozen=True)
class OpenLoop:
    """Speeds in patients per second and core; errors as the largest |difference| / peak over states
    and times.
    """

    kernel_per_s: float
    kernel_error: float
    kernel_peak_error: float
    scipy_per_s: float
    scipy_error: float
    scipy_rtol: float
    ratio: float
    n_segments: int


@dataclass(frozen=True)
class Complete:
    """Patients per second with support, rescue and grading: of processor time, and on the wall."""

    per_s_and_core: float
    one_thread_per_s: float
    two_threads_per_s: float
    speed_up: float


def _arm(name: tuple[str, str], world: World) -> Arm:
    return make_arm(load_product(name[0]), world=world, regimen=name[1])


def _people(arm: Arm, n: int, world: World) -> Patients:
    return sample(arm.population, assumptions=world.assumptions, seed=1, start=0, stop=n)


def _seconds(work: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """Processor time of all threads, and time on the wall: the shortest of a few runs, for other
    work only adds.
    """
    times = []
    for _ in range(repeats):
        start = time.process_time(), time.perf_counter()
        work()
        times.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return min(used for used, _ in times), min(wall for _, wall in times)


def _error(states: Values, truth: Values) -> float:
    """Largest difference of any state at any half hour, relative to the state's peak."""
    peak = np.maximum(np.abs(truth).max(axis=0), 1e-12)
    return float((np.abs(states - truth) / peak).max())


@dataclass(frozen=True)
class _Case:
    """One patient for the comparison: what scipy needs, and the strict solution at every half
    hour.
    """

    plan: Timetable
    workspace: Values
    parts: list[Segment]
    truth: Solution

    @property
    def at_ticks(self) -> Values:
        """Strict states at the kernel's half hours, shape (tick, state)."""
        return self.truth.states[:: len(self.truth.time_h) // len(self.plan.infusion)]


def _cases(arm: Arm, patients: Patients, world: World) -> list[_Case]:
    cases = []
    for row in range(N_SCIPY):
        plan, w = lane(arm, patients, world=world, row=row)
        cases.append(_Case(plan, w, segments(plan, w), reference(plan, w)))
    return cases


def _scipy(case: _Case, rtol: float, *, at_ticks: bool) -> Solution:
    atol = rtol * np.maximum(np.abs(case.truth.states).max(axis=0), 1e-9)
    return by_solve_ivp(
        case.plan, case.workspace, parts=case.parts, rtol=rtol, atol=atol, at_ticks=at_ticks
    )


def open_loop(world: World) -> OpenLoop:
    """Measure (a)."""
    arm = _arm(OPEN_LOOP, world)
    cases = _cases(arm, _people(arm, N_SCIPY, world), world)
    few = run(arm, _people(arm, N_SCIPY, world), world=world, has_support=False, has_traces=True)
    path = few.traces[:, [TRACE.index(name) for name in STATES]]
    kernel_error = max(_error(path[:, :, row], case.at_ticks) for row, case in enumerate(cases))
    peaks = [
        abs(path[:, STATES.index(name), row].max() / case.truth.peak(name) - 1.0)
        for row, case in enumerate(cases)
        for name in ("il6", "crp", "temperature")
    ]
    accepted = max(kernel_error, TARGET)
    rtol, scipy_error = TOLERANCES[-1], np.inf
    for rtol in TOLERANCES:
        scipy_error = max(
            _error(_scipy(case, rtol, at_ticks=True).states, case.at_ticks) for case in cases
        )
        if scipy_error <= accepted:
            break
    scipy_s = (
        _seconds(lambda: [_scipy(case, rtol, at_ticks=False) for case in cases], repeats=2)[0]
        / N_SCIPY
    )
    many = _people(arm, N_OPEN, world)
    kernel_s = (
        _seconds(lambda: run(arm, many, world=world, has_support=False), repeats=3)[0] / N_OPEN
    )
    return OpenLoop(
        kernel_per_s=1.0 / kernel_s,
        kernel_error=kernel_error,
        kernel_peak_error=max(peaks),
        scipy_per_s=1.0 / scipy_s,
        scipy_error=float(scipy_error),
        scipy_rtol=rtol,
        ratio=scipy_s / kernel_s,
        n_segments=len(cases[0].parts),
    )


def complete(world: World) -> Complete:
    """Measure (b)."""
    arm = _arm(COMPLETE, world)
    patients = _people(arm, N_COMPLETE, world)
    run(arm, _people(arm, 32, world), world=world)
    used, one = _seconds(lambda: run(arm, patients, world=world, workers=1), repeats=8)
    _, two = _seconds(lambda: run(arm, patients, world=world, workers=2), repeats=8)
    return Complete(N_COMPLETE / used, N_COMPLETE / one, N_COMPLETE / two, one / two)


def measure() -> dict[str, Any]:
    """Both measurements and what they were made on, ready for JSON."""
    world = load_world()
    first, second = open_loop(world), complete(world)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "open_loop": asdict(first),
        "complete": asdict(second),
        "bars": {"ratio": BAR_RATIO, "complete_per_s": BAR_COMPLETE},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load_1_min": load},
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "assumptions": world.assumptions.digest,
    }


def table(found: dict[str, Any]) -> str:
    """The result in words."""
    a, b, load = found["open_loop"], found["complete"], found["machine"]["load_1_min"]
    verdict = {True: "met", False: "MISSED"}
    rows = [
        ("(a) open loop, 21 days, per core", "patients/s", "state error", "bar"),
        ("kernel, half-hour step", f"{a['kernel_per_s']:,.0f}", f"{a['kernel_error']:.1e}", ""),
        (
            f"solve_ivp LSODA, rtol {a['scipy_rtol']:g}",
            f"{a['scipy_per_s']:,.1f}",
            f"{a['scipy_error']:.1e}",
            "",
        ),
        (
            "ratio",
            f"{a['ratio']:,.0f} x",
            "",
            f"{BAR_RATIO:g} x: {verdict[a['ratio'] >= BAR_RATIO]}",
        ),
        (
            "peak IL-6, CRP, temperature",
            "",
            f"{a['kernel_peak_error']:.1e}",
            "1e-3: " + verdict[a["kernel_peak_error"] <= TARGET],
        ),
        ("(b) complete patients, 21 days", "patients/s", "", ""),
        (
            "per core (processor time)",
            f"{b['per_s_and_core']:,.0f}",
            "",
            f"{BAR_COMPLETE:,.0f}: {verdict[b['per_s_and_core'] >= BAR_COMPLETE]}",
        ),
        ("one thread, on the wall", f"{b['one_thread_per_s']:,.0f}", "", ""),
        (
            "two threads, on the wall",
            f"{b['two_threads_per_s']:,.0f}",
            f"{b['speed_up']:.2f} x",
            "close to 2 x",
        ),
    ]
    lines = [
        f"{name:<36}{speed:>12}  {error:>12}  {bar}".rstrip() for name, speed, error, bar in rows
    ]
    lines.append(
        f"load of the machine while measuring: {load:.1f} (on two cores, above 1 it distorts the"
        " wall times)"
    )
    return "\n".join(lines)
