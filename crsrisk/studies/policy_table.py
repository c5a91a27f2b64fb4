"""Prophylaxis for a table of patients: risks from a column or a model, effect and harms as stated,
nothing counterfactual.

A table of real patients shows no potential outcomes. What prophylaxis would do is an input here,
with its interval; the answer says what follows from it, and how wrong it may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from crsrisk import __version__
from crsrisk.data.columns import MISSING_WORDS
from crsrisk.data.files import read_csv_cells, read_parquet_cells
from crsrisk.data.outcomes import read_outcome
from crsrisk.data.potential_outcomes import Harms
from crsrisk.data.tables import read_patients
from crsrisk.data.world_files import load_assumptions
from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import auroc
from crsrisk.folders import find
from crsrisk.model.store import load_model
from crsrisk.policy.table import (
    Interval,
    PolicyRow,
    assumed_effects,
    at_or_above,
    interval,
    resamples,
    top_share,
)
from crsrisk.policy.tipping import tipping_points
from crsrisk.report.policy import table_content
from crsrisk.results import Estimate
from crsrisk.studies.policy_cohort import usable
from crsrisk.studies.policy_request import StatedEffect, TableRequest, checked_effect

# Prophylaxis as stated: curves and subgroups of a table of patients under one risk ratio and one
# price of harm.


# thresholds of risk, in the curve of net benefit
START_GRID = tuple(round(0.01 * k, 2) for k in range(61))
SHARES = tuple(round(0.05 * k, 2) for k in range(21))  # of patients treated, in the curve of doses
# patients of a subgroup that is shown; words of a column before numbers are cut in two
FEWEST, MOST_LEVELS = 30, 12
UNKNOWN = "not known"


def stated_curve(
    risk: Floats, event: Floats, *, ratio: float, harm: float, weights: Floats, ratios: Floats
) -> dict[str, Any]:
    """Net benefit for 100 patients of everybody and of those at or above t*, against the harm of a
    treated patient.

    The band of the second is of resampled patients (``weights``) and of the risk ratio (``ratios``,
    one a resample).
    """
    found: dict[str, Any] = {
        "harm": [start * (1.0 - ratio) for start in START_GRID],
        "all": [],
        "by_risk": [],
        "low": [],
        "high": [],
    }
    for start, price in zip(START_GRID, found["harm"], strict=True):
        treated = at_or_above(risk, start)
        draws = 100.0 * (
            (1.0 - ratios) * (weights @ (treated * event)) - price * (weights @ treated)
        )
        low, high = np.quantile(draws, [0.025, 0.975])
        found["all"].append(100.0 * ((1.0 - ratio) * float(event.mean()) - price))
        found["by_risk"].append(100.0 * float((treated * ((1.0 - ratio) * event - price)).mean()))
        found["low"].append(float(low))
        found["high"].append(float(high))
    return {**found, "harm_now": harm}


def stated_doses(risk: Floats, event: Floats, *, ratio: float) -> dict[str, list[float]]:
    """Events averted for 100 patients by the share that can be treated: by risk and at random."""

    def averted(score: Floats) -> list[float]:
        return [
            float(100.0 * (1.0 - ratio) * (top_share(score, share) * event).mean())
            for share in SHARES
        ]

    return {"share": list(SHARES), "by_risk": averted(risk), "random": averted(np.zeros(len(risk)))}


def read_groups(path: Path, *, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of a table as words for subgroups; numbers of many values are cut at their median.

    Raises :class:`InputError` for a column that is not there, or that has a word for almost
    everybody.
    """
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    found = pd.DataFrame(index=cells.index)
    for column in columns:
        if column not in cells.columns:
            raise InputError(
                where=str(path),
                key=column,
                found="no such column",
                cure="name a column of the table",
                expected=(
                    f"a column for subgroups among {', '.join(str(name) for name in cells.columns)}"
                ),
            )
        found[column] = _words(cells[column], where=str(path))
    return found


def _words(cells: pd.Series[Any], *, where: str) -> pd.Series[Any]:
    texts = [
        "" if is_missing else str(cell).strip()
        for cell, is_missing in zip(cells, pd.isna(cells), strict=True)
    ]
    words = pd.Series(
        [UNKNOWN if text.lower() in MISSING_WORDS else text for text in texts], index=cells.index
    )
    known = words[words != UNKNOWN]
    if known.nunique() <= MOST_LEVELS:
        return words
    number = pd.to_numeric(known, errors="coerce")
    if number.isna().any():
        raise InputError(
            where=where,
            key=str(cells.name),
            found=f"{known.nunique()} different words",
            expected=f"at most {MOST_LEVELS}, or numbers",
            cure="group them before, or name another column",
        )
    middle = float(number.median())
    return words.mask(
        words != UNKNOWN,
        pd.Series(
            np.where(number > middle, f"above {middle:g}", f"up to {middle:g}"), index=known.index
        ),
    )


