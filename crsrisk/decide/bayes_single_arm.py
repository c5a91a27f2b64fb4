"""Single-arm decisions with a Beta prior: go or no-go at the end, and the chance of a good end seen from the middle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betainc, betaincc
from scipy.stats import betabinom, binom

from crsrisk.decide.answers import Answer
from crsrisk.decide.checks import FloatArray, choice, count, events_of, inner_rate, numbers, positive, share
from crsrisk.errors import InputError

WHERE = "Bayesian single-arm design"
_RULE = re.compile(r"\s*p\(\s*p\s*([<>])\s*(\d*\.?\d+)\s*\|\s*x\s*\)\s*>=?\s*(\d*\.?\d+)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class BayesSingleArm(Answer):
    """A rule as counts of events: go with at most (or at least) so many, and how often that happens by true rate.

    ``max_events_for_go`` belongs to rules "P(p < ...)", ``min_events_for_go`` to "P(p > ...)"; the other one is None, and
    both are None when no result leads to go.
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
    """Probability that the trial, carried to its end, will convince: P(p > p0 | all data) above ``theta_T``.

    Parameters
    ----------
    x, n : events (or successes) seen so far, and patients.
    n_max : patients at the end.
    prior : a and b of the Beta prior.
    direction : "greater" asks for P(p > p0), "less" for P(p < p0).

    Sum over future events of their beta-binomial probability (Lee & Liu, Clin Trials 2008;5:93).

    >>> round(predictive_probability(x=16, n=23, n_max=40, prior=[0.6, 0.4], p0=0.6, theta_T=0.9), 4)
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
    belief = betaincc(*shape, limit) if direction == "greater" else betainc(*shape, limit)
    chance = betabinom.pmf(future, last - seen, a + events, b + seen - events)
    return float(chance[belief > conviction].sum())


def bayes_single_arm_oc(*, n: int, prior: Sequence[float], go_if: str, p: Sequence[float]) -> BayesSingleArm:
    """How often a Bayesian rule says go, by true event rate.

    Parameters
    ----------
    n : patients.
    prior : a and b of the Beta prior.
    go_if : "P(p<0.20|x)>=0.95": the posterior probability that the rate is below (or above) a limit.
    p : true event rates.

    >>> rule = bayes_single_arm_oc(n=29, prior=[0.5, 0.5], go_if="P(p<0.20|x)>=0.95", p=[0.1])
    >>> rule.max_events_for_go, round(float(rule.p_go[0]), 3)
    (2, 0.435)
    """
    a, b = _prior(prior)
    patients = count(n, where=WHERE, key="n", least=1)
    match = _RULE.fullmatch(go_if) if isinstance(go_if, str) else None
    if match is None:
        raise InputError(where=WHERE, key="go_if", found=repr(go_if), expected="P(p<0.20|x)>=0.95", cure="write it so")
    is_below, limit = match.group(1) == "<", inner_rate(float(match.group(2)), where=WHERE, key="go_if")
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
        raise InputError(where=WHERE, key="prior", found=prior, expected="two numbers, a and b of Beta(a, b)",
                         cure="write [0.5, 0.5] for Jeffreys' prior")
    return positive(float(ab[0]), where=WHERE, key="prior"), positive(float(ab[1]), where=WHERE, key="prior")
