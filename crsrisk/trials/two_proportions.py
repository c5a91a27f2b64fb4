"""How many patients a comparison of two event rates needs: superiority and non-inferiority, by
closed formula.

The usual question: CRS of grade >= 2 in 25% without prophylaxis, 12.5% with it - how many patients
in each arm? All formulas rest on the normal approximation; :mod:`crsrisk.trials.exact_tests` says
what the test then really does. statsmodels has the pooled formula alone
(``samplesize_proportions_2indep_onetail``), and Cohen's h by a search (``NormalIndPower``): with
the two others and the continuity correction the formulas in one place are shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, ceil, sqrt
from typing import Literal, TypeAlias, overload

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    FloatArray,
    choice,
    inner_rate,
    one_sided_alpha,
    positive,
    power_above,
    real,
)

Variance: TypeAlias = Literal["pooled_null", "unpooled", "arcsine"]
VARIANCES = ("pooled_null", "unpooled", "arcsine")
WHERE = "sample size of two proportions"
WHERE_MARGIN = "non-inferiority sample size"
ROUNDING = 1e-9  # a computed size of 152.0000000001 is 152 patients


@dataclass(frozen=True, repr=False)
class TwoProportionsSize(Answer):
    """Patients per arm and in all, before and after rounding up.

    ``n_per_arm_...`` is the mean of the two arms; with a ratio of 1 it is the size of each, and
    ``n_per_arm_ceil`` is what a protocol states. ``ratio`` is treated patients for each control.
    """

    n_treat_unrounded: float
    n_control_unrounded: float
    n_per_arm_unrounded: float
    n_total_unrounded: float
    n_treat_ceil: int
    n_control_ceil: int
    n_per_arm_ceil: int
    n_total_ceil: int
    power: float
    ratio: float

    def summary(self) -> str:
        """The patients of each arm."""
        return (
            f"{self.n_treat_ceil:,} treated and {self.n_control_ceil:,} controls for a power of"
            f" {self.power:g}"
        )


@dataclass(frozen=True, repr=False)
class TwoProportionsSizes(Answer):
    """Sizes for several powers and ratios, in the order asked for."""

    sizes: tuple[TwoProportionsSize, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row for each power and ratio."""
        return pd.DataFrame([size.to_dict() for size in self.sizes])


