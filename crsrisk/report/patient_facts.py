"""Everything that is known about one patient, as numbers, before any word is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from crsrisk.data.explanation import (
    LandmarkSimulation,
    MissingRange,
    PatientRisk,
    Reason,
    ReferencePatient,
    SimulatedPatients,
)
from crsrisk.data.literature import Statement
from crsrisk.data.patient import GivenValue
from crsrisk.data.product import Product
from crsrisk.model.risk_model import RiskModel
from crsrisk.wording import hours_in_words, window_in_words


@dataclass(frozen=True, kw_only=True, eq=False)
class PatientFacts:
    """All numbers about one patient.

    Parameters
    ----------
    label : str
        What the patient is called on the page; nobody's name.
    product, product_label, regimen, regimen_note, prophylaxis, population_label :
        The plan and the tumour, in words.
    window_d : float
        Days after the first dose in which the outcome is counted.
    observed : DataFrame
        The patient's one row of the observed table.
    given : mapping of GivenValue
        What the file gave, by column, with the units as written.
    course : mapping
        Readings after the first dose by hour and column without the hour.
    model, n_refits :
        The model, and how many refits its intervals come from.
    risk : PatientRisk
        The model's risks with their intervals.
    base_risk, reasons :
        Where the reasons start (0-1), and all of them.
    reference : ReferencePatient or None
        The median training patient of the product.
    seen : mapping
        Words and flags that the product's training patients had, by column.
    missing : sequence of MissingRange
        What each missing value leaves open.
    simulated : SimulatedPatients or None
        What the simulator says of patients like this one.
    landmark : LandmarkSimulation or None
        How that was made some hours after the first dose.
    guidance, guidance_about, sources :
        What published reviews say of such a product.
    """

    label: str
    product: Product
    product_label: str
    regimen: str
    regimen_note: str
    prophylaxis: tuple[str, ...]
    population_label: str
    window_d: float
    observed: pd.DataFrame
    given: Mapping[str, GivenValue]
    model: RiskModel
    n_refits: int
    risk: PatientRisk
    reference: ReferencePatient | None
    seen: Mapping[str, Sequence[bool | str]]
    base_risk: float
    reasons: Sequence[Reason]
    missing: Sequence[MissingRange]
    simulated: SimulatedPatients | None
    guidance: Sequence[Statement]
    guidance_about: str
    sources: Mapping[str, str]
    landmark: LandmarkSimulation | None = None
    course: Mapping[int, Mapping[str, GivenValue]] = field(default_factory=dict)

    @property
    def landmark_h(self) -> int:
        """Hours after the first dose at which the model speaks; 0 = before it."""
        return self.model.contract.landmark_h

    @property
    def window(self) -> str:
        """The window of the outcome in words."""
        return window_in_words(self.window_d, landmark_h=self.landmark_h)

    @property
    def whom(self) -> str:
        """Of whom a risk speaks: at a landmark only of those still at risk."""
        if not self.landmark_h:
            return "patients like this one"
        return (
            f"patients like this one at {hours_in_words(self.landmark_h)}, without grade 2 or more"
            " so far"
        )
