"""Risk models: train one, score a table, update a model, release one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import CPUS, AsJson, Workers, app, arms_of, pairs_of, print_json


@app.command()
def train(
    config: Annotated[
        str, typer.Argument(help="Configuration in models/configs/ by name, or a .yaml file.")
    ] = "baseline",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the model; the configuration's name when left out."),
    ] = None,
    patients: Annotated[
        int | None, typer.Option(help="Simulated patients (20000).", min=100)
    ] = None,
    product: Annotated[
        list[str] | None, typer.Option(help="Product name or YAML file; repeatable; else all.")
    ] = None,
    scenario: Annotated[str, typer.Option(help="Scenario name or YAML file.")] = "reference",
    table: Annotated[
        Path | None, typer.Option(help="Learn from these patients (.csv or .parquet) instead.")
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help=(
                "With --table: file with the outcome, same patients, same order; the table itself"
                " when left out."
            )
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            help=(
                "With --table: column with the outcome in the configuration's window; its own name"
                " when left out."
            )
        ),
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")
    ] = None,
    ldh_upper_limit: Annotated[
        float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")
    ] = None,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Look for better settings first, as the configuration says."),
    ] = False,
    refits: Annotated[
        int | None,
        typer.Option(help="Refits for the ranges beside single risks (20); 0 for none.", min=0),
    ] = None,
    grade3plus: Annotated[
        str | None,
        typer.Option(
            "--grade3plus", help="Name of the folder beside it that holds the model for grade >= 3."
        ),
    ] = None,
    track: Annotated[
        Path | None, typer.Option(help="Log the run to MLflow in this folder.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same model.", min=0)] = 1,
    workers: Workers = CPUS,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that stands there already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a risk model on simulated patients or on a table with outcomes; writes a model
    folder.
    """
    from crsrisk.errors import InputError
    from crsrisk.progress import steps
    from crsrisk.studies.train import (
        config_from,
        simulated_training,
        table_training,
        train,
    )

    if table is not None and (patients or product):
        raise InputError(
            where="train",
            key="--table",
            found="a table and options of a simulation",
            expected="--patients and --product without --table",
            cure="leave one of them out",
        )
    chosen = config_from(config)
    with steps() as begin:
        if table is None:
            arms, world = arms_of(product, scenario=scenario, regimen=None, mitigations=())
            training = simulated_training(
                arms,
                config=chosen,
                world=world,
                n_patients=patients or 20_000,
                seed=seed,
                workers=workers,
            )
        else:
            training = table_training(
                table,
                config=chosen,
                outcomes=outcomes,
                outcome=outcome,
                units=pairs_of(unit, "--unit"),
                mapping=pairs_of(rename, "--rename"),
                ldh_upper_limit_u_l=ldh_upper_limit,
            )
        trained = train(
            training,
            config=chosen,
            seed=seed,
            out=out or Path(chosen.name),
            is_tuned=tune,
            track=track,
            begin=begin,
            n_refits=refits,
            grade3plus=grade3plus,
            workers=workers,
            overwrite=overwrite,
        )
    if as_json:
        print_json(trained.to_dict())
    else:
        typer.echo(trained.summary())


