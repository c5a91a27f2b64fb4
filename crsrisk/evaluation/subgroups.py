"""How the model does in parts of the patients: sex, age, tumour type, liver metastases, site,
missing values, and any column that somebody names.

Each part has its patients, events and figures with intervals; each figure's difference to the rest
of the patients (all who are not in the part) comes with a bootstrap interval. There is no verdict:
whether a gap matters depends on what is done with the risk. Where such a difference comes
from is the question of :mod:`crsrisk.evaluation.subgroups`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from crsrisk.data.disclosure import FEWEST as FEWEST_TOLD
from crsrisk.data.disclosure import is_told
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.calibration import fit_calibration_curve, recalibrate
from crsrisk.evaluation.cells import MANY, Cells
from crsrisk.evaluation.decision_curve import net_benefit_curve
from crsrisk.evaluation.metrics import (
    TAILS,
    BoolArray,
    FloatArray,
    auroc,
    auroc_within,
    bootstrap_counts,
    check_outcome_and_risk,
    check_risk,
    clip_risk,
    log_loss,
    observed_to_expected,
    percentile_estimate,
    scaled_brier,
    share_of,
)
from crsrisk.evaluation.parts import group_places
from crsrisk.evaluation.resampling import measure_all
from crsrisk.results import Estimate, NotEstimable
from crsrisk.streams import uniforms

FEW_EVENTS = 30  # with or without: below, figures stand with a warning
DIFFERENCES = (
    "auroc",
    "auroc_within_product",
    "in_the_large",
    "slope",
    "observed_to_expected",
    "scaled_brier",
    "log_loss",
)
_MIN_CLASS = 2


@dataclass(frozen=True)
class AtThreshold:
    """What acting on the risk does in the part: always as a pair, at a threshold declared
    beforehand.
    """

    threshold: float
    sensitivity: Estimate | NotEstimable
    specificity: Estimate | NotEstimable
    net_benefit: Estimate | NotEstimable


@dataclass(frozen=True)
class Subgroup:
    """One part of the patients. ``is_small``: fewer than 30 with or without the event.
    ``minus_rest``: the figure of this part minus that of all other patients, percentile bootstrap,
    both drawn anew.
    """

    variable: str
    label: str
    n: int
    n_events: int
    is_small: bool
    event_rate: Estimate
    auroc: Estimate | NotEstimable
    auroc_within_product: Estimate | NotEstimable
    in_the_large: Estimate | NotEstimable
    slope: Estimate | NotEstimable
    observed_to_expected: Estimate | NotEstimable
    ici: Estimate | NotEstimable
    scaled_brier: Estimate | NotEstimable
    log_loss: Estimate | NotEstimable
    at_threshold: AtThreshold
    minus_rest: dict[str, Estimate | NotEstimable]


def subgroups(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    product: ArrayLike | pd.Categorical,
    parts: Mapping[str, Mapping[str, BoolArray]],
    threshold: float,
    seed: int,
    n_resamples: int = 200,
) -> list[Subgroup]:
    """Every part (:func:`crsrisk.evaluation.parts.parts_of`) with its figures and their differences
    to the rest.

    ``threshold``: the risk from which on somebody would act, declared beforehand (0-1).
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    patients = _Patients(y_true, predicted, group_places(product))
    return [
        _subgroup(
            variable, label, rows, patients, threshold=threshold, seed=seed, n_resamples=n_resamples
        )
        for variable, labelled in parts.items()
        for label, rows in labelled.items()
    ]


@dataclass(frozen=True, eq=False)
class _Patients:
    y_true: BoolArray
    risk: FloatArray
    product: NDArray[np.integer]


def _subgroup(
    variable: str,
    label: str,
    rows: BoolArray,
    patients: _Patients,
    *,
    threshold: float,
    seed: int,
    n_resamples: int,
) -> Subgroup:
    y_true, risk = patients.y_true[rows], patients.risk[rows]
    n, n_events = int(rows.sum()), int(y_true.sum())
    figures = _figures(y_true, risk, patients.product[rows], seed=seed, n_resamples=n_resamples)
    return Subgroup(
        variable=variable,
        label=label,
        n=n,
        n_events=n_events,
        is_small=min(n_events, n - n_events) < FEW_EVENTS,
        event_rate=share_of(y_true),
        **figures,
        at_threshold=_at_threshold(
            y_true, risk, threshold=threshold, seed=seed, n_resamples=n_resamples
        ),
        minus_rest=_minus_rest(
            patients, rows, seed=seed, n_resamples=n_resamples, key=f"{variable}/{label}"
        ),
    )


