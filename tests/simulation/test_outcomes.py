"""Outcomes: from hours and flags of the solver to the table of a trial, on three patients laid out
by hand.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.grading_systems import GradingSystem
from crsrisk.fields import FIELDS, columns_of
from crsrisk.simulation.layout import SNAPSHOT, TRACKS
from crsrisk.simulation.outcomes import course, grades_by_system, outcomes
from crsrisk.simulation.run import LANDMARKS_H, Episode
from crsrisk.simulation.ward import NEVER
from tests.simulation.people import arm_of, episode, people

# no CRS | fever at 10 h until 20 h, grade 2 from 250 h | grade 3 from 170 h, still open when the
# window ends
HAND = {
    "max_grade": [0, 2, 3],
    "first_1": [NEVER, 10.0, 168.5],
    "first_2": [NEVER, 250.0, 169.0],
    "first_3": [NEVER, NEVER, 170.0],
    "first_4": [NEVER] * 3,
    "n_episodes": [0, 2, 1],
    "open_from": [0.0, 249.0, 168.5],
    "first_duration": [NEVER, 10.0, NEVER],
    "first_resolved": [NEVER, 20.0, NEVER],
    "grade_dose_1": [0, 1, 0],
    "grade_dose_2": [0, 2, 3],
    "grade_dose_3": [0, 0, 1],
    "grade_dose_4": [0, 0, 0],
    "n_tocilizumab": [0, 0, 2],
    "n_steroid": [0, 1, 3],
    "had_fluids": [0, 1, 1],
    "had_vasopressor": [0, 0, 1],
    "had_oxygen": [0, 0, 0],
}


@pytest.fixture
def table() -> pd.DataFrame:
    tracks = {name: np.array(HAND.get(name, [1.0, 2.0, 3.0]), dtype=float) for name in TRACKS}
    made = Episode(
        tracks,
        np.zeros((len(LANDMARKS_H), len(SNAPSHOT), 3)),
        np.zeros((0, 0, 3)),
        np.zeros(0),
        6.0,
        2.5,
    )
    arm = arm_of("tarlatamab")
    return outcomes(made, arm=arm, patients=people(arm, 3))


def test_the_label_is_grade_2_or_more_within_the_window(table: pd.DataFrame) -> None:
    assert table["crs_any"].tolist() == [False, True, True]
    assert table["crs_grade2plus"].tolist() == [False, True, True]
    assert table["crs_grade3plus"].tolist() == [False, False, True]
    assert table["crs_grade2plus_10d"].tolist() == [False, False, True]  # 250 h is day 11
    assert table["crs_grade2plus_14d"].tolist() == [False, True, True]
    assert table["window_d"].tolist() == [21.0] * 3


def test_what_never_happened_is_a_gap(table: pd.DataFrame) -> None:
    onset = table["onset_h"]
    assert np.isnan(onset[0])
    assert onset[1:].tolist() == [10.0, 168.5]
    assert table["onset_grade2plus_h"][1:].tolist() == [250.0, 169.0]
    assert table["duration_h"].isna().tolist() == [True, False, True]
    assert table["resolution_d"].isna().tolist() == [True, False, True]
    assert table["duration_h"][1] == 10.0


def test_a_dose_not_given_has_no_grade(table: pd.DataFrame) -> None:
    assert table["grade_after_dose_1"].tolist() == [0, 1, 0]
    assert table["grade_after_dose_2"].tolist() == [0, 2, 3]
    assert table["grade_after_dose_3"].tolist() == [0, 0, 1]
    assert table["grade_after_dose_4"].tolist() == [-1, -1, -1]


def test_support_and_rescue(table: pd.DataFrame) -> None:
    assert table["n_tocilizumab"].tolist() == [0, 0, 2]
    assert table["has_steroid_rescue"].tolist() == [False, True, True]
    assert table["has_fluids"].tolist() == [False, True, True]
    assert table["has_vasopressor"].tolist() == [False, False, True]


def test_columns_and_kinds_are_those_of_the_dictionary() -> None:
    arm = arm_of("til_il2")
    at = episode(arm, 30)
    kinds = {"int": np.integer, "bool": np.bool_, "float": np.floating}
    for name, found in (
        ("outcomes", outcomes(at, arm=arm, patients=people(arm, 30))),
        ("course", course(at, patients=people(arm, 30))),
    ):
        assert tuple(found.columns) == tuple(columns_of(name))  # type: ignore[arg-type]
        for column in found.columns if name == "outcomes" else ["patient_id"]:
            assert np.issubdtype(found[column].to_numpy().dtype, kinds[FIELDS[column].kind]), column


def test_simulated_times_are_in_order() -> None:
    """Onset before grade 2, the first episode no longer than from onset to the end of the
    window.
    """
    arm = arm_of("tebentafusp")
    table = outcomes(episode(arm, 300), arm=arm, patients=people(arm, 300))
    ill = table[table["crs_any"]]
    assert len(ill) > 100
    assert (ill["onset_h"] < arm.window_d * 24).all()
    second = ill[ill["crs_grade2plus"]]
    assert (second["onset_grade2plus_h"] >= second["onset_h"]).all()
    over = ill[ill["duration_h"].notna()]
    assert (over["duration_h"] >= 0).all()
    assert (over["onset_h"] + over["duration_h"] < arm.window_d * 24).all()
    assert (over["resolution_d"] >= 1).all()
    assert (table["max_grade"] >= 2).equals(table["crs_grade2plus"])
    assert (
        table.loc[~table["crs_any"], ["onset_h", "duration_h", "resolution_d"]]
        .isna()
        .all(axis=None)
    )


def test_the_course_knows_only_the_past() -> None:
    """Extremes and worst grade so far can only move one way from landmark to landmark, and end
    below the whole.
    """
    arm = arm_of("tebentafusp")
    at = episode(arm, 100)
    table, whole = (
        course(at, patients=people(arm, 100)),
        outcomes(at, arm=arm, patients=people(arm, 100)),
    )
    for stem, sign, end in (
        ("temperature_c__max__h", 1, "peak_temperature_c"),
        ("map_mmhg__min__h", -1, "min_map_mmhg"),
        ("spo2_pct__min__h", -1, "min_spo2_pct"),
        ("grade__max__h", 1, "max_grade"),
    ):
        path = np.column_stack([*(table[f"{stem}{hour:g}"] for hour in LANDMARKS_H), whole[end]])
        assert (np.diff(sign * path, axis=1) >= 0).all(), stem


def test_astct_among_the_systems_is_the_wards_own_grade() -> None:
    made = episode(arm_of("tebentafusp"), 400)
    assert (grades_by_system(made)[GradingSystem.ASTCT] == made.tracks["max_grade"]).all()


def test_a_ferritin_beyond_the_bound_is_flagged(table: pd.DataFrame) -> None:
    # 1, 2 and 3 ug/L with a bound of 2.5
    assert table["has_hlh_like_ferritin"].tolist() == [False, False, True]
