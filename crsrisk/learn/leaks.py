"""Leaks: features that know what a prediction could not have known, and patients on both sides of a split.

Four things are looked for, the first three in names and identifiers alone, so that they cost nothing: an outcome among
the features; a feature measured after the prediction is made; a patient in training and test. The fourth looks at the
data: a single feature that tells patients of one product apart better than anything known at that time can. In a
synthetic world that limit is known, it is the AUROC of the oracle given what was observed; elsewhere it is a stated
number. A leak that is weaker than the oracle cannot be seen this way; a finding is a reason to look, not a proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from crsrisk.features.table import columns_needed, source_field
from crsrisk.fields import FIELDS
from crsrisk.learn.concordance import Scores, expected_auroc
from crsrisk.learn.ladder import Truth
from crsrisk.learn.metrics import Z_95, Estimate, auroc_within, bootstrap_counts

Kind = Literal["outcome", "later", "unknown time", "too good", "same patients"]
TOO_GOOD = 0.95  # AUROC of one feature within products, where no oracle sets the limit
ERROR_RATE = 0.01  # chance of any finding of "too good" when no feature is better than the limit
_HOUR = re.compile(r"__h(\d+)$")


@dataclass(frozen=True)
class Leak:
    """One finding: the feature (or "split"), its kind, and why in one sentence."""

    feature: str
    kind: Kind
    why: str


def find_leaks(
    features: pd.DataFrame, *, outcome: ArrayLike, product: ArrayLike, landmark_h: float, limit: float = TOO_GOOD
) -> tuple[Leak, ...]:
    """All findings in a model's table (:func:`crsrisk.features.table.build_features`), by names first.

    ``landmark_h``: hours after the first dose at which the prediction is made (0 = before it). ``limit``: AUROC within
    products that no single feature can exceed, best :func:`highest_auroc` of the oracle given what was observed.
    """
    return (*leaks_by_name(list(features.columns), landmark_h=landmark_h),
            *too_good(features, outcome=outcome, product=product, limit=limit))


def leaks_by_name(names: Sequence[str], *, landmark_h: float) -> tuple[Leak, ...]:
    """Outcomes among the features, features measured after the prediction, and features that no one dates.

    >>> [leak.kind for leak in leaks_by_name(["crp_mg_l", "crp_mg_l__max__h48", "peak_il6_pg_ml"], landmark_h=0)]
    ['later', 'outcome']
    """
    found = []
    for name in names:
        if (mark := _HOUR.search(name)) is not None:
            if float(mark.group(1)) > landmark_h:
                found.append(Leak(name, "later", f"{name} is known {mark.group(1)} h after the first dose; the "
                                                 f"prediction is made at {landmark_h:g} h"))
            continue
        for column in columns_needed([name]):
            field = FIELDS.get(source_field(column))
            if field is None:
                found.append(Leak(name, "unknown time", f"{column} is not in the field table: when is it known?"))
            elif field.table != "observed":
                found.append(Leak(name, "outcome", f"{column} is an outcome, known when no prediction is needed"))
    return tuple(found)


def too_good(
    features: pd.DataFrame, *, outcome: ArrayLike, product: ArrayLike, limit: float = TOO_GOOD
) -> tuple[Leak, ...]:
    """Features whose AUROC within products, in either direction, is above the limit beyond chance.

    Chance: DeLong's error, the error rate of 1% shared by all features (Bonferroni). Patients without the value have no
    part in it.
    """
    y, groups = np.asarray(outcome), np.asarray(product)
    z = float(ndtri(1 - ERROR_RATE / max(1, 2 * features.shape[1])))
    found = []
    for name in features.columns:
        values = features[name].to_numpy(dtype=np.float64)
        known = np.flatnonzero(~np.isnan(values))
        if len(set(y[known].tolist())) < 2 or np.ptp(values[known]) == 0:
            continue
        one = auroc_within(y[known], risk=rankdata(values[known]) / (known.size + 1.0), group=groups[known])
        if not isinstance(one, Estimate):
            continue
        value = max(one.value, 1 - one.value)
        error = (one.high - one.low) / (2 * Z_95)
        if value - z * error > limit:
            found.append(Leak(str(name), "too good", f"{name} alone reaches an AUROC of {value:.2f} within products; "
                                                     f"all that is known at that time reaches {limit:.2f} at most"))
    return tuple(found)


def shared_patients(training: Iterable[object], test: Iterable[object]) -> tuple[Leak, ...]:
    """Patients who are on both sides of a split.

    >>> shared_patients([1, 2, 3], [3, 4])[0].why
    '1 patient is in training and test'
    """
    both = set(training) & set(test)
    if not both:
        return ()
    who = "1 patient is" if len(both) == 1 else f"{len(both)} patients are"
    return (Leak("split", "same patients", f"{who} in training and test"),)


def highest_auroc(truth: Truth, *, product: ArrayLike) -> float:
    """What no feature can exceed: upper end of the interval of the oracle's AUROC within products.

    The oracle ranks and is weighed by the same repetitions, which can only raise its AUROC: an upper bound.
    """
    groups = np.asarray(product)
    found = expected_auroc(
        Scores(truth.risk, truth.risk), true_risk=truth.risk, n_replicates=truth.n_replicates,
        groups=[np.flatnonzero(groups == name) for name in np.unique(groups)],
        counts=np.concatenate(list(bootstrap_counts(n=groups.size, n_resamples=200, seed=0)))).estimate
    return found.high if isinstance(found, Estimate) else 1.0
