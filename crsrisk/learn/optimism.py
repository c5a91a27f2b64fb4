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
from numpy.typing import ArrayLike, NDArray

from crsrisk.errors import InputError
from crsrisk.learn.measures import label_of, measure_all
from crsrisk.learn.metrics import TAILS, Estimate, FloatArray, NotEstimable, check_outcome_and_risk
from crsrisk.learn.resampling import Repeats

MAX_FAILED_SHARE = 0.2  # of the resamples: beyond it the others describe the easy draws only
_MIN_REFITS = 20


@dataclass(frozen=True)
class Optimism:
    """One measure: what the model shows in its own patients, what of that is optimism, and what remains.

    ``corrected`` has the interval of the model's own apparent performance (bootstrap over patients, risks as they are),
    moved by the optimism. It leaves out the uncertainty of the optimism, so it covers somewhat less than it says
    (tests/learn/test_optimism.py has how much). The spread of the refits' *apparent* performance, which some use instead,
    cannot serve: a model fits its own patients' mean and slope in every resample, so calibration would look certain.
    ``optimism_mc_error`` is the Monte Carlo error of the mean over refits. ``optimism_tuned`` and
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
    """Apparent performance, optimism and corrected performance of every measure but the ICI.

    (A distance is not corrected by a subtraction; slope and intercepts say what there is to say about calibration.)

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

    def measured(risks: FloatArray, rows: NDArray[np.int64]) -> dict[str, float]:
        return measure_all(happened[rows], risk=risks[rows], group=None if group is None else group[rows],
                           thresholds=thresholds, has_curve=False)

    everybody = np.arange(happened.size)
    apparent = measured(apparent_risk, everybody)
    inside = [measured(one, rows) for rows, one in zip(refits.rows, refits.risk, strict=True)]
    outside = [measured(one, everybody) for one in refits.risk]
    redrawn = [measured(apparent_risk, rows) for rows in refits.rows]
    left_out = {"ici", *(() if group is not None else ("auroc_within_product",))}
    table = tuple(
        _row(name, apparent[name], *(np.array([one[name] for one in figures]) for figures in (inside, outside, redrawn)),
             refits=refits)
        for name in apparent if name not in left_out)
    return OptimismTable(rows=table, n_asked=refits.n_asked, n_refits=refits.n, n_tuned=int(refits.is_tuned.sum()),
                         n_failed=refits.n_failed, failures=refits.failures, note=_note(refits))


def _row(
    name: str, apparent: float, inside: FloatArray, outside: FloatArray, redrawn: FloatArray, *, refits: Repeats
) -> Optimism | NotEstimable:
    is_known = np.isfinite(inside) & np.isfinite(outside) & np.isfinite(redrawn)
    n_known = int(is_known.sum())
    if not np.isfinite(apparent) or n_known < (1 - MAX_FAILED_SHARE) * refits.n or n_known < _MIN_REFITS:
        return NotEstimable(f"{label_of(name)}: known in {n_known} of {refits.n} refits only")
    excess = (inside - outside)[is_known]
    mean = float(excess.mean())
    low, high = np.quantile(redrawn[is_known], TAILS) - float(redrawn[is_known].mean()) + apparent - mean
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
