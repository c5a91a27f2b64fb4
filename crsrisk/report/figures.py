"""Figures of the evaluation: calibration, risk by outcome, net benefit. Plain numbers in, one SVG as text out.

The same numbers give the same bytes. Colour never speaks alone: shape, position or a word says the same. Inside
the page the figures take colours and fonts from it; :func:`stand_alone` makes a file that carries its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from crsrisk.report.drawing import Panel, Scale, box, line, picture, round_ticks, words
from crsrisk.report.words import number, of_100, wrapped

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
    """A figure as a file of its own: colours and fonts written into it, a light ground, ``note`` below it.

    The note says what a page says around the figure: event, window, and that the data are synthetic.

    >>> svg = picture("", key="a", width=200, height=100, title="", description="")
    >>> "no external" in stand_alone(svg, note="Synthetic data; no external validation.")
    True
    """
    start = svg.index(">") + 1
    width, height = (float(size) for size in _SIZE.findall(svg[:start])[0])
    lines = wrapped(note, room=max(24, int(width / 5.6)))
    below = 15.0 * len(lines) + 8
    body = box(-_MARGIN, -_MARGIN, width + 2 * _MARGIN, height + below + 2 * _MARGIN, style="paper")
    foot = "".join(words(0, height + 16 + 15 * at, text, style="note") for at, text in enumerate(lines))
    head = _SIZE.sub(
        f'viewBox="{-_MARGIN:g} {-_MARGIN:g} {width + 2 * _MARGIN:g} {height + below + 2 * _MARGIN:g}" '
        f'width="{width + 2 * _MARGIN:g}" height="{height + below + 2 * _MARGIN:g}"',
        svg[:start],
    )
    inside = svg[start:].removesuffix("</svg>")
    return f"{head}<style>{_style_of_files()}</style>{body}{inside}{foot}</svg>\n"


@cache
def _style_of_files() -> str:
    """figures.css with the light palette in place of its variables (drawing programs know no variables)."""
    folder = files("crsrisk.report").joinpath("templates")
    palette, rules = (folder.joinpath(f"{name}.css").read_text("utf-8") for name in ("palette", "figures"))
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
SMALL_CALIBRATION = Frame(width=SMALL_WIDTH, plot_width=196, plot_height=196, histogram=40, left=34, top=54)
LARGE_BENEFIT = Frame(width=500, plot_width=438, plot_height=434, histogram=0, left=48, top=24)
SMALL_BENEFIT = Frame(width=SMALL_WIDTH, plot_width=196, plot_height=140, histogram=0, left=34, top=54)


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
    """Predicted against observed risk with its 95% band; below it where the patients lie, by outcome.

    ``group`` is one entry of the evaluation (`pooled` or a product). Histograms show shares of each outcome
    class: with the event upwards, without downwards. A large figure has no title of its own.
    """
    frame = SMALL_CALIBRATION if is_small else LARGE_CALIBRATION
    title, curve = f"Calibration, {name}", group["calibration"]["curve"]
    if "not_estimable" in curve:
        return refusal(curve["not_estimable"], key=key, title=title, frame=frame)
    end, bottom = limit(max(*curve["risk"], *curve["high"])), frame.top + frame.plot_height
    panel = Panel(Scale(0, end, frame.left, frame.left + frame.plot_width), Scale(0, end, bottom, frame.top))
    ticks = round_ticks(0, end, n=2 if is_small else 5)
    body = title_lines(name) if is_small else ""
    body += panel.across(ticks, text=hundred, name="Observed, of 100")
    body += panel.curve([0, end], [0, end], style="ideal")
    body += panel.band(curve["risk"], curve["low"], curve["high"], style="model-band")
    body += panel.curve(curve["risk"], curve["observed"], style="model-line")
    body += _histograms(group["risk_distribution"], x=panel.x, top=bottom + 5, height=frame.histogram)
    foot = bottom + frame.histogram + 10
    body += Panel(panel.x, Scale(0, 1, foot, frame.top)).along(ticks, text=hundred, name="Predicted, of 100")
    ends = [hundred(curve[part][at]) for at in (0, -1) for part in ("risk", "observed")]
    about = (
        f"Of 100 patients with a predicted risk of {ends[0]} of 100, {ends[1]} had the event; of 100 with "
        f"{ends[2]} of 100, {ends[3]} had it. A perfect model lies on the diagonal."
    )
    return picture(body, key=key, width=frame.width, height=foot + 40, title=title, description=about)


def _histograms(distribution: Group, *, x: Scale, top: float, height: float) -> str:
    """Shares of both outcome classes in bins of predicted risk, with the event up and without down."""
    if "not_estimable" in distribution:
        return ""
    shares = {
        name: [count / distribution[name]["n"] for count in distribution[name]["counts"]] for name in ("event", "no_event")
    }
    highest, middle = max(max(values) for values in shares.values()), top + height / 2
    parts = []
    for name, style, is_up in (("event", "event-bar", True), ("no_event", "other-bar", False)):
        edges = distribution[name]["bin_edges"]
        for share, start, stop in zip(shares[name], edges, edges[1:], strict=False):
            if stop > x.high + 1e-9:
                continue
            tall, wide = share / highest * height / 2, x.at(stop) - x.at(start) - 1
            parts.append(box(x.at(start) + 0.5, middle - tall if is_up else middle, wide, tall, style=style))
    parts.append(line(x.start, middle, x.stop, middle, style="hair"))
    if height > 50:
        parts.append(words(x.start + 4, top + 10, "with the event", style="event-text"))
        parts.append(words(x.stop, top + height - 3, "without", style="other-text", anchor="end"))
    return "".join(parts)


def risk_distribution(groups: Mapping[str, Group], *, key: str) -> str:
    """Where predicted risks lie among patients with and without the event: 5 to 95%, middle half, median.

    ``groups``: label -> entry of the evaluation, drawn from top to bottom.
    """
    left, width, row, top = 250.0, 900.0, 40.0, 26.0
    bottom = top + row * len(groups)
    panel = Panel(Scale(0, 1, left, width - 24), Scale(0, 1, bottom, top))
    body = panel.along([k / 5 for k in range(6)], text=hundred, name="Predicted risk, of 100 patients")
    body += words(left, 14, "Upper bar: with the event", style="event-text")
    body += words(left + 190, 14, "Lower bar: without", style="other-text")
    medians = []
    for at, (label, group) in enumerate(groups.items()):
        y, distribution = top + row * at, group["risk_distribution"]
        lines = wrapped(label, room=36)[:2]
        body += line(0, y, width - 24, y, style="hair")
        body += "".join(
            words(0, y + (24 if len(lines) == 1 else 17) + 15 * k, part, style="row") for k, part in enumerate(lines)
        )
        if "not_estimable" in distribution:
            body += words(left, y + 24, f"not estimable: {distribution['not_estimable']}", style="note")
            continue
        body += _spread(distribution["event"], x=panel.x, y=y + 13, style="event")
        body += _spread(distribution["no_event"], x=panel.x, y=y + 27, style="other")
        middle = [of_100(distribution[name]["quantiles"]["0.5"]["value"]) for name in ("event", "no_event")]
        medians.append(f"{label}: {middle[0]} with, {middle[1]} without")
    about = f"Median predicted risk of 100 patients. {'; '.join(medians)}."
    return picture(body, key=key, width=width, height=bottom + 42, title="Predicted risk by outcome", description=about)


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
    body += panel.along(round_ticks(0, last, n=3 if is_small else 6), text=hundred, name="Threshold, of 100")
    body += panel.curve([0, last], [0, 0], style="none-line")
    body += panel.band(threshold, model["low"], model["high"], style="model-band")
    body += panel.curve(threshold, everybody, style="all-line")
    body += panel.curve(threshold, model["value"], style="model-line")
    body += "" if is_small else _legend(panel)
    gain = curve["model_minus_treat_all"]["low"]
    better = [one for one, low in zip(threshold, gain, strict=True) if low > 0]
    about = (
        f"The lowest threshold at which the model is clearly better than treating everybody is {of_100(better[0])} of 100."
        if better
        else "At no threshold is the model clearly better than treating everybody."
    )
    return picture(body, key=key, width=frame.width, height=bottom + 40, title=title, description=about)


def _legend(panel: Panel) -> str:
    parts = []
    for at, (style, text) in enumerate(_LEGEND):
        y, x = panel.y.stop + 12 + 17 * at, panel.x.stop - 136
        parts.append(line(x, y, x + 26, y, style=style) + words(x + 33, y + 4, text, style="note"))
    return "".join(parts)
