"""Factors: which uncertain constants a sensitivity analysis moves, and which of them move together.

The outcome of one product does not depend on the affinity of another, nor on the habits of a ward that does not treat it.
So the same constant of all products (or of all support policies) can be moved at once: each product feels its own and
no other, and one set of worlds serves every product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from crsrisk.belief.constants import Constant, constants_met
from crsrisk.domain.assumptions import Quantity
from crsrisk.domain.product import Product
from crsrisk.domain.world import World

Values = NDArray[np.float64]
CHANCE = "patients (chance)"  # the column that chooses which patients are simulated


@dataclass(frozen=True)
class Factor:
    """Constants that share one score: ``policy:rescue_delay_h`` is that of every policy, an assumption stands alone."""

    name: str
    constants: tuple[Constant, ...]


def uncertain_constants(world: World, products: Sequence[Product]) -> list[Constant]:
    """Constants that the default regimens of these products can depend on, under their own support policies."""
    return constants_met(world, products, policies={product.support_policy for product in products})


def factor_name(key: str) -> str:
    """The factor that a constant belongs to.

    >>> factor_name("product:tarlatamab.binding.tumour_affinity_nm")
    'product:binding.tumour_affinity_nm'
    >>> factor_name("assumption:engagement.t_gain")
    'assumption:engagement.t_gain'
    """
    kind, _, rest = key.partition(":")
    return f"{kind}:{rest.partition('.')[2]}" if kind in ("product", "policy") else key


def factors_together(constants: Sequence[Constant]) -> list[Factor]:
    """One factor for each name, so that the products' own constants move in lockstep; in order of first appearance."""
    groups: dict[str, list[Constant]] = {}
    for one in constants:
        groups.setdefault(factor_name(one.key), []).append(one)
    return [Factor(name, tuple(group)) for name, group in groups.items()]


def factors_apart(constants: Sequence[Constant]) -> list[Factor]:
    """One factor for each constant, named by its key."""
    return [Factor(one.key, (one,)) for one in constants]


def values_at(places: Values, factors: Sequence[Factor]) -> tuple[tuple[str, ...], Values]:
    """Keys of all constants, and their values (place, key) at places of the unit cube (place, factor).

    A coordinate is the cumulative probability of a prior: 0.5 is its median.

    >>> one = Constant("assumption:a.b", median=2.0, spread=0.5, low=0.1, high=40.0)
    >>> values_at(np.array([[0.5]]), [Factor("a", (one,))])
    (('assumption:a.b',), array([[2.]]))
    """
    scores = ndtri(places)
    pairs = [(one, column) for factor, column in zip(factors, scores.T, strict=True) for one in factor.constants]
    return tuple(one.key for one, _ in pairs), np.column_stack([one.at(column) for one, column in pairs])


def quantity_of(key: str, *, world: World, products: Mapping[str, Product]) -> Quantity:
    """The stated number behind a key."""
    kind, _, rest = key.partition(":")
    if kind == "assumption":
        return world.assumptions[rest]
    name, _, path = rest.partition(".")
    noun: object = {"policy": world.policies, "mitigation": world.mitigations, "product": products}[kind][name]
    for part in path.split("."):
        noun = noun[part] if isinstance(noun, Mapping) else getattr(noun, part)
    assert isinstance(noun, Quantity)
    return noun


def strengths(constants: Sequence[Constant], *, world: World, products: Sequence[Product]) -> dict[str, str]:
    """How well each constant is known (measured, estimated, expert, assumed), by key."""
    by_name = {product.name: product for product in products}
    return {one.key: quantity_of(one.key, world=world, products=by_name).strength for one in constants}


def is_felt(key: str, *, product: Product) -> bool:
    """Whether a product can feel a constant: not those of other products or of policies that do not treat it."""
    kind, _, rest = key.partition(":")
    own = {"product": product.name, "policy": product.support_policy}
    return kind not in own or rest.partition(".")[0] == own[kind]
