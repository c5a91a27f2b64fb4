"""The games that explanations are judged in: one product's players, reference and attributions.

It is the game of the reasons on pages: within a product the players are the clinical values that
differ between its patients, and an unknown value is that of the median patient of the product. The
oracle's risk is asked through two surrogates, the mechanism by running it again with one value
replaced. Levers are judged apart (:func:`lever_rows`): within a product every patient has the same
premedication and steps, so a model can learn what they do only from differences between products,
where everything else differs too. Editing a lever's column is therefore no counterfactual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, logit

from crsrisk.data.assumptions import Strict
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.evaluation.against_truth import CalibrationError, SplitHalves, calibration_error
from crsrisk.evaluation.explanation_truth import (
    Agreement,
    Function,
    Surrogate,
    agreement,
    by_feature,
    contributions_by_definition,
    fit_surrogate,
    reliability,
    shapley_by_orders,
)
from crsrisk.model.booster import booster_of, contributions_of
from crsrisk.model.explain import explain, feature_contributions
from crsrisk.model.features import numbers_of
from crsrisk.model.median_patient import reference_table
from crsrisk.model.predict import feature_matrix, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import TRAITS, Patients, draw, take, transform_draws
from crsrisk.simulation.run import run
from crsrisk.simulation.similar_patients import latent_score
from crsrisk.simulation.true_risk import DISCRETE, FEATURES, intervene, risk_of_arm

Values = NDArray[np.float64]
STEROIDS = {"dexamethasone", "methylprednisolone"}
HALF_DOSE = "half_dose"
# first numbers of patients
_EXPLAINED, _JUDGED, _LABELLED = 10_000, 20_000, 1_000_000
_CHUNK = 20_000


class ExplanationTruth(Strict):
    """What the experiment asks and how much it may compute; numbers of patients are for each
    product.

    ``released``: name of a released model; without one the model of ``config`` is trained on
    ``training_patients``.
    """

    kind: str
    name: str
    question: str
    config: str
    released: str
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    training_patients: int = Field(ge=400)
    surrogate_patients: int = Field(ge=4000)
    explained_patients: int = Field(ge=20)
    orders: int = Field(ge=2)
    checked_patients: int = Field(ge=1)
    oracle_patients: int = Field(ge=30)
    oracle_repetitions: int = Field(ge=20, multiple_of=2)
    intervention_patients: int = Field(ge=10)
    intervention_repetitions: int = Field(ge=20, multiple_of=2)
    lever_patients: int = Field(ge=200)


@dataclass(frozen=True)
class Subject:
    """One product: its players, the median patient, and the patients who are explained."""

    name: str
    arm: Arm
    world: World
    players: tuple[str, ...]
    reference: Patients
    reference_table: pd.DataFrame
    explained: Patients
    explained_table: pd.DataFrame

    def rows(self, table: pd.DataFrame) -> Values:
        """The players' values, (patients, players), NaN = missing."""
        return np.column_stack([numbers_of(table, column=name) for name in self.players])


@dataclass(frozen=True)
class Attributions:
    """Shapley values of one product's explained patients (patients, players), in log-odds: oracle
    (two halves, ``surrogate_error`` the largest standard error from their orders) and model; and
    the effects of replacing each value, whole and by halves.
    """

    halves: tuple[Values, Values]
    model: Values
    surrogate_error: float
    effects: Values
    effect_halves: tuple[Values, Values]

    @property
    def oracle(self) -> Values:
        """Mean of the two surrogates: Shapley values are linear in the function."""
        return np.asarray((self.halves[0] + self.halves[1]) / 2.0)


@dataclass(frozen=True)
class ExplainerError:
    """Largest difference (log-odds) over ``n_patients``: of the reasons (interventional) from their
    definition, with LightGBM's own scores for every coalition, and of the ``path_dependent`` values
    from LightGBM's own.
    """

    largest: float
    path_dependent: float
    n_patients: int


@dataclass(frozen=True)
class SurrogateQuality:
    """How far the surrogate's risk is from the re-simulated oracle's, with the oracle's noise
    removed, and how far its Shapley values can be trusted.

    ``share_of_variance`` of the true risk that it explains; None where that risk does not vary.
    ``reliability``: correlation that its Shapley values have with the truth, from that of its two
    halves.
    """

    n_patients: int
    root_mean_squared: Estimate
    bias: Estimate
    sd_of_true_risk: float
    share_of_variance: float | None
    halves_rank_correlation: Estimate
    reliability: float


