"""Forecast scores: how good a forecast was once the figure is published.

A forecast is a set of draws, with weights where they do not count the same. The score of one
figure is proper: nobody gains by forecasting anything but what he believes (Gneiting and Raftery,
J Am Stat Assoc 2007;102:359). Whether forecasts are calibrated is asked of many figures together:
where each published count falls in its own forecast, a number between 0 and 1, should be uniform.
Products, not figures, are the independent cases: several figures of one product share what was
wrong about it, so intervals and tests here are made over whole products.

Every function takes plain arrays, and what it cannot use it refuses as an
:class:`crsrisk.errors.InputError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtr, ndtri
from scipy.stats import binom

from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable

Values = NDArray[np.float64]
V = TypeVar("V")
MOST_WITHOUT_FIGURE = 0.05
"""Share of resamples that may give no figure before an interval over the others is refused."""
_NEAREST = 1e-12  # to 0 and to 1: the test of uniformity takes logarithms of both distances


def crps(draws: ArrayLike, observed: float, weights: ArrayLike | None = None) -> float:
    """Continuous ranked probability score of a forecast, in the unit of the figure; 0 is best.

    The squared distance between the distribution of the draws and the step at what was observed,
    integrated; for a single draw it is the absolute error. It is exact for the weighted draws as
    they are, ties included. Independent draws stand for their distribution only nearly: n of them
    raise the score by (their mean absolute difference) / 2n on average.

    Parameters
    ----------
    draws : what was forecast, shape (draws,).
    observed : what was published.
    weights : how much each draw counts, in any unit; all the same when left out.

    Examples
    --------
    >>> crps([0.2, 0.4], observed=0.3)
    0.05
    >>> crps([0.2, 0.4], observed=0.4, weights=[1, 3]) == crps([0.2, 0.4, 0.4, 0.4], 0.4)
    True
    """
    values, shares = _weighted(draws, weights)
    seen = _number("observed", observed)
    ends = np.append(values, seen)
    order = np.argsort(ends, kind="stable")
    below = np.cumsum(np.append(shares, 0.0)[order])[:-1]
    is_past = ends[order][:-1] >= seen
    return float(np.diff(ends[order]) @ np.square(below - is_past))


def interval_score(low: float, high: float, observed: float, alpha: float) -> float:
    """Score of a central interval that should miss with probability ``alpha``; 0 is best.

    Its width, and 2/alpha for each unit by which it missed.

    Parameters
    ----------
    low, high : ends of the interval.
    observed : what was published.
    alpha : 0.05 for a 95% interval.

    Examples
    --------
    >>> interval_score(0.2, 0.5, observed=0.4, alpha=0.1)
    0.3
    >>> round(interval_score(0.2, 0.5, observed=0.6, alpha=0.1), 6)
    2.3
    """
    low, high, seen = (
        _number(name, value)
        for name, value in (("low", low), ("high", high), ("observed", observed))
    )
    if low > high:
        raise _misfit("low", f"{low:g} above high {high:g}", "low <= high", "exchange the ends")
    if not 0.0 < alpha < 1.0:
        raise _misfit(
            "alpha",
            alpha,
            "a share between 0 and 1",
            "state 1 minus the level as a share: 5 of 100 is 0.05",
        )
    return high - low + 2.0 / alpha * (max(low - seen, 0.0) + max(seen - high, 0.0))


def log_predictive_density(
    rate_draws: ArrayLike, events: int, n: int, weights: ArrayLike | None = None
) -> float:
    """Log probability of a published count: binomial, averaged over draws of the trial's rate.

    The higher the better; minus infinity when every draw rules the count out.

    Parameters
    ----------
    rate_draws : draws of the rate in such a trial, before its own chance, each between 0 and 1.
    events, n : the published count.
    weights : how much each draw counts; all the same when left out.

    Examples
    --------
    >>> uniform = (np.arange(10_000) + 0.5) / 10_000  # makes every count of 40 equally likely
    >>> round(float(np.exp(-log_predictive_density(uniform, events=7, n=40))), 3)
    41.0
    """
    rates, shares = _rates(rate_draws, weights)
    check_count(events, n)
    return float(logsumexp(binom.logpmf(events, n, rates), b=shares))


def randomised_pit(
    rate_draws: ArrayLike,
    events: int,
    n: int,
    rng: np.random.Generator,
    weights: ArrayLike | None = None,
) -> float:
    """Where a published count falls in its forecast, from 0 (lowest) to 1: uniform when calibrated.

    The probability integral transform F(events - 1) + U P(events) under the mixture of binomials
    over the draws. The uniform U spreads a count over its own probability, without which counts
    could not be uniform. Hand the same generator to all figures in a fixed order.

    Parameters
    ----------
    rate_draws, events, n, weights : as in :func:`log_predictive_density`.
    rng : where U comes from, one number a call.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> round(randomised_pit([0.2, 0.4], events=0, n=1, rng=rng), 3)  # between 0 and 0.7
    0.358
    """
    below, upto = pit_bounds(rate_draws, events, n, weights)
    return below + float(rng.random()) * (upto - below)


def pit_bounds(
    rate_draws: ArrayLike, events: int, n: int, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Probability of fewer events than were published, and of as many or fewer.

    The ends between which :func:`randomised_pit` draws.

    Examples
    --------
    >>> pit_bounds([0.5], events=1, n=2)
    (0.25, 0.75)
    """
    rates, shares = _rates(rate_draws, weights)
    check_count(events, n)
    below, upto = (shares @ binom.cdf(k, n, rates) for k in (events - 1, events))
    return float(np.clip(below, 0.0, 1.0)), float(np.clip(upto, 0.0, 1.0))


