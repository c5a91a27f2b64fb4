"""Single-arm rules: certified Simon designs, the drift of the benchmark, and Bayesian rules by
their definition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import roots_jacobi
from scipy.stats import beta, binom

from crsrisk.data.trial_plan import SingleArm
from crsrisk.errors import InputError
from crsrisk.trials.simon import simon_operating_characteristics
from crsrisk.trials.single_arm import (
    CountRule,
    bayes_single_arm,
    count_rule,
    count_rule_oc,
    predictive_probability,
)

KNOWN = yaml.safe_load(
    (Path(__file__).parents[1] / "known" / "trial_designs.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("row", KNOWN["simon"], ids=lambda row: f"{row['id']}-{row['method']}")
def test_simon_designs_are_the_certified_ones(row: dict[str, Any]) -> None:
    rule = count_rule(
        SingleArm(method=row["method"], benchmark=row["benchmark"], target=row["target"]), where="x"
    )
    assert (rule.lower.tolist(), rule.at_look.tolist()) == (
        [row["r1"], row["r"]],
        [row["n1"], row["n"]],
    )
    assert count_rule_oc(rule, p_success=row["benchmark"]).p_claim == pytest.approx(
        row["alpha"], abs=1e-5
    )


def test_a_drifting_benchmark_is_the_certified_one() -> None:
    rule = count_rule(SingleArm(method="simon_optimal", benchmark=0.6, target=0.8), where="x")
    for rate, claims in KNOWN["drift"].items():
        assert count_rule_oc(rule, p_success=rate).p_claim == pytest.approx(claims, abs=1e-5)


@given(st.floats(0.02, 0.98))
def test_enumeration_agrees_with_simons_formula(p: float) -> None:
    rule = CountRule(np.array([11, 43]), np.array([7, 30]), np.array([12, 31]))
    found, known = (
        count_rule_oc(rule, p_success=p),
        simon_operating_characteristics(r1=7, n1=11, r=30, n=43, p_success=[p]),
    )
    assert found.p_claim == pytest.approx(float(known.p_reject[0]), abs=1e-12)
    assert found.expected_n == pytest.approx(float(known.expected_n[0]), abs=1e-9)
    assert float(found.claims.sum() + found.stops.sum()) == pytest.approx(1.0, abs=1e-12)


def test_predictive_probability_stops_where_it_says() -> None:
    single = SingleArm(
        method="predictive_probability",
        benchmark=0.6,
        target=0.8,
        n_max=40,
        looks=[10, 20, 30],
        theta_low=0.1,
        theta_end=0.9,
    )
    rule = count_rule(single, where="x")
    for n, lower in zip(rule.at_look[:-1], rule.lower[:-1], strict=True):
        for x, stops in ((lower, True), (lower + 1, False)):
            chance = predictive_probability(
                x=int(x), n=int(n), n_max=40, prior=[0.5, 0.5], p0=0.6, theta_T=0.9
            )
            assert (chance < 0.1) is stops
    claims = int(rule.upper[-1])
    belief = [float(beta.sf(0.6, 0.5 + x, 0.5 + 40 - x)) for x in (claims - 1, claims)]
    assert belief[0] < 0.9 <= belief[1]
    never_stopping = CountRule(rule.at_look[-1:], rule.lower[-1:], rule.upper[-1:])
    assert count_rule_oc(never_stopping, p_success=0.8).p_claim == pytest.approx(
        binom.sf(claims - 1, 40, 0.8), abs=1e-12
    )


def test_an_end_that_no_result_reaches_is_refused() -> None:
    with pytest.raises(InputError, match="raise n_max"):
        count_rule(
            SingleArm(
                method="predictive_probability",
                benchmark=0.95,
                target=0.99,
                n_max=4,
                looks=[2],
                theta_end=0.99,
            ),
            where="x",
        )


# Bayesian single-arm rules against direct sums and a simulation of the prior's own world.


@settings(max_examples=10)
@given(
    data=st.data(),
    n=st.integers(0, 15),
    more=st.integers(0, 15),
    a=st.floats(0.3, 5),
    b=st.floats(0.3, 5),
    p0=st.floats(0.1, 0.9),
    theta=st.floats(0.5, 0.99),
)
def test_predictive_probability_is_an_average_over_the_posterior(
    data: st.DataObject, n: int, more: int, a: float, b: float, p0: float, theta: float
) -> None:
    """Binomial futures averaged over the posterior by Gauss-Jacobi quadrature, which is exact for
    these polynomials, instead of the beta-binomial formula.
    """
    x = data.draw(st.integers(0, n))
    last = n + more
    if last == 0:
        return
    good = [y for y in range(more + 1) if beta.sf(p0, a + x + y, b + last - x - y) > theta]
    node, weight = roots_jacobi(more + 1, b + n - x - 1, a + x - 1)
    chance = (node + 1) / 2  # weighted with the density of Beta(a + x, b + n - x)
    expected = sum(binom.pmf(y, more, chance) @ weight for y in good) / weight.sum()
    found = predictive_probability(x=x, n=n, n_max=last, prior=[a, b], p0=p0, theta_T=theta)
    assert found == pytest.approx(expected, abs=2e-6)


@given(x=st.integers(0, 10), p0=st.floats(0.1, 0.9), theta=st.floats(0.5, 0.99))
def test_events_and_their_absence_say_the_same(x: int, p0: float, theta: float) -> None:
    more = predictive_probability(x=x, n=10, n_max=25, prior=[0.6, 0.4], p0=p0, theta_T=theta)
    less = predictive_probability(
        x=10 - x, n=10, n_max=25, prior=[0.4, 0.6], p0=1 - p0, theta_T=theta, direction="less"
    )
    assert less == pytest.approx(more, abs=1e-9)


@given(n=st.integers(1, 60), limit=st.floats(0.05, 0.9), conviction=st.floats(0.5, 0.99))
def test_the_rule_is_a_count(n: int, limit: float, conviction: float) -> None:
    rule = bayes_single_arm(
        n=n, prior=[0.5, 0.5], go_if=f"P(p<{limit:.4f}|x)>={conviction:.4f}", p=[0.02, 0.2, 0.6]
    )
    assert (np.diff(rule.p_go) <= 1e-12).all(), "fewer events, more go"
    assert rule.min_events_for_go is None
    if rule.max_events_for_go is None:
        assert (rule.p_go == 0).all()
    else:
        assert rule.p_go == pytest.approx(
            binom.cdf(rule.max_events_for_go, n, [0.02, 0.2, 0.6]), abs=1e-12
        )


def test_rules_above_a_limit() -> None:
    above = bayes_single_arm(n=29, prior=[0.5, 0.5], go_if="P(p>0.80|x)>=0.95", p=[0.9])
    below = bayes_single_arm(n=29, prior=[0.5, 0.5], go_if="P(p<0.20|x)>=0.95", p=[0.1])
    assert (above.min_events_for_go, above.max_events_for_go) == (27, None)
    assert above.p_go == pytest.approx(below.p_go, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"go_if": "p<0.2"},
        {"go_if": "P(p<0|x)>=0.95"},
        {"prior": [1]},
        {"prior": [0, 1]},
        {"n": 0},
        {"p": [2]},
    ],
)
def test_unclear_rules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Cure"):
        bayes_single_arm(
            **{"n": 29, "prior": [0.5, 0.5], "go_if": "P(p<0.20|x)>=0.95", "p": [0.1], **wrong}
        )


@pytest.mark.parametrize(
    "wrong", [{"x": 24}, {"n": 41}, {"p0": 1.0}, {"direction": "up"}, {"theta_T": 90}]
)
def test_impossible_data_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Cure"):
        predictive_probability(
            **{
                "x": 16,
                "n": 23,
                "n_max": 40,
                "prior": [0.6, 0.4],
                "p0": 0.6,
                "theta_T": 0.9,
                **wrong,
            }
        )
