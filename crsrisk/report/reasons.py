"""Drivers: what the model looks at, over all held-out patients, one row a clinical variable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from crsrisk.data.explanation import Explanation
from crsrisk.data.risk_model import Variable
from crsrisk.report.drawing import bar_end
from crsrisk.wording import number, typeset

_CLEAR = 0.3  # rank correlation from which a direction is said
_MIN_PATIENTS = 10  # with a known value

_KINDS = {"cause": "cause in the simulator", "marker": "marker", "mediator": "part of the reaction"}


def drivers_section(explanation: Explanation) -> dict[str, Any]:
    """Mean size of each variable's contribution, largest first, and the direction in which it
    works.
    """
    sizes = 100 * np.abs(explanation.points).mean(axis=0)
    log_odds = np.abs(explanation.contributions).mean(axis=0)
    rows = []
    for at in np.argsort(-sizes, kind="stable"):
        variable = explanation.variables[at]
        rows.append(
            {
                "variable": variable.name,
                "label": typeset(variable.label),
                "theme": variable.theme,
                "kind": variable.kind,
                "role": variable.role,
                "mean_points": round(float(sizes[at]), 6),
                "mean_log_odds": round(float(log_odds[at]), 6),
                "why": typeset(variable.why),
                "direction": direction(
                    explanation.values.iloc[:, at],
                    explanation.contributions[:, at],
                    variable=variable,
                ),
            }
        )
    highest = bar_end([row["mean_points"] for row in rows])
    columns = [
        {"label": "Mean change", "sub": "of 100 patients"},
        {"label": "", "sub": ""},
        {"label": "Direction", "sub": "", "is_text": True},
        {"label": "Group", "sub": "", "is_text": True},
        {"label": "In the simulator", "sub": "", "is_text": True},
    ]
    table = {
        "key": "table-drivers",
        "number": "11",
        "title": "What drives the model",
        "row_header": "Clinical variable",
        "columns": columns,
        "groups": [
            {
                "label": "",
                "rows": [
                    {
                        "label": row["label"],
                        "note": "",
                        "cells": [
                            number(row["mean_points"], digits=1),
                            {"draw": "bar", "value": row["mean_points"], "highest": highest},
                            row["direction"],
                            row["theme"],
                            _KINDS[row["kind"]] + (", lever" if row["role"] == "lever" else ""),
                        ],
                    }
                    for row in rows
                ],
            }
        ],
        "notes": [
            (
                "Mean over held-out patients of the absolute contribution (exact Shapley values of"
                " the calibrated model, summed over the features of a variable), as change of the"
                " risk of 100 patients. Direction: rank correlation of value and contribution of"
                " 0.3 or more."
            ),
            (
                "Lever: the treating team can change it. Marker: travels with causes without an"
                " effect of its own."
            ),
        ],
    }
    return {
        "rows": rows,
        "table": table,
        "n_patients": len(explanation.values),
        "base_risk": float(explanation.base_risk),
        "notice": explanation.notice,
    }


def direction(
    values: pd.Series[Any], contributions: NDArray[np.float64], *, variable: Variable
) -> str:
    """How a variable works on the risk, in words.

    >>> variable = Variable(name="x", label="X", unit="1", kind="cause", role="fact", theme="host", why="")
    >>> direction(pd.Series(np.arange(20.0)), np.arange(20.0), variable=variable)
    'higher raises'
    """
    known = values.dropna()
    if known.map(lambda cell: isinstance(cell, str)).any():
        return "differs by " + variable.label.lower()
    at = np.flatnonzero(values.notna().to_numpy())
    is_flag = known.map(lambda cell: isinstance(cell, bool | np.bool_)).all()
    numbers = known.astype(np.float64).to_numpy()
    if len(at) < _MIN_PATIENTS or np.ptp(numbers) == 0 or np.ptp(contributions[at]) == 0:
        return "too few differ"
    correlation = float(np.corrcoef(rankdata(numbers), rankdata(contributions[at]))[0, 1])
    word = "yes" if is_flag else "higher"
    if abs(correlation) < _CLEAR:
        return "mixed"
    return f"{word} {'raises' if correlation > 0 else 'lowers'}"
