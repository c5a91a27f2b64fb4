"""Stored tables: numbers of more patients than memory holds, in a file, read some rows at a time.

The learner reads every table through the functions here, in the same blocks whether it is an array
or a file. So what is learnt from a file is what is learnt from memory, to the last bit. Files are
temporary, without a name, and gone when nobody reads them any more, whatever ends the process.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

ROWS = 2**16  # of a block
_BYTES = 8  # of a number


class NumberFile:
    """A temporary file of so many numbers in a folder, read and written anywhere in it."""

    def __init__(self, folder: Path, n_numbers: int) -> None:
        self.folder = folder
        self._file: Any = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._file.truncate(n_numbers * _BYTES)
        self._lock = Lock()

    def write(self, at: int, numbers: Floats) -> None:
        """Write numbers, those of the last axis first, from place ``at`` on."""
        whole: Any = np.ascontiguousarray(numbers)
        rest = memoryview(whole).cast("B")
        with self._lock:
            self._file.seek(at * _BYTES)
            while rest:
                rest = rest[self._file.write(rest) :]

    def read(self, at: int, shape: tuple[int, ...]) -> Floats:
        """An array of this shape from place ``at`` on."""
        numbers = np.empty(shape)
        empty: Any = numbers.reshape(-1)
        rest = memoryview(empty).cast("B")
        with self._lock:
            self._file.seek(at * _BYTES)
            while rest:
                n_read = self._file.readinto(rest)
                if not n_read:
                    raise OSError("a temporary file ends before its numbers do")
                rest = rest[n_read:]
        return numbers


@dataclass(frozen=True, eq=False)
class StoredTable:
    """Rows of a table (rows, columns) that is stored column after column; ``rows``: which, in
    order; None: all ``n_stored``.
    """

    file: NumberFile
    n_stored: int
    n_columns: int
    rows: Places | None = None

    @staticmethod
    def of(blocks: Iterable[Floats], shape: tuple[int, int], *, folder: Path) -> StoredTable:
        """Store blocks of rows, one after another, in a temporary file of this folder."""
        n_rows, n_columns = shape
        table = StoredTable(NumberFile(folder, n_rows * n_columns), n_rows, n_columns)
        start = 0
        for block in blocks:
            table.write(start, block)
            start += len(block)
        return table

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), self.n_columns

    def __len__(self) -> int:
        return self.n_stored if self.rows is None else len(self.rows)

    def column(self, place: int) -> Floats:
        """One column, shape (rows,)."""
        numbers = self.file.read(place * self.n_stored, (self.n_stored,))
        return numbers if self.rows is None else numbers[self.rows]

    def block(self, rows: slice) -> Floats:
        """Some rows that follow each other."""
        start, stop, _ = rows.indices(len(self))
        first, last = start, stop
        inside: slice | Places = slice(None)
        if self.rows is not None:
            of_file = self.rows[start:stop]
            first, last = (int(of_file[0]), int(of_file[-1]) + 1) if len(of_file) else (0, 0)
            inside = of_file - first
        columns = np.empty((self.n_columns, stop - start))
        for place in range(self.n_columns):
            columns[place] = self.file.read(place * self.n_stored + first, (last - first,))[inside]
        return columns.T

    def write(self, start: int, block: Floats) -> None:
        """Write rows from row ``start`` on, of a table of all rows."""
        for place in range(self.n_columns):
            self.file.write(place * self.n_stored + start, block[:, place])

    def change(self, place: int, numbers: Floats) -> None:
        """Write another column in the place of one, of a table of all rows."""
        self.file.write(place * self.n_stored, numbers)


Table: TypeAlias = Floats | StoredTable


def block_slices(n_rows: int, *, size: int | None = None) -> Iterator[slice]:
    """The blocks of ``size`` rows, ``ROWS`` when left out, that so many rows are read in.

    >>> list(block_slices(5, size=3))
    [slice(0, 3, None), slice(3, 5, None)]
    """
    step = size or ROWS
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def block_of(table: Table, rows: slice) -> Floats:
    """Some rows that follow each other."""
    return table.block(rows) if isinstance(table, StoredTable) else table[rows]


def blocks_of(table: Table) -> Iterator[Floats]:
    """All rows, block by block."""
    return (block_of(table, rows) for rows in block_slices(len(table)))


def column_of(table: Table, place: int) -> Floats:
    """One column, shape (rows,)."""
    return table.column(place) if isinstance(table, StoredTable) else table[:, place]


def rows_of(table: Table, rows: Places) -> Table:
    """These rows only, of which each is above the one before."""
    if not isinstance(table, StoredTable):
        return table[rows]
    return replace(table, rows=rows if table.rows is None else table.rows[rows])


def stored_beside(table: Table, blocks: Iterable[Floats], *, n_columns: int) -> Table:
    """Blocks of as many rows, kept where the table is: in memory or in a file."""
    if isinstance(table, StoredTable):
        return StoredTable.of(blocks, (len(table), n_columns), folder=table.file.folder)
    whole = np.empty((len(table), n_columns), order="F")
    for rows, block in zip(block_slices(len(table)), blocks, strict=True):
        whole[rows] = block
    return whole


def folder_of(table: Table) -> Path | None:
    """Where a table is stored; None for an array."""
    return table.file.folder if isinstance(table, StoredTable) else None


class RowStore:
    """A matrix that is filled row by row and then read in blocks, over and over; in a file of
    ``folder``, or in memory where that is None. It lies column after column.
    """

    def __init__(self, shape: tuple[int, int], folder: Path | None) -> None:
        self._n_filled = 0
        self._table: Table = (
            np.empty(shape, order="F")
            if folder is None
            else StoredTable(NumberFile(folder, shape[0] * shape[1]), *shape)
        )

    def add(self, rows: Floats) -> None:
        """The rows that follow."""
        start, self._n_filled = self._n_filled, self._n_filled + len(rows)
        if isinstance(self._table, StoredTable):
            self._table.write(start, rows)
        else:
            self._table[start : self._n_filled] = rows

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Which rows, and the rows."""
        return zip(block_slices(len(self._table)), blocks_of(self._table), strict=True)
