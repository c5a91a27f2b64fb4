"""Cross-fit: every development patient's risk from the whole development repeated without him."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from crsrisk.learn.metrics import FloatArray
from crsrisk.learn.predict import predict
from crsrisk.learn.resampling import Develop

FOLDS = 5


def out_of_fold_risk(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, outcome: str, refit: Develop, seed: int, n_folds: int = FOLDS
) -> FloatArray:
    """Risks, shape (patients,), from folds that hold the same share of events.

    ``observed`` and ``outcomes``: the development patients in the same order; ``outcome``: the column with the event.
    """
    happened = outcomes[outcome].to_numpy(dtype=np.int64)
    found = np.empty(len(happened))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    for fitted, held in folds.split(np.zeros((len(happened), 1)), happened):
        found[held] = predict(refit(observed.iloc[fitted], outcomes.iloc[fitted], seed), observed.iloc[held]).risk
    return found
