"""Time of onset: the hours after each dose into which it is divided, and the schedule of doses that
they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Arm

Floats = NDArray[np.float64]

_HOURS_A_DAY = 24.0
# ends of the intervals after a dose: fine where engagers act, then as coarse as onset is known
_ENDS_H: Floats = np.concatenate(
    [
        np.arange(1.0, 13.0, 1.0),
        np.arange(14.0, 31.0, 2.0),
        np.arange(33.0, 49.0, 3.0),
        np.arange(54.0, 73.0, 6.0),
        np.arange(84.0, 169.0, 12.0),
        np.arange(192.0, 337.0, 24.0),
    ]
)
_LATER_H = 48.0  # length of the intervals after those


class DoseSchedule(Strict):
    """When a product is given, in hours after the first dose, and until when onset counts.

    Examples
    --------
    >>> DoseSchedule(regimen="label", dose_h=(0.0, 168.0), window_h=504.0).until(1)
    168.0
    """

    regimen: str
    dose_h: tuple[float, ...]
    window_h: float

    @model_validator(mode="after")
    def _in_order(self) -> DoseSchedule:
        times = [*self.dose_h, self.window_h]
        if len(times) < 2 or times[0] != 0.0 or times != sorted(set(times)):
            raise ValueError("doses in rising hours, the first at 0 and all before window_h")
        return self

    @classmethod
    def of(cls, arm: Arm) -> DoseSchedule:
        """The doses of an arm that lie inside its window."""
        window_h = _HOURS_A_DAY * arm.window_d
        given = tuple(dose.time_h for dose in arm.regimen.doses if dose.time_h < window_h)
        return cls(regimen=arm.regimen_name, dose_h=given, window_h=window_h)

    def until(self, dose: int) -> float:
        """The hour at which the time after a dose (counted from 1) ends: the next dose, or the end
        of the window.
        """
        return (*self.dose_h[1:], self.window_h)[dose - 1]


@dataclass(frozen=True, eq=False)
class OnsetIntervals:
    """The intervals of a schedule in order, each from the end of the one before (exclusive) to its
    own (inclusive); an onset at the very hour of a dose lies before that dose.

    ``end_h`` counts from the first dose, ``since_dose_h`` is the same end counted from the latest
    dose, ``dose`` the number of that dose.

    Examples
    --------
    >>> doses = DoseSchedule(regimen="label", dose_h=(0.0, 168.0), window_h=504.0)
    >>> intervals = OnsetIntervals.of(doses)
    >>> intervals.number_of([1.0, 168.0, 168.5]).tolist()
    [0, 38, 39]
    """

    end_h: Floats
    since_dose_h: Floats
    dose: Floats

    @classmethod
    def of(cls, schedule: DoseSchedule) -> OnsetIntervals:
        """The intervals after each dose until the next, or until the end of the window."""
        ends, since, number = [], [], []
        for k, start in enumerate(schedule.dose_h, start=1):
            length = schedule.until(k) - start
            all_ends = np.concatenate([_ENDS_H, np.arange(_ENDS_H[-1], length, _LATER_H)[1:]])
            inside = np.append(all_ends[all_ends < length], length)
            ends.append(start + inside)
            since.append(inside)
            number.append(np.full(len(inside), float(k)))
        return cls(np.concatenate(ends), np.concatenate(since), np.concatenate(number))

    def __len__(self) -> int:
        return len(self.end_h)

    def number_of(self, onset_h: ArrayLike) -> NDArray[np.intp]:
        """Which interval an onset lies in."""
        return np.asarray(np.searchsorted(self.end_h, np.asarray(onset_h, dtype=np.float64)))

    def share_by(self, share: Floats, hours: ArrayLike) -> Floats:
        """A share that rises to ``share`` (patients, intervals) at the ends of the intervals, at
        any hours (hours,), straight within an interval: shape (patients, hours).
        """
        at = np.asarray(hours, dtype=np.float64)
        ends = np.concatenate([[0.0], self.end_h])
        rows = np.column_stack([np.zeros(len(share)), share])
        return np.array([np.interp(at, ends, row) for row in rows]).reshape(len(share), at.size)

    def hour_at(self, share: Floats, wanted: Floats) -> Floats:
        """The first hour at which a rising share reaches what is wanted of each patient
        (patients,).
        """
        ends = np.concatenate([[0.0], self.end_h])
        rows = np.column_stack([np.zeros(len(share)), share])
        found = np.empty(len(share))
        for k, (row, goal) in enumerate(zip(rows, wanted, strict=True)):
            after = int(np.searchsorted(row, goal))
            if after == 0 or after == len(row):
                found[k] = ends[min(after, len(ends) - 1)]
                continue
            part = (goal - row[after - 1]) / (row[after] - row[after - 1])
            found[k] = ends[after - 1] + part * (ends[after] - ends[after - 1])
        return found


def schedules_of(arms: Sequence[Arm]) -> dict[str, DoseSchedule]:
    """The schedule of every arm, by product.

    Raises
    ------
    ValueError
        Where two arms of one product differ in doses or window, since a table of patients says the
        product alone.
    """
    found: dict[str, DoseSchedule] = {}
    for arm in arms:
        schedule = DoseSchedule.of(arm)
        before = found.setdefault(arm.product.name, schedule)
        if (before.dose_h, before.window_h) != (schedule.dose_h, schedule.window_h):
            raise ValueError(f"two schedules of {arm.product.name}: one model knows one")
    return found
