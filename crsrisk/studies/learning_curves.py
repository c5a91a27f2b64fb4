"""Learning curves: how much of what can be known each learner has learnt from so many patients.

Fixed test patients whose true risk (given what was observed) is known from many re-simulations;
training cohorts of other seeds; every learner fitted to the same cohorts. Sizes are nested: a
cohort's first 2,000 patients are the cohort of 2,000.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.files import write_json, write_text
from crsrisk.data.world import load_world
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.evaluation.benchmark import (
    Share,
    Truth,
    difference_of_shares,
    expected_log_loss,
    share_of_gain,
)
from crsrisk.evaluation.metrics import NotEstimable
from crsrisk.model.comparators import (
    Comparator,
    ExplainableBoosting,
    ProductRate,
    SplineLogistic,
    comparators,
)
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.report.figures import learning_curves, stand_alone
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.development import config_of, re_simulate, truth_of
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.places import products_of
from crsrisk.threads import side_by_side

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
class _Exam:
    """The test patients and the truth about them."""

    observed: pd.DataFrame
    truth: Truth


def run_learning_curves(place: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run the experiment in ``place``; writes results/learning.json, table.csv and
    learning_curves.svg beside it.
    """
    file = experiment_file(place)
    experiment = build(LearningCurves, read_yaml(file), where=str(file))
    world = load_world(experiment.scenario)
    arms = {one.name: make_arm(one, world=world) for one in products_of(experiment.products)}
    folder = file.parent / "results"
    write_text(folder / "README.txt", "Made by `crsrisk run`; safe to delete.\n")
    config = config_of("baseline")
    with threadpool_limits(1):  # one thread a fit: the same bytes whatever the workers
        exam = _exam(
            experiment,
            arms,
            workers=workers,
            advance=begin("Asking the oracle", experiment.test_patients),
        )
        losses = _all_losses(experiment, arms, exam, config=config, workers=workers, begin=begin)
    found = _summary(experiment, exam, losses)
    write_json(folder / "learning.json", found)
    pd.DataFrame(found["curves"]).to_csv(folder / "table.csv", index=False)
    write_text(
        folder / "learning_curves.svg",
        stand_alone(learning_curves(found["curves"], key="learning"), note=NOTICE),
    )
    return found


def learners(*, config: ModelConfig, seed: int, n_bags: int) -> tuple[Comparator, ...]:
    """Every comparator of the curves, none fitted yet: those of the main job, splines, explainable
    boosting.
    """
    return (
        *comparators(config=config),
        SplineLogistic(config=config),
        ExplainableBoosting(config=config, seed=seed, n_bags=n_bags),
    )


def _exam(
    experiment: LearningCurves,
    arms: Mapping[str, Arm],
    *,
    workers: int,
    advance: Callable[[int], None],
) -> _Exam:
    world = load_world(experiment.scenario)
    test = simulate_cohort(
        list(arms.values()),
        world=world,
        n_patients=experiment.test_patients,
        seed=experiment.seed,
        workers=workers,
    )
    ids = test.observed["patient_id"].to_numpy()
    oracles = re_simulate(
        test,
        ids=ids,
        arms=arms,
        world=world,
        seed=experiment.seed,
        workers=workers,
        given="observed",
        repetitions=experiment.truth_repetitions,
        advance=advance,
    )
    return _Exam(test.observed, truth_of(oracles, ids=ids, name="what was observed"))


# training patients -> learner -> expected losses of every cohort
Losses = dict[int, dict[str, list[Floats]]]


def _all_losses(
    experiment: LearningCurves,
    arms: Mapping[str, Arm],
    exam: _Exam,
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
        found = _losses(training, exam, config=config, seed=number, n_bags=experiment.boosting_bags)
        advance(1)
        return found

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
    training: Cohort, exam: _Exam, *, config: ModelConfig, seed: int, n_bags: int
) -> dict[str, Floats]:
    event = training.outcomes["crs_grade2plus"].to_numpy()
    model = fit(training.observed, training.outcomes, config=config, seed=seed)
    risks = {MODEL: predict(model, exam.observed).risk}
    for one in learners(config=config, seed=seed, n_bags=n_bags):
        risks[one.name] = one.fit(training.observed, event).predict_risk(exam.observed)
    return {name: expected_log_loss(risk, exam.truth) for name, risk in risks.items()}


