"""World spread of models: asks the building members of the ensemble what is true of patients like
those the models were trained for, and learns what assumptions leave open of their risks.

Before the first dose each of 128 building members has four patients of every product, simulated 32
times: as known products, and once more as new ones. With eleven products that is 360,000
simulations, some 50 seconds of one core; several models of one cohort share them. Of few
simulations a rare event would not tell how far apart the worlds are.

Some hours after the dose a patient cannot be simulated again with the course that he had. There
each member has two hundred patients of every product, followed once, and twenty of them of whom the
model says nearly the same stand for one patient simulated twenty times: what is learnt is how far
the event's share among patients alike lies from the model's risk, over worlds.

Models of fewer than 20,000 training patients are asked in a quarter of the members, so that a trial
run stays quick; the card says how many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from crsrisk.data.ensemble import Ensemble, load_ensemble, load_ensemble_about
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.world import World
from crsrisk.model.features import build_features
from crsrisk.model.landmark import landmark_table
from crsrisk.model.predict import raw_log_odds
from crsrisk.model.refits import Refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.world_spread import Asked, WorldSpread, join, spreads_of
from crsrisk.simulation.arm import Arm
from crsrisk.uncertainty.world_courses import EACH as COURSES_EACH
from crsrisk.uncertainty.world_courses import WorldCourses, world_courses
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
FEWEST_ASKED = 10  # patients (at a landmark: blocks) from whom a distribution is learnt
BLOCK = 20  # an even number of patients who stand for one, at a landmark
SMALL = 20_000  # training patients below which a quarter of the members is asked


@dataclass(frozen=True, eq=False)
class ArmRisks:
    """Patients of one arm in their worlds: of a product as it is known, and as a new one."""

    product: str
    platform: str
    known: WorldRisks | WorldCourses
    new: WorldRisks | WorldCourses


@dataclass(frozen=True, eq=False)
class Answers:
    """What the worlds answered about patients of one model: ``asked``, what the model and its
    refits say and how often they had its event; ``halves`` (patients, 2), the events in either half
    of the simulations.
    """

    asked: Asked
    halves: NDArray[np.int64]


def why_no_spread(contract: FeatureContract, *, world: World) -> str:
    """Why assumptions cannot be asked about a model; "" where they can."""
    about = load_ensemble_about()
    if contract.outcome not in EVENTS:
        return f"no simulated truth of {contract.outcome}"
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
    each: int | None = None,
    n_replicates: int = N_REPLICATES,
    is_landmark: bool = False,
    workers: int = 1,
    begin: Begin,
) -> list[ArmRisks]:
    """Simulate every arm in the members of one part of the ensemble, or ``every`` few of them.

    ``each``: patients in each member. ``is_landmark``: follow them once, with their courses, for
    models of some hours after the dose.
    """
    members, asked = members_of(ensemble, part=part)[::every], list(arms)
    each = each or (COURSES_EACH if is_landmark else EACH)
    advance = begin("Asking the worlds of the ensemble", 2 * len(asked) * len(members) * each)
    simulate: Callable[..., WorldRisks | WorldCourses] = (
        world_courses if is_landmark else partial(world_risks, n_replicates=n_replicates)
    )

    def risks(arm: Arm, *, is_new: bool) -> WorldRisks | WorldCourses:
        return simulate(
            arm,
            ensemble=ensemble,
            members=members,
            world=world,
            each=each,
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
    ensemble, listed = load_ensemble(), list(arms)
    asked = {}
    for is_landmark in (False, True):
        sizes = [
            model.contract.n_patients
            for model, _ in wanted.values()
            if (model.contract.landmark_h > 0) == is_landmark
        ]
        if sizes:
            is_small = max(sizes) < SMALL
            asked[is_landmark] = ask_worlds(
                listed,
                world=world,
                seed=seed,
                ensemble=ensemble,
                every=4 if is_small else 1,
                is_landmark=is_landmark,
                workers=workers,
                begin=begin,
            )
    advance = begin("Learning what assumptions leave open", len(wanted))
    made = {}
    for name, (model, refits) in wanted.items():
        about = asked[model.contract.landmark_h > 0]
        if (spread := spread_of(model, refits, about, ensemble=ensemble)) is not None:
            made[name] = spread
        advance(1)
    return made


def spread_of(
    model: RiskModel, refits: Refits | None, asked: list[ArmRisks], *, ensemble: Ensemble
) -> WorldSpread | None:
    """What assumptions leave open of one model; None where too few can be asked about at all.

    Only products that the model knows are asked about. One of whom hardly anybody is at risk at
    the landmark, or is told a risk, has no distribution of its own.
    """
    known: dict[str, list[Asked]] = {}
    new: dict[str, list[Asked]] = {}
    for arm in asked:
        if arm.product in model.contract.products:
            known.setdefault(arm.product, []).append(answers_of(model, refits, arm.known).asked)
            new.setdefault(arm.platform, []).append(
                answers_of(model, refits, as_unknown(arm.new)).asked
            )
    usable = [
        {name: parts for name, parts in groups.items() if _n_asked(parts) >= FEWEST_ASKED}
        for groups in (known, new)
    ]
    if not all(usable):
        return None
    products, new_products = spreads_of(
        {product: join(parts) for product, parts in usable[0].items()}, usable[1]
    )
    return WorldSpread(
        ensemble=ensemble.digest,
        n_members=len(np.unique(asked[0].known.member)),
        n_replicates=next(iter(usable[0].values()))[0].n_replicates,
        products=products,
        new_products=new_products,
    )


def _n_asked(parts: list[Asked]) -> int:
    return sum(len(part.log_odds) for part in parts)


def as_unknown(risks: WorldRisks | WorldCourses) -> WorldRisks | WorldCourses:
    """The same patients, of whose product the model is told nothing but the platform."""
    return replace(risks, observed=risks.observed.assign(product=UNKNOWN))


def answers_of(
    model: RiskModel, refits: Refits | None, risks: WorldRisks | WorldCourses
) -> Answers:
    """What a model and its refits say of these patients, and how often they had its event."""
    if isinstance(risks, WorldCourses):
        return _of_courses(model, refits, risks)
    log_odds = _log_odds(model, risks.observed)
    refit_sd = _refit_sd(model, refits, risks.observed)
    halves = getattr(risks, EVENTS[model.contract.outcome])
    asked = Asked(log_odds, refit_sd, halves.sum(axis=1), risks.n_replicates, risks.member)
    return Answers(asked, halves)


def _of_courses(model: RiskModel, refits: Refits | None, courses: WorldCourses) -> Answers:
    """Of patients at risk at the landmark, whom the model does not refuse: ``BLOCK`` of one member
    of whom it says nearly the same stand for one patient asked so often.
    """
    contract = model.contract
    table = landmark_table(courses.observed, courses.course, hour=contract.landmark_h)
    is_told = ~np.isnan(model.predict(table, unknown_product=True).risk)
    table, rows = table[is_told], table.index.to_numpy()[is_told]
    log_odds = _log_odds(model, table)
    event = courses.outcomes[contract.outcome].to_numpy(dtype=np.int64)[rows]
    member = courses.member[rows]
    blocks = []
    for number in np.unique(member):
        mine = np.flatnonzero(member == number)
        mine = mine[: len(mine) // BLOCK * BLOCK]  # in the order in which they were drawn
        mine = mine[np.argsort(log_odds[mine], kind="stable")]
        blocks.append(mine.reshape(-1, BLOCK))
    block = np.concatenate([np.empty((0, BLOCK), dtype=np.intp), *blocks])
    halves = np.stack([event[block[:, half::2]].sum(axis=1) for half in (0, 1)], axis=1)
    asked = Asked(
        logit(expit(log_odds[block]).mean(axis=1)),
        _refit_sd(model, refits, table.iloc[block[:, BLOCK // 2]]),  # of the one in the middle
        halves.sum(axis=1),
        BLOCK,
        member[block[:, 0]],
    )
    return Answers(asked, halves)


def _log_odds(model: RiskModel, table: pd.DataFrame) -> NDArray[np.float64]:
    return model.calibrator.log_odds(raw_log_odds(model, table))


def _refit_sd(model: RiskModel, refits: Refits | None, table: pd.DataFrame) -> NDArray[np.float64]:
    """SD of the refits' log-odds by patient; 0 without refits."""
    if refits is None:
        return np.zeros(len(table))
    features = build_features(table, names=model.contract.feature_names)
    return np.asarray(np.std(refits.log_odds(features.to_numpy(dtype=np.float64)), axis=0, ddof=1))
