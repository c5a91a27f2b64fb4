"""Learning: split the cohort, fit the models and their comparators, and evaluate them against
outcomes and truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cohort import Cohort
from crsrisk.data.explanation import Explanation
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth, benchmark_of_risks, note_of
from crsrisk.evaluation.evaluate import HELD_OUT, Evaluation, evaluate
from crsrisk.evaluation.resampling import Develop
from crsrisk.executor import side_by_side
from crsrisk.model.comparators import ProductRate, comparators
from crsrisk.model.explain import explain
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.landmark import BEFORE_DOSE_2_H, landmark_table
from crsrisk.model.plain_boosting import PLAIN, QUICK, plain_boosting
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.tune import tune
from crsrisk.simulation.true_risk import TrueRisk, true_risk
from crsrisk.studies.experiment import Experiment

Floats = NDArray[np.float64]
MODEL = "model"


@dataclass(frozen=True)
class Split:
    """Training and held-out patients of one cohort."""

    training: Cohort
    test: Cohort


def fit_before_dose_2(cohort: Cohort, *, seed: int) -> RiskModel:
    """Risk of a first grade >= 2 from dose 2 on, knowing the course after dose 1, among those still
    at risk.
    """
    known = before_dose_2(cohort)
    return fit(
        known,
        cohort.outcomes.loc[known.index],
        config=load_config("before_dose_2"),
        seed=seed,
        origin="simulated",
    )


def before_dose_2(cohort: Cohort) -> pd.DataFrame:
    """Landmark table of the patients who will receive a second dose a week after the first."""
    known = landmark_table(cohort.observed, cohort.course, hour=BEFORE_DOSE_2_H)
    has_second = cohort.outcomes.loc[known.index, "grade_after_dose_2"].to_numpy() >= 0
    is_weekly = (known["platform"] != "ici").to_numpy()
    return pd.DataFrame(known.loc[has_second & is_weekly])


@dataclass(frozen=True)
class HeldOutResult:
    """What the held-out patients say of a model: the evaluation, with its benchmark in it, and the
    true risk of those who were simulated again, given what was observed of them.
    """

    evaluation: Evaluation
    true_risk: TrueRisk


def choose_for_truth(test: Cohort, *, n: int) -> NDArray[np.int64]:
    """Test patients to re-simulate, the same number of every product, in the order of their
    numbers.
    """
    table = test.observed[["patient_id", "product"]]
    each = n // table["product"].nunique()
    return table.groupby("product", sort=True).head(each)["patient_id"].to_numpy()


@dataclass(frozen=True)
class Oracles:
    """The true risks of some held-out patients: given what was observed of them, and given
    everything true at baseline.
    """

    patients: Cohort
    given_observed: TrueRisk
    given_baseline: TrueRisk


def ask_oracles(
    test: Cohort,
    *,
    experiment: Experiment,
    world: World,
    workers: int,
    advance: Callable[[int], None] | None,
) -> Oracles:
    """Simulate held-out patients again, as many and as often as the experiment says; ``advance`` is
    told of every patient done.
    """
    chosen = test.subset(choose_for_truth(test, n=experiment.truth_patients))
    again = partial(true_risk, chosen, world=world, workers=workers, advance=advance)
    return Oracles(
        patients=chosen,
        given_observed=again(given="observed", n_replicates=experiment.truth_repetitions),
        given_baseline=again(given="baseline", n_replicates=experiment.baseline_repetitions),
    )


def evaluate_held_out(
    model: RiskModel,
    sides: Split,
    *,
    oracles: Oracles,
    config: ModelConfig,
    experiment: Experiment,
    workers: int,
) -> HeldOutResult:
    """Evaluate the model on the held-out patients, and compare it with knowing nothing, comparators
    and oracles.

    Parameters
    ----------
    model, sides : what is evaluated, and its training and held-out patients.
    oracles : the true risks of some held-out patients (:func:`ask_oracles`).
    config : the configuration from which the comparators take their columns.
    experiment : the seed, how many resamples, and how many settings the tuned comparators try.
    workers : threads.
    """
    training, test = sides.training, sides.test
    event = training.outcomes["crs_grade2plus"].to_numpy()
    chosen, given_observed = oracles.patients, oracles.given_observed
    listed = [
        *comparators(config=config),
        *plain_boosting(
            PLAIN if experiment.tuning_trials else QUICK,
            config=config,
            seed=experiment.seed,
            n_trials=experiment.tuning_trials,
        ),
    ]
    with side_by_side(workers) as pool:
        fitted = list(pool.map(lambda learner: learner.fit(training.observed, event), listed))
    risks: dict[str, Floats] = {
        learner.name: learner.predict_proba(chosen.observed)[:, 1] for learner in fitted
    }
    risks[MODEL] = predict(model, chosen.observed).risk
    benchmark = benchmark_of_risks(
        chosen.observed["product"].to_numpy(dtype=str),
        truth=Truth.from_true_risk(given_observed),
        risks=risks,
        model=MODEL,
        product_only=ProductRate.name,
        null_risk=float(event.mean()),
        seed=experiment.seed,
        other_truths=[Truth.from_true_risk(oracles.given_baseline)],
        n_resamples=experiment.bootstrap,
        notes={
            name: told
            for name, one in [*((learner.name, learner) for learner in fitted), (MODEL, model)]
            if (told := note_of(one))
        },
    )
    evaluation = evaluate(
        test.outcomes["crs_grade2plus"].to_numpy(),
        predict(model, test.observed).risk,
        groups=test.observed["product"].to_numpy(dtype=str),
        outcome_name=(
            "first CRS of grade >= 2 within the window after the first dose (21 days; 60 for"
            " checkpoint inhibitors)"
        ),
        patients=HELD_OUT,
        seed=experiment.seed,
        benchmark=benchmark,
        n_resamples=experiment.bootstrap,
    )
    return HeldOutResult(evaluation, given_observed)


def explain_test(model: RiskModel, test: Cohort, *, at_most: int = 2000) -> Explanation:
    """Reasons for the first held-out patients, for the global picture."""
    return explain(model, test.observed.head(at_most))


# Development: everything that makes a model of two tables, as one callable, so that all of it can
# be repeated.
#
# What is repeated: features, stand-ins for missing values, the additive start, the choice of the
# number of trees and the calibration (:func:`crsrisk.model.fit.fit`); with tuning also the search
# for settings (:func:`crsrisk.model.tune.tune`).


@dataclass(frozen=True)
class Development:
    """How a model is made: ``config`` with the settings that were chosen, and ``searched``, the
    configuration whose search chose them (None: nothing was tuned). Both methods are
    :class:`crsrisk.evaluation.resampling.Develop`.
    """

    config: ModelConfig
    searched: ModelConfig | None = None

    def refit(self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        """With the saved result of tuning."""
        return fit(observed, outcomes, config=self.config, seed=seed, origin="simulated")

    def tune_and_refit(
        self, observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int
    ) -> RiskModel:
        """With tuning repeated in these patients."""
        return developed(observed, outcomes, searched=self.searched or self.config, seed=seed)[1]

    @property
    def tuning(self) -> Develop | None:
        """``tune_and_refit``, or None where nothing was tuned."""
        return None if self.searched is None else self.tune_and_refit

    @property
    def in_words(self) -> str:
        """How settings were chosen, for a report."""
        if self.searched is None or self.searched.tuning is None:
            return (
                "The settings are those of the shipped configuration; nothing was tuned on these"
                " patients."
            )
        return (
            f"The best by cross-validated log loss of {self.searched.tuning.trials} settings tried"
            " by Optuna, the shipped ones first."
        )


def develop(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, config: ModelConfig, trials: int, seed: int
) -> tuple[Development, RiskModel]:
    """Tune once (with ``trials`` trials; 0: not at all), fit, and keep both for whoever repeats the
    development.
    """
    if trials == 0:
        return Development(config), fit(
            observed, outcomes, config=config, seed=seed, origin="simulated"
        )
    if config.tuning is None:
        raise InputError(
            where=f"configuration {config.name}",
            key="tuning",
            found="nothing to search",
            expected="trials and the ranges of settings",
            cure="add tuning, or ask for 0 trials",
        )
    searched = config.model_copy(
        update={"tuning": config.tuning.model_copy(update={"trials": trials})}
    )
    chosen, model = developed(observed, outcomes, searched=searched, seed=seed)
    return Development(chosen, searched), model


def developed(
    observed: pd.DataFrame, outcomes: pd.DataFrame, *, searched: ModelConfig, seed: int
) -> tuple[ModelConfig, RiskModel]:
    """The configuration that tuning chose, and its model."""
    chosen = tune(observed, outcomes, config=searched, seed=seed).config
    return chosen, fit(observed, outcomes, config=chosen, seed=seed, origin="simulated")
