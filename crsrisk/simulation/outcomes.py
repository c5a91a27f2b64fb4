"""Outcomes: from what the solver recorded to the tables that a trial would report."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.grading_systems import GradingSystem, episode_grades
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.layout import SNAPSHOT
from crsrisk.simulation.population import Patients
from crsrisk.simulation.run import LANDMARKS_H, Episode
from crsrisk.simulation.ward import NEVER

Values = NDArray[np.float64]
_DAY_H = 24.0
_COURSE = {
    "crp": "crp_mg_l__h",
    "il6": "il6_pg_ml__h",
    "ferritin": "ferritin_ug_l__h",
    "peak_temperature": "temperature_c__max__h",
    "lowest_map": "map_mmhg__min__h",
    "lowest_spo2": "spo2_pct__min__h",
    "max_grade": "grade__max__h",
}


def _time(values: Values) -> Values:
    """Hours, with NaN where the event never happened."""
    return np.where(values >= NEVER, np.nan, values)


def grade_within(episode: Episode, *, window_h: float) -> NDArray[np.int64]:
    """Worst grade (0-4) reached before ``window_h`` hours after the first dose, shape (n,)."""
    reached = [episode.tracks[f"first_{grade}"] < window_h for grade in (1, 2, 3, 4)]
    return np.asarray(np.sum(reached, axis=0), dtype=np.int64)


def grades_by_system(episode: Episode) -> dict[GradingSystem, NDArray[np.int64]]:
    """Worst grade of each patient under every published system, over all that was simulated."""
    t = episode.tracks
    return episode_grades(
        n_episodes=t["n_episodes"],
        had_fluids=t["had_fluids"],
        longest_fluids_h=t["longest_fluids_h"],
        multiple_boluses_h=episode.multiple_boluses_h,
        had_vasopressor=t["had_vasopressor"],
        longest_vasopressor_h=t["longest_vasopressor_h"],
        had_second_vasopressor=t["had_second_vasopressor"],
        had_oxygen=t["had_oxygen"],
        had_high_flow=t["had_high_flow"],
        had_positive_pressure=t["had_positive_pressure"],
        peak_alt_x_uln=t["peak_alt"],
    )


def outcomes(episode: Episode, *, arm: Arm, patients: Patients) -> pd.DataFrame:
    """One row a patient: grades within the window after the first dose, times, support, extremes.

    ``crs_grade2plus`` is the label: a first grade >= 2 within ``window_d`` days. Grade 5 is not
    simulated. ``duration_h`` and ``resolution_d`` are of the first episode, from its first to its
    last sign or support (ASTCT), and NaN when it is still open at the end of the simulation;
    ``resolution_d`` counts calendar days as case report forms do (a date of start and a date of
    end, both included). ``max_grade`` and the label are ASTCT; ``grade_lee_2014`` and the like are
    the same patient under other systems (0 without CRS in the window). Episodes, extremes and
    support count over all that is simulated: the window, for cells at least four weeks.
    ``organ_toxicity_grade`` (0, 2, 3, 4) is on-target toxicity of a vital organ that carries the
    antigen, graded by the oxygen that its injury alone would ask for; it is no part of the CRS
    grades unless the scenario counts it. A flat list: one line a column.
    """
    t, window_h = episode.tracks, arm.window_d * _DAY_H
    worst, first_2 = grade_within(episode, window_h=window_h), t["first_2"]
    open_from = np.where(t["first_1"] < window_h, t["first_1"], np.nan)
    resolved = np.where(np.isnan(open_from), np.nan, _time(t["first_resolved"]))
    given = [dose.time_h < arm.window_d * _DAY_H for dose in arm.regimen.doses]
    by_dose = {
        f"grade_after_dose_{k}": (
            t[f"grade_dose_{k}"].astype(np.int64)
            if k <= len(given) and given[k - 1]
            else np.full(len(patients), -1, dtype=np.int64)
        )
        for k in (1, 2, 3, 4)
    }
    others = {
        f"grade_{system.value}": np.where(worst >= 1, grades, 0).astype(np.int64)
        for system, grades in grades_by_system(episode).items()
        if system is not GradingSystem.ASTCT
    }
    # the first dose is given at ten in the morning
    days = np.floor((resolved + 10.0) / _DAY_H) - np.floor((open_from + 10.0) / _DAY_H) + 1.0
    return pd.DataFrame(
        {
            "patient_id": patients.patient_id,
            "max_grade": worst,
            "crs_any": worst >= 1,
            "crs_grade2plus": worst >= 2,
            "crs_grade3plus": worst >= 3,
            "crs_grade2plus_10d": first_2 <= 10 * _DAY_H,
            "crs_grade2plus_14d": first_2 <= 14 * _DAY_H,
            "onset_h": open_from,
            "onset_grade2plus_h": np.where(first_2 < window_h, first_2, np.nan),
            "duration_h": np.where(np.isnan(open_from), np.nan, _time(t["first_duration"])),
            "resolution_d": days,
            "n_episodes": t["n_episodes"].astype(np.int64),
            **by_dose,
            **others,
            "peak_il6_pg_ml": t["peak_il6"],
            "peak_crp_mg_l": t["peak_crp"],
            "peak_ferritin_ug_l": t["peak_ferritin"],
            "peak_alt_x_uln": t["peak_alt"],
            "peak_temperature_c": t["peak_temperature"],
            "min_map_mmhg": t["lowest_map"],
            "min_spo2_pct": t["lowest_spo2"],
            "has_hlh_like_ferritin": t["peak_ferritin"] > episode.hlh_ferritin_ug_l,
            "n_tocilizumab": t["n_tocilizumab"].astype(np.int64),
            "has_steroid_rescue": t["n_steroid"] > 0,
            "has_fluids": t["had_fluids"] > 0,
            "has_vasopressor": t["had_vasopressor"] > 0,
            "has_oxygen": t["had_oxygen"] > 0,
            "organ_toxicity_grade": t["organ_grade"].astype(np.int64),
            "window_d": np.full(len(patients), float(arm.window_d)),
        }
    )


def course(episode: Episode, *, patients: Patients) -> pd.DataFrame:
    """What was known at each landmark hour after the first dose: labs, extremes so far, worst grade
    so far.
    """
    columns: dict[str, Values | NDArray[np.int64]] = {"patient_id": patients.patient_id}
    for k, hour in enumerate(LANDMARKS_H):
        for q, name in enumerate(SNAPSHOT):
            values = episode.snapshots[k, q]
            unseen = (values >= NEVER) | (values <= 0.0) & (name == "peak_temperature")
            columns[f"{_COURSE[name]}{hour:g}"] = np.where(unseen, np.nan, values)
    return pd.DataFrame(columns)
