"""Stakes: what one strategy of prophylaxis does to each patient, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from crsrisk.decide.checks import FloatArray
from crsrisk.domain.harms import Harms, Ledger, LedgerRow
from crsrisk.domain.potential_outcomes import PotentialOutcomes, ResponseWorld, TrueRisks


@dataclass(frozen=True, eq=False)
class Stakes:
    """Each patient under one strategy, as chances (or as 0 and 1 where outcomes are known); all of shape (n,).

    ``risk`` and ``risk_treated``: CRS of grade >= 2 without and with it. ``is_given``: chance that anything is given, once
    the strategy is chosen (below 1 for drugs given at fever). ``infections_added`` and ``responses_lost`` may be negative:
    a prevented CRS spares its rescue drugs.
    """

    risk: FloatArray
    risk_treated: FloatArray
    is_given: FloatArray
    infections_added: FloatArray
    responses_lost: FloatArray

    def __len__(self) -> int:
        return len(self.risk)

    @property
    def averted(self) -> FloatArray:
        """Chance of CRS of grade >= 2 that the strategy takes away, by patient."""
        return self.risk - self.risk_treated

    @property
    def risk_ratio(self) -> float:
        """Events with over events without the strategy, everybody treated (1 when there is no event)."""
        usual = float(self.risk.mean())
        return float(self.risk_treated.mean()) / usual if usual > 0.0 else 1.0

    def harm(self, harms: Harms) -> FloatArray:
        """Harm in CRS events, by patient."""
        return (harms.infection_weight * self.infections_added + harms.response_weight * self.responses_lost
                + harms.burden_per_course * self.is_given)

    def gain(self, harms: Harms) -> FloatArray:
        """Net benefit in CRS events, by patient: averted less harm."""
        return self.averted - self.harm(harms)

    def ledger(self, harms: Harms) -> Ledger:
        """The harms of the mean treated patient, and the threshold that follows."""
        return Ledger(self.risk_ratio, (
            LedgerRow("serious infections within 90 days", float(self.infections_added.mean()), harms.infection_weight),
            LedgerRow("tumour responses lost", float(self.responses_lost.mean()), harms.response_weight),
            LedgerRow("the course itself", float(self.is_given.mean()), harms.burden_per_course)))

    def rows(self, keep: np.ndarray) -> Stakes:
        """The stakes of some patients."""
        return Stakes(*(getattr(self, name)[keep] for name in (
            "risk", "risk_treated", "is_given", "infections_added", "responses_lost")))


def expected_stakes(
    risks: TrueRisks, strategy: str, *, response_world: ResponseWorld, half: int | None = None,
    is_given: FloatArray | None = None,
) -> Stakes:
    """What an oracle expects; ``half`` 0 or 1 counts CRS in every other repetition only."""
    k = risks.index(strategy)
    two = risks.grade2plus if half is None else (risks.first_half, risks.second_half)[half]
    lost = risks.response[response_world]
    given = np.ones(len(risks.patient_id)) if is_given is None else is_given
    return Stakes(two[0], two[k], given, risks.infection[k] - risks.infection[0], lost[0] - lost[k])


def realised_stakes(
    outcomes: PotentialOutcomes, strategy: str, *, response_world: ResponseWorld, by_support: bool = False
) -> Stakes:
    """What happens to each simulated patient with CRS, and the chances of infection and lost response.

    ``by_support`` counts who needs support instead of who is graded 2 or more, which a hidden fever does not touch.
    """
    k = outcomes.index(strategy)
    lost = outcomes.response_risk[response_world]
    event = outcomes.needs_support if by_support else outcomes.grade >= 2
    return Stakes(event[0].astype(np.float64), event[k].astype(np.float64),
                  outcomes.is_exposed[k].astype(np.float64), outcomes.infection_risk[k] - outcomes.infection_risk[0],
                  lost[0] - lost[k])


def assumed_stakes(
    risk: FloatArray, *, risk_ratio: float, infections_added: float, responses_lost: float
) -> Stakes:
    """Stakes by a constant risk ratio and stated harms: all that a table of real patients allows."""
    ones = np.ones(len(risk))
    return Stakes(risk, risk_ratio * risk, ones, infections_added * ones, responses_lost * ones)


def with_risk_ratio(stakes: Stakes, risk_ratio: float) -> Stakes:
    """The same patients and harms under a constant risk ratio."""
    return replace(stakes, risk_treated=risk_ratio * stakes.risk)
