"""Calibration: from priors and published counts to an ensemble of worlds, by one command.

Each member of the ensemble is a draw of the priors, moved as little as meets figures that the
trials might have reported: simulated, moved along the slopes of its figures, and simulated again,
round after round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from rich.table import Table
from scipy.special import expit

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import Ensemble, ensemble_folder, load_ensemble, save_ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.files import write_text
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml, revised
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.studies.experiment import experiment_file
from crsrisk.uncertainty.constants import (
    Constant,
    priors_digest,
    product_constants,
    shared_constants,
)
from crsrisk.uncertainty.observations import (
    Observation,
    Simulated,
    Target,
    observations,
    sampling_variance,
    simulate_points,
    varied_constants,
)
from crsrisk.uncertainty.posterior import (
    agreed,
    corrected,
    moved,
    moved_table,
    normal_data,
    slopes_at,
    verdict,
)

Values = NDArray[np.float64]
CLOSER = 1.0 / 3.0  # of the spread between trials, for the reference world
# SD of a figure that a world cannot say, such as the onset of CRS that nobody had: it moves
# nothing,
UNKNOWN = 1e3
MISSED = 2.0  # and counts as missed by so many SDs
Begin = Callable[[str, int], Callable[[int], None]]


class Calibration(Strict):
    """What a calibration confronts the assumptions with, and how much it may compute."""

    kind: str
    name: str
    question: str
    scenario: str
    seed: int = Field(ge=0)
    targets: list[str] = Field(min_length=1)
    slope_patients: int = Field(ge=64)
    slope_patients_rare: int = Field(ge=64)
    patients: int = Field(ge=64)
    patients_rare: int = Field(ge=64)
    members: int = Field(ge=10)
    rounds: int = Field(ge=1)
    reference_rounds: int = Field(ge=1)
    reference_patients: int = Field(ge=64)
    reference_patients_rare: int = Field(ge=64)
    final_patients: int = Field(ge=64)
    final_patients_rare: int = Field(ge=64)


@dataclass(frozen=True)
class _Task:
    config: Calibration
    world: World
    products: list[Product]
    targets: list[Target]
    constants: list[Constant]
    observed: list[Observation]
    workers: int

    def simulate(
        self,
        scores: Values,
        n: int,
        n_rare: int,
        *,
        stream: int,
        has_same_patients: bool = False,
        advance: Callable[[int], None] | None = None,
    ) -> Simulated:
        """The targets at each row of scores; each ``stream`` has patients of its own."""
        return simulate_points(
            scores,
            constants=self.constants,
            targets=self.targets,
            world=self.world,
            products=self.products,
            n=n,
            n_rare=n_rare,
            seed=self.config.seed + 10**6 * stream,
            has_same_patients=has_same_patients,
            workers=self.workers,
            advance=advance,
        )


@dataclass(frozen=True)
class _Aims:
    """Where worlds start (world, constant), and the figures that they are to meet with their SDs
    (world, target).
    """

    start: Values
    wanted: Values
    sd: Values


def find_targets(ids: Sequence[str], *, trials: Sequence[Trial]) -> list[Target]:
    """The figures with these ids; only calibration figures may be asked for."""
    by_id = {figure.id: Target(figure, trial) for trial in trials for figure in trial.figures}
    for name in ids:
        if name not in by_id:
            raise InputError(
                where="experiment.yaml",
                key="targets",
                found=name,
                expected="the id of a calibration figure",
                cure=(
                    "choose among the figures of sources with role: calibration in"
                    " synthetic/evidence/"
                ),
            )
    return [by_id[name] for name in ids]


def run_calibration(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one calibration and write its ensemble, tables and summary to ``results/``; gives the
    summary.
    """
    path = experiment_file(folder)
    config = build(Calibration, read_yaml(path), where=str(path))
    results = path.parent / "results"
    world = load_world(config.scenario)
    targets = find_targets(config.targets, trials=load_trials(role="calibration"))
    products = [
        load_product(name)
        for name in dict.fromkeys(name for target in targets for name in target.trial.products)
    ]
    constants = varied_constants(world, products, targets)
    task = _Task(
        config, world, products, targets, constants, observations(targets, world=world), workers
    )
    reference, slopes = _reference(task, begin)
    scores, before = _members(task, slopes, begin)
    many = task.simulate(
        scores,
        config.final_patients,
        config.final_patients_rare,
        stream=4,
        advance=begin("Simulating the members", config.members),
    )
    values = np.array(
        [
            [float(one.at(score)) for one, score in zip(constants, row, strict=True)]
            for row in scores
        ]
    )
    weights = np.full(config.members, 1.0 / config.members)
    ensemble = Ensemble(
        tuple(one.key for one in constants), values, weights, priors_digest(constants)
    )
    save_ensemble(
        ensemble,
        results,
        about={
            "experiment": config.name,
            "scenario": config.scenario,
            "seed": config.seed,
            "version": __version__,
            "targets": config.targets,
            "effective_size": round(ensemble.effective_size, 1),
        },
    )
    shifted = moved_table(constants, scores, weights, reference)
    fitted = fitted_table(task.observed, before, many)
    write_text(
        results / "constants.csv",
        shifted.to_csv(index=False, float_format="%.5g", lineterminator="\n"),
    )
    write_text(
        results / "figures.csv",
        fitted.to_csv(index=False, float_format="%.5g", lineterminator="\n"),
    )
    return {
        "results": str(results),
        "n_members": len(ensemble),
        "effective_size": ensemble.effective_size,
        "n_constants": len(constants),
        "figures": fitted,
        "constants": shifted,
    }


