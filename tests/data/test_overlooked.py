"""Columns that say something of another one are read, refused or left beside their own."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest

from crsrisk.data.columns import OBSERVED, recognise
from crsrisk.data.overlooked import refuse_long, refuse_overlooked, usual_names
from crsrisk.data.table_files import open_table
from crsrisk.data.table_reading import TableReading
from crsrisk.data.ward_columns import WARD
from crsrisk.errors import InputError
from crsrisk.fields import Field


def looked_at(fields: Mapping[str, Field] = OBSERVED, **cells: object) -> list[str]:
    """The columns that are told of by their usual name; refuses what would be overlooked."""
    source = open_table(pd.DataFrame({"patient_id": ["A"], **cells}))
    how = TableReading()
    found = recognise(list(source.cells.columns), where="table", how=how, fields=fields)
    refuse_overlooked(source, found, how=how, fields=fields)
    return [name for name, _, _ in usual_names(found, fields=fields)]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("CRPU", "mg/dL"),
        ("units of CRP", "mg/L"),
        ("LBORRESU", "10^9/L"),
        ("lab_units", "mm"),
        ("unit", "kg"),
    ],
)
def test_units_of_no_column_are_refused(name: str, word: str) -> None:
    with pytest.raises(InputError, match="a column of units that belongs to no column"):
        looked_at(crp_mg_l=[1.0], **{name: word})


@pytest.mark.parametrize(
    ("name", "word"), [("care_unit", "ICU"), ("sex", "F"), ("group", "g"), ("dose", "mg/kg")]
)
def test_other_words_are_no_units(name: str, word: str) -> None:
    looked_at(WARD, **{name: word})


def test_a_scale_of_temperature_is_a_column_of_units() -> None:
    with pytest.raises(InputError, match="temp_scale"):
        looked_at(WARD, temperature_c=[38.5], temp_scale="F")


def test_units_and_limits_of_a_column_that_is_not_read_are_left() -> None:
    beside = {"sodium": [140], "sodium_unit": "mmol/L", "AST": [30], "AST_unit": "U/L"}
    looked_at(crp_mg_l=[1.0], **beside, AST_ULN=[40], bilirubin_x_uln=[2.0])


@pytest.mark.parametrize("name", ["ULN", "uln of LDH", "LDH upper limit, site lab"])
def test_limits_of_no_column_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="a column of upper limits that belongs to no column"):
        looked_at(ldh_x_uln=[1.0], **{name: [250]})


def test_usual_names_of_what_is_lacking_are_told() -> None:
    told = looked_at(WARD, oxygen_device="NC", **{"O2 flow": [8], "ALT baseline": [4], "dog": [1]})
    assert told == ["O2 flow", "ALT baseline"]
    assert looked_at(WARD, oxygen_flow_l_min=[8], lpm=[8]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("VSTESTCD", "VSORRES"), ("LBTESTCD", "LBSTRESN"), ("Analyte", "Result"), ("code", "value")],
)
def test_a_long_table_is_refused_for_its_shape(name: str, value: str) -> None:
    source = open_table(pd.DataFrame({"patient_id": ["A"], name: ["CRP"], value: [4.2]}))
    with pytest.raises(InputError, match="one row a value"):
        refuse_long(source)


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ({"field_name": ["crp", "age"], "value": ["4.2", "60"]}, "one row a value"),
        ({"Parameter": ["CRP", "LDH"], "Wert": ["4,2", "310"]}, "one row a value"),
        (
            {"AESEQ": [1, 2], "AEDECOD": ["Fatigue", "Cytokine release syndrome"]},
            "one row an event",
        ),
        ({"drug_concept_id": [1, 2]}, "one row an event"),
        (
            {"redcap_event_name": ["baseline", "day 1"], "crp_mg_l": [4.2, 50.0]},
            "patient and visit",
        ),
    ],
)
def test_a_table_with_several_rows_a_patient_is_refused_by_its_shape(
    cells: dict[str, list[object]], what: str
) -> None:
    source = open_table(pd.DataFrame({"patient_id": ["A", "A"], **cells}))
    with pytest.raises(InputError, match=f"{what}.*one row a patient"):
        refuse_long(source)


def test_visits_are_rows_of_a_registry_and_one_event_is_no_visit() -> None:
    cells = {"patient_id": ["A", "B"], "redcap_event_name": ["baseline", "day 1"]}
    refuse_long(open_table(pd.DataFrame(cells)), has_times=True)
    refuse_long(open_table(pd.DataFrame(cells | {"redcap_event_name": "baseline"})))
