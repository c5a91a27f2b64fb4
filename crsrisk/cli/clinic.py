"""For the clinic: grade a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import AsJson, app, print_json


@app.command()
def grade(
    table: Annotated[Path, typer.Argument(help="Registry or trial: .csv or .parquet, one row a patient and time point.")],
    system: Annotated[list[str] | None, typer.Option(
        help="astct, lee_2014, ctcae_4, ctcae_5, penn, mskcc or cartox; repeatable; all when left out.")] = None,
    alt_upper_limit: Annotated[float | None, typer.Option(help="Upper limit of ALT (U/L), for a column alt_u_l.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the grades of every row here (.csv or .parquet).")] = None,
    as_json: AsJson = False,
) -> None:
    """Grade CRS in a registry or trial under each published system; onset, peak, resolution and agreement."""
    from crsrisk.journey.grade import grade_table, print_graded

    graded = grade_table(table, systems=tuple(system or ()), alt_upper_limit_u_l=alt_upper_limit, out=out)
    if as_json:
        print_json(graded.as_tree())
    else:
        print_graded(graded, out=out)
