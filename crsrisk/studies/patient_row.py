"""One patient as the model's table has him: the row that follows from his file, product and plan,
with the columns of the course for a model of some hours after the first dose.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crsrisk.data.identity import contradictions, population_of
from crsrisk.data.patient import PatientFile
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import Product
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.world import World, reject_unused
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.fields import LANDMARK_HOURS, columns_of
from crsrisk.model.companions import ReferenceGroup
from crsrisk.model.landmark import EXTREMES, course_columns, landmark_features
from crsrisk.simulation.arm import Arm, make_arm, timetable, usual_first_dose
from crsrisk.simulation.levers import STEROIDS
from crsrisk.simulation.similar_patients import DISCRETE

GRADE = "grade__max"


def arm_of(patient: PatientFile, *, world: World) -> Arm:
    """The arm that the file asks for; an error names the line of the file."""
    try:
        product: Product = load_product(patient.product)
        arm = make_arm(
            product,
            world=world,
            regimen=patient.regimen,
            mitigations=patient.prophylaxis,
            population=patient.tumour_type and population_of(patient.tumour_type),
        )
        timetable(arm, world=world)  # finds agents that cannot be given together
    except InputError as problem:
        key = {
            "regimen": "regimen",
            "mitigation": "prophylaxis",
            "mitigations": "prophylaxis",
            "population": "tumour_type",
        }.get(problem.key, "product")
        raise InputError(
            where=patient.place(key),
            key=key,
            found=problem.found,
            expected=problem.expected,
            cure=problem.cure,
        ) from problem
    reject_unused(
        arm.mitigations, world=world, where=patient.place("prophylaxis"), key="prophylaxis"
    )
    named = patient.tumour_type
    if named in (None, arm.product.population):  # the file of several does not say which
        named = arm.product.tumour_type or arm.population.name
    _check_identity(patient, tumour_type=named or arm.population.name)
    if "dose_intensity" in patient.values and arm.regimen.amount_log_sd == 0:
        raise InputError(
            where=patient.place("dose_intensity"),
            key="dose_intensity",
            found="a dose of its own",
            expected="the dose of the regimen, which is the same for every patient",
            cure="leave the key out, or write a product file with that regimen",
        )
    return arm


def _check_identity(patient: PatientFile, *, tumour_type: str) -> None:
    """Refuse a sex or an age that the tumour type cannot have."""
    known = {
        name: np.array([patient.values[name].value])
        for name in ("is_female", "age_years")
        if name in patient.values
    }
    for one in contradictions({**known, "tumour_type": np.array([tumour_type])}):
        key = {"is_female": "sex", "age_years": "age"}[one.column]
        raise InputError(
            where=patient.place(key),
            key=key,
            found=one.found,
            expected=one.expected,
            cure="check both against the patient's record, and correct the one that is wrong"
            + ("" if patient.tumour_type else "; without tumour_type it is the product's own"),
        )


def row_of(patient: PatientFile, *, arm: Arm) -> pd.DataFrame:
    """One row of the observed table: what was given, and what follows from product and regimen; the
    rest is missing.
    """
    regimen = arm.regimen
    given = {drug.mitigation for drug in regimen.premedication} | set(arm.mitigations)
    known: dict[str, object] = {
        "patient_id": 0,
        "product": arm.product.name,
        "platform": arm.product.platform,
        "regimen": arm.regimen_name,
        "tumour_type": arm.population.name,
        "site": "not stated",
        "antigen_restriction": arm.product.binding.antigen_restriction.value,
        "dose_intensity": regimen.doses[0].amount / usual_first_dose(arm.product),
        "is_stepped_up": regimen.is_stepped_up,
        "has_steroid_premedication": bool(given & set(STEROIDS)),
        "has_tocilizumab_prophylaxis": "tocilizumab" in given,
        "has_lymphodepletion": regimen.has_lymphodepletion,
    }
    known |= {name: value.value for name, value in patient.values.items()}
    return pd.DataFrame([{name: known.get(name, np.nan) for name in columns_of("observed")}])


def with_course(
    patient: PatientFile, observed: pd.DataFrame, *, contract: FeatureContract
) -> pd.DataFrame:
    """The patient's row with the columns of the course that the model reads; unchanged for a model
    of before the dose.

    Extremes count from the first dose on, so a highest temperature cannot fall later: the highest
    reading stands. Raises :class:`InputError` where the worst grade at the landmark is not given,
    contradicts itself, or is 2 or more: of such a patient there is nothing left to predict.
    """
    hour = contract.landmark_h
    if not hour:
        return observed
    known = {name: np.nan for name in course_columns(hour=hour)}
    for at, readings in patient.course.items():
        if at <= hour:
            known |= {f"{stem}__h{at}": reading.value for stem, reading in readings.items()}
    known |= {f"{GRADE}__h{at}": grade for at, grade in _grades(patient, hour=hour).items()}
    for stem in EXTREMES[:3]:
        farthest = max if stem.endswith("__max") else min
        so_far: list[float] = []
        for at in _hours(hour):
            if not np.isnan(known[f"{stem}__h{at}"]):
                so_far.append(known[f"{stem}__h{at}"])
                known[f"{stem}__h{at}"] = farthest(so_far)
    course = landmark_features(observed, pd.DataFrame([known], index=observed.index), hour=hour)
    return pd.concat(
        [observed, course[[name for name in contract.column_names if name in course]]], axis=1
    )


def worst_grade(observed: pd.DataFrame) -> int:
    """Worst CRS grade so far of the patient in the one row."""
    return int(
        max(observed[name].iloc[0] for name in observed.columns if name.startswith(f"{GRADE}__h"))
    )


def _hours(hour: int) -> list[int]:
    return [landmark for landmark in LANDMARK_HOURS if landmark <= hour]


def _grades(patient: PatientFile, *, hour: int) -> dict[int, float]:
    """Worst grade so far at every landmark up to ``hour``; what is not given follows where it can
    only be one.
    """

    def bad(found: str, expected: str, cure: str) -> InputError:
        return InputError(
            where=patient.place("course"), key="course", found=found, expected=expected, cure=cure
        )

    given = {
        at: readings[GRADE].value
        for at, readings in patient.course.items()
        if at <= hour and GRADE in readings
    }
    if hour not in given:
        raise bad(
            f"no worst_crs_grade at {hour} h",
            f"the course until {hour} h after the dose, which the model reads",
            f"write below course {hour} h: {{worst_crs_grade: 0}}; crsrisk explain template PRODUCT"
            " --model MODEL shows all",
        )
    if (worst := max(given.values())) >= 2:
        raise bad(
            f"CRS of grade {worst:g} by {hour} h",
            "a patient still at risk: no grade 2 or more so far",
            "nothing is left to predict for such a patient",
        )
    grades: dict[int, float] = {}
    for at in _hours(hour):
        low = max([grade for when, grade in given.items() if when <= at], default=0.0)
        high = min(grade for when, grade in given.items() if when >= at)
        if low > high:
            raise bad(
                f"a worst grade that falls from {low:g} to {high:g}",
                "at each time the worst grade since the first dose",
                "let it rise or stay",
            )
        if low < high:
            raise bad(
                f"no worst_crs_grade at {at} h",
                "when CRS was first seen, since it was there later",
                f"write {at} h: {{worst_crs_grade: 0}} or 1 below course",
            )
        grades[at] = low
    return grades


def reference_row(group: ReferenceGroup) -> dict[str, object]:
    """The typical patient of a group as a row of the observed table.

    Without CRS so far there is no hour of its onset; the group's median of that hour is of those
    who had CRS.
    """
    row: dict[str, object] = {
        name: np.nan if value is None else value for name, value in group.typical.items()
    }
    if any(name.startswith("grade__max__") and value == 1.0 for name, value in row.items()):
        return row
    return {
        name: np.nan if name.startswith("grade__onset__") else value for name, value in row.items()
    }


def simulated_values(patient: PatientFile) -> dict[str, float]:
    """What the simulator can be told of a patient, by column."""
    told = (*DISCRETE, *CONTINUOUS, "dose_intensity")
    return {name: value.value for name, value in patient.values.items() if name in told}
