"""Baseline: the main job. Cohort -> models -> judgement against outcomes and truth -> reasons ->
tracking -> report.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from crsrisk import __version__
from crsrisk.data.cohort import Cohort
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.files import frame_digest, sha256_of, write_json, write_parquet_stream, write_text
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Comparison
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products
from crsrisk.model import refits as refits_of
from crsrisk.model.companions import reference_groups, save_companions
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.refits import Refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.model.tracking import ENVIRONMENT, tracking
from crsrisk.report.content import build_content
from crsrisk.report.pages import figure_files, render
from crsrisk.simulation.arm import Arm, make_arm, timetable
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.evidence import summarise, to_json
from crsrisk.studies.development import (
    Judgement,
    Split,
    before_dose_2,
    explain_test,
    fit_before_dose_2,
    judge,
)
from crsrisk.studies.evidence import make_card
from crsrisk.studies.examples import examples, mitigation_table, observation_hours
from crsrisk.studies.experiment import Experiment, load_experiment
from crsrisk.studies.export import manifest_writer, one_table, reject_unused
from crsrisk.studies.forecast import compare_with_published
from crsrisk.threads import side_by_side

Begin = Callable[[str, int], Callable[[int], None]]
LIBRARIES = ("numpy", "scipy", "pandas", "numba", "scikit-learn", "lightgbm")


@dataclass(frozen=True)
class Results:
    """Where everything went and the figures that close the run."""

    folder: Path
    report: Path
    how_to_open_tracking: str
    evaluation: dict[str, Any]
    comparison_summary: dict[str, Any]


def run_baseline(place: Path, *, workers: int, begin: Begin) -> Results:
    """Run the experiment in ``place`` and write its results beside its experiment.yaml."""
    experiment = load_experiment(place)
    home = place if place.is_dir() else place.parent
    folder = home / "results"
    world = load_world(experiment.scenario)
    products = products_of(experiment, where=str(home / "experiment.yaml"))
    arms = {name: make_arm(one, world=world) for name, one in products.items()}
    for one in products.values():  # what is wrong with a mitigation shows now, not after the models
        for name in experiment.mitigations:
            timetable(make_arm(one, world=world, mitigations=(name,)), world=world)
    reject_unused(
        experiment.mitigations, world=world, where=str(home / "experiment.yaml"), key="mitigations"
    )
    trials = load_trials()
    written = [folder] if os.environ.get(ENVIRONMENT) else [folder, _tracking_folder(folder)]
    for made in written:  # and so does a folder that cannot be written
        write_text(made / "README.txt", "Made by `crsrisk run`; safe to delete.\n")

    cohort = _cohort(experiment, list(arms.values()), world=world, workers=workers, begin=begin)
    sides = Split(*cohort.split(test_size=experiment.test_share, seed=experiment.seed))
    models, configs = _models(sides, seed=experiment.seed, workers=workers, begin=begin)
    refits = _refits(models, configs, sides, seed=experiment.seed, workers=workers, begin=begin)
    n_oracle = 2 * (experiment.truth_patients // len(arms)) * len(arms)
    judgement = judge(
        models["baseline"],
        sides,
        config=configs["baseline"],
        experiment=experiment,
        world=world,
        workers=workers,
        advance=begin("Asking the oracles", n_oracle),
    )
    comparisons = compare_with_published(
        trials,
        world=world,
        seed=experiment.seed,
        n=experiment.evidence_patients,
        n_rare=experiment.evidence_patients_rare,
        workers=workers,
        advance=begin("Simulating published trials", len(trials)),
    )
    content = _content(
        experiment,
        cohort,
        sides,
        models,
        refits,
        judgement,
        comparisons,
        products,
        world,
        workers,
        begin,
    )
    return _write(
        experiment,
        folder,
        cohort,
        sides,
        models,
        refits,
        judgement,
        comparisons,
        content,
        world,
        arms,
    )


def products_of(experiment: Experiment, *, where: str) -> dict[str, Product]:
    """The products of an experiment by name; every one that ships when it names none.

    Raises :class:`InputError` for a name that comes twice, and when nobody receives a second dose
    (a part of every report is how the estimate changes before dose 2).
    """
    chosen = [load_product(name) for name in experiment.products] or list(all_products().values())
    names = [one.name for one in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            where=where,
            key="products",
            found=f"{', '.join(twice)} more than once",
            expected="each name once",
            cure="leave the repeated one out; give your own file a name of its own",
        )
    if not any(
        len(one.regimens[one.default_regimen].doses) > 1 and one.platform != "ici" for one in chosen
    ):
        raise InputError(
            where=where,
            key="products",
            found=f"{', '.join(names)}: none is given again after a week",
            expected="at least one product with a second dose, for the estimate before dose 2",
            cure="add one, as tarlatamab; or simulate these alone with crsrisk simulate",
        )
    return {one.name: one for one in chosen}


def _tracking_folder(results: Path) -> Path:
    """MLflow's records: beside the experiments, one place for all of them."""
    return results.resolve().parent.parent / "mlflow"


