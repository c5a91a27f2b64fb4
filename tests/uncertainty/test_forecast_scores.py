"""Forecast scores: closed forms, scipy and identities that hold for any draws; error rates of the
test of uniformity by simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan, pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable
from crsrisk.uncertainty.forecast_scores import (
    bootstrap_over_products,
    crps,
    interval_score,
    log_predictive_density,
    pit_bounds,
    randomised_pit,
    skill,
    uniformity_p,
    weighted_rank_correlation,
)

Values = NDArray[np.float64]
MIDDLES = (np.arange(20_000) + 0.5) / 20_000

# Few distinct numbers, so that ties are frequent.
NUMBERS = st.integers(-8, 8).map(lambda k: k / 4.0)
WEIGHTED = st.lists(st.tuples(NUMBERS, st.integers(1, 4)), min_size=1, max_size=12)
RATES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)


# The continuous ranked probability score.


@pytest.mark.parametrize("observed", [-2.0, 0.3, 1.0, 4.0])
def test_crps_of_a_normal_forecast_is_its_closed_form(observed: float) -> None:
    """Mean 1, SD 0.5 (Gneiting and Raftery 2007, section 4.2), by 20,000 quantiles; these end at
    4 SD, which costs less than 1e-5.
    """
    z = (observed - 1.0) / 0.5
    normal = 0.5 * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / sqrt(pi))
    assert crps(1.0 + 0.5 * stats.norm.ppf(MIDDLES), observed) == pytest.approx(normal, abs=1e-5)


@given(WEIGHTED, NUMBERS)
def test_crps_is_mean_distance_less_half_the_mean_difference(
    weighted: list[tuple[float, int]], observed: float
) -> None:
    draws, weights = (np.array(part, dtype=np.float64) for part in zip(*weighted, strict=True))
    shares = weights / weights.sum()
    apart = shares @ np.abs(draws[:, None] - draws) @ shares
    wanted = shares @ np.abs(draws - observed) - apart / 2.0
    assert crps(draws, observed, weights) == pytest.approx(wanted, abs=1e-12)
    assert crps(np.repeat(draws, weights.astype(int)), observed) == pytest.approx(wanted, abs=1e-12)


@given(WEIGHTED, NUMBERS, st.floats(-5.0, 5.0), st.floats(0.1, 5.0), st.randoms())
def test_crps_moves_with_the_unit_and_knows_no_order(
    weighted: list[tuple[float, int]], observed: float, shift: float, scale: float, order: Any
) -> None:
    shuffled = weighted.copy()
    order.shuffle(shuffled)
    draws, weights = (np.array(part, dtype=np.float64) for part in zip(*weighted, strict=True))
    others, other_weights = (np.array(part, np.float64) for part in zip(*shuffled, strict=True))
    found = crps(shift + scale * others, shift + scale * observed, other_weights)
    assert found == pytest.approx(scale * crps(draws, observed, weights), abs=1e-9)
    assert found >= 0.0


@given(NUMBERS, NUMBERS)
def test_crps_of_one_draw_is_the_absolute_error(draw: float, observed: float) -> None:
    assert crps([draw], observed) == pytest.approx(abs(draw - observed))


def test_fewer_draws_cost_what_the_docstring_says() -> None:
    """8 normal draws, 20,000 times: 1/sqrt(pi) / 8 more than the distribution itself (4 standard
    errors of the mean).
    """
    rng = np.random.default_rng(4)
    few, seen = rng.standard_normal((20_000, 8)), rng.standard_normal(20_000)
    excess = [crps(a, b) for a, b in zip(few, seen, strict=True)]
    z = seen * (2 * stats.norm.cdf(seen) - 1) + 2 * stats.norm.pdf(seen) - 1 / sqrt(pi)
    found = np.array(excess) - z
    assert found.mean() == pytest.approx(1 / sqrt(pi) / 8, abs=4 * found.std() / sqrt(20_000))


# The interval score.


@given(NUMBERS, st.floats(0.0, 3.0), NUMBERS, st.floats(0.01, 0.99))
def test_interval_score_is_the_quantile_losses_of_its_ends(
    low: float, width: float, observed: float, alpha: float
) -> None:
    def loss(quantile: float, level: float) -> float:
        return (float(observed < quantile) - level) * (quantile - observed)

    high = low + width
    wanted = 2.0 / alpha * (loss(low, alpha / 2) + loss(high, 1 - alpha / 2))
    assert interval_score(low, high, observed, alpha) == pytest.approx(wanted, abs=1e-9)


def test_the_true_quantiles_have_the_best_interval_score() -> None:
    seen = stats.norm.ppf(MIDDLES)

    def mean(end: float) -> float:
        return float(np.mean([interval_score(-end, end, y, 0.1) for y in seen]))

    assert mean(1.645) < min(mean(1.5), mean(1.8))


# Counts: the density and the probability integral transform.


@pytest.mark.parametrize(("events", "n"), [(0, 12), (5, 40), (40, 40)])
def test_counts_under_beta_rates_are_beta_binomial(events: int, n: int) -> None:
    """20,000 rates with the density of Beta(2, 5) as weights, against scipy's beta-binomial."""
    weights = stats.beta.pdf(MIDDLES, 2.0, 5.0)
    wanted = stats.betabinom(n, 2.0, 5.0)
    found = log_predictive_density(MIDDLES, events, n, weights)
    assert found == pytest.approx(wanted.logpmf(events), abs=1e-5)
    bounds = (wanted.cdf(events - 1), wanted.cdf(events))
    assert pit_bounds(MIDDLES, events, n, weights) == pytest.approx(bounds, abs=1e-5)


