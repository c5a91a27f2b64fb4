"""Calibration: from priors and published counts to an ensemble of worlds, by one command.

Waves of simulated worlds teach an emulator; elliptical slice sampling draws worlds that the evidence leaves standing; each
of those is simulated again with more patients and weighted by how well it does, so that the emulator decides nothing in
the end.
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
from crsrisk.belief.emulator import Emulator, emulate, fit_emulators
from crsrisk.belief.likelihood import Observation, log_likelihood, observations
from crsrisk.belief.posterior import elliptical_slice, importance, most_probable
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
RADIUS = 0.5  # prior SDs around a reference, in which the first correction of the emulator is simulated
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
    refine: list[int]
    patients: int = Field(ge=64)
    patients_rare: int = Field(ge=64)
    steps: int = Field(ge=20)
    candidates: int = Field(ge=20)
    candidate_patients: int = Field(ge=64)
    candidate_patients_rare: int = Field(ge=64)
    members: int = Field(ge=10)


@dataclass(frozen=True)
class _Task:
    config: Calibration
    targets: list[Target]
    constants: list[Constant]
    observed: list[Observation]
    simulate: Callable[[Values, int, int, int, Callable[[int], None] | None], Simulated]


def find_targets(ids: Sequence[str], *, trials: Sequence[Trial]) -> list[Target]:
    """The figures with these ids; only calibration figures may be asked for."""
    by_id = {figure.id: Target(figure, trial) for trial in trials for figure in trial.rows}
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
    products = [load_product(name) for name in dict.fromkeys(target.trial.product for target in targets)]
    constants = varied_constants(world, products, targets)

    def simulate(scores: Values, n: int, n_rare: int, seed: int, advance: Callable[[int], None] | None) -> Simulated:
        return simulate_points(scores, constants=constants, targets=targets, world=world, products=products, n=n,
                               n_rare=n_rare, seed=seed, workers=workers, advance=advance)

    task = _Task(config, targets, constants, observations(targets, world=world), simulate)
    points, emulators = _learn(task, begin)
    candidates = _draw(task, emulators, config.candidates, seed=config.seed + 1, begin=begin)
    many = simulate(candidates, config.candidate_patients, config.candidate_patients_rare, config.seed + 10**6,
                    begin("Simulating the worlds that are left", len(candidates)))
    weights = _weights(task, emulators, many)
    reference = _refined(task, emulators, start=weights @ candidates, begin=begin)
    kept = np.sort(np.argsort(-weights, kind="stable")[: config.members])
    values = np.array([[float(one.at(score)) for one, score in zip(constants, candidates[k], strict=True)] for k in kept])
    priors = digest_of({one.key: [one.median, one.spread, one.low, one.high] for one in constants})
    ensemble = Ensemble(tuple(one.key for one in constants), values, weights[kept] / weights[kept].sum(), priors)
    save_ensemble(ensemble, results, about={
        "experiment": config.name, "scenario": config.scenario, "seed": config.seed, "version": __version__,
        "targets": config.targets, "effective_size": round(ensemble.effective_size, 1)})
    moved = moved_table(constants, candidates, weights, reference)
    fitted = fitted_table(task.observed, emulators, points, many, weights)
    write_text(results / "constants.csv", moved.to_csv(index=False, float_format="%.5g", lineterminator="\n"))
    write_text(results / "figures.csv", fitted.to_csv(index=False, float_format="%.5g", lineterminator="\n"))
    return {"results": str(results), "n_members": len(ensemble), "effective_size": ensemble.effective_size,
            "n_constants": len(constants), "figures": fitted, "constants": moved}


def _learn(task: _Task, begin: Begin) -> tuple[Simulated, list[Emulator]]:
    """Waves of worlds: the first over the prior, the next where the emulator so far leaves worlds standing."""
    points: Simulated | None = None
    emulators: list[Emulator] = []
    for wave, n in enumerate(task.config.waves):
        scores = (latin_hypercube(n, len(task.constants), seed=task.config.seed) if points is None
                  else _draw(task, emulators, n, seed=task.config.seed + 100 + wave, begin=begin))
        found = task.simulate(scores, task.config.patients, task.config.patients_rare,
                              task.config.seed + 10_000 * (wave + 1), begin(f"Wave {wave + 1}: simulating worlds", n))
        points = found if points is None else points.and_then(found)
        emulators = fit_emulators(found, targets=task.targets, constants=task.constants, before=emulators)
    assert points is not None
    return points, emulators


def _refined(task: _Task, emulators: Sequence[Emulator], *, start: Values, begin: Begin) -> Values:
    """Scores of the reference world: the least movement from the priors that meets the calibration figures themselves.

    Found on the emulator, then on corrections of it that are simulated closer and closer around what was found. Figures are
    met more closely than the spread between trials asks for (a third of it): an ensemble member is a world in which such
    trials can happen, the reference is one that they typically happen in.
    """
    observed = [replace(one, between_sd=CLOSER * one.between_sd) for one in task.observed]

    def best(known: Sequence[Emulator], start: Values) -> Values:
        def height(scores: Values) -> Values:
            center, error = emulate(known, scores)
            return log_likelihood(center, CLOSER * error, observed=observed)

        return most_probable(height, start=start)

    reference = best(emulators, start)
    rng = np.random.default_rng(task.config.seed + 7)
    for k, n in enumerate(task.config.refine):
        around = reference + RADIUS / (k + 1) * rng.standard_normal((n, len(reference)))
        found = task.simulate(around, task.config.patients, task.config.patients_rare,
                              task.config.seed + 2 * 10**6 + 10_000 * k, begin(f"Reference {k + 1}: simulating worlds", n))
        local = fit_emulators(found, targets=task.targets, constants=task.constants, before=emulators)
        reference = best(local, reference)
    return reference


def _emulated(task: _Task, emulators: Sequence[Emulator], scores: Values) -> Values:
    center, error = emulate(emulators, scores)
    return log_likelihood(center, error, observed=task.observed)


def _draw(task: _Task, emulators: Sequence[Emulator], n: int, *, seed: int, begin: Begin) -> Values:
    return elliptical_slice(lambda z: _emulated(task, emulators, z), n_dimensions=len(task.constants), n_chains=n,
                            n_steps=task.config.steps, seed=seed, advance=begin("Drawing worlds", task.config.steps))


def _weights(task: _Task, emulators: Sequence[Emulator], many: Simulated) -> Values:
    """Weights of candidates by what they themselves simulate, with the sampling error of that carried along."""
    noise = np.column_stack([sampling_variance(many.values[:, k], many.sizes[:, k], is_rate=target.is_rate)
                             for k, target in enumerate(task.targets)])
    exact = log_likelihood(many.values, np.sqrt(np.nan_to_num(noise, nan=1.0)), observed=task.observed)
    return importance(exact, _emulated(task, emulators, many.scores))


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
