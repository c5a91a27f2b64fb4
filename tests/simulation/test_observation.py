"""Observation: noise of the stated size, gaps at the stated rates, and the truth kept apart.

Statistical claims hold with |z| < 5 (a false alarm in fewer than 1e-6 of seeds for each
comparison).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world import World
from crsrisk.fields import columns_of
from crsrisk.simulation.observation import measured_latent, noise_sd, observe
from crsrisk.simulation.population import Patients, covariates, take
from tests.simulation.people import Values, arm_of, people, world_of

_N, _Z = 12_000, 5.0
NOISY = (
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "albumin_g_l",
    "platelets_g_l",
    "creatinine_umol_l",
    "lymphocytes_g_l",
)


@pytest.fixture(scope="module")
def patients() -> Patients:
    return people(arm_of("tarlatamab"), _N)


@pytest.fixture(scope="module")
def even_world() -> World:
    """Every site records alike, infection or not."""
    return world_of().with_values(
        {"observation.site_missing_log_sd": 0.0, "observation.infection_missing_shift": 0.0}
    )


@pytest.fixture(scope="module")
def seen(patients: Patients, even_world: World) -> Values:
    return measured_latent(
        patients, population=arm_of("tarlatamab").population, world=even_world, seed=1
    )


def test_noise_on_the_latent_scale(patients: Patients, seen: Values) -> None:
    want = noise_sd(arm_of("tarlatamab").population, assumptions=world_of().assumptions)
    error = seen - patients.latent
    for k, name in enumerate(CONTINUOUS):
        there = error[~np.isnan(error[:, k]), k]
        if name in NOISY:
            assert want[k] > 0.0
            assert abs(there.mean()) < _Z * want[k] / np.sqrt(len(there)), name
            assert abs(there.std() / want[k] - 1) < _Z / np.sqrt(2 * len(there)), name
        else:
            assert want[k] == 0.0
            assert (there == 0.0).all(), f"{name} is known exactly"


def test_errors_of_two_tests_are_independent(patients: Patients, seen: Values) -> None:
    error = (seen - patients.latent)[:, [CONTINUOUS.index(name) for name in NOISY]]
    r = pd.DataFrame(error).corr().to_numpy() - np.eye(len(NOISY))
    both = _N * (1 - 0.6) * (1 - 0.35)  # pairs when both are there: at worst IL-6 and ferritin
    assert np.abs(r).max() < _Z / np.sqrt(both)


def test_noise_is_relative_in_the_middle_of_the_distribution(patients: Patients) -> None:
    """log(measured / true) of CRP has the stated coefficient of variation where the limits are
    far.
    """
    arm = arm_of("tarlatamab")
    table = observe(patients, arm=arm, world=world_of(), seed=1)
    true = covariates(patients, arm.population)
    for name, middle in (("crp_mg_l", (3.0, 40.0)), ("platelets_g_l", (180.0, 320.0))):
        inside = (
            (true[name] > middle[0]) & (true[name] < middle[1]) & table[name].notna().to_numpy()
        )
        ratio = np.log(table[name].to_numpy()[inside] / true[name][inside])
        stated = world_of().assumptions.value(f"observation.noise__{name}")
        assert ratio.std() == pytest.approx(stated, rel=0.05)


def test_gaps_at_the_stated_rates(seen: Values, even_world: World) -> None:
    known = even_world.assumptions.group("observation")
    for k, name in enumerate(CONTINUOUS):
        share = known.get(f"missing__{name}", 0.0)
        gaps = np.isnan(seen[:, k]).mean()
        assert abs(gaps - share) <= _Z * np.sqrt(share * (1 - share) / _N), name
    assert np.isnan(seen).any()


def test_gaps_are_independent_of_the_value_that_is_missing(
    patients: Patients, seen: Values
) -> None:
    """Missing at random given site and infection: the truth of the gaps is that of the rest."""
    k = CONTINUOUS.index("il6_pg_ml")
    gap = np.isnan(seen[:, k])
    difference = patients.latent[gap, k].mean() - patients.latent[~gap, k].mean()
    spread = patients.latent[:, k].std() * np.sqrt(1 / gap.sum() + 1 / (~gap).sum())
    assert abs(difference) < _Z * spread


def test_sites_differ_in_what_they_measure_and_infection_prompts_tests(patients: Patients) -> None:
    seen = measured_latent(
        patients, population=arm_of("tarlatamab").population, world=world_of(), seed=1
    )
    gap = np.isnan(seen[:, CONTINUOUS.index("ferritin_ug_l")])
    by_site = pd.Series(gap).groupby(patients.site).agg(["mean", "size"])
    even = np.sqrt((gap.mean() * (1 - gap.mean()) / by_site["size"]).mean())
    assert by_site["mean"].std() > 2 * even
    effect = patients.site_effects[:, 3]
    assert np.corrcoef(gap, effect)[0, 1] > _Z / np.sqrt(_N)
    ill = patients.discrete["has_infection"] > 0
    assert gap[ill].mean() < gap[~ill].mean()


def test_the_table_has_its_columns_and_no_truth(patients: Patients) -> None:
    few = take(patients, np.arange(200))
    table = observe(few, arm=arm_of("tarlatamab"), world=world_of(), seed=1)
    assert tuple(table.columns) == tuple(columns_of("observed"))
    assert not [name for name in table.columns if name.startswith(("true_", "trait_", "load_"))]
    true = covariates(few, arm_of("tarlatamab").population)
    for name in NOISY:
        there = table[name].notna().to_numpy()
        assert (table[name].to_numpy()[there] != true[name][there]).all(), name
    assert np.array_equal(table["weight_kg"], true["weight_kg"])
    assert (np.round(table["age_years"] * 10, 6) % 1 == 0).all()
    assert (table["age_years"] <= true["age_years"]).all()


def test_values_stay_inside_the_limits_of_the_population(patients: Patients) -> None:
    arm = arm_of("tarlatamab")
    table = observe(patients, arm=arm, world=world_of(), seed=1)
    for name in CONTINUOUS[1:]:
        low, high = arm.population.marginals[name].limits
        assert low <= table[name].min() <= table[name].max() <= high, name


def test_both_arms_of_a_patient_have_the_same_table_but_for_the_arm() -> None:
    plain = arm_of("tarlatamab", regimen="label_no_steroid")
    treated = arm_of("tarlatamab", mitigations=("tocilizumab",))
    one, other = (
        observe(people(arm, 50), arm=arm, world=world_of(), seed=1) for arm in (plain, treated)
    )
    differs = {name for name in one.columns if not one[name].equals(other[name])}
    assert differs == {"regimen", "has_steroid_premedication", "has_tocilizumab_prophylaxis"}
    assert other["has_tocilizumab_prophylaxis"].all()
    assert other["has_steroid_premedication"].all()


def test_the_seed_of_the_measurement_is_its_own(patients: Patients) -> None:
    few = take(patients, np.arange(100))
    arm = arm_of("tarlatamab")
    one, again, other = (observe(few, arm=arm, world=world_of(), seed=seed) for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one["crp_mg_l"].equals(other["crp_mg_l"])


def test_a_patient_is_measured_alike_in_any_group(patients: Patients) -> None:
    arm = arm_of("tarlatamab")
    crowd = observe(take(patients, np.arange(300)), arm=arm, world=world_of(), seed=1)
    few = observe(take(patients, np.array([250, 7])), arm=arm, world=world_of(), seed=1)
    assert few.equals(crowd.iloc[[250, 7]].reset_index(drop=True))


def test_arm_columns() -> None:
    cells = observe(
        people(arm_of("cldn182_car_t"), 5), arm=arm_of("cldn182_car_t"), world=world_of(), seed=1
    )
    assert cells["has_lymphodepletion"].all()
    assert not cells["is_stepped_up"].any()
    assert (cells["platform"] == "car_t").all()
    step = observe(
        people(arm_of("tarlatamab"), 5), arm=arm_of("tarlatamab"), world=world_of(), seed=1
    )
    assert step["is_stepped_up"].all()
    assert (step["dose_intensity"] == 1.0).all()
