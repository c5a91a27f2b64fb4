"""Applicability: rows like those of training nearly always get a number, rows unlike them do not,
and a row's answer is its own.

False alarms are tested on fresh patients of the same toy world: 1 of 1,000 is stated. The limits
come from 1,500 patients, so the true rate of a summary differs from the stated one; the test
refuses rates above 3 of 1,000. Were it 1 of 1,000, fewer than 1 of 10,000 seeds would fail.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom

from crsrisk.data.risk_model import CANNOT
from crsrisk.errors import InputError
from crsrisk.model.applicability import FALSE_ALARM_RATE, FEWEST, Applicability, judged, summarise
from crsrisk.model.features import read_columns
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import APPLICABILITY, load_model, save_model
from tests.toys import Toy

N_FRESH = 20_000
MOST = 3 * FALSE_ALARM_RATE


@pytest.fixture(scope="module")
def summary(model: RiskModel) -> Applicability:
    assert model.applicability is not None
    return model.applicability


@pytest.fixture(scope="module")
def fresh(toy_maker: Callable[..., Toy]) -> pd.DataFrame:
    return toy_maker(N_FRESH, seed=11).observed


def columns(model: RiskModel, table: pd.DataFrame) -> dict[str, Any]:
    return read_columns(table, columns=model.contract.column_names)


def share_outside(model: RiskModel, summary: Applicability, table: pd.DataFrame) -> float:
    return float(summary.judge(columns(model, table)).is_outside.mean())


def with_missing(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """The table with this share of its numbers taken away."""
    rng = np.random.default_rng(3)
    table = table.copy()
    for name in table.columns:
        if table[name].dtype == np.float64:
            table.loc[rng.random(len(table)) < share, name] = np.nan
    return table


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_patients_like_those_of_training_nearly_always_get_a_number(
    model: RiskModel, summary: Applicability, fresh: pd.DataFrame, share: float
) -> None:
    n_outside = int(summary.judge(columns(model, with_missing(fresh, share))).is_outside.sum())
    assert binom.sf(n_outside - 1, N_FRESH, MOST) > 0.5, f"{n_outside} of {N_FRESH}"


def test_no_product_pays_for_the_others(
    model: RiskModel, summary: Applicability, fresh: pd.DataFrame
) -> None:
    outside = summary.judge(columns(model, fresh)).is_outside
    for product, rows in fresh.groupby("product").indices.items():
        n_outside = int(outside[rows].sum())
        # three products: each fails with a chance of 1 of 1,000 at a rate of 3 of 1,000
        assert binom.sf(n_outside - 1, len(rows), MOST) > 1e-3, (product, n_outside, len(rows))


SLIPS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], float]] = {
    "albumin in g/dL": (lambda t: t.assign(albumin_g_l=t["albumin_g_l"] / 10), 0.85),
    "creatinine in mg/dL": (
        lambda t: t.assign(creatinine_umol_l=t["creatinine_umol_l"] / 88.4),
        0.85,
    ),
    "lymphocytes in 1/uL": (lambda t: t.assign(lymphocytes_g_l=t["lymphocytes_g_l"] * 1000), 0.99),
    "albumin and platelets exchanged": (
        lambda t: t.assign(albumin_g_l=t["platelets_g_l"], platelets_g_l=t["albumin_g_l"]),
        0.85,
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_column_in_another_unit_or_place_is_found(
    model: RiskModel, summary: Applicability, fresh: pd.DataFrame, slip: str
) -> None:
    """At least this share of rows; of a tenth of them the value is missing, and nothing is seen."""
    change, at_least = SLIPS[slip]
    assert share_outside(model, summary, change(fresh.head(500))) >= at_least


def test_a_combination_is_found_though_each_value_is_usual(
    model: RiskModel, toy_maker: Callable[..., Toy]
) -> None:
    """Where ferritin always goes with CRP, one without the other is no patient of that world."""
    table = toy_maker(3000, seed=5).observed
    table["ferritin_ug_l"] = (
        10 * table["crp_mg_l"] * np.exp(0.1 * np.random.default_rng(1).normal(size=len(table)))
    )
    contract = model.contract.model_copy(update={"n_patients": len(table)})
    summary = summarise(contract, columns(model, table))
    assert summary is not None
    low, high = table["crp_mg_l"].quantile([0.03, 0.97])
    odd = table.head(50).assign(crp_mg_l=low, ferritin_ug_l=10 * high)
    judgement = summary.judge(columns(model, odd))
    assert judgement.is_outside.all()
    assert not (judgement.value > summary.value_limit).any()
    text = judgement.reason(0, model.contract)
    assert all(words in text for words in ("go together", "C-reactive protein", "Ferritin"))
    assert {summary.columns[k] for k in judgement.farthest_pair(0)} == {"crp_mg_l", "ferritin_ug_l"}


def test_a_row_alone_and_in_a_batch_has_the_same_distance(
    model: RiskModel, summary: Applicability, fresh: pd.DataFrame
) -> None:
    table = fresh.head(300)
    together = summary.judge(columns(model, table)).distance
    alone = [summary.judge(columns(model, table.iloc[[k]])).distance[0] for k in range(0, 300, 17)]
    assert alone == together[::17].tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_and_columns_does_not_matter(
    model: RiskModel, summary: Applicability, fresh: pd.DataFrame, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    table = with_missing(fresh.iloc[rng.choice(len(fresh), 40, replace=False)], 0.4)
    order = rng.permutation(len(table))
    shuffled = table.iloc[order][rng.permutation(table.columns)]
    np.testing.assert_array_equal(
        summary.judge(columns(model, shuffled)).distance,
        summary.judge(columns(model, table)).distance[order],
    )


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["crp_mg_l", "albumin_g_l", "weight_kg", "creatinine_umol_l", "ecog"]),
    steps=st.lists(st.floats(1.0, 4.0), min_size=2, max_size=5),
    upwards=st.booleans(),
)
def test_a_value_farther_out_is_never_nearer(
    summary: Applicability, name: str, steps: list[float], upwards: bool
) -> None:
    spread = next(group[name] for group in summary.groups.values() if name in group)
    start = spread.knots[-1] if upwards else spread.knots[0]
    way = np.cumsum(steps) - steps[0]
    values = start + way if upwards else start - way
    scores = spread.score(np.asarray(values))
    assert (np.diff(scores if upwards else -scores) >= 0).all()
    assert np.isfinite(scores).all()


def test_no_figure_is_of_fewer_than_ten_patients(
    model: RiskModel, summary: Applicability, toy: Toy
) -> None:
    """The values of the three patients farthest out stand nowhere."""
    text = summary.model_dump_json()
    extreme = toy.observed["crp_mg_l"].nlargest(3)
    assert not any(f"{value:.4g}" in text for value in np.arcsinh(3 * extreme))
    assert all(
        len(spread.knots) >= 2 for group in summary.groups.values() for spread in group.values()
    )


def test_few_patients_have_no_summary(model: RiskModel, toy: Toy) -> None:
    few = model.contract.model_copy(update={"n_patients": FEWEST - 1})
    assert summarise(few, columns(model, toy.observed.head(FEWEST - 1))) is None


def far(toy: Toy) -> pd.DataFrame:
    """Three patients, the second with an albumin that no patient of that world has."""
    table = toy.observed.dropna().head(3).copy()
    table.loc[table.index[1], "albumin_g_l"] = 12.34
    return table


def test_a_row_too_far_has_no_number_and_the_reason(model: RiskModel, toy: Toy) -> None:
    table = far(toy)
    found = model.predict(table)
    assert found.rows["status"].tolist() == ["ok", CANNOT, "ok"]
    assert np.isnan(found.risk).tolist() == [False, True, False]
    assert found.has_risk.tolist() == [True, False, True]
    assert not found.is_refused.any()
    text = found.rows["reasons"].iloc[1]
    assert text.startswith("Cannot estimate: Albumin (albumin_g_l) is far from")
    assert "12.3" not in text, "never the patient's value"
    assert "1 cannot estimate" in repr(found)
    assert model.check(table)["status"].tolist() == [CANNOT]
    with pytest.raises(InputError, match="Cannot estimate: Albumin"):
        model.explain(table)


def test_probabilities_are_nan_where_there_is_no_risk_and_a_warning_counts_them(
    model: RiskModel, toy: Toy
) -> None:
    table = far(toy)
    told = r"1 of 3 rows have no risk and are NaN \(1 cannot estimate\); the first is row 1"
    with pytest.warns(UserWarning, match=told):
        risk = model.predict_proba(table)
    assert np.isnan(risk).all(axis=1).tolist() == [False, True, False]
    with pytest.warns(UserWarning, match=told):
        log_odds = model.log_odds(table)
    np.testing.assert_allclose(expit(log_odds), risk[:, 1], rtol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.predict_proba(table.drop(index=table.index[1]))).all()


def test_the_number_is_there_on_request_with_the_warning(model: RiskModel, toy: Toy) -> None:
    asked = model.predict(far(toy), outside_training=True)
    assert asked.rows["status"].tolist() == ["ok", "warned", "ok"]
    assert "Cannot estimate" in asked.rows["reasons"].iloc[1]
    assert np.isfinite(model.predict_proba(far(toy), outside_training=True)).all()
    assert model.explain(far(toy), outside_training=True).prediction.risk.shape == (3,)


def test_a_refused_row_stays_refused(model: RiskModel, toy: Toy) -> None:
    table = far(toy).assign(crp_mg_l=-5.0)
    assert set(model.predict(table).rows["status"]) == {"refused"}


def test_a_model_without_a_summary_judges_no_distance_and_says_so(
    model: RiskModel, toy: Toy
) -> None:
    old = replace(model, applicability=None)
    assert np.isfinite(old.predict(far(toy)).risk).all()
    assert "No distance check is stored" in old.summary()
    assert "1 of 1,000 patients like those of training" in model.summary()


def test_it_is_saved_small_and_checked(model: RiskModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path / "mine")
    assert (folder / APPLICABILITY).stat().st_size < 60_000
    assert load_model(folder).applicability == model.applicability
    (folder / APPLICABILITY).write_bytes(b"changed")
    with pytest.raises(InputError, match=r"applicability\.json\.gz"):
        load_model(folder)


def test_a_folder_of_before_loads_without(model: RiskModel, tmp_path: Path) -> None:
    folder = save_model(replace(model, applicability=None), tmp_path / "old")
    assert not (folder / APPLICABILITY).exists()
    assert load_model(folder).applicability is None


def test_the_same_patients_give_the_same_summary(model: RiskModel, toy: Toy) -> None:
    again = summarise(
        model.contract, columns(model, toy.observed), groups=toy.observed["patient_id"].to_numpy()
    )
    assert model.applicability is not None
    assert again is not None
    products = ("n_products", "between_products_sd")
    assert again == model.applicability.model_copy(
        update={name: type(again).model_fields[name].default for name in products}
    )


def test_an_unknown_product_is_scored_on_request_with_a_wide_interval(
    model: RiskModel, toy: Toy
) -> None:
    table = (
        toy.observed.dropna().head(2).assign(product=["new", "toy_ici"], platform=["tce", "ici"])
    )
    refused = model.predict(table)
    assert refused.is_refused.tolist() == [True, False]
    assert "unknown_product" in refused.rows["reasons"].iloc[0]
    asked = model.predict(table, unknown_product=True).rows
    low, risk, high = asked[["risk_low", "risk", "risk_high"]].iloc[0]
    assert 0.0 <= low < risk < high <= 1.0
    assert high - low > 0.3
    assert "Range over products" in asked["reasons"].iloc[0]
    assert np.isnan(asked["risk_low"].iloc[1])


def test_judging_nothing_gives_nothing(model: RiskModel, toy: Toy) -> None:
    found = model.predict(toy.observed.head(1))
    empty = judged(
        found, summary=model.applicability, contract=model.contract, observed=toy.observed.head(0)
    )
    assert empty is found
