"""Ranking by benefit: closed forms, invariances, errors that agree with repeated sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.policy.ranking import (
    policy_scores,
    policy_value_estimate,
    qini_curve,
    rate,
    rate_econml_convention,
    toc_curve,
)

EFFECTS = st.lists(st.floats(-1, 1), min_size=2, max_size=30)


def by_definition(tau: list[float], priority: list[float]) -> tuple[float, float]:
    """AUTOC and QINI with loops; patients of equal priority enter with their mean effect."""
    effects = [
        float(np.mean([t for t, q in zip(tau, priority, strict=True) if q == p])) for p in priority
    ]
    ranked = [effects[i] for i in sorted(range(len(tau)), key=lambda i: -priority[i])]
    n = len(tau)
    toc = [np.mean(ranked[:k]) - np.mean(tau) for k in range(1, n + 1)]
    return float(np.mean(toc)), float(np.mean([k / n * t for k, t in enumerate(toc, start=1)]))


@given(data=st.data(), tau=EFFECTS)
def test_areas_by_definition(data: st.DataObject, tau: list[float]) -> None:
    priority = data.draw(
        st.lists(st.integers(0, 5).map(float), min_size=len(tau), max_size=len(tau))
    )
    found = rate(tau=tau, priority=priority)
    assert (found.autoc, found.qini) == pytest.approx(by_definition(tau, priority), abs=1e-9)


@given(tau=EFFECTS, constant=st.floats(-2, 2))
def test_a_score_without_information_has_no_area(tau: list[float], constant: float) -> None:
    found = rate(tau=tau, priority=[constant] * len(tau))
    assert (found.autoc, found.qini, found.autoc_se, found.qini_se) == pytest.approx(
        (0, 0, 0, 0), abs=1e-9
    )


@given(tau=EFFECTS, shift=st.floats(-2, 2), scale=st.floats(0.1, 3))
def test_areas_follow_scale_and_ignore_shift_and_any_rising_change_of_score(
    tau: list[float], shift: float, scale: float
) -> None:
    priority = np.arange(len(tau), dtype=float)
    plain = rate(tau=tau, priority=priority)
    changed = rate(tau=shift + scale * np.array(tau), priority=np.exp(priority / 10))
    assert (changed.autoc, changed.qini) == pytest.approx(
        (scale * plain.autoc, scale * plain.qini), abs=1e-9
    )
    best = rate(tau=tau, priority=tau)
    assert best.autoc >= plain.autoc - 1e-9
    assert best.qini >= plain.qini - 1e-9


@pytest.mark.parametrize(
    ("tau", "autoc", "qini"),
    [
        ("uniform(0,1)", 1 / 4, 1 / 12),
        ("uniform(-1,3)", 1, 1 / 3),
        ("2*uniform(0,1)", 1 / 2, 1 / 6),
        ("exponential(2)", 2, 1 / 2),  # TOC(q) = -2 ln q
        ("bernoulli(0.3)", -0.3 * np.log(0.3), 0.3 * 0.7 / 2),
        ("normal(5,1)", None, 1 / (2 * np.sqrt(np.pi))),
    ],
)
def test_closed_forms(tau: str, autoc: float | None, qini: float) -> None:
    found = rate(tau=tau, priority="tau")
    assert found.qini == pytest.approx(qini, abs=1e-7)
    if autoc is not None:
        assert found.autoc == pytest.approx(autoc, abs=1e-7)
    blind, reversed_ = rate(tau=tau, priority="random"), rate(tau=tau, priority="-tau")
    assert (blind.autoc, blind.qini) == pytest.approx((0, 0), abs=1e-7)
    assert reversed_.qini == pytest.approx(-qini, abs=1e-7), "QINI is antisymmetric"
    assert reversed_.autoc < 0


def test_patients_approach_the_formula() -> None:
    """100,000 patients, four of the function's own standard errors; seed fixed."""
    risk = np.random.default_rng(9).beta(2, 6, 100_000)
    found, exact = rate(tau=0.5 * risk, priority=risk), rate(tau="0.5*Beta(2,6)", priority="risk")
    assert found.autoc_se is not None
    assert found.qini_se is not None
    assert found.autoc == pytest.approx(exact.autoc, abs=4 * found.autoc_se + 1e-4)
    assert found.qini == pytest.approx(exact.qini, abs=4 * found.qini_se + 1e-4)


