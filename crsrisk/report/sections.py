"""Sections: the parts of a page, which the templates draw without knowing what they are about.

A :class:`Section` holds sentences, :class:`Table` and :class:`Figure`. Tables and figures get their
numbers when all sections stand in their order: :func:`numbered`. To add a section, build one with
:func:`section` and put it into the list: nothing else has to change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crsrisk.plots.chart_data import Dots, DrawnCell, EvaluatedGroup, Forecasts, Lines
from crsrisk.wording import typeset

Cell = str | DrawnCell  # a text, or what a drawing is made from
# what a panel is drawn from: curves, dots, forecasts, an evaluated group or several by label
PanelData = Lines | Dots | Forecasts | EvaluatedGroup | Mapping[str, EvaluatedGroup]


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
    """One picture of a figure: what draws it (a name in :data:`crsrisk.report.pages.DRAWINGS`), its
    title and its data.
    """

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
    """A part of a page: the lead is the one sentence that somebody reads who reads nothing else.

    ``is_of_event``: its figures are about the event and window of the page, which stand below them.
    """

    key: str
    title: str
    lead: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    is_of_event: bool = True


def section(
    key: str,
    *,
    title: str,
    lead: str,
    sentences: Sequence[str] = (),
    tables: Sequence[Table] = (),
    figures: Sequence[Figure] = (),
    is_of_event: bool = True,
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
        is_of_event=is_of_event,
    )


def table(
    key: str,
    *,
    title: str,
    row_header: str,
    columns: Sequence[tuple[str, str] | Column],
    rows: Sequence[Row] | Sequence[RowGroup],
    notes: Sequence[str] = (),
    words: Sequence[int] = (),
    number: str = "",
) -> Table:
    """One table: columns as (label, sub) or whole; ``words``: which of them hold running text.

    ``number`` is for a page whose tables have fixed numbers; others are numbered by
    :func:`numbered`.
    """
    groups = [part for part in rows if isinstance(part, RowGroup)]
    plain = tuple(part for part in rows if isinstance(part, Row))
    heads = [
        column
        if isinstance(column, Column)
        else Column(typeset(column[0]), typeset(column[1]), is_text=at in words)
        for at, column in enumerate(columns)
    ]
    return Table(
        f"table-{key}",
        title=typeset(title),
        row_header=row_header,
        columns=tuple(heads),
        groups=tuple(groups) if groups else (RowGroup("", plain),),
        notes=tuple(typeset(note) for note in notes),
        number=number,
    )


def row(
    label: str,
    cells: Sequence[Cell],
    *,
    note: str = "",
    is_strong: bool = False,
    is_wrapped: bool = False,
    verdict: str = "",
) -> Row:
    """One row of a table, its words typeset; a cell is a text or what a drawing is made from."""
    return Row(
        typeset(label),
        tuple(typeset(cell) if isinstance(cell, str) else cell for cell in cells),
        typeset(note),
        is_strong=is_strong,
        is_wrapped=is_wrapped,
        verdict=verdict,
    )


def rows_group(label: str, rows: Sequence[Row], *, sub: str = "") -> RowGroup:
    """Rows below a heading of their own, ``sub`` smaller beside it."""
    return RowGroup(typeset(label), tuple(rows), typeset(sub))


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
        tables = [
            replace(table, number=str(n_tables + at)) for at, table in enumerate(part.tables, 1)
        ]
        figures = [
            replace(figure, number=str(n_figures + at)) for at, figure in enumerate(part.figures, 1)
        ]
        n_tables, n_figures = n_tables + len(tables), n_figures + len(figures)
        made.append(replace(part, tables=tuple(tables), figures=tuple(figures)))
    return tuple(made)
