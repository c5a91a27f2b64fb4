"""Learning curves: how much of what can be known each learner has learnt from so many patients.

Fixed test patients whose true risk (given what was observed) is known from many re-simulations;
training cohorts of other seeds; every learner fitted to the same cohorts. Sizes are nested: a
cohort's first 2,000 patients are the cohort of 2,000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.files import prepare_output, write_json, write_text
from crsrisk.data.world import load_world
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.benchmark import (
    Share,
    Truth,
    difference_of_shares,
    expected_log_loss,
    share_of_gain,
)
from crsrisk.model.comparators import (
    Comparator,
    ExplainableBoosting,
    ProductRate,
    SplineLogistic,
    comparators,
)
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.plots.chart_data import LearningPoint
from crsrisk.plots.descriptions import describe_learning_curves
from crsrisk.plots.evaluation_charts import plot_learning_curves
from crsrisk.plots.svg import stand_alone, to_svg
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_risk import true_risk
from crsrisk.studies.experiment import experiment_file, products_of
from crsrisk.threads import side_by_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
MODEL = "crsrisk model"
NOTICE = (
    "First CRS of grade >= 2 within the window after the first dose (21 days; 60 for checkpoint"
    " inhibitors). Synthetic patients; research use; no external validation."
)


class Size(Strict):
    """So many ``cohorts`` of so many training ``patients``; ``bar``: least share of the oracle's
    gain asked of the model.
    """

    patients: int = Field(ge=100)
    cohorts: int = Field(ge=2)
    bar: float | None = None


class LearningCurves(Strict):
    """What an experiment on learning asks and how much it may compute."""

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
    """Whether the model reaches the least share that was asked of it at one size, and which
    comparators are ahead of it beyond the interval of the paired difference.
    """

    n_training: int
    least: float
    share: Estimate
    test_error: float
    is_met: bool
    comparators_ahead: tuple[str, ...]


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
    """

    version: str
    experiment: LearningCurves
    notice: str
    oracle_gain_nats: float
    bars: tuple[Bar, ...]
    curves: tuple[CurvePoint, ...]
    by_product: Mapping[str, ProductShare | NotEstimable]

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
        for bar in self.bars:
            error = "unknown" if bar.share.mc_error is None else f"{bar.share.mc_error:.4f}"
            lines.append(
                f"{bar.n_training} training patients: {bar.share.value:.3f} (Monte Carlo error"
                f" {error}, of the test patients {bar.test_error:.4f}); at least {bar.least:.2f}"
                f" asked: {'met' if bar.is_met else 'NOT met'}; comparators ahead beyond the"
                f" interval: {', '.join(bar.comparators_ahead) or 'none'}"
            )
        return "\n".join([*lines, self.notice])


@dataclass(frozen=True)
class _TestPatients:
    """The test patients and the truth about them."""

    observed: pd.DataFrame
    truth: Truth


def run_learning_curves(
    place: Path, *, workers: int, begin: Begin, overwrite: bool = False
) -> LearningResult:
    """Run the experiment in ``place``; writes results/learning.json, table.csv and
    learning_curves.svg beside it.

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
    answer, others = folder / "learning.json", ("table.csv", "learning_curves.svg")
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
        losses = _all_losses(experiment, arms, test, config=config, workers=workers, begin=begin)
    result = _result(experiment, test, losses)
    write_json(answer, result)
    result.to_frame().to_csv(folder / "table.csv", index=False)
    chart = _chart(result.points())
    write_text(folder / "learning_curves.svg", stand_alone(chart, note=NOTICE))
    return result


def _chart(points: Sequence[LearningPoint]) -> str:
    return to_svg(
        lambda: plot_learning_curves(points),
        key="learning",
        title="Learning curves",
        description=describe_learning_curves(points),
    )


def learners(*, config: ModelConfig, seed: int, n_bags: int) -> tuple[Comparator, ...]:
    """Every comparator of the curves, none fitted yet: those of the main job, splines, explainable
    boosting.
    """
    return (
        *comparators(config=config),
        SplineLogistic(config=config),
        ExplainableBoosting(config=config, seed=seed, n_bags=n_bags),
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


def _all_losses(
    experiment: LearningCurves,
    arms: Mapping[str, Arm],
    test: _TestPatients,
    *,
    config: ModelConfig,
    workers: int,
    begin: Begin,
) -> Losses:
    advance = begin("Fitting learners", sum(size.cohorts for size in experiment.sizes))
    tasks = [(number, size.patients) for size in experiment.sizes for number in range(size.cohorts)]
    tasks.sort(key=lambda task: (task[0], -task[1]))
    world = load_world(experiment.scenario)

    def work(task: tuple[int, int]) -> dict[str, Floats]:
        number, n = task
        training = simulate_cohort(
            list(arms.values()), world=world, n_patients=n, seed=experiment.training_seed + number
        )
        losses = _losses(
            training, test, config=config, seed=number, n_bags=experiment.boosting_bags
        )
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
    training: Cohort, test: _TestPatients, *, config: ModelConfig, seed: int, n_bags: int
) -> dict[str, Floats]:
    event = training.outcomes["crs_grade2plus"].to_numpy()
    model = fit(training.observed, training.outcomes, config=config, seed=seed, origin="simulated")
    risks = {MODEL: predict(model, test.observed).risk}
    for learner in learners(config=config, seed=seed, n_bags=n_bags):
        risks[learner.name] = learner.fit(training.observed, event).predict_proba(test.observed)[
            :, 1
        ]
    return {name: expected_log_loss(risk, test.truth) for name, risk in risks.items()}


def _result(experiment: LearningCurves, test: _TestPatients, losses: Losses) -> LearningResult:
    points, bars = [], []
    wanted = {size.patients: size.bar for size in experiment.sizes if size.bar is not None}
    for n_training, by_learner in sorted(losses.items()):
        of_size = _points_of(n_training, by_learner, truth=test.truth)
        points += of_size
        if n_training in wanted:
            bars.append(_bar(of_size, least=wanted[n_training]))
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


def _estimate(share: Share) -> Estimate:
    """The mean over cohorts, with the 95% interval of both errors together."""
    low, high = share.interval
    return Estimate(share.value, low, high, share.mc_error)


def _bar(points: Sequence[CurvePoint], *, least: float) -> Bar:
    """Whether the bar is met, and which comparators beat the model beyond the interval of the
    paired difference.
    """
    model = next(point for point in points if point.learner == MODEL)
    return Bar(
        n_training=model.n_training,
        least=least,
        share=model.share,
        test_error=model.test_error,
        is_met=model.share.value >= least,
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
