"""Errors of emulators: what was put into simulated worlds comes back, and what is known of a world
is the exact conditional of it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import binom, norm

from crsrisk.uncertainty.emulator_errors import EmulatorErrors
from crsrisk.uncertainty.members import MemberFigures

Values = NDArray[np.float64]
WORLDS, PATIENTS = 256, 192
REPEATS = 24  # figures of one kind in one estimate: as many data sets


def counted(rng: np.random.Generator, logits: Values, n: int = PATIENTS) -> MemberFigures:
    """Counts of ``n`` patients a world whose chance has these logits."""
    counts = rng.binomial(n, expit(logits)).astype(np.float64)
    values = logit((counts + 0.5) / (n + 1.0))
    noise = 1.0 / (counts + 0.5) + 1.0 / (n - counts + 0.5)
    return MemberFigures(values, noise, counts, np.full(len(logits), float(n)))


def timed(rng: np.random.Generator, logs: Values, noise: float) -> MemberFigures:
    """Times whose logarithms are seen with a variance of ``noise``."""
    seen = logs + np.sqrt(noise) * rng.standard_normal(len(logs))
    return MemberFigures(seen, np.full(len(logs), noise))


def sds(found: EmulatorErrors) -> Values:
    """SDs of the errors around their means."""
    return np.asarray(np.sqrt(np.diagonal(found.covariance)))


# Mean and SD.


@pytest.mark.parametrize(("mean", "sd"), [(0.5, 0.4), (-0.8, 0.2), (0.0, 0.6)])
def test_mean_and_sd_come_back_from_counts(mean: float, sd: float) -> None:
    """24 data sets of 256 worlds at 1 in 4: averages over them within five standard errors (two
    comparisons, a false alarm in 900,000 seeds) and 0.01 for what the prior of the SD pulls.
    """
    rng = np.random.default_rng(1)
    emulated = rng.normal(-1.1, 0.5, (WORLDS, REPEATS))
    true = emulated + mean + sd * rng.standard_normal(emulated.shape)
    simulated = [counted(rng, column) for column in true.T]
    found = EmulatorErrors.estimated(simulated, emulated, together=[""] * REPEATS)
    variance = sd**2 + 1.0 / (PATIENTS * 0.18)  # of what is seen in one world
    of_mean = np.sqrt(variance / (WORLDS * REPEATS))
    of_sd = variance / sd / np.sqrt(2.0 * WORLDS * REPEATS)
    assert found.mean.mean() == pytest.approx(mean, abs=5 * of_mean + 0.01)
    assert sds(found).mean() == pytest.approx(sd, abs=5 * of_sd + 0.01)


def test_rates_of_nearly_no_events_are_met_as_counts() -> None:
    """3 events in 1,000 patients, 192 a world, emulated half a logit too high: the mean error comes
    back within five standard errors of an average over 24 data sets (150 events each: 0.017 of a
    logit; a false alarm in a million) and 0.02. Logits of the counts would miss it by 0.3 or more.
    """
    rng = np.random.default_rng(2)
    emulated = logit(0.003) + 0.5 + rng.normal(0.0, 0.3, (WORLDS, REPEATS))
    true = emulated - 0.5 + 0.3 * rng.standard_normal(emulated.shape)
    simulated = [counted(rng, column) for column in true.T]
    found = EmulatorErrors.estimated(simulated, emulated, together=[""] * REPEATS)
    assert found.mean.mean() == pytest.approx(-0.5, abs=5 * 0.017 + 0.02)
    assert sds(found).mean() == pytest.approx(0.3, abs=0.1)
    by_logits = np.mean(
        [each.values - column for each, column in zip(simulated, emulated.T, strict=True)]
    )
    assert by_logits > -0.2


def test_mean_and_sd_come_back_from_times() -> None:
    """24 data sets of times seen with an SD of 0.2, a third of them in no world: averages within
    five standard errors (a false alarm in 900,000 seeds) and 0.005.
    """
    rng = np.random.default_rng(3)
    mean, sd, noise = -0.3, 0.15, 0.04
    emulated = rng.normal(3.0, 0.5, (WORLDS, REPEATS))
    true = emulated + mean + sd * rng.standard_normal(emulated.shape)
    simulated = []
    for column in true.T:
        seen = timed(rng, column, noise)
        values = np.where(rng.random(WORLDS) < 1.0 / 3.0, np.nan, seen.values)
        simulated.append(MemberFigures(values, seen.noise))
    found = EmulatorErrors.estimated(simulated, emulated, together=[""] * REPEATS)
    n, variance = WORLDS * REPEATS * 2.0 / 3.0, sd**2 + noise
    assert found.mean.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / n) + 0.005)
    assert sds(found).mean() == pytest.approx(sd, abs=5 * variance / sd / np.sqrt(2 * n) + 0.005)


def test_a_figure_that_no_world_gave_keeps_its_prior() -> None:
    """No mean error, and an SD of 0.3, beside one that was simulated."""
    rng = np.random.default_rng(4)
    emulated = rng.normal(0.0, 0.5, (64, 2))
    none = MemberFigures(np.full(64, np.nan), np.full(64, 1.0))
    simulated = [none, counted(rng, emulated[:, 1] + 1.0)]
    found = EmulatorErrors.estimated(simulated, emulated, together=["a", "a"])
    assert found.mean[0] == pytest.approx(0.0, abs=0.001)
    assert sds(found)[0] == pytest.approx(0.3, rel=0.001)
    assert found.covariance[0, 1] == pytest.approx(0.0, abs=1e-12)
    assert found.mean[1] > 0.8


# Correlation.


@pytest.mark.parametrize("correlation", [0.6, -0.4, 0.0])
def test_figures_of_a_product_are_off_together_and_others_are_not(correlation: float) -> None:
    """12 products with a count and a time, whose errors are correlated, and not with those of
    others: the average correlation within five standard errors (1.4 / sqrt(256 worlds x 12), from
    the reliabilities; a false alarm in 1.7 million seeds) and 0.02. Across products it is 0, even
    where all errors are the same.
    """
    rng, n = np.random.default_rng(5), 12
    emulated = rng.normal(-0.5, 0.4, (WORLDS, 2 * n))
    root = np.linalg.cholesky(np.array([[1.0, correlation], [correlation, 1.0]]))
    errors = 0.4 * np.hstack([rng.standard_normal((WORLDS, 2)) @ root.T for _ in range(n)])
    simulated = [
        counted(rng, column) if j % 2 == 0 else timed(rng, column, 0.05)
        for j, column in enumerate((emulated + errors).T)
    ]
    products = [f"p{j // 2}" for j in range(2 * n)]
    found = EmulatorErrors.estimated(simulated, emulated, together=products)
    alike = found.covariance / np.outer(sds(found), sds(found))
    pairs = alike[np.arange(0, 2 * n, 2), np.arange(1, 2 * n, 2)]
    assert pairs.mean() == pytest.approx(correlation, abs=5 * 1.4 / np.sqrt(WORLDS * n) + 0.02)
    is_pair = np.equal.outer(products, products)
    assert np.abs(alike[~is_pair]).max() < 1e-12


def test_pools_are_off_with_nobody() -> None:
    """The same errors in four figures, two of a product and two of pools, which have no name."""
    rng = np.random.default_rng(6)
    emulated = np.zeros((WORLDS, 4))
    error = 0.5 * rng.standard_normal(WORLDS)
    simulated = [counted(rng, error) for _ in range(4)]
    found = EmulatorErrors.estimated(simulated, emulated, together=["a", "a", "", ""])
    alike = found.covariance / np.outer(sds(found), sds(found))
    assert alike[0, 1] > 0.8
    assert np.abs(alike[2, [0, 1, 3]]).max() < 1e-12
    assert np.abs(alike[3, :3]).max() < 1e-12


def test_what_was_hardly_simulated_is_off_with_nobody() -> None:
    """Errors that are one: seen in 192 patients they go together; where one figure was seen in two
    patients, they are not taken to.
    """
    rng = np.random.default_rng(7)
    error = 0.3 * rng.standard_normal(WORLDS)
    emulated = np.zeros((WORLDS, 2))

    def covariance(n: int) -> float:
        simulated = [counted(rng, error), counted(rng, error, n)]
        found = EmulatorErrors.estimated(simulated, emulated, together=["a", "a"])
        return float(found.covariance[0, 1])

    assert covariance(PATIENTS) > 0.04
    assert covariance(2) == pytest.approx(0.0, abs=1e-12)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6), st.integers(2, 7))
def test_the_covariance_is_one(seed: int, n: int) -> None:
    """Whatever was simulated, and in ever so few worlds: symmetric, and no direction has less than
    1% of its own variance.
    """
    rng = np.random.default_rng(seed)
    emulated = rng.normal(-1.0, 1.0, (12, n))
    simulated = [counted(rng, column + rng.normal(), 60) for column in emulated.T]
    together = rng.choice(["a", "b"], n).tolist()
    found = EmulatorErrors.estimated(simulated, emulated, together=together)
    alike = found.covariance / np.outer(sds(found), sds(found))
    assert found.covariance == pytest.approx(found.covariance.T, abs=1e-12)
    assert np.linalg.eigvalsh(alike).min() > 0.01


# What is known in each world.


def _covariance(rng: np.random.Generator, n: int) -> Values:
    """SDs of 0.2 to 0.6 with correlations."""
    root = rng.standard_normal((n, 2 * n))
    made = root @ root.T
    scale = rng.uniform(0.2, 0.6, n) / np.sqrt(np.diagonal(made))
    return np.asarray(made * np.outer(scale, scale))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_of_times_it_is_the_normal_conditional(seed: int, n: int) -> None:
    """Mean and covariance by linear algebra, noise between a half of an error's SD and two of it;
    a figure that a world did not give is left out there.
    """
    rng, worlds = np.random.default_rng(seed), 6
    errors = EmulatorErrors(np.zeros(n), _covariance(rng, n))
    sd = sds(errors)
    emulated = rng.normal(3.0, 1.0, (worlds, n))
    noise = np.square(sd * rng.uniform(0.5, 2.0, (worlds, n)))
    off = sd * rng.standard_normal((worlds, n))
    off[rng.random((worlds, n)) < 0.2] = np.nan
    simulated = [MemberFigures(emulated[:, j] + off[:, j], noise[:, j]) for j in range(n)]
    by, left = errors.in_worlds(simulated, emulated)
    for k in range(worlds):
        seen = np.flatnonzero(~np.isnan(off[k]))
        across = errors.covariance[:, seen]
        gain = across @ np.linalg.inv(across[seen] + np.diag(noise[k, seen]))
        assert by[k] == pytest.approx(gain @ off[k, seen], abs=1e-4)
        assert left[k] == pytest.approx(errors.covariance - gain @ across.T, abs=1e-4)


@pytest.mark.parametrize(("events", "n"), [(0, 192), (1, 192), (96, 192), (12, 12)])
def test_of_counts_it_is_that_of_quadrature(events: int, n: int) -> None:
    """One figure, emulated at -2 with an SD of 0.5: mean and variance of a sum over 4,001
    errors.
    """
    sd, level = 0.5, -2.0
    grid = np.linspace(-5.0, 5.0, 4001)
    density = norm.pdf(grid, 0.0, sd) * binom.pmf(events, n, expit(level + grid))
    density /= density.sum()
    mean = density @ grid
    counts, sizes = np.array([float(events)]), np.array([float(n)])
    members = MemberFigures(logit((counts + 0.5) / (sizes + 1.0)), counts, counts, sizes)
    errors = EmulatorErrors(np.zeros(1), np.array([[sd**2]]))
    by, left = errors.in_worlds([members], np.array([[level]]))
    assert by[0, 0] == pytest.approx(mean, abs=0.005)
    assert left[0, 0, 0] == pytest.approx(density @ np.square(grid - mean), abs=0.005)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_simulation_never_adds_to_what_is_not_known(seed: int, n: int) -> None:
    """What is left is a covariance, and the prior one less it is one too: counts of all sizes."""
    rng = np.random.default_rng(seed)
    errors = EmulatorErrors(np.zeros(n), _covariance(rng, n))
    emulated = rng.uniform(-6.0, 3.0, (5, n))
    simulated = [counted(rng, column, int(rng.integers(1, 200))) for column in emulated.T]
    by, left = errors.in_worlds(simulated, emulated)
    assert np.isfinite(by).all()
    for each in left:
        assert (each == each.T).all()
        assert np.linalg.eigvalsh(each).min() > 0.0
        assert np.linalg.eigvalsh(errors.covariance - each).min() > -1e-9


def test_a_world_that_was_not_simulated_keeps_the_prior() -> None:
    """No patients of a rate, no time: nothing is known of either; in the next world one time tells
    of the rate beside it as far as they go together.
    """
    covariance = np.array([[0.16, 0.06], [0.06, 0.09]])
    errors = EmulatorErrors(np.zeros(2), covariance)
    none = np.zeros(2)
    rate = MemberFigures(np.full(2, np.nan), np.full(2, np.nan), none, none)
    time = MemberFigures(np.array([np.nan, 0.3]), np.array([1.0, 0.09]))
    by, left = errors.in_worlds([rate, time], np.zeros((2, 2)))
    assert by[0] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert left[0] == pytest.approx(covariance, abs=1e-5)
    assert by[1] == pytest.approx([0.3 * 0.06 / 0.18, 0.3 * 0.5], abs=1e-4)
    assert left[1, 0, 0] == pytest.approx(0.16 - 0.06**2 / 0.18, abs=1e-4)


def test_errors_that_were_put_in_are_found_in_their_worlds() -> None:
    """256 worlds of a count and a time with errors: 95% intervals of what is found hold them in 92
    to 98 of 100 (512 errors, pairs of them not independent; a false alarm in 300 seeds).
    """
    rng = np.random.default_rng(9)
    emulated = rng.normal(-0.5, 0.8, (WORLDS, 2))
    covariance = np.array([[0.16, 0.06], [0.06, 0.09]])
    true = rng.multivariate_normal(np.zeros(2), covariance, WORLDS)
    simulated = [
        counted(rng, emulated[:, 0] + true[:, 0]),
        timed(rng, emulated[:, 1] + true[:, 1], 0.04),
    ]
    by, left = EmulatorErrors(np.zeros(2), covariance).in_worlds(simulated, emulated)
    scaled = (true - by) / np.sqrt(np.diagonal(left, axis1=1, axis2=2))
    assert 0.92 < np.mean(np.abs(scaled) < 1.96) < 0.98
