"""Evidence model: published figures as a hierarchical model over constants and products.

It puts together what the other modules know apart: which constants a trial can feel, how its
figures move with them (emulators of patients in worlds of their own), what was printed, and how far
products and trials differ before any of it was seen (``synthetic/assumptions/evidence.yaml``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.data.evidence_use import GROUPS
from crsrisk.data.product import Product, RandomEffects
from crsrisk.data.published_figures import PublishedFigure, Trial
from crsrisk.data.world import World
from crsrisk.simulation.published_trials import TIMES, clock_of, denominator, events
from crsrisk.uncertainty.constants import (
    Constant,
    constants_met,
    is_felt,
    random_effect_keys,
)
from crsrisk.uncertainty.emulator import Emulator, Reliability, fit_rate, fit_time, reliability
from crsrisk.uncertainty.hierarchy import Figure, Model, SpreadPrior
from crsrisk.uncertainty.observations import Target, kind_of, observe_target
from crsrisk.uncertainty.own_worlds import OF_THE_TIMETABLE

Values: TypeAlias = NDArray[np.float64]
EFFECTS: tuple[str, ...] = tuple(RandomEffects.model_fields)
# of a random effect, in log units, among the patients that emulators learn from: about as wide as
# products may turn out to differ
EFFECT_SD = 0.9
# what emulators are off by, in logits and log units, before simulations have told it
FIRST_ERROR_SD = {"rate": 0.4, "time": 0.15}
UNSEEN_SHARE = 5  # every fifth patient is kept from the emulator and tells how reliable it is
_TRIAL_SDS = ("between_trial_rate_sd", "between_trial_severe_sd", "between_trial_time_sd")
_SD_OF_KIND = dict(zip(("rate", "severe", "time"), _TRIAL_SDS, strict=True))


def class_of(product: Product) -> str:
    """The class that a product borrows from: engagers, or cells (with TIL and checkpoint
    inhibitors, whose own few figures could not tell a spread).
    """
    return "engagers" if GROUPS[product.platform] == "engagers" else "cells"


def product_spread(effect: str, product: Product) -> str:
    """The assumption that holds the SD between products of a random effect.

    >>> from crsrisk.data.world_files import load_product
    >>> product_spread("log_potency", load_product("tarlatamab"))
    'between_products_potency_engagers'
    """
    return f"between_products_{effect.removeprefix('log_')}_{class_of(product)}"


def trial_spread(target: Target) -> str:
    """The assumption that holds the SD between trials of a figure of this kind."""
    return _SD_OF_KIND[kind_of(target)]


def spread_prior(world: World) -> SpreadPrior:
    """Priors of the inferred SDs; those of one effect are correlated between the classes."""
    names = [
        f"between_products_{effect.removeprefix('log_')}_{group}"
        for effect in EFFECTS
        for group in ("engagers", "cells")
    ] + list(_TRIAL_SDS)
    entries = [world.assumptions[f"evidence.{name}"] for name in names]
    medians = [entry.value if entry.prior is None else entry.prior for entry in entries]
    sds = np.array([entry.spread for entry in entries])
    alike = np.eye(len(names))
    together = world.assumptions.value("evidence.between_classes_correlation")
    for k in range(0, 2 * len(EFFECTS), 2):
        alike[k, k + 1] = alike[k + 1, k] = together
    return SpreadPrior(tuple(names), np.log(medians), alike * np.outer(sds, sds))


@dataclass(frozen=True)
class Latents:
    """All scores that the figures of some trials can depend on, in a fixed order.

    ``keys`` name constants and random effects; ``constants`` turn scores into values (a random
    effect is its own value); ``spread_of`` as in :class:`~crsrisk.uncertainty.hierarchy.Model`.
    """

    keys: tuple[str, ...]
    constants: Mapping[str, Constant]
    spread_of: NDArray[np.intp]

    @property
    def index(self) -> dict[str, int]:
        """Position of every key."""
        return {key: k for k, key in enumerate(self.keys)}

    def values(self, scores: Values) -> dict[str, Values]:
        """Values of all constants and effects at rows of scores, by key, each of shape (rows,)."""
        return {
            key: self.constants[key].at(scores[:, k]) if key in self.constants else scores[:, k]
            for k, key in enumerate(self.keys)
        }

    def of_product(self, product: str) -> list[int]:
        """Positions of a product's own constants and effects."""
        start = f"product:{product}."
        return [k for k, key in enumerate(self.keys) if key.startswith(start)]


