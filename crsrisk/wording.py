"""Words: how a report says a risk, a number, a unit and a window. The rules are kept here, once.

A risk is said as whole patients of 100, with its event and its window, and with what its interval
covers. It is never turned into odds with another denominator, and no word ("common", "rare") stands
for a number. Why: readers understand a fixed denominator and whole numbers best (Trevena 2013;
Zipkin 2014; Witteman 2011).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crsrisk.errors import InputError, printable
from crsrisk.results import Estimate, NotEstimable

NOTICE = "Research use; synthetic data; no external validation."
MISSING = "–"

_GLYPHS = (
    (re.compile(r">= ?"), "≥ "),
    (re.compile(r"<= ?"), "≤ "),
    (re.compile(r"\+- ?"), "± "),
    (re.compile(r"(?<=\d) ?10\^9/L"), " × 10⁹/L"),
    (re.compile(r"\b10\^9/L"), "× 10⁹/L"),
    (re.compile(r"\bumol/L"), "µmol/L"),
    (re.compile(r"\bug(?=[/ ]|$)"), "µg"),
    (re.compile(r"\bdegC\b"), "°C"),
    (re.compile(r"\bx ULN\b"), "× ULN"),
    (re.compile(r"(?<=\S) x (?=\S)"), " × "),
    (re.compile(r"(?<![^\s(])-(?=\d)"), "−"),
)


def typeset(text: str) -> str:
    """Plain text of the code in print: signs, units and powers as a journal sets them.

    >>> typeset("platelets 423 10^9/L, ferritin 80 ug/L, grade >= 2, -3")
    'platelets 423 × 10⁹/L, ferritin 80 µg/L, grade ≥ 2, −3'
    """
    for pattern, glyph in _GLYPHS:
        text = pattern.sub(glyph, text)
    return text


def unit_in_words(unit: str) -> str:
    """A unit as it is printed; nothing for a pure number.

    >>> unit_in_words("umol/L"), unit_in_words("1")
    ('µmol/L', '')
    """
    return "" if unit == "1" else typeset(unit)


def number(value: float | None, *, digits: int = 2) -> str:
    """A number with fixed decimals, a true minus sign, thousands apart; a dash for a missing one.

    >>> number(-0.123), number(20000, digits=0), number(None)
    ('−0.12', '20,000', '–')
    """
    if value is None or value != value:
        return MISSING
    text = f"{value:,.{digits}f}"
    is_zero = not text.strip("-0.,")
    return text.lstrip("-") if is_zero else text.replace("-", "−")


def significant(value: float | None) -> str:
    """A laboratory value: three significant digits, no decimals from 100 on.

    >>> significant(0.5312), significant(41.26), significant(2310.4)
    ('0.531', '41.3', '2,310')
    """
    if value is None or value != value:
        return MISSING
    return number(value, digits=0) if abs(value) >= 100 else typeset(f"{value:.3g}")


def estimate_in_words(
    estimate: Estimate | NotEstimable | Mapping[str, Any], *, digits: int = 2, factor: float = 1.0
) -> str:
    """A figure with its 95% interval, or that it is not estimable (the reason goes into a note).

    >>> estimate_in_words(Estimate(0.71, 0.68, 0.74))
    '0.71 (0.68 to 0.74)'
    >>> estimate_in_words(NotEstimable("no patient had the event"))
    'not estimable'
    """
    if isinstance(estimate, NotEstimable):
        return "not estimable"
    if not isinstance(estimate, Estimate):
        if "not_estimable" in estimate:
            return "not estimable"
        estimate = Estimate(estimate["value"], estimate["low"], estimate["high"])
    value, low, high = (
        number(factor * end, digits=digits) for end in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"


def check_risk(risk: float, *, key: str) -> float:
    """The risk itself, or an :class:`InputError` when it is not a probability."""
    if not 0 <= risk <= 1:
        raise InputError(
            where="report",
            key=key,
            found=risk,
            expected="a risk from 0 to 1",
            cure="divide percentages by 100; leave out patients without a risk",
        )
    return float(risk)


def of_100(risk: float) -> int:
    """A risk as whole patients of 100.

    >>> of_100(0.234)
    23
    """
    return round(100 * check_risk(risk, key="risk"))


def about_of_100(risk: float) -> str:
    """A risk in words; nobody and everybody are said only when that is meant.

    >>> about_of_100(0.234), about_of_100(0.003), about_of_100(0.998)
    ('about 23', 'fewer than 1', 'more than 99')
    """
    whole = of_100(risk)
    if whole == 0 and risk > 0:
        return "fewer than 1"
    if whole == 100 and risk < 1:
        return "more than 99"
    return f"about {whole}"


def range_of_100(low: float, high: float) -> str:
    """An interval of risks as whole patients of 100.

    >>> range_of_100(0.154, 0.341)
    '15 to 34 of 100'
    """
    return f"{of_100(low)} to {of_100(high)} of 100"


def hours_in_words(hours: float) -> str:
    """A time in hours, from three days on in days.

    >>> hours_in_words(12.4), hours_in_words(500)
    ('12 hours', '21 days')
    """
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"


def window_in_words(window_d: float, *, landmark_h: int = 0) -> str:
    """The window of an outcome, as every risk carries it; after a landmark it begins there.

    >>> window_in_words(21.0)
    'within 21 days after the first dose'
    >>> window_in_words(21.0, landmark_h=24)
    'later than 24 hours and within 21 days after the first dose'
    """
    begin = f"later than {hours_in_words(landmark_h)} and " if landmark_h else ""
    return f"{begin}within {window_d:g} days after the first dose"


def windows_in_words(window_d: Mapping[str, float]) -> str:
    """The windows of several products: the most frequent one, then those that differ.

    >>> windows_in_words({"Tarlatamab": 21.0, "Tebentafusp": 21.0, "Anti-PD-1": 60.0})
    'within 21 days after the first dose (Anti-PD-1: 60 days)'
    """
    lengths = list(window_d.values())
    usual = max(sorted(set(lengths)), key=lengths.count)
    others = [f"{name}: {length:g} days" for name, length in window_d.items() if length != usual]
    return window_in_words(usual) + (f" ({'; '.join(others)})" if others else "")


def risk_in_words(
    risk: float, *, event: str, window_d: float, whom: str = "patients like this one"
) -> str:
    """The sentence about one risk.

    >>> risk_in_words(0.234, event="CRS of grade 2 or more", window_d=21)
    'Of 100 patients like this one, about 23 would develop CRS of grade 2 or more within 21 days
    after the first dose.'
    """
    return f"Of 100 {whom}, {about_of_100(risk)} would develop {event} {window_in_words(window_d)}."


def short_label(label: str) -> str:
    """What stands before the brackets of a product's or drug's label.

    >>> short_label("Tarlatamab (DLL3 x CD3 half-life-extended T-cell engager)")
    'Tarlatamab'
    """
    return typeset(label.split(" (")[0])


def short_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Short labels by name; where two would read the same, both keep their whole label."""
    short = {name: short_label(label) for name, label in labels.items()}
    read = list(short.values())
    return {
        name: text if read.count(text) == 1 else typeset(labels[name])
        for name, text in short.items()
    }


def plain_name(name: str) -> str:
    """A name of the code for people: `small_cell_lung` -> `small cell lung`."""
    return typeset(name.replace("_", " "))


_MARKDOWN = re.compile(r"[\\`*\[\]<|&~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def in_markdown(text: str) -> str:
    r"""Text of somebody else inside a line of Markdown: shown as it is, no markup, one line.

    >>> print(in_markdown("a|b <img> cldn182_car_t"))
    a\|b \<img> cldn182_car_t
    """
    return _MARKDOWN.sub(lambda sign: f"\\{sign[0]}", printable(" ".join(text.split())))


def wrapped(text: str, *, room: int) -> list[str]:
    """Text broken between words into lines of at most ``room`` letters (a longer word keeps its
    line).

    >>> wrapped("Tumour-infiltrating lymphocytes with interleukin-2", room=32)
    ['Tumour-infiltrating lymphocytes', 'with interleukin-2']
    """
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def listed(words: list[str]) -> str:
    """Words as an English list.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return (
        words[0]
        if len(words) == 1
        else f"{', '.join(words[:-1])} and {words[-1]}"
        if words
        else "none"
    )
