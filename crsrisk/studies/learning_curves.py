"""Learning curves: how much of what can be known each learner has learnt from so many patients.

Fixed test patients whose true risk (given what was observed) is known from many re-simulations;
training cohorts of other seeds; every learner fitted to the same cohorts. Sizes are nested: a
cohort's first 2,000 patients are the cohort of 2,000.

What each cohort gave is kept in the results folder until all is done, so that a run that was
interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.assumptions import Strict, digest_of
from crsrisk.data.cohort import Cohort
from crsrisk.data.files import (
    prepare_output,
    remove_leftovers,
    write_beside,
    write_json,
    write_text,
)
from crsrisk.data.world import load_world
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.benchmark import (
    Share,
    Truth,
    difference_of_shares,
    expected_log_loss,
    share_of_gain,
)
from crsrisk.executor import side_by_side
from crsrisk.model.comparators import (
    Comparator,
    ExplainableBoosting,
    ProductRate,
    SplineLogistic,
    comparators,
)
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.plain_boosting import plain_boosting
from crsrisk.model.predict import predict
from crsrisk.plots.chart_data import LearningPoint
from crsrisk.plots.descriptions import describe_learning_curves
from crsrisk.plots.evaluation_charts import plot_learning_curves
from crsrisk.plots.svg import stand_alone, to_svg
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_risk import true_risk
from crsrisk.studies.beyond_additive import BeyondAdditive, Worlds, beyond_additive
from crsrisk.studies.experiment import experiment_file, products_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
MODEL = "crsrisk model"
WITHOUT_START = "crsrisk model without its start"
LIGHTGBM = "LightGBM"  # what the names of all LightGBM begin with
NOTICE = (
    "First CRS of grade >= 2 within the window after the first dose (21 days; 60 for checkpoint"
    " inhibitors). Synthetic patients; research use; no external validation."
)


class Size(Strict):
    """So many ``cohorts`` of so many training ``patients``; ``bar``: least share of the oracle's
    gain asked of the model, ``or_lead``: or else by how much of a share it has to be ahead of the
    best LightGBM without its start.
    """

    patients: int = Field(ge=100)
    cohorts: int = Field(ge=2)
    bar: float | None = None
    or_lead: float | None = None


class LearningCurves(Strict):
    """What an experiment on learning asks and how much it may compute. ``worlds``: where free trees
    are compared with an additive model as well; nowhere when it is left out.
    """

    kind: str
    name: str
    question: str
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    training_seed: int = Field(ge=0)
    test_patients: int = Field(ge=30)
    truth_repetitions: int = Field(ge=20, multiple_of=2)
    sizes: list[Size] = Field(min_length=1)
    boosting_bags: int = Field(ge=1)
    tuning_trials: int = Field(ge=1)
    worlds: Worlds | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One learner at one size: its share of the oracle's gain in log loss over the product's rate.

    ``share``: mean over training cohorts with its Monte Carlo error (of finitely many cohorts) and
    the 95% interval of both errors; ``test_error``: standard error of finitely many test patients.
    ``model_minus_this``: how far the model is ahead of a comparator, paired by cohort and test
    patient; None for the model itself.
    """

    n_training: int
    learner: str
    share: Estimate
    test_error: float
    n_cohorts: int
    model_minus_this: Estimate | None = None
    model_minus_this_test_error: float | None = None