@dataclass(frozen=True)
class Comparisons:
    """(b) the model against the oracle's risk, and (c) both against the intervention; with the
    reliability of the intervention.
    """

    model_against_oracle: Agreement
    oracle_against_intervention: Agreement
    model_against_intervention: Agreement
    intervention_reliability: float


@dataclass(frozen=True)
class FeatureRow:
    """One feature of one product: its mean absolute size in every game, its correlations, and what
    the causal graph calls it.
    """

    feature: str
    kind: str
    size: float
    size_attributed: float
    rank_correlation: float
    linear_correlation: float
    size_of_effect: float
    oracle_against_intervention: float
    size_path_dependent: float


def subject_of(config: ExplanationTruth, arm: Arm, world: World, model: RiskModel) -> Subject:
    explained = _people(arm, world, seed=config.seed, start=_EXPLAINED, n=config.explained_patients)
    table = observe(explained, arm=arm, world=world, seed=config.seed)
    contract = model.contract
    median = reference_table(contract.median_patients, table.head(1), contract=contract.columns)
    players = tuple(name for name in FEATURES if table[name].nunique() > 1)
    person = _with_values(take(explained, np.zeros(1, dtype=np.int64)), median, arm=arm)
    return Subject(arm.product.name, arm, world, players, person, median, explained, table)


def _with_values(person: Patients, row: pd.DataFrame, *, arm: Arm) -> Patients:
    """A patient whose true values are those of a row of the observed table, where it has any."""
    latent, discrete = person.latent.copy(), dict(person.discrete)
    for place, name in enumerate(CONTINUOUS):
        value = float(numbers_of(row, column=name)[0])
        if not np.isnan(value):
            latent[0, place] = latent_score(value, arm.population.marginals[name])
    for name in DISCRETE:
        discrete[name] = numbers_of(row, column=name)
    discrete["extra_sites"] = np.maximum(discrete["n_metastatic_sites"] - 1.0, 0.0)
    traits = person.traits.copy()
    traits[:, TRAITS.index("cell_dose")] = 0.0  # in the middle
    return replace(person, latent=latent, discrete=discrete, traits=traits)


def _people(arm: Arm, world: World, *, seed: int, start: int, n: int) -> Patients:
    draws = draw(assumptions=world.assumptions, seed=seed, start=start, stop=start + n)
    return transform_draws(draws, arm.population, assumptions=world.assumptions, rows=np.arange(n))


def explainer_error(config: ExplanationTruth, subject: Subject, model: RiskModel) -> ExplainerError:
    """(a): both kinds of our values against exact ones of other making, for some patients."""
    table = subject.explained_table.head(config.checked_patients)
    contract = model.contract
    median = reference_table(contract.median_patients, table, contract=contract.columns)
    matrix = feature_matrix(model, table)
    wanted = contributions_by_definition(model, matrix, reference=feature_matrix(model, median))
    _, by_path = feature_contributions(model, table)
    exact = contributions_of(booster_of(model.booster_text), matrix)[:, :-1]
    return ExplainerError(
        largest=float(np.abs(explain(model, table).contributions - wanted).max()),
        path_dependent=float(np.abs(by_path - model.calibrator.slope * exact).max()),
        n_patients=len(table),
    )


def surrogates_of(config: ExplanationTruth, subject: Subject) -> tuple[Surrogate, Surrogate]:
    """Two surrogates of the oracle's risk, fitted to different patients."""
    half = config.surrogate_patients // 2
    first, second = (
        _fit_half(config, subject, start=_LABELLED + k * half, n=half) for k in range(2)
    )
    return first, second


def _fit_half(config: ExplanationTruth, subject: Subject, *, start: int, n: int) -> Surrogate:
    """A surrogate fitted to simulated patients with one outcome each."""
    arm, world = subject.arm, subject.world
    rows, events = [], []
    for first in range(start, start + n, _CHUNK):
        patients = _people(
            arm, world, seed=config.seed, start=first, n=min(_CHUNK, start + n - first)
        )
        events.append(
            grade_within(run(arm, patients, world=world), window_h=24.0 * arm.window_d) >= 2
        )
        rows.append(subject.rows(observe(patients, arm=arm, world=world, seed=config.seed)))
    return fit_surrogate(subject.players, np.concatenate(rows), np.concatenate(events))


