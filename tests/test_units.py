"""Units: known conversions, there and back, and spellings that never confuse two of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.ward_columns import WARD
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.units import (
    accepts,
    convert,
    convert_column,
    express,
    likely_units,
    needs_upper_limit,
    unit_key,
)

UNIT_PAIRS = [
    (name, unit)
    for name, column in FIELDS.items()
    for unit in column.accepted_units
    if column.kind == "float"
]


# Factors by definition (1 dL = 0.1 L) or from molar mass: creatinine C4H7N3O = 4*12.011 + 7*1.008 +
# 3*14.007 + 15.999 = 113.12 g/mol, so 1 mg/dL = 10 mg/L = 10 / 113.12 mmol/L = 88.40 umol/L;
# laboratories use 88.42.
@pytest.mark.parametrize(
    ("name", "unit", "value", "standard"),
    [
        ("crp_mg_l", "mg/dL", 2.5, 25.0),
        ("albumin_g_l", "g/dL", 4.1, 41.0),
        ("ferritin_ug_l", "ng/mL", 310, 310),
        ("il6_pg_ml", "ng/L", 7, 7),
        ("creatinine_umol_l", "mg/dL", 1.0, 88.42),
        ("platelets_g_l", "10*3/uL", 250, 250),
        ("platelets_g_l", "cells/µL", 250_000, 250),
        ("lymphocytes_g_l", "/mm³", 1500, 1.5),
        ("age_years", "months", 18, 1.5),
        ("weight_kg", "lb", 100, 45.359237),
        ("antigen_restriction", "%", 85, 0.85),
    ],
)
def test_known_conversions(name: str, unit: str, value: float, standard: float) -> None:
    assert float(convert(value, name=name, unit=unit)) == pytest.approx(standard, rel=1e-12)


def test_creatinine_factor_agrees_with_the_molar_mass() -> None:
    converted = float(convert(1.0, name="creatinine_umol_l", unit="mg/dL"))
    assert converted == pytest.approx(1e4 / 113.12, rel=1e-3)


def test_ldh_in_units_needs_the_limit_of_the_laboratory() -> None:
    assert needs_upper_limit("ldh_x_uln", "IU/L")
    assert not needs_upper_limit("ldh_x_uln", "x ULN")
    assert not needs_upper_limit("crp_mg_l", "mg/dL")
    two = convert([500.0, 480.0], name="ldh_x_uln", unit="U/L", upper_limit_u_l=[250.0, 240.0])
    assert two.tolist() == [2.0, 2.0]
    # 1 ukat = 60 U
    microkatal = convert(8.0, name="ldh_x_uln", unit="µkat/L", upper_limit_u_l=240.0)
    assert float(microkatal) == pytest.approx(2.0)
    for limit in (None, 0.0, -5.0, np.inf):
        with pytest.raises(InputError, match="upper limit"):
            convert(500.0, name="ldh_x_uln", unit="U/L", upper_limit_u_l=limit)


@pytest.mark.parametrize(
    "spelling", ["10^9/L", "×10⁹/L", "10*9/L", "10E9/L", "1e9/L", "x 10^9 / l", "10^9/litre"]
)
def test_powers_are_read_however_they_are_written(spelling: str) -> None:
    assert accepts("platelets_g_l", spelling)


@pytest.mark.parametrize("spelling", ["ug/L", "UG/l", "µg/L", "μg/L", "mcg/L", " µg / L "])
def test_micro_signs_and_case_do_not_matter(spelling: str) -> None:
    assert unit_key(spelling) == unit_key("ug/L")
    assert accepts("ferritin_ug_l", spelling)


@pytest.mark.parametrize("unit", ["mmol/L", "g/L", "", "mg", "/"])
def test_a_foreign_unit_is_refused_with_those_accepted(unit: str) -> None:
    with pytest.raises(InputError, match=r"crp_mg_l.*mg/L or mg/dL or ug/mL"):
        convert(1.0, name="crp_mg_l", unit=unit)


def test_missing_stays_missing_and_shape_stays() -> None:
    converted = convert([[np.nan, 1.0]], name="crp_mg_l", unit="mg/dL")
    assert converted.shape == (1, 2)
    assert np.isnan(converted[0, 0])
    assert converted[0, 1] == 10.0


@given(pair=st.sampled_from(UNIT_PAIRS), value=st.floats(1e-6, 1e9), limit=st.floats(50, 2000))
def test_there_and_back_is_the_same_value(
    pair: tuple[str, str], value: float, limit: float
) -> None:
    name, unit = pair
    standard = convert(value, name=name, unit=unit, upper_limit_u_l=limit)
    back = float(express(standard, name=name, unit=unit, upper_limit_u_l=limit))
    assert back == pytest.approx(value, rel=1e-14)


@given(pair=st.sampled_from(UNIT_PAIRS), low=st.floats(0, 1e6), step=st.floats(1e-3, 1e6))
def test_a_higher_value_stays_higher_in_any_unit(
    pair: tuple[str, str], low: float, step: float
) -> None:
    name, unit = pair
    converted = convert([low, low + step], name=name, unit=unit, upper_limit_u_l=240.0)
    assert converted[0] < converted[1]


@given(
    pair=st.sampled_from(UNIT_PAIRS),
    change=st.sampled_from([str.upper, str.lower, str.title, str.strip]),
)
def test_case_never_changes_a_unit(pair: tuple[str, str], change: object) -> None:
    name, unit = pair
    assert callable(change)
    written = change(unit)
    same = convert(3.0, name=name, unit=unit, upper_limit_u_l=240.0)
    assert float(convert(3.0, name=name, unit=written, upper_limit_u_l=240.0)) == float(same)


def test_units_of_one_column_are_never_confused() -> None:
    for column in FIELDS.values():
        factors: dict[str, float] = {}
        for unit, factor in {
            column.unit: 1.0,
            **column.other_units,
            **column.limited_units,
        }.items():
            assert factors.setdefault(unit_key(unit), factor) == factor, (column.name, unit)


@pytest.mark.parametrize(
    ("name", "value", "units"),
    [
        ("albumin_g_l", 4.1, ("g/dL",)),
        ("creatinine_umol_l", 0.9, ("mg/dL", "mmol/L")),
        ("platelets_g_l", 235_000, ("/uL",)),
        ("lymphocytes_g_l", 1800, ("/uL",)),
        ("ldh_x_uln", 310, ("U/L",)),
        ("antigen_restriction", 85, ("%",)),
        ("weight_kg", 70_000, ("g",)),
        ("age_years", 700, ("months", "days")),
        ("crp_mg_l", -1, ()),
        ("crp_mg_l", 5000, ()),
    ],
)
def test_an_impossible_value_tells_every_unit_that_it_may_be_in(
    name: str, value: float, units: tuple[str, ...]
) -> None:
    assert likely_units(FIELDS[name], value) == units


def test_degrees_fahrenheit_have_another_zero() -> None:
    column = WARD["temperature_c"]
    read = convert_column([32.0, 100.4], column, unit="degF")
    assert read.tolist() == pytest.approx([0.0, 38.0])
    assert likely_units(column, 101.3) == ("degF",)
