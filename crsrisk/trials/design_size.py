"""How large a design must be, when it looks, and what stops it: from the assumptions of the
planner, by formula.

The planner takes the score as exact and the effect as true (no hidden fever); what noise, gaps and
masking then do to the trial is what the simulation shows. A design that cannot reach the power it
is asked for is refused with the cure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from crsrisk.data.trial_plan import Design, Sequential, SingleArm
from crsrisk.errors import InputError
from crsrisk.trials.candidates import ASTCT, SUPPORT, Pool
from crsrisk.trials.checks import BoolArray, FloatArray, WholeArray
from crsrisk.trials.claims import (
    ClaimsPower,
    Rates,
    joint_power,
    power_of_claims,
    sample_size_of_claims,
)
from crsrisk.trials.enrolment import given_by
from crsrisk.trials.exact_tests import probability_of, rejection_region
from crsrisk.trials.sequential import GroupSequentialBounds, group_sequential_bounds
from crsrisk.trials.single_arm import CountRule, count_rule, count_rule_oc
from crsrisk.trials.spending import crossing
from crsrisk.trials.two_proportions import (
    power_two_proportions,
    restricted_rates,
    rounded_up,
    sample_size_noninferiority,
    sample_size_two_proportions,
)

MOST_PATIENTS = 20_000  # a design that needs more is refused
SLACK = 0.005  # of power: sizes are whole, shares of looks are rounded
FEWEST_IN_STRATUM = 0.001  # of the candidates
EXACT_MOST = 1_500  # patients up to which an exact test is enumerated


@dataclass(frozen=True, eq=False)
class DesignSize:
    """A design with its numbers. ``upper`` and ``lower`` are z bounds at each look (-inf: nothing
    stops there).

    ``sign`` is -1 when the claim is that the control arm has fewer events (a strategy against
    treating everybody). ``region`` is the table of an exact test, ``rule`` that of a single arm,
    ``claims`` the planned power of what several arms are to show.
    """

    design: Design
    at_look: WholeArray
    share: FloatArray
    upper: FloatArray
    lower: FloatArray
    sign: float
    alpha: float
    wanted_power: float
    planned_power: float | None
    region: BoolArray | None = None
    rule: CountRule | None = None
    claims: ClaimsPower | None = None

    @property
    def n_max(self) -> int:
        """Patients at the last look."""
        return int(self.at_look[-1])


@dataclass(frozen=True)
class _Rates:
    """Event rates of the two arms that the planner expects."""

    experimental: float
    control: float

    @property
    def can_vary(self) -> bool:
        return 0 < self.experimental < 1 and 0 < self.control < 1


@dataclass(frozen=True)
class _Assumed:
    """What the planner takes for true of a randomised design: rates of each endpoint that must show
    the effect, the correlation of their z, bounds, level, the power that is asked for, and the side
    of the claim.
    """

    design: Design
    rates: tuple[_Rates, ...]
    correlation: float
    bounds: GroupSequentialBounds | None
    alpha: float
    wanted: float
    sign: float

    @property
    def is_exact(self) -> bool:
        """Whether the test is exact, so that its power is enumerated."""
        return self.design.analysis in ("fisher", "boschloo")

    def region(self, n: int) -> BoolArray | None:
        """The tables that an exact test rejects with so many patients; None for other tests."""
        if not self.is_exact:
            return None
        if n > EXACT_MOST:
            raise InputError(
                where=f"design {self.design.name}",
                key="test",
                found=f"{self.design.analysis} with {n:,} patients",
                expected=f"at most {EXACT_MOST:,} patients with an exact test",
                cure="use pooled_z",
            )
        treated, controls = arm_sizes(n, self.design.ratio)
        return rejection_region(
            n1=treated,
            n2=controls,
            alpha_one_sided=self.alpha,
            test="fisher" if self.design.analysis == "fisher" else "boschloo",
            direction="treatment lower" if self.sign > 0 else "treatment higher",
        )

    @property
    def upper(self) -> FloatArray:
        """z that claims at each look."""
        return np.array([ndtri(1 - self.alpha)]) if self.bounds is None else self.bounds.z

    @property
    def lower(self) -> FloatArray:
        """z below which each look stops; -inf where nothing does, as at the last."""
        floor = None if self.bounds is None else self.bounds.futility_z
        if floor is None:
            return np.full(self.upper.size, -np.inf)
        return np.append(floor[:-1], -np.inf)

    @property
    def info(self) -> FloatArray:
        """Share of the patients at each look."""
        return np.ones(1) if self.bounds is None else self.bounds.info

    def power_with(self, n: int, region: BoolArray | None) -> float:
        """Power of the claim with so many patients: of all endpoints that must show it."""
        drifts = [
            float(ndtri(1 - self.alpha) + ndtri(min(max(fixed, 1e-12), 1 - 1e-12)))
            for fixed in (self._without_looks(rates, n, region) for rates in self.rates)
        ]
        looks = {"upper": self.upper, "lower": self.lower, "info": self.info}
        if len(drifts) == 2:
            return joint_power((drifts[0], drifts[1]), correlation=self.correlation, **looks)
        return float(crossing(drift=drifts[0], **looks).upper.sum())

    def _without_looks(self, rates: _Rates, n: int, region: BoolArray | None) -> float:
        """Power of one endpoint in one look: by enumeration for exact tests, else by the normal
        approximation that also sizes the trial.
        """
        if region is not None:
            return probability_of(region, p1=rates.experimental, p2=rates.control)
        ratio, margin = self.design.ratio, self.design.margin
        if margin is None:
            return power_two_proportions(
                rates.experimental,
                rates.control,
                n_treat=ratio * n / (1 + ratio),
                n_control=n / (1 + ratio),
                alpha_one_sided=self.alpha,
            )
        return _margin_power(rates, n=n, ratio=ratio, margin=margin, alpha=self.alpha)

    def n_needed(self) -> int:
        """Patients in all for the power that is asked for."""
        n = max(self._n_by_formula(rates) for rates in self.rates)
        if len(self.rates) > 1:
            n = self._n_of_both(n)
        return self._n_by_enumeration(n) if self.is_exact else n

    def _n_of_both(self, n: int) -> int:
        """The fewest patients with which both endpoints show it, from those of the one that asks
        for more; beyond what anybody could enrol the search ends.
        """
        step = 2 if self.design.ratio == 1 else 1
        low, high = n - step, n
        while self.power_with(high, None) < self.wanted and high <= MOST_PATIENTS:
            low, high = high, high + max(step, (high // 10) * step)
        while high - low > step:
            middle = low + (high - low) // (2 * step) * step
            if self.power_with(middle, None) < self.wanted:
                low = middle
            else:
                high = middle
        return high

    def _n_by_formula(self, rates: _Rates) -> int:
        """Whole patients in both arms; looks multiply those of a trial without."""
        design = self.design
        size = (
            sample_size_two_proportions(
                rates.experimental,
                rates.control,
                alpha_one_sided=self.alpha,
                power=self.wanted,
                ratio=design.ratio,
            )
            if design.margin is None
            else sample_size_noninferiority(
                rates.experimental,
                rates.control,
                margin=design.margin,
                alpha_one_sided=self.alpha,
                power=self.wanted,
                ratio=design.ratio,
            )
        )
        if self.bounds is None:
            return size.n_total_ceil
        return in_whole_pairs(rounded_up(size.n_total_unrounded * self.bounds.inflation), design)

    def _n_by_enumeration(self, n: int) -> int:
        """The first even number from the formula's on at which the exact test has the power."""
        for more in range(n, min(2 * n, EXACT_MOST) + 2, 2):
            if self.power_with(more, self.region(more)) >= self.wanted:
                return more
        return n


