"""For trial designers: what a trial design does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import CPUS, AsJson, Workers, app, print_json


@app.command()
def trial(
    design: Annotated[Path, typer.Argument(help="Design file (.yaml): estimand, candidates, screening, designs.")],
    html: Annotated[Path | None, typer.Option(help="Write the page here (one file, opens offline).")] = None,
    out: Annotated[Path | None, typer.Option(
        help="Folder for protocol.yaml, methods.md, results.json, content.json and the figures.")] = None,
    workers: Workers = CPUS,
    as_json: AsJson = False,
) -> None:
    """Compare trial designs: power, type I error, patients, screening, months, exposure, each with its Monte Carlo error.

    A design that cannot reach its power is refused, with the power it reaches and what it would need.
    """
    from crsrisk.journey.progress import steps
    from crsrisk.journey.trial import print_compared, run_design, write_compared

    with steps() as begin:
        compared = run_design(design, workers=workers, begin=begin)
    written = write_compared(compared, html=html, out=out)
    if as_json:
        print_json(compared.as_tree())
    else:
        print_compared(compared, written=written)
