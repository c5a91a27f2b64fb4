"""Policy table: what each way of choosing whom to treat does to 100 patients, with intervals, and what it leaves undone.

Every figure is a mean over patients of what a policy does to each, so one resampling of patients gives the intervals of
all of them, of ratios and of differences between policies alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk.decide.answers import Answer
from crsrisk.decide.checks import FloatArray
from crsrisk.decide.stakes import Stakes
from crsrisk.decide.targeting import believed_gain, reliability
from crsrisk.domain.harms import Harms

# what one policy does to each patient, in the order of the columns
FIGURES = ("treated", "averted", "missed", "needless", "infections_added", "responses_lost", "net_benefit")
LEVEL = 0.95


@dataclass(frozen=True)
class Interval(Answer):
    """A figure with its 95% interval; None where it cannot be said (a number needed to treat when nothing is averted)."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PolicyRow(Answer):
    """One policy, per 100 patients.

    ``missed``: CRS of grade >= 2 among those left untreated. ``needless``: treated although no CRS of grade >= 2 would have
    come. ``net_benefit``: averted less harms, in CRS events. ``nnt``, ``nnh``: treated for one CRS averted, for one
    infection added.
    """

    policy: str
    treated: Interval
    averted: Interval
    missed: Interval
    needless: Interval
    infections_added: Interval
    responses_lost: Interval
    net_benefit: Interval
    nnt: Interval
    nnh: Interval


def contributions(treated: FloatArray, stakes: Stakes, *, harms: Harms) -> FloatArray:
    """What a policy does to each patient, shape (n, len(FIGURES)); ``treated`` is 0-1."""
    return np.column_stack([
        treated * stakes.is_given, treated * stakes.averted, (1.0 - treated) * stakes.risk,
        treated * stakes.is_given * (1.0 - stakes.risk), treated * stakes.infections_added,
        treated * stakes.responses_lost, treated * stakes.gain(harms)])


def chosen_apart(
    halves: tuple[Stakes, Stakes], *, harms: Harms
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Contributions of an oracle that chooses by one half of the repetitions and is counted in the other, and its choices.

    Chosen and counted in the same repetitions, it would seem to know what was luck.
    """
    gains = [half.gain(harms) for half in halves]
    trust = reliability(gains[0], gains[1])
    choices = [(believed_gain(gain, trust=trust) > 0.0).astype(np.float64) for gain in gains]
    parts = [contributions(choices[0], halves[1], harms=harms), contributions(choices[1], halves[0], harms=harms)]
    return np.asarray((parts[0] + parts[1]) / 2.0), (choices[0], choices[1])


def resamples(n: int, *, n_resamples: int, seed: int) -> FloatArray:
    """How often each patient is drawn in each resample, over n: shape (n_resamples, n)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples) / n


def interval(value: float | None, draws: FloatArray) -> Interval:
    """The value with the percentile interval of its draws; ends that are not finite are None."""
    found = draws[~np.isnan(draws)]
    ends = np.quantile(found, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], method="nearest") if len(found) else [np.nan] * 2
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return Interval(value if value is not None and np.isfinite(value) else None, low, high)


def _needed(given: FloatArray, events: FloatArray) -> NDArray[np.float64]:
    return np.where(events > 1e-12, given / np.where(events > 1e-12, events, 1.0), np.inf)


def policy_row(policy: str, each: FloatArray, weights: FloatArray) -> PolicyRow:
    """One policy's figures from its contributions (n, figure) and the resampling weights (resample, n)."""
    mean, draws = each.mean(axis=0), weights @ each
    per_100 = {name: interval(100.0 * float(mean[k]), 100.0 * draws[:, k]) for k, name in enumerate(FIGURES)}

    def needed(event: str) -> Interval:
        k = FIGURES.index(event)
        if mean[0] <= 0.0:
            return Interval(None, None, None)
        return interval(float(_needed(mean[:1], mean[k:k + 1])[0]), _needed(draws[:, 0], draws[:, k]))

    return PolicyRow(policy, **per_100, nnt=needed("averted"), nnh=needed("infections_added"))


def policy_table(policies: Mapping[str, FloatArray], *, n_resamples: int, seed: int) -> list[PolicyRow]:
    """Rows of several policies of the same patients from their contributions."""
    n = len(next(iter(policies.values())))
    weights = resamples(n, n_resamples=n_resamples, seed=seed)
    return [policy_row(name, each, weights) for name, each in policies.items()]


@dataclass(frozen=True)
class Regret(Answer):
    """Net benefit per 100 patients that a policy leaves to the mechanism oracle, and where it goes.

    ``threshold``: to the best threshold of the same score; ``model``: from there to what can be known of the covariates;
    ``information``: from there to the oracle. Only the first two can be put right without measuring something new.
    """

    total: Interval
    threshold: Interval
    model: Interval
    information: Interval


def regret(steps: Sequence[FloatArray], *, n_resamples: int, seed: int) -> Regret:
    """``steps``: contributions of the policy, the best threshold, the covariate oracle and the mechanism oracle.

    A loss can come out below 0 by chance (its interval says so): oracles rest on finitely many repetitions.
    """
    values = np.column_stack([each[:, FIGURES.index("net_benefit")] for each in steps])
    draws = 100.0 * resamples(len(values), n_resamples=n_resamples, seed=seed) @ values
    mean = 100.0 * values.mean(axis=0)

    def between(a: int, b: int) -> Interval:
        return interval(float(mean[b] - mean[a]), draws[:, b] - draws[:, a])

    return Regret(between(0, 3), between(0, 1), between(1, 2), between(2, 3))
