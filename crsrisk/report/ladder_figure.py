"""The ladder as a figure: from a predictor that knows nothing to an oracle that knows all that can be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crsrisk.report.drawing import Panel, Scale, line, mark, picture, round_ticks, words
from crsrisk.report.words import MISSING, number

Rung = Mapping[str, Any]

_LABELS = 232.0  # pixels for the names of the rungs
_PLOT = 170.0
_NUMBERS = 78.0
_ROW = 27.0
_TOP = 40.0
_MARKS = {
    "null": ("cross", "null-mark"),
    "comparator": ("circle", "open-mark"),
    "model": ("circle", "model-mark"),
    "oracle": ("diamond", "oracle-mark"),
}


@dataclass(frozen=True)
class _Column:
    """One measure: the key of its estimate in a rung, two lines of heading, decimals, where chance lies."""

    field: str
    heading: str
    below: str
    digits: int
    chance: float


_GAIN = _Column("gain_over_product_only", "Gain in log loss over", "knowing the product, nats", 3, 0.0)
_WITHIN = _Column("auroc_within_product", "AUROC among patients", "of one product", 2, 0.5)
_MIXED = _Column("auroc", "AUROC over all patients,", "products mixed", 2, 0.5)


def ladder(rungs: Sequence[Rung], *, key: str, is_pooled: bool) -> str:
    """Gain in log loss over knowing the product, and AUROC, side by side; the first rung on top.

    ``rungs``: those of the evaluation with a `label`. ``is_pooled`` draws AUROC twice, clearly apart: among
    patients of one product, and over all patients, where knowing the product already helps.
    """
    columns = [_GAIN, _WITHIN, _MIXED] if is_pooled else [_GAIN, _MIXED]
    width, bottom = _LABELS + len(columns) * (_PLOT + _NUMBERS), _TOP + _ROW * len(rungs)
    body = ""
    for at, rung in enumerate(rungs):
        style = "row-strong" if rung["kind"] == "model" else "row"
        body += line(0, _TOP + _ROW * at, width, _TOP + _ROW * at, style="hair")
        body += words(0, _TOP + _ROW * at + 18, rung["label"], style=style)
    for at, column in enumerate(columns):
        body += _drawn(column, rungs, start=_LABELS + at * (_PLOT + _NUMBERS), bottom=bottom)
    told = "; ".join(f"{rung['label']} {_value(rung[_GAIN.field], digits=3)}" for rung in rungs)
    return picture(
        body,
        key=key,
        width=width,
        height=bottom + 24,
        title="From knowing nothing to knowing all",
        description=f"Gain in log loss over knowing the product alone, nats: {told}.",
    )


def _drawn(column: _Column, rungs: Sequence[Rung], *, start: float, bottom: float) -> str:
    """One column: heading, axis, the line of chance, a mark for each rung."""
    known = [rung[column.field] for rung in rungs if "value" in (rung[column.field] or {})]
    x = _scale(known, column=column, start=start)

    def tick_words(tick: float) -> str:
        return number(tick, digits=column.digits - 1)

    body = words(start, 12, column.heading, style="strong") + words(start, 27, column.below, style="name")
    body += Panel(x, Scale(0, 1, bottom, _TOP)).along(round_ticks(x.low, x.high, n=4), text=tick_words)
    body += line(x.at(column.chance), _TOP, x.at(column.chance), bottom, style="ideal")
    return body + "".join(_rung(rung, column=column, x=x, y=_TOP + _ROW * (at + 0.5)) for at, rung in enumerate(rungs))


def _scale(known: Sequence[Mapping[str, float]], *, column: _Column, start: float) -> Scale:
    """From a little below chance to the highest; a null far below would squeeze the others and is cut."""
    highest = max([one["high"] for one in known], default=1.0)
    lowest = min([one["low"] for one in known], default=0.0)
    reach = max(highest - column.chance, 10.0**-column.digits)
    low = max(lowest, column.chance - 0.4 * reach) - 0.06 * reach
    return Scale(min(low, column.chance - 0.06 * reach), highest + 0.08 * reach, start, start + _PLOT)


def _value(estimate: Mapping[str, Any] | None, *, digits: int) -> str:
    if estimate is None:
        return MISSING
    return "not estimable" if "not_estimable" in estimate else number(estimate["value"], digits=digits)


def _rung(rung: Rung, *, column: _Column, x: Scale, y: float) -> str:
    """One mark with its interval; an oracle's AUROC as the range between its bounds; off the scale an arrow."""
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
