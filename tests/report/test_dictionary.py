"""The data dictionary is the field table, printed: nothing more, nothing less."""

from __future__ import annotations

import re

import pytest

from crsrisk.fields import FIELDS, Table, columns_of
from crsrisk.report.dictionary import data_dictionary, data_dictionary_markdown


def test_every_column_stands_once_with_meaning_unit_range_and_source() -> None:
    dictionary = data_dictionary().set_index("column")
    assert list(dictionary.index) == list(FIELDS)
    assert (dictionary["meaning"] != "").all()
    assert (dictionary["source"] != "").all()
    numbers = dictionary[dictionary["type"].isin(["number", "whole number"])].drop(
        index="patient_id"
    )
    assert (numbers["possible"] != "").all()
    for name, row in dictionary.iterrows():
        unit = FIELDS[str(name)].unit
        assert row["unit"] == ("" if unit == "1" else unit)


@pytest.mark.parametrize("table", ["observed", "input", "outcomes", "course"])
def test_one_table_has_its_own_columns(table: Table) -> None:
    own = [name for name in columns_of(table) if table == "observed" or name != "patient_id"]
    assert data_dictionary(table=table)["column"].tolist() == own


def test_a_row_says_what_is_read_and_refused() -> None:
    row = data_dictionary().set_index("column").loc["albumin_g_l"]
    assert row["unit"] == "g/L"
    assert row["also read"] == "albumin [g/dL]"
    assert (row["possible"], row["plausible"], row["usual"]) == ("8 to 70", "15 to 55", "35 to 46")
    assert row["LOINC"] == "1751-7"
    assert row["may be missing"] == "yes"
    assert "NHANES" in row["source"]


def test_markdown_has_every_column_in_tables_of_equal_rows() -> None:
    text = data_dictionary_markdown()
    for name in FIELDS:
        assert f"| {name} |" in text
    widths: list[int] = []
    for block in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(counts) == 1
        widths += counts
    assert len(widths) == 4
    assert "LOINC is copyright" in text
    assert "synthetic" in text
    assert text == data_dictionary_markdown()
