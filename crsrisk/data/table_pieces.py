"""Table pieces: a table of any length, read a few thousand rows at a time, with the account that it
would have if it were read at once.

Parquet is read so, one file or a table in parts, as long as its quantities are columns of numbers
in one unit. Every other file is one piece: whether its cells are numbers, and of which unit, only
the whole column shows. What a piece cannot know of the others is looked up beforehand: who is in
the table twice, and columns of units that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crsrisk.data.cells import id_texts, is_whole, texts_of
from crsrisk.data.columns import OBSERVED, Recognised, recognise
from crsrisk.data.files import cannot_read, check_header
from crsrisk.data.overlooked import MOST_UNITS, refuse_long, refuse_overlooked
from crsrisk.data.part_files import Folder, is_address, listed_parts
from crsrisk.data.table_files import (
    Source,
    SourceTable,
    name_of,
    number_style,
    open_table,
    typed_table,
)
from crsrisk.data.table_reading import TableReading
from crsrisk.data.whole_columns import Repeated, WholeColumns
from crsrisk.errors import InputError
from crsrisk.fields import Field

ROWS = 10_000  # of a piece


@dataclass(frozen=True, eq=False)
class Piece:
    """Rows of a table that follow ``after`` others."""

    after: int
    source: SourceTable


@dataclass(frozen=True, eq=False)
class TablePieces:
    """A table in one piece or several. ``whole``: what is gathered over several; None for one.

    ``files``: Parquet files of the table, in order; none where it is in memory.
    """

    where: str
    whole: WholeColumns | None
    table: SourceTable | None
    folder: Folder | None
    files: tuple[str, ...]
    reading: TableReading
    with_gaps: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What the table is called in a sentence."""
        return name_of(self.where)

    @property
    def n_rows(self) -> int | None:
        """Rows of a table in several pieces."""
        return None if self.table is not None else sum(map(self._rows_of, self.files))

    def __iter__(self) -> Iterator[Piece]:
        """The pieces, in order; they can be gone through again."""
        if self.table is not None:
            yield Piece(0, self.table)
            return
        style, after = number_style(self.reading.dialect), 0
        for batch in self.batches():
            cells = batch.to_pandas(ignore_metadata=True, use_threads=False)
            for name in self.with_gaps:  # the type that the whole column has
                kind = cells[name].dtype.kind
                cells[name] = cells[name].astype(np.float64 if kind in "iu" else object)
            yield Piece(after, SourceTable(self.where, cells, style, (), after))
            after += len(cells)

    def batches(self, columns: list[str] | None = None) -> Iterator[Any]:
        """Rows of some columns, all when left out, as Arrow has them."""
        for name in self.files:
            with opened(self.folder, name, where=self.where) as file:
                for groups in _row_groups(file.metadata):
                    for batch in file.iter_batches(
                        ROWS, row_groups=groups, columns=columns, use_threads=False
                    ):
                        yield pa.Table.from_batches([batch]).replace_schema_metadata(None)

    def _rows_of(self, name: str) -> int:
        with opened(self.folder, name, where=self.where) as file:
            return int(file.metadata.num_rows)


def _row_groups(metadata: Any) -> Iterator[list[int]]:
    """Row groups of a file that are read together, of ``ROWS`` rows or more: until the last of them
    is read, Arrow holds the bytes of all.
    """
    together: list[int] = []
    n_rows = 0
    for group in range(metadata.num_row_groups):
        together.append(group)
        n_rows += metadata.row_group(group).num_rows
        if n_rows >= ROWS:
            yield together
            together, n_rows = [], 0
    if together:
        yield together


