"""Emulators of a calibration: how the figures of every trial move with the constants, learnt once
and kept beside the results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk import __version__
from crsrisk.data.assumptions import digest_of
from crsrisk.data.files import write_beside
from crsrisk.data.published_figures import PublishedFigure, Trial
from crsrisk.studies.calibration_task import CalibrationTask
from crsrisk.uncertainty.constants import (
    priors_digest,
    with_product_values,
    with_world_values,
)
from crsrisk.uncertainty.emulator import Emulator, Reliability
from crsrisk.uncertainty.evidence_model import (
    FittedEmulator,
    design_scores,
    felt_by,
    fit_figure,
)
from crsrisk.uncertainty.own_worlds import simulate_own_worlds

Begin = Callable[[str, int], Callable[[int], None]]


def all_emulators(
    task: CalibrationTask, begin: Begin, *, older: Path | None = None
) -> dict[str, FittedEmulator]:
    """Emulators of all figures, trial by trial; those of an interrupted run are taken over, and
    those in the results of an ``older`` calibration that rest on the same.
    """
    advance = begin("How figures move with the constants", len(task.trials))
    made: dict[str, FittedEmulator] = {}
    for trial in task.trials:
        made |= _emulators_of(task, trial, older)
        advance(1)
    return made


def _emulators_of(
    task: CalibrationTask, trial: Trial, older: Path | None
) -> dict[str, FittedEmulator]:
    config = task.config
    wanted = {figure.id: figure for figure, of in task.figures if of.name == trial.name}
    wanted |= {figure.id: figure for _, figure, of in task.scored if of.name == trial.name}
    at = felt_by(task.latents, trial, products=task.products)
    n = config.patients_rare if task.is_rare(trial) else config.patients
    digest = _digest(task, trial, wanted, n)
    for results in [task.results] if older is None else [task.results, older]:
        kept = _read_emulators(results / "emulators" / f"{trial.name}.npz", digest, at)
        if kept is not None:
            return kept
    scores = design_scores(task.latents, trial, products=task.products, n=n, seed=config.seed)
    outcomes = simulate_own_worlds(
        trial,
        products=task.products,
        values=task.latents.values(scores),
        n=n,
        world=task.world,
        seed=config.seed,
        workers=task.workers,
    )
    made = {
        name: fit_figure(
            figure, trial, outcomes=outcomes, scores=scores, at=at, latents=task.latents
        )
        for name, figure in wanted.items()
    }
    _write_emulators(task.results / "emulators" / f"{trial.name}.npz", digest, made)
    return made


def _digest(
    task: CalibrationTask, trial: Trial, figures: Mapping[str, PublishedFigure], n: int
) -> str:
    """Hash of everything that the emulators of a trial rest on, but for what calibration moves: a
    calibration that was applied leaves them as they are.
    """
    medians = {key: constant.median for key, constant in task.latents.constants.items()}
    world = with_world_values(task.world, medians)
    nouns = [
        {name: noun.model_dump() for name, noun in sorted(group.items())}
        for group in (world.populations, world.policies, world.mitigations)
    ]
    products = {
        name: with_product_values(task.products[name], medians).model_dump(
            exclude={"random_effects"}
        )
        for name in trial.products
    }
    return digest_of(
        [
            __version__,
            {
                key: entry.value
                for key, entry in world.assumptions.items()
                if not key.startswith("evidence.")
            },
            priors_digest(task.latents.constants.values()),
            _without_priors([nouns, products]),
            trial.model_dump(exclude={"rows"}),
            {name: [figure.metric, figure.of, figure.clock] for name, figure in figures.items()},
            [n, task.config.seed],
        ]
    )


def _without_priors(tree: Any) -> Any:
    """A tree of numbers without what was believed before a calibration moved them."""
    if isinstance(tree, dict):
        return {key: _without_priors(part) for key, part in tree.items() if key != "prior"}
    return [_without_priors(part) for part in tree] if isinstance(tree, list) else tree


def _write_emulators(place: Path, digest: str, made: Mapping[str, FittedEmulator]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {"digest": np.array(digest)}
    for name, fitted in made.items():
        arrays |= {f"{name}|{part}": value for part, value in fitted.emulator.arrays().items()}
        if fitted.reliability is not None:
            arrays[f"{name}|reliability"] = np.array(
                [fitted.reliability.predicted, fitted.reliability.seen]
            )
    place.parent.mkdir(parents=True, exist_ok=True)
    with write_beside(place) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _read_emulators(
    place: Path, digest: str, at: NDArray[np.intp]
) -> dict[str, FittedEmulator] | None:
    """The emulators of a trial from an earlier run; None when they rest on something else."""
    if not place.is_file():
        return None
    with np.load(place, allow_pickle=False) as file:
        if str(file["digest"]) != digest:
            return None
        parts: dict[str, dict[str, NDArray[np.float64]]] = defaultdict(dict)
        for key in file.files:
            name, _, part = key.rpartition("|")
            if name:
                parts[name][part] = file[key]
    return {
        name: FittedEmulator(
            name,
            at,
            Emulator(
                intercept=float(own["intercept"][0]),
                linear=own["linear"],
                squared=own["squared"].astype(np.intp),
                squares=own["squares"],
                pairs=own["pairs"].astype(np.intp),
                products=own["products"],
            ),
            Reliability(*(tuple(row.tolist()) for row in own["reliability"]))
            if "reliability" in own
            else None,
        )
        for name, own in parts.items()
    }
