"""The value of a policy from a trial: what would have happened had it been followed, estimated,
with its error.

Only patients whose treatment agrees with the policy speak for it. Weighting them (IPW) is unbiased
in a trial; adding predicted outcomes (AIPW) keeps that and is more precise, if the predictions come
from other patients (out of fold).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from crsrisk.errors import InputError
from crsrisk.trials.checks import Answer, BoolArray, FloatArray, choice, inner_rate, non_negative

WHERE = "policy value"


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
    z = float(ndtri(0.5 + inner_rate(level, where=WHERE, key="level") / 2))
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
    choice(utility, options=("1-Y", "-Y"), where=WHERE, key="utility")
    is_treated, y_true, treats = (
        _flags(v, key=k) for k, v in (("W", W), ("Y_crs", Y_crs), ("policy", policy))
    )
    n = is_treated.size
    if not n == y_true.size == treats.size or n < 2:
        raise InputError(
            where=WHERE,
            key="W, Y_crs, policy",
            found=[n, y_true.size, treats.size],
            expected="three lists of the same length, at least two patients",
            cure="one place a patient",
        )
    chance = _one_each(e, n=n, key="e")
    if not bool(((chance > 0) & (chance < 1)).all()):
        raise InputError(
            where=WHERE,
            key="e",
            found=f"{chance.min():g} to {chance.max():g}",
            expected="probabilities above 0 and below 1",
            cure="leave out patients who could only be treated one way",
        )
    cost = non_negative(harm, where=WHERE, key="harm")
    gained = (1.0 if utility == "1-Y" else 0.0) - y_true - cost * is_treated
    expected = np.where(treats, _one_each(m1, n=n, key="m1") - cost, _one_each(m0, n=n, key="m0"))
    weight = np.where(is_treated == treats, 1 / np.where(is_treated, chance, 1 - chance), 0.0)
    return PolicyScores(weight * gained, expected + weight * (gained - expected))


def _flags(values: ArrayLike, *, key: str) -> BoolArray:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf" or not bool(np.isin(array, (0, 1)).all()):
        raise InputError(
            where=WHERE,
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
            where=WHERE,
            key=key,
            found=f"shape {array.shape}",
            expected=f"one number, or {n}",
            cure="one finite number a patient",
        )
    return np.broadcast_to(array, (n,))
