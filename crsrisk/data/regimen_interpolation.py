"""Regimens between those of the grid, as the explorer's second tab shows them.

Rates are interpolated on their log-odds, linearly in the logarithm of the first dose. More time
between doses changes which of them can still act within the window: rates are linear in the doses
that do, each in so far as it has a day left, and where all do, in the logarithm of the time.
Patients are mixed: rates of those with and without liver metastases, weighted by the share.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from itertools import product as every
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.regimen_grid import GridArm, PlannedDoses, Settings

Values = NDArray[np.float64]

FIRST_DOSE, INTERVAL = MULTIPLES = ("first_dose_multiple", "interval_multiple")
SHARE = "liver_metastases_share"
SLIDERS = (*MULTIPLES, SHARE)
_PARTS = ("median", "low", "high")
_PER_MILLE = 1000.0
_ACTS_WITHIN_H = 24.0
_OFFSET = 0.0005  # half of what a member's rate is rounded to: log-odds of 0 and 1 are finite


@dataclass(frozen=True)
class RatesBetween:
    """Median, low and high by figure, and grade 2 or more in each member; all are shares."""

    figures: Mapping[str, tuple[float, float, float]]
    members: Values


def rates_between(product: Settings, design: Mapping[str, Any]) -> RatesBetween | None:
    """What the grid says of a setting; None beyond the settings that were simulated."""
    like = _like(product, design)
    arms = {_key(arm.design): arm for arm in like}
    strata: list[tuple[float, list[tuple[float, GridArm]]]] = []
    points = [
        _neighbours(design[name], _simulated(like, name), _scale(product.doses, name))
        for name in MULTIPLES
    ]
    shares = _neighbours(design[SHARE], _simulated(like, SHARE), _scale(product.doses, SHARE))
    if not (all(points) and shares):
        return None
    for share, part in shares:
        corners = []
        for (dose, by_dose), (interval, by_interval) in every(*points):
            at = {**design, **dict(zip(SLIDERS, (dose, interval, share), strict=True))}
            arm = arms.get(_key(at))
            if arm is None:
                return None
            corners.append((by_dose * by_interval, arm))
        strata.append((part, corners))

    def mixed(values: Sequence[Values]) -> Values:
        """One array an arm, in the order of the strata and their corners."""
        left = iter(values)
        rate = np.zeros_like(values[0])
        for part, corners in strata:
            log_odds = np.zeros_like(rate)
            for weight, _ in corners:
                log_odds += weight * _log_odds(next(left))
            rate += part * _share(log_odds)
        return rate

    used = [arm for _, corners in strata for _, arm in corners]
    figures = {}
    for name in product.arms[0].figures:
        told = [np.array([getattr(arm.figures[name], part) for part in _PARTS]) for arm in used]
        median, low, high = mixed(told).tolist()
        figures[name] = (median, low, high)
    members = mixed([np.array(arm.rates_per_mille) / _PER_MILLE for arm in used])
    return RatesBetween(figures, members)


def has_between(product: Settings, design: Mapping[str, Any]) -> dict[str, list[float]]:
    """Sliders that can stand between settings simulated with the same steps and agents, with these
    settings in rising order.
    """
    like = _like(product, design)
    points = {name: _simulated(like, name) for name in SLIDERS}
    return {name: values for name, values in points.items() if len(values) > 1}


def acting_doses(doses: PlannedDoses, interval_multiple: float) -> float:
    """Doses that can act within the window, each in so far as it has a day left."""
    left_h = doses.window_h - interval_multiple * np.array(doses.times_h)
    return float(np.clip(left_h / _ACTS_WITHIN_H, 0.0, 1.0).sum())


def _scale(doses: PlannedDoses, name: str) -> Callable[[float], float]:
    if name == INTERVAL:
        return partial(acting_doses, doses)
    return log if name == FIRST_DOSE else float


def change_between(first: Values, second: Values) -> Values:
    """Middle 95% and median of how the members' rates differ: low, median, high."""
    return np.quantile(second - first, [0.025, 0.5, 0.975])


def _like(product: Settings, design: Mapping[str, Any]) -> list[GridArm]:
    """The settings that differ by sliders alone."""
    return [
        arm
        for arm in product.arms
        if all(arm.design[name] == value for name, value in design.items() if name not in SLIDERS)
    ]


def _simulated(arms: Sequence[GridArm], name: str) -> list[float]:
    return sorted({arm.design[name] for arm in arms} - {None})


def _neighbours(
    value: float | None, simulated: Sequence[float], scale: Callable[[float], float]
) -> list[tuple[float | None, float]]:
    """Simulated values on both sides with their weights; none beyond the ends."""
    if value is None or value in simulated:
        return [(value, 1.0)]
    for below, above in pairwise(simulated):
        if below < value < above:
            if scale(below) == scale(above):
                scale = log
            weight = (scale(value) - scale(below)) / (scale(above) - scale(below))
            return [(below, 1.0 - weight), (above, weight)]
    return []


def _key(design: Mapping[str, Any]) -> str:
    return json.dumps(dict(design), sort_keys=True)


def _log_odds(rate: Values) -> Values:
    return np.log((rate + _OFFSET) / (1.0 - rate + _OFFSET))


def _share(log_odds: Values) -> Values:
    return (1.0 + 2.0 * _OFFSET) / (1.0 + np.exp(-log_odds)) - _OFFSET
