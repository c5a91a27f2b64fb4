"""Landmark subgroups: weights stand for who was not simulated, and a model is judged in each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.landmark_groups import ward_groups
from crsrisk.folders import find
from crsrisk.model.landmark import landmark_table
from crsrisk.model.store import load_model
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.landmark_subgroups import (
    MISSING,
    Judges,
    LandmarkSubgroups,
    LandmarkSubgroupsResult,
    judge_model,
    judging_patients,
    run_landmark_subgroups,
    without,
)
from tests.simulation.people import world_of
from tests.studies.conftest import SEED


def silent(title: str, total: int) -> Any:
    return lambda n: None


@pytest.fixture(scope="module")
def asked() -> LandmarkSubgroups:
    return LandmarkSubgroups(
        kind="landmark_subgroups",
        name="small",
        question="?",
        models=["landmark_24h-0.1.0"],
        scenario="reference",
        products=["tarlatamab"],
        seed=SEED,
        patients=1000,
        drawn=4000,
        prone_below=-1.5,
    )


@pytest.fixture(scope="module")
def judges(asked: LandmarkSubgroups) -> Judges:
    return judging_patients(asked, hour=24, workers=1, begin=silent)


def test_the_chosen_are_the_same_patients_as_in_a_whole_cohort(
    asked: LandmarkSubgroups, judges: Judges, arms: dict[str, Arm]
) -> None:
    """The first thousand to the last bit, and of the others those alone whose saturation is low."""
    cohort = simulate_cohort([arms["tarlatamab"]], world=world_of(), n_patients=1200, seed=SEED)
    whole = landmark_table(cohort.observed, cohort.course, hour=24)
    is_first = judges.table["patient_id"].to_numpy() < 1000
    first = judges.table.loc[is_first].reset_index(drop=True)
    same = whole.loc[whole["patient_id"] < 1000].reset_index(drop=True)
    assert first.equals(same)
    assert cohort.truth is not None
    low = cohort.truth.loc[cohort.truth["trait_spo2"] < -1.5, "patient_id"]
    later = judges.table["patient_id"].between(1000, 1199)
    expected = set(low[low >= 1000]) & set(whole["patient_id"])
    assert set(judges.table.loc[later, "patient_id"]) == expected
    assert set(judges.weight[~is_first]) == {1.0}
    assert set(judges.weight) == {1.0, 4.0}


def test_weighted_patients_are_like_a_whole_cohort(judges: Judges, arms: dict[str, Arm]) -> None:
    """Share at risk and mean lowest saturation, within 5 standard errors of those of other patients
    (false alarm below 2e-6).
    """
    cohort = simulate_cohort([arms["tarlatamab"]], world=world_of(), n_patients=1200, seed=SEED + 1)
    whole = landmark_table(cohort.observed, cohort.course, hour=24)
    share = len(whole) / 1200
    error = (share * (1 - share) * (1 / 1200 + 1 / 1000)) ** 0.5
    assert judges.weight.sum() / 4000 == pytest.approx(share, abs=5 * error)
    saturation = whole["spo2_pct__min__h24"]
    mean = np.average(judges.table["spo2_pct__min__h24"], weights=judges.weight)
    assert mean == pytest.approx(
        saturation.mean(), abs=5 * saturation.std() * (1 / len(whole) + 1 / 700) ** 0.5
    )


def test_what_is_missing_is_missing_of_everybody(judges: Judges) -> None:
    for quantities in MISSING.values():
        gap = without(judges.table, quantities)
        empty = [name for name in gap if gap[name].isna().all()]
        assert {name.partition("__")[0] for name in empty if "__" in name} >= set(quantities)
        assert gap["map_mmhg__min__h24"].isna().all() == ("map_mmhg" in quantities)
        assert not gap["temperature_c__max__h24"].isna().any()


def test_a_model_is_judged_in_every_group_and_gap(judges: Judges) -> None:
    model = load_model(find("released", "landmark_24h-0.1.0"))
    judged = judge_model(model, judges)
    everybody = [row for row in judged.groups if not row.product]
    assert [row.group for row in everybody] == [group.name for group in ward_groups(hour=24)]
    assert {(row.missing, row.product) for row in judged.gaps} == {
        (missing, product) for missing in MISSING for product in ("", "tarlatamab")
    }
    assert all(np.isnan(row.predicted) for row in everybody if not row.n)


def test_the_result_is_written_whole(
    asked: LandmarkSubgroups, judges: Judges, tmp_path: Path
) -> None:
    """With groups that nobody is in, whose figures are none."""
    model = load_model(find("released", "landmark_24h-0.1.0"))
    judged = judge_model(model, judges)
    assert any(not row.n for row in judged.groups)
    made = LandmarkSubgroupsResult(
        name=asked.name, question=asked.question, config=asked, n_simulated=1, models=(judged,)
    )
    made.save(tmp_path)
    written = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert len(written["models"][0]["groups"]) == len(judged.groups) == len(made.to_frame())
    assert len(made.tables()) == 3
    for row in judged.groups:
        assert row.group in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_models_of_before_the_dose_are_not_judged(asked: LandmarkSubgroups, tmp_path: Path) -> None:
    lines = [f"{key}: {value}" for key, value in asked.model_dump().items() if key != "models"]
    text = "\n".join([*lines, "models: [baseline-0.1.0, landmark_24h-0.1.0]"])
    (tmp_path / "experiment.yaml").write_text(text.replace("question: ?", "question: why"))
    with pytest.raises(InputError, match="models of one landmark"):
        run_landmark_subgroups(tmp_path, workers=1, begin=silent)
