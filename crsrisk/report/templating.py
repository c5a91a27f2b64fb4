"""The one environment of all templates, with the filters that draw cells.

It stands apart from :mod:`crsrisk.report.pages`, so that the page of one patient needs no charts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.plots.chart_data import BarCell
from crsrisk.plots.sparklines import draw_axis, draw_cell
from crsrisk.report.bedside import ShownReasons

REASON_BAR = 84.0  # pixels of the longest
WIDEST = 480.0  # pixels that a phone can still show; a wider chart is scrolled there

_WIDTH = re.compile(r"--width: ([\d.]+)px")


@cache
def environment() -> Environment:
    """The one environment of all templates, with the filters that draw cells."""
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["drawn"] = lambda cell: Markup(draw_cell(cell))
    environment.filters["axis"] = lambda name: Markup(draw_axis(name))
    environment.filters["reason_bar"] = reason_bar
    environment.filters["is_wide"] = is_wide
    return environment


def reason_bar(points: int, shown: ShownReasons) -> Markup:
    """One reason as a bar; all bars of a patient share a scale."""
    bar = BarCell(abs(points), shown.longest, "raises" if points > 0 else "lowers")
    return Markup(draw_cell(bar, width=REASON_BAR))


def is_wide(charts: Iterable[str]) -> bool:
    """Whether one of the charts has to be scrolled on a phone."""
    return any(float(width) > WIDEST for svg in charts for width in _WIDTH.findall(svg))
