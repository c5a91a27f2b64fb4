"""Hierarchy: what published figures say of constants, of products, and of how far products and
trials differ.

The scores of constants are standard normal before any figure is seen. A product's random effects
(potency, efficacy, severity) are normal with an SD between products of its class, which is
inferred, as is the SD between trials of one product. A count is binomial around the trial's own
rate; a median time lognormal. Figures are functions of the scores through their emulators.

The posterior is a Laplace approximation in the figures' own space, where there are a hundred
dimensions instead of several hundred (Rasmussen and Williams, Gaussian Processes for Machine
Learning 2006, algorithm 3.1), linearised at the mode (Gauss-Newton), inside an importance sample of
the inferred SDs, weighted by the marginal likelihood (as integrated nested Laplace approximations:
Rue, J R Stat Soc B 2009;71:319). One fit takes a few seconds, so that leaving a product out is a
refit, not a reweighting. A draw is a draw of the prior moved to the figures (randomised maximum
likelihood; Oliver, Math Geol 1996); it is moved again with the figures linearised where it came to
lie, and, when the simulator has been asked there, with what its emulators were off by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln
from scipy.stats import norm, qmc

from crsrisk.uncertainty.emulator import Emulator

Values: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
_ROUNDS = 200  # of linearising anew at the mode, at most
_FULL_ROUNDS = 6  # of these without damping
_SETTLED = 1e-3  # change of a score below which the mode has come to rest
_NEWTON = 15
_TURNS = 2  # of a fit: linearised at the medians of the SDs' priors, then of their posteriors
_MOVES = 3  # of a draw that is linearised where it lies, the first in full, the others by half
_WIDER = 1.3  # second proposal of the SDs, over the first sample's own spread


@dataclass(frozen=True)
class Figure:
    """A published figure in the model.

    ``at``: positions of its emulator's scores among all latent scores, ``scale`` what a latent is
    divided by before the emulator reads it. ``spread``: position of its SD between trials among the
    inferred SDs, times ``fold``; ``extra_variance`` is known. A count has ``events`` of ``n``; a
    time ``log_time`` with ``sampling_sd``, and ``n`` 0.
    """

    id: str
    product: str
    emulator: Emulator
    at: Indices
    scale: Values
    spread: int
    fold: float
    extra_variance: float
    events: float
    n: float
    log_time: float
    sampling_sd: float

    @property
    def is_rate(self) -> bool:
        """A count of patients; else a time."""
        return self.n > 0


@dataclass(frozen=True)
class SpreadPrior:
    """Prior of the inferred SDs: jointly lognormal, so that classes may borrow from one another."""

    names: tuple[str, ...]
    log_median: Values
    log_covariance: Values


@dataclass(frozen=True)
class Model:
    """Figures, and what their latent scores have for priors.

    ``spread_of`` (latent,): position of a latent's SD among the inferred ones, -1 where it is 1.
    ``errors`` (figure, figure): covariance of what the emulators are off by; None: they are exact.
    """

    figures: tuple[Figure, ...]
    spread_of: Indices
    spreads: SpreadPrior
    errors: Values | None = None

    def without(self, product: str) -> Model:
        """The model without the figures of a product's own sources (pools stay)."""
        kept = [j for j, figure in enumerate(self.figures) if figure.product != product]
        errors = None if self.errors is None else self.errors[np.ix_(kept, kept)]
        figures = tuple(self.figures[j] for j in kept)
        return Model(figures, self.spread_of, self.spreads, errors)

    def shifted(self, by: Values, errors: Values | None) -> Model:
        """The model with ``by`` (figure,) added to its emulators, which are now off by ``errors``.

        A shift that is not known (NaN) is none.
        """
        figures = tuple(
            replace(
                figure,
                emulator=replace(
                    figure.emulator, intercept=figure.emulator.intercept + float(shift)
                ),
            )
            for figure, shift in zip(self.figures, np.nan_to_num(by), strict=True)
        )
        return replace(self, figures=figures, errors=errors)

    def linear(self, scores: Values) -> tuple[Values, Values]:
        """Values of all figures at one row of scores, and their slopes (figure, latent)."""
        values, slopes = np.empty(len(self.figures)), np.zeros((len(self.figures), len(scores)))
        for j, figure in enumerate(self.figures):
            here = scores[figure.at] / figure.scale
            values[j] = figure.emulator.value(here[None])[0]
            slopes[j, figure.at] = figure.emulator.slope(here) / figure.scale
        return values, slopes

    def emulated(self, scores: Values) -> Values:
        """Values of all figures at rows of scores (row, figure)."""
        return np.column_stack(
            [figure.emulator.value(scores[:, figure.at] / figure.scale) for figure in self.figures]
        )

    def variances(self, log_sd: Values) -> tuple[Values, Values]:
        """Prior variance of every latent, and covariance of the figures around their emulators."""
        sd = np.exp(log_sd)
        latent = np.where(self.spread_of >= 0, np.square(sd[np.maximum(self.spread_of, 0)]), 1.0)
        between = [
            (figure.fold * sd[figure.spread]) ** 2 + figure.extra_variance
            for figure in self.figures
        ]
        return latent, np.diag(between) + (0.0 if self.errors is None else self.errors)


