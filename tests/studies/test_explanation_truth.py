"""The explanation experiment, made small: three numbers apart, markers without effect, levers as
they act.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.model.risk_model import RiskModel
from crsrisk.simulation.arm import Arm
from crsrisk.studies.explanation_games import lever_rows
from crsrisk.studies.explanation_truth import (
    EXPLAINER_BAR,
    ExplanationTruthResult,
    run_explanation_truth,
)
from tests.simulation.people import world_of

EXPERIMENT = """\
kind: explanation_truth
name: small
question: "Is it true?"
config: baseline
released: ""
scenario: reference
products: [psma_masked_engager]
seed: 3
training_patients: 1100
surrogate_patients: 8000
explained_patients: 20
orders: 12
checked_patients: 2
oracle_patients: 30
oracle_repetitions: 40
intervention_patients: 10
intervention_repetitions: 40
lever_patients: 200
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    (folder / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(place: Path) -> ExplanationTruthResult:
    return run_explanation_truth(place, workers=2, begin=lambda title, total: lambda n: None)


@pytest.mark.slow
def test_three_numbers_are_reported_apart(made: ExplanationTruthResult) -> None:
    row = made["psma_masked_engager"]
    assert row.explainer.largest < EXPLAINER_BAR
    assert row.explainer.path_dependent < EXPLAINER_BAR
    assert row.comparisons is not None
    for agreement in (
        row.comparisons.model_against_oracle,
        row.comparisons.oracle_against_intervention,
        row.comparisons.model_against_intervention,
    ):
        assert agreement.n_patients > 0
        assert agreement.rank_correlation.mc_error > 0
        assert agreement.rank_correlation.has_interval
    assert row.surrogate is not None
    assert row.surrogate.root_mean_squared.value > 0
    assert 0 <= row.surrogate.reliability <= 1
    assert len(repr(made)) < 2_000


@pytest.mark.slow
def test_a_marker_has_a_size_in_attributions_and_none_in_the_mechanism(
    made: ExplanationTruthResult,
) -> None:
    features = {row.feature: row for row in made["psma_masked_engager"].features}
    assert features["n_metastatic_sites"].kind == "marker"
    assert features["n_metastatic_sites"].size > 0
    assert features["n_metastatic_sites"].size_of_effect == 0


@pytest.mark.slow
def test_a_surrogate_that_is_not_trusted_keeps_its_product_out_of_the_whole(
    made: ExplanationTruthResult,
) -> None:
    row = made["psma_masked_engager"]
    assert row.surrogate is not None
    assert row.is_judged == (row.surrogate.reliability >= 0.95)
    assert made.overall.products_judged == (("psma_masked_engager",) if row.is_judged else ())


@pytest.mark.slow
def test_the_same_again_on_one_thread(place: Path, made: ExplanationTruthResult) -> None:
    first = (place / "results" / "summary.json").read_bytes()
    assert "not to be compared" in (place / "results" / "tables.md").read_text(encoding="utf-8")
    run_explanation_truth(place, workers=1, begin=lambda title, total: lambda n: None)
    assert (place / "results" / "summary.json").read_bytes() == first


def test_levers_act_as_the_mechanism_says(model: RiskModel, arms: dict[str, Arm]) -> None:
    """Tocilizumab before the first dose and half the dose lower the rate in the same patients (seed
    fixed).
    """
    rows = {
        (row.product, row.lever): row
        for row in lever_rows(model, list(arms.values()), world=world_of(), n=400, seed=1)
    }
    for product in arms:
        for lever in ("tocilizumab before dose 1", "half of every dose"):
            assert rows[product, lever].true_change.value < 0
    assert ("tarlatamab", "dexamethasone before dose 1") not in rows, "it is given already"
