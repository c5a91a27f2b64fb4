"""Policy values: what each way of choosing whom to treat does to 100 patients, with intervals, and
the regret that it leaves.

:class:`IndividualEffects` holds what one strategy of prophylaxis does to each patient; a policy
says who is treated (by a score, by a limited number of doses, by an oracle). Every figure is a mean
over patients of what a policy does to each, so one resampling of patients gives the intervals of
all of them, of ratios and of differences between policies alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.potential_outcomes import (
    Harms,
    Ledger,
    LedgerRow,
    PotentialOutcomes,
    ResponseWorld,
    TrueRisks,
)
from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable

FloatArray = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class IndividualEffects:
    """Each patient under one strategy, as chances (or as 0 and 1 where outcomes are known); all of
    shape (n,).

    ``risk`` and ``risk_treated``: CRS of grade >= 2 without and with it. ``is_given``: chance that
    anything is given, once the strategy is chosen (below 1 for drugs given at fever).
    ``infections_added`` and ``responses_lost`` may be negative: a prevented CRS spares its rescue
    drugs.
    """

    risk: FloatArray
    risk_treated: FloatArray
    is_given: FloatArray
    infections_added: FloatArray
    responses_lost: FloatArray

    def __len__(self) -> int:
        return len(self.risk)

    @property
    def averted(self) -> FloatArray:
        """Chance of CRS of grade >= 2 that the strategy takes away, by patient."""
        return self.risk - self.risk_treated

    @property
    def risk_ratio(self) -> float:
        """Events with over events without the strategy, everybody treated (1 when there is no
        event).
        """
        usual = float(self.risk.mean())
        return float(self.risk_treated.mean()) / usual if usual > 0.0 else 1.0

    def harm(self, harms: Harms) -> FloatArray:
        """Harm in CRS events, by patient."""
        return (
            harms.infection_weight * self.infections_added
            + harms.response_weight * self.responses_lost
            + harms.burden_per_course * self.is_given
        )

    def gain(self, harms: Harms) -> FloatArray:
        """Net benefit in CRS events, by patient: averted less harm."""
        return self.averted - self.harm(harms)

    def ledger(self, harms: Harms) -> Ledger:
        """The harms of the mean treated patient, and the threshold that follows."""
        return Ledger(
            self.risk_ratio,
            (
                LedgerRow(
                    "serious infections within 90 days",
                    float(self.infections_added.mean()),
                    harms.infection_weight,
                ),
                LedgerRow(
                    "tumour responses lost",
                    float(self.responses_lost.mean()),
                    harms.response_weight,
                ),
                LedgerRow(
                    "the course itself", float(self.is_given.mean()), harms.burden_per_course
                ),
            ),
        )


def expected_effects(
    risks: TrueRisks,
    strategy: str,
    *,
    response_world: ResponseWorld,
    split_half: int | None = None,
    is_given: FloatArray | None = None,
) -> IndividualEffects:
    """What an oracle expects; ``split_half`` 0 or 1 counts CRS in every other replicate only."""
    k = risks.index(strategy)
    halves = (risks.first_half, risks.second_half)
    risk = risks.grade2plus if split_half is None else halves[split_half]
    lost = risks.response[response_world]
    given = np.ones(len(risks.patient_id)) if is_given is None else is_given
    return IndividualEffects(
        risk[0], risk[k], given, risks.infection[k] - risks.infection[0], lost[0] - lost[k]
    )


def realised_effects(
    outcomes: PotentialOutcomes,
    strategy: str,
    *,
    response_world: ResponseWorld,
    by_support: bool = False,
) -> IndividualEffects:
    """What happens to each simulated patient with CRS, and the chances of infection and lost
    response.

    ``by_support`` counts who needs support instead of who is graded 2 or more, which a hidden fever
    does not touch.
    """
    k = outcomes.index(strategy)
    lost = outcomes.response_risk[response_world]
    event = outcomes.needs_support if by_support else outcomes.grade >= 2
    return IndividualEffects(
        event[0].astype(np.float64),
        event[k].astype(np.float64),
        outcomes.is_exposed[k].astype(np.float64),
        outcomes.infection_risk[k] - outcomes.infection_risk[0],
        lost[0] - lost[k],
    )


def assumed_effects(
    risk: FloatArray, *, risk_ratio: float, infections_added: float, responses_lost: float
) -> IndividualEffects:
    """Effects by a constant risk ratio and stated harms: all that a table of real patients
    allows.
    """
    ones = np.ones(len(risk))
    return IndividualEffects(
        risk, risk_ratio * risk, ones, infections_added * ones, responses_lost * ones
    )


def with_risk_ratio(effects: IndividualEffects, risk_ratio: float) -> IndividualEffects:
    """The same patients and harms under a constant risk ratio."""
    return replace(effects, risk_treated=risk_ratio * effects.risk)


def at_or_above(score: FloatArray, threshold: float) -> FloatArray:
    """1 for everybody whose score reaches the threshold, else 0.

    >>> at_or_above(np.array([0.1, 0.3]), 0.2).tolist()
    [0.0, 1.0]
    """
    return (score >= threshold).astype(np.float64)


def top_share(score: FloatArray, share: float) -> FloatArray:
    """Doses for a share of the patients, highest scores first; those who tie for the last doses
    share them evenly.

    Raises :class:`InputError` for a share outside 0-1.

    >>> top_share(np.array([0.1, 0.9, 0.5, 0.5]), 0.5).tolist()
    [0.0, 1.0, 0.5, 0.5]
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(
            where="doses",
            key="share",
            found=share,
            expected="0 to 1 of the patients",
            cure="write doses for each 100 patients, 0 to 100",
        )
    left, given = share * len(score), np.zeros(len(score))
    order = np.argsort(-score, kind="stable")
    for level in np.split(order, np.flatnonzero(np.diff(score[order])) + 1):
        if left <= 1e-12:
            break
        given[level] = min(1.0, left / len(level))
        left -= len(level)
    return given


