"""When a trial may stop early: group-sequential bounds, what they cost in patients, and what
ignoring them costs in error.

All bounds are of the z statistic in the direction of benefit, at looks that are given as shares of
the information (0.5 = half of the patients have their outcome). The ways to divide the error and
the walk that is followed stand in :mod:`crsrisk.trials.spending`, the solution of a design in
:mod:`crsrisk.trials.sequential_solver`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import pandas as pd
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
from crsrisk.trials.spending import WHERE, Boundary, Crossing, boundary, crossing
from crsrisk.trials.two_proportions import Variance, rounded_up, sample_size_two_proportions


def _by_look(**columns: FloatArray | None) -> pd.DataFrame:
    """One row a look; columns that a design does not have are left out."""
    given = {name: values for name, values in columns.items() if values is not None}
    frame = pd.DataFrame(given)
    frame.index = pd.RangeIndex(1, len(frame) + 1, name="look")
    return frame


@dataclass(frozen=True, eq=False, repr=False)
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

    def summary(self) -> str:
        """The boundary and its z at each look."""
        return f"{self.type}, z {', '.join(f'{z:.3f}' for z in self.z)}"

    def to_frame(self) -> pd.DataFrame:
        """One row a look: information, z, futility_z and the error used so far."""
        return _by_look(
            info=self.info, z=self.z, futility_z=self.futility_z, cum_alpha=self.cum_alpha
        )


@dataclass(frozen=True, eq=False, repr=False)
class GroupSequentialSize(Answer):
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

    def summary(self) -> str:
        """Patients at most, and on average with and without the effect."""
        return (
            f"at most {self.n_max_ceil:,} patients at {self.info.size} looks,"
            f" {self.expected_n_H1:.0f} on average with the effect and {self.expected_n_H0:.0f}"
            " without"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a look: patients so far, bounds, error and power used, and stops at this look."""
        return _by_look(
            info=self.info,
            n_cum=self.n_cum,
            z=self.z,
            futility_z=self.futility_z,
            cum_alpha=self.cum_alpha,
            cum_power=self.cum_power,
            stop_benefit_H1=self.stop_benefit_H1,
            stop_futility_H1=self.stop_futility_H1,
            stop_benefit_H0=self.stop_benefit_H0,
            stop_futility_H0=self.stop_futility_H0,
        )


