"""Comparison tables: simulated beside published figures, one row a figure, those that differ among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.domain.published import METRIC_MEANINGS, Comparison
from crsrisk.report.words import MISSING, number, significant, typeset

Table = dict[str, Any]

_OF = {"patients": "", "crs_patients": "of those with CRS", "grade2plus_patients": "of those with grade ≥ 2"}
_HOURS = {"h": 1.0, "d": 24.0}
UNSURE = "†"


def published_section(
    comparisons: Sequence[Comparison], *, summary: Mapping[str, Any], labels: Mapping[str, str]
) -> dict[str, Any]:
    """The statement, the tally, one table of rates and one of times, and the rows as they came.

    ``summary``: of :func:`crsrisk.simulate.evidence.summarise`.
    """
    return {
        "statement": typeset(str(summary["statement"])),
        "summary": dict(summary),
        "tally": _tally_table(summary, labels=labels),
        "tables": [
            _forest_table(
                [row for row in comparisons if (row.unit == "1") == is_rate], labels=labels, is_rate=is_rate
            )
            for is_rate in (True, False)
        ],
        "rows": [row.as_dict() for row in comparisons],
    }


def _tally_table(summary: Mapping[str, Any], *, labels: Mapping[str, str]) -> Table:
    def row(label: str, tally: Mapping[str, Any], *, is_strong: bool = False) -> dict[str, Any]:
        error = tally["mean_absolute_error_any_grade"]
        counts = [
            number(tally[name], digits=0)
            for name in ("n_trials", "n_figures", "n_judged", "n_agree", "n_agree_wide")
        ]
        return {
            "label": label,
            "note": "",
            "is_strong": is_strong,
            "cells": [*counts, MISSING if error is None else number(100 * error, digits=1)],
        }

    roles = summary["by_role"]
    by_role = [
        row(label, roles[name])
        for name, label in (
            ("calibration", "Calibration: tuned to"),
            ("validation", "Validation: never tuned to"),
        )
        if name in roles
    ]
    by_role.append(row("of these, no patient shared with calibration", summary["independent_validation"]))
    columns = [
        ("Sources", ""),
        ("Figures", ""),
        ("Judged", ""),
        ("Agree", ""),
        ("of these, with a wide interval", ""),
        ("Mean error, any grade", "per 100 patients"),
    ]
    return {
        "key": "table-tally",
        "number": "3a",
        "title": "Simulated against published: how many figures agree",
        "row_header": "",
        "columns": [{"label": label, "sub": sub} for label, sub in columns],
        "groups": [
            {"label": "", "rows": [row("All figures", summary["all"], is_strong=True), *by_role]},
            {
                "label": "By product",
                "rows": [row(labels.get(name, name), tally) for name, tally in summary["by_product"].items()],
            },
        ],
        "notes": [
            "Agree: the 95% interval of the published figure and the simulated value ± 1.96 Monte Carlo errors "
            "overlap. Wide: a published rate whose interval spans more than 30 of 100; nearly anything agrees with it.",
            "Roles were fixed before the first comparison. Overlapping sources count each.",
        ],
    }


def _forest_table(rows: Sequence[Comparison], *, labels: Mapping[str, str], is_rate: bool) -> Table:
    products = list(dict.fromkeys(row.product for row in rows))
    columns = [
        {"label": "Source", "sub": "role; window", "is_text": True},
        {"label": "Published", "sub": "per 100 (95% interval)" if is_rate else "median (95% interval)"},
        {"label": "Simulated", "sub": "per 100 ± MC error" if is_rate else "median ± MC error"},
        {"label": "", "sub": "", "axis": "rate" if is_rate else "time"},
        {"label": "Verdict", "sub": "", "is_text": True},
    ]
    return {
        "key": "table-rates" if is_rate else "table-times",
        "number": "3b" if is_rate else "3c",
        "title": "Simulated against published: rates" if is_rate else "Simulated against published: times",
        "row_header": "Figure",
        "columns": columns,
        "groups": [
            {
                "label": labels.get(product, product),
                "rows": [_forest_row(row) for row in rows if row.product == product],
            }
            for product in products
        ],
        "notes": [
            "Grey bar: 95% interval of the published figure, broken when the figure is recalled and not verified "
            f"({UNSURE}); tick: the published figure. Simulated: ● agrees, ◆ differs, □ not judged, with ± 1.96 "
            "Monte Carlo (MC) errors.",
            "Each source is simulated over its own window after the first dose, with its own product and policy. "
            "Synthetic data; agreement is no external validation.",
        ],
    }


def _forest_row(row: Comparison) -> dict[str, Any]:
    plain = row.as_dict()
    factor, digits = (100.0, 0) if row.unit == "1" else (1.0, 1)
    unit = "" if row.unit == "1" else f" {row.unit}"

    def told(value: float | None) -> str:
        if value is None:
            return MISSING
        return number(factor * value, digits=digits) if row.unit == "1" else significant(value)

    interval = "" if plain["low"] is None else f" ({told(plain['low'])}–{told(plain['high'])})"
    error = "" if plain["mc_error"] is None else f" ± {number(factor * plain['mc_error'], digits=1)}"
    role = "validation, independent" if row.is_independent else row.role
    size = "" if row.n is None else f", n {number(row.n, digits=0)}"
    hours = _HOURS.get(row.unit, 1.0)
    scaled = {
        name: None if plain[name] is None else hours * plain[name]
        for name in ("published", "low", "high", "simulated", "mc_error")
    }
    doubt = "" if row.verified else f" {UNSURE}"
    return {
        "label": typeset(METRIC_MEANINGS[row.metric].meaning),
        "note": _OF[row.of],
        "cells": [
            f"{typeset(row.citation)}{doubt}; {role}; {row.window_d:g} d",
            f"{told(plain['published'])}{unit}{interval}{size}",
            f"{told(plain['simulated'])}{unit}{error}",
            {
                "draw": "forest",
                "axis": "rate" if row.unit == "1" else "time",
                **scaled,
                "verdict": row.verdict,
                "is_verified": row.verified,
            },
            row.verdict + (f": {row.reason}" if row.reason else ""),
        ],
        "verdict": row.verdict,
    }
