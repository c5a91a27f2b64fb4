"""Risk models: train one, score a table, update a model, release one.

A command is as long as its options: one of them a line.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crsrisk.cli.application import (
    CPUS,
    PANELS,
    AsJson,
    AtLeast,
    KnownPatients,
    Model,
    Outcome,
    Overwrite,
    Page,
    PatientsPlace,
    ProductFiles,
    Products,
    Scenario,
    Seed,
    Track,
    UnknownProduct,
    Workers,
    app,
    arms_of,
    print_json,
    reads_table,
    say,
)

if TYPE_CHECKING:
    from crsrisk.data.table_reading import TableReading


@app.command(rich_help_panel=PANELS[1])
@reads_table
def train(
    config: Annotated[
        str, typer.Argument(help="Configuration in models/configs/ by name, or a .yaml file.")
    ] = "baseline",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the model. Default: the configuration's name.")
    ] = None,
    patients: Annotated[
        int | None,
        typer.Option(
            help="Simulated patients. Default: the configuration's number, or 20000.", min=100
        ),
    ] = None,
    product: Products = None,
    scenario: Scenario = "reference",
    table: Annotated[
        str | None,
        typer.Option(
            help="Learn from this table instead: CSV, .xlsx, ..., or folder of a table in parts."
        ),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help="With --table: file with the outcome, same patients, same order."
            " Default: the table itself."
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            help="With --table: column with the outcome. Default: the configuration's name of it."
        ),
    ] = None,
    at_least: AtLeast = None,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Look for better settings first, as the configuration says."),
    ] = False,
    refits: Annotated[
        int | None,
        typer.Option(help="Refits for intervals of single risks. Default: 20; 0: none.", min=0),
    ] = None,
    grade3plus: Annotated[
        str | None,
        typer.Option("--grade3plus", help="Folder beside it with the model for grade >= 3."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Grow the trees on a Dask cluster, of a configuration that starts from the mean:"
            " similar risks, other bytes from run to run; how similar is told.",
        ),
    ] = None,
    track: Track = None,
    seed: Seed = 1,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Train a risk model on simulated patients, or on a table with outcomes."""
    from crsrisk.errors import InputError
    from crsrisk.model.tracking import check_server
    from crsrisk.studies.predict import tell_account
    from crsrisk.studies.train import config_from, simulated_training, train
    from crsrisk.studies.training_table import table_training
    from crsrisk.terminal import steps

    if table is not None and (patients or product):
        raise InputError(
            where="train",
            key="--table",
            found="a table and options of a simulation",
            expected="--patients and --product without --table",
            cure="leave one of them out",
        )
    if table is None and (outcomes or outcome or at_least is not None):
        raise InputError(
            where="train",
            key="--outcome, --outcomes, --at-least",
            found="an outcome of a table, and no table",
            expected="these options with --table; of simulated patients the outcome is known",
            cure="add --table, or leave them out",
        )
    chosen = config_from(config)
    folder = out or Path(chosen.name)
    check_server()
    with steps() as begin:
        if table is None:
            arms, world = arms_of(product, scenario=scenario, regimen=None, mitigations=())
            training = simulated_training(
                arms,
                config=chosen,
                world=world,
                n_patients=patients,
                seed=seed,
                workers=workers,
            )
        else:
            training = table_training(
                table,
                config=chosen,
                outcomes=outcomes,
                outcome=outcome,
                at_least=at_least,
                tell=None if as_json else tell_account,
                reading=reading,
            )
        trained = train(
            training,
            config=chosen,
            seed=seed,
            out=folder,
            is_tuned=tune,
            track=track,
            begin=begin,
            n_refits=refits,
            grade3plus=grade3plus,
            workers=workers,
            overwrite=overwrite,
            cluster=cluster,
        )
    if as_json:
        print_json(trained.to_dict())
    else:
        say(trained.summary())


