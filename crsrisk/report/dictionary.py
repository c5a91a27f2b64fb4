"""The data dictionary: every column with meaning, unit, range and source, printed from the field
table.
"""

from __future__ import annotations

import pandas as pd

from crsrisk.fields import FIELDS, Field, Interval, Table

LOINC_NOTICE = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief"
    " Institute, Inc. and the Logical Observation Identifiers Names and Codes (LOINC) Committee and"
    " is available at no cost under the license at http://loinc.org/license. LOINC® is a registered"
    " United States trademark of Regenstrief Institute, Inc."
)
_TITLES: dict[Table, str] = {
    "observed": "Observed: what is known before the first dose",
    "input": "Read beside it from a user's table",
    "outcomes": "Outcomes: what happened",
    "course": "Course: values at the landmark hours",
}
_TYPES = {"float": "number", "int": "whole number", "bool": "yes/no", "category": "text"}


def data_dictionary(*, table: Table | None = None) -> pd.DataFrame:
    """What every column means, one row a column, all as text.

    Parameters
    ----------
    table : "observed" (before the first dose), "input" (read beside it from a user's table),
        "outcomes" or "course" (after the first dose); all of them when left out.

    Returns
    -------
    Table, column, label, meaning, type, unit, accepted names, ranges, LOINC code and source.
    Outside the plausible range a value is used with a warning, outside the possible one it is
    refused.

    Examples
    --------
    >>> dictionary = data_dictionary(table="observed").set_index("column")
    >>> dictionary.loc["crp_mg_l", ["unit", "possible", "usual"]].tolist()
    ['mg/L', '0 to 1000', '0 to 5']
    """
    return pd.DataFrame(
        [_row(column) for column in FIELDS.values() if table in (None, column.table)]
    )


def data_dictionary_markdown() -> str:
    """The data dictionary as Markdown, one section for each table of a cohort, and the LOINC
    notice.
    """
    parts = [
        "# Data dictionary",
        "",
        (
            "Generated from `crsrisk/fields.py`; do not edit. All simulated tables hold synthetic"
            " patients. Outside the plausible range a value is used with a warning, outside the"
            " possible range it is refused; usual is what most healthy adults have."
        ),
        "",
    ]
    for table, title in _TITLES.items():
        frame = data_dictionary(table=table).drop(columns="table")
        frame = frame.loc[:, (frame != "").any()]
        parts += [f"## {title}", "", *_markdown(frame), ""]
    return "\n".join([*parts, LOINC_NOTICE, ""])


def _row(column: Field) -> dict[str, str]:
    return {
        "table": column.table,
        "column": column.name,
        "label": column.label,
        "meaning": column.meaning,
        "type": _TYPES[column.kind],
        "unit": "" if column.unit == "1" else column.unit,
        "also read": ", ".join(column.spellings[1:]),
        "values": ", ".join(column.categories),
        "possible": _range(column.possible),
        "plausible": _range(column.plausible),
        "usual": _range(column.usual),
        "may be missing": "yes" if column.may_be_missing else "no",
        "role": column.role,
        "LOINC": ", ".join(column.loinc),
        "source": column.source,
    }


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{_number(interval[0])} to {_number(interval[1])}"


def _number(value: float) -> str:
    return f"{value:.10g}"


def _markdown(frame: pd.DataFrame) -> list[str]:
    lines = [
        [str(name) for name in frame.columns],
        ["---"] * frame.shape[1],
        *frame.to_numpy().tolist(),
    ]
    return [
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |"
        for line in lines
    ]
