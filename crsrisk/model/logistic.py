"""The two logistic regressions of the learner: the partially pooled one that it starts from, and
the calibration of what it says.

The pooled one is a mixed model, fitted by empirical Bayes: slopes of groups such as products are
drawn towards common ones, and how strongly is learnt from the data, as the penalties that make the
data likeliest (MacKay 1992), with a weak expectation before. Rows fall into few combinations of
groups, within which everything is linear in a few columns; so even many groups cost little, and the
matrix of all weights is never formed. That is why it has a loop of its own beside
:func:`crsrisk.logistic.fit_logistic`, which serves the calibration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri
from scipy.special import expit, logit

from crsrisk.data.risk_model import Calibrator
from crsrisk.logistic import fit_logistic
from crsrisk.model.stored_table import RowStore

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
Rows: TypeAlias = NDArray[np.bool_]

_TRUST = 2.0  # how many coefficients' worth the expected penalties count
_OF_GROUPS = 0.3  # penalty of the groups' intercepts: their log-odds differ by about 2
_ROUNDS = 12  # of learning the penalties
_STEPS = 25  # of Newton's method
# least gain of a step, as a share of the loss: while penalties are learnt, and in the end
_CLOSE, _CLOSEST = 1e-6, 1e-12
_STABLE = 0.05  # change of the logarithm of a penalty
_EFFECTS = (0, 1, 4, 5)  # kinds of weights that a direction binds
_HELD_AT_ZERO = 1e9
# penalties by kind where labels are risks: next to none
_LIGHT = np.array([20.0, 20.0, 20.0, 0.1, 20.0, 20.0])


def combinations(belongs: Iterable[Rows], *, n_rows: int) -> tuple[Floats, Places]:
    """The different combinations of groups, shape (combinations, groups), and which of them every
    row has; ``belongs`` says of each group which rows are in it.
    """
    of_row = np.zeros(n_rows, dtype=np.intp)
    words = np.zeros((1, 0))
    for is_in in belongs:
        codes, of_row = np.unique(2 * of_row + is_in, return_inverse=True)
        words = np.column_stack([words[codes // 2], codes % 2])
    return words, of_row


@dataclass(frozen=True)
class Described:
    """What rows are described by, all (rows, columns): ``known`` in SDs with 0 for missing,
    ``quadratic`` their squares less 1, ``imputed`` what a missing value is expected to be (0 where
    it is known).
    """

    known: Floats
    quadratic: Floats
    is_missing: Rows
    imputed: Floats

    def of(self, rows: Rows) -> Floats:
        """One, then all of it, of some rows."""
        return np.hstack(
            [
                np.ones((rows.sum(), 1)),
                self.known[rows],
                self.quadratic[rows],
                self.is_missing[rows],
                self.imputed[rows],
            ]
        )


@dataclass(frozen=True)
class _Pattern:
    """The rows of one combination of groups: what they are described by, and which weights act on
    them.
    """

    design: RowStore
    labels: Floats
    weight: Floats
    acting: Places  # of all weights, those that act on these rows
    reach: Floats  # (columns of the design, acting), 1 where a weight acts on a column


@dataclass(frozen=True)
class _Point:
    """Weights, and what the rows say of them without any penalty: minus the log likelihood, its
    slope upwards, and its curvature.
    """

    weights: Floats
    loss: float
    gradient: Floats
    curvature: Floats

    def penalised(self, penalties: Floats) -> float:
        """The loss with the penalty."""
        return self.loss + 0.5 * float(penalties @ self.weights**2)


@dataclass(frozen=True)
class PooledLogistic:
    """Penalised logistic regression whose rows fall into few combinations of groups.

    Within one combination everything is linear in a few columns, so that the large matrix of all
    weights is put together from small ones. ``kinds`` gives each weight's kind: weights of one kind
    share a penalty, learnt from the data (0 slope, 1 quadratic term, 2 missing indicator, 3 random
    intercept, 4 random slope of a group that others overlap, 5 of one that stands alone); those of
    kind -1 bear none. ``columns`` says of which column each weight is.
    """

    patterns: list[_Pattern]
    kinds: NDArray[np.int_]
    columns: NDArray[np.int_]
    prior: Floats
    varied: Places
    n_columns: int

    @staticmethod
    def of(
        described: Iterable[Described],
        *,
        groups: tuple[Floats, Places],
        labels: Floats,
        penalty: float,
        sample_weight: Floats | None = None,
        folder: Path | None = None,
    ) -> PooledLogistic:
        """The problem of these patients.

        ``described``: the patients block by block, gone through twice; ``groups``: their
        :func:`combinations`; ``sample_weight`` (patients,): how many patients a row stands for;
        ``folder``: of the files that hold what memory would hold otherwise.
        """
        count = np.ones(len(labels)) if sample_weight is None else sample_weight
        words, of_row = groups
        k = words.shape[1]
        is_used, is_varied = _used_and_varied(described, of_row, n_words=len(words))
        n = is_varied.size
        varied = np.flatnonzero(is_varied)
        main = 1 + 3 * n
        n_random = 1 + varied.size  # intercept and slopes of one group
        covers = (words > 0).sum(axis=0)
        kinds = np.concatenate(
            [
                [-1],
                np.repeat([0, 1, 2], n),
                *(np.r_[3, np.full(varied.size, 4 if covers[c] > 1 else 5)] for c in range(k)),
            ]
        ).astype(np.int_)
        columns = np.concatenate(
            [[-1], np.tile(np.arange(n), 3), *(np.r_[-1, varied] for _ in range(k))]
        ).astype(np.int_)
        patterns = []
        for at, word in enumerate(words):
            rows = of_row == at
            reach = np.zeros((main + n, main + k * n_random))
            reach[:main, :main] = np.eye(main)
            reach[main:, 1 : 1 + n] = np.eye(n)
            for c in np.flatnonzero(word > 0):
                start = main + c * n_random
                reach[0, start] = 1.0
                reach[1 + varied, start + 1 + np.arange(varied.size)] = 1.0
            used = np.flatnonzero(is_used[at])
            acting = np.flatnonzero(reach[used].any(axis=0))
            store = RowStore((int(rows.sum()), used.size), folder)
            patterns.append(
                _Pattern(store, labels[rows], count[rows], acting, reach[np.ix_(used, acting)])
            )
        for before, block in _starts(described):
            of_block = of_row[before : before + len(block.known)]
            for at in map(int, np.unique(of_block)):
                patterns[at].design.add(block.of(of_block == at)[:, is_used[at]])
        prior = np.array([penalty, 4 * penalty, 4 * penalty, _OF_GROUPS, 4 * penalty, 4 * penalty])
        return PooledLogistic(patterns, kinds, columns, prior, varied, n)

    def fit(self, directions: NDArray[np.int_]) -> Floats:
        """The weights for outcomes of 0 and 1, with penalties learnt and directions kept."""
        point, held = self._start()
        shared = self.prior
        for _ in range(_ROUNDS):
            point, variance, held = self._kept(point, shared, held, directions, close=_CLOSE)
            before = shared
            shared = np.array(
                [
                    self._learnt(kind, point.weights, variance, before[kind], held)
                    for kind in range(shared.size)
                ]
            )
            if np.abs(np.log(shared / before)).max() < _STABLE:
                break
        return self._kept(point, shared, held, directions, close=_CLOSEST)[0].weights

    def fit_to_risk(self, directions: NDArray[np.int_]) -> Floats:
        """The weights where labels are risks: light penalties, as there is no chance to guard
        against; directions kept.
        """
        point, held = self._start()
        return self._kept(point, _LIGHT, held, directions, close=_CLOSEST)[0].weights

    def _start(self) -> tuple[_Point, Rows]:
        """Everybody at the overall risk; no column held at zero."""
        events = sum((pattern.weight * pattern.labels).sum() for pattern in self.patterns)
        n = sum(pattern.weight.sum() for pattern in self.patterns)
        weights = np.zeros(self.kinds.size)
        weights[0] = logit(np.clip(events / n, 1e-6, 1 - 1e-6))
        return self._at(weights), np.zeros(self.kinds.size, dtype=bool)

    def _kept(
        self,
        point: _Point,
        shared: Floats,
        held: Rows,
        directions: NDArray[np.int_],
        *,
        close: float,
    ) -> tuple[_Point, Floats, Rows]:
        """The maximum and the variances there, with every column held at zero whose common slope
        breaks its direction.
        """
        signs = np.where(self.kinds == 0, directions[self.columns], 0)
        while True:
            point, variance = self._newton(point, self._penalties(shared, held), close=close)
            wrong = (signs * point.weights < 0) & ~held
            if not wrong.any():
                return point, variance, held
            held = held | (
                np.isin(self.columns, self.columns[wrong]) & np.isin(self.kinds, _EFFECTS)
            )
            point = self._at(np.where(held, 0.0, point.weights))

    def _penalties(self, shared: Floats, held: Rows) -> Floats:
        return np.where(held, _HELD_AT_ZERO, np.where(self.kinds >= 0, shared[self.kinds], 1e-8))

    def _learnt(
        self, kind: int, weights: Floats, variance: Floats, penalty: float, held: Rows
    ) -> float:
        mine = (self.kinds == kind) & ~held
        known = float(np.sum(1.0 - penalty * variance[mine]))
        squares = float(np.sum(weights[mine] ** 2))
        return (max(known, 0.0) + _TRUST) / (squares + _TRUST / float(self.prior[kind]))

    def _newton(self, point: _Point, penalties: Floats, *, close: float) -> tuple[_Point, Floats]:
        """The maximum and the variances of its posterior (Laplace).

        Ends where the next step would gain no more than the share ``close`` of the loss.
        """
        fixed = penalties >= _HELD_AT_ZERO
        for _ in range(_STEPS):
            loss = point.penalised(penalties)
            curvature = point.curvature + np.diag(penalties)
            cholesky, _ = cho_factor(curvature, overwrite_a=True)
            uphill = point.gradient - penalties * point.weights
            step = cho_solve((cholesky, False), uphill)
            step[fixed] = 0.0
            if uphill @ step < 2 * close * max(1.0, abs(loss)):
                break
            share = 1.0
            ahead = self._at(point.weights + step)
            while ahead.penalised(penalties) > loss + 1e-9 and share > 1e-3:
                share /= 2
                ahead = self._at(point.weights + share * step)
            point = ahead
        inverse, _ = dpotri(cholesky, overwrite_c=True)
        return point, np.diag(inverse)

    def _at(self, weights: Floats) -> _Point:
        loss, gradient = 0.0, np.zeros(weights.size)
        curvature = np.zeros((weights.size,) * 2)
        for pattern in self.patterns:
            acting, reach = pattern.acting, pattern.reach
            moved = reach @ weights[acting]
            for rows, design in pattern.design.blocks():
                labels, weight = pattern.labels[rows], pattern.weight[rows]
                scores = design @ moved
                loss += float(weight @ (np.logaddexp(0.0, scores) - labels * scores))
                risk = expit(scores)
                gradient[acting] += reach.T @ (design.T @ (weight * (labels - risk)))
                root = design * np.sqrt(weight * (risk * (1.0 - risk)))[:, None]
                curvature[np.ix_(acting, acting)] += reach.T @ (root.T @ root) @ reach
        return _Point(weights, loss, gradient, curvature)

    def parts(self, weights: Floats) -> tuple[float, Floats, Floats, Floats]:
        """Intercept; slopes, quadratic terms and missing indicators (3, columns); random intercepts
        (groups,); random slopes (groups, columns).
        """
        n, after = self.n_columns, 1 + 3 * self.n_columns
        of_groups = weights[after:].reshape(-1, 1 + self.varied.size)
        random_slope = np.zeros((len(of_groups), n))
        random_slope[:, self.varied] = of_groups[:, 1:]
        return float(weights[0]), weights[1:after].reshape(3, n), of_groups[:, 0], random_slope


def _starts(described: Iterable[Described]) -> Iterator[tuple[int, Described]]:
    """Blocks, and the number of rows before each."""
    start = 0
    for block in described:
        yield start, block
        start += len(block.known)


def _used_and_varied(
    described: Iterable[Described], of_row: Places, *, n_words: int
) -> tuple[Rows, Rows]:
    """By combination of groups which columns of the design are not all 0, and which columns differ
    within any combination.
    """
    lowest: dict[int, Floats] = {}
    highest: dict[int, Floats] = {}
    is_used: dict[int, Rows] = {}
    n = 0
    for start, block in _starts(described):
        n = block.known.shape[1]
        of_block = of_row[start : start + len(block.known)]
        for at in map(int, np.unique(of_block)):
            rows = of_block == at
            known = block.known[rows]
            low, high = known.min(axis=0), known.max(axis=0)
            parts = (known, block.quadratic[rows], block.is_missing[rows], block.imputed[rows])
            used = np.concatenate([[True], *((part != 0).any(axis=0) for part in parts)])
            lowest[at] = np.minimum(lowest.get(at, low), low)
            highest[at] = np.maximum(highest.get(at, high), high)
            is_used[at] = is_used.get(at, used) | used
    is_varied = np.zeros(n, dtype=bool)
    for at, low in lowest.items():
        is_varied |= highest[at] > low
    return np.array([is_used[at] for at in range(n_words)]), is_varied


def fit_calibrator(
    log_odds: Floats, y: Floats, *, method: str, sample_weight: Floats | None = None
) -> Calibrator:
    """Logistic recalibration: intercept and slope of a regression of the outcome on the predicted
    log-odds.

    ``log_odds`` must come from models that had not seen the patient (out-of-fold). Outcomes are
    smoothed as Platt proposed (Platt 1999; Lin, Lin and Weng 2007): (n1 + 1) / (n1 + 2) for an
    event, 1 / (n0 + 2) for none, so that the answer is finite even where the two groups are
    perfectly apart. A slope below 0 (the out-of-fold predictions point the wrong way: there is
    nothing to learn) becomes 0: everybody gets the overall risk. ``sample_weight`` (patients,): how
    many patients a row stands for.

    >>> x = np.linspace(-3, 3, 2001)
    >>> fitted = fit_calibrator(2 * x, expit(x - 1), method="example")
    >>> abs(fitted.intercept + 1) < 0.01, abs(fitted.slope - 0.5) < 0.01
    (True, True)
    """
    weight = np.ones(y.size) if sample_weight is None else sample_weight
    events = float((weight * y).sum())
    others = float(weight.sum() - events)
    targets = y * (events + 1) / (events + 2) + (1 - y) / (others + 2)
    overall = float(logit(np.average(targets, weights=weight)))
    centre = float(np.average(log_odds, weights=weight))
    spread = float(np.sqrt(np.average((log_odds - centre) ** 2, weights=weight)))
    slope = 0.0
    if spread > 0:
        design = np.column_stack([np.ones(y.size), (log_odds - centre) / spread])
        start = np.array([overall, 0.0])
        fitted = fit_logistic(design, targets, weight=weight, start=start).coefficients
        slope = float(fitted[1]) / spread
    if slope <= 0:
        return Calibrator(
            intercept=overall,
            slope=0.0,
            n_patients=int(y.size),
            method=f"{method}; no signal out of fold, slope set to 0",
        )
    return Calibrator(
        intercept=float(fitted[0]) - slope * centre,
        slope=slope,
        n_patients=int(y.size),
        method=method,
    )
