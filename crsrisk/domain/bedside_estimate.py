"""What a bedside page is made from: numbers about one patient, before any word is said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RiskEstimate:
    """A model's risk (0-1) with its interval from refits; without stored refits ``low`` and ``high`` are None.

    ``is_held``: the model for grade 3 or more said more than the one for grade 2 or more, and was held there.
    """

    value: float
    low: float | None
    high: float | None
    is_held: bool = False


@dataclass(frozen=True, kw_only=True)
class MissingRange:
    """What the risk of grade >= 2 would be if a missing value were known: low and high values of the product's patients."""

    column: str
    values: tuple[float, float]
    risks: tuple[float, float]

    @property
    def width(self) -> float:
        """How far apart the two risks are."""
        return abs(self.risks[1] - self.risks[0])


@dataclass(frozen=True, kw_only=True)
class ReferencePatient:
    """The named reference: the median training patient of the same product."""

    n_patients: int
    risks: Mapping[str, RiskEstimate]
    typical: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One lever: risks per grade (2 and 3) without and with it, simulated, as (value, error, low, high)."""

    kind: str
    label: str
    usual: Mapping[int, tuple[float, float, float, float]]
    with_it: Mapping[int, tuple[float, float, float, float]]
    difference: Mapping[int, tuple[float, float, float, float]]


@dataclass(frozen=True, kw_only=True)
class Later:
    """How what is simulated some hours after the first dose was made.

    ``n_kept`` of ``n_simulated`` people were still at risk at ``hour`` with this ``worst_grade``. ``past``: levers that
    cannot be pulled any more, in words.
    """

    hour: int
    worst_grade: int
    past: tuple[str, ...]
    n_kept: int
    n_simulated: int


@dataclass(frozen=True, kw_only=True)
class SimulatedPart:
    """What the simulator says of patients like this one: under the ensemble, with levers, under scenarios.

    ``usual`` by grade as (value, error, low, high); ``scenarios`` name -> (risk of grade >= 2, error); ``waits_h``:
    hours after the most recent dose within which 50, 90 and 95% of the onsets fall (None without any CRS);
    ``held``: columns whose value the simulated population cannot have.
    """

    usual: Mapping[int, tuple[float, float, float, float]]
    changes: Sequence[Change]
    scenarios: Mapping[str, tuple[float, float]]
    waits_h: tuple[float, float, float] | None
    n_members: int
    n_people: int
    held: tuple[str, ...] = ()
