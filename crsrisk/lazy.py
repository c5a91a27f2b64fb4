"""Names that are imported when they are first used, read from the stub beside a package's
``__init__.py`` (Scientific Python SPEC 1).

One list serves editors, type checkers and Python: the ``__init__.pyi``. To export one more name,
add one line there: ``from crsrisk.simulation.cohort import simulate as simulate``.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def attach_stub(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package from the stub beside its ``file``.

    The stub is read at the first use of a name, so that the import itself costs nothing.
    """

    @cache
    def exports() -> dict[str, tuple[str, str]]:
        tree = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
        return {
            alias.asname or alias.name: (str(node.module), alias.name)
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module != "__future__"
            for alias in node.names
        }

    def names() -> list[str]:
        return sorted([*exports(), *(["__version__"] if package == "crsrisk" else [])])

    def get(name: str) -> Any:
        if name == "__all__":
            return names()
        if name.startswith("__") or name not in exports():
            near = difflib.get_close_matches(name, names(), n=1)
            hint = f"did you mean {near[0]}? It" if near else "it"
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}; {hint} has {', '.join(names())}"
            )
        module, attribute = exports()[name]
        if module == package:  # a subpackage
            return import_module(f"{package}.{attribute}")
        return getattr(import_module(module), attribute)

    return get, names
