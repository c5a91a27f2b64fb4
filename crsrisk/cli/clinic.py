"""For the clinic: explain a patient, grade a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import CPUS, AsJson, Workers, app, pairs_of, print_json


@app.command()
def explain(
    model: Annotated[
        str | None, typer.Argument(help="Folder of a saved model, or the name of a released one.")
    ] = None,
    patient: Annotated[
        Path | None, typer.Argument(help="One patient: YAML (see --template).")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help=(
                "Print a patient file to fill in, for this product (name or YAML file), and stop;"
                " with the MODEL of some hours "
                "after the first dose the course is in it."
            )
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Explain every row of a table instead: .csv or .parquet.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the patient's page here: one file, prints on one page."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=(
                "With --table: write the rows here (.csv, .parquet or .json); with --template: the"
                " file."
            )
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Leave out what is simulated: spread over assumptions, levers, scenarios.",
        ),
    ] = False,
    members: Annotated[
        int, typer.Option(help="Members of the ensemble to simulate the patient under.", min=10)
    ] = 40,
    people: Annotated[int, typer.Option(help="Simulated people for each member.", min=50)] = 256,
    seed: Annotated[int, typer.Option(help="Same seed, same page.", min=0)] = 1,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="With --table: unit of a column, crp=mg/dL; repeatable."),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="With --table: your name of a column; repeatable.")
    ] = None,
    ldh_upper_limit: Annotated[
        float | None, typer.Option(help="With --table: upper limit of LDH (U/L).")
    ] = None,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Explain one patient's risk at the bedside: sentence, range, reasons, reference patient,
    levers, what reviews say.

    Research use; synthetic data; no external validation.
    """
    from crsrisk.studies import explain_table as answers

    if template is not None:
        typer.echo(answers.answer_template(template, model=model, out=out), nl=False)
        return
    answers.check_options(model, patient, table=table, html=html, out=out)
    if table is not None:
        explained_table = answers.answer_table(
            str(model),
            table,
            units=pairs_of(unit, "--unit"),
            mapping=pairs_of(rename, "--rename"),
            ldh_upper_limit_u_l=ldh_upper_limit,
            out=out,
            is_printed=not as_json,
        )
        if as_json:
            print_json(explained_table.to_dict())
        if (problem := explained_table.refusal(where=table)) is not None:
            raise problem
        return
    explained = answers.answer_patient(
        str(model),
        patient or Path(),
        html=html,
        seed=seed,
        has_simulation=not quick,
        n_members=members,
        n_people=people,
        workers=workers,
    )
    if as_json:
        print_json(explained.to_dict())
    else:
        answers.print_patient(explained, html=html)


@app.command()
def grade(
    table: Annotated[
        Path,
        typer.Argument(
            help="Registry or trial: .csv or .parquet, one row a patient and time point."
        ),
    ],
    system: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "astct, lee_2014, ctcae_4, ctcae_5, penn, mskcc or cartox; repeatable; all when"
                " left out."
            )
        ),
    ] = None,
    alt_upper_limit: Annotated[
        float | None, typer.Option(help="Upper limit of ALT (U/L), for a column alt_u_l.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the grades of every row here (.csv or .parquet).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Grade CRS in a registry or trial under each published system; onset, peak, resolution and
    agreement.
    """
    from crsrisk.studies.grade import grade_registry, print_graded

    graded = grade_registry(
        table, systems=tuple(system or ()), alt_upper_limit_u_l=alt_upper_limit, out=out
    )
    if as_json:
        print_json(graded.to_dict())
    else:
        print_graded(graded, out=out)
