"""Development: everything that makes a model of two tables, as one callable, so that all of it can be repeated.

What is repeated: features, stand-ins for missing values, the additive start, the choice of the number of trees and the
calibration (:func:`crsrisk.learn.fit.fit`); with tuning also the choice among settings. Tuning here takes the candidate
with the least cross-validated log loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import FeatureConfig, Learner
from crsrisk.learn.fit import fit
from crsrisk.learn.resampling import Develop


@dataclass(frozen=True)
class Development:
    """How a model is made: ``config`` with the settings that were chosen, and the ``candidates`` they were chosen from.

    Both methods are :class:`crsrisk.learn.resampling.Develop`.
    """

    config: FeatureConfig
    candidates: tuple[FeatureConfig, ...]

    def refit(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """With the saved result of tuning."""
        return fit(observed, outcomes, config=self.config, seed=seed)

    def tune_and_refit(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """With tuning repeated in these patients."""
        return tuned(observed, outcomes, candidates=self.candidates, seed=seed)[1]

    @property
    def tuning(self) -> Develop | None:
        """``tune_and_refit``, or None where there was nothing to choose."""
        return self.tune_and_refit if len(self.candidates) > 1 else None

    @property
    def in_words(self) -> str:
        """How settings were chosen, for a report."""
        if len(self.candidates) < 2:
            return "The settings are those of the shipped configuration; nothing was tuned on these patients."
        return f"The settings with the least cross-validated log loss among {len(self.candidates)} candidates."


def tuned(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, candidates: Sequence[FeatureConfig], seed: int
) -> tuple[FeatureConfig, RiskModel]:
    """The candidate with the least cross-validated log loss (the first of equals), and its model."""
    made = [(config, fit(observed, outcomes, config=config, seed=seed)) for config in candidates]

    def loss(at: int) -> tuple[float, int]:
        found = made[at][1].manifest["cv_log_loss"]
        return (float("inf") if found is None else float(found), at)

    return made[min(range(len(made)), key=loss)]


def candidates_of(config: FeatureConfig, overrides: Sequence[Mapping[str, Any]], *, where: str) -> tuple[FeatureConfig, ...]:
    """The configuration itself and one for each set of other settings of its learner."""
    known = set(Learner.model_fields)
    for change in overrides:
        if unknown := sorted(set(change) - known):
            raise InputError(where=where, key=f"candidates, {', '.join(unknown)}", found="no setting of the learner",
                             expected=", ".join(sorted(known)), cure="correct the name")
    return (config, *(config.model_copy(update={"learner": Learner.model_validate(
        {**config.learner.model_dump(), **change})}) for change in overrides))


def develop(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, candidates: tuple[FeatureConfig, ...], seed: int
) -> tuple[Development, RiskModel]:
    """Tune once, and keep the result for whoever repeats the development."""
    config, model = tuned(observed, outcomes, candidates=candidates, seed=seed)
    return Development(config, candidates), model
