"""Rank uniformity: right at the stated rate, and what is wrong is found and named."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crsrisk.uncertainty.rank_uniformity import RankTest, holm, rank_tests

DRAWS = 79


def ranked(
    *, n: int, quantities: int, shift: float = 0.0, sd: float = 1.0, seed: int = 1
) -> NDArray[np.intp]:
    """Ranks of standard normal truths among draws that are shifted and too narrow or too wide."""
    rng = np.random.default_rng(seed)
    truths = rng.standard_normal((n, quantities))
    draws = shift + sd * rng.standard_normal((DRAWS, n, quantities))
    return np.asarray((draws < truths).sum(axis=0), dtype=np.intp)


def only(ranks: NDArray[np.intp]) -> RankTest:
    """The test of a single quantity."""
    (test,) = rank_tests(ranks, n_draws=DRAWS, simulations=1999, seed=2)
    return test


@pytest.mark.parametrize("n", [30, 160])
def test_uniform_ranks_fail_at_the_stated_rate(n: int) -> None:
    """2000 quantities, a standard error of 0.005 at 5%; four of them: a false alarm in 16,000
    seeds.
    """
    tests = rank_tests(ranked(n=n, quantities=2000), n_draws=DRAWS, simulations=9999, seed=3)
    p = np.array([test.p for test in tests])
    for level in (0.05, 0.5):
        assert (p < level).mean() == pytest.approx(
            level, abs=4 * (level * (1 - level) / 2000) ** 0.5
        )


def test_uniform_ranks_lie_inside_intervals_as_often_as_these_say() -> None:
    """160 x 2000 truths: four standard errors are 0.0035 and 0.0015."""
    tests = rank_tests(ranked(n=160, quantities=2000), n_draws=DRAWS, simulations=99, seed=3)
    assert np.mean([test.inside_50 / test.n for test in tests]) == pytest.approx(0.5, abs=0.0035)
    assert np.mean([test.inside_95 / test.n for test in tests]) == pytest.approx(0.95, abs=0.0016)
    assert np.mean([test.mean for test in tests]) == pytest.approx(0.5, abs=0.002)


@pytest.mark.parametrize(
    ("shift", "sd", "departure"),
    [
        (0.0, 0.6, "posteriors too narrow"),
        (0.0, 1.7, "posteriors too wide"),
        (0.5, 1.0, "truths below their posteriors"),
        (-0.5, 1.0, "truths above their posteriors"),
    ],
)
def test_wrong_posteriors_fail_and_are_named(shift: float, sd: float, departure: str) -> None:
    test = only(ranked(n=160, quantities=1, shift=shift, sd=sd))
    assert test.p < 0.01
    assert test.departure == departure


def test_all_truths_at_one_end() -> None:
    test = only(np.zeros((50, 1), dtype=np.intp))
    assert (test.p, test.inside_50, test.inside_95) == (1 / 2000, 0, 0)


def test_the_same_seed_gives_the_same_p() -> None:
    ranks = ranked(n=40, quantities=3)
    first, again = (rank_tests(ranks, n_draws=DRAWS, simulations=499, seed=7) for _ in range(2))
    assert first == again


def test_holm_corrects_for_the_number_and_keeps_the_order() -> None:
    assert holm([0.5, 0.01, 0.02, 0.02]) == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
