"""Pages: content as one HTML file that needs nothing else, not even a network.

A page holds no script and loads nothing; its own security policy forbids both. All text is escaped
by the template engine; the only markup that passes are the drawings of this package, which escape
their words themselves. The same content gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from markupsafe import Markup

from crsrisk.plots.chart_data import (
    Dots,
    EvaluatedGroup,
    Forecasts,
    ForestCell,
    ForestRow,
    ImportanceBar,
    Lines,
    ReasonBar,
)
from crsrisk.plots.charts import (
    plot_dots,
    plot_forest,
    plot_importance,
    plot_lines,
    plot_onset,
    plot_reasons,
)
from crsrisk.plots.descriptions import (
    describe_benchmark,
    describe_boundaries,
    describe_calibration,
    describe_decision_curve,
    describe_forest,
    describe_importance,
    describe_onset,
    describe_power,
    describe_reasons,
    describe_risk_distribution,
)
from crsrisk.plots.evaluation_charts import (
    plot_benchmark,
    plot_calibration,
    plot_decision_curve,
    plot_risk_distribution,
)
from crsrisk.plots.forecast_charts import plot_forecasts
from crsrisk.plots.sparklines import icon_array
from crsrisk.plots.svg import stand_alone, to_svg
from crsrisk.plots.trial_charts import plot_boundaries, plot_power
from crsrisk.report.content import ReportContent
from crsrisk.report.evaluation import ModelEvaluation
from crsrisk.report.manifest import making_section
from crsrisk.report.policy import PolicyPage
from crsrisk.report.risk_column import RiskColumnEvaluation
from crsrisk.report.sections import Panel, Section, Table
from crsrisk.report.templating import environment
from crsrisk.report.trial import TrialPage
from crsrisk.results import to_plain

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action"
    " 'none'"
)


def _render(template: str, **given: object) -> str:
    return environment().get_template(template).render(policy=POLICY, **given)


def _marked(figures: Mapping[str, Sequence[str]]) -> dict[str, list[Markup]]:
    return {key: [Markup(svg) for svg in panels] for key, panels in figures.items()}


# The report of the main job.


def render_report(content: ReportContent, figures: Mapping[str, str] | None = None) -> str:
    """The report as a page; ``figures``: its charts, where they are drawn already."""
    svgs = report_figures(content) if figures is None else figures
    marked = {name: Markup(svg) for name, svg in svgs.items()}
    return _render("report.html.j2", content=content, figures=marked)


def report_figures(content: ReportContent) -> dict[str, str]:
    """Name -> chart of the report; the names are fixed by the content alone."""
    labels, performance = content.labels, content.performance
    groups = {name: content.evaluation.by_group[name] for name in performance.products}
    pooled = content.evaluation.pooled
    spread = {"All products": pooled, **{labels[name]: group for name, group in groups.items()}}
    svgs = {
        **_group_figures(pooled, name="pooled", label="all products", small=False),
        "risk-distribution": _risk_distribution(spread, key="risk-distribution"),
    }
    for name, group in groups.items():
        svgs |= _group_figures(group, name=name, label=labels[name], small=True)
    if performance.benchmark is not None:
        marks = performance.benchmark.marks
        svgs["benchmark"] = to_svg(
            lambda: plot_benchmark(marks),
            key="benchmark",
            title="From knowing nothing to knowing all",
            description=describe_benchmark(marks),
        )
    for name, curve in content.trial.onset.items():
        svgs[f"onset-{name}"] = to_svg(
            lambda curve=curve: plot_onset(curve),  # type: ignore[misc]
            key=f"onset-{name}",
            title=f"Onset of CRS, {curve.label}",
            description=describe_onset(curve),
        )
    if content.generator is not None:
        for figure in content.generator.forecasts.figures:
            svgs |= {panel.key: DRAWINGS[panel.draw](panel) for panel in figure.panels}
    for patient in content.patients:
        svgs[f"icons-{patient.key}"] = icon_array(patient.icons, key=f"icons-{patient.key}")
    return svgs


def _group_figures(group: EvaluatedGroup, *, name: str, label: str, small: bool) -> dict[str, str]:
    return {
        f"calibration-{name}": _calibration(
            group, key=f"calibration-{name}", label=label, small=small
        ),
        f"net-benefit-{name}": _decision_curve(
            group, key=f"net-benefit-{name}", label=label, small=small
        ),
    }


def _calibration(group: EvaluatedGroup, *, key: str, label: str, small: bool = False) -> str:
    return to_svg(
        lambda: plot_calibration(group, title=label if small else "", small=small),
        key=key,
        title=f"Calibration, {label}",
        description=describe_calibration(group),
    )


def _decision_curve(group: EvaluatedGroup, *, key: str, label: str, small: bool = False) -> str:
    return to_svg(
        lambda: plot_decision_curve(group, title=label if small else "", small=small),
        key=key,
        title=f"Net benefit, {label}",
        description=describe_decision_curve(group),
    )


def _risk_distribution(groups: Mapping[str, EvaluatedGroup], *, key: str) -> str:
    return to_svg(
        lambda: plot_risk_distribution(groups),
        key=key,
        title="Predicted risk by outcome",
        description=describe_risk_distribution(groups),
    )


def report_files(
    content: ReportContent, figures: Mapping[str, str] | None = None
) -> dict[str, str]:
    """File name -> chart that stands alone: the page's, and as charts what the page has as tables.

    Each carries event, window and the notice below it. ``figures``: those of the page, where they
    are drawn already.
    """
    svgs = dict(report_figures(content) if figures is None else figures)
    for axis, table in zip(("rates", "times"), content.published.tables, strict=True):
        if rows := _forest_rows(table):
            svgs[f"forest-{axis}"] = to_svg(
                lambda rows=rows, title=table.title: plot_forest(rows, title=title),  # type: ignore[misc]
                key=f"forest-{axis}",
                title=table.title,
                description=describe_forest(rows),
            )
    svgs["importance"] = _importance(content.drivers.bars)
    for patient in content.patients:
        name = f"reasons-{patient.key}"
        svgs[name] = _reasons(patient.bars, key=name, title=f"Reasons, {patient.name}")
    note = f"{content.event}, {content.window}. {content.notice}"
    own_windows = f"Each source over its own window after the first dose. {content.notice}"
    return {
        f"{name}.svg": stand_alone(
            svg, note=own_windows if name.startswith(("forest", "forecasts")) else note
        )
        for name, svg in sorted(svgs.items())
    }


def _forest_rows(table: Table) -> list[ForestRow]:
    rows = []
    for group in table.groups:
        for row in group.rows:
            published, size, simulated, cell, verdict = row.cells
            assert isinstance(cell, ForestCell), "the fourth column is the drawing"
            short = str(verdict).split(":")[0]
            numbers = f"{published}, n {size}; simulated {simulated}; {short}"
            rows.append(ForestRow(f"{group.label}: {row.label}", cell, numbers))
    return rows


def _importance(bars: Sequence[ImportanceBar]) -> str:
    title = "What drives the model: mean change of the risk, of 100 patients"
    return to_svg(
        lambda: plot_importance(bars, title=title),
        key="importance",
        title=title,
        description=describe_importance(bars),
    )


def _reasons(bars: Sequence[ReasonBar], *, key: str, title: str) -> str:
    return to_svg(
        lambda: plot_reasons(bars, title=title),
        key=key,
        title=title,
        description=describe_reasons(bars),
    )


# Pages made of sections: evaluation and policy.


def render_evaluation(evaluation: ModelEvaluation | RiskColumnEvaluation) -> str:
    """The evaluation of a model, or of a column of risks, as a page."""
    return _render(
        "evaluation.html.j2",
        content=evaluation,
        figures=_marked(_section_figures(evaluation.sections)),
        making=making_section(evaluation.manifest),
    )


def render_policy(page: PolicyPage) -> str:
    """Who should get prophylaxis, as a page; its first paragraph can be read aloud."""
    return _render(
        "policy.html.j2",
        content=page,
        figures=_marked(_section_figures(page.sections)),
        making=making_section(to_plain(page.setting)),
    )


def policy_files(page: PolicyPage) -> dict[str, str]:
    """File name -> chart of the policy page that stands alone."""
    note = f"{page.event}, {page.window}. {page.notice}"
    return {
        f"{key.removeprefix('figure-')}-{at}.svg": stand_alone(svg, note=note)
        for key, panels in _section_figures(page.sections).items()
        for at, svg in enumerate(panels, start=1)
    }


def _section_figures(sections: Sequence[Section]) -> dict[str, list[str]]:
    """Key of a figure -> its panels as SVG text."""
    return {
        figure.key: [DRAWINGS[panel.draw](panel) for panel in figure.panels]
        for section in sections
        for figure in section.figures
    }


def _panel_lines(panel: Panel) -> str:
    lines = cast("Lines", panel.data)
    return to_svg(
        lambda: plot_lines(lines),
        key=panel.key,
        title=panel.title,
        description=lines.description,
    )


def _panel_dots(panel: Panel) -> str:
    dots = cast("Dots", panel.data)
    return to_svg(
        lambda: plot_dots(dots), key=panel.key, title=panel.title, description=dots.description
    )


def _panel_forecasts(panel: Panel) -> str:
    forecasts = cast("Forecasts", panel.data)
    return to_svg(
        lambda: plot_forecasts(forecasts, title=panel.title),
        key=panel.key,
        title=panel.title,
        description=forecasts.description,
    )


DRAWINGS: Mapping[str, Callable[[Panel], str]] = {
    "lines": _panel_lines,
    "dots": _panel_dots,
    "forecasts": _panel_forecasts,
    "calibration": lambda panel: _calibration(
        cast("EvaluatedGroup", panel.data), key=panel.key, label=panel.title
    ),
    "net_benefit": lambda panel: _decision_curve(
        cast("EvaluatedGroup", panel.data), key=panel.key, label=panel.title
    ),
    "risk_distribution": lambda panel: _risk_distribution(
        cast("Mapping[str, EvaluatedGroup]", panel.data), key=panel.key
    ),
}
"""Name of a drawing in a section -> how its panel becomes SVG."""


# Trial designs.


def render_trial(page: TrialPage) -> str:
    """Trial designs compared, as a page."""
    figures = {name: Markup(svg) for name, svg in trial_figures(page).items()}
    return _render("trial.html.j2", content=page, figures=figures)


def trial_figures(page: TrialPage) -> dict[str, str]:
    """Name -> chart of the trial page: `boundary-<k>` and `power-<k>`."""
    svgs = {}
    for at, bounds in enumerate(page.boundaries):
        svgs[f"boundary-{at}"] = to_svg(
            lambda bounds=bounds: plot_boundaries(bounds),  # type: ignore[misc]
            key=f"boundary-{at}",
            title=f"What stops the trial: {bounds.design}",
            description=describe_boundaries(bounds),
        )
    for at, panel in enumerate(page.power):
        svgs[f"power-{at}"] = to_svg(
            lambda panel=panel: plot_power(panel),  # type: ignore[misc]
            key=f"power-{at}",
            title=f"Power when {100 * panel.base_rate:.0f} of 100 have the event untreated",
            description=describe_power(panel),
        )
    return svgs


def trial_files(page: TrialPage) -> dict[str, str]:
    """File name -> chart of the trial page that stands alone."""
    note = f"{page.event}. {page.notice}"
    return {f"{name}.svg": stand_alone(svg, note=note) for name, svg in trial_figures(page).items()}
