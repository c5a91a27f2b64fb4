"""Simulated trials beside published figures: what agrees, what differs, and how sure either number is.

The simulator is handed in (``simulate_trial``), so this module knows outcomes tables and figures only. Rows
that differ stay. Agreement is with trials whose figures are public; it is no external validation: nothing
here has been compared with the course of a real patient.

Rule of agreement. Both numbers have a 95% interval, and they agree when the two overlap:

- simulated: value +- 1.96 Monte Carlo errors;
- a published rate: the interval entered in its file, else Wilson's with the size of the figure or its trial;
- a published median: value / factor to value x factor with factor = exp(1.96 x 1.2533 x sigma / sqrt(n)), the
  interval of the median of n lognormal times. sigma comes from the printed IQR when its lower end is above 0,
  ln(q3 / q1) / 1.349, else it is 0.8 (assumed). n is the figure's own or the trial's number of patients with
  the event. A printed range is no interval.

No agreement is claimed, and the row says why, when the published figure has no size, when the simulated one
cannot be estimated, or when the Monte Carlo interval is wider than the published one. The interval of a small
trial is wide, so nearly anything agrees with it: the summary counts those apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, inf, isfinite, isnan, log, nan, sqrt
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from crsrisk.domain.grading_systems import GradingSystem, system_of
from crsrisk.domain.published import (
    METRIC_MEANINGS,
    Z_95,
    Comparison,
    Figure,
    Trial,
    Verdict,
    wilson_interval,
)
from crsrisk.errors import InputError
from crsrisk.simulate.layout import WARD_H

ASSUMED_LOG_SD = 0.8  # between patients, of times to onset or resolution without a printed IQR (assumed)
MEDIAN_EFFICIENCY = sqrt(np.pi / 2)  # 1.2533: standard error of a median over that of a mean, normal values
IQR_OF_UNIT_NORMAL = 1.3489795003921634
WIDE_RATE_INTERVAL = 0.3  # a published interval wider than this agrees with nearly anything
STATEMENT = ("Simulated patients beside published figures. Synthetic data, no external validation: agreement "
             "with published rates says nothing of a single patient.")

Group: TypeAlias = Callable[[pd.DataFrame], "pd.Series[bool]"]
Times: TypeAlias = NDArray[np.float64]


class Estimate(NamedTuple):
    """A simulated figure, its Monte Carlo error (one standard error) and the patients behind it."""

    value: float
    mc_error: float
    n: int


class Interval(NamedTuple):
    """The 95% interval of a published figure, the size behind it and where it comes from."""

    low: float
    high: float
    n: int | None
    origin: str


Measure: TypeAlias = Callable[[pd.DataFrame, Sequence[float]], Estimate]


def share(event: pd.Series[bool]) -> Estimate:
    """Share of patients with the event. The error is half Wilson's 95% interval over 1.96, so it is never 0.

    >>> share(pd.Series([True, False, False, False])).value
    0.25
    """
    n = len(event)
    if n == 0:
        return Estimate(nan, nan, 0)
    value = float(event.mean())
    low, high = wilson_interval(value, n=n)
    return Estimate(value, (high - low) / (2 * Z_95), n)


def median(times: Times) -> Estimate:
    """Median of times; a missing time counts as later than all (an episode not over when the window ends).

    The error is half the distribution-free 95% interval (between two order statistics, binomial ranks) over
    1.96; with fewer than six times there is no such interval, and with too many missing ones no median.

    >>> median(np.arange(101.0)).value
    50.0
    """
    n = len(times)
    if n == 0:
        return Estimate(nan, nan, 0)
    ordered = np.sort(np.where(np.isnan(times), inf, times))
    value = float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    rank = int(binom.ppf(0.025, n, 0.5))  # 1-based: P(fewer than rank values below the median) < 0.025
    if not isfinite(value) or rank < 1:
        return Estimate(value if isfinite(value) else nan, nan, n)
    half = float(ordered[n - rank] - ordered[rank - 1]) / 2
    return Estimate(value, half / Z_95 if isfinite(half) else nan, n)


def median_of_days(days: Times) -> Estimate:
    """Median of whole calendar days, read within the day (each count stands for half a day to either side).

    A plain median of whole days jumps from 2 to 3 and hides everything between. Error: that of a median of values spread
    evenly over the day it falls on. Missing counts are later than all.

    >>> round(median_of_days(np.array([1.0, 2.0, 2.0, 3.0])).value, 2)
    2.0
    >>> round(median_of_days(np.array([2.0, 2.0, 3.0, 3.0])).value, 2)
    2.5
    """
    n = len(days)
    if n == 0 or np.isnan(days).sum() * 2 > n:
        return Estimate(nan, nan, n)
    ordered = np.sort(np.where(np.isnan(days), inf, days))
    day = float(ordered[(n - 1) // 2])
    before, on = int((ordered < day).sum()), int((ordered == day).sum())
    return Estimate(day - 0.5 + (n / 2 - before) / on, sqrt(n) / (2 * on), n)


def since_dose_h(onset_h: Times, *, dose_times_h: Sequence[float]) -> Times:
    """Hours from the most recent dose at or before each onset.

    >>> since_dose_h(np.array([12.0, 180.0]), dose_times_h=[0.0, 168.0]).tolist()
    [12.0, 12.0]
    """
    doses = np.asarray(dose_times_h, dtype=np.float64)
    last = np.searchsorted(doses, onset_h, side="right") - 1
    return np.asarray(onset_h - doses[np.clip(last, 0, len(doses) - 1)])


def _grades(low: int, high: int = 4) -> Group:
    return lambda table: table["max_grade"].between(low, high)


def _after_doses(first: int, last: int, *, grade: int) -> Group:
    columns = [f"grade_after_dose_{dose}" for dose in range(first, last + 1)]
    return lambda table: table[columns].max(axis=1) >= grade


def _after_several_doses(table: pd.DataFrame) -> pd.Series[bool]:
    columns = [f"grade_after_dose_{dose}" for dose in range(1, 5)]
    return (table[columns] >= 2).sum(axis=1) >= 2


def _rate(event: Group) -> Measure:
    return lambda table, _: share(event(table))


def _column(table: pd.DataFrame, name: str) -> Times:
    return table[name].to_numpy(dtype=np.float64)


def _same_day(table: pd.DataFrame, dose_times_h: Sequence[float]) -> Estimate:
    waited = since_dose_h(_column(table, "onset_h"), dose_times_h=dose_times_h)
    return share(pd.Series(waited <= 24.0))


def _onset(*, unit_h: float, low: int = 1, high: int = 4) -> Measure:
    def measure_onset(table: pd.DataFrame, dose_times_h: Sequence[float]) -> Estimate:
        onset_h = _column(table[_grades(low, high)(table)], "onset_h")
        found = median(since_dose_h(onset_h, dose_times_h=dose_times_h) / unit_h)
        # looks come on the hour, so that an onset is known to within one: the SD of such rounding adds to the error
        return found._replace(mc_error=sqrt(found.mc_error**2 + (WARD_H / unit_h) ** 2 / 12.0))

    return measure_onset


def _duration_d(table: pd.DataFrame, _: Sequence[float]) -> Estimate:
    return median(_column(table, "duration_h") / 24.0)


def _resolution_d(table: pd.DataFrame, _: Sequence[float]) -> Estimate:
    return median_of_days(_column(table, "resolution_d"))


# metric -> its value among the patients of the denominator; onsets count from the doses that are handed in
METRICS: Mapping[str, Measure] = MappingProxyType({
    "crs_any_rate": _rate(_grades(1)),
    "crs_any_rate_cycle1": _rate(_grades(1)),
    "crs_grade1_2_rate": _rate(_grades(1, 2)),
    **{f"crs_grade{grade}_rate": _rate(_grades(grade, grade)) for grade in (1, 2, 3, 4)},
    "crs_grade2plus_rate": _rate(_grades(2)),
    "crs_grade3plus_rate": _rate(_grades(3)),
    # every fever after a dose opens CRS in the simulator, so that a CRS-like cluster is CRS
    "inflammatory_disorder_grade1_2_rate": _rate(_grades(1, 2)),
    "inflammatory_disorder_grade3plus_rate": _rate(_grades(3)),
    "share_high_grade_among_crs": _rate(_grades(3)),
    "recurrence_rate_any": _rate(lambda table: table["n_episodes"] >= 2),
    "multiple_flares_rate": _rate(lambda table: table["n_episodes"] >= 2),
    "crs_after_dose1_rate": _rate(_after_doses(1, 1, grade=1)),
    "crs_after_dose2_rate": _rate(_after_doses(2, 2, grade=1)),
    "crs_after_dose3plus_rate": _rate(_after_doses(3, 4, grade=1)),
    "share_of_crs_patients_with_event_after_dose1": _rate(_after_doses(1, 1, grade=1)),
    "share_of_crs_patients_with_event_after_dose2": _rate(_after_doses(2, 2, grade=1)),
    "share_of_crs_patients_with_event_after_dose3plus": _rate(_after_doses(3, 4, grade=1)),
    "crs_grade2plus_after_c1d1": _rate(_after_doses(1, 1, grade=2)),
    "crs_grade2plus_after_c1d8": _rate(_after_doses(2, 2, grade=2)),
    "crs_grade2plus_after_c1d15": _rate(_after_doses(3, 3, grade=2)),
    "grade2plus_with_more_than_one_infusion_rate": _rate(_after_several_doses),
    "share_of_grade2plus_events_at_dose1": _rate(_after_doses(1, 1, grade=2)),
    "share_of_episodes_starting_day_of_infusion": _same_day,
    "onset_median_h": _onset(unit_h=1.0),
    "onset_median_h_grade2plus": _onset(unit_h=1.0, low=2),  # of the event that reached it, as adverse events are dated
    "onset_median_d": _onset(unit_h=24.0),
    "onset_median_d_grade1_2": _onset(unit_h=24.0, high=2),
    "onset_median_d_grade3plus": _onset(unit_h=24.0, low=3),
    "resolution_median_d": _resolution_d,  # calendar days
    "crs_duration_median_d": _duration_d,
    "tocilizumab_use_rate": _rate(lambda table: table["n_tocilizumab"] >= 1),
    "steroid_use_rate": _rate(lambda table: table["has_steroid_rescue"]),
    "oxygen_use_rate": _rate(lambda table: table["has_oxygen"]),
    "vasopressor_use_rate": _rate(lambda table: table["has_vasopressor"]),
    "pyrexia_any_rate": _rate(lambda table: table["peak_temperature_c"] >= 38.0),
    "pyrexia_grade3plus_rate": _rate(lambda table: table["peak_temperature_c"] > 40.0),
})

_GROUPS: Mapping[str, Group] = MappingProxyType({
    "patients": _grades(0), "crs_patients": _grades(1), "grade2plus_patients": _grades(2)})
REQUIRED_COLUMNS: tuple[str, ...] = (
    "max_grade", "n_episodes", "onset_h", "duration_h", "resolution_d",
    "peak_temperature_c", "n_tocilizumab", "has_steroid_rescue", "has_oxygen", "has_vasopressor", "window_d",
    *(f"grade_after_dose_{dose}" for dose in range(1, 5)),
    *(f"grade_{system.value}" for system in GradingSystem if system is not GradingSystem.ASTCT))


def measure(outcomes: pd.DataFrame, *, figure: Figure, trial: Trial) -> Estimate:
    """The simulated twin of one figure: its metric among its denominator, onsets from its clock, under its grading.

    Grades after single doses stay ASTCT, since the other systems are known for the whole follow-up only.
    """
    system = system_of(trial.grading, where=trial.name)
    if system is not GradingSystem.ASTCT:
        outcomes = outcomes.assign(max_grade=outcomes[f"grade_{system.value}"])
    group = outcomes[_GROUPS[figure.of](outcomes)]
    doses = trial.dose_times_h if figure.clock == "recent_dose" else [0.0]
    return METRICS[figure.metric](group, doses)


def published_size(figure: Figure, *, trial: Trial) -> int | None:
    """Patients behind a figure: its own number, else those of its trial with the event, else the trial's."""
    if figure.n_patients is not None or figure.of == "patients":
        return figure.n_patients or trial.n_patients
    wanted = "any grade" if figure.of == "crs_patients" else "grade >= 2"
    for row in trial.rows:
        if METRIC_MEANINGS[row.metric].family == wanted and row.of == "patients" and row.n_patients:
            return row.events if row.events is not None else round(row.value * row.n_patients)
    return trial.n_patients


