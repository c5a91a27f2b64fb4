"""Splitting, landmarks and oracles: who is where, and in which order."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.evaluation.benchmark import Truth
from crsrisk.folders import names
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.landmark import BEFORE_DOSE_2_H
from crsrisk.model.plain_boosting import PLAIN, QUICK
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel, class_in_words
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.true_risk import TrueRisk, patients_by_id, risk_of_arm, true_risk
from crsrisk.studies.development import (
    Split,
    ask_oracles,
    before_dose_2,
    choose_for_truth,
    evaluate_held_out,
    explain_test,
    fit_before_dose_2,
)
from crsrisk.studies.experiment import load_experiment
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
    later = Split(*cohort.subset(np.arange(250, 600)).split(test_size=0.3, seed=SEED))
    assert ids(later.test) == [number for number in ids(sides.test) if number >= 250]
    other = Split(*cohort.split(test_size=0.3, seed=SEED + 1))
    assert ids(other.test) != ids(sides.test)


def test_a_larger_share_only_adds(cohort: Cohort, sides: Split) -> None:
    more = Split(*cohort.split(test_size=0.5, seed=SEED))
    assert set(ids(sides.test)) < set(ids(more.test))


def test_the_share_is_met(cohort: Cohort) -> None:
    # Binomial, n = 600, p = 0.3: 4.5 standard deviations either way, a chance of 7 in a million for
    # a sound draw.
    found = [len(ids(Split(*cohort.split(test_size=0.3, seed=seed)).test)) for seed in range(5)]
    spread = 4.5 * np.sqrt(600 * 0.3 * 0.7)
    assert all(abs(n - 180) < spread for n in found)


@pytest.mark.parametrize("name", ["baseline", "grade3plus", "before_dose_2"])
def test_shipped_configurations(name: str) -> None:
    assert name in names("configs")
    config = load_config(name)
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


@pytest.mark.parametrize("trials", [0, 2])
def test_the_ladder_holds_boosting_as_one_would_type_it(
    sides: Split, model: RiskModel, config: ModelConfig, trials: int
) -> None:
    asked = load_experiment("experiments/001_baseline").model_copy(
        update={
            "truth_patients": 40,
            "truth_repetitions": 20,
            "baseline_repetitions": 4,
            "bootstrap": 50,
            "tuning_trials": trials,
        }
    )
    found = evaluate_held_out(
        model,
        sides,
        oracles=ask_oracles(
            sides.test, experiment=asked, world=world_of(), workers=2, advance=None
        ),
        config=config,
        experiment=asked,
        workers=2,
    ).evaluation.benchmark
    assert found is not None
    plain = PLAIN if trials else QUICK
    rows = [row.name for row in found.pooled.rows]
    assert rows[-3 - len(plain) : -3] == list(plain)
    assert rows[-3] == found.model
    assert found.notes[found.model] == class_in_words(model)
    assert set(found.notes) == {found.model, *plain}
    if trials:
        told = found.notes["LightGBM, tuned"]
        assert f"The best of {trials} settings tried by Optuna in 2 folds" in told


def test_true_risks_come_back_in_the_order_asked(sides: Split, arms: dict[str, Arm]) -> None:
    """One risk a patient, the same as of the patients of one product alone."""
    chosen = choose_for_truth(sides.test, n=30)
    told: list[int] = []
    found = true_risk(
        sides.test.subset(chosen),
        world=world_of(),
        n_replicates=10,
        given="baseline",
        advance=told.append,
    )
    assert sum(told) == 30
    assert found.patient_id.tolist() == chosen.tolist()
    truth = Truth.from_true_risk(found)
    assert truth.name == "everything true at baseline"
    assert set(truth.n_replicates) == {10}
    table = sides.test.observed.set_index("patient_id").loc[chosen]
    for name, arm in arms.items():
        rows = np.flatnonzero(table["product"] == name)
        alone = risk_of_arm(
            arm,
            patients_by_id(arm, world=world_of(), seed=SEED, patient_ids=chosen[rows]),
            world=world_of(),
            seed=SEED,
            given="baseline",
            n_replicates=10,
        )
        assert truth.n_events[rows].tolist() == alone.n_events().tolist()


def test_truth_of_counts_made_by_hand() -> None:
    counts = np.array([[5, 6], [1, 2], [7, 8], [3, 4]])
    found = TrueRisk(np.arange(1, 5), "observed", counts, np.zeros_like(counts), 100)
    truth = Truth.from_true_risk(found)
    assert truth.n_events.tolist() == [11, 3, 15, 7]
    assert truth.n_replicates.tolist() == [100] * 4


def test_the_oracle_knows_the_right_patients(sides: Split) -> None:
    """Held-out patients who had the event have, on average, a higher risk given everything true at
    baseline.
    """
    chosen = sides.test.subset(choose_for_truth(sides.test, n=120))
    risk = true_risk(chosen, world=world_of(), n_replicates=40, given="baseline").risk()
    y_true = chosen.outcomes["crs_grade2plus"].to_numpy()
    assert y_true.any()
    # Seed fixed, so no chance; with the patients shuffled the difference is about 0 +- 0.04.
    assert risk[y_true].mean() - risk[~y_true].mean() > 0.2


def test_explanation_of_at_most_so_many(model: RiskModel, sides: Split) -> None:
    found = explain_test(model, sides.test, at_most=7)
    np.testing.assert_allclose(
        found.prediction.risk, predict(model, sides.test.observed.head(7)).risk
    )
