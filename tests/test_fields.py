"""The field table: the columns of the contract, ranges that nest and hold real patients, and that
nobody changes it.
"""

from __future__ import annotations

import dataclasses

import pytest

from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, LANDMARK_HOURS, columns_of, field

OBSERVED = [
    "patient_id",
    "product",
    "platform",
    "regimen",
    "tumour_type",
    "site",
    "age_years",
    "is_female",
    "weight_kg",
    "ecog",
    "sum_of_diameters_mm",
    "n_metastatic_sites",
    "has_liver_metastases",
    "has_prior_checkpoint_inhibitor",
    "has_infection",
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "albumin_g_l",
    "platelets_g_l",
    "creatinine_umol_l",
    "lymphocytes_g_l",
    "antigen_restriction",
    "dose_intensity",
    "is_stepped_up",
    "has_steroid_premedication",
    "has_tocilizumab_prophylaxis",
    "has_lymphodepletion",
]
OUTCOMES = [
    "patient_id",
    "max_grade",
    "crs_any",
    "crs_grade2plus",
    "crs_grade3plus",
    "crs_grade2plus_10d",
    "crs_grade2plus_14d",
    "onset_h",
    "onset_grade2plus_h",
    "duration_h",
    "resolution_d",
    "n_episodes",
    "grade_after_dose_1",
    "grade_after_dose_2",
    "grade_after_dose_3",
    "grade_after_dose_4",
    "grade_lee_2014",
    "grade_ctcae_4",
    "grade_ctcae_5",
    "grade_penn",
    "grade_mskcc",
    "grade_cartox",
    "peak_il6_pg_ml",
    "peak_crp_mg_l",
    "peak_ferritin_ug_l",
    "peak_alt_x_uln",
    "peak_temperature_c",
    "min_map_mmhg",
    "min_spo2_pct",
    "has_hlh_like_ferritin",
    "n_tocilizumab",
    "has_steroid_rescue",
    "has_fluids",
    "has_vasopressor",
    "has_oxygen",
    "organ_toxicity_grade",
    "window_d",
]
COURSE = [
    "crp_mg_l",
    "il6_pg_ml",
    "ferritin_ug_l",
    "temperature_c__max",
    "map_mmhg__min",
    "spo2_pct__min",
    "grade__max",
]


def test_tables_hold_the_columns_agreed_in_their_order() -> None:
    assert list(columns_of("observed")) == OBSERVED
    assert list(columns_of("outcomes")) == OUTCOMES
    course = [f"{stem}__h{hour}" for hour in (6, 12, 24, 36, 48, 72, 168) for stem in COURSE]
    assert list(columns_of("course")) == ["patient_id", *course]
    assert LANDMARK_HOURS == (6, 12, 24, 36, 48, 72, 168)


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(InputError, match="crp"):
        field("crp")


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
    # NHANES 2017-2018 extremes (2.5 and 97.5 %) and the extremes of 375 hospital patients with
    # severe inflammation (Yan 2020): each must pass, in the units in which they were published.
    seen = {
        "crp_mg_l": (0.1, 320),
        "ferritin_ug_l": (17.8, 50_000),
        "albumin_g_l": (18.5, 48.6),
        "il6_pg_ml": (1.5, 5000),
        "platelets_g_l": (133.7, 385),
        "lymphocytes_g_l": (1.0, 3.9),
        "creatinine_umol_l": (0.51 * 88.42, 1.59 * 88.42),
        "ldh_x_uln": (110 / 250, 1867 / 250),
    }
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
