"""Bedside: when an episode opens and closes, when a sign counts, how long support has run, and the
milestones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.episodes import ROW_COLUMNS, Followed, follow, grade_rows, milestones
from crsrisk.data.grading_systems import GradingSystem

ASTCT, LEE, PENN, MSKCC, CARTOX = (
    GradingSystem(name) for name in ("astct", "lee_2014", "penn", "mskcc", "cartox")
)
QUIET: dict[str, Any] = {
    "patient_id": "A",
    "temperature_c": 36.8,
    "map_mmhg": 85.0,
    "sbp_mmhg": 120.0,
    "has_fluids": False,
    "n_boluses": np.nan,
    "n_vasopressors": 0,
    "has_vasopressin": False,
    "has_high_dose_vasopressor": False,
    "oxygen_device": 0,
    "has_fio2_40": False,
    "alt_x_uln": np.nan,
    "baseline_alt_x_uln": 1.0,
    "creatinine_x_uln": np.nan,
    "organ_toxicity_grade": 0,
    "is_fever_hidden": True,
    "has_died": False,
}
FEVER = {"temperature_c": 38.0}


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([QUIET | row for row in rows])[list(ROW_COLUMNS)]


def followed(*rows: dict[str, Any]) -> Followed:
    return follow(table(*rows), quiet_h=48.0, multiple_boluses_h=6.0)


def grades(system: GradingSystem, *rows: dict[str, Any]) -> list[int]:
    return grade_rows(followed(*rows), system).tolist()


def at(time_h: float, *parts: dict[str, Any], **signs: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"time_h": time_h}
    for part in (*parts, signs):
        row |= part
    return row


# --- when a sign counts ---


def test_fever_opens_and_nothing_else_does() -> None:
    assert grades(ASTCT, at(0, n_vasopressors=2), at(6, temperature_c=37.9), at(12, FEVER)) == [
        0,
        0,
        1,
    ]


def test_fever_is_not_asked_for_again_once_it_is_hidden() -> None:
    rows = [
        at(0, FEVER, is_fever_hidden=False),
        at(6, oxygen_device=1, is_fever_hidden=False),
        at(12, oxygen_device=1, is_fever_hidden=True),
        at(18, oxygen_device=1, is_fever_hidden=False),
    ]
    assert grades(ASTCT, *rows) == [
        1,
        0,
        2,
        2,
    ], "a sign without fever counts from the first antipyretic on"


def test_hiding_ends_with_the_episode() -> None:
    rows = [
        at(0, FEVER),
        at(100, FEVER, is_fever_hidden=False),
        at(106, oxygen_device=1, is_fever_hidden=False),
    ]
    assert grades(ASTCT, *rows) == [1, 1, 0]


def test_a_quiet_row_is_0_and_the_episode_goes_on() -> None:
    rows = [
        at(0, FEVER),
        at(20),
        at(40, oxygen_device=2),
        at(60),
        at(88, n_vasopressors=1),
        at(100, FEVER),
    ]
    found = followed(*rows)
    assert grade_rows(found, ASTCT).tolist() == [1, 0, 3, 0, 0, 1]
    assert found.episode.tolist() == [1, 1, 1, 1, 1, 2], "48 h without a sign end it; 40 h do not"


def test_support_at_two_rows_ran_between_them_and_fever_did_not() -> None:
    assert followed(at(0, FEVER, oxygen_device=1), at(90, oxygen_device=1)).has_sign.tolist() == [
        True,
        True,
    ]
    assert followed(at(0, FEVER), at(90, FEVER)).episode.tolist() == [1, 2]


def test_organ_toxicity_counts_on_a_quiet_row_of_an_open_episode() -> None:
    rows = [
        at(0, FEVER, alt_x_uln=1.0),
        at(24, alt_x_uln=6.0),
        at(47, alt_x_uln=2.0),
        at(48, alt_x_uln=6.0),
    ]
    assert grades(LEE, *rows) == [1, 3, 0, 0]
    assert grades(ASTCT, *rows) == [1, 0, 0, 0]


def test_patients_do_not_touch_each_other() -> None:
    mixed = [
        at(0, FEVER),
        at(0, patient_id="B", n_vasopressors=1),
        at(6, n_vasopressors=1),
        at(6, FEVER, patient_id="B"),
    ]
    assert grades(ASTCT, *mixed) == [1, 0, 3, 1]


@pytest.mark.parametrize(
    ("signs", "astct", "cartox"),
    [
        ({"map_mmhg": 64.0}, 2, 1),
        ({"map_mmhg": 65.0}, 1, 1),
        ({"sbp_mmhg": 89.0}, 2, 2),
        ({"sbp_mmhg": 90.0}, 1, 1),
        ({"map_mmhg": 64.0, "sbp_mmhg": np.nan}, 2, 2),
        ({"map_mmhg": np.nan, "sbp_mmhg": np.nan}, 1, 1),
        ({"has_fluids": True}, 2, 2),
    ],
)
def test_low_pressure(signs: dict[str, Any], astct: int, cartox: int) -> None:
    assert grades(ASTCT, at(0, FEVER, signs)) == [astct]
    assert grades(CARTOX, at(0, FEVER, signs)) == [cartox]


def test_a_temperature_that_was_not_measured_is_no_fever() -> None:
    assert grades(
        ASTCT, at(0, temperature_c=np.nan), at(1, FEVER), at(2, temperature_c=np.nan)
    ) == [0, 1, 0]


def test_death_is_grade_5_without_any_other_sign() -> None:
    assert grades(MSKCC, at(0, FEVER), at(60, has_died=True)) == [1, 5]


# --- how long, how many ---


def test_hours_on_vasopressors() -> None:
    on = {"n_vasopressors": 1}
    rows = [at(0, FEVER, on), at(23, on), at(24, on), at(25), at(26, has_vasopressin=True)]
    assert grades(MSKCC, *rows) == [
        2,
        2,
        3,
        0,
        2,
    ], "a gap starts the count anew, vasopressin keeps it"


def test_several_boluses_by_hours_or_by_number() -> None:
    fluids = {"has_fluids": True}
    assert grades(
        PENN, at(0, FEVER, fluids), at(5, fluids), at(6, fluids), at(7), at(8, fluids)
    ) == [2, 2, 3, 0, 2]
    counted = [
        at(0, FEVER, fluids, n_boluses=1),
        at(2, n_boluses=0),
        at(9, fluids, n_boluses=1),
        at(10, fluids, n_boluses=0),
    ]
    assert grades(PENN, *counted) == [2, 0, 3, 3]
    assert grades(PENN, *counted[:2], at(100, FEVER, fluids, n_boluses=1)) == [
        2,
        0,
        2,
    ], "a new episode counts anew"


# --- milestones ---


def test_milestones_of_a_course() -> None:
    rows = [
        at(0),
        at(10, FEVER),
        at(14, oxygen_device=1),
        at(20, oxygen_device=2),
        at(26, oxygen_device=2),
        at(40),
        at(60),
        at(0, patient_id="B"),
        at(30, patient_id="B"),
        at(5, FEVER, patient_id="C"),
        at(9, FEVER, patient_id="C"),
    ]
    found = milestones(table(*rows), {ASTCT: grade_rows(followed(*rows), ASTCT)}).set_index(
        "patient_id"
    )
    assert found["max_grade"].to_dict() == {"A": 3, "B": 0, "C": 1}
    assert found.loc["A", ["onset_h", "peak_h", "resolution_h"]].tolist() == [10.0, 20.0, 40.0]
    assert found.loc["B", ["onset_h", "peak_h", "resolution_h"]].isna().all()
    assert found.loc["C", ["onset_h", "peak_h"]].tolist() == [5.0, 5.0]
    assert np.isnan(found.loc["C", "resolution_h"]), (
        "fever at the last row: resolution was not seen"
    )


def test_resolution_waits_for_support_not_only_for_fever() -> None:
    rows = [at(0, FEVER), at(12, oxygen_device=1), at(24, oxygen_device=1), at(30)]
    found = milestones(table(*rows), {ASTCT: grade_rows(followed(*rows), ASTCT)})
    assert found["resolution_h"].tolist() == [30.0]


courses = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.floats(0.5, 40.0),
        st.sampled_from([36.5, 38.5]),
        st.sampled_from([0, 1, 2, 3]),
        st.booleans(),
        st.integers(0, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(courses=courses, system=st.sampled_from(GradingSystem))
def test_milestones_stand_in_order(courses: list[tuple[Any, ...]], system: GradingSystem) -> None:
    clock = {"A": 0.0, "B": 0.0}
    rows = []
    for name, wait, temperature, device, fluids, vasopressors, hidden in courses:
        clock[name] += wait
        rows.append(
            at(
                clock[name],
                patient_id=name,
                temperature_c=temperature,
                oxygen_device=device,
                has_fluids=fluids,
                n_vasopressors=vasopressors,
                is_fever_hidden=hidden,
            )
        )
    grade = grade_rows(followed(*rows), system)
    for one in milestones(table(*rows), {system: grade}).to_dict(orient="records"):
        own = np.array([row["patient_id"] == one["patient_id"] for row in rows])
        assert one["max_grade"] == grade[own].max()
        if one["max_grade"] == 0:
            assert np.isnan([one["onset_h"], one["peak_h"], one["resolution_h"]]).all()
        else:
            assert one["onset_h"] <= one["peak_h"]
            assert np.isnan(one["resolution_h"]) or one["peak_h"] < one["resolution_h"]
            assert np.isnan(one["resolution_h"]) == (grade[own][-1] > 0)
