"""Explain a table, and what `crsrisk explain` writes and prints for a patient or a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from crsrisk.data.account import grouped
from crsrisk.data.explanation import INTERVAL_NAMES, PatientRisk, Reason
from crsrisk.data.files import write_json, write_table_stream, write_text
from crsrisk.data.patient import template
from crsrisk.data.risk_model import CANNOT
from crsrisk.data.table_files import Source
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find
from crsrisk.model.explain import explain
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.report.bedside import N_DOWN, N_UP
from crsrisk.report.explanation import Changes, PatientExplanation
from crsrisk.report.explanation_words import NOT_AVAILABLE, RULE
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.studies.explain import ExplainableModel, explain_patient, patient_risks
from crsrisk.studies.predict import (
    INSTEAD,
    Tell,
    of_known_products,
    read_known,
    tell_account,
    told_by_row,
)
from crsrisk.terminal import Console, steps
from crsrisk.wording import hours_in_words, of_100

AT_MOST = 40  # rows printed
SUFFIXES = (".csv", ".parquet", ".json")


@dataclass(frozen=True, kw_only=True)
class ExplainedRow:
    """One row of a table: its risks and largest reasons, or why it was refused.

    ``status``: ok, warned, cannot estimate or refused; ``notes``: why, or what to be warned of.
    Whole patients of 100: the reasons start at ``start_of_100``, and all that are not shown add
    ``rest_of_100``.
    """

    patient_id: int | str
    status: str
    notes: str
    missing: str = ""
    risk: PatientRisk | None = None
    start_of_100: int | None = None
    up: tuple[Reason, ...] = ()
    down: tuple[Reason, ...] = ()
    rest_of_100: int | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class ExplainedTable(Result):
    """Every row of a table explained, in the order of the file, or why it has no number; nothing is
    simulated or dropped.

    ``grade3plus`` says why there is no risk of grade 3 or more; "" where there is one.
    """

    format: str
    notice: str
    model: str
    outcome: str
    window_d: Mapping[str, float]
    landmark_h: int
    grade3plus: str
    rule: str
    n_rows: int
    n_refused: int
    n_cannot_estimate: int
    rows: tuple[ExplainedRow, ...]

    def summary(self) -> str:
        """How many rows were explained by which model."""
        lines = (
            f"{self.n_rows} rows, {self.n_refused} refused, {self.n_cannot_estimate} {CANNOT},"
            f" model {self.model}: {self.outcome}."
        )
        return " ".join(text for text in (lines, self.grade3plus, self.notice) if text)

    def to_frame(self) -> pd.DataFrame:
        """One row a patient: `risk`, `risk_low`, `risk_high` (the interval shown first, which holds
        what `interval` says), `risk_refit_low`, `risk_refit_high` (the refit range), the same of
        grade 3 or more, reasons as text.
        """
        frame = pd.DataFrame([_flat(row) for row in self.rows])
        numbers = [name for name in frame.columns if name.startswith("risk")]
        return frame.astype(dict.fromkeys(numbers, float)).assign(patient_id=frame["patient_id"])

    def refusal(self, *, where: Path) -> InputError | None:
        """The first refused row as an error, with the number of all; None when every row was
        explained.
        """
        for number, row in enumerate(self.rows):
            if row.status == "refused":
                return InputError(
                    where=str(where),
                    key=f"row {number + 1}",
                    found=row.notes,
                    expected="values that the model can use",
                    cure=(
                        f"correct the row ({self.n_refused} of {self.n_rows} rows refused, the"
                        " others explained)"
                    ),
                )
        return None


def explain_table(
    table: Source,
    *,
    model: str | Path | RiskModel | ExplainableModel,
    reading: TableReading = AS_NAMED,
    out: Path | None = None,
    tell: Tell | None = None,
) -> ExplainedTable:
    """Every row of a file in its order: estimates and reasons, or why it was refused.

    Parameters
    ----------
    table : path or frame
        One row a patient: CSV, .xlsx, .parquet, a frame, or whatever else
        :func:`crsrisk.read_patients` reads.
    model : path, name of a released model, RiskModel or ExplainableModel
        A model of grade 2 or more.
    reading : TableReading, optional
        What is stated about the table: names, units, codes, limits, times.
    out : path, optional
        Where it is written, too: .csv, .parquet or .json.
    tell : callable, optional
        Hears the account of the table: what was refused, converted and left out.

    Raises
    ------
    InputError
        For a table that cannot be read as a whole.
    OutputError
        For an ``out`` of another kind, and for the table itself.
    """
    if out is not None:
        _check_out(out, table)
    explainable = ExplainableModel.of(model)
    contract = explainable.model.contract
    read = read_known(
        table,
        columns=contract.column_names,
        hour=contract.landmark_h,
        reading=reading,
    ).table
    if tell is not None:
        tell(grouped(read.account))
    read = of_known_products(explainable.model, read, where=read.source.where)
    rows_of_file = read.patient_ids.index.to_numpy(dtype=np.int64).tolist()
    ids = dict(zip(rows_of_file, map(_as_number, read.patient_ids), strict=True))
    by_row = _explained(explainable, read.frame, ids=ids)
    for row, told in told_by_row(read, columns=contract.column_names).items():
        if row in by_row:
            one = by_row[row]
            status = "warned" if one.status == "ok" else one.status
            by_row[row] = replace(one, notes=f"{one.notes} {told}".strip(), status=status)
    rows = tuple(
        by_row[row]
        if row in by_row
        else ExplainedRow(patient_id=patient, status="refused", notes=read.reasons[row])
        for row, patient in ids.items()
    )
    explained = ExplainedTable(
        format="crsrisk explanations 2",
        notice=explainable.model.provenance.page_notice,
        model=explainable.model.label,
        outcome=contract.outcome_in_words,
        window_d=dict(contract.window_d),
        landmark_h=contract.landmark_h,
        grade3plus=NOT_AVAILABLE if explainable.companions.grade3plus is None else "",
        rule=RULE,
        n_rows=len(rows),
        n_refused=sum(row.status == "refused" for row in rows),
        n_cannot_estimate=sum(row.status == CANNOT for row in rows),
        rows=rows,
    )
    if out is not None and out.suffix.lower() == ".json":
        write_json(out, explained)
    elif out is not None:
        write_table_stream(out, iter([explained.to_frame()]))
    return explained


def _check_out(out: Path, table: Source) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise OutputError(
            where=str(out),
            key="--out",
            found=f"the suffix {out.suffix!r}",
            expected=".csv, .parquet or .json",
            cure="end the file name with one of these",
        )
    if isinstance(table, str | Path) and out.resolve() == Path(table).resolve():
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is explained",
            expected="another file",
            cure="give the results a name of their own",
        )


def _explained(
    model: ExplainableModel, observed: pd.DataFrame, *, ids: Mapping[int, int | str]
) -> dict[int, ExplainedRow]:
    if observed.empty:
        return {}
    predicted = model.model.predict(observed)
    rows = {}
    for place in np.flatnonzero(~predicted.has_risk).tolist():
        row, account = int(observed.index[place]), predicted.rows.iloc[place]
        rows[row] = ExplainedRow(
            patient_id=ids[row],
            status=str(account["status"]),
            notes=str(account["reasons"]) + (INSTEAD if account["status"] == CANNOT else ""),
            missing=str(account["missing"]),
        )
    observed = observed[predicted.has_risk]
    if observed.empty:
        return rows
    explained = explain(model.model, observed)
    risks = patient_risks(model, observed)
    for place, row in enumerate(observed.index):
        if explained.prediction.is_refused[place]:
            notes = str(explained.prediction.rows["reasons"].iloc[place])
            rows[int(row)] = ExplainedRow(patient_id=ids[int(row)], status="refused", notes=notes)
            continue
        reasons = explained.reasons(place)
        up = tuple(reason for reason in reasons if reason.whole_points > 0)[:N_UP]
        down = tuple(reason for reason in reasons if reason.whole_points < 0)[:N_DOWN]
        account = explained.prediction.rows.iloc[place]
        rows[int(row)] = ExplainedRow(
            patient_id=ids[int(row)],
            status=str(account["status"]),
            notes=str(account["reasons"]),
            missing=str(account["missing"]),
            risk=risks[place],
            start_of_100=round(100 * float(explained.base_risk[place])),
            up=up,
            down=down,
            rest_of_100=sum(
                reason.whole_points for reason in reasons if reason not in (*up, *down)
            ),
        )
    return rows


def _as_number(patient: object) -> int | str:
    """A patient's number, where it is one and would be written back the same."""
    text = str(patient)
    return int(text) if text.isdecimal() and (text == "0" or text[0] != "0") else text


