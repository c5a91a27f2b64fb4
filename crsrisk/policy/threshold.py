"""At which risk prophylaxis starts to pay, what must be believed for it, and when a model beats
simple rules.

Everything is counted in CRS events: one event of grade >= 2 weighs 1, harms of prophylaxis are
stated in that unit. A patient with risk r loses harm h and gains (1 - RR) r by prophylaxis; it pays
when r > t* = h / (1 - RR).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log1p
from typing import Any, Literal, TypeAlias

from scipy.special import expit

from crsrisk.errors import InputError
from crsrisk.evaluation.decision_curve import net_benefit as net_benefit_of_counts
from crsrisk.policy.formulas import value_at
from crsrisk.trials.checks import (
    Answer,
    ByNumber,
    choice,
    count,
    events_of,
    inner_rate,
    inner_threshold,
    non_negative,
    numbers,
    positive,
    real,
    relative_risk,
    share,
    threshold_below_1,
)
from crsrisk.trials.risk_distribution import Risk, risk_spread

AttenuationModel: TypeAlias = Literal["logit p1 = logit p0 + c1*ln(1-a)"]


class Threshold(float):
    """A risk at which prophylaxis starts to pay: a number that also answers to ``t_star``.

    At 1 or above nobody should be treated.

    >>> Threshold(0.1).t_star, Threshold(0.1) * 2
    (0.1, 0.2)
    """

    @property
    def t_star(self) -> float:
        return float(self)

    def to_dict(self) -> dict[str, float]:
        """The threshold under its name."""
        return {"t_star": float(self)}


def optimal_threshold(
    *,
    rr: float,
    harm_per_treated_in_crs_units: float,
    weight_response_vs_crs: float = 0.0,
    orr_loss_if_treated: float = 0.0,
) -> Threshold:
    """The risk of CRS above which prophylaxis does more good than harm: t* = (h + w x loss) / (1 -
    RR).

    Parameters
    ----------
    rr : risk ratio of CRS with against without prophylaxis, 0 to below 1.
    harm_per_treated_in_crs_units : infections, cost, burden of one treated patient, in CRS events.
    weight_response_vs_crs : how many CRS events one lost tumour response weighs.
    orr_loss_if_treated : responses lost per treated patient (0.02 = 2 points).

    Notes
    -----
    A result of 1 or more says: treat nobody. Source: expected utility with a constant risk ratio;
    it is the classic threshold of Pauker & Kassirer (N Engl J Med 1980;302:1109) with the effect of
    treatment made explicit.

    Examples
    --------
    >>> round(optimal_threshold(rr=0.5, harm_per_treated_in_crs_units=0.05), 6)
    0.1
    """
    where = "threshold"
    benefit = 1 - relative_risk(rr, where=where)
    harm = non_negative(
        harm_per_treated_in_crs_units, where=where, key="harm_per_treated_in_crs_units"
    )
    weight = non_negative(weight_response_vs_crs, where=where, key="weight_response_vs_crs")
    loss = real(orr_loss_if_treated, where=where, key="orr_loss_if_treated")
    return Threshold((harm + weight * loss) / benefit)


@dataclass(frozen=True, repr=False)
class NetBenefit(Answer):
    """Net benefit per patient of a model, of treating everybody and nobody, and what the model
    spares.

    ``standardised_...`` is net benefit over the event rate (1 = every event found, nobody treated
    needlessly). ``net_interventions_avoided_per_100``: needless treatments spared in 100 patients
    against treating everybody.
    """

    net_benefit: float
    net_benefit_treat_all: float
    net_benefit_treat_none: float
    standardised_net_benefit: float
    standardised_net_benefit_treat_all: float
    net_interventions_avoided_per_100: float


def net_benefit(
    *, n: int, tp: int, fp: int, events: int, threshold: float, dataset: str = ""
) -> NetBenefit:
    """Decision curve analysis at one threshold, from counts.

    Parameters
    ----------
    n, events : patients, and those of them with the event.
    tp, fp : treated patients with and without the event.
    threshold : risk above 0 and below 1; its odds are the needless treatments accepted for one
        event found.
    dataset : a remark of the caller; it changes nothing.

    Notes
    -----
    The classic definition (Vickers & Elkin, Med Decis Making 2006;26:565) values *finding* an
    event; what prophylaxis does to it is hidden in the threshold.
    :func:`crsrisk.policy.formulas.policy_value_true` puts the effect in sight. The arithmetic is
    :func:`crsrisk.evaluation.decision_curve.net_benefit`.

    Examples
    --------
    >>> round(net_benefit(n=750, tp=75, fp=98, events=105, threshold=0.2).net_benefit, 6)
    0.067333
    """
    where = "net benefit"
    patients = count(n, where=where, key="n", least=1)
    with_event = events_of(events, n=patients, where=where, key="events")
    true_positive = events_of(tp, n=with_event, where=where, key="tp")
    needless = events_of(fp, n=patients - with_event, where=where, key="fp")
    t = inner_threshold(threshold, where=where)
    if with_event == 0:
        raise InputError(
            where=where,
            key="events",
            found=0,
            expected="at least one event",
            cure="pool more patients",
        )

    def benefit(true: int, false: int) -> float:
        return net_benefit_of_counts(
            n=patients, n_true_positive=true, n_false_positive=false, threshold=t
        )

    model, everybody = benefit(true_positive, needless), benefit(with_event, patients - with_event)
    rate = with_event / patients
    return NetBenefit(
        model,
        everybody,
        0.0,
        model / rate,
        everybody / rate,
        100 * (model - everybody) * (1 - t) / t,
    )


def net_benefit_of_treating(
    *, event_rate_untreated: float, event_rate_policy: float, treated: float, threshold: float
) -> float:
    """Net benefit of a policy in a trial: events averted per patient minus treated share x
    threshold.

    Here ``threshold`` is the number of events that one treatment must avert to be worth giving (h
    in CRS units), not the risk t*. Source: Vickers, Kattan & Sargent, Trials 2007;8:14.

    >>> benefit = net_benefit_of_treating(
    ...     event_rate_untreated=0.25, event_rate_policy=0.15, treated=0.58, threshold=0.05
    ... )
    >>> round(benefit, 3)
    0.071
    """
    where = "net benefit of treating"
    averted = share(event_rate_untreated, where=where, key="event_rate_untreated") - share(
        event_rate_policy, where=where, key="event_rate_policy"
    )
    harm = inner_threshold(threshold, where=where)
    return averted - share(treated, where=where, key="treated") * harm


def efficacy_tipping_point(
    *,
    risk: Risk,
    rr: float,
    harm: float,
    weight_response_vs_crs: float,
    thresholds: Sequence[float],
) -> ByNumber[float]:
    """The largest loss of tumour response per treated patient at which treating still ties with
    treating nobody.

    For "treat when risk >= t": [(1 - RR) PPV(t) - h] / w, with PPV the mean risk of those treated.
    A negative number says that the policy loses even if response is untouched.

    >>> points = efficacy_tipping_point(
    ...     risk="Beta(2,6)", rr=0.5, harm=0.05, weight_response_vs_crs=2, thresholds=[0]
    ... )
    >>> points["0"]
    0.0375
    """
    where = "efficacy tipping point"
    spread, benefit = risk_spread(risk), 1 - relative_risk(rr, where=where)
    h = non_negative(harm, where=where, key="harm")
    w = positive(weight_response_vs_crs, where=where, key="weight_response_vs_crs")
    points = {}
    for threshold in numbers(thresholds, where=where, key="thresholds"):
        t = threshold_below_1(threshold, where=where)
        treated = spread.share_above(t)
        if treated == 0:
            raise InputError(
                where=where,
                key="thresholds",
                found=t,
                expected="a threshold that somebody reaches",
                cure="lower the threshold",
            )
        points[float(threshold)] = (benefit * spread.event_share_above(t) / treated - h) / w
    return ByNumber(points)


@dataclass(frozen=True, repr=False)
class Gain(Answer):
    """What a policy by risk adds, in CRS events per patient: its harm, its value, the better of all
    and none, the gain.
    """

    harm: float
    value: float
    best_default: float
    gain: float


def gain_over_best_default(*, risk: Risk, rr: float, t_star: Sequence[float]) -> ByNumber[Gain]:
    """How much treating by risk gains over the better of treating everybody and nobody, for each
    threshold t*.

    The harm follows from the threshold, h = t* (1 - RR). The gain is largest where the two simple
    rules tie, at t* = mean risk, and vanishes at both ends: a model pays only there.

    >>> gain_over_best_default(risk="Beta(2,6)", rr=0.5, t_star=[0.25])["0.25"].best_default
    0.0
    """
    where = "gain"
    spread, benefit = risk_spread(risk), 1 - relative_risk(rr, where=where)
    gains = {}
    for number in numbers(t_star, where=where, key="t_star"):
        t = inner_threshold(number, where=where, key="t_star")
        harm = t * benefit
        value = value_at(spread, t, benefit=benefit, harm=harm)
        default = max(0.0, benefit * spread.mean - harm)
        gains[t] = Gain(harm, value, default, value - default)
    return ByNumber(gains)


def efficacy_attenuation(
    *,
    p_response: float,
    c1: float | Sequence[float],
    a: float | Sequence[float],
    model: AttenuationModel = "logit p1 = logit p0 + c1*ln(1-a)",
) -> dict[str, float]:
    """Change of the tumour response rate when prophylaxis blocks a share ``a`` of T-cell
    activation.

    Parameters
    ----------
    p_response : response rate without prophylaxis.
    c1 : log odds of response per log of activation. 0 is the world in which activation and response
        merely share a cause; above 0 is mediation. Nobody knows it: vary it.
    a : blocked shares, 0 to below 1.
    model : the only one there is, so that a design file can say it.

    Returns
    -------
    "c1=0.5,a=0.2" -> change (-0.025 = 2.5 points lost), every c1 with every a.

    Examples
    --------
    >>> round(efficacy_attenuation(p_response=0.35, c1=1.0, a=0.2)["c1=1.0,a=0.2"], 4)
    -0.0489
    """
    where = "efficacy attenuation"
    choice(model, options=("logit p1 = logit p0 + c1*ln(1-a)",), where=where, key="model")
    p0 = inner_rate(p_response, where=where, key="p_response")
    changes = {}
    for slope in _listed(c1):
        for blocked in _listed(a):
            left = threshold_below_1(blocked, where=where, key="a")
            shift = real(slope, where=where, key="c1") * log1p(-left)
            changes[f"c1={slope},a={blocked}"] = float(expit(log(p0 / (1 - p0)) + shift)) - p0
    return changes


def _listed(value: float | Sequence[float]) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
