"""Design: many sets of assumptions, each simulated, so that published figures become functions of the assumptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.belief.constants import Constant, constants_met, with_product_values, with_world_values
from crsrisk.domain.product import Product
from crsrisk.domain.published import Figure, Trial
from crsrisk.domain.world import World
from crsrisk.simulate.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY
from crsrisk.simulate.figures import measure
from crsrisk.simulate.trial import trial_simulator

Values = NDArray[np.float64]
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Target:
    """One published figure that the assumptions are confronted with, and the trial it stands in."""

    figure: Figure
    trial: Trial

    @property
    def is_rate(self) -> bool:
        """A share of patients; else a time."""
        return self.figure.is_rate


@dataclass(frozen=True)
class Simulated:
    """Figures at a set of points: ``scores`` (point, constant), ``values`` and ``sizes`` (point, target).

    ``values`` are on the scale of :func:`link` (logit of a rate, logarithm of a time), NaN where nothing was to measure.
    ``sizes`` are the simulated patients behind each value.
    """

    scores: Values
    values: Values
    sizes: Values


def varied_constants(world: World, products: Sequence[Product], targets: Sequence[Target]) -> list[Constant]:
    """Constants that the targets can depend on, under the policies of their trials.

    Of products the own numbers of those with a source of their own; products that only stand for others in a pool stay
    at the medians of their priors, so that what a pool says is said of the shared constants.
    """
    by_name = {product.name: product for product in products}
    policies = {target.trial.support_policy or by_name[name].support_policy
                for target in targets for name in target.trial.products}
    alone = {target.trial.product for target in targets if not target.trial.pooled_with}
    return constants_met(world, [product for product in products if product.name in alone], policies=policies)


def link(value: float, *, is_rate: bool, n: float) -> float:
    """Logit of a rate with half an event added to either side, logarithm of a time; NaN for what cannot be measured."""
    if np.isnan(value) or n <= 0 or (not is_rate and value <= 0.0):
        return float("nan")
    if not is_rate:
        return float(np.log(value))
    events = value * n
    return float(np.log((events + 0.5) / (n - events + 0.5)))


def sampling_variance(values: Values, sizes: Values, *, is_rate: bool) -> Values:
    """Variance by chance of simulated figures on their link scale, with ``sizes`` patients behind each."""
    if not is_rate:
        return np.asarray((MEDIAN_EFFICIENCY * ASSUMED_LOG_SD) ** 2 / np.maximum(sizes, 1.0))
    p = expit(values)
    return np.asarray(1.0 / (sizes * p * (1.0 - p) + 0.5))


def simulate_points(
    scores: Values, *, constants: Sequence[Constant], targets: Sequence[Target], world: World, products: Sequence[Product],
    n: int, n_rare: int, seed: int, has_same_patients: bool = False, workers: int = 1, advance: Advance | None = None,
) -> Simulated:
    """Every target at every point, ``n`` patients a trial (``n_rare`` under checkpoint inhibitors)."""
    def values(k: int) -> dict[str, float]:
        return {one.key: float(one.at(score)) for one, score in zip(constants, scores[k], strict=True)}

    found, sizes = simulate_worlds(values, len(scores), targets=targets, world=world, products=products, n=n, n_rare=n_rare,
                                   seed=seed, has_same_patients=has_same_patients, workers=workers, advance=advance)
    return Simulated(scores, found, sizes)


def simulate_worlds(
    values_of: Callable[[int], Mapping[str, float]], n_worlds: int, *, targets: Sequence[Target], world: World,
    products: Sequence[Product], n: int, n_rare: int, seed: int, mitigations: tuple[str, ...] = (),
    has_same_patients: bool = False, workers: int = 1, advance: Advance | None = None,
) -> tuple[Values, Values]:
    """Targets (world, target) on their link scale under each set of constants, and the simulated patients behind them.

    World ``k`` has patients of its own (seed + k), so that sampling error averages out over the worlds; with
    ``has_same_patients`` all have the same, so that it cancels between worlds.
    """
    def at(k: int) -> tuple[list[float], list[float]]:
        values = values_of(k)
        here = with_world_values(world, values)
        own = {product.name: with_product_values(product, values) for product in products}
        simulate = trial_simulator(own, world=here, n=n, n_rare=n_rare, seed=seed if has_same_patients else seed + k,
                                   mitigations=mitigations)
        found = [measure(simulate(target.trial), figure=target.figure, trial=target.trial) for target in targets]
        if advance is not None:
            advance(1)
        return [link(one.value, is_rate=target.is_rate, n=one.n) for one, target in zip(found, targets, strict=True)], [
            float(one.n) for one in found]

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        rows = list(pool.map(at, range(n_worlds)))
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
