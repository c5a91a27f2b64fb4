"""Theme chart: one bar chart of all reasons, grouped by what they speak of; left lowers the risk, right raises it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.drawing import Scale, box, line, picture, words

WIDTH = 460.0
_LABELS = 212.0  # width of the column of words
_ROW, _GROUP = 15.0, 19.0  # heights
_NUMBER = 26.0  # room for the number at either end of the longest bar


def theme_chart(themes: Sequence[Mapping[str, Any]], *, key: str, start: int, end: int) -> str:
    """Bars in whole patients of 100: a strong one for each group, thin ones for its reasons; ``start`` plus all groups is
    ``end``.

    ``themes``: theme, of_100 and rows (label, value, of_100), as :func:`crsrisk.report.explain_content.themes` makes them.
    """
    sizes = [abs(one["of_100"]) for one in themes] + [abs(row["of_100"]) for one in themes for row in one["rows"]]
    most = max([*sizes, 1])
    low, high = (any(sign * value > 0 for one in themes for value in (one["of_100"], *(r["of_100"] for r in one["rows"])))
                 for sign in (-1, 1))
    scale = Scale(-most if low else 0.0, most if high else 0.0, _LABELS + _NUMBER, WIDTH - _NUMBER)
    if scale.low == scale.high:
        scale = Scale(-1.0, 1.0, scale.start, scale.stop)
    body, y = "", 4.0
    for one in themes:
        body += _bar(scale, y, one["theme"].capitalize(), one["of_100"], is_group=True)
        y += _GROUP
        for row in one["rows"]:
            body += _bar(scale, y, _cut(f"{row['label']}: {row['value']}"), row["of_100"], is_group=False)
            y += _ROW
        y += 3
    zero = line(scale.at(0), 0, scale.at(0), y, style="base")
    said = "; ".join(f"{one['theme']} {_signed(one['of_100'])}" for one in themes)
    return picture(
        zero + body + words(0, y + 12, f"Start {start}, all groups together {_signed(end - start)}: {end} of 100",
                            style="note"),
        key=key, width=WIDTH, height=y + 18, title="Reasons by group, in patients of 100",
        description=f"Start {start} of 100; {said}; together {end} of 100.")


def _bar(scale: Scale, y: float, label: str, points: int, *, is_group: bool) -> str:
    height = 11.0 if is_group else 6.0
    middle = y + 8
    left, right = sorted((scale.at(0), scale.at(points)))
    body = words(0 if is_group else 10, middle + 4, label, style="strong" if is_group else "row")
    body += box(left, middle - height / 2, right - left, height, style="raises" if points > 0 else "lowers")
    at = right + 5 if points >= 0 else left - 5
    return body + words(at, middle + 4, _signed(points), style="strong" if is_group else "row",
                        anchor="start" if points >= 0 else "end")


def _signed(points: int) -> str:
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def _cut(text: str, *, room: int = 36) -> str:
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"
