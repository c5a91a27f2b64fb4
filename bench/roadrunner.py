"""The same mechanism by libRoadRunner, which compiles the exported SBML and integrates it with
CVODE.

One patient after the other with changed constants, at equal accuracy: both are measured against the
strict solution of `bench/reference.py` at every half hour, and libRoadRunner may be as inaccurate
as the kernel, or 1e-3 when the kernel is better than that. Two settings that keep to this are
shown: the fastest of a usual user's (CVODE as it comes, for stiff systems, with one absolute
tolerance) and the fastest of all (also Adams, and a tolerance for each state by its peak, which
nobody knows beforehand). The bar is judged for both. Not timed: compiling the model, working out
constants (the kernel's time includes that), and output between begin and end.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import roadrunner  # type: ignore[import-untyped]
from numpy.typing import NDArray

from bench import kernel
from bench.reference import lane, reference
from crsrisk.data.world import World, load_world
from crsrisk.simulation.arm import Arm, timetable
from crsrisk.simulation.equations import equations, evaluate
from crsrisk.simulation.layout import PARAMETERS, STATES, TICK_H, TRACE
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import Patients
from crsrisk.simulation.run import run
from crsrisk.studies.export import mechanism_sbml

Values = NDArray[np.float64]
ARMS = (("tarlatamab", "label_no_steroid"), ("tarlatamab", "label"), ("gpc3_car_t", "dose_2000"))
TOLERANCES = (3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
SCALAR_ATOL = 1e-3  # absolute over relative tolerance: fractions of 1 matter, picograms do not
N_PEER, N_KERNEL = 10, 8192
BAR_RATIO, AIM_RATIO = 20.0, 50.0
TARGET = kernel.TARGET
roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)


@dataclass(frozen=True)
class Setting:
    """How CVODE runs: backward differentiation or Adams, tolerance for each state by its peak or
    one for all.
    """

    is_stiff: bool
    is_by_state: bool
    rtol: float

    @property
    def label(self) -> str:
        """In a few words."""
        method = "BDF" if self.is_stiff else "Adams"
        return f"{method}, rtol {self.rtol:g}{', atol by state' if self.is_by_state else ''}"


@dataclass(frozen=True)
class Peer:
    """libRoadRunner at one setting: patients per second and core, error, and the kernel's speed
    over its speed.
    """

    setting: str
    per_s: float
    error: float
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """One arm; errors are the largest |difference| / peak over states and half hours."""

    product: str
    regimen: str
    kernel_per_s: float
    kernel_error: float
    usual: Peer
    best: Peer


class Model:
    """An arm's exported mechanism in libRoadRunner, for any of its patients."""

    def __init__(self, arm: Arm, *, world: World) -> None:
        plan = timetable(arm, world=world)
        self._equations, self._n_ticks = equations(plan), len(plan.infusion)
        self._runner = roadrunner.RoadRunner(mechanism_sbml(arm, world=world))
        self._runner.selections = list(STATES)
        place = {
            name: index for index, name in enumerate(self._runner.model.getGlobalParameterIds())
        }
        self._clocks = {
            f"next_{k}": change.time_h
            for k, change in enumerate(self._equations.changes)
            if change.every_h
        }
        self._places = [
            place[name]
            for name in (*self._equations.parameters, *self._equations.begin, *self._clocks)
        ]

    def numbers(self, constants: Values) -> list[float]:
        """All that the model must be told of a patient; ``constants`` in the order of
        PARAMETERS.
        """
        values = dict(zip(PARAMETERS, constants.tolist(), strict=True))
        begin = [evaluate(formula, values) for formula in self._equations.begin.values()]
        return [
            *(values[name] for name in self._equations.parameters),
            *begin,
            *self._clocks.values(),
        ]

    def course(
        self, numbers: list[float], setting: Setting, *, peak: Values, at_ticks: bool
    ) -> Values:
        """States of one patient, shape (tick, state); ``at_ticks=False`` returns the last only,
        which is faster.
        """
        # it does not work out initial assignments again for changed constants: set them all
        self._runner.reset()
        self._runner.model.setGlobalParameterValues(self._places, numbers)
        integrator = self._runner.integrator
        integrator.stiff, integrator.relative_tolerance = setting.is_stiff, setting.rtol
        by_state = (setting.rtol * np.maximum(peak, 1e-9)).tolist()
        integrator.absolute_tolerance = (
            by_state if setting.is_by_state else SCALAR_ATOL * setting.rtol
        )
        n_points = self._n_ticks if at_ticks else 2
        return np.array(self._runner.simulate(0.0, (self._n_ticks - 1) * TICK_H, n_points))


@contextmanager
def _without_complaints() -> Iterator[None]:
    """CVODE prints a line for every tiny step, of which some settings take thousands: below Python,
    so below it is cut.
    """
    sys.stdout.flush()
    kept, nowhere = {stream: os.dup(stream) for stream in (1, 2)}, os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in kept:
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, old in kept.items():
            os.dup2(old, stream)
            os.close(old)
        os.close(nowhere)