@pytest.mark.parametrize("is_noisy", [False, True])
def test_standard_errors_are_those_of_repeated_samples(is_noisy: bool) -> None:
    """400 samples of 500 patients: an SD of 400 has a relative error of 3.5%, so 15% is four of
    them; seed fixed.
    """
    rng = np.random.default_rng(10)
    areas, errors = [], []
    for _ in range(400):
        score = rng.normal(size=500)
        tau = 0.3 * score + (rng.normal(size=500) if is_noisy else 0)
        found = rate(tau=tau, priority=score)
        areas.append((found.autoc, found.qini))
        errors.append((found.autoc_se, found.qini_se))
    assert np.std(areas, axis=0) == pytest.approx(np.mean(errors, axis=0), rel=0.15)


@given(tau=EFFECTS)
def test_the_curve_ends_at_0(tau: list[float]) -> None:
    curve = toc_curve(tau=tau, priority=tau, q=[1 / len(tau), 1.0])
    assert curve == pytest.approx([max(tau) - np.mean(tau), 0], abs=1e-9)


def test_econml_leaves_out_both_ends() -> None:
    for tau in ("uniform(0,1)", "exponential(1)"):
        found = rate_econml_convention(tau=tau)
        assert found.econml_toc_coef < found.exact_autoc
        assert found.exact_autoc == rate(tau=tau, priority="tau").autoc


@settings(max_examples=50)
@given(data=st.data(), n=st.integers(1, 25))
def test_qini_with_loops(data: st.DataObject, n: int) -> None:
    flags = st.lists(st.integers(0, 1), min_size=n, max_size=n)
    y, w = data.draw(flags), data.draw(flags)
    score = data.draw(st.lists(st.integers(0, 6).map(float), min_size=n, max_size=n))
    expected = [0.0]
    for cut in sorted(set(score), reverse=True):
        rows = [i for i in range(n) if score[i] >= cut]
        n_t, n_c = sum(w[i] for i in rows), sum(1 - w[i] for i in rows)
        y_t, y_c = sum(y[i] * w[i] for i in rows), sum(y[i] * (1 - w[i]) for i in rows)
        expected.append(y_t - (y_c * n_t / n_c if n_c else 0.0))
    assert qini_curve(y=y, treatment=w, score=score) == pytest.approx(expected)
    assert qini_curve(y=y, treatment=w, score=score, outcome="1 = bad") == pytest.approx(
        -np.array(expected)
    )


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (rate, {"tau": "gamma(1,2)", "priority": "tau"}),
        (rate, {"tau": "uniform(1,0)", "priority": "tau"}),
        (rate, {"tau": "normal(0)", "priority": "tau"}),
        (rate, {"tau": "exponential(x)", "priority": "tau"}),
        (rate, {"tau": "bernoulli(1)", "priority": "tau"}),
        (rate, {"tau": "uniform(0,1)", "priority": "age"}),
        (rate, {"tau": [0.1, 0.2], "priority": "tau"}),
        (rate, {"tau": [0.1, 0.2], "priority": [1.0]}),
        (rate, {"tau": [0.1, float("nan")], "priority": [1.0, 2.0]}),
        (rate_econml_convention, {"tau": "uniform(0,1)", "percentiles": "all"}),
        (toc_curve, {"tau": [0.1, 0.2], "priority": [1, 2], "q": [0.0]}),
        (qini_curve, {"y": [0, 2], "treatment": [0, 1], "score": [1, 2]}),
        (qini_curve, {"y": [0, 1], "treatment": [0, 1, 1], "score": [1, 2]}),
        (qini_curve, {"y": [0, 1], "treatment": [0, 1], "score": [1, 2], "outcome": "good"}),
    ],
)
def test_impossible_rankings_are_refused(function: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"Cure: \w"):
        function(**wrong)


# Estimated policy values against the truth of simulated trials: bias, errors, coverage.


RR, HARM, N = 0.5, 0.05, 400
TRUTH_DRAWS = 2_000_000


