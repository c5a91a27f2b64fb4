"""Enrolment: a design laid over a pool of candidates as two arms, and the trials that enrol from
them, patient by patient, counted at every look. The only loop over single patients.

Each enrolled patient takes one 64-bit number from a hash of (the trial's key, his place in the
trial): its upper half chooses who he is among the eligible candidates, its lower half decides his
outcome. The same number decides it under either arm, so that a patient whom prophylaxis helps is
the same under both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crsrisk.biology.compiled import kernel
from crsrisk.data.trial_plan import Design, Screening
from crsrisk.trials.candidates import ASTCT, ENDPOINTS, Pool, eligible_rows
from crsrisk.trials.checks import BoolArray, FloatArray

Counts = NDArray[np.int32]
Chances = NDArray[np.uint32]

# What is true in a simulated trial. effect: as assumed. null: prophylaxis does nothing. hidden: it
# does nothing but hide events from the ASTCT grade. margin: the experimental arm has as many more
# events than the control as the margin of non-inferiority says.
Truth: TypeAlias = Literal["effect", "null", "hidden", "margin"]
CONTROL, EXPERIMENTAL = 0, 1
CERTAIN = 2**31  # a chance of 1; outcomes are decided by 31 random bits
_WEYL = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64 (Steele, Lea & Flood, OOPSLA 2014)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(CERTAIN - 1)


@dataclass(frozen=True, eq=False)
class Arms:
    """What :func:`crsrisk.trials.enrolment.enrol` reads; ``ratio`` is infinite without a control
    arm.
    """

    eligible: NDArray[np.uint32]
    chance: Chances
    untreated: Chances
    is_given: NDArray[np.uint8]
    stratum: NDArray[np.uint8]
    n_strata: int
    ratio: float
    eligible_share: float


def as_chance(probability: FloatArray) -> Chances:
    """Probabilities as thresholds of a 31-bit number.

    >>> as_chance(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 1073741824, 2147483648]
    """
    return np.rint(np.clip(probability, 0.0, 1.0) * CERTAIN).astype(np.uint32)


@kernel(inline="always")
def _word(key: np.uint64, place: int) -> np.uint64:
    z = key + _WEYL * np.uint64(place + 1)
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@kernel()
def enrol(
    keys: NDArray[np.uint64],
    eligible: NDArray[np.uint32],
    chance: Chances,
    untreated: Chances,
    is_given: NDArray[np.uint8],
    stratum: NDArray[np.uint8],
    at_look: NDArray[np.int64],
    ratio: float,
    events: Counts,
    sizes: Counts,
    exposed: Counts,
    needless: Counts,
) -> None:
    """Run one trial for each key and fill in its counts so far at every look.

    Over 60 lines with its parameters: the kernel is one loop, compiled as a whole.

    Parameters
    ----------
    keys : one for each trial.
    eligible : rows of candidates who may enter; each is as likely as the other to come next.
    chance : (arm, endpoint, row) of the event; arm 0 is the control, the others experimental.
    untreated : (row) chance of the first endpoint without prophylaxis.
    is_given : (arm, row) whether this arm gives this candidate prophylaxis.
    stratum : (row); patients are allocated within strata, in turn, ``ratio`` of each experimental
        arm for each control (infinite: no control). Patients are exchangeable, so that taking turns
        is the same as permuted blocks.
    at_look : patients enrolled at each look, in all.
    events : filled, (trial, look, endpoint, arm, stratum).
    sizes : filled, (trial, look, arm, stratum).
    exposed, needless : filled, (trial, look): given prophylaxis, and given it without having the
        event untreated.
    """
    n_eligible = np.uint64(eligible.shape[0])
    n_endpoints, n_arms, n_strata = events.shape[2], events.shape[3], events.shape[4]
    had = np.zeros((n_endpoints, n_arms, n_strata), dtype=np.int32)
    size = np.zeros((n_arms, n_strata), dtype=np.int32)
    for trial in range(keys.shape[0]):
        had[:] = 0
        size[:] = 0
        n_exposed, n_needless, place = 0, 0, 0
        for look in range(at_look.shape[0]):
            while place < at_look[look]:
                word = _word(keys[trial], place)
                row = eligible[((word >> _S32) * n_eligible) >> _S32]
                decides = np.uint32(word & _LOW)
                group = stratum[row]
                arm = 1
                while arm < n_arms and size[arm, group] >= ratio * (size[0, group] + 1):
                    arm += 1
                arm %= n_arms
                size[arm, group] += 1
                for endpoint in range(n_endpoints):
                    had[endpoint, arm, group] += decides < chance[arm, endpoint, row]
                if is_given[arm, row]:
                    n_exposed += 1
                    n_needless += decides >= untreated[row]
                place += 1
            events[trial, look] = had
            sizes[trial, look] = size
            exposed[trial, look] = n_exposed
            needless[trial, look] = n_needless


def given_by(design: Design, score: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Who gets prophylaxis in the control and in the experimental arm, by score (NaN: as if above
    the threshold).
    """
    nobody, everybody = np.zeros(score.size, dtype=bool), np.ones(score.size, dtype=bool)
    if design.kind != "strategy":
        return nobody, everybody
    guided = np.isnan(score) | (np.nan_to_num(score) >= float(design.threshold or 0.0))
    return (everybody if design.control == "everybody" else nobody), guided


