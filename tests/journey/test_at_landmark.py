"""Tables for a landmark model: the course in either form, who is no longer at risk, what every verb makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.features.landmark import course_columns, landmark_table
from crsrisk.features.table import FeatureConfig
from crsrisk.journey.at_landmark import Known, read_known
from crsrisk.journey.evaluate import evaluate_model
from crsrisk.journey.learning import config_of
from crsrisk.journey.score import score_table
from crsrisk.journey.update import update_model
from crsrisk.learn.fit import fit
from crsrisk.learn.predict import predict
from crsrisk.learn.store import save_model
from tests.journey.conftest import SEED

HOUR = 24
PLAIN = {"units": {}, "mapping": {}, "ldh_upper_limit_u_l": None}


@pytest.fixture(scope="module")
def quick(config: FeatureConfig) -> FeatureConfig:
    shipped = config_of("landmark_24h")
    return shipped.model_copy(update={"learner": config.learner})


@pytest.fixture(scope="module")
def later(cohort: Cohort, quick: FeatureConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[RiskModel, Path]:
    """A quick 24 h model, and the folder that it was saved to."""
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    model = fit(known, cohort.outcomes.loc[known.index], config=quick, seed=SEED)
    return model, save_model(model, tmp_path_factory.mktemp("later") / "landmark_24h")


@pytest.fixture(scope="module")
def table(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody with the readings of the first day and what happened to him."""
    place = tmp_path_factory.mktemp("tables") / "readings.csv"
    course = cohort.course[list(course_columns(hour=HOUR))]
    pd.concat([cohort.observed, course, cohort.outcomes[["crs_grade2plus", "window_d"]]], axis=1).to_csv(place, index=False)
    return place


def read(model: RiskModel, place: Path) -> Known:
    return read_known(place, columns=model.contract.column_names, hour=HOUR, **PLAIN)


def test_readings_and_summaries_are_the_same_table(
    cohort: Cohort, later: tuple[RiskModel, Path], table: Path, tmp_path: Path
) -> None:
    """Either form gives, row by row, what the model learnt from: those at risk, with the same features."""
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    known.to_csv(tmp_path / "summaries.csv", index=False)
    expected = predict(later[0], known).risk
    for place in (table, tmp_path / "summaries.csv"):
        frame = read(later[0], place).table.frame
        assert frame["patient_id"].tolist() == known["patient_id"].tolist()
        np.testing.assert_allclose(predict(later[0], frame).risk, expected, rtol=0, atol=1e-9)


def test_who_had_the_event_is_refused_with_his_row(cohort: Cohort, later: tuple[RiskModel, Path], table: Path) -> None:
    worst = cohort.course["grade__max__h24"].to_numpy()
    there = read(later[0], table)
    assert there.n_gone == (worst >= 2).sum() > 0
    assert sorted(there.table.reasons) == (np.flatnonzero(worst >= 2) + 1).tolist()
    scored = score_table(later[1], table, strict=False, out=None, **PLAIN)
    assert scored.rows["risk_crs_grade2plus"].isna().tolist() == (worst >= 2).tolist()
    assert scored.refusal() is not None


def test_a_worst_grade_that_is_not_known_is_scored_and_not_judged(
    later: tuple[RiskModel, Path], table: Path, tmp_path: Path
) -> None:
    cells = pd.read_csv(table, dtype=str, keep_default_na=False)
    at_risk = cells.index[cells["grade__max__h24"].astype(float) < 2][:3]
    cells.loc[at_risk, "grade__max__h24"] = ""
    cells.to_csv(tmp_path / "unsure.csv", index=False)
    there = read(later[0], tmp_path / "unsure.csv")
    assert there.is_unsure.sum() == 3
    judged = evaluate_model(later[1], tmp_path / "unsure.csv", n_resamples=50, **PLAIN)
    assert "3 have no worst grade at 24 h" in judged["data"]["flow"]
    assert judged["evaluation"]["pooled"]["n"] == len(there.table.frame) - 3
    scored = score_table(later[1], tmp_path / "unsure.csv", strict=False, out=None, **PLAIN)
    assert scored.rows["risk_crs_grade2plus"].iloc[at_risk].notna().all()


def test_a_judgement_counts_after_the_landmark(cohort: Cohort, later: tuple[RiskModel, Path], table: Path) -> None:
    judged = evaluate_model(later[1], table, n_resamples=50, **PLAIN)
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    pooled = judged["evaluation"]["pooled"]
    assert pooled["n"] == len(known)
    assert pooled["n_events"] == int(cohort.outcomes.loc[known.index, "crs_grade2plus"].sum())
    assert judged["window"].startswith("later than 24 hours and within 21 days after the first dose")
    assert f"{len(cohort.observed) - len(known)} had grade 2 or more by 24 h" in judged["data"]["flow"]
    assert "still at risk 24 h after the first dose" in judged["data"]["eligibility"]


@pytest.mark.parametrize("method", ["intercept", "offset-boosting", "refit"])
def test_an_update_learns_from_those_at_risk(
    cohort: Cohort, later: tuple[RiskModel, Path], table: Path, tmp_path: Path, method: str
) -> None:
    done = update_model(later[1], table, out=tmp_path / "new", outcome=None, method=method, seed=1, **PLAIN)
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    assert done.update.n_patients == len(known)
    assert done.left_out["rows that had grade 2 or more by 24 h"] == len(cohort.observed) - len(known)
    assert done.update.model.contract.landmark_h == HOUR
    scored = score_table(tmp_path / "new", table, strict=False, out=None, **PLAIN)
    assert scored.rows["risk_crs_grade2plus"].notna().sum() == len(known)


def test_without_the_course_the_table_is_refused(cohort: Cohort, later: tuple[RiskModel, Path], tmp_path: Path) -> None:
    cohort.observed.to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(InputError, match="the course until 24 h after the first dose") as refused:
        read(later[0], tmp_path / "bare.csv")
    assert "crp_mg_l__max__h24" in str(refused.value)
    assert "crp_mg_l__h6" in str(refused.value)
