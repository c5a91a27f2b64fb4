"""Constants: scores and values, what is uncertain, and worlds with other values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from crsrisk.uncertainty.constants import (
    Constant,
    factor_name,
    factors_apart,
    factors_together,
    is_felt,
    prior_values,
    product_constants,
    quantity_of,
    shared_constants,
    strengths,
    uncertain_constants,
    values_at,
    with_product_values,
    with_world_values,
)
from tests.simulation.people import product_of, world_of

_SPREAD = Constant("assumption:a.b", 2.0, 0.5, 0.5, 20.0)
_FLAT = Constant("assumption:a.c", 0.3, 0.2, 0.0, 1.0)


@given(score=st.floats(-5.0, 5.0), more=st.floats(0.01, 2.0))
@pytest.mark.parametrize("one", [_SPREAD, _FLAT])
def test_values_rise_with_the_score_inside_the_range(
    one: Constant, score: float, more: float
) -> None:
    assert one.low <= float(one.at(score)) <= float(one.at(score + more)) <= one.high


@given(score=st.floats(-3.0, 3.0))
@pytest.mark.parametrize("one", [_SPREAD, _FLAT])
def test_the_score_of_a_value_is_the_score(one: Constant, score: float) -> None:
    assert one.score(float(one.at(score))) == pytest.approx(score, abs=1e-5)


def test_the_median_is_the_value_and_the_spread_is_of_the_logarithm() -> None:
    """Far from the ends one SD of the score is one spread: exp(0.5) for a positive range."""
    wide = Constant("assumption:a.b", 2.0, 0.5, 1e-6, 1e6)
    assert float(wide.at(0.0)) == 2.0
    assert float(wide.at(1.0)) == pytest.approx(2.0 * np.exp(0.5), rel=1e-9)
    flat = Constant("assumption:a.b", 0.5, 0.1, -10.0, 10.0)
    assert float(flat.at(-1.0)) == pytest.approx(0.4, rel=1e-9)


def test_an_end_at_the_median_leaves_one_half() -> None:
    at_zero = Constant("assumption:a.b", 0.0, 1.0, 0.0, 10.0)
    assert float(at_zero.at(-2.0)) == 0.0
    assert float(at_zero.at(2.0)) > 1.0


def test_what_is_certain_is_no_constant() -> None:
    keys = {one.key for one in shared_constants(world_of())}
    assert "assumption:grading.fever_at_c" not in keys  # spread 0
    assert "assumption:population.n_sites" not in keys
    assert {
        "assumption:engagement.t_gain",
        "policy:standard_astct.rescue_delay_h",
        "mitigation:dexamethasone.acts_on.myeloid_activation",
    } <= keys
    own = {one.key for one in product_constants(product_of("tarlatamab"))}
    assert "product:tarlatamab.binding.tumour_affinity_nm" in own
    assert "product:tarlatamab.binding.valency" not in own


def test_a_world_with_other_values_holds_them_and_leaves_the_rest() -> None:
    world, product = world_of(), product_of("tarlatamab")
    values = {
        "assumption:engagement.t_gain": 1.5,
        "policy:standard_astct.rescue_delay_h": 7.0,
        "mitigation:dexamethasone.half_effect_dose": 0.5,
        "mitigation:dexamethasone.acts_on.endothelium": 0.2,
        "product:tarlatamab.binding.tumour_affinity_nm": 1.1,
        "product:acapatamab.binding.tumour_affinity_nm": 9.0,
    }
    there, other = with_world_values(world, values), with_product_values(product, values)
    assert there.assumptions.value("engagement.t_gain") == 1.5
    assert there.policies["standard_astct"].rescue_delay_h.value == 7.0
    assert there.mitigations["dexamethasone"].half_effect_dose.value == 0.5
    assert there.mitigations["dexamethasone"].acts_on["endothelium"].value == 0.2
    assert (
        there.mitigations["dexamethasone"].acts_on["myeloid_activation"]
        == (world.mitigations["dexamethasone"].acts_on["myeloid_activation"])
    )
    assert other.binding.tumour_affinity_nm.value == 1.1
    assert other.kinetics == product.kinetics
    assert world.assumptions.value("engagement.t_gain") != 1.5, "the world itself is unchanged"


def test_a_draw_from_the_prior_depends_on_key_and_member_only() -> None:
    everything = shared_constants(world_of())
    one = prior_values(everything, member=4)
    assert prior_values(everything[5:9], member=4) == {
        key.key: one[key.key] for key in everything[5:9]
    }
    assert prior_values(everything[5:9], member=5) != prior_values(everything[5:9], member=4)


def test_a_copied_file_starts_from_its_values() -> None:
    product = product_of("tarlatamab")
    moved = product.binding.tumour_affinity_nm.model_copy(update={"value": 1.5, "prior": 0.5})
    copied = product.model_copy(
        update={
            "name": "mine",
            "binding": product.binding.model_copy(update={"tumour_affinity_nm": moved}),
        }
    )
    key = "product:mine.binding.tumour_affinity_nm"
    assert (
        next(one.median for one in product_constants(copied, is_new=True) if one.key == key) == 1.5
    )
    assert next(one.median for one in product_constants(copied) if one.key == key) == 0.5


# Which constants are moved, and which move together.


PAIR = ("tarlatamab", "afami_cel")


@pytest.fixture(scope="module")
def constants() -> list[Constant]:
    return uncertain_constants(world_of(), [product_of(name) for name in PAIR])


def test_only_constants_that_can_matter(constants: list[Constant]) -> None:
    policies = {
        key.partition(":")[2].split(".")[0]
        for one in constants
        if (key := one.key).startswith("policy:")
    }
    assert policies == {product_of(name).support_policy for name in PAIR}
    agents = {
        key.partition(":")[2].split(".")[0]
        for one in constants
        if (key := one.key).startswith("mitigation:")
    }
    assert agents == {"tocilizumab", "dexamethasone", "antipyretic"}
    assert all(one.low < one.high for one in constants)
    assert not any(
        one.key.startswith(("assumption:population.", "assumption:observation."))
        for one in constants
    )


def test_lockstep_moves_each_product_by_its_own_prior(constants: list[Constant]) -> None:
    """One factor holds the affinity of both products; each is put at the same probability of its
    own prior.
    """
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
    assert (
        with_product_values(tarlatamab, {one.key: 2.0 * one.median for one in unfelt}) == tarlatamab
    )
    names = [factor_name(one.key) for one in felt]
    assert len(set(names)) == len(names), "within one product a factor is one constant"


def test_strength_is_that_of_the_file(constants: list[Constant]) -> None:
    products = [product_of(name) for name in PAIR]
    found = strengths(constants, world=world_of(), products=products)
    key = "product:tarlatamab.binding.tumour_affinity_nm"
    assert found[key] == product_of("tarlatamab").binding.tumour_affinity_nm.strength
    effect = quantity_of(
        "mitigation:tocilizumab.acts_on.il6_receptor", world=world_of(), products={}
    )
    assert effect == world_of().mitigations["tocilizumab"].acts_on["il6_receptor"]
    assert set(found.values()) <= {"measured", "estimated", "expert", "assumed"}
