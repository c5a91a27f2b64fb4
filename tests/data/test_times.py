"""Dates are read where they can be read in one way, and hours count from the dose."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.times import hours_between, read_moments
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
