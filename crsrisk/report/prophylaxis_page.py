"""Prophylaxis page: the answer as one HTML file that needs nothing else, its first paragraph to be read aloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.report.figures import stand_alone
from crsrisk.report.making import making_section
from crsrisk.report.pages import POLICY, drawn
from crsrisk.report.sections import drawn_figures


def render_prophylaxis(content: Mapping[str, Any]) -> str:
    """The page. The same content gives the same bytes; no script, nothing loaded.

    ``content``: of :func:`crsrisk.report.prophylaxis_content.prophylaxis_content` or
    :func:`crsrisk.report.prophylaxis_table.table_content`, also after a way through JSON.
    """
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["drawn"] = drawn
    environment.filters["axis"] = lambda name: Markup("")
    figures = {key: [Markup(svg) for svg in panels] for key, panels in drawn_figures(content["sections"]).items()}
    return environment.get_template("prophylaxis.html.j2").render(
        content=content, figures=figures, policy=POLICY, making=making_section(content["setting"]))


def prophylaxis_figures(content: Mapping[str, Any]) -> dict[str, str]:
    """File name -> a figure that stands alone."""
    note = f"{content['event']}, {content['window']}. {content['notice']}"
    return {f"{key.removeprefix('figure-')}-{at}.svg": stand_alone(svg, note=note)
            for key, panels in drawn_figures(content["sections"]).items() for at, svg in enumerate(panels, start=1)}
