"""Do patients before the first dose look like patients? Medians, quartiles and rank correlations by
tumour type.

Only the population is drawn, nothing is simulated. Compared are the *measured* values, with assay
noise and gaps, since published figures are of measured values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from crsrisk.data.baseline_checks import BaselineCheck, BaselineFinding, Statistic, Verdict
from crsrisk.data.population import CONTINUOUS, Population
from crsrisk.data.world import World
from crsrisk.simulation.observation import measured_latent
from crsrisk.simulation.population import covariate, sample

Values: TypeAlias = NDArray[np.float64]
N_BATCHES = 20  # the Monte Carlo error of a statistic is that between so many batches of patients
_SURE = 3.0  # standard errors: a verdict that is wrong by chance in fewer than 3 of 1000
_IQR_OF_UNIT_NORMAL = 1.3489795003921634
_95_OF_UNIT_NORMAL = 1.6448536269514722
_DESCRIBED = (
    "sum_of_diameters_mm",
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "albumin_g_l",
)


def measured(population: Population, *, world: World, n: int, seed: int) -> dict[str, Values]:
    """Baseline covariates of ``n`` patients as a hospital would have them (NaN = not measured), by
    name.
    """
    patients = sample(population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    latent = measured_latent(patients, population=population, world=world, seed=seed)
    seen = {
        name: covariate(latent[:, k], population.marginals[name])
        for k, name in enumerate(CONTINUOUS)
    }
    return {**seen, **patients.discrete}


def _quartiles(x: Values) -> Values:
    return np.asarray(np.quantile(x, [0.25, 0.5, 0.75]))


def _log_sd(x: Values) -> float:
    low, _, high = _quartiles(x)
    return float(np.log(high / low) / _IQR_OF_UNIT_NORMAL)


def _skew(x: Values) -> float:
    low, middle, high = _quartiles(x)
    return float((high + low - 2.0 * middle) / (high - low))


def _tail(x: Values) -> float:
    middle, high = np.quantile(x, [0.5, 0.95])
    return float(np.log(high / middle) / (_95_OF_UNIT_NORMAL * _log_sd(x)))


def spearman(x: Values, y: Values) -> float:
    """Rank correlation; pairs with a missing value are left out, ties share their rank.

    >>> spearman(np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 10.0, 5.0, 2.0]))
    0.5
    """
    both = ~(np.isnan(x) | np.isnan(y))
    return float(np.corrcoef(rankdata(x[both]), rankdata(y[both]))[0, 1])


_OF_ONE: Mapping[Statistic, Callable[[Values], float]] = MappingProxyType(
    {
        "median": lambda x: float(_quartiles(x)[1]),
        "lower_quartile": lambda x: float(_quartiles(x)[0]),
        "upper_quartile": lambda x: float(_quartiles(x)[2]),
        "log_sd": _log_sd,
        "skew": _skew,
        "tail": _tail,
    }
)


def statistic(check: BaselineCheck, columns: Mapping[str, Values]) -> float:
    """The statistic of a check among the patients of ``columns``; missing values are left out."""
    x = columns[check.of]
    if check.other is not None:
        return spearman(x, columns[check.other])
    x = x[~np.isnan(x)]
    if check.threshold is not None:
        return float(
            (x > check.threshold).mean()
            if check.statistic == "share_above"
            else (x == check.threshold).mean()
        )
    return _OF_ONE[check.statistic](x)


def judge_baseline(value: float, *, mc_error: float, low: float, high: float) -> Verdict:
    """Whether a statistic lies in its range, as far as its Monte Carlo error lets one say.

    >>> judge_baseline(0.30, mc_error=0.01, low=0.2, high=0.4)
    'inside'
    >>> judge_baseline(0.41, mc_error=0.01, low=0.2, high=0.4)
    'undecided'
    """
    reach = _SURE * mc_error
    if low + reach <= value <= high - reach:
        return "inside"
    return "outside" if value < low - reach or value > high + reach else "undecided"


def check_baseline(
    checks: Sequence[BaselineCheck], *, world: World, n: int = 8000, seed: int = 1
) -> tuple[BaselineFinding, ...]:
    """Every check in every tumour type that it speaks of, ``n`` patients each (``n`` of 2000 or
    more).

    The Monte Carlo error is the standard error between 20 batches of the same patients.
    """
    if n < 100 * N_BATCHES:
        raise ValueError(
            f"n of {100 * N_BATCHES} or more, for batches in which a rare group has members"
        )
    wanted = {name for check in checks for name in check.populations or world.populations}
    columns = {
        name: measured(world.populations[name], world=world, n=n, seed=seed)
        for name in sorted(wanted)
    }
    return tuple(
        _find(check, name, columns[name])
        for check in checks
        for name in check.populations or sorted(columns)
    )


def _find(check: BaselineCheck, population: str, columns: Mapping[str, Values]) -> BaselineFinding:
    n = len(columns[check.of])
    batches = np.array_split(np.arange(n), N_BATCHES)
    parts = [
        statistic(check, {name: column[rows] for name, column in columns.items()})
        for rows in batches
    ]
    value, error = statistic(check, columns), float(np.std(parts, ddof=1) / np.sqrt(N_BATCHES))
    return BaselineFinding(
        check,
        population,
        value,
        error,
        n,
        judge_baseline(value, mc_error=error, low=check.low, high=check.high),
    )


@dataclass(frozen=True)
class BaselineQuartiles:
    """One measured value in one tumour type: its quartiles, in its own unit, and the SD of its
    logarithm.
    """

    population: str
    covariate: str
    lower_quartile: float
    median: float
    upper_quartile: float
    log_sd: float
    n_measured: int


def baseline_table(world: World, *, n: int = 8000, seed: int = 1) -> list[BaselineQuartiles]:
    """Quartiles of burden and laboratory values by tumour type, one row a tumour type and
    covariate.
    """
    rows = []
    for name, population in sorted(world.populations.items()):
        columns = measured(population, world=world, n=n, seed=seed)
        for covariate_name in _DESCRIBED:
            x = columns[covariate_name][~np.isnan(columns[covariate_name])]
            low, middle, high = map(float, _quartiles(x))
            rows.append(
                BaselineQuartiles(name, covariate_name, low, middle, high, _log_sd(x), len(x))
            )
    return rows
