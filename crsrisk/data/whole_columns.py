"""What only a whole column shows, of a table that is read at once or in pieces: values that look
like another unit, a highest value that looks like a code, numbers of patients who are there twice,
and how many cells a product's file filled.

Each is counted as the pieces come, in a room that does not grow with the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.account import Note, NoteKind
from crsrisk.fields import Field as Column

CODE_LIKE = re.compile(r"-?(?:9{1,6}|8{2,6}|7{2,6})(?:\.0+)?")
FEWEST_SUSPECT = 3
MOSTLY = 0.5
_FEWEST_REPEATS = 3  # of a highest value, before it looks like a code or a limit of the assay
_LONG_CODE = 3  # digits: 999

Floats = NDArray[np.float64]


def shown(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{value:g}" if unit in ("1", "") else f"{value:g} {unit}"


def shown_range(low: float, high: float, column: Column) -> str:
    """A range with its unit."""
    return f"{low:g} to {shown(high, column.unit)}"


@dataclass
class Seen:
    """What was seen of one column of numbers: of its values in the unit of the field table, how
    many there are and lie in the range of another unit; of its values as they stand, the highest,
    how often it occurs in the digits in which it is shown, and the highest below these.

    >>> seen = Seen(Column(name="x", label="X", meaning="", source="", usual=(0, 9)))
    >>> for part in ([1.0, 999.0], [3.0, 999.0, 999.0]):
    ...     seen.add(values=np.array(part), raw=np.array(part))
    >>> seen.highest, seen.n_highest, seen.below
    (999.0, 3, 3.0)
    """

    column: Column
    n_values: int = 0
    in_range: dict[str, int] = field(default_factory=dict)
    n_raw: int = 0
    highest: float = -np.inf
    n_highest: int = 0
    below: float = -np.inf

    def add(self, *, values: Floats, raw: Floats) -> None:
        """See further values, NaN where there is none."""
        there = values[~np.isnan(values)]
        self.n_values += there.size
        for unit, (low, high) in self.column.suspects.items():
            n = int(np.sum((there >= low) & (there <= high)))
            self.in_range[unit] = self.in_range.get(unit, 0) + n
        measured = raw[~np.isnan(raw)]
        self.n_raw += measured.size
        if measured.size:
            self._add_highest(measured)

    def _add_highest(self, measured: Floats) -> None:
        top = max(self.highest, float(np.max(measured)))
        text = f"{top:g}"
        if f"{self.highest:g}" != text:
            self.n_highest, self.below = 0, self.highest
        edge = float(text)
        # digits rise with the value: those that are shown like the highest are the last
        near = measured[measured >= edge - 1e-4 * abs(edge)]
        self.n_highest += sum(f"{value:g}" == text for value in near.tolist())
        lower = measured[measured < edge]
        if lower.size:
            self.below = max(self.below, float(np.max(lower)))
        self.highest = top

    def notes(self, *, kind: NoteKind = "warned") -> Iterator[Note]:
        """A column that looks like another unit, and a highest value that looks like a code."""
        name = self.column.name
        for unit, (low, high) in self.column.suspects.items():
            n = self.in_range.get(unit, 0)
            if n >= FEWEST_SUSPECT and n > MOSTLY * self.n_values:
                yield Note(
                    0,
                    name,
                    kind,
                    f"{n} of {self.n_values} values from {low:g} to {high:g} {self.column.unit}",
                    f"usually {_usual(self.column)}",
                    f"the column looks like {unit}: check its unit; the values are used as they"
                    " are",
                )
        if self.column.usual is None or not self.n_raw or self.n_highest >= self.n_raw:
            return
        text = f"{self.highest:g}"
        is_code = bool(CODE_LIKE.fullmatch(text)) and len(text) >= _LONG_CODE
        stands_apart = self.below == -np.inf or float(text) > 1.5 * self.below
        if stands_apart and (self.n_highest >= _FEWEST_REPEATS or is_code):
            yield Note(
                0,
                name,
                kind,
                f"{text} in {self.n_highest} cells, the highest value of the column",
                "values that were measured",
                f"if it stands for a missing value, declare it (--missing {name}={text}); if it is"
                " the limit of the assay, the true values are higher; it is used as it is",
            )


def _usual(column: Column) -> str:
    low, high = column.usual or column.plausible or (-np.inf, np.inf)
    return shown_range(low, high, column)


@dataclass(frozen=True)
class Repeated:
    """Numbers of patients who are in a table more than once, in the order in which they come."""

    ids: tuple[str, ...] = ()

    def listed(self) -> str:
        """The first of them, and how many more there are."""
        more = f" and {len(self.ids) - 5} more" if len(self.ids) > 5 else ""
        return ", ".join(self.ids[:5]) + more


@dataclass
class WholeColumns:
    """What is gathered over the pieces of a table.

    ``repeated``: who is there twice, ``ids_are_whole``: whether all numbers of patients are whole
    numbers, where it is known beforehand. ``is_checked``: whether the table was looked through for
    columns of units and limits that nobody reads.
    """

    repeated: Repeated | None = None
    ids_are_whole: bool | None = None
    is_checked: bool = False
    seen: dict[str, Seen] = field(default_factory=dict)
    # column -> product -> regimen -> cells, and what its file says
    filled: dict[str, dict[str, dict[str, tuple[int, str]]]] = field(default_factory=dict)

    def see(self, column: Column, *, values: Floats, raw: Floats) -> None:
        """See further values of a column."""
        self.seen.setdefault(column.name, Seen(column)).add(values=values, raw=raw)

    def fill(self, column: str, *, product: str, regimen: str, n: int, value: str) -> None:
        """Count cells that a product's file filled with a value."""
        of_product = self.filled.setdefault(column, {}).setdefault(product, {})
        of_product[regimen] = (of_product.get(regimen, (0, value))[0] + n, value)

    def notes(self) -> list[Note]:
        """All that was gathered, as notes on the whole table."""
        return [
            *(note for seen in self.seen.values() for note in seen.notes()),
            *_filled_notes(self.filled),
        ]


def _filled_notes(
    filled: Mapping[str, Mapping[str, Mapping[str, tuple[int, str]]]],
) -> Iterator[Note]:
    for column, products in filled.items():
        for product, regimens in products.items():
            for regimen, (n, value) in regimens.items():
                usual = f"the regimen {regimen}" if regimen else "the usual regimen"
                yield Note(
                    0,
                    column,
                    "filled",
                    f"not stated in {n} rows of {product}",
                    f"what its file says of {usual}: {value}",
                    "add the column where it was otherwise",
                )
