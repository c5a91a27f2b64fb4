"""The explorer: one page that clinicians and trial designers open without a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import PANELS, AsJson, Overwrite, app, print_json, say


@app.command(rich_help_panel=PANELS[2])
def explorer(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("explorer.html"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Model of grade 2 or more by name or folder, one an hour; repeatable. Default: the"
            " released ones.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write one page that scores and explains a patient by itself, without a network."""
    from crsrisk.data.files import new_result
    from crsrisk.studies.explorer import write_explorer

    with new_result(out, overwrite=overwrite):
        written = write_explorer(out, models=model or ())
    if as_json:
        print_json(written.to_dict())
    else:
        say(written.summary())