def published_interval(figure: Figure, *, trial: Trial) -> Interval:
    """The 95% interval of a published figure by the rule of this module; NaN when there is none."""
    n = published_size(figure, trial=trial)
    if figure.interval_kind == "wilson_95" and figure.low is not None and figure.high is not None:
        return Interval(figure.low, figure.high, n, "95% Wilson, as entered")
    if not n:
        return Interval(nan, nan, None, "none: no size published")
    if figure.is_rate:
        return Interval(*wilson_interval(figure.value, n=n), n, "95% Wilson, size of the trial")
    log_sd, origin = ASSUMED_LOG_SD, f"log SD {ASSUMED_LOG_SD} assumed"
    if figure.interval_kind == "iqr" and figure.low and figure.high:
        log_sd, origin = log(figure.high / figure.low) / IQR_OF_UNIT_NORMAL, "log SD from the IQR"
    factor = exp(Z_95 * MEDIAN_EFFICIENCY * log_sd / sqrt(n))
    return Interval(figure.value / factor, figure.value * factor, n, f"median of {n}, {origin}")


def judge(published: Interval, *, simulated: Estimate) -> tuple[Verdict, str]:
    """Whether the two 95% intervals overlap; or why that cannot be said.

    >>> judge(Interval(0.5, 0.6, 400, ""), simulated=Estimate(0.62, 0.02, 600))
    ('agrees', '')
    """
    if isnan(published.low):
        return "not judged", "published without a size, so without an interval"
    if isnan(simulated.value) or isnan(simulated.mc_error):
        return "not judged", f"not estimable from {simulated.n} simulated patients"
    reach = Z_95 * simulated.mc_error
    if 2 * reach > published.high - published.low:
        return "not judged", "Monte Carlo interval wider than the published one: simulate more patients"
    overlap = simulated.value - reach <= published.high and simulated.value + reach >= published.low
    return ("agrees" if overlap else "differs"), ""


