"""Simulated trials beside published figures: what agrees, what differs, and how sure either number
is.

The simulator is handed in (``simulate_trial``), so this module knows outcomes tables and figures
only. Rows that differ stay. Agreement is with trials whose figures are public; it is no external
validation: nothing here has been compared with the course of a real patient.

Rule of agreement. Both numbers have a 95% interval, and they agree when the two overlap:

- simulated: value +- 1.96 Monte Carlo errors;
- a published rate: the interval entered in its file, else Wilson's with the size of the figure or
  its trial;
- a published median: value / factor to value x factor with factor = exp(1.96 x 1.2533 x sigma /
  sqrt(n)), the
  interval of the median of n lognormal times. sigma comes from the printed IQR when its lower end
  is above 0, ln(q3 / q1) / 1.349, else it is 0.8 (assumed). n is the figure's own or the trial's
  number of patients with the event. A printed range is no interval.

No agreement is claimed, and the row says why, when the published figure has no size, when the
simulated one cannot be estimated, or when the Monte Carlo interval is wider than the published one.
The interval of a small trial is wide, so nearly anything agrees with it: the summary counts those
apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, isnan, log, sqrt
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from crsrisk.data.baseline_checks import BaselineCheck, BaselineFinding, Statistic
from crsrisk.data.baseline_checks import Verdict as BaselineVerdict
from crsrisk.data.evidence_use import fitted_ids
from crsrisk.data.population import CONTINUOUS, Population
from crsrisk.data.published_figures import (
    METRIC_MEANINGS,
    Comparison,
    FigureUse,
    PublishedFigure,
    Trial,
    Verdict,
    wilson_interval,
)
from crsrisk.data.world import World
from crsrisk.errors import InputError
from crsrisk.results import Z_95, Estimate, to_plain
from crsrisk.simulation.observation import measured_latent
from crsrisk.simulation.population import covariate, sample
from crsrisk.simulation.published_trials import REQUIRED_COLUMNS, SimulatedFigure, measure

# between patients, of times to onset or resolution without a printed IQR (assumed)
ASSUMED_LOG_SD = 0.8
# 1.2533: standard error of a median over that of a mean, normal values
MEDIAN_EFFICIENCY = sqrt(np.pi / 2)
IQR_OF_UNIT_NORMAL = 1.3489795003921634
WIDE_RATE_INTERVAL = 0.3  # a published interval wider than this agrees with nearly anything
STATEMENT = (
    "Simulated patients beside published figures. Synthetic data, no external validation: agreement"
    " with published rates says nothing of a single patient."
)


@dataclass(frozen=True)
class PublishedInterval:
    """A published figure with its 95% interval, the size behind it and where the interval is from.

    The ends are NaN and ``n`` is None where nothing published gives them.
    """

    estimate: Estimate
    n: int | None
    origin: str

    @property
    def low(self) -> float:
        """Lower end of the 95% interval."""
        return self.estimate.low

    @property
    def high(self) -> float:
        """Upper end of the 95% interval."""
        return self.estimate.high


@dataclass(frozen=True)
class Tally:
    """How many figures of a group agree with the simulated ones, and how far they are off.

    ``n_agree_wide`` are rates that agree with a published interval wider than 0.3: nearly anything
    does. ``mean_absolute_error_any_grade`` (0-1) is None without such a figure.
    """

    n_figures: int
    n_trials: int
    n_judged: int
    n_agree: int
    n_agree_wide: int
    mean_absolute_error_any_grade: float | None


@dataclass(frozen=True)
class ComparisonSummary:
    """Figures that agree, counted over all, by use, product and family of figures, and apart.

    ``unverified``: figures that are only recalled. Figures of overlapping sources count each.
    """

    statement: str
    all: Tally
    by_use: Mapping[str, Tally]
    by_product: Mapping[str, Tally]
    by_family: Mapping[str, Tally]
    unverified: Tally


def published_size(figure: PublishedFigure, *, trial: Trial) -> int | None:
    """Patients behind a figure: its own number, else those of its trial with the event, else the
    trial's.
    """
    if figure.n_patients is not None or figure.of == "patients":
        return figure.n_patients or trial.n_patients
    wanted = "any grade" if figure.of == "crs_patients" else "grade >= 2"
    for row in trial.rows:
        if METRIC_MEANINGS[row.metric].family == wanted and row.of == "patients" and row.n_patients:
            return row.events if row.events is not None else round(row.value * row.n_patients)
    return trial.n_patients


def published_interval(figure: PublishedFigure, *, trial: Trial) -> PublishedInterval:
    """The 95% interval of a published figure by the rule of this module; NaN when there is none."""
    n = published_size(figure, trial=trial)

    def interval(low: float, high: float, origin: str) -> PublishedInterval:
        return PublishedInterval(Estimate(figure.value, low, high), n, origin)

    if figure.interval_kind == "wilson_95" and figure.low is not None and figure.high is not None:
        return interval(figure.low, figure.high, "95% Wilson, as entered")
    if not n:
        return PublishedInterval(Estimate(figure.value), None, "none: no size published")
    if figure.is_rate:
        return interval(*wilson_interval(figure.value, n=n), "95% Wilson, size of the trial")
    log_sd, origin = ASSUMED_LOG_SD, f"log SD {ASSUMED_LOG_SD} assumed"
    if figure.interval_kind == "iqr" and figure.low and figure.high:
        log_sd, origin = log(figure.high / figure.low) / IQR_OF_UNIT_NORMAL, "log SD from the IQR"
    factor = exp(Z_95 * MEDIAN_EFFICIENCY * log_sd / sqrt(n))
    return interval(figure.value / factor, figure.value * factor, f"median of {n}, {origin}")


def judge(published: Estimate, *, simulated: SimulatedFigure) -> tuple[Verdict, str]:
    """Whether the two 95% intervals overlap; or why that cannot be said.

    >>> judge(Estimate(0.55, 0.5, 0.6), simulated=SimulatedFigure.of(0.62, mc_error=0.02, n=600))
    ('agrees', '')
    """
    if not published.has_interval:
        return "not judged", "published without a size, so without an interval"
    if isnan(simulated.value) or isnan(simulated.mc_error):
        return "not judged", f"not estimable from {simulated.n} simulated patients"
    reach = Z_95 * simulated.mc_error
    if 2 * reach > published.high - published.low:
        return (
            "not judged",
            "Monte Carlo interval wider than the published one: simulate more patients",
        )
    overlap = simulated.value - reach <= published.high and simulated.value + reach >= published.low
    return ("agrees" if overlap else "differs"), ""


def compare(
    trials: Iterable[Trial], *, simulate_trial: Callable[[Trial], pd.DataFrame]
) -> list[Comparison]:
    """Every figure of every trial beside its simulated twin, in the order of the files.

    ``simulate_trial`` returns the outcomes table of a trial, one row a simulated patient, over the
    trial's own ``window_d``; it is called once a trial. A table that is empty, lacks a column or
    has another window raises :class:`InputError`.
    """
    chosen = list(trials)
    fitted = fitted_ids(chosen)
    rows: list[Comparison] = []
    for trial in chosen:
        outcomes = simulate_trial(trial)
        _check_outcomes(outcomes, trial=trial)
        rows += [
            _compare_figure(
                outcomes,
                figure=figure,
                trial=trial,
                use="likelihood" if figure.id in fitted else "shown",
            )
            for figure in trial.figures
        ]
    return rows


def _check_outcomes(outcomes: pd.DataFrame, *, trial: Trial) -> None:
    where = f"simulated outcomes of {trial.name}"
    missing = [name for name in REQUIRED_COLUMNS if name not in outcomes.columns]
    if missing or outcomes.empty:
        found = "no such column" if missing else "no patient"
        raise InputError(
            where=where,
            key=", ".join(missing),
            found=found,
            expected="an outcomes table",
            cure="hand in Cohort.outcomes",
        )
    windows = [float(window) for window in outcomes["window_d"].unique()]
    if windows != [trial.window_d]:
        raise InputError(
            where=where,
            key="window_d",
            found=windows,
            expected=f"{trial.window_d:g} d",
            cure="simulate the trial over its own window",
        )


def _compare_figure(
    outcomes: pd.DataFrame, *, figure: PublishedFigure, trial: Trial, use: FigureUse
) -> Comparison:
    simulated = measure(outcomes, figure=figure, trial=trial)
    published = published_interval(figure, trial=trial)
    verdict, reason = judge(published.estimate, simulated=simulated)
    meaning = METRIC_MEANINGS[figure.metric]
    return Comparison(
        id=figure.id,
        trial=trial.name,
        product=trial.product,
        metric=figure.metric,
        of=figure.of,
        family=meaning.family,
        unit=meaning.unit,
        window_d=trial.window_d,
        published=figure.value,
        n=published.n,
        low=published.low,
        high=published.high,
        interval=published.origin,
        simulated=simulated.value,
        mc_error=simulated.mc_error,
        n_simulated=simulated.n,
        agrees=verdict == "agrees",
        verdict=verdict,
        reason=reason,
        use=use,
        verified=figure.verified,
        citation=figure.citation,
        note=figure.note,
        n_products=len(trial.products),
    )


def summarise(comparisons: Sequence[Comparison]) -> ComparisonSummary:
    """How many figures agree, by every group that readers ask for."""
    return ComparisonSummary(
        statement=STATEMENT,
        all=_tally(comparisons),
        by_use=_grouped(comparisons, lambda row: row.use),
        by_product=_grouped(comparisons, lambda row: row.product),
        by_family=_grouped(comparisons, lambda row: row.family),
        unverified=_tally([row for row in comparisons if not row.verified]),
    )


def _grouped(
    comparisons: Sequence[Comparison], group_of: Callable[[Comparison], str]
) -> Mapping[str, Tally]:
    groups: dict[str, list[Comparison]] = defaultdict(list)
    for row in comparisons:
        groups[group_of(row)].append(row)
    return {name: _tally(groups[name]) for name in sorted(groups)}


def _tally(rows: Sequence[Comparison]) -> Tally:
    errors = [
        abs(row.simulated - row.published)
        for row in rows
        if row.family == "any grade" and not isnan(row.simulated)
    ]
    return Tally(
        n_figures=len(rows),
        n_trials=len({row.trial for row in rows}),
        n_judged=sum(row.verdict != "not judged" for row in rows),
        n_agree=sum(row.agrees for row in rows),
        n_agree_wide=sum(
            row.agrees and row.unit == "1" and row.high - row.low > WIDE_RATE_INTERVAL
            for row in rows
        ),
        mean_absolute_error_any_grade=sum(errors) / len(errors) if errors else None,
    )


def to_json(comparisons: Sequence[Comparison]) -> str:
    """An object with ``rows`` (every comparison) and ``summary``; missing numbers are null."""
    tree = {"rows": list(comparisons), "summary": summarise(comparisons)}
    return json.dumps(to_plain(tree), indent=2, allow_nan=False)


# Do patients before the first dose look like patients? Medians, quartiles and rank correlations by
# tumour type.
#
# Only the population is drawn, nothing is simulated. Compared are the *measured* values, with assay
# noise and gaps, since published figures are of measured values.


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


def judge_baseline(value: float, *, mc_error: float, low: float, high: float) -> BaselineVerdict:
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
