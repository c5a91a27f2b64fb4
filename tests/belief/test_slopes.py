"""Slopes: exact where figures are quadratic, and corrected by what moves did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.belief.posterior import moved
from crsrisk.belief.slopes import agreed, corrected, slopes_at


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
    slopes, step, changed = rng.normal(size=(3, 2, 4)), 10.0 * rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    after = corrected(slopes, moved=step, changed=changed)
    said = np.einsum("ntd,nd->nt", after - slopes, step)
    length = np.square(step).sum(axis=1)[:, None]
    assert said == pytest.approx((changed - np.einsum("ntd,nd->nt", slopes, step)) * length / (length + 0.05))
    across = np.linalg.svd(step[:1])[2][1:]  # orthogonal to the first world's move
    assert after[0] @ across.T == pytest.approx(slopes[0] @ across.T)


def test_a_figure_that_is_missing_corrects_nothing() -> None:
    slopes = np.ones((1, 1, 2))
    assert corrected(slopes, moved=np.ones((1, 2)), changed=np.full((1, 1), np.nan)).tolist() == slopes.tolist()


def test_a_curved_figure_is_met_with_the_least_movement() -> None:
    """y = z + z^2 / 4 of one constant, seen as 3 with a small SD, from 0: z = 2, though the slopes given are of 0."""
    prior, wanted, sd = np.zeros((1, 1)), np.full((1, 1), 3.0), np.full((1, 1), 1e-3)
    slopes, scores, before = np.ones((1, 1, 1)), prior, prior
    for k in range(12):
        figure = scores + scores**2 / 4.0
        if k:
            slopes = corrected(slopes, moved=scores - before, changed=figure - (before + before**2 / 4.0))
        before, scores = scores, moved(scores, prior=prior, found=figure, slopes=slopes, wanted=wanted, sd=sd)
    assert scores[0, 0] == pytest.approx(2.0, abs=1e-2)


def test_slopes_of_chance_are_taken_out_and_real_ones_stay() -> None:
    """300 slopes, ten of them 1 and the rest 0, seen twice with SD 0.3, so that their mean has a standard error of 0.21.

    A slope of chance passes 2 standard errors in 4.6%; what then is left of it is small. The sum of squared errors comes
    down from 300 x 0.21^2 = 13.5 (SD 1.1) to below 5; over 200 other seeds it was 0.5 to 3.3.
    """
    rng = np.random.default_rng(11)
    truth = np.zeros((1, 300))
    truth[0, :10] = 1.0
    one, other = (truth + 0.3 * rng.normal(size=truth.shape) for _ in range(2))
    assert np.square((one + other) / 2.0 - truth).sum() > 9.0
    assert np.square(agreed(one, other) - truth).sum() < 5.0
    assert agreed(truth, truth).tolist() == truth.tolist()
