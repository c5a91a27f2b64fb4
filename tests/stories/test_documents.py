"""README and docs/ do what they say: commands and snippets are run in order, page by page, in a
folder of their own.

In a ```console block a line that starts with ``$ `` is typed; a ```yaml or ```csv block is saved
where the text before it says ("Save this as `my/x.yaml`"); ```python blocks of one page share their
names. The numbers of patients are made smaller, since the sizes are not what is tested. What `make`
and `crsrisk run` do is tested elsewhere; here only that the target or the experiment exists.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from crsrisk.cli.application import app
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.trial_plan_file import load_design
from crsrisk.data.world_files import load_product
from crsrisk.studies.experiment import kind_of, load_experiment
from tests.stories.conftest import Job
from tests.stories.terminal import done

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
SHELL = {"mkdir", "sed", "grep", "cp", "cat", "head", "ls"}  # may be typed as they stand
STATE = {".", "export"}  # change the shell, not the disk
AT_MOST = {  # command -> option -> the largest number that is run here
    "simulate": {"--patients": 60, "--truth-repetitions": 20},
    "forecast": {"--patients": 16},
}
ALWAYS_SMALLER = {
    "evidence compare": ("--patients", "100", "--patients-rare", "100"),
    "forecast": ("--patients", "16"),
    "train": ("--patients", "400"),
    "onset train": ("--patients", "400"),
    "onset evaluate": ("--patients", "110", "--true", "0"),
    "policy simulate": (
        "--patients",
        "100",
        "--repetitions",
        "2",
        "--training",
        "300",
        "--members",
        "2",
    ),
}
NOT_TYPED = {
    "calibration apply",  # needs a calibration, half an hour: tests/studies/test_calibration.py
    "serve",  # does not end by itself: tests/cli/test_serve.py
}
BLOCK = re.compile(r"^```(console|bash|python|yaml|csv)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVE = re.compile(r"Save this as\s+`([^`]+)`:\s*\Z")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@dataclass(frozen=True)
class Step:
    """One block of a page: its kind, its text, and where it is to be saved ("" = nowhere)."""

    kind: str
    text: str
    place: str


def steps_of(page: str) -> list[Step]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for block in BLOCK.finditer(text):
        saved = SAVE.search(text[: block.start()])
        found.append(Step(block.group(1), block.group(2), saved.group(1) if saved else ""))
    return found


def command_tree() -> dict[str, list[str]]:
    """Every command of the command line, with those below it."""
    root: Any = typer.main.get_command(app)
    return {name: sorted(getattr(part, "commands", ())) for name, part in root.commands.items()}


GROUPS = {name for name, below in command_tree().items() if below}


def commands_of(page: str) -> list[str]:
    return [
        line.removeprefix("$ ")
        for step in steps_of(page)
        if step.kind in ("console", "bash")
        for line in step.text.splitlines()
        if line.startswith("$ ")
    ]


@pytest.fixture
def checkout(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a user has in a checkout after `make run`, to work in."""
    for name in ("synthetic", "models", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    baseline = tmp_path / "experiments" / "001_baseline"
    baseline.mkdir(parents=True)
    shutil.copy(ROOT / "experiments" / "001_baseline" / "experiment.yaml", baseline)
    shutil.copytree(job.results, baseline / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def smaller(words: list[str]) -> list[str]:
    """The same command with fewer patients; an option given twice counts the second time."""
    command = " ".join(words[:2]) if words[0] in ("evidence", "policy", "onset") else words[0]
    limits = AT_MOST.get(command, {})
    given = [(option, limit) for option, limit in limits.items() if option in words]
    cut = [
        text
        for option, limit in given
        for text in (option, str(min(limit, int(words[words.index(option) + 1]))))
    ]
    return [*words, *ALWAYS_SMALLER.get(command, ()), *cut]


def type_in(command: str) -> None:
    """Do what a line of a page says."""
    words = shlex.split(command)
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words[1:]), (
            command
        )
    # too long here: see tests/studies
    elif words[:2] == ["crsrisk", "run"] and not Path(words[2]).exists():
        assert kind_of(ROOT / words[2]) in (
            "calibration",
            "sensitivity",
            "validation",
            "prophylaxis",
            "learning",
            "simulation_based_calibration",
            "regimen_grid",
        )
    elif words[:2] == ["crsrisk", "trial"] and not Path(words[2]).exists():
        assert load_design(ROOT / words[2]), "a shipped design: run by tests/studies/test_trial.py"
    elif words[:3] == ["crsrisk", "evidence", "forecast"]:
        assert load_ensemble(), "some minutes: see tests/studies/test_forecast.py for a small one"
    elif words[:3] == ["crsrisk", "evidence", "baseline"]:
        done(*words[1:])  # nothing is simulated
    elif words[:2] == ["crsrisk", "run"]:
        experiment = load_experiment(words[2])
        assert all(load_product(name) for name in experiment.products), "each product is there"
    elif words[0] == "crsrisk" and not set(command) & set("|><&;"):
        done(*smaller(words[1:]))
    elif words[0] == "mlflow":  # a server: run by tests/studies/test_serving.py
        understood_by_mlflow(words[1:])
    elif words[0] in SHELL:
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, capture_output=True)
    else:
        assert words[0] in STATE, f"teach this test what to do with {command!r}"


