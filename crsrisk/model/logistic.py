"""Pooled logistic: a penalised logistic regression with slopes of groups drawn towards common ones.

How strongly weights of one kind are drawn together is learnt from the data by empirical Bayes: the
penalties that make the data likeliest (MacKay 1992), with a weak expectation before. Rows fall into
few combinations of groups, within which everything is linear in a few columns; so even many groups
cost little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit

from crsrisk.data.risk_model import Calibrator

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
Rows: TypeAlias = NDArray[np.bool_]

_TRUST = 2.0  # how many coefficients' worth the expected penalties count
_OF_GROUPS = 0.3  # penalty of the groups' levels: their log-odds differ by about 2
_ROUNDS = 12  # of learning the penalties
_STEPS = 25  # of Newton's method
_CLOSE = 1e-6
_SETTLED = 0.05  # change of the logarithm of a penalty
_EFFECTS = (0, 1, 4, 5)  # kinds of weights that a direction binds
_HELD_AT_ZERO = 1e9
# penalties by kind where labels are risks: next to none
_LIGHT = np.array([20.0, 20.0, 20.0, 0.1, 20.0, 20.0])


def combinations(belongs: Floats) -> tuple[Floats, Places]:
    """The different combinations of groups, shape (combinations, groups), and which of them every
    row has.
    """
    code = np.zeros(len(belongs), dtype=np.intp)
    for column in belongs.T:
        _, code = np.unique(2 * code + (column > 0), return_inverse=True)
    _, first, of_row = np.unique(code, return_index=True, return_inverse=True)
    return belongs[first], of_row


@dataclass(frozen=True)
class _Pattern:
    """The rows of one combination of groups: what they are described by, and which weights act on
    them.
    """

    design: Floats
    labels: Floats
    reach: Floats


@dataclass(frozen=True)
class PooledLogistic:
    """Penalised logistic regression whose rows fall into few combinations of groups.

    Within one combination everything is linear in a few columns, so that the large matrix of all
    weights is put together from small ones. ``kinds`` gives each weight's kind: weights of one kind
    share a penalty, learnt from the data; those of kind -1 bear none. ``columns`` says of which
    column each weight is.
    """

    patterns: list[_Pattern]
    kinds: NDArray[np.int_]
    columns: NDArray[np.int_]
    prior: Floats
    varied: Places
    n_columns: int

    @staticmethod
    def of(
        known: Floats,
        *,
        bend: Floats,
        is_missing: Rows,
        stood: Floats,
        belongs: Floats,
        labels: Floats,
        penalty: float,
    ) -> PooledLogistic:
        """The problem of these patients; all arrays (patients, columns), ``belongs`` (patients,
        groups).

        ``known`` holds SDs with 0 for missing, ``bend`` their curves, ``stood`` what stands in for
        missing values.
        """
        words, of_row = combinations(belongs)
        n, k = known.shape[1], belongs.shape[1]
        varied = np.flatnonzero(
            np.max([np.ptp(known[of_row == at], axis=0) for at in range(len(words))], axis=0) > 0
        )
        main = 1 + 3 * n
        own = 1 + varied.size
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
            design = np.hstack(
                [np.ones((rows.sum(), 1)), known[rows], bend[rows], is_missing[rows], stood[rows]]
            )
            reach = np.zeros((design.shape[1], main + k * own))
            reach[:main, :main] = np.eye(main)
            reach[main:, 1 : 1 + n] = np.eye(n)
            for c in np.flatnonzero(word > 0):
                start = main + c * own
                reach[0, start] = 1.0
                reach[1 + varied, start + 1 + np.arange(varied.size)] = 1.0
            used = np.flatnonzero(np.abs(design).max(axis=0) > 0)
            patterns.append(_Pattern(design[:, used], labels[rows], reach[used]))
        prior = np.array([penalty, 4 * penalty, 4 * penalty, _OF_GROUPS, 4 * penalty, 4 * penalty])
        return PooledLogistic(patterns, kinds, columns, prior, varied, n)

    def solve(self, directions: NDArray[np.int_]) -> Floats:
        """The weights, with penalties learnt and directions kept."""
        weights, held = self._start()
        shared = self.prior
        for _ in range(_ROUNDS):
            weights, variance, held = self._kept(weights, shared, held, directions)
            before = shared
            shared = np.array(
                [
                    self._learnt(kind, weights, variance, before[kind], held)
                    for kind in range(shared.size)
                ]
            )
            if np.abs(np.log(shared / before)).max() < _SETTLED:
                break
        return self._kept(weights, shared, held, directions)[0]

    def follow(self, directions: NDArray[np.int_]) -> Floats:
        """The weights where labels are risks: light penalties, as there is no chance to guard
        against; directions kept.
        """
        weights, held = self._start()
        return self._kept(weights, _LIGHT, held, directions)[0]

    def _start(self) -> tuple[Floats, Rows]:
        """Everybody at the overall risk; no column held at zero."""
        events = sum(one.labels.sum() for one in self.patterns)
        n = sum(one.labels.size for one in self.patterns)
        weights = np.zeros(self.kinds.size)
        weights[0] = logit(np.clip(events / n, 1e-6, 1 - 1e-6))
        return weights, np.zeros(self.kinds.size, dtype=bool)

    def _kept(
        self, weights: Floats, shared: Floats, held: Rows, directions: NDArray[np.int_]
    ) -> tuple[Floats, Floats, Rows]:
        """Weights and their variances, with every column held at zero whose common slope breaks its
        direction.
        """
        signs = np.where(self.kinds == 0, directions[self.columns], 0)
        while True:
            weights, variance = self._newton(weights, self._penalties(shared, held))
            weights = np.where(held, 0.0, weights)
            wrong = signs * weights < 0
            if not wrong.any():
                return weights, variance, held
            held = held | (
                np.isin(self.columns, self.columns[wrong]) & np.isin(self.kinds, _EFFECTS)
            )

    def _penalties(self, shared: Floats, held: Rows) -> Floats:
        return np.where(held, _HELD_AT_ZERO, np.where(self.kinds >= 0, shared[self.kinds], 1e-8))

    def _learnt(
        self, kind: int, weights: Floats, variance: Floats, penalty: float, held: Rows
    ) -> float:
        mine = (self.kinds == kind) & ~held
        known = float(np.sum(1.0 - penalty * variance[mine]))
        squares = float(np.sum(weights[mine] ** 2))
        return (max(known, 0.0) + _TRUST) / (squares + _TRUST / float(self.prior[kind]))

    def _newton(self, weights: Floats, penalties: Floats) -> tuple[Floats, Floats]:
        """Weights at the maximum and the variances of their posterior (Laplace)."""
        loss = self._loss(weights, penalties)
        for _ in range(_STEPS):
            gradient, curvature = self._slopes(weights)
            factor = cho_factor(curvature + np.diag(penalties))
            step = cho_solve(factor, gradient - penalties * weights)
            share = 1.0
            new = self._loss(weights + step, penalties)
            while new > loss + 1e-9 and share > 1e-3:
                share /= 2
                new = self._loss(weights + share * step, penalties)
            weights, gained, loss = weights + share * step, loss - new, new
            if gained < _CLOSE * max(1.0, abs(loss)):
                break
        _, curvature = self._slopes(weights)
        return weights, np.diag(np.linalg.inv(curvature + np.diag(penalties)))

    def _loss(self, weights: Floats, penalties: Floats) -> float:
        value = 0.5 * float(penalties @ weights**2)
        for one in self.patterns:
            scores = one.design @ (one.reach @ weights)
            value += float(np.sum(np.logaddexp(0.0, scores) - one.labels * scores))
        return value

    def _slopes(self, weights: Floats) -> tuple[Floats, Floats]:
        gradient, curvature = np.zeros(weights.size), np.zeros((weights.size,) * 2)
        for one in self.patterns:
            risk = expit(one.design @ (one.reach @ weights))
            gradient += one.reach.T @ (one.design.T @ (one.labels - risk))
            small = (one.design * (risk * (1.0 - risk))[:, None]).T @ one.design
            curvature += one.reach.T @ small @ one.reach
        return gradient, curvature

    def parts(self, weights: Floats) -> tuple[float, Floats, Floats, Floats]:
        """Intercept; slopes, curves and gaps (3, columns); levels (groups,); own slopes (groups,
        columns).
        """
        n, after = self.n_columns, 1 + 3 * self.n_columns
        of_groups = weights[after:].reshape(-1, 1 + self.varied.size)
        own = np.zeros((len(of_groups), n))
        own[:, self.varied] = of_groups[:, 1:]
        return float(weights[0]), weights[1:after].reshape(3, n), of_groups[:, 0], own


# Offset logistic: a few coefficients beside a fixed offset, for cohorts of fifty patients.
#
# What updating a model takes: the model's own log-odds stand as the offset, and an intercept, a
# slope or one coefficient a theme is fitted to new patients. Plain maximum likelihood serves tests;
# for the numbers that go into a model, Firth's penalty keeps them finite where events and
# non-events are perfectly apart, and takes the first-order bias of small samples away (Firth,
# Biometrika 1993;80:27).


NumbersOrRows = NDArray[np.float64]
_OFFSET_STEPS = 200
_CLOSE_ENOUGH = 1e-9
_LARGEST_STEP = 5.0  # log-odds per unit of a column in one Newton step
_JITTER = 1e-9


@dataclass(frozen=True)
class OffsetFit:
    """Coefficients, shape (columns,), and the log likelihood there (without the penalty)."""

    coefficients: NumbersOrRows
    log_likelihood: float


def log_likelihood(log_odds: NumbersOrRows, y: NumbersOrRows) -> float:
    """Log likelihood of 0/1 outcomes under these log-odds.

    >>> round(log_likelihood(np.zeros(2), np.array([0.0, 1.0])), 4)
    -1.3863
    """
    return float(np.sum(y * log_odds - np.logaddexp(0.0, log_odds)))


def fit_offset_logistic(
    design: NumbersOrRows, y: NumbersOrRows, *, offset: NumbersOrRows, has_firth: bool
) -> OffsetFit:
    """Fit logit P = offset + design x coefficients by Newton steps with halving.

    ``design`` (patients, columns) may have no column. With ``has_firth`` half the log determinant
    of the information is added to the log likelihood. Without it, and with outcomes that a column
    separates, coefficients stop where the likelihood no longer rises.

    >>> y = np.repeat([1.0, 0.0], [3, 7])
    >>> fitted = fit_offset_logistic(np.ones((10, 1)), y, offset=np.zeros(10), has_firth=True)
    >>> round(float(expit(fitted.coefficients[0])), 4) == round(3.5 / 11, 4)
    True
    """
    beta = np.zeros(design.shape[1])
    if not design.shape[1]:
        return OffsetFit(beta, log_likelihood(offset, y))
    value = _objective(beta, design, y, offset, has_firth)
    for _ in range(_OFFSET_STEPS):
        step = _newton_step(beta, design, y, offset, has_firth)
        step *= min(1.0, _LARGEST_STEP / max(float(np.abs(step).max()), _CLOSE_ENOUGH))
        new = _objective(beta + step, design, y, offset, has_firth)
        while new < value and float(np.abs(step).max()) > _CLOSE_ENOUGH:
            step = step / 2
            new = _objective(beta + step, design, y, offset, has_firth)
        if new < value:
            break
        beta, value = beta + step, new
        if float(np.abs(step).max()) < _CLOSE_ENOUGH:
            break
    return OffsetFit(beta, log_likelihood(offset + design @ beta, y))


def _information(risk: NumbersOrRows, design: NumbersOrRows) -> NumbersOrRows:
    weighted = design * (risk * (1 - risk))[:, None]
    return np.asarray(design.T @ weighted + _JITTER * np.eye(design.shape[1]))


def _objective(
    beta: NumbersOrRows,
    design: NumbersOrRows,
    y: NumbersOrRows,
    offset: NumbersOrRows,
    has_firth: bool,
) -> float:
    log_odds = offset + design @ beta
    value = log_likelihood(log_odds, y)
    if has_firth:
        value += 0.5 * float(np.linalg.slogdet(_information(expit(log_odds), design))[1])
    return value


def _newton_step(
    beta: NumbersOrRows,
    design: NumbersOrRows,
    y: NumbersOrRows,
    offset: NumbersOrRows,
    has_firth: bool,
) -> NumbersOrRows:
    risk = expit(offset + design @ beta)
    information = _information(risk, design)
    residual = y - risk
    if has_firth:
        leverage = (
            np.einsum("ij,ij->i", design @ np.linalg.inv(information), design) * risk * (1 - risk)
        )
        residual = residual + leverage * (0.5 - risk)
    return np.asarray(np.linalg.solve(information, design.T @ residual))


# Calibrate: two numbers that make risks agree with what happened in patients not used for the fit.


_CALIBRATOR_STEPS = 100
_CALIBRATOR_CLOSE_ENOUGH = 1e-10


def fit_calibrator(
    log_odds: NDArray[np.float64], y: NDArray[np.float64], *, method: str
) -> Calibrator:
    """Logistic recalibration: intercept and slope of a regression of the outcome on the predicted
    log-odds.

    ``log_odds`` must come from models that had not seen the patient (out-of-fold). Outcomes are
    smoothed as Platt proposed (Platt 1999; Lin, Lin and Weng 2007): (n1 + 1) / (n1 + 2) for an
    event, 1 / (n0 + 2) for none, so that the answer is finite even where the two groups are
    perfectly apart. A slope below 0 (the out-of-fold predictions point the wrong way: there is
    nothing to learn) becomes 0: everybody gets the overall risk.

    >>> x = np.linspace(-3, 3, 2001)
    >>> fitted = fit_calibrator(2 * x, expit(x - 1), method="example")
    >>> abs(fitted.intercept + 1) < 0.01, abs(fitted.slope - 0.5) < 0.01
    (True, True)
    """
    events = float(y.sum())
    none = float(y.size - events)
    targets = y * (events + 1) / (events + 2) + (1 - y) / (none + 2)
    intercept, slope = _logistic(log_odds, targets)
    if slope <= 0:
        return Calibrator(
            intercept=float(logit(targets.mean())),
            slope=0.0,
            n_patients=int(y.size),
            method=f"{method}; no signal out of fold, slope set to 0",
        )
    return Calibrator(intercept=intercept, slope=slope, n_patients=int(y.size), method=method)


def _logistic(x: NDArray[np.float64], targets: NDArray[np.float64]) -> tuple[float, float]:
    """Intercept and slope of a logistic regression on one variable, by Newton steps with
    halving.
    """
    spread = float(x.std())
    if spread == 0:
        return float(logit(targets.mean())), 0.0
    z = (x - x.mean()) / spread
    design = np.stack([np.ones_like(z), z])
    beta = np.array([float(logit(targets.mean())), 0.0])
    loss = _loss(design, beta, targets)
    for _ in range(_CALIBRATOR_STEPS):
        risk = expit(beta @ design)
        gradient = design @ (targets - risk)
        curvature = (design * (risk * (1 - risk))) @ design.T
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        new = _loss(design, beta + step, targets)
        while new > loss and float(np.abs(step).max()) > _CALIBRATOR_CLOSE_ENOUGH:
            step = step / 2
            new = _loss(design, beta + step, targets)
        beta, loss = beta + step, new
        if float(np.abs(step).max()) < _CALIBRATOR_CLOSE_ENOUGH:
            break
    slope = float(beta[1]) / spread
    return float(beta[0]) - slope * float(x.mean()), slope


def _loss(
    design: NDArray[np.float64], beta: NDArray[np.float64], targets: NDArray[np.float64]
) -> float:
    scores = beta @ design
    return float(np.sum(np.logaddexp(0, scores) - targets * scores))
