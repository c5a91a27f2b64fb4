"""Drawing: the few strokes that every figure is made of, as SVG text.

The figures are written by hand instead of through a plotting library: their words are real text in
the fonts of the page, their colours follow it (screen, dark screen, print), the same numbers give
the same bytes on every machine, and nothing has to be loaded. Colours and strokes stand in
templates/figures.css, here are only classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Any

from crsrisk.wording import number, wrapped

Numbers = Sequence[float]


def place(value: float) -> str:
    """A coordinate with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, attributes: Mapping[str, str | float], *inside: str) -> str:
    """One SVG element; attribute values are escaped, what stands inside must be markup already.

    >>> element("line", {"x1": 0.5, "class": "rule"})
    '<line x1="0.5" class="rule"/>'
    """
    written = "".join(
        f' {key}="{escape(value) if isinstance(value, str) else place(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>" if inside else f"<{name}{written}/>"


def words(x: float, y: float, text: str, *, style: str = "", anchor: str = "start") -> str:
    """Text with its baseline at ``y``; ``anchor`` is start, middle or end."""
    attributes: dict[str, str | float] = {"x": x, "y": y}
    if anchor != "start":
        attributes["text-anchor"] = anchor
    if style:
        attributes["class"] = style
    return element("text", attributes, escape(text))


def line(x1: float, y1: float, x2: float, y2: float, *, style: str) -> str:
    """A straight stroke."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def box(x: float, y: float, width: float, height: float, *, style: str) -> str:
    """A filled rectangle; one of no size is left out."""
    if width <= 0 or height <= 0:
        return ""
    return element("rect", {"x": x, "y": y, "width": width, "height": height, "class": style})


def mark(x: float, y: float, *, shape: str, style: str, size: float = 4.0) -> str:
    """A symbol of that half-size: circle, diamond, square or cross."""
    if shape == "circle":
        return element("circle", {"cx": x, "cy": y, "r": size, "class": style})
    if shape == "square":
        return box(x - size * 0.85, y - size * 0.85, 1.7 * size, 1.7 * size, style=style)
    corners: dict[str, list[tuple[float, float]]] = {
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "left": [(-1.3, 0), (0.7, -1), (0.7, 1)],
    }
    if shape not in corners:  # a cross
        d = f"M{place(x - size)} {place(y - size)}l{place(2 * size)} {place(2 * size)}"
        d += f"m0 {place(-2 * size)}l{place(-2 * size)} {place(2 * size)}"
        return element("path", {"d": d, "class": style})
    return path(
        [x + size * dx for dx, _ in corners[shape]],
        [y + size * dy for _, dy in corners[shape]],
        style=style,
        is_closed=True,
    )


def path(xs: Numbers, ys: Numbers, *, style: str, is_closed: bool = False) -> str:
    """Straight strokes through points in pixels."""
    points = "L".join(f"{place(x)} {place(y)}" for x, y in zip(xs, ys, strict=True))
    return element("path", {"d": f"M{points}{'Z' if is_closed else ''}", "class": style})


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high`` laid from pixel ``start`` to ``stop``, evenly or by
    logarithm.

    >>> Scale(0, 100, 0, 200).at(25)
    50.0
    """

    low: float
    high: float
    start: float
    stop: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = log10(low), log10(high), log10(value)
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the scale."""
        return self.low <= value <= self.high

    def inside(self, value: float) -> float:
        """The value, or the nearer end of the scale: for drawing only, where the number stands
        beside.
        """
        return min(max(value, self.low), self.high)


def round_ticks(low: float, high: float, *, n: int = 5) -> list[float]:
    """About ``n`` round numbers (steps of 1, 2 or 5) from ``low`` to ``high``.

    >>> round_ticks(0, 0.47)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    rough = (high - low) / n
    power = 10.0 ** floor(log10(rough))
    steps = [power * digit for digit in (0.5, 1, 2, 5, 10)]
    at = next(k for k, step in enumerate(steps) if step >= rough * 0.999)
    # a coarse step may have no multiple inside; then the next finer
    for step in (steps[at], steps[max(at - 1, 0)]):
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last >= first:
            break
    return [round(k * step, 10) + 0.0 for k in range(first, last + 1)]


@dataclass(frozen=True)
class Panel:
    """A plot area with two scales; ``y.start`` is its bottom."""

    x: Scale
    y: Scale

    def across(self, ticks: Numbers, *, text: Callable[[float], str], name: str = "") -> str:
        """Hairlines across the plot at these values of y, their words on the left, the name
        above.
        """
        x, y = self.x, self.y
        parts = []
        for tick in ticks:
            parts.append(line(x.start, y.at(tick), x.stop, y.at(tick), style="hair"))
            parts.append(
                words(x.start - 6, y.at(tick) + 3.5, text(tick), style="tick", anchor="end")
            )
        if name:
            parts.append(words(x.start, y.stop - 8, name, style="name"))
        return "".join(parts)

    def along(self, ticks: Numbers, *, text: Callable[[float], str], name: str = "") -> str:
        """The axis of x at the bottom of the plot, with words at these values and the name
        below.
        """
        x, bottom = self.x, self.y.start
        parts = [line(x.start, bottom, x.stop, bottom, style="base")]
        for tick in ticks:
            parts.append(line(x.at(tick), bottom, x.at(tick), bottom + 4, style="base"))
            parts.append(words(x.at(tick), bottom + 16, text(tick), style="tick", anchor="middle"))
        if name:
            middle = (x.start + x.stop) / 2
            parts.append(words(middle, bottom + 33, name, style="name", anchor="middle"))
        return "".join(parts)

    def curve(self, xs: Numbers, ys: Numbers, *, style: str) -> str:
        """A line through the points that lie on both scales."""
        kept = [(a, b) for a, b in zip(xs, ys, strict=True) if self.x.holds(a) and self.y.holds(b)]
        if len(kept) < 2:
            return ""
        return path([self.x.at(a) for a, _ in kept], [self.y.at(b) for _, b in kept], style=style)

    def band(self, xs: Numbers, lows: Numbers, highs: Numbers, *, style: str) -> str:
        """The area between two lines, cut at the edges of the plot."""
        kept = [(a, b, c) for a, b, c in zip(xs, lows, highs, strict=True) if self.x.holds(a)]
        if len(kept) < 2:
            return ""
        across = [self.x.at(a) for a, _, _ in kept]
        below = [self.y.at(self.y.inside(b)) for _, b, _ in kept]
        above = [self.y.at(self.y.inside(c)) for _, _, c in kept]
        return path([*across, *across[::-1]], [*below, *above[::-1]], style=style, is_closed=True)

    def steps(self, xs: Numbers, ys: Numbers, *, style: str) -> str:
        """A staircase: each value holds until the next."""
        across, up = [self.x.at(xs[0])], [self.y.at(ys[0])]
        for before, after, at in zip(ys, ys[1:], xs[1:], strict=False):
            across += [self.x.at(at), self.x.at(at)]
            up += [self.y.at(before), self.y.at(after)]
        return path(across, up, style=style)


def picture(
    body: str, *, key: str, width: float, height: float, title: str, description: str
) -> str:
    """A whole figure: named for those who cannot see it, with a text that says what it shows.

    ``key`` must be unique in a page.
    """
    name, about = f"{key}-title", f"{key}-desc"
    return element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "figure",
            "viewBox": f"0 0 {place(width)} {place(height)}",
            "width": width,
            "height": height,
            "role": "img",
            "aria-labelledby": f"{name} {about}",
        },
        element("title", {"id": name}, escape(title)),
        element("desc", {"id": about}, escape(description)),
        body,
    )


