"""Prophylaxis cohort: patients whose potential outcomes are known, what oracles expect, and scores learnt elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.potential_outcomes import PotentialOutcomes, Strategy, TrueRisks
from crsrisk.domain.risk_model import RiskModel
from crsrisk.domain.world import World
from crsrisk.errors import InputError
from crsrisk.features.table import load_config
from crsrisk.folders import find
from crsrisk.learn.fit import fit
from crsrisk.learn.predict import predict
from crsrisk.simulate.arm import Arm
from crsrisk.simulate.observation import observe
from crsrisk.simulate.population import sample
from crsrisk.simulate.potential_outcomes import potential_outcomes, true_risks, with_standard

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
CONFIG = "baseline"


@dataclass(frozen=True)
class Sizes:
    """How much is simulated: patients judged, their futures, and patients an arm of the trial that scores learn from."""

    patients: int
    repetitions: int
    training: int


@dataclass(frozen=True)
class Scores:
    """Models before the first dose: the risk without prophylaxis, and by strategy the risk with it (for benefit)."""

    risk: RiskModel
    treated: Mapping[str, RiskModel]
    origin: str

    def risk_of(self, observed: pd.DataFrame) -> Floats:
        """Predicted risk without prophylaxis, shape (n,)."""
        return usable(self.risk, observed)

    def benefit_of(self, observed: pd.DataFrame, *, strategy: str) -> Floats:
        """Predicted benefit: risk by the model of the control arm less that by the model of the treated arm."""
        return usable(self.treated["none"], observed) - usable(self.treated[strategy], observed)


@dataclass(frozen=True, eq=False)
class Judged:
    """The patients on whom policies are judged, none of whom any score has seen."""

    arm: Arm
    observed: pd.DataFrame
    outcomes: PotentialOutcomes
    mechanism: TrueRisks
    covariates: TrueRisks
    risk: Floats
    benefit: Mapping[str, Floats]
    origin: str


def usable(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """Risks of every row; :class:`InputError` when a row is refused, since a policy must say something of everybody."""
    scored = predict(model, observed).rows
    if (refused := scored["status"] == "refused").any():
        row = int(np.argmax(refused.to_numpy()))
        raise InputError(where="cohort", key=f"row {row + 1}", found=scored["reasons"].iloc[row],
                         expected="values that the model can use", cure="correct the row, or leave the patient out")
    return scored["risk"].to_numpy(dtype=np.float64)


def learn_scores(
    arm: Arm, strategies: Sequence[Strategy], *, world: World, seed: int, start: int, n: int, model: RiskModel | None,
    workers: int = 1,
) -> Scores:
    """Fit one risk model to each arm of a simulated randomised trial, ``n`` patients an arm, from patient ``start`` on.

    ``model`` is used for the risk without prophylaxis when there is one.
    """
    config, fitted = load_config(find("configs", CONFIG)), {}
    for k, strategy in enumerate(with_standard(strategies)):
        patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=start + k * n,
                          stop=start + (k + 1) * n)
        found = potential_outcomes(arm, [strategy], patients=patients, world=world, seed=seed, workers=workers)
        table = pd.DataFrame({"patient_id": patients.patient_id, config.outcome: found.event(strategy.name),
                              "window_d": np.full(n, found.window_d)})
        fitted[strategy.name] = fit(observe(patients, arm=arm, world=world, seed=seed), table, config=config, seed=seed)
    origin = (f"fitted to the control arm of a simulated trial of {n} patients an arm" if model is None
              else f"{model.label}, given")
    return Scores(model or fitted["none"], fitted, origin)


def judge_patients(
    arm: Arm, strategies: Sequence[Strategy], *, world: World, seed: int, sizes: Sizes, model: RiskModel | None,
    begin: Begin, workers: int = 1,
) -> tuple[Judged, Scores]:
    """Learn the scores in some patients, simulate others under every strategy, and ask both oracles about them."""
    n = sizes.patients
    advance = begin("Learning scores in a simulated trial", 1)
    scores = learn_scores(arm, strategies, world=world, seed=seed, start=n, n=sizes.training, model=model, workers=workers)
    advance(1)
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    outcomes = potential_outcomes(arm, strategies, patients=patients, world=world, seed=seed, workers=workers)
    again = partial(true_risks, arm, strategies, patients=patients, world=world, seed=seed, repetitions=sizes.repetitions,
                    workers=workers)
    mechanism = again(given="baseline", advance=begin("Asking the mechanism oracle", n))
    # futures of its own: by these it chooses, in the mechanism oracle's it is counted
    covariates = again(given="observed", first_repetition=sizes.repetitions, advance=begin("Asking the covariate oracle", n))
    observed = observe(patients, arm=arm, world=world, seed=seed)
    names = [one.name for one in outcomes.strategies[1:]]
    return Judged(arm, observed, outcomes, mechanism, covariates, scores.risk_of(observed),
                  {name: scores.benefit_of(observed, strategy=name) for name in names}, scores.origin), scores
