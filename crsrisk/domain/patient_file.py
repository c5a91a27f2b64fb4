"""PatientFile: one patient as a clinician writes him down, in standard units, and what was done to the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class GivenValue:
    """One value: ``value`` in the standard unit of its column (flags 0 or 1), ``written`` as it stands in the file,
    ``number`` and ``unit`` as read there; ``is_confirmed``: the writer says that an unusual value is right."""

    value: float
    written: str
    number: float
    unit: str
    is_converted: bool = False
    is_confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class PatientFile:
    """``values`` by column of the observed table; a column that is not there was not measured. ``product`` is a name or
    the path of a YAML file, ``lines`` the line of each key, for messages. ``course``: readings after the first dose, by
    hour and column without the hour (`crp_mg_l`, `temperature_c__max`)."""

    where: str
    label: str
    product: str
    regimen: str | None
    prophylaxis: tuple[str, ...]
    tumour_type: str | None
    values: Mapping[str, GivenValue]
    lines: Mapping[str, int]
    course: Mapping[int, Mapping[str, GivenValue]] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """File and line of a key, for a message."""
        return f"{self.where}, line {self.lines[key]}" if key in self.lines else self.where
