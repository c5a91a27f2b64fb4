"""Trial tables: each product with and without each mitigation, and how long to watch for the onset of CRS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crsrisk.errors import InputError
from crsrisk.report.words import MISSING, number, plain_name, short_label, significant, window_in_words

Table = dict[str, Any]

MITIGATION_COLUMNS = (
    "product",
    "mitigation",
    "per100_grade2plus",
    "mc_error_grade2plus",
    "per100_grade3plus",
    "mc_error_grade3plus",
    "n",
    "window_d",
)
HOURS_COLUMNS = ("product", "hours_50", "hours_90", "hours_95", "n_events")
NO_MITIGATION = "none"


def _check_columns(table: pd.DataFrame, columns: Sequence[str], *, name: str) -> None:
    if absent := [column for column in columns if column not in table.columns]:
        raise InputError(
            where=f"report: {name}",
            key=", ".join(absent),
            found="no such column",
            expected=", ".join(columns),
            cure="add the column",
        )


def mitigation_section(
    table: pd.DataFrame,
    *,
    labels: Mapping[str, str],
    mitigation_labels: Mapping[str, str],
    order: Sequence[str],
) -> dict[str, Any]:
    """One table a product, `none` first, and the rows as they came.

    A difference is said with the largest error that it can have: the arms hold the same patients, whose outcomes go
    together, so the root of the summed squares is its upper bound.
    """
    _check_columns(table, MITIGATION_COLUMNS, name="mitigation_table")
    known = set(table["product"])
    products = [name for name in order if name in known] + sorted(known - set(order))
    return {
        "notes": [
            "Per 100 patients ± Monte Carlo error (one standard error). Change: against none, in the same simulated "
            "patients; its error is at most what is given.",
            "What a mitigation does here follows from the node that it acts on in the mechanism and from assumed potencies; "
            "it is a hypothesis for a trial, not an effect that was seen.",
        ],
        "tables": [
            _mitigations_of(
                table[table["product"] == product],
                numeral=f"9.{at + 1}",
                product=product,
                label=labels.get(product, product),
                mitigation_labels=mitigation_labels,
            )
            for at, product in enumerate(products)
        ],
        "rows": [
            {str(key): value for key, value in row.items()}
            for row in table[list(MITIGATION_COLUMNS)].to_dict("records")
        ],
    }


def _mitigations_of(
    table: pd.DataFrame, *, numeral: str, product: str, label: str, mitigation_labels: Mapping[str, str]
) -> Table:
    is_none = table["mitigation"] == NO_MITIGATION
    if int(is_none.sum()) != 1:
        raise InputError(
            where="report: mitigation_table",
            key=f"{product}, {NO_MITIGATION}",
            found=f"{int(is_none.sum())} rows",
            expected="one row without mitigation",
            cure="simulate each product once without",
        )
    without = table[is_none].iloc[0]
    rows = []
    for _, row in pd.concat([table[is_none], table[~is_none]]).iterrows():
        is_base = row["mitigation"] == NO_MITIGATION
        name = str(row["mitigation"])
        cells: list[Any] = []
        for event in ("grade2plus", "grade3plus"):
            value, error = float(row[f"per100_{event}"]), float(row[f"mc_error_{event}"])
            change = value - float(without[f"per100_{event}"])
            reach = (error**2 + float(without[f"mc_error_{event}"]) ** 2) ** 0.5
            sign = "+" if change > 0 else ""
            cells += [
                f"{number(value, digits=1)} ± {number(error, digits=1)}",
                MISSING if is_base else f"{sign}{number(change, digits=1)} ± {number(reach, digits=1)}",
            ]
        draw = {
            "draw": "rates",
            "grade2plus": float(row["per100_grade2plus"]) / 100,
            "grade3plus": float(row["per100_grade3plus"]) / 100,
        }
        shown = (
            "None beyond the regimen’s own"
            if is_base
            else short_label(mitigation_labels.get(name, plain_name(name)))
        )
        rows.append({"label": shown, "note": "", "cells": [draw, *cells], "is_strong": is_base})
    columns = [
        {"label": "", "sub": "0 to 100"},
        {"label": "Grade ≥ 2", "sub": "per 100"},
        {"label": "Change", "sub": ""},
        {"label": "Grade ≥ 3", "sub": "per 100"},
        {"label": "Change", "sub": ""},
    ]
    return {
        "key": f"table-mitigation-{product}",
        "number": numeral,
        "row_header": "Mitigation",
        "title": f"{label}, {window_in_words(float(without['window_d']))}",
        "columns": columns,
        "groups": [{"label": "", "rows": rows}],
        "notes": [f"{number(int(without['n']), digits=0)} simulated patients an arm."],
    }


def observation_table(table: pd.DataFrame, *, labels: Mapping[str, str], order: Sequence[str]) -> Table:
    """Hours of observation after the most recent dose that show 50, 90 and 95% of onsets."""
    _check_columns(table, HOURS_COLUMNS, name="observation_hours")
    by_product = {str(row["product"]): row for _, row in table.iterrows()}
    rows, raw = [], []
    for product in [name for name in order if name in by_product] + sorted(set(by_product) - set(order)):
        row = by_product[product]
        hours = [
            None if pd.isna(row[name]) else float(row[name]) for name in ("hours_50", "hours_90", "hours_95")
        ]
        label = labels.get(product, product)
        raw.append(
            {
                "product": product,
                "label": label,
                "hours_50": hours[0],
                "hours_90": hours[1],
                "hours_95": hours[2],
                "n_events": int(row["n_events"]),
            }
        )
        rows.append(
            {
                "label": label,
                "note": "",
                "cells": [
                    number(int(row["n_events"]), digits=0),
                    *(significant(one) for one in hours),
                    {"draw": "hours", "hours": hours},
                ],
            }
        )
    columns = [
        {"label": "Onsets", "sub": "simulated"},
        *({"label": f"{share} of 100", "sub": "onsets seen, h"} for share in (50, 90, 95)),
        {"label": "", "sub": "", "axis": "time"},
    ]
    return {
        "key": "table-hours",
        "number": "10",
        "title": "Hours of observation after the most recent dose",
        "raw": raw,
        "row_header": "Product",
        "columns": columns,
        "groups": [{"label": "", "rows": rows}],
        "notes": [
            "● 50, ◇ 90, □ 95 of 100 onsets of CRS of any grade within the window, counted from the dose before each "
            "onset. Few onsets make the later marks unsure."
        ],
    }
