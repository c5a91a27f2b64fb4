"""Truth ranks: where the truth of invented figures lies among draws of the posterior that the
calibration finds from them.

Watched are the inferred SDs, some scores, and the log likelihood of the figures, which sees what
single quantities do not (Modrak, Bayesian Anal 2023, arXiv:2211.02383).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm

from crsrisk.executor import each_done
from crsrisk.uncertainty.hierarchy import Model, fit
from crsrisk.uncertainty.invented_figures import InventedFigures, Truths
from crsrisk.uncertainty.rank_uniformity import Ranks

Values: TypeAlias = NDArray[np.float64]
LIKELIHOOD = "log likelihood of the figures"
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(81)
_LOG_WEIGHTS = np.log(_NODE_WEIGHTS / _NODE_WEIGHTS.sum())


@dataclass(frozen=True)
class TruthRanks:
    """``ranks`` (truth, quantity): draws below the truth; ``effective_sizes`` (truth,) of the
    samples of SDs behind the draws.
    """

    names: tuple[str, ...]
    ranks: Ranks
    effective_sizes: Values


def rank_truths(
    model: Model,
    truths: Truths,
    figures: InventedFigures,
    *,
    watched: Mapping[str, int],
    spreads: int,
    draws: int,
    seed: int,
    workers: int = 1,
    advance: Callable[[int], None] = lambda n: None,
) -> TruthRanks:
    """Fit the model to the invented figures of every true world, and rank the truth.

    ``watched``: positions of scores by their names; ``spreads`` and ``draws`` as in
    :func:`~crsrisk.uncertainty.hierarchy.fit` and ``Posterior.draw``.
    """
    at = np.array(list(watched.values()), dtype=np.intp)

    rank = partial(
        _ranks_of,
        model=model,
        truths=truths,
        figures=figures,
        at=at,
        spreads=spreads,
        draws=draws,
        seed=seed,
    )
    found = list(each_done(rank, range(len(truths)), workers=workers, done=lambda k: advance(1)))
    return TruthRanks(
        (*model.spreads.names, *watched, LIKELIHOOD),
        np.array([ranks for ranks, _ in found]),
        np.array([size for _, size in found]),
    )


def _ranks_of(
    k: int,
    *,
    model: Model,
    truths: Truths,
    figures: InventedFigures,
    at: NDArray[np.intp],
    spreads: int,
    draws: int,
    seed: int,
) -> tuple[Ranks, float]:
    """Ranks of one true world, and the effective size of its posterior."""
    here = figures.model(model, k)

    def quantities(scores: Values, log_sds: Values) -> Values:
        likelihood = log_likelihood(here, scores, log_sds)
        return np.column_stack([log_sds, scores[:, at], likelihood])

    posterior = fit(here, n=spreads, seed=seed + 2 * k)
    drawn = posterior.draw(draws, np.random.default_rng([seed, k]))
    truth = quantities(truths.scores[k : k + 1], truths.log_sds[k : k + 1])
    below = quantities(drawn.scores, drawn.log_sds) < truth
    return below.sum(axis=0), posterior.effective_size


def log_likelihood(model: Model, scores: Values, log_sds: Values) -> Values:
    """Log likelihood of the figures at rows of scores and SDs, each figure on its own and up to a
    constant: the trial's own value is integrated out.
    """
    center = model.emulated(scores)
    sd = np.sqrt([np.diagonal(model.variances(row)[1]) for row in log_sds])
    total = np.zeros(len(scores))
    for j, figure in enumerate(model.figures):
        if figure.is_rate:
            level = center[:, j, None] + sd[:, j, None] * _NODES
            counts = figure.events * level - figure.n * np.logaddexp(0.0, level)
            total += logsumexp(counts + _LOG_WEIGHTS, axis=1)
        else:
            around = np.hypot(sd[:, j], figure.sampling_sd)
            total += norm.logpdf(figure.log_time, center[:, j], around)
    return total


def most_told(model: Model, among: Iterable[int], n: int) -> list[int]:
    """The ``n`` scores that figures hang on most: the largest sums of squared slopes over all
    figures, at the medians of the priors.
    """
    _, slopes = model.linear(np.zeros(len(model.spread_of)))
    told = np.square(slopes).sum(axis=0)
    return sorted(among, key=lambda k: (-told[k], k))[:n]
