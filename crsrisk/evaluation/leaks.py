"""Leaks, controls and probes: does a model know what it cannot, and does its code do what it says?

**Leaks** are features that know what a prediction could not have known, and patients on both sides
of a split. Four things are looked for, the first three in names and identifiers alone, so that they
cost nothing: an outcome among the features; a feature measured after the prediction is made; a
patient in training and test. The fourth looks at the data: a single feature that tells patients of
one product apart better than anything known at that time can. In a synthetic world that limit is
known, it is the AUROC of the oracle given what was observed; elsewhere it is a stated number. A
leak that is weaker than the oracle cannot be seen this way; a finding is a reason to look, not a
proof.

**Controls** are cohorts in which nothing can be learnt, and in which something must be noticed.
Negative: outcomes are dealt out anew among all patients of a simulated cohort. Every feature,
missing value and product stays as the simulator made it and the number of events too, but the true
risk is the same for everybody, so an AUROC off 0.5 or reasons of some size can only come from the
code. (A world in which no mechanism acts would serve less: it has no events at all, or keeps
differences between products.) Positive: a laboratory value measured during the reaction takes the
place of its baseline value, as happens when a registry is merged by patient and not by time.

**Probes** try what a model really does with a row alone, a missing value, an impossible value and
an unknown product: each changes a few of the given patients and scores them; nothing is assumed
from the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from crsrisk import streams
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.metrics import (
    Scores,
    auroc_within,
    bootstrap_counts,
    expected_auroc,
    standard_error,
)
from crsrisk.fields import FIELDS
from crsrisk.model.features import columns_needed, source_field
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate, NotEstimable

Kind = Literal["outcome", "later", "unknown time", "too good", "same patients"]
TOO_GOOD = 0.95  # AUROC of one feature within products, where no oracle sets the limit
ERROR_RATE = 0.01  # chance of any finding of "too good" when no feature is better than the limit
N_ROWS = 12  # of a table, for a probe
UNKNOWN = "a_product_that_nobody_knows"
_HOUR = re.compile(r"__h(\d+)$")


@dataclass(frozen=True)
class Leak:
    """One finding: the feature (or "split"), its kind, and why in one sentence."""

    feature: str
    kind: Kind
    why: str


def find_leaks(
    features: pd.DataFrame,
    *,
    outcome: ArrayLike,
    product: ArrayLike,
    landmark_h: float,
    limit: float = TOO_GOOD,
) -> tuple[Leak, ...]:
    """All findings in a model's table (:func:`crsrisk.model.features.build_features`), by names
    first.

    ``landmark_h``: hours after the first dose at which the prediction is made (0 = before it).
    ``limit``: AUROC within products that no single feature can exceed, best :func:`highest_auroc`
    of the oracle given what was observed.
    """
    return (
        *leaks_by_name(list(features.columns), landmark_h=landmark_h),
        *too_good(features, outcome=outcome, product=product, limit=limit),
    )


def leaks_by_name(names: Sequence[str], *, landmark_h: float) -> tuple[Leak, ...]:
    """Outcomes among the features, features measured after the prediction, and features that no one
    dates.

    >>> names = ["crp_mg_l", "crp_mg_l__max__h48", "peak_il6_pg_ml"]
    >>> [leak.kind for leak in leaks_by_name(names, landmark_h=0)]
    ['later', 'outcome']
    """
    return tuple(leak for name in names for leak in _leaks_of_name(name, landmark_h=landmark_h))


def _leaks_of_name(name: str, *, landmark_h: float) -> Iterator[Leak]:
    if (mark := _HOUR.search(name)) is not None:
        if float(mark.group(1)) > landmark_h:
            why = (
                f"{name} is known {mark.group(1)} h after the first dose; the prediction is made at"
                f" {landmark_h:g} h"
            )
            yield Leak(name, "later", why)
        return
    for column in columns_needed([name]):
        field = FIELDS.get(source_field(column))
        if field is None:
            why = f"{column} is not in the field table: when is it known?"
            yield Leak(name, "unknown time", why)
        elif field.table != "observed":
            why = f"{column} is an outcome, known when no prediction is needed"
            yield Leak(name, "outcome", why)


def too_good(
    features: pd.DataFrame, *, outcome: ArrayLike, product: ArrayLike, limit: float = TOO_GOOD
) -> tuple[Leak, ...]:
    """Features whose AUROC within products, in either direction, is above the limit beyond chance.

    Chance: DeLong's error, the error rate of 1% shared by all features (Bonferroni). Patients
    without the value have no part in it.
    """
    y, groups = np.asarray(outcome), np.asarray(product)
    z = float(ndtri(1 - ERROR_RATE / max(1, 2 * features.shape[1])))
    leaks = []
    for name in features.columns:
        values = features[name].to_numpy(dtype=np.float64)
        known = np.flatnonzero(~np.isnan(values))
        if len(set(y[known].tolist())) < 2 or np.ptp(values[known]) == 0:
            continue
        ranked = auroc_within(
            y[known], risk=rankdata(values[known]) / (known.size + 1.0), group=groups[known]
        )
        if not isinstance(ranked, Estimate):
            continue
        value = max(ranked.value, 1 - ranked.value)
        if value - z * standard_error(ranked) > limit:
            why = (
                f"{name} alone reaches an AUROC of {value:.2f} within products; all that is known"
                f" at that time reaches {limit:.2f} at most"
            )
            leaks.append(Leak(str(name), "too good", why))
    return tuple(leaks)


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

    The oracle ranks and is weighed by the same repetitions, which can only raise its AUROC: an
    upper bound.
    """
    groups = np.asarray(product)
    ranked = expected_auroc(
        Scores(truth.risk, truth.risk),
        true_risk=truth.risk,
        n_replicates=truth.n_replicates,
        groups=[np.flatnonzero(groups == name) for name in np.unique(groups)],
        counts=np.concatenate(list(bootstrap_counts(n=groups.size, n_resamples=200, seed=0))),
    ).estimate
    return ranked.high if isinstance(ranked, Estimate) else 1.0


