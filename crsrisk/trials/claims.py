"""Power of everything that a trial claims: of each comparison, on every endpoint that it needs, and
of all together.

A claim "A has fewer events than B" stands when every endpoint shows it at the level that the
procedure of multiple testing leaves (:mod:`crsrisk.trials.multiplicity`); endpoints need no share
of the level, since all must show it (intersection-union). Estimated rates are taken as normal, with
the variance of the pooled rate under "no difference" in the test, as in the sample size formula;
those of one arm are correlated because its patients have both events or neither. Probabilities are
sums over evenly spread points (Sobol), the same at every call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import multivariate_normal, qmc

from crsrisk.data.trial_plan import Multiplicity
from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    FloatArray,
    choice,
    count,
    inner_rate,
    one_sided_alpha,
    power_above,
    share,
)
from crsrisk.trials.multiplicity import standing
from crsrisk.trials.two_proportions import sample_size_two_proportions

Rates: TypeAlias = float | tuple[float, float, float]
WHERE = "claims of a trial"
PROCEDURES = ("hierarchical", "holm", "dunnett")
MOST_PER_ARM = 10_000  # a trial that needs more is refused
POINTS_LOG2 = 14
_BOUNDS_APART = 1e-9


@dataclass(frozen=True, repr=False)
class ClaimPower(Answer):
    """One claim, "experimental has fewer events than comparator".

    ``by_endpoint``: power of each endpoint alone at the full level; ``alone``: of all endpoints of
    this claim at the full level, as if nothing else were claimed; ``power``: of the claim under the
    procedure.
    """

    experimental: str
    comparator: str
    by_endpoint: tuple[float, ...]
    alone: float
    power: float


@dataclass(frozen=True, repr=False)
class ClaimsPower(Answer):
    """Power of each claim and of all of them, with so many patients in each of the ``arms``."""

    arms: tuple[str, ...]
    n_per_arm: int
    n_total: int
    multiplicity: Multiplicity
    claims: tuple[ClaimPower, ...]
    power_all: float

    def summary(self) -> str:
        """Patients, and the power of all claims together."""
        return (
            f"{self.n_per_arm:,} patients in each arm: power {self.power_all:.3f} of all"
            f" {len(self.claims)} claims ({self.multiplicity})"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a claim."""
        rows = [
            {
                "claim": f"{claim.experimental} against {claim.comparator}",
                "alone": claim.alone,
                "power": claim.power,
            }
            for claim in self.claims
        ]
        return pd.DataFrame(rows).set_index("claim")


@dataclass(frozen=True, eq=False)
class _Arms:
    """Arms in order, the control first: rates (arm, endpoint) and the covariance of one patient's
    events (arm, endpoint, endpoint); claims as (experimental, comparator) by number.
    """

    names: tuple[str, ...]
    rates: FloatArray
    covariance: FloatArray
    pairs: tuple[tuple[int, int], ...]

    @property
    def against_control(self) -> tuple[bool, ...]:
        return tuple(comparator == 0 for _, comparator in self.pairs)


