"""Evaluated table: the patients of a table whose outcomes are known, scored by a model; read in
pieces where it can be, so that of very many patients a few bytes each are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.account import KINDS, Tally
from crsrisk.data.outcomes import read_outcome
from crsrisk.data.provenance import Origin, Patients, origin_of
from crsrisk.data.risk_model import FeatureContract
from crsrisk.data.rows_digest import RowsDigest
from crsrisk.data.table_files import Source, SourceTable
from crsrisk.data.table_pieces import Piece, TablePieces, in_pieces
from crsrisk.data.table_reading import TableReading
from crsrisk.data.tables import NOT_STATED
from crsrisk.data.whole_columns import WholeColumns
from crsrisk.errors import InputError
from crsrisk.evaluation.leaks import N_ROWS
from crsrisk.evaluation.parts import Traits, joined_words, words_of
from crsrisk.model.risk_model import RiskModel
from crsrisk.studies.predict import Tell, of_known_products, read_known
from crsrisk.studies.training_table import joined_rows

Floats = NDArray[np.float64]
Outcomes = NDArray[np.bool_]

MOST_GROUPS = 30  # of a column of --by


def may_be_missing(contract: FeatureContract) -> tuple[str, ...]:
    """Columns that may be empty."""
    return tuple(column.name for column in contract.columns if column.may_be_missing)


def groups_by(cells: pd.DataFrame, *, by: Sequence[str], where: str) -> dict[str, NDArray[np.str_]]:
    """Columns of a table as the words of groups, "not stated" where empty.

    Raises :class:`InputError` for a column that is not there, or with more groups than can be
    evaluated one by one.
    """
    groups: dict[str, NDArray[np.str_]] = {}
    for name in by:
        if name not in cells.columns:
            raise InputError(
                where=where,
                key=f"--by {name}",
                found="no such column",
                expected=f"a column of the table ({', '.join(map(str, cells.columns))})",
                cure="correct the name",
            )
        words = [
            NOT_STATED if missing or not str(cell).strip() else str(cell).strip()
            for cell, missing in zip(cells[name], cells[name].isna(), strict=True)
        ]
        check_groups(name, set(words), where=where)
        groups[name] = np.array(words, dtype=np.str_)
    return groups


def check_groups(name: str, words: set[str], *, where: str) -> None:
    """Refuse a column with more groups than can be evaluated one by one."""
    if len(words) > MOST_GROUPS:
        raise InputError(
            where=where,
            key=f"--by {name}",
            found=f"{len(words)} different values",
            expected=f"at most {MOST_GROUPS} groups of patients",
            cure="put neighbouring values together in a column of words, and name that",
        )


@dataclass(frozen=True, eq=False)
class EvaluatedTable:
    """Patients of a table who can be evaluated, their outcomes and risks.

    ``head``: the first of them; ``products`` and ``traits``: what parts them; ``n_missing``: by
    column that may be empty, how many are without; ``digest``: of all of them. ``left_out``: why
    rows are not among them -> how many. ``outcome_is``: the column of the outcome, in words.
    ``origin``: whether this package simulated them. ``made_the_model``: the step of the model's
    making that they were, if any. ``by``: further columns whose groups have results of their own.
    ``has_window``: whether the table names the window in which the outcome was counted.
    """

    name: str
    y_true: Outcomes
    risk: Floats
    products: pd.Categorical
    traits: Traits
    head: pd.DataFrame
    n_missing: Mapping[str, int]
    digest: str
    n_rows: int
    left_out: Mapping[str, int]
    outcome_is: str
    origin: Origin
    made_the_model: Patients | None
    by: tuple[str, ...]
    has_window: bool = False


@dataclass(frozen=True, eq=False)
class _Judged:
    """What is kept of the patients of one piece."""

    y_true: Outcomes
    risk: Floats
    products: pd.Categorical
    traits: Traits


@dataclass
class _Gathered:
    """What is gathered over the pieces.

    ``same``: the rows that a model can have been made by, as long as they are no more than those
    that made it.
    """

    model: RiskModel
    tally: Tally = field(default_factory=Tally)
    unread: Tally = field(default_factory=Tally)
    n_rows: int = 0
    n_usable: int = 0
    n_judged: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    n_missing: Counter[str] = field(default_factory=Counter)
    digest: RowsDigest = field(default_factory=RowsDigest)
    judged: list[_Judged] = field(default_factory=list)
    head: pd.DataFrame | None = None
    words: dict[str, set[str]] = field(default_factory=dict)
    same: list[pd.DataFrame] | None = field(default_factory=list)

    def keep_same(self, rows: pd.DataFrame) -> None:
        """Rows that are judged, while they may be those that made the model."""
        self.n_judged += len(rows)
        most = max((step.n_patients for step in self.model.provenance.steps), default=0)
        if self.same is not None:
            self.same.append(rows)
            if self.n_judged > most:
                self.same = None

    def made_the_model(self) -> Patients | None:
        """The step of the model's making that the rows were, if any."""
        if not self.same:
            return None
        return self.model.provenance.made_by(joined_rows(self.same))


