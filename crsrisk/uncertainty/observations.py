"""Observations: published figures as data.

Each observation says how far it may be off from the simulated figure. A rate is a count around the
trial's own rate, which lies around the simulated one with the SD between trials on the logit scale.
A median time is lognormal around the simulated one with the SD between trials, the sampling error
of a median and the rounding of a printed whole number. Trials without a printed size count as of
`SIZE_WHEN_UNKNOWN`; figures that nobody could verify have twice the SD between trials, so that they
weigh less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot, log, sqrt
from types import MappingProxyType

import numpy as np
from scipy.stats import binom

from crsrisk.data.published_figures import METRIC_MEANINGS, PublishedFigure, Trial
from crsrisk.data.world import World
from crsrisk.results import Z_95
from crsrisk.simulation.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY, published_interval

SIZE_WHEN_UNKNOWN = 100
WHOLE = 1.0 / sqrt(12.0)  # SD of rounding to a whole unit, as printed medians are
_SEVERE = ("grade >= 3", "support")
_SD_OF: Mapping[str, str] = MappingProxyType(
    {
        "rate": "between_trial_rate_sd",
        "severe": "between_trial_severe_sd",
        "time": "between_trial_time_sd",
    }
)


@dataclass(frozen=True)
class Target:
    """One published figure that the assumptions are confronted with, and the trial it stands in."""

    figure: PublishedFigure
    trial: Trial

    @property
    def is_rate(self) -> bool:
        """A share of patients; else a time."""
        return self.figure.is_rate


@dataclass(frozen=True)
class Observation:
    """A target as data: a count of ``n`` or the logarithm of a time with its sampling SD."""

    target: Target
    events: float
    n: float
    log_time: float
    sampling_sd: float
    between_sd: float


def observe_target(target: Target, *, world: World) -> Observation:
    """Counts or times of one target with both of its spreads; a recalled figure has twice the SD
    between trials.
    """
    figure, sd = (
        target.figure,
        between_sd(target, world=world) * (1.0 if target.figure.verified else 2.0),
    )
    interval = published_interval(figure, trial=target.trial)
    n = float(interval.n or SIZE_WHEN_UNKNOWN)
    if target.is_rate:
        events = figure.events if figure.events is not None else round(figure.value * n)
        return Observation(target, float(events), n, float("nan"), float("nan"), sd)
    sampling = MEDIAN_EFFICIENCY * ASSUMED_LOG_SD / sqrt(n)
    if interval.low > 0:
        sampling = log(interval.high / interval.low) / (2.0 * Z_95)
    rounding = WHOLE / figure.value if figure.value == round(figure.value) else 0.0
    return Observation(target, float("nan"), n, log(figure.value), hypot(sampling, rounding), sd)


def between_sd(target: Target, *, world: World) -> float:
    """SD between trials of a target on its scale; in a pool of trials that of their mean, and
    beside it the SD between the pooled agents and the few that are simulated for them.
    """
    sd = world.assumptions.value(f"evidence.{_SD_OF[kind_of(target)]}") / sqrt(
        target.trial.n_trials
    )
    return (
        hypot(sd, world.assumptions.value("evidence.between_agents_sd"))
        if target.trial.pooled_with
        else sd
    )


def kind_of(target: Target) -> str:
    """``rate``, ``severe`` or ``time``: which spread between trials applies.

    Rates of grade >= 3 and of support hang on local thresholds more than rates of fever do.
    """
    if not target.is_rate:
        return "time"
    name, family = target.figure.metric, METRIC_MEANINGS[target.figure.metric].family
    is_severe = (
        "grade3" in name or "grade4" in name or "high_grade" in name or name.endswith("use_rate")
    )
    return "severe" if is_severe or family in _SEVERE else "rate"


def link(value: float, *, is_rate: bool, n: float) -> float:
    """Logit of a rate with half an event added to either side, logarithm of a time; NaN for what
    cannot be measured.
    """
    if np.isnan(value) or n <= 0 or (not is_rate and value <= 0.0):
        return float("nan")
    if not is_rate:
        return float(np.log(value))
    events = value * n
    return float(np.log((events + 0.5) / (n - events + 0.5)))


def rate_chance(rate: float, *, n: int) -> float:
    """Variance of :func:`link` over all counts of ``n`` that could have been, at the rate seen
    (half an event added to either side). The textbook formula 1/np(1-p) is far too large where
    events are few.

    >>> round(rate_chance(0.5, n=100), 3), round(rate_chance(0.0, n=100), 3)
    (0.04, 0.391)
    """
    p = (rate * n + 0.5) / (n + 1.0)
    counts = np.arange(binom.ppf(1e-7, n, p), binom.ppf(1.0 - 1e-7, n, p) + 1.0)
    weights, scores = binom.pmf(counts, n, p), np.log((counts + 0.5) / (n - counts + 0.5))
    return float(
        np.average(np.square(scores - np.average(scores, weights=weights)), weights=weights)
    )
