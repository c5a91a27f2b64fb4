"""Riley's sample sizes: other programs, large simulated samples, and the intervals that they
promise.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crsrisk.errors import InputError
from crsrisk.evaluation.sample_size import (
    cstat_to_r2,
    linear_predictor_of,
    max_r2,
    pm_error_size_binary,
    pm_sample_size_binary,
    pm_validation_size_binary,
)

RATE = st.floats(0.05, 0.95)


@given(
    rate=RATE,
    share=st.floats(0.05, 0.8),
    parameters=st.integers(1, 60),
    shrinkage=st.floats(0.85, 0.97),
)
def test_each_criterion_holds_at_its_size_only(
    rate: float, share: float, parameters: int, shrinkage: float
) -> None:
    """Expected shrinkage 1 + P / [n ln(1 - R2/S)] put back, and the half width of the mean risk."""
    r2 = share * max_r2(rate)
    found = pm_sample_size_binary(
        r2_cs=r2, parameters=parameters, prevalence=rate, shrinkage=shrinkage
    )
    optimism = r2 / (r2 + 0.05 * max_r2(rate))
    for n, wanted in zip(found.criteria[:2], (shrinkage, optimism), strict=True):
        needed = parameters / ((wanted - 1) * np.log1p(-r2 / wanted))
        assert n - 1 < needed + 1e-6
        assert needed <= n + 1e-6
    half = [
        1.959964 * sqrt(rate * (1 - rate) / n)
        for n in (found.criteria[2], max(1, found.criteria[2] - 1))
    ]
    assert half[0] <= 0.05 + 1e-9
    assert half[1] > 0.05 or found.criteria[2] == 1
    assert found.n == max(found.criteria)
    more = pm_sample_size_binary(
        r2_cs=r2, parameters=parameters + 1, prevalence=rate, shrinkage=shrinkage
    )
    assert more.n >= found.n


def test_a_c_statistic_explains_what_a_large_sample_says() -> None:
    """400,000 simulated patients; R2's standard error is about 0.001."""
    rng, rate, c = np.random.default_rng(15), 0.174, 0.8
    y = rng.random(400_000) < rate
    x = rng.normal(np.where(y, sqrt(2) * ndtri(c), 0.0), 1.0)
    assert roc_auc_score(y, x) == pytest.approx(c, abs=0.005)
    risk = LogisticRegression(C=np.inf).fit(x[:, None], y).predict_proba(x[:, None])[:, 1]
    gain = np.mean(np.where(y, np.log(risk), np.log1p(-risk))) - np.mean(
        np.where(y, np.log(y.mean()), np.log1p(-y.mean()))
    )
    assert cstat_to_r2(c=c, prevalence=rate, parameters=10).r2_cs == pytest.approx(
        1 - exp(-2 * gain), abs=0.004
    )


def test_the_fourth_criterion_is_the_example_of_its_paper() -> None:
    """Riley et al., BMJ 2020: ten parameters, an outcome in 3 of 10, an error of 0.05 (recalled);
    simulated below.
    """
    assert pm_error_size_binary(prevalence=0.3, parameters=10) == 461
    assert pm_error_size_binary(prevalence=0.7, parameters=10) == 461


@pytest.mark.parametrize(("parameters", "rate"), [(10, 0.3), (5, 0.2)])
def test_risks_are_off_by_as_much_as_the_fourth_criterion_says(
    parameters: int, rate: float
) -> None:
    """40 logistic regressions at that size, log-odds of SD 1: a mean error of 0.05 within a sixth.

    The equation is itself a fit to simulations, good to some per cent; the Monte Carlo error of the
    mean is below 0.003.
    """
    rng, n = np.random.default_rng(17), pm_error_size_binary(prevalence=rate, parameters=parameters)
    weights = np.full(parameters, 1 / sqrt(parameters))
    shown = rng.normal(size=(4000, parameters))
    start = brentq(lambda shift: expit(shift + shown @ weights).mean() - rate, -9, 9)
    true = expit(start + shown @ weights)
    off = []
    for _ in range(40):
        x = rng.normal(size=(n, parameters))
        fitted = LogisticRegression(C=np.inf).fit(x, rng.random(n) < expit(start + x @ weights))
        off.append(np.abs(fitted.predict_proba(shown)[:, 1] - true).mean())
    assert np.mean(off) == pytest.approx(0.05, rel=1 / 6)


@given(rate=st.floats(0.01, 0.5), parameters=st.integers(1, 30), error=st.floats(0.02, 0.1))
def test_a_smaller_error_and_more_parameters_need_more(
    rate: float, parameters: int, error: float
) -> None:
    here = pm_error_size_binary(prevalence=rate, parameters=parameters, error=error)
    assert pm_error_size_binary(prevalence=rate, parameters=parameters + 1, error=error) >= here
    assert pm_error_size_binary(prevalence=rate, parameters=parameters, error=error / 2) > here


@given(rate=RATE, c=st.floats(0.55, 0.9))
def test_better_ranking_explains_more_and_needs_fewer(rate: float, c: float) -> None:
    one, two = (cstat_to_r2(c=value, prevalence=rate, parameters=10) for value in (c, c + 0.03))
    assert 0 < one.r2_cs < two.r2_cs < max_r2(rate)
    by_hand = pm_sample_size_binary(r2_cs=one.r2_cs, parameters=10, prevalence=rate)
    assert one.n == by_hand.n