@dataclass(frozen=True)
class _Planned:
    """Rates of both arms, by endpoint, and the correlation of the two z (1 of a single one)."""

    rates: tuple[_Rates, ...]
    correlation: float


def planned_rates(pool: Pool, design: Design, *, risk_ratio: float | None = None) -> _Planned:
    """What the planner expects of those who should be eligible.

    ``risk_ratio``: the pool's own effect on every patient, made larger or smaller in proportion
    until this is the ratio.
    """
    rows = np.ones(pool.risk.size, dtype=bool)
    if design.kind == "enrichment":
        rows = pool.risk >= float(design.threshold or 0.0)
    if not rows.any():
        raise InputError(
            where=f"design {design.name}",
            key="threshold",
            found=f"{design.threshold}, which nobody reaches",
            expected=f"a threshold of at most {float(pool.risk.max()):.3g}, the highest risk",
            cure="lower the threshold",
        )
    usual = pool.control
    treated = np.stack([pool.treated_unmasked, pool.treated[SUPPORT]])
    if risk_ratio is not None:
        treated = usual + (treated - usual) * (1 - risk_ratio) / (1 - pool.risk_ratio)
    in_control, in_experimental = given_by(design, pool.risk)
    experimental, control = (
        np.where(given, treated, usual)[:, rows] for given in (in_experimental, in_control)
    )
    means = zip(experimental.mean(axis=1), control.mean(axis=1), strict=True)
    rates = [_Rates(float(one), float(other)) for one, other in means]
    if not design.co_primary_support:
        return _Planned((rates[ASTCT],), 1.0)
    # one random number decides both events of a patient, so that the rarer one brings the other
    ratio = design.ratio
    covariance = _covariance(experimental) / ratio + _covariance(control)
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance[0, 1] / max(float(spread.prod()), 1e-12)
    return _Planned(tuple(rates), float(correlation))


