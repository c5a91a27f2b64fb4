"""Predict: risks for a table of patients with an account of every row, or a refusal that says the
cure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.risk_model import Column, ModelParts, Prediction, RefusedGroup
from crsrisk.errors import InputError
from crsrisk.fields import OTHER_PLATFORM
from crsrisk.model.features import columns_needed, feature_array, read_columns
from crsrisk.model.forest import Forest, forest_of, raw_log_odds_by

_OTHER = (
    f"platform {OTHER_PLATFORM} is none of those that the model was trained on: a model that was"
    " trained on such patients is needed."
)

Floats: TypeAlias = NDArray[np.float64]
# of a contract: words as text, the others as floats
Columns: TypeAlias = Mapping[str, NDArray[Any]]
Notes: TypeAlias = list[list[str]]  # by row: the sentences about it


def predict(model: ModelParts, observed: pd.DataFrame) -> Prediction:
    """The risk of every patient (0-1), alone or in a batch the same to the last bit.

    Any value may be missing. A row with an impossible value, or of a group of whom the model gives
    no risk, is *refused* (risk NaN); one outside
    what the model has seen, of an unknown product, or without a value that no training patient
    lacked, is *warned* about. A table of another kind (a missing column, text in a number, a
    patient twice) raises :class:`InputError`. The reasons name columns and bounds, never a
    patient's value.
    """
    return score_columns(model, read_contract(model, observed), index=observed.index)


def read_contract(model: ModelParts, observed: pd.DataFrame) -> Columns:
    """The columns that the contract names as arrays; a table of another kind raises
    :class:`InputError`.
    """
    check_table(model, observed)
    return read_columns(observed, columns=[column.name for column in model.contract.columns])


def score_columns(model: ModelParts, columns: Columns, *, index: pd.Index[Any]) -> Prediction:
    """:func:`predict` for columns that are read."""
    refusals, warnings, missing = account(model, columns, n_rows=len(index))
    is_refused = np.array([bool(text) for text in refusals], dtype=bool)
    is_warned = np.array([bool(text) for text in warnings], dtype=bool)
    risk = model.calibrator.risk(
        raw_log_odds_by(forest_of(model.booster_text), matrix_of(model, columns))
    )
    rows = pd.DataFrame(
        {
            "risk": np.where(is_refused, np.nan, risk),
            "risk_low": np.nan,
            "risk_high": np.nan,
            "status": np.where(is_refused, "refused", np.where(is_warned, "warned", "ok")),
            "reasons": [
                " ".join((*no, *note)) for no, note in zip(refusals, warnings, strict=True)
            ],
            "missing": [", ".join(names) for names in missing],
        },
        index=index,
    )
    return Prediction(
        rows=rows,
        model=model.label,
        outcome_in_words=model.contract.outcome_in_words,
        notice=model.notice,
    )


def matrix_of(model: ModelParts, columns: Mapping[str, Any]) -> Floats:
    """What the trees read, (patients, features): the features with the contract's stand-ins for
    missing.

    ``columns`` are arrays or one patient's plain values, see
    :func:`crsrisk.model.features.feature_array`.
    """
    return filled(feature_array(columns, names=model.contract.feature_names), fill_of(model))


def fill_of(model: ModelParts) -> Floats:
    """By feature, what stands in for a missing value; NaN where the trees know missing."""
    return np.array(
        [np.nan if feature.fill is None else feature.fill for feature in model.contract.features]
    )


def filled(table: Floats, fill: Floats) -> Floats:
    """A table of features with stand-ins for what is missing."""
    return np.where(np.isnan(table), fill, table)


def feature_matrix(model: ModelParts, observed: pd.DataFrame) -> Floats:
    """:func:`matrix_of` for a table of patients."""
    return matrix_of(
        model, read_columns(observed, columns=columns_needed(model.contract.feature_names))
    )


def raw_log_odds(model: ModelParts, observed: pd.DataFrame) -> Floats:
    """The trees' log-odds before calibration, shape (patients,)."""
    return raw_log_odds_by(forest_of(model.booster_text), feature_matrix(model, observed))


def check_table(model: ModelParts, observed: pd.DataFrame) -> None:
    """Refuse a table that is not of the kind the contract names."""
    names = [column.name for column in model.contract.columns]
    if twice := sorted({str(name) for name in observed.columns[observed.columns.duplicated()]}):
        raise InputError(
            where="table",
            key=", ".join(twice),
            found="the column twice",
            expected="each column once",
            cure="keep one of them",
        )
    if absent := [name for name in names if name not in observed.columns]:
        raise InputError(
            where="table",
            key=", ".join(absent),
            found="no such column",
            expected=f"the columns of {model.label}",
            cure="add them; a cell may be empty, a column may not be absent",
        )
    if "patient_id" in observed.columns and (repeated := observed["patient_id"].duplicated()).any():
        raise InputError(
            where="table",
            key=f"row {int(np.argmax(repeated)) + 1}, patient_id",
            found="a patient who was there before",
            expected="each patient once",
            cure="give every row its own patient_id",
        )


