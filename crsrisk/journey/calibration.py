"""Calibration: from priors and published counts to an ensemble of worlds, by one command.

Waves of simulated worlds teach an emulator. Each member of the ensemble is a draw of the priors, moved as little as meets
figures that the trials might have reported: first by the emulator, then by simulating it and moving it again, so that the
emulator gives the direction and the simulator decides.
"""

from __future__ import annotations

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
from crsrisk.belief.constants import Constant
from crsrisk.belief.design import Simulated, Target, latin_hypercube, sampling_variance, simulate_points, varied_constants
from crsrisk.belief.emulator import Emulator, emulate, fit_emulators, slopes_of
from crsrisk.belief.observations import Observation, observations
from crsrisk.belief.posterior import STEP, moved, normal_data, settle
from crsrisk.domain.assumptions import Strict, digest_of
from crsrisk.domain.ensemble import Ensemble
from crsrisk.domain.published import Trial
from crsrisk.errors import InputError
from crsrisk.journey.config import experiment_file
from crsrisk.read.ensemble import save_ensemble
from crsrisk.read.files import write_text
from crsrisk.read.published import load_trials
from crsrisk.read.strict_yaml import build, read_yaml
from crsrisk.read.world import load_product
from crsrisk.simulate.world import load_world

Values = NDArray[np.float64]
CLOSER = 1.0 / 3.0  # of the spread between trials, for the reference world
Begin = Callable[[str, int], Callable[[int], None]]


class Calibration(Strict):
    """What a calibration confronts the assumptions with, and how much it may compute."""

    kind: str
    name: str
    question: str
    scenario: str
    seed: int = Field(ge=0)
    targets: list[str] = Field(min_length=1)
    waves: list[int] = Field(min_length=1)
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
    targets: list[Target]
    constants: list[Constant]
    observed: list[Observation]
    simulate: Callable[[Values, int, int, int, Callable[[int], None] | None], Simulated]

    def at(self, scores: Values, seed: int, advance: Callable[[int], None] | None) -> Simulated:
        """Worlds simulated with as many patients as the waves have."""
        return self.simulate(scores, self.config.patients, self.config.patients_rare, self.config.seed + seed, advance)


@dataclass(frozen=True)
class _Members:
    """Draws of the prior (world, constant), and of what the trials might have reported, with SDs (world, target)."""

    prior: Values
    wanted: Values
    sd: Values


def find_targets(ids: Sequence[str], *, trials: Sequence[Trial]) -> list[Target]:
    """The figures with these ids; only calibration figures may be asked for."""
    by_id = {figure.id: Target(figure, trial) for trial in trials for figure in trial.figures}
    for name in ids:
        if name not in by_id:
            raise InputError(where="experiment.yaml", key="targets", found=name, expected="the id of a calibration figure",
                             cure="choose among the figures of sources with role: calibration in synthetic/evidence/")
    return [by_id[name] for name in ids]


