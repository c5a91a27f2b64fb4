"""Calibration: from priors and published counts to an ensemble of worlds, judged by leaving every
product out, by one command.

Four steps, each of which is kept in the results folder, so that a run that was interrupted goes on
where it was. Patients of every trial, each in a world of his own, tell how its figures move with
the constants (emulators). A hierarchy over products meets the figures. Its draws are the members of
the ensemble, simulated as they are; its most probable scores, corrected by what they simulate, the
reference world. And every product is forecast by a fit that never saw its figures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from crsrisk import __version__
from crsrisk.data import cross_validation
from crsrisk.data.assumptions import Strict, digest_of
from crsrisk.data.cross_validation import (
    CrossValidation,
    save_cross_validation,
)
from crsrisk.data.ensemble import Ensemble, ensemble_folder, load_ensemble, save_ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.evidence_use import ScoredFigure, likelihood_figures, scored_figures
from crsrisk.data.files import write_beside, write_text
from crsrisk.data.product import Product
from crsrisk.data.published_figures import PublishedFigure, Trial
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml, revised, yaml_text
from crsrisk.errors import InputError
from crsrisk.folders import find, synthetic_folder
from crsrisk.results import Z_95, Estimate, Result
from crsrisk.simulation.published_trials import measure, trial_simulator
from crsrisk.studies.experiment import experiment_file
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.uncertainty.constants import (
    Constant,
    constant_of,
    priors_digest,
    quantity_of,
    with_product_values,
    with_world_values,
)
from crsrisk.uncertainty.cross_validation import ForecastRate, cross_validated, summarise
from crsrisk.uncertainty.emulator import Emulator, Reliability
from crsrisk.uncertainty.emulator_errors import EmulatorErrors
from crsrisk.uncertainty.evidence_model import (
    FittedEmulator,
    Latents,
    design_scores,
    felt_by,
    fit_figure,
    latents_of,
    model_of,
    scales,
    spread_prior,
    trial_spread,
)
from crsrisk.uncertainty.forecast import shrink
from crsrisk.uncertainty.hierarchy import Draws, Model, Posterior, fit, most_probable
from crsrisk.uncertainty.members import MemberFigures, member_figures, member_outcomes
from crsrisk.uncertainty.observations import SIZE_WHEN_UNKNOWN, Target, link
from crsrisk.uncertainty.own_worlds import simulate_own_worlds
from crsrisk.uncertainty.posterior import (
    ConstantUpdate,
    constant_updates,
    updates_table,
    verdict,
)

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
MOVED = 0.05  # prior SDs below which a value is left as it was
MEETINGS = 2  # times that members are moved by what the simulator says of them
UPDATE_DRAWS = 1024  # from which shifts and SDs are read, so that chance moves no verdict
READING = 1.0  # prior SDs of a low or a high reading of every number in a product's file
_EFFECTS_SECTION = "random_effects"
_EFFECT_SPREAD = 0.6
_EFFECT_SOURCE = (
    "inferred: what the published figures of the product leave over"
    " (experiments/002_calibration); a copy for another product leaves this section out"
)
_FOLDERS = {
    "assumption": "assumptions",
    "policy": "policies",
    "mitigation": "mitigations",
}


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
class FittedFigure:
    """A published figure beside what worlds say of it, before and after they met the figures.

    ``prior`` and ``posterior`` are medians with 95% spans of the simulated figure, over draws of
    the priors and over the members.
    """

    id: str
    trial: str
    metric: str
    published: float
    n: float
    verified: bool
    prior: Estimate
    posterior: Estimate


@dataclass(frozen=True, repr=False)
class CalibrationResult(Result):
    """What the published figures did to the assumptions: an ensemble, the figures it meets, and how
    each constant moved.
    """

    config: Calibration
    results: Path
    ensemble: Ensemble
    figures: tuple[FittedFigure, ...]
    constants: tuple[ConstantUpdate, ...]
    spreads: Mapping[str, float]
    effective_size: float
    cross_validation: CrossValidation

    def summary(self) -> str:
        """How many constants stay, how many members there are, and where they lie."""
        n_left = sum(update.verdict != "constrains" for update in self.constants)
        return (
            f"{n_left} of {len(self.constants)} constants stay where their priors put them."
            f" {len(self.ensemble)} members; {self.cross_validation.summary()}: {self.results}"
        )

    def save(self) -> None:
        """Write ``members.csv``, ``about.json``, ``constants.csv``, ``figures.csv`` and
        ``cross_validation.json``.
        """
        save_ensemble(
            self.ensemble,
            self.results,
            about={
                "experiment": self.config.name,
                "scenario": self.config.scenario,
                "seed": self.config.seed,
                "version": __version__,
                "targets": [figure.id for figure in self.figures],
                "effective_size": round(self.ensemble.effective_size, 1),
                "inferred_sds": dict(self.spreads),
                "effective_size_of_sds": round(self.effective_size, 1),
            },
        )
        save_cross_validation(self.cross_validation, self.results)
        for name, table in (
            ("constants", updates_table(self.constants)),
            ("figures", self.to_frame()),
        ):
            text = table.to_csv(index=False, float_format="%.5g", lineterminator="\n")
            write_text(self.results / f"{name}.csv", text)

    def to_frame(self) -> pd.DataFrame:
        """One row a figure: published, and the spans under the priors and under the posterior."""
        return pd.DataFrame(
            [
                {
                    "id": figure.id,
                    "trial": figure.trial,
                    "metric": figure.metric,
                    "published": figure.published,
                    "n": figure.n,
                    "verified": figure.verified,
                    "prior_low": figure.prior.low,
                    "prior_median": figure.prior.value,
                    "prior_high": figure.prior.high,
                    "posterior_low": figure.posterior.low,
                    "posterior_median": figure.posterior.value,
                    "posterior_high": figure.posterior.high,
                }
                for figure in self.figures
            ]
        )

    def tables(self) -> tuple[TextTable, TextTable]:
        """The figures, and the constants that the evidence constrains."""
        figures = [
            (
                figure.id,
                figure.trial,
                figure.metric,
                f"{figure.published:.3g}{'' if figure.verified else ' unverified'}",
                _span_in_words(figure.prior),
                _span_in_words(figure.posterior),
            )
            for figure in self.figures
        ]
        constants = [
            (
                update.constant,
                f"{update.prior_median:.3g}",
                _span_in_words(update.posterior),
                f"{update.shift_prior_sd:+.2f}",
                f"{100 * update.left_of_prior_sd:.0f}%",
            )
            for update in self.constants
            if update.verdict == "constrains"
        ]
        return (
            text_table(
                "Figures the assumptions were confronted with",
                ("figure", "trial", "what", "published", "draws of the priors", "members"),
                figures,
            ),
            text_table(
                "Constants the evidence constrains",
                ("constant", "prior", "now (95%)", "moved (prior SD)", "SD left"),
                constants,
            ),
        )


def _span_in_words(estimate: Estimate) -> str:
    return f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"


def print_calibration(made: CalibrationResult) -> None:
    """What the evidence did to the assumptions, on the terminal."""
    console = console_of(130)
    for table in made.tables():
        table.print(console)
    console.print(made.summary())


def run_calibration(folder: Path, *, workers: int, begin: Begin) -> CalibrationResult:
    """Run one calibration and write its ensemble and tables to ``results/``."""
    path = experiment_file(folder)
    config = build(Calibration, read_yaml(path), where=str(path))
    results = path.parent / "results"
    task = prepare(config, results, workers=workers)
    emulators = all_emulators(task, begin)
    figures = task.figures
    model = model_of(figures, emulators, latents=task.latents, world=task.world)
    rng = np.random.default_rng(config.seed)
    first = fit(model, n=config.spreads, seed=config.seed).draw(config.members, rng).scores
    advance = begin("How far the emulators are off", len(figures))
    simulated = members_simulated(task, first, advance, seed=config.seed + 3)
    errors = EmulatorErrors.estimated(
        simulated, model.emulated(first), together=[figure.product for figure in model.figures]
    )
    model = model.shifted(errors.mean, errors.covariance)
    posterior = fit(model, n=config.spreads, seed=config.seed)
    reference = _reference(task, model, posterior, begin)
    updates = _updates(task, posterior, reference, rng)
    members = posterior.draw(config.members, rng)
    for turn in range(MEETINGS):
        advance = begin(f"Members meet the simulator ({turn + 1} of {MEETINGS})", len(figures))
        simulated = members_simulated(task, members.scores, advance, seed=config.seed + 3)
        by, left = errors.in_worlds(simulated, model.emulated(members.scores))
        members = members.moved(model, by=by, errors=left, step=0.5 if turn else 1.0)
    ensemble = _ensemble(task, members)
    made = CalibrationResult(
        config=config,
        results=results,
        ensemble=ensemble,
        figures=tuple(_fitted_figures(task, model, members.scores, begin)),
        constants=tuple(updates),
        spreads=posterior.spread_medians,
        effective_size=posterior.effective_size,
        cross_validation=_cross_validation(
            task, model, emulators, posterior=posterior, ensemble=ensemble, begin=begin
        ),
    )
    made.save()
    return made


@dataclass(frozen=True)
class _Task:
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


def prepare(config: Calibration, results: Path, *, workers: int) -> _Task:
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
    return _Task(config, results, world, products, figures, scored, latents, workers)


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


def all_emulators(
    task: _Task, begin: Begin, *, older: Path | None = None
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


def _emulators_of(task: _Task, trial: Trial, older: Path | None) -> dict[str, FittedEmulator]:
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


def _digest(task: _Task, trial: Trial, figures: Mapping[str, PublishedFigure], n: int) -> str:
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


def _reference(task: _Task, model: Model, posterior: Posterior, begin: Begin) -> Values:
    """Scores of the reference world: the most probable ones at the median SDs.

    The figures are simulated there, and what the emulators were off by is added to them, round
    after round, so that it is the simulator that meets the figures.
    """
    config = task.config
    log_sd = np.log([posterior.spread_medians[name] for name in model.spreads.names])
    advance = begin("Reference world", config.reference_rounds)
    scores, here = most_probable(model, log_sd=log_sd, start=posterior.mode), model
    for _ in range(config.reference_rounds):
        values, _ = here.linear(scores)
        here = here.shifted(_simulated_at(task, scores) - values, None)
        scores = most_probable(here, log_sd=log_sd, start=scores)
        advance(1)
    return scores


def _simulated_at(task: _Task, scores: Values) -> Values:
    """Every figure of the likelihood in one world, on its link scale."""
    values = {key: float(value[0]) for key, value in task.latents.values(scores[None]).items()}
    simulate = trial_simulator(
        {name: with_product_values(product, values) for name, product in task.products.items()},
        world=with_world_values(task.world, values),
        n=task.config.reference_patients,
        n_rare=task.config.reference_patients_rare,
        seed=task.config.seed + 1,
        workers=task.workers,
    )
    found = []
    for figure, trial in task.figures:
        told = measure(simulate(trial), figure=figure, trial=trial)
        found.append(link(told.value, is_rate=figure.is_rate, n=told.n))
    return np.array(found)


def _updates(
    task: _Task, posterior: Posterior, reference: Values, rng: np.random.Generator
) -> list[ConstantUpdate]:
    """What the figures did to every constant."""
    scores = posterior.draw(UPDATE_DRAWS, rng).scores
    at = [k for k, key in enumerate(task.latents.keys) if key in task.latents.constants]
    updates = constant_updates(
        [task.latents.constants[task.latents.keys[k]] for k in at],
        scores[:, at],
        np.full(UPDATE_DRAWS, 1.0 / UPDATE_DRAWS),
        reference[at],
    )
    effects = [
        _effect_update(key, scores[:, k], float(reference[k]))
        for k, key in enumerate(task.latents.keys)
        if key not in task.latents.constants
    ]
    spreads = _spread_updates(task, posterior)
    return [*updates, *effects, *spreads]


def _spread_updates(task: _Task, posterior: Posterior) -> list[ConstantUpdate]:
    """What the figures did to the inferred SDs."""
    prior = spread_prior(task.world)
    made = []
    for k, name in enumerate(prior.names):
        values, sd = posterior.log_sds[:, k], float(np.sqrt(prior.log_covariance[k, k]))
        mean = float(posterior.weights @ values)
        left = float(np.sqrt(posterior.weights @ np.square(values - mean))) / sd
        shift = (mean - float(prior.log_median[k])) / sd
        middle, low, high = (float(np.exp(mean + z * left * sd)) for z in (0.0, -Z_95, Z_95))
        made.append(
            ConstantUpdate(
                constant=f"assumption:evidence.{name}",
                prior_median=float(np.exp(prior.log_median[k])),
                posterior=Estimate(middle, low, high),
                most_probable=posterior.spread_medians[name],
                shift_prior_sd=shift,
                left_of_prior_sd=left,
                verdict=verdict(shift=shift, left=left),
            )
        )
    return made


def _effect_update(key: str, draws: Values, reference: float) -> ConstantUpdate:
    """A random effect, whose prior is a spread that is inferred itself."""
    low, middle, high = np.percentile(draws, [2.5, 50.0, 97.5])
    return ConstantUpdate(
        constant=key,
        prior_median=0.0,
        posterior=Estimate(float(middle), float(low), float(high)),
        most_probable=reference,
        shift_prior_sd=float("nan"),
        left_of_prior_sd=float("nan"),
        verdict="prior",
    )


def _ensemble(task: _Task, members: Draws) -> Ensemble:
    """The members: every constant and random effect that a fitted figure can feel, for it is all of
    them together that meet the figures, and the inferred SDs.
    """
    trials = {trial.name: trial for _, trial in task.figures}.values()
    felt = {
        int(k) for trial in trials for k in felt_by(task.latents, trial, products=task.products)
    }
    values, sds = task.latents.values(members.scores), members.sds
    columns = {key: values[key] for k, key in enumerate(task.latents.keys) if k in felt}
    names = spread_prior(task.world).names
    columns |= {f"assumption:evidence.{name}": sds[:, k] for k, name in enumerate(names)}
    return Ensemble(
        tuple(columns),
        np.column_stack(list(columns.values())),
        np.full(len(sds), 1.0 / len(sds)),
        priors_digest(task.latents.constants.values()),
    )


def _fitted_figures(task: _Task, model: Model, scores: Values, begin: Begin) -> list[FittedFigure]:
    """Each figure: published, in draws of the prior (by its emulator), and in the members."""
    config = task.config
    rng = np.random.default_rng(config.seed)
    log_sd = model.spreads.log_median
    latent, _ = model.variances(log_sd)
    prior = rng.standard_normal((len(scores), len(latent))) * np.sqrt(latent)
    simulated = members_simulated(
        task, scores, begin("Simulating the members", len(task.figures)), seed=config.seed + 2
    )
    made = []
    for (figure, trial), emulated, members in zip(
        task.figures, model.figures, simulated, strict=True
    ):
        back = expit if figure.is_rate else np.exp
        before = emulated.emulator.value(prior[:, emulated.at] / emulated.scale)
        is_known = members.is_known
        after = shrink(
            members.values[is_known],
            members.noise[is_known],
            np.full(is_known.sum(), 1.0 / max(is_known.sum(), 1)),
        )
        made.append(
            FittedFigure(
                id=figure.id,
                trial=trial.name,
                metric=figure.metric,
                published=figure.value,
                n=emulated.n or float(figure.n_patients or SIZE_WHEN_UNKNOWN),
                verified=figure.verified,
                prior=_span(back(before)),
                posterior=_span(back(after)),
            )
        )
    return made


def members_simulated(
    task: _Task, scores: Values, advance: Callable[[int], None], *, seed: int
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


def _span(values: Values) -> Estimate:
    low, median, high = np.percentile(values, [2.5, 50.0, 97.5])
    return Estimate(float(median), float(low), float(high))


def _cross_validation(
    task: _Task,
    model: Model,
    emulators: Mapping[str, FittedEmulator],
    *,
    posterior: Posterior,
    ensemble: Ensemble,
    begin: Begin,
) -> CrossValidation:
    """Every scored rate forecast by a fit that never saw a figure of its product."""
    config = task.config
    products = sorted({scored.product for scored, _, _ in task.scored})
    advance = begin("Products left out", len(products))
    forecasts: list[ForecastRate] = []
    for number, name in enumerate(products):
        seed = config.seed + 100 * number
        forecasts += _left_out(task, model, emulators, name, near=posterior, seed=seed)
        advance(1)
    trial_sd = task.world.assumptions["evidence.between_trial_rate_sd"]
    rows, weights = cross_validated(
        forecasts,
        trial_sd=trial_sd.value if trial_sd.prior is None else trial_sd.prior,
        seed=config.seed,
    )
    return CrossValidation(
        version=__version__,
        seed=config.seed,
        n_members=config.left_out_members,
        ensemble=ensemble.digest,
        rows=tuple(rows),
        summary_of=summarise(rows, weights, seed=config.seed),
    )


def _left_out(
    task: _Task,
    model: Model,
    emulators: Mapping[str, FittedEmulator],
    name: str,
    *,
    near: Posterior,
    seed: int,
) -> list[ForecastRate]:
    """What a fit without a product's figures, and its file, say of its scored rates."""
    config, latents, product = task.config, task.latents, task.products[name]
    n, rng = config.left_out_members, np.random.default_rng(seed)
    posterior = fit(model.without(name), n=config.spreads, seed=config.seed, near=near)
    draws = posterior.draw(n, rng)
    scores, sds, names = draws.scores.copy(), draws.sds, model.spreads.names
    own = latents.of_product(name)
    fresh = rng.standard_normal((n, len(own)))
    for k, drawn in zip(own, fresh.T, strict=True):
        spread = latents.spread_of[k]
        scores[:, k] = drawn * (sds[:, spread] if spread >= 0 else 1.0)
    values = latents.values(scores)
    made = []
    by_trial: dict[str, list[tuple[ScoredFigure, PublishedFigure]]] = defaultdict(list)
    trials = {trial.name: trial for _, _, trial in task.scored}
    for scored, figure, trial in task.scored:
        if scored.product == name:
            by_trial[trial.name].append((scored, figure))
    for at, rows in by_trial.items():
        trial = trials[at]
        outcomes = member_outcomes(
            trial,
            products=task.products,
            values=values,
            n_members=n,
            each=config.member_patients_rare if task.is_rare(trial) else config.member_patients,
            world=task.world,
            seed=seed,
            workers=task.workers,
        )
        figures = [figure for _, figure in rows]
        simulated = member_figures(outcomes, figures, trial=trial, n_members=n)
        for (scored, figure), members in zip(rows, simulated, strict=True):
            is_known = members.is_known
            known = int(is_known.sum())
            center = shrink(
                members.values[is_known], members.noise[is_known], np.full(known, 1.0 / known)
            )
            between = sds[is_known, names.index(trial_spread(Target(figure, trial)))]
            between = between / sqrt(trial.n_trials)
            repeated = center[:, None] + between[:, None] * rng.standard_normal((known, 20))
            low, high = _readings(latents, emulators[figure.id], scores, own)
            made.append(
                ForecastRate(scored, product, trial.regimen, expit(repeated.ravel()), low, high)
            )
    return made