def strip(body: str, *, width: float, height: float) -> str:
    """A small drawing in a cell of a table; the numbers stand beside it, so it is hidden from
    readers of text.
    """
    return element(
        "svg",
        {
            "class": "strip",
            "viewBox": f"0 0 {place(width)} {place(height)}",
            "width": width,
            "height": height,
            "aria-hidden": "true",
            "focusable": "false",
        },
        body or element("g", {}),
    )


# Strips: the small drawings that stand in the cells of a table, and the same rows as figures of
# their own.
#
# In the page the numbers stand beside each strip as text; :func:`forest`, :func:`importance` and
# :func:`reasons` put label, strip and number into one SVG, for those who want the figure as a file.


Row = Mapping[str, Any]

WIDTH = 210.0  # of a strip, pixels
HEIGHT = 20.0
_MIDDLE = HEIGHT / 2
_PAD = 12.0
_Z_95 = 1.959963984540054
_TICKS = {
    "rate": [(0.0, "0"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1.0, "100")],
    "time": [(1.0, "1 h"), (6.0, "6 h"), (24.0, "1 d"), (168.0, "7 d"), (1440.0, "60 d")],
}
_VERDICT_MARKS = {
    "agrees": ("circle", "agrees"),
    "differs": ("diamond", "differs"),
    "not judged": ("square", "not-judged"),
}


