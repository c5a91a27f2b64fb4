"""The tab of regimens as a person has it, in Chromium with the network off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crsrisk.data.regimen_design import load_regimen_design
from crsrisk.data.regimen_grid import grid_path
from tests.chromium import PHONE, WIDE, axe, browser, needs_axe, needs_chromium
from tests.explorer.test_page import file, page

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["browser", "file", "page"]

pytestmark = [
    pytest.mark.slow,
    needs_chromium,
    pytest.mark.skipif(not grid_path().is_file(), reason="no grid ships"),
]


def opened(page: Page) -> None:
    page.click("#tab-regimen")
    page.wait_for_selector("#regimen-answer")
    page.select_option("#designed-product", "tarlatamab")


def test_two_regimens_side_by_side_beside_published_trials(page: Page) -> None:
    opened(page)
    assert "Both are the same" in page.inner_text("#regimen-answer")
    page.select_option("#B-prophylaxis", label="Tocilizumab")
    told = page.inner_text("#regimen-answer")
    assert "fewer (95%" in told
    assert "Regimen A" in told
    assert "Regimen B" in told
    assert "DeLLphi" in told  # a published trial on the same axis
    assert page.inner_text("h1") == "CRS rates of a regimen"


def test_by_keyboard_alone(page: Page) -> None:
    """Tab with the arrow keys, slider with the arrow keys."""
    page.focus("#tab-patient")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#regimen-answer")
    page.focus("#B-first_dose_multiple")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#B-first_dose_multiple", "aria-valuetext") == "2 times"
    assert "Grade 2 or more with B" in page.inner_text("#regimen-answer")


def test_the_file_is_the_design(page: Page, tmp_path: Path) -> None:
    opened(page)
    page.select_option("#B-step_up", label="none: full dose first")
    page.focus("#B-first_dose_multiple")
    page.keyboard.press("ArrowLeft")
    with page.expect_download() as caught:
        page.click("text=Download B as YAML")
    caught.value.save_as(tmp_path / "regimen.yaml")
    design = load_regimen_design(tmp_path / "regimen.yaml")
    assert (design.product, design.step_up, design.first_dose_multiple) == (
        "tarlatamab",
        "none",
        0.5,
    )


def test_a_higher_threshold_treats_fewer(page: Page) -> None:
    opened(page)
    section = page.locator("section[aria-label='Who gets prophylaxis']")
    before = section.locator(".number").inner_text()
    page.focus("#threshold")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    after = section.locator(".number").inner_text()
    treated = [int(text.split("Of 100 patients ")[1].split(" ")[0]) for text in (before, after)]
    assert treated[1] < treated[0]
    assert "over assumptions" in after
    assert "Effect on the tumour unknown" in section.inner_text()


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@needs_axe
def test_no_violation_and_nothing_cut(page: Page, viewport: Any, scheme: Any) -> None:
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    opened(page)
    page.select_option("#B-prophylaxis", label="Tocilizumab")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
