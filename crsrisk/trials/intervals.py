"""Intervals of rates and of differences of rates, numbers needed to treat, common effects over
strata, and bounds on what a trial cannot identify.

statsmodels computes what it has: Wilson, Clopper-Pearson, Newcombe, the common odds ratio. Kept
here: Miettinen and Nurminen's interval, for which statsmodels 0.14 raises where nobody or everybody
had the event and elsewhere gives ends that do not invert the test (10 of 33 against 11 of 15:
-0.671 for -0.654); the test over strata, whose continuity correction it takes beyond what is
expected; the common risk ratio's interval and Sato's of the risk difference, which it does not
have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, exp, log, sqrt
from typing import Literal, overload

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import chi2
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable
from crsrisk.trials.checks import Answer, FloatArray, count, events_of, inner_rate, share
from crsrisk.trials.two_proportions import restricted_rates

WHERE = "interval"
WHERE_STRATIFIED = "Mantel-Haenszel"
LEVEL = 0.95


# --- one rate ---


@overload
def clopper_pearson(x: int, n: int, *, level: float = ...) -> Estimate: ...
@overload
def clopper_pearson(
    x: Sequence[int], n: Sequence[int], *, level: float = ...
) -> tuple[Estimate, ...]: ...
def clopper_pearson(
    x: int | Sequence[int], n: int | Sequence[int], *, level: float = LEVEL
) -> Estimate | tuple[Estimate, ...]:
    """Exact (Clopper-Pearson) confidence interval of a rate.

    Its coverage is at least the level, usually more.

    Parameters
    ----------
    x : patients with the event; a list asks for several intervals.
    n : patients in all, of the same length.
    level : coverage of the interval, above 0 and below 1.

    Returns
    -------
    Estimate or tuple of Estimate
        The rate x / n with its interval; one for each pair where lists were given.

    Raises
    ------
    InputError
        For counts that cannot be (more events than patients) or lists of different length.

    References
    ----------
    Clopper & Pearson, Biometrika 1934;26:404. Computed by statsmodels.

    Examples
    --------
    >>> clopper_pearson(12, 119)
    Estimate(0.1008, 0.0532 to 0.1695)
    """
    return _rate(x, n, level=level, method="beta")


@overload
def wilson(x: int, n: int, *, level: float = ...) -> Estimate: ...
@overload
def wilson(x: Sequence[int], n: Sequence[int], *, level: float = ...) -> tuple[Estimate, ...]: ...
def wilson(
    x: int | Sequence[int], n: int | Sequence[int], *, level: float = LEVEL
) -> Estimate | tuple[Estimate, ...]:
    """Wilson's score interval of a rate: shorter than the exact one, its coverage near the level.

    Parameters
    ----------
    x : patients with the event; a list asks for several intervals.
    n : patients in all, of the same length.
    level : coverage of the interval, above 0 and below 1.

    Returns
    -------
    Estimate or tuple of Estimate
        The rate x / n with its interval; one for each pair where lists were given.

    Raises
    ------
    InputError
        For counts that cannot be (more events than patients) or lists of different length.

    References
    ----------
    Wilson, J Am Stat Assoc 1927;22:209. Computed by statsmodels.

    Examples
    --------
    >>> wilson(15, 50)
    Estimate(0.3, 0.191 to 0.4375)
    """
    return _rate(x, n, level=level, method="wilson")


def _rate(
    x: int | Sequence[int],
    n: int | Sequence[int],
    *,
    level: float,
    method: Literal["beta", "wilson"],
) -> Estimate | tuple[Estimate, ...]:
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
    alpha = 1 - inner_rate(level, where=WHERE, key="level")
    low, high = proportion_confint(np.array(events), np.array(patients), alpha, method)
    low = np.where(np.array(events) == 0, 0.0, low)  # exactly, where rounding leaves a little
    high = np.where(np.array(events) == np.array(patients), 1.0, high)
    estimates = tuple(
        Estimate(k / size, float(a), float(b))
        for k, size, a, b in zip(events, patients, low, high, strict=True)
    )
    return estimates[0] if np.ndim(x) == 0 else estimates


@overload
def mcse_proportion(p: float, n_sim: int) -> float: ...
@overload
def mcse_proportion(p: Sequence[float], n_sim: int | Sequence[int]) -> FloatArray: ...
@overload
def mcse_proportion(p: float | Sequence[float], n_sim: Sequence[int]) -> FloatArray: ...
def mcse_proportion(p: float | Sequence[float], n_sim: int | Sequence[int]) -> float | FloatArray:
    """Monte Carlo standard error of a simulated probability, sqrt(p (1 - p) / n_sim).

    Parameters
    ----------
    p : the probability, 0 to 1; a list asks for several.
    n_sim : number of simulated trials behind it.

    Returns
    -------
    float or array
        The standard error, in the unit of ``p``; an array where a list was given.

    Raises
    ------
    InputError
        For a probability outside 0 to 1, or no simulated trial.

    References
    ----------
    Morris, White & Crowther, Stat Med 2019;38:2074.

    Examples
    --------
    >>> round(mcse_proportion(0.8, 10_000), 6)
    0.004
    """
    where = "Monte Carlo error"
    rates = np.array([share(rate, where=where, key="p") for rate in np.atleast_1d(p).tolist()])
    sizes = np.array(
        [count(size, where=where, key="n_sim", least=1) for size in np.atleast_1d(n_sim).tolist()]
    )
    errors = np.sqrt(rates * (1 - rates) / sizes)
    return float(errors[0]) if np.ndim(p) == 0 and np.ndim(n_sim) == 0 else errors


# --- two rates ---


def risk_difference_newcombe(
    treat: Sequence[int], control: Sequence[int], *, level: float = LEVEL
) -> Estimate:
    """Difference of two event rates with Newcombe's hybrid interval of two Wilson intervals.

    Parameters
    ----------
    treat, control : (patients with the event, patients in all) of each arm.
    level : coverage of the interval, above 0 and below 1.

    Returns
    -------
    Estimate
        Rate with the treatment minus rate in the controls: below 0 where the treated had fewer.

    Raises
    ------
    InputError
        For counts that cannot be.

    References
    ----------
    Method 10 of Newcombe, Stat Med 1998;17:873. Computed by statsmodels.

    Examples
    --------
    >>> risk_difference_newcombe([10, 33], [11, 15])
    Estimate(-0.4303, -0.6342 to -0.1254)
    """
    (x1, n1), (x2, n2) = _pair(treat, key="treat"), _pair(control, key="control")
    alpha = 1 - inner_rate(level, where=WHERE, key="level")
    low, high = confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", alpha=alpha)
    return Estimate(x1 / n1 - x2 / n2, float(low), float(high))


def risk_difference_miettinen_nurminen(
    treat: Sequence[int], control: Sequence[int], *, level: float = LEVEL
) -> Estimate:
    """Difference of two event rates with the interval that inverts the score test.

    It holds all differences d that are not rejected by the test with the most likely rates under
    p1 - p2 = d and a variance times N / (N - 1).

    Parameters
    ----------
    treat, control : (patients with the event, patients in all) of each arm.
    level : coverage of the interval, above 0 and below 1.

    Returns
    -------
    Estimate
        Rate with the treatment minus rate in the controls: below 0 where the treated had fewer.

    Raises
    ------
    InputError
        For counts that cannot be.

    References
    ----------
    Miettinen & Nurminen, Stat Med 1985;4:213.

    Examples
    --------
    >>> risk_difference_miettinen_nurminen([10, 33], [11, 15])
    Estimate(-0.4303, -0.6539 to -0.1242)
    """
    (x1, n1), (x2, n2) = _pair(treat, key="treat"), _pair(control, key="control")
    z, p1, p2 = _z(level), x1 / n1, x2 / n2

    def score(delta: float) -> float:
        null1, null2 = restricted_rates(p1, p2, delta=delta, ratio=n2 / n1)
        variance = (null1 * (1 - null1) / n1 + null2 * (1 - null2) / n2) * (n1 + n2) / (n1 + n2 - 1)
        away = p1 - p2 - delta
        return away / sqrt(variance) if variance > 0 else float(np.sign(away)) * 1e12

    edge = 1 - 1e-12
    low, high = -1.0, 1.0
    if score(-edge) >= z:
        low = float(brentq(lambda d: score(d) - z, -edge, p1 - p2, xtol=1e-12))
    if score(edge) <= -z:
        high = float(brentq(lambda d: score(d) + z, p1 - p2, edge, xtol=1e-12))
    return Estimate(p1 - p2, low, high)


@dataclass(frozen=True, repr=False)
class NumberNeeded(Answer):
    """Patients to treat for one event averted, with its interval.

    Attributes
    ----------
    risk_difference : rate with the treatment minus rate in the controls, Newcombe's interval.
    nnt : negative when the treated had more events (then it is a number needed to harm), None
        without difference.
    nnt_low, nnt_high : the interval on the side of benefit; None: without end, None for both when
        no benefit is compatible with the data.
    nnh_low : the smallest number needed to harm that is compatible; None: no harm is.
    in_words : the same as a sentence may say it.
    """

    risk_difference: Estimate
    nnt: float | None
    nnt_low: float | None
    nnt_high: float | None
    nnh_low: float | None
    in_words: str

    def summary(self) -> str:
        """The number in words."""
        return self.in_words


def number_needed(
    treat: Sequence[int], control: Sequence[int], *, level: float = LEVEL
) -> NumberNeeded:
    """Number needed to treat for one event averted, from the counts of two arms.

    An interval of the risk difference that holds 0 becomes two pieces that meet at infinity: "NNT 8
    to infinity to NNH 40".

    Parameters
    ----------
    treat, control : (patients with the event, patients in all) of each arm.
    level : coverage of the interval, above 0 and below 1.

    Returns
    -------
    NumberNeeded

    Raises
    ------
    InputError
        For counts that cannot be.

    References
    ----------
    Altman, BMJ 1998;317:1309. Interval: Newcombe, Stat Med 1998;17:873, turned over.

    Examples
    --------
    >>> number_needed([19, 152], [38, 152]).in_words
    'NNT 8.0 (4.7 to 26.8)'
    """
    difference = risk_difference_newcombe(treat, control, level=level)
    low, high = difference.low, difference.high
    nnt = -1 / difference.value if difference.value else None
    return NumberNeeded(
        risk_difference=difference,
        nnt=nnt,
        nnt_low=-1 / low if low < 0 else None,
        nnt_high=-1 / high if high < 0 else None,
        nnh_low=1 / high if high > 0 else None,
        in_words=_number_in_words(nnt, low=low, high=high),
    )


def _number_in_words(nnt: float | None, *, low: float, high: float) -> str:
    point = "no difference" if nnt is None else f"{'NNT' if nnt > 0 else 'NNH'} {abs(nnt):.1f}"
    if high < 0:
        return f"{point} ({-1 / low:.1f} to {-1 / high:.1f})"
    if low > 0:
        return f"{point} ({1 / high:.1f} to {1 / low:.1f})"
    benefit = f"NNT {-1 / low:.1f}" if low < 0 else "no benefit"
    harm = f"NNH {1 / high:.1f}" if high > 0 else "no harm"
    return f"{point} ({benefit} to infinity to {harm})"


@dataclass(frozen=True, repr=False)
class FrechetBounds(Answer):
    """Least and largest share of patients who would have the event only without treatment.

    ``monotone``: that share if treatment never causes an event; None where the rates rule that out.
    """

    low: float
    high: float
    monotone: float | None


def frechet_bounds(p0: float, p1: float) -> FrechetBounds:
    """Bounds on the share of patients who benefit, P(Y0 = 1, Y1 = 0), from two event rates.

    No trial identifies this share, since nobody is seen under both arms; the rates only bound it:
    max(0, p0 - p1) to min(p0, 1 - p1). If treatment never causes an event it is p0 - p1.

    Parameters
    ----------
    p0 : event rate without treatment, 0 to 1.
    p1 : event rate with treatment, 0 to 1.

    Returns
    -------
    FrechetBounds

    Raises
    ------
    InputError
        For a rate outside 0 to 1.

    References
    ----------
    Fréchet, Ann Univ Lyon A 1951;14:53.

    Examples
    --------
    >>> frechet_bounds(p0=0.4, p1=0.2)
    <FrechetBounds: low 0.2, high 0.4, monotone 0.2>
    """
    without = share(p0, where="Frechet bounds", key="p0")
    treated = share(p1, where="Frechet bounds", key="p1")
    return FrechetBounds(
        low=max(0.0, without - treated),
        high=min(without, 1 - treated),
        monotone=without - treated if treated <= without else None,
    )


def _pair(arm: Sequence[int], *, key: str) -> tuple[int, int]:
    if len(arm) != 2:
        raise InputError(
            where=WHERE, key=key, found=arm, expected="[events, patients]", cure="write two counts"
        )
    n = count(arm[1], where=WHERE, key=key, least=1)
    return events_of(arm[0], n=n, where=WHERE, key=key), n


def _z(level: float, *, where: str = WHERE) -> float:
    return float(ndtri(0.5 + inner_rate(level, where=where, key="level") / 2))


# --- two rates within strata ---


@dataclass(frozen=True, repr=False)
class MantelHaenszel(Answer):
    """Test of no effect within strata, and the effects common to them.

    ``z`` is positive when the treated had fewer events than expected; ``p_one_sided`` is of that
    claim. Odds and risk ratio are treated over control, the risk difference treated minus control.
    An effect without treated events is 0 without interval; one without control events is not
    estimable.
    """

    chi2: float
    z: float
    p_two_sided: float
    p_one_sided: float
    odds_ratio: Estimate | NotEstimable
    risk_ratio: Estimate | NotEstimable
    risk_difference: Estimate


@dataclass(frozen=True)
class _Strata:
    """Events and patients of both arms, one entry a stratum."""

    y1: FloatArray
    n1: FloatArray
    y0: FloatArray
    n0: FloatArray

    @property
    def total(self) -> FloatArray:
        return self.n1 + self.n0


def cochran_mantel_haenszel(
    *,
    events_treat: Sequence[int],
    n_treat: Sequence[int],
    events_control: Sequence[int],
    n_control: Sequence[int],
    level: float = LEVEL,
    continuity: bool = False,
) -> MantelHaenszel:
    """Compare two arms within strata of risk: test, common odds ratio, risk ratio and difference.

    The statistic is the sum over strata of (expected - observed events of the treated), over the
    root of the summed hypergeometric variances.

    Parameters
    ----------
    events_treat, n_treat : patients with the event and in all among the treated, one count a
        stratum.
    events_control, n_control : the same of the controls.
    level : coverage of the intervals, above 0 and below 1.
    continuity : take 1/2 off the distance from what is expected, at most all of it.

    Returns
    -------
    MantelHaenszel

    Raises
    ------
    InputError
        For lists of different length, a stratum with an empty arm, or no stratum with both
        outcomes.

    References
    ----------
    Mantel & Haenszel, J Natl Cancer Inst 1959;22:719. Intervals: log odds ratio by Robins, Breslow
    & Greenland (Biometrics 1986;42:311; statsmodels), log risk ratio by Greenland & Robins
    (Biometrics 1985;41:55), risk difference by Sato (Biometrics 1989;45:1323).

    Examples
    --------
    >>> both = cochran_mantel_haenszel(
    ...     events_treat=[4, 12], n_treat=[40, 40], events_control=[8, 20], n_control=[40, 40]
    ... )
    >>> round(both.risk_difference.value, 4), round(both.p_two_sided, 4)
    (-0.15, 0.0279)
    """
    strata = _strata(events_treat, n_treat, events_control, n_control)
    z_level = _z(level, where=WHERE_STRATIFIED)
    events = strata.y1 + strata.y0
    variance = float(
        np.sum(
            strata.n1
            * strata.n0
            * events
            * (strata.total - events)
            / (strata.total**2 * (strata.total - 1))
        )
    )
    if variance == 0:
        raise InputError(
            where=WHERE_STRATIFIED,
            key="events",
            found="no stratum with both outcomes",
            expected="patients with and without the event",
            cure="pool strata or follow more patients",
        )
    away = float(np.sum(strata.n1 * events / strata.total - strata.y1))
    if continuity:
        away = copysign(max(0.0, abs(away) - 0.5), away)
    z = away / sqrt(variance)
    return MantelHaenszel(
        chi2=z**2,
        z=z,
        p_two_sided=float(chi2.sf(z**2, 1)),
        p_one_sided=float(ndtr(-z)),
        odds_ratio=_odds_ratio(strata, level=level),
        risk_ratio=_risk_ratio(strata, z_level),
        risk_difference=_risk_difference(strata, z_level),
    )


def _strata(*lists: Sequence[int]) -> _Strata:
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
    return _Strata(*(np.array(values, dtype=np.float64) for values in (y1, n1, y0, n0)))


def _undetermined(for_treated: float, for_controls: float) -> Estimate | NotEstimable | None:
    """A ratio whose numerator or denominator is empty; None where it can be estimated."""
    if for_controls == 0:
        return NotEstimable("no stratum has an event among the controls to compare with")
    return Estimate(0.0) if for_treated == 0 else None


def _odds_ratio(strata: _Strata, *, level: float) -> Estimate | NotEstimable:
    y1, n1, y0, n0 = strata.y1, strata.n1, strata.y0, strata.n0
    for_treated, for_controls = y1 * (n0 - y0), y0 * (n1 - y1)
    edge = _undetermined(float(for_treated.sum()), float(for_controls.sum()))
    if edge is not None:
        return edge
    tables = StratifiedTable(np.array([[y1, n1 - y1], [y0, n0 - y0]]))
    low, high = tables.oddsratio_pooled_confint(alpha=1 - level)
    return Estimate(float(tables.oddsratio_pooled), float(low), float(high))


def _risk_ratio(strata: _Strata, z: float) -> Estimate | NotEstimable:
    y1, n1, y0, n0, total = strata.y1, strata.n1, strata.y0, strata.n0, strata.total
    for_treated, for_controls = float((y1 * n0 / total).sum()), float((y0 * n1 / total).sum())
    edge = _undetermined(for_treated, for_controls)
    if edge is not None:
        return edge
    ratio = for_treated / for_controls
    spread = (n1 * n0 * (y1 + y0) - y1 * y0 * total) / total**2
    step = z * sqrt(float(spread.sum()) / (for_treated * for_controls))
    return Estimate(ratio, exp(log(ratio) - step), exp(log(ratio) + step))


def _risk_difference(strata: _Strata, z: float) -> Estimate:
    y1, n1, y0, n0, total = strata.y1, strata.n1, strata.y0, strata.n0, strata.total
    weight = n1 * n0 / total
    value = float((weight * (y1 / n1 - y0 / n0)).sum() / weight.sum())
    p = (n1**2 * y0 - n0**2 * y1 + n1 * n0 * (n0 - n1) / 2) / total**2
    q = (y1 * (n0 - y0) + y0 * (n1 - y1)) / (2 * total)
    variance = max(0.0, float(value * p.sum() + q.sum())) / float(weight.sum()) ** 2
    return Estimate(value, value - z * sqrt(variance), value + z * sqrt(variance))