def _cohort(
    experiment: Experiment, arms: list[Arm], *, world: World, workers: int, begin: Begin
) -> Cohort:
    advance = begin("Simulating patients", experiment.n_patients)
    cohort = simulate_cohort(
        arms, world=world, n_patients=experiment.n_patients, seed=experiment.seed, workers=workers
    )
    advance(experiment.n_patients)
    return cohort


def _models(
    sides: Split, *, seed: int, workers: int, begin: Begin
) -> tuple[dict[str, RiskModel], dict[str, Any]]:
    configs = {name: load_config(name) for name in ("baseline", "grade3plus", "before_dose_2")}
    advance = begin("Fitting models", len(configs))

    def fitted(name: str) -> RiskModel:
        try:
            if name == "before_dose_2":
                model = fit_before_dose_2(sides.training, seed=seed)
            else:
                model = fit(
                    sides.training.observed,
                    sides.training.outcomes,
                    config=configs[name],
                    seed=seed,
                )
        except InputError as problem:
            raise InputError(
                where=f"experiment.yaml, model {name}",
                key=problem.key,
                found=problem.found,
                expected=problem.expected,
                cure="raise n_patients, or add products in which it happens more often",
            ) from problem
        advance(1)
        return model

    with side_by_side(workers) as pool:
        return dict(zip(configs, pool.map(fitted, configs), strict=True)), configs


def training_table(sides: Split, *, name: str) -> pd.DataFrame:
    """What a model was trained on: the observed table, or before dose 2 the landmark table."""
    return before_dose_2(sides.training) if name == "before_dose_2" else sides.training.observed


def _refits(
    models: dict[str, RiskModel],
    configs: dict[str, Any],
    sides: Split,
    *,
    seed: int,
    workers: int,
    begin: Begin,
) -> dict[str, Refits]:
    """Every model fitted again to bootstrap samples, for the intervals of single risks; the models
    share the samples.
    """
    advance, made = begin("Fitting again for intervals", len(models) * refits_of.N_REFITS), {}
    for name, model in models.items():
        table = training_table(sides, name=name)
        made[name] = refits_of.make_refits(
            model,
            table,
            sides.training.outcomes.loc[table.index],
            config=configs[name],
            seed=seed,
            workers=workers,
            advance=advance,
        )
    return made


