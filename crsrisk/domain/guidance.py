"""Guidance: what published reviews say of watching for CRS and treating it. Reference with citation, never an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from crsrisk.domain.assumptions import Strict
from crsrisk.domain.product import Platform

Topic: TypeAlias = Literal["onset", "watching", "laboratory", "management", "neurotoxicity", "checkpoint inhibitor"]
Setting: TypeAlias = Literal["solid tumours", "extrapolated from haematology", "product label", "general"]


class Statement(Strict):
    """One statement in words of our own, with where it stands.

    ``applies_to``: products or platforms it speaks of; empty = all. ``grades``: of CRS, for management. ``place``: the
    part of the source, so that it can be found. ``short``: what the bedside page prints.
    """

    id: str = Field(min_length=2)
    topic: Topic
    short: str = Field(min_length=10, max_length=260)
    setting: Setting
    source: str
    place: str = Field(min_length=3)
    applies_to: list[str] = Field(default_factory=list)
    grades: list[int] = Field(default_factory=list)

    @field_validator("grades")
    @classmethod
    def _grades_of_crs(cls, grades: list[int]) -> list[int]:
        if any(grade not in (1, 2, 3, 4) for grade in grades):
            raise ValueError("grades from 1 to 4")
        return grades

    @model_validator(mode="after")
    def _management_has_grades(self) -> Statement:
        if (self.topic == "management") != bool(self.grades):
            raise ValueError(f"grades for management and only there ({self.id})")
        return self

    def speaks_of(self, product: str, platform: Platform) -> bool:
        """Whether it speaks of this product."""
        return not self.applies_to or product in self.applies_to or platform in self.applies_to


class Guidance(Strict):
    """All statements, the citations they point to, and the sentence that stands above them."""

    about: str = Field(min_length=10)
    sources: Mapping[str, str]
    statements: list[Statement] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Guidance:
        ids = [one.id for one in self.statements]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"each id once, not {', '.join(twice)} again")
        if unknown := sorted({one.source for one in self.statements} - set(self.sources)):
            raise ValueError(f"a citation under `sources` for {', '.join(unknown)}")
        if blank := [name for name, text in self.sources.items() if len(text.strip()) < 10]:
            raise ValueError(f"a whole citation for {', '.join(blank)}")
        return self

    def of(self, *, product: str, platform: Platform) -> list[Statement]:
        """The statements that speak of a product, in the order of the file."""
        return [one for one in self.statements if one.speaks_of(product, platform)]
