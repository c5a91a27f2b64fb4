"""Landmarks: only what is known by then, only patients still at risk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.fields import LANDMARK_HOURS
from crsrisk.model.features import build_features
from crsrisk.model.landmark import BEFORE_DOSE_2_H, landmark_columns, landmark_table

N = 6


def observed() -> pd.DataFrame:
    laboratory = {"crp_mg_l": 5.0, "il6_pg_ml": 5.0, "ferritin_ug_l": 200.0}
    return pd.DataFrame(
        {"patient_id": np.arange(N), "age_years": 60.0, **laboratory}, index=np.arange(100, 100 + N)
    )


def course() -> pd.DataFrame:
    """Every value tells its hour: CRP 10 x hour, but the third patient's CRP was highest at 12
    h.
    """
    columns: dict[str, object] = {"patient_id": np.arange(N)}
    for hour in LANDMARK_HOURS:
        for stem in ("crp_mg_l", "il6_pg_ml", "ferritin_ug_l"):
            columns[f"{stem}__h{hour}"] = np.full(N, 10.0 * hour)
        columns[f"temperature_c__max__h{hour}"] = np.full(N, 37.0 + hour / 1000)
        columns[f"map_mmhg__min__h{hour}"] = np.full(N, 80.0 - hour / 100)
        columns[f"spo2_pct__min__h{hour}"] = np.full(N, 97.0)
        columns[f"grade__max__h{hour}"] = np.array([0, 1, 2 * (hour >= 24), 3 * (hour >= 72), 0, 1])
    table = pd.DataFrame(columns)
    table.loc[2, "crp_mg_l__h12"] = 99_999.0
    return table


def test_patients_with_grade_2_are_no_longer_at_risk() -> None:
    assert landmark_table(observed(), course(), hour=12)["patient_id"].tolist() == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]
    assert landmark_table(observed(), course(), hour=24)["patient_id"].tolist() == [0, 1, 3, 4, 5]
    assert landmark_table(observed(), course(), hour=BEFORE_DOSE_2_H)["patient_id"].tolist() == [
        0,
        1,
        4,
        5,
    ]


def test_the_index_is_kept() -> None:
    assert landmark_table(observed(), course(), hour=24).index.tolist() == [100, 101, 103, 104, 105]


def test_last_and_highest_values() -> None:
    row = landmark_table(observed(), course(), hour=12).set_index("patient_id").loc[2]
    assert row["crp_mg_l__h12"] == row["crp_mg_l__max__h12"] == 99_999.0
    changed = course()
    changed.loc[2, "grade__max__h24"] = 0
    row = landmark_table(observed(), changed, hour=24).set_index("patient_id").loc[2]
    assert (row["crp_mg_l__h24"], row["crp_mg_l__max__h24"]) == (240.0, 99_999.0)


@pytest.mark.parametrize("hour", LANDMARK_HOURS)
def test_later_readings_cannot_leak(hour: int) -> None:
    expected = landmark_table(observed(), course(), hour=hour)
    poisoned = course()
    later = [
        name for name in poisoned.columns if "__h" in name and int(name.rpartition("__h")[2]) > hour
    ]
    assert bool(later) == (hour < max(LANDMARK_HOURS))
    poisoned[later] = 12_345.0
    pd.testing.assert_frame_equal(landmark_table(observed(), poisoned, hour=hour), expected)
    without = course().drop(columns=later)  # and none is even looked for
    pd.testing.assert_frame_equal(landmark_table(observed(), without, hour=hour), expected)


def test_a_column_without_an_hour_is_never_used() -> None:
    with_outcome = course().assign(max_grade=4, crp_mg_l=1.0)
    pd.testing.assert_frame_equal(
        landmark_table(observed(), with_outcome, hour=24),
        landmark_table(observed(), course(), hour=24),
    )


def test_the_columns_can_be_features() -> None:
    table = landmark_table(observed(), course(), hour=168)
    built = build_features(table, names=landmark_columns(hour=168))
    assert built.columns[built.isna().any()].tolist() == ["grade__onset__h168"]  # no CRS, no onset


def test_a_missing_reading_stays_missing_but_the_highest_known_counts() -> None:
    gaps = course()
    gaps["crp_mg_l__h24"] = np.nan
    row = landmark_table(observed(), gaps, hour=24).iloc[0]
    assert np.isnan(row["crp_mg_l__h24"])
    assert row["crp_mg_l__max__h24"] == 120.0


def test_an_hour_that_is_no_landmark_is_refused() -> None:
    with pytest.raises(InputError, match="found 13"):
        landmark_table(observed(), course(), hour=13)


def test_other_patients_are_refused() -> None:
    with pytest.raises(InputError, match="other patients"):
        landmark_table(observed(), course().iloc[::-1], hour=24)


# --- slopes and onset ---


def test_slopes_are_those_of_a_straight_line_through_all_readings() -> None:
    rng = np.random.default_rng(1)
    readings = course()
    crp = rng.normal(20, 5, size=(N, 4))
    for at, hour in enumerate((6, 12, 24)):
        readings[f"crp_mg_l__h{hour}"] = crp[:, at + 1]
    people = observed().assign(crp_mg_l=crp[:, 0])
    table = landmark_table(people, readings, hour=24).set_index("patient_id")
    for patient in table.index:
        assert table.loc[patient, "crp_mg_l__slope__h24"] == pytest.approx(
            np.polyfit([0, 6, 12, 24], crp[patient], 1)[0]
        )
    assert table["temperature_c__slope__h24"].to_numpy() == pytest.approx(
        np.full(len(table), 1 / 1000)
    )
    assert table["map_mmhg__slope__h24"].to_numpy() == pytest.approx(np.full(len(table), -1 / 100))


def test_a_slope_needs_two_readings() -> None:
    people, gaps = observed().assign(crp_mg_l=np.nan), course()
    assert landmark_table(people, gaps, hour=6)["crp_mg_l__slope__h6"].isna().all()
    assert landmark_table(people, gaps, hour=6)["temperature_c__slope__h6"].isna().all()
    gaps["crp_mg_l__h12"] = np.nan
    later = landmark_table(people, gaps, hour=24).loc[100]
    assert later["crp_mg_l__slope__h24"] == pytest.approx((240 - 60) / (24 - 6))


def test_onset_is_when_crs_was_first_seen() -> None:
    table = landmark_table(observed(), course(), hour=24).set_index("patient_id")
    assert table["grade__onset__h24"].loc[[1, 5]].tolist() == [6.0, 6.0]
    assert table["grade__onset__h24"].loc[[0, 3, 4]].isna().all()


@given(hour=st.sampled_from(LANDMARK_HOURS), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_no_later_value_of_any_column_changes_anything(hour: int, seed: int) -> None:
    """The course, and everything else that comes later (outcomes, truth), may be anything."""
    rng = np.random.default_rng(seed)
    expected = landmark_table(observed(), course(), hour=hour)
    poisoned = course()
    for name in poisoned.columns:
        if "__h" in name and int(name.rpartition("__h")[2]) > hour:
            poisoned[name] = rng.choice([np.nan, 0.0, 1e9, -1.0], N)
    poisoned = poisoned.assign(max_grade=rng.integers(0, 5, N), trait_gain=rng.normal(size=N))
    table = landmark_table(observed(), poisoned, hour=hour)
    pd.testing.assert_frame_equal(table, expected)
    names = landmark_columns(hour=hour)
    pd.testing.assert_frame_equal(
        build_features(table, names=names), build_features(expected, names=names)
    )