def compare(
    trials: Iterable[Trial], *, simulate_trial: Callable[[Trial], pd.DataFrame]
) -> list[Comparison]:
    """Every figure of every trial beside its simulated twin, in the order of the files.

    ``simulate_trial`` returns the outcomes table of a trial, one row a simulated patient, over the trial's
    own ``window_d``; it is called once a trial. A table that is empty, lacks a column or has another window
    raises :class:`InputError`.
    """
    rows: list[Comparison] = []
    for trial in trials:
        outcomes = simulate_trial(trial)
        _check_outcomes(outcomes, trial=trial)
        rows += [_compare_figure(outcomes, figure=figure, trial=trial) for figure in trial.figures]
    return rows


def _check_outcomes(outcomes: pd.DataFrame, *, trial: Trial) -> None:
    where = f"simulated outcomes of {trial.name}"
    missing = [name for name in REQUIRED_COLUMNS if name not in outcomes.columns]
    if missing or outcomes.empty:
        found = "no such column" if missing else "no patient"
        raise InputError(where=where, key=", ".join(missing), found=found, expected="an outcomes table",
                         cure="hand in Cohort.outcomes")
    windows = [float(window) for window in outcomes["window_d"].unique()]
    if windows != [trial.window_d]:
        raise InputError(where=where, key="window_d", found=windows, expected=f"{trial.window_d:g} d",
                         cure="simulate the trial over its own window")


