"""Sections: the parts of a page, which the templates draw without knowing what they are about.

A :class:`Section` holds sentences, :class:`Table` and :class:`Figure`. Tables and figures get their
numbers when all sections stand in their order: :func:`numbered`. To add a section, build one with
:func:`section` and put it into the list: nothing else has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crsrisk.evaluation.evaluate import GroupEvaluation
from crsrisk.plots.chart_data import Dots, DrawnCell, Lines
from crsrisk.report.drawing import dots, lines
from crsrisk.report.figures import calibration, net_benefit, risk_distribution
from crsrisk.results import to_plain
from crsrisk.wording import typeset

# a text, or the data of a drawing (a mapping where a report is not typed yet)
Cell = str | DrawnCell | Mapping[str, Any]
# what a panel is drawn from (an untyped mapping where a report is not typed yet)
PanelData = Lines | Dots | GroupEvaluation | Mapping[str, GroupEvaluation] | Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """The head of a column: its label, a second line, and whether its cells are running text."""

    label: str
    sub: str = ""
    is_text: bool = False
    is_code: bool = False
    axis: str | None = None


@dataclass(frozen=True)
class Row:
    """One row of a table: label, cells from left to right, and a note below the label."""

    label: str
    cells: tuple[Cell, ...]
    note: str = ""
    is_strong: bool = False
    is_wrapped: bool = False
    verdict: str = ""


@dataclass(frozen=True)
class RowGroup:
    """Rows below a heading of their own ("" for none)."""

    label: str
    rows: tuple[Row, ...]
    sub: str = ""


@dataclass(frozen=True)
class Table:
    """A table: columns, rows in groups, notes below."""

    key: str
    title: str
    row_header: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    notes: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture of a figure: what draws it (a name in :data:`DRAWINGS`), its title, its data."""

    draw: str
    key: str
    title: str
    data: PanelData


@dataclass(frozen=True)
class Figure:
    """One or several panels with a caption; ``style`` says how they stand ("", "many")."""

    key: str
    title: str
    text: str
    panels: tuple[Panel, ...]
    style: str = ""
    number: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page: the lead is the one sentence that somebody reads who reads nothing else."""

    key: str
    title: str
    lead: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


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
    key: str,
    *,
    title: str,
    lead: str,
    sentences: Sequence[str] = (),
    tables: Sequence[Table] = (),
    figures: Sequence[Figure] = (),
) -> Section:
    """One section, its words typeset.

    >>> section("time", title="Time", lead="It takes 1 h.").sentences
    ()
    """
    return Section(
        key,
        title=typeset(title),
        lead=typeset(lead),
        sentences=tuple(typeset(sentence) for sentence in sentences),
        tables=tuple(tables),
        figures=tuple(figures),
    )


def table(
    key: str,
    *,
    title: str,
    row_header: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Row] | Sequence[RowGroup],
    notes: Sequence[str] = (),
    words: Sequence[int] = (),
) -> Table:
    """One table: columns as (label, sub); ``words``: which of them hold running text."""
    groups = [part for part in rows if isinstance(part, RowGroup)]
    plain = tuple(part for part in rows if isinstance(part, Row))
    heads = [
        Column(typeset(label), typeset(sub), is_text=at in words)
        for at, (label, sub) in enumerate(columns)
    ]
    return Table(
        f"table-{key}",
        title=typeset(title),
        row_header=row_header,
        columns=tuple(heads),
        groups=tuple(groups) if groups else (RowGroup("", plain),),
        notes=tuple(typeset(note) for note in notes),
    )


def row(label: str, cells: Sequence[str], *, note: str = "", is_strong: bool = False) -> Row:
    """One row of a table, its words typeset."""
    return Row(
        typeset(label), tuple(typeset(cell) for cell in cells), typeset(note), is_strong=is_strong
    )


def rows_group(label: str, rows: Sequence[Row]) -> RowGroup:
    """Rows below a heading of their own."""
    return RowGroup(typeset(label), tuple(rows))


def figure(
    key: str,
    *,
    title: str,
    text: str,
    panels: Sequence[tuple[str, str, PanelData]],
    style: str = "",
) -> Figure:
    """One figure; ``panels`` are (drawing, title of the panel, data)."""
    made = [
        Panel(draw, f"{key}-{at}", typeset(name), data)
        for at, (draw, name, data) in enumerate(panels)
    ]
    return Figure(f"figure-{key}", typeset(title), typeset(text), tuple(made), style)


def numbered(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The same sections with their tables and figures numbered through."""
    made, n_tables, n_figures = [], 0, 0
    for part in sections:
        tables = [_with_number(one, n_tables + at) for at, one in enumerate(part.tables, 1)]
        figures = [
            replace(one, number=str(n_figures + at)) for at, one in enumerate(part.figures, 1)
        ]
        n_tables, n_figures = n_tables + len(tables), n_figures + len(figures)
        made.append(replace(part, tables=tuple(tables), figures=tuple(figures)))
    return tuple(made)


def _with_number(made: Table, number: int) -> Table:
    if isinstance(made, dict):  # tables of report/performance.py are not typed yet
        return {**made, "number": str(number)}  # type: ignore[return-value]
    return replace(made, number=str(number))


def drawn_figures(sections: Sequence[Section]) -> dict[str, list[str]]:
    """Key of a figure -> its panels as SVG text."""
    return {
        figure.key: [
            DRAWINGS[panel.draw](_plain_chart(panel.data), panel.key, panel.title)
            for panel in figure.panels
        ]
        for part in sections
        for figure in part.figures
    }


def _plain_chart(data: PanelData) -> Mapping[str, Any]:
    """A chart as :mod:`crsrisk.report.drawing` reads it; to go when that takes the typed ones."""
    if isinstance(data, Lines):
        return {
            **to_plain(data),
            "series": [to_plain(line) for line in data.lines],
            "told": data.description,
        }
    if isinstance(data, Dots):
        rows = [
            {
                **to_plain(row),
                "range": row.prediction and {"low": row.prediction[0], "high": row.prediction[1]},
            }
            for row in data.rows
        ]
        return {
            **to_plain(data),
            **to_plain(data.axis),
            "rows": rows,
            "told": data.description,
        }
    plain: Mapping[str, Any] = to_plain(data)
    return plain
