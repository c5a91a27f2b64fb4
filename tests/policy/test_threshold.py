"""Thresholds: best against every other, limits at both ends, and what tips them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.policy.formulas import value_at
from crsrisk.policy.threshold import (
    efficacy_attenuation,
    efficacy_tipping_point,
    gain_over_best_default,
    net_benefit,
    net_benefit_of_treating,
    optimal_threshold,
)
from crsrisk.trials.risk_distribution import BetaRisk

RR = st.floats(0, 0.95)
SHAPE = st.floats(0.5, 12)


@given(a=SHAPE, b=SHAPE, rr=RR, harm=st.floats(0, 0.6), other=st.floats(0, 1))
def test_no_other_threshold_is_better(
    a: float, b: float, rr: float, harm: float, other: float
) -> None:
    best = optimal_threshold(rr=rr, harm_per_treated_in_crs_units=harm)
    spread = BetaRisk(a, b)
    assert (
        value_at(spread, float(best), benefit=1 - rr, harm=harm)
        >= value_at(spread, other, benefit=1 - rr, harm=harm) - 1e-12
    )


@given(rr=RR, harm=st.floats(0, 0.5), w=st.floats(0, 5), loss=st.floats(0, 0.1))
def test_lost_responses_are_harm_by_another_name(
    rr: float, harm: float, w: float, loss: float
) -> None:
    stated = optimal_threshold(
        rr=rr,
        harm_per_treated_in_crs_units=harm,
        weight_response_vs_crs=w,
        orr_loss_if_treated=loss,
    )
    summed = optimal_threshold(rr=rr, harm_per_treated_in_crs_units=harm + w * loss)
    assert stated == pytest.approx(summed)
    assert stated.t_star == stated.to_dict()["t_star"] == float(stated)
    assert stated >= optimal_threshold(rr=rr, harm_per_treated_in_crs_units=harm)


@given(a=SHAPE, b=SHAPE, rr=RR, harm=st.floats(0, 0.2), w=st.floats(0.1, 5), t=st.floats(0, 0.9))
def test_at_the_tipping_point_treating_ties_with_nobody(
    a: float, b: float, rr: float, harm: float, w: float, t: float
) -> None:
    spread = BetaRisk(a, b)
    if spread.share_above(t) < 1e-6:
        return
    point = efficacy_tipping_point(
        risk=spread, rr=rr, harm=harm, weight_response_vs_crs=w, thresholds=[t]
    )[t]
    assert value_at(spread, t, benefit=1 - rr, harm=harm + w * point) == pytest.approx(
        0.0, abs=1e-9
    )


@given(a=SHAPE, b=SHAPE, rr=RR)
def test_a_model_gains_most_at_the_mean_risk_and_nothing_at_the_ends(
    a: float, b: float, rr: float
) -> None:
    mean = a / (a + b)
    grid = sorted({1e-7, *np.linspace(0.05, 0.95, 10).tolist(), mean, 1 - 1e-7})
    gains = gain_over_best_default(risk=BetaRisk(a, b), rr=rr, t_star=grid)
    found = [gains[t].gain for t in grid]
    assert min(found) >= -1e-12
    assert max(found) == pytest.approx(gains[mean].gain, abs=1e-12)
    assert found[0] == pytest.approx(0, abs=1e-3)
    assert found[-1] == pytest.approx(0, abs=1e-6)


@given(events=st.integers(1, 99), data=st.data(), t=st.floats(0.01, 0.99))
def test_net_benefit_ends(events: int, data: st.DataObject, t: float) -> None:
    tp, fp = data.draw(st.integers(0, events)), data.draw(st.integers(0, 100 - events))
    found = net_benefit(n=100, tp=tp, fp=fp, events=events, threshold=t)
    assert found.net_benefit <= events / 100 + 1e-12
    assert found.standardised_net_benefit == pytest.approx(found.net_benefit / (events / 100))
    everybody = net_benefit(n=100, tp=events, fp=100 - events, events=events, threshold=t)
    assert everybody.net_benefit == pytest.approx(everybody.net_benefit_treat_all)
    assert everybody.net_interventions_avoided_per_100 == pytest.approx(0, abs=1e-9)
    perfect = net_benefit(n=100, tp=events, fp=0, events=events, threshold=t)
    assert perfect.standardised_net_benefit == pytest.approx(1)
    assert perfect.net_interventions_avoided_per_100 == pytest.approx(100 - events)


def test_the_trial_form_of_net_benefit_is_the_value_of_the_policy() -> None:
    """Event rates under a policy follow from the closed form; both definitions then agree."""
    spread, rr, harm, t = BetaRisk(2, 6), 0.5, 0.05, 0.2
    under = spread.mean - (1 - rr) * spread.event_share_above(t)
    found = net_benefit_of_treating(
        event_rate_untreated=spread.mean,
        event_rate_policy=under,
        treated=spread.share_above(t),
        threshold=harm,
    )
    assert found == pytest.approx(value_at(spread, t, benefit=1 - rr, harm=harm))


def test_without_mediation_no_response_is_lost() -> None:
    changes = efficacy_attenuation(p_response=0.35, c1=[0, 0.5, 1], a=[0, 0.2, 0.4])
    assert [changes[f"c1=0,a={a}"] for a in (0, 0.2, 0.4)] == pytest.approx([0, 0, 0], abs=1e-12)
    assert [changes[f"c1={c},a=0"] for c in (0, 0.5, 1)] == pytest.approx([0, 0, 0], abs=1e-12)
    assert 0 > changes["c1=0.5,a=0.2"] > changes["c1=1,a=0.2"] > changes["c1=1,a=0.4"] > -0.35


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (
            optimal_threshold,
            {"rr": 0.5, "harm_per_treated_in_crs_units": 0.05},
            [
                {"rr": 1.0},
                {"rr": -0.1},
                {"harm_per_treated_in_crs_units": -1},
                {"weight_response_vs_crs": -2},
            ],
        ),
        (
            net_benefit,
            {"n": 750, "tp": 75, "fp": 98, "events": 105, "threshold": 0.2},
            [
                {"threshold": 0},
                {"threshold": 1},
                {"tp": 106},
                {"fp": 700},
                {"events": 0, "tp": 0},
                {"n": 0},
                {"tp": 7.5},
            ],
        ),
        (
            efficacy_tipping_point,
            {
                "risk": "Beta(2,6)",
                "rr": 0.5,
                "harm": 0.1,
                "weight_response_vs_crs": 2,
                "thresholds": [0.1],
            },
            [
                {"thresholds": [1.0]},
                {"thresholds": []},
                {"weight_response_vs_crs": 0},
                {"rr": 1.5},
                {"risk": [0.1, 0.2], "thresholds": [0.5]},
            ],
        ),
        (
            gain_over_best_default,
            {"risk": "Beta(2,6)", "rr": 0.5, "t_star": [0.1]},
            [{"t_star": [0]}, {"t_star": [1]}],
        ),
        (
            efficacy_attenuation,
            {"p_response": 0.35, "c1": 1, "a": 0.2},
            [{"a": 1}, {"p_response": 35}, {"model": "linear"}],
        ),
        (
            net_benefit_of_treating,
            {
                "event_rate_untreated": 0.25,
                "event_rate_policy": 0.15,
                "treated": 0.5,
                "threshold": 0.05,
            },
            [{"threshold": 1}, {"treated": 50}],
        ),
    ],
)
def test_impossible_harms_are_refused(
    function: Any, right: dict[str, Any], wrong: list[dict[str, Any]]
) -> None:
    function(**right)
    for change in wrong:
        with pytest.raises(InputError, match=r"Cure: \w"):
            function(**{**right, **change})
