"""Evaluate a column of risks that another model gave, beside the outcomes in the same table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk import __version__
from crsrisk.data.cells import MISSING_WORDS
from crsrisk.data.files import sha256_of, write_json, write_text
from crsrisk.data.outcomes import read_outcome
from crsrisk.data.provenance import origin_of
from crsrisk.data.table_files import SourceTable, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.errors import InputError
from crsrisk.evaluation.evaluate import evaluate
from crsrisk.evaluation.parts import parts_of
from crsrisk.evaluation.subgroups import subgroups
from crsrisk.report.evaluation_facts import EvaluationData
from crsrisk.report.pages import render_evaluation
from crsrisk.report.risk_column import RiskColumnEvaluation, build_risk_column_evaluation
from crsrisk.results import Estimate, NotEstimable
from crsrisk.studies.evaluate import THRESHOLD, check_threshold, group_line
from crsrisk.studies.evaluated_table import groups_by
from crsrisk.wording import estimate_in_words, number

Floats = NDArray[np.float64]
FILES = ("evaluation.json", "evaluation.html")
_NAMED = 5  # rows that a message names


def evaluate_risk_column(
    table: Path,
    *,
    risk: str,
    outcome: str,
    at_least: float | None = None,
    by: Sequence[str] = (),
    threshold: float = THRESHOLD,
    seed: int = 1,
    n_resamples: int = 300,
    reading: TableReading = AS_NAMED,
) -> RiskColumnEvaluation:
    """Evaluate the risks (0 to 1) in one column of a table against the outcome in another.

    No other column is needed. A column `product` gives results within and by product, `site` and
    the columns ``by`` results by group. Rows without a risk or an outcome are left out and counted.
    ``at_least``: the outcome is a grade, and the event is this grade or more. ``reading``: how the
    file is written, and what codes of the outcome stand for.

    Raises
    ------
    InputError
        For a column that is not there, a risk that is none, and where only one outcome occurs.
    """
    check_threshold(threshold)
    opened = open_table(table, reading.dialect)
    cells, where = opened.cells, opened.where
    risks = _risks(opened, column=risk)
    outcomes = read_outcome(opened, column=outcome, at_least=at_least, reading=reading)
    has_risk, has_outcome = ~np.isnan(risks), ~np.isnan(outcomes)
    keep = has_risk & has_outcome
    y_true = outcomes[keep] > 0
    if len(set(y_true.tolist())) < 2:
        raise InputError(
            where=where,
            key=outcome,
            found=f"{int(y_true.sum())} events in {y_true.size} patients with a risk",
            expected="patients with and without the event",
            cure="take more patients, or another outcome",
        )
    named = [name for name in ("product", "site") if name in cells.columns and name not in by]
    words = {
        name: groups[keep]
        for name, groups in groups_by(cells, by=[*named, *by], where=where).items()
    }
    products = words.pop("product", None) if "product" not in by else words["product"]
    event = outcome if at_least is None else f"{outcome} of {at_least:g} or more"
    data = EvaluationData(
        who=f"the {int(keep.sum())} patients of {table.name}",
        source=(
            "The patients were simulated, as the manifest beside the table says."
            if origin_of(table) == "simulated"
            else "Where the patients come from is not known to the program."
        ),
        is_synthetic=origin_of(table) == "simulated",
        n_overlap=None,
        eligibility="All rows with a risk and a known outcome.",
        outcome_from=f"The outcome is the table's own, its column {event}.",
        flow=_flow(len(cells), keep, has_risk, has_outcome),
        split="",
        differences="",
    )
    # products of matrices on several threads differ in their last digits from run to run
    with threadpool_limits(1):
        evaluation = evaluate(
            y_true,
            risks[keep],
            groups=products,
            outcome_name=event,
            patients=data.who,
            seed=seed,
            n_resamples=n_resamples,
        )
        parted = subgroups(
            y_true,
            risk=risks[keep],
            product=np.zeros(int(keep.sum()), dtype="U1") if products is None else products,
            parts=parts_of(pd.DataFrame(index=range(int(keep.sum()))), measured=(), by=words),
            threshold=threshold,
            seed=seed,
            n_resamples=n_resamples,
        )
    return build_risk_column_evaluation(
        column=risk,
        event=event,
        data=data,
        evaluation=evaluation,
        subgroups=parted,
        threshold=threshold,
        manifest={
            "risk": risk,
            "outcome": event,
            "by": list(by),
            "version": __version__,
            "seed": seed,
            "n_resamples": n_resamples,
            "table_sha256": sha256_of(table),
        },
    )


def _flow(
    n_rows: int,
    keep: NDArray[np.bool_],
    has_risk: NDArray[np.bool_],
    has_outcome: NDArray[np.bool_],
) -> str:
    gone = [
        f"{int(count)} {why}"
        for count, why in (
            ((~has_risk).sum(), "have no risk"),
            ((has_risk & ~has_outcome).sum(), "have no outcome"),
        )
        if count
    ]
    return f"{n_rows} rows; {int(keep.sum())} evaluated; " + (
        f"left out: {', '.join(gone)}." if gone else "none left out."
    )


def _risks(opened: SourceTable, *, column: str) -> Floats:
    """A column of risks, NaN where the cell is empty; every cell that is no risk is named."""
    cells, where = opened.cells, opened.where
    if column not in cells.columns:
        raise InputError(
            where=where,
            key=f"--risk {column}",
            found="no such column",
            expected=f"a column of risks ({', '.join(map(str, cells.columns))})",
            cure="correct the name",
        )
    texts = [
        "" if missing else str(cell).strip()
        for cell, missing in zip(cells[column], cells[column].isna(), strict=True)
    ]
    is_missing = np.array([text.lower() in MISSING_WORDS for text in texts], dtype=bool)
    numbers = opened.numbers(column)
    bad = np.flatnonzero(~is_missing & ~((numbers >= 0) & (numbers <= 1)))
    if bad.size:
        raise InputError(
            where=where,
            key=f"row {', '.join(str(row + 1) for row in bad[:_NAMED])}, column {column}",
            found=", ".join(repr(texts[row]) for row in bad[:_NAMED])
            + (f" ({bad.size} cells in all)" if bad.size > _NAMED else ""),
            expected="risks from 0 to 1, or empty cells",
            cure="divide by 100 if the whole column is in percent, or empty the cells",
        )
    return np.where(is_missing, np.nan, numbers)


def write_risk_column(
    evaluation: RiskColumnEvaluation, *, html: Path | None, out: Path | None
) -> list[str]:
    """Write the page, a folder with page and figures, or both; returns what was written."""
    written = []
    if html is not None:
        write_text(html, render_evaluation(evaluation))
        written.append(str(html))
    if out is not None:
        write_json(out / FILES[0], evaluation.to_dict())
        write_text(out / FILES[1], render_evaluation(evaluation))
        written += [str(out / name) for name in FILES]
    return written


def risk_column_lines(evaluation: RiskColumnEvaluation) -> list[str]:
    """What the terminal says."""
    pooled, calibration = evaluation.evaluation.pooled, evaluation.evaluation.pooled.calibration
    rows: dict[str, Estimate | NotEstimable] = {"AUROC": pooled.auroc}
    if evaluation.evaluation.by_group:
        rows["AUROC within products"] = evaluation.evaluation.auroc_within_groups
    rows |= {
        "Brier score": pooled.brier,
        "Scaled Brier score": pooled.scaled_brier,
        "Observed / expected": calibration.observed_to_expected,
        "Calibration slope": calibration.slope,
        "Calibration intercept (slope fixed at 1)": calibration.in_the_large,
    }
    clipped = pooled.n_risks_clipped
    return [
        evaluation.title,
        evaluation.data.flow,
        f"{evaluation.event}: {number(pooled.n, digits=0)} patients,"
        f" {number(pooled.n_events, digits=0)} with the event",
        *(f"  {name}: {estimate_in_words(figure)} (95% interval)" for name, figure in rows.items()),
        *([f"  {clipped} risks of 0 or 1 were moved by 1e-6 for logarithms"] if clipped else []),
        *(group_line(group) for group in evaluation.subgroups),
        evaluation.notice,
    ]
