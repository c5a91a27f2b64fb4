"""Trial tables: each product with and without each mitigation, and how long to watch for the onset
of CRS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.cohort import Cohort
from crsrisk.errors import InputError
from crsrisk.wording import (
    MISSING,
    check_risk,
    number,
    plain_name,
    short_label,
    significant,
    window_in_words,
)

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
# Optional: Monte Carlo error of the difference against `none` in the same patients.
PAIRED_ERRORS = {
    "grade2plus": "mc_error_difference",
    "grade3plus": "mc_error_difference_grade3plus",
}
HOURS_COLUMNS = ("product", "hours_50", "hours_90", "hours_95", "n_events")
NO_MITIGATION = "none"
N_ONSET_STEPS = 84  # every six hours of three weeks


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

    A change is said with the error of the paired difference where the table has it, else with the
    largest that it can have: arms hold the same patients, whose outcomes go together, so the root
    of the summed squares bounds it.
    """
    _check_columns(table, MITIGATION_COLUMNS, name="mitigation_table")
    known = set(table["product"])
    products = [name for name in order if name in known] + sorted(known - set(order))
    sizes = sorted({int(size) for size in table["n"]})
    arms = (
        " to ".join(number(size, digits=0) for size in sorted({sizes[0], sizes[-1]}))
        if sizes
        else "no"
    )
    return {
        "notes": [
            (
                f"Per 100 patients ± Monte Carlo error (one standard error), {arms} simulated"
                " patients an arm. Change: against none added, in the same simulated patients."
                f" {_errors_in_words(table)}"
            ),
            (
                "What a mitigation does here follows from the node that it acts on in the mechanism"
                " and from assumed potencies: a hypothesis for a trial, not an effect that was"
                " seen."
            ),
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


def _errors_in_words(table: pd.DataFrame) -> str:
    """Which changes carry the error of the paired difference, and which its upper bound."""
    is_paired = [column in table.columns for column in PAIRED_ERRORS.values()]
    if all(is_paired):
        return "Errors of changes are of paired differences."
    if is_paired[0]:
        return (
            "Errors of changes are of paired differences for grade ≥ 2, the largest possible for"
            " grade ≥ 3."
        )
    return "Errors of changes are the largest possible."


def _mitigations_of(
    table: pd.DataFrame,
    *,
    numeral: str,
    product: str,
    label: str,
    mitigation_labels: Mapping[str, str],
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
    rows = [_arm_row(without, without=None, label="None added")]
    for _, arm in table[~is_none].iterrows():
        name = str(arm["mitigation"])
        shown = short_label(mitigation_labels.get(name, plain_name(name)))
        rows.append(_arm_row(arm, without=without, label=shown))
    headings = [
        ("", "0 to 100"),
        ("Grade ≥ 2", "per 100"),
        ("Change", ""),
        ("Grade ≥ 3", "per 100"),
        ("Change", ""),
    ]
    return {
        "key": f"table-mitigation-{product}",
        "number": numeral,
        "title": f"{label}, {window_in_words(float(without['window_d']))}",
        "row_header": "Mitigation",
        "columns": [{"label": heading, "sub": sub} for heading, sub in headings],
        "groups": [{"label": "", "rows": rows}],
        "notes": [],
    }


def _arm_row(arm: pd.Series[Any], *, without: pd.Series[Any] | None, label: str) -> dict[str, Any]:
    """One arm: a bar, then for each grade the rate and its change against no mitigation."""
    cells: list[Any] = [{"draw": "rates"}]
    for event in ("grade2plus", "grade3plus"):
        value, error = float(arm[f"per100_{event}"]), float(arm[f"mc_error_{event}"])
        check_risk(value / 100, key=f"per100_{event}")
        cells[0][event] = value / 100
        cells.append(f"{number(value, digits=1)} ± {number(error, digits=1)}")
        if without is None:
            cells.append(MISSING)
            continue
        change = value - float(without[f"per100_{event}"])
        reach = _error_of_change(arm, without, event=event)
        sign = "+" if round(change, 1) > 0 else ""
        cells.append(f"{sign}{number(change, digits=1)} ± {number(reach, digits=1)}")
    return {"label": label, "note": "", "cells": cells, "is_strong": without is None}


def _error_of_change(arm: pd.Series[Any], without: pd.Series[Any], *, event: str) -> float:
    """The error of the paired difference where the table has it, else the largest that it can
    be.
    """
    if PAIRED_ERRORS[event] in arm.index and not pd.isna(arm[PAIRED_ERRORS[event]]):
        return float(arm[PAIRED_ERRORS[event]])
    return float((arm[f"mc_error_{event}"] ** 2 + without[f"mc_error_{event}"] ** 2) ** 0.5)


def observation_table(
    table: pd.DataFrame, *, labels: Mapping[str, str], order: Sequence[str]
) -> Table:
    """Hours of observation after the most recent dose that show 50, 90 and 95% of onsets."""
    _check_columns(table, HOURS_COLUMNS, name="observation_hours")
    by_product = {str(row["product"]): row for _, row in table.iterrows()}
    rows, raw = [], []
    for product in [name for name in order if name in by_product] + sorted(
        set(by_product) - set(order)
    ):
        row = by_product[product]
        hours = [
            None if pd.isna(row[name]) else float(row[name])
            for name in ("hours_50", "hours_90", "hours_95")
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
            "● 50, ◇ 90, □ 95 of 100 onsets of CRS of any grade within the window, counted from the"
            " dose before each onset. Few onsets make the later marks unsure."
        ],
    }


def onset_curves(
    cohort: Cohort, *, labels: Mapping[str, str], order: Sequence[str]
) -> list[dict[str, Any]]:
    """By product, how many of 100 patients have had CRS, and CRS of grade 2 or more, by each
    time.
    """
    curves = []
    for product in order:
        part = cohort.outcomes[(cohort.observed["product"] == product).to_numpy()]
        window_d = float(part["window_d"].iloc[0])
        time_d = np.linspace(0, window_d, N_ONSET_STEPS + 1)

        def reached(column: str, part: pd.DataFrame = part, time_d: Any = time_d) -> list[float]:
            onset_d = np.sort(part[column].dropna().to_numpy(dtype=np.float64)) / 24.0
            return [
                round(100 * float(n) / len(part), 4)
                for n in np.searchsorted(onset_d, time_d, side="right")
            ]

        curves.append(
            {
                "product": product,
                "label": labels[product],
                "window_d": window_d,
                "n": len(part),
                "time_d": [round(float(at), 6) for at in time_d],
                "any_per100": reached("onset_h"),
                "grade2plus_per100": reached("onset_grade2plus_h"),
            }
        )
    return curves
