"""Symbolic: formulas from running functions on names, with both ways of every branch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.simulation.equations import (
    Expression,
    Operand,
    Workspace,
    choice,
    evaluate,
    in_every_way,
    largest,
    name,
    names_in,
    original,
    smallest,
    with_locals,
)
from crsrisk.simulation.layout import ROW
from crsrisk.simulation.ward import held

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False)
X, Y = name("x"), name("y")


def _mixed(x: Any, y: Any, most: Any, least: Any) -> Any:
    """Every operator, with formulas and numbers on both sides."""
    return (
        -(2.0 * x - y / 4.0)
        + (1.0 - x) * y**2
        + most(x, y)
        - least(0.5, y)
        + 3.0 / (2.0 + most(x * x, 1.0))
    ) * 0.5


@given(x=NUMBERS, y=NUMBERS)
def test_a_formula_is_worth_what_the_function_returns(x: float, y: float) -> None:
    assert evaluate(_mixed(X, Y, largest, smallest), {"x": x, "y": y}) == _mixed(x, y, max, min)


def test_what_adds_nothing_is_left_out() -> None:
    for same in (X + 0.0, 0.0 + X, X - 0.0, 1.0 * X, X * 1.0, X / 1.0, X**1):
        assert same == X
    assert (0.0 * X, X * 0.0, 0.0 / X) == (0.0, 0.0, 0.0)
    assert choice(X > Y, X, X) == X
    assert names_in(X * Y + 2.0, name("z"), 1.0) == {"x", "y", "z"}


def _branching(w: Workspace) -> None:
    x = w[ROW["tnf"]]
    if x > 1.0:
        w[ROW["il6"]] = 5.0 if x > 10.0 else x
    w[ROW["il1"]] = x if x <= 3.0 else 0.0


@given(x=st.floats(-5, 20))
def test_both_ways_of_every_branch(x: float) -> None:
    """Three comparisons, one inside another; a row that one way leaves alone keeps its own value
    there.
    """

    def run() -> dict[str, Operand]:
        w = Workspace()
        _branching(w)
        return w.written()

    found = in_every_way(run)
    values = {"tnf": x, "il6": -1.0, "il1": -2.0}
    by_hand = -1.0 if x <= 1 else 5.0 if x > 10 else x
    assert evaluate(found["il6"], values) == by_hand
    assert evaluate(found["il1"], values) == (x if x <= 3 else 0.0)
    assert set(found) == {"il6", "il1"}


def test_a_compiled_function_is_traced_with_all_it_calls() -> None:
    found = in_every_way(
        lambda: {"due": original(held)(name("trigger"), name("timer"), name("hold"))}
    )
    for trigger, timer in ((1.0, 5.0), (0.0, 5.0), (0.0, 0.5)):
        values = {"trigger": trigger, "timer": timer, "hold": 24.0}
        assert evaluate(found["due"], values) == held(trigger, timer, 24.0)


def test_names_that_the_author_gave() -> None:
    def function(x: Operand) -> Operand:
        doubled = 2.0 * x
        return doubled + 1.0

    result, local = with_locals(function, X)
    assert local == {"x": X, "doubled": Expression("times", (2.0, X))}
    assert result.parts[0] is local["doubled"]


def test_a_formula_is_no_condition() -> None:
    with pytest.raises(TypeError, match="condition"):
        bool(X + 1.0)
