"""Making: the manifest as tables that a person reads; nothing is left out, nothing is added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.words import MISSING, plain_name

Table = dict[str, Any]


def making_section(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Single values in one table, every group of values in its own, lists of alike records as rows."""
    single = {key: value for key, value in manifest.items() if not isinstance(value, Mapping | list)}
    tables = [_pairs("Settings", single, key="table-made", numeral="12a")] if single else []
    groups = [(key, value) for key, value in manifest.items() if isinstance(value, Mapping | list) and value]
    for at, (key, value) in enumerate(groups, start=len(tables)):
        numeral = f"12{chr(ord('a') + at)}" if at < 26 else f"12.{at + 1}"
        title, name = plain_name(str(key)).capitalize(), f"table-made-{at + 1}"
        if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            tables.append(_records(title, value, key=name, numeral=numeral))
        else:
            flat = dict(flattened(value)) if isinstance(value, Mapping) else {str(key): value}
            tables.append(_pairs(title, flat, key=name, numeral=numeral))
    return {"manifest": dict(manifest), "tables": tables}


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


def _told(value: Any) -> str:
    if value is None or value == [] or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_told(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{path} {_told(leaf)}" for path, leaf in flattened(value))
    return str(value)


def _pairs(title: str, values: Mapping[str, Any], *, key: str, numeral: str) -> Table:
    rows = [
        {"label": plain_name(str(name)), "note": "", "cells": [_told(value)]}
        for name, value in values.items()
    ]
    return {
        "key": key,
        "number": numeral,
        "title": title,
        "row_header": "What",
        "columns": [{"label": "Value", "sub": "", "is_text": True, "is_code": True}],
        "groups": [{"label": "", "rows": rows}],
        "notes": [],
    }


def _records(title: str, records: list[Mapping[str, Any]], *, key: str, numeral: str) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [
        {
            "label": _told(record.get(names[0])),
            "note": "",
            "cells": [_told(record.get(name)) for name in names[1:]],
        }
        for record in records
    ]
    return {
        "key": key,
        "number": numeral,
        "title": title,
        "row_header": plain_name(str(names[0])).capitalize(),
        "columns": [
            {"label": plain_name(str(name)).capitalize(), "sub": "", "is_text": True, "is_code": True}
            for name in names[1:]
        ],
        "groups": [{"label": "", "rows": rows}],
        "notes": [],
    }
