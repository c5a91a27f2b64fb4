"""Small drawings that pages hold by the hundred: in cells of tables, and one hundred people.

They are written as SVG directly, since a plotting library would make such pages heavy. In a table
the numbers stand beside each drawing as text, so that it is hidden from readers of text.
"""

from __future__ import annotations

from math import log10

from crsrisk.plots.chart_data import (
    FOREST_TICKS,
    BarCell,
    DrawnCell,
    ForestCell,
    HoursCell,
    IconArray,
    RatesCell,
)
from crsrisk.plots.markup import document, place
from crsrisk.results import Z_95

WIDTH, HEIGHT = 210.0, 20.0  # of a drawing in a cell, pixels
PAD = 12.0  # left and right of an axis
_MIDDLE = HEIGHT / 2
_BAR_COLOURS = {"size": "blue", "raises": "red", "lowers": "blue"}
_VERDICTS = {
    "agrees": ("circle", "blue", "blue"),
    "differs": ("diamond", "red", "red"),
    "not judged": ("square", "paper", "muted"),
}
# A head above shoulders, 10 wide and 12.6 high.
_PERSON = (
    "M5 0a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0 -4.6"
    "M1.6 5.4h6.8a1 1 0 0 1 1 1v5.2a1 1 0 0 1 -1 1h-6.8a1 1 0 0 1 -1 -1v-5.2a1 1 0 0 1 1 -1"
)
_PEOPLE = {
    "grade3": "fill: var(--red); stroke: var(--red); stroke-width: 0.8",
    "grade2": "fill: var(--red-pale); stroke: var(--red); stroke-width: 0.8",
    "none": "fill: none; stroke: var(--quiet); stroke-width: 0.7",
}
_STEP_X, _STEP_Y = 17.0, 18.0


def draw_cell(cell: DrawnCell, *, width: float = WIDTH) -> str:
    """A cell of a table as a drawing; ``width`` in pixels, of a bar.

    Examples
    --------
    >>> draw_cell(BarCell(2.0, highest=4.0), width=100).count("<rect")
    1
    """
    if isinstance(cell, ForestCell):
        return _sparkline(_forest(cell))
    if isinstance(cell, RatesCell):
        return _sparkline(_rates(cell), width=WIDTH / 2)
    if isinstance(cell, HoursCell):
        return _sparkline(_hours(cell))
    return _sparkline(_bar(cell, width=width), width=width)


def draw_axis(axis: str) -> str:
    """The axis of a column of forest cells, for its head: `rate` or `time`."""
    ticks = "".join(
        f'<text x="{place(x_of(value, axis))}" y="12" text-anchor="middle"'
        f' style="font-size: 11px; fill: var(--muted)">{text}</text>'
        for value, text in FOREST_TICKS[axis]
    )
    return _sparkline(ticks, height=16)


def x_of(value: float, axis: str) -> float:
    """The pixel of a share (`rate`, 0 to 1) or of hours (`time`, by logarithm); what lies outside
    is put at the nearer end, its number stands beside.

    >>> x_of(0.5, "rate")
    105.0
    """
    low, high = FOREST_TICKS[axis][0][0], FOREST_TICKS[axis][-1][0]
    value = min(max(value, low), high)
    if axis != "rate":
        low, high, value = log10(low), log10(high), log10(value)
    return PAD + (value - low) / (high - low) * (WIDTH - 2 * PAD)


def icon_array(icons: IconArray, *, key: str) -> str:
    """One hundred people in ten rows; those with the event stand together, from the top.

    Those with grade 3 or more come first and are among those with grade 2 or more. People who are
    scattered are miscounted (Ancker 2011).

    Parameters
    ----------
    icons : how many have the event, the sentence that says so, and the name of the drawing.
    key : starts every id in it; unique in the page.

    Examples
    --------
    >>> icon_array(IconArray(23, 4, "Of 100 ..."), key="a").count("<path")
    100
    """
    severe = icons.n_grade3plus or 0
    groups = (
        ("grade3", range(severe)),
        ("grade2", range(severe, icons.n_grade2plus)),
        ("none", range(max(severe, icons.n_grade2plus), 100)),
    )
    body = "".join(
        f'<g class="icon-{name}" style="{_PEOPLE[name]}">{"".join(map(_person, places))}</g>'
        for name, places in groups
        if places
    )
    return document(
        body,
        key=key,
        size=(10 * _STEP_X - 3, 10 * _STEP_Y - 1),
        title=icons.title,
        description=icons.sentence,
    )


