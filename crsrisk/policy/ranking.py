"""Does a score rank patients by what treatment does for them? Targeting curves and their areas.

TOC(q) = mean effect of the fraction q ranked highest minus mean effect of all. AUTOC is its area,
QINI the area of q x TOC(q) (Yadlowsky et al., J Am Stat Assoc 2025;120:38; R package grf). A score
without information has both 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.integrate import quad
from scipy.special import ndtri

from crsrisk.errors import InputError
from crsrisk.results import Z_95
from crsrisk.trials.checks import (
    Answer,
    BoolArray,
    FloatArray,
    choice,
    inner_rate,
    non_negative,
    numbers,
)

WHERE = "ranking"
_FORMULA = re.compile(r"\s*(?:([\d.]+)\s*\*\s*)?([a-z]+)\(\s*([^)]*)\)\s*", re.IGNORECASE)
_BEST, _WORST = ("tau", "risk", "oracle", "benefit"), ("-tau", "-risk", "reversed", "reverse")
_BLIND = ("random", "constant", "noise", "independent")
# Quantile function of the effect from the top: the effect that a share v of patients exceeds.
FromTop: TypeAlias = Callable[[float], float]


@dataclass(frozen=True, repr=False)
class Rate(Answer):
    """Areas under the targeting curve; errors and intervals (95%) are None where the effects are a
    formula.
    """

    autoc: float
    qini: float
    autoc_se: float | None
    qini_se: float | None
    autoc_interval: tuple[float, float] | None
    qini_interval: tuple[float, float] | None


@dataclass(frozen=True, repr=False)
class EconmlRate(Answer):
    """What the package econml calls the TOC coefficient, and the area that it stands for."""

    econml_toc_coef: float
    exact_autoc: float


def rate(*, tau: str | ArrayLike, priority: str | ArrayLike) -> Rate:
    """AUTOC and QINI of a priority score: rank-weighted average treatment effects.

    Formula: AUTOC = integral over v from 0 to 1 of Q(v) (-ln v - 1), QINI = integral of Q(v) (1/2 -
    v), with Q(v) the effect that a share v exceeds. Patients: AUTOC = mean over k of [mean of the
    top k - mean of all], QINI the same weighted by k/n; errors from the influence of each patient,
    for given scores.

    Parameters
    ----------
    tau : effect of treatment (events averted) of each patient, shape (n,) - true ones in a
        simulation, AIPW scores in a trial - or a formula: "uniform(0,1)", "0.5*Beta(2,6)",
        "normal(0,1)", "exponential(1)", "bernoulli(0.3)".
    priority : score of each patient, shape (n,), higher first; with a formula "tau" or "risk"
        (ranks by the effect), "-tau" (the wrong way round) or "random". Patients of equal priority
        count with their mean.

    References
    ----------
    Yadlowsky et al., J Am Stat Assoc 2025;120:38.

    Examples
    --------
    >>> area = rate(tau="uniform(0,1)", priority="tau")
    >>> round(area.autoc, 6), round(area.qini, 6)
    (0.25, 0.083333)
    """
    if isinstance(tau, str):
        from_top, breaks = _ranked(tau, priority)
        autoc = _integral(lambda v: from_top(v) * (-log(v) - 1), breaks)
        return Rate(
            autoc, _integral(lambda v: from_top(v) * (0.5 - v), breaks), None, None, None, None
        )
    effect, score = _pair(tau, priority)
    share = np.arange(1, effect.size + 1) / effect.size
    (autoc, autoc_se), (qini, qini_se) = (
        _area(effect, score, weight) for weight in (np.ones(effect.size), share)
    )
    return Rate(
        autoc,
        qini,
        autoc_se,
        qini_se,
        (autoc - Z_95 * autoc_se, autoc + Z_95 * autoc_se),
        (qini - Z_95 * qini_se, qini + Z_95 * qini_se),
    )


def toc_curve(*, tau: ArrayLike, priority: ArrayLike, q: ArrayLike) -> FloatArray:
    """TOC at fractions ``q`` (above 0, at most 1): mean effect of the top q minus the mean of all.

    >>> toc_curve(tau=[0.4, 0.0, 0.2, 0.2], priority=[9, 1, 5, 4], q=[0.25, 1.0]).round(3).tolist()
    [0.2, 0.0]
    """
    effect, score = _pair(tau, priority)
    fractions = numbers(q, where=WHERE, key="q")
    if not bool(((fractions > 0) & (fractions <= 1)).all()):
        raise InputError(
            where=WHERE,
            key="q",
            found=fractions.tolist(),
            expected="fractions above 0, at most 1",
            cure="state it as a share: a tenth is 0.1",
        )
    order, group = _order(score)
    smoothed = _group_mean(effect[order], group)
    total = np.append(0.0, np.cumsum(smoothed))
    reached = np.interp(fractions * effect.size, np.arange(effect.size + 1), total)
    return np.asarray(reached / (fractions * effect.size) - effect.mean())


def rate_econml_convention(
    *, tau: str, percentiles: Literal["5..95 by 5, left Riemann"] = "5..95 by 5, left Riemann"
) -> EconmlRate:
    """The TOC coefficient as econml 0.17 reports it, to explain why it is smaller than AUTOC.

    It sums TOC at score percentiles 5, 10, ... 90 (top fractions 95% down to 10%) times 0.05,
    leaving out both ends, where the curve is highest. Compare like with like.

    >>> round(rate_econml_convention(tau="uniform(0,1)").econml_toc_coef, 5)
    0.21375
    """
    choice(percentiles, options=("5..95 by 5, left Riemann",), where=WHERE, key="percentiles")
    from_top, breaks = _ranked(tau, "tau")
    mean = _integral(from_top, breaks)
    step = 0.05
    tops = 1 - step * np.arange(1, 19)
    toc = [_integral(from_top, breaks, upper=float(top)) / top - mean for top in tops]
    return EconmlRate(step * float(np.sum(toc)), rate(tau=tau, priority="tau").autoc)


def qini_curve(
    *,
    y: ArrayLike,
    treatment: ArrayLike,
    score: ArrayLike,
    outcome: Literal["1 = good", "1 = bad"] = "1 = good",
) -> FloatArray:
    """Qini curve of a trial: gain among the k patients of highest score, from k = 0 to all.

    Outcomes of the treated so far minus those of the controls so far, scaled to as many controls as
    treated: Y_t(k) - Y_c(k) n_t(k) / n_c(k) (Radcliffe 2007). Patients of equal score enter
    together, so the curve has a point for each distinct score. ``outcome`` says whether y = 1 is
    wanted; with "1 = bad" (CRS) events averted count as gain.

    >>> qini_curve(y=[1, 0, 0, 1], treatment=[1, 0, 1, 0], score=[4, 3, 2, 1]).tolist()
    [0.0, 1.0, 1.0, 1.0, 0.0]
    """
    choice(outcome, options=("1 = good", "1 = bad"), where=WHERE, key="outcome")
    y_true, treated, rank = (
        numbers(v, where=WHERE, key=k)
        for k, v in (("y", y), ("treatment", treatment), ("score", score))
    )
    if not y_true.size == treated.size == rank.size or not bool(
        np.isin(np.append(y_true, treated), (0, 1)).all()
    ):
        raise InputError(
            where=WHERE,
            key="y, treatment, score",
            found=[y_true.size, treated.size, rank.size],
            expected="three lists of the same length, y and treatment of 0 and 1",
            cure="one place a patient",
        )
    order, group = _order(rank)
    last = np.append(np.flatnonzero(np.diff(group)), group.size - 1)
    n_t, n_c, y_t, y_c = (
        np.cumsum(v[order])[last]
        for v in (treated, 1 - treated, y_true * treated, y_true * (1 - treated))
    )
    scaled = np.divide(y_c * n_t, n_c, out=np.zeros(n_c.size), where=n_c > 0)
    return np.append(0.0, y_t - scaled) * (1.0 if outcome == "1 = good" else -1.0)


def _pair(tau: ArrayLike, priority: str | ArrayLike) -> tuple[FloatArray, FloatArray]:
    if isinstance(priority, str):
        raise InputError(
            where=WHERE,
            key="priority",
            found=repr(priority),
            expected="one score a patient",
            cure="words go with a formula for tau only",
        )
    effect, score = (
        numbers(tau, where=WHERE, key="tau"),
        numbers(priority, where=WHERE, key="priority"),
    )
    if effect.size != score.size or effect.size < 2:
        raise InputError(
            where=WHERE,
            key="tau, priority",
            found=[effect.size, score.size],
            expected="two lists of the same length, at least two patients",
            cure="one place a patient",
        )
    return effect, score


def _order(score: FloatArray) -> tuple[np.ndarray, np.ndarray]:
    """Patients by falling score, and the running number of their group of equal scores."""
    order = np.argsort(-score, kind="stable")
    return order, np.append(0, np.cumsum(np.diff(score[order]) != 0))


def _group_mean(values: FloatArray, group: np.ndarray) -> FloatArray:
    return np.asarray((np.bincount(group, weights=values) / np.bincount(group))[group])


def _area(effect: FloatArray, score: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Mean over k of weight_k x TOC(k/n), and its standard error.

    The area is the mean of effect x rank weight g. A patient moves it by his own effect (first
    part) and by shifting the ranks of all others (second part): psi_i = tau_i g_i + mean over j of
    tau_j g'_j (1{i above j} - q_j).
    """
    order, group = _order(score)
    n = effect.size
    per_rank = weight / np.arange(1, n + 1)
    g = _group_mean(np.cumsum(per_rank[::-1])[::-1] - weight.mean(), group)
    ranked = effect[order]
    value = float(ranked @ g) / n
    # g falls by per_rank n from rank to rank: its derivative by the share q.
    pull = -_group_mean(ranked, group) * per_rank * n
    share = (np.arange(n) + 0.5) / n
    # sum over those below me, half of my own
    above = np.cumsum((pull / n)[::-1])[::-1] - pull / (2 * n)
    shift = _group_mean(above, group) - float(pull @ share) / n
    influence = ranked * g + shift
    return value, float(influence.std(ddof=1)) / n**0.5


