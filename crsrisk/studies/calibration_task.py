"""What a calibration rests on: its settings, the figures it meets, what is simulated for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.evidence_use import ScoredFigure, likelihood_figures, scored_figures
from crsrisk.data.product import Product
from crsrisk.data.published_figures import PublishedFigure, Trial
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.uncertainty.evidence_model import (
    Latents,
    latents_of,
)
from crsrisk.uncertainty.members import MemberFigures, member_figures, member_outcomes

Values = NDArray[np.float64]


class Calibration(Strict):
    """How much a calibration may compute; what it meets are all figures of the likelihood."""

    kind: str
    name: str
    question: str
    scenario: str
    seed: int = Field(ge=0)
    patients: int = Field(ge=1000)  # of a trial, in worlds of their own
    patients_rare: int = Field(ge=1000)  # the same under checkpoint inhibitors
    spreads: int = Field(ge=64)  # sets of inferred SDs in either importance sample, a power of 2
    members: int = Field(ge=10)
    member_patients: int = Field(ge=16)
    member_patients_rare: int = Field(ge=16)
    reference_patients: int = Field(ge=64)
    reference_patients_rare: int = Field(ge=64)
    reference_rounds: int = Field(ge=1)
    left_out_members: int = Field(ge=10)  # members for each product left out


@dataclass(frozen=True)
class CalibrationTask:
    config: Calibration
    results: Path
    world: World
    products: Mapping[str, Product]
    figures: tuple[tuple[PublishedFigure, Trial], ...]
    scored: tuple[tuple[ScoredFigure, PublishedFigure, Trial], ...]
    latents: Latents
    workers: int

    @property
    def trials(self) -> list[Trial]:
        """Every trial with a figure in the likelihood or in the score, once."""
        named = {trial.name: trial for _, trial in self.figures}
        named |= {trial.name: trial for _, _, trial in self.scored}
        return [named[name] for name in sorted(named)]

    def is_rare(self, trial: Trial) -> bool:
        """Whether CRS is rare in it: under checkpoint inhibitors."""
        return self.products[trial.product].platform == "ici"


def prepare(config: Calibration, results: Path, *, workers: int) -> CalibrationTask:
    """World, figures and latents of a calibration."""
    world, trials = load_world(config.scenario), load_trials()
    by_name = {trial.name: trial for trial in trials}
    figures = tuple(likelihood_figures(trials))
    scored = tuple(
        (each, _as_figure(each, by_name[each.trial]), by_name[each.trial])
        for each in scored_figures(trials)
    )
    used = [trial for _, trial in figures] + [trial for _, _, trial in scored]
    products = {name: load_product(name) for trial in used for name in trial.products}
    latents = latents_of(used, products=products, world=world)
    return CalibrationTask(config, results, world, products, figures, scored, latents, workers)


def _as_figure(scored: ScoredFigure, trial: Trial) -> PublishedFigure:
    """A scored rate as a figure of its trial: its own row, or the sum of two printed counts."""
    row = next(row for row in trial.rows if row.id == scored.ids[0])
    return row.model_copy(
        update={
            "id": "+".join(scored.ids) if scored.counts_added else row.id,
            "metric": scored.metric,
            "value": scored.value,
            "n_patients": scored.n,
            "events": scored.events,
            "low": None,
            "high": None,
            "interval_kind": None,
        }
    )


def members_simulated(
    task: CalibrationTask, scores: Values, advance: Callable[[int], None], *, seed: int
) -> list[MemberFigures]:
    """Every figure of the likelihood in worlds with these scores, by simulation."""
    config, values = task.config, task.latents.values(scores)
    trials = {trial.name: trial for _, trial in task.figures}
    made: dict[str, MemberFigures] = {}
    for name, trial in trials.items():
        own = [figure for figure, of in task.figures if of.name == name]
        outcomes = member_outcomes(
            trial,
            products=task.products,
            values=values,
            n_members=len(scores),
            each=config.member_patients_rare if task.is_rare(trial) else config.member_patients,
            world=task.world,
            seed=seed,
            workers=task.workers,
        )
        found = member_figures(outcomes, own, trial=trial, n_members=len(scores))
        made |= {figure.id: members for figure, members in zip(own, found, strict=True)}
        advance(len(own))
    return [made[figure.id] for figure, _ in task.figures]
