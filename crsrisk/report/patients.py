"""Table 1: who the patients are, by product, and the table of what happened to them.

A table here is a dictionary: `key`, `title`, `row_header`, `columns` (each `label` and `sub`),
`groups` (each `label` and `rows`; a row has `label`, `note` and one cell for each column), `notes`.
A cell is text, or `{"draw": ...}` for what :mod:`crsrisk.report.drawing` draws. Every table of the
report has this shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.published_figures import wilson_interval
from crsrisk.fields import FIELDS
from crsrisk.wording import MISSING, number, plain_name, significant, unit_in_words

Table = dict[str, Any]

PLATFORMS: Mapping[str, str] = {
    "tce": "T-cell engager",
    "immtac": "TCR-based engager",
    "ici": "Checkpoint inhibitor",
    "car_t": "CAR-T",
    "tcr_t": "TCR-T",
    "til": "TIL",
}
MAX_PRODUCTS = 6  # in one table: more do not fit a page
_GROUPS: Mapping[str, Sequence[str]] = {
    "Patient": (
        "age_years",
        "is_female",
        "weight_kg",
        "ecog",
        "has_prior_checkpoint_inhibitor",
        "has_infection",
    ),
    "Tumour": ("tumour_type", "sum_of_diameters_mm", "n_metastatic_sites", "has_liver_metastases"),
    "Laboratory": (
        "crp_mg_l",
        "ferritin_ug_l",
        "ldh_x_uln",
        "il6_pg_ml",
        "albumin_g_l",
        "platelets_g_l",
        "creatinine_umol_l",
        "lymphocytes_g_l",
    ),
    "Product and prevention": (
        "regimen",
        "antigen_restriction",
        "dose_intensity",
        "is_stepped_up",
        "has_steroid_premedication",
        "has_tocilizumab_prophylaxis",
        "has_lymphodepletion",
    ),
}


def product_order(observed: pd.DataFrame) -> list[str]:
    """The products in the order of every table: by platform, then by name."""
    pairs = observed[["platform", "product"]].drop_duplicates()
    ranks = {name: at for at, name in enumerate(PLATFORMS)}
    found = [
        (ranks.get(str(platform), len(ranks)), str(product))
        for platform, product in pairs.to_numpy()
    ]
    return list(dict.fromkeys(product for _, product in sorted(found)))


def table_one(observed: pd.DataFrame, *, labels: Mapping[str, str]) -> list[Table]:
    """Baseline data by product, in as many tables as needed; ``labels``: short label of each
    product.

    Median (quartiles) of numbers, number (per 100) of yes/no, the last column the share without a
    value.
    """
    order = product_order(observed)
    chunks = [order[start : start + MAX_PRODUCTS] for start in range(0, len(order), MAX_PRODUCTS)]
    made = []
    for at, products in enumerate(chunks):
        letter = chr(ord("a") + at) if len(chunks) > 1 else ""
        made.append(
            _one_table(
                observed, products, labels=labels, numeral=f"1{letter}", key=f"table-1{letter}"
            )
        )
    return made


def _one_table(
    observed: pd.DataFrame,
    products: Sequence[str],
    *,
    labels: Mapping[str, str],
    numeral: str,
    key: str,
) -> Table:
    parts = [observed[observed["product"] == product] for product in products]
    columns = [
        {"label": labels[product], "sub": f"n = {number(len(part), digits=0)}"}
        for product, part in zip(products, parts, strict=True)
    ]
    columns.append({"label": "All products", "sub": f"n = {number(len(observed), digits=0)}"})
    groups = []
    for group, names in _GROUPS.items():
        rows = [
            row
            for name in names
            if name in observed.columns
            for row in _rows(name, [*parts, observed])
        ]
        if group == "Laboratory":
            group = "Laboratory, last value before the first dose"
        groups.append({"label": group, "rows": rows})
    return {
        "key": key,
        "number": numeral,
        "title": "Patients before the first dose, by product",
        "row_header": "Characteristic",
        "columns": [*columns, {"label": "Not measured", "sub": "of 100, all"}],
        "groups": groups,
        "notes": [
            "Numbers: median (quartiles). Yes/no: number of patients (of 100).",
            "Simulated patients. What is shown was measured with noise and gaps, as in a hospital.",
        ],
    }


def _rows(name: str, parts: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
    """One row of a column of the observed table, ECOG one for each score; the last part holds all
    patients.
    """
    field = FIELDS[name]
    values = [part[name] for part in parts]
    missing = (
        "" if not field.may_be_missing else number(100 * float(values[-1].isna().mean()), digits=0)
    )
    if name == "ecog":
        scores = sorted({int(score) for score in values[-1]})
        return [
            {
                "label": f"{field.label} {score}",
                "note": "",
                "cells": [*(_share(one == score) for one in values), ""],
            }
            for score in scores
        ]
    if field.kind == "bool":
        cells = [_share(one.astype(bool)) for one in values]
    elif field.kind == "category":
        cells, missing = [_words(one) for one in values], ""
    else:
        is_whole = field.kind == "int"
        cells = [
            median_in_words(one.to_numpy(dtype=np.float64), is_whole=is_whole) for one in values
        ]
    row = {"label": field.label, "note": unit_in_words(field.unit), "cells": [*cells, missing]}
    return [{**row, "is_wrapped": field.kind == "category"}]


def _share(is_so: pd.Series[bool]) -> str:
    return f"{number(int(is_so.sum()), digits=0)} ({number(100 * float(is_so.mean()), digits=0)})"


def _words(values: pd.Series[Any]) -> str:
    found = sorted({str(value) for value in values.dropna()} - {""})
    return plain_name(found[0]) if len(found) == 1 else f"{len(found)} kinds" if found else MISSING


def median_in_words(
    values: np.ndarray[Any, np.dtype[np.float64]], *, is_whole: bool = False
) -> str:
    """Median and quartiles of the values that are there, with the decimals that a reader can use.

    >>> median_in_words(np.array([1.0, 2.0, 3.0, 4.0, 5.0, np.nan]))
    '3.0 (2.0–4.0)'
    >>> median_in_words(np.array([0.9, 0.9, 0.9]))
    '0.9'
    """
    known = values[~np.isnan(values)]
    if not known.size:
        return MISSING
    low, middle, high = (float(value) for value in np.quantile(known, [0.25, 0.5, 0.75]))
    if low == high:
        return significant(middle)
    digits = 0 if is_whole or abs(middle) >= 10 else 1 if abs(middle) >= 1 else 2
    return (
        f"{number(middle, digits=digits)}"
        f" ({number(low, digits=digits)}–{number(high, digits=digits)})"
    )


def outcomes_table(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, labels: Mapping[str, str]
) -> Table:
    """What happened, by product: rates per 100 with Wilson's 95% interval, onset, treatment, the
    window of each.
    """
    rows = []
    for product in product_order(observed):
        part = outcomes[(observed["product"] == product).to_numpy()]
        windows = sorted({float(window) for window in part["window_d"]})
        rows.append(
            {
                "label": labels[product],
                "note": "",
                "cells": [
                    number(len(part), digits=0),
                    " or ".join(f"{window:g}" for window in windows),
                    *(
                        _per_100(part[name].astype(bool))
                        for name in ("crs_any", "crs_grade2plus", "crs_grade3plus")
                    ),
                    median_in_words(part["onset_h"].to_numpy(dtype=np.float64)),
                    number(100 * float((part["n_tocilizumab"] > 0).mean()), digits=0),
                    number(100 * float(part["has_vasopressor"].astype(bool).mean()), digits=0),
                ],
            }
        )
    columns = [
        ("Patients", ""),
        ("Window", "days"),
        ("CRS, any grade", "per 100 (95% interval)"),
        ("Grade ≥ 2", "per 100 (95% interval)"),
        ("Grade ≥ 3", "per 100 (95% interval)"),
        ("Onset", "h, median (quartiles)"),
        ("Tocilizumab", "of 100"),
        ("Vasopressor", "of 100"),
    ]
    return {
        "key": "table-2",
        "number": "2",
        "title": "What happened to them, by product",
        "row_header": "Product",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": [{"label": "", "rows": rows}],
        "notes": [
            (
                "Graded as ASTCT 2019, grade 5 not simulated. The window counts from the first"
                " dose; so does onset, among patients with CRS. Intervals (Wilson) are of the"
                " simulated patients alone."
            ),
            "Tocilizumab and vasopressor: given for CRS under the product's policy of rescue.",
        ],
    }


def _per_100(y_true: pd.Series[bool]) -> str:
    share = float(y_true.mean())
    low, high = wilson_interval(share, n=len(y_true))
    return (
        f"{number(100 * share, digits=1)}"
        f" ({number(100 * low, digits=1)}–{number(100 * high, digits=1)})"
    )
