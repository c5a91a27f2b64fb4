"""A table that is learnt from is the same in pieces and at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crsrisk.data import table_pieces
from crsrisk.data.account import Trouble
from crsrisk.data.cohort import Cohort
from crsrisk.errors import InputError
from crsrisk.model.features import load_config
from crsrisk.studies.training_table import Training, table_training
from tests.studies.test_predict_file import in_parts

CONFIG = load_config("baseline")


def read(place: str | Path, **options: Any) -> tuple[Training, list[Trouble]]:
    told: list[Trouble] = []
    asked: dict[str, Any] = {"outcomes": None, "outcome": None, "at_least": None}
    return table_training(place, config=CONFIG, **asked | options, tell=told.extend), told


@pytest.mark.parametrize("names", [None, "P-", "mixed"])
def test_pieces_give_the_patients_of_the_table_at_once(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str | None
) -> None:
    table = cohort.observed.merge(cohort.outcomes, on="patient_id").head(300)
    table.loc[[4, 200], "weight_kg"] = -1.0
    table["crs_grade2plus"] = table["crs_grade2plus"].astype("boolean")
    table.loc[[9, 10], "crs_grade2plus"] = pd.NA
    table["is_stepped_up"] = table["is_stepped_up"].astype("boolean")
    table.loc[[3, 100], "is_stepped_up"] = pd.NA
    if names == "P-":
        table["patient_id"] = "P-" + table["patient_id"].astype(str)
    elif names == "mixed":
        words = table["patient_id"].astype(str)
        table["patient_id"] = words.where(table.index != 250, "P-250")
    place = tmp_path / "cohort.parquet"
    table.to_parquet(place)
    table[["patient_id", "crs_grade2plus", "crs_any"]].to_csv(tmp_path / "y.csv", index=False)
    whole, told = read(place)
    assert whole.left_out["rows without an outcome"] == 2
    monkeypatch.setattr(table_pieces, "ROWS", 41)
    parts = in_parts(f"memory://{tmp_path.name}/{names}", table)
    for in_pieces, told_of_pieces in (
        read(place),
        read(place, outcomes=tmp_path / "y.csv"),
        read(parts),
    ):
        pd.testing.assert_frame_equal(in_pieces.observed, whole.observed, check_exact=True)
        pd.testing.assert_frame_equal(in_pieces.outcomes, whole.outcomes, check_exact=True)
        assert in_pieces.left_out == whole.left_out
        assert told_of_pieces == told


def test_outcomes_of_other_patients_are_refused(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_pieces, "ROWS", 41)
    cohort.observed.head(100).to_parquet(tmp_path / "cohort.parquet")
    for n in (90, 110):
        cohort.outcomes.head(n).to_csv(tmp_path / "y.csv", index=False)
        with pytest.raises(InputError, match=f"{n} rows; expected 100 rows"):
            read(tmp_path / "cohort.parquet", outcomes=tmp_path / "y.csv")
