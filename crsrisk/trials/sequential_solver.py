"""Solving a group-sequential design: from what is asked for to the bounds at each look and the
effect they can show.

A ``drift`` is the mean of z at full information: 0 without effect, z_alpha + z_beta where a trial
without looks would have that power. Lower bounds are -inf where nothing stops there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtri

from crsrisk.errors import InputError
from crsrisk.trials.checks import FloatArray, count, numbers, one_sided_alpha
from crsrisk.trials.spending import WHERE, Boundary, crossing, start

MOST_DRIFT = 30.0  # of z at full information: power 1 in any design
# of the information so far: nearer looks are one look, and the integration could not part them
CLOSEST = 0.001


@dataclass(frozen=True)
class Looks:
    """A design without its answer: how the error is divided, when one looks, and what stops for
    futility.
    """

    boundary: Boundary
    info: FloatArray
    alpha: float
    is_two_sided: bool
    is_binding: bool
    futility_z: FloatArray | None
    futility: Boundary | None

    @property
    def has_futility(self) -> bool:
        """Whether anything but benefit (or its mirror) stops the trial."""
        return self.futility_z is not None or self.futility is not None


def looks_of(
    benefit: Boundary,
    info: FloatArray,
    *,
    alpha: float,
    two_sided: bool = False,
    futility_z: ArrayLike | None = None,
    futility: Boundary | None = None,
    binding: bool = False,
) -> Looks:
    """The design that is asked for; refuses stops for futility that do not go with it."""
    if futility_z is not None and futility is not None:
        raise InputError(
            where=WHERE,
            key="futility_z",
            found="futility_z and futility",
            expected="one of the two",
            cure="state the bounds for futility, or how the type II error is spent",
        )
    if two_sided and not (futility_z is None and futility is None):
        raise InputError(
            where=WHERE,
            key="futility",
            found="a two-sided design",
            expected="one side when futility stops",
            cure="set two_sided to False",
        )
    if futility is not None and (futility.is_shape or (binding and benefit.is_shape)):
        raise InputError(
            where=WHERE,
            key="futility",
            found=f"{futility.name} with {benefit.name}, binding {binding}",
            expected="a spending function (and one for benefit, too, when futility is binding)",
            cure="write 'Lan-DeMets OBF-like spending', or leave binding False",
        )
    floor = None if futility_z is None else stated_floor(futility_z, info.size)
    level = one_sided_alpha(alpha, where=WHERE)
    return Looks(benefit, info, level, two_sided, binding, floor, futility)


def information(info: Literal["equal"] | Sequence[float], K: int | None) -> FloatArray:
    """Shares of the information at each look, rising to 1."""
    if isinstance(info, str):
        if info != "equal" or K is None:
            raise InputError(
                where=WHERE,
                key="info",
                found=f"info {info!r} and K {K}",
                expected="'equal' with K looks, or a list of shares",
                cure="write K: 4, or info: [0.5, 0.75, 1]",
            )
        return equal_steps(count(K, where=WHERE, key="K", least=1))
    shares = numbers(info, where=WHERE, key="info")
    if shares[0] <= 0 or bool((np.diff(shares) <= 0).any()) or abs(shares[-1] - 1) > 1e-9:
        raise InputError(
            where=WHERE,
            key="info",
            found=shares.tolist(),
            expected="rising shares above 0 that end with 1",
            cure="divide patients at each look by the last",
        )
    if bool((np.diff(shares) < CLOSEST * shares[1:]).any()):
        raise InputError(
            where=WHERE,
            key="info",
            found=shares.tolist(),
            expected=f"looks at least {1000 * CLOSEST:g} in 1,000 of the information apart",
            cure="make one look of those that nearly coincide",
        )
    if K is not None and shares.size != K:
        raise InputError(
            where=WHERE,
            key="K",
            found=K,
            expected=f"{shares.size}, the looks in info",
            cure="leave K out",
        )
    return shares


def equal_steps(n_looks: int) -> FloatArray:
    """Shares of so many looks at even distances."""
    return np.arange(1, n_looks + 1) / n_looks


def stated_floor(futility_z: ArrayLike, n_looks: int) -> FloatArray:
    """Bounds for futility, one a look; the last is open and takes the bound for benefit later."""
    try:
        floor = np.asarray(futility_z, dtype=np.float64)
    except (TypeError, ValueError):
        floor = np.full(1, np.nan)
    if floor.ndim != 1 or floor.size not in (n_looks - 1, n_looks) or bool(np.isnan(floor).any()):
        raise InputError(
            where=WHERE,
            key="futility_z",
            found=repr(futility_z),
            expected=f"{n_looks - 1} bounds, one at each look but the last",
            cure="write -inf at a look without a stop for futility",
        )
    return floor[: n_looks - 1]


def below_upper(floor: FloatArray, upper: FloatArray) -> FloatArray:
    """Floors with the last bound added: at the end whoever is not above is below."""
    if bool((floor >= upper[:-1]).any()):
        raise InputError(
            where=WHERE,
            key="futility_z",
            found=floor.tolist(),
            expected=f"bounds below those for benefit, {np.round(upper[:-1], 3).tolist()}",
            cure="lower the bounds for futility",
        )
    return np.append(floor, upper[-1])


def solve(looks: Looks, *, power: float) -> tuple[FloatArray, FloatArray, float | None]:
    """Upper bounds, lower bounds, and the drift that goes with them where the type II error is
    spent.
    """
    if looks.futility is not None:
        return _spend_both(looks, looks.futility, power=power)
    upper = _scaled_shape(looks) if looks.boundary.is_shape else _spent_bounds(looks)
    if looks.is_two_sided:
        return upper, -upper, None
    floor = looks.futility_z if looks.futility_z is not None else np.full(upper.size - 1, -np.inf)
    return upper, below_upper(floor, upper), None


def null_floor(looks: Looks, upper: FloatArray, lower: FloatArray) -> FloatArray:
    """The lower bounds that count for the error: mirrored or binding ones; a stop that may be
    ignored does not.
    """
    return lower if looks.is_two_sided or looks.is_binding else np.full(upper.size, -np.inf)


def _heeded(looks: Looks, k: int, upper: float) -> float:
    """The lower bound that look ``k`` really stops at, as far as the error of the upper bounds is
    concerned.
    """
    if looks.is_two_sided:
        return -upper
    if looks.is_binding and looks.futility_z is not None and k < looks.futility_z.size:
        return min(float(looks.futility_z[k]), upper)
    return float("-inf")


def _scaled_shape(looks: Looks) -> FloatArray:
    shape = looks.boundary.shape(looks.info)

    def surplus(constant: float) -> float:
        upper = constant * shape
        lower = np.array([_heeded(looks, k, float(z)) for k, z in enumerate(upper)])
        return float(crossing(upper=upper, lower=lower, info=looks.info).upper.sum()) - looks.alpha

    highest = 12.0
    if surplus(1e-6) < 0 or surplus(highest) > 0:
        raise InputError(
            where=WHERE,
            key="futility_z",
            found="bounds that leave no error to spend",
            expected=f"a design that can reach its level of {looks.alpha:g}",
            cure="lower the binding bounds for futility, or the level",
        )
    return np.asarray(float(brentq(surplus, 1e-6, highest, xtol=1e-11, rtol=1e-13)) * shape)


def _spent_bounds(looks: Looks) -> FloatArray:
    steps = np.diff(looks.boundary.spent(looks.info, alpha=looks.alpha), prepend=0.0)
    walk, upper = start(), np.empty(looks.info.size)
    for k, t in enumerate(looks.info):
        upper[k] = walk.bound_with(float(steps[k]), info=float(t))
        if k + 1 < looks.info.size:
            low = _heeded(looks, k, float(upper[k]))
            walk = walk.past(
                low, float(upper[k]), info=float(t), next_info=float(looks.info[k + 1])
            )
    return upper


def _spend_both(
    looks: Looks, by_beta: Boundary, *, power: float
) -> tuple[FloatArray, FloatArray, float]:
    """Bounds for benefit and futility when both errors are spent; the drift makes them meet at the
    last look.
    """
    fixed = _scaled_shape(looks) if looks.boundary.is_shape else None

    def bounds(drift: float) -> tuple[FloatArray, FloatArray, float]:
        return _spend_at(looks, by_beta, drift=drift, power=power, fixed=fixed)

    lowest = 0.2
    if bounds(lowest)[2] > power:
        raise InputError(
            where=WHERE,
            key="power",
            found=power,
            expected="a higher power",
            cure="state the power as a share: 80 of 100 is 0.8",
        )
    drift = float(brentq(lambda d: bounds(d)[2] - power, lowest, MOST_DRIFT, xtol=1e-11))
    upper, lower, _ = bounds(drift)
    return upper, lower, drift


def _spend_at(
    looks: Looks, by_beta: Boundary, *, drift: float, power: float, fixed: FloatArray | None
) -> tuple[FloatArray, FloatArray, float]:
    """One pass over the looks under no effect and under the drift: bounds and the power that
    results.
    """
    info, n_looks = looks.info, looks.info.size
    beta_steps = np.diff(by_beta.spent(info, alpha=1 - power), prepend=0.0)
    alpha_steps = (
        np.diff(looks.boundary.spent(info, alpha=looks.alpha), prepend=0.0)
        if fixed is None
        else None
    )
    nothing, effect = start(), start(drift)
    upper, lower, reached = np.empty(n_looks), np.empty(n_looks), 0.0
    for k, t in enumerate(map(float, info)):
        if alpha_steps is None:
            upper[k] = fixed[k] if fixed is not None else np.nan
        else:
            upper[k] = nothing.bound_with(float(alpha_steps[k]), info=t)
        reached += effect.above(float(upper[k]), info=t)
        if k + 1 == n_looks:
            lower[k] = upper[k]
            break
        lower[k] = min(effect.floor_with(float(beta_steps[k]), info=t), float(upper[k]))
        ahead = float(info[k + 1])
        effect = effect.past(float(lower[k]), float(upper[k]), info=t, next_info=ahead)
        heeded = float(lower[k]) if looks.is_binding else float("-inf")
        nothing = nothing.past(heeded, float(upper[k]), info=t, next_info=ahead)
    return upper, lower, reached


def drift_for(looks: Looks, upper: FloatArray, lower: FloatArray, *, power: float) -> float:
    """The mean of z at full information that gives the power."""

    def surplus(drift: float) -> float:
        return (
            float(crossing(upper=upper, lower=lower, info=looks.info, drift=drift).upper.sum())
            - power
        )

    return float(brentq(surplus, 0.0, MOST_DRIFT, xtol=1e-11))


def inflation_for(looks: Looks, upper: FloatArray, lower: FloatArray, *, power: float) -> float:
    """How many times the patients of a trial without looks are needed for a power."""
    return as_inflation(drift_for(looks, upper, lower, power=power), alpha=looks.alpha, power=power)


def as_inflation(drift: float, *, alpha: float, power: float) -> float:
    """A drift as patients in multiples of those of a trial without looks."""
    return float((drift / (ndtri(1 - alpha) + ndtri(power))) ** 2)
