"""Charts that know nothing of what they are about: curves, rows of estimates, bars, onset curves.

Every function draws on matplotlib axes (those given, or those of a new figure) and returns them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from crsrisk.plots.chart_data import (
    FOREST_TICKS,
    Axis,
    Dot,
    Dots,
    ForestCell,
    ForestRow,
    ImportanceBar,
    Lines,
    LineStyle,
    OnsetCurve,
    ReasonBar,
    ReasonTheme,
    bar_end,
)
from crsrisk.plots.style import (
    BLUE,
    BLUE_PALE,
    DASHED,
    HAIR,
    INK,
    LONG_DASHED,
    MUTED,
    PAPER,
    RED,
    ROW_HEIGHT,
    ROW_MIDDLE,
    ROW_TEXT,
    RULE,
    SHORT_DASHED,
    SLATE,
    SLATE_PALE,
    TEXT,
    Size,
    axes_for,
    beside,
    dress,
    dress_rows,
    scale_axis,
    styled,
)
from crsrisk.results import Z_95, Estimate, NotEstimable
from crsrisk.wording import estimate_in_words, number

Style = Mapping[str, Any]

LINE_STYLES: Mapping[LineStyle, Style] = {
    "model": {"color": BLUE, "linewidth": 2.0},
    "refit": {"color": SLATE, "linewidth": 0.7, "alpha": 0.6},
    "ideal": {"color": MUTED, "linewidth": 1.0, "linestyle": SHORT_DASHED},
    "reference": {"color": MUTED, "linewidth": 1.4, "linestyle": LONG_DASHED},
    "zero": {"color": INK, "linewidth": 1.0},
    "interval": {"color": SLATE, "linewidth": 0.7, "alpha": 0.6},
}
BAND: Style = {"facecolor": BLUE_PALE, "edgecolor": "none", "alpha": 0.75}
EVENT: Style = {"color": RED, "linewidth": 1.8}
OTHER: Style = {"color": SLATE, "linewidth": 1.8, "linestyle": DASHED}

VERDICT_MARKS: Mapping[str, Style] = {
    "agrees": {"marker": "o", "color": BLUE, "markersize": 6.5},
    "differs": {"marker": "D", "color": RED, "markersize": 5.8},
    "not judged": {
        "marker": "s",
        "color": MUTED,
        "markersize": 5.6,
        "markerfacecolor": PAPER,
        "markeredgewidth": 1.4,
    },
}
FOREST_AXES = {
    "rate": Axis("of 100 patients", 0.0, 1.0, 100.0),
    "time": Axis("hours after the dose", 1.0, 1440.0),
}
MOST_TICKS_OF_DAYS = 4
NUMBER_ROOM = 36.0  # points, at the end of a bar
RISK_LIMITS = (0.1, 0.25, 0.5, 1.0)


def risk_limit(highest: float) -> float:
    """The end of a risk axis that holds this risk: few ends, so that charts can be compared.

    >>> risk_limit(0.31)
    0.5
    """
    return next(end for end in RISK_LIMITS if highest <= end or end == 1.0)


@styled
def plot_lines(lines: Lines, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Curves on one plot, with a band where there is one and a legend for curves with a label.

    Parameters
    ----------
    lines : axes, curves and band; a ``y`` of None is a gap in its curve.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import Axis, Line, Lines
    >>> risk = Axis("Predicted, of 100", 0, 1, 100)
    >>> ideal = Line("ideal", [0, 1], [0, 1], "Ideal")
    >>> ax = plot_lines(Lines(risk, Axis("Observed, of 100", 0, 1, 100), [ideal], "The diagonal."))
    >>> ax.get_xlabel()
    'Predicted, of 100'
    """
    named = [line for line in lines.lines if line.label]
    legend = 20.0 * len(named)
    size = Size(460, 380 + legend, left=46, right=14, top=46 if title else 24, bottom=46 + legend)
    ax = axes_for(ax, size)
    dress(ax, x=lines.x.name, y=lines.y.name, title=title)
    scale_axis(ax, "x", lines.x)
    scale_axis(ax, "y", lines.y)
    if lines.band is not None:
        ax.fill_between(lines.band.x, lines.band.low, lines.band.high, **BAND)
    for line in lines.lines:
        y = [nan if value is None else value for value in line.y]
        ax.plot(line.x, y, label=line.label or "_", **LINE_STYLES[line.style])
    if named:  # below the plot, where it cannot lie over a curve
        ax.legend(loc="upper left", bbox_to_anchor=(-0.04, -0.14), borderaxespad=0.0)
    return ax


