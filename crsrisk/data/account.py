"""The account of a table: every cell refused, left out, converted, filled or missing, and the same
grouped, so that a person sees all kinds of trouble at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from crsrisk.errors import HIDDEN, InputError, shortened

NoteKind: TypeAlias = Literal[
    "refused", "left out", "warned", "converted", "filled", "missing", "read", "not used"
]
KINDS: tuple[NoteKind, ...] = (
    "refused",
    "left out",
    "warned",
    "converted",
    "filled",
    "missing",
    "read",
    "not used",
)
_N_ROWS_NAMED = 5
_LONGEST_LIST = 450  # characters of the kinds that one message names


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the account. ``row`` counts patients from 1; 0 means the whole table.

    Kinds: *refused* (the row is not used), *left out* (the cell is not used), *warned* (used as it
    is), *converted*, *filled* (from the product's file), *missing*, *read* (how the file was read),
    *not used* (a column). ``found`` may hold a patient's value: show it to the owner of the file,
    never log it.
    """

    row: int
    column: str
    kind: NoteKind
    found: str
    expected: str
    cure: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Notes of one kind on one column that ask for the same: how many, the first rows, and the
    first of them in words.
    """

    kind: NoteKind
    column: str
    n: int
    rows: tuple[int, ...]
    found: str
    expected: str
    cure: str

    def sentence(self, *, has_cell: bool = True) -> str:
        """Column, number of cells, first rows, what stands there, and what to do; without
        ``has_cell`` nothing that stands in a cell, as a log may keep it.
        """
        if self.rows[0] == 0:
            if not has_cell and self.kind == "warned":
                return f"{self.column}: {self.expected}"
            return f"{self.column}: {self.found}; {self.expected}. {self.cure}"
        more = ", ..." if self.n > len(self.rows) else ""
        rows = ", ".join(map(str, self.rows))
        cells = "1 cell" if self.n == 1 else f"{self.n} cells"
        place = f"row {rows}{more}" if self.n == 1 else f"rows {rows}{more}"
        if not has_cell:
            return f"{self.column}: {cells} ({place}): found {HIDDEN}; expected {self.expected}"
        found = self.found or "an empty cell"
        return (
            f"{self.column}: {cells} ({place}): found {found}; expected {self.expected}."
            f" Cure: {self.cure}"
        )


@dataclass
class _Group:
    """Notes that ask for the same: the first, how many, the first rows, and in which place the
    group came.
    """

    first: Note
    place: int
    n: int = 0
    rows: list[int] = field(default_factory=list)

    def trouble(self) -> Trouble:
        of = self.first
        return Trouble(of.kind, of.column, self.n, tuple(self.rows), of.found, of.expected, of.cure)


class Tally:
    """An account that is counted: of notes of one kind, on one column, that ask for the same, the
    first and their number. It takes the room of the different troubles, not of the cells.

    >>> tally = Tally()
    >>> tally.add([Note(row, "ecog", "refused", "'x'", "a number", "correct") for row in (2, 5)])
    >>> tally.add([Note(1, "ecog", "refused", "'y'", "a number", "correct")], after=10)
    >>> tally.troubles()[0].rows, tally.counts()["refused"]
    ((2, 5, 11), 3)
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str, str], _Group] = {}
        self._first_refused: Note | None = None
        self.n_refused_rows = 0

    def add(self, notes: Iterable[Note], *, after: int = 0) -> None:
        """Count the notes of rows that follow ``after`` others. What is said of the whole table
        counts once, however often it is said.
        """
        refused = set()
        for note in notes:
            key = (note.kind, note.column, note.expected, "" if note.row else note.found)
            group = self._groups.get(key)
            if group is None:
                first = replace(note, row=note.row + after) if note.row else note
                group = self._groups[key] = _Group(first, len(self._groups))
            elif not note.row:
                continue
            group.n += 1
            row = note.row + after if note.row else 0
            if len(group.rows) < _N_ROWS_NAMED:
                group.rows.append(row)
            if note.kind == "refused":
                refused.add(row)
                if self._first_refused is None or row < self._first_refused.row:
                    self._first_refused = replace(note, row=row)
        self.n_refused_rows += len(refused)

    def counts(self) -> dict[str, int]:
        """Number of notes of each kind: nothing of a patient in it, so it may be logged."""
        counts = dict.fromkeys(map(str, KINDS), 0)
        for group in self._groups.values():
            counts[group.first.kind] += group.n
        return counts

    def troubles(self, kinds: Iterable[NoteKind] = KINDS) -> tuple[Trouble, ...]:
        """Notes by kind, column and what is expected, in the order in which they first occur; those
        on the whole table first.
        """
        wanted = tuple(kinds)
        groups = [group for group in self._groups.values() if group.first.kind in wanted]
        groups.sort(key=lambda one: (wanted.index(one.first.kind), one.first.row != 0, one.place))
        return tuple(group.trouble() for group in groups)

    def refusal(
        self, *, where: str, n_rows: int, what: str = "cannot be used"
    ) -> InputError | None:
        """All refusals as one error: the first in full, the others grouped; None where there is
        none. ``what`` is said of the number of refused rows.
        """
        first = self._first_refused
        if first is None:
            return None
        groups = sorted(self.troubles(["refused"]), key=lambda one: one.rows[0])
        kind = (first.column, first.expected)
        others = [one for one in groups if (one.column, one.expected) != kind]
        same = next(
            one for one in groups if one.column == first.column and one.rows[0] == first.row
        )
        n = sum(one.n for one in groups)
        count = f"{n} cells in {self.n_refused_rows} of {n_rows} rows {what}"
        if same.n > 1:
            count = f"{same.n} such cells; {count}"

        def also(quoted: Callable[[Trouble], str]) -> str:
            told: list[str] = []
            for one in others:
                of_kind = (
                    f"{shortened(one.column, most=40)}: {one.n} cells, in row {one.rows[0]}"
                    f"{quoted(one)}, expected {shortened(one.expected, most=80)}"
                )
                if sum(map(len, told)) + len(of_kind) > _LONGEST_LIST:
                    told.append(f"{len(others) - len(told)} more kinds of trouble")
                    break
                told.append(of_kind)
            return f"{count}; also {'; '.join(told)}" if told else count

        with_cells = also(lambda one: f" {shortened(one.found or 'an empty cell', most=40)}")
        return InputError(
            where=where,
            key=f"row {first.row}, column {first.column}",
            found=first.found or "an empty cell",
            expected=first.expected,
            cure=f"{shortened(first.cure)} ({with_cells})",
            cure_for_log=f"{_cure_for_log(first)} ({also(lambda one: '')})",
        )