@overload
def sample_size_two_proportions(
    p_treat: float,
    p_control: float,
    *,
    alpha_one_sided: float = ...,
    power: float = ...,
    ratio: float = ...,
    variance: Variance = ...,
    continuity: bool = ...,
) -> TwoProportionsSize: ...
@overload
def sample_size_two_proportions(
    p_treat: float,
    p_control: float,
    *,
    alpha_one_sided: float = ...,
    power: Sequence[float],
    ratio: float | Sequence[float] = ...,
    variance: Variance = ...,
    continuity: bool = ...,
) -> TwoProportionsSizes: ...
@overload
def sample_size_two_proportions(
    p_treat: float,
    p_control: float,
    *,
    alpha_one_sided: float = ...,
    power: float = ...,
    ratio: Sequence[float],
    variance: Variance = ...,
    continuity: bool = ...,
) -> TwoProportionsSizes: ...
def sample_size_two_proportions(
    p_treat: float,
    p_control: float,
    *,
    alpha_one_sided: float = 0.025,
    power: float | Sequence[float] = 0.8,
    ratio: float | Sequence[float] = 1.0,
    variance: Variance = "pooled_null",
    continuity: bool = False,
) -> TwoProportionsSize | TwoProportionsSizes:
    """Patients needed to show that two event rates differ.

    With d the difference of rates, k the ratio, z the normal quantiles of 1 - alpha and of the
    power, and p the mean rate weighted by arm: controls = [z_a sqrt((1 + 1/k) p (1 - p)) + z_b
    sqrt(p_t (1 - p_t)/k + p_c (1 - p_c))]^2 / d^2. With the continuity correction n becomes n/4 [1
    + sqrt(1 + 2 (1 + k) / (n k |d|))]^2.

    Parameters
    ----------
    p_treat, p_control : event rates with and without the treatment, above 0 and below 1.
    alpha_one_sided : level of the test on one side (0.025 = the usual 5% on two sides).
    power : probability of a significant result when the rates are as stated; a list asks for
        several sizes.
    ratio : treated patients for each control; a list asks for several. Of two lists the shorter one
        is repeated: power [0.8, 0.9] and ratio [1, 1, 2] ask for 80% at 1:1, 90% at 1:1 and 80% at
        2:1.
    variance : ``pooled_null`` (z test with the pooled rate under "no difference", the default of
        most programs), ``unpooled``, or ``arcsine`` (Cohen's effect size h). They give different
        answers.
    continuity : add what the continuity correction of the z test costs; the size then serves
        Fisher's test, too.

    Returns
    -------
    TwoProportionsSize or TwoProportionsSizes
        One size, or several where a list was given.

    Raises
    ------
    InputError
        For rates of 0 or 1, equal rates, a power not above the level, or a correction of the
        arcsine.

    References
    ----------
    Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd ed., ch. 4;
    Casagrande, Pike & Smith, Biometrics 1978;34:483; Fleiss, Tytun & Ury, Biometrics 1980;36:343.

    Examples
    --------
    >>> sample_size_two_proportions(0.125, 0.25, power=0.8).n_per_arm_ceil
    152
    >>> sample_size_two_proportions(0.125, 0.25, power=0.8, continuity=True).n_per_arm_ceil
    168
    """
    low = inner_rate(p_treat, where=WHERE, key="p_treat")
    high = inner_rate(p_control, where=WHERE, key="p_control")
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    choice(variance, options=VARIANCES, where=WHERE, key="variance")
    if continuity and variance == "arcsine":
        raise InputError(
            where=WHERE,
            key="continuity",
            found="continuity with arcsine",
            expected="a z test of two rates",
            cure="write variance: pooled_null, or leave continuity out",
        )
    if low == high:
        raise InputError(
            where=WHERE,
            key="p_treat",
            found=f"{p_treat} in both arms",
            expected="two different rates",
            cure=(
                "no number of patients shows a difference that is not there: state the effect"
                " hoped for"
            ),
        )
    powers, ratios = _listed(power), _listed(ratio)
    sizes = tuple(
        _size(
            low,
            high,
            alpha=alpha,
            power=powers[i % len(powers)],
            ratio=ratios[i % len(ratios)],
            variance=variance,
            continuity=continuity,
        )
        for i in range(max(len(powers), len(ratios)))
    )
    is_single = not isinstance(power, Sequence) and not isinstance(ratio, Sequence)
    return sizes[0] if is_single else TwoProportionsSizes(sizes)


def _listed(value: float | Sequence[float]) -> list[float]:
    return list(value) if isinstance(value, Sequence) else [value]


def _size(
    p_treat: float,
    p_control: float,
    *,
    alpha: float,
    power: float,
    ratio: float,
    variance: Variance,
    continuity: bool,
) -> TwoProportionsSize:
    k = positive(ratio, where=WHERE, key="ratio")
    z_alpha = float(ndtri(1 - alpha))
    z_beta = float(ndtri(power_above(power, alpha=alpha, where=WHERE)))
    by_arm = p_treat * (1 - p_treat) / k + p_control * (1 - p_control)
    if variance == "arcsine":
        distance = 2 * (asin(sqrt(p_treat)) - asin(sqrt(p_control)))
        n_control = (1 + 1 / k) * (z_alpha + z_beta) ** 2 / distance**2
    else:
        mean = (k * p_treat + p_control) / (1 + k)
        null = (1 + 1 / k) * mean * (1 - mean) if variance == "pooled_null" else by_arm
        n_control = (z_alpha * sqrt(null) + z_beta * sqrt(by_arm)) ** 2 / (p_treat - p_control) ** 2
    if continuity:
        n_control *= (
            1 + sqrt(1 + 2 * (1 + k) / (n_control * k * abs(p_treat - p_control)))
        ) ** 2 / 4
    n_treat = k * n_control
    treat_ceil, control_ceil = rounded_up(n_treat), rounded_up(n_control)
    return TwoProportionsSize(
        n_treat_unrounded=n_treat,
        n_control_unrounded=n_control,
        n_per_arm_unrounded=(n_treat + n_control) / 2,
        n_total_unrounded=n_treat + n_control,
        n_treat_ceil=treat_ceil,
        n_control_ceil=control_ceil,
        n_per_arm_ceil=rounded_up((n_treat + n_control) / 2),
        n_total_ceil=treat_ceil + control_ceil,
        power=power,
        ratio=k,
    )