def _summary(experiment: LearningCurves, exam: _Exam, losses: Losses) -> dict[str, Any]:
    curves, judged = [], []
    bars = {size.patients: size.bar for size in experiment.sizes if size.bar is not None}
    for n, by_learner in sorted(losses.items()):
        base = by_learner[ProductRate.name]
        for name, own in by_learner.items():
            if name == ProductRate.name:
                continue
            row = _row(share_of_gain(own, base, exam.truth))
            if name != MODEL:
                row |= _row(
                    difference_of_shares(by_learner[MODEL], own, base, exam.truth),
                    prefix="model_minus_this_",
                )
            curves.append({"n_training": n, "learner": name, **row})
        if n in bars:
            judged.append(
                _bar(n, least=bars[n], rows=[row for row in curves if row["n_training"] == n])
            )
    top = max(losses)
    base, model = losses[top][ProductRate.name], losses[top][MODEL]
    products = exam.observed["product"].to_numpy(dtype=str)
    return {
        "version": __version__,
        "experiment": experiment.model_dump(mode="json"),
        "notice": NOTICE,
        "oracle_gain_nats": float(np.mean(np.mean(base, axis=0) - exam.truth.entropy)),
        "bars": judged,
        "curves": curves,
        "by_product": {
            name: _of_product(products == name, model, base, exam.truth, n=top)
            for name in sorted(set(products))
        },
    }


def _row(share: Share, *, prefix: str = "") -> dict[str, Any]:
    low, high = share.interval
    numbers = {**asdict(share), "low": low, "high": high}
    return {
        f"{prefix}{'share' if key == 'value' else key}": value
        for key, value in numbers.items()
        if not (prefix and key == "n_cohorts")
    }


def _bar(n: int, *, least: float, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether the bar is met, and which comparators beat the model beyond the interval of the
    paired difference.
    """
    mine = next(row for row in rows if row["learner"] == MODEL)
    ahead = [row["learner"] for row in rows if row.get("model_minus_this_high", 0.0) < 0]
    return {
        "n_training": n,
        "least": least,
        "share": mine["share"],
        "mc_error": mine["mc_error"],
        "test_error": mine["test_error"],
        "is_met": bool(mine["share"] >= least),
        "comparators_ahead": ahead,
    }


def _of_product(
    rows: NDArray[np.bool_], model: list[Floats], base: list[Floats], truth: Truth, *, n: int
) -> dict[str, Any]:
    """The model's share within one product; none where the oracle itself hardly gains."""
    gain = np.mean(base, axis=0)[rows] - truth.entropy[rows]
    if gain.mean() < 3 * gain.std(ddof=1) / np.sqrt(rows.sum()):
        return asdict(
            NotEstimable("the oracle's own gain over the product's rate is not clearly above 0")
        )
    of = truth.of(np.flatnonzero(rows))
    share = share_of_gain([one[rows] for one in model], [one[rows] for one in base], of)
    return {
        "n_training": n,
        "n_test": int(rows.sum()),
        "oracle_gain_nats": float(gain.mean()),
        **_row(share),
    }


def learning_lines(found: Mapping[str, Any]) -> list[str]:
    """The answer in a few lines of text."""
    lines = [
        "Share of the oracle's gain in log loss over knowing the product alone, within products:"
    ]
    sizes = sorted({row["n_training"] for row in found["curves"]})
    lines.append(f"{'training patients':48s}" + "".join(f"{n:>9d}" for n in sizes))
    for name in dict.fromkeys(row["learner"] for row in found["curves"]):
        of = {row["n_training"]: row for row in found["curves"] if row["learner"] == name}
        lines.append(f"{name:48s}" + "".join(f"{of[n]['share']:9.3f}" for n in sizes))
    for bar in found["bars"]:
        error = "unknown" if bar["mc_error"] is None else f"{bar['mc_error']:.4f}"
        lines.append(
            f"{bar['n_training']} training patients: {bar['share']:.3f} (Monte Carlo error {error},"
            f" of the test patients {bar['test_error']:.4f}); at least {bar['least']:.2f} asked:"
            f" {'met' if bar['is_met'] else 'NOT met'}; comparators ahead beyond the interval:"
            f" {', '.join(bar['comparators_ahead']) or 'none'}"
        )
    return [*lines, found["notice"]]
