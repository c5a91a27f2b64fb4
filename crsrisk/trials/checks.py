"""What a rate, a level, a power, a threshold and a count must be before anything is computed with
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.errors import InputError

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]


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
    crsrisk.errors.InputError: design.yaml, p_control: found 25; expected a rate above 0 and below 1. Cure: divide ...
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
    """A one-sided level: above 0 and below 0.5."""
    return _checked(
        value,
        ok=lambda x: 0 < x < 0.5,
        where=where,
        key=key,
        expected="a one-sided level above 0 and below 0.5",
        cure="write 0.025 for the usual 5% two-sided",
    )


def power_above(value: object, *, alpha: float, where: str, key: str = "power") -> float:
    """A power: above the level, below 1."""
    return _checked(
        value,
        ok=lambda x: alpha < x < 1,
        where=where,
        key=key,
        expected=f"a power above alpha ({alpha:g}) and below 1",
        cure="write 0.8 or 0.9",
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
        cure="write 0 to treat everybody; to treat nobody leave the policy out",
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
    """One of a few words."""
    if value not in options:
        raise InputError(
            where=where,
            key=key,
            found=repr(value),
            expected=" or ".join(repr(o) for o in options),
            cure="write one of these words",
        )
    return value


# What the statistics return: frozen records that turn into plain dictionaries, and records kept by
# a number.
#
# A trial designer reads fields (``size.n_per_arm_ceil``); a table, a YAML file or a page takes
# ``to_dict()``, which holds only numbers, text, lists and dictionaries.


T = TypeVar("T")


def plain(value: Any) -> Any:
    """Arrays become lists, records dictionaries, numbers of numpy Python's own."""
    if isinstance(value, (Answer, ByNumber)):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def label(number: float | str) -> str:
    """A number as a key of a dictionary: the shortest writing that keeps it (0.1, not 0.10; 0, not
    0.0).

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


@dataclass(frozen=True)
class Answer:
    """The family of all records that a statistic returns."""

    def to_dict(self) -> dict[str, Any]:
        """All fields by name, ready for JSON or YAML."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}


class ByNumber(Mapping[str, T]):
    """Answers kept by the number that they belong to (a threshold, a rate); look up with the number
    or its text.

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

    def __repr__(self) -> str:
        return f"ByNumber({self._answers!r})"

    def to_dict(self) -> dict[str, Any]:
        """The answers by the text of their numbers."""
        return {key: plain(answer) for key, answer in self._answers.items()}
