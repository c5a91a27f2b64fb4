"""Locks between processes: one writer of a result at a time, and no part of a file left behind.

The system lets go of a lock when its process ends, however it ends (kill -9 too), so a part that
nobody holds belongs to nobody. Where there are no such locks (Windows) nothing is refused and
nothing cleared.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crsrisk.errors import OutputError

if sys.platform != "win32":
    import fcntl
HAVE_LOCKS = sys.platform != "win32"


def part_name(path: Path, token: str) -> str:
    """Name of the temporary sibling of a file."""
    return f".{path.name}.{token}.part{path.suffix}"


@contextmanager
def held(place: Path) -> Iterator[bool]:
    """Make a file where there is none and lock it; False where another process holds it."""
    handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _locked(handle)
    finally:
        os.close(handle)


@contextmanager
def sole_writer(target: Path) -> Iterator[None]:
    """Be the only process that writes a result to ``target``; raises :class:`OutputError` where
    another one does. A folder that cannot be written is left to whoever writes first.
    """
    lock = target.with_name(f".{target.name}.lock")
    if not HAVE_LOCKS or not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        yield
        return
    with held(lock) as is_ours:
        if not is_ours or not lock.exists():  # gone: another one has just finished
            raise OutputError(
                where=str(target),
                found="another crsrisk that writes there",
                expected="one at a time",
                cure="wait until it has finished, or choose another place",
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def clear_parts(path: Path) -> None:
    """Remove parts of a file whose writers are no more."""
    if not HAVE_LOCKS:
        return
    beginning, end = part_name(path, "\0").split("\0")
    for part in path.parent.glob(f"{glob.escape(beginning)}{'?' * 8}{glob.escape(end)}"):
        with suppress(OSError):
            handle = os.open(part, os.O_RDWR)
            try:
                if _locked(handle):
                    part.unlink()
            finally:
                os.close(handle)


def _locked(handle: int) -> bool:
    """Lock an open file; False where another holds it, or the file system knows no locks."""
    if sys.platform != "win32":
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True
