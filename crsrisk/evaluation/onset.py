"""Calibration of onset: risk by 24, 48, 72 h and 7 d, and times after each dose, in patients whose
onset is known.

Nobody is censored: every patient is followed to the end of the window, so the share observed by an
hour is a plain share, with Wilson's interval. With a truth (patients simulated again) the distance
of each patient's predicted risk from the true one is given too, Monte Carlo noise removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crsrisk.data.disclosure import is_told, pooled_words
from crsrisk.data.onset_prediction import HOURS, LATER_DOSES
from crsrisk.data.published_figures import wilson_interval
from crsrisk.errors import InputError
from crsrisk.evaluation.against_truth import (
    FEWEST,
    CalibrationError,
    SplitHalves,
    calibration_error,
)
from crsrisk.evaluation.calibration import recalibrate
from crsrisk.evaluation.metrics import clip_risk
from crsrisk.model.onset import OnsetModel
from crsrisk.plots.chart_data import OnsetCalibrationMark, OnsetCalibrationPanel
from crsrisk.results import Estimate, NotEstimable, Result, to_plain
from crsrisk.simulation.true_onset import TrueOnset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
ALL = "all"


@dataclass(frozen=True)
class ByHour:
    """One group by one hour: predicted mean (0-1) and observed share with its 95% interval.

    ``slope``: of the logistic recalibration (1 is ideal). ``true``: mean true risk; ``error``:
    distance of predicted from true risk, patient by patient. Both only where patients were
    simulated again, which may be a part of them (``error.n_patients``).
    """

    group: str
    hour_h: float
    n: int
    n_onsets: int
    predicted: float
    observed: Estimate
    slope: Estimate | NotEstimable
    true: float | None
    error: CalibrationError | NotEstimable | None

    @property
    def is_inside(self) -> bool:
        """Whether the predicted mean lies inside the observed interval."""
        return self.observed.low <= self.predicted <= self.observed.high


@dataclass(frozen=True)
class AfterDose:
    """Patients of one product without the event when a dose is given.

    ``predicted`` and ``observed``: share with an onset until the next dose or the end of the
    window. ``by_median`` and ``by_hours_90``: of these onsets, the share by the hours that the
    model gives for half and for nine of ten. The ward is looked at once an hour, so an onset seen
    at an hour came somewhere in the hour before it, and counts in part where that hour is cut.
    """

    group: str
    dose: int
    n: int
    n_onsets: int
    predicted: float
    observed: Estimate
    by_median: Estimate | NotEstimable
    by_hours_90: Estimate | NotEstimable


@dataclass(frozen=True, kw_only=True, repr=False)
class OnsetCalibration(Result):
    """How onset was predicted in patients whose onset is known.

    Parameters
    ----------
    by_hour : every product of ten patients and more, and all together, by hour.
    after_doses : every product and dose, where ten patients and more were at risk.
    not_told : patients of whom no onset can be told, by product.
    model : name and version of the risk model.
    who : the patients, in words.
    n_true : patients that were simulated again, and how often; None without a truth.
    """

    by_hour: tuple[ByHour, ...]
    after_doses: tuple[AfterDose, ...]
    not_told: dict[str, int]
    model: str
    who: str
    n_true: tuple[int, int] | None = None
    notice: str = LATER_DOSES

    def to_frame(self) -> pd.DataFrame:
        """One row a group and hour."""
        return pd.DataFrame(
            [
                {
                    "group": row.group,
                    "hour_h": row.hour_h,
                    "n": row.n,
                    "n_onsets": row.n_onsets,
                    "predicted": row.predicted,
                    **_columns("observed", row.observed),
                    "is_inside": row.is_inside,
                    **_columns("slope", row.slope),
                    "true": np.nan if row.true is None else row.true,
                    **_columns(
                        "mean_absolute_error",
                        row.error.mean_absolute
                        if isinstance(row.error, CalibrationError)
                        else None,
                    ),
                    **_columns(
                        "bias", row.error.bias if isinstance(row.error, CalibrationError) else None
                    ),
                }
                for row in self.by_hour
            ]
        )

    def doses_frame(self) -> pd.DataFrame:
        """One row a product and dose."""
        return pd.DataFrame(
            [
                {
                    "group": row.group,
                    "dose": row.dose,
                    "n": row.n,
                    "n_onsets": row.n_onsets,
                    "predicted": row.predicted,
                    **_columns("observed", row.observed),
                    **_columns("by_median", row.by_median),
                    **_columns("by_hours_90", row.by_hours_90),
                }
                for row in self.after_doses
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return dict(to_plain(vars(self)))

    def summary(self) -> str:
        """How many predicted means lie inside the observed intervals, and what is weak."""
        inside = [row.is_inside for row in self.by_hour if row.group != ALL]
        told = (
            f"{self.model} in {self.who}: of {len(inside)} predicted shares by product and hour"
            f" {sum(inside)} lie inside the observed 95% interval (about one in twenty lies outside"
            " by chance)"
        )
        if self.not_told:
            few = ", ".join(f"{name} ({n} patients)" for name, n in self.not_told.items())
            told += f". Cannot estimate: {few}"
        return f"{told}. {self.notice}"

    def plot(self) -> list[Axes]:
        """Predicted beside observed shares, one panel an hour, one row a group."""
        from crsrisk.plots.onset_charts import plot_onset_calibration

        hours = list(dict.fromkeys(row.hour_h for row in self.by_hour))
        return plot_onset_calibration(
            [
                OnsetCalibrationPanel(
                    title=f"By {hour:g} h",
                    marks=[
                        OnsetCalibrationMark(row.group, row.predicted, row.observed, row.true)
                        for row in self.by_hour
                        if row.hour_h == hour
                    ],
                )
                for hour in hours
            ]
        )


def calibrate_onset(
    model: OnsetModel,
    X: pd.DataFrame,
    onset_h: ArrayLike,
    *,
    who: str,
    hours: Sequence[float] = HOURS,
    truth: TrueOnset | None = None,
    seed: int = 1,
) -> OnsetCalibration:
    """Judge a model's onsets in patients followed to the end of the window.

    Parameters
    ----------
    model : what is judged.
    X : clinical table as measured, indexed by patient number.
    onset_h : hours from the first dose to the first grade 2 or more; NaN where it never came.
    who : the patients, in words.
    hours : hours after the first dose.
    truth : true onsets of some of the patients, at these hours.
    seed : of the bootstrap of the distances from the truth.

    Raises
    ------
    InputError
        For onsets of other patients than X, and a truth at other hours.
    """
    onset = np.asarray(onset_h, dtype=np.float64)
    if onset.shape != (len(X),):
        raise InputError(
            where="onset",
            key="onset_h",
            found=f"shape {onset.shape}",
            expected=f"one a patient, {len(X)}",
            cure="take both of the same patients",
        )
    if truth is not None and tuple(truth.hours) != tuple(hours):
        raise InputError(
            where="onset",
            key="truth",
            found=f"hours {truth.hours}",
            expected=f"{tuple(hours)}",
            cure="simulate the truth at the hours that are judged",
        )
    predicted = model.predict(X, hours)
    names = [f"risk_{hour:g}h" for hour in hours]
    risk = predicted.rows[names].to_numpy(dtype=np.float64)
    told = ~np.isnan(risk).any(axis=1)
    product = pooled_words(predicted.rows["product"]).astype(object)
    by_then = onset[:, None] <= np.asarray(hours)[None, :]
    groups = {ALL: told, **{name: told & (product == name) for name in sorted(set(product[told]))}}
    groups = {name: mine for name, mine in groups.items() if is_told(int(mine.sum()))}
    again = _Again.of(truth, X.index)
    rows = [
        _by_hour(name, float(hour), mine, risk[:, k], by_then[:, k], again.at(k), seed=seed)
        for name, mine in groups.items()
        for k, hour in enumerate(hours)
    ]
    silent = pd.Series(product[~told]).value_counts().sort_index()
    return OnsetCalibration(
        by_hour=tuple(rows),
        after_doses=tuple(_after_doses(predicted.doses, product, X.index, onset)),
        not_told={str(name): int(n) for name, n in silent.items()},
        model=model.label,
        who=who,
        n_true=None if truth is None else (len(truth.patient_id), truth.n_replicates),
    )


@dataclass(frozen=True, eq=False)
class _Again:
    """Which rows were simulated again (place in the truth, -1 for none), and the counts."""

    place: NDArray[np.intp]
    truth: TrueOnset | None

    @classmethod
    def of(cls, truth: TrueOnset | None, index: pd.Index[Any]) -> _Again:
        if truth is None:
            return cls(np.full(len(index), -1), None)
        return cls(pd.Index(truth.patient_id).get_indexer(index), truth)

    def at(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.int64], int] | None:
        """Place, counts (patients, halves) by hour ``k``, and replicates in a half."""
        if self.truth is None:
            return None
        return self.place, self.truth.n_onsets[:, k], self.truth.n_replicates // 2


def _by_hour(
    group: str,
    hour: float,
    mine: NDArray[np.bool_],
    risk: Floats,
    by_then: NDArray[np.bool_],
    again: tuple[NDArray[np.intp], NDArray[np.int64], int] | None,
    *,
    seed: int,
) -> ByHour:
    n, n_onsets = int(mine.sum()), int(by_then[mine].sum())
    true: float | None = None
    error: CalibrationError | NotEstimable | None = None
    if again is not None:
        place, counts, half = again
        rows = np.flatnonzero(mine & (place >= 0))
        if len(rows) < FEWEST:
            error = NotEstimable(f"{len(rows)} re-simulated patients; {FEWEST} are needed")
        else:
            halves = SplitHalves("what was observed", counts[place[rows]], half)
            true = float(halves.risk.mean())
            error = calibration_error(risk[rows], truth=halves, seed=seed)
    slope: Estimate | NotEstimable = NotEstimable("fewer than 10 with or without an onset by then")
    if is_told(min(n_onsets, n - n_onsets)):
        slope = recalibrate(by_then[mine], risk=clip_risk(risk[mine]).risk).slope
    return ByHour(
        group, hour, n, n_onsets, float(risk[mine].mean()), _share(n_onsets, n), slope, true, error
    )


def _after_doses(
    doses: pd.DataFrame, product: NDArray[Any], index: pd.Index[Any], onset: Floats
) -> list[AfterDose]:
    """Every product and dose, in patients without the event when the dose is given."""
    of_row = pd.DataFrame({"row": index, "product": product, "onset_h": onset})
    table = doses.merge(of_row, on="row", validate="many_to_one")
    at_risk = table[~(table["onset_h"] <= table["dose_h"])]
    rows = []
    for _, group in at_risk.groupby(["product", "dose"], sort=True):
        if not is_told(len(group)):
            continue
        onsets = group[group["onset_h"] <= group["until_h"]]
        waits = onsets["onset_h"] - onsets["dose_h"]
        rows.append(
            AfterDose(
                str(group["product"].iloc[0]),
                int(group["dose"].iloc[0]),
                len(group),
                len(onsets),
                float(group["risk_if_none_so_far"].mean()),
                _share(len(onsets), len(group)),
                *(
                    _share_of_onsets((onsets[column] - (waits - 1.0)).clip(0.0, 1.0))
                    for column in ("median_h_after_dose", "hours_90_after_dose")
                ),
            )
        )
    return rows


def _share_of_onsets(by_then: pd.Series[float]) -> Estimate | NotEstimable:
    if len(by_then) < FEWEST:
        return NotEstimable(f"{len(by_then)} onsets; {FEWEST} are needed")
    return _share(float(by_then.sum()), len(by_then))


def _share(count: float, n: int) -> Estimate:
    share = count / n
    return Estimate(share, *wilson_interval(share, n=n))


def _columns(name: str, figure: Estimate | NotEstimable | None) -> dict[str, float]:
    if not isinstance(figure, Estimate):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