def _slopes(task: _Task, place: Values, advance: Callable[[int], None]) -> Values:
    """Slopes of every figure at one place, on which two groups of patients agree; each lives in all
    worlds around it.
    """

    def figures(stream: int) -> Callable[[Values], Values]:
        return lambda scores: (
            task.simulate(
                scores,
                task.config.slope_patients,
                task.config.slope_patients_rare,
                stream=stream,
                has_same_patients=True,
                advance=advance,
            ).values
        )

    return agreed(slopes_at(place, figures=figures(1)), slopes_at(place, figures=figures(5)))


def _reference(task: _Task, begin: Begin) -> tuple[Values, Values]:
    """Scores of the reference world, and the slopes there: from the medians, the least movement
    that meets the figures as they were published.

    More closely than the spread between trials asks for (a third of it): a member is a world in
    which such trials can happen, the reference is one that they typically happen in. It is
    approached twice, along the slopes at the medians, then along those where that led.
    """
    config, medians = task.config, np.zeros(len(task.constants))
    center, sd = normal_data(
        [replace(one, between_sd=CLOSER * one.between_sd) for one in task.observed]
    )
    aims = _Aims(medians[None, :], center[None, :], sd[None, :])
    place, slopes = medians, np.empty(0)
    for where in ("the medians of the priors", "the reference"):
        slopes = _slopes(task, place, begin(f"Slopes at {where}", 4 * len(medians)))
        advance = begin("Reference: simulating", config.reference_rounds)

        def simulate(scores: Values, advance: Callable[[int], None] = advance) -> Simulated:
            return task.simulate(
                scores,
                config.reference_patients,
                config.reference_patients_rare,
                stream=2,
                advance=advance,
            )

        found, _ = _approach(
            task,
            aims,
            slopes,
            scores=place[None, :],
            rounds=config.reference_rounds,
            simulate=simulate,
        )
        place = found[0]
    return place, slopes


def _members(task: _Task, slopes: Values, begin: Begin) -> tuple[Values, Simulated]:
    """Scores of the members, and what their draws of the prior simulated before they were moved."""
    config, rng = task.config, np.random.default_rng(task.config.seed)
    center, sd = normal_data(task.observed)
    draws = _Aims(
        rng.standard_normal((config.members, len(task.constants))),
        center + sd * rng.standard_normal((config.members, len(center))),
        np.tile(sd, (config.members, 1)),
    )
    advance = begin("Members: simulating", config.rounds * config.members)
    return _approach(
        task,
        draws,
        slopes,
        scores=draws.start,
        rounds=config.rounds,
        simulate=lambda scores: task.simulate(
            scores, config.patients, config.patients_rare, stream=3, advance=advance
        ),
    )


def _approach(
    task: _Task,
    aims: _Aims,
    slopes: Values,
    *,
    scores: Values,
    rounds: int,
    simulate: Callable[[Values], Simulated],
) -> tuple[Values, Simulated]:
    """Worlds moved from ``scores``, round after round, by what they simulate, and the first round.

    A world keeps its patients over the rounds, so that its slopes can be corrected by what its
    moves did. Of all rounds each world's nearest to start and figures together is kept (in squared
    SDs).
    """
    slopes = np.repeat(slopes[None], len(aims.start), axis=0)
    nearest, best = np.full(len(scores), np.inf), scores
    first = last = simulate(scores)
    for number in range(rounds):
        found = last if number == 0 else simulate(scores)
        slopes = corrected(slopes, moved=scores - last.scores, changed=found.values - last.values)
        last = found
        is_known = ~np.isnan(found.values)
        noise = np.column_stack(
            [
                sampling_variance(found.values[:, j], found.sizes[:, j], is_rate=target.is_rate)
                for j, target in enumerate(task.targets)
            ]
        )
        figures = np.where(is_known, found.values, aims.wanted)
        sd = np.where(is_known, np.sqrt(aims.sd**2 + noise), UNKNOWN)
        missed = np.where(is_known, (aims.wanted - figures) / sd, MISSED)
        away = np.square(scores - aims.start).sum(axis=1) + np.square(missed).sum(axis=1)
        is_nearer = away < nearest
        best, nearest = np.where(is_nearer[:, None], scores, best), np.minimum(away, nearest)
        scores = moved(
            scores, prior=aims.start, found=figures, slopes=slopes, wanted=aims.wanted, sd=sd
        )
    return best, first


