"""Probe: what a model really does with a row alone, a gap, an impossible value and an unknown product.

A report that says how poor input is handled should have tried it. Each probe changes a few of the given patients and
scores them; nothing is assumed from the code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.learn.predict import predict

N_ROWS = 12
UNKNOWN = "a_product_that_nobody_knows"


@dataclass(frozen=True)
class Probe:
    """What was found. ``alone_equals_batch``: same risk to the last bit. ``accepts_gaps``: columns that may be empty and
    gave a risk for every row when they were; ``rejects_gaps``: those that did not. ``refuses_impossible``: impossible
    numbers that were refused, of ``n_impossible`` tried. ``warns_of_unknown_product``: None where there is no product.
    """

    n_rows: int
    alone_equals_batch: bool
    accepts_gaps: tuple[str, ...]
    rejects_gaps: tuple[str, ...]
    refuses_impossible: int
    n_impossible: int
    warns_of_unknown_product: bool | None


def probe(model: RiskModel, observed: pd.DataFrame) -> Probe:
    """Probe a model with the first rows of a table of its kind."""
    rows = observed.head(N_ROWS).reset_index(drop=True)
    together = predict(model, rows).risk
    alone = np.array([predict(model, rows.iloc[[at]]).risk[0] for at in range(len(rows))])
    optional = [column.name for column in model.contract.columns if column.may_be_missing]
    accepted = [name for name in optional if _accepts_gap(model, rows, name)]
    bounded = [column for column in model.contract.columns if column.kind == "number" and column.possible is not None]
    refused = [bool(predict(model, _with(rows, column.name, 2 * abs(column.possible[1]) + 1)).is_refused.all())
               for column in bounded if column.possible is not None]
    warns = None
    if "product" in [column.name for column in model.contract.columns]:
        status = predict(model, _with(rows, "product", UNKNOWN)).rows["status"]
        warns = bool((status != "ok").all())
    return Probe(
        n_rows=len(rows), alone_equals_batch=bool(np.array_equal(together, alone, equal_nan=True)),
        accepts_gaps=tuple(accepted), rejects_gaps=tuple(sorted(set(optional) - set(accepted))),
        refuses_impossible=sum(refused), n_impossible=len(refused), warns_of_unknown_product=warns)


def _accepts_gap(model: RiskModel, rows: pd.DataFrame, name: str) -> bool:
    try:
        found = predict(model, _with(rows, name, None))
    except InputError:
        return False
    return bool(np.isfinite(found.risk[~predict(model, rows).is_refused]).all())


def _with(rows: pd.DataFrame, name: str, value: float | str | None) -> pd.DataFrame:
    filled = pd.Series([value] * len(rows), dtype=object if isinstance(value, str) else np.float64, index=rows.index)
    return rows.assign(**{name: filled})
