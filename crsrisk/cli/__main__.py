"""Run the command line: all commands together, and what becomes of errors."""

from __future__ import annotations

import os
import sys

import typer

# each registers its commands
from crsrisk.cli import clinic, experiments, models, trials, world  # noqa: F401
from crsrisk.cli.application import app
from crsrisk.errors import CRSRiskError

INTERRUPTED = 130  # exit code after Ctrl-C


def main() -> None:
    """Run the command line; what a user can put right ends with exit code 2 and one clear
    sentence.
    """
    # small linear algebra: threads only get in each other's way
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # threads that wait for work spin otherwise, which costs seconds
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        app(prog_name="crsrisk")
    except CRSRiskError as problem:
        typer.secho(
            f"crsrisk: {problem}", err=True, fg=typer.colors.RED if sys.stderr.isatty() else None
        )
        raise SystemExit(2) from None
    except (KeyboardInterrupt, SystemExit) as leaving:
        # what typer makes of Ctrl-C
        if isinstance(leaving, SystemExit) and leaving.code != INTERRUPTED:
            raise
        typer.echo(
            "crsrisk: interrupted; files written so far are whole, the one in work was removed",
            err=True,
        )
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