def power_of_claims(
    rates: Mapping[str, Rates],
    *,
    claims: Sequence[tuple[str, str]],
    n_per_arm: int,
    multiplicity: Multiplicity = "hierarchical",
    alpha_one_sided: float = 0.025,
) -> ClaimsPower:
    """Power of each claim and of all, with so many patients in each arm.

    Parameters
    ----------
    rates : by arm, the control first, its event rate; with two endpoints a triple, the rate of the
        first, of the second, and of both in one patient.
    claims : (experimental, comparator) by name, in the order of testing.
    n_per_arm : patients of each arm.
    multiplicity : "hierarchical", "holm" or "dunnett"; see :mod:`crsrisk.trials.multiplicity`.
    alpha_one_sided : chance of any false claim.

    Returns
    -------
    ClaimsPower

    Raises
    ------
    InputError
        For rates that cannot be, unknown arms, a claim stated twice, or Dunnett's test with two
        endpoints, whose least z is less correlated than Dunnett's critical value assumes.

    References
    ----------
    Maurer, Hothorn & Lehmacher 1995 (fixed sequence); Holm, Scand J Stat 1979;6:65; Dunnett, J Am
    Stat Assoc 1955;50:1096; Sozu, Sugimoto & Hamasaki, Stat Med 2010;29:2169 (co-primary binary
    endpoints).

    Examples
    --------
    >>> rates = {"placebo": 0.25, "a": 0.125}
    >>> round(power_of_claims(rates, claims=[("a", "placebo")], n_per_arm=152).power_all, 2)
    0.8
    """
    arms = _arms(rates, claims)
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    _procedure_fits(arms, multiplicity)
    n = count(n_per_arm, where=WHERE, key="n_per_arm", least=2)
    return _power(arms, n, multiplicity, alpha)


