"""Bars of reasons and of importance, as matplotlib axes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crsrisk.plots.chart_data import ImportanceBar, ReasonBar

_RAISES, _LOWERS, _SIZE = "#b3372f", "#2f6f9f", "#6b7280"


def reason_bars(bars: Sequence[ReasonBar], *, ax: Axes | None = None) -> Axes:
    """One patient's reasons in patients of 100: those to the right raise the risk."""
    axes = _axes(len(bars), ax)
    points = [bar.points for bar in bars]
    axes.barh(range(len(bars)), points, color=[_RAISES if p > 0 else _LOWERS for p in points])
    for place, value in enumerate(points):
        axes.annotate(
            f"{value:+d}",
            (value, place),
            xytext=(4 if value >= 0 else -4, 0),
            textcoords="offset points",
            ha="left" if value >= 0 else "right",
            va="center",
        )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.12)
    return _labelled(axes, [bar.label for bar in bars], "Patients of 100")


def importance_bars(bars: Sequence[ImportanceBar], *, ax: Axes | None = None) -> Axes:
    """Mean size of each variable's contribution in patients of 100, with its direction."""
    axes = _axes(len(bars), ax)
    axes.barh(range(len(bars)), [bar.mean_points for bar in bars], color=_SIZE)
    labels = [f"{bar.label} ({bar.direction})" for bar in bars]
    return _labelled(axes, labels, "Mean change of the risk, patients of 100")


def _axes(n_rows: int, ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    return Figure(figsize=(7.0, 0.8 + 0.3 * n_rows), layout="constrained").add_subplot()


def _labelled(axes: Axes, labels: Sequence[str], name: str) -> Axes:
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(name)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return axes
