"""Which constants are moved, and which move together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from crsrisk.belief.constants import Constant, with_product_values
from crsrisk.belief.factors import (
    factor_name,
    factors_apart,
    factors_together,
    is_felt,
    quantity_of,
    strengths,
    uncertain_constants,
    values_at,
)
from tests.simulate.people import product_of, world_of

PAIR = ("tarlatamab", "afami_cel")


@pytest.fixture(scope="module")
def constants() -> list[Constant]:
    return uncertain_constants(world_of(), [product_of(name) for name in PAIR])


def test_only_constants_that_can_matter(constants: list[Constant]) -> None:
    policies = {key.partition(":")[2].split(".")[0] for one in constants if (key := one.key).startswith("policy:")}
    assert policies == {product_of(name).support_policy for name in PAIR}
    agents = {key.partition(":")[2].split(".")[0] for one in constants if (key := one.key).startswith("mitigation:")}
    assert agents == {"tocilizumab", "dexamethasone", "antipyretic"}
    assert all(one.low < one.high for one in constants)
    assert not any(one.key.startswith(("assumption:population.", "assumption:observation.")) for one in constants)


def test_lockstep_moves_each_product_by_its_own_prior(constants: list[Constant]) -> None:
    """One factor holds the affinity of both products; each is put at the same probability of its own prior."""
    factors = factors_together(constants)
    assert sum(len(one.constants) for one in factors) == len(constants) > len(factors)
    affinity = next(one for one in factors if one.name == "product:binding.cd3_affinity_nm")
    keys, values = values_at(np.full((1, 1), float(ndtr(1.0))), [affinity])
    for one, key, value in zip(affinity.constants, keys, values[0], strict=True):
        assert value == pytest.approx(float(one.at(1.0)), rel=1e-12)
        assert key == one.key


def test_places_of_one_half_are_the_medians(constants: list[Constant]) -> None:
    factors = factors_apart(constants)
    keys, values = values_at(np.full((2, len(factors)), 0.5), factors)
    assert keys == tuple(one.key for one in constants)
    np.testing.assert_allclose(values[1], [one.median for one in constants], rtol=1e-12)


def test_a_product_feels_its_own(constants: list[Constant]) -> None:
    """Values of constants that a product does not feel leave it as it is."""
    tarlatamab = product_of("tarlatamab")
    felt = [one for one in constants if is_felt(one.key, product=tarlatamab)]
    unfelt = [one for one in constants if not is_felt(one.key, product=tarlatamab)]
    assert {factor_name(one.key).split(":")[0] for one in unfelt} == {"product", "policy"}
    assert with_product_values(tarlatamab, {one.key: 2.0 * one.median for one in unfelt}) == tarlatamab
    names = [factor_name(one.key) for one in felt]
    assert len(set(names)) == len(names), "within one product a factor is one constant"


def test_strength_is_that_of_the_file(constants: list[Constant]) -> None:
    products = [product_of(name) for name in PAIR]
    found = strengths(constants, world=world_of(), products=products)
    key = "product:tarlatamab.binding.tumour_affinity_nm"
    assert found[key] == product_of("tarlatamab").binding.tumour_affinity_nm.strength
    effect = quantity_of("mitigation:tocilizumab.acts_on.il6_receptor", world=world_of(), products={})
    assert effect == world_of().mitigations["tocilizumab"].acts_on["il6_receptor"]
    assert set(found.values()) <= {"measured", "estimated", "expert", "assumed"}
