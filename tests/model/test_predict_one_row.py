"""One patient as plain values: the same risk as in a table, to the last bit, whatever is
missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.data.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.model.explain import explain
from crsrisk.model.predict import OneRow, predict

Toy = Any


def plain(table: pd.DataFrame, row: int) -> dict[str, Any]:
    return table.iloc[row].to_dict()


def test_alone_and_in_a_batch_to_the_last_bit(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(400)
    batch, one = predict(model, table).risk, OneRow.of(model)
    assert [one.risk(plain(table, row)) for row in range(400)] == batch.tolist()
    assert [predict(model, table.iloc[[row]]).risk[0] for row in range(0, 400, 40)] == batch[
        ::40
    ].tolist()


@given(
    place=st.floats(0, 1, exclude_max=True),
    row=st.integers(0, 59),
    missing=st.sampled_from([None, float("nan")]),
)
@settings(max_examples=60, deadline=None)
def test_any_single_predictor_may_be_missing(
    model: RiskModel, fresh_toy: Toy, place: float, row: int, missing: float | None
) -> None:
    table = fresh_toy.observed.head(60)
    name = model.contract.columns[int(place * len(model.contract.columns))].name
    gap = table.astype({name: object})
    gap.iloc[row, gap.columns.get_loc(name)] = None
    batch = predict(model, gap)
    alone = predict(model, gap.iloc[[row]])
    patient = {**plain(table, row), name: missing}
    assert np.isfinite(batch.risk[row])
    assert batch.risk[row] == alone.risk[0] == OneRow.of(model).risk(patient)
    assert name in batch.rows["missing"].iloc[row].split(", ")
    told_alone, told = explain(model, gap.iloc[[row]]), explain(model, gap)
    assert told_alone.contributions.tobytes() == told.contributions[row].tobytes()
    assert told_alone.base_log_odds == told.base_log_odds
    assert (
        told_alone.points_of(0).tobytes()
        == told.points_of(row).tobytes()
        == told.points[row].tobytes()
    )


def test_everything_may_be_missing(model: RiskModel, fresh_toy: Toy) -> None:
    nothing: dict[str, Any] = {column.name: None for column in model.contract.columns}
    table = pd.DataFrame([nothing])
    assert OneRow.of(model).risk(nothing) == predict(model, table).risk[0]


def test_whole_numbers_and_numpys_are_numbers(model: RiskModel, fresh_toy: Toy) -> None:
    patient = {
        **plain(fresh_toy.observed, 0),
        "crp_mg_l": 40,
        "ecog": np.int64(1),
        "albumin_g_l": np.float32(38.0),
    }
    same = {**patient, "crp_mg_l": 40.0, "ecog": 1.0, "albumin_g_l": 38.0}
    assert OneRow.of(model).risk(patient) == OneRow.of(model).risk(same)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("crp_mg_l", -5.0, "impossible"),
        ("crp_mg_l", float("inf"), "impossible"),
        ("crp_mg_l", "high", "found text"),
        ("is_stepped_up", 2, "impossible"),
        ("platelets_g_l", -1.0, "impossible"),
    ],
)
def test_what_predict_refuses_is_refused(
    model: RiskModel, fresh_toy: Toy, name: str, value: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        OneRow.of(model).risk({**plain(fresh_toy.observed, 0), name: value})
    assert name in str(caught.value)
    if message == "impossible" and np.isfinite(value):
        assert predict(
            model, fresh_toy.observed.head(1).astype({name: float}).assign(**{name: value})
        ).is_refused[0]


def test_an_absent_value_is_refused(model: RiskModel, fresh_toy: Toy) -> None:
    patient = plain(fresh_toy.observed, 0)
    del patient["crp_mg_l"]
    with pytest.raises(InputError, match="crp_mg_l: found no such value"):
        OneRow.of(model).risk(patient)
