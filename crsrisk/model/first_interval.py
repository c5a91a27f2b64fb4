"""First interval: what is shown beside a risk of a table, from what stands beside the model: over
refitting and assumptions where it is known what they leave open, else the refit range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.explanation import IntervalHolds
from crsrisk.model.companions import Companions
from crsrisk.model.features import columns_needed, feature_array, read_columns
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.predict import Columns, fill_of, filled
from crsrisk.model.refits import refit_range
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.world_spread import interval

Floats = NDArray[np.float64]
_THERAPY = ("product", "platform")


@dataclass(frozen=True, eq=False)
class FirstInterval:
    """Ends of the interval shown first (0-1, NaN without any), and of the refit range, shape
    (patients,) each; ``holds`` says what the first holds, "" where there is none.
    """

    low: Floats
    high: Floats
    refit_low: Floats
    refit_high: Floats
    holds: list[IntervalHolds | str]


def first_interval(model: RiskModel, beside: Companions, observed: pd.DataFrame) -> FirstInterval:
    """The intervals of every row's risk; rows must be such that the model can score them."""
    names = dict.fromkeys(columns_needed(model.contract.feature_names))
    names |= {name: None for name in _THERAPY if name in observed.columns}
    return first_interval_of(model, beside, read_columns(observed, columns=names))


def first_interval_of(model: RiskModel, beside: Companions, columns: Columns) -> FirstInterval:
    """:func:`first_interval` for columns that are read."""
    table = feature_array(columns, names=model.contract.feature_names)
    raw = raw_log_odds_by(forest_of(model.booster_text), filled(table, fill_of(model)))
    log_odds = model.calibrator.log_odds(raw)
    n, refits, worlds = len(log_odds), beside.refits, beside.worlds
    refit_sd, nothing = np.zeros(n), np.full(n, np.nan)
    refit_low = refit_high = nothing
    if refits is not None:
        refit_sd = np.std(refits.log_odds(table), axis=0, ddof=1)
        refit_low, refit_high = refit_range(log_odds, refit_sd, n=len(refits))
    if worlds is None:
        holds = "" if refits is None else "refitting"
        return FirstInterval(refit_low, refit_high, refit_low, refit_high, [holds] * n)
    product, platform = (
        [str(word) for word in columns[name]] if name in columns else [""] * n for name in _THERAPY
    )
    low, high = interval(worlds, log_odds, refit_sd, product=product, platform=platform)
    named: list[IntervalHolds | str] = [
        "refitting and assumptions"
        if one in worlds.products
        else "refitting, assumptions and products"
        for one in product
    ]
    return FirstInterval(low, high, refit_low, refit_high, named)
