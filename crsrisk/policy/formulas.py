"""What a policy of prophylaxis does to a population whose risks are known: treated, averted,
spared, and the regret.

A policy treats everybody with risk >= t. Risks are taken as true and the risk ratio of prophylaxis
as the same for all; value is counted in CRS events of grade >= 2 per patient, (1 - RR) x events
among the treated - h x treated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from scipy.special import expit

from crsrisk.errors import InputError
from crsrisk.results import to_plain
from crsrisk.trials.checks import (
    Answer,
    ByNumber,
    inner_threshold,
    non_negative,
    numbers,
    percent,
    positive,
    relative_risk,
    threshold_below_1,
)
from crsrisk.trials.risk_distribution import BetaRisk, Risk, RiskSpread, risk_spread

WHERE = "policy"
_AT_OR_ABOVE = re.compile(r"\s*r\s*>=\s*([\d.eE+-]+)\s*")
_SHIFTED = re.compile(r"(.+?),\s*score logit shifted\s*([\d.eE+-]+)\s*")
_CALIBRATED = re.compile(r"(.+?),\s*calibrated\s*")


@dataclass(frozen=True, repr=False)
class Selection(Answer):
    """Who a threshold selects: shares of all patients (``treated``), of those with the event
    (``sens``), of those without (``spec``), event rate of the selected (``ppv``), net benefit by
    the odds of the threshold, and the candidates to be screened for one enrolled.
    """

    treated: float
    sens: float
    spec: float
    ppv: float
    net_benefit: float
    screened_per_enrolled: float


@dataclass(frozen=True, repr=False)
class RiskPolicy(Answer):
    """Mean risk, AUC, and the selection by threshold."""

    mean: float
    auc: float
    by_threshold: ByNumber[Selection]


def beta_risk_policy(*, a: float, b: float, thresholds: Sequence[float]) -> RiskPolicy:
    """What thresholds select when risks are spread as Beta(a, b) and calibrated.

    Closed form: treated = 1 - I_t(a, b), sensitivity = 1 - I_t(a + 1, b), specificity = I_t(a, b +
    1), with I the regularised incomplete beta function.

    >>> round(beta_risk_policy(a=2, b=6, thresholds=[0.2]).by_threshold["0.2"].ppv, 4)
    0.3455
    """
    spread = BetaRisk(positive(a, where=WHERE, key="a"), positive(b, where=WHERE, key="b"))
    return risk_policy(risk=spread, thresholds=thresholds)


def risk_policy(*, risk: Risk, thresholds: Sequence[float]) -> RiskPolicy:
    """What thresholds select in any spread of risks: text ("Beta(2,6)"), or the risks of a cohort.

    >>> risk_policy(risk=[0.1, 0.3, 0.5], thresholds=[0.3]).by_threshold[0.3].screened_per_enrolled
    1.5
    """
    spread = risk_spread(risk)
    selections = {}
    for number in numbers(thresholds, where=WHERE, key="thresholds"):
        t = inner_threshold(number, where=WHERE, key="thresholds")
        treated, events = reached(spread, t), spread.event_share_above(t)
        needless = treated - events
        selections[t] = Selection(
            treated=treated,
            sens=events / spread.mean,
            spec=1 - needless / (1 - spread.mean),
            ppv=events / treated,
            net_benefit=events - needless * t / (1 - t),
            screened_per_enrolled=1 / treated,
        )
    return RiskPolicy(spread.mean, spread.auc, ByNumber(selections))


def reached(spread: RiskSpread, threshold: float) -> float:
    """Share of patients at or above a threshold; an error when nobody is."""
    treated = spread.share_above(threshold)
    if treated == 0:
        raise InputError(
            where=WHERE,
            key="threshold",
            found=threshold,
            expected="a threshold that somebody reaches",
            cure="lower it below the highest risk",
        )
    return treated


def policy_value_true(
    *, risk: Risk, rr: float, harm: float, policies: Sequence[str] = ("none", "all", "oracle")
) -> dict[str, float]:
    """True value of policies, in CRS events of grade >= 2 per patient, and how far each stays
    behind the best.

    Parameters
    ----------
    risk : spread of true risk.
    rr : risk ratio of prophylaxis.
    harm : harm of one treated patient in CRS events.
    policies : "none", "all", "oracle" (treat when risk >= harm / (1 - rr)) or "r>=0.20".

    Returns
    -------
    "r>=0.20" under "t20", the others under their own name, and "regret_..." of each: value of the
    oracle minus its own. The oracle is always there.

    Examples
    --------
    >>> value = policy_value_true(risk="Beta(2,6)", rr=0.5, harm=0.05, policies=["all", "r>=0.20"])
    >>> round(value["t20"], 4), round(value["regret_all"], 4)
    (0.0708, 0.0027)
    """
    spread = risk_spread(risk)
    benefit, h = 1 - relative_risk(rr, where=WHERE), non_negative(harm, where=WHERE, key="harm")
    values = dict(_named(policy, spread=spread, benefit=benefit, harm=h) for policy in policies)
    best = values.setdefault("oracle", value_at(spread, h / benefit, benefit=benefit, harm=h))
    regrets = {f"regret_{name}": best - value for name, value in values.items() if name != "oracle"}
    return values | regrets


def value_at(spread: RiskSpread, threshold: float, *, benefit: float, harm: float) -> float:
    """Value of treating at or above a threshold: benefit (1 - RR) x events among the treated - harm
    x treated.
    """
    return benefit * spread.event_share_above(min(threshold, 1.0)) - harm * spread.share_above(
        min(threshold, 1.0)
    )


def _named(policy: str, *, spread: RiskSpread, benefit: float, harm: float) -> tuple[str, float]:
    if policy == "none":
        return policy, 0.0
    if policy == "all":
        return policy, benefit * spread.mean - harm
    if policy == "oracle":
        return policy, value_at(spread, harm / benefit, benefit=benefit, harm=harm)
    match = _AT_OR_ABOVE.fullmatch(policy) if isinstance(policy, str) else None
    if match is None:
        raise InputError(
            where=WHERE,
            key="policies",
            found=repr(policy),
            expected="none, all, oracle or r>=0.20",
            cure="write one of these",
        )
    threshold = threshold_below_1(_number(match.group(1)), where=WHERE, key="policies")
    return f"t{percent(threshold)}", value_at(spread, threshold, benefit=benefit, harm=harm)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as trouble:
        raise InputError(
            where=WHERE,
            key="number",
            found=repr(text),
            expected="a number",
            cure="write it with a decimal point",
        ) from trouble


@dataclass(frozen=True, repr=False)
class PolicyMetrics(Answer):
    """What a policy does to 100 patients.

    ``nnt_among_treated``: treatments for one CRS averted. ``treated_without_Y0_event``: treated
    although no CRS would have come; ``missed``: CRS among those left untreated.
    """

    averted_per_100: float
    treated_per_100: float
    nnt_among_treated: float
    treated_without_Y0_event_per_100: float
    missed_per_100: float


def policy_metrics(
    *, risk: Risk, rr: float, thresholds: Sequence[float]
) -> ByNumber[PolicyMetrics]:
    """Treated, averted, needlessly treated and missed in 100 patients, by threshold (0 = treat
    everybody).

    >>> policy_metrics(risk="Beta(2,6)", rr=0.5, thresholds=[0])["0"].nnt_among_treated
    8.0
    """
    spread, benefit = risk_spread(risk), 1 - relative_risk(rr, where=WHERE)
    metrics = {}
    for number in numbers(thresholds, where=WHERE, key="thresholds"):
        t = threshold_below_1(number, where=WHERE, key="thresholds")
        treated, events = reached(spread, t), spread.event_share_above(t)
        metrics[t] = PolicyMetrics(
            averted_per_100=100 * benefit * events,
            treated_per_100=100 * treated,
            nnt_among_treated=treated / (benefit * events),
            treated_without_Y0_event_per_100=100 * (treated - events),
            missed_per_100=100 * (spread.mean - events),
        )
    return ByNumber(metrics)


@dataclass(frozen=True, repr=False)
class BudgetPolicy(Answer):
    """Doses for the patients of highest risk: the risk at which they run out, CRS averted per 100
    by risk and by lot.
    """

    threshold: float
    treated_per_100: float
    averted_per_100: float
    random_allocation_averted_per_100: float
    gain_ratio: float


def budget_policy(*, risk: Risk, rr: float, capacity_fraction: float) -> BudgetPolicy:
    """What a limited number of doses averts when they go to the highest risks, against giving them
    out by lot.

    ``capacity_fraction`` is the share of patients that can be treated, above 0, at most 1.

    >>> round(budget_policy(risk="Beta(2,6)", rr=0.5, capacity_fraction=0.3).averted_per_100, 3)
    6.446
    """
    spread, benefit = risk_spread(risk), 1 - relative_risk(rr, where=WHERE)
    fraction = positive(capacity_fraction, where=WHERE, key="capacity_fraction")
    if fraction > 1:
        raise InputError(
            where=WHERE,
            key="capacity_fraction",
            found=fraction,
            expected="a share of patients, at most 1",
            cure="divide doses by patients",
        )
    top = spread.top(fraction)
    averted, by_lot = 100 * benefit * top.event_share, 100 * benefit * spread.mean * fraction
    return BudgetPolicy(top.threshold, 100 * fraction, averted, by_lot, averted / by_lot)


@dataclass(frozen=True, repr=False)
class GroupRegret(Answer):
    """One subgroup under one common threshold of the score. ``effective_true_threshold`` is the
    true risk it amounts to.
    """

    effective_true_threshold: float
    treated: float
    sens: float
    value: float
    regret: float


@dataclass(frozen=True, repr=False)
class EquityRegret(Answer):
    """Subgroups by name; ``to_dict`` writes each figure with the name behind: treated_B,
    regret_B.
    """

    groups: Mapping[str, GroupRegret]

    def to_dict(self) -> dict[str, Any]:
        """Figures as ``<figure>_<group>``."""
        return {
            f"{figure}_{name}": to_plain(value)
            for name, group in self.groups.items()
            for figure, value in group.to_dict().items()
        }


def equity_regret(
    *, groups: Mapping[str, str | Risk], threshold: float, rr: float, harm: float
) -> EquityRegret:
    """What one threshold means for subgroups in which the score is off: who is left out, and what
    it costs them.

    A score shifted by s treats at true log odds logit(t) - s. Regret is against treating that
    subgroup at the best threshold for its true risk, harm / (1 - rr).

    Parameters
    ----------
    groups : name -> spread of true risk, with ", calibrated" or ", score logit shifted -0.5" behind
        text: the score's log odds are that much too low (or high). Risks given as a list are
        calibrated.
    threshold : the common threshold of the score, above 0 and below 1.
    rr, harm : risk ratio of prophylaxis, and harm of one treated patient in CRS events.

    Examples
    --------
    >>> groups = {"B": "Beta(2,6), score logit shifted -0.5"}
    >>> unfair = equity_regret(groups=groups, threshold=0.1, rr=0.5, harm=0.05)
    >>> round(unfair.groups["B"].effective_true_threshold, 3)
    0.155
    """
    t = inner_threshold(threshold, where=WHERE)
    benefit, h = 1 - relative_risk(rr, where=WHERE), non_negative(harm, where=WHERE, key="harm")
    answers = {}
    for name, described in groups.items():
        spread, shift = _spread_and_shift(described)
        true_threshold = float(expit(log(t / (1 - t)) - shift)) if shift else t
        value = value_at(spread, true_threshold, benefit=benefit, harm=h)
        answers[name] = GroupRegret(
            effective_true_threshold=true_threshold,
            treated=spread.share_above(true_threshold),
            sens=spread.event_share_above(true_threshold) / spread.mean,
            value=value,
            regret=value_at(spread, h / benefit, benefit=benefit, harm=h) - value,
        )
    return EquityRegret(answers)


def _spread_and_shift(described: str | Risk) -> tuple[RiskSpread, float]:
    if not isinstance(described, str):
        return risk_spread(described), 0.0
    if shifted := _SHIFTED.fullmatch(described):
        return risk_spread(shifted.group(1)), _number(shifted.group(2))
    calibrated = _CALIBRATED.fullmatch(described)
    return risk_spread(calibrated.group(1) if calibrated else described), 0.0
