"""The main job: a cohort, models of it, what they are worth against outcomes and truth, reasons,
tracking, and the report.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version as version_of
from pathlib import Path

import pandas as pd

from crsrisk import __version__
from crsrisk.data.cohort import Cohort
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.files import (
    frame_digest,
    prepare_output,
    remove_leftovers,
    sha256_of,
    write_json,
    write_parquet_stream,
    write_text,
)
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Comparison
from crsrisk.data.world import World, load_world, reject_unused
from crsrisk.data.world_files import all_products, load_product
from crsrisk.errors import InputError
from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.executor import meanwhile, side_by_side
from crsrisk.folders import evidence_only_products
from crsrisk.model import refitting
from crsrisk.model.companions import reference_groups, save_companions
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.refits import Refits
from crsrisk.model.risk_model import RiskModel, class_params
from crsrisk.model.store import model_folder, write_model
from crsrisk.model.tracking import ENVIRONMENT, Tracker, check_server, tracking
from crsrisk.model.world_spread import WorldSpread
from crsrisk.report.content import ReportContent, build_content
from crsrisk.report.mitigation import NO_MITIGATION, MitigationArm
from crsrisk.report.pages import render_report, report_figures, report_files
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.simulation.arm import Arm, make_arm, timetable
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.evidence import ComparisonSummary, summarise, to_json
from crsrisk.studies.development import (
    HeldOutResult,
    Oracles,
    Split,
    ask_oracles,
    before_dose_2,
    evaluate_held_out,
    explain_test,
    fit_before_dose_2,
)
from crsrisk.studies.evidence import compare_with_published
from crsrisk.studies.examples import examples, observation_hours, simulate_mitigation_arms
from crsrisk.studies.experiment import Experiment, load_experiment
from crsrisk.studies.export import companions, manifest_writer, one_table
from crsrisk.studies.generator import make_card
from crsrisk.studies.serving import served_form
from crsrisk.studies.world_spread import world_spreads
from crsrisk.wording import NOTICE

Begin = Callable[[str, int], Callable[[int], None]]
LIBRARIES = ("numpy", "scipy", "pandas", "numba", "scikit-learn", "lightgbm")
MODELS = ("baseline", "grade3plus", "before_dose_2")
FILES = ("cohort.parquet", "evidence.json", "content.json", "report.html")


@dataclass(frozen=True, repr=False)
class Results(Result):
    """What the main job found, and where it stands.

    Parameters
    ----------
    folder, report : where the files are, and the page among them.
    how_to_open_tracking : the command that shows the run in MLflow.
    evaluation : of the model before the first dose, in held-out patients.
    comparison_summary : simulated beside published figures, counted.
    """

    folder: Path
    report: Path
    how_to_open_tracking: str
    evaluation: Evaluation
    comparison_summary: ComparisonSummary

    def summary(self) -> str:
        """Report, key figures with intervals, and how to open the tracking page."""
        figures = headline(self.evaluation)
        labels = {
            "auroc_within_product": "AUROC within products",
            "auroc_pooled": "AUROC pooled (product mix inflates it)",
            "calibration_slope": "Calibration slope",
            "ici": "Mean calibration error (ICI)",
            "share_of_oracle_gain": "Share of the oracle's gain over product alone",
        }
        known = {name: figure for name, figure in figures.items() if name in labels}
        return "\n".join(
            [
                "Grade >= 2 CRS within the window after the first dose (21 days; 60 for checkpoint"
                " inhibitors), held-out patients:",
                *(
                    f"  {label}: {known[name].value:.3f} (95% interval {known[name].low:.3f} to"
                    f" {known[name].high:.3f})"
                    for name, label in labels.items()
                    if name in known
                ),
                *(
                    f"  Published figures, {use}: {tally.n_agree} of {tally.n_judged} judged agree"
                    for use, tally in self.comparison_summary.by_use.items()
                ),
                "Research use; synthetic data; no external validation.",
                f"Report: {self.report}",
                f"MLflow: {_runnable(self.how_to_open_tracking)}",
            ]
        )


@dataclass(frozen=True)
class Manifest:
    """How the results were made. No date and no path: the same run gives the same bytes.

    ``cohort`` and ``models``: the manifests that they carry; digests are of the tables; ``files``:
    SHA-256 of each, once they are written.
    """

    experiment: Experiment
    cohort: Mapping[str, object]
    observed_digest: str
    outcomes_digest: str
    models: Mapping[str, Mapping[str, object]]
    versions: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Setting:
    """What is run, and where the results go."""

    experiment: Experiment
    folder: Path
    world: World
    products: Mapping[str, Product]
    arms: Mapping[str, Arm]


@dataclass(frozen=True)
class _Fitted:
    """A model, what it learnt from, and the same fitted again to bootstrap samples."""

    model: RiskModel
    config: ModelConfig
    table: pd.DataFrame
    refits: Refits


@dataclass(frozen=True)
class _Simulated:
    """What is simulated besides the cohort, and needs no model."""

    oracles: Oracles
    comparisons: Sequence[Comparison]
    mitigation_arms: Sequence[MitigationArm]


@dataclass(frozen=True)
class _Run:
    """Everything that was simulated, fitted and compared."""

    setting: _Setting
    cohort: Cohort
    sides: Split
    fitted: Mapping[str, _Fitted]
    worlds: Mapping[str, WorldSpread]
    held_out: HeldOutResult
    simulated: _Simulated

    @property
    def comparisons(self) -> Sequence[Comparison]:
        """Published figures beside simulated ones."""
        return self.simulated.comparisons

    @property
    def models(self) -> dict[str, RiskModel]:
        """The models by name."""
        return {name: fitted.model for name, fitted in self.fitted.items()}

    @property
    def manifest(self) -> Manifest:
        """How it was made."""
        return Manifest(
            experiment=self.setting.experiment,
            cohort=dict(self.cohort.manifest),
            observed_digest=frame_digest(self.cohort.observed),
            outcomes_digest=frame_digest(self.cohort.outcomes),
            models={name: dict(model.manifest) for name, model in self.models.items()},
            versions={"crsrisk": __version__, **{name: version_of(name) for name in LIBRARIES}},
        )


def run_baseline(place: Path, *, workers: int, begin: Begin, overwrite: bool = False) -> Results:
    """Run the experiment in ``place`` and write its results beside its experiment.yaml.

    Raises
    ------
    InputError
        For an experiment that cannot be read or run.
    OutputError
        For results that stand already, without ``overwrite``, and a folder that cannot be written.
    """
    setting = _prepare(place, overwrite=overwrite)
    experiment, arms, world = setting.experiment, setting.arms, setting.world
    cohort = _simulate(setting, workers=workers, begin=begin)
    sides = Split(*cohort.split(test_size=experiment.test_share, seed=experiment.seed))
    with meanwhile() as start:
        simulating = start(lambda: _simulate_more(setting, sides, workers=workers, begin=begin))
        fitted = _fit_models(sides, seed=experiment.seed, workers=workers, begin=begin)
        worlds = world_spreads(
            {name: (one.model, one.refits) for name, one in fitted.items()},
            arms.values(),
            world=world,
            seed=experiment.seed,
            workers=workers,
            begin=begin,
        )
        simulated = simulating.result()
    advance = begin("Evaluating", 1)
    held_out = evaluate_held_out(
        fitted["baseline"].model,
        sides,
        oracles=simulated.oracles,
        config=fitted["baseline"].config,
        experiment=experiment,
        workers=workers,
    )
    advance(1)
    run = _Run(setting, cohort, sides, fitted, worlds, held_out, simulated)
    return _write(run, _content(run))


def _prepare(place: Path, *, overwrite: bool) -> _Setting:
    """Read and check everything before hours of work: the experiment, its mitigations, its
    folders.
    """
    experiment = load_experiment(place)
    home = place if place.is_dir() else place.parent
    where = str(home / "experiment.yaml")
    world = load_world(experiment.scenario)
    products = products_of(experiment, where=where)
    setting = _Setting(
        experiment=experiment,
        folder=home / "results",
        world=world,
        products=products,
        arms={name: make_arm(product, world=world) for name, product in products.items()},
    )
    for product in products.values():
        for name in experiment.mitigations:
            timetable(make_arm(product, world=world, mitigations=(name,)), world=world)
    reject_unused(experiment.mitigations, world=world, where=where, key="mitigations")
    check_server()
    folder = setting.folder
    prepare_output(
        folder / "report.html",
        overwrite=overwrite,
        belongs=_result_files(folder),
    )
    writable = [folder] if os.environ.get(ENVIRONMENT) else [folder, _tracking_folder(folder)]
    for target in writable:  # what cannot be written shows now, not after the models
        write_text(target / "README.txt", "Made by `crsrisk run`; safe to delete.\n")
    return setting


def products_of(experiment: Experiment, *, where: str) -> dict[str, Product]:
    """The products of an experiment by name; every one that ships when it names none.

    Raises :class:`InputError` for a name that comes twice, and when nobody receives a second dose
    (a part of every report is how the estimate changes before dose 2).
    """
    chosen = [load_product(name) for name in experiment.products] or list(all_products().values())
    names = [product.name for product in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            where=where,
            key="products",
            found=f"{', '.join(twice)} more than once",
            expected="each name once",
            cure="leave the repeated one out; give your own file a name of its own",
        )
    if not any(_dose_2_h(product) is not None and product.platform != "ici" for product in chosen):
        raise InputError(
            where=where,
            key="products",
            found=f"{', '.join(names)}: none is given again after a week",
            expected="at least one product with a second dose, for the estimate before dose 2",
            cure="add one, as tarlatamab; or simulate these alone with crsrisk simulate",
        )
    return {product.name: product for product in chosen}


def _dose_2_h(product: Product) -> float | None:
    """Hours from the first to the second dose of the usual regimen; None where there is none."""
    doses = product.regimens[product.default_regimen].doses
    return doses[1].time_h if len(doses) > 1 else None


def _result_files(folder: Path) -> list[Path]:
    """The files that make the result, beside models and figures."""
    return [folder / name for name in (*FILES, "manifest.json")]


def _tracking_folder(results: Path) -> Path:
    """MLflow's records: beside the experiments, one place for all of them."""
    return results.resolve().parent.parent / "mlflow"


