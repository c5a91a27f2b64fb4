"""Serving: a request with clinical columns in, risk, status and reasons out, as ``crsrisk predict``
answers a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from crsrisk.data.product_names import shipped_name
from crsrisk.data.risk_model import Column
from crsrisk.data.world_files import load_product
from crsrisk.fields import FIELDS, Field, columns_of
from crsrisk.model.landmark import course_columns
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.tracking import ServedForm
from crsrisk.studies.predict import AFTER, score_patients

CODE = Path(__file__).with_name("served_model.py")
OUT = ("risk", "status", "reasons")
_ID = "patient_id"
_BESIDE = ("unit", "upper_limit", "upper_limit_u_l", "time")  # of a quantity, row by row


def answer(
    model: RiskModel, request: pd.DataFrame, *, unknown_product: bool = False
) -> pd.DataFrame:
    """Risk (0 to 1), status (ok, warned, refused) and reasons of every row of a request.

    A refused row has no risk (None, which JSON writes as null). Columns are named, units stated and
    products found as in a table (:func:`crsrisk.data.tables.read_patients`). Patients need no
    number here: without a column `patient_id` the rows are counted. ``unknown_product``: score rows
    of a product that the model was not trained on, with a warning.

    Raises
    ------
    InputError
        For a request that cannot be read as a whole, as a missing column.
    """
    table = request.reset_index(drop=True)
    # a column of which no row has a value, as a client may send it for what it does not know
    if _ID not in table.columns or bool(table[_ID].isna().all()):
        table = table.drop(columns=_ID, errors="ignore").assign(**{_ID: np.arange(len(table)) + 1})
    rows = score_patients(model, table, unknown_product=unknown_product).rows
    risk = rows["risk"].astype(object).where(rows["risk"].notna(), None)
    return rows.assign(risk=risk)[list(OUT)].set_axis(request.index, axis=0)


def served_form(model: RiskModel) -> ServedForm:
    """How MLflow serves a model: its code, every column that a request may have, and a request that
    is made up.
    """
    return ServedForm(
        code=CODE, columns=tuple(dict.fromkeys(_columns(model))), example=example_request(model)
    )


def _columns(model: RiskModel) -> Iterator[str]:
    """Every way to name a column of a patient, with units, limits and times of its own beside it.

    MLflow drops a column that is not named here, so that a unit, or that a value was taken after
    the dose, would be dropped in silence.
    """
    yield from (_ID, "sample_time", "dose_time")
    for name in (*columns_of("observed"), *columns_of("input")):
        field = FIELDS[name]
        yield from field.spellings
        yield from (f"{field.quantity}_{_plain(unit)}" for unit in field.accepted_units[1:])
        if field.unit != "1":
            yield field.quantity
            yield from (f"{field.quantity}_{beside}" for beside in _BESIDE)
    yield from ("sex", "gender")
    yield from (name for name in model.contract.column_names if AFTER in name)
    if model.contract.landmark_h:
        yield from course_columns(hour=model.contract.landmark_h)


def _plain(unit: str) -> str:
    """A unit as it stands in the name of a column: mg/dL -> mg_dl."""
    return re.sub(r"[^a-z0-9]+", "_", unit.lower().replace("%", "pct")).strip("_")


def example_request(model: RiskModel) -> pd.DataFrame:
    """One made-up patient: middles of ranges, no condition, the first product; nobody's values."""
    contract = {column.name: column for column in model.contract.columns}
    row: dict[str, float | str | bool | int] = {
        name: _of_contract(contract[name]) if name in contract else _of_field(FIELDS[name])
        for name in (*columns_of("observed"), *(name for name in contract if AFTER in name))
        if name != _ID  # not asked for: nobody's number is to be sent
    }
    if (product := shipped_name(str(row["product"]))) is not None:
        row["platform"] = load_product(product).platform
        row["tumour_type"] = load_product(product).population
    if model.contract.landmark_h:
        row[f"grade__max__h{model.contract.landmark_h}"] = 0.0
    return pd.DataFrame([row])


def _of_contract(column: Column) -> float | str | bool:
    if column.kind == "word":
        return column.levels[0] if column.levels else "other"
    if column.kind == "flag":
        return False
    middle = _middle(column.trained or column.possible)
    is_whole = column.name in FIELDS and FIELDS[column.name].kind == "int"
    return float(round(middle)) if is_whole else middle


def _of_field(field: Field) -> float | str | bool | int:
    if field.kind == "category":
        return field.categories[0] if field.categories else "other"
    if field.kind == "bool":
        return False
    middle = _middle(field.usual or field.plausible or field.possible)
    return int(middle) if field.kind == "int" else middle


def _middle(span: tuple[float, float] | None) -> float:
    low, high = span or (0.0, 1.0)
    return float(f"{(low + high) / 2:.2g}")
