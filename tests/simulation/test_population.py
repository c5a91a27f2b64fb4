"""Population: the numbers written in the files come back from the patients; impossible worlds are
refused.

Statistical claims hold with |z| < 5 (a false alarm in fewer than 1e-6 of seeds for each
comparison).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from crsrisk.data.population import CONTINUOUS, SHIFTERS, Marginal
from crsrisk.errors import InputError
from crsrisk.simulation.population import (
    Patients,
    correlation,
    covariate,
    covariates,
    draw,
    latent_mean,
    sample,
    shifts,
    take,
    transform_draws,
)
from tests.simulation.people import Values, world_of

_N, _Z = 20_000, 5.0
ASSUMPTIONS = world_of().assumptions
POPULATIONS = world_of().populations


@pytest.fixture(scope="module")
def patients() -> Patients:
    return sample(POPULATIONS["small_cell_lung"], assumptions=ASSUMPTIONS, seed=2, start=0, stop=_N)


def _residual(patients: Patients) -> Values:
    return patients.latent - latent_mean(patients.discrete, assumptions=ASSUMPTIONS)


def test_correlations_match_the_assumptions(patients: Patients) -> None:
    """Given the discrete covariates; the SE of a correlation r is (1 - r^2) / sqrt(n)."""
    want, found = correlation(ASSUMPTIONS), np.corrcoef(_residual(patients).T)
    assert (np.abs(found - want) <= _Z * (1 - want**2) / np.sqrt(_N) + 1e-12).all()
    for key, value in ASSUMPTIONS.group("population").items():
        if key.startswith("corr_"):
            one, other = key.removeprefix("corr_").split("__")
            assert want[CONTINUOUS.index(one), CONTINUOUS.index(other)] == value


def test_latent_residuals_are_standard_normal(patients: Patients) -> None:
    z = _residual(patients)
    assert np.abs(z.mean(axis=0)).max() < _Z / np.sqrt(_N)
    assert np.abs(z.var(axis=0) - 1).max() < _Z * np.sqrt(2 / _N)


@pytest.mark.parametrize("name", sorted(POPULATIONS))
def test_medians_of_the_reference_patient(name: str) -> None:
    """Half of the patients without shifts lie below the stated median.

    Squeezing the tails into limits moves the median; the move is at most 0.12 of the SD (LDH in
    uveal melanoma, 6% of the value; elsewhere below 0.06), and it is counted in.
    """
    population = POPULATIONS[name]
    group = sample(population, assumptions=ASSUMPTIONS, seed=3, start=0, stop=3000)
    middle = {
        name: covariate(np.zeros(1), marginal)[0] for name, marginal in population.marginals.items()
    }
    z = _residual(group)
    for k, covariate_name in enumerate(CONTINUOUS):
        marginal = population.marginals[covariate_name]
        is_log = marginal.shape == "lognormal"
        gap = (
            np.log(middle[covariate_name] / marginal.median)
            if is_log
            else middle[covariate_name] - marginal.median
        )
        assert abs(gap) / marginal.sd < 0.12, covariate_name
        values = covariate(z[:, k], marginal)
        below = (values < middle[covariate_name]).mean()
        assert abs(below - 0.5) < _Z * 0.5 / np.sqrt(len(values)), covariate_name


@pytest.mark.parametrize("name", sorted(POPULATIONS))
def test_shares_match_and_limits_hold(name: str) -> None:
    population = POPULATIONS[name]
    group = sample(population, assumptions=ASSUMPTIONS, seed=4, start=0, stop=3000)
    n, shares = len(group), population.shares

    def matches(is_so: Values, share: float) -> bool:
        return bool(abs(is_so.mean() - share) <= _Z * np.sqrt(share * (1 - share) / n) + 1e-12)

    for flag in (
        "is_female",
        "has_liver_metastases",
        "has_prior_checkpoint_inhibitor",
        "has_infection",
    ):
        assert matches(group.discrete[flag], getattr(shares, flag).value), flag
    for k, share in enumerate(shares.ecog):
        assert matches(group.discrete["ecog"] == k, share), k
    for k, share in enumerate(shares.n_metastatic_sites):
        assert matches(group.discrete["n_metastatic_sites"] == k + 1, share), k
    true = covariates(group, population)
    for covariate_name in CONTINUOUS:
        low, high = population.marginals[covariate_name].limits
        assert low <= true[covariate_name].min() <= true[covariate_name].max() <= high, (
            covariate_name
        )


def test_shifts_move_the_mean_by_what_is_stated(patients: Patients) -> None:
    """Regression of the latent covariates on the discrete ones gives the table of shifts back."""
    design = np.column_stack([np.ones(_N), *(patients.discrete[name] for name in SHIFTERS)])
    found, *_ = np.linalg.lstsq(design, patients.latent, rcond=None)
    error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))[1:, None]  # the residual SD is 1
    assert (np.abs(found[1:] - shifts(ASSUMPTIONS)) < _Z * error).all()


@given(
    shape=st.sampled_from(["lognormal", "normal"]),
    median=st.floats(1.0, 100.0),
    sd=st.floats(0.05, 3.0),
    below=st.floats(0.05, 0.95),
    above=st.floats(1.05, 50.0),
    # beyond 6 the normal distribution is 1 to nine digits: one patient in a billion
    one=st.floats(-6.0, 6.0),
    other=st.floats(-6.0, 6.0),
)
def test_a_covariate_rises_inside_its_limits(
    shape: Literal["lognormal", "normal"],
    median: float,
    sd: float,
    below: float,
    above: float,
    one: float,
    other: float,
) -> None:
    limits = [median * below, median * above]
    marginal = Marginal(
        shape=shape,
        median=median,
        sd=sd,
        limits=limits,
        unit="1",
        source="test",
        strength="assumed",
    )
    low, high = sorted((one, other))
    values = covariate(np.array([low, high]), marginal)
    slack = 1e-6 * limits[1]
    assert limits[0] - slack <= values[0] <= values[1] + slack
    assert values[1] <= limits[1] + slack


def test_a_covariate_has_the_distribution_of_its_file() -> None:
    """Far from the limits: the 16th and 84th percentiles of a lognormal are median x exp(-+ sd)."""
    marginal = POPULATIONS["small_cell_lung"].marginals["platelets_g_l"]
    values = covariate(np.array([-1.0, 0.0, 1.0]), marginal)
    want = marginal.median * np.exp(marginal.sd * np.array([-1.0, 0.0, 1.0]))
    assert values == pytest.approx(want, rel=2e-3)
    assert ndtr(1.0) == pytest.approx(0.841, abs=1e-3)


def test_correlations_that_contradict_each_other_are_refused() -> None:
    world = world_of().with_values(
        {
            "population.corr_crp_mg_l__il6_pg_ml": 0.95,
            "population.corr_crp_mg_l__albumin_g_l": 0.95,
            "population.corr_il6_pg_ml__albumin_g_l": -0.95,
        }
    )
    with pytest.raises(InputError) as problem:
        correlation(world.assumptions)
    assert problem.value.key == "corr_*"
    assert "positive definite" in problem.value.expected


def test_the_switch_cuts_every_link_of_burden_to_laboratory_values() -> None:
    cut = world_of().with_values({"population.burden_lab_correlation_scale": 0.0}).assumptions
    burden = CONTINUOUS.index("sum_of_diameters_mm")
    row = correlation(cut)[burden].copy()
    row[burden] = 0.0
    assert not row.any()
    table = shifts(cut)
    for cause in ("extra_sites", "has_liver_metastases"):
        effects = {CONTINUOUS[k] for k in np.flatnonzero(table[SHIFTERS.index(cause)])}
        assert effects <= {"sum_of_diameters_mm"}, cause
    # links among laboratory values stay
    assert (correlation(cut)[3:, 3:] == correlation(ASSUMPTIONS)[3:, 3:]).all()


def test_the_same_person_under_every_product() -> None:
    """Site, traits, habits and noise do not depend on the tumour type; the covariates take its
    distributions.
    """
    draws = draw(assumptions=ASSUMPTIONS, seed=5, start=100, stop=160)
    rows = np.arange(60)
    lung = transform_draws(
        draws, POPULATIONS["small_cell_lung"], assumptions=ASSUMPTIONS, rows=rows
    )
    eye = transform_draws(draws, POPULATIONS["uveal_melanoma"], assumptions=ASSUMPTIONS, rows=rows)
    for name in ("patient_id", "site", "site_effects", "traits", "occasions", "habits", "keys"):
        assert np.array_equal(getattr(lung, name), getattr(eye, name)), name
    assert _residual(lung) == pytest.approx(_residual(eye), abs=1e-12)
    assert not np.array_equal(lung.latent, eye.latent)


@given(start=st.integers(0, 10**7), n=st.integers(1, 9), row=st.integers(0, 8))
def test_a_patient_is_the_same_in_any_group(start: int, n: int, row: int) -> None:
    """To the last bit: his covariates may not depend on how many others are computed beside him."""
    row %= n
    population = POPULATIONS["hepatocellular"]
    group = take(
        sample(population, assumptions=ASSUMPTIONS, seed=6, start=start, stop=start + n),
        np.array([row]),
    )
    alone = sample(
        population, assumptions=ASSUMPTIONS, seed=6, start=start + row, stop=start + row + 1
    )
    for name in (
        "patient_id",
        "site",
        "site_effects",
        "latent",
        "traits",
        "occasions",
        "habits",
        "keys",
    ):
        assert np.array_equal(getattr(group, name), getattr(alone, name)), name
    assert all(
        np.array_equal(group.discrete[name], alone.discrete[name]) for name in group.discrete
    )


def test_sites_share_their_habits_of_care() -> None:
    group = sample(
        POPULATIONS["small_cell_lung"], assumptions=ASSUMPTIONS, seed=7, start=0, stop=2000
    )
    n_sites = round(ASSUMPTIONS.value("population.n_sites"))
    assert set(group.site) == set(range(n_sites))
    effects = {int(site): group.site_effects[group.site == site] for site in set(group.site)}
    assert all((of == of[0]).all() for of in effects.values())
    assert len({float(of[0, 0]) for of in effects.values()}) == n_sites


def test_take_keeps_the_order_and_may_repeat(patients: Patients) -> None:
    rows = np.array([5, 2, 2, 9])
    few = take(patients, rows)
    assert few.patient_id.tolist() == rows.tolist()
    assert np.array_equal(few.latent, patients.latent[rows])
    assert np.array_equal(few.discrete["ecog"], patients.discrete["ecog"][rows])
