"""Likelihood: how probable the published figures are when the simulator says what it says.

A rate is binomial around the trial's own rate, which lies around the simulated one with the SD between trials on the
logit scale (integrated out by Gauss-Hermite quadrature). A median time is lognormal around the simulated one with the
SD between trials and the sampling error of a median. Trials without a printed size count as of
`SIZE_WHEN_UNKNOWN`; figures that nobody could verify have twice the SD between trials, so that none is ever the only
support of a claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, log, sqrt
from types import MappingProxyType

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.special import expit, gammaln

from crsrisk.belief.design import Target
from crsrisk.domain.published import METRIC_MEANINGS, Z_95
from crsrisk.domain.world import World
from crsrisk.errors import InputError
from crsrisk.simulate.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY, published_interval

Values = NDArray[np.float64]
SIZE_WHEN_UNKNOWN = 100
WHOLE = 1.0 / sqrt(12.0)  # SD of rounding to a whole unit, as printed medians are
MOST_ROWS_OF_A_TRIAL = 4
_NODES, _WEIGHTS = hermegauss(21)
_SEVERE = ("grade >= 3", "support")
_SD_OF: Mapping[str, str] = MappingProxyType({"rate": "between_trial_rate_sd", "severe": "between_trial_severe_sd",
                                              "time": "between_trial_time_sd"})


@dataclass(frozen=True)
class Observation:
    """A target as the likelihood sees it: a count of ``n`` or the logarithm of a time with its sampling SD."""

    target: Target
    events: float
    n: float
    log_time: float
    sampling_sd: float
    between_sd: float


def kind_of(target: Target) -> str:
    """``rate``, ``severe`` or ``time``: which spread between trials applies.

    Rates of grade >= 3 and of support hang on local thresholds more than rates of fever do.
    """
    if not target.is_rate:
        return "time"
    name, family = target.figure.metric, METRIC_MEANINGS[target.figure.metric].family
    is_severe = "grade3" in name or "grade4" in name or "high_grade" in name or name.endswith("use_rate")
    return "severe" if is_severe or family in _SEVERE else "rate"


def between_sd(target: Target, *, world: World) -> float:
    """SD between trials of a target on its scale."""
    return world.assumptions.value(f"evidence.{_SD_OF[kind_of(target)]}")


def observe_target(target: Target, *, world: World) -> Observation:
    """Counts or times of one target with both of its spreads; a recalled figure has twice the SD between trials."""
    figure, sd = target.figure, between_sd(target, world=world) * (1.0 if target.figure.verified else 2.0)
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


def observations(targets: Sequence[Target], *, world: World) -> list[Observation]:
    """All targets; refuses more than four figures of one trial, which would then outweigh the others."""
    names = [target.trial.name for target in targets]
    for name in sorted(set(names)):
        if names.count(name) > MOST_ROWS_OF_A_TRIAL:
            raise InputError(where="calibration", key="targets", found=f"{names.count(name)} figures of {name}",
                             expected=f"at most {MOST_ROWS_OF_A_TRIAL} of one trial",
                             cure="leave the less certain ones out; they are still compared by crsrisk evidence")
    return [observe_target(target, world=world) for target in targets]


def log_likelihood(simulated: Values, error: Values, *, observed: Sequence[Observation]) -> Values:
    """Logarithm of the probability of every observation, summed, for each row of ``simulated`` (point, target).

    ``simulated`` on the scale of :func:`crsrisk.belief.design.link`; ``error`` (same shape, or one row) is the SD of
    what is not known about it: emulation or Monte Carlo. A value that could not be simulated (NaN) counts as the
    least probable of its column.
    """
    total = np.zeros(len(simulated))
    for k, one in enumerate(observed):
        sd = np.sqrt(one.between_sd**2 + np.broadcast_to(error, simulated.shape)[:, k] ** 2)
        part = _rate_part(simulated[:, k], sd, one) if one.target.is_rate else _time_part(simulated[:, k], sd, one)
        if np.isnan(part).all():
            part = np.zeros(len(part))
        total += np.where(np.isnan(part), np.nanmin(part), part)
    return total


def _rate_part(center: Values, sd: Values, one: Observation) -> Values:
    p = np.clip(expit(center[:, None] + sd[:, None] * _NODES), 1e-12, 1.0 - 1e-12)
    choose = gammaln(one.n + 1.0) - gammaln(one.events + 1.0) - gammaln(one.n - one.events + 1.0)
    terms = choose + one.events * np.log(p) + (one.n - one.events) * np.log1p(-p) + np.log(_WEIGHTS / _WEIGHTS.sum())
    top = terms.max(axis=1)
    return np.asarray(top + np.log(np.exp(terms - top[:, None]).sum(axis=1)))


def _time_part(center: Values, sd: Values, one: Observation) -> Values:
    variance = sd**2 + one.sampling_sd**2
    return np.asarray(-0.5 * (one.log_time - center) ** 2 / variance - 0.5 * np.log(2.0 * np.pi * variance))