def _content(
    experiment: Experiment,
    cohort: Cohort,
    sides: Split,
    models: dict[str, RiskModel],
    refits: dict[str, Refits],
    judgement: Judgement,
    comparisons: list[Comparison],
    products: dict[str, Product],
    world: World,
    workers: int,
    begin: Begin,
) -> dict[str, Any]:
    labels = {name: one.label for name, one in {**all_products(), **products}.items()}
    labels |= {name: load_product(name).label for name in evidence_only_products()}
    n_arms = len(products) * (1 + len(experiment.mitigations))
    prevention = mitigation_table(
        list(products.values()),
        world=world,
        mitigations=experiment.mitigations,
        n=experiment.designer_patients,
        seed=experiment.seed,
        workers=workers,
        advance=begin("Simulating prophylaxis", n_arms),
    )
    waits = observation_hours(
        {
            name: (one, cohort.outcomes[(cohort.observed["product"] == name).to_numpy()])
            for name, one in products.items()
        }
    )
    dose_2 = {
        name: doses[1].time_h
        for name, one in products.items()
        if len(doses := one.regimens[one.default_regimen].doses) > 1
    }
    patients = examples(
        models,
        refits,
        test=sides.test,
        true_risk=judgement.true_risk,
        truth_ids=judgement.truth_ids,
        dose_2_h=dose_2,
    )
    return build_content(
        question=experiment.question,
        cohort=cohort,
        comparisons=comparisons,
        comparison_summary=summarise(comparisons),
        evaluation=judgement.evaluation,
        explanation=explain_test(models["baseline"], sides.test),
        examples=patients,
        mitigation_table=prevention,
        observation_hours=waits,
        product_labels=labels,
        mitigation_labels={
            "none": "None beyond the usual regimen",
            **{name: one.label for name, one in world.mitigations.items()},
        },
        manifest=_manifest(experiment, cohort, models),
        generator=make_card(world, products=products.values()),
    )


def _manifest(
    experiment: Experiment, cohort: Cohort, models: dict[str, RiskModel]
) -> dict[str, Any]:
    """How the results were made. No date and no path: the same run gives the same bytes."""
    return {
        "experiment": experiment.model_dump(),
        "cohort": dict(cohort.manifest),
        "observed_digest": frame_digest(cohort.observed),
        "outcomes_digest": frame_digest(cohort.outcomes),
        "models": {name: dict(model.manifest) for name, model in models.items()},
        "versions": {"crsrisk": __version__, **{name: version_of(name) for name in LIBRARIES}},
    }


def _write(
    experiment: Experiment,
    folder: Path,
    cohort: Cohort,
    sides: Split,
    models: dict[str, RiskModel],
    refits: dict[str, Refits],
    judgement: Judgement,
    comparisons: list[Comparison],
    content: dict[str, Any],
    world: World,
    arms: dict[str, Arm],
) -> Results:
    table = one_table(cohort)
    n_rows = write_parquet_stream(folder / "cohort.parquet", iter([table]))
    write_manifest = manifest_writer(list(arms.values()), world=world, seed=experiment.seed)
    write_manifest(folder / "cohort.parquet", columns=table.columns, n_rows=n_rows)
    for name, model in models.items():
        save_model(model, folder / "models" / name)
        save_companions(
            folder / "models" / name,
            model=model,
            refits=refits[name],
            reference=reference_groups(model, training_table(sides, name=name)),
            grade3plus="grade3plus" if name == "baseline" else None,
        )
    write_text(folder / "evidence.json", to_json(comparisons))
    write_json(folder / "content.json", content)
    report = folder / "report.html"
    write_text(report, render(content))
    figures = figure_files(content)
    for old in (folder / "figures").glob("*.svg"):  # of an earlier run, perhaps of other products
        if old.name not in figures:
            old.unlink()
    for name, figure in figures.items():
        write_text(folder / "figures" / name, figure)
    manifest = _manifest(experiment, cohort, models)
    files = ("cohort.parquet", "evidence.json", "content.json", "report.html")
    manifest["files"] = {name: sha256_of(folder / name) for name in files}
    write_json(folder / "manifest.json", manifest)
    how = _track(experiment, folder, cohort, sides, models, judgement, comparisons)
    return Results(folder, report, how, judgement.evaluation, summarise(comparisons))


