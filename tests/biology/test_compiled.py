"""Compiled functions: the same numbers as plain Python, division without a trap, a cache that
follows the sources.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import isinf
from pathlib import Path

import pytest

from crsrisk.biology import compiled
from crsrisk.biology.mitigation import occupancy
from crsrisk.biology.vitals import mean_arterial_pressure
from tests.biology.plain_python import plain


def test_a_compiled_function_gives_the_same_number() -> None:
    for leak in (0.0, 0.1, 0.53, 1.0):
        of = (90.0, leak, 55.0, 0.53, 0.4, 8.0, 1.0, 16.0)
        assert mean_arterial_pressure(*of) == pytest.approx(
            plain(mean_arterial_pressure)(*of), rel=1e-12
        )


def test_division_by_zero_is_infinite_and_no_error() -> None:
    """Python's rule would put a branch into every division, and nothing would vectorise."""
    assert isinf(occupancy(1.0, -1.0))
    with pytest.raises(ZeroDivisionError):
        plain(occupancy)(1.0, -1.0)


def test_the_cache_follows_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Numba sees a change only in the file of the cached function itself; the folder's name must do
    the rest.
    """
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("a = 1\n")
    other.write_text("b = 1\n")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "_SOURCES", (one, other))
    first = compiled.cache_folder()
    assert first == compiled.cache_folder()
    assert first.is_relative_to(tmp_path / "cache")
    other.write_text("b = 2\n")
    assert compiled.cache_folder() != first


def test_the_watched_sources_are_all_that_the_kernel_is_made_of() -> None:
    watched = {path.name for path in compiled._SOURCES}
    biology = {path.name for path in Path(compiled.__file__).parent.glob("*.py")}
    assert biology | {"layout.py", "ward.py", "solve.py", "mitigation.py"} <= watched
    assert all(path.is_file() for path in compiled._SOURCES)


@pytest.fixture
def no_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home that cannot be written, not even by an administrator."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", os.devnull)
    for kept in (compiled._folder_of_this_process, compiled._warn_once):
        kept.cache_clear()
    yield
    for kept in (compiled._folder_of_this_process, compiled._warn_once):
        kept.cache_clear()


@pytest.mark.usefixtures("no_place")
def test_without_a_place_for_its_code_a_kernel_works_and_the_cure_is_named_once() -> None:
    def twice(x: float) -> float:
        return 2.0 * x

    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder of your own") as told:
        made = [compiled.kernel()(twice) for _ in range(3)]
    assert len(told) == 1
    assert [one(1.5) for one in made] == [3.0] * 3


@pytest.mark.usefixtures("no_place")
def test_the_named_variable_mends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def thrice(x: float) -> float:
        return 3.0 * x

    assert compiled.kernel()(thrice)(1.5) == 4.5
    assert list(tmp_path.rglob("*.nbi"))
