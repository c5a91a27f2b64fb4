"""Resampling: the whole development of a model repeated in bootstrap resamples of its patients.

What a refit repeats is the caller's: imputation, choice of trees, calibration, and in the first resamples tuning too.
What is kept of each is only its risk for every original patient: a patient's risk depends on his row alone, so it is
also the risk of his copies inside the resample. Optimism (:mod:`crsrisk.learn.optimism`) and instability
(:mod:`crsrisk.learn.instability`) are two ways to look at the same refits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.learn.metrics import FloatArray
from crsrisk.learn.predict import predict
from crsrisk.streams import uniforms
from crsrisk.threads import side_by_side

TUNED_AT_LEAST = 20
"""Resamples in which tuning is repeated; the others use the tuning result of the model under judgement."""


class Develop(Protocol):
    """Everything that made the model, from the two tables to the calibrated model."""

    def __call__(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """Fit to these patients. In a resample the copies of a patient bear the same `patient_id`: a refit that cuts
        folds can keep them together. Raises InputError or ValueError when these patients cannot give a model.
        """
        ...


@dataclass(frozen=True, eq=False)
class Repeats:
    """The refits that succeeded, one row each, in the order of the resamples.

    ``rows`` (refits, n): which original patients the resample drew. ``risk`` (refits, n): the refit's risk of every
    original patient. ``is_tuned``: was tuning repeated? ``n_asked``: resamples asked for. ``failures``: reason ->
    number of resamples that gave no model.
    """

    rows: NDArray[np.int64]
    risk: FloatArray
    is_tuned: NDArray[np.bool_]
    n_asked: int
    failures: dict[str, int]

    @property
    def n(self) -> int:
        """Repeats that succeeded."""
        return len(self.risk)

    @property
    def n_failed(self) -> int:
        """Resamples without a model."""
        return sum(self.failures.values())


def refit_in_resamples(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, refit: Develop, tune_and_refit: Develop | None, n_resamples: int,
    n_tuned: int = TUNED_AT_LEAST, seed: int, workers: int = 1, advance: Callable[[int], None] | None = None,
) -> Repeats:
    """Draw patients with replacement, repeat the development on each draw, score the original patients.

    ``observed`` and ``outcomes``: the development patients in the same order. ``tune_and_refit`` repeats tuning too
    and is used in the first ``n_tuned`` resamples (None: tuning is no part of the development, and nothing is tuned).
    The draw and the seed of a resample depend on ``seed`` and its number alone. A resample that fails is counted with
    its reason and does not stop the others.
    """
    if n_resamples < 1 or n_tuned < 0:
        raise InputError(where="refits", key="n_resamples, n_tuned", found=f"{n_resamples}, {n_tuned}",
                         expected="at least 1 resample, and 0 or more of them with tuning", cure="ask for 200 and 20")
    n = len(observed)
    draws = uniforms(seed=seed, decision="refits/bootstrap", start=0, stop=n_resamples, width=n)
    rows = np.minimum((draws * n).astype(np.int64), n - 1)

    def one(number: int) -> FloatArray | str:
        is_tuned = tune_and_refit is not None and number < n_tuned
        develop = tune_and_refit if is_tuned and tune_and_refit is not None else refit
        drawn = [table.iloc[rows[number]].reset_index(drop=True) for table in (observed, outcomes)]
        try:
            risk = predict(develop(drawn[0], drawn[1], seed + 1 + number), observed).risk
        except (InputError, ValueError, ArithmeticError) as problem:
            return type(problem).__name__ + ": " + " ".join(str(problem).split())[:160]
        finally:
            if advance:
                advance(1)
        return risk if np.isfinite(risk).all() else "a risk is missing: the model refused a patient"

    with side_by_side(workers) as pool:
        found = list(pool.map(one, range(n_resamples)))
    good = [number for number, risk in enumerate(found) if not isinstance(risk, str)]
    return Repeats(
        rows=rows[good], risk=np.array([found[number] for number in good], dtype=np.float64).reshape(len(good), n),
        is_tuned=np.array([tune_and_refit is not None and number < n_tuned for number in good], dtype=np.bool_),
        n_asked=n_resamples, failures=dict(Counter(risk for risk in found if isinstance(risk, str))))
