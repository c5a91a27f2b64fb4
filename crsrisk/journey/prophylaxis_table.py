"""Prophylaxis for a table of patients: risks from a column or a model, effect and harms as stated, nothing counterfactual.

A table of real patients shows no potential outcomes. What prophylaxis would do is an input here, with its interval; the
answer says what follows from it, and how wrong it may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk import __version__
from crsrisk.decide.policy_table import Interval, PolicyRow, interval, resamples
from crsrisk.decide.stakes import assumed_stakes
from crsrisk.decide.targeting import at_or_above, top_share
from crsrisk.decide.tipping import tipping_points
from crsrisk.domain.harms import Harms
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.journey.prophylaxis_cohort import usable
from crsrisk.journey.prophylaxis_request import StatedEffect, TableRequest, checked_effect
from crsrisk.journey.prophylaxis_stated import read_groups, stated_curve, stated_doses, stated_subgroups
from crsrisk.learn.metrics import Estimate, auroc
from crsrisk.learn.store import load_model
from crsrisk.read.files import read_csv_cells, read_parquet_cells
from crsrisk.read.outcome import read_outcome
from crsrisk.read.tables import read_patients
from crsrisk.read.world import load_assumptions
from crsrisk.report.prophylaxis_table import table_content

Floats = NDArray[np.float64]
NOTICE = ("Research use; no potential outcomes are known of these patients: effect and harms are assumptions, no external "
          "validation; a design scenario, never advice on a patient.")
_Z = 1.959963984540054


def read_risks(path: Path, *, column: str) -> Floats:
    """A column of risks, 0 to 1, one for every row; :class:`InputError` names the row that is not."""
    cells = read_csv_cells(path) if path.suffix.lower() == ".csv" else read_parquet_cells(path)
    if column not in cells.columns:
        raise InputError(where=str(path), key=column, found="no such column",
                         cure="name the column that has it, or give a model",
                         expected=f"a column of risks among {', '.join(str(name) for name in cells.columns)}")
    found = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells[column]):
        try:
            found[row] = float(cell)
        except (TypeError, ValueError):
            found[row] = np.nan
        if not 0.0 <= found[row] <= 1.0:
            raise InputError(where=str(path), key=f"row {row + 1}, column {column}", found=cell,
                             expected="a risk from 0 to 1",
                             cure="divide percentages by 100; leave out patients without a risk")
    if not len(found):
        raise InputError(where=str(path), found="no patients", expected="one row a patient", cure="give another table")
    return found


def weigh_table(asked: TableRequest) -> dict[str, Any]:
    """Policies for the patients of a table as one dictionary, ready for JSON and for the page.

    Raises :class:`InputError` for a table without the column, for a risk outside 0-1, an impossible ratio, a threshold at 0
    or 1, and for risks from both or neither of column and model.
    """
    ratio, effect, harms = checked_effect(asked), asked.effect, asked.weights.harms(load_assumptions())
    risk, origin = _risks(asked)
    event = read_outcome(asked.path, column=asked.outcome) if asked.outcome else np.full(len(risk), np.nan)
    known = ~np.isnan(event)
    counted = np.where(known, event, risk) if asked.outcome is None else event[known]
    risk = risk if asked.outcome is None else risk[known]
    if not len(risk):
        raise InputError(where=str(asked.path), key=str(asked.outcome), found="no patient with a known outcome",
                         expected="some", cure="leave the outcome out, or fill the column")
    stakes = assumed_stakes(counted, risk_ratio=ratio, infections_added=effect.infections_added,
                            responses_lost=effect.responses_lost)
    ledger = stakes.ledger(harms)
    policies = _policies(risk, threshold=ledger.threshold, asked=asked)
    draws = _draws(len(risk), ratio=ratio, asked=asked)
    rows = _rows(policies, counted, draws, ratio=ratio, harms=harms, effect=effect)
    groups = read_groups(asked.path, columns=asked.groups)
    results = {
        "format": "crsrisk-prophylaxis-table-1", "notice": NOTICE, "setting": {
            "table": asked.path.name, "n_patients": len(risk), "n_left_out": int((~known).sum()) if asked.outcome else 0,
            "risks": origin, "outcome": asked.outcome or "not given: risks are taken as true", "seed": asked.seed,
            "version": __version__, "n_resamples": asked.n_resamples},
        "stated": {"risk_ratio": {"value": ratio, "low": effect.low, "high": effect.high},
                   "infections_added": effect.infections_added, "responses_lost": effect.responses_lost},
        "ledger": {"rows": [{"harm": row.harm, "per_treated": row.per_treated, "weight": row.weight,
                             "crs_units": row.crs_units} for row in ledger.rows],
                   "harm": ledger.harm, "threshold": ledger.threshold},
        "risk": {"mean": float(risk.mean()), "quantiles": np.quantile(risk, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(),
                 "observed": float(counted.mean()) if asked.outcome else None,
                 "auroc": _auroc(counted, risk) if asked.outcome else None},
        "policies": [row.as_dict() for row in rows],
        "decision_curve": stated_curve(risk, counted, ratio=ratio, harm=ledger.harm, weights=draws[0], ratios=draws[1]),
        "doses": stated_doses(risk, counted, ratio=ratio),
        "subgroups": stated_subgroups(groups[known] if asked.outcome else groups, risk, counted, threshold=ledger.threshold,
                                      ratio=ratio, harm=ledger.harm, n_resamples=asked.n_resamples, seed=asked.seed,
                                      has_outcome=asked.outcome is not None),
        "tipping_points": [point.as_dict() for point in tipping_points(stakes, harms=harms)],
    }
    return table_content(results)


def _risks(asked: TableRequest) -> tuple[Floats, str]:
    if asked.risk_column is not None:
        return read_risks(asked.path, column=asked.risk_column), f"column {asked.risk_column}"
    model = load_model(find("released", str(asked.model)))
    reading = asked.reading
    read = read_patients(asked.path, units=reading.units, mapping=reading.mapping,
                         ldh_upper_limit_u_l=reading.ldh_upper_limit_u_l, strict=True)
    return usable(model, read.frame), model.label


def _policies(risk: Floats, *, threshold: float, asked: TableRequest) -> dict[str, Floats]:
    n = len(risk)
    found = {"treat none": np.zeros(n), "treat all": np.ones(n),
             f"by risk, at t* = {threshold:.3g}": at_or_above(risk, threshold)}
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
        ratios = ratio * np.exp(spread * np.random.default_rng(asked.seed + 1).standard_normal(asked.n_resamples))
    return weights, ratios


def _rows(
    policies: Mapping[str, Floats], event: Floats, draws: tuple[Floats, Floats], *, ratio: float, harms: Harms,
    effect: StatedEffect,
) -> list[PolicyRow]:
    """Intervals from resampled patients and, where the risk ratio has one, its own."""
    weights, ratios = draws
    harm = (harms.infection_weight * effect.infections_added + harms.response_weight * effect.responses_lost
            + harms.burden_per_course)
    rows = []
    for name, treated in policies.items():
        given, found = _both(treated, weights), _both(treated * event, weights)
        averted = ((1.0 - ratio) * found[0], (1.0 - ratios) * found[1])
        is_given, nnt = given[0] > 0.0, Interval(None, None, None)
        if is_given:
            nnt = interval(_over(given[0], averted[0]), _needed(given[1], averted[1]))
        added, lost = effect.infections_added, effect.responses_lost
        nnh = Interval(1.0 / added, 1.0 / added, 1.0 / added) if is_given and added > 0.0 else Interval(None, None, None)
        rows.append(PolicyRow(
            name, interval(*given), interval(*averted), interval(*_both((1.0 - treated) * event, weights)),
            interval(*_both(treated * (1.0 - event), weights)), interval(added * given[0], added * given[1]),
            interval(lost * given[0], lost * given[1]),
            interval(averted[0] - harm * given[0], averted[1] - harm * given[1]), nnt, nnh))
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
