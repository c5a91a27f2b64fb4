"""Figures of the report: each takes plain numbers of the content dictionary and gives one SVG as text.

The same numbers give the same bytes. Colour never speaks alone: shape, position or a word says the same. Inside the
page the figures take colours and fonts from it; :func:`stand_alone` makes a file that carries its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from crsrisk.report.words import number, of_100

Group = Mapping[str, Any]
_LIMITS = (0.1, 0.25, 0.5, 1.0)  # ends of a risk axis: few, so that panels can be compared
_RUNG_MARKS = {
    "null": ("cross", "null-mark"),
    "comparator": ("circle", "open-mark"),
    "model": ("circle", "model-mark"),
    "oracle": ("diamond", "oracle-mark"),
}


def stand_alone(svg: str) -> str:
    """A figure as a file of its own: colours and fonts written into it, light ground.

    >>> "var(" in stand_alone('<svg class="figure"></svg>')
    False
    """
    start = svg.index(">") + 1
    return f"{svg[:start]}<style>{_style_of_files()}</style>{svg[start:]}\n"


@cache
def _style_of_files() -> str:
    """figures.css with the light palette put in place of its variables (drawing programs know no variables)."""
    folder = files("crsrisk.report").joinpath("templates")
    palette, rules = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("palette.css", "figures.css")
    )
    light = dict(re.findall(r"(--[a-z-]+):\s*([^;]+);", palette.split("@media")[0]))
    return re.sub(r"var\((--[a-z-]+)\)", lambda found: light[found.group(1)], rules)


def _hundred(value: float) -> str:
    return f"{100 * value:.0f}"


def _limit(highest: float) -> float:
    return next(limit for limit in _LIMITS if highest <= limit or limit == 1.0)


def _refusal(reason: str, *, width: float, height: float) -> str:
    """What stands in a plot that cannot be drawn: that it is not estimable, and why, broken into lines."""
    lines, room = ["Not estimable:"], max(12, int(width / 6.2))
    for word in reason.split():
        if len(lines) == 1 or len(lines[-1]) + len(word) >= room:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    top = height / 2 - 7 * len(lines)
    return "".join(
        words(width / 2, top + 15 * k, text, style="strong" if k == 0 else "note", anchor="middle")
        for k, text in enumerate(lines)
    )


# ------------------------------------------------------------------------------------------- calibration


def calibration(group: Group, *, key: str, name: str, is_small: bool = False) -> str:
    """Predicted against observed risk with its 95% band, and below it where the patients lie, by outcome.

    ``group`` is one entry of the evaluation (`pooled` or a product). Histograms show shares of each outcome class:
    with the event upwards, without downwards.
    """
    width, plot, below = (250.0, 186.0, 42.0) if is_small else (500.0, 400.0, 70.0)
    left, top = (40.0, 34.0) if is_small else (56.0, 40.0)
    height = top + plot + below + 62
    title = f"Calibration, {name}"
    curve = group["calibration"]["curve"]
    head = words(left, 14, name, style="strong")
    if "not_estimable" in curve:
        body = head + _refusal(curve["not_estimable"], width=width, height=height)
        return picture(
            body,
            key=key,
            width=width,
            height=height,
            title=title,
            description=f"Not estimable: {curve['not_estimable']}.",
        )
    limit = _limit(max(*curve["risk"], *curve["high"]))
    panel = Panel(Scale(0, limit, left, left + plot), Scale(0, limit, top + plot, top))
    ticks = round_ticks(0, limit, n=4 if is_small else 5)
    body = head + panel.axes(
        x_ticks=[], y_ticks=ticks, x_label="", y_label="Observed, of 100", x_text=_hundred, y_text=_hundred
    )
    body += panel.curve([0, limit], [0, limit], style="ideal")
    body += panel.band(curve["risk"], curve["low"], curve["high"], style="model-band")
    body += panel.curve(curve["risk"], curve["observed"], style="model-line")
    body += _histograms(group["risk_distribution"], x=panel.x, top=top + plot + 6, height=below)
    foot = top + plot + below + 12
    body += line(left, foot, left + plot, foot, style="base")
    for tick in ticks:
        body += line(panel.x.at(tick), foot, panel.x.at(tick), foot + 4, style="base")
        body += words(panel.x.at(tick), foot + 16, _hundred(tick), style="tick", anchor="middle")
    body += words(left + plot / 2, foot + 33, "Predicted, of 100", style="name", anchor="middle")
    ends = [number(100 * curve[part][at], digits=0) for at in (0, -1) for part in ("risk", "observed")]
    about = (
        f"Of 100 patients with a predicted risk of {ends[0]} of 100, {ends[1]} had the event; of 100 with "
        f"{ends[2]} of 100, {ends[3]} had it. A perfect model lies on the diagonal."
    )
    return picture(body, key=key, width=width, height=height, title=title, description=about)


def _histograms(distribution: Group, *, x: Scale, top: float, height: float) -> str:
    """Shares of both outcome classes in bins of predicted risk, with the event up and without down."""
    if "not_estimable" in distribution:
        return ""
    shares = {
        name: [count / distribution[name]["n"] for count in distribution[name]["counts"]]
        for name in ("event", "no_event")
    }
    highest, middle = max(max(values) for values in shares.values()), top + height / 2
    parts = []
    for name, style, sign in (("event", "event-bar", -1), ("no_event", "other-bar", 1)):
        edges = distribution[name]["bin_edges"]
        for share, start, stop in zip(shares[name], edges, edges[1:], strict=False):
            if stop > x.high + 1e-9:
                continue
            tall = share / highest * height / 2
            parts.append(
                box(
                    x.at(start) + 0.5,
                    middle - tall if sign < 0 else middle,
                    x.at(stop) - x.at(start) - 1,
                    tall,
                    style=style,
                )
            )
    parts.append(line(x.start, middle, x.stop, middle, style="hair"))
    if height > 50:
        parts.append(words(x.stop, top + 10, "with the event", style="event-text", anchor="end"))
        parts.append(words(x.stop, top + height - 3, "without", style="other-text", anchor="end"))
    return "".join(parts)


def risk_distribution(groups: Mapping[str, Group], *, key: str) -> str:
    """Where predicted risks lie among patients with and without the event: 5 to 95%, the middle half, the median.

    ``groups``: label -> entry of the evaluation, drawn from top to bottom.
    """
    left, width, row = 250.0, 760.0, 40.0
    top, bottom = 26.0, 26.0 + row * len(groups)
    x = Scale(0, 1, left, width - 24)
    panel = Panel(x, Scale(0, 1, bottom, top))
    body = panel.axes(
        x_ticks=[0, 0.2, 0.4, 0.6, 0.8, 1],
        y_ticks=[],
        x_label="Predicted risk, of 100 patients",
        y_label="",
        x_text=_hundred,
        y_text=_hundred,
    )
    body += words(left, 14, "Upper bar: with the event", style="event-text")
    body += words(left + 190, 14, "Lower bar: without", style="other-text")
    medians = []
    for at, (label, group) in enumerate(groups.items()):
        y = top + row * at
        body += line(0, y, width - 24, y, style="hair") + words(0, y + 24, label, style="row")
        if "not_estimable" in group["risk_distribution"]:
            body += words(
                left, y + 24, f"not estimable: {group['risk_distribution']['not_estimable']}", style="note"
            )
            continue
        middle = []
        for name, style, offset in (("event", "event", 13), ("no_event", "other", 27)):
            spread = {
                share: one["value"] for share, one in group["risk_distribution"][name]["quantiles"].items()
            }
            body += line(
                x.at(spread["0.05"]), y + offset, x.at(spread["0.95"]), y + offset, style=f"{style}-whisker"
            )
            body += box(
                x.at(spread["0.25"]),
                y + offset - 4,
                max(x.at(spread["0.75"]) - x.at(spread["0.25"]), 1),
                8,
                style=f"{style}-bar",
            )
            body += line(
                x.at(spread["0.5"]), y + offset - 5.5, x.at(spread["0.5"]), y + offset + 5.5, style="median"
            )
            middle.append(of_100(spread["0.5"]))
        medians.append(f"{label}: {middle[0]} with, {middle[1]} without")
    return picture(
        body,
        key=key,
        width=width,
        height=bottom + 42,
        title="Predicted risk by outcome",
        description=f"Median predicted risk of 100 patients. {'; '.join(medians)}.",
    )


# ------------------------------------------------------------------------------------------- net benefit


def net_benefit(group: Group, *, key: str, name: str, is_small: bool = False) -> str:
    """Net benefit by threshold: the model with its 95% band, treating everybody, treating nobody.

    In events found per 100 patients, needless treatments subtracted at the threshold's odds.
    """
    width, plot = (250.0, 150.0) if is_small else (500.0, 300.0)
    left, top = (40.0, 34.0) if is_small else (56.0, 40.0)
    height = top + plot + 46
    curve, title = group["net_benefit"], f"Net benefit, {name}"
    head = words(left, 14, name, style="strong")
    if "not_estimable" in curve:
        body = head + _refusal(curve["not_estimable"], width=width, height=height)
        return picture(
            body,
            key=key,
            width=width,
            height=height,
            title=title,
            description=f"Not estimable: {curve['not_estimable']}.",
        )
    threshold, model, everybody = curve["threshold"], curve["model"], curve["treat_all"]["value"]
    highest = 1.05 * max(*model["high"], everybody[0])
    panel = Panel(
        Scale(0, max(threshold), left, width - 14), Scale(-0.18 * highest, highest, top + plot, top)
    )
    ticks = round_ticks(0, highest, n=4)
    body = head + panel.axes(
        x_ticks=round_ticks(0, max(threshold), n=3 if is_small else 6),
        y_ticks=ticks,
        x_label="Threshold, of 100",
        y_label="Net benefit per 100 patients",
        x_text=_hundred,
        y_text=lambda tick: number(
            100 * tick, digits=0 if all(abs(100 * one - round(100 * one)) < 1e-6 for one in ticks) else 1
        ),
    )
    body += panel.curve([0, max(threshold)], [0, 0], style="none-line")
    body += panel.curve(threshold, everybody, style="all-line")
    body += panel.band(threshold, model["low"], model["high"], style="model-band")
    body += panel.curve(threshold, model["value"], style="model-line")
    if not is_small:
        body += _net_benefit_key(panel)
    better = [
        one for one, low in zip(threshold, curve["model_minus_treat_all"]["low"], strict=True) if low > 0
    ]
    about = (
        f"The model is clearly better than treating everybody from a threshold of {of_100(better[0])} of 100 on."
        if better
        else "At no threshold is the model clearly better than treating everybody."
    )
    return picture(body, key=key, width=width, height=height, title=title, description=about)


def _net_benefit_key(panel: Panel) -> str:
    parts = []
    for at, (style, text) in enumerate(
        (("model-line", "Model, 95% band"), ("all-line", "Treat everybody"), ("none-line", "Treat nobody"))
    ):
        y, x = panel.y.stop + 12 + 17 * at, panel.x.stop - 140
        parts.append(line(x, y, x + 26, y, style=style) + words(x + 33, y + 4, text, style="note"))
    return "".join(parts)


# ------------------------------------------------------------------------------------------------ ladder


def ladder(rungs: Sequence[Group], *, key: str, is_pooled: bool) -> str:
    """The ladder from null to oracle: gain in log loss over knowing the product, and AUROC, side by side.

    ``rungs`` from the top of the page down. ``is_pooled`` draws AUROC twice, clearly apart: among patients of one
    product, and over all patients, where knowing the product already helps.
    """
    label, plot, gap, row, top = 232.0, 170.0, 78.0, 27.0, 54.0
    bottom = top + row * len(rungs)
    columns = [("gain_over_product_only", "Gain in log loss over", "knowing the product, nats", 3)]
    columns += [("auroc_within_product", "AUROC among patients", "of one product", 2)] if is_pooled else []
    columns.append(
        ("auroc", "AUROC over all patients,", "products mixed" if is_pooled else "this product", 2)
    )
    width = label + len(columns) * (plot + gap)
    body = "".join(
        line(0, top + row * at, width, top + row * at, style="hair")
        + words(
            0, top + row * at + 18, rung["label"], style="row-strong" if rung["kind"] == "model" else "row"
        )
        for at, rung in enumerate(rungs)
    )
    for at, (field, first, second, digits) in enumerate(columns):
        x0 = label + at * (plot + gap)
        body += words(x0, 16, first, style="strong") + words(x0, 31, second, style="name")
        x = _rung_scale([rung[field] for rung in rungs], start=x0, stop=x0 + plot, is_gain=at == 0)
        panel = Panel(x, Scale(0, 1, bottom, top))
        body += panel.axes(
            x_ticks=round_ticks(x.low, x.high, n=3),
            y_ticks=[],
            x_label="",
            y_label="",
            x_text=lambda tick, digits=digits: number(tick, digits=digits - 1 if digits == 2 else 2),
            y_text=str,
        )
        start = 0.0 if at == 0 else 0.5
        body += line(x.at(start), top, x.at(start), bottom, style="ideal")
        body += "".join(
            _rung(rung, field=field, x=x, y=top + row * (step + 0.5), digits=digits)
            for step, rung in enumerate(rungs)
        )
    told = "; ".join(f"{rung['label']} {_value(rung['gain_over_product_only'], 3)}" for rung in rungs)
    return picture(
        body,
        key=key,
        width=width,
        height=bottom + 24,
        title="From knowing nothing to knowing all",
        description=f"Gain in log loss over knowing the product alone, nats: {told}.",
    )


def _value(estimate: Group | None, digits: int) -> str:
    if estimate is None:
        return "–"
    return "not estimable" if "not_estimable" in estimate else number(estimate["value"], digits=digits)


def _rung_scale(estimates: Sequence[Group | None], *, start: float, stop: float, is_gain: bool) -> Scale:
    """AUROC from 0.45 to 1; gains from a little below 0, so that a far lower null does not squeeze the others."""
    known = [one for one in estimates if one and "not_estimable" not in one]
    if not is_gain:
        return Scale(0.45, 1.0, start, stop)
    highest = max([one["high"] for one in known] + [0.001])
    lowest = min([one["low"] for one in known] + [0.0])
    return Scale(max(lowest, -0.4 * highest) - 0.04 * highest, 1.06 * highest, start, stop)


def _rung(rung: Group, *, field: str, x: Scale, y: float, digits: int) -> str:
    """One mark with its interval; an oracle's AUROC as the range between its bounds."""
    estimate = rung[field]
    told = words(x.stop + 12, y + 4, _value(estimate, digits), style="figure-text")
    if estimate is None or "not_estimable" in estimate:
        return told
    shape, style = _RUNG_MARKS[rung["kind"]]
    if estimate["value"] < x.low:  # off the scale: an arrow, the number stands beside
        return mark(x.start + 5, y, shape="left", style="null-arrow") + told
    low, high = x.inside(estimate["low"]), x.inside(estimate["high"])
    body = line(x.at(low), y, x.at(high), y, style=f"{rung['kind']}-whisker")
    upper = rung.get(f"{field}_upper")
    if upper is not None:
        body += line(x.at(estimate["value"]), y, x.at(upper), y, style="oracle-range")
    return body + mark(x.at(estimate["value"]), y, shape=shape, style=style, size=4.2) + told


