"""Sections: the parts of a judgement as plain dictionaries, which the page draws without knowing what they are about.

A section is `key`, `title`, `lead` (one sentence), `sentences`, `tables` (in the shape of
:mod:`crsrisk.report.patients`) and `figures`. A figure is `key`, `number`, `title`, `text`, `style` (how its panels
stand: "", "many") and `panels`, each `draw` (a name in :data:`DRAWINGS`), `key`, `title` and `data`. Tables and figures
get their numbers when all sections stand in their order: :func:`numbered`. To add a section, build one with
:func:`section` and put it into the list: nothing else has to change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crsrisk.report.drawing import dots, lines
from crsrisk.report.figures import calibration, net_benefit, risk_distribution
from crsrisk.report.words import typeset

Section = dict[str, Any]
Table = dict[str, Any]
Figure = dict[str, Any]
Drawing = Callable[[Mapping[str, Any], str, str], str]

DRAWINGS: Mapping[str, Drawing] = {
    "lines": lambda data, key, title: lines(data, key=key, title=title),
    "dots": lambda data, key, title: dots(data, key=key, title=title),
    "calibration": lambda data, key, title: calibration(data, key=key, name=title),
    "net_benefit": lambda data, key, title: net_benefit(data, key=key, name=title),
    "risk_distribution": lambda data, key, title: risk_distribution(data, key=key),
}
"""Name -> how it is drawn, from data, the key of the figure in the page, and a title."""


def section(
    key: str, *, title: str, lead: str, sentences: Sequence[str] = (), tables: Sequence[Table] = (),
    figures: Sequence[Figure] = (),
) -> Section:
    """One section; what is no plain value raises ValueError or TypeError here and not in a page.

    >>> section("time", title="Time", lead="It takes 1 h.")["sentences"]
    []
    """
    made = {"key": key, "title": typeset(title), "lead": typeset(lead), "sentences": [typeset(one) for one in sentences],
            "tables": list(tables), "figures": list(figures)}
    json.dumps(made, allow_nan=False)
    return made


def table(
    key: str, *, title: str, row_header: str, columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]],
    notes: Sequence[str] = (), words: Sequence[int] = (),
) -> Table:
    """One table: columns as (label, sub), rows of :func:`row` (or groups of them); ``words``: columns of running text."""
    groups = list(rows) if rows and "rows" in rows[0] else [{"label": "", "rows": list(rows)}]
    heads = [{"label": typeset(label), "sub": typeset(sub), **({"is_text": True} if at in words else {})}
             for at, (label, sub) in enumerate(columns)]
    return {"key": f"table-{key}", "number": "", "title": typeset(title), "row_header": row_header, "columns": heads,
            "groups": groups, "notes": [typeset(one) for one in notes]}


def row(label: str, cells: Sequence[str], *, note: str = "", is_strong: bool = False) -> dict[str, Any]:
    """One row of a table."""
    return {"label": typeset(label), "note": typeset(note), "cells": [typeset(cell) for cell in cells],
            "is_strong": is_strong}


def rows_group(label: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows below a heading of their own."""
    return {"label": typeset(label), "rows": list(rows)}


def figure(
    key: str, *, title: str, text: str, panels: Sequence[tuple[str, str, Mapping[str, Any]]], style: str = ""
) -> Figure:
    """One figure; ``panels`` are (drawing, title of the panel, data)."""
    return {"key": f"figure-{key}", "number": "", "title": typeset(title), "text": typeset(text), "style": style,
            "panels": [{"draw": draw, "key": f"{key}-{at}", "title": typeset(name), "data": dict(data)}
                       for at, (draw, name, data) in enumerate(panels)]}


def numbered(sections: Sequence[Section]) -> list[Section]:
    """The same sections with their tables and figures numbered through."""
    made, n_tables, n_figures = [], 0, 0
    for one in sections:
        tables, figures = [], []
        for each in one["tables"]:
            n_tables += 1
            tables.append({**each, "number": str(n_tables)})
        for each in one["figures"]:
            n_figures += 1
            figures.append({**each, "number": str(n_figures)})
        made.append({**one, "tables": tables, "figures": figures})
    return made


def drawn_figures(sections: Sequence[Section]) -> dict[str, list[str]]:
    """Key of a figure -> its panels as SVG text."""
    return {each["key"]: [DRAWINGS[panel["draw"]](panel["data"], panel["key"], panel["title"]) for panel in each["panels"]]
            for one in sections for each in one["figures"]}
