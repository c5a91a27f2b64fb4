"""Hierarchy: conjugate closed forms where there are any, brute-force quadrature where there are
none, and the same numbers for the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binom, norm

from crsrisk.uncertainty.emulator import Emulator
from crsrisk.uncertainty.hierarchy import (
    Draws,
    Figure,
    Model,
    SpreadPrior,
    fit,
    most_probable,
)

Values = NDArray[np.float64]
TIGHT = 1e-8  # SD of a log SD that counts as known


def figure(
    emulator: Emulator,
    at: Sequence[int],
    *,
    product: str = "a",
    spread: int = 0,
    count: tuple[int, int] | None = None,
    log_time: float = 0.0,
    sampling_sd: float = 0.2,
    fold: float = 1.0,
    extra_variance: float = 0.0,
    scale: float = 1.0,
) -> Figure:
    """A count of (events, n), or a time."""
    events, n = count or (0, 0)
    return Figure(
        id=f"{product}{at}{count}",
        product=product,
        emulator=emulator,
        at=np.array(at, dtype=np.intp),
        scale=np.full(len(at), scale),
        spread=spread,
        fold=fold,
        extra_variance=extra_variance,
        events=float(events),
        n=float(n),
        log_time=log_time,
        sampling_sd=sampling_sd,
    )


def spreads(*medians: float, log_sd: float = TIGHT) -> SpreadPrior:
    """Independent lognormal priors of as many SDs."""
    names = tuple(f"sd{k}" for k in range(len(medians)))
    return SpreadPrior(names, np.log(medians), log_sd**2 * np.eye(len(medians)))


def linear_times(rng: np.random.Generator) -> Model:
    """Eight times, linear in six scores of SD 1 and two of SD 0.7, around them by 0.3."""
    figures = tuple(
        figure(
            Emulator.linear_in(rng.normal(size=8), intercept=float(rng.normal())),
            range(8),
            product="abcd"[j % 4],
            log_time=float(rng.normal()),
            sampling_sd=float(rng.uniform(0.1, 0.5)),
            fold=1.0 if j % 3 else 2.0,
            extra_variance=0.1 if j == 5 else 0.0,
            scale=1.0 if j % 2 else 0.8,
        )
        for j in range(8)
    )
    return Model(figures, np.array([-1] * 6 + [1, 1]), spreads(0.3, 0.7))


def conjugate(model: Model) -> tuple[Values, Values]:
    """Mean and covariance of Gaussian regression (Rasmussen and Williams 2006, 2.8)."""
    slopes = np.array([each.emulator.linear / each.scale for each in model.figures])
    center = np.array([each.emulator.intercept for each in model.figures])
    seen = np.array([each.log_time for each in model.figures])
    variance = np.array(
        [
            (0.3 * each.fold) ** 2 + each.extra_variance + each.sampling_sd**2
            for each in model.figures
        ]
    )
    prior = np.array([1.0] * 6 + [1.0 / 0.7**2] * 2)
    covariance = np.linalg.inv(np.diag(prior) + slopes.T @ (slopes / variance[:, None]))
    return covariance @ slopes.T @ ((seen - center) / variance), covariance


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_the_mode_of_linear_times_is_the_conjugate_mean(seed: int) -> None:
    model = linear_times(np.random.default_rng(seed))
    assert most_probable(model) == pytest.approx(conjugate(model)[0], abs=1e-6)


def test_draws_of_linear_times_are_draws_of_the_conjugate_posterior() -> None:
    """2,000 draws: standard errors of means at most 0.0224, of covariances 0.032; five of them are
    allowed, over 44 comparisons a false alarm in about 40,000 seeds.
    """
    model = linear_times(np.random.default_rng(7))
    mean, covariance = conjugate(model)
    draws = fit(model, n=64, seed=1).draw(2_000, np.random.default_rng(2))
    scores, sds = draws.scores, draws.sds
    assert np.abs(scores.mean(axis=0) - mean).max() < 5 * 0.0224
    assert np.abs(np.cov(scores.T) - covariance).max() < 5 * 0.032
    assert sds == pytest.approx(np.tile([0.3, 0.7], (2_000, 1)), rel=1e-6)


# Counts, against brute force.

COUNTS = ((1, 13), (6, 6), (20, 44), (268, 473))
GRID = np.linspace(-9.0, 9.0, 1501)


def _density_of_score(count: tuple[int, int], *, sd: float, slope: float, level: float) -> Values:
    """Of one standard normal score whose figure is ``level + slope x``, around it by ``sd``: the
    trial's own logit is summed over 801 points.
    """
    steps = np.linspace(-8.0, 8.0, 801)
    weights = norm.pdf(steps) / norm.pdf(steps).sum()
    rates = expit(level + slope * GRID[:, None] + sd * steps)
    density = norm.pdf(GRID) * (binom.pmf(*count, rates) @ weights)
    return np.asarray(density / density.sum())


@pytest.mark.parametrize("count", COUNTS)
def test_a_score_that_one_count_speaks_of(count: tuple[int, int]) -> None:
    """Mean within 0.12 and SD within 8% of quadrature, quantiles within 0.25: what Laplace costs
    where counts are small or whole (1 of 13, 6 of 6); 0.03, 3% and 0.05 for larger ones. 4,000
    draws, whose own errors are a fifth of each of these or less (SD of a score 0.7 and 0.3).
    """
    slope, level, sd, off = 1.5, -0.5, 0.4, 0.12
    density = _density_of_score(count, sd=np.hypot(sd, off), slope=slope, level=level)
    mean = density @ GRID
    root = np.sqrt(density @ np.square(GRID - mean))
    emulator = Emulator.linear_in(np.array([slope]), intercept=level)
    model = Model(
        (figure(emulator, [0], count=count),), np.array([-1]), spreads(sd), np.array([[off**2]])
    )
    draws = fit(model, n=64, seed=1).draw(4_000, np.random.default_rng(3)).scores[:, 0]
    is_small = min(count[0], count[1] - count[0]) < 5
    assert draws.mean() == pytest.approx(mean, abs=0.12 if is_small else 0.03)
    assert draws.std() == pytest.approx(root, rel=0.08 if is_small else 0.03)
    for q in (0.05, 0.5, 0.95):
        exact = GRID[np.searchsorted(np.cumsum(density), q)]
        assert np.quantile(draws, q) == pytest.approx(exact, abs=0.25 if is_small else 0.05)


def _random_effects(counts: Sequence[tuple[int, int]], *, log_sd: float = 0.6) -> Model:
    """A product for every count, around a common level of -0.5, with an effect of its own whose SD
    is inferred; trials differ by 0.3, which is known.
    """
    figures = tuple(
        figure(
            Emulator.linear_in(np.ones(1), intercept=-0.5),
            [k],
            product=f"p{k}",
            spread=1,
            count=count,
        )
        for k, count in enumerate(counts)
    )
    prior = SpreadPrior(
        ("between_products", "between_trials"),
        np.log([0.6, 0.3]),
        np.diag([log_sd**2, TIGHT**2]),
    )
    return Model(figures, np.zeros(len(counts), dtype=np.intp), prior)


def _posterior_of_sd(counts: Sequence[tuple[int, int]], *, log_sd: float) -> tuple[Values, Values]:
    """Grid of the logarithm of the SD between products, and its posterior, by brute force: given
    the SD, products are independent, and each one's logit is summed over 801 points.
    """
    grid = np.log(0.6) + log_sd * np.linspace(-5.0, 5.0, 301)
    steps = np.linspace(-8.0, 8.0, 801)
    weights = norm.pdf(steps) / norm.pdf(steps).sum()
    log_density = norm.logpdf(grid, np.log(0.6), log_sd)
    for events, n in counts:
        around = np.sqrt(np.exp(2.0 * grid) + 0.3**2)
        rates = expit(-0.5 + around[:, None] * steps)
        log_density += np.log(binom.pmf(events, n, rates) @ weights)
    density = np.exp(log_density - log_density.max())
    return grid, density / density.sum()


@pytest.mark.parametrize("seed", range(4))
def test_the_sd_between_products_is_that_of_quadrature(seed: int) -> None:
    """Fifteen products whose SD is 1.2. The marginal likelihood is Laplace's: the mean of the log
    SD is within 0.06 of that by brute force, and its SD within 8%, prior SD 0.6.
    """
    rng = np.random.default_rng(seed)
    n = rng.integers(10, 120, 15)
    counts = [(int(rng.binomial(k, expit(-0.5 + 1.2 * rng.normal()))), int(k)) for k in n.tolist()]
    grid, density = _posterior_of_sd(counts, log_sd=0.6)
    mean = density @ grid
    found = fit(_random_effects(counts), n=128, seed=seed)
    middle = found.weights @ found.log_sds[:, 0]
    root = np.sqrt(found.weights @ np.square(found.log_sds[:, 0] - middle))
    assert middle == pytest.approx(mean, abs=0.06)
    assert root == pytest.approx(np.sqrt(density @ np.square(grid - mean)), rel=0.08)
    assert found.effective_size > 50


def test_a_products_effect_is_that_of_quadrature_over_effect_and_sd() -> None:
    """4,000 draws of the effect of a product with 12 of 14, where others say how far products
    differ: mean within 0.1 and SD within 8% of a sum over 301 SDs and 1,501 effects. What is
    missing is the skewness that Laplace's normal distribution does not have.
    """
    counts = [(5, 20), (10, 40), (12, 14), (2, 30), (33, 60), (9, 10)]
    grid, density = _posterior_of_sd(counts, log_sd=0.6)
    steps = np.linspace(-8.0, 8.0, 401)
    weights = norm.pdf(steps) / norm.pdf(steps).sum()
    rates = expit(-0.5 + GRID[:, None] + 0.3 * steps)
    likelihood = binom.pmf(12, 14, rates) @ weights
    given = norm.pdf(GRID, 0.0, np.exp(grid)[:, None]) * likelihood
    effect = density @ (given / given.sum(axis=1, keepdims=True))
    mean = effect @ GRID
    posterior = fit(_random_effects(counts), n=128, seed=2)
    scores = posterior.draw(4_000, np.random.default_rng(4)).scores
    assert scores[:, 2].mean() == pytest.approx(mean, abs=0.1)
    assert scores[:, 2].std() == pytest.approx(np.sqrt(effect @ np.square(GRID - mean)), rel=0.08)


def test_the_sd_of_times_is_exact() -> None:
    """Times are normal given the SDs, so that nothing is approximate: the posterior of the log SD
    over 2 x 512 points of Sobol's sequence is that of a grid within 0.01.
    """
    rng = np.random.default_rng(9)
    seen = rng.normal(0.0, 0.9, 20)
    figures = tuple(
        figure(Emulator.linear_in(np.ones(1)), [k], product=f"p{k}", spread=1, log_time=float(time))
        for k, time in enumerate(seen)
    )
    prior = SpreadPrior(("products", "trials"), np.log([0.6, 0.3]), np.diag([0.36, TIGHT**2]))
    found = fit(Model(figures, np.zeros(20, dtype=np.intp), prior), n=512, seed=3)
    grid = np.log(0.6) + 0.6 * np.linspace(-5.0, 5.0, 2001)
    around = np.sqrt(np.exp(2.0 * grid) + 0.3**2 + 0.2**2)
    log_density = norm.logpdf(grid, np.log(0.6), 0.6)
    log_density += norm.logpdf(seen[:, None], 0.0, around).sum(axis=0)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()
    mean = density @ grid
    middle = found.weights @ found.log_sds[:, 0]
    assert middle == pytest.approx(mean, abs=0.01)
    assert found.weights @ np.square(found.log_sds[:, 0] - middle) == pytest.approx(
        density @ np.square(grid - mean), rel=0.03
    )
    name, exact = "products", float(np.exp(grid[np.searchsorted(np.cumsum(density), 0.5)]))
    assert found.spread_medians[name] == pytest.approx(exact, rel=0.02)


@pytest.mark.slow
def test_sds_come_back() -> None:
    """80 sets of 40 products whose SD is drawn from its prior: 90% intervals hold it in 63 to 79 of
    80 (binomial, a false alarm in 300).
    """
    rng, inside = np.random.default_rng(12), 0
    for seed in range(80):
        sd = 0.6 * np.exp(0.6 * rng.normal())
        logits = -0.5 + sd * rng.normal(size=40) + 0.3 * rng.normal(size=40)
        counts = [(int(k), 60) for k in rng.binomial(60, expit(logits))]
        found = fit(_random_effects(counts), n=64, seed=seed)
        order = np.argsort(found.log_sds[:, 0])
        mass = np.cumsum(found.weights[order])
        low, high = found.log_sds[order, 0][np.searchsorted(mass, [0.05, 0.95])]
        inside += bool(low <= np.log(sd) <= high)
    assert 63 <= inside <= 79


# Curved figures: the mode is a mode.


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
@example(16_059)  # settles after a hundred rounds
def test_no_scores_nearby_are_more_probable(seed: int) -> None:
    """Six counts and times, curved in five scores, two of them random effects: an optimiser that
    starts at the mode gains less than 1e-4 in the log density of scores and trial values.
    """
    rng = np.random.default_rng(seed)

    def curved() -> Emulator:
        pairs = np.array([[0, 1], [2, 3]])
        return Emulator(
            float(rng.normal()),
            rng.normal(size=5) * 0.6,
            np.array([0, 4]),
            rng.normal(size=2) * 0.15,
            pairs,
            rng.normal(size=2) * 0.15,
        )

    figures = tuple(
        figure(curved(), range(5), count=(int(rng.integers(0, 31)), 30))
        if j % 2
        else figure(curved(), range(5), log_time=float(rng.normal()))
        for j in range(6)
    )
    errors = 0.05 * (np.eye(6) + 0.5)  # emulators are off together
    model = Model(figures, np.array([-1, -1, -1, 1, 1]), spreads(0.4, 0.8), errors)
    latent, covariance = model.variances(model.spreads.log_median)
    precision = np.linalg.inv(covariance)

    def cost(both: Values) -> float:
        scores, eta = both[:5], both[5:]
        away = eta - model.linear(scores)[0]
        seen = sum(
            binom.logpmf(each.events, each.n, expit(eta[j]))
            if each.is_rate
            else norm.logpdf(each.log_time, eta[j], each.sampling_sd)
            for j, each in enumerate(figures)
        )
        return float(0.5 * np.sum(scores**2 / latent) + 0.5 * away @ precision @ away - float(seen))

    scores = most_probable(model)
    values, _ = model.linear(scores)
    eta = minimize(lambda eta: cost(np.concatenate([scores, eta])), values, tol=1e-12).x
    start = np.concatenate([scores, eta])
    assert cost(start) - minimize(cost, start, tol=1e-12).fun < 1e-4


# Products left out.


def _many(rng: np.random.Generator) -> Model:
    """Three products with two figures each, and a pool; four shared scores and one effect each."""
    figures = []
    for k, product in enumerate(("a", "a", "b", "b", "c", "c", "")):
        at = [0, 1, 2, 3] if not product else [0, 1, 2, 3, 4 + "abc".index(product)]
        emulator = Emulator.linear_in(rng.normal(size=len(at)) / 2.0)
        figures.append(
            figure(emulator, at, product=product, spread=1, count=(int(rng.integers(3, 38)), 40))
            if k % 2 == 0
            else figure(emulator, at, product=product, spread=1, log_time=float(rng.normal()))
        )
    return Model(tuple(figures), np.array([-1] * 4 + [0] * 3), spreads(0.6, 0.3, log_sd=0.5))


def test_a_product_left_out_is_a_product_that_was_never_there() -> None:
    """Whatever its figures said: fit without it, they change nothing; the pool stays."""
    model = _many(np.random.default_rng(1))
    reduced = model.without("b")
    assert [each.product for each in reduced.figures] == ["a", "a", "c", "c", ""]
    changed = replace(
        model,
        figures=tuple(
            replace(each, events=40.0 - each.events, log_time=9.0) if each.product == "b" else each
            for each in model.figures
        ),
    )
    one, other = (fit(each.without("b"), n=64, seed=5) for each in (model, changed))
    for name in ("mode", "log_sds", "weights"):
        assert (getattr(one, name) == getattr(other, name)).all()
    full = fit(model, n=64, seed=5)
    assert np.abs(one.mode - full.mode).max() > 0.01


def test_what_no_figure_speaks_of_keeps_its_prior() -> None:
    """The effect of the product left out: mean 0, variance that of the SDs that are inferred, and
    independent of the rest. 4,000 draws, five standard errors.
    """
    posterior = fit(_many(np.random.default_rng(1)).without("b"), n=64, seed=5)
    draws = posterior.draw(4_000, np.random.default_rng(6))
    scores, sds = draws.scores, draws.sds
    scaled = scores[:, 5] / sds[:, 0]
    assert posterior.mode[5] == 0.0
    assert abs(scaled.mean()) < 5 / np.sqrt(4_000)
    assert scaled.std() == pytest.approx(1.0, abs=5 / np.sqrt(8_000))
    others = np.corrcoef(np.column_stack([scaled, scores[:, [0, 1, 2, 3, 4, 6]]]).T)[0, 1:]
    assert np.abs(others).max() < 5 / np.sqrt(4_000)


def test_the_same_seed_gives_the_same_numbers() -> None:
    model = _many(np.random.default_rng(3))
    one, again, other = (fit(model, n=64, seed=seed) for seed in (1, 1, 2))
    assert (one.log_sds == again.log_sds).all()
    assert (one.weights == again.weights).all()
    assert (one.log_sds != other.log_sds).any()
    first, second = (each.draw(50, np.random.default_rng(4)) for each in (one, again))
    assert (first.scores == second.scores).all()
    assert (first.log_sds == second.log_sds).all()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_figures_in_another_order_say_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = _many(rng)
    shuffled = replace(
        model, figures=tuple(model.figures[k] for k in rng.permutation(len(model.figures)))
    )
    one, other = (fit(each, n=64, seed=1) for each in (model, shuffled))
    assert other.mode == pytest.approx(one.mode, abs=1e-6)
    assert other.weights == pytest.approx(one.weights, abs=1e-6)


def test_a_figure_that_is_less_sure_moves_less() -> None:
    """Twice the SD between trials, as recalled figures have; and a pool's agents."""
    emulator = Emulator.linear_in(np.ones(1))

    def mode(**choices: float) -> float:
        one = figure(emulator, [0], count=(35, 40), **choices)  # type: ignore[arg-type]
        return float(most_probable(Model((one,), np.array([-1]), spreads(0.5)))[0])

    assert mode() > mode(fold=2.0) > 0.0
    assert mode() > mode(extra_variance=0.36) > 0.0
    assert mode(fold=0.5) > mode()