def _covariance(chance: FloatArray) -> FloatArray:
    """Of the two events of one patient, whoever he is; ``chance`` (endpoint, row)."""
    rates, both = chance.mean(axis=1), float(chance.min(axis=0).mean())
    product = rates[:, None] * rates[None, :]
    return np.asarray(np.array([[rates[0], both], [both, rates[1]]]) - product)


def size_design(
    pool: Pool, design: Design, *, alpha: float, power: float, must_reach: bool = True
) -> DesignSize:
    """The design with its numbers; raises :class:`InputError` when it cannot reach its power.

    ``must_reach=False`` takes a stated ``n_total`` whatever it reaches, as a power curve does.
    """
    where = f"design {design.name}"
    wanted = design.power or power
    if design.single_arm is not None:
        return _sized_single_arm(design, design.single_arm, where=where)
    if design.kind == "multi_arm":
        return _sized_multi_arm(pool, design, alpha=alpha, wanted=wanted, where=where)
    expected = planned_rates(pool, design)
    rates, bounds = expected.rates, _bounds(design.sequential, alpha=alpha, power=wanted)
    sign = -1.0 if rates[0].experimental > rates[0].control and design.margin is None else 1.0
    assumed = _Assumed(design, rates, expected.correlation, bounds, alpha, wanted, sign)
    if must_reach:
        _cuts_divide(pool, design, where=where)
        for of_endpoint in rates:
            _has_effect(of_endpoint, design, pool, where=where)
    n = in_whole_pairs(design.n_total or _affordable(assumed, where=where), design)
    at_look = _at_looks(assumed.info, n, design=design, where=where)
    region, planned = assumed.region(n), None
    if must_reach:
        planned = assumed.power_with(n, region)
        if planned < wanted - SLACK:
            raise _too_small(assumed, pool, n, planned)
    return DesignSize(
        design,
        at_look,
        assumed.info,
        assumed.upper,
        assumed.lower,
        sign,
        alpha,
        wanted,
        planned,
        region=region,
    )


def in_whole_pairs(n: int, design: Design) -> int:
    """The number itself, or the next that gives both arms the same at 1:1.

    >>> in_whole_pairs(305, Design(name="x", kind="all_comers"))
    306
    """
    return n + n % 2 if design.ratio == 1 else n


