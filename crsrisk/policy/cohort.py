"""Policy cohort: simulated patients whose potential outcomes are known, and what ranks them.

Scores are learnt in a simulated randomised trial. Policies are judged on other patients, of whom is
known what becomes of each under every strategy, and what two oracles expect: the mechanism oracle
knows the unmeasured biology, the covariate oracle only what a hospital's table shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from crsrisk.data.assumptions import Assumptions
from crsrisk.data.potential_outcomes import (
    Harms,
    Ledger,
    PotentialOutcomes,
    ResponseWorld,
    Strategy,
    TrueRisks,
)
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.policy.table import (
    FloatArray,
    IndividualEffects,
    best_threshold,
    expected_effects,
    reliability,
    shrunken_gain,
)
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import potential_outcomes, true_risks, with_standard
from crsrisk.trials.checks import non_negative

Begin = Callable[[str, int], Callable[[int], None]]
CONFIG = "baseline"
WHERE = "policy"


def harms_of(assumptions: Assumptions) -> Harms:
    """The weights of harms that assumptions state."""
    known = assumptions.group("consequences")
    return Harms(known["infection_weight"], known["response_weight"], known["burden_per_course"])


@dataclass(frozen=True)
class HarmWeights:
    """What a user lets harms weigh against one CRS of grade >= 2; None: as the assumptions say.

    Parameters
    ----------
    infection : weight of one serious infection within 90 days.
    response : weight of one lost tumour response.
    burden : weight of one course of prophylaxis by itself (cost, time, reactions).

    Examples
    --------
    >>> HarmWeights(infection=2.0).given()
    {'consequences.infection_weight': 2.0}
    """

    infection: float | None = None
    response: float | None = None
    burden: float | None = None

    def given(self) -> dict[str, float]:
        """The ones that are set, by the key of their assumption; :class:`InputError` for a negative
        one.
        """
        weights = {
            "infection_weight": self.infection,
            "response_weight": self.response,
            "burden_per_course": self.burden,
        }
        return {
            f"consequences.{name}": non_negative(weight, where=WHERE, key=name)
            for name, weight in weights.items()
            if weight is not None
        }

    def put_into(self, world: World) -> World:
        """The world with these weights."""
        return replace(world, assumptions=world.assumptions.replace(self.given()))

    def harms(self, assumptions: Assumptions) -> Harms:
        """All weights as harms."""
        return harms_of(assumptions.replace(self.given()))


@dataclass(frozen=True)
class CohortSizes:
    """How much is simulated: patients on whom policies are judged, futures of each
    (``n_replicates``, an even number), and patients an arm of the trial that scores learn from.
    """

    n_patients: int
    n_replicates: int
    n_training_per_arm: int


@dataclass(frozen=True)
class Scores:
    """Models before the first dose: the risk without prophylaxis, and by strategy the risk with it
    (for benefit).
    """

    risk: RiskModel
    treated: Mapping[str, RiskModel]
    origin: str

    def risk_of(self, observed: pd.DataFrame) -> FloatArray:
        """Predicted risk without prophylaxis, shape (n,)."""
        return risk_of_everybody(self.risk, observed)

    def benefit_of(self, observed: pd.DataFrame, *, strategy: str) -> FloatArray:
        """Predicted benefit: risk by the model of the control arm less that by the model of the
        treated arm.
        """
        without = risk_of_everybody(self.treated["none"], observed)
        return without - risk_of_everybody(self.treated[strategy], observed)


@dataclass(frozen=True, eq=False)
class PolicyCohort:
    """The patients on whom policies are judged, none of whom any score has seen.

    ``risk`` (n,) and, by strategy, ``benefit`` (n,) are predicted from what a hospital observes.
    """

    arm: Arm
    observed: pd.DataFrame
    outcomes: PotentialOutcomes
    mechanism: TrueRisks
    covariates: TrueRisks
    risk: FloatArray
    benefit: Mapping[str, FloatArray]
    score_origin: str


def risk_of_everybody(model: RiskModel, observed: pd.DataFrame) -> FloatArray:
    """Risks of every row; :class:`InputError` when a row is refused, since a policy must say
    something of everybody.
    """
    scored = predict(model, observed).rows
    if (refused := scored["status"] == "refused").any():
        row = int(np.argmax(refused.to_numpy()))
        raise InputError(
            where="cohort",
            key=f"row {row + 1}",
            found=scored["reasons"].iloc[row],
            expected="values that the model can use",
            cure="correct the row, or leave the patient out",
        )
    return scored["risk"].to_numpy(dtype=np.float64)


def learn_scores(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    world: World,
    seed: int,
    start: int,
    n: int,
    model: RiskModel | None,
    workers: int = 1,
) -> Scores:
    """Fit one risk model to each arm of a simulated randomised trial, ``n`` patients an arm, from
    patient ``start`` on.

    ``model`` is used for the risk without prophylaxis when there is one.
    """
    config, fitted = load_config(find("configs", CONFIG)), {}
    for k, strategy in enumerate(with_standard(strategies)):
        patients = sample(
            arm.population,
            assumptions=world.assumptions,
            seed=seed,
            start=start + k * n,
            stop=start + (k + 1) * n,
        )
        outcomes = potential_outcomes(
            arm, [strategy], patients=patients, world=world, seed=seed, workers=workers
        )
        table = pd.DataFrame(
            {
                "patient_id": patients.patient_id,
                config.outcome: outcomes.event(strategy.name),
                "window_d": np.full(n, outcomes.window_d),
            }
        )
        fitted[strategy.name] = fit(
            observe(patients, arm=arm, world=world, seed=seed),
            table,
            config=config,
            seed=seed,
            origin="simulated",
        )
    origin = (
        f"fitted to the control arm of a simulated trial of {n} patients an arm"
        if model is None
        else f"{model.label}, given"
    )
    return Scores(model or fitted["none"], fitted, origin)


def simulate_policy_cohort(
    arm: Arm,
    strategies: Sequence[Strategy],
    *,
    world: World,
    seed: int,
    sizes: CohortSizes,
    model: RiskModel | None,
    begin: Begin,
    workers: int = 1,
) -> tuple[PolicyCohort, Scores]:
    """Learn the scores in some patients, simulate others under every strategy, and ask both oracles
    about them.
    """
    n = sizes.n_patients
    advance = begin("Learning scores in a simulated trial", 1)
    scores = learn_scores(
        arm,
        strategies,
        world=world,
        seed=seed,
        start=n,
        n=sizes.n_training_per_arm,
        model=model,
        workers=workers,
    )
    advance(1)
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    outcomes = potential_outcomes(
        arm, strategies, patients=patients, world=world, seed=seed, workers=workers
    )
    expected = partial(
        true_risks,
        arm,
        strategies,
        patients=patients,
        world=world,
        seed=seed,
        n_replicates=sizes.n_replicates,
        workers=workers,
    )
    mechanism = expected(given="baseline", advance=begin("Asking the mechanism oracle", n))
    # futures of its own: by these it chooses, in the mechanism oracle's it is counted
    covariates = expected(
        given="observed",
        first_replicate=sizes.n_replicates,
        advance=begin("Asking the covariate oracle", n),
    )
    observed = observe(patients, arm=arm, world=world, seed=seed)
    cohort = PolicyCohort(
        arm,
        observed,
        outcomes,
        mechanism,
        covariates,
        scores.risk_of(observed),
        {name: scores.benefit_of(observed, strategy=name) for name in outcomes.names[1:]},
        scores.origin,
    )
    return cohort, scores


@dataclass(frozen=True)
class ValuationPlan:
    """How policies are valued: weights of harms, the world of response that thresholds are planned
    for, doses for 100 patients, and resampling.
    """

    harms: Harms
    response_world: ResponseWorld
    doses_per_100: tuple[float, ...]
    n_resamples: int
    seed: int


@dataclass(frozen=True, eq=False)
class RankedPatients:
    """Everything that ranks or values the patients of one strategy; arrays of shape (n,).

    ``risk`` and ``benefit`` are predicted; ``expected_gain`` is the net benefit that the covariate
    oracle expects; ``best_threshold``: of the predicted risk, in these patients.
    """

    effects: IndividualEffects
    split_halves: tuple[IndividualEffects, IndividualEffects]
    ledger: Ledger
    risk: FloatArray
    benefit: FloatArray
    expected_gain: FloatArray
    best_threshold: float


def rank_patients(cohort: PolicyCohort, strategy: str, plan: ValuationPlan) -> RankedPatients:
    """Effects and rankings of one strategy's patients."""
    given = cohort.outcomes.is_exposed[cohort.outcomes.index(strategy)].astype(np.float64)
    expected = partial(
        expected_effects, strategy=strategy, response_world=plan.response_world, is_given=given
    )
    effects = expected(cohort.mechanism)
    first, second = (expected(cohort.covariates, split_half=k).gain(plan.harms) for k in (0, 1))
    half = reliability(first, second)
    # of both halves together, by the formula of Spearman and Brown
    expected_gain = shrunken_gain((first + second) / 2.0, reliability=2.0 * half / (1.0 + half))
    return RankedPatients(
        effects,
        (expected(cohort.mechanism, split_half=0), expected(cohort.mechanism, split_half=1)),
        effects.ledger(plan.harms),
        cohort.risk,
        cohort.benefit[strategy],
        expected_gain,
        best_threshold(cohort.risk, effects.gain(plan.harms)),
    )
