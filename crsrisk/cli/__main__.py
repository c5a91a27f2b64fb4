"""Run the command line: all commands together, and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer

# each registers its commands
from crsrisk.cli import (  # noqa: F401
    evidence,
    experiments,
    explain,
    models,
    onset,
    simulate,
    tables,
    trials,
)
from crsrisk.cli.application import app
from crsrisk.errors import CRSRiskError

INTERRUPTED = 130  # exit code after Ctrl-C


def main() -> None:
    """Run the command line; an error that a user can mend ends with exit code 2."""
    # small linear algebra: threads only get in each other's way
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # threads that wait for work spin otherwise, which costs seconds
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _stop_as_for_ctrl_c()
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


def _stop_as_for_ctrl_c() -> None:
    """A command that a scheduler or a closed terminal ends clears up as after Ctrl-C; what is
    ignored on purpose (nohup) stays ignored.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


if __name__ == "__main__":
    main()
