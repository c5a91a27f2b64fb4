"""What baseline patients are compared with: published figures, and plausible ranges where none is
published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import names, synthetic_folder

Statistic: TypeAlias = Literal[
    "median",
    "lower_quartile",
    "upper_quartile",
    "log_sd",
    "skew",
    "tail",
    "share_above",
    "share_equal",
    "spearman",
]
Verdict: TypeAlias = Literal["inside", "outside", "undecided"]


class BaselineCheck(Strict):
    """One statistic of one or more tumour types and the range in which it must lie.

    ``published`` is the printed figure, absent where none exists; ``range_kind`` says what the
    range is: the 95% interval of the published figure (``wilson_95``, ``median_95``), the range
    that is printed (``published``), or one that is judged plausible (``plausible``). ``log_sd`` is
    ln(q3 / q1) / 1.349, ``skew`` (q3 + q1 - 2 median) / (q3 - q1), ``tail`` ln(95th percentile /
    median) / (1.645 log_sd): 1 for a log-normal tail. ``populations`` empty means every tumour type
    that ships. ``evidence`` are ids of the table of risk factors.
    """

    id: str
    statistic: Statistic
    of: str
    other: str | None = None
    threshold: float | None = None
    populations: list[str] = Field(default_factory=list)
    published: float | None = None
    n_patients: int | None = None
    low: float
    high: float
    range_kind: Literal["wilson_95", "median_95", "published", "plausible"]
    evidence: list[str]
    citation: str
    source_kind: Literal["SEED", "FOUND", "RECALL", "assumed"]
    confidence: Literal["high", "med", "low"]
    note: str

    @property
    def is_verified(self) -> bool:
        """False when the figure is only recalled, or only judged."""
        return self.source_kind in ("SEED", "FOUND")

    @model_validator(mode="after")
    def _fits(self) -> BaselineCheck:
        if not self.low < self.high:
            raise ValueError(f"{self.id}: low below high")
        if (self.statistic == "spearman") != (self.other is not None):
            raise ValueError(f"{self.id}: a second covariate (other) for spearman, and only there")
        if self.statistic.startswith("share") != (self.threshold is not None):
            raise ValueError(f"{self.id}: a threshold for shares, and only there")
        if (
            self.range_kind != "plausible"
            and self.published is None
            and self.source_kind == "assumed"
        ):
            raise ValueError(f"{self.id}: range_kind plausible, for nothing is published")
        if (
            self.published is not None
            and self.range_kind.endswith("_95")
            and not self.low <= self.published <= self.high
        ):
            raise ValueError(f"{self.id}: the published figure inside its own interval")
        if len(self.citation.strip()) < 3:
            raise ValueError(f"{self.id}: a citation, or the reason of the range")
        return self


@dataclass(frozen=True)
class BaselineFinding:
    """A check in one tumour type: the simulated statistic, its Monte Carlo error (one SE), and the
    verdict.

    ``inside`` and ``outside`` are said when the statistic keeps three errors from both ends of the
    range or lies beyond one of them by as much; between, the sample is too small to decide.
    """

    check: BaselineCheck
    population: str
    value: float
    mc_error: float
    n: int
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """One line for people; what is not verified is said."""
        doubt = "" if self.check.is_verified else " [unverified]"
        return (
            f"{self.check.id} in {self.population}: {self.value:.3g} +- {self.mc_error:.1g} MC"
            f" error, {self.check.low:g} to {self.check.high:g} wanted{doubt}: {self.verdict}"
        )


_COUNTS = (
    "is_female",
    "has_liver_metastases",
    "has_prior_checkpoint_inhibitor",
    "has_infection",
    "ecog",
    "n_metastatic_sites",
)


class _File(Strict):
    checks: list[BaselineCheck] = Field(min_length=1)


def load_baseline_checks(path: str | Path | None = None) -> tuple[BaselineCheck, ...]:
    """All checks of a file (without one: of the file that ships), in its order.

    Refused with an :class:`InputError`: an id that comes twice, a covariate or tumour type that
    does not exist.

    >>> any(check.statistic == "spearman" for check in load_baseline_checks())
    True
    """
    place = (
        Path(path).expanduser()
        if path is not None
        else synthetic_folder() / "evidence" / "baseline" / "checks.yaml"
    )
    checks = build(_File, read_yaml(place), where=place.name).checks
    known, populations, seen = {*CONTINUOUS, *_COUNTS}, set(names("populations")), set[str]()
    for check in checks:
        if check.id in seen:
            raise InputError(
                where=place.name,
                key=check.id,
                found="the id a second time",
                expected="each id once",
                cure="rename or delete one of the two",
            )
        seen.add(check.id)
        for key, given, choice in (
            ("of", {check.of}, known),
            ("other", {check.other} - {None}, known),
            ("populations", set(check.populations), populations),
        ):
            if wrong := sorted(str(name) for name in given - choice):
                raise InputError(
                    where=place.name,
                    key=f"{check.id}.{key}",
                    found=", ".join(wrong),
                    expected=f"one of {', '.join(sorted(choice))}",
                    cure="correct the name",
                )
    return tuple(checks)