def uniformity_p(
    pits: ArrayLike,
    products: Sequence[str] | None = None,
    weights: ArrayLike | None = None,
    *,
    n_draws: int = 9999,
    seed: int = 0,
) -> Estimate:
    """Test that values between 0 and 1 are uniform, where those of a product may go together.

    The statistic of Anderson and Darling over all values, in which each product weighs 1. It looks
    at both ends as closely as at the middle, and so finds forecasts that are too sure of
    themselves, which the statistics of Kolmogorov and of Cramér and von Mises mostly miss. What it
    is compared with are ``n_draws`` sets of uniform values with the same products and weights,
    correlated within products as these are: with each product's values once, the textbook's test;
    with several, values that go together count as one and values that do not count as many. The
    correlation is that of normal scores around their mean, one mean of pairs a product. Products
    are taken to be independent of each other.

    Simulated error rates at 0.01 are 0.007 to 0.015, and at 0.05 0.044 to 0.061, for 12 and 30
    products with 1, 2 or 4 values that go together not at all, half, nearly, or only when low.

    Parameters
    ----------
    pits : one value a figure, as of :func:`randomised_pit`.
    products : the product of each value; every value a product of its own when left out.
    weights : how much each value counts; when left out every product counts the same, and so do
        the values of one product.
    n_draws : simulated sets.
    seed : of the simulated sets.

    Returns
    -------
    Estimate
        The p value with its Monte Carlo error; never below 1 / (n_draws + 1).

    Examples
    --------
    >>> even = (np.arange(40) + 0.5) / 40
    >>> uniformity_p(even).value > 0.99, uniformity_p(even**2).value < 0.01
    (True, True)
    >>> low, products = np.array([0.1, 0.15, 0.2, 0.3, 0.35, 0.5, 0.6]), list("abcdefg")
    >>> twice = [*low, *(low + 0.01)]  # twice as many figures of the same products say little more
    >>> [round(uniformity_p(*of).value, 2) for of in [(low,), (twice, 2 * products), (twice,)]]
    [0.14, 0.14, 0.02]
    """
    values = _array("pits", pits)
    if values.min() < 0.0 or values.max() > 1.0:
        raise _misfit("pits", "a value outside", "values between 0 and 1", "pass transforms")
    names = [str(k) for k in range(len(values))] if products is None else list(products)
    if len(names) != len(values):
        raise _misfit("products", len(names), f"{len(values)} names", "name one a value")
    group = np.unique(names, return_inverse=True)[1]
    if weights is None:
        weights = 1.0 / np.bincount(group)[group]
    shares = _shares(weights, len(values))
    has_weight = shares > 0.0
    values, shares, group = values[has_weight], shares[has_weight], group[has_weight]
    scores = np.asarray(ndtri(np.clip(values, _NEAREST, 1.0 - _NEAREST)))
    rng, correlation = np.random.default_rng(seed), _within_correlation(scores, shares, group)
    common = rng.standard_normal((n_draws, group.max() + 1))[:, group]
    own = rng.standard_normal((n_draws, len(values)))
    simulated = ndtr(sqrt(correlation) * common + sqrt(1.0 - correlation) * own)
    seen = _anderson_darling(values[None], shares)
    p = (1 + np.sum(_anderson_darling(simulated, shares) >= seen)) / (n_draws + 1)
    return Estimate(float(p), mc_error=sqrt(p * (1.0 - p) / n_draws))


