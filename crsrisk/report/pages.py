"""Pages: the content dictionary as one HTML file that needs nothing else, not even a network.

The page holds no script and loads nothing; its own security policy forbids both. All text is escaped by the template
engine; the only markup that passes are the drawings of this package, which escape their words themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.report.gallery import gallery
from crsrisk.report.strips import (
    axis_strip,
    bar_strip,
    forest_strip,
    hours_strip,
    rates_strip,
)

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(content: Mapping[str, Any]) -> str:
    """The report as one self-contained HTML page. The same content gives the same bytes.

    ``content``: of :func:`crsrisk.report.content.build_content`, also after a way through JSON.
    """
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["drawn"] = drawn
    environment.filters["axis"] = lambda name: Markup(axis_strip(name))
    environment.filters["reason_bar"] = reason_bar
    figures = {name: Markup(svg) for name, svg in gallery(content).items()}
    return environment.get_template("report.html.j2").render(content=content, figures=figures, policy=POLICY)


def drawn(cell: Mapping[str, Any]) -> Markup:
    """A cell that holds a drawing."""
    kind = cell["draw"]
    if kind == "forest":
        return Markup(forest_strip(cell))
    if kind == "rates":
        return Markup(rates_strip(cell["grade2plus"], cell["grade3plus"]))
    if kind == "hours":
        return Markup(hours_strip(cell["hours"]))
    return Markup(bar_strip(cell["value"], highest=cell["highest"]))


def reason_bar(points: int, reasons: Mapping[str, Any]) -> Markup:
    """One reason as a bar; all bars of a patient share a scale."""
    highest = max([abs(one["of_100"]) for one in (*reasons["up"], *reasons["down"])], default=0)
    style = "raises" if points > 0 else "lowers"
    return Markup(bar_strip(abs(points), highest=highest, style=style, width=84))
