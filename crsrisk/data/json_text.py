"""JSON of a file as plain values; whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
from typing import Any


def json_tree(text: str | bytes) -> Any:
    """Plain values of a JSON text; raises :class:`ValueError` for any other.

    >>> json_tree('{"a": [1, 2]}')
    {'a': [1, 2]}
    >>> json_tree("[" * 100_000)
    Traceback (most recent call last):
    ...
    ValueError: brackets within brackets without end
    """
    try:
        return json.loads(text)
    except RecursionError as problem:
        raise ValueError("brackets within brackets without end") from problem
