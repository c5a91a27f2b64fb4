"""One number: what is simulated starts from the model's risk, or both are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from crsrisk.data.explanation import ByGrade, LeverEffect, PatientRisk, SimulatedPatients
from crsrisk.results import Estimate
from crsrisk.uncertainty.one_number import from_one_number, is_one_number


def simulated(two: float, three: float, *, lever: float = 0.5) -> SimulatedPatients:
    """With a lever that leaves ``lever`` of both shares."""
    usual = ByGrade(
        Estimate(two, two / 2, (1 + two) / 2, 0.01), Estimate(three, three / 2, 2 * three, 0.01)
    )
    with_lever = ByGrade(Estimate(lever * two), Estimate(lever * three))
    difference = ByGrade(
        *(
            Estimate((lever - 1) * share, (lever - 1) * share * 2, 0.0, 0.01)
            for share in (two, three)
        )
    )
    return SimulatedPatients(
        usual=usual,
        levers=[
            LeverEffect(
                kind="prevention",
                label="lever",
                usual=usual,
                with_lever=with_lever,
                difference=difference,
            )
        ],
        scenarios={"reference": Estimate(two, mc_error=0.01)},
        onset_wait_h=None,
        n_members=40,
        n_people=256,
    )


RISK = PatientRisk(Estimate(0.24, 0.2, 0.3), Estimate(0.03, 0.01, 0.06))


def test_everything_starts_from_the_models_number() -> None:
    """By hand: log-odds move by logit(0.24) - logit(0.3), those of grade 3 by their own."""
    moved = from_one_number(simulated(0.30, 0.05), RISK)
    lever = moved.levers[0]
    assert moved.usual.grade2plus.value == pytest.approx(0.24)
    assert moved.usual.grade3plus is not None
    assert moved.usual.grade3plus.value == pytest.approx(0.03)
    assert lever.usual == moved.usual
    assert logit(lever.with_lever.grade2plus.value) == pytest.approx(
        logit(0.15) + logit(0.24) - logit(0.30)
    )
    assert lever.difference.grade2plus.value == pytest.approx(
        lever.with_lever.grade2plus.value - 0.24
    )
    assert moved.scenarios["reference"].value == pytest.approx(0.24)
    assert moved.as_simulated is not None
    assert moved.as_simulated.grade2plus.value == 0.30


def test_what_differs_by_more_stays_as_simulated() -> None:
    far = simulated(0.35, 0.05)
    assert not is_one_number(far, RISK)
    assert from_one_number(far, RISK) is far
    severe = simulated(0.30, 0.16)
    assert from_one_number(severe, RISK) is severe, "of the other grade"


def test_a_large_monte_carlo_error_is_no_difference() -> None:
    unsure = simulated(0.35, 0.05)
    usual = ByGrade(Estimate(0.35, 0.2, 0.6, 0.04), unsure.usual.grade3plus)
    assert is_one_number(replace(unsure, usual=usual), RISK)


@given(st.floats(0.0, 0.3), st.floats(0.01, 0.3), st.floats(0.0, 1.5))
def test_order_and_sign_stay(share: float, says: float, lever: float) -> None:
    """Shares stay within 0 to 1 and in order, and no lever changes its side."""
    risk = PatientRisk(Estimate(says))
    given_simulated = simulated(share, 0.0, lever=lever)
    moved = from_one_number(given_simulated, risk)
    usual, effect = moved.usual.grade2plus, moved.levers[0]
    assert 0 <= usual.low <= usual.value <= usual.high <= 1
    change = effect.difference.grade2plus.value
    assert change == pytest.approx(
        effect.with_lever.grade2plus.value - effect.usual.grade2plus.value, abs=1e-9
    )
    before = given_simulated.levers[0].difference.grade2plus.value
    assert np.sign(round(change, 9)) in (0, np.sign(before))
