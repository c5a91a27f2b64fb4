"""Predictive distributions: what a trial would report, with everything that is not known about it.

Four things spread a forecast: which assumptions hold (the members of the ensemble and their
weights), how a product departs from what its file explains (its random effects: inferred where its
figures were published, else drawn from the spread between products), how this trial differs from
others of its product (the spread between trials), and chance at the trial's size. A constant that
the ensemble does not hold, such as the affinity of a product nobody calibrated, is drawn from its
prior anew for every member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk import streams
from crsrisk.data.ensemble import Ensemble
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial
from crsrisk.data.world import World
from crsrisk.results import Estimate
from crsrisk.simulation.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY
from crsrisk.uncertainty.constants import (
    Constant,
    product_constants,
    random_effect_keys,
    shared_constants,
)
from crsrisk.uncertainty.evidence_model import EFFECTS, product_spread, trial_spread
from crsrisk.uncertainty.members import MemberFigures, member_figures, member_outcomes
from crsrisk.uncertainty.observations import SIZE_WHEN_UNKNOWN, Target, observe_target

Values = NDArray[np.float64]
REPEATS = 200  # trials imagined for each member
_SPREAD = "assumption:evidence."


@dataclass(frozen=True)
class FigureDraws:
    """A figure of a trial in every member of the ensemble, and what trials would report.

    ``alone``: one value a known member, from the assumptions alone; ``own``: the trial's own value,
    which differs from its member's as trials do (member, repeat); ``reported``: with chance at the
    trial's size on top, where a size is given. Rates are shares, times in the figure's unit.
    ``weights`` of the known members sum to 1, ``members`` are their numbers in the ensemble;
    ``mc_error`` is that of the median.
    """

    alone: Values
    own: Values
    reported: Values
    weights: Values
    members: NDArray[np.intp]
    mc_error: float

    @property
    def n_members(self) -> int:
        """Members that could give the figure."""
        return len(self.alone)

    @property
    def is_known(self) -> bool:
        """Whether two members or more could give it."""
        return self.n_members > 1

    def quantile(self, q: float, *, of: str = "reported") -> float:
        """Quantile of what trials would report (or of ``own``, ``alone``); NaN where not known."""
        if not self.is_known:
            return nan
        values: Values = getattr(self, of)
        each = values.size // self.n_members
        return weighted_quantile(values.ravel(), np.repeat(self.weights / each, each), q)


@dataclass(frozen=True)
class PredictiveInterval:
    """A figure of a trial as the ensemble of assumptions predicts it: a share (0-1) or a time.

    ``predictive`` is the median over the ensemble with its 95% predictive interval and Monte Carlo
    error, ``half`` the same median with the 50% interval; ``assumptions`` with the interval from
    what is not known of assumptions and product alone; its ends are NaN where members differ by no
    more than chance lets so few patients differ. All are NaN where fewer than two of the
    ``n_members`` members could give the figure.
    """

    predictive: Estimate
    half: Estimate
    assumptions: Estimate
    n_members: int

    @classmethod
    def of(cls, draws: FigureDraws) -> PredictiveInterval:
        """From draws of the figure."""
        if not draws.is_known:
            unknown = Estimate(nan, mc_error=nan)
            return cls(unknown, Estimate(nan), Estimate(nan), draws.n_members)
        low, quarter, middle, three, high = (
            draws.quantile(q) for q in (0.025, 0.25, 0.5, 0.75, 0.975)
        )
        ends = (0.5, 0.025, 0.975) if np.ptp(draws.alone) > 0 else (0.5,)
        alone = (draws.quantile(q, of="alone") for q in ends)
        return cls(
            Estimate(middle, low, high, mc_error=draws.mc_error),
            Estimate(middle, quarter, three),
            Estimate(*alone),
            draws.n_members,
        )

    @property
    def is_known(self) -> bool:
        """Whether there is a prediction."""
        return self.predictive.has_interval

    @property
    def is_hidden_by_chance(self) -> bool:
        """Whether members differ by no more than chance, so that what assumptions leave open cannot
        be told.
        """
        return self.is_known and not self.assumptions.has_interval

    def without_prediction(self) -> PredictiveInterval:
        """The same where a trial has no such figure: what the assumptions leave open alone."""
        unknown = Estimate(nan, mc_error=nan)
        return PredictiveInterval(unknown, Estimate(nan), self.assumptions, self.n_members)


def member_columns(
    ensemble: Ensemble, *, world: World, products: Sequence[Product]
) -> dict[str, Values]:
    """All constants of every member by key, each of shape (members,): the ensemble's, the prior's
    for those it does not hold, and random effects of products that it has never seen.
    """
    held = dict(zip(ensemble.keys, ensemble.values.T, strict=True))
    of_products = [
        constant for product in products for constant in product_constants(product, is_new=True)
    ]
    others = [
        constant
        for constant in (*shared_constants(world), *of_products)
        if constant.key not in held
    ]
    n = len(ensemble)
    return {**prior_columns(others, n=n), **_new_effects(held, world, products, n), **held}


def member_values(
    ensemble: Ensemble, *, world: World, products: Sequence[Product]
) -> Callable[[int], Mapping[str, float]]:
    """A function from the number of a member to all of its constants
    (:func:`member_columns`).
    """
    columns = member_columns(ensemble, world=world, products=products)
    return lambda k: {key: float(values[k]) for key, values in columns.items()}


def prior_columns(constants: Iterable[Constant], *, n: int) -> dict[str, Values]:
    """Values drawn from the priors for ``n`` members, each constant from a stream of its own (same
    key and member, same value).
    """
    return {
        constant.key: constant.at(_scores(f"constant {constant.key}", n)) for constant in constants
    }


def _new_effects(
    held: Mapping[str, Values], world: World, products: Sequence[Product], n: int
) -> dict[str, Values]:
    """Random effects of products that the ensemble does not know, by the members' own spread
    between products.
    """
    made = {}
    for product in products:
        for effect, key in zip(EFFECTS, random_effect_keys(product.name), strict=True):
            if key not in held:
                name = product_spread(effect, product)
                spread = held.get(_SPREAD + name, world.assumptions.value(f"evidence.{name}"))
                made[key] = np.asarray(spread * _scores(f"effect {key}", n))
    return made


def _scores(decision: str, n: int) -> Values:
    return streams.normals(seed=0, decision=decision, start=0, stop=n, width=1)[:, 0]


def is_new(product: Product, *, ensemble: Ensemble) -> bool:
    """Whether no published figure of a product is in the ensemble."""
    return not set(random_effect_keys(product.name)) <= set(ensemble.keys)


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
    """Every target in every member, ``n`` patients a trial and member (``n_rare`` under checkpoint
    inhibitors).

    ``at_trial_size=False`` leaves out chance at the size of the trial (for products without a
    trial). ``advance`` is called with the number of members after each simulation.
    """
    columns = member_columns(ensemble, world=world, products=products)
    by_name = {product.name: product for product in products}
    members = range(len(ensemble))
    rng = np.random.default_rng(seed)
    made: dict[int, FigureDraws] = {}
    for trial, at in _by_simulation(targets):
        is_rare = any(by_name[name].platform == "ici" for name in trial.products)
        outcomes = member_outcomes(
            trial,
            products=by_name,
            values=columns,
            n_members=len(members),
            each=n_rare if is_rare else n,
            world=world,
            seed=seed,
            mitigations=mitigations,
            workers=workers,
        )
        for k in at:
            figure = targets[k].figure
            [found] = member_figures(
                outcomes, [figure], trial=targets[k].trial, n_members=len(members)
            )
            sd = columns.get(_SPREAD + trial_spread(targets[k]))
            made[k] = _draws(
                found,
                targets[k],
                each=n_rare if is_rare else n,
                weights=ensemble.weights,
                sd=sd,
                world=world,
                at_trial_size=at_trial_size,
                rng=rng,
            )
        if advance is not None:
            advance(len(members))
    return [made[k] for k in range(len(targets))]


def n_simulations(targets: Sequence[Target]) -> int:
    """How many trials have to be simulated for some targets."""
    return len(_by_simulation(targets))


def _by_simulation(targets: Sequence[Target]) -> list[tuple[Trial, list[int]]]:
    """Targets whose trials differ in nothing the simulator knows share one simulation."""
    groups: dict[tuple[object, ...], tuple[Trial, list[int]]] = {}
    for k, target in enumerate(targets):
        trial = target.trial
        key = (
            tuple(trial.products),
            trial.regimen,
            trial.population,
            trial.support_policy,
            trial.window_d,
        )
        groups.setdefault(key, (trial, []))[1].append(k)
    return list(groups.values())


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
    """The predictive intervals of :func:`forecast_draws`."""
    return [
        PredictiveInterval.of(draws)
        for draws in forecast_draws(
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


def _draws(
    found: MemberFigures,
    target: Target,
    *,
    each: int,
    weights: Values,
    sd: Values | None,
    world: World,
    at_trial_size: bool,
    rng: np.random.Generator,
) -> FigureDraws:
    """One target from what it is in every member, of ``each`` patients; ``sd`` between trials, one
    a member.
    """
    known = found.is_known
    members = np.flatnonzero(known)
    if known.sum() < 2:
        nothing = np.empty(0)
        return FigureDraws(np.zeros(len(members)), nothing, nothing, nothing, members, nan)
    values, noise = found.values[known], found.noise[known]
    weight = weights[known] / weights[known].sum()
    center = shrink(values, noise, weight)
    between = (
        np.full(len(center), world.assumptions.value(f"evidence.{trial_spread(target)}"))
        if sd is None
        else sd[known]
    ) / sqrt(target.trial.n_trials)
    read: Callable[[Values], Values] = expit if target.is_rate else np.exp
    trials = center[:, None] + between[:, None] * rng.standard_normal((len(center), REPEATS))
    own = read(trials)
    reported = own
    if at_trial_size and target.is_rate:
        size = int(observe_target(target, world=world).n)
        reported = np.asarray(rng.binomial(size, own) / size)
    elif at_trial_size:
        chance = np.sqrt(_time_chance(target, noise, each=each))[:, None]
        reported = np.exp(trials + chance * rng.standard_normal(trials.shape))
        if target.figure.value == round(target.figure.value):  # printed as a whole number
            reported = np.rint(reported)
    drawn = rng.choice(len(center), (REPEATS, len(center)), p=weight)
    again = center[drawn] + np.sqrt(noise[drawn]) * rng.standard_normal(drawn.shape)
    error = float(read(np.median(again, axis=1)).std(ddof=1))
    return FigureDraws(read(center), own, reported, weight, members, error)


def _time_chance(target: Target, noise: Values, *, each: int) -> Values:
    """Variance by chance of a median time in the trial, on its log scale: by the patients that the
    figure says it is of, else by those with CRS that a member has in a trial of that size. The
    time that was published, and its spread, are not looked at.
    """
    of = target.figure.n_patients
    if of is not None:
        return np.full(len(noise), (MEDIAN_EFFICIENCY * ASSUMED_LOG_SD) ** 2 / of)
    return noise * each / (target.trial.n_patients or SIZE_WHEN_UNKNOWN)


def weighted_quantile(values: Values, weights: Values, q: float) -> float:
    """Weighted quantile (the smallest value with that much weight at or below it)."""
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(mass, q * mass[-1])), len(values) - 1)])
