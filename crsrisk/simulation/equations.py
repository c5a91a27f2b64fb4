"""Equations: the mechanism of one arm without its ward, as formulas: rates, beginning, and what
changes when.

Every formula is traced from the functions that the solver compiles (`rates`, `begin`, `give`,
`agents_act`), so that each equation is written once: a compiled function keeps its Python original;
run with expressions for numbers and a workspace of names, it returns the formula that it computes.
Where it branches on a comparison, it is run once for each way and the ways are joined. Times count
from the first tick, which is the premedication when there is one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from crsrisk.simulation import solve
from crsrisk.simulation.arm import Timetable
from crsrisk.simulation.layout import (
    AT,
    N_ROWS,
    PARAMETERS,
    ROW,
    ROWS,
    STATES,
    TICK_H,
    WARD_H,
    WARD_TICKS,
)
from crsrisk.simulation.ward import agents_act

_DECIDED: ContextVar[Mapping[Expression, bool]] = ContextVar(
    "comparisons that this run takes for granted"
)
# what the traced functions see instead of sixteen lanes
_ONE_LANE = {"LANES": 1, "AT": type(AT)(*range(N_ROWS))}


@dataclass(frozen=True)
class Expression:
    """A formula: an operator of MathML (or ``name``) and what it is applied to, formulas or
    numbers.
    """

    operator: str
    parts: tuple[Any, ...]

    def __add__(self, other: Operand) -> Operand:
        return self if other == 0.0 else Expression("plus", (self, other))

    def __radd__(self, other: float) -> Operand:
        return self if other == 0.0 else Expression("plus", (other, self))

    def __sub__(self, other: Operand) -> Operand:
        return self if other == 0.0 else Expression("minus", (self, other))

    def __rsub__(self, other: float) -> Operand:
        return -self if other == 0.0 else Expression("minus", (other, self))

    def __mul__(self, other: Operand) -> Operand:
        return 0.0 if other == 0.0 else self if other == 1.0 else Expression("times", (self, other))

    def __rmul__(self, other: float) -> Operand:
        return 0.0 if other == 0.0 else self if other == 1.0 else Expression("times", (other, self))

    def __truediv__(self, other: Operand) -> Operand:
        return self if other == 1.0 else Expression("divide", (self, other))

    def __rtruediv__(self, other: float) -> Operand:
        return 0.0 if other == 0.0 else Expression("divide", (other, self))

    def __pow__(self, other: float) -> Operand:
        return self if other == 1.0 else Expression("power", (self, other))

    def __neg__(self) -> Expression:
        return Expression("minus", (self,))

    def __gt__(self, other: Operand) -> Expression:
        return Expression("gt", (self, other))

    def __ge__(self, other: Operand) -> Expression:
        return Expression("geq", (self, other))

    def __lt__(self, other: Operand) -> Expression:
        return Expression("lt", (self, other))

    def __le__(self, other: Operand) -> Expression:
        return Expression("leq", (self, other))

    def __bool__(self) -> bool:
        """Which way to go at a comparison: as decided before this run, else the run ends to be done
        both ways.
        """
        if self.operator not in ("gt", "geq", "lt", "leq"):
            raise TypeError("only a comparison of formulas can be a condition")
        if self not in _DECIDED.get({}):
            raise _UndecidedError(self)
        return _DECIDED.get({})[self]

    def names(self) -> Iterator[str]:
        """Every name in the formula, as often as it occurs."""
        if self.operator == "name":
            yield self.parts[0]
        else:
            yield from (
                name for part in self.parts if isinstance(part, Expression) for name in part.names()
            )


Operand = Expression | float


class _UndecidedError(Exception):
    """A comparison that nothing decides yet."""

    def __init__(self, condition: Expression) -> None:
        super().__init__(condition)
        self.condition = condition


def name(text: str) -> Expression:
    """The formula that is just a name."""
    return Expression("name", (text,))


def names_in(*formulas: Operand) -> set[str]:
    """Every name that occurs in some formulas."""
    return {named for first in formulas if isinstance(first, Expression) for named in first.names()}


def choice(condition: Expression, yes: Operand, no: Operand) -> Operand:
    """``yes`` where the condition holds, else ``no``; no question is asked when both are the
    same.
    """
    return yes if yes == no else Expression("piecewise", (yes, condition, no))


def largest(first: Any, second: Any) -> Any:
    """``max`` of two numbers or formulas, in one formula (asking for a way would split all that
    follows).
    """
    is_formula = isinstance(first, Expression) or isinstance(second, Expression)
    return (
        choice(Expression("gt", (first, second)), first, second)
        if is_formula
        else max(first, second)
    )


def smallest(first: Any, second: Any) -> Any:
    """``min`` of two numbers or formulas, in one formula."""
    is_formula = isinstance(first, Expression) or isinstance(second, Expression)
    return (
        choice(Expression("lt", (first, second)), first, second)
        if is_formula
        else min(first, second)
    )


class Workspace:
    """The solver's workspace with one lane, in which every row holds its own name until something
    is written.
    """

    def __init__(self) -> None:
        self.rows: list[Operand] = [name(row) for row in ROWS]

    def __getitem__(self, at: int) -> Operand:
        return self.rows[at]

    def __setitem__(self, at: int | slice, value: Operand) -> None:
        if isinstance(at, slice):
            self.rows[at] = [value] * len(self.rows[at])
        else:
            self.rows[at] = value

    def value(self, row: str) -> Operand:
        """What a row holds now."""
        return self.rows[ROW[row]]

    def written(self) -> dict[str, Operand]:
        """The rows that hold something else than their own name."""
        return {
            row: value for row, value in zip(ROWS, self.rows, strict=True) if value != name(row)
        }


@cache
def original(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Python original of a compiled function, with originals for all it calls, for one lane and
    for formulas.
    """
    plain: Any = getattr(function, "py_func", function)
    seen = {**plain.__globals__, **_ONE_LANE, "max": largest, "min": smallest}
    called = {
        word: original(seen[word])
        for word in plain.__code__.co_names
        if hasattr(seen.get(word), "py_func")
    }
    return FunctionType(plain.__code__, seen | called, plain.__name__, plain.__defaults__)


