"""What the statistics return: frozen records that turn into plain dictionaries, and records kept by a number.

A trial designer reads fields (``size.n_per_arm_ceil``); a table, a YAML file or a page takes ``as_dict()``, which holds
only numbers, text, lists and dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def plain(value: Any) -> Any:
    """Arrays become lists, records dictionaries, numbers of numpy Python's own."""
    if isinstance(value, (Answer, ByNumber)):
        return value.as_dict()
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
    """A number as a key of a dictionary: the shortest writing that keeps it (0.1, not 0.10; 0, not 0.0).

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

    def as_dict(self) -> dict[str, Any]:
        """All fields by name, ready for JSON or YAML."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}


class ByNumber(Mapping[str, T]):
    """Answers kept by the number that they belong to (a threshold, a rate); look up with the number or its text.

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

    def as_dict(self) -> dict[str, Any]:
        """The answers by the text of their numbers."""
        return {key: plain(answer) for key, answer in self._answers.items()}