@dataclass(frozen=True)
class _Measured:
    """The patients on whom libRoadRunner is measured, with their strict solutions."""

    model: Model
    numbers: list[list[float]]
    truths: list[Values]

    def error(self, setting: Setting) -> float:
        """Worst error over patients; infinite when CVODE gives up, with output every half hour or
        without.
        """
        try:
            for row in range(len(self.truths)):
                self._course(row, setting, at_ticks=False)
            return max(
                kernel._error(self._course(row, setting, at_ticks=True), truth)
                for row, truth in enumerate(self.truths)
            )
        except RuntimeError:
            return float("inf")

    def seconds(self, setting: Setting) -> float:
        """Processor time a patient."""
        rows = range(len(self.truths))
        used = kernel._seconds(
            lambda: [self._course(row, setting, at_ticks=False) for row in rows], repeats=3
        )[0]
        return used / len(rows)

    def _course(self, row: int, setting: Setting, *, at_ticks: bool) -> Values:
        peak = np.abs(self.truths[row]).max(axis=0)
        return self.model.course(self.numbers[row], setting, peak=peak, at_ticks=at_ticks)


def compare(
    name: tuple[str, str], *, world: World, n: int = N_PEER, n_kernel: int = N_KERNEL
) -> Comparison:
    """One arm: the kernel and the fastest accurate setting of libRoadRunner, one after the
    other.
    """
    arm = kernel._arm(name, world)
    patients = kernel._people(arm, n, world)
    truths = [_strict(arm, patients, row, world=world) for row in range(n)]
    path = run(arm, patients, world=world, has_support=False, has_traces=True).traces
    path = path[:, [TRACE.index(state) for state in STATES]]
    kernel_error = max(kernel._error(path[:, :, row], truth) for row, truth in enumerate(truths))

    table = patient_parameters(arm, patients, world=world, plan=timetable(arm, world=world))
    model = Model(arm, world=world)
    peer = _Measured(model, [model.numbers(table[:, row]) for row in range(len(truths))], truths)
    choices = [Setting(*each) for each in product((True, False), (True, False), TOLERANCES)]
    accepted = max(kernel_error, TARGET)
    with _without_complaints():
        errors = {one: peer.error(one) for one in choices}
        seconds = {one: peer.seconds(one) for one in choices if errors[one] <= accepted}

    many = kernel._people(arm, n_kernel, world)
    kernel_s = (
        kernel._seconds(lambda: run(arm, many, world=world, has_support=False), repeats=3)[0]
        / n_kernel
    )

    def fastest(group: list[Setting]) -> Peer:
        one = min(group, key=lambda each: seconds[each])
        return Peer(one.label, 1.0 / seconds[one], errors[one], seconds[one] / kernel_s)

    usual = [one for one in seconds if one.is_stiff and not one.is_by_state]
    return Comparison(*name, 1.0 / kernel_s, kernel_error, fastest(usual), fastest(list(seconds)))


def _strict(arm: Arm, patients: Patients, row: int, *, world: World) -> Values:
    """Strict states of one patient at the kernel's half hours, shape (tick, state)."""
    plan, w = lane(arm, patients, world=world, row=row)
    truth = reference(plan, w)
    return truth.states[:: len(truth.time_h) // len(plan.infusion)]


def measure() -> dict[str, Any]:
    """All arms and what they were measured on, ready for JSON."""
    world = load_world()
    found = [asdict(compare(name, world=world)) for name in ARMS]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "arms": found,
        "bars": {"ratio": BAR_RATIO, "aim": AIM_RATIO},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load_1_min": load},
        "versions": {"python": platform.python_version(), "libroadrunner": roadrunner.__version__},
        "assumptions": world.assumptions.digest,
    }


def table(found: dict[str, Any]) -> str:
    """The result in words; the bar is judged by the arm that is worst for the kernel, for both
    settings.
    """
    rows = [("(c) open loop against libRoadRunner", "patients/s", "state error", "")]
    for arm in found["arms"]:
        rows += [
            (
                f"{arm['product']}, {arm['regimen']}",
                f"{arm['kernel_per_s']:,.0f}",
                f"{arm['kernel_error']:.1e}",
                "kernel",
            ),
            *(
                (
                    f"  {which}: {peer['ratio']:,.0f} x",
                    f"{peer['per_s']:,.1f}",
                    f"{peer['error']:.1e}",
                    peer["setting"],
                )
                for which in ("usual", "best")
                for peer in [arm[which]]
            ),
        ]
    for which in ("usual", "best"):
        worst = min(arm[which]["ratio"] for arm in found["arms"])
        verdict = "met" if worst >= BAR_RATIO else "MISSED"
        rows.append(
            (
                f"smallest ratio, {which} setting",
                f"{worst:,.0f} x",
                "",
                f"{BAR_RATIO:g} x: {verdict} (aim {AIM_RATIO:g} x)",
            )
        )
    return "\n".join(
        f"{name:<36}{speed:>12}  {error:>12}  {word}".rstrip() for name, speed, error, word in rows
    )
