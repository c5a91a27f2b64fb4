"""Explain a table: every row with risk, interval, reasons and warnings, compactly; nothing simulated, nothing dropped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from crsrisk.domain.bedside_estimate import RiskEstimate
from crsrisk.domain.explanation import Reason
from crsrisk.errors import InputError, OutputError
from crsrisk.journey.at_landmark import read_known
from crsrisk.journey.explain import GRADES, BedsideModel, estimates
from crsrisk.learn.explain import explain, reasons
from crsrisk.read.files import write_json, write_table_stream
from crsrisk.report.bedside import N_DOWN, N_UP
from crsrisk.report.explain_content import RULE
from crsrisk.report.words import NOTICE


def explain_table(
    bedside: BedsideModel, table: Path, *, units: Mapping[str, str], mapping: Mapping[str, str],
    ldh_upper_limit_u_l: float | None, out: Path | None = None,
) -> dict[str, Any]:
    """Every row of a file in its order: estimates and reasons, or why it was refused. With ``out`` (.csv, .parquet or
    .json) it is written there.

    Raises :class:`InputError` for a table that cannot be read as a whole.
    """
    if out is not None and out.suffix.lower() not in (".csv", ".parquet", ".json"):
        raise OutputError(where=str(out), key="--out", found=f"the suffix {out.suffix!r}",
                          expected=".csv, .parquet or .json", cure="end the file name with one of these")
    if out is not None and out.resolve() == table.resolve():
        raise OutputError(where=str(out), key="--out", found="the table that is explained", expected="another file",
                          cure="give the results a name of their own")
    contract = bedside.model.contract
    read = read_known(table, columns=contract.column_names, hour=contract.landmark_h, units=units, mapping=mapping,
                      ldh_upper_limit_u_l=ldh_upper_limit_u_l).table
    explained = _rows(bedside, read.frame)
    rows = [{"patient_id": _plain(read.patient_ids.loc[row]), **(explained[row] if row in explained else
             {"status": "refused", "notes": read.reasons[row]})} for row in read.patient_ids.index]
    tree = {"format": "crsrisk explanations 1", "notice": NOTICE, "model": bedside.model.label,
            "outcome": contract.outcome_in_words, "window_d": dict(contract.window_d), "landmark_h": contract.landmark_h,
            "rule": RULE, "n_rows": len(rows), "n_refused": sum(one["status"] == "refused" for one in rows), "rows": rows}
    if out is not None and out.suffix.lower() == ".json":
        write_json(out, tree)
    elif out is not None:
        write_table_stream(out, iter([flat(tree)]))
    return tree


def refusal(tree: Mapping[str, Any], *, where: Path) -> InputError | None:
    """The first refused row as an error, with the number of all; None when every row was explained."""
    for number, row in enumerate(tree["rows"]):
        if row["status"] == "refused":
            return InputError(where=str(where), key=f"row {number + 1}", found=row["notes"],
                              expected="values that the model can use",
                              cure=f"correct the row ({tree['n_refused']} of {tree['n_rows']} rows refused, the others "
                                   "explained)")
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
            "status": str(status["status"]), "notes": str(status["reasons"]), "missing": str(status["missing"]),
            "risks": {grade: _estimate(found[grade][k]) for grade in GRADES if grade in found},
            "start_of_100": round(100 * told.base_risk), "up": [_reason(one) for one in up],
            "down": [_reason(one) for one in down],
            "rest_of_100": sum(one.whole_points for one in all_reasons if one not in (*up, *down))}
    return made


def _estimate(one: RiskEstimate) -> dict[str, Any]:
    return {"risk": one.value, "low": one.low, "high": one.high, "is_held": one.is_held}


def _reason(one: Reason) -> dict[str, Any]:
    return {"variable": one.variable, "of_100": one.whole_points, "kind": one.kind, "role": one.role,
            "sentence": one.sentence}


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
        row |= {f"raises_{k + 1}": one["up"][k]["sentence"] if k < len(one.get("up", [])) else "" for k in range(N_UP)}
        row |= {f"lowers_{k + 1}": one["down"][k]["sentence"] if k < len(one.get("down", [])) else "" for k in range(N_DOWN)}
        rows.append({**row, "notes": one["notes"], "missing": one.get("missing", "")})
    frame = pd.DataFrame(rows)
    numbers = [name for name in frame.columns if name.startswith(("risk_", "low_", "high_"))]
    return frame.astype(dict.fromkeys(numbers, float)).assign(patient_id=frame["patient_id"])
