"""Explanation and Reason: why a model gave these risks. About the model, not proof about the
patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.risk_model import Kind, Prediction, Role, Theme, Variable

EXPLANATION_NOTICE = (
    "These reasons say how the model weighs what it was told. They are not proof of cause in a"
    " patient."
)
# log-odds: below it the ratio of differences is replaced by its limit, the derivative
_NEARLY_EQUAL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Exact Shapley values of the calibrated model, one for each patient and clinical variable.

    ``base_log_odds``: what the model says of nobody in particular (mean over its training patients,
    on the log-odds scale). ``contributions``: shape (patients, variables), in log-odds; base +
    their sum is the calibrated log-odds of the risk. ``values``: what each patient had, columns in
    the order of ``variables``. ``course``: by variable that was read several times after the first
    dose, all its features, a column each.
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
        """Contributions in risk (0-1), shape (patients, variables); they add up to risk - base
        risk.

        Each contribution is multiplied with the mean steepness of the logistic curve between base
        and risk, (risk - base risk) / (log-odds - base log-odds): the integral of the curve's slope
        along the straight path from base to patient (Aumann-Shapley). It is finite also when the
        contributions cancel, and no reason changes its sign.
        """
        return self._in_risk(self.contributions)

    def points_of(self, row: int) -> NDArray[np.float64]:
        """The row of :attr:`points` for one patient (counted from 0), shape (variables,)."""
        return self._in_risk(self.contributions[row : row + 1]).reshape(-1)

    def _in_risk(self, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
        total = contributions.sum(axis=1)
        log_odds = self.base_log_odds + total
        is_close = np.abs(total) < _NEARLY_EQUAL
        risk = expit(log_odds)
        steepness = np.where(
            is_close, risk * (1 - risk), (risk - self.base_risk) / np.where(is_close, 1.0, total)
        )
        return np.asarray(contributions * steepness[:, None])


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One clinical variable's share in one patient's risk.

    ``points`` is its size in risk (0.04 = 4 of 100 patients); ``whole_points`` the same as a whole
    number of 100, rounded so that the whole numbers of a patient's reasons add up.
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


# What a bedside page is made from: numbers about one patient, before any word is said about them.


@dataclass(frozen=True, kw_only=True)
class RiskEstimate:
    """A model's risk (0-1) with its interval from refits; without stored refits ``low`` and
    ``high`` are None.

    ``is_held``: the model for grade 3 or more said more than the one for grade 2 or more, and was
    held there.
    """

    value: float
    low: float | None
    high: float | None
    is_held: bool = False


@dataclass(frozen=True, kw_only=True)
class MissingRange:
    """What the risk of grade >= 2 would be if a missing value were known: low and high values of
    the product's patients.
    """

    column: str
    values: tuple[float, float]
    risks: tuple[float, float]

    @property
    def width(self) -> float:
        """How far apart the two risks are."""
        return abs(self.risks[1] - self.risks[0])


@dataclass(frozen=True, kw_only=True)
class ReferencePatient:
    """The named reference: the median training patient of the same product."""

    n_patients: int
    risks: Mapping[str, RiskEstimate]
    typical: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One lever: risks per grade (2 and 3) without and with it, simulated, as (value, error, low,
    high).
    """

    kind: str
    label: str
    usual: Mapping[int, tuple[float, float, float, float]]
    with_it: Mapping[int, tuple[float, float, float, float]]
    difference: Mapping[int, tuple[float, float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Later:
    """How what is simulated some hours after the first dose was made.

    ``n_kept`` of ``n_simulated`` people were still at risk at ``hour`` with this ``worst_grade``.
    ``past``: levers that cannot be pulled any more, in words.
    """

    hour: int
    worst_grade: int
    past: tuple[str, ...]
    n_kept: int
    n_simulated: int


@dataclass(frozen=True, kw_only=True)
class SimulatedPart:
    """What the simulator says of patients like this one: under the ensemble, with levers, under
    scenarios.

    ``usual`` by grade as (value, error, low, high); ``scenarios`` name -> (risk of grade >= 2,
    error); ``waits_h``: hours after the most recent dose within which 50, 90 and 95% of the onsets
    fall (None without any CRS); ``held``: columns whose value the simulated population cannot have.
    """

    usual: Mapping[int, tuple[float, float, float, float]]
    changes: Sequence[Change]
    scenarios: Mapping[str, tuple[float, float]]
    waits_h: tuple[float, float, float] | None
    n_members: int
    n_people: int
    held: tuple[str, ...] = ()
