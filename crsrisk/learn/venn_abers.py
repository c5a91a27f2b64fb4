"""Venn-Abers: two calibrated risks for each patient, one for each outcome he might turn out to have.

Isotonic regression of outcome on score is fitted twice, once with the new patient counted as without the event (p0) and once
as with it (p1). One of the two is calibrated whatever the distribution (Vovk & Petej, UAI 2014, "Venn-Abers predictors"),
and [p0, p1] is narrow where calibration patients are many. It speaks of groups of patients with that score, not of the
true risk of this one: how often it holds that is measured in :mod:`crsrisk.learn.against_truth`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.isotonic import isotonic_regression

from crsrisk.errors import InputError

Floats = NDArray[np.float64]


def venn_abers(scores: ArrayLike, *, calibration_scores: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    """p0 and p1 of each score, shape (patients,) each; p0 <= p1.

    ``calibration_scores`` and ``outcome`` (0/1) are of patients on whom the scoring model was not fitted.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.random(4000); y = rng.random(4000) < x
    >>> low, high = venn_abers([0.3], calibration_scores=x, outcome=y)
    >>> bool(low[0] <= high[0]), bool(abs(low[0] - 0.3) < 0.1)
    (True, True)
    """
    known, y = np.asarray(calibration_scores, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if known.shape != y.shape or known.ndim != 1 or known.size < 2 or not bool(np.isin(y, (0.0, 1.0)).all()):
        raise InputError(where="Venn-Abers", key="calibration", found=f"{known.shape} scores and {y.shape} outcomes",
                         expected="a score and an outcome of 0 or 1 for each calibration patient",
                         cure="score patients that the model was not fitted to")
    distinct, place = np.unique(known, return_inverse=True)
    events = np.asarray(np.bincount(place, weights=y), dtype=np.float64)
    sizes = np.asarray(np.bincount(place), dtype=np.float64)
    asked, which = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    ends = np.array([[_with(distinct, events, sizes, score, label) for label in (0.0, 1.0)] for score in asked])
    return np.minimum(ends[which, 0], ends[which, 1]), ends[which, 1]


def _with(distinct: Floats, events: Floats, sizes: Floats, score: float, label: float) -> float:
    """Isotonic risk at a score when one patient with that score and outcome is added; the score need not be there."""
    at = int(np.searchsorted(distinct, score))
    if at < distinct.size and distinct[at] == score:
        events, sizes = events.copy(), sizes.copy()
        events[at], sizes[at] = events[at] + label, sizes[at] + 1.0
    else:
        events, sizes = np.insert(events, at, label), np.insert(sizes, at, 1.0)
    return float(isotonic_regression(events / sizes, sample_weight=sizes, y_min=0.0, y_max=1.0)[at])
