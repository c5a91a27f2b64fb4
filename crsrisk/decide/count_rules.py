"""Trials without a control arm, as counts of successes: stop with too few, claim with enough. Exact by enumeration.

Success is *no* CRS of grade >= 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from crsrisk.decide.bayes_single_arm import bayes_single_arm_oc, predictive_probability
from crsrisk.decide.checks import FloatArray
from crsrisk.decide.simon import simon_two_stage
from crsrisk.domain.trial import SingleArm
from crsrisk.errors import InputError

Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CountRule:
    """At each look: stop with ``lower`` successes or fewer (-1: never), claim with ``upper`` or more (above n: never)."""

    at_look: Whole
    lower: Whole
    upper: Whole


def count_rule(arm: SingleArm, *, where: str) -> CountRule:
    """The rule of a single-arm design.

    >>> rule = count_rule(SingleArm(method="simon_optimal", benchmark=0.6, target=0.8), where="design")
    >>> rule.at_look.tolist(), rule.lower.tolist(), rule.upper.tolist()
    ([11, 43], [7, 30], [12, 31])
    """
    if arm.method == "predictive_probability":
        return _predictive(arm, where=where)
    found = simon_two_stage(p0=arm.benchmark, p1=arm.target, alpha=arm.alpha, beta=arm.beta)
    best = found.optimal if arm.method == "simon_optimal" else found.minimax
    return CountRule(np.array([best.n1, best.n]), np.array([best.r1, best.r]), np.array([best.n1 + 1, best.r + 1]))


def _predictive(arm: SingleArm, *, where: str) -> CountRule:
    n_max, looks = int(arm.n_max or 0), list(arm.looks or [])
    final = bayes_single_arm_oc(n=n_max, prior=arm.prior, go_if=f"P(p>{arm.benchmark:.12f}|x)>={arm.theta_end:.12f}",
                                p=[arm.target]).min_events_for_go
    if final is None:
        raise InputError(where=where, key="theta_end", found=f"{arm.theta_end:g} with n_max {n_max}",
                         expected="an end that some result reaches", cure="raise n_max, or lower theta_end")
    lower = []
    for n in looks:
        chance = [predictive_probability(x=x, n=n, n_max=n_max, prior=arm.prior, p0=arm.benchmark, theta_T=arm.theta_end)
                  for x in range(n + 1)]
        lower.append(int(np.sum(np.array(chance) < arm.theta_low)) - 1)  # it rises with x
    at_look = np.array([*looks, n_max])
    return CountRule(at_look, np.array([*lower, final - 1]), np.append(at_look[:-1] + 1, final))


@dataclass(frozen=True, eq=False)
class CountCharacteristics:
    """Exact probabilities of a claim and of stopping without one, at each look, and the mean number of patients."""

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