def _ranked(tau: str, priority: str | ArrayLike) -> tuple[FromTop, list[float]]:
    from_top, breaks = _from_text(tau)
    if priority in _BEST:
        return from_top, breaks
    if priority in _WORST:
        return (lambda v: from_top(1 - v)), [1 - b for b in breaks]
    if priority in _BLIND:
        mean = _integral(from_top, breaks)
        return (lambda v: mean), []
    raise InputError(
        where=WHERE,
        key="priority",
        found=repr(priority),
        expected="tau, risk, -tau or random",
        cure="with a formula for tau the priority is one of these words",
    )


def _from_text(text: str) -> tuple[FromTop, list[float]]:
    """Effect by share exceeding it, and the shares at which it jumps."""
    match = _FORMULA.fullmatch(text)
    try:
        factor = float(match.group(1) or 1) if match else 0.0
        shape = [float(part) for part in match.group(3).split(",")] if match else []
        frozen, breaks = _distribution(match.group(2).lower() if match else "", shape)
    except (ValueError, TypeError) as trouble:
        raise InputError(
            where=WHERE,
            key="tau",
            found=repr(text),
            expected="uniform(0,1), 0.5*Beta(2,6), normal(0,1), exponential(1) or bernoulli(0.3)",
            cure="write one of these, or pass a list",
        ) from trouble
    return (lambda v: factor * float(frozen.isf(v))), breaks