class opened:  # noqa: N801 - it is used as a function is
    """A Parquet file that is open for as long as a block of code; what is broken is refused."""

    def __init__(self, folder: Folder | None, name: str, *, where: str) -> None:
        self._folder, self._name, self._where = folder, name, where

    def __enter__(self) -> Any:
        try:
            self._stream = (
                Path(self._name).open("rb")
                if self._folder is None
                else self._folder.reading(self._name)
            )
        except OSError as problem:
            raise cannot_read(Path(self._where), problem) from problem
        try:
            self._file = pq.ParquetFile(self._stream, page_checksum_verification=True)
        except (ValueError, NotImplementedError) as problem:
            self._stream.close()
            raise self._broken() from problem
        except OSError as problem:
            self._stream.close()
            raise cannot_read(Path(self._where), problem) from problem
        return self._file

    def __exit__(self, kind: Any, problem: BaseException | None, trace: object) -> None:
        self._file.close()
        self._stream.close()
        if isinstance(problem, pa.ArrowInvalid | OSError) and not isinstance(problem, InputError):
            raise self._broken() from problem

    def _broken(self) -> InputError:
        return InputError(
            where=self._where,
            key="" if self._folder is None else self._name,
            found="bytes that are not Parquet",
            expected="a whole Parquet file",
            cure="write the file again",
        )


def in_pieces(table: Source, *, reading: TableReading, columns: Iterable[str]) -> TablePieces:
    """A table for :func:`crsrisk.data.tables.read_patients`, in pieces where it can be.

    Parameters
    ----------
    table : a file of any kind, a folder with a table in parts, or the address of one.
    reading : what is stated about it.
    columns : those that a model reads.

    Raises
    ------
    InputError
        For what cannot be read, a header that is not understood, and columns of units or upper
        limits that belong to no column that is read.
    """
    folder, files = _files_of(table) if isinstance(table, str | Path) else (None, ())
    if not files or not isinstance(table, str | Path):
        opened_table = open_table(table, reading.dialect)
        return TablePieces(opened_table.where, None, opened_table, None, (), reading)
    with opened(folder, files[0], where=str(table)) as file:
        schema = file.schema_arrow
    check_header(schema.names, where=str(table))
    empty = SourceTable(str(table), schema.empty_table().to_pandas(), number_style(reading.dialect))
    refuse_long(empty)
    wanted = set(columns)
    needed = {
        name
        for name, field in OBSERVED.items()
        if name in wanted or field.kind != "float" or not field.may_be_missing
    }
    found = recognise(list(schema.names), where=str(table), how=reading, needed=needed)
    pieces = TablePieces(str(table), WholeColumns(), None, folder, files, reading)
    if not _has_plain_numbers(found, schema, reading) or not pieces.n_rows:
        whole = (
            pa.concat_tables(pieces.batches()).to_pandas(ignore_metadata=True, use_threads=False)
            if pieces.n_rows
            else empty.cells
        )
        source = typed_table(str(table), whole, reading.dialect)
        return TablePieces(str(table), None, source, None, (), reading)
    refuse_overlooked(_words_of_unused(pieces, found, schema), found, how=reading, fields=OBSERVED)
    repeated, are_whole = _identities(pieces, found, schema)
    known = WholeColumns(repeated=repeated, ids_are_whole=are_whole, is_checked=True)
    return replace(pieces, whole=known, with_gaps=_with_gaps(pieces, schema))


def _files_of(table: str | Path) -> tuple[Folder | None, tuple[str, ...]]:
    """The Parquet files of a table, and the folder that they are in; none of another file."""
    if is_address(table) or Path(table).is_dir():
        found = listed_parts(table)
        if found is None:
            raise InputError(
                where=str(table),
                found="a folder without a table in parts",
                expected="a file, or a folder that `crsrisk simulate --part-size` wrote",
                cure="name the file",
            )
        return Folder(table), tuple(part["file"] for part in found[1]["parts"])
    return None, (str(table),) if Path(table).suffix.lower() == ".parquet" else ()


def _has_plain_numbers(found: Recognised, schema: Any, reading: TableReading) -> bool:
    """Whether every quantity is a column of numbers whose name says all that there is to say."""
    if reading.codes:
        return False
    for name, column in found.columns.items():
        field: Field = OBSERVED[name]
        if field.kind not in ("float", "int"):
            continue
        kind = schema.field(column.found).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            return False
        if column.unit_column is not None or column.time_column is not None:
            return False
    return True