# What emulators are off by.


def test_a_shift_moves_the_figures_and_nothing_else() -> None:
    """One that is not known is none; slopes, observations and the model it came from stay."""
    rng = np.random.default_rng(4)
    model, scores = linear_times(rng), rng.normal(size=8)
    by = np.array([0.5, -1.0, np.nan, 0.0, 2.0, np.nan, 0.25, -0.125])
    errors = 0.1 * np.eye(8)
    before, slopes = model.linear(scores)
    shifted = model.shifted(by, errors)
    values, same = shifted.linear(scores)
    assert values == pytest.approx(before + np.nan_to_num(by), abs=1e-12)
    assert (same == slopes).all()
    assert (model.linear(scores)[0] == before).all()
    assert shifted.emulated(scores[None])[0] == pytest.approx(values, abs=1e-12)
    assert model.errors is None
    assert shifted.errors is errors
    assert shifted.shifted(by, None).errors is None
    for one, other in zip(model.figures, shifted.figures, strict=True):
        assert replace(other, emulator=one.emulator) == one


def test_a_product_left_out_takes_its_errors_along() -> None:
    """Rows and columns of what emulators are off by, and the variances that come of them."""
    model = _many(np.random.default_rng(1))
    root = np.random.default_rng(2).normal(size=(7, 7))
    errors = root @ root.T
    reduced = replace(model, errors=errors).without("b")
    kept = [0, 1, 4, 5, 6]
    assert reduced.errors is not None
    assert (reduced.errors == errors[kept][:, kept]).all()
    log_sd = model.spreads.log_median
    full = replace(model, errors=errors).variances(log_sd)[1]
    assert (reduced.variances(log_sd)[1] == full[kept][:, kept]).all()
    assert model.without("b").errors is None


