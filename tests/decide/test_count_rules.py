"""Single-arm rules: certified Simon designs, the drift of the benchmark, and Bayesian rules by their definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from crsrisk.decide.bayes_single_arm import predictive_probability
from crsrisk.decide.count_rules import CountRule, count_rule, count_rule_oc
from crsrisk.decide.simon import simon_oc
from crsrisk.domain.trial import SingleArm
from crsrisk.errors import InputError

KNOWN = yaml.safe_load((Path(__file__).parents[1] / "known" / "trial_designs.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", KNOWN["simon"], ids=lambda row: f"{row['id']}-{row['method']}")
def test_simon_designs_are_the_certified_ones(row: dict[str, Any]) -> None:
    rule = count_rule(SingleArm(method=row["method"], benchmark=row["benchmark"], target=row["target"]), where="x")
    assert (rule.lower.tolist(), rule.at_look.tolist()) == ([row["r1"], row["r"]], [row["n1"], row["n"]])
    assert count_rule_oc(rule, p_success=row["benchmark"]).p_claim == pytest.approx(row["alpha"], abs=1e-5)


def test_a_drifting_benchmark_is_the_certified_one() -> None:
    rule = count_rule(SingleArm(method="simon_optimal", benchmark=0.6, target=0.8), where="x")
    for rate, claims in KNOWN["drift"].items():
        assert count_rule_oc(rule, p_success=rate).p_claim == pytest.approx(claims, abs=1e-5)


@given(st.floats(0.02, 0.98))
def test_enumeration_agrees_with_simons_formula(p: float) -> None:
    rule = CountRule(np.array([11, 43]), np.array([7, 30]), np.array([12, 31]))
    found, known = count_rule_oc(rule, p_success=p), simon_oc(r1=7, n1=11, r=30, n=43, p_success=[p])
    assert found.p_claim == pytest.approx(float(known.p_reject[0]), abs=1e-12)
    assert found.expected_n == pytest.approx(float(known.expected_n[0]), abs=1e-9)
    assert float(found.claims.sum() + found.stops.sum()) == pytest.approx(1.0, abs=1e-12)


def test_predictive_probability_stops_where_it_says() -> None:
    single = SingleArm(method="predictive_probability", benchmark=0.6, target=0.8, n_max=40, looks=[10, 20, 30],
                       theta_low=0.1, theta_end=0.9)
    rule = count_rule(single, where="x")
    for n, lower in zip(rule.at_look[:-1], rule.lower[:-1], strict=True):
        for x, stops in ((lower, True), (lower + 1, False)):
            chance = predictive_probability(x=int(x), n=int(n), n_max=40, prior=[0.5, 0.5], p0=0.6, theta_T=0.9)
            assert (chance < 0.1) is stops
    claims = int(rule.upper[-1])
    belief = [float(beta.sf(0.6, 0.5 + x, 0.5 + 40 - x)) for x in (claims - 1, claims)]
    assert belief[0] < 0.9 <= belief[1]
    never_stopping = CountRule(rule.at_look[-1:], rule.lower[-1:], rule.upper[-1:])
    assert count_rule_oc(never_stopping, p_success=0.8).p_claim == pytest.approx(binom.sf(claims - 1, 40, 0.8), abs=1e-12)


def test_an_end_that_no_result_reaches_is_refused() -> None:
    with pytest.raises(InputError, match="raise n_max"):
        count_rule(SingleArm(method="predictive_probability", benchmark=0.95, target=0.99, n_max=4, looks=[2],
                             theta_end=0.99), where="x")
