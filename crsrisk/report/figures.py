"""Figures of the evaluation: calibration, risk by outcome, net benefit. Plain numbers in, one SVG
as text out.

The same numbers give the same bytes. Colour never speaks alone: shape, position or a word says the
same. Inside the page the figures take colours and fonts from it; :func:`stand_alone` makes a file
that carries its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from crsrisk.report.drawing import (
    Panel,
    Scale,
    box,
    element,
    line,
    mark,
    picture,
    place,
    round_ticks,
    words,
)
from crsrisk.wording import MISSING, number, of_100, wrapped

Group = Mapping[str, Any]

SMALL_WIDTH = 250.0  # of a panel among many
TITLE_ROOM = 36  # letters in a line above such a panel
_LIMITS = (0.1, 0.25, 0.5, 1.0)  # ends of a risk axis: few, so that panels can be compared
_SIZE = re.compile(r'viewBox="[^"]*" width="([^"]*)" height="([^"]*)"')
_MARGIN = 12.0
_LEGEND = (
    ("model-line", "Model, 95% band"),
    ("all-line", "Treat everybody"),
    ("none-line", "Treat nobody"),
)


def stand_alone(svg: str, *, note: str) -> str:
    """A figure as a file of its own: colours and fonts written into it, a light ground, ``note``
    below it.

    The note says what a page says around the figure: event, window, and that the data are
    synthetic.

    >>> svg = picture("", key="a", width=200, height=100, title="", description="")
    >>> "no external" in stand_alone(svg, note="Synthetic data; no external validation.")
    True
    """
    start = svg.index(">") + 1
    width, height = (float(size) for size in _SIZE.findall(svg[:start])[0])
    lines = wrapped(note, room=max(24, int(width / 5.6)))
    below = 15.0 * len(lines) + 8
    body = box(-_MARGIN, -_MARGIN, width + 2 * _MARGIN, height + below + 2 * _MARGIN, style="paper")
    foot = "".join(
        words(0, height + 16 + 15 * at, text, style="note") for at, text in enumerate(lines)
    )
    head = _SIZE.sub(
        f'viewBox="{-_MARGIN:g} {-_MARGIN:g} {width + 2 * _MARGIN:g}'
        f' {height + below + 2 * _MARGIN:g}" width="{width + 2 * _MARGIN:g}"'
        f' height="{height + below + 2 * _MARGIN:g}"',
        svg[:start],
    )
    inside = svg[start:].removesuffix("</svg>")
    return f"{head}<style>{_style_of_files()}</style>{body}{inside}{foot}</svg>\n"


@cache
def _style_of_files() -> str:
    """figures.css with the light palette in place of its variables (drawing programs know no
    variables).
    """
    folder = files("crsrisk.report").joinpath("templates")
    palette, rules = (
        folder.joinpath(f"{name}.css").read_text("utf-8") for name in ("palette", "figures")
    )
    light = dict(re.findall(r"(--[a-z-]+):\s*([^;]+);", palette.split("@media")[0]))
    return re.sub(r"var\((--[a-z-]+)\)", lambda found: light[found.group(1)], rules)


@dataclass(frozen=True)
class Frame:
    """Where things stand in a figure with one plot: large, or small as one of many. Pixels."""

    width: float
    plot_width: float
    plot_height: float
    histogram: float
    left: float
    top: float


LARGE_CALIBRATION = Frame(width=440, plot_width=370, plot_height=370, histogram=64, left=48, top=24)
SMALL_CALIBRATION = Frame(
    width=SMALL_WIDTH, plot_width=196, plot_height=196, histogram=40, left=34, top=54
)
LARGE_BENEFIT = Frame(width=500, plot_width=438, plot_height=434, histogram=0, left=48, top=24)
SMALL_BENEFIT = Frame(
    width=SMALL_WIDTH, plot_width=196, plot_height=140, histogram=0, left=34, top=54
)


def hundred(value: float) -> str:
    """A share as a number of 100, for an axis."""
    return number(100 * value, digits=0)


def limit(highest: float) -> float:
    """The end of a risk axis that holds this risk."""
    return next(end for end in _LIMITS if highest <= end or end == 1.0)


def title_lines(text: str) -> str:
    """The title of a small panel, in one line or two."""
    lines = wrapped(text, room=TITLE_ROOM)[:2]
    return "".join(words(0, 13 + 15 * at, part, style="strong") for at, part in enumerate(lines))


def refusal(reason: str, *, key: str, title: str, frame: Frame) -> str:
    """A figure that cannot be drawn: it says so, and why."""
    lines = ["Not estimable:", *wrapped(reason, room=int(frame.width / 7))]
    height = frame.top + 40 + 15 * len(lines)
    body = title_lines(title) + "".join(
        words(0, frame.top + 10 + 15 * at, text, style="note") for at, text in enumerate(lines)
    )
    about = f"Not estimable: {reason}."
    return picture(body, key=key, width=frame.width, height=height, title=title, description=about)


def calibration(group: Group, *, key: str, name: str, is_small: bool = False) -> str:
    """Predicted against observed risk with its 95% band; below it where the patients lie, by
    outcome.

    ``group`` is one entry of the evaluation (`pooled` or a product). Histograms show shares of each
    outcome class: with the event upwards, without downwards. A large figure has no title of its
    own.
    """
    frame = SMALL_CALIBRATION if is_small else LARGE_CALIBRATION
    title, curve = f"Calibration, {name}", group["calibration"]["curve"]
    if "not_estimable" in curve:
        return refusal(curve["not_estimable"], key=key, title=title, frame=frame)
    end, bottom = limit(max(*curve["risk"], *curve["high"])), frame.top + frame.plot_height
    panel = Panel(
        Scale(0, end, frame.left, frame.left + frame.plot_width), Scale(0, end, bottom, frame.top)
    )
    ticks = round_ticks(0, end, n=2 if is_small else 5)
    body = title_lines(name) if is_small else ""
    body += panel.across(ticks, text=hundred, name="Observed, of 100")
    body += panel.curve([0, end], [0, end], style="ideal")
    body += panel.band(curve["risk"], curve["low"], curve["high"], style="model-band")
    body += panel.curve(curve["risk"], curve["observed"], style="model-line")
    body += _histograms(
        group["risk_distribution"], x=panel.x, top=bottom + 5, height=frame.histogram
    )
    foot = bottom + frame.histogram + 10
    body += Panel(panel.x, Scale(0, 1, foot, frame.top)).along(
        ticks, text=hundred, name="Predicted, of 100"
    )
    ends = [hundred(curve[part][at]) for at in (0, -1) for part in ("risk", "observed")]
    about = (
        f"Of 100 patients with a predicted risk of {ends[0]} of 100, {ends[1]} had the event; of"
        f" 100 with {ends[2]} of 100, {ends[3]} had it. A perfect model lies on the diagonal."
    )
    return picture(
        body, key=key, width=frame.width, height=foot + 40, title=title, description=about
    )


def _histograms(distribution: Group, *, x: Scale, top: float, height: float) -> str:
    """Shares of both outcome classes in bins of predicted risk, with the event up and without
    down.
    """
    if "not_estimable" in distribution:
        return ""
    shares = {
        name: [count / distribution[name]["n"] for count in distribution[name]["counts"]]
        for name in ("event", "no_event")
    }
    highest, middle = max(max(values) for values in shares.values()), top + height / 2
    parts = []
    for name, style, is_up in (("event", "event-bar", True), ("no_event", "other-bar", False)):
        edges = distribution[name]["bin_edges"]
        for share, start, stop in zip(shares[name], edges, edges[1:], strict=False):
            if stop > x.high + 1e-9:
                continue
            tall, wide = share / highest * height / 2, x.at(stop) - x.at(start) - 1
            parts.append(
                box(x.at(start) + 0.5, middle - tall if is_up else middle, wide, tall, style=style)
            )
    parts.append(line(x.start, middle, x.stop, middle, style="hair"))
    if height > 50:
        parts.append(words(x.start + 4, top + 10, "with the event", style="event-text"))
        parts.append(words(x.stop, top + height - 3, "without", style="other-text", anchor="end"))
    return "".join(parts)


def risk_distribution(groups: Mapping[str, Group], *, key: str) -> str:
    """Where predicted risks lie among patients with and without the event: 5 to 95%, middle half,
    median.

    ``groups``: label -> entry of the evaluation, drawn from top to bottom.
    """
    left, width, row, top = 250.0, 900.0, 40.0, 26.0
    bottom = top + row * len(groups)
    panel = Panel(Scale(0, 1, left, width - 24), Scale(0, 1, bottom, top))
    body = panel.along(
        [k / 5 for k in range(6)], text=hundred, name="Predicted risk, of 100 patients"
    )
    body += words(left, 14, "Upper bar: with the event", style="event-text")
    body += words(left + 190, 14, "Lower bar: without", style="other-text")
    medians = []
    for at, (label, group) in enumerate(groups.items()):
        y, distribution = top + row * at, group["risk_distribution"]
        lines = wrapped(label, room=36)[:2]
        body += line(0, y, width - 24, y, style="hair")
        body += "".join(
            words(0, y + (24 if len(lines) == 1 else 17) + 15 * k, part, style="row")
            for k, part in enumerate(lines)
        )
        if "not_estimable" in distribution:
            body += words(
                left, y + 24, f"not estimable: {distribution['not_estimable']}", style="note"
            )
            continue
        body += _spread(distribution["event"], x=panel.x, y=y + 13, style="event")
        body += _spread(distribution["no_event"], x=panel.x, y=y + 27, style="other")
        middle = [
            of_100(distribution[name]["quantiles"]["0.5"]["value"])
            for name in ("event", "no_event")
        ]
        medians.append(f"{label}: {middle[0]} with, {middle[1]} without")
    about = f"Median predicted risk of 100 patients. {'; '.join(medians)}."
    return picture(
        body,
        key=key,
        width=width,
        height=bottom + 42,
        title="Predicted risk by outcome",
        description=about,
    )


def _spread(distribution: Group, *, x: Scale, y: float, style: str) -> str:
    """One outcome class as a line (5 to 95%), a bar (the middle half) and a stroke (the median)."""
    at = {share: x.at(one["value"]) for share, one in distribution["quantiles"].items()}
    return (
        line(at["0.05"], y, at["0.95"], y, style=f"{style}-whisker")
        + box(at["0.25"], y - 4, max(at["0.75"] - at["0.25"], 1), 8, style=f"{style}-bar")
        + line(at["0.5"], y - 5.5, at["0.5"], y + 5.5, style="median")
    )


def net_benefit(group: Group, *, key: str, name: str, is_small: bool = False) -> str:
    """Net benefit by threshold: the model with its 95% band, treating everybody, treating nobody.

    In events found per 100 patients, needless treatments subtracted at the threshold's odds.
    """
    frame = SMALL_BENEFIT if is_small else LARGE_BENEFIT
    title, curve = f"Net benefit, {name}", group["net_benefit"]
    if "not_estimable" in curve:
        return refusal(curve["not_estimable"], key=key, title=title, frame=frame)
    threshold, model, everybody = curve["threshold"], curve["model"], curve["treat_all"]["value"]
    highest, last = 1.05 * max(*model["high"], everybody[0]), max(threshold)
    bottom = frame.top + frame.plot_height
    panel = Panel(
        Scale(0, last, frame.left, frame.left + frame.plot_width),
        Scale(-0.18 * highest, highest, bottom, frame.top),
    )
    ticks = round_ticks(0, highest, n=3 if is_small else 5)
    is_whole = all(abs(100 * tick - round(100 * tick)) < 1e-6 for tick in ticks)
    body = title_lines(name) if is_small else ""
    body += panel.across(
        ticks,
        text=lambda tick: number(100 * tick, digits=0 if is_whole else 1),
        name="Net benefit per 100 patients",
    )
    body += panel.along(
        round_ticks(0, last, n=3 if is_small else 6), text=hundred, name="Threshold, of 100"
    )
    body += panel.curve([0, last], [0, 0], style="none-line")
    body += panel.band(threshold, model["low"], model["high"], style="model-band")
    body += panel.curve(threshold, everybody, style="all-line")
    body += panel.curve(threshold, model["value"], style="model-line")
    body += "" if is_small else _legend(panel)
    gain = curve["model_minus_treat_all"]["low"]
    better = [one for one, low in zip(threshold, gain, strict=True) if low > 0]
    about = (
        "The lowest threshold at which the model is clearly better than treating everybody is"
        f" {of_100(better[0])} of 100."
        if better
        else "At no threshold is the model clearly better than treating everybody."
    )
    return picture(
        body, key=key, width=frame.width, height=bottom + 40, title=title, description=about
    )


def _legend(panel: Panel) -> str:
    parts = []
    for at, (style, text) in enumerate(_LEGEND):
        y, x = panel.y.stop + 12 + 17 * at, panel.x.stop - 136
        parts.append(line(x, y, x + 26, y, style=style) + words(x + 33, y + 4, text, style="note"))
    return "".join(parts)


# The ladder as a figure: from a predictor that knows nothing to an oracle that knows all that can
# be known.


BenchmarkRow = Mapping[str, Any]

_LADDER_LABELS = 232.0  # pixels for the names of the rungs
_LADDER_PLOT = 170.0
_NUMBERS = 78.0
_LADDER_ROW = 27.0
_LADDER_TOP = 40.0
_MARKS = {
    "null": ("cross", "null-mark"),
    "comparator": ("circle", "open-mark"),
    "model": ("circle", "model-mark"),
    "oracle": ("diamond", "oracle-mark"),
}


@dataclass(frozen=True)
class _Column:
    """One measure: the key of its estimate in a rung, two lines of heading, decimals, where chance
    lies.
    """

    field: str
    heading: str
    below: str
    digits: int
    chance: float


_GAIN = _Column("gain", "Gain in log loss over", "knowing the product, nats", 3, 0.0)
_WITHIN = _Column("auroc", "AUROC among patients", "of one product", 2, 0.5)
_MIXED = _Column("auroc_mixed", "AUROC over all patients,", "products mixed", 2, 0.5)


def ladder(rungs: Sequence[BenchmarkRow], *, key: str, is_pooled: bool) -> str:
    """Gain in log loss over knowing the product, and AUROC, side by side; the first rung on top.

    ``rungs``: those of the evaluation with a `label`. ``is_pooled`` draws AUROC twice, clearly
    apart: among patients of one product, and over all patients, where knowing the product already
    helps.
    """
    columns = [_GAIN, _WITHIN, _MIXED] if is_pooled else [_GAIN, _MIXED]
    width, bottom = (
        _LADDER_LABELS + len(columns) * (_LADDER_PLOT + _NUMBERS),
        _LADDER_TOP + _LADDER_ROW * len(rungs),
    )
    body = ""
    for at, rung in enumerate(rungs):
        style = "row-strong" if rung["kind"] == "model" else "row"
        body += line(
            0, _LADDER_TOP + _LADDER_ROW * at, width, _LADDER_TOP + _LADDER_ROW * at, style="hair"
        )
        body += words(0, _LADDER_TOP + _LADDER_ROW * at + 18, rung["label"], style=style)
    for at, column in enumerate(columns):
        body += _drawn(
            column, rungs, start=_LADDER_LABELS + at * (_LADDER_PLOT + _NUMBERS), bottom=bottom
        )
    told = "; ".join(f"{rung['label']} {_value(rung[_GAIN.field], digits=3)}" for rung in rungs)
    return picture(
        body,
        key=key,
        width=width,
        height=bottom + 24,
        title="From knowing nothing to knowing all",
        description=f"Gain in log loss over knowing the product alone, nats: {told}.",
    )


def _drawn(column: _Column, rungs: Sequence[BenchmarkRow], *, start: float, bottom: float) -> str:
    """One column: heading, axis, the line of chance, a mark for each rung."""
    known = [rung[column.field] for rung in rungs if "value" in (rung[column.field] or {})]
    x = _scale(known, column=column, start=start)

    def tick_words(tick: float) -> str:
        return number(tick, digits=column.digits - 1)

    body = words(start, 12, column.heading, style="strong") + words(
        start, 27, column.below, style="name"
    )
    body += Panel(x, Scale(0, 1, bottom, _LADDER_TOP)).along(
        round_ticks(x.low, x.high, n=4), text=tick_words
    )
    body += line(x.at(column.chance), _LADDER_TOP, x.at(column.chance), bottom, style="ideal")
    return body + "".join(
        _rung(rung, column=column, x=x, y=_LADDER_TOP + _LADDER_ROW * (at + 0.5))
        for at, rung in enumerate(rungs)
    )


def _scale(known: Sequence[Mapping[str, float]], *, column: _Column, start: float) -> Scale:
    """From a little below chance to the highest; a null far below would squeeze the others and is
    cut.
    """
    highest = max([one["high"] for one in known], default=1.0)
    lowest = min([one["low"] for one in known], default=0.0)
    reach = max(highest - column.chance, 10.0**-column.digits)
    low = max(lowest, column.chance - 0.4 * reach) - 0.06 * reach
    return Scale(
        min(low, column.chance - 0.06 * reach), highest + 0.08 * reach, start, start + _LADDER_PLOT
    )


def _value(estimate: Mapping[str, Any] | None, *, digits: int) -> str:
    if estimate is None:
        return MISSING
    return (
        "not estimable" if "not_estimable" in estimate else number(estimate["value"], digits=digits)
    )


def _rung(rung: BenchmarkRow, *, column: _Column, x: Scale, y: float) -> str:
    """One mark with its interval; an oracle's AUROC as the range between its bounds; off the scale
    an arrow.
    """
    estimate = rung[column.field]
    told = words(x.stop + 12, y + 4, _value(estimate, digits=column.digits), style="told")
    if estimate is None or "not_estimable" in estimate:
        return told
    shape, style = _MARKS[rung["kind"]]
    if not x.holds(estimate["value"]):
        return mark(x.start + 5, y, shape="left", style="null-arrow") + told
    low, high = x.inside(estimate["low"]), x.inside(estimate["high"])
    body = line(x.at(low), y, x.at(high), y, style=f"{rung['kind']}-whisker")
    upper = rung.get(f"{column.field}_upper")
    if upper is not None:
        body += line(x.at(estimate["value"]), y, x.at(x.inside(upper)), y, style="oracle-range")
    return body + mark(x.at(estimate["value"]), y, shape=shape, style=style, size=4.2) + told


# Learning curves as a figure: share of the oracle's gain against the number of training patients,
# one line a learner.


Row = Mapping[str, Any]

_LEARNING_WIDTH, _LEARNING_HEIGHT = 720.0, 380.0
_LEARNING_LEFT, _LEARNING_RIGHT, _LEARNING_TOP, _LEARNING_BOTTOM = 44.0, 452.0, 34.0, 318.0
_STYLES = ("all-line", "other-line", "event-line", "none-line")
_SCORE, _SCORE_STYLE = "product + ", "ideal"  # published scores on top of the product look alike
_APART = 15.0  # pixels between the names at the right


def learning_curves(rows: Sequence[Row], *, key: str) -> str:
    """``rows``: learner, n_training, share, low, high (95%); the first learner is the model."""
    names = list(dict.fromkeys(row["learner"] for row in rows))
    sizes = sorted({row["n_training"] for row in rows})
    x = Scale(sizes[0], max(sizes[-1], sizes[0] + 1), _LEARNING_LEFT, _LEARNING_RIGHT, is_log=True)
    y = Scale(0.0, 1.0, _LEARNING_BOTTOM, _LEARNING_TOP)
    panel = Panel(x, y)
    body = panel.across(
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
        text=lambda tick: f"{100 * tick:.0f}%",
        name="Share of the oracle's gain in log loss over knowing the product alone",
    )
    body += panel.along(sizes, text=lambda tick: f"{tick:,.0f}", name="Training patients")
    body += line(_LEARNING_LEFT, y.at(1.0), _LEARNING_RIGHT, y.at(1.0), style="ideal")
    body += words(_LEARNING_RIGHT + 8, y.at(1.0) + 4, "oracle", style="name")
    curves = {
        name: sorted(
            (row for row in rows if row["learner"] == name), key=lambda row: row["n_training"]
        )
        for name in names
    }
    heights = _apart({name: y.at(y.inside(curves[name][-1]["share"])) for name in names})
    others = [name for name in names[1:] if not name.startswith(_SCORE)]
    styles = {
        names[0]: "model-line",
        **{name: _STYLES[at % len(_STYLES)] for at, name in enumerate(others)},
    }
    for at, name in reversed(list(enumerate(names))):
        style = styles.get(name, _SCORE_STYLE)
        body += _curve(curves[name], panel, style=style, is_model=at == 0)
        body += line(
            _LEARNING_RIGHT + 3,
            y.at(y.inside(curves[name][-1]["share"])),
            _LEARNING_RIGHT + 16,
            heights[name] - 4,
            style="hair",
        )
        body += words(
            _LEARNING_RIGHT + 19, heights[name], name, style="row-strong" if at == 0 else "row"
        )
    told = "; ".join(
        f"{name}: "
        + ", ".join(f"{row['share']:.2f} at {row['n_training']}" for row in curves[name])
        for name in names
    )
    return picture(
        body,
        key=key,
        width=_LEARNING_WIDTH,
        height=_LEARNING_HEIGHT,
        title="Learning curves",
        description=f"Share of the oracle's gain over knowing the product. {told}.",
    )


def _curve(rows: Sequence[Row], panel: Panel, *, style: str, is_model: bool) -> str:
    sizes = [float(row["n_training"]) for row in rows]
    shares = [panel.y.inside(row["share"]) for row in rows]
    body = ""
    if is_model:
        body += panel.band(
            sizes, [row["low"] for row in rows], [row["high"] for row in rows], style="model-band"
        )
    body += panel.curve(sizes, shares, style=style)
    if is_model:
        body += "".join(
            mark(panel.x.at(n), panel.y.at(share), shape="circle", style="model-mark", size=3)
            for n, share in zip(sizes, shares, strict=True)
        )
    return body


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Where the names stand: at their line's end, pushed down where two would overlap, and up again
    from the bottom.
    """
    placed: dict[str, float] = {}
    below = _LEARNING_TOP + 4
    for name, height in sorted(heights.items(), key=lambda one: one[1]):
        below = max(height + 4, below + _APART)
        placed[name] = below
    above = _LEARNING_BOTTOM + 40
    for name in reversed(list(placed)):
        placed[name] = above = min(placed[name], above - _APART)
    return placed


