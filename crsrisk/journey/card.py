"""Card: everything that the generator card is made of, brought together from the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crsrisk.belief.constants import priors_digest, product_constants, shared_constants
from crsrisk.belief.constrained import moved_table, scores_of, verdict
from crsrisk.belief.factors import quantity_of
from crsrisk.domain.product import Product
from crsrisk.domain.world import World
from crsrisk.folders import evidence_only_products
from crsrisk.read.credibility import load_credibility
from crsrisk.read.ensemble import ensemble_folder, load_ensemble
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
    shipped = {**all_products(), **{name: load_product(name) for name in evidence_only_products()}}
    reference = load_world()
    return generator_card(
        world or reference, products=list({**shipped, **{one.name: one for one in products}}.values()),
        credibility=load_credibility(), sensitivity=load_variance_shares(ensemble), ensemble=load_ensemble_about(ensemble),
        evidence=evidence_of(ensemble, world=reference, products=shipped))


def evidence_of(folder: Path | None, *, world: World, products: Mapping[str, Product]) -> dict[str, Any] | None:
    """What the evidence did to each constant of the ensemble in a folder, most constrained first, under the priors of
    ``world`` and ``products``; None when there are no members, or when they were drawn from other priors.

    Keys: `n_members`, `effective_size`, `n_targets` (published figures) and `constants`, of each the row of
    :func:`crsrisk.belief.constrained.moved_table` (`most_probable`: the value in use) with `unit`, `strength` and
    `evidence`, the verdict in a word.
    """
    about = load_ensemble_about(folder)
    if about is None or not ((folder or ensemble_folder()) / "members.csv").is_file():
        return None
    members = load_ensemble(folder)
    own = [constant for product in products.values() for constant in product_constants(product)]
    known = {one.key: one for one in [*shared_constants(world), *own]}
    constants = [known[key] for key in members.keys if key in known]
    if len(constants) < len(members.keys) or priors_digest(constants) != members.assumptions:
        return None
    stated = {one.key: quantity_of(one.key, world=world, products=products) for one in constants}
    scores = np.column_stack([scores_of(one, members.values[:, k]) for k, one in enumerate(constants)])
    in_use = np.array([float(one.score(stated[one.key].value)) for one in constants])
    rows = moved_table(constants, scores, members.weights, in_use).to_dict("records")
    return {"n_members": len(members), "effective_size": members.effective_size, "n_targets": len(about.targets),
            "constants": [{**row, "unit": stated[row["constant"]].unit, "strength": stated[row["constant"]].strength,
                           "evidence": verdict(shift=row["shift_prior_sd"], left=row["left_of_prior_sd"])} for row in rows]}
