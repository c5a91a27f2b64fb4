"""One family of errors: where it happened, at which key, what was found, what was expected, and the
cure.

Every error that a user can cause is a :class:`CRSRiskError`. The command line prints it and leaves
with exit code 2; a notebook user reads the same sentence.
"""

from __future__ import annotations

import re
from typing import Any
from unicodedata import category


def printable(text: Any) -> str:
    """Text that a terminal shows and does not obey: control characters (but for line ends), marks
    that turn the direction of writing, and halves of characters as their escapes.

    >>> printable("ward\\x1b[2Jtwo")
    'ward\\\\x1b[2Jtwo'
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(
        one if one == "\n" or one.isprintable() or category(one) == "Zs" else _escape(one)
        for one in plain
    )


def shortened(text: Any, *, most: int = 200) -> str:
    """The beginning of a long text, with an ellipsis.

    >>> shortened("a" * 9, most=4)
    'aaa…'
    """
    plain = str(text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


# the key of a cell: row and column
_A_CELL = re.compile(r"(rows? |line ).*,")
HIDDEN = "a cell that is shown on a terminal only"


class CRSRiskError(Exception):
    """Something that a user can put right.

    ``str`` of it is for the person who made the mistake; :attr:`for_log` is for what others read.

    Parameters
    ----------
    where : file, table or command in which the problem sits.
    key : row, column or key inside it ("" when the whole is meant).
    found, expected : what stands there, and what should.
    cure : what to do, as an order ("write 0.001 instead of 1e-3").
    cure_for_log : the cure without any cell of a table, where it quotes one.

    Example
    -------
    >>> raise InputError(
    ...     where="a.yaml", key="dose", found="-1", expected="a dose above 0", cure="correct it"
    ... )
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: a.yaml, dose: found -1; expected a dose above 0. Cure: correct it
    """

    def __init__(
        self,
        *,
        where: str,
        found: Any,
        expected: str,
        cure: str,
        key: str = "",
        cure_for_log: str | None = None,
    ) -> None:
        self.where = printable(where)
        self.key = shortened(printable(key))
        self.found = shortened(printable(found), most=300)
        self.expected = printable(expected)
        self.cure = printable(cure)
        self.cure_for_log = self.cure if cure_for_log is None else printable(cure_for_log)
        super().__init__(self._told(self.found, self.cure))

    @property
    def for_log(self) -> str:
        """The message without a cell of a table: it names row and column, not what stands there.

        >>> cell = {"where": "a.csv", "key": "row 3, column ecog", "found": "'9'"}
        >>> InputError(**cell, expected="0 to 4", cure="").for_log.partition("; ")[0]
        'a.csv, row 3, column ecog: found a cell that is shown on a terminal only'
        """
        found = HIDDEN if _A_CELL.match(self.key) else self.found
        return self._told(found, self.cure_for_log)

    def __reduce__(self) -> tuple[Any, ...]:
        """An error of another process comes back whole."""
        names = ("where", "key", "found", "expected", "cure", "cure_for_log")
        return _again, (type(self), {name: getattr(self, name) for name in names})

    def _told(self, found: str, cure: str) -> str:
        place = f"{self.where}, {self.key}" if self.key else self.where
        return f"{place}: found {found}; expected {self.expected}. Cure: {cure}"


def _again(kind: type[CRSRiskError], parts: dict[str, str]) -> CRSRiskError:
    return kind(**parts)


class InputError(CRSRiskError):
    """A file, table, row, key or option that cannot be used as it is."""


class OutputError(CRSRiskError):
    """A folder or file that cannot be written."""


class ClusterError(CRSRiskError):
    """Processes or a cluster that cannot do the work, or were lost while they did it."""