def run_calibration(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run one calibration and write its ensemble, tables and summary to ``results/``; gives the summary."""
    path = experiment_file(folder)
    config = build(Calibration, read_yaml(path), where=str(path))
    results = path.parent / "results"
    world = load_world(config.scenario)
    targets = find_targets(config.targets, trials=load_trials(role="calibration"))
    products = [load_product(name) for name in dict.fromkeys(name for target in targets for name in target.trial.products)]
    constants = varied_constants(world, products, targets)

    def simulate(scores: Values, n: int, n_rare: int, seed: int, advance: Callable[[int], None] | None) -> Simulated:
        return simulate_points(scores, constants=constants, targets=targets, world=world, products=products, n=n,
                               n_rare=n_rare, seed=seed, workers=workers, advance=advance)

    task = _Task(config, targets, constants, observations(targets, world=world), simulate)
    points, emulators = _learn(task, begin)
    scores, near = _members(task, emulators, begin)
    reference = _reference(task, near, begin)
    many = simulate(scores, config.final_patients, config.final_patients_rare, config.seed + 10**6,
                    begin("Simulating the members", config.members))
    values = np.array([[float(one.at(score)) for one, score in zip(constants, row, strict=True)] for row in scores])
    priors = digest_of({one.key: [one.median, one.spread, one.low, one.high] for one in constants})
    weights = np.full(config.members, 1.0 / config.members)
    ensemble = Ensemble(tuple(one.key for one in constants), values, weights, priors)
    save_ensemble(ensemble, results, about={
        "experiment": config.name, "scenario": config.scenario, "seed": config.seed, "version": __version__,
        "targets": config.targets, "effective_size": round(ensemble.effective_size, 1)})
    shifted = moved_table(constants, scores, weights, reference)
    fitted = fitted_table(task.observed, emulators, points, many, weights)
    write_text(results / "constants.csv", shifted.to_csv(index=False, float_format="%.5g", lineterminator="\n"))
    write_text(results / "figures.csv", fitted.to_csv(index=False, float_format="%.5g", lineterminator="\n"))
    return {"results": str(results), "n_members": len(ensemble), "effective_size": ensemble.effective_size,
            "n_constants": len(constants), "figures": fitted, "constants": shifted}


def _learn(task: _Task, begin: Begin) -> tuple[Simulated, list[Emulator]]:
    """Waves of worlds: the first over the prior, the next where the emulator so far leaves worlds standing."""
    points: Simulated | None = None
    emulators: list[Emulator] = []
    for wave, n in enumerate(task.config.waves):
        scores = (latin_hypercube(n, len(task.constants), seed=task.config.seed) if points is None
                  else _settled(emulators, _drawn(task, n, seed=task.config.seed + 100 + wave)))
        found = task.at(scores, 10_000 * (wave + 1), begin(f"Wave {wave + 1}: simulating worlds", n))
        points = found if points is None else points.and_then(found)
        emulators = fit_emulators(found, targets=task.targets, constants=task.constants, before=emulators)
    assert points is not None
    return points, emulators


def _drawn(task: _Task, n: int, *, seed: int) -> _Members:
    rng = np.random.default_rng(seed)
    center, sd = normal_data(task.observed)
    return _Members(rng.standard_normal((n, len(task.constants))), center + sd * rng.standard_normal((n, len(center))),
                    np.tile(sd, (n, 1)))


def _settled(emulators: Sequence[Emulator], members: _Members) -> Values:
    """Members by the emulator alone, whose error counts like a spread of the data."""
    def emulated(scores: Values) -> tuple[Values, Values]:
        return emulate(emulators, scores)[0], slopes_of(emulators, scores)

    error = np.array([[one.error for one in emulators]])
    return settle(members.prior, emulated=emulated, wanted=members.wanted, sd=np.hypot(members.sd, error))


def _members(task: _Task, emulators: list[Emulator], begin: Begin) -> tuple[Values, list[Emulator]]:
    """Members moved by the emulator and then, round after round, by what they themselves simulate.

    Each round also corrects the emulator where the members are, so that slopes are those of the place.
    """
    members = _drawn(task, task.config.members, seed=task.config.seed + 1)
    scores = _settled(emulators, members)
    for k in range(task.config.rounds):
        found = task.at(scores, 2 * 10**6 + 10_000 * k, begin(f"Round {k + 1}: simulating members", len(scores)))
        emulators = fit_emulators(found, targets=task.targets, constants=task.constants, before=emulators)
        scores = _nearer(task, emulators, members, found)[0]
    return scores, emulators


def _nearer(task: _Task, emulators: Sequence[Emulator], members: _Members, found: Simulated) -> tuple[Values, Values]:
    """Members moved by what they simulated, and how far they were from draw and figures (a sum of squares) before."""
    guessed, error = emulate(emulators, found.scores)
    noise = np.column_stack([sampling_variance(found.values[:, j], found.sizes[:, j], is_rate=target.is_rate)
                             for j, target in enumerate(task.targets)])
    is_known = ~np.isnan(found.values)
    figures, sd = np.where(is_known, found.values, guessed), np.sqrt(members.sd**2 + np.where(is_known, noise, error**2))
    away = np.square(found.scores - members.prior).sum(axis=1) + np.square((members.wanted - figures) / sd).sum(axis=1)
    there = moved(found.scores, prior=members.prior, found=figures, slopes=slopes_of(emulators, found.scores),
                  wanted=members.wanted, sd=sd)
    return there, away


def _reference(task: _Task, emulators: Sequence[Emulator], begin: Begin) -> Values:
    """Scores of the reference world: from the medians, the least movement that meets the figures as they were published.

    More closely than the spread between trials asks for (a third of it): a member is a world in which such trials can
    happen, the reference is one that they typically happen in. Of all rounds the nearest is kept.
    """
    close = [replace(one, between_sd=CLOSER * one.between_sd) for one in task.observed]
    center, sd = normal_data(close)
    member = _Members(np.zeros((1, len(task.constants))), center[None, :], sd[None, :])
    scores, best, nearest = _settled(emulators, member), member.prior, np.inf
    advance = begin("Reference: simulating", task.config.reference_rounds)
    for k in range(task.config.reference_rounds):
        found = task.simulate(scores, task.config.reference_patients, task.config.reference_patients_rare,
                              task.config.seed + 3 * 10**6 + 10_000 * k, None)
        there, away = _nearer(task, emulators, member, found)
        if away[0] < nearest:
            best, nearest = scores, float(away[0])
        scores = scores + STEP * (there - scores)
        advance(1)
    return np.asarray(best[0])


def moved_table(constants: Sequence[Constant], scores: Values, weights: Values, reference: Values) -> pd.DataFrame:
    """What the evidence says of each constant, most constrained first.

    ``shift_prior_sd`` is how far its mean moved, ``left_of_prior_sd`` the posterior over the prior SD: about 1 means the
    evidence left it alone.
    """
    mean = weights @ scores
    sd = np.sqrt(weights @ (scores - mean) ** 2)
    table = pd.DataFrame({
        "constant": [one.key for one in constants], "prior_median": [one.median for one in constants],
        "posterior_median": [float(one.at(z)) for one, z in zip(constants, mean, strict=True)],
        "posterior_low": [float(one.at(z)) for one, z in zip(constants, mean - 1.96 * sd, strict=True)],
        "posterior_high": [float(one.at(z)) for one, z in zip(constants, mean + 1.96 * sd, strict=True)],
        "most_probable": [float(one.at(z)) for one, z in zip(constants, reference, strict=True)],
        "shift_prior_sd": mean, "left_of_prior_sd": sd,
    })
    order = np.argsort(-(np.abs(mean) + np.maximum(1.0 - sd, 0.0)), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def fitted_table(
    observed: Sequence[Observation], emulators: Sequence[Emulator], points: Simulated, many: Simulated, weights: Values
) -> pd.DataFrame:
    """Each target: published, under the prior, under the posterior (medians and 95% spans), and how good its emulator is."""
    rows = []
    for k, one in enumerate(observed):
        back = expit if one.target.is_rate else np.exp
        before = np.nanpercentile(points.values[:, k], [2.5, 50.0, 97.5])
        spans = zip(("low", "median", "high"), before, strict=True)
        known = ~np.isnan(many.values[:, k])
        order = np.argsort(many.values[known, k])
        mass = np.cumsum(weights[known][order]) / weights[known].sum()
        places = [min(int(np.searchsorted(mass, q)), len(order) - 1) for q in (0.025, 0.5, 0.975)]
        after = many.values[known, k][order][places]
        rows.append({
            "id": one.target.figure.id, "trial": one.target.trial.name, "metric": one.target.figure.metric,
            "published": one.target.figure.value, "n": one.n, "verified": one.target.figure.verified,
            **{f"waves_{name}": float(back(value)) for name, value in spans},
            "posterior_low": float(back(after[0])), "posterior_median": float(back(after[1])),
            "posterior_high": float(back(after[2])),
            "emulator_error": emulators[k].error, "emulator_explained": emulators[k].explained,
        })
    return pd.DataFrame(rows)


def print_calibration(found: dict[str, Any]) -> None:
    """What the evidence did to the assumptions, on the terminal."""
    console = Console(width=max(Console().width, 130))
    figures = Table(title="Figures the assumptions were confronted with", title_justify="left")
    for name in ("figure", "trial", "what", "published", "all worlds simulated", "worlds left", "emulator explains"):
        figures.add_column(name, overflow="fold")
    for row in found["figures"].to_dict("records"):
        doubt = "" if row["verified"] else " unverified"
        figures.add_row(row["id"], row["trial"], row["metric"], f"{row['published']:.3g}{doubt}",
                        *(f"{row[f'{when}_median']:.3g} ({row[f'{when}_low']:.3g} to {row[f'{when}_high']:.3g})"
                          for when in ("waves", "posterior")), f"{100 * row['emulator_explained']:.0f}%")
    console.print(figures)
    constants = found["constants"]
    is_moved = (constants["shift_prior_sd"].abs() > 0.5) | (constants["left_of_prior_sd"] < 0.8)
    table = Table(title="Constants the evidence speaks to", title_justify="left")
    for name in ("constant", "prior", "now (95%)", "moved (prior SD)", "SD left"):
        table.add_column(name, overflow="fold")
    for row in constants[is_moved].to_dict("records"):
        table.add_row(row["constant"], f"{row['prior_median']:.3g}", f"{row['posterior_median']:.3g} "
                      f"({row['posterior_low']:.3g} to {row['posterior_high']:.3g})", f"{row['shift_prior_sd']:+.2f}",
                      f"{100 * row['left_of_prior_sd']:.0f}%")
    console.print(table)
    console.print(f"{int((~is_moved).sum())} of {found['n_constants']} constants stay where their priors put them. "
                  f"{found['n_members']} members, effective size {found['effective_size']:.0f}: {found['results']}")