def _flat(row: ExplainedRow) -> dict[str, int | float | str]:
    nothing = Estimate(nan)
    risk = row.risk.grade2plus if row.risk is not None else nothing
    severe = (row.risk.grade3plus if row.risk is not None else None) or nothing
    of_refits = row.risk.refit_range or row.risk if row.risk is not None else None
    refits = of_refits.grade2plus if of_refits is not None else nothing
    severe_refits = (of_refits.grade3plus if of_refits is not None else None) or nothing
    return {
        "patient_id": row.patient_id,
        "status": row.status,
        "risk": risk.value,
        "risk_low": risk.low,
        "risk_high": risk.high,
        "risk_refit_low": refits.low,
        "risk_refit_high": refits.high,
        "risk_grade3plus": severe.value,
        "risk_grade3plus_low": severe.low,
        "risk_grade3plus_high": severe.high,
        "risk_grade3plus_refit_low": severe_refits.low,
        "risk_grade3plus_refit_high": severe_refits.high,
        "interval": row.risk.holds if row.risk is not None and risk.has_interval else "",
        **{f"raises_{k + 1}": _sentence(row.up, k) for k in range(N_UP)},
        **{f"lowers_{k + 1}": _sentence(row.down, k) for k in range(N_DOWN)},
        "notes": row.notes,
        "missing": row.missing,
    }


