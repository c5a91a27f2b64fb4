"""Candidates: who could enter a trial, what would become of each under both arms, and what
screening sees of him.

A pool of rows, each as likely as the other to present himself. With a stated spread of risk the
rows lie evenly over (risk, error of the score, missing laboratory values), so that the pool itself
adds no noise worth naming; with simulated or real patients the rows are those patients, repeated
under several errors of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import beta as beta_distribution
from scipy.stats import qmc

from crsrisk.data.operating_characteristics import CandidatePool, EndpointRates
from crsrisk.data.outcomes import yes_or_no
from crsrisk.data.potential_outcomes import PotentialOutcomes
from crsrisk.data.trial_plan import FromCohort, Masking, Screening, Stated, StatedArm
from crsrisk.errors import InputError
from crsrisk.trials.checks import BoolArray, FloatArray
from crsrisk.trials.risk_distribution import BetaRisk, risk_spread

ROWS_LOG2 = 16  # rows of a pool by formula
ASTCT, SUPPORT = 0, 1  # endpoints
ENDPOINTS = ("ASTCT grade >= 2", "needs fluids, vasopressor or oxygen, fever or not")


@dataclass(frozen=True, eq=False)
class FurtherArm:
    """An arm beside control and prophylaxis: chances of each endpoint, (endpoint, row), and who is
    given its drug.
    """

    chance: FloatArray
    takes: BoolArray


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates by row.

    ``risk`` is the score without error (the threshold of a protocol is meant of it), ``score`` as
    measured on the day of screening, NaN without laboratory values. ``control`` and ``treated`` are
    the chances of each endpoint, (endpoint, row), without and with prophylaxis: 0 or 1 for patients
    whose outcomes are known. ``treated_unmasked``: chance of the first endpoint under prophylaxis
    if no fever were hidden. ``takes``: whether somebody assigned to prophylaxis is given any (at
    fever only the febrile are). ``n_patients``: different people behind the rows (0: a formula).
    ``arms``: where the rates of each arm are stated, these rates, and in ``further`` the chances of
    and exposure of the arms after the first two.
    """

    risk: FloatArray
    score: FloatArray
    control: FloatArray
    treated: FloatArray
    treated_unmasked: FloatArray
    takes: BoolArray
    n_patients: int
    origin: str
    arms: tuple[StatedArm, ...] = ()
    further: tuple[FurtherArm, ...] = ()

    @property
    def base_rate(self) -> float:
        """Event rate of all candidates without prophylaxis."""
        return float(self.control[ASTCT].mean())

    @property
    def base_rate_error(self) -> float:
        """Standard error of the base rate that comes from a pool of so many patients; 0 for a
        formula.
        """
        p = self.base_rate
        return float(np.sqrt(p * (1 - p) / self.n_patients)) if self.n_patients else 0.0

    @property
    def risk_ratio(self) -> float:
        """Events with prophylaxis over events without, over all candidates."""
        return float(self.treated_unmasked.mean() / self.control[ASTCT].mean())


def describe(pool: Pool) -> CandidatePool:
    """Who the candidates are and what becomes of them, in figures."""
    return CandidatePool(
        origin=pool.origin,
        n_patients=pool.n_patients,
        base_rate=pool.base_rate,
        base_rate_error=pool.base_rate_error,
        risk_ratio=pool.risk_ratio,
        rates=tuple(
            EndpointRates(
                endpoint=ENDPOINTS[at],
                untreated=float(pool.control[at].mean()),
                with_prophylaxis=float(pool.treated[at].mean()),
            )
            for at in (ASTCT, SUPPORT)
        ),
        arms=pool.arms,
    )


@cache
def _even(n_log2: int, width: int) -> FloatArray:
    """Points spread evenly over the unit cube, shape (2^n, width), none at its faces."""
    points = np.asarray(qmc.Sobol(d=width, scramble=False).random_base2(n_log2) + 0.5 / 2**n_log2)
    points.setflags(write=False)
    return points


@lru_cache(maxsize=32)
def _risks(a: float, b: float, n_log2: int) -> FloatArray:
    """Risks at the first coordinate of the even points."""
    risk = np.asarray(beta_distribution(a, b).ppf(_even(n_log2, 3)[:, 0]))
    risk.setflags(write=False)
    return risk


def _screened(
    risk: FloatArray, noise: FloatArray, missing: FloatArray, screening: Screening
) -> FloatArray:
    score = np.minimum(risk * np.exp(screening.score_noise_sd * ndtri(noise)), 1.0)
    return np.asarray(np.where(missing < screening.missing_labs, np.nan, score))


def support_chance(chance: FloatArray, *, other: float) -> FloatArray:
    """Chance of support, for CRS or (independently) for another reason."""
    return np.asarray(1 - (1 - chance) * (1 - other))


