"""How the package compiles: small scalar functions that the solver inlines and vectorises, and
whole kernels whose compiled code is kept between runs.

``error_model="numpy"`` keeps division free of branches and ``forceinline`` lets LLVM fuse a whole
step, so that neighbouring patients share one vector instruction. Each function stays callable from
Python.

Numba notices a change only in the file of the cached function itself, not in the files it calls; so
the compiled code lives in a folder named after a hash of every file that takes part. The folder is
told to each kernel by itself: importing this module changes no environment variable and no setting
of numba. Where no folder can be written the code is compiled anew in every run, and a warning says
so once; a folder that others can write is never taken instead, since compiled code is executed.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import caching

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = Path(__file__).resolve().parent.parent
_SOURCES = (
    *sorted((_PACKAGE / "biology").glob("*.py")),
    _PACKAGE / "data" / "mitigation.py",
    *(_PACKAGE / "simulation" / f"{stem}.py" for stem in ("layout", "ward", "solve")),
)


def cache_folder() -> Path:
    """Folder for compiled code: one for each state of the sources, under the user's cache
    folder (or where ``NUMBA_CACHE_DIR`` says).
    """
    home = (
        os.environ.get("NUMBA_CACHE_DIR")
        or os.environ.get("XDG_CACHE_HOME")
        or str(Path.home() / ".cache")
    )
    digest = hashlib.blake2b(
        b"".join(path.read_bytes() for path in _SOURCES), digest_size=8
    ).hexdigest()
    return Path(home) / "crsrisk" / f"compiled-{digest}"


_folder_of_this_process = cache(cache_folder)


class _Locator(caching._CacheLocator):
    """Where numba keeps the compiled code of one kernel: below :func:`cache_folder`."""

    def __init__(self, function: Callable[..., Any], source: Path) -> None:
        self._source = source
        self._line = function.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator | None:
        """The place for a function of this file; None where nothing can be written there."""
        if not os.path.exists(py_file):
            return None
        locator = cls(py_func, Path(py_file))
        try:
            locator.ensure_cache_path()  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError):  # the latter where nobody knows the user's home
            return None
        return locator

    def get_cache_path(self) -> str:
        """The folder, one for each folder of sources."""
        place = hashlib.blake2b(str(self._source.parent).encode(), digest_size=8).hexdigest()
        return str(_folder_of_this_process() / f"{self._source.parent.name}-{place}")

    def get_source_stamp(self) -> str:
        """Hash of the kernel's own file, so that a change of it alone is noticed as well."""
        return hashlib.blake2b(self._source.read_bytes(), digest_size=16).hexdigest()

    def get_disambiguator(self) -> str:
        """Tells functions of one name in one file apart."""
        return str(self._line)


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Implementation


@cache
def _warn_once() -> None:
    warnings.warn(
        "no folder for compiled code can be written, so it is compiled anew in every run: set"
        " NUMBA_CACHE_DIR to a folder of your own",
        stacklevel=2,
    )


def scalar(function: F) -> F:
    """Compile a function of numbers so that it can be inlined into the solver's step."""
    return cast(F, numba.njit(error_model="numpy", fastmath=True, forceinline=True)(function))


def pass_over_lanes(function: F) -> F:
    """Compile a loop over the lanes as a part of the solver's loop: always inlined, never linked.

    A function that stays apart exists twice, in its own compiled library and in its caller's, each
    optimised in its own way. Which copy runs then depends on whether the caller was just compiled
    or came from the cache, and the last digit of a result with it.
    """
    return cast(F, numba.njit(error_model="numpy", fastmath=True, forceinline=True)(function))


def kernel(**options: Any) -> Callable[[F], F]:
    """Compile a whole loop, let other threads run beside it, and keep its code between runs.

    ``options`` are those of ``numba.njit`` apart from ``cache`` and ``nogil``.
    """

    def compile_(function: F) -> F:
        dispatcher = numba.njit(nogil=True, **options)(function)
        if dispatcher is not function:  # NUMBA_DISABLE_JIT leaves the function as it is
            try:
                dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
            except RuntimeError:
                _warn_once()
        return cast(F, dispatcher)

    return compile_
