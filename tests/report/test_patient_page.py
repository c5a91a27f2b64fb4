"""One patient's page: what Python computed, all of it, drawn by the explorer's script; as a person
has it, in Chromium.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crsrisk.data.explanation import PatientRisk
from crsrisk.report.explanation import PatientExplanation
from crsrisk.report.explanation_words import explanation_of
from crsrisk.report.explorer import page_policy
from crsrisk.report.patient_page import NoAnswer, RiskAnswer
from crsrisk.results import Estimate, NotEstimable
from crsrisk.simulation.cohort import simulate
from crsrisk.studies.development import fit_before_dose_2
from crsrisk.studies.explain import explain_patient
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
from tests.report.made_facts import make_facts, make_simulated, worst

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]
EVIL = "<script>alert('x')</script>"
MOST_BYTES = 500_000


def bare() -> PatientExplanation:
    """Of a model alone: no interval, no grade 3 or more, nothing simulated."""
    return explanation_of(
        make_facts(risk=PatientRisk(Estimate(0.2)), n_refits=0, simulated=None, reference=None)
    )


def cannot() -> PatientExplanation:
    """A patient without a number, of whom something was simulated."""
    return explanation_of(make_facts(cannot="Age 9 years: training patients were adults."))


@pytest.fixture(scope="module")
def content() -> PatientExplanation:
    return explanation_of(make_facts())


def embedded(html: str) -> dict[str, Any]:
    """What the page holds, as its script reads it."""
    told = re.search(r'id="patient-data">(.*?)</script>', html)
    assert told is not None
    found: dict[str, Any] = json.loads(told.group(1))
    return found


def test_the_page_holds_what_was_computed_and_no_model(content: PatientExplanation) -> None:
    html = content.to_html()
    assert len(html.encode()) <= MOST_BYTES
    assert "application/gzip" not in html
    page = embedded(html)
    assert page == json.loads(content.page().model_dump_json())
    answer = page["answer"]
    assert (answer["grade2plus"]["count"], answer["grade2plus"]["value"]) == ("23", 0.234)
    assert answer["grade2plus"]["sentence"] == content.risks.grade2plus.sentence
    assert answer["warnings"] == [warning.text for warning in content.warnings]
    assert page["models"] == ["baseline-0.1.0"]
    assert page["inputs_sha256"] == content.inputs_sha256
    assert {one["product"] for one in page["published"]} == {"tarlatamab"}
    assert len(page["comparison"]["alternatives"]) == len(content.changes.rows) == 4


def test_reasons_in_sight_and_the_others_add_up(content: PatientExplanation) -> None:
    answer = content.page().answer
    assert isinstance(answer, RiskAnswer)
    reasons = answer.reasons
    shown = [one.of_100 for one in (*reasons.up, *reasons.down)]
    assert (len(reasons.up), len(reasons.down)) == (3, 3)
    assert content.reasons.base_of_100 + sum(shown) + reasons.rest == 23
    lines = [line for note in content.page().notes for group in note.groups for line in group.lines]
    told = " ".join(lines)
    for one in (*content.reasons.up, *content.reasons.down):
        assert f"{one.short} [{one.kind}, {one.role}]" in told
    for advice in content.use:
        assert set(advice.lines) <= set(lines)


def test_the_digest_is_of_the_inputs_alone() -> None:
    one, other = make_facts(), make_facts(label="Bed 12", simulated=None)
    changed = make_facts(observed=make_facts().observed.assign(crp_mg_l=86.0))
    digests = [explanation_of(facts).inputs_sha256 for facts in (one, other, changed)]
    assert digests[0] == digests[1] != digests[2]


def test_without_a_number_the_page_says_why_and_what_is_simulated() -> None:
    answer = cannot().page().answer
    assert isinstance(answer, NoAnswer)
    assert answer.because == ["Age 9 years: training patients were adults."]
    assert "Simulated anew under 40 sets of assumptions" in answer.instead[0]
    alone = explanation_of(make_facts(cannot="Too far.", simulated=None)).page().answer
    assert isinstance(alone, NoAnswer)
    assert alone.instead == ["Nothing is simulated in its place."]


def test_one_script_runs_and_nothing_is_loaded(content: PatientExplanation) -> None:
    html = content.to_html()
    assert page_policy().replace("'", "&#39;") in html
    assert html.count("<script>") == 1
    assert not re.search(r"<link|src=|url\((?!#)|@import|https?://(?!www\.w3\.org|doi)", html)
    assert not re.search(r"1 in \d|number needed", html, flags=re.IGNORECASE)


def test_text_of_files_stays_text() -> None:
    html = explanation_of(make_facts(label=EVIL, regimen=EVIL, product_label=f"X {EVIL}")).to_html()
    assert EVIL not in html
    assert embedded(html)["label"] == EVIL


def test_where_scripts_are_off_it_is_said_in_short(content: PatientExplanation) -> None:
    (told,) = re.findall(r"<noscript>(.*?)</noscript>", content.to_html(), flags=re.DOTALL)
    assert content.risks.grade2plus.sentence in told
    assert content.warnings[0].text in told
    assert content.notice in told


# --- in a browser ---

PAGES = {
    "usual": lambda: explanation_of(make_facts()),
    "worst": worst,
    "bare": bare,
    "cannot": cannot,
}


@pytest.fixture(params=list(PAGES))
def page(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page with the network off; whatever it asks for or complains of fails the test."""
    place = tmp_path / "page.html"
    PAGES[request.param]().to_html(place)
    context = browser.new_context(viewport=WIDE, offline=True)
    context.set_default_timeout(10_000)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.goto(place.as_uri())
    yield opened
    assert troubles == []
    context.close()


