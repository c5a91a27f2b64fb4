"""The statistic of a trial that looks several times: a random walk, followed exactly by numerical integration.

At information share t the score S = z sqrt(t) is normal with mean drift x t and variance t, with independent increments
(Jennison & Turnbull, Group Sequential Methods, 2000, ch. 3 and 19; Armitage, McPherson & Rowe, J R Stat Soc A
1969;132:235). What is left of the distribution after a look that did not stop is kept as masses on Gauss-Legendre nodes
in pieces of the region of continuing; their number follows from the narrowest step, so that probabilities are exact to about
1e-10.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from crsrisk.decide.checks import FloatArray

REACH = 8.5  # standard deviations of the walk that are followed; beyond lie 1e-17
NODES_PER_STEP = 5  # nodes in one standard deviation of the narrowest step
PANEL = 16  # Gauss-Legendre nodes of one piece of the region; more pieces for narrower steps
FEWEST, MOST = 4, 256  # pieces
PANEL_NODE, PANEL_WEIGHT = np.polynomial.legendre.leggauss(PANEL)
FARTHEST_Z = 38.0  # a normal tail beyond it is zero in double precision


@dataclass(frozen=True)
class Walk:
    """Trials still running: masses on the scores they have, at an information share, and the drift they follow.

    ``drift`` is the mean of z at full information (0 under the null hypothesis).
    """

    info: float
    drift: float
    score: FloatArray
    mass: FloatArray

    def above(self, z: float, *, info: float) -> float:
        """Probability of running until the next look, at ``info``, and being at or above ``z`` there."""
        return self._beyond(z, info=info, side=1.0)

    def below(self, z: float, *, info: float) -> float:
        """Probability of running until the next look, at ``info``, and being below ``z`` there."""
        return self._beyond(z, info=info, side=-1.0)

    def _beyond(self, z: float, *, info: float, side: float) -> float:
        if np.isinf(z):
            return float(self.mass.sum()) if z * side < 0 else 0.0
        step = info - self.info
        distance = (self.score + self.drift * step - z * sqrt(info)) / sqrt(step)
        return float(self.mass @ ndtr(side * distance))

    def bound_with(self, probability: float, *, info: float) -> float:
        """The z with this probability of being at or above it at the next look; infinite when none may be used."""
        if probability < exp(-700):
            return float("inf")
        if self.above(-FARTHEST_Z, info=info) <= probability:
            return float("-inf")
        target = log(probability)
        return float(brentq(lambda z: log(max(self.above(z, info=info), 1e-320)) - target, -FARTHEST_Z, FARTHEST_Z,
                            xtol=1e-12, rtol=1e-14))

    def floor_with(self, probability: float, *, info: float) -> float:
        """The z with this probability of being below it at the next look."""
        mirrored = Walk(self.info, -self.drift, -self.score, self.mass)
        return -mirrored.bound_with(probability, info=info)

    def past(self, low: float, high: float, *, info: float, next_info: float) -> Walk:
        """Trials that go on after the look at ``info``: those with ``low`` <= z < ``high``."""
        step = info - self.info
        centre, width = self.drift * info, REACH * sqrt(info)
        a, b = max(low * sqrt(info), centre - width), min(high * sqrt(info), centre + width)
        if not a < b:
            return Walk(info, self.drift, np.zeros(1), np.zeros(1))
        narrowest = sqrt(min(step, max(next_info - info, 1e-12)))
        n_panels = min(MOST, max(FEWEST, ceil((b - a) / narrowest * NODES_PER_STEP / PANEL)))
        half = (b - a) / n_panels / 2
        score = ((a + half * (2 * np.arange(n_panels) + 1))[:, None] + half * PANEL_NODE).ravel()
        distance = (score[:, None] - self.score - self.drift * step) / sqrt(step)
        density = np.exp(-0.5 * distance**2) @ self.mass / sqrt(2 * np.pi * step)
        return Walk(info, self.drift, score, density * np.tile(half * PANEL_WEIGHT, n_panels))


@dataclass(frozen=True)
class Crossing:
    """Probability of stopping at each look: at or above the upper bound, below the lower one."""

    upper: FloatArray
    lower: FloatArray


def start(drift: float = 0.0) -> Walk:
    """All trials before the first look."""
    return Walk(0.0, drift, np.zeros(1), np.ones(1))


def crossing(*, upper: FloatArray, lower: FloatArray, info: FloatArray, drift: float = 0.0) -> Crossing:
    """Probability of stopping at each look for given bounds of z (``lower`` -inf where nothing stops there).

    >>> fixed = crossing(upper=np.array([1.959964]), lower=np.array([-np.inf]), info=np.array([1.0]))
    >>> round(float(fixed.upper[0]), 6)
    0.025
    """
    walk, above, below = start(drift), [], []
    for k, t in enumerate(info):
        above.append(walk.above(float(upper[k]), info=float(t)))
        below.append(walk.below(float(lower[k]), info=float(t)))
        if k + 1 < len(info):
            walk = walk.past(float(lower[k]), float(upper[k]), info=float(t), next_info=float(info[k + 1]))
    return Crossing(np.array(above), np.array(below))