def with_locals(function: Callable[..., Any], *arguments: Any) -> tuple[Any, dict[str, Any]]:
    """Result of a function and its local variables at the end: the names that its author gave to
    parts of the formula.
    """
    local: dict[str, Any] = {}
    code = getattr(function, "__code__", None)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            local.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        result = function(*arguments)
    finally:
        sys.setprofile(before)
    return result, local


def in_every_way(
    run: Callable[[], Mapping[str, Operand]], decided: Mapping[Expression, bool] | None = None
) -> dict[str, Operand]:
    """What ``run`` yields by row, with a choice wherever it branches on a formula; a row left alone
    keeps its name.
    """
    known = decided or {}
    token = _DECIDED.set(known)
    try:
        return dict(run())
    except _UndecidedError as fork:
        condition = fork.condition
    finally:
        _DECIDED.reset(token)
    yes, no = (in_every_way(run, {**known, condition: way}) for way in (True, False))
    return {
        row: choice(condition, yes.get(row, name(row)), no.get(row, name(row)))
        for row in {**yes, **no}
    }


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b=None: -a if b is None else a - b,
    "times": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "gt": lambda a, b: a > b,
    "geq": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "leq": lambda a, b: a <= b,
}


def evaluate(formula: Operand, values: Mapping[str, float]) -> float:
    """The number that a formula stands for.

    >>> evaluate(largest(name("x") - 1.0, 0.0) * 2.0, {"x": 3.0})
    4.0
    """
    found = evaluate_all({"": formula}, values, where=lambda way, yes, no: yes if way else no)
    return float(found[""])


def evaluate_all(
    formulas: Mapping[str, Operand], values: Mapping[str, Any], *, where: Callable[..., Any]
) -> dict[str, Any]:
    """What formulas stand for, for numbers or arrays; a part that they share is worked out once.

    ``where`` chooses between two values by a condition, as :func:`numpy.where` does.
    """
    done: dict[int, Any] = {}

    def value(formula: Operand) -> Any:
        if not isinstance(formula, Expression):
            return formula
        if formula.operator == "name":
            return values[formula.parts[0]]
        if id(formula) not in done:
            parts = [value(part) for part in formula.parts]
            if formula.operator == "piecewise":
                yes, condition, no = parts
                done[id(formula)] = where(condition, yes, no)
            else:
                done[id(formula)] = _ARITHMETIC[formula.operator](*parts)
        return done[id(formula)]

    return {name: value(formula) for name, formula in formulas.items()}


BOLUS = "interleukin_2_bolus"  # what the timetable brings at this half hour
TIME = "time"
_IL2 = "interleukin_2"


@dataclass(frozen=True)
class Change:
    """Rows that take new values at ``time_h``, and again every ``every_h`` hours unless that is 0.

    Of changes at the same time, one of lower ``rank`` comes first.
    """

    label: str
    time_h: float
    every_h: float
    rank: int
    becomes: Mapping[str, Operand]


@dataclass(frozen=True)
class Equations:
    """One arm in open loop.

    ``rates`` by state and ``named`` (parts of them that the source gives a name to); ``begin`` by
    row at the first tick; ``changes`` after it; ``of_time`` what the timetable brings, as a formula
    of ``time``; ``parameters`` in use.
    """

    rates: Mapping[str, Operand]
    named: Mapping[str, Operand]
    begin: Mapping[str, Operand]
    changes: tuple[Change, ...]
    of_time: Mapping[str, Operand]
    parameters: tuple[str, ...]


@cache
def right_hand_side() -> tuple[Mapping[str, Operand], Mapping[str, Operand]]:
    """Rate of every state, and the named parts they are made of, traced from the solver's `rates`.

    >>> rate, named = right_hand_side()
    >>> sorted(names_in(rate["lung_water"]))
    ['leak', 'lung_turnover', 'lung_water']
    >>> "pyrogen" in named
    True
    """
    rates, local = with_locals(
        original(solve.rates), tuple(name(state) for state in STATES), Workspace(), 0
    )
    named = {
        word: part
        for word, part in local.items()
        if isinstance(part, Expression) and part.operator != "name" and word not in ROW
    }
    return dict(zip(STATES, rates, strict=True)), named