def axis_scale(axis: str, *, start: float = _PAD, stop: float = WIDTH - _PAD) -> Scale:
    """The scale of a strip: `rate` from 0 to 1, `time` in hours by logarithm."""
    ticks = _TICKS[axis]
    return Scale(ticks[0][0], ticks[-1][0], start, stop, is_log=axis != "rate")


def axis_strip(axis: str) -> str:
    """The axis itself, for the head of the column."""
    scale = axis_scale(axis)
    body = "".join(
        words(scale.at(value), 12, text, style="tick", anchor="middle")
        for value, text in _TICKS[axis]
    )
    return strip(body, width=WIDTH, height=16)


def forest_strip(row: Row) -> str:
    """Published interval (broad, grey; broken when the figure is only recalled) and simulated value
    +- 1.96 errors.

    ``row``: axis, published, low, high, simulated, mc_error (None where missing), verdict,
    is_verified.
    """
    return strip(_forest_marks(row), width=WIDTH, height=HEIGHT)


def _forest_marks(row: Row) -> str:
    scale = axis_scale(row["axis"])

    def at(value: float) -> float:
        return scale.at(scale.inside(value))

    body = "".join(
        line(scale.at(value), 0, scale.at(value), HEIGHT, style="hair")
        for value, _ in _TICKS[row["axis"]]
    )
    if row["low"] is not None:
        style = "published-whisker" if row["is_verified"] else "published-unsure"
        body += line(at(row["low"]), _MIDDLE, at(row["high"]), _MIDDLE, style=style)
    body += line(
        at(row["published"]),
        _MIDDLE - 5,
        at(row["published"]),
        _MIDDLE + 5,
        style="published-value",
    )
    if row["simulated"] is None:
        return body
    shape, style = _VERDICT_MARKS[row["verdict"]]
    if row["mc_error"] is not None:
        reach = _Z_95 * row["mc_error"]
        body += line(
            at(row["simulated"] - reach),
            _MIDDLE,
            at(row["simulated"] + reach),
            _MIDDLE,
            style=style,
        )
    return body + mark(at(row["simulated"]), _MIDDLE, shape=shape, style=style, size=3.4)


def bar_strip(value: float, *, highest: float, style: str = "size", width: float = WIDTH) -> str:
    """A bar from the left; one that is longer than ``highest`` ends in a break, the number stands
    beside.
    """
    return strip(
        _bar_marks(value, highest=highest, style=style, width=width), width=width, height=HEIGHT
    )


def _bar_marks(value: float, *, highest: float, style: str, width: float) -> str:
    if value > highest:
        bar = box(0, 5, width, HEIGHT - 10, style=style)
        return bar + "".join(
            line(width * 0.86 + shift, 2, width * 0.86 + shift - 5, HEIGHT - 2, style="break")
            for shift in (0, 5)
        )
    return box(0, 5, value / highest * width if highest > 0 else 0.0, HEIGHT - 10, style=style)


def bar_end(values: Sequence[float]) -> float:
    """Where bars are cut: at the second longest and a quarter more, if one dwarfs all others.

    >>> bar_end([25.8, 6.0, 2.0]), bar_end([3.0, 2.0])
    (7.5, 3.0)
    """
    longest = sorted((*values, 0.0, 0.0), reverse=True)
    return 1.25 * longest[1] if longest[1] > 0 and longest[0] > 2.5 * longest[1] else longest[0]


def rates_strip(grade2plus: float, grade3plus: float) -> str:
    """Grade 2 or more (pale) and, inside it, grade 3 or more (dark), on a scale of 0 to 1."""
    whole, half = WIDTH / 2, HEIGHT - 12
    body = box(0, 6, whole, half, style="ground") + box(
        0, 6, grade2plus * whole, half, style="grade2-bar"
    )
    return strip(
        body + box(0, 6, grade3plus * whole, half, style="grade3-bar"), width=whole, height=HEIGHT
    )


def _reason_marks(points: float, *, highest: float) -> str:
    middle = WIDTH / 4
    length = abs(points) / highest * (middle - 4) if highest > 0 else 0.0
    start = middle if points >= 0 else middle - length
    bar = box(start, 4, length, HEIGHT - 8, style="raises" if points >= 0 else "lowers")
    return line(middle, 0, middle, HEIGHT, style="base") + bar


