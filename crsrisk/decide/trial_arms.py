"""Arms: a design laid over a pool of candidates, as the tables from which patients are enrolled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crsrisk.decide.candidates import ASTCT, ENDPOINTS, Pool, eligible_rows
from crsrisk.decide.checks import BoolArray, FloatArray
from crsrisk.decide.enrolment import Chances, as_chance
from crsrisk.domain.trial import Design, Screening

# effect: as assumed. null: prophylaxis does nothing. hidden: it does nothing but hide events from the ASTCT grade.
# margin: the experimental arm has as many more events than the control as the margin of non-inferiority says.
World: TypeAlias = Literal["effect", "null", "hidden", "margin"]
CONTROL, EXPERIMENTAL = 0, 1


@dataclass(frozen=True, eq=False)
class Arms:
    """What :func:`crsrisk.decide.enrolment.enrol` reads; ``ratio`` is infinite without a control arm."""

    eligible: NDArray[np.uint32]
    chance: Chances
    untreated: Chances
    is_given: NDArray[np.uint8]
    stratum: NDArray[np.uint8]
    n_strata: int
    ratio: float
    eligible_share: float


def given_by(design: Design, score: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Who gets prophylaxis in the control and in the experimental arm, by score (NaN: as if above the threshold)."""
    nobody, everybody = np.zeros(score.size, dtype=bool), np.ones(score.size, dtype=bool)
    if design.kind != "strategy":
        return nobody, everybody
    guided = np.isnan(score) | (np.nan_to_num(score) >= float(design.threshold or 0.0))
    return (everybody if design.control == "everybody" else nobody), guided


def chances(pool: Pool, given: BoolArray, *, world: World, hidden: float) -> FloatArray:
    """Chance of each endpoint, (endpoint, row), when these rows are given prophylaxis."""
    if world in ("effect", "margin"):
        treated = pool.treated
    else:
        treated = pool.control.copy()
        treated[ASTCT] *= 1 - hidden if world == "hidden" else 1.0
    return np.where(given, treated, pool.control)


def arms_of(pool: Pool, design: Design, screening: Screening, *, world: World = "effect", hidden: float = 0.0) -> Arms:
    """The tables of one design in one world."""
    needs_score = design.kind in ("stratified", "strategy")
    threshold = design.threshold if design.kind in ("enrichment", "single_arm") else None
    eligible = eligible_rows(pool, screening, threshold=threshold, needs_score=needs_score)
    control, experimental = given_by(design, pool.score)
    stratum, n_strata = _strata(pool.score, design, screening)
    both = [chances(pool, given, world=world, hidden=hidden)[: len(ENDPOINTS)] for given in (control, experimental)]
    if world == "margin":
        both[EXPERIMENTAL] = _raised(both[CONTROL], by=float(design.margin or 0.0), among=eligible)
    return Arms(
        eligible=eligible, chance=as_chance(np.stack(both)), untreated=as_chance(pool.control[ASTCT]),
        is_given=np.stack([control & pool.takes, experimental & pool.takes]).astype(np.uint8),
        stratum=stratum, n_strata=n_strata,
        ratio=np.inf if design.kind == "single_arm" else design.ratio, eligible_share=eligible.size / pool.score.size)


def _raised(chance: FloatArray, *, by: float, among: NDArray[np.uint32]) -> FloatArray:
    """Chances raised so that their mean among the eligible rises by so much, in proportion to the room below 1."""
    room = 1 - chance
    return np.asarray(chance + by * room / room[:, among].mean(axis=1, keepdims=True))


def _strata(score: FloatArray, design: Design, screening: Screening) -> tuple[NDArray[np.uint8], int]:
    """Stratum of each row; patients enrolled without laboratory values are a stratum of their own."""
    if design.kind != "stratified":
        return np.zeros(score.size, dtype=np.uint8), 1
    cuts = np.array(design.cuts)
    is_missing = np.isnan(score)
    stratum = np.where(is_missing, cuts.size + 1, np.searchsorted(cuts, np.nan_to_num(score), side="right"))
    has_extra = bool(is_missing.any()) and screening.without_labs == "enrolled"
    return stratum.astype(np.uint8), cuts.size + 1 + has_extra


def rate_of(arms: Arms, arm: int, endpoint: int = ASTCT) -> float:
    """Event rate among those enrolled in one arm."""
    return float(arms.chance[arm, endpoint][arms.eligible].mean(dtype=np.float64)) / 2**31
