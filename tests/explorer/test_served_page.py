"""The page as a server gives it, in Chromium: what it offers beside the file, and that it asks for
nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crsrisk.folders import find
from tests.chromium import PHONE, WIDE, axe, browser, needs_axe, needs_chromium, sheets
from tests.explorer.test_page import count, fill
from tests.serve.served import Server, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]
TOKEN = "a-token-that-is-long-enough-1"
pytestmark = [
    pytest.mark.slow,
    needs_chromium,
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of before the first dose, and of 24 hours after it with its neighbour."""
    place = tmp_path_factory.mktemp("models")
    for name in ("baseline", "grade3plus", "landmark_24h", "landmark_24h_grade3plus"):
        shutil.copytree(find("released", f"{name}-0.1.0"), place / f"{name}-0.1.0")
    return place


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with served("--models", str(models)) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page; whatever it complains of, and whatever it asks of others, fails the test."""
    context = browser.new_context(viewport=WIDE)
    context.set_default_timeout(120_000)
    opened = context.new_page()
    troubles: list[str] = []
    home = f"http://127.0.0.1:{server.port}/"
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on(
        "request",
        lambda request: None if request.url.startswith(home) else troubles.append(request.url),
    )
    opened.goto(home)
    yield opened
    assert troubles == []
    assert context.cookies() == []
    context.close()


def simulate(page: Page) -> str:
    page.click("#simulate")
    page.wait_for_selector("#simulation .comparison")
    return page.inner_text("section.simulation")


def test_the_patient_is_simulated_when_asked(page: Page) -> None:
    assert not page.is_visible("#simulate")
    fill(page)
    simulate(page)
    page.click("summary:text-is('All changes in numbers')")
    text = page.inner_text("section.simulation")
    headline = count(page)
    assert f"As planned: {headline} of 100" in text
    page.click("summary:text-is('All changes in numbers')")  # what is open is printed too
    assert sheets(page) == 1
    for told in ("The comparison starts from the model’s number", "Monte Carlo error", "seed 1"):
        assert told in text
    assert "Effect on the tumour unknown" in text
    assert "Not simulated" not in text
    icons = [page.locator(f".pair figure:nth-child({k}) path").count() for k in (1, 2)]
    assert icons == [100, 100]
    left, right = (page.locator(f".pair figure:nth-child({k}) path.either").count() for k in (1, 2))
    assert left == right
    assert left + page.locator(".pair figure:nth-child(1) path.one").count() == int(headline)
    page.get_by_label("Compare with").select_option(index=2)
    assert "only with the change" in page.inner_text(".comparison .legend")
    page.fill("#age_years", "67")
    assert not page.is_visible("#simulation .comparison")
    assert page.is_visible("#simulate")


def test_a_day_after_the_dose_with_an_unusual_value_that_was_confirmed(page: Page) -> None:
    fill(page)
    page.fill("#crp_mg_l", "600")
    page.check("[name='crp_mg_l:confirmed']")
    page.select_option("#landmark", "24")
    page.select_option("#grade__max__h24", "0")
    page.fill("#temperature_c__max__h24", "37.4")
    page.wait_for_selector(".count, .cannot")
    simulate(page)
    page.click("summary:text-is('All changes in numbers')")
    text = page.inner_text("section.simulation")
    assert "landmark_24h" in text
    assert "step-up" in text  # that lies in the past


@needs_axe
@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "light"), (WIDE, "dark")])
def test_the_comparison_is_accessible(page: Page, size: dict[str, int], scheme: str) -> None:
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    fill(page)
    simulate(page)
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_token_is_asked_for_and_not_kept(browser: Browser, models: Path) -> None:
    with served("--models", str(models), env={"CRSRISK_TOKEN": TOKEN}) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(f"http://127.0.0.1:{server.port}/")
        fill(page)
        page.click("#simulate")
        page.wait_for_selector("#simulation-state:has-text('token is missing or wrong')")
        page.fill("#token", TOKEN)
        simulate(page)
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        page.close()
