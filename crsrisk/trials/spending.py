"""How a trial that looks several times divides its error among the looks, and the random walk on
which a boundary is spent.

Two families of boundaries are often mixed up. A *shape* (O'Brien-Fleming, Pocock, Wang-Tsiatis)
fixes the form of the bounds and scales it until the whole error is used; a *spending function* (Lan
& DeMets, Biometrika 1983;70:659) fixes how much error may be used by which share of the
information, whatever the number of looks. "O'Brien-Fleming" and "Lan-DeMets O'Brien-Fleming-like"
are two designs with different bounds.

Either is turned into bounds on the same walk: at information share t the score S = z sqrt(t) is
normal with mean drift x t and variance t, with independent increments (Jennison & Turnbull, Group
Sequential Methods, 2000, ch. 3 and 19; Armitage, McPherson & Rowe, J R Stat Soc A 1969;132:235).
What is left of the distribution after a look that did not stop is kept as masses on Gauss-Legendre
nodes in pieces of the region of continuing; their number follows from the narrowest step, so that
probabilities are exact to about 1e-10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, e, exp, expm1, log, sqrt

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from crsrisk.errors import InputError
from crsrisk.trials.checks import Answer, FloatArray, positive, real

WHERE = "group-sequential design"

NAMES = (
    "OBrien-Fleming",
    "Pocock",
    "Wang-Tsiatis",
    "Lan-DeMets OBF-like spending",
    "Lan-DeMets Pocock-like spending",
    "Kim-DeMets power spending",
    "Hwang-Shih-DeCani spending",
)
# Letters that a name must hold, in this order of asking -> the name.
_MARKS = (
    (("kim",), "Kim-DeMets power spending"),
    (("power",), "Kim-DeMets power spending"),
    (("hwang",), "Hwang-Shih-DeCani spending"),
    (("hsd",), "Hwang-Shih-DeCani spending"),
    (("wang",), "Wang-Tsiatis"),
    (("like", "pocock"), "Lan-DeMets Pocock-like spending"),
    (("spending", "pocock"), "Lan-DeMets Pocock-like spending"),
    (("demets", "pocock"), "Lan-DeMets Pocock-like spending"),
    (("like", "ob"), "Lan-DeMets OBF-like spending"),
    (("spending", "ob"), "Lan-DeMets OBF-like spending"),
    (("demets", "ob"), "Lan-DeMets OBF-like spending"),
    (("pocock",), "Pocock"),
    (("obf",), "OBrien-Fleming"),
    (("obrien",), "OBrien-Fleming"),
)
_NEEDS = {
    "Wang-Tsiatis": "delta",
    "Kim-DeMets power spending": "rho",
    "Hwang-Shih-DeCani spending": "gamma",
}
USUAL = {"rho": 3, "gamma": -4, "delta": 0.25}  # the first two come near to O'Brien-Fleming
MOST_EXTREME = 40.0
EVEN = 1e-12  # nearer to 0 the quotient is rounding, and spending even to twelve digits
REACH = 8.5  # standard deviations of the walk that are followed; beyond lie 1e-17
NODES_PER_STEP = 5  # nodes in one standard deviation of the narrowest step
PANEL = 16  # Gauss-Legendre nodes of one piece of the region; more pieces for narrower steps
FEWEST, MOST = 4, 256  # pieces
PANEL_NODE, PANEL_WEIGHT = np.polynomial.legendre.leggauss(PANEL)
FARTHEST_Z = 38.0  # a normal tail beyond it is zero in double precision
_IN_NAME = re.compile(r"\(?\s*\b(rho|gamma|delta)\s*=\s*(-?\d+\.?\d*)\s*\)?")


@dataclass(frozen=True)
class Boundary:
    """A way to divide the error: the canonical name and its one parameter (0 where it has none)."""

    name: str
    parameter: float = 0.0

    @property
    def is_shape(self) -> bool:
        return self.name in ("OBrien-Fleming", "Pocock", "Wang-Tsiatis")

    def shape(self, info: FloatArray) -> FloatArray:
        """The z bounds up to one constant: 1 at full information (Wang & Tsiatis, Biometrics
        1987;43:193).
        """
        delta = {"OBrien-Fleming": 0.0, "Pocock": 0.5}.get(self.name, self.parameter)
        return np.asarray(info ** (delta - 0.5))

    def spent(self, info: FloatArray, *, alpha: float) -> FloatArray:
        """Error of one side that may be used by each share of the information."""
        return np.array([self._spent(min(1.0, float(t)), alpha) for t in info])

    def _spent(self, t: float, alpha: float) -> float:
        if self.name == "Lan-DeMets OBF-like spending":
            return float(2 * ndtr(ndtri(alpha / 2) / sqrt(t)))
        if self.name == "Lan-DeMets Pocock-like spending":
            return alpha * log(1 + (e - 1) * t)
        if self.name == "Kim-DeMets power spending":
            return float(alpha * t**self.parameter)
        if abs(self.parameter) < EVEN:  # Hwang, Shih & DeCani's limit at 0
            return alpha * t
        return alpha * expm1(-self.parameter * t) / expm1(-self.parameter)


def boundary(
    name: str, *, rho: float | None = None, gamma: float | None = None, delta: float | None = None
) -> Boundary:
    """The boundary that a name means, spelt in any of the usual ways.

    Parameters
    ----------
    name : "O'Brien-Fleming", "Pocock", "Wang-Tsiatis", "Lan-DeMets OBF-like spending", "Lan-DeMets
        Pocock-like spending", "Kim-DeMets power spending" or "Hwang-Shih-DeCani spending"; its
        parameter may stand behind it, "Hwang-Shih-DeCani gamma=-4".
    rho : exponent of Kim & DeMets (Biometrika 1987;74:149), above 0: error used by share t is alpha
        t^rho.
    gamma : parameter of Hwang, Shih & DeCani (Stat Med 1990;9:1439); negative spends late.
    delta : shape of Wang & Tsiatis: 0 is O'Brien-Fleming, 0.5 Pocock.

    >>> boundary("O'Brien-Fleming").name, boundary("Lan-DeMets OBF-like spending").is_shape
    ('OBrien-Fleming', False)
    >>> boundary("Kim-DeMets power family", rho=3) == boundary("Kim-DeMets power family (rho=3)")
    True
    """
    words = name.lower() if isinstance(name, str) else ""
    stated = _IN_NAME.search(words)
    letters = re.sub(r"[^a-z]", "", _IN_NAME.sub("", words))
    canonical = next(
        (known for marks, known in _MARKS if all(mark in letters for mark in marks)), None
    )
    if canonical is None:
        raise InputError(
            where=WHERE,
            key="type",
            found=repr(name),
            expected=" or ".join(NAMES),
            cure="write one of these names",
        )
    given = {"rho": rho, "gamma": gamma, "delta": delta}
    if stated and given[stated.group(1)] is None:
        given[stated.group(1)] = float(stated.group(2))
    return Boundary(canonical, _parameter_of(canonical, given))


def _parameter_of(name: str, given: Mapping[str, float | None]) -> float:
    """The one parameter of a boundary, 0 where it has none; refuses one too many, too few or too
    extreme.
    """
    needed = _NEEDS.get(name)
    unused = [key for key, value in given.items() if value is not None and key != needed]
    if unused:
        raise InputError(
            where=WHERE,
            key=unused[0],
            found=given[unused[0]],
            expected=f"nothing: {name} has no {unused[0]}",
            cure=f"leave {unused[0]} out, or name another type",
        )
    if needed is None:
        return 0.0
    if given[needed] is None:
        raise InputError(
            where=WHERE,
            key=needed,
            found="nothing",
            expected=f"the {needed} of {name}",
            cure=f"add {needed}: {USUAL[needed]} is a usual value",
        )
    check = positive if needed == "rho" else real
    parameter = check(given[needed], where=WHERE, key=needed)
    if abs(parameter) > MOST_EXTREME:
        raise InputError(
            where=WHERE,
            key=needed,
            found=parameter,
            expected=f"a number within ±{MOST_EXTREME:g}",
            cure="a more extreme one spends everything at one look: leave the other looks out",
        )
    return parameter


# --- the walk ---


@dataclass(frozen=True)
class Walk:
    """Trials still running: masses on the scores they have, at an information share, and the drift
    they follow.

    ``drift`` is the mean of z at full information (0 under the null hypothesis).
    """

    info: float
    drift: float
    score: FloatArray
    mass: FloatArray

    def above(self, z: float, *, info: float) -> float:
        """Probability of running until the next look, at ``info``, and being at or above ``z``
        there.
        """
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
        """The z with this probability of being at or above it at the next look; infinite when none
        may be used.
        """
        if probability < exp(-700):
            return float("inf")
        if self.above(-FARTHEST_Z, info=info) <= probability:
            return float("-inf")
        target = log(probability)
        return float(
            brentq(
                lambda z: log(max(self.above(z, info=info), 1e-320)) - target,
                -FARTHEST_Z,
                FARTHEST_Z,
                xtol=1e-12,
                rtol=1e-14,
            )
        )

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


@dataclass(frozen=True, eq=False, repr=False)
class Crossing(Answer):
    """Probability of stopping at each look: at or above the upper bound, below the lower one."""

    upper: FloatArray
    lower: FloatArray

    def to_frame(self) -> pd.DataFrame:
        """One row a look."""
        looks = pd.RangeIndex(1, self.upper.size + 1, name="look")
        return pd.DataFrame({"upper": self.upper, "lower": self.lower}, index=looks)


def start(drift: float = 0.0) -> Walk:
    """All trials before the first look."""
    return Walk(0.0, drift, np.zeros(1), np.ones(1))


def crossing(
    *, upper: FloatArray, lower: FloatArray, info: FloatArray, drift: float = 0.0
) -> Crossing:
    """Probability of stopping at each look for given bounds of z (``lower`` -inf where nothing
    stops there).

    >>> bound, nothing, all_at_once = np.array([1.959964]), np.array([-np.inf]), np.array([1.0])
    >>> fixed = crossing(upper=bound, lower=nothing, info=all_at_once)
    >>> round(float(fixed.upper[0]), 6)
    0.025
    """
    walk, above, below = start(drift), [], []
    for k, t in enumerate(info):
        above.append(walk.above(float(upper[k]), info=float(t)))
        below.append(walk.below(float(lower[k]), info=float(t)))
        if k + 1 < len(info):
            walk = walk.past(
                float(lower[k]), float(upper[k]), info=float(t), next_info=float(info[k + 1])
            )
    return Crossing(np.array(above), np.array(below))
