"""Forecast: shrinking sampling noise away, and forecasts over a small ensemble."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.belief.constants import product_constants
from crsrisk.belief.design import Target
from crsrisk.belief.forecast import forecast, member_values, steadied
from crsrisk.domain.ensemble import Ensemble
from crsrisk.errors import InputError
from crsrisk.read.published import load_trials
from tests.simulate.people import product_of, world_of

_TARGETS = [Target(figure, trial) for trial in load_trials() if trial.name == "tarlatamab_label_2025"
            for figure in trial.rows if figure.id in ("E030", "E035", "E046")]


def _ensemble(gains: list[float]) -> Ensemble:
    return Ensemble(("assumption:engagement.t_gain",), np.array(gains)[:, None], np.full(len(gains), 1 / len(gains)), "x")


def test_what_is_left_after_steadying_is_the_true_spread() -> None:
    """Truth SD 0.5 seen with noise SD 0.5, 20,000 members: the spread comes back within 3% (5 standard errors)."""
    rng = np.random.default_rng(3)
    true = rng.normal(1.0, 0.5, 20_000)
    weights = np.full(len(true), 1 / len(true))
    found = steadied(true + rng.normal(0.0, 0.5, len(true)), np.full(len(true), 0.25), weights)
    assert found.std() == pytest.approx(0.5, rel=0.03)
    assert found.mean() == pytest.approx(1.0, abs=0.03)


def test_noise_alone_leaves_nothing() -> None:
    values = np.random.default_rng(3).normal(0.0, 0.1, 50)
    found = steadied(values, np.full(50, 0.09), np.full(50, 0.02))
    assert found == pytest.approx(np.full(50, values.mean()))


def test_constants_the_ensemble_does_not_hold_come_from_their_priors() -> None:
    product = product_of("tarlatamab")
    values = member_values(_ensemble([1.0, 2.0]), world=world_of(), products=[product])
    first, second = values(0), values(1)
    assert (first["assumption:engagement.t_gain"], second["assumption:engagement.t_gain"]) == (1.0, 2.0)
    own = [one.key for one in product_constants(product)]
    assert all(first[key] != second[key] for key in own)


@pytest.fixture(scope="module")
def made():  # type: ignore[no-untyped-def]
    choices = {"ensemble": _ensemble([1.0, 1.4, 1.8, 2.2]), "world": world_of(), "products": [product_of("tarlatamab")],
               "n": 192, "n_rare": 192, "seed": 4}
    return (forecast(_TARGETS, **choices), forecast(_TARGETS, **choices, workers=2),
            forecast(_TARGETS, **choices, at_trial_size=False))


def test_intervals_hold_each_other(made) -> None:  # type: ignore[no-untyped-def]
    for with_chance, without in zip(made[0], made[2], strict=True):
        assert with_chance.low <= without.assumptions_low + 1e-9
        assert with_chance.high >= without.assumptions_high - 1e-9
        assert with_chance.value == without.value
        assert with_chance.mc_error > 0


def test_workers_change_nothing(made) -> None:  # type: ignore[no-untyped-def]
    assert made[0] == made[1]


def test_an_ensemble_must_be_whole() -> None:
    with pytest.raises(InputError, match="one row a member"):
        Ensemble(("a", "b"), np.zeros((3, 1)), np.ones(3), "x")
