"""People like one patient: what is known stays, what is not varies, and their risk is the
oracle's.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.population import CONTINUOUS
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import TRAITS, covariate
from crsrisk.simulation.similar_patients import (
    DISCRETE,
    conditional_outcomes,
    is_beyond,
    latent_score,
    sample_conditional,
)
from crsrisk.simulation.true_risk import risk_of_arm
from tests.simulation.people import arm_of, people, world_of

N = 400


@given(st.sampled_from(CONTINUOUS), st.floats(0.02, 0.98))
def test_a_score_is_the_inverse_of_a_covariate(name: str, share: float) -> None:
    marginal = arm_of("tarlatamab").population.marginals[name]
    low, high = marginal.limits
    value = low + share * (high - low)
    score = latent_score(value, marginal)
    if abs(score) < 3.9:  # nearer to the ends it is held
        assert float(covariate(np.array([score]), marginal)[0]) == pytest.approx(value, rel=1e-6)
    assert not is_beyond(value, marginal)
    assert abs(latent_score(2 * high, marginal)) <= 4.0
    assert is_beyond(2 * high, marginal)


def test_the_risk_is_that_of_the_oracle_that_knows_the_table() -> None:
    """Twenty patients, 400 people each on either side: a difference of 4 standard errors in the
    mean has p < 1e-4.
    """
    arm, world = arm_of("tarlatamab"), world_of()
    group = people(arm, 20, seed=6)
    table = observe(group, arm=arm, world=world, seed=6)
    truth = risk_of_arm(arm, group, world=world, seed=6, given="observed", n_replicates=N).risk()
    names = (*DISCRETE, *CONTINUOUS)
    found = []
    for k, (_, row) in enumerate(table.iterrows()):
        known = {name: float(row[name]) for name in names if not pd.isna(row[name])}
        found.append(
            conditional_outcomes(
                sample_conditional(known, arm=arm, world=world, seed=100 + k, n=N),
                arm=arm,
                world=world,
            ).share(2)
        )
    error = np.sqrt(2 * (truth * (1 - truth)).mean() / N / len(truth))
    assert abs(np.mean(found) - truth.mean()) < 4 * error
    assert np.corrcoef(found, truth)[0, 1] > 0.8  # and patient by patient it is the same patient


def test_what_is_known_stays_and_the_rest_varies() -> None:
    arm, world = arm_of("tarlatamab"), world_of()
    found = sample_conditional(
        {"ecog": 2.0, "n_metastatic_sites": 3.0, "age_years": 70.0},
        arm=arm,
        world=world,
        seed=1,
        n=N,
    )
    assert set(found.discrete["ecog"]) == {2.0}
    assert set(found.discrete["extra_sites"]) == {2.0}
    assert set(found.discrete["is_female"]) == {0.0, 1.0}
    assert set(found.discrete["has_lung_involvement"]) == {0.0, 1.0}, "no column tells it"
    age = covariate(found.latent[:, 0], arm.population.marginals["age_years"])
    np.testing.assert_allclose(age, 70.0, rtol=1e-6)  # age is known exactly
    assert np.std(found.latent[:, CONTINUOUS.index("crp_mg_l")]) > 0.5


def test_a_measured_value_narrows_the_truth_but_does_not_fix_it() -> None:
    arm, world = arm_of("tarlatamab"), world_of()
    known = {"crp_mg_l": 60.0}
    at = CONTINUOUS.index("crp_mg_l")
    free = sample_conditional({}, arm=arm, world=world, seed=1, n=N).latent[:, at]
    given_crp = sample_conditional(known, arm=arm, world=world, seed=1, n=N).latent[:, at]
    assert 0 < given_crp.std() < 0.7 * free.std()


def test_the_cells_given_are_known() -> None:
    arm, world = arm_of("afami_cel"), world_of()
    found = sample_conditional({"dose_intensity": 1.5}, arm=arm, world=world, seed=1, n=20)
    np.testing.assert_allclose(
        np.exp(arm.regimen.amount_log_sd * found.traits[:, TRAITS.index("cell_dose")]), 1.5
    )


def test_the_same_people_in_both_arms() -> None:
    world = world_of()
    usual, other = arm_of("tarlatamab"), arm_of("tarlatamab", mitigations=("tocilizumab",))
    one, two = (
        sample_conditional({"crp_mg_l": 20.0}, arm=arm, world=world, seed=3, n=50)
        for arm in (usual, other)
    )
    np.testing.assert_array_equal(one.latent, two.latent)
    np.testing.assert_array_equal(one.keys, two.keys)
