"""What a test of two event rates really does in small trials: every possible table, weighted by its
probability.

The pooled z test slightly exceeds its level, Fisher's test stays well below it, and the exact
unconditional tests come near to it from below. All are one-sided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, ndtri
from scipy.stats import binom

from crsrisk.errors import InputError
from crsrisk.trials.checks import (
    Answer,
    BoolArray,
    FloatArray,
    choice,
    count,
    inner_rate,
    one_sided_alpha,
)

TwoRateTest: TypeAlias = Literal["z", "z_unconditional", "fisher", "boschloo"]
Direction: TypeAlias = Literal["treatment lower", "treatment higher"]
TESTS: tuple[TwoRateTest, ...] = ("z", "z_unconditional", "fisher", "boschloo")
DIRECTIONS = ("treatment lower", "treatment higher")
WHERE = "exact test"
SLACK = 1e-10  # two tables of equal evidence must not be parted by rounding
N_RATES = 501  # common rates at which the size is looked at before the largest is refined


@dataclass(frozen=True, repr=False)
class TestProperties(Answer):
    """Probability of rejecting with the stated rates, and without effect: at either rate, and at
    the worst common rate.
    """

    __test__ = False  # a record, whatever a collector of tests makes of its name

    power: float
    size_at_p1: float
    size_at_p2: float
    size_max: float


@dataclass(frozen=True, repr=False)
class ExactRejection(Answer):
    """Exact power and type I error of each test at the rates p1 (treatment) and p2 (control)."""

    p1: float
    p2: float
    by_test: Mapping[str, TestProperties]

    def summary(self) -> str:
        """The power of each test."""
        return ", ".join(f"{test} power {found.power:.3f}" for test, found in self.by_test.items())

    def to_frame(self) -> pd.DataFrame:
        """One row a test: power, type I error at either rate and at the worst common rate."""
        rows = {test: properties.to_dict() for test, properties in self.by_test.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("test")


def exact_rejection_probability(
    *,
    n1: int,
    n2: int,
    p1: float,
    p2: float,
    alpha_one_sided: float = 0.025,
    direction: Direction = "treatment lower",
    tests: Sequence[TwoRateTest] = ("z", "fisher", "boschloo"),
) -> ExactRejection:
    """Exact power and type I error of one-sided tests of two event rates, by enumeration of all
    tables.

    Parameters
    ----------
    n1, p1 : patients and event rate with the treatment.
    n2, p2 : those of the control arm.
    alpha_one_sided : level of the tests on one side.
    direction : the claim, "treatment lower" (fewer events) or "treatment higher".
    tests : "z" (pooled variance, no continuity correction), "fisher", "boschloo" (Fisher's p as a
        statistic, its level exact over all common rates), or "z_unconditional" (the pooled z
        likewise).

    Returns
    -------
    ExactRejection
        By test: power at (p1, p2), type I error with p1 or p2 in both arms, and the largest one
        over all common rates.

    Raises
    ------
    InputError
        For an empty arm, rates of 0 or 1, or a test that there is not.

    References
    ----------
    Boschloo, Stat Neerl 1970;24:1; Suissa & Shuster, J R Stat Soc A 1985;148:317.

    Examples
    --------
    >>> exact = exact_rejection_probability(n1=20, n2=20, p1=0.1, p2=0.5, tests=["z", "fisher"])
    >>> round(exact.by_test["z"].power, 3), round(exact.by_test["fisher"].size_max, 4)
    (0.838, 0.0127)
    """
    treated = count(n1, where=WHERE, key="n1", least=1)
    controls = count(n2, where=WHERE, key="n2", least=1)
    low, high = inner_rate(p1, where=WHERE, key="p1"), inner_rate(p2, where=WHERE, key="p2")
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    if not tests:
        raise InputError(
            where=WHERE,
            key="tests",
            found="none",
            expected=f"some of {', '.join(TESTS)}",
            cure="name one",
        )
    by_test: dict[str, TestProperties] = {}
    for test in tests:
        region = rejection_region(
            n1=treated, n2=controls, alpha_one_sided=alpha, test=test, direction=direction
        )
        by_test[test] = TestProperties(
            power=probability_of(region, p1=low, p2=high),
            size_at_p1=probability_of(region, p1=low, p2=low),
            size_at_p2=probability_of(region, p1=high, p2=high),
            size_max=largest_size(region),
        )
    return ExactRejection(low, high, by_test)


def rejection_region(
    *,
    n1: int,
    n2: int,
    alpha_one_sided: float,
    test: TwoRateTest,
    direction: Direction = "treatment lower",
) -> BoolArray:
    """Which tables a test rejects: True at [events with treatment, events in controls]. A simulator
    looks up here.

    >>> rejection_region(n1=4, n2=4, alpha_one_sided=0.025, test="fisher").sum()
    np.int64(1)
    """
    choice(test, options=TESTS, where=WHERE, key="tests")
    choice(direction, options=DIRECTIONS, where=WHERE, key="direction")
    alpha = one_sided_alpha(alpha_one_sided, where=WHERE)
    if direction == "treatment higher":  # the mirror image: patients without the event
        return rejection_region(n1=n1, n2=n2, alpha_one_sided=alpha, test=test)[::-1, ::-1]
    if test == "z":
        return np.asarray(pooled_z(n1, n2) >= ndtri(1 - alpha) - SLACK)
    if test == "fisher":
        return np.asarray(fisher_p(n1, n2) <= alpha + SLACK)
    evidence = fisher_p(n1, n2) if test == "boschloo" else -pooled_z(n1, n2)
    return _largest_region(np.round(evidence, 10), alpha)


def pooled_z(n1: int, n2: int) -> FloatArray:
    """z with pooled variance of every table [treated events, control events]; positive when the
    treated have fewer.
    """
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    mean = (x1 + x2) / (n1 + n2)
    error = np.sqrt(mean * (1 - mean) * (1 / n1 + 1 / n2))
    return np.divide(x2 / n2 - x1 / n1, error, out=np.zeros((n1 + 1, n2 + 1)), where=error > 0)


def fisher_p(n1: int, n2: int) -> FloatArray:
    """Fisher's one-sided p of every table: as few events among the treated or fewer, given all
    events.
    """
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    chance = np.exp(_log_choose(n1, x1) + _log_choose(n2, x2) - _log_choose(n1 + n2, x1 + x2))
    p = np.empty_like(chance)
    for total in range(n1 + n2 + 1):
        treated = np.arange(max(0, total - n2), min(n1, total) + 1)
        p[treated, total - treated] = np.cumsum(chance[treated, total - treated])
    return p


def probability_of(region: BoolArray, *, p1: float, p2: float) -> float:
    """Probability that a trial ends in a region of tables, with event rate p1 with treatment and p2
    without.
    """
    n1, n2 = region.shape[0] - 1, region.shape[1] - 1
    first, second = binom.pmf(np.arange(n1 + 1), n1, p1), binom.pmf(np.arange(n2 + 1), n2, p2)
    return float(first @ region @ second)


def largest_size(region: BoolArray) -> float:
    """Largest probability of a region over all rates common to both arms: a grid, then refined
    around its best.
    """
    n1, n2 = region.shape[0] - 1, region.shape[1] - 1
    rates = np.linspace(0, 1, N_RATES)[1:-1]
    first = binom.pmf(np.arange(n1 + 1), n1, rates[:, None])
    second = binom.pmf(np.arange(n2 + 1), n2, rates[:, None])
    sizes = ((first @ region) * second).sum(axis=1)
    best = int(np.argmax(sizes))
    step = rates[1] - rates[0]
    near = minimize_scalar(
        lambda p: -probability_of(region, p1=float(p), p2=float(p)),
        method="bounded",
        bounds=(rates[best] - step, rates[best] + step),
        options={"xatol": 1e-9},
    )
    return max(float(sizes[best]), -float(near.fun))


def _largest_region(evidence: FloatArray, alpha: float) -> BoolArray:
    """Tables of the strongest evidence (smallest numbers) as long as the worst size stays within
    alpha.
    """
    cuts = np.unique(evidence)
    # the region of `inside` keeps the level, that of `outside` does not
    inside, outside = -1, cuts.size
    while outside - inside > 1:
        middle = (inside + outside) // 2
        if largest_size(evidence <= cuts[middle]) <= alpha + SLACK:
            inside = middle
        else:
            outside = middle
    return evidence <= cuts[inside] if inside >= 0 else np.zeros(evidence.shape, dtype=np.bool_)


def _log_choose(n: int, k: np.ndarray) -> FloatArray:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


# --- trials in stages ---


@dataclass(frozen=True, eq=False, repr=False)
class StageProbabilities(Answer):
    """A trial in stages at one pair of rates: how likely it ends at each look, and its mean size.

    ``p_reject`` and ``p_futility`` hold one probability a look; ``expected_n_total`` is the mean
    number of patients of both arms.
    """

    p_reject: FloatArray
    p_futility: FloatArray
    expected_n_total: float


@dataclass(frozen=True, eq=False, repr=False)
class ExactStages(Answer):
    """A group-sequential trial of two rates, exactly: with the stated rates (H1), and with the
    control rate in both arms (H0).
    """

    power: float
    type_one_error: float
    H1: StageProbabilities
    H0: StageProbabilities

    def summary(self) -> str:
        """Power, type I error, and mean patients with the effect."""
        return (
            f"power {self.power:.4f}, type I error {self.type_one_error:.4f},"
            f" {self.H1.expected_n_total:.1f} patients on average with the effect"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a look."""
        columns = {
            f"{name}_{case}": getattr(stages, name)
            for case, stages in (("H1", self.H1), ("H0", self.H0))
            for name in ("p_reject", "p_futility")
        }
        looks = pd.RangeIndex(1, self.H1.p_reject.size + 1, name="look")
        return pd.DataFrame(columns, index=looks)


