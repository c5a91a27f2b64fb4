"""How a report was made: the manifest as tables that a person reads, nothing left out or added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from crsrisk.report.sections import Column, Row, RowGroup, Table
from crsrisk.results import to_plain
from crsrisk.wording import MISSING, plain_name


@dataclass(frozen=True)
class Making:
    """The manifest as it is written to its file, and the same as tables."""

    manifest: Mapping[str, object]
    tables: tuple[Table, ...]


def making_section(manifest: object) -> Making:
    """Single values in one table, every group of values in its own, lists of alike records as rows.

    Parameters
    ----------
    manifest : what says how a result was made: a frozen dataclass, a model or a mapping of plain
        values.
    """
    tree: Mapping[str, object] = to_plain(manifest)
    single = {key: value for key, value in tree.items() if not isinstance(value, Mapping | list)}
    parts: list[tuple[str, object]] = [("Settings", single)] if single else []
    for key, value in tree.items():
        if isinstance(value, Mapping | list) and value:
            parts += _parts(plain_name(key), value)
    tables = [
        _records_table(title, part, at=at)
        if isinstance(part, list)
        else _pairs_table(title, part, at=at)
        for at, (title, part) in enumerate(parts, start=1)
        if isinstance(part, list | Mapping)
    ]
    return Making(tree, tuple(tables))


def _parts(title: str, value: object) -> Iterator[tuple[str, object]]:
    """A group as pairs, and each list of records inside it as a part of its own."""
    if not isinstance(value, Mapping):
        yield title, value if _is_records(value) else {title: value}
        return
    leaves = flattened(value)
    pairs = {path: leaf for path, leaf in leaves if not _is_records(leaf)}
    if pairs:
        yield title, pairs
    yield from ((f"{title} / {path}", leaf) for path, leaf in leaves if _is_records(leaf))


def _is_records(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(record, Mapping) for record in value)
    )


def flattened(tree: Mapping[str, object], *, before: str = "") -> list[tuple[str, object]]:
    """Leaves of nested groups with their path.

    >>> flattened({"a": {"b": 1}, "c": [1, 2]})
    [('a / b', 1), ('c', [1, 2])]
    """
    leaves: list[tuple[str, object]] = []
    for key, value in tree.items():
        path = f"{before}{plain_name(str(key))}"
        if isinstance(value, Mapping):
            leaves += flattened(value, before=f"{path} / ")
        else:
            leaves.append((path, value))
    return leaves


def value_in_words(value: object) -> str:
    """One value of a manifest in print.

    >>> value_in_words(21.0), value_in_words(True), value_in_words(["a", "b"]), value_in_words(None)
    ('21', 'yes', 'a; b', '–')
    """
    if value is None or value == [] or value == "" or value == {}:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(value_in_words(part) for part in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{path} {value_in_words(leaf)}" for path, leaf in flattened(value))
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def _capitalised(title: str) -> str:
    return f"{title[0].upper()}{title[1:]}"


def _pairs_table(title: str, values: Mapping[str, object], *, at: int) -> Table:
    rows = [Row(plain_name(name), (value_in_words(value),)) for name, value in values.items()]
    return _table(title, rows, at=at, row_header="What", columns=["Value"])


def _records_table(title: str, records: Sequence[Mapping[str, object]], *, at: int) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    first, *others = names
    rows = [
        Row(
            value_in_words(record.get(first)),
            tuple(value_in_words(record.get(name)) for name in others),
        )
        for record in records
    ]
    return _table(
        title,
        rows,
        at=at,
        row_header=_capitalised(plain_name(first)),
        columns=[_capitalised(plain_name(name)) for name in others],
    )


def _table(
    title: str, rows: Sequence[Row], *, at: int, row_header: str, columns: Sequence[str]
) -> Table:
    """A table of values as they stand in the manifest: nothing in it is typeset."""
    return Table(
        key=f"table-made-{at}",
        title=_capitalised(title),
        row_header=row_header,
        columns=tuple(Column(label, is_text=True, is_code=True) for label in columns),
        groups=(RowGroup("", tuple(rows)),),
        number=f"A{at}",
    )