@styled
def plot_dots(dots: Dots, *, ax: Axes | None = None, title: str = "") -> Axes:
    """Estimates with their 95% intervals, one row each, against a reference line.

    A strong row is a diamond, the others are circles; a prediction interval is drawn broad. A row
    that could not be estimated says so.

    Parameters
    ----------
    dots : axis, rows and reference.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import Axis, Dot, Dots
    >>> from crsrisk.results import Estimate
    >>> rows = [Dot("A", Estimate(0.7, 0.6, 0.8)), Dot("Pooled", Estimate(0.72, 0.7, 0.74), True)]
    >>> ax = plot_dots(Dots(Axis("AUROC", 0.4, 1.0), rows, "AUROC by site.", reference=0.5))
    >>> [text.get_text() for text in ax.texts]
    ['0.70 (0.60 to 0.80)', '0.72 (0.70 to 0.74)']
    """
    rows = dots.rows
    size = Size(460, 0, left=8, right=142, top=30 if title else 8, bottom=42)
    ax = axes_for(ax, _high(size, ROW_HEIGHT * len(rows)))
    dress(ax, x=dots.axis.name, title=title)
    scale_axis(ax, "x", dots.axis)
    dress_rows(ax, [row.label for row in rows], strong=[row.is_strong for row in rows])
    if dots.reference is not None:
        _reference(ax, dots.reference, n_rows=len(rows))
    for at, row in enumerate(rows):
        _dot(ax, row, y=at + ROW_MIDDLE)
        beside(ax, at + ROW_MIDDLE, _in_words(row.estimate, dots), is_strong=row.is_strong)
    return ax


def _in_words(estimate: Estimate | NotEstimable, dots: Dots) -> str:
    if isinstance(estimate, Estimate) and not estimate.has_interval:
        return number(dots.axis.factor * estimate.value, digits=dots.digits)
    return estimate_in_words(estimate, digits=dots.digits, factor=dots.axis.factor)


def _high(size: Size, rows: float) -> Size:
    """The same size with room for rows of this height together."""
    return Size(
        size.width, rows + size.top + size.bottom, size.left, size.right, size.top, size.bottom
    )


def _reference(ax: Axes, value: float, *, n_rows: int) -> None:
    """A line that leaves out the labels of the rows."""
    starts = [at + ROW_MIDDLE - 0.22 for at in range(n_rows)]
    ends = [at + 1.0 for at in range(n_rows)]
    ax.vlines([value] * n_rows, starts, ends, color=MUTED, linewidth=1.0, linestyle=SHORT_DASHED)


def _dot(ax: Axes, row: Dot, *, y: float) -> None:
    estimate = row.estimate
    if isinstance(estimate, NotEstimable):
        return
    if row.prediction is not None:
        ax.plot(row.prediction, [y, y], color=SLATE_PALE, linewidth=7.0)
    colour, width = (BLUE, 1.8) if row.is_strong else (MUTED, 1.3)
    if estimate.has_interval:
        ax.plot([estimate.low, estimate.high], [y, y], color=colour, linewidth=width)
    mark: Style = (
        {"marker": "D", "markersize": 7.0}
        if row.is_strong
        else {"marker": "o", "markersize": 7.6, "markerfacecolor": PAPER, "markeredgewidth": 1.5}
    )
    ax.plot([estimate.value], [y], color=colour, linestyle="none", **mark)


