"""Predictions: every row accounted for, alone as in a batch, and one row without a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.data.risk_model import Bound, RefusedGroup
from crsrisk.errors import InputError
from crsrisk.model.explain import explain
from crsrisk.model.predict import OneRow, predict
from crsrisk.model.risk_model import RiskModel

Toy = Any


def usual(toy: Toy) -> pd.DataFrame:
    """One patient in the middle of everything."""
    row = toy.observed.iloc[[0]].copy()
    for name in row.columns[toy.observed.dtypes == "float64"]:
        row[name] = toy.observed[name].median()
    return row


def test_alone_as_in_a_batch(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(300)
    whole = predict(model, table).rows
    for row in range(0, 300, 7):
        pd.testing.assert_frame_equal(predict(model, table.iloc[[row]]).rows, whole.iloc[[row]])
    backwards = predict(model, table.iloc[::-1]).rows
    pd.testing.assert_frame_equal(backwards.iloc[::-1], whole)


def test_a_group_of_whom_no_risk_is_given_is_refused(model: RiskModel, fresh_toy: Toy) -> None:
    """Within all bounds; where one of the values is missing, nobody knows, and a risk is given."""
    bounds = [Bound(column="crp_mg_l", at_least=100), Bound(column="albumin_g_l", below=35)]
    group = RefusedGroup(bounds=bounds, reason="too few are known")
    contract = model.contract.model_copy(update={"refused": (group,)})
    careful = replace(model, contract=contract)
    values = [(150.0, 30.0), (150.0, 35.0), (99.0, 30.0), (np.nan, 30.0)]
    table = pd.concat([usual(fresh_toy)] * len(values), ignore_index=True)
    table[["crp_mg_l", "albumin_g_l"]] = values
    table = table.drop(columns="patient_id")
    rows = predict(careful, table).rows
    assert (rows["status"] == "refused").tolist() == [True, False, False, False]
    assert np.isnan(rows["risk"].iloc[0])
    assert "crp_mg_l >= 100 and albumin_g_l < 35: too few are known" in rows["reasons"].iloc[0]
    np.testing.assert_array_equal(rows["risk"][1:], predict(model, table).rows["risk"][1:])
    with pytest.raises(InputError, match="too few are known"):
        OneRow.of(careful).risk(table.iloc[0].to_dict())
    assert OneRow.of(careful).risk(table.iloc[1].to_dict()) == rows["risk"].iloc[1]


def test_column_order_and_further_columns_do_not_matter(model: RiskModel, fresh_toy: Toy) -> None:
    table = fresh_toy.observed.head(50)
    other = table[table.columns[::-1]].assign(comment="x")
    pd.testing.assert_frame_equal(predict(model, other).rows, predict(model, table).rows)


def test_any_single_value_may_be_missing(model: RiskModel, toy: Toy) -> None:
    full = usual(toy)
    for column in model.contract.columns:
        gap = full.astype({column.name: object})
        gap[column.name] = None
        row = predict(model, gap).rows.iloc[0]
        assert 0 < row["risk"] < 1
        assert row["missing"] == column.name
        assert row["status"] == ("ok" if column.was_missing_in_training else "warned"), column.name


def test_everything_may_be_missing(model: RiskModel, toy: Toy) -> None:
    empty = usual(toy).astype(object)
    empty.loc[:, :] = None
    prediction = predict(model, empty)
    assert 0 < prediction.risk[0] < 1
    assert len(prediction.rows["missing"].iloc[0].split(", ")) == len(model.contract.columns)


def test_ok_when_nothing_is_odd(model: RiskModel, toy: Toy) -> None:
    row = predict(model, usual(toy)).rows.iloc[0]
    assert (row["status"], row["reasons"], row["missing"]) == ("ok", "", "")


@pytest.mark.parametrize(
    ("column", "value", "status", "reason"),
    [
        ("crp_mg_l", -1.0, "refused", "crp_mg_l is impossible: outside 0 to 1000 mg/L."),
        ("albumin_g_l", 4.1, "refused", "albumin_g_l is impossible: outside 8 to 70 g/L."),
        ("crp_mg_l", 900.0, "warned", "crp_mg_l is outside what the model has seen"),
        ("ecog", 4, "warned", "ecog is outside what the model has seen, 0 to 2"),
        ("ecog", 5, "refused", "ecog is impossible"),
        ("has_infection", 2, "refused", "has_infection is impossible: outside 0 to 1."),
        ("has_infection", 0.5, "refused", "has_infection is impossible"),
        ("product", "toy_new", "warned", "product is not one that the model was trained on"),
        ("platform", "til", "warned", "platform is not one that the model was trained on"),
    ],
)
def test_odd_values(
    model: RiskModel, toy: Toy, column: str, value: Any, status: str, reason: str
) -> None:
    table = pd.concat([usual(toy), usual(toy).assign(patient_id=-1)]).astype({column: object})
    table[column] = [table[column].iloc[0], value]
    rows = predict(model, table).rows
    assert rows["status"].tolist() == ["ok", status]
    assert reason in rows["reasons"].iloc[1]
    assert np.isnan(rows["risk"].iloc[1]) == (status == "refused")


def test_reasons_never_repeat_a_patients_value(model: RiskModel, toy: Toy) -> None:
    table = usual(toy).assign(crp_mg_l=1234.5, albumin_g_l=7.77, product="Jane Doe")
    text = predict(model, table).rows["reasons"].iloc[0]
    assert "crp_mg_l" in text
    assert not any(secret in text for secret in ("1234", "7.77", "Jane"))


def test_an_unknown_product_is_no_known_product(model: RiskModel, toy: Toy) -> None:
    one, other = (
        predict(model, usual(toy).assign(product=name)).risk[0] for name in ("new", "newer")
    )
    assert one == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns=["crp_mg_l", "ecog"]), "crp_mg_l, ecog: found no such column"),
        (
            lambda t: t.astype({"crp_mg_l": str}),
            "row 1, crp_mg_l: found str that is no finite number",
        ),
        (lambda t: t.assign(weight_kg="heavy"), "row 1, weight_kg"),
        (lambda t: t.assign(weight_kg=np.inf), "row 1, weight_kg"),
        (
            lambda t: t.assign(patient_id=[1, 2, 1]),
            "row 3, patient_id: found a patient who was there before",
        ),
        (lambda t: pd.concat([t, t[["ecog"]]], axis=1), "ecog: found the column twice"),
    ],
)
def test_other_tables_are_refused(
    model: RiskModel, fresh_toy: Toy, change: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        predict(model, change(fresh_toy.observed.head(3)))


def test_an_empty_table_gives_no_rows(model: RiskModel, toy: Toy) -> None:
    assert predict(model, toy.observed.head(0)).rows.shape == (0, 6)


@given(
    factor=st.floats(1.0, 20.0),
    row=st.integers(0, 499),
    column=st.sampled_from(["crp_mg_l", "ldh_x_uln", "sum_of_diameters_mm", "ferritin_ug_l"]),
)
@settings(max_examples=60)
def test_more_never_lowers_the_risk(
    model: RiskModel, fresh_toy: Toy, factor: float, row: int, column: str
) -> None:
    """Directions hold for the patient's values, through every index that is made of them."""
    patient = fresh_toy.observed.iloc[[row]]
    pair = pd.concat([patient, patient.assign(patient_id=-1, **{column: patient[column] * factor})])
    risk = predict(model, pair).risk
    assert np.isnan(risk).any() or risk[1] >= risk[0] - 1e-12


def test_prevention_never_raises_the_risk(model: RiskModel, fresh_toy: Toy) -> None:
    for column in ("is_stepped_up", "has_steroid_premedication", "has_tocilizumab_prophylaxis"):
        without = predict(model, fresh_toy.observed.assign(**{column: False})).risk
        assert (
            predict(model, fresh_toy.observed.assign(**{column: True})).risk <= without + 1e-12
        ).all()


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
    assert told_alone.base_log_odds[0] == told.base_log_odds[row]
    assert (
        told_alone.points_of(0).tobytes()
        == told.points_of(row).tobytes()
        == told.points[row].tobytes()
    )


def test_everything_may_be_missing_of_one_patient(model: RiskModel, fresh_toy: Toy) -> None:
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
