"""One malformed file after the other, each read under a limit of time and memory."""

from __future__ import annotations

import resource
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from crsrisk.errors import CRSRiskError
from fuzz.targets import Target

SECONDS = 10.0  # after which a reader hangs
MORE_BYTES = 2 << 30  # address space that reading may take
LONGEST = 1000  # characters of a refusal


class _HangError(BaseException):
    """Not an Exception: no reader may take it for one of its own."""


@dataclass(frozen=True)
class Outcome:
    """``failures``: what happened, by its kind and the line of the package where it did."""

    target: str
    cases: int
    refused: int
    failures: Counter[str]

    def summary(self) -> str:
        """One line, and one for every kind of failure."""
        read = self.cases - self.refused - self.failures.total()
        head = f"{self.target}: {self.cases} files, {read} read, {self.refused} refused"
        return "\n".join(
            [
                f"{head}, {self.failures.total()} failures",
                *(f"  {n} x {kind}" for kind, n in self.failures.most_common()),
            ]
        )


def fuzz(
    target: Target,
    *,
    cases: int,
    seed: int,
    keep: Path | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> Outcome:
    """Read that many malformed files; those that fail are copied to ``keep``.

    Case k of a seed is the same file whatever was read before it.
    """
    refused, failures = 0, Counter[str]()
    name = int.from_bytes(target.name.encode(), "big") % 2**32
    with _memory_limit():
        for case in range(cases):
            with tempfile.TemporaryDirectory() as place:
                spoiled = target.spoil(Path(place), np.random.default_rng([seed, name, case]))
                found = _read(target, spoiled)
                if found is None:
                    pass
                elif found == "":
                    refused += 1
                else:
                    failures[found] += 1
                    if keep is not None and failures[found] <= 3:
                        _keep(spoiled, keep / target.name / f"{seed}-{case}")
            advance(1)
    return Outcome(target.name, cases, refused, failures)


def _read(target: Target, place: Path) -> str | None:
    """None when the file was read, no text when it was refused as it should be, else what went
    wrong.
    """
    try:
        with _time_limit():
            target.read(place)
    except CRSRiskError as problem:
        told = str(problem)
        if len(told) > LONGEST:
            return f"a refusal of more than {LONGEST} characters at {_where(problem)}"
        if any(ord(one) < 32 and one != "\n" for one in told) or not _is_text(told):
            return f"a refusal that a terminal cannot show at {_where(problem)}"
        return ""
    except _HangError as problem:
        return f"no answer within {SECONDS:.0f} s at {_where(problem)}"
    except (Exception, RecursionError, MemoryError) as problem:
        return f"{type(problem).__name__} at {_where(problem)}"
    return None


def _is_text(told: str) -> bool:
    try:
        told.encode()
    except UnicodeEncodeError:
        return False
    return True


def _where(problem: BaseException) -> str:
    """The last line of the package on the way to it."""
    own = [
        frame
        for frame in traceback.extract_tb(problem.__traceback__)
        if "/crsrisk/" in frame.filename
    ]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"


def _keep(spoiled: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if spoiled.is_dir():
        shutil.copytree(spoiled, place / spoiled.name, dirs_exist_ok=True)
    else:
        shutil.copy(spoiled, place)


@contextmanager
def _time_limit() -> Iterator[None]:
    def ring(signum: int, frame: FrameType | None) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory_limit() -> Iterator[None]:
    """Of the address space of this process, so that a file cannot fill the machine."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