@given(RATES, st.integers(1, 12))
def test_probabilities_of_all_counts_add_up_to_one(rates: list[float], n: int) -> None:
    total = sum(np.exp(log_predictive_density(rates, events, n)) for events in range(n + 1))
    assert total == pytest.approx(1.0)


@given(RATES, st.integers(1, 12), st.data())
def test_bounds_are_apart_by_the_probability_of_the_count(
    rates: list[float], n: int, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.integers(1, 5), min_size=len(rates), max_size=len(rates)))
    events = data.draw(st.integers(0, n))
    below, upto = pit_bounds(rates, events, n, weights)
    density = np.exp(log_predictive_density(rates, events, n, weights))
    assert upto - below == pytest.approx(density, abs=1e-9)
    assert pit_bounds(np.repeat(rates, weights), events, n) == pytest.approx((below, upto))
    drawn = randomised_pit(rates, events, n, np.random.default_rng(1), weights)
    assert 0.0 <= below <= drawn <= upto <= 1.0


def test_a_count_that_no_draw_allows_has_no_density() -> None:
    assert log_predictive_density([0.0, 0.0], events=1, n=5) == -inf
    assert log_predictive_density([0.0, 0.0], events=0, n=5) == 0.0


def test_transforms_of_counts_from_their_own_forecast_are_uniform() -> None:
    """2,000 counts of 6 or 60 patients (Kolmogorov and Smirnov, p > 0.001); from rates twice as
    large they are not.
    """
    rng = np.random.default_rng(8)
    rates = stats.beta.ppf((np.arange(400) + 0.5) / 400, 2.0, 8.0)

    def transforms(factor: float) -> list[float]:
        sizes = rng.choice([6, 60], size=2000)
        counts = rng.binomial(sizes, factor * rng.beta(2.0, 8.0, size=2000) / 2.0)
        return [
            randomised_pit(rates, int(k), int(n), rng) for k, n in zip(counts, sizes, strict=True)
        ]

    assert stats.kstest(transforms(2.0), "uniform").pvalue > 0.001
    assert stats.kstest(transforms(1.0), "uniform").pvalue < 1e-6


# Uniformity.


@pytest.mark.parametrize("power", [0.6, 1.0, 1.7])
def test_with_one_value_a_product_it_is_the_test_of_anderson_and_darling(power: float) -> None:
    """Against scipy's Monte Carlo test of a known uniform distribution, 9,999 sets each: within 4
    standard errors of the difference.
    """
    values = np.random.default_rng(12).random(24) ** power
    found = uniformity_p(values)
    scipys = stats.goodness_of_fit(
        stats.uniform,
        values,
        known_params={"loc": 0.0, "scale": 1.0},
        statistic="ad",
        rng=np.random.default_rng(2),
    )
    assert found.mc_error is not None
    assert found.value == pytest.approx(scipys.pvalue, abs=4 * sqrt(2) * found.mc_error + 1e-4)


