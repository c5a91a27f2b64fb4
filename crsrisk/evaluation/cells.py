"""Cells of risk: how a bootstrap over very many patients is done with few numbers.

A resample of patients is, but for their order, how often each was drawn. Beyond :data:`MANY`
patients those of one outcome, one group and nearly the same risk (within :data:`WIDTH` log-odds,
at most 0.005 of risk) are one cell, and the counts of all cells are drawn at once from the
multinomial distribution that drawing patients one by one gives them. Figures of the patients
themselves come from every patient; only the spread between resamples is computed from cells, in a
time that does not grow with the number of patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.evaluation import many
from crsrisk.evaluation.metrics import RISK_FLOOR, BoolArray, FloatArray
from crsrisk.logistic import fit_logistic

MANY = 8_000  # patients
WIDTH = 0.02  # log-odds
_BLOCK = 25  # resamples in memory at one time


def drawn_counts(sizes: NDArray[np.int64], *, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """How many patients of each cell are in a resample of all: blocks of rows (resamples, cells).

    The numbers belong to (seed, resample).
    """
    n, filled = int(sizes.sum()), np.flatnonzero(sizes)
    share = sizes[filled] / n
    for start in range(0, n_resamples, _BLOCK):
        numbers = range(start, min(start + _BLOCK, n_resamples))
        drawn = np.zeros((len(numbers), sizes.size))
        for row, number in enumerate(numbers):
            drawn[row, filled] = np.random.default_rng([seed, number]).multinomial(n, share)
        yield drawn


@dataclass(frozen=True, eq=False)
class Cells:
    """Patients by nearly the same risk, in ascending order, and group.

    Parameters
    ----------
    risk : mean risk of the patients of each cell, clipped as for logarithms, shape (cells,).
    sizes : patients without and with the event, shape (2, cells).
    squared, surprise : mean squared distance of risk from outcome, and mean log loss, of the
        patients of each outcome, shape (2, cells).
    step : number of the interval of log-odds that each cell lies in, group : of its group.
    """

    risk: FloatArray
    sizes: NDArray[np.int64]
    squared: FloatArray
    surprise: FloatArray
    step: NDArray[np.int64]
    group: NDArray[np.int64]

    @classmethod
    def of(cls, y_true: BoolArray, risk: FloatArray, group: NDArray[Any] | None = None) -> Cells:
        """The cells of these patients; of very many, the groups are numbers from 0."""
        if risk.size > many.BLOCK:
            return cls._in_blocks(y_true, risk, group)
        clipped = np.clip(risk, RISK_FLOOR, 1 - RISK_FLOOR)
        step = np.floor(logit(clipped) / WIDTH).astype(np.int64)
        names = np.zeros(risk.size, dtype=np.int64)
        if group is not None:
            names = np.unique(group, return_inverse=True)[1]
        n_groups = int(names.max()) + 1
        key, cell = np.unique(step * n_groups + names, return_inverse=True)
        n_cells = key.size
        both = cell + n_cells * y_true
        sizes = np.bincount(both, minlength=2 * n_cells)
        loss = -np.log(np.where(y_true, clipped, 1 - clipped))
        squared, surprise = (
            (_total(value, both, 2 * n_cells) / np.maximum(sizes, 1)).reshape(2, -1)
            for value in ((risk - y_true) ** 2, loss)
        )
        return cls(
            risk=_total(clipped, cell, n_cells) / np.bincount(cell, minlength=n_cells),
            sizes=sizes.reshape(2, -1),
            squared=squared,
            surprise=surprise,
            step=key // n_groups,
            group=key % n_groups,
        )

    @classmethod
    def _in_blocks(cls, y_true: BoolArray, risk: FloatArray, group: NDArray[Any] | None) -> Cells:
        n_groups = 1 if group is None else int(group.max()) + 1

        def keys_of(rows: slice) -> tuple[FloatArray, NDArray[np.int64]]:
            clipped = np.clip(risk[rows], RISK_FLOOR, 1 - RISK_FLOOR)
            step = np.floor(logit(clipped) / WIDTH).astype(np.int64)
            return clipped, step * n_groups + (0 if group is None else group[rows])

        key = np.unique(
            np.concatenate([np.unique(keys_of(rows)[1]) for rows in many.blocks(risk.size)])
        )
        n = key.size
        sizes, sums = np.zeros(2 * n, dtype=np.int64), np.zeros((3, 2 * n))
        for rows in many.blocks(risk.size):
            clipped, keys = keys_of(rows)
            both = np.searchsorted(key, keys) + n * y_true[rows]
            sizes += np.bincount(both, minlength=2 * n)
            loss = -np.log(np.where(y_true[rows], clipped, 1 - clipped))
            for place, value in enumerate((clipped, (risk[rows] - y_true[rows]) ** 2, loss)):
                sums[place] += _total(value, both, 2 * n)
        of_risk, squared, surprise = sums.reshape(3, 2, n)
        there = sizes.reshape(2, n)
        return cls(
            risk=of_risk.sum(axis=0) / there.sum(axis=0),
            sizes=there,
            squared=squared / np.maximum(there, 1),
            surprise=surprise / np.maximum(there, 1),
            step=key // n_groups,
            group=key % n_groups,
        )

    def resamples(self, *, n_resamples: int, seed: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Share of events in each cell, and patients in it: blocks of (resamples, cells)."""
        for drawn in drawn_counts(self.sizes.ravel(), n_resamples=n_resamples, seed=seed):
            yield _share(drawn)

    def perfect_outcomes(
        self, *, n_draws: int, seed: int
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """The same with everybody once, and events drawn from the risks themselves."""
        n = self.sizes.sum(axis=0)
        for start in range(0, n_draws, _BLOCK):
            events = np.array(
                [
                    np.random.default_rng([seed, number, 1]).binomial(n, self.risk)
                    for number in range(start, min(start + _BLOCK, n_draws))
                ],
                dtype=np.float64,
            )
            yield events / n, np.broadcast_to(n.astype(np.float64), events.shape)

    def measures(self, *, n_resamples: int, seed: int) -> dict[str, FloatArray]:
        """Measures in every resample, by their names in
        :data:`~crsrisk.evaluation.resampling.MEASURES`, each of shape (resamples,).
        """
        blocks = [
            self._measures(drawn)
            for drawn in drawn_counts(self.sizes.ravel(), n_resamples=n_resamples, seed=seed)
        ]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def _measures(self, drawn: FloatArray) -> dict[str, FloatArray]:
        share, weight = _share(drawn)
        n_events, n = (share * weight).sum(axis=1), weight.sum(axis=1)
        rate = n_events / n
        # a curve over all groups needs no groups
        starts = np.flatnonzero(np.diff(self.step, prepend=self.step[0] - 1))
        had = np.add.reduceat(share * weight, starts, axis=1)
        there = np.add.reduceat(weight, starts, axis=1)
        sizes = self.sizes.sum(axis=0)
        risk = np.add.reduceat(sizes * self.risk, starts) / np.add.reduceat(sizes, starts)
        log_odds = np.asarray(logit(risk))
        ones = np.ones((log_odds.size, 1))
        fit = partial(
            fit_logistic,
            outcome=had / np.maximum(there, 1.0),
            weight=there,
            max_steps=60,
            tolerance=1e-6,
        )
        shift = fit(ones, offset=log_odds)
        line = fit(np.column_stack([ones, log_odds]), start=np.array([0.0, 1.0]))
        brier = drawn @ self.squared.ravel() / n
        within, pairs = np.zeros(len(drawn)), np.zeros(len(drawn))
        for group in np.unique(self.group):
            right, all_pairs = self._ranked(share * weight, weight, self.group == group)
            within, pairs = within + right, pairs + all_pairs
        right, all_pairs = self._ranked(
            share * weight, weight, np.ones_like(self.group, dtype=np.bool_)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "auroc": right / all_pairs,
                "auroc_within_product": within / pairs,
                "in_the_large": shift.coefficients[:, 0],
                "slope": np.where(line.is_converged, line.coefficients[:, 1], np.nan),
                "observed_to_expected": n_events / (weight @ self.risk),
                "scaled_brier": 1 - brier / (rate * (1 - rate)),
                "log_loss": drawn @ self.surprise.ravel() / n,
            }

    def _ranked(
        self, events: FloatArray, weight: FloatArray, rows: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Pairs of patients with and without the event that risk ranks rightly (one half where they
        share an interval), and all pairs, in every resample.
        """
        starts = np.flatnonzero(np.diff(self.step[rows], prepend=-(2**62)))
        had = np.add.reduceat(events[:, rows], starts, axis=1)
        others = np.add.reduceat((weight - events)[:, rows], starts, axis=1)
        below = np.cumsum(others, axis=1) - others / 2
        return (had * below).sum(axis=1), had.sum(axis=1) * others.sum(axis=1)


def _total(value: FloatArray, of: NDArray[np.int64], n: int) -> FloatArray:
    return np.asarray(np.bincount(of, weights=value, minlength=n), dtype=np.float64)


def _share(drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of events and number of patients by cell, from counts without and with the event."""
    others, events = np.hsplit(drawn, 2)
    weight = others + events
    return events / np.maximum(weight, 1.0), weight
