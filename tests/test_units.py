"""The field table: the columns of the contract, units that convert and come back, ranges that nest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.units import (
    FIELDS,
    LANDMARK_HOURS,
    accepts,
    columns_of,
    convert,
    express,
    field,
    likely_unit,
    needs_upper_limit,
    unit_key,
)

OBSERVED = [
    "patient_id", "product", "platform", "regimen", "tumour_type", "site", "age_years", "is_female",
    "weight_kg", "ecog", "sum_of_diameters_mm", "n_metastatic_sites", "has_liver_metastases",
    "has_prior_checkpoint_inhibitor", "has_infection", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml",
    "albumin_g_l", "platelets_g_l", "creatinine_umol_l", "lymphocytes_g_l", "antigen_restriction",
    "dose_intensity", "is_stepped_up", "has_steroid_premedication", "has_tocilizumab_prophylaxis",
    "has_lymphodepletion",
]
OUTCOMES = [
    "patient_id", "max_grade", "crs_any", "crs_grade2plus", "crs_grade3plus", "crs_grade2plus_10d",
    "crs_grade2plus_14d", "onset_h", "onset_grade2plus_h", "duration_h", "resolution_d", "n_episodes",
    "grade_after_dose_1", "grade_after_dose_2", "grade_after_dose_3", "grade_after_dose_4",
    "grade_lee_2014", "grade_ctcae_4", "grade_ctcae_5", "grade_penn", "grade_mskcc", "grade_cartox", "peak_il6_pg_ml",
    "peak_crp_mg_l", "peak_ferritin_ug_l", "peak_alt_x_uln", "peak_temperature_c", "min_map_mmhg", "min_spo2_pct",
    "has_hlh_like_ferritin", "n_tocilizumab", "has_steroid_rescue", "has_fluids", "has_vasopressor", "has_oxygen",
    "window_d",
]
COURSE = [
    "crp_mg_l", "il6_pg_ml", "ferritin_ug_l", "temperature_c__max", "map_mmhg__min", "spo2_pct__min",
    "grade__max",
]

UNIT_PAIRS = [(name, unit) for name, column in FIELDS.items() for unit in column.accepted_units
              if column.kind == "float"]


def test_tables_hold_the_columns_agreed_in_their_order() -> None:
    assert list(columns_of("observed")) == OBSERVED
    assert list(columns_of("outcomes")) == OUTCOMES
    course = [f"{stem}__h{hour}" for hour in (6, 12, 24, 36, 48, 72, 168) for stem in COURSE]
    assert list(columns_of("course")) == ["patient_id", *course]
    assert LANDMARK_HOURS == (6, 12, 24, 36, 48, 72, 168)


# Factors by definition (1 dL = 0.1 L) or from molar mass: creatinine C4H7N3O = 4*12.011 + 7*1.008 + 3*14.007
# + 15.999 = 113.12 g/mol, so 1 mg/dL = 10 mg/L = 10 / 113.12 mmol/L = 88.40 umol/L; laboratories use 88.42.
@pytest.mark.parametrize(("name", "unit", "value", "standard"), [
    ("crp_mg_l", "mg/dL", 2.5, 25.0), ("albumin_g_l", "g/dL", 4.1, 41.0),
    ("ferritin_ug_l", "ng/mL", 310, 310), ("il6_pg_ml", "ng/L", 7, 7),
    ("creatinine_umol_l", "mg/dL", 1.0, 88.42), ("platelets_g_l", "10*3/uL", 250, 250),
    ("platelets_g_l", "cells/µL", 250_000, 250), ("lymphocytes_g_l", "/mm³", 1500, 1.5),
    ("age_years", "months", 18, 1.5), ("weight_kg", "lb", 100, 45.359237),
    ("antigen_restriction", "%", 85, 0.85),
])
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
    microkatal = convert(8.0, name="ldh_x_uln", unit="µkat/L", upper_limit_u_l=240.0)  # 1 ukat = 60 U
    assert float(microkatal) == pytest.approx(2.0)
    for limit in (None, 0.0, -5.0, np.inf):
        with pytest.raises(InputError, match="upper limit"):
            convert(500.0, name="ldh_x_uln", unit="U/L", upper_limit_u_l=limit)


@pytest.mark.parametrize(
    "spelling", ["10^9/L", "×10⁹/L", "10*9/L", "10E9/L", "1e9/L", "x 10^9 / l", "10^9/litre"])
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


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(InputError, match="crp"):
        field("crp")


def test_missing_stays_missing_and_shape_stays() -> None:
    converted = convert([[np.nan, 1.0]], name="crp_mg_l", unit="mg/dL")
    assert converted.shape == (1, 2)
    assert np.isnan(converted[0, 0])
    assert converted[0, 1] == 10.0


@given(pair=st.sampled_from(UNIT_PAIRS), value=st.floats(1e-6, 1e9), limit=st.floats(50, 2000))
def test_there_and_back_is_the_same_value(pair: tuple[str, str], value: float, limit: float) -> None:
    name, unit = pair
    standard = convert(value, name=name, unit=unit, upper_limit_u_l=limit)
    back = float(express(standard, name=name, unit=unit, upper_limit_u_l=limit))
    assert back == pytest.approx(value, rel=1e-14)


@given(pair=st.sampled_from(UNIT_PAIRS), low=st.floats(0, 1e6), step=st.floats(1e-3, 1e6))
def test_a_higher_value_stays_higher_in_any_unit(pair: tuple[str, str], low: float, step: float) -> None:
    name, unit = pair
    converted = convert([low, low + step], name=name, unit=unit, upper_limit_u_l=240.0)
    assert converted[0] < converted[1]


@given(pair=st.sampled_from(UNIT_PAIRS), change=st.sampled_from([str.upper, str.lower, str.title, str.strip]))
def test_case_never_changes_a_unit(pair: tuple[str, str], change: object) -> None:
    name, unit = pair
    assert callable(change)
    written = change(unit)
    same = convert(3.0, name=name, unit=unit, upper_limit_u_l=240.0)
    assert float(convert(3.0, name=name, unit=written, upper_limit_u_l=240.0)) == float(same)


def test_units_of_one_column_are_never_confused() -> None:
    for column in FIELDS.values():
        factors: dict[str, float] = {}
        for unit, factor in {column.unit: 1.0, **column.other_units, **column.limited_units}.items():
            assert factors.setdefault(unit_key(unit), factor) == factor, (column.name, unit)


@pytest.mark.parametrize(("name", "value", "unit"), [
    ("albumin_g_l", 4.1, "g/dL"), ("creatinine_umol_l", 0.9, "mg/dL"), ("platelets_g_l", 235_000, "/uL"),
    ("lymphocytes_g_l", 1800, "/uL"), ("ldh_x_uln", 310, "U/L"), ("antigen_restriction", 85, "%"),
    ("weight_kg", 70_000, "g"), ("age_years", 700, "months"), ("crp_mg_l", -1, None),
    ("crp_mg_l", 5000, None),
])
def test_an_impossible_value_suggests_its_unit(name: str, value: float, unit: str | None) -> None:
    assert likely_unit(name, value) == unit


def test_ranges_nest_and_every_field_says_what_it_is() -> None:
    for column in FIELDS.values():
        assert column.label
        assert column.meaning
        assert column.source
        assert column.quantity
        if column.kind in ("bool", "category"):
            assert column.possible is None
            assert column.unit == "1"
        elif column.name != "patient_id":
            assert column.possible is not None
            assert column.plausible is not None
            inner = [column.plausible, *([column.usual] if column.usual else [])]
            for low, high in inner:
                assert column.possible[0] <= low < high <= column.possible[1], column.name


def test_healthy_adults_and_sick_ones_are_possible() -> None:
    # NHANES 2017-2018 extremes (2.5 and 97.5 %) and the extremes of 375 hospital patients with severe
    # inflammation (Yan 2020): each must pass, in the units in which they were published.
    seen = {"crp_mg_l": (0.1, 320), "ferritin_ug_l": (17.8, 50_000), "albumin_g_l": (18.5, 48.6),
            "il6_pg_ml": (1.5, 5000), "platelets_g_l": (133.7, 385), "lymphocytes_g_l": (1.0, 3.9),
            "creatinine_umol_l": (0.51 * 88.42, 1.59 * 88.42), "ldh_x_uln": (110 / 250, 1867 / 250)}
    for name, (low, high) in seen.items():
        plausible = FIELDS[name].plausible
        assert plausible is not None
        assert plausible[0] <= low < high <= plausible[1], name


def test_children_are_possible() -> None:
    child = {"age_years": 0.5, "weight_kg": 5.5, "creatinine_umol_l": 17.0, "lymphocytes_g_l": 9.0}
    for name, value in child.items():
        plausible = FIELDS[name].plausible
        assert plausible is not None
        assert plausible[0] <= value <= plausible[1], name


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        FIELDS["crp_mg_l"] = FIELDS["il6_pg_ml"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FIELDS["crp_mg_l"].unit = "mg/dL"  # type: ignore[misc]
    with pytest.raises(TypeError):
        FIELDS["crp_mg_l"].other_units["mg/dL"] = 1.0  # type: ignore[index]
    assert len({hash(column) for column in FIELDS.values()}) == len(FIELDS)
