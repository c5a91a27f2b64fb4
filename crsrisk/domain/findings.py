"""Findings: what published series said of risk factors, so that simulated series of the same size can be asked the same."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.domain.assumptions import Strict

Event: TypeAlias = Literal["any_grade", "grade2plus", "grade3plus"]
Report: TypeAlias = Literal["up", "down", "null"]


class Finding(Strict):
    """One factor that a series looked at: ``reported`` up, down or null (no relation).

    ``factor`` is a column of the observed table, split at ``above`` when there is one (present against absent, high against
    normal), else taken as the logarithm. ``nearest`` says how the simulated question differs from the published one.
    """

    id: str
    factor: str
    above: float | None = None
    event: Event
    reported: Report
    says: str
    nearest: str
    citation: str
    source_kind: Literal["SEED", "FOUND", "RECALL"]
    confidence: Literal["high", "med", "low"]


class Series(Strict):
    """One group of patients in whom findings were reported together.

    ``is_small_positive``: a small series that names predictors without effect sizes; such series are published more
    readily than silent ones, so the support of scenarios is also given without them.
    """

    name: str
    label: str
    product: str
    regimen: str | None = None
    n_patients: int = Field(ge=5)
    size_reason: str
    is_small_positive: bool
    findings: list[Finding] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> Series:
        if self.is_small_positive and any(one.reported == "null" for one in self.findings):
            raise ValueError(f"{self.name}: is_small_positive false, for it reports no relation")
        if min(len(text.strip()) for text in (self.size_reason, *(one.citation for one in self.findings))) < 3:
            raise ValueError(f"{self.name}: a reason for the size and a citation of every finding")
        return self
