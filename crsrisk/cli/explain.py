"""For the clinic: explain a patient or a table, grade a registry."""

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
    Product_,
    Seed,
    UnknownProduct,
    Workers,
    app,
    print_json,
    reads_table,
    say,
)

if TYPE_CHECKING:
    from crsrisk.data.table_reading import TableReading

explain = typer.Typer(
    no_args_is_help=True,
    help="Explain the risk of one patient or of every row of a table. Research use only.",
)
app.add_typer(explain, name="explain", rich_help_panel=PANELS[2])


@explain.command("patient")
def explain_one_patient(
    model: Model,
    patient: Annotated[
        Path,
        typer.Argument(metavar="PATIENT", help="One patient: YAML, made by `explain template`."),
    ],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the page here; it prints on one sheet.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out what is simulated: scenarios and what-if."),
    ] = False,
    members: Annotated[
        int, typer.Option(help="Members of the ensemble the patient is simulated under.", min=10)
    ] = 40,
    people: Annotated[int, typer.Option(help="Simulated people a member.", min=50)] = 256,
    unknown_product: UnknownProduct = False,
    seed: Seed = 1,
    overwrite: Overwrite = False,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Explain one patient's risk: range, reasons, a reference patient, what could be changed."""
    from crsrisk.data.files import new_result
    from crsrisk.studies.explain_table import answer_patient, print_patient

    with new_result(html, overwrite=overwrite):
        explained = answer_patient(
            model,
            patient,
            html=html,
            seed=seed,
            has_simulation=not quick,
            n_members=members,
            n_people=people,
            workers=workers,
            unknown_product=unknown_product,
        )
    if as_json:
        print_json(explained)
    else:
        print_patient(explained, html=html)


@explain.command("table")
@reads_table
def explain_all_rows(
    model: Model,
    table: Patients,
    out: Annotated[
        Path | None, typer.Option(help="Write the rows here: .csv, .parquet or .json.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Explain every row of a table: risk, interval, reasons and warnings."""
    from crsrisk.data.files import new_result
    from crsrisk.studies.explain_table import answer_table, refusal

    with new_result(out, overwrite=overwrite):
        explained = answer_table(
            model,
            table,
            reading=reading,
            out=out,
            is_printed=not as_json,
        )
    if as_json:
        print_json(explained)
    if (problem := refusal(explained, where=table)) is not None:
        raise problem


@explain.command("template")
def explain_template(
    product: Product_,
    model: Annotated[
        str | None,
        typer.Option(help="Model the patient is for; one of some hours after dose 1 adds them."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: print it.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Print a patient file to fill in, with every key and its units."""
    from crsrisk.data.files import new_result
    from crsrisk.studies.explain_table import answer_template

    with new_result(out, overwrite=overwrite):
        text = answer_template(product, model=model, out=out)
    say(text, nl=False)


@app.command(rich_help_panel=PANELS[2])
@reads_table
def grade(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", help="One row a patient and time point: CSV, .xlsx, ..."),
    ],
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="astct, lee_2014, ctcae_4, ctcae_5, penn, mskcc or cartox; repeatable."
            " Default: all."
        ),
    ] = None,
    alt_upper_limit: Annotated[
        float | None, typer.Option(help="Upper limit of ALT (U/L), for a column alt_u_l.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the grades of every row here: .csv, .parquet or .xlsx."),
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop where a row is refused.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Grade CRS in a registry or trial: onset, peak, resolution, agreement between systems.

    A row that cannot be used costs its patient; the others are graded. If any was refused, the exit
    code is 2.
    """
    from crsrisk.data.files import new_result
    from crsrisk.studies.grade import grade_registry, patients_path, print_graded
    from crsrisk.studies.refused_rows import refused_path

    beside = None if out is None or patients_path(out) == out else patients_path(out)
    refused = None if out is None else refused_path(out)
    with new_result(out, beside, refused, overwrite=overwrite):
        graded = grade_registry(
            table,
            systems=tuple(system or ()),
            alt_upper_limit_u_l=alt_upper_limit,
            reading=reading,
            strict=strict,
            out=out,
        )
    if as_json:
        print_json(graded.to_dict())
    else:
        print_graded(graded, out=out)
    if (problem := graded.refusal()) is not None:
        raise problem
