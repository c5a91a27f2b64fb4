"""Pages: content as one HTML file that needs nothing else, not even a network.

A page holds no script and loads nothing; its own security policy forbids both. All text is escaped
by the template engine; the only markup that passes are the drawings of this package, which escape
their words themselves. The same content gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crsrisk.plots.chart_data import (
    Axis,
    Band,
    BarCell,
    Boundaries,
    BoundaryLook,
    Dot,
    Dots,
    EvaluatedGroup,
    ForestCell,
    ForestRow,
    ImportanceBar,
    Line,
    Lines,
    PowerCurve,
    PowerPanel,
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
from crsrisk.plots.sparklines import draw_axis, draw_cell, icon_array
from crsrisk.plots.svg import stand_alone, to_svg
from crsrisk.plots.trial_charts import plot_boundaries, plot_power
from crsrisk.report.bedside import ShownReasons
from crsrisk.report.content import ReportContent
from crsrisk.report.manifest import making_section
from crsrisk.report.sections import Panel, Section, Table
from crsrisk.report.trial import TrialPage
from crsrisk.results import Estimate, NotEstimable

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action"
    " 'none'"
)
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
        f"{name}.svg": stand_alone(svg, note=own_windows if name.startswith("forest") else note)
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


def render_evaluation(content: Mapping[str, Any]) -> str:
    """The evaluation of a model as a page.

    ``content``: of :func:`crsrisk.report.evaluation.build_judgement`, also after a way through
    JSON.
    """
    return _render(
        "judgement.html.j2",
        content=content,
        figures=_marked(_section_figures(content["sections"])),
        making=making_section(content["manifest"]),
    )


def render_policy(content: Mapping[str, Any]) -> str:
    """Who should get prophylaxis, as a page; its first paragraph can be read aloud.

    ``content``: of :func:`crsrisk.report.policy.prophylaxis_content` or
    :func:`crsrisk.report.policy.table_content`, also after a way through JSON.
    """
    return _render(
        "prophylaxis.html.j2",
        content=content,
        figures=_marked(_section_figures(content["sections"])),
        making=making_section(content["setting"]),
    )


def policy_files(content: Mapping[str, Any]) -> dict[str, str]:
    """File name -> chart of the policy page that stands alone."""
    note = f"{content['event']}, {content['window']}. {content['notice']}"
    return {
        f"{key.removeprefix('figure-')}-{at}.svg": stand_alone(svg, note=note)
        for key, panels in _section_figures(content["sections"]).items()
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
    lines = lines_from(panel.data)
    return to_svg(
        lambda: plot_lines(lines),
        key=panel.key,
        title=panel.title,
        description=lines.description,
    )


def _panel_dots(panel: Panel) -> str:
    dots = dots_from(panel.data)
    return to_svg(
        lambda: plot_dots(dots), key=panel.key, title=panel.title, description=dots.description
    )


DRAWINGS: Mapping[str, Callable[[Panel], str]] = {
    "lines": _panel_lines,
    "dots": _panel_dots,
    "calibration": lambda panel: _calibration(
        group_from(panel.data), key=panel.key, label=panel.title
    ),
    "net_benefit": lambda panel: _decision_curve(
        group_from(panel.data), key=panel.key, label=panel.title
    ),
    "risk_distribution": lambda panel: _risk_distribution(
        {label: group_from(group) for label, group in panel.data.items()}, key=panel.key
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


# until content is typed: what charts are drawn from, out of mappings; what is typed passes.


def lines_from(data: Lines | Mapping[str, Any]) -> Lines:
    """Until content is typed: curves out of a mapping."""
    if isinstance(data, Lines):
        return data
    x, y = (Axis(**{"factor": 1.0, **data[name]}) for name in ("x", "y"))
    lines = [Line(**series) for series in data["series"]]
    band = None if data["band"] is None else Band(**data["band"])
    return Lines(x, y, lines, data["told"], band)


def dots_from(data: Dots | Mapping[str, Any]) -> Dots:
    """Until content is typed: rows of estimates out of a mapping."""
    if isinstance(data, Dots):
        return data
    rows = [
        Dot(
            row["label"],
            _estimate(row["estimate"]),
            is_strong=row["is_strong"],
            prediction=row["range"] and (row["range"]["low"], row["range"]["high"]),
        )
        for row in data["rows"]
    ]
    axis = Axis(data["name"], data["low"], data["high"], data["factor"])
    return Dots(axis, rows, data["told"], data["reference"], data["digits"])


def _estimate(data: Estimate | NotEstimable | Mapping[str, Any]) -> Estimate | NotEstimable:
    if isinstance(data, Estimate | NotEstimable):
        return data
    if "not_estimable" in data:
        return NotEstimable(data["not_estimable"])
    return Estimate(data["value"], data["low"], data["high"])


def group_from(data: EvaluatedGroup | Mapping[str, Any]) -> EvaluatedGroup:
    """Until content is typed: a group of an evaluation out of its plain form."""
    return _object(data) if isinstance(data, Mapping) else data


def _object(data: Any) -> Any:
    if isinstance(data, Mapping):
        if "not_estimable" in data:
            return NotEstimable(data["not_estimable"])
        parts = {name: _object(part) for name, part in data.items()}
        if "quantiles" in parts:
            quantiles = data["quantiles"].items()
            parts["quantiles"] = {float(share): _estimate(value) for share, value in quantiles}
        return SimpleNamespace(**{str(name): part for name, part in parts.items()})
    return data


def boundaries_from(data: Boundaries | Mapping[str, Any]) -> Boundaries:
    """Until content is typed: stopping bounds out of a mapping."""
    if isinstance(data, Boundaries):
        return data
    names = BoundaryLook.__dataclass_fields__
    looks = [BoundaryLook(**{name: look[name] for name in names}) for look in data["looks"]]
    return Boundaries(data["design"], data["is_count"], looks)


def power_from(data: PowerPanel | Mapping[str, Any]) -> PowerPanel:
    """Until content is typed: power curves out of a mapping."""
    if isinstance(data, PowerPanel):
        return data
    curves = [
        PowerCurve(curve["label"], curve["risk_ratio"], curve["power"]) for curve in data["curves"]
    ]
    return PowerPanel(data["base_rate"], data["wanted"], curves)
