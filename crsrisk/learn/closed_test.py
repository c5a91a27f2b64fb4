"""Closed test: how much updating do these patients call for? (Vergouwe et al., Stat Med 2017;36:4529).

The most that could be changed (a revision) is tested against each smaller update in turn, from none to intercept and
slope. The first that the revision does not beat significantly is kept; so the whole procedure errs towards more updating in
at most a share ``alpha`` of cohorts that need less. For a boosted model the revision of the paper (every coefficient anew)
has no counterpart; here it is one coefficient for each clinical theme of the model's own exact contributions (dose,
burden, inflammation, ...), beside the intercept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from crsrisk.learn.offset_logistic import fit_offset_logistic, log_likelihood

Floats = NDArray[np.float64]
Verdict = Literal["none", "intercept", "intercept and slope", "revision"]
ALPHA = 0.05
_SAME = 1e-9  # log-odds: themes that differ by less between these patients say nothing


@dataclass(frozen=True)
class Step:
    """The revision against one smaller update: likelihood ratio, degrees of freedom, p-value."""

    against: Verdict
    likelihood_ratio: float
    degrees: int
    p_value: float


@dataclass(frozen=True)
class ClosedTest:
    """The steps that were taken, in order, and what they leave standing."""

    chosen: Verdict
    steps: tuple[Step, ...]
    alpha: float


def closed_test(log_odds: Floats, themes: Floats, y: Floats, *, alpha: float = ALPHA) -> ClosedTest:
    """Choose between none, intercept, intercept and slope, and a revision.

    ``log_odds`` (patients,) of the model as it is, ``themes`` (patients, themes) its contributions by clinical
    theme, ``y`` 0/1.

    >>> rng = np.random.default_rng(0)
    >>> themes = rng.normal(size=(4000, 3)); y = (rng.random(4000) < 1 / (1 + np.exp(1 - themes.sum(axis=1)))).astype(float)
    >>> closed_test(themes.sum(axis=1), themes, y).chosen
    'intercept'
    """
    ones = np.ones((len(y), 1))
    varied = themes[:, np.ptp(themes, axis=0) > _SAME]
    full = np.hstack([ones, varied])
    revised = fit_offset_logistic(full, y, offset=np.zeros(len(y)), has_firth=False).log_likelihood
    smaller: tuple[tuple[Verdict, Floats, Floats], ...] = (
        ("none", ones[:, :0], log_odds), ("intercept", ones, log_odds),
        ("intercept and slope", np.hstack([ones, log_odds[:, None]]), np.zeros(len(y))))
    steps: list[Step] = []
    for name, design, offset in smaller:
        kept = (log_likelihood(offset, y) if not design.shape[1]
                else fit_offset_logistic(design, y, offset=offset, has_firth=False).log_likelihood)
        degrees = full.shape[1] - design.shape[1]
        ratio = max(0.0, 2.0 * (revised - kept))
        p_value = float(chi2.sf(ratio, degrees)) if degrees > 0 else 1.0
        steps.append(Step(name, ratio, degrees, p_value))
        if p_value > alpha:
            return ClosedTest(name, tuple(steps), alpha)
    return ClosedTest("revision", tuple(steps), alpha)
