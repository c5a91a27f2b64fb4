"""When the event comes, given that it comes: a discrete-time hazard model on arrays.

Every patient with the event gives one row for each interval until the onset, the interval in which
it came marked 1. Trees fitted to these rows say the log-odds of the hazard, which is the chance of
an onset in an interval if there was none before. They begin with the time since the latest dose,
the number of that dose and the groups (products); patients held out then say how many trees of all
features are worth keeping on top, with the directions of the risk model: what raises the risk may
only raise the hazard, and so bring the onset forward.

A patient with the event has it inside the window, so nobody is censored and the shares reach 1 at
its end. How many have the event at all is the risk model's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_expit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted

from crsrisk import streams
from crsrisk.data.disclosure import FEWEST
from crsrisk.data.onset import DoseSchedule, OnsetIntervals
from crsrisk.model.booster import bare_text, raw_log_odds_of
from crsrisk.model.estimator import enough_known, fill_values
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.small_leaves import without_small_leaves

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Schedules = DoseSchedule | Sequence[DoseSchedule]

TIME_FEATURES: tuple[str, ...] = ("hours_since_dose", "dose_number")
FEWEST_ONSETS = 20  # with fewer nothing is fitted, nor is a product spoken of
_PATIENCE = 25  # rounds without a better held-out loss, after which no more are tried
_BLOCK = 200_000  # rows of intervals that are scored at one time


@dataclass(frozen=True, eq=False)
class _Periods:
    """One row an interval at risk: features and time, whether the onset was in it, whose it is."""

    table: Floats
    label: Floats
    patient: Rows

    def of(self, patients: NDArray[np.bool_]) -> _Periods:
        """The rows of these patients (a flag for each)."""
        rows = patients[self.patient]
        return _Periods(self.table[rows], self.label[rows], self.patient[rows])


class OnsetHazard(BaseEstimator):
    """When the event comes, given that it comes, from arrays of numbers (NaN where missing).

    For the clinical table as measured take :class:`crsrisk.CRSOnsetEstimator`.

    Parameters
    ----------
    group_columns : sequence of int
        Positions of yes/no columns, such as products, whose course over time is learnt first.
    monotonic_cst : sequence of int, optional
        By column: +1 (the hazard may only rise, at any hour), -1 (only fall) or 0. The name is
        scikit-learn's.
    feature_names : sequence of str, optional
        Names of the columns for the trees; Column_0, Column_1, ... without.
    start_max_trees, start_learning_rate, start_num_leaves, start_min_data_in_leaf, start_l2
        As in LightGBM, of the trees that know time and groups alone.
    max_trees, learning_rate, num_leaves, min_data_in_leaf, l2
        As in LightGBM, of the trees of all features that follow. None are kept unless the log loss
        of patients held out falls by more than the standard error of the paired difference.
    n_folds : int
        Folds of patients that choose both numbers of trees.
    random_state : int
        Seed of the folds. The same rows, settings, seed and LightGBM give the same trees, byte for
        byte: they grow on one thread, whatever the machine's load.

    Attributes
    ----------
    booster_text_ : str
        The trees as bare LightGBM text, features first, then :data:`TIME_FEATURES`.
    fill_values_ : array (features,)
        What stands in for a missing value; NaN where the trees have learnt what missing means.
    n_start_trees_, n_trees_ : int
        Rounds kept of time and groups, and of all features on top.
    cv_log_loss_start_, cv_log_loss_ : float
        Log loss of patients held out, in nats for each onset, of time and groups alone and of the
        model that is kept.
    gain_, gain_se_ : float
        By how much the best number of trees on top lowers it, and its standard error.
    n_features_in_ : int

    Examples
    --------
    Onsets that come at the same rate every hour, 5% of those left:

    >>> rng = np.random.default_rng(1)
    >>> X, onset_h = rng.normal(size=(600, 2)), rng.geometric(0.05, 600).astype(float)
    >>> once = DoseSchedule(regimen="once", dose_h=(0.0,), window_h=504.0)
    >>> model = OnsetHazard(n_folds=2).fit(X, onset_h, np.ones(600), schedules=once)
    >>> share = model.predict_cumulative_incidence(X[:1], [24.0, 504.0], schedules=once)
    >>> round(float(share[0, 0]), 1), float(share[0, 1])
    (0.7, 1.0)
    """

    def __init__(
        self,
        *,
        group_columns: Sequence[int] = (),
        monotonic_cst: Sequence[int] | None = None,
        feature_names: Sequence[str] | None = None,
        start_max_trees: int = 400,
        start_learning_rate: float = 0.1,
        start_num_leaves: int = 8,
        start_min_data_in_leaf: int = 30,
        start_l2: float = 5.0,
        max_trees: int = 200,
        learning_rate: float = 0.1,
        num_leaves: int = 6,
        min_data_in_leaf: int = 60,
        l2: float = 20.0,
        n_folds: int = 3,
        random_state: int = 0,
    ) -> None:
        self.group_columns = group_columns
        self.monotonic_cst = monotonic_cst
        self.feature_names = feature_names
        self.start_max_trees = start_max_trees
        self.start_learning_rate = start_learning_rate
        self.start_num_leaves = start_num_leaves
        self.start_min_data_in_leaf = start_min_data_in_leaf
        self.start_l2 = start_l2
        self.max_trees = max_trees
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_data_in_leaf = min_data_in_leaf
        self.l2 = l2
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(
        self, X: Any, onset_hours: ArrayLike, event: ArrayLike, *, schedules: Schedules
    ) -> OnsetHazard:
        """Fit to the patients with the event; of the others nothing is learnt.

        Parameters
        ----------
        X : array (patients, features)
            Numbers; NaN where missing.
        onset_hours : array (patients,)
            Hours from the first dose to the event; NaN without one.
        event : array (patients,)
            1 with the event inside the window, 0 without.
        schedules : DoseSchedule, or one a patient
            Hours of the doses and the end of the window.

        Raises
        ------
        ValueError
            For fewer than 20 onsets, an event without its hour or outside the window, and wrong
            shapes.
        """
        table = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")
        onset_h, has_event = _checked_onsets(onset_hours, event, n=len(table))
        every = _one_a_row(schedules, n=len(table))
        late = [
            k
            for k in np.flatnonzero(has_event).tolist()
            if not 0 <= onset_h[k] <= every[k].window_h
        ]
        if late:
            raise ValueError(
                f"row {late[0]}: an onset at {onset_h[late[0]]:g} h, outside the window of"
                f" {every[late[0]].window_h:g} h"
            )
        self.n_features_in_ = table.shape[1]
        rows = np.flatnonzero(has_event)
        mine = enough_known(table[rows])
        self.fill_values_ = fill_values(mine, None)
        periods = _expanded(
            np.where(np.isnan(mine), self.fill_values_, mine),
            onset_h[rows],
            [every[k] for k in rows.tolist()],
        )
        start = self._start_settings()
        top = self._top_settings()
        held = _folds(len(rows), n_folds=self.n_folds, seed=self.random_state)
        self._choose_rounds(periods, held, start=start, top=top)
        names = [*(self.feature_names or map("Column_{}".format, range(table.shape[1])))]
        data = _dataset(self._masked(periods.table), periods.label, names=[*names, *TIME_FEATURES])
        grown = lgb.train(start, data, self.n_start_trees_)
        if self.n_trees_:
            data = _dataset(periods.table, periods.label, names=[*names, *TIME_FEATURES])
            grown = lgb.train(top, data, self.n_trees_, init_model=grown)
        # an interval is a row: so many rows in a leaf may all be one patient's
        told = without_small_leaves(grown, table=periods.table, patient=periods.patient)
        self.booster_text_ = bare_text(told.model_to_string())
        return self

    def predict_cumulative_incidence(
        self, X: Any, hours: ArrayLike, *, schedules: Schedules, risk: ArrayLike | None = None
    ) -> Floats:
        """The chance of an onset by each hour after the first dose, shape (patients, hours).

        Parameters
        ----------
        X : array (patients, features)
        hours : array (hours,)
        schedules : as in :meth:`fit`.
        risk : array (patients,), optional
            Risk of the event inside the window (0-1), which the curve reaches at its end. Without
            it the chance is that among patients who have the event, and reaches 1.
        """
        check_is_fitted(self)
        table = check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")
        filled = np.where(np.isnan(table), self.fill_values_, table)
        height = np.ones(len(table)) if risk is None else np.asarray(risk, dtype=np.float64)
        every = _one_a_row(schedules, n=len(table))
        found = np.empty((len(table), np.size(hours)))
        for schedule in dict.fromkeys((one.dose_h, one.window_h) for one in every):
            rows = np.array([(one.dose_h, one.window_h) == schedule for one in every])
            intervals = OnsetIntervals.of(
                DoseSchedule(regimen="", dose_h=schedule[0], window_h=schedule[1])
            )
            share = onset_share(self.booster_text_, filled[rows], intervals)
            found[rows] = intervals.share_by(share, hours)
        return height[:, None] * found

    def _choose_rounds(
        self,
        periods: _Periods,
        held: NDArray[np.int64],
        *,
        start: Mapping[str, Any],
        top: Mapping[str, Any],
    ) -> None:
        """How many rounds of time and groups, and of all features on top, by patients held out."""
        sides = [(periods.of(held != k), periods.of(held == k)) for k in range(self.n_folds)]
        masked = [(self._masked(a.table), self._masked(b.table)) for a, b in sides]
        zeros = [(np.zeros(len(a.label)), np.zeros(len(b.label))) for a, b in sides]
        first = _searched(sides, masked, zeros, settings=start, most=self.start_max_trees)
        tables = [(a.table, b.table) for a, b in sides]
        second = _searched(sides, tables, first.scores, settings=top, most=self.max_trees)
        outside = [b for _, b in sides]
        before = _loss_by_patient(outside, [b for _, b in first.scores], n=len(held))
        after = _loss_by_patient(outside, [b for _, b in second.scores], n=len(held))
        gain = before - after
        self.gain_ = float(gain.mean())
        self.gain_se_ = float(gain.std(ddof=1) / len(gain) ** 0.5)
        self.n_start_trees_ = max(1, first.best)
        self.n_trees_ = second.best if self.gain_ > self.gain_se_ else 0
        self.cv_log_loss_start_ = float(before.mean())
        self.cv_log_loss_ = float((after if self.n_trees_ else before).mean())

    def _masked(self, table: Floats) -> Floats:
        """The same table with everything but groups and time set to 0, so that no tree asks it."""
        kept = [*self.group_columns, *range(self.n_features_in_, table.shape[1])]
        masked = np.zeros_like(table)
        masked[:, kept] = table[:, kept]
        return masked

    def _start_settings(self) -> dict[str, Any]:
        return {
            **self._common_settings(),
            "learning_rate": self.start_learning_rate,
            "num_leaves": self.start_num_leaves,
            "min_data_in_leaf": self.start_min_data_in_leaf,
            "lambda_l2": self.start_l2,
        }

    def _top_settings(self) -> dict[str, Any]:
        directions = [0] * self.n_features_in_
        if self.monotonic_cst is not None:
            directions = [int(direction) for direction in self.monotonic_cst]
        if len(directions) != self.n_features_in_ or not set(directions) <= {-1, 0, 1}:
            raise ValueError(f"monotonic_cst needs {self.n_features_in_} values of -1, 0 or 1")
        return {
            **self._common_settings(),
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_data_in_leaf,
            "lambda_l2": self.l2,
            "monotone_constraints": [*directions, *(0 for _ in TIME_FEATURES)],
        }

    def _common_settings(self) -> dict[str, Any]:
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "seed": self.random_state,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "feature_pre_filter": False,
            "min_data_in_bin": FEWEST,
            "verbosity": -1,
        }


def onset_share(booster_text: str, filled: Floats, intervals: OnsetIntervals) -> Floats:
    """Of patients with the event, the share with an onset by the end of each interval, shape
    (patients, intervals): it rises, and its last value is 1.

    1 - product(1 - hazard), divided by what it is at the end of the window.
    """
    forest, n_times = forest_of(booster_text), len(intervals)
    share = np.empty((len(filled), n_times))
    time = np.column_stack([intervals.since_dose_h, intervals.dose])
    size = max(1, _BLOCK // n_times)
    for at in range(0, len(filled), size):
        some = filled[at : at + size]
        rows = np.column_stack([np.repeat(some, n_times, axis=0), np.tile(time, (len(some), 1))])
        log_free = log_expit(-raw_log_odds_by(forest, rows)).reshape(len(some), n_times)
        by_then = -np.expm1(np.cumsum(log_free, axis=1))
        share[at : at + size] = by_then / by_then[:, -1:]
    return share


@dataclass(frozen=True, eq=False)
class _Searched:
    """The best number of rounds, and the log-odds of both sides of every fold after so many."""

    best: int
    scores: list[tuple[Floats, Floats]]


def _searched(
    sides: Sequence[tuple[_Periods, _Periods]],
    tables: Sequence[tuple[Floats, Floats]],
    begun: Sequence[tuple[Floats, Floats]],
    *,
    settings: Mapping[str, Any],
    most: int,
) -> _Searched:
    """Grow all folds round by round until the held-out log loss has not fallen for a while."""
    boosters = []
    for (inside, outside), (table, other), (score, beyond) in zip(
        sides, tables, begun, strict=True
    ):
        is_fresh = not score.any()
        training = _dataset(table, inside.label, score=None if is_fresh else score)
        validation = lgb.Dataset(
            other, outside.label, reference=training, init_score=None if is_fresh else beyond
        )
        booster = lgb.Booster(dict(settings), training)
        booster.add_valid(validation, "held out")
        boosters.append(booster)
    weights = [len(outside.label) for _, outside in sides]
    curve, sizes = [np.inf], [[0] * len(boosters)]
    best = 0
    if begun[0][0].any():
        curve = [
            float(
                np.average(
                    [
                        -log_expit(np.where(outside.label > 0, beyond, -beyond)).mean()
                        for (_, outside), (_, beyond) in zip(sides, begun, strict=True)
                    ],
                    weights=weights,
                )
            )
        ]
    while len(curve) <= most and len(curve) <= best + _PATIENCE:
        losses = []
        for booster in boosters:
            booster.update()
            losses.append(booster.eval_valid()[0][2])
        curve.append(float(np.average(losses, weights=weights)))
        sizes.append([booster.num_trees() for booster in boosters])
        if curve[-1] < curve[best]:
            best = len(curve) - 1
    scores = []
    for booster, n_trees, (table, other), (score, beyond) in zip(
        boosters, sizes[best], tables, begun, strict=True
    ):
        added = [
            raw_log_odds_of(booster, part, n_trees=n_trees) if n_trees else np.zeros(len(part))
            for part in (table, other)
        ]
        scores.append((score + added[0], beyond + added[1]))
    return _Searched(best, scores)


def _dataset(
    table: Floats,
    label: Floats,
    *,
    score: Floats | None = None,
    names: list[str] | None = None,
) -> lgb.Dataset:
    return lgb.Dataset(
        table, label, init_score=score, feature_name=names or "auto", free_raw_data=False
    )


def _loss_by_patient(sides: Sequence[_Periods], scores: Sequence[Floats], *, n: int) -> Floats:
    """Log loss of each onset (nats): that of all its intervals together."""
    loss = np.zeros(n)
    for side, score in zip(sides, scores, strict=True):
        of_rows = -log_expit(np.where(side.label > 0, score, -score))
        loss += np.bincount(side.patient, weights=of_rows, minlength=n)
    return loss


def _folds(n: int, *, n_folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of every patient: as many in each, to the nearest."""
    chance = streams.uniforms(seed=seed, decision="onset folds", start=0, stop=n, width=1)[:, 0]
    fold = np.empty(n, dtype=np.int64)
    fold[np.argsort(chance, kind="stable")] = np.arange(n) % n_folds
    return fold