def hours_strip(hours: Sequence[float | None]) -> str:
    """Marks at the hours that show 50, 90 and 95% of onsets."""
    scale = axis_scale("time")
    body = "".join(
        line(scale.at(value), 0, scale.at(value), HEIGHT, style="hair")
        for value, _ in _TICKS["time"]
    )
    known = [scale.at(scale.inside(value)) for value in hours if value is not None]
    if len(known) > 1:
        body += line(known[0], _MIDDLE, known[-1], _MIDDLE, style="model-whisker")
    for x, shape in zip(known, ("circle", "diamond", "square"), strict=False):
        body += mark(
            x,
            _MIDDLE,
            shape=shape,
            style="model-mark" if shape == "circle" else "open-mark",
            size=3.4,
        )
    return strip(body, width=WIDTH, height=HEIGHT)


# --- the same rows as figures ---


def forest(rows: Sequence[Row], *, key: str, title: str) -> str:
    """All comparisons of one axis as one figure. ``rows``: as for a strip, with `label` and `told`
    (the numbers).
    """
    drawn = [(row["label"], _forest_marks(row), row["told"]) for row in rows]
    ticks = axis_strip(rows[0]["axis"]) if rows else ""
    n_agree = sum(row["verdict"] == "agrees" for row in rows)
    return _listing(
        drawn,
        key=key,
        title=title,
        label_width=420,
        told_width=300,
        head=ticks,
        description=f"{n_agree} of {len(rows)} simulated figures agree with the published ones.",
    )


def importance(rows: Sequence[Row], *, key: str) -> str:
    """Mean size of contribution by clinical variable. ``rows``: label, mean_points, direction."""
    highest = bar_end([row["mean_points"] for row in rows])
    drawn = [
        (
            row["label"],
            _bar_marks(row["mean_points"], highest=highest, style="size", width=WIDTH),
            f"{row['mean_points']:.1f}  {row['direction']}",
        )
        for row in rows
    ]
    told = "; ".join(f"{row['label']} {row['mean_points']:.1f}" for row in rows[:5])
    return _listing(
        drawn,
        key=key,
        title="What drives the model: mean change of the risk, of 100 patients",
        label_width=270,
        told_width=250,
        description=f"Mean change of the risk, of 100 patients, largest first: {told}.",
    )


def reasons(rows: Sequence[Row], *, key: str, title: str) -> str:
    """One patient's reasons. ``rows``: label, points (of 100, up positive)."""
    highest = max((abs(row["points"]) for row in rows), default=0.0)
    drawn = [
        (
            row["label"],
            _reason_marks(row["points"], highest=highest),
            f"{row['points']:+.0f}".replace("-", "−"),
        )
        for row in rows
    ]
    told = "; ".join(f"{label} {number}" for label, _, number in drawn)
    return _listing(
        drawn,
        key=key,
        title=title,
        label_width=330,
        told_width=60,
        strip_width=WIDTH / 2,
        description=f"Change of the risk, of 100 patients: {told}.",
    )


def _listing(
    drawn: Sequence[tuple[str, str, str]],
    *,
    key: str,
    title: str,
    description: str,
    label_width: float,
    told_width: float,
    strip_width: float = WIDTH,
    head: str = "",
) -> str:
    """Label, drawing, number: one row below the other."""
    top = 44.0 if head else 26.0
    body = words(0, 14, title, style="strong")
    if head:
        body += f'<g transform="translate({label_width:g} 26)">{head}</g>'
    for at, (label, marks, told) in enumerate(drawn):
        y = top + at * HEIGHT
        body += line(0, y, label_width + strip_width + told_width, y, style="hair")
        body += words(0, y + 14, label, style="row") + words(
            label_width + strip_width + 10, y + 14, told, style="row"
        )
        body += f'<g transform="translate({label_width:g} {y:g})">{marks}</g>'
    return picture(
        body,
        key=key,
        width=label_width + strip_width + told_width,
        height=top + len(drawn) * HEIGHT + 6,
        title=title,
        description=description,
    )


# Two figures that any section can ask for by data alone: lines over a risk, and dots with their
# intervals.
#
# Whoever adds a section writes the data; nothing here knows what it is about. :func:`lines` draws
# curves, bands and bundles of thin curves (refits); :func:`dots` draws rows of estimates against a
# reference line.


Data = Mapping[str, Any]

_LEFT, _TOP, _FOOT = 52.0, 24.0, 40.0
_ROW, _LABELS, _PLOT, _NUMBERS = 24.0, 250.0, 300.0, 190.0
_STYLES = {
    "model": "model-line",
    "refit": "refit-line",
    "ideal": "ideal",
    "reference": "all-line",
    "zero": "none-line",
    "interval": "refit-line",
}


