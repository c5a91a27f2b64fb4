"""Invented figures: true worlds drawn from the priors, and the figures that trials in them print.

In an invented world the truth is known, so that a method can be asked whether it finds it. What a
trial prints is made either by the simulator or by the emulators with the errors that they are
believed to have; the latter is what the hierarchical model itself says, to the letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.uncertainty.hierarchy import Figure, Model
from crsrisk.uncertainty.members import MemberFigures

Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Truths:
    """True worlds: ``scores`` (world, latent) and ``log_sds`` (world, SD)."""

    scores: Values
    log_sds: Values

    def __len__(self) -> int:
        return len(self.scores)

    def first(self, n: int) -> Truths:
        """The first ``n`` of them."""
        return Truths(self.scores[:n], self.log_sds[:n])


@dataclass(frozen=True)
class InventedFigures:
    """What trials print in every true world: counts or log times (world, figure).

    ``is_simulated`` (world, figure): False where the world has no such figure (no median onset
    where nobody has CRS), and the emulator was asked instead.
    """

    observed: Values
    is_simulated: NDArray[np.bool_]

    def model(self, model: Model, world: int) -> Model:
        """The model with the figures of one world in place of the published ones."""
        figures = tuple(
            replace(figure, events=float(value))
            if figure.is_rate
            else replace(figure, log_time=float(value))
            for figure, value in zip(model.figures, self.observed[world], strict=True)
        )
        return replace(model, figures=figures)


def draw_truths(model: Model, n: int, *, seed: int) -> Truths:
    """``n`` worlds as the priors have them: SDs first, then scores with these SDs."""
    rng, prior = np.random.default_rng(seed), model.spreads
    root = np.linalg.cholesky(prior.log_covariance)
    log_sds = prior.log_median + rng.standard_normal((n, len(root))) @ root.T
    sds = np.where(model.spread_of >= 0, np.exp(log_sds)[:, np.maximum(model.spread_of, 0)], 1.0)
    return Truths(rng.standard_normal(sds.shape) * sds, log_sds)


def from_emulators(model: Model, truths: Truths, *, seed: int) -> InventedFigures:
    """Figures as the model says: emulators with errors, trials around them, patients by chance."""
    rng = np.random.default_rng(seed)
    center = model.emulated(truths.scores)
    columns = []
    levels = np.empty_like(center)
    for k, log_sd in enumerate(truths.log_sds):
        _, around = model.variances(log_sd)
        levels[k] = center[k] + np.linalg.cholesky(around) @ rng.standard_normal(len(around))
    for figure, level in zip(model.figures, levels.T, strict=True):
        columns.append(_printed(figure, level, rng))
    observed = np.column_stack(columns)
    return InventedFigures(observed, np.zeros(observed.shape, dtype=np.bool_))


def from_simulation(
    model: Model, truths: Truths, simulated: Sequence[MemberFigures], *, seed: int
) -> InventedFigures:
    """Figures of patients who were simulated in the true worlds.

    A trial with its own deviation on the logit scale is made of these patients by leaving out some
    of those with the event, or of those without: that shifts the odds by exactly as much. The count
    is of as many of them as the trial had patients; where fewer are left, the rest is drawn at
    their rate. A median time has its chance of few patients taken off the spread that is added.
    """
    rng = np.random.default_rng(seed)
    stand_in = from_emulators(model, truths, seed=seed + 1).observed
    observed, is_simulated = np.empty_like(stand_in), np.empty(stand_in.shape, dtype=np.bool_)
    for j, (figure, members) in enumerate(zip(model.figures, simulated, strict=True)):
        sd = between(figure, truths.log_sds)
        if members.counts is not None and members.sizes is not None:
            made = _count(
                np.rint(members.counts).astype(np.int64),
                np.rint(members.sizes).astype(np.int64),
                deviation=sd * rng.standard_normal(len(sd)),
                n=round(figure.n),
                rng=rng,
            )
        else:
            left = np.maximum(np.square(sd) + figure.sampling_sd**2 - members.noise, 0.0)
            made = members.values + np.sqrt(left) * rng.standard_normal(len(sd))
        is_simulated[:, j] = members.is_known
        observed[:, j] = np.where(members.is_known, made, stand_in[:, j])
    return InventedFigures(observed, is_simulated)


def between(figure: Figure, log_sds: Values) -> Values:
    """SD of a trial's own value around its simulated one, under rows of inferred SDs."""
    sd = figure.fold * np.exp(log_sds[:, figure.spread])
    return np.asarray(np.sqrt(np.square(sd) + figure.extra_variance))


def _printed(figure: Figure, level: Values, rng: np.random.Generator) -> Values:
    """What trials print whose own values are ``level``."""
    if figure.is_rate:
        return rng.binomial(round(figure.n), expit(level)).astype(np.float64)
    return level + figure.sampling_sd * rng.standard_normal(len(level))


def _count(
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    *,
    deviation: Values,
    n: int,
    rng: np.random.Generator,
) -> Values:
    """Events among ``n`` patients of trials whose logits lie ``deviation`` above those simulated.

    >>> rng, many = np.random.default_rng(1), np.full(2000, 400)
    >>> made = _count(many // 2, many, deviation=np.full(2000, 1.0), n=100, rng=rng)
    >>> bool(abs(made.mean() / 100 - expit(1.0)) < 0.005)
    True
    """
    events = rng.binomial(counts, np.minimum(1.0, np.exp(deviation)))
    others = rng.binomial(sizes - counts, np.minimum(1.0, np.exp(-deviation)))
    kept = events + others
    taken = np.minimum(kept, n)
    share = (events + 0.5) / (kept + 1.0)
    made = rng.hypergeometric(events, others, taken) + rng.binomial(n - taken, share)
    return np.asarray(made, dtype=np.float64)
