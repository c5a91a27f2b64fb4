"""Where pieces of work are done side by side: on threads, on processes of this machine, or on the
workers of a Dask cluster, with the same result.

A command chooses the place once (:func:`working_on`); what has many pieces asks :func:`each_done`.
A piece is a call of a function of a module with plain arguments, so that any process can do it. It
draws its random numbers by seed and patient (:mod:`crsrisk.streams`), and its result takes its own
place whenever it comes, so nothing depends on who was faster. Pieces do their own work on one
thread.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from crsrisk.errors import ClusterError, InputError

PROCESSES = "processes"  # the address of processes on this machine
SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")
PATIENCE_S = 10  # until a scheduler answers
WORKERS_PATIENCE_S = 60  # until a cluster has its first worker
# where a last digit could come from
_NUMERIC = ("numpy", "scipy", "numba", "pandas", "pyarrow", "lightgbm")
_AGAIN = "run the same command again: what is finished is not done twice where it was written"

Piece = TypeVar("Piece")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Place:
    """Where pieces go: a pool, and how many of them it can do at one time."""

    address: str
    pool: Executor
    size: Callable[[], int]
    software: Mapping[str, str]


_PLACE: ContextVar[_Place | None] = ContextVar("where pieces are done", default=None)


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
    with _OF_ONE_THREAD, ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        yield pool


@contextmanager
def meanwhile() -> Iterator[Callable[[Callable[[], Result]], Future[Result]]]:
    """Gives a function that starts work beside this thread, to be asked for its result later.

    For simulations while models are fitted: compiled code runs beside Python, so both processors
    have work. What is started goes where this thread's pieces go; several works take their turn.

    >>> with meanwhile() as start:
    ...     later = start(lambda: 6 * 7)
    ...     later.result()
    42
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            yield lambda work: pool.submit(copy_context().run, work)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _OneThread:
    """Linear algebra on one thread from the first that enters to the last that leaves."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limits = threadpool_limits(1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limits.restore_original_limits()


_OF_ONE_THREAD = _OneThread()


@contextmanager
def working_on(address: str | None, *, workers: int) -> Iterator[None]:
    """Within, :func:`each_done` sends its pieces there.

    Parameters
    ----------
    address : the address of a Dask scheduler (``tcp://host:8786``, or ``tls://``, for which Dask's
        own configuration names the certificates); ``processes`` for processes on this machine;
        None for threads of this process.
    workers : how many processes. A cluster has as many as it has; threads are asked for piece by
        piece.

    Raises
    ------
    InputError
        For an address that is none, and where the extra ``dask`` is not installed.
    ClusterError
        Where no scheduler answers, it has no workers, or they run other versions than this process.
    """
    if address is None:
        yield
    elif address == PROCESSES:
        with _processes(workers) as place, _chosen(place):
            yield
    elif address.startswith(SCHEMES):
        with _cluster(address) as place, _chosen(place):
            yield
    else:
        raise InputError(
            where="command line",
            key="--cluster",
            found=repr(address),
            expected=f"the address of a Dask scheduler, as tcp://host:8786, or {PROCESSES}",
            cure="copy the address that `dask scheduler` prints when it starts",
        )


def is_elsewhere() -> bool:
    """Whether pieces leave this process."""
    return _PLACE.get() is not None


def each_done(
    task: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    *,
    workers: int = 1,
    done: Callable[[Piece], None] | None = None,
) -> Iterator[Result]:
    """The results of ``task`` for each piece, in the order of the pieces.

    No more pieces are taken than the place can do at one time, twice over, so a stream of any
    length needs bounded memory. The first error ends it; what had not begun is not begun.

    Parameters
    ----------
    task : a function of a module (or a ``functools.partial`` of one), which any process can import.
    pieces : its arguments.
    workers : threads, where the work stays in this process.
    done : is told of each piece as it is finished, in any order (for a progress bar).

    Examples
    --------
    >>> list(each_done(abs, [-2, 1], workers=2))
    [2, 1]
    """
    place = _PLACE.get()
    if place is not None:
        yield from _in_order(place, task, pieces, done)
    elif workers <= 1:
        for piece in pieces:
            with _OF_ONE_THREAD:
                result = task(piece)
            if done is not None:
                done(piece)
            yield result
    else:
        with side_by_side(workers) as pool:
            here = _Place("threads", pool, lambda: workers, {})
            yield from _in_order(here, task, pieces, done)


def _in_order(
    place: _Place,
    task: Callable[[Piece], Result],
    pieces: Iterable[Piece],
    done: Callable[[Piece], None] | None,
) -> Iterator[Result]:
    waiting = enumerate(pieces)
    running: dict[Future[Result], tuple[int, Piece]] = {}
    ready: dict[int, Result] = {}
    turn, is_more = 0, True
    try:
        while True:
            most = 2 * place.size() if is_more else 0
            while is_more and len(running) + len(ready) < most:
                following = next(waiting, None)
                if following is None:
                    is_more = False
                else:
                    running[_submitted(place, task, following[1])] = following
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                number, piece = running.pop(future)
                ready[number] = _result_of(future, place)
                if done is not None:
                    done(piece)
            while turn in ready:
                yield ready.pop(turn)
                turn += 1
    finally:
        for future in running:
            future.cancel()


def _submitted(place: _Place, task: Callable[[Piece], Result], piece: Piece) -> Future[Result]:
    if not place.software:
        return place.pool.submit(task, piece)
    try:
        return place.pool.submit(_checked, place.software, task, piece)
    except BrokenProcessPool as problem:
        raise _lost(place, problem) from problem


def _checked(software: Mapping[str, str], task: Callable[[Piece], Result], piece: Piece) -> Result:
    """Do a piece in another process, if it runs what the one that asks does."""
    if _IS_LEAVING.is_set():
        sys.exit(1)
    if differs := _differences(software, software_here()):
        raise ClusterError(
            where="a worker", found=differs, expected="the versions of the command", cure=_SAME
        )
    _one_thread()
    return task(piece)


_SAME = "install the same crsrisk and lock file on the workers, and start them again"


@lru_cache(maxsize=1)
def _one_thread() -> None:
    """Keep linear algebra of a worker's process on one thread for as long as it lives."""
    threadpool_limits(1)