def understood_by_mlflow(words: list[str]) -> None:
    """Each word before the options is a command of mlflow, and the last one knows each option."""
    from mlflow.cli import cli

    command: Any = cli
    while words and not words[0].startswith("-"):
        command, *words = command.commands[words[0]], *words[1:]
    known = {option for part in command.params for option in part.opts}
    assert {word for word in words if word.startswith("-")} <= known


def save(step: Step) -> None:
    place = Path(step.place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(step.text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(checkout: Path, page: str) -> None:
    names: dict[str, Any] = {"__name__": page}
    for step in steps_of(page):
        if step.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(step.text, page, "exec"), names)
            assert printed.getvalue() or "print" not in step.text
        elif step.kind in ("yaml", "csv"):
            if step.place:
                save(step)
        else:
            for line in step.text.splitlines():
                if line.startswith("$ "):
                    type_in(line.removeprefix("$ "))


@pytest.mark.parametrize(
    "page", [*PAGES, "synthetic/README.md", "synthetic/evidence/README.md", "bench/README.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    places = [
        place for place in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in place
    ]
    missing = [place for place in places if not (path.parent / place).exists()]
    assert missing == []


def test_readme_shows_the_two_commands_first() -> None:
    assert commands_of("README.md")[:2] == ["make run", "make test"]


def test_readme_tells_of_the_commands_and_of_what_it_is() -> None:
    typed = {
        shlex.split(command)[1]
        for command in commands_of("README.md")
        if command.startswith("crsrisk ")
    }
    assert {"simulate", "forecast", "predict", "explain", "policy", "trial"} <= typed
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "All patients are synthetic; there is no external validation." in text
    assert "`auroc_within_product` compares patients of one product only" in text


def test_every_command_is_typed_somewhere() -> None:
    """In README or in a page of docs/, so that each is run and explained."""
    known = {
        f"{name} {part}" if group else name
        for name, group in command_tree().items()
        for part in group or [""]
    }
    typed = {
        " ".join(shlex.split(command)[1 : 2 + (shlex.split(command)[1] in GROUPS)])
        for page in PAGES
        for command in commands_of(page)
        if command.startswith("crsrisk ") and len(shlex.split(command)) > 1
    }
    assert len(known) > 20
    assert sorted(known - typed - NOT_TYPED) == []


def test_each_of_the_three_users_has_a_section_with_a_block() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for user in ("data scientist", "trial designer", "clinician"):
        section = text.partition(f"\n## For a {user}\n")[2].partition("\n## ")[0]
        assert "```" in section, user
        assert "](docs/" in section, f"where a {user} goes on"


def test_one_model_explains_the_same_patient() -> None:
    for page in PAGES:
        explained = [
            shlex.split(command)[3]
            for command in commands_of(page)
            if command.startswith(("crsrisk explain patient", "crsrisk explain table"))
        ]
        assert set(explained) <= {"baseline-0.1.0", "landmark_24h-0.1.0"}, page


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("simulate --patients 4000 --seed 1", "simulate --patients 4000 --seed 1 --patients 60"),
        ("simulate --patients 5", "simulate --patients 5 --patients 5"),
        (
            "evidence compare --use shown",
            "evidence compare --use shown --patients 100 --patients-rare 100",
        ),
        ("export dictionary", "export dictionary"),
    ],
)
def test_commands_are_only_made_smaller(command: str, typed: str) -> None:
    assert smaller(command.split()) == typed.split()


def test_an_unknown_tool_is_not_run() -> None:
    with pytest.raises(AssertionError, match="teach this test"):
        type_in("curl something")


def test_blocks_are_found_with_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (
        "Save this as `my/x.yaml`:\n\n```yaml\na: 1\n```\n\n```console\n$ ls"
        " my\nx.yaml\n```\n\n```python\nx = 1\n```\n"
    )
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    monkeypatch.setattr("tests.stories.test_documents.ROOT", tmp_path)
    found = steps_of("page.md")
    assert found == [
        Step("yaml", "a: 1\n", "my/x.yaml"),
        Step("console", "$ ls my\nx.yaml\n", ""),
        Step("python", "x = 1\n", ""),
    ]
    assert commands_of("page.md") == ["ls my"]
