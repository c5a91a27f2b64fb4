"""Targeting: who is treated, by a score, by a limited number of doses, or by an oracle."""

from __future__ import annotations

import numpy as np

from crsrisk.decide.checks import FloatArray
from crsrisk.errors import InputError


def at_or_above(score: FloatArray, threshold: float) -> FloatArray:
    """1 for everybody whose score reaches the threshold, else 0.

    >>> at_or_above(np.array([0.1, 0.3]), 0.2).tolist()
    [0.0, 1.0]
    """
    return (score >= threshold).astype(np.float64)


def top_share(score: FloatArray, share: float) -> FloatArray:
    """Doses for a share of the patients, highest scores first; those who tie for the last doses share them evenly.

    Raises :class:`InputError` for a share outside 0-1.

    >>> top_share(np.array([0.1, 0.9, 0.5, 0.5]), 0.5).tolist()
    [0.0, 1.0, 0.5, 0.5]
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(where="doses", key="share", found=share, expected="0 to 1 of the patients",
                         cure="write doses for each 100 patients, 0 to 100")
    left, given = share * len(score), np.zeros(len(score))
    order = np.argsort(-score, kind="stable")
    for level in np.split(order, np.flatnonzero(np.diff(score[order])) + 1):
        if left <= 1e-12:
            break
        given[level] = min(1.0, left / len(level))
        left -= len(level)
    return given


def best_threshold(score: FloatArray, gain: FloatArray) -> float:
    """The threshold of the score at which treating everybody above gains most in these patients; infinite: nobody.

    >>> best_threshold(np.array([0.1, 0.2, 0.3]), np.array([-1.0, 0.5, 1.0]))
    0.2
    """
    order = np.argsort(-score, kind="stable")
    total = np.cumsum(gain[order])
    is_last = np.append(np.diff(score[order]) != 0.0, True)  # patients of one score are treated together
    total = np.where(is_last, total, -np.inf)
    k = int(np.argmax(total))
    return float(score[order][k]) if total[k] > 0.0 else float("inf")


def reliability(first: FloatArray, second: FloatArray) -> float:
    """How much of the spread between patients is real when each half of the repetitions says ``first`` and ``second``.

    0 when the halves do not go together, 1 when they agree.
    """
    spread = float(np.sqrt(first.var() * second.var()))
    if spread <= 0.0:
        return 1.0
    return float(np.clip(np.mean((first - first.mean()) * (second - second.mean())) / spread, 0.0, 1.0))


def believed_gain(gain: FloatArray, *, trust: float) -> FloatArray:
    """Gains drawn to their mean as far as they are noise: what an oracle believes after finitely many repetitions."""
    return np.asarray(gain.mean() + trust * (gain - gain.mean()))
