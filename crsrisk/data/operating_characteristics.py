"""Operating characteristics: what a trial design does when it is run many times, each figure with
its Monte Carlo error.
"""

from __future__ import annotations

from math import sqrt

from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.trial_plan import Kind


class Figure(Strict):
    """A figure and the standard error that comes from simulating only so many trials; 0 where it
    was computed exactly.
    """

    value: float
    mcse: float = Field(ge=0)


def proportion(n_yes: int, n: int) -> Figure:
    """A share of simulated trials; its error is sqrt(p (1 - p) / n) (Morris, White & Crowther, Stat
    Med 2019;38:2074).

    >>> round(proportion(8000, 10000).mcse, 6)
    0.004
    """
    p = n_yes / n
    return Figure(value=p, mcse=sqrt(p * (1 - p) / n))


class Look(Strict):
    """One look: patients so far, what stops the trial there, and how often it does.

    Bounds are of z where there is a control arm (``upper_z``, ``lower_z``) or counts of successes
    where there is none (``upper_count`` reached is success, ``lower_count`` or fewer is failure).
    ``effect``: with the assumed effect of prophylaxis; ``null``: without one.
    """

    n: int
    share: float
    upper_z: float | None = None
    lower_z: float | None = None
    upper_count: int | None = None
    lower_count: int | None = None
    benefit_effect: Figure
    futility_effect: Figure
    benefit_null: Figure
    futility_null: Figure


class Misspecification(Strict):
    """What the same design does when an assumption is wrong: how often it then claims that
    prophylaxis works.

    ``key`` groups the same row over designs (`hidden_astct`, `drift_10`); ``what`` says it in
    words.
    """

    key: str
    what: str
    claims: Figure
    is_error: bool  # a claim would be false here


class OperatingCharacteristics(Strict):
    """One design, run ``n_sim`` times with the assumed effect and ``n_sim`` times without it.

    ``rate_control`` and ``rate_experimental`` are the event rates of the arms among those enrolled;
    a single arm has no control, and ``rate_control`` is then what the enrolled would have had
    untreated. ``exposed_without_need``: patients treated who would not have had the event
    untreated. ``waiting``: patients enrolled while the outcomes of an interim look that stops the
    trial were awaited; they come on top of ``expected_n``. ``planned_power``: by formula, as if the
    score were exact; of a single arm exactly, at its target. ``benchmark``: share without the event
    that a single arm is compared with. ``margin``: of a design that shows non-inferiority; its type
    I error and all figures "without effect" are those of arms that differ by the whole margin.
    """

    design: str
    kind: Kind
    n_sim: int
    n_max: int
    co_primary_support: bool
    eligible_share: float
    benchmark: float | None = None
    margin: float | None = None
    rate_control: float
    rate_experimental: float
    planned_power: float | None
    wanted_power: float
    power: Figure
    type_one_error: Figure
    nominal_alpha: float
    expected_n: Figure
    expected_n_null: Figure
    screened: Figure
    screened_per_enrolled: Figure
    duration_months: Figure
    waiting: Figure
    exposed: Figure
    exposed_without_need: Figure
    interaction_power: Figure | None = None
    looks: list[Look]
    misspecifications: list[Misspecification]