# Draws that are moved.


def _draws(model: Model, n: int, seed: int) -> Draws:
    return fit(model, n=64, seed=1).draw(n, np.random.default_rng(seed))


@pytest.mark.parametrize("make", ["times", "counts"])
def test_where_figures_are_linear_a_move_is_none(make: str) -> None:
    """Nor do draws depend on where they were moved from."""
    rng = np.random.default_rng(5)
    model = linear_times(rng) if make == "times" else _many(rng)
    draws = _draws(model, 40, 6)
    elsewhere = replace(draws, scores=draws.scores + rng.normal(size=draws.scores.shape))
    for each in (draws, elsewhere):
        moved = each.moved(model)
        assert moved.scores == pytest.approx(draws.scores, abs=1e-5)
        assert (moved.log_sds == draws.log_sds).all()
    assert np.abs(draws.scores.std(axis=0)).min() > 0.05


def _linear_parts(model: Model) -> tuple[Values, Values, Values, Values, Values]:
    """Of `linear_times`: slopes, intercepts, what was seen, its variance, that of the latents."""
    slopes = np.array([each.emulator.linear / each.scale for each in model.figures])
    center = np.array([each.emulator.intercept for each in model.figures])
    seen = np.array([each.log_time for each in model.figures])
    sampling = np.square([each.sampling_sd for each in model.figures])
    return slopes, center, seen, sampling, np.array([1.0] * 6 + [0.7**2] * 2)


