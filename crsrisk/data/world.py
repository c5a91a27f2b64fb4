"""World: everything the synthetic world assumes, loaded once and passed around unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from crsrisk.data.assumptions import Assumptions, Scenario, digest_of
from crsrisk.data.mitigation import Mitigation
from crsrisk.data.population import Policy, Population
from crsrisk.data.product import Product
from crsrisk.data.world_files import (
    load_assumptions,
    load_mitigation,
    load_policy,
    load_population,
    load_scenario,
)
from crsrisk.errors import InputError
from crsrisk.folders import is_path, names
from crsrisk.results import Result

Noun = TypeVar("Noun")


@dataclass(frozen=True, repr=False)
class World(Result):
    """Everything that a simulation assumes: the numbers of the mechanism under one scenario, and
    the populations, support policies and mitigations that go with them.

    Examples
    --------
    >>> load_world()
    <World: scenario reference: ... assumptions, ... populations, ... policies, ... mitigations>
    """

    scenario: Scenario
    assumptions: Assumptions
    populations: Mapping[str, Population]
    policies: Mapping[str, Policy]
    mitigations: Mapping[str, Mitigation]

    def summary(self) -> str:
        """Its scenario and how much it holds."""
        groups = ("assumptions", "populations", "policies", "mitigations")
        counts = ", ".join(f"{len(getattr(self, name))} {name}" for name in groups)
        return f"scenario {self.scenario.name}: {counts}"

    def to_frame(self) -> pd.DataFrame:
        """One row an assumption (:meth:`crsrisk.data.assumptions.Assumptions.to_frame`)."""
        return self.assumptions.to_frame()

    @property
    def digest(self) -> str:
        """Hash of every number in this world."""
        parts = [
            {name: noun.model_dump() for name, noun in sorted(group.items())}
            for group in (self.populations, self.policies, self.mitigations)
        ]
        return digest_of([self.assumptions.digest, parts])

    def with_values(self, values: Mapping[str, float]) -> World:
        """The same world with other values of some assumptions (for sensitivity analyses and
        switches).
        """
        return replace(self, assumptions=self.assumptions.replace(values))


def load_world(scenario: str | Path = "reference") -> World:
    """Everything that a simulation assumes under one scenario.

    Parameters
    ----------
    scenario : a shipped name (``reference``, ``burden_null``, ...) or a YAML file of yours.

    Returns
    -------
    The world with the scenario's overrides in place.

    Raises
    ------
    InputError
        For an unknown name or a file that is not sound.

    Examples
    --------
    >>> load_world("burden_null").assumptions.value("engagement.burden_exponent")
    0.0
    """
    assumptions = load_assumptions()
    chosen = load_scenario(scenario, assumptions=assumptions)
    return World(
        scenario=chosen,
        assumptions=chosen.apply(assumptions),
        populations={name: load_population(name) for name in names("populations")},
        policies={name: load_policy(name) for name in names("policies")},
        mitigations={name: load_mitigation(name) for name in names("mitigations")},
    )


def with_own_places(products: Sequence[Product], *, world: World) -> tuple[list[Product], World]:
    """The world with the populations and policies that products bring along as files of their own,
    and the products that now call them by name. A file that is called as another one of the world
    raises :class:`InputError`.
    """
    populations, policies, named = dict(world.populations), dict(world.policies), []
    for product in products:
        change: dict[str, object] = {}
        main = _population_name(product.population, populations, product=product, key="population")
        further: dict[str, float] = {}
        for place, share in product.further_populations.items():
            key = f"further_populations.{place}"
            name = _population_name(place, populations, product=product, key=key)
            if name == main or name in further:
                raise InputError(
                    where=f"product {product.name}",
                    key=key,
                    found=f"{name} a second time",
                    expected="each tumour type once",
                    cure="add the shares up, or correct the name",
                )
            further[name] = share
        change |= {"population": main, "further_populations": further}
        if is_path(product.support_policy):
            care = load_policy(product.support_policy)
            change["support_policy"] = _add(
                policies, care.name, care, product=product, key="support_policy"
            )
        named.append(product.model_copy(update=change))
    return named, replace(world, populations=populations, policies=policies)


def _population_name(
    name_or_path: str, populations: dict[str, Population], *, product: Product, key: str
) -> str:
    """The name of a population; one that is a file of the user's own joins ``populations``."""
    if not is_path(name_or_path):
        return name_or_path
    people = load_population(name_or_path)
    return _add(populations, people.name, people, product=product, key=key)


def _add(group: dict[str, Noun], name: str, noun: Noun, *, product: Product, key: str) -> str:
    if group.setdefault(name, noun) != noun:
        raise InputError(
            where=f"product {product.name}",
            key=key,
            found=f"a file of your own called {name}",
            expected="a name that no other file bears",
            cure="rename your file, and its `name`",
        )
    return name


def reject_unused(mitigations: Sequence[str], *, world: World, where: str, key: str) -> None:
    """Refuse supportive care as prophylaxis: it acts on nothing before CRS, and would look as if it
    did not help.
    """
    if idle := [name for name in mitigations if not world.mitigations[name].acts_on]:
        raise InputError(
            where=where,
            key=key,
            found=f"{', '.join(idle)}: support that is given when signs call for it",
            expected="an agent that acts on the mechanism before dose 1",
            cure=(
                "leave it out; to change when it is given, name another support policy in the"
                " product's file"
            ),
        )
