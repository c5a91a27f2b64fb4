"""Reference: the same patients by other solvers, one at a time.

The right-hand side is the one the compiled kernel uses (`rates` of `crsrisk/simulate/solve.py`): once in plain
Python, as a scipy user would write it, once compiled for one patient, so that a strict reference stays affordable.
Inputs held for half an hour (infusion, agents, interleukin-2) come from the kernel's own functions; every change of
an input starts a new segment, so that no solver steps across an edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import FunctionType
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.integrate import odeint, solve_ivp

from crsrisk.domain.world import World
from crsrisk.simulate import solve
from crsrisk.simulate.arm import Arm, Timetable, timetable
from crsrisk.simulate.layout import AT, INPUTS, LANES, N_ROWS, N_STATES, ROW, TICK_H
from crsrisk.simulate.parameters import patient_parameters
from crsrisk.simulate.population import Patients
from crsrisk.simulate.ward import agents_act

Values = NDArray[np.float64]
Slope = Callable[[float, Any], Any]
_HELD = np.array([ROW[name] for name in INPUTS])
_POINTS = 5  # points inside half an hour at which the reference is read


@dataclass(frozen=True)
class Segment:
    """A stretch of time with constant inputs: ticks ``first`` to ``last``, workspace, drug added to the depot."""

    first: int
    last: int
    workspace: Values
    into_depot: float


@dataclass(frozen=True)
class Solution:
    """States of one patient: ``time_h`` (t,), ``states`` (t, 18) in the order of `layout.STATES`."""

    time_h: Values
    states: Values

    def peak(self, name: str) -> float:
        """Highest value of a state."""
        return float(self.states[:, ROW[name]].max())


@numba.njit(error_model="numpy", cache=True)
def compiled_slope(y: Values, t: float, w: Values) -> Values:
    """Right-hand side for lane 0 of a workspace, compiled, in the order of arguments that odeint expects."""
    k = solve.rates(
        (y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7], y[8], y[9], y[10], y[11], y[12], y[13], y[14], y[15],
         y[16], y[17]), w, 0)
    out = np.empty(18)
    for n in range(18):
        out[n] = k[n]
    return out


def _in_plain_python() -> Callable[[Any, Any, int], Any]:
    """`rates` with nothing compiled in it: every scalar function of the biology is its Python original."""
    compiled = cast(Any, solve.rates)
    names = {name: getattr(value, "py_func", value) for name, value in compiled.py_func.__globals__.items()}
    return cast(Callable[[Any, Any, int], Any], FunctionType(compiled.py_func.__code__, names))


plain_rates = _in_plain_python()


def lane(arm: Arm, patients: Patients, *, world: World, row: int) -> tuple[Timetable, Values]:
    """Timetable of an arm, and the workspace of one patient before anything is given."""
    plan = timetable(arm, world=world)
    table = patient_parameters(arm, patients, world=world, plan=plan)[:, [row] * LANES]
    w = np.empty(N_ROWS * LANES)
    solve._begin(w, np.ascontiguousarray(table), 0)
    return plan, w


def segments(plan: Timetable, w: Values) -> list[Segment]:
    """The open loop (no ward) cut where an input changes or drug reaches the depot."""
    found: list[Segment] = []
    start, into, before = 0, 0.0, np.full(len(_HELD), np.nan)
    held = w.copy()
    for tick in range(len(plan.infusion)):
        w[AT.depot] = 0.0
        solve._give(w, plan.infusion[tick], plan.depot[tick], plan.interleukin_2[tick], plan.dose_number[tick],
                    plan.slots[tick])
        agents_act(w, plan.pairs)
        now = w[_HELD * LANES]
        if tick == 0 or w[AT.depot] > 0.0 or not np.array_equal(now, before):
            if tick > 0:
                found.append(Segment(start, tick, held, into))
            start, into, before, held = tick, float(w[AT.depot]), now, w.copy()
    return [*found, Segment(start, len(plan.infusion), held, into)]


def begin_state(w: Values) -> Values:
    """States of lane 0 of a workspace."""
    return w.reshape(N_ROWS, LANES)[:N_STATES, 0].copy()


def reference(plan: Timetable, w: Values, *, rtol: float = 1e-9) -> Solution:
    """Strict solution by LSODA (scipy's odeint) with the compiled right-hand side, read every six minutes."""
    y, times, states = begin_state(w), [], []
    for part in segments(plan, w):
        y[0] += part.into_depot
        grid = np.linspace(part.first, part.last, (part.last - part.first) * _POINTS + 1) * TICK_H
        path = odeint(compiled_slope, y, grid, args=(part.workspace,), rtol=rtol, atol=1e-3 * rtol, mxstep=100_000)
        times.append(grid[:-1])
        states.append(path[:-1])
        y = path[-1].copy()
    return Solution(np.concatenate(times) - plan.lead * TICK_H, np.concatenate(states))


def by_solve_ivp(
    plan: Timetable, w: Values, *, rtol: float, atol: float, edges: list[tuple[int, Values, float]]
) -> Solution:
    """What a scipy user would run: solve_ivp, LSODA, plain Python right-hand side, one segment per dose."""
    y, times, states = begin_state(w), [], []
    last = (len(plan.infusion), w, 0.0)
    for (first, workspace, into), (stop, _, _) in pairwise([*edges, last]):
        y[0] += into
        numbers = workspace.tolist()
        grid = np.arange(first, stop + 1) * TICK_H

        def slope(t: float, state: Values, numbers: list[float] = numbers) -> Any:
            return plain_rates(state.tolist(), numbers, 0)

        path = solve_ivp(slope, (grid[0], grid[-1]), y, method="LSODA", rtol=rtol, atol=atol, t_eval=grid)
        times.append(grid[:-1])
        states.append(path.y.T[:-1])
        y = path.y[:, -1].copy()
    return Solution(np.concatenate(times) - plan.lead * TICK_H, np.concatenate(states))
