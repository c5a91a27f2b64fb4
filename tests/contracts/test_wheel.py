"""The wheel holds the code and the synthetic world, and works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = "crsrisk/_shipped"


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command; its error text when it fails. Python sees nothing but what is
    installed.
    """
    env = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CRSRISK"))
    }
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def files(pattern: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_wheel_holds_all_the_code(contents: set[str]) -> None:
    assert (
        files("crsrisk/**/*.py")
        | files("crsrisk/**/*.pyi")
        | files("crsrisk/report/templates/*")
        | {"crsrisk/py.typed"}
    ) - contents == set()


@pytest.mark.parametrize(
    "pattern", ["synthetic/**/*", "models/**/*", "experiments/*/experiment.yaml"]
)
def test_wheel_holds_the_data(contents: set[str], pattern: str) -> None:
    expected = {f"{SHIPPED}/{name}" for name in files(pattern)}
    assert expected, f"no file matches {pattern}"
    assert expected - contents == set()


def test_wheel_holds_nothing_else(contents: set[str]) -> None:
    assert [name for name in contents if not name.startswith(("crsrisk/", "crsrisk-"))] == []
    assert [
        name for name in contents if "/results/" in name or name.endswith((".pyc", ".db"))
    ] == []


def test_wheel_says_what_it_needs_and_under_which_licence(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    needs = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert len(needs) == len(project["dependencies"])
    assert (told["Version"], told["Requires-Python"]) == (
        project["version"],
        project["requires-python"],
    )
    assert told["License-Expression"] == "MIT AND CC-BY-4.0"
    assert set(told.get_all("License-File", [])) == {"LICENSE", "LICENSE-DATA"}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it and no checkout in sight; gives its folder of
    programs.

    So that nothing is downloaded, it borrows the third-party libraries of the environment that runs
    the tests: a .pth file puts their folder on the path. Python reads no .pth files inside a folder
    added in this way, so the editable crsrisk of that environment stays out of sight (asserted
    below). That the wheel declares every library which it imports is the business of test_locks.py.
    """
    home = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(home, with_pip=False, symlinks=True)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    own = Path(
        run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home
        ).strip()
    )
    install = ["install", "--quiet", "--no-deps", "--no-index"]
    run(sys.executable, "-m", "pip", "--python", python, *install, wheel, cwd=home)
    borrowed = {sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}
    (own / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n", encoding="utf-8")
    where = run(python, "-c", "import crsrisk; print(crsrisk.__file__)", cwd=home).strip()
    assert Path(where).is_relative_to(own)
    return programs


@pytest.mark.slow
def test_installed_command_answers(installed: Path, tmp_path: Path) -> None:
    assert "simulate" in run(installed / "crsrisk", "--help", cwd=tmp_path)


@pytest.mark.slow
def test_installed_package_loads_its_world(installed: Path, tmp_path: Path) -> None:
    code = (
        "import crsrisk\n"
        "from crsrisk.data import world_files\n"
        "from crsrisk.folders import names\n"
        "assert crsrisk.load_world() and crsrisk.trials.simon_two_stage\n"
        "world_files.load_assumptions()\n"
        "for kind in ('population', 'mitigation', 'scenario'):\n"
        "    for name in names(kind + 's'):\n"
        "        getattr(world_files, 'load_' + kind)(name)\n"
        "for name in names('policies'):\n"
        "    world_files.load_policy(name)\n"
        "print(*crsrisk.products())\n"
    )
    told = run(installed / "python", "-c", code, cwd=tmp_path).split()
    assert told == sorted(path.stem for path in (ROOT / "synthetic" / "products").glob("*.yaml"))


@pytest.mark.slow
def test_installed_command_simulates(installed: Path, tmp_path: Path) -> None:
    options = ["--patients", "20", "--product", "tarlatamab", "--seed", "1", "--out", "cohort"]
    run(installed / "crsrisk", "simulate", *options, cwd=tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()], "nothing was written"