# Theme chart: one bar chart of all reasons, grouped by what they speak of; left lowers the risk,
# right raises it.


WIDTH = 460.0
_THEME_LABELS = 212.0  # width of the column of words
_THEME_ROW, _GROUP = 15.0, 19.0  # heights
_NUMBER = 26.0  # room for the number at either end of the longest bar


def theme_chart(themes: Sequence[Mapping[str, Any]], *, key: str, start: int, end: int) -> str:
    """Bars in whole patients of 100: a strong one for each group, thin ones for its reasons;
    ``start`` plus all groups is ``end``.

    ``themes``: theme, of_100 and rows (label, value, of_100), as
    :func:`crsrisk.report.explanation.themes` makes them.
    """
    sizes = [abs(one["of_100"]) for one in themes] + [
        abs(row["of_100"]) for one in themes for row in one["rows"]
    ]
    most = max([*sizes, 1])
    low, high = (
        any(
            sign * value > 0
            for one in themes
            for value in (one["of_100"], *(r["of_100"] for r in one["rows"]))
        )
        for sign in (-1, 1)
    )
    scale = Scale(
        -most if low else 0.0, most if high else 0.0, _THEME_LABELS + _NUMBER, WIDTH - _NUMBER
    )
    if scale.low == scale.high:
        scale = Scale(-1.0, 1.0, scale.start, scale.stop)
    body, y = "", 4.0
    for one in themes:
        body += _bar(scale, y, one["theme"].capitalize(), one["of_100"], is_group=True)
        y += _GROUP
        for row in one["rows"]:
            body += _bar(
                scale, y, _cut(f"{row['label']}: {row['value']}"), row["of_100"], is_group=False
            )
            y += _THEME_ROW
        y += 3
    zero = line(scale.at(0), 0, scale.at(0), y, style="base")
    said = "; ".join(f"{one['theme']} {_signed(one['of_100'])}" for one in themes)
    return picture(
        zero
        + body
        + words(
            0,
            y + 12,
            f"Start {start}, all groups together {_signed(end - start)}: {end} of 100",
            style="note",
        ),
        key=key,
        width=WIDTH,
        height=y + 18,
        title="Reasons by group, in patients of 100",
        description=f"Start {start} of 100; {said}; together {end} of 100.",
    )


