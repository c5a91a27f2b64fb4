"""Lines and dots: what is drawn, what is left out, that it is well-formed and speaks to those who
cannot see.
"""

from __future__ import annotations

from xml.etree import ElementTree

from crsrisk.report.drawing import dots, lines

SVG = "{http://www.w3.org/2000/svg}"


def test_dots() -> None:
    rows = [
        {
            "label": "Place A",
            "estimate": {"value": 0.7, "low": 0.6, "high": 0.8},
            "is_strong": False,
            "range": None,
        },
        {
            "label": "Place B",
            "estimate": {"not_estimable": "few"},
            "is_strong": False,
            "range": None,
        },
        {
            "label": "Pooled",
            "estimate": {"value": 0.7, "low": 0.65, "high": 0.75},
            "is_strong": True,
            "range": {"low": 0.5, "high": 0.9},
        },
    ]
    svg = dots(
        {
            "name": "AUROC",
            "low": 0.4,
            "high": 1.0,
            "reference": 0.5,
            "digits": 2,
            "factor": 1.0,
            "rows": rows,
            "told": "Pooled 0.70",
        },
        key="k",
        title="T",
    )
    tree = ElementTree.fromstring(svg)
    texts = [element.text for element in tree.iter(f"{SVG}text")]
    assert "0.70 (0.60 to 0.80)" in texts
    assert "not estimable" in texts
    assert len([one for one in tree.iter(f"{SVG}circle")]) == 1, (
        "an estimate that is not there has no dot"
    )
    assert tree.find(f"{SVG}desc").text == "Pooled 0.70"
    assert "published-whisker" in svg


def test_lines_with_gaps_and_distinct_ticks() -> None:
    data = {
        "x": {"name": "x", "low": 0, "high": 1, "factor": 100},
        "y": {"name": "y", "low": 0.03, "high": 0.065, "factor": 1},
        "band": {"x": [0, 1], "low": [0.03, 0.04], "high": [0.05, 0.06]},
        "told": "Two lines.",
        "series": [
            {"style": "refit", "x": [0, 0.5, 1], "y": [0.04, None, 0.05]},
            {"style": "refit", "x": [0, 1], "y": [None, None]},
            {"style": "model", "x": [0, 1], "y": [0.04, 0.06], "label": "the model"},
        ],
    }
    svg = lines(data, key="k", title="T")
    tree = ElementTree.fromstring(svg)
    assert len([one for one in tree.iter(f"{SVG}path") if one.get("class") == "refit-line"]) == 1
    ticks = [one.text for one in tree.iter(f"{SVG}text") if one.get("class") == "tick"]
    assert len(ticks) == len(set(ticks))
    assert "the model" in [one.text for one in tree.iter(f"{SVG}text")]