def sample_size_of_claims(
    rates: Mapping[str, Rates],
    *,
    claims: Sequence[tuple[str, str]],
    multiplicity: Multiplicity = "hierarchical",
    alpha_one_sided: float = 0.025,
    power: float = 0.8,
) -> ClaimsPower:
    """The fewest patients in each arm with which all claims together have the power.

    Each claim by itself then has that power, too.

    Parameters
    ----------
    rates, claims, multiplicity, alpha_one_sided : see :func:`power_of_claims`.
    power : probability that every claim stands when the rates are as stated.

    Returns
    -------
    ClaimsPower

    Raises
    ------
    InputError
        As :func:`power_of_claims`; for a claim whose experimental arm has no fewer events on some
        endpoint, or one that more than 10,000 patients in each arm would be needed for.

    References
    ----------
    Sozu, Sugimoto & Hamasaki, Stat Med 2010;29:2169; Maurer, Hothorn & Lehmacher 1995.

    Examples
    --------
    >>> rates = {"placebo": (0.30, 0.33, 0.25), "a": (0.14, 0.20, 0.12), "b": (0.20, 0.24, 0.17)}
    >>> both = [("a", "placebo"), ("b", "placebo")]
    >>> sample_size_of_claims(rates, claims=both).n_per_arm
    426
    """
    arms = _arms(rates, claims)
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    wanted = power_above(power, alpha=alpha, where=WHERE)
    _procedure_fits(arms, multiplicity)
    low = max(_least(arms, pair, alpha=alpha, power=wanted) for pair in arms.pairs) - 1
    high = low + 1
    while _power(arms, high, multiplicity, alpha).power_all < wanted:
        low, high = high, 2 * high
        if low > MOST_PER_ARM:
            raise _too_many(arms, None, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _power(arms, middle, multiplicity, alpha).power_all < wanted:
            low = middle
        else:
            high = middle
    if high > MOST_PER_ARM:
        raise _too_many(arms, None, high)
    return _power(arms, high, multiplicity, alpha)


def _least(arms: _Arms, pair: tuple[int, int], *, alpha: float, power: float) -> int:
    """Patients of each arm that the endpoint which asks for most needs by itself."""
    experimental, comparator = pair
    sizes = []
    for treated, control in zip(arms.rates[experimental], arms.rates[comparator], strict=True):
        if treated >= control - _BOUNDS_APART:
            raise InputError(
                where=WHERE,
                key="claims",
                found=(
                    f"{arms.names[experimental]} {treated:.4g}, {arms.names[comparator]}"
                    f" {control:.4g}"
                ),
                expected="fewer events in the experimental arm on every endpoint",
                cure="leave this claim out: no number of patients shows it",
            )
        sizes.append(
            sample_size_two_proportions(
                float(treated), float(control), alpha_one_sided=alpha, power=power
            ).n_per_arm_ceil
        )
    if max(sizes) > MOST_PER_ARM:
        raise _too_many(arms, pair, max(sizes))
    return max(sizes)


def _too_many(arms: _Arms, pair: tuple[int, int] | None, n: int) -> InputError:
    what = "all claims" if pair is None else " against ".join(arms.names[k] for k in pair)
    return InputError(
        where=WHERE,
        key="claims",
        found=f"more than {min(n, MOST_PER_ARM):,} patients in each arm for {what}",
        expected=f"a trial within {MOST_PER_ARM:,} patients in each arm",
        cure="claim less, or hope for a larger difference",
    )


def _arms(rates: Mapping[str, Rates], claims: Sequence[tuple[str, str]]) -> _Arms:
    names = tuple(rates)
    figures = [value if isinstance(value, tuple) else (value,) for value in rates.values()]
    if len(names) < 2 or len({len(row) for row in figures}) != 1 or len(figures[0]) not in (1, 3):
        raise InputError(
            where=WHERE,
            key="rates",
            found=repr(dict(rates)),
            expected="two arms or more, each with one rate, or each with three",
            cure="write {'placebo': 0.3, 'a': 0.15}, or triples (first, second, both)",
        )
    if not claims or len(set(claims)) < len(claims):
        raise _wrong_claims(names, claims)
    pairs = []
    for experimental, comparator in claims:
        if experimental == comparator or not {experimental, comparator} <= set(names):
            raise _wrong_claims(names, claims)
        pairs.append((names.index(experimental), names.index(comparator)))
    for name, row in zip(names, figures, strict=True):
        _possible(name, row)
    by_arm = np.array([row[:2] for row in figures])
    covariance = by_arm[:, :, None] * (np.eye(by_arm.shape[1]) - by_arm[:, None, :])
    if by_arm.shape[1] == 2:
        shared = np.array([row[-1] for row in figures]) - by_arm.prod(axis=1)
        covariance[:, 0, 1] = covariance[:, 1, 0] = shared
    return _Arms(names, by_arm, covariance, tuple(pairs))


def _wrong_claims(names: Sequence[str], claims: Sequence[tuple[str, str]]) -> InputError:
    return InputError(
        where=WHERE,
        key="claims",
        found=repr(list(claims)),
        expected=f"pairs (experimental, comparator) of {', '.join(names)}, each once",
        cure="correct the names",
    )


def _possible(name: str, row: tuple[float, ...]) -> None:
    """Rates that can vary, and an overlap of two endpoints that they allow."""
    for rate in row[:2]:
        inner_rate(rate, where=WHERE, key=name)
    if len(row) < 3:
        return
    both = share(row[2], where=WHERE, key=name)
    low, high = max(0.0, row[0] + row[1] - 1.0), min(row[0], row[1])
    if not low - _BOUNDS_APART <= both <= high + _BOUNDS_APART:
        raise InputError(
            where=WHERE,
            key=name,
            found=f"{both:g} with both events",
            expected=f"a share from {low:g} to {high:g}, which the two rates allow",
            cure="count patients who have both",
        )


def _procedure_fits(arms: _Arms, multiplicity: Multiplicity) -> None:
    choice(multiplicity, options=PROCEDURES, where=WHERE, key="multiplicity")
    if multiplicity == "dunnett" and arms.rates.shape[1] > 1:
        raise InputError(
            where=WHERE,
            key="multiplicity",
            found="dunnett with two endpoints that must both show the effect",
            expected="hierarchical or holm",
            cure=(
                "write multiplicity: holm: the least z of two endpoints is less correlated than"
                " Dunnett's critical value assumes"
            ),
        )


def _power(arms: _Arms, n: int, multiplicity: Multiplicity, alpha: float) -> ClaimsPower:
    z = _statistics(arms, n)
    least = z.min(axis=2)
    critical = float(ndtri(1 - alpha))
    stands = standing(
        least, procedure=multiplicity, alpha=alpha, against_control=arms.against_control
    )
    by_endpoint, alone = (z >= critical).mean(axis=0), (least >= critical).mean(axis=0)
    claims = tuple(
        ClaimPower(
            arms.names[experimental],
            arms.names[comparator],
            tuple(float(share) for share in by_endpoint[k]),
            float(alone[k]),
            float(stands[:, k].mean()),
        )
        for k, (experimental, comparator) in enumerate(arms.pairs)
    )
    n_total = n * len(arms.names)
    power_all = float(stands.all(axis=1).mean())
    return ClaimsPower(arms.names, n, n_total, multiplicity, claims, power_all)


def _statistics(arms: _Arms, n: int) -> FloatArray:
    """z of every claim and endpoint at evenly spread points of chance, (point, claim, endpoint)."""
    n_arms, n_endpoints = arms.rates.shape
    chance = _normal_points(n_arms * n_endpoints).reshape(-1, n_arms, n_endpoints)
    spread = np.stack([_root(of_one) for of_one in arms.covariance])
    estimated = arms.rates + np.einsum("paj,aij->pai", chance, spread) / sqrt(n)
    experimental, comparator = (list(side) for side in zip(*arms.pairs, strict=True))
    mean = (arms.rates[experimental] + arms.rates[comparator]) / 2
    error = np.sqrt(2 * mean * (1 - mean) / n)
    return np.asarray((estimated[:, comparator] - estimated[:, experimental]) / error)


def _root(covariance: FloatArray) -> FloatArray:
    """A lower triangular root of a 1 x 1 or 2 x 2 covariance, which may be singular."""
    if covariance.shape == (1, 1):
        return np.sqrt(covariance)
    first = sqrt(covariance[0, 0])
    shared = covariance[0, 1] / first
    rest = sqrt(max(covariance[1, 1] - shared**2, 0.0))
    return np.array([[first, 0.0], [shared, rest]])


@cache
def _normal_points(width: int) -> FloatArray:
    """Standard normal numbers spread evenly over so many dimensions, (2^14, width)."""
    even = qmc.Sobol(d=width, scramble=False).random_base2(POINTS_LOG2) + 0.5 / 2**POINTS_LOG2
    points = np.asarray(ndtri(even))
    points.setflags(write=False)
    return points


# --- two arms, two endpoints, with looks or without ---


def joint_power(
    drifts: tuple[float, float],
    *,
    correlation: float,
    upper: FloatArray,
    lower: FloatArray,
    info: FloatArray,
) -> float:
    """Probability that both endpoints reach the upper bound at the same look before either falls
    below the lower one.

    ``drifts``: expected z of each endpoint at full information; ``correlation`` of the two z at one
    look.

    >>> once = {"upper": np.array([1.96]), "lower": np.array([-np.inf]), "info": np.ones(1)}
    >>> round(joint_power((2.8016, 2.8016), correlation=0.0, **once), 3)
    0.64
    """
    if info.size == 1:
        below = np.array(drifts) - upper[0]
        rho = min(max(correlation, -1 + 1e-9), 1 - 1e-9)
        normal = multivariate_normal([0.0, 0.0], [[1.0, rho], [rho, 1.0]])
        return float(normal.cdf(below))
    steps = np.diff(info, prepend=0.0)
    chance = _normal_points(2 * info.size).reshape(-1, info.size, 2)
    spread = _root(np.array([[1.0, correlation], [correlation, 1.0]]))
    walk = np.cumsum((chance @ spread.T) * np.sqrt(steps)[:, None], axis=1)
    z = (walk + info[:, None] * np.array(drifts)) / np.sqrt(info)[:, None]
    least = z.min(axis=2)
    claims, futile = least >= upper, least < lower
    futile[:, -1] = False
    ends = claims | futile
    ends[:, -1] = True
    first = ends.argmax(axis=1)
    return float(claims[np.arange(len(first)), first].mean())
