"""How much better a model looks in its own patients than it will in others: bootstrap optimism.

Every refit of :mod:`crsrisk.learn.resampling` is judged twice: in the patients it was fitted to, and in all original
patients. The mean difference is the optimism, and apparent performance minus optimism is what to expect of new patients
of the same kind (Harrell, Lee & Mark, Stat Med 1996;15:361). "New patients of the same kind" are the next patients of
the same products, hospitals and simulator; not another hospital.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.errors import InputError
from crsrisk.learn.measures import label_of, measure_all
from crsrisk.learn.metrics import TAILS, Estimate, FloatArray, NotEstimable, check_outcome_and_risk
from crsrisk.learn.resampling import Repeats

MAX_FAILED_SHARE = 0.2  # of the resamples: beyond it the others describe the easy draws only
_MIN_REFITS = 20


@dataclass(frozen=True)
class Optimism:
    """One measure: what the model shows in its own patients, what of that is optimism, and what remains.

    ``corrected`` has the location-shifted bootstrap interval: the 2.5 and 97.5% quantiles of the refits' apparent
    performance, moved by the optimism (Noma et al., Stat Med 2021;40:5691); it leaves out the uncertainty of the
    optimism itself, whose Monte Carlo error is ``optimism_mc_error``. ``optimism_tuned`` and
    ``optimism_saved_tuning``: the mean over the refits that repeated tuning, and over those that did not (None: none).
    """

    measure: str
    label: str
    apparent: float
    optimism: float
    optimism_mc_error: float
    corrected: Estimate
    optimism_tuned: float | None
    optimism_saved_tuning: float | None
    n_refits: int


@dataclass(frozen=True)
class OptimismTable:
    """All measures, with what stands behind them."""

    rows: tuple[Optimism | NotEstimable, ...]
    n_asked: int
    n_refits: int
    n_tuned: int
    n_failed: int
    failures: dict[str, int]
    note: str


def optimism(
    outcome: ArrayLike, *, risk: ArrayLike, refits: Repeats, product: ArrayLike | None = None,
    thresholds: Sequence[float] = (),
) -> OptimismTable | NotEstimable:
    """Apparent performance, optimism and corrected performance of every measure.

    ``outcome``, ``risk`` and ``product``: of the development patients, in the order in which they were resampled;
    ``risk`` is that of the model under judgement in its own patients. Not estimable when more than a fifth of the
    resamples failed, or fewer than 20 refits remain.
    """
    happened, apparent_risk = check_outcome_and_risk(outcome, risk)
    if refits.risk.shape[1] != happened.size:
        raise InputError(where="optimism", key="refits", found=f"{refits.risk.shape[1]} patients",
                         expected=f"the {happened.size} development patients", cure="resample the same tables")
    if refits.n_failed > MAX_FAILED_SHARE * refits.n_asked or refits.n < _MIN_REFITS:
        return NotEstimable(f"{refits.n_failed} of {refits.n_asked} resamples gave no model; at least {_MIN_REFITS} refits "
                            f"and at most {MAX_FAILED_SHARE:.0%} failures are needed")
    group = None if product is None else np.asarray(product, dtype=str)
    apparent = measure_all(happened, risk=apparent_risk, group=group, thresholds=thresholds)
    inside, outside = [], []
    for rows, refit_risk in zip(refits.rows, refits.risk, strict=True):
        inside.append(measure_all(happened[rows], risk=refit_risk[rows], group=None if group is None else group[rows],
                                  thresholds=thresholds))
        outside.append(measure_all(happened, risk=refit_risk, group=group, thresholds=thresholds))
    table = tuple(
        _row(name, apparent[name], np.array([one[name] for one in inside]), np.array([one[name] for one in outside]),
             refits=refits)
        for name in apparent if not (name == "auroc_within_product" and group is None))
    return OptimismTable(rows=table, n_asked=refits.n_asked, n_refits=refits.n, n_tuned=int(refits.is_tuned.sum()),
                         n_failed=refits.n_failed, failures=refits.failures, note=_note(refits))


def _row(
    name: str, apparent: float, inside: FloatArray, outside: FloatArray, *, refits: Repeats
) -> Optimism | NotEstimable:
    is_known = np.isfinite(inside) & np.isfinite(outside)
    n_known = int(is_known.sum())
    if not np.isfinite(apparent) or n_known < (1 - MAX_FAILED_SHARE) * refits.n or n_known < _MIN_REFITS:
        return NotEstimable(f"{label_of(name)}: known in {n_known} of {refits.n} refits only")
    excess = (inside - outside)[is_known]
    mean = float(excess.mean())
    low, high = np.quantile(inside[is_known], TAILS) - mean
    tuned = refits.is_tuned[is_known]
    return Optimism(
        measure=name, label=label_of(name), apparent=apparent, optimism=mean,
        optimism_mc_error=float(excess.std(ddof=1)) / n_known**0.5,
        corrected=Estimate(apparent - mean, float(low), float(high)),
        optimism_tuned=float(excess[tuned].mean()) if tuned.any() else None,
        optimism_saved_tuning=float(excess[~tuned].mean()) if not tuned.all() else None, n_refits=n_known)


def _note(refits: Repeats) -> str:
    n_tuned = int(refits.is_tuned.sum())
    tuning = "No refit repeated tuning: the settings are fixed and no part of the development."
    if n_tuned:
        tuning = f"Tuning was repeated in {n_tuned} of {refits.n} refits, the others used the saved result of tuning."
    return (f"Imputation, the choice of the number of trees and calibration were repeated in every refit. {tuning} "
            f"{refits.n_failed} of {refits.n_asked} resamples gave no model.")
