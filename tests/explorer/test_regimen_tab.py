"""The tab of regimens as a person has it, in Chromium with the network off."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crsrisk.data.regimen_design import RegimenDesign, load_regimen_design
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

SLIDERS = {"first_dose_multiple": 2, "interval_multiple": 4, "liver_metastases_share": 5}


def opened(page: Page) -> None:
    page.click("#tab-regimen")
    page.wait_for_selector("#regimen-answer")
    page.select_option("#designed-product", "tarlatamab")


def downloaded(page: Page, folder: Path) -> RegimenDesign:
    with page.expect_download() as caught:
        page.click("text=Download B as YAML")
    caught.value.save_as(folder / "regimen.yaml")
    return load_regimen_design(folder / "regimen.yaml")


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
    told = page.get_attribute("#B-first_dose_multiple", "aria-valuetext")
    assert told == "1.05 times, 105 µg"
    assert "Grade 2 or more with B" in page.inner_text("#regimen-answer")


def test_the_file_is_the_design(page: Page, tmp_path: Path) -> None:
    opened(page)
    page.select_option("#B-step_up", label="none: full dose first")
    page.focus("#B-first_dose_multiple")
    page.keyboard.press("Home")
    design = downloaded(page, tmp_path)
    assert (design.product, design.step_up, design.first_dose_multiple) == (
        "tarlatamab",
        "none",
        0.5,
    )


def test_between_simulated_settings_it_says_so_and_its_file_simulates_it(
    page: Page, tmp_path: Path
) -> None:
    opened(page)
    for name, steps in SLIDERS.items():
        page.focus(f"#B-{name}")
        for _ in range(steps):
            page.keyboard.press("ArrowRight")
    told = page.inner_text("#regimen-answer")
    assert "Regimen B, interpolated" in told
    assert "Regimen A, interpolated" not in told
    (within,) = re.findall(r"Regimen B stands between .* within about (\d) of 100", told)
    assert int(within) <= 3
    assert "Doses on days 1, 9.4 and 17.8; 3 of 3 fall into the window." in page.inner_text(
        "#regimen-panel"
    )
    design = downloaded(page, tmp_path)
    assert design == RegimenDesign(
        product="tarlatamab", first_dose_multiple=1.1, interval_multiple=1.2,
        liver_metastases_share=0.44, patients=80, seed=20261130,
    )  # fmt: skip
    for name, steps in SLIDERS.items():
        page.focus(f"#B-{name}")
        for _ in range(steps):
            page.keyboard.press("ArrowLeft")
    assert "Both are the same" in page.inner_text("#regimen-answer")


def test_between_simulated_settings_a_change_redraws_at_once(page: Page) -> None:
    """In the same turn, before the next picture of the screen."""
    opened(page)
    before, after = page.evaluate(
        """() => {
        const slider = document.querySelector('#B-first_dose_multiple');
        const rate = () => document.querySelectorAll('.axis .patient b')[0].textContent;
        const before = rate();
        for (const one of [0.75, 1.75]) {
          slider.value = String(one);
          slider.dispatchEvent(new Event('input', {bubbles: true}));
        }
        return [before, document.querySelectorAll('.axis .patient b')[1].textContent];
        }"""
    )
    low, high = (int(text.split(" of 100")[0]) for text in (before, after))
    assert low < high


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
    page.focus("#B-first_dose_multiple")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("text=Regimen B stands between")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
