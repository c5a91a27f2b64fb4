"""The companions of an updated model, from those of the model before, as far as they still hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.risk_model import Calibrator
from crsrisk.model.companions import FEWEST, Companions, reference_groups
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.refits import Refit, Refits
from crsrisk.model.refitting import drawn_rows, make_refits
from crsrisk.model.update import Update, outcomes_of, recalibrated

Floats: TypeAlias = NDArray[np.float64]


def carry_over(
    companions: Companions,
    done: Update,
    *,
    observed: pd.DataFrame,
    y: Floats,
    config: ModelConfig | None,
    seed: int,
) -> Companions:
    """The companions of the updated model, from those of the model before.

    ``observed`` and ``y`` (0/1) are the patients of the update. The same patients and seed give the
    same companions.
    """
    if done.method == "refit" and config is not None:
        groups = {
            name: group
            for name, group in reference_groups(done.model, observed).items()
            if group.n_patients >= FEWEST
        }
        return Companions(
            groups,
            make_refits(
                done.model, observed, outcomes_of(done.model, observed, y), config=config, seed=seed
            ),
        )
    if companions.refits is None or done.method == "offset boosting":
        return Companions(companions.reference)
    refits = companions.refits.refits
    if done.method != "none":
        table = build_features(observed, names=done.model.contract.feature_names).to_numpy(
            dtype=np.float64
        )
        refits = tuple(
            _recalibrated(
                refit, table, y, number=k, has_slope=done.method != "intercept", seed=seed
            )
            for k, refit in enumerate(refits)
        )
    return Companions(
        companions.reference,
        Refits(done.model.label, done.model.contract.feature_names, refits),
        worlds=companions.worlds if done.method == "none" else None,
    )


def _recalibrated(
    refit: Refit, table: Floats, y: Floats, *, number: int, has_slope: bool, seed: int
) -> Refit:
    """A refit recalibrated as the model was, in its own resample of the patients."""
    rows = drawn_rows(y > 0.5, decision=f"update refit {number}", seed=seed)
    old = Calibrator(
        intercept=refit.intercept, slope=refit.slope, n_patients=len(y), method="refit"
    )
    new = recalibrated(old, refit.log_odds(table[rows]), y[rows], has_slope=has_slope)
    return replace(refit, intercept=new.intercept, slope=new.slope)