def test_what_emulators_are_off_by_moves_draws_by_the_gain() -> None:
    """Randomised maximum likelihood: a draw moves by -K times what is added to its figures, K the
    gain of Gaussian regression with the covariance of what the emulators are still off by.
    """
    rng = np.random.default_rng(8)
    model = linear_times(rng)
    draws = _draws(model, 30, 9)
    by = rng.normal(0.0, 0.4, (30, 8))
    roots = rng.normal(0.0, 0.1, (30, 8, 8))
    errors = roots @ np.swapaxes(roots, 1, 2)
    none = draws.moved(model, by=np.zeros((30, 8)), errors=errors).scores
    moved = draws.moved(model, by=by, errors=errors).scores
    slopes, _, _, sampling, latent = _linear_parts(model)
    around = np.array([(0.3 * each.fold) ** 2 + each.extra_variance for each in model.figures])
    for k in range(30):
        cross = latent[:, None] * slopes.T
        whole = slopes @ cross + np.diag(around + sampling) + errors[k]
        assert moved[k] - none[k] == pytest.approx(-cross @ np.linalg.solve(whole, by[k]), abs=1e-6)


def test_draws_that_know_the_errors_are_draws_of_that_posterior() -> None:
    """2,000 draws that all know the same error and what is left of it: mean and covariance of
    Gaussian regression within five standard errors (0.0224 and 0.032, over 44 comparisons a false
    alarm in about 40,000 seeds).
    """
    rng = np.random.default_rng(10)
    model, n = linear_times(rng), 2_000
    by, root = rng.normal(0.0, 1.0, 8), rng.normal(0.0, 0.15, (8, 8))
    errors = root @ root.T
    moved = _draws(model, n, 11).moved(
        model, by=np.tile(by, (n, 1)), errors=np.tile(errors, (n, 1, 1))
    )
    slopes, center, seen, sampling, latent = _linear_parts(model)
    around = np.array([(0.3 * each.fold) ** 2 + each.extra_variance for each in model.figures])
    precision = np.linalg.inv(np.diag(around + sampling) + errors)
    covariance = np.linalg.inv(np.diag(1.0 / latent) + slopes.T @ precision @ slopes)
    mean = covariance @ slopes.T @ precision @ (seen - center - by)
    assert np.abs(moved.scores.mean(axis=0) - mean).max() < 5 * 0.0224
    assert np.abs(np.cov(moved.scores.T) - covariance).max() < 5 * 0.032
    assert np.abs(mean - conjugate(model)[0]).max() > 0.3