@styled
def plot_forest(rows: Sequence[ForestRow], *, ax: Axes | None = None, title: str = "") -> Axes:
    """Published figures with their intervals (broad, grey) and what was simulated beside them.

    Blue circle: agrees; red diamond: differs; open square: not judged. A broken grey bar belongs to
    a figure that is recalled and not verified. The thin line is 1.96 Monte Carlo errors.

    Parameters
    ----------
    rows : all on one axis, shares (0 to 1) or hours.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import ForestCell, ForestRow
    >>> cell = ForestCell("rate", 0.57, 0.52, 0.61, 0.55, 0.01, "agrees", True)
    >>> ax = plot_forest([ForestRow("Tarlatamab: CRS of any grade", cell, "57 (52 to 61)")])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['Tarlatamab: CRS of any grade']
    """
    size = Size(660, 0, left=8, right=312, top=30 if title else 8, bottom=42)
    ax = axes_for(ax, _high(size, ROW_HEIGHT * len(rows)))
    kind = rows[0].cell.axis if rows else "rate"
    axis, ticks = FOREST_AXES[kind], FOREST_TICKS[kind]
    dress(ax, x=axis.name, title=title)
    if kind == "time":
        ax.set_xscale("log")
    ax.set_xlim(axis.low, axis.high)
    ax.xaxis.set_major_locator(FixedLocator([value for value, _ in ticks]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: dict(ticks).get(value, "")))
    ax.tick_params(axis="x", which="minor", length=0, labelbottom=False)
    dress_rows(ax, [row.label for row in rows])
    for at, row in enumerate(rows):
        _forest_marks(ax, row.cell, y=at + ROW_MIDDLE)
        beside(ax, at + ROW_MIDDLE, row.numbers)
    return ax


def _forest_marks(ax: Axes, cell: ForestCell, *, y: float) -> None:
    if cell.low is not None and cell.high is not None:
        broken: Style = {} if cell.is_verified else {"linestyle": (0, (4, 2))}
        ax.plot([cell.low, cell.high], [y, y], color=SLATE_PALE, linewidth=7.0, **broken)
    ax.plot([cell.published] * 2, [y - 0.14, y + 0.14], color=MUTED, linewidth=1.6)
    if cell.simulated is None:
        return
    mark = VERDICT_MARKS[cell.verdict]
    if cell.mc_error is not None:
        reach = Z_95 * cell.mc_error
        ends = [cell.simulated - reach, cell.simulated + reach]
        ax.plot(ends, [y, y], color=mark["color"], linewidth=1.4)
    ax.plot([cell.simulated], [y], linestyle="none", clip_on=False, **mark)


@styled
def plot_onset(curve: OnsetCurve, *, ax: Axes | None = None, title: str = "") -> Axes:
    """How many of 100 patients have had CRS by each day after the first dose.

    Broken: any grade; full: grade 2 or more. The numbers are those at the end of the window.

    Parameters
    ----------
    curve : days and patients of 100.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot; the label of the curve where none is given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import OnsetCurve
    >>> ax = plot_onset(OnsetCurve("Tarlatamab", 21.0, [0, 1, 21], [0, 40, 55], [0, 10, 15]))
    >>> [text.get_text() for text in ax.texts]
    ['55', '15']
    """
    ax = axes_for(ax, Size(250, 212, left=34, right=34, top=42, bottom=40))
    dress(ax, x="Days after the first dose", title=title or curve.label)
    every, severe = curve.any_per100, curve.grade2plus_per100
    highest = 100 * risk_limit(max(*every, 1.0) / 100 * 1.02)
    scale_axis(ax, "y", Axis("", 0.0, highest), n_ticks=4)
    ax.set_xlim(0, curve.window_d)
    thirds = [at * curve.window_d / 3 for at in range(MOST_TICKS_OF_DAYS)]
    ax.set_xticks(thirds, [number(day, digits=0) for day in thirds])
    ax.step(curve.time_d, every, where="post", **OTHER)
    ax.step(curve.time_d, severe, where="post", **EVENT)
    room = 12 / 130 * highest  # the two numbers must not touch
    heights = (max(every[-1], severe[-1] + room), severe[-1])
    for value, height, colour in zip((every[-1], severe[-1]), heights, (MUTED, RED), strict=True):
        ax.annotate(
            number(value, digits=0),
            (1, height),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va="center_baseline",
            color=colour,
            fontsize=TEXT,
            fontweight="bold",
            annotation_clip=False,
        )
    return ax


