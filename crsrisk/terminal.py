"""What stands on a terminal: progress bars, silent in a pipe, and tables of text.

What a file says is shown there and not obeyed; a cell of a table of patients goes nowhere else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

import rich.console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment
from rich.table import Table

from crsrisk.errors import OutputError, printable


class Console(rich.console.Console):
    """rich's console, which shows control characters of a text as their escapes."""

    def render(
        self, renderable: rich.console.RenderableType, options: Any = None
    ) -> Iterable[Segment]:
        """The segments of anything, as rich gives them, with printable text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich prints; standard output that cannot be written is an :class:`OutputError`."""
        with written_out():
            super().print(*objects, **how)


@contextmanager
def written_out() -> Iterator[None]:
    """Within, what cannot be written to standard output (a full disk behind it) raises
    :class:`OutputError`; Python then does not try again at its end. A reader who has gone is none
    of that.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(
            where="standard output",
            found=problem.strerror or str(problem),
            expected="a place that can be written",
            cure=(
                "free space on the disk, or send the output elsewhere; files that were written are"
                " whole"
            ),
        ) from problem


def shows_cells(stream: TextIO | None) -> bool:
    """Whether a cell of a table of patients may be written there: for the eyes of one person only,
    never into a log.
    """
    return is_terminal(stream)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads what is written there; a closed stream is none."""
    return stream is not None and stream.isatty()


@contextmanager
def steps(*, is_quiet: bool = False) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Gives ``begin(title, total)``, which gives ``advance(n)``. Writes to the error stream, and
    only on a terminal.
    """
    console = Console(stderr=True)
    is_shown = is_terminal(sys.stderr) and not is_quiet
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
        table = Table(title=printable(self.title), title_justify="left")
        for name in self.columns:
            table.add_column(
                printable(name), overflow="fold", justify="right" if name in self.right else "left"
            )
        for at, cells in enumerate(self.rows):
            table.add_row(*map(printable, cells), style="bold" if at in self.strong else None)
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
