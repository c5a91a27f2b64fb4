"""Intervals of rates, of differences of rates, and of numbers needed to treat; bounds on what a
trial cannot identify.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, ndtr, ndtri
from scipy.stats import chi2

from crsrisk.errors import InputError
from crsrisk.trials.checks import Answer, FloatArray, count, events_of, inner_rate, share
from crsrisk.trials.two_proportions import restricted_rates

WHERE = "interval"
LEVEL = 0.95


def clopper_pearson(
    *, x: int | Sequence[int], n: int | Sequence[int], level: float = LEVEL
) -> FloatArray:
    """Exact interval of a rate: [low, high], or one row for each pair of ``x`` events among ``n``
    patients.

    Its coverage is at least the level, usually more (Clopper & Pearson, Biometrika 1934;26:404).

    >>> clopper_pearson(x=12, n=119).round(4).tolist()
    [0.0532, 0.1695]
    """
    events, patients, is_single = _counts(x, n)
    tail = (1 - inner_rate(level, where=WHERE, key="level")) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(events == 0, 0.0, betaincinv(events, patients - events + 1, tail))
        high = np.where(
            events == patients, 1.0, betaincinv(events + 1, patients - events, 1 - tail)
        )
    rows = np.column_stack([low, high])
    return rows[0] if is_single else rows


def wilson(*, x: int | Sequence[int], n: int | Sequence[int], level: float = LEVEL) -> FloatArray:
    """Wilson's score interval of a rate: [low, high], or one row for each pair (J Am Stat Assoc
    1927;22:209).

    >>> wilson(x=15, n=50).round(4).tolist()
    [0.191, 0.4375]
    """
    events, patients, is_single = _counts(x, n)
    z = _z(level)
    rate = events / patients
    centre = (rate + z**2 / (2 * patients)) / (1 + z**2 / patients)
    half = (
        z * np.sqrt(rate * (1 - rate) / patients + z**2 / (4 * patients**2)) / (1 + z**2 / patients)
    )
    low = np.where(events == 0, 0.0, centre - half)
    high = np.where(events == patients, 1.0, centre + half)
    rows = np.column_stack([low, high])
    return rows[0] if is_single else rows


def mcse_proportion(
    *, p: float | Sequence[float], n_sim: int | Sequence[int]
) -> float | FloatArray:
    """Monte Carlo error of a simulated probability: sqrt(p (1 - p) / n_sim).

    Source: Morris, White & Crowther, Stat Med 2019;38:2074.

    >>> round(mcse_proportion(p=0.8, n_sim=10_000), 6)
    0.004
    """
    where = "Monte Carlo error"
    rates = np.array([share(rate, where=where, key="p") for rate in np.atleast_1d(p).tolist()])
    sizes = np.array(
        [count(size, where=where, key="n_sim", least=1) for size in np.atleast_1d(n_sim).tolist()]
    )
    errors = np.sqrt(rates * (1 - rates) / sizes)
    return float(errors[0]) if np.ndim(p) == 0 and np.ndim(n_sim) == 0 else errors


def risk_difference_newcombe(
    *, treat: Sequence[int], control: Sequence[int], level: float = LEVEL
) -> FloatArray:
    """Interval of rate(treat) - rate(control), [low, high], by Newcombe's hybrid of two Wilson
    intervals.

    ``treat`` and ``control`` are [events, patients]. Method 10 of Newcombe, Stat Med 1998;17:873.

    >>> risk_difference_newcombe(treat=[10, 33], control=[11, 15]).round(4).tolist()
    [-0.6342, -0.1254]
    """
    (x1, n1), (x2, n2) = _pair(treat, key="treat"), _pair(control, key="control")
    low1, high1 = wilson(x=x1, n=n1, level=level)
    low2, high2 = wilson(x=x2, n=n2, level=level)
    p1, p2 = x1 / n1, x2 / n2
    below = sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2)
    above = sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2)
    return np.array([p1 - p2 - below, p1 - p2 + above])


def risk_difference_miettinen_nurminen(
    *, treat: Sequence[int], control: Sequence[int], level: float = LEVEL
) -> FloatArray:
    """Interval of rate(treat) - rate(control), [low, high], by inverting the score test.

    All differences d that the test with the most likely rates p1 - p2 = d, and variance times N/(N
    - 1), does not reject (Miettinen & Nurminen, Stat Med 1985;4:213).

    >>> risk_difference_miettinen_nurminen(treat=[10, 33], control=[11, 15]).round(3).tolist()
    [-0.654, -0.124]
    """
    (x1, n1), (x2, n2) = _pair(treat, key="treat"), _pair(control, key="control")
    z, p1, p2 = _z(level), x1 / n1, x2 / n2

    def score(delta: float) -> float:
        null1, null2 = restricted_rates(p1, p2, delta=delta, ratio=n2 / n1)
        variance = (null1 * (1 - null1) / n1 + null2 * (1 - null2) / n2) * (n1 + n2) / (n1 + n2 - 1)
        away = p1 - p2 - delta
        return away / sqrt(variance) if variance > 0 else float(np.sign(away)) * 1e12

    edge = 1 - 1e-12
    low = (
        -1.0
        if score(-edge) < z
        else float(brentq(lambda d: score(d) - z, -edge, p1 - p2, xtol=1e-12))
    )
    high = (
        1.0
        if score(edge) > -z
        else float(brentq(lambda d: score(d) + z, p1 - p2, edge, xtol=1e-12))
    )
    return np.array([low, high])


@dataclass(frozen=True)
class NumberNeeded(Answer):
    """Patients to treat for one event averted, with its interval.

    ``nnt`` is negative when the treated had more events (then it is a number needed to harm), None
    without difference. ``nnt_low`` to ``nnt_high`` is the interval on the side of benefit (None:
    without end, None for both when no benefit is compatible with the data); ``nnh_low`` is the
    smallest number needed to harm that is compatible (None: no harm is).
    """

    risk_difference: float
    risk_difference_low: float
    risk_difference_high: float
    nnt: float | None
    nnt_low: float | None
    nnt_high: float | None
    nnh_low: float | None
    in_words: str


def number_needed(
    *, treat: Sequence[int], control: Sequence[int], level: float = LEVEL
) -> NumberNeeded:
    """Number needed to treat from two arms' [events, patients], by Newcombe's interval of the risk
    difference.

    An interval of the difference that holds 0 becomes two pieces that meet at infinity: "NNT 8 to
    infinity to NNH 40" (Altman, BMJ 1998;317:1309).

    >>> number_needed(treat=[19, 152], control=[38, 152]).in_words
    'NNT 8.0 (4.7 to 26.8)'
    """
    low, high = (
        float(end) for end in risk_difference_newcombe(treat=treat, control=control, level=level)
    )
    (x1, n1), (x2, n2) = _pair(treat, key="treat"), _pair(control, key="control")
    difference = x1 / n1 - x2 / n2
    nnt = -1 / difference if difference else None
    nnt_low = -1 / low if low < 0 else None
    nnt_high = -1 / high if high < 0 else None
    nnh_low = 1 / high if high > 0 else None
    return NumberNeeded(
        difference, low, high, nnt, nnt_low, nnt_high, nnh_low, _in_words(nnt, low=low, high=high)
    )


def _in_words(nnt: float | None, *, low: float, high: float) -> str:
    point = "no difference" if nnt is None else f"{'NNT' if nnt > 0 else 'NNH'} {abs(nnt):.1f}"
    if high < 0:
        return f"{point} ({-1 / low:.1f} to {-1 / high:.1f})"
    if low > 0:
        return f"{point} ({1 / high:.1f} to {1 / low:.1f})"
    benefit = f"NNT {-1 / low:.1f}" if low < 0 else "no benefit"
    harm = f"NNH {1 / high:.1f}" if high > 0 else "no harm"
    return f"{point} ({benefit} to infinity to {harm})"


@dataclass(frozen=True)
class FrechetBounds(Answer):
    """Least and largest share of patients who would have the event only without treatment, and if
    treatment never harms.
    """

    low: float
    high: float
    monotone: float | None


def frechet_bounds(*, p0: float, p1: float) -> FrechetBounds:
    """Bounds on P(Y0 = 1, Y1 = 0), the share that benefits, from the two event rates that a trial
    shows.

    No trial identifies it: max(0, p0 - p1) to min(p0, 1 - p1) (Frechet). If treatment never causes
    an event (monotone), it is p0 - p1; None when p1 > p0 rules that out.

    >>> bounds = frechet_bounds(p0=0.4, p1=0.2)
    >>> bounds.low, bounds.high
    (0.2, 0.4)
    """
    without = share(p0, where="Frechet bounds", key="p0")
    treated = share(p1, where="Frechet bounds", key="p1")
    return FrechetBounds(
        max(0.0, without - treated),
        min(without, 1 - treated),
        without - treated if treated <= without else None,
    )


def _counts(x: int | Sequence[int], n: int | Sequence[int]) -> tuple[FloatArray, FloatArray, bool]:
    patients = [count(size, where=WHERE, key="n", least=1) for size in np.atleast_1d(n).tolist()]
    seen = np.atleast_1d(x).tolist()
    if len(seen) != len(patients):
        raise InputError(
            where=WHERE,
            key="x",
            found=f"{len(seen)} counts for {len(patients)} sizes",
            expected="one count of events for each size",
            cure="give the lists the same length",
        )
    events = [
        events_of(k, n=size, where=WHERE, key="x") for k, size in zip(seen, patients, strict=True)
    ]
    return np.array(events, dtype=np.float64), np.array(patients, dtype=np.float64), np.ndim(x) == 0


def _pair(arm: Sequence[int], *, key: str) -> tuple[int, int]:
    if len(arm) != 2:
        raise InputError(
            where=WHERE, key=key, found=arm, expected="[events, patients]", cure="write two counts"
        )
    n = count(arm[1], where=WHERE, key=key, least=1)
    return events_of(arm[0], n=n, where=WHERE, key=key), n


def _z(level: float) -> float:
    return float(ndtri(0.5 + inner_rate(level, where=WHERE, key="level") / 2))


# Comparing two arms within strata of risk: the Cochran-Mantel-Haenszel test and the common effects
# that go with it.


WHERE_STRATIFIED = "Mantel-Haenszel"


@dataclass(frozen=True)
class Effect(Answer):
    """A common effect over strata with its interval; None where the strata do not determine it."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MantelHaenszel(Answer):
    """Test and common effects over strata.

    ``z`` is positive when the treated had fewer events than expected; ``p_one_sided`` is of that
    claim. Odds and risk ratio are treated over control, the risk difference treated minus control.
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

    Test: sum over strata of (expected - observed events of the treated), over the root of the
    summed hypergeometric variances; with ``continuity`` 1/2 is taken off (Mantel & Haenszel, J Natl
    Cancer Inst 1959;22:719). Intervals: log odds ratio by Robins, Breslow & Greenland (Biometrics
    1986;42:311), log risk ratio by Greenland & Robins (Biometrics 1985;41:55), risk difference by
    Sato (Biometrics 1989;45:1323).

    >>> both = cochran_mantel_haenszel(events_treat=[4, 12], n_treat=[40, 40], events_control=[8, 20], n_control=[40, 40])
    >>> round(both.risk_difference.value, 4), round(both.p_two_sided, 4)
    (-0.15, 0.0279)
    """
    y1, n1, y0, n0 = _strata(events_treat, n_treat, events_control, n_control)
    z_level = float(ndtri(0.5 + inner_rate(level, where=WHERE_STRATIFIED, key="level") / 2))
    total, events = n1 + n0, y1 + y0
    variance = float(
        np.sum(n1 * n0 * events * (total - events) / (total**2 * np.maximum(total - 1, 1)))
    )
    away = float(np.sum(n1 * events / total - y1))
    if variance == 0:
        raise InputError(
            where=WHERE_STRATIFIED,
            key="events",
            found="no stratum with both outcomes",
            expected="patients with and without the event",
            cure="pool strata or follow more patients",
        )
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
        raise InputError(
            where=WHERE_STRATIFIED,
            key="strata",
            found=[len(values) for values in lists],
            expected="four lists of the same length, at least one stratum",
            cure="one count a stratum",
        )
    n1, n0 = (
        [count(n, where=WHERE_STRATIFIED, key=key, least=1) for n in values]
        for key, values in (("n_treat", lists[1]), ("n_control", lists[3]))
    )
    y1, y0 = (
        [
            events_of(y, n=n, where=WHERE_STRATIFIED, key=key)
            for y, n in zip(values, sizes, strict=True)
        ]
        for key, values, sizes in (("events_treat", lists[0], n1), ("events_control", lists[2], n0))
    )
    return (np.array(y1, float), np.array(n1, float), np.array(y0, float), np.array(n0, float))


