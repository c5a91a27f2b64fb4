"""Making: the manifest as tables that a person reads; nothing is left out, nothing is added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crsrisk.wording import MISSING, plain_name

Table = dict[str, Any]


def making_section(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Single values in one table, every group of values in its own, lists of alike records as
    rows.
    """
    single = {
        key: value for key, value in manifest.items() if not isinstance(value, Mapping | list)
    }
    found: list[tuple[str, Any]] = [("Settings", single)] if single else []
    for key, value in manifest.items():
        if isinstance(value, Mapping | list) and value:
            found += _parts(plain_name(str(key)), value)
    tables = []
    for at, (title, part) in enumerate(found, start=1):
        make = _records if isinstance(part, list) else _pairs
        tables.append(make(_opened(title), part, key=f"table-made-{at}", numeral=f"13.{at}"))
    return {"manifest": dict(manifest), "tables": tables}


def _parts(title: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A group as pairs, and each list of records inside it as a part of its own."""
    if not isinstance(value, Mapping):
        yield title, value if _is_records(value) else {title: value}
        return
    leaves = flattened(value)
    pairs = {path: leaf for path, leaf in leaves if not _is_records(leaf)}
    if pairs:
        yield title, pairs
    yield from ((f"{title} / {path}", leaf) for path, leaf in leaves if _is_records(leaf))


def _is_records(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)
    )


def flattened(tree: Mapping[str, Any], *, before: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested groups with their path.

    >>> flattened({"a": {"b": 1}, "c": [1, 2]})
    [('a / b', 1), ('c', [1, 2])]
    """
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        path = f"{before}{plain_name(str(key))}"
        if isinstance(value, Mapping):
            leaves += flattened(value, before=f"{path} / ")
        else:
            leaves.append((path, value))
    return leaves


def told(value: Any) -> str:
    """One value of a manifest.

    >>> told(21.0), told(True), told(["a", "b"]), told(None)
    ('21', 'yes', 'a; b', '–')
    """
    if value is None or value == [] or value == "" or value == {}:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(told(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{path} {told(leaf)}" for path, leaf in flattened(value))
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _opened(title: str) -> str:
    return f"{title[0].upper()}{title[1:]}"


def _pairs(title: str, values: Mapping[str, Any], *, key: str, numeral: str) -> Table:
    rows = [
        {"label": plain_name(str(name)), "note": "", "cells": [told(value)]}
        for name, value in values.items()
    ]
    columns = [{"label": "Value", "sub": "", "is_text": True, "is_code": True}]
    return _table(title, rows, key=key, numeral=numeral, head="What", columns=columns)


def _records(title: str, records: Sequence[Mapping[str, Any]], *, key: str, numeral: str) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [
        {
            "label": told(record.get(names[0])),
            "note": "",
            "cells": [told(record.get(name)) for name in names[1:]],
        }
        for record in records
    ]
    columns = [
        {"label": _opened(plain_name(str(name))), "sub": "", "is_text": True, "is_code": True}
        for name in names[1:]
    ]
    return _table(
        title,
        rows,
        key=key,
        numeral=numeral,
        head=_opened(plain_name(str(names[0]))),
        columns=columns,
    )


def _table(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str,
    numeral: str,
    head: str,
    columns: Sequence[Mapping[str, Any]],
) -> Table:
    return {
        "key": key,
        "number": numeral,
        "title": title,
        "row_header": head,
        "columns": list(columns),
        "groups": [{"label": "", "rows": list(rows)}],
        "notes": [],
    }
