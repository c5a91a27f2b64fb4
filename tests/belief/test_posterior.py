"""Posterior: against Gaussians, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.belief.posterior import elliptical_slice, importance, most_probable


def _gaussian(seen: float, sd: float):  # type: ignore[no-untyped-def]
    return lambda z: -0.5 * ((z[:, 0] - seen) / sd) ** 2


@pytest.mark.parametrize(("seen", "sd"), [(2.0, 1.0), (-1.0, 0.3)])
def test_conjugate_normal(seen: float, sd: float) -> None:
    """Prior N(0, 1), one observation: mean seen / (1 + sd^2), variance sd^2 / (1 + sd^2); one dimension of 40 is seen.

    4,000 independent chains: the bounds below are 5 standard errors, missed by chance less than once in 10^5 runs.
    """
    draws = elliptical_slice(_gaussian(seen, sd), n_dimensions=40, n_chains=4000, n_steps=60, seed=2)
    mean, variance = seen / (1 + sd**2), sd**2 / (1 + sd**2)
    assert draws[:, 0].mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / 4000))
    assert draws[:, 0].var() == pytest.approx(variance, rel=5 * np.sqrt(2 / 4000))
    assert np.abs(draws[:, 1:].mean(axis=0)).max() < 5 / np.sqrt(4000)
    assert draws[:, 1:].var() == pytest.approx(1.0, rel=5 * np.sqrt(2 / (39 * 4000)))


def test_the_same_seed_gives_the_same_draws() -> None:
    one, two = (elliptical_slice(_gaussian(1.0, 1.0), n_dimensions=3, n_chains=5, n_steps=5, seed=9) for _ in range(2))
    assert (one == two).all()


def test_the_most_probable_world_of_a_gaussian_is_its_mean() -> None:
    found = most_probable(_gaussian(2.0, 0.5), start=np.zeros(6))
    assert found[0] == pytest.approx(2.0 / 1.25, abs=1e-3)
    assert np.abs(found[1:]).max() < 1e-3


def test_importance_weights_correct_a_wrong_proposal() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(0.0, 1.0, 20_000)
    weights = importance(-0.5 * (z - 0.5) ** 2, -0.5 * z**2, most=1.0)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ z == pytest.approx(0.5, abs=0.06)  # 5 standard errors with an effective size near 15,000


def test_no_member_weighs_more_than_the_cap() -> None:
    weights = importance(np.array([50.0, *np.zeros(199)]), np.zeros(200), most=0.02)
    assert weights.max() <= 0.0201
    assert weights.sum() == pytest.approx(1.0)
