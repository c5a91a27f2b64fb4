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
from crsrisk.report.evaluation import ModelEvaluation
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
    theme_chart,
)
from crsrisk.report.manifest import making_section
from crsrisk.report.sections import drawn_figures
from crsrisk.results import to_plain

# Gallery: every figure of a report, made from its content dictionary, by name.


Content = Mapping[str, Any]


def gallery(content: Content) -> dict[str, str]:
    """Name -> SVG for a page, which lends it fonts and colours. The names are fixed by the content
    alone.
    """
    evaluation, labels = content["evaluation"], content["labels"]
    products = content["performance"]["products"]
    made = {
        "calibration-pooled": calibration(
            evaluation["pooled"], key="calibration-pooled", name="all products"
        ),
        "net-benefit-pooled": net_benefit(
            evaluation["pooled"], key="net-benefit-pooled", name="all products"
        ),
        "risk-distribution": risk_distribution(
            {
                "All products": evaluation["pooled"],
                **{labels[name]: evaluation["by_product"][name] for name in products},
            },
            key="risk-distribution",
        ),
    }
    for name in products:
        group = evaluation["by_product"][name]
        made[f"calibration-{name}"] = calibration(
            group, key=f"calibration-{name}", name=labels[name], is_small=True
        )
        made[f"net-benefit-{name}"] = net_benefit(
            group, key=f"net-benefit-{name}", name=labels[name], is_small=True
        )
    steps = content["performance"]["ladder"]
    if steps is not None:
        made["ladder"] = ladder(steps["rungs"], key="ladder", is_pooled=steps["is_pooled"])
    for curve in content["trial"]["onset"]:
        made[f"onset-{curve['product']}"] = onset(curve, key=f"onset-{curve['product']}")
    for patient in content["patients"]:
        name = f"icons-{patient['key']}"
        made[name] = icon_array(
            **patient["icons"], key=name, sentence=patient["risks"]["grade2plus"]["sentence"]
        )
    return made


def figure_files(content: Content) -> dict[str, str]:
    """File name -> SVG that stands alone: the page's figures, and as figures what the page has as
    tables.

    Each carries event, window and the notice below it.
    """
    made = gallery(content)
    for axis, table in zip(("rates", "times"), content["published"]["tables"], strict=True):
        if rows := _forest_rows(table):
            made[f"forest-{axis}"] = forest(rows, key=f"forest-{axis}", title=table["title"])
    made["importance"] = importance(content["drivers"]["rows"], key="importance")
    for patient in content["patients"]:
        name = f"reasons-{patient['key']}"
        made[name] = reasons(_reason_rows(patient), key=name, title=f"Reasons, {patient['name']}")
    note = f"{content['event']}, {content['window']}. {content['notice']}"
    own_windows = f"Each source over its own window after the first dose. {content['notice']}"
    return {
        f"{name}.svg": stand_alone(svg, note=own_windows if name.startswith("forest") else note)
        for name, svg in sorted(made.items())
    }


