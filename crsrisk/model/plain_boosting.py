"""Gradient boosting as a data scientist would type it: LightGBM as it comes.

The features are those of the model, product and platform as categories of the library's own,
missing values left to it; the outcome alone is learnt, no stage before it, and nothing is
recalibrated.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.model.comparators import ClinicalClassifier
from crsrisk.model.features import ModelConfig, build_features, load_config, words_of

Floats: TypeAlias = NDArray[np.float64]
_ROUNDS = 100  # LightGBM's own number


class LightGBM(ClinicalClassifier):
    """LightGBM with the settings that it comes with, free of directions.

    ``config``: whose features are taken; ``seed``: of LightGBM. One thread, so that the same seed
    gives the same risks.

    >>> LightGBM().name
    'LightGBM'
    """

    name = "LightGBM"

    def __init__(self, *, config: ModelConfig | str | Path = "baseline", seed: int = 0) -> None:
        self.config = config
        self.seed = seed

    def _learn(self, observed: pd.DataFrame, outcome: NDArray[np.int64]) -> None:
        self.config_ = load_config(self.config)
        self.levels_ = {
            name: sorted({word for word in words_of(observed, column=name) if word})
            for name in self.config_.one_hot
        }
        settings = {
            "objective": "binary",
            "seed": self.seed,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        data = lgb.Dataset(self._table(observed), outcome, params={"verbosity": -1})
        self.booster_ = lgb.train(settings, data, _ROUNDS)

    def _risk(self, observed: pd.DataFrame) -> Floats:
        return np.asarray(self.booster_.predict(self._table(observed), num_threads=1))

    def _table(self, observed: pd.DataFrame) -> pd.DataFrame:
        """Numbers and categories; a word that training did not have is a missing one."""
        names = [feature.name for feature in self.config_.features]
        return build_features(observed, names=names).assign(
            **{
                name: pd.Categorical(words_of(observed, column=name), categories=levels)
                for name, levels in self.levels_.items()
            }
        )