def chances(pool: Pool, given: BoolArray, *, truth: Truth, hidden: float) -> FloatArray:
    """Chance of each endpoint, (endpoint, row), when these rows are given prophylaxis."""
    if truth in ("effect", "margin"):
        treated = pool.treated
    else:
        treated = pool.control.copy()
        treated[ASTCT] *= 1 - hidden if truth == "hidden" else 1.0
    return np.where(given, treated, pool.control)


def arms_of(
    pool: Pool,
    design: Design,
    screening: Screening,
    *,
    truth: Truth = "effect",
    hidden: float = 0.0,
) -> Arms:
    """The tables of one design under one truth."""
    needs_score = design.kind in ("stratified", "strategy")
    threshold = design.threshold if design.kind in ("enrichment", "single_arm") else None
    eligible = eligible_rows(pool, screening, threshold=threshold, needs_score=needs_score)
    control, experimental = given_by(design, pool.score)
    stratum, n_strata = _strata(pool.score, design, screening)
    by_arm = [
        chances(pool, given, truth=truth, hidden=hidden)[: len(ENDPOINTS)]
        for given in (control, experimental)
    ]
    is_given = [control & pool.takes, experimental & pool.takes]
    if truth == "margin":
        by_arm[EXPERIMENTAL] = _raised(
            by_arm[CONTROL], by=float(design.margin or 0.0), among=eligible
        )
    if design.kind == "multi_arm":
        by_arm += [pool.control if truth == "null" else arm.chance for arm in pool.further]
        is_given += [arm.takes for arm in pool.further]
    return Arms(
        eligible=eligible,
        chance=as_chance(np.stack(by_arm)),
        untreated=as_chance(pool.control[ASTCT]),
        is_given=np.stack(is_given).astype(np.uint8),
        stratum=stratum,
        n_strata=n_strata,
        ratio=np.inf if design.kind == "single_arm" else design.ratio,
        eligible_share=eligible.size / pool.score.size,
    )


def _raised(chance: FloatArray, *, by: float, among: NDArray[np.uint32]) -> FloatArray:
    """Chances raised so that their mean among the eligible rises by so much, in proportion to the
    room below 1.
    """
    room = 1 - chance
    return np.asarray(chance + by * room / room[:, among].mean(axis=1, keepdims=True))


def _strata(
    score: FloatArray, design: Design, screening: Screening
) -> tuple[NDArray[np.uint8], int]:
    """Stratum of each row; patients enrolled without laboratory values are a stratum of their
    own.
    """
    if design.kind != "stratified":
        return np.zeros(score.size, dtype=np.uint8), 1
    cuts = np.array(design.cuts)
    is_missing = np.isnan(score)
    stratum = np.where(
        is_missing, cuts.size + 1, np.searchsorted(cuts, np.nan_to_num(score), side="right")
    )
    has_extra = bool(is_missing.any()) and screening.without_labs == "enrolled"
    return stratum.astype(np.uint8), cuts.size + 1 + has_extra


def rate_of(arms: Arms, arm: int, endpoint: int = ASTCT) -> float:
    """Event rate among those enrolled in one arm."""
    return float(arms.chance[arm, endpoint][arms.eligible].mean(dtype=np.float64)) / 2**31
