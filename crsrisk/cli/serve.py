"""The server: the explorer's page, and risk, tables and simulation by HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crsrisk.cli.application import PANELS, app


@app.command(rich_help_panel=PANELS[2])
def serve(
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    host: Annotated[
        str, typer.Option(help="Interface. Any other than this machine's own needs a token.")
    ] = "127.0.0.1",
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of a model, or of several. Default: the released ones."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Processes that simulate and read tables.", min=1, max=64)
    ] = 1,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that is asked for. Else CRSRISK_TOKEN, where set."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which the server may be called, too; repeatable."),
    ] = None,
    page: Annotated[bool, typer.Option(help="Serve the explorer's page at /.")] = True,
) -> None:
    """Serve the explorer's page, single risks, tables and simulations. Nothing is stored."""
    from crsrisk.serve.security import door, read_token

    lets_in = door(host=host, allowed_hosts=allowed_host or (), token=read_token(token_file))
    from crsrisk.serve.server import serve as serve_models  # which takes seconds

    serve_models(
        host=host, port=port, door=lets_in, models=models, n_workers=workers, has_page=page
    )
