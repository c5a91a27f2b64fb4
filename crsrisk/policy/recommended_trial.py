"""The trial that a decision calls for: its arms with the events that they are planned on, and the
patients that everything it claims needs.

Rates are medians over the ensemble of assumptions, among those whom the trial randomises: events
without prophylaxis, and for each drug that median times the median ratio. A claim "A has fewer
events than B" must be shown by the grade and by need of support, which a hidden fever cannot
flatter. Claims are tested in order, each at the full level, up to the first that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crsrisk.data.trial_plan import StatedArm
from crsrisk.errors import InputError
from crsrisk.policy.worlds import ArmEvents, MemberValues
from crsrisk.trials.claims import MOST_PER_ARM, ClaimPower, Rates, sample_size_of_claims
from crsrisk.trials.two_proportions import sample_size_two_proportions
from crsrisk.uncertainty.forecast import weighted_quantile

CONTROL = "placebo"
ALPHA, POWERS = 0.025, (0.8, 0.9)
_DIGITS = 4  # of a rate, as the design file states it


@dataclass(frozen=True)
class PlannedEndpoint:
    """One endpoint of a claim: rates of the two arms, patients an arm that it needs by itself for
    80% power, and its power with the patients of the trial.
    """

    endpoint: str
    experimental: float
    comparator: float
    n_per_arm_80: int
    power: float


@dataclass(frozen=True)
class PlannedClaim:
    """One claim in the order of testing, "experimental has fewer events than comparator".

    ``n_per_arm_80`` and ``n_per_arm_90``: patients an arm that give this claim and all before it
    the power together. ``power``: with the patients of the trial, under the order of testing.
    """

    experimental: str
    comparator: str
    endpoints: tuple[PlannedEndpoint, ...]
    n_per_arm_80: int
    n_per_arm_90: int
    power: float


@dataclass(frozen=True)
class NotClaimed:
    """A comparison that the trial does not claim, and why no size is given for it."""

    experimental: str
    comparator: str
    reason: str


@dataclass(frozen=True)
class PlannedTrial:
    """Arms in equal numbers, the control first, sized so that all claims together have 80% power.

    ``treated``: share of all patients whom the trial randomises. ``n_per_arm`` is None, and
    ``claims`` are empty, where no effect is there to be shown.
    """

    arms: tuple[StatedArm, ...]
    treated: float
    claims: tuple[PlannedClaim, ...]
    not_claimed: tuple[NotClaimed, ...]
    n_per_arm: int | None = None
    power_all: float | None = None

    @property
    def n_total(self) -> int | None:
        """Patients of all arms."""
        return None if self.n_per_arm is None else self.n_per_arm * len(self.arms)


def plan_trial(arms: Sequence[StatedArm], *, treated: float) -> PlannedTrial:
    """The trial of these arms: each drug against the control, the first drug against the second,
    as far as there is something to show.

    >>> placebo = StatedArm(name="placebo", crs=0.3, support=0.33, both=0.25)
    >>> drug = StatedArm(name="drug", crs=0.14, support=0.2, both=0.12)
    >>> trial = plan_trial([placebo, drug], treated=1.0)
    >>> trial.n_per_arm, [endpoint.n_per_arm_80 for endpoint in trial.claims[0].endpoints]
    (185, [105, 180])
    """
    left, refused = list(arms), []
    claimed: list[tuple[str, str]] = []
    for experimental, comparator in _comparisons(arms):
        if not {experimental, comparator} <= {arm.name for arm in left}:
            continue
        reason = _why_not(left, claimed, (experimental, comparator))
        if reason is None:
            claimed.append((experimental, comparator))
            continue
        refused.append(NotClaimed(experimental, comparator, reason))
        if comparator == arms[0].name:
            left = [arm for arm in left if arm.name != experimental]
    if not claimed:
        return PlannedTrial(tuple(arms), treated, (), tuple(refused))
    rates = _rates(left)
    steps = [
        [sample_size_of_claims(rates, claims=claimed[: k + 1], power=power) for power in POWERS]
        for k in range(len(claimed))
    ]
    whole = steps[-1][0]
    return PlannedTrial(
        tuple(left),
        treated,
        tuple(
            _claim(rates, claim, *(step.n_per_arm for step in sizes))
            for claim, sizes in zip(whole.claims, steps, strict=True)
        ),
        tuple(refused),
        whole.n_per_arm,
        whole.power_all,
    )


def _why_not(
    arms: Sequence[StatedArm], claimed: Sequence[tuple[str, str]], claim: tuple[str, str]
) -> str | None:
    """Why a comparison cannot be claimed beside those before it; None where it can."""
    experimental, comparator = (next(arm for arm in arms if arm.name == name) for name in claim)
    for words, one, other in (
        ("CRS of grade >= 2", experimental.crs, comparator.crs),
        ("need of support", experimental.support, comparator.support),
    ):
        if one >= other:
            return f"{words} is no rarer: {100 * one:.1f} of 100 against {100 * other:.1f}"
    try:
        sample_size_of_claims(_rates(arms), claims=[*claimed, claim])
    except InputError:
        return f"it would need more than {MOST_PER_ARM:,} patients in each arm"
    return None


def _comparisons(arms: Sequence[StatedArm]) -> list[tuple[str, str]]:
    drugs = [arm.name for arm in arms[1:]]
    return [(drug, arms[0].name) for drug in drugs] + list(pairwise(drugs))


def _rates(arms: Sequence[StatedArm]) -> dict[str, Rates]:
    return {arm.name: (arm.crs, arm.support, arm.both) for arm in arms}


def _claim(
    rates: Mapping[str, Rates], claim: ClaimPower, n_per_arm_80: int, n_per_arm_90: int
) -> PlannedClaim:
    experimental, comparator = (
        np.atleast_1d(rates[name]) for name in (claim.experimental, claim.comparator)
    )
    endpoints = tuple(
        PlannedEndpoint(
            endpoint,
            float(experimental[k]),
            float(comparator[k]),
            sample_size_two_proportions(
                float(experimental[k]), float(comparator[k])
            ).n_per_arm_ceil,
            claim.by_endpoint[k],
        )
        for k, endpoint in enumerate(("grade", "support"))
    )
    return PlannedClaim(
        claim.experimental, claim.comparator, endpoints, n_per_arm_80, n_per_arm_90, claim.power
    )


# --- what the ensemble says of the arms ---


def arms_over_ensemble(
    members: MemberValues, *, rule: str, strategies: Sequence[str]
) -> tuple[StatedArm, ...]:
    """Control and drugs with their median events among those whom a rule treats; empty where nobody
    has an event, or everybody.
    """
    by_member = [values.arms.get(rule, {}) for values in members.values]

    def median(name: str, read: Callable[[ArmEvents, ArmEvents], float | None]) -> float | None:
        """Of what is read from an arm and its control."""
        read_out = [read(arms[name], arms["none"]) if arms else None for arms in by_member]
        is_known = np.array([value is not None for value in read_out])
        if not is_known.any():
            return None
        known = np.array([value for value in read_out if value is not None])
        return weighted_quantile(known, members.weights[is_known], 0.5)

    control = _stated(
        CONTROL,
        median("none", lambda arm, _: arm.crs),
        median("none", lambda arm, _: arm.support),
        median("none", lambda arm, _: arm.overlap),
        1.0,
    )
    if control is None:
        return ()
    stated = [control]
    for name in strategies:
        ratios = (
            median(name, lambda arm, usual: _ratio(arm.crs, usual.crs)),
            median(name, lambda arm, usual: _ratio(arm.support, usual.support)),
        )
        drug = _stated(
            name,
            None if ratios[0] is None else control.crs * ratios[0],
            None if ratios[1] is None else control.support * ratios[1],
            median(name, lambda arm, _: arm.overlap),
            median(name, lambda arm, _: arm.given),
        )
        if drug is None:
            return ()
        stated.append(drug)
    return tuple(stated)


def _ratio(one: float, other: float) -> float | None:
    return one / other if other > 0 else None


def _stated(
    name: str,
    crs: float | None,
    support: float | None,
    overlap: float | None,
    given: float | None,
) -> StatedArm | None:
    """An arm in the digits of the design file; None where a rate is 0, 1 or unknown."""
    if crs is None or support is None:
        return None
    first, second = round(crs, _DIGITS), round(support, _DIGITS)
    if not (0 < first < 1 and 0 < second < 1):
        return None
    low, high = round(max(0.0, first + second - 1), _DIGITS), min(first, second)
    both = round(low + (1.0 if overlap is None else overlap) * (high - low), _DIGITS)
    return StatedArm(
        name=name, crs=first, support=second, both=both, given=round(given or 0.0, _DIGITS)
    )
