"""A user's table: what is read, converted, warned of and refused, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crsrisk.data.cells import MISSING_WORDS
from crsrisk.data.product_facts import FACTS, product_facts
from crsrisk.data.table_files import number_in
from crsrisk.data.table_reading import TableReading
from crsrisk.data.tables import NOT_STATED, PatientTable, read_patients, read_table
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, columns_of
from crsrisk.units import express

PATIENT: dict[str, Any] = {
    "patient_id": 1,
    "product": "tarlatamab",
    "platform": "tce",
    "regimen": "label",
    "tumour_type": "small_cell_lung",
    "site": "site_1",
    "age_years": 64,
    "is_female": False,
    "weight_kg": 72.5,
    "ecog": 1,
    "sum_of_diameters_mm": 95,
    "n_metastatic_sites": 2,
    "has_liver_metastases": True,
    "has_prior_checkpoint_inhibitor": True,
    "has_infection": False,
    "crp_mg_l": 12.5,
    "ferritin_ug_l": 310,
    "ldh_x_uln": 1.4,
    "il6_pg_ml": 6.1,
    "albumin_g_l": 39,
    "platelets_g_l": 240,
    "creatinine_umol_l": 80,
    "lymphocytes_g_l": 1.3,
    "antigen_restriction": 0.8,
    "dose_intensity": 1,
    "is_stepped_up": True,
    "has_steroid_premedication": True,
    "has_tocilizumab_prophylaxis": False,
    "has_lymphodepletion": False,
}
LABORATORY = (
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "albumin_g_l",
    "platelets_g_l",
    "creatinine_umol_l",
    "lymphocytes_g_l",
)


def _table(n_rows: int = 1, **columns: list[Any]) -> pd.DataFrame:
    """Patients all like PATIENT, with other values in some columns."""
    frame = pd.DataFrame([PATIENT] * n_rows).assign(patient_id=range(1, n_rows + 1))
    return frame.assign(
        **{name: pd.Series(values, dtype=object) for name, values in columns.items()}
    )


def _write(folder: Path, frame: pd.DataFrame, suffix: str = ".csv") -> Path:
    place = folder / f"patients{suffix}"
    if suffix == ".csv":
        frame.to_csv(place, index=False)
    else:
        frame.to_parquet(place)
    return place


def _renamed(name: str, header: str, values: list[Any]) -> pd.DataFrame:
    return _table(len(values)).drop(columns=name).assign(**{header: values})


def _notes(table: PatientTable, kind: str) -> list[tuple[int, str]]:
    return [(note.row, note.column) for note in table.account if note.kind == kind]


# --- what is read as it is ---


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_standard_columns_come_back_in_order_and_type(tmp_path: Path, suffix: str) -> None:
    table = read_patients(
        _write(tmp_path, pd.DataFrame([PATIENT, {**PATIENT, "patient_id": 2}]), suffix)
    )
    assert tuple(table.frame.columns) == columns_of("observed")
    assert table.frame.index.tolist() == [1, 2]
    assert table.frame.loc[2].to_dict() == {**PATIENT, "patient_id": 2}
    kinds = {"float": "f", "int": "i", "bool": "b"}
    for name, column in FIELDS.items():
        if column.table == "observed" and column.kind != "category":
            assert table.frame[name].dtype.kind == kinds[column.kind], name
    assert table.account == ()
    assert table.refused.empty


def test_missing_laboratory_values_are_nan_and_told(tmp_path: Path) -> None:
    words = ["", "NA", "n/a", "NaN", "null", "None", ".", " "]
    table = read_patients(_write(tmp_path, _table(8, crp_mg_l=words)))
    assert table.frame["crp_mg_l"].isna().all()
    assert _notes(table, "missing") == [(row, "crp_mg_l") for row in range(1, 9)]
    assert {kind: n for kind, n in table.counts().items() if n} == {"missing": 8}


def test_missing_in_parquet_is_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame([PATIENT, {**PATIENT, "patient_id": 2, "crp_mg_l": None, "site": None}])
    table = read_patients(_write(tmp_path, frame, ".parquet"))
    assert _notes(table, "missing") == [(2, "site"), (2, "crp_mg_l")]
    assert table.frame["site"].tolist() == ["site_1", NOT_STATED]


def test_site_and_regimen_may_be_absent_and_that_is_told_once(tmp_path: Path) -> None:
    table = read_patients(_write(tmp_path, _table(3).drop(columns=["site", "regimen"])))
    assert _notes(table, "missing") == [(0, "regimen"), (0, "site")]
    assert set(table.frame["site"]) == {NOT_STATED}


def test_a_column_that_is_not_used_is_told(tmp_path: Path) -> None:
    table = read_patients(_write(tmp_path, _table(1, favourite_colour=["blue"], max_grade=[2])))
    assert _notes(table, "not used") == [(0, "favourite_colour"), (0, "max_grade")]


def test_yes_and_no_as_people_write_them(tmp_path: Path) -> None:
    words = {
        "true": True,
        "TRUE": True,
        "yes": True,
        "1": True,
        "1.0": True,
        "false": False,
        "No": False,
        "0": False,
        "0.0": False,
    }
    table = read_patients(_write(tmp_path, _table(len(words), has_infection=list(words))))
    assert table.frame["has_infection"].tolist() == list(words.values())


def test_sex_is_read_as_letters_and_only_in_a_column_of_that_name(tmp_path: Path) -> None:
    letters = _renamed("is_female", "Sex", ["F", "m", "female", "Male"])
    assert read_patients(_write(tmp_path, letters)).frame["is_female"].tolist() == [
        True,
        False,
        True,
        False,
    ]
    with pytest.raises(InputError, match="F or M"):  # is 1 male or female?
        read_patients(_write(tmp_path, _renamed("is_female", "sex", ["1"])))
    with pytest.raises(InputError, match="true or false"):  # is F female or false?
        read_patients(_write(tmp_path, _table(1, is_female=["F"])))


def test_patients_numbers_may_be_text(tmp_path: Path) -> None:
    for words in (["P-01", "P-02"], ["007", "8"]):
        table = read_patients(_write(tmp_path, _table(2, patient_id=words)))
        assert table.frame["patient_id"].tolist() == words
    gaps = _table(2).assign(patient_id=[3.0, 4.0])
    assert read_patients(_write(tmp_path, gaps, ".parquet")).frame["patient_id"].tolist() == [3, 4]


# --- units ---


@pytest.mark.parametrize(
    "header", ["crp [mg/dL]", "CRP (mg/dl)", "crp_mg_dl", "C-reactive protein [mg/dL]", "Crp mg/dL"]
)
def test_a_unit_in_the_name_is_converted_and_told(tmp_path: Path, header: str) -> None:
    table = read_patients(_write(tmp_path, _renamed("crp_mg_l", header, [2.5, None])))
    assert table.frame["crp_mg_l"].tolist() == pytest.approx([25.0, np.nan], nan_ok=True)
    (note,) = [note for note in table.account if note.kind == "converted"]
    assert (note.row, note.found.casefold(), note.expected) == (1, "2.5 mg/dl", "mg/L")
    assert "25 mg/L" in note.cure


def test_the_standard_unit_in_brackets_changes_nothing(tmp_path: Path) -> None:
    for header in ("crp [mg/L]", "crp_mg_l [mg/L]"):
        table = read_patients(_write(tmp_path, _renamed("crp_mg_l", header, [25])))
        assert table.frame["crp_mg_l"].tolist() == [25.0]
        assert table.account == ()


def test_the_same_number_in_another_unit_is_told_once(tmp_path: Path) -> None:
    table = read_patients(
        _write(tmp_path, _renamed("ferritin_ug_l", "ferritin [ng/mL]", [310, 20, 30]))
    )
    assert _notes(table, "converted") == [(0, "ferritin_ug_l")]


def test_a_bare_quantity_is_refused_unless_its_unit_is_stated(tmp_path: Path) -> None:
    place = _write(tmp_path, _renamed("crp_mg_l", "CRP", [2.5]))
    with pytest.raises(InputError) as caught:
        read_patients(place)
    assert caught.value.key == "CRP"
    assert caught.value.expected == "crp_mg_l or crp [mg/dL] or crp [ug/mL]"
    for key in ("CRP", "crp", "crp_mg_l"):
        assert read_patients(place, units={key: "mg/dL"}).frame["crp_mg_l"].tolist() == [25.0]


@pytest.mark.parametrize(
    ("header", "units", "problem"),
    [
        ("crp [mmol/L]", {}, r"the unit 'mmol/L'"),
        ("crp_mg_l [mg/dL]", {}, "two units"),
        ("crp_mg_l", {"crp": "mg/dL"}, "two units"),
        ("crp_mg_l", {"crp": "furlong"}, "the unit 'furlong'"),
        ("crp_mg_l", {"il_6": "mg/dL"}, "a unit for a column that is not there"),
    ],
)
def test_units_that_contradict_or_are_unknown_are_refused(
    tmp_path: Path, header: str, units: dict[str, str], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        read_patients(_write(tmp_path, _renamed("crp_mg_l", header, [2.5])), units=units)


def test_the_users_own_names_are_mapped(tmp_path: Path) -> None:
    place = _write(
        tmp_path, _renamed("crp_mg_l", "CRP_BASE", [2.5]).rename(columns={"age_years": "AGE"})
    )
    mapping = {"CRP_BASE": "crp [mg/dL]", "AGE": "age_years"}
    assert read_patients(place, mapping=mapping).frame["crp_mg_l"].tolist() == [25.0]
    assert read_patients(
        place, mapping=mapping | {"CRP_BASE": "crp"}, units={"CRP_BASE": "mg/dL"}
    ).frame["crp_mg_l"].tolist() == [25.0]
    wrongs = [
        ({"CRP": "crp_mg_l"}, "no such column"),
        ({"CRP_BASE": "c_r_protein"}, "a mapping to"),
    ]
    for wrong, problem in wrongs:
        with pytest.raises(InputError, match=problem):
            read_patients(place, mapping={"AGE": "age_years"} | wrong)


def test_a_quantity_twice_is_refused(tmp_path: Path) -> None:
    frame = _table(1).assign(**{"crp [mg/dL]": [1.2]})
    with pytest.raises(InputError, match="crp_mg_l a second time"):
        read_patients(_write(tmp_path, frame))


def test_ldh_in_units_takes_the_limit_of_each_row_or_of_all(tmp_path: Path) -> None:
    frame = _renamed("ldh_x_uln", "LDH [U/L]", [500, 480])
    place = _write(tmp_path, frame)
    with pytest.raises(InputError, match="LDH in U/L without the upper limit"):
        read_patients(place)
    assert read_patients(place, ldh_upper_limit_u_l=250).frame["ldh_x_uln"].tolist() == [2.0, 1.92]
    for limit in (0, 25, -250, 1e6):
        with pytest.raises(InputError, match="50 to 2000 U/L"):
            read_patients(place, ldh_upper_limit_u_l=limit)
    both = _write(tmp_path, frame.assign(ldh_upper_limit_u_l=[250, np.nan]))
    assert read_patients(both, ldh_upper_limit_u_l=240).frame["ldh_x_uln"].tolist() == [2.0, 2.0]
    table = read_patients(both, strict=False)
    assert table.frame["ldh_x_uln"].tolist() == [2.0]
    assert "upper limit" in table.reasons[2]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None
)
@given(data=st.data())
def test_any_units_lead_to_the_same_patients(tmp_path: Path, data: st.DataObject) -> None:
    frame = _table(3)
    headers = {}
    for name in (*LABORATORY, "age_years", "weight_kg", "sum_of_diameters_mm"):
        unit = data.draw(st.sampled_from(FIELDS[name].accepted_units))
        headers[name] = f"{FIELDS[name].quantity} [{unit}]"
        frame[name] = express(
            frame[name].astype(float), name=name, unit=unit, upper_limit_u_l=240.0
        )
    table = read_patients(
        _write(tmp_path, frame.rename(columns=headers)), ldh_upper_limit_u_l=240.0
    )
    for name in headers:
        assert table.frame[name].tolist() == pytest.approx([PATIENT[name]] * 3, rel=1e-12)


# --- what is refused ---


@pytest.mark.parametrize(
    ("name", "text", "expected", "cure"),
    [
        ("crp_mg_l", "1,234", "a number", "1234 or 1.234"),
        ("crp_mg_l", "<5", "a number", "--censored crp_mg_l=half"),
        ("crp_mg_l", "-1", "0 to 1000 mg/L", "correct"),
        ("crp_mg_l", "-9", "0 to 1000 mg/L", "--missing crp_mg_l=-9"),
        ("ecog", "1.5", "a whole number", "number alone"),
        ("ecog", "5", "0 to 4", "correct the value"),
        ("has_infection", "maybe", "true or false", "correct the cell"),
        ("platform", "cartt", "one of tce", "write one of tce"),
        ("age_years", "old", "a number", "number alone"),
        ("patient_id", "", "the patient's number", "fill in the cell"),
        (
            "albumin_g_l",
            "4.1",
            "8 to 70 g/L",
            r"4.1 looks like g/dL.* name it 'albumin \[g/dL\]'",
        ),
        ("creatinine_umol_l", "0.9", "8 to 3000", "looks like mg/dL"),
        ("platelets_g_l", "235000", "1 to 3000", "looks like /uL"),
        ("ldh_x_uln", "310", "0.1 to 60", "looks like U/L"),
        ("age_years", "640", "0 to 110 years", "looks like months or days"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_by_row_and_column(
    tmp_path: Path, name: str, text: str, expected: str, cure: str
) -> None:
    place = _write(
        tmp_path,
        _table(
            3,
            **{
                name: [
                    PATIENT[name] if name != "patient_id" else 5,
                    text,
                    PATIENT[name] if name != "patient_id" else 6,
                ]
            },
        ),
    )
    with pytest.raises(InputError, match=cure) as caught:
        read_patients(place)
    assert caught.value.key == f"row 2, column {name}"
    assert expected in caught.value.expected
    assert "1 cells in 1 of 3 rows" in caught.value.cure
    table = read_patients(place, strict=False)
    assert table.frame.index.tolist() == [1, 3]
    assert table.refused.index.tolist() == [2]
    assert table.refused.loc[2, name] == text
    assert name in table.reasons[2]
    assert [note.kind for note in table.account if note.row == 2] == ["refused"]


def test_a_converted_value_that_was_in_the_standard_unit_suggests_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"150 looks like mg/L.*name it crp_mg_l"):
        read_patients(_write(tmp_path, _renamed("crp_mg_l", "crp [mg/dL]", [150])))


@pytest.mark.parametrize(
    "text", ["high", "1_000", "inf", "True", "1e999", "Hemolyzed", "4,1 ?", "--"]
)
def test_a_laboratory_value_that_cannot_be_read_costs_its_cell(tmp_path: Path, text: str) -> None:
    place = _write(tmp_path, _table(3, crp_mg_l=["12", text, "9"]))
    table = read_patients(place)
    assert table.frame["crp_mg_l"].tolist() == pytest.approx([12, np.nan, 9], nan_ok=True)
    assert _notes(table, "left out") == [(2, "crp_mg_l")]
    with pytest.raises(InputError, match="row 2, column crp_mg_l"):
        read_patients(place, reading=TableReading(refuse_unreadable=True))


def test_a_column_that_mostly_cannot_be_read_is_another_column(tmp_path: Path) -> None:
    words = ["a", "b", "c", "4"]
    table = read_patients(_write(tmp_path, _table(4, crp_mg_l=words)), strict=False)
    assert _notes(table, "refused") == [(row, "crp_mg_l") for row in (1, 2, 3)]


@pytest.mark.parametrize("name", ["ecog", "has_infection", "product", "age_years", "is_female"])
def test_any_cell_may_be_missing(tmp_path: Path, name: str) -> None:
    value = PATIENT[name]
    table = read_patients(_write(tmp_path, _table(2, **{name: [value, ""]})))
    assert table.frame[name].isna().tolist() == [False, True]
    assert (2, name) in _notes(table, "missing")


def test_what_the_file_of_a_product_knows_is_filled_and_told(tmp_path: Path) -> None:
    facts = ["platform", "antigen_restriction", "dose_intensity", "is_stepped_up"]
    frame = _table(3).drop(columns=facts).assign(product=["Imdelltra", "tebentafusp", "own"])
    table = read_patients(_write(tmp_path, frame), strict=False)
    known = product_facts("tarlatamab")
    assert {name: table.frame.loc[1, name] for name in facts} == {
        name: known[name] for name in facts
    }
    assert table.frame.loc[2, "platform"] == "immtac"
    assert table.frame.loc[3, facts].isna().all()
    filled = {(note.column, note.found) for note in table.account if note.kind == "filled"}
    assert ("platform", "not stated in 1 rows of tarlatamab") in filled


def test_only_the_columns_that_a_model_reads_are_required(tmp_path: Path) -> None:
    place = _write(tmp_path, _table(2)[["patient_id", "crp_mg_l", "site"]])
    table = read_patients(place, columns=["crp_mg_l"])
    assert table.frame["crp_mg_l"].tolist() == [12.5, 12.5]
    with pytest.raises(InputError, match="ferritin_ug_l") as caught:
        read_patients(place, columns=["crp_mg_l", "ferritin_ug_l", "ecog"])
    assert "also missing: ecog" in caught.value.found


def test_a_unit_by_row_is_read_and_one_that_contradicts_is_refused(tmp_path: Path) -> None:
    units = ["mg/L", "mg/dL", "", "stone"]
    frame = _renamed("crp_mg_l", "CRP", [20, 2, 3, 4]).assign(crp_unit=units)
    table = read_patients(_write(tmp_path, frame), strict=False)
    assert table.frame["crp_mg_l"].tolist() == [20.0, 20.0]
    assert _notes(table, "refused") == [(3, "crp_unit"), (4, "crp_unit")]
    stated = _table(2).assign(crp_unit=["mg/L", "mg/dL"])
    table = read_patients(_write(tmp_path, stated), strict=False)
    assert _notes(table, "refused") == [(2, "crp_unit")]


def test_limits_by_row_may_have_any_name_and_unit(tmp_path: Path) -> None:
    for header, limits in (("LDH ULN", [250, 4.0]), ("ldh_upper_limit", [250, 4.0])):
        frame = _renamed("ldh_x_uln", "LDH", [500, 8.0]).assign(
            ldh_unit=["U/L", "ukat/L"], **{header: limits}
        )
        table = read_patients(_write(tmp_path, frame), strict=False)
        assert table.frame["ldh_x_uln"].tolist() == [2.0]  # 4 U/L is no limit of LDH
    frame = _renamed("ldh_x_uln", "LDH [ukat/L]", [8.0]).assign(ldh_upper_limit=[4.0])
    assert read_patients(_write(tmp_path, frame)).frame["ldh_x_uln"].tolist() == [2.0]


def test_values_after_the_dose_are_no_baseline(tmp_path: Path) -> None:
    dose = ["2024-03-01 09:00"] * 4
    taken = ["2024-03-01 08:00", "2024-03-01 10:30", "2024-02-29", "2024-03-01"]
    frame = _table(4).assign(dose_time=dose, crp_datetime=taken)
    table = read_patients(_write(tmp_path, frame))
    assert table.frame["crp_mg_l"].isna().tolist() == [False, True, False, False]
    assert _notes(table, "left out") == [(2, "crp_mg_l")]
    assert any("without both times of day" in note.found for note in table.account)
    lonely = frame.drop(columns="dose_time")
    table = read_patients(_write(tmp_path, lonely))
    assert any("the time of the dose" in note.found for note in table.account)


@pytest.mark.parametrize(
    ("header", "times", "left_out"),
    [
        ("crp_drawn_h_before_dose", [2, 0, 30, 1], []),
        ("crp_hours_after_dose", [2, 0, -30, 1], [1, 4]),
        ("crp_days_after_infusion", [1, 0, -3, 0], [1]),
        ("crp_min_before_dose", [30, 0, 5, 1], []),
    ],
)
def test_numbers_count_after_or_before_the_dose_as_the_name_says(
    tmp_path: Path, header: str, times: list[int], left_out: list[int]
) -> None:
    table = read_patients(_write(tmp_path, _table(4).assign(**{header: times})))
    assert [row for row, _ in _notes(table, "left out")] == left_out


@pytest.mark.parametrize(
    ("header", "times", "says"),
    [
        ("crp_day", [1, 1, 2, -1], "day 0 or day 1"),
        ("crp_drawn_h_before_dose", [-2, 5, 1, 0], "a sign that is sure"),
        ("crp_h_after_lab_to_dose", [2, 5, 1, 0], "one direction"),
        ("crp_time", [2, 5, 1, 0], "a unit"),
    ],
)
def test_times_that_leave_something_open_are_told_and_not_guessed(
    tmp_path: Path, header: str, times: list[int], says: str
) -> None:
    table = read_patients(_write(tmp_path, _table(4).assign(**{header: times})))
    assert not _notes(table, "left out")
    assert any(says in note.found for note in table.account if note.kind == "warned")


def test_a_measurement_that_the_model_does_not_read_never_costs_the_row(tmp_path: Path) -> None:
    cells = {"ferritin_ug_l": ["1,234", "<5", "9e9"], "albumin_g_l": [4.2, 40, 41]}
    frame = _table(3, **cells).rename(columns={"il6_pg_ml": "IL6", "ldh_x_uln": "LDH [U/L]"})
    place = _write(tmp_path, frame)
    table = read_patients(place, columns=["crp_mg_l", "age_years"])
    assert len(table.frame) == 3
    assert table.frame["ferritin_ug_l"].isna().all()
    assert table.frame["albumin_g_l"].isna().tolist() == [True, False, False]
    found = _notes(table, "left out")
    assert {(1, "ferritin_ug_l"), (2, "ferritin_ug_l"), (3, "ferritin_ug_l")} <= set(found)
    assert {(1, "albumin_g_l"), (0, "ldh_x_uln")} <= set(found)
    for wanted in ("ferritin_ug_l", "albumin_g_l", "ldh_x_uln", "il6_pg_ml"):
        with pytest.raises(InputError):
            read_patients(place, columns=["crp_mg_l", wanted])
    with pytest.raises(InputError, match="column sex"):
        read_patients(_write(tmp_path, _renamed("is_female", "sex", ["1"])), columns=["crp_mg_l"])


def test_a_limit_with_a_doubtful_number_is_refused_with_both_readings(tmp_path: Path) -> None:
    place = _write(tmp_path, _table(4, ferritin_ug_l=["> 1,000", "88", "90", "12"]))
    stated = TableReading(censored={"ferritin": "limit"})
    with pytest.raises(InputError, match="it is 1000 or 1"):
        read_patients(place, reading=stated)


@pytest.mark.parametrize(
    ("column", "values", "looks_like"),
    [
        ("crp_mg_l", [0.4, 0.9, 1.2, 3.1, 0.6], "mg/dL"),
        ("crp_mg_l", [4, 9, 0.6, 31, 0.8], None),
        ("il6_pg_ml", [0.006, 0.011, 0.004, 2, 0.008], "ng/mL"),
        ("il6_pg_ml", [6, 11, 1.5, 1.5, 0.05], None),
    ],
)
def test_most_values_of_a_column_tell_its_unit(
    tmp_path: Path, column: str, values: list[float], looks_like: str | None
) -> None:
    table = read_patients(_write(tmp_path, _table(5, **{column: values})))
    told = [note.cure for note in table.account if "the column looks like" in note.cure]
    assert [f"looks like {looks_like}" in cure for cure in told] == [True] * bool(looks_like)


def test_the_limit_of_each_row_is_read_where_a_model_asks_for_it(tmp_path: Path) -> None:
    frame = _renamed("ldh_x_uln", "LDH [U/L]", [500, 500, 300]).assign(
        ldh_upper_limit=[250, 500, 250]
    )
    wanted = ["ldh_x_uln", "ldh_upper_limit_u_l"]
    table = read_patients(_write(tmp_path, frame), columns=wanted)
    assert table.frame["ldh_upper_limit_u_l"].tolist() == [250.0, 500.0, 250.0]
    assert (table.frame["ldh_x_uln"] * table.frame["ldh_upper_limit_u_l"]).tolist() == [
        500.0,
        500.0,
        300.0,
    ]
    multiples = read_patients(_write(tmp_path, _table(2)), columns=wanted)
    assert multiples.frame["ldh_upper_limit_u_l"].isna().all()
    assert "ldh_upper_limit_u_l" not in read_patients(_write(tmp_path, _table(2))).frame


def test_what_only_the_column_shows(tmp_path: Path) -> None:
    percent = read_patients(_write(tmp_path, _table(5, lymphocytes_g_l=[12, 8, 20, 5, 1])))
    assert any("looks like % of leukocytes" in note.cure for note in percent.account)
    usual = read_patients(_write(tmp_path, _table(5, lymphocytes_g_l=[1, 2, 0.5, 3, 6])))
    assert not any("looks like" in note.cure for note in usual.account)
    codes = read_patients(_write(tmp_path, _table(5, ferritin_ug_l=[9999, 9999, 200, 30, 80])))
    assert any("--missing ferritin_ug_l=9999" in note.cure for note in codes.account)
    declared = TableReading(missing={"ferritin_ug_l": ("9999",)})
    table = read_patients(
        _write(tmp_path, _table(3, ferritin_ug_l=[9999, 200, 30])), reading=declared
    )
    assert table.frame["ferritin_ug_l"].isna().tolist() == [True, False, False]


def test_a_table_with_one_row_a_value_is_refused_by_its_shape() -> None:
    long = pd.DataFrame({"USUBJID": ["P1"], "PARAMCD": ["CRP"], "AVAL": [4.2]})
    with pytest.raises(InputError, match="a long table: one row a value"):
        read_patients(long)


def test_platform_other_is_read() -> None:
    frame = _table(1, product=["ours"], platform=["Other"])
    assert read_patients(frame).frame["platform"].tolist() == ["other"]


def test_the_first_problem_is_raised_with_the_number_of_all(tmp_path: Path) -> None:
    frame = _table(
        4, has_lymphodepletion=[True, "?", True, True], crp_mg_l=[1, 2, -3, 4], ecog=[0, 1, "x", 1]
    )
    with pytest.raises(
        InputError, match=r"row 2, column has_lymphodepletion.*3 cells in 2 of 4 rows"
    ) as caught:
        read_patients(_write(tmp_path, frame))
    for part in ("also crp_mg_l: 1 cells, in row 3 -3 mg/L", "ecog: 1 cells, in row 3 'x'"):
        assert part in caught.value.cure or part.replace("also ", "") in caught.value.cure


def test_patients_twice_are_named_and_none_of_them_is_scored(tmp_path: Path) -> None:
    place = _write(tmp_path, _table(5, patient_id=["A", "B", "A", "C", "B"]))
    with pytest.raises(
        InputError, match=r"row 1, column patient_id: found A more than once.*repeated: A, B"
    ):
        read_patients(place)
    table = read_patients(place, strict=False)
    assert table.frame["patient_id"].tolist() == ["C"]
    assert sorted(table.reasons) == [1, 2, 3, 5]


def test_a_value_outside_the_plausible_range_is_used_as_it_is_with_a_warning(
    tmp_path: Path,
) -> None:
    table = read_patients(_write(tmp_path, _table(2, crp_mg_l=[700, 10], ecog=[1, 3])))
    assert table.frame["crp_mg_l"].tolist() == [700.0, 10.0]
    assert table.frame["ecog"].tolist() == [1, 3]
    assert _notes(table, "warned") == [(1, "crp_mg_l"), (2, "ecog")]


@pytest.mark.parametrize(
    "name", [name for name in PATIENT if FIELDS[name].is_required and name not in FACTS]
)
def test_a_missing_column_is_refused_even_if_its_cells_may_be_empty(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_patients(_write(tmp_path, _table(1).drop(columns=name)), strict=False)
    assert caught.value.key == name
    assert name in caught.value.expected
    assert "no such column" in caught.value.found


def test_columns_that_stand_for_nothing_are_listed_and_none_is_guessed(tmp_path: Path) -> None:
    frame = _table(1).drop(columns=["has_infection", "ecog"]).assign(has_infections=[True])
    with pytest.raises(InputError, match="has_infections") as caught:
        read_patients(_write(tmp_path, frame))
    assert caught.value.key == "ecog"
    assert "also missing: has_infection" in caught.value.found


def test_a_table_without_patients_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no patients"):
        read_patients(_write(tmp_path, _table(1).iloc[:0]))
    for name in ("nowhere.csv", "nowhere.parquet", "table.xlsx", "table.json"):
        with pytest.raises(InputError):
            read_patients(tmp_path / name)


# --- nothing is lost ---


def test_every_row_comes_back_in_order_with_its_result_or_reason(tmp_path: Path) -> None:
    frame = _table(3, ecog=[1, "x", 0], reason=["a", "b", "c"])
    table = read_patients(_write(tmp_path, frame), strict=False)
    joined = table.rejoin(pd.DataFrame({"risk_grade2plus": [0.1, 0.3]}))
    assert joined["patient_id"].tolist() == [1, 2, 3]
    assert joined["is_refused"].tolist() == [False, True, False]
    assert joined["risk_grade2plus"].tolist() == pytest.approx([0.1, np.nan, 0.3], nan_ok=True)
    assert joined["reason"].tolist() == ["", "ecog: found 'x'; expected a whole number", ""]
    assert table.refused["reason"].tolist() == ["b"]
    with pytest.raises(ValueError, match="1 results for 2 rows"):
        table.rejoin(pd.DataFrame({"risk": [0.1]}))


def test_the_account_is_a_table_by_row(tmp_path: Path) -> None:
    frame = _renamed("crp_mg_l", "crp [mg/dL]", [None, 1.5, 60]).assign(
        ferritin_ug_l=[10, np.nan, 10]
    )
    account = read_patients(_write(tmp_path, frame)).account_frame()
    assert list(account.columns) == ["row", "column", "kind", "found", "expected", "cure"]
    assert account[["row", "column", "kind"]].to_numpy().tolist() == [
        [1, "crp_mg_l", "missing"],
        [2, "crp_mg_l", "converted"],
        [2, "ferritin_ug_l", "missing"],
        [3, "crp_mg_l", "converted"],
        [3, "crp_mg_l", "warned"],
    ]


_CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=8),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["", "NA", "true", "<3", "1e5", "-0", "٣", "0x10", "1,5", '"', "\n"]),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    name=st.sampled_from(sorted(PATIENT)),
    cells=st.lists(_CELLS, min_size=1, max_size=4),
    suffix=st.sampled_from([".csv", ".parquet"]),
)
def test_whatever_stands_in_a_cell_is_kept_refused_or_told(
    tmp_path: Path, name: str, cells: list[str], suffix: str
) -> None:
    table = read_patients(
        _write(tmp_path, _table(len(cells), **{name: cells}), suffix), strict=False
    )
    assert table.n_rows == len(cells)
    assert sorted([*table.frame.index, *table.refused.index]) == list(range(1, len(cells) + 1))
    assert set(table.reasons) == set(table.refused.index)
    if FIELDS[name].kind in ("float", "int") and name != "patient_id":
        low, high = FIELDS[name].possible or (0, 0)
        assert table.frame[name].dropna().between(low, high).all()
        for row, value in table.frame[name].dropna().items():
            text = cells[int(str(row)) - 1]  # used as it stands, never clamped
            if name in FACTS and text.strip().lower() in MISSING_WORDS:
                assert value == product_facts("tarlatamab")[name]  # filled, and told
            else:
                assert number_in(text, table.source.style) == value, text


def test_a_simulated_table_is_read_back_without_a_note(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        place = _write(tmp_path, _table(4), suffix)
        floats = {name: float for name in PATIENT if FIELDS[name].kind == "float"}
        read = read_patients(place)
        pd.testing.assert_frame_equal(
            read.frame.reset_index(drop=True), read_table(place).astype(floats)
        )
        assert read.account == ()


# --- crsrisk's own tables ---


def test_own_tables_keep_types_known_and_unknown(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "patient_id": [1, 2],
            "product": ["NA", "none"],
            "is_female": [True, False],
            "onset_h": [np.nan, 1 / 3],
            "max_grade": [0, 4],
            "gain": [0.1, 1e-300],
            "n_things": [-3, 4],
            "is_odd": [True, True],
            "word": ["a", "1"],
            "gaps": [np.nan, 2.0],
        }
    )
    place = _write(tmp_path, frame)
    pd.testing.assert_frame_equal(read_table(place), frame)


@pytest.mark.parametrize(
    ("name", "text"),
    [("max_grade", ""), ("max_grade", "1.5"), ("crs_any", "perhaps"), ("onset_h", "soon")],
)
def test_own_tables_that_were_changed_by_hand_are_refused(
    tmp_path: Path, name: str, text: str
) -> None:
    place = tmp_path / "outcomes.csv"
    place.write_text(f"patient_id,{name}\n1,0\n2,{text}\n")
    with pytest.raises(InputError, match=f"row 2, column {name}"):
        read_table(place)


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        ({"sex": ["1", "2"]}, "--code sex:CODE=WORD, the word F or M"),
        ({"ferritin_ug_l": ["1,234", "80"]}, "Cure: correct the cell ("),
        ({"crp_mg_l": [-9, 4.0]}, "Cure: correct the cell ("),
        ({"ecog": ["bad", 1]}, "write a number alone"),
    ],
)
def test_a_log_has_the_cure_unless_it_tells_what_stands_in_the_cell(
    cells: dict[str, list[object]], kept: str
) -> None:
    frame = pd.DataFrame({"patient_id": [1, 2], **cells})
    with pytest.raises(InputError) as told:
        read_patients(frame, columns=["is_female" if name == "sex" else name for name in cells])
    assert kept in told.value.for_log
    assert "234" not in told.value.for_log
    assert "-9" not in told.value.for_log
