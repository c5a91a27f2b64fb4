"""Beyond additive: what free trees gain over an additive model, in worlds where effects multiply or
set in above a point, and in the reference world beside them.

All learners are fitted to the same training cohorts and scored by expected log loss under the true
risk of the same test patients. The additive model is the learner of ``kind: additive``, whose trees
ask about one quantity each, beside product and platform; free trees may combine quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.product import Product
from crsrisk.data.risk_model import LearnerKind
from crsrisk.evaluation.benchmark import (
    Share,
    Truth,
    difference_of_shares,
    expected_log_loss,
    share_of_gain,
)
from crsrisk.executor import side_by_side
from crsrisk.model.comparators import ProductRate
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.plain_boosting import LightGBM
from crsrisk.model.predict import predict
from crsrisk.results import Estimate, Result
from crsrisk.simulation.true_risk import true_risk
from crsrisk.studies.experiment import Place, patients_from, place_of

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
ADDITIVE, BOOSTING = "additive", "boosting"
# learner -> expected losses of the test patients, one array a training cohort
Losses = Mapping[str, Sequence[Floats]]


class Worlds(Strict):
    """In which worlds trees are compared with an additive model, and on how many patients.

    Parameters
    ----------
    scenarios : names of shipped scenarios.
    patients, cohorts : so many training cohorts of so many patients, each of a seed of its own.
    test_patients, truth_repetitions : patients whose true risk is known, each simulated so often
        given what was observed.
    """

    scenarios: list[str] = Field(min_length=1)
    patients: int = Field(ge=400)
    cohorts: int = Field(ge=2)
    test_patients: int = Field(ge=100)
    truth_repetitions: int = Field(ge=20, multiple_of=2)


@dataclass(frozen=True)
class TreesGain:
    """What one kind of free trees gains over the additive model in one world.

    Parameters
    ----------
    scenario, learner : where, and which trees.
    n_training, n_cohorts, n_test : training patients of a cohort, cohorts, test patients.
    event_rate : mean true risk of the test patients.
    oracle_gain_nats : what the oracle gains over the product's rate, log loss in nats a patient.
    additive_share : the additive model's share of it.
    gain_nats, gain_share : how much lower the log loss of trees is than the additive model's, in
        nats a patient and as a share of the oracle's gain; below 0, trees lose. ``mc_error`` is
        that over training cohorts; the 95% interval also holds the test error.
    gain_nats_test_error, gain_share_test_error : standard errors of finitely many test patients.
    """

    scenario: str
    learner: str
    n_training: int
    n_cohorts: int
    n_test: int
    event_rate: float
    oracle_gain_nats: float
    additive_share: Estimate
    gain_nats: Estimate
    gain_nats_test_error: float
    gain_share: Estimate
    gain_share_test_error: float


@dataclass(frozen=True, repr=False)
class BeyondAdditive(Result):
    """What free trees gain over an additive model, world by world."""

    gains: tuple[TreesGain, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a world and kind of trees."""
        return pd.DataFrame(
            [
                {
                    "scenario": gain.scenario,
                    "learner": gain.learner,
                    "n_training": gain.n_training,
                    "n_cohorts": gain.n_cohorts,
                    "n_test": gain.n_test,
                    "event_rate": gain.event_rate,
                    "oracle_gain_nats": gain.oracle_gain_nats,
                    "additive_share": gain.additive_share.value,
                    "additive_share_mc_error": gain.additive_share.mc_error,
                    **_columns("gain_nats", gain.gain_nats, gain.gain_nats_test_error),
                    **_columns("gain_share", gain.gain_share, gain.gain_share_test_error),
                }
                for gain in self.gains
            ]
        )

    def summary(self) -> str:
        """One line a world and kind of trees."""
        lines = [
            "Log loss that free trees gain over the additive model (mean over training cohorts,"
            " Monte Carlo error in brackets; below 0: trees lose):",
            f"{'scenario':20s}{'trees':12s}{'nats a patient':>22s}{'share of the oracle':>22s}"
            f"{'additive':>12s}",
        ]
        for gain in self.gains:
            lines.append(
                f"{gain.scenario:20s}{gain.learner:12s}"
                f"{_told(gain.gain_nats, digits=5):>22s}{_told(gain.gain_share, digits=3):>22s}"
                f"{gain.additive_share.value:12.3f}"
            )
        return "\n".join(lines)