def best_threshold(score: FloatArray, gain: FloatArray) -> float:
    """The threshold of the score at which treating everybody above gains most in these patients;
    infinite: nobody.

    >>> best_threshold(np.array([0.1, 0.2, 0.3]), np.array([-1.0, 0.5, 1.0]))
    0.2
    """
    order = np.argsort(-score, kind="stable")
    total = np.cumsum(gain[order])
    # patients of one score are treated together
    is_last = np.append(np.diff(score[order]) != 0.0, True)
    total = np.where(is_last, total, -np.inf)
    k = int(np.argmax(total))
    return float(score[order][k]) if total[k] > 0.0 else inf


def reliability(first: FloatArray, second: FloatArray) -> float:
    """How much of the spread between patients is real when two halves of the replicates give
    ``first`` and ``second``: their correlation, not below 0 (split-half reliability).
    """
    spread = float(np.sqrt(first.var() * second.var()))
    if spread <= 0.0:
        return 1.0
    return float(
        np.clip(np.mean((first - first.mean()) * (second - second.mean())) / spread, 0.0, 1.0)
    )


def shrunken_gain(gain: FloatArray, *, reliability: float) -> FloatArray:
    """Gains drawn to their mean as far as they are noise: what an oracle expects after finitely
    many replicates.
    """
    return np.asarray(gain.mean() + reliability * (gain - gain.mean()))


# what one policy does to each patient, in the order of the columns
FIGURES = (
    "treated",
    "averted",
    "missed",
    "needless",
    "infections_added",
    "responses_lost",
    "net_benefit",
)


def contributions(treated: FloatArray, effects: IndividualEffects, *, harms: Harms) -> FloatArray:
    """What a policy does to each patient, shape (n, len(FIGURES)); ``treated`` is 0-1."""
    return np.column_stack(
        [
            treated * effects.is_given,
            treated * effects.averted,
            (1.0 - treated) * effects.risk,
            treated * effects.is_given * (1.0 - effects.risk),
            treated * effects.infections_added,
            treated * effects.responses_lost,
            treated * effects.gain(harms),
        ]
    )


def cross_fitted_policy(
    split_halves: tuple[IndividualEffects, IndividualEffects], *, harms: Harms
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Contributions of an oracle that chooses by one half of the replicates and is counted in the
    other, and its choices.

    Chosen and counted in the same replicates, it would seem to know what was luck.
    """
    gains = [half.gain(harms) for half in split_halves]
    share = reliability(gains[0], gains[1])
    choices = [(shrunken_gain(gain, reliability=share) > 0.0).astype(np.float64) for gain in gains]
    parts = [
        contributions(choices[0], split_halves[1], harms=harms),
        contributions(choices[1], split_halves[0], harms=harms),
    ]
    return np.asarray((parts[0] + parts[1]) / 2.0), (choices[0], choices[1])


def resampling_weights(n: int, *, n_resamples: int, seed: int) -> FloatArray:
    """How often each patient is drawn in each resample, over n: shape (n_resamples, n)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples) / n


def percentile_estimate(value: float, draws: FloatArray) -> Estimate:
    """A finite figure with the 95% percentile interval of its draws; an end that is not finite is
    NaN.

    >>> percentile_estimate(2.0, np.array([1.0, 2.0, 3.0]))
    Estimate(2, 1 to 3)
    """
    known = draws[~np.isnan(draws)]
    if not len(known):
        return Estimate(value)
    ends = np.quantile(known, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], method="nearest")
    low, high = (float(end) if np.isfinite(end) else nan for end in ends)
    return Estimate(value, low, high)


