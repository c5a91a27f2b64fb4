"""Calibration: from priors and published counts to an ensemble of worlds, by one command.

Each member of the ensemble is a draw of the priors, moved as little as meets figures that the
trials might have reported: simulated, moved along the slopes of its figures, and simulated again,
round after round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
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
from crsrisk.results import Estimate, Result
from crsrisk.studies.experiment import experiment_file
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.uncertainty.constants import (
    Constant,
    priors_digest,
    product_constants,
    shared_constants,
)
from crsrisk.uncertainty.observations import (
    Observation,
    SimulatedTargets,
    Target,
    observations,
    sampling_variance,
    simulate_points,
    varied_constants,
)
from crsrisk.uncertainty.posterior import (
    ConstantUpdate,
    agreeing_slopes,
    broyden_update,
    constant_updates,
    gauss_newton_move,
    normal_data,
    slopes_at,
    updates_table,
)

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
CLOSER = 1.0 / 3.0  # of the spread between trials, for the reference world
# SD of a figure that a world cannot say, such as the onset of CRS that nobody had: it moves
# nothing, and counts as missed by so many SDs
UNKNOWN = 1e3
MISSED = 2.0
MOVED = 0.05  # prior SDs below which a value is left as it was
_FOLDERS = {
    "assumption": "assumptions",
    "product": "products",
    "policy": "policies",
    "mitigation": "mitigations",
}


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

    def summary(self) -> str:
        """How many constants stay, how many members there are, and where they lie."""
        n_left = sum(update.verdict != "constrains" for update in self.constants)
        return (
            f"{n_left} of {len(self.constants)} constants stay where their priors put them."
            f" {len(self.ensemble)} members, effective size {self.ensemble.effective_size:.0f}:"
            f" {self.results}"
        )

    def save(self) -> None:
        """Write ``members.csv``, ``about.json``, ``constants.csv`` and ``figures.csv``."""
        save_ensemble(
            self.ensemble,
            self.results,
            about={
                "experiment": self.config.name,
                "scenario": self.config.scenario,
                "seed": self.config.seed,
                "version": __version__,
                "targets": self.config.targets,
                "effective_size": round(self.ensemble.effective_size, 1),
            },
        )
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
    task = _prepare(config, workers=workers)
    reference, slopes = _reference(task, begin)
    scores, before = _members(task, slopes, begin)
    after = task.simulate(
        scores,
        config.final_patients,
        config.final_patients_rare,
        stream=4,
        advance=begin("Simulating the members", config.members),
    )
    weights = np.full(config.members, 1.0 / config.members)
    made = CalibrationResult(
        config=config,
        results=path.parent / "results",
        ensemble=_ensemble(task, scores, weights),
        figures=tuple(fitted_figures(task.observed, before, after)),
        constants=tuple(constant_updates(task.constants, scores, weights, reference)),
    )
    made.save()
    return made


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
    ) -> SimulatedTargets:
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


def _prepare(config: Calibration, *, workers: int) -> _Task:
    """World, targets and constants of a calibration."""
    world = load_world(config.scenario)
    targets = find_targets(config.targets, trials=load_trials(role="calibration"))
    products = [
        load_product(name)
        for name in dict.fromkeys(name for target in targets for name in target.trial.products)
    ]
    return _Task(
        config,
        world,
        products,
        targets,
        varied_constants(world, products, targets),
        observations(targets, world=world),
        workers,
    )


def _reference(task: _Task, begin: Begin) -> tuple[Values, Values]:
    """Scores of the reference world, and the slopes there: from the medians, the least movement
    that meets the figures as they were published.

    More closely than the spread between trials asks for (a third of it): a member is a world in
    which such trials can happen, the reference is one that they typically happen in. It is
    approached twice, along the slopes at the medians, then along those where that led.
    """
    config, medians = task.config, np.zeros(len(task.constants))
    center, sd = normal_data(
        [replace(each, between_sd=CLOSER * each.between_sd) for each in task.observed]
    )
    aims = _Aims(medians[None, :], center[None, :], sd[None, :])
    place, slopes = medians, np.empty(0)
    for where in ("the medians of the priors", "the reference"):
        slopes = _slopes(task, place, begin(f"Slopes at {where}", 4 * len(medians)))
        advance = begin("Reference: simulating", config.reference_rounds)

        def simulate(scores: Values, advance: Callable[[int], None] = advance) -> SimulatedTargets:
            return task.simulate(
                scores,
                config.reference_patients,
                config.reference_patients_rare,
                stream=2,
                advance=advance,
            )

        reached, _ = _approach(
            task,
            aims,
            slopes,
            scores=place[None, :],
            rounds=config.reference_rounds,
            simulate=simulate,
        )
        place = reached[0]
    return place, slopes


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

    return agreeing_slopes(
        slopes_at(place, figures=figures(1)), slopes_at(place, figures=figures(5))
    )


def _members(task: _Task, slopes: Values, begin: Begin) -> tuple[Values, SimulatedTargets]:
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
    simulate: Callable[[Values], SimulatedTargets],
) -> tuple[Values, SimulatedTargets]:
    """Worlds moved from ``scores``, round after round, by what they simulate, and the first round.

    A world keeps its patients over the rounds, so that its slopes can be corrected by what its
    moves did. Of all rounds each world's nearest to start and figures together is kept (in squared
    SDs).
    """
    slopes = np.repeat(slopes[None], len(aims.start), axis=0)
    nearest, best = np.full(len(scores), np.inf), scores
    first = last = simulate(scores)
    for number in range(rounds):
        now = last if number == 0 else simulate(scores)
        slopes = broyden_update(
            slopes, moved=scores - last.scores, changed=now.values - last.values
        )
        last = now
        is_known = ~np.isnan(now.values)
        noise = np.column_stack(
            [
                sampling_variance(now.values[:, j], now.sizes[:, j], is_rate=target.is_rate)
                for j, target in enumerate(task.targets)
            ]
        )
        figures = np.where(is_known, now.values, aims.wanted)
        sd = np.where(is_known, np.sqrt(aims.sd**2 + noise), UNKNOWN)
        missed = np.where(is_known, (aims.wanted - figures) / sd, MISSED)
        away = np.square(scores - aims.start).sum(axis=1) + np.square(missed).sum(axis=1)
        is_nearer = away < nearest
        best, nearest = np.where(is_nearer[:, None], scores, best), np.minimum(away, nearest)
        scores = gauss_newton_move(
            scores, prior=aims.start, simulated=figures, slopes=slopes, wanted=aims.wanted, sd=sd
        )
    return best, first


def fitted_figures(
    observed: Sequence[Observation], before: SimulatedTargets, after: SimulatedTargets
) -> list[FittedFigure]:
    """Each target: published, under the priors and under the posterior."""

    def span(observation: Observation, values: Values) -> Estimate:
        back = expit if observation.target.is_rate else np.exp
        low, median, high = back(np.nanpercentile(values, [2.5, 50.0, 97.5]))
        return Estimate(float(median), float(low), float(high))

    return [
        FittedFigure(
            id=observation.target.figure.id,
            trial=observation.target.trial.name,
            metric=observation.target.figure.metric,
            published=observation.target.figure.value,
            n=observation.n,
            verified=observation.target.figure.verified,
            prior=span(observation, before.values[:, k]),
            posterior=span(observation, after.values[:, k]),
        )
        for k, observation in enumerate(observed)
    ]


def _ensemble(task: _Task, scores: Values, weights: Values) -> Ensemble:
    values = [
        [float(constant.at(score)) for constant, score in zip(task.constants, row, strict=True)]
        for row in scores
    ]
    return Ensemble(
        tuple(constant.key for constant in task.constants),
        np.array(values),
        weights,
        priors_digest(task.constants),
    )


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
    values = dict(zip(moved["constant"].astype(str), moved["most_probable"], strict=True))
    known = _known_constants(values)
    by_file: dict[Path, dict[tuple[str, ...], float]] = defaultdict(dict)
    for key, value in values.items():
        place, path = _place(key)
        constant = known[key]
        is_switch = constant.median in (constant.low, constant.high)
        is_moved = not is_switch and abs(constant.score(float(value))) >= MOVED
        by_file[place][path] = float(value) if is_moved else constant.median
    texts = {
        place: revised(place.read_text(encoding="utf-8"), values, where=place.name)
        for place, values in by_file.items()
    }
    for place, text in sorted(texts.items()):
        write_text(place, text)
    for name in ("members.csv", "about.json"):
        write_text(ensemble_folder() / name, (results / name).read_text(encoding="utf-8"))
    return [place.name for place in sorted(texts)]


def _known_constants(keys: Iterable[str]) -> dict[str, Constant]:
    """Constants of the reference world and of the products that the keys name."""
    products = sorted(
        {key.partition(":")[2].partition(".")[0] for key in keys if key.startswith("product:")}
    )
    of_products = (part for name in products for part in product_constants(load_product(name)))
    return {constant.key: constant for constant in (*shared_constants(load_world()), *of_products)}


def _place(key: str) -> tuple[Path, tuple[str, ...]]:
    """File of a constant, and its path inside."""
    kind, _, rest = key.partition(":")
    stem, *path = rest.split(".")
    return synthetic_folder() / _FOLDERS[kind] / f"{stem}.yaml", tuple(path)
