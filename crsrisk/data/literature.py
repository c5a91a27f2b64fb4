"""What the literature says: guidance on watching and treating CRS, and findings on risk factors.

Guidance is reference with citation, never an order. Findings are what published series said of risk
factors, so that simulated series of the same size can be asked the same. Both stand in one YAML
file each, every statement with its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import Field, field_validator, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import Platform
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, names, synthetic_folder

Topic: TypeAlias = Literal[
    "onset", "watching", "laboratory", "management", "neurotoxicity", "checkpoint inhibitor"
]
Setting: TypeAlias = Literal[
    "solid tumours", "extrapolated from haematology", "product label", "general"
]
Event: TypeAlias = Literal["any_grade", "grade2plus", "grade3plus"]
Report: TypeAlias = Literal["up", "down", "null"]


class Statement(Strict):
    """One statement in words of our own, with where it stands.

    ``applies_to``: products or platforms it speaks of; empty = all. ``grades``: of CRS, for
    management. ``place``: the part of the source, so that it can be found. ``short``: what the
    bedside page prints.
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
        ids = [statement.id for statement in self.statements]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"each id once, not {', '.join(twice)} again")
        if unknown := sorted(
            {statement.source for statement in self.statements} - set(self.sources)
        ):
            raise ValueError(f"a citation under `sources` for {', '.join(unknown)}")
        if blank := [name for name, text in self.sources.items() if len(text.strip()) < 10]:
            raise ValueError(f"a whole citation for {', '.join(blank)}")
        return self

    def of(self, *, product: str, platform: Platform) -> list[Statement]:
        """The statements that speak of a product, in the order of the file."""
        return [
            statement for statement in self.statements if statement.speaks_of(product, platform)
        ]


class Finding(Strict):
    """One factor that a series looked at: ``reported`` up, down or null (no relation).

    ``factor`` is a column of the observed table, split at ``above`` when there is one (present
    against absent, high against normal), else taken as the logarithm. ``nearest`` says how the
    simulated question differs from the published one.
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

    ``is_small_positive``: a small series that names predictors without effect sizes; such series
    are published more readily than silent ones, so the support of scenarios is also given without
    them.
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
        if self.is_small_positive and any(finding.reported == "null" for finding in self.findings):
            raise ValueError(f"{self.name}: is_small_positive false, for it reports no relation")
        if (
            min(
                len(text.strip())
                for text in (self.size_reason, *(finding.citation for finding in self.findings))
            )
            < 3
        ):
            raise ValueError(f"{self.name}: a reason for the size and a citation of every finding")
        return self


def load_guidance(path: str | Path | None = None) -> Guidance:
    """The guidance of a file (without one: of the file that ships).

    Raises :class:`InputError` for an unknown key, a statement without a known source, an id that
    comes twice, and a product or platform that does not exist.

    >>> sorted({one.topic for one in load_guidance().statements})[:2]
    ['checkpoint inhibitor', 'laboratory']
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "guidance.yaml"
    guidance = build(Guidance, read_yaml(place), where=place.name)
    known = {*get_args(Platform), *names("products"), *evidence_only_products()}
    for statement in guidance.statements:
        if strangers := sorted(set(statement.applies_to) - known):
            raise InputError(
                where=place.name,
                key=f"{statement.id}.applies_to",
                found=", ".join(strangers),
                expected="names of products or platforms",
                cure="correct the name",
            )
    return guidance


_COUNTS = (
    "is_female",
    "has_liver_metastases",
    "has_prior_checkpoint_inhibitor",
    "has_infection",
    "ecog",
    "n_metastatic_sites",
)  # need a threshold: their logarithm has no meaning


class _File(Strict):
    series: list[Series] = Field(min_length=1)


def load_findings(path: str | Path | None = None) -> tuple[Series, ...]:
    """All series of a file (without one: of the file that ships), in its order.

    Refused with an :class:`InputError`: a name or id that comes twice, a product, regimen or factor
    that does not exist, a count without a threshold.

    >>> [series.n_patients for series in load_findings()]
    [30, 102, 412, 245]
    """
    place = Path(path).expanduser() if path is not None else synthetic_folder() / "findings.yaml"
    all_series = build(_File, read_yaml(place), where=place.name).series
    seen: set[str] = set()
    for series in all_series:
        product = load_product(series.product)
        if series.regimen is not None and series.regimen not in product.regimens:
            raise InputError(
                where=place.name,
                key=f"{series.name}.regimen",
                found=series.regimen,
                expected=f"one of {', '.join(product.regimens)}",
                cure="correct the name",
            )
        for name in (series.name, *(finding.id for finding in series.findings)):
            if name in seen:
                raise InputError(
                    where=place.name,
                    key=name,
                    found="the name a second time",
                    expected="each once",
                    cure="rename or delete one of the two",
                )
            seen.add(name)
        for finding in series.findings:
            _check_finding(finding, where=place.name)
    return tuple(all_series)


def _check_finding(finding: Finding, *, where: str) -> None:
    """Its factor exists, and a count has a threshold."""
    if finding.factor not in (*CONTINUOUS, *_COUNTS):
        raise InputError(
            where=where,
            key=f"{finding.id}.factor",
            found=finding.factor,
            expected=f"one of {', '.join((*CONTINUOUS, *_COUNTS))}",
            cure="correct the name",
        )
    if finding.factor in _COUNTS and finding.above is None:
        raise InputError(
            where=where,
            key=f"{finding.id}.above",
            found="nothing",
            expected="a threshold, since this is a count",
            cure="write above: 0.5 for present",
        )