@dataclass(frozen=True)
class _Data:
    """The figures' observations as arrays."""

    is_rate: NDArray[np.bool_]
    events: Values
    n: Values
    log_time: Values
    sampling_sd: Values

    @classmethod
    def of(cls, figures: Sequence[Figure]) -> _Data:
        is_rate = np.array([figure.is_rate for figure in figures])
        return cls(
            is_rate,
            np.array([figure.events if figure.is_rate else 0.0 for figure in figures]),
            np.array([figure.n for figure in figures]),
            np.array([0.0 if figure.is_rate else figure.log_time for figure in figures]),
            np.array([1.0 if figure.is_rate else figure.sampling_sd for figure in figures]),
        )

    def log_likelihood(self, eta: Values) -> float:
        """Of the trials' own values (logits, log times)."""
        y, n = self.events, self.n
        counts = y * eta - n * np.logaddexp(0.0, eta)
        counts = counts + gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
        times = norm.logpdf(self.log_time, eta, self.sampling_sd)
        return float(np.where(self.is_rate, counts, times).sum())

    def gradient(self, eta: Values) -> tuple[Values, Values]:
        """First derivative of the log likelihood, and minus the second."""
        chance = expit(eta)
        precision = self.sampling_sd**-2.0
        first = np.where(
            self.is_rate, self.events - self.n * chance, (self.log_time - eta) * precision
        )
        second = np.where(self.is_rate, self.n * chance * (1.0 - chance) + 1e-9, precision)
        return first, second


@dataclass(frozen=True)
class _Mode:
    """The most probable scores and trial values under one set of SDs, and what draws need."""

    scores: Values
    eta: Values
    center: Values
    slopes: Values
    precision: Values  # inverse prior covariance of the trial values
    weight: Values
    latent: Values
    around: Values
    log_marginal: float


def _shared_variance(slopes: Values, latent: Values) -> Values:
    """Covariance of the figures through the latents that they share."""
    return (slopes * latent) @ slopes.T


def _mode_at(
    model: Model,
    data: _Data,
    log_sd: Values,
    *,
    center: Values,
    slopes: Values,
    start: Values,
    shared: Values | None = None,
) -> _Mode:
    """The mode for figures linearised as ``center + slopes @ scores``.

    ``shared``: their covariance through the latents, where it is known already.
    """
    latent, around = model.variances(log_sd)
    covariance = (_shared_variance(slopes, latent) if shared is None else shared) + around
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    eta = start
    for _ in range(_NEWTON):
        first, weight = data.gradient(eta)
        step = np.linalg.solve(precision + np.diag(weight), first - precision @ (eta - center))
        eta = eta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-6:
            break
    first, weight = data.gradient(eta)
    off = precision @ (eta - center)
    _, log_det = np.linalg.slogdet(np.eye(len(eta)) + covariance * weight)
    log_marginal = data.log_likelihood(eta) - 0.5 * float((eta - center) @ off) - 0.5 * log_det
    scores = latent * (slopes.T @ off)
    return _Mode(
        scores, eta, center, slopes, precision, weight, latent, around, float(log_marginal)
    )


