"""Predictive intervals: what a trial would report, with everything that is not known about it.

Three things spread a forecast: which assumptions hold (the members of the ensemble and their
weights), how this trial differs from others of its product (the SD between trials), and chance at
the trial's size. A constant that the ensemble does not hold, such as the affinity of a product
nobody calibrated, is drawn from its prior anew for every member.

What was published of a target is never looked at: only its metric, whom it is about, the size of
its trial, and whether a time was printed as a whole number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.results import Estimate
from crsrisk.simulation.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY
from crsrisk.simulation.published_trials import SimulatedFigure
from crsrisk.uncertainty.constants import prior_values, product_constants, shared_constants
from crsrisk.uncertainty.observations import (
    SIZE_WHEN_UNKNOWN,
    Target,
    between_sd,
    chance_variance,
    link,
    simulate_worlds,
)

Values = NDArray[np.float64]
REPEATS = 200  # trials imagined for each member


@dataclass(frozen=True)
class PredictiveInterval:
    """A figure of a trial as the ensemble of assumptions predicts it: a share (0-1) or a time.

    ``predictive`` is the median of what trials would report (half of them say more), its 95%
    interval and its Monte Carlo error, of the members and patients drawn, by bootstrap; ``low_50``
    and ``high_50`` hold the middle half. ``assumptions`` is the median with the interval from what
    is not known of the assumptions alone. All are NaN where fewer than two of the ``n_members``
    members could give the figure.
    """

    predictive: Estimate
    assumptions: Estimate
    n_members: int
    low_50: float = nan
    high_50: float = nan

    @property
    def is_known(self) -> bool:
        """Whether there is a prediction."""
        return self.predictive.has_interval


@dataclass(frozen=True, eq=False)
class FigureDraws:
    """Draws of one figure, a share (0-1) or a time; each draw counts the same.

    ``rates`` (member,) is the figure in each member, before chance and before trials differ; NaN
    where a member could not give it. ``reported`` (member * repeat,), member by member, is what
    trials would report. ``mc_error`` is that of the median.
    """

    rates: Values
    reported: Values
    mc_error: float = nan

    @property
    def repeats(self) -> int:
        """Trials imagined for each member."""
        return len(self.reported) // max(len(self.rates), 1)

    def interval(self) -> PredictiveInterval:
        """Medians and intervals of the draws.

        >>> draws = FigureDraws(np.array([0.2, 0.4]), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
        >>> made = draws.interval()
        >>> made.predictive, made.low_50, made.high_50
        (Estimate(0.3, 0.1 to 0.6, Monte Carlo error nan), 0.2, 0.5)
        """
        known = self.rates[~np.isnan(self.rates)]
        if len(known) < 2:
            return PredictiveInterval(Estimate(nan, mc_error=nan), Estimate(nan), len(known))
        low, low_50, median, high_50, high = _quantiles(self.reported, QUANTILES)
        middle, from_low, from_high = _quantiles(known, (0.5, 0.025, 0.975))
        return PredictiveInterval(
            Estimate(median, low, high, mc_error=self.mc_error),
            Estimate(middle, from_low, from_high),
            len(known),
            low_50,
            high_50,
        )


QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)


def _quantiles(values: Values, at: Sequence[float]) -> list[float]:
    """Each the smallest value with that share of the values at or below it."""
    known = values[~np.isnan(values)]
    return [float(value) for value in np.quantile(known, at, method="inverted_cdf")]


def member_values(
    ensemble: Ensemble, *, world: World, products: Sequence[Product]
) -> Callable[[int], Mapping[str, float]]:
    """A function from the number of a member to all of its constants: the ensemble's, and the
    prior's for all others.
    """
    held = set(ensemble.keys)
    of_products = [
        constant for product in products for constant in product_constants(product, is_new=True)
    ]
    others = [
        constant
        for constant in (*shared_constants(world), *of_products)
        if constant.key not in held
    ]

    def values(k: int) -> dict[str, float]:
        return {**prior_values(others, member=k), **ensemble.member(k)}

    return values


def forecast_draws(
    targets: Sequence[Target],
    *,
    ensemble: Ensemble,
    world: World,
    products: Sequence[Product],
    n: int,
    n_rare: int,
    seed: int,
    workers: int = 1,
    at_trial_size: bool = True,
    mitigations: tuple[str, ...] = (),
    advance: Callable[[int], None] | None = None,
) -> list[FigureDraws]:
    """Draws of every target over all members, ``n`` patients a trial and member.

    ``at_trial_size=False`` leaves out chance at the size of the trial (for products without a
    trial). Members of unequal weight are drawn in proportion to it.
    """
    by_world = simulate_worlds(
        member_values(ensemble, world=world, products=products),
        len(ensemble),
        targets=targets,
        world=world,
        products=products,
        n=n,
        n_rare=n_rare,
        seed=seed,
        workers=workers,
        mitigations=mitigations,
        advance=advance,
    )
    rng = np.random.default_rng(seed)
    rare = {product.name for product in products if product.platform == "ici"}
    return [
        _draws(
            figures,
            target,
            n_simulated=n_rare if target.trial.product in rare else n,
            weights=ensemble.weights,
            world=world,
            at_trial_size=at_trial_size,
            rng=rng,
        )
        for figures, target in zip(zip(*by_world, strict=True), targets, strict=True)
    ]


def forecast_targets(
    targets: Sequence[Target],
    *,
    ensemble: Ensemble,
    world: World,
    products: Sequence[Product],
    n: int,
    n_rare: int,
    seed: int,
    workers: int = 1,
    at_trial_size: bool = True,
    mitigations: tuple[str, ...] = (),
    advance: Callable[[int], None] | None = None,
) -> list[PredictiveInterval]:
    """Medians and intervals of :func:`forecast_draws`."""
    draws = forecast_draws(
        targets,
        ensemble=ensemble,
        world=world,
        products=products,
        n=n,
        n_rare=n_rare,
        seed=seed,
        workers=workers,
        at_trial_size=at_trial_size,
        mitigations=mitigations,
        advance=advance,
    )
    return [one.interval() for one in draws]


def shrink(values: Values, noise: Values, weights: Values) -> Values:
    """Values of the members drawn together until their spread is that of the truth behind them.

    Simulated with few patients each, members differ by chance too; shrinking towards the mean by
    the square root of the reliability takes that part of the variance out and leaves the mean.
    """
    mean = float((weights * values).sum())
    total = float((weights * (values - mean) ** 2).sum())
    true = max(total - float((weights * noise).sum()), 0.0)
    return np.asarray(mean + (values - mean) * sqrt(true / total)) if total > 0 else values


def _draws(
    figures: Sequence[SimulatedFigure],
    target: Target,
    *,
    n_simulated: int,
    weights: Values,
    world: World,
    at_trial_size: bool,
    rng: np.random.Generator,
) -> FigureDraws:
    """One target from what it is in every member."""
    values = np.array(
        [link(figure.value, is_rate=target.is_rate, n=figure.n) for figure in figures]
    )
    noise = np.array([chance_variance(figure, is_rate=target.is_rate) for figure in figures])
    share = np.array([figure.n / n_simulated for figure in figures])
    known = ~np.isnan(values)
    read: Callable[[Values], Values] = expit if target.is_rate else np.exp
    if known.sum() < 2:
        return FigureDraws(read(values), np.repeat(read(values), REPEATS))
    weight = weights[known] / weights[known].sum()
    center = np.full(len(values), nan)
    center[known] = shrink(values[known], noise[known], weight)
    drawn = np.flatnonzero(known)[rng.choice(len(weight), (REPEATS, len(weight)), p=weight)]
    again = center[drawn] + np.sqrt(noise[drawn]) * rng.standard_normal(drawn.shape)
    error = float(read(np.median(again, axis=1)).std(ddof=1))
    at = _in_proportion(weights)
    reported = _reports(
        center[at], share[at], target, world=world, at_trial_size=at_trial_size, rng=rng
    )
    return FigureDraws(read(center[at]), reported.ravel(), error)


def _in_proportion(weights: Values) -> NDArray[np.intp]:
    """As many members as there are, each as often as its weight asks for; itself once where all
    weights are equal.
    """
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    return np.searchsorted(np.cumsum(weights / weights.sum()), places)


def _reports(
    center: Values,
    share: Values,
    target: Target,
    *,
    world: World,
    at_trial_size: bool,
    rng: np.random.Generator,
) -> Values:
    """What trials would report, (member, repeat): each differs from its member as trials do.

    ``share``: of the simulated patients, how many the figure is about.
    """
    between = between_sd(target, world=world)
    trials = center[:, None] + between * rng.standard_normal((len(center), REPEATS))
    sizes = _sizes(target, share)[:, None]
    if target.is_rate:
        rates = np.asarray(expit(trials))
        if not at_trial_size:
            return rates
        known = ~np.isnan(rates)
        counts = rng.binomial(sizes, np.where(known, rates, 0.0))
        return np.where(known, counts / sizes, nan)
    if at_trial_size:
        sampling = MEDIAN_EFFICIENCY * ASSUMED_LOG_SD / np.sqrt(sizes)
        trials = trials + sampling * rng.standard_normal(trials.shape)
    is_whole = at_trial_size and target.figure.value == round(target.figure.value)
    return np.asarray(np.rint(np.exp(trials)) if is_whole else np.exp(trials))


def _sizes(target: Target, share: Values) -> NDArray[np.int64]:
    """Patients behind the figure in the trial, in every member: as many as it says, else the share
    that the member simulates of its trial's.
    """
    figure = target.figure
    size = figure.n_patients or target.trial.n_patients or SIZE_WHEN_UNKNOWN
    if figure.n_patients is not None or figure.of == "patients":
        return np.full(len(share), size)
    return np.maximum(np.rint(size * share), 1.0).astype(np.int64)
