"""The bedside page: every sentence true to its numbers, warnings first, points add up, one page, no
serious axe finding.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crsrisk.data.explanation import (
    ByGrade,
    IntervalHolds,
    LeverEffect,
    MissingRange,
    PatientRisk,
    Reason,
    ReferencePatient,
    SimulatedPatients,
    whole_points,
)
from crsrisk.data.patient import GivenValue
from crsrisk.data.risk_model import Calibrator, Column, Feature, FeatureContract, Variable
from crsrisk.data.world_files import load_product
from crsrisk.fields import FIELDS, columns_of
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.bedside import RiskInWords
from crsrisk.report.explanation import PatientExplanation, RisksInWords, render_explanation
from crsrisk.report.explanation_warnings import PatientFacts
from crsrisk.report.explanation_words import explanation_of
from crsrisk.report.guidance import product_guidance
from crsrisk.results import Estimate, NotEstimable
from crsrisk.uncertainty.one_number import from_one_number
from tests.report.conftest import MEDIAN

EVIL = "<script>alert('x')</script>"
THEMES = ("drug and dose", "prevention", "tumour burden", "inflammation", "host")
COLUMNS = ("crp_mg_l", "ldh_x_uln", "il6_pg_ml", "albumin_g_l", "age_years", "has_liver_metastases")


def make_model(**changes: Any) -> RiskModel:
    columns = [
        Column(
            name="product",
            kind="word",
            unit="1",
            may_be_missing=False,
            was_missing_in_training=False,
            levels=("tarlatamab",),
        )
    ]
    for name in COLUMNS:
        is_flag = FIELDS[name].kind == "bool"
        columns.append(
            Column(
                name=name,
                kind="flag" if is_flag else "number",
                unit=FIELDS[name].unit,
                may_be_missing=True,
                was_missing_in_training=True,
                trained=None if is_flag else (1.0, 90.0),
            )
        )
    contract = FeatureContract(
        name="baseline",
        outcome="crs_grade2plus",
        outcome_in_words="first CRS of grade 2 or more",
        window_d={"default": 21.0},
        landmark_h=0,
        columns=tuple(columns),
        features=(Feature(name="crp_mg_l", variable="crp_mg_l", direction="up"),),
        variables=(
            Variable(
                name="crp_mg_l",
                label="CRP",
                unit="mg/L",
                kind="cause",
                role="fact",
                theme="inflammation",
                why="primes",
            ),
        ),
        n_patients=6000,
        n_events=1500,
    )
    return RiskModel(
        contract=contract,
        booster_text="",
        calibrator=Calibrator(intercept=0, slope=1, n_patients=1, method="x"),
        version="0.1.0",
        manifest={},
        **changes,
    )


def make_reasons(points: list[float], *, total: int) -> list[Reason]:
    whole = whole_points(points, total=total)
    kinds, roles = ("cause", "marker", "mediator"), ("fact", "lever")
    return [
        Reason(
            variable=f"v{k}",
            label=f"Variable {k}",
            value=f"{k} mg/L",
            points=value,
            whole_points=size,
            kind=kinds[k % 3],
            role=roles[k % 2],
            theme=THEMES[k % 5],  # type: ignore[arg-type]
            sentence=f"Variable {k}: {k} mg/L (usual 0 to 5) "
            f"{'raises' if value > 0 else 'lowers'} the risk by about "
            f"{abs(size)} of 100 (a mechanism that takes some words to say).",
        )
        for k, (value, size) in enumerate(zip(points, whole, strict=True))
    ]


def both(two: tuple[float, ...], three: tuple[float, ...]) -> ByGrade[Estimate]:
    """Value, low, high and Monte Carlo error for grade >= 2 and >= 3."""
    return ByGrade(Estimate(*two), Estimate(*three))


def make_simulated(**changes: Any) -> SimulatedPatients:
    usual = both((0.21, 0.1, 0.38, 0.01), (0.02, 0.0, 0.05, 0.003))
    levers = [
        LeverEffect(
            kind="prophylaxis",
            label=label,
            usual=usual,
            with_lever=both((0.13, 0.04, 0.25, 0.01), (0.01, 0.0, 0.02, 0.0)),
            difference=both((-0.08, -0.14, -0.03, 0.006), (-0.01, -0.03, 0.0, 0.001)),
        )
        for label in (
            "Tocilizumab before the first dose",
            "Without dexamethasone as premedication",
            "Without step-up",
            "Given into a vein (with no step-up, another full dose)",
        )
    ]
    base: dict[str, Any] = dict(
        usual=usual,
        levers=levers,
        onset_wait_h=(14.0, 30.0, 44.0),
        n_members=40,
        n_people=256,
        scenarios=SCENARIOS,
    )
    return SimulatedPatients(**{**base, **changes})


SCENARIOS = {
    "burden_null": Estimate(0.14, mc_error=0.008),
    "burden_strong": Estimate(0.27, mc_error=0.01),
    "inflammation_null": Estimate(0.2, mc_error=0.009),
    "inflammation_strong": Estimate(0.21, mc_error=0.009),
}


def make_facts(**changes: Any) -> PatientFacts:
    product = load_product("tarlatamab")
    given = {
        name: GivenValue(
            value=value, written=text, number=value, unit="x", is_converted=is_converted
        )
        for name, value, text, is_converted in (
            ("crp_mg_l", 85.0, "8.5 mg/dL", True),
            ("ldh_x_uln", 1.6, "1.6 x ULN", False),
            ("age_years", 66.0, "66 years", False),
            ("has_liver_metastases", 1.0, "yes", False),
        )
    }
    row = {name: given[name].value if name in given else np.nan for name in columns_of("observed")}
    row |= {
        "patient_id": 0,
        "product": "tarlatamab",
        "platform": "tce",
        "regimen": "label",
        "tumour_type": "small_cell_lung",
        "site": "not stated",
        "antigen_restriction": 0.9,
        "dose_intensity": 1.0,
        "is_stepped_up": True,
        "has_steroid_premedication": True,
        "has_tocilizumab_prophylaxis": False,
        "has_lymphodepletion": False,
    }
    points = [0.05, 0.04, 0.03, 0.02, 0.02, 0.01, -0.03, -0.02, -0.01, -0.012, -0.06]
    risk = PatientRisk(Estimate(0.234, 0.15, 0.34), Estimate(0.03, 0.01, 0.07))
    base: dict[str, Any] = dict(
        label="This patient",
        product=product,
        product_label=product.label,
        regimen="label",
        regimen_note="",
        prophylaxis=(),
        population_label="Extensive-stage small-cell lung cancer",
        window_d=21.0,
        observed=pd.DataFrame([row]),
        given=given,
        model=make_model(),
        n_refits=20,
        risk=risk,
        reference=ReferencePatient(
            n_patients=512,
            risk=PatientRisk(Estimate(0.12, 0.1, 0.15)),
            typical={"crp_mg_l": 20.0},
        ),
        seen={
            "has_steroid_premedication": [True],
            "is_stepped_up": [True],
            "has_tocilizumab_prophylaxis": [False],
        },
        compared_with=MEDIAN,
        base_risk=0.2,
        reasons=make_reasons(points, total=3),
        missing=[
            MissingRange(column="il6_pg_ml", values=(1.7, 19.8), risks=(0.2, 0.27)),
            MissingRange(column="albumin_g_l", values=(32.0, 43.0), risks=(0.26, 0.22)),
        ],
        simulated=make_simulated(),
        guidance=product_guidance(product),
    )
    return PatientFacts(**{**base, **changes})


@pytest.fixture(scope="module")
def content() -> PatientExplanation:
    return explanation_of(make_facts())


def worst() -> PatientExplanation:
    """As much as one page can have to say: every warning, nine reasons, four levers."""
    row = make_facts().observed.assign(
        product="a_new_product", ldh_x_uln=95.0, has_liver_metastases=np.nan
    )
    missing = [
        MissingRange(column=name, values=(1.0, 20.0), risks=(0.1, 0.3))
        for name in ("il6_pg_ml", "albumin_g_l")
    ]
    return explanation_of(
        make_facts(
            observed=row,
            missing=missing,
            label="Bed 12, second opinion of the board",
            prophylaxis=("Anakinra (anti-IL-1)", "Tocilizumab (anti-IL-6R)"),
            seen={"has_steroid_premedication": [False]},
            risk=PatientRisk(Estimate(0.5, 0.3, 0.7), Estimate(0.5, 0.3, 0.7), is_held=True),
            simulated=make_simulated(
                beyond_population=("ldh_x_uln",),
                scenarios={**SCENARIOS, "inflammation_strong": Estimate(0.41, mc_error=0.009)},
            ),
            reasons=make_reasons(
                [0.08, 0.07, 0.06, 0.05, 0.04, -0.02, -0.02, -0.03, -0.02, 0.09], total=30
            ),
        )
    )


# --- sentences ---


def test_the_chart_names_a_reading_by_its_level_alone() -> None:
    """The sentence says when and how it moved; the chart has no room for it, and a cut label says
    less than a short one.
    """
    one = Reason(
        variable="map_mmhg",
        label="Lowest arterial pressure since the first dose",
        points=-0.03,
        whole_points=-3,
        value="80 mmHg by 24 h (falling by 0.43 mmHg an hour)",
        kind="mediator",
        role="fact",
        theme="course",
        sentence="Lowest arterial pressure since the first dose: 80 mmHg by 24 h "
        "(falling by 0.43 mmHg an hour) "
        "lowers the risk by about 3 of 100 (falls with the endothelial leak).",
    )
    found = explanation_of(make_facts(reasons=[*make_reasons([0.06, 0.04], total=10), one]))
    page = render_explanation(found)
    drawn = page[page.index('<figure class="chart">') :].partition("</figure>")[0]
    assert "Lowest arterial pressure: 80 mmHg<" in drawn
    assert "…" not in drawn
    assert "by 24 h (falling" in " ".join(reason.sentence for reason in found.reasons.down)


def test_no_trailing_blank_thousands_apart_and_a_dose_is_told_as_a_multiple() -> None:
    """A first dose of ten times the usual is not "10" (of what?), and 10909 patients are 10,909."""
    model = make_model()
    dose = Column(
        name="dose_intensity",
        kind="number",
        unit="1",
        may_be_missing=False,
        was_missing_in_training=False,
        trained=(0.235, 4.14),
    )
    model = replace(
        model,
        contract=model.contract.model_copy(update={"columns": (*model.contract.columns, dose)}),
    )
    one = make_facts(model=model)
    reference = replace(one.reference, n_patients=10909) if one.reference is not None else None
    found = explanation_of(
        replace(one, observed=one.observed.assign(dose_intensity=10.0), reference=reference)
    )
    text = next(warning.text for warning in found.warnings if warning.kind == "outside training")
    assert text == (
        "First dose 10 times the usual is outside what training patients had "
        "(0.235 to 4.14 times the usual): "
        "the model goes on as at the edge."
    )
    page = render_explanation(found)
    assert page.count("10,909 simulated") == 1
    assert "10,909 simulated" in found.reference.sentence
    assert "10909" not in page
    assert "bold: outside the usual range" in page


def test_one_sentence_a_grade_with_integer_percent_and_window(content: PatientExplanation) -> None:
    assert content.risks.grade2plus.sentence == (
        "Of 100 patients like this one, about 23 (23%) would develop CRS of grade 2 or more "
        "within 21 days after the first dose."
    )
    assert content.risks.grade3plus.sentence == (
        "Of 100 patients like this one, about 3 (3%) would develop CRS of grade 3 or more "
        "within 21 days after the first dose."
    )


def over_worlds(holds: IntervalHolds, *, value: float = 0.234) -> PatientExplanation:
    """The page of a patient whose interval holds more than refits."""
    risk = PatientRisk(
        Estimate(value, 0.1, 0.5),
        Estimate(0.03, 0.01, 0.2),
        holds=holds,
        refit_range=ByGrade(Estimate(value, 0.2, 0.28), Estimate(0.03, 0.02, 0.04)),
    )
    return explanation_of(make_facts(risk=risk, n_worlds=128))


def test_the_interval_shown_first_is_named_for_what_it_holds() -> None:
    found = over_worlds("refitting and assumptions")
    two, three = found.risks.grade2plus, found.risks.grade3plus
    assert isinstance(three, RiskInWords)
    assert two.interval.startswith(
        "90% interval (refitting and assumptions) 10 to 50 of 100: made to hold the true risk"
    )
    assert "128 simulated worlds" in two.interval
    assert "new products" not in two.interval
    assert two.refit_range == "Refit range alone 20 to 28 of 100 (95%, 20 refits)."
    assert three.interval_short == (
        "90% interval (refitting and assumptions) 1 to 20 of 100: as above."
    )
    page = found.to_html()
    for text in (two.interval, two.refit_range, three.refit_range):
        assert text in page


def test_the_interval_of_a_new_product_says_that_products_differ() -> None:
    told = over_worlds("refitting, assumptions and products").risks.grade2plus.interval
    assert told.startswith(
        "90% interval (refitting, assumptions and differences between products) 10 to 50 of 100"
    )
    assert "and new products of its platform" in told


def test_a_number_outside_its_interval_is_said_to_be_there() -> None:
    inside = over_worlds("refitting and assumptions").risks.grade2plus.interval
    outside = over_worlds("refitting and assumptions", value=0.6).risks.grade2plus.interval
    assert "lies outside" not in inside
    assert "The number itself lies outside: most worlds disagree with it." in outside


def test_the_refit_range_says_what_it_covers(content: PatientExplanation) -> None:
    told = content.risks.grade2plus.interval
    assert told.startswith(
        "Refit range 15 to 34 of 100: from refitting the model to 20 resampled cohorts"
    )
    assert "does not include what assumptions leave open, differences between hospitals" in told
    spread = content.assumptions.grade2plus.sentence
    assert (
        "under 40 sets of assumptions that published trials cannot tell apart: about 21 of 100"
        in spread
    )
    assert "10 to 38 of 100 in nine of ten sets (Monte Carlo error of the average 1.0)" in spread


def test_what_is_simulated_starts_from_the_models_number() -> None:
    """By hand: 21 of 100 as simulated, 23 by the model: there the spread and every lever begin."""
    facts = make_facts()
    assert facts.simulated is not None
    content = explanation_of(make_facts(simulated=from_one_number(facts.simulated, facts.risk)))
    assert content.assumptions is not None
    spread = content.assumptions.grade2plus.sentence
    assert "about 23 of 100 on average" in spread
    assert "(as simulated, grade 2 or more: 21 of 100;" in spread
    assert {change.of_100.partition(" ")[0] for change in content.changes.rows} == {"23"}
    assert {change.severe.partition(" ")[0] for change in content.changes.rows} == {"3"}
    assert "The simulator says" not in content.risks.grade2plus.interval


def test_where_model_and_simulator_differ_both_stand_with_the_wider_interval() -> None:
    """Model 50 (30 to 70), simulator 21 (10 to 38); of the reference patient nothing is said."""
    found = worst()
    told = found.risks.grade2plus.interval
    assert told.endswith(" The simulator says about 21 of 100; range of both 10 to 70 of 100.")
    assert isinstance(found.risks.grade3plus, RiskInWords)
    assert "The simulator says" in found.risks.grade3plus.interval_short
    assert {change.of_100.partition(" ")[0] for change in found.changes.rows} == {"21"}
    assert found.reference is not None
    assert "The simulator says" not in found.reference.risks.grade2plus.interval


def test_the_reference_patient_is_named(content: PatientExplanation) -> None:
    assert content.reference.sentence.startswith(
        "Reference patient, the median patient under Tarlatamab (the middle value"
    )
    assert "512 simulated training patients): about 12 of 100" in content.reference.sentence


def kinds(content: PatientExplanation) -> list[str]:
    return [warning.kind for warning in content.warnings]


def test_warnings_in_their_order(content: PatientExplanation) -> None:
    assert kinds(content) == ["missing", "missing", "depends on scenario"]
    texts = [warning.text for warning in content.warnings]
    assert texts[0] == (
        "Interleukin-6 is not measured: the estimate would be 20 of 100 if it was low "
        "(1.7 pg/mL), 27 if high (19.8 pg/mL)."
    )
    assert texts[2].startswith(
        "If tumour burden does not matter at all, 14 of 100; if it matters strongly, 27 (simulated"
    )


def test_every_warning_that_there_is() -> None:
    found = worst()
    assert kinds(found) == [
        "unknown product",
        "untrained plan",
        "untrained plan",
        "outside training",
        "missing",
        "missing",
        "missing",
        "depends on scenario",
        "depends on scenario",
        "model and simulator differ",
        "outside simulated range",
        "models differ",
    ]
    texts = " ".join(warning.text for warning in found.warnings)
    for part in (
        "unlike any product",
        "steroid premedication as here",
        "does not read Anakinra",
        "95 × ULN is outside what",
        "Also not measured",
        "held at that value",
        "What is simulated holds it",
    ):
        assert part in texts


def test_scenarios_that_agree_are_not_told() -> None:
    simulated = make_simulated(
        scenarios={
            "burden_null": Estimate(0.2, mc_error=0.01),
            "burden_strong": Estimate(0.23, mc_error=0.01),
        }
    )
    assert "depends on scenario" not in kinds(explanation_of(make_facts(simulated=simulated)))


def test_a_missing_flag_is_told_with_and_without() -> None:
    row = make_facts().observed.assign(has_liver_metastases=np.nan, il6_pg_ml=3.0, albumin_g_l=40.0)
    found = explanation_of(
        make_facts(
            observed=row,
            missing=[
                MissingRange(column="has_liver_metastases", values=(0.0, 1.0), risks=(0.19, 0.26))
            ],
        )
    )
    assert found.warnings[0].text == (
        "Liver metastases is not known: the estimate would be 19 of 100 without and 26 with it."
    )


def test_without_refits_without_grade_3_and_without_simulation() -> None:
    found = explanation_of(
        make_facts(
            risk=PatientRisk(Estimate(0.2)),
            n_refits=0,
            simulated=None,
            reference=None,
        )
    )
    assert kinds(found)[-2:] == ["no model", "no range"]
    assert "no range can be given" in found.risks.grade2plus.interval
    assert (found.assumptions, found.reference, found.waits) == (None, None, "")
    page = render_explanation(found)
    assert "Nothing was simulated" in page
    assert "Reference patient" not in page
    assert isinstance(found.risks.grade3plus, NotEstimable)
    assert found.risks.grade3plus.reason in page
    assert "of these, grade 3 or more" not in page


def test_levers_are_simulated_with_their_error(content: PatientExplanation) -> None:
    row = content.changes.rows[0]
    assert (row.of_100, row.points, row.range, row.severe) == (
        "21 → 13",
        "−8 ± 0.6",
        "−14 to −3",
        "2 → 1",
    )
    assert content.changes.notice.startswith("Simulated, not predicted")
    assert content.changes.n_people == 10240


def test_a_product_without_levers_says_so() -> None:
    found = explanation_of(make_facts(simulated=make_simulated(levers=[])))
    assert "knows no lever" in found.changes.none
    assert "knows no lever" in render_explanation(found)


def test_hours_of_onset(content: PatientExplanation) -> None:
    assert content.waits == (
        "Simulated patients like this one: half of the first onsets came within 14 hours of the"
        " latest "
        "dose, 90% within 30 hours, 95% within 44 hours."
    )
    assert (
        "No CRS at all"
        in explanation_of(make_facts(simulated=make_simulated(onset_wait_h=None))).waits
    )


def test_what_was_entered_is_shown_in_both_units(content: PatientExplanation) -> None:
    rows = {value.label: value for value in content.known}
    assert (rows["C-reactive protein"].value, rows["C-reactive protein"].written) == (
        "85",
        "8.5 mg/dL",
    )
    assert rows["C-reactive protein"].is_outside
    assert rows["Lactate dehydrogenase"].written == ""
    assert rows["Interleukin-6"].value == "not measured"
    assert rows["Liver metastases"].value == "yes"


# --- points add up ---


@settings(max_examples=60)
@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=20), st.floats(0.05, 0.9))
def test_points_add_up_in_reasons_and_in_groups(points: list[float], base: float) -> None:
    risk = base + sum(points)
    assume(0 <= risk <= 1)
    total = round(100 * risk) - round(100 * base)
    found = explanation_of(
        make_facts(
            base_risk=base,
            reasons=make_reasons(points, total=total),
            risk=PatientRisk(Estimate(risk, risk, risk)),
        )
    )
    reasons, of_100 = found.reasons, found.risks.grade2plus.of_100
    shown = sum(reason.of_100 for reason in (*reasons.up, *reasons.down))
    assert reasons.base_of_100 + shown + reasons.rest_of_100 == of_100
    assert reasons.base_of_100 + sum(theme.points for theme in found.themes) == of_100
    assert len(reasons.up) <= 5
    assert len(reasons.down) <= 4


# --- the page ---


class Outline(HTMLParser):
    """Headings, what can be reached by keyboard, ids and images, in the order of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.stops: list[str] = []
        self.ids: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag in ("a", "button", "input", "select") or found.get("tabindex") == "0":
            self.stops.append(found.get("href") or found.get("aria-labelledby") or tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if found.get("role") == "img":
            self.images.append(found)


def outline(page: str) -> Outline:
    reader = Outline()
    reader.feed(page)
    return reader


def test_keyboard_order_headings_and_names(content: PatientExplanation) -> None:
    found = outline(render_explanation(content))
    # past the warnings to the result, then the one table that scrolls
    assert found.stops == ["#result", "change-caption"]
    assert found.levels[0] == 1
    assert all(
        later - earlier <= 1 for earlier, later in zip(found.levels, found.levels[1:], strict=False)
    )
    assert len(set(found.ids)) == len(found.ids)
    assert "result" in found.ids
    assert all(image.get("aria-labelledby") for image in found.images)
    assert len(found.images) == 3


def test_warnings_stand_above_the_result(content: PatientExplanation) -> None:
    page = render_explanation(content)
    places = [
        page.index(text)
        for text in (
            "Read first",
            "of 100 (23%)",
            "Raises the risk",
            "What would change it",
            "What is published",
            "When to use",
            "What was entered",
        )
    ]
    assert places == sorted(places)


def test_the_page_loads_nothing_runs_nothing_and_says_what_it_is(
    content: PatientExplanation,
) -> None:
    page = render_explanation(content)
    assert not re.search(r"<script|<link|src=|url\((?!#)|@import|https?://(?!www\.w3\.org)", page)
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert page.count("no external validation") >= 4
    assert not re.search(r"1 in \d|number needed", page, flags=re.IGNORECASE)
    for kind in ("cause", "marker", "mediator", "lever", "fact"):
        assert f">{kind}<" in page


def test_text_of_files_is_escaped() -> None:
    page = render_explanation(
        explanation_of(make_facts(label=EVIL, regimen=EVIL, product_label=f"X {EVIL}"))
    )
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_same_numbers_same_bytes(content: PatientExplanation) -> None:
    again = explanation_of(make_facts())
    assert again == content
    assert render_explanation(again) == render_explanation(content)
    json.dumps(content.to_dict(), allow_nan=False)
    two = replace(again.risks.grade2plus, of_100=24)
    changed = replace(again, risks=RisksInWords(two, again.risks.grade3plus))
    assert render_explanation(changed) != render_explanation(content)


def test_it_shows_itself(content: PatientExplanation, tmp_path: Path) -> None:
    assert len(repr(content)) < 2_000
    assert "Of 100 patients like this one, about 23 (23%)" in repr(content)
    assert "no external validation" in repr(content)
    assert 'sandbox=""' in content._repr_html_()
    assert content.to_html(tmp_path / "page.html") == render_explanation(content)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == content.to_html()
    shown = [reason.of_100 for reason in (*content.reasons.up, *content.reasons.down)]
    assert content.to_frame()["of_100"].tolist()[:3] == [-6, 5, 4]
    assert sorted(content.to_frame()["of_100"]) == sorted(shown)
    for again in (pickle.loads(pickle.dumps(content)), copy.deepcopy(content)):
        assert again == content
    told = [text.get_text() for text in content.plot().texts]
    assert any(text.startswith("Start 20, all groups together") for text in told)


# --- in a browser ---

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AXE = "CRSRISK_AXE"  # the path of axe.min.js, where it is installed
_RUN = """<script>%s</script><script>axe.run().then(found => {
  const box = document.createElement('pre'); box.id = 'axe-answer';
  box.textContent = JSON.stringify(found.violations.map(
    one => [one.impact, one.id, one.nodes.map(n => n.html)]));
  document.body.appendChild(box); });</script></body>"""


@pytest.fixture
def browser(tmp_path: Path) -> Callable[..., str]:
    """Runs a headless browser and gives back what it prints; skips where there is none."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine")

    def run(*options: str) -> str:
        done = subprocess.run(
            [
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path / 'profile'}",
                *options,
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [lambda: explanation_of(make_facts()), worst], ids=["usual", "worst"]
)
def test_prints_on_one_page(
    browser: Callable[..., str], tmp_path: Path, make: Callable[[], PatientExplanation]
) -> None:
    page, printed = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(render_explanation(make()), encoding="utf-8")
    browser("--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri())
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed.read_bytes())) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "make", [lambda: explanation_of(make_facts()), worst], ids=["usual", "worst"]
)
def test_no_serious_axe_finding(
    browser: Callable[..., str], tmp_path: Path, make: Callable[[], PatientExplanation]
) -> None:
    axe = os.environ.get(AXE, "")
    if not Path(axe).is_file():
        pytest.skip(f"no axe-core: set {AXE} to the path of axe.min.js")
    page = render_explanation(make())
    # it would, rightly, stop the script
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    page = page.replace("</body>", _RUN % Path(axe).read_text(encoding="utf-8"))
    place = tmp_path / "page.html"
    place.write_text(page, encoding="utf-8")
    answer = re.search(
        r'<pre id="axe-answer">(.*?)</pre>',
        browser("--virtual-time-budget=20000", "--dump-dom", place.as_uri()),
    )
    assert answer is not None, "axe did not answer"
    found = json.loads(
        answer.group(1)
        .replace("&quot;", '"')
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
    )
    assert [one for one in found if one[0] in ("serious", "critical")] == []
