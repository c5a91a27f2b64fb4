"""Strips: the small drawings that stand in the cells of a table, and the same rows as figures of their own.

In the page the numbers stand beside each strip as text; :func:`forest`, :func:`importance` and :func:`reasons` put
label, strip and number into one SVG, for those who want the figure as a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.drawing import Scale, box, line, mark, picture, strip, words

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
    body = "".join(words(scale.at(value), 12, text, style="tick", anchor="middle") for value, text in _TICKS[axis])
    return strip(body, width=WIDTH, height=16)


def forest_strip(row: Row) -> str:
    """Published interval (broad, grey; broken when the figure is only recalled) and simulated value +- 1.96 errors.

    ``row``: axis, published, low, high, simulated, mc_error (None where missing), verdict, is_verified.
    """
    return strip(_forest_marks(row), width=WIDTH, height=HEIGHT)


def _forest_marks(row: Row) -> str:
    scale = axis_scale(row["axis"])

    def at(value: float) -> float:
        return scale.at(scale.inside(value))

    body = "".join(line(scale.at(value), 0, scale.at(value), HEIGHT, style="hair") for value, _ in _TICKS[row["axis"]])
    if row["low"] is not None:
        style = "published-whisker" if row["is_verified"] else "published-unsure"
        body += line(at(row["low"]), _MIDDLE, at(row["high"]), _MIDDLE, style=style)
    body += line(at(row["published"]), _MIDDLE - 5, at(row["published"]), _MIDDLE + 5, style="published-value")
    if row["simulated"] is None:
        return body
    shape, style = _VERDICT_MARKS[row["verdict"]]
    if row["mc_error"] is not None:
        reach = _Z_95 * row["mc_error"]
        body += line(at(row["simulated"] - reach), _MIDDLE, at(row["simulated"] + reach), _MIDDLE, style=style)
    return body + mark(at(row["simulated"]), _MIDDLE, shape=shape, style=style, size=3.4)


def bar_strip(value: float, *, highest: float, style: str = "size", width: float = WIDTH) -> str:
    """A bar from the left; one that is longer than ``highest`` ends in a break, the number stands beside."""
    return strip(_bar_marks(value, highest=highest, style=style, width=width), width=width, height=HEIGHT)


def _bar_marks(value: float, *, highest: float, style: str, width: float) -> str:
    if value > highest:
        bar = box(0, 5, width, HEIGHT - 10, style=style)
        return bar + "".join(
            line(width * 0.86 + shift, 2, width * 0.86 + shift - 5, HEIGHT - 2, style="break") for shift in (0, 5)
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
    body = box(0, 6, whole, half, style="ground") + box(0, 6, grade2plus * whole, half, style="grade2-bar")
    return strip(body + box(0, 6, grade3plus * whole, half, style="grade3-bar"), width=whole, height=HEIGHT)


def _reason_marks(points: float, *, highest: float) -> str:
    middle = WIDTH / 4
    length = abs(points) / highest * (middle - 4) if highest > 0 else 0.0
    start = middle if points >= 0 else middle - length
    bar = box(start, 4, length, HEIGHT - 8, style="raises" if points >= 0 else "lowers")
    return line(middle, 0, middle, HEIGHT, style="base") + bar


def hours_strip(hours: Sequence[float | None]) -> str:
    """Marks at the hours that show 50, 90 and 95% of onsets."""
    scale = axis_scale("time")
    body = "".join(line(scale.at(value), 0, scale.at(value), HEIGHT, style="hair") for value, _ in _TICKS["time"])
    known = [scale.at(scale.inside(value)) for value in hours if value is not None]
    if len(known) > 1:
        body += line(known[0], _MIDDLE, known[-1], _MIDDLE, style="model-whisker")
    for x, shape in zip(known, ("circle", "diamond", "square"), strict=False):
        body += mark(x, _MIDDLE, shape=shape, style="model-mark" if shape == "circle" else "open-mark", size=3.4)
    return strip(body, width=WIDTH, height=HEIGHT)


# ---------------------------------------------------------------------------------- the same rows as figures


def forest(rows: Sequence[Row], *, key: str, title: str) -> str:
    """All comparisons of one axis as one figure. ``rows``: as for a strip, with `label` and `told` (the numbers)."""
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
        body += words(0, y + 14, label, style="row") + words(label_width + strip_width + 10, y + 14, told, style="row")
        body += f'<g transform="translate({label_width:g} {y:g})">{marks}</g>'
    return picture(
        body,
        key=key,
        width=label_width + strip_width + told_width,
        height=top + len(drawn) * HEIGHT + 6,
        title=title,
        description=description,
    )