def test_the_r_package_pmvalsampsize() -> None:
    """Its example: 905, 4252, and a slope that it simulates with a million draws (4501, so within
    some per cent).
    """
    found = pm_validation_size_binary(
        prevalence=0.018, c=0.8, observed_expected_width=1.0, linear_predictor=(-5.0, 2.5)
    )
    assert (found.n_observed_expected, found.n_c_statistic) == (905, 4252)
    assert found.n_slope == pytest.approx(4501, rel=0.02)
    assert found.n == found.n_slope
    assert found.to_dict()["n_net_benefit"] is None


@pytest.mark.slow
def test_intervals_at_the_validation_size_have_the_width_asked_for() -> None:
    """300 validations of a calibrated model at the size for a slope of width 0.4 (SD of the slope:
    four errors = 16%).
    """
    rng, (mean, sd) = np.random.default_rng(16), linear_predictor_of(c=0.75, prevalence=0.25)
    found = pm_validation_size_binary(
        prevalence=0.25, c=0.75, slope_width=0.4, linear_predictor=(mean, sd), c_width=0.1
    )
    assert found.n_slope is not None
    slopes, areas = [], []
    for _ in range(300):
        value = rng.normal(mean, sd, found.n_slope)
        y = rng.random(value.size) < expit(value)
        slopes.append(LogisticRegression(C=np.inf).fit(value[:, None], y).coef_[0, 0])
        value, y = value[: found.n_c_statistic], y[: found.n_c_statistic]
        areas.append(roc_auc_score(y, value))
    assert 2 * 1.96 * np.std(slopes) == pytest.approx(0.4, rel=0.16)
    assert np.mean(slopes) == pytest.approx(1, abs=0.03)
    if found.n_c_statistic <= found.n_slope:
        assert 2 * 1.96 * np.std(areas) == pytest.approx(0.1, rel=0.2)


def test_the_interval_of_net_benefit_has_the_width_asked_for() -> None:
    """2,000 validations from the counts themselves; SD within 7% (four errors). The first event
    rate is estimated, too.
    """
    rng, rate, sens, spec, t = np.random.default_rng(17), 0.25, 0.8, 0.6, 0.2
    found = pm_validation_size_binary(
        prevalence=rate,
        c=0.75,
        threshold=t,
        sensitivity=sens,
        specificity=spec,
        net_benefit_width=0.2,
    )
    n = found.n_net_benefit
    assert n is not None
    events = rng.binomial(n, rate, 2000)
    tp, fp = rng.binomial(events, sens), rng.binomial(n - events, 1 - spec)
    standardised = (tp - fp * t / (1 - t)) / events
    assert 2 * 1.96 * standardised.std() == pytest.approx(0.2, rel=0.07)


@settings(max_examples=20)
@given(rate=st.floats(0.1, 0.6), c=st.floats(0.6, 0.9))
def test_the_linear_predictor_has_the_rate_and_the_area(rate: float, c: float) -> None:
    mean, sd = linear_predictor_of(c=c, prevalence=rate)
    value = mean + sd * ndtri((np.arange(4000) + 0.5) / 4000)
    risk = expit(value)
    assert risk.mean() == pytest.approx(rate, abs=2e-3)
    below = np.cumsum(1 - risk) - (1 - risk) / 2
    assert risk @ below / (risk.sum() * (1 - risk).sum()) == pytest.approx(c, abs=3e-3)
    assert logit(rate) == pytest.approx(mean, abs=2 + sd**2)


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (
            pm_sample_size_binary,
            {"r2_cs": 0.2, "parameters": 10, "prevalence": 0.2},
            [
                {"r2_cs": 0.0},
                {"r2_cs": 0.7},
                {"parameters": 0},
                {"parameters": 2.5},
                {"prevalence": 1.0},
                {"prevalence": 20},
                {"shrinkage": 1.0},
                {"shrinkage": 0.1},
            ],
        ),
        (
            pm_error_size_binary,
            {"parameters": 10, "prevalence": 0.2},
            [{"parameters": 0}, {"prevalence": 30}, {"error": 0}],
        ),
        (
            cstat_to_r2,
            {"c": 0.8, "prevalence": 0.2, "parameters": 10},
            [{"c": 0.5}, {"c": 1.0}, {"c": "0.8"}],
        ),
        (
            pm_validation_size_binary,
            {"prevalence": 0.2, "c": 0.8},
            [
                {"c_width": 0.0},
                {"linear_predictor": (0.0, 0.0)},
                {"threshold": 0.0, "sensitivity": 0.8, "specificity": 0.6},
                {"threshold": 0.2},
            ],
        ),
        (linear_predictor_of, {"c": 0.8, "prevalence": 0.2}, [{"c": 0.9999}, {"prevalence": 0}]),
    ],
)
def test_impossible_requests_are_refused(
    function: Any, right: dict[str, Any], wrong: list[dict[str, Any]]
) -> None:
    function(**right)
    for change in wrong:
        with pytest.raises(InputError, match=r"Cure: \w"):
            function(**{**right, **change})
