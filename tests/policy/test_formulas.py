"""Policies in closed form against the same policies counted patient by patient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.evaluation.decision_curve import net_benefit
from crsrisk.policy.formulas import (
    beta_risk_policy,
    budget_policy,
    equity_regret,
    policy_metrics,
    policy_value_true,
    risk_policy,
)

RISKS = st.lists(st.floats(0.01, 0.99), min_size=2, max_size=40)


@given(risks=RISKS, rr=st.floats(0, 0.9), t=st.floats(0, 0.9))
def test_a_policy_is_a_sum_over_patients(risks: list[float], rr: float, t: float) -> None:
    n, treated = len(risks), [r for r in risks if r >= t]
    if not treated:
        with pytest.raises(InputError, match="threshold that somebody reaches"):
            policy_metrics(risk=risks, rr=rr, thresholds=[t])
        return
    found = policy_metrics(risk=risks, rr=rr, thresholds=[t])[t]
    averted = sum((1 - rr) * r for r in treated)
    assert found.averted_per_100 == pytest.approx(100 * averted / n)
    assert found.nnt_among_treated == pytest.approx(len(treated) / averted)
    assert found.treated_without_Y0_event_per_100 == pytest.approx(
        100 * sum(1 - r for r in treated) / n
    )
    assert found.missed_per_100 == pytest.approx(100 * sum(r for r in risks if r < t) / n, abs=1e-9)


@given(a=st.floats(0.8, 10), b=st.floats(0.8, 10), t=st.floats(0.05, 0.6))
def test_shares_fit_together(a: float, b: float, t: float) -> None:
    policy = beta_risk_policy(a=a, b=b, thresholds=[t])
    found = policy.by_threshold[t]
    assert found.treated == pytest.approx(
        policy.mean * found.sens + (1 - policy.mean) * (1 - found.spec)
    )
    assert found.ppv >= max(t, policy.mean) - 1e-12, (
        "those selected have at least the threshold's risk"
    )
    counted = net_benefit(
        n=1,
        n_true_positive=policy.mean * found.sens,
        n_false_positive=found.treated - policy.mean * found.sens,
        threshold=t,
    )
    assert found.net_benefit == pytest.approx(counted, abs=1e-12)
    assert 0.5 <= policy.auc <= 1


@given(risks=RISKS, rr=st.floats(0, 0.9), harm=st.floats(0, 0.5), t=st.floats(0.0, 0.99))
def test_nothing_beats_the_oracle(risks: list[float], rr: float, harm: float, t: float) -> None:
    value = policy_value_true(risk=risks, rr=rr, harm=harm, policies=["none", "all", f"r>={t:.4f}"])
    assert value["none"] == 0
    assert value["oracle"] == pytest.approx(
        np.mean([max(0.0, (1 - rr) * r - harm) for r in risks]), abs=1e-9
    )
    assert all(regret >= -1e-9 for name, regret in value.items() if name.startswith("regret_"))
    assert value["all"] == pytest.approx((1 - rr) * np.mean(risks) - harm)


@given(risks=RISKS, rr=st.floats(0, 0.9), fraction=st.floats(0.05, 1))
def test_doses_by_risk_never_avert_less_than_by_lot(
    risks: list[float], rr: float, fraction: float
) -> None:
    found = budget_policy(risk=risks, rr=rr, capacity_fraction=fraction)
    assert found.gain_ratio >= 1 - 1e-9
    assert budget_policy(risk=risks, rr=rr, capacity_fraction=1.0).gain_ratio == pytest.approx(1)
    assert budget_policy(
        risk=[0.2] * 5, rr=rr, capacity_fraction=fraction
    ).gain_ratio == pytest.approx(1)


def test_formula_and_patients_agree_on_every_answer() -> None:
    """200,000 draws from Beta(2, 6); the rarest figure, 33% treated, has a relative error of 0.3%.
    Seed fixed.
    """
    risks = np.random.default_rng(5).beta(2, 6, 200_000)
    formula, patients = (
        risk_policy(risk=r, thresholds=[0.1, 0.3]).to_dict() for r in ("Beta(2,6)", risks)
    )
    for t in ("0.1", "0.3"):
        assert patients["by_threshold"][t] == pytest.approx(formula["by_threshold"][t], rel=0.02)


@given(shift=st.floats(-1.5, 1.5), t=st.floats(0.05, 0.5))
def test_a_shifted_score_moves_the_threshold(shift: float, t: float) -> None:
    """Checked by shifting the scores of patients and selecting by them."""
    n = 4000
    risks = np.random.default_rng(1).beta(2, 6, n)
    harm = t * 0.5  # so that t is the best threshold
    found = equity_regret(
        groups={"B": f"Beta(2,6), score logit shifted {shift:.6f}"}, threshold=t, rr=0.5, harm=harm
    )
    group = found.groups["B"]
    assert logit(group.effective_true_threshold) == pytest.approx(
        logit(t) - round(shift, 6), abs=1e-9
    )
    score = expit(logit(risks) + shift)
    assert group.treated == pytest.approx((score >= t).mean(), abs=4 * 0.5 / n**0.5)
    assert group.regret >= -1e-12
    assert set(found.to_dict()) >= {"treated_B", "regret_B", "effective_true_threshold_B"}


def test_a_calibrated_group_has_no_regret_at_its_best_threshold() -> None:
    found = equity_regret(
        groups={"A": "Beta(2,6), calibrated", "C": [0.05, 0.1, 0.4], "D": "Beta(2,6)"},
        threshold=0.1,
        rr=0.5,
        harm=0.05,
    )
    assert [group.regret for group in found.groups.values()] == pytest.approx([0, 0, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (
            beta_risk_policy,
            {"a": 2, "b": 6, "thresholds": [0.2]},
            [{"a": 0}, {"thresholds": [0]}, {"thresholds": [1]}],
        ),
        (
            policy_value_true,
            {"risk": "Beta(2,6)", "rr": 0.5, "harm": 0.1},
            [
                {"policies": ["best"]},
                {"policies": ["r>=1"]},
                {"policies": ["r>=1e"]},
                {"rr": 1},
                {"harm": -0.1},
            ],
        ),
        (
            policy_metrics,
            {"risk": "Beta(2,6)", "rr": 0.5, "thresholds": [0.1]},
            [{"thresholds": [1]}, {"rr": 1.2}],
        ),
        (
            budget_policy,
            {"risk": "Beta(2,6)", "rr": 0.5, "capacity_fraction": 0.3},
            [{"capacity_fraction": 0}, {"capacity_fraction": 30}],
        ),
        (
            equity_regret,
            {"groups": {"A": "Beta(2,6)"}, "threshold": 0.1, "rr": 0.5, "harm": 0.05},
            [
                {"threshold": 0},
                {"threshold": 1},
                {"groups": {"A": "Beta(2,6), score logit shifted 1e"}},
                {"groups": {"A": "x"}},
            ],
        ),
    ],
)
def test_impossible_policies_are_refused(
    function: Any, right: dict[str, Any], wrong: list[dict[str, Any]]
) -> None:
    function(**right)
    for change in wrong:
        with pytest.raises(InputError, match=r"Cure: \w"):
            function(**{**right, **change})
