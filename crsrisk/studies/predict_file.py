"""Predict into a file: a table of any length through a saved model, a few thousand rows at a time.

What is written, counted and told is that of the same table in memory
(:func:`crsrisk.studies.predict.score_patients`); the account names the first rows of each kind of
trouble and counts the others.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from crsrisk.data.account import KINDS, Tally, Trouble
from crsrisk.data.files import remove_leftovers, write_table_stream
from crsrisk.data.part_files import is_address
from crsrisk.data.table_pieces import Piece, TablePieces, in_pieces
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.errors import InputError, OutputError
from crsrisk.model.companions import load_companions
from crsrisk.model.landmark import course_columns
from crsrisk.model.risk_model import RiskModel, distance_in_words
from crsrisk.model.store import load_model
from crsrisk.results import Result
from crsrisk.studies.predict import (
    RowCounts,
    ScoredPiece,
    print_counts,
    print_troubles,
    refusal_in_rows,
    row_counts,
    score_piece,
    wide_console,
)
from crsrisk.studies.refused_rows import refused_path, with_reasons


@dataclass(frozen=True, kw_only=True, repr=False)
class ScoredFile(Result):
    """A table that was scored into a file, and the account of its reading.

    Parameters
    ----------
    model, outcome, window_d, landmark_h, columns_read, counts, where, notice, distance
        As of :class:`~crsrisk.studies.predict.ScoredTable`.
    out : str
        The file with a row for each row of the table.
    account : tuple of Trouble
        What was converted, filled, missing, left out, refused or not used in reading: of each kind
        the number of cells, the first rows and the first cell.
    refused_to : str or None
        The file with the refused rows as they stand.
    """

    model: str
    outcome: str
    window_d: Mapping[str, float]
    landmark_h: int
    columns_read: tuple[str, ...]
    counts: RowCounts
    account: tuple[Trouble, ...]
    where: str
    notice: str
    distance: str
    out: str
    refused_to: str | None

    def summary(self) -> str:
        """How many rows were scored by which model, and where they are."""
        return (
            f"{self.counts.in_words()}, model {self.model}: {self.outcome}. In {self.out}."
            f" {self.notice}"
        )

    def troubles(self) -> tuple[Trouble, ...]:
        """What was refused, left out or doubtful in reading, grouped by column, with counts."""
        kinds = ("refused", "left out", "warned")
        return tuple(one for one in self.account if one.kind in kinds)


def print_filed(scored: ScoredFile) -> None:
    """Where risks and refused rows were written, and the account, on the terminal."""
    console = wide_console()
    console.print(f"Wrote {scored.out}", soft_wrap=True)
    print_troubles(console, scored.account, columns_read=scored.columns_read)
    if scored.refused_to is not None:
        console.print(f"  the refused rows as they stand: {scored.refused_to}", soft_wrap=True)
    print_counts(console, scored.counts, distance=scored.distance, notice=scored.notice)


@dataclass
class _Gathered:
    """What is kept of the pieces: counts and the account, and of it the part of the reading."""

    tally: Tally = field(default_factory=Tally)
    of_reading: Tally = field(default_factory=Tally)
    status: Counter[str] = field(default_factory=Counter)
    first_refused: tuple[int, str] | None = None

    def add(self, piece: Piece, scored: ScoredPiece) -> None:
        self.tally.add(scored.read.account, after=piece.after)
        self.of_reading.add(scored.of_reading, after=piece.after)
        self.status.update(scored.rows["status"].tolist())
        refused = np.flatnonzero((scored.rows["status"] == "refused").to_numpy())
        if refused.size and self.first_refused is None:
            row = int(refused[0])
            self.first_refused = (piece.after + row + 1, str(scored.rows["reasons"].iloc[row]))


def score_file(
    model: Path,
    table: str | Path,
    *,
    out: Path,
    strict: bool = False,
    unknown_product: bool = False,
    product_files: Sequence[str | Path] = (),
    reading: TableReading = AS_NAMED,
) -> tuple[ScoredFile, InputError | None]:
    """Score a table into ``out``, and write the refused rows as they stand beside it.

    Parameters
    ----------
    model : folder of a saved model.
    table : a file, a folder with a table in parts, or the address of one. Parquet is read some rows
        at a time (:mod:`crsrisk.data.table_pieces`).
    out : a file that is written beside its place and then renamed.
    strict, unknown_product, product_files, reading : as of
        :func:`~crsrisk.studies.predict.score_table`.

    Returns
    -------
    The result, and all refusals as one error; None where every row was scored.

    Raises
    ------
    InputError
        For a table that cannot be read as a whole; with ``strict`` for refused values. Then nothing
        is written.
    """
    if not is_address(table) and out.resolve() == Path(table).resolve():
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is scored",
            expected="another file",
            cure="give the results a name of their own",
        )
    loaded = load_model(model)
    contract = loaded.contract
    pieces = in_pieces(table, reading=reading, columns=contract.column_names)
    beside = load_companions(model, model=loaded, has_neighbour=False)
    gathered = _Gathered()
    with tempfile.TemporaryFile() as spool:
        refused = _Spool(spool)

        def rows() -> Iterator[pd.DataFrame]:
            for piece in pieces:
                scored = score_piece(
                    loaded,
                    beside,
                    piece.source,
                    reading=reading,
                    unknown_product=unknown_product,
                    product_files=product_files,
                    whole=pieces.whole,
                )
                gathered.add(piece, scored)
                refused.add(piece, scored)
                yield scored.rows
            _end(gathered, pieces, strict=strict)

        n_rows = write_table_stream(out, rows())
        beside_it = refused.write(refused_path(out))
    result = _result(loaded, gathered, pieces, n_rows=n_rows, out=out, refused_to=beside_it)
    problem = refusal_in_rows(
        gathered.tally,
        where=pieces.where,
        n_rows=n_rows,
        n_refused=gathered.status["refused"],
        first=gathered.first_refused,
    )
    return result, problem


def _end(gathered: _Gathered, pieces: TablePieces, *, strict: bool) -> None:
    """What is said of whole columns; with ``strict`` the refusals as an error."""
    if pieces.whole is not None:
        gathered.tally.add(pieces.whole.notes())
    if strict:
        n_rows = sum(gathered.status.values())
        # first what cannot be read, then products that the model does not know
        for tally in (gathered.of_reading, gathered.tally):
            if (problem := tally.refusal(where=pieces.where, n_rows=n_rows)) is not None:
                raise problem


def _result(
    model: RiskModel,
    gathered: _Gathered,
    pieces: TablePieces,
    *,
    n_rows: int,
    out: Path,
    refused_to: Path | None,
) -> ScoredFile:
    contract = model.contract
    return ScoredFile(
        model=model.label,
        outcome=contract.outcome_in_words,
        window_d=dict(contract.window_d),
        landmark_h=contract.landmark_h,
        columns_read=(*contract.column_names, *course_columns(hour=contract.landmark_h)),
        counts=row_counts(n_rows, gathered.status, gathered.tally.counts()),
        account=gathered.tally.troubles(KINDS),
        where=pieces.where,
        notice=model.notice,
        distance=distance_in_words(model),
        out=str(out),
        refused_to=None if refused_to is None else str(refused_to),
    )


class _Spool:
    """Refused rows, kept in a temporary file until all are known."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._writer: Any = None

    def add(self, piece: Piece, scored: ScoredPiece) -> None:
        is_refused = (scored.rows["status"] == "refused").to_numpy()
        reasons = {
            int(row) + 1: str(scored.rows["reasons"].iloc[row])
            for row in np.flatnonzero(is_refused).tolist()
        }
        if not reasons:
            return
        rows = with_reasons(piece.source.cells, reasons, after=piece.after)
        batch = pa.RecordBatch.from_pandas(rows, preserve_index=False)
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._stream, batch.schema)
        self._writer.write_batch(batch)

    def write(self, place: Path) -> Path | None:
        """Write them all; None, and an older such file removed, where there are none."""
        if self._writer is None:
            remove_leftovers([place])
            return None
        self._writer.close()
        self._stream.seek(0)
        with pa.ipc.open_stream(self._stream) as reader:
            write_table_stream(place, (batch.to_pandas() for batch in reader))
        return place