def _distribution(name: str, shape: list[float]) -> tuple[Any, list[float]]:
    if name == "uniform" and len(shape) == 2 and shape[0] < shape[1]:
        return stats.uniform(shape[0], shape[1] - shape[0]), []
    if name == "beta" and len(shape) == 2 and min(shape) > 0:
        return stats.beta(*shape), []
    if name == "normal" and len(shape) == 2 and shape[1] > 0:
        return stats.norm(*shape), []
    if name == "exponential" and len(shape) == 1 and shape[0] > 0:
        return stats.expon(scale=shape[0]), []
    if name == "bernoulli" and len(shape) == 1 and 0 < shape[0] < 1:
        return stats.bernoulli(*shape), [shape[0]]
    raise ValueError(name)


def _integral(function: FromTop, breaks: list[float], *, upper: float = 1.0) -> float:
    edges = [0.0, *(b for b in breaks if 0 < b < upper), upper]
    return float(
        sum(
            quad(function, low, high, epsabs=1e-11, epsrel=1e-10, limit=400)[0]
            for low, high in pairwise(edges)
        )
    )


# The value of a policy from a trial: what would have happened had it been followed, estimated,
# with its error.
#
# Only patients whose treatment agrees with the policy speak for it. Weighting them (IPW) is
# unbiased in a trial; adding predicted outcomes (AIPW) keeps that and is more precise, if the
# predictions come from other patients (out of fold).


WHERE_ESTIMATE = "policy value"


@dataclass(frozen=True, repr=False)
class PolicyEstimate(Answer):
    """Mean utility under the policy by two estimators, with standard errors and intervals of the
    stated level.
    """

    ipw: float
    ipw_se: float
    ipw_low: float
    ipw_high: float
    aipw: float
    aipw_se: float
    aipw_low: float
    aipw_high: float
    n: int


@dataclass(frozen=True)
class PolicyScores:
    """One value a patient; their mean is the estimate, their spread its error. Differences of
    policies are paired.
    """

    ipw: FloatArray
    aipw: FloatArray


