"""Development: everything that makes a model of two tables, as one callable, so that all of it can be repeated.

What is repeated: features, stand-ins for missing values, the additive start, the choice of the number of trees and the
calibration (:func:`crsrisk.learn.fit.fit`); with tuning also the search for settings (:func:`crsrisk.learn.tune.tune`).
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import FeatureConfig
from crsrisk.learn.fit import fit
from crsrisk.learn.resampling import Develop
from crsrisk.learn.tune import tune


@dataclass(frozen=True)
class Development:
    """How a model is made: ``config`` with the settings that were chosen, and ``searched``, the configuration whose search
    chose them (None: nothing was tuned). Both methods are :class:`crsrisk.learn.resampling.Develop`.
    """

    config: FeatureConfig
    searched: FeatureConfig | None = None

    def refit(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """With the saved result of tuning."""
        return fit(observed, outcomes, config=self.config, seed=seed)

    def tune_and_refit(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """With tuning repeated in these patients."""
        return developed(observed, outcomes, searched=self.searched or self.config, seed=seed)[1]

    @property
    def tuning(self) -> Develop | None:
        """``tune_and_refit``, or None where nothing was tuned."""
        return None if self.searched is None else self.tune_and_refit

    @property
    def in_words(self) -> str:
        """How settings were chosen, for a report."""
        if self.searched is None or self.searched.tuning is None:
            return "The settings are those of the shipped configuration; nothing was tuned on these patients."
        return (f"The best by cross-validated log loss of {self.searched.tuning.trials} settings tried by Optuna, the "
                "shipped ones first.")


def develop(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, config: FeatureConfig, trials: int, seed: int
) -> tuple[Development, RiskModel]:
    """Tune once (with ``trials`` trials; 0: not at all), fit, and keep both for whoever repeats the development."""
    if trials == 0:
        return Development(config), fit(observed, outcomes, config=config, seed=seed)
    if config.tuning is None:
        raise InputError(where=f"configuration {config.name}", key="tuning", found="nothing to search",
                         expected="trials and the ranges of settings", cure="add tuning, or ask for 0 trials")
    searched = config.model_copy(update={"tuning": config.tuning.model_copy(update={"trials": trials})})
    chosen, model = developed(observed, outcomes, searched=searched, seed=seed)
    return Development(chosen, searched), model


def developed(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, searched: FeatureConfig, seed: int
) -> tuple[FeatureConfig, RiskModel]:
    """The configuration that tuning chose, and its model."""
    chosen = tune(observed, outcomes, config=searched, seed=seed).config
    return chosen, fit(observed, outcomes, config=chosen, seed=seed)
