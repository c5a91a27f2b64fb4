"""A trial and its eight patients, made by hand: what every figure of them is can be counted."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.data.published_figures import METRIC_MEANINGS, PublishedFigure, Trial

# eight patients, weekly doses: three without CRS, then worst grades 1, 1, 2, 3, 4
OUTCOMES = pd.DataFrame(
    {
        "max_grade": [0, 0, 0, 1, 1, 2, 3, 4],
        "n_episodes": [0, 0, 0, 1, 2, 1, 3, 1],
        "onset_h": [nan, nan, nan, 12.0, 180.0, 20.0, 40.0, 340.0],
        "onset_grade2plus_h": [nan, nan, nan, nan, nan, 24.0, 172.0, 342.0],
        "duration_h": [nan, nan, nan, 24.0, 48.0, 72.0, 96.0, nan],
        "resolution_d": [nan, nan, nan, 2.0, 3.0, 4.0, 5.0, nan],
        "peak_temperature_c": [36.9, 38.0, 37.2, 38.2, 38.5, 39.1, 40.0, 40.4],
        "n_tocilizumab": [0, 0, 0, 0, 0, 1, 2, 3],
        "has_steroid_rescue": [False] * 6 + [True, True],
        "has_oxygen": [False] * 5 + [True, True, True],
        "has_vasopressor": [False] * 6 + [True, True],
        "grade_after_dose_1": [0, 0, 0, 1, 0, 2, 1, 0],
        "grade_after_dose_2": [0, 0, 0, 0, 1, 0, 3, 0],
        "grade_after_dose_3": [0, 0, 0, 0, 1, 0, 2, 4],
        "grade_after_dose_4": [-1] * 8,
        **{
            f"grade_{system}": [0, 0, 0, 1, 1, 2, 3, 4]
            for system in ("ctcae_4", "ctcae_5", "penn", "mskcc", "cartox")
        },
        "grade_lee_2014": [0, 0, 0, 1, 3, 2, 3, 4],
        "window_d": [28.0] * 8,
    }
)


def figure_by_hand(
    metric: str = "crs_any_rate", of: str = "patients", **change: Any
) -> PublishedFigure:
    clock = "recent_dose" if METRIC_MEANINGS[metric].needs_clock else None
    return PublishedFigure.model_validate(
        {
            "id": f"X_{metric}_{of}",
            "metric": metric,
            "of": of,
            "value": 0.5,
            "clock": clock,
            "citation": "a paper",
            "source_kind": "FOUND",
            "confidence": "high",
            "note": "",
            **change,
        }
    )


def trial_by_hand(*figures: PublishedFigure, **change: Any) -> Trial:
    return Trial.model_validate(
        {
            "name": "a_trial",
            "label": "A trial",
            "product": "tarlatamab",
            "n_patients": 100,
            "grading": "ASTCT",
            "window_d": 28.0,
            "window_reason": "one cycle",
            "dose_times_h": [0.0, 168.0, 336.0],
            "overlaps": [],
            "rows": [figure.model_dump() for figure in figures],
            **change,
        }
    )


def outcomes_by_hand(n: int, seed: int = 1, window_d: float = 28.0) -> pd.DataFrame:
    """An outcomes table without any medicine in it: hand-made patients drawn with replacement."""
    rows = np.random.default_rng(seed).integers(0, len(OUTCOMES), n)
    return OUTCOMES.iloc[rows].reset_index(drop=True).assign(window_d=window_d)