def _bar(scale: Scale, y: float, label: str, points: int, *, is_group: bool) -> str:
    height = 11.0 if is_group else 6.0
    middle = y + 8
    left, right = sorted((scale.at(0), scale.at(points)))
    body = words(0 if is_group else 10, middle + 4, label, style="strong" if is_group else "row")
    body += box(
        left, middle - height / 2, right - left, height, style="raises" if points > 0 else "lowers"
    )
    at = right + 5 if points >= 0 else left - 5
    return body + words(
        at,
        middle + 4,
        _signed(points),
        style="strong" if is_group else "row",
        anchor="start" if points >= 0 else "end",
    )


def _signed(points: int) -> str:
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def _cut(text: str, *, room: int = 36) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


# Trial figures: what stops a trial at each look, and power over what is assumed. Plain numbers in,
# SVG out.


Data = Mapping[str, Any]

_TRIAL_LEFT, _TRIAL_TOP, _TRIAL_PLOT, _TRIAL_HEIGHT, _TRIAL_RIGHT = 44.0, 50.0, 330.0, 210.0, 26.0
_ROOM = 92.0  # below the plot: axis and how often each look stops
_MOST_Z = 5.0  # bounds above are drawn at the edge, their number stands beside
_LINES = ("model-line", "other-line", "event-line", "all-line")


