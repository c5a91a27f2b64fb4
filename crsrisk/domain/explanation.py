"""Explanation and Reason: why a model gave these risks. About the model, not proof about the patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.domain.risk_model import Kind, Prediction, Role, Theme, Variable

EXPLANATION_NOTICE = (
    "These reasons say how the model weighs what it was told. They are not proof of cause in a patient."
)
_NEARLY_EQUAL = 1e-6  # log-odds: below it the ratio of differences is replaced by its limit, the derivative


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Exact Shapley values of the calibrated model, one for each patient and clinical variable.

    ``base_log_odds``: what the model says of nobody in particular (mean over its training patients, on the
    log-odds scale). ``contributions``: shape (patients, variables), in log-odds; base + their sum is the
    calibrated log-odds of the risk. ``values``: what each patient had, columns in the order of ``variables``.
    ``course``: by variable that was read several times after the first dose, all its features, a column each.
    """

    base_log_odds: float
    contributions: NDArray[np.float64]
    variables: tuple[Variable, ...]
    values: pd.DataFrame
    prediction: Prediction
    notice: str = EXPLANATION_NOTICE
    course: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def base_risk(self) -> float:
        """The risk from which the reasons start (0-1)."""
        return float(expit(self.base_log_odds))

    @property
    def points(self) -> NDArray[np.float64]:
        """Contributions in risk (0-1), shape (patients, variables); they add up to risk - base risk.

        Each contribution is multiplied with the mean steepness of the logistic curve between base and risk,
        (risk - base risk) / (log-odds - base log-odds): the integral of the curve's slope along the straight
        path from base to patient (Aumann-Shapley). It is finite also when the contributions cancel, and no
        reason changes its sign.
        """
        return self._in_risk(self.contributions)

    def points_of(self, row: int) -> NDArray[np.float64]:
        """The row of :attr:`points` for one patient (counted from 0), shape (variables,)."""
        return self._in_risk(self.contributions[row:row + 1]).reshape(-1)

    def _in_risk(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        total = contributions.sum(axis=1)
        log_odds = self.base_log_odds + total
        is_close = np.abs(total) < _NEARLY_EQUAL
        risk = expit(log_odds)
        steepness = np.where(
            is_close, risk * (1 - risk), (risk - self.base_risk) / np.where(is_close, 1.0, total))
        return np.asarray(contributions * steepness[:, None])


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One clinical variable's share in one patient's risk.

    ``points`` is its size in risk (0.04 = 4 of 100 patients); ``whole_points`` the same as a whole number of
    100, rounded so that the whole numbers of a patient's reasons add up.
    """

    variable: str
    label: str
    value: str
    points: float
    whole_points: int
    kind: Kind
    role: Role
    theme: Theme
    sentence: str
