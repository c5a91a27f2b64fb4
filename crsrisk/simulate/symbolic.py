"""Symbolic: the solver's own functions, run on names instead of numbers, so that every equation is written once.

A compiled function keeps its Python original. Run with expressions for numbers and a workspace of names, it returns the
formula that it computes. Where it branches on a comparison, it is run once for each way and the ways are joined.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import FrameType, FunctionType
from typing import Any

from crsrisk.simulate.layout import AT, N_ROWS, ROW, ROWS

_DECIDED: ContextVar[Mapping[Expression, bool]] = ContextVar("comparisons that this run takes for granted")
_ONE_LANE = {"LANES": 1, "AT": type(AT)(*range(N_ROWS))}  # what the traced functions see instead of sixteen lanes


@dataclass(frozen=True)
class Expression:
    """A formula: an operator of MathML (or ``name``) and what it is applied to, formulas or numbers."""

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
        """Which way to go at a comparison: as decided before this run, else the run ends to be done both ways."""
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
            yield from (name for part in self.parts if isinstance(part, Expression) for name in part.names())


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
    return {found for one in formulas if isinstance(one, Expression) for found in one.names()}


def choice(condition: Expression, yes: Operand, no: Operand) -> Operand:
    """``yes`` where the condition holds, else ``no``; no question is asked when both are the same."""
    return yes if yes == no else Expression("piecewise", (yes, condition, no))


def largest(one: Any, other: Any) -> Any:
    """``max`` of two numbers or formulas, in one formula (asking for a way would split all that follows)."""
    is_formula = isinstance(one, Expression) or isinstance(other, Expression)
    return choice(Expression("gt", (one, other)), one, other) if is_formula else max(one, other)


def smallest(one: Any, other: Any) -> Any:
    """``min`` of two numbers or formulas, in one formula."""
    is_formula = isinstance(one, Expression) or isinstance(other, Expression)
    return choice(Expression("lt", (one, other)), one, other) if is_formula else min(one, other)


class Workspace:
    """The solver's workspace with one lane, in which every row holds its own name until something is written."""

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
        return {row: value for row, value in zip(ROWS, self.rows, strict=True) if value != name(row)}


@cache
def original(function: Callable[..., Any]) -> Callable[..., Any]:
    """The Python original of a compiled function, with originals for all it calls, for one lane and for formulas."""
    plain: Any = getattr(function, "py_func", function)
    seen = {**plain.__globals__, **_ONE_LANE, "max": largest, "min": smallest}
    called = {word: original(seen[word]) for word in plain.__code__.co_names if hasattr(seen.get(word), "py_func")}
    return FunctionType(plain.__code__, seen | called, plain.__name__, plain.__defaults__)


def with_locals(function: Callable[..., Any], *arguments: Any) -> tuple[Any, dict[str, Any]]:
    """Result of a function and its local variables at the end: the names that its author gave to parts of the formula."""
    found: dict[str, Any] = {}
    code = getattr(function, "__code__", None)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            found.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        result = function(*arguments)
    finally:
        sys.setprofile(before)
    return result, found


def in_every_way(
    run: Callable[[], Mapping[str, Operand]], decided: Mapping[Expression, bool] | None = None
) -> dict[str, Operand]:
    """What ``run`` yields by row, with a choice wherever it branches on a formula; a row left alone keeps its name."""
    known = decided or {}
    token = _DECIDED.set(known)
    try:
        return dict(run())
    except _UndecidedError as fork:
        condition = fork.condition
    finally:
        _DECIDED.reset(token)
    yes, no = (in_every_way(run, {**known, condition: way}) for way in (True, False))
    return {row: choice(condition, yes.get(row, name(row)), no.get(row, name(row))) for row in {**yes, **no}}


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "plus": lambda a, b: a + b, "minus": lambda a, b=None: -a if b is None else a - b, "times": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "power": lambda a, b: a**b, "gt": lambda a, b: a > b, "geq": lambda a, b: a >= b,
    "lt": lambda a, b: a < b, "leq": lambda a, b: a <= b, "piecewise": lambda yes, condition, no: yes if condition else no,
}  # fmt: skip


def evaluate(formula: Operand, values: Mapping[str, float]) -> float:
    """The number that a formula stands for.

    >>> evaluate(largest(name("x") - 1.0, 0.0) * 2.0, {"x": 3.0})
    4.0
    """
    if not isinstance(formula, Expression):
        return float(formula)
    if formula.operator == "name":
        return values[formula.parts[0]]
    found: float = _ARITHMETIC[formula.operator](*(evaluate(part, values) for part in formula.parts))
    return found
