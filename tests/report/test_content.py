"""What the report says, before it is a page: numbers, sentences, refusals."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.risk_model import Variable
from crsrisk.errors import InputError
from crsrisk.plots.chart_data import RatesCell
from crsrisk.report.bedside import DescribedValue, RiskInWords, describe_patient
from crsrisk.report.content import ReportContent, build_content, direction
from crsrisk.report.example_patients import BeforeDose2
from crsrisk.report.patients import MAX_PRODUCTS, table_one
from crsrisk.report.sections import Table
from crsrisk.results import Estimate, to_plain
from crsrisk.wording import (
    NOTICE,
    about_of_100,
    number,
    of_100,
    risk_in_words,
    short_labels,
    typeset,
    window_in_words,
)

Parts = dict[str, Any]
risks = st.floats(min_value=0, max_value=1)


def texts(tree: Any) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from texts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from texts(value)


def tables(part: object) -> Iterator[Table]:
    """Every table in the content."""
    if isinstance(part, Table):
        yield part
    elif is_dataclass(part):
        for field in fields(part):
            yield from tables(getattr(part, field.name))
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from tables(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from tables(value)


def cells_of(table: Table, label: str) -> list[Any]:
    """The cells of the row of that label."""
    (row,) = [row for group in table.groups for row in group.rows if row.label == label]
    return list(row.cells)


# --- words


@given(risk=risks)
def test_a_risk_is_said_of_100_with_its_window(risk: float) -> None:
    sentence = risk_in_words(risk, event="CRS of grade 2 or more", window_d=21.0)
    assert sentence.startswith("Of 100 patients like this one, ")
    assert sentence.endswith(
        "would develop CRS of grade 2 or more within 21 days after the first dose."
    )
    assert re.search(r", (about \d+|fewer than 1|more than 99) would ", sentence)


@given(one=risks, other=risks)
def test_more_risk_is_never_fewer_of_100(one: float, other: float) -> None:
    assert of_100(min(one, other)) <= of_100(max(one, other))


@pytest.mark.parametrize(
    ("risk", "told"),
    [
        (0.0, "about 0"),
        (0.004, "fewer than 1"),
        (0.996, "more than 99"),
        (1.0, "about 100"),
        (0.5, "about 50"),
    ],
)
def test_nobody_and_everybody_are_said_only_when_meant(risk: float, told: str) -> None:
    assert about_of_100(risk) == told


@pytest.mark.parametrize("risk", [-0.01, 1.01, 23.0, float("nan")])
def test_a_risk_outside_0_and_1_is_refused(risk: float) -> None:
    with pytest.raises(InputError):
        of_100(risk)


def test_numbers_in_print() -> None:
    assert number(-0.004, digits=2) == "0.00"  # no minus before a zero
    assert number(float("nan")) == "–"
    assert typeset("DeLLphi-300/-301, -3 and 2.1 x ULN") == "DeLLphi-300/-301, −3 and 2.1 × ULN"


def test_two_products_of_one_short_name_keep_their_whole_labels() -> None:
    labels = short_labels({"a": "CAR-T (one)", "b": "CAR-T (two)", "c": "TIL (three)"})
    assert labels == {"a": "CAR-T (one)", "b": "CAR-T (two)", "c": "TIL"}


# --- the whole report


def test_content_is_json_and_the_same_twice(experiment: Parts, content: ReportContent) -> None:
    plain = to_plain(content)
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    assert json.dumps(to_plain(build_content(**experiment)), allow_nan=False) == text


def test_content_has_the_documented_parts(content: ReportContent) -> None:
    assert [field.name for field in fields(content)] == [
        "format",
        "title",
        "notice",
        "question",
        "event",
        "window",
        "key_figures",
        "first_words",
        "cohort",
        "published",
        "performance",
        "trial",
        "drivers",
        "patients",
        "generator",
        "limits",
        "making",
        "evaluation",
        "labels",
    ]


def test_content_survives_pickle_and_copying(content: ReportContent) -> None:
    for again in (pickle.loads(pickle.dumps(content)), copy.deepcopy(content)):
        assert to_plain(again) == to_plain(content)


def test_content_shows_itself_shortly(content: ReportContent) -> None:
    assert len(repr(content)) < 2000
    assert "Who will develop CRS" in content.summary()
    assert content.to_dict() == to_plain(content)


def test_no_other_denominator_and_no_number_needed_to_treat(content: ReportContent) -> None:
    for text in texts(to_plain(content)):
        assert not re.search(r"\b(1|one) in \d", text), text
        assert "NNT" not in text
        assert "number needed" not in text.lower()


def test_every_table_has_a_title_a_number_and_full_rows(content: ReportContent) -> None:
    every = list(tables(content))
    keys, numbers = [table.key for table in every], [table.number for table in every]
    assert len(every) > 12
    assert len(set(keys)) == len(keys)
    assert len(set(numbers)) == len(numbers)
    for table in every:
        assert table.title
        for group in table.groups:
            for row in group.rows:
                assert len(row.cells) == len(table.columns), (table.key, row.label)


def test_the_window_names_the_products_that_differ(content: ReportContent) -> None:
    assert content.window == "within 21 days after the first dose (Anti-PD-1: 60 days)"


def test_each_reader_has_first_words(content: ReportContent) -> None:
    read = {words.reader: " ".join(words.sentences) for words in content.first_words}
    assert list(read) == ["Data scientist", "Trial designer", "Clinician"]
    assert "95% interval" in read["Data scientist"]
    assert (
        "within 30 hours of the most recent dose with Tarlatamab, within 38 days with Anti-PD-1"
        in read["Trial designer"]
    )
    assert (
        "about 23 would develop CRS of grade 2 or more within 21 days after the first dose"
        in read["Clinician"]
    )
    assert read["Clinician"].endswith(NOTICE)


def test_pooled_and_within_product_stand_apart(content: ReportContent) -> None:
    for table in content.performance.tables:
        pooled, within = table.groups
        assert [row.label for row in pooled.rows] == ["All products"]
        assert "mix of products" in pooled.label
        assert len(within.rows) == 3


def test_not_estimable_is_said_with_its_reason(content: ReportContent) -> None:
    calibration = content.performance.tables[1]
    evil = content.labels["evil"]
    assert "not estimable" in cells_of(calibration, evil)
    assert any(note.startswith(evil) and "needs 30 of each" in note for note in calibration.notes)
    assert any(
        "net benefit needs at least 100" in note
        for note in content.performance.net_benefit_not_estimable
    )
    assert "evil" not in content.performance.calibrated
    assert any("decision curve" in sentence and evil in sentence for sentence in content.limits)


def test_the_benchmark_goes_from_the_oracle_down_to_the_null(content: ReportContent) -> None:
    labels = [mark.label for mark in content.performance.benchmark.marks]
    assert labels == [
        "Oracle: what was observed",
        "This model",
        "Product only: its event rate",
        "Null: one risk for everybody",
    ]


def test_the_benchmark_says_what_class_of_model_it_is(content: ReportContent) -> None:
    notes = content.performance.benchmark.table.notes
    assert "This model: Seven trees of ten tried." in notes


def test_without_a_benchmark_nothing_is_claimed(experiment: Parts) -> None:
    evaluation = replace(experiment["evaluation"], benchmark=None)
    content = build_content(**{**experiment, "evaluation": evaluation})
    assert content.performance.benchmark is None
    assert all("learnt" not in figure.label for figure in content.key_figures)


def test_a_number_that_is_none_never_gets_through(experiment: Parts) -> None:
    with pytest.raises(ValueError, match="came out as inf"):
        build_content(**{**experiment, "manifest": {"seed": float("inf")}})


# --- the cohort


def test_table_one_known_answer() -> None:
    observed = pd.DataFrame(
        {
            "patient_id": range(4),
            "product": ["a", "a", "b", "b"],
            "platform": "tce",
            "is_female": [True, False, True, True],
            "age_years": [60.0, 70.0, 50.0, 50.0],
            "ecog": [0, 1, 1, 1],
            "crp_mg_l": [2.0, np.nan, 4.0, 6.0],
            "n_metastatic_sites": [1, 3, 2, 2],
        }
    )
    (table,) = table_one(observed, labels={"a": "A", "b": "B"})
    assert [column.sub for column in table.columns] == [
        "n = 2",
        "n = 2",
        "n = 4",
        "of 100, all",
    ]
    assert cells_of(table, "Sex: female") == ["1 (50)", "2 (100)", "3 (75)", ""]
    assert cells_of(table, "Age") == ["65 (62–68)", "50", "55 (50–62)", ""]
    assert cells_of(table, "ECOG score 1") == ["1 (50)", "2 (100)", "3 (75)", ""]
    assert cells_of(table, "C-reactive protein") == ["2", "5.0 (4.5–5.5)", "4.0 (3.0–5.0)", "25"]
    assert cells_of(table, "Metastatic sites") == ["2 (2–2)", "2", "2 (2–2)", ""]


def test_many_products_are_split_over_tables(experiment: Parts) -> None:
    parts = [experiment["cohort"].observed.assign(product=f"p{k}") for k in range(MAX_PRODUCTS + 1)]
    observed = pd.concat([part.head(5) for part in parts])
    found = table_one(observed, labels={f"p{k}": f"P{k}" for k in range(MAX_PRODUCTS + 1)})
    assert [table.number for table in found] == ["1a", "1b"]
    assert [len(table.columns) for table in found] == [MAX_PRODUCTS + 2, 3]


def test_outcomes_carry_window_and_wilson_interval(
    experiment: Parts, content: ReportContent
) -> None:
    cells = cells_of(content.cohort.outcomes, "Anti-PD-1")
    part = experiment["cohort"].outcomes[
        (experiment["cohort"].observed["product"] == "checkpoint_inhibitor").to_numpy()
    ]
    n, share = len(part), part["crs_grade2plus"].mean()
    centre, half = (
        (share + 1.92 / n) / (1 + 3.84 / n),
        1.96 * np.sqrt(share * (1 - share) / n + 0.96 / n**2) / (1 + 3.84 / n),
    )
    assert cells[:2] == ["240", "60"]
    assert (
        cells[3] == f"{100 * share:.1f} ({100 * (centre - half):.1f}–{100 * (centre + half):.1f})"
    )


def test_onset_curves_end_at_the_rates(experiment: Parts, content: ReportContent) -> None:
    for product, curve in content.trial.onset.items():
        part = experiment["cohort"].outcomes[
            (experiment["cohort"].observed["product"] == product).to_numpy()
        ]
        assert curve.time_d[0] == 0
        assert curve.time_d[-1] == part["window_d"].iloc[0]
        assert curve.any_per100[0] == 0
        assert curve.any_per100[-1] == pytest.approx(100 * part["crs_any"].mean(), abs=1e-3)
        assert np.all(np.diff(curve.grade2plus_per100) >= 0)
        assert np.all(np.array(curve.any_per100) >= np.array(curve.grade2plus_per100))


# --- simulated against published


def test_rows_that_differ_and_rows_that_cannot_be_judged_stay(content: ReportContent) -> None:
    rates, times = content.published.tables
    assert len(content.published.comparisons) == 3
    assert cells_of(rates, "CRS of any grade")[:3] == ["57 (52–61)", "473", "55 ± 1.0"]
    differs = cells_of(rates, "CRS of grade ≥ 3 †")  # recalled: marked
    assert differs[0] == "1.2 (0.5–3.0)"
    assert differs[4] == "differs"
    open_ = cells_of(times, "Median time to CRS")
    assert open_[:3] == ["11.0 d", "–", "–"]
    assert open_[3].published == 11.0 * 24
    assert open_[3].low is None
    assert open_[4] == "not judged: published without a size"
    assert "60 days" in times.groups[0].sub


def test_the_tally_counts_every_use(content: ReportContent) -> None:
    tally = content.published.tally
    assert cells_of(tally, "All figures")[1:4] == ["3", "2", "1"]
    assert cells_of(tally, "In the likelihood")[1:4] == ["2", "2", "1"]
    assert cells_of(tally, "Shown only")[1:4] == ["1", "0", "0"]
    assert any("1 differ and 1 cannot be judged" in sentence for sentence in content.limits)


# --- trial tables


def test_mitigations_against_none_in_the_same_patients(content: ReportContent) -> None:
    table = content.trial.mitigations.tables[0]
    assert table.title == "Tarlatamab, within 21 days after the first dose"
    assert [row.label for row in table.groups[0].rows] == ["None added", "Tocilizumab"]
    assert cells_of(table, "None added")[1:] == ["35.0 ± 1.0", "–", "3.5 ± 0.5", "–"]
    assert cells_of(table, "Tocilizumab") == [
        RatesCell(0.35 * 0.6, 0.35 * 0.6 / 10),
        "21.0 ± 1.0",
        "−14.0 ± 0.3",
        "2.1 ± 0.5",
        "−1.4 ± 0.2",
    ]
    assert "of paired differences" in content.trial.mitigations.notes[0]


def test_a_product_without_the_arm_none_is_refused(experiment: Parts) -> None:
    _, *others = reversed(experiment["mitigation_arms"])
    with pytest.raises(InputError, match="checkpoint_inhibitor, none"):
        build_content(**{**experiment, "mitigation_arms": others})


def test_hours_that_cannot_be_estimated_are_a_dash(content: ReportContent) -> None:
    table = content.trial.observation.table
    assert cells_of(table, content.labels["evil"])[:4] == ["0", "–", "–", "–"]
    assert cells_of(table, "Tarlatamab")[:4] == ["90", "14", "30", "40"]


# --- drivers


def test_drivers_are_sorted_and_grouped_by_clinical_variable(
    experiment: Parts, content: ReportContent
) -> None:
    drivers = content.drivers.drivers
    points = 100 * np.abs(experiment["explanation"].points).mean(axis=0)
    assert [driver.mean_points for driver in drivers] == pytest.approx(
        sorted(points, reverse=True), abs=1e-5
    )
    assert {driver.variable: driver.direction for driver in drivers} == {
        "product": "differs by product",
        "crp_mg_l": "higher raises",
        "is_stepped_up": "yes lowers",
    }


def test_a_direction_needs_patients_who_differ() -> None:
    variable = Variable(
        name="x", label="X", unit="1", kind="cause", role="fact", theme="host", why=""
    )
    constant, few = pd.Series([1.0] * 50), pd.Series([1.0, 2.0, 3.0] + [np.nan] * 47)
    spread = np.linspace(-1, 1, 50)
    assert direction(constant, spread, variable=variable) == "too few differ"
    assert direction(few, spread, variable=variable) == "too few differ"
    assert direction(pd.Series(np.abs(spread)), spread, variable=variable) == "mixed"
    assert direction(pd.Series(-spread), spread, variable=variable) == "higher lowers"


# --- patients


def test_a_patient_has_both_risks_their_intervals_and_what_they_cover(
    content: ReportContent,
) -> None:
    patient = content.patients[0]
    for name, told in (("grade2plus", "about 23"), ("grade3plus", "about 4")):
        risk: RiskInWords = getattr(patient.risks, name)
        assert told in risk.sentence
        assert window_in_words(21.0) in risk.sentence
        assert risk.notice == NOTICE
    assert (
        patient.risks.grade2plus.interval
        == "Refit range 15 to 34 of 100: from refitting the model; it does not hold differences"
        " between hospitals."
    )
    assert (patient.icons.n_grade2plus, patient.icons.n_grade3plus) == (23, 4)
    assert patient.resimulated.endswith(
        "about 26 of 100 had CRS of grade 2 or more within 21 days after the first dose."
    )
    assert content.patients[2].risks.grade2plus.window == window_in_words(60.0)


def test_reasons_add_up_and_counter_evidence_is_shown(content: ReportContent) -> None:
    for patient in content.patients:
        reasons = patient.reasons
        shown = sum(reason.of_100 for reason in (*reasons.up, *reasons.down))
        assert reasons.base_of_100 + shown + reasons.rest_of_100 == patient.risks.grade2plus.of_100
        assert [reason.of_100 for reason in reasons.up] == [5]
        assert [reason.of_100 for reason in reasons.down] == [-8, -2, -1]
        assert reasons.levers == ("lymphocytes",)
    assert content.patients[0].reasons.down[2].sentence == "Product: Tarlatamab lowers the risk."


def test_the_estimate_before_dose_2_says_what_it_counts(content: ReportContent) -> None:
    later = content.patients[0].before_dose_2
    assert later.title == "Before dose 2, 7 days after dose 1"
    assert later.known == ("highest temperature 38.4 °C",)
    assert (
        "about 10 would develop CRS of grade 2 or more at dose 2 or later within 21 days"
        in later.risk.sentence
    )
    assert "without grade 2 or more so far" in later.change
    assert content.patients[1].before_dose_2 == BeforeDose2(
        "Before dose 2", reason="There is no dose 2."
    )


def test_models_that_contradict_each_other_are_not_drawn_together(experiment: Parts) -> None:
    example = replace(experiment["examples"][0], risk_grade3plus=Estimate(0.4, 0.3, 0.5))
    patient = build_content(**{**experiment, "examples": [example]}).patients[0]
    assert patient.icons.n_grade3plus is None
    assert "contradict" in patient.warnings[0]


def test_an_estimate_outside_its_range_is_said_and_a_turned_range_refused(
    experiment: Parts,
) -> None:
    example = experiment["examples"][0]
    outside = replace(example, risk_grade2plus=Estimate(0.4, 0.15, 0.34))
    patient = build_content(**{**experiment, "examples": [outside]}).patients[0]
    assert patient.risks.grade2plus.interval.endswith(
        "The estimate itself lies outside this range."
    )
    turned = replace(example, risk_grade2plus=Estimate(0.4, 0.34, 0.15))
    with pytest.raises(InputError, match=r"examples\[0\].risk_grade2plus"):
        build_content(**{**experiment, "examples": [turned]})


def test_a_patient_is_described_with_units_and_usual_ranges(experiment: Parts) -> None:
    observed = (
        experiment["cohort"]
        .observed.head(1)
        .assign(crp_mg_l=61.04, ferritin_ug_l=np.nan, has_infection=False)
    )
    rows = {row.label: row for row in describe_patient(observed, row=0)}
    assert rows["C-reactive protein"] == DescribedValue(
        label="C-reactive protein", value="61", unit="mg/L", usual="0 to 5", is_outside=True
    )
    assert rows["Ferritin"].value == "not measured"
    assert rows["Ferritin"].unit == ""
    assert not rows["Ferritin"].is_outside
    assert "Infection" not in rows  # flags that are not set are left out
    assert rows["Step-up dosing"].value == "yes"


# --- how it was made


def test_the_manifest_is_shown_whole(content: ReportContent) -> None:
    found = {table.title: table for table in content.making.tables}
    assert list(found) == ["Settings", "Versions", "Cohort / arms"]
    assert cells_of(found["Settings"], "seed") == ["1"]
    assert cells_of(found["Versions"], "nested / deep") == ["1; 2"]
    assert cells_of(found["Cohort / arms"], "tarlatamab") == ["21"]
