"""Judgement: a cohort is simulated, a model developed on it, and everything asked that a good
clinical model is asked.

`experiments/005_judgement`: discrimination, calibration, net benefit, comparison, optimism, places
left out, instability, subgroups with their gaps, sample size, and the checklists answered from it.
What only a known truth can say joins as :class:`crsrisk.report.evaluation.Further`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort, subset
from crsrisk.data.files import frame_digest, write_text
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.evaluate import THRESHOLDS, evaluate
from crsrisk.evaluation.gap import Gap, explain_gap
from crsrisk.evaluation.internal_external import InternalExternal, leave_one_out
from crsrisk.evaluation.leaks import probe
from crsrisk.evaluation.learning_curve_size import Development as Developed
from crsrisk.evaluation.learning_curve_size import NeededSize, differences_from_mean, needed_size
from crsrisk.evaluation.metrics import NotEstimable, clip_risk
from crsrisk.evaluation.optimism import instability, optimism
from crsrisk.evaluation.paired_comparison import (
    auroc_difference,
    auroc_within_difference,
    brier_difference,
    log_loss_difference,
    net_benefit_difference,
)
from crsrisk.evaluation.resampling import Develop, Repeats, measure_all, refit_in_resamples
from crsrisk.evaluation.sample_size import (
    cstat_to_r2,
    pm_error_size_binary,
    pm_sample_size_binary,
    pm_validation_size_binary,
)
from crsrisk.folders import find
from crsrisk.model.comparators import comparators
from crsrisk.model.features import load_config
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.model.tracking import tracking
from crsrisk.report.evaluation import About, ExtraSection, build_judgement
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_risk import Given, true_risk
from crsrisk.studies.development import (
    Development,
    Split,
    choose_for_truth,
    develop,
    plain_evaluation,
)
from crsrisk.studies.evaluate import (
    closing_lines,
    judged_subgroups,
    labels_of,
    may_be_missing,
    missing_shares,
    track_judgement,
    write_judgement,
)
from crsrisk.studies.experiment import experiment_file
from crsrisk.threads import side_by_side
from crsrisk.wording import listed, number, plain_name, short_labels

# Sample size in a judgement: Riley's formulas beside the learning curve of the learner itself.


def learning_curve(
    pool: Cohort,
    *,
    sizes: Sequence[int],
    n_developments: int,
    refit: Develop,
    outcome: str,
    judge_in: Cohort,
    known: Cohort,
    truth: Truth,
    seed: int,
    workers: int,
    advance: Callable[[int], None],
) -> NeededSize:
    """Developments of every size on patients of their own, judged in the same patients.

    Development d takes the first patients of the d-th part of ``pool``; ``judge_in`` judges slopes
    and differences between developments, ``known`` (with its ``truth``) the share of the oracle's
    gain over knowing the product alone.
    """
    each = pool.n_patients // n_developments
    y_true = judge_in.outcomes[outcome].to_numpy(dtype=np.bool_)

    def one(task: tuple[int, int]) -> tuple[Floats | None, dict[str, float]]:
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
        risk = predict(model, judge_in.observed).risk
        figures = {"slope": measure_all(y_true, risk=risk, has_curve=False)["slope"]}
        base = (plain_evaluation,)
        figures["share_of_oracle_gain"] = _share(base, predict(model, known.observed).risk, truth)
        return risk, figures

    tasks = [(size, number) for size in sizes for number in range(n_developments)]
    with side_by_side(workers) as threads:
        found = list(threads.map(one, tasks))
    made = []
    for size in sizes:
        here = [
            (task[1], result) for task, result in zip(tasks, found, strict=True) if task[0] == size
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
    losses = [
        float(np.mean(-truth.risk * np.log(one) - (1 - truth.risk) * np.log1p(-one)))
        for one in (clip_risk(base).risk, clip_risk(risk).risk)
    ]
    return (losses[0] - losses[1]) / (losses[0] - float(truth.entropy.mean()))


def riley(*, contract: FeatureContract, c: float) -> dict[str, Any]:
    """Riley's sizes for a model as strong as this one: rows for the report, and the largest for
    development.
    """
    prevalence, parameters = contract.n_events / contract.n_patients, len(contract.features)
    strength = cstat_to_r2(c=c, prevalence=prevalence, parameters=parameters)
    size = pm_sample_size_binary(r2_cs=strength.r2_cs, parameters=parameters, prevalence=prevalence)
    valid = pm_validation_size_binary(prevalence=prevalence, c=c)
    off = pm_error_size_binary(prevalence=prevalence, parameters=parameters)
    labels = (
        "Development, shrinkage of 0.9 (criterion 1)",
        "Development, optimism of 0.05 in R2 (criterion 2)",
        "Development, mean risk within 0.05 (criterion 3)",
        "Development, a risk off by 0.05 on average (criterion 4)",
    )
    rows = [
        {"label": label, "n": n} for label, n in zip(labels, (*size.criteria, off), strict=True)
    ]
    largest = max(size.n, off)
    rows += [
        {"label": "Development, the largest", "n": largest},
        {"label": "Validation, observed / expected of width 0.2", "n": valid.n_observed_expected},
        {"label": "Validation, AUROC of width 0.1", "n": valid.n_c_statistic},
    ]
    notes = [
        f"Prevalence {prevalence:.3f}, {parameters} features counted as parameters, C-statistic"
        f" {c:.3f} (held-out, all products mixed), Cox-Snell R2 {strength.r2_cs:.3f} from it. Trees"
        " have no fixed number of parameters."
    ]
    return {"rows": rows, "notes": notes, "largest": largest}


def size_content(
    *, contract: FeatureContract, c: float | None, needed: NeededSize | None
) -> dict[str, Any]:
    """What the section on sample size is made of; Riley's sizes need a C-statistic above 0.5."""
    formula = riley(contract=contract, c=c) if c is not None and 0.5 < c < 1 else None
    said = [f"{contract.n_patients:,} patients with {contract.n_events:,} events were used."]
    if formula is not None:
        said.append(f"Riley's formulas ask for {formula['largest']:,}.")
    if needed is not None:
        smallest = needed.smallest["all"]
        said.append(
            f"By simulation this learner meets all targets from {smallest:,} patients on."
            if smallest
            else (
                "By simulation this learner does not meet all targets with up to"
                f" {needed.points[-1].n:,} patients."
            )
        )
    return {
        "n": contract.n_patients,
        "n_events": contract.n_events,
        "riley": formula,
        "needed": needed,
        "sentence": " ".join(said),
    }


Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]