def _give(w: Workspace, plan: Timetable, tick: int, *, bolus: Operand) -> Workspace:
    original(solve.give)(
        w,
        float(plan.infusion[tick]),
        float(plan.depot[tick]),
        bolus,
        int(plan.dose_number[tick]),
        plan.slots[tick].tolist(),
        (tick - plan.lead) * TICK_H,
    )
    return w


def _act(w: Workspace, plan: Timetable) -> Workspace:
    """An hour of the agents that this arm gives; those that only rescue would give stay away."""
    given = np.flatnonzero(plan.slots.any(axis=0))
    original(agents_act)(w, plan.pairs[np.isin(plan.pairs[:, 0], given)], [0.0])
    return w


def _begin(plan: Timetable) -> dict[str, Operand]:
    """Every row after the first tick's gifts and before anything moves."""

    def run() -> dict[str, Operand]:
        w = Workspace()
        original(solve.begin)(w, np.array([[name(row)] for row in PARAMETERS], dtype=object), 0)
        _give(w, plan, 0, bolus=float(plan.interleukin_2[0]))
        if plan.lead % WARD_TICKS == 0:
            _act(w, plan)
        return w.written()

    return in_every_way(run)


def _boluses(plan: Timetable) -> Operand:
    """Interleukin-2 brought at the present half hour, as a formula of time."""
    now = name(TIME)
    bolus: Operand = 0.0
    # half an hour less, as the first tick is past
    for tick in np.flatnonzero(plan.interleukin_2[1:])[::-1].tolist():
        later = choice(now < (tick + 1.5) * TICK_H, float(plan.interleukin_2[tick + 1]), bolus)
        bolus = choice(now < (tick + 0.5) * TICK_H, 0.0, later)
    return bolus


def _clocks(plan: Timetable) -> list[Change]:
    """What goes on by the clock: interleukin-2 wanes every half hour, agents work and wane every
    hour.
    """
    changes = []
    if plan.interleukin_2.any():
        held = _give(Workspace(), plan, 0, bolus=name(BOLUS)).value(_IL2)
        changes.append(Change("interleukin-2 wanes, and comes", TICK_H, TICK_H, 0, {_IL2: held}))
    if plan.slots.any():
        first = plan.lead % WARD_TICKS or WARD_TICKS
        hour = in_every_way(lambda: _act(Workspace(), plan).written())
        changes.append(Change("agents work and wane", first * TICK_H, WARD_H, 2, hour))
    return changes


def _gifts(plan: Timetable) -> list[Change]:
    """Doses, ends of infusions, agents: every tick after the first at which the timetable brings or
    ends something.
    """
    changes = []
    before = _give(Workspace(), plan, 0, bolus=0.0).written()
    is_new = np.diff(plan.infusion) != 0.0
    is_new |= (
        (np.diff(plan.dose_number) != 0) | (plan.depot[1:] != 0.0) | plan.slots[1:].any(axis=1)
    )
    for tick in (np.flatnonzero(is_new) + 1).tolist():
        now = _give(Workspace(), plan, tick, bolus=0.0).written()
        now.pop(_IL2, None)
        fresh = {
            row: value
            for row, value in now.items()
            if row in names_in(value) or value != before.get(row)
        }
        before = now
        hour = (tick - plan.lead) * TICK_H
        changes.append(
            Change(f"timetable, hour {hour:g} after the first dose", tick * TICK_H, 0.0, 1, fresh)
        )
    return changes


def equations(plan: Timetable) -> Equations:
    """The open loop of an arm (no ward: no grading, no support, no rescue) with its timetable."""
    rates, named = right_hand_side()
    changes = [*_clocks(plan), *_gifts(plan)]
    alive = set(STATES) | names_in(*rates.values())
    while (
        grown := {
            row
            for change in changes
            for target, value in change.becomes.items()
            if target in alive
            for row in names_in(value)
        }
        - alive
    ):
        alive |= grown
    kept = [
        Change(
            c.label,
            c.time_h,
            c.every_h,
            c.rank,
            {row: v for row, v in c.becomes.items() if row in alive},
        )
        for c in changes
    ]
    changes = [change for change in kept if change.becomes]
    moving = set(STATES) | {row for change in changes for row in change.becomes}
    begin = {
        row: value for row, value in _begin(plan).items() if row in alive and row not in PARAMETERS
    }
    used = (
        alive
        | names_in(*begin.values())
        | names_in(*(v for c in changes for v in c.becomes.values()))
    )
    return Equations(
        rates,
        named,
        {row: begin[row] for row in ROW if row in begin or row in moving},
        tuple(changes),
        {BOLUS: _boluses(plan)} if BOLUS in used else {},
        tuple(row for row in PARAMETERS if row in used),
    )
