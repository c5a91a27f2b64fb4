"""Invented figures: as many and as spread as the model says, whoever makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom, norm

from crsrisk.uncertainty.emulator import Emulator
from crsrisk.uncertainty.hierarchy import Model, SpreadPrior
from crsrisk.uncertainty.invented_figures import (
    Truths,
    draw_truths,
    from_emulators,
    from_simulation,
)
from crsrisk.uncertainty.members import MemberFigures
from crsrisk.uncertainty.truth_ranks import log_likelihood, most_told
from tests.uncertainty.test_hierarchy import figure, spreads

LEVEL, SD, N = -1.0, 0.5, 60
WORLDS = 20_000


def one_count(*, n: int = N) -> Model:
    """A rate of logit -1 in the median world, trials around it by 0.5."""
    emulator = Emulator.linear_in(np.array([0.0]), intercept=LEVEL)
    return Model((figure(emulator, [0], count=(0, n)),), np.array([-1]), spreads(SD))


def one_time() -> Model:
    """A median time of 2 on the log scale, trials around it by 0.5, chance 0.2."""
    emulator = Emulator.linear_in(np.array([0.0]), intercept=2.0)
    return Model((figure(emulator, [0]),), np.array([-1]), spreads(SD))


def same_worlds(n: int = WORLDS) -> Truths:
    """Median worlds."""
    return Truths(np.zeros((n, 1)), np.full((n, 1), np.log(SD)))


def mean_and_variance(*, n: int = N) -> tuple[float, float]:
    """Of a count whose logit is normal, by quadrature."""
    steps = np.linspace(-8.0, 8.0, 2001)
    weights = norm.pdf(steps) / norm.pdf(steps).sum()
    rates = expit(LEVEL + SD * steps)
    mean = weights @ (n * rates)
    return float(mean), float(weights @ (n * rates * (1 - rates) + (n * rates - mean) ** 2))


def test_truths_are_draws_of_the_priors() -> None:
    """20,000 worlds: four standard errors of an SD of 1 are 0.02."""
    prior = SpreadPrior(("a", "b"), np.log([0.3, 0.7]), np.diag([0.2, 0.4]) ** 2)
    model = replace(one_count(), spread_of=np.array([-1, 1]), spreads=prior)
    truths = draw_truths(model, WORLDS, seed=1)
    assert len(truths.first(7)) == 7
    assert truths.log_sds.std(axis=0) == pytest.approx([0.2, 0.4], rel=0.02)
    assert truths.scores[:, 0].std() == pytest.approx(1.0, abs=0.02)
    own = truths.scores[:, 1] / np.exp(truths.log_sds[:, 1])
    assert own.std() == pytest.approx(1.0, abs=0.02)


def test_counts_by_emulators_are_logistic_normal_binomial() -> None:
    mean, variance = mean_and_variance()
    made = from_emulators(one_count(), same_worlds(), seed=1).observed[:, 0]
    assert made.mean() == pytest.approx(mean, abs=4 * (variance / WORLDS) ** 0.5)
    assert made.var() == pytest.approx(variance, rel=0.06)


def test_errors_of_emulators_widen_what_they_print() -> None:
    model = replace(one_time(), errors=np.array([[0.3**2]]))
    made = from_emulators(model, same_worlds(), seed=1).observed[:, 0]
    assert made.mean() == pytest.approx(2.0, abs=0.02)
    assert made.var() == pytest.approx(SD**2 + 0.3**2 + 0.2**2, rel=0.05)


def simulated_counts(sizes: int) -> MemberFigures:
    """So many patients in each median world."""
    counts = np.random.default_rng(2).binomial(sizes, expit(LEVEL), WORLDS).astype(np.float64)
    none = np.zeros(WORLDS)
    return MemberFigures(none, none, counts, np.full(WORLDS, float(sizes)))


@pytest.mark.parametrize("sizes", [400, 1000])
def test_counts_of_simulated_patients_are_logistic_normal_binomial(sizes: int) -> None:
    mean, variance = mean_and_variance()
    made = from_simulation(one_count(), same_worlds(), [simulated_counts(sizes)], seed=1)
    assert made.is_simulated.all()
    assert made.observed.mean() == pytest.approx(mean, abs=4 * (variance / WORLDS) ** 0.5)
    assert made.observed.var() == pytest.approx(variance, rel=0.06)


def test_where_simulated_patients_do_not_suffice_chance_counts_again() -> None:
    """30 patients for a trial of 60: the spread is larger than it should be, by less than half."""
    mean, variance = mean_and_variance()
    made = from_simulation(one_count(), same_worlds(), [simulated_counts(30)], seed=1).observed
    assert made.mean() == pytest.approx(mean, abs=0.5)
    assert variance < made.var() < 1.5 * variance


def test_times_are_as_spread_as_the_model_says_and_stand_in_where_there_is_none() -> None:
    noise = 0.2**2
    values = 2.0 + noise**0.5 * np.random.default_rng(3).standard_normal(WORLDS)
    values[::2] = np.nan
    members = MemberFigures(values, np.full(WORLDS, noise))
    made = from_simulation(one_time(), same_worlds(), [members], seed=1)
    assert made.is_simulated.mean() == 0.5
    for part in (made.observed[::2], made.observed[1::2]):
        assert part.mean() == pytest.approx(2.0, abs=0.025)
        assert part.var() == pytest.approx(SD**2 + 0.2**2, rel=0.06)


def test_invented_figures_replace_what_was_published_and_nothing_else() -> None:
    model = Model(one_count().figures + one_time().figures, np.array([-1]), one_count().spreads)
    made = from_emulators(model, same_worlds(3), seed=1)
    count, time = made.model(model, 2).figures
    assert (count.events, count.n) == (made.observed[2, 0], N)
    assert time.log_time == made.observed[2, 1]


def test_log_likelihood_against_brute_force() -> None:
    """Of a count, up to its binomial coefficient, and of a time."""
    model = Model(
        (
            replace(one_count().figures[0], events=9.0),
            replace(one_time().figures[0], log_time=2.4),
        ),
        np.array([-1]),
        one_count().spreads,
    )
    steps = np.linspace(-8.0, 8.0, 4001)
    weights = norm.pdf(steps) / norm.pdf(steps).sum()
    for sd in (0.2, 0.8):
        count = np.log(weights @ binom.pmf(9, N, expit(LEVEL + sd * steps)) / _choose(9))
        time = norm.logpdf(2.4, 2.0, np.hypot(sd, 0.2))
        found = log_likelihood(model, np.zeros((1, 1)), np.log([[sd]]))
        assert found == pytest.approx([count + time], abs=1e-5)


def _choose(events: int) -> float:
    """Ways to have so many events."""
    return float(binom.pmf(events, N, 0.5) * 2.0**N)


def test_scores_that_figures_hang_on_most_come_first() -> None:
    emulators = [Emulator.linear_in(np.array(slopes)) for slopes in ([1.0, 0.0, -2.0], [1.5, 0, 0])]
    model = Model(
        tuple(figure(emulator, [0, 1, 2]) for emulator in emulators), -np.ones(3, int), spreads(SD)
    )
    assert most_told(model, range(3), 2) == [2, 0]
    assert most_told(model, [0, 1], 5) == [0, 1]
