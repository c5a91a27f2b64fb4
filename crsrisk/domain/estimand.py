"""Estimand: what exactly a trial is to estimate, in the five attributes of ICH E9(R1)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.domain.assumptions import Strict

# The strategies of ICH E9(R1) (2019), section A.3.2.
Handling: TypeAlias = Literal["treatment policy", "hypothetical", "composite", "while on treatment", "principal stratum",
                              "adjudication"]
_SHORTEST = 3  # letters


class IntercurrentEvent(Strict):
    """Something after the start of treatment that changes what the outcome means, and how it is dealt with.

    ``adjudication`` is no strategy of the guideline: a blinded committee decides whether the event is the outcome at all.
    """

    event: str
    strategy: Handling
    sensitivity: str = "none"

    @model_validator(mode="after")
    def _says_something(self) -> IntercurrentEvent:
        if len(self.event.strip()) < _SHORTEST:
            raise ValueError("an intercurrent event in words")
        return self


class Estimand(Strict):
    """Population, treatment, variable, intercurrent events and summary measure, in words for a protocol."""

    population: str
    treatment: str
    variable: str
    summary: str
    intercurrent_events: list[IntercurrentEvent] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Estimand:
        for name in ("population", "treatment", "variable", "summary"):
            if len(getattr(self, name).strip()) < _SHORTEST:
                raise ValueError(f"{name} in words, not a blank")
        return self

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The attributes in the order of the guideline, intercurrent events one by one."""
        events = [(f"Intercurrent event: {one.event}", f"{one.strategy} (sensitivity: {one.sensitivity})")
                  for one in self.intercurrent_events]
        return [("Population", self.population), ("Treatment", self.treatment), ("Variable", self.variable), *events,
                ("Summary measure", self.summary)]
