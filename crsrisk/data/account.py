"""The account of a table: every cell refused, left out, converted, filled or missing, and the same
grouped, so that a person sees all kinds of trouble at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
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


def grouped(notes: Iterable[Note], *, kinds: Iterable[NoteKind] = KINDS) -> tuple[Trouble, ...]:
    """Notes by kind, column and what is expected, in the order in which they first occur.

    >>> notes = [Note(row, "ecog", "refused", "'x'", "a whole number", "correct") for row in (2, 5)]
    >>> grouped(notes)[0].sentence()
    "ecog: 2 cells (rows 2, 5): found 'x'; expected a whole number. Cure: correct"
    """
    wanted = tuple(kinds)
    together: dict[tuple[str, str, str, str], list[Note]] = {}
    for note in notes:
        if note.kind in wanted:
            key = (note.kind, note.column, note.expected, "" if note.row else note.found)
            together.setdefault(key, []).append(note)
    troubles = [
        Trouble(
            of[0].kind,
            of[0].column,
            len(of),
            tuple(note.row for note in of[:_N_ROWS_NAMED]),
            of[0].found,
            of[0].expected,
            of[0].cure,
        )
        for of in together.values()
    ]
    return tuple(sorted(troubles, key=lambda one: wanted.index(one.kind)))


def refusal_of(
    notes: Iterable[Note], *, where: str, n_rows: int, what: str = "cannot be used"
) -> InputError | None:
    """All refusals as one error: the first in full, the others grouped; None where there is none.

    ``what`` is said of the number of refused rows.
    """
    refused = sorted((note for note in notes if note.kind == "refused"), key=lambda note: note.row)
    if not refused:
        return None
    first, rows = refused[0], {note.row for note in refused}
    groups = grouped(refused)
    others = [one for one in groups if (one.column, one.expected) != (first.column, first.expected)]
    same = next(one for one in groups if one.column == first.column and one.rows[0] == first.row)
    count = f"{len(refused)} cells in {len(rows)} of {n_rows} rows {what}"
    if same.n > 1:
        count = f"{same.n} such cells; {count}"

    def also(quoted: Callable[[Trouble], str]) -> str:
        told: list[str] = []
        for one in others:
            kind = (
                f"{shortened(one.column, most=40)}: {one.n} cells, in row {one.rows[0]}"
                f"{quoted(one)}, expected {shortened(one.expected, most=80)}"
            )
            if sum(map(len, told)) + len(kind) > _LONGEST_LIST:
                told.append(f"{len(others) - len(told)} more kinds of trouble")
                break
            told.append(kind)
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


@dataclass
class Account:
    """The account of a table in the making."""

    where: str
    n_rows: int
    notes: list[Note] = field(default_factory=list)

    def note(
        self, row: int, column: str, kind: NoteKind, found: str, expected: str, cure: str
    ) -> None:
        """Add a line."""
        self.notes.append(Note(row, column, kind, found, expected, cure))

    def refusal(self) -> InputError | None:
        """See :func:`refusal_of`."""
        return refusal_of(self.notes, where=self.where, n_rows=self.n_rows)

    def reasons(self) -> dict[int, str]:
        """Why each refused row is refused, by row."""
        reasons: dict[int, str] = {}
        for note in self.notes:
            if note.kind == "refused":
                reason = (
                    f"{note.column}: found {note.found or 'an empty cell'};"
                    f" expected {note.expected}"
                )
                before = f"{reasons[note.row]} | " if note.row in reasons else ""
                reasons[note.row] = before + reason
        return reasons