@dataclass(frozen=True)
class NegativeControl:
    """A model developed on outcomes that were dealt out anew, in held-out patients whose outcomes
    were dealt out too.

    ``auroc_within_products``: 0.5 up to chance. ``largest_mean_shap``: of its features, mean
    absolute SHAP value in log-odds; beside it that of the model with the true outcomes.
    """

    auroc_within_products: Estimate | NotEstimable
    largest_mean_shap: float
    largest_mean_shap_of_the_model: float


@dataclass(frozen=True)
class PlantedLeak:
    """The column that was overwritten with a value of the episode, and whether that was noticed."""

    column: str
    is_noticed: bool


@dataclass(frozen=True)
class Controls:
    """Negative control, planted leak, and leaks among the model's own features and patients.

    ``limit``: AUROC within products that nothing known before the first dose can exceed.
    """

    limit: float
    negative: NegativeControl
    planted: PlantedLeak
    leaks: tuple[Leak, ...]


def with_permuted_outcomes(outcomes: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The same rows of outcomes dealt to other patients, all columns of a row together; patients
    and windows stay.

    >>> table = pd.DataFrame({"patient_id": [1, 2, 3], "crs_any": [True, False, False]})
    >>> int(with_permuted_outcomes(table, seed=1)["crs_any"].sum())
    1
    """
    order = np.argsort(
        streams.uniforms(
            seed=seed, decision="permuted outcomes", start=0, stop=len(outcomes), width=1
        )[:, 0]
    )
    stays = [name for name in ("patient_id", "window_d") if name in outcomes.columns]
    dealt = outcomes.iloc[order].set_axis(outcomes.index, axis=0)
    return dealt.assign(**{name: outcomes[name] for name in stays})[list(outcomes.columns)]


def with_planted_leak(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, column: str, peak: str
) -> pd.DataFrame:
    """The observed table with a value of the episode (a column of the outcomes) where the baseline
    value should stand.

    What was not measured at baseline stays empty.
    """
    was_measured = observed[column].notna().to_numpy()
    return observed.assign(
        **{column: np.where(was_measured, outcomes[peak].to_numpy(dtype=np.float64), np.nan)}
    )


@dataclass(frozen=True)
class Probe:
    """What was found. ``alone_equals_batch``: same risk to the last bit. ``accepts_gaps``: columns
    that may be empty and gave a risk for every row when they were; ``rejects_gaps``: those that did
    not. ``refuses_impossible``: impossible numbers that were refused, of ``n_impossible`` tried.
    ``warns_of_unknown_product``: None where there is no product.
    """

    n_rows: int
    alone_equals_batch: bool
    accepts_gaps: tuple[str, ...]
    rejects_gaps: tuple[str, ...]
    refuses_impossible: int
    n_impossible: int
    warns_of_unknown_product: bool | None


def probe(model: RiskModel, observed: pd.DataFrame) -> Probe:
    """Probe a model with the first rows of a table of its kind."""
    rows = observed.head(N_ROWS).reset_index(drop=True)
    together = predict(model, rows).risk
    alone = np.array([predict(model, rows.iloc[[at]]).risk[0] for at in range(len(rows))])
    optional = [column.name for column in model.contract.columns if column.may_be_missing]
    accepted = [name for name in optional if _accepts_gap(model, rows, name)]
    bounded = [
        column
        for column in model.contract.columns
        if column.kind == "number" and column.possible is not None
    ]
    refused = [
        bool(
            predict(
                model, _with(rows, column.name, 2 * abs(column.possible[1]) + 1)
            ).is_refused.all()
        )
        for column in bounded
        if column.possible is not None
    ]
    warns = None
    if "product" in [column.name for column in model.contract.columns]:
        status = predict(model, _with(rows, "product", UNKNOWN)).rows["status"]
        warns = bool((status != "ok").all())
    return Probe(
        n_rows=len(rows),
        alone_equals_batch=bool(np.array_equal(together, alone, equal_nan=True)),
        accepts_gaps=tuple(accepted),
        rejects_gaps=tuple(sorted(set(optional) - set(accepted))),
        refuses_impossible=sum(refused),
        n_impossible=len(refused),
        warns_of_unknown_product=warns,
    )


def _accepts_gap(model: RiskModel, rows: pd.DataFrame, name: str) -> bool:
    try:
        predicted = predict(model, _with(rows, name, None))
    except InputError:
        return False
    return bool(np.isfinite(predicted.risk[~predict(model, rows).is_refused]).all())


def _with(rows: pd.DataFrame, name: str, value: float | str | None) -> pd.DataFrame:
    filled = pd.Series(
        [value] * len(rows),
        dtype=object if isinstance(value, str) else np.float64,
        index=rows.index,
    )
    return rows.assign(**{name: filled})
