"""Figures of the report: every one is named, no two share an id, and files stand alone."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from crsrisk.report.content import ReportContent
from crsrisk.report.pages import report_figures, report_files

SVG = "{http://www.w3.org/2000/svg}"
NOTICE = "Research use; synthetic data; no external validation."


@pytest.fixture(scope="module")
def figures(content: ReportContent) -> dict[str, str]:
    return report_figures(content)


def test_figures_are_the_same_twice(content: ReportContent, figures: dict[str, str]) -> None:
    assert report_figures(content) == figures
    assert report_files(content, figures) == report_files(content)


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
        _, _, width, height = (float(part) for part in root.attrib["viewBox"].split())
        for text in root.iter(f"{SVG}text"):
            x, y = (float(text.attrib.get(axis, "0")) for axis in ("x", "y"))
            assert -0.01 <= x <= width + 0.01, (name, text.text)
            assert 0 <= y <= height + 0.01, (name, text.text)


def test_what_cannot_be_estimated_is_said_in_the_figure(figures: dict[str, str]) -> None:
    assert "needs 30 of each" in figures["calibration-evil"]
    assert "at least 100" in figures["net-benefit-evil"]


def test_files_stand_alone_with_window_and_notice(content: ReportContent) -> None:
    files = report_files(content)
    assert {
        "benchmark.svg",
        "calibration-pooled.svg",
        "forest-rates.svg",
        "forest-times.svg",
        "importance.svg",
        "reasons-patient-1.svg",
        "icons-patient-1.svg",
        "risk-distribution.svg",
    } <= set(files)
    for name, svg in files.items():
        notes = [
            text.text or ""
            for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
            if text.get("class") == "note"
        ]
        assert NOTICE in " ".join(notes), name
        assert "after the first dose" in " ".join(notes), name
        assert "var(" not in svg
        assert "url(" not in svg.replace("url(#", "")
        assert "<script" not in svg