def _track(
    experiment: Experiment,
    folder: Path,
    cohort: Cohort,
    sides: Split,
    models: dict[str, RiskModel],
    judgement: Judgement,
    comparisons: list[Comparison],
) -> str:
    """Log the run to MLflow: one parent, nested runs for cohort, models and evaluation; nothing of
    a patient.
    """
    with tracking(
        folder=_tracking_folder(folder), experiment=experiment.name, run=experiment.name
    ) as parent:
        parent.params(
            {
                name: str(value)
                for name, value in experiment.model_dump().items()
                if name != "question"
            }
        )
        parent.metrics(headline(judgement.evaluation))
        for name in ("report.html", "manifest.json", "evidence.json"):
            parent.file(folder / name)
        for figure in sorted((folder / "figures").glob("*.svg")):
            parent.file(figure, under="figures")
        with parent.step("cohort") as step:
            step.params(
                {
                    name: str(cohort.manifest[name])
                    for name in ("scenario", "assumptions", "world", "seed")
                }
            )
            step.dataset(
                name="training", digest=frame_digest(sides.training.observed), context="training"
            )
            step.dataset(
                name="held out", digest=frame_digest(sides.test.observed), context="evaluation"
            )
        for name, model in models.items():
            with parent.step(f"fit {name}") as step:
                step.params({key: str(value) for key, value in model.manifest["learner"].items()})
                step.metrics(
                    {
                        "n_events": float(model.contract.n_events),
                        "n_trees": float(model.manifest["n_trees"]),
                    }
                )
                step.model(model)
        with parent.step("evaluate") as step:
            step.metrics(headline(judgement.evaluation))
            found = summarise(comparisons)["by_role"]
            step.metrics(
                {
                    f"evidence_{role}_{name}": float(row[name])
                    for role, row in found.items()
                    for name in ("n_figures", "n_judged", "n_agree")
                }
            )
        return parent.how_to_open


def headline(evaluation: dict[str, Any]) -> dict[str, float]:
    """The figures that one looks at first, each with its interval."""
    pooled, steps = evaluation["pooled"], evaluation["ladder"]["pooled"]
    calibration = pooled["calibration"]
    estimates = {
        "auroc_pooled": pooled["auroc"],
        "auroc_within_product": pooled["auroc_within_product"],
        "calibration_slope": calibration["slope"],
        "calibration_in_the_large": calibration["in_the_large"],
        "ici": calibration["curve"].get("ici"),
        "brier": pooled["brier"],
        "log_loss": pooled["log_loss"],
        "share_of_oracle_gain": steps["share_of_oracle_gain"],
    }
    return {
        f"{name}{part}": float(one[key])
        for name, one in estimates.items()
        if one and "value" in one
        for part, key in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


def _runnable(command: str) -> str:
    """The command with the place of its program, when that is not on the path (no environment
    active).
    """
    program, _, rest = command.partition(" ")
    beside = Path(sys.executable).with_name(program)
    return command if shutil.which(program) or not beside.exists() else f"{beside} {rest}"


def print_closing(results: Results) -> None:
    """Report, key figures with intervals, and how to open the tracking page."""
    figures = headline(results.evaluation)
    words = {
        "auroc_within_product": "AUROC within products",
        "auroc_pooled": "AUROC pooled (product mix inflates it)",
        "calibration_slope": "Calibration slope",
        "ici": "Mean calibration error (ICI)",
        "share_of_oracle_gain": "Share of the oracle's gain over product alone",
    }
    typer.echo(
        "Grade >= 2 CRS within the window after the first dose (21 days; 60 for checkpoint"
        " inhibitors), held-out patients:"
    )
    for name, text in words.items():
        if name in figures:
            low, high = figures[f"{name}_low"], figures[f"{name}_high"]
            typer.echo(f"  {text}: {figures[name]:.3f} (95% interval {low:.3f} to {high:.3f})")
    for role, found in results.comparison_summary["by_role"].items():
        typer.echo(
            f"  Published figures, {role}: {found['n_agree']} of {found['n_judged']} judged agree"
        )
    typer.echo("Research use; synthetic data; no external validation.")
    typer.echo(f"Report: {results.report}")
    typer.echo(f"MLflow: {_runnable(results.how_to_open_tracking)}")
