"""The judgement as one self-contained HTML page, and the same checklists and card as files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.report.making import making_section
from crsrisk.report.pages import POLICY, drawn
from crsrisk.report.sections import drawn_figures
from crsrisk.report.strips import axis_strip


def render_judgement(content: Mapping[str, Any]) -> str:
    """The page. The same content gives the same bytes; no script, nothing loaded.

    ``content``: of :func:`crsrisk.report.judgement.build_judgement`, also after a way through JSON.
    """
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["drawn"] = drawn
    environment.filters["axis"] = lambda name: Markup(axis_strip(name))
    figures = {key: [Markup(svg) for svg in panels] for key, panels in drawn_figures(content["sections"]).items()}
    return environment.get_template("judgement.html.j2").render(
        content=content, figures=figures, policy=POLICY, making=making_section(content["manifest"]))
