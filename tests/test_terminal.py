"""A bar on a terminal, silence everywhere else."""

from __future__ import annotations

import io
import sys

import pytest

from crsrisk.terminal import steps


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def work() -> None:
    with steps() as begin:
        first = begin("Simulating patients", 10)
        first(4)
        second = begin("Fitting models", 2)
        first(6)
        second(2)


def test_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    work()
    assert capsys.readouterr() == ("", "")


def test_shown_on_a_terminal_on_the_error_stream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    work()
    for words in ("Simulating patients", "10/10", "Fitting models", "2/2"):
        assert words in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_quiet_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with steps(is_quiet=True) as begin:
        begin("Simulating patients", 10)(10)
    assert "Simulating" not in terminal.getvalue()


def test_an_error_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), steps() as begin:
        begin("Simulating patients", 10 // 0)
