"""Posterior: draws of a linear problem are those of the conjugate posterior; data stand on the link scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crsrisk.belief.design import Target
from crsrisk.belief.observations import observations
from crsrisk.belief.posterior import FARTHEST, moved, normal_data
from crsrisk.read.published import load_trials
from tests.simulate.people import world_of

Values = NDArray[np.float64]
_BY_ID = {figure.id: Target(figure, trial) for trial in load_trials(role="calibration") for figure in trial.rows}


def _linear(slopes: Values, scores: Values) -> tuple[Values, Values]:
    return scores @ slopes.T, np.broadcast_to(slopes, (len(scores), *slopes.shape))


def test_linear_draws_are_draws_of_the_conjugate_posterior() -> None:
    """Mean and covariance of 20,000 draws against the closed form of Gaussian regression (Rasmussen and Williams 2006, 2.8).

    40 constants, 3 figures. Standard errors of means are at most 0.0071 and of covariances 0.01: five of them are allowed,
    over 840 comparisons a false alarm in about 1,000 seeds.
    """
    rng = np.random.default_rng(5)
    slopes, sd, seen = rng.normal(size=(3, 40)) / 4.0, np.array([0.3, 0.6, 1.0]), np.array([1.0, -0.5, 0.2])
    precision = np.eye(40) + slopes.T @ (slopes / sd[:, None] ** 2)
    covariance = np.linalg.inv(precision)
    mean = covariance @ slopes.T @ (seen / sd**2)

    n = 20_000
    prior = rng.standard_normal((n, 40))
    wanted = seen + sd * rng.standard_normal((n, 3))
    draws = prior
    for _ in range(4):  # one move would arrive, were it not for those that no single move may take so far
        found, all_slopes = _linear(slopes, draws)
        draws = moved(draws, prior=prior, found=found, slopes=all_slopes, wanted=wanted, sd=np.tile(sd, (n, 1)))
    assert np.abs(draws.mean(axis=0) - mean).max() < 5 * 0.0071
    assert np.abs(np.cov(draws.T) - covariance).max() < 5 * 0.01


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_one_move_arrives_when_figures_are_linear(seed: int) -> None:
    """Afterwards no other world is nearer to draw and figures: the gradient of the sum of squares is 0."""
    rng = np.random.default_rng(seed)
    slopes, sd = rng.normal(size=(2, 6)) / 3.0, np.full((4, 2), 0.7)
    prior, wanted = 0.3 * rng.standard_normal((4, 6)), 0.3 * rng.standard_normal((4, 2))
    start = prior + 0.1 * rng.standard_normal((4, 6))
    found, all_slopes = _linear(slopes, start)
    there = moved(start, prior=prior, found=found, slopes=all_slopes, wanted=wanted, sd=sd)
    gradient = (there - prior) - ((wanted - there @ slopes.T) / sd**2) @ slopes
    assert np.abs(gradient).max() < 1e-8


def test_no_move_is_longer_than_the_farthest() -> None:
    here = np.zeros((1, 3))
    there = moved(here, prior=here, found=here[:, :1], slopes=np.full((1, 1, 3), 1e-2), wanted=np.full((1, 1), 50.0),
                  sd=np.full((1, 1), 1e-3))
    assert np.linalg.norm(there) == pytest.approx(FARTHEST)


def test_data_are_on_the_scale_of_the_simulated_figures() -> None:
    """E030: 268 of 473, logit 0.268, variance 1/(473 x 0.567 x 0.433 + 0.5) + 0.35^2 / trials pooled; E010: 0 of 37."""
    center, sd = normal_data(observations([_BY_ID["E030"], _BY_ID["E010"], _BY_ID["E173"]], world=world_of()))
    assert center == pytest.approx([np.log(268.5 / 205.5), np.log(0.5 / 37.5), np.log(2.0)])
    between = world_of().assumptions.value("evidence.between_trial_rate_sd") / np.sqrt(_BY_ID["E030"].trial.n_trials)
    assert sd[0] == pytest.approx(np.sqrt(1.0 / (473 * 0.5664 * 0.4336 + 0.5) + between**2), rel=1e-3)
