"""Comparison tables: simulated beside published figures, one row a figure, those that differ among
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.data.published_figures import METRIC_MEANINGS, Comparison
from crsrisk.wording import MISSING, number, typeset

Table = dict[str, Any]

_OF = {
    "patients": "",
    "crs_patients": "of those with CRS",
    "grade2plus_patients": "of those with grade ≥ 2",
}
_HOURS = {"h": 1.0, "d": 24.0}
UNSURE = "†"
_SMALL_RATE = 0.0995  # a rate below it keeps one decimal
_SMALL_ERROR = 0.05  # an error below it keeps two


def published_section(
    comparisons: Sequence[Comparison],
    *,
    summary: Mapping[str, Any],
    labels: Mapping[str, str],
    order: Sequence[str],
) -> dict[str, Any]:
    """The statement, the tally, one table of rates and one of times, and the rows as they came.

    ``summary``: of :func:`crsrisk.simulation.evidence.summarise`. ``order``: the
    products' order in all tables.
    """
    ranks = {product: at for at, product in enumerate(order)}
    ranked = sorted(comparisons, key=lambda row: (ranks.get(row.product, len(ranks)), row.product))
    return {
        "statement": typeset(str(summary["statement"])),
        "summary": dict(summary),
        "tally": _tally_table(summary, labels=labels, ranks=ranks),
        "tables": [
            _forest_table(
                [row for row in ranked if (row.unit == "1") == is_rate],
                labels=labels,
                is_rate=is_rate,
            )
            for is_rate in (True, False)
        ],
        "rows": [row.to_dict() for row in comparisons],
    }


def _tally_table(
    summary: Mapping[str, Any], *, labels: Mapping[str, str], ranks: Mapping[str, int]
) -> Table:
    by_product = sorted(
        summary["by_product"].items(), key=lambda one: ranks.get(one[0], len(ranks))
    )

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
    by_role.append(
        row("of these, no patient shared with calibration", summary["independent_validation"])
    )
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
                "rows": [row(labels.get(name, name), tally) for name, tally in by_product],
            },
        ],
        "notes": [
            (
                "Agree: the 95% interval of the published figure and the simulated value ± 1.96"
                " Monte Carlo errors overlap. Wide: a published rate whose interval spans more than"
                " 30 of 100; nearly anything agrees with it."
            ),
            "Roles were fixed before the first comparison. Overlapping sources count each.",
            "A review that pools several products is counted under one of them.",
        ],
    }


def _forest_table(rows: Sequence[Comparison], *, labels: Mapping[str, str], is_rate: bool) -> Table:
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    for row in rows:
        groups.setdefault((row.product, row.trial, row.citation), []).append(row)
    columns = [
        {"label": "Published", "sub": f"{'per 100' if is_rate else 'median'} (95% interval)"},
        {"label": "Size", "sub": "patients"},
        {"label": "Simulated", "sub": f"{'per 100' if is_rate else 'median'} ± MC error"},
        {"label": "", "sub": "", "axis": "rate" if is_rate else "time"},
        {"label": "Verdict", "sub": "", "is_text": True},
    ]
    return {
        "key": "table-rates" if is_rate else "table-times",
        "number": "3b" if is_rate else "3c",
        "title": f"Simulated against published: {'rates' if is_rate else 'times'}",
        "row_header": "Figure",
        "columns": columns,
        "groups": [
            {
                "label": _whose(found[0], labels=labels),
                "sub": f"{typeset(citation)}; {_role(found[0])}; {found[0].window_d:g} days",
                "rows": [_forest_row(row) for row in found],
            }
            for (_, _, citation), found in groups.items()
        ],
        "notes": [
            (
                "Grey bar: 95% interval of the published figure, broken when the figure is"
                f" recalled and not verified ({UNSURE}); tick: the published figure. Simulated: ●"
                " agrees, ◆ differs, □ not judged, with ± 1.96 Monte Carlo (MC) errors."
            ),
            (
                "Each source is simulated over its own window after the first dose, with its own"
                " product and policy. Synthetic data; agreement is no external validation."
            ),
        ],
    }


def _whose(row: Comparison, *, labels: Mapping[str, str]) -> str:
    return (
        labels.get(row.product, row.product)
        if row.n_products == 1
        else f"{row.n_products} products pooled"
    )


def _role(row: Comparison) -> str:
    return "validation, independent" if row.is_independent else row.role


def _forest_row(row: Comparison) -> dict[str, Any]:
    plain = row.to_dict()
    is_rate = row.unit == "1"
    factor, unit = (100, "") if is_rate else (1, f" {row.unit}")
    digits = 0 if is_rate and row.published >= _SMALL_RATE else 1

    def told(value: float | None) -> str:
        return MISSING if value is None else number(factor * value, digits=digits)

    interval = "" if plain["low"] is None else f" ({told(plain['low'])}–{told(plain['high'])})"
    error = factor * (plain["mc_error"] or 0.0)
    spread = (
        ""
        if plain["mc_error"] is None
        else f" ± {number(error, digits=1 if error >= _SMALL_ERROR else 2)}"
    )
    hours = _HOURS.get(row.unit, 1.0)
    numbers = ("published", "low", "high", "simulated", "mc_error")
    meaning = typeset(METRIC_MEANINGS[row.metric].meaning)
    return {
        "label": f"{meaning[0].upper()}{meaning[1:]}{'' if row.verified else f' {UNSURE}'}",
        "note": "" if "among" in meaning else _OF[row.of],
        "cells": [
            f"{told(plain['published'])}{unit}{interval}",
            MISSING if row.n is None else number(row.n, digits=0),
            MISSING if plain["simulated"] is None else f"{told(plain['simulated'])}{unit}{spread}",
            {
                "draw": "forest",
                "axis": "rate" if is_rate else "time",
                "verdict": row.verdict,
                "is_verified": row.verified,
                **{name: None if plain[name] is None else hours * plain[name] for name in numbers},
            },
            row.verdict + (f": {row.reason}" if row.reason else ""),
        ],
        "verdict": row.verdict,
    }
