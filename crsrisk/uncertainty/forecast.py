"""Predictive intervals: what a trial would report, with everything that is not known about it.

Three things spread a forecast: which assumptions hold (the members of the ensemble and their
weights), how this trial differs from others of its product (the SD between trials), and chance at
the trial's size. A constant that the ensemble does not hold, such as the affinity of a product
nobody calibrated, is drawn from its prior anew for every member.
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
from crsrisk.simulation.published_trials import SimulatedFigure
from crsrisk.uncertainty.constants import prior_values, product_constants, shared_constants
from crsrisk.uncertainty.observations import (
    Target,
    between_sd,
    chance_variance,
    link,
    observe_target,
    simulate_worlds,
)

Values = NDArray[np.float64]
REPEATS = 200  # trials imagined for each member


@dataclass(frozen=True)
class PredictiveInterval:
    """A figure of a trial as the ensemble of assumptions predicts it: a share (0-1) or a time.

    ``predictive`` is the median over the ensemble (half of the worlds say more), its 95% predictive
    interval and its Monte Carlo error, of the members and patients drawn, by bootstrap;
    ``assumptions`` the same median with the interval from what is not known of the assumptions
    alone. All are NaN where fewer than two of the ``n_members`` members could give the figure.
    """

    predictive: Estimate
    assumptions: Estimate
    n_members: int

    @property
    def is_known(self) -> bool:
        """Whether there is a prediction."""
        return self.predictive.has_interval


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
    """Every target predicted over all members, ``n`` patients a trial and member.

    ``at_trial_size=False`` leaves out chance at the size of the trial (for products without a
    trial).
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
    return [
        _predict(figures, target, ensemble.weights, world, at_trial_size, rng)
        for figures, target in zip(zip(*by_world, strict=True), targets, strict=True)
    ]


def shrink(values: Values, noise: Values, weights: Values) -> Values:
    """Values of the members drawn together until their spread is that of the truth behind them.

    Simulated with few patients each, members differ by chance too; shrinking towards the mean by
    the square root of the reliability takes that part of the variance out and leaves the mean.
    """
    mean = float((weights * values).sum())
    total = float((weights * (values - mean) ** 2).sum())
    true = max(total - float((weights * noise).sum()), 0.0)
    return np.asarray(mean + (values - mean) * sqrt(true / total)) if total > 0 else values


def _predict(
    figures: Sequence[SimulatedFigure],
    target: Target,
    weights: Values,
    world: World,
    at_trial_size: bool,
    rng: np.random.Generator,
) -> PredictiveInterval:
    """One target from what it is in every member."""
    values = np.array(
        [link(figure.value, is_rate=target.is_rate, n=figure.n) for figure in figures]
    )
    noise = np.array([chance_variance(figure, is_rate=target.is_rate) for figure in figures])
    known = ~np.isnan(values)
    if known.sum() < 2:
        unknown = Estimate(nan, mc_error=nan)
        return PredictiveInterval(unknown, Estimate(nan), int(known.sum()))
    values, noise, weight = values[known], noise[known], weights[known] / weights[known].sum()
    center = shrink(values, noise, weight)
    read: Callable[[Values], Values] = expit if target.is_rate else np.exp
    reported = _imagined_reports(center, target, world=world, at_trial_size=at_trial_size, rng=rng)
    alone = read(center)
    drawn = rng.choice(len(center), (REPEATS, len(center)), p=weight)
    again = center[drawn] + np.sqrt(noise[drawn]) * rng.standard_normal(drawn.shape)
    error = float(read(np.median(again, axis=1)).std(ddof=1))
    many = np.repeat(weight / REPEATS, REPEATS)
    low, high = (_quantile(reported.ravel(), many, q) for q in (0.025, 0.975))
    median, from_low, from_high = (_quantile(alone, weight, q) for q in (0.5, 0.025, 0.975))
    return PredictiveInterval(
        Estimate(median, low, high, mc_error=error),
        Estimate(median, from_low, from_high),
        len(values),
    )


def _imagined_reports(
    center: Values, target: Target, *, world: World, at_trial_size: bool, rng: np.random.Generator
) -> Values:
    """What trials would report, (member, repeat): each differs from its member as trials do."""
    observation = observe_target(target, world=world)
    between = between_sd(target, world=world)
    trials = center[:, None] + between * rng.standard_normal((len(center), REPEATS))
    if target.is_rate:
        rates = expit(trials)
        n = int(observation.n)
        return np.asarray(rng.binomial(n, rates) / n if at_trial_size else rates)
    if at_trial_size:
        trials = trials + observation.sampling_sd * rng.standard_normal(trials.shape)
    return np.asarray(np.exp(trials))


def _quantile(values: Values, weights: Values, q: float) -> float:
    """Weighted quantile (the smallest value with that much weight at or below it)."""
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(mass, q * mass[-1])), len(values) - 1)])
