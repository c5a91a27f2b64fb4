"""Agreement of attributions: known answers, weights, the error that it states, and games that are
the same on both sides.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import spearmanr

from crsrisk.errors import InputError
from crsrisk.evaluation.explanation_truth import (
    agreement,
    by_feature,
    fit_surrogate,
    linear_correlations,
    rank_correlations,
    reliability,
    shapley_by_orders,
)

RNG = np.random.default_rng(2)
TRUTH = RNG.normal(size=(200, 5)) * [1.0, 0.5, 0.2, 0.1, 0.0]


def value(figure: object) -> float:
    return figure.value


def test_rank_correlation_is_spearmans_and_weighted_by_the_reference() -> None:
    noisy = TRUTH + 0.3 * RNG.normal(size=TRUTH.shape)
    single = np.array([spearmanr(noisy[:, k], TRUTH[:, k]).statistic for k in range(4)])
    assert rank_correlations(noisy, TRUTH)[:4] == pytest.approx(single)
    weight = np.abs(TRUTH).mean(axis=0)[:4]
    found = agreement([(noisy, TRUTH)], seed=1, n_resamples=20)
    assert value(found.rank_correlation) == pytest.approx(single @ weight / weight.sum())


def test_opposite_attributions_agree_in_nothing_but_the_top() -> None:
    found = agreement([(-TRUTH, TRUTH)], seed=1, n_resamples=20)
    assert value(found.rank_correlation) == pytest.approx(-1)
    assert value(found.sign) == 0
    assert value(found.top) == 1
    assert value(found.distance) == pytest.approx(2 * np.abs(TRUTH).mean())


def test_what_the_attributions_leave_out_counts_as_0_and_what_has_no_size_counts_for_nothing() -> (
    None
):
    partial = TRUTH.copy()
    partial[:, 0] = 0.0
    partial[:, 4] = RNG.normal(size=200)
    weight = np.abs(TRUTH).mean(axis=0)
    found = agreement([(partial, TRUTH)], seed=1, n_resamples=20)
    assert value(found.rank_correlation) == pytest.approx(1 - weight[0] / weight.sum())


def test_products_are_ranked_apart_and_weighed_together() -> None:
    """A shift between products is no agreement within them."""
    other = RNG.normal(size=(100, 5))
    shifted = [(TRUTH + 5.0, TRUTH), (RNG.normal(size=other.shape) - 5.0, other)]
    both = value(agreement(shifted, seed=1, n_resamples=20).rank_correlation)
    sizes = [200 * np.abs(TRUTH).mean(axis=0).sum(), 100 * np.abs(other).mean(axis=0).sum()]
    second = value(agreement(shifted[1:], seed=1, n_resamples=20).rank_correlation)
    assert both == pytest.approx((sizes[0] * 1.0 + sizes[1] * second) / sum(sizes), abs=1e-9)


def test_the_stated_error_is_the_spread_over_repeated_samples() -> None:
    """40 samples of 150 patients; the SD of their figures is known to about 11%, two fifths either
    way allowed.
    """
    values, errors = [], []
    for k in range(40):
        rng = np.random.default_rng(100 + k)
        truth = rng.normal(size=(150, 4)) * [1.0, 0.5, 0.2, 0.1]
        found = agreement(
            [(truth + 0.4 * rng.normal(size=truth.shape), truth)], seed=k, n_resamples=60
        )
        values.append(value(found.rank_correlation))
        errors.append(found.rank_correlation.mc_error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.4)


def test_features_come_by_their_size() -> None:
    assert [one.feature for one in by_feature(TRUTH, TRUTH, features=list("edcba"))] == list(
        "edcba"
    )
    assert by_feature(TRUTH, TRUTH, features=list("edcba"))[0].rank_correlation == pytest.approx(1)


def test_reliability_is_that_of_a_mean_of_two_halves() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=200_000)
    one, other = (truth + rng.normal(size=truth.size) for _ in range(2))
    with_the_truth = np.corrcoef((one + other) / 2, truth)[0, 1]
    assert reliability(np.corrcoef(one, other)[0, 1]) == pytest.approx(with_the_truth, abs=0.005)
    assert reliability(-0.2) == 0


def test_ranks_within_two_clusters_are_decided_by_what_nobody_sees() -> None:
    """A yes/no value, right but for a hundredth: an additive model's ties cap the rank correlation
    at sqrt(3 p (1 - p)).
    """
    yes = (np.arange(1000) < 400).astype(float)[:, None]
    reference = yes + 0.01 * RNG.normal(size=(1000, 1))
    assert rank_correlations(yes, reference)[0] == pytest.approx((3 * 0.4 * 0.6) ** 0.5, abs=0.001)
    assert linear_correlations(yes, reference)[0] > 0.999


# The surrogate finds a smooth risk with pairs and gaps, and knows when it has too few events.


def people(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A skewed value with gaps, a bent effect, a flag, a pair; the true log-odds given what was
    observed.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    flag = (rng.random(n) < 0.4).astype(float)
    gap = rng.random(n) < 0.2
    log_odds = -0.8 + 0.5 * z[:, 0] + 0.4 * np.tanh(z[:, 1]) + 0.6 * flag + 0.3 * z[:, 1] * z[:, 2]
    first = np.where(gap, np.nan, np.exp(2 + z[:, 0]))
    return np.column_stack([first, z[:, 1], z[:, 2], flag]), np.where(
        gap, log_odds - 0.5 * z[:, 0], log_odds
    )


def test_finds_the_log_odds() -> None:
    """60,000 patients, 30 coefficients: a root mean squared error of about 0.05, and a little for
    what a gap leaves open.
    """
    rows, log_odds = people(60_000, 1)
    fitted = fit_surrogate(
        list("abcd"), rows, np.random.default_rng(2).random(60_000) < expit(log_odds)
    )
    fresh, exact = people(5_000, 3)
    error = fitted.log_odds(fresh) - exact
    assert np.sqrt(np.mean(error**2)) < 0.12
    assert np.corrcoef(fitted.log_odds(fresh), exact)[0, 1] > 0.98


def test_its_shapley_values_need_no_more_than_two_orders() -> None:
    rows, log_odds = people(20_000, 4)
    fitted = fit_surrogate(
        list("abcd"), rows, np.random.default_rng(5).random(20_000) < expit(log_odds)
    )
    found = shapley_by_orders(
        fitted.log_odds, rows[:20], background=rows[100:120], n_orders=2, seed=1
    )
    assert found.error.max() < 1e-9


def test_refuses_too_few_events() -> None:
    rows, _ = people(2_000, 6)
    with pytest.raises(InputError, match="events among"):
        fit_surrogate(list("abcd"), rows, np.arange(2_000) < 100)
