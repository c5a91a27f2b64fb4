"""Where a gap between two groups comes from: their base rate, their measurements, their share of
the sample, the model.

The gap is in mean log loss (nats): group minus the others. It is split into parts that add up to it
exactly.

Without the truth: **base rate**, the gap that would be there if everybody were given the event rate
of his group; **missingness**, what of the rest goes away when the group's patients are weighed to
have as many missing values as the others; **sample share**, what goes away when the model is fitted
to equal shares of both groups (only where such a model's risks are given); **model and case mix**,
the rest, which data alone cannot part further.

With the truth (events among re-simulations, :class:`~crsrisk.evaluation.benchmark.Truth`) the
outcome noise is taken out and the rest is parted: **base rate** and **case mix**, the gap of an
oracle that knows everything true at baseline, parted by the base rate; **measurement**, what not
observing, mismeasuring and missing values cost the group more; **sample share** as above;
**model**, the gap in what the model loses beyond the oracle that saw what it saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.metrics import (
    BoolArray,
    FloatArray,
    bootstrap_counts,
    check_outcome_and_risk,
    check_risk,
    clip_risk,
    percentile_estimate,
)
from crsrisk.results import Estimate, NotEstimable

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
