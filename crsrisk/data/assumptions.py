"""Assumptions: every number of the synthetic world, with its meaning, unit, spread, range, source
and strength.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic_core import PydanticCustomError

from crsrisk.errors import InputError
from crsrisk.results import Result

# suffix of a name -> the unit it promises; a name without such a suffix is a pure number (unit "1")
UNIT_OF_SUFFIX: Mapping[str, str] = MappingProxyType(
    {
        "_per_h": "1/h",
        "_pg_ml_h": "pg/mL/h",
        "_l_h": "L/h",
        "_mg_l": "mg/L",
        "_ug_l": "ug/L",
        "_pg_ml": "pg/mL",
        "_g_l": "g/L",
        "_x_uln": "x ULN",
        "_umol_l": "umol/L",
        "_mmhg": "mmHg",
        "_pct": "%",
        "_kda": "kDa",
        "_nm": "nM",
        "_mm": "mm",
        "_kg": "kg",
        "_years": "years",
        "_mg": "mg",
        "_h": "h",
        "_d": "d",
        "_l": "L",
        "_c": "degC",
        "_e6": "1e6 cells",
        "_copies": "copies per cell",
    }
)


def unit_of_name(name: str) -> str:
    """The unit that a name promises: ``unit_of_name("clearance_l_h") == "L/h"``; "1" for a pure
    number.

    A name with ``__`` relates two quantities (``corr_crp_mg_l__ldh_x_uln``) and is a pure number.
    """
    if "__" in name:
        return "1"
    for suffix, unit in UNIT_OF_SUFFIX.items():
        if name.endswith(suffix):
            return unit
    return "1"


class Strength(StrEnum):
    """How well a number is known."""

    measured = "measured"
    estimated = "estimated"
    expert = "expert"
    assumed = "assumed"


class Strict(BaseModel):
    """Base of every noun read from a file: frozen, no unknown keys, no silent conversion of
    types.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __str__(self) -> str:
        """The same as ``repr``: short where the noun says it in short."""
        return repr(self)


def misfit(key: str, *, found: object, expected: str) -> PydanticCustomError:
    """What a noun raises when one of its values does not fit the others, so that the reader can
    name key and value.
    """
    return PydanticCustomError(
        "misfit", "{expected}", {"key": key, "found": str(found), "expected": expected}
    )


class Quantity(Strict):
    """A number with its origin. ``spread`` is the SD of its logarithm when ``range`` is positive,
    else its SD.

    ``prior`` is the value that was believed before calibration moved it; absent where calibration
    left it alone.
    """

    value: float
    unit: str
    spread: float
    range: list[float]
    source: str
    strength: str
    prior: float | None = None

    @field_validator("source")
    @classmethod
    def _source_is_said(cls, text: str) -> str:
        if len(text.strip()) < 3:
            raise ValueError("a source (write `assumed: ...` with the reason when there is none)")
        return text

    @field_validator("strength")
    @classmethod
    def _strength_is_known(cls, text: str) -> str:
        if text not in set(Strength):
            raise ValueError(" or ".join(Strength))
        return text

    @model_validator(mode="after")
    def _value_in_range(self) -> Quantity:
        if len(self.range) != 2 or not self.range[0] <= self.value <= self.range[1]:
            raise misfit(
                "range",
                found=self.range,
                expected=f"range as [low, high] around the value {self.value:g}",
            )
        if self.prior is not None and not self.range[0] <= self.prior <= self.range[1]:
            raise misfit(
                "prior", found=self.prior, expected=f"a prior inside the range {self.range}"
            )
        if self.spread < 0:
            raise misfit("spread", found=self.spread, expected="a spread of 0 or more")
        return self


class Assumption(Quantity):
    """One assumption: a quantity and what it means in words a clinician can read."""

    meaning: str


def check_unit(name: str, quantity: Quantity, *, where: str) -> None:
    """Refuse a unit that contradicts the name (``clearance_l_h`` must be in L/h)."""
    if quantity.unit != unit_of_name(name):
        raise InputError(
            where=where,
            key=name,
            found=f"unit {quantity.unit}",
            expected=f"unit {unit_of_name(name)}, as the name says",
            cure="convert the value or rename the quantity",
        )