@dataclass(frozen=True)
class Bar:
    """Whether the model reaches the least share that was asked of it at one size or, where that was
    offered, is ``least_lead`` ahead of the best LightGBM (``lead``, paired by cohort and test
    patient, over ``best_lightgbm``); and which comparators are ahead of it beyond the interval of
    the paired difference.
    """

    n_training: int
    n_cohorts: int
    least: float
    share: Estimate
    test_error: float
    least_lead: float | None
    best_lightgbm: str
    lead: Estimate
    lead_test_error: float
    met_by: Literal["share", "lead"] | None
    comparators_ahead: tuple[str, ...]

    @property
    def is_met(self) -> bool:
        """Whether the mean share or the mean lead is enough."""
        return self.met_by is not None

    def summary(self) -> str:
        """The bar and what it met, with both errors."""
        ahead = f" or {self.least_lead:.2f} ahead of the best LightGBM" if self.least_lead else ""
        lead = _with_errors(self.lead, self.lead_test_error)
        met = f"met by the {self.met_by}" if self.met_by else "NOT met"
        return (
            f"{self.n_training} training patients, mean of {self.n_cohorts} cohorts:"
            f" {_with_errors(self.share, self.test_error)}; ahead of the best LightGBM"
            f" ({self.best_lightgbm}) by {lead}; at least {self.least:.2f}{ahead} asked:"
            f" {met}; comparators ahead beyond the interval:"
            f" {', '.join(self.comparators_ahead) or 'none'}"
        )


@dataclass(frozen=True)
class ProductShare:
    """The model's share within one product, at the largest size."""

    n_training: int
    n_test: int
    oracle_gain_nats: float
    share: Estimate
    test_error: float
    n_cohorts: int


