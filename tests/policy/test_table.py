"""Policies per 100 patients: known answers on a fine grid of risks, intervals, regret, and what
must always hold.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from crsrisk.data.potential_outcomes import Harms
from crsrisk.errors import InputError
from crsrisk.policy.table import (
    FIGURES,
    IndividualEffects,
    assumed_effects,
    at_or_above,
    best_threshold,
    contributions,
    cross_fitted_policy,
    policy_table,
    regret,
    reliability,
    shrunken_gain,
    top_share,
    unbounded_estimate,
    with_risk_ratio,
)
from crsrisk.results import Estimate, NotEstimable

# risks of Beta(2, 6), evenly by probability
GRID = beta.ppf((np.arange(20_000) + 0.5) / 20_000, 2, 6)
COURSE = Harms(1.0, 2.0, 0.05)
EFFECTS = assumed_effects(GRID, risk_ratio=0.5, infections_added=0.0, responses_lost=0.0)


def mean_of(treated: np.ndarray, figure: str, effects: IndividualEffects = EFFECTS) -> float:
    return float(contributions(treated, effects, harms=COURSE)[:, FIGURES.index(figure)].mean())


@pytest.mark.parametrize(("threshold", "value"), [(0.0, 0.075), (0.1, 0.077723), (0.2, 0.070779)])
def test_values_of_policies(threshold: float, value: float) -> None:
    """Known answer G04."""
    assert mean_of(at_or_above(GRID, threshold), "net_benefit") == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("threshold", "averted", "treated", "nnt", "needless"),
    [
        (0.0, 12.5, 100.0, 8.0, 75.0),
        (0.1, 12.0239, 85.0306, 7.0718, 60.9829),
        (0.3, 6.8972, 32.9417, 4.7761, 19.1474),
    ],
)
def test_metrics_of_policies(
    threshold: float, averted: float, treated: float, nnt: float, needless: float
) -> None:
    """Known answer G05."""
    each = contributions(at_or_above(GRID, threshold), EFFECTS, harms=COURSE)
    (row,) = policy_table({"one": each[::20]}, n_resamples=50, seed=1)
    whole = 100.0 * each.mean(axis=0)
    assert whole[FIGURES.index("averted")] == pytest.approx(averted, abs=0.02)
    assert whole[FIGURES.index("treated")] == pytest.approx(treated, abs=0.02)
    assert whole[FIGURES.index("needless")] == pytest.approx(needless, abs=0.02)
    assert whole[0] / whole[1] == pytest.approx(nnt, abs=0.01)
    assert isinstance(row.nnt, Estimate)
    assert row.nnt.low <= row.nnt.value <= row.nnt.high


def test_thirty_doses_for_a_hundred() -> None:
    """Known answer G06."""
    assert 100.0 * mean_of(top_share(GRID, 0.3), "averted") == pytest.approx(6.4455, abs=0.01)
    assert 100.0 * mean_of(np.full(len(GRID), 0.3), "averted") == pytest.approx(3.75, abs=0.01)


def test_an_interval_covers_what_it_says() -> None:
    """95% intervals of a mean of 200 patients cover it in 90 to 99 of 100 samples (binomial, error
    below 1 in 100).
    """
    rng, hits = np.random.default_rng(3), 0
    for k in range(100):
        some = rng.choice(GRID, 200)
        effects = assumed_effects(some, risk_ratio=0.5, infections_added=0.0, responses_lost=0.0)
        (row,) = policy_table(
            {"all": contributions(np.ones(200), effects, harms=COURSE)}, n_resamples=200, seed=k
        )
        hits += row.averted.low <= 12.5 <= row.averted.high
    assert 88 <= hits <= 99


def test_an_infinite_number_is_not_estimable_and_says_why() -> None:
    """A finite end of its interval is kept; without one there is only the reason."""
    open_ended = unbounded_estimate(np.inf, np.array([8.0] * 50 + [np.inf] * 50), reason="none")
    assert isinstance(open_ended, Estimate)
    assert (open_ended.low, np.isnan(open_ended.value), np.isnan(open_ended.high)) == (
        8,
        True,
        True,
    )
    assert unbounded_estimate(np.inf, np.full(9, np.inf), reason="none") == NotEstimable("none")
    nobody = contributions(np.zeros(len(GRID)), EFFECTS, harms=COURSE)[::20]
    (row,) = policy_table({"treat none": nobody}, n_resamples=50, seed=1)
    assert row.nnt == row.nnh == NotEstimable("nobody is treated")


@st.composite
def patients(draw: st.DrawFn) -> IndividualEffects:
    n = draw(st.integers(5, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    risk = rng.random(n)
    return IndividualEffects(
        risk, risk * rng.random(n), np.ones(n), 0.1 * rng.random(n), 0.1 * rng.random(n) - 0.02
    )


@given(patients())
def test_treating_nobody_changes_nothing(effects: IndividualEffects) -> None:
    each = contributions(np.zeros(len(effects)), effects, harms=COURSE).mean(axis=0)
    assert dict(zip(FIGURES, each, strict=True)) == {
        **dict.fromkeys(FIGURES, 0.0),
        "missed": pytest.approx(float(effects.risk.mean())),
    }


@given(patients(), st.integers(0, 2**32 - 1))
def test_an_oracle_gains_at_least_what_any_score_gains(
    effects: IndividualEffects, seed: int
) -> None:
    score, gain = np.random.default_rng(seed).random(len(effects)), effects.gain(COURSE)
    oracle = contributions((gain > 0.0).astype(float), effects, harms=COURSE)[:, -1].sum()
    by_score = contributions(
        at_or_above(score, best_threshold(score, gain)), effects, harms=COURSE
    )[:, -1].sum()
    assert oracle >= by_score - 1e-12 >= max(0.0, float(gain.sum())) - 1e-9


@given(patients(), st.integers(0, 2**32 - 1))
def test_more_doses_never_avert_less(effects: IndividualEffects, seed: int) -> None:
    score = np.random.default_rng(seed).random(len(effects))
    averted = [
        mean_of(top_share(score, share), "averted", effects) for share in np.linspace(0.0, 1.0, 9)
    ]
    assert (np.diff(averted) >= -1e-12).all()


@given(patients())
def test_a_ratio_of_one_averts_nothing_and_only_costs(effects: IndividualEffects) -> None:
    useless = with_risk_ratio(effects, 1.0)
    assert np.allclose(useless.averted, 0.0)
    assert useless.risk_ratio == pytest.approx(1.0)
    assert not (useless.gain(Harms(1.0, 0.0, 0.05)) > 0.0).any()


@given(patients())
def test_halves_that_agree_make_the_oracle_itself(effects: IndividualEffects) -> None:
    each, (first, second) = cross_fitted_policy((effects, effects), harms=COURSE)
    assert np.array_equal(first, second)
    assert np.allclose(each[:, -1], np.maximum(effects.gain(COURSE), 0.0))


@given(patients(), st.integers(0, 2**32 - 1))
def test_the_parts_of_a_regret_add_up(effects: IndividualEffects, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = [
        contributions((rng.random(len(effects)) < 0.5).astype(float), effects, harms=COURSE)
        for _ in range(4)
    ]
    parts = regret(steps, n_resamples=50, seed=1)
    losses = (parts.threshold, parts.model, parts.information)
    assert parts.total.value == pytest.approx(sum(loss.value for loss in losses))


scores = arrays(
    np.float64, st.integers(2, 40), elements=st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.9])
)


@given(scores, st.floats(0.0, 1.0))
def test_exactly_the_doses_are_given_and_to_the_highest_first(
    score: np.ndarray, share: float
) -> None:
    given_ = top_share(score, share)
    assert np.isclose(given_.sum(), share * len(score))
    assert ((given_ >= 0.0) & (given_ <= 1.0)).all()
    for low in range(len(score)):
        higher = score > score[low]
        assert given_[low] == 0.0 or (given_[higher] == 1.0).all()


@given(scores, st.integers(0, 2**32 - 1))
def test_no_threshold_gains_more_than_the_best(score: np.ndarray, seed: int) -> None:
    gain = np.random.default_rng(seed).normal(size=len(score))
    best = (at_or_above(score, best_threshold(score, gain)) * gain).sum()
    assert all(
        best >= (at_or_above(score, level) * gain).sum() - 1e-12 for level in (*score, np.inf)
    )


def test_an_oracle_believes_what_repeats() -> None:
    rng = np.random.default_rng(1)
    truth, noise = rng.normal(size=4000), rng.normal(size=(2, 4000))
    assert reliability(truth, truth) == pytest.approx(1.0)
    # 4 standard errors of 0.012
    assert reliability(truth + noise[0], truth + noise[1]) == pytest.approx(0.5, abs=0.05)
    assert reliability(noise[0], noise[1]) < 0.05
    assert np.allclose(shrunken_gain(truth, reliability=0.0), truth.mean())


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_more_doses_than_patients_are_refused(share: float) -> None:
    with pytest.raises(InputError, match="0 to 1"):
        top_share(np.array([0.1, 0.2]), share)
