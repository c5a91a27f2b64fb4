"""Validation: a cohort is simulated, a model developed on it, and everything asked that a good
clinical model is asked.

`experiments/005_validation`: discrimination, calibration, net benefit, comparison, optimism, places
left out, instability, subgroups with their gaps, sample size, and the checklists answered from it.
What only a known truth can say joins as an
:class:`~crsrisk.report.evaluation.ExtraSection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort, subset
from crsrisk.data.cross_validation import load_cross_validation
from crsrisk.data.files import frame_digest, write_text
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth, expected_log_loss
from crsrisk.evaluation.evaluate import HELD_OUT, THRESHOLDS, evaluate
from crsrisk.evaluation.internal_external import InternalExternal, leave_one_out
from crsrisk.evaluation.leaks import probe
from crsrisk.evaluation.learning_curve_size import Development as Developed
from crsrisk.evaluation.learning_curve_size import NeededSize, differences_from_mean, needed_size
from crsrisk.evaluation.optimism import Instability, OptimismTable, instability, optimism
from crsrisk.evaluation.paired_comparison import ModelComparison, compare_models
from crsrisk.evaluation.resampling import Develop, Repeats, measure_all, refit_in_resamples
from crsrisk.evaluation.sample_size import RileySizes, SampleSize, riley_sizes
from crsrisk.evaluation.subgroups import GapDecomposition, decompose_gap
from crsrisk.executor import side_by_side
from crsrisk.folders import find
from crsrisk.model.comparators import ProductRate, comparators
from crsrisk.model.features import load_config
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.model.tracking import check_server, tracking
from crsrisk.report.cross_validation import cross_validation_part
from crsrisk.report.evaluation import ModelEvaluation, build_model_evaluation
from crsrisk.report.evaluation_facts import About, EvaluationData, ExtraSection
from crsrisk.results import Estimate, NotEstimable
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_risk import Given, true_risk
from crsrisk.studies.development import Development, Split, choose_for_truth, develop
from crsrisk.studies.evaluate import (
    closing_lines,
    labels_of,
    missing_shares,
    subgroups_of,
    track_model_evaluation,
    write_model_evaluation,
)
from crsrisk.studies.evaluated_table import may_be_missing
from crsrisk.studies.experiment import experiment_file
from crsrisk.wording import NOTICE, listed, number, plain_name, short_labels

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]


class StudyConfig(Strict):
    """What a validation asks and how much it may compute. Numbers of patients are of synthetic
    patients.

    ``tuning_trials``: settings that tuning tries (0: nothing is tuned). The learning curve and the
    patients who measure it are simulated beside the cohort. ``left_out``: columns whose words are
    left out one at a time; of sites the ``sites_at_most`` largest.
    """

    kind: str
    name: str
    question: str
    config: str
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    n_patients: int = Field(ge=400)
    test_share: float = Field(gt=0.05, lt=0.9)
    threshold: float = Field(gt=0, lt=1)
    bootstrap: int = Field(ge=50)
    tuning_trials: int = Field(ge=0)
    refits: int = Field(ge=20)
    tuned_refits: int = Field(ge=0)
    left_out: list[str]
    sites_at_most: int = Field(ge=2)
    truth_patients: int = Field(ge=60)
    truth_repetitions: int = Field(ge=20, multiple_of=2)
    baseline_repetitions: int = Field(ge=2, multiple_of=2)
    curve_sizes: list[int] = Field(min_length=1)
    curve_developments: int = Field(ge=2)
    curve_judged_in: int = Field(ge=400)


@dataclass(frozen=True, eq=False)
class StudyData:
    """The evaluated model with everybody it is evaluated in; what a further part can build on.

    ``sides``: development and held-out patients. ``pool``: further patients of the same world, whom
    no part of the validation but the learning curve has used. ``known``: held-out patients with
    known true risk, given what was observed (``observed_truth``) and given everything true at
    baseline (``full_truth``).
    """

    config: StudyConfig
    world: World
    arms: Mapping[str, Arm]
    sides: Split
    pool: Cohort
    development: Development
    model: RiskModel
    repeats: Repeats
    known: Cohort
    observed_truth: Truth
    full_truth: Truth

    @property
    def outcome(self) -> str:
        """The column with the outcome."""
        return self.model.contract.outcome


FurtherPart = Callable[[StudyData], ExtraSection]


@dataclass(frozen=True)
class ValidationRun:
    """The evaluation of the model, the folder it was written to, and how to open its tracking."""

    evaluation: ModelEvaluation
    folder: str
    tracking: str


def run_validation(
    folder: Path, *, workers: int, begin: Begin, further: Sequence[FurtherPart] = ()
) -> ValidationRun:
    """Run a validation experiment and write its results to ``results/``."""
    path = experiment_file(folder)
    config = build(StudyConfig, read_yaml(path), where=str(path))
    results = path.parent / "results"
    check_server()
    write_text(results / "README.txt", "Made by `crsrisk run`; safe to delete.\n")
    # products of matrices on several threads differ in their last digits from run to run
    with threadpool_limits(1):
        study = collect(config, workers=workers, begin=begin)
        evaluation = evaluate_study(study, workers=workers, begin=begin, further=further)
    write_model_evaluation(evaluation, results)
    save_model(study.model, results / "model")
    with tracking(
        folder=results.resolve().parent.parent / "mlflow",
        experiment=config.name,
        run=config.name,
        notice=NOTICE,
    ) as run:
        track_model_evaluation(run, evaluation, results)
        run.dataset(
            name="development",
            digest=frame_digest(study.sides.training.observed),
            context="training",
            origin="simulated",
        )
        run.dataset(
            name="held out",
            digest=frame_digest(study.sides.test.observed),
            context="evaluation",
            origin="simulated",
        )
        how = run.how_to_open
    return ValidationRun(evaluation, str(results), how)


def collect(config: StudyConfig, *, workers: int, begin: Begin) -> StudyData:
    """Simulate the cohort, develop the model, repeat its development, and ask the oracles."""
    world = load_world(config.scenario)
    names = config.products or list(all_products())
    arms = {name: make_arm(load_product(name), world=world) for name in names}
    n_pool = config.curve_developments * max(config.curve_sizes) + config.curve_judged_in
    advance = begin("Simulating patients", config.n_patients + n_pool)
    everybody = simulate_cohort(
        list(arms.values()),
        world=world,
        n_patients=config.n_patients + n_pool,
        seed=config.seed,
        workers=workers,
    )
    advance(config.n_patients + n_pool)
    ids = everybody.patient_ids.to_numpy()
    developing = subset(everybody, patient_ids=ids[: config.n_patients])
    sides = Split(*developing.split(test_size=config.test_share, seed=config.seed))
    training = sides.training
    development, model = develop(
        training.observed,
        training.outcomes,
        config=load_config(find("configs", config.config)),
        trials=config.tuning_trials,
        seed=config.seed,
    )
    repeats = refit_in_resamples(
        training.observed,
        training.outcomes,
        refit=development.refit,
        tune_and_refit=development.tuning,
        n_resamples=config.refits,
        n_tuned=config.tuned_refits,
        seed=config.seed,
        workers=workers,
        advance=begin("Repeating the development", config.refits),
    )
    chosen = choose_for_truth(sides.test, n=config.truth_patients)
    observed_truth, full_truth = _truths(
        config, sides.test.subset(chosen), world=world, workers=workers, begin=begin
    )
    return StudyData(
        config=config,
        world=world,
        arms=arms,
        sides=sides,
        pool=subset(everybody, patient_ids=ids[config.n_patients :]),
        development=development,
        model=model,
        repeats=repeats,
        known=_in_order(sides.test, chosen),
        observed_truth=observed_truth,
        full_truth=full_truth,
    )


def _truths(
    config: StudyConfig, patients: Cohort, *, world: World, workers: int, begin: Begin
) -> tuple[Truth, Truth]:
    """True risks of these patients, given what was observed and given everything true at
    baseline.
    """
    advance = begin("Asking the oracles", 2 * patients.n_patients)

    def truth(given: Given, n_replicates: int) -> Truth:
        return Truth.from_true_risk(
            true_risk(
                patients,
                world=world,
                n_replicates=n_replicates,
                given=given,
                workers=workers,
                advance=advance,
            )
        )

    return (
        truth("observed", config.truth_repetitions),
        truth("baseline", config.baseline_repetitions),
    )


def _in_order(cohort: Cohort, ids: NDArray[np.int64]) -> Cohort:
    """The patients of these numbers, in their order."""

    def rows(table: pd.DataFrame) -> pd.DataFrame:
        return table.set_index("patient_id", drop=False).loc[ids].reset_index(drop=True)

    return Cohort(
        observed=rows(cohort.observed), outcomes=rows(cohort.outcomes), course=rows(cohort.course)
    )


def evaluate_study(
    study: StudyData, *, workers: int, begin: Begin, further: Sequence[FurtherPart] = ()
) -> ModelEvaluation:
    """Ask everything of the model, and put the answers together."""
    config, model, test = study.config, study.model, study.sides.test
    y_true = test.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    risk = predict(model, test.observed).risk
    evaluation = evaluate(
        y_true,
        risk,
        groups=test.observed["product"].to_numpy(dtype=str),
        outcome_name=model.contract.outcome_in_words,
        patients=HELD_OUT,
        seed=config.seed,
        n_resamples=config.bootstrap,
    )
    corrected, unstable = _refits(study)
    labels = short_labels({name: arm.product.label for name, arm in study.arms.items()})
    return build_model_evaluation(
        model,
        about=_about(study, labels),
        evaluation=evaluation,
        subgroups=subgroups_of(
            y_true,
            risk=risk,
            observed=test.observed,
            contract=model.contract,
            threshold=config.threshold,
            seed=config.seed,
            n_resamples=config.bootstrap,
        ),
        gaps=_gaps(study),
        optimism=corrected,
        instability=unstable,
        internal_external=_places(study, workers=workers, begin=begin),
        comparison=_comparison(study, y_true, risk),
        sample_size=_size(study, evaluation.pooled.auroc, workers=workers, begin=begin),
        further=[
            *(part(study) for part in further),
            cross_validation_part(load_cross_validation()),
        ],
    )


def _refits(
    study: StudyData,
) -> tuple[OptimismTable | NotEstimable, Instability | NotEstimable]:
    """Optimism and instability of the risks of the development patients."""
    config, training = study.config, study.sides.training
    y_true = training.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    risk = predict(study.model, training.observed).risk
    corrected = optimism(
        y_true,
        risk=risk,
        refits=study.repeats,
        thresholds=[config.threshold],
        product=training.observed["product"].to_numpy(dtype=str),
    )
    unstable = instability(
        y_true,
        risk=risk,
        refits=study.repeats,
        thresholds=THRESHOLDS,
        at=[config.threshold],
        seed=config.seed,
    )
    return corrected, unstable


def _places(
    study: StudyData, *, workers: int, begin: Begin
) -> dict[str, InternalExternal | NotEstimable]:
    """Every kind of place left out, or why it could not be."""
    config, training = study.config, study.sides.training
    kinds: dict[str, InternalExternal | NotEstimable] = {}
    for by in config.left_out:
        at_most = config.sites_at_most if by == "site" else None
        n = int(training.observed[by].nunique())
        try:
            kinds[by] = leave_one_out(
                training.observed,
                training.outcomes,
                outcome=study.outcome,
                by=by,
                refit=study.development.refit,
                seed=config.seed,
                at_most=at_most,
                workers=workers,
                advance=begin(f"Leaving out one {plain_name(by)}", min(n, at_most or n)),
            )
        except InputError as problem:
            kinds[by] = NotEstimable(f"{problem.found}; expected {problem.expected}")
    return kinds


def _comparison(study: StudyData, y_true: NDArray[np.bool_], risk: Floats) -> list[ModelComparison]:
    """The model against each comparator, fitted to the development patients."""
    training, test = study.sides.training, study.sides.test
    event = training.outcomes[study.outcome].to_numpy()
    return [
        compare_models(
            y_true,
            risk=risk,
            other=comparator.fit(training.observed, event).predict_proba(test.observed)[:, 1],
            other_name=comparator.name[:1].upper() + comparator.name[1:],
            group=test.observed["product"].to_numpy(dtype=str),
            thresholds=THRESHOLDS,
            seed=study.config.seed,
            n_resamples=study.config.bootstrap,
        )
        for comparator in comparators(config=study.development.config)
    ]


def _gaps(study: StudyData) -> dict[str, GapDecomposition | NotEstimable]:
    """Gaps of four groups among the patients whose true risk is known."""
    model, known, config = study.model, study.known, study.config
    y_true = known.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    risk = predict(model, known.observed).risk
    n_missing = known.observed[list(may_be_missing(model.contract))].isna().sum(axis=1).to_numpy()
    gaps: dict[str, GapDecomposition | NotEstimable] = {}
    for label, member in _GROUPS.items():
        equal_shares = _equal_shares(study, member)
        gaps[label] = decompose_gap(
            y_true,
            risk=risk,
            is_in_group=member(known.observed, model),
            group=label,
            n_missing=n_missing,
            seed=config.seed,
            equal_shares_risk=None
            if equal_shares is None
            else predict(equal_shares, known.observed).risk,
            observed_truth=study.observed_truth,
            full_truth=study.full_truth,
            n_resamples=config.bootstrap,
        )
    return gaps


def _lacks_two_values(observed: pd.DataFrame, model: RiskModel) -> NDArray[np.bool_]:
    counts = observed[list(may_be_missing(model.contract))].isna().sum(axis=1).to_numpy()
    return np.asarray(counts >= 2)


Member = Callable[[pd.DataFrame, RiskModel], NDArray[np.bool_]]
_GROUPS: Mapping[str, Member] = {
    "women": lambda observed, _: observed["is_female"].to_numpy(dtype=np.bool_),
    "75 years or more": lambda observed, _: observed["age_years"].to_numpy(dtype=np.float64) >= 75,
    "liver metastases": (
        lambda observed, _: observed["has_liver_metastases"].to_numpy(dtype=np.bool_)
    ),
    "two or more values missing": _lacks_two_values,
}


def _equal_shares(study: StudyData, member: Member) -> RiskModel | None:
    """The model developed on as many patients, half of them of the group: the others are drawn from
    the pool.
    """
    n = study.sides.training.n_patients
    tables = [
        pd.concat(
            [getattr(study.sides.training, name), getattr(study.pool, name)],
            ignore_index=True,
        )
        for name in ("observed", "outcomes")
    ]
    is_in = member(tables[0], study.model)
    sides = [np.flatnonzero(side)[: n // 2] for side in (is_in, ~is_in)]
    if min(side.size for side in sides) < n // 2:
        return None
    rows = np.sort(np.concatenate(sides))
    try:
        observed, outcomes = (table.iloc[rows].reset_index(drop=True) for table in tables)
        return study.development.refit(observed, outcomes, study.config.seed)
    except InputError:
        return None


def _size(
    study: StudyData, auroc: Estimate | NotEstimable, *, workers: int, begin: Begin
) -> SampleSize:
    """Riley's sizes beside the learning curve of the learner itself; the formulas need a
    C-statistic above 0.5.
    """
    config, pool, contract = study.config, study.pool, study.model.contract
    ids = pool.patient_ids.to_numpy()
    apart = pool.n_patients - config.curve_judged_in
    needed = learning_curve(
        subset(pool, patient_ids=ids[:apart]),
        sizes=sorted(config.curve_sizes),
        n_developments=config.curve_developments,
        refit=study.development.refit,
        outcome=study.outcome,
        evaluate_in=subset(pool, patient_ids=ids[apart:]),
        known=study.known,
        truth=study.observed_truth,
        seed=config.seed,
        workers=workers,
        advance=begin("Learning curve", len(config.curve_sizes) * config.curve_developments),
    )
    return SampleSize(
        n=contract.n_patients,
        n_events=contract.n_events,
        riley=riley_of(contract, auroc),
        needed=needed,
    )


def riley_of(contract: FeatureContract, auroc: Estimate | NotEstimable) -> RileySizes | None:
    """Riley's sizes for a model as strong as this one; None where it does not rank above chance."""
    if isinstance(auroc, NotEstimable) or not 0.5 < auroc.value < 1:
        return None
    return riley_sizes(
        prevalence=contract.n_events / contract.n_patients,
        parameters=len(contract.features),
        c=auroc.value,
    )


