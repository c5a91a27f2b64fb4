"""Trial figures: what stops a trial at each look, and power over what is assumed. Plain numbers in, SVG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.drawing import Panel, Scale, line, mark, picture, round_ticks, words
from crsrisk.report.words import number

Data = Mapping[str, Any]

_LEFT, _TOP, _PLOT, _HEIGHT, _RIGHT = 44.0, 50.0, 330.0, 210.0, 26.0
_ROOM = 92.0  # below the plot: axis and how often each look stops
_MOST_Z = 5.0  # bounds above are drawn at the edge, their number stands beside
_LINES = ("model-line", "other-line", "event-line", "all-line")


def boundary_figure(one: Data, *, key: str) -> str:
    """Bounds at each look of one design, and below of 100 trials how many stop there, with the effect and without.

    ``one``: `design`, `is_count` (counts of successes rather than z) and `looks`, each `n`, `upper`, `lower` (None: nothing
    stops there), `benefit_effect`, `futility_effect`, `benefit_null` and `futility_null` (shares).
    """
    looks = one["looks"]
    top, bottom = _range(one)
    panel = Panel(Scale(0, 1.04 * looks[-1]["n"], _LEFT, _LEFT + _PLOT), Scale(bottom, top, _TOP + _HEIGHT, _TOP))
    body = words(0, 13, one["design"], style="strong")
    digits = 0 if one["is_count"] or top - bottom >= 4 else 1
    body += panel.across(round_ticks(bottom, top), text=lambda value: number(value, digits=digits),
                         name="Patients without the event" if one["is_count"] else "z, above 0: fewer events with "
                                                                                   "prophylaxis")
    body += panel.along([look["n"] for look in looks], text=lambda value: number(value, digits=0), name="")
    for side, style in (("upper", "model"), ("lower", "event")):
        body += _bound(looks, panel, side=side, style=style, digits=0 if one["is_count"] else 2)
    body += _stops(looks, panel)
    told = "; ".join(f"{look['n']} patients: " + " and ".join(
        f"{word} {look[side]:.4g}" for side, word in (("upper", "benefit from"), ("lower", "futility below"))
        if look[side] is not None) for look in looks)
    return picture(body, key=key, width=_LEFT + _PLOT + _RIGHT, height=_TOP + _HEIGHT + _ROOM,
                   title=f"What stops the trial: {one['design']}", description=told)


def _range(one: Data) -> tuple[float, float]:
    bounds = [look[side] for look in one["looks"] for side in ("upper", "lower") if look[side] is not None]
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
        body += words(panel.x.at(n), panel.y.at(at) + up, number(value, digits=digits), style="tick", anchor="middle")
    return body


def _stops(looks: Sequence[Data], panel: Panel) -> str:
    """Two rows of numbers below the axis."""
    y = panel.y.start
    rows = (("effect", "With the effect: claim / stop for futility, of 100 trials"),
            ("null", "Without any effect: claim / stop for futility"))
    body = ""
    for at, (world, name) in enumerate(rows):
        body += words(panel.x.start, y + 36 + 32 * at, name, style="name")
        for look in looks:
            told = f"{100 * look[f'benefit_{world}']:.1f} / {100 * look[f'futility_{world}']:.1f}"
            body += words(panel.x.at(look["n"]), y + 50 + 32 * at, told, style="tick", anchor="middle")
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
    panel = Panel(Scale(low - margin, high + margin, left, width - right), Scale(0, 1, _TOP + height - 60, _TOP))
    body = words(0, 13, f"{100 * one['base_rate']:.0f} of 100 with the event untreated", style="strong")
    body += panel.across(round_ticks(0, 1), text=lambda value: number(100 * value, digits=0), name="Power, of 100 trials")
    body += panel.along(round_ticks(low, high, n=4), text=lambda value: number(value, digits=1), name="Risk ratio")
    body += line(panel.x.start, panel.y.at(one["wanted"]), panel.x.stop, panel.y.at(one["wanted"]), style="ideal")
    for at, curve in enumerate(one["curves"]):
        body += panel.curve(curve["risk_ratio"], curve["power"], style=_LINES[at % len(_LINES)])
        y = _TOP + height - 60 + 48 + 14 * at
        body += line(left, y, left + 24, y, style=_LINES[at % len(_LINES)]) + words(left + 30, y + 4, curve["label"],
                                                                                    style="note")
    told = "; ".join(f"{curve['label']}: " + ", ".join(
        f"{p:.2f} at {r:g}" for r, p in zip(curve["risk_ratio"], curve["power"], strict=True)) for curve in one["curves"])
    return picture(body, key=key, width=width, height=_TOP + height - 60 + 48 + 14 * len(one["curves"]) + 6,
                   title=f"Power when {100 * one['base_rate']:.0f} of 100 have the event untreated", description=told)