def stated_pool(
    stated: Stated,
    *,
    screening: Screening,
    masking: Masking,
    base_rate: float | None = None,
    risk_ratio: float | None = None,
    n_log2: int = ROWS_LOG2,
) -> Pool:
    """Candidates by formula. ``base_rate`` moves the mean of the spread (a + b kept),
    ``risk_ratio`` replaces the given one.

    >>> stated = Stated(risk="Beta(2,6)", risk_ratio=0.5)
    >>> screening = Screening(candidates_per_month=10.0)
    >>> pool = stated_pool(stated, screening=screening, masking=Masking())
    >>> round(pool.base_rate, 4), round(pool.risk_ratio, 4)
    (0.25, 0.5)
    """
    spread = _spread(stated.risk)
    if base_rate is not None:
        total = spread.a + spread.b
        spread = BetaRisk(base_rate * total, (1 - base_rate) * total)
    points = _even(n_log2, 3)
    risk = _risks(spread.a, spread.b, n_log2)
    treated = risk * (stated.risk_ratio if risk_ratio is None else risk_ratio)
    return Pool(
        risk=risk,
        score=_screened(risk, points[:, 1], points[:, 2], screening),
        control=np.stack([risk, support_chance(risk, other=masking.other_support)]),
        treated=np.stack(
            [treated * (1 - masking.hidden), support_chance(treated, other=masking.other_support)]
        ),
        treated_unmasked=treated,
        takes=np.ones(risk.size, dtype=bool),
        n_patients=0,
        origin=f"{stated.risk}, risk ratio {stated.risk_ratio:g} for everybody",
    )


def arms_pool(arms: Sequence[StatedArm], *, screening: Screening) -> Pool:
    """Candidates who are all alike, with the rates of each arm stated, the control first.

    Rows are spread evenly over one uniform number, which decides both events of a patient in every
    arm: both at its lowest, then the first alone, then the second alone.

    >>> placebo = StatedArm(name="placebo", crs=0.3, support=0.33, both=0.25)
    >>> drug = StatedArm(name="drug", crs=0.14, support=0.2, both=0.12)
    >>> pool = arms_pool([placebo, drug], screening=Screening(candidates_per_month=10.0))
    >>> pool.control.mean(axis=1).round(3).tolist(), pool.treated.mean(axis=1).round(3).tolist()
    ([0.3, 0.33], [0.14, 0.2])
    """
    u = (np.arange(2**ROWS_LOG2) + 0.5) / 2**ROWS_LOG2
    chances = [_events_by(u, arm) for arm in arms]
    control, treated = chances[0], chances[1]
    risk = np.full(u.size, arms[0].crs)
    missing = _even(ROWS_LOG2, 2)[:, 1]
    return Pool(
        risk=risk,
        score=np.where(missing < screening.missing_labs, np.nan, risk),
        control=control,
        treated=treated,
        treated_unmasked=treated[ASTCT],
        takes=u < arms[1].given,  # the febrile hold those with an event
        n_patients=0,
        origin="rates stated for each arm: " + ", ".join(arm.name for arm in arms),
        arms=tuple(arms),
        further=tuple(
            FurtherArm(chance, u < arm.given)
            for chance, arm in zip(chances[2:], arms[2:], strict=True)
        ),
    )


def _events_by(u: FloatArray, arm: StatedArm) -> FloatArray:
    """Events of a patient with this number, (endpoint, row)."""
    support = (u < arm.both) | ((u >= arm.crs) & (u < arm.crs + arm.support - arm.both))
    return np.stack([u < arm.crs, support]).astype(np.float64)


def _spread(text: str) -> BetaRisk:
    try:
        spread = risk_spread(text)
    except InputError as problem:
        raise InputError(
            where="candidates",
            key="risk",
            found=repr(text),
            expected="Beta(a, b) with a and b above 0",
            cure="write Beta(2,6), or give patients under candidates.cohort",
        ) from problem
    if not isinstance(spread, BetaRisk):
        raise AssertionError("a text is a Beta distribution or refused")
    return spread


def patients_pool(
    *,
    risk: FloatArray,
    control: FloatArray,
    treated: FloatArray,
    treated_unmasked: FloatArray,
    screening: Screening,
    origin: str,
    takes: BoolArray | None = None,
) -> Pool:
    """Candidates who are patients: each repeated under several errors of the score where there is
    any.

    ``control`` and ``treated``: (endpoint, patient).
    """
    n = risk.size
    has_chance = screening.score_noise_sd > 0 or screening.missing_labs > 0
    copies = max(1, round(2**ROWS_LOG2 / n)) if has_chance else 1
    rows = np.tile(np.arange(n), copies)
    n_log2 = int(np.ceil(np.log2(rows.size)))
    points = _even(n_log2, 2)[: rows.size]
    return Pool(
        risk=risk[rows],
        score=_screened(risk[rows], points[:, 0], points[:, 1], screening),
        control=control[:, rows],
        treated=treated[:, rows],
        treated_unmasked=treated_unmasked[rows],
        takes=np.ones(rows.size, dtype=bool) if takes is None else takes[rows],
        n_patients=n,
        origin=origin,
    )