def surrogate_quality(
    config: ExplanationTruth,
    subject: Subject,
    halves: tuple[Surrogate, Surrogate],
    attributions: Attributions,
) -> SurrogateQuality:
    """The surrogate against the re-simulated oracle, and its halves against each other."""
    patients = _people(
        subject.arm, subject.world, seed=config.seed, start=_JUDGED, n=config.oracle_patients
    )
    rows = subject.rows(observe(patients, arm=subject.arm, world=subject.world, seed=config.seed))
    asked = risk_of_arm(
        subject.arm,
        patients,
        world=subject.world,
        seed=config.seed,
        given="observed",
        n_replicates=config.oracle_repetitions,
    )
    truth = SplitHalves("what was observed", asked.n_grade2plus, asked.n_replicates // 2)
    risk = 1.0 / (1.0 + np.exp(-_mean_of(halves)(rows)))
    error = calibration_error(risk, truth=truth, seed=config.seed)
    assert isinstance(error, CalibrationError)  # the configuration asks for 30 patients or more
    first, second = (2 * asked.n_grade2plus / asked.n_replicates).T
    variance = float(np.cov(first, second)[0, 1])
    squared = error.root_mean_squared.value**2
    together = agreement([attributions.halves], seed=config.seed).rank_correlation
    return SurrogateQuality(
        n_patients=config.surrogate_patients,
        root_mean_squared=error.root_mean_squared,
        bias=error.bias,
        sd_of_true_risk=max(0.0, variance) ** 0.5,
        share_of_variance=1.0 - squared / variance if variance > 0 else None,
        halves_rank_correlation=together,
        reliability=reliability(together.value),
    )


def attribute(
    config: ExplanationTruth,
    subject: Subject,
    model: RiskModel,
    halves: tuple[Surrogate, Surrogate],
) -> Attributions:
    """Shapley values of both surrogates (by orders) and of the model (its reasons, exact), and the
    effects of interventions.
    """
    rows, reference = subject.rows(subject.explained_table), subject.rows(subject.reference_table)
    first, second = (
        shapley_by_orders(
            half.log_odds, rows, background=reference, n_orders=config.orders, seed=config.seed
        )
        for half in halves
    )
    told = explain(model, subject.explained_table).to_frame()
    of_model = told.reindex(columns=list(subject.players), fill_value=0.0).to_numpy()
    n = min(config.intervention_patients, len(subject.explained))
    intervened = intervene(
        subject.arm,
        take(subject.explained, np.arange(n)),
        reference=subject.reference,
        features=subject.players,
        world=subject.world,
        seed=config.seed,
        n_replicates=config.intervention_repetitions,
    )
    return Attributions(
        (first.values, second.values),
        of_model,
        float(max(first.error.max(), second.error.max())),
        intervened.effects(),
        (intervened.effects(split_half=0), intervened.effects(split_half=1)),
    )


def _mean_of(halves: tuple[Surrogate, Surrogate]) -> Function:
    return lambda rows: np.asarray((halves[0].log_odds(rows) + halves[1].log_odds(rows)) / 2.0)


def compare_attributions(parts: Sequence[Attributions], *, seed: int) -> Comparisons:
    """(b) and (c), over the products given, with how far the references can be trusted."""
    effects = agreement([part.effect_halves for part in parts], seed=seed).rank_correlation
    return Comparisons(
        model_against_oracle=agreement([(part.model, part.oracle) for part in parts], seed=seed),
        oracle_against_intervention=agreement(
            [(part.oracle[: len(part.effects)], part.effects) for part in parts], seed=seed
        ),
        model_against_intervention=agreement(
            [(part.model[: len(part.effects)], part.effects) for part in parts], seed=seed
        ),
        intervention_reliability=reliability(effects.value),
    )


def feature_rows(subject: Subject, model: RiskModel, made: Attributions) -> list[FeatureRow]:
    """Feature by feature, the largest by the oracle first."""
    kinds = {variable.name: variable.kind for variable in model.contract.variables}
    of_effects = {
        row.feature: row
        for row in by_feature(
            made.oracle[: len(made.effects)], made.effects, features=subject.players
        )
    }
    path = np.abs(feature_contributions(model, subject.explained_table)[1])
    shown = {
        name: float(
            path[:, [feature.variable == name for feature in model.contract.features]]
            .sum(axis=1)
            .mean()
        )
        for name in subject.players
    }
    return [
        FeatureRow(
            feature=row.feature,
            kind=kinds.get(row.feature, "not in the model"),
            size=row.size,
            size_attributed=row.size_attributed,
            rank_correlation=row.rank_correlation,
            linear_correlation=row.linear_correlation,
            size_of_effect=of_effects[row.feature].size,
            oracle_against_intervention=of_effects[row.feature].rank_correlation,
            size_path_dependent=shown[row.feature],
        )
        for row in by_feature(made.model, made.oracle, features=subject.players)
    ]


@dataclass(frozen=True)
class LeverRow:
    """What a lever does in the mechanism, and what the model says when its column is edited.

    Changes of the mean risk of grade >= 2 (0-1) in the same patients; ``true_change`` has the
    standard error of a paired difference (both arms have the same random numbers).
    """

    product: str
    lever: str
    rate_before: float
    true_change: Estimate
    modelled_change: float
    true_log_odds: float
    modelled_log_odds: float


def lever_rows(
    model: RiskModel, arms: Sequence[Arm], *, world: World, n: int, seed: int, workers: int = 1
) -> list[LeverRow]:
    """One row a product and lever, among ``n`` patients of each."""
    rows = []
    for arm in arms:
        before, modelled = _risks(model, arm, world=world, n=n, seed=seed, workers=workers)
        for lever, changed in _levers(arm, world=world).items():
            after, edited = _risks(model, changed, world=world, n=n, seed=seed, workers=workers)
            difference = after - before
            rows.append(
                LeverRow(
                    product=arm.product.name,
                    lever=lever,
                    rate_before=float(before.mean()),
                    true_change=Estimate(
                        float(difference.mean()),
                        mc_error=float(difference.std(ddof=1) / n**0.5),
                    ),
                    modelled_change=float(np.mean(edited - modelled)),
                    true_log_odds=_log_odds(after) - _log_odds(before),
                    modelled_log_odds=float(logit(edited.mean()) - logit(modelled.mean())),
                )
            )
    return rows


def _levers(arm: Arm, *, world: World) -> dict[str, Arm]:
    """Arms that differ from this one by one lever."""
    premedication = {given.mitigation for given in arm.regimen.premedication}
    arms = {}
    if "tocilizumab" not in premedication:
        arms["tocilizumab before dose 1"] = make_arm(
            arm.product, world=world, mitigations=("tocilizumab",)
        )
    if not premedication & STEROIDS:
        arms["dexamethasone before dose 1"] = make_arm(
            arm.product, world=world, mitigations=("dexamethasone",)
        )
    arms["half of every dose"] = make_arm(
        _with_half_dose(arm.product), world=world, regimen=HALF_DOSE
    )
    return arms


def _with_half_dose(product: Product) -> Product:
    usual = product.regimens[product.default_regimen]
    doses = [dose.model_copy(update={"amount": dose.amount / 2.0}) for dose in usual.doses]
    halved = usual.model_copy(update={"doses": doses})
    return product.model_copy(update={"regimens": {**product.regimens, HALF_DOSE: halved}})


def _risks(
    model: RiskModel, arm: Arm, *, world: World, n: int, seed: int, workers: int
) -> tuple[Values, Values]:
    """Who has grade >= 2 (0/1), and what the model says of the same patients' table."""
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n)
    patients = transform_draws(
        draws, arm.population, assumptions=world.assumptions, rows=np.arange(n)
    )
    grade = grade_within(
        run(arm, patients, world=world, workers=workers), window_h=24.0 * arm.window_d
    )
    table = observe(patients, arm=arm, world=world, seed=seed)
    return (grade >= 2).astype(np.float64), expit(
        model.calibrator.log_odds(raw_log_odds(model, table))
    )


def _log_odds(event: Values) -> float:
    """Log-odds of a share, half an event added to each class."""
    return float(logit((event.sum() + 0.5) / (event.size + 1.0)))
