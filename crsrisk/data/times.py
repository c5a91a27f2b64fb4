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

_CLOCK = r"(?:[T :,]+(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?))?"
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
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}


@dataclass(frozen=True, eq=False)
class Moments:
    """A column of dates and times. ``at``: NaT where empty or unreadable; ``has_clock``: the hour
    is known; ``is_bad``: cells that are no date.
    """

    at: NDArray[np.datetime64]
    has_clock: NDArray[np.bool_]
    is_bad: NDArray[np.bool_]


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
    return Moments(at, has_clock, is_bad)


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
    for pattern in (_YEAR_FIRST, _DOTTED, _NAMED, _EITHER):
        if match := pattern.fullmatch(text):
            parts = match.groupdict()
            if "first" in parts:
                day, month = parts["first"], parts["second"]
                parts["d"], parts["m"] = (day, month) if order == "day" else (month, day)
            month_of = parts["m"] if parts["m"].isdigit() else _MONTHS.get(parts["m"].lower(), 0)
            try:
                stamp = pd.Timestamp(
                    f"{parts['y']}-{int(month_of):02d}-{int(parts['d']):02d}"
                    f"T{_padded(parts['clock'])}{parts['zone'] or ''}"
                )
            except ValueError:
                return None
            has_zone = stamp.tzinfo is not None
            plain = stamp.tz_convert(None) if has_zone else stamp
            return plain, bool(parts["clock"]), has_zone
    return None


def _padded(clock: str | None) -> str:
    if clock is None:
        return "00:00"
    return clock if clock[1] != ":" else f"0{clock}"
