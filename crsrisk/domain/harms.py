"""Harms: what prophylaxis costs the person who gets it, counted in CRS events of grade >= 2."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite

from crsrisk.errors import InputError


@dataclass(frozen=True)
class Harms:
    """What each harm weighs against one CRS of grade >= 2: judgements of value that a committee sets.

    ``infection_weight`` for one serious infection, ``response_weight`` for one lost tumour response, ``burden_per_course``
    for one course of prophylaxis by itself (cost, time, reactions). Raises :class:`InputError` for a negative weight.
    """

    infection_weight: float
    response_weight: float
    burden_per_course: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isfinite(value) or value < 0.0:
                raise InputError(where="harms", key=field.name, found=value, expected="a number of 0 or more",
                                 cure="write what the harm weighs against one CRS of grade >= 2, without a minus sign")


@dataclass(frozen=True)
class LedgerRow:
    """One harm: how much of it per treated patient, what one weighs, and their product in CRS events."""

    harm: str
    per_treated: float
    weight: float

    @property
    def crs_units(self) -> float:
        """Events of CRS that the harm to one treated patient weighs."""
        return self.per_treated * self.weight


@dataclass(frozen=True)
class Ledger:
    """All harms of one strategy and the risk from which it pays.

    >>> ledger = Ledger(0.5, (LedgerRow("infections", 0.03, 1.0), LedgerRow("course", 1.0, 0.02)))
    >>> round(ledger.harm, 3), round(ledger.threshold, 3)
    (0.05, 0.1)
    """

    risk_ratio: float
    rows: tuple[LedgerRow, ...]

    @property
    def harm(self) -> float:
        """h: harm of one treated patient in CRS events; below 0 when more harm is spared than done."""
        return sum(row.crs_units for row in self.rows)

    @property
    def threshold(self) -> float:
        """t* = h / (1 - RR): the risk above which prophylaxis pays; infinite if it averts nothing, 0 if it only spares."""
        if self.risk_ratio >= 1.0:
            return inf if self.harm >= 0.0 else 0.0
        return max(self.harm, 0.0) / (1.0 - self.risk_ratio)