def _result_of(future: Future[Result], place: _Place) -> Result:
    try:
        return future.result()
    except (BrokenProcessPool, CancelledError) as problem:
        raise _lost(place, problem) from problem
    except Exception as problem:
        if type(problem).__name__ == "KilledWorker":
            raise _lost(place, problem) from problem
        raise


def _lost(place: _Place, problem: BaseException) -> ClusterError:
    found = {
        "BrokenProcessPool": "a worker process that was killed",
        "KilledWorker": "a piece of work under which several workers were killed",
    }.get(type(problem).__name__, "a scheduler that is gone")
    return ClusterError(
        where=place.address,
        found=found,
        expected="workers that live until the end",
        cure=f"see that they have memory enough, and {_AGAIN}",
    )


@contextmanager
def _chosen(place: _Place) -> Iterator[None]:
    token = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(token)


@contextmanager
def _processes(workers: int) -> Iterator[_Place]:
    # a fork would copy locks that other threads hold
    fresh = multiprocessing.get_context("spawn")
    size = max(1, workers)
    with ProcessPoolExecutor(size, mp_context=fresh, initializer=_leave_quietly) as pool:
        try:
            yield _Place(PROCESSES, pool, lambda: size, software_here())
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


_IS_LEAVING = Event()


def _leave_quietly() -> None:
    """Leave Ctrl-C to the process that asked; when told to end, end a piece as an error would, and
    begin no other.
    """

    def leave(*_: object) -> None:
        _IS_LEAVING.set()
        sys.exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)


@contextmanager
def cluster_client(address: str) -> Iterator[Any]:
    """A client of the Dask scheduler at an address, whose workers run what this process does.

    Raises
    ------
    InputError
        Where the extra ``dask`` is not installed.
    ClusterError
        As of :func:`working_on`.
    """
    try:
        import dask
        from distributed import Client
    except ImportError as problem:
        raise InputError(
            where="command line",
            key="--cluster",
            found=f"{address}, and no Dask in this Python",
            expected="the extra 'dask'",
            cure="install crsrisk[dask], or leave --cluster out",
        ) from problem
    trouble: dict[str, Any] = {"where": address, "key": "--cluster"}
    # a piece brings its world along; a warning of it says nothing that a user could change
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        yield from _connected(Client, address, trouble)


def _connected(client_of: Any, address: str, trouble: Mapping[str, Any]) -> Iterator[Any]:
    try:
        client = client_of(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as problem:
        raise ClusterError(
            **trouble,
            found="no scheduler that answers",
            expected=f"a Dask scheduler within {PATIENCE_S} s",
            cure="start one (`dask scheduler`), or correct the address",
        ) from problem
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_PATIENCE_S)
        except TimeoutError as problem:
            raise ClusterError(
                **trouble,
                found="a scheduler without workers",
                expected=f"a worker within {WORKERS_PATIENCE_S} s",
                cure=f"start workers: dask worker {address}",
            ) from problem
        _refuse_others(client, trouble)
        yield client


@contextmanager
def _cluster(address: str) -> Iterator[_Place]:
    with cluster_client(address) as client:
        pool = client.get_executor(pure=False)

        def threads() -> int:
            try:
                return max(1, int(sum(client.nthreads().values())))
            except OSError as problem:
                raise _lost(place, problem) from problem

        place = _Place(address, pool, threads, software_here())
        try:
            yield place
        except BaseException:
            with suppress(Exception):  # of a scheduler that is gone
                pool.shutdown(wait=False)
            raise


def _refuse_others(client: Any, trouble: Mapping[str, Any]) -> None:
    """Refuse a cluster one of whose workers runs something else than this process."""
    here, expected = software_here(), "workers with the versions of this command"
    try:
        found = client.run(software_here)
    except ImportError as problem:
        raise ClusterError(
            **trouble, found=f"a worker without {problem.name}", expected=expected, cure=_SAME
        ) from problem
    differs = {worker: _differences(here, there) for worker, there in found.items()}
    if others := [f"{worker}: {told}" for worker, told in sorted(differs.items()) if told]:
        raise ClusterError(**trouble, found="; ".join(others), expected=expected, cure=_SAME)


def _differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {there.get(name, 'missing')} instead of {value}"
        for name, value in here.items()
        if there.get(name) != value
    )


@lru_cache(maxsize=1)
def software_here() -> dict[str, str]:
    """What this process computes with: versions, and a digest of the package's code.

    >>> sorted(software_here())[:3]
    ['code', 'lightgbm', 'numba']
    """
    package = Path(__file__).parent
    code = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        code.update(f"{file.relative_to(package).as_posix()}\0".encode())
        code.update(file.read_bytes())
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        **{name: version(name) for name in _NUMERIC},
        "code": code.hexdigest()[:12],
    }
