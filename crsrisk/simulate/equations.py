"""Equations: the mechanism of one arm without its ward, as formulas: rates, beginning, and what changes when.

Every formula is traced from the functions that the solver compiles (`rates`, `_begin`, `_give`, `agents_act`).
Times count from the first tick, which is the premedication when there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from crsrisk.simulate import solve
from crsrisk.simulate.arm import Timetable
from crsrisk.simulate.layout import PARAMETERS, ROW, STATES, TICK_H, WARD_H, WARD_TICKS
from crsrisk.simulate.symbolic import (
    Expression,
    Operand,
    Workspace,
    choice,
    in_every_way,
    name,
    names_in,
    original,
    with_locals,
)
from crsrisk.simulate.ward import agents_act

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

    ``rates`` by state and ``named`` (parts of them that the source gives a name to); ``begin`` by row at the first tick;
    ``changes`` after it; ``of_time`` what the timetable brings, as a formula of ``time``; ``parameters`` in use.
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
    found, local = with_locals(original(solve.rates), tuple(name(state) for state in STATES), Workspace(), 0)
    named = {word: part for word, part in local.items()
             if isinstance(part, Expression) and part.operator != "name" and word not in ROW}  # fmt: skip
    return dict(zip(STATES, found, strict=True)), named


def _give(w: Workspace, plan: Timetable, tick: int, *, bolus: Operand) -> Workspace:
    original(solve.give)(w, float(plan.infusion[tick]), float(plan.depot[tick]), bolus, int(plan.dose_number[tick]),
                          plan.slots[tick].tolist(), (tick - plan.lead) * TICK_H)  # fmt: skip
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
    found: Operand = 0.0
    for tick in np.flatnonzero(plan.interleukin_2[1:])[::-1].tolist():  # half an hour less, as the first tick is past
        later = choice(now < (tick + 1.5) * TICK_H, float(plan.interleukin_2[tick + 1]), found)
        found = choice(now < (tick + 0.5) * TICK_H, 0.0, later)
    return found


def _clocks(plan: Timetable) -> list[Change]:
    """What goes on by the clock: interleukin-2 wanes every half hour, agents work and wane every hour."""
    found = []
    if plan.interleukin_2.any():
        held = _give(Workspace(), plan, 0, bolus=name(BOLUS)).value(_IL2)
        found.append(Change("interleukin-2 wanes, and comes", TICK_H, TICK_H, 0, {_IL2: held}))
    if plan.slots.any():
        first = plan.lead % WARD_TICKS or WARD_TICKS
        hour = in_every_way(lambda: _act(Workspace(), plan).written())
        found.append(Change("agents work and wane", first * TICK_H, WARD_H, 2, hour))
    return found


def _gifts(plan: Timetable) -> list[Change]:
    """Doses, ends of infusions, agents: every tick after the first at which the timetable brings or ends something."""
    found = []
    before = _give(Workspace(), plan, 0, bolus=0.0).written()
    is_new = np.diff(plan.infusion) != 0.0
    is_new |= (np.diff(plan.dose_number) != 0) | (plan.depot[1:] != 0.0) | plan.slots[1:].any(axis=1)
    for tick in (np.flatnonzero(is_new) + 1).tolist():
        now = _give(Workspace(), plan, tick, bolus=0.0).written()
        now.pop(_IL2, None)
        fresh = {row: value for row, value in now.items() if row in names_in(value) or value != before.get(row)}
        before = now
        hour = (tick - plan.lead) * TICK_H
        found.append(Change(f"timetable, hour {hour:g} after the first dose", tick * TICK_H, 0.0, 1, fresh))
    return found


def equations(plan: Timetable) -> Equations:
    """The open loop of an arm (no ward: no grading, no support, no rescue) with its timetable."""
    rates, named = right_hand_side()
    changes = [*_clocks(plan), *_gifts(plan)]
    alive = set(STATES) | names_in(*rates.values())
    while grown := {row for change in changes for target, value in change.becomes.items() if target in alive
                    for row in names_in(value)} - alive:
        alive |= grown
    kept = [Change(c.label, c.time_h, c.every_h, c.rank, {row: v for row, v in c.becomes.items() if row in alive})
            for c in changes]  # fmt: skip
    changes = [change for change in kept if change.becomes]
    moving = set(STATES) | {row for change in changes for row in change.becomes}
    begin = {row: value for row, value in _begin(plan).items() if row in alive and row not in PARAMETERS}
    used = alive | names_in(*begin.values()) | names_in(*(v for c in changes for v in c.becomes.values()))
    return Equations(
        rates, named, {row: begin[row] for row in ROW if row in begin or row in moving}, tuple(changes),
        {BOLUS: _boluses(plan)} if BOLUS in used else {}, tuple(row for row in PARAMETERS if row in used),
    )