def _sentence(reasons: tuple[Reason, ...], place: int) -> str:
    return reasons[place].sentence if place < len(reasons) else ""


# What the command does: answers on the terminal, and files.


def answer_template(product: str, *, model: str | None, out: Path | None) -> str:
    """A patient file to fill in, with the course where ``model`` speaks some hours after the first
    dose; with ``out`` it is written there, and what is said is where.
    """
    landmark_h = 0 if model is None else load_model(find("released", model)).contract.landmark_h
    text = template(load_product(product), landmark_h=landmark_h)
    if out is None:
        return text
    write_text(out, text)
    return f"Wrote {out}: write your values over the made-up ones\n"


def answer_patient(
    model: str,
    patient: Path,
    *,
    html: Path | None,
    seed: int,
    has_simulation: bool,
    n_members: int,
    n_people: int,
    workers: int,
    unknown_product: bool = False,
) -> PatientExplanation:
    """Explain one patient; with ``html`` the page is written there."""
    explainable = ExplainableModel.of(model)
    with steps() as begin:
        explained = explain_patient(
            patient,
            model=explainable,
            seed=seed,
            has_simulation=has_simulation,
            n_members=n_members,
            n_people=n_people,
            workers=workers,
            unknown_product=unknown_product,
            advance=(
                begin("Simulating patients like this one", n_members) if has_simulation else None
            ),
        )
    if html is not None:
        explained.to_html(html)
    return explained


def print_patient(explained: PatientExplanation, *, html: Path | None) -> None:
    """The page in short, on the terminal: the same order, warnings first."""
    console = Console(width=max(min(Console().width, 120), 80), markup=False, highlight=False)

    def say(text: str, *, lead: str = "") -> None:
        console.print(Text(f"{lead}{text}"))

    say(f"{explained.label}: {explained.therapy.product}, regimen {explained.therapy.regimen}")
    for warning in explained.warnings:
        say(warning.text, lead="  ! ")
    spreads = dict(explained.assumptions.items()) if explained.assumptions is not None else {}
    for grade, risk in explained.risks.items():
        say(f"\n{risk.sentence}")
        say(f"{risk.interval} {risk.refit_range}".strip(), lead="  ")
        if grade in spreads:
            say(spreads[grade].sentence, lead="  ")
    if explained.risks.not_available:
        say(f"\n{explained.risks.not_available}")
    if isinstance(explained.estimate, NotEstimable):
        for _, spread in spreads.items():
            say(spread.sentence, lead="  ")
    if explained.reference is not None:
        say(f"\n{explained.reference.sentence}")
    _say_reasons(explained, say)
    _print_changes(console, explained.changes)
    page = f" Page: {html}" if html is not None else " --html FILE writes the page."
    say(f"\n{explained.notice}{page}")