def learning_curve(
    pool: Cohort,
    *,
    sizes: Sequence[int],
    n_developments: int,
    refit: Develop,
    outcome: str,
    evaluate_in: Cohort,
    known: Cohort,
    truth: Truth,
    seed: int,
    workers: int,
    advance: Callable[[int], None],
) -> NeededSize:
    """Developments of every size on patients of their own, evaluated in the same patients.

    Development d takes the first patients of the d-th part of ``pool``; ``evaluate_in`` are the
    patients in whom slopes and differences between developments are measured, ``known`` (with its
    ``truth``) those for the share of the oracle's gain over knowing the product alone.
    """
    each = pool.n_patients // n_developments
    y_true = evaluate_in.outcomes[outcome].to_numpy(dtype=np.bool_)

    def develop_one(task: tuple[int, int]) -> tuple[Floats | None, dict[str, float]]:
        size, number = task
        rows = slice(number * each, number * each + size)
        observed, outcomes = (
            table.iloc[rows].reset_index(drop=True) for table in (pool.observed, pool.outcomes)
        )
        try:
            model = refit(observed, outcomes, seed + number)
        except (InputError, ValueError):
            return None, {}
        finally:
            advance(1)
        risk = predict(model, evaluate_in.observed).risk
        figures = {"slope": measure_all(y_true, risk=risk, has_curve=False)["slope"]}
        base = (
            ProductRate()
            .fit(observed, outcomes[outcome].to_numpy())
            .predict_proba(known.observed)[:, 1]
        )
        figures["share_of_oracle_gain"] = _share(base, predict(model, known.observed).risk, truth)
        return risk, figures

    tasks = [(size, number) for size in sizes for number in range(n_developments)]
    with side_by_side(workers) as threads:
        developed = list(threads.map(develop_one, tasks))
    made = []
    for size in sizes:
        here = [
            (number, result)
            for (n, number), result in zip(tasks, developed, strict=True)
            if n == size
        ]
        risks = [risk for _, (risk, _) in here if risk is not None]
        differences = (
            differences_from_mean(risks).tolist() if len(risks) > 1 else [float("nan")] * len(risks)
        )
        for at, (risk, figures) in here:
            mape = {} if risk is None else {"mape": differences.pop(0)}
            made.append(Developed(size, at, {**figures, **mape}))
    return needed_size(made)