def _simulate(setting: _Setting, *, workers: int, begin: Begin) -> Cohort:
    experiment = setting.experiment
    advance = begin("Simulating patients", experiment.n_patients)
    cohort = simulate_cohort(
        list(setting.arms.values()),
        world=setting.world,
        n_patients=experiment.n_patients,
        seed=experiment.seed,
        workers=workers,
    )
    advance(experiment.n_patients)
    return cohort


def _simulate_more(setting: _Setting, sides: Split, *, workers: int, begin: Begin) -> _Simulated:
    """The oracles, published trials, and prophylaxis."""
    experiment, world = setting.experiment, setting.world
    n_asked = 2 * (experiment.truth_patients // len(setting.arms)) * len(setting.arms)
    oracles = ask_oracles(
        sides.test,
        experiment=experiment,
        world=world,
        workers=workers,
        advance=begin("Asking the oracles", n_asked),
    )
    trials, products = load_trials(), list(setting.products.values())
    comparisons = compare_with_published(
        trials,
        world=world,
        seed=experiment.seed,
        n=experiment.evidence_patients,
        n_rare=experiment.evidence_patients_rare,
        workers=workers,
        advance=begin("Simulating published trials", len(trials)),
    )
    arms = simulate_mitigation_arms(
        products,
        world=world,
        mitigations=experiment.mitigations,
        n=experiment.designer_patients,
        seed=experiment.seed,
        workers=workers,
        advance=begin("Simulating prophylaxis", len(products) * (1 + len(experiment.mitigations))),
    )
    return _Simulated(oracles, comparisons, arms)


def _fit_models(sides: Split, *, seed: int, workers: int, begin: Begin) -> dict[str, _Fitted]:
    """Every model, and each again to bootstrap samples for the intervals of single risks; the
    models share the samples.
    """
    advance = begin("Fitting models", len(MODELS))

    def fitted(name: str) -> RiskModel:
        model = _fit_model(name, sides, seed=seed)
        advance(1)
        return model

    with side_by_side(workers) as pool:
        models = dict(zip(MODELS, pool.map(fitted, MODELS), strict=True))
    advance_refit = begin("Fitting again for intervals", len(models) * refitting.N_REFITS)
    result = {}
    for name, model in models.items():
        table, config = training_table(sides, name=name), load_config(name)
        refits = refitting.make_refits(
            model,
            table,
            sides.training.outcomes.loc[table.index],
            config=config,
            seed=seed,
            workers=workers,
            advance=advance_refit,
        )
        result[name] = _Fitted(model, config, table, refits)
    return result


def _fit_model(name: str, sides: Split, *, seed: int) -> RiskModel:
    training = sides.training
    try:
        if name == "before_dose_2":
            return fit_before_dose_2(training, seed=seed)
        return fit(
            training.observed,
            training.outcomes,
            config=load_config(name),
            seed=seed,
            origin="simulated",
        )
    except InputError as problem:
        raise InputError(
            where=f"experiment.yaml, model {name}",
            key=problem.key,
            found=problem.found,
            expected=problem.expected,
            cure="raise n_patients, or add products in which it happens more often",
        ) from problem


def training_table(sides: Split, *, name: str) -> pd.DataFrame:
    """What a model was trained on: the observed table, or before dose 2 the landmark table."""
    return before_dose_2(sides.training) if name == "before_dose_2" else sides.training.observed


def _content(run: _Run) -> ReportContent:
    setting, sides, models = run.setting, run.sides, run.models
    experiment, world, products = setting.experiment, setting.world, setting.products
    given = run.cohort.observed["product"]
    outcomes_by_product = {
        name: (product, run.cohort.outcomes[(given == name).to_numpy()])
        for name, product in products.items()
    }
    second_doses = {name: _dose_2_h(product) for name, product in products.items()}
    return build_content(
        question=experiment.question,
        cohort=run.cohort,
        comparisons=run.comparisons,
        evaluation=run.held_out.evaluation,
        explanation=explain_test(models["baseline"], sides.test),
        examples=examples(
            models,
            {name: fitted.refits for name, fitted in run.fitted.items()},
            run.worlds,
            test=sides.test,
            true_risk=run.held_out.true_risk,
            dose_2_h={name: hours for name, hours in second_doses.items() if hours is not None},
        ),
        mitigation_arms=run.simulated.mitigation_arms,
        observation_hours=observation_hours(outcomes_by_product),
        product_labels=_product_labels(products),
        mitigation_labels={
            NO_MITIGATION: "None beyond the usual regimen",
            **{name: mitigation.label for name, mitigation in world.mitigations.items()},
        },
        manifest=run.manifest,
        generator=make_card(world, products=products.values()),
    )


def _product_labels(products: Mapping[str, Product]) -> dict[str, str]:
    """Label of every product that the report may name: those that ship, those of the experiment,
    and those of which only evidence is known.
    """
    known = {**all_products(), **products}
    return {name: product.label for name, product in known.items()} | {
        name: load_product(name).label for name in evidence_only_products()
    }


def _write(run: _Run, content: ReportContent) -> Results:
    """Write all files; as soon as the new cohort stands, those of an earlier run go."""
    setting, folder = run.setting, run.setting.folder
    table, cohort_file = one_table(run.cohort), folder / "cohort.parquet"
    n_rows = write_parquet_stream(cohort_file, iter([table]))
    old = [file for file in _result_files(folder) if file != cohort_file]
    remove_leftovers([*companions(cohort_file), *old, *(folder / "figures").glob("*.svg")])
    write_manifest = manifest_writer(
        list(setting.arms.values()), world=setting.world, seed=setting.experiment.seed
    )
    write_manifest(cohort_file, columns=table.columns, n_rows=n_rows)
    for name, fitted in run.fitted.items():
        with model_folder(folder / "models" / name) as beside:
            write_model(fitted.model, beside)
            save_companions(
                beside,
                model=fitted.model,
                refits=fitted.refits,
                reference=reference_groups(fitted.model, fitted.table),
                grade3plus="grade3plus" if name == "baseline" else None,
                worlds=run.worlds.get(name),
            )
    write_text(folder / "evidence.json", to_json(run.comparisons))
    write_json(folder / "content.json", content)
    charts = report_figures(content)
    write_text(folder / "report.html", render_report(content, charts))
    for name, figure in report_files(content, charts).items():
        write_text(folder / "figures" / name, figure)
    files = {name: sha256_of(folder / name) for name in FILES}
    write_json(folder / "manifest.json", replace(run.manifest, files=files))
    return Results(
        folder=folder,
        report=folder / "report.html",
        how_to_open_tracking=_track(run),
        evaluation=run.held_out.evaluation,
        comparison_summary=content.published.summary,
    )


def _track(run: _Run) -> str:
    """Log the run to MLflow: one parent, nested runs for cohort, models and evaluation; nothing of
    a patient.
    """
    experiment, folder = run.setting.experiment, run.setting.folder
    figures = _flat(headline(run.held_out.evaluation))
    with tracking(
        folder=_tracking_folder(folder),
        experiment=experiment.name,
        run=experiment.name,
        notice=NOTICE,
    ) as parent:
        parent.params(
            {
                name: str(value)
                for name, value in experiment.model_dump().items()
                if name != "question"
            }
        )
        parent.metrics(figures)
        for name in ("report.html", "manifest.json", "evidence.json"):
            parent.file(folder / name)
        for figure in sorted((folder / "figures").glob("*.svg")):
            parent.file(figure, under="figures")
        _track_cohort(parent, run)
        for name, model in run.models.items():
            _track_model(parent, name, model)
        with parent.step("evaluate") as step:
            step.metrics(figures)
            step.metrics(
                {
                    f"evidence_{use}_{name}": float(getattr(tally, name))
                    for use, tally in summarise(run.comparisons).by_use.items()
                    for name in ("n_figures", "n_judged", "n_agree")
                }
            )
        return parent.how_to_open


def _track_cohort(parent: Tracker, run: _Run) -> None:
    """Scenario, seed and digests of the patients of both sides."""
    with parent.step("cohort") as step:
        step.params(
            {
                name: str(run.cohort.manifest[name])
                for name in ("scenario", "assumptions", "world", "seed")
            }
        )
        for side, name, context in (
            (run.sides.training, "training", "training"),
            (run.sides.test, "held out", "evaluation"),
        ):
            step.dataset(
                name=name, digest=frame_digest(side.observed), context=context, origin="simulated"
            )


def _track_model(parent: Tracker, name: str, model: RiskModel) -> None:
    """Settings of the learner, numbers of events and trees, and the model itself."""
    with parent.step(f"fit {name}") as step:
        settings = {key: str(value) for key, value in model.manifest["learner"].items()}
        step.params({**settings, **class_params(model)})
        step.metrics(
            {
                "n_events": float(model.contract.n_events),
                "n_trees": float(model.manifest["n_trees"]),
            }
        )
        step.model(model, served_form(model))


def headline(evaluation: Evaluation) -> dict[str, Estimate]:
    """The figures that one looks at first; those that cannot be estimated are left out."""
    pooled, calibration = evaluation.pooled, evaluation.pooled.calibration
    curve, benchmark = calibration.curve, evaluation.benchmark
    figures = {
        "auroc_pooled": pooled.auroc,
        "auroc_within_product": evaluation.auroc_within_groups,
        "calibration_slope": calibration.slope,
        "calibration_in_the_large": calibration.in_the_large,
        "ici": curve if isinstance(curve, NotEstimable) else curve.ici,
        "brier": pooled.brier,
        "log_loss": pooled.log_loss,
        "share_of_oracle_gain": None
        if benchmark is None
        else benchmark.pooled.share_of_oracle_gain,
    }
    return {name: figure for name, figure in figures.items() if isinstance(figure, Estimate)}


def _flat(figures: Mapping[str, Estimate]) -> dict[str, float]:
    """Each figure with its interval as three numbers, as MLflow wants them."""
    return {
        f"{name}{part}": float(number)
        for name, figure in figures.items()
        for part, number in (("", figure.value), ("_low", figure.low), ("_high", figure.high))
    }


def _runnable(command: str) -> str:
    """The command with the place of its program, when that is not on the path (no environment
    active).
    """
    program, _, rest = command.partition(" ")
    beside = Path(sys.executable).with_name(program)
    return command if shutil.which(program) or not beside.exists() else f"{beside} {rest}"