def read_evaluated(
    model: RiskModel,
    table: Source,
    *,
    outcome: str,
    at_least: float | None,
    by: Sequence[str],
    unknown_product: bool,
    product_files: Sequence[Path],
    reading: TableReading,
    tell: Tell | None,
) -> EvaluatedTable:
    """Read the table, score its patients, and leave out who cannot be evaluated."""
    pieces = in_pieces(table, reading=reading, columns=model.contract.column_names)
    gathered = _Gathered(model)
    has_window = False
    for piece in pieces:
        has_window = _gather(
            gathered,
            piece,
            pieces.whole,
            outcome=outcome,
            at_least=at_least,
            by=by,
            unknown_product=unknown_product,
            product_files=product_files,
            reading=reading,
        )
    _finish_account(gathered, pieces, tell=tell)
    if not gathered.judged:
        raise _one_outcome(gathered, pieces, outcome, np.zeros(0, dtype=np.bool_))
    y_true = np.concatenate([one.y_true for one in gathered.judged])
    if len(set(np.unique(y_true).tolist())) < 2:
        raise _one_outcome(gathered, pieces, outcome, y_true)
    return EvaluatedTable(
        name=pieces.name,
        y_true=y_true,
        risk=np.concatenate([one.risk for one in gathered.judged]),
        products=joined_words([one.products for one in gathered.judged]),
        traits=Traits.joined([one.traits for one in gathered.judged]),
        head=pd.DataFrame(gathered.head),
        n_missing=dict(gathered.n_missing),
        digest=gathered.digest.hexdigest(),
        n_rows=gathered.n_rows,
        left_out=dict(gathered.left_out),
        outcome_is=f"its column {outcome}"
        + ("" if at_least is None else f", {at_least:g} or more"),
        origin=origin_of(table),
        made_the_model=gathered.made_the_model(),
        by=tuple(by),
        has_window=has_window,
    )


def _gather(
    gathered: _Gathered,
    piece: Piece,
    whole: WholeColumns | None,
    *,
    outcome: str,
    at_least: float | None,
    by: Sequence[str],
    unknown_product: bool,
    product_files: Sequence[Path],
    reading: TableReading,
) -> bool:
    """Read and score a piece; returns whether it names the window of the outcome."""
    model, contract = gathered.model, gathered.model.contract
    known = read_known(
        piece.source,
        columns=contract.column_names,
        hour=contract.landmark_h,
        reading=reading,
        whole=whole,
    )
    source = known.table.source
    read = of_known_products(
        model,
        known.table,
        where=source.where,
        unknown_product=unknown_product,
        product_files=product_files,
    )
    gathered.unread.add(known.table.account, after=piece.after)
    gathered.tally.add(read.account, after=piece.after)
    gathered.n_rows += read.n_rows
    gathered.n_usable += len(known.table.frame)
    is_kept = known.table.frame.index.isin(read.frame.index)
    rows = read.frame.index.to_numpy() - 1
    outcomes = read_outcome(source, column=outcome, at_least=at_least, reading=reading)[rows]
    groups = groups_by(source.cells, by=by, where=source.where)
    for name, words in groups.items():
        gathered.words.setdefault(name, set()).update(words.tolist())
        check_groups(name, gathered.words[name], where=source.where)
    has_window = _check_window(source, rows, read.frame, model)
    is_sure, has_outcome = ~known.is_unsure[is_kept], np.isfinite(outcomes)
    is_judged = has_outcome & is_sure  # the rows that `train` takes
    if len(read.frame):
        predicted = model.predict(read.frame, unknown_product=True)
        risk, has_risk, is_refused = predicted.risk, predicted.has_risk, predicted.is_refused
    else:
        risk, has_risk = np.zeros(0), np.zeros(0, dtype=np.bool_)
        is_refused = has_risk
    keep = is_judged & has_risk
    left_out = {
        **known.left_out(),
        "have no outcome": int((~has_outcome & is_sure).sum()),
        "are of a product that the model was not trained on": int(
            (~is_kept & ~known.is_unsure).sum()
        ),
        "are refused by the model": int((is_judged & is_refused).sum()),
        "are too far from its training patients for an estimate": int(
            (is_judged & ~has_risk & ~is_refused).sum()
        ),
    }
    for why, n in left_out.items():
        gathered.left_out[why] += n
    gathered.keep_same(read.frame.loc[is_judged, list(contract.column_names)])
    if keep.any():
        observed = read.frame.loc[keep].reset_index(drop=True)
        _keep(
            gathered,
            observed,
            outcomes[keep].astype(np.bool_),
            risk[keep],
            {name: words[rows][keep] for name, words in groups.items()},
        )
    return has_window


