"""The entry point: how it ends, what it says of itself, and that it stays a thin layer."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import typer

from crsrisk import __version__
from crsrisk.cli import __main__ as cli
from crsrisk.errors import InputError, OutputError

COMMANDS = {  # name -> the commands below it; () for a command itself
    "simulate": (),
    "forecast": (),
    "evidence": ("compare", "forecast", "cross-validation", "baseline"),
    "train": (),
    "predict": (),
    "evaluate": (),
    "update": (),
    "release": (),
    "explain": ("patient", "table", "template"),
    "explorer": (),
    "serve": (),
    "grade": (),
    "onset": ("train", "predict", "evaluate"),
    "table": ("check",),
    "policy": ("simulate", "table"),
    "trial": (),
    "calibration": ("apply",),
    "run": (),
    "export": ("sbml", "dictionary", "card"),
}
TYPED = [(name, *word) for name, below in COMMANDS.items() for word in [(), *((b,) for b in below)]]


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["crsrisk", *words])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    return leaving.value.code


def app_that(raises: BaseException) -> typer.Typer:
    """A command line whose only command fails."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise raises

    return app


def test_the_installed_command_is_this_one() -> None:
    (point,) = entry_points(group="console_scripts", name="crsrisk")
    assert point.load() is cli.main


@pytest.mark.parametrize("words", [("--help",), *((*typed, "--help") for typed in TYPED)])
def test_help_of_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert ended(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "Usage: crsrisk" in shown
    if words == ("--help",):
        assert "external" in shown
        for name in COMMANDS:
            assert name in shown


def test_every_option_is_explained() -> None:
    group = typer.main.get_command(cli.app)
    commands = getattr(group, "commands")  # noqa: B009  typer's group keeps its commands there
    assert {name: tuple(getattr(one, "commands", ())) for name, one in commands.items()} == COMMANDS
    for name, one in commands.items():
        for command in (one, *getattr(one, "commands", {}).values()):
            assert command.help, name
            silent = [part.name for part in command.params if not getattr(part, "help", None)]
            assert silent == [], name


def test_the_version_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"crsrisk {__version__}\n"


def test_python_m_crsrisk_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crsrisk", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"crsrisk {__version__}\n"


def test_without_a_word_it_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch) == 2
    printed = capsys.readouterr()
    assert "simulate" in printed.out + printed.err


@pytest.mark.parametrize("kind", [InputError, OutputError])
def test_what_a_user_can_put_right_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: type[InputError] | type[OutputError],
) -> None:
    problem = kind(where="a.csv", key="row 3", found="-5", expected="0 or more", cure="correct it")
    monkeypatch.setattr(cli, "app", app_that(problem))
    assert ended(monkeypatch) == 2
    assert (
        capsys.readouterr().err
        == "crsrisk: a.csv, row 3: found -5; expected 0 or more. Cure: correct it\n"
    )


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "app", app_that(ZeroDivisionError("a mistake in crsrisk")))
    monkeypatch.setattr(sys, "argv", ["crsrisk"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_ctrl_c_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "app", app_that(KeyboardInterrupt()))
    assert ended(monkeypatch) == 130
    assert capsys.readouterr().err.startswith("crsrisk: interrupted; ")


@pytest.mark.parametrize("code", [0, 1, 2])
def test_other_ends_pass_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setattr(cli, "app", app_that(typer.Exit(code)))
    assert ended(monkeypatch) == code
    assert capsys.readouterr().err == ""


def test_the_module_runs_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crsrisk.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "crsrisk" in done.stdout
