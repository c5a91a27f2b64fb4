"""Gain: what a predictor wins over knowing the product alone, as a share of what an oracle wins.

Scored under the true risk, so that no chance of outcomes enters; fixed test patients, many training cohorts. Two errors
then remain, and both are given: that of finitely many training cohorts and that of finitely many test patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.learn.ladder import Truth
from crsrisk.learn.metrics import FloatArray, clip_risk

_Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A mean over training cohorts with its Monte Carlo error, and the error of the test patients, as standard errors."""

    value: float
    mc_error: float | None
    test_error: float
    n_cohorts: int

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of both errors together."""
        half = _Z_95 * float(np.hypot(self.mc_error or 0.0, self.test_error))
        return self.value - half, self.value + half


def expected_log_loss(risk: ArrayLike, truth: Truth) -> FloatArray:
    """Log loss of each patient averaged over the outcomes that the true risk gives, nats.

    >>> truth = Truth("what was observed", np.array([5]), np.array([10]))
    >>> float(expected_log_loss([0.5], truth)[0].round(4))
    0.6931
    """
    clipped = clip_risk(np.asarray(risk, dtype=np.float64)).risk
    return np.asarray(-truth.risk * np.log(clipped) - (1 - truth.risk) * np.log1p(-clipped))


def share_of_gain(losses: Sequence[FloatArray], base: Sequence[FloatArray], truth: Truth) -> Share:
    """Mean share of the oracle's gain; one array of expected losses (patients,) for each training cohort.

    ``base``: the product-only predictor of the same cohorts. The oracle's loss is the truth's corrected entropy.
    """
    shares = np.array([_share(loss, below, truth) for loss, below in zip(losses, base, strict=True)])
    below = np.mean(base, axis=0)
    return _of(shares, below - np.mean(losses, axis=0), below - truth.entropy)


def difference_of_shares(
    losses: Sequence[FloatArray], others: Sequence[FloatArray], base: Sequence[FloatArray], truth: Truth
) -> Share:
    """Mean of (share of ``losses`` - share of ``others``), paired by training cohort and test patient."""
    shares = np.array([_share(loss, below, truth) - _share(other, below, truth)
                       for loss, other, below in zip(losses, others, base, strict=True)])
    better, possible = np.mean(others, axis=0) - np.mean(losses, axis=0), np.mean(base, axis=0) - truth.entropy
    return _of(shares, better, possible)


def _share(loss: FloatArray, base: FloatArray, truth: Truth) -> float:
    return float((base - loss).sum() / (base - truth.entropy).sum())


def _of(shares: FloatArray, gained: FloatArray, possible: FloatArray) -> Share:
    """Mean and errors; that of the test patients by the delta method for a ratio of sums."""
    n = shares.size
    ratio = float(gained.sum() / possible.sum())
    residual = gained - ratio * possible
    test_error = float(np.sqrt(residual.size * residual.var(ddof=1)) / possible.sum())
    mc_error = float(shares.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    return Share(float(shares.mean()), mc_error, test_error, n)