def lines(data: Data, *, key: str, title: str) -> str:
    """Curves on one plot.

    ``data``: `x` and `y`, each `name`, `low`, `high`, `factor` (what a value is multiplied with on
    the axis, 100 for risks); `series`, each `style` (model, refit, ideal, reference, zero,
    interval), `x`, `y` (None = a gap) and, where it has one, `label`; `band` (None, or `x`, `low`,
    `high`); `told` (the figure in a sentence).
    """
    width, height = 460.0, 340.0
    across, up = data["x"], data["y"]
    panel = Panel(
        Scale(across["low"], across["high"], _LEFT, width - 14),
        Scale(up["low"], up["high"], height, _TOP),
    )
    body = panel.across(round_ticks(up["low"], up["high"]), text=_axis(up), name=up["name"])
    body += panel.along(
        round_ticks(across["low"], across["high"]), text=_axis(across), name=across["name"]
    )
    if data["band"] is not None:
        body += panel.band(
            data["band"]["x"], data["band"]["low"], data["band"]["high"], style="model-band"
        )
    for one in data["series"]:
        points = [
            (x, panel.y.inside(y)) for x, y in zip(one["x"], one["y"], strict=True) if y is not None
        ]
        if points:
            body += panel.curve(*zip(*points, strict=True), style=_STYLES[one["style"]])
    body += _key(data, x=_LEFT + 12, y=_TOP + 10)
    return picture(
        body, key=key, width=width, height=height + _FOOT, title=title, description=data["told"]
    )


def _axis(axis: Data) -> Any:
    ticks = [axis["factor"] * tick for tick in round_ticks(axis["low"], axis["high"])]
    digits = next(
        (at for at in range(5) if all(abs(round(tick, at) - tick) < 1e-9 for tick in ticks)), 5
    )
    return lambda value: number(axis["factor"] * value, digits=digits)


def _key(data: Data, *, x: float, y: float) -> str:
    named = [one for one in data["series"] if one.get("label")]
    return "".join(
        line(x, y + 17 * at, x + 24, y + 17 * at, style=_STYLES[one["style"]])
        + words(x + 30, y + 4 + 17 * at, one["label"], style="note")
        for at, one in enumerate(named)
    )


def dots(data: Data, *, key: str, title: str) -> str:
    """Rows of estimates with intervals; a row without a figure says so.

    ``data``: `name` of the axis, `low`, `high`, `reference` (where the line stands, or None),
    `digits`, `factor`; `rows`, each `label`, `estimate` (as the evaluation has it), `is_strong` and
    `range` (None, or `low` and `high`: a prediction interval, drawn broad); `told`.
    """
    rows, factor = data["rows"], data["factor"]
    width, bottom = _LABELS + _PLOT + _NUMBERS, _TOP + _ROW * len(rows)
    panel = Panel(
        Scale(data["low"], data["high"], _LABELS, _LABELS + _PLOT), Scale(0, 1, bottom, _TOP)
    )
    body = panel.along(round_ticks(data["low"], data["high"]), text=_axis(data), name=data["name"])
    if data["reference"] is not None:
        body += line(
            panel.x.at(data["reference"]),
            _TOP,
            panel.x.at(data["reference"]),
            bottom,
            style="ideal",
        )
    for at, row in enumerate(rows):
        y = _TOP + _ROW * at
        style = "row-strong" if row["is_strong"] else "row"
        body += line(0, y, width, y, style="hair") + words(
            0, y + 16, _short(row["label"]), style=style
        )
        body += _dot(row, panel.x, y=y + 12) + words(
            _LABELS + _PLOT + 14, y + 16, _told(row, data, factor), style=style
        )
    return picture(
        body, key=key, width=width, height=bottom + _FOOT, title=title, description=data["told"]
    )


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

    broad = (
        ""
        if row["range"] is None
        else line(
            at(row["range"]["low"]), y, at(row["range"]["high"]), y, style="published-whisker"
        )
    )
    style = "model" if row["is_strong"] else "comparator"
    whisker = line(at(estimate["low"]), y, at(estimate["high"]), y, style=f"{style}-whisker")
    shape, fill = ("diamond", "model-mark") if row["is_strong"] else ("circle", "open-mark")
    return broad + whisker + mark(at(estimate["value"]), y, shape=shape, style=fill, size=3.8)


def _told(row: Data, data: Data, factor: float) -> str:
    estimate = row["estimate"]
    if "not_estimable" in estimate:
        return "not estimable"
    value, low, high = (
        number(factor * estimate[part], digits=data["digits"]) for part in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"
