"""The one compiler setting of the biology: small scalar functions that the solver inlines and
vectorises.

``error_model="numpy"`` keeps division free of branches and ``forceinline`` lets LLVM fuse a whole
step, so that neighbouring patients share one vector instruction. Each function stays callable from
Python.

Compiled code is kept between runs. Numba notices a change only in the file of the cached function
itself, not in the files it calls; so the cache lives in a folder named after a hash of every file
that takes part.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = Path(__file__).resolve().parent.parent
_SOURCES = (
    *sorted((_PACKAGE / "biology").glob("*.py")),
    _PACKAGE / "data" / "mitigation.py",
    *(_PACKAGE / "simulation" / f"{stem}.py" for stem in ("layout", "ward", "solve")),
)


def _cache_folder() -> Path:
    """Folder for compiled code: one for each state of the sources, under the user's cache
    folder.
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


setattr(numba.config, "CACHE_DIR", str(_cache_folder()))  # noqa: B010  numba makes its settings at run time


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
