"""The account of a table in the making: notes on its cells, and what its columns show."""

from __future__ import annotations

from dataclasses import dataclass, field

from crsrisk.data.account import Note, NoteKind, refusal_of
from crsrisk.data.whole_columns import WholeColumns
from crsrisk.errors import InputError


@dataclass
class Account:
    """The account of a table in the making.

    ``whole``: what is gathered over its columns; of a table that is read in pieces, over those
    before this one too.
    """

    where: str
    n_rows: int
    notes: list[Note] = field(default_factory=list)
    whole: WholeColumns = field(default_factory=WholeColumns)

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