def _on_log_scale(ratio: float, variance: float, z: float) -> Effect:
    return Effect(ratio, exp(log(ratio) - z * sqrt(variance)), exp(log(ratio) + z * sqrt(variance)))


def _odds_ratio(y1: FloatArray, n1: FloatArray, y0: FloatArray, n0: FloatArray, z: float) -> Effect:
    total = n1 + n0
    for_treated, for_control = y1 * (n0 - y0) / total, y0 * (n1 - y1) / total
    sample_conditional, unlike = (y1 + n0 - y0) / total, (y0 + n1 - y1) / total
    r, s = float(for_treated.sum()), float(for_control.sum())
    if r == 0 or s == 0:
        return Effect(0.0 if s else None, None, None)
    variance = float(
        (sample_conditional * for_treated).sum() / (2 * r**2)
        + (sample_conditional * for_control + unlike * for_treated).sum() / (2 * r * s)
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


def _risk_difference(
    y1: FloatArray, n1: FloatArray, y0: FloatArray, n0: FloatArray, z: float
) -> Effect:
    total = n1 + n0
    weight = n1 * n0 / total
    value = float((weight * (y1 / n1 - y0 / n0)).sum() / weight.sum())
    p = (n1**2 * y0 - n0**2 * y1 + n1 * n0 * (n0 - n1) / 2) / total**2
    q = (y1 * (n0 - y0) + y0 * (n1 - y1)) / (2 * total)
    variance = max(0.0, float(value * p.sum() + q.sum())) / float(weight.sum()) ** 2
    return Effect(value, value - z * sqrt(variance), value + z * sqrt(variance))
