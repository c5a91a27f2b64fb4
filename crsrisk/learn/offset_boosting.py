"""Offset boosting: a fitted model stays as it is, and a few shallow trees are grown on top in new patients.

The old model, calibration written into its leaves, is where LightGBM goes on from; so the updated model is one booster
again, with exact Shapley values. How many trees are added, cross-validation in the new patients decides; none may be.
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from crsrisk.domain.risk_model import Calibrator
from crsrisk.learn.booster import bare_text, calibrated_booster
from crsrisk.learn.offset_logistic import fit_offset_logistic, log_likelihood

Floats = NDArray[np.float64]
MOST_TREES = 60
_FOLDS = 5
_SMALLEST_LEAF = 10
_SETTINGS: dict[str, Any] = {
    "objective": "binary", "boost_from_average": False, "learning_rate": 0.05, "num_leaves": 3, "lambda_l2": 10.0,
    "feature_fraction": 0.5, "extra_trees": True, "num_threads": 1, "deterministic": True, "force_row_wise": True,
    "feature_pre_filter": False, "verbosity": -1,
}


def boosted_on(
    text: str, calibrator: Calibrator, *, matrix: Floats, y: Floats, log_odds: Floats, directions: list[int], seed: int
) -> tuple[str, int]:
    """The text of one booster, old trees with their calibration and then the new ones, and the number of new ones.

    ``matrix`` (patients, features) and ``y`` (0/1) are of the new patients, ``log_odds`` what the calibrated old model says
    of them. An intercept is fitted first (Firth), so that the trees need not learn the overall rate.
    """
    settings = {**_SETTINGS, "monotone_constraints": directions, "seed": seed,
                "min_data_in_leaf": max(_SMALLEST_LEAF, len(y) // 10)}
    n_trees = _best_number(matrix, y, log_odds, settings=settings, seed=seed)
    shift = intercept_of(log_odds, y)
    moved = calibrator.model_copy(update={"intercept": calibrator.intercept + shift})
    old = calibrated_booster(text, moved)
    if not n_trees:
        return bare_text(old.model_to_string()), 0
    data = lgb.Dataset(matrix, y, feature_name=old.feature_name(), free_raw_data=False)
    grown = lgb.train(settings, data, n_trees, init_model=old)
    return bare_text(grown.model_to_string()), grown.num_trees() - old.num_trees()


def intercept_of(log_odds: Floats, y: Floats) -> float:
    """The shift of log-odds that makes them right on average in these patients (Firth)."""
    return float(fit_offset_logistic(np.ones((len(y), 1)), y, offset=log_odds, has_firth=True).coefficients[0])


def _best_number(matrix: Floats, y: Floats, log_odds: Floats, *, settings: dict[str, Any], seed: int) -> int:
    """Number of trees with the best out-of-fold log likelihood; 0 where no tree helps."""
    n_folds = int(min(_FOLDS, y.sum(), (1 - y).sum()))
    if n_folds < 2:
        return 0
    total = np.zeros(MOST_TREES + 1)
    for fitted, held in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(matrix, y):
        shift = intercept_of(log_odds[fitted], y[fitted])
        data = lgb.Dataset(matrix[fitted], y[fitted], init_score=log_odds[fitted] + shift, free_raw_data=False)
        booster = lgb.train(settings, data, MOST_TREES)
        start = log_odds[held] + shift
        total[0] += log_likelihood(start, y[held])
        for n in range(1, MOST_TREES + 1):
            added: Any = booster.predict(matrix[held], raw_score=True, num_iteration=n, num_threads=1)
            total[n] += log_likelihood(start + added, y[held])
    return int(np.argmax(total))
