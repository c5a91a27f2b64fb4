"""What selecting patients by risk does to a trial: fewer enrolled, more screened, and when it
dilutes instead.

Selection is prognostic: those above the threshold have more events, and with the same risk ratio a
larger difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias

from scipy.stats import nbinom

from crsrisk.errors import InputError
from crsrisk.policy.formulas import reached
from crsrisk.trials.checks import (
    Answer,
    ByNumber,
    choice,
    count,
    inner_rate,
    numbers,
    positive,
    relative_risk,
    share,
    threshold_below_1,
)
from crsrisk.trials.risk_distribution import Risk, risk_spread
from crsrisk.trials.two_proportions import sample_size_two_proportions

ControlArm: TypeAlias = Literal["nobody treated", "everybody treated"]


@dataclass(frozen=True, repr=False)
class EnrichedSize(Answer):
    """A trial among patients at or above a threshold: their event rate, patients per arm, in all,
    and screened.
    """

    control_rate: float
    n_per_arm: float
    N: int
    screened: float


def enrichment_sample_size(
    *,
    risk: Risk,
    rr: float,
    thresholds: Sequence[float],
    alpha_one_sided: float = 0.025,
    power: float = 0.8,
) -> ByNumber[EnrichedSize]:
    """Patients enrolled and screened when only those with risk >= t enter, by threshold (0 =
    all-comers).

    The pooled z formula at the event rate of the selected, p = E[risk | risk >= t], against RR x p;
    screened = enrolled / P(risk >= t). Plan on the event rate validated in those selected, not on
    the one a model promises.

    >>> enriched = enrichment_sample_size(risk="Beta(2,6)", rr=0.5, thresholds=[0, 0.3])
    >>> enriched["0"].N, enriched["0.3"].N
    (304, 152)
    """
    where = "enrichment"
    spread, ratio = risk_spread(risk), _acting(rr, where=where)
    sizes = {}
    for number in numbers(thresholds, where=where, key="thresholds"):
        t = threshold_below_1(number, where=where, key="thresholds")
        eligible = reached(spread, t)
        rate = inner_rate(spread.event_share_above(t) / eligible, where=where, key="control_rate")
        size = sample_size_two_proportions(
            p_treat=ratio * rate, p_control=rate, alpha_one_sided=alpha_one_sided, power=power
        )
        n = 2 * size.n_per_arm_ceil
        sizes[t] = EnrichedSize(rate, size.n_per_arm_unrounded, n, n / eligible)
    return ByNumber(sizes)


@dataclass(frozen=True, repr=False)
class StrategySize(Answer):
    """A biomarker-strategy trial: event rates under the strategy and in its control arm, and
    patients per arm.
    """

    p_strategy: float
    p_control: float
    n_per_arm: float
    n_per_arm_ceil: int


def strategy_sample_size(
    *,
    risk: Risk,
    rr: float,
    threshold: float,
    control_arm: ControlArm,
    alpha_one_sided: float = 0.025,
    power: float = 0.8,
) -> StrategySize:
    """Patients per arm to compare "treat when risk >= t" with treating nobody or everybody.

    Both arms treat many patients alike, which dilutes: p_strategy = mean risk - (1 - RR) x events
    among those selected.

    >>> size = strategy_sample_size(
    ...     risk="Beta(2,6)", rr=0.5, threshold=0.2, control_arm="nobody treated"
    ... )
    >>> size.n_per_arm_ceil
    253
    """
    where = "biomarker-strategy design"
    spread, ratio = risk_spread(risk), _acting(rr, where=where)
    t = threshold_below_1(threshold, where=where)
    choice(
        control_arm, options=("nobody treated", "everybody treated"), where=where, key="control_arm"
    )
    p_strategy = spread.mean - (1 - ratio) * spread.event_share_above(t)
    p_control = spread.mean if control_arm == "nobody treated" else ratio * spread.mean
    if abs(p_strategy - p_control) < 1e-12:
        raise InputError(
            where=where,
            key="threshold",
            found=threshold,
            expected="a threshold at which the two arms treat different patients",
            cure="choose another threshold, or the other control arm",
        )
    size = sample_size_two_proportions(
        p_treat=p_strategy, p_control=p_control, alpha_one_sided=alpha_one_sided, power=power
    )
    return StrategySize(p_strategy, p_control, size.n_per_arm_unrounded, size.n_per_arm_ceil)


@dataclass(frozen=True, repr=False)
class ScreeningMoments(Answer):
    """How many candidates are screened until the last patient is enrolled: mean, SD, and the 5, 50
    and 95% quantiles.
    """

    mean: float
    sd: float
    q05: int
    q50: int
    q95: int


def screening_moments(*, n_enrolled: int, p_eligible: float) -> ScreeningMoments:
    """Candidates screened to enrol ``n_enrolled`` when each is eligible with ``p_eligible``:
    negative binomial.

    Mean n/p, SD sqrt(n (1 - p)) / p. Divide by candidates a month for the time that screening
    takes.

    >>> round(screening_moments(n_enrolled=152, p_eligible=0.329417).mean, 2)
    461.42
    """
    where = "screening"
    n = count(n_enrolled, where=where, key="n_enrolled", least=1)
    p = share(positive(p_eligible, where=where, key="p_eligible"), where=where, key="p_eligible")
    turned_away = nbinom(n, p)
    low, middle, high = (int(turned_away.ppf(q)) + n for q in (0.05, 0.5, 0.95))
    return ScreeningMoments(n / p, sqrt(n * (1 - p)) / p, low, middle, high)


@dataclass(frozen=True, repr=False)
class MaskedOutcome(Answer):
    """What a trial sees when prophylaxis hides CRS: the apparent risk ratio and rate, and patients
    per arm for each.
    """

    rr_observed: float
    p_treat_observed: float
    n_per_arm_true: float
    n_per_arm_observed: float


def masked_outcome_rr(
    *,
    rr_true: float,
    mask_prob: float,
    p_control: float,
    alpha_one_sided: float = 0.025,
    power: float = 0.8,
) -> MaskedOutcome:
    """How far blocked fever flatters prophylaxis: IL-6 blockade can hide the fever that the grade
    of CRS asks for.

    Parameters
    ----------
    rr_true : true risk ratio, 0 to below 1.
    mask_prob : probability that a CRS under prophylaxis goes unseen; RR observed = RR x (1 - m).
    p_control : event rate without prophylaxis.

    Notes
    -----
    The patients "needed" at the apparent ratio are far too few to show the true one.

    Examples
    --------
    >>> round(masked_outcome_rr(rr_true=0.7, mask_prob=0.3, p_control=0.4).rr_observed, 2)
    0.49
    """
    where = "masked outcome"
    rate = inner_rate(p_control, where=where, key="p_control")
    seen = 1 - threshold_below_1(mask_prob, where=where, key="mask_prob")
    true = _acting(rr_true, where=where, key="rr_true")
    n_true, n_observed = (
        sample_size_two_proportions(
            p_treat=ratio * rate, p_control=rate, alpha_one_sided=alpha_one_sided, power=power
        )
        for ratio in (true, true * seen)
    )
    return MaskedOutcome(
        true * seen, true * seen * rate, n_true.n_per_arm_unrounded, n_observed.n_per_arm_unrounded
    )


def interaction_inflation(
    *, frac: float, interaction_equals_main: bool = True, interaction_over_main: float | None = None
) -> float:
    """How many times the patients of the main effect an interaction with a subgroup needs.

    Variance of the difference of two subgroup effects over that of the overall effect, 1 / [f (1 -
    f)], divided by the square of interaction / main effect. ``frac`` is the share of one subgroup;
    state ``interaction_over_main`` when the interaction is not as large as the main effect.

    >>> interaction_inflation(frac=0.5), interaction_inflation(
    ...     frac=0.5, interaction_equals_main=False, interaction_over_main=0.5)
    (4.0, 16.0)
    """
    where = "interaction"
    f = inner_rate(frac, where=where, key="frac")
    if interaction_equals_main == (interaction_over_main is not None):
        raise InputError(
            where=where,
            key="interaction_over_main",
            found=interaction_over_main,
            expected="a ratio exactly when interaction_equals_main is False",
            cure="state how large the interaction is against the main effect",
        )
    size = (
        1.0
        if interaction_over_main is None
        else positive(interaction_over_main, where=where, key="interaction_over_main")
    )
    return 1 / (f * (1 - f)) / size**2


def _acting(rr: float, *, where: str, key: str = "rr") -> float:
    """A risk ratio that leaves some events: above 0, below 1."""
    return positive(relative_risk(rr, where=where, key=key), where=where, key=key)
