"""Trials without a control arm, as counts of successes: stop with too few, claim with enough.

Success is *no* CRS of grade >= 2. A rule comes from Simon's two-stage designs
(:mod:`crsrisk.trials.simon`) or from a Beta prior: claim when the posterior is convinced at the
end, stop when the chance of such an end has become small. What a rule does is exact, by
enumeration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betainc, betaincc
from scipy.stats import betabinom, binom

from crsrisk.data.trial_plan import SingleArm
from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    FloatArray,
    WholeArray,
    choice,
    count,
    events_of,
    inner_rate,
    numbers,
    positive,
    share,
)
from crsrisk.trials.simon import simon_two_stage

WHERE = "Bayesian single-arm design"
_RULE = re.compile(
    r"\s*p\(\s*p\s*([<>])\s*(\d*\.?\d+)\s*\|\s*x\s*\)\s*>=?\s*(\d*\.?\d+)\s*", re.IGNORECASE
)


@dataclass(frozen=True, eq=False, repr=False)
class BayesSingleArm(Answer):
    """A rule as counts of events: go with at most (or at least) so many, and how often that happens
    by true rate.

    ``max_events_for_go`` belongs to rules "P(p < ...)", ``min_events_for_go`` to "P(p > ...)"; the
    other one is None, and both are None when no result leads to go.
    """

    max_events_for_go: int | None
    min_events_for_go: int | None
    p_go: FloatArray


def predictive_probability(
    *,
    x: int,
    n: int,
    n_max: int,
    prior: Sequence[float],
    p0: float,
    theta_T: float,
    direction: Literal["greater", "less"] = "greater",
) -> float:
    """Probability that a single-arm trial, carried to its end, will convince.

    The end convinces when P(p > p0 | all data) is above ``theta_T``. Sum over future events of
    their beta-binomial probability.

    Parameters
    ----------
    x, n : events (or successes) seen so far, and patients.
    n_max : patients at the end.
    prior : a and b of the Beta prior.
    p0 : the rate that must be exceeded, above 0 and below 1.
    theta_T : probability that the posterior must reach at the end, 0 to 1.
    direction : "greater" asks for P(p > p0), "less" for P(p < p0).

    Returns
    -------
    float
        The predictive probability, 0 to 1.

    Raises
    ------
    InputError
        For counts that cannot be, or a prior that is not two numbers above 0.

    References
    ----------
    Lee & Liu, Clin Trials 2008;5:93.

    Examples
    --------
    >>> round(
    ...     predictive_probability(x=16, n=23, n_max=40, prior=[0.6, 0.4], p0=0.6, theta_T=0.9), 4
    ... )
    0.5656
    """
    a, b = _prior(prior)
    last = count(n_max, where=WHERE, key="n_max", least=1)
    seen = events_of(n, n=last, where=WHERE, key="n")
    events = events_of(x, n=seen, where=WHERE, key="x")
    limit = inner_rate(p0, where=WHERE, key="p0")
    conviction = share(theta_T, where=WHERE, key="theta_T")
    choice(direction, options=("greater", "less"), where=WHERE, key="direction")
    future = np.arange(last - seen + 1)
    shape = (a + events + future, b + last - events - future)
    posterior = betaincc(*shape, limit) if direction == "greater" else betainc(*shape, limit)
    chance = betabinom.pmf(future, last - seen, a + events, b + seen - events)
    return float(chance[posterior > conviction].sum())


def bayes_single_arm(
    *, n: int, prior: Sequence[float], go_if: str, p: Sequence[float]
) -> BayesSingleArm:
    """A Bayesian go / no-go rule as counts of events, and how often it says go by true event rate.

    Parameters
    ----------
    n : patients.
    prior : a and b of the Beta prior.
    go_if : "P(p<0.20|x)>=0.95", the posterior probability that the rate is below (or above) a
        limit.
    p : true event rates, 0 to 1.

    Returns
    -------
    BayesSingleArm

    Raises
    ------
    InputError
        For a rule that cannot be read, or a prior that is not two numbers above 0.

    References
    ----------
    Thall & Simon, Biometrics 1994;50:337.

    Examples
    --------
    >>> rule = bayes_single_arm(n=29, prior=[0.5, 0.5], go_if="P(p<0.20|x)>=0.95", p=[0.1])
    >>> rule.max_events_for_go, round(float(rule.p_go[0]), 3)
    (2, 0.435)
    """
    a, b = _prior(prior)
    patients = count(n, where=WHERE, key="n", least=1)
    match = _RULE.fullmatch(go_if) if isinstance(go_if, str) else None
    if match is None:
        raise InputError(
            where=WHERE,
            key="go_if",
            found=repr(go_if),
            expected="P(p<0.20|x)>=0.95",
            cure="write it so",
        )
    is_below = match.group(1) == "<"
    limit = inner_rate(float(match.group(2)), where=WHERE, key="go_if")
    conviction = inner_rate(float(match.group(3)), where=WHERE, key="go_if")
    rates = numbers(p, where=WHERE, key="p")
    for rate in rates:
        share(float(rate), where=WHERE, key="p")
    events = np.arange(patients + 1)
    shape = (a + events, b + patients - events)
    is_go = (betainc(*shape, limit) if is_below else betaincc(*shape, limit)) >= conviction
    p_go = np.asarray((binom.pmf(events, patients, rates[:, None]) * is_go).sum(axis=1))
    if not is_go.any():
        return BayesSingleArm(None, None, p_go)
    edge = int(events[is_go][-1] if is_below else events[is_go][0])
    return BayesSingleArm(edge if is_below else None, None if is_below else edge, p_go)


def _prior(prior: Sequence[float]) -> tuple[float, float]:
    ab = numbers(prior, where=WHERE, key="prior")
    if ab.size != 2:
        raise InputError(
            where=WHERE,
            key="prior",
            found=prior,
            expected="two numbers, a and b of Beta(a, b)",
            cure="write [0.5, 0.5] for Jeffreys' prior",
        )
    return positive(float(ab[0]), where=WHERE, key="prior"), positive(
        float(ab[1]), where=WHERE, key="prior"
    )


# --- rules as counts at each look ---


@dataclass(frozen=True, eq=False)
class CountRule:
    """At each look: stop with ``lower`` successes or fewer (-1: never), claim with ``upper`` or
    more (above n: never).
    """

    at_look: WholeArray
    lower: WholeArray
    upper: WholeArray


def count_rule(arm: SingleArm, *, where: str) -> CountRule:
    """The rule of a single-arm design.

    >>> simon = SingleArm(method="simon_optimal", benchmark=0.6, target=0.8)
    >>> rule = count_rule(simon, where="design")
    >>> rule.at_look.tolist(), rule.lower.tolist(), rule.upper.tolist()
    ([11, 43], [7, 30], [12, 31])
    """
    if arm.method == "predictive_probability":
        return _predictive(arm, where=where)
    designs = simon_two_stage(p0=arm.benchmark, p1=arm.target, alpha=arm.alpha, beta=arm.beta)
    best = designs.optimal if arm.method == "simon_optimal" else designs.minimax
    return CountRule(
        np.array([best.n1, best.n]),
        np.array([best.r1, best.r]),
        np.array([best.n1 + 1, best.r + 1]),
    )


def _predictive(arm: SingleArm, *, where: str) -> CountRule:
    n_max, looks = int(arm.n_max or 0), list(arm.looks or [])
    final = bayes_single_arm(
        n=n_max,
        prior=arm.prior,
        go_if=f"P(p>{arm.benchmark:.12f}|x)>={arm.theta_end:.12f}",
        p=[arm.target],
    ).min_events_for_go
    if final is None:
        raise InputError(
            where=where,
            key="theta_end",
            found=f"{arm.theta_end:g} with n_max {n_max}",
            expected="an end that some result reaches",
            cure="raise n_max, or lower theta_end",
        )
    lower = []
    for n in looks:
        chance = [
            predictive_probability(
                x=x, n=n, n_max=n_max, prior=arm.prior, p0=arm.benchmark, theta_T=arm.theta_end
            )
            for x in range(n + 1)
        ]
        lower.append(int(np.sum(np.array(chance) < arm.theta_low)) - 1)  # it rises with x
    at_look = np.array([*looks, n_max])
    return CountRule(at_look, np.array([*lower, final - 1]), np.append(at_look[:-1] + 1, final))


@dataclass(frozen=True, eq=False)
class CountCharacteristics:
    """Exact probabilities of a claim and of stopping without one, at each look, and the mean number
    of patients.
    """

    claims: FloatArray
    stops: FloatArray
    expected_n: float

    @property
    def p_claim(self) -> float:
        """Probability of a claim at any look."""
        return float(self.claims.sum())


def count_rule_oc(rule: CountRule, *, p_success: float) -> CountCharacteristics:
    """What a rule does when patients do well with this probability, exactly.

    >>> rule = CountRule(np.array([11, 43]), np.array([7, 30]), np.array([12, 31]))
    >>> round(count_rule_oc(rule, p_success=0.7).p_claim, 5)
    0.34488
    """
    running, before, mean = np.ones(1), 0, 0.0
    claims, stops = np.zeros(rule.at_look.size), np.zeros(rule.at_look.size)
    for k, n in enumerate(map(int, rule.at_look)):
        mean += (n - before) * float(running.sum())
        running = np.convolve(running, binom.pmf(np.arange(n - before + 1), n - before, p_success))
        x = np.arange(n + 1)
        has_claim, has_stopped = x >= rule.upper[k], x <= rule.lower[k]
        claims[k], stops[k] = running[has_claim].sum(), running[has_stopped].sum()
        running, before = np.where(has_claim | has_stopped, 0.0, running), n
    return CountCharacteristics(claims, stops, mean)
