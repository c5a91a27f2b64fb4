"""Charts for a page: well-formed, named, text as text, the page's colours, the same bytes twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.plots.chart_data import (
    Axis,
    Band,
    Boundaries,
    BoundaryLook,
    Dot,
    Dots,
    ForestCell,
    ForestRow,
    ImportanceBar,
    LearningPoint,
    Line,
    Lines,
    OnsetCurve,
    PowerCurve,
    PowerPanel,
    ReasonBar,
    ReasonTheme,
)
from crsrisk.plots.charts import (
    plot_dots,
    plot_forest,
    plot_importance,
    plot_lines,
    plot_onset,
    plot_reason_themes,
    plot_reasons,
)
from crsrisk.plots.evaluation_charts import (
    plot_benchmark,
    plot_calibration,
    plot_decision_curve,
    plot_learning_curves,
    plot_risk_distribution,
)
from crsrisk.plots.style import PALETTE, STYLE
from crsrisk.plots.svg import stand_alone, to_svg
from crsrisk.plots.trial_charts import plot_boundaries, plot_power
from crsrisk.results import Estimate, NotEstimable
from tests.plots.marks import make_marks

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
EVIL = "<script>alert('x')</script> & \"Co\" $x_1$"
RISK = Axis(f"Risk {EVIL}, of 100", 0, 1, 100)
CELL = ForestCell("rate", 0.5, 0.4, 0.6, 0.55, 0.01, "agrees", False)
HOURS = ForestCell("time", 24.0, 12.0, 48.0, None, None, "not judged", True)

DRAW: dict[str, Callable[[Evaluation], object]] = {
    "lines": lambda _: plot_lines(
        Lines(
            RISK,
            RISK,
            [Line("model", [0, 1], [0.1, 2.0], EVIL), Line("refit", [0, 0.5, 1], [0, None, 1])],
            "Two.",
            Band([0, 1], [0.1, 0.2], [0.3, 0.4]),
        ),
        title=EVIL,
    ),
    "dots": lambda _: plot_dots(
        Dots(
            RISK,
            [
                Dot(EVIL, Estimate(0.5, 0.4, 0.6)),
                Dot("Few", NotEstimable("few")),
                Dot("Pooled", Estimate(0.5), is_strong=True, prediction=(0.1, 0.9)),
            ],
            "Three.",
            reference=0.5,
        )
    ),
    "forest": lambda _: plot_forest([ForestRow(EVIL, CELL, "50 (40 to 60)")], title="Rates"),
    "forest of hours": lambda _: plot_forest([ForestRow(EVIL, HOURS, "24 h")]),
    "onset": lambda _: plot_onset(OnsetCurve(EVIL, 21.0, [0, 1, 21], [0, 40, 55], [0, 10, 54])),
    "reasons": lambda _: plot_reasons([ReasonBar(EVIL, 6), ReasonBar("B", -3)], title="Why"),
    "themes": lambda _: plot_reason_themes(
        [ReasonTheme("host", 3, [ReasonBar(EVIL, 6), ReasonBar("B", -3)])], start=10, end=13
    ),
    "importance": lambda _: plot_importance(
        [ImportanceBar(EVIL, 9, "up"), ImportanceBar("B", 2, "")]
    ),
    "calibration": lambda evaluation: plot_calibration(evaluation.pooled, title=EVIL),
    "small calibration": lambda evaluation: plot_calibration(
        evaluation.by_group["many"], title=EVIL, small=True
    ),
    "no calibration": lambda evaluation: plot_calibration(
        evaluation.by_group["none"], title="none"
    ),
    "decision curve": lambda evaluation: plot_decision_curve(evaluation.pooled),
    "risks": lambda evaluation: plot_risk_distribution(
        {EVIL: evaluation.pooled, **evaluation.by_group}
    ),
    "benchmark": lambda _: plot_benchmark(make_marks()),
    "learning": lambda _: plot_learning_curves(
        [LearningPoint(EVIL, n, Estimate(n / 3000, 0.1, 0.9)) for n in (500, 2000)]
    ),
    "boundaries": lambda _: plot_boundaries(
        Boundaries(EVIL, False, [BoundaryLook(n, 9.25, 0.0, 0.1, 0.2, 0.3, 0.4) for n in (10, 20)])
    ),
    "power": lambda _: plot_power(
        PowerPanel(0.25, 0.8, [PowerCurve(EVIL, [0.4, 0.6], [0.9, 0.5])])
    ),
}


@pytest.fixture(params=sorted(DRAW))
def svg(request: pytest.FixtureRequest, evaluation: Evaluation) -> str:
    draw = DRAW[request.param]
    made = to_svg(lambda: draw(evaluation), key="k", title=f"T {EVIL}", description=f"D {EVIL}")
    assert made == to_svg(
        lambda: draw(evaluation), key="k", title=f"T {EVIL}", description=f"D {EVIL}"
    ), "the same chart, the same bytes"
    return made


def test_a_chart_is_named_and_its_ids_are_its_own(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert (title.text, desc.text) == (f"T {EVIL}", f"D {EVIL}")
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    ids = [one.attrib["id"] for one in root.iter() if "id" in one.attrib]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("k-") for name in ids)
    referred = [one.attrib[LINK].removeprefix("#") for one in root.iter() if LINK in one.attrib]
    referred += re.findall(r"url\(#([^)]*)\)", svg)
    assert set(referred) <= set(ids)


def test_it_has_no_size_no_colour_and_no_font_of_its_own(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert "width" not in root.attrib
    assert "height" not in root.attrib
    inside = svg[svg.index("</desc>") :]
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", re.sub(r"(url\(#|href=\"#)[^)\"]*", "", inside))
    assert "var(--" in inside
    assert "font-family" not in svg
    assert "<style" not in svg
    for one in re.findall(r"var\(--([a-z-]+)\)", svg):
        assert one in PALETTE


def test_nothing_is_loaded_and_words_are_words(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert not re.search(r"url\((?!#)", svg)
    assert "<script" not in svg
    assert "<image" not in svg
    for one in root.iter():
        assert one.get(LINK, "#").startswith("#")
    words = [one.text or "" for one in root.iter(f"{SVG}text")]
    assert words
    assert all(text.strip() for text in words)


def test_words_of_others_are_escaped_and_no_formula(evaluation: Evaluation) -> None:
    svg = to_svg(lambda: DRAW["dots"](evaluation), key="k", title="", description="")
    assert EVIL in [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_file_stands_alone(svg: str) -> None:
    note = "First CRS of grade 2 or more, within 21 days after the first dose. Research use."
    whole = stand_alone(svg, note=note)
    root = ElementTree.fromstring(whole)
    assert float(root.attrib["width"]) > 0
    assert "var(" not in whole
    told = " ".join(one.text or "" for one in root.iter(f"{SVG}text") if one.get("class") == "note")
    assert told == note
    assert "sans-serif" in root.attrib["font-family"]


def test_a_foreign_colour_is_refused() -> None:
    data = Lines(RISK, RISK, [Line("model", [0, 1], [0, 1])], "One.")

    def draw() -> None:
        plot_lines(data).plot([0, 1], [0, 1], color="#123456")

    with pytest.raises(ValueError, match="#123456"):
        to_svg(draw, key="k", title="", description="")


def test_nothing_of_matplotlib_is_changed(evaluation: Evaluation) -> None:
    before, open_figures = dict(mpl.rcParams), plt.get_fignums()
    to_svg(lambda: DRAW["calibration"](evaluation), key="k", title="", description="")
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == open_figures, "a chart for a page is unknown to pyplot"
    DRAW["calibration"](evaluation)
    assert dict(mpl.rcParams) == before
    assert len(plt.get_fignums()) == len(open_figures) + 1, "one for a notebook is shown by it"


def test_the_palette_is_that_of_the_pages() -> None:
    css = files("crsrisk.report").joinpath("templates/palette.css").read_text(encoding="utf-8")
    light = css.split("@media", maxsplit=1)[0]
    assert dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", light)) == PALETTE
    assert len(set(PALETTE.values())) == len(PALETTE), "two variables of one colour"
    assert set(STYLE) <= set(mpl.rcParams)
