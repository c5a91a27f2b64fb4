"""Workers: one that is killed costs its own request; the others, and the next, go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from crsrisk.serve.limits import Limits
from crsrisk.serve.workers import BusyError, WorkerPool
from tests.serve.served import Server
from tests.serve.test_application import MODEL, patient

LONG = {"patient": {"product": "tarlatamab"}, "members": 40, "people": 256}
SHORT = {"patient": {"product": "tarlatamab"}, "members": 10, "people": 50}


@pytest.mark.slow
def test_a_killed_worker_costs_one_request(server: Server) -> None:
    """Of two workers that simulate, one is killed in the middle: its request is told to come again,
    the other is answered, risks are answered meanwhile, and there are two workers afterwards.
    """
    server.post(f"{MODEL}/simulation", SHORT)  # compiled, so that the long one is under way
    with ThreadPoolExecutor(2) as clients:
        both = [clients.submit(server.post, f"{MODEL}/simulation", LONG) for _ in range(2)]
        time.sleep(2)
        assert server.post(f"{MODEL}/risk", {"patient": patient()})[0] == 200
        first, *_ = server.workers()
        os.kill(first, signal.SIGKILL)
        answers = sorted(one.result()[0] for one in both)
    assert answers == [200, 503]
    assert first not in server.workers()
    assert len(server.workers()) == 2
    assert server.post(f"{MODEL}/simulation", SHORT)[0] == 200
    assert any(line["event"] == "worker" and line["code"] == -9 for line in server.log)


def test_a_worker_that_died_idle_is_replaced_unseen(server: Server) -> None:
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    time.sleep(0.5)
    assert server.post(f"{MODEL}/simulation", SHORT)[0] == 200


async def _too_long() -> list[str]:
    pool = WorkerPool(1, threads=1, limits=Limits(waiting=1))
    await pool.start()
    seen = []
    work = {"kind": "simulation", "model": "nowhere", **LONG, "seed": 1}
    try:
        first = asyncio.create_task(pool.ask(work, seconds=0.2))
        await asyncio.sleep(0)
        try:
            await pool.ask(work, seconds=1)
        except BusyError:
            seen.append("busy")
        try:
            await first
        except TimeoutError:
            seen.append("too long")
        answer = await pool.ask(work, seconds=120)  # of the worker that took the place
        seen.append(next(iter(answer)))
    finally:
        await pool.close()
    return seen


def test_waiting_has_an_end() -> None:
    assert asyncio.run(_too_long()) == ["busy", "too long", "input"]
