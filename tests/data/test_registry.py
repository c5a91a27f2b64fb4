"""A registry: what is refused and how, how columns are read, and what is told about gaps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.episodes import ROW_COLUMNS
from crsrisk.data.registry import COLUMNS, DEVICES, MANDATORY, Registry, read_registry
from crsrisk.data.table_reading import TableReading
from crsrisk.errors import InputError

ROW: dict[str, Any] = {
    "patient_id": "A",
    "time_h": 0,
    "temperature_c": 38.5,
    "map_mmhg": 80,
    "sbp_mmhg": 115,
    "has_fluids": 0,
    "n_vasopressors": 0,
    "oxygen_device": "none",
}
LATER = ROW | {"time_h": 6}


def written(folder: Path, *rows: dict[str, Any], name: str = "ward.csv") -> Path:
    path = folder / name
    frame = pd.DataFrame(list(rows))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def read(folder: Path, *rows: dict[str, Any], **options: Any) -> Registry:
    return read_registry(written(folder, *rows), **options)


def refusal(folder: Path, *rows: dict[str, Any], **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, *rows, **options)
    return str(caught.value)


def one(folder: Path, **cells: Any) -> dict[str, Any]:
    return read(folder, ROW | cells).rows.iloc[0].to_dict()


# --- rows that cannot be ---


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"temperature_c": -38.5}, ("column temperature_c", "found -38.5", "25 to 45 degC")),
        (
            {"temperature_c": 101.3},
            ("found 101.3 degC", "looks like degF"),
        ),
        ({"temperature_c": 500}, ("found 500", "correct the value")),
        ({"map_mmhg": 120}, ("column map_mmhg", "120, above sbp_mmhg 115", "exchanged")),
        ({"map_mmhg": 5}, ("column map_mmhg", "10 to 200 mmHg")),
        (
            {"oxygen_flow_l_min": 2},
            ("column oxygen_flow_l_min", "2 L/min with oxygen_device none", "name the device"),
        ),
        (
            {"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": 0},
            ("found 0 with nasal_cannula", "a flow above 0"),
        ),
        (
            {"oxygen_device": "ventilator", "fio2_pct": 15},
            ("column fio2_pct", "found 15 %", "21 to 100 %"),
        ),
        ({"oxygen_device": "ventilator", "fio2_pct": 0.4}, ("found 0.4 %", "looks like fraction")),
        ({"oxygen_device": "ventilator", "fio2_pct": 101}, ("found 101", "21 to 100 %")),
        ({"fio2_pct": 40}, ("column fio2_pct", "40% with oxygen_device none")),
        (
            {"vasopressin": 1},
            ("column vasopressin", "1 with n_vasopressors 0", "count every vasopressor"),
        ),
        ({"vasopressor_high_dose": 1}, ("column vasopressor_high_dose", "1 with n_vasopressors 0")),
        (
            {"oxygen_device": "nasl canula"},
            ("'nasl canula'", "one of none, nasal_cannula", "state which device it was"),
        ),
        ({"oxygen_device": "mask"}, ("'mask'", "it may be face_mask or venturi")),
        ({"oxygen_device": ""}, ("column oxygen_device", "an empty cell")),
        (
            {"n_vasopressors": ""},
            ("column n_vasopressors", "an empty cell", "state it from the record"),
        ),
        ({"n_vasopressors": 1.5}, ("found '1.5'", "a whole number")),
        ({"n_vasopressors": -1}, ("found -1", "0 to 8")),
        (
            {"n_vasopressors": 1, "vasopressor_high_dose": ""},
            ("column vasopressor_high_dose", "an empty cell"),
        ),
        ({"has_fluids": "maybe"}, ("column has_fluids", "'maybe'", "yes/no")),
        ({"has_fluids": ""}, ("column has_fluids", "an empty cell", "state it from the record")),
        ({"fluid_bolus_n": 2}, ("column has_fluids", "0 with fluid_bolus_n 2")),
        ({"patient_id": ""}, ("column patient_id", "an empty cell")),
        ({"time_h": ""}, ("column time_h", "an empty cell", "state it from the record")),
        ({"spo2_pct": 0.93}, ("column spo2_pct", "looks like fraction")),
        ({"alt_x_uln": 900}, ("column alt_x_uln", "looks like U/L", "'alt [U/L]'")),
        (
            {"creatinine_x_uln": 88},
            ("column creatinine_x_uln", "0 to 30 x ULN"),
        ),
        ({"organ_toxicity_grade": 5}, ("column organ_toxicity_grade", "0 to 4")),
    ],
)
def test_a_row_that_cannot_be(tmp_path: Path, cells: dict[str, Any], says: tuple[str, ...]) -> None:
    first = ROW | ({"fluid_bolus_n": 0} if "fluid_bolus_n" in cells else {})
    message = refusal(tmp_path, first, LATER | cells)
    assert "ward.csv, row 2, column " in message
    assert "1 of 2 rows cannot be used" in message
    for part in ("found ", "expected ", "Cure: ", *says):
        assert part in message


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            (ROW, ROW),
            ("row 2, column time_h", "a second time", "each time point of a patient once"),
        ),
        ((LATER, ROW), ("row 2, column time_h", "0 h after 6 h", "sort the table")),
        ((ROW, LATER | {"patient_id": "B"}, ROW), ("row 3, column time_h", "a second time")),
        (
            (ROW | {"died_of_crs": 1}, LATER | {"died_of_crs": 0}),
            ("row 2, column died_of_crs", "a row after death"),
        ),
    ],
)
def test_rows_in_an_impossible_order(
    tmp_path: Path, rows: tuple[dict[str, Any], ...], says: tuple[str, ...]
) -> None:
    message = refusal(tmp_path, *rows)
    assert all(part in message for part in says), message


def test_the_first_row_of_several_is_named_with_the_number_of_all(tmp_path: Path) -> None:
    bad = [LATER | {"time_h": t, "temperature_c": 101.0, "map_mmhg": 1} for t in (6, 12, 18)]
    message = refusal(tmp_path, ROW, *bad)
    assert "row 2, column temperature_c" in message
    assert "3 such cells; 6 cells in 3 of 4 rows cannot be used" in message
    assert "also map_mmhg: 3 cells" in message


# --- the table as a whole ---


@pytest.mark.parametrize("group", MANDATORY)
def test_a_mandatory_column_is_missing(tmp_path: Path, group: tuple[str, ...]) -> None:
    message = refusal(tmp_path, {name: value for name, value in ROW.items() if name not in group})
    assert f"ward.csv, {group[0]}: found no such column" in message
    assert " or ".join(group) in message


def test_a_temperature_without_a_unit_is_refused_with_both(tmp_path: Path) -> None:
    row = {name.replace("temperature_c", "temperature"): value for name, value in ROW.items()}
    message = refusal(tmp_path, row)
    for part in ("a quantity without a unit", "'temperature=degC'", "'temperature=degF'"):
        assert part in message


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("ward.xls", "", "save it as .xlsx"),
        ("ward.xlsx", "no workbook", "no workbook"),
        ("ward.csv", "", "an empty file"),
        ("ward.csv", ",".join(ROW) + "\n", "no rows"),
        ("ward.parquet", "not Parquet", "not Parquet"),
    ],
)
def test_a_file_that_is_no_registry(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(says)):
        read_registry(tmp_path / name)


def test_columns_that_are_not_used_are_told(tmp_path: Path) -> None:
    assert read(tmp_path, ROW | {"nurse": "x"}).unused == ("nurse",)


def test_csv_and_parquet_are_read_alike(tmp_path: Path) -> None:
    rows = [
        ROW | {"alt_x_uln": 1.5, "oxygen_flow_l_min": np.nan, "died_of_crs": False},
        LATER
        | {
            "n_vasopressors": 1,
            "oxygen_device": "nasal_cannula",
            "oxygen_flow_l_min": 3.0,
            "died_of_crs": False,
        },
    ]
    csv, parquet = (
        read_registry(written(tmp_path, *rows, name=name)) for name in ("ward.csv", "ward.parquet")
    )
    pd.testing.assert_frame_equal(csv.rows, parquet.rows)
    assert csv.readings == parquet.readings


def test_rows_have_what_the_bedside_needs(tmp_path: Path) -> None:
    assert set(read(tmp_path, ROW).rows.columns) == set(ROW_COLUMNS)
    assert set(ROW) <= set(COLUMNS)


# --- as charts and exports have it ---


def test_dates_become_hours_from_the_dose_or_from_the_first_row(tmp_path: Path) -> None:
    rows = [
        {name: value for name, value in ROW.items() if name != "time_h"} | {"datetime": moment}
        for moment in ("2024-03-01 08:00", "2024-03-01 20:30")
    ]
    found = read(tmp_path, *rows)
    assert found.rows["time_h"].tolist() == [0.0, 12.5]
    assert "hours count from each patient's first row" in found.readings[0]
    dosed = [row | {"dose_time": "29 Feb 2024 20:00"} for row in rows]
    found = read(tmp_path, *dosed)
    assert found.rows["time_h"].tolist() == [12.0, 24.5]
    assert "hours count from dose_time" in found.readings[0]
    message = refusal(tmp_path, *rows, rows[1] | {"datetime": "yesterday"})
    assert "row 3, column datetime: found 'yesterday'" in message


def without_hours(**cells: Any) -> dict[str, Any]:
    return {name: value for name, value in ROW.items() if name != "time_h"} | cells


@pytest.mark.parametrize(
    "header", ["obs_time", "ObservationDateTime", "Zeitpunkt", "taken at", "effectiveDateTime"]
)
def test_the_only_column_of_dates_is_the_time_of_the_rows(tmp_path: Path, header: str) -> None:
    rows = [without_hours(**{header: f"2024-03-01 {clock}"}) for clock in ("8:00 AM", "8:30 PM")]
    found = read(tmp_path, *rows)
    assert found.rows["time_h"].tolist() == [0.0, 12.5]
    assert found.readings[0].startswith(header)
    two = [row | {"admission_date": "2024-02-28"} for row in rows]
    assert "columns that stand for nothing here" in refusal(tmp_path, *two)


def test_a_date_and_a_time_of_day_are_read_together(tmp_path: Path) -> None:
    rows = [without_hours(date="01.03.2024", time=clock) for clock in ("08:00", "20:30")]
    found = read(tmp_path, *rows)
    assert found.rows["time_h"].tolist() == [0.0, 12.5]
    assert "date and time are read together" in found.readings[0]


def test_hours_count_from_the_first_dose_and_from_no_other(tmp_path: Path) -> None:
    row = without_hours(datetime="2024-03-03 08:00", last_dose_date="2024-03-02")
    found = read(tmp_path, row | {"first_dose_datetime": "2024-03-01 08:00"})
    assert found.rows["time_h"].tolist() == [48.0]
    assert "no time of the dose is given" in read(tmp_path, row).readings[0]
    doubtful = row | {"dose_date": "2024-03-01", "infusion_date": "2024-03-02"}
    assert "--dose-time 'dose_date'" in refusal(tmp_path, doubtful)
    zoned = without_hours(datetime="2024-03-03 08:00Z", dose_time="2024-03-01 08:00")
    assert "a time zone in one column" in refusal(tmp_path, zoned)


def test_what_is_stated_of_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for stated in (
        {"dose_time": "shoes"},
        {"rename": {"shoes": "sbp_mmhg"}},
        {"ignore": ("shoes",)},
    ):
        message = refusal(tmp_path, ROW, reading=TableReading(**stated))
        assert "shoes: found no such column" in message


def test_flow_and_inspired_oxygen_in_the_cell_of_the_device(tmp_path: Path) -> None:
    cells = one(tmp_path, oxygen_device="Venturi 35%")
    assert not cells["has_fio2_40"]
    assert one(tmp_path, oxygen_device="Venturi 50%")["has_fio2_40"]
    message = refusal(tmp_path, ROW | {"oxygen_device": "HFNC 60%", "fio2_pct": 40})
    assert "40 %, and 60 in the cell of the device" in message
    assert "fio2_pct from 21 to 100" in refusal(tmp_path, ROW | {"oxygen_device": "HFNC 10%"})


def test_an_unread_flow_is_told_of_before_it_moves_a_grade(tmp_path: Path) -> None:
    found = read(tmp_path, ROW | {"oxygen_device": "NC", "O2 flow": 8})
    assert "O2 flow: not read, though it is a usual name of oxygen flow" in found.readings[0]


def test_days_month_first_are_refused_where_they_may_be_either(tmp_path: Path) -> None:
    rows = [
        {name: value for name, value in ROW.items() if name != "time_h"} | {"datetime": moment}
        for moment in ("03/04/2024 08:00", "03/05/2024 08:00")
    ]
    assert "day and month can be exchanged" in refusal(tmp_path, *rows)


def test_fahrenheit_by_row(tmp_path: Path) -> None:
    rows = [
        {name.replace("temperature_c", "temperature"): value for name, value in row.items()}
        | {"temperature": value, "temperature_unit": unit}
        for row, value, unit in ((ROW, 100.4, "F"), (LATER, 37.0, "C"))
    ]
    found = read(tmp_path, *rows)
    assert found.rows["temperature_c"].tolist() == pytest.approx([38.0, 37.0])
    in_cell = read(tmp_path, ROW | {"temperature_c": "38.5 °C"})
    assert in_cell.rows["temperature_c"].tolist() == [38.5]


def test_pressure_in_one_cell_and_the_mean_from_both(tmp_path: Path) -> None:
    row = {name: value for name, value in ROW.items() if not name.endswith("_mmhg")}
    found = read(
        tmp_path,
        row | {"blood_pressure": "120/60"},
        row | {"time_h": 6, "blood_pressure": "90/60 (71)"},
    )
    assert found.rows["sbp_mmhg"].tolist() == [120.0, 90.0]
    assert found.rows["map_mmhg"].tolist() == [80.0, 71.0]
    assert any("a third of the way up" in told for told in found.readings)
    assert "'low'" in refusal(tmp_path, row | {"blood_pressure": "low"})
    assert "exchanged" in refusal(tmp_path, ROW | {"dbp_mmhg": 130})


@pytest.mark.parametrize(
    ("word", "level"),
    [
        ("NC 2L", 1),
        ("NC @ 8 L/min", 2),
        ("Nasal Cannula", 1),
        ("vent", 4),
        ("Intubated", 4),
        ("ETT", 4),
        ("ventimask", 2),
        ("High flow nasal cannula", 2),
        ("HFNC 40 L/min", 2),
        ("NRB", 2),
        ("BiPAP", 3),
        ("room air", 0),
    ],
)
def test_devices_as_charts_call_them(tmp_path: Path, word: str, level: int) -> None:
    assert one(tmp_path, oxygen_device=word)["oxygen_device"] == level


def test_a_word_of_the_ward_is_declared(tmp_path: Path) -> None:
    stated = TableReading(codes={"oxygen_device": {"Trach": "ventilator"}})
    found = read(tmp_path, ROW | {"oxygen_device": "Trach"}, reading=stated)
    assert found.rows["oxygen_device"].tolist() == [4]


def test_a_flow_in_the_cell_must_not_contradict_its_column(tmp_path: Path) -> None:
    row = ROW | {"oxygen_device": "NC 2 L", "oxygen_flow_l_min": 3}
    assert "3 L/min, and 2 in the cell" in refusal(tmp_path, row)


def test_limits_of_alt_by_row_and_a_raised_baseline(tmp_path: Path) -> None:
    rows = [
        ROW | {"time_h": hour, "temperature_c": warm, "alt_u_l": 160, "alt_upper_limit": limit}
        for hour, warm, limit in ((-24, 36.8, 40), (0, 38.5, 40), (12, 38.5, 80))
    ]
    found = read(tmp_path, *rows)
    assert found.rows["alt_x_uln"].tolist() == [4.0, 4.0, 2.0]
    assert found.rows["baseline_alt_x_uln"].tolist() == [4.0, 4.0, 4.0]
    assert any("ALT above its limit before CRS" in told for told in found.readings)
    stated = read(
        tmp_path,
        ROW
        | {"alt_u_l": 160, "alt_upper_limit": 40, "baseline_alt": 80, "baseline_alt_unit": "U/L"},
    )
    assert stated.rows["baseline_alt_x_uln"].tolist() == [2.0]
    unread = read(tmp_path, ROW | {"alt_x_uln": "hemolyzed"}, LATER | {"alt_x_uln": 2})
    assert unread.rows["alt_x_uln"].isna().tolist() == [True, False]
    assert any("alt_x_uln: 1 cell (row 1)" in told for told in unread.readings)


def test_columns_are_renamed_and_units_stated(tmp_path: Path) -> None:
    row = {("Temp" if name == "temperature_c" else name): value for name, value in ROW.items()}
    stated = TableReading(rename={"Temp": "temperature"}, units={"Temp": "degC"})
    assert read(tmp_path, row, reading=stated).rows["temperature_c"].tolist() == [38.5]


def test_signs_without_their_support_are_told(tmp_path: Path) -> None:
    low = ROW | {"map_mmhg": 60, "sbp_mmhg": 85}
    told = " | ".join(read(tmp_path, low).readings)
    assert "1 row: low pressure and neither fluids nor vasopressor given" in told


# --- oxygen ---


@pytest.mark.parametrize(
    ("cells", "level", "has_fio2_40"),
    [
        ({"oxygen_device": "none"}, 0, False),
        ({"oxygen_device": "none", "oxygen_flow_l_min": 0, "fio2_pct": 21}, 0, False),
        ({"oxygen_device": "nasal_cannula"}, 1, False),
        ({"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": 4.9}, 1, False),
        ({"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": 5}, 1, True),  # 20% + 4% x 5
        ({"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": 6}, 1, True),
        ({"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": 6.1}, 2, True),
        ({"oxygen_device": "nasal_cannula", "oxygen_flow_l_min": 6, "fio2_pct": 38}, 1, False),
        ({"oxygen_device": "blow_by", "oxygen_flow_l_min": 8}, 1, False),
        ({"oxygen_device": "face_mask"}, 2, True),
        ({"oxygen_device": "face_mask", "oxygen_flow_l_min": 4}, 2, False),
        ({"oxygen_device": "high_flow"}, 2, True),
        ({"oxygen_device": "high_flow", "oxygen_flow_l_min": 30, "fio2_pct": 35}, 2, False),
        ({"oxygen_device": "high_flow", "oxygen_flow_l_min": 5, "fio2_pct": 35}, 1, False),
        ({"oxygen_device": "venturi"}, 2, True),
        ({"oxygen_device": "venturi", "oxygen_flow_l_min": 2, "fio2_pct": 24}, 2, False),
        ({"oxygen_device": "non_rebreather", "oxygen_flow_l_min": 15}, 2, True),
        ({"oxygen_device": "cpap"}, 3, True),
        ({"oxygen_device": "bipap", "fio2_pct": 30}, 3, False),
        ({"oxygen_device": "ventilator", "fio2_pct": 60}, 4, True),
    ],
)
def test_oxygen(tmp_path: Path, cells: dict[str, Any], level: int, has_fio2_40: bool) -> None:
    found = one(tmp_path, **cells)
    assert (found["oxygen_device"], found["has_fio2_40"]) == (level, has_fio2_40)


def test_every_device_is_in_that_table() -> None:
    marks = [mark for mark in getattr(test_oxygen, "pytestmark") if mark.name == "parametrize"]  # noqa: B009
    assert {cells["oxygen_device"] for cells, *_ in marks[0].args[1]} == set(DEVICES)


# --- columns that are not there ---


def test_vasopressors_are_parted_from_vasopressin(tmp_path: Path) -> None:
    found = one(tmp_path, n_vasopressors=2, vasopressin=1)
    assert (
        found["n_vasopressors"],
        found["has_vasopressin"],
        found["has_high_dose_vasopressor"],
    ) == (1, True, False)
    assert one(tmp_path, n_vasopressors=2)["has_high_dose_vasopressor"], (
        "without a column two are read as high dose"
    )
    assert not one(tmp_path, n_vasopressors=2, vasopressor_high_dose=0)["has_high_dose_vasopressor"]


def test_boluses_stand_for_fluids_and_a_flag_for_hidden_fever(tmp_path: Path) -> None:
    row = {name: value for name, value in ROW.items() if name != "has_fluids"}
    assert read(tmp_path, row | {"fluid_bolus_n": 1}).rows[["has_fluids", "n_boluses"]].iloc[
        0
    ].tolist() == [True, 1.0]
    assert np.isnan(one(tmp_path)["n_boluses"])
    assert one(tmp_path)["is_fever_hidden"]
    assert not one(tmp_path, antipyretic_or_anticytokine="no")["is_fever_hidden"]


def test_alt_in_units_per_litre(tmp_path: Path) -> None:
    assert read(tmp_path, ROW | {"alt_u_l": 200}, alt_upper_limit_u_l=40.0).rows[
        "alt_x_uln"
    ].tolist() == [5.0]
    assert "without the upper limit" in refusal(tmp_path, ROW | {"alt_u_l": 200})
    assert "no column of ALT" in refusal(tmp_path, ROW, alt_upper_limit_u_l=40.0)
    assert "5 to 200 U/L" in refusal(tmp_path, ROW | {"alt_u_l": 200}, alt_upper_limit_u_l=0.0)
    assert "alt_x_uln a second time" in refusal(
        tmp_path, ROW | {"alt_u_l": 200, "alt_x_uln": 5}, alt_upper_limit_u_l=40.0
    )


def test_gaps_are_told_and_a_full_table_has_none(tmp_path: Path) -> None:
    told = " | ".join(
        read(
            tmp_path, ROW | {"spo2_pct": 88}, LATER | {"oxygen_device": "cpap", "spo2_pct": 95}
        ).readings
    )
    for part in (
        "vasopressor_high_dose",
        "fluid_bolus_n",
        "antipyretic_or_anticytokine",
        "died_of_crs",
        "no ALT",
        "no creatinine",
        "1 row: no FiO2 of a mask",
        "1 row: oxygen saturation below 90%",
    ):
        assert part in told
    full = {
        "fluid_bolus_n": 0,
        "vasopressor_high_dose": "",
        "antipyretic_or_anticytokine": 0,
        "died_of_crs": 0,
        "alt_x_uln": 1,
        "creatinine_x_uln": 1,
    }
    assert read(tmp_path, ROW | full).readings == ()


def test_patients_whose_fever_could_not_be_seen_are_told(tmp_path: Path) -> None:
    """Support without any temperature is grade 0: the reading says so, and in how many patients."""
    ill = {
        "map_mmhg": 50,
        "sbp_mmhg": 75,
        "n_vasopressors": 2,
        "oxygen_device": "ventilator",
        "temperature_c": np.nan,
    }
    rows = [
        ROW | ill,
        LATER | ill,  # A: never a temperature
        ROW | {"patient_id": "B"} | ill,
        LATER | {"patient_id": "B", "temperature_c": 37.2},
        ROW | {"patient_id": "C"},
        LATER | {"patient_id": "C"} | ill,  # fever before
        ROW | {"patient_id": "D", "temperature_c": np.nan},
    ]  # no support
    told = [one for one in read(tmp_path, *rows).readings if "temperature" in one]
    assert [one.partition(":")[0] for one in told] == [
        "1 patient with support (vasopressor, oxygen or fluids) but never a temperature",
        "1 patient with support at rows without temperature, and no fever at any other",
        "5 rows (4 patients) without temperature",
    ]
    assert all("grade 0" in one for one in told)


@pytest.mark.parametrize(
    "support",
    [
        {"has_fluids": 1},
        {"n_vasopressors": 1},
        {"n_vasopressors": 1, "vasopressin": 1},
        {"oxygen_device": "nasal_cannula"},
    ],
)
def test_each_support_counts_where_temperature_is_missing(
    tmp_path: Path, support: dict[str, Any]
) -> None:
    told = " | ".join(read(tmp_path, ROW | {"temperature_c": np.nan} | support).readings)
    assert "1 patient with support (vasopressor, oxygen or fluids) but never a temperature" in told


def test_rows_without_blood_pressure_are_told_where_it_would_be_graded(tmp_path: Path) -> None:
    """Either pressure is enough, and under support the support is graded."""
    none = {"map_mmhg": np.nan, "sbp_mmhg": np.nan}
    told = " | ".join(read(tmp_path, ROW | none, LATER | none | {"has_fluids": 1}).readings)
    assert "1 row (1 patient) without blood pressure and without support" in told
    for cells in ({"map_mmhg": np.nan}, {"sbp_mmhg": np.nan}, none | {"oxygen_device": "cpap"}):
        assert "blood pressure" not in " | ".join(read(tmp_path, ROW | cells).readings)


@pytest.mark.parametrize(
    ("column", "cell"), [("temperature_c", "hot"), ("sbp_mmhg", "8o"), ("oxygen_flow_l_min", "?")]
)
def test_a_sign_that_cannot_be_read_costs_the_patient_and_an_empty_one_does_not(
    column: str, cell: str
) -> None:
    """Without it the grade may be too low; a laboratory value costs its cell alone."""
    ward = pd.DataFrame(
        {
            "patient_id": ["A", "A", "B"],
            "time_h": [0, 6, 0],
            "temperature_c": [38.5, 38.6, 38.5],
            "sbp_mmhg": [120, 121, 120],
            "has_fluids": 0,
            "n_vasopressors": 0,
            "oxygen_device": "nasal_cannula",
            "oxygen_flow_l_min": [2, 3, 2],
            "alt_x_uln": ["hemolyzed", "1.0", "1.0"],
        }
    ).astype(object)
    ward.loc[1, column] = cell
    read = read_registry(ward, strict=False)
    assert list(read.reasons) == [1, 2]
    assert column in read.reasons[2]
    assert len(read.rows) == 1
    ward.loc[1, column] = None
    assert list(read_registry(ward, strict=False).reasons) == []
