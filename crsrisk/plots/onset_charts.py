"""Charts of onset: one patient's curve with the doses, and predicted against observed shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from crsrisk.plots.chart_data import (
    Axis,
    OnsetCalibrationMark,
    OnsetCalibrationPanel,
    OnsetForecast,
)
from crsrisk.plots.charts import LINE_STYLES, risk_limit
from crsrisk.plots.style import (
    BLUE,
    INK,
    MUTED,
    PAPER,
    RED,
    ROW_HEIGHT,
    SHORT_DASHED,
    SMALL_TEXT,
    Size,
    axes_for,
    axes_in_a_row,
    dress,
    dress_rows,
    scale_axis,
    styled,
)

_DAY_H = 24.0


@styled
def plot_onset_forecast(
    forecast: OnsetForecast, *, ax: Axes | None = None, title: str = ""
) -> Axes:
    """The risk of a first grade 2 or more by days after the first dose, of 100 patients.

    Broken: a dose. On the curve, after each dose: a disc where half of its onsets have come, a
    stroke where nine of ten have.

    Parameters
    ----------
    forecast : curve, doses and marks.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = plot_onset_forecast(OnsetForecast([0, 24, 504], [0, 0.2, 0.2], [0], [12], [20]))
    >>> ax.get_xlabel()
    'Days after the first dose'
    """
    ax = axes_for(ax, Size(440, 260, left=40, right=22, top=54 if title else 40))
    dress(ax, x="Days after the first dose", y="Of 100 with grade 2 or more so far", title=title)
    highest = risk_limit(max(*forecast.risk, 0.01) * 1.02)
    scale_axis(ax, "y", Axis("", 0.0, highest, 100.0))
    scale_axis(ax, "x", Axis("", 0.0, forecast.hours[-1] / _DAY_H), n_ticks=7)
    days = [0.0, *(hour / _DAY_H for hour in forecast.hours)]
    risk = [0.0, *forecast.risk]
    for number, hour in enumerate(forecast.dose_h, start=1):
        ax.axvline(hour / _DAY_H, color=MUTED, linewidth=1.0, linestyle=SHORT_DASHED)
        ax.annotate(
            f"dose {number}",
            (hour / _DAY_H, 0.0),
            xytext=(12 if number == 1 else 4, 3),
            textcoords="offset points",
            va="bottom",
            color=MUTED,
            fontsize=SMALL_TEXT,
        )
    ax.plot(days, risk, **LINE_STYLES["model"])
    _on_curve(ax, forecast.median_h, days, risk, marker="o", markersize=6.5)
    _on_curve(ax, forecast.hours_90, days, risk, marker="|", markersize=14.0)
    marks = {"half of the onsets after a dose": ("o", 6.5), "nine of ten": ("|", 12.0)}
    handles = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=marker,
            markersize=size,
            markeredgewidth=2.0,
            color=RED,
            label=label,
        )
        for label, (marker, size) in marks.items()
    ]
    ax.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.12),
        handletextpad=0.3,
        frameon=True,
        facecolor=PAPER,
        edgecolor=PAPER,
    )
    return ax


def _on_curve(
    ax: Axes,
    hours: Sequence[float],
    days: Sequence[float],
    risk: Sequence[float],
    *,
    marker: str,
    markersize: float,
) -> None:
    at = np.array([hour for hour in hours if not math.isnan(hour)]) / _DAY_H  # NaN: no onset then
    ax.plot(
        at,
        np.interp(at, days, risk),
        linestyle="none",
        marker=marker,
        markersize=markersize,
        markeredgewidth=2.0,
        color=RED,
        clip_on=False,
    )


@styled
def plot_onset_calibration(panels: Sequence[OnsetCalibrationPanel]) -> list[Axes]:
    """Predicted and observed shares with a first grade 2 or more, one panel an hour, one row a
    group.

    Disc and line: observed with its 95% interval. Hollow diamond: mean predicted. Cross: the true
    share, where patients were simulated again.

    Parameters
    ----------
    panels : of every hour, with the same groups in the same order.

    Returns
    -------
    list of matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.results import Estimate
    >>> mark = OnsetCalibrationMark("tarlatamab", 0.2, Estimate(0.21, 0.17, 0.25))
    >>> axes = plot_onset_calibration([OnsetCalibrationPanel("24 h", [mark])])
    >>> axes[0].get_xlabel()
    'Of 100'
    """
    n_rows = len(panels[0].marks)
    width, gap, left = 150.0, 22.0, 176.0
    size = Size(
        left + len(panels) * (width + gap) + 8,
        0.7 * ROW_HEIGHT * n_rows + 84,
        left=left,
        right=22,
        top=44,
        bottom=40,
    )
    axes = axes_in_a_row(size, [width] * len(panels), gap=gap)
    for at, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        dress(ax, x="Of 100")
        ax.set_title(panel.title, loc="left", pad=8)
        scale_axis(ax, "x", Axis("", 0.0, 1.0, 100.0), n_ticks=4)
        dress_rows(ax, [mark.label if at == 0 else "" for mark in panel.marks])
        for text in ax.get_yticklabels():
            text.set(ha="right", x=-0.06)
        for row, mark in enumerate(panel.marks):
            _mark(ax, mark, y=row)
    handles = [
        Line2D([], [], marker="o", color=BLUE, linewidth=1.4, label="observed, 95%"),
        Line2D([], [], marker="D", linestyle="none", color=RED, markerfacecolor=PAPER,
               markeredgewidth=1.6, label="predicted"),
    ]  # fmt: skip
    if any(mark.true is not None for panel in panels for mark in panel.marks):
        handles.append(Line2D([], [], marker="x", linestyle="none", color=INK, label="true"))
    axes[0].figure.legend(
        handles=handles,
        loc="upper right",
        ncols=len(handles),
        handlelength=1.4,
        columnspacing=1.4,
        bbox_to_anchor=(1.0, 1.0),
    )
    return axes


def _mark(ax: Axes, mark: OnsetCalibrationMark, *, y: float) -> None:
    """Observed in the upper half of a row, predicted and true in the lower."""
    above, below = y + 0.3, y + 0.7
    ends = [mark.observed.low, mark.observed.high]
    ax.plot(ends, [above, above], color=BLUE, linewidth=1.4)
    ax.plot([mark.observed.value], [above], marker="o", markersize=5.0, color=BLUE)
    ax.plot(
        [mark.predicted],
        [below],
        marker="D",
        markersize=5.5,
        color=RED,
        markerfacecolor="none",
        markeredgewidth=1.6,
        linestyle="none",
        clip_on=False,
    )
    if mark.true is not None:
        ax.plot([mark.true], [below], marker="x", color=INK, markersize=6.5, linestyle="none")
