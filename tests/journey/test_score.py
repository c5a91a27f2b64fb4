"""Scoring a table: the account behind the rows, as data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError, OutputError
from crsrisk.journey.score import Scored, print_score, score_table
from crsrisk.learn.predict import predict
from crsrisk.learn.store import save_model


@pytest.fixture(scope="module")
def folder(model: RiskModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model as a folder."""
    return save_model(model, tmp_path_factory.mktemp("models") / "quick")


def score(folder: Path, table: Path, *, out: Path | None = None, strict: bool = False) -> Scored:
    return score_table(folder, table, units={}, mapping={}, ldh_upper_limit_u_l=None, strict=strict, out=out)


def written(folder: Path, observed: pd.DataFrame) -> Path:
    observed.to_csv(folder / "patients.csv", index=False)
    return folder / "patients.csv"


def test_rows_are_those_of_the_model(model: RiskModel, folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    some = cohort.observed.head(50)
    scored = score(folder, written(tmp_path, some))
    expected = predict(model, some).rows
    np.testing.assert_array_equal(scored.rows["risk_crs_grade2plus"], expected["risk"])
    assert scored.rows["missing"].tolist() == expected["missing"].tolist()
    assert scored.refusal() is None
    assert scored.counts == {
        "rows": 50, "ok": int((expected["status"] == "ok").sum()), "warned": int((expected["status"] == "warned").sum()),
        "refused": 0, "values_converted": 0, "values_missing": int(some.isna().sum().sum()),
    }  # fmt: skip


def test_a_refusal_names_the_first_row_in_the_order_of_the_file(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    some = cohort.observed.head(9).astype({"crp_mg_l": object, "weight_kg": object})
    some.loc[some.index[6], "crp_mg_l"] = "high"
    some.loc[some.index[4], "weight_kg"] = -70
    scored = score(folder, written(tmp_path, some))
    problem = scored.refusal()
    assert isinstance(problem, InputError)
    assert problem.where == str(tmp_path / "patients.csv")
    assert problem.key == "row 5, column weight_kg"
    assert "-70" in problem.found
    assert problem.cure.endswith("(2 of 9 rows refused, the others scored)")
    assert (scored.rows["status"] == "refused").tolist() == [place in (4, 6) for place in range(9)]
    assert scored.rows["risk_crs_grade2plus"].isna().tolist() == [place in (4, 6) for place in range(9)]


def test_refused_by_the_model_alone(model: RiskModel, folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    scored = score(folder, written(tmp_path, cohort.observed.head(3)))
    spoiled = scored.rows.assign(status=["ok", "refused", "ok"], reasons=["", "crp_mg_l is impossible.", ""])
    problem = Scored(model, spoiled, scored.table, scored.path).refusal()
    assert problem is not None
    assert (problem.key, problem.found) == ("row 2", "crp_mg_l is impossible.")


def test_tree_is_plain_json_with_the_whole_account(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    some = cohort.observed.head(5).astype({"crp_mg_l": object})
    some.loc[some.index[1], "crp_mg_l"] = "<5"
    tree = score(folder, written(tmp_path, some)).as_tree()
    again = json.loads(json.dumps(tree, allow_nan=False))
    assert again == tree
    assert tree["rows"][1]["risk_crs_grade2plus"] is None
    assert {note["kind"] for note in tree["account"]} >= {"refused"}
    assert set(tree["account"][0]) == {"row", "column", "kind", "found", "expected", "cure"}


def test_patients_with_names_instead_of_numbers(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    some = cohort.observed.head(3).assign(patient_id=["A-1", "A-2", "007"])
    scored = score(folder, written(tmp_path, some), out=tmp_path / "risks.parquet")
    assert scored.rows["patient_id"].tolist() == ["A-1", "A-2", "007"]
    assert pd.read_parquet(tmp_path / "risks.parquet")["patient_id"].tolist() == ["A-1", "A-2", "007"]


def test_strict_and_a_place_for_the_results(folder: Path, cohort: Cohort, tmp_path: Path) -> None:
    place = written(tmp_path, cohort.observed.head(3).assign(weight_kg=-1))
    with pytest.raises(InputError, match="weight_kg"):
        score(folder, place, strict=True, out=tmp_path / "risks.csv")
    for same in (place, tmp_path / "." / "patients.csv", tmp_path / "x" / ".." / "patients.csv"):
        with pytest.raises(OutputError, match="the table that is scored"):
            score(folder, place, out=same)
    assert [path.name for path in tmp_path.iterdir()] == ["patients.csv"]


def test_a_long_table_is_cut_on_the_terminal_and_says_so(
    folder: Path, cohort: Cohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = score(folder, written(tmp_path, cohort.observed.head(12).assign(weight_kg=-1)))
    print_score(scored, out=None, at_most=5)
    shown = capsys.readouterr().out
    assert "and 7 more rows: use --out" in shown
    assert "and 7 more notes: use --json" in shown
    assert "rows 12, ok 0, warned 0, refused 12" in shown
    print_score(scored, out=Path("risks.csv"), at_most=5)
    assert capsys.readouterr().out.startswith("Wrote risks.csv\n")
