"""Policy table: what each way of choosing whom to treat does to 100 patients, with intervals, and
what it leaves undone.

Every figure is a mean over patients of what a policy does to each, so one resampling of patients
gives the intervals of all of them, of ratios and of differences between policies alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from crsrisk.trials.checks import Answer, FloatArray

# IndividualEffects: what one strategy of prophylaxis does to each patient, and what that is worth.


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

    def rows(self, keep: np.ndarray) -> IndividualEffects:
        """The stakes of some patients."""
        return IndividualEffects(
            *(
                getattr(self, name)[keep]
                for name in (
                    "risk",
                    "risk_treated",
                    "is_given",
                    "infections_added",
                    "responses_lost",
                )
            )
        )


def expected_effects(
    risks: TrueRisks,
    strategy: str,
    *,
    response_world: ResponseWorld,
    half: int | None = None,
    is_given: FloatArray | None = None,
) -> IndividualEffects:
    """What an oracle expects; ``half`` 0 or 1 counts CRS in every other repetition only."""
    k = risks.index(strategy)
    two = risks.grade2plus if half is None else (risks.first_half, risks.second_half)[half]
    lost = risks.response[response_world]
    given = np.ones(len(risks.patient_id)) if is_given is None else is_given
    return IndividualEffects(
        two[0], two[k], given, risks.infection[k] - risks.infection[0], lost[0] - lost[k]
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
    """IndividualEffects by a constant risk ratio and stated harms: all that a table of real
    patients allows.
    """
    ones = np.ones(len(risk))
    return IndividualEffects(
        risk, risk_ratio * risk, ones, infections_added * ones, responses_lost * ones
    )


def with_risk_ratio(stakes: IndividualEffects, risk_ratio: float) -> IndividualEffects:
    """The same patients and harms under a constant risk ratio."""
    return replace(stakes, risk_treated=risk_ratio * stakes.risk)


# Targeting: who is treated, by a score, by a limited number of doses, or by an oracle.


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
    return float(score[order][k]) if total[k] > 0.0 else float("inf")


def reliability(first: FloatArray, second: FloatArray) -> float:
    """How much of the spread between patients is real when each half of the repetitions says
    ``first`` and ``second``.

    0 when the halves do not go together, 1 when they agree.
    """
    spread = float(np.sqrt(first.var() * second.var()))
    if spread <= 0.0:
        return 1.0
    return float(
        np.clip(np.mean((first - first.mean()) * (second - second.mean())) / spread, 0.0, 1.0)
    )


def shrunken_gain(gain: FloatArray, *, trust: float) -> FloatArray:
    """Gains drawn to their mean as far as they are noise: what an oracle believes after finitely
    many repetitions.
    """
    return np.asarray(gain.mean() + trust * (gain - gain.mean()))


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
LEVEL = 0.95


@dataclass(frozen=True)
class Interval(Answer):
    """A figure with its 95% interval; None where it cannot be said (a number needed to treat when
    nothing is averted).
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PolicyRow(Answer):
    """One policy, per 100 patients.

    ``missed``: CRS of grade >= 2 among those left untreated. ``needless``: treated although no CRS
    of grade >= 2 would have come. ``net_benefit``: averted less harms, in CRS events. ``nnt``,
    ``nnh``: treated for one CRS averted, for one infection added.
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


def contributions(treated: FloatArray, stakes: IndividualEffects, *, harms: Harms) -> FloatArray:
    """What a policy does to each patient, shape (n, len(FIGURES)); ``treated`` is 0-1."""
    return np.column_stack(
        [
            treated * stakes.is_given,
            treated * stakes.averted,
            (1.0 - treated) * stakes.risk,
            treated * stakes.is_given * (1.0 - stakes.risk),
            treated * stakes.infections_added,
            treated * stakes.responses_lost,
            treated * stakes.gain(harms),
        ]
    )


def cross_fitted_policy(
    halves: tuple[IndividualEffects, IndividualEffects], *, harms: Harms
) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Contributions of an oracle that chooses by one half of the repetitions and is counted in the
    other, and its choices.

    Chosen and counted in the same repetitions, it would seem to know what was luck.
    """
    gains = [half.gain(harms) for half in halves]
    trust = reliability(gains[0], gains[1])
    choices = [(shrunken_gain(gain, trust=trust) > 0.0).astype(np.float64) for gain in gains]
    parts = [
        contributions(choices[0], halves[1], harms=harms),
        contributions(choices[1], halves[0], harms=harms),
    ]
    return np.asarray((parts[0] + parts[1]) / 2.0), (choices[0], choices[1])


def resamples(n: int, *, n_resamples: int, seed: int) -> FloatArray:
    """How often each patient is drawn in each resample, over n: shape (n_resamples, n)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples) / n


def interval(value: float | None, draws: FloatArray) -> Interval:
    """The value with the percentile interval of its draws; ends that are not finite are None."""
    found = draws[~np.isnan(draws)]
    ends = (
        np.quantile(found, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], method="nearest")
        if len(found)
        else [np.nan] * 2
    )
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return Interval(value if value is not None and np.isfinite(value) else None, low, high)


def _needed(given: FloatArray, events: FloatArray) -> NDArray[np.float64]:
    return np.where(events > 1e-12, given / np.where(events > 1e-12, events, 1.0), np.inf)


def policy_row(policy: str, each: FloatArray, weights: FloatArray) -> PolicyRow:
    """One policy's figures from its contributions (n, figure) and the resampling weights (resample,
    n).
    """
    mean, draws = each.mean(axis=0), weights @ each
    per_100 = {
        name: interval(100.0 * float(mean[k]), 100.0 * draws[:, k])
        for k, name in enumerate(FIGURES)
    }

    def needed(event: str) -> Interval:
        k = FIGURES.index(event)
        if mean[0] <= 0.0:
            return Interval(None, None, None)
        return interval(
            float(_needed(mean[:1], mean[k : k + 1])[0]), _needed(draws[:, 0], draws[:, k])
        )

    return PolicyRow(policy, **per_100, nnt=needed("averted"), nnh=needed("infections_added"))


def policy_table(
    policies: Mapping[str, FloatArray], *, n_resamples: int, seed: int
) -> list[PolicyRow]:
    """Rows of several policies of the same patients from their contributions."""
    n = len(next(iter(policies.values())))
    weights = resamples(n, n_resamples=n_resamples, seed=seed)
    return [policy_row(name, each, weights) for name, each in policies.items()]


@dataclass(frozen=True)
class Regret(Answer):
    """Net benefit per 100 patients that a policy leaves to the mechanism oracle, and where it goes.

    ``threshold``: to the best threshold of the same score; ``model``: from there to what can be
    known of the covariates; ``information``: from there to the oracle. Only the first two can be
    put right without measuring something new.
    """

    total: Interval
    threshold: Interval
    model: Interval
    information: Interval


def regret(steps: Sequence[FloatArray], *, n_resamples: int, seed: int) -> Regret:
    """``steps``: contributions of the policy, the best threshold, the covariate oracle and the
    mechanism oracle.

    A loss can come out below 0 by chance (its interval says so): oracles rest on finitely many
    repetitions.
    """
    values = np.column_stack([each[:, FIGURES.index("net_benefit")] for each in steps])
    draws = 100.0 * resamples(len(values), n_resamples=n_resamples, seed=seed) @ values
    mean = 100.0 * values.mean(axis=0)

    def between(a: int, b: int) -> Interval:
        return interval(float(mean[b] - mean[a]), draws[:, b] - draws[:, a])

    return Regret(between(0, 3), between(0, 1), between(1, 2), between(2, 3))
