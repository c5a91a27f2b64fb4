"""Tipping points: how wrong an assumption must be before prophylaxis stops paying (or starts to)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.decide.answers import Answer
from crsrisk.decide.checks import FloatArray
from crsrisk.decide.stakes import Stakes
from crsrisk.domain.harms import Harms


@dataclass(frozen=True)
class TippingPoint(Answer):
    """One assumption: its value now, the value at which treating and not treating tie (None: no value does), its range.

    ``is_within``: whether the tie lies inside the plausible range (None when no range is stated).
    """

    assumption: str
    now: float
    tips_at: float | None
    low: float | None
    high: float | None

    @property
    def is_within(self) -> bool | None:
        """Whether a plausible value would turn the decision."""
        if self.low is None or self.high is None:
            return None
        return self.tips_at is not None and self.low <= self.tips_at <= self.high

    def as_dict(self) -> dict[str, object]:
        """All fields, and whether the tie is plausible."""
        return {**super().as_dict(), "is_within": self.is_within}


def _over(numerator: float, denominator: float) -> float | None:
    """A quotient that means something: None when nothing is to be divided by or it comes out below 0."""
    return numerator / denominator if denominator > 1e-12 and numerator >= 0.0 else None


def tipping_points(
    stakes: Stakes, *, harms: Harms, treated: FloatArray | None = None
) -> list[TippingPoint]:
    """Where treating those who are treated ties with treating nobody, one quantity at a time, all else as it is.

    Exact, since net benefit is linear in each. ``treated`` is 0-1 by patient; everybody without it. Quantities a treated
    patient: risk ratio, rate of CRS without prophylaxis, share of the effect that is only hidden fever, infections added,
    responses lost (Δ*), and the three weights.
    """
    chosen = np.ones(len(stakes)) if treated is None else treated
    n = float(chosen.sum())
    if n <= 0.0:
        return []
    risk, averted, infections, lost, given = (
        float((chosen * part).sum()) / n
        for part in (stakes.risk, stakes.averted, stakes.infections_added, stakes.responses_lost, stakes.is_given))
    by_infection, by_response, by_course = (
        harms.infection_weight * infections, harms.response_weight * lost, harms.burden_per_course * given)
    harm = by_infection + by_response + by_course
    found = [
        ("risk ratio of CRS", 1.0 - averted / risk if risk > 0.0 else 1.0,
         1.0 - harm / risk if risk > 0.0 else None, 0.0, 1.0),
        ("CRS of grade >= 2 without prophylaxis, in those treated", risk,
         _over(harm * risk, averted), 0.0, 1.0),
        ("share of the effect that is only hidden fever", 0.0, _over(averted - harm, averted), 0.0, 1.0),
        ("serious infections added a treated patient", infections,
         _over(averted - by_response - by_course, harms.infection_weight), None, None),
        ("tumour responses lost a treated patient", lost,
         _over(averted - by_infection - by_course, harms.response_weight), None, None),
        ("weight of an infection", harms.infection_weight, _over(averted - by_response - by_course, infections), None, None),
        ("weight of a lost response", harms.response_weight, _over(averted - by_infection - by_course, lost), None, None),
        ("burden of a course", harms.burden_per_course, _over(averted - by_infection - by_response, given), None, None),
    ]
    return [TippingPoint(*one) for one in found]


def crossing(at: ArrayLike, values: ArrayLike, *, near: float) -> float | None:
    """Where values cross 0 between the points, by straight lines; the crossing nearest to ``near``, None without one.

    >>> crossing([0.0, 1.0, 2.0], [1.0, -1.0, -2.0], near=0.0)
    0.5
    """
    x, y = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    where = np.flatnonzero(np.sign(y[:-1]) * np.sign(y[1:]) <= 0.0)
    points = [float(x[k] + (x[k + 1] - x[k]) * y[k] / (y[k] - y[k + 1])) for k in where if y[k] != y[k + 1]]
    return min(points, key=lambda one: abs(one - near)) if points else None


def line_crossing(parameter: ArrayLike, values: ArrayLike, weights: ArrayLike, *, low: float, high: float) -> float | None:
    """Where the weighted regression line of values on a parameter crosses 0, when that lies from ``low`` to ``high``.

    None when the line is flat within its error (|t| < 2), so that noise has no tipping point.
    """
    x, y, w = (np.asarray(one, dtype=np.float64) for one in (parameter, values, weights))
    w = w / w.sum()
    center, level = float(w @ x), float(w @ y)
    spread = float(w @ (x - center) ** 2)
    if spread <= 0.0:
        return None
    slope = float(w @ ((x - center) * (y - level))) / spread
    left = y - level - slope * (x - center)
    error = np.sqrt(float(np.square(w) @ (np.square(x - center) * np.square(left)))) / spread
    if error <= 0.0 or abs(slope) < 2.0 * error:
        return None
    point = center - level / slope
    return point if low <= point <= high else None
