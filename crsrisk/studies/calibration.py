"""Calibration: from priors and published counts to an ensemble of worlds, judged by leaving every
product out, by one command.

Four steps, each of which is kept in the results folder, so that a run that was interrupted goes on
where it was. Patients of every trial, each in a world of his own, tell how its figures move with
the constants (emulators). A hierarchy over products meets the figures. Its draws are the members of
the ensemble, simulated as they are; its most probable scores, corrected by what they simulate, the
reference world. And every product is forecast by a fit that never saw its figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk import __version__
from crsrisk.data.cross_validation import CrossValidation, save_cross_validation
from crsrisk.data.ensemble import Ensemble, save_ensemble
from crsrisk.data.files import write_text
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.results import Z_95, Estimate, Result
from crsrisk.simulation.published_trials import measure, trial_simulator
from crsrisk.studies.calibration_emulators import all_emulators
from crsrisk.studies.calibration_task import (
    Calibration,
    CalibrationTask,
    members_simulated,
    prepare,
)
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.products_left_out import leave_products_out
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.uncertainty.constants import (
    priors_digest,
    with_product_values,
    with_world_values,
)
from crsrisk.uncertainty.emulator_errors import EmulatorErrors
from crsrisk.uncertainty.evidence_model import (
    felt_by,
    model_of,
    spread_prior,
)
from crsrisk.uncertainty.forecast import shrink
from crsrisk.uncertainty.hierarchy import Draws, Model, Posterior, fit, most_probable
from crsrisk.uncertainty.observations import SIZE_WHEN_UNKNOWN, link
from crsrisk.uncertainty.posterior import (
    ConstantUpdate,
    constant_updates,
    updates_table,
    verdict,
)

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
MEETINGS = 2  # times that members are moved by what the simulator says of them
UPDATE_DRAWS = 1024  # from which shifts and SDs are read, so that chance moves no verdict


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
        cross_validation=leave_products_out(
            task, model, emulators, posterior=posterior, ensemble=ensemble, begin=begin
        ),
    )
    made.save()
    return made


def _reference(task: CalibrationTask, model: Model, posterior: Posterior, begin: Begin) -> Values:
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


def _simulated_at(task: CalibrationTask, scores: Values) -> Values:
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
    task: CalibrationTask, posterior: Posterior, reference: Values, rng: np.random.Generator
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


def _spread_updates(task: CalibrationTask, posterior: Posterior) -> list[ConstantUpdate]:
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


def _ensemble(task: CalibrationTask, members: Draws) -> Ensemble:
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


def _fitted_figures(
    task: CalibrationTask, model: Model, scores: Values, begin: Begin
) -> list[FittedFigure]:
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


def _span(values: Values) -> Estimate:
    low, median, high = np.percentile(values, [2.5, 50.0, 97.5])
    return Estimate(float(median), float(low), float(high))