@app.command()
def predict(
    model: Annotated[
        str, typer.Argument(help="Folder of a saved model, or the name of a released one.")
    ],
    table: Annotated[Path, typer.Argument(help="Patients: .csv or .parquet.")],
    out: Annotated[
        Path | None, typer.Option(help="Write risks here (.csv or .parquet) instead of printing.")
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")
    ] = None,
    ldh_upper_limit: Annotated[
        float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first refused value.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a table, with an account of what was refused, converted or missing.

    Every row is answered: a refused one with its reason and without a risk. If any was refused, the
    exit code is 2.
    """
    from crsrisk.folders import find
    from crsrisk.studies.predict import print_score, score_table

    scored = score_table(
        find("released", model),
        table,
        units=pairs_of(unit, "--unit"),
        mapping=pairs_of(rename, "--rename"),
        ldh_upper_limit_u_l=ldh_upper_limit,
        strict=strict,
        out=out,
    )
    if as_json:
        print_json(scored.to_dict())
    else:
        print_score(scored, out=out)
    if (problem := scored.refusal()) is not None:
        raise problem


@app.command()
def update(
    model: Annotated[
        str,
        typer.Argument(
            help="Folder of a saved model, or the name of a released one; it is left as it is."
        ),
    ],
    table: Annotated[Path, typer.Argument(help="Patients with their outcome: .csv or .parquet.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the updated model; beside the old one when left out."),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            help=(
                "Column with the outcome within the model's window; the model's own name of it when"
                " left out."
            )
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help=(
                "auto (closed test), none, intercept, intercept-and-slope, offset-boosting or"
                " refit."
            )
        ),
    ] = "auto",
    unit: Annotated[
        list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")
    ] = None,
    ldh_upper_limit: Annotated[
        float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same model.", min=0)] = 1,
    as_json: AsJson = False,
) -> None:
    """Update a model with new patients whose outcomes are known, as little as they call for; writes
    a new model folder.
    """
    from crsrisk.folders import find
    from crsrisk.studies.update import print_updated, update_model

    updated = update_model(
        find("released", model),
        table,
        out=out,
        outcome=outcome,
        method=method,
        units=pairs_of(unit, "--unit"),
        mapping=pairs_of(rename, "--rename"),
        ldh_upper_limit_u_l=ldh_upper_limit,
        seed=seed,
    )
    if as_json:
        print_json(updated.to_dict())
    else:
        print_updated(updated)


@app.command()
def release(
    model: Annotated[
        str, typer.Argument(help="Folder of a saved model with what explaining needs beside it.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the release; the model's own when left out.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version of the release; the model's own when left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of releases; models/released/ when left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Freeze a model as NAME-VERSION: plain files, a card, and a manifest with the SHA-256 of each.

    Nothing is ever overwritten: another content needs another version. The model for grade 3 or
    more goes with it.
    """
    from crsrisk.studies.train import release_model

    released = release_model(model, name=name, version=version, out=out)
    if as_json:
        print_json(released.to_dict())
    else:
        typer.echo(released.summary())


@app.command("evaluate")
def evaluate_table(
    model: Annotated[
        str, typer.Argument(help="Folder of a saved model, or the name of a released one.")
    ],
    table: Annotated[Path, typer.Argument(help="Patients with their outcome: .csv or .parquet.")],
    html: Annotated[Path | None, typer.Option(help="Write the page here.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for everything: judgement.json and .html, both checklists, model card."
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            help=(
                "Column with the outcome within the model's window; the model's own name of it when"
                " left out."
            )
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            help=(
                "Risk (0 to 1) from which on somebody would act; declare it before you see the"
                " figures."
            )
        ),
    ] = 0.3,
    track: Annotated[
        Path | None, typer.Option(help="Log to MLflow in this folder too (needs --out).")
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")
    ] = None,
    ldh_upper_limit: Annotated[
        float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same intervals.", min=0)] = 1,
    resamples: Annotated[
        int, typer.Option(help="Bootstrap resamples for bands and intervals.", min=50)
    ] = 300,
    as_json: AsJson = False,
) -> None:
    """Judge a model in patients whose outcomes are known: discrimination, calibration, usefulness,
    subgroups, checklists.
    """
    from crsrisk.folders import find
    from crsrisk.studies.evaluate import (
        evaluate_model,
        evaluation_lines,
        track_evaluation,
        write_evaluation,
    )

    content = evaluate_model(
        find("released", model),
        table,
        outcome=outcome,
        units=pairs_of(unit, "--unit"),
        mapping=pairs_of(rename, "--rename"),
        ldh_upper_limit_u_l=ldh_upper_limit,
        threshold=threshold,
        seed=seed,
        n_resamples=resamples,
    )
    written = write_evaluation(content, html=html, out=out)
    how = track_evaluation(content, out=out, folder=track)
    if as_json:
        print_json(content)
        return
    typer.echo(
        "\n".join([*evaluation_lines(content), *(f"Wrote {name}" for name in written), *how])
    )