# ------------------------------------------------------------------------------------------- icons, onset

_PERSON = "M5 0a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0 -4.6M1.6 5.4h6.8a1 1 0 0 1 1 1v5.2a1 1 0 0 1 -1 1h-6.8a1 1 0 0 1 -1 -1v-5.2a1 1 0 0 1 1 -1"


def icon_array(*, n_grade2plus: int, n_grade3plus: int | None, key: str, sentence: str) -> str:
    """One hundred people in ten rows, those with the event together, from the top.

    Those with grade 3 or more come first and are among those with grade 2 or more. ``n_grade3plus`` None: not shown.

    >>> icon_array(n_grade2plus=23, n_grade3plus=4, key="a", sentence="").count('class="icon-grade2"')
    19
    """
    step_x, step_y, severe = 17.0, 18.0, n_grade3plus or 0
    people = []
    for at in range(100):
        style = "icon-grade3" if at < severe else "icon-grade2" if at < n_grade2plus else "icon-none"
        x, y = 3 + step_x * (at % 10), 3 + step_y * (at // 10)
        people.append(
            element("path", {"class": style, "d": _PERSON, "transform": f"translate({place(x)} {place(y)})"})
        )
    return picture(
        "".join(people),
        key=key,
        width=3 + 10 * step_x - 4,
        height=3 + 10 * step_y - 2,
        title="100 patients like this one",
        description=sentence,
    )


def onset(curve: Group, *, key: str) -> str:
    """How many of 100 patients have had CRS by each day after the first dose: any grade, and grade 2 or more.

    ``curve``: label, window_d, time_d, any_per100, grade2plus_per100.
    """
    width, plot, left, top = 250.0, 130.0, 34.0, 36.0
    highest = 100 * _limit(max(*curve["any_per100"], 1) / 100 * 1.02)
    panel = Panel(Scale(0, curve["window_d"], left, width - 34), Scale(0, highest, top + plot, top))
    body = words(left - 24, 14, curve["label"], style="strong")
    body += panel.axes(
        x_ticks=[k * curve["window_d"] / 3 for k in range(4)],
        y_ticks=round_ticks(0, highest, n=4),
        x_label="Days after the first dose",
        y_label="",
        x_text=lambda tick: f"{tick:.0f}",
        y_text=lambda tick: f"{tick:g}",
    )
    ends = []
    for name, style in (("any_per100", "other"), ("grade2plus_per100", "event")):
        values = curve[name]
        body += panel.steps(curve["time_d"], values, style=f"{style}-line")
        ends.append((panel.y.at(values[-1]) + 4, number(values[-1], digits=0), style))
    if ends[1][0] - ends[0][0] < 12:  # the two numbers would touch
        ends = [(ends[1][0] - 12, *ends[0][1:]), ends[1]]
    body += "".join(words(panel.x.stop + 5, y, text, style=f"{style}-text") for y, text, style in ends)
    about = (
        f"{ends[0][1]} of 100 patients had CRS, {ends[1][1]} of grade 2 or more, within "
        f"{curve['window_d']:g} days after the first dose."
    )
    return picture(
        body,
        key=key,
        width=width,
        height=top + plot + 44,
        title=f"Onset of CRS, {curve['label']}",
        description=about,
    )