def account(model: ModelParts, columns: Columns, *, n_rows: int) -> tuple[Notes, Notes, Notes]:
    """For every row: why it is refused, what to be warned of, and which columns are missing."""
    refusals: Notes = [[] for _ in range(n_rows)]
    warnings: Notes = [[] for _ in range(n_rows)]
    missing: Notes = [[] for _ in range(n_rows)]

    def note(book: Notes, where: NDArray[np.bool_], text: str) -> None:
        for row in where.nonzero()[0]:
            book[row].append(text)

    for column in model.contract.columns:
        values = columns[column.name]
        is_missing = values == "" if column.kind == "word" else np.isnan(values)
        wrong = is_impossible(values, column=column)
        note(missing, is_missing, column.name)
        if not column.was_missing_in_training:
            note(
                warnings,
                is_missing,
                f"{column.name} is missing, but was known of every training patient.",
            )
        possible = f"{_span(column.possible)} {_unit(column)}".strip()
        note(refusals, wrong, f"{column.name} is impossible: outside {possible}.")
        note(warnings, _is_new(values, column) & ~wrong, _unseen(column))
        if column.name == "platform" and OTHER_PLATFORM not in column.levels:
            note(refusals, values == OTHER_PLATFORM, _OTHER)
    for group in model.contract.refused:
        note(refusals, in_group(columns, group), f"No risk is given for {group.in_words()}.")
    return refusals, warnings, missing


def in_group(columns: Mapping[Any, Any], group: RefusedGroup) -> Any:
    """Which rows, or whether the one row, lie within all bounds of a group."""
    return np.logical_and.reduce(
        [bound.holds(np.asarray(columns[bound.column], np.float64)) for bound in group.bounds]
    )


def is_impossible(values: Any, *, column: Column) -> Any:
    """Which values of a column, or whether the one value, cannot be; a missing one and words
    can.
    """
    if column.kind == "word":
        return values != values  # none, in the shape of the values
    if column.kind == "flag":
        return (values == values) & (values != 0) & (values != 1)  # NaN differs from itself
    return _outside(values, column.possible)


def _is_new(values: NDArray[Any], column: Column) -> NDArray[np.bool_]:
    """Which values lie outside what the model has seen; a missing one does not."""
    if column.kind == "word":
        return np.array([word != "" and word not in column.levels for word in values], dtype=bool)
    return np.asarray(_outside(values, column.trained))


def _outside(values: Any, span: tuple[float, float] | None) -> Any:
    low, high = span if span is not None else (-np.inf, np.inf)
    return (values < low) | (values > high)


def _unseen(column: Column) -> str:
    if column.kind == "word":
        return (
            f"{column.name} is not one that the model was trained on: its own effect is unknown, "
            "the risk rests on the rest."
        )
    seen = f"{_span(column.trained)} {_unit(column)}".strip()
    return (
        f"{column.name} is outside what the model has seen, {seen}: the trees go on as at the edge."
    )


def _span(span: tuple[float, float] | None) -> str:
    return "any range" if span is None else f"{span[0]:g} to {span[1]:g}"


def _unit(column: Column) -> str:
    return "" if column.unit == "1" else column.unit


# One row: the risk of one patient in microseconds, the same to the last bit as
# :func:`crsrisk.model.predict.predict`.
#
# A table of one row costs a hundred times as much as the risk in it. So a service, or a what-if
# with a thousand variations of one patient, gives plain values by name. Everything that decides the
# number is shared with the tables: the features' arithmetic, the stand-ins, the trees, the
# calibration.


Cell: TypeAlias = str | float | bool | None


@dataclass(frozen=True, eq=False)
class OneRow:
    """A model made ready for single patients: ``OneRow.of(model).risk(patient)``."""

    model: ModelParts
    names: tuple[str, ...]
    fill: Floats
    forest: Forest

    @classmethod
    def of(cls, model: ModelParts) -> OneRow:
        """Make a model ready; do it once, keep it."""
        return cls(
            model, model.contract.feature_names, fill_of(model), forest_of(model.booster_text)
        )

    def risk(self, patient: Mapping[str, Cell]) -> float:
        """The calibrated risk (0-1) of one patient, given as values by column; None or NaN is
        missing.

        Words as text, yes/no as Booleans or 0 and 1, numbers in the units of the contract. Raises
        :class:`InputError` for a column that is absent, text in a number, and an impossible value:
        where :func:`crsrisk.model.predict.predict` refuses the row. What it warns of is told there
        alone.
        """
        columns = {column.name: _plain(patient, column) for column in self.model.contract.columns}
        for group in self.model.contract.refused:
            if in_group(columns, group):
                raise refused_patient(group)
        matrix = filled(feature_array(columns, names=self.names), self.fill)
        return float(self.model.calibrator.risk(raw_log_odds_by(self.forest, matrix))[0])


def refused_patient(group: RefusedGroup) -> InputError:
    """That no risk is given of a patient, and what to do."""
    return InputError(
        where="patient",
        key=", ".join(bound.column for bound in group.bounds),
        found=f"a patient with {group.in_words()}",
        expected="a patient of whom the model can give a risk",
        cure="check the reading; if it is right, this model cannot estimate the patient's risk",
    )


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
    return InputError(
        where="patient", key=column.name, found=found, expected=expected, cure="correct the value"
    )