def _words_of_unused(pieces: TablePieces, found: Recognised, schema: Any) -> SourceTable:
    """The different cells of the columns that nobody reads, no more of each than tell whether they
    are units.
    """
    texts = [name for name in found.unused if not _is_number(schema.field(name).type)]
    words: dict[str, dict[str, None]] = {name: {} for name in texts}
    open_columns = list(texts)
    for batch in pieces.batches(open_columns) if texts else ():
        for name in open_columns:
            cells = batch.column(name).to_pandas().drop_duplicates()
            words[name].update(dict.fromkeys(texts_of(cells)))
        if all(len(some) > MOST_UNITS + 1 for some in words.values()):
            break
        for name, some in words.items():
            words[name] = dict.fromkeys(list(some)[: MOST_UNITS + 2])
    longest = max([1, *map(len, words.values())])
    cells = pd.DataFrame(
        {
            name: [*words.get(name, ()), *[None] * (longest - len(words.get(name, ())))]
            for name in schema.names
        },
        dtype=object,
    )
    return SourceTable(pieces.where, cells)


def _is_number(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _with_gaps(pieces: TablePieces, schema: Any) -> frozenset[str]:
    """Columns of whole numbers or yes and no that have a gap somewhere: pandas gives such a column
    another type.
    """
    names = {
        field.name: place
        for place, field in enumerate(schema)
        if pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)
    }
    gaps = set()
    for name in pieces.files:
        with opened(pieces.folder, name, where=pieces.where) as file:
            for group in range(file.num_row_groups):
                for column, place in names.items():
                    told = file.metadata.row_group(group).column(place).statistics
                    if told is None or not told.has_null_count or told.null_count:
                        gaps.add(column)
    return frozenset(gaps)


# --- who is there twice ---


def _identities(pieces: TablePieces, found: Recognised, schema: Any) -> tuple[Repeated, bool]:
    """Numbers of patients who are there twice, and whether all are whole numbers.

    Numbers that rise from row to row are told apart as they come; of others eight bytes a row are
    held and sorted.
    """
    if "patient_id" not in found.columns:
        return Repeated(), True
    name = found.columns["patient_id"].found
    is_integer = pa.types.is_integer(schema.field(name).type)
    if is_integer and _rise(pieces, name):
        return Repeated(), True
    keys: NDArray[Any] = np.empty(pieces.n_rows or 0, dtype=np.uint64)
    n, are_whole = 0, True
    for ids in _ids(pieces, name):
        there = ids[ids != ""]
        are_whole = are_whole and len(there) == len(ids) and is_whole(there)
        keys[n : n + len(there)] = pd.util.hash_array(there.to_numpy(dtype=object))
        n += len(there)
    keys = keys[:n]
    keys.sort()
    twice = keys[1:][keys[1:] == keys[:-1]]
    if not twice.size:
        return Repeated(), are_whole
    times: dict[str, int] = {}
    for ids in _ids(pieces, name):
        hashed = pd.util.hash_array(ids.to_numpy(dtype=object))
        for one in ids[np.isin(hashed, twice)]:
            if one:
                times[one] = times.get(one, 0) + 1
    return Repeated(tuple(one for one, often in times.items() if often > 1)), are_whole


def _ids(pieces: TablePieces, name: str) -> Iterator[pd.Series[str]]:
    for batch in pieces.batches([name]):
        yield id_texts(batch.column(name).to_pandas())


def _rise(pieces: TablePieces, name: str) -> bool:
    """Whether the numbers of patients are all there, and each is above the one before."""
    last = -1
    for batch in pieces.batches([name]):
        column = batch.column(name)
        if column.null_count:
            return False
        ids = column.to_numpy()
        if not ids.size:
            continue
        if int(ids[0]) <= last or not bool(np.all(ids[1:] > ids[:-1])) or int(ids[-1]) > 10**17:
            return False
        last = int(ids[-1])
    return True