def test_errors_of_a_draw_are_a_shift_of_its_model() -> None:
    """Counts and times, curved: what is known of every draw alike may as well be in the model."""
    model = _many(np.random.default_rng(3))
    bent = tuple(
        replace(each, emulator=_bent(each.emulator, 0.1 if j % 2 else -0.1))
        for j, each in enumerate(model.figures)
    )
    model = replace(model, figures=bent)
    draws, by, errors = _draws(model, 20, 12), np.linspace(-0.5, 0.5, 7), 0.05 * np.eye(7) + 0.02
    one = draws.moved(model, by=np.tile(by, (20, 1)), errors=np.tile(errors, (20, 1, 1)))
    other = draws.moved(model.shifted(by, errors))
    assert one.scores == pytest.approx(other.scores, abs=1e-6)
    assert np.abs(one.scores - draws.scores).max() > 0.1


def _bent(line: Emulator, square: float) -> Emulator:
    """With a square of its first score."""
    return replace(line, squared=np.zeros(1, dtype=np.intp), squares=np.array([square]))


@pytest.mark.parametrize("count", [(20, 44), (100, 200)])
@pytest.mark.parametrize("square", [0.15, 0.1, -0.1])
def test_draws_moved_where_they_lie_are_nearer_than_once_linearised(
    count: tuple[int, int], square: float
) -> None:
    """One score with a mild square: the mean of 1,000 draws is nearer to quadrature than that of
    the same draws linearised at the mode alone, as are six quantiles together, and within 0.06
    (0.03 are two errors of such a mean by chance). The same random numbers stand on both sides.
    """
    emulator = _bent(Emulator.linear_in(np.ones(1), intercept=-0.5), square)
    steps = np.linspace(-8.0, 8.0, 401)
    weights = norm.pdf(steps) / norm.pdf(steps).sum()
    rates = expit(emulator.value(GRID[:, None])[:, None] + 0.3 * steps)
    density = norm.pdf(GRID) * (binom.pmf(*count, rates) @ weights)
    density /= density.sum()
    model = Model((figure(emulator, [0], count=count),), np.array([-1]), spreads(0.3))
    posterior = fit(model, n=64, seed=1)
    draws = posterior.draw(1_000, np.random.default_rng(3))
    start = replace(draws, scores=np.tile(posterior.mode, (1_000, 1)))
    once, twice = start.moved(model).scores[:, 0], draws.scores[:, 0]
    mean, places = density @ GRID, (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)
    exact = GRID[np.searchsorted(np.cumsum(density), places)]
    assert abs(twice.mean() - mean) < abs(once.mean() - mean)
    off = [np.abs(np.quantile(scores, places) - exact).sum() for scores in (twice, once)]
    assert off[0] < off[1]
    assert twice.mean() == pytest.approx(mean, abs=0.06)


def test_the_mode_is_that_of_the_sds_of_the_posterior() -> None:
    """Products that differ by far more than believed: the scores are the most probable ones at the
    posterior medians of the SDs, not at those of the priors, where effects are held back.
    """
    counts = [(2, 60), (58, 60), (5, 60), (55, 60), (1, 60), (57, 60), (4, 60), (50, 60)]
    model = _random_effects(counts)
    posterior = fit(model, n=64, seed=1)
    medians = np.log([posterior.spread_medians[name] for name in model.spreads.names])
    at_priors = most_probable(model)
    assert medians[0] > np.log(1.2)
    assert posterior.mode == pytest.approx(most_probable(model, log_sd=medians), abs=0.01)
    assert (np.abs(posterior.mode) > np.abs(at_priors) + 0.05).all()
