"""The Python original of a compiled function: tests of a formula need not wait for a compiler.

That compiled and plain functions agree is shown in tests/biology/test_compiled.py and
tests/simulation/test_solve.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that numba was given."""
    original: Callable[..., Any] = getattr(function, "py_func")  # noqa: B009  numba's attribute, unknown to mypy
    return original
