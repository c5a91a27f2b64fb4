"""Strategies in their short writing, and effects of single patients."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crsrisk.data.potential_outcomes import (
    RESPONSE_WORLDS,
    STANDARD,
    Harms,
    Ledger,
    LedgerRow,
    PotentialOutcomes,
    parse_strategy,
)
from crsrisk.errors import InputError


@pytest.mark.parametrize(
    ("text", "agents", "timing", "regimen"),
    [
        ("none", (), "pre_dose", "as_planned"),
        ("tocilizumab", ("tocilizumab",), "pre_dose", "as_planned"),
        ("tocilizumab + anakinra@fever", ("tocilizumab", "anakinra"), "at_fever", "as_planned"),
        ("dexamethasone@two_doses/under_skin", ("dexamethasone",), "first_two_doses", "under_skin"),
        ("no_step_up", (), "pre_dose", "no_step_up"),
    ],
)
def test_short_writing(text: str, agents: tuple[str, ...], timing: str, regimen: str) -> None:
    found = parse_strategy(text)
    assert (found.mitigations, found.timing, found.regimen) == (agents, timing, regimen)
    assert found.is_standard == (text == "none")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("tocilizumab@noon", "@noon"),
        ("tocilizumab/twice", "/twice"),
        ("@fever", "without an agent"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        parse_strategy(text)


def test_effects_of_single_patients() -> None:
    grade = np.array([[0, 1, 2, 3], [0, 2, 1, 2]])
    no, half = np.zeros((2, 4), dtype=bool), np.full((2, 4), 0.5)
    outcomes = PotentialOutcomes(
        (STANDARD, parse_strategy("anakinra")),
        np.arange(4),
        21.0,
        grade,
        no,
        no,
        half,
        half,
        no,
        {name: half for name in RESPONSE_WORLDS},
        {name: no for name in RESPONSE_WORLDS},
    )
    assert outcomes.effect("anakinra").tolist() == [0, -1, 1, 0]
    assert outcomes.effect("anakinra", grade=3).tolist() == [0, 0, 0, 1]
    with pytest.raises(InputError, match="one of none, anakinra"):
        outcomes.event("steroid")


# Harms in CRS events, and the threshold that follows.


def test_the_threshold_is_harm_over_the_share_averted() -> None:
    """Known answer G03: RR 0.5, harm 0.05 -> 0.10."""
    assert math.isclose(Ledger(0.5, (LedgerRow("course", 1.0, 0.05),)).threshold, 0.1)


def test_what_averts_nothing_never_pays_and_what_only_spares_always_does() -> None:
    harm, spared = (LedgerRow("course", 1.0, 0.02),), (LedgerRow("infections", -0.01, 1.0),)
    assert Ledger(1.0, harm).threshold == math.inf
    assert Ledger(0.5, spared).threshold == 0.0
    assert Ledger(1.0, spared).threshold == 0.0


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_weight_is_no_negative_number(value: float) -> None:
    with pytest.raises(InputError, match="infection_weight"):
        Harms(value, 1.0, 0.0)
