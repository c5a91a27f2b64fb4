"""Table 1: who the patients are, by product, and the table of their outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.cohort import Cohort
from crsrisk.data.published_figures import wilson_interval
from crsrisk.fields import FIELDS
from crsrisk.report.sections import Cell, Column, Row, Table, row, rows_group, table
from crsrisk.wording import MISSING, number, plain_name, significant, unit_in_words

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


@dataclass(frozen=True)
class CohortSection:
    """Who the patients are, in one table or several, and their outcomes."""

    tables: tuple[Table, ...]
    outcomes: Table


def cohort_section(cohort: Cohort, *, labels: Mapping[str, str]) -> CohortSection:
    """Table 1 and the table of outcomes of all patients; ``labels``: of each product."""
    return CohortSection(
        tables=tuple(table_one(cohort.observed, labels=labels)),
        outcomes=outcomes_table(cohort.observed, cohort.outcomes, labels=labels),
    )


def product_order(observed: pd.DataFrame) -> list[str]:
    """The products in the order of every table: by platform, then by name."""
    pairs = observed[["platform", "product"]].drop_duplicates()
    ranks = {name: at for at, name in enumerate(PLATFORMS)}
    ranked = [
        (ranks.get(str(platform), len(ranks)), str(product))
        for platform, product in pairs.to_numpy()
    ]
    return list(dict.fromkeys(product for _, product in sorted(ranked)))


def table_one(observed: pd.DataFrame, *, labels: Mapping[str, str]) -> list[Table]:
    """Baseline data by product, in as many tables as needed; ``labels``: short label of each
    product.

    Median (quartiles) of numbers, number (per 100) of yes/no, the last column the share without a
    value.
    """
    order = product_order(observed)
    chunks = [order[start : start + MAX_PRODUCTS] for start in range(0, len(order), MAX_PRODUCTS)]
    letters = [chr(ord("a") + at) if len(chunks) > 1 else "" for at in range(len(chunks))]
    return [
        _baseline_table(observed, products, labels=labels, numeral=f"1{letter}")
        for letter, products in zip(letters, chunks, strict=True)
    ]


def _baseline_table(
    observed: pd.DataFrame, products: Sequence[str], *, labels: Mapping[str, str], numeral: str
) -> Table:
    parts = [observed[observed["product"] == product] for product in products]
    groups = []
    for group, names in _GROUPS.items():
        rows = [
            line
            for name in names
            if name in observed.columns
            for line in _column_rows(name, [*parts, observed])
        ]
        if group == "Laboratory":
            group = "Laboratory, last value before the first dose"
        groups.append(rows_group(group, rows))
    return table(
        numeral,
        number=numeral,
        title="Patients before the first dose, by product",
        row_header="Characteristic",
        columns=[
            *(
                Column(labels[product], _size(part))
                for product, part in zip(products, parts, strict=True)
            ),
            Column("All products", _size(observed)),
            Column("Not measured", "of 100, all"),
        ],
        rows=groups,
        notes=[
            "Numbers: median (quartiles). Yes/no: number of patients (of 100).",
            "Simulated patients. What is shown was measured with noise and gaps, as in a hospital.",
        ],
    )


def _size(patients: pd.DataFrame) -> str:
    return f"n = {number(len(patients), digits=0)}"


def _column_rows(name: str, parts: Sequence[pd.DataFrame]) -> list[Row]:
    """The row of a column of the observed table, ECOG one for each score; the last part holds all
    patients.
    """
    field = FIELDS[name]
    values = [part[name] for part in parts]
    if name == "ecog":
        scores = sorted({int(score) for score in values[-1]})
        return [
            row(f"{field.label} {score}", [*(_share(part == score) for part in values), ""])
            for score in scores
        ]
    missing = (
        "" if not field.may_be_missing else number(100 * float(values[-1].isna().mean()), digits=0)
    )
    cells: list[Cell]
    if field.kind == "bool":
        cells = [_share(part.astype(bool)) for part in values]
    elif field.kind == "category":
        cells, missing = [_categories(part) for part in values], ""
    else:
        is_whole = field.kind == "int"
        cells = [
            median_in_words(part.to_numpy(dtype=np.float64), is_whole=is_whole) for part in values
        ]
    return [
        row(
            f"{field.label}: {field.words[1]}" if name == "is_female" else field.label,
            [*cells, missing],
            note=unit_in_words(field.unit),
            is_wrapped=field.kind == "category",
        )
    ]


def _share(is_so: pd.Series[bool]) -> str:
    return f"{number(int(is_so.sum()), digits=0)} ({number(100 * float(is_so.mean()), digits=0)})"


def _categories(values: pd.Series[Any]) -> str:
    """The one category of these patients, or how many there are."""
    kinds = sorted({str(value) for value in values.dropna()} - {""})
    return plain_name(kinds[0]) if len(kinds) == 1 else f"{len(kinds)} kinds" if kinds else MISSING


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
    """Outcomes by product: rates per 100 with Wilson's 95% interval, onset, treatment, the window
    of each.
    """
    rows = []
    for product in product_order(observed):
        part = outcomes[(observed["product"] == product).to_numpy()]
        rows.append(row(labels[product], _outcome_cells(part)))
    return table(
        "2",
        number="2",
        title="What happened to them, by product",
        row_header="Product",
        columns=[
            ("Patients", ""),
            ("Window", "days"),
            ("CRS, any grade", "per 100 (95% interval)"),
            ("Grade ≥ 2", "per 100 (95% interval)"),
            ("Grade ≥ 3", "per 100 (95% interval)"),
            ("Onset", "h, median (quartiles)"),
            ("Tocilizumab", "of 100"),
            ("Vasopressor", "of 100"),
        ],
        rows=rows,
        notes=[
            (
                "Graded as ASTCT 2019, grade 5 not simulated. The window counts from the first"
                " dose; so does onset, among patients with CRS. Intervals (Wilson) are of the"
                " simulated patients alone."
            ),
            "Tocilizumab and vasopressor: given for CRS under the product's policy of rescue.",
        ],
    )


def _outcome_cells(outcomes: pd.DataFrame) -> list[Cell]:
    """The cells of one product."""
    windows = sorted({float(window) for window in outcomes["window_d"]})
    return [
        number(len(outcomes), digits=0),
        " or ".join(f"{window:g}" for window in windows),
        *(
            _per_100(outcomes[name].astype(bool))
            for name in ("crs_any", "crs_grade2plus", "crs_grade3plus")
        ),
        median_in_words(outcomes["onset_h"].to_numpy(dtype=np.float64)),
        number(100 * float((outcomes["n_tocilizumab"] > 0).mean()), digits=0),
        number(100 * float(outcomes["has_vasopressor"].astype(bool).mean()), digits=0),
    ]


def _per_100(y_true: pd.Series[bool]) -> str:
    share = float(y_true.mean())
    low, high = wilson_interval(share, n=len(y_true))
    return (
        f"{number(100 * share, digits=1)}"
        f" ({number(100 * low, digits=1)}–{number(100 * high, digits=1)})"
    )
