"""Tipping points: how wrong an assumption must be before prophylaxis stops paying (or starts
to).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.data.potential_outcomes import Harms
from crsrisk.policy.table import FloatArray, IndividualEffects

Quantity = Literal[
    "risk_ratio",
    "base_rate",
    "hidden_share",
    "infections_added",
    "responses_lost",
    "infection_weight",
    "response_weight",
    "burden_per_course",
]
_IN_WORDS: dict[Quantity, str] = {
    "risk_ratio": "risk ratio of CRS",
    "base_rate": "CRS of grade >= 2 without prophylaxis, in those treated",
    "hidden_share": "share of the effect that is only hidden fever",
    "infections_added": "serious infections added a treated patient",
    "responses_lost": "tumour responses lost a treated patient",
    "infection_weight": "weight of an infection",
    "response_weight": "weight of a lost response",
    "burden_per_course": "burden of a course",
}
_SHARES: tuple[Quantity, ...] = ("risk_ratio", "base_rate", "hidden_share")  # possible: 0 to 1
_REDRAWS = 400  # of worlds, for the interval of a tipping point
_TAIL = 0.025  # on either side


@dataclass(frozen=True)
class TippingPoint:
    """One assumption: its value now, the value at which treating and not treating tie (None: no
    value does), and its plausible range.

    ``is_within``: whether the tie lies inside the plausible range (None when no range is stated).
    """

    quantity: Quantity
    now: float
    tips_at: float | None
    low: float | None = None
    high: float | None = None
    assumption: str = field(init=False)
    is_within: bool | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "assumption", _IN_WORDS[self.quantity])
        is_within = None
        if self.low is not None and self.high is not None:
            is_within = self.tips_at is not None and self.low <= self.tips_at <= self.high
        object.__setattr__(self, "is_within", is_within)


def _over(numerator: float, denominator: float) -> float | None:
    """A quotient that means something: None when nothing is to be divided by or it comes out below
    0.
    """
    return numerator / denominator if denominator > 1e-12 and numerator >= 0.0 else None


def tipping_points(
    effects: IndividualEffects, *, harms: Harms, treated: FloatArray | None = None
) -> list[TippingPoint]:
    """Where treating those who are treated ties with treating nobody, one quantity at a time, all
    else as it is.

    Exact, since net benefit is linear in each. ``treated`` is 0-1 by patient; everybody without it.
    Quantities a treated patient: risk ratio, rate of CRS without prophylaxis, share of the effect
    that is only hidden fever, infections added, responses lost (Δ*), and the three weights.
    """
    chosen = np.ones(len(effects)) if treated is None else treated
    n = float(chosen.sum())
    if n <= 0.0:
        return []
    risk, averted, infections, lost, given = (
        float((chosen * part).sum()) / n
        for part in (
            effects.risk,
            effects.averted,
            effects.infections_added,
            effects.responses_lost,
            effects.is_given,
        )
    )
    by_infection, by_response, by_course = (
        harms.infection_weight * infections,
        harms.response_weight * lost,
        harms.burden_per_course * given,
    )
    harm = by_infection + by_response + by_course
    left_for_infection = averted - by_response - by_course
    left_for_response = averted - by_infection - by_course
    left_for_course = averted - by_infection - by_response
    ties: dict[Quantity, tuple[float, float | None]] = {
        "risk_ratio": (
            1.0 - averted / risk if risk > 0.0 else 1.0,
            1.0 - harm / risk if risk > 0.0 else None,
        ),
        "base_rate": (risk, _over(harm * risk, averted)),
        "hidden_share": (0.0, _over(averted - harm, averted)),
        "infections_added": (infections, _over(left_for_infection, harms.infection_weight)),
        "responses_lost": (lost, _over(left_for_response, harms.response_weight)),
        "infection_weight": (harms.infection_weight, _over(left_for_infection, infections)),
        "response_weight": (harms.response_weight, _over(left_for_response, lost)),
        "burden_per_course": (harms.burden_per_course, _over(left_for_course, given)),
    }
    return [
        TippingPoint(quantity, now, tie, *((0.0, 1.0) if quantity in _SHARES else (None, None)))
        for quantity, (now, tie) in ties.items()
    ]


def crossing(at: ArrayLike, values: ArrayLike, *, near: float) -> float | None:
    """Where values cross 0 between the points, by straight lines; the crossing nearest to ``near``,
    None without one.

    >>> crossing([0.0, 1.0, 2.0], [1.0, -1.0, -2.0], near=0.0)
    0.5
    """
    x, y = np.asarray(at, dtype=np.float64), np.asarray(values, dtype=np.float64)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    where = np.flatnonzero(np.sign(y[:-1]) * np.sign(y[1:]) <= 0.0)
    points = [
        float(x[k] + (x[k + 1] - x[k]) * y[k] / (y[k] - y[k + 1]))
        for k in where
        if y[k] != y[k + 1]
    ]
    return min(points, key=lambda point: abs(point - near)) if points else None


@dataclass(frozen=True)
class TrendTie:
    """Where a trend over worlds crosses 0, with its 95% interval; None when more than 2.5% of
    redraws do not cross.
    """

    at: float
    low: float | None
    high: float | None


def trend_crossing(
    parameter: ArrayLike,
    values: ArrayLike,
    weights: ArrayLike,
    *,
    low: float,
    high: float,
    seed: int,
) -> TrendTie | None:
    """Where the weighted trend of values on a parameter crosses 0, when that lies from ``low`` to
    ``high``.

    The trend is a parabola; of two crossings the one nearest the mean of the parameter counts. The
    interval comes from worlds drawn again. None when the trend does not cross, or when a straight
    line is flat within its error (|t| < 2), so that noise has no tipping point.

    >>> x = np.linspace(-1.0, 2.0, 200)
    >>> round(trend_crossing(x, x**2 + x - 0.75, np.ones(200), low=-1.0, high=2.0, seed=1).at, 6)
    0.5
    """
    x, y, w = (np.asarray(part, dtype=np.float64) for part in (parameter, values, weights))
    w = w / w.sum()
    center = float(w @ x)
    scale = float(np.sqrt(w @ (x - center) ** 2))
    if scale <= 0.0 or _is_flat((x - center) / scale, y, w):
        return None
    rng = np.random.default_rng(seed)
    draws = w * np.vstack(
        [np.ones(len(x)), rng.multinomial(len(x), np.full(len(x), 1.0 / len(x)), size=_REDRAWS)]
    )
    points = center + scale * _roots((x - center) / scale, y, draws)
    points[~((points >= low) & (points <= high))] = np.nan
    if np.isnan(points[0]):
        return None
    crossed = points[1:][~np.isnan(points[1:])]
    if len(crossed) < (1.0 - _TAIL) * _REDRAWS:
        return TrendTie(float(points[0]), None, None)
    first, last = np.quantile(crossed, [_TAIL, 1.0 - _TAIL])
    return TrendTie(float(points[0]), float(first), float(last))


def _is_flat(x: FloatArray, y: FloatArray, w: FloatArray) -> bool:
    """Whether the weighted regression line is flat within twice its error; x has mean 0 and
    variance 1.
    """
    slope = float(w @ (x * y))
    left = y - float(w @ y) - slope * x
    error = float(np.sqrt(np.square(w) @ np.square(x * left)))
    return slope == 0.0 or abs(slope) < 2.0 * error


def _roots(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Crossing of 0 nearest x = 0 of the parabola fitted under each row of weights; NaN where it
    has none.
    """
    power = np.vander(x, 5, increasing=True)
    moments, against = weights @ power, weights @ (power[:, :3] * y[:, None])
    normal = moments[:, np.add.outer(np.arange(3), np.arange(3))] + 1e-12 * np.eye(3)
    c, b, a = np.linalg.solve(normal, against[:, :, None])[:, :, 0].T
    inside = b**2 - 4.0 * a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        # the root of smaller size, written so that a -> 0 gives the line's
        root = -2.0 * c / (b + np.where(b >= 0.0, 1.0, -1.0) * np.sqrt(inside))
    return np.asarray(np.where(inside >= 0.0, root, np.nan))