def group_sequential_bounds(
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

    Parameters
    ----------
    type : a shape ("O'Brien-Fleming", "Pocock", "Wang-Tsiatis" with ``delta``) or a spending
        function ("Lan-DeMets OBF-like spending", "Lan-DeMets Pocock-like spending", "Kim-DeMets
        power spending" with ``rho``, "Hwang-Shih-DeCani spending" with ``gamma``).
    K : number of looks, the last one included; may be left out when ``info`` is a list.
    alpha_one_sided : level of the whole trial on one side.
    info : "equal", or the share of information at each look, rising to 1.
    two_sided : stop for harm by the mirrored bounds, too; the stated level then holds on each side.
    futility_z : stop for futility below these z, at each look but the last.
    futility : instead, a spending function for the type II error of 1 - ``power``, with
        ``futility_rho`` or ``futility_gamma``.
    binding : whether the trial must stop for futility. Only then may the bounds for benefit take
        advantage of it; otherwise (the default, as regulators prefer) the error holds whether or
        not futility is heeded.
    power : for ``futility``, and for ``inflation``.
    rho, gamma, delta : parameter of the boundary, where it has one.
    futility_rho, futility_gamma : parameter of the spending function for futility.

    Returns
    -------
    GroupSequentialBounds

    Raises
    ------
    InputError
        For an unknown boundary or one without its parameter, looks that do not rise to 1 or nearly
        coincide, and stops for futility that do not go with the bounds.

    References
    ----------
    Jennison & Turnbull, Group Sequential Methods, 2000; Lan & DeMets, Biometrika 1983;70:659.

    Examples
    --------
    >>> group_sequential_bounds(type="O'Brien-Fleming", K=3).z.round(3).tolist()
    [3.471, 2.454, 2.004]
    >>> group_sequential_bounds(type="Lan-DeMets OBF-like spending", K=3).z.round(3).tolist()
    [3.71, 2.511, 1.993]
    """
    looks = looks_of(
        boundary(type, rho=rho, gamma=gamma, delta=delta),
        information(info, K),
        alpha=alpha_one_sided,
        two_sided=two_sided,
        futility_z=futility_z,
        futility=_by_beta(futility, rho=futility_rho, gamma=futility_gamma),
        binding=binding,
    )
    wanted = power_above(power, alpha=looks.alpha, where=WHERE)
    upper, lower, drift = solve(looks, power=wanted)
    # What an upper bound spends when nothing but benefit (or, binding, futility) stops the trial.
    spent = crossing(upper=upper, lower=null_floor(looks, upper, lower), info=looks.info).upper
    inflation_80, inflation_90 = (
        inflation_for(looks, upper, lower, power=common) for common in (0.8, 0.9)
    )
    drift = drift or drift_for(looks, upper, lower, power=wanted)
    is_shape = looks.boundary.is_shape
    return GroupSequentialBounds(
        z=upper,
        cum_alpha=np.cumsum(spent),
        constant=float(upper[-1] / looks.boundary.shape(looks.info)[-1]) if is_shape else None,
        inflation_power80=inflation_80,
        inflation_power90=inflation_90,
        inflation=as_inflation(drift, alpha=looks.alpha, power=wanted),
        info=looks.info,
        futility_z=lower if looks.has_futility else None,
        type=looks.boundary.name,
        is_two_sided=two_sided,
        is_binding=binding,
    )


def group_sequential_sample_size(
    p_treat: float,
    p_control: float,
    *,
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
) -> GroupSequentialSize:
    """Patients of a group-sequential trial of two event rates, at each look and on average.

    The patients of a trial without looks (:func:`sample_size_two_proportions`) times the inflation
    of the design. Power counts stops for futility as failures.

    Parameters
    ----------
    p_treat, p_control : event rates with and without the treatment, above 0 and below 1.
    power : probability of a claim of benefit when the rates are as stated.
    ratio, variance : as in :func:`sample_size_two_proportions`.
    type, info, K, alpha_one_sided, futility_z, futility, binding : as in
        :func:`group_sequential_bounds`.
    rho, gamma, delta, futility_rho, futility_gamma : parameters of the boundaries, as there.

    Returns
    -------
    GroupSequentialSize

    Raises
    ------
    InputError
        As the two functions named above.

    References
    ----------
    Jennison & Turnbull, Group Sequential Methods, 2000.

    Examples
    --------
    >>> design = group_sequential_sample_size(0.125, 0.25, type="O'Brien-Fleming", K=4)
    >>> design.n_max_ceil, round(design.expected_n_H1)
    (311, 253)
    """
    looks = looks_of(
        boundary(type, rho=rho, gamma=gamma, delta=delta),
        information(info, K),
        alpha=alpha_one_sided,
        futility_z=futility_z,
        futility=_by_beta(futility, rho=futility_rho, gamma=futility_gamma),
        binding=binding,
    )
    fixed = sample_size_two_proportions(
        p_treat,
        p_control,
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
    return GroupSequentialSize(
        z=upper,
        futility_z=lower if looks.has_futility else None,
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
        stop_futility_H1=_early(effect.lower, looks.has_futility),
        stop_benefit_H0=nothing.upper,
        stop_futility_H0=_early(nothing.lower, looks.has_futility),
    )


def _by_beta(name: str | None, *, rho: float | None, gamma: float | None) -> Boundary | None:
    """How the type II error is spent, if it is."""
    return None if name is None else boundary(name, rho=rho, gamma=gamma)


def _expected(n_cum: FloatArray, crossed: Crossing) -> float:
    stopped = crossed.upper + crossed.lower
    return float(n_cum @ stopped + n_cum[-1] * max(0.0, 1 - stopped.sum()))


def _early(lower: FloatArray, has_futility: bool) -> FloatArray:
    """Stops for futility before the last look; ending below the last bound is no stop."""
    early = lower.copy()
    early[-1] = 0.0
    return early if has_futility else np.zeros_like(lower)


@overload
def naive_repeated_looks_error(
    *,
    z_each_look: float,
    looks: int,
    two_sided: bool = ...,
    report: Literal["upper tail", "both tails"] = ...,
) -> float: ...
@overload
def naive_repeated_looks_error(
    *,
    z_each_look: float,
    looks: Sequence[int],
    two_sided: bool = ...,
    report: Literal["upper tail", "both tails"] = ...,
) -> FloatArray: ...
def naive_repeated_looks_error(
    *,
    z_each_look: float,
    looks: int | Sequence[int],
    two_sided: bool = True,
    report: Literal["upper tail", "both tails"] = "upper tail",
) -> float | FloatArray:
    """Type I error of looking several times with the same z, as if each look were the only one.

    Parameters
    ----------
    z_each_look : the bound of z at every look, above 0.
    looks : number of looks after equal steps; a list asks for several.
    two_sided : whether the trial stops on either side.
    report : "upper tail" is the share that ends with false benefit, "both tails" with any false
        claim.

    Returns
    -------
    float or array
        The error, 0 to 1; an array where a list of looks was given.

    Raises
    ------
    InputError
        For a bound of 0 or below, or no look.

    References
    ----------
    Armitage, McPherson & Rowe, J R Stat Soc A 1969;132:235.

    Examples
    --------
    >>> round(naive_repeated_looks_error(z_each_look=1.959964, looks=5), 4)
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


def group_sequential_crossing(
    *, z: ArrayLike, info: ArrayLike, drift: float, futility_z: ArrayLike | None = None
) -> Crossing:
    """Probability of stopping at each look for any bounds and any true effect.

    Parameters
    ----------
    z : bounds for benefit, one a look.
    info : share of information at each look, rising to 1.
    drift : mean of z at full information: 0 without effect, z_alpha + z_beta (2.80) where a trial
        without looks would have 80% power.
    futility_z : bounds for futility, one a look or none for the last, which then equals ``z``.

    Returns
    -------
    Crossing
        ``upper``: stops for benefit, ``lower``: for futility, one probability a look.

    Raises
    ------
    InputError
        For lists of different length, or bounds for futility above those for benefit.

    References
    ----------
    Armitage, McPherson & Rowe, J R Stat Soc A 1969;132:235.

    Examples
    --------
    >>> at_design = group_sequential_crossing(z=[2.797, 1.977], info=[0.5, 1.0], drift=2.8016)
    >>> round(float(at_design.upper.sum()), 3)
    0.797
    """
    upper = numbers(z, where=WHERE, key="z")
    shares = information(numbers(info, where=WHERE, key="info").tolist(), None)
    if upper.size != shares.size:
        raise InputError(
            where=WHERE,
            key="z",
            found=f"{upper.size} bounds",
            expected=f"{shares.size}, one a look",
            cure="give z and info the same length",
        )
    floor = np.full(upper.size - 1, -np.inf)
    if futility_z is not None:
        floor = stated_floor(futility_z, upper.size)
    return crossing(
        upper=upper,
        lower=below_upper(floor, upper),
        info=shares,
        drift=real(drift, where=WHERE, key="drift"),
    )