def test_the_same_value_again_is_no_news() -> None:
    """A product's values that are all alike count as one; a value of weight 0 not at all."""
    once, products = np.random.default_rng(3).random(20) ** 1.5, [f"p{k}" for k in range(20)]
    single = uniformity_p(once, products)
    again = uniformity_p(np.repeat(once, 3), [name for name in products for _ in range(3)])
    assert single.mc_error is not None
    assert again.value == pytest.approx(single.value, abs=6 * single.mc_error)
    assert uniformity_p(np.repeat(once, 3)).value < single.value / 3
    silent = uniformity_p([*once, 0.001], [*products, "p0"], [*np.ones(20), 0.0])
    assert silent == single


def _clusters(n_products: int) -> NDArray[np.intp]:
    return np.repeat(np.arange(n_products), np.resize([1, 2, 4], n_products))


def _normal_pits(rng: np.random.Generator, group: NDArray[np.intp], correlation: float) -> Values:
    common = rng.standard_normal(group.max() + 1)[group]
    own = rng.standard_normal(len(group))
    scores = sqrt(correlation) * common + sqrt(1.0 - correlation) * own
    return np.asarray(stats.norm.cdf(scores))


def _clayton_pits(rng: np.random.Generator, group: NDArray[np.intp]) -> Values:
    """Values that go together when low and less when high (Kendall's tau 0.5)."""
    frailty = rng.gamma(0.5, size=group.max() + 1)[group]
    return np.asarray((1.0 + rng.exponential(size=len(group)) / frailty) ** -0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, group: _normal_pits(rng, group, 0.0),
        lambda rng, group: _normal_pits(rng, group, 0.5),
        lambda rng, group: _normal_pits(rng, group, 0.9),
        _clayton_pits,
    ],
    ids=["apart", "half together", "together", "together when low"],
)
@pytest.mark.parametrize("n_products", [12, 30])
def test_uniform_values_are_rejected_as_often_as_they_should(
    draw: Callable[[np.random.Generator, NDArray[np.intp]], Values], n_products: int
) -> None:
    """4,000 sets, 199 simulated sets each: at 0.01 and 0.05 no more than 1.5 times as often plus 3
    standard errors, and not hardly ever.
    """
    rng, group = np.random.default_rng(21), _clusters(n_products)
    names = [f"p{k}" for k in group]
    p = np.array(
        [uniformity_p(draw(rng, group), names, n_draws=199, seed=k).value for k in range(4000)]
    )
    for level in (0.01, 0.05):
        rate = np.mean(p <= level)
        assert 0.5 * level < rate < 1.5 * level + 3 * sqrt(level / 4000), (level, rate)


@pytest.mark.parametrize(
    ("wrong", "least"), [(lambda z: z + 1.0, 0.9), (lambda z: 2.0 * z, 0.6)], ids=["low", "sure"]
)
def test_forecasts_that_are_wrong_are_found(
    wrong: Callable[[Values], Values], least: float
) -> None:
    """30 products with correlated figures, forecasts an SD too low or half as wide as they should
    be: rejected at 0.01 in most of 100 sets.
    """
    rng, group = np.random.default_rng(22), _clusters(30)
    names = [f"p{k}" for k in group]
    found = [
        uniformity_p(
            stats.norm.cdf(wrong(stats.norm.ppf(_normal_pits(rng, group, 0.5)))),
            names,
            n_draws=499,
            seed=k,
        ).value
        for k in range(100)
    ]
    assert np.mean(np.array(found) <= 0.01) > least


def test_a_transform_at_the_very_end_is_taken() -> None:
    found = uniformity_p([0.0, 1.0, 0.4])
    assert 0.0 < found.value < 0.05


# Ranks.


@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(1, 4)), min_size=2, max_size=12))
def test_weights_repeat_figures_in_spearmans_correlation(
    rows: list[tuple[float, float, int]],
) -> None:
    first, second, weights = (np.array(part, dtype=np.float64) for part in zip(*rows, strict=True))
    found = weighted_rank_correlation(first, second, weights)
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        assert isinstance(found, NotEstimable)
        return
    often = weights.astype(int)
    repeated = stats.spearmanr(np.repeat(first, often), np.repeat(second, often)).statistic
    assert found == pytest.approx(repeated, abs=1e-9)
    equal = weighted_rank_correlation(first, second, np.full(len(first), 0.3))
    assert equal == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-9)
    assert weighted_rank_correlation(np.exp(first), -second, weights) == pytest.approx(-found)


