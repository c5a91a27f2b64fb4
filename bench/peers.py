"""The same mechanism by the fastest peers that a data scientist could install.

(m) Open loop against LSODA and DOP853 in compiled code with a compiled right-hand side
(`numbalsoda`, which needs gfortran to install) and against `diffrax` (JAX on the CPU, all patients
at once by `vmap`). The right-hand side is in both cases the kernel's own: `rates` of
`crsrisk/simulation/solve.py`, compiled by numba, and the formulas traced from it
(`crsrisk/simulation/equations.py`), compiled by XLA. Every change of an input starts a new segment.

At equal accuracy: all are measured against the strict solution of `bench/reference.py` at every
half hour; a peer may be as inaccurate as the kernel, or 1e-3 when the kernel is better than that.
Each gets the fastest of its methods and tolerances that keeps to this, and is timed between the
ends of segments, without output at half hours. diffrax also gets absolute tolerances for each state
by its peak, which nobody knows beforehand; numbalsoda takes one for all states. Not timed:
compiling, and working out constants (the kernel's time includes that).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, cast

import numba
import numpy as np
from numba.np.numpy_support import carray
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from bench import kernel
from bench.reference import Segment, lane, reference, segments
from crsrisk.data.world import World, load_world
from crsrisk.simulation import solve
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.equations import evaluate_all, right_hand_side
from crsrisk.simulation.layout import LANES, N_ROWS, N_STATES, ROWS, STATES, TICK_H, TRACE
from crsrisk.simulation.population import Patients
from crsrisk.simulation.run import run

Values = NDArray[np.float64]
ARMS = (("tarlatamab", "label_no_steroid"), ("gpc3_car_t", "dose_2000"))
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)
DIFFRAX = ("Tsit5", "Dopri8", "Kvaerno5")
SCALAR_ATOL = 1e-3  # absolute over relative tolerance: fractions of 1 matter, picograms do not
N_JUDGED, N_TOGETHER, N_KERNEL = 10, 256, 8192
BAR_RATIO, AIM_RATIO = 10.0, 20.0
_as_tuple: Any = to_fixed_tuple


@dataclass(frozen=True)
class Peer:
    """One peer at its fastest accurate setting: patients per second and core, largest error."""

    name: str
    setting: str
    per_s: float
    error: float


@dataclass(frozen=True)
class ComparedArm:
    """One arm: the kernel, and the peers that are installed; ``missing`` are not."""

    product: str
    regimen: str
    kernel_per_s: float
    kernel_error: float
    peers: tuple[Peer, ...]
    missing: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """The kernel's speed over that of the fastest peer; NaN without any."""
        return self.kernel_per_s / max((one.per_s for one in self.peers), default=float("nan"))


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient for all solvers: states at the beginning, segments with workspaces, and the
    strict solution at every half hour, shape (ticks, states).
    """

    begin: Values
    parts: list[Segment]
    truth: Values


def people(arm: Arm, patients: Patients, *, world: World, n: int, n_judged: int) -> list[Patient]:
    """The first ``n`` patients; a strict solution of the first ``n_judged``."""
    found = []
    for row in range(n):
        plan, w = lane(arm, patients, world=world, row=row)
        truth = np.empty((0, N_STATES))
        if row < n_judged:
            path = reference(plan, w)
            truth = path.states[:: len(path.time_h) // len(plan.infusion)]
        begin = w.reshape(N_ROWS, LANES)[:N_STATES, 0].copy()
        found.append(Patient(begin, segments(plan, w), truth))
    return found


# --- numbalsoda ---------------------------------------------------------------------------------


def _courses() -> dict[str, Any]:
    """By method of numbalsoda a compiled loop over the segments of a patient: (states, drug into
    the depot, workspaces, ticks, rtol, atol, at half hours?) to states and success.
    """
    numbalsoda: Any = importlib.import_module("numbalsoda")
    n_states, n_numbers, rates = N_STATES, N_ROWS * LANES, solve.rates

    @numba.cfunc(numbalsoda.lsoda_sig)
    def slope(t: Any, y: Any, dy: Any, numbers: Any) -> None:
        state, out = carray(y, (n_states,)), carray(dy, (n_states,))
        k = rates(_as_tuple(state, n_states), carray(numbers, (n_numbers,)), 0)
        for at in range(n_states):
            out[at] = k[at]

    address = slope.address

    def compiled(method: Any) -> Any:
        @numba.njit
        def course(y, into, works, ticks, rtol, atol, at_ticks):  # type: ignore[no-untyped-def]
            path, state, is_done = np.empty((ticks[-1, 1], y.size)), y.copy(), True
            for part in range(len(ticks)):
                first, last = ticks[part, 0], ticks[part, 1]
                state[0] += into[part]
                n_points = last - first + 1 if at_ticks else 2
                grid = np.linspace(first * TICK_H, last * TICK_H, n_points)
                found, success = method(address, state, grid, works[part], rtol, atol)
                is_done = is_done and success
                if at_ticks:
                    path[first:last] = found[:-1]
                state = found[-1].copy()
            return path, is_done

        return course

    return {"LSODA": compiled(numbalsoda.lsoda), "DOP853": compiled(numbalsoda.dop853)}


def by_numbalsoda(patients: Sequence[Patient], *, accepted: float) -> Peer:
    """LSODA or DOP853 of numbalsoda, one patient after the other, the loop compiled too."""
    prepared = [
        (
            one.begin,
            np.array([part.into_depot for part in one.parts]),
            np.array([part.workspace for part in one.parts]),
            np.array([(part.first, part.last) for part in one.parts]),
        )
        for one in patients
    ]
    courses = _courses()

    def error(setting: tuple[str, float]) -> float:
        name, rtol = setting
        worst = 0.0
        for one, numbers in zip(patients, prepared, strict=True):
            path, is_done = courses[name](*numbers, rtol, SCALAR_ATOL * rtol, True)
            if not is_done:
                return float("inf")
            worst = max(worst, kernel._error(path, one.truth))
        return worst

    def work(setting: tuple[str, float]) -> None:
        name, rtol = setting
        for numbers in prepared:
            courses[name](*numbers, rtol, SCALAR_ATOL * rtol, False)

    return _fastest(
        "numbalsoda",
        list(product(courses, TOLERANCES)),
        error=error,
        work=work,
        n=len(patients),
        accepted=accepted,
        label=lambda setting: f"{setting[0]}, rtol {setting[1]:g}",
    )


# --- diffrax ------------------------------------------------------------------------------------


class _Batch:
    """Patients with the same segments, for diffrax all at once."""

    def __init__(self, patients: Sequence[Patient], *, n_judged: int) -> None:
        self.shape = [(part.first, part.last) for part in patients[0].parts]
        if any([(part.first, part.last) for part in one.parts] != self.shape for one in patients):
            raise ValueError("patients of one batch need the same segments")
        parts = range(len(self.shape))
        self.works = [
            np.array([one.parts[k].workspace.reshape(N_ROWS, LANES)[:, 0] for one in patients])
            for k in parts
        ]
        self.into = [np.array([one.parts[k].into_depot for one in patients]) for k in parts]
        self.begin = np.array([one.begin for one in patients])
        self.peaks = np.max([np.abs(one.truth).max(axis=0) for one in patients[:n_judged]], axis=0)
        self._ready: dict[tuple[str, float, int], Callable[..., Any]] = {}

    def course(self, setting: tuple[str, float], n: int, *, at_ticks: bool) -> Values:
        """States at half hours (patients, ticks, states), or at the end only."""
        y, paths = self.begin[:n], []
        for (first, last), numbers, more in zip(self.shape, self.works, self.into, strict=True):
            key = (*setting, last - first + 1 if at_ticks else 2)
            if key not in self._ready:
                self._ready[key] = _by_vmap(*key, peaks=self.peaks)
            y = np.array(y)
            y[:, 0] += more[:n]
            found, is_done = self._ready[key](y, numbers[:n], first * TICK_H, last * TICK_H)
            if not bool(np.all(is_done)):
                raise ArithmeticError("more steps than allowed")
            states = np.asarray(found)
            paths.append(states[:, :-1])
            y = states[:, -1]
        return np.concatenate(paths, axis=1) if at_ticks else y


def _by_vmap(solver: str, rtol: float, n_points: int, *, peaks: Values) -> Callable[..., Any]:
    """One segment of many patients, compiled: (states, numbers, start, end) to states at
    ``n_points`` times, or at the end where these are two, and whether each is done.
    """
    diffrax: Any = importlib.import_module("diffrax")
    jax: Any = importlib.import_module("jax")
    jnp: Any = jax.numpy

    atol = jnp.asarray(rtol * np.maximum(peaks, 1e-9))

    def slope(t: Any, y: Any, numbers: Any) -> Any:
        values = {row: numbers[at] for at, row in enumerate(ROWS)}
        values |= {state: y[at] for at, state in enumerate(STATES)}
        rates = evaluate_all(right_hand_side()[0], values, where=jnp.where)
        return jnp.stack([jnp.asarray(rates[state], dtype=y.dtype) for state in STATES])

    def one(y: Any, numbers: Any, start: Any, stop: Any) -> Any:
        grid = start + (stop - start) * jnp.linspace(0.0, 1.0, n_points)
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(slope),
            getattr(diffrax, solver)(),
            t0=start,
            t1=stop,
            dt0=None,
            y0=y,
            args=numbers,
            saveat=diffrax.SaveAt(ts=grid) if n_points > 2 else diffrax.SaveAt(t1=True),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
            max_steps=20_000,
            throw=False,
        )
        return found.ys, found.result == diffrax.RESULTS.successful

    return cast(Callable[..., Any], jax.jit(jax.vmap(one, in_axes=(0, 0, None, None))))


def by_diffrax(
    patients: Sequence[Patient],
    *,
    n_judged: int,
    accepted: float,
    settings: Sequence[tuple[str, float]] = tuple(product(DIFFRAX, TOLERANCES)),
) -> Peer:
    """Tsit5, Dopri8 or Kvaerno5 of diffrax with PI-controlled steps, all patients at once; each
    setting is a method and a relative tolerance.
    """
    jax: Any = importlib.import_module("jax")
    batch = _Batch(patients, n_judged=n_judged)

    def error(setting: tuple[str, float]) -> float:
        try:
            path = batch.course(setting, n_judged, at_ticks=True)
        except ArithmeticError:
            return float("inf")
        return max(
            kernel._error(path[row], one.truth) for row, one in enumerate(patients[:n_judged])
        )

    with jax.enable_x64(True):
        return _fastest(
            "diffrax",
            settings,
            error=error,
            work=lambda setting: batch.course(setting, len(patients), at_ticks=False),
            n=len(patients),
            accepted=accepted,
            label=lambda setting: f"{setting[0]}, rtol {setting[1]:g}, atol by state",
        )


# --- all together -------------------------------------------------------------------------------


def _fastest(
    name: str,
    settings: Sequence[tuple[str, float]],
    *,
    error: Callable[[tuple[str, float]], float],
    work: Callable[[tuple[str, float]], object],
    n: int,
    accepted: float,
    label: Callable[[tuple[str, float]], str],
) -> Peer:
    """Of each method the loosest tolerance that is accurate enough; of these the fastest."""
    chosen: dict[str, tuple[tuple[str, float], float]] = {}
    for setting in settings:
        if setting[0] not in chosen and (found := error(setting)) <= accepted:
            chosen[setting[0]] = (setting, found)
    if not chosen:
        return Peer(name, "none is accurate enough", 0.0, float("inf"))
    timed = []
    for setting, found in chosen.values():
        work(setting)  # compile
        seconds = kernel._seconds(lambda one=setting: work(one), repeats=3)[0] / n  # type: ignore[misc]
        timed.append(Peer(name, label(setting), 1.0 / seconds, found))
    return max(timed, key=lambda one: one.per_s)


def compare(name: tuple[str, str], *, world: World) -> ComparedArm:
    """One arm by the kernel and by every peer that is installed."""
    arm = kernel._arm(name, world)
    patients = kernel._people(arm, N_TOGETHER, world)
    listed = people(arm, patients, world=world, n=N_TOGETHER, n_judged=N_JUDGED)
    few = kernel._people(arm, N_JUDGED, world)
    path = run(arm, few, world=world, has_support=False, has_traces=True).traces
    path = path[:, [TRACE.index(state) for state in STATES]]
    kernel_error = max(
        kernel._error(path[:, :, row], one.truth) for row, one in enumerate(listed[:N_JUDGED])
    )
    accepted = max(kernel_error, kernel.TARGET)
    many = kernel._people(arm, N_KERNEL, world)
    kernel_s = (
        kernel._seconds(lambda: run(arm, many, world=world, has_support=False), repeats=3)[0]
        / N_KERNEL
    )
    peers: dict[str, Callable[[], Peer]] = {
        "numbalsoda": lambda: by_numbalsoda(listed[:N_JUDGED], accepted=accepted),
        "diffrax": lambda: by_diffrax(listed, n_judged=N_JUDGED, accepted=accepted),
    }
    is_there = {peer: importlib.util.find_spec(peer) is not None for peer in peers}
    return ComparedArm(
        *name,
        1.0 / kernel_s,
        kernel_error,
        tuple(measure() for peer, measure in peers.items() if is_there[peer]),
        tuple(peer for peer in peers if not is_there[peer]),
    )


def measure() -> dict[str, Any]:
    """All arms and what they were measured on, ready for JSON."""
    world = load_world()
    found = [compare(name, world=world) for name in ARMS]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "arms": [{**asdict(one), "ratio": one.ratio} for one in found],
        "bars": {"ratio": BAR_RATIO, "aim": AIM_RATIO},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load_1_min": load},
        "assumptions": world.assumptions.digest,
    }


def table(found: dict[str, Any]) -> str:
    """The result in words; the bar is judged by the arm that is worst for the kernel."""
    rows = [("(m) open loop against compiled peers", "patients/s", "state error", "")]
    for arm in found["arms"]:
        speed = arm["kernel_per_s"]
        rows.append(
            (
                f"{arm['product']}, {arm['regimen']}",
                f"{speed:,.0f}",
                f"{arm['kernel_error']:.1e}",
                "kernel",
            )
        )
        rows += [
            (
                f"  {peer['name']}: {speed / peer['per_s'] if peer['per_s'] else np.inf:,.0f} x",
                f"{peer['per_s']:,.0f}",
                f"{peer['error']:.1e}",
                peer["setting"],
            )
            for peer in arm["peers"]
        ]
        rows += [(f"  {peer}: not installed", "", "", "") for peer in arm["missing"]]
    worst = min(arm["ratio"] for arm in found["arms"])
    verdict = "met" if worst >= BAR_RATIO else "MISSED"
    if any(arm["peers"] for arm in found["arms"]):
        rows.append(
            (
                f"smallest ratio: {worst:,.1f} x",
                "",
                "",
                f"{BAR_RATIO:g} x: {verdict} (aim {AIM_RATIO:g} x)",
            )
        )
    return "\n".join(
        f"{name:<40}{speed:>12}  {error:>12}  {word}".rstrip() for name, speed, error, word in rows
    )
