"""Two figures that any section can ask for by data alone: lines over a risk, and dots with their intervals.

Whoever adds a section writes the data; nothing here knows what it is about. :func:`lines` draws curves, bands and
bundles of thin curves (refits); :func:`dots` draws rows of estimates against a reference line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.drawing import Panel, Scale, line, mark, picture, round_ticks, words
from crsrisk.report.words import number, wrapped

Data = Mapping[str, Any]

_LEFT, _TOP, _FOOT = 52.0, 24.0, 40.0
_ROW, _LABELS, _PLOT, _NUMBERS = 24.0, 250.0, 300.0, 190.0
_STYLES = {"model": "model-line", "refit": "refit-line", "ideal": "ideal", "reference": "all-line", "zero": "none-line",
           "interval": "refit-line"}


def lines(data: Data, *, key: str, title: str) -> str:
    """Curves on one plot.

    ``data``: `x` and `y`, each `name`, `low`, `high`, `factor` (what a value is multiplied with on the axis, 100 for
    risks); `series`, each `style` (model, refit, ideal, reference, zero, interval), `x`, `y` (None = a gap) and, where it
    has one, `label`; `band` (None, or `x`, `low`, `high`); `told` (the figure in a sentence).
    """
    width, height = 460.0, 340.0
    across, up = data["x"], data["y"]
    panel = Panel(Scale(across["low"], across["high"], _LEFT, width - 14), Scale(up["low"], up["high"], height, _TOP))
    body = panel.across(round_ticks(up["low"], up["high"]), text=_axis(up), name=up["name"])
    body += panel.along(round_ticks(across["low"], across["high"]), text=_axis(across), name=across["name"])
    if data["band"] is not None:
        body += panel.band(data["band"]["x"], data["band"]["low"], data["band"]["high"], style="model-band")
    for one in data["series"]:
        points = [(x, panel.y.inside(y)) for x, y in zip(one["x"], one["y"], strict=True) if y is not None]
        if points:
            body += panel.curve(*zip(*points, strict=True), style=_STYLES[one["style"]])
    body += _key(data, x=_LEFT + 12, y=_TOP + 10)
    return picture(body, key=key, width=width, height=height + _FOOT, title=title, description=data["told"])


def _axis(axis: Data) -> Any:
    ticks = [axis["factor"] * tick for tick in round_ticks(axis["low"], axis["high"])]
    digits = next((at for at in range(5) if all(abs(round(tick, at) - tick) < 1e-9 for tick in ticks)), 5)
    return lambda value: number(axis["factor"] * value, digits=digits)


def _key(data: Data, *, x: float, y: float) -> str:
    named = [one for one in data["series"] if one.get("label")]
    return "".join(
        line(x, y + 17 * at, x + 24, y + 17 * at, style=_STYLES[one["style"]]) + words(x + 30, y + 4 + 17 * at, one["label"],
                                                                                      style="note")
        for at, one in enumerate(named))


def dots(data: Data, *, key: str, title: str) -> str:
    """Rows of estimates with intervals; a row without a figure says so.

    ``data``: `name` of the axis, `low`, `high`, `reference` (where the line stands, or None), `digits`, `factor`; `rows`,
    each `label`, `estimate` (as the evaluation has it), `is_strong` and `range` (None, or `low` and `high`: a
    prediction interval, drawn broad); `told`.
    """
    rows, factor = data["rows"], data["factor"]
    width, bottom = _LABELS + _PLOT + _NUMBERS, _TOP + _ROW * len(rows)
    panel = Panel(Scale(data["low"], data["high"], _LABELS, _LABELS + _PLOT), Scale(0, 1, bottom, _TOP))
    body = panel.along(round_ticks(data["low"], data["high"]), text=_axis(data), name=data["name"])
    if data["reference"] is not None:
        body += line(panel.x.at(data["reference"]), _TOP, panel.x.at(data["reference"]), bottom, style="ideal")
    for at, row in enumerate(rows):
        y = _TOP + _ROW * at
        style = "row-strong" if row["is_strong"] else "row"
        body += line(0, y, width, y, style="hair") + words(0, y + 16, _short(row["label"]), style=style)
        body += _dot(row, panel.x, y=y + 12) + words(_LABELS + _PLOT + 14, y + 16, _told(row, data, factor), style=style)
    return picture(body, key=key, width=width, height=bottom + _FOOT, title=title, description=data["told"])


def _short(label: str) -> str:
    """A label that fits; a longer one ends where a word does."""
    parts = wrapped(label, room=38)
    return parts[0] if len(parts) == 1 else f"{parts[0]} …"


def _dot(row: Data, x: Scale, *, y: float) -> str:
    estimate = row["estimate"]
    if "not_estimable" in estimate:
        return ""

    def at(value: float) -> float:
        return x.at(x.inside(value))

    broad = "" if row["range"] is None else line(at(row["range"]["low"]), y, at(row["range"]["high"]), y,
                                                 style="published-whisker")
    style = "model" if row["is_strong"] else "comparator"
    whisker = line(at(estimate["low"]), y, at(estimate["high"]), y, style=f"{style}-whisker")
    shape, fill = ("diamond", "model-mark") if row["is_strong"] else ("circle", "open-mark")
    return broad + whisker + mark(at(estimate["value"]), y, shape=shape, style=fill, size=3.8)


def _told(row: Data, data: Data, factor: float) -> str:
    estimate = row["estimate"]
    if "not_estimable" in estimate:
        return "not estimable"
    value, low, high = (number(factor * estimate[part], digits=data["digits"]) for part in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