class StudyConfig(Strict):
    """What a judgement asks and how much it may compute. Numbers of patients are of synthetic
    patients.

    ``tuning_trials``: settings that tuning tries (0: nothing is tuned). The learning curve and the
    patients who judge it are simulated beside the cohort. ``left_out``: columns whose words are
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
    """The model under judgement with everybody it is judged in; what a further part of a judgement
    can build on.

    ``sides``: development and held-out patients. ``pool``: further patients of the same world, whom
    no part of the judgement but the learning curve has used. ``known``: held-out patients with
    known true risk, given what was observed (``observed_truth``) and given everything true at
    baseline (``full_truth``).
    """

    inquiry: StudyConfig
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


def run_judgement(
    folder: Path, *, workers: int, begin: Begin, further: Sequence[FurtherPart] = ()
) -> dict[str, Any]:
    """Run a judgement experiment and write its results to ``results/``; gives the judgement and
    where it went.
    """
    path = experiment_file(folder)
    inquiry = build(StudyConfig, read_yaml(path), where=str(path))
    results = path.parent / "results"
    write_text(results / "README.txt", "Made by `crsrisk run`; safe to delete.\n")
    # products of matrices on several threads differ in their last digits from run to run
    with threadpool_limits(1):
        study = collect(inquiry, workers=workers, begin=begin)
        content = judge_study(study, workers=workers, begin=begin, further=further)
    write_judgement(content, results)
    save_model(study.model, results / "model")
    with tracking(
        folder=results.resolve().parent.parent / "mlflow", experiment=inquiry.name, run=inquiry.name
    ) as run:
        track_judgement(run, content, results)
        run.dataset(
            name="development",
            digest=frame_digest(study.sides.training.observed),
            context="training",
        )
        run.dataset(
            name="held out", digest=frame_digest(study.sides.test.observed), context="evaluation"
        )
        how = run.how_to_open
    return {"content": content, "folder": str(results), "tracking": how}


def collect(inquiry: StudyConfig, *, workers: int, begin: Begin) -> StudyData:
    """Simulate the cohort, develop the model, repeat its development, and ask the oracles."""
    world = load_world(inquiry.scenario)
    names = inquiry.products or list(all_products())
    arms = {name: make_arm(load_product(name), world=world) for name in names}
    config = load_config(find("configs", inquiry.config))
    n_pool = inquiry.curve_developments * max(inquiry.curve_sizes) + inquiry.curve_judged_in
    advance = begin("Simulating patients", inquiry.n_patients + n_pool)
    everybody = simulate_cohort(
        list(arms.values()),
        world=world,
        n_patients=inquiry.n_patients + n_pool,
        seed=inquiry.seed,
        workers=workers,
    )
    advance(inquiry.n_patients + n_pool)
    ids = everybody.patient_ids.to_numpy()
    developing = subset(everybody, patient_ids=ids[: inquiry.n_patients])
    sides = Split(*developing.split(test_size=inquiry.test_share, seed=inquiry.seed))
    training, test = sides.training, sides.test
    development, model = develop(
        training.observed,
        training.outcomes,
        config=config,
        trials=inquiry.tuning_trials,
        seed=inquiry.seed,
    )
    repeats = refit_in_resamples(
        training.observed,
        training.outcomes,
        refit=development.refit,
        tune_and_refit=development.tuning,
        n_resamples=inquiry.refits,
        n_tuned=inquiry.tuned_refits,
        seed=inquiry.seed,
        workers=workers,
        advance=begin("Repeating the development", inquiry.refits),
    )
    chosen = choose_for_truth(test, n=inquiry.truth_patients)
    ask = begin("Asking the oracles", 2 * len(chosen))
    asked: tuple[tuple[Given, int], ...] = (
        ("observed", inquiry.truth_repetitions),
        ("baseline", inquiry.baseline_repetitions),
    )
    truths = [
        Truth.from_true_risk(
            true_risk(
                test.subset(chosen),
                world=world,
                n_replicates=n_replicates,
                given=given,
                workers=workers,
                advance=ask,
            )
        )
        for given, n_replicates in asked
    ]
    return StudyData(
        inquiry,
        world,
        arms,
        sides,
        subset(everybody, patient_ids=ids[inquiry.n_patients :]),
        development,
        model,
        repeats,
        _in_order(test, chosen),
        truths[0],
        truths[1],
    )


def _in_order(cohort: Cohort, ids: NDArray[np.int64]) -> Cohort:
    """The patients of these numbers, in their order."""

    def rows(table: pd.DataFrame) -> pd.DataFrame:
        return table.set_index("patient_id", drop=False).loc[ids].reset_index(drop=True)

    return Cohort(
        observed=rows(cohort.observed), outcomes=rows(cohort.outcomes), course=rows(cohort.course)
    )


def judge_study(
    study: StudyData, *, workers: int, begin: Begin, further: Sequence[FurtherPart] = ()
) -> dict[str, Any]:
    """Ask everything of the model, and put the answers together."""
    inquiry, model, test, training = (
        study.inquiry,
        study.model,
        study.sides.test,
        study.sides.training,
    )
    y_true = test.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    own = training.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    risk, own_risk = predict(model, test.observed).risk, predict(model, training.observed).risk
    products = test.observed["product"].to_numpy(dtype=str)
    found = plain_evaluation(
        evaluate(
            y_true,
            risk,
            groups=products,
            outcome_name=model.contract.outcome_in_words,
            seed=inquiry.seed,
            n_resamples=inquiry.bootstrap,
        )
    )
    apparent = optimism(
        own,
        risk=own_risk,
        refits=study.repeats,
        thresholds=[inquiry.threshold],
        product=training.observed["product"].to_numpy(dtype=str),
    )
    unstable = instability(
        own,
        risk=own_risk,
        refits=study.repeats,
        thresholds=THRESHOLDS,
        at=[inquiry.threshold],
        seed=inquiry.seed,
    )
    places = _places(study, workers=workers, begin=begin)
    groups = judged_subgroups(
        y_true,
        risk=risk,
        observed=test.observed,
        contract=model.contract,
        threshold=inquiry.threshold,
        seed=inquiry.seed,
        n_resamples=inquiry.bootstrap,
    )
    size = _size(study, found, workers=workers, begin=begin)
    labels = short_labels({name: arm.product.label for name, arm in study.arms.items()})
    return build_judgement(
        model,
        about=_about(study, labels),
        evaluation=found,
        subgroups=groups,
        gaps=_gaps(study),
        optimism=apparent,
        instability=unstable,
        internal_external=places,
        comparison=_comparison(study, y_true, risk),
        sample_size=size,
        further=[part(study) for part in further],
    )


def _places(
    study: StudyData, *, workers: int, begin: Begin
) -> list[InternalExternal | dict[str, Any]]:
    inquiry, training = study.inquiry, study.sides.training
    found: list[InternalExternal | dict[str, Any]] = []
    for by in inquiry.left_out:
        n = min(
            int(training.observed[by].nunique()), inquiry.sites_at_most if by == "site" else 10**6
        )
        try:
            found.append(
                leave_one_out(
                    training.observed,
                    training.outcomes,
                    outcome=study.outcome,
                    by=by,
                    refit=study.development.refit,
                    seed=inquiry.seed,
                    at_most=inquiry.sites_at_most if by == "site" else None,
                    workers=workers,
                    advance=begin(f"Leaving out one {plain_name(by)}", n),
                )
            )
        except InputError as problem:
            found.append(
                {"by": by, "not_estimable": f"{problem.found}; expected {problem.expected}"}
            )
    return found


def _comparison(study: StudyData, y_true: NDArray[np.bool_], risk: Floats) -> list[dict[str, Any]]:
    training, test, seed = study.sides.training, study.sides.test, study.inquiry.seed
    own = training.outcomes[study.outcome].to_numpy()
    products = test.observed["product"].to_numpy(dtype=str)
    rows = []
    for one in comparators(config=study.development.config):
        other = one.fit(training.observed, own).predict_proba(test.observed)[:, 1]
        inner, inner_other = clip_risk(risk).risk, clip_risk(other).risk
        rows.append(
            {
                "name": one.name[:1].upper() + one.name[1:],
                "auroc": auroc_difference(y_true, risk=risk, other=other),
                "auroc_within_product": auroc_within_difference(
                    y_true, risk=risk, other=other, group=products
                ),
                "brier": brier_difference(y_true, risk=risk, other=other),
                "log_loss": log_loss_difference(y_true, risk=inner, other=inner_other),
                "net_benefit": net_benefit_difference(
                    y_true,
                    risk=risk,
                    other=other,
                    thresholds=THRESHOLDS,
                    seed=seed,
                    n_resamples=study.inquiry.bootstrap,
                ),
            }
        )
    return rows


def _gaps(study: StudyData) -> list[Gap | dict[str, Any]]:
    """Gaps of four groups among the patients whose true risk is known."""
    model, known, inquiry = study.model, study.known, study.inquiry
    y_true = known.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    risk = predict(model, known.observed).risk
    n_missing = known.observed[list(may_be_missing(model.contract))].isna().sum(axis=1).to_numpy()
    found: list[Gap | dict[str, Any]] = []
    for label, member in _GROUPS.items():
        is_in = member(known.observed, model)
        sample_conditional = _equal_shares(study, member)
        gap = explain_gap(
            y_true,
            risk=risk,
            is_in_group=is_in,
            group=label,
            n_missing=n_missing,
            seed=inquiry.seed,
            equal_shares_risk=None
            if sample_conditional is None
            else predict(sample_conditional, known.observed).risk,
            observed_truth=study.observed_truth,
            full_truth=study.full_truth,
            n_resamples=inquiry.bootstrap,
        )
        found.append(
            {"group": label, "not_estimable": gap.reason} if isinstance(gap, NotEstimable) else gap
        )
    return found


def _missing_half(observed: pd.DataFrame, model: RiskModel) -> NDArray[np.bool_]:
    counts = observed[list(may_be_missing(model.contract))].isna().sum(axis=1).to_numpy()
    return np.asarray(counts >= 2)


Member = Callable[[pd.DataFrame, RiskModel], NDArray[np.bool_]]
_GROUPS: Mapping[str, Member] = {
    "women": lambda observed, _: observed["is_female"].to_numpy(dtype=np.bool_),
    "75 years or more": lambda observed, _: observed["age_years"].to_numpy(dtype=np.float64) >= 75,
    "liver metastases": (
        lambda observed, _: observed["has_liver_metastases"].to_numpy(dtype=np.bool_)
    ),
    "two or more values missing": _missing_half,
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
        return study.development.refit(observed, outcomes, study.inquiry.seed)
    except InputError:
        return None


def _size(
    study: StudyData, found: Mapping[str, Any], *, workers: int, begin: Begin
) -> dict[str, Any]:
    inquiry, pool = study.inquiry, study.pool
    ids = pool.patient_ids.to_numpy()
    apart = pool.n_patients - inquiry.curve_judged_in
    needed = learning_curve(
        subset(pool, patient_ids=ids[:apart]),
        sizes=sorted(inquiry.curve_sizes),
        n_developments=inquiry.curve_developments,
        refit=study.development.refit,
        outcome=study.outcome,
        judge_in=subset(pool, patient_ids=ids[apart:]),
        known=study.known,
        truth=study.observed_truth,
        seed=inquiry.seed,
        workers=workers,
        advance=begin("Learning curve", len(inquiry.curve_sizes) * inquiry.curve_developments),
    )
    return size_content(
        contract=study.model.contract, c=found["pooled"]["auroc"].get("value"), needed=needed
    )


def _about(study: StudyData, labels: Mapping[str, str]) -> About:
    inquiry, test, training = study.inquiry, study.sides.test, study.sides.training
    n_events = [int(side.outcomes[study.outcome].sum()) for side in (training, test)]
    overlap = np.intersect1d(training.patient_ids.to_numpy(), test.patient_ids.to_numpy()).size
    data = {
        "who": f"simulated patients under {len(study.arms)} products",
        "source": (
            f"Every patient is simulated (scenario {inquiry.scenario}, seed {inquiry.seed},"
            f" assumptions {study.world.assumptions.digest[:16]})."
        ),
        "is_synthetic": True,
        "n_overlap": int(overlap),
        "eligibility": (
            "All simulated patients of these products: "
            + listed([labels[name] for name in study.arms])
            + "."
        ),
        "outcome_from": (
            "Graded by rule from simulated signs, within the window of the configuration."
        ),
        "flow": (
            f"{inquiry.n_patients:,} patients: {training.n_patients:,} to develop ({n_events[0]:,}"
            f" with the event), {test.n_patients:,} held out ({n_events[1]:,} with the event); none"
            " was left out."
        ),
        "split": (
            f"{number(100 * inquiry.test_share, digits=0)} of 100 patients were held out at random"
            " before anything was fitted, and judge the model once."
        ),
        "differences": (
            "Development and held-out patients are random halves of one simulated cohort: they"
            " differ by chance alone, so this is no external validation."
        ),
    }
    return About(
        purpose="development and evaluation",
        question=inquiry.question,
        data=data,
        missing=missing_shares(test.observed, contract=study.model.contract),
        threshold=inquiry.threshold,
        labels=labels_of(sorted(study.arms), labels),
        probe=probe(study.model, test.observed),
        tuning=study.development.in_words,
        tuning_is_fixed=study.development.tuning is None,
        manifest={
            "experiment": inquiry.model_dump(),
            "model": dict(study.model.manifest),
            "version": __version__,
            "chosen_settings": study.development.config.learner.model_dump(),
            "development_digest": frame_digest(training.observed),
            "held_out_digest": frame_digest(test.observed),
        },
    )


def judgement_lines(found: Mapping[str, Any]) -> list[str]:
    """What the terminal says at the end."""
    return [
        *closing_lines(found["content"]),
        f"Report: {Path(found['folder']) / 'judgement.html'}",
        f"MLflow: {found['tracking']}",
    ]