@dataclass(frozen=True, repr=False)
class Assumptions(Result, Mapping[str, Assumption]):
    """All numbers that the mechanism assumes, by ``stem.name``: ``cascade.tnf_clearance_per_h``.

    A read-only mapping of names to :class:`Assumption`; :meth:`replace` makes another set.

    Examples
    --------
    >>> from crsrisk.data.world_files import load_assumptions
    >>> assumptions = load_assumptions()
    >>> assumptions["vitals.fever_rise_c"].unit
    'degC'
    >>> list(assumptions.to_frame().columns)
    ['name', 'value', 'unit', 'low', 'high', 'strength', 'meaning', 'source']
    """

    entries: Mapping[str, Assumption]

    def __post_init__(self) -> None:
        """Keep the entries where nobody can change them."""
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    def __reduce__(self) -> tuple[type[Assumptions], tuple[dict[str, Assumption]]]:
        """Pickle and copy as a plain dictionary: a read-only view cannot be pickled."""
        return Assumptions, (dict(self.entries),)

    def summary(self) -> str:
        """How many there are, in which parts of the mechanism."""
        stems = dict.fromkeys(name.partition(".")[0] for name in self.entries)
        return f"{len(self)} assumptions of {', '.join(stems)}"

    def to_frame(self) -> pd.DataFrame:
        """One row an assumption: name, value, unit, range, strength, meaning and source."""
        return pd.DataFrame([_frame_row(name, entry) for name, entry in self.entries.items()])

    def __getitem__(self, key: str) -> Assumption:
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def value(self, key: str) -> float:
        """The number itself."""
        return self.entries[key].value

    def group(self, stem: str) -> dict[str, float]:
        """All values of one stem by their short names."""
        return dict(self._by_stem.get(stem, {}))

    @cached_property
    def _by_stem(self) -> dict[str, dict[str, float]]:
        groups: dict[str, dict[str, float]] = {}
        for key, entry in self.entries.items():
            stem, _, name = key.partition(".")
            groups.setdefault(stem, {})[name] = entry.value
        return groups

    def replace(self, values: Mapping[str, float], *, where: str = "replacement") -> Assumptions:
        """A new set with other values; the range of each widens to hold an explicit choice.

        Raises
        ------
        InputError
            For a name that no assumption bears.
        """
        entries = dict(self.entries)
        for key, value in values.items():
            if key not in entries:
                raise InputError(
                    where=where,
                    key=key,
                    found="an unknown assumption",
                    expected="a name such as " + next(iter(self.entries)),
                    cure="see synthetic/assumptions/ for the names",
                )
            old = entries[key]
            span = [min(old.range[0], value), max(old.range[1], value)]
            entries[key] = old.model_copy(update={"value": float(value), "range": span})
        return Assumptions(entries)

    @property
    def digest(self) -> str:
        """Hash of every name and value: two cohorts with equal digests rest on the same numbers."""
        values = {key: self.entries[key].value for key in sorted(self.entries)}
        return digest_of(values)


def _frame_row(name: str, quantity: Quantity) -> dict[str, object]:
    low, high = quantity.range
    meaning = {"meaning": quantity.meaning} if isinstance(quantity, Assumption) else {}
    return {
        "name": name,
        "value": quantity.value,
        "unit": quantity.unit,
        "low": low,
        "high": high,
        "strength": quantity.strength,
        **meaning,
        "source": quantity.source,
    }


def quantities_frame(noun: BaseModel) -> pd.DataFrame:
    """Every quantity of a noun and of its parts, one row each: name, value, unit, range, strength
    and source.
    """
    return pd.DataFrame([_frame_row(name, quantity) for name, quantity in _quantities(noun, "")])


def _quantities(noun: BaseModel, path: str) -> Iterator[tuple[str, Quantity]]:
    for name in type(noun).model_fields:
        part = getattr(noun, name)
        parts = {f".{key}": value for key, value in part.items()} if isinstance(part, dict) else {}
        for key, value in (parts or {"": part}).items():
            if isinstance(value, Quantity):
                yield f"{path}{name}{key}", value
            elif isinstance(value, BaseModel):
                yield from _quantities(value, f"{path}{name}{key}.")


def digest_of(tree: Any) -> str:
    """Short stable hash of a JSON-ready tree."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]


class Override(Strict):
    """A scenario's change of one assumption, with its reason."""

    value: float
    reason: str


class Scenario(Result, Strict):
    """A named set of overrides of assumptions, and the evidence that speaks for it."""

    name: str
    title: str
    evidence: list[str]
    overrides: dict[str, Override]

    def summary(self) -> str:
        """Name, title and how many assumptions it sets."""
        return f"{self.name}, {self.title}; it sets {len(self.overrides)} assumptions"

    def apply(self, assumptions: Assumptions) -> Assumptions:
        """The assumptions with this scenario's values in their place."""
        return assumptions.replace(
            {k: o.value for k, o in self.overrides.items()}, where=f"scenario {self.name}"
        )
