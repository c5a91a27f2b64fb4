"""Median patients: whom a patient's reasons compare him with.

The middle value of every column among the training patients of one product (of words the most
frequent, of yes and no what most have). Of fewer than ten patients nothing is kept: such a product,
and one that the model was not trained on, is compared with the median patient of its platform, or
of all training patients, who is then taken to get the same product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.disclosure import frequent_words, is_told
from crsrisk.data.risk_model import Column, MedianPatient
from crsrisk.errors import InputError
from crsrisk.model.additive import quantile
from crsrisk.model.features import numbers_of, read_columns, words_of

_DIGITS = 3
# what a reason never compares across: the reference patient gets what the patient gets
_THERAPY = ("product", "platform")

Floats = NDArray[np.float64]
Cells = Mapping[str, bool | float | str | None]


def median_patients(
    observed: pd.DataFrame, *, columns: Sequence[Column], sample_weight: Floats | None = None
) -> tuple[MedianPatient, ...]:
    """The median patients of training: of every product and platform, and of all; each of ten or
    more patients. ``sample_weight`` (patients,): how many each stands for.
    """
    weight = np.ones(len(observed)) if sample_weight is None else sample_weight
    made = []
    for group in ("product", "platform"):
        if group in {column.name for column in columns}:
            words = words_of(observed, column=group)
            made += [
                _median(
                    observed[words == word],
                    columns,
                    group=group,
                    name=str(word),
                    weight=weight[words == word],
                )
                for word in frequent_words(words)
            ]
    if is_told(len(observed)):
        made.append(_median(observed, columns, group="all", name="", weight=weight))
    return tuple(made)


def _median(
    rows: pd.DataFrame, columns: Sequence[Column], *, group: Any, name: str, weight: Floats
) -> MedianPatient:
    values = {
        column.name: typical_value(rows, column.name, kind=column.kind, weight=weight)
        for column in columns
    }
    return MedianPatient(group=group, name=name, n_patients=len(rows), values=values)


def typical_value(
    rows: pd.DataFrame, column: str, *, kind: str, weight: Floats
) -> bool | float | str | None:
    """The middle value of a column in three digits, the most frequent word (the first by name among
    equals), or what most have; None where fewer than ten have a value, or the same word.
    """
    if kind == "word":
        words = words_of(rows, column=column)
        size = {word: weight[words == word].sum() for word in frequent_words(words)}
        return max(size, key=lambda word: size[word]) if size else None
    values = numbers_of(rows, column=column)
    is_known = ~np.isnan(values)
    values, weight = values[is_known], weight[is_known]
    if not is_told(len(values)):
        return None
    if kind == "flag":
        return bool(np.average(values, weights=weight) >= 0.5)
    return in_few_digits(float(quantile(values, 0.5, sample_weight=weight)))


def in_few_digits(value: float) -> float:
    """A statistic of training patients as it is kept."""
    return float(f"{value:.{_DIGITS}g}")


def reference_columns(
    known: Sequence[MedianPatient],
    columns: Mapping[str, NDArray[Any]],
    *,
    contract: Sequence[Column],
    n_rows: int,
) -> tuple[tuple[MedianPatient, ...], dict[str, NDArray[Any]]]:
    """The median patient that each row is compared with, and their cells by column, shape (rows,).

    ``columns``: of the patients, as :func:`crsrisk.model.features.read_columns` makes them. Raises
    :class:`InputError` for a model that knows no median patient.
    """
    nothing = np.full(n_rows, "", dtype=object)
    therapy = {name: columns.get(name, nothing) for name in _THERAPY}
    kinds = {column.name: column.kind for column in contract}
    chosen = _chosen(known)
    pairs = list(zip(therapy["product"].tolist(), therapy["platform"].tolist(), strict=True))
    whom = {pair: chosen(*map(str, pair)) for pair in dict.fromkeys(pairs)}
    rows = tuple(whom[pair] for pair in pairs)
    cells: dict[str, NDArray[Any]] = {}
    for name, kind in kinds.items():
        if name in _THERAPY:
            cells[name] = columns[name]
            continue
        values = [one.values.get(name) for one in rows]
        cells[name] = (
            np.array(["" if value is None else str(value) for value in values], dtype=object)
            if kind == "word"
            else np.array([np.nan if value is None else value for value in values], dtype=float)
        )
    return rows, cells


def reference_table(
    known: Sequence[MedianPatient], observed: pd.DataFrame, *, contract: Sequence[Column]
) -> pd.DataFrame:
    """The table with the cells of each row's median patient in the columns that the model reads."""
    columns = read_columns(observed, columns=[column.name for column in contract])
    _, cells = reference_columns(known, columns, contract=contract, n_rows=len(observed))
    return observed.assign(**cells)


def _chosen(known: Iterable[MedianPatient]) -> Callable[[str, str], MedianPatient]:
    """A function from product and platform to the median patient that stands for them.

    A folder of a former version knows products only; there the product of the platform with the
    most patients stands for another one.
    """
    by_name = {(one.group, one.name): one for one in known}
    most = sorted(by_name.values(), key=lambda one: (-one.n_patients, one.name))
    if not most:
        raise InputError(
            where="model",
            key="median_patients",
            found="no median patient of training",
            expected="one, to compare patients with",
            cure="fit the model again, to ten patients or more",
        )

    def choose(product: str, platform: str) -> MedianPatient:
        found = by_name.get(("product", product)) or by_name.get(("platform", platform))
        alike = (one for one in most if one.values.get("platform") == platform)
        return found or by_name.get(("all", "")) or next(alike, most[0])

    return choose