def exact_two_stage_binary(
    *,
    n_per_arm_per_stage: Sequence[int],
    bounds: Sequence[float],
    p_treat: float,
    p_control: float,
    futility_z: Sequence[float] | None = None,
    direction: Direction = "treatment lower",
) -> ExactStages:
    """Exact power, type I error and mean size of a trial of two event rates with two or more looks.

    Each look tests the pooled z of all patients so far, in the direction of benefit. The joint
    distribution of both arms' events is carried from look to look by adding the binomial events of
    each stage; it is what a simulator is checked against.

    Parameters
    ----------
    n_per_arm_per_stage : patients that each arm adds in each stage.
    bounds : z at or above which each look rejects.
    p_treat, p_control : event rates with and without the treatment, above 0 and below 1.
    futility_z : z below which each look but the last stops.
    direction : the claim, "treatment lower" (fewer events) or "treatment higher".

    Returns
    -------
    ExactStages

    Raises
    ------
    InputError
        For lists of different length, empty stages, or rates of 0 or 1.

    References
    ----------
    Jennison & Turnbull, Group Sequential Methods, 2000, ch. 12.

    Examples
    --------
    >>> trial = exact_two_stage_binary(
    ...     n_per_arm_per_stage=[61, 61], bounds=[2.79651, 1.977431], p_treat=0.15, p_control=0.30
    ... )
    >>> round(trial.power, 4), round(trial.type_one_error, 5)
    (0.8072, 0.02518)
    """
    choice(direction, options=DIRECTIONS, where=WHERE, key="direction")
    stages = [
        count(n, where=WHERE, key="n_per_arm_per_stage", least=1) for n in n_per_arm_per_stage
    ]
    floors = [*(futility_z or [-np.inf] * (len(stages) - 1)), -np.inf]
    if (
        not stages
        or len(bounds) != len(stages)
        or len(floors) not in (len(stages), len(stages) + 1)
    ):
        raise InputError(
            where=WHERE,
            key="bounds",
            found=f"{len(stages)} stages, {len(bounds)} bounds",
            expected="one bound for each stage, and one for futility at each look but the last",
            cure="give the lists the same length",
        )
    treat = inner_rate(p_treat, where=WHERE, key="p_treat")
    control = inner_rate(p_control, where=WHERE, key="p_control")
    sign = 1.0 if direction == "treatment lower" else -1.0
    effect, null = (
        _stage_probabilities(stages, bounds, floors, rates=(p, control), sign=sign)
        for p in (treat, control)
    )
    return ExactStages(
        power=float(effect.p_reject.sum()),
        type_one_error=float(null.p_reject.sum()),
        H1=effect,
        H0=null,
    )


