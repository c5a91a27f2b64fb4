"""Reference: the same patients by other solvers, one at a time.

The right-hand side is the one the compiled kernel uses (`rates` of `crsrisk/simulation/solve.py`):
once in plain Python, as a scipy user would write it, once compiled for one patient, so that a
strict reference stays affordable. Inputs held between half hours (infusion, agents, interleukin-2)
come from the kernel's own functions; every change of an input starts a new segment, so that no
solver steps across an edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

import numba
import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray
from scipy.integrate import odeint, solve_ivp

from crsrisk.data.world import World
from crsrisk.simulation import solve
from crsrisk.simulation.arm import Arm, Timetable, timetable
from crsrisk.simulation.layout import AT, INPUTS, LANES, N_ROWS, N_STATES, ROW, TICK_H, WARD_TICKS
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import Patients
from crsrisk.simulation.ward import agents_act

Values = NDArray[np.float64]
_HELD = np.array([ROW[name] for name in INPUTS])
_STATES = 21  # a literal, so that the compiler can unroll; see `layout.STATES`
_as_tuple: Any = to_fixed_tuple
_POINTS = 5  # points inside half an hour at which the strict reference is read


@dataclass(frozen=True)
class Segment:
    """A stretch with constant inputs: ticks ``first`` to ``last``, workspace, drug added to the
    depot.
    """

    first: int
    last: int
    workspace: Values
    into_depot: float


@dataclass(frozen=True)
class Solution:
    """States of one patient: ``time_h`` (t,), ``states`` (t, 21) in the order of
    `layout.STATES`.
    """

    time_h: Values
    states: Values

    def peak(self, name: str) -> float:
        """Highest value of a state."""
        return float(self.states[:, ROW[name]].max())


@numba.njit(error_model="numpy", cache=True)
def compiled_slope(y: Values, t: float, w: Values) -> Values:
    """Right-hand side for lane 0 of a workspace, compiled, in the order of arguments that odeint
    expects.
    """
    k = solve.rates(_as_tuple(y, _STATES), w, 0)
    out = np.empty(_STATES)
    for n in range(_STATES):
        out[n] = k[n]
    return out


def _in_plain_python() -> Callable[[Any, Any, int], Any]:
    """`rates` with nothing compiled in it: every scalar function of the biology is its Python
    original.
    """
    original = cast(Any, solve.rates).py_func
    names = {name: getattr(value, "py_func", value) for name, value in original.__globals__.items()}
    return cast(Callable[[Any, Any, int], Any], FunctionType(original.__code__, names))


plain_rates = _in_plain_python()


def lane(arm: Arm, patients: Patients, *, world: World, row: int) -> tuple[Timetable, Values]:
    """Timetable of an arm, and the workspace of one patient before anything is given."""
    plan = timetable(arm, world=world)
    table = patient_parameters(arm, patients, world=world, plan=plan)[:, [row] * LANES]
    w = np.empty(N_ROWS * LANES)
    solve.begin(w, np.ascontiguousarray(table), 0)
    return plan, w


def segments(plan: Timetable, w: Values) -> list[Segment]:
    """The open loop (no ward) cut where an input changes or drug reaches the depot."""
    found: list[Segment] = []
    start, into, before = 0, 0.0, np.full(len(_HELD), np.nan)
    given, held = w.copy(), w
    for tick in range(len(plan.infusion)):
        given[AT.depot] = 0.0
        solve.give(
            given,
            plan.infusion[tick],
            plan.depot[tick],
            plan.interleukin_2[tick],
            plan.dose_number[tick],
            plan.slots[tick],
            (tick - plan.lead) * TICK_H,
        )
        if (tick - plan.lead) % WARD_TICKS == 0:
            agents_act(given, plan.pairs, np.empty(LANES))
        now = given[_HELD * LANES]
        if given[AT.depot] > 0.0 or not np.array_equal(now, before):
            if tick > 0:
                found.append(Segment(start, tick, held, into))
            start, into, before, held = tick, float(given[AT.depot]), now, given.copy()
    return [*found, Segment(start, len(plan.infusion), held, into)]


def _begin(w: Values) -> Values:
    """States of lane 0 of a workspace before the first tick."""
    return w.reshape(N_ROWS, LANES)[:N_STATES, 0].copy()


def reference(plan: Timetable, w: Values, *, rtol: float = 1e-9) -> Solution:
    """Strict solution by LSODA (scipy's odeint), compiled right-hand side, read every six
    minutes.
    """
    y, times, states = _begin(w), [], []
    for part in segments(plan, w):
        y[0] += part.into_depot
        grid = np.linspace(part.first, part.last, (part.last - part.first) * _POINTS + 1) * TICK_H
        path = odeint(
            compiled_slope,
            y,
            grid,
            args=(part.workspace,),
            rtol=rtol,
            atol=1e-3 * rtol,
            mxstep=100_000,
        )
        times.append(grid[:-1])
        states.append(path[:-1])
        y = path[-1].copy()
    return Solution(np.concatenate(times) - plan.lead * TICK_H, np.concatenate(states))


def by_solve_ivp(
    plan: Timetable,
    w: Values,
    *,
    parts: list[Segment],
    rtol: float,
    atol: Values,
    at_ticks: bool = True,
) -> Solution:
    """What a scipy user would run: solve_ivp with LSODA and a plain Python right-hand side.

    ``at_ticks=False`` returns the solver's own steps, which is faster.
    """
    y, times, states = _begin(w), [], []
    for part in parts:
        y[0] += part.into_depot
        numbers = part.workspace.tolist()
        grid = np.arange(part.first, part.last + 1) * TICK_H

        def slope(t: float, state: Values, numbers: list[float] = numbers) -> Any:
            return plain_rates(state.tolist(), numbers, 0)

        path = solve_ivp(
            slope,
            (grid[0], grid[-1]),
            y,
            method="LSODA",
            rtol=rtol,
            atol=atol,
            t_eval=grid if at_ticks else None,
        )
        times.append(path.t[:-1])
        states.append(path.y.T[:-1])
        y = path.y[:, -1].copy()
    return Solution(np.concatenate(times) - plan.lead * TICK_H, np.concatenate(states))
