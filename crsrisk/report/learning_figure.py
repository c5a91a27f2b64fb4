"""Learning curves as a figure: share of the oracle's gain against the number of training patients, one line a learner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.drawing import Panel, Scale, line, mark, picture, words

Row = Mapping[str, Any]

_WIDTH, _HEIGHT = 720.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 452.0, 34.0, 318.0
_STYLES = ("all-line", "other-line", "event-line", "none-line")
_SCORE, _SCORE_STYLE = "product + ", "ideal"  # published scores on top of the product look alike
_APART = 15.0  # pixels between the names at the right


def learning_curves(rows: Sequence[Row], *, key: str) -> str:
    """``rows``: learner, n_training, share, low, high (95%); the first learner is the model."""
    names = list(dict.fromkeys(row["learner"] for row in rows))
    sizes = sorted({row["n_training"] for row in rows})
    x = Scale(sizes[0], max(sizes[-1], sizes[0] + 1), _LEFT, _RIGHT, is_log=True)
    y = Scale(0.0, 1.0, _BOTTOM, _TOP)
    panel = Panel(x, y)
    body = panel.across([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], text=lambda tick: f"{100 * tick:.0f}%",
                        name="Share of the oracle's gain in log loss over knowing the product alone")
    body += panel.along(sizes, text=lambda tick: f"{tick:,.0f}", name="Training patients")
    body += line(_LEFT, y.at(1.0), _RIGHT, y.at(1.0), style="ideal")
    body += words(_RIGHT + 8, y.at(1.0) + 4, "oracle", style="name")
    curves = {name: sorted((row for row in rows if row["learner"] == name), key=lambda row: row["n_training"])
              for name in names}
    heights = _apart({name: y.at(y.inside(curves[name][-1]["share"])) for name in names})
    others = [name for name in names[1:] if not name.startswith(_SCORE)]
    styles = {names[0]: "model-line", **{name: _STYLES[at % len(_STYLES)] for at, name in enumerate(others)}}
    for at, name in reversed(list(enumerate(names))):
        style = styles.get(name, _SCORE_STYLE)
        body += _curve(curves[name], panel, style=style, is_model=at == 0)
        body += line(_RIGHT + 3, y.at(y.inside(curves[name][-1]["share"])), _RIGHT + 16, heights[name] - 4, style="hair")
        body += words(_RIGHT + 19, heights[name], name, style="row-strong" if at == 0 else "row")
    told = "; ".join(f"{name}: " + ", ".join(f"{row['share']:.2f} at {row['n_training']}" for row in curves[name])
                     for name in names)
    return picture(body, key=key, width=_WIDTH, height=_HEIGHT, title="Learning curves",
                   description=f"Share of the oracle's gain over knowing the product. {told}.")


def _curve(rows: Sequence[Row], panel: Panel, *, style: str, is_model: bool) -> str:
    sizes = [float(row["n_training"]) for row in rows]
    shares = [panel.y.inside(row["share"]) for row in rows]
    body = ""
    if is_model:
        body += panel.band(sizes, [row["low"] for row in rows], [row["high"] for row in rows], style="model-band")
    body += panel.curve(sizes, shares, style=style)
    if is_model:
        body += "".join(mark(panel.x.at(n), panel.y.at(share), shape="circle", style="model-mark", size=3)
                        for n, share in zip(sizes, shares, strict=True))
    return body


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Where the names stand: at their line's end, pushed down where two would overlap, and up again from the bottom."""
    placed: dict[str, float] = {}
    below = _TOP + 4
    for name, height in sorted(heights.items(), key=lambda one: one[1]):
        below = max(height + 4, below + _APART)
        placed[name] = below
    above = _BOTTOM + 40
    for name in reversed(list(placed)):
        placed[name] = above = min(placed[name], above - _APART)
    return placed
