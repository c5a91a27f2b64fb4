"""Charts of trial designs: what stops a trial at each look, and power over what is assumed.

Every function draws on matplotlib axes (those given, or those of a new figure) and returns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from crsrisk.plots.chart_data import Axis, Boundaries, BoundaryLook, PowerPanel
from crsrisk.plots.charts import EVENT, LINE_STYLES, OTHER
from crsrisk.plots.style import (
    BLUE,
    MUTED,
    RED,
    SMALL_TEXT,
    TEXT,
    Size,
    axes_for,
    dress,
    scale_axis,
    styled,
)
from crsrisk.wording import number

MOST_Z = 5.0  # bounds above are drawn at the edge, their number stands beside
POWER_STYLES = (LINE_STYLES["model"], OTHER, EVENT, LINE_STYLES["reference"])
STOPS = (
    ("effect", "With the effect: claim / stop for futility, of 100 trials"),
    ("null", "Without any effect: claim / stop for futility"),
)


@styled
def plot_boundaries(
    boundaries: Boundaries, *, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """What stops a trial at each look, and of 100 trials how many stop there.

    Circles: claim at or above. Squares: stop for futility below (in a single arm: at or below).

    Parameters
    ----------
    boundaries : looks of one design; counts of successes or z.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot; the name of the design where none is given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import Boundaries, BoundaryLook
    >>> first = BoundaryLook(80, 2.8, 0.0, 0.4, 0.1, 0.01, 0.5)
    >>> last = BoundaryLook(160, 2.0, 2.0, 0.4, 0.1, 0.01, 0.5)
    >>> ax = plot_boundaries(Boundaries("Two looks", False, [first, last]))
    >>> ax.lines[0].get_ydata().tolist()
    [2.8, 2.0]
    """
    ax = axes_for(ax, Size(400, 356, left=44, right=26, top=54, bottom=92))
    is_count, looks = boundaries.is_count, boundaries.looks
    name = "Patients without the event" if is_count else "z, above 0: fewer events with prophylaxis"
    dress(ax, y=name, title=boundaries.design if title is None else title)
    low, high = _range(boundaries)
    scale_axis(ax, "y", Axis("", low, high))
    ax.set_xlim(0, 1.04 * looks[-1].n)
    ax.set_xticks([look.n for look in looks], [number(look.n, digits=0) for look in looks])
    digits = 0 if is_count else 2
    for side, colour, marker in (("upper", BLUE, "o"), ("lower", RED, "s")):
        bounds = [
            (look.n, float(getattr(look, side)))
            for look in looks
            if getattr(look, side) is not None
        ]
        if not bounds:
            continue
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 6.4}
        n, values = zip(*bounds, strict=True)
        drawn = [min(max(value, low), high) for value in values]
        ax.plot(n, drawn, linewidth=2.0 if side == "upper" else 1.8, clip_on=False, **style)
        for x, value, y in zip(n, values, drawn, strict=True):
            ax.annotate(
                number(value, digits=digits),
                (x, y),
                xytext=(0, 7 if side == "upper" else -7),
                textcoords="offset points",
                ha="center",
                va="bottom" if side == "upper" else "top",
                color=MUTED,
                fontsize=SMALL_TEXT,
            )
    _stops(ax, looks)
    return ax


def _range(boundaries: Boundaries) -> tuple[float, float]:
    if boundaries.is_count:
        return 0.0, float(boundaries.looks[-1].n)
    bounds = [
        bound
        for look in boundaries.looks
        for bound in (look.upper, look.lower)
        if bound is not None
    ]
    return min(0.0, min(bounds) - 0.5), min(MOST_Z, max(bounds) + 0.5)


def _stops(ax: Axes, looks: Sequence[BoundaryLook]) -> None:
    """Two rows of numbers below the axis."""
    for at, (world, name) in enumerate(STOPS):
        down = -36 - 32 * at
        words: dict[str, Any] = {"textcoords": "offset points", "color": MUTED}
        ax.annotate(
            name, (0, 0), xytext=(0, down), xycoords="axes fraction", fontsize=TEXT, **words
        )
        for look in looks:
            claim = 100 * getattr(look, f"benefit_{world}")
            futility = 100 * getattr(look, f"futility_{world}")
            ax.annotate(
                f"{claim:.1f} / {futility:.1f}",
                (look.n, 0),
                xycoords=("data", "axes fraction"),
                xytext=(0, down - 14),
                ha="center",
                fontsize=SMALL_TEXT,
                annotation_clip=False,
                **words,
            )


@styled
def plot_power(panel: PowerPanel, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Power over the risk ratio, one line for each threshold, for one base rate.

    The dashed line is the power that was asked for.

    Parameters
    ----------
    panel : base rate (0 to 1), power asked for, and curves.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot; the base rate where none is given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import PowerCurve, PowerPanel
    >>> curve = PowerCurve("everybody", [0.4, 0.6], [0.9, 0.6])
    >>> ax = plot_power(PowerPanel(0.25, 0.8, [curve]))
    >>> ax.get_title(loc="left")
    '25 of 100 with the event untreated'
    """
    curves = panel.curves
    legend = 16.0 * len(curves)
    ax = axes_for(ax, Size(276, 266 + legend, left=34, right=12, top=54, bottom=46 + legend))
    told = f"{100 * panel.base_rate:.0f} of 100 with the event untreated"
    dress(ax, x="Risk ratio", y="Power, of 100 trials", title=told if title is None else title)
    ratios = [ratio for curve in curves for ratio in curve.risk_ratio]
    low, high = min(ratios), max(ratios)
    margin = 0.03 * (high - low) if high > low else 0.05
    scale_axis(ax, "x", Axis("", low - margin, high + margin), n_ticks=4)
    scale_axis(ax, "y", Axis("", 0.0, 1.0, 100.0))
    ax.axhline(panel.wanted, **LINE_STYLES["ideal"])
    for at, curve in enumerate(curves):
        style = POWER_STYLES[at % len(POWER_STYLES)]
        ax.plot(curve.risk_ratio, curve.power, label=curve.label or "_", **style)
    if any(curve.label for curve in curves):
        ax.legend(loc="upper left", bbox_to_anchor=(-0.04, -0.2), borderaxespad=0.0)
    return ax
