"""A bar on a terminal, silence everywhere else."""

from __future__ import annotations

import io
import sys

import pytest

from crsrisk.terminal import Console, is_terminal, steps, text_table


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


def test_a_label_is_shown_and_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters, marks of direction and halves of characters, as text and in a table."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    console = Console(width=100)
    label = "a\x1b[2J\u202eb\ud800"
    console.print(label, markup=False, highlight=False)
    text_table(label, [label], [[label]]).print(console)
    shown = terminal.getvalue()
    assert shown.count("\\x1b[2J\\u202eb\\ud800") == 4
    assert not {"\x1b[2J", "\u202e", "\ud800"} & set(shown)
    assert "\x1b[2J" not in shown
    assert "\x1b[" in shown  # what rich itself says to the terminal


def test_a_closed_stream_is_no_terminal() -> None:
    assert not is_terminal(None)
    assert not is_terminal(io.StringIO())
