"""Three example patients: who is chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.mitigation import MitigationArm
from crsrisk.simulation.published_trials import simulate_outcomes
from crsrisk.studies.development import Split, before_dose_2, choose_for_truth
from crsrisk.studies.examples import (
    EXAMPLE_PRODUCT,
    QUANTILES,
    choose_examples,
    observation_hours,
    simulate_mitigation_arms,
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
def simulated() -> list[MitigationArm]:
    """Two products with and without two agents."""
    products = [product_of("tarlatamab"), product_of("psma_masked_engager")]
    return simulate_mitigation_arms(
        products, world=world_of(), mitigations=("tocilizumab", "anakinra"), n=N, seed=6
    )


def without(arm: MitigationArm, simulated: list[MitigationArm]) -> MitigationArm:
    """The arm of the same product without mitigation."""
    return next(
        other for other in simulated if (other.product, other.mitigation) == (arm.product, "none")
    )


def test_one_arm_a_product_and_agent(simulated: list[MitigationArm]) -> None:
    assert [(arm.product, arm.mitigation) for arm in simulated] == [
        (product, agent)
        for product in ("tarlatamab", "psma_masked_engager")
        for agent in ("none", "tocilizumab", "anakinra")
    ]
    assert {arm.n for arm in simulated} == {N}
    assert {arm.window_d for arm in simulated} == {21.0}


def test_shares_come_with_their_error(simulated: list[MitigationArm]) -> None:
    for arm in simulated:
        for estimate in (arm.grade2plus, arm.grade3plus):
            share = estimate.value
            assert 0 <= share <= 1
            assert share * N == pytest.approx(round(share * N))
            assert estimate.mc_error == pytest.approx(np.sqrt(share * (1 - share) / N))
        assert arm.grade3plus.value <= arm.grade2plus.value


def test_changes_are_paired_against_none(simulated: list[MitigationArm]) -> None:
    for arm in simulated:
        usual = without(arm, simulated)
        for change, here, there in (
            (arm.change_grade2plus, arm.grade2plus, usual.grade2plus),
            (arm.change_grade3plus, arm.grade3plus, usual.grade3plus),
        ):
            assert change.value == pytest.approx(here.value - there.value)
            # a mean's error divides by n - 1, a share's by n
            alone = np.hypot(here.mc_error or 0, there.mc_error or 0) * np.sqrt(N / (N - 1))
            assert (change.mc_error or 0) <= alone + 1e-9, "twins are compared, not strangers"
        if arm is usual:
            assert (arm.change_grade2plus.value, arm.change_grade2plus.mc_error) == (0, 0)


def test_an_agent_against_il6_and_il1_does_no_harm(simulated: list[MitigationArm]) -> None:
    # Every patient is his own twin and the agents only take signals away, so the direction is no
    # matter of chance.
    changes = [arm.change_grade2plus.value for arm in simulated]
    assert max(changes) <= 0
    assert min(changes) < 0


def test_progress_is_told_arm_by_arm() -> None:
    told: list[int] = []
    simulate_mitigation_arms(
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
    (seen,) = observation_hours({"tarlatamab": (product, outcomes_with(onsets))})
    assert (seen.product, seen.n_events) == ("tarlatamab", 5)
    # numpy's quantile, linear
    assert seen.hours == pytest.approx((6.0, 9.2, 9.6))


def test_without_an_event_nothing_is_said() -> None:
    (seen,) = observation_hours({"x": (product_of("tarlatamab"), outcomes_with([np.nan, np.nan]))})
    assert seen.n_events == 0
    assert seen.hours == (None, None, None)


def test_longer_observation_sees_more() -> None:
    product = product_of("tarlatamab")
    (seen,) = observation_hours(
        {"x": (product, simulate_outcomes(product, world=world_of(), n=100, seed=2))}
    )
    hours = [hour for hour in seen.hours if hour is not None]
    assert len(hours) == 3
    assert [0, *hours, 21 * 24] == sorted([0, *hours, 21 * 24])
