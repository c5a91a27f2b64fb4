"""Trial page: the dictionary about trial designs as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.report.pages import POLICY, drawn
from crsrisk.report.trial_figures import boundary_figure, power_figure


def trial_svgs(content: Mapping[str, Any]) -> dict[str, str]:
    """The figures by name: `boundary-<k>` and `power-<k>`."""
    bounds = {f"boundary-{at}": boundary_figure(one, key=f"boundary-{at}") for at, one in enumerate(content["boundaries"])}
    return bounds | {f"power-{at}": power_figure(one, key=f"power-{at}") for at, one in enumerate(content["power"])}


def render_trial(content: Mapping[str, Any]) -> str:
    """The page. ``content``: of :func:`crsrisk.report.trial_content.trial_content`, also after a way through JSON."""
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["drawn"] = drawn
    environment.filters["axis"] = lambda name: Markup("")
    figures = {name: Markup(svg) for name, svg in trial_svgs(content).items()}
    return environment.get_template("trial.html.j2").render(content=content, figures=figures, policy=POLICY)
