"""What became of each row of published evidence: reproduced, used as a check, or left out with the reason.

A :class:`Fate` is one row of the tables of published evidence (an id such as E035, or F009 for a finding on risk
factors) and its one use. The roster is what lets a reader see that nothing was left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydantic import model_validator

from crsrisk.domain.assumptions import Strict

Use: TypeAlias = Literal["target", "baseline", "qualitative", "scenario", "prior", "not_usable"]
Reason: TypeAlias = Literal["haematology", "pooled", "not_an_incidence", "another_event", "not_simulated", "overlap",
                            "unverified", "no_figure", "gap", "published_model"]

USES: Mapping[Use, str] = MappingProxyType({
    "target": "reproduced: a row of a source in synthetic/evidence/, simulated and compared",
    "baseline": "the patients before the first dose are compared with it",
    "qualitative": "the direction is checked by a test of the mechanism",
    "scenario": "speaks for or against a scenario",
    "prior": "informs an assumption, and no more",
    "not_usable": "left out, with the reason",
})
REASONS: Mapping[Reason, str] = MappingProxyType({
    "haematology": "patients with blood cancers: rates are no target for solid tumours",
    "pooled": "pooled over products or platforms that are not one trial",
    "not_an_incidence": "no share of patients and no time: an odds ratio, a dose, a p value",
    "another_event": "another event than CRS or fever",
    "not_simulated": "what the simulator does not produce",
    "overlap": "the patients of another row, which is counted",
    "unverified": "recalled, unverified and without any other support",
    "no_figure": "blank in the source: no number to compare with",
    "gap": "a statement that no evidence was found",
    "published_model": "the performance of somebody else's risk model, not of patients",
})


class Fate(Strict):
    """One row of the evidence and its one use.

    ``used_in`` says where: the source (target), the check (baseline), the phenomenon (qualitative), the scenario
    or the assumption (prior). A row that is not usable has a ``reason`` instead. ``counted_as`` is the row that
    counts for an overlapping one. ``unverified``: the figure is recalled, not seen on a page.
    """

    id: str
    use: Use
    used_in: str | None = None
    reason: Reason | None = None
    counted_as: str | None = None
    unverified: bool = False
    about: str = ""

    @model_validator(mode="after")
    def _one_use(self) -> Fate:
        left_out = self.use == "not_usable"
        if left_out != (self.reason is not None) or left_out == (self.used_in is not None):
            raise ValueError(f"{self.id}: used_in for a row that is used, a reason for one that is not")
        if (self.reason == "overlap") != (self.counted_as is not None):
            raise ValueError(f"{self.id}: counted_as for an overlap, and only there")
        if self.use != "target" and len(self.about.strip()) < 3:
            raise ValueError(f"{self.id}: what the row says and why this use, in words (about)")
        return self


class Phenomenon(Strict):
    """Something that must come out of the mechanism: what, and the test that checks it (``file.py::test_name``)."""

    says: str
    test: str

    @model_validator(mode="after")
    def _names_a_test(self) -> Phenomenon:
        file, _, test = self.test.partition("::")
        if not file.endswith(".py") or not test.startswith("test_"):
            raise ValueError("a test as tests/folder/test_file.py::test_name")
        return self


@dataclass(frozen=True)
class Roster:
    """All rows of both tables of evidence with their fates, and the phenomena that some of them support."""

    published_rates: tuple[Fate, ...]
    risk_factors: tuple[Fate, ...]
    phenomena: Mapping[str, Phenomenon]

    @property
    def rows(self) -> tuple[Fate, ...]:
        """Both tables, one after the other."""
        return self.published_rates + self.risk_factors

    def of(self, use: Use) -> tuple[Fate, ...]:
        """The rows of one use."""
        return tuple(row for row in self.rows if row.use == use)
