"""Posterior: draws of a linear problem are those of the conjugate posterior; data stand on the link
scale.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crsrisk.data.evidence_files import load_trials
from crsrisk.data.world import load_world
from crsrisk.uncertainty.constants import Constant, shared_constants
from crsrisk.uncertainty.observations import Target, observations
from crsrisk.uncertainty.posterior import (
    FARTHEST,
    agreeing_slopes,
    broyden_update,
    constant_updates,
    gauss_newton_move,
    normal_data,
    scores_of,
    slopes_at,
    verdict,
)
from tests.simulation.people import world_of

Values = NDArray[np.float64]
_BY_ID = {
    figure.id: Target(figure, trial)
    for trial in load_trials(role="calibration")
    for figure in trial.rows
}


def _linear(slopes: Values, scores: Values) -> tuple[Values, Values]:
    return scores @ slopes.T, np.broadcast_to(slopes, (len(scores), *slopes.shape))


def test_linear_draws_are_draws_of_the_conjugate_posterior() -> None:
    """Mean and covariance of 20,000 draws against the closed form of Gaussian regression (Rasmussen
    and Williams 2006, 2.8).

    40 constants, 3 figures. Standard errors of means are at most 0.0071 and of covariances 0.01:
    five of them are allowed, over 840 comparisons a false alarm in about 1,000 seeds.
    """
    rng = np.random.default_rng(5)
    slopes, sd, seen = (
        rng.normal(size=(3, 40)) / 4.0,
        np.array([0.3, 0.6, 1.0]),
        np.array([1.0, -0.5, 0.2]),
    )
    precision = np.eye(40) + slopes.T @ (slopes / sd[:, None] ** 2)
    covariance = np.linalg.inv(precision)
    mean = covariance @ slopes.T @ (seen / sd**2)

    n = 20_000
    prior = rng.standard_normal((n, 40))
    wanted = seen + sd * rng.standard_normal((n, 3))
    draws = prior
    # one move would arrive, were it not for those that no single move may take so far
    for _ in range(4):
        found, all_slopes = _linear(slopes, draws)
        draws = gauss_newton_move(
            draws,
            prior=prior,
            simulated=found,
            slopes=all_slopes,
            wanted=wanted,
            sd=np.tile(sd, (n, 1)),
        )
    assert np.abs(draws.mean(axis=0) - mean).max() < 5 * 0.0071
    assert np.abs(np.cov(draws.T) - covariance).max() < 5 * 0.01


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_one_move_arrives_when_figures_are_linear(seed: int) -> None:
    """Afterwards no other world is nearer to draw and figures: the gradient of the sum of squares
    is 0.
    """
    rng = np.random.default_rng(seed)
    slopes, sd = rng.normal(size=(2, 6)) / 3.0, np.full((4, 2), 0.7)
    prior, wanted = 0.3 * rng.standard_normal((4, 6)), 0.3 * rng.standard_normal((4, 2))
    start = prior + 0.1 * rng.standard_normal((4, 6))
    found, all_slopes = _linear(slopes, start)
    there = gauss_newton_move(
        start, prior=prior, simulated=found, slopes=all_slopes, wanted=wanted, sd=sd
    )
    gradient = (there - prior) - ((wanted - there @ slopes.T) / sd**2) @ slopes
    assert np.abs(gradient).max() < 1e-8


def test_no_move_is_longer_than_the_farthest() -> None:
    here = np.zeros((1, 3))
    there = gauss_newton_move(
        here,
        prior=here,
        simulated=here[:, :1],
        slopes=np.full((1, 1, 3), 1e-2),
        wanted=np.full((1, 1), 50.0),
        sd=np.full((1, 1), 1e-3),
    )
    assert np.linalg.norm(there) == pytest.approx(FARTHEST)


def test_data_are_on_the_scale_of_the_simulated_figures() -> None:
    """E030: 268 of 473, logit 0.268, variance 1/(473 x 0.567 x 0.433 + 0.5) + 0.35^2 / trials
    pooled; E010: 0 of 37.
    """
    center, sd = normal_data(
        observations([_BY_ID["E030"], _BY_ID["E010"], _BY_ID["E173"]], world=world_of())
    )
    assert center == pytest.approx([np.log(268.5 / 205.5), np.log(0.5 / 37.5), np.log(2.0)])
    between = world_of().assumptions.value("evidence.between_trial_rate_sd") / np.sqrt(
        _BY_ID["E030"].trial.n_trials
    )
    assert sd[0] == pytest.approx(
        np.sqrt(1.0 / (473 * 0.5664 * 0.4336 + 0.5) + between**2), rel=1e-3
    )


# Slopes: exact where figures are quadratic, and broyden_update by what moves did.


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_central_differences_are_exact_for_quadratic_figures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linear, square, place = rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.normal(size=5)
    found = slopes_at(place, figures=lambda z: z @ linear + z**2 @ square)
    assert found == pytest.approx((linear + 2.0 * place[:, None] * square).T)


def test_a_figure_that_is_not_to_be_had_has_no_slope() -> None:
    assert slopes_at(np.zeros(1), figures=lambda z: np.where(z > 0, np.nan, z)).tolist() == [[0.0]]


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_a_correction_explains_the_move_and_leaves_other_directions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slopes, step, changed = (
        rng.normal(size=(3, 2, 4)),
        10.0 * rng.normal(size=(3, 4)),
        rng.normal(size=(3, 2)),
    )
    after = broyden_update(slopes, moved=step, changed=changed)
    said = np.einsum("ntd,nd->nt", after - slopes, step)
    length = np.square(step).sum(axis=1)[:, None]
    assert said == pytest.approx(
        (changed - np.einsum("ntd,nd->nt", slopes, step)) * length / (length + 0.05)
    )
    across = np.linalg.svd(step[:1])[2][1:]  # orthogonal to the first world's move
    assert after[0] @ across.T == pytest.approx(slopes[0] @ across.T)


def test_a_figure_that_is_missing_corrects_nothing() -> None:
    slopes = np.ones((1, 1, 2))
    assert (
        broyden_update(slopes, moved=np.ones((1, 2)), changed=np.full((1, 1), np.nan)).tolist()
        == slopes.tolist()
    )


def test_a_curved_figure_is_met_with_the_least_movement() -> None:
    """y = z + z^2 / 4 of one constant, seen as 3 with a small SD, from 0: z = 2, though the slopes
    given are of 0.
    """
    prior, wanted, sd = np.zeros((1, 1)), np.full((1, 1), 3.0), np.full((1, 1), 1e-3)
    slopes, scores, before = np.ones((1, 1, 1)), prior, prior
    for k in range(12):
        figure = scores + scores**2 / 4.0
        if k:
            slopes = broyden_update(
                slopes, moved=scores - before, changed=figure - (before + before**2 / 4.0)
            )
        before, scores = (
            scores,
            gauss_newton_move(
                scores, prior=prior, simulated=figure, slopes=slopes, wanted=wanted, sd=sd
            ),
        )
    assert scores[0, 0] == pytest.approx(2.0, abs=1e-2)


def test_slopes_of_chance_are_taken_out_and_real_ones_stay() -> None:
    """300 slopes, ten of them 1 and the rest 0, seen twice with SD 0.3, so that their mean has a
    standard error of 0.21.

    A slope of chance passes 2 standard errors in 4.6%; what then is left of it is small. The sum of
    squared errors comes down from 300 x 0.21^2 = 13.5 (SD 1.1) to below 5; over 200 other seeds it
    was 0.5 to 3.3.
    """
    rng = np.random.default_rng(11)
    truth = np.zeros((1, 300))
    truth[0, :10] = 1.0
    one, other = (truth + 0.3 * rng.normal(size=truth.shape) for _ in range(2))
    assert np.square((one + other) / 2.0 - truth).sum() > 9.0
    assert np.square(agreeing_slopes(one, other) - truth).sum() < 5.0
    assert agreeing_slopes(truth, truth).tolist() == truth.tolist()


# What the evidence constrains: scores come back from values, and a prior is found to be a prior.


@given(score=st.floats(-3.0, 3.0), median=st.floats(0.5, 3.0), spread=st.floats(0.2, 1.0))
def test_a_score_comes_back_from_its_value(score: float, median: float, spread: float) -> None:
    for low in (0.1, -2.0):  # a range above 0 is logarithmic
        one = Constant("a", median, spread, low, 40.0)
        found = scores_of(one, one.at(np.array([score])))[0]
        assert found == pytest.approx(score, abs=0.01)


@pytest.mark.parametrize(("median", "side"), [(0.0, "low"), (1.0, "high")])
def test_a_switch_at_an_end_of_its_range_keeps_mean_and_sd(median: float, side: str) -> None:
    one = Constant("a", median, 0.4, 0.0, 1.0)
    values = one.at(np.random.default_rng(3).standard_normal(4000))
    assert (values == median).mean() == pytest.approx(0.5, abs=0.03), side
    found = scores_of(one, values)
    assert found.mean() == pytest.approx(0.0, abs=0.05)
    assert found.std() == pytest.approx(1.0, abs=0.04)


def test_a_value_rounded_to_an_end_of_its_range_is_no_outlier() -> None:
    one = Constant("a", 13.0, 0.2, 8.0, 18.0)
    assert scores_of(one, np.array([18.0, 8.0])).tolist() == [4.0, -4.0]


def test_draws_of_the_priors_are_not_called_constrained() -> None:
    constants = shared_constants(load_world())
    draws = np.random.default_rng(11).standard_normal((256, len(constants)))
    scores = np.column_stack(
        [scores_of(one, one.at(draws[:, k])) for k, one in enumerate(constants)]
    )
    updates = constant_updates(constants, scores, np.full(256, 1 / 256), np.zeros(len(constants)))
    assert {update.verdict for update in updates} == {"prior"}
    for update in updates:
        assert update.verdict == verdict(shift=update.shift_prior_sd, left=update.left_of_prior_sd)