def outcomes_pool(
    outcomes: PotentialOutcomes,
    *,
    strategy: str,
    risk: FloatArray,
    screening: Screening,
    origin: str,
) -> Pool:
    """Candidates whose outcomes under both arms were simulated; fever that the drug hides is hidden
    by the mechanism.
    """
    at = outcomes.index(strategy)
    graded, support = (
        np.asarray(values, dtype=np.float64)
        for values in (outcomes.grade >= 2, outcomes.needs_support)
    )
    if not 0 < graded[0].mean() < 1:
        raise InputError(
            where="candidates",
            key="simulated",
            found=f"{graded[0].mean():g} with CRS of grade >= 2",
            expected="patients with the event and patients without",
            cure="simulate more patients",
        )
    return patients_pool(
        risk=risk,
        control=np.stack([graded[0], support[0]]),
        treated=np.stack([graded[at], support[at]]),
        treated_unmasked=graded[at],
        screening=screening,
        origin=origin,
        takes=outcomes.is_exposed[at],
    )


def cohort_pool(
    table: pd.DataFrame, source: FromCohort, *, screening: Screening, masking: Masking
) -> Pool:
    """Candidates from a table of patients with a predicted risk and the event untreated, and
    treated where it is known.
    """
    columns = [source.risk_column, source.event_column, source.treated_event_column]
    wanted = [name for name in columns if name is not None]
    if absent := [name for name in wanted if name not in table.columns]:
        raise InputError(
            where=source.file,
            key=", ".join(absent),
            found=f"columns {', '.join(map(str, table.columns[:12]))}",
            expected="the columns that the design names",
            cure="correct the names in candidates.cohort",
        )
    risk = _column(table, source.risk_column, source.file, is_event=False)
    event = _column(table, source.event_column, source.file, is_event=True)
    if not 0 < event.mean() < 1:
        raise InputError(
            where=source.file,
            key=source.event_column,
            found=f"{event.mean():g} of all patients",
            expected="patients with the event and patients without",
            cure="give another cohort",
        )
    if source.treated_event_column is not None:
        treated = _column(table, source.treated_event_column, source.file, is_event=True)
    else:
        treated = event * float(source.risk_ratio or 1.0)
    return patients_pool(
        risk=risk,
        control=np.stack([event, support_chance(event, other=masking.other_support)]),
        treated=np.stack(
            [treated * (1 - masking.hidden), support_chance(treated, other=masking.other_support)]
        ),
        treated_unmasked=treated,
        screening=screening,
        origin=f"{len(table)} patients of {source.file}",
    )


def _column(table: pd.DataFrame, name: str, file: str, *, is_event: bool) -> FloatArray:
    """A column of risks from 0 to 1, or of events in the words yes and no, true and false or 1 and
    0, without gaps.
    """
    if is_event:
        array = yes_or_no(table[name], where=file)
    else:
        array = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~((array >= 0) & (array <= 1))
    if not array.size:
        raise InputError(
            where=file, found="no patients", expected="one row a patient", cure="give another table"
        )
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        cell = table[name].iloc[row]
        raise InputError(
            where=file,
            key=f"row {row + 1}, column {name}",
            found="nothing" if pd.isna(cell) or str(cell).strip() == "" else cell,
            expected="yes or no, true or false, 1 or 0" if is_event else "a risk from 0 to 1",
            cure=(
                "leave patients without an outcome out, and say how many"
                if is_event
                else "leave patients without a risk out; divide percentages by 100"
            ),
        )
    return array


def eligible_rows(
    pool: Pool, screening: Screening, *, threshold: float | None = None, needs_score: bool = False
) -> NDArray[np.uint32]:
    """Rows that pass screening: everybody, everybody with a score, or those with a score at or
    above the threshold.

    Without laboratory values a candidate passes only when no score is needed, or when the protocol
    enrols him anyway.
    """
    has_score = ~np.isnan(pool.score)
    passes = (
        has_score if needs_score or threshold is not None else np.ones(has_score.size, dtype=bool)
    )
    if threshold is not None:
        passes = passes & (np.nan_to_num(pool.score) >= threshold)
    rows = np.flatnonzero(passes | (~has_score & (screening.without_labs == "enrolled"))).astype(
        np.uint32
    )
    if rows.size == 0 and not has_score.any():
        raise InputError(
            where="screening",
            key="missing_labs",
            found=f"{screening.missing_labs:g}, which leaves no candidate with a score",
            expected="candidates whose score is known",
            cure="lower missing_labs, or write without_labs: enrolled",
        )
    if rows.size == 0:
        raise InputError(
            where="screening",
            key="threshold",
            found=f"{threshold}, which no candidate reaches",
            expected=(
                f"a threshold of at most {float(np.nanmax(pool.score)):.3g}, the highest score"
            ),
            cure="lower the threshold",
        )
    return rows
