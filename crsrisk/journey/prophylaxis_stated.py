"""Prophylaxis as stated: curves and subgroups of a table of patients under one risk ratio and one price of harm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk.decide.policy_table import interval
from crsrisk.decide.targeting import at_or_above, top_share
from crsrisk.errors import InputError
from crsrisk.read.cells import MISSING_WORDS
from crsrisk.read.files import read_csv_cells, read_parquet_cells

Floats = NDArray[np.float64]
START_GRID = tuple(round(0.01 * k, 2) for k in range(61))  # thresholds of risk, in the curve of net benefit
SHARES = tuple(round(0.05 * k, 2) for k in range(21))  # of patients treated, in the curve of doses
FEWEST, MOST_LEVELS = 30, 12  # patients of a subgroup that is shown; words of a column before numbers are cut in two
UNKNOWN = "not known"


def stated_curve(
    risk: Floats, event: Floats, *, ratio: float, harm: float, weights: Floats, ratios: Floats
) -> dict[str, Any]:
    """Net benefit for 100 patients of everybody and of those at or above t*, against the harm of a treated patient.

    The band of the second is of resampled patients (``weights``) and of the risk ratio (``ratios``, one a resample).
    """
    found: dict[str, Any] = {"harm": [start * (1.0 - ratio) for start in START_GRID], "all": [], "by_risk": [], "low": [],
                             "high": []}
    for start, price in zip(START_GRID, found["harm"], strict=True):
        treated = at_or_above(risk, start)
        draws = 100.0 * ((1.0 - ratios) * (weights @ (treated * event)) - price * (weights @ treated))
        low, high = np.quantile(draws, [0.025, 0.975])
        found["all"].append(100.0 * ((1.0 - ratio) * float(event.mean()) - price))
        found["by_risk"].append(100.0 * float((treated * ((1.0 - ratio) * event - price)).mean()))
        found["low"].append(float(low))
        found["high"].append(float(high))
    return {**found, "harm_now": harm}


def stated_doses(risk: Floats, event: Floats, *, ratio: float) -> dict[str, list[float]]:
    """Events averted for 100 patients by the share that can be treated: by risk and at random."""
    def averted(score: Floats) -> list[float]:
        return [float(100.0 * (1.0 - ratio) * (top_share(score, share) * event).mean()) for share in SHARES]

    return {"share": list(SHARES), "by_risk": averted(risk), "random": averted(np.zeros(len(risk)))}


def read_groups(path: Path, *, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of a table as words for subgroups; numbers of many values are cut at their median.

    Raises :class:`InputError` for a column that is not there, or that has a word for almost everybody.
    """
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    found = pd.DataFrame(index=cells.index)
    for column in columns:
        if column not in cells.columns:
            raise InputError(where=str(path), key=column, found="no such column", cure="name a column of the table",
                             expected=f"a column for subgroups among {', '.join(str(name) for name in cells.columns)}")
        found[column] = _words(cells[column], where=str(path))
    return found


def _words(cells: pd.Series[Any], *, where: str) -> pd.Series[Any]:
    texts = ["" if is_missing else str(cell).strip() for cell, is_missing in zip(cells, pd.isna(cells), strict=True)]
    words = pd.Series([UNKNOWN if text.lower() in MISSING_WORDS else text for text in texts], index=cells.index)
    known = words[words != UNKNOWN]
    if known.nunique() <= MOST_LEVELS:
        return words
    number = pd.to_numeric(known, errors="coerce")
    if number.isna().any():
        raise InputError(where=where, key=str(cells.name), found=f"{known.nunique()} different words",
                         expected=f"at most {MOST_LEVELS}, or numbers", cure="group them before, or name another column")
    middle = float(number.median())
    return words.mask(words != UNKNOWN, pd.Series(np.where(number > middle, f"above {middle:g}", f"up to {middle:g}"),
                                                  index=known.index))


def stated_subgroups(
    groups: pd.DataFrame, risk: Floats, event: Floats, *, threshold: float, ratio: float, harm: float, n_resamples: int,
    seed: int, has_outcome: bool,
) -> list[dict[str, Any]]:
    """Each subgroup under the common threshold: who is treated and found, calibration, and net benefit with its interval.

    One risk ratio for everybody, so that what differs is risk and how well it is told. Groups of fewer than 30 are left out.
    """
    treated, rng = at_or_above(risk, threshold), np.random.default_rng(seed)
    rows = []
    for column in groups.columns:
        for word in sorted(groups[column].unique()):
            members = (groups[column] == word).to_numpy()
            n = int(members.sum())
            if n < FEWEST:
                continue
            had, given = event[members], treated[members]
            value = given * ((1.0 - ratio) * had - harm)
            draws = rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples) / n @ value
            rows.append({
                "group": f"{column}: {word}", "n": n, "risk_per_100": 100.0 * float(had.mean()),
                "treated_per_100": 100.0 * float(given.mean()),
                "sensitivity": float((given * had).sum() / had.sum()) if had.sum() > 0 else None,
                "ppv": float((given * had).sum() / given.sum()) if given.sum() > 0 else None,
                "calibration_log_odds": _gap(had, risk[members]) if has_outcome else None,
                "net_benefit": interval(100.0 * float(value.mean()), 100.0 * draws).as_dict(),
            })
    return rows


def _gap(event: Floats, risk: Floats) -> float:
    """Log odds of the observed rate less those of the mean risk."""
    ends = 1e-6, 1.0 - 1e-6
    return float(logit(np.clip(event.mean(), *ends)) - logit(np.clip(risk.mean(), *ends)))
