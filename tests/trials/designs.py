"""Candidates and designs that the tests of trials share."""

from __future__ import annotations

import numpy as np

from crsrisk.data.trial_plan import Masking, Screening, Stated
from crsrisk.trials.candidates import Pool, patients_pool, stated_pool

EXACT_SCREENING = Screening(candidates_per_month=10.0)
NOISY_SCREENING = Screening(
    candidates_per_month=10.0, score_noise_sd=0.3, missing_labs=0.1, consent=0.8
)


def beta_pool(
    *, screening: Screening = EXACT_SCREENING, masking: Masking | None = None, rr: float = 0.5
) -> Pool:
    """Risks spread as Beta(2,6): 25 of 100 have the event untreated."""
    return stated_pool(
        Stated(risk="Beta(2,6)", risk_ratio=rr), screening=screening, masking=masking or Masking()
    )


def same_risk_pool(
    *, control: float, treated: float, screening: Screening = EXACT_SCREENING
) -> Pool:
    """Everybody has the same risk, so that exact formulas of two rates hold to the letter."""
    untreated, with_drug = np.full(64, control), np.full(64, treated)
    return patients_pool(
        risk=untreated,
        control=np.stack([untreated, untreated]),
        treated=np.stack([with_drug, with_drug]),
        treated_unmasked=with_drug,
        screening=screening,
        origin="one risk for all",
    )
