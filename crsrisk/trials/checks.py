"""What a rate, a level, a power, a threshold and a count must be before anything is computed with
them, and the records that statistics return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite, nan
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crsrisk.data.trial_plan import SMALLEST_LEVEL
from crsrisk.errors import InputError
from crsrisk.results import Result, to_plain

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
WholeArray: TypeAlias = NDArray[np.int64]

T = TypeVar("T")


def _checked(
    value: object, *, ok: Callable[[float], bool], where: str, key: str, expected: str, cure: str
) -> float:
    if isinstance(value, (bool, str)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise InputError(
            where=where, key=key, found=repr(value), expected=expected, cure="write one number"
        )
    number = float(value)
    if not isfinite(number) or not ok(number):
        raise InputError(where=where, key=key, found=value, expected=expected, cure=cure)
    return number


def inner_rate(value: object, *, where: str, key: str) -> float:
    """A rate that can vary: above 0 and below 1.

    >>> inner_rate(25, where="design.yaml", key="p_control")
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: design.yaml, p_control: found 25; expected a rate above 0 and below
    1. Cure: divide ...
    """
    return _checked(
        value,
        ok=lambda x: 0 < x < 1,
        where=where,
        key=key,
        expected="a rate above 0 and below 1",
        cure="divide percentages by 100; an event that never or always happens needs no trial",
    )


def share(value: object, *, where: str, key: str) -> float:
    """A probability or share, 0 and 1 included."""
    return _checked(
        value,
        ok=lambda x: 0 <= x <= 1,
        where=where,
        key=key,
        expected="a number from 0 to 1",
        cure="divide percentages by 100",
    )


def one_sided_alpha(value: object, *, where: str, key: str = "alpha_one_sided") -> float:
    """A one-sided level: from one in a thousand million to below 0.5."""
    return _checked(
        value,
        ok=lambda x: SMALLEST_LEVEL <= x < 0.5,
        where=where,
        key=key,
        expected=f"a one-sided level of at least {SMALLEST_LEVEL:g} and below 0.5",
        cure="state the level on one side as a share: 5% on two sides are 0.025",
    )


def power_above(value: object, *, alpha: float, where: str, key: str = "power") -> float:
    """A power: above the level, below 1."""
    return _checked(
        value,
        ok=lambda x: alpha < x < 1,
        where=where,
        key=key,
        expected=f"a power above alpha ({alpha:g}) and below 1",
        cure="state the power as a share: 80 of 100 is 0.8",
    )


def positive(value: object, *, where: str, key: str) -> float:
    """A number above 0."""
    return _checked(
        value,
        ok=lambda x: x > 0,
        where=where,
        key=key,
        expected="a number above 0",
        cure="correct it",
    )


def non_negative(value: object, *, where: str, key: str) -> float:
    """A number of at least 0."""
    return _checked(
        value,
        ok=lambda x: x >= 0,
        where=where,
        key=key,
        expected="a number of at least 0",
        cure="write harms and weights without a minus sign",
    )


def real(value: object, *, where: str, key: str) -> float:
    """Any finite number."""
    return _checked(
        value,
        ok=lambda x: True,
        where=where,
        key=key,
        expected="a finite number",
        cure="correct it",
    )


def threshold_below_1(value: object, *, where: str, key: str = "threshold") -> float:
    """A threshold of risk for treating: 0 treats everybody, 1 would treat nobody and is refused."""
    return _checked(
        value,
        ok=lambda x: 0 <= x < 1,
        where=where,
        key=key,
        expected="a risk of at least 0 and below 1",
        cure="state it as a share: 0 treats everybody; to treat nobody leave the policy out",
    )


def inner_threshold(value: object, *, where: str, key: str = "threshold") -> float:
    """A threshold that weighs harms: above 0 and below 1, or its odds mean nothing."""
    return _checked(
        value,
        ok=lambda x: 0 < x < 1,
        where=where,
        key=key,
        expected="a risk above 0 and below 1",
        cure="drop 0 (treat everybody) and 1 (treat nobody): they are compared with anyway",
    )


def relative_risk(value: object, *, where: str, key: str = "rr") -> float:
    """A risk ratio of a treatment that helps: at least 0 and below 1."""
    return _checked(
        value,
        ok=lambda x: 0 <= x < 1,
        where=where,
        key=key,
        expected="a risk ratio (treated over untreated) of at least 0 and below 1",
        cure=(
            "a treatment with a ratio of 1 or more averts nothing: no threshold makes it worth"
            " giving"
        ),
    )


def count(value: object, *, where: str, key: str, least: int = 0) -> int:
    """A whole number of at least ``least``."""
    return int(
        _checked(
            value,
            ok=lambda x: x == int(x) and x >= least,
            where=where,
            key=key,
            expected=f"a whole number of at least {least}",
            cure="count patients, not shares",
        )
    )


def events_of(value: object, *, n: int, where: str, key: str) -> int:
    """Patients with an event among ``n``."""
    return int(
        _checked(
            value,
            ok=lambda x: x == int(x) and 0 <= x <= n,
            where=where,
            key=key,
            expected=f"a whole number from 0 to {n}, the patients",
            cure="compare the two counts",
        )
    )


def numbers(values: ArrayLike, *, where: str, key: str) -> FloatArray:
    """A list of finite numbers, at least one."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.ndim != 1 or array.size == 0 or not bool(np.isfinite(array).all()):
        raise InputError(
            where=where,
            key=key,
            found=repr(values),
            expected="a list of numbers, at least one",
            cure="write [0.1, 0.2]; leave out what is missing",
        )
    return array


