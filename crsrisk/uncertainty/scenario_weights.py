"""Scenario weights: how much published findings on risk factors support each scenario, relative to
the reference.

A series of patients that named a predictor, or looked for one in vain, is simulated at its own size
thousands of times under each scenario; the share of simulated series that report the same (p < 0.05
in the stated direction, or p >= 0.05) is the likelihood of the scenario. Findings of one series are
asked together, in the same simulated patients; series are independent. The ratio to the reference
scenario is a Bayes factor; with equal prior odds the likelihoods give weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.literature import Event, Finding, Series
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.results import Z_95
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import sample
from crsrisk.simulation.run import run

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
CAVEAT = (
    "Relative support among these scenarios only, each with all its other numbers fixed at the"
    " reference values. It rests on a handful of findings, most without effect sizes; a named"
    " predictor is read as p < 0.05 for one factor alone, though predictors are picked among many,"
    " and small series that name predictors are published more readily than silent ones: compare"
    " the rows with and without them. A size that was not printed is assumed. No weight here is the"
    " probability that a scenario is true."
)
SETS = {
    "all": "all findings",
    "without_small_positive": "without the small series that name predictors",
}
_LOWEST: Mapping[Event, int] = {"any_grade": 1, "grade2plus": 2, "grade3plus": 3}
_TOGETHER = 400  # simulated series in memory at one time


@dataclass(frozen=True)
class Pool:
    """Patients from whom series are drawn: ``factors`` and ``events`` (patient, finding); NaN = not
    measured.
    """

    factors: Values
    events: Flags


def pool_of(
    series: Sequence[Series],
    *,
    product: Product,
    regimen: str | None,
    world: World,
    n: int,
    seed: int,
    workers: int = 1,
) -> dict[str, Pool]:
    """Simulate ``n`` patients of one arm once and ask them the questions of each series (by
    name).
    """
    arm = make_arm(product, world=world, regimen=regimen)
    patients = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    grade = grade_within(
        run(arm, patients, world=world, workers=workers), window_h=24.0 * arm.window_d
    )
    observed = observe(patients, arm=arm, world=world, seed=seed)
    return {
        patients_series.name: Pool(
            np.column_stack([_factor(observed, finding) for finding in patients_series.findings]),
            np.column_stack(
                [grade >= _LOWEST[finding.event] for finding in patients_series.findings]
            ),
        )
        for patients_series in series
    }


def _factor(observed: pd.DataFrame, finding: Finding) -> Values:
    values = observed[finding.factor].to_numpy(dtype=np.float64)
    if finding.above is None:
        return np.asarray(np.log(values))
    return np.where(np.isnan(values), np.nan, values > finding.above)


def score_test(factors: Values, events: Flags) -> Values:
    """Score test of a logistic regression on one factor, a standard normal z, over axis -2 (the
    patients).

    The trend test of Cochran and Armitage; for a factor that is present or absent its square is
    Pearson's chi-squared. Patients without a measurement are left out; where factor or event does
    not vary, z is 0.

    >>> factor = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> event = factor > 0.5
    >>> float(score_test(factor, event)[0])
    2.0
    """
    return _z(_terms(factors, events).sum(axis=-2))


def _terms(factors: Values, events: Flags) -> Values:
    """What each patient adds to the sums of the test: measured, x, x^2, event, x times event; shape
    (..., finding * 5).
    """
    has = ~np.isnan(factors)
    x, y = np.where(has, factors, 0.0), (has & events).astype(np.float64)
    return np.concatenate([has.astype(np.float64), x, x**2, y, x * y], axis=-1)


def _z(sums: Values) -> Values:
    """The test from its sums."""
    m, x, xx, y, xy = np.split(sums, 5, axis=-1)
    m = np.maximum(m, 1.0)
    spread = (xx - x**2 / m) * (y / m) * (1.0 - y / m)
    together = xy - x * y / m
    varies = spread > 1e-9
    return np.asarray(
        np.divide(
            together,
            np.sqrt(np.where(varies, spread, 1.0)),
            out=np.zeros_like(together),
            where=varies,
        )
    )


def is_reported(z: Values, *, findings: Sequence[Finding]) -> Flags:
    """Whether each finding (last axis) would be reported as it was."""
    columns = [
        (
            z[..., k] > Z_95
            if finding.reported == "up"
            else z[..., k] < -Z_95
            if finding.reported == "down"
            else np.abs(z[..., k]) <= Z_95
        )
        for k, finding in enumerate(findings)
    ]
    return np.stack(columns, axis=-1)


def count_reports(
    pool: Pool, *, series: Series, rows: NDArray[np.int64]
) -> tuple[int, NDArray[np.int64]]:
    """Of the simulated series with the patients ``rows`` (series, patient): how many report
    everything, and each finding.
    """
    together, each = 0, np.zeros(len(series.findings), dtype=np.int64)
    # centred, so that no digits are lost
    terms = _terms(pool.factors - np.nanmean(pool.factors, axis=0), pool.events)
    for first in range(0, len(rows), _TOGETHER):
        sums = np.add.reduce(terms[rows[first : first + _TOGETHER]], axis=1)
        said = is_reported(_z(sums), findings=series.findings)
        together += int(said.all(axis=-1).sum())
        each += said.sum(axis=0)
    return together, each


@dataclass(frozen=True)
class Support:
    """``weights``: a row for each set of findings and scenario; ``findings``: a row for each
    scenario and finding.
    """

    weights: pd.DataFrame
    findings: pd.DataFrame


def support(
    pools: Mapping[str, Mapping[str, Pool]],
    *,
    series: Sequence[Series],
    reference: str,
    n_series: int,
    n_bootstrap: int,
    seed: int,
) -> Support:
    """Bayes factors against ``reference`` and weights under equal prior odds, from pools by
    scenario and series.

    Series are drawn from the pools with replacement, with the same patients under every scenario.
    The Monte Carlo error (one SD) is that of ``n_bootstrap`` repetitions in which the pool itself
    is drawn anew, so it holds the pool's size and the number of series. A probability is never 0:
    half a series is added to either side.
    """
    scenarios = list(pools)
    rng = np.random.default_rng(seed)
    log_p, each = np.zeros((len(scenarios), len(series))), {}
    again = np.zeros((n_bootstrap, len(scenarios), len(series)))
    for k, group in enumerate(series):
        size = len(pools[reference][group.name].factors)
        draws = [rng.integers(size, size=(n_series, group.n_patients))]
        for _ in range(n_bootstrap):
            redrawn = rng.integers(size, size=size)
            draws.append(redrawn[rng.integers(size, size=(n_series, group.n_patients))])
        for s, name in enumerate(scenarios):
            for b, rows in enumerate(draws):
                together, single = count_reports(pools[name][group.name], series=group, rows=rows)
                value = np.log((together + 0.5) / (n_series + 1.0))
                if b == 0:
                    log_p[s, k], each[name, group.name] = value, single / n_series
                else:
                    again[b - 1, s, k] = value
    return Support(
        _weights(scenarios, series, log_p, again, scenarios.index(reference)),
        _by_finding(scenarios, series, log_p, again, each),
    )


def _weights(
    scenarios: Sequence[str], series: Sequence[Series], log_p: Values, again: Values, reference: int
) -> pd.DataFrame:
    rows = []
    for chosen in SETS:
        kept = np.array([chosen == "all" or not group.is_small_positive for group in series])
        if not kept.any():
            continue
        total, repeated = log_p[:, kept].sum(axis=1), again[:, :, kept].sum(axis=2)
        factor, factors = total - total[reference], repeated - repeated[:, [reference]]
        weight, weights = _softmax(total), _softmax(repeated)
        error = factors.std(axis=0, ddof=1)
        for s, name in enumerate(scenarios):
            rows.append(
                {
                    "findings": chosen,
                    "scenario": name,
                    "bayes_factor": float(np.exp(factor[s])),
                    "low": float(np.exp(factor[s] - Z_95 * error[s])),
                    "high": float(np.exp(factor[s] + Z_95 * error[s])),
                    "mc_error_log": float(error[s]),
                    "weight": float(weight[s]),
                    "weight_mc_error": float(weights[:, s].std(ddof=1)),
                }
            )
    return pd.DataFrame(rows)


def _softmax(values: Values) -> Values:
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def _by_finding(
    scenarios: Sequence[str],
    series: Sequence[Series],
    log_p: Values,
    again: Values,
    each: Mapping[tuple[str, str], Values],
) -> pd.DataFrame:
    rows = []
    for s, scenario in enumerate(scenarios):
        for k, group in enumerate(series):
            joint = float(np.exp(log_p[s, k]))
            for f, finding in enumerate(group.findings):
                rows.append(
                    {
                        "scenario": scenario,
                        "series": group.name,
                        "finding": finding.id,
                        "reported": finding.reported,
                        "probability": float(each[scenario, group.name][f]),
                        "probability_of_series": joint,
                        "mc_error_of_series": joint * float(again[:, s, k].std(ddof=1)),
                    }
                )
    return pd.DataFrame(rows)
