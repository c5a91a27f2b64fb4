"""Load a whole world by the name of its scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from crsrisk.domain.product import Product
from crsrisk.domain.world import World
from crsrisk.errors import InputError
from crsrisk.folders import is_path, names
from crsrisk.read.world import load_assumptions, load_mitigation, load_policy, load_population, load_scenario

Noun = TypeVar("Noun")


def load_world(scenario: str | Path = "reference") -> World:
    """Everything the synthetic world assumes under one scenario (a shipped name, or a YAML file of yours).

    >>> load_world("burden_null").assumptions.value("engagement.burden_exponent")
    0.0
    """
    assumptions = load_assumptions()
    chosen = load_scenario(scenario, assumptions=assumptions)
    return World(
        scenario=chosen, assumptions=chosen.apply(assumptions),
        populations={name: load_population(name) for name in names("populations")},
        policies={name: load_policy(name) for name in names("policies")},
        mitigations={name: load_mitigation(name) for name in names("mitigations")},
    )


def with_own_places(products: Sequence[Product], *, world: World) -> tuple[list[Product], World]:
    """The world with the populations and policies that products bring along as files of their own, and the products that
    now call them by name. A file that is called as another one of the world raises :class:`InputError`."""
    populations, policies, settled = dict(world.populations), dict(world.policies), []
    for product in products:
        change = {}
        if is_path(product.population):
            found = load_population(product.population)
            change["population"] = _add(populations, found.name, found, product=product, key="population")
        if is_path(product.support_policy):
            care = load_policy(product.support_policy)
            change["support_policy"] = _add(policies, care.name, care, product=product, key="support_policy")
        settled.append(product.model_copy(update=change))
    return settled, replace(world, populations=populations, policies=policies)


def _add(group: dict[str, Noun], name: str, noun: Noun, *, product: Product, key: str) -> str:
    if group.setdefault(name, noun) != noun:
        raise InputError(where=f"product {product.name}", key=key, found=f"a file of your own called {name}",
                         expected="a name that no other file bears", cure="rename your file, and its `name`")
    return name
