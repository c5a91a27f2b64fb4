"""Drivers: what the model looks at, over all held-out patients, one row a clinical variable."""

from __future__ import annotations

from typing import Any

import numpy as np

from crsrisk.data.explanation import Explanation, direction
from crsrisk.report.drawing import bar_end
from crsrisk.wording import number, typeset

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