@dataclass(frozen=True)
class Draws:
    """Draws of a posterior, and the random numbers that each was made of.

    ``scores`` (draw, latent); ``log_sds`` (draw, SD). ``of_latents`` (draw, latent), ``of_trials``
    and ``of_figures`` (draw, figure) are standard normal.
    """

    scores: Values
    log_sds: Values
    of_latents: Values
    of_trials: Values
    of_figures: Values

    @property
    def sds(self) -> Values:
        """The inferred SDs (draw, SD)."""
        return np.exp(self.log_sds)

    def moved(
        self,
        model: Model,
        *,
        by: Values | None = None,
        errors: Values | None = None,
        step: float = 1.0,
    ) -> Draws:
        """Every draw once more, the figures linearised where it lies.

        ``by`` (draw, figure) is added to what the emulators say of a draw, and ``errors`` (draw,
        figure, figure) is then the covariance of what they are still off by. ``step``: share of the
        way that a draw goes, as full ones may swing around where figures bend.
        """
        data, scores = _Data.of(model.figures), np.empty_like(self.scores)
        for k, here in enumerate(self.scores):
            values, slopes = model.linear(here)
            if by is not None:
                values = values + by[k]
            own = model if errors is None else replace(model, errors=errors[k])
            mode = _mode_at(
                own,
                data,
                self.log_sds[k],
                center=values - slopes @ here,
                slopes=slopes,
                start=values,
            )
            scores[k] = here + step * (_draw_at(mode, self, k) - here)
        return replace(self, scores=scores)


def _draw_at(mode: _Mode, draws: Draws, k: int) -> Values:
    """A draw of the prior moved to what is drawn of the trials' own values."""
    root = np.linalg.cholesky(np.linalg.inv(mode.precision + np.diag(mode.weight)))
    gain = (mode.latent[:, None] * mode.slopes.T) @ mode.precision
    prior = draws.of_latents[k] * np.sqrt(mode.latent)
    noise = np.linalg.cholesky(mode.around) @ draws.of_figures[k]
    trial = mode.center + mode.slopes @ prior + noise
    drawn = mode.eta + root @ draws.of_trials[k]
    return np.asarray(prior + gain @ (drawn - trial))


@dataclass(frozen=True)
class Posterior:
    """What the figures say: a weighted sample of the inferred SDs, and scores given each.

    ``log_sds`` (sample, SD) with ``weights``; ``effective_size`` is Kish's. ``mode`` (latent,) are
    the most probable scores at the medians of the SDs.
    """

    model: Model
    mode: Values
    log_sds: Values
    weights: Values

    @property
    def effective_size(self) -> float:
        """Of the sample of SDs."""
        return float(1.0 / np.square(self.weights).sum())

    @property
    def spread_medians(self) -> dict[str, float]:
        """Posterior medians of the inferred SDs by name."""
        medians = np.exp(_medians(self.log_sds, self.weights))
        return dict(zip(self.model.spreads.names, medians.tolist(), strict=True))

    def draw(self, n: int, rng: np.random.Generator) -> Draws:
        """``n`` draws, first with the figures linearised at the mode, then where each lies."""
        picked = rng.choice(len(self.weights), n, p=self.weights)
        n_latents, n_figures = len(self.mode), len(self.model.figures)
        draws = Draws(
            np.tile(self.mode, (n, 1)),
            self.log_sds[picked],
            rng.standard_normal((n, n_latents)),
            rng.standard_normal((n, n_figures)),
            rng.standard_normal((n, n_figures)),
        )
        for turn in range(_MOVES):
            draws = draws.moved(self.model, step=0.5 if turn else 1.0)
        return draws


def _medians(log_sds: Values, weights: Values) -> Values:
    return np.array([_weighted_median(column, weights) for column in log_sds.T])


def _weighted_median(values: Values, weights: Values) -> float:
    order = np.argsort(values, kind="stable")
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), 0.5)])


