"""Run the command line: all commands together, and what becomes of errors."""

from __future__ import annotations

import io
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
from crsrisk.errors import CRSRiskError, OutputError
from crsrisk.terminal import is_terminal

INTERRUPTED = 130  # exit code after Ctrl-C


def main() -> None:
    """Run the command line; an error that a user can mend ends with exit code 2."""
    # small linear algebra: threads only get in each other's way
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # threads that wait for work spin otherwise, which costs seconds
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _stop_as_for_ctrl_c()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a sign that it cannot write becomes its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="crsrisk")
        finally:
            _flush()
    except CRSRiskError as problem:
        is_seen = is_terminal(sys.stderr)
        typer.secho(
            f"crsrisk: {problem if is_seen else problem.for_log}",
            err=True,
            fg=typer.colors.RED if is_seen else None,
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


def _flush() -> None:
    """Write out what was said; a full disk behind the standard output is an error like others."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    except OSError as problem:
        _forget_stdout()
        raise OutputError(
            where="standard output",
            found=problem.strerror or str(problem),
            expected="a place that can be written",
            cure="free space on the disk, or send the output elsewhere; files that were written are"
            " whole",
        ) from problem


def _forget_stdout() -> None:
    """Let Python not try again at its end what cannot be written."""
    sys.stdout = io.StringIO()


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