@app.command(rich_help_panel=PANELS[1])
@reads_table
def predict(
    model: Model,
    table: PatientsPlace,
    out: Annotated[
        Path | None,
        typer.Option(help="Write risks here: .csv, .parquet or .xlsx."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first refused value.")] = False,
    unknown_product: UnknownProduct = False,
    product_file: ProductFiles = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Score a table, with an account of what was refused, converted or missing.

    Every row is answered: a refused one with its reason and without a risk. If any was refused, the
    exit code is 2.
    """
    from crsrisk.data.files import new_result
    from crsrisk.folders import find
    from crsrisk.studies.predict import print_score, score_table
    from crsrisk.studies.predict_file import print_filed, score_file
    from crsrisk.studies.refused_rows import refused_path

    how: dict[str, Any] = {
        "reading": reading,
        "strict": strict,
        "unknown_product": unknown_product,
        "product_files": product_file or (),
    }
    folder = find("released", model)
    if out is None:
        scored = score_table(folder, table, **how)
        problem, tree, show = scored.refusal(), scored.to_dict, partial(print_score, scored)
    else:
        with new_result(out, refused_path(out), overwrite=overwrite):
            filed, problem = score_file(folder, table, out=out, **how)
        tree, show = filed.to_dict, partial(print_filed, filed)
    if as_json:
        print_json(tree())
    else:
        show()
    if problem is not None:
        raise problem


@app.command(rich_help_panel=PANELS[1])
@reads_table
def update(
    model: Model,
    table: KnownPatients,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the updated model. Default: beside the old one."),
    ] = None,
    outcome: Outcome = None,
    at_least: AtLeast = None,
    method: Annotated[
        str,
        typer.Option(
            help="auto (closed test), none, intercept, intercept-and-slope, offset-boosting, refit."
        ),
    ] = "auto",
    config: Annotated[
        str | None,
        typer.Option(
            help="What a refit follows: a configuration by name, or a .yaml file. Default: the"
            " shipped one of the model's name."
        ),
    ] = None,
    unknown_product: UnknownProduct = False,
    product_file: ProductFiles = None,
    seed: Seed = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Update a model with patients whose outcomes are known, as little as they call for.

    The model is left as it is; the updated one is a folder of its own.
    """
    from crsrisk.folders import find
    from crsrisk.studies.predict import tell_account
    from crsrisk.studies.train import config_from
    from crsrisk.studies.update import print_updated, update_model

    updated = update_model(
        find("released", model),
        table,
        out=out,
        outcome=outcome,
        at_least=at_least,
        method=method,
        config=None if config is None else config_from(config),
        tell=None if as_json else tell_account,
        reading=reading,
        unknown_product=unknown_product,
        product_files=product_file or (),
        seed=seed,
        overwrite=overwrite,
    )
    if as_json:
        print_json(updated.to_dict())
    else:
        print_updated(updated)


@app.command(rich_help_panel=PANELS[1])
def release(
    model: Annotated[
        str, typer.Argument(help="Folder of a saved model with what explaining needs beside it.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the release. Default: the model's own.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the release. Default: the model's own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of releases. Default: models/released/.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Freeze a model as NAME-VERSION: plain files, a card, a manifest with SHA-256.

    Nothing is ever overwritten: another content needs another version. The model for grade 3 or
    more, where there is one, goes with it.
    """
    from crsrisk.studies.train import release_model

    released = release_model(model, name=name, version=version, out=out)
    if as_json:
        print_json(released.to_dict())
    else:
        say(released.summary())


@app.command("evaluate", rich_help_panel=PANELS[1])
@reads_table
def evaluate_table(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a model, or the name of a released one. With --risk: left out.",
        ),
    ],
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="TABLE",
            help="Patients with their outcome: CSV, .xlsx, .parquet, ..., or folder of a table in"
            " parts.",
            show_default=False,
        ),
    ] = None,
    risk: Annotated[
        str | None,
        typer.Option(help="Judge the risks in this column of TABLE (0 to 1) instead of a model."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Results of their own for the groups of this column, as for site; repeatable."
        ),
    ] = None,
    html: Page = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for everything: evaluation.json and .html, both checklists, model card."
        ),
    ] = None,
    outcome: Outcome = None,
    at_least: AtLeast = None,
    threshold: Annotated[
        float,
        typer.Option(help="Risk (0 to 1) from which on one would act; declare it before you look."),
    ] = 0.3,
    track: Annotated[
        Path | None, typer.Option(help="Log to MLflow in this folder too (needs --out).")
    ] = None,
    unknown_product: UnknownProduct = False,
    product_file: ProductFiles = None,
    seed: Seed = 1,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples for bands and intervals.", min=50)
    ] = 300,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Judge a model where outcomes are known: discrimination, calibration, net benefit.

    With --risk COLUMN the risks of a model from elsewhere are judged: crsrisk evaluate TABLE
    --risk COLUMN --outcome COLUMN.
    """
    from crsrisk.data.files import new_result
    from crsrisk.errors import InputError
    from crsrisk.folders import find
    from crsrisk.model.tracking import check_server
    from crsrisk.studies.evaluate import (
        evaluate_model,
        evaluation_lines,
        track_evaluation,
        write_evaluation,
    )
    from crsrisk.studies.predict import tell_account

    if risk is not None:
        _evaluate_risks(
            table=Path(model),
            other=None if table is None else Path(table),
            risk=risk,
            outcome=outcome,
            at_least=at_least,
            by=by or [],
            threshold=threshold,
            seed=seed,
            resamples=resamples,
            html=html,
            out=out,
            is_read_as_it_is=not (
                reading.units or reading.rename or reading.ldh_upper_limit_u_l or track
            ),
            reading=reading,
            overwrite=overwrite,
            as_json=as_json,
        )
        return
    if table is None:
        raise InputError(
            where="evaluate",
            key="TABLE",
            found="a model alone",
            expected="a model and a table of patients with their outcome",
            cure="write crsrisk evaluate MODEL TABLE, or TABLE --risk COLUMN for risks in a column",
        )
    check_server()
    with new_result(html, out, overwrite=overwrite):
        content = evaluate_model(
            find("released", model),
            table,
            outcome=outcome,
            at_least=at_least,
            by=by or [],
            tell=None if as_json else tell_account,
            reading=reading,
            unknown_product=unknown_product,
            product_files=product_file or (),
            threshold=threshold,
            seed=seed,
            n_resamples=resamples,
        )
        written = write_evaluation(content, html=html, out=out)
        tracked = track_evaluation(content, out=out, folder=track)
    if as_json:
        print_json(content.to_dict())
        return
    say("\n".join([*evaluation_lines(content), *(f"Wrote {name}" for name in written), *tracked]))


def _evaluate_risks(
    *,
    table: Path,
    other: Path | None,
    risk: str,
    outcome: str | None,
    at_least: float | None,
    by: list[str],
    threshold: float,
    seed: int,
    resamples: int,
    html: Path | None,
    out: Path | None,
    is_read_as_it_is: bool,
    reading: TableReading,
    overwrite: bool,
    as_json: bool,
) -> None:
    """``evaluate --risk``."""
    from crsrisk.data.files import new_result
    from crsrisk.errors import InputError
    from crsrisk.studies.risk_column import (
        evaluate_risk_column,
        risk_column_lines,
        write_risk_column,
    )

    if other is not None or outcome is None or not is_read_as_it_is:
        raise InputError(
            where="evaluate",
            key="--risk",
            found=(
                "a model as well"
                if other is not None
                else "no --outcome"
                if outcome is None
                else "an option about other columns, or --track"
            ),
            expected="a table with a column of risks and a column of outcomes, and no model",
            cure=f"write crsrisk evaluate {other or table} --risk {risk} --outcome COLUMN",
        )
    with new_result(html, out, overwrite=overwrite):
        made = evaluate_risk_column(
            table,
            risk=risk,
            outcome=outcome,
            at_least=at_least,
            by=by,
            threshold=threshold,
            seed=seed,
            n_resamples=resamples,
            reading=reading,
        )
        written = write_risk_column(made, html=html, out=out)
    if as_json:
        print_json(made.to_dict())
        return
    say("\n".join([*risk_column_lines(made), *(f"Wrote {name}" for name in written)]))
