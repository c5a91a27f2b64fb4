"""The public face: every name of the stub exists and nothing more, a user's script is typed and
runs, importing changes nothing, and whatever is returned has a short repr and can be copied.
"""

from __future__ import annotations

import ast
import copy
import os
import pickle
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import crsrisk as crs
from crsrisk.results import REPR_LIMIT

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "crsrisk"
SCRIPT = Path(__file__).with_name("main_job.py")
NAMESPACES = ("crsrisk", "crsrisk.trials")


def stub_names(package: str) -> list[str]:
    """Names that a stub imports or declares."""
    path = ROOT.joinpath(*package.split("."), "__init__.pyi")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    declared = [
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    return [*imported, *declared]


@pytest.mark.parametrize("package", NAMESPACES)
def test_the_stub_names_what_there_is_and_nothing_more(package: str) -> None:
    names = stub_names(package)
    assert len(set(names)) == len(names)
    assert sorted(names) == sorted(dir(import_module(package)))
    for name in names:
        assert getattr(import_module(package), name) is not None, name


def test_about_forty_names() -> None:
    assert 35 <= len(stub_names("crsrisk")) <= 55


def test_a_name_hides_no_package() -> None:
    """Importing crsrisk.simulation sets crsrisk.simulation to the module; a verb of that name would
    be lost.
    """
    modules = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert set(stub_names("crsrisk")) & (modules - {"trials"}) == set()


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"did you mean simulate\?.*InputError"):
        crs.simulat  # noqa: B018
    with pytest.raises(AttributeError, match="simon_two_stage"):
        crs.trials.does_not_exist  # type: ignore[attr-defined]  # noqa: B018


def test_every_public_name_has_a_docstring() -> None:
    silent = [name for name in stub_names("crsrisk") if not getattr(crs, name).__doc__]
    assert silent == []


@pytest.fixture(scope="module")
def said_by_mypy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy --strict says, as a user runs it on scripts of their own, by script."""
    told = """
reveal_type(clf.predict_proba(test.X))
reveal_type(truth.risk())
# takes minutes to run, so it is typed only
expected: crs.Forecast = crs.forecast("my_engager.yaml", trial_size=40)
policies: crs.PolicyResult = crs.evaluate_policies("tarlatamab", ["tocilizumab"], world=world)
policies.to_html("policy.html")
"""
    mistaken = 'import crsrisk as crs\ncrs.simulate(1.5, n="many")\ncrs.simulat\n'
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "right.py").write_text(SCRIPT.read_text(encoding="utf-8") + told, encoding="utf-8")
    (folder / "wrong.py").write_text(mistaken, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "right.py",
            "wrong.py",
        ],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "checked 2 source files" in done.stdout, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    return {name: [line for line in lines if line.startswith(name)] for name in ("right", "wrong")}


@pytest.mark.slow
def test_a_users_script_is_typed(said_by_mypy: dict[str, list[str]]) -> None:
    """Nothing is wrong with it, and arrays come out as arrays."""
    said = said_by_mypy["right"]
    assert [line for line in said if ": note: Revealed" not in line] == []
    assert sum("ndarray" in line for line in said) == 2, said


@pytest.mark.slow
def test_a_users_script_with_a_mistake_is_caught(said_by_mypy: dict[str, list[str]]) -> None:
    said = " ".join(said_by_mypy["wrong"])
    assert "arg-type" in said
    assert "attr-defined" in said


def test_a_users_script_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(SCRIPT))
    assert (tmp_path / "my" / "model" / "manifest.json").is_file()
    shown = {name: value for name, value in names.items() if isinstance(value, _public())}
    assert {"cohort", "clf", "val", "truth", "compared", "config", "model"} <= set(shown)
    for name, value in shown.items():
        _check_manners(name, value)


def _public() -> tuple[type, ...]:
    """Classes of the public face."""
    values = [getattr(crs, name) for name in stub_names("crsrisk")]
    return tuple(value for value in values if isinstance(value, type))


def _check_manners(name: str, value: Any) -> None:
    """Short repr, a view for notebooks, and the same after pickle and copying."""
    assert len(repr(value)) < REPR_LIMIT, name
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert repr(again) == repr(value), name
    if hasattr(value, "_repr_html_"):
        assert len(value._repr_html_()) < 100_000, name
    if hasattr(value, "to_frame"):
        assert len(value.to_frame()) >= 1, name


_NOTHING_CHANGES = """
import os, pkgutil, sys
from importlib import import_module
import numba, polars, sklearn  # what these set at their own import is theirs
def settings():
    return {k: v for k, v in vars(numba.config).items() if k.isupper()}
before, config = dict(os.environ), settings()
import crsrisk
changed = {}
for module in sorted(pkgutil.walk_packages(crsrisk.__path__, "crsrisk."), key=lambda m: m.name):
    if not module.name.endswith("__main__"):
        import_module(module.name)
    if dict(os.environ) != before:
        changed[module.name] = sorted(set(os.environ.items()) ^ set(before.items()))
        before = dict(os.environ)
    if settings() != config:
        changed[module.name] = "numba.config"
        config = settings()
print(changed)
assert not changed, changed
"""


@pytest.mark.slow
def test_importing_changes_no_setting() -> None:
    """No environment variable, no configuration of numba, by any module of the package."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _NOTHING_CHANGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