def _readings(
    latents: Latents, fitted: FittedEmulator, scores: Values, own: Sequence[int]
) -> tuple[float, float]:
    """Median rates with every uncertain number of the product's file read one SD towards less, and
    towards more.
    """
    scale = scales(latents)[fitted.at]
    slopes = np.zeros(len(latents.keys))
    slopes[fitted.at] = fitted.emulator.slope(np.median(scores[:, fitted.at], axis=0) / scale)
    numbers = [k for k in own if latents.spread_of[k] < 0]
    medians = []
    for side in (-1.0, 1.0):
        read = scores.copy()
        read[:, numbers] = side * READING * np.sign(slopes[numbers])
        rate = expit(fitted.emulator.value(read[:, fitted.at] / scale))
        medians.append(float(np.median(rate)))
    return medians[0], medians[1]


def apply_calibration(results: Path) -> list[str]:
    """Make the result of a calibration the world that everybody uses; names of changed files.

    The most probable values go into the files of assumptions, products, policies and mitigations,
    the ensemble beside them. The value that was believed before stays in each file as ``prior``, so
    a second calibration starts where the first did. What moved by less than 0.05 prior SDs is left,
    and so is what is off or at its cap, which is a choice.

    Raises
    ------
    InputError
        When the folder holds no results of a calibration, or an ensemble that is not whole.
    """
    table = results / "constants.csv"
    for name in ("constants.csv", "about.json", cross_validation.FILE):
        if not (results / name).is_file():
            raise InputError(
                where=str(results),
                key=name,
                found="no such file",
                expected="results of a calibration",
                cure="run crsrisk run experiments/002_calibration, then give its results folder",
            )
    load_ensemble(results)  # refuses one that is not whole before anything is written
    cross_validation.load_cross_validation(results)
    moved = pd.read_csv(table)
    values = dict(zip(moved["constant"].astype(str), moved["most_probable"], strict=True))
    known = _known_constants(values)
    by_file: dict[Path, dict[tuple[str, ...], float]] = defaultdict(dict)
    effects: dict[Path, dict[str, float]] = defaultdict(dict)
    for key, value in values.items():
        place, path = _place(key)
        if path[0] == _EFFECTS_SECTION:
            effects[place][path[1]] = float(value)
            continue
        constant = known[key]
        is_switch = constant.median in (constant.low, constant.high)
        is_moved = not is_switch and abs(constant.score(float(value))) >= MOVED
        by_file[place][path] = float(value) if is_moved else constant.median
    texts = {
        place: revised(place.read_text(encoding="utf-8"), values, where=place.name)
        for place, values in by_file.items()
    }
    for place, of_product in effects.items():
        text = texts[place] if place in texts else place.read_text(encoding="utf-8")
        texts[place] = _with_effects(text, of_product)
    for place, text in sorted(texts.items()):
        write_text(place, text)
    for name in ("members.csv", "about.json", cross_validation.FILE):
        write_text(ensemble_folder() / name, (results / name).read_text(encoding="utf-8"))
    return [place.name for place in sorted(texts)]


