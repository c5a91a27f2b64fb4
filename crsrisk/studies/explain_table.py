"""Explain answers: what `crsrisk explain` writes and prints for a patient or a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crsrisk.data.explanation import Reason, RiskEstimate
from crsrisk.data.files import write_json, write_table_stream, write_text
from crsrisk.data.patient import template
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find
from crsrisk.model.explain import explain, reasons
from crsrisk.model.store import load_model
from crsrisk.progress import steps
from crsrisk.report.bedside import N_DOWN, N_UP
from crsrisk.report.explanation import RULE
from crsrisk.report.pages import render_explanation
from crsrisk.studies.explain import GRADES, BedsideModel, estimates, explain_patient, load_bedside
from crsrisk.studies.predict import read_known
from crsrisk.wording import NOTICE, hours_in_words, of_100

# Explain a table: every row with risk, interval, reasons and warnings, compactly; nothing
# simulated, nothing dropped.


def explain_table(
    bedside: BedsideModel,
    table: Path,
    *,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Every row of a file in its order: estimates and reasons, or why it was refused. With ``out``
    (.csv, .parquet or .json) it is written there.

    Raises :class:`InputError` for a table that cannot be read as a whole.
    """
    if out is not None and out.suffix.lower() not in (".csv", ".parquet", ".json"):
        raise OutputError(
            where=str(out),
            key="--out",
            found=f"the suffix {out.suffix!r}",
            expected=".csv, .parquet or .json",
            cure="end the file name with one of these",
        )
    if out is not None and out.resolve() == table.resolve():
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is explained",
            expected="another file",
            cure="give the results a name of their own",
        )
    contract = bedside.model.contract
    read = read_known(
        table,
        columns=contract.column_names,
        hour=contract.landmark_h,
        units=units,
        mapping=mapping,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
    ).table
    explained = _rows(bedside, read.frame)
    rows = [
        {
            "patient_id": _plain(read.patient_ids.loc[row]),
            **(
                explained[row]
                if row in explained
                else {"status": "refused", "notes": read.reasons[row]}
            ),
        }
        for row in read.patient_ids.index
    ]
    tree = {
        "format": "crsrisk explanations 1",
        "notice": NOTICE,
        "model": bedside.model.label,
        "outcome": contract.outcome_in_words,
        "window_d": dict(contract.window_d),
        "landmark_h": contract.landmark_h,
        "rule": RULE,
        "n_rows": len(rows),
        "n_refused": sum(one["status"] == "refused" for one in rows),
        "rows": rows,
    }
    if out is not None and out.suffix.lower() == ".json":
        write_json(out, tree)
    elif out is not None:
        write_table_stream(out, iter([flat(tree)]))
    return tree


def refusal(tree: Mapping[str, Any], *, where: Path) -> InputError | None:
    """The first refused row as an error, with the number of all; None when every row was
    explained.
    """
    for number, row in enumerate(tree["rows"]):
        if row["status"] == "refused":
            return InputError(
                where=str(where),
                key=f"row {number + 1}",
                found=row["notes"],
                expected="values that the model can use",
                cure=(
                    f"correct the row ({tree['n_refused']} of {tree['n_rows']} rows refused, the"
                    " others explained)"
                ),
            )
    return None


def _rows(bedside: BedsideModel, observed: pd.DataFrame) -> dict[int, dict[str, Any]]:
    if observed.empty:
        return {}
    told = explain(bedside.model, observed)
    found = estimates(bedside, observed)
    made = {}
    for k, row in enumerate(observed.index):
        all_reasons = reasons(told, k)
        up = [one for one in all_reasons if one.whole_points > 0][:N_UP]
        down = [one for one in all_reasons if one.whole_points < 0][:N_DOWN]
        status = told.prediction.rows.iloc[k]
        made[int(row)] = {
            "status": str(status["status"]),
            "notes": str(status["reasons"]),
            "missing": str(status["missing"]),
            "risks": {grade: _estimate(found[grade][k]) for grade in GRADES if grade in found},
            "start_of_100": round(100 * told.base_risk),
            "up": [_reason(one) for one in up],
            "down": [_reason(one) for one in down],
            "rest_of_100": sum(one.whole_points for one in all_reasons if one not in (*up, *down)),
        }
    return made


