"""Settings that experiments train and test in: a scenario, one member of the ensemble, or many
mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crsrisk import streams
from crsrisk.data.cohort import Cohort
from crsrisk.data.ensemble import Ensemble
from crsrisk.data.product import Product
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.errors import InputError
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.uncertainty.constants import with_product_values, with_world_values

MEMBER = "member:"  # `member:17` is the world of the ensemble's 17th member, counted from 0


@dataclass(frozen=True)
class Part:
    """One set of assumptions and the arms of the products under it."""

    world: World
    arms: Mapping[str, Arm]


@dataclass(frozen=True)
class Place:
    """A named place: one part, or several of equal size that are mixed."""

    name: str
    parts: tuple[Part, ...]

    @property
    def only(self) -> Part:
        """The single part of a place that is not mixed."""
        (part,) = self.parts
        return part


def products_of(names: Sequence[str]) -> list[Product]:
    """The named products, all that ship when none is named."""
    return [load_product(name) for name in names] if names else list(all_products().values())


def place_of(name: str, *, products: Sequence[Product], ensemble: Ensemble | None = None) -> Place:
    """A scenario by its name, or a member of the ensemble by ``member:17``.

    >>> place_of("burden_null", products=[load_product("tarlatamab")]).only.world.scenario.name
    'burden_null'
    """
    if not name.startswith(MEMBER):
        return Place(name, (_part(load_world(name), products),))
    number = name.removeprefix(MEMBER)
    if ensemble is None or not number.isdigit() or int(number) >= len(ensemble):
        raise InputError(
            where="experiment",
            key=name,
            found="no such member",
            expected=f"{MEMBER} and a number below {0 if ensemble is None else len(ensemble)}",
            cure="name a member of the ensemble that ships",
        )
    return Place(name, (_member(ensemble, int(number), load_world(), products),))


def mixed_place(
    name: str, *, ensemble: Ensemble, n_members: int, products: Sequence[Product], seed: int
) -> Place:
    """Members drawn by their weights, each with the same number of patients: a world that does not
    know which it is.
    """
    chance = streams.uniforms(
        seed=seed, decision="members of a mixed world", start=0, stop=n_members, width=1
    )[:, 0]
    chosen = np.minimum(np.searchsorted(np.cumsum(ensemble.weights), chance), len(ensemble) - 1)
    base = load_world()
    return Place(name, tuple(_member(ensemble, int(k), base, products) for k in chosen))


def patients_from(place: Place, *, n: int, seed: int, workers: int = 1) -> Cohort:
    """About ``n`` patients of a place, the same number from every part, each with a number of his
    own.
    """
    each = -(-n // len(place.parts))
    cohorts = [
        simulate_cohort(
            list(part.arms.values()),
            world=part.world,
            n_patients=each,
            seed=seed,
            workers=workers,
            start=k * each,
        )
        for k, part in enumerate(place.parts)
    ]
    if len(cohorts) == 1:
        return cohorts[0]
    tables = {
        name: pd.concat([getattr(cohort, name) for cohort in cohorts], ignore_index=True)
        for name in ("observed", "outcomes", "course", "truth")
    }
    return Cohort(**tables, manifest=cohorts[0].manifest)


def _part(world: World, products: Sequence[Product]) -> Part:
    return Part(world, {product.name: make_arm(product, world=world) for product in products})


def _member(ensemble: Ensemble, number: int, base: World, products: Sequence[Product]) -> Part:
    values = ensemble.member(number)
    return _part(
        with_world_values(base, values),
        [with_product_values(product, values) for product in products],
    )
