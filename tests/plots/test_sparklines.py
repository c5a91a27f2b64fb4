"""Small drawings in cells, and one hundred people: counted, in proportion, colours of the page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.plots.chart_data import (
    BarCell,
    DrawnCell,
    ForestCell,
    HoursCell,
    IconArray,
    RatesCell,
    Verdict,
    bar_end,
)
from crsrisk.plots.sparklines import draw_axis, draw_cell, icon_array, x_of

CELLS: list[DrawnCell] = [
    ForestCell("rate", 0.5, 0.4, 0.6, 0.55, 0.01, "agrees", True),
    RatesCell(0.4, 0.1),
    HoursCell([10.0, 20.0, None]),
    BarCell(9.0, 5.0),
    BarCell(0.0, 0.0),
]


def boxes(svg: str) -> list[tuple[float, str]]:
    """Width and colour of every box."""
    return [
        (float(one.attrib["width"]), re.findall(r"--([a-z-]+)", one.attrib["style"])[0])
        for one in ElementTree.fromstring(svg).iter("rect")
    ]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
def test_a_cell_is_hidden_from_readers_and_takes_the_colours_of_the_page(cell: DrawnCell) -> None:
    svg = draw_cell(cell)
    root = ElementTree.fromstring(svg)
    assert (root.get("aria-hidden"), root.get("class")) == ("true", "sparkline")
    assert "#" not in svg
    assert draw_cell(cell) == svg


@pytest.mark.parametrize(
    ("verdict", "tag"), [("agrees", "circle"), ("differs", "path"), ("not judged", "rect")]
)
def test_verdicts_differ_in_shape(verdict: Verdict, tag: str) -> None:
    svg = draw_cell(ForestCell("rate", 0.5, 0.4, 0.6, 0.55, 0.01, verdict, True))
    tags = [one.tag for one in ElementTree.fromstring(svg)]
    assert [name for name in tags if name != "line"] == [tag]


def test_an_unverified_figure_is_broken_and_a_missing_one_has_no_mark() -> None:
    svg = draw_cell(ForestCell("time", 24.0, 12.0, 48.0, None, None, "not judged", False))
    assert "<circle" not in svg
    assert "<rect" not in svg
    (bar,) = [one for one in ElementTree.fromstring(svg) if "dasharray" in one.attrib["style"]]
    assert float(bar.attrib["x1"]) == pytest.approx(x_of(12.0, "time"), abs=0.01)
    assert float(bar.attrib["x2"]) == pytest.approx(x_of(48.0, "time"), abs=0.01)


@given(low=st.floats(1, 1400), more=st.floats(0.1, 2000))
def test_a_scale_keeps_order_and_stays_inside(low: float, more: float) -> None:
    assert x_of(0.1, "time") == 12 <= x_of(low, "time") <= x_of(low + more, "time") <= 198


def test_hours_stand_by_logarithm() -> None:
    step = x_of(10, "time") - x_of(1, "time")
    assert x_of(100, "time") - x_of(10, "time") == pytest.approx(step)
    assert ">7 d<" in draw_axis("time")


def test_bars_are_proportional_and_a_cut_one_is_marked() -> None:
    (half, colour), (whole, _) = (boxes(draw_cell(BarCell(value, 4.0)))[0] for value in (2.0, 4.0))
    assert 2 * half == pytest.approx(whole)
    assert colour == "blue"
    assert "<line" not in draw_cell(BarCell(4.0, 4.0))
    assert draw_cell(BarCell(9.0, bar_end([9.0, 2.0]))).count("<line") == 2
    assert boxes(draw_cell(BarCell(1.0, 4.0, "raises")))[0][1] == "red"


def test_grade_3_lies_inside_grade_2() -> None:
    _, (outer, _), (inner, _) = boxes(draw_cell(RatesCell(0.4, 0.1)))
    assert inner == pytest.approx(outer / 4)


def test_hours_without_a_value_are_not_drawn() -> None:
    def marks(cell: HoursCell) -> list[str]:
        tags = [one.tag for one in ElementTree.fromstring(draw_cell(cell))]
        return [tag for tag in tags if tag != "line"]

    assert marks(HoursCell([None, None, None])) == []
    assert marks(HoursCell([10.0, 20.0, None])) == ["circle", "path"]


@given(n_grade2plus=st.integers(0, 100), share=st.floats(0, 1))
def test_icons_are_counted_and_stand_together(n_grade2plus: int, share: float) -> None:
    n_grade3plus = int(share * n_grade2plus)
    svg = icon_array(IconArray(n_grade2plus, n_grade3plus, "s"), key="k")
    parts = re.findall(r'<g class="icon-(\w+)"[^>]*>(.*?)</g>', svg)
    people = {name: inside.count("<path") for name, inside in parts}
    wanted = {
        "grade3": n_grade3plus,
        "grade2": n_grade2plus - n_grade3plus,
        "none": 100 - n_grade2plus,
    }
    assert people == {name: n for name, n in wanted.items() if n}
    places = re.findall(r'transform="translate\(([\d.]+) ([\d.]+)\)"', svg)
    assert len(set(places)) == 100
    assert places == sorted(places, key=lambda xy: (float(xy[1]), float(xy[0])))  # row by row


def test_icons_without_grade_3_are_named() -> None:
    svg = icon_array(IconArray(7, None, "Of 100, 7."), key="k")
    assert "icon-grade3" not in svg
    root = ElementTree.fromstring(svg)
    assert [one.text for one in root[:2]] == ["100 patients like this one", "Of 100, 7."]
    assert "width" not in root.attrib
