"""Refused rows of a table, as they stand and with their reasons, in a file beside the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from crsrisk.data.account import Note, Trouble, grouped, with_the_rest
from crsrisk.data.files import remove_leftovers, write_table_stream
from crsrisk.data.table_account import Account
from crsrisk.data.table_files import SourceTable
from crsrisk.errors import InputError


@dataclass(frozen=True, eq=False)
class RefusedRows:
    """Rows of a table that a result is made without.

    ``cells``: the table as it stands; ``reasons``: why, by row from 1; ``account``: notes on all
    cells; ``problem``: all refusals as one error.
    """

    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    reasons: Mapping[int, str] = field(default_factory=dict)
    account: tuple[Note, ...] = ()
    problem: InputError | None = None

    def troubles(self) -> tuple[Trouble, ...]:
        """What was refused, left out or doubtful in reading, grouped by column, with counts."""
        return grouped(self.account, kinds=("refused", "left out", "warned"))

    def write(self, place: Path) -> Path | None:
        """Write the refused rows as they stand, with the reason of each; None, and an older such
        file removed, where there are none.
        """
        if not self.reasons:
            remove_leftovers([place])
            return None
        write_table_stream(place, iter([with_reasons(self.cells, self.reasons)]))
        return place


def with_reasons(
    cells: pd.DataFrame, reasons: Mapping[int, str], *, after: int = 0
) -> pd.DataFrame:
    """Rows of a table as text, by number from 1, each with the reason why it is refused; ``after``:
    rows that stand before these in the whole table.
    """
    rows = cells.iloc[[row - 1 for row in reasons]].astype(str)
    rows.insert(0, "table_row" if "row" in rows else "row", [after + row for row in reasons])
    return rows.assign(why_refused=list(reasons.values()))


NONE_REFUSED = RefusedRows()


def refused_by(account: Account, source: SourceTable) -> RefusedRows:
    """The rows that an account refuses."""
    problem, reasons = account.refusal(), account.reasons()
    if problem is not None:
        n = len(reasons)
        problem = with_the_rest(problem, f"{n} of {account.n_rows} rows refused, the others used")
    return RefusedRows(source.cells, reasons, tuple(account.notes), problem)


def refused_path(out: Path) -> Path:
    """Where the refused rows of a result stand: ``risks.csv`` -> ``risks.refused.csv``."""
    return out.with_name(f"{out.stem}.refused{out.suffix}")
