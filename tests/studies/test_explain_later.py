"""One patient some hours after the first dose: the row, reasons in words, gaps, reference, and what
is simulated.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.patient import PatientFile, read_patient
from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.model.companions import save_companions
from crsrisk.model.landmark import landmark_table
from crsrisk.model.predict import predict
from crsrisk.model.store import load_model, save_model
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.explain import (
    BedsideModel,
    arm_of,
    estimates,
    explain_patient,
    load_bedside,
    missing_ranges,
    reference_row,
    row_of,
    simulate_later,
    simulated_values,
    with_course,
    worst_grade,
)
from crsrisk.studies.explain_table import explain_table
from tests.simulation.people import arm_of as arm
from tests.simulation.people import world_of

PATIENT = """\
product: tarlatamab
age: 66 years
sex: female
crp: 4.2 mg/dL
ecog: 1
course:
  6 h: {crp: 44 mg/L, highest_temperature: 37.1 °C}
  12 h: {crp: 61 mg/L, highest_temperature: 38.2 °C, worst_crs_grade: 0}
  24 h: {crp: 52 mg/L, highest_temperature: 37.4 °C, lowest_pressure: 80 mmHg, worst_crs_grade: 1}
"""


def released(name: str) -> str:
    return next(one for one in sorted(names("released")) if one.startswith(name))


@pytest.fixture(scope="module")
def bedside() -> BedsideModel:
    """The 24 h model that ships."""
    return load_bedside(find("released", released("landmark_24h")))


def read(tmp_path: Path, text: str = PATIENT) -> PatientFile:
    place = tmp_path / "one.yaml"
    place.write_text(text, encoding="utf-8")
    return read_patient(place)


def row(tmp_path: Path, bedside: BedsideModel, text: str = PATIENT) -> pd.DataFrame:
    patient = read(tmp_path, text)
    return with_course(
        patient,
        row_of(patient, arm=arm_of(patient, world=world_of())),
        contract=bedside.model.contract,
    )


def test_the_row_is_what_the_model_learnt_from(bedside: BedsideModel, tmp_path: Path) -> None:
    """By hand: CRP is 42, 44, 61, 52 mg/L at 0, 6, 12, 24 h; a later lower temperature does not
    count.
    """
    one = row(tmp_path, bedside).iloc[0]
    assert (one["crp_mg_l__h24"], one["crp_mg_l__max__h24"]) == (52.0, 61.0)
    slope = np.polyfit([0, 6, 12, 24], [42, 44, 61, 52], 1)[0]
    assert one["crp_mg_l__slope__h24"] == pytest.approx(slope)
    assert one["temperature_c__max__h24"] == 38.2
    assert one["temperature_c__slope__h24"] == pytest.approx(
        np.polyfit([6, 12, 24], [37.1, 38.2, 38.2], 1)[0]
    )
    assert (one["grade__max__h24"], one["grade__onset__h24"]) == (1.0, 24.0)
    assert np.isnan(one["il6_pg_ml__h24"])
    assert np.isnan(one["map_mmhg__slope__h24"]), "one reading has no slope"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("worst_crs_grade: 0", "worst_crs_grade: 2", "CRS of grade 2 by 24 h"),
        ("worst_crs_grade: 1", "worst_crs_grade: 3", "CRS of grade 3 by 24 h"),
        (", worst_crs_grade: 1", "", "no worst_crs_grade at 24 h"),
        (", worst_crs_grade: 0", "", "no worst_crs_grade at 6 h"),
        (
            "worst_crs_grade: 0}\n  24 h: {",
            "worst_crs_grade: 1}\n  24 h: {worst_crs_grade: 0}\n  36 h: {",
            "falls from 1 to 0",
        ),
    ],
)
def test_a_course_that_leaves_nothing_to_foretell_or_says_too_little(
    bedside: BedsideModel, tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in PATIENT
    with pytest.raises(InputError, match=says) as refused:
        row(tmp_path, bedside, PATIENT.replace(old, new))
    assert "one.yaml, line 6, course" in str(refused.value)


def test_no_crs_at_the_landmark_is_none_before(bedside: BedsideModel, tmp_path: Path) -> None:
    text = PATIENT.replace(", worst_crs_grade: 0", "").replace(
        "worst_crs_grade: 1", "worst_crs_grade: 0"
    )
    assert np.isnan(row(tmp_path, bedside, text)["grade__onset__h24"].iloc[0])


def test_a_gap_of_the_course_moves_as_one(bedside: BedsideModel, tmp_path: Path) -> None:
    """IL-6 was never read: last, highest and slope go together from low to high."""
    observed = row(tmp_path, bedside)
    group = bedside.beside.reference["tarlatamab"]
    found = {one.column: one for one in missing_ranges(bedside, observed)}
    assert "il6_pg_ml__h24" in found
    assert not {
        "il6_pg_ml__max__h24",
        "il6_pg_ml__slope__h24",
        "crp_mg_l__h24",
        "grade__onset__h24",
    } & set(found)
    low = observed.assign(
        **{name: group.low[name] for name in group.low if name.startswith("il6_pg_ml__")}
    )
    assert found["il6_pg_ml__h24"].risks[0] == predict(bedside.model, low).risk[0]


def test_the_reference_patient_without_crs_has_no_onset(bedside: BedsideModel) -> None:
    for group in bedside.beside.reference.values():
        typical = reference_row(group)
        assert (typical["grade__max__h24"] == 1.0) == (
            typical["grade__onset__h24"] == typical["grade__onset__h24"]
        )


def test_the_page(bedside: BedsideModel, tmp_path: Path) -> None:
    read(tmp_path)
    content = explain_patient(bedside, tmp_path / "one.yaml", seed=3, n_members=6, n_people=300)
    again = explain_patient(
        bedside, tmp_path / "one.yaml", seed=3, n_members=6, n_people=300, workers=2
    )
    assert content == again
    json.dumps(content, allow_nan=False)
    risk = content["risks"]["grade2plus"]
    assert risk["risk"] == estimates(bedside, row(tmp_path, bedside))["grade2plus"][0].value
    assert risk["low"] < risk["risk"] < risk["high"]
    assert content["window"] == "later than 24 hours and within 21 days after the first dose"
    course = {
        one["variable"]: one
        for one in (*content["reasons"]["up"], *content["reasons"]["down"])
        if one["theme"] == "course"
    }
    assert course
    assert {one["kind"] for one in course.values()} == {"mediator"}
    assert (
        sum(one["of_100"] for one in content["themes"])
        == risk["of_100"] - content["reasons"]["base_of_100"]
    )
    known = {one["column"]: one for one in content["known"]}
    assert known["crp_mg_l__h12"]["value"] == "61"
    lines = [line for part in content["use"] for line in part["lines"]]
    assert any(line.startswith("24 hours after the first dose") for line in lines)
    assert not any("not after the first dose" in line or "{" in line for line in lines)
    assert "before the first dose" in content["changes"]["none"]
    assert all("dose 2" in one["label"] for one in content["changes"]["rows"])


def test_a_neighbour_of_another_hour_says_nothing(bedside: BedsideModel, tmp_path: Path) -> None:
    """A model of before the dose counts grade 3 from the dose on, in everybody: not beside one of
    those still at risk.
    """
    save_model(load_model(find("released", released("grade3plus"))), tmp_path / "grade3plus")
    folder = save_model(bedside.model, tmp_path / "later")
    save_companions(
        folder,
        model=bedside.model,
        reference=bedside.beside.reference,
        refits=None,
        grade3plus="grade3plus",
    )
    found = load_bedside(folder)
    assert found.beside.grade3plus is None
    assert set(estimates(found, row(tmp_path, found))) == {"grade2plus"}


def test_a_later_reading_and_a_model_of_before_the_dose_are_told(
    bedside: BedsideModel, tmp_path: Path
) -> None:
    read(tmp_path, PATIENT + "  36 h: {crp: 40 mg/L}\n")
    content = explain_patient(bedside, tmp_path / "one.yaml", has_simulation=False)
    assert any("36 h are not used" in one["text"] for one in content["warnings"])
    assert "crp_mg_l__h36" not in {one["column"] for one in content["known"]}
    before = load_bedside(find("released", released("baseline")))
    content = explain_patient(before, tmp_path / "one.yaml", has_simulation=False)
    assert content["warnings"][0]["kind"] == "course not read"
    assert content["window"] == "within 21 days after the first dose"


def test_a_table_speaks_of_those_at_risk(bedside: BedsideModel, tmp_path: Path) -> None:
    cohort = simulate_cohort([arm("tarlatamab")], world=world_of(), n_patients=30, seed=5)
    known = landmark_table(cohort.observed, cohort.course, hour=24)
    known.to_csv(tmp_path / "t.csv", index=False)
    tree = explain_table(
        bedside, tmp_path / "t.csv", units={}, mapping={}, ldh_upper_limit_u_l=None
    )
    risks = [one["risks"]["grade2plus"]["risk"] for one in tree["rows"]]
    assert risks == pytest.approx(predict(bedside.model, known).risk.tolist(), abs=1e-9)
    assert tree["landmark_h"] == 24
    assert any(
        "by 24 h" in reason["sentence"]
        for one in tree["rows"]
        for reason in (*one["up"], *one["down"])
    )


def test_with_too_few_such_people_nothing_is_said(tmp_path: Path, bedside: BedsideModel) -> None:
    patient = read(tmp_path)
    found, later = simulate_later(
        simulated_values(patient),
        arm=arm_of(patient, world=world_of()),
        world=world_of(),
        hour=24,
        worst_grade=worst_grade(row(tmp_path, bedside)),
        seed=1,
        n_members=2,
        n_people=50,
    )
    assert found is None
    assert later.n_kept == 0
    assert later.n_simulated == 100
