"""Patients made to find where two engines differ: near those of training, at thresholds of trees
and one unit in the last place beside them, at the ends of ranges, missing, in a wrong unit,
contradictory.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TypeAlias

import numpy as np

from crsrisk.data.risk_model import Column
from crsrisk.fields import FIELDS
from crsrisk.model.forest import forest_of
from crsrisk.model.risk_model import RiskModel

Cell: TypeAlias = str | float | None
Row: TypeAlias = dict[str, Cell]

_TUMOUR_TYPES = (
    "small_cell_lung",
    "castration_resistant_prostate",
    "Ovarian cancer",
    "ovarian_mesothelioma",
    "neuroblastoma",
    "a type of our own",
    "",
)
_WRONG_UNITS = (10.0, 0.1, 1000.0, 88.42, -1.0)
_WIDE = 0.5  # SD of the logarithm by which a value is moved


def made_patients(
    model: RiskModel, *, n: int, seed: int, products: Collection[str] = (), is_sound: bool = False
) -> list[Row]:
    """``n`` patients for a model, by column of its contract and the tumour type: under these
    products, or all of the model's. ``is_sound``: product, platform and tumour type as they are.
    """
    rng = np.random.default_rng(seed)
    forest = forest_of(model.booster_text)
    by_feature = {
        name: np.unique(forest.nodes["threshold"][forest.nodes["feature"] == place])
        for place, name in enumerate(forest.feature_names)
    }
    medians = [
        one
        for one in model.contract.median_patients
        if one.group == "product" and (not products or one.name in products)
    ]
    rows = []
    for _ in range(n):
        start = medians[rng.integers(len(medians))].values
        row: Row = {
            column.name: _plain(start.get(column.name)) for column in model.contract.columns
        }
        has_type = not is_sound and rng.random() < 0.2
        row["tumour_type"] = str(rng.choice(_TUMOUR_TYPES)) if has_type else ""
        n_changed = int(rng.choice([0, 1, 2, 4, 8, len(model.contract.columns)]))
        columns = rng.permutation(len(model.contract.columns))[:n_changed]
        for column in (model.contract.columns[place] for place in columns):
            if is_sound and column.kind == "word":
                continue
            row[column.name] = _changed(column, row[column.name], by_feature, rng)
        rows.append(row)
    return rows


def _plain(value: object) -> Cell:
    if value is None or isinstance(value, str):
        return value
    return float(value)  # type: ignore[arg-type]


def _changed(
    column: Column, cell: Cell, thresholds: dict[str, np.ndarray], rng: np.random.Generator
) -> Cell:
    """Another value of a column: most of them such as a patient may have."""
    if rng.random() < 0.2:
        return None if column.kind != "word" else ""
    if column.kind == "word":
        others = [*column.levels, "other", "a product of our own"]
        return cell if rng.random() < 0.7 else str(rng.choice(others))
    if column.kind == "flag":
        return float(rng.choice([0.0, 1.0, 0.5], p=[0.48, 0.48, 0.04]))
    value = _odd_number(column, cell, thresholds.get(column.name, np.empty(0)), rng)
    direction = rng.choice([-math.inf, 0.0, math.inf], p=[0.2, 0.6, 0.2])
    return value if direction == 0 else math.nextafter(value, float(direction))


def _odd_number(
    column: Column, cell: Cell, thresholds: np.ndarray, rng: np.random.Generator
) -> float:
    known = cell if isinstance(cell, float) else 1.0
    kind = rng.random()
    finite = thresholds[np.isfinite(thresholds)]
    if kind < 0.5 or not len(finite):
        return known * float(np.exp(_WIDE * rng.normal()))
    if kind < 0.8:
        return float(rng.choice(finite))
    if kind < 0.9:
        ends = [end for span in (column.trained, column.possible) if span for end in span]
        return float(rng.choice(ends or [0.0]))
    if kind < 0.95 and column.name in FIELDS:
        return known * float(rng.choice(_WRONG_UNITS))
    return 0.0
