"""What free trees gain over an additive model: known answers, errors, and a small run."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from crsrisk.data.world_files import load_product
from crsrisk.evaluation.benchmark import Truth, expected_log_loss
from crsrisk.model.comparators import ProductRate
from crsrisk.model.features import load_config
from crsrisk.studies.beyond_additive import (
    ADDITIVE,
    BeyondAdditive,
    Worlds,
    beyond_additive,
    gains_of,
)
from crsrisk.studies.learning_curves import LearningCurves

TRUTH = Truth("what was observed", np.tile([20, 80], 20), np.full(40, 100))


def losses_of(risk: float | list[float]) -> np.ndarray:
    """Expected losses of predictions for the two kinds of patients, or one for all."""
    told = np.tile(risk, 20) if isinstance(risk, list) else np.full(40, risk)
    return expected_log_loss(told, TRUTH)


def test_trees_that_know_the_truth_gain_what_the_additive_model_lacks() -> None:
    """Known answer: the additive model knows the rate alone, the trees the true risk; entropy of
    1/5 in nats, with its correction of 1 / 200.
    """
    half, known = losses_of(0.5), losses_of([0.2, 0.8])
    losses = {ProductRate.name: [half] * 2, ADDITIVE: [half] * 2, "trees": [known] * 2}
    (gain,) = gains_of("reference", losses, TRUTH, n_training=500)
    entropy = -0.2 * np.log(0.2) - 0.8 * np.log(0.8)
    assert gain.gain_nats.value == pytest.approx(np.log(2.0) - entropy)
    assert gain.oracle_gain_nats == pytest.approx(np.log(2.0) - entropy - 1 / 200)
    assert gain.gain_share.value == pytest.approx(gain.gain_nats.value / gain.oracle_gain_nats)
    assert gain.additive_share.value == 0.0
    assert gain.event_rate == pytest.approx(0.5)
    assert (gain.gain_nats.mc_error, gain.gain_nats_test_error) == pytest.approx((0.0, 0.0))
    assert (gain.n_training, gain.n_cohorts, gain.n_test) == (500, 2, 40)


def test_trees_may_lose_and_cohorts_have_an_error() -> None:
    """Known answer: differences of two cohorts a and b have the mean (a + b) / 2 and the standard
    error |a - b| / 2.
    """
    good, fair, bad = (losses_of(risk) for risk in ([0.2, 0.8], [0.3, 0.7], [0.45, 0.55]))
    losses = {
        ProductRate.name: [losses_of(0.5)] * 2,
        ADDITIVE: [good, good],
        "trees": [fair, bad],
    }
    (gain,) = gains_of("reference", losses, TRUTH, n_training=500)
    a, b = (float((good - worse).mean()) for worse in (fair, bad))
    assert gain.gain_nats.value == pytest.approx((a + b) / 2)
    assert gain.gain_nats.value < 0
    assert gain.gain_nats.mc_error == pytest.approx(abs(a - b) / 2)
    assert gain.gain_nats.low < gain.gain_nats.value < gain.gain_nats.high
    told = BeyondAdditive((gain,))
    assert f"{gain.gain_nats.value:+.5f}" in told.summary()
    assert told.to_frame().loc[0, "gain_share"] == pytest.approx(gain.gain_share.value)


def test_an_experiment_without_worlds_asks_for_none() -> None:
    assert LearningCurves.model_fields["worlds"].default is None


@pytest.mark.slow
def test_a_small_run_is_the_same_whatever_the_workers() -> None:
    worlds = Worlds(
        scenarios=["synergy_strong"],
        patients=400,
        cohorts=2,
        test_patients=100,
        truth_repetitions=20,
    )

    def run(workers: int) -> BeyondAdditive:
        with threadpool_limits(1):
            return beyond_additive(
                worlds,
                products=[load_product("tarlatamab"), load_product("gpc3_car_t")],
                config=load_config("baseline"),
                seed=1,
                training_seed=100,
                workers=workers,
                begin=lambda title, total: lambda n: None,
            )

    found = run(1)
    assert [gain.learner for gain in found.gains] == ["boosting", "LightGBM"]
    assert found == run(2)
