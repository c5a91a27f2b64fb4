"""How charts look: one palette, one style sheet, and the axes that all charts are drawn on.

Sizes are in points, which are pixels in a page. Nothing global of matplotlib is changed: the style
holds while a chart is drawn, and a chart for a page is drawn on a figure of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

from matplotlib import pyplot as plt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from crsrisk.plots.chart_data import Axis
from crsrisk.wording import number, wrapped

PALETTE = {
    "paper": "#ffffff",
    "tint": "#f6f5f1",
    "ink": "#1a1e24",
    "muted": "#575f6b",
    "rule": "#b9bfc8",
    "hair": "#e4e7eb",
    "blue": "#0b4f8a",
    "blue-pale": "#cfdfee",
    "red": "#b0390b",
    "red-pale": "#f0c9b4",
    "slate": "#6d7f93",
    "slate-pale": "#b3bfcb",
    "quiet": "#8793a2",
}
"""The light colours of the pages' palette.css, by the names of its variables."""

INK, MUTED, RULE, HAIR = (PALETTE[name] for name in ("ink", "muted", "rule", "hair"))
PAPER, BLUE, BLUE_PALE = (PALETTE[name] for name in ("paper", "blue", "blue-pale"))
RED, SLATE, SLATE_PALE = (PALETTE[name] for name in ("red", "slate", "slate-pale"))

TEXT, SMALL_TEXT, ROW_TEXT = 11.5, 11.0, 12.5  # points
DASHED, SHORT_DASHED, LONG_DASHED = (0, (5, 2)), (0, (3, 3)), (0, (6, 3))

STYLE = {
    # bundled with matplotlib, so that every machine measures the same; a page puts in its own
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a label is a dollar
    "axes.facecolor": "none",
    "axes.titlesize": ROW_TEXT,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.xmargin": 0.0,
    "axes.ymargin": 0.0,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "legend.handlelength": 2.1,
    "lines.scale_dashes": False,
    "lines.solid_capstyle": "butt",
    "svg.fonttype": "none",
    "svg.hashsalt": "crsrisk",
}

P = ParamSpec("P")
R = TypeVar("R")


def in_style() -> AbstractContextManager[None]:
    """The style of this package, for as long as the context lasts."""
    return rc_context(STYLE)  # type: ignore[arg-type]  # a test holds the names to matplotlib's


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """The same drawing function, under the style of this package."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with in_style():
            return draw(*args, **kwargs)

    return inside


@dataclass(frozen=True)
class Size:
    """A figure and the margins around its axes, in points."""

    width: float
    height: float
    left: float = 48.0
    right: float = 22.0
    top: float = 24.0
    bottom: float = 40.0


def _notebook_figure(width: float, height: float) -> Figure:
    return plt.figure(figsize=(width / 72, height / 72))


_new_figure: ContextVar[Callable[[float, float], Figure]] = ContextVar(
    "new_figure", default=_notebook_figure
)


@contextmanager
def figures_apart() -> Iterator[list[Figure]]:
    """Charts drawn inside stand on figures that pyplot does not know; gives the list of them."""
    made: list[Figure] = []

    def bare(width: float, height: float) -> Figure:
        made.append(Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none"))
        return made[-1]

    token = _new_figure.set(bare)
    try:
        yield made
    finally:
        _new_figure.reset(token)


def axes_for(ax: Axes | None, size: Size) -> Axes:
    """The axes that were given, or those of a new figure of this size."""
    return ax if ax is not None else axes_in_a_row(size, [size.width - size.left - size.right])[0]


def axes_in_a_row(size: Size, widths: Sequence[float], *, gap: float = 0.0) -> list[Axes]:
    """Axes of these widths beside each other, ``gap`` points apart, on one new figure."""
    figure = _new_figure.get()(size.width, size.height)
    height = (size.height - size.top - size.bottom) / size.height
    made, left = [], size.left
    for width in widths:
        place = (left / size.width, size.bottom / size.height, width / size.width, height)
        made.append(figure.add_axes(place))
        left += width + gap
    return made


class _AxisNumbers(Formatter):
    """Tick labels multiplied by a factor, with as many decimals as tell them apart."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, x: float, pos: int | None = None) -> str:
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        ticks = [self.factor * float(tick) for tick in values]
        digits = next(
            (at for at in range(5) if all(abs(round(tick, at) - tick) < 1e-9 for tick in ticks)), 5
        )
        return [number(tick, digits=digits) for tick in ticks]


def scale_axis(ax: Axes, name: Literal["x", "y"], scale: Axis, *, n_ticks: int = 5) -> None:
    """The limits of an axis and about so many round numbers on it."""
    axis: MatplotlibAxis = ax.xaxis if name == "x" else ax.yaxis
    set_limits = ax.set_xlim if name == "x" else ax.set_ylim
    set_limits(scale.low, scale.high)
    axis.set_major_locator(MaxNLocator(n_ticks, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(_AxisNumbers(scale.factor))


def dress(ax: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Little ink: one line below, hairlines across, the name of y above instead of on its side."""
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set(color=RULE, linewidth=1.0)
    ax.tick_params(
        axis="x", length=4, width=1, color=RULE, labelcolor=MUTED, labelsize=SMALL_TEXT, pad=3
    )
    ax.tick_params(axis="y", length=0, labelcolor=MUTED, labelsize=SMALL_TEXT, pad=6)
    ax.grid(visible=True, axis="y", color=HAIR, linewidth=1.0)
    ax.set_axisbelow(True)
    if x:
        ax.set_xlabel(x, color=MUTED, fontsize=TEXT, labelpad=3)
    if y:
        ax.set_ylabel(
            y, color=MUTED, fontsize=TEXT, rotation="horizontal", ha="left", va="baseline"
        )
        above = ScaledTranslation(0, 8 / 72, ax.figure.dpi_scale_trans)
        ax.yaxis.set_label_coords(0, 1, transform=ax.transAxes + above)
    if title:
        letters = max(12, int(ax.bbox.width / ax.figure.dpi * 72 / 6.7))
        text = "\n".join(wrapped(title, room=letters)[:2])
        ax.set_title(text, loc="left", pad=25 if y else 10, linespacing=1.1)


def dress_rows(ax: Axes, labels: Sequence[str], *, strong: Sequence[bool] = ()) -> None:
    """Rows from top to bottom, each one unit high: a hairline, its label, room below the label.

    What belongs to row ``k`` is drawn at ``k + ROW_MIDDLE``.
    """
    ax.set_ylim(len(labels), 0)
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", length=0, pad=0)
    below = ScaledTranslation(0, -4 / 72, ax.figure.dpi_scale_trans)
    for at, text in enumerate(ax.get_yticklabels()):
        text.set(ha="left", va="top", color=INK, fontsize=ROW_TEXT)
        text.set_transform(text.get_transform() + below)
        if at < len(strong) and strong[at]:
            text.set_fontweight("bold")


ROW_MIDDLE = 0.70
ROW_HEIGHT = 36.0


def beside(ax: Axes, y: float, text: str, *, is_strong: bool = False, gap: float = 10.0) -> None:
    """A number to the right of the plot, in the row at ``y``."""
    ax.annotate(
        text,
        (1, y),
        xycoords=("axes fraction", "data"),
        xytext=(gap, 0),
        textcoords="offset points",
        va="center_baseline",
        ha="left",
        fontsize=ROW_TEXT,
        fontweight="bold" if is_strong else "normal",
        annotation_clip=False,
    )