def _stage_probabilities(
    stages: Sequence[int],
    bounds: Sequence[float],
    floors: Sequence[float],
    *,
    rates: tuple[float, float],
    sign: float,
) -> StageProbabilities:
    running, so_far, mean_n = np.ones((1, 1)), 0, 0.0
    rejected, futile = np.zeros(len(stages)), np.zeros(len(stages))
    for k, added in enumerate(stages):
        mean_n += 2 * added * float(running.sum())
        so_far += added
        running = (
            _added(added, running.shape[0], rates[0])
            @ running
            @ _added(added, running.shape[1], rates[1]).T
        )
        z = sign * pooled_z(so_far, so_far)
        is_rejected = z >= bounds[k] - SLACK
        is_futile = ~is_rejected & (z < floors[k] - SLACK)
        rejected[k], futile[k] = running[is_rejected].sum(), running[is_futile].sum()
        running = np.where(is_rejected | is_futile, 0.0, running)
    return StageProbabilities(rejected, futile, mean_n)


def _added(n: int, n_before: int, rate: float) -> FloatArray:
    """Matrix from events before (columns) to events after ``n`` more patients (rows)."""
    new = np.arange(n_before + n)[:, None] - np.arange(n_before)[None, :]
    return np.asarray(binom.pmf(new, n, rate))
