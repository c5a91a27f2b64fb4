"""Progress: a bar on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


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