def power_two_proportions(
    p_treat: float,
    p_control: float,
    *,
    n_treat: float,
    n_control: float,
    alpha_one_sided: float = 0.025,
) -> float:
    """Power of the pooled z test with a given number of patients: the sample size formula read
    backwards.

    Parameters
    ----------
    p_treat, p_control : event rates with and without the treatment, above 0 and below 1.
    n_treat, n_control : patients of each arm.
    alpha_one_sided : level of the test on one side.

    Returns
    -------
    float
        Probability of a significant result in the direction of the difference, by the normal
        approximation; of equal rates the level itself.

    Raises
    ------
    InputError
        For rates of 0 or 1, or arms without patients.

    References
    ----------
    Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd ed., ch. 4.

    Examples
    --------
    >>> round(power_two_proportions(0.125, 0.25, n_treat=152, n_control=152), 3)
    0.8
    """
    low = inner_rate(p_treat, where=WHERE, key="p_treat")
    high = inner_rate(p_control, where=WHERE, key="p_control")
    treated = positive(n_treat, where=WHERE, key="n_treat")
    controls = positive(n_control, where=WHERE, key="n_control")
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    mean = (treated * low + controls * high) / (treated + controls)
    null = sqrt(mean * (1 - mean) * (1 / treated + 1 / controls))
    true = sqrt(low * (1 - low) / treated + high * (1 - high) / controls)
    return float(ndtr((abs(low - high) - float(ndtri(1 - alpha)) * null) / true))


def rounded_up(n: float) -> int:
    """Whole patients.

    >>> rounded_up(151.2), rounded_up(152.0000000001)
    (152, 152)
    """
    return ceil(n - ROUNDING)


# --- a margin between the rates ---


@dataclass(frozen=True, repr=False)
class NoninferioritySize(Answer):
    """Patients per arm and in all, before and after rounding up.

    ``p_treat_null`` and ``p_control_null`` are the most likely rates under the null hypothesis, a
    difference of exactly the margin; they set the variance.
    """

    n_treat_unrounded: float
    n_control_unrounded: float
    n_total_unrounded: float
    n_treat_ceil: int
    n_control_ceil: int
    n_total_ceil: int
    p_treat_null: float
    p_control_null: float

    def summary(self) -> str:
        """The patients of each arm."""
        return f"{self.n_treat_ceil:,} treated and {self.n_control_ceil:,} controls"