def boundary_figure(one: Data, *, key: str) -> str:
    """Bounds at each look of one design, and below of 100 trials how many stop there, with the
    effect and without.

    ``one``: `design`, `is_count` (counts of successes rather than z) and `looks`, each `n`,
    `upper`, `lower` (None: nothing stops there), `benefit_effect`, `futility_effect`,
    `benefit_null` and `futility_null` (shares).
    """
    looks = one["looks"]
    top, bottom = _range(one)
    panel = Panel(
        Scale(0, 1.04 * looks[-1]["n"], _TRIAL_LEFT, _TRIAL_LEFT + _TRIAL_PLOT),
        Scale(bottom, top, _TRIAL_TOP + _TRIAL_HEIGHT, _TRIAL_TOP),
    )
    body = words(0, 13, one["design"], style="strong")
    digits = 0 if one["is_count"] or top - bottom >= 4 else 1
    body += panel.across(
        round_ticks(bottom, top),
        text=lambda value: number(value, digits=digits),
        name=(
            "Patients without the event"
            if one["is_count"]
            else "z, above 0: fewer events with prophylaxis"
        ),
    )
    body += panel.along(
        [look["n"] for look in looks], text=lambda value: number(value, digits=0), name=""
    )
    for side, style in (("upper", "model"), ("lower", "event")):
        body += _bound(looks, panel, side=side, style=style, digits=0 if one["is_count"] else 2)
    body += _stops(looks, panel)
    told = "; ".join(
        f"{look['n']} patients: "
        + " and ".join(
            f"{word} {look[side]:.4g}"
            for side, word in (("upper", "benefit from"), ("lower", "futility below"))
            if look[side] is not None
        )
        for look in looks
    )
    return picture(
        body,
        key=key,
        width=_TRIAL_LEFT + _TRIAL_PLOT + _TRIAL_RIGHT,
        height=_TRIAL_TOP + _TRIAL_HEIGHT + _ROOM,
        title=f"What stops the trial: {one['design']}",
        description=told,
    )


