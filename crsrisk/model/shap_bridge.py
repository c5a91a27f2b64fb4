"""Shap bridge: our explanation as a ``shap.Explanation``, so that every plot of the shap package
works on it.

The only module that imports shap; the values themselves never need it.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

# shap builds its colour maps with calls that matplotlib is about to retire
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

from crsrisk.data.explanation import Explanation


def to_shap(explanation: Explanation) -> Any:
    """A ``shap.Explanation`` on the calibrated log-odds scale, one column a clinical variable.

    ``data`` holds numbers (yes = 1; words, such as the product, as NaN, which shap draws in grey),
    ``display_data`` what a person reads.
    """
    shown = explanation.values
    numbers = shown.apply(lambda column: pd.to_numeric(column.map(_number)))
    return shap.Explanation(
        values=explanation.contributions,
        base_values=np.full(len(shown), explanation.base_log_odds),
        data=numbers.to_numpy(dtype=np.float64),
        display_data=shown.to_numpy(dtype=object),
        feature_names=[variable.label for variable in explanation.variables],
        output_names="log-odds of " + explanation.prediction.outcome_in_words,
    )


def _number(cell: object) -> float:
    return np.nan if isinstance(cell, str) or cell is None else float(cell)  # type: ignore[arg-type]
