"""One row: the risk of one patient in microseconds, the same to the last bit as :func:`crsrisk.learn.predict.predict`.

A table of one row costs a hundred times as much as the risk in it. So a service, or a what-if with a thousand
variations of one patient, gives plain values by name. Everything that decides the number is shared with the tables:
the features' arithmetic, the stand-ins, the trees, the calibration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from crsrisk.domain.risk_model import Column, RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import feature_array
from crsrisk.learn.forest import Floats, Forest, forest_of, raw_log_odds_by
from crsrisk.learn.predict import fill_of, filled, is_impossible

Cell: TypeAlias = str | float | bool | None


@dataclass(frozen=True, eq=False)
class OneRow:
    """A model made ready for single patients: ``OneRow.of(model).risk(patient)``."""

    model: RiskModel
    names: tuple[str, ...]
    fill: Floats
    forest: Forest

    @classmethod
    def of(cls, model: RiskModel) -> OneRow:
        """Make a model ready; do it once, keep it."""
        return cls(model, model.contract.feature_names, fill_of(model), forest_of(model.booster_text))

    def risk(self, patient: Mapping[str, Cell]) -> float:
        """The calibrated risk (0-1) of one patient, given as values by column; None or NaN is missing.

        Words as text, yes/no as Booleans or 0 and 1, numbers in the units of the contract. Raises
        :class:`InputError` for a column that is absent, text in a number, and an impossible value: where
        :func:`crsrisk.learn.predict.predict` refuses the row. What it warns of is told there alone.
        """
        columns = {column.name: _plain(patient, column) for column in self.model.contract.columns}
        matrix = filled(feature_array(columns, names=self.names), self.fill)
        return float(self.model.calibrator.risk(raw_log_odds_by(self.forest, matrix))[0])


def _plain(patient: Mapping[str, Cell], column: Column) -> str | float:
    """One value as text or float, a missing one as "" or NaN."""
    try:
        cell = patient[column.name]
    except KeyError:
        raise _bad(column, "no such value", "a value, or None where it is missing") from None
    if column.kind == "word":
        return "" if cell is None or cell != cell else str(cell)  # NaN differs from itself
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        raise _bad(column, "text", "a number, true or false, or None")
    value = float(cell)
    if math.isinf(value) or is_impossible(value, column=column):
        possible = "0 or 1" if column.kind == "flag" else f"{column.possible}"
        raise _bad(column, "an impossible value", f"{possible} {column.unit}".removesuffix(" 1"))
    return value


def _bad(column: Column, found: str, expected: str) -> InputError:
    return InputError(where="patient", key=column.name, found=found, expected=expected, cure="correct the value")
