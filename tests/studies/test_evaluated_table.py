"""A table that is evaluated in pieces gives what the same table at once gives."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data import table_pieces
from crsrisk.data.account import Trouble
from crsrisk.data.cohort import Cohort
from crsrisk.data.provenance import KEY, Patients
from crsrisk.data.table_reading import AS_NAMED
from crsrisk.errors import InputError
from crsrisk.evaluation.parts import parts_by
from crsrisk.folders import find
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.studies.evaluated_table import EvaluatedTable, read_evaluated
from tests.studies.test_predict_file import in_parts

MODEL = load_model(find("released", "baseline-0.1.0"))


def read(
    place: str | Path, model: RiskModel = MODEL, **options: Any
) -> tuple[EvaluatedTable, list[Trouble]]:
    """The table, and the account that is told."""
    told: list[Trouble] = []
    asked: dict[str, Any] = {"outcome": "crs_grade2plus", "at_least": None, "by": ["ward"]}
    found = read_evaluated(
        model,
        place,
        **asked | options,
        unknown_product=False,
        product_files=(),
        reading=AS_NAMED,
        tell=told.extend,
    )
    return found, told


def same(one: EvaluatedTable, other: EvaluatedTable) -> None:
    """Whether nothing differs but the name and the origin of two tables."""
    for field in fields(EvaluatedTable):
        mine, yours = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("name", "origin"):
            continue
        if field.name == "traits":
            parts = [
                {
                    (name, label): rows.tolist()
                    for name, of in parts_by(traits).items()
                    for label, rows in of.items()
                }
                for traits in (mine, yours)
            ]
            assert parts[0] == parts[1]
        elif isinstance(mine, pd.DataFrame):
            pd.testing.assert_frame_equal(mine, yours, check_dtype=False, check_exact=True)
        elif isinstance(mine, pd.Categorical | np.ndarray):
            assert list(mine) == list(yours), field.name
        else:
            assert mine == yours, field.name


@pytest.fixture(scope="module")
def table(cohort: Cohort) -> pd.DataFrame:
    """Patients and outcomes, some of them refused, without an outcome or with gaps."""
    joined = cohort.observed.merge(cohort.outcomes, on="patient_id")
    joined.loc[[4, 300], "weight_kg"] = -1.0
    joined.loc[550:560, "product"] = "nobodys_engager"
    joined["crs_grade2plus"] = joined["crs_grade2plus"].astype("boolean")
    joined.loc[[9, 10], "crs_grade2plus"] = pd.NA
    joined["is_stepped_up"] = joined["is_stepped_up"].astype("boolean")
    joined.loc[[3, 100], "is_stepped_up"] = pd.NA
    joined["ward"] = ["north" if row % 3 else "south" for row in range(len(joined))]
    joined["bed"] = range(len(joined))
    return joined


def test_pieces_give_what_the_table_at_once_gives(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cohort.parquet"
    table.to_parquet(place)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    whole, told = read(place)
    assert whole.left_out["have no outcome"] == 2
    assert whole.left_out["are of a product that the model was not trained on"] == 11
    assert parts_by(whole.traits)["ward"]["north"].sum() > 300
    monkeypatch.setattr(table_pieces, "ROWS", 41)
    in_pieces, told_of_pieces = read(place)
    assert told_of_pieces == told
    same(in_pieces, whole)
    parts, _ = read(in_parts(f"memory://{tmp_path.name}/cohort", table))
    same(parts, whole)
    same(read(tmp_path / "cohort.csv")[0], whole)


def test_refusals_of_pieces_name_the_rows_of_the_table(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_pieces, "ROWS", 41)
    place = tmp_path / "cohort.parquet"
    table.to_parquet(place)
    with pytest.raises(InputError, match="different values"):
        read(place, by=["bed"])
    changed = table.assign(window_d=table["window_d"].where(table.index != 77, 10.0))
    changed.to_parquet(place)
    with pytest.raises(InputError, match="row 78, window_d"):
        read(place)
    grades = table["max_grade"].astype("int64").where(table.index != 77, 9)
    table.assign(max_grade=grades).to_parquet(place)
    with pytest.raises(InputError, match="row 78, column max_grade"):
        read(place, outcome="max_grade", at_least=2)


@pytest.mark.slow
def test_a_few_bytes_a_patient_are_held(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read at once, a patient takes more than a thousand; Arrow's own are not in this figure."""
    monkeypatch.setattr(table_pieces, "ROWS", 1000)
    joined = cohort.observed.merge(cohort.outcomes, on="patient_id")
    # of few training patients, so that rows are not kept to be compared with these
    few = Patients(step="fit", origin="table", n_patients=10, n_events=2, sha256="0" * 64)
    model = replace(MODEL, manifest={**MODEL.manifest, KEY: [few.model_dump()]})
    peaks = {}
    for n in (2000, 2000, 14_000):  # the first warms up
        place = tmp_path / f"{n}.parquet"
        repeated = pd.concat([joined] * (n // 600 + 1), ignore_index=True).head(n)
        repeated.assign(patient_id=range(n)).to_parquet(place)
        tracemalloc.start()
        found, _ = read(place, model, by=[])
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.traits.n_missing is not None
        words = (found.products, *found.traits.said.values(), *found.traits.words.values())
        arrays = (found.y_true, found.risk, found.traits.n_missing, *(one.codes for one in words))
        assert found.y_true.size > 0.9 * n
        assert sum(one.nbytes for one in arrays) <= 16 * found.y_true.size
    assert peaks[14_000] - peaks[2000] < 12_000 * 60