def _compare_figure(outcomes: pd.DataFrame, *, figure: Figure, trial: Trial) -> Comparison:
    simulated = measure(outcomes, figure=figure, trial=trial)
    published = published_interval(figure, trial=trial)
    verdict, reason = judge(published, simulated=simulated)
    meaning = METRIC_MEANINGS[figure.metric]
    return Comparison(
        id=figure.id, trial=trial.name, product=trial.product, metric=figure.metric, of=figure.of,
        family=meaning.family, unit=meaning.unit, window_d=trial.window_d, published=figure.value,
        n=published.n, low=published.low, high=published.high, interval=published.origin,
        simulated=simulated.value, mc_error=simulated.mc_error, n_simulated=simulated.n,
        agrees=verdict == "agrees", verdict=verdict, reason=reason, role=trial.role,
        is_independent=trial.is_independent, verified=figure.verified, citation=figure.citation,
        note=figure.note)


def summarise(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Counts and errors, ready for JSON.

    ``all``, ``by_role``, ``independent_validation`` (validation sources that share no patient with a
    calibration source), ``by_product``, ``by_family`` and ``unverified`` each hold n_figures, n_trials,
    n_judged, n_agree, n_agree_wide (rates that agree with a published interval wider than 0.3) and
    mean_absolute_error_any_grade (null without such a row). Figures of overlapping sources count each.
    """
    by_role, by_product, by_family = (_grouped(comparisons, name) for name in ("role", "product", "family"))
    return {
        "statement": STATEMENT,
        "all": _tally(comparisons),
        "by_role": by_role,
        "independent_validation": _tally([row for row in comparisons if row.is_independent]),
        "by_product": by_product,
        "by_family": by_family,
        "unverified": _tally([row for row in comparisons if not row.verified]),
    }


def _grouped(comparisons: Sequence[Comparison], field: str) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[Comparison]] = defaultdict(list)
    for row in comparisons:
        groups[str(getattr(row, field))].append(row)
    return {name: _tally(groups[name]) for name in sorted(groups)}


def _tally(rows: Sequence[Comparison]) -> dict[str, Any]:
    errors = [abs(row.simulated - row.published) for row in rows
              if row.family == "any grade" and not isnan(row.simulated)]
    return {
        "n_figures": len(rows),
        "n_trials": len({row.trial for row in rows}),
        "n_judged": sum(row.verdict != "not judged" for row in rows),
        "n_agree": sum(row.agrees for row in rows),
        "n_agree_wide": sum(
            row.agrees and row.unit == "1" and row.high - row.low > WIDE_RATE_INTERVAL for row in rows),
        "mean_absolute_error_any_grade": sum(errors) / len(errors) if errors else None,
    }


def to_json(comparisons: Sequence[Comparison]) -> str:
    """An object with ``rows`` (every comparison) and ``summary``; missing numbers are null."""
    tree = {"rows": [row.as_dict() for row in comparisons], "summary": summarise(comparisons)}
    return json.dumps(tree, indent=2, allow_nan=False)
