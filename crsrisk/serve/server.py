"""Server: the models, the page and the routes behind the guard, on one interface until it is told
to end.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import uvicorn

from crsrisk.errors import InputError
from crsrisk.report.explorer import page_policy
from crsrisk.serve.application import Page, application
from crsrisk.serve.guard import Guard
from crsrisk.serve.limits import Limits
from crsrisk.serve.logs import AsJson, log
from crsrisk.serve.models import ServedModel, served_models
from crsrisk.serve.security import Door
from crsrisk.studies.explorer import served_explorer

_BACKLOG = 256  # connections that wait to be taken
_UNTIL_ENDED_S = 5  # for requests that are under way when the server is told to end


def serve(
    *,
    host: str,
    port: int,
    door: Door,
    models: Path | None = None,
    n_workers: int = 1,
    has_page: bool = True,
    limits: Limits | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises
    ------
    InputError
        For models that cannot be served, and for a port that is taken.
    """
    within = limits or Limits()
    bound = _bound(host, port)  # before the models are read, which takes seconds
    guard = guarded(
        served_models(models), door=door, n_workers=n_workers, has_page=has_page, limits=within
    )
    uvicorn_log = logging.getLogger("uvicorn.error")
    for logger in (uvicorn_log, logging.getLogger("asyncio")):
        logger.handlers, logger.propagate = [AsJson()], False
    server = uvicorn.Server(
        uvicorn.Config(
            guard,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws="none",
            limit_concurrency=within.connections,
            timeout_graceful_shutdown=_UNTIL_ENDED_S,
        )
    )
    with closing(bound) as listening:
        _, port, *_ = listening.getsockname()
        log("start", host=host, port=port, workers=n_workers, has_token=door.token is not None)
        with suppress(KeyboardInterrupt):  # uvicorn ends in order, then raises the signal again
            server.run(sockets=[listening])
    log("end")


def _bound(host: str, port: int) -> socket.socket:
    """The interface and port, taken."""
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    # of a socket whose protocol is not named, asyncio leaves Nagle's algorithm on: 40 ms an answer
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have one port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((name, port))
        bound.listen(_BACKLOG)
        return bound
    except OSError as problem:
        bound.close()
        raise InputError(
            where="serve",
            key="--port",
            found=f"{host}, port {port}: {problem.strerror or problem}",
            expected="an interface of this machine, and a port that is free",
            cure="give another --port, or end what holds it",
        ) from problem


def guarded(
    models: Mapping[str, ServedModel],
    *,
    door: Door,
    n_workers: int,
    has_page: bool,
    limits: Limits,
) -> Guard:
    """The whole application."""
    page = None
    if has_page:
        html = served_explorer(
            [one.folder for one in models.values() if one.has_simulation],
            address=lambda name: f"v1/models/{quote(name)}/simulation",
            has_token=door.token is not None,
        )
        policy = f"{page_policy(is_served=True)}; frame-ancestors 'none'"
        page = Page(html.encode(), policy)
    threads = max(1, (os.cpu_count() or 1) // n_workers)
    app = application(models, page=page, n_workers=n_workers, threads=threads, limits=limits)
    return Guard(app, door, limits)
