"""World spread of models: asks the building members of the ensemble what is true of patients like
those the models were trained for, and learns what assumptions leave open of their risks.

Of 128 building members each has four patients of every product, simulated 32 times: as known
products, and once more as new ones. With eleven products that is 360,000 simulations, some 50
seconds of one core; several models of one cohort share them. Of few simulations a rare event would
not tell how far apart the worlds are. Models of fewer than 5,000 training patients are
asked in a quarter of the members, so that a trial run stays quick; the card says how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from crsrisk.data.ensemble import Ensemble, load_ensemble, load_ensemble_about
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.world import World
from crsrisk.model.features import build_features
from crsrisk.model.predict import raw_log_odds
from crsrisk.model.refits import Refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.world_spread import Asked, WorldSpread, join, spreads_of
from crsrisk.simulation.arm import Arm
from crsrisk.uncertainty.world_risks import (
    BUILDING,
    EACH,
    N_REPLICATES,
    WorldRisks,
    members_of,
    world_risks,
)

Begin = Callable[[str, int], Callable[[int], None]]
EVENTS: Mapping[str, str] = {
    "crs_grade2plus": "n_grade2plus",
    "crs_grade3plus": "n_grade3plus",
}
# a name that no model knows stands for a product that no model was trained on
UNKNOWN = "a product that is not known"
SMALL = 5_000  # training patients below which a quarter of the members is asked


@dataclass(frozen=True, eq=False)
class ArmRisks:
    """Patients of one arm in their worlds: of a product as it is known, and as a new one."""

    product: str
    platform: str
    known: WorldRisks
    new: WorldRisks


def why_no_spread(contract: FeatureContract, *, world: World) -> str:
    """Why assumptions cannot be asked about a model; "" where they can."""
    about = load_ensemble_about()
    if contract.outcome not in EVENTS:
        return f"no simulated truth of {contract.outcome}"
    if contract.landmark_h:
        return "the true risk some hours after the first dose, given the course, is not simulated"
    if about is None or about.scenario != world.scenario.name:
        return f"no ensemble of the scenario {world.scenario.name}"
    return ""


def ask_worlds(
    arms: Iterable[Arm],
    *,
    world: World,
    seed: int,
    ensemble: Ensemble,
    part: int = BUILDING,
    every: int = 1,
    each: int = EACH,
    n_replicates: int = N_REPLICATES,
    workers: int = 1,
    begin: Begin,
) -> list[ArmRisks]:
    """Simulate every arm in the members of one part of the ensemble, or ``every`` few of them."""
    members, asked = members_of(ensemble, part=part)[::every], list(arms)
    advance = begin("Asking the worlds of the ensemble", 2 * len(asked) * len(members) * each)

    def risks(arm: Arm, *, is_new: bool) -> WorldRisks:
        return world_risks(
            arm,
            ensemble=ensemble,
            members=members,
            world=world,
            each=each,
            n_replicates=n_replicates,
            seed=seed,
            is_new=is_new,
            workers=workers,
            advance=advance,
        )

    return [
        ArmRisks(
            arm.product.name,
            arm.product.platform,
            risks(arm, is_new=False),
            risks(arm, is_new=True),
        )
        for arm in asked
    ]


def world_spreads(
    models: Mapping[str, tuple[RiskModel, Refits | None]],
    arms: Iterable[Arm],
    *,
    world: World,
    seed: int,
    workers: int = 1,
    begin: Begin,
) -> dict[str, WorldSpread]:
    """What assumptions leave open of each model, by name; nothing of a model that they cannot be
    asked about (:func:`why_no_spread`).

    ``models`` with their refits; ``arms`` of the training patients.
    """
    wanted = {
        name: model
        for name, model in models.items()
        if not why_no_spread(model[0].contract, world=world)
    }
    if not wanted:
        return {}
    ensemble = load_ensemble()
    is_small = all(model.contract.n_patients < SMALL for model, _ in wanted.values())
    asked = ask_worlds(
        arms,
        world=world,
        seed=seed,
        ensemble=ensemble,
        every=4 if is_small else 1,
        workers=workers,
        begin=begin,
    )
    advance = begin("Learning what assumptions leave open", len(wanted))
    made = {}
    for name, (model, refits) in wanted.items():
        made[name] = spread_of(model, refits, asked, ensemble=ensemble)
        advance(1)
    return made


def spread_of(
    model: RiskModel, refits: Refits | None, asked: list[ArmRisks], *, ensemble: Ensemble
) -> WorldSpread:
    """What assumptions leave open of one model."""
    known: dict[str, list[Asked]] = {}
    new: dict[str, list[Asked]] = {}
    for arm in asked:
        known.setdefault(arm.product, []).append(asked_of(model, refits, arm.known))
        new.setdefault(arm.platform, []).append(asked_of(model, refits, as_unknown(arm.new)))
    products, new_products = spreads_of(
        {product: join(parts) for product, parts in known.items()}, new
    )
    return WorldSpread(
        ensemble=ensemble.digest,
        n_members=len(np.unique(asked[0].known.member)),
        n_replicates=asked[0].known.n_replicates,
        products=products,
        new_products=new_products,
    )


def as_unknown(risks: WorldRisks) -> WorldRisks:
    """The same patients, of whose product the model is told nothing but the platform."""
    return replace(risks, observed=risks.observed.assign(product=UNKNOWN))


def asked_of(model: RiskModel, refits: Refits | None, risks: WorldRisks) -> Asked:
    """What a model and its refits say of these patients, and how often they had its event."""
    log_odds = model.calibrator.log_odds(raw_log_odds(model, risks.observed))
    refit_sd = np.zeros(len(log_odds))
    if refits is not None:
        table = build_features(risks.observed, names=model.contract.feature_names)
        refit_sd = np.std(refits.log_odds(table.to_numpy(dtype=np.float64)), axis=0, ddof=1)
    counts = getattr(risks, EVENTS[model.contract.outcome])
    return Asked(log_odds, refit_sd, counts.sum(axis=1), risks.n_replicates)
