"""Charts of forecasts: each with its intervals, what was published, and what rivals said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from crsrisk.plots.chart_data import Axis, ForecastMark, Forecasts
from crsrisk.plots.style import (
    BLUE,
    BLUE_PALE,
    INK,
    MUTED,
    PAPER,
    RED,
    ROW_HEIGHT,
    ROW_MIDDLE,
    Size,
    axes_for,
    beside,
    dress,
    dress_rows,
    scale_axis,
    styled,
)
from crsrisk.wording import number

Style = Mapping[str, Any]

INSIDE: Style = {"marker": "o", "color": INK, "markersize": 6.5}
OUTSIDE: Style = {"marker": "D", "color": RED, "markersize": 6.2}
HOLLOW: Style = {"markerfacecolor": PAPER, "markeredgewidth": 1.6}
RIVAL_MARKS = ("|", "x", "+")
LEGEND = 20.0  # points of one line of it


@styled
def plot_forecasts(forecasts: Forecasts, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Forecasts, one row each: 50% interval as a bar, 95% as a line, the median as a stroke.

    What was published is a disc inside the 95% interval and a diamond outside, hollow where it is
    not verified; medians of rivals are faint. The published number stands at the right.

    Parameters
    ----------
    forecasts : axis, rows, and the names of the rivals.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import Axis, ForecastMark, Forecasts
    >>> row = ForecastMark("A, 40 patients", 0.4, (0.3, 0.5), (0.1, 0.7), published=0.8)
    >>> ax = plot_forecasts(Forecasts(Axis("Patients of 100", 0, 1, 100), [row], "One row."))
    >>> [text.get_text() for text in ax.texts]
    ['80']
    """
    rows, legends = forecasts.rows, _legends(forecasts)
    above = 6.0 + LEGEND * len(legends) if legends else 0.0
    top = above + (30.0 if title else 8.0)
    size = Size(460, ROW_HEIGHT * len(rows) + top + 42, left=8, right=44, top=top, bottom=42)
    ax = axes_for(ax, size)
    dress(ax, x=forecasts.axis.name, title=title)
    ax.set_title(ax.get_title(loc="left"), loc="left", pad=10 + above)
    scale_axis(ax, "x", forecasts.axis)
    dress_rows(ax, [row.label for row in rows])
    for at, row in enumerate(rows):
        _row(ax, row, y=at + ROW_MIDDLE)
        if row.published is not None:
            beside(ax, at + ROW_MIDDLE, _number(row.published, forecasts.axis))
    height = ax.bbox.height / ax.figure.dpi * 72
    for at, handles in enumerate(legends):
        _legend(ax, handles, place=1.0 + (above - LEGEND * at) / height)
    return ax


def _row(ax: Axes, row: ForecastMark, *, y: float) -> None:
    ax.plot(row.interval_95, [y, y], color=BLUE, linewidth=1.4)
    ax.plot(row.interval_50, [y, y], color=BLUE_PALE, linewidth=9.0, zorder=1.9)
    ax.plot([row.median] * 2, [y - 0.15, y + 0.15], color=BLUE, linewidth=2.0)
    for value, marker in zip(row.rivals, RIVAL_MARKS, strict=False):
        if value is not None:
            ax.plot([value], [y], **_faint(marker))
    if row.published is not None:
        mark = INSIDE if row.is_inside else OUTSIDE
        hollow = {} if row.is_verified else HOLLOW
        ax.plot([row.published], [y], linestyle="none", clip_on=False, **mark, **hollow)


def _faint(marker: str) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": marker,
        "color": MUTED,
        "markersize": 7.0,
        "markeredgewidth": 1.1,
        "alpha": 0.75,
        "clip_on": False,
    }


def _legends(forecasts: Forecasts) -> list[list[Line2D]]:
    """One line on what was published, one on the rivals; none of what is not there."""
    seen = [row for row in forecasts.rows if row.published is not None]
    shown = [
        ("published, inside", INSIDE, any(row.is_inside for row in seen)),
        ("outside", OUTSIDE, any(not row.is_inside for row in seen)),
        ("recalled", {**INSIDE, **HOLLOW}, any(not row.is_verified for row in seen)),
    ]
    published = [
        Line2D([], [], linestyle="none", label=label, **style)
        for label, style, is_there in shown
        if is_there
    ]
    rivals = [
        Line2D([], [], label=name, **_faint(marker))
        for name, marker in zip(forecasts.rivals, RIVAL_MARKS, strict=False)
    ]
    return [part for part in (published, rivals) if part]


def _legend(ax: Axes, handles: Sequence[Line2D], *, place: float) -> None:
    """A line of marks above the rows."""
    if (last := ax.get_legend()) is not None:  # the next one would take its place
        ax.add_artist(last)
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, place),
        ncols=len(handles),
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=1.0,
        handletextpad=0.5,
        columnspacing=1.2,
    )


def _number(value: float, axis: Axis) -> str:
    return number(axis.factor * value, digits=0)