def choice(value: str, *, options: Sequence[str], where: str, key: str) -> str:
    """A word out of a few."""
    if value not in options:
        raise InputError(
            where=where,
            key=key,
            found=repr(value),
            expected=" or ".join(repr(o) for o in options),
            cure="write one of these words",
        )
    return value


# --- what statistics return ---


def label(number: float | str) -> str:
    """A number as a key: the shortest writing that keeps it (0.1, not 0.10; 0, not 0.0).

    >>> label(0.10), label(0), label("0.3")
    ('0.1', '0', '0.3')
    """
    return str(number) if isinstance(number, str) else f"{float(number):.12g}"


def percent(rate: float) -> str:
    """A rate as the short name of a policy or scenario: two digits, more where they are needed.

    >>> percent(0.3), percent(0.05), percent(0.125)
    ('30', '05', '12.5')
    """
    hundredths = round(100 * rate, 8)
    return f"{int(hundredths):02d}" if hundredths == int(hundredths) else f"{hundredths:g}"


@dataclass(frozen=True, repr=False)
class Answer(Result):
    """The family of the records that a statistic returns: its figures as fields, read by name.

    In :meth:`to_dict` an infinite bound, at which nothing stops, is None like a missing one: JSON
    has no place for either.
    """

    def summary(self) -> str:
        """The figures in one line, four digits each."""
        return ", ".join(f"{part.name} {_shown(getattr(self, part.name))}" for part in fields(self))

    def to_dict(self) -> dict[str, Any]:
        """All figures by name, ready for JSON or YAML."""
        return {part.name: to_plain(_finite(getattr(self, part.name))) for part in fields(self)}


def _finite(value: object) -> object:
    """Infinite numbers as NaN, which is written as None."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.where(np.isfinite(value), value, np.nan)
    return nan if isinstance(value, float) and not isfinite(value) else value


def _shown(value: object) -> str:
    """A field in the one line that a notebook shows."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, np.ndarray):
        shown = ", ".join(_shown(part) for part in value.ravel()[:10].tolist())
        return f"[{shown}{', ...' if value.size > 10 else ''}]"
    if isinstance(value, tuple):
        return f"{len(value)} in all"
    if isinstance(value, Mapping):
        return f"({', '.join(map(str, value))})"
    if isinstance(value, Answer):
        return f"({value.summary()})"
    return str(value)


class ByNumber(Result, Mapping[str, T]):
    """Answers kept by the number that they belong to (a threshold, a rate).

    Look up with the number or its text.

    >>> by_threshold = ByNumber({0.1: "a", 0.2: "b"})
    >>> by_threshold[0.1], by_threshold["0.2"], list(by_threshold)
    ('a', 'b', ['0.1', '0.2'])
    """

    def __init__(self, answers: Mapping[float, T]) -> None:
        self._answers = {label(number): answer for number, answer in answers.items()}

    def __getitem__(self, number: float | str) -> T:
        return self._answers[label(number)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def summary(self) -> str:
        """Which numbers there are."""
        return f"answers for {', '.join(self._answers)}"

    def to_dict(self) -> dict[str, Any]:
        """The answers by the text of their numbers."""
        return {key: to_plain(answer) for key, answer in self._answers.items()}

    def to_frame(self) -> pd.DataFrame:
        """One row for each number, a column for each figure."""
        plain = self.to_dict().values()
        rows = [row if isinstance(row, dict) else {"value": row} for row in plain]
        return pd.DataFrame(rows, index=pd.Index(map(float, self._answers), name="number"))
