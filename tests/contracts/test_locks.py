"""The locks say exactly what is installed, for Python 3.11, 3.12 and 3.13 alike: requirements.lock
what `make run` needs, requirements-dev.lock what tests, documents and benchmarks add.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = {
    name: (ROOT / name).read_text(encoding="utf-8").splitlines()
    for name in ("requirements.lock", "requirements-dev.lock")
}
LOCKS: dict[str, dict[str, str]] = {
    file: {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines}
    for file, lines in FILES.items()
}
LOCK = LOCKS["requirements.lock"] | LOCKS["requirements-dev.lock"]
BUILD = [
    Requirement(text)
    for text in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "build-system"
    ]["requires"]
]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
DEV = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]
EXTRAS = [  # what a user may leave out
    Requirement(text)
    for extra, texts in PROJECT["optional-dependencies"].items()
    for text in texts
    if extra != "dev"
]
PYTHONS = ("3.11", "3.12", "3.13")


def needed_by(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed distribution asks for on any of the supported Pythons (Linux and macOS)."""
    asked = [Requirement(text) for text in distribution(name).requires or []]
    places = [
        {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
        for python in PYTHONS
        for extra in extras | {""}
    ]
    return [
        r for r in asked if r.marker is None or any(r.marker.evaluate(place) for place in places)
    ]


def closure(first: list[Requirement]) -> dict[str, list[Requirement]]:
    """Every distribution that these reach, with each requirement that leads to it."""
    reached: dict[str, list[Requirement]] = {}
    waiting = list(first)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        seen = reached.setdefault(name, [])
        if str(requirement) not in map(str, seen):
            seen.append(requirement)
            waiting.extend(needed_by(name, requirement.extras))
    return reached


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_name_and_version(file: str) -> None:
    lines = FILES[file]
    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line)
    ] == []
    assert sorted(lines, key=str.lower) == lines


def test_no_name_stands_twice() -> None:
    assert len(LOCK) == sum(len(lines) for lines in FILES.values())


@pytest.mark.parametrize("requirement", [*RUNTIME, *DEV], ids=str)
def test_lock_meets_the_declared_range(requirement: Requirement) -> None:
    assert LOCK[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.parametrize(
    ("file", "first"),
    [("requirements.lock", [*RUNTIME, *BUILD]), ("both", [*RUNTIME, *BUILD, *DEV])],
)
def test_lock_is_closed_and_has_no_stray(file: str, first: list[Requirement]) -> None:
    reached = closure(first)
    locked = set(LOCKS.get(file, LOCK))
    assert set(reached) - locked == set(), "needed by something, missing from the lock"
    assert locked - set(reached) == set(), "in the lock, needed by nothing"
    broken = [
        str(r) for name, asked in reached.items() for r in asked if LOCK[name] not in r.specifier
    ]
    assert broken == []


def test_lock_is_what_is_installed() -> None:
    assert {name: distribution(name).version for name in LOCK} == LOCK


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_allows_python(python: str) -> None:
    """What each locked release declares; that its files exist was tried when the lock was made."""
    asks = {
        name: SpecifierSet(str(distribution(name).metadata.json.get("requires_python", "")))
        for name in LOCK
    }
    assert {name: wants for name, wants in asks.items() if f"{python}.0" not in wants} == {}
    assert f"{python}.0" in SpecifierSet(PROJECT["requires-python"])


def test_every_import_is_declared() -> None:
    imported = set()
    for path in (ROOT / "crsrisk").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    names = packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"crsrisk"}
    declared = {canonicalize_name(requirement.name) for requirement in (*RUNTIME, *EXTRAS)}
    found = {
        module: {canonicalize_name(d) for d in names.get(module, [module])} for module in foreign
    }
    assert {module: dists for module, dists in found.items() if not dists & declared} == {}