@styled
def plot_reasons(bars: Sequence[ReasonBar], *, ax: Axes | None = None, title: str = "") -> Axes:
    """Reasons for one patient's risk as bars: right and red raises it, left and blue lowers it.

    Parameters
    ----------
    bars : points of 100 patients, in the order of the rows.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import ReasonBar
    >>> ax = plot_reasons([ReasonBar("CRP: 80 mg/L", 6), ReasonBar("No liver metastases", -3)])
    >>> [text.get_text() for text in ax.texts]
    ['+6', '−3']
    """
    labels = [bar.label for bar in bars]
    size = Size(460, 0, left=_label_room(labels), right=24, top=30 if title else 8, bottom=8)
    ax = axes_for(ax, _high(size, 22.0 * max(len(bars), 1)))
    _signed_bars(ax, [bar.points for bar in bars], height=0.55)
    _bar_labels(ax, labels, title=title)
    return ax


@styled
def plot_reason_themes(
    themes: Sequence[ReasonTheme], *, start: int, end: int, ax: Axes | None = None, title: str = ""
) -> Axes:
    """Reasons by what they speak of: a strong bar for each group, thin ones for its reasons.

    Parameters
    ----------
    themes : groups with their points of 100 patients and the reasons that are shown.
    start, end : risk where the reasons start, and the patient's, of 100; ``start`` plus the points
        of all groups is ``end``.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import ReasonBar, ReasonTheme
    >>> host = ReasonTheme("host", 5, [ReasonBar("CRP: 80 mg/L", 6)])
    >>> ax = plot_reason_themes([host], start=20, end=25)
    >>> ax.texts[-1].get_text()
    'Start 20, all groups together +5: 25 of 100'
    """
    rows = [
        row
        for theme in themes
        for row in (
            (theme.theme.capitalize(), theme.points, True),
            *((_cut(bar.label), bar.points, False) for bar in theme.bars),
        )
    ]
    places, top = [], 4.0
    for at, (_, _, is_group) in enumerate(rows):
        top += 3.0 if is_group and at else 0.0
        places.append(top + 8.0)
        top += 19.0 if is_group else 15.0
    ax = axes_for(ax, Size(460, top + 21, left=212, right=2, top=0, bottom=18))
    heights = [11.0 if is_group else 6.0 for _, _, is_group in rows]
    strong = [is_group for _, _, is_group in rows]
    points = [value for _, value, _ in rows]
    _signed_bars(ax, points, places=places, heights=heights, strong=strong)
    ax.set_ylim(top + 3, 0)
    for (label, _, is_group), y in zip(rows, places, strict=True):
        _left_of(ax, y, label, inset=0 if is_group else 10, is_strong=is_group)
    _no_frame(ax, title=title)
    told = f"Start {start}, all groups together {signed(end - start)}: {end} of 100"
    ax.annotate(
        told,
        (0, 0),
        xycoords="axes fraction",
        xytext=(-212, -12),
        textcoords="offset points",
        color=MUTED,
        fontsize=TEXT,
        annotation_clip=False,
    )
    return ax