def beyond_additive(
    worlds: Worlds,
    *,
    products: Sequence[Product],
    config: ModelConfig,
    seed: int,
    training_seed: int,
    workers: int = 1,
    begin: Begin,
) -> BeyondAdditive:
    """Fit an additive model and free trees in each world, and compare them under the true risk.

    Parameters
    ----------
    worlds : which worlds, and how many patients.
    products : what is simulated, in equal shares.
    config : features, outcome and settings of the learners; its kind is replaced.
    seed : of the test patients, who are the same people in every world.
    training_seed : of the first training cohort; the next has the next seed.
    workers : processes of simulations and threads of fits; the result does not depend on it.
    begin : told the title and number of steps of each part of the work; gives what is called with
        the steps done.

    Raises
    ------
    InputError
        For a scenario that does not ship.
    """
    places = {name: place_of(name, products=products) for name in worlds.scenarios}
    advance = begin("Asking the oracle of each world", worlds.test_patients * len(places))
    tests = {
        name: _test_patients(worlds, place, seed=seed, workers=workers, advance=advance)
        for name, place in places.items()
    }
    advance = begin("Fitting trees and additive models", worlds.cohorts * len(places))

    def work(task: tuple[str, int]) -> dict[str, Floats]:
        name, number = task
        training = patients_from(places[name], n=worlds.patients, seed=training_seed + number)
        losses = _losses(training, *tests[name], config=config, seed=number)
        advance(1)
        return losses

    tasks = [(name, number) for name in places for number in range(worlds.cohorts)]
    with side_by_side(workers) as pool:
        answers = dict(zip(tasks, pool.map(work, tasks), strict=True))
    gains: list[TreesGain] = []
    for name in places:
        of_world = [answers[name, number] for number in range(worlds.cohorts)]
        gains += gains_of(
            name,
            {learner: [losses[learner] for losses in of_world] for learner in of_world[0]},
            tests[name][1],
            n_training=worlds.patients,
        )
    return BeyondAdditive(tuple(gains))


def gains_of(scenario: str, losses: Losses, truth: Truth, *, n_training: int) -> list[TreesGain]:
    """What every learner but the additive model and the product's rate gains over the former.

    Parameters
    ----------
    scenario : the world that the losses are of.
    losses : expected losses of the test patients by learner, one array a training cohort.
    truth : of the test patients.
    n_training : patients of a training cohort.
    """
    base, additive = losses[ProductRate.name], losses[ADDITIVE]
    return [
        TreesGain(
            scenario=scenario,
            learner=learner,
            n_training=n_training,
            n_cohorts=len(additive),
            n_test=truth.risk.size,
            event_rate=float(truth.risk.mean()),
            oracle_gain_nats=float(np.mean(np.mean(base, axis=0) - truth.entropy)),
            additive_share=_estimate(share_of_gain(additive, base, truth)),
            gain_nats=_estimate(nats := _nats_gained(trees, additive)),
            gain_nats_test_error=nats.test_error,
            gain_share=_estimate(share := difference_of_shares(trees, additive, base, truth)),
            gain_share_test_error=share.test_error,
        )
        for learner, trees in losses.items()
        if learner not in (ProductRate.name, ADDITIVE)
    ]


def _test_patients(
    worlds: Worlds, place: Place, *, seed: int, workers: int, advance: Callable[[int], None]
) -> tuple[pd.DataFrame, Truth]:
    cohort = patients_from(place, n=worlds.test_patients, seed=seed, workers=workers)
    risk = true_risk(
        cohort,
        world=place.only.world,
        n_replicates=worlds.truth_repetitions,
        workers=workers,
        advance=advance,
    )
    return cohort.observed, Truth.from_true_risk(risk)


def _losses(
    training: Cohort, observed: pd.DataFrame, truth: Truth, *, config: ModelConfig, seed: int
) -> dict[str, Floats]:
    event = training.outcomes[config.outcome].to_numpy()
    kinds: dict[str, LearnerKind] = {ADDITIVE: "additive", BOOSTING: "boosting"}
    risks = {}
    for name, kind in kinds.items():
        recipe = config.replace(kind=kind)
        model = fit(training.observed, training.outcomes, config=recipe, seed=seed)
        risks[name] = predict(model, observed).risk
    for learner in (ProductRate(), LightGBM(config=config, seed=seed)):
        fitted = learner.fit(training.observed, event)
        risks[learner.name] = fitted.predict_proba(observed)[:, 1]
    return {name: expected_log_loss(risk, truth) for name, risk in risks.items()}


def _nats_gained(trees: Sequence[Floats], additive: Sequence[Floats]) -> Share:
    """Mean difference of losses, paired by training cohort and test patient."""
    gained = np.array(additive) - np.array(trees)  # (cohorts, patients)
    of_cohorts, of_patients = gained.mean(axis=1), gained.mean(axis=0)
    return Share(
        float(gained.mean()),
        float(of_cohorts.std(ddof=1) / np.sqrt(of_cohorts.size)),
        float(of_patients.std(ddof=1) / np.sqrt(of_patients.size)),
        of_cohorts.size,
    )


def _estimate(share: Share) -> Estimate:
    """The mean over cohorts, with the 95% interval of both errors together."""
    low, high = share.interval
    return Estimate(share.value, low, high, share.mc_error)


def _columns(name: str, estimate: Estimate, test_error: float) -> dict[str, float | None]:
    return {
        name: estimate.value,
        f"{name}_mc_error": estimate.mc_error,
        f"{name}_test_error": test_error,
        f"{name}_low": estimate.low,
        f"{name}_high": estimate.high,
    }


def _told(estimate: Estimate, *, digits: int) -> str:
    return f"{estimate.value:+.{digits}f} ({estimate.mc_error or 0.0:.{digits}f})"