def _estimate(one: RiskEstimate) -> dict[str, Any]:
    return {"risk": one.value, "low": one.low, "high": one.high, "is_held": one.is_held}


def _reason(one: Reason) -> dict[str, Any]:
    return {
        "variable": one.variable,
        "of_100": one.whole_points,
        "kind": one.kind,
        "role": one.role,
        "sentence": one.sentence,
    }


def _plain(patient: object) -> object:
    text = str(patient)
    return int(text) if text.isdecimal() and (text == "0" or text[0] != "0") else text


def flat(tree: Mapping[str, Any]) -> pd.DataFrame:
    """The rows as a table: one a patient, reasons as text."""
    rows = []
    for one in tree["rows"]:
        risks = one.get("risks", {})
        row: dict[str, Any] = {"patient_id": one["patient_id"], "status": one["status"]}
        for grade in GRADES:
            for name, key in (("risk", "risk"), ("low", "low"), ("high", "high")):
                row[f"{name}_crs_{grade}"] = risks.get(grade, {}).get(key)
        row |= {
            f"raises_{k + 1}": one["up"][k]["sentence"] if k < len(one.get("up", [])) else ""
            for k in range(N_UP)
        }
        row |= {
            f"lowers_{k + 1}": one["down"][k]["sentence"] if k < len(one.get("down", [])) else ""
            for k in range(N_DOWN)
        }
        rows.append({**row, "notes": one["notes"], "missing": one.get("missing", "")})
    frame = pd.DataFrame(rows)
    numbers = [name for name in frame.columns if name.startswith(("risk_", "low_", "high_"))]
    return frame.astype(dict.fromkeys(numbers, float)).assign(patient_id=frame["patient_id"])


__all__ = [
    "answer_patient",
    "answer_table",
    "answer_template",
    "check_options",
    "print_patient",
    "refusal",
]
AT_MOST = 40  # rows printed


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


def check_options(
    model: str | None,
    patient: Path | None,
    *,
    table: Path | None,
    html: Path | None,
    out: Path | None,
) -> None:
    """Refuse a command that asks for nothing, or for two things at once."""
    problem = None
    if model is None:
        problem = ("MODEL", "nothing", "a model's folder and a patient file, or --template PRODUCT")
    elif (patient is None) == (table is None):
        problem = (
            "PATIENT",
            "both a patient and --table" if table else "neither a patient nor --table",
            "one of the two",
        )
    elif table is not None and html is not None:
        problem = (
            "--html",
            "a page for a table",
            "--html with one patient, --out or --json with --table",
        )
    elif table is None and out is not None:
        problem = (
            "--out",
            "an output table for one patient",
            "--html or --json with one patient, --out with --table",
        )
    if problem is not None:
        raise InputError(
            where="explain",
            key=problem[0],
            found=problem[1],
            expected=problem[2],
            cure="crsrisk explain patient --help shows the forms of the command",
        )


def model_of(model: str) -> BedsideModel:
    """The model of a folder, or of the name of a released one."""
    return load_bedside(find("released", model))


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
) -> dict[str, Any]:
    """Explain one patient; with ``html`` the page is written there."""
    bedside = model_of(model)
    with steps() as begin:
        content = explain_patient(
            bedside,
            patient,
            seed=seed,
            has_simulation=has_simulation,
            n_members=n_members,
            n_people=n_people,
            workers=workers,
            advance=(
                begin("Simulating patients like this one", n_members) if has_simulation else None
            ),
        )
    if html is not None:
        write_text(html, render_explanation(content))
    return content


