"""The explanation of a patient: sentences true to their numbers, warnings first, points add up."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crsrisk.data.explanation import (
    ByGrade,
    IntervalHolds,
    MissingRange,
    PatientRisk,
    Reason,
)
from crsrisk.data.risk_model import Column
from crsrisk.report.bedside import RiskInWords
from crsrisk.report.explanation import PatientExplanation, RisksInWords
from crsrisk.report.explanation_words import explanation_of
from crsrisk.results import Estimate, NotEstimable
from crsrisk.uncertainty.one_number import from_one_number
from tests.report.made_facts import (
    make_facts,
    make_model,
    make_reasons,
    make_simulated,
    worst,
)


@pytest.fixture(scope="module")
def content() -> PatientExplanation:
    return explanation_of(make_facts())


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
    labels = [bar.label for theme in found.themes for bar in theme.bars]
    assert "Lowest arterial pressure: 80 mmHg" in labels
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
    assert found.reference is not None
    assert "10,909 simulated" in found.reference.sentence


def test_one_sentence_a_grade_with_its_window(content: PatientExplanation) -> None:
    assert content.risks.grade2plus.sentence == (
        "Of 100 patients like this one, about 23 would develop CRS of grade 2 or more "
        "within 21 days after the first dose."
    )
    assert content.risks.grade3plus.sentence == (
        "Of 100 patients like this one, about 3 would develop CRS of grade 3 or more "
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
    assert two.interval.startswith(f"{two.interval_name} 10 to 50 of 100: {two.covers}")


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
        "Interleukin-6 not measured: 20 of 100 if low (1.7 pg/mL), 27 if high (19.8 pg/mL)."
    )
    assert texts[1] == "Also not measured: Albumin."  # 26 or 22 of 100: less than 5 apart
    assert texts[2].startswith(
        "If tumour burden does not matter at all, 14 of 100; if it matters strongly, 27 (simulated"
    )


def test_every_warning_that_there_is() -> None:
    found = worst()
    assert kinds(found) == [
        "unknown product",
        "untrained plan",
        "untrained plan",
        "model and simulator differ",
        "outside training",
        "missing",
        "missing",
        "missing",
        "depends on scenario",
        "depends on scenario",
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
    assert found.warnings[0].text == ("Liver metastases not known: 19 of 100 without, 26 with it.")


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
    assert "Nothing was simulated" in found.changes.none
    assert isinstance(found.risks.grade3plus, NotEstimable)


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


def test_same_numbers_same_bytes(content: PatientExplanation) -> None:
    again = explanation_of(make_facts())
    assert again == content
    assert again.to_html() == content.to_html()
    json.dumps(content.to_dict(), allow_nan=False)
    two = replace(again.risks.grade2plus, of_100=24)
    changed = replace(again, risks=RisksInWords(two, again.risks.grade3plus))
    assert changed.page() != content.page()


def test_it_shows_itself(content: PatientExplanation, tmp_path: Path) -> None:
    assert len(repr(content)) < 2_000
    assert "Of 100 patients like this one, about 23 would" in repr(content)
    assert "no external validation" in repr(content)
    assert 'sandbox="allow-scripts"' in content._repr_html_()  # and nothing of its origin
    content.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == content.to_html()
    shown = [reason.of_100 for reason in (*content.reasons.up, *content.reasons.down)]
    assert content.to_frame()["of_100"].tolist()[:3] == [-6, 5, 4]
    assert sorted(content.to_frame()["of_100"]) == sorted(shown)
    for again in (pickle.loads(pickle.dumps(content)), copy.deepcopy(content)):
        assert again == content
    told = [text.get_text() for text in content.plot().texts]
    assert any(text.startswith("Start 20, all groups together") for text in told)