@styled
def plot_importance(
    bars: Sequence[ImportanceBar], *, ax: Axes | None = None, title: str = ""
) -> Axes:
    """How much each clinical variable moves the risk on average, and in which direction.

    A bar that dwarfs all others is cut and ends in a break; its number stands beside it.

    Parameters
    ----------
    bars : mean size of the contributions, in points of 100 patients, largest first.
    ax : axes to draw on; those of a new figure where none are given.
    title : bold, above the plot.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from crsrisk.plots.chart_data import ImportanceBar
    >>> bars = [ImportanceBar("Product", 9.0, "differs by product"), ImportanceBar("CRP", 2.1, "")]
    >>> ax = plot_importance(bars)
    >>> [text.get_text() for text in ax.texts]
    ['9.0  differs by product', '2.1']
    """
    labels = [bar.label for bar in bars]
    size = Size(660, 0, left=_label_room(labels), right=210, top=30 if title else 8, bottom=8)
    ax = axes_for(ax, _high(size, 20.0 * max(len(bars), 1)))
    end = bar_end([bar.mean_points for bar in bars]) or 1.0
    lengths = [min(bar.mean_points, end) for bar in bars]
    ax.barh(range(len(bars)), lengths, height=0.5, color=BLUE)
    for at, bar in enumerate(bars):
        if bar.mean_points > end:
            for shift in (0.0, 0.025):
                x = [(0.86 + shift - 0.012) * end, (0.86 + shift + 0.012) * end]
                ax.plot(x, [at + 0.4, at - 0.4], color=PAPER, linewidth=2.0)
        beside(ax, at, f"{bar.mean_points:.1f}  {bar.direction}".strip())
    ax.set_xlim(0, end)
    ax.set_ylim(len(bars) - 0.5, -0.5)
    _bar_labels(ax, labels, title=title)
    return ax


def signed(points: int) -> str:
    """Points with their sign, a true minus.

    >>> signed(3), signed(-2), signed(0)
    ('+3', '−2', '0')
    """
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def _cut(text: str, *, room: int = 36) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _label_room(labels: Sequence[str]) -> float:
    """Points that the longest label takes on the left."""
    return min(330.0, 16 + 6.7 * max((len(label) for label in labels), default=0))


def _signed_bars(
    ax: Axes,
    points: Sequence[int],
    *,
    places: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
    strong: Sequence[bool] | None = None,
    height: float = 0.5,
) -> None:
    """Bars from a line at 0, each with its number at the end, with room for these on both sides."""
    n = len(points)
    y = list(range(n)) if places is None else places
    strong = [False] * n if strong is None else strong
    colours = [RED if value > 0 else BLUE for value in points]
    ax.barh(y, points, height=heights or height, color=colours)
    ax.set_xlim(_signed_limits(points, width=ax.bbox.width / ax.figure.dpi * 72))
    ax.axvline(0, color=RULE, linewidth=1.0, zorder=0.5)
    for place, value, is_strong in zip(y, points, strong, strict=True):
        ax.annotate(
            signed(value),
            (value, place),
            xytext=(5 if value >= 0 else -5, 0),
            textcoords="offset points",
            va="center_baseline",
            ha="left" if value >= 0 else "right",
            fontsize=ROW_TEXT,
            fontweight="bold" if is_strong else "normal",
        )
    if places is None:
        ax.set_ylim(n - 0.5, -0.5)


def _signed_limits(points: Sequence[int], *, width: float) -> tuple[float, float]:
    """Limits of an axis of so many points with room for a number at the end of the longest bar; 0
    stands in the middle where there are bars on both sides.
    """
    most = max([abs(value) for value in points], default=0) or 1
    low = -most if min(points, default=0) < 0 else 0
    high = most if max(points, default=0) > 0 else 0
    left, right = (NUMBER_ROOM if end else 8.0 for end in (low, high))
    unit = ((high - low) or 1) / (width - left - right)
    return low - left * unit, high + right * unit


def _bar_labels(ax: Axes, labels: Sequence[str], *, title: str) -> None:
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=ROW_TEXT, pad=8)
    for at in range(len(labels) + 1):
        ax.axhline(at - 0.5, color=HAIR, linewidth=1.0, zorder=0.4)
    _no_frame(ax, title=title)


def _left_of(ax: Axes, y: float, text: str, *, inset: float, is_strong: bool) -> None:
    ax.annotate(
        text,
        (0, y),
        xycoords=("axes fraction", "data"),
        xytext=(-212 + inset, 0),
        textcoords="offset points",
        va="center_baseline",
        fontsize=ROW_TEXT,
        fontweight="bold" if is_strong else "normal",
        annotation_clip=False,
    )
    ax.set_yticks([])


def _no_frame(ax: Axes, *, title: str) -> None:
    for side in ("left", "right", "top", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_xticks([])
    if title:
        ax.set_title(title, loc="left", pad=10)
