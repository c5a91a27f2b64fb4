"""One patient alone is told what a table with his row is told, to the last bit and letter, whether
he takes the short way or that of the tables.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.companions import Companions, load_companions
from crsrisk.model.store import load_model
from crsrisk.simulation.cohort import simulate
from crsrisk.studies.one_risk import SingleRisk
from crsrisk.studies.predict import score_table

FOLDER = find("released", "baseline-0.1.0")


@pytest.fixture(scope="module")
def single() -> SingleRisk:
    model = load_model(FOLDER)
    return SingleRisk.of(model, load_companions(FOLDER, model=model))


def as_patients(X: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: None is missing."""
    rows = X.reset_index(drop=True).astype(object).to_dict(orient="records")
    return [
        {
            str(k): None if v is None or v != v else getattr(v, "item", lambda v=v: v)()
            for k, v in row.items()
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def patients() -> list[dict[str, Any]]:
    products = ["tarlatamab", "tebentafusp", "afami_cel", "checkpoint_inhibitor"]
    known = as_patients(simulate(products, n=40, seed=3).X)
    return [{key: cell for key, cell in row.items() if key != "patient_id"} for row in known]


def told(single: SingleRisk, patient: dict[str, Any], way: str) -> str:
    """All that is said, or why nothing is; repr tells floats apart to the last bit."""
    try:
        return repr(getattr(single, way)(patient))
    except InputError as problem:
        return str(problem)


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-5, 20_000)
    | st.floats(-10, 5_000, allow_nan=False)
    | st.sampled_from([0.0, -0.0, 1, 1e300, 36, 61.5, 999, 2**70, 17.9, 18])
    | st.sampled_from(
        ["", "12", "4.2 mg/dL", "<5", "yes", "F", "not stated", " label ", "nan", "½"]
    )
    | st.sampled_from(["Imdelltra", "TARLATAMAB", "nobody", "tce", "car_t", "prostate", "ovarian"])
)
COLUMN = st.sampled_from(
    (
        *("product", "platform", "regimen", "tumour_type", "site", "age_years", "is_female"),
        *("crp_mg_l", "ldh_x_uln", "albumin_g_l", "il6_pg_ml", "has_infection", "is_stepped_up"),
        *("dose_intensity", "antigen_restriction", "weight_kg", "ecog", "patient_id"),
        *("crp_mg_dl", "x"),
    )
)


@settings(max_examples=60)
@given(
    row=st.integers(0, 39), odd=st.dictionaries(COLUMN, ODD, max_size=3), without=st.none() | COLUMN
)
def test_the_short_way_says_what_tables_say(
    single: SingleRisk, patients: list[dict[str, Any]], row: int, odd: dict[str, Any], without: str
) -> None:
    patient = {**patients[row % len(patients)], **odd}
    patient.pop(without, None)
    assert told(single, patient, "score") == told(single, patient, "by_table")


def test_usual_patients_take_the_short_way(
    single: SingleRisk, patients: list[dict[str, Any]]
) -> None:
    short = [one for one in patients if single.score_plain(one) is not None]
    assert len(short) >= 0.9 * len(patients)
    assert all(repr(single.score(one)) == repr(single.by_table(one)) for one in short)


def test_a_patient_far_from_training_and_an_unusual_value_are_told_alike(
    single: SingleRisk, patients: list[dict[str, Any]]
) -> None:
    far = {**patients[0], "crp_mg_l": 1.0, "ferritin_ug_l": 9_000.0, "albumin_g_l": 15.0}
    found = single.score_plain({**far, "ldh_x_uln": 45.0})
    assert found is not None
    assert (found.status, math.isnan(found.risk)) == ("cannot estimate", True)
    assert [(note.kind, note.column) for note in found.account][-1] == ("warned", "ldh_x_uln")
    assert repr(found) == repr(single.by_table({**far, "ldh_x_uln": 45.0}))


def test_alone_is_as_in_a_file(
    single: SingleRisk, patients: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Against `crsrisk predict` itself: a file of all patients, and one after the other."""
    pd.DataFrame(patients).assign(patient_id=range(len(patients))).to_csv(
        tmp_path / "all.csv", index=False
    )
    rows = score_table(FOLDER, tmp_path / "all.csv", strict=False).rows
    found = [single.score(one) for one in patients]
    for name in ("risk", "risk_low", "risk_high", "risk_refit_low", "status", "reasons", "missing"):
        assert repr([getattr(one, name) for one in found]) == repr(rows[name].tolist()), name


def test_a_landmark_model_reads_every_patient_as_a_table() -> None:
    folder = find("released", "landmark_24h-0.1.0")
    single = SingleRisk.of(load_model(folder), Companions())
    assert not single.has_plain_patients
    assert single.plain({"product": "tarlatamab"}) is None
