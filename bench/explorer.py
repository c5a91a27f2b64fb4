"""How soon the explorer's page is there, and how soon it follows a changed value.

(n) The page as `crsrisk explorer` writes it, with the released models and the grid of regimens,
opened from a file in Chromium. First paint: what the browser reports from the start of the
navigation. Redraw: from the input event until the changed result, plans side by side included, is
laid out; and the same of a slider of a regimen.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crsrisk.studies.explorer import write_explorer

OPENED, CHANGES = 7, 200
BAR_PAINT_MS, BAR_REDRAW_MS, BAR_BYTES = 1000.0, 50.0, 16_000_000
_PATIENT = {"product": "tarlatamab", "age_years": "66", "weight_kg": "74", "crp_mg_l": "42"}
_PAINT = """() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"""
_REDRAW = """(n) => {
  const input = document.querySelector('#crp_mg_l');
  return Array.from({ length: n }, (_, at) => {
    input.value = String(5 + at);
    const begin = performance.now();
    input.dispatchEvent(new Event('input', { bubbles: true }));
    document.body.getBoundingClientRect();
    return performance.now() - begin;
  });
}"""
_SLIDER = """(n) => {
  const slider = document.querySelector('#B-first_dose_multiple');
  return Array.from({ length: n }, (_, at) => {
    slider.value = String(0.55 + 0.05 * (at % 9));  // between simulated settings
    const begin = performance.now();
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    document.body.getBoundingClientRect();
    return performance.now() - begin;
  });
}"""


@dataclass(frozen=True)
class PageSpeed:
    """Milliseconds to the first paint (median, slowest) and of a redraw (median, 99 of 100), of a
    patient and of a regimen between simulated settings.
    """

    n_bytes: int
    paint_ms: float
    slowest_paint_ms: float
    redraw_ms: float
    redraw_p99_ms: float
    regimen_ms: float
    regimen_p99_ms: float


def measure() -> dict[str, Any]:
    """Write the page, open it some times, and change a value many times; nothing of it where there
    is no Chromium.
    """
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if browser is None:
        return {"not_measured": "no Chromium on the path"}
    with TemporaryDirectory() as folder:
        place = Path(folder) / "explorer.html"
        write_explorer(place)
        return asdict(_measured(place, browser=browser))


def _measured(place: Path, *, browser: str) -> PageSpeed:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        paints = []
        for _ in range(OPENED):
            page = launched.new_page(viewport={"width": 1280, "height": 900})
            page.goto(place.as_uri())
            page.wait_for_function(f"({_PAINT})() !== undefined")
            paints.append(float(page.evaluate(_PAINT)))
            page.close()
        page = launched.new_page(viewport={"width": 1280, "height": 900})
        page.goto(place.as_uri())
        for name, text in _PATIENT.items():
            page.fill(f"#{name}", text)
        page.wait_for_selector(".comparison")
        page.evaluate(_REDRAW, 20)  # warm
        redraws = page.evaluate(_REDRAW, CHANGES)
        page.click("#tab-regimen")
        page.wait_for_selector("#regimen-answer")
        page.evaluate(_SLIDER, 20)
        regimens = page.evaluate(_SLIDER, CHANGES)
        launched.close()
    return PageSpeed(
        n_bytes=place.stat().st_size,
        paint_ms=float(np.median(paints)),
        slowest_paint_ms=max(paints),
        redraw_ms=float(np.median(redraws)),
        redraw_p99_ms=float(np.quantile(redraws, 0.99)),
        regimen_ms=float(np.median(regimens)),
        regimen_p99_ms=float(np.quantile(regimens, 0.99)),
    )


def table(found: dict[str, Any]) -> str:
    """The figures with their bars."""
    if "not_measured" in found:
        return f"\n(n) the explorer's page: not measured, {found['not_measured']}"
    speed = PageSpeed(**found)
    rows = (
        ("size, MB", speed.n_bytes / 1e6, BAR_BYTES / 1e6),
        ("first paint, ms, median", speed.paint_ms, BAR_PAINT_MS),
        ("first paint, ms, slowest", speed.slowest_paint_ms, BAR_PAINT_MS),
        ("redraw, ms, median", speed.redraw_ms, BAR_REDRAW_MS),
        ("redraw, ms, 99 of 100", speed.redraw_p99_ms, BAR_REDRAW_MS),
        ("regimen, ms, median", speed.regimen_ms, BAR_REDRAW_MS),
        ("regimen, ms, 99 of 100", speed.regimen_p99_ms, BAR_REDRAW_MS),
    )
    lines = [
        f"{label:<28}{value:>10.1f}   bar {bar:g}{'' if value <= bar else '  MISSED'}"
        for label, value, bar in rows
    ]
    return "\n".join(["", "(n) the explorer's page in Chromium", *lines])


if __name__ == "__main__":
    print(table(measure()))