def sample_size_noninferiority(
    p_treat: float,
    p_control: float,
    *,
    margin: float,
    alpha_one_sided: float = 0.025,
    power: float = 0.8,
    ratio: float = 1.0,
) -> NoninferioritySize:
    """Patients needed to show that a difference of rates lies on the good side of a margin.

    The question behind: does prophylaxis leave tumour response intact? With response 40% in both
    arms and a margin of 15 points: ``p_treat = p_control = 0.40, margin = -0.15``. With a margin of
    0 it is a superiority test. The variance under the null hypothesis takes the maximum likelihood
    rates with that difference (Farrington and Manning's test).

    Parameters
    ----------
    p_treat, p_control : true rates with and without the treatment, above 0 and below 1.
    margin : difference ``p_treat - p_control`` under the null hypothesis, between -1 and 1; must
        not equal the true one.
    alpha_one_sided : level of the test on one side.
    power : probability of showing it when the rates are as stated.
    ratio : treated patients for each control.

    Returns
    -------
    NoninferioritySize

    Raises
    ------
    InputError
        For rates of 0 or 1, a margin at the true difference, or a power not above the level.

    References
    ----------
    Farrington & Manning, Stat Med 1990;9:1447.

    Examples
    --------
    >>> sample_size_noninferiority(0.4, 0.4, margin=-0.15).n_treat_ceil
    166
    """
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE_MARGIN)
    treat = inner_rate(p_treat, where=WHERE_MARGIN, key="p_treat")
    control = inner_rate(p_control, where=WHERE_MARGIN, key="p_control")
    k = 1 / positive(ratio, where=WHERE_MARGIN, key="ratio")
    z_beta = float(ndtri(power_above(power, alpha=alpha, where=WHERE_MARGIN)))
    delta = real(margin, where=WHERE_MARGIN, key="margin")
    if not -1 < delta < 1 or treat - control == delta:
        raise InputError(
            where=WHERE_MARGIN,
            key="margin",
            found=margin,
            expected=(
                f"a margin between -1 and 1 other than the true difference ({treat - control:g})"
            ),
            cure="a trial cannot show what is exactly at the margin: move the margin or the rates",
        )
    null1, null2 = restricted_rates(treat, control, delta=delta, ratio=k)
    null = null1 * (1 - null1) + null2 * (1 - null2) / k
    true = treat * (1 - treat) + control * (1 - control) / k
    n_treat = (
        (float(ndtri(1 - alpha)) * sqrt(null) + z_beta * sqrt(true)) / (treat - control - delta)
    ) ** 2
    treat_ceil, control_ceil = rounded_up(n_treat), rounded_up(k * n_treat)
    return NoninferioritySize(
        n_treat_unrounded=n_treat,
        n_control_unrounded=k * n_treat,
        n_total_unrounded=n_treat * (1 + k),
        n_treat_ceil=treat_ceil,
        n_control_ceil=control_ceil,
        n_total_ceil=treat_ceil + control_ceil,
        p_treat_null=null1,
        p_control_null=null2,
    )


def restricted_rates(p1: float, p2: float, *, delta: float, ratio: float) -> tuple[float, float]:
    """Most likely true rates when p1 - p2 must equal ``delta``; ``ratio`` is n2/n1, p1 and p2 what
    was seen.

    Root of the cubic of the likelihood by the cosine formula (Farrington & Manning 1990, appendix).

    >>> [round(p, 4) for p in restricted_rates(0.4, 0.4, delta=-0.15, ratio=1.0)]
    [0.3296, 0.4796]
    """
    first, second = restricted_rate_arrays(
        np.float64(p1), np.float64(p2), delta=delta, ratio=np.float64(ratio)
    )
    return float(first), float(second)


def restricted_rate_arrays(
    p1: FloatArray | np.float64,
    p2: FloatArray | np.float64,
    *,
    delta: float,
    ratio: FloatArray | np.float64,
) -> tuple[FloatArray, FloatArray]:
    """The same for many trials at once; arrays that go together."""
    a = 1 + ratio
    b = -(1 + ratio + p1 + ratio * p2 + delta * (ratio + 2))
    c = delta**2 + delta * (2 * p1 + ratio + 1) + p1 + ratio * p2
    d = -p1 * delta * (1 + delta)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    size = np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0.0))
    u = np.where(v > 0, size, -size)
    cosine = np.divide(v, u**3, out=np.zeros_like(u), where=u != 0)
    w = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3
    first = np.clip(2 * u * np.cos(w) - b / (3 * a), max(0.0, delta), min(1.0, 1 + delta))
    return np.asarray(first), np.asarray(np.clip(first - delta, 0.0, 1.0))
