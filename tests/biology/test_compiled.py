"""Compiled functions: the same numbers as plain Python, division without a trap, a cache that follows the sources."""

from __future__ import annotations

from math import isinf
from pathlib import Path

import pytest

from crsrisk.biology import compiled
from crsrisk.biology.engagement import bridge, saturation
from tests.biology.plain_python import plain


def test_a_compiled_function_gives_the_same_number() -> None:
    for drug in (0.0, 0.3, 20.0, 5e3):
        assert bridge(drug, 0.64, 75.0, 1.0) == pytest.approx(plain(bridge)(drug, 0.64, 75.0, 1.0), rel=1e-14)


def test_division_by_zero_is_infinite_and_no_error() -> None:
    """Python's rule would put a branch into every division, and nothing would vectorise."""
    assert isinf(saturation(1.0, -1.0))
    with pytest.raises(ZeroDivisionError):
        plain(saturation)(1.0, -1.0)


def test_the_cache_follows_every_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Numba sees a change only in the file of the cached function itself; the folder's name must do the rest."""
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("a = 1\n")
    other.write_text("b = 1\n")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "_SOURCES", (one, other))
    first = compiled._cache_folder()
    assert first == compiled._cache_folder()
    assert first.is_relative_to(tmp_path / "cache")
    other.write_text("b = 2\n")
    assert compiled._cache_folder() != first


def test_the_watched_sources_are_all_that_the_kernel_is_made_of() -> None:
    watched = {path.name for path in compiled._SOURCES}
    biology = {path.name for path in Path(compiled.__file__).parent.glob("*.py")}
    assert biology | {"layout.py", "ward.py", "solve.py", "mitigation.py"} <= watched
    assert all(path.is_file() for path in compiled._SOURCES)
