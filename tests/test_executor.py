"""Work side by side: on one thread of linear algebra for as long as anybody computes."""

from __future__ import annotations

import threading

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from crsrisk.executor import side_by_side


def _threads_of_linear_algebra() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_a_limit_that_one_piece_lifts_does_not_end_that_of_the_others() -> None:
    has_ended = threading.Event()
    with threadpool_limits(2):  # so that on a machine of one core, too, there is something to limit

        def first(_: int) -> set[int]:
            with threadpool_limits(1):
                pass
            has_ended.set()
            return set()

        def second(_: int) -> set[int]:
            assert has_ended.wait(timeout=60)
            return _threads_of_linear_algebra()

        with side_by_side(2) as pool:
            asked = [pool.submit(first, 0), pool.submit(second, 0)]
            assert asked[1].result() == {1}
        assert _threads_of_linear_algebra() == {2}


def test_no_worker_asked_for_is_one() -> None:
    with side_by_side(0) as pool:
        assert list(pool.map(str, (1, 2))) == ["1", "2"]
