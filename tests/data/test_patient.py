"""One patient's file: units as clinicians have them, nothing guessed, every refusal with line, key
and likely correction.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.patient import NUMBERS, check_units, read_patient, template
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.folders import names
from crsrisk.units import express, needs_upper_limit


def written(folder: Path, *lines: str) -> Path:
    place = folder / "one.yaml"
    place.write_text("product: tarlatamab\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("lines", "column", "value"),
    [
        (("crp: 8.5 mg/dL",), "crp_mg_l", 85.0),
        (("crp: 85 mg/L",), "crp_mg_l", 85.0),
        (("albumin: 3.6 g/dL",), "albumin_g_l", 36.0),
        (("ferritin: 640 ng/mL",), "ferritin_ug_l", 640.0),
        (("ldh: 390 U/L", "ldh_upper_limit: 260 U/L"), "ldh_x_uln", 1.5),
        (("ldh: 1.5 x ULN",), "ldh_x_uln", 1.5),
        (("platelets: 240000 /uL",), "platelets_g_l", 240.0),
        (("creatinine: 1 mg/dL",), "creatinine_umol_l", 88.42),
        (("il6: 0.02 ng/mL",), "il6_pg_ml", 20.0),
        (("weight: 154 lb",), "weight_kg", 69.853),
        (("sum_of_diameters: 8.5 cm",), "sum_of_diameters_mm", 85.0),
        (("sex: F",), "is_female", 1.0),
        (("has_infection: false",), "has_infection", 0.0),
        (("ecog: 1",), "ecog", 1.0),
        (('dose_intensity: "80 %"',), "dose_intensity", 0.8),
    ],
)
def test_units_as_clinicians_have_them(
    tmp_path: Path, lines: tuple[str, ...], column: str, value: float
) -> None:
    assert read_patient(written(tmp_path, *lines)).values[column].value == pytest.approx(
        value, rel=1e-4
    )


@pytest.mark.parametrize("word", ["", "null", "not measured", "unknown", '""'])
def test_missing_is_an_answer(tmp_path: Path, word: str) -> None:
    assert "crp_mg_l" not in read_patient(written(tmp_path, f"crp: {word}")).values


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "albumin: 4.1 g/L",
            ("line 2, albumin", "8 to 70 g/L", "4.1 looks like g/dL", "write 4.1 g/dL"),
        ),
        ("albumin: 41 g/dL", ("41 looks like g/L",)),
        ("creatinine: 1.1 umol/L", ("1.1 looks like mg/dL",)),
        ("platelets: 240 /uL", ("240 looks like 10^9/L",)),
        ("lymphocytes: 1200 10^9/L", ("1200 looks like /uL",)),
        ("ferritin: 0.9 ug/L", ("0.9 looks like mg/L", "add ferritin to `confirmed`")),
        ("ferritin: 60000 ug/L", ("check it", "`confirmed`")),
        ("ldh: 480 x ULN", ("480 looks like U/L",)),
        ("ldh: 480 U/L", ("upper limit of normal", "add ldh_upper_limit in U/L")),
        ("crp: 40", ("40 without a unit", "crp: 40 mg/L, crp: 40 mg/dL")),
        ("crp: 40 mmol/L", ("the unit 'mmol/L'", "mg/L or mg/dL")),
        ("crp: -3 mg/L", ("-3 mg/L", "0 to 1000")),
        ("crp: 8,5 mg/dL", ("a decimal point", "write 8.5 mg/dL")),
        ("ferritin: 1,234 ug/L", ("write 1234 ug/L or 1.234 ug/L", "report")),
        ("il6: <2 pg/mL", ("decide what stands for it",)),
        ("crp: high", ("'high'", "leave the key out")),
        ("crp: true", ("'True'",)),
        ("crp: [1, 2]", ("[1, 2]",)),
        ("crpp: 3 mg/L", ("an unknown key", "did you mean crp?")),
        ("crp: 3 mg/L\ncrp: 4 mg/L", ("line 3", "a second time")),
        ("sex: x", ("female or male",)),
        ("ecog: 9", ("0 to 4",)),
        ("ecog: true", ("a whole number",)),
        ("has_infection: 1", ("true or false",)),
        ("has_infection: no", ("bare word no",)),
        ("prophylaxis: tocilizumab", ("a list of names",)),
        ("confirmed: [height]", ("height", "keys of values")),
        ("label: 3", ("a name",)),
        (f"label: {'x' * 50}", ("50 letters", "name nobody")),
    ],
)
def test_what_cannot_be_is_refused_with_its_line_and_the_likely_correction(
    tmp_path: Path, line: str, says: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as refused:
        read_patient(written(tmp_path, line))
    for text in ("one.yaml", *says):
        assert text in str(refused.value)


def test_an_unusual_value_that_was_checked_is_used(tmp_path: Path) -> None:
    found = read_patient(written(tmp_path, "ferritin: 60000 ug/L", "confirmed: [ferritin]"))
    assert (found.values["ferritin_ug_l"].value, found.values["ferritin_ug_l"].is_confirmed) == (
        60000.0,
        True,
    )


def test_confirming_does_not_make_the_impossible_possible(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="8 to 70"):
        read_patient(written(tmp_path, "albumin: 4.1 g/L", "confirmed: [albumin]"))


def test_a_possible_value_is_suspected_when_training_patients_had_it_in_another_unit(
    tmp_path: Path,
) -> None:
    seen = {"crp_mg_l": (0.5, 200.0)}
    found = read_patient(written(tmp_path, "crp: 45 mg/dL"))
    with pytest.raises(InputError, match="45 looks like mg/L") as refused:
        check_units(found, seen=seen)
    assert "one.yaml, line 2, crp" in str(refused.value)
    check_units(read_patient(written(tmp_path, "crp: 4.5 mg/dL")), seen=seen)
    check_units(read_patient(written(tmp_path, "crp: 45 mg/dL", "confirmed: [crp]")), seen=seen)
    # outside in every unit: a warning later
    check_units(read_patient(written(tmp_path, "crp: 300 mg/L")), seen=seen)


def test_a_product_is_needed(tmp_path: Path) -> None:
    place = tmp_path / "one.yaml"
    place.write_text("crp: 3 mg/L\n", encoding="utf-8")
    with pytest.raises(InputError, match="product"):
        read_patient(place)


@pytest.mark.parametrize("product", names("products"))
def test_every_template_can_be_read(tmp_path: Path, product: str) -> None:
    place = tmp_path / "template.yaml"
    place.write_text(template(load_product(product)), encoding="utf-8")
    found = read_patient(place)
    assert found.product == product
    assert {"crp_mg_l", "ldh_x_uln", "is_female"} <= set(found.values)


UNITS = [
    (key, unit)
    for key, name in NUMBERS.items()
    for unit in FIELDS[name].accepted_units
    if unit != "1"
]


@given(st.sampled_from(UNITS), st.floats(0, 1))
def test_any_unit_gives_the_same_patient(
    tmp_path_factory: pytest.TempPathFactory, one: tuple[str, str], at: float
) -> None:
    """Whatever unit a plausible value is written in, the same standard value is read."""
    key, unit = one
    column = FIELDS[NUMBERS[key]]
    low, high = column.plausible or (0.0, 1.0)
    value = float(f"{low + (0.01 + 0.98 * at) * (high - low):.6g}")
    limit = 250.0 if needs_upper_limit(column.name, unit) else None
    raw = float(express(value, name=column.name, unit=unit, upper_limit_u_l=limit))
    lines = [f'{key}: "{raw!r} {unit}"', *(["ldh_upper_limit: 250 U/L"] if limit else [])]
    read = read_patient(written(tmp_path_factory.mktemp("unit"), *lines)).values[column.name].value
    assert read == pytest.approx(value, rel=1e-9)


# --- the course ---


def test_the_course_is_read_in_the_units_of_the_values_before_the_dose(tmp_path: Path) -> None:
    found = read_patient(
        written(
            tmp_path,
            "course:",
            "  24 h: {crp: 5.2 mg/dL, ferritin: 700 ng/mL, worst_crs_grade: 1}",
            "  6 h: {highest_temperature: 37.5 °C, il6: not measured}",
        )
    ).course
    assert list(found) == [6, 24]
    assert found[24]["crp_mg_l"].value == pytest.approx(52.0)
    assert found[24]["crp_mg_l"].is_converted
    assert (found[24]["ferritin_ug_l"].value, found[24]["grade__max"].value) == (700.0, 1.0)
    assert found[6]["temperature_c__max"].value == 37.5
    assert "il6_pg_ml" not in found[6]
    assert read_patient(written(tmp_path, "crp: 4 mg/L")).course == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("  13 h: {crp: 5 mg/L}", ("line 3, 13 h", "one of 6 h, 12 h, 24 h")),
        ("  24 h: 5 mg/L", ("line 2, course", "hours after the first dose")),
        ("  24 h: {crpp: 5 mg/L}", ("line 3, crpp", "did you mean crp?")),
        ("  24 h: {crp: 5}", ("line 3, crp", "without a unit")),
        ("  24 h: {highest_temperature: 48 °C}", ("line 3, highest_temperature", "possible")),
        (
            "  24 h: {highest_temperature: 100.6 °C}",
            ("line 3, highest_temperature", "looks like °F: if it is, write 38.1"),
        ),
        (
            "  24 h: {highest_temperature: 100.6 °F}",
            ("line 3, highest_temperature", "Cure: write 38.1 °C"),
        ),
        (
            "  24 h: {highest_temperature: 900 °F}",
            ("line 3, highest_temperature", "convert the value"),
        ),
        ("  24 h: {crp: 5 °F}", ("line 3, crp", "convert the value")),
        ("  24 h: {crp: 700 mg/L}", ("line 3, crp", "add crp to `confirmed`")),
        ("  24 h: {worst_crs_grade: 5}", ("line 3, worst_crs_grade", "0 to 4")),
        ("  24 h: {crp: 5 mg/L, confirmed: [albumin]}", ("line 3, confirmed", "albumin")),
    ],
)
def test_a_course_that_cannot_be_names_its_line(
    tmp_path: Path, line: str, says: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as refused:
        read_patient(written(tmp_path, "course:", line))
    for text in says:
        assert text in str(refused.value)


def test_an_unusual_reading_may_be_confirmed_beside_it(tmp_path: Path) -> None:
    found = read_patient(written(tmp_path, "course:", "  24 h: {crp: 700 mg/L, confirmed: [crp]}"))
    assert found.course[24]["crp_mg_l"].is_confirmed


@pytest.mark.parametrize("hour", [6, 24, 36])
def test_the_template_of_a_landmark_is_read(tmp_path: Path, hour: int) -> None:
    place = tmp_path / "one.yaml"
    place.write_text(template(load_product("tarlatamab"), landmark_h=hour), encoding="utf-8")
    found = read_patient(place).course
    assert max(found) == hour
    assert "grade__max" in found[hour]


def test_a_broken_file_says_what_is_wrong(tmp_path: Path) -> None:
    place = tmp_path / "one.yaml"
    place.write_text("product: tarlatamab\ncrp: [\n", encoding="utf-8")
    with pytest.raises(InputError, match="valid YAML"):
        read_patient(place)


def test_keys_and_values_are_read_as_a_file_is() -> None:
    """Units, course and refusals are the same; there is no line to name."""
    keys = {
        "product": "tarlatamab",
        "crp": "8.5 mg/dL",
        "course": {"24 h": {"crp": "52 mg/L", "worst_crs_grade": 0}},
    }
    patient = read_patient(keys)
    assert patient.values["crp_mg_l"].value == 85.0
    assert patient.course[24]["crp_mg_l"].value == 52.0
    with pytest.raises(InputError, match="patient, crpp: found an unknown key"):
        read_patient({**keys, "crpp": "3 mg/L"})