def _range(one: Data) -> tuple[float, float]:
    bounds = [
        look[side] for look in one["looks"] for side in ("upper", "lower") if look[side] is not None
    ]
    if one["is_count"]:
        return float(one["looks"][-1]["n"]), 0.0
    return min(_MOST_Z, max(bounds) + 0.5), min(0.0, min(bounds) - 0.5)


def _bound(looks: Sequence[Data], panel: Panel, *, side: str, style: str, digits: int) -> str:
    here = [(look["n"], look[side]) for look in looks if look[side] is not None]
    drawn = [(n, panel.y.inside(value)) for n, value in here]
    body = panel.curve(*zip(*drawn, strict=True), style=f"{style}-line") if len(drawn) > 1 else ""
    up = -9 if side == "upper" else 17
    for (n, value), (_, at) in zip(here, drawn, strict=True):
        shape, fill = ("circle", "model-mark") if side == "upper" else ("square", "differs")
        body += mark(panel.x.at(n), panel.y.at(at), shape=shape, style=fill, size=3.6)
        body += words(
            panel.x.at(n),
            panel.y.at(at) + up,
            number(value, digits=digits),
            style="tick",
            anchor="middle",
        )
    return body


def _stops(looks: Sequence[Data], panel: Panel) -> str:
    """Two rows of numbers below the axis."""
    y = panel.y.start
    rows = (
        ("effect", "With the effect: claim / stop for futility, of 100 trials"),
        ("null", "Without any effect: claim / stop for futility"),
    )
    body = ""
    for at, (world, name) in enumerate(rows):
        body += words(panel.x.start, y + 36 + 32 * at, name, style="name")
        for look in looks:
            told = f"{100 * look[f'benefit_{world}']:.1f} / {100 * look[f'futility_{world}']:.1f}"
            body += words(
                panel.x.at(look["n"]), y + 50 + 32 * at, told, style="tick", anchor="middle"
            )
    return body