@pytest.mark.slow
@needs_chromium
def test_few_words_before_anything_is_opened(page: Page) -> None:
    assert words_in_sight(page) <= MOST_WORDS


@pytest.mark.slow
@needs_chromium
def test_prints_on_one_sheet_in_letters_that_can_be_read(page: Page) -> None:
    assert sheets(page) == 1
    page.emulate_media(media="print")
    assert min(letters_in_print_pt(page)) >= SMALLEST_PT - 1e-6
    for warning in page.locator(".warnings li").all():
        assert warning.bounding_box()["height"] > 5  # also those that open on a screen


@pytest.mark.slow
@needs_chromium
@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_violation_of_accessibility(page: Page, viewport: Any, scheme: Any) -> None:
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    assert axe(page) == []
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.slow
@needs_chromium
def test_at_twice_the_size_nothing_is_cut(page: Page) -> None:
    half = {"width": WIDE["width"] // 2, "height": WIDE["height"] // 2}
    page.set_viewport_size(half)
    assert page.evaluate("document.documentElement.scrollWidth") <= half["width"]


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("page", ["usual"], indirect=True)
def test_a_person_reads_it_by_keyboard_alone(page: Page) -> None:
    """The link to the result, then what opens, the choice and the buttons; nothing to fill in."""
    assert page.query_selector("form, input") is None
    keys = page.keyboard
    reached = []
    for _ in range(30):
        keys.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText.split('\\n')[0]"))
    for stop in ("Skip to the result", "What this means", "Watch", "All reasons", "Print"):
        assert stop in reached
    page.focus("select")
    keys.press("ArrowDown")
    assert "Without dexamethasone as premedication: 13 of 100" in page.inner_text(".plans")
    page.focus("summary:has-text('All reasons')")
    keys.press("Enter")
    assert "[cause, fact]" in page.inner_text("#result")


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("page", ["usual"], indirect=True)
def test_it_says_what_the_page_of_old_said(page: Page) -> None:
    seen = page.inner_text("body")
    for text in (
        "Not for care. Research use",
        "no external validation",
        "Of 100 patients like this one, about 23 would develop CRS of grade 2 or more within 21"
        " days after the first dose. Of the same 100, about 3 would develop grade 3 or more.",
        "Refit range: 15 to 34 of 100",
        "Interleukin-6 not measured: 20 of 100 if low",
        "85 mg/L (8.5 mg/dL)",
        "Bold: outside the usual range.",
        "Other values: crsrisk explorer or crsrisk serve.",
        "Effect on the tumour unknown",
        "US label of November 2025",
        "Models baseline-0.1.0.",
    ):
        assert text in seen
    assert re.search(r"\d{4}-\d\d-\d\d, crsrisk [\s\S]*Inputs [0-9a-f]{12}\.", seen)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    opened = page.inner_text("body")
    for text in (
        "from refitting the model to 20 resampled cohorts",
        "Simulated anew under 40 sets of assumptions",
        "Reference patient, the median patient under Tarlatamab",
        "half of the first onsets came within 14 hours",
        "exact interventional Shapley values",
        "Simulated, not predicted",
        "10,240 simulated people in each arm, seed 1",
        "When to use",
        "They are not proof of cause",
    ):
        assert text in opened


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("page", ["usual"], indirect=True)
def test_text_to_copy_holds_the_comparison(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    page.wait_for_selector("#told:has-text('Copied')")
    text = page.evaluate("navigator.clipboard.readText()")
    assert "about 23 would develop CRS of grade 2 or more" in text
    assert "C-reactive protein: 85 mg/L (8.5 mg/dL)" in text
    assert "Tocilizumab before the first dose: 21 → 13 of 100 (Monte Carlo error 0.6" in text
    assert "Effect on the tumour unknown." in text


PATIENT = """\
product: tarlatamab
age: 66 years
sex: female
crp: 4.2 mg/dL
ecog: 1
"""
WEEK = """\
course:
  6 h: {worst_crs_grade: 0}
  12 h: {worst_crs_grade: 0}
  24 h: {crp: 52 mg/L, highest_temperature: 38.4 °C, worst_crs_grade: 1}
  168 h: {crp: 30 mg/L, highest_temperature: 36.9 °C, worst_crs_grade: 1}
"""


@pytest.fixture
def written(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page that `explain patient --html` writes of a patient's file, on a phone."""
    place = tmp_path / "one.yaml"
    if request.param == "before dose 2":
        place.write_text(PATIENT + WEEK, encoding="utf-8")
        cohort = simulate(["tarlatamab", "tebentafusp"], n=1200, seed=1)
        model: Any = fit_before_dose_2(cohort, seed=1)
    else:
        place.write_text(PATIENT, encoding="utf-8")
        model = "baseline-0.1.0"
    made = explain_patient(place, model=model, n_members=6, n_people=300, seed=3)
    made.to_html(tmp_path / "page.html")
    opened = browser.new_page(viewport=PHONE)
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text))
    opened.goto((tmp_path / "page.html").as_uri())
    yield opened
    assert troubles == []
    opened.close()


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("written", ["before dose 2"], indirect=True)
def test_before_dose_2_the_week_is_read_and_only_what_is_left_is_offered(written: Page) -> None:
    text = written.inner_text("#result")
    assert "at 7 days, without grade 2 or more so far" in text
    assert "later than 7 days and within 21 days after the first dose" in text
    offered = written.eval_on_selector_all(
        ".choices option", "all => all.map(one => one.textContent)"
    )
    assert offered
    assert all("dose 3 (day 15)" in label for label in offered)  # dose 2 is given at that hour
    entered = written.inner_text("body")
    assert re.search(r"C-reactive protein at 168 h\s+30 mg/L", entered)
    assert "first onsets came" not in written.text_content("body")  # they are of dose 1
    assert sheets(written) == 1
    assert written.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("written", ["before dose 1"], indirect=True)
def test_the_hours_of_onset_stand_under_watch(written: Page) -> None:
    line = written.locator("text=half of the first onsets came within")
    assert not line.is_visible()
    written.click("summary:text-is('Watch')")
    assert line.is_visible()
    hours = [int(n) for n in re.findall(r"within (\d+) hours", line.inner_text())]
    assert len(hours) == 3
    assert 0 < hours[0] < hours[1] < hours[2] <= 21 * 24
    box = line.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]


def test_the_simulated_part_may_lack_levers() -> None:
    found = explanation_of(make_facts(simulated=make_simulated(levers=[]))).page()
    assert found.comparison is not None
    assert (found.comparison.alternatives, found.comparison.baseline is None) == ([], False)
    assert "knows no lever" in found.comparison.why_none
    assert isinstance(bare().risks.grade3plus, NotEstimable)
    answer = bare().page().answer
    assert isinstance(answer, RiskAnswer)
    assert (answer.grade3plus, answer.grade2plus.low, answer.covers) == (None, None, "")
