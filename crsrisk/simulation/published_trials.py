"""Published trials, simulated: what each would print of its patients, with the Monte Carlo error.

A metric of the evidence files (a rate, a median time) is measured among simulated patients as the
trial measured it: its denominator, the clock its onsets count from, its grading system. Trials that
differ in nothing the simulator knows share one simulation (:func:`trial_simulator`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from crsrisk.data.grading_systems import GradingSystem, system_of
from crsrisk.data.product import Product
from crsrisk.data.published_figures import PublishedFigure, Trial, wilson_interval
from crsrisk.data.world import World
from crsrisk.results import Z_95, Estimate
from crsrisk.simulation.arm import arms_by_tumour_type, make_arm
from crsrisk.simulation.layout import WARD_H
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.population import draw, transform_draws
from crsrisk.simulation.run import run

Group: TypeAlias = Callable[[pd.DataFrame], "pd.Series[bool]"]
Times: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class SimulatedFigure:
    """A figure measured among ``n`` simulated patients, with its Monte Carlo standard error.

    Value and error are NaN where these patients cannot give them (nobody had the event).

    >>> SimulatedFigure.of(0.25, mc_error=0.1, n=19).estimate
    Estimate(0.25, Monte Carlo error 0.1)
    """

    estimate: Estimate
    n: int

    @classmethod
    def of(cls, value: float, *, mc_error: float, n: int) -> SimulatedFigure:
        """From its numbers."""
        return cls(Estimate(value, mc_error=mc_error), n)

    @property
    def value(self) -> float:
        """The figure itself, a share or a time."""
        return self.estimate.value

    @property
    def mc_error(self) -> float:
        """Standard error of having simulated only ``n`` patients; NaN where it is not known."""
        return nan if self.estimate.mc_error is None else self.estimate.mc_error


_NOTHING = SimulatedFigure.of(nan, mc_error=nan, n=0)


def share(event: pd.Series[bool]) -> SimulatedFigure:
    """Share of patients with the event. The error is half Wilson's 95% interval over 1.96, so it is
    never 0.

    >>> share(pd.Series([True, False, False, False])).value
    0.25
    """
    n = len(event)
    if n == 0:
        return _NOTHING
    value = float(event.mean())
    low, high = wilson_interval(value, n=n)
    return SimulatedFigure.of(value, mc_error=(high - low) / (2 * Z_95), n=n)


def median(times: Times) -> SimulatedFigure:
    """Median of times; a missing time counts as later than all (an episode not over when the window
    ends).

    The error is half the distribution-free 95% interval (between two order statistics, binomial
    ranks) over 1.96; with fewer than six times there is no such interval, and with too many missing
    ones no median.

    >>> median(np.arange(101.0)).value
    50.0
    """
    n = len(times)
    if n == 0:
        return _NOTHING
    ordered = np.sort(np.where(np.isnan(times), inf, times))
    value = float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
    # 1-based: P(fewer than rank values below the median) < 0.025
    rank = int(binom.ppf(0.025, n, 0.5))
    if not isfinite(value) or rank < 1:
        return SimulatedFigure.of(value if isfinite(value) else nan, mc_error=nan, n=n)
    half = float(ordered[n - rank] - ordered[rank - 1]) / 2
    return SimulatedFigure.of(value, mc_error=half / Z_95 if isfinite(half) else nan, n=n)


def median_of_days(days: Times) -> SimulatedFigure:
    """Median of whole calendar days, read within the day (each count stands for half a day to
    either side).

    A plain median of whole days jumps from 2 to 3 and hides everything between. Error: that of a
    median of values spread evenly over the day it falls on. Missing counts are later than all.

    >>> round(median_of_days(np.array([1.0, 2.0, 2.0, 3.0])).value, 2)
    2.0
    >>> round(median_of_days(np.array([2.0, 2.0, 3.0, 3.0])).value, 2)
    2.5
    """
    n = len(days)
    if n == 0 or np.isnan(days).sum() * 2 > n:
        return SimulatedFigure.of(nan, mc_error=nan, n=n)
    ordered = np.sort(np.where(np.isnan(days), inf, days))
    day = float(ordered[(n - 1) // 2])
    before, on = int((ordered < day).sum()), int((ordered == day).sum())
    middle = day - 0.5 + (n / 2 - before) / on
    return SimulatedFigure.of(middle, mc_error=sqrt(n) / (2 * on), n=n)


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


# metric -> who of the denominator counts, for metrics that are shares of patients
EVENTS: Mapping[str, Group] = MappingProxyType(
    {
        "crs_any_rate": _grades(1),
        "crs_any_rate_cycle1": _grades(1),
        "crs_grade1_2_rate": _grades(1, 2),
        **{f"crs_grade{grade}_rate": _grades(grade, grade) for grade in (1, 2, 3, 4)},
        "crs_grade2plus_rate": _grades(2),
        "crs_grade3plus_rate": _grades(3),
        # every fever after a dose opens CRS in the simulator, so that a CRS-like cluster is CRS
        "inflammatory_disorder_grade1_2_rate": _grades(1, 2),
        "inflammatory_disorder_grade3plus_rate": _grades(3),
        "share_high_grade_among_crs": _grades(3),
        "recurrence_rate_any": lambda table: table["n_episodes"] >= 2,
        "multiple_flares_rate": lambda table: table["n_episodes"] >= 2,
        "crs_after_dose1_rate": _after_doses(1, 1, grade=1),
        "crs_after_dose2_rate": _after_doses(2, 2, grade=1),
        "crs_after_dose3plus_rate": _after_doses(3, 4, grade=1),
        "share_of_crs_patients_with_event_after_dose1": _after_doses(1, 1, grade=1),
        "share_of_crs_patients_with_event_after_dose2": _after_doses(2, 2, grade=1),
        "share_of_crs_patients_with_event_after_dose3plus": _after_doses(3, 4, grade=1),
        "crs_grade2plus_after_c1d1": _after_doses(1, 1, grade=2),
        "crs_grade2plus_after_c1d8": _after_doses(2, 2, grade=2),
        "crs_grade2plus_after_c1d15": _after_doses(3, 3, grade=2),
        "grade2plus_with_more_than_one_infusion_rate": _after_several_doses,
        "share_of_grade2plus_events_at_dose1": _after_doses(1, 1, grade=2),
        "tocilizumab_use_rate": lambda table: table["n_tocilizumab"] >= 1,
        "steroid_use_rate": lambda table: table["has_steroid_rescue"],
        "oxygen_use_rate": lambda table: table["has_oxygen"],
        "vasopressor_use_rate": lambda table: table["has_vasopressor"],
        "pyrexia_any_rate": lambda table: table["peak_temperature_c"] >= 38.0,
        "pyrexia_grade3plus_rate": lambda table: table["peak_temperature_c"] > 40.0,
    }
)


@dataclass(frozen=True)
class TimeOfPatients:
    """A median time as the evidence files print it: the column it is the median of, in ``unit_h``
    hours, among patients whose worst grade lies from ``low`` to ``high``.
    """

    column: str
    unit_h: float
    low: int = 1
    high: int = 4

    @property
    def is_onset(self) -> bool:
        """Whether it counts from a dose."""
        return self.column == "onset_h"

    def times(self, table: pd.DataFrame, dose_times_h: Sequence[float]) -> Times:
        """Each patient's own time in the metric's unit, NaN where it is not over, in the order of
        the patients whose worst grade it is about.
        """
        hours = _column(table[_grades(self.low, self.high)(table)], self.column)
        if self.is_onset:
            hours = since_dose_h(hours, dose_times_h=dose_times_h)
        return np.asarray(hours / self.unit_h)

    def median(self, times: Times) -> SimulatedFigure:
        """The median of such times; of whole days it is read within the day."""
        return median_of_days(times) if self.column == "resolution_d" else median(times)


TIMES: Mapping[str, TimeOfPatients] = MappingProxyType(
    {
        "onset_median_h": TimeOfPatients("onset_h", 1.0),
        # of the event that reached it, as adverse events are dated
        "onset_median_h_grade2plus": TimeOfPatients("onset_h", 1.0, low=2),
        "onset_median_d": TimeOfPatients("onset_h", 24.0),
        "onset_median_d_grade1_2": TimeOfPatients("onset_h", 24.0, high=2),
        "onset_median_d_grade3plus": TimeOfPatients("onset_h", 24.0, low=3),
        "resolution_median_d": TimeOfPatients("resolution_d", 1.0),  # calendar days
        "crs_duration_median_d": TimeOfPatients("duration_h", 24.0),
    }
)
_SAME_DAY = "share_of_episodes_starting_day_of_infusion"
METRICS: tuple[str, ...] = (*EVENTS, _SAME_DAY, *TIMES)


def _column(table: pd.DataFrame, name: str) -> Times:
    return table[name].to_numpy(dtype=np.float64)


def events(table: pd.DataFrame, *, metric: str, dose_times_h: Sequence[float]) -> pd.Series[bool]:
    """Who of the patients of the denominator counts for a metric that is a share."""
    if metric == _SAME_DAY:
        waited = since_dose_h(_column(table, "onset_h"), dose_times_h=dose_times_h)
        return pd.Series(waited <= 24.0, index=table.index)
    return EVENTS[metric](table)


def _median_time(
    time: TimeOfPatients, table: pd.DataFrame, dose_times_h: Sequence[float]
) -> SimulatedFigure:
    middle = time.median(time.times(table, dose_times_h))
    if not time.is_onset:
        return middle
    # looks come on the hour, so that an onset is known to within one: the SD of such rounding adds
    # to the error
    error = sqrt(middle.mc_error**2 + (WARD_H / time.unit_h) ** 2 / 12.0)
    return SimulatedFigure.of(middle.value, mc_error=error, n=middle.n)


_GROUPS: Mapping[str, Group] = MappingProxyType(
    {"patients": _grades(0), "crs_patients": _grades(1), "grade2plus_patients": _grades(2)}
)
REQUIRED_COLUMNS: tuple[str, ...] = (
    "max_grade",
    "n_episodes",
    "onset_h",
    "duration_h",
    "resolution_d",
    "peak_temperature_c",
    "n_tocilizumab",
    "has_steroid_rescue",
    "has_oxygen",
    "has_vasopressor",
    "window_d",
    *(f"grade_after_dose_{dose}" for dose in range(1, 5)),
    *(f"grade_{system.value}" for system in GradingSystem if system is not GradingSystem.ASTCT),
)


def denominator(outcomes: pd.DataFrame, *, figure: PublishedFigure, trial: Trial) -> pd.DataFrame:
    """The patients whose share or median a figure is, graded as its trial graded.

    Grades after single doses stay ASTCT, since the other systems are known for the whole follow-up
    only.
    """
    system = system_of(trial.grading, where=trial.name)
    if system is not GradingSystem.ASTCT:
        outcomes = outcomes.assign(max_grade=outcomes[f"grade_{system.value}"])
    return outcomes[_GROUPS[figure.of](outcomes)]


def clock_of(figure: PublishedFigure, *, trial: Trial) -> Sequence[float]:
    """The doses from which the onsets of a figure count (h)."""
    return trial.dose_times_h if figure.clock == "recent_dose" else [0.0]


def measure(outcomes: pd.DataFrame, *, figure: PublishedFigure, trial: Trial) -> SimulatedFigure:
    """The simulated twin of one figure: its metric among its denominator, onsets from its clock,
    under its grading.
    """
    group = denominator(outcomes, figure=figure, trial=trial)
    doses = clock_of(figure, trial=trial)
    if figure.metric in TIMES:
        return _median_time(TIMES[figure.metric], group, doses)
    return share(events(group, metric=figure.metric, dose_times_h=doses))


def simulate_outcomes(
    product: Product,
    *,
    world: World,
    n: int,
    seed: int,
    workers: int = 1,
    regimen: str | None = None,
    mitigations: tuple[str, ...] = (),
    population: str | None = None,
    policy: str | None = None,
    window_d: float | None = None,
) -> pd.DataFrame:
    """Outcomes of ``n`` simulated patients of one product, as a trial would tabulate them.

    Parameters
    ----------
    product : what is given.
    world : the assumptions to simulate under.
    n : number of patients.
    seed : equal seeds give the same patients in every arm (common random numbers).
    workers : threads; the result does not depend on it.
    regimen, population, policy : names; those of the product when left out.
    mitigations : names of prophylaxis given to everybody before dose 1.
    window_d : days after the first dose that count; the product's own when left out.

    Returns
    -------
    One row a patient, columns of :func:`crsrisk.simulation.outcomes.outcomes`.
    """
    arm = make_arm(
        product,
        world=world,
        regimen=regimen,
        mitigations=mitigations,
        population=population,
        policy=policy,
        window_d=window_d,
    )
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n)
    tables = []
    for part, rows in arms_by_tumour_type(arm, world=world, seed=seed, patient_id=draws.patient_id):
        patients = transform_draws(draws, part.population, assumptions=world.assumptions, rows=rows)
        episode = run(part, patients, world=world, workers=workers)
        tables.append(outcomes(episode, arm=part, patients=patients))
    return pd.concat(tables, ignore_index=True).sort_values("patient_id", ignore_index=True)


def trial_simulator(
    products: Mapping[str, Product],
    *,
    world: World,
    n: int,
    n_rare: int,
    seed: int,
    mitigations: tuple[str, ...] = (),
    workers: int = 1,
) -> Callable[[Trial], pd.DataFrame]:
    """A function from a trial to its simulated outcomes: ``n`` patients, ``n_rare`` under
    checkpoint inhibitors.

    ``mitigations`` are given to everybody beside what the trial gives.

    Trials of one product with the same regimen, population, policy and window share one simulation.
    A pool of several products has an equal share of patients of each.
    """
    done: dict[tuple[object, ...], pd.DataFrame] = {}

    def simulate_product(name: str, trial: Trial, share: int) -> pd.DataFrame:
        product = products[name]
        key = (name, share, trial.regimen, trial.population, trial.support_policy, trial.window_d)
        if key not in done:
            done[key] = simulate_outcomes(
                product,
                world=world,
                n=(n_rare if product.platform == "ici" else n) // share,
                seed=seed,
                workers=workers,
                mitigations=mitigations,
                regimen=trial.regimen,
                population=trial.population,
                policy=trial.support_policy,
                window_d=trial.window_d,
            )
        return done[key]

    def simulate(trial: Trial) -> pd.DataFrame:
        tables = [simulate_product(name, trial, len(trial.products)) for name in trial.products]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)

    return simulate
