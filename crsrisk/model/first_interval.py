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
from crsrisk.model.features import build_features
from crsrisk.model.predict import raw_log_odds
from crsrisk.model.refits import refit_range
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.world_spread import interval

Floats = NDArray[np.float64]


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
    log_odds = model.calibrator.log_odds(raw_log_odds(model, observed))
    n, refits, worlds = len(log_odds), beside.refits, beside.worlds
    refit_sd, nothing = np.zeros(n), np.full(n, np.nan)
    refit_low = refit_high = nothing
    if refits is not None:
        table = build_features(observed, names=model.contract.feature_names)
        refit_sd = np.std(refits.log_odds(table.to_numpy(dtype=np.float64)), axis=0, ddof=1)
        refit_low, refit_high = refit_range(log_odds, refit_sd, n=len(refits))
    if worlds is None:
        holds = "" if refits is None else "refitting"
        return FirstInterval(refit_low, refit_high, refit_low, refit_high, [holds] * n)
    product, platform = (_words(observed, name) for name in ("product", "platform"))
    low, high = interval(worlds, log_odds, refit_sd, product=product, platform=platform)
    named: list[IntervalHolds | str] = [
        "refitting and assumptions"
        if one in worlds.products
        else "refitting, assumptions and products"
        for one in product
    ]
    return FirstInterval(low, high, refit_low, refit_high, named)


def _words(observed: pd.DataFrame, name: str) -> list[str]:
    if name not in observed.columns:
        return [""] * len(observed)
    return [str(word) for word in observed[name].fillna("")]
