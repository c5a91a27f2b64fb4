"""Workers: processes that simulate and read tables, each alone with one piece of work.

A worker is given its work through its standard input and answers on its standard output, as JSON
with the file behind it: nothing goes over a disk. One that ends, hangs or is killed costs the
request that it was at; another takes its place, and the others go on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from crsrisk.serve.limits import Limits
from crsrisk.serve.logs import log

_HEAD = 8  # bytes that say how long the JSON is, and as many for the file behind it


class BusyError(Exception):
    """Too many requests wait already."""


class LostError(Exception):
    """The worker ended before it answered."""


class WorkerPool:
    """Worker processes, started with :meth:`start` and ended with :meth:`close`."""

    def __init__(self, n: int, *, threads: int, limits: Limits) -> None:
        self.n, self._threads, self._limits = n, threads, limits
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._all: set[_Worker] = set()
        self._waiting = 0

    async def start(self) -> None:
        """Start all processes; they load what they need with their first work."""
        for worker in await asyncio.gather(*(self._new() for _ in range(self.n))):
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        """End all processes at once."""
        for worker in self._all:
            worker.kill()
        await asyncio.gather(*(worker.process.wait() for worker in self._all))
        self._all.clear()

    async def ask(self, work: Mapping[str, Any], *, file: bytes = b"", seconds: float) -> Any:
        """The answer of the next free worker.

        Raises
        ------
        BusyError
            When too many wait already.
        LostError
            When the worker ended before it answered.
        TimeoutError
            When waiting and work take longer than ``seconds``; the worker is ended.
        """
        if self._waiting >= self._limits.waiting:
            raise BusyError
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                worker = await self._idle.get()
                try:
                    if worker.process.returncode is not None:  # it ended while nobody asked
                        worker = await self._instead_of(worker)
                    return await worker.ask(work, file)
                except BaseException:
                    worker.kill()
                    raise
                finally:
                    await asyncio.shield(self._give_back(worker))
        finally:
            self._waiting -= 1

    async def _give_back(self, worker: _Worker) -> None:
        if worker.is_broken:
            worker = await self._instead_of(worker)
        self._idle.put_nowait(worker)

    async def _instead_of(self, worker: _Worker) -> _Worker:
        worker.kill()
        await worker.process.wait()
        self._all.discard(worker)
        log("worker", message="a worker ended and is replaced", code=worker.process.returncode)
        return await self._new()

    async def _new(self) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "crsrisk.serve.worker",
            str(self._threads),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the server, which ends its workers itself
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        worker = _Worker(process)
        self._all.add(worker)
        return worker


class _Worker:
    """One process, and the pipe to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process, self.is_broken = process, False

    async def ask(self, work: Mapping[str, Any], file: bytes) -> Any:
        to, back = self.process.stdin, self.process.stdout
        if to is None or back is None:
            raise LostError
        text = json.dumps(work, allow_nan=False).encode()
        sizes = len(text).to_bytes(_HEAD, "big") + len(file).to_bytes(_HEAD, "big")
        try:
            to.write(sizes + text + file)
            await to.drain()
            size = int.from_bytes(await back.readexactly(_HEAD), "big")
            return json.loads(await back.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError) as problem:
            self.is_broken = True
            raise LostError from problem

    def kill(self) -> None:
        """End the process, whatever it does."""
        self.is_broken = True
        if self.process.returncode is None:
            # not by the process: that asks how it ended, and asyncio, which waits, is told nothing
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
