"""Figures: what is drawn is what is meant, the same numbers give the same bytes, and each says what
it shows.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from crsrisk.report.drawing import (
    Panel,
    Scale,
    axis_scale,
    bar_end,
    bar_strip,
    forest_strip,
    hours_strip,
    rates_strip,
    round_ticks,
    words,
)
from crsrisk.report.figures import calibration, icon_array, ladder, learning_curves, net_benefit
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.report.pages import figure_files, gallery

Content = dict[str, Any]
SVG = "{http://www.w3.org/2000/svg}"
NOTICE = "Research use; synthetic data; no external validation."


@pytest.fixture(scope="module")
def figures(content: Content) -> dict[str, str]:
    return gallery(content)


def elements(svg: str, *, style: str) -> list[ElementTree.Element]:
    """The elements of a class."""
    return [one for one in ElementTree.fromstring(svg).iter() if one.get("class") == style]


def widths(svg: str, *, style: str) -> list[float]:
    return [
        float(one.get("width", "nan")) for one in _parsed(svg).iter() if one.get("class") == style
    ]


def _parsed(strip: str) -> ElementTree.Element:
    return ElementTree.fromstring(strip)


# --- strokes


@given(low=st.floats(-100, 100), span=st.floats(0.01, 1000), at=st.floats(0, 1))
def test_a_scale_keeps_order_and_ends(low: float, span: float, at: float) -> None:
    scale = Scale(low, low + span, 10, 210)
    assert scale.at(low) == pytest.approx(10)
    assert scale.at(low + span) == pytest.approx(210)
    assert scale.at(low + at * span) == pytest.approx(10 + 200 * at, abs=1e-6)


def test_a_log_scale_gives_equal_steps_to_equal_factors() -> None:
    scale = Scale(1, 100, 0, 200, is_log=True)
    assert [scale.at(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])


@given(low=st.floats(-50, 50), span=st.floats(0.001, 1000), n=st.integers(2, 8))
def test_ticks_are_round_evenly_spaced_and_inside(low: float, span: float, n: int) -> None:
    ticks = round_ticks(low, low + span, n=n)
    assert all(low - 1e-6 * span <= tick <= low + span + 1e-6 * span for tick in ticks)
    assert 1 <= len(ticks) <= n + 1
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        digits = f"{step:.6e}"[:8].rstrip("0").rstrip(".")
        assert digits in ("1", "2", "5")


def test_words_are_escaped() -> None:
    assert words(0, 0, '<b> & "c"') == '<text x="0" y="0">&lt;b&gt; &amp; &quot;c&quot;</text>'


def test_a_curve_is_cut_where_the_plot_ends() -> None:
    panel = Panel(Scale(0, 1, 0, 100), Scale(0, 1, 100, 0))
    assert (
        panel.curve([0, 0.5, 1], [0, 0.5, 1.5], style="x") == '<path d="M0 100L50 50" class="x"/>'
    )
    assert panel.curve([0, 1], [2, 3], style="x") == ""


# --- one hundred people


@given(n_grade2plus=st.integers(0, 100), share=st.floats(0, 1))
def test_icons_are_counted_and_stand_together(n_grade2plus: int, share: float) -> None:
    n_grade3plus = int(share * n_grade2plus)
    svg = icon_array(n_grade2plus=n_grade2plus, n_grade3plus=n_grade3plus, key="k", sentence="s")
    styles = re.findall(r'class="icon-(\w+)"', svg)
    assert styles == (
        ["grade3"] * n_grade3plus
        + ["grade2"] * (n_grade2plus - n_grade3plus)
        + ["none"] * (100 - n_grade2plus)
    )
    places = re.findall(r'transform="translate\(([\d.]+) ([\d.]+)\)"', svg)
    assert len(set(places)) == 100
    assert places == sorted(places, key=lambda xy: (float(xy[1]), float(xy[0])))  # row by row


def test_icons_without_grade_3() -> None:
    svg = icon_array(n_grade2plus=7, n_grade3plus=None, key="k", sentence="s")
    assert svg.count('class="icon-grade2"') == 7
    assert "icon-grade3" not in svg


# --- the gallery


def test_figures_are_the_same_twice(content: Content, figures: dict[str, str]) -> None:
    assert gallery(content) == figures
    assert figure_files(content) == figure_files(content)


def test_every_figure_is_named_and_described(figures: dict[str, str]) -> None:
    ids: list[str] = []
    for name, svg in figures.items():
        root = ElementTree.fromstring(svg)
        title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
        assert root.get("role") == "img"
        assert title is not None
        assert desc is not None
        assert title.text, name
        assert desc.text, name
        assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        ids += [str(one.get("id")) for one in root.iter() if one.get("id")]
    assert len(set(ids)) == len(ids)


def test_no_figure_leaves_its_frame(figures: dict[str, str]) -> None:
    for name, svg in figures.items():
        root = ElementTree.fromstring(svg)
        width, height = float(root.get("width", "0")), float(root.get("height", "0"))
        for one in root.iter():
            for key, end in (
                ("x1", width),
                ("x2", width),
                ("x", width),
                ("y1", height),
                ("y2", height),
                ("y", height),
            ):
                if one.get(key) is not None:
                    assert -0.01 <= float(str(one.get(key))) <= end + 0.01, (
                        name,
                        one.tag,
                        one.attrib,
                    )


def test_files_stand_alone_with_window_and_notice(content: Content) -> None:
    files = figure_files(content)
    assert {
        "ladder.svg",
        "calibration-pooled.svg",
        "forest-rates.svg",
        "forest-times.svg",
        "importance.svg",
        "reasons-patient-1.svg",
        "icons-patient-1.svg",
        "risk-distribution.svg",
    } <= set(files)
    for name, svg in files.items():
        ElementTree.fromstring(svg)
        told = " ".join("".join(one.itertext()) for one in elements(svg, style="note"))
        assert NOTICE in told, name
        assert "after the first dose" in told, name
        assert "var(" not in svg
        assert "url(" not in svg
        assert "<script" not in svg


# --- evaluation


def test_calibration_draws_curve_band_and_both_histograms(content: Content) -> None:
    svg = calibration(content["evaluation"]["pooled"], key="k", name="all")
    assert len(elements(svg, style="model-line")) == len(elements(svg, style="model-band")) == 1
    assert len(elements(svg, style="ideal")) == 1
    up, down = elements(svg, style="event-bar"), elements(svg, style="other-bar")
    assert up
    assert down
    middle = max(float(str(bar.get("y"))) + float(str(bar.get("height"))) for bar in up)
    assert all(float(str(bar.get("y"))) == pytest.approx(middle, abs=0.02) for bar in down)


def test_what_cannot_be_estimated_is_said_in_the_figure(content: Content) -> None:
    evil = content["evaluation"]["by_product"]["evil"]
    for draw, reason in ((calibration, "needs 30 of each"), (net_benefit, "at least 100")):
        svg = draw(evil, key="k", name="evil", is_small=True)
        assert "Not estimable:" in svg
        assert reason in svg
        assert "model-line" not in svg


def test_net_benefit_draws_model_everybody_and_nobody(content: Content) -> None:
    svg = net_benefit(content["evaluation"]["pooled"], key="k", name="all")
    for text in ("Model, 95% band", "Treat everybody", "Treat nobody"):
        assert text in svg
    assert "clearly better than treating everybody" in svg


def make_rung(name: str, kind: str, gain: float, auroc: Any) -> dict[str, Any]:
    around = {"value": gain, "low": gain - 0.002, "high": gain + 0.002}
    within = (
        auroc
        if isinstance(auroc, dict)
        else {"value": auroc, "low": auroc - 0.02, "high": auroc + 0.02}
    )
    upper = 0.75 if kind == "oracle" else None
    return {
        "label": name,
        "kind": kind,
        "gain_over_product_only": around,
        "auroc": within,
        "auroc_upper": upper,
        "auroc_within_product": within,
        "auroc_within_product_upper": upper,
    }


def test_the_ladder_marks_each_kind_by_shape_and_cuts_a_far_null() -> None:
    rungs = [
        make_rung("oracle", "oracle", 0.05, 0.71),
        make_rung("model", "model", 0.03, 0.66),
        make_rung("EASIX", "comparator", 0.01, 0.6),
        make_rung("null", "null", -0.2, {"not_estimable": "none"}),
    ]
    svg = ladder(rungs, key="k", is_pooled=True)
    assert len(elements(svg, style="null-arrow")) == 1  # off the scale of gains
    assert len(elements(svg, style="model-mark")) == 3
    assert len(elements(svg, style="oracle-range")) == 2  # both AUROCs, between their bounds
    assert "−0.200" in svg
    assert svg.count("not estimable") == 2
    model, oracle = elements(svg, style="model-mark")[0], elements(svg, style="oracle-mark")[0]
    assert model.tag.endswith("circle")
    assert oracle.tag.endswith("path")
    assert len(elements(ladder(rungs, key="k", is_pooled=False), style="model-mark")) == 2


# --- strips


@pytest.mark.parametrize(
    ("verdict", "tag", "style"),
    [
        ("agrees", "circle", "agrees"),
        ("differs", "path", "differs"),
        ("not judged", "rect", "not-judged"),
    ],
)
def test_verdicts_differ_in_shape_and_colour(verdict: str, tag: str, style: str) -> None:
    row = {
        "axis": "rate",
        "published": 0.5,
        "low": 0.4,
        "high": 0.6,
        "simulated": 0.55,
        "mc_error": 0.01,
        "verdict": verdict,
        "is_verified": True,
    }
    marks = [
        one
        for one in _parsed(forest_strip(row)).iter()
        if one.get("class") == style and not one.tag.endswith("line")
    ]
    assert [one.tag.removeprefix(SVG) for one in marks] == [tag]


def test_an_unverified_figure_is_broken_and_a_missing_one_has_no_mark() -> None:
    row = {
        "axis": "time",
        "published": 24.0,
        "low": 12.0,
        "high": 48.0,
        "simulated": None,
        "mc_error": None,
        "verdict": "not judged",
        "is_verified": False,
    }
    svg = forest_strip(row)
    assert "published-unsure" in svg
    assert "not-judged" not in svg
    scale = axis_scale("time")
    (bar,) = [one for one in _parsed(svg).iter() if one.get("class") == "published-unsure"]
    assert float(str(bar.get("x1"))) == pytest.approx(scale.at(12.0), abs=0.01)
    assert float(str(bar.get("x2"))) == pytest.approx(scale.at(48.0), abs=0.01)


def test_bars_are_proportional_and_a_cut_one_is_marked() -> None:
    half, whole = (widths(bar_strip(value, highest=4.0), style="size")[0] for value in (2.0, 4.0))
    assert 2 * half == pytest.approx(whole)
    assert "break" not in bar_strip(4.0, highest=4.0)
    assert bar_strip(9.0, highest=bar_end([9.0, 2.0])).count('class="break"') == 2


def test_grade_3_lies_inside_grade_2() -> None:
    svg = rates_strip(0.4, 0.1)
    (outer,), (inner,) = widths(svg, style="grade2-bar"), widths(svg, style="grade3-bar")
    assert inner == pytest.approx(outer / 4)


def test_hours_without_a_value_are_not_drawn() -> None:
    assert hours_strip([None, None, None]).count("mark") == 0
    assert hours_strip([10.0, 20.0, None]).count("-mark") == 2


def test_a_coarse_step_without_a_multiple_inside_gives_way_to_a_finer_one() -> None:
    assert round_ticks(1.0, 402.0, n=2) == [200.0, 400.0]


# The learning curves as a picture: one line a learner, names that do not overlap, words for those
# who cannot see.


def rows(names: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "learner": name,
            "n_training": n,
            "share": 0.5 + 0.01 * at + n / 1e5,
            "low": 0.4,
            "high": 0.6,
        }
        for at, name in enumerate(names)
        for n in (500, 2000, 20000)
    ]


def test_every_learner_has_a_line_and_a_name() -> None:
    names = ["model", "logistic", "splines", "boosting"]
    figure = learning_curves(rows(names), key="k")
    assert figure.count('class="model-line"') == 1
    assert all(f">{name}<" in figure for name in names)
    assert "0.52 at 2000" in figure


def test_names_do_not_overlap() -> None:
    names = [f"learner {at}" for at in range(8)]
    figure = learning_curves(rows(names), key="k")
    heights = sorted(
        float(y) for y in re.findall(r'y="([\d.]+)"[^>]*class="row[^"]*">learner', figure)
    )
    assert len(heights) == 8
    assert min(b - a for a, b in pairwise(heights)) >= 14