def stated_subgroups(
    groups: pd.DataFrame,
    risk: Floats,
    event: Floats,
    *,
    threshold: float,
    ratio: float,
    harm: float,
    n_resamples: int,
    seed: int,
    has_outcome: bool,
) -> list[dict[str, Any]]:
    """Each subgroup under the common threshold: who is treated and found, calibration, and net
    benefit with its interval.

    One risk ratio for everybody, so that what differs is risk and how well it is told. Groups of
    fewer than 30 are left out.
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
            rows.append(
                {
                    "group": f"{column}: {word}",
                    "n": n,
                    "risk_per_100": 100.0 * float(had.mean()),
                    "treated_per_100": 100.0 * float(given.mean()),
                    "sensitivity": (
                        float((given * had).sum() / had.sum()) if had.sum() > 0 else None
                    ),
                    "ppv": float((given * had).sum() / given.sum()) if given.sum() > 0 else None,
                    "calibration_log_odds": _gap(had, risk[members]) if has_outcome else None,
                    "net_benefit": interval(100.0 * float(value.mean()), 100.0 * draws).to_dict(),
                }
            )
    return rows


def _gap(event: Floats, risk: Floats) -> float:
    """Log odds of the observed rate less those of the mean risk."""
    ends = 1e-6, 1.0 - 1e-6
    return float(logit(np.clip(event.mean(), *ends)) - logit(np.clip(risk.mean(), *ends)))


Floats = NDArray[np.float64]
NOTICE = (
    "Research use; no potential outcomes are known of these patients: effect and harms are"
    " assumptions, no external validation; a design scenario, never advice on a patient."
)
_Z = 1.959963984540054


def read_risks(path: Path, *, column: str) -> Floats:
    """A column of risks, 0 to 1, one for every row; :class:`InputError` names the row that is
    not.
    """
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    if column not in cells.columns:
        raise InputError(
            where=str(path),
            key=column,
            found="no such column",
            cure="name the column that has it, or give a model",
            expected=f"a column of risks among {', '.join(str(name) for name in cells.columns)}",
        )
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells[column]):
        try:
            found[row] = float(cell)
        except (TypeError, ValueError):
            found[row] = np.nan
        if not 0.0 <= found[row] <= 1.0:
            raise InputError(
                where=str(path),
                key=f"row {row + 1}, column {column}",
                found=cell,
                expected="a risk from 0 to 1",
                cure="divide percentages by 100; leave out patients without a risk",
            )
    if not len(found):
        raise InputError(
            where=str(path),
            found="no patients",
            expected="one row a patient",
            cure="give another table",
        )
    return found


def weigh_table(asked: TableRequest) -> dict[str, Any]:
    """Policies for the patients of a table as one dictionary, ready for JSON and for the page.

    Raises :class:`InputError` for a table without the column, for a risk outside 0-1, an impossible
    ratio, a threshold at 0 or 1, and for risks from both or neither of column and model.
    """
    ratio, effect, harms = (
        checked_effect(asked),
        asked.effect,
        asked.weights.harms(load_assumptions()),
    )
    risk, origin = _risks(asked)
    event = (
        read_outcome(asked.path, column=asked.outcome)
        if asked.outcome
        else np.full(len(risk), np.nan)
    )
    known = ~np.isnan(event)
    counted = np.where(known, event, risk) if asked.outcome is None else event[known]
    risk = risk if asked.outcome is None else risk[known]
    if not len(risk):
        raise InputError(
            where=str(asked.path),
            key=str(asked.outcome),
            found="no patient with a known outcome",
            expected="some",
            cure="leave the outcome out, or fill the column",
        )
    stakes = assumed_effects(
        counted,
        risk_ratio=ratio,
        infections_added=effect.infections_added,
        responses_lost=effect.responses_lost,
    )
    ledger = stakes.ledger(harms)
    policies = _policies(risk, threshold=ledger.threshold, asked=asked)
    draws = _draws(len(risk), ratio=ratio, asked=asked)
    rows = _rows(policies, counted, draws, ratio=ratio, harms=harms, effect=effect)
    groups = read_groups(asked.path, columns=asked.groups)
    results = {
        "format": "crsrisk-prophylaxis-table-1",
        "notice": NOTICE,
        "setting": {
            "table": asked.path.name,
            "n_patients": len(risk),
            "n_left_out": int((~known).sum()) if asked.outcome else 0,
            "risks": origin,
            "outcome": asked.outcome or "not given: risks are taken as true",
            "seed": asked.seed,
            "version": __version__,
            "n_resamples": asked.n_resamples,
        },
        "stated": {
            "risk_ratio": {"value": ratio, "low": effect.low, "high": effect.high},
            "infections_added": effect.infections_added,
            "responses_lost": effect.responses_lost,
        },
        "ledger": {
            "rows": [
                {
                    "harm": row.harm,
                    "per_treated": row.per_treated,
                    "weight": row.weight,
                    "crs_units": row.crs_units,
                }
                for row in ledger.rows
            ],
            "harm": ledger.harm,
            "threshold": ledger.threshold,
        },
        "risk": {
            "mean": float(risk.mean()),
            "quantiles": np.quantile(risk, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(),
            "observed": float(counted.mean()) if asked.outcome else None,
            "auroc": _auroc(counted, risk) if asked.outcome else None,
        },
        "policies": [row.to_dict() for row in rows],
        "decision_curve": stated_curve(
            risk, counted, ratio=ratio, harm=ledger.harm, weights=draws[0], ratios=draws[1]
        ),
        "doses": stated_doses(risk, counted, ratio=ratio),
        "subgroups": stated_subgroups(
            groups[known] if asked.outcome else groups,
            risk,
            counted,
            threshold=ledger.threshold,
            ratio=ratio,
            harm=ledger.harm,
            n_resamples=asked.n_resamples,
            seed=asked.seed,
            has_outcome=asked.outcome is not None,
        ),
        "tipping_points": [point.to_dict() for point in tipping_points(stakes, harms=harms)],
    }
    return table_content(results)


def _risks(asked: TableRequest) -> tuple[Floats, str]:
    if asked.risk_column is not None:
        return read_risks(asked.path, column=asked.risk_column), f"column {asked.risk_column}"
    model = load_model(find("released", str(asked.model)))
    reading = asked.reading
    read = read_patients(
        asked.path,
        units=reading.units,
        mapping=reading.mapping,
        ldh_upper_limit_u_l=reading.ldh_upper_limit_u_l,
        strict=True,
    )
    return usable(model, read.frame), model.label


def _policies(risk: Floats, *, threshold: float, asked: TableRequest) -> dict[str, Floats]:
    n = len(risk)
    found = {
        "treat none": np.zeros(n),
        "treat all": np.ones(n),
        f"by risk, at t* = {threshold:.3g}": at_or_above(risk, threshold),
    }
    found |= {f"by risk, at {one:.2f}": at_or_above(risk, one) for one in asked.thresholds}
    for doses in asked.doses_per_100:
        found[f"{doses:g} doses per 100, at random"] = np.full(n, doses / 100.0)
        found[f"{doses:g} doses per 100, by risk"] = top_share(risk, doses / 100.0)
    return found


def _draws(n: int, *, ratio: float, asked: TableRequest) -> tuple[Floats, Floats]:
    """Resampled patients, and with each a risk ratio from its own interval where it has one."""
    effect = asked.effect
    weights = resamples(n, n_resamples=asked.n_resamples, seed=asked.seed)
    ratios = np.full(asked.n_resamples, ratio)
    if effect.low is not None and effect.high is not None and ratio > 0.0:
        spread = (log(effect.high) - log(effect.low)) / (2.0 * _Z)
        ratios = ratio * np.exp(
            spread * np.random.default_rng(asked.seed + 1).standard_normal(asked.n_resamples)
        )
    return weights, ratios


def _rows(
    policies: Mapping[str, Floats],
    event: Floats,
    draws: tuple[Floats, Floats],
    *,
    ratio: float,
    harms: Harms,
    effect: StatedEffect,
) -> list[PolicyRow]:
    """Intervals from resampled patients and, where the risk ratio has one, its own."""
    weights, ratios = draws
    harm = (
        harms.infection_weight * effect.infections_added
        + harms.response_weight * effect.responses_lost
        + harms.burden_per_course
    )
    rows = []
    for name, treated in policies.items():
        given, found = _both(treated, weights), _both(treated * event, weights)
        averted = ((1.0 - ratio) * found[0], (1.0 - ratios) * found[1])
        is_given, nnt = given[0] > 0.0, Interval(None, None, None)
        if is_given:
            nnt = interval(_over(given[0], averted[0]), _needed(given[1], averted[1]))
        added, lost = effect.infections_added, effect.responses_lost
        nnh = (
            Interval(1.0 / added, 1.0 / added, 1.0 / added)
            if is_given and added > 0.0
            else Interval(None, None, None)
        )
        rows.append(
            PolicyRow(
                name,
                interval(*given),
                interval(*averted),
                interval(*_both((1.0 - treated) * event, weights)),
                interval(*_both(treated * (1.0 - event), weights)),
                interval(added * given[0], added * given[1]),
                interval(lost * given[0], lost * given[1]),
                interval(averted[0] - harm * given[0], averted[1] - harm * given[1]),
                nnt,
                nnh,
            )
        )
    return rows


def _both(each: Floats, weights: Floats) -> tuple[float, Floats]:
    """Mean for 100 patients, and its resamples."""
    return 100.0 * float(each.mean()), 100.0 * weights @ each


def _over(given: float, averted: float) -> float | None:
    return given / averted if averted > 0.0 else None


def _needed(given: Floats, averted: Floats) -> Floats:
    return np.where(averted > 1e-12, given / np.where(averted > 1e-12, averted, 1.0), np.inf)


def _auroc(event: Floats, risk: Floats) -> dict[str, float | None]:
    found = auroc(event, risk=risk)
    if isinstance(found, Estimate):
        return {"value": found.value, "low": found.low, "high": found.high}
    return {"value": None, "low": None, "high": None}