def print_patient(content: Mapping[str, Any], *, html: Path | None) -> None:
    """The page in short, on the terminal: the same order, warnings first."""
    console = Console(width=max(min(Console().width, 120), 80), markup=False, highlight=False)

    def say(text: str, *, lead: str = "") -> None:
        console.print(Text(f"{lead}{text}"))

    say(
        f"{content['label']}: {content['therapy']['product']}, regimen"
        f" {content['therapy']['regimen']}"
    )
    for one in content["warnings"]:
        say(one["text"], lead="  ! ")
    for key, one in content["risks"].items():
        say(f"\n{one['sentence']}")
        say(one["interval"], lead="  ")
        if content["assumptions"] is not None:
            say(content["assumptions"][key]["sentence"], lead="  ")
    if content["reference"] is not None:
        say(f"\n{content['reference']['sentence']}")
    reasons = content["reasons"]
    say(f"\n{reasons['start']}")
    for heading, rows in (
        ("Raises the risk:", reasons["up"]),
        ("Argues against:", reasons["down"]),
    ):
        say(heading)
        for row in rows or [
            {"sentence": "no variable, by 1 of 100 or more", "of_100": 0, "kind": "-", "role": "-"}
        ]:
            say(f"{row['of_100']:+4d}  {row['sentence']} [{row['kind']}, {row['role']}]", lead="  ")
    say(f"{reasons['rest']} {reasons['notice']}")
    _print_changes(console, content["changes"])
    say(
        f"\n{content['notice']}"
        + (f" Page: {html}" if html is not None else " --html FILE writes the page.")
    )


def _print_changes(console: Console, changes: Mapping[str, Any]) -> None:
    if not changes["rows"]:
        console.print(Text(f"\nWhat would change it: {changes['none']}"))
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
    for row in changes["rows"]:
        table.add_row(*(Text(row[key]) for key in ("label", "of_100", "points", "range", "severe")))
    console.print()
    console.print(table)
    console.print(Text(f"{changes['none']} {changes['notice']}".strip()))


def answer_table(
    model: str,
    table: Path,
    *,
    units: Mapping[str, str],
    mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None,
    out: Path | None,
    is_printed: bool,
) -> dict[str, Any]:
    """Explain every row; printed in short unless it is wanted as data."""
    tree = explain_table(
        model_of(model),
        table,
        units=units,
        mapping=mapping,
        ldh_upper_limit_u_l=ldh_upper_limit_u_l,
        out=out,
    )
    if is_printed:
        _print_rows(tree, out=out)
    return tree


def _print_rows(tree: Mapping[str, Any], *, out: Path | None) -> None:
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    begin = f"later than {hours_in_words(tree['landmark_h'])} and " if tree["landmark_h"] else ""
    shown = Table(
        title=(
            f"{tree['outcome']} {begin}within the window after the first dose, of 100 (range from"
            " refits)"
        )
    )
    for name in ("patient", "risk", "range", "strongest reasons", "notes"):
        shown.add_column(name, overflow="fold")
    for row in tree["rows"][:AT_MOST]:
        one = row.get("risks", {}).get("grade2plus")
        risk = "-" if one is None else str(of_100(one["risk"]))
        span = (
            "-"
            if one is None or one["low"] is None
            else f"{of_100(one['low'])} to {of_100(one['high'])}"
        )
        why = ", ".join(
            f"{reason['variable']} {reason['of_100']:+d}"
            for reason in [*row.get("up", [])[:2], *row.get("down", [])[:1]]
        )
        shown.add_row(
            *(Text(str(cell)) for cell in (row["patient_id"], risk, span, why, row["notes"]))
        )
    console.print(shown)
    if len(tree["rows"]) > AT_MOST:
        console.print(
            f"... and {len(tree['rows']) - AT_MOST} more rows: use --out or --json for all of them"
        )
    console.print(
        f"rows {tree['n_rows']}, refused {tree['n_refused']}. {tree['notice']}"
        + (f" Wrote {out}" if out is not None else ""),
        soft_wrap=True,
    )
