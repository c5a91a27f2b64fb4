"""Bayesian single-arm rules against direct sums and a simulation of the prior's own world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, binom

from crsrisk.decide.bayes_single_arm import bayes_single_arm_oc, predictive_probability
from crsrisk.errors import InputError


@settings(max_examples=10)
@given(data=st.data(), n=st.integers(0, 15), more=st.integers(0, 15), a=st.floats(0.3, 5), b=st.floats(0.3, 5),
       p0=st.floats(0.1, 0.9), theta=st.floats(0.5, 0.99))
def test_predictive_probability_is_an_average_over_the_posterior(
    data: st.DataObject, n: int, more: int, a: float, b: float, p0: float, theta: float
) -> None:
    """Binomial futures averaged over the posterior by quadrature, instead of the beta-binomial formula."""
    x = data.draw(st.integers(0, n))
    last = n + more
    if last == 0:
        return
    good = [y for y in range(more + 1) if beta.sf(p0, a + x + y, b + last - x - y) > theta]
    posterior = beta(a + x, b + n - x)
    expected = sum(quad(lambda u, y=y: binom.pmf(y, more, posterior.ppf(u)), 0, 1, limit=200)[0] for y in good)
    found = predictive_probability(x=x, n=n, n_max=last, prior=[a, b], p0=p0, theta_T=theta)
    assert found == pytest.approx(expected, abs=2e-6)


@given(x=st.integers(0, 10), p0=st.floats(0.1, 0.9), theta=st.floats(0.5, 0.99))
def test_events_and_their_absence_say_the_same(x: int, p0: float, theta: float) -> None:
    more = predictive_probability(x=x, n=10, n_max=25, prior=[0.6, 0.4], p0=p0, theta_T=theta)
    less = predictive_probability(x=10 - x, n=10, n_max=25, prior=[0.4, 0.6], p0=1 - p0, theta_T=theta, direction="less")
    assert less == pytest.approx(more, abs=1e-9)


@given(n=st.integers(1, 60), limit=st.floats(0.05, 0.9), conviction=st.floats(0.5, 0.99))
def test_the_rule_is_a_count(n: int, limit: float, conviction: float) -> None:
    rule = bayes_single_arm_oc(n=n, prior=[0.5, 0.5], go_if=f"P(p<{limit:.4f}|x)>={conviction:.4f}", p=[0.02, 0.2, 0.6])
    assert (np.diff(rule.p_go) <= 1e-12).all(), "fewer events, more go"
    assert rule.min_events_for_go is None
    if rule.max_events_for_go is None:
        assert (rule.p_go == 0).all()
    else:
        assert rule.p_go == pytest.approx(binom.cdf(rule.max_events_for_go, n, [0.02, 0.2, 0.6]), abs=1e-12)


def test_rules_above_a_limit() -> None:
    above = bayes_single_arm_oc(n=29, prior=[0.5, 0.5], go_if="P(p>0.80|x)>=0.95", p=[0.9])
    below = bayes_single_arm_oc(n=29, prior=[0.5, 0.5], go_if="P(p<0.20|x)>=0.95", p=[0.1])
    assert (above.min_events_for_go, above.max_events_for_go) == (27, None)
    assert above.p_go == pytest.approx(below.p_go, abs=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"go_if": "p<0.2"}, {"go_if": "P(p<0|x)>=0.95"}, {"prior": [1]}, {"prior": [0, 1]}, {"n": 0}, {"p": [2]}])
def test_unclear_rules_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Cure"):
        bayes_single_arm_oc(**{"n": 29, "prior": [0.5, 0.5], "go_if": "P(p<0.20|x)>=0.95", "p": [0.1], **wrong})


@pytest.mark.parametrize("wrong", [{"x": 24}, {"n": 41}, {"p0": 1.0}, {"direction": "up"}, {"theta_T": 90}])
def test_impossible_data_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Cure"):
        predictive_probability(**{"x": 16, "n": 23, "n_max": 40, "prior": [0.6, 0.4], "p0": 0.6, "theta_T": 0.9, **wrong})
