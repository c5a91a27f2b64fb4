"""Tables of a hospital: what would be read of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crsrisk.cli.application import (
    PANELS,
    AsJson,
    Overwrite,
    Patients,
    app,
    print_json,
    reads_table,
)

if TYPE_CHECKING:
    from crsrisk.data.table_reading import TableReading

table = typer.Typer(
    no_args_is_help=True,
    help="Check a table of patients or a registry before anything is computed from it.",
)
app.add_typer(table, name="table", rich_help_panel=PANELS[1])


@table.command("check")
@reads_table
def check(
    file: Patients,
    propose: Annotated[
        Path | None,
        typer.Option(help="Write the proposals here (YAML), to confirm and give as --mapping."),
    ] = None,
    ward: Annotated[
        bool, typer.Option("--ward", help="A registry with one row a patient and time point.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Model whose columns alone are required.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    *,
    reading: TableReading,
) -> None:
    """Show what would be read: names, units and codes with reasons. Nothing is computed."""
    from crsrisk.data.files import new_result
    from crsrisk.studies.table_check import check_table, print_check, propose_mapping

    with new_result(propose, overwrite=overwrite):
        checked = check_table(
            file, kind="ward" if ward else "patients", model=model, reading=reading
        )
        if propose is not None:
            propose_mapping(checked, propose)
    if as_json:
        print_json(checked.to_dict())
    else:
        print_check(checked, proposed=propose)