def _share(base: Floats, risk: Floats, truth: Truth) -> float:
    """(loss of product-only - loss of model) / (loss of product-only - loss of oracle), under the
    true risk.
    """
    losses = [float(expected_log_loss(predicted, truth).mean()) for predicted in (base, risk)]
    return (losses[0] - losses[1]) / (losses[0] - float(truth.entropy.mean()))


def _about(study: StudyData, labels: Mapping[str, str]) -> About:
    config, test, training = study.config, study.sides.test, study.sides.training
    n_events = [int(side.outcomes[study.outcome].sum()) for side in (training, test)]
    overlap = np.intersect1d(training.patient_ids.to_numpy(), test.patient_ids.to_numpy()).size
    data = EvaluationData(
        who=f"simulated patients under {len(study.arms)} products",
        source=(
            f"Every patient is simulated (scenario {config.scenario}, seed {config.seed},"
            f" assumptions {study.world.assumptions.digest[:16]})."
        ),
        is_synthetic=True,
        n_overlap=int(overlap),
        eligibility=(
            "All simulated patients of these products: "
            + listed([labels[name] for name in study.arms])
            + "."
        ),
        outcome_from=(
            "Graded by rule from simulated signs, within the window of the configuration."
        ),
        flow=(
            f"{config.n_patients:,} patients: {training.n_patients:,} to develop ({n_events[0]:,}"
            f" with the event), {test.n_patients:,} held out ({n_events[1]:,} with the event); none"
            " was left out."
        ),
        split=(
            f"{number(100 * config.test_share, digits=0)} of 100 patients were held out at random"
            " before anything was fitted, and the model is evaluated in them once."
        ),
        differences=(
            "Development and held-out patients are random halves of one simulated cohort: they"
            " differ by chance alone, so this is no external validation."
        ),
    )
    return About(
        purpose="development and evaluation",
        question=config.question,
        data=data,
        missing=missing_shares(test.observed, contract=study.model.contract),
        threshold=config.threshold,
        labels=labels_of(sorted(study.arms), labels),
        probe=probe(study.model, test.observed),
        tuning=study.development.in_words,
        tuning_is_fixed=study.development.tuning is None,
        manifest={
            "experiment": config.model_dump(),
            "model": dict(study.model.manifest),
            "version": __version__,
            "chosen_settings": study.development.config.learner.model_dump(),
            "development_digest": frame_digest(training.observed),
            "held_out_digest": frame_digest(test.observed),
        },
    )


def validation_lines(run: ValidationRun) -> list[str]:
    """What the terminal says at the end."""
    return [
        *closing_lines(run.evaluation),
        f"Report: {Path(run.folder) / 'evaluation.html'}",
        f"MLflow: {run.tracking}",
    ]
