"""A check says what would be read and why, proposes, and applies nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from crsrisk.data.table_reading import read_mapping
from crsrisk.data.tables import read_patients
from crsrisk.errors import InputError
from crsrisk.studies.table_check import check_table, propose_mapping

HOSPITAL = pd.DataFrame(
    {
        "Patient": [1, 2],
        "Drug": ["Imdelltra", "Imdelltra"],
        "GENDER": ["1", "2"],
        "CRPBL": [12.0, 3.0],
        "PLT (10^9/L)": [210, 90],
        "Active_infection": ["0", "present"],
        "shoe": [42, 43],
    }
)
MODEL_COLUMNS = ["product", "is_female", "crp_mg_l", "platelets_g_l", "has_infection"]


def test_columns_are_known_proposed_or_unknown_with_reasons() -> None:
    check = check_table(HOSPITAL)
    found = {one.found: (one.name, one.is_read, one.unit) for one in check.columns}
    assert found == {
        "Patient": ("patient_id", False, "1"),
        "Drug": ("product", False, "1"),
        "GENDER": ("is_female", True, "1"),
        "CRPBL": ("crp_mg_l", False, "?"),
        "PLT (10^9/L)": ("platelets_g_l", False, "10^9/L"),
        "Active_infection": ("has_infection", False, "1"),
        "shoe": ("", False, ""),
    }
    assert all(one.why for one in check.columns)
    assert {one.found: one.codes for one in check.columns if one.codes} == {
        "GENDER": ("1", "2"),
        "Active_infection": ("present",),
    }
    assert check.problem
    assert "not yet" in check.summary()


def test_a_proposal_is_applied_only_when_it_is_complete_and_confirmed(tmp_path: Path) -> None:
    place = tmp_path / "mapping.yaml"
    propose_mapping(check_table(HOSPITAL), place)
    with pytest.raises(InputError, match="confirmed"):
        read_mapping(place)
    text = place.read_text().replace("confirmed: false", "confirmed: true")
    place.write_text(text)
    with pytest.raises(InputError, match=r"the unit '\?'"):
        read_patients(HOSPITAL, reading=read_mapping(place), columns=MODEL_COLUMNS)
    place.write_text(
        text.replace('"CRPBL": "?"', '"CRPBL": "mg/dL"')
        .replace('"1": "?"', '"1": "M"')
        .replace('"2": "?"', '"2": "F"')
        .replace('"present": "?"', '"present": "yes"')
    )
    read = read_patients(HOSPITAL, reading=read_mapping(place), columns=MODEL_COLUMNS)
    assert read.frame[MODEL_COLUMNS].to_numpy().tolist() == [
        ["tarlatamab", False, 120.0, 210.0, False],
        ["tarlatamab", True, 30.0, 90.0, True],
    ]


def test_a_registry_is_checked_by_its_own_columns() -> None:
    ward = pd.DataFrame(
        {"id": ["A"], "charttime": ["2024-03-01 08:00"], "Temp": [38.5], "sbp": [1]}
    )
    found = {one.found: one.name for one in check_table(ward, kind="ward").columns}
    assert found == {
        "id": "patient_id",
        "charttime": "datetime",
        "Temp": "temperature_c",
        "sbp": "sbp_mmhg",
    }


def test_a_table_that_can_be_read_has_no_problem() -> None:
    ready = pd.DataFrame({"patient_id": [1], "crp_mg_l": [999.0], "product": ["tarlatamab"]})
    check = check_table(ready.assign(note="x"))
    assert "ferritin_ug_l" in check.problem  # every column is asked for without a model


def test_columns_that_stand_beside_another_are_read_and_not_proposed() -> None:
    table = pd.DataFrame(
        {
            "CRP": [12.0],
            "CRP unit": ["mg/L"],
            "LDH [U/L]": [300],
            "LDH ULN": [250],
            "lab_date": ["2024-03-01"],
            "dose_date": ["2024-03-02"],
        }
    )
    found = {one.found: one for one in check_table(table).columns}
    assert all(one.is_read for one in found.values())
    assert (found["CRP"].name, found["CRP"].unit) == ("crp_mg_l", "of CRP unit")
    assert found["LDH ULN"].why == "upper limits of Lactate dehydrogenase"
    assert found["dose_date"].why == "time of the dose"


def test_date_and_time_of_day_of_a_registry_are_read_and_rows_counted() -> None:
    ward = pd.DataFrame(
        {
            "patient_id": ["A", "B"],
            "date": ["2024-03-01"] * 2,
            "time": ["08:00"] * 2,
            "temperature_c": [38.5, 101.0],
            "sbp_mmhg": [120, 120],
            "has_fluids": [0, 0],
            "n_vasopressors": [0, 0],
            "oxygen_device": ["RA", "RA"],
        }
    )
    check = check_table(ward, kind="ward")
    assert not check.problem
    assert all(one.is_read for one in check.columns)
    assert [trouble.column for trouble in check.troubles] == ["temperature_c"]
