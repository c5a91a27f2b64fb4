"""Strategies in their short writing, and effects of single patients."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.domain.potential_outcomes import (
    RESPONSE_WORLDS,
    STANDARD,
    PotentialOutcomes,
    parse_strategy,
)
from crsrisk.errors import InputError


@pytest.mark.parametrize(("text", "agents", "timing", "regimen"), [
    ("none", (), "pre_dose", "as_planned"),
    ("tocilizumab", ("tocilizumab",), "pre_dose", "as_planned"),
    ("tocilizumab + anakinra@fever", ("tocilizumab", "anakinra"), "at_fever", "as_planned"),
    ("dexamethasone@two_doses/under_skin", ("dexamethasone",), "first_two_doses", "under_skin"),
    ("no_step_up", (), "pre_dose", "no_step_up"),
])
def test_short_writing(text: str, agents: tuple[str, ...], timing: str, regimen: str) -> None:
    found = parse_strategy(text)
    assert (found.mitigations, found.timing, found.regimen) == (agents, timing, regimen)
    assert found.is_standard == (text == "none")


@pytest.mark.parametrize(("text", "what"), [
    ("tocilizumab@noon", "@noon"), ("tocilizumab/twice", "/twice"), ("@fever", "without an agent"),
])
def test_what_cannot_be_meant_is_refused(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        parse_strategy(text)


def test_effects_of_single_patients() -> None:
    grade = np.array([[0, 1, 2, 3], [0, 2, 1, 2]])
    no, half = np.zeros((2, 4), dtype=bool), np.full((2, 4), 0.5)
    outcomes = PotentialOutcomes(
        (STANDARD, parse_strategy("anakinra")), np.arange(4), 21.0, grade, no, no, half, half, no,
        {name: half for name in RESPONSE_WORLDS}, {name: no for name in RESPONSE_WORLDS})
    assert outcomes.effect("anakinra").tolist() == [0, -1, 1, 0]
    assert outcomes.effect("anakinra", grade=3).tolist() == [0, 0, 0, 1]
    with pytest.raises(InputError, match="one of none, anakinra"):
        outcomes.event("steroid")