def _within_correlation(scores: Values, shares: Values, group: NDArray[np.intp]) -> float:
    """Of two scores of one product, each product one mean over its pairs; 0 without pairs and never
    less.
    """
    apart = scores - shares @ scores
    variance = shares @ np.square(apart)
    size = np.bincount(group)
    pairs = np.bincount(group, apart) ** 2 - np.bincount(group, apart**2)
    has_pair = size > 1
    if not has_pair.any() or variance == 0.0:
        return 0.0
    mean = np.mean(pairs[has_pair] / (size * (size - 1.0))[has_pair])
    return float(np.clip(mean / variance, 0.0, 1.0))


def _anderson_darling(values: Values, shares: Values) -> Values:
    """Integral of (F - x)^2 / x(1-x) for rows of values with the same weights."""
    inside = np.clip(values, _NEAREST, 1.0 - _NEAREST)
    order = np.argsort(inside, axis=1)
    x = np.take_along_axis(inside, order, axis=1)
    upto = np.cumsum(shares[order], axis=1)
    below = upto - shares[order]
    # integrated by parts: the steps of F^2 and of (1 - F)^2 at the values
    rise, fall = upto**2 - below**2, (1.0 - below) ** 2 - (1.0 - upto) ** 2
    return np.asarray(-(rise * np.log(x) + fall * np.log1p(-x)).sum(axis=1) - 1.0)


def weighted_rank_correlation(
    published: ArrayLike, forecast: ArrayLike, weights: ArrayLike | None = None
) -> float | NotEstimable:
    """Spearman's rank correlation with weights: a figure of weight 2 counts as two such figures.

    Ranks are weights of lower figures plus half of the weights of equal ones.

    Examples
    --------
    >>> weighted_rank_correlation([0.1, 0.3, 0.5], [0.2, 0.1, 0.6], weights=[1, 1, 1])
    0.5
    >>> weighted_rank_correlation([0.1, 0.3], [0.2, 0.2])
    NotEstimable(reason='all figures with weight are equal')
    """
    first, second = _array("published", published), _array("forecast", forecast)
    if len(first) != len(second):
        raise _misfit("forecast", len(second), f"{len(first)} values", "pair the figures")
    shares = _shares(weights, len(first))
    ranks = np.stack([_weighted_ranks(values, shares) for values in (first, second)])
    apart = ranks - (ranks @ shares)[:, None]
    covariance = apart * shares @ apart.T
    scale = sqrt(covariance[0, 0] * covariance[1, 1])
    if scale < _NEAREST:
        return NotEstimable("all figures with weight are equal")
    return float(np.clip(covariance[0, 1] / scale, -1.0, 1.0))


def _weighted_ranks(values: Values, shares: Values) -> Values:
    place = np.unique(values, return_inverse=True)[1]
    here = np.bincount(place, shares)
    return np.asarray((np.cumsum(here) - here / 2.0)[place])


