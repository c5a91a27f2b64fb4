"""Simulate a cohort, forecast a product, and export what the simulator is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from crsrisk.cli.application import (
    CPUS,
    PANELS,
    AsJson,
    Mitigations,
    Overwrite,
    Product_,
    Products,
    Regimen,
    Scenario,
    Seed,
    Workers,
    app,
    arms_of,
    print_json,
    products_in,
    runs_anywhere,
    say,
)

export = typer.Typer(
    no_args_is_help=True, help="The mechanism as SBML, the data dictionary, the generator card."
)
app.add_typer(export, name="export", rich_help_panel=PANELS[0])


@app.command(rich_help_panel=PANELS[0])
@runs_anywhere
def simulate(
    patients: Annotated[int, typer.Option(help="How many patients.", min=1)] = 1000,
    product: Products = None,
    regimen: Regimen = None,
    mitigation: Mitigations = None,
    scenario: Scenario = "reference",
    seed: Seed = 1,
    out: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="File to write: .parquet or .csv. With --part-size a folder, or its address, as"
            " s3://bucket/cohort.",
        ),
    ] = "cohort.parquet",
    part_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Write Parquet files of so many patients each, as 100000. The same command goes on"
            " after an interruption.",
            min=1,
        ),
    ] = None,
    trajectories: Annotated[
        bool, typer.Option("--trajectories", help="Write half-hourly courses beside it.")
    ] = False,
    truth: Annotated[
        bool, typer.Option("--truth", help="Write unmeasured biology and true risks beside it.")
    ] = False,
    truth_repetitions: Annotated[
        int, typer.Option(help="Simulations a patient for his true risk.", min=2)
    ] = 200,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Simulate a cohort and write it with its manifest."""
    from crsrisk.studies.export import export_cohort, file_of
    from crsrisk.studies.export_parts import export_parts, refuse_companions
    from crsrisk.terminal import steps

    arms, world = arms_of(
        product, scenario=scenario, regimen=regimen, mitigations=tuple(mitigation or ())
    )
    choices: dict[str, Any] = {
        "arms": arms,
        "world": world,
        "n_patients": patients,
        "seed": seed,
        "workers": workers,
        "overwrite": overwrite,
    }
    if part_size is not None:
        refuse_companions(has_truth=truth, has_trajectories=trajectories)
        with steps() as begin:
            exported = export_parts(out, part_size=part_size, begin=begin, **choices)
    else:
        target = file_of(out)
        with steps() as begin:
            exported = export_cohort(
                target,
                has_truth=truth,
                truth_repetitions=truth_repetitions,
                has_trajectories=trajectories,
                begin=begin,
                **choices,
            )
    if as_json:
        print_json(exported.to_dict())
    else:
        say(exported.summary())


@app.command(rich_help_panel=PANELS[0])
@runs_anywhere
def forecast(
    product: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PRODUCT...]", help="Products by name or YAML file. Default: all."),
    ] = None,
    design: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A changed regimen instead, as the explorer's page writes it: it names product,"
            " prophylaxis, patients and seed itself.",
        ),
    ] = None,
    trial_size: Annotated[
        int | None, typer.Option(help="Add chance in a trial of this many patients.", min=1)
    ] = None,
    regimen: Regimen = None,
    mitigation: Mitigations = None,
    scenario: Scenario = "reference",
    patients: Annotated[
        int | None,
        typer.Option(help="Simulated patients a member of the ensemble. Default: 160.", min=16),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Same seed, same bytes. Default: 1.", min=0)
    ] = None,
    workers: Workers = CPUS,
    draws: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every draw here too: .csv, .parquet or .xlsx."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Forecast what a trial of a product would report, with intervals over the assumptions."""
    from crsrisk.data.regimen_design import load_regimen_design
    from crsrisk.data.world import load_world
    from crsrisk.studies.forecast import forecast, prepare_draws, write_draws
    from crsrisk.studies.forecast_tables import print_forecast
    from crsrisk.studies.regimen_grid import forecast_design
    from crsrisk.terminal import steps

    prepare_draws(draws, overwrite=overwrite)
    with steps() as begin:
        if design is not None:
            said = {"PRODUCT": product, "--regimen": regimen, "--mitigation": mitigation,
                    "--patients": patients, "--seed": seed}  # fmt: skip
            beside = [name for name, value in said.items() if value not in (None, [])]
            made = forecast_design(
                load_regimen_design(design, beside=beside),
                world=load_world(scenario),
                trial_size=trial_size,
                workers=workers,
                begin=begin,
            )
        else:
            products, world = products_in(product, scenario=scenario)
            made = forecast(
                products,
                world=world,
                trial_size=trial_size,
                regimen=regimen,
                mitigations=tuple(mitigation or ()),
                n_patients=patients,
                seed=1 if seed is None else seed,
                workers=workers,
                begin=begin,
            )
    if draws is not None:
        write_draws(made, draws)
    if as_json:
        print_json(made.to_dict())
    else:
        print_forecast(made)


@export.command("sbml")
def export_sbml_file(
    product: Product_,
    regimen: Regimen = None,
    mitigation: Mitigations = None,
    scenario: Scenario = "reference",
    patient: Annotated[
        int | None, typer.Option(help="A simulated patient, from 0. Default: a typical one.", min=0)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the cohort the patient is from.", min=0)] = 1,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: PRODUCT.xml.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """The mechanism of one arm and patient as SBML, for COPASI or libRoadRunner."""
    from crsrisk.studies.export import NOTICE, export_sbml

    (arm,), world = arms_of(
        [product], scenario=scenario, regimen=regimen, mitigations=tuple(mitigation or ())
    )
    target = out or Path(f"{arm.product.name}.xml")
    export_sbml(target, arm=arm, world=world, patient=patient, seed=seed, overwrite=overwrite)
    say(f"Wrote {target} (SBML level 3 version 2; time in hours; its notes say what is left out)")
    say(NOTICE)


@export.command()
def dictionary(
    out: Annotated[Path | None, typer.Option(help="File to write. Default: print it.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """The data dictionary: every column with meaning, unit, range and source."""
    from crsrisk.report.dictionary import data_dictionary_markdown

    _print_or_write(data_dictionary_markdown(), out, overwrite=overwrite)


@export.command()
def card(
    out: Annotated[Path | None, typer.Option(help="File to write. Default: print it.")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """The generator card: what the simulator may be believed for, and what its numbers rest on."""
    import json

    from crsrisk.results import to_plain
    from crsrisk.studies.generator import make_card, write_card

    made = make_card()
    if as_json:
        text = json.dumps(to_plain(made), indent=1, allow_nan=False) + "\n"
        _print_or_write(text, out, overwrite=overwrite)
    elif out is None:
        say(made.to_markdown(chart=None), nl=False)
    else:
        write_card(made, out, overwrite=overwrite)
        say(f"Wrote {out}")


def _print_or_write(text: str, out: Path | None, *, overwrite: bool) -> None:
    from crsrisk.data.files import prepare_output, write_text

    if out is None:
        say(text, nl=not text.endswith("\n"))
        return
    prepare_output(out, overwrite=overwrite)
    write_text(out, text)
    say(f"Wrote {out}")