def tallied(notes: Iterable[Note]) -> Tally:
    """The tally of an account."""
    tally = Tally()
    tally.add(notes)
    return tally


def grouped(notes: Iterable[Note], *, kinds: Iterable[NoteKind] = KINDS) -> tuple[Trouble, ...]:
    """:meth:`Tally.troubles` of these notes.

    >>> notes = [Note(row, "ecog", "refused", "'x'", "a whole number", "correct") for row in (2, 5)]
    >>> grouped(notes)[0].sentence()
    "ecog: 2 cells (rows 2, 5): found 'x'; expected a whole number. Cure: correct"
    """
    return tallied(notes).troubles(kinds)


def refusal_of(
    notes: Iterable[Note], *, where: str, n_rows: int, what: str = "cannot be used"
) -> InputError | None:
    """:meth:`Tally.refusal` of these notes."""
    refused = sorted((note for note in notes if note.kind == "refused"), key=lambda note: note.row)
    return tallied(refused).refusal(where=where, n_rows=n_rows, what=what)


def _cure_for_log(note: Note) -> str:
    """The cure where nothing in it tells what stands in the cell: no number, not the cell itself,
    and no word that the cell may mean.
    """
    rest = note.cure.replace(note.column, "")
    cell = re.escape(note.found.strip("'\""))
    tells = bool(re.search(r"[0-9]|may be|did you mean", rest)) or bool(
        re.search(rf"(?<!\w){cell}(?!\w)", rest, re.IGNORECASE)
    )
    return "correct the cell" if tells or not note.found else shortened(note.cure)


def with_the_rest(problem: InputError, told: str) -> InputError:
    """The same error, with what became of the rest of the table."""
    return InputError(
        where=problem.where,
        key=problem.key,
        found=problem.found,
        expected=problem.expected,
        cure=f"{problem.cure}; {told}",
        cure_for_log=f"{problem.cure_for_log}; {told}",
    )
