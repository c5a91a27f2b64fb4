"""The synthetic world: simulate, compare with what was published, adopt a calibration, export."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crsrisk.cli.application import CPUS, AsJson, Workers, app, arms_of, print_json, products_in

if TYPE_CHECKING:
    from crsrisk.data.product import Product
    from crsrisk.data.published_figures import Trial
    from crsrisk.data.world import World


@app.command()
def simulate(
    patients: Annotated[
        int | None,
        typer.Option(
            help="How many patients (1000), or with --ensemble for each member and product (160).",
            min=1,
        ),
    ] = None,
    product: Annotated[
        list[str] | None, typer.Option(help="Product name or YAML file; repeatable; else all.")
    ] = None,
    regimen: Annotated[
        str | None, typer.Option(help="Regimen of the product; its default when left out.")
    ] = None,
    mitigation: Annotated[
        list[str] | None, typer.Option(help="Prophylaxis added before dose 1; repeatable.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.", min=0)] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write: .parquet or .csv; cohort.parquet when left out."),
    ] = None,
    trajectories: Annotated[
        bool, typer.Option(help="Write half-hourly trajectories beside it.")
    ] = False,
    truth: Annotated[
        bool, typer.Option(help="Write unmeasured biology and oracle risks beside it.")
    ] = False,
    truth_repetitions: Annotated[
        int, typer.Option(help="Simulations a patient for the oracle.", min=2)
    ] = 200,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help="No cohort: rates and onset with intervals over the ensemble of assumptions.",
        ),
    ] = False,
    trial_size: Annotated[
        int | None,
        typer.Option(help="With --ensemble: add chance in a trial of this many patients.", min=1),
    ] = None,
    workers: Workers = CPUS,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a cohort that stands there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a cohort and write it with its manifest; or, with --ensemble, foretell rates with
    their uncertainty.
    """
    given = (
        {"--out": out, "--trajectories": trajectories, "--truth": truth}
        if ensemble
        else {"--trial-size": trial_size}
    )
    _refuse_options(given, with_ensemble=ensemble)
    if ensemble:
        _forecast(
            product,
            patients=patients,
            regimen=regimen,
            mitigation=mitigation,
            scenario=scenario,
            seed=seed,
            trial_size=trial_size,
            workers=workers,
            as_json=as_json,
        )
        return
    from crsrisk.progress import steps
    from crsrisk.studies.export import export_cohort

    arms, world = arms_of(
        product, scenario=scenario, regimen=regimen, mitigations=tuple(mitigation or ())
    )
    out = out or Path("cohort.parquet")
    target = out if out.suffix or out.is_dir() else out.with_suffix(".parquet")
    with steps() as begin:
        exported = export_cohort(
            target,
            arms=arms,
            world=world,
            n_patients=patients or 1000,
            seed=seed,
            workers=workers,
            has_truth=truth,
            truth_repetitions=truth_repetitions,
            has_trajectories=trajectories,
            begin=begin,
            overwrite=overwrite,
        )
    if as_json:
        print_json(exported.to_dict())
        return
    typer.echo(exported.summary())


def _refuse_options(given: dict[str, Any], *, with_ensemble: bool) -> None:
    from crsrisk.errors import InputError

    if idle := [option for option, value in given.items() if value]:
        raise InputError(
            where="simulate",
            key=", ".join(idle),
            found=f"{'with' if with_ensemble else 'without'} --ensemble",
            expected="a cohort's options without --ensemble, a forecast's with it",
            cure="leave one of them out: a forecast is printed, with --json as data",
        )


def _forecast(
    product: list[str] | None,
    *,
    patients: int | None,
    regimen: str | None,
    mitigation: list[str] | None,
    scenario: str,
    seed: int,
    trial_size: int | None,
    workers: int,
    as_json: bool,
) -> None:
    from crsrisk.data.ensemble import load_ensemble
    from crsrisk.progress import steps
    from crsrisk.studies.forecast import PER_MEMBER, forecast, print_forecast

    members = load_ensemble()
    products, world = products_in(product, scenario=scenario)
    with steps() as begin:
        made = forecast(
            products,
            ensemble=members,
            world=world,
            n_patients=patients or PER_MEMBER,
            seed=seed,
            trial_size=trial_size,
            regimen=regimen,
            mitigations=tuple(mitigation or ()),
            workers=workers,
            advance=begin("Simulating the ensemble", len(members)),
        )
    if as_json:
        print_json(made.to_dict())
    else:
        print_forecast(made)


