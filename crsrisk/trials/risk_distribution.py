"""How risk is spread among candidates, as a formula or as the risks of a cohort: the two answer the
same questions.

What a policy "treat when risk >= t" does follows from two functions alone: the share of patients at
or above t, and the share of all patients that are at or above t *and* would have CRS. For a
calibrated model the second is the mean of risk over those above.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import betainc, betaincc, betaincinv
from scipy.stats import rankdata

from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import check_risk
from crsrisk.trials.checks import FloatArray, inner_rate, positive

WHERE = "risk"
_BETA = re.compile(r"\s*beta\(\s*([\d.eE+-]+)\s*,\s*([\d.eE+-]+)\s*\)\s*", re.IGNORECASE)
_UNIFORM = re.compile(r"\s*uniform\(\s*0(?:\.0*)?\s*,\s*1(?:\.0*)?\s*\)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class TopShare:
    """The patients of highest risk: the risk that the last of them has, and those of all patients
    who would have CRS.
    """

    threshold: float
    event_share: float


class RiskSpread(ABC):
    """Risks of grade >= 2 CRS without prophylaxis, taken as true, over a population."""

    @property
    @abstractmethod
    def mean(self) -> float:
        """Mean risk: the event rate without treatment."""

    @abstractmethod
    def share_above(self, threshold: float) -> float:
        """Share of patients with risk >= threshold."""

    @abstractmethod
    def event_share_above(self, threshold: float) -> float:
        """Share of all patients who have risk >= threshold and would have the event."""

    @abstractmethod
    def top(self, fraction: float) -> TopShare:
        """The fraction of patients with the highest risks; of equal risks a random part."""

    @property
    @abstractmethod
    def auc(self) -> float:
        """Probability that a patient with the event has the higher risk than one without."""


@dataclass(frozen=True)
class BetaRisk(RiskSpread):
    """Risks spread as Beta(a, b).

    >>> round(BetaRisk(2, 6).share_above(0.2), 4), BetaRisk(2, 6).mean
    (0.5767, 0.25)
    """

    a: float
    b: float

    @property
    def mean(self) -> float:
        return self.a / (self.a + self.b)

    def share_above(self, threshold: float) -> float:
        return float(betaincc(self.a, self.b, threshold))

    def event_share_above(self, threshold: float) -> float:
        return self.mean * float(betaincc(self.a + 1, self.b, threshold))

    def top(self, fraction: float) -> TopShare:
        threshold = float(betaincinv(self.a, self.b, 1 - fraction))
        return TopShare(threshold, self.event_share_above(threshold))

    @property
    def auc(self) -> float:
        """Risk of those with the event is Beta(a + 1, b), of those without Beta(a, b + 1); averaged
        by quantile.
        """
        area, _ = quad(
            lambda u: betainc(self.a, self.b + 1, betaincinv(self.a + 1, self.b, u)),
            0,
            1,
            epsabs=1e-10,
            limit=200,
        )
        return float(area)


@dataclass(frozen=True)
class PatientRisks(RiskSpread):
    """The risks of a cohort, one a patient, each patient the same weight."""

    risk: FloatArray

    @cached_property
    def _falling(self) -> FloatArray:
        return np.sort(self.risk)[::-1]

    @cached_property
    def _cumulative(self) -> FloatArray:
        return np.append(0.0, np.cumsum(self._falling))

    @property
    def mean(self) -> float:
        return float(self.risk.mean())

    def _n_above(self, threshold: float) -> int:
        return int(np.searchsorted(-self._falling, -threshold, side="right"))

    def share_above(self, threshold: float) -> float:
        return self._n_above(threshold) / self.risk.size

    def event_share_above(self, threshold: float) -> float:
        return float(self._cumulative[self._n_above(threshold)]) / self.risk.size

    def top(self, fraction: float) -> TopShare:
        places = fraction * self.risk.size
        # Sums of risks between two whole patients lie on the line between them: the next one is
        # drawn by chance.
        total = float(np.interp(places, np.arange(self.risk.size + 1), self._cumulative))
        last = min(self.risk.size - 1, max(0, int(np.ceil(places - 1e-9)) - 1))
        return TopShare(float(self._falling[last]), total / self.risk.size)

    @property
    def auc(self) -> float:
        """Each patient counts as an event with his risk and as none with the rest; ties count one
        half.
        """
        events, others = self.risk, 1 - self.risk
        order = rankdata(self.risk, method="dense") - 1
        per_value = np.bincount(order, weights=others)
        below = np.append(0.0, np.cumsum(per_value))[order] + per_value[order] / 2
        return float(events @ below / (events.sum() * others.sum()))


Risk: TypeAlias = "str | ArrayLike | RiskSpread"


def risk_spread(risk: Risk) -> RiskSpread:
    """A spread of risks from text such as "Beta(2,6)", from a list of risks, or as it is.

    >>> risk_spread("Beta(2, 6)")
    BetaRisk(a=2.0, b=6.0)
    >>> risk_spread([0.1, 0.4, 0.1]).share_above(0.1)
    1.0
    """
    if isinstance(risk, RiskSpread):
        return risk
    if isinstance(risk, str):
        return _from_text(risk)
    risks = check_risk(risk)
    if risks.ndim != 1 or risks.size == 0:
        raise InputError(
            where=WHERE,
            key="risk",
            found=f"shape {risks.shape}",
            expected="a list of risks, at least one",
            cure="pass one predicted risk for each patient",
        )
    inner_rate(float(risks.mean()), where=WHERE, key="mean risk")
    return PatientRisks(risks)


def _from_text(text: str) -> BetaRisk:
    if _UNIFORM.fullmatch(text):
        return BetaRisk(1.0, 1.0)
    match = _BETA.fullmatch(text)
    try:
        a, b = (float(match.group(1)), float(match.group(2))) if match else (0.0, 0.0)
    except ValueError:
        a, b = 0.0, 0.0
    if not match or not (a > 0 and b > 0):
        raise InputError(
            where=WHERE,
            key="risk",
            found=repr(text),
            expected="Beta(a, b) with a and b above 0",
            cure="write 'Beta(2,6)', or pass the patients' risks as a list",
        )
    return BetaRisk(positive(a, where=WHERE, key="a"), positive(b, where=WHERE, key="b"))
