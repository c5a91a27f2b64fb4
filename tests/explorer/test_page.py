"""The page as a person has it, in Chromium with the network off: keyboard, units, refusals, print,
phone, dark, names for a screen reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crsrisk.studies.explain import explain_patient
from crsrisk.studies.explorer import write_explorer
from tests.chromium import (
    MOST_WORDS,
    PHONE,
    SMALLEST_PT,
    WIDE,
    axe,
    browser,
    letters_in_print_pt,
    needs_axe,
    needs_chromium,
    sheets,
    words_in_sight,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    needs_chromium,
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("explorer") / "explorer.html"
    written = write_explorer(place)
    assert written.n_bytes == place.stat().st_size < 16_000_000
    return place


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    """The page as it opens; whatever it asks of the network or complains of fails the test."""
    context = browser.new_context(viewport=WIDE, offline=True)
    context.set_default_timeout(10_000)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("request", lambda request: troubles.append(request.url))
    opened.goto(file.as_uri())
    troubles.remove(file.as_uri())
    yield opened
    assert troubles == []
    context.close()


def fill(page: Page) -> None:
    """A patient under tarlatamab with what is usual."""
    page.fill("#product", "Imdelltra")
    for name, text in {"age_years": "66", "weight_kg": "74", "crp_mg_l": "42"}.items():
        page.fill(f"#{name}", text)
    page.check("input[name=has_liver_metastases][value=yes]")
    page.wait_for_selector(".count")


def count(page: Page) -> str:
    return page.inner_text(".count")


def test_nothing_is_filled_in_and_no_number_is_shown(page: Page) -> None:
    assert page.inner_text(".waiting") == "Choose a product."
    values = page.eval_on_selector_all("input[type=text]", "all => all.map(one => one.value)")
    assert set(values) == {""}
    page.fill("#product", "tarlatamab")
    page.fill("#age_years", "66")
    assert page.inner_text(".waiting") == "Fill in 2 more values of the patient."
    assert page.query_selector(".count") is None


def test_by_keyboard_alone(page: Page) -> None:
    """Every field in the order in which it is read; the number follows without a button."""
    keys = page.keyboard
    for _ in range(3):  # past the link to the result and the tabs
        keys.press("Tab")
        if page.evaluate("document.activeElement.id") == "product":
            break
    keys.type("kimmtrak")
    reached = []
    for _ in range(40):
        keys.press("Tab")
        name = page.evaluate("document.activeElement.name || ''")
        reached.append(name)
        if name in ("age_years", "weight_kg", "sum_of_diameters_mm", "crp_mg_l"):
            keys.type({"age_years": "58", "weight_kg": "80"}.get(name, "60"))
        elif name == "has_liver_metastases":
            keys.press("ArrowDown")
    order = [
        name for name in dict.fromkeys(reached) if name in ("age_years", "weight_kg", "crp_mg_l")
    ]
    assert order == ["age_years", "weight_kg", "crp_mg_l"]
    page.wait_for_selector(".count")


def test_another_unit_is_the_same_patient_and_a_slip_is_asked_about(page: Page) -> None:
    fill(page)
    before = count(page)
    page.fill("#crp_mg_l", "4.2")
    page.select_option("[name='crp_mg_l:unit']", "mg/dL")
    assert count(page) == before
    page.fill("#albumin_g_l", "4.1")
    assert "looks like g/dL" in page.inner_text("[data-field=albumin_g_l] .problem")
    assert page.query_selector(".count") is None
    page.select_option("[name='albumin_g_l:unit']", "g/dL")
    page.wait_for_selector(".count")
    page.fill("#platelets_g_l", "1500")
    page.check("[name='platelets_g_l:confirmed']")
    assert page.query_selector("[data-field=platelets_g_l] [aria-invalid=true]") is None
    page.fill("#platelets_g_l", "1501")
    assert not page.is_checked("[name='platelets_g_l:confirmed']")


def test_a_patient_unlike_those_of_training_has_no_number(page: Page) -> None:
    fill(page)
    page.fill("#age_years", "9")
    assert page.inner_text(".cannot") == "Cannot estimate, because"
    told = page.inner_text(".headline ul")
    assert "adults" in told
    assert "age_years" not in told
    assert "Cannot estimate" in page.inner_text("#strip") or not page.is_visible("#strip")


def test_a_day_after_the_dose_another_model_speaks(page: Page) -> None:
    fill(page)
    page.select_option("#landmark", "24")
    page.wait_for_selector(".waiting:has-text('grade at 24 h')")
    page.select_option("#grade__max__h24", "0")
    page.fill("#temperature_c__max__h24", "99.1")
    page.select_option("[name='temperature_c__max__h24:unit']", "degF")
    page.wait_for_selector(".count, .cannot")
    assert "landmark_24h" in page.inner_text("#made")
    page.select_option("#grade__max__h24", "2")
    assert "nothing is left to predict" in page.inner_text(".waiting")


def test_the_grade_follows_from_fever_and_support(page: Page) -> None:
    fill(page)
    page.select_option("#landmark", "24")
    page.fill("#temperature_c__max__h24", "39.2")
    page.locator("details.hour[data-hour='24'] summary", has_text="Work out").click()
    page.fill("#systolic__h24", "104")
    page.fill("#diastolic__h24", "58")
    assert page.input_value("#map_mmhg__min__h24") == "73.3"
    page.select_option("#pressure_support__h24", "none")
    assert page.input_value("#grade__max__h24") == ""
    page.select_option("#oxygen_support__h24", "none")
    assert page.input_value("#grade__max__h24") == "1"
    page.select_option("#oxygen_support__h24", "low")
    assert page.input_value("#grade__max__h24") == "2"
    assert "nothing is left to predict" in page.inner_text("#result")


def test_the_panels_are_closed_and_open_into_tables(page: Page) -> None:
    fill(page)
    titles = page.eval_on_selector_all(
        "details.guidance", "all => all.map(one => [one.open, one.firstChild.textContent])"
    )
    assert titles == [
        [False, title]
        for title in ("Watch", "If fever", "By grade", "After the episode", "Sources")
    ]
    page.click("summary:text-is('If fever')")
    rows = page.eval_on_selector_all(
        ".causes tbody tr", "all => all.map(one => one.innerText.split(/\\s/)[0])"
    )
    assert rows == ["CRS", "Infection,", "HLH", "Neurotoxicity", "Infusion"]
    page.fill("#crp_mg_l", "43")  # drawn anew, it stays open
    assert page.is_visible(".causes")
    page.click("summary:text-is('By grade')")
    assert "tocilizumab 8 mg/kg IV over 1 h" in page.inner_text("#result")


def test_a_change_of_the_plan_starts_at_the_headline(page: Page) -> None:
    fill(page)
    page.wait_for_selector(".comparison")
    panel = page.locator(".offline")
    assert f"As planned: {count(page)} of 100" in panel.inner_text()
    choice = panel.get_by_label("Compare with")
    choice.select_option(label="Without step-up: the full dose from the start")
    page.fill("#crp_mg_l", "180")  # another patient, the same question
    assert choice.input_value() == "2"
    assert "Without step-up" in panel.locator(".pair").inner_text()
    assert f"As planned: {count(page)} of 100" in panel.inner_text()
    page.check("input[name=has_tocilizumab_prophylaxis]")
    assert not panel.is_visible()  # the grid is of the plan without it


def test_one_products_guidance_shows_on_no_others_page(page: Page) -> None:
    """Every product of the page: none but itself is named in what is published for it."""
    products = json.loads(page.text_content("#page-data") or "")["products"]
    names = {one["name"]: one["label"].split(" (")[0] for one in products}
    own = {name for name in names if name != "checkpoint_inhibitor"}  # a class, named as such
    shows = """() => [...document.querySelectorAll('details.guidance')]
        .map(one => one.textContent).join(' ')"""
    for name in names:
        page.fill("#product", name)
        text = page.evaluate(shows)
        assert "Hours of observation, label:" in text
        others = [names[one] for one in own - {name} if names[one] in text]
        assert not others, (name, others)
        assert ("Corticosteroid first" in text) == (name == "checkpoint_inhibitor")


def test_few_words_grade_window_and_interval_are_said(page: Page) -> None:
    fill(page)
    page.wait_for_selector(".comparison")
    for one in json.loads(page.text_content("#page-data") or "")["products"]:
        page.fill("#product", one["name"])
        page.wait_for_selector(".count, .cannot")
        assert words_in_sight(page) <= MOST_WORDS, one["name"]
    page.fill("#product", "tarlatamab")
    page.click("summary:text-is('What this means')")
    page.click("details.why summary")
    text = page.inner_text("#result")
    for told in (
        "90% interval (refitting and assumptions)",
        "within 21 days after the first dose",
        "ASTCT",
        "US label of November 2025",
        "The reasons start from the median patient under Tarlatamab",
    ):
        assert told in text


def test_text_to_copy_says_what_the_page_says(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fill(page)
    page.wait_for_selector(".comparison")
    page.click("#copy")
    page.wait_for_selector("#told:has-text('Copied')")
    text = page.evaluate("navigator.clipboard.readText()")
    assert f"about {count(page)} would develop CRS of grade 2 or more" in text
    assert "Weight: 74 kg" in text
    assert f"Tocilizumab before the first dose: {count(page)} → " in text
    assert "Effect on the tumour unknown." in text
    assert re.search(r"\d{4}-\d\d-\d\d, crsrisk [\s\S]*Inputs [0-9a-f]{12}\.", text)


def test_the_digest_of_the_inputs_is_that_of_explain_patient(page: Page) -> None:
    fill(page)
    page.wait_for_selector("#made:has-text('Inputs')")
    (shown,) = re.findall(r"Inputs ([0-9a-f]{12})", page.inner_text("#made"))
    patient = {
        "product": "tarlatamab",
        "age": "66 years",
        "weight": "74 kg",
        "crp": "4.2 mg/dL",
        "has_liver_metastases": True,
    }
    explained = explain_patient(patient, model="baseline-0.1.0", has_simulation=False)
    assert explained.inputs_sha256.startswith(shown)


@pytest.mark.parametrize("is_long", [False, True])
def test_prints_on_one_sheet_in_letters_that_can_be_read(page: Page, is_long: bool) -> None:
    fill(page)
    if is_long:
        page.click("summary:text('More values')")
        usual = {
            "albumin_g_l": "38",
            "platelets_g_l": "240",
            "creatinine_umol_l": "80",
            "ldh_x_uln": "1.1",
            "ferritin_ug_l": "300",
            "il6_pg_ml": "6",
            "lymphocytes_g_l": "1.2",
            "n_metastatic_sites": "2",
            "sum_of_diameters_mm": "80",
        }
        for name, text in usual.items():
            page.fill(f"#{name}", text)
    page.wait_for_selector(".comparison")
    assert sheets(page) == 1
    page.emulate_media(media="print")
    assert page.locator(".pair svg").first.is_visible()
    assert min(letters_in_print_pt(page)) >= SMALLEST_PT - 1e-6


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@needs_axe
def test_no_violation_of_accessibility(page: Page, viewport: Any, scheme: Any) -> None:
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    assert axe(page) == []
    fill(page)
    page.fill("#albumin_g_l", "4.1")
    assert axe(page) == []
    page.fill("#albumin_g_l", "41")
    page.wait_for_selector(".count")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert axe(page) == []


def test_on_a_phone_the_number_stays_in_sight_and_nothing_is_cut(page: Page) -> None:
    page.set_viewport_size(PHONE)
    fill(page)
    page.evaluate("window.scrollTo(0, 900)")
    box = page.locator("#strip").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < PHONE["height"] / 4
    assert count(page) in page.inner_text("#strip")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_dot_of_a_risk_near_0_is_whole(page: Page, viewport: Any) -> None:
    """Its outermost points can be hit, so that nothing clips them."""
    page.set_viewport_size(viewport)
    fill(page)
    page.fill("#product", "cldn182_car_t")
    page.fill("#crp_mg_l", "4")
    page.check("input[name=has_liver_metastases][value='']")
    page.wait_for_selector(".axis .patient b:text('fewer than 1')")
    dots = page.locator(".axis circle")
    for dot in dots.all():
        dot.scroll_into_view_if_needed()
        assert dot.evaluate(
            """one => {
            const {left, right, top, bottom} = one.getBoundingClientRect();
            return [left + 0.5, right - 0.5].every(
                x => document.elementFromPoint(x, (top + bottom) / 2) === one);
            }"""
        )
    assert dots.count() == 2


def test_at_twice_the_size_nothing_is_cut(page: Page) -> None:
    """200% zoom of a wide screen: half as many pixels across."""
    page.set_viewport_size({"width": WIDE["width"] // 2, "height": WIDE["height"] // 2})
    fill(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDE["width"] // 2


def test_a_change_redraws_at_once(page: Page) -> None:
    """The number follows in the same turn, before the next picture of the screen."""
    fill(page)
    before, after = page.evaluate(
        """() => {
        const input = document.querySelector('#crp_mg_l');
        const count = () => document.querySelector('.count').textContent;
        const before = count();
        input.value = '180';
        input.dispatchEvent(new Event('input', {bubbles: true}));
        return [before, count()];
        }"""
    )
    assert int(after) > int(before)
