"""Numbers as people and programs write them: decimal points and commas, thousands, and the texts
that can be read in two ways.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Decimal = Literal[".", ","]
Thousands = Literal[",", ".", " ", "'"]

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SIGNS = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\uff1c": "<", "\uff1e": ">"}
    | {"\u2212": "-"}
)
_SPACED = re.compile(r"[+-]?[0-9]{1,3}(?:([ '])[0-9]{3})(?:\1[0-9]{3})*(?:[.,][0-9]+)?")
_BELOW = ("<=", "=<", "<", "≤", "less than", "lower than", "below", "under", "up to")
_ABOVE = (">=", "=>", ">", "≥", "more than", "greater than", "higher than", "above", "over")
_COMPARISON = re.compile(
    rf"({'|'.join((*_BELOW, *_ABOVE))})\s*(?:or equal to\s*)?([+-]?[0-9.].*)", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class NumberStyle:
    """How a file writes numbers: its decimal mark, and its mark between thousands where one is
    stated. ``is_doubtful``: nothing in the file tells the decimal mark, and it may be a comma.
    """

    decimal: Decimal = "."
    thousands: Thousands | None = None
    is_doubtful: bool = False


POINT = NumberStyle()


@dataclass(frozen=True)
class WrittenNumber:
    """What a text can stand for: no number (empty), one, or two of which the file does not say
    which. ``is_foreign``: the one number is written with the other decimal mark than the file's.
    """

    values: tuple[float, ...] = ()
    is_foreign: bool = False


def read_number(text: str, style: NumberStyle = POINT) -> WrittenNumber:
    """Every number that a text can stand for in a file of that style.

    A mark before exactly three digits is a decimal mark in one country and stands between thousands
    in another, so such a text has two values unless the style says which.

    >>> read_number("1,234").values, read_number("12,345.6").values
    ((1234.0, 1.234), (12345.6,))
    >>> read_number("1,234", NumberStyle(decimal=",")).values
    (1.234,)
    >>> read_number("4,1"), read_number("high").values
    (WrittenNumber(values=(4.1,), is_foreign=True), ())
    """
    text = text.strip().translate(_SIGNS)
    if _SPACED.fullmatch(text):
        text = text.replace(" ", "").replace("'", "")
    other = "," if style.decimal == "." else "."
    if other not in text:
        if style.is_doubtful and _are_groups(text, style.decimal, other):
            grouped = _plain(text.replace(style.decimal, "")).values
            return WrittenNumber((*grouped, *_plain(text.replace(style.decimal, ".")).values))
        return _plain(text.replace(style.decimal, "."))
    if _are_groups(text, other, style.decimal):
        whole = text.replace(other, "").replace(style.decimal, ".")
        if style.decimal in text or text.count(other) > 1 or style.thousands == other:
            return _plain(whole)
        return WrittenNumber((float(whole), float(text.replace(other, "."))))
    return _foreign(text, other)


def split_comparison(text: str) -> tuple[str, str] | None:
    """A censored value as its side ("<" or ">") and the text of its limit; None for any other text.

    >>> split_comparison("≤ 0.5"), split_comparison("12")
    (('<', '0.5'), None)
    """
    match = _COMPARISON.fullmatch(text.strip().translate(_SIGNS))
    if match is None:
        return None
    return ("<" if match[1].casefold() in _BELOW else ">"), match[2].strip()


def _plain(text: str) -> WrittenNumber:
    return WrittenNumber((float(text),)) if NUMBER.fullmatch(text) else WrittenNumber()


def _foreign(text: str, mark: str) -> WrittenNumber:
    """A number with the other decimal mark; no number where there is more than one mark."""
    if text.count(mark) != 1 or ("." if mark == "," else ",") in text:
        return WrittenNumber()
    found = _plain(text.replace(mark, "."))
    return WrittenNumber(found.values, is_foreign=bool(found.values))


def _are_groups(text: str, mark: str, decimal: str) -> bool:
    """Whether the marks stand between groups of three digits, with decimals behind at most."""
    pattern = (
        rf"[+-]?[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+(?:{re.escape(decimal)}[0-9]+)?"
    )
    return re.fullmatch(pattern, text) is not None