def power_figure(one: Data, *, key: str) -> str:
    """Power over the risk ratio, one line a threshold, for one base rate.

    ``one``: `base_rate`, `wanted`, and `curves`, each `label`, `risk_ratio`, `power`, `mcse`.
    """
    width, height = 250.0, 230.0
    left, right = 34.0, 12.0
    ratios = [ratio for curve in one["curves"] for ratio in curve["risk_ratio"]]
    low, high = min(ratios), max(ratios)
    margin = 0.03 * (high - low) if high > low else 0.05
    panel = Panel(
        Scale(low - margin, high + margin, left, width - right),
        Scale(0, 1, _TRIAL_TOP + height - 60, _TRIAL_TOP),
    )
    body = words(
        0, 13, f"{100 * one['base_rate']:.0f} of 100 with the event untreated", style="strong"
    )
    body += panel.across(
        round_ticks(0, 1),
        text=lambda value: number(100 * value, digits=0),
        name="Power, of 100 trials",
    )
    body += panel.along(
        round_ticks(low, high, n=4), text=lambda value: number(value, digits=1), name="Risk ratio"
    )
    body += line(
        panel.x.start,
        panel.y.at(one["wanted"]),
        panel.x.stop,
        panel.y.at(one["wanted"]),
        style="ideal",
    )
    for at, curve in enumerate(one["curves"]):
        body += panel.curve(curve["risk_ratio"], curve["power"], style=_LINES[at % len(_LINES)])
        y = _TRIAL_TOP + height - 60 + 48 + 14 * at
        body += line(left, y, left + 24, y, style=_LINES[at % len(_LINES)]) + words(
            left + 30, y + 4, curve["label"], style="note"
        )
    told = "; ".join(
        f"{curve['label']}: "
        + ", ".join(
            f"{p:.2f} at {r:g}" for r, p in zip(curve["risk_ratio"], curve["power"], strict=True)
        )
        for curve in one["curves"]
    )
    return picture(
        body,
        key=key,
        width=width,
        height=_TRIAL_TOP + height - 60 + 48 + 14 * len(one["curves"]) + 6,
        title=f"Power when {100 * one['base_rate']:.0f} of 100 have the event untreated",
        description=told,
    )