def _forest_rows(table: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = []
    for group in table["groups"]:
        for row in group["rows"]:
            published, size, simulated, drawing, verdict = row["cells"]
            told = f"{published}, n {size}; simulated {simulated}; {verdict.split(':')[0]}"
            found.append({**drawing, "label": f"{group['label']}: {row['label']}", "told": told})
    return found


def _reason_rows(patient: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = [*patient["reasons"]["up"], *patient["reasons"]["down"]]
    rows = [{"label": f"{one['label']}: {one['value']}", "points": one["of_100"]} for one in found]
    return [*rows, {"label": "All other variables", "points": patient["reasons"]["rest_of_100"]}]


POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action"
    " 'none'"
)


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
    return environment.get_template("report.html.j2").render(
        content=content, figures=figures, policy=POLICY
    )


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


# The evaluation of a model as one self-contained HTML page.


def render_model_evaluation(evaluation: ModelEvaluation) -> str:
    """The page. The same evaluation gives the same bytes; no script, nothing loaded."""
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
    figures = {
        key: [Markup(svg) for svg in panels]
        for key, panels in drawn_figures(evaluation.sections).items()
    }
    return environment.get_template("judgement.html.j2").render(
        content=evaluation,
        figures=figures,
        policy=POLICY,
        making=making_section(to_plain(evaluation.manifest)),
    )


# Trial page: the dictionary about trial designs as one HTML file that needs nothing else.


def trial_svgs(content: Mapping[str, Any]) -> dict[str, str]:
    """The figures by name: `boundary-<k>` and `power-<k>`."""
    bounds = {
        f"boundary-{at}": boundary_figure(one, key=f"boundary-{at}")
        for at, one in enumerate(content["boundaries"])
    }
    return bounds | {
        f"power-{at}": power_figure(one, key=f"power-{at}")
        for at, one in enumerate(content["power"])
    }


def render_trial(content: Mapping[str, Any]) -> str:
    """The page. ``content``: of :func:`crsrisk.report.trial.trial_content`, also after a way
    through JSON.
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
    environment.filters["axis"] = lambda name: Markup("")
    figures = {name: Markup(svg) for name, svg in trial_svgs(content).items()}
    return environment.get_template("trial.html.j2").render(
        content=content, figures=figures, policy=POLICY
    )


# Prophylaxis page: the answer as one HTML file that needs nothing else, its first paragraph to be
# read aloud.


def render_prophylaxis(content: Mapping[str, Any]) -> str:
    """The page. The same content gives the same bytes; no script, nothing loaded.

    ``content``: of :func:`crsrisk.report.policy.prophylaxis_content` or
    :func:`crsrisk.report.policy.table_content`, also after a way through JSON.
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
    environment.filters["axis"] = lambda name: Markup("")
    figures = {
        key: [Markup(svg) for svg in panels]
        for key, panels in drawn_figures(content["sections"]).items()
    }
    return environment.get_template("prophylaxis.html.j2").render(
        content=content, figures=figures, policy=POLICY, making=making_section(content["setting"])
    )


def prophylaxis_figures(content: Mapping[str, Any]) -> dict[str, str]:
    """File name -> a figure that stands alone."""
    note = f"{content['event']}, {content['window']}. {content['notice']}"
    return {
        f"{key.removeprefix('figure-')}-{at}.svg": stand_alone(svg, note=note)
        for key, panels in drawn_figures(content["sections"]).items()
        for at, svg in enumerate(panels, start=1)
    }


# Explain page: the dictionary about one patient as one HTML file that needs nothing else and prints
# on one page.


MOST_ROWS = 14  # warnings, reasons and levers that fit in the usual type
COURSE_ROWS = 4  # that the readings after the first dose take


def render_explanation(content: Mapping[str, Any]) -> str:
    """The page about one patient. ``content``: of
    :func:`crsrisk.report.explanation.explain_content`, also after a way through JSON. The same
    content gives the same bytes.
    """
    environment = Environment(
        loader=PackageLoader("crsrisk.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("explain.html.j2").render(
        content=content, figures=_figures(content), policy=POLICY, is_dense=_is_dense(content)
    )


def _is_dense(content: Mapping[str, Any]) -> bool:
    """Whether there is so much to say that the print needs smaller type to stay on one page."""
    reasons = content["reasons"]
    rows = (
        len(content["warnings"])
        + len(reasons["up"])
        + len(reasons["down"])
        + len(content["changes"]["rows"])
    )
    return rows + (COURSE_ROWS if content["landmark_h"] else 0) > MOST_ROWS


def _figures(content: Mapping[str, Any]) -> dict[str, Markup]:
    made = {
        "patient": _people(
            content["risks"], key="icons-patient", title="100 patients like this one"
        )
    }
    if content["reference"] is not None:
        made["reference"] = _people(
            content["reference"]["risks"],
            key="icons-reference",
            title="100 patients like the reference patient",
        )
    reasons = content["reasons"]
    made["themes"] = theme_chart(
        content["themes"],
        key="themes",
        start=reasons["base_of_100"],
        end=content["risks"]["grade2plus"]["of_100"],
    )
    return {name: Markup(svg) for name, svg in made.items()}


def _people(risks: Mapping[str, Any], *, key: str, title: str) -> str:
    """One hundred people, those with the event together; grade 3 or more among those with grade 2
    or more.
    """
    severe = risks.get("grade3plus")
    sentence = " ".join(one["sentence"] for one in risks.values())
    return icon_array(
        n_grade2plus=risks["grade2plus"]["of_100"],
        key=key,
        sentence=sentence,
        title=title,
        n_grade3plus=None if severe is None else severe["of_100"],
    )