def policy_value_estimate(
    *,
    W: ArrayLike,
    Y_crs: ArrayLike,
    policy: ArrayLike,
    e: float | ArrayLike,
    m1: float | ArrayLike,
    m0: float | ArrayLike,
    utility: Literal["1-Y", "-Y"] = "1-Y",
    harm: float = 0.0,
    level: float = 0.95,
) -> PolicyEstimate:
    """Value of a policy estimated from a randomised trial.

    IPW = mean of 1{W = policy} U / P(W); AIPW score = m_policy + 1{W = policy} (U - m_policy) /
    P(W); standard error = SD of the scores / sqrt(n).

    Parameters
    ----------
    W : 1 treated, 0 not; shape (n,).
    Y_crs : 1 CRS of grade >= 2, 0 none; shape (n,).
    policy : 1 where the policy treats; shape (n,).
    e : probability of having been treated (0.5 in a 1:1 trial), one number or shape (n,).
    m1, m0 : predicted *utility* if treated and if not, one number or shape (n,).
    utility : "1-Y" (free of CRS) or "-Y" (CRS counted as loss).
    harm : harm of being treated, in CRS events; taken from the utility of the treated.
    level : of the intervals.

    Raises
    ------
    InputError
        For lists of other lengths, values that are not 0 and 1, and chances of 0 or 1.

    References
    ----------
    Robins, Rotnitzky & Zhao, J Am Stat Assoc 1994;89:846. Athey & Wager, Econometrica 2021;89:133.

    Examples
    --------
    >>> value = policy_value_estimate(
    ...     W=[1, 0, 1, 0], Y_crs=[0, 1, 0, 0], policy=[1, 1, 0, 0], e=0.5, m1=0.8, m0=0.6
    ... )
    >>> round(value.ipw, 3), round(value.aipw, 3)
    (1.0, 1.0)
    """
    scores = policy_scores(
        W=W, Y_crs=Y_crs, policy=policy, e=e, m1=m1, m0=m0, utility=utility, harm=harm
    )
    z = float(ndtri(0.5 + inner_rate(level, where=WHERE_ESTIMATE, key="level") / 2))
    n = scores.ipw.size
    (ipw, ipw_se), (aipw, aipw_se) = (
        (float(s.mean()), float(s.std(ddof=1)) / n**0.5) for s in (scores.ipw, scores.aipw)
    )
    return PolicyEstimate(
        ipw,
        ipw_se,
        ipw - z * ipw_se,
        ipw + z * ipw_se,
        aipw,
        aipw_se,
        aipw - z * aipw_se,
        aipw + z * aipw_se,
        n,
    )


def policy_scores(
    *,
    W: ArrayLike,
    Y_crs: ArrayLike,
    policy: ArrayLike,
    e: float | ArrayLike,
    m1: float | ArrayLike,
    m0: float | ArrayLike,
    utility: Literal["1-Y", "-Y"] = "1-Y",
    harm: float = 0.0,
) -> PolicyScores:
    """The scores behind :func:`policy_value_estimate`, one a patient; take differences to compare
    two policies.

    >>> policy_scores(W=[1, 0], Y_crs=[0, 1], policy=[1, 0], e=0.5, m1=0.8, m0=0.6).ipw.tolist()
    [2.0, 0.0]
    """
    choice(utility, options=("1-Y", "-Y"), where=WHERE_ESTIMATE, key="utility")
    is_treated, y_true, treats = (
        _flags(v, key=k) for k, v in (("W", W), ("Y_crs", Y_crs), ("policy", policy))
    )
    n = is_treated.size
    if not n == y_true.size == treats.size or n < 2:
        raise InputError(
            where=WHERE_ESTIMATE,
            key="W, Y_crs, policy",
            found=[n, y_true.size, treats.size],
            expected="three lists of the same length, at least two patients",
            cure="one place a patient",
        )
    chance = _one_each(e, n=n, key="e")
    if not bool(((chance > 0) & (chance < 1)).all()):
        raise InputError(
            where=WHERE_ESTIMATE,
            key="e",
            found=f"{chance.min():g} to {chance.max():g}",
            expected="probabilities above 0 and below 1",
            cure="leave out patients who could only be treated one way",
        )
    cost = non_negative(harm, where=WHERE_ESTIMATE, key="harm")
    gained = (1.0 if utility == "1-Y" else 0.0) - y_true - cost * is_treated
    expected = np.where(treats, _one_each(m1, n=n, key="m1") - cost, _one_each(m0, n=n, key="m0"))
    weight = np.where(is_treated == treats, 1 / np.where(is_treated, chance, 1 - chance), 0.0)
    return PolicyScores(weight * gained, expected + weight * (gained - expected))


def _flags(values: ArrayLike, *, key: str) -> BoolArray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf" or not bool(np.isin(array, (0, 1)).all()):
        raise InputError(
            where=WHERE_ESTIMATE,
            key=key,
            found=f"values of type {array.dtype}",
            expected="a list of 0 and 1",
            cure="leave out patients in whom it is unknown, and say how many",
        )
    return array.astype(np.bool_)


def _one_each(value: float | ArrayLike, *, n: int, key: str) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape not in ((), (n,)) or not bool(np.isfinite(array).all()):
        raise InputError(
            where=WHERE_ESTIMATE,
            key=key,
            found=f"shape {array.shape}",
            expected=f"one number, or {n}",
            cure="one finite number a patient",
        )
    return np.broadcast_to(array, (n,))
