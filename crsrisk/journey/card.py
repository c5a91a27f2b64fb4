"""Card: everything that the generator card is made of, brought together from the files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crsrisk.domain.product import Product
from crsrisk.domain.world import World
from crsrisk.folders import evidence_only_products
from crsrisk.read.credibility import load_credibility
from crsrisk.read.ensemble_about import load_ensemble_about, load_variance_shares
from crsrisk.read.world import all_products, load_product
from crsrisk.report.generator_card import generator_card
from crsrisk.simulate.world import load_world


def make_card(
    world: World | None = None, *, products: Iterable[Product] = (), ensemble: Path | None = None
) -> dict[str, Any]:
    """The card of a world (without one: the reference), JSON-ready.

    ``products`` of one's own come beside those that ship (one of the same name replaces it); ``ensemble`` is the folder of
    another ensemble than the one that ships.
    """
    known = {**all_products(), **{name: load_product(name) for name in evidence_only_products()},
             **{one.name: one for one in products}}
    return generator_card(
        world or load_world(), products=list(known.values()), credibility=load_credibility(),
        sensitivity=load_variance_shares(ensemble), ensemble=load_ensemble_about(ensemble))
