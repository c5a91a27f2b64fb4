"""The one compiler setting of the biology: small scalar functions that the solver inlines and vectorises.

``error_model="numpy"`` keeps division free of branches and ``forceinline`` lets LLVM fuse a whole step, so
that neighbouring patients share one vector instruction. Each function stays callable from Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def scalar(function: F) -> F:
    """Compile a function of numbers so that it can be inlined into the solver's step."""
    return cast(F, numba.njit(error_model="numpy", fastmath=True, forceinline=True)(function))