# Course figures: one hundred people for a risk, and how CRS comes on over the days.


# A head above shoulders, 10 wide and 12.6 high.
_PERSON = (
    "M5 0a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0 -4.6"
    "M1.6 5.4h6.8a1 1 0 0 1 1 1v5.2a1 1 0 0 1 -1 1h-6.8a1 1 0 0 1 -1 -1v-5.2a1 1 0 0 1 1 -1"
)
_STEP_X = 17.0
_STEP_Y = 18.0


def icon_array(
    *,
    n_grade2plus: int,
    n_grade3plus: int | None,
    key: str,
    sentence: str,
    title: str = "100 patients like this one",
) -> str:
    """One hundred people in ten rows; those with the event stand together, from the top.

    Those with grade 3 or more come first and are among those with grade 2 or more; ``n_grade3plus``
    None leaves them out. People who are scattered are miscounted (Ancker 2011).

    >>> icon_array(n_grade2plus=23, n_grade3plus=4, key="a", sentence="").count('class="icon-grade2"')
    19
    """
    severe, people = n_grade3plus or 0, []
    for at in range(100):
        style = (
            "icon-grade3" if at < severe else "icon-grade2" if at < n_grade2plus else "icon-none"
        )
        x, y = 2 + _STEP_X * (at % 10), 2 + _STEP_Y * (at // 10)
        move = f"translate({place(x)} {place(y)})"
        people.append(element("path", {"class": style, "d": _PERSON, "transform": move}))
    return picture(
        "".join(people),
        key=key,
        width=10 * _STEP_X - 3,
        height=10 * _STEP_Y - 1,
        title=title,
        description=sentence,
    )


def onset(curve: Mapping[str, Any], *, key: str) -> str:
    """How many of 100 patients have had CRS by each day after the first dose: any grade, and grade
    2 or more.

    ``curve``: label, window_d, time_d, any_per100, grade2plus_per100.
    """
    top, left, plot = 44.0, 34.0, 130.0
    highest = 100 * limit(max(*curve["any_per100"], 1.0) / 100 * 1.02)
    panel = Panel(
        Scale(0, curve["window_d"], left, SMALL_WIDTH - 34), Scale(0, highest, top + plot, top)
    )
    body = title_lines(curve["label"])
    body += panel.across(round_ticks(0, highest, n=4), text=lambda tick: f"{tick:g}")
    thirds = [k * curve["window_d"] / 3 for k in range(4)]
    body += panel.along(
        thirds, text=lambda tick: number(tick, digits=0), name="Days after the first dose"
    )
    every, severe = curve["any_per100"], curve["grade2plus_per100"]
    body += panel.steps(curve["time_d"], every, style="other-line")
    body += panel.steps(curve["time_d"], severe, style="event-line")
    low = panel.y.at(severe[-1]) + 4
    high = min(panel.y.at(every[-1]) + 4, low - 12)  # the two numbers must not touch
    body += words(panel.x.stop + 5, high, number(every[-1], digits=0), style="other-text")
    body += words(panel.x.stop + 5, low, number(severe[-1], digits=0), style="event-text")
    return picture(
        body,
        key=key,
        width=SMALL_WIDTH,
        height=top + plot + 40,
        title=f"Onset of CRS, {curve['label']}",
        description=(
            f"{number(every[-1], digits=0)} of 100 patients had CRS, {number(severe[-1], digits=0)}"
            f" of grade 2 or more, within {curve['window_d']:g} days after the first dose."
        ),
    )
