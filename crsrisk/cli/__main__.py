"""Run the command line: all commands together, and what becomes of errors."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

import typer

from crsrisk import terminal

# each registers its commands
from crsrisk.cli import (  # noqa: F401
    evidence,
    experiments,
    explain,
    explorer,
    models,
    onset,
    serve,
    simulate,
    tables,
    trials,
)
from crsrisk.cli.application import app
from crsrisk.errors import CRSRiskError
from crsrisk.terminal import is_terminal, written_out

INTERRUPTED = 130  # exit code after Ctrl-C


def main() -> None:
    """Run the command line; an error that a user can mend ends with exit code 2."""
    # small linear algebra: threads only get in each other's way
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # threads that wait for work spin otherwise, which costs seconds
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _stop_as_for_ctrl_c()
    _open_streams()
    try:
        try:
            app(prog_name="crsrisk")
        finally:
            _flush()
    except CRSRiskError as problem:
        told = str(problem) if terminal.shows_cells(sys.stderr) else problem.for_log
        with suppress(OSError):  # of a full disk nothing can be said there either
            typer.secho(
                f"crsrisk: {told}",
                file=sys.stderr,
                err=True,
                fg=typer.colors.RED if is_terminal(sys.stderr) else None,
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


def _open_streams() -> None:
    """Streams that write any text, a sign that they do not know as its escape; a closed one is
    given nowhere to write to, lest a file take its number and get what is said.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    """Write out what was said: a full disk is an error like others, a reader who has gone none."""
    if sys.stdout is not None:
        with suppress(BrokenPipeError), written_out():
            sys.stdout.flush()


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