def bootstrap_over_products(
    values_by_product: Mapping[str, V],
    statistic: Callable[[Sequence[V]], float | NotEstimable],
    *,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Estimate | NotEstimable:
    """A statistic over products with its 95% interval: percentiles over products drawn again.

    Parameters
    ----------
    values_by_product : whatever belongs to a product; it is drawn whole, or not, or several times.
    statistic : what is computed from the drawn products' values; it may say that a draw gives no
        figure. Such draws are left out, and the interval is refused where they are more than
        ``MOST_WITHOUT_FIGURE``.
    n_resamples, seed : of the bootstrap. The order of the mapping does not matter.

    Examples
    --------
    >>> scores = {"a": [0.1, 0.3], "b": [0.2], "c": [0.4, 0.4]}
    >>> bootstrap_over_products(scores, lambda chosen: float(np.mean([np.mean(v) for v in chosen])))
    Estimate(0.2667, 0.2 to 0.4)
    """
    if len(values_by_product) < 2:
        raise _misfit(
            "values_by_product", len(values_by_product), "two products or more", "add products"
        )
    if n_resamples < 1:
        raise _misfit("n_resamples", n_resamples, "one or more", "ask for some thousand")
    values = [values_by_product[product] for product in sorted(values_by_product)]
    whole = statistic(values)
    if isinstance(whole, NotEstimable):
        return whole
    rows = np.random.default_rng(seed).integers(len(values), size=(n_resamples, len(values)))
    found = [statistic([values[k] for k in row]) for row in rows]
    figures = [figure for figure in found if not isinstance(figure, NotEstimable)]
    if len(figures) < (1.0 - MOST_WITHOUT_FIGURE) * n_resamples:
        return NotEstimable(
            f"{n_resamples - len(figures)} of {n_resamples} draws of products give no figure"
        )
    low, high = np.quantile(figures, [0.025, 0.975])
    return Estimate(float(whole), float(low), float(high))


def skill(score: float, rival: float) -> float | NotEstimable:
    """Share of a rival's score that a forecast saves: 1 is perfect, 0 no better, below 0 worse.

    For scores that are 0 at best, as :func:`crps` and :func:`interval_score`.

    Examples
    --------
    >>> skill(0.06, rival=0.08)
    0.25
    >>> skill(0.06, rival=0.0)
    NotEstimable(reason='the rival is perfect')
    """
    for name, value in (("score", score), ("rival", rival)):
        if not _number(name, value) >= 0.0:
            raise _misfit(name, value, "a score of 0 or more", "pass scores that are 0 at best")
    return 1.0 - score / rival if rival > 0.0 else NotEstimable("the rival is perfect")


def check_count(events: int, n: int) -> None:
    """Refuse what is no count of ``events`` among ``n``."""
    if n < 1 or not 0 <= events <= n or events != int(events) or n != int(n):
        raise _misfit("events", f"{events} of {n}", "a count among n >= 1", "correct the count")


def _misfit(key: str, found: object, expected: str, cure: str) -> InputError:
    return InputError(
        where="forecast scores", key=key, found=str(found), expected=expected, cure=cure
    )


def _number(name: str, value: float) -> float:
    return float(_array(name, [value])[0])


def _array(name: str, values: ArrayLike) -> Values:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise _misfit(name, f"shape {array.shape}", "finite numbers, one or more", "leave gaps out")
    return array


def _shares(weights: ArrayLike | None, size: int) -> Values:
    """Weights that add up to 1."""
    if weights is None:
        return np.full(size, 1.0 / size)
    array = _array("weights", weights)
    if len(array) != size or array.min() < 0.0 or not array.sum() > 0.0:
        raise _misfit(
            "weights", f"{len(array)} from {array.min():g}", f"{size} of 0 or more", "correct them"
        )
    return np.asarray(array / array.sum())


def _weighted(draws: ArrayLike, weights: ArrayLike | None) -> tuple[Values, Values]:
    values = _array("draws", draws)
    return values, _shares(weights, len(values))


def _rates(draws: ArrayLike, weights: ArrayLike | None) -> tuple[Values, Values]:
    rates, shares = _weighted(draws, weights)
    if rates.min() < 0.0 or rates.max() > 1.0:
        raise _misfit("rate_draws", "a rate outside", "rates between 0 and 1", "pass shares, not %")
    return rates, shares
