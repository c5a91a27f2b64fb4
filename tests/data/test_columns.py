"""Headers: every spelling of a column is recognised with its unit, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest

from crsrisk.data.columns import OBSERVED, Recognised, missing_columns, recognise
from crsrisk.data.table_reading import TableReading
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, columns_of

REQUIRED = [name for name in columns_of("observed") if FIELDS[name].is_required]
SPELLINGS = [
    (name, spelling) for name in columns_of("observed") for spelling in FIELDS[name].spellings
]


def read(header: list[str], **stated: Any) -> Recognised:
    return recognise(header, where="mine.csv", how=TableReading(**stated))


@pytest.mark.parametrize(("name", "spelling"), SPELLINGS)
def test_every_spelling_that_is_promised_is_recognised(name: str, spelling: str) -> None:
    assert read([spelling]).columns[name].found == spelling


def test_columns_that_stand_for_none_are_told() -> None:
    found = read([*REQUIRED, "shoe size", "ward"], ignore=("ward",))
    assert set(found.columns) == set(REQUIRED)
    assert (found.unused, found.ignored) == (("shoe size",), ("ward",))


@pytest.mark.parametrize(
    ("header", "stated", "said"),
    [
        (["crp_mg_l", "crp [mg/dL]"], {}, "a second time"),
        (["crp"], {}, "a quantity without a unit"),
        (["crp"], {"units": {"crp": "?"}}, "the unit '\\?'"),
        (REQUIRED, {"units": {"shoes": "cm"}}, "a unit for a column that is not there"),
        (REQUIRED, {"rename": {"shoes": "crp_mg_l"}}, "no such column"),
        (REQUIRED, {"ignore": ("shoes",)}, "no such column"),
        (REQUIRED, {"dose_time": "shoes"}, "no such column"),
        ([*REQUIRED, "shoes"], {"rename": {"shoes": "boots"}}, "a mapping to 'boots'"),
        (["crp_unit", "ferritin_ug_l"], {}, "a column of units without the column crp_mg_l"),
        (["ldh_upper_limit"], {}, "a column of upper limits without the column ldh_x_uln"),
    ],
)
def test_what_cannot_be_is_refused(header: list[str], stated: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(header, **stated)


@pytest.mark.parametrize("header", ["crp_unit", "CRP Units", "CRP UOM", "unit_crp"])
def test_a_column_of_units_stands_beside_its_quantity(header: str) -> None:
    column = read(["CRP", header]).columns["crp_mg_l"]
    assert (column.unit, column.unit_column) == ("", header)


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("ldh_upper_limit_u_l", "U/L"),
        ("LDH upper limit", ""),
        ("LDH ULN", ""),
        ("ldh_upper_limit_of_normal [ukat/L]", "ukat/L"),
    ],
)
def test_a_column_of_limits_stands_beside_its_quantity(header: str, unit: str) -> None:
    column = read(["LDH [U/L]", header]).columns["ldh_x_uln"]
    assert (column.limit_column, column.limit_unit) == (header, unit)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("ferritin_drawn_h_after_dose", "ferritin_ug_l"),
        ("ferritin_h_before_dose", "ferritin_ug_l"),
        ("ferritin_day", "ferritin_ug_l"),
        ("lab day", "ferritin_ug_l"),
        ("ferritin day 3", None),
        ("ferritin_datetime", "ferritin_ug_l"),
        ("FerritinDate", "ferritin_ug_l"),
        ("lab_datetime", "ferritin_ug_l"),
        ("sample date", "ferritin_ug_l"),
        ("hours_from_dose_of_ferritin", "ferritin_ug_l"),
        ("visit_date", None),
    ],
)
def test_a_column_of_times_stands_beside_what_was_taken(header: str, name: str | None) -> None:
    column = read(["ferritin_ug_l", header]).columns["ferritin_ug_l"]
    assert column.time_column == (header if name else None)


@pytest.mark.parametrize(
    "header", ["dose_time", "first_dose_date", "Infusion datetime", "infusion_start", "C1D1"]
)
def test_the_time_of_the_dose_is_known_by_its_name(header: str) -> None:
    assert read(["ferritin_ug_l", header]).dose_time == header


@pytest.mark.parametrize(
    "header", ["last_dose_date", "second dose time", "hours_after_dose", "dose"]
)
def test_another_time_is_not_that_of_the_first_dose(header: str) -> None:
    assert read(["ferritin_ug_l", header]).dose_time is None
    assert read(["ferritin_ug_l", header, "first_dose_date"]).dose_time == "first_dose_date"


def test_two_times_of_a_dose_are_asked_about_where_a_sample_has_its_time() -> None:
    header = ["ferritin_ug_l", "dose_date", "infusion_time"]
    assert read(header).dose_time is None
    with pytest.raises(InputError, match="--dose-time 'dose_date' or --dose-time 'infusion_time'"):
        read([*header, "ferritin_date"])
    assert read([*header, "ferritin_date"], dose_time="dose_date").dose_time == "dose_date"


def test_a_quantity_that_is_not_needed_may_be_without_a_unit() -> None:
    found = recognise(
        ["crp", "ferritin_ug_l"], where="x", how=TableReading(), needed=["ferritin_ug_l"]
    )
    assert (list(found.columns), found.unused) == (["ferritin_ug_l"], ("crp",))


def test_all_missing_columns_are_named_at_once_with_those_that_stand_for_nothing() -> None:
    problem = missing_columns(
        ["crp_mg_l", "ecog"], ["ecog_"], fields=OBSERVED, unused=["CRP_BASE"], where="mine.csv"
    )
    assert problem is not None
    assert "also missing: ecog" in problem.found
    assert "CRP_BASE" in problem.cure
    assert missing_columns(["ecog"], ["ecog"], fields=OBSERVED, unused=[], where="x") is None


def test_a_name_as_long_as_a_file_is_refused_at_once() -> None:
    """Brackets and blanks by the thousand took a second each."""
    with pytest.raises(InputError, match="at most 1000 characters") as caught:
        recognise(["[ (" * 30_000], where="a.csv", how=TableReading())
    assert len(str(caught.value)) < 1000
