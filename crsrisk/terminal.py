"""What stands on a terminal: progress bars, silent in a pipe, and tables of text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


@contextmanager
def steps(*, is_quiet: bool = False) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Gives ``begin(title, total)``, which gives ``advance(n)``. Writes to the error stream, and
    only on a terminal.
    """
    console = Console(stderr=True)
    is_shown = sys.stderr.isatty() and not is_quiet
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not is_shown) as bars:

        def begin(title: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(title, total=total)
            return lambda n: bars.advance(task, n)

        yield begin


@dataclass(frozen=True)
class TextTable:
    """A table whose cells are text already.

    ``columns`` are the heads and ``rows`` the cells from left to right; ``right`` names the columns
    that stand right-aligned on the terminal, ``breaks`` the rows after which a line is drawn there,
    ``strong`` those in bold.

    >>> table = TextTable("Rates", ("product", "rate"), (("tarlatamab", "55%"),))
    >>> table.markdown()
    ['| product | rate |', '|---|---|', '| tarlatamab | 55% |']
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = field(default=frozenset())
    breaks: frozenset[int] = field(default=frozenset())
    strong: frozenset[int] = field(default=frozenset())

    def markdown(self) -> list[str]:
        """Head, rule and rows, without the title."""
        return [
            _markdown_line(self.columns),
            f"|{'---|' * len(self.columns)}",
            *map(_markdown_line, self.rows),
        ]

    def print(self, console: Console) -> None:
        """The table with its title on the terminal; what is too wide is folded."""
        table = Table(title=self.title, title_justify="left")
        for name in self.columns:
            table.add_column(
                name, overflow="fold", justify="right" if name in self.right else "left"
            )
        for at, cells in enumerate(self.rows):
            table.add_row(*cells, style="bold" if at in self.strong else None)
            if at in self.breaks:
                table.add_section()
        console.print(table)


def text_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[str] = (),
    breaks: Iterable[int] = (),
    strong: Iterable[int] = (),
) -> TextTable:
    """A :class:`TextTable` from any sequences."""
    return TextTable(
        title,
        tuple(columns),
        tuple(tuple(cells) for cells in rows),
        frozenset(right),
        frozenset(breaks),
        frozenset(strong),
    )


def console_of(width: int) -> Console:
    """A console at least so wide, so that tables are not squeezed where output is captured."""
    return Console(width=max(Console().width, width))


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
