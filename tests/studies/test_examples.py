"""Three example patients: who is chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.simulation.published_trials import simulate_outcomes
from crsrisk.studies.development import Split, before_dose_2, choose_for_truth
from crsrisk.studies.examples import (
    EXAMPLE_PRODUCT,
    QUANTILES,
    choose_examples,
    mitigation_table,
    observation_hours,
)
from tests.simulation.people import product_of, world_of


def test_examples_are_low_middle_and_high_and_at_risk_at_dose_2(
    model: RiskModel, sides: Split
) -> None:
    chosen_ids = choose_for_truth(sides.test, n=100)
    chosen = choose_examples(model, sides.test, truth_ids=chosen_ids)
    assert len(chosen) == len(QUANTILES) == 3
    assert set(chosen["product"]) == {EXAMPLE_PRODUCT}
    assert set(chosen["patient_id"]) <= set(chosen_ids)
    assert set(chosen.index) <= set(before_dose_2(sides.test).index)
    risk = predict(model, sides.test.observed.loc[chosen.index]).risk
    assert (np.diff(risk) > 0).all()


def test_another_product_when_there_is_no_tarlatamab(model: RiskModel, sides: Split) -> None:
    observed = sides.test.observed
    others = observed.loc[observed["product"] == "psma_masked_engager", "patient_id"].to_numpy()
    chosen = choose_examples(model, sides.test, truth_ids=others)
    assert set(chosen["product"]) == {"psma_masked_engager"}
    assert len(chosen) == 3


# What a trial designer asks first, against hand-made outcomes and by properties of paired arms.


N = 120


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Two products with and without two agents."""
    products = [product_of("tarlatamab"), product_of("psma_masked_engager")]
    return mitigation_table(
        products, world=world_of(), mitigations=("tocilizumab", "anakinra"), n=N, seed=6
    )


def test_one_row_a_product_and_agent(table: pd.DataFrame) -> None:
    assert table[["product", "mitigation"]].to_numpy().tolist() == [
        [product, agent]
        for product in ("tarlatamab", "psma_masked_engager")
        for agent in ("none", "tocilizumab", "anakinra")
    ]
    assert set(table["n"]) == {N}
    assert set(table["window_d"]) == {21.0}


def test_rates_are_per_100_with_their_error(table: pd.DataFrame) -> None:
    for grade in ("grade2plus", "grade3plus"):
        rate = table[f"per100_{grade}"] / 100
        assert rate.between(0, 1).all()
        np.testing.assert_allclose(rate * N, np.round(rate * N), atol=1e-9)
        np.testing.assert_allclose(table[f"mc_error_{grade}"], 100 * np.sqrt(rate * (1 - rate) / N))
    assert (table["per100_grade3plus"] <= table["per100_grade2plus"]).all()


def test_differences_are_paired_against_none(table: pd.DataFrame) -> None:
    for _, rows in table.groupby("product"):
        usual = rows["per100_grade2plus"].iloc[0]
        np.testing.assert_allclose(
            rows["difference_grade2plus"], rows["per100_grade2plus"] - usual, atol=1e-9
        )
        assert (rows["difference_grade2plus"].iloc[0], rows["mc_error_difference"].iloc[0]) == (
            0,
            0,
        )
        alone = np.hypot(rows["mc_error_grade2plus"], rows["mc_error_grade2plus"].iloc[0])
        assert (rows["mc_error_difference"] <= alone + 1e-9).all(), (
            "twins are compared, not strangers"
        )


def test_an_agent_against_il6_and_il1_does_no_harm(table: pd.DataFrame) -> None:
    # Every patient is his own twin and the agents only take signals away, so the direction is no
    # matter of chance.
    assert (table["difference_grade2plus"] <= 0).all()
    assert (table["difference_grade2plus"] < 0).any()


def test_progress_is_told_arm_by_arm() -> None:
    told: list[int] = []
    mitigation_table(
        [product_of("til_il2")],
        world=world_of(),
        mitigations=("anakinra",),
        n=10,
        seed=1,
        advance=told.append,
    )
    assert told == [1, 1]


def test_outcomes_of_another_window_policy_and_population() -> None:
    product = product_of("tarlatamab")
    usual = simulate_outcomes(product, world=world_of(), n=40, seed=2)
    short = simulate_outcomes(product, world=world_of(), n=40, seed=2, window_d=10.0)
    assert set(short["window_d"]) == {10.0}
    assert short["crs_grade2plus"].tolist() == usual["crs_grade2plus_10d"].tolist()
    other = simulate_outcomes(
        product,
        world=world_of(),
        n=40,
        seed=2,
        regimen="fixed_10mg",
        policy="conservative_fluids",
        population="neuroendocrine_prostate",
        mitigations=("tocilizumab",),
    )
    assert other["patient_id"].tolist() == usual["patient_id"].tolist()
    assert not other["peak_il6_pg_ml"].equals(usual["peak_il6_pg_ml"])
    with pytest.raises(InputError, match="nowhere"):
        simulate_outcomes(product, world=world_of(), n=4, seed=2, population="nowhere")


# --- hours of observation ---


def outcomes_with(onset_h: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"onset_h": onset_h})


def test_hours_count_from_the_most_recent_dose() -> None:
    product = product_of("tarlatamab")  # doses at 0, 168 and 336 h
    onsets = [2.0, 168.0 + 4.0, 336.0 + 6.0, 8.0, np.nan, 168.0 + 10.0]  # waits 2, 4, 6, 8, 10
    row = observation_hours({"tarlatamab": (product, outcomes_with(onsets))}).iloc[0]
    assert (row["product"], row["n_events"]) == ("tarlatamab", 5)
    # numpy's quantile, linear
    assert row[["hours_50", "hours_90", "hours_95"]].tolist() == pytest.approx([6.0, 9.2, 9.6])


def test_without_an_event_nothing_is_said() -> None:
    row = observation_hours(
        {"x": (product_of("tarlatamab"), outcomes_with([np.nan, np.nan]))}
    ).iloc[0]
    assert row["n_events"] == 0
    assert row[["hours_50", "hours_90", "hours_95"]].isna().all()


def test_longer_observation_sees_more() -> None:
    product = product_of("tarlatamab")
    row = observation_hours(
        {"x": (product, simulate_outcomes(product, world=world_of(), n=100, seed=2))}
    ).iloc[0]
    assert 0 <= row["hours_50"] <= row["hours_90"] <= row["hours_95"] <= 21 * 24