@dataclass(frozen=True, repr=False)
class LearningResult(Result):
    """How much of what can be known each learner learns from so many training patients.

    Parameters
    ----------
    version, experiment, notice : what made it, what was asked, and what it is about.
    oracle_gain_nats : what the oracle gains over the product's rate, log loss in nats a patient.
    bars : the shares that were asked of the model, and whether it reaches them.
    curves : one point a learner and size.
    by_product : the model's share within each product, at the largest size.
    worlds : what free trees gain over an additive model where effects do not add up; None where
        the experiment does not ask.
    """

    version: str
    experiment: LearningCurves
    notice: str
    oracle_gain_nats: float
    bars: tuple[Bar, ...]
    curves: tuple[CurvePoint, ...]
    by_product: Mapping[str, ProductShare | NotEstimable]
    worlds: BeyondAdditive | None = None

    @property
    def sizes(self) -> list[int]:
        """Numbers of training patients, rising."""
        return sorted({point.n_training for point in self.curves})

    def points(self) -> list[LearningPoint]:
        """What the figure is drawn from."""
        return [
            LearningPoint(point.learner, point.n_training, point.share) for point in self.curves
        ]

    def plot(self, ax: Axes | None = None) -> Axes:
        """The curves, the model's with its 95% band, as matplotlib axes."""
        return plot_learning_curves(self.points(), ax=ax)

    def to_frame(self) -> pd.DataFrame:
        """One row a learner and size."""
        rows = []
        for point in self.curves:
            ahead = point.model_minus_this or Estimate(np.nan)
            rows.append(
                {
                    "n_training": point.n_training,
                    "learner": point.learner,
                    "share": point.share.value,
                    "mc_error": point.share.mc_error,
                    "test_error": point.test_error,
                    "n_cohorts": point.n_cohorts,
                    "low": point.share.low,
                    "high": point.share.high,
                    "model_minus_this_share": ahead.value,
                    "model_minus_this_mc_error": ahead.mc_error,
                    "model_minus_this_test_error": point.model_minus_this_test_error,
                    "model_minus_this_low": ahead.low,
                    "model_minus_this_high": ahead.high,
                }
            )
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The answer in a few lines of text."""
        lines = [
            "Share of the oracle's gain in log loss over knowing the product alone, within"
            " products:"
        ]
        lines.append(f"{'training patients':48s}" + "".join(f"{n:>9d}" for n in self.sizes))
        for name in dict.fromkeys(point.learner for point in self.curves):
            share = {
                point.n_training: point.share.value
                for point in self.curves
                if point.learner == name
            }
            lines.append(f"{name:48s}" + "".join(f"{share[n]:9.3f}" for n in self.sizes))
        lines += [bar.summary() for bar in self.bars]
        if self.worlds is not None:
            lines += ["", self.worlds.summary()]
        return "\n".join([*lines, self.notice])


@dataclass(frozen=True)
class _TestPatients:
    """The test patients and the truth about them."""

    observed: pd.DataFrame
    truth: Truth


def run_learning_curves(
    place: Path, *, workers: int, begin: Begin, overwrite: bool = False
) -> LearningResult:
    """Run the experiment in ``place``; writes results/learning.json, table.csv,
    learning_curves.svg and, where worlds are named, worlds.csv beside it.

    Raises
    ------
    InputError
        For an experiment that cannot be read.
    OutputError
        For results that stand already, without ``overwrite``, and a folder that cannot be written.
    """
    file = experiment_file(place)
    experiment = build(LearningCurves, read_yaml(file), where=str(file))
    world = load_world(experiment.scenario)
    arms = {
        product.name: make_arm(product, world=world) for product in products_of(experiment.products)
    }
    folder = file.parent / "results"
    kept = folder / "cohorts"
    answer, others = folder / "learning.json", ("table.csv", "worlds.csv", "learning_curves.svg")
    prepare_output(answer, overwrite=overwrite, belongs=[folder / name for name in others])
    write_text(folder / "README.txt", "Made by `crsrisk run`; safe to delete.\n")
    config = load_config("baseline")
    with threadpool_limits(1):  # one thread a fit: the same bytes whatever the workers
        test = _test_patients(
            experiment,
            arms,
            workers=workers,
            advance=begin("Asking the oracle", experiment.test_patients),
        )
        rests_on = _rests_on(experiment, arms, test, config=config)
        losses = _all_losses(
            experiment,
            arms,
            test,
            config=config,
            kept=_Kept(kept, rests_on),
            workers=workers,
            begin=begin,
        )
        worlds = _worlds(experiment, config=config, workers=workers, begin=begin)
    result = replace(_result(experiment, test, losses), worlds=worlds)
    write_json(answer, result)
    write_text(folder / "table.csv", result.to_frame().to_csv(index=False))
    if worlds is not None:
        write_text(folder / "worlds.csv", worlds.to_frame().to_csv(index=False))
    chart = _chart(result.points())
    write_text(folder / "learning_curves.svg", stand_alone(chart, note=NOTICE))
    remove_leftovers([kept])
    return result


def _worlds(
    experiment: LearningCurves, *, config: ModelConfig, workers: int, begin: Begin
) -> BeyondAdditive | None:
    if experiment.worlds is None:
        return None
    return beyond_additive(
        experiment.worlds,
        products=products_of(experiment.products),
        config=config,
        seed=experiment.seed,
        training_seed=experiment.training_seed,
        workers=workers,
        begin=begin,
    )


def _chart(points: Sequence[LearningPoint]) -> str:
    return to_svg(
        lambda: plot_learning_curves(points),
        key="learning",
        title="Learning curves",
        description=describe_learning_curves(points),
    )


def learners(
    *, config: ModelConfig, seed: int, n_bags: int, n_trials: int
) -> tuple[Comparator, ...]:
    """Every comparator of the curves, none fitted yet: the product's rate, indices, regressions,
    explainable boosting, and gradient boosting as one would type it.
    """
    return (
        *comparators(config=config),
        SplineLogistic(config=config),
        ExplainableBoosting(config=config, seed=seed, n_bags=n_bags),
        *plain_boosting(config=config, seed=seed, n_trials=n_trials),
    )


def _test_patients(
    experiment: LearningCurves,
    arms: Mapping[str, Arm],
    *,
    workers: int,
    advance: Callable[[int], None],
) -> _TestPatients:
    world = load_world(experiment.scenario)
    cohort = simulate_cohort(
        list(arms.values()),
        world=world,
        n_patients=experiment.test_patients,
        seed=experiment.seed,
        workers=workers,
    )
    risk = true_risk(
        cohort,
        world=world,
        n_replicates=experiment.truth_repetitions,
        workers=workers,
        advance=advance,
    )
    return _TestPatients(cohort.observed, Truth.from_true_risk(risk))


# training patients -> learner -> expected losses of every cohort
Losses = dict[int, dict[str, list[Floats]]]


@dataclass(frozen=True)
class _Kept:
    """What the cohorts of an interrupted run gave, each in a file with the digest of what it rests
    on.
    """

    folder: Path
    digest: str

    def read(self, task: tuple[int, int]) -> dict[str, Floats] | None:
        """Expected losses by learner; None where there are none, or they rest on something else."""
        if not self._place(task).is_file():
            return None
        with np.load(self._place(task), allow_pickle=False) as file:
            if str(file["digest"]) != self.digest:
                return None
            names, losses = [str(name) for name in file["learners"]], file["losses"]
        return dict(zip(names, losses, strict=True))

    def write(self, task: tuple[int, int], losses: Mapping[str, Floats]) -> None:
        """Keep them."""
        place = self._place(task)
        place.parent.mkdir(parents=True, exist_ok=True)
        with write_beside(place) as beside, beside.open("wb") as file:
            np.savez_compressed(
                file,
                digest=np.array(self.digest),
                learners=np.array(list(losses)),
                losses=np.array(list(losses.values())),
            )

    def _place(self, task: tuple[int, int]) -> Path:
        number, n = task
        return self.folder / f"{n}_patients_{number}.npz"


def _rests_on(
    experiment: LearningCurves,
    arms: Mapping[str, Arm],
    test: _TestPatients,
    *,
    config: ModelConfig,
) -> str:
    """Hash of everything that the losses rest on, but for which sizes are asked for."""
    return digest_of(
        [
            __version__,
            experiment.model_dump(mode="json", exclude={"name", "question", "sizes"}),
            load_world(experiment.scenario).digest,
            {name: arm.product.model_dump(mode="json") for name, arm in arms.items()},
            config.model_dump(mode="json"),
            test.truth.n_events.tolist(),
        ]
    )


def _all_losses(
    experiment: LearningCurves,
    arms: Mapping[str, Arm],
    test: _TestPatients,
    *,
    config: ModelConfig,
    kept: _Kept,
    workers: int,
    begin: Begin,
) -> Losses:
    advance = begin("Fitting learners", sum(size.cohorts for size in experiment.sizes))
    tasks = [(number, size.patients) for size in experiment.sizes for number in range(size.cohorts)]
    tasks.sort(key=lambda task: (task[0], -task[1]))
    world = load_world(experiment.scenario)

    def work(task: tuple[int, int]) -> dict[str, Floats]:
        number, n = task
        losses = kept.read(task)
        if losses is None:
            training = simulate_cohort(
                list(arms.values()),
                world=world,
                n_patients=n,
                seed=experiment.training_seed + number,
            )
            losses = _losses(training, test, experiment, config=config, seed=number)
            kept.write(task, losses)
        advance(1)
        return losses

    with side_by_side(workers) as pool:
        answers = dict(zip(tasks, pool.map(work, tasks), strict=True))
    return {
        size.patients: {
            name: [answers[number, size.patients][name] for number in range(size.cohorts)]
            for name in answers[0, size.patients]
        }
        for size in experiment.sizes
    }


def _losses(
    training: Cohort,
    test: _TestPatients,
    experiment: LearningCurves,
    *,
    config: ModelConfig,
    seed: int,
) -> dict[str, Floats]:
    event = training.outcomes["crs_grade2plus"].to_numpy()
    risks = {}
    for name, own in ((MODEL, config), (WITHOUT_START, config.replace(kind="boosting"))):
        model = fit(training.observed, training.outcomes, config=own, seed=seed, origin="simulated")
        risks[name] = predict(model, test.observed).risk
    for learner in learners(
        config=config,
        seed=seed,
        n_bags=experiment.boosting_bags,
        n_trials=experiment.tuning_trials,
    ):
        risks[learner.name] = learner.fit(training.observed, event).predict_proba(test.observed)[
            :, 1
        ]
    return {name: expected_log_loss(risk, test.truth) for name, risk in risks.items()}


def _result(experiment: LearningCurves, test: _TestPatients, losses: Losses) -> LearningResult:
    points, bars = [], []
    wanted = {size.patients: size for size in experiment.sizes if size.bar is not None}
    for n_training, by_learner in sorted(losses.items()):
        of_size = _points_of(n_training, by_learner, truth=test.truth)
        points += of_size
        if n_training in wanted:
            bars.append(_bar(of_size, wanted[n_training]))
    top = max(losses)
    base, model = losses[top][ProductRate.name], losses[top][MODEL]
    products = test.observed["product"].to_numpy(dtype=str)
    return LearningResult(
        version=__version__,
        experiment=experiment,
        notice=NOTICE,
        oracle_gain_nats=float(np.mean(np.mean(base, axis=0) - test.truth.entropy)),
        bars=tuple(bars),
        curves=tuple(points),
        by_product={
            name: _within_product(products == name, model, base, test.truth, n_training=top)
            for name in sorted(set(products))
        },
    )


def _points_of(
    n_training: int, by_learner: Mapping[str, list[Floats]], *, truth: Truth
) -> list[CurvePoint]:
    """Every learner at one size, but for the product's rate, against which gains are measured."""
    base = by_learner[ProductRate.name]
    points = []
    for name, learnt in by_learner.items():
        if name == ProductRate.name:
            continue
        share = share_of_gain(learnt, base, truth)
        ahead = (
            None if name == MODEL else difference_of_shares(by_learner[MODEL], learnt, base, truth)
        )
        points.append(
            CurvePoint(
                n_training=n_training,
                learner=name,
                share=_estimate(share),
                test_error=share.test_error,
                n_cohorts=share.n_cohorts,
                model_minus_this=None if ahead is None else _estimate(ahead),
                model_minus_this_test_error=None if ahead is None else ahead.test_error,
            )
        )
    return points