def _say_reasons(explained: PatientExplanation, say: Callable[..., None]) -> None:
    """The reasons for and against, where there is a number to give them for."""
    reasons = explained.reasons
    say(f"\n{reasons.start}")
    if isinstance(explained.estimate, NotEstimable):
        return
    for heading, shown in (("Raises the risk:", reasons.up), ("Argues against:", reasons.down)):
        say(heading)
        for reason in shown:
            marks = f"[{reason.kind}, {reason.role}]"
            say(f"{reason.of_100:+d}".rjust(4) + f"  {reason.sentence} {marks}", lead="  ")
        if not shown:
            say("  +0  no variable, by 1 of 100 or more", lead="  ")
    say(f"{reasons.rest} {reasons.notice}")


def _print_changes(console: Console, changes: Changes) -> None:
    if not changes.rows:
        console.print(Text(f"\nWhat would change it: {changes.none}"))
        return
    table = Table(
        title="What would change it (levers; simulated; patients of 100)", title_justify="left"
    )
    for name in (
        "change",
        "grade >= 2",
        "difference ± Monte Carlo error",
        "over assumptions",
        "grade >= 3",
    ):
        table.add_column(name, justify="left" if name == "change" else "right")
    for change in changes.rows:
        cells = (change.label, change.of_100, change.points, change.range, change.severe)
        table.add_row(*(Text(cell) for cell in cells))
    console.print()
    console.print(table)
    console.print(Text(f"{changes.none} {changes.notice}".strip()))


def answer_table(
    model: str,
    table: Path,
    *,
    reading: TableReading = AS_NAMED,
    out: Path | None,
    is_printed: bool,
) -> ExplainedTable:
    """Explain every row; printed in short unless it is wanted as data."""
    explained = explain_table(
        table,
        model=model,
        reading=reading,
        out=out,
        tell=tell_account if is_printed else None,
    )
    if is_printed:
        _print_rows(explained, out=out)
    return explained


def _named(rows: tuple[ExplainedRow, ...]) -> str:
    """What the intervals of the rows are called, each name once."""
    holds = dict.fromkeys(row.risk.holds for row in rows if row.risk is not None)
    return "; ".join(INTERVAL_NAMES[one] for one in holds) or "no interval"


def refusal(explained: ExplainedTable, *, where: Path) -> InputError | None:
    """The first refused row as an error; None when every row was explained."""
    return explained.refusal(where=where)


def _print_rows(explained: ExplainedTable, *, out: Path | None) -> None:
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    hour = explained.landmark_h
    begin = f"later than {hours_in_words(hour)} and " if hour else ""
    shown = Table(
        title=(
            f"{explained.outcome} {begin}within the window after the first dose, of 100"
            f" ({_named(explained.rows)})"
        )
    )
    for name in ("patient", "risk", "interval", "strongest reasons", "notes"):
        shown.add_column(name, overflow="fold")
    for row in explained.rows[:AT_MOST]:
        risk = span = "-"
        if row.risk is not None:
            estimate = row.risk.grade2plus
            risk = str(of_100(estimate.value))
            if estimate.has_interval:
                span = f"{of_100(estimate.low)} to {of_100(estimate.high)}"
        why = ", ".join(
            f"{reason.variable} {reason.whole_points:+d}" for reason in (*row.up[:2], *row.down[:1])
        )
        shown.add_row(*(Text(str(cell)) for cell in (row.patient_id, risk, span, why, row.notes)))
    console.print(shown)
    if len(explained.rows) > AT_MOST:
        console.print(
            f"... and {len(explained.rows) - AT_MOST} more rows: use --out or --json for all of"
            " them"
        )
    if explained.grade3plus:
        console.print(explained.grade3plus, soft_wrap=True)
    console.print(
        f"rows {explained.n_rows}, refused {explained.n_refused}, {CANNOT}"
        f" {explained.n_cannot_estimate}. {explained.notice}"
        + (f" Wrote {out}" if out is not None else ""),
        soft_wrap=True,
    )
