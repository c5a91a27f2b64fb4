"""Gallery: every figure of a report, made from its content dictionary, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.report.course_figures import icon_array, onset
from crsrisk.report.figures import calibration, net_benefit, risk_distribution, stand_alone
from crsrisk.report.ladder_figure import ladder
from crsrisk.report.strips import forest, importance, reasons

Content = Mapping[str, Any]


def gallery(content: Content) -> dict[str, str]:
    """Name -> SVG for a page, which lends it fonts and colours. The names are fixed by the content alone."""
    evaluation, labels = content["evaluation"], content["labels"]
    products = content["performance"]["products"]
    made = {
        "calibration-pooled": calibration(evaluation["pooled"], key="calibration-pooled", name="all products"),
        "net-benefit-pooled": net_benefit(evaluation["pooled"], key="net-benefit-pooled", name="all products"),
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
        made[f"calibration-{name}"] = calibration(group, key=f"calibration-{name}", name=labels[name], is_small=True)
        made[f"net-benefit-{name}"] = net_benefit(group, key=f"net-benefit-{name}", name=labels[name], is_small=True)
    steps = content["performance"]["ladder"]
    if steps is not None:
        made["ladder"] = ladder(steps["rungs"], key="ladder", is_pooled=steps["is_pooled"])
    for curve in content["trial"]["onset"]:
        made[f"onset-{curve['product']}"] = onset(curve, key=f"onset-{curve['product']}")
    for patient in content["patients"]:
        name = f"icons-{patient['key']}"
        made[name] = icon_array(**patient["icons"], key=name, sentence=patient["risks"]["grade2plus"]["sentence"])
    return made


def figure_files(content: Content) -> dict[str, str]:
    """File name -> SVG that stands alone: the page's figures, and as figures what the page has as tables.

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
