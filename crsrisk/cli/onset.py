"""When CRS comes: fit onset to a risk model, tell it for a table, judge it.

A command is as long as its options: one of them a line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crsrisk.cli.application import (
    CPUS,
    PANELS,
    AsJson,
    Model,
    Overwrite,
    Patients,
    Products,
    Scenario,
    Seed,
    Workers,
    app,
    arms_of,
    print_json,
    reads_table,
    say,
)

if TYPE_CHECKING:
    from crsrisk.data.table_reading import TableReading

onset = typer.Typer(
    no_args_is_help=True,
    help="When CRS of grade 2 or more is to be expected after each dose. Research use only.",
)
app.add_typer(onset, name="onset", rich_help_panel=PANELS[1])


@onset.command("train")
def onset_train(
    model: Model,
    out: Annotated[Path, typer.Option(help="Folder for the risk model with its onset.")],
    patients: Annotated[int, typer.Option(help="Simulated patients.", min=100)] = 20_000,
    product: Products = None,
    scenario: Scenario = "reference",
    seed: Seed = 1,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Fit when the event comes, on top of a risk model, to simulated patients.

    The risk stays that of the model; learnt is the time of onset, given that it comes.
    """
    from crsrisk.folders import find
    from crsrisk.studies.onset import train_onset
    from crsrisk.terminal import steps

    arms, world = arms_of(product, scenario=scenario, regimen=None, mitigations=())
    with steps() as begin:
        trained = train_onset(
            find("released", model),
            arms,
            world=world,
            n_patients=patients,
            seed=seed,
            out=out,
            begin=begin,
            is_asked=bool(product),
            workers=workers,
            overwrite=overwrite,
        )
    print_json(trained.to_dict()) if as_json else say(trained.summary())


@onset.command("predict")
@reads_table
def onset_predict(
    model: Model,
    table: Patients,
    out: Annotated[
        Path | None, typer.Option(help="Write here (.csv, .parquet or .xlsx) instead of printing.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Tell for every row the risk by 24, 48, 72 h and 7 d, and when onset comes after each dose.

    Beside the hours of observation, and never as advice to shorten them.
    """
    from crsrisk.data.files import new_result
    from crsrisk.folders import find
    from crsrisk.studies.onset import print_onset, tell_onset

    with new_result(out, overwrite=overwrite):
        told = tell_onset(find("released", model), table, reading=reading, out=out)
    if as_json:
        print_json(told.to_dict())
    else:
        print_onset(told, out=out)
    if (problem := told.refusal()) is not None:
        raise problem


@onset.command("evaluate")
def onset_evaluate(
    model: Model,
    patients: Annotated[int, typer.Option(help="Fresh simulated patients.", min=100)] = 11_000,
    true: Annotated[
        int, typer.Option("--true", help="Of them, simulated again for their true risk.", min=0)
    ] = 0,
    repetitions: Annotated[
        int, typer.Option(help="Simulations of each of these; an even number.", min=2)
    ] = 100,
    product: Products = None,
    scenario: Scenario = "reference",
    out: Annotated[
        Path | None, typer.Option(help="Folder for figures (.json, .csv) and chart (.svg).")
    ] = None,
    seed: Seed = 9,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Judge onset in fresh simulated patients: calibration by hour, by product, after each dose."""
    from crsrisk.data.files import new_result
    from crsrisk.folders import find
    from crsrisk.studies.onset import calibration_lines, judge_onset, write_calibration
    from crsrisk.terminal import steps

    arms, world = arms_of(product, scenario=scenario, regimen=None, mitigations=())
    with new_result(out, overwrite=overwrite), steps() as begin:
        found = judge_onset(
            find("released", model),
            arms,
            world=world,
            n_patients=patients,
            seed=seed,
            begin=begin,
            is_asked=bool(product),
            n_true=true,
            n_replicates=repetitions,
            workers=workers,
        )
        written = [] if out is None else write_calibration(found, out=out)
    if as_json:
        print_json(found.to_dict())
    else:
        say("\n".join([*calibration_lines(found), *(f"Wrote {place}" for place in written)]))