def latents_of(
    trials: Sequence[Trial], *, products: Mapping[str, Product], world: World
) -> Latents:
    """Constants that the figures of these trials can depend on, and the random effects of their
    products.
    """
    used = {name: products[name] for trial in trials for name in trial.products}
    policies = {
        trial.support_policy or products[name].support_policy
        for trial in trials
        for name in trial.products
    }
    constants = {
        constant.key: constant
        for constant in constants_met(world, list(used.values()), policies=policies)
        if constant.key not in OF_THE_TIMETABLE
    }
    names = spread_prior(world).names
    effects = {
        key: names.index(product_spread(effect, product))
        for name, product in sorted(used.items())
        for effect, key in zip(EFFECTS, random_effect_keys(name), strict=True)
    }
    keys = (*constants, *effects)
    return Latents(keys, constants, np.array([effects.get(key, -1) for key in keys]))


def felt_by(latents: Latents, trial: Trial, *, products: Mapping[str, Product]) -> NDArray[np.intp]:
    """Positions of the latents that a trial's figures can feel."""
    return np.array(
        [
            k
            for k, key in enumerate(latents.keys)
            if any(
                is_felt(key, product=products[name], policy=trial.support_policy)
                for name in trial.products
            )
        ]
    )


def design_scores(
    latents: Latents, trial: Trial, *, products: Mapping[str, Product], n: int, seed: int
) -> Values:
    """Scores of ``n`` patients of a trial in worlds of their own, zero where it feels nothing."""
    at = felt_by(latents, trial, products=products)
    scores = np.zeros((n, len(latents.keys)))
    scores[:, at] = streams.normals(
        seed=seed, decision=f"own worlds {trial.name}", start=0, stop=n, width=len(at)
    )
    return scores * scales(latents)


def scales(latents: Latents) -> Values:
    """SD of every latent among the patients that emulators learn from."""
    return np.where(latents.spread_of >= 0, EFFECT_SD, 1.0)


@dataclass(frozen=True)
class FittedEmulator:
    """A figure's emulator over the latents that it feels, and how it does in unseen patients."""

    id: str
    at: NDArray[np.intp]
    emulator: Emulator
    reliability: Reliability | None


def fit_figure(
    figure: PublishedFigure,
    trial: Trial,
    *,
    outcomes: pd.DataFrame,
    scores: Values,
    at: NDArray[np.intp],
    latents: Latents,
) -> FittedEmulator:
    """The emulator of one figure from the outcomes of patients in worlds of their own."""
    own = scores[:, at] / scales(latents)[at]
    curved = np.flatnonzero(latents.spread_of[at] >= 0)
    group = denominator(outcomes, figure=figure, trial=trial)
    doses = clock_of(figure, trial=trial)
    if figure.metric in TIMES:
        time = TIMES[figure.metric]
        told = group[group["max_grade"].between(time.low, time.high)]
        hours = time.times(told, doses)
        later = np.where(np.isnan(hours), np.inf, hours)  # not over: later than all
        is_told = later > 0.0
        rows = told.index.to_numpy()[is_told]
        return FittedEmulator(
            figure.id, at, fit_time(own[rows], np.log(later[is_told]), curved=curved), None
        )
    rows = group.index.to_numpy()
    event = events(group, metric=figure.metric, dose_times_h=doses).to_numpy(dtype=np.bool_)
    unseen = rows % UNSEEN_SHARE == 0
    emulator = fit_rate(own[rows[~unseen]], event[~unseen], curved=curved)
    return FittedEmulator(
        figure.id, at, emulator, reliability(emulator, own[rows[unseen]], event[unseen])
    )


def model_of(
    figures: Sequence[tuple[PublishedFigure, Trial]],
    emulators: Mapping[str, FittedEmulator],
    *,
    latents: Latents,
    world: World,
) -> Model:
    """The hierarchical model of some published figures."""
    spreads = spread_prior(world)
    between_agents = world.assumptions.value("evidence.between_agents_sd")
    rows = []
    for figure, trial in figures:
        target = Target(figure, trial)
        seen, fitted = observe_target(target, world=world), emulators[figure.id]
        rows.append(
            Figure(
                id=figure.id,
                product="" if trial.is_pool else trial.product,
                emulator=fitted.emulator,
                at=fitted.at,
                scale=scales(latents)[fitted.at],
                spread=spreads.names.index(trial_spread(target)),
                fold=(1.0 if figure.verified else 2.0) / sqrt(trial.n_trials),
                extra_variance=between_agents**2 if trial.is_pool else 0.0,
                events=seen.events,
                n=seen.n if target.is_rate else 0.0,
                log_time=log(figure.value) if not target.is_rate else 0.0,
                sampling_sd=seen.sampling_sd if not target.is_rate else 1.0,
            )
        )
    off = np.array([FIRST_ERROR_SD["rate" if row.is_rate else "time"] for row in rows])
    return Model(tuple(rows), latents.spread_of, spreads, np.diag(np.square(off)))
