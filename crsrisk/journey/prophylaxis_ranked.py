"""Ranked patients: what ranks and what values the patients of one strategy, for every table of policies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk.decide.stakes import Stakes, expected_stakes
from crsrisk.decide.targeting import believed_gain, best_threshold, reliability
from crsrisk.domain.harms import Harms, Ledger
from crsrisk.domain.potential_outcomes import ResponseWorld
from crsrisk.journey.prophylaxis_cohort import Judged

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What is weighed and how: the weights, the cautious world of response, doses for each 100, resampling."""

    harms: Harms
    response_world: ResponseWorld
    doses_per_100: tuple[float, ...]
    n_resamples: int
    seed: int


@dataclass(frozen=True, eq=False)
class Ranked:
    """Everything that ranks or values the patients of one strategy."""

    stakes: Stakes
    halves: tuple[Stakes, Stakes]
    ledger: Ledger
    risk: Floats
    benefit: Floats
    known: Floats  # gain that the covariate oracle believes
    best: float  # best threshold of the risk in these patients


def rank_patients(judged: Judged, strategy: str, plan: Plan) -> Ranked:
    """Stakes and rankings of one strategy's patients."""
    given = judged.outcomes.is_exposed[judged.outcomes.index(strategy)].astype(np.float64)
    world = plan.response_world
    stakes = expected_stakes(judged.mechanism, strategy, response_world=world, is_given=given)
    halves = tuple(expected_stakes(judged.mechanism, strategy, response_world=world, half=k, is_given=given) for k in (0, 1))
    seen = [expected_stakes(judged.covariates, strategy, response_world=world, half=k, is_given=given).gain(plan.harms)
            for k in (0, 1)]
    alike = reliability(seen[0], seen[1])
    known = believed_gain((seen[0] + seen[1]) / 2.0, trust=2.0 * alike / (1.0 + alike))  # of both halves (Spearman-Brown)
    return Ranked(stakes, (halves[0], halves[1]), stakes.ledger(plan.harms), judged.risk, judged.benefit[strategy], known,
                   best_threshold(judged.risk, stakes.gain(plan.harms)))