def _person(at: int) -> str:
    x, y = 2 + _STEP_X * (at % 10), 2 + _STEP_Y * (at // 10)
    return f'<path d="{_PERSON}" transform="translate({place(x)} {place(y)})"/>'


def _sparkline(body: str, *, width: float = WIDTH, height: float = HEIGHT) -> str:
    return (
        f'<svg class="sparkline" viewBox="0 0 {place(width)} {place(height)}"'
        f' width="{place(width)}" height="{place(height)}" aria-hidden="true" focusable="false">'
        f"{body or '<g/>'}</svg>"
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float, more: str = ""
) -> str:
    return (
        f'<line x1="{place(x1)}" y1="{place(y1)}" x2="{place(x2)}" y2="{place(y2)}"'
        f' style="stroke: var(--{colour}); stroke-width: {place(width)}{more}"/>'
    )


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    if width <= 0:
        return ""
    return (
        f'<rect x="{place(x)}" y="{place(y)}" width="{place(width)}" height="{place(height)}"'
        f' style="fill: var(--{colour})"/>'
    )


def _mark(x: float, shape: str, fill: str, stroke: str, size: float = 3.4) -> str:
    style = f'style="fill: var(--{fill}); stroke: var(--{stroke}); stroke-width: 1.4"'
    if shape == "circle":
        return f'<circle cx="{place(x)}" cy="{place(_MIDDLE)}" r="{place(size)}" {style}/>'
    if shape == "square":
        side, half = place(1.7 * size), 0.85 * size
        corner = f'x="{place(x - half)}" y="{place(_MIDDLE - half)}"'
        return f'<rect {corner} width="{side}" height="{side}" {style}/>'
    reach = place(1.3 * size)
    start = f"M{place(x)} {place(_MIDDLE - 1.3 * size)}"
    return f'<path d="{start}l{reach} {reach}l-{reach} {reach}l-{reach} -{reach}Z" {style}/>'


def _grid(axis: str) -> str:
    return "".join(
        _line(x_of(value, axis), 0, x_of(value, axis), HEIGHT, "hair", 1)
        for value, _ in FOREST_TICKS[axis]
    )


def _forest(cell: ForestCell) -> str:
    """Published interval (broad, grey; broken when the figure is only recalled) and simulated value
    +- 1.96 errors.
    """
    axis, body = cell.axis, _grid(cell.axis)
    if cell.low is not None and cell.high is not None:
        broken = "" if cell.is_verified else "; stroke-dasharray: 4 2"
        ends = x_of(cell.low, axis), x_of(cell.high, axis)
        body += _line(ends[0], _MIDDLE, ends[1], _MIDDLE, "slate-pale", 7, broken)
    at = x_of(cell.published, axis)
    body += _line(at, _MIDDLE - 5, at, _MIDDLE + 5, "muted", 1.6)
    if cell.simulated is None:
        return body
    shape, fill, stroke = _VERDICTS[cell.verdict]
    if cell.mc_error is not None:
        reach = Z_95 * cell.mc_error
        low, high = (x_of(cell.simulated + sign * reach, axis) for sign in (-1, 1))
        body += _line(low, _MIDDLE, high, _MIDDLE, stroke, 1.4)
    return body + _mark(x_of(cell.simulated, axis), shape, fill, stroke)


def _rates(cell: RatesCell) -> str:
    """Grade 2 or more (pale) and, inside it, grade 3 or more (dark), on a scale of 0 to 1."""
    whole, tall = WIDTH / 2, HEIGHT - 12
    parts = ((1.0, "hair"), (cell.grade2plus, "red-pale"), (cell.grade3plus, "red"))
    return "".join(_box(0, 6, share * whole, tall, colour) for share, colour in parts)


def _hours(cell: HoursCell) -> str:
    """Marks at the hours that show 50, 90 and 95% of onsets."""
    body = _grid("time")
    known = [x_of(hour, "time") for hour in cell.hours if hour is not None]
    if len(known) > 1:
        body += _line(known[0], _MIDDLE, known[-1], _MIDDLE, "blue", 1.8)
    marks = (
        ("circle", "blue", "blue"),
        ("diamond", "paper", "muted"),
        ("square", "paper", "muted"),
    )
    return body + "".join(_mark(x, *mark) for x, mark in zip(known, marks, strict=False))


def _bar(cell: BarCell, *, width: float) -> str:
    colour = _BAR_COLOURS[cell.style]
    if cell.value > cell.highest:
        return _box(0, 5, width, HEIGHT - 10, colour) + "".join(
            _line(width * 0.86 + shift, 2, width * 0.86 + shift - 5, HEIGHT - 2, "paper", 2)
            for shift in (0, 5)
        )
    length = cell.value / cell.highest * width if cell.highest > 0 else 0.0
    return _box(0, 5, length, HEIGHT - 10, colour)
