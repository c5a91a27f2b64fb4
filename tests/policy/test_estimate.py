"""Estimated policy values against the truth of simulated trials: bias, errors, coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.policy.estimate import policy_scores, policy_value_estimate

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
