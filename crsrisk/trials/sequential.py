"""When a trial may stop early: group-sequential bounds, what they cost in patients, and what
ignoring them costs in error.

All bounds are of the z statistic in the direction of benefit, at looks that are given as shares of
the information (0.5 = half of the patients have their outcome). The integration stands in
:mod:`crsrisk.trials.spending`, the ways to divide the error in :mod:`crsrisk.trials.spending`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    FloatArray,
    choice,
    count,
    numbers,
    positive,
    power_above,
    real,
)
from crsrisk.trials.sequential_solver import (
    as_inflation,
    below_upper,
    drift_for,
    equal_steps,
    inflation_for,
    information,
    looks_of,
    null_floor,
    solve,
    stated_floor,
)
from crsrisk.trials.spending import WHERE, Crossing, crossing
from crsrisk.trials.two_proportions import Variance, n_two_proportions, rounded_up


@dataclass(frozen=True)
class GroupSequentialBounds(Answer):
    """Bounds of a group-sequential design, one figure a look.

    ``z`` stops for benefit at or above; ``futility_z`` stops for futility below (None without; at
    the last look it equals ``z``). ``cum_alpha`` is the error of one side used up to each look.
    ``constant`` scales the shape (the last bound at full information; None for spending).
    ``inflation_power80`` and ``..90`` say how many times the patients of a trial without looks are
    needed at most for that power, ``inflation`` for the power that was asked.
    """

    z: FloatArray
    cum_alpha: FloatArray
    constant: float | None
    inflation_power80: float
    inflation_power90: float
    inflation: float
    info: FloatArray
    futility_z: FloatArray | None
    type: str
    is_two_sided: bool
    is_binding: bool


@dataclass(frozen=True)
class SequentialSize(Answer):
    """A group-sequential trial of two event rates: bounds, patients, and how it goes when the
    effect is there or not.

    ``n_cum`` are patients of both arms at each look (unrounded), ``n_max_ceil`` the last one in
    whole patients; ``expected_n_...`` the mean number at the end. ``stop_...`` are probabilities of
    ending at each look for benefit or for futility, with the stated rates (H1) or without effect
    (H0).
    """

    z: FloatArray
    futility_z: FloatArray | None
    info: FloatArray
    cum_alpha: FloatArray
    cum_power: FloatArray
    n_fixed: float
    inflation: float
    n_cum: FloatArray
    n_max_ceil: int
    expected_n_H1: float
    expected_n_H0: float
    stop_benefit_H1: FloatArray
    stop_futility_H1: FloatArray
    stop_benefit_H0: FloatArray
    stop_futility_H0: FloatArray


def gs_bounds(
    *,
    type: str,
    K: int | None = None,
    alpha_one_sided: float = 0.025,
    info: Literal["equal"] | Sequence[float] = "equal",
    two_sided: bool = False,
    futility_z: ArrayLike | None = None,
    futility: str | None = None,
    binding: bool = False,
    power: float = 0.8,
    rho: float | None = None,
    gamma: float | None = None,
    delta: float | None = None,
    futility_rho: float | None = None,
    futility_gamma: float | None = None,
) -> GroupSequentialBounds:
    """Bounds of the z statistic at each look that keep the error at ``alpha_one_sided``.

    Parameters ---------- type : a shape ("O'Brien-Fleming", "Pocock", "Wang-Tsiatis" with
    ``delta``) or a spending function ("Lan-DeMets
        OBF-like spending", "Lan-DeMets Pocock-like spending", "Kim-DeMets power spending" with
        ``rho``, "Hwang-Shih-DeCani spending" with ``gamma``).
    K : number of looks, the last one included; may be left out when ``info`` is a list. info :
    "equal", or the share of information at each look, ending with 1. two_sided : stop for harm by
    the mirrored bounds, too; the stated level then holds on each side. futility_z : stop for
    futility below these z, at each look but the last. futility : instead, a spending function for
    the type II error of 1 - ``power``, with ``futility_rho`` or
        ``futility_gamma``.
    binding : whether the trial must stop for futility. Only then may the bounds for benefit take
    advantage of it;
        otherwise (the default, as regulators prefer) the error holds whether or not futility is
        heeded.
    power : for ``futility``, and for ``inflation``.

    >>> [round(float(z), 3) for z in gs_bounds(type="O'Brien-Fleming", K=3).z]
    [3.471, 2.454, 2.004]
    >>> [round(float(z), 3) for z in gs_bounds(type="Lan-DeMets OBF-like spending", K=3).z]
    [3.71, 2.511, 1.993]
    """
    looks = looks_of(
        type=type,
        K=K,
        alpha=alpha_one_sided,
        info=info,
        two_sided=two_sided,
        futility_z=futility_z,
        futility=futility,
        binding=binding,
        rho=rho,
        gamma=gamma,
        delta=delta,
        futility_rho=futility_rho,
        futility_gamma=futility_gamma,
    )
    wanted = power_above(power, alpha=looks.alpha, where=WHERE)
    upper, lower, drift = solve(looks, power=wanted)
    # What an upper bound spends when nothing but benefit (or, binding, futility) stops the trial.
    spent = crossing(upper=upper, lower=null_floor(looks, upper, lower), info=looks.info).upper
    has_futility = looks.futility_z is not None or looks.futility is not None
    return GroupSequentialBounds(
        z=upper,
        cum_alpha=np.cumsum(spent),
        constant=(
            float(upper[-1] / looks.boundary.shape(looks.info)[-1])
            if looks.boundary.is_shape
            else None
        ),
        inflation_power80=inflation_for(looks, upper, lower, power=0.8),
        inflation_power90=inflation_for(looks, upper, lower, power=0.9),
        inflation=(
            inflation_for(looks, upper, lower, power=wanted)
            if drift is None
            else as_inflation(drift, alpha=looks.alpha, power=wanted)
        ),
        info=looks.info,
        futility_z=lower if has_futility else None,
        type=looks.boundary.name,
        is_two_sided=two_sided,
        is_binding=binding,
    )


def gs_sample_size_rates(
    *,
    p_treat: float,
    p_control: float,
    type: str,
    info: Literal["equal"] | Sequence[float] = "equal",
    K: int | None = None,
    alpha_one_sided: float = 0.025,
    power: float = 0.8,
    futility_z: ArrayLike | None = None,
    futility: str | None = None,
    binding: bool = False,
    ratio: float = 1.0,
    variance: Variance = "pooled_null",
    rho: float | None = None,
    gamma: float | None = None,
    delta: float | None = None,
    futility_rho: float | None = None,
    futility_gamma: float | None = None,
) -> SequentialSize:
    """Patients of a group-sequential trial of two event rates, at each look and on average.

    The patients of a trial without looks (:func:`crsrisk.trials.two_proportions.n_two_proportions`)
    times the inflation of the design; parameters as in :func:`gs_bounds` and there. Power counts
    stops for futility as failures.

    >>> design = gs_sample_size_rates(p_treat=0.125, p_control=0.25, type="O'Brien-Fleming", K=4)
    >>> design.n_max_ceil, round(design.expected_n_H1)
    (311, 253)
    """
    looks = looks_of(
        type=type,
        K=K,
        alpha=alpha_one_sided,
        info=info,
        two_sided=False,
        futility_z=futility_z,
        futility=futility,
        binding=binding,
        rho=rho,
        gamma=gamma,
        delta=delta,
        futility_rho=futility_rho,
        futility_gamma=futility_gamma,
    )
    fixed = n_two_proportions(
        p_treat=p_treat,
        p_control=p_control,
        alpha_one_sided=alpha_one_sided,
        power=power,
        ratio=ratio,
        variance=variance,
    ).n_total_unrounded
    upper, lower, drift = solve(looks, power=power)
    drift = drift or drift_for(looks, upper, lower, power=power)
    inflation = as_inflation(drift, alpha=looks.alpha, power=power)
    n_cum = fixed * inflation * looks.info
    spent = crossing(upper=upper, lower=null_floor(looks, upper, lower), info=looks.info)
    effect = crossing(upper=upper, lower=lower, info=looks.info, drift=drift)
    nothing = crossing(upper=upper, lower=lower, info=looks.info)
    has_futility = looks.futility_z is not None or looks.futility is not None
    return SequentialSize(
        z=upper,
        futility_z=lower if has_futility else None,
        info=looks.info,
        cum_alpha=np.cumsum(spent.upper),
        cum_power=np.cumsum(effect.upper),
        n_fixed=fixed,
        inflation=inflation,
        n_cum=n_cum,
        n_max_ceil=rounded_up(float(n_cum[-1])),
        expected_n_H1=_expected(n_cum, effect),
        expected_n_H0=_expected(n_cum, nothing),
        stop_benefit_H1=effect.upper,
        stop_futility_H1=_early(effect.lower, has_futility),
        stop_benefit_H0=nothing.upper,
        stop_futility_H0=_early(nothing.lower, has_futility),
    )


def gs_naive_error(
    *,
    z_each_look: float,
    looks: int | Sequence[int],
    two_sided: bool = True,
    report: Literal["upper tail", "both tails"] = "upper tail",
) -> float | FloatArray:
    """Error of looking several times with the same z, as if each look were the only one, after
    equal steps.

    ``looks`` is a number or several numbers of looks. With ``two_sided`` a trial stops on either
    side; "upper tail" is the share that ends with false benefit, "both tails" with any false claim.

    >>> round(gs_naive_error(z_each_look=1.959964, looks=5), 4)
    0.0708
    """
    z = positive(z_each_look, where=WHERE, key="z_each_look")
    choice(report, options=("upper tail", "both tails"), where=WHERE, key="report")
    sides = 2.0 if two_sided and report == "both tails" else 1.0
    errors = []
    for n_looks in looks if isinstance(looks, Sequence) else [looks]:
        info = equal_steps(count(n_looks, where=WHERE, key="looks", least=1))
        upper = np.full(info.size, z)
        lower = -upper if two_sided else np.full(info.size, -np.inf)
        errors.append(sides * float(crossing(upper=upper, lower=lower, info=info).upper.sum()))
    return np.array(errors) if isinstance(looks, Sequence) else errors[0]


def gs_crossing(
    *, z: ArrayLike, info: ArrayLike, drift: float, futility_z: ArrayLike | None = None
) -> Crossing:
    """Probability of stopping at each look for any bounds and any true effect.

    ``drift`` is the mean of z at full information: 0 without effect, z_alpha + z_beta (2.80) where
    a trial without looks would have 80% power. ``futility_z`` has one bound a look (or none for the
    last, which then equals ``z``).

    >>> at_design = gs_crossing(z=[2.797, 1.977], info=[0.5, 1.0], drift=2.8016)
    >>> round(float(at_design.upper.sum()), 3)
    0.797
    """
    upper, shares = (
        numbers(z, where=WHERE, key="z"),
        information(numbers(info, where=WHERE, key="info").tolist(), None),
    )
    if upper.size != shares.size:
        raise InputError(
            where=WHERE,
            key="z",
            found=f"{upper.size} bounds",
            expected=f"{shares.size}, one a look",
            cure="give z and info the same length",
        )
    floor = _floor(futility_z, upper)
    return crossing(
        upper=upper, lower=floor, info=shares, drift=real(drift, where=WHERE, key="drift")
    )


def _floor(futility_z: ArrayLike | None, upper: FloatArray) -> FloatArray:
    floor = (
        np.full(upper.size - 1, -np.inf)
        if futility_z is None
        else stated_floor(futility_z, upper.size)
    )
    return below_upper(floor, upper)


def _expected(n_cum: FloatArray, crossed: Crossing) -> float:
    stopped = crossed.upper + crossed.lower
    return float(n_cum @ stopped + n_cum[-1] * max(0.0, 1 - stopped.sum()))


def _early(lower: FloatArray, has_futility: bool) -> FloatArray:
    """Stops for futility before the last look; ending below the last bound is no stop."""
    early = lower.copy()
    early[-1] = 0.0
    return early if has_futility else np.zeros_like(lower)