def _figures(
    y_true: BoolArray,
    risk: FloatArray,
    product: NDArray[np.integer],
    *,
    seed: int,
    n_resamples: int,
) -> dict[str, Estimate | NotEstimable]:
    n, n_events = y_true.size, int(y_true.sum())
    if min(n_events, n - n_events) < _MIN_CLASS:
        none = NotEstimable(
            f"{n_events} with and {n - n_events} without the event; two of each are needed"
        )
        return dict.fromkeys((*DIFFERENCES, "ici"), none)
    clipped = clip_risk(risk).risk
    line = recalibrate(y_true, risk=clipped)
    curve = fit_calibration_curve(y_true, risk=clipped, seed=seed, n_resamples=n_resamples)
    return {
        "auroc": auroc(y_true, risk=risk),
        "auroc_within_product": auroc_within(y_true, risk=risk, group=product),
        "in_the_large": line.in_the_large,
        "slope": line.slope,
        "observed_to_expected": observed_to_expected(y_true, risk=clipped),
        "ici": curve if isinstance(curve, NotEstimable) else curve.ici,
        "scaled_brier": scaled_brier(y_true, risk=risk),
        "log_loss": log_loss(y_true, risk=clipped),
    }


def _at_threshold(
    y_true: BoolArray, risk: FloatArray, *, threshold: float, seed: int, n_resamples: int
) -> AtThreshold:
    is_treated = risk >= threshold

    def share(is_right: BoolArray) -> Estimate | NotEstimable:
        if not is_told(is_right.size):
            return NotEstimable(f"fewer than {FEWEST_TOLD} patients of that outcome")
        return share_of(is_right)

    benefit: Estimate | NotEstimable = NotEstimable("one outcome only")
    if 0 < y_true.sum() < y_true.size:
        curve = net_benefit_curve(
            y_true, risk=risk, thresholds=[threshold], seed=seed, n_resamples=n_resamples
        )
        benefit = curve if isinstance(curve, NotEstimable) else curve.model.at(0)
    return AtThreshold(threshold, share(is_treated[y_true]), share(~is_treated[~y_true]), benefit)


def _minus_rest(
    patients: _Patients, rows: BoolArray, *, seed: int, n_resamples: int, key: str
) -> dict[str, Estimate | NotEstimable]:
    """The figure here minus the figure in all others, with percentiles over draws within both."""
    places = [np.flatnonzero(rows), np.flatnonzero(~rows)]
    value = _difference(patients, places)
    again = (
        _cells_redrawn(patients, places, seed=seed, n_resamples=n_resamples)
        if rows.size > MANY
        else _redrawn(patients, places, seed=seed, n_resamples=n_resamples, key=key)
    )
    differences: dict[str, Estimate | NotEstimable] = {}
    for name in DIFFERENCES:
        known = again[name][np.isfinite(again[name])]
        if not np.isfinite(value[name]) or known.size < 0.95 * n_resamples:
            differences[name] = NotEstimable(
                "too few patients of one outcome here or among the others"
            )
        else:
            low, high = np.quantile(known, TAILS)
            differences[name] = Estimate(value[name], float(low), float(high))
    return differences


def _redrawn(
    patients: _Patients, places: list[NDArray[np.int64]], *, seed: int, n_resamples: int, key: str
) -> dict[str, FloatArray]:
    """The differences in every resample of both."""
    n = patients.y_true.size
    draws = uniforms(
        seed=seed, decision=f"evaluation/subgroup/{key}", start=0, stop=n_resamples, width=n
    )
    again = []
    for draw in draws:
        drawn = [
            place[np.minimum((draw[place] * place.size).astype(np.int64), place.size - 1)]
            for place in places
        ]
        again.append(_difference(patients, drawn))
    return {name: np.array([redrawn[name] for redrawn in again]) for name in DIFFERENCES}


