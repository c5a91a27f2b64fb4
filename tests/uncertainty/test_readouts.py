"""What users act on: read the same whatever the number of workers, and moved by what must move
it.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crsrisk.errors import InputError
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.simulation.published_trials import simulate_outcomes
from crsrisk.uncertainty.constants import factors_apart, uncertain_constants
from crsrisk.uncertainty.readouts import (
    FEATURES,
    PREDICTORS,
    ReadoutConfig,
    auroc,
    crossfitted_auroc,
    highest,
    linear_predictor,
    make_readout_config,
    predictors,
    read_world,
    read_worlds,
    ridge_coefficients,
    scale_of,
    selection_by_chance,
    standardised,
)
from tests.simulation.people import arm_of, product_of, world_of

PAIR = [product_of("tarlatamab"), product_of("afami_cel")]


@pytest.fixture(scope="module")
def config() -> ReadoutConfig:
    return make_readout_config(
        world_of(), PAIR, judged="tarlatamab", n_panel=100, n_reference=400, seed=1
    )


def test_rates_are_those_of_the_simulator(config: ReadoutConfig) -> None:
    readings = read_world(config, values={}, n=48, n_judged=64, seed=7)
    assert readings.shape == (len(config.readouts),)
    for k, (product, n) in enumerate(zip(PAIR, (64, 48), strict=True)):
        table = simulate_outcomes(product, world=world_of(), n=n, seed=7)
        assert readings[k] == table["crs_grade2plus"].mean()
    assert config.selected.sum() == 20


def test_the_selection_is_fixed_and_chance_alone_moves_it(config: ReadoutConfig) -> None:
    twin = make_readout_config(
        world_of(), PAIR, judged="tarlatamab", n_panel=100, n_reference=400, seed=1
    )
    assert (twin.selected == config.selected).all()
    same = selection_by_chance(config, n_judged=256, repeats=3, seed=50)
    assert 0.2 < same.value < 1.0
    assert same.mc_error > 0.0


def test_workers_change_nothing(config: ReadoutConfig) -> None:
    factors = factors_apart(uncertain_constants(world_of(), PAIR))
    places = np.random.default_rng(0).uniform(0.2, 0.8, (4, len(factors) + 1))
    places[1, :-1] = places[0, :-1]  # the same world with other patients
    one, two = (
        read_worlds(config, places, factors=factors, n=16, n_judged=48, seed=3, workers=workers)
        for workers in (1, 2)
    )
    assert one.tobytes() == two.tobytes()
    assert not np.array_equal(one[0], one[1])


def test_a_world_without_crs_tells_nothing(config: ReadoutConfig) -> None:
    readings = read_world(
        config, values={"assumption:engagement.t_gain": 1e-9}, n=16, n_judged=48, seed=3
    )
    assert readings.tolist() == [0.0, 0.0, 0.5, *([0.0] * len(FEATURES)), 0.2]


def test_the_judged_product_is_one_of_the_products() -> None:
    with pytest.raises(InputError, match="tebentafusp"):
        make_readout_config(
            world_of(), PAIR, judged="tebentafusp", n_panel=10, n_reference=10, seed=1
        )


# The small logistic regression against scikit-learn, and its edges.


Values = NDArray[np.float64]


def toy(n: int, *, seed: int) -> tuple[Values, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3))
    return x, rng.random(n) < expit(-1.0 + x @ np.array([1.0, -0.5, 0.0]))


@pytest.mark.parametrize("penalty", [0.5, 1.0, 10.0])
def test_same_coefficients_as_scikit_learn(penalty: float) -> None:
    x, y = toy(400, seed=1)
    other = LogisticRegression(C=1.0 / penalty, tol=1e-10, max_iter=1000).fit(x, y)
    readings = ridge_coefficients(x, y, penalty=penalty)
    np.testing.assert_allclose(readings[1:], other.coef_[0], atol=1e-5)
    assert readings[0] == pytest.approx(other.intercept_[0], abs=1e-5)


def test_separable_patients_do_not_run_away() -> None:
    x = np.linspace(-1.0, 1.0, 20)[:, None]
    readings = ridge_coefficients(x, x[:, 0] > 0.0)
    assert np.isfinite(readings).all()
    assert readings[1] > 1.0


@pytest.mark.parametrize("event", [True, False])
def test_without_both_outcomes_nothing_is_told(event: bool) -> None:
    x, _ = toy(40, seed=2)
    y = np.full(40, event)
    assert not ridge_coefficients(x, y).any()
    assert crossfitted_auroc(x, y) == 0.5
    assert auroc(x[:, 0], y) == 0.5


def test_auroc_is_that_of_scikit_learn_with_ties() -> None:
    x, y = toy(300, seed=3)
    scores = np.round(x[:, 0], 1)
    assert auroc(scores, y) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)


def test_crossfitting_takes_no_credit_for_noise() -> None:
    """Seventeen columns of noise, 200 patients: the fit to all flatters itself by 0.1 and more, the
    cross-fitted does not. The mean of 40 repetitions has a standard error of about 0.008; four of
    them are allowed (error rate 6e-5).
    """
    honest, flattered = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.standard_normal((200, 17)), rng.random(200) < 0.3
        honest.append(crossfitted_auroc(x, y))
        flattered.append(auroc(linear_predictor(ridge_coefficients(x, y), x), y))
    assert abs(np.mean(honest) - 0.5) < 4 * np.std(honest, ddof=1) / np.sqrt(40)
    assert np.mean(flattered) > 0.6


def test_top_takes_the_share_and_breaks_ties_by_order() -> None:
    assert highest(np.array([3.0, 1.0, 3.0, 3.0, 0.0]), share=0.4).tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_predictors_of_the_observed_table() -> None:
    arm = arm_of("tarlatamab")
    patients = sample(arm.population, assumptions=world_of().assumptions, seed=3, start=0, stop=300)
    values = predictors(observe(patients, arm=arm, world=world_of(), seed=3))
    assert values.shape == (300, len(PREDICTORS))
    x = standardised(values, scale=scale_of(values))
    assert np.isfinite(x).all()
    np.testing.assert_allclose(np.nanmean((values - scale_of(values).mean), axis=0), 0.0, atol=1e-9)
    assert (x[np.isnan(values)] == 0.0).all()
    assert np.isnan(values).any()
