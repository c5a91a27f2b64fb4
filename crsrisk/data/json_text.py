"""JSON of a file as plain values; whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
from typing import Any


def json_tree(text: str | bytes) -> Any:
    """Plain values of a JSON text; raises :class:`ValueError` for any other, and for half of a
    character (a lone surrogate), which no file can hold.

    >>> json_tree('{"a": [1, 2]}')
    {'a': [1, 2]}
    >>> json_tree("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: brackets within brackets without end
    >>> json_tree('{"label": "\\\\ud800"}')
    Traceback (most recent call last):
    ...
    UnicodeEncodeError: 'utf-8' codec can't encode character ...
    """
    try:
        tree = json.loads(text)
        has_escape = "\\u" in text if isinstance(text, str) else b"\\u" in text
        if has_escape:
            json.dumps(tree, ensure_ascii=False).encode("utf-8")
        return tree
    except RecursionError as problem:
        raise ValueError("brackets within brackets without end") from problem
