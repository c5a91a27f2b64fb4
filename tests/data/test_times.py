"""Dates are read where they can be read in one way, and hours count from the dose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.times import (
    are_dates,
    are_times_of_day,
    dates_with_times,
    hours_between,
    read_moments,
    require_one_clock,
)
from crsrisk.errors import InputError

MOMENT = np.datetime64("2024-03-31T08:05:00")


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-31 08:05",
        "2024-03-31T08:05:00",
        "31.03.2024 08:05",
        "31/03/2024 08:05",
        "03/31/2024 8:05",
        "31MAR2024:08:05:00",
        "31 Mar 2024 08:05",
        "03/31/2024 8:05 AM",
        "31.03.2024 08:05 a.m.",
        "20240331T080500",
        "20240331 0805",
    ],
)
def test_one_moment_in_many_spellings(text: str) -> None:
    found = read_moments(pd.Series([text, ""]), where="mine.csv")
    assert found.at[0] == MOMENT
    assert found.has_clock.tolist() == [True, False]
    assert np.isnat(found.at[1])
    assert not found.is_bad.any()


def test_dates_of_a_workbook_are_dates() -> None:
    stamps = pd.Series([pd.Timestamp(MOMENT), pd.Timestamp("2024-03-31")], dtype=object)
    found = read_moments(stamps, where="mine.xlsx")
    assert found.at[0] == MOMENT
    assert found.has_clock.tolist() == [True, False]


def test_what_is_no_date_is_bad_and_not_guessed() -> None:
    cells = pd.Series(["soon", "2024-13-01", "45352", "2024-03-31"])
    assert read_moments(cells, where="x").is_bad.tolist() == [True, True, True, False]


def test_day_and_month_that_can_be_exchanged_are_refused() -> None:
    with pytest.raises(InputError, match="03/04/2024"):
        read_moments(pd.Series(["03/04/2024", "05/06/2024"], name="at"), where="x")
    known = read_moments(pd.Series(["03/04/2024", "25/06/2024"]), where="x")
    assert known.at[0] == np.datetime64("2024-04-03")


def test_zones_count_and_are_not_mixed() -> None:
    found = read_moments(pd.Series(["2024-03-31T08:05Z", "2024-03-31T10:05+02:00"]), where="x")
    assert found.at.tolist() == [MOMENT.item(), MOMENT.item()]
    with pytest.raises(InputError, match="time zone"):
        read_moments(pd.Series(["2024-03-31T08:05Z", "2024-03-31T10:05"]), where="x")


def test_hours_between() -> None:
    later = np.array(["2024-03-01T10:30", "NaT"], dtype="datetime64[s]")
    earlier = np.array(["2024-02-29T09:00"] * 2, dtype="datetime64[s]")
    assert hours_between(later, earlier)[0] == 25.5
    assert np.isnan(hours_between(later, earlier)[1])


@pytest.mark.parametrize(
    ("text", "hour"), [("12:30 AM", 0), ("12:30 PM", 12), ("1:30 pm", 13), ("11:30 PM", 23)]
)
def test_the_half_of_the_day_counts(text: str, hour: int) -> None:
    found = read_moments(pd.Series([f"2024-03-31 {text}"]), where="x")
    assert found.at[0] == np.datetime64("2024-03-31T00:30:00") + np.timedelta64(hour, "h")


def test_an_hour_that_no_clock_has_is_bad() -> None:
    cells = pd.Series(["2024-03-31 13:30 PM", "2024-03-31 0:30 AM", "2024-03-31 25:00"])
    assert read_moments(cells, where="x").is_bad.all()


def test_two_columns_have_one_clock() -> None:
    with_zone, without, dates = (
        read_moments(pd.Series([text]), where="x")
        for text in ("2024-03-31T08:05Z", "2024-03-31T08:05", "")
    )
    require_one_clock(with_zone, with_zone, where="x", columns="a, b")
    require_one_clock(with_zone, dates, where="x", columns="a, b")
    with pytest.raises(InputError, match="time zone in one column"):
        require_one_clock(with_zone, without, where="x", columns="a, b")


def test_date_and_time_of_day_in_two_columns() -> None:
    dates = pd.Series(["2024-03-31", pd.Timestamp("2024-03-31"), None], name="date", dtype=object)
    times = pd.Series(["8:05 AM", MOMENT.item().time(), "09:00"], dtype=object)
    assert are_times_of_day(times)
    assert not are_times_of_day(pd.Series(["8", "08:05"]))
    assert are_dates(dates)
    assert not are_dates(pd.Series(["120", "45352", ""]))
    found = read_moments(dates_with_times(dates, times), where="x")
    assert found.at[:2].tolist() == [MOMENT.item()] * 2
    assert found.is_bad.tolist() == [False, False, True]