def _expanded(table: Floats, onset_h: Floats, schedules: Sequence[DoseSchedule]) -> _Periods:
    """Every patient's intervals until that of the onset."""
    known: dict[tuple[tuple[float, ...], float], OnsetIntervals] = {}
    times, lengths = [], []
    for hour, schedule in zip(onset_h, schedules, strict=True):
        key = (schedule.dose_h, schedule.window_h)
        intervals = known.setdefault(key, OnsetIntervals.of(schedule))
        n = int(intervals.number_of(hour)) + 1
        times.append(np.column_stack([intervals.since_dose_h[:n], intervals.dose[:n]]))
        lengths.append(n)
    patient = np.repeat(np.arange(len(table)), lengths)
    label = np.zeros(len(patient))
    label[np.cumsum(lengths) - 1] = 1.0
    return _Periods(np.column_stack([table[patient], np.concatenate(times)]), label, patient)


def _one_a_row(schedules: Schedules, *, n: int) -> Sequence[DoseSchedule]:
    every = [schedules] * n if isinstance(schedules, DoseSchedule) else schedules
    if len(every) != n:
        raise ValueError(f"{len(every)} schedules for {n} patients")
    return every


def _checked_onsets(
    onset_hours: ArrayLike, event: ArrayLike, *, n: int
) -> tuple[Floats, NDArray[np.bool_]]:
    onset_h = np.asarray(onset_hours, dtype=np.float64)
    known = np.asarray(event, dtype=np.float64)
    if onset_h.shape != (n,) or known.shape != (n,):
        raise ValueError(
            f"one onset_hours and one event a patient: {n} rows of X, shapes {onset_h.shape} and"
            f" {known.shape}"
        )
    if not np.isin(known, (0.0, 1.0)).all():
        raise ValueError("event is 0 or 1 for every patient")
    has_event = known > 0
    if (wrong := np.flatnonzero(has_event == np.isnan(onset_h))).size:
        raise ValueError(
            f"row {wrong[0]}: event {known[wrong[0]]:g} and onset_hours {onset_h[wrong[0]]:g};"
            " there is an hour exactly where there is an event"
        )
    if has_event.sum() < FEWEST_ONSETS:
        raise ValueError(f"{int(has_event.sum())} onsets; {FEWEST_ONSETS} are needed")
    return onset_h, has_event
