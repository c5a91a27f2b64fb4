"""The intervals after doses cover the window once; hours and shares lead to each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.data.onset import DoseSchedule, OnsetIntervals, schedules_of
from tests.simulation.people import arm_of

SCHEDULES = st.lists(st.integers(1, 1400), max_size=4, unique=True).map(
    lambda hours: DoseSchedule(regimen="any", dose_h=(0.0, *sorted(hours)), window_h=1440.0)
)


@given(SCHEDULES)
@settings(max_examples=50, deadline=None)
def test_intervals_cover_the_window_once(schedule: DoseSchedule) -> None:
    intervals = OnsetIntervals.of(schedule)
    assert intervals.end_h[-1] == schedule.window_h
    assert (np.diff(intervals.end_h) > 0).all()
    assert set(schedule.dose_h[1:]) <= set(intervals.end_h)
    starts = np.array([schedule.dose_h[int(dose) - 1] for dose in intervals.dose])
    assert np.array_equal(starts + intervals.since_dose_h, intervals.end_h)
    assert (intervals.since_dose_h > 0).all()


@given(SCHEDULES, st.floats(0.0, 1440.0))
@settings(max_examples=50, deadline=None)
def test_an_onset_lies_in_the_interval_that_ends_with_or_after_it(
    schedule: DoseSchedule, onset_h: float
) -> None:
    intervals = OnsetIntervals.of(schedule)
    number = int(intervals.number_of(onset_h))
    assert onset_h <= intervals.end_h[number]
    assert number == 0 or onset_h > intervals.end_h[number - 1]


@given(SCHEDULES, st.integers(0, 2**32 - 1), st.floats(0.001, 0.999))
@settings(max_examples=50, deadline=None)
def test_hours_and_shares_lead_to_each_other(
    schedule: DoseSchedule, seed: int, wanted: float
) -> None:
    intervals = OnsetIntervals.of(schedule)
    steps = np.random.default_rng(seed).uniform(0.01, 1.0, (1, len(intervals)))
    share = np.cumsum(steps, axis=1) / steps.sum()
    hour = intervals.hour_at(share, np.array([wanted]))
    assert intervals.share_by(share, hour)[0, 0] == pytest.approx(wanted, abs=1e-9)


def test_an_hour_is_fine_in_the_first_half_day_after_each_dose() -> None:
    intervals = OnsetIntervals.of(
        DoseSchedule(regimen="label", dose_h=(0.0, 168.0), window_h=504.0)
    )
    assert intervals.end_h[:12].tolist() == list(range(1, 13))
    second = intervals.end_h[intervals.dose == 2]
    assert second[:12].tolist() == list(range(169, 181))
    within_3_days = intervals.since_dose_h <= 72
    assert np.diff(intervals.end_h)[within_3_days[1:]].max() == 6


@pytest.mark.parametrize("dose_h", [(), (1.0,), (0.0, 0.0), (0.0, 700.0), (0.0, 200.0, 100.0)])
def test_doses_out_of_order_are_refused(dose_h: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rising hours"):
        DoseSchedule(regimen="any", dose_h=dose_h, window_h=504.0)


def test_a_product_has_one_schedule() -> None:
    arms = [arm_of("tarlatamab"), arm_of("tebentafusp")]
    schedules = schedules_of(arms)
    assert schedules["tarlatamab"].dose_h == (0.0, 168.0, 336.0)
    assert schedules["tarlatamab"].window_h == 504.0
    assert schedules_of([arms[0], arms[0]]).keys() == {"tarlatamab"}
