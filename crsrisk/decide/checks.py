"""What a rate, a level, a power, a threshold and a count must be before anything is computed with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.errors import InputError

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]


def _checked(value: object, *, ok: Callable[[float], bool], where: str, key: str, expected: str, cure: str) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InputError(where=where, key=key, found=repr(value), expected=expected, cure="write one number")
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
    return _checked(value, ok=lambda x: 0 < x < 1, where=where, key=key, expected="a rate above 0 and below 1",
                    cure="divide percentages by 100; an event that never or always happens needs no trial")


def share(value: object, *, where: str, key: str) -> float:
    """A probability or share, 0 and 1 included."""
    return _checked(value, ok=lambda x: 0 <= x <= 1, where=where, key=key, expected="a number from 0 to 1",
                    cure="divide percentages by 100")


def one_sided_alpha(value: object, *, where: str, key: str = "alpha_one_sided") -> float:
    """A one-sided level: above 0 and below 0.5."""
    return _checked(value, ok=lambda x: 0 < x < 0.5, where=where, key=key,
                    expected="a one-sided level above 0 and below 0.5", cure="write 0.025 for the usual 5% two-sided")


def power_above(value: object, *, alpha: float, where: str, key: str = "power") -> float:
    """A power: above the level, below 1."""
    return _checked(value, ok=lambda x: alpha < x < 1, where=where, key=key,
                    expected=f"a power above alpha ({alpha:g}) and below 1", cure="write 0.8 or 0.9")


def positive(value: object, *, where: str, key: str) -> float:
    """A number above 0."""
    return _checked(value, ok=lambda x: x > 0, where=where, key=key, expected="a number above 0", cure="correct it")


def non_negative(value: object, *, where: str, key: str) -> float:
    """A number of at least 0."""
    return _checked(value, ok=lambda x: x >= 0, where=where, key=key, expected="a number of at least 0",
                    cure="write harms and weights without a minus sign")


def real(value: object, *, where: str, key: str) -> float:
    """Any finite number."""
    return _checked(value, ok=lambda x: True, where=where, key=key, expected="a finite number", cure="correct it")


def threshold_below_1(value: object, *, where: str, key: str = "threshold") -> float:
    """A threshold of risk for treating: 0 treats everybody, 1 would treat nobody and is refused."""
    return _checked(value, ok=lambda x: 0 <= x < 1, where=where, key=key,
                    expected="a risk of at least 0 and below 1",
                    cure="write 0 to treat everybody; to treat nobody leave the policy out")


def inner_threshold(value: object, *, where: str, key: str = "threshold") -> float:
    """A threshold that weighs harms: above 0 and below 1, or its odds mean nothing."""
    return _checked(value, ok=lambda x: 0 < x < 1, where=where, key=key, expected="a risk above 0 and below 1",
                    cure="drop 0 (treat everybody) and 1 (treat nobody): they are compared with anyway")


def relative_risk(value: object, *, where: str, key: str = "rr") -> float:
    """A risk ratio of a treatment that helps: at least 0 and below 1."""
    return _checked(value, ok=lambda x: 0 <= x < 1, where=where, key=key,
                    expected="a risk ratio (treated over untreated) of at least 0 and below 1",
                    cure="a treatment with a ratio of 1 or more averts nothing: no threshold makes it worth giving")


def count(value: object, *, where: str, key: str, least: int = 0) -> int:
    """A whole number of at least ``least``."""
    return int(_checked(value, ok=lambda x: x == int(x) and x >= least, where=where, key=key,
                        expected=f"a whole number of at least {least}", cure="count patients, not shares"))


def events_of(value: object, *, n: int, where: str, key: str) -> int:
    """Patients with an event among ``n``."""
    return int(_checked(value, ok=lambda x: x == int(x) and 0 <= x <= n, where=where, key=key,
                        expected=f"a whole number from 0 to {n}, the patients", cure="compare the two counts"))


def numbers(values: ArrayLike, *, where: str, key: str) -> FloatArray:
    """A list of finite numbers, at least one."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.ndim != 1 or array.size == 0 or not bool(np.isfinite(array).all()):
        raise InputError(where=where, key=key, found=repr(values), expected="a list of numbers, at least one",
                         cure="write [0.1, 0.2]; leave out what is missing")
    return array


def choice(value: str, *, options: Sequence[str], where: str, key: str) -> str:
    """One of a few words."""
    if value not in options:
        raise InputError(where=where, key=key, found=repr(value), expected=" or ".join(repr(o) for o in options),
                         cure="write one of these words")
    return value