def _sized_multi_arm(
    pool: Pool, design: Design, *, alpha: float, wanted: float, where: str
) -> DesignSize:
    """Several arms in equal numbers, sized for all their claims together."""
    rates: dict[str, Rates] = {
        arm.name: (arm.crs, arm.support, arm.both) if design.co_primary_support else arm.crs
        for arm in pool.arms
    }
    claims = [(claim.experimental, claim.comparator) for claim in design.claims or []]
    procedure = design.multiplicity or "hierarchical"
    stated = design.n_total
    try:
        planned = (
            sample_size_of_claims(
                rates, claims=claims, multiplicity=procedure, alpha_one_sided=alpha, power=wanted
            )
            if stated is None
            else power_of_claims(
                rates,
                claims=claims,
                n_per_arm=-(-stated // len(rates)),
                multiplicity=procedure,
                alpha_one_sided=alpha,
            )
        )
        if planned.power_all < wanted - SLACK:
            needed = sample_size_of_claims(
                rates, claims=claims, multiplicity=procedure, alpha_one_sided=alpha, power=wanted
            )
            reached = np.floor(planned.power_all * 100) / 100
            raise InputError(
                where=where,
                key="n_total",
                found=(
                    f"{planned.n_total:,} patients, which reach a power of"
                    f" {planned.power_all:.2f} for all claims"
                ),
                expected=f"the power of {wanted:g} that is asked for",
                cure=(
                    f"write n_total: {needed.n_total}, claim less, or accept what it reaches with"
                    f" power: {reached:.2f}"
                ),
            )
    except InputError as problem:
        raise InputError(
            where=where,
            key=problem.key,
            found=problem.found,
            expected=problem.expected,
            cure=problem.cure,
        ) from problem
    return DesignSize(
        design,
        np.array([planned.n_total]),
        np.ones(1),
        np.array([ndtri(1 - alpha)]),
        np.array([-np.inf]),
        1.0,
        alpha,
        wanted,
        planned.power_all,
        claims=planned,
    )


def _sized_single_arm(design: Design, arm: SingleArm, *, where: str) -> DesignSize:
    """A design without a control; its planned power is exact at its target, whatever the candidates
    are like, and so is its type I error at the benchmark, which must keep alpha.
    """
    rule = count_rule(arm, where=where)
    nothing = np.full(rule.at_look.size, np.nan)
    error = count_rule_oc(rule, p_success=arm.benchmark).p_claim
    if error > arm.alpha + 1e-9:
        raise InputError(
            where=where,
            key="alpha",
            found=(
                f"{arm.alpha:g}, but a claim in {100 * error:.2f} of 100 trials where"
                f" {100 * arm.benchmark:g} of 100 do well, as the benchmark says"
            ),
            expected=f"a type I error of at most {arm.alpha:g}",
            cure=(
                f"{_theta_that_keeps_alpha(arm, where=where)} or accept the error with alpha:"
                f" {np.ceil(error * 1000) / 1000:g}"
            ),
        )
    reached, wanted = count_rule_oc(rule, p_success=arm.target).p_claim, 1 - arm.beta
    if reached < wanted - 1e-9:
        raise InputError(
            where=where,
            key="n_max",
            found=(
                f"{rule.at_look[-1]} patients, which reach a power of "
                f"{reached:.2f} where {100 * arm.target:g} of 100 do well"
            ),
            expected=f"the power of {wanted:g} that beta asks for",
            cure=(
                "raise n_max or target, stop less eagerly (theta_low), or accept what it reaches"
                f" with beta: {np.ceil((1 - reached) * 100) / 100:.2f}"
            ),
        )
    return DesignSize(
        design,
        rule.at_look,
        rule.at_look / rule.at_look[-1],
        nothing,
        nothing,
        1.0,
        arm.alpha,
        wanted,
        reached,
        rule=rule,
    )


def _theta_that_keeps_alpha(arm: SingleArm, *, where: str) -> str:
    """The least theta_end, in thousandths, whose rule keeps alpha at the benchmark, as the first
    part of a cure; nothing where none does.
    """
    for thousandths in range(int(1000 * arm.theta_end) + 1, 1000):
        stricter = arm.model_copy(update={"theta_end": thousandths / 1000})
        try:
            rule = count_rule(stricter, where=where)
        except InputError:
            break  # no result reaches such an end
        if count_rule_oc(rule, p_success=arm.benchmark).p_claim <= arm.alpha:
            return f"write theta_end: {thousandths / 1000:g},"
    return "enrol more patients (n_max),"


def _cuts_divide(pool: Pool, design: Design, *, where: str) -> None:
    """Every stratum has candidates in it; one in 1,000 is the least that means anything."""
    if design.cuts is None:
        return
    stratum = np.searchsorted(design.cuts, pool.risk, side="right")
    share = np.bincount(stratum, minlength=len(design.cuts) + 1) / pool.risk.size
    if share.min() < FEWEST_IN_STRATUM:
        low, high = (float(np.quantile(pool.risk, q)) for q in (0.05, 0.95))
        raise InputError(
            where=where,
            key="cuts",
            found=(
                f"{design.cuts}, with {', '.join(f'{100 * part:.1f}' for part in share)} of 100"
                " candidates in the strata"
            ),
            expected="cuts with candidates on both sides",
            cure=f"nine of ten candidates have a risk of {low:.2g} to {high:.2g}: cut between",
        )


def _at_looks(share: FloatArray, n: int, *, design: Design, where: str) -> WholeArray:
    """Patients in all at each look, in whole pairs at 1:1; refuses looks at which an arm is empty
    or nobody is new.
    """
    group = 2 if design.ratio == 1 else 1
    at_look = group * np.rint(share * n / group).astype(np.int64)
    if min(arm_sizes(int(at_look[0]), design.ratio)) < 1 or bool((np.diff(at_look) < 1).any()):
        raise InputError(
            where=where,
            key="sequential",
            found=f"looks after {', '.join(map(str, at_look))} patients",
            expected="patients in both arms at every look, and new ones at each",
            cure="look later or less often: 20 looks at 30 patients tell nothing",
        )
    return at_look


def _bounds(
    looks: Sequential | None, *, alpha: float, power: float
) -> GroupSequentialBounds | None:
    if looks is None:
        return None
    return group_sequential_bounds(
        type=looks.boundary,
        K=looks.looks,
        info=looks.info or "equal",
        alpha_one_sided=alpha,
        futility_z=looks.futility_z,
        futility=looks.futility,
        binding=looks.binding,
        power=power,
        rho=looks.rho,
        gamma=looks.gamma,
        delta=looks.delta,
        futility_rho=looks.futility_rho,
        futility_gamma=looks.futility_gamma,
    )


def _has_effect(rates: _Rates, design: Design, pool: Pool, *, where: str) -> None:
    """The rates differ, or lie within the margin that is to be excluded."""
    loss = rates.experimental - rates.control
    if design.margin is not None and loss > design.margin - 1e-3:
        raise InputError(
            where=where,
            key="margin",
            found=(
                f"{design.margin:g}, and {100 * loss:.1f} of 100 more events than treating "
                "everybody"
            ),
            expected="a margin above what leaving patients untreated costs",
            cure="lower the threshold, or accept a wider margin",
        )
    if rates.can_vary and (design.margin is not None or abs(loss) >= 1e-6):
        return
    raise InputError(
        where=where,
        key="candidates",
        found=(
            f"event rates {rates.experimental:.4g} (experimental) and "
            f"{rates.control:.4g} (control), risk ratio {pool.risk_ratio:.3g}"
        ),
        expected="two different rates above 0 and below 1",
        cure=(
            "choose another threshold or prophylaxis: no number of patients shows a"
            " difference that is not there"
        ),
    )


def _affordable(assumed: _Assumed, *, where: str) -> int:
    """The patients that a design needs, refused where nobody could enrol them."""
    n = assumed.n_needed()
    if n > MOST_PATIENTS:
        raise InputError(
            where=where,
            key="power",
            found=f"{n:,} patients for a power of {assumed.wanted:g}",
            expected=f"a design within {MOST_PATIENTS:,} patients",
            cure=(
                "the arms treat almost the same patients: choose another control or threshold, or"
                " against treating everybody ask that it is not much worse (margin: 0.05)"
                if assumed.design.kind == "strategy"
                else (
                    "hope for a larger effect, enrol patients at higher risk, or ask for less power"
                )
            ),
        )
    return n


def arm_sizes(n: int, ratio: float) -> tuple[int, int]:
    """Patients of the experimental arm and of the control when they are allocated in turn.

    >>> arm_sizes(304, 1.0), arm_sizes(90, 2.0)
    ((152, 152), (60, 30))
    """
    experimental = control = 0
    for _ in range(n):
        if experimental < ratio * (control + 1):
            experimental += 1
        else:
            control += 1
    return experimental, control


def _margin_power(rates: _Rates, *, n: int, ratio: float, margin: float, alpha: float) -> float:
    """Power of non-inferiority: the formula of Farrington and Manning read backwards."""
    n1, n0 = ratio * n / (1 + ratio), n / (1 + ratio)
    p1, p0 = rates.experimental, rates.control
    null1, null0 = restricted_rates(p1, p0, delta=margin, ratio=n0 / n1)
    null, true = (sqrt(a * (1 - a) / n1 + b * (1 - b) / n0) for a, b in ((null1, null0), (p1, p0)))
    return float(ndtr((margin - (p1 - p0) - ndtri(1 - alpha) * null) / true))


def _too_small(assumed: _Assumed, pool: Pool, n: int, planned: float) -> InputError:
    """Why a design cannot reach its power, and the three ways out."""
    ways = [f"write n_total: {assumed.n_needed()}"]
    if (ratio := _ratio_needed(assumed, pool, n)) is not None:
        ways.append(f"hope for a risk ratio of {ratio:.2f} (assumed {pool.risk_ratio:.2f})")
    ways.append(f"accept what it reaches with power: {np.floor(planned * 100) / 100:.2f}")
    return InputError(
        where=f"design {assumed.design.name}",
        key="n_total",
        found=f"{n:,} patients, which reach a power of {planned:.2f}",
        expected=f"the power of {assumed.wanted:g} that is asked for",
        cure=", or ".join(ways),
    )


def _ratio_needed(assumed: _Assumed, pool: Pool, n: int) -> float | None:
    """The risk ratio at which this number of patients is enough, by the normal approximation; None
    when none is.
    """
    design = assumed.design

    def surplus(ratio: float) -> float:
        expected = planned_rates(pool, design, risk_ratio=ratio)
        hoped = replace(assumed, rates=expected.rates, correlation=expected.correlation)
        return hoped.power_with(n, None) - assumed.wanted

    lowest, highest = 1e-3, 0.999
    if design.control == "everybody" or surplus(lowest) < 0 or surplus(highest) > 0:
        return None
    return float(brentq(surplus, lowest, highest, xtol=1e-4))
