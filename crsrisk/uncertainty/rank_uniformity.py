"""Rank uniformity: whether truths lie among draws of their posteriors as they should.

Where truths are drawn from the prior, data from the truths, and draws from the posterior given the
data, the rank of a truth among its draws is uniform (Cook, J Comput Graph Stat 2006;15:675; Talts,
arXiv:1804.06788). The empirical distribution of ranks is compared with the uniform one at every
rank at once: the statistic is the smallest of the binomial tail probabilities (Sailynoja, Stat
Comput 2022;32:32), its distribution is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Values: TypeAlias = NDArray[np.float64]
Ranks: TypeAlias = NDArray[np.intp]
CELLS = 40  # the number of ranks is a multiple, so that 50% and 95% of them are whole numbers
ALPHA = 0.05
_SETS_AT_ONCE = 500


@dataclass(frozen=True)
class RankTest:
    """How the ranks of one quantity compare with uniform ones.

    ``p`` of the simultaneous test; ``mean`` of the ranks as shares (0.5 where they are uniform);
    ``inside_50`` and ``inside_95``: truths inside the central intervals, of ``n``.
    """

    p: float
    mean: float
    inside_50: int
    inside_95: int
    n: int

    @property
    def departure(self) -> str:
        """In which way ranks depart most from uniform ones."""
        off = (self.mean - 0.5) * (12.0 * self.n) ** 0.5
        excess = (self.inside_50 / self.n - 0.5) * (4.0 * self.n) ** 0.5
        if abs(off) > abs(excess):
            return "truths above their posteriors" if off > 0 else "truths below their posteriors"
        return "posteriors too wide" if excess > 0 else "posteriors too narrow"


def rank_tests(ranks: Ranks, *, n_draws: int, simulations: int, seed: int) -> list[RankTest]:
    """The test of every quantity; ``ranks`` (truth, quantity) are counts of draws below the truth.

    >>> rng = np.random.default_rng(1)
    >>> ranks = np.column_stack([rng.integers(0, 120, 200), 40 + rng.integers(0, 40, 200)])
    >>> even, narrow = rank_tests(ranks, n_draws=119, simulations=999, seed=1)
    >>> even.p > 0.05, narrow.p, narrow.inside_50, narrow.departure
    (True, 0.001, 200, 'posteriors too wide')
    """
    n, cells = len(ranks), n_draws + 1
    log_tails = _log_tails(n, cells)
    rng = np.random.default_rng(seed)
    by_chance = []
    for start in range(0, simulations, _SETS_AT_ONCE):
        sets = rng.integers(0, cells, (n, min(_SETS_AT_ONCE, simulations - start)))
        by_chance.append(_smallest(sets, log_tails))
    uniform = np.concatenate(by_chance)
    found = _smallest(ranks, log_tails)
    made = []
    for column, smallest in zip(ranks.T, found, strict=True):
        as_rare = int((uniform <= smallest + 1e-12).sum())
        inside = [
            int(((column >= cells * tail) & (column < cells * (1.0 - tail))).sum())
            for tail in (0.25, 0.025)
        ]
        made.append(
            RankTest(
                p=(1 + as_rare) / (1 + simulations),
                mean=float((column + 0.5).mean() / cells),
                inside_50=inside[0],
                inside_95=inside[1],
                n=n,
            )
        )
    return made


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's steps, valid however they depend on each other.

    >>> holm([0.01, 0.04, 0.5])
    [0.03, 0.08, 0.5]
    """
    order = np.argsort(p, kind="stable")
    raised = np.asarray(p, dtype=np.float64)[order] * np.arange(len(order), 0, -1)
    made = np.empty(len(order))
    made[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return made.tolist()


def _log_tails(n: int, cells: int) -> Values:
    """Log of the two-sided tail probability of every count (0 to n) of ranks up to each rank, shape
    (rank, count). The last rank, below which all lie, says nothing and is left out.
    """
    share = (np.arange(cells - 1)[:, None] + 1.0) / cells
    count = np.arange(n + 1)[None]
    tail = np.minimum(binom.cdf(count, n, share), binom.sf(count - 1, n, share))
    return np.asarray(np.log(np.minimum(2.0 * tail, 1.0) + 1e-300))


def _smallest(sets: Ranks, log_tails: Values) -> Values:
    """The smallest log tail probability of every column of ranks."""
    last, n_sets = len(log_tails), sets.shape[1]
    flat = sets + np.arange(n_sets) * (last + 1)
    counts = np.bincount(flat.ravel(), minlength=n_sets * (last + 1)).reshape(n_sets, last + 1)
    below = np.cumsum(counts, axis=1)[:, :last]
    return np.asarray(log_tails[np.arange(last), below].min(axis=1))