def _with_errors(share: Estimate, test_error: float) -> str:
    error = "unknown" if share.mc_error is None else f"{share.mc_error:.4f}"
    return f"{share.value:.3f} (Monte Carlo error {error}, of the test patients {test_error:.4f})"


def _estimate(share: Share) -> Estimate:
    """The mean over cohorts, with the 95% interval of both errors together."""
    low, high = share.interval
    return Estimate(share.value, low, high, share.mc_error)


def _bar(points: Sequence[CurvePoint], size: Size) -> Bar:
    """The bar of one size, against the LightGBM with the largest share."""
    model = next(point for point in points if point.learner == MODEL)
    best = max(
        (point for point in points if point.learner.startswith(LIGHTGBM)),
        key=lambda point: point.share.value,
    )
    assert size.bar is not None
    assert best.model_minus_this is not None
    assert best.model_minus_this_test_error is not None
    return Bar(
        n_training=model.n_training,
        n_cohorts=model.n_cohorts,
        least=size.bar,
        share=model.share,
        test_error=model.test_error,
        least_lead=size.or_lead,
        best_lightgbm=best.learner,
        lead=best.model_minus_this,
        lead_test_error=best.model_minus_this_test_error,
        met_by=(
            "share"
            if model.share.value >= size.bar
            else "lead"
            if size.or_lead is not None and best.model_minus_this.value >= size.or_lead
            else None
        ),
        comparators_ahead=tuple(
            point.learner
            for point in points
            if point.model_minus_this is not None and point.model_minus_this.high < 0
        ),
    )


def _within_product(
    rows: NDArray[np.bool_],
    model: list[Floats],
    base: list[Floats],
    truth: Truth,
    *,
    n_training: int,
) -> ProductShare | NotEstimable:
    """The model's share within one product; none where the oracle itself hardly gains."""
    gain = np.mean(base, axis=0)[rows] - truth.entropy[rows]
    if gain.mean() < 3 * gain.std(ddof=1) / np.sqrt(rows.sum()):
        return NotEstimable("the oracle's own gain over the product's rate is not clearly above 0")
    share = share_of_gain(
        [losses[rows] for losses in model],
        [losses[rows] for losses in base],
        truth.of(np.flatnonzero(rows)),
    )
    return ProductShare(
        n_training=n_training,
        n_test=int(rows.sum()),
        oracle_gain_nats=float(gain.mean()),
        share=_estimate(share),
        test_error=share.test_error,
        n_cohorts=share.n_cohorts,
    )
