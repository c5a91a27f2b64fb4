"""Scoring a table: the account behind the rows, as data."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.data.risk_model import CANNOT
from crsrisk.errors import InputError
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.landmark import course_columns, landmark_table
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.studies.evaluate import evaluate_model
from crsrisk.studies.predict import Known, ScoredTable, print_score, read_known, score_table
from crsrisk.studies.update import update_model
from tests.studies.conftest import SEED


@pytest.fixture(scope="module")
def folder(model: RiskModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as a folder."""
    return save_model(model, tmp_path_factory.mktemp("models") / "quick")


def score(folder: Path, table: Path, *, strict: bool = False) -> ScoredTable:
    return score_table(folder, table, strict=strict)


def written(folder: Path, observed: pd.DataFrame) -> Path:
    observed.to_csv(folder / "patients.csv", index=False)
    return folder / "patients.csv"


def test_rows_are_those_of_the_model(
    model: RiskModel, folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    some = cohort.observed.head(50)
    scored = score(folder, written(tmp_path, some))
    expected = predict(model, some).rows
    np.testing.assert_array_equal(scored.rows["risk"], expected["risk"])
    assert scored.rows["missing"].tolist() == expected["missing"].tolist()
    assert scored.refusal() is None
    assert asdict(scored.counts) == {
        "rows": 50,
        "ok": int((expected["status"] == "ok").sum()),
        "warned": int((expected["status"] == "warned").sum()),
        "cannot_estimate": int((scored.rows["status"] == CANNOT).sum()),
        "refused": 0,
        "values_converted": 0,
        "values_missing": int(some.isna().sum().sum()),
        "values_filled": 0,
        "values_left_out": 0,
    }


def test_a_refusal_names_the_first_row_in_the_order_of_the_file(
    folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    some = cohort.observed.head(9).astype({"crp_mg_l": object, "weight_kg": object})
    some.loc[some.index[6], "crp_mg_l"] = "high"
    some.loc[some.index[4], "weight_kg"] = -70
    scored = score(folder, written(tmp_path, some))
    problem = scored.refusal()
    assert isinstance(problem, InputError)
    assert problem.where == str(tmp_path / "patients.csv")
    assert problem.key == "row 5, column weight_kg"
    assert "-70" in problem.found
    assert problem.cure.endswith("1 of 9 rows refused, the others scored")
    assert (scored.rows["status"] == "refused").tolist() == [place == 4 for place in range(9)]
    assert scored.rows["risk"].isna().tolist() == [place == 4 for place in range(9)]
    assert scored.counts.values_left_out == 1, "an unreadable lab costs the cell alone"


def test_refused_by_the_model_alone(
    model: RiskModel, folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    scored = score(folder, written(tmp_path, cohort.observed.head(3)))
    spoiled = scored.rows.assign(
        status=["ok", "refused", "ok"], reasons=["", "crp_mg_l is impossible.", ""]
    )
    problem = replace(scored, rows=spoiled).refusal()
    assert problem is not None
    assert (problem.key, problem.found) == ("row 2", "crp_mg_l is impossible.")


def test_tree_is_plain_json_with_the_whole_account(
    folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    some = cohort.observed.head(5).astype({"crp_mg_l": object})
    some.loc[some.index[1], "crp_mg_l"] = "<5"
    tree = score(folder, written(tmp_path, some)).to_dict()
    again = json.loads(json.dumps(tree, allow_nan=False))
    assert again == tree
    assert tree["rows"][1]["risk"] is None
    assert {note["kind"] for note in tree["account"]} >= {"refused"}
    assert set(tree["account"][0]) == {"row", "column", "kind", "found", "expected", "cure"}


def test_patients_with_names_instead_of_numbers(
    folder: Path, cohort: Cohort, tmp_path: Path
) -> None:
    some = cohort.observed.head(3).assign(patient_id=["A-1", "A-2", "007"])
    scored = score(folder, written(tmp_path, some))
    assert scored.rows["patient_id"].tolist() == ["A-1", "A-2", "007"]


def test_a_long_table_is_cut_on_the_terminal_and_says_so(
    folder: Path, cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = score(folder, written(tmp_path, cohort.observed.head(12).assign(weight_kg=-1)))
    print_score(scored, at_most=5)
    shown = capsys.readouterr().out
    assert "and 7 more rows: use --out" in shown
    assert "rows 12, ok 0, warned 0, cannot estimate 0, refused 12" in shown


# Tables for a landmark model: the course in either form, who is no longer at risk, what every verb
# makes of it.


HOUR = 24


@pytest.fixture(scope="module")
def quick(config: ModelConfig) -> ModelConfig:
    shipped = load_config("landmark_24h")
    return shipped.model_copy(update={"learner": config.learner})


@pytest.fixture(scope="module")
def later(
    cohort: Cohort, quick: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RiskModel, Path]:
    """A quick 24 h model, and the folder that it was saved to."""
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    model = fit(known, cohort.outcomes.loc[known.index], config=quick, seed=SEED)
    return model, save_model(model, tmp_path_factory.mktemp("later") / "landmark_24h")


@pytest.fixture(scope="module")
def table(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody with the readings of the first day and what happened to him."""
    place = tmp_path_factory.mktemp("tables") / "readings.csv"
    course = cohort.course[list(course_columns(hour=HOUR))]
    pd.concat(
        [cohort.observed, course, cohort.outcomes[["crs_grade2plus", "window_d"]]], axis=1
    ).to_csv(place, index=False)
    return place


def read(model: RiskModel, place: Path) -> Known:
    return read_known(place, columns=model.contract.column_names, hour=HOUR)


def test_readings_and_summaries_are_the_same_table(
    cohort: Cohort, later: tuple[RiskModel, Path], table: Path, tmp_path: Path
) -> None:
    """Either form gives, row by row, what the model learnt from: those at risk, with the same
    features.
    """
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    known.to_csv(tmp_path / "summaries.csv", index=False)
    expected = predict(later[0], known).risk
    for place in (table, tmp_path / "summaries.csv"):
        frame = read(later[0], place).table.frame
        assert frame["patient_id"].tolist() == known["patient_id"].tolist()
        np.testing.assert_allclose(predict(later[0], frame).risk, expected, rtol=0, atol=1e-9)


def test_who_had_the_event_is_refused_with_his_row(
    cohort: Cohort, later: tuple[RiskModel, Path], table: Path
) -> None:
    worst = cohort.course["grade__max__h24"].to_numpy()
    there = read(later[0], table)
    assert there.n_gone == (worst >= 2).sum() > 0
    assert sorted(there.table.reasons) == (np.flatnonzero(worst >= 2) + 1).tolist()
    scored = score_table(later[1], table, strict=False)
    assert scored.rows["risk"].isna().tolist() == (worst >= 2).tolist()
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
    evaluated = evaluate_model(later[1], tmp_path / "unsure.csv", n_resamples=50)
    assert "3 have no worst grade at 24 h" in evaluated.data.flow
    assert evaluated.evaluation.pooled.n == len(there.table.frame) - 3
    scored = score_table(later[1], tmp_path / "unsure.csv", strict=False)
    assert scored.rows["risk"].iloc[at_risk].notna().all()


def test_an_evaluation_counts_after_the_landmark(
    cohort: Cohort, later: tuple[RiskModel, Path], table: Path
) -> None:
    evaluated = evaluate_model(later[1], table, n_resamples=50)
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    pooled = evaluated.evaluation.pooled
    assert pooled.n == len(known)
    assert pooled.n_events == int(cohort.outcomes.loc[known.index, "crs_grade2plus"].sum())
    assert evaluated.window.startswith(
        "later than 24 hours and within 21 days after the first dose"
    )
    assert f"{len(cohort.observed) - len(known)} had grade 2 or more by 24 h" in evaluated.data.flow
    assert "still at risk 24 h after the first dose" in evaluated.data.eligibility


@pytest.mark.parametrize("method", ["intercept", "offset-boosting", "refit"])
def test_an_update_learns_from_those_at_risk(
    cohort: Cohort, later: tuple[RiskModel, Path], table: Path, tmp_path: Path, method: str
) -> None:
    done = update_model(later[1], table, out=tmp_path / "new", outcome=None, method=method, seed=1)
    known = landmark_table(cohort.observed, cohort.course, hour=HOUR)
    assert done.n_patients == len(known)
    assert len(repr(done)) < 2_000
    assert len(done.to_frame()) == 4
    assert pickle.loads(pickle.dumps(done)) == copy.deepcopy(done) == done
    assert done.left_out["rows that had grade 2 or more by 24 h"] == len(cohort.observed) - len(
        known
    )
    assert done.model.contract.landmark_h == HOUR
    scored = score_table(tmp_path / "new", table, strict=False)
    assert scored.rows["risk"].notna().sum() == len(known)


def test_without_the_course_the_table_is_refused(
    cohort: Cohort, later: tuple[RiskModel, Path], tmp_path: Path
) -> None:
    cohort.observed.to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(InputError, match="the course until 24 h after the first dose") as refused:
        read(later[0], tmp_path / "bare.csv")
    assert "crp_mg_l__max__h24" in str(refused.value)
    assert "crp_mg_l__h6" in str(refused.value)