def _keep(
    gathered: _Gathered,
    observed: pd.DataFrame,
    y_true: Outcomes,
    risk: Floats,
    by: Mapping[str, NDArray[np.str_]],
) -> None:
    """Keep of patients who are judged what their evaluation needs."""
    measured = may_be_missing(gathered.model.contract)
    for name in measured:
        if name in observed:
            gathered.n_missing[name] += int(observed[name].isna().sum())
    gathered.digest.add(observed.assign(patient_id=observed["patient_id"].astype(str)))
    if gathered.head is None or len(gathered.head) < N_ROWS:
        there = [] if gathered.head is None else [gathered.head]
        gathered.head = pd.concat([*there, observed.head(N_ROWS)], ignore_index=True).head(N_ROWS)
    products = words_of(observed["product"].fillna(NOT_STATED))
    traits = Traits.of(observed, measured=measured, by=by)
    gathered.judged.append(_Judged(y_true, risk, products, traits))


def _finish_account(gathered: _Gathered, pieces: TablePieces, *, tell: Tell | None) -> None:
    """Tell the account of the reading; raise all refusals where they leave no row to judge by."""
    if pieces.whole is not None:
        for tally in (gathered.unread, gathered.tally):
            tally.add(pieces.whole.notes())
    if tell is not None:
        tell(gathered.unread.troubles(KINDS))
    if not gathered.n_usable:
        problem = gathered.unread.refusal(where=pieces.where, n_rows=gathered.n_rows)
        if problem is not None:
            raise problem


def _one_outcome(
    gathered: _Gathered, pieces: TablePieces, outcome: str, y_true: Outcomes
) -> InputError:
    refused = gathered.tally.refusal(where=pieces.where, n_rows=gathered.n_rows)
    told = "" if refused is None else f"; of the table: {refused}"
    return InputError(
        where=pieces.where,
        key=outcome,
        found=f"{int(y_true.sum())} events in {y_true.size} patients who can be evaluated",
        expected="patients with and without the event",
        cure=f"take more patients, or another outcome{told}",
    )


def _check_window(
    table: SourceTable, rows: NDArray[np.int64], observed: pd.DataFrame, model: RiskModel
) -> bool:
    """Whether the table says over how many days the outcome was counted; :class:`InputError` where
    it is another time.
    """
    if "window_d" not in table.cells.columns:
        return False
    given = table.numbers("window_d")[rows]
    wanted = np.array(
        [
            model.contract.window_of(platform)
            for platform in observed["platform"].to_numpy(dtype=str)
        ]
    )
    if (wrong := given != wanted).any():
        at = int(np.argmax(wrong))
        raise InputError(
            where=table.where,
            key=f"row {table.after + rows[at] + 1}, window_d",
            found=f"{given[at]:g} days",
            expected=f"{wanted[at]:g} days, over which {model.label} counts the outcome",
            cure="take the outcome within that window, or a model of the table's window",
        )
    return True
