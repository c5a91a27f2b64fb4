"""Predict: risks for a table of patients with an account of every row, or a refusal that says the cure."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.risk_model import Column, Prediction, RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import build_features, numbers_of, words_of
from crsrisk.learn.booster import booster_of, raw_log_odds_of

Floats: TypeAlias = NDArray[np.float64]
Notes: TypeAlias = list[list[str]]  # by row: the sentences about it


def predict(model: RiskModel, observed: pd.DataFrame) -> Prediction:
    """The risk of every patient (0-1), alone or in a batch the same to the last bit.

    Any value may be missing. A row with an impossible value is *refused* (risk NaN); one outside what the
    model has seen, of an unknown product, or without a value that no training patient lacked, is *warned*
    about. A table of another kind (a missing column, text in a number, a patient twice) raises
    :class:`InputError`. The reasons name columns and bounds, never a patient's value.
    """
    check_table(model, observed)
    refusals, warnings, missing = account(model, observed)
    is_refused = np.array([bool(text) for text in refusals])
    risk = model.calibrator.risk(raw_log_odds(model, observed))
    is_warned = np.array([bool(text) for text in warnings])
    rows = pd.DataFrame({
        "risk": np.where(is_refused, np.nan, risk),
        "status": np.where(is_refused, "refused", np.where(is_warned, "warned", "ok")),
        "reasons": [" ".join((*no, *note)) for no, note in zip(refusals, warnings, strict=True)],
        "missing": [", ".join(names) for names in missing],
    }, index=observed.index)
    return Prediction(rows=rows, model=model.label, outcome_in_words=model.contract.outcome_in_words)


def feature_matrix(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """What the trees read, (patients, features): the features with the contract's stand-ins for missing."""
    table = build_features(observed, names=model.contract.feature_names).to_numpy(dtype=np.float64)
    fill = np.array([np.nan if feature.fill is None else feature.fill for feature in model.contract.features])
    return np.where(np.isnan(table), fill, table)


def raw_log_odds(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """The trees' log-odds before calibration, shape (patients,)."""
    return raw_log_odds_of(booster_of(model.booster_text), feature_matrix(model, observed))


def check_table(model: RiskModel, observed: pd.DataFrame) -> None:
    """Refuse a table that is not of the kind the contract names."""
    names = [column.name for column in model.contract.columns]
    if twice := sorted({str(name) for name in observed.columns[observed.columns.duplicated()]}):
        raise InputError(where="table", key=", ".join(twice), found="the column twice",
                         expected="each column once", cure="keep one of them")
    if absent := [name for name in names if name not in observed.columns]:
        raise InputError(where="table", key=", ".join(absent), found="no such column",
                         expected=f"the columns of {model.label}",
                         cure="add them; a cell may be empty, a column may not be absent")
    if "patient_id" in observed.columns and (repeated := observed["patient_id"].duplicated()).any():
        raise InputError(where="table", key=f"row {int(np.argmax(repeated)) + 1}, patient_id",
                         found="a patient who was there before", expected="each patient once",
                         cure="give every row its own patient_id")


def account(model: RiskModel, observed: pd.DataFrame) -> tuple[Notes, Notes, Notes]:
    """For every row: why it is refused, what to be warned of, and which columns are missing."""
    refusals: Notes = [[] for _ in range(len(observed))]
    warnings: Notes = [[] for _ in range(len(observed))]
    missing: Notes = [[] for _ in range(len(observed))]

    def note(book: Notes, where: NDArray[np.bool_], text: str) -> None:
        for row in np.flatnonzero(where):
            book[row].append(text)

    for column in model.contract.columns:
        is_missing, is_impossible, is_new = _look_at(observed, column)
        note(missing, is_missing, column.name)
        if not column.was_missing_in_training:
            note(warnings, is_missing, f"{column.name} is missing, but was known of every training patient.")
        possible = f"{_span(column.possible)} {_unit(column)}".strip()
        note(refusals, is_impossible, f"{column.name} is impossible: outside {possible}.")
        note(warnings, is_new & ~is_impossible, _unseen(column))
    return refusals, warnings, missing


def _look_at(
    observed: pd.DataFrame, column: Column
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """By row: is the value missing, is it impossible, is it outside what the model has seen?"""
    if column.kind == "word":
        words = words_of(observed, column=column.name)
        is_missing = words == ""
        is_new = ~is_missing & ~np.isin(words.astype(str), np.array(column.levels, dtype=str))
        return is_missing, np.zeros(len(words), dtype=bool), is_new
    values = numbers_of(observed, column=column.name)
    is_impossible = _outside(values, column.possible)
    if column.kind == "flag":
        is_impossible = ~np.isnan(values) & (values != 0) & (values != 1)
    return np.isnan(values), is_impossible, _outside(values, column.trained)


def _outside(values: Floats, span: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Which values lie outside; a missing one does not."""
    if span is None:
        return np.zeros(len(values), dtype=bool)
    return np.asarray((values < span[0]) | (values > span[1]))


def _unseen(column: Column) -> str:
    if column.kind == "word":
        return (f"{column.name} is not one that the model was trained on: its own effect is unknown, "
                "the risk rests on the rest.")
    seen = f"{_span(column.trained)} {_unit(column)}".strip()
    return f"{column.name} is outside what the model has seen, {seen}: the trees go on as at the edge."


def _span(span: tuple[float, float] | None) -> str:
    return "any range" if span is None else f"{span[0]:g} to {span[1]:g}"


def _unit(column: Column) -> str:
    return "" if column.unit == "1" else column.unit
