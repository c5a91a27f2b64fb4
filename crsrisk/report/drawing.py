"""Drawing: the few strokes that every figure is made of, as SVG text.

The figures are written by hand instead of through a plotting library: their words are real text in the fonts of the
page, their colours follow it (screen, dark screen, print), the same numbers give the same bytes on every machine,
and nothing has to be loaded. Colours and strokes stand in templates/figures.css, here are only classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

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
        f' {key}="{escape(value) if isinstance(value, str) else place(value)}"' for key, value in attributes.items()
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
    """Values from ``low`` to ``high`` laid from pixel ``start`` to ``stop``, evenly or by logarithm.

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
        """The value, or the nearer end of the scale: for drawing only, where the number stands beside."""
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
    for step in (steps[at], steps[max(at - 1, 0)]):  # a coarse step may have no multiple inside; then the next finer
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
        """Hairlines across the plot at these values of y, their words on the left, the name above."""
        x, y = self.x, self.y
        parts = []
        for tick in ticks:
            parts.append(line(x.start, y.at(tick), x.stop, y.at(tick), style="hair"))
            parts.append(words(x.start - 6, y.at(tick) + 3.5, text(tick), style="tick", anchor="end"))
        if name:
            parts.append(words(x.start, y.stop - 8, name, style="name"))
        return "".join(parts)

    def along(self, ticks: Numbers, *, text: Callable[[float], str], name: str = "") -> str:
        """The axis of x at the bottom of the plot, with words at these values and the name below."""
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


def picture(body: str, *, key: str, width: float, height: float, title: str, description: str) -> str:
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
    """A small drawing in a cell of a table; the numbers stand beside it, so it is hidden from readers of text."""
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
