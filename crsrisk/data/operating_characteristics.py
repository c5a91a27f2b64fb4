"""Operating characteristics: what a trial design does when it is run many times, each figure with
its Monte Carlo error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from crsrisk.data.trial_plan import Kind, Multiplicity, StatedArm
from crsrisk.results import Estimate


def proportion(n_yes: int, n: int) -> Estimate:
    """A share of simulated trials; its error is sqrt(p (1 - p) / n) (Morris, White & Crowther, Stat
    Med 2019;38:2074).

    >>> round(proportion(8000, 10000).mc_error, 6)
    0.004
    """
    p = n_yes / n
    return Estimate(p, mc_error=sqrt(p * (1 - p) / n))


@dataclass(frozen=True)
class Look:
    """One look: patients so far, what stops the trial there, and how often it does.

    Bounds are of z where there is a control arm (``upper_z``, ``lower_z``) or counts of successes
    where there is none (``upper_count`` reached is success, ``lower_count`` or fewer is failure);
    None: nothing stops there. ``effect``: with the assumed effect of prophylaxis; ``null``: without
    one.
    """

    n: int
    share: float
    benefit_effect: Estimate
    futility_effect: Estimate
    benefit_null: Estimate
    futility_null: Estimate
    upper_z: float | None = None
    lower_z: float | None = None
    upper_count: int | None = None
    lower_count: int | None = None

    @property
    def upper(self) -> float | int | None:
        """What is reached for a claim, z or successes."""
        return self.upper_z if self.upper_count is None else self.upper_count

    @property
    def lower(self) -> float | int | None:
        """What stops for futility, z or successes."""
        return self.lower_z if self.lower_count is None else self.lower_count


@dataclass(frozen=True)
class Misspecification:
    """What the same design does when an assumption is wrong: how often it then claims that
    prophylaxis works.

    ``key`` groups the same row over designs (`hidden_astct`, `drift_10`); ``truth`` says in words
    what is true instead. ``is_error``: a claim would be false here.
    """

    key: str
    truth: str
    claims: Estimate
    is_error: bool


@dataclass(frozen=True)
class ClaimCharacteristics:
    """What one claim of several arms does, "experimental has fewer events than comparator".

    ``planned_power`` and ``power``: under the procedure of multiple testing, by formula and in the
    simulated trials; ``by_endpoint``: how often each endpoint reaches the full level by itself.
    """

    experimental: str
    comparator: str
    planned_power: float
    power: Estimate
    by_endpoint: tuple[Estimate, ...]


@dataclass(frozen=True)
class OperatingCharacteristics:
    """One design, run ``n_sim`` times with the assumed effect and ``n_sim`` times without it.

    ``rate_control`` and ``rate_experimental`` are the event rates of the arms among those enrolled;
    a single arm has no control, and ``rate_control`` is then what the enrolled would have had
    untreated. ``exposed_without_need``: patients treated who would not have had the event
    untreated. ``waiting``: patients enrolled while the outcomes of an interim look that stops the
    trial were awaited; they come on top of ``expected_n``. ``planned_power``: by formula, as if the
    score were exact; of a single arm exactly, at its target. ``benchmark``: share without the event
    that a single arm is compared with. ``is_futility_binding``: None where nothing stops for
    futility. ``margin``: of a design that shows non-inferiority; its type
    I error and all figures "without effect" are those of arms that differ by the whole margin. Of
    several ``arms``, ``power`` is that of all ``claims`` together, ``type_one_error`` that of any
    claim when no drug does anything, and ``rate_experimental`` the rate of the first drug.
    """

    design: str
    kind: Kind
    n_sim: int
    n_max: int
    co_primary_support: bool
    eligible_share: float
    rate_control: float
    rate_experimental: float
    planned_power: float | None
    wanted_power: float
    power: Estimate
    type_one_error: Estimate
    nominal_alpha: float
    expected_n: Estimate
    expected_n_null: Estimate
    screened: Estimate
    screened_per_enrolled: Estimate
    duration_months: Estimate
    waiting: Estimate
    exposed: Estimate
    exposed_without_need: Estimate
    looks: tuple[Look, ...]
    misspecifications: tuple[Misspecification, ...]
    benchmark: float | None = None
    margin: float | None = None
    interaction_power: Estimate | None = None
    arms: tuple[str, ...] = ()
    claims: tuple[ClaimCharacteristics, ...] = ()
    multiplicity: Multiplicity | None = None
    is_futility_binding: bool | None = None

    @property
    def false_claims(self) -> tuple[Misspecification, ...]:
        """The misspecifications in which every claim is an error."""
        return tuple(row for row in self.misspecifications if row.is_error)


@dataclass(frozen=True)
class PowerCell:
    """Power under one set of assumptions; ``threshold`` 0 is all-comers, ``base_rate`` the event
    rate of all candidates untreated.
    """

    risk_ratio: float
    base_rate: float
    threshold: float
    n_total: int
    eligible_share: float
    power: Estimate


@dataclass(frozen=True)
class EndpointRates:
    """Event rates of an endpoint among all candidates, without and with prophylaxis."""

    endpoint: str
    untreated: float
    with_prophylaxis: float


@dataclass(frozen=True)
class CandidatePool:
    """Who could enter, in figures.

    ``n_patients``: different people behind the candidates (0: a formula); ``base_rate_error``: the
    standard error of the base rate that comes from having so many. ``risk_ratio``: events with
    prophylaxis over events without, fever that the drug hides counted as the event it is.
    ``arms``: rates stated by arm, the control first; empty for candidates of another origin.
    """

    origin: str
    n_patients: int
    base_rate: float
    base_rate_error: float
    risk_ratio: float
    rates: tuple[EndpointRates, ...]
    arms: tuple[StatedArm, ...] = ()