@app.command()
def evidence(
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    role: Annotated[
        str | None, typer.Option(help="calibration or validation; both when left out.")
    ] = None,
    patients: Annotated[
        int | None,
        typer.Option(
            help="Simulated patients a trial (4000), or with --ensemble for each member (160).",
            min=100,
        ),
    ] = None,
    patients_rare: Annotated[
        int | None,
        typer.Option(help="The same for checkpoint inhibitors (24000, or 800).", min=100),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same figures.", min=0)] = 20261121,
    trial: Annotated[
        list[Path] | None,
        typer.Option(
            help="A trial of your own (YAML file) instead of those that ship; repeatable."
        ),
    ] = None,
    ensemble: Annotated[
        bool,
        typer.Option(
            "--ensemble",
            help=(
                "Forecast every figure over the ensemble of assumptions, with predictive intervals."
            ),
        ),
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help=(
                "Patients before the first dose instead: quartiles and correlations by tumour type."
            ),
        ),
    ] = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Compare simulated with published figures; rows that disagree stay."""
    if baseline:
        _baseline(
            scenario,
            idle={
                "--role": role,
                "--patients": patients,
                "--patients-rare": patients_rare,
                "--trial": trial,
                "--ensemble": ensemble,
            },
            as_json=as_json,
        )
        return
    trials, products, world = _trials(trial, role=role, scenario=scenario)
    if ensemble:
        _forecast_evidence(
            trials,
            products,
            world,
            patients=patients,
            patients_rare=patients_rare,
            seed=seed,
            has_counts=not trial,
            workers=workers,
            as_json=as_json,
        )
        return
    from crsrisk.progress import steps
    from crsrisk.simulation.evidence import to_json
    from crsrisk.studies.evidence import compare_with_published, print_comparisons

    with steps() as begin:
        rows = compare_with_published(
            trials,
            world=world,
            products=products,
            seed=seed,
            n=patients or 4000,
            n_rare=patients_rare or 24000,
            workers=workers,
            advance=begin("Simulating published trials", len(trials)),
        )
    if as_json:
        typer.echo(to_json(rows))
    else:
        print_comparisons(rows)


def _baseline(scenario: str, *, idle: Mapping[str, Any], as_json: bool) -> None:
    from crsrisk.data.world import load_world
    from crsrisk.errors import InputError
    from crsrisk.studies.generator import compare_baseline, print_baseline

    if given := [option for option, value in idle.items() if value]:
        raise InputError(
            where="evidence",
            key=", ".join(given),
            found="with --baseline",
            expected="--baseline alone",
            cure="leave one of them out: before the first dose there is no trial and no course",
        )
    made = compare_baseline(load_world(scenario))
    if as_json:
        print_json(made.to_dict())
    else:
        print_baseline(made)


def _forecast_evidence(
    trials: list[Trial],
    products: list[Product],
    world: World,
    *,
    patients: int | None,
    patients_rare: int | None,
    seed: int,
    has_counts: bool,
    workers: int,
    as_json: bool,
) -> None:
    from crsrisk.data.ensemble import load_ensemble
    from crsrisk.progress import steps
    from crsrisk.studies.evidence import forecast_published, print_published_forecasts
    from crsrisk.studies.forecast import PER_MEMBER, RARE_FOLD
    from crsrisk.studies.generator import count_evidence, print_evidence_counts

    members = load_ensemble()
    with steps() as begin:
        each = patients or PER_MEMBER
        made = forecast_published(
            trials,
            ensemble=members,
            world=world,
            products=products,
            n=each,
            n_rare=patients_rare or RARE_FOLD * each,
            seed=seed,
            workers=workers,
            advance=begin("Simulating the ensemble", len(members)),
        )
    if as_json:
        counts = {"evidence_status": count_evidence()} if has_counts else {}
        print_json({**made.to_dict(), **counts})
        return
    print_published_forecasts(made)
    if has_counts:
        print_evidence_counts()


def _trials(
    own: list[Path] | None, *, role: str | None, scenario: str
) -> tuple[list[Trial], list[Product], World]:
    """The trials to compare with, the products that they bring along, and the world."""
    from crsrisk.data.evidence_files import load_own_trials, load_trials
    from crsrisk.data.world import load_world, with_own_places
    from crsrisk.errors import InputError

    world = load_world(scenario)
    if not own:
        return load_trials(role=_role(role)), [], world
    if role:
        raise InputError(
            where="evidence",
            key="--role",
            found="--role with --trial",
            expected="one of them",
            cure="leave --role out: trials of your own are validation",
        )
    trials, products = load_own_trials(own)
    return trials, *with_own_places(products, world=world)


def _role(role: str | None) -> Any:
    from crsrisk.errors import InputError

    if role not in (None, "calibration", "validation"):
        raise InputError(
            where="evidence",
            key="--role",
            found=role,
            expected="calibration or validation",
            cure="choose one of the two, or leave it out",
        )
    return role


@app.command()
def adopt(
    results: Annotated[Path, typer.Argument(help="Folder with the results of a calibration.")],
) -> None:
    """Make the result of a calibration the world that everybody uses: values in the files, ensemble
    beside them.
    """
    from crsrisk.studies.calibration import apply_calibration

    changed = apply_calibration(results)
    typer.echo(
        f"Changed {len(changed)} files: {', '.join(changed)}. What was believed before stays in"
        " them as `prior`."
    )


export = typer.Typer(
    no_args_is_help=True, help="Write the mechanism in the language of other programs."
)
app.add_typer(export, name="export")


@export.command("sbml")
def export_sbml_file(
    product: Annotated[str, typer.Argument(help="Product name or YAML file.")],
    regimen: Annotated[
        str | None, typer.Option(help="Regimen of the product; its default when left out.")
    ] = None,
    mitigation: Annotated[
        list[str] | None, typer.Option(help="Prophylaxis added before dose 1; repeatable.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    patient: Annotated[
        int | None, typer.Option(help="A simulated patient, from 0; else a typical one.", min=0)
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the world that the patient is from.", min=0)
    ] = 1,
    out: Annotated[
        Path | None, typer.Option(help="File to write; PRODUCT.xml when left out.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that stands there already.")
    ] = False,
) -> None:
    """Write the mechanism, without the ward, as SBML that COPASI and libRoadRunner run."""
    from crsrisk.studies.export import NOTICE, export_sbml

    (arm,), world = arms_of(
        [product], scenario=scenario, regimen=regimen, mitigations=tuple(mitigation or ())
    )
    target = export_sbml(
        out or Path(f"{arm.product.name}.xml"),
        arm=arm,
        world=world,
        patient=patient,
        seed=seed,
        overwrite=overwrite,
    )
    typer.echo(
        f"Wrote {target} (SBML level 3 version 2; time in hours; its notes say what is left out)"
    )
    typer.echo(NOTICE)


@app.command()
def dictionary(
    out: Annotated[
        Path | None, typer.Option(help="Write Markdown here instead of printing.")
    ] = None,
) -> None:
    """The data dictionary: every column, its meaning, unit, range and source."""
    from crsrisk.data.files import write_text
    from crsrisk.report.dictionary import data_dictionary_markdown

    text = data_dictionary_markdown()
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text)


@app.command()
def card(
    out: Annotated[Path | None, typer.Option(help="Write it here instead of printing.")] = None,
    as_json: AsJson = False,
) -> None:
    """The generator card: credibility factors, every assumption with source and strength, what must
    not be concluded.
    """
    import json

    from crsrisk.data.files import write_text
    from crsrisk.report.generator_card import generator_card_markdown
    from crsrisk.studies.generator import make_card

    made = make_card()
    text = (
        json.dumps(made.to_dict(), indent=1, allow_nan=False) + "\n"
        if as_json
        else generator_card_markdown(made)
    )
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)