def test_a_figure_without_weight_has_no_rank() -> None:
    assert weighted_rank_correlation([1, 2, 3], [1, 2, 0], [1, 1, 0]) == pytest.approx(1.0)


# Products drawn again.


def _mean(chosen: Sequence[float]) -> float:
    return float(np.mean(chosen))


def test_percentiles_are_those_of_scipys_bootstrap() -> None:
    """Of a mean of 30, 20,000 draws each: ends within 5% of the interval's width (4 standard errors
    of the difference of two percentiles).
    """
    values = np.random.default_rng(9).gamma(2.0, size=30)
    found = bootstrap_over_products(
        {f"p{k:02d}": value for k, value in enumerate(values)}, _mean, n_resamples=20_000
    )
    scipys = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(values.mean())
    width = scipys.high - scipys.low
    assert (found.low, found.high) == pytest.approx((scipys.low, scipys.high), abs=0.05 * width)


def test_products_are_drawn_whole_and_the_same_each_time() -> None:
    values = {"a": [1.0, 2.0], "b": [3.0], "c": [5.0, 6.0, 7.0]}
    drawn: list[Sequence[list[float]]] = []

    def keep(chosen: Sequence[list[float]]) -> float:
        drawn.append(chosen)
        return float(np.mean(np.concatenate(chosen)))

    first = bootstrap_over_products(values, keep, n_resamples=50, seed=3)
    assert all(
        len(chosen) == 3 and all(part in values.values() for part in chosen) for chosen in drawn
    )
    backwards = dict(reversed(list(values.items())))
    assert bootstrap_over_products(backwards, keep, n_resamples=50, seed=3) == first
    assert bootstrap_over_products(values, keep, n_resamples=50, seed=4) != first


def test_draws_without_a_figure_are_few_or_the_interval_is_refused() -> None:
    def unless_all_alike(chosen: Sequence[float]) -> float | NotEstimable:
        return _mean(chosen) if len(set(chosen)) > 1 else NotEstimable("all alike")

    many = {f"p{k}": float(k) for k in range(8)}
    assert isinstance(bootstrap_over_products(many, unless_all_alike), Estimate)
    few = {"a": 1.0, "b": 2.0}
    found = bootstrap_over_products(few, unless_all_alike)
    assert isinstance(found, NotEstimable)
    assert "of 2000 draws of products give no figure" in found.reason
    assert bootstrap_over_products({"a": 1.0, "b": 1.0}, unless_all_alike) == NotEstimable(
        "all alike"
    )


def test_skill_is_the_share_saved() -> None:
    assert skill(0.0, rival=0.2) == 1.0
    assert skill(0.2, rival=0.2) == 0.0
    assert skill(0.3, rival=0.2) == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: crps([], 0.1), "draws"),
        (lambda: crps([nan], 0.1), "draws"),
        (lambda: crps([0.1], nan), "observed"),
        (lambda: crps([0.1, 0.2], 0.1, [1.0]), "weights"),
        (lambda: crps([0.1, 0.2], 0.1, [0.0, 0.0]), "weights"),
        (lambda: crps([0.1, 0.2], 0.1, [2.0, -1.0]), "weights"),
        (lambda: interval_score(0.3, 0.2, 0.1, 0.05), "low"),
        (lambda: interval_score(0.1, 0.2, 0.1, 1.0), "alpha"),
        (lambda: log_predictive_density([1.2], 1, 5), "rate_draws"),
        (lambda: log_predictive_density([0.2], 6, 5), "events"),
        (lambda: pit_bounds([0.2], -1, 5), "events"),
        (lambda: uniformity_p([0.2, 1.4]), "pits"),
        (lambda: uniformity_p([0.2, 0.4], ["a"]), "products"),
        (lambda: weighted_rank_correlation([0.2], [0.2, 0.4]), "forecast"),
        (lambda: bootstrap_over_products({"a": 1.0}, _mean), "values_by_product"),
        (
            lambda: bootstrap_over_products({"a": 1.0, "b": 1.0}, _mean, n_resamples=0),
            "n_resamples",
        ),
        (lambda: skill(-0.1, 0.2), "score"),
    ],
)
def test_what_cannot_be_used_is_refused(call: Callable[[], object], key: str) -> None:
    with pytest.raises(InputError, match=rf"forecast scores, {key}: found"):
        call()