def most_probable(
    model: Model, *, log_sd: Values | None = None, start: Values | None = None
) -> Values:
    """The most probable scores under one set of SDs (the medians of their priors when left out).

    Linearised again and again at where that led, first in full, then in half steps.
    """
    data, n_latents = _Data.of(model.figures), len(model.spread_of)
    scores = np.zeros(n_latents) if start is None else start
    sds = model.spreads.log_median if log_sd is None else log_sd
    for turn in range(_ROUNDS):
        values, slopes = model.linear(scores)
        mode = _mode_at(
            model, data, sds, center=values - slopes @ scores, slopes=slopes, start=values
        )
        step = mode.scores - scores
        scores = scores + step * (1.0 if turn < _FULL_ROUNDS else 0.5)
        if np.abs(step).max() < _SETTLED:
            break
    return scores


def fit(model: Model, *, n: int, seed: int, near: Posterior | None = None) -> Posterior:
    """Posterior of scores and SDs, from two importance samples of ``n`` SDs each (a power of 2).

    The figures are linearised at the most probable scores: under the medians of the SDs' priors,
    and once more under those of the posterior that this gives; or under those of a posterior
    ``near``, of nearly the same figures.
    """
    scores, log_sd = np.zeros(len(model.spread_of)), model.spreads.log_median
    if near is not None:
        scores, log_sd = near.mode, _medians(near.log_sds, near.weights)
    for _ in range(_TURNS if near is None else 1):
        scores = most_probable(model, log_sd=log_sd, start=scores)
        log_sds, weights = _sample_sds(model, scores, n=n, seed=seed)
        log_sd = _medians(log_sds, weights)
    return Posterior(model, scores, log_sds, weights)


def _sample_sds(model: Model, scores: Values, *, n: int, seed: int) -> tuple[Values, Values]:
    """Logarithms of the SDs with weights, the figures linearised at some scores.

    The first sample is drawn from the prior (Sobol's sequence, scrambled), the second from a normal
    distribution fitted to the weighted first one, widened; both count, as a mixture of proposals.
    """
    values, slopes = model.linear(scores)
    center, data, prior = values - slopes @ scores, _Data.of(model.figures), model.spreads
    groups = range(-1, len(prior.names))
    of_group = np.array([_shared_variance(slopes, model.spread_of == k) for k in groups])

    def log_marginal(log_sds: Values) -> Values:
        return np.array(
            [
                _mode_at(
                    model,
                    data,
                    row,
                    center=center,
                    slopes=slopes,
                    start=values,
                    shared=np.tensordot(np.append(1.0, np.exp(2.0 * row)), of_group, axes=1),
                ).log_marginal
                for row in log_sds
            ]
        )

    root = np.linalg.cholesky(prior.log_covariance)
    first = prior.log_median + _normal_points(len(root), n, seed) @ root.T
    likelihood = log_marginal(first)
    weights = _normalised(likelihood)
    middle = weights @ first
    spread = (first - middle).T @ ((first - middle) * weights[:, None])
    wide = np.linalg.cholesky(_WIDER**2 * spread + 0.01 * prior.log_covariance)
    second = middle + _normal_points(len(root), n, seed + 1) @ wide.T
    both = np.vstack([first, second])
    likelihood = np.concatenate([likelihood, log_marginal(second)])
    from_prior = _log_normal(both - prior.log_median, root)
    proposal = np.logaddexp(from_prior, _log_normal(both - middle, wide)) - np.log(2.0)
    return both, _normalised(likelihood + from_prior - proposal)


def _normal_points(dimensions: int, n: int, seed: int) -> Values:
    return np.asarray(norm.ppf(qmc.Sobol(dimensions, seed=seed).random(n)))


def _log_normal(steps: Values, root: NDArray[Any]) -> Values:
    """Log density of a normal distribution around 0 with covariance ``root @ root.T``."""
    scaled = np.linalg.solve(root, steps.T)
    return np.asarray(-0.5 * np.square(scaled).sum(axis=0) - np.log(np.diag(root)).sum())


def _normalised(log_weights: Values) -> Values:
    raised = np.exp(log_weights - log_weights.max())
    return np.asarray(raised / raised.sum())
