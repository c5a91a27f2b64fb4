"""Risk models: score a table, update a model."""

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


@app.command()
def update(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model; it is left as it is.")],
    table: Annotated[Path, typer.Argument(help="Patients with their outcome: .csv or .parquet.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the updated model; beside the old one when left out.")] = None,
    outcome: Annotated[str | None, typer.Option(
        help="Column with the outcome within the model's window; the model's own name of it when left out.")] = None,
    method: Annotated[str, typer.Option(
        help="auto (closed test), none, intercept, intercept-and-slope, offset-boosting or refit.")] = "auto",
    unit: Annotated[list[str] | None, typer.Option(help="Unit of a column: crp=mg/dL; repeatable.")] = None,
    rename: Annotated[list[str] | None, typer.Option(help="Your name of a column: CRP_BASE=crp_mg_l; repeatable.")] = None,
    ldh_upper_limit: Annotated[float | None, typer.Option(help="Upper limit of LDH (U/L) of the laboratory.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same model.", min=0)] = 1,
    as_json: AsJson = False,
) -> None:
    """Update a model with new patients whose outcomes are known, as little as they call for; writes a new model folder."""
    from crsrisk.journey.update import print_updated, update_model

    updated = update_model(model, table, out=out, outcome=outcome, method=method, units=pairs_of(unit, "--unit"),
                           mapping=pairs_of(rename, "--rename"), ldh_upper_limit_u_l=ldh_upper_limit, seed=seed)
    if as_json:
        print_json(updated.as_tree())
    else:
        print_updated(updated)
