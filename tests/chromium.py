"""Chromium for tests of pages: where it is, what it shows them on, and what skips without it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

AXE = Path(__file__).parents[1] / "explorer" / "node_modules" / "axe-core" / "axe.min.js"
# before details are opened, and in print
MOST_WORDS, SMALLEST_PT = 450, 9.0
_WORDS = """() => {
  const words = (text) => text.split(/\\s+/).filter(Boolean).length;
  const shut = [...document.querySelectorAll('select')].filter((one) => one.checkVisibility())
    .flatMap((one) => [...one.options].filter((option) => !option.selected));
  return words(document.body.innerText) - words(document.querySelector('.skip').innerText)
    - shut.map((option) => words(option.text)).reduce((sum, n) => sum + n, 0);
}"""
_LETTERS = """() => [...document.querySelectorAll('body *')]
  .filter(one => one.checkVisibility() && [...one.childNodes].some(
    node => node.nodeType === 3 && node.textContent.trim()))
  .map(one => parseFloat(getComputedStyle(one).fontSize) * 0.75)"""

needs_axe = pytest.mark.skipif(
    not AXE.is_file(), reason="no axe-core: `npm ci` in explorer/ installs it"
)
needs_chromium = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the path")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module, which take it by its name."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright, which drives a browser"
    )
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


def axe(page: Page) -> list[dict[str, Any]]:
    """Violations of accessibility, by rule with the elements."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(found => found.violations)")
    return [{"rule": one["id"], "at": [node["html"] for node in one["nodes"]]} for one in found]


def words_in_sight(page: Page) -> int:
    """Words of the whole page before anything is opened; of a choice the one that is chosen."""
    return int(page.evaluate(_WORDS))


def letters_in_print_pt(page: Page) -> list[float]:
    """Sizes of all letters in sight, in points; of a page shown as it prints."""
    sizes: list[float] = page.evaluate(_LETTERS)
    return sizes


def sheets(page: Page) -> int:
    """Sheets of paper that the page prints on."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