def unbounded_estimate(value: float, draws: FloatArray, *, reason: str) -> Estimate | NotEstimable:
    """A figure that can be infinite, such as a number needed to treat where nothing is averted.

    Infinite in the mean and in its draws it is not estimable, for ``reason``. Infinite in the mean
    alone, its value is NaN and its finite end is kept: "none (8.0 to none)".

    >>> unbounded_estimate(inf, np.array([8.0, inf]), reason="nothing is averted").low
    8.0
    >>> unbounded_estimate(inf, np.array([inf, inf]), reason="nothing is averted")
    NotEstimable(reason='nothing is averted')
    """
    estimate = percentile_estimate(value if isfinite(value) else nan, draws)
    is_known = any(isfinite(end) for end in (estimate.value, estimate.low, estimate.high))
    return estimate if is_known else NotEstimable(reason)


def finite_value(figure: Estimate | NotEstimable) -> float | None:
    """The value of a figure, None where there is no finite one."""
    is_known = isinstance(figure, Estimate) and isfinite(figure.value)
    return figure.value if isinstance(figure, Estimate) and is_known else None


NOBODY_TREATED = NotEstimable("nobody is treated")
NOTHING_AVERTED = "no CRS of grade 2 or more is averted"
NOTHING_ADDED = "no infection is added"


@dataclass(frozen=True)
class PolicyValue:
    """What one policy does to 100 patients.

    Parameters
    ----------
    policy : whom it treats, in words.
    treated : patients of 100 who are given something.
    averted : CRS of grade >= 2 averted.
    missed : CRS of grade >= 2 among those left untreated.
    needless : treated although no CRS of grade >= 2 would have come.
    infections_added, responses_lost : below 0 where harm is spared.
    net_benefit : averted less harms, in CRS events.
    nnt, nnh : treated for one CRS averted, for one infection added; a value of NaN beside a finite
        low end: none is averted (or added) on average, though the interval holds such numbers.
    net_benefit_without_link : the same where quietening T cells costs no response; None where no
        world of response was asked about.
    """

    policy: str
    treated: Estimate
    averted: Estimate
    missed: Estimate
    needless: Estimate
    infections_added: Estimate
    responses_lost: Estimate
    net_benefit: Estimate
    nnt: Estimate | NotEstimable
    nnh: Estimate | NotEstimable
    net_benefit_without_link: float | None = None


def number_needed(treated: FloatArray, events: FloatArray) -> FloatArray:
    """Treated over events, infinite where there is no event."""
    return np.where(events > 1e-12, treated / np.where(events > 1e-12, events, 1.0), np.inf)


def policy_value(policy: str, each: FloatArray, weights: FloatArray) -> PolicyValue:
    """One policy's figures from its contributions (n, figure) and the resampling weights (resample,
    n).
    """
    mean, draws = each.mean(axis=0), weights @ each

    def per_100(name: str) -> Estimate:
        k = FIGURES.index(name)
        return percentile_estimate(100.0 * float(mean[k]), 100.0 * draws[:, k])

    def needed(event: str, reason: str) -> Estimate | NotEstimable:
        k = FIGURES.index(event)
        if mean[0] <= 0.0:
            return NOBODY_TREATED
        return unbounded_estimate(
            float(number_needed(mean[:1], mean[k : k + 1])[0]),
            number_needed(draws[:, 0], draws[:, k]),
            reason=reason,
        )

    return PolicyValue(
        policy,
        treated=per_100("treated"),
        averted=per_100("averted"),
        missed=per_100("missed"),
        needless=per_100("needless"),
        infections_added=per_100("infections_added"),
        responses_lost=per_100("responses_lost"),
        net_benefit=per_100("net_benefit"),
        nnt=needed("averted", NOTHING_AVERTED),
        nnh=needed("infections_added", NOTHING_ADDED),
    )


def policy_table(
    policies: Mapping[str, FloatArray], *, n_resamples: int, seed: int
) -> list[PolicyValue]:
    """Values of several policies of the same patients from their contributions."""
    n = len(next(iter(policies.values())))
    weights = resampling_weights(n, n_resamples=n_resamples, seed=seed)
    return [policy_value(name, each, weights) for name, each in policies.items()]


@dataclass(frozen=True)
class Regret:
    """Net benefit per 100 patients that a policy leaves to the mechanism oracle, and where it goes.

    ``threshold``: to the best threshold of the same score; ``model``: from there to what can be
    known of the covariates; ``information``: from there to the oracle. Only the first two can be
    put right without measuring something new.
    """

    total: Estimate
    threshold: Estimate
    model: Estimate
    information: Estimate


def regret(steps: Sequence[FloatArray], *, n_resamples: int, seed: int) -> Regret:
    """``steps``: contributions of the policy, the best threshold, the covariate oracle and the
    mechanism oracle.

    A loss can come out below 0 by chance (its interval says so): oracles rest on finitely many
    replicates.
    """
    values = np.column_stack([each[:, FIGURES.index("net_benefit")] for each in steps])
    draws = 100.0 * resampling_weights(len(values), n_resamples=n_resamples, seed=seed) @ values
    mean = 100.0 * values.mean(axis=0)

    def between(a: int, b: int) -> Estimate:
        return percentile_estimate(float(mean[b] - mean[a]), draws[:, b] - draws[:, a])

    return Regret(between(0, 3), between(0, 1), between(1, 2), between(2, 3))
