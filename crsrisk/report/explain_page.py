"""Explain page: the dictionary about one patient as one HTML file that needs nothing else and prints on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.report.course_figures import icon_array
from crsrisk.report.pages import POLICY
from crsrisk.report.theme_chart import theme_chart

MOST_ROWS = 14  # warnings, reasons and levers that fit in the usual type
COURSE_ROWS = 4  # that the readings after the first dose take


def render_explanation(content: Mapping[str, Any]) -> str:
    """The page about one patient. ``content``: of :func:`crsrisk.report.explain_content.explain_content`, also after a way
    through JSON. The same content gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True)
    return environment.get_template("explain.html.j2").render(
        content=content, figures=_figures(content), policy=POLICY, is_dense=_is_dense(content))


def _is_dense(content: Mapping[str, Any]) -> bool:
    """Whether there is so much to say that the print needs smaller type to stay on one page."""
    reasons = content["reasons"]
    rows = len(content["warnings"]) + len(reasons["up"]) + len(reasons["down"]) + len(content["changes"]["rows"])
    return rows + (COURSE_ROWS if content["landmark_h"] else 0) > MOST_ROWS


def _figures(content: Mapping[str, Any]) -> dict[str, Markup]:
    made = {"patient": _people(content["risks"], key="icons-patient", title="100 patients like this one")}
    if content["reference"] is not None:
        made["reference"] = _people(content["reference"]["risks"], key="icons-reference",
                                    title="100 patients like the reference patient")
    reasons = content["reasons"]
    made["themes"] = theme_chart(content["themes"], key="themes", start=reasons["base_of_100"],
                                 end=content["risks"]["grade2plus"]["of_100"])
    return {name: Markup(svg) for name, svg in made.items()}


def _people(risks: Mapping[str, Any], *, key: str, title: str) -> str:
    """One hundred people, those with the event together; grade 3 or more among those with grade 2 or more."""
    severe = risks.get("grade3plus")
    sentence = " ".join(one["sentence"] for one in risks.values())
    return icon_array(n_grade2plus=risks["grade2plus"]["of_100"], key=key, sentence=sentence, title=title,
                      n_grade3plus=None if severe is None else severe["of_100"])