def _cells_redrawn(
    patients: _Patients, places: list[NDArray[np.int64]], *, seed: int, n_resamples: int
) -> dict[str, FloatArray]:
    """The same for very many patients, by cells of risk; both parts have draws of their own."""
    here, rest = (
        Cells.of(patients.y_true[rows], patients.risk[rows], patients.product[rows]).measures(
            n_resamples=n_resamples, seed=2 * seed + part
        )
        for part, rows in enumerate(places)
    )
    return {name: here[name] - rest[name] for name in DIFFERENCES}


def _difference(patients: _Patients, places: list[NDArray[np.int64]]) -> dict[str, float]:
    here, rest = (
        measure_all(
            patients.y_true[rows],
            risk=patients.risk[rows],
            group=patients.product[rows],
            has_curve=False,
        )
        for rows in places
    )
    return {name: here[name] - rest[name] for name in DIFFERENCES}


# Where a gap between two groups comes from: their base rate, their measurements, their share of
# the sample, the model.
#
# The gap is in mean log loss (nats): group minus the others. It is split into parts that add up to
# it exactly.
#
# Without the truth: **base rate**, the gap that would be there if everybody were given the event
# rate of his group; **missingness**, what of the rest goes away when the group's patients are
# weighed to have as many missing values as the others; **sample share**, what goes away when the
# model is fitted to equal shares of both groups (only where such a model's risks are given);
# **model and case mix**, the rest, which data alone cannot part further.
#
# With the truth (events among re-simulations, :class:`~crsrisk.evaluation.benchmark.Truth`) the
# outcome noise is taken out and the rest is parted: **base rate** and **case mix**, the gap of an
# oracle that knows everything true at baseline, parted by the base rate; **measurement**, what not
# observing, mismeasuring and missing values cost the group more; **sample share** as above;
# **model**, the gap in what the model loses beyond the oracle that saw what it saw.


FEWEST = 30  # patients on each side


@dataclass(frozen=True)
class GapDecomposition:
    """The gap in log loss (nats) and its parts, each with a percentile bootstrap interval over
    patients.

    ``parts`` in the order in which they are taken away; they add up to ``total``.
    ``knows_the_truth``: which of the two splits it is.
    """

    group: str
    n: int
    n_others: int
    total: Estimate
    parts: dict[str, Estimate]
    knows_the_truth: bool


