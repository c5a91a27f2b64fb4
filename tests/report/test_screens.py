"""Pages as a person has them, in Chromium: first screen, phone, dark, print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crsrisk.report.content import ReportContent
from crsrisk.report.pages import render_report, render_trial
from tests.chromium import PHONE, WIDE, browser, needs_chromium
from tests.report.test_trial import page as trial  # noqa: F401

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from crsrisk.report.trial import TrialPage

__all__ = ["browser"]
pytestmark = [
    pytest.mark.slow,
    needs_chromium,
]


@pytest.fixture(params=["report", "trial"])
def page(
    request: pytest.FixtureRequest,
    browser: Browser,
    content: ReportContent,
    trial: TrialPage,  # noqa: F811
    tmp_path: Path,
) -> Iterator[Page]:
    html = render_report(content) if request.param == "report" else render_trial(trial)
    place = tmp_path / "page.html"
    place.write_text(html, encoding="utf-8")
    context = browser.new_context(viewport=WIDE, offline=True)
    opened = context.new_page()
    opened.goto(place.as_uri())
    yield opened
    context.close()


def test_answer_and_picture_are_on_the_first_screen(page: Page) -> None:
    for part in (".first .answer", ".first figure"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= WIDE["height"], part


def test_on_a_phone_nothing_is_cut_whatever_is_open(page: Page) -> None:
    page.set_viewport_size(PHONE)
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) <= PHONE["width"]
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate(width) <= PHONE["width"]


def test_a_link_into_a_closed_section_opens_it(page: Page) -> None:
    page.evaluate("location.hash = 'limits'")
    assert page.locator("#limits").is_visible()


def test_print_opens_every_section(page: Page) -> None:
    shown = """[...document.querySelectorAll('section')].filter(one =>
        one.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})
        && one.getBoundingClientRect().height > 10).length"""
    assert page.evaluate(shown) == 1
    page.emulate_media(media="print")
    assert page.evaluate(shown) == page.locator("section").count() > 5


def test_dark_is_dark(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) != light == "rgb(255, 255, 255)"
