"""Risk models: score a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import AsJson, app, pairs_of, print_json


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model.")],
    table: Annotated[Path, typer.Argument(help="Patients: .csv or .parquet.")],
    out: Annotated[Path | None, typer.Option(help="Write risks here (.csv or .parquet) instead of printing.")] = None,
    unit: Annotated[list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")] = None,
    rename: Annotated[list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")] = None,
    ldh_upper_limit: Annotated[float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first refused value.")] = False,
    as_json: AsJson = False,
) -> None:
    """Score a table, with an account of what was refused, converted or missing.

    Every row is answered: a refused one with its reason and without a risk. If any was refused, the exit code is 2.
    """
    from crsrisk.journey.score import print_score, score_table

    scored = score_table(model, table, units=pairs_of(unit, "--unit"), mapping=pairs_of(rename, "--rename"),
                         ldh_upper_limit_u_l=ldh_upper_limit, strict=strict, out=out)
    if as_json:
        print_json(scored.as_tree())
    else:
        print_score(scored, out=out)
    if (problem := scored.refusal()) is not None:
        raise problem