def decompose_gap(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    is_in_group: ArrayLike,
    group: str,
    n_missing: ArrayLike,
    seed: int,
    equal_shares_risk: ArrayLike | None = None,
    observed_truth: Truth | None = None,
    full_truth: Truth | None = None,
    n_resamples: int = 300,
) -> GapDecomposition | NotEstimable:
    """The gap in log loss between a group and all other patients, in parts.

    ``n_missing``: missing values of each patient. ``equal_shares_risk``: risks of a model fitted
    with equal shares of both groups. ``observed_truth``, ``full_truth``: re-simulations given what
    was observed and given everything true at baseline; both or none.
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    inside = np.asarray(is_in_group, dtype=np.bool_)
    if min(int(inside.sum()), int((~inside).sum())) < FEWEST:
        return NotEstimable(
            f"{int(inside.sum())} patients in the group and {int((~inside).sum())} others; {FEWEST}"
            " of each are needed"
        )
    if (observed_truth is None) != (full_truth is None):
        raise InputError(
            where="gap",
            key="observed_truth, full_truth",
            found="one of the two",
            expected="both or none",
            cure="re-simulate given what was observed and given everything at baseline",
        )
    other = None if equal_shares_risk is None else clip_risk(check_risk(equal_shares_risk)).risk
    columns = _Columns(
        y_true, clip_risk(predicted).risk, inside, np.asarray(n_missing, dtype=np.int64), other
    )
    measure = (
        columns.without_truth
        if observed_truth is None or full_truth is None
        else columns.with_truth(observed_truth, full_truth)
    )
    parts_here = measure(np.ones(y_true.size))
    resampled = [
        measure(row)
        for counts in bootstrap_counts(n=y_true.size, n_resamples=n_resamples, seed=seed)
        for row in counts
    ]
    known = [row for row in resampled if all(np.isfinite(value) for value in row.values())]
    if len(known) < 0.95 * n_resamples:
        return NotEstimable("too few patients of one outcome in the group or among the others")
    parts = {
        name: percentile_estimate(value, np.array([row[name] for row in known]))
        for name, value in parts_here.items()
    }
    total = percentile_estimate(
        sum(parts_here.values()), np.array([sum(row.values()) for row in known])
    )
    return GapDecomposition(
        group=group,
        n=int(inside.sum()),
        n_others=int((~inside).sum()),
        total=total,
        parts=parts,
        knows_the_truth=observed_truth is not None,
    )


@dataclass(frozen=True, eq=False)
class _Columns:
    y_true: BoolArray
    risk: FloatArray
    inside: BoolArray
    n_missing: NDArray[np.int64]
    equal_shares_risk: FloatArray | None

    def without_truth(self, weight: FloatArray) -> Mapping[str, float]:
        """The parts, each patient counted ``weight`` times."""
        observed = self.y_true.astype(np.float64)
        loss = _loss(observed, self.risk)
        total = self._gap(loss, weight)
        base = self._gap_of_rates(observed, weight)
        missingness = total - self._gap(loss, self._weighed_to_others(weight))
        parts = {"base rate": base, "missingness": missingness}
        share = 0.0
        if self.equal_shares_risk is not None:
            share = parts["sample share"] = self._gap(
                loss - _loss(observed, self.equal_shares_risk), weight
            )
        return {**parts, "model and case mix": total - base - missingness - share}

    def with_truth(self, observed: Truth, full: Truth) -> _WithTruth:
        """The parts under the true risks."""
        return _WithTruth(self, observed, full)

    def _gap(self, value: FloatArray, weight: FloatArray) -> float:
        here, rest = weight * self.inside, weight * ~self.inside
        return float(here @ value / here.sum() - rest @ value / rest.sum())

    def _gap_of_rates(self, event: FloatArray, weight: FloatArray) -> float:
        rates = [
            float(side @ event / side.sum())
            for side in (weight * self.inside, weight * ~self.inside)
        ]
        entropy = [float(entr(rate) + entr(1 - rate)) for rate in rates]
        return entropy[0] - entropy[1]

    def _weighed_to_others(self, weight: FloatArray) -> FloatArray:
        """The group's weights changed so that its missing values are spread as those of the
        others.
        """
        changed = weight.copy()
        totals = [float((weight * side).sum()) for side in (self.inside, ~self.inside)]
        for number in np.unique(self.n_missing[self.inside]):
            here = self.inside & (self.n_missing == number)
            in_group = float(weight[here].sum())
            in_others = float(weight[~self.inside & (self.n_missing == number)].sum())
            if in_group > 0:
                changed[here] *= (in_others / totals[1]) / (in_group / totals[0])
        return changed if float((changed * self.inside).sum()) > 0 else weight


@dataclass(frozen=True, eq=False)
class _WithTruth:
    columns: _Columns
    observed: Truth
    full: Truth

    def __call__(self, weight: FloatArray) -> Mapping[str, float]:
        gap = self.columns._gap
        true_risk = self.observed.risk
        loss = _loss(true_risk, self.columns.risk)
        base = self.columns._gap_of_rates(true_risk, weight)
        known = gap(self.full.entropy, weight)
        measured = gap(self.observed.entropy, weight)
        parts = {"base rate": base, "case mix": known - base, "measurement": measured - known}
        share = 0.0
        if self.columns.equal_shares_risk is not None:
            share = parts["sample share"] = gap(
                loss - _loss(true_risk, self.columns.equal_shares_risk), weight
            )
        return {**parts, "model": gap(loss, weight) - measured - share}


def _loss(event: FloatArray, risk: FloatArray) -> FloatArray:
    """Expected log loss of ``risk`` where the event has the probability ``event`` (0 or 1 where the
    outcome is known).
    """
    return np.asarray(-event * np.log(risk) - (1 - event) * np.log1p(-risk))
