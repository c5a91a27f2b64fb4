"""Pages: the content dictionary as one HTML file that needs nothing else, not even a network.

The page holds no script and loads nothing; its own security policy forbids both. All text is
escaped by the template engine; the only markup that passes are the drawings of this package, which
escape their words themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.plots.chart_data import BarCell, DrawnCell, ForestCell, HoursCell, RatesCell
from crsrisk.report.bedside import ShownReasons
from crsrisk.report.content import ReportContent
from crsrisk.report.drawing import (
    axis_strip,
    bar_strip,
    forest,
    forest_strip,
    hours_strip,
    importance,
    rates_strip,
    reasons,
)
from crsrisk.report.figures import (
    boundary_figure,
    calibration,
    icon_array,
    ladder,
    net_benefit,
    onset,
    power_figure,
    risk_distribution,
    stand_alone,
)
from crsrisk.report.manifest import making_section
from crsrisk.report.policy import PolicyPage
from crsrisk.report.sections import Table, drawn_figures
from crsrisk.report.trial import TrialPage
from crsrisk.results import to_plain

# Gallery: every figure of a report, made from its content dictionary, by name.


def gallery(content: ReportContent) -> dict[str, str]:
    """Name -> SVG for a page, which lends it fonts and colours. The names are fixed by the content
    alone.
    """
    labels, performance = content.labels, content.performance
    pooled: Mapping[str, Any] = to_plain(content.evaluation.pooled)
    groups: Mapping[str, Mapping[str, Any]] = {
        name: to_plain(content.evaluation.by_group[name]) for name in performance.products
    }
    svgs = {
        "calibration-pooled": calibration(pooled, key="calibration-pooled", name="all products"),
        "net-benefit-pooled": net_benefit(pooled, key="net-benefit-pooled", name="all products"),
        "risk-distribution": risk_distribution(
            {"All products": pooled, **{labels[name]: group for name, group in groups.items()}},
            key="risk-distribution",
        ),
    }
    for name, group in groups.items():
        svgs[f"calibration-{name}"] = calibration(
            group, key=f"calibration-{name}", name=labels[name], is_small=True
        )
        svgs[f"net-benefit-{name}"] = net_benefit(
            group, key=f"net-benefit-{name}", name=labels[name], is_small=True
        )
    if performance.benchmark is not None:
        svgs["benchmark"] = ladder(
            to_plain(performance.benchmark.marks),
            key="benchmark",
            is_pooled=performance.benchmark.is_pooled,
        )
    for name, curve in content.trial.onset.items():
        svgs[f"onset-{name}"] = onset(to_plain(curve), key=f"onset-{name}")
    for patient in content.patients:
        name, icons = f"icons-{patient.key}", patient.icons
        svgs[name] = icon_array(
            n_grade2plus=icons.n_grade2plus,
            n_grade3plus=icons.n_grade3plus,
            key=name,
            sentence=icons.sentence,
        )
    return svgs


def figure_files(content: ReportContent) -> dict[str, str]:
    """File name -> SVG that stands alone: the page's figures, and as figures what the page has as
    tables.

    Each carries event, window and the notice below it.
    """
    svgs = gallery(content)
    for axis, table in zip(("rates", "times"), content.published.tables, strict=True):
        if rows := _forest_rows(table):
            svgs[f"forest-{axis}"] = forest(rows, key=f"forest-{axis}", title=table.title)
    svgs["importance"] = importance(to_plain(content.drivers.bars), key="importance")
    for patient in content.patients:
        name = f"reasons-{patient.key}"
        svgs[name] = reasons(to_plain(patient.bars), key=name, title=f"Reasons, {patient.name}")
    note = f"{content.event}, {content.window}. {content.notice}"
    own_windows = f"Each source over its own window after the first dose. {content.notice}"
    return {
        f"{name}.svg": stand_alone(svg, note=own_windows if name.startswith("forest") else note)
        for name, svg in sorted(svgs.items())
    }


def _forest_rows(table: Table) -> Sequence[Mapping[str, Any]]:
    rows = []
    for group in table.groups:
        for row in group.rows:
            published, size, simulated, drawing, verdict = row.cells
            told = f"{published}, n {size}; simulated {simulated}; {str(verdict).split(':')[0]}"
            label = f"{group.label}: {row.label}"
            rows.append({**to_plain(drawing), "label": label, "told": told})
    return rows


POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action"
    " 'none'"
)


def environment() -> Environment:
    """The one environment of all pages: text is escaped, a name that is not there is an error."""
    return Environment(
        loader=PackageLoader("crsrisk.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(content: ReportContent) -> str:
    """The report as one self-contained HTML page. The same content gives the same bytes."""
    jinja = environment()
    jinja.filters["drawn"] = drawn
    jinja.filters["axis"] = lambda name: Markup(axis_strip(name))
    jinja.filters["reason_bar"] = reason_bar
    figures = {name: Markup(svg) for name, svg in gallery(content).items()}
    return jinja.get_template("report.html.j2").render(
        content=content, figures=figures, policy=POLICY
    )


def drawn(cell: DrawnCell | Mapping[str, Any]) -> Markup:
    """A cell that holds a drawing."""
    if isinstance(cell, ForestCell):
        return Markup(forest_strip(to_plain(cell)))
    if isinstance(cell, RatesCell):
        return Markup(rates_strip(cell.grade2plus, cell.grade3plus))
    if isinstance(cell, HoursCell):
        return Markup(hours_strip(cell.hours))
    if isinstance(cell, BarCell):
        return Markup(bar_strip(cell.value, highest=cell.highest))
    kind = cell["draw"]
    if kind == "forest":
        return Markup(forest_strip(cell))
    if kind == "rates":
        return Markup(rates_strip(cell["grade2plus"], cell["grade3plus"]))
    if kind == "hours":
        return Markup(hours_strip(cell["hours"]))
    return Markup(bar_strip(cell["value"], highest=cell["highest"]))


def reason_bar(points: int, shown: ShownReasons) -> Markup:
    """One reason as a bar; all bars of a patient share a scale."""
    highest = shown.longest
    style = "raises" if points > 0 else "lowers"
    return Markup(bar_strip(abs(points), highest=highest, style=style, width=84))


# The judgement as one self-contained HTML page, and the same checklists and card as files of their
# own.


def render_judgement(content: Mapping[str, Any]) -> str:
    """The page. The same content gives the same bytes; no script, nothing loaded.

    ``content``: of :func:`crsrisk.report.evaluation.build_judgement`, also after a way through
    JSON.
    """
    jinja = environment()
    jinja.filters["drawn"] = drawn
    jinja.filters["axis"] = lambda name: Markup(axis_strip(name))
    figures = {
        key: [Markup(svg) for svg in panels]
        for key, panels in drawn_figures(content["sections"]).items()
    }
    return jinja.get_template("judgement.html.j2").render(
        content=content, figures=figures, policy=POLICY, making=making_section(content["manifest"])
    )


# Trial page: the page about trial designs as one HTML file that needs nothing else.


def trial_svgs(page: TrialPage) -> dict[str, str]:
    """The figures by name: `boundary-<k>` and `power-<k>`."""
    bounds = {
        f"boundary-{at}": boundary_figure(to_plain(design), key=f"boundary-{at}")
        for at, design in enumerate(page.boundaries)
    }
    return bounds | {
        f"power-{at}": power_figure(to_plain(panel), key=f"power-{at}")
        for at, panel in enumerate(page.power)
    }


def render_trial(content: TrialPage) -> str:
    """The page as HTML."""
    jinja = environment()
    jinja.filters["drawn"] = drawn
    jinja.filters["axis"] = lambda name: Markup("")
    figures = {name: Markup(svg) for name, svg in trial_svgs(content).items()}
    return jinja.get_template("trial.html.j2").render(
        content=content, figures=figures, policy=POLICY
    )


def render_policy(page: PolicyPage) -> str:
    """The page about policies of prophylaxis. The same page gives the same bytes; no script,
    nothing loaded.
    """
    jinja = environment()
    jinja.filters["drawn"] = drawn
    jinja.filters["axis"] = lambda name: Markup("")
    figures = {
        key: [Markup(svg) for svg in panels] for key, panels in drawn_figures(page.sections).items()
    }
    return jinja.get_template("policy.html.j2").render(
        content=page, figures=figures, policy=POLICY, making=making_section(to_plain(page.setting))
    )


def policy_figures(page: PolicyPage) -> dict[str, str]:
    """File name -> a figure that stands alone."""
    note = f"{page.event}, {page.window}. {page.notice}"
    return {
        f"{key.removeprefix('figure-')}-{at}.svg": stand_alone(svg, note=note)
        for key, panels in drawn_figures(page.sections).items()
        for at, svg in enumerate(panels, start=1)
    }
