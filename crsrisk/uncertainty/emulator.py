"""Emulators: a published figure as a smooth function of the scores of the constants it depends on.

Learnt from patients who each live in a world of their own (:mod:`crsrisk.uncertainty.own_worlds`).
The logit of the chance of an event, or the logarithm of a median time, is a sum of linear terms in
all scores, squares of the most influential ones and products of pairs of them. Most of the several
hundred coefficients are nearly 0: each has a normal prior whose variance the data set (automatic
relevance determination by expectation and maximisation; MacKay, Neural Comput 1992;4:415).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Values: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]


class _Regression(Protocol):
    """Intercept and coefficients of a design, with prior variances set ``rounds`` times anew."""

    def __call__(self, design: Values, y: Values, *, rounds: int) -> tuple[float, Values]: ...


STRONGEST = 12  # scores that get squares, and products of pairs
FIRST_SD = 0.3  # prior SD of a coefficient before the data have set it
_ROUNDS = 2  # times that the prior variances are set anew
_STEPS = 6  # of Newton's method at first, half of it later
_LONGEST = 1.5  # of a step in any coefficient
_ENDS = 15.0  # logits beyond which a chance is 0 or 1
_LEAST_VARIANCE = 1e-5


@dataclass(frozen=True)
class Emulator:
    """One figure as a function of scores: the logit of a rate, or the logarithm of a time.

    ``intercept + linear @ x + squares @ (x[squared]**2 - 1) + products @ (x[i] * x[j])`` over the
    pairs (i, j).

    Parameters
    ----------
    intercept : value at the medians, less the squares.
    linear : shape (scores,).
    squared : positions of the scores with a square, ``squares`` their coefficients.
    pairs : shape (products, 2), positions; ``products`` their coefficients.

    Examples
    --------
    >>> line = Emulator.linear_in(np.array([1.0, 0.0]), intercept=-1.0)
    >>> line.value(np.array([[0.5, 3.0]])).tolist(), line.slope(np.zeros(2)).tolist()
    ([-0.5], [1.0, 0.0])
    """

    intercept: float
    linear: Values
    squared: Indices
    squares: Values
    pairs: Indices
    products: Values

    @classmethod
    def linear_in(cls, linear: Values, *, intercept: float = 0.0) -> Emulator:
        """A figure that is linear in the scores: for tests, and for effects known by design."""
        none = np.zeros(0, dtype=np.intp)
        return cls(intercept, linear, none, np.zeros(0), none.reshape(0, 2), np.zeros(0))

    def value(self, scores: Values) -> Values:
        """Values at rows of scores, shape (points,)."""
        first, second = self.pairs.T
        return np.asarray(
            self.intercept
            + scores @ self.linear
            + (np.square(scores[:, self.squared]) - 1.0) @ self.squares
            + (scores[:, first] * scores[:, second]) @ self.products
        )

    def slope(self, scores: Values) -> Values:
        """Gradient at one row of scores."""
        slope = self.linear.copy()
        slope[self.squared] += 2.0 * scores[self.squared] * self.squares
        first, second = self.pairs.T
        np.add.at(slope, first, self.products * scores[second])
        np.add.at(slope, second, self.products * scores[first])
        return slope

    def arrays(self) -> dict[str, NDArray[np.float64] | Indices]:
        """Its numbers by name, for a file of arrays."""
        return {
            "intercept": np.array([self.intercept]),
            "linear": self.linear,
            "squared": self.squared,
            "squares": self.squares,
            "pairs": self.pairs,
            "products": self.products,
        }


def fit_rate(scores: Values, event: NDArray[np.bool_], *, curved: Indices) -> Emulator:
    """The logit of the chance of an event, from patients with scores of their own.

    ``scores`` (patient, score); ``event`` by patient; ``curved``: scores that get a square
    whatever their strength.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.standard_normal((4000, 3))
    >>> event = rng.random(4000) < expit(-1.0 + 1.5 * x[:, 0])
    >>> fitted = fit_rate(x, event, curved=np.zeros(0, dtype=np.intp))
    >>> bool(abs(fitted.linear[0] - 1.5) < 0.2 and abs(fitted.linear[1]) < 0.1)
    True
    """
    return _fit(scores, event.astype(np.float64), curved, _logistic)


def fit_time(scores: Values, log_time: Values, *, curved: Indices) -> Emulator:
    """The logarithm of a median time, from patients with scores of their own.

    The mean logarithm, moved by the median of what it leaves over, since times are skewed on the
    logarithmic scale too. A time that was not over (infinite) is later than all.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.standard_normal((4000, 3))
    >>> hours = np.exp(2.0 + 0.5 * x[:, 0]) * rng.exponential(size=4000)  # median 0.69 of the mean
    >>> fitted = fit_time(x, np.log(hours), curved=np.zeros(0, dtype=np.intp))
    >>> bool(abs(fitted.value(np.zeros((1, 3)))[0] - 2.0 - np.log(np.log(2.0))) < 0.1)
    True
    """
    is_over = np.isfinite(log_time)
    mean = _fit(scores[is_over], log_time[is_over], curved, _linear)
    off = float(np.median(log_time - mean.value(scores)))
    return replace(mean, intercept=mean.intercept + off) if np.isfinite(off) else mean


def _fit(scores: Values, y: Values, curved: Indices, fit: _Regression) -> Emulator:
    n_scores = scores.shape[1]
    _, lines = fit(scores, y, rounds=1)
    strongest = np.argsort(-np.abs(lines), kind="stable")[:STRONGEST]
    squared = np.unique(np.concatenate([strongest, curved])).astype(np.intp)
    first, second = np.triu_indices(len(strongest), k=1)
    pairs = np.column_stack([strongest[first], strongest[second]])
    design = np.hstack(
        [
            scores,
            np.square(scores[:, squared]) - 1.0,
            scores[:, pairs[:, 0]] * scores[:, pairs[:, 1]],
        ]
    )
    intercept, all_terms = fit(design, y, rounds=_ROUNDS)
    linear, squares, products = np.split(all_terms, [n_scores, n_scores + len(squared)])
    return Emulator(intercept, linear, squared, squares, pairs, products)


def _logistic(design: Values, y: Values, *, rounds: int) -> tuple[float, Values]:
    """Intercept and coefficients of a logistic regression whose prior variances the data set.

    A patient at the medians with half an event is added, so that a chance is never 0 or 1 only
    because nobody, or everybody, had the event.
    """
    columns = design.astype(np.float32)  # sums over patients; the system itself is solved in full
    n, n_terms = design.shape
    share = (y.sum() + 0.5) / (n + 1.0)
    found, level = np.zeros(n_terms), float(np.log(share / (1.0 - share)))
    precision = np.full(n_terms, FIRST_SD**-2)
    system = np.empty((n_terms + 1, n_terms + 1))
    for turn in range(rounds + 1):
        for _ in range(_STEPS if turn == 0 else _STEPS // 2):
            chance = expit(np.clip(level + columns @ found.astype(np.float32), -_ENDS, _ENDS))
            weight = np.maximum(chance * (1.0 - chance), _LEAST_VARIANCE)
            weighted = columns * np.sqrt(weight)[:, None].astype(np.float32)
            system[:-1, :-1] = weighted.T @ weighted
            system[:-1, :-1] += np.diag(precision)
            system[-1, :-1] = system[:-1, -1] = columns.T @ weight.astype(np.float32)
            at_medians = float(expit(level))
            system[-1, -1] = weight.sum() + at_medians * (1.0 - at_medians)
            left = y - chance
            gradient = np.append(
                columns.T @ left.astype(np.float32) - precision * found,
                left.sum() + 0.5 - at_medians,
            )
            step = np.linalg.solve(system, gradient)
            longest = float(np.abs(step).max())
            step *= _LONGEST / max(longest, _LONGEST)
            found, level = found + step[:-1], level + float(step[-1])
            if longest < 1e-3:
                break
        variance = np.diagonal(np.linalg.inv(system))[:-1]
        precision = 1.0 / np.maximum(np.square(found) + variance, _LEAST_VARIANCE)
    return level, found


def _linear(design: Values, y: Values, *, rounds: int) -> tuple[float, Values]:
    """Intercept and coefficients of a linear regression whose prior variances the data set."""
    middle, center = float(y.mean()), design.mean(axis=0)
    columns = (design - center).astype(np.float32)
    gram = (columns.T @ columns).astype(np.float64)
    cross = (columns.T @ (y - middle).astype(np.float32)).astype(np.float64)
    noise = max(float(y.var()), _LEAST_VARIANCE)
    found, precision = np.zeros(len(gram)), np.full(len(gram), 1.0 / (FIRST_SD**2 * noise))
    for _ in range(rounds + 1):
        system = gram / noise + np.diag(precision)
        found = np.linalg.solve(system, cross / noise)
        variance = np.diagonal(np.linalg.inv(system))
        left = y - middle - columns @ found.astype(np.float32)
        noise = max(float(np.square(left).mean()), _LEAST_VARIANCE)
        precision = 1.0 / np.maximum(np.square(found) + variance, _LEAST_VARIANCE)
    return middle - float(center @ found), found


@dataclass(frozen=True)
class Reliability:
    """Patients that an emulator has not seen, in five groups by the chance it gives them.

    ``predicted`` and ``seen`` are the mean chance and the share with the event in each group.
    """

    predicted: tuple[float, ...]
    seen: tuple[float, ...]

    @property
    def largest_gap(self) -> float:
        """The largest difference between them."""
        return max(abs(a - b) for a, b in zip(self.predicted, self.seen, strict=True))


def reliability(emulator: Emulator, scores: Values, event: NDArray[np.bool_]) -> Reliability:
    """How the chances of an emulator agree with events in patients it has not seen."""
    chance = expit(emulator.value(scores))
    groups = np.array_split(np.argsort(chance, kind="stable"), 5)
    return Reliability(
        tuple(float(chance[rows].mean()) for rows in groups),
        tuple(float(event[rows].mean()) for rows in groups),
    )
