"""Findings on risk factors: what published series said of them, so that simulated series of the
same size can be asked the same. All stand in one YAML file, every finding with its citation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder

Event: TypeAlias = Literal["any_grade", "grade2plus", "grade3plus"]
Report: TypeAlias = Literal["up", "down", "null"]


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
