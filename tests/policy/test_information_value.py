"""Value of information: textbook cases, and that knowing never hurts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crsrisk.errors import InputError
from crsrisk.policy.information_value import evpi, evppi

tables = arrays(
    np.float64, st.tuples(st.integers(2, 12), st.integers(2, 4)), elements=st.floats(-5, 5)
)


def test_two_worlds_two_decisions() -> None:
    """Treating gains 3 in a world of chance 0.4 and loses 1 else: 0.4 x 3 against 0.6 expected
    without knowing.
    """
    assert evpi([[0.0, 3.0], [0.0, -1.0]], [0.4, 0.6]) == pytest.approx(1.2 - 0.6)


@given(tables)
def test_knowing_never_hurts_and_nothing_is_worth_knowing_when_one_decision_always_wins(
    table: np.ndarray,
) -> None:
    weights = np.ones(len(table))
    assert evpi(table, weights) >= -1e-12
    always = np.column_stack([table.max(axis=1) + 1.0, table])
    assert evpi(always, weights) == pytest.approx(0.0, abs=1e-12)


def test_one_normal_parameter_by_closed_form() -> None:
    """Value x ~ N(0, 1) of treating against 0: EVPI = E max(x, 0) = 1 / sqrt(2 pi); the same by
    regression on x.

    A quadratic of the rank is not a straight line in x, so it may miss a twentieth.
    """
    x = np.random.default_rng(1).normal(size=4000)
    table = np.column_stack([np.zeros(4000), x - x.mean()])
    expected = 1.0 / np.sqrt(2.0 * np.pi)
    # four Monte Carlo errors
    assert evpi(table, np.ones(4000)) == pytest.approx(expected, abs=0.03)
    found = evppi(
        table[:400],
        np.ones(400),
        {"x": x[:400], "noise": np.random.default_rng(2).normal(size=400)},
        seed=1,
    )
    assert found["x"].evppi == pytest.approx(evpi(table[:400], np.ones(400)), rel=0.1)
    assert found["x"].is_beyond_chance
    assert not found["noise"].is_beyond_chance
    assert found["noise"].evppi < 0.05


def test_words_are_groups() -> None:
    table = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, -1.0], [0.0, -1.0]] * 20)
    known = evppi(table, np.ones(80), {"world": np.array(["a", "a", "b", "b"] * 20)}, seed=1)[
        "world"
    ]
    assert known.evppi + known.by_chance == pytest.approx(0.5)


def test_a_table_of_one_decision_is_refused() -> None:
    with pytest.raises(InputError, match="two decisions"):
        evpi([[1.0], [2.0]], [0.5, 0.5])
