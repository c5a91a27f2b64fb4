"""Truth: the oracle's arithmetic against brute force, and its calibration against the cohort it
speaks of.

Statistical claims hold with |z| < 5 (a false alarm in fewer than 1e-6 of seeds for each
comparison).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.simulation.observation import measured_latent, noise_sd
from crsrisk.simulation.population import correlation, latent_mean
from crsrisk.simulation.run import run
from crsrisk.simulation.true_risk import Given, TrueRisk, patients_by_id, posterior, risk_of_arm
from tests.simulation.people import Values, arm_of, people, world_of

_Z = 5.0
_K = len(CONTINUOUS)


def _setting() -> tuple[Values, Values, Values]:
    """Prior mean, covariance and noise of one patient of the tarlatamab population."""
    population = arm_of("tarlatamab").population
    return (
        np.linspace(-0.5, 0.5, _K),
        correlation(world_of().assumptions),
        noise_sd(population, assumptions=world_of().assumptions),
    )


def test_posterior_of_one_measured_value_by_hand() -> None:
    """Two correlated values, one measured with noise: Bayes for two normals (shrinkage 1 / (1 +
    s^2)).
    """
    rho, noise = 0.6, 0.5
    covariance = np.array([[1.0, rho], [rho, 1.0]])
    mean, root = posterior(
        np.array([1.2, np.nan]),
        np.array([0.2, -0.1]),
        covariance=covariance,
        noise=np.array([noise, 0.3]),
    )
    shrink = 1.0 / (1.0 + noise**2)
    assert mean == pytest.approx([0.2 + shrink * 1.0, -0.1 + rho * shrink * 1.0])
    want = np.array([[1 - shrink, rho - rho * shrink], [rho - rho * shrink, 1 - rho**2 * shrink]])
    assert root @ root.T == pytest.approx(want)


def test_posterior_against_brute_force() -> None:
    """400,000 patients drawn from the prior and measured: those measured nearly as ours have our
    posterior.

    Weights exp(-(d / 0.1)^2 / 2) stand for "nearly", which adds 0.1^2 to the variance of each
    measurement; the closed form is given the same. Effective number about 600, so means are known
    to 0.04 and SDs to 3%.
    """
    mean, covariance, noise = _setting()
    rng = np.random.default_rng(1)
    truth = mean + rng.normal(size=(400_000, _K)) @ np.linalg.cholesky(covariance).T
    measured = truth + noise * rng.normal(size=truth.shape)
    seen = np.full(_K, np.nan)
    known = [CONTINUOUS.index(name) for name in ("crp_mg_l", "il6_pg_ml", "albumin_g_l")]
    seen[known] = mean[known] + np.array([0.8, 0.3, -0.6])
    width = 0.1
    weight = np.exp(-(((measured[:, known] - seen[known]) / width) ** 2).sum(axis=1) / 2)
    weight /= weight.sum()
    effective = 1.0 / (weight**2).sum()
    blurred = np.sqrt(noise**2 + width**2)
    got_mean, root = posterior(seen, mean, covariance=covariance, noise=blurred)
    got_sd = np.sqrt(np.diag(root @ root.T))
    brute_mean = weight @ truth
    brute_sd = np.sqrt(weight @ (truth - brute_mean) ** 2)
    assert effective > 300
    assert (np.abs(got_mean - brute_mean) < _Z * got_sd / np.sqrt(effective)).all()
    assert (np.abs(got_sd / brute_sd - 1) < _Z / np.sqrt(2 * effective)).all()


@given(seen=st.lists(st.one_of(st.none(), st.floats(-3.0, 3.0)), min_size=_K, max_size=_K))
@settings(max_examples=50)
def test_posterior_laws(seen: list[float | None]) -> None:
    """Exact measurements are reproduced, information never widens, and no value has less than no
    variance.
    """
    mean, covariance, noise = _setting()
    values = np.array([np.nan if value is None else value for value in seen])
    after, root = posterior(values, mean, covariance=covariance, noise=noise)
    variance = (root**2).sum(axis=1)
    exact = (noise == 0.0) & ~np.isnan(values)
    assert after[exact] == pytest.approx(values[exact], abs=1e-9)
    assert variance[exact] == pytest.approx(0.0, abs=1e-9)
    assert (variance <= np.diag(covariance) + 1e-9).all()
    if np.isnan(values).all():
        assert np.array_equal(after, mean)
        assert root @ root.T == pytest.approx(covariance)


def test_truth_given_measurement_is_calibrated() -> None:
    """Of 1,500 patients the true IL-6, standardised by its posterior, is standard normal."""
    arm, n = arm_of("tarlatamab"), 1500
    patients, assumptions = people(arm, n), world_of().assumptions
    seen = measured_latent(patients, population=arm.population, world=world_of(), seed=1)
    prior = latent_mean(patients.discrete, assumptions=assumptions)
    covariance, noise = correlation(assumptions), noise_sd(arm.population, assumptions=assumptions)
    k, z = CONTINUOUS.index("il6_pg_ml"), np.empty(n)
    for row in range(n):
        mean, root = posterior(seen[row], prior[row], covariance=covariance, noise=noise)
        z[row] = (patients.latent[row, k] - mean[k]) / np.sqrt((root[k] ** 2).sum())
    assert abs(z.mean()) < _Z / np.sqrt(n)
    assert abs(z.var() - 1) < _Z * np.sqrt(2 / n)


@pytest.fixture(scope="module")
def sample_conditional() -> World:
    """A world whose hospitals do not differ: an oracle that knows only the table draws a hospital
    anew.
    """
    return world_of().with_values(
        {
            "ward.site_map_sd_mmhg": 0.0,
            "ward.site_rescue_log_sd": 0.0,
            "ward.site_interval_log_sd": 0.0,
        }
    )


@pytest.mark.parametrize("known", ["baseline", "observed"])
def test_the_mean_risk_is_the_rate(sample_conditional: World, known: Given) -> None:
    """Calibration in the large: over 800 patients of tarlatamab and tebentafusp each, two
    repetitions a patient.

    Variance of the difference: that of the single outcomes, p(1 - p) / n, plus half of it for two
    repetitions.
    """
    n = 800
    for product in ("tarlatamab", "tebentafusp"):
        arm = arm_of(product, world=sample_conditional)
        patients = people(arm, n, world=sample_conditional)
        found = risk_of_arm(
            arm, patients, world=sample_conditional, seed=1, given=known, n_replicates=2
        )
        grade = run(arm, patients, world=sample_conditional).tracks["max_grade"]
        for event, at in (("grade2plus", 2), ("grade3plus", 3)):
            rate, mean = (grade >= at).mean(), found.risk(event).mean()  # type: ignore[arg-type]
            pooled = (rate + 2 * mean) / 3
            assert abs(mean - rate) < _Z * np.sqrt(1.5 * pooled * (1 - pooled) / n), (
                product,
                event,
            )


@pytest.fixture(scope="module")
def oracles() -> dict[str, TrueRisk]:
    arm = arm_of("tarlatamab")
    patients = people(arm, 40)
    return {
        known: risk_of_arm(arm, patients, world=world_of(), seed=1, given=known, n_replicates=60)
        for known in ("baseline", "observed")
    }


def test_two_halves_are_independent_repetitions(oracles: dict[str, TrueRisk]) -> None:
    """Given the patient, the halves are two binomials of the same risk: their difference has
    variance 2 h p (1 - p).
    """
    for found in oracles.values():
        first, second = found.n_grade2plus.T
        assert found.n_grade2plus.min() >= 0
        assert found.n_grade2plus.max() <= found.n_replicates // 2 == 30
        assert not np.array_equal(first, second)
        p = np.clip(found.risk(), 1 / 60, 59 / 60)
        z2 = (first - second) ** 2 / (found.n_replicates * p * (1 - p))
        assert z2.sum() < len(p) + _Z * np.sqrt(2 * len(p))
        assert (found.n_grade3plus <= found.n_grade2plus).all()


def test_the_oracle_that_knows_more_separates_more(oracles: dict[str, TrueRisk]) -> None:
    """Everything true at baseline tells patients apart better than the table does (law of total
    variance).
    """
    assert oracles["baseline"].risk().var() > 1.5 * oracles["observed"].risk().var()


def test_the_table_names_what_was_given(oracles: dict[str, TrueRisk]) -> None:
    for known, found in oracles.items():
        table = found.to_frame()
        assert table["patient_id"].tolist() == list(range(40))
        risk = table[f"risk_grade2plus__given_{known}"].to_numpy()
        assert np.array_equal(risk, found.n_grade2plus.sum(axis=1) / 60)
        error = table[f"mc_error_grade2plus__given_{known}"].to_numpy()
        assert error == pytest.approx(np.sqrt(risk * (1 - risk) / 60))


def test_a_patient_has_the_same_oracle_in_any_group(oracles: dict[str, TrueRisk]) -> None:
    """Repetitions are drawn by (seed, patient): alone, in another order, with two workers."""
    arm = arm_of("tarlatamab")
    some = patients_by_id(arm, world=world_of(), seed=1, patient_ids=np.array([31, 4, 17]))
    for known, found in oracles.items():
        again = risk_of_arm(
            arm, some, world=world_of(), seed=1, given=known, n_replicates=60, workers=2
        )  # type: ignore[arg-type]
        assert np.array_equal(again.n_grade2plus, found.n_grade2plus[[31, 4, 17]])


def test_progress_is_told_and_complete() -> None:
    told: list[int] = []
    arm = arm_of("tarlatamab")
    risk_of_arm(
        arm,
        people(arm, 7),
        world=world_of(),
        seed=1,
        given="baseline",
        n_replicates=2,
        advance=told.append,
    )
    assert sum(told) == 7


@pytest.mark.parametrize("repetitions", [0, 1, 7, -2])
def test_an_odd_number_of_repetitions_is_refused(repetitions: int) -> None:
    arm = arm_of("tarlatamab")
    with pytest.raises(InputError) as problem:
        risk_of_arm(
            arm,
            people(arm, 1),
            world=world_of(),
            seed=1,
            given="baseline",
            n_replicates=repetitions,
        )
    assert problem.value.key == "n_replicates"


@pytest.mark.parametrize(
    "ids", [[5], [3, 9, 4], [12, 2, 2], [0, 50_000, 7], [90_000, 10], list(range(20, 0, -1))]
)
def test_patients_come_back_by_number(ids: list[int]) -> None:
    """In the order asked for, twice when asked twice, near or far apart, and to the last bit the
    same patients.
    """
    wanted: NDArray[np.int64] = np.array(ids)
    arm = arm_of("tebentafusp")
    found = patients_by_id(arm, world=world_of(), seed=1, patient_ids=wanted)
    assert found.patient_id.tolist() == ids
    for row, number in enumerate(ids):
        alone = people(arm, 1, start=number)
        for name in ("site", "latent", "traits", "occasions", "habits", "keys", "site_effects"):
            assert np.array_equal(getattr(found, name)[row], getattr(alone, name)[0]), name
        assert all(found.discrete[name][row] == alone.discrete[name][0] for name in alone.discrete)
