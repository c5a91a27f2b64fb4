"""What a person types, as the page reads it: units, commas, doubts, and the course after a dose."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from crsrisk.data.patient import read_patient
from crsrisk.data.product import PLATFORMS
from crsrisk.fields import FIELDS, LANDMARK_HOURS, columns_of
from crsrisk.model.store import load_model
from crsrisk.report.explorer import InputColumn
from crsrisk.studies.patient_row import with_course
from tests.explorer.node import ask, needs_node

pytestmark = needs_node

COLUMNS = ("age_years", "is_female", "ecog", "crp_mg_l", "albumin_g_l", "ldh_x_uln")
SEEN = {"crp_mg_l": (0.3, 250.0)}


def product(name: str, tumour_type: str) -> dict[str, Any]:
    regimen = {"name": "label", "note": "", "row": {"product": name}, "has_own_dose": False}
    return {
        "name": name,
        "label": name,
        "tumour_type": tumour_type,
        "tumour_label": tumour_type,
        "default_regimen": "label",
        "regimens": [regimen],
    }


PAGE = {
    "products": [
        product("tarlatamab", "small_cell_lung"),
        product("acapatamab", "castration_resistant_prostate"),
    ],
    "columns": [
        InputColumn.of(FIELDS[name]).model_dump() for name in (*COLUMNS, "ldh_upper_limit_u_l")
    ],
    "course": [],
    "hours": [],
    "prophylaxis": [
        {
            "name": "tocilizumab",
            "label": "Tocilizumab (IL-6)",
            "column": "has_tocilizumab_prophylaxis",
        }
    ],
    "identity": {
        "platforms": list(PLATFORMS),
        "product_names": {
            "tarlatamab": "tarlatamab",
            "imdelltra": "tarlatamab",
            "amg160": "acapatamab",
        },
        "tumour_types": {
            "small_cell_lung": {"is_female": None, "youngest_years": 18},
            "castration_resistant_prostate": {"is_female": 0, "youngest_years": 18},
        },
    },
}


def read(*forms: dict[str, str]) -> list[Any]:
    trained = [{"name": name, "trained": span} for name, span in SEEN.items()]
    (answers,) = ask([{"kind": "entries", "page": PAGE, "forms": forms, "trained": trained}])
    return list(answers)


def test_values_are_read_in_their_units() -> None:
    (entries,) = read(
        {
            "product": "Imdelltra",
            "age_years": "66",
            "crp_mg_l": "4,2",
            "crp_mg_l:unit": "mg/dL",
            "ldh_x_uln": "500",
            "ldh_x_uln:unit": "U/L",
            "ldh_upper_limit_u_l": "250",
            "is_female": "no",
            "albumin_g_l": " ",
            "has_tocilizumab_prophylaxis": "yes",
        }
    )
    assert entries["problems"] == {}
    assert entries["product"]["name"] == "tarlatamab"
    row = entries["row"]
    assert (row["age_years"], row["crp_mg_l"], row["ldh_x_uln"]) == (66, 42.0, 2.0)
    assert row["is_female"] is False
    assert row["has_tocilizumab_prophylaxis"] is True
    assert "albumin_g_l" not in row
    assert entries["count"] == 4


@pytest.mark.parametrize(
    ("form", "field", "told", "can_confirm"),
    [
        ({"product": "Imdeltra"}, "product", "Choose one of the list", False),
        ({"crp_mg_l": "about 8"}, "crp_mg_l", "Write a number", False),
        ({"crp_mg_l": "<5"}, "crp_mg_l", "limit of the assay", False),
        ({"crp_mg_l": "1,234"}, "crp_mg_l", "Write 1.234 or 1234", False),
        ({"albumin_g_l": "4.1"}, "albumin_g_l", "4.1 looks like g/dL", False),
        ({"crp_mg_l": "-1"}, "crp_mg_l", "possible is 0 to 1000 mg/L", False),
        ({"crp_mg_l": "600"}, "crp_mg_l", "usual is 0 to 500 mg/L", True),
        ({"crp_mg_l": "45", "crp_mg_l:unit": "mg/dL"}, "crp_mg_l", "45 looks like mg/L", True),
        ({"ldh_x_uln": "400", "ldh_x_uln:unit": "U/L"}, "ldh_upper_limit_u_l", "needs", False),
        ({"ecog": "1.5"}, "ecog", "whole number", False),
    ],
)
def test_a_doubtful_value_is_asked_about(
    form: dict[str, str], field: str, told: str, can_confirm: bool
) -> None:
    plain, confirmed = read(form, form | {f"{field}:confirmed": "yes"})
    assert set(plain["problems"]) == {field}
    assert told in plain["problems"][field]["text"]
    assert plain["problems"][field]["canConfirm"] is can_confirm
    assert (confirmed["problems"] == {}) is can_confirm


def test_sex_follows_from_a_tumour_that_one_sex_has() -> None:
    (entries,) = read({"product": "AMG 160", "is_female": "yes"})
    assert entries["row"]["is_female"] is False


COURSES = [
    {"24 h": {"worst_crs_grade": 0}},
    {
        "6 h": {"worst_crs_grade": 0},
        "12 h": {"worst_crs_grade": 1},
        "24 h": {"worst_crs_grade": 1, "crp": "61 mg/L"},
    },
    {
        "6 h": {"crp": "44 mg/L", "highest_temperature": "38.3 °C", "worst_crs_grade": 0},
        "12 h": {"crp": "51 mg/L", "lowest_pressure": "71 mmHg", "worst_crs_grade": 0},
        "24 h": {
            "crp": "40.7 mg/L",
            "il6": "110 pg/mL",
            "highest_temperature": "37.9 °C",
            "lowest_pressure": "83 mmHg",
            "lowest_saturation": "94 %",
            "worst_crs_grade": 1,
        },
    },
]


def test_the_course_becomes_the_columns_of_the_model() -> None:
    contract = load_model("landmark_24h-0.1.0").contract
    hours = [hour for hour in LANDMARK_HOURS if hour <= contract.landmark_h]
    asked, expected = [], []
    for course in COURSES:
        patient = read_patient({"product": "tarlatamab", "crp": "42.1 mg/L", "course": course})
        before = pd.DataFrame([dict.fromkeys(columns_of("observed"), float("nan"))])
        before["crp_mg_l"] = 42.1
        after = with_course(patient, before, contract=contract).iloc[0]
        expected.append({name: after[name] for name in contract.column_names if "__" in name})
        readings = [
            [hour, {stem: one.value for stem, one in some.items()}]
            for hour, some in patient.course.items()
        ]
        asked.append({"row": {"crp_mg_l": 42.1}, "readings": readings})
    job = {"kind": "course", "contract": contract.model_dump(), "hours": hours, "patients": asked}
    (answers,) = ask([job])
    for answer, columns in zip(answers, expected, strict=True):
        found = {name: answer["row"][name] for name in columns}
        assert found == {name: None if value != value else value for name, value in columns.items()}


@pytest.mark.parametrize(
    ("readings", "told"),
    [
        ([], "grade at 24 h is needed"),
        ([[24, {"grade__max": 2}]], "nothing is left to predict"),
        ([[6, {"grade__max": 1}], [24, {"grade__max": 0}]], "cannot fall"),
        ([[24, {"grade__max": 1}]], "grade at 6 h is needed"),
    ],
)
def test_a_course_that_cannot_be_read_says_why(readings: list[Any], told: str) -> None:
    contract = load_model("landmark_24h-0.1.0").contract.model_dump()
    patients = [{"row": {}, "readings": readings}]
    job = {"kind": "course", "contract": contract, "hours": [6, 12, 24], "patients": patients}
    (answers,) = ask([job])
    assert told in answers[0]["problem"]
