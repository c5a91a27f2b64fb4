"""Carry over: what stands beside a model, after an update, as far as it is still true of the updated model.

Refits are refits of its trees. A recalibration leaves the trees, so the refits stay, each recalibrated in a resample of the
update's patients: their spread then holds the sample of the development and that of the update. A refit of the model has
refits of its own. Boosting adds trees that the old refits do not have: none are kept. Reference patients are values, and
stay unless all is refitted; the model for grade 3 or more was not updated and does not stand beside.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.risk_model import Calibrator
from crsrisk.features.table import FeatureConfig, build_features
from crsrisk.learn.companions import Companions, reference_groups
from crsrisk.learn.refits import Refit, Refits, drawn_rows, make_refits
from crsrisk.learn.update import Update, outcomes_of, recalibrated

Floats = NDArray[np.float64]
FEWEST = 20  # new patients of a product from which on their medians may stand beside a model: nothing of a single one


def carried_over(
    beside: Companions, done: Update, *, observed: pd.DataFrame, y: Floats, config: FeatureConfig | None, seed: int
) -> Companions:
    """The companions of the updated model; ``observed`` and ``y`` (0/1) are the patients of the update.

    ``beside``: the companions of the model before. The same patients and seed give the same companions.
    """
    if done.method == "refit" and config is not None:
        groups = {name: group for name, group in reference_groups(done.model, observed).items()
                  if group.n_patients >= FEWEST}
        return Companions(groups, make_refits(done.model, observed, outcomes_of(done.model, observed, y), config=config,
                                              seed=seed))
    if beside.refits is None or done.method == "offset boosting":
        return Companions(beside.reference)
    refits = beside.refits.refits
    if done.method != "none":
        table = build_features(observed, names=done.model.contract.feature_names).to_numpy(dtype=np.float64)
        refits = tuple(_recalibrated(one, table, y, number=k, has_slope=done.method != "intercept", seed=seed)
                       for k, one in enumerate(refits))
    return Companions(beside.reference, Refits(done.model.label, done.model.contract.feature_names, refits))


def _recalibrated(one: Refit, table: Floats, y: Floats, *, number: int, has_slope: bool, seed: int) -> Refit:
    """A refit recalibrated as the model was, in its own resample of the patients."""
    rows = drawn_rows(y > 0.5, decision=f"update refit {number}", seed=seed)
    old = Calibrator(intercept=one.intercept, slope=one.slope, n_patients=len(y), method="refit")
    new = recalibrated(old, one.log_odds(table[rows]), y[rows], has_slope=has_slope)
    return replace(one, intercept=new.intercept, slope=new.slope)