def _with_effects(text: str, effects: Mapping[str, float]) -> str:
    """The text of a product's file with its random effects as the last section."""
    kept = re.sub(rf"(?m)^{_EFFECTS_SECTION}:.*\n(?:[ \t].*\n|\n)*", "", f"{text}\n").rstrip("\n")
    section = {
        _EFFECTS_SECTION: {
            name: {
                "value": float(f"{value:.4g}"),
                "unit": "1",
                "spread": _EFFECT_SPREAD,
                "range": [-8.0, 8.0],
                "source": _EFFECT_SOURCE,
                "strength": "estimated",
            }
            for name, value in effects.items()
        }
    }
    return f"{kept}\n{yaml_text(section)}"


def _known_constants(keys: Iterable[str]) -> dict[str, Constant]:
    """Constants of the reference world and of the products that the keys name."""
    world, names = load_world(), set()
    for key in keys:
        kind, _, rest = key.partition(":")
        names |= {rest.partition(".")[0]} if kind == "product" else set()
    products = {name: load_product(name) for name in sorted(names)}
    made = (
        constant_of(key, quantity_of(key, world=world, products=products))
        for key in keys
        if f".{_EFFECTS_SECTION}." not in key
    )
    return {constant.key: constant for constant in made if constant is not None}


def _place(key: str) -> tuple[Path, tuple[str, ...]]:
    """File of a constant, and its path inside."""
    kind, _, rest = key.partition(":")
    stem, *path = rest.split(".")
    if kind == "product":
        return find("products", stem), tuple(path)
    return synthetic_folder() / _FOLDERS[kind] / f"{stem}.yaml", tuple(path)
