"""Dates and times of a table: read where they can be read in one way, and turned into hours from
the time of the dose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cells import MISSING_WORDS, texts_of
from crsrisk.errors import InputError

_TIME_OF_DAY = (
    r"(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
)
_CLOCK = rf"(?:[T :,]+{_TIME_OF_DAY})?"
_ZONE = r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?"
_YEAR_FIRST = re.compile(
    rf"(?P<y>[0-9]{{4}})[-/.](?P<m>[0-9]{{1,2}})[-/.](?P<d>[0-9]{{1,2}}){_CLOCK}\s*{_ZONE}"
)
_DOTTED = re.compile(
    rf"(?P<d>[0-9]{{1,2}})\.(?P<m>[0-9]{{1,2}})\.(?P<y>[0-9]{{4}}){_CLOCK}\s*{_ZONE}"
)
_NAMED = re.compile(
    rf"(?P<d>[0-9]{{1,2}})[ -]?(?P<m>[A-Za-z]{{3}})[a-z]*[ -]?(?P<y>[0-9]{{4}}){_CLOCK}\s*{_ZONE}"
)
_EITHER = re.compile(
    rf"(?P<first>[0-9]{{1,2}})[/-](?P<second>[0-9]{{1,2}})[/-](?P<y>[0-9]{{4}}){_CLOCK}\s*{_ZONE}"
)
_BASIC = re.compile(
    rf"(?P<y>[0-9]{{4}})(?P<m>[0-9]{{2}})(?P<d>[0-9]{{2}})[T ](?P<clock>[0-9]{{4}}(?:[0-9]{{2}})?)"
    rf"(?P<half>){_ZONE}"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}


@dataclass(frozen=True, eq=False)
class Moments:
    """A column of dates and times. ``at``: NaT where empty or unreadable; ``has_clock``: the hour
    is known; ``is_bad``: cells that are no date; ``is_zoned``: times have a time zone (None: no
    cell tells).
    """

    at: NDArray[np.datetime64]
    has_clock: NDArray[np.bool_]
    is_bad: NDArray[np.bool_]
    is_zoned: bool | None = None


def read_moments(cells: pd.Series[Any], *, where: str) -> Moments:
    """Read a column of dates, with or without the time of day.

    Raises :class:`InputError` where day and month can be exchanged, and where some times have a
    zone and others none.

    >>> read_moments(pd.Series(["01.03.2024 08:30", ""]), where="mine.csv").at[0]
    np.datetime64('2024-03-01T08:30:00')
    """
    column = str(cells.name)
    n = len(cells)
    at: NDArray[Any] = np.full(n, np.datetime64("NaT", "s"))
    has_clock, is_bad = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    texts = texts_of(cells)
    order = _order_of(texts, where=where, column=column)
    zones: set[bool] = set()
    for row, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        if text.lower() in MISSING_WORDS:
            continue
        if isinstance(cell, pd.Timestamp | np.datetime64) or hasattr(cell, "isoformat"):
            text = pd.Timestamp(cell).isoformat()
            if re.search(r"T00:00:00$", text):
                text = text[:10]
        found = _moment(text, order)
        if found is None:
            is_bad[row] = True
            continue
        moment, has_clock[row], has_zone = found
        at[row] = moment.to_datetime64().astype("datetime64[s]")
        zones.add(has_zone)
    if len(zones) > 1:
        raise InputError(
            where=where,
            key=column,
            found="some times with a time zone, others without",
            expected="one way of writing them",
            cure="write all with their zone, or all as local time",
        )
    return Moments(at, has_clock, is_bad, zones.pop() if zones else None)


def require_one_clock(first: Moments, second: Moments, *, where: str, columns: str) -> None:
    """Refuse two columns of times of which one alone has a time zone: hours between them would be
    wrong by it.
    """
    if None not in (first.is_zoned, second.is_zoned) and first.is_zoned != second.is_zoned:
        raise InputError(
            where=where,
            key=columns,
            found="times with a time zone in one column, without in the other",
            expected="one way of writing them",
            cure="write both with their zone, or both as local time",
        )


def are_dates(cells: pd.Series[Any]) -> bool:
    """Whether most filled cells are dates, in whatever order of day and month.

    >>> are_dates(pd.Series(["03/04/2024 8:00 AM", ""])), are_dates(pd.Series(["120", "A"]))
    (True, False)
    """
    is_date = [
        hasattr(cell, "isoformat") or _moment(text, "day") or _moment(text, "month")
        for cell, text in zip(cells, texts_of(cells), strict=True)
        if text.lower() not in MISSING_WORDS
    ]
    return bool(is_date) and 2 * sum(map(bool, is_date)) > len(is_date)


def are_times_of_day(cells: pd.Series[Any]) -> bool:
    """Whether every filled cell is a time of day without a date: 08:30, 8:30 PM."""
    texts = [text for text in texts_of(cells) if text.lower() not in MISSING_WORDS]
    return bool(texts) and all(re.fullmatch(_TIME_OF_DAY, text) for text in texts)


def dates_with_times(dates: pd.Series[Any], times: pd.Series[Any]) -> pd.Series[Any]:
    """A column of dates and one of times of day as one, named after the dates."""
    days = [
        pd.Timestamp(cell).date().isoformat() if text and hasattr(cell, "isoformat") else text
        for cell, text in zip(dates, texts_of(dates), strict=True)
    ]
    joined = [f"{day} {time}".strip() for day, time in zip(days, texts_of(times), strict=True)]
    return pd.Series(joined, index=dates.index, name=dates.name, dtype=object)


def hours_between(later: NDArray[np.datetime64], earlier: NDArray[np.datetime64]) -> NDArray[Any]:
    """Hours from ``earlier`` to ``later``; NaN where one is not known."""
    seconds = (later - earlier).astype("timedelta64[s]")
    return np.where(np.isnat(seconds), np.nan, seconds.astype(np.float64) / 3600.0)


def _order_of(texts: list[str], *, where: str, column: str) -> str:
    """Whether day or month comes first in dates such as 03/04/2024, by those that tell."""
    found = [match for text in texts if (match := _EITHER.fullmatch(text))]
    is_day_first = any(int(match["first"]) > 12 for match in found)
    is_month_first = any(int(match["second"]) > 12 for match in found)
    exchanged = [match for match in found if match["first"] != match["second"]]
    if exchanged and is_day_first == is_month_first:
        example = exchanged[0]
        raise InputError(
            where=where,
            key=column,
            found=f"dates such as {example[0]!r}",
            expected="dates that can be read in one way",
            cure=(
                "day and month can be exchanged: write the dates year first, as in 2024-03-31, by"
                " what the source of the table says"
            ),
        )
    return "month" if is_month_first else "day"


def _moment(text: str, order: str) -> tuple[pd.Timestamp, bool, bool] | None:
    for pattern in (_YEAR_FIRST, _DOTTED, _NAMED, _EITHER, _BASIC):
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            if "first" in parts:
                day, month = parts["first"], parts["second"]
                parts["d"], parts["m"] = (day, month) if order == "day" else (month, day)
            month_of = parts["m"] if parts["m"].isdigit() else _MONTHS.get(parts["m"].lower(), 0)
            try:
                stamp = pd.Timestamp(
                    f"{parts['y']}-{int(month_of):02d}-{int(parts['d']):02d}"
                    f"T{_of_24_hours(parts['clock'], parts['half'])}{parts['zone'] or ''}"
                )
            except ValueError:
                return None
            has_zone = stamp.tzinfo is not None
            plain = stamp.tz_convert(None) if has_zone else stamp
            return plain, bool(parts["clock"]), has_zone
    return None


def _of_24_hours(clock: str | None, half: str | None) -> str:
    """A time of day as ISO writes it; ValueError for an hour that the clock has not."""
    if clock is None:
        return "00:00"
    if ":" not in clock:
        clock = ":".join(re.findall("..", clock))
    hour, _, rest = clock.partition(":")
    if half:
        if not 1 <= int(hour) <= 12:
            raise ValueError(f"{clock} {half}")
        hour = str(int(hour) % 12 + (12 if half[0] in "pP" else 0))
    return f"{int(hour):02d}:{rest}"
