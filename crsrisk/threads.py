"""Work done side by side, with the same result whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


@contextmanager
def side_by_side(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of so many threads, in which linear algebra itself runs on one.

    Products of matrices on several threads differ in their last digits from run to run. The limit
    is of the whole process, so it must stand before the first thread starts and fall after the last
    has ended: a limit set by each piece of work is lifted by the first that ends, while others
    still compute.

    >>> with side_by_side(2) as pool:
    ...     list(pool.map(abs, (-1, 2)))
    [1, 2]
    """
    with threadpool_limits(1), ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        yield pool
