"""Training table: the patients that a model learns from, simulated or of a table of any length.

Parquet is read in pieces, of which the columns of the observed table and the outcomes are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.account import KINDS, Tally
from crsrisk.data.outcomes import read_outcomes
from crsrisk.data.provenance import Origin, origin_of
from crsrisk.data.table_files import Source
from crsrisk.data.table_pieces import Piece, in_pieces
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.whole_columns import WholeColumns
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.model.features import ModelConfig, columns_needed
from crsrisk.simulation.arm import Arm
from crsrisk.studies.predict import Tell, read_known


@dataclass(frozen=True)
class Training:
    """Patients to learn from: what was known, what happened, in words who they are, and whether
    they were simulated or came in a table; ``arms`` and ``world`` of simulated ones.

    ``sample_weight`` (patients,): how many each stands for; None: one.
    """

    observed: pd.DataFrame
    outcomes: pd.DataFrame
    who: str
    left_out: Mapping[str, int]
    origin: Origin
    arms: Sequence[Arm] = ()
    world: World | None = None
    sample_weight: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class _Learnt:
    """Patients of a piece who are learnt from: what was known, the outcome, and its stages."""

    observed: pd.DataFrame
    y_true: NDArray[np.float64]
    stages: Mapping[str, NDArray[np.float64]]


def table_training(
    table: Source,
    *,
    config: ModelConfig,
    outcomes: Path | None,
    outcome: str | None,
    at_least: float | None,
    reading: TableReading = AS_NAMED,
    tell: Tell | None = None,
) -> Training:
    """Patients of a table (a file, a folder with a table in parts, or the address of one); the
    outcome stands in a column of it, or of ``outcomes`` (same patients, same order).

    With ``at_least`` that column holds a grade, and the event is this grade or more. It must be
    counted within the configuration's window, and so must its stages (CRS of
    any grade), which are learnt from where the same file tells them of every patient who is kept.
    Rows that cannot be read or have no outcome are left out and counted; with a landmark
    configuration so are patients who had the event by then. Raises :class:`InputError` for what the
    readers refuse.
    """
    columns = (*columns_needed(feature.name for feature in config.features), *config.one_hot)
    pieces = in_pieces(table, reading=reading, columns=columns)
    column = outcome or config.outcome
    events = None
    if outcomes is not None:
        events = read_outcomes(
            outcomes, column=column, others=config.stages, at_least=at_least, reading=reading
        )
    tally, left_out, n_rows = Tally(), Counter[str](), 0
    learnt: list[_Learnt] = []
    for piece in pieces:
        of_piece = events
        if of_piece is None:
            of_piece = read_outcomes(
                piece.source,
                column=column,
                others=config.stages,
                at_least=at_least,
                reading=reading,
            )
        else:
            rows = slice(piece.after, piece.after + len(piece.source.cells))
            of_piece = {name: values[rows] for name, values in of_piece.items()}
        n_rows += len(piece.source.cells)
        learnt += _of_piece(
            piece,
            of_piece,
            column=column,
            columns=columns,
            hour=config.landmark_h,
            reading=reading,
            whole=pieces.whole,
            tally=tally,
            left_out=left_out,
        )
    if pieces.whole is not None:
        tally.add(pieces.whole.notes())
    if tell is not None:
        tell(tally.troubles(KINDS))
    if events is not None and len(events[column]) != n_rows:
        raise InputError(
            where=str(outcomes),
            found=f"{len(events[column])} rows",
            expected=f"{n_rows} rows, as in {pieces.where}",
            cure="take the same patients in the same order",
        )
    if not any(len(one.observed) for one in learnt) and (
        problem := tally.refusal(where=pieces.where, n_rows=n_rows)
    ):
        raise problem
    observed = joined_rows([one.observed for one in learnt])
    return Training(
        observed,
        _outcomes_of(
            observed,
            np.concatenate([one.y_true for one in learnt]),
            stages={
                name: np.concatenate([one.stages[name] for one in learnt])
                for name in learnt[0].stages
            },
            config=config,
        ),
        f"{len(observed):,} patients of {pieces.name}",
        dict(left_out),
        origin_of(table),
    )


def _of_piece(
    piece: Piece,
    events: Mapping[str, NDArray[np.float64]],
    *,
    column: str,
    columns: Sequence[str],
    hour: int,
    reading: TableReading,
    whole: WholeColumns | None,
    tally: Tally,
    left_out: Counter[str],
) -> list[_Learnt]:
    known = read_known(piece.source, columns=columns, hour=hour, reading=reading, whole=whole)
    read = known.table
    tally.add(read.account, after=piece.after)
    rows = read.frame.index.to_numpy() - 1
    y_true = events[column]
    if len(y_true) != read.n_rows:
        return []  # refused when all rows are counted
    has_outcome = ~np.isnan(y_true[rows])
    is_kept = has_outcome & ~known.is_unsure
    gone = {
        **{f"rows that {why}": n for why, n in known.left_out().items()},
        "rows without an outcome": int((~has_outcome & ~known.is_unsure).sum()),
    }
    for why, n in gone.items():
        left_out[why] += n
    kept = rows[is_kept]
    stages = {name: y_stage[kept] for name, y_stage in events.items() if name != column}
    return [_Learnt(read.frame.loc[is_kept].reset_index(drop=True), y_true[kept], stages)]


def joined_rows(pieces: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of pieces as one table, its columns in the types that they would have at once: yes and
    no with a gap somewhere are numbers, and a word among numbers of patients makes all of them
    words.
    """
    filled = [one for one in pieces if len(one)] or [pieces[0]]
    for name in pieces[0].columns:
        if len({one[name].dtype for one in filled}) > 1:
            kind: Any = str if name == "patient_id" else np.float64
            filled = [one.assign(**{str(name): one[name].astype(kind)}) for one in filled]
    return pd.concat(filled, ignore_index=True)


def _outcomes_of(
    observed: pd.DataFrame,
    y_true: NDArray[np.float64],
    *,
    stages: Mapping[str, NDArray[np.float64]],
    config: ModelConfig,
) -> pd.DataFrame:
    """The table of outcomes as the simulator writes it, with the stages that are known of
    everybody.
    """
    windows = observed["platform"].map(
        lambda platform: config.window_d.get(platform, config.window_d["default"])
    )
    return pd.DataFrame(
        {
            "patient_id": observed["patient_id"],
            config.outcome: y_true > 0,
            "window_d": windows.astype(np.float64),
            **{
                name: y_stage > 0 for name, y_stage in stages.items() if not np.isnan(y_stage).any()
            },
        }
    )
