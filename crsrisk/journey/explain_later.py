"""Explain later: one patient some hours after the first dose; what was read since, and what is simulated from there on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from crsrisk.belief.one_patient import Simulated
from crsrisk.belief.one_patient_later import over_members_later
from crsrisk.domain.bedside_estimate import Change, Later, SimulatedPart
from crsrisk.domain.patient_file import PatientFile
from crsrisk.domain.risk_model import FeatureContract
from crsrisk.domain.world import World
from crsrisk.errors import InputError
from crsrisk.features.landmark import EXTREMES, course_columns, landmark_features
from crsrisk.fields import LANDMARK_HOURS
from crsrisk.read.ensemble import load_ensemble
from crsrisk.simulate.alike import is_beyond
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.later_levers import later_levers, past_levers

GRADE = "grade__max"


def with_course(patient: PatientFile, observed: pd.DataFrame, *, contract: FeatureContract) -> pd.DataFrame:
    """The patient's row with the columns of the course that the model reads; unchanged for a model of before the dose.

    Extremes count from the first dose on, so a highest temperature cannot fall later: the highest reading stands. Raises
    :class:`InputError` where the worst grade at the landmark is not given, contradicts itself, or is 2 or more: of such a
    patient there is nothing left to foretell.
    """
    hour = contract.landmark_h
    if not hour:
        return observed
    known = {name: np.nan for name in course_columns(hour=hour)}
    for at, readings in patient.course.items():
        known |= {f"{stem}__h{at}": one.value for stem, one in readings.items() if at <= hour}
    known |= {f"{GRADE}__h{at}": grade for at, grade in _grades(patient, hour=hour).items()}
    for stem in EXTREMES[:3]:
        farthest = max if stem.endswith("__max") else min
        so_far: list[float] = []
        for at in _hours(hour):
            if not np.isnan(known[f"{stem}__h{at}"]):
                so_far.append(known[f"{stem}__h{at}"])
                known[f"{stem}__h{at}"] = farthest(so_far)
    made = landmark_features(observed, pd.DataFrame([known], index=observed.index), hour=hour)
    return pd.concat([observed, made[[name for name in contract.column_names if name in made]]], axis=1)


def worst_grade(observed: pd.DataFrame) -> int:
    """Worst CRS grade so far of the patient in the one row."""
    return int(max(observed[name].iloc[0] for name in observed.columns if name.startswith(f"{GRADE}__h")))


def _hours(hour: int) -> list[int]:
    return [one for one in LANDMARK_HOURS if one <= hour]


def _grades(patient: PatientFile, *, hour: int) -> dict[int, float]:
    """Worst grade so far at every landmark up to ``hour``; what is not given follows where it can only be one."""
    def bad(found: str, expected: str, cure: str) -> InputError:
        return InputError(where=patient.place("course"), key="course", found=found, expected=expected, cure=cure)

    given = {at: readings[GRADE].value for at, readings in patient.course.items() if at <= hour and GRADE in readings}
    if hour not in given:
        raise bad(f"no worst_crs_grade at {hour} h", f"the course until {hour} h after the dose, which the model reads",
                  f"write below course {hour} h: {{worst_crs_grade: 0}}; crsrisk explain MODEL --template PRODUCT shows all")
    if (worst := max(given.values())) >= 2:
        raise bad(f"CRS of grade {worst:g} by {hour} h", "a patient still at risk: no grade 2 or more so far",
                  "nothing is left to foretell for such a patient")
    found: dict[int, float] = {}
    for at in _hours(hour):
        low = max([grade for when, grade in given.items() if when <= at], default=0.0)
        high = min(grade for when, grade in given.items() if when >= at)
        if low > high:
            raise bad(f"a worst grade that falls from {low:g} to {high:g}",
                      "at each time the worst grade since the first dose", "let it rise or stay")
        if low < high:
            raise bad(f"no worst_crs_grade at {at} h", "when CRS was first seen, since it was there later",
                      f"write {at} h: {{worst_crs_grade: 0}} or 1 below course")
        found[at] = low
    return found


def simulate_later(
    known: Mapping[str, float], *, arm: Arm, world: World, hour: int, worst_grade: int, seed: int, n_members: int,
    n_people: int, workers: int = 1, advance: Callable[[int], None] | None = None,
) -> tuple[SimulatedPart | None, Later]:
    """Patients like this one who stood where he stands at ``hour``, with each lever that is left; and which are not.

    The part is None when too few simulated people had such a course.
    """
    left = later_levers(arm, world=world, hour=hour)
    spread = over_members_later(
        known, arm=arm, changed=[one.arm for one in left], ensemble=load_ensemble(), world=world, hour=hour,
        worst_grade=worst_grade, seed=seed, n_members=n_members, n_people=n_people, workers=workers, advance=advance)
    later = Later(hour=hour, worst_grade=worst_grade, past=past_levers(arm, world=world),
                  n_kept=0 if spread is None else spread.n_kept, n_simulated=n_members * n_people)
    if spread is None:
        return None, later
    marginals = arm.population.marginals
    return SimulatedPart(
        usual=_plain(spread.usual), waits_h=None, scenarios={}, n_members=n_members, n_people=n_people,
        changes=[Change(kind=one.kind, label=one.label, usual=_plain(spread.usual), with_it=_plain(with_it),
                        difference=_plain(difference))
                 for one, with_it, difference in zip(left, spread.levers, spread.differences, strict=True)],
        held=tuple(name for name in marginals if name in known and is_beyond(known[name], marginals[name]))), later


def _plain(found: Mapping[int, Simulated]) -> dict[int, tuple[float, float, float, float]]:
    return {grade: (one.value, one.mc_error, one.low, one.high) for grade, one in found.items()}
