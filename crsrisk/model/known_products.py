"""Known products: the products of a model, found by any of their names in a table of patients, and
rows whose therapy contradicts itself refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.identity import contradictions
from crsrisk.data.product_names import nearest, plain, shipped_name
from crsrisk.data.risk_model import ModelParts, Prediction
from crsrisk.fields import FIELDS

_PRODUCT = "product"


def levels_of(model: ModelParts) -> tuple[str, ...] | None:
    """The products that the model was trained on; None for a model that does not read them."""
    for column in model.contract.columns:
        if column.name == _PRODUCT:
            return tuple(column.levels)
    return None


def trained_name(text: str, levels: Collection[str]) -> str | None:
    """The product of the model that a text names in any case, by generic, brand or code name; None
    where it has none.

    >>> trained_name("Imdelltra", ["tarlatamab"]), trained_name("Our CAR-T", ["our_car_t"])
    ('tarlatamab', 'our_car_t')
    """
    if text in levels:
        return text
    alike = [level for level in levels if plain(level) == plain(text)]
    if len(alike) == 1:
        return alike[0]
    name = shipped_name(text)
    return name if name in levels else None


def with_trained_names(model: ModelParts, observed: pd.DataFrame) -> pd.DataFrame:
    """The table with the model's own names of its products; others stay as they are."""
    levels = levels_of(model)
    if levels is None or _PRODUCT not in observed.columns:
        return observed
    words = observed[_PRODUCT]
    names = {
        word: name
        for word in words.dropna().unique()
        if isinstance(word, str)
        and word not in levels
        and (name := trained_name(word, levels)) is not None
    }
    return observed.assign(**{_PRODUCT: words.replace(names)}) if names else observed


def is_unknown(model: ModelParts, observed: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are of a product that the model was not trained on; a missing one is not."""
    levels = levels_of(model)
    if levels is None:
        return np.zeros(len(observed), dtype=np.bool_)
    words = observed[_PRODUCT]
    return np.asarray((~words.isin(levels) & words.notna() & (words != "")).to_numpy(), dtype=bool)


def nearest_names(text: str, model: ModelParts) -> str:
    """Products with a name like this one that the model knows, or all that it knows."""
    levels = levels_of(model) or ()
    near = [name for name in nearest(text, also=levels) if name in levels]
    return f"the nearest that it knows: {', '.join(near)}" if near else f"{', '.join(levels)}"


def without_contradictions(found: Prediction, observed: pd.DataFrame) -> Prediction:
    """The prediction with the rows refused whose cells contradict each other."""
    columns: dict[str, NDArray[Any]] = {}
    for name in ("product", "platform", "tumour_type", "is_female", "age_years"):
        if name not in observed.columns:
            continue
        if FIELDS[name].kind == "category":
            columns[name] = observed[name].fillna("").astype(str).to_numpy(dtype=object)
        else:
            numbers = pd.to_numeric(observed[name], errors="coerce")
            columns[name] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    told = found.rows["reasons"].astype(str).tolist()
    is_refused = found.is_refused.copy()
    for one in contradictions(columns):
        reason = f"{one.column} contradicts another column; expected {one.expected}."
        told[one.row] = f"{reason} {told[one.row]}".strip()
        is_refused[one.row] = True
    if told == found.rows["reasons"].tolist():
        return found
    rows = found.rows.assign(
        risk=np.where(is_refused, np.nan, found.risk),
        status=np.where(is_refused, "refused", found.rows["status"]),
        reasons=told,
    )
    return replace(found, rows=rows)
