"""Serving: a request with clinical columns in, risk, status and reasons out, as ``crsrisk predict``
answers a table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.product_names import shipped_name
from crsrisk.data.risk_model import Column
from crsrisk.data.table_files import open_table
from crsrisk.data.table_reading import stated_reading
from crsrisk.data.tables import without_empty_numbers
from crsrisk.data.world_files import load_product
from crsrisk.fields import FIELDS, Field, columns_of
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.tracking import ServedForm
from crsrisk.studies.predict import AFTER, score_patients

CODE = Path(__file__).with_name("served_model.py")
OUT = ("risk", "status", "reasons")
_ID = "patient_id"


def answer(
    model: RiskModel, request: Any, *, unknown_product: bool = False, **stated: Any
) -> pd.DataFrame:
    """Risk (0 to 1), status (ok, warned, refused) and reasons of every row of a request.

    A refused row has no risk (None, which JSON writes as null). Columns are named, units stated and
    products found as in a table (:func:`crsrisk.data.tables.read_patients`). Patients need no
    number here: without a column `patient_id` the rows are counted.

    Parameters
    ----------
    model : the model that answers.
    request : a frame, or what MLflow makes of JSON: a list of rows, or columns by name.
    unknown_product : score rows of a product that the model was not trained on, with a warning.
    stated : what is stated about the table, by the names of
        :func:`crsrisk.data.table_reading.stated_reading`: ``rename=["CRP_BASE=crp_mg_l"]``.

    Raises
    ------
    InputError
        For a request that cannot be read as a whole, as a missing column.
    """
    reading = stated_reading(where="request", **stated)
    given = _frame(request)
    table = without_empty_numbers(given.reset_index(drop=True), reading)
    rows = score_patients(model, table, reading=reading, unknown_product=unknown_product).rows
    risk = rows["risk"].astype(object).where(rows["risk"].notna(), None)
    return rows.assign(risk=risk)[list(OUT)].set_axis(given.index, axis=0)


def _frame(request: Any) -> pd.DataFrame:
    """A request as a frame; MLflow hands over cells of JSON's `inputs` as arrays of one value."""
    if isinstance(request, pd.DataFrame):
        return request
    if not isinstance(request, dict | list):
        return open_table(request).cells
    frame = pd.DataFrame(request)
    return frame.map(lambda cell: cell.item() if isinstance(cell, np.ndarray) else cell)


def served_form(model: RiskModel) -> ServedForm:
    """How MLflow serves a model: its code, the columns that it reads, and a request that is made
    up.
    """
    return ServedForm(
        code=CODE, columns=model.contract.column_names, example=example_request(model)
    )


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