def trial(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A 1:1 trial in which risk is Beta(2, 6) and prophylaxis halves it; policy: treat from 0.2."""
    risk = rng.beta(2, 6, N)
    treated = rng.random(N) < 0.5
    y_true = rng.random(N) < np.where(treated, RR * risk, risk)
    return {"risk": risk, "W": treated, "Y_crs": y_true, "policy": risk >= 0.2}


def test_estimates_are_unbiased_and_their_intervals_cover() -> None:
    """1,500 trials. Bias within four standard errors; coverage of 95% intervals within 2.3 points
    (four of its errors).
    """
    rng = np.random.default_rng(12)
    risk = rng.beta(2, 6, TRUTH_DRAWS)
    treats = risk >= 0.2
    truth = float(np.mean(1 - np.where(treats, RR * risk + HARM, risk)))
    found: dict[str, list[tuple[float, float]]] = {"ipw": [], "aipw": []}
    held = {"ipw": 0, "aipw": 0}
    for _ in range(1500):
        t = trial(rng)
        predicted = {"m1": 1 - RR * t["risk"], "m0": 1 - t["risk"]}
        estimate = policy_value_estimate(
            W=t["W"], Y_crs=t["Y_crs"], policy=t["policy"], e=0.5, harm=HARM, **predicted
        )
        figures = estimate.to_dict()
        for name in found:
            found[name].append((figures[name], figures[f"{name}_se"]))
            held[name] += figures[f"{name}_low"] <= truth <= figures[f"{name}_high"]
    for name, pairs in found.items():
        values, errors = np.array(pairs).T
        assert values.mean() == pytest.approx(truth, abs=4 * values.std() / 1500**0.5)
        assert errors.mean() == pytest.approx(values.std(), rel=0.08)
        assert held[name] / 1500 == pytest.approx(0.95, abs=0.023)
    assert np.mean([se for _, se in found["aipw"]]) < np.mean([se for _, se in found["ipw"]]), (
        "predictions pay"
    )


def test_wrong_predictions_cost_precision_and_no_bias() -> None:
    """Constant wrong predictions in 1,000 trials; bias within four standard errors."""
    rng = np.random.default_rng(13)
    values = []
    for _ in range(1000):
        t = trial(rng)
        values.append(
            policy_value_estimate(
                W=t["W"], Y_crs=t["Y_crs"], policy=t["policy"], e=0.5, m1=0.1, m0=0.9
            ).aipw
        )
    risk = np.random.default_rng(14).beta(2, 6, TRUTH_DRAWS)
    truth = float(np.mean(1 - np.where(risk >= 0.2, RR * risk, risk)))
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / 1000**0.5)


@given(data=st.data(), n=st.integers(2, 20), e=st.floats(0.1, 0.9))
def test_with_predictions_of_0_both_estimators_agree(data: st.DataObject, n: int, e: float) -> None:
    flags = st.lists(st.integers(0, 1), min_size=n, max_size=n)
    w, y, pi = data.draw(flags), data.draw(flags), data.draw(flags)
    scores = policy_scores(W=w, Y_crs=y, policy=pi, e=e, m1=0.0, m0=0.0)
    assert scores.aipw == pytest.approx(scores.ipw)
    by_hand = [(1 - y[i]) / (e if w[i] else 1 - e) if w[i] == pi[i] else 0.0 for i in range(n)]
    assert scores.ipw == pytest.approx(by_hand)
    lost = policy_scores(W=w, Y_crs=y, policy=pi, e=e, m1=-1.0, m0=-1.0, utility="-Y")
    free = policy_scores(W=w, Y_crs=y, policy=pi, e=e, m1=0.0, m0=0.0, utility="1-Y")
    assert lost.aipw == pytest.approx(free.aipw - 1), (
        "utilities that differ by a constant differ by it"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"W": [1, 0, 2, 0]},
        {"W": [1, 0]},
        {"Y_crs": [0, 1, 0, np.nan]},
        {"e": 0.0},
        {"e": [0.5, 0.5, 1.0, 0.5]},
        {"e": [0.5, 0.5]},
        {"m1": [0.1, 0.2]},
        {"m0": float("nan")},
        {"utility": "Y"},
        {"harm": -1},
        {"level": 95},
        {"policy": ["a", "b", "c", "d"]},
    ],
)
def test_impossible_trials_are_refused(wrong: dict[str, Any]) -> None:
    plain = {
        "W": [1, 0, 1, 0],
        "Y_crs": [0, 1, 0, 0],
        "policy": [1, 1, 0, 0],
        "e": 0.5,
        "m1": 0.8,
        "m0": 0.6,
    }
    with pytest.raises(InputError, match=r"Cure: \w"):
        policy_value_estimate(**{**plain, **wrong})
