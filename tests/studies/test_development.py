"""Splitting, landmarks and oracles: who is where, and in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.cohort import Cohort, subset
from crsrisk.data.risk_model import RiskModel
from crsrisk.folders import names
from crsrisk.model.landmark import BEFORE_DOSE_2_H
from crsrisk.model.predict import predict
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.true_risk import Oracle
from crsrisk.studies.development import (
    Split,
    before_dose_2,
    choose_for_truth,
    config_of,
    explain_test,
    fit_before_dose_2,
    re_simulate,
    split,
    truth_of,
)
from tests.simulation.people import world_of
from tests.studies.conftest import SEED


def ids(cohort: Cohort) -> list[int]:
    return [int(number) for number in cohort.observed["patient_id"]]


def test_everybody_is_on_one_side(cohort: Cohort, sides: Split) -> None:
    assert sorted(ids(sides.training) + ids(sides.test)) == ids(cohort)
    for side in (sides.training, sides.test):
        assert (
            ids(side) == side.outcomes["patient_id"].tolist() == side.course["patient_id"].tolist()
        )


def test_a_side_depends_on_seed_and_number_alone(cohort: Cohort, sides: Split) -> None:
    later = split(subset(cohort, patient_ids=np.arange(250, 600)), seed=SEED, test_share=0.3)
    assert ids(later.test) == [number for number in ids(sides.test) if number >= 250]
    other = split(cohort, seed=SEED + 1, test_share=0.3)
    assert ids(other.test) != ids(sides.test)


def test_a_larger_share_only_adds(cohort: Cohort, sides: Split) -> None:
    more = split(cohort, seed=SEED, test_share=0.5)
    assert set(ids(sides.test)) < set(ids(more.test))


def test_the_share_is_met(cohort: Cohort) -> None:
    # Binomial, n = 600, p = 0.3: 4.5 standard deviations either way, a chance of 7 in a million for
    # a sound draw.
    found = [len(ids(split(cohort, seed=seed, test_share=0.3).test)) for seed in range(5)]
    spread = 4.5 * np.sqrt(600 * 0.3 * 0.7)
    assert all(abs(n - 180) < spread for n in found)


@pytest.mark.parametrize("name", ["baseline", "grade3plus", "before_dose_2"])
def test_shipped_configurations(name: str) -> None:
    assert name in names("configs")
    config = config_of(name)
    assert config.name == name
    assert config.window_d == {"default": 21.0, "ici": 60.0}
    assert config.landmark_h == (BEFORE_DOSE_2_H if name == "before_dose_2" else 0)


def test_before_dose_2_are_those_at_risk_who_get_one(cohort: Cohort) -> None:
    known = before_dose_2(cohort)
    outcomes = cohort.outcomes.loc[known.index]
    assert 0 < len(known) < len(ids(cohort))
    assert (known[f"grade__max__h{BEFORE_DOSE_2_H}"] < 2).all()
    assert (outcomes["grade_after_dose_2"] >= 0).all()
    onset = outcomes["onset_grade2plus_h"]
    assert (onset.isna() | (onset > BEFORE_DOSE_2_H)).all(), "nobody whose event is known already"
    left_out = cohort.outcomes.drop(index=known.index)
    reason = (left_out["onset_grade2plus_h"] <= BEFORE_DOSE_2_H) | (
        left_out["grade_after_dose_2"] < 0
    )
    assert reason.all()


def test_the_model_before_dose_2_reads_the_course(sides: Split) -> None:
    model = fit_before_dose_2(sides.training, seed=1)
    known = before_dose_2(sides.test)
    rows = predict(model, known).rows
    assert rows["risk"].between(0, 1).all()
    assert f"crp_mg_l__h{BEFORE_DOSE_2_H}" in model.contract.feature_names
    assert model.contract.n_patients == len(before_dose_2(sides.training))


# --- truth ---


@pytest.mark.parametrize("n", [30, 31])
def test_truth_takes_the_first_of_each_product(sides: Split, n: int) -> None:
    chosen = choose_for_truth(sides.test, n=n)
    table = sides.test.observed.set_index("patient_id").loc[chosen]
    assert table["product"].value_counts().to_dict() == {
        "tarlatamab": 15,
        "psma_masked_engager": 15,
    }
    assert list(chosen) == sorted(chosen)
    for name, rows in table.groupby("product"):
        everyone = sides.test.observed.loc[sides.test.observed["product"] == name, "patient_id"]
        assert rows.index.tolist() == everyone.head(15).tolist()


def test_oracles_come_back_in_the_order_asked(sides: Split, arms: dict[str, Arm]) -> None:
    chosen = choose_for_truth(sides.test, n=30)
    told: list[int] = []
    oracles = re_simulate(
        sides.test,
        ids=chosen,
        arms=arms,
        world=world_of(),
        seed=SEED,
        repetitions=10,
        given="baseline",
        workers=1,
        advance=told.append,
    )
    assert set(oracles) == set(arms)
    assert sum(told) == 30
    table = sides.test.observed.set_index("patient_id")
    for name, oracle in oracles.items():
        assert (table.loc[oracle.patient_id, "product"] == name).all()
        assert oracle.given == "baseline"
    truth = truth_of(oracles, ids=chosen, name="everything true at baseline")
    by_patient = pd.concat(
        [pd.Series(one.n_grade2plus.sum(axis=1), index=one.patient_id) for one in oracles.values()]
    )
    assert truth.name == "everything true at baseline"
    assert truth.n_events.tolist() == [by_patient[number] for number in chosen]
    assert set(truth.n_replicates) == {10}


def test_truth_of_hand_made_oracles() -> None:
    def oracle(patients: list[int], events: list[tuple[int, int]]) -> Oracle:
        return Oracle(
            np.array(patients),
            "observed",
            np.array(events),
            np.zeros((len(patients), 2), dtype=np.int64),
            50,
        )

    oracles = {"a": oracle([2, 4], [(1, 2), (3, 4)]), "b": oracle([1, 3], [(5, 6), (7, 8)])}
    truth = truth_of(oracles, ids=np.array([1, 2, 3, 4]), name="x")
    assert truth.n_events.tolist() == [11, 3, 15, 7]
    assert truth.n_replicates.tolist() == [100] * 4


def test_the_oracle_knows_the_right_patients(sides: Split, arms: dict[str, Arm]) -> None:
    """Held-out patients who had the event have, on average, a higher risk given everything true at
    baseline.
    """
    chosen = choose_for_truth(sides.test, n=120)
    oracles = re_simulate(
        sides.test,
        ids=chosen,
        arms=arms,
        world=world_of(),
        seed=SEED,
        repetitions=40,
        given="baseline",
        workers=1,
        advance=None,
    )
    truth = truth_of(oracles, ids=chosen, name="x")
    risk = truth.risk
    y_true = sides.test.outcomes.set_index("patient_id").loc[chosen, "crs_grade2plus"].to_numpy()
    assert y_true.any()
    # Seed fixed, so no chance; with the patients shuffled the difference is about 0 +- 0.04.
    assert risk[y_true].mean() - risk[~y_true].mean() > 0.2


def test_explanation_of_at_most_so_many(model: RiskModel, sides: Split) -> None:
    found = explain_test(model, sides.test, at_most=7)
    np.testing.assert_allclose(
        found.prediction.risk, predict(model, sides.test.observed.head(7)).risk
    )
