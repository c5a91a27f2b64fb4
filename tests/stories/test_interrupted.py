"""Ctrl-C in the middle, and the bar that shows how far it is: real processes on a real terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stories.terminal import digests

CRSRISK = (sys.executable, "-m", "crsrisk.cli")
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "TERM": "xterm"}
PATIENCE_S = 240.0  # the first run on a machine compiles the solver


def wait_for_bytes(folder: Path, process: subprocess.Popen[str]) -> None:
    """Until a temporary file has content: the cohort is being written."""
    start = time.monotonic()
    while not any(part.stat().st_size for part in folder.rglob(".*.part.csv")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - start < PATIENCE_S
        time.sleep(0.05)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_half_written(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "old.csv").write_text("an earlier cohort\n", encoding="utf-8")
    before = digests(tmp_path)
    words = ("simulate", "--product", "tarlatamab", "--patients", "5000000", "--workers", "1")
    for out in ("new/cohort.csv", "old.csv"):
        typed = [*CRSRISK, *words, "--overwrite", "--out", str(tmp_path / out)]
        process = subprocess.Popen(
            typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=QUIET,
            # a run under nohup or in the background would hand down that it is ignored
            preexec_fn=lambda: signal.signal(sent, signal.default_int_handler),
        )
        try:
            wait_for_bytes(tmp_path, process)
            process.send_signal(sent)
            printed, said = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 130
        assert (
            said
            == "crsrisk: interrupted; files written so far are whole, the one in work was removed\n"
        )
        assert printed == ""
        assert digests(tmp_path) == before


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    tmp_path: Path, is_terminal: bool
) -> None:
    ours, theirs = pty.openpty()
    words = (
        "simulate",
        "--product",
        "tarlatamab",
        "--patients",
        "30",
        "--out",
        str(tmp_path / "a.csv"),
        "--json",
    )
    error_goes_to = theirs if is_terminal else subprocess.PIPE
    try:
        done = subprocess.run(
            [*CRSRISK, *words], stdout=subprocess.PIPE, stderr=error_goes_to, env=QUIET, check=True
        )
        os.close(theirs)
        shown = read_all(ours) if is_terminal else done.stderr.decode()
    finally:
        os.close(ours)
    assert done.stdout.startswith(b"{"), "standard output is for the answer"
    assert ("Simulating patients" in shown) is is_terminal
    assert ("30/30" in shown) is is_terminal


def read_all(terminal: int) -> str:
    """Everything written to a terminal whose other side is closed."""
    found = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other side is closed
            return found.decode()
        if not part:
            return found.decode()
        found += part
