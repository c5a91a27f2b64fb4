"""Comparing two arms within strata of risk: the Cochran-Mantel-Haenszel test and the common effects that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from crsrisk.decide.answers import Answer
from crsrisk.decide.checks import FloatArray, count, events_of, inner_rate
from crsrisk.errors import InputError

WHERE = "Mantel-Haenszel"


@dataclass(frozen=True)
class Effect(Answer):
    """A common effect over strata with its interval; None where the strata do not determine it."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MantelHaenszel(Answer):
    """Test and common effects over strata.

    ``z`` is positive when the treated had fewer events than expected; ``p_one_sided`` is of that claim. Odds and risk
    ratio are treated over control, the risk difference treated minus control.
    """

    chi2: float
    z: float
    p_two_sided: float
    p_one_sided: float
    odds_ratio: Effect
    risk_ratio: Effect
    risk_difference: Effect


def cochran_mantel_haenszel(
    *,
    events_treat: Sequence[int],
    n_treat: Sequence[int],
    events_control: Sequence[int],
    n_control: Sequence[int],
    level: float = 0.95,
    continuity: bool = False,
) -> MantelHaenszel:
    """Test of no effect within strata, and common odds ratio, risk ratio and risk difference.

    Each list has one count a stratum. Strata with an empty arm are refused.

    Test: sum over strata of (expected - observed events of the treated), over the root of the summed hypergeometric
    variances; with ``continuity`` 1/2 is taken off (Mantel & Haenszel, J Natl Cancer Inst 1959;22:719). Intervals: log
    odds ratio by Robins, Breslow & Greenland (Biometrics 1986;42:311), log risk ratio by Greenland & Robins (Biometrics
    1985;41:55), risk difference by Sato (Biometrics 1989;45:1323).

    >>> both = cochran_mantel_haenszel(events_treat=[4, 12], n_treat=[40, 40], events_control=[8, 20], n_control=[40, 40])
    >>> round(both.risk_difference.value, 4), round(both.p_two_sided, 4)
    (-0.15, 0.0279)
    """
    y1, n1, y0, n0 = _strata(events_treat, n_treat, events_control, n_control)
    z_level = float(ndtri(0.5 + inner_rate(level, where=WHERE, key="level") / 2))
    total, events = n1 + n0, y1 + y0
    variance = float(np.sum(n1 * n0 * events * (total - events) / (total**2 * np.maximum(total - 1, 1))))
    away = float(np.sum(n1 * events / total - y1))
    if variance == 0:
        raise InputError(where=WHERE, key="events", found="no stratum with both outcomes",
                         expected="patients with and without the event", cure="pool strata or follow more patients")
    shrunk = np.sign(away) * max(0.0, abs(away) - 0.5) if continuity else away
    z = float(shrunk) / sqrt(variance)
    return MantelHaenszel(
        chi2=z**2,
        z=z,
        p_two_sided=float(chi2.sf(z**2, 1)),
        p_one_sided=float(ndtr(-z)),
        odds_ratio=_odds_ratio(y1, n1, y0, n0, z_level),
        risk_ratio=_risk_ratio(y1, n1, y0, n0, z_level),
        risk_difference=_risk_difference(y1, n1, y0, n0, z_level),
    )


def _strata(*lists: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    if len({len(values) for values in lists}) != 1 or not lists[0]:
        raise InputError(where=WHERE, key="strata", found=[len(values) for values in lists],
                         expected="four lists of the same length, at least one stratum", cure="one count a stratum")
    n1, n0 = ([count(n, where=WHERE, key=key, least=1) for n in values]
              for key, values in (("n_treat", lists[1]), ("n_control", lists[3])))
    y1, y0 = ([events_of(y, n=n, where=WHERE, key=key) for y, n in zip(values, sizes, strict=True)]
              for key, values, sizes in (("events_treat", lists[0], n1), ("events_control", lists[2], n0)))
    return (np.array(y1, float), np.array(n1, float), np.array(y0, float), np.array(n0, float))


def _on_log_scale(ratio: float, variance: float, z: float) -> Effect:
    return Effect(ratio, exp(log(ratio) - z * sqrt(variance)), exp(log(ratio) + z * sqrt(variance)))


def _odds_ratio(y1: FloatArray, n1: FloatArray, y0: FloatArray, n0: FloatArray, z: float) -> Effect:
    total = n1 + n0
    for_treated, for_control = y1 * (n0 - y0) / total, y0 * (n1 - y1) / total
    alike, unlike = (y1 + n0 - y0) / total, (y0 + n1 - y1) / total
    r, s = float(for_treated.sum()), float(for_control.sum())
    if r == 0 or s == 0:
        return Effect(0.0 if s else None, None, None)
    variance = float(
        (alike * for_treated).sum() / (2 * r**2)
        + (alike * for_control + unlike * for_treated).sum() / (2 * r * s)
        + (unlike * for_control).sum() / (2 * s**2)
    )
    return _on_log_scale(r / s, variance, z)


def _risk_ratio(y1: FloatArray, n1: FloatArray, y0: FloatArray, n0: FloatArray, z: float) -> Effect:
    total = n1 + n0
    r, s = float((y1 * n0 / total).sum()), float((y0 * n1 / total).sum())
    if r == 0 or s == 0:
        return Effect(0.0 if s else None, None, None)
    variance = float(((n1 * n0 * (y1 + y0) - y1 * y0 * total) / total**2).sum()) / (r * s)
    return _on_log_scale(r / s, variance, z)


def _risk_difference(y1: FloatArray, n1: FloatArray, y0: FloatArray, n0: FloatArray, z: float) -> Effect:
    total = n1 + n0
    weight = n1 * n0 / total
    value = float((weight * (y1 / n1 - y0 / n0)).sum() / weight.sum())
    p = (n1**2 * y0 - n0**2 * y1 + n1 * n0 * (n0 - n1) / 2) / total**2
    q = (y1 * (n0 - y0) + y0 * (n1 - y1)) / (2 * total)
    variance = max(0.0, float(value * p.sum() + q.sum())) / float(weight.sum()) ** 2
    return Effect(value, value - z * sqrt(variance), value + z * sqrt(variance))