def fitted_table(
    observed: Sequence[Observation], before: Simulated, after: Simulated
) -> pd.DataFrame:
    """Each target: published, under the priors and under the posterior (medians and 95% spans of
    the simulated figures).
    """
    rows = []
    for k, one in enumerate(observed):
        back = expit if one.target.is_rate else np.exp
        spans = {
            f"{when}_{name}": float(value)
            for when, found in (("prior", before), ("posterior", after))
            for name, value in zip(
                ("low", "median", "high"),
                back(np.nanpercentile(found.values[:, k], [2.5, 50.0, 97.5])),
                strict=True,
            )
        }
        rows.append(
            {
                "id": one.target.figure.id,
                "trial": one.target.trial.name,
                "metric": one.target.figure.metric,
                "published": one.target.figure.value,
                "n": one.n,
                "verified": one.target.figure.verified,
                **spans,
            }
        )
    return pd.DataFrame(rows)


def print_calibration(found: dict[str, Any]) -> None:
    """What the evidence did to the assumptions, on the terminal."""
    console = Console(width=max(Console().width, 130))
    figures = Table(title="Figures the assumptions were confronted with", title_justify="left")
    for name in ("figure", "trial", "what", "published", "draws of the priors", "members"):
        figures.add_column(name, overflow="fold")
    for row in found["figures"].to_dict("records"):
        doubt = "" if row["verified"] else " unverified"
        figures.add_row(
            row["id"],
            row["trial"],
            row["metric"],
            f"{row['published']:.3g}{doubt}",
            *(
                f"{row[f'{when}_median']:.3g} ({row[f'{when}_low']:.3g} to"
                f" {row[f'{when}_high']:.3g})"
                for when in ("prior", "posterior")
            ),
        )
    console.print(figures)
    constants = found["constants"]
    is_moved = np.array(
        [
            verdict(shift=shift, left=left) == "constrains"
            for shift, left in zip(
                constants["shift_prior_sd"], constants["left_of_prior_sd"], strict=True
            )
        ]
    )
    table = Table(title="Constants the evidence speaks to", title_justify="left")
    for name in ("constant", "prior", "now (95%)", "moved (prior SD)", "SD left"):
        table.add_column(name, overflow="fold")
    for row in constants[is_moved].to_dict("records"):
        table.add_row(
            row["constant"],
            f"{row['prior_median']:.3g}",
            f"{row['posterior_median']:.3g} "
            f"({row['posterior_low']:.3g} to {row['posterior_high']:.3g})",
            f"{row['shift_prior_sd']:+.2f}",
            f"{100 * row['left_of_prior_sd']:.0f}%",
        )
    console.print(table)
    console.print(
        f"{int((~is_moved).sum())} of {found['n_constants']} constants stay where their priors put"
        f" them. {found['n_members']} members, effective size {found['effective_size']:.0f}:"
        f" {found['results']}"
    )


# Adopt: make the result of a calibration the world that everybody uses.


MOVED = 0.05  # prior SDs below which a value is left as it was
_FOLDERS = {
    "assumption": "assumptions",
    "product": "products",
    "policy": "policies",
    "mitigation": "mitigations",
}


def adopt(results: Path) -> list[str]:
    """Put the most probable values of a calibration into the files and its ensemble beside them;
    names of changed files.

    The value that was believed before stays in each file as ``prior``, so a second calibration
    starts where the first did.
    """
    table = results / "constants.csv"
    if not table.is_file():
        raise InputError(
            where=str(results),
            key="constants.csv",
            found="no such file",
            expected="results of a calibration",
            cure="run crsrisk run experiments/002_calibration, then give its results folder",
        )
    load_ensemble(results)  # refuses one that is not whole before anything is written
    moved = pd.read_csv(table)
    world = load_world()
    products = {
        key.partition(":")[2].partition(".")[0]
        for key in moved["constant"]
        if key.startswith("product:")
    }
    known = {
        one.key: one
        for one in (
            *shared_constants(world),
            *(one for name in sorted(products) for one in product_constants(load_product(name))),
        )
    }
    by_file: dict[Path, dict[tuple[str, ...], float]] = defaultdict(dict)
    for key, value in zip(moved["constant"], moved["most_probable"], strict=True):
        place, path = _place(key)
        one = known[key]
        # what is off, or at its cap, is a choice and stays
        is_switch = one.median in (one.low, one.high)
        is_moved = not is_switch and abs(one.score(float(value))) >= MOVED
        by_file[place][path] = float(value) if is_moved else one.median
    texts = {
        place: revised(place.read_text(encoding="utf-8"), values, where=place.name)
        for place, values in by_file.items()
    }
    for place, text in sorted(texts.items()):
        write_text(place, text)
    for name in ("members.csv", "about.json"):
        write_text(ensemble_folder() / name, (results / name).read_text(encoding="utf-8"))
    return [place.name for place in sorted(texts)]


def _place(key: str) -> tuple[Path, tuple[str, ...]]:
    """File of a constant, and its path inside."""
    kind, _, rest = key.partition(":")
    stem, *path = rest.split(".")
    return synthetic_folder() / _FOLDERS[kind] / f"{stem}.yaml", tuple(path)
