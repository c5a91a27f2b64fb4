"""Observations: published figures as data, and the same figures simulated in many worlds.

Each observation says how far it may be off from the simulated figure. A rate is a count around the
trial's own rate, which lies around the simulated one with the SD between trials on the logit scale.
A median time is lognormal around the simulated one with the SD between trials, the sampling error
of a median and the rounding of a printed whole number. Trials without a printed size count as of
`SIZE_WHEN_UNKNOWN`; figures that nobody could verify have twice the SD between trials, so that they
weigh less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import hypot, log, sqrt
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

from crsrisk.data.product import Product
from crsrisk.data.published_figures import METRIC_MEANINGS, PublishedFigure, Trial
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.results import Z_95
from crsrisk.simulation.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY, published_interval
from crsrisk.simulation.published_trials import SimulatedFigure, measure, trial_simulator
from crsrisk.uncertainty.constants import (
    Constant,
    constants_met,
    with_product_values,
    with_world_values,
)

Values = NDArray[np.float64]
Advance = Callable[[int], None]
SIZE_WHEN_UNKNOWN = 100
WHOLE = 1.0 / sqrt(12.0)  # SD of rounding to a whole unit, as printed medians are
MOST_ROWS_OF_A_TRIAL = 4
_SEVERE = ("grade >= 3", "support")
_SD_OF: Mapping[str, str] = MappingProxyType(
    {
        "rate": "between_trial_rate_sd",
        "severe": "between_trial_severe_sd",
        "time": "between_trial_time_sd",
    }
)


@dataclass(frozen=True)
class Target:
    """One published figure that the assumptions are confronted with, and the trial it stands in."""

    figure: PublishedFigure
    trial: Trial

    @property
    def is_rate(self) -> bool:
        """A share of patients; else a time."""
        return self.figure.is_rate


@dataclass(frozen=True)
class Observation:
    """A target as data: a count of ``n`` or the logarithm of a time with its sampling SD."""

    target: Target
    events: float
    n: float
    log_time: float
    sampling_sd: float
    between_sd: float


@dataclass(frozen=True)
class SimulatedTargets:
    """Figures at a set of points: ``scores`` (point, constant), ``values`` and ``sizes`` (point,
    target).

    ``values`` are on the scale of :func:`link` (logit of a rate, logarithm of a time), NaN where
    nothing was to measure. ``sizes`` are the simulated patients behind each value.
    """

    scores: Values
    values: Values
    sizes: Values


def observations(targets: Sequence[Target], *, world: World) -> list[Observation]:
    """All targets; refuses more than four figures of one trial, which would then outweigh the
    others.
    """
    names = [target.trial.name for target in targets]
    for name in sorted(set(names)):
        if names.count(name) > MOST_ROWS_OF_A_TRIAL:
            raise InputError(
                where="calibration",
                key="targets",
                found=f"{names.count(name)} figures of {name}",
                expected=f"at most {MOST_ROWS_OF_A_TRIAL} of one trial",
                cure="leave the less certain ones out; they are still compared by crsrisk evidence",
            )
    return [observe_target(target, world=world) for target in targets]


def observe_target(target: Target, *, world: World) -> Observation:
    """Counts or times of one target with both of its spreads; a recalled figure has twice the SD
    between trials.
    """
    figure, sd = (
        target.figure,
        between_sd(target, world=world) * (1.0 if target.figure.verified else 2.0),
    )
    interval = published_interval(figure, trial=target.trial)
    n = float(interval.n or SIZE_WHEN_UNKNOWN)
    if target.is_rate:
        events = figure.events if figure.events is not None else round(figure.value * n)
        return Observation(target, float(events), n, float("nan"), float("nan"), sd)
    sampling = MEDIAN_EFFICIENCY * ASSUMED_LOG_SD / sqrt(n)
    if interval.low > 0:
        sampling = log(interval.high / interval.low) / (2.0 * Z_95)
    rounding = WHOLE / figure.value if figure.value == round(figure.value) else 0.0
    return Observation(target, float("nan"), n, log(figure.value), hypot(sampling, rounding), sd)


def between_sd(target: Target, *, world: World) -> float:
    """SD between trials of a target on its scale; in a pool of trials that of their mean, and
    beside it the SD between the pooled agents and the few that are simulated for them.
    """
    sd = world.assumptions.value(f"evidence.{_SD_OF[kind_of(target)]}") / sqrt(
        target.trial.n_trials
    )
    return (
        hypot(sd, world.assumptions.value("evidence.between_agents_sd"))
        if target.trial.pooled_with
        else sd
    )


def kind_of(target: Target) -> str:
    """``rate``, ``severe`` or ``time``: which spread between trials applies.

    Rates of grade >= 3 and of support hang on local thresholds more than rates of fever do.
    """
    if not target.is_rate:
        return "time"
    name, family = target.figure.metric, METRIC_MEANINGS[target.figure.metric].family
    is_severe = (
        "grade3" in name or "grade4" in name or "high_grade" in name or name.endswith("use_rate")
    )
    return "severe" if is_severe or family in _SEVERE else "rate"


def link(value: float, *, is_rate: bool, n: float) -> float:
    """Logit of a rate with half an event added to either side, logarithm of a time; NaN for what
    cannot be measured.
    """
    if np.isnan(value) or n <= 0 or (not is_rate and value <= 0.0):
        return float("nan")
    if not is_rate:
        return float(np.log(value))
    events = value * n
    return float(np.log((events + 0.5) / (n - events + 0.5)))


def sampling_variance(values: Values, sizes: Values, *, is_rate: bool) -> Values:
    """Variance by chance on their link scale of figures that ``sizes`` patients stand behind, by
    the textbook's formula.

    Good enough to weigh a figure in calibration, where it stands beside the SD between trials; see
    :func:`rate_chance`.
    """
    if not is_rate:
        return np.asarray((MEDIAN_EFFICIENCY * ASSUMED_LOG_SD) ** 2 / np.maximum(sizes, 1.0))
    p = expit(values)
    return np.asarray(1.0 / (sizes * p * (1.0 - p) + 0.5))


def chance_variance(figure: SimulatedFigure, *, is_rate: bool) -> float:
    """Variance by chance of one simulated figure on its link scale; NaN where nothing was to
    measure.

    Of a rate :func:`rate_chance`; of a time by its own Monte Carlo error, but no more than of the
    times of published trials, since that error is itself poorly known from a few patients.

    >>> round(chance_variance(SimulatedFigure.of(20.0, mc_error=0.5, n=64), is_rate=False), 6)
    0.000625
    """
    if figure.n <= 0 or np.isnan(figure.value):
        return float("nan")
    if not is_rate:
        most = MEDIAN_EFFICIENCY * ASSUMED_LOG_SD / np.sqrt(figure.n)
        return float(np.fmin(figure.mc_error / max(figure.value, 1e-9), most) ** 2)
    return rate_chance(figure.value, n=figure.n)


def rate_chance(rate: float, *, n: int) -> float:
    """Variance of :func:`link` over all counts of ``n`` that could have been, at the rate seen
    (half an event added to either side). The textbook formula 1/np(1-p) is far too large where
    events are few.

    >>> round(rate_chance(0.5, n=100), 3), round(rate_chance(0.0, n=100), 3)
    (0.04, 0.391)
    """
    p = (rate * n + 0.5) / (n + 1.0)
    counts = np.arange(binom.ppf(1e-7, n, p), binom.ppf(1.0 - 1e-7, n, p) + 1.0)
    weights, scores = binom.pmf(counts, n, p), np.log((counts + 0.5) / (n - counts + 0.5))
    return float(
        np.average(np.square(scores - np.average(scores, weights=weights)), weights=weights)
    )


def varied_constants(
    world: World, products: Sequence[Product], targets: Sequence[Target]
) -> list[Constant]:
    """Constants that the targets can depend on, under the policies of their trials.

    Of products the numbers of those with a source of their own; products that only stand for
    others in a pool stay at the medians of their priors, so that what a pool says is said of the
    shared constants.
    """
    by_name = {product.name: product for product in products}
    policies = {
        target.trial.support_policy or by_name[name].support_policy
        for target in targets
        for name in target.trial.products
    }
    alone = {target.trial.product for target in targets if not target.trial.pooled_with}
    return constants_met(
        world, [product for product in products if product.name in alone], policies=policies
    )


def simulate_points(
    scores: Values,
    *,
    constants: Sequence[Constant],
    targets: Sequence[Target],
    world: World,
    products: Sequence[Product],
    n: int,
    n_rare: int,
    seed: int,
    has_same_patients: bool = False,
    workers: int = 1,
    advance: Advance | None = None,
) -> SimulatedTargets:
    """Every target at every point, ``n`` patients a trial (``n_rare`` under checkpoint
    inhibitors).
    """

    def values(k: int) -> dict[str, float]:
        return {
            constant.key: float(constant.at(score))
            for constant, score in zip(constants, scores[k], strict=True)
        }

    by_world = simulate_worlds(
        values,
        len(scores),
        targets=targets,
        world=world,
        products=products,
        n=n,
        n_rare=n_rare,
        seed=seed,
        has_same_patients=has_same_patients,
        workers=workers,
        advance=advance,
    )
    figures = np.array(
        [
            [
                link(figure.value, is_rate=target.is_rate, n=figure.n)
                for figure, target in zip(row, targets, strict=True)
            ]
            for row in by_world
        ]
    )
    sizes = np.array([[float(figure.n) for figure in row] for row in by_world])
    return SimulatedTargets(scores, figures, sizes)


def simulate_worlds(
    values_of: Callable[[int], Mapping[str, float]],
    n_worlds: int,
    *,
    targets: Sequence[Target],
    world: World,
    products: Sequence[Product],
    n: int,
    n_rare: int,
    seed: int,
    mitigations: tuple[str, ...] = (),
    has_same_patients: bool = False,
    workers: int = 1,
    advance: Advance | None = None,
) -> list[list[SimulatedFigure]]:
    """Every target under each set of constants: a row a world.

    World ``k`` has patients of its own (seed + k), so that sampling error averages out over the
    worlds; with ``has_same_patients`` all have the same, so that it cancels between worlds.
    """

    def at(k: int) -> list[SimulatedFigure]:
        values = values_of(k)
        here = with_world_values(world, values)
        by_name = {product.name: with_product_values(product, values) for product in products}
        simulate = trial_simulator(
            by_name,
            world=here,
            n=n,
            n_rare=n_rare,
            seed=seed if has_same_patients else seed + k,
            mitigations=mitigations,
        )
        figures = [
            measure(simulate(target.trial), figure=target.figure, trial=target.trial)
            for target in targets
        ]
        if advance is not None:
            advance(1)
        return figures

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return list(pool.map(at, range(n_worlds)))
